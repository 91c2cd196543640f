//! `userinfo` (OpenID Connect Core section 5.3): who may ask, how, and what is told.

use serde_json::{Value, json};

use crate::jose::{claims, verified};
use crate::people::App;
use crate::pki::pki;
use crate::world::{ISSUER, World, tls_client};

#[test]
fn oc_20_br_02_get_and_post() {
    let app = App::secret("web");
    let server = World::peopled([&app]).start();
    let ask = app.asks().set("scope", "openid profile email");
    let tokens = app.tokens_for(&server, "anna", &ask);
    let bearer = |scheme: &str| format!("{scheme} {}", tokens.access);
    for request in [
        server
            .get("userinfo")
            .header("Authorization", bearer("Bearer")),
        server
            .get("userinfo")
            .header("Authorization", bearer("bearer")),
        server
            .get("userinfo")
            .header("Authorization", bearer("BEARER")),
        server
            .post("userinfo")
            .header("Authorization", bearer("Bearer")),
        server.post("userinfo").form("access_token", &tokens.access),
        server
            .get("userinfo")
            .header("Authorization", bearer("Bearer"))
            .header("Origin", "https://spa.example"),
    ] {
        let response = request.send();
        let said = response.succeeds().json();
        assert_eq!(said["sub"], claims(tokens.id())["sub"], "OC-20");
        assert_eq!(said["name"], json!("Anna \"A\" \u{c4}rmel"));
        assert_eq!(said["email"], json!("anna@example.com"));
        assert_eq!(said["email_verified"], json!(true));
        for never in [
            "phone_number",
            "password_hash",
            "totp",
            "certificates",
            "username",
        ] {
            assert!(said.get(never).is_none(), "{never}");
        }
        if request.headers.iter().any(|(name, _)| name == "Origin") {
            // INTERFACE: CORS for any origin without credentials.
            assert_eq!(response.header("access-control-allow-origin"), Some("*"));
        }
    }
    // What was not asked for is not told.
    let tokens = app.tokens(&server, "anna");
    let said = app.userinfo(&server, &tokens.access).succeeds().json();
    assert_eq!(said, json!({ "sub": "sub-of-anna" }));
}

#[test]
fn br_01_br_03_br_04_br_05_br_07_how_a_token_is_not_sent() {
    let app = App::secret("web");
    let server = World::peopled([&app]).start();
    let tokens = app.tokens(&server, "anna");
    let token = tokens.access.as_str();
    let bearer = format!("Bearer {token}");
    // BR-04: nothing was sent.
    for request in [
        server.get("userinfo"),
        server.post("userinfo"),
        server.get("userinfo").header("Authorization", "Basic eDp5"),
    ] {
        let response = request.send();
        assert_eq!(response.status, 401, "BR-04");
        let challenge = response.header("www-authenticate").expect("BR-04");
        assert!(
            challenge.starts_with("Bearer ") && !challenge.contains("error="),
            "{challenge}"
        );
    }
    // BR-01, BR-03
    let in_query = format!("/userinfo?access_token={token}");
    for request in [
        server
            .post("userinfo")
            .header("Authorization", bearer.clone())
            .form("access_token", token),
        server
            .get(&in_query)
            .header("Authorization", bearer.clone()),
        server
            .get("userinfo")
            .header("Authorization", bearer.clone())
            .header("Authorization", bearer.clone()),
        server
            .post("userinfo")
            .form("access_token", token)
            .form("access_token", token),
    ] {
        request.send().refuses(400, "invalid_request");
    }
    let response = server.get(&in_query).send();
    assert!(
        matches!(response.status, 400 | 401),
        "BR-03: {}",
        response.status
    );
    // BR-07
    for wrong in [
        format!("Bearer  {token}"),
        format!("Bearer {token} {token}"),
        format!("Bearer {token},"),
        "Bearer \u{e4}".to_owned(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Bearer\t{token}"),
    ] {
        let response = server
            .get("userinfo")
            .header("Authorization", wrong.clone())
            .send();
        assert!(
            matches!(response.status, 400 | 401),
            "{wrong}: {}",
            response.status
        );
    }
    for unknown in ["x", "AAAA.BBBB.CCCC", &"t".repeat(30_000)] {
        let response = server
            .get("userinfo")
            .header("Authorization", format!("Bearer {unknown}"))
            .send();
        response.refuses(401, "invalid_token");
    }
    // A form in any other shape is none.
    let body = server
        .post("userinfo")
        .header("Content-Type", "application/json")
        .body(json!({ "access_token": token }).to_string());
    let response = body.send();
    assert!(matches!(response.status, 400 | 401), "{}", response.status);
}

#[test]
fn br_05_what_is_not_for_userinfo() {
    let app = App::tls("web");
    let mut daemon = tls_client("alice2");
    daemon["scope"] = json!("openid orders.read");
    daemon["tls_client_auth_subject_dn"] = json!(crate::pki::dn("alice"));
    let server = World::peopled([&app]).client(daemon).start();
    let tokens = app.tokens_for(&server, "anna", &app.asks().set("scope", "orders.read"));
    let response = app.userinfo(&server, &tokens.access);
    response.refuses(403, "insufficient_scope");
    let challenge = response.header("www-authenticate").expect("a challenge");
    assert!(challenge.contains("scope=\"openid\""), "{challenge}");
    // A client's own token has nobody to tell of.
    let own = server.token("alice2").with(&pki().alice).send();
    let request = server.get("userinfo").header(
        "Authorization",
        format!("Bearer {}", own.text("access_token")),
    );
    let response = request.unjudged(&pki().alice).send();
    assert!(matches!(response.status, 401 | 403), "{}", response.body);
    // Revoked, expired.
    let tokens = app.tokens(&server, "anna");
    app.post(&server, "revoke")
        .form("token", &tokens.access)
        .send()
        .succeeds();
    app.userinfo(&server, &tokens.access)
        .refuses(401, "invalid_token");
    let server = World::peopled([&app])
        .flag("--access-token-ttl", "1s")
        .start();
    let tokens = app.tokens(&server, "anna");
    std::thread::sleep(std::time::Duration::from_millis(2_200));
    app.userinfo(&server, &tokens.access)
        .refuses(401, "invalid_token");
}

#[test]
fn oc_21_signed_as_registered() {
    for alg in ["RS256", "PS256", "ES256", "EdDSA"] {
        let app = App::tls("web").with("userinfo_signed_response_alg", json!(alg));
        let server = World::peopled([&app]).start();
        let tokens = app.tokens(&server, "anna");
        let response = app.userinfo(&server, &tokens.access);
        assert_eq!(
            response.header("content-type"),
            Some("application/jwt"),
            "OC-21"
        );
        assert_eq!(crate::jose::header(&response.body)["alg"], json!(alg));
        let said: Value = verified(&response.body, &server.jwks());
        assert_eq!(
            (&said["iss"], &said["aud"]),
            (&json!(ISSUER), &json!("web")),
            "OC-21"
        );
        assert_eq!(said["sub"], json!("sub-of-anna"));
        // Errors are not.
        app.userinfo(&server, "x").refuses(401, "invalid_token");
    }
}
