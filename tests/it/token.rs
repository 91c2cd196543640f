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
fn oa_01_one_way_of_authentication_a_request() {
    let key = jose::EcKey::new();
    let server = World::usual()
        .client(client(
            "kim",
            "private_key_jwt",
            json!({ "jwks": { "keys": [key.jwk()] } }),
        ))
        .start();
    server.token_by_secret("carol").send().token();
    for request in [
        server
            .token_by_secret("carol")
            .form("client_secret", SECRET),
        server
            .token_by_secret("carol")
            .with(&pki().alice)
            .form("client_secret", SECRET),
        server
            .token_by_secret("carol")
            .assertion(&crate::assertion::assertion(&key, "kim")),
        server
            .token_by_secret("carol")
            .form("client_id", "alice")
            .with(&pki().alice),
        server
            .token("kim")
            .form("client_secret", "x")
            .assertion(&crate::assertion::assertion(&key, "kim")),
        server
            .token("alice")
            .basic("alice", SECRET)
            .with(&pki().alice),
        server
            .token("alice")
            .form("client_secret", "x")
            .with(&pki().alice),
        server
            .token("alice")
            .assertion(&crate::assertion::assertion(&key, "alice"))
            .with(&pki().alice),
    ] {
        let response = request.send();
        match response.status {
            400 => response.refuses(400, "invalid_request"),
            _ => response.refuses(401, "invalid_client"),
        };
    }
}

#[test]
fn oa_02_only_the_registered_method_authenticates() {
    let post =
        json!({ "client_secret": SECRET, "token_endpoint_auth_method": "client_secret_post" });
    let server = World::usual()
        .client(client("paul", "client_secret_post", post))
        .start();
    server
        .token("paul")
        .form("client_secret", SECRET)
        .send()
        .token();
    server
        .token_by_secret("paul")
        .send()
        .refuses(401, "invalid_client");
    server
        .token("carol")
        .form("client_secret", SECRET)
        .send()
        .refuses(401, "invalid_client");
    server
        .token("carol")
        .with(&pki().alice)
        .send()
        .refuses(401, "invalid_client");
    server
        .token("paul")
        .form("client_secret", "wrong")
        .send()
        .refuses(401, "invalid_client");
    server
        .token("paul")
        .form("client_secret", "")
        .send()
        .refuses(401, "invalid_client");
    server
        .token_by_secret("alice")
        .send()
        .refuses(401, "invalid_client");
}

#[test]
fn oa_03_04_05_06_07_08_how_parameters_are_read() {
    let server = World::usual().start();
    let from = |body: &str| server.post("token").body(body).with(&pki().alice).send();
    from("grant_type=client_credentials&client_id=alice").token();
    from("&&grant_type=client_credentials&client_id=alice&").token();
    // OA-06, OA-05
    let response = from(
        "grant_type=client_credentials&client_id=alice&foo=bar&scope=&resource=&client_secret=",
    );
    response.token();
    for repeated in [
        "grant_type=client_credentials",
        "client_id=alice",
        "scope=orders.read&scope=orders.read",
        "foo=1&foo=1",
        "scope=&scope=",
    ] {
        let response = from(&format!(
            "grant_type=client_credentials&client_id=alice&{repeated}"
        ));
        response.refuses(400, "invalid_request");
    }
    for endpoint in ["introspect", "revoke"] {
        let twice = server
            .post(endpoint)
            .body("client_id=alice&token=a&token=b")
            .with(&pki().alice);
        twice.send().refuses(400, "invalid_request");
        let nothing = server
            .post(endpoint)
            .body("client_id=alice&token=")
            .with(&pki().alice);
        nothing.send().refuses(400, "invalid_request");
    }
    for malformed in [
        "scope=%FF",
        "scope=%C3%28",
        "scope=%G1",
        "scope=%",
        "scope=%0",
    ] {
        let response = from(&format!(
            "grant_type=client_credentials&client_id=alice&{malformed}"
        ));
        response.refuses(400, "invalid_request");
    }
    from("client_id=alice").refuses(400, "invalid_request");
    from("grant_type=&client_id=alice").refuses(400, "invalid_request");
    // OA-07
    for (method, status) in [("GET", 405), ("PUT", 405), ("DELETE", 405), ("HEAD", 405)] {
        for endpoint in ["token", "introspect", "revoke"] {
            let response = server.request(method, endpoint).send();
            assert_eq!(response.status, status, "{method} {endpoint}");
            assert_eq!(response.header("allow"), Some("POST"));
        }
    }
    let query = "/token?grant_type=client_credentials&client_id=alice";
    server
        .post(query)
        .with(&pki().alice)
        .body("")
        .send()
        .refuses(401, "invalid_client");
    // OA-03
    let secret = format!("/token?client_secret={SECRET}&client_id=carol");
    let response = server
        .post(&secret)
        .form("client_id", "carol")
        .form("grant_type", "client_credentials");
    response.send().refuses(401, "invalid_client");
    // OA-08
    let body = "grant_type=client_credentials&client_id=alice";
    for (kind, good) in [
        ("application/x-www-form-urlencoded", true),
        ("application/x-www-form-urlencoded; charset=UTF-8", true),
        ("Application/X-WWW-Form-Urlencoded;charset=utf-8", true),
        ("application/json", false),
        ("text/plain", false),
        ("", false),
        ("multipart/form-data; boundary=x", false),
    ] {
        let request = server
            .post("token")
            .header("Content-Type", kind)
            .body(body)
            .with(&pki().alice);
        let response = request.send();
        if good {
            response.token();
        } else {
            response.refuses(400, "invalid_request");
        }
    }
    let json = json!({ "grant_type": "client_credentials", "client_id": "alice" }).to_string();
    let request = server
        .post("token")
        .header("Content-Type", "application/json")
        .body(json);
    request
        .with(&pki().alice)
        .send()
        .refuses(400, "invalid_request");
}

