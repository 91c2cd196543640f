//! Signing out (OpenID Connect RP-Initiated Logout 1.0, Back-Channel Logout 1.0).

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::browser::{Browser, query};
use crate::jose::{claims, encode, header, verified};
use crate::people::{AFTER_LOGOUT, App, PASSWORD, Tokens};
use crate::wire::Response;
use crate::world::{ISSUER, Server, World};

fn pairs(parameters: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = parameters
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    owned.collect()
}

/// Signs somebody in with that browser, and gives what the client has then.
fn signed_in(app: &App, browser: &mut Browser<'_>, username: &str) -> Tokens {
    let server = browser.server;
    let back = app.asks().answered(browser, username);
    Tokens::of(&app.redeems(server, &back.code()).send())
}

fn is_signed_in(app: &App, browser: &mut Browser<'_>) -> bool {
    let back = app.asks().set("prompt", "none").open(browser).back();
    back.get("code").is_some()
}

/// The page that asks, which has done nothing yet.
#[track_caller]
fn asks(response: &Response) -> crate::browser::Page {
    assert!(
        response.header("location").is_none(),
        "LO-04: {:?}",
        response.headers
    );
    let page = response.page();
    assert!(
        page.offers("logout") && page.offers("stay"),
        "LO-04: {}",
        page.body
    );
    page
}

#[test]
fn lo_01_lo_02_lo_07_lo_08_with_a_hint_by_get_and_by_post() {
    let app = App::tls("web");
    let server = World::peopled([&app])
        .flag("--access-token-ttl", "1s")
        .start();
    for posts in [false, true] {
        let mut browser = Browser::new(&server);
        let tokens = signed_in(&app, &mut browser, "anna");
        // LO-02: that it has expired says nothing.
        std::thread::sleep(Duration::from_millis(2_100));
        let before = browser.clone();
        let state = "a b&c=d#e%\u{e4}";
        let parameters = pairs(&[
            ("id_token_hint", tokens.id()),
            ("post_logout_redirect_uri", AFTER_LOGOUT),
            ("state", state),
            ("client_id", "web"),
        ]);
        let response = if posts {
            let mut request = server.post("logout");
            for (name, value) in &parameters {
                request = request.form(name, value);
            }
            let response = browser.send(request);
            browser.settle(response)
        } else {
            browser.open("logout", &parameters)
        };
        let back = response.back();
        assert_eq!(back.to, AFTER_LOGOUT);
        assert_eq!(back.get("state").as_deref(), Some(state), "LO-07");
        assert_eq!(back.parameters.len(), 1, "{back:?}");
        // LO-08: nothing of it is left: neither here nor in a copy of the cookies, nor by the back button.
        assert!(!is_signed_in(&app, &mut browser), "LO-08");
        assert!(
            !is_signed_in(&app, &mut before.clone()),
            "LO-08: an old cookie"
        );
        let late = app.refreshes(&server, tokens.refresh()).send();
        late.refuses(400, "invalid_grant");
        assert_eq!(app.userinfo(&server, &tokens.access).status, 401);
    }
    // Without a place to go there is a page.
    let mut browser = Browser::new(&server);
    let tokens = signed_in(&app, &mut browser, "anna");
    let response = browser.open("logout", &pairs(&[("id_token_hint", tokens.id())]));
    assert!(response.succeeds().page().forms.is_empty());
    assert!(!is_signed_in(&app, &mut browser));
}

