//! The authorization endpoint (RFC 6749 sections 3.1 and 4.1, RFC 9207, RFC 9700 section 2.1): what is asked,
//! where answers go, and where they never go.

use serde_json::json;

use crate::browser::Browser;
use crate::people::{App, PASSWORD, REDIRECT, STATE};
use crate::world::{ISSUER, World};

#[test]
fn oa_18_iss_01_iss_02_bcp_03_a_code_by_get_and_by_post() {
    let app = App::tls("web");
    for issuer in [
        ISSUER,
        "https://as.example.com/oauth2",
        "https://as.example.com:8443/a/b",
    ] {
        let server = World::peopled([&app]).issuer(issuer).start();
        // OC-01: both methods.
        for posts in [false, true] {
            let browser = &mut Browser::new(&server);
            let ask = app.asks();
            let page = if posts {
                let mut request = server.post("authorize");
                for (name, value) in &ask.0 {
                    request = request.form(name, value);
                }
                let response = browser.send(request);
                browser.settle(response)
            } else {
                ask.open(browser)
            };
            let page = page.succeeds().page();
            assert!(page.body.contains("The application web"), "{}", page.body);
            let signed_in = browser.password(&page, "anna", PASSWORD);
            assert_eq!(signed_in.status, 303, "BCP-03");
            let back = signed_in.back();
            assert_eq!((back.to.as_str(), back.mode), (REDIRECT, "query"));
            assert_eq!(back.get("state").as_deref(), Some(STATE));
            assert_eq!(back.get("iss").as_deref(), Some(issuer), "ISS-02");
            assert!(back.code().len() >= 27, "OA-29: 160 bits");
            assert_eq!(back.parameters.len(), 3, "{back:?}");
        }
        // POST parameters are read in the body only (OC-01).
        let browser = &mut Browser::new(&server);
        let path = format!(
            "{}/authorize?{}",
            server.base,
            crate::browser::query(&app.asks().0)
        );
        let response = browser.send(server.post(&path));
        response.is_an_error_page(400);
    }
}

#[test]
fn oa_18_state_comes_back_unchanged() {
    let app = App::tls("web");
    let server = World::peopled([&app]).start();
    let browser = &mut Browser::new(&server);
    let reserved = ":/?#[]@!$&'()*+,;= %\"<>\\^`{|}~%00%2F\u{e4}\u{1f600}";
    let state = reserved.repeat(2048 / reserved.len());
    for mode in ["query", "fragment", "form_post"] {
        let ask = app.asks().set("state", &state).set("response_mode", mode);
        let back = ask.answered(browser, "anna");
        assert_eq!(back.mode, mode);
        assert_eq!(back.get("state"), Some(state.clone()), "{mode}");
        // OC-19: in errors as well.
        let back = ask
            .set("scope", "openid nothing.of.this")
            .answered(browser, "anna");
        assert_eq!(
            back.refuses("invalid_scope").get("state"),
            Some(state.clone())
        );
    }
    // None sent, or an empty one (OA-05): none comes back.
    for ask in [app.asks().without("state"), app.asks().set("state", "")] {
        let back = ask.answered(browser, "anna");
        back.code();
        assert_eq!(back.get("state"), None);
    }
}

