//! Where answers go and where they never go (RFC 6749 section 3.1.2, RFC 8252 section 7, RFC 9700 section 4.1).

use serde_json::json;

use crate::browser::Browser;
use crate::people::{App, REDIRECT, VERIFIER};
use crate::world::World;

/// An application on its user's machine.
fn native() -> App {
    App::public("native")
        .with("application_type", json!("native"))
        .with(
            "redirect_uris",
            json!([
                "http://127.0.0.1/cb",
                "http://[::1]/cb",
                "com.example.app:/cb"
            ]),
        )
}

#[test]
fn oa_10_oa_11_bcp_02_no_redirection_but_to_what_is_registered_to_the_letter() {
    let app = App::tls("web");
    let native = native();
    let server = World::peopled([&app, &native]).start();
    for uri in [
        "",
        "https://app.example/cb/",
        "https://app.example/CB",
        "https://APP.example/cb",
        "HTTPS://app.example/cb",
        "https://app.example:443/cb",
        "https://app.example:8443/cb",
        "https://app.example/cb?x=1",
        "https://app.example/cb?",
        "https://app.example/cb#",
        "https://app.example/cb#x",
        "https://app.example/%63b",
        "https://app.example/%2e/cb",
        "https://app.example/./cb",
        "https://app.example/x/../cb",
        "https://app.example/cb/..;/evil",
        "https://app.example/..;/cb",
        "https://app.example//cb",
        "https://app.example\\cb",
        "https://app.example/cb\\",
        "https://app.example/cb%00",
        "https://app.example/cb\u{0}",
        "https://app.example/cb ",
        " https://app.example/cb",
        "https://app.example/cb\t",
        "https://app.exam\tple/cb",
        "https://app.example/cb\r\nSet-Cookie: x=y",
        "https://user@app.example/cb",
        "https://app.example@evil.example/cb",
        "https://app.example:x@evil.example/cb",
        "https://evil.example/cb",
        "https://app.example.evil.example/cb",
        "https://xn--pp-yia.example/cb",
        "https://\u{e4}pp.example/cb",
        "https://app\u{3002}example/cb",
        "https://app.example\u{ff0f}cb",
        "//app.example/cb",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/cb",
        "cb",
        "http://app.example/cb",
        "javascript:alert(1)//https://app.example/cb",
        "data:text/html,x",
        "https:app.example/cb",
        "https:/app.example/cb",
        "https:///app.example/cb",
        "*",
    ] {
        let browser = &mut Browser::new(&server);
        let response = app.asks().set("redirect_uri", uri).open(browser);
        let page = response.is_an_error_page(400);
        // An href or a refresh would lead there as well.
        assert!(
            !page.body.contains("evil.example\""),
            "{uri}: {}",
            page.body
        );
        // The same for a client that is allowed much, and by PAR (PAR-03).
        let response = native.asks().set("redirect_uri", uri).open(browser);
        response.is_an_error_page(400);
        let pushed = app.asks().set("redirect_uri", uri).push(&server, &app);
        pushed.send().refuses(400, "invalid_request");
    }
}

#[test]
fn bcp_01_the_port_of_a_loopback_address_is_free_and_nothing_else() {
    let native = native();
    let server = World::peopled([&native]).start();
    // RFC 8252 section 7.3.
    for (uri, good) in [
        ("http://127.0.0.1/cb", true),
        ("http://127.0.0.1:49152/cb", true),
        ("http://[::1]:49152/cb", true),
        ("com.example.app:/cb", true),
        ("http://127.0.0.1:49152/cb/", false),
        ("http://127.0.0.1:49152/cb?x", false),
        ("http://127.0.0.1:49152@evil.example/cb", false),
        ("http://127.0.0.1:/cb", false),
        ("http://127.0.0.1:99999/cb", false),
        ("http://127.0.0.1:0x50/cb", false),
        ("http://127.0.0.1.evil.example/cb", false),
        ("http://127.0.0.2:49152/cb", false),
        ("http://localhost:49152/cb", false),
        ("http://127.1/cb", false),
        ("http://2130706433/cb", false),
        ("https://127.0.0.1:49152/cb", false),
        ("com.example.app:/cb/", false),
        ("com.example.app://cb", false),
    ] {
        let browser = &mut Browser::new(&server);
        let response = native.asks().set("redirect_uri", uri).open(browser);
        if good {
            assert!(response.succeeds().page().offers("password"), "{uri}");
        } else {
            response.is_an_error_page(400);
        }
    }
}

