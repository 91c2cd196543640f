//! The token endpoint: what clients get, in which form, and what they do not get.

use serde_json::{Value, json};

use crate::jose;
use crate::pki::{pki, wanted};
use crate::world::{ISSUER, SECRET, Server, World, client, secret_client, tls_client};

fn bound_basic() -> Value {
    secret_client(
        "dora",
        json!({ "tls_client_certificate_bound_access_tokens": true }),
    )
}

#[test]
fn mtls_03_04_a_client_is_known_by_its_own_certificate_alone() {
    let server = World::usual().start();
    let response = server.token("alice").with(&pki().alice).send();
    response.token();
    for (why, request) in [
        ("no header", server.token("alice")),
        ("empty", server.token("alice").header("X-ClientCert", "")),
        (
            "(null)",
            server
                .token("alice")
                .header("X-ClientCert", "(null)")
                .header("X-ClientCert-Verify", "NONE"),
        ),
        ("another's", server.token("alice").with(&pki().bob)),
        ("the other's", server.token("bob").with(&pki().alice)),
        ("self-made", server.token("alice").with(&pki().forged_alice)),
        ("unknown client", server.token("mallory").with(&pki().alice)),
        (
            "a secret",
            server.token("alice").form("client_secret", SECRET),
        ),
    ] {
        let response = request.send();
        assert_eq!(
            (response.status, response.text("error")),
            (401, "invalid_client".into()),
            "{why}"
        );
        assert!(response.header("www-authenticate").is_none(), "{why}");
        assert_eq!(
            response.text("error_description"),
            "client authentication failed",
            "{why}"
        );
    }
}

#[test]
fn mtls_02_client_id_is_a_parameter() {
    let server = World::usual().start();
    for endpoint in ["token", "introspect", "revoke"] {
        let response = server
            .post(endpoint)
            .form("grant_type", "client_credentials")
            .form("token", "x")
            .with(&pki().alice)
            .send();
        assert!(matches!(response.status, 400 | 401), "{endpoint}");
    }
    let in_query = server
        .post("/token?client_id=alice")
        .form("grant_type", "client_credentials");
    in_query
        .with(&pki().alice)
        .send()
        .refuses(401, "invalid_client");
}

#[test]
fn mtls_05_the_same_at_every_endpoint_that_authenticates() {
    let server = World::usual().start();
    for endpoint in ["introspect", "revoke"] {
        let ask = |certificate| {
            let request = server
                .post(endpoint)
                .form("client_id", "alice")
                .form("token", "x");
            match certificate {
                Some(certificate) => request.with(certificate).send(),
                None => request.send(),
            }
        };
        ask(Some(&pki().alice)).succeeds();
        ask(Some(&pki().bob)).refuses(401, "invalid_client");
        ask(Some(&pki().forged_alice)).refuses(401, "invalid_client");
        ask(None).refuses(401, "invalid_client");
    }
}

#[test]
fn mtls_22_23_26_tokens_of_both_forms_carry_the_thumbprint() {
    let mut opaque = tls_client("olga");
    opaque["access_token_format"] = json!("opaque");
    let olga = wanted("olga").by(&pki().ca);
    let server = World::usual().client(opaque).start();
    let thumbprint = pki().alice.thumbprint();
    assert_eq!(thumbprint.len(), 43);
    for (form, value) in [
        ("apache", pki().alice.apache()),
        ("nginx", pki().alice.nginx()),
        ("rfc9440", pki().alice.rfc9440()),
        ("base64 DER", pki().alice.base64()),
    ] {
        let response = server
            .token("alice")
            .header("X-ClientCert", value)
            .header("X-ClientCert-Verify", "SUCCESS")
            .send();
        let token = response.token();
        let claims = jose::verified(&token, &server.jwks());
        assert_eq!(claims["cnf"], json!({ "x5t#S256": thumbprint }), "{form}");
        assert_eq!(server.introspect(&token)["cnf"], claims["cnf"], "{form}");
    }
    let token = server.token("olga").with(&olga).send().token();
    assert!(token.starts_with("cbat_") && !token.contains('.'));
    assert_eq!(
        server.introspect(&token)["cnf"],
        json!({ "x5t#S256": olga.thumbprint() })
    );
}