#[test]
fn lo_04_lo_06_without_a_hint_the_user_is_asked() {
    let app = App::tls("web");
    let server = World::peopled([&app]).start();
    for parameters in [
        pairs(&[]),
        pairs(&[("state", "x")]),
        pairs(&[("client_id", "web")]),
        pairs(&[
            ("client_id", "web"),
            ("post_logout_redirect_uri", AFTER_LOGOUT),
        ]),
        pairs(&[("post_logout_redirect_uri", AFTER_LOGOUT)]),
    ] {
        let mut browser = Browser::new(&server);
        let tokens = signed_in(&app, &mut browser, "anna");
        let page = asks(&browser.open("logout", &parameters));
        assert!(
            is_signed_in(&app, &mut browser),
            "LO-04: a page and no action"
        );
        // Stay.
        let response = browser.press(&page, "stay", &[]);
        assert!(response.header("location").is_none());
        assert!(is_signed_in(&app, &mut browser));
        assert!(server.is_active(&tokens.access));
        // OA-30, LO-04: nobody else presses the button.
        let mut other = Browser::new(&server);
        assert_eq!(other.press(&page, "logout", &[]).status, 403);
        let bare = server.post("logout").form("step", "logout");
        let response = browser.clone().send(bare);
        assert!(response.status != 303 || is_signed_in(&app, &mut browser));
        assert!(is_signed_in(&app, &mut browser), "LO-04");
        let response = browser.press(&page, "logout", &[]);
        assert!(!is_signed_in(&app, &mut browser));
        assert!(
            !server.is_active(&tokens.access),
            "tokens of the session end"
        );
        // LO-06
        let named = parameters.iter().any(|(name, _)| name == "client_id") && parameters.len() == 2;
        match response.header("location") {
            Some(location) => {
                assert!(named, "LO-06: {location}");
                assert_eq!(location, AFTER_LOGOUT);
            }
            None => assert!(response.page().forms.is_empty()),
        }
    }
    // Nobody is signed in, no hint: nowhere to go.
    let mut browser = Browser::new(&server);
    let response = browser.open(
        "logout",
        &pairs(&[
            ("client_id", "web"),
            ("post_logout_redirect_uri", AFTER_LOGOUT),
        ]),
    );
    assert!(response.header("location").is_none(), "LO-06");
}

