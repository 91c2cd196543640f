//! `--profile fapi2`: what the FAPI 2.0 Security Profile demands and forbids, at `check`, at start and at run
//! time.

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::jose::{claims, header};
use crate::people::{App, CHALLENGE, Proof, Tokens, by_reference};
use crate::pki::{pki, wanted};
use crate::world::{ISSUER, SECRET, Server, World, client, secret_client, sha256_hex};

/// People and that application, under the profile: none of the usual clients that it forbids.
fn world(app: &App) -> World {
    World::bare()
        .flag("--trusted-proxy", "unix")
        .verifying(&pki().ca.cert.pem)
        .with_users(&crate::people::users())
        .flag("--profile", "fapi2")
        .client(app.registration())
}

fn allowed() -> [App; 3] {
    [App::tls("web"), App::self_signed("web"), App::key("web")]
}

#[test]
fn fa_03_fa_06_fa_07_the_whole_way() {
    for app in allowed() {
        let server = world(&app).start();
        let pushed = app.asks().push(&server, &app).send();
        assert_eq!(pushed.status, 201, "{}", pushed.body);
        let lives = pushed.json()["expires_in"].as_u64().expect("a number");
        assert!(lives < 600, "FA-06");
        let ask = by_reference("web", &pushed.text("request_uri"));
        let back = ask.answered(&mut Browser::new(&server), "anna");
        assert_eq!(back.get("iss").as_deref(), Some(ISSUER), "FA-07");
        let tokens = Tokens::of(&app.redeems(&server, &back.code()).send());
        let certificate = app.certificate.as_ref().expect("one");
        let bound = &claims(&tokens.access)["cnf"]["x5t#S256"];
        assert_eq!(bound, &json!(certificate.thumbprint()), "FA-02");
        for token in [tokens.access.as_str(), tokens.id()] {
            let alg = header(token)["alg"].clone();
            assert!(
                ["PS256", "ES256", "EdDSA"]
                    .map(|alg| json!(alg))
                    .contains(&alg),
                "FA-10 {alg}"
            );
        }
        // FA-03: the same refresh token stays good.
        for _ in 0..3 {
            let next = Tokens::of(&app.refreshes(&server, tokens.refresh()).send());
            let same = next
                .refresh
                .as_deref()
                .is_none_or(|text| text == tokens.refresh());
            assert!(same, "FA-03");
        }
        // FA-11
        assert_eq!(app.userinfo(&server, &tokens.access).status, 200);
        let in_query = server.get(&format!("/userinfo?access_token={}", tokens.access));
        let response = in_query.unjudged(certificate).send();
        assert!(matches!(response.status, 400 | 401), "FA-11");
        let naked = app.showing(None).userinfo(&server, &tokens.access);
        naked.refuses(401, "invalid_token");
        let gate = server.verify("default", &tokens.access);
        assert_eq!(
            gate.clone().unjudged(certificate).send().status,
            200,
            "FA-11"
        );
        assert_eq!(gate.send().status, 401, "FA-11");
        app.post(&server, "revoke")
            .form("token", &tokens.access)
            .send()
            .succeeds();
        let gate = server.verify("default", &tokens.access);
        assert_eq!(gate.unjudged(certificate).send().status, 401, "FA-11");
    }
}

#[test]
fn fa_02_no_certificate_no_token() {
    let app = App::key("web");
    let server = world(&app).start();
    let ask = app.asks().pushed(&server, &app);
    let code = ask.answered(&mut Browser::new(&server), "anna").code();
    app.showing(None)
        .redeems(&server, &code)
        .send()
        .refuses(400, "invalid_request");
    let tokens = Tokens::of(&app.redeems(&server, &code).send());
    let response = app
        .showing(None)
        .refreshes(&server, tokens.refresh())
        .send();
    assert_eq!(response.status, 400, "FA-02: {}", response.body);
}

#[test]
fn fa_05_only_pushed_only_code_only_s256() {
    let app = App::tls("web");
    let server = world(&app).start();
    let browser = &mut Browser::new(&server);
    // Not pushed.
    let response = app.asks().open(browser);
    if response.status == 303 {
        response.back().refuses("invalid_request");
    } else {
        response.is_an_error_page(400);
    }
    for (name, value) in [
        ("code_challenge", ""),
        ("code_challenge_method", ""),
        ("code_challenge_method", "plain"),
        ("response_type", "code id_token"),
        ("response_type", "token"),
        ("response_type", "code token"),
        ("redirect_uri", ""),
        ("redirect_uri", "http://app.example/cb"),
        ("redirect_uri", "https://evil.example/cb"),
    ] {
        let response = app.asks().set(name, value).push(&server, &app).send();
        assert_eq!(
            response.status, 400,
            "FA-05 {name}={value}: {}",
            response.body
        );
    }
    // redirect_uri is pushed even where only one is registered.
    let single = App::tls("web").with("redirect_uris", json!([crate::people::REDIRECT]));
    let server = world(&single).start();
    let ask = single
        .asks()
        .without("redirect_uri")
        .set("scope", "orders.read");
    let response = ask.push(&server, &single).send();
    response.refuses(400, "invalid_request");
    let _ = CHALLENGE;
}

#[test]
fn fa_08_nonces_of_64_characters() {
    let app = App::tls("web");
    let server = world(&app).start();
    let nonce = "n".repeat(64);
    let ask = app.asks().set("nonce", &nonce).pushed(&server, &app);
    let back = ask.answered(&mut Browser::new(&server), "anna");
    let tokens = Tokens::of(&app.redeems(&server, &back.code()).send());
    assert_eq!(claims(tokens.id())["nonce"], json!(nonce));
}