#[test]
fn mtls_28_a_bound_client_never_gets_a_bearer_token() {
    let expired = wanted("expired").years(2023, 2024).self_signed();
    let future = wanted("future").years(2040, 2044).self_signed();
    let key = jose::EcKey::new();
    let mut keyed = client(
        "kim",
        "private_key_jwt",
        json!({ "jwks": { "keys": [key.jwk()] }, "tls_client_certificate_bound_access_tokens": true }),
    );
    keyed["scope"] = json!("a");
    let server = World::usual().clients([bound_basic(), keyed]).start();
    let own = server
        .token_by_secret("dora")
        .with(&pki().own)
        .send()
        .token();
    assert_eq!(
        jose::claims(&own)["cnf"]["x5t#S256"],
        json!(pki().own.thumbprint())
    );
    for verdict in ["FAILED:self-signed certificate", "NONE", "GENEROUS"] {
        // For binding alone no chain is looked at (RFC 8705 section 6.2).
        let token = server
            .token_by_secret("dora")
            .judged(&pki().own, verdict)
            .send()
            .token();
        assert_eq!(
            server.introspect(&token)["cnf"]["x5t#S256"],
            json!(pki().own.thumbprint())
        );
    }
    for request in [
        server.token_by_secret("dora"),
        server
            .token_by_secret("dora")
            .header("X-ClientCert", "(null)"),
        server.token_by_secret("dora").with(&expired),
        server.token_by_secret("dora").with(&future),
        server
            .token("kim")
            .assertion(&crate::assertion::assertion(&key, "kim")),
    ] {
        request.send().refuses(400, "invalid_request");
    }
}

#[test]
fn mtls_32_what_the_registration_says_decides_and_not_the_request() {
    let mut unbound = tls_client("alice");
    unbound["tls_client_certificate_bound_access_tokens"] = json!(false);
    let server = World::trusting().verifying(&pki().ca.cert.pem).clients([
        secret_client("carol", json!({})),
        secret_client("gate", json!({ "introspect_any": true })),
    ]);
    let mut clients = server.registered();
    clients[0] = unbound;
    server.write_clients(&clients);
    let server = server.start();
    for request in [
        server.token("alice").with(&pki().alice),
        server.token_by_secret("carol"),
        server.token_by_secret("carol").with(&pki().alice),
    ] {
        let token = request.send().token();
        assert!(jose::claims(&token).get("cnf").is_none());
        assert!(server.introspect(&token).get("cnf").is_none());
    }
    let bound = server.token("bob").with(&pki().bob).send().token();
    assert!(
        jose::claims(&bound).get("cnf").is_some(),
        "absent means true for mTLS in the file"
    );
}

#[test]
fn mtls_29_oa_20_a_public_client_is_not_authenticated_by_a_certificate() {
    let server = World::usual()
        .client(client(
            "pub",
            "none",
            json!({ "tls_client_certificate_bound_access_tokens": true }),
        ))
        .start();
    server
        .token("pub")
        .with(&pki().own)
        .send()
        .refuses(400, "unauthorized_client");
    server
        .token("pub")
        .send()
        .refuses(400, "unauthorized_client");
}

#[test]
fn at_01_02_03_05_06_08_br_08_the_claims_of_a_jwt() {
    let mut wide = tls_client("alice");
    wide["audience"] = json!(["https://a.example", "https://b.example"]);
    let world = World::usual().flag("--access-token-ttl", "7m");
    let mut clients = world.registered();
    clients[0] = wide;
    world.write_clients(&clients);
    let server = world.start();
    let response = server
        .token("alice")
        .form("scope", "orders.read")
        .with(&pki().alice)
        .send();
    let body = response.json();
    assert_eq!(body["expires_in"], json!(420));
    let token = response.token();
    let header = jose::header(&token);
    assert_eq!(
        (&header["typ"], &header["alg"]),
        (&json!("at+jwt"), &json!("ES256"))
    );
    let claims = jose::verified(&token, &server.jwks());
    assert_eq!(claims["iss"], json!(ISSUER));
    assert_eq!(
        (&claims["sub"], &claims["client_id"]),
        (&json!("alice"), &json!("alice"))
    );
    assert_eq!(claims["scope"], json!("orders.read"));
    assert_eq!(
        claims["aud"],
        json!(["https://a.example", "https://b.example"])
    );
    let (iat, exp) = (
        claims["iat"].as_u64().expect("iat"),
        claims["exp"].as_u64().expect("exp"),
    );
    assert_eq!(exp - iat, 420, "BR-08");
    assert!(claims["jti"].as_str().expect("jti").len() >= 22);
    let other = server.token("bob").with(&pki().bob).send().token();
    assert_eq!(
        jose::claims(&other)["aud"],
        json!(ISSUER),
        "a default audience"
    );
    assert_eq!(
        jose::claims(&other)["scope"],
        json!("orders.read orders.write")
    );
    let published = server.jwks();
    let algorithms: Vec<&str> = published["keys"]
        .as_array()
        .expect("keys")
        .iter()
        .filter_map(|key| key["alg"].as_str())
        .collect();
    assert!(algorithms.contains(&"RS256"), "AT-08: {algorithms:?}");
}

