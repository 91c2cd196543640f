//! What a code gives, to whom, how often and how long (RFC 6749 section 4.1, RFC 9700 section 2.1).

use std::time::Duration;

use serde_json::json;

use crate::browser::Browser;
use crate::jose::claims;
use crate::people::{App, REDIRECT, Tokens, VERIFIER};
use crate::pki::pki;
use crate::world::World;

/// The same client in both ways of asking (OC-15: no rule is weaker in a hybrid flow).
const BOTH: [&str; 2] = ["code", "code id_token"];

fn app(id: &str) -> App {
    App::tls(id).with("response_types", json!(BOTH))
}

#[test]
fn oa_16_a_code_is_its_clients() {
    let (web, other) = (app("web"), app("other"));
    let spa = App::public("spa");
    let server = World::peopled([&web, &other, &spa]).start();
    let browser = &mut Browser::new(&server);
    for response_type in BOTH {
        let ask = web.asks().set("response_type", response_type);
        let code = ask.answered(browser, "anna").code();
        for thief in [&other, &spa] {
            let stolen = thief.redeems(&server, &code).send();
            stolen.refuses(400, "invalid_grant");
        }
        // Who cannot authenticate as its client does not even get there.
        for certificate in [None, Some(&pki().bob), Some(&pki().forged_alice)] {
            let response = web.showing(certificate).redeems(&server, &code).send();
            response.refuses(401, "invalid_client");
        }
        // Nor does any of that spoil it for its owner.
        Tokens::of(&web.redeems(&server, &code).send());
    }
    // A client whose registration has no such grant.
    let daemon = App::tls("web").with("grant_types", json!(["client_credentials"]));
    let daemon = daemon.with("redirect_uris", serde_json::Value::Null);
    let server = World::usual().client(daemon.registration()).start();
    let response = daemon.redeems(&server, "x").send();
    response.refuses(400, "unauthorized_client");
}

#[test]
fn oa_17_the_redirect_uri_is_the_one_of_the_request() {
    let web = app("web");
    let single = App::tls("single").with("redirect_uris", json!([REDIRECT]));
    let server = World::peopled([&web, &single]).start();
    let browser = &mut Browser::new(&server);
    for response_type in BOTH {
        for uri in [
            None,
            Some(""),
            Some("https://app.example/cb?tenant=1"),
            Some("https://app.example/cb/"),
            Some("https://APP.example/cb"),
            Some("https://evil.example/cb"),
        ] {
            let ask = web.asks().set("response_type", response_type);
            let code = ask.answered(browser, "anna").code();
            let request = web
                .post(&server, "token")
                .form("grant_type", "authorization_code")
                .form("code", &code)
                .form("code_verifier", VERIFIER);
            let response = match uri {
                Some(uri) => request.form("redirect_uri", uri).send(),
                None => request.send(),
            };
            assert_eq!(response.status, 400, "{uri:?}: {}", response.body);
            let error = response.text("error");
            let missing = uri.is_none_or(str::is_empty);
            assert!(
                error == "invalid_grant" || (missing && error == "invalid_request"),
                "OA-17 {uri:?}: {error}"
            );
        }
    }
    // Where the client did not say it, it need not say it again.
    let ask = single
        .asks()
        .without("redirect_uri")
        .set("scope", "orders.read");
    let code = ask.answered(browser, "anna").code();
    let request = single
        .post(&server, "token")
        .form("grant_type", "authorization_code")
        .form("code", &code)
        .form("code_verifier", VERIFIER);
    Tokens::of(&request.send());
}

#[test]
fn oa_14_oa_15_a_second_use_ends_everything_the_first_gave() {
    let web = app("web");
    let opaque = App::tls("opaque").with("access_token_format", json!("opaque"));
    let server = World::peopled([&web, &opaque]).start();
    let browser = &mut Browser::new(&server);
    for app in [&web, &opaque] {
        let code = app.asks().answered(browser, "anna").code();
        let tokens = Tokens::of(&app.redeems(&server, &code).send());
        let refreshed = Tokens::of(&app.refreshes(&server, tokens.refresh()).send());
        let untouched = Tokens::of(
            &app.redeems(&server, &app.asks().answered(browser, "anna").code())
                .send(),
        );
        for token in [&tokens.access, &refreshed.access] {
            assert!(server.is_active(token));
        }
        let again = app.redeems(&server, &code).send();
        again.refuses(400, "invalid_grant");
        for token in [&tokens.access, &refreshed.access] {
            assert!(!server.is_active(token), "OA-15");
            let verified = server
                .verify("default", token)
                .unjudged(app.certificate.as_ref().expect("one"));
            assert_eq!(verified.send().status, 401, "OA-15");
            assert_eq!(app.userinfo(&server, token).status, 401, "OA-15");
        }
        for token in [
            tokens.refresh(),
            refreshed.refresh.as_deref().unwrap_or(tokens.refresh()),
        ] {
            app.refreshes(&server, token)
                .send()
                .refuses(400, "invalid_grant");
        }
        // What another code gave is another matter.
        assert!(server.is_active(&untouched.access));
        Tokens::of(&app.refreshes(&server, untouched.refresh()).send());
    }
}

