//! Tokens of another issuer, by its keys and by asking it.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use certbound::key::algorithm::SigningAlgorithm;
use certbound::key::signing::SigningKey;
use certbound::oauth::time::Lifetime;
use serde_json::{Value, json};

use super::deployment::{Deployment, P256};
use super::ends;
use crate::now;

/// Answers that many requests with JSON, each on a connection of its own.
fn publish(document: &Value, times: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let body = document.to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(times) {
            let mut stream = stream.expect("a connection");
            let _ = stream.read(&mut [0; 8192]);
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    port
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story")]
fn verify_asks_other_issuers() {
    let here = Deployment::new();
    let key = SigningKey::generate(SigningAlgorithm::Es256).expect("a key");
    let other = "https://other.example/realm";
    let token = key
        .sign_compact("at+jwt", &json!({
            "iss": other, "sub": "user-1", "client_id": "app", "aud": "https://orders.example.com",
            "exp": now().after(Lifetime::from_seconds(600)).unix(), "iat": now().unix(), "scope": "orders.read",
            "cnf": { "x5t#S256": P256 },
        }))
        .expect("signed");
    let keys = publish(&json!({ "keys": [key.public_jwk()] }), 3);
    let active = publish(
        &json!({ "active": true, "sub": "user-2", "cnf": { "x5t#S256": P256 } }),
        1,
    );
    let inactive = publish(&json!({ "active": false }), 1);
    here.place.put(
        "client.json",
        json!({
            "client_id": "gate", "token_endpoint_auth_method": "client_secret_basic",
            "client_secret": "quite-a-long-secret-of-the-gate-4711",
        })
        .to_string(),
    );
    let client = here.file("client.json");
    let gate = |name: &str, more: &str| {
        format!(
            "[gate.{name}]\nissuers = [\"{other}\"]\naudience = [\"https://orders.example.com\"]\n{more}\n"
        )
    };
    let asking = |name: &str, port: u16| {
        format!(
            "[gate.{name}]\nissuers = [\"{other}\"]\nauth_methods = [\"introspection\"]\nintrospection_endpoint = \"http://127.0.0.1:{port}/introspect\"\nintrospection_client = \"{client}\"\n"
        )
    };
    let jwks = |port: u16| {
        format!("auth_methods = [\"bearer\"]\njwks_uri = \"http://127.0.0.1:{port}/jwks\"")
    };
    let gates = [
        gate("keys", &jwks(keys)),
        gate("nobody", &jwks(1)),
        asking("active", active),
        asking("inactive", inactive),
    ];
    here.place.put("certbound.toml", gates.concat());
    let with = |jwt: &str| jwt.to_owned();
    let forged = format!("{}AAAA", &token[..token.len() - 4]);
    for (token, certificate, gate, code, says, answer) in [
        (
            with(&token),
            Some("p256"),
            "keys",
            0,
            "it is judged by bearer: its signature by the keys of https://other.example/realm, at http://127.0.0.1:",
            "answer: 200; X-Auth-Subject: user-1",
        ),
        (
            with(&token),
            Some("rsa"),
            "keys",
            1,
            "refused: possession: ",
            "answer: 401",
        ),
        (
            forged,
            Some("p256"),
            "keys",
            1,
            "refused: the token's signature is wrong",
            "answer: 401",
        ),
        (
            with(&token),
            Some("p256"),
            "nobody",
            1,
            "undecided: ",
            "answer: 503; X-Gate-Status: 503; Retry-After: 2",
        ),
        (
            "opaque-1".to_owned(),
            Some("p256"),
            "active",
            0,
            "it is judged by introspection: https://other.example/realm is asked, at http://127.0.0.1:",
            "answer: 200; X-Auth-Subject: user-2",
        ),
        (
            "opaque-2".to_owned(),
            Some("p256"),
            "inactive",
            1,
            "refused: it is no live token",
            "answer: 401",
        ),
    ] {
        // Neither a store nor keys of our own have a say here.
        let more = [
            "--gate",
            gate,
            "--store=memory:",
            "--outbound-allow-private",
        ];
        let ran = here
            .verify(&token, certificate, &more)
            .expect(code, says, "");
        assert!(ends(&ran).1.starts_with(answer), "{}", ran.out);
    }
}
