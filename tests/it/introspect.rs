//! Introspection: RFC 7662, and RFC 9701 where it is asked for.

use serde_json::{Value, json};

use crate::jose;
use crate::pki::{Cert, pki, wanted};
use crate::world::{ISSUER, SECRET, Server, World, client, secret_client, tls_client};

const INACTIVE: &str = "{\"active\":false}";

/// Alice's tokens are for `https://a.example`; `res-a` is that resource, `res-b` another.
fn world() -> World {
    let world = World::usual().clients([
        secret_client(
            "res-a",
            json!({ "resource": ["https://a.example", "https://aa.example"], "grant_types": [] }),
        ),
        secret_client(
            "res-b",
            json!({ "resource": "https://b.example", "grant_types": [] }),
        ),
        secret_client(
            "es",
            json!({ "introspect_any": true, "introspection_signed_response_alg": "ES256" }),
        ),
        secret_client(
            "ps",
            json!({ "introspect_any": true, "introspection_signed_response_alg": "PS256" }),
        ),
        secret_client(
            "ed",
            json!({ "introspect_any": true, "introspection_signed_response_alg": "EdDSA" }),
        ),
        client(
            "pub",
            "none",
            json!({ "grant_types": ["authorization_code"], "redirect_uris": ["https://app.example/cb"] }),
        ),
        olga(),
    ]);
    let mut clients = world.registered();
    clients[0]["audience"] = json!(["https://a.example"]);
    world.write_clients(&clients);
    world
}

fn olga() -> Value {
    let mut olga = tls_client("olga");
    olga["access_token_format"] = json!("opaque");
    olga["audience"] = json!("https://a.example");
    olga
}

fn olgas() -> Cert {
    wanted("olga").by(&pki().ca)
}

fn body(server: &Server, caller: &str, token: &str) -> String {
    let response = server
        .post("introspect")
        .basic(caller, SECRET)
        .form("token", token)
        .send();
    response.succeeds().body.clone()
}

#[test]
fn in_01_in_02_who_may_ask_and_how() {
    let server = world().start();
    let token = server.token("alice").with(&pki().alice).send().token();
    let ask = || server.post("introspect").form("token", &token);
    ask().send().refuses(401, "invalid_client");
    ask()
        .form("client_id", "gate")
        .send()
        .refuses(401, "invalid_client");
    ask()
        .basic("gate", "wrong")
        .send()
        .refuses(401, "invalid_client");
    ask()
        .form("client_id", "alice")
        .with(&pki().bob)
        .send()
        .refuses(401, "invalid_client");
    ask()
        .form("client_id", "pub")
        .send()
        .refuses(401, "invalid_client");
    ask()
        .form("client_id", "pub")
        .with(&pki().own)
        .send()
        .refuses(401, "invalid_client");
    ask()
        .header("Authorization", format!("Bearer {token}"))
        .send()
        .refuses(401, "invalid_client");
    let own = ask().form("client_id", "alice").with(&pki().alice).send();
    assert_eq!(own.succeeds().json()["active"], json!(true));
    let query = format!("/introspect?token={token}");
    assert_eq!(server.get(&query).basic("gate", SECRET).send().status, 405);
    server
        .post("introspect")
        .basic("gate", SECRET)
        .send()
        .refuses(400, "invalid_request");
}

#[test]
fn in_03_a_hint_hides_nothing() {
    let server = world().start();
    let jwt = server.token("alice").with(&pki().alice).send().token();
    let opaque = server.token("olga").with(&olgas()).send().token();
    for token in [jwt, opaque] {
        for hint in ["access_token", "refresh_token", "nonsense", ""] {
            let request = server
                .post("introspect")
                .basic("gate", SECRET)
                .form("token", &token);
            let response = request.form("token_type_hint", hint).send();
            assert_eq!(response.succeeds().json()["active"], json!(true), "{hint}");
        }
    }
}

