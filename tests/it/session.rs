//! Sessions: how long they last, and that an old cookie is nobody's.

use std::time::Duration;

use crate::browser::Browser;
use crate::people::{App, PASSWORD};
use crate::world::World;

/// Whether somebody is signed in, as a client would find out.
fn is_signed_in(app: &App, browser: &mut Browser<'_>) -> bool {
    let back = app.asks().set("prompt", "none").open(browser).back();
    if back.get("error").is_some() {
        back.refuses("login_required");
        return false;
    }
    back.code();
    true
}

#[test]
fn idle_sessions_end() {
    let app = App::tls("web");
    let server = World::peopled([&app])
        .flag("--session-idle-ttl", "2s")
        .start();
    let browser = &mut Browser::new(&server);
    app.asks().answered(browser, "anna").code();
    // Use keeps it alive beyond the limit.
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(900));
        assert!(is_signed_in(&app, browser));
    }
    std::thread::sleep(Duration::from_millis(3_100));
    assert!(!is_signed_in(&app, browser), "it was idle");
}

#[test]
fn no_session_lasts_for_ever() {
    let app = App::tls("web");
    let server = World::peopled([&app])
        .flag("--session-ttl", "3s")
        .flag("--session-idle-ttl", "3s")
        .start();
    let browser = &mut Browser::new(&server);
    app.asks().answered(browser, "anna").code();
    std::thread::sleep(Duration::from_millis(1_500));
    assert!(is_signed_in(&app, browser));
    std::thread::sleep(Duration::from_millis(2_600));
    assert!(!is_signed_in(&app, browser), "used or not");
}

#[test]
fn a_cookie_that_was_there_before_is_not_the_one_afterwards() {
    let app = App::tls("web");
    let server = World::peopled([&app]).start();
    // Fixation: what an attacker put there, or had, is not what the victim is signed in with.
    let mut attacker = Browser::new(&server);
    app.asks().answered(&mut attacker, "ben").code();
    let planted = attacker.session().expect("a session").to_owned();
    let mut victim = Browser::new(&server);
    victim.jar = attacker.jar.clone();
    let page = app.asks().set("prompt", "login").open(&mut victim).page();
    victim.password(&page, "anna", PASSWORD).back().code();
    assert_ne!(
        victim.session(),
        Some(planted.as_str()),
        "a new cookie at every sign-in"
    );
    // Nobody else's session became Anna's.
    let back = app.asks().set("prompt", "none").open(&mut attacker).back();
    if back.get("error").is_none() {
        let tokens = app.redeems(&server, &back.code()).send();
        let sub = crate::jose::claims(&tokens.text("id_token"))["sub"].clone();
        assert_eq!(sub, serde_json::json!("ben"));
    }
    for junk in [
        "x",
        "x.y",
        &"a".repeat(4_000),
        "signed-out",
        &planted[1..],
        "\"",
        "../..",
    ] {
        let mut browser = Browser::new(&server);
        browser.jar = vec![("__Host-certbound".into(), junk.to_owned())];
        assert!(!is_signed_in(&app, &mut browser), "{junk}");
        let page = app.asks().open(&mut browser).succeeds().page();
        browser.password(&page, "anna", PASSWORD).back().code();
        assert!(is_signed_in(&app, &mut browser));
    }
    // The name of a session without its secret is worth nothing.
    let annas = victim.session().expect("a session").to_owned();
    server.keeps_secret(annas.split('.').next_back().expect("a secret"));
    let mut guesser = Browser::new(&server);
    let (sid, _) = annas.split_once('.').expect("two parts");
    for forged in [
        sid.to_owned(),
        format!("{sid}."),
        format!("{sid}.{}", "A".repeat(43)),
    ] {
        guesser.jar = vec![("__Host-certbound".into(), forged)];
        assert!(!is_signed_in(&app, &mut guesser));
    }
    assert!(
        is_signed_in(&app, &mut victim),
        "and its owner's is as it was"
    );
    // Two cookies of that name: nobody knows which is ours.
    let mut twice = Browser::new(&server);
    twice.jar = vec![
        ("__Host-certbound".into(), annas.clone()),
        ("__Host-certbound".into(), planted),
    ];
    assert!(!is_signed_in(&app, &mut twice));
}

#[test]
fn a_session_is_of_one_issuer_and_outlives_a_restart() {
    let app = App::tls("web");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("store");
    let world = World::peopled([&app]).flag("--store", &format!("file:{}", path.display()));
    let mut server = world.start();
    let mut first = Browser::new(&server);
    app.asks().answered(&mut first, "anna").code();
    let jar = first.jar.clone();
    server.crash();
    drop(server);
    let server = world.start();
    let mut browser = Browser::new(&server);
    browser.jar = jar;
    assert!(is_signed_in(&app, &mut browser));
}
