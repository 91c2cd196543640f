//! How the token endpoint reads a request: ways of authentication, parameters, scope, errors.

use serde_json::json;

use crate::jose;
use crate::pki::pki;
use crate::world::{SECRET, World, client};

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
        "implicit",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "CLIENT_CREDENTIALS",
    ] {
        ask(grant).refuses(400, "unsupported_grant_type");
    }
    for grant in ["authorization_code", "refresh_token"] {
        ask(grant).refuses(400, "unauthorized_client");
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
