//! How somebody is signed in: passwords, codes, certificates, the web server's word; and what `prompt`,
//! `max_age` and hints make of it (OpenID Connect Core section 3.1.2).

use std::time::{Duration, Instant};

use serde_json::json;

use crate::browser::{Browser, Page};
use crate::jose::claims;
use crate::people::{App, Ask, PASSWORD, Tokens, erics, totp};
use crate::pki::{Cert, pki, wanted};
use crate::wire::Response;
use crate::world::{Server, World};

/// The ID token of what the client was told.
fn id_claims(app: &App, server: &Server, response: &Response) -> serde_json::Value {
    let code = response.back().code();
    claims(Tokens::of(&app.redeems(server, &code).send()).id())
}

#[test]
fn by_password() {
    let app = App::tls("web");
    let server = World::peopled([&app]).start();
    let browser = &mut Browser::new(&server);
    let page = app.asks().open(browser).page();
    let wrong = browser.password(&page, "anna", "wrong");
    let told = |page: &Page| {
        let at = page
            .body
            .find("role=\"alert\"")
            .expect("it says what is wrong");
        page.body[at..]
            .split("</div>")
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let unknown = browser.password(&wrong.succeeds().page(), "nobody", PASSWORD);
    assert_eq!(
        told(&wrong.page()),
        told(&unknown.succeeds().page()),
        "nobody learns who is a user"
    );
    for (name, password) in [
        ("", PASSWORD),
        ("ben", ""),
        ("BEN", PASSWORD),
        ("cora", PASSWORD),
        ("anna\u{0}", PASSWORD),
        (&"a".repeat(2_000), PASSWORD),
        ("eric", &"p".repeat(5_000)),
    ] {
        let response = browser.password(&page, name, password);
        assert_eq!(response.status, 200, "{name}");
        assert!(response.page().offers("password"));
    }
    assert!(browser.session().is_none(), "nobody is signed in");
    let response = browser.password(&page, "ben", PASSWORD);
    assert_eq!(id_claims(&app, &server, &response)["sub"], json!("ben"));
}

#[test]
fn guessing_is_slowed_down_for_one_user_from_one_address() {
    let app = App::tls("web");
    let server = World::peopled([&app])
        .flag("--client-address-header", "X-Real-IP")
        .start();
    let from = |address: &str| Browser::new(&server).adding("X-Real-IP", address);
    let mut guesser = from("203.0.113.7");
    let page = app.asks().open(&mut guesser).page();
    let mut waits = Vec::new();
    let began = Instant::now();
    while waits.len() < 3 && began.elapsed() < Duration::from_secs(25) {
        let response = guesser.password(&page, "anna", "wrong");
        if response.status == 429 {
            let wait: u64 = response
                .header("retry-after")
                .and_then(|wait| wait.parse().ok())
                .expect("a number of seconds");
            waits.push(wait);
            // Not even the right one does now, and nobody else is kept waiting.
            if waits.len() == 1 {
                assert_eq!(guesser.password(&page, "anna", PASSWORD).status, 429);
                assert!(guesser.session().is_none());
                for (address, name) in [("203.0.113.8", "anna"), ("203.0.113.7", "ben")] {
                    let mut other = from(address);
                    let back = app.asks().answered(&mut other, name);
                    back.code();
                }
            }
            std::thread::sleep(Duration::from_millis(wait * 1_000 + 100));
        } else {
            assert_eq!(response.status, 200);
        }
    }
    assert!(
        waits.len() == 3 && waits[0] < waits[2],
        "a growing delay: {waits:?}"
    );
    // Whoever has waited gets in.
    let response = guesser.password(&page, "anna", PASSWORD);
    response.back().code();
}

#[test]
fn many_guesses_at_once_are_no_more_than_one_after_another() {
    let app = App::tls("web");
    let server = World::peopled([&app]).start();
    let mut browser = Browser::new(&server);
    let page = app.asks().open(&mut browser).page();
    let looked_at: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|_| {
                let (mut browser, page) = (browser.clone(), page.clone());
                scope.spawn(move || {
                    let response = browser.password(&page, "anna", "wrong");
                    usize::from(response.status == 200)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|one| one.join().expect("no panic"))
            .sum()
    });
    assert!(looked_at <= 4, "{looked_at} of 16 were looked at");
}

#[test]
fn a_second_factor_and_its_replay() {
    let app = App::tls("web").with("default_acr_values", json!(["2"]));
    let server = World::peopled([&app]).start();
    let second = |browser: &mut Browser<'_>| {
        let page = app.asks().open(browser).page();
        let response = browser.password(&page, "anna", PASSWORD);
        let page = response.succeeds().page();
        assert!(page.offers("totp"), "{}", page.body);
        page
    };
    let (mut one, mut two) = (Browser::new(&server), Browser::new(&server));
    let page = second(&mut one);
    let other = second(&mut two);
    for wrong in [
        "000000",
        "",
        "12345",
        "1234567",
        "abcdef",
        "\u{0661}\u{0662}\u{0663}",
    ] {
        let response = one.press(&page, "totp", &[("code", wrong)]);
        assert!(matches!(response.status, 200 | 429), "{}", response.body);
        assert!(response.header("location").is_none(), "{wrong:?}");
        if response.status == 429 {
            // RFC 6238 section 5.2: codes cannot be guessed either.
            std::thread::sleep(Duration::from_secs(2));
            break;
        }
    }
    let code = totp(0);
    let began = Instant::now();
    let response = loop {
        let response = one.press(&page, "totp", &[("code", &code)]);
        if response.status != 429 || began.elapsed() > Duration::from_secs(20) {
            break one.settle(response);
        }
        std::thread::sleep(Duration::from_secs(1));
    };
    let said = id_claims(&app, &server, &response);
    assert_eq!(said["acr"], json!("2"));
    assert_eq!(said["amr"], json!(["pwd", "otp", "mfa"]));
    // The same code again, and an older one: no.
    for used in [code, totp(-1)] {
        let response = two.press(&other, "totp", &[("code", &used)]);
        assert!(response.header("location").is_none(), "a code is good once");
    }
    // The second factor of somebody who has not shown the first: no.
    let mut stranger = Browser::new(&server);
    stranger.jar = one.jar.clone();
    stranger.keeps_forms_only();
    let response = stranger.press(&page, "totp", &[("code", &totp(1))]);
    let response = stranger.settle(response);
    assert!(response.status >= 400 || response.page().offers("password"));
}

