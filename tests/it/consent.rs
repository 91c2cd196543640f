//! Whether the user agrees, and whether it is the user who says so (RFC 6749 sections 4.1.2.1, 10.12, 10.13).

use serde_json::json;

use crate::browser::{Browser, Page};
use crate::people::{App, PASSWORD, STATE};
use crate::request::Request;
use crate::wire::Response;
use crate::world::World;

fn app(id: &str) -> App {
    App::tls(id).with("consent", json!(true))
}

#[test]
fn asked_once_a_session_for_what_is_asked() {
    let (web, other) = (app("web"), app("other"));
    let server = World::peopled([&web, &other]).start();
    let browser = &mut Browser::new(&server);
    let page = web.asks().open(browser).page();
    let page = browser.password(&page, "anna", PASSWORD).succeeds().page();
    assert!(page.offers("allow") && page.offers("deny"), "{}", page.body);
    for shown in ["The application web", "orders.read", "anna"] {
        assert!(page.body.contains(shown), "{shown} is not on {}", page.body);
    }
    browser.choose(&page, "allow").back().code();
    let asks = |response: &Response| response.status == 200 && response.page().offers("allow");
    // Remembered for this session, this client and no more than this.
    assert!(!asks(&web.asks().open(browser)));
    assert!(
        !asks(&web.asks().set("scope", "openid").open(browser)),
        "less"
    );
    assert!(
        asks(
            &web.asks()
                .set("scope", "openid orders.read email")
                .open(browser)
        ),
        "more"
    );
    assert!(
        asks(&web.asks().set("prompt", "consent").open(browser)),
        "prompt=consent"
    );
    assert!(asks(&other.asks().open(browser)), "another client");
    let mut elsewhere = Browser::new(&server);
    assert!(asks(&{
        let page = web.asks().open(&mut elsewhere).page();
        elsewhere.password(&page, "anna", PASSWORD)
    }));
    // Somebody else in the same browser has not agreed.
    let page = web.asks().set("prompt", "login").open(browser).page();
    assert!(
        asks(&browser.password(&page, "ben", PASSWORD)),
        "another user"
    );
}

#[test]
fn oc_19_whoever_does_not_agree_is_believed() {
    let web = app("web");
    let server = World::peopled([&web]).start();
    for mode in ["query", "fragment", "form_post"] {
        let browser = &mut Browser::new(&server);
        let ask = web.asks().set("response_mode", mode);
        // Before signing in.
        let page = ask.open(browser).page();
        let back = browser.choose(&page, "cancel").back();
        assert_eq!(
            back.refuses("access_denied").get("state").as_deref(),
            Some(STATE)
        );
        assert_eq!(back.mode, mode);
        // And after it.
        let page = ask.open(browser).page();
        let page = browser.password(&page, "anna", PASSWORD).page();
        let back = browser.choose(&page, "deny").back();
        assert_eq!(
            back.refuses("access_denied").get("state").as_deref(),
            Some(STATE)
        );
        // It was no agreement: the next request asks again.
        assert!(ask.open(browser).succeeds().page().offers("allow"));
    }
}

/// A page refuses, and gives nothing.
#[track_caller]
fn is_forbidden(response: &Response, what: &str) {
    assert_eq!(
        response.status, 403,
        "OA-30 {what}: {:?} {}",
        response.headers, response.body
    );
    response.is_an_error_page(403);
}

/// A page, the step on it and what is filled in.
type Sent<'a> = (&'a Page, &'a str, &'a [(&'a str, &'a str)]);

