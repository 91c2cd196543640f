//! Gates that take other issuers' tokens: JWTs by their keys, anything else by introspection there.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::assertion::now;
use crate::gate::cookie;
use crate::jose::{EcKey, RsaKey, encode};
use crate::other_issuer::{Other, named};
use crate::pki::{Cert, pki};
use crate::wire::Response;
use crate::world::{ISSUER, SECRET, Server, World};

/// Gates for that issuer, by proof and by methods, for example `strict-bearer`.
pub(crate) fn gates(world: &World, other: &Other) -> String {
    let secret = world.write("session.secret", "0123456789abcdef0123456789abcdef\n");
    let client = world.write(
        "orders-gate.json",
        &json!({ "client_id": "orders-gate", "client_secret": SECRET }).to_string(),
    );
    let mut tables = String::new();
    for proof in ["strict", "optional", "off"] {
        for methods in [
            &["bearer"][..],
            &["introspection"],
            &["bearer", "introspection"],
        ] {
            let name = format!("{proof}-{}", methods.join("-"));
            let mut methods = methods.to_vec();
            methods.push("session");
            let client = if methods.contains(&"introspection") {
                format!("introspection_client = \"{client}\"\n")
            } else {
                String::new()
            };
            tables += &format!(
                "[gate.{name}]\nproof_of_possession_mtls = \"{proof}\"\nauth_methods = {methods:?}\nissuers = [\"{}\"]\naudience = [\"https://orders.example.com\"]\nsession_secret_file = \"{secret}\"\n{client}",
                other.issuer()
            );
        }
    }
    tables
}

fn start(other: &Other) -> Server {
    World::usual()
        .switch("--outbound-allow-private")
        .gates_of(|world| gates(world, other))
        .start()
}

fn ask(server: &Server, gate: &str, token: &str, certificate: Option<&Cert>) -> Response {
    let request = server.verify(gate, token);
    match certificate {
        Some(certificate) => request.with(certificate).send(),
        None => request.send(),
    }
}

#[test]
fn a_session_ends_with_its_token_elsewhere() {
    let other = Other::new();
    let server = start(&other);
    let mut active = other.claims(Some(&pki().alice));
    active["active"] = json!(true);
    other.json("/realm/introspect", &active);
    let first = ask(
        &server,
        "strict-introspection",
        "opaque-token",
        Some(&pki().alice),
    );
    let session = cookie(&first).expect("a session");
    let status = || {
        let request = server.get("verify/strict-introspection").with(&pki().alice);
        request.header("Cookie", session.clone()).send().status
    };
    assert_eq!(status(), 200);
    other.json("/realm/introspect", &json!({ "active": false }));
    assert_eq!(status(), 401);
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn jo_01_at_07_what_is_no_access_token_of_that_issuer() {
    let other = Other::new();
    let server = start(&other);
    let good = other.claims(Some(&pki().alice));
    let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": "k1" });
    let changed = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        other.token(&claims)
    };
    let with_header = |name: &str, value: Value| {
        let mut header = header.clone();
        header[name] = value;
        other.token_with(&header, &good)
    };
    let stranger = EcKey::new();
    let unsigned = format!(
        "{}.{}.",
        encode(json!({ "alg": "none", "typ": "at+jwt" }).to_string()),
        encode(good.to_string())
    );
    for (name, token, status) in [
        ("good", other.token(&good), 200),
        (
            "typ JWT with a scope",
            with_header("typ", json!("JWT")),
            200,
        ),
        (
            "another issuer",
            changed("iss", json!("https://other.example")),
            401,
        ),
        (
            "this server as issuer",
            changed("iss", json!("https://as.example.com")),
            401,
        ),
        (
            "issuer with a slash",
            changed("iss", json!(format!("{}/", other.issuer()))),
            401,
        ),
        (
            "another audience",
            changed("aud", json!("https://x.example")),
            401,
        ),
        ("expired", changed("exp", json!(now() - 1)), 401),
        (
            "exp as text",
            changed("exp", json!((now() + 600).to_string())),
            401,
        ),
        ("not yet", changed("nbf", json!(now() + 300)), 401),
        ("dpop-bound", changed("cnf", json!({ "jkt": "x" })), 401),
        (
            "no subject",
            {
                let mut claims = good.clone();
                for name in ["sub", "client_id"] {
                    claims.as_object_mut().expect("an object").remove(name);
                }
                other.token(&claims)
            },
            401,
        ),
        (
            "id token",
            {
                let mut claims = good.clone();
                claims["nonce"] = json!("n");
                other.token_with(
                    &json!({ "alg": "ES256", "typ": "JWT", "kid": "k1" }),
                    &claims,
                )
            },
            401,
        ),
        ("logout token", with_header("typ", json!("logout+jwt")), 401),
        ("alg none", unsigned, 401),
        ("ES384 named", with_header("alg", json!("ES384")), 401),
        ("HS256 named", with_header("alg", json!("HS256")), 401),
        ("embedded jwk", with_header("jwk", other.token_key()), 401),
        ("critical", with_header("crit", json!(["x"])), 401),
        ("a stranger's key", stranger.sign(&header, &good), 401),
        (
            "an RSA key that is not there",
            RsaKey::new().sign("RS256", &good),
            401,
        ),
    ] {
        let answer = ask(&server, "strict-bearer", &token, Some(&pki().alice));
        assert_eq!(answer.status, status, "{name}");
        // What is verified here is not tried again elsewhere.
        let both = ask(
            &server,
            "strict-bearer-introspection",
            &token,
            Some(&pki().alice),
        );
        assert_eq!(both.status, status, "{name}");
    }
    // What has no signature at all is no JWT; its issuer may know it otherwise, and did not.
    assert_eq!(other.asked("/realm/introspect").len(), 1);
}