#[test]
fn lo_02_lo_03_forged_and_foreign_hints() {
    let (app, other) = (App::tls("web"), App::tls("other"));
    let server = World::peopled([&app, &other]).start();
    let mut browser = Browser::new(&server);
    let tokens = signed_in(&app, &mut browser, "anna");
    let id = tokens.id();
    let (input, _) = id.rsplit_once('.').expect("a JWS");
    let payload = id.split('.').nth(1).expect("claims");
    for forged in [
        format!("{input}."),
        format!("{input}.AAAA"),
        format!("{}.{payload}.", encode(r#"{"alg":"none"}"#)),
        crate::jose::EcKey::new().sign(&header(id), &claims(id)),
        tokens.access.clone(),
        "x".to_owned(),
        "eyJhbGciOiJSU0ExXzUiLCJlbmMiOiJBMTI4R0NNIn0.AAAA.AAAA.AAAA.AAAA".to_owned(),
    ] {
        let parameters = pairs(&[
            ("id_token_hint", &forged),
            ("post_logout_redirect_uri", AFTER_LOGOUT),
        ]);
        let response = browser.open("logout", &parameters);
        assert!(
            response.header("location").is_none(),
            "LO-02: no silent logout"
        );
        assert!(is_signed_in(&app, &mut browser), "LO-02: no silent logout");
    }
    // LO-03
    let parameters = pairs(&[("id_token_hint", id), ("client_id", "other")]);
    browser.open("logout", &parameters).is_an_error_page(400);
    assert!(is_signed_in(&app, &mut browser), "LO-03");
    // LO-09: the hint of another user's session, or of another session of hers.
    for (app, username) in [(&app, "ben"), (&app, "anna"), (&other, "ben")] {
        let elsewhere = signed_in(app, &mut Browser::new(&server), username);
        let parameters = pairs(&[
            ("id_token_hint", elsewhere.id()),
            ("post_logout_redirect_uri", AFTER_LOGOUT),
        ]);
        asks(&browser.open("logout", &parameters));
        assert!(is_signed_in(app, &mut browser), "LO-09");
        assert!(
            server.is_active(&elsewhere.access),
            "LO-09: nor the other one"
        );
    }
}

#[test]
fn lo_05_no_redirection_but_to_what_is_registered_to_the_letter() {
    let app = App::tls("web");
    let server = World::peopled([&app]).start();
    let mut browser = Browser::new(&server);
    let tokens = signed_in(&app, &mut browser, "anna");
    for uri in [
        "https://app.example/bye/",
        "https://app.example/BYE",
        "https://APP.example/bye",
        "https://app.example/bye?x=1",
        "https://app.example/bye?",
        "https://app.example/bye#x",
        "https://app.example/%62ye",
        "https://app.example/x/../bye",
        "https://app.example/..;/bye",
        "https://app.example:443/bye",
        "https://user@app.example/bye",
        "https://app.example@evil.example/bye",
        "https://xn--pp-yia.example/bye",
        "https://app\u{3002}example/bye",
        "http://app.example/bye",
        "//evil.example",
        "//app.example/bye",
        "/\\evil.example",
        "\\\\evil.example",
        "/\tevil.example",
        "\t//evil.example",
        " https://app.example/bye",
        "https://app.example/bye\r\nX: y",
        "/bye",
        "javascript:alert(1)",
        "https://app.example/cb",
        "https://evil.example/",
        &"h".repeat(20_000),
    ] {
        for hint in [true, false] {
            let mut parameters = pairs(&[("client_id", "web"), ("post_logout_redirect_uri", uri)]);
            if hint {
                parameters.extend(pairs(&[("id_token_hint", tokens.id())]));
            }
            let mut browser = browser.clone();
            let response = browser.open("logout", &parameters);
            assert!(response.header("location").is_none(), "LO-05: {uri}");
            let page = response.page();
            assert!(!page.body.contains("href=\"https://evil"), "LO-05: {uri}");
            if page.offers("logout") && !hint && uri.len() < 10 {
                // Agreeing leads nowhere either.
                let response = browser.press(&page, "logout", &[]);
                assert!(response.header("location").is_none(), "LO-05: {uri}");
                signed_in(&app, &mut browser, "anna");
            }
        }
    }
    // OA-04: twice.
    for name in [
        "post_logout_redirect_uri",
        "client_id",
        "state",
        "id_token_hint",
    ] {
        let parameters = pairs(&[
            ("id_token_hint", tokens.id()),
            ("client_id", "web"),
            ("post_logout_redirect_uri", AFTER_LOGOUT),
            ("state", "s"),
        ]);
        let value = parameters.iter().find(|(known, _)| known == name);
        let value = value.expect("it is there").1.clone();
        let path = format!(
            "/logout?{}&{}",
            query(&parameters),
            query(&pairs(&[(name, &value)]))
        );
        browser.clone().get(&path).is_an_error_page(400);
    }
}

/// An endpoint of a client, which takes whatever is posted.
struct Listener {
    url: String,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl Listener {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!(
            "http://{}/logout",
            listener.local_addr().expect("its address")
        );
        let bodies: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&bodies);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut stream = stream;
                let mut read = Vec::new();
                let mut piece = [0; 4096];
                let whole = loop {
                    let text = String::from_utf8_lossy(&read).into_owned();
                    if let Some((head, body)) = text.split_once("\r\n\r\n") {
                        let length = head.lines().find_map(|line| {
                            let (name, value) = line.split_once(": ")?;
                            name.eq_ignore_ascii_case("content-length")
                                .then(|| value.parse().ok())?
                        });
                        if body.len() >= length.unwrap_or(0) {
                            break text;
                        }
                    }
                    match stream.read(&mut piece) {
                        Ok(0) | Err(_) => break text,
                        Ok(length) => read.extend_from_slice(&piece[..length]),
                    }
                };
                kept.lock().expect("nobody panics").push(whole);
                drop(stream.write_all(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                ));
            }
        });
        Self { url, bodies }
    }

    /// The logout tokens that came, as soon as there are so many.
    fn tokens(&self, count: usize) -> Vec<String> {
        let began = Instant::now();
        loop {
            let bodies = self.bodies.lock().expect("nobody panics").clone();
            if bodies.len() >= count || began.elapsed() > Duration::from_secs(10) {
                return bodies.iter().map(|text| Self::token(text)).collect();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn token(request: &str) -> String {
        let (head, body) = request.split_once("\r\n\r\n").expect("a request");
        assert!(head.starts_with("POST /logout "), "{head}");
        let head = head.to_ascii_lowercase();
        assert!(
            head.contains("content-type: application/x-www-form-urlencoded"),
            "{head}"
        );
        let mut form = url::form_urlencoded::parse(body.as_bytes());
        let token = form.find(|(name, _)| name == "logout_token");
        token.expect("a logout_token").1.into_owned()
    }
}

#[test]
fn clients_are_told_by_the_back_channel() {
    let (one, two) = (Listener::start(), Listener::start());
    let first = App::tls("first")
        .with("backchannel_logout_uri", json!(one.url))
        .with("backchannel_logout_session_required", json!(true));
    let second = App::secret("second").with("backchannel_logout_uri", json!(two.url));
    let silent = App::tls("silent");
    let server = World::peopled([&first, &second, &silent])
        .switch("--outbound-allow-private")
        .start();
    let mut browser = Browser::new(&server);
    let tokens = signed_in(&first, &mut browser, "anna");
    signed_in(&second, &mut browser, "anna");
    signed_in(&silent, &mut browser, "anna");
    let sid = claims(tokens.id())["sid"].clone();
    browser.open("logout", &pairs(&[("id_token_hint", tokens.id())]));
    assert!(!is_signed_in(&first, &mut browser));
    for (listener, id) in [(&one, "first"), (&two, "second")] {
        let told = listener.tokens(1);
        assert_eq!(told.len(), 1, "{id} is told once");
        server.keeps_secret(told[0].clone());
        assert_eq!(header(&told[0])["typ"], json!("logout+jwt"));
        let says = verified(&told[0], &server.jwks());
        assert_eq!(says["iss"], json!(ISSUER));
        assert_eq!(says["aud"], json!(id));
        assert_eq!(says["sub"], json!("sub-of-anna"));
        assert!(says["iat"].is_u64() && says["exp"].is_u64() && says["jti"].is_string());
        let event = &says["events"]["http://schemas.openid.net/event/backchannel-logout"];
        assert_eq!(event, &json!({}), "Back-Channel Logout section 2.4");
        assert!(says.get("nonce").is_none(), "it is forbidden there");
        if id == "first" {
            assert_eq!(says["sid"], sid);
        }
        // AT-09: it is nothing else.
        assert_eq!(server.verify("default", &told[0]).send().status, 401);
        let hint = pairs(&[("id_token_hint", &told[0])]);
        let mut other = Browser::new(&server);
        let again = signed_in(&first, &mut other, "anna");
        asks(&other.open("logout", &hint));
        assert!(server.is_active(&again.access));
    }
}

#[test]
fn by_post_with_a_refresh_token() {
    let (app, other) = (App::tls("web"), App::tls("other"));
    let told = Listener::start();
    let app = app.with("backchannel_logout_uri", json!(told.url));
    let server: Server = World::peopled([&app, &other])
        .switch("--outbound-allow-private")
        .start();
    let mut browser = Browser::new(&server);
    let tokens = signed_in(&app, &mut browser, "anna");
    let theirs = signed_in(&other, &mut browser, "anna");
    let logout = |app: &App, token: &str| {
        let request = app.post(&server, "logout");
        request.form("refresh_token", token).send()
    };
    logout(&other, tokens.refresh()).refuses(400, "invalid_grant");
    logout(&app.showing(None), tokens.refresh()).refuses(401, "invalid_client");
    logout(&app, "x").refuses(400, "invalid_grant");
    let twice = app
        .post(&server, "logout")
        .form("refresh_token", tokens.refresh())
        .form("refresh_token", tokens.refresh());
    twice.send().refuses(400, "invalid_request");
    assert!(server.is_active(&tokens.access));
    assert!(is_signed_in(&app, &mut browser));
    let response = logout(&app, tokens.refresh());
    assert_eq!(response.status / 100, 2, "{}", response.body);
    assert!(!is_signed_in(&app, &mut browser), "the session is over");
    assert!(!server.is_active(&tokens.access));
    // "All tokens of a session ended by logout."
    assert!(!server.is_active(&theirs.access));
    assert_eq!(told.tokens(1).len(), 1);
    logout(&app, tokens.refresh()).refuses(400, "invalid_grant");
}

#[test]
fn whoever_signed_out_is_not_signed_in_again_unasked() {
    let app = App::tls("web");
    let server = World::peopled([&app])
        .flag("--user-header", "X-Remote-User")
        .start();
    let mut browser = Browser::new(&server).adding("X-Remote-User", "anna");
    let response = app.asks().open(&mut browser);
    let tokens = Tokens::of(&app.redeems(&server, &response.back().code()).send());
    browser.open("logout", &pairs(&[("id_token_hint", tokens.id())]));
    assert!(!is_signed_in(&app, &mut browser), "LO-08");
    let page = app.asks().open(&mut browser).succeeds().page();
    assert!(page.offers("header"), "but may say so");
    browser.choose(&page, "header").back().code();
    let _ = PASSWORD;
}
