//! `verify` and `verify/NAME` for this server's own tokens (RFC 6750, RFC 8705 section 3).

use serde_json::json;

use crate::jose::claims;
use crate::pki::{Cert, pki};
use crate::wire::Response;
use crate::world::{ISSUER, SECRET, Server, World, secret_client};

/// One gate for each kind of proof, with sessions.
fn three(world: &World, more: &str) -> String {
    let secret = world.write("session.secret", "0123456789abcdef0123456789abcdef\n");
    ["strict", "optional", "off"]
        .map(|proof| {
            format!(
                "[gate.{proof}]\nproof_of_possession_mtls = \"{proof}\"\nauth_methods = [\"bearer\", \"introspection\", \"session\"]\nsession_secret_file = \"{secret}\"\n{more}\n"
            )
        })
        .concat()
}

pub(crate) fn bound(server: &Server, id: &str, certificate: &Cert) -> String {
    server
        .token(id)
        .with(certificate)
        .send()
        .text("access_token")
}

pub(crate) fn unbound(server: &Server, id: &str) -> String {
    server.token_by_secret(id).send().text("access_token")
}

/// The cookie that an answer gives, as a client sends it back.
pub(crate) fn cookie(response: &Response) -> Option<String> {
    let line = response.header("set-cookie")?;
    Some(line.split(';').next().expect("a cookie").to_owned())
}

pub(crate) fn opaque(mut registration: serde_json::Value) -> serde_json::Value {
    registration["access_token_format"] = json!("opaque");
    registration
}

#[test]
fn who_was_let_through() {
    let server = World::usual().start();
    let token = bound(&server, "alice", &pki().alice);
    let answer = server.verify("default", &token).with(&pki().alice).send();
    assert_eq!(answer.status, 200);
    let claims = claims(&token);
    for (name, expected) in [
        ("x-auth-subject", "alice".to_owned()),
        ("x-auth-client-id", "alice".to_owned()),
        ("x-auth-scope", "orders.read orders.write".to_owned()),
        ("x-auth-expires", claims["exp"].to_string()),
        ("x-auth-thumbprint", pki().alice.thumbprint()),
        ("x-auth-issuer", ISSUER.to_owned()),
    ] {
        assert_eq!(answer.header(name), Some(expected.as_str()), "{name}");
    }
    assert_eq!(answer.header("set-cookie"), None);
    // Any method, at the path without a name too, and in any case (BR-02).
    for (method, path, scheme) in [
        ("POST", "verify", "Bearer"),
        ("DELETE", "verify", "bearer"),
        ("PROPFIND", "verify/default", "BEARER"),
        ("OPTIONS", "verify?x=1", "bEaReR"),
    ] {
        let request = server
            .request(method, path)
            .header("Authorization", format!("{scheme} {token}"))
            .with(&pki().alice);
        assert_eq!(request.send().status, 200, "{method} {path}");
    }
}

#[test]
fn br_01_03_04_07_one_token_in_one_place() {
    let server = World::usual().start();
    let token = bound(&server, "alice", &pki().alice);
    let ask = |path: &str| server.get(path).with(&pki().alice);
    let bearer = format!("Bearer {token}");
    let malformed = Some("Bearer realm=\"default\", error=\"invalid_request\"");
    let bare = Some("Bearer realm=\"default\"");
    for (name, request, status, challenge) in [
        ("no token", ask("verify"), None, bare),
        ("basic", ask("verify").basic("alice", SECRET), None, bare),
        (
            "dpop",
            ask("verify").header("Authorization", format!("DPoP {token}")),
            None,
            bare,
        ),
        (
            "query",
            ask(&format!("verify?access_token={token}")),
            Some("400"),
            bare,
        ),
        (
            "header and query",
            ask("verify?access%5Ftoken=x").header("Authorization", bearer.clone()),
            Some("400"),
            malformed,
        ),
        (
            "two headers",
            ask("verify")
                .header("Authorization", bearer.clone())
                .header("Authorization", bearer.clone()),
            Some("400"),
            malformed,
        ),
        (
            "two in one",
            ask("verify").header("Authorization", format!("{bearer}, {bearer}")),
            Some("400"),
            malformed,
        ),
        (
            "two blanks",
            ask("verify").header("Authorization", format!("Bearer  {token}")),
            Some("400"),
            malformed,
        ),
        (
            "large",
            ask("verify").header("Authorization", format!("Bearer {}", "a".repeat(20_000))),
            Some("400"),
            malformed,
        ),
        (
            "header and body",
            server
                .post("verify")
                .with(&pki().alice)
                .header("Authorization", bearer.clone())
                .form("access_token", &token),
            Some("400"),
            malformed,
        ),
        (
            "body",
            server
                .post("verify")
                .with(&pki().alice)
                .form("access_token", &token),
            Some("400"),
            bare,
        ),
        (
            "original query",
            ask("verify")
                .header("Authorization", bearer.clone())
                .header("X-Original-URI", "/orders?access_token=x"),
            Some("400"),
            malformed,
        ),
    ] {
        let answer = request.send();
        assert_eq!(answer.status, 401, "{name}");
        assert_eq!(answer.header("x-gate-status"), status, "{name}");
        assert_eq!(answer.header("www-authenticate"), challenge, "{name}");
    }
    // A form of the application's own says nothing here.
    let form = server
        .post("verify")
        .with(&pki().alice)
        .header("Authorization", bearer)
        .form("order", "1");
    assert_eq!(form.send().status, 200);
}

