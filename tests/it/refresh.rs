//! Refresh (RFC 6749 section 6, RFC 9700 section 4.14): what it gives, to whom, and when it ends.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::jose::claims;
use crate::people::{App, Tokens, users};
use crate::world::{Server, World};

#[test]
fn oa_26_bcp_06_scope_and_resource_never_widen() {
    let shop = App::tls("shop").with(
        "audience",
        json!(["https://a.example", "https://b.example"]),
    );
    let server = World::peopled([&shop]).start();
    let ask = shop
        .asks()
        .set("scope", "openid orders.read orders.write")
        .set("resource", "https://a.example");
    let tokens = shop.tokens_for(&server, "anna", &ask);
    let refresh = |name: &str, value: &str| {
        let request = shop.refreshes(&server, tokens.refresh());
        request.form(name, value).send()
    };
    let narrow = Tokens::of(&refresh("scope", "orders.read"));
    assert_eq!(claims(&narrow.access)["scope"], json!("orders.read"));
    // The refresh token keeps all of it.
    let whole = Tokens::of(&shop.refreshes(&server, tokens.refresh()).send());
    assert_eq!(
        claims(&whole.access)["scope"],
        json!("openid orders.read orders.write")
    );
    for wider in [
        "openid profile",
        "orders.read admin",
        "profile",
        "orders.read orders.read email",
    ] {
        refresh("scope", wider).refuses(400, "invalid_scope");
    }
    refresh("resource", "https://b.example").refuses(400, "invalid_target");
    refresh("resource", "https://c.example").refuses(400, "invalid_target");
    let same = Tokens::of(&refresh("resource", "https://a.example"));
    assert_eq!(claims(&same.access)["aud"], json!("https://a.example"));
}

#[test]
fn oa_27_a_refresh_token_is_its_clients() {
    let (web, other, spa) = (App::tls("web"), App::tls("other"), App::public("spa"));
    let server = World::peopled([&web, &other, &spa]).start();
    let tokens = web.tokens(&server, "anna");
    let loose = spa.tokens(&server, "anna");
    for (thief, token) in [
        (&other, tokens.refresh()),
        (&spa, tokens.refresh()),
        (&web, loose.refresh()),
    ] {
        thief
            .refreshes(&server, token)
            .send()
            .refuses(400, "invalid_grant");
    }
    Tokens::of(&web.refreshes(&server, tokens.refresh()).send());
    Tokens::of(&spa.refreshes(&server, loose.refresh()).send());
    for wrong in [
        "x",
        "..",
        &tokens.access,
        &tokens.refresh()[1..],
        &"r".repeat(9_000),
    ] {
        web.refreshes(&server, wrong)
            .send()
            .refuses(400, "invalid_grant");
    }
    web.refreshes(&server, "")
        .send()
        .refuses(400, "invalid_request");
    let twice = web
        .refreshes(&server, tokens.refresh())
        .form("refresh_token", tokens.refresh());
    twice.send().refuses(400, "invalid_request");
}

#[test]
fn mtls_36_a_confidential_client_authenticates() {
    let (web, keyed, secret) = (App::tls("web"), App::key("keyed"), App::secret("secret"));
    let server = World::peopled([&web, &keyed, &secret]).start();
    for app in [&web, &keyed, &secret] {
        let tokens = app.tokens(&server, "anna");
        let request = server
            .post("token")
            .form("grant_type", "refresh_token")
            .form("client_id", &app.id)
            .form("refresh_token", tokens.refresh());
        request.send().refuses(401, "invalid_client");
        Tokens::of(&app.refreshes(&server, tokens.refresh()).send());
    }
}

#[test]
fn bcp_05_rotation_as_registered() {
    let (web, rotating, spa, bound) = (
        App::tls("web"),
        App::tls("rotating").with("refresh_token_rotation", json!("always")),
        App::public("spa"),
        App::public_bound("bound"),
    );
    let server = World::peopled([&web, &rotating, &spa, &bound]).start();
    for (app, rotates) in [
        (&web, false),
        (&rotating, true),
        (&spa, true),
        (&bound, false),
    ] {
        let first = app.tokens(&server, "anna");
        let mut last = first.clone();
        let mut all = vec![first.access.clone()];
        for _ in 0..3 {
            let next = Tokens::of(&app.refreshes(&server, last.refresh()).send());
            all.push(next.access.clone());
            if rotates {
                assert_ne!(next.refresh(), last.refresh(), "{}", app.id);
                last = next;
            } else {
                let same = next
                    .refresh
                    .as_deref()
                    .is_none_or(|text| text == first.refresh());
                assert!(same, "{}: no rotation, no other token", app.id);
            }
        }
        if !rotates {
            continue;
        }
        assert!(
            all.iter().all(|token| server.is_active(token)),
            "{}",
            app.id
        );
        // Reuse: somebody else has it too.
        let reused = app.refreshes(&server, first.refresh()).send();
        reused.refuses(400, "invalid_grant");
        let newest = app.refreshes(&server, last.refresh()).send();
        newest.refuses(400, "invalid_grant");
        for token in &all {
            assert!(!server.is_active(token), "BCP-05: the family is dead");
        }
    }
    // An unbound public client has nothing else that holds its tokens.
    let never = App::public("spa").with("refresh_token_rotation", json!("never"));
    World::peopled([&never]).is_refused_for("refresh_token_rotation");
}