#[test]
fn oa_15_a_stranger_who_replays_a_code_ends_nothing() {
    let (web, other) = (app("web"), app("other"));
    let server = World::peopled([&web, &other]).start();
    let code = web
        .asks()
        .answered(&mut Browser::new(&server), "anna")
        .code();
    let tokens = Tokens::of(&web.redeems(&server, &code).send());
    other
        .redeems(&server, &code)
        .send()
        .refuses(400, "invalid_grant");
    assert!(server.is_active(&tokens.access));
}

#[test]
fn oa_13_a_code_is_short_lived() {
    let web = app("web");
    let server = World::peopled([&web]).flag("--code-ttl", "1s").start();
    let browser = &mut Browser::new(&server);
    let code = web.asks().answered(browser, "anna").code();
    std::thread::sleep(Duration::from_millis(2_100));
    web.redeems(&server, &code)
        .send()
        .refuses(400, "invalid_grant");
    let code = web.asks().answered(browser, "anna").code();
    Tokens::of(&web.redeems(&server, &code).send());
}

#[test]
fn bad_codes() {
    let web = app("web");
    let server = World::peopled([&web]).start();
    let browser = &mut Browser::new(&server);
    let code = web.asks().answered(browser, "anna").code();
    let last = code.chars().last().expect("a code");
    let other = if last == 'A' { 'B' } else { 'A' };
    let changed = format!("{}{other}", &code[..code.len() - 1]);
    for wrong in [
        "x",
        "",
        "../../etc/passwd",
        &changed,
        &code[..code.len() - 1],
        &format!("{code}A"),
        &code.to_uppercase(),
        &"c".repeat(10_000),
    ] {
        let response = web.redeems(&server, wrong).send();
        let error = response.text("error");
        assert_eq!(response.status, 400, "{wrong}");
        assert!(
            error == "invalid_grant" || (wrong.is_empty() && error == "invalid_request"),
            "{wrong}: {error}"
        );
    }
    // Twice (OA-04), and then as it ought to be.
    for name in [
        "code",
        "redirect_uri",
        "code_verifier",
        "grant_type",
        "client_id",
    ] {
        let request = web.redeems(&server, &code);
        let value = request.form.iter().find(|(known, _)| known == name);
        let value = value.expect("it is sent").1.clone();
        let response = request.form(name, &value).send();
        response.refuses(400, "invalid_request");
    }
    Tokens::of(&web.redeems(&server, &code).send());
}

#[test]
fn at_03_at_04_at_05_su_03_su_04_what_the_access_token_says() {
    let web = app("web");
    let daemon = crate::world::tls_client("alice");
    let server = World::peopled([&web]).start();
    let before = crate::assertion::now();
    let tokens = web.tokens(&server, "anna");
    let token = claims(&tokens.access);
    assert_eq!(token["sub"], json!("sub-of-anna"), "AT-03");
    assert_eq!(token["client_id"], json!("web"));
    assert_eq!(token["scope"], json!("openid orders.read"), "AT-05");
    assert_eq!(token["acr"], json!("1"), "SU-04");
    assert!(
        token["auth_time"]
            .as_u64()
            .is_some_and(|time| time >= before),
        "SU-04"
    );
    let certificate = web.certificate.as_ref().expect("one");
    assert_eq!(token["cnf"]["x5t#S256"], json!(certificate.thumbprint()));
    // IN-08, SU-05: introspection says the same.
    let seen = server.introspect(&tokens.access);
    for member in [
        "sub",
        "client_id",
        "scope",
        "acr",
        "auth_time",
        "cnf",
        "exp",
        "iat",
        "iss",
        "aud",
    ] {
        assert_eq!(seen[member], token[member], "IN-08: {member}");
    }
    // As of a token that says nothing by itself.
    let opaque = App::tls("opaque").with("access_token_format", json!("opaque"));
    let other = World::peopled([&opaque]).start();
    let silent = opaque.tokens(&other, "anna");
    assert!(!silent.access.starts_with("eyJ"));
    let seen = other.introspect(&silent.access);
    let thumbprint = opaque.certificate.as_ref().expect("one").thumbprint();
    assert_eq!(seen["cnf"]["x5t#S256"], json!(thumbprint), "IN-08");
    for (member, value) in [
        ("sub", json!("sub-of-anna")),
        ("client_id", json!("opaque")),
        ("scope", json!("openid orders.read")),
        ("acr", json!("1")),
    ] {
        assert_eq!(seen[member], value, "IN-08: {member}");
    }
    assert!(seen["auth_time"].is_u64() && seen["exp"].is_u64(), "IN-08");
    // Without a user there is none of that.
    let own = server.token("alice").with(&pki().alice).send().token();
    let own = claims(&own);
    assert_eq!(own["sub"], daemon["client_id"], "AT-03");
    assert!(own.get("auth_time").is_none() && own.get("acr").is_none());
    // AT-04: refresh says when and how the user signed in, not when it was refreshed.
    std::thread::sleep(Duration::from_millis(1_100));
    let refreshed = Tokens::of(&web.refreshes(&server, tokens.refresh()).send());
    let refreshed = claims(&refreshed.access);
    for member in ["auth_time", "acr", "sub", "scope", "aud"] {
        assert_eq!(refreshed[member], token[member], "AT-04: {member}");
    }
    assert!(refreshed["iat"].as_u64() > token["iat"].as_u64());
}