#[test]
fn oa_12_19_scope_is_what_is_registered_and_never_echoed_raw() {
    let server = World::usual().start();
    let ask = |scope: &str| {
        server
            .token("alice")
            .form("scope", scope)
            .with(&pki().alice)
            .send()
    };
    for (scope, expected) in [
        ("orders.read", Ok("orders.read")),
        ("orders.write orders.read", Ok("orders.write orders.read")),
        ("", Ok("orders.read orders.write")),
        ("orders.read admin", Err("invalid_scope")),
        ("ORDERS.READ", Err("invalid_scope")),
        ("a\"b", Err("invalid_scope")),
        ("a\\b", Err("invalid_scope")),
        ("a\r\nX-Evil: 1", Err("invalid_scope")),
        ("\u{e4}\u{f6}", Err("invalid_scope")),
        ("orders.read\torders.write", Err("invalid_scope")),
        ("\u{0}", Err("invalid_scope")),
    ] {
        let response = ask(scope);
        match expected {
            Ok(given) => {
                response.token();
                assert_eq!(response.text("scope"), given);
            }
            Err(error) => {
                response.refuses(400, error);
                assert!(!response.body.contains("Evil"));
            }
        }
    }
    let grant = server
        .post("token")
        .form("grant_type", "<\"\\\r\n\u{e4}>")
        .form("client_id", "alice");
    grant
        .with(&pki().alice)
        .send()
        .refuses(400, "unsupported_grant_type");
}

#[test]
fn oa_23_bcp_09_causes_and_their_codes() {
    let server = World::usual().start();
    let ask = |grant: &str| {
        let request = server
            .post("token")
            .form("client_id", "alice")
            .form("grant_type", grant);
        request
            .form("username", "u")
            .form("password", "p")
            .with(&pki().alice)
            .send()
    };
    for grant in [
        "password",
        "authorization_code",
        "refresh_token",
        "implicit",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "CLIENT_CREDENTIALS",
    ] {
        ask(grant).refuses(400, "unsupported_grant_type");
    }
    let none = server
        .post("token")
        .basic("gate", SECRET)
        .form("grant_type", "client_credentials")
        .send();
    none.refuses(400, "unauthorized_client");
    // Authentication comes first: nothing else is learnt without it.
    let request = server
        .post("token")
        .form("client_id", "alice")
        .form("grant_type", "nonsense");
    request.send().refuses(401, "invalid_client");
}

#[test]
fn oa_24_a_challenge_for_whoever_used_the_authorization_header() {
    let server = World::usual().start();
    for request in [
        server.post("token").basic("carol", "wrong"),
        server.post("token").basic("nobody", SECRET),
        server
            .post("token")
            .basic("alice", SECRET)
            .with(&pki().alice),
        server.post("token").header("Authorization", "Bearer abc"),
        server
            .post("token")
            .header("Authorization", "Negotiate abc"),
    ] {
        let response = request.form("grant_type", "client_credentials").send();
        response.refuses(401, "invalid_client");
        let challenge = response.header("www-authenticate").expect("a challenge");
        assert!(challenge.starts_with("Basic realm="), "{challenge}");
    }
    for header in [
        "Basic",
        "Basic !!!",
        "Basic bm9jb2xvbg==",
        "basic",
        "Basic //8=",
        "",
    ] {
        let request = server.post("token").header("Authorization", header);
        let response = request.form("grant_type", "client_credentials").send();
        assert!(matches!(response.status, 400 | 401), "{header}");
    }
    let two = server
        .token_by_secret("carol")
        .basic("carol", SECRET)
        .send();
    two.refuses(400, "invalid_request");
    let lower = server.token_by_secret("carol").octets();
    let lower = String::from_utf8(lower)
        .expect("ASCII")
        .replace("Basic ", "bAsIc ");
    let request = server.token_by_secret("carol");
    let response = server.place.exchange(lower.as_bytes());
    request.seen(&response);
    response.token();
}

#[test]
fn oa_24_basic_credentials_are_form_encoded_first() {
    let odd = "p:a%s+s word\u{e4}";
    let odd_client = client(
        "a:b",
        "client_secret_basic",
        json!({ "client_secret": odd }),
    );
    let world = World::usual();
    let server = world.client(odd_client).start();
    let request = server
        .post("token")
        .form("grant_type", "client_credentials");
    request.clone().basic("a:b", odd).send().token();
    request
        .basic("a:b", "p:a%s+s word")
        .send()
        .refuses(401, "invalid_client");
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