#[test]
fn at_06_resource_becomes_the_audience_or_is_refused() {
    let mut wide = tls_client("alice");
    wide["audience"] = json!(["https://a.example", "https://b.example", "urn:c"]);
    let world = World::usual();
    let mut clients = world.registered();
    clients[0] = wide;
    world.write_clients(&clients);
    let server = world.start();
    for (resources, expected) in [
        (&["https://b.example"][..], Ok(json!("https://b.example"))),
        (
            &["https://b.example", "https://a.example"],
            Ok(json!(["https://b.example", "https://a.example"])),
        ),
        (&["urn:c"], Ok(json!("urn:c"))),
        (&["https://d.example"], Err("invalid_target")),
        (
            &["https://a.example", "https://d.example"],
            Err("invalid_target"),
        ),
        (&["https://a.example#f"], Err("invalid_target")),
        (&["a.example"], Err("invalid_target")),
        (&["https://a.example/"], Err("invalid_target")),
    ] {
        let mut request = server.token("alice").with(&pki().alice);
        for resource in resources {
            request = request.form("resource", resource);
        }
        let response = request.send();
        match expected {
            Ok(aud) => {
                let token = response.token();
                assert_eq!(jose::claims(&token)["aud"], aud);
                assert_eq!(server.introspect(&token)["aud"], aud);
            }
            Err(error) => {
                response.refuses(400, error);
            }
        }
    }
    let bob = server
        .token("bob")
        .form("resource", "https://a.example")
        .with(&pki().bob)
        .send();
    bob.refuses(400, "invalid_target");
}

#[test]
fn oa_29_tokens_do_not_repeat_and_are_long_enough() {
    let mut opaque = tls_client("alice");
    opaque["access_token_format"] = json!("opaque");
    let world = World::usual();
    let mut clients = world.registered();
    clients[0] = opaque;
    world.write_clients(&clients);
    let server = world.start();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..300 {
        let token = server.token("alice").with(&pki().alice).send().token();
        let random = token.strip_prefix("cbat_").expect("a prefix");
        assert_eq!(random.len(), 43, "256 bits");
        assert!(
            random
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        );
        assert!(seen.insert(token), "a token came twice");
    }
    for _ in 0..100 {
        let token = server.token("bob").with(&pki().bob).send().token();
        let jti = jose::claims(&token)["jti"]
            .as_str()
            .expect("jti")
            .to_owned();
        assert!(seen.insert(jti), "a jti came twice");
    }
}

#[test]
fn formats_by_flag_and_by_registration() {
    let mut jwt = tls_client("bob");
    jwt["access_token_format"] = json!("jwt");
    let world = World::usual().flag("--access-token-format", "opaque");
    let mut clients = world.registered();
    clients[1] = jwt;
    world.write_clients(&clients);
    let server = world.start();
    assert!(
        server
            .token("alice")
            .with(&pki().alice)
            .send()
            .token()
            .starts_with("cbat_")
    );
    assert_eq!(
        server
            .token("bob")
            .with(&pki().bob)
            .send()
            .token()
            .split('.')
            .count(),
        3
    );
}

#[test]
fn expired_secrets_and_wrong_digests() {
    let mut expired = secret_client("old", json!({}));
    expired["client_secret_expires_at"] = json!(1_600_000_000);
    let mut endless = secret_client("endless", json!({}));
    endless["client_secret_expires_at"] = json!(0);
    let server = World::usual().clients([expired, endless]).start();
    server.token_by_secret("endless").send().token();
    server
        .token_by_secret("old")
        .send()
        .refuses(401, "invalid_client");
    // The digest is no secret, so it does not authenticate.
    let digest = crate::world::sha256_hex(SECRET);
    let request = server
        .post("token")
        .form("grant_type", "client_credentials");
    request
        .basic("carol", &digest)
        .send()
        .refuses(401, "invalid_client");
}

fn origin(server: &Server, method: &str, endpoint: &str) -> (u16, Option<String>) {
    let response = server
        .request(method, endpoint)
        .header("Origin", "https://app.example")
        .send();
    let allowed = response
        .header("access-control-allow-origin")
        .map(str::to_owned);
    assert!(
        response
            .header("access-control-allow-credentials")
            .is_none()
    );
    (response.status, allowed)
}

#[test]
fn cors_is_open_where_it_may_be_and_nowhere_else() {
    let server = World::usual().switch("--whoami").start();
    for endpoint in [
        "token",
        "revoke",
        "jwks",
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
    ] {
        assert_eq!(
            origin(&server, "OPTIONS", endpoint),
            (204, Some("*".into())),
            "{endpoint}"
        );
        let (_, allowed) = origin(&server, "GET", endpoint);
        assert_eq!(allowed.as_deref(), Some("*"), "{endpoint}");
    }
    for endpoint in ["introspect", "whoami", "/nothing"] {
        for method in ["OPTIONS", "GET", "POST"] {
            assert_eq!(
                origin(&server, method, endpoint).1,
                None,
                "{method} {endpoint}"
            );
        }
    }
    // Whether a page asks or not: an answer that a cache keeps is good for both.
    let (_, allowed) = origin(&server, "GET", "jwks");
    assert_eq!(allowed.as_deref(), Some("*"));
}
