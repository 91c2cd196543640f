//! Pushed authorization requests (RFC 9126).

use serde_json::json;

use crate::browser::Browser;
use crate::jose::EcKey;
use crate::people::{App, NONCE, PASSWORD, STATE, Tokens, by_reference};
use crate::pki::pki;
use crate::world::{ISSUER, SECRET, World};

const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

#[test]
fn par_04_par_10_a_pushed_request_is_the_request() {
    let app = App::tls("web");
    let server = World::peopled([&app]).start();
    let response = app.asks().push(&server, &app).send();
    assert_eq!(response.status, 201, "{}", response.body);
    let uri = response.text("request_uri");
    let name = uri.strip_prefix(PREFIX).expect("PAR-04");
    assert!(name.len() >= 27, "PAR-05: 160 bits");
    let lives = response.json()["expires_in"].as_u64().expect("a number");
    assert!((5..600).contains(&lives), "PAR-04, FA-06: {lives}");
    // PAR-10: what stands beside is not read.
    let browser = &mut Browser::new(&server);
    let ask = by_reference("web", &uri)
        .set("redirect_uri", "https://evil.example/cb")
        .set("scope", "openid orders.write admin")
        .set("state", "another")
        .set("nonce", "another")
        .set("response_type", "token")
        .set("response_mode", "fragment")
        .set("code_challenge", "x")
        .set("prompt", "none");
    let page = ask.open(browser).succeeds().page();
    // CVE-2024-4540: what was pushed stays here.
    for pushed in [STATE, NONCE, "orders.read", "app.example/cb"] {
        assert!(!page.body.contains(pushed), "{pushed} is in {}", page.body);
        for (_, value) in &browser.jar {
            assert!(!value.contains(pushed));
        }
    }
    let back = browser.password(&page, "anna", PASSWORD).back();
    assert_eq!(back.to, crate::people::REDIRECT);
    assert_eq!(
        (back.mode, back.get("state").as_deref()),
        ("query", Some(STATE))
    );
    let tokens = Tokens::of(&app.redeems(&server, &back.code()).send());
    let claims = crate::jose::claims(tokens.id());
    assert_eq!(claims["nonce"], json!(NONCE));
    assert_eq!(
        crate::jose::claims(&tokens.access)["scope"],
        json!("openid orders.read")
    );
}

#[test]
fn par_01_par_authenticates_as_token_does() {
    let (web, own, keyed, secret, spa) = (
        App::tls("web"),
        App::self_signed("own"),
        App::key("keyed"),
        App::secret("secret"),
        App::public("spa"),
    );
    let server = World::peopled([&web, &own, &keyed, &secret, &spa]).start();
    for app in [&web, &own, &keyed, &secret, &spa] {
        let response = app.asks().push(&server, app).send();
        assert_eq!(response.status, 201, "{}: {}", app.id, response.body);
    }
    for (app, certificate) in [
        (&web, None),
        (&web, Some(&pki().bob)),
        (&web, Some(&pki().own)),
        (&own, None),
        (&own, Some(&pki().own)),
    ] {
        let other = app.showing(certificate);
        let response = app.asks().push(&server, &other).send();
        response.refuses(401, "invalid_client");
    }
    // MTLS-02..05: no certificate, or a wrong one, never falls back to anything.
    let forged = app_by_key(&keyed);
    keyed
        .asks()
        .push(&server, &forged)
        .send()
        .refuses(401, "invalid_client");
    let plain = server
        .post("par")
        .basic("secret", "wrong-wrong-wrong")
        .form("redirect_uri", crate::people::REDIRECT);
    plain.send().refuses(401, "invalid_client");
    server
        .post("par")
        .form("client_id", "nobody")
        .send()
        .refuses(401, "invalid_client");
    server.post("par").send().refuses(401, "invalid_client");
    // RFC 9126 section 2: a client_id in the body is the one that authenticates.
    let request = server.post("par").basic("secret", SECRET);
    let mut request = request.form("client_id", "web");
    for (name, value) in &secret.asks().without("client_id").0 {
        request = request.form(name, value);
    }
    let response = request.send();
    assert!(matches!(response.status, 400 | 401), "{}", response.body);
    // Without client_id, where it authenticated otherwise.
    let response = secret
        .asks()
        .without("client_id")
        .push(&server, &secret)
        .send();
    assert_eq!(response.status, 201, "{}", response.body);
}

