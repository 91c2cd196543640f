//! Two instances on one Redis, which keep copies of what they answer from: what one has ended the other refuses
//! within a second, and at once where nothing is kept; and what one has used up nobody uses again.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::people::{App, Tokens};
use crate::pki::pki;
use crate::support::redis_server::RedisServer;
use crate::world::{Server, World};

const SOON: Duration = Duration::from_secs(1);

/// Two instances of that world, and their Redis.
fn two(world: World, redis: &RedisServer, cache: &str) -> (Server, Server) {
    let world = world.flag("--store", &redis.url());
    let world = world.flag("--answer-cache", cache).flag("--keys", "keys");
    let one = world.start();
    // The first makes keys, and some take a moment.
    let began = Instant::now();
    while one.jwks()["keys"]
        .as_array()
        .is_none_or(|keys| keys.len() < 4)
    {
        assert!(began.elapsed() < SOON * 10, "the keys are not made");
        std::thread::sleep(Duration::from_millis(20));
    }
    (one, world.start())
}

/// Asks until the answer comes from memory, if it ever does.
fn warm(server: &Server, token: &str) {
    for _ in 0..3 {
        assert!(server.is_active(token));
        assert_eq!(
            server
                .verify("default", token)
                .with(&pki().alice)
                .send()
                .status,
            200
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn lets_in(server: &Server, token: &str) -> bool {
    let active = server.is_active(token);
    let allowed = server
        .verify("default", token)
        .with(&pki().alice)
        .send()
        .status
        == 200;
    assert!(
        active || !allowed,
        "the gate lets in what introspection calls dead"
    );
    active || allowed
}

#[test]
fn what_one_has_revoked_another_refuses_within_a_second() {
    let redis = RedisServer::start(&[]);
    for cache in ["on", "off"] {
        for format in ["jwt", "opaque"] {
            let world = World::usual().flag("--access-token-format", format);
            let (one, two) = two(world, &redis, cache);
            let token = one.token("alice").with(&pki().alice).send().token();
            let (one, two) = (one.uncounted(), two.uncounted());
            warm(&one, &token);
            warm(&two, &token);
            let revoke = one
                .post("revoke")
                .form("client_id", "alice")
                .form("token", &token);
            revoke.with(&pki().alice).send().succeeds();
            let revoked = Instant::now();
            assert!(
                !lets_in(&one, &token),
                "at once where it was asked for: {cache} {format}"
            );
            if cache == "off" {
                assert!(!lets_in(&two, &token), "at once everywhere: {format}");
            }
            while lets_in(&two, &token) {
                assert!(revoked.elapsed() < SOON, "{cache} {format}");
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }
}

#[test]
fn what_a_logout_has_ended_another_refuses_within_a_second() {
    let redis = RedisServer::start(&[]);
    for format in ["jwt", "opaque"] {
        let app = App::tls("app").with("access_token_format", json!(format));
        let (one, two) = two(World::peopled([&app]), &redis, "on");
        let (one, two) = (one.uncounted(), two.uncounted());
        let tokens = app.tokens(&one, "anna");
        for _ in 0..3 {
            assert!(one.is_active(&tokens.access) && two.is_active(&tokens.access));
            std::thread::sleep(Duration::from_millis(100));
        }
        let logout = app.post(&one, "logout");
        logout
            .form("refresh_token", tokens.refresh())
            .send()
            .succeeds();
        let ended = Instant::now();
        assert!(!one.is_active(&tokens.access), "{format}");
        while two.is_active(&tokens.access) {
            assert!(ended.elapsed() < SOON, "{format}");
            std::thread::sleep(Duration::from_millis(2));
        }
        app.refreshes(&two, tokens.refresh())
            .send()
            .refuses(400, "invalid_grant");
    }
}

#[test]
fn a_refresh_token_goes_from_one_to_another() {
    let redis = RedisServer::start(&[]);
    for cache in ["on", "off"] {
        let app = App::tls("app").with("refresh_token_rotation", json!("always"));
        let (one, two) = two(World::peopled([&app]), &redis, cache);
        let (one, two) = (one.uncounted(), two.uncounted());
        let mut tokens = app.tokens(&one, "anna");
        let first = tokens.refresh().to_owned();
        // Each finds what the other has left, whatever it remembers itself.
        for server in [&one, &one, &two, &one, &two, &two, &one] {
            tokens = Tokens::of(&app.refreshes(server, tokens.refresh()).send());
        }
        assert!(one.is_active(&tokens.access) && two.is_active(&tokens.access));
        // The first was made at one, which may remember it as good.
        app.refreshes(&one, &first)
            .send()
            .refuses(400, "invalid_grant");
        for server in [&one, &two] {
            let response = app.refreshes(server, tokens.refresh()).send();
            response.refuses(400, "invalid_grant");
        }
        let ended = Instant::now();
        while one.is_active(&tokens.access) || two.is_active(&tokens.access) {
            assert!(ended.elapsed() < SOON, "the family is dead");
            std::thread::sleep(Duration::from_millis(2));
        }

        // One was made here, used there, and shown here again: what is remembered here is wrong.
        let mut tokens = app.tokens(&one, "anna");
        let made_here = tokens.refresh().to_owned();
        tokens = Tokens::of(&app.refreshes(&two, &made_here).send());
        app.refreshes(&one, &made_here)
            .send()
            .refuses(400, "invalid_grant");
        app.refreshes(&one, tokens.refresh())
            .send()
            .refuses(400, "invalid_grant");
    }
}

/// A family that ended elsewhere ends what is remembered here, also where nothing is rotated.
#[test]
fn what_is_remembered_grants_nothing() {
    let redis = RedisServer::start(&[]);
    let app = App::tls("app").with("refresh_token_rotation", json!("never"));
    let (one, two) = two(World::peopled([&app]), &redis, "on");
    let (one, two) = (one.uncounted(), two.uncounted());
    let tokens = app.tokens(&one, "anna");
    Tokens::of(&app.refreshes(&one, tokens.refresh()).send());
    Tokens::of(&app.refreshes(&two, tokens.refresh()).send());
    let logout = app.post(&two, "logout");
    logout
        .form("refresh_token", tokens.refresh())
        .send()
        .succeeds();
    app.refreshes(&one, tokens.refresh())
        .send()
        .refuses(400, "invalid_grant");
}

/// A Redis that hangs obeys when it wakes what it was told meanwhile: nobody is to lose a family by trying again.
#[test]
fn a_redis_that_hangs_ends_no_family() {
    let redis = RedisServer::start(&[]);
    let app = App::tls("app").with("refresh_token_rotation", json!("always"));
    let world = World::peopled([&app]).flag("--store", &redis.url());
    let server = world.flag("--keys", "keys").start().uncounted();
    for wait in [20, 300, 1_000] {
        let mut tokens = app.tokens(&server, "anna");
        tokens = Tokens::of(&app.refreshes(&server, tokens.refresh()).send());
        redis.signal("STOP");
        std::thread::sleep(Duration::from_millis(wait));
        for _ in 0..2 {
            let response = app.refreshes(&server, tokens.refresh()).send();
            response.refuses(503, "temporarily_unavailable");
        }
        redis.signal("CONT");
        let woken = Instant::now();
        loop {
            let response = app.refreshes(&server, tokens.refresh()).send();
            if response.status == 200 {
                break;
            }
            response.refuses(503, "temporarily_unavailable");
            assert!(woken.elapsed() < SOON * 5, "it does not heal");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