#[test]
fn oa_04_every_parameter_twice() {
    let app = App::tls("web");
    let server = World::peopled([&app]).start();
    let browser = &mut Browser::new(&server);
    app.asks().answered(browser, "anna").code();
    for (name, value) in [
        ("response_type", "code"),
        ("scope", "openid"),
        ("nonce", "n"),
        ("prompt", "none"),
        ("display", "page"),
        ("max_age", "5"),
        ("ui_locales", "de"),
        ("id_token_hint", "x"),
        ("login_hint", "anna"),
        ("acr_values", "1"),
        ("claims", "{}"),
        ("response_mode", "query"),
        ("code_challenge", crate::people::CHALLENGE),
        ("code_challenge_method", "S256"),
        ("request_uri", "urn:x"),
        ("request", "x"),
        ("foo", "bar"),
        ("state", STATE),
        ("client_id", "web"),
        ("redirect_uri", REDIRECT),
        ("interaction", "x"),
    ] {
        let ask = app.asks().set(name, value).and(name, value);
        let response = ask.open(browser);
        // A repeated client_id, redirect_uri or state leaves no certain place for the answer.
        if response.status == 303 {
            assert!(
                !matches!(name, "client_id" | "redirect_uri"),
                "OA-11: {name}"
            );
            response.back().refuses("invalid_request");
        } else {
            let status = if name == "interaction" { 403 } else { 400 };
            assert!(
                matches!(response.status, 400) || response.status == status,
                "{name}"
            );
            response.is_an_error_page(response.status);
        }
        let pushed = ask.push(&server, &app).form(name, value).send();
        pushed.refuses(400, "invalid_request");
    }
    // RFC 8707: a resource may be there twice.
    let resources = App::tls("shop").with(
        "audience",
        json!(["https://a.example", "https://b.example"]),
    );
    let server = World::peopled([&resources]).start();
    let ask = resources
        .asks()
        .and("resource", "https://a.example")
        .and("resource", "https://b.example");
    let tokens = resources.tokens_for(&server, "anna", &ask);
    let aud = crate::jose::claims(&tokens.access)["aud"].clone();
    assert_eq!(
        aud,
        json!(["https://a.example", "https://b.example"]),
        "AT-06"
    );
}

#[test]
fn oa_05_oa_06_empty_is_absent_and_unknown_is_ignored() {
    let app = App::tls("web");
    let server = World::peopled([&app]).start();
    let browser = &mut Browser::new(&server);
    for name in [
        "prompt",
        "max_age",
        "ui_locales",
        "id_token_hint",
        "login_hint",
        "acr_values",
        "claims",
        "response_mode",
        "request",
        "request_uri",
        "resource",
        "display",
        "state",
        "nonce",
        "scope",
    ] {
        let back = app.asks().set(name, "").answered(browser, "anna");
        back.code();
    }
    let back = app.asks().and("foo", "bar").answered(browser, "anna");
    back.code();
    // An empty one that is needed is a missing one.
    for (name, error) in [
        ("response_type", "invalid_request"),
        ("code_challenge", "invalid_request"),
    ] {
        for ask in [app.asks().set(name, ""), app.asks().without(name)] {
            ask.answered(browser, "anna").refuses(error);
        }
    }
}