#[test]
fn oa_30_forms_of_nobody_of_others_and_changed_ones() {
    let web = app("web");
    let server = World::peopled([&web]).start();
    let mut browser = Browser::new(&server);
    let login = web.asks().open(&mut browser).page();
    let page = browser.password(&login, "anna", PASSWORD).page();
    let forms: [Sent<'_>; 3] = [
        (&page, "allow", &[]),
        (&page, "deny", &[]),
        (
            &login,
            "password",
            &[("username", "anna"), ("password", PASSWORD)],
        ),
    ];
    for (page, step, fields) in forms {
        // From another browser, signed in or not.
        let mut other = Browser::new(&server);
        is_forbidden(&other.press(page, step, fields), step);
        let theirs = web.asks().open(&mut other).page();
        other.password(&theirs, "ben", PASSWORD);
        is_forbidden(&other.press(page, step, fields), step);
        // As another site would post it: without cookies.
        let mut without = browser.clone();
        without.jar.clear();
        is_forbidden(&without.press(page, step, fields), step);
        // With the session, but not what forms are bound to.
        let mut half = browser.clone();
        half.forgets_forms();
        is_forbidden(&half.press(page, step, fields), step);
        // Changed, cut, empty.
        let sealed = page.interaction();
        let mut changed = sealed.clone().into_bytes();
        let at = changed.len() / 2;
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).expect("ASCII");
        for forged in [changed.as_str(), &sealed[..sealed.len() - 4], "x", "AAAA"] {
            let mut request: Request<'_> = server.post("authorize").form("interaction", forged);
            for (name, value) in fields {
                request = request.form(name, value);
            }
            let response = browser.clone().send(request.form("step", step));
            is_forbidden(&response, forged);
        }
        // No token at all: it is no form of ours, and certainly no agreement.
        let mut request = server.post("authorize");
        for (name, value) in fields {
            request = request.form(name, value);
        }
        let response = browser.clone().send(request.form("step", step));
        assert!(matches!(response.status, 400 | 403), "{}", response.status);
        response.is_an_error_page(response.status);
    }
    // A logout form's token is none for this page, and a page's none for logout.
    let logout = browser.open("logout", &[]).page();
    assert!(logout.offers("logout"), "{}", logout.body);
    let crossed = server
        .post("authorize")
        .form("interaction", &logout.interaction())
        .form("step", "allow");
    is_forbidden(&browser.clone().send(crossed), "crossed");
    let crossed = server
        .post("logout")
        .form("interaction", &page.interaction())
        .form("step", "logout");
    is_forbidden(&browser.clone().send(crossed), "crossed");
    // Consent is not to be had by GET.
    let path = format!("/authorize?interaction={}&step=allow", page.interaction());
    let response = browser.clone().get(&path);
    assert!(
        response.header("location").is_none(),
        "{:?}",
        response.headers
    );
    // The form is still good where it belongs.
    browser.choose(&page, "allow").back().code();
}

#[test]
fn oa_30_a_form_is_good_once() {
    let web = app("web");
    let server = World::peopled([&web]).start();
    let browser = &mut Browser::new(&server);
    let login = web.asks().open(browser).page();
    let page = browser.password(&login, "anna", PASSWORD).page();
    browser.choose(&page, "allow").back().code();
    for (page, step, fields) in [
        (&page, "allow", &[][..]),
        (
            &login,
            "password",
            &[("username", "anna"), ("password", PASSWORD)],
        ),
    ] {
        let response = browser.press(page, step, fields);
        let response = browser.settle(response);
        assert!(
            response.status >= 400,
            "{step} again: {:?}",
            response.headers
        );
        assert!(response.header("location").is_none());
    }
}

#[test]
fn oa_30_an_agreement_is_of_whoever_was_asked() {
    // The page asked Anna; meanwhile Ben has signed in with another page of the same browser.
    let web = app("web");
    let server = World::peopled([&web]).start();
    let browser = &mut Browser::new(&server);
    let login = web.asks().open(browser).page();
    let annas = browser.password(&login, "anna", PASSWORD).page();
    let login = web.asks().set("prompt", "login").open(browser).page();
    browser.password(&login, "ben", PASSWORD).page();
    let response = browser.choose(&annas, "allow");
    assert!(
        response.header("location").is_none(),
        "Ben has not agreed: {:?}",
        response.headers
    );
}

#[test]
fn hostile_names_are_text() {
    let web = app("web")
        .with("client_name", json!("<script>alert(1)</script>\"'&"))
        .with("scope", json!("openid <b>x</b>"));
    let server = World::peopled([&web]).start();
    let browser = &mut Browser::new(&server);
    let page = web
        .asks()
        .set("scope", "openid <b>x</b>")
        .open(browser)
        .page();
    assert!(!page.body.contains("<script>alert"), "{}", page.body);
    let page = browser.password(&page, "anna", PASSWORD).page();
    assert!(page.offers("allow"));
    assert!(
        !page.body.contains("<b>x") && !page.body.contains("<script>alert"),
        "{}",
        page.body
    );
}