#[test]
fn in_04_05_06_07_whatever_is_not_alive_for_the_caller_is_inactive_byte_for_byte() {
    let server = world().start();
    let other_world = world().issuer("https://other.example.com");
    let other = other_world.start();
    let foreign = other.token("alice").with(&pki().alice).send().token();
    let alive = server.token("alice").with(&pki().alice).send().token();
    let opaque = server.token("olga").with(&olgas()).send().token();
    for token in [&alive, &opaque] {
        for (caller, sees) in [
            ("gate", true),
            ("res-a", true),
            ("res-b", false),
            ("carol", false),
        ] {
            let body = body(&server, caller, token);
            assert_eq!(body != INACTIVE, sees, "IN-07, {caller}: {body}");
        }
    }
    let bobs = server.token("bob").with(&pki().bob).send().token();
    let alice_asks = server
        .post("introspect")
        .form("client_id", "alice")
        .form("token", &bobs);
    assert_eq!(alice_asks.with(&pki().alice).send().body, INACTIVE);

    let revoked = server.token("alice").with(&pki().alice).send().token();
    let revoke = server
        .post("revoke")
        .form("client_id", "alice")
        .form("token", &revoked);
    revoke.with(&pki().alice).send().succeeds();

    let (input, signature) = alive.rsplit_once('.').expect("a JWS");
    let (header, claims) = input.split_once('.').expect("a JWS");
    let mut last = jose::decode(signature);
    last[0] ^= 1;
    let mut longer = jose::claims(&alive);
    longer["exp"] = json!(9_999_999_999_u64);
    let mut other_typ = jose::header(&alive);
    other_typ["typ"] = json!("JWT");
    let mut none = jose::header(&alive);
    none["alg"] = json!("none");
    let signed = server
        .post("introspect")
        .basic("es", SECRET)
        .header("Accept", "application/token-introspection+jwt")
        .form("token", &alive)
        .send();
    let key = jose::EcKey::new();
    for (why, token) in [
        ("unknown", "nonsense".to_owned()),
        ("unknown opaque", format!("cbat_{}", "A".repeat(43))),
        ("prefix alone", "cbat_".to_owned()),
        ("case", opaque.to_uppercase()),
        ("blank behind", format!("{opaque} ")),
        ("cut", opaque[..opaque.len() - 1].to_owned()),
        ("revoked", revoked),
        ("another issuer", foreign),
        (
            "signature flipped",
            format!("{input}.{}", jose::encode(&last)),
        ),
        ("no signature", format!("{input}.")),
        (
            "claims changed",
            format!("{header}.{}.{signature}", jose::encode(longer.to_string())),
        ),
        (
            "typ changed",
            format!(
                "{}.{claims}.{signature}",
                jose::encode(other_typ.to_string())
            ),
        ),
        (
            "alg none",
            format!("{}.{claims}.", jose::encode(none.to_string())),
        ),
        (
            "HS256",
            jose::sign_hs256(
                server.jwks().to_string().as_bytes(),
                &json!({ "alg": "HS256", "typ": "at+jwt", "kid": jose::header(&alive)["kid"] }),
                &jose::claims(&alive),
            ),
        ),
        (
            "another's key",
            key.sign(&jose::header(&alive), &jose::claims(&alive)),
        ),
        ("padded", format!("{alive}=")),
        ("AT-09, JO-02: an introspection answer", signed.body.clone()),
        ("huge", "x".repeat(60_000)),
        ("odd characters", "\u{0}\r\n\"\u{fffd}".to_owned()),
    ] {
        for caller in ["gate", "carol"] {
            assert_eq!(body(&server, caller, &token), INACTIVE, "{why}");
        }
    }
}

#[test]
fn in_06_expired_tokens_are_inactive() {
    let server = world().flag("--access-token-ttl", "1s").start();
    let jwt = server.token("alice").with(&pki().alice).send().token();
    let opaque = server.token("olga").with(&olgas()).send().token();
    std::thread::sleep(std::time::Duration::from_millis(2100));
    for token in [jwt, opaque] {
        assert_eq!(body(&server, "gate", &token), INACTIVE);
        assert_eq!(body(&server, "res-a", &token), INACTIVE);
    }
}