#[test]
fn what_is_of_the_wrong_kind_or_too_long() {
    let app = App::tls("web");
    let server = World::peopled([&app]).start();
    let browser = &mut Browser::new(&server);
    app.asks().answered(browser, "anna").code();
    let long = "x".repeat(7_000);
    for (name, value, error) in [
        ("max_age", "-1", "invalid_request"),
        ("max_age", "soon", "invalid_request"),
        ("max_age", "1.5", "invalid_request"),
        ("max_age", "99999999999999999999", "invalid_request"),
        ("max_age", "0x10", "invalid_request"),
        ("max_age", "+5", "invalid_request"),
        ("prompt", "sometimes", "invalid_request"),
        ("prompt", "none login", "invalid_request"),
        ("prompt", "none consent", "invalid_request"),
        ("claims", "{", "invalid_request"),
        ("claims", "[]", "invalid_request"),
        ("claims", "null", "invalid_request"),
        ("claims", "{\"id_token\":[]}", "invalid_request"),
        ("claims", "{\"id_token\":{\"acr\":7}}", "invalid_request"),
        ("response_type", "nonsense", "unsupported_response_type"),
        ("response_type", "none", "unsupported_response_type"),
        ("response_mode", "smoke_signal", "invalid_request"),
        ("response_mode", "web_message", "invalid_request"),
        ("scope", "openid \"", "invalid_scope"),
        ("scope", "openid \u{e4}", "invalid_scope"),
        ("scope", "openid \\\r\n", "invalid_scope"),
        ("scope", "openid admin", "invalid_scope"),
        ("scope", &long, "invalid_scope"),
        ("nonce", &long, "invalid_request"),
        ("login_hint", &long, "invalid_request"),
        ("acr_values", &long, "invalid_request"),
        ("ui_locales", &long, "invalid_request"),
        ("code_challenge", &long, "invalid_request"),
        (
            "request",
            "eyJhbGciOiJub25lIn0.e30.",
            "request_not_supported",
        ),
        (
            "request_uri",
            "https://evil.example/r",
            "request_uri_not_supported",
        ),
        (
            "request_uri",
            "http://127.0.0.1/r",
            "request_uri_not_supported",
        ),
        ("registration", "{}", "registration_not_supported"),
        ("resource", "not a URI", "invalid_target"),
        ("resource", "https://api.example/#x", "invalid_target"),
        ("resource", "https://not-mine.example", "invalid_target"),
        ("id_token_hint", "x", "invalid_request"),
    ] {
        let shown = &value[..value.len().min(40)];
        let response = app.asks().set(name, value).open(browser);
        assert_eq!(response.status, 303, "{name}={shown}: {}", response.body);
        let back = response.back();
        let found = back.get("error");
        assert!(
            found.as_deref() == Some(error)
                || (error == "invalid_scope" && found.as_deref() == Some("invalid_request")),
            "{name}={shown}: {back:?}"
        );
        back.refuses(&found.unwrap_or_default());
        assert_eq!(back.get("state").as_deref(), Some(STATE), "OC-19");
    }
    // A state that is too long cannot come back.
    let response = app.asks().set("state", &"s".repeat(60_000)).open(browser);
    let location = response.header("location").unwrap_or_default();
    assert!(
        response.status >= 400 || location.len() < 9_000,
        "{}",
        location.len()
    );
    // Octets that are no text.
    for broken in ["%FF", "%C3%28", "%G1", "%", "%0"] {
        let path = format!("/authorize?client_id=web&state={broken}");
        browser.get(&path).is_an_error_page(400);
    }
}

#[test]
fn oc_13_bcp_04_mtls_35_response_types_and_modes() {
    let plain = App::tls("web");
    let every = App::secret("every").with(
        "response_types",
        json!(["code", "code id_token", "code token", "code id_token token"]),
    );
    let server = World::peopled([&plain, &every]).start().uncounted();
    let browser = &mut Browser::new(&server);
    for (response_type, default, given) in [
        ("code", "query", &["code"][..]),
        ("code id_token", "fragment", &["code", "id_token"]),
        ("id_token code", "fragment", &["code", "id_token"]),
        ("code token", "fragment", &["code", "access_token"]),
        (
            "code id_token token",
            "fragment",
            &["code", "id_token", "access_token"],
        ),
        (
            "token code id_token",
            "fragment",
            &["code", "id_token", "access_token"],
        ),
    ] {
        for mode in ["", "query", "fragment", "form_post"] {
            let ask = every
                .asks()
                .set("response_type", response_type)
                .set("response_mode", mode);
            let back = ask.answered(browser, "anna");
            if mode == "query" && response_type != "code" {
                assert_ne!(
                    back.mode, "query",
                    "OC-13: nothing of a hybrid flow in a query"
                );
                back.refuses("invalid_request");
                continue;
            }
            assert_eq!(back.mode, if mode.is_empty() { default } else { mode });
            for name in ["code", "id_token", "access_token"] {
                assert_eq!(
                    back.get(name).is_some(),
                    given.contains(&name),
                    "{response_type} {name}"
                );
            }
            assert_eq!(
                back.get("token_type").is_some(),
                given.contains(&"access_token")
            );
            // Errors go the same way.
            let back = ask.set("prompt", "none login").answered(browser, "anna");
            assert_eq!(back.mode, if mode.is_empty() { default } else { mode });
            back.refuses("invalid_request");
        }
    }
    // BCP-04: none of those that give a token and no code, nor what is not registered.
    for (app, response_type) in [
        (&every, "token"),
        (&every, "id_token"),
        (&every, "id_token token"),
        (&every, "code code"),
        (&plain, "code id_token"),
        (&plain, "code token"),
        (&plain, "code id_token token"),
        (&plain, "token"),
    ] {
        let ask = app.asks().set("response_type", response_type);
        let back = ask.answered(browser, "anna");
        let error = back.get("error").unwrap_or_default();
        let refused = [
            "unsupported_response_type",
            "unauthorized_client",
            "invalid_request",
        ];
        assert!(
            refused.contains(&error.as_str()),
            "{response_type}: {back:?}"
        );
        back.refuses(&error);
    }
    // MTLS-35: what cannot be bound cannot be registered.
    for types in [json!(["code token"]), json!(["code id_token token"])] {
        let bound = App::tls("bound").with("response_types", types);
        World::peopled([&bound]).is_refused_for("response_types");
    }
}

