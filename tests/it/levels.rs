//! Levels of authentication: what is asked, what is reached, and the way up (OpenID Connect Core sections
//! 3.1.2.1 and 5.5.1.1, RFC 9470).

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::jose::claims;
use crate::people::{App, Ask, PASSWORD, Tokens, totp};
use crate::pki::{pki, wanted};
use crate::wire::Response;
use crate::world::{Server, World};

const NAMES: &str = "[acr_loa_map]\nbronze = 1\nsilver = 2\ngold = 3\n";

fn reached(app: &App, server: &Server, response: &Response) -> Value {
    let code = response.back().code();
    let tokens = Tokens::of(&app.redeems(server, &code).send());
    let id = claims(tokens.id());
    // SU-04: the access token says the same.
    assert_eq!(claims(&tokens.access)["acr"], id["acr"]);
    id["acr"].clone()
}

fn essential(app: &App, values: &[&str]) -> Ask {
    let asked = json!({ "id_token": { "acr": { "essential": true, "values": values } } });
    app.asks().set("claims", &asked.to_string())
}

#[test]
fn oc_07_su_03_too_low_a_level_means_step_up() {
    let app = App::tls("web");
    let server = World::peopled([&app]).gates(NAMES).start();
    let browser = &mut Browser::new(&server);
    let first = app.asks().finished(browser, "anna");
    assert_eq!(reached(&app, &server, &first), json!("bronze"));
    // Without a page it cannot be: an error, and no code.
    let silent = app.asks().set("acr_values", "silver").set("prompt", "none");
    let back = silent.open(browser).back();
    let error = back.get("error").unwrap_or_default();
    let known = [
        "login_required",
        "interaction_required",
        "unmet_authentication_requirements",
    ];
    assert!(known.contains(&error.as_str()), "{back:?}");
    // With one, the second factor is all that is missing.
    let before = browser.session().expect("a session").to_owned();
    let page = app
        .asks()
        .set("acr_values", "silver")
        .open(browser)
        .succeeds()
        .page();
    assert!(
        page.offers("totp") && !page.offers("password"),
        "{}",
        page.body
    );
    let response = browser.press(&page, "totp", &[("code", &totp(0))]);
    let response = browser.settle(response);
    assert_eq!(reached(&app, &server, &response), json!("silver"));
    assert_ne!(
        browser.session(),
        Some(before.as_str()),
        "a new cookie for more rights"
    );
    // From then on nobody is asked.
    let again = app.asks().set("acr_values", "silver").open(browser);
    assert_eq!(reached(&app, &server, &again), json!("silver"));
    let less = app.asks().set("acr_values", "bronze").open(browser);
    assert_eq!(less.status, 303);
}

#[test]
fn oc_08_su_03_what_cannot_be_reached() {
    let app = App::tls("web");
    let server = World::peopled([&app]).gates(NAMES).start();
    // Ben has nothing but his password.
    for ask in [
        essential(&app, &["gold"]),
        essential(&app, &["silver", "gold"]),
    ] {
        let browser = &mut Browser::new(&server);
        let back = ask.answered(browser, "ben");
        back.refuses("unmet_authentication_requirements");
        // Signed in already, he is told at once or asked for what would do; there is never a code.
        let again = ask.open(browser);
        if again.status == 303 {
            again.back().refuses("unmet_authentication_requirements");
        }
    }
    // Wished for and not essential: the one that was reached is told, or it fails; a token that says
    // less without saying so would go round in circles.
    let browser = &mut Browser::new(&server);
    let response = app
        .asks()
        .set("acr_values", "gold")
        .finished(browser, "ben");
    if response.back().get("error").is_none() {
        assert_eq!(reached(&app, &server, &response), json!("bronze"), "OC-07");
    } else {
        response.back().refuses("unmet_authentication_requirements");
    }
    // A name that nobody knows.
    let back = essential(&app, &["platinum"]).answered(browser, "ben");
    back.refuses("unmet_authentication_requirements");
    let response = app
        .asks()
        .set("acr_values", "platinum")
        .finished(browser, "ben");
    assert_eq!(response.status, 303, "an unknown wish is no obstacle");
    // One of several will do.
    let response = essential(&app, &["platinum", "bronze"]).finished(browser, "ben");
    assert_eq!(reached(&app, &server, &response), json!("bronze"));
    let one = json!({ "id_token": { "acr": { "essential": true, "value": "bronze" } } });
    let response = app
        .asks()
        .set("claims", &one.to_string())
        .finished(browser, "ben");
    assert_eq!(reached(&app, &server, &response), json!("bronze"));
}

