//! `self_signed_tls_client_auth`: the whole certificate is what is registered.

use serde_json::{Value, json};

use crate::jose::EcKey;
use crate::pki::{pki, wanted};
use crate::world::{World, client};

fn sven(jwks: &Value) -> Value {
    client(
        "sven",
        "self_signed_tls_client_auth",
        json!({ "jwks": jwks }),
    )
}

#[test]
fn mtls_17_18_the_certificate_itself_whatever_the_verdict() {
    let own = &pki().own;
    let server = World::usual()
        .client(sven(&json!({ "keys": [own.jwk()] })))
        .start();
    for verdict in [
        "FAILED:self-signed certificate",
        "NONE",
        "SUCCESS",
        "GENEROUS",
    ] {
        let token = server.token("sven").judged(own, verdict).send().token();
        assert_eq!(
            server.introspect(&token)["cnf"]["x5t#S256"],
            json!(own.thumbprint())
        );
    }
    server.token("sven").unjudged(own).send().token();
    for (why, other) in [
        (
            "the same key reissued",
            wanted("own").key_of(own).serial(99).self_signed(),
        ),
        ("the same subject", wanted("own").self_signed()),
        (
            "the same key by a CA",
            wanted("own").key_of(own).by(&pki().ca),
        ),
        ("another", pki().alice.clone()),
    ] {
        let response = server.token("sven").with(&other).send();
        assert_eq!(response.status, 401, "{why}");
    }
    server.token("sven").send().refuses(401, "invalid_client");
    server
        .token("sven")
        .form("client_secret", "x")
        .with(own)
        .send()
        .refuses(401, "invalid_client");
    // Nor is it verified for anybody else by being registered.
    server
        .token("alice")
        .with(own)
        .send()
        .refuses(401, "invalid_client");
    // No --client-ca is needed.
    let server = World::trusting()
        .client(sven(&json!({ "keys": [own.jwk()] })))
        .start();
    server.token("sven").judged(own, "FAILED:x").send().token();
}

#[test]
fn mtls_19_x5c_or_x5t_s256_and_never_a_key_alone() {
    let own = &pki().own;
    let mut pinned = EcKey::from_pem(&own.key).jwk();
    pinned["x5t#S256"] = json!(own.thumbprint());
    let other = EcKey::new().jwk();
    for keys in [
        json!([own.jwk()]),
        json!([pinned]),
        json!([other, own.jwk()]),
        json!([pki().alice.jwk(), own.jwk()]),
    ] {
        let server = World::usual()
            .client(sven(&json!({ "keys": keys })))
            .start();
        server.token("sven").judged(own, "NONE").send().token();
        let renewed = wanted("own").key_of(own).serial(98).self_signed();
        server
            .token("sven")
            .with(&renewed)
            .send()
            .refuses(401, "invalid_client");
    }
    let key_alone = sven(&json!({ "keys": [EcKey::from_pem(&own.key).jwk()] }));
    let said = World::usual().client(key_alone).refuses_to_start();
    assert!(
        said.contains("x5t#S256") && said.contains("x5c") && said.contains("sven"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn mtls_21_the_first_certificate_holds_the_key_and_is_the_only_credential() {
    let own = &pki().own;
    let mut chained = own.jwk();
    chained["x5c"] = json!([own.base64(), pki().alice.base64()]);
    let server = World::usual()
        .client(sven(&json!({ "keys": [chained] })))
        .start();
    server.token("sven").judged(own, "NONE").send().token();
    server
        .token("sven")
        .with(&pki().alice)
        .send()
        .refuses(401, "invalid_client");

    let mut mismatched = EcKey::new().jwk();
    mismatched["x5c"] = json!([own.base64()]);
    let mut wrong_thumbprint = own.jwk();
    wrong_thumbprint["x5t#S256"] = json!(pki().alice.thumbprint());
    let mut url_encoded = own.jwk();
    url_encoded["x5c"] = json!([crate::jose::encode(&own.der)]);
    let mut short = EcKey::from_pem(&own.key).jwk();
    short["x5t#S256"] = json!("AAAA");
    for (why, jwk) in [
        ("another key", mismatched),
        ("another thumbprint", wrong_thumbprint),
        ("base64url", url_encoded),
        ("a short thumbprint", short),
    ] {
        let said = World::usual()
            .client(sven(&json!({ "keys": [jwk] })))
            .refuses_to_start();
        assert!(
            said.contains("sven") && said.contains("jwks"),
            "{why}: {said}"
        );
    }
}