#[test]
fn fa_09_fa_12_assertions() {
    let app = App::key("web");
    let server = world(&app).start();
    let Proof::Key(pem) = &app.proof else {
        panic!("it has a key")
    };
    let key = crate::jose::EcKey::from_pem(pem);
    let push = |member: &str, value: Value| {
        let mut said = crate::assertion::honest("web");
        said[member] = value;
        let mut request = server.post("par").form("client_id", "web");
        for (name, value) in &app.asks().without("client_id").0 {
            request = request.form(name, value);
        }
        request
            .assertion(&key.sign(&json!({ "alg": "ES256" }), &said))
            .send()
    };
    let now = crate::assertion::now();
    for (member, value, good) in [
        ("aud", json!(ISSUER), true),
        ("aud", json!([ISSUER]), false),
        ("aud", json!(format!("{ISSUER}/token")), false),
        ("aud", json!(format!("{ISSUER}/par")), false),
        ("iat", json!(now + 9), true),
        ("nbf", json!(now + 9), true),
        ("iat", json!(now + 65), false),
        ("nbf", json!(now + 65), false),
    ] {
        let response = push(member, value.clone());
        if good {
            assert_eq!(
                response.status, 201,
                "FA-09 {member}={value}: {}",
                response.body
            );
        } else {
            response.refuses(401, "invalid_client");
        }
    }
}

#[test]
fn fa_01_fa_02_fa_03_fa_05_fa_07_fa_10_what_cannot_be_registered() {
    let tls = || App::tls("web");
    let registration = |app: App| app.registration();
    let mut post = client(
        "web",
        "client_secret_post",
        json!({ "client_secret": SECRET }),
    );
    post["client_secret_sha256"] = json!(sha256_hex(SECRET));
    let unbound = "tls_client_certificate_bound_access_tokens";
    let pushed = "require_pushed_authorization_requests";
    for (member, forbidden) in [
        // FA-01
        (
            "token_endpoint_auth_method",
            secret_client("web", json!({})),
        ),
        ("token_endpoint_auth_method", post),
        (
            "token_endpoint_auth_method",
            registration(App::secret("web")),
        ),
        (
            "token_endpoint_auth_method",
            registration(App::public("web")),
        ),
        (
            "token_endpoint_auth_method",
            registration(App::public_bound("web")),
        ),
        // FA-02
        (unbound, registration(tls().with(unbound, json!(false)))),
        (
            unbound,
            registration(App::key("web").with(unbound, json!(false))),
        ),
        // FA-03
        (
            "refresh_token_rotation",
            registration(tls().with("refresh_token_rotation", json!("always"))),
        ),
        // FA-05
        (
            "response_types",
            registration(tls().with("response_types", json!(["code", "code id_token"]))),
        ),
        ("pkce", registration(tls().with("pkce", json!("optional")))),
        ("pkce", registration(tls().with("pkce", json!("plain")))),
        (pushed, registration(tls().with(pushed, json!(false)))),
        // FA-07: but for loopback addresses of native clients.
        (
            "redirect_uris",
            registration(tls().with("redirect_uris", json!(["http://app.example/cb"]))),
        ),
        // FA-10
        (
            "id_token_signed_response_alg",
            registration(tls().with("id_token_signed_response_alg", json!("RS256"))),
        ),
        (
            "userinfo_signed_response_alg",
            registration(tls().with("userinfo_signed_response_alg", json!("RS256"))),
        ),
        (
            "introspection_signed_response_alg",
            registration(tls().with("introspection_signed_response_alg", json!("RS256"))),
        ),
    ] {
        let world = World::bare()
            .flag("--trusted-proxy", "unix")
            .verifying(&pki().ca.cert.pem)
            .flag("--profile", "fapi2")
            .client(forbidden);
        world.is_refused_for(member);
        // Nor does it serve.
        world.refuses_to_start();
    }
    let good = world(&tls()).flag("--client-address-header", "X-Real-IP");
    let (good, said) = good.check();
    assert!(good, "{said}");
}

#[test]
fn fa_04_codes_of_a_minute_at_most() {
    let app = App::tls("web");
    for (ttl, good) in [("60s", true), ("61s", false), ("10m", false)] {
        let (_, said) = world(&app).flag("--code-ttl", ttl).check();
        assert_eq!(said.contains("code-ttl"), !good, "FA-04 {ttl}: {said}");
    }
    world(&app).flag("--code-ttl", "10m").refuses_to_start();
}

#[test]
fn fa_10_weak_keys() {
    let app = App::tls("web");
    let server: Server = world(&app).start();
    // Only the profile's algorithms are published for use.
    let document = server
        .get("/.well-known/openid-configuration")
        .send()
        .succeeds()
        .json();
    for (name, value) in document.as_object().expect("an object") {
        if name.ends_with("signing_alg_values_supported") {
            for alg in value.as_array().expect("a list") {
                let alg = alg.as_str().unwrap_or_default();
                assert!(!matches!(alg, "RS256" | "none"), "FA-10 {name}: {alg}");
            }
        }
    }
    assert_eq!(
        document["require_pushed_authorization_requests"],
        json!(true),
        "FA-05"
    );
    assert_eq!(
        document["response_types_supported"],
        json!(["code"]),
        "FA-05"
    );
    assert_eq!(
        document["code_challenge_methods_supported"],
        json!(["S256"]),
        "FA-05"
    );
    let methods = document["token_endpoint_auth_methods_supported"].as_array();
    for method in methods.expect("a list") {
        let method = method.as_str().unwrap_or_default();
        assert!(
            matches!(
                method,
                "tls_client_auth" | "self_signed_tls_client_auth" | "private_key_jwt"
            ),
            "FA-01 {method}"
        );
    }
    let _ = wanted("x");
}