#[test]
fn by_certificate() {
    let app = App::tls("web");
    let server = World::peopled([&app]).start();
    let coras = wanted("cora").by(&pki().ca);
    let doras = wanted("dora")
        .san(rcgen::SanType::Rfc822Name(
            "dora@example.com".try_into().expect("ASCII"),
        ))
        .by(&pki().ca);
    for (certificate, name) in [(&coras, "cora"), (&doras, "dora"), (erics(), "eric")] {
        let mut browser = Browser::new(&server).presenting(certificate);
        let response = app.asks().open(&mut browser);
        let said = id_claims(&app, &server, &response);
        assert_eq!(said["sub"], json!(name));
        assert_eq!((&said["acr"], &said["amr"]), (&json!("2"), &json!(["swk"])));
    }
    // What a thumbprint does not say, a name says of verified certificates only.
    let forged = wanted("cora").self_signed();
    let others = wanted("cora").by(&pki().other_ca);
    let expired = wanted("cora").years(2020, 2021).by(&pki().ca);
    let wrong_case = wanted("Corah").by(&pki().ca);
    for certificate in [&forged, &others, &expired, &wrong_case, &pki().bob] {
        let mut browser = Browser::new(&server).presenting(certificate);
        let page = app.asks().open(&mut browser).succeeds().page();
        assert!(
            page.offers("password") && !page.offers("certificate"),
            "{}",
            page.body
        );
        let silent = app.asks().set("prompt", "none").open(&mut browser);
        silent.back().refuses("login_required");
    }
    // From nobody who is trusted it is refused before it is read.
    let server = World::bare()
        .with_users(&crate::people::users())
        .client(app.registration())
        .over_tcp()
        .start();
    let mut browser = Browser::new(&server).presenting(&coras);
    let response = app.asks().open(&mut browser);
    assert_eq!(response.status, 400, "{}", response.body);
    assert!(response.header("location").is_none());
}