#[test]
fn in_08_mtls_26_active_answers_say_what_the_token_says() {
    let server = world().start();
    let jwt = server
        .token("alice")
        .form("scope", "orders.read")
        .with(&pki().alice)
        .send()
        .token();
    let claims = jose::claims(&jwt);
    let answer = server.introspect(&jwt);
    for member in [
        "iss",
        "sub",
        "client_id",
        "aud",
        "iat",
        "exp",
        "jti",
        "scope",
        "cnf",
    ] {
        assert_eq!(answer[member], claims[member], "{member}");
    }
    assert_eq!(answer["token_type"], json!("Bearer"));
    let opaque = server
        .token("olga")
        .form("scope", "orders.read")
        .with(&olgas())
        .send();
    let expires_in = opaque.json()["expires_in"].as_u64().expect("a number");
    let answer = server.introspect(&opaque.token());
    assert_eq!(answer["active"], json!(true));
    assert_eq!(
        (&answer["client_id"], &answer["sub"]),
        (&json!("olga"), &json!("olga"))
    );
    assert_eq!(
        (&answer["iss"], &answer["aud"]),
        (&json!(ISSUER), &json!("https://a.example"))
    );
    assert_eq!(
        answer["cnf"],
        json!({ "x5t#S256": olgas_thumbprint(&answer) })
    );
    let lived = answer["exp"].as_u64().expect("exp") - answer["iat"].as_u64().expect("iat");
    assert_eq!(lived, expires_in);
}

fn olgas_thumbprint(answer: &Value) -> Value {
    let thumbprint = answer["cnf"]["x5t#S256"].clone();
    assert_eq!(thumbprint.as_str().map(str::len), Some(43));
    thumbprint
}

#[test]
fn in_10_11_12_13_14_signed_answers() {
    let server = world().start();
    let token = server.token("alice").with(&pki().alice).send().token();
    let ask = |caller: &str, accept: &str, token: &str| {
        let request = server
            .post("introspect")
            .basic(caller, SECRET)
            .header("Accept", accept);
        request.form("token", token).send()
    };
    let media_type = "application/token-introspection+jwt";
    let jwks = server.jwks();
    for (caller, alg) in [
        ("gate", "RS256"),
        ("es", "ES256"),
        ("ps", "PS256"),
        ("ed", "EdDSA"),
    ] {
        let response = ask(caller, media_type, &token);
        assert_eq!(response.succeeds().header("content-type"), Some(media_type));
        let header = jose::header(&response.body);
        assert_eq!(
            (&header["typ"], &header["alg"]),
            (&json!("token-introspection+jwt"), &json!(alg))
        );
        let claims = jose::verified(&response.body, &jwks);
        let members: Vec<&String> = claims.as_object().expect("an object").keys().collect();
        assert_eq!(
            members,
            ["aud", "iat", "iss", "token_introspection"],
            "IN-11, IN-12"
        );
        assert_eq!(
            (&claims["iss"], &claims["aud"]),
            (&json!(ISSUER), &json!(caller))
        );
        assert_eq!(claims["token_introspection"], server.introspect(&token));
        let dead = jose::verified(&ask(caller, media_type, "nonsense").body, &jwks);
        assert_eq!(
            dead["token_introspection"],
            json!({ "active": false }),
            "IN-13"
        );
    }
    for (accept, signed) in [
        ("application/json", false),
        ("*/*", false),
        (
            "application/json, application/token-introspection+jwt",
            true,
        ),
        ("Application/Token-Introspection+JWT", true),
        ("application/token-introspection+jwt;q=0", false),
        ("application/token-introspection+jwtx", false),
        ("", false),
    ] {
        let response = ask("es", accept, &token);
        assert_eq!(
            response.header("content-type") == Some(media_type),
            signed,
            "{accept}"
        );
    }
    let dead = secret_client(
        "bad",
        json!({ "introspection_signed_response_alg": "none" }),
    );
    let said = World::usual().client(dead).refuses_to_start();
    assert!(said.contains("introspection_signed_response_alg"), "{said}");
}