#[test]
fn oa_12_at_06_scope_and_audience_as_asked() {
    let shop = App::tls("shop").with(
        "audience",
        json!(["https://a.example", "https://b.example"]),
    );
    let server = World::peopled([&shop]).start();
    let browser = &mut Browser::new(&server);
    // None asked: all that is registered for the API, told because it differs (OA-12).
    let ask = shop.asks().without("scope").without("nonce");
    let tokens = Tokens::of(
        &shop
            .redeems(&server, &ask.answered(browser, "anna").code())
            .send(),
    );
    let scope = tokens.whole["scope"].as_str().expect("OA-12").to_owned();
    assert_eq!(claims(&tokens.access)["scope"], json!(scope));
    assert_eq!(
        claims(&tokens.access)["aud"],
        json!(["https://a.example", "https://b.example"])
    );
    // One of them at authorize: the token is for that one, and refresh cannot widen it.
    let ask = shop.asks().set("resource", "https://a.example");
    let tokens = Tokens::of(
        &shop
            .redeems(&server, &ask.answered(browser, "anna").code())
            .send(),
    );
    assert_eq!(claims(&tokens.access)["aud"], json!("https://a.example"));
    let wider = shop
        .refreshes(&server, tokens.refresh())
        .form("resource", "https://b.example");
    wider.send().refuses(400, "invalid_target");
    // At token one of two may be chosen (RFC 8707 section 2.2).
    let code = shop.asks().answered(browser, "anna").code();
    let chosen = shop
        .redeems(&server, &code)
        .form("resource", "https://b.example");
    let tokens = Tokens::of(&chosen.send());
    assert_eq!(claims(&tokens.access)["aud"], json!("https://b.example"));
    let code = shop.asks().answered(browser, "anna").code();
    let wrong = shop
        .redeems(&server, &code)
        .form("resource", "https://c.example");
    wrong.send().refuses(400, "invalid_target");
}

#[test]
fn rule_5_a_bound_client_gets_no_unbound_token() {
    // INTERFACE, "When is a certificate believed?", 5.
    let keyed = App::key("keyed");
    let public = App::public_bound("app");
    let unbound = App::secret("plain");
    let server = World::peopled([&keyed, &public, &unbound]).start();
    let browser = &mut Browser::new(&server);
    for app in [&keyed, &public] {
        let code = app.asks().answered(browser, "anna").code();
        let response = app.showing(None).redeems(&server, &code).send();
        response.refuses(400, "invalid_request");
        let tokens = Tokens::of(&app.redeems(&server, &code).send());
        let certificate = app.certificate.as_ref().expect("one");
        assert_eq!(
            claims(&tokens.access)["cnf"]["x5t#S256"],
            json!(certificate.thumbprint())
        );
    }
    // One that is not bound is not bound to what was merely there.
    let code = unbound.asks().answered(browser, "anna").code();
    let request = unbound.redeems(&server, &code).unjudged(&pki().own);
    assert!(
        claims(&Tokens::of(&request.send()).access)
            .get("cnf")
            .is_none()
    );
}

#[test]
fn bcp_09_no_password_grant_and_a_refresh_token_only_where_registered() {
    let web = app("web");
    let without = App::tls("without").with("grant_types", json!(["authorization_code"]));
    let server = World::peopled([&web, &without]).start();
    let request = web
        .post(&server, "token")
        .form("grant_type", "password")
        .form("username", "anna")
        .form("password", crate::people::PASSWORD);
    request.send().refuses(400, "unsupported_grant_type");
    assert!(web.tokens(&server, "anna").refresh.is_some());
    assert!(without.tokens(&server, "anna").refresh.is_none());
}

#[test]
fn oc_24_offline_access_needs_consent() {
    let web = App::tls("web").with("consent", json!(true));
    let server = World::peopled([&web]).start();
    let ask = web.asks().set("scope", "openid offline_access");
    let tokens = web.tokens_for(&server, "anna", &ask);
    let scope = claims(&tokens.access)["scope"].clone();
    assert_eq!(
        scope,
        json!("openid"),
        "OC-24: without prompt=consent it is ignored"
    );
    let tokens = web.tokens_for(&server, "anna", &ask.set("prompt", "consent"));
    let scope = claims(&tokens.access)["scope"].clone();
    assert_eq!(scope, json!("openid offline_access"));
}