#[test]
fn by_the_web_servers_word() {
    let app = App::tls("web");
    let server = World::peopled([&app])
        .flag("--user-header", "X-Remote-User")
        .start();
    let named = |name: &str| Browser::new(&server).adding("X-Remote-User", name);
    let said = |browser: &mut Browser<'_>| {
        let response = app.asks().open(browser);
        id_claims(&app, &server, &response)
    };
    let anna = said(&mut named("anna"));
    assert_eq!(
        (&anna["sub"], &anna["acr"]),
        (&json!("sub-of-anna"), &json!("1"))
    );
    assert_eq!(
        said(&mut named("somebody@else"))["sub"],
        json!("somebody@else")
    );
    for nobody in ["", "(null)"] {
        let page = app.asks().open(&mut named(nobody)).succeeds().page();
        assert!(page.offers("password"), "{nobody:?}");
    }
    // The sub of somebody else is nobody's name.
    let response = app.asks().open(&mut named("sub-of-anna"));
    assert!(
        response.header("location").is_none(),
        "{:?}",
        response.headers
    );
    // Two lines, or a spelling that another server takes for the same (rule 2).
    for second in ["X-Remote-User", "X_Remote_User", "x-remote-user"] {
        let mut browser = named("anna").adding(second, "ben");
        let response = app.asks().open(&mut browser);
        assert_eq!(response.status, 400, "{second}: {}", response.body);
        assert!(response.header("location").is_none());
    }
    // Somebody who is not trusted says it.
    let server = World::bare()
        .flag("--user-header", "X-Remote-User")
        .client(app.registration())
        .over_tcp()
        .start();
    for header in ["X-Remote-User", "x_remote_user"] {
        let mut browser = Browser::new(&server).adding(header, "anna");
        let response = app.asks().open(&mut browser);
        assert_eq!(response.status, 400, "{}", response.body);
    }
    // Nobody asked for the header: it says nothing.
    let server = World::peopled([&app]).start();
    let mut browser = Browser::new(&server).adding("X-Remote-User", "anna");
    assert!(
        app.asks()
            .open(&mut browser)
            .succeeds()
            .page()
            .offers("password")
    );
}

#[test]
fn oc_03_prompt_none_shows_nothing() {
    let app = App::tls("web");
    let consenting = App::tls("asking").with("consent", json!(true));
    let server = World::peopled([&app, &consenting]).start();
    let browser = &mut Browser::new(&server);
    let silent = |app: &App| app.asks().set("prompt", "none");
    silent(&app)
        .answered(browser, "anna")
        .refuses("login_required");
    app.asks().answered(browser, "anna").code();
    let response = silent(&app).open(browser);
    response.back().code();
    let response = silent(&consenting).open(browser);
    response.back().refuses("consent_required");
    // OC-04
    for prompt in [
        "none login",
        "none consent",
        "login none",
        "none select_account",
    ] {
        let back = app.asks().set("prompt", prompt).answered(browser, "anna");
        back.refuses("invalid_request");
    }
}

#[test]
fn oc_05_prompt_login_signs_in_again() {
    let app = App::tls("web");
    let server = World::peopled([&app]).start();
    let browser = &mut Browser::new(&server);
    let first = id_claims(&app, &server, &app.asks().finished(browser, "anna"));
    std::thread::sleep(Duration::from_millis(1_100));
    let ask = app.asks().set("prompt", "login");
    let page = ask.open(browser).succeeds().page();
    assert!(page.offers("password"), "a stale session does not do");
    assert!(!page.offers("session"), "a stale session does not do");
    // Nor does the page's own request, opened without signing in.
    let sealed = page.interaction();
    let again = browser.get(&format!("/authorize?interaction={sealed}"));
    assert!(
        again.header("location").is_none(),
        "OC-05: {:?}",
        again.headers
    );
    for step in ["session", "header", "certificate", "allow", "totp"] {
        let request = server
            .post("authorize")
            .form("interaction", &sealed)
            .form("step", step);
        let response = browser.send(request);
        let response = browser.settle(response);
        assert!(
            response.header("location").is_none(),
            "OC-05 {step}: {:?}",
            response.headers
        );
    }
    let response = browser.password(&page, "anna", PASSWORD);
    let second = id_claims(&app, &server, &response);
    assert!(
        second["auth_time"].as_u64() > first["auth_time"].as_u64(),
        "auth_time moves"
    );
    // The next request asks again.
    assert!(ask.open(browser).succeeds().page().offers("password"));
}