#[test]
fn credentials_and_hint_go_to_the_introspection_endpoint() {
    let other = Other::new();
    let server = start(&other);
    ask(&server, "off-introspection", "opaque~token", None);
    let asked = other.asked("/realm/introspect");
    let [request] = asked.as_slice() else {
        panic!("one request: {asked:?}");
    };
    assert!(
        request.contains("token=opaque%7Etoken")
            && request.contains("token_type_hint=access_token"),
        "{request}"
    );
    assert!(
        request
            .to_ascii_lowercase()
            .contains("authorization: basic "),
        "{request}"
    );
}

/// Who knows a secret is the client at every issuer where that is its secret.
#[test]
fn a_secret_is_sent_to_one_issuer_alone() {
    let gate = |client: &str, issuers: &str| {
        format!("[gate.orders]\nissuers = [{issuers}]\nintrospection_client = \"{client}\"\n")
    };
    let (one, two) = ("\"http://127.0.0.1:1\"", "\"http://127.0.0.1:2\"");
    let world = || World::usual().switch("--outbound-allow-private");
    let written = |world: &World| {
        let client = json!({ "client_id": "orders-gate", "client_secret": SECRET });
        world.write("orders-gate.json", &client.to_string())
    };
    for issuers in [one.to_owned(), format!("\"{ISSUER}\", {one}")] {
        world()
            .gates_of(|world| gate(&written(world), &issuers))
            .start();
    }
    let both = world().gates_of(|world| gate(&written(world), &format!("{one}, {two}")));
    let said = both.refuses_to_start();
    assert!(said.contains("a gate of its own"), "{said}");
}