/// The same client with a key that is not its own.
fn app_by_key(app: &App) -> App {
    let mut other = app.clone();
    other.proof = App::key("other").proof;
    other
}

#[test]
fn par_02_par_03_par_08_what_cannot_be_pushed() {
    let app = App::tls("web");
    let server = World::peopled([&app]).start();
    let uri = app.asks().push(&server, &app).send().text("request_uri");
    for reference in [uri.as_str(), "https://app.example/request", "x"] {
        let ask = app.asks().set("request_uri", reference);
        ask.push(&server, &app)
            .send()
            .refuses(400, "invalid_request");
    }
    for (name, value, error) in [
        ("redirect_uri", "https://evil.example/", "invalid_request"),
        ("scope", "openid admin", "invalid_scope"),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("prompt", "none login", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "", "invalid_request"),
        ("max_age", "-1", "invalid_request"),
        ("resource", "https://not-mine.example", "invalid_target"),
        ("claims", "{", "invalid_request"),
    ] {
        let response = app.asks().set(name, value).push(&server, &app).send();
        assert_eq!(
            response.status, 400,
            "PAR-03 {name}={value}: {}",
            response.body
        );
        assert_eq!(response.text("error"), error, "PAR-03 {name}={value}");
    }
    // PAR-08
    let large = app.asks().and("foo", &"x".repeat(1024 * 1024));
    let response = large.push(&server, &app).send();
    assert_eq!(response.status, 413, "{}", response.body);
}

#[test]
fn par_05_par_11_a_request_uri_is_its_clients() {
    let (app, other) = (App::tls("web"), App::tls("other"));
    let server = World::peopled([&app, &other]).start();
    let uri = app.asks().push(&server, &app).send().text("request_uri");
    let browser = &mut Browser::new(&server);
    for ask in [
        by_reference("other", &uri),
        by_reference("nobody", &uri),
        by_reference("", &uri),
        by_reference("web", &uri).without("client_id"),
        by_reference("web", &format!("{uri}x")),
        by_reference("web", &uri[..uri.len() - 1]),
        by_reference("web", PREFIX),
        by_reference("web", &uri.to_uppercase()),
    ] {
        let response = ask.open(browser);
        assert!(response.header("location").is_none(), "PAR-05: no redirect");
        response.is_an_error_page(400);
    }
    by_reference("web", &uri).answered(browser, "anna").code();
}

#[test]
fn par_06_an_expired_request_uri() {
    let app = App::tls("web");
    let server = World::peopled([&app]).start();
    let response = app.asks().push(&server, &app).send();
    let lives = response.json()["expires_in"].as_u64().expect("a number");
    assert!(lives <= 90, "this test would wait for {lives} s");
    let browser = &mut Browser::new(&server);
    let ask = by_reference("web", &response.text("request_uri"));
    assert_eq!(ask.open(browser).status, 200);
    std::thread::sleep(std::time::Duration::from_secs(lives + 1));
    ask.open(&mut Browser::new(&server)).is_an_error_page(400);
}

#[test]
fn par_07_one_use_that_counts_when_it_is_answered() {
    let app = App::tls("web");
    let server = World::peopled([&app]).start();
    let ask = app.asks().pushed(&server, &app);
    let browser = &mut Browser::new(&server);
    // Reload before login works, in another browser as well.
    assert_eq!(ask.open(browser).status, 200);
    assert_eq!(ask.open(&mut Browser::new(&server)).status, 200);
    let page = ask.open(browser).page();
    browser.password(&page, "anna", PASSWORD).back().code();
    // After completion nothing does: neither the reference, nor the form that was sent.
    ask.open(browser).is_an_error_page(400);
    ask.open(&mut Browser::new(&server)).is_an_error_page(400);
    let again = browser.password(&page, "anna", PASSWORD);
    again.is_an_error_page(again.status);
    assert!(again.status >= 400);
}