#[test]
fn bcp_05_a_stranger_who_reuses_a_token_ends_nothing() {
    let rotating = App::tls("web").with("refresh_token_rotation", json!("always"));
    let other = App::tls("other");
    let server = World::peopled([&rotating, &other]).start();
    let first = rotating.tokens(&server, "anna");
    let next = Tokens::of(&rotating.refreshes(&server, first.refresh()).send());
    let stranger = other.refreshes(&server, first.refresh()).send();
    stranger.refuses(400, "invalid_grant");
    assert!(server.is_active(&next.access));
    Tokens::of(&rotating.refreshes(&server, next.refresh()).send());
}

#[test]
fn oc_23_su_06_the_id_token_of_a_refresh() {
    let web = App::tls("web");
    let server = World::peopled([&web]).start();
    let tokens = web.tokens(&server, "anna");
    let first = crate::jose::verified(tokens.id(), &server.jwks());
    std::thread::sleep(Duration::from_millis(1_100));
    let refreshed = Tokens::of(&web.refreshes(&server, tokens.refresh()).send());
    let second = crate::jose::verified(refreshed.id(), &server.jwks());
    for member in ["iss", "sub", "aud", "auth_time", "acr", "amr"] {
        assert_eq!(second[member], first[member], "OC-23: {member}");
    }
    assert!(second["iat"].as_u64() > first["iat"].as_u64(), "OC-23");
    let nonce = second.get("nonce");
    assert!(nonce.is_none() || nonce == first.get("nonce"), "OC-23");
    // Without openid in the narrowed scope there is none.
    let narrow = web
        .refreshes(&server, tokens.refresh())
        .form("scope", "orders.read");
    assert!(Tokens::of(&narrow.send()).id.is_none());
}

#[test]
fn bcp_07_refresh_tokens_expire() {
    let (web, spa) = (App::tls("web"), App::public("spa"));
    let server = World::peopled([&web, &spa])
        .flag("--refresh-token-ttl", "2s")
        .flag("--access-token-ttl", "1s")
        .start();
    for app in [&web, &spa] {
        let tokens = app.tokens(&server, "anna");
        Tokens::of(&app.refreshes(&server, tokens.refresh()).send());
        let tokens = app.tokens(&server, "anna");
        std::thread::sleep(Duration::from_millis(3_100));
        let late = app.refreshes(&server, tokens.refresh()).send();
        late.refuses(400, "invalid_grant");
    }
}

