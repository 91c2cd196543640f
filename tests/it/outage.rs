//! The store is away in the middle of a login, and comes back: a page that says so, and nothing half done.

use serde_json::json;

use crate::browser::Browser;
use crate::people::{App, PASSWORD, Tokens};
use crate::support::redis_server::RedisServer;
use crate::wire::Response;
use crate::world::{Server, World};

fn world(redis: &RedisServer, app: &App) -> World {
    let world = World::peopled([app]).flag("--store", &redis.url());
    let secret = world.write("store.secret", "0123456789abcdef0123456789abcdef\n");
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&secret, mode).expect("mine");
    }
    world.flag("--store-secret-file", &secret)
}

/// A plain page that says what to do.
#[track_caller]
fn is_unavailable(response: &Response) {
    response.is_an_error_page(503);
    assert!(response.header("retry-after").is_some());
    let page = &response.body;
    assert!(page.contains("Wait a little"), "{page}");
    assert!(!page.to_ascii_lowercase().contains("redis"), "{page}");
}

/// Repeats until the store is there again.
fn as_soon_as(mut ask: impl FnMut() -> Response) -> Response {
    let began = std::time::Instant::now();
    loop {
        let response = ask();
        if response.status != 503 || began.elapsed() > std::time::Duration::from_secs(20) {
            return response;
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

#[test]
fn a_store_outage_at_every_step_of_a_login() {
    let mut redis = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let app = App::tls("web").with("consent", json!(true));
    let server: Server = world(&redis, &app).start().uncounted();
    let pushed = app.asks().pushed(&server, &app);
    let browser = &mut Browser::new(&server);
    let login = pushed.open(browser).succeeds().page();
    // At the password.
    redis.signal("STOP");
    let jar = browser.jar.clone();
    let fields = [("username", "anna"), ("password", PASSWORD)];
    is_unavailable(&browser.press(&login, "password", &fields));
    assert_eq!(browser.jar, jar, "nobody is signed in by halves");
    is_unavailable(&pushed.open(&mut Browser::new(&server)));
    let token = app.redeems(&server, "cbac_x.y").send();
    assert!(matches!(token.status, 400 | 503), "{}", token.body);
    redis.signal("CONT");
    let first = as_soon_as(|| browser.press(&login, "password", &fields));
    let consent = browser.settle(first).succeeds().page();
    assert!(consent.offers("allow"), "{}", consent.body);
    // At the agreement.
    redis.signal("STOP");
    is_unavailable(&browser.press(&consent, "allow", &[]));
    redis.signal("CONT");
    let response = as_soon_as(|| browser.press(&consent, "allow", &[]));
    // What was written before the outage was noticed may have happened, or not: never half.
    if response.status == 400 {
        return;
    }
    let code = response.back().code();
    // At the redemption and at refresh: 503, never 401 or 400, and never a token.
    redis.signal("STOP");
    app.redeems(&server, &code)
        .send()
        .refuses(503, "temporarily_unavailable");
    let info = app.userinfo(&server, "x");
    assert!(matches!(info.status, 401 | 503), "{}", info.body);
    redis.signal("CONT");
    let redeemed = as_soon_as(|| app.redeems(&server, &code).send());
    if redeemed.status == 400 {
        return;
    }
    let tokens = Tokens::of(&redeemed);
    redis.signal("STOP");
    app.refreshes(&server, tokens.refresh())
        .send()
        .refuses(503, "temporarily_unavailable");
    app.userinfo(&server, &tokens.access)
        .refuses(503, "temporarily_unavailable");
    let hint = vec![("id_token_hint".to_owned(), tokens.id().to_owned())];
    let left = browser.open("logout", &hint);
    is_unavailable(&left);
    redis.signal("CONT");
    let refreshed = as_soon_as(|| app.refreshes(&server, tokens.refresh()).send());
    Tokens::of(&refreshed);
    redis.stop();
    is_unavailable(&app.asks().set("prompt", "none").open(browser));
}

#[test]
fn two_instances_are_one_server() {
    let redis = RedisServer::start(&[]);
    let app = App::tls("web").with("consent", json!(true));
    let world = world(&redis, &app);
    let (one, two) = (world.start(), world.start());
    let pushed = app.asks().pushed(&one, &app);
    let mut there = Browser::new(&two);
    let login = pushed.open(&mut there).succeeds().page();
    let mut here = Browser::new(&one);
    here.jar = there.jar.clone();
    let consent = here.password(&login, "anna", PASSWORD).succeeds().page();
    there.jar = here.jar.clone();
    let code = there.choose(&consent, "allow").back().code();
    // PAR-07: it is answered everywhere.
    pushed.open(&mut Browser::new(&one)).is_an_error_page(400);
    let tokens = Tokens::of(&app.redeems(&one, &code).send());
    Tokens::of(&app.refreshes(&two, tokens.refresh()).send());
    app.userinfo(&two, &tokens.access).succeeds();
    assert!(two.is_active(&tokens.access));
    let hint = vec![("id_token_hint".to_owned(), tokens.id().to_owned())];
    here.open("logout", &hint).succeeds();
    // "The instance that answered refuses the token at once, every other within one second."
    assert!(!one.is_active(&tokens.access));
    assert_eq!(app.userinfo(&one, &tokens.access).status, 401);
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    assert!(!two.is_active(&tokens.access));
    assert_eq!(app.userinfo(&two, &tokens.access).status, 401);
    let certificate = app.certificate.as_ref().expect("one");
    let verified = two.verify("default", &tokens.access).unjudged(certificate);
    assert_eq!(verified.send().status, 401);
    app.refreshes(&two, tokens.refresh())
        .send()
        .refuses(400, "invalid_grant");
    let silent = app.asks().set("prompt", "none").open(&mut there);
    silent.back().refuses("login_required");
}