#[test]
fn a_secret_that_changes_is_read_again() {
    let other = Other::new();
    let world = World::usual()
        .switch("--outbound-allow-private")
        .gates_of(|world| {
            world.write("secret", "the-old-one-of-the-gate\n");
            let client = json!({ "client_id": "orders-gate", "client_secret_file": "secret" });
            let client = world.write("orders-gate.json", &client.to_string());
            format!(
                "[gate.orders]\nissuers = [\"{}\"]\nintrospection_client = \"{client}\"\n",
                other.issuer()
            )
        });
    let server = world.start();
    let sent = || {
        ask(&server, "orders", "opaque", None);
        let last = other.asked("/realm/introspect").pop().expect("asked");
        let line = last.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("authorization")
                .then(|| value.to_owned())
        });
        line.expect("credentials")
    };
    let before = sent();
    world.write("secret", "the-new-one-of-the-gate\n");
    let began = Instant::now();
    while sent() == before {
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "still the old one"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn at_09_no_refresh_token_opens_a_gate() {
    let other = Other::new();
    let server = start(&other);
    let mut active = other.claims(None);
    active["active"] = json!(true);
    active["token_type"] = json!("Bearer");
    for (purpose, status) in [
        (None, 200),
        (Some("access_token"), 200),
        (Some("refresh_token"), 401),
    ] {
        if let Some(purpose) = purpose {
            active["token_use"] = json!(purpose);
        }
        other.json("/realm/introspect", &active);
        let answer = ask(&server, "off-introspection", "opaque-token", None);
        assert_eq!(answer.status, status, "{purpose:?}");
    }
}

#[test]
fn a_new_key_is_fetched_once_and_an_outage_stalls_nobody() {
    let other = Other::new();
    let server = start(&other);
    let claims = other.claims(Some(&pki().alice));
    let alice = Some(&pki().alice);
    assert_eq!(
        ask(&server, "strict-bearer", &other.token(&claims), alice).status,
        200
    );
    let fetched = || other.asked("/realm/keys").len();
    assert_eq!(fetched(), 1);
    // Unknown keys, again and again: one look.
    let stranger = EcKey::new();
    for number in 0..20 {
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": format!("s{number}") });
        let token = stranger.sign(&header, &claims);
        assert_eq!(ask(&server, "strict-bearer", &token, alice).status, 401);
    }
    assert!(fetched() <= 2, "{}", fetched());
    // The issuer hangs: what is known goes on.
    other.raw("/realm/keys", "");
    other.raw("/realm/.well-known/openid-configuration", "");
    let began = Instant::now();
    for _ in 0..10 {
        assert_eq!(
            ask(&server, "strict-bearer", &other.token(&claims), alice).status,
            200
        );
    }
    assert!(began.elapsed() < Duration::from_secs(3));
}

/// A key that appears after the first look is found by the first token that it signed.
#[test]
fn rotation_is_seen_at_once() {
    let other = Other::new();
    let server = start(&other);
    let claims = other.claims(Some(&pki().alice));
    let alice = Some(&pki().alice);
    assert_eq!(
        ask(&server, "strict-bearer", &other.token(&claims), alice).status,
        200
    );
    // A forgery under the old name does not use up the look that a new name gets.
    let forged = EcKey::new();
    let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": "k1" });
    let forged = forged.sign(&header, &claims);
    assert_eq!(ask(&server, "strict-bearer", &forged, alice).status, 401);
    let new = EcKey::new();
    other.publish(&[named(&new, "k2")]);
    let token = new.sign(
        &json!({ "alg": "ES256", "typ": "at+jwt", "kid": "k2" }),
        &claims,
    );
    assert_eq!(ask(&server, "strict-bearer", &token, alice).status, 200);
    // The old key is gone, and what it signed with it, remembered or not.
    assert_eq!(
        ask(&server, "strict-bearer", &other.token(&claims), alice).status,
        401
    );
}

#[test]
fn an_issuer_that_misbehaves_decides_nothing() {
    let issuer = Other::new().issuer();
    let well_known = "/realm/.well-known/openid-configuration";
    for (name, path, answer) in [
        (
            "lies about its name",
            well_known,
            json_answer(&json!({ "issuer": issuer, "jwks_uri": "https://x.example/keys" })),
        ),
        (
            "redirects",
            well_known,
            "HTTP/1.1 302 Found\r\nLocation: https://x.example/\r\nContent-Length: 0\r\n\r\n".to_owned(),
        ),
        (
            "answers ten gigabytes",
            well_known,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10000000000\r\n\r\n{".to_owned(),
        ),
        ("hangs", "/realm/keys", String::new()),
        ("has no keys", "/realm/keys", json_answer(&json!({}))),
        ("is no JSON", "/realm/keys", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{]".to_owned()),
    ] {
        let other = Other::new();
        other.raw(path, &answer);
        let server = start(&other);
        let token = other.token(&other.claims(Some(&pki().alice)));
        let began = Instant::now();
        for _ in 0..3 {
            let answer = ask(&server, "strict-bearer", &token, Some(&pki().alice));
            assert_eq!(answer.status, 503, "{name}");
        }
        assert!(began.elapsed() < Duration::from_secs(8), "{name}");
        server.logs("gate_undecided");
    }
    for (name, answer) in [
        (
            "no JSON",
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{]"
                .to_owned(),
        ),
        ("no verdict", json_answer(&json!({ "sub": "user-1" }))),
        (
            "refuses us",
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n".to_owned(),
        ),
        (
            "is broken",
            "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_owned(),
        ),
    ] {
        let other = Other::new();
        let server = start(&other);
        other.raw("/realm/introspect", &answer);
        let answer = ask(&server, "off-introspection", "opaque", None);
        assert_eq!(answer.status, 503, "{name}");
        // Nothing of that is remembered.
        let mut active = other.claims(None);
        active["active"] = json!(true);
        other.json("/realm/introspect", &active);
        assert_eq!(
            ask(&server, "off-introspection", "opaque", None).status,
            200,
            "{name}"
        );
    }
}

fn json_answer(document: &Value) -> String {
    let body = document.to_string();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn su_01_levels_and_age() {
    let other = Other::new();
    let server = World::usual()
        .switch("--outbound-allow-private")
        .gates(&format!(
            "[gate.gold]\nproof_of_possession_mtls = \"off\"\nauth_methods = [\"bearer\"]\nissuers = [\"{}\"]\naudience = [\"https://orders.example.com\"]\nacr = \"gold\"\nacr_loa_map = {{ silver = 1, gold = 2, platinum = 3 }}\nmax_age = \"5m\"\nscopes = [\"orders.read\"]\n",
            other.issuer()
        ))
        .start();
    for (name, acr, auth_time, scope, status) in [
        ("enough", Some("gold"), Some(now() - 10), "orders.read", 200),
        (
            "more",
            Some("platinum"),
            Some(now() - 10),
            "orders.read",
            200,
        ),
        ("less", Some("silver"), Some(now() - 10), "orders.read", 401),
        ("unknown", Some("7"), Some(now() - 10), "orders.read", 401),
        ("none", None, Some(now() - 10), "orders.read", 401),
        (
            "too old",
            Some("gold"),
            Some(now() - 400),
            "orders.read",
            401,
        ),
        ("ageless", Some("gold"), None, "orders.read", 401),
        ("no scope", Some("gold"), Some(now()), "orders.write", 403),
    ] {
        let mut claims = other.claims(None);
        claims["scope"] = json!(scope);
        if let Some(acr) = acr {
            claims["acr"] = json!(acr);
        }
        if let Some(at) = auth_time {
            claims["auth_time"] = json!(at);
        }
        let answer = server.verify("gold", &other.token(&claims)).send();
        assert_eq!(answer.status, status, "{name}");
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        match status {
            401 => assert_eq!(
                challenge,
                "Bearer realm=\"gold\", error=\"insufficient_user_authentication\", acr_values=\"gold\", max_age=\"300\"",
                "{name}"
            ),
            403 => assert_eq!(
                challenge,
                "Bearer realm=\"gold\", error=\"insufficient_scope\", scope=\"orders.read\"",
                "{name}"
            ),
            _ => assert_eq!(challenge, "", "{name}"),
        }
    }
    // A scope that does not fit into the headers is left out, and that is said.
    let mut claims = other.claims(None);
    claims["acr"] = json!("gold");
    claims["auth_time"] = json!(now());
    claims["scope"] = json!(format!("orders.read {}", "s".repeat(5_000)));
    let answer = server.verify("gold", &other.token(&claims)).send();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-auth-scope"), Some(""));
    assert_eq!(answer.header("x-gate-truncated"), Some("scope"));
}

#[test]
fn an_issuer_that_comes_up_late_is_found_soon() {
    let other = Other::new();
    let issuer = other.issuer();
    let well_known = "/realm/.well-known/openid-configuration";
    let away = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";
    other.raw(well_known, away);
    let server = start(&other);
    let alice = Some(&pki().alice);
    let token = other.token(&other.claims(alice));
    let asked = || ask(&server, "strict-bearer", &token, alice).status;
    assert_eq!(asked(), 503);
    other.json(
        well_known,
        &json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys") }),
    );
    let began = Instant::now();
    while asked() == 503 {
        assert!(began.elapsed() < Duration::from_secs(5));
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(asked(), 200);
}

/// What servers that are older than RFC 9068 write, or know no better.
#[test]
fn plain_tokens_and_answers_of_another_issuer_are_taken() {
    let other = Other::new();
    let server = start(&other);
    let alice = &pki().alice;
    let mut claims = other.claims(Some(alice));
    for name in ["scope", "typ", "client_id"] {
        claims.as_object_mut().expect("an object").remove(name);
    }
    let token = other.token_with(&json!({ "alg": "ES256", "kid": "k1" }), &claims);
    let status = |certificate| ask(&server, "strict-bearer", &token, certificate).status;
    assert_eq!(
        (status(Some(alice)), status(Some(&pki().bob)), status(None)),
        (200, 401, 401)
    );
    let mut active = other.claims(Some(alice));
    active["active"] = json!(true);
    active["username"] = json!(null);
    active["nbf"] = json!(null);
    let body = active.to_string();
    let untyped = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    other.raw("/realm/introspect", &untyped);
    let status = |certificate| ask(&server, "strict-introspection", "opaque", certificate).status;
    assert_eq!(
        (status(Some(alice)), status(Some(&pki().bob)), status(None)),
        (200, 401, 401)
    );
    active["token_use"] = json!("refresh_token");
    other.json("/realm/introspect", &active);
    assert_eq!(status(Some(alice)), 401);
}