/// Waits until a refresh is refused, and gives the answer.
fn refused_soon(server: &Server, app: &App, token: &str) -> crate::wire::Response {
    let began = Instant::now();
    loop {
        let response = app.refreshes(server, token).send();
        if response.status != 200 || began.elapsed() > Duration::from_secs(15) {
            return response;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn the_registration_is_looked_at_again() {
    // What a client may do is what its registration says now.
    type Change = (&'static str, Value, u16, &'static str);
    let changes: [Change; 3] = [
        (
            "grant_types",
            json!(["authorization_code"]),
            400,
            "unauthorized_client",
        ),
        (
            "tls_client_auth_subject_dn",
            json!("CN=another"),
            401,
            "invalid_client",
        ),
        ("client_id", json!("renamed"), 401, "invalid_client"),
    ];
    for (member, value, status, error) in changes {
        let web = App::tls("web");
        let world = World::peopled([&web]);
        let server = world.start();
        let tokens = web.tokens(&server, "anna");
        let mut clients = world.registered();
        for client in &mut clients {
            if client["client_id"] == json!("web") {
                client[member] = value.clone();
            }
        }
        world.write_clients(&clients);
        let response = refused_soon(&server, &web, tokens.refresh());
        response.refuses(status, error);
    }
    // A scope that was taken from the client is not refreshed.
    let web = App::tls("web");
    let world = World::peopled([&web]);
    let server = world.start();
    let ask = web.asks().set("scope", "openid orders.read orders.write");
    let tokens = web.tokens_for(&server, "anna", &ask);
    let mut clients = world.registered();
    for client in &mut clients {
        if client["client_id"] == json!("web") {
            client["scope"] = json!("openid orders.read");
        }
    }
    world.write_clients(&clients);
    server.logs("read clients");
    let response = web.refreshes(&server, tokens.refresh()).send();
    if response.status == 200 {
        let scope = claims(&response.text("access_token"))["scope"].clone();
        assert_eq!(
            scope,
            json!("openid orders.read"),
            "the registration is looked at again"
        );
    } else {
        assert_eq!(response.status, 400, "{}", response.body);
    }
}

#[test]
fn the_user_is_looked_at_again() {
    let web = App::tls("web");
    let world = World::peopled([&web]);
    let server = world.start();
    let anna = web.tokens(&server, "anna");
    let ben = web.tokens(&server, "ben");
    let browser = &mut Browser::new(&server);
    web.asks().answered(browser, "anna").code();
    let code = web.asks().answered(browser, "anna").code();
    let others: Vec<Value> = users()
        .into_iter()
        .filter(|user| user["username"] != json!("anna"))
        .collect();
    world.write_users(&others);
    let response = refused_soon(&server, &web, anna.refresh());
    response.refuses(400, "invalid_grant");
    // Neither does a code or a session do any more for somebody who is not there.
    web.redeems(&server, &code)
        .send()
        .refuses(400, "invalid_grant");
    let silent = web.asks().set("prompt", "none").answered(browser, "anna");
    silent.refuses("login_required");
    assert_eq!(web.userinfo(&server, &anna.access).status, 401);
    // The others go on.
    Tokens::of(&web.refreshes(&server, ben.refresh()).send());
}

#[test]
fn rv_05_revoking_a_refresh_token_ends_its_grant() {
    for format in ["jwt", "opaque"] {
        let (web, other) = (
            App::tls("web").with("access_token_format", json!(format)),
            App::tls("other"),
        );
        let server = World::peopled([&web, &other]).start();
        let tokens = web.tokens(&server, "anna");
        let more = Tokens::of(&web.refreshes(&server, tokens.refresh()).send());
        let untouched = web.tokens(&server, "anna");
        let stranger = other
            .post(&server, "revoke")
            .form("token", tokens.refresh());
        stranger.send().succeeds();
        assert!(
            server.is_active(&tokens.access),
            "RV: another client revokes nothing"
        );
        let revoked = web.post(&server, "revoke").form("token", tokens.refresh());
        revoked
            .form("token_type_hint", "access_token")
            .send()
            .succeeds();
        for token in [&tokens.access, &more.access] {
            assert!(!server.is_active(token), "RV-05 {format}");
            let certificate = web.certificate.as_ref().expect("one");
            let verified = server.verify("default", token).unjudged(certificate).send();
            assert_eq!(verified.status, 401, "RV-05 {format}");
        }
        web.refreshes(&server, tokens.refresh())
            .send()
            .refuses(400, "invalid_grant");
        assert!(server.is_active(&untouched.access));
        // An access token alone does not end the rest.
        let revoked = web.post(&server, "revoke").form("token", &untouched.access);
        revoked.send().succeeds();
        assert!(!server.is_active(&untouched.access));
        Tokens::of(&web.refreshes(&server, untouched.refresh()).send());
    }
}

#[test]
fn in_08_a_refresh_token_is_shown_to_its_own_client_alone() {
    let (web, other, keyed) = (App::tls("web"), App::secret("other"), App::key("keyed"));
    let api = App::secret("api").with("resource", json!("https://as.example.com"));
    let server = World::peopled([&web, &other, &keyed, &api]).start();
    let tokens = web.tokens(&server, "anna");
    let ask = |app: &App, token: &str| {
        let request = app.post(&server, "introspect").form("token", token);
        request.send().succeeds().json()
    };
    let own = ask(&web, tokens.refresh());
    assert_eq!(own["active"], json!(true));
    assert_eq!(own["client_id"], json!("web"));
    assert_eq!(own["sub"], json!("sub-of-anna"));
    assert_eq!(own["scope"], json!("openid orders.read"));
    assert!(own["exp"].is_u64() && own.get("access_token").is_none());
    for stranger in [&other, &keyed, &api] {
        assert_eq!(ask(stranger, tokens.refresh()), json!({ "active": false }));
    }
    // Not even to one that sees every access token.
    assert!(server.is_active(&tokens.access));
    assert_eq!(
        server.introspect(tokens.refresh()),
        json!({ "active": false })
    );
    assert_eq!(
        server.introspect(tokens.id()),
        json!({ "active": false }),
        "AT-09"
    );
}
