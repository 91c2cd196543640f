//! Revocation: RFC 7009, of both forms of token.

use serde_json::json;

use crate::pki::{Cert, pki, wanted};
use crate::support::redis_server::RedisServer;
use crate::wire::Response;
use crate::world::{SECRET, Server, World, tls_client};

fn world() -> World {
    let mut olga = tls_client("olga");
    olga["access_token_format"] = json!("opaque");
    World::usual().client(olga)
}

fn olgas() -> Cert {
    wanted("olga").by(&pki().ca)
}

fn revoke(server: &Server, id: &str, certificate: &Cert, token: &str) -> Response {
    server
        .post("revoke")
        .form("client_id", id)
        .form("token", token)
        .with(certificate)
        .send()
}

#[test]
fn rv_01_in_09_a_revoked_token_is_dead_at_once() {
    let server = world().start();
    for (id, certificate) in [("alice", &pki().alice), ("olga", &olgas())] {
        let token = server.token(id).with(certificate).send().token();
        let bystander = server.token(id).with(certificate).send().token();
        for _ in 0..3 {
            assert!(server.is_active(&token), "{id}");
        }
        assert!(
            revoke(&server, id, certificate, &token)
                .succeeds()
                .json()
                .is_object()
        );
        assert!(!server.is_active(&token), "{id}");
        assert!(server.is_active(&bystander), "only this one");
        // RV-03
        revoke(&server, id, certificate, &token).succeeds();
        assert!(!server.is_active(&token));
    }
    assert!(server.log().contains("token_revoked"));
}

#[test]
fn rv_02_03_07_of_ones_own_tokens_alone() {
    let server = world().start();
    let token = server.token("alice").with(&pki().alice).send().token();
    let opaque = server.token("olga").with(&olgas()).send().token();
    for foreign in [&token, &opaque] {
        let response = revoke(&server, "bob", &pki().bob, foreign);
        assert!(matches!(response.status, 200 | 400), "{}", response.body);
        let response = server
            .post("revoke")
            .basic("gate", SECRET)
            .form("token", foreign)
            .send();
        assert!(matches!(response.status, 200 | 400), "{}", response.body);
        assert!(server.is_active(foreign), "RV-02");
    }
    for unknown in ["nonsense", "cbat_x", "a.b.c", &"x".repeat(60_000)] {
        revoke(&server, "alice", &pki().alice, unknown).succeeds();
    }
    for hint in ["refresh_token", "access_token", "nonsense"] {
        let token = server.token("alice").with(&pki().alice).send().token();
        let request = server
            .post("revoke")
            .form("client_id", "alice")
            .form("token", &token);
        request
            .form("token_type_hint", hint)
            .with(&pki().alice)
            .send()
            .succeeds();
        assert!(!server.is_active(&token), "{hint}");
    }
    // RV-07
    revoke(&server, "alice", &pki().bob, &token).refuses(401, "invalid_client");
    server
        .post("revoke")
        .form("token", &token)
        .send()
        .refuses(401, "invalid_client");
    server
        .post("revoke")
        .form("client_id", "alice")
        .form("token", &token)
        .send()
        .refuses(401, "invalid_client");
    server
        .post("revoke")
        .form("client_id", "alice")
        .with(&pki().alice)
        .send()
        .refuses(400, "invalid_request");
    assert!(server.is_active(&token));
    // A renewed certificate authenticates the client, which is what counts.
    let renewed = wanted("alice").by(&pki().ca);
    revoke(&server, "alice", &renewed, &token).succeeds();
    assert!(!server.is_active(&token));
}

#[test]
fn rv_08_in_09_seen_by_another_instance_at_once() {
    let redis = RedisServer::start(&[]);
    let world = world().flag("--store", &redis.url()).flag("--keys", "keys");
    let (one, two) = (world.start(), world.start());
    for (id, certificate) in [("alice", &pki().alice), ("olga", &olgas())] {
        let token = one.token(id).with(certificate).send().token();
        assert!(one.is_active(&token) && two.is_active(&token), "{id}");
        revoke(&two, id, certificate, &token).succeeds();
        assert!(!two.is_active(&token));
        let began = std::time::Instant::now();
        while one.is_active(&token) {
            assert!(began.elapsed().as_secs() < 1, "within a second");
        }
    }
}
