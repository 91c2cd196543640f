//! What people's browsers, and whoever writes to them, have tried in vain.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::browser::Browser;
use crate::people::{App, PASSWORD, users};
use crate::wire::Response;
use crate::world::{Server, World};

const SESSION: &str = "__Host-certbound";

/// Whom a code is of.
#[track_caller]
fn subject(app: &App, server: &Server, response: &Response) -> String {
    let tokens = app.redeems(server, &response.back().code()).send();
    let claims = crate::jose::claims(&tokens.text("id_token"));
    claims["sub"].as_str().unwrap_or_default().to_owned()
}

fn put(browser: &mut Browser<'_>, name: &str, value: &str) {
    browser.jar.retain(|(known, _)| known != name);
    browser.jar.push((name.to_owned(), value.to_owned()));
}

/// The page asked one user, and the web server says that another one presses its button.
#[test]
fn nobody_agrees_for_another() {
    let web = App::tls("web").with("consent", json!(true));
    let server = World::peopled([&web])
        .flag("--user-header", "X-User")
        .start();
    let mut hans = Browser::new(&server).adding("X-User", "hans");
    let page = web.asks().open(&mut hans).page();
    let mut kim = hans.clone().alone().adding("X-User", "kim");
    let response = kim.choose(&page, "allow");
    assert_eq!(response.header("location"), None, "kim was not asked");
    let asked = response.page();
    assert!(asked.body.contains("kim"), "{}", asked.body);
    let response = kim.choose(&asked, "allow");
    assert_eq!(subject(&web, &server, &response), "kim");
}

/// What was asked is what is agreed to, also where the registration says meanwhile that it is more.
#[test]
fn nobody_agrees_to_more_than_was_shown() {
    let web = App::tls("web")
        .with("consent", json!(true))
        .with("scope", json!("openid orders.read"));
    let world = World::peopled([&web]);
    let server = world.start();
    let browser = &mut Browser::new(&server);
    let page = web.asks().without("scope").open(browser).page();
    let page = browser.password(&page, "ben", PASSWORD).page();
    assert!(page.body.contains("orders.read"), "{}", page.body);
    let mut clients = world.registered();
    for client in clients.iter_mut().filter(|one| one["client_id"] == "web") {
        client["scope"] = json!("openid orders.read orders.write");
    }
    world.write_clients(&clients);
    server.logs("read clients");
    let response = browser.choose(&page, "allow");
    assert_eq!(response.header("location"), None, "it is asked again");
    assert!(response.page().body.contains("orders.write"));
}

/// `prompt=login`: that one user signed in for it says nothing of the session of another, such as one whose
/// cookie was stolen.
#[test]
fn a_sign_in_is_fresh_for_one_user() {
    let web = App::tls("web");
    let server = World::peopled([&web]).start();
    let mut victim = Browser::new(&server);
    web.asks().answered(&mut victim, "anna").code();
    let stolen = victim.session().expect("a session").to_owned();
    for (parameter, value) in [("prompt", "login"), ("max_age", "0")] {
        let mut thief = Browser::new(&server);
        let page = web.asks().set(parameter, value).open(&mut thief).page();
        let fields = [("username", "ben"), ("password", PASSWORD)];
        let response = thief.press(&page, "password", &fields);
        put(&mut thief, SESSION, &stolen);
        let response = thief.settle(response);
        assert_eq!(response.header("location"), None, "{parameter}={value}");
        assert!(response.page().offers("password"), "{parameter}={value}");
    }
    // The same for whom was chosen.
    let mut thief = Browser::new(&server);
    web.asks().answered(&mut thief, "ben").code();
    let ask = web.asks().set("prompt", "select_account");
    let page = ask.open(&mut thief).page();
    let response = thief.press(&page, "session", &[]);
    put(&mut thief, SESSION, &stolen);
    let response = thief.settle(response);
    assert_eq!(response.header("location"), None, "select_account");
}