#[test]
fn oc_06_max_age() {
    let app = App::tls("web");
    let young = App::tls("young").with("default_max_age", json!(1));
    let server = World::peopled([&app, &young]).start();
    let browser = &mut Browser::new(&server);
    let first = id_claims(&app, &server, &app.asks().finished(browser, "anna"));
    assert!(first["auth_time"].is_u64());
    let asks = |ask: &Ask, browser: &mut Browser<'_>| {
        let response = ask.open(browser);
        response.header("location").is_none()
    };
    assert!(
        asks(&app.asks().set("max_age", "0"), browser),
        "0 is prompt=login"
    );
    assert!(!asks(&app.asks().set("max_age", "10000"), browser));
    std::thread::sleep(Duration::from_millis(2_200));
    assert!(asks(&app.asks().set("max_age", "1"), browser));
    assert!(asks(&young.asks(), browser), "default_max_age");
    assert!(
        !asks(&young.asks().set("max_age", "10000"), browser),
        "the request decides"
    );
    let silent = app
        .asks()
        .set("max_age", "1")
        .set("prompt", "none")
        .open(browser);
    silent.back().refuses("login_required");
    let response = app.asks().set("max_age", "1").finished(browser, "anna");
    let second = id_claims(&app, &server, &response);
    assert!(second["auth_time"].as_u64() > first["auth_time"].as_u64());
}

#[test]
fn prompt_select_account() {
    let app = App::tls("web");
    let server = World::peopled([&app]).start();
    let browser = &mut Browser::new(&server);
    app.asks().answered(browser, "anna").code();
    let ask = app.asks().set("prompt", "select_account");
    let page = ask.open(browser).succeeds().page();
    assert!(
        page.offers("session") && page.offers("password"),
        "{}",
        page.body
    );
    let kept = browser.choose(&page, "session");
    assert_eq!(id_claims(&app, &server, &kept)["sub"], json!("sub-of-anna"));
    let page = ask.open(browser).page();
    let other = browser.password(&page, "ben", PASSWORD);
    assert_eq!(id_claims(&app, &server, &other)["sub"], json!("ben"));
    // From then on it is Ben's browser.
    let next = app.asks().open(browser);
    assert_eq!(id_claims(&app, &server, &next)["sub"], json!("ben"));
}

