//! `certbound verify`: what a gate decides, step by step, for this deployment's tokens and another issuer's.

mod deployment;
mod others;
mod running;

use certbound::cert::ClientCertificate;
use certbound::key::algorithm::SigningAlgorithm;
use certbound::token::read::recognise;
use serde_json::{Value, json};

use super::{Ran, now, pem, pki, run};
use deployment::{Deployment, ISSUER, P256, secretive};

/// The last step and the answer, of which the step failed if one did.
#[track_caller]
fn ends(ran: &Ran) -> (String, String) {
    let lines: Vec<_> = ran.out.lines().collect();
    let [.., step, answer] = lines.as_slice() else {
        panic!("too few lines: {}", ran.out);
    };
    ((*step).to_owned(), (*answer).to_owned())
}

#[test]
fn verify_tells_every_step() {
    let here = Deployment::new();
    let store = here.file_store();
    let token = here.token(|_| {});
    let ran = here
        .verify(&token, Some("p256"), &["--gate", "orders", &store])
        .expect(0, "", "");
    let kid = here
        .keys
        .signer(SigningAlgorithm::Es256, now())
        .expect("a key")
        .kid()
        .to_owned();
    let steps: Vec<_> = ran.out.lines().collect();
    let expected = [
        format!("supposing that a trusted web server forwards this certificate (read as PEM), x5t#S256 {P256}:"),
        "1. gate orders asks for a token of https://as.example.com, by bearer, introspection; proof of possession strict; audience https://orders.example.com; scope orders.read".into(),
        format!("2. the token is a JWT, alg \"ES256\", key id {kid:?}, and says that it is of \"https://as.example.com\""),
        format!("3. it is judged as our own: its signature by the signing keys in {}, whether it was revoked by no records, as there is no file {} yet", here.file("keys"), here.file("store")),
    ];
    assert_eq!(steps[..4], expected);
    let begin = [
        "4. it is genuine: alive until ",
        "5. issuer: tokens of https://as.example.com are taken",
        "6. time: it is ",
        "7. possession: the token is bound to the certificate 0JabUgcw",
        "8. audience: the token is meant for https://orders.example.com",
        "9. user authentication: none is asked for",
        "10. scope: the token has orders.read",
        "answer: 200; X-Auth-Subject: by-dn; X-Auth-Client-Id: by-dn; X-Auth-Scope: orders.read; X-Auth-Expires: ",
    ];
    assert_eq!(steps.len(), 4 + begin.len(), "{}", ran.out);
    for (line, begins) in steps[4..].iter().zip(begin) {
        assert!(line.starts_with(begins), "{line}");
    }
    let known = format!(
        "; sub \"by-dn\"; client_id \"by-dn\"; scope orders.read; aud [\"https://orders.example.com\"]; cnf x5t#S256 {P256}"
    );
    assert!(steps[4].ends_with(&known), "{}", steps[4]);
    // Looking made nothing.
    assert!(!std::path::Path::new(&here.file("store")).exists());
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn verify_refuses_as_the_gate_does() {
    let here = Deployment::new();
    let store = here.file_store();
    let good = here.token(|_| {});
    let no_cnf = |claims: &mut Value| drop(claims.as_object_mut().map(|all| all.remove("cnf")));
    let tightened = here.token(no_cnf);
    let unbound = here.token(|claims| {
        no_cnf(claims);
        claims["client_id"] = json!("unbound");
    });
    let revoked = here.token(|claims| claims["jti"] = json!("revoked"));
    let recognised = recognise(&revoked, &here.keys, ISSUER, now()).expect("ours");
    here.commit(&recognised.revocation());
    let expired = here.token(|claims| claims["exp"] = json!(now().unix() - 1));
    let gone = here.token(|claims| claims["client_id"] = json!("gone"));
    let foreign = here.token(|claims| claims["iss"] = json!("https://other.example"));
    let forged = format!("{}AAAA", &good[..good.len() - 4]);
    let opaque = format!("cbat_{}", "A".repeat(43));
    let invalid = "answer: 401; WWW-Authenticate: Bearer realm=\"GATE\", error=\"invalid_token\"";
    let malformed = "answer: 401; WWW-Authenticate: Bearer realm=\"GATE\", error=\"invalid_request\"; X-Gate-Status: 400";
    let p256 = Some("p256");
    for (token, certificate, gate, code, step, answer) in [
        (
            &good,
            p256,
            "default",
            0,
            "scope: none is asked for",
            "answer: 200; X-Auth-Subject: by-dn",
        ),
        (
            &good,
            Some("rsa"),
            "default",
            1,
            "refused: possession: the token is bound to the certificate 0JabUgcw",
            invalid,
        ),
        (
            &good,
            None,
            "default",
            1,
            "refused: possession: the token is bound to a certificate, and none came",
            invalid,
        ),
        (&good, None, "optional", 1, "refused: possession: ", invalid),
        (
            &unbound,
            p256,
            "default",
            1,
            "refused: possession: the token is bound to no certificate",
            invalid,
        ),
        (&unbound, None, "optional", 0, "scope: ", "answer: 200; "),
        (
            &tightened,
            None,
            "optional",
            1,
            "registered for bound tokens, and it is not bound",
            invalid,
        ),
        (
            &good,
            Some("rsa"),
            "off",
            0,
            "scope: ",
            "; Set-Cookie: __Host-certbound-off=(not shown)",
        ),
        (
            &good,
            p256,
            "admin",
            1,
            "refused: scope: the token has not the scope admin",
            "answer: 403; WWW-Authenticate: Bearer realm=\"admin\", error=\"insufficient_scope\", scope=\"admin\"",
        ),
        (
            &here.token(|claims| claims["aud"] = json!("x")),
            p256,
            "orders",
            1,
            "refused: audience: the token is meant for [\"x\"]",
            invalid,
        ),
        (
            &good,
            p256,
            "gold",
            1,
            "refused: user authentication: the token's acr is None",
            "error=\"insufficient_user_authentication\", acr_values=\"gold\"",
        ),
        (
            &revoked,
            p256,
            "default",
            1,
            "refused: it is no token of ours that is alive: it was revoked",
            invalid,
        ),
        (
            &expired,
            p256,
            "default",
            1,
            "alive: it expired at ",
            invalid,
        ),
        (
            &gone,
            p256,
            "default",
            1,
            "its client \"gone\" is registered no more",
            invalid,
        ),
        (
            &forged,
            p256,
            "default",
            1,
            "alive: the token's signature is wrong",
            invalid,
        ),
        (
            &foreign,
            p256,
            "default",
            1,
            "\"https://other.example\", whose tokens are not taken here",
            invalid,
        ),
        (
            &opaque,
            p256,
            "default",
            1,
            "there is no record of it",
            invalid,
        ),
        (
            &opaque,
            p256,
            "bearer",
            1,
            "refused: it is no live token of an issuer that could be asked",
            invalid,
        ),
        (
            &"garbage".to_owned(),
            p256,
            "default",
            1,
            "refused: it is no live token",
            invalid,
        ),
        (
            &"-garbage".to_owned(),
            p256,
            "default",
            1,
            "refused: it is no live token",
            invalid,
        ),
        (
            &"two words".to_owned(),
            p256,
            "default",
            1,
            "2. refused: what follows Bearer is not one token",
            malformed,
        ),
        (
            &"t\u{f6}ken".to_owned(),
            p256,
            "default",
            1,
            "2. refused: the Authorization header is not ASCII",
            malformed,
        ),
        (
            &"two\nlines".to_owned(),
            p256,
            "default",
            1,
            "2. refused: the token holds a line break",
            malformed,
        ),
        (
            &String::new(),
            p256,
            "default",
            1,
            "2. refused: what follows Bearer",
            malformed,
        ),
        (
            &format!("Bearer {good}"),
            p256,
            "default",
            1,
            "leave the word Bearer out",
            malformed,
        ),
        (
            &"a".repeat(17_000),
            p256,
            "default",
            1,
            "2. refused: the token is larger than 16 KiB",
            malformed,
        ),
    ] {
        let ran = here.verify(token, certificate, &["--gate", gate, &store]);
        let (last, told) = ends(&ran);
        let case = format!("{gate}, {step}: {}{}", ran.out, ran.err);
        assert_eq!(ran.code, Some(code), "{case}");
        assert!(last.contains(step), "{case}");
        assert!(told.contains(&answer.replace("GATE", gate)), "{case}");
    }
    // Both thumbprints are told.
    let ran = here.verify(&good, Some("rsa"), &[&store]);
    let other = ClientCertificate::from_pem(&pem("rsa")).expect("a fixture");
    assert!(ends(&ran).0.contains(&other.thumbprint().to_string()));
}

#[test]
fn verify_reads_what_explain_reads() {
    let here = Deployment::new();
    let store = here.file_store();
    let token = here.token(|_| {});
    let flags = here.flags();
    let ask = |certificate: &str, token: &str, more: &[&str], input: &[u8]| {
        let mut arguments = vec!["verify", "--certificate", certificate, &store];
        arguments.push("--token");
        arguments.push(token);
        arguments.extend(flags.iter().map(String::as_str));
        arguments.extend(more);
        run(&arguments, input)
    };
    let p256 = pki("p256").display().to_string();
    // The token by standard input, as a shell writes it; then the certificate.
    let piped = ask(&p256, "-", &[], format!("{token}\n").as_bytes());
    secretive(piped, &token).expect(0, "answer: 200", "");
    let line = pem("p256").trim().replace('\n', " ");
    secretive(ask("-", &token, &[], line.as_bytes()), &token).expect(
        0,
        "read as a header value, pem",
        "",
    );
    ask(
        "-",
        &token,
        &["--client-cert-encoding=rfc9440"],
        line.as_bytes(),
    )
    .expect(
        1,
        "2. refused: with --client-cert-encoding rfc9440 this is 400",
        "",
    )
    .expect(1, "X-Gate-Status: 400", "");
    ask("-", &token, &[], b"(null)").expect(1, "note: \"(null)\" is no certificate", "");
    ask("-", &token, &[], b"MIIgarbage").expect(1, "refused: the certificate cannot be read", "");
    ask("-", "-", &[], b"").expect(2, "", "cannot both be standard input");
    ask("/nowhere", &token, &[], b"").expect(2, "", "cannot be read");
    ask(&p256, &token, &["--gate=ordres"], b"").expect(2, "", "did you mean \"orders\"?");
    ask(&p256, &token, &["--gate=zebra"], b"").expect(2, "", "write one of default, ");
    ask(&p256, &token, &["--client-crl=/nowhere"], b"").expect(2, "", "/nowhere");
    run(&["verify"], b"").expect(2, "", "--token <T>");
    run(&["verify", "--help"], b"").expect(
        0,
        "standard input, so that it is neither in the list",
        "",
    );
    // Without any keys nobody can tell: they are not made either.
    let none = format!("--keys={}", here.file("none"));
    let flags: Vec<_> = flags
        .iter()
        .filter(|flag| !flag.starts_with("--keys"))
        .cloned()
        .collect();
    let mut arguments = vec!["verify", "--token", &token, &store, &none];
    arguments.extend(flags.iter().map(String::as_str));
    run(&arguments, b"")
        .expect(1, "undecided: there are no signing keys in", "")
        .expect(1, "answer: 503", "");
    assert!(!std::path::Path::new(&here.file("none")).exists());
}