#[test]
fn default_acr_values_and_a_registrations_own_names() {
    let app = App::tls("web").with("default_acr_values", json!(["silver"]));
    let own = App::tls("own").with("acr_loa_map", json!({ "substantial": 2, "high": 3 }));
    let server = World::peopled([&app, &own]).gates(NAMES).start();
    let browser = &mut Browser::new(&server);
    let page = app.asks().open(browser).page();
    let page = browser.password(&page, "anna", PASSWORD).succeeds().page();
    assert!(page.offers("totp"), "default_acr_values");
    let response = browser.press(&page, "totp", &[("code", &totp(0))]);
    let response = browser.settle(response);
    assert_eq!(reached(&app, &server, &response), json!("silver"));
    // The request decides over the default.
    let less = app
        .asks()
        .set("acr_values", "bronze")
        .finished(&mut Browser::new(&server), "ben");
    assert_eq!(reached(&app, &server, &less), json!("bronze"));
    // The registration's own names go before the issuer's.
    let response = own.asks().set("acr_values", "substantial").open(browser);
    assert_eq!(reached(&own, &server, &response), json!("substantial"));
    let back = essential(&own, &["high"]).answered(&mut Browser::new(&server), "ben");
    back.refuses("unmet_authentication_requirements");
}

#[test]
fn levels_as_configured() {
    let app = App::tls("web");
    let coras = wanted("cora").by(&pki().ca);
    // Without names a level is its number.
    let server = World::peopled([&app]).start();
    let mut browser = Browser::new(&server).presenting(&coras);
    let page = essential(&app, &["3"]).open(&mut browser).succeeds().page();
    assert!(page.offers("totp"), "{}", page.body);
    let response = browser.press(&page, "totp", &[("code", &totp(0))]);
    let response = browser.settle(response);
    assert_eq!(
        reached(&app, &server, &response),
        json!("3"),
        "certificate_totp"
    );
    // A gate of this issuer counts so as well: more than was asked is enough.
    let server = World::peopled([&app])
        .gates("[gate.two]\nacr = \"2\"\n")
        .start();
    let certificate = app.certificate.as_ref().expect("one");
    let mut browser = Browser::new(&server).presenting(&coras);
    for (ask, status) in [(app.asks(), 200), (app.asks().set("prompt", "login"), 401)] {
        let response = if status == 200 {
            let page = essential(&app, &["3"]).open(&mut browser).page();
            let response = browser.press(&page, "totp", &[("code", &totp(1))]);
            browser.settle(response)
        } else {
            ask.finished(&mut Browser::new(&server), "ben")
        };
        let tokens = Tokens::of(&app.redeems(&server, &response.back().code()).send());
        let verified = server.verify("two", &tokens.access).unjudged(certificate);
        assert_eq!(verified.send().status, status);
    }
    // [levels] makes a password enough.
    let server = World::peopled([&app])
        .gates(&format!("{NAMES}[levels]\npassword = 3\n"))
        .start();
    let response = essential(&app, &["gold"]).finished(&mut Browser::new(&server), "ben");
    assert_eq!(reached(&app, &server, &response), json!("gold"));
    for wrong in [
        "[levels]\npasword = 1\n",
        "[levels]\npassword = -1\n",
        "[acr_loa_map]\ngold = \"x\"\n",
    ] {
        let at = if wrong.contains("gold") {
            "acr_loa_map.gold"
        } else {
            "levels.pas"
        };
        World::peopled([&app]).gates(wrong).is_refused_for(at);
    }
}