/// nginx without `proxy_set_header Content-Length ""` announces a body that never comes.
#[test]
fn a_body_that_does_not_come_keeps_nobody_waiting() {
    let server = World::usual().start();
    let token = bound(&server, "alice", &pki().alice);
    let request = server
        .request("PUT", "verify")
        .with(&pki().alice)
        .header("Authorization", format!("Bearer {token}"))
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header("Content-Length", "1000");
    let began = std::time::Instant::now();
    assert_eq!(request.send().status, 200);
    assert!(began.elapsed() < std::time::Duration::from_secs(5));
}

#[test]
fn forged_headers_are_refused_as_the_gate_refuses() {
    let trusted = World::usual().start();
    let token = bound(&trusted, "alice", &pki().alice);
    let twice = trusted
        .verify("default", &token)
        .with(&pki().alice)
        .header("X-ClientCert", pki().alice.nginx())
        .send();
    let alike = trusted
        .verify("default", &token)
        .with(&pki().alice)
        .header("X_ClientCert", pki().alice.nginx())
        .send();
    let garbage = trusted
        .verify("default", &token)
        .header("X-ClientCert", "MIIB")
        .send();
    let large = trusted
        .verify("default", &token)
        .header("X-Large", "a".repeat(100_000));
    let large = large.server.place.exchange(&large.octets());
    let untrusted = World::bare().start();
    let forged = untrusted
        .verify("default", &token)
        .with(&pki().alice)
        .send();
    for (name, answer) in [
        ("twice", &twice),
        ("alike", &alike),
        ("garbage", &garbage),
        ("untrusted", &forged),
    ] {
        assert_eq!(answer.status, 401, "{name}");
        assert_eq!(answer.header("x-gate-status"), Some("400"), "{name}");
        assert_eq!(
            answer.header("www-authenticate"),
            Some("Bearer realm=\"default\", error=\"invalid_request\""),
            "{name}"
        );
    }
    assert_ne!(large.status, 200);
    let _ = trusted.uncounted();
}

#[test]
fn what_a_gate_wants_besides() {
    let world = World::usual().client(json!({
        "client_id": "own",
        "token_endpoint_auth_method": "client_secret_basic",
        "client_secret": SECRET,
        "grant_types": ["client_credentials"],
        "scope": "orders.read",
        "audience": ["https://orders.example.com"],
    }));
    let server = world
        .gates(
            r#"
            [gate.audience]
            proof_of_possession_mtls = "off"
            audience = ["https://invoices.example.com", "https://orders.example.com"]
            [gate.scope]
            proof_of_possession_mtls = "off"
            scopes = ["orders.read", "orders.write"]
            [gate.user]
            proof_of_possession_mtls = "off"
            acr = "gold"
            max_age = "10m"
            [gate.bearer]
            proof_of_possession_mtls = "off"
            auth_methods = ["bearer"]
            [gate.introspection]
            proof_of_possession_mtls = "off"
            auth_methods = ["introspection"]
            [gate.elsewhere]
            proof_of_possession_mtls = "off"
            issuers = ["https://other.example.com"]
            audience = ["x"]
            auth_methods = ["bearer"]
            "#,
        )
        .start();
    let (own, carol) = (unbound(&server, "own"), unbound(&server, "carol"));
    for (gate, token, status, challenge) in [
        ("audience", &own, 200, ""),
        ("audience", &carol, 401, "error=\"invalid_token\""),
        (
            "scope",
            &own,
            403,
            "Bearer realm=\"scope\", error=\"insufficient_scope\", scope=\"orders.read orders.write\"",
        ),
        (
            "user",
            &own,
            401,
            "Bearer realm=\"user\", error=\"insufficient_user_authentication\", acr_values=\"gold\", max_age=\"600\"",
        ),
        ("bearer", &own, 200, ""),
        ("introspection", &own, 200, ""),
        ("elsewhere", &own, 401, "error=\"invalid_token\""),
    ] {
        let answer = server.verify(gate, token).send();
        assert_eq!(answer.status, status, "{gate}");
        let shown = answer.header("www-authenticate").unwrap_or_default();
        assert!(shown.contains(challenge), "{gate}: {shown}");
    }
    assert_eq!(server.get("verify/nowhere").send().status, 404);
    server.logs("there is no [gate.nowhere]");
    assert_eq!(server.verify("Scope", &own).send().status, 404);
}