#[test]
fn oc_10_a_nonce_and_openid_are_needed_for_an_id_token_from_here() {
    let app = App::tls("web").with("response_types", json!(["code", "code id_token"]));
    let server = World::peopled([&app]).start();
    let browser = &mut Browser::new(&server);
    let hybrid = app.asks().set("response_type", "code id_token");
    hybrid.answered(browser, "anna").code();
    for ask in [
        hybrid.clone().without("nonce"),
        hybrid.clone().set("nonce", ""),
        hybrid.clone().set("scope", "orders.read"),
    ] {
        let back = ask.answered(browser, "anna");
        assert_eq!(back.refuses("invalid_request").mode, "fragment", "OC-13");
    }
    app.asks().without("nonce").answered(browser, "anna").code();
}

#[test]
fn bcp_10_no_cors_and_no_other_methods() {
    let app = App::tls("web");
    let server = World::peopled([&app]).start();
    for endpoint in ["authorize", "logout", "par"] {
        for method in ["GET", "OPTIONS"] {
            let request = server
                .request(method, endpoint)
                .header("Origin", "https://app.example")
                .header("Access-Control-Request-Method", "POST");
            let response = request.send();
            for name in ["origin", "methods", "headers"] {
                let name = format!("access-control-allow-{name}");
                assert_eq!(response.header(&name), None, "BCP-10: {method} {endpoint}");
            }
        }
    }
    for (endpoint, methods, allowed) in [
        ("authorize", &["PUT", "DELETE", "PATCH"][..], "GET, POST"),
        ("logout", &["PUT", "DELETE"], "GET, POST"),
        ("userinfo", &["PUT", "DELETE"], "GET, POST"),
        ("par", &["GET", "PUT", "HEAD"], "POST"),
    ] {
        for method in methods {
            let response = server.request(method, endpoint).send();
            assert_eq!(response.status, 405, "{method} {endpoint}");
            assert_eq!(response.header("allow"), Some(allowed), "{endpoint}");
        }
    }
}

#[test]
fn a_request_that_is_too_long_for_a_url() {
    let app = App::tls("web").with("consent", json!(true));
    let server = World::peopled([&app]).start();
    let (state, nonce) = ("s".repeat(4_000), "n".repeat(1_000));
    let claims = json!({ "userinfo": { "email": { "values": ["v".repeat(1_000)] } } });
    let ask = app
        .asks()
        .set("state", &state)
        .set("nonce", &nonce)
        .set("claims", &claims.to_string())
        .set("ui_locales", "de");
    // By POST, of this site and of another.
    for origin in [None, Some("https://app.example")] {
        let browser = &mut Browser::new(&server);
        let mut request = server.post("authorize");
        for (name, value) in &ask.0 {
            request = request.form(name, value);
        }
        if let Some(origin) = origin {
            request = request.header("Origin", origin);
        }
        let response = browser.send(request);
        let page = browser.settle(response).succeeds().page();
        assert!(page.body.contains("<html lang=\"de\""));
        let page = browser.password(&page, "anna", PASSWORD).succeeds().page();
        let back = browser.choose(&page, "allow").back();
        assert_eq!(back.get("state"), Some(state.clone()));
        let tokens = app.redeems(&server, &back.code()).send();
        let id_token = tokens.succeeds().text("id_token");
        assert_eq!(crate::jose::claims(&id_token)["nonce"], json!(nonce));
    }
}
