//! *When is a certificate believed?*: what verifies it, and what follows where nothing does.

use serde_json::json;

use crate::pki::{pki, wanted};
use crate::world::{SECRET, World, client, secret_client};

#[test]
fn front_end_verifies_needs_the_verdict_unless_it_is_none() {
    let server = World::trusting().switch("--front-end-verifies").start();
    let anybody = wanted("alice").by(&pki().other_ca);
    server.token("alice").with(&anybody).send().token();
    server
        .token("alice")
        .with(&pki().forged_alice)
        .send()
        .token();
    server
        .token("alice")
        .unjudged(&pki().alice)
        .send()
        .refuses(401, "invalid_client");
    for verdict in ["NONE", "FAILED:x", "", "success"] {
        server
            .token("alice")
            .judged(&pki().alice, verdict)
            .send()
            .refuses(401, "invalid_client");
    }
    server
        .token("alice")
        .with(&pki().bob)
        .send()
        .refuses(401, "invalid_client");
    server
        .token("alice")
        .header("X-ClientCert-Verify", "SUCCESS")
        .send()
        .refuses(401, "invalid_client");

    let world = World::trusting()
        .switch("--front-end-verifies")
        .flag("--verify-header", "none");
    let said = world.run("check", &[]);
    assert!(
        String::from_utf8_lossy(&said.stdout).contains("verify"),
        "check says what that rests on"
    );
    let server = world.start();
    server.token("alice").unjudged(&pki().alice).send().token();
    server
        .token("alice")
        .unjudged(&pki().bob)
        .send()
        .refuses(401, "invalid_client");
}

#[test]
fn with_both_verifiers_both_must_hold() {
    let server = World::usual().switch("--front-end-verifies").start();
    server.token("alice").with(&pki().alice).send().token();
    server
        .token("alice")
        .unjudged(&pki().alice)
        .send()
        .refuses(401, "invalid_client");
    server
        .token("alice")
        .judged(&pki().alice, "NONE")
        .send()
        .refuses(401, "invalid_client");
    let other = wanted("alice").by(&pki().other_ca);
    server
        .token("alice")
        .with(&other)
        .send()
        .refuses(401, "invalid_client");
}

#[test]
fn mtls_06_with_neither_verifier_every_tls_client_auth_fails_and_the_log_says_why() {
    let world = World::trusting();
    let output = world.run("check", &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("--client-ca") && said.contains("--front-end-verifies"),
        "{said}"
    );
    let server = world.start();
    server.logs("--front-end-verifies");
    let before = server.log().len();
    for request in [
        server.token("alice").with(&pki().alice),
        server.token("alice").unjudged(&pki().alice),
    ] {
        request.send().refuses(401, "invalid_client");
    }
    let log = server.log();
    assert!(log[before..].contains("client-ca"), "{log}");
}

#[test]
fn rule_4_no_certificate_outside_its_validity() {
    let expired = wanted("alice").years(2023, 2024).by(&pki().ca);
    let future = wanted("alice").years(2040, 2044).by(&pki().ca);
    let own_expired = wanted("own").years(2023, 2024).self_signed();
    let registered = client(
        "sven",
        "self_signed_tls_client_auth",
        json!({ "jwks": { "keys": [own_expired.jwk()] } }),
    );
    for world in [
        World::usual(),
        World::trusting()
            .switch("--front-end-verifies")
            .client(secret_client("gate", json!({}))),
    ] {
        let server = world.client(registered.clone()).start();
        for certificate in [&expired, &future] {
            server
                .token("alice")
                .with(certificate)
                .send()
                .refuses(401, "invalid_client");
        }
        server
            .token("sven")
            .with(&own_expired)
            .send()
            .refuses(401, "invalid_client");
        server.logs("expired");
    }
}

#[test]
fn rule_5_no_certificate_never_falls_back_to_another_method() {
    let server = World::usual().start();
    server.token("alice").send().refuses(401, "invalid_client");
    server
        .token_by_secret("alice")
        .send()
        .refuses(401, "invalid_client");
    let both = server
        .token("alice")
        .form("client_secret", SECRET)
        .with(&pki().alice)
        .send();
    both.refuses(401, "invalid_client");
}

#[test]
fn trailers_are_never_read() {
    let server = World::usual().start();
    let body = "grant_type=client_credentials&client_id=alice";
    let mut octets = format!(
        "POST /token HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTrailer: X-ClientCert\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{body}\r\n0\r\n",
        body.len()
    );
    octets.push_str(&format!(
        "X-ClientCert: {}\r\nX-ClientCert-Verify: SUCCESS\r\n\r\n",
        pki().alice.apache()
    ));
    let response = server.place.exchange(octets.as_bytes());
    assert!(matches!(response.status, 400 | 401), "{}", response.body);
    server.token("alice").seen(&response);
}