#[test]
fn opaque_tokens_need_introspection() {
    let world = World::usual().client(opaque(secret_client("dave", json!({}))));
    let server = world
        .gates(
            "[gate.bearer]\nproof_of_possession_mtls = \"off\"\nauth_methods = [\"bearer\"]\n[gate.both]\nproof_of_possession_mtls = \"off\"\n",
        )
        .start();
    let token = unbound(&server, "dave");
    assert_eq!(server.verify("both", &token).send().status, 200);
    assert_eq!(server.verify("bearer", &token).send().status, 401);
}

#[test]
fn revocation_ends_tokens_and_sessions() {
    let world = World::usual();
    let world = world.gates_of(|world| three(world, ""));
    let server = world.start();
    let token = bound(&server, "alice", &pki().alice);
    let answer = server.verify("strict", &token).with(&pki().alice).send();
    let session = cookie(&answer).expect("a session");
    let line = answer.header("set-cookie").expect("a cookie");
    assert!(line.starts_with("__Host-certbound-strict="), "{line}");
    for attribute in [
        "; Path=/",
        "; Secure",
        "; HttpOnly",
        "; SameSite=Lax",
        "; Max-Age=",
    ] {
        assert!(line.contains(attribute), "{line}");
    }
    let by_session = |gate: &str, cookie: &str| {
        server
            .get(&format!("verify/{gate}"))
            .with(&pki().alice)
            .header("Cookie", cookie)
            .send()
            .status
    };
    assert_eq!(by_session("strict", &session), 200);
    // Worth nothing at another gate, under its own name or that gate's.
    assert_eq!(by_session("optional", &session), 401);
    let renamed = session.replace("certbound-strict", "certbound-optional");
    assert_eq!(by_session("optional", &renamed), 401);
    for broken in [
        &session[..session.len() - 1],
        "__Host-certbound-strict=",
        "__Host-certbound-strict=AAAA",
        &format!("__Host-certbound-strict={}", "A".repeat(5_000)),
        &format!("{session}; {session}"),
    ] {
        assert_eq!(by_session("strict", broken), 401);
    }
    let revoke = server
        .post("revoke")
        .with(&pki().alice)
        .form("client_id", "alice")
        .form("token", &token);
    assert_eq!(revoke.send().status, 200);
    assert_eq!(
        server
            .verify("strict", &token)
            .with(&pki().alice)
            .send()
            .status,
        401
    );
    assert_eq!(by_session("strict", &session), 401);
}

#[test]
fn a_session_secret_is_replaced_without_ending_sessions() {
    let world = World::usual();
    let world = world.gates_of(|world| three(world, ""));
    let first = world.start();
    let token = bound(&first, "alice", &pki().alice);
    let session = |server: &Server| {
        cookie(&server.verify("strict", &token).with(&pki().alice).send()).expect("a session")
    };
    let passes = |server: &Server, cookie: &str| {
        let ask = server.get("verify/strict").with(&pki().alice);
        ask.header("Cookie", cookie).send().status == 200
    };
    let old = session(&first);
    let (one, two) = (
        "0123456789abcdef0123456789abcdef",
        "fedcba9876543210fedcba9876543210",
    );
    world.write("session.secret", &format!("{two}\n{one}\n"));
    let second = world.start();
    let new = session(&second);
    assert!(passes(&second, &old) && passes(&second, &new));
    world.write("session.secret", &format!("{two}\n"));
    let third = world.start();
    assert!(!passes(&third, &old) && passes(&third, &new));
}

#[test]
fn at_07_09_no_other_jwt_opens_a_gate() {
    let server = World::usual()
        .gates("[gate.off]\nproof_of_possession_mtls = \"off\"\n")
        .start();
    let token = unbound(&server, "carol");
    let signed = server
        .post("introspect")
        .basic("gate", SECRET)
        .form("token", &token)
        .header("Accept", "application/token-introspection+jwt")
        .send()
        .body;
    let parts: Vec<&str> = token.split('.').collect();
    let none = format!(
        "{}.{}.",
        crate::jose::encode(r#"{"alg":"none","typ":"at+jwt"}"#),
        parts[1]
    );
    let confused = crate::jose::sign_hs256(
        server.jwks().to_string().as_bytes(),
        &json!({ "alg": "HS256", "typ": "at+jwt", "kid": crate::jose::header(&token)["kid"] }),
        &claims(&token),
    );
    for (name, text) in [
        ("introspection response", signed.as_str()),
        ("alg none", &none),
        ("HS256", &confused),
        ("changed", &token[..token.len() - 4]),
        ("garbage", "a.b.c"),
        ("dots", "..."),
    ] {
        let answer = server.verify("off", text).send();
        assert_eq!(answer.status, 401, "{name}");
        let challenge = answer.header("www-authenticate").expect("a challenge");
        assert!(
            challenge.contains("error=\"invalid_token\""),
            "{name}: {challenge}"
        );
    }
    assert_eq!(server.verify("off", &token).send().status, 200);
}