#[test]
fn par_07_two_completions_at_once_give_one_code() {
    let app = App::tls("web");
    let server = World::peopled([&app]).start();
    for _ in 0..8 {
        let ask = app.asks().pushed(&server, &app);
        let ready: Vec<(Browser<'_>, crate::browser::Page)> = (0..2)
            .map(|_| {
                let mut browser = Browser::new(&server);
                let page = ask.open(&mut browser).page();
                (browser, page)
            })
            .collect();
        let codes: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = ready
                .into_iter()
                .map(|(mut browser, page)| {
                    scope.spawn(move || {
                        let response = browser.password(&page, "anna", PASSWORD);
                        usize::from(response.status == 303 && response.back().get("code").is_some())
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|one| one.join().expect("no panic"))
                .sum()
        });
        assert_eq!(codes, 1, "PAR-07");
    }
}

#[test]
fn par_09_where_only_pushed_requests_are_taken() {
    let app = App::tls("web").with("require_pushed_authorization_requests", json!(true));
    let server = World::peopled([&app]).start();
    let browser = &mut Browser::new(&server);
    let back = app.asks().answered(browser, "anna");
    back.refuses("invalid_request");
    app.asks()
        .pushed(&server, &app)
        .answered(browser, "anna")
        .code();
}

#[test]
fn fa_09_jo_04_request_objects_only_signed_and_only_pushed() {
    let app = App::key("keyed");
    let server = World::peopled([&app]).start();
    let crate::people::Proof::Key(pem) = &app.proof else {
        panic!("it has a key")
    };
    let key = EcKey::from_pem(pem);
    let now = crate::assertion::now();
    let claims = |iat: u64| {
        let mut claims =
            json!({ "iss": "keyed", "aud": ISSUER, "iat": iat, "nbf": iat, "exp": iat + 60 });
        for (name, value) in &app.asks().0 {
            claims[name] = json!(value);
        }
        claims
    };
    let header = json!({ "alg": "ES256", "typ": "oauth-authz-req+jwt" });
    let push = |object: &str| app.post(&server, "par").form("request", object).send();
    let good = push(&key.sign(&header, &claims(now)));
    if good.status != 201 {
        // Then no request object is taken at all, and metadata says so.
        good.refuses(400, "request_not_supported");
        return;
    }
    let browser = &mut Browser::new(&server);
    let ask = by_reference("keyed", &good.text("request_uri"));
    let back = ask.answered(browser, "anna");
    assert_eq!(back.get("state").as_deref(), Some(STATE));
    back.code();
    let with = |member: &str, value: serde_json::Value| {
        let mut claims = claims(now);
        claims[member] = value;
        key.sign(&header, &claims)
    };
    let ahead = |seconds: u64| key.sign(&header, &claims(now + seconds));
    assert_eq!(push(&ahead(8)).status, 201, "FA-09");
    for object in [
        ahead(70),
        with("exp", json!(now - 120)),
        with("aud", json!("https://other.example")),
        with("iss", json!("other")),
        with("client_id", json!("other")),
        EcKey::new().sign(&header, &claims(now)),
        key.sign(&json!({ "alg": "none" }), &claims(now)),
        key.sign(&json!({ "alg": "ES256", "typ": "at+jwt" }), &claims(now)),
        // JO-04: a JWE is refused like anything else that is not signed.
        "eyJhbGciOiJSU0ExXzUiLCJlbmMiOiJBMTI4R0NNIn0.AAAA.AAAA.AAAA.AAAA".to_owned(),
        "x".to_owned(),
    ] {
        push(&object).refuses(400, "invalid_request_object");
    }
}