#[test]
fn oa_11_no_redirection_for_an_unknown_client_or_without_a_redirect_uri() {
    let app = App::tls("web");
    let single = App::tls("single").with("redirect_uris", json!([REDIRECT]));
    let daemon = crate::world::tls_client("daemon");
    let server = World::peopled([&app, &single]).client(daemon).start();
    let browser = &mut Browser::new(&server);
    for ask in [
        app.asks().without("client_id"),
        app.asks().set("client_id", ""),
        app.asks().set("client_id", "nobody"),
        app.asks().set("client_id", "WEB"),
        app.asks().set("client_id", "web "),
        app.asks().set("client_id", "daemon"),
        app.asks().set("client_id", "<script>alert(1)</script>"),
        // Two are registered: which one?
        app.asks().without("redirect_uri"),
    ] {
        ask.open(browser).is_an_error_page(400);
    }
    // OpenID Connect demands it always; OAuth where there is more than one.
    let response = single
        .asks()
        .without("redirect_uri")
        .set("scope", "orders.read")
        .open(browser);
    assert_eq!(response.status, 200, "{}", response.body);
    assert!(response.page().offers("password"));
}

#[test]
fn bcp_01_oa_09_what_cannot_be_registered_as_a_redirect_uri() {
    for (uri, good) in [
        ("https://app.example/cb", true),
        ("https://app.example/cb?tenant=1", true),
        ("http://127.0.0.1/cb", true),
        ("http://[::1]:8080/cb", true),
        ("http://app.example/cb", false),
        ("https://app.example/cb#here", false),
        ("https://app.example/cb#", false),
        ("/cb", false),
        ("//app.example/cb", false),
        ("https://*.app.example/cb", false),
        ("https://user:secret@app.example/cb", false),
        ("javascript:alert(1)", false),
        ("data:text/html,x", false),
        ("https://app.example/\\evil", false),
        ("https://app.example/a b", false),
        ("", false),
    ] {
        for member in ["redirect_uris", "post_logout_redirect_uris"] {
            let app = App::tls("web").with(member, json!([uri]));
            let app = if good && uri.starts_with("http:") {
                app.with("application_type", json!("native"))
            } else {
                app
            };
            let (_, said) = World::peopled([&app]).check();
            let names = said.contains(member);
            assert_eq!(names, !good, "{member} {uri:?}: {said}");
        }
    }
}

#[test]
fn oa_10_the_query_of_a_redirect_uri_is_kept() {
    let app = App::tls("web");
    let server = World::peopled([&app]).start();
    let browser = &mut Browser::new(&server);
    let ask = app
        .asks()
        .set("redirect_uri", "https://app.example/cb?tenant=1");
    let response = ask.finished(browser, "anna");
    let back = response.back();
    assert_eq!(back.get("tenant").as_deref(), Some("1"));
    let redeemed = app
        .post(&server, "token")
        .form("grant_type", "authorization_code")
        .form("code", &back.code())
        .form("redirect_uri", "https://app.example/cb?tenant=1")
        .form("code_verifier", VERIFIER)
        .send();
    redeemed.succeeds();
    // In a fragment it stays before it.
    let response = ask.set("response_mode", "fragment").open(browser);
    let location = response.header("location").expect("an answer");
    assert!(
        location.starts_with("https://app.example/cb?tenant=1#"),
        "{location}"
    );
}