#[test]
fn a_certificate_is_a_way_up() {
    let app = App::tls("web");
    let users = json!([{
        "username": "anna",
        "password_hash": crate::people::users()[0]["password_hash"],
        "certificates": [{ "subject_dn": crate::pki::dn("anna") }],
    }]);
    let users = users.as_array().expect("a list").clone();
    let server = World::usual()
        .with_users(&users)
        .client(app.registration())
        .gates(NAMES)
        .start();
    let annas = wanted("anna").by(&pki().ca);
    let mut browser = Browser::new(&server);
    app.asks().answered(&mut browser, "anna").code();
    let mut browser = browser.presenting(&annas);
    let response = essential(&app, &["silver"]).open(&mut browser);
    let response = if response.status == 200 {
        let page = response.page();
        browser.choose(&page, "certificate")
    } else {
        response
    };
    assert_eq!(reached(&app, &server, &response), json!("silver"));
    // Somebody else's certificate is no way up for her.
    let mut browser = Browser::new(&server);
    app.asks().answered(&mut browser, "anna").code();
    let mut browser = browser.presenting(&wanted("mallory").by(&pki().ca));
    let response = essential(&app, &["silver"]).open(&mut browser);
    assert!(
        response.status == 200 || response.back().get("code").is_none(),
        "{:?}",
        response.headers
    );
}

#[test]
fn su_01_su_06_a_gate_asks_for_more_and_refresh_does_not_help() {
    let app = App::tls("web");
    let server = World::peopled([&app])
        .gates(&format!(
            "{NAMES}[gate.silver]\nacr = \"silver\"\n[gate.bronze]\nacr = \"bronze\"\n[gate.young]\nmax_age = \"1s\"\n"
        ))
        .start();
    let certificate = app.certificate.clone().expect("one");
    let ask = |gate: &str, token: &str| server.verify(gate, token).unjudged(&certificate).send();
    let browser = &mut Browser::new(&server);
    let back = app.asks().answered(browser, "anna");
    let low = Tokens::of(&app.redeems(&server, &back.code()).send());
    assert_eq!(ask("bronze", &low.access).status, 200);
    let refused = ask("silver", &low.access);
    assert_eq!(refused.status, 401, "SU-01");
    let challenge = refused.header("www-authenticate").expect("a challenge");
    assert!(
        challenge.contains("error=\"insufficient_user_authentication\""),
        "{challenge}"
    );
    assert!(challenge.contains("acr_values=\"silver\""), "{challenge}");
    // SU-06
    let refreshed = Tokens::of(&app.refreshes(&server, low.refresh()).send());
    assert_eq!(ask("silver", &refreshed.access).status, 401, "SU-06");
    // The client sends its user to authorize with what the challenge says, and that helps.
    let page = app.asks().set("acr_values", "silver").open(browser).page();
    let response = browser.press(&page, "totp", &[("code", &totp(0))]);
    let code = browser.settle(response).back().code();
    let high = Tokens::of(&app.redeems(&server, &code).send());
    assert_eq!(ask("silver", &high.access).status, 200);
    assert_eq!(ask("bronze", &high.access).status, 200, "more is enough");
    // The old one is what it was.
    assert_eq!(ask("silver", &low.access).status, 401);
    std::thread::sleep(std::time::Duration::from_millis(2_200));
    let refreshed = Tokens::of(&app.refreshes(&server, low.refresh()).send());
    let old = ask("young", &refreshed.access);
    assert_eq!(old.status, 401, "SU-06: refresh does not renew auth_time");
    let challenge = old.header("www-authenticate").expect("a challenge");
    assert!(
        challenge.contains("insufficient_user_authentication"),
        "{challenge}"
    );
    assert!(challenge.contains("max_age"), "{challenge}");
}