#[test]
fn oc_18_id_token_hints() {
    let (app, other) = (App::tls("web"), App::tls("other"));
    let server = World::peopled([&app, &other])
        .flag("--access-token-ttl", "1s")
        .start();
    let browser = &mut Browser::new(&server);
    let back = app.asks().answered(browser, "anna");
    let annas = Tokens::of(&app.redeems(&server, &back.code()).send())
        .id()
        .to_owned();
    let bens = app.tokens(&server, "ben").id().to_owned();
    let others = other.tokens(&server, "anna").id().to_owned();
    // Expired is fine.
    std::thread::sleep(Duration::from_millis(2_100));
    let hint = |text: &str| app.asks().set("id_token_hint", text);
    hint(&annas).open(browser).back().code();
    hint(&annas)
        .set("prompt", "none")
        .open(browser)
        .back()
        .code();
    let silent = hint(&bens).set("prompt", "none").open(browser);
    silent.back().refuses("login_required");
    // With a page, whoever is expected may sign in, and nobody else is passed off.
    let page = hint(&bens).open(browser).succeeds().page();
    let wrong = browser.clone().password(&page, "anna", PASSWORD);
    assert!(
        wrong.header("location").is_none() || wrong.back().get("error").is_some(),
        "{:?}",
        wrong.headers
    );
    let right = browser.password(&page, "ben", PASSWORD);
    assert_eq!(id_claims(&app, &server, &right)["sub"], json!("ben"));
    let (input, signature) = annas.rsplit_once('.').expect("a JWS");
    let mut tampered = claims(&annas);
    tampered["sub"] = json!("ben");
    let head = annas.split('.').next().expect("a header");
    for forged in [
        format!("{input}."),
        format!(
            "{head}.{}.{signature}",
            crate::jose::encode(tampered.to_string())
        ),
        format!(
            "{}.{}.",
            crate::jose::encode(r#"{"alg":"none"}"#),
            crate::jose::encode(tampered.to_string())
        ),
        crate::jose::EcKey::new().sign(&json!({ "alg": "ES256" }), &claims(&annas)),
        others,
        "x".to_owned(),
        "..".to_owned(),
    ] {
        let back = hint(&forged).set("prompt", "none").open(browser).back();
        back.refuses("invalid_request");
    }
}

#[test]
fn hints_and_languages() {
    let app = App::tls("web");
    let server = World::peopled([&app]).start();
    let browser = &mut Browser::new(&server);
    let shown = "anna\"><script>alert(1)</script>";
    let page = app.asks().set("login_hint", shown).open(browser).page();
    let username = page
        .form("password")
        .fields
        .iter()
        .find(|(name, _)| name == "username");
    assert_eq!(username.map(|(_, value)| value.as_str()), Some(shown));
    assert!(!page.body.contains("<script>"));
    for (locales, language) in [
        ("de", "de"),
        ("fr de-CH en", "de"),
        ("en", "en"),
        ("tlh", "en"),
    ] {
        let page = app.asks().set("ui_locales", locales).open(browser).page();
        assert!(
            page.body.contains(&format!("<html lang=\"{language}\"")),
            "{locales}"
        );
    }
}

/// Kept apart: what a certificate alone shows of whoever is behind it.
#[test]
fn a_certificate_offered_beside_a_session() {
    let app = App::tls("web");
    let server = World::peopled([&app]).start();
    let coras: Cert = wanted("cora").by(&pki().ca);
    let mut browser = Browser::new(&server).presenting(&coras);
    let page = app
        .asks()
        .set("prompt", "login")
        .open(&mut browser)
        .succeeds()
        .page();
    let response = browser.choose(&page, "certificate");
    assert_eq!(id_claims(&app, &server, &response)["sub"], json!("cora"));
    // Without it, the form for it does nothing.
    let page = app.asks().set("prompt", "login").open(&mut browser).page();
    let mut bare = browser.clone().alone();
    let response = bare.press(&page, "certificate", &[]);
    let response = bare.settle(response);
    assert!(
        response.header("location").is_none(),
        "{:?}",
        response.headers
    );
}

#[test]
fn one_code_at_two_browsers_at_once() {
    let app = App::tls("web").with("default_acr_values", json!(["2"]));
    let server = World::peopled([&app]).start().uncounted();
    let ready: Vec<(Browser<'_>, Page)> = (0..2)
        .map(|_| {
            let mut browser = Browser::new(&server);
            let page = app.asks().open(&mut browser).page();
            let page = browser.password(&page, "anna", PASSWORD).page();
            assert!(page.offers("totp"));
            (browser, page)
        })
        .collect();
    let code = totp(0);
    let answered: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = ready
            .into_iter()
            .map(|(mut browser, page)| {
                let code = &code;
                scope.spawn(move || {
                    let response = browser.press(&page, "totp", &[("code", code)]);
                    let response = browser.settle(response);
                    usize::from(response.header("location").is_some())
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|one| one.join().expect("no panic"))
            .sum()
    });
    assert!(answered <= 1, "RFC 6238 section 5.2: {answered} took it");
}

#[test]
fn nobody_signs_in_by_get() {
    let app = App::tls("web");
    let server = World::peopled([&app]).start();
    let mut browser = Browser::new(&server);
    let page = app.asks().open(&mut browser).page();
    let parameters = [
        ("interaction", page.interaction()),
        ("step", "password".to_owned()),
        ("username", "anna".to_owned()),
        ("password", PASSWORD.to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    let response = browser.open("authorize", &parameters);
    assert!(
        response.header("location").is_none(),
        "{:?}",
        response.headers
    );
    assert!(browser.session().is_none());
}