/// Browsers keep their cookies from what another site posts: nobody is signed in by that who has signed out, and
/// no cookie is set over those that the browser has.
#[test]
fn a_form_of_another_site_decides_nothing() {
    let web = App::tls("web");
    let server = World::peopled([&web])
        .flag("--user-header", "X-User")
        .start();
    let mut hans = Browser::new(&server).adding("X-User", "hans");
    web.asks().open(&mut hans).back().code();
    let page = hans.get("/logout").page();
    hans.choose(&page, "logout").succeeds();
    let kept = hans.jar.clone();
    let names = (0..60).map(|number| format!("\"{number:0>100}\":null"));
    let claims = names.collect::<Vec<_>>().join(",");
    for is_long in [false, true] {
        let mut elsewhere = Browser::new(&server).adding("X-User", "hans");
        let mut request = server
            .post("authorize")
            .header("Origin", "https://evil.example");
        for (name, value) in &web.asks().0 {
            request = request.form(name, value);
        }
        if is_long {
            request = request.form("claims", &format!("{{\"userinfo\":{{{claims}}}}}"));
        }
        let response = elsewhere.send(request);
        assert_eq!(elsewhere.session(), None, "{is_long}");
        if is_long {
            assert!(response.page().offers("header"), "{}", response.body);
        } else {
            assert!(elsewhere.jar.is_empty(), "{:?}", elsewhere.jar);
            // As the browser goes on.
            elsewhere.jar.clone_from(&kept);
            let response = elsewhere.settle(response);
            assert!(response.page().offers("header"), "{}", response.body);
            assert_eq!(elsewhere.session(), hans.session());
        }
    }
}

/// What nobody's password could be is said at once, and neither counted nor kept.
#[test]
fn endless_passwords_leave_nothing_behind() {
    let web = App::tls("web");
    let server = World::peopled([&web]).start();
    let browser = &mut Browser::new(&server);
    let mut page = web.asks().open(browser).page();
    for _ in 0..8 {
        let response = browser.password(&page, "anna", &"x".repeat(1_025));
        assert_eq!(response.status, 200, "{}", response.body);
        page = response.page();
    }
    browser.password(&page, "anna", PASSWORD).back().code();
}

/// Hashing takes 19 MiB each: whoever hangs up makes no room for another before it is done.
#[test]
fn whoever_hangs_up_takes_no_more_memory() {
    let web = App::tls("web");
    let server = World::peopled([&web]).start();
    server
        .tally
        .lock()
        .expect("no test panicked here")
        .uncounted = true;
    let browser = &mut Browser::new(&server);
    let page = web.asks().open(browser).page();
    let cookies = browser
        .jar
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    let cookies = cookies.collect::<Vec<_>>().join("; ");
    for number in 0..60 {
        let name = format!("nobody{number}");
        let request = browser.filled(&page, "password", &[("username", &name), ("password", "x")]);
        let mut stream = server.place.connect().expect("it listens");
        let octets = request.header("Cookie", cookies.clone()).octets();
        stream.write_all(&octets).expect("it reads");
        std::thread::sleep(Duration::from_millis(10));
    }
    let peak = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid()));
        let status = status.expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let digits = line.unwrap_or_default().trim().trim_end_matches(" kB");
        digits.parse::<u64>().expect("a number") / 1024
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let most = 200 + (cores + 1) * 20;
    assert!(peak() < most, "{} MiB, more than {most}", peak());
}

/// RFC 7009 has no word for it, but nobody believes a token about somebody who is not there.
#[test]
fn a_user_who_is_gone_takes_the_access_tokens_along() {
    let web = App::secret("web");
    let world = World::peopled([&web]);
    let server = world.start();
    let (anna, ben) = (web.tokens(&server, "anna"), web.tokens(&server, "ben"));
    let is_active = |token: &str| server.is_active(token);
    assert!(is_active(&anna.access) && is_active(&ben.access));
    let mut others = users();
    others.retain(|user| user["username"] != json!("anna"));
    world.write_users(&others);
    let began = Instant::now();
    while is_active(&anna.access) {
        assert!(began.elapsed() < Duration::from_secs(5), "still active");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(is_active(&ben.access));
}

/// RFC 9700 section 4.15: no user's token says `sub` as a client's own does.
#[test]
fn nobody_is_taken_for_a_client() {
    let web = App::tls("web");
    let server = World::peopled([&web])
        .flag("--user-header", "X-User")
        .start();
    for (name, is_signed_in) in [("web", false), ("gate", false), ("somebody", true)] {
        let mut browser = Browser::new(&server).adding("X-User", name);
        let response = web.asks().open(&mut browser);
        assert_eq!(
            response.header("location").is_some(),
            is_signed_in,
            "{name}"
        );
        assert_eq!(browser.session().is_some(), is_signed_in, "{name}");
    }
}
