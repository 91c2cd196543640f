//! What outlives requests, instances and crashes, and what happens while the store is away.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::assertion::assertion;
use crate::jose::EcKey;
use crate::pki::{Cert, pki, wanted};
use crate::support::redis_server::RedisServer;
use crate::world::{Server, World, client, tls_client};

fn olga() -> Value {
    let mut olga = tls_client("olga");
    olga["access_token_format"] = json!("opaque");
    olga
}

fn olgas() -> Cert {
    wanted("olga").by(&pki().ca)
}

fn revoke(server: &Server, id: &str, certificate: &Cert, token: &str) {
    let request = server
        .post("revoke")
        .form("client_id", id)
        .form("token", token);
    request.with(certificate).send().succeeds();
}

/// Gives out tokens, revokes some, kills the server, and looks at what the next one knows.
fn survives_a_crash(world: &World) {
    let olgas = olgas();
    let mut server = world.start();
    let keys = server.jwks();
    let mut alive = Vec::new();
    let mut dead = Vec::new();
    for (id, certificate) in [("alice", &pki().alice), ("olga", &olgas)] {
        alive.push(server.token(id).with(certificate).send().token());
        let token = server.token(id).with(certificate).send().token();
        revoke(&server, id, certificate, &token);
        dead.push(token);
    }
    server.crash();
    drop(server);
    let server = world.start();
    assert_eq!(server.jwks(), keys, "the signing keys are the same");
    for token in &alive {
        assert!(server.is_active(token), "a token is lost");
    }
    for token in &dead {
        assert!(!server.is_active(token), "RV-08: a revocation is lost");
    }
}

#[test]
fn rv_08_a_file_survives_kill_9() {
    survives_a_crash(
        &World::usual()
            .client(olga())
            .flag("--store", "file:store.db"),
    );
}

#[test]
fn rv_08_redis_survives_kill_9_of_the_server() {
    let redis = RedisServer::start(&[]);
    let world = World::usual().client(olga()).flag("--store", &redis.url());
    let secret = world.write("store.secret", "0123456789abcdef0123456789abcdef-secret");
    survives_a_crash(&world.flag("--store-secret-file", &secret));
}

#[test]
fn oa_28_nothing_in_the_store_is_in_the_clear() {
    let redis = RedisServer::start(&[]);
    let world = World::usual().client(olga()).flag("--store", &redis.url());
    let secret = world.write("store.secret", "0123456789abcdef0123456789abcdef-secret");
    let server = world.flag("--store-secret-file", &secret).start();
    let opaque = server.token("olga").with(&olgas()).send().token();
    let jwt = server.token("alice").with(&pki().alice).send().token();
    revoke(&server, "alice", &pki().alice, &jwt);
    let client = redis::Client::open(redis.url()).expect("a URL");
    let mut raw = client.get_connection().expect("it runs");
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("*")
        .query(&mut raw)
        .expect("it answers");
    assert!(keys.len() >= 3, "{keys:?}");
    for key in keys {
        let value: Vec<u8> = redis::cmd("GET")
            .arg(&key)
            .query(&mut raw)
            .expect("it answers");
        let text = format!("{key} {}", String::from_utf8_lossy(&value));
        for secret in [
            opaque.as_str(),
            &opaque["cbat_".len()..],
            &jwt,
            "PRIVATE KEY",
            "\"d\":",
        ] {
            assert!(!text.contains(secret), "{key}");
        }
    }
    let world = World::usual()
        .client(olga())
        .flag("--store", "file:store.db");
    let server = world.start();
    let opaque = server.token("olga").with(&olgas()).send().token();
    let mut content = Vec::new();
    for file in std::fs::read_dir(server.directory()).expect("a directory") {
        let path = file.expect("a file").path();
        if path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("store.db"))
            && path.is_file()
        {
            content.extend(std::fs::read(path).expect("read"));
        }
    }
    assert!(!content.is_empty());
    let random = &opaque.as_bytes()["cbat_".len()..];
    assert!(
        !content.windows(random.len()).any(|window| window == random),
        "OA-28"
    );
}

#[test]
fn instances_on_one_redis_share_their_signing_keys() {
    let redis = RedisServer::start(&[]);
    for place in ["--store-secret-file", "--keys"] {
        let world = World::usual().flag("--store", &redis.url());
        let value = match place {
            "--keys" => "keys".to_owned(),
            _ => world.write("store.secret", "0123456789abcdef0123456789abcdef-secret"),
        };
        let world = world.flag(place, &value);
        let (one, two) = std::thread::scope(|scope| {
            let one = scope.spawn(|| world.start());
            let two = scope.spawn(|| world.start());
            (one.join().expect("started"), two.join().expect("started"))
        });
        let began = Instant::now();
        while one.jwks() != two.jwks() {
            assert!(
                began.elapsed() < Duration::from_secs(4),
                "{place}: the keys differ"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        let token = one.token("alice").with(&pki().alice).send().token();
        assert!(two.is_active(&token), "{place}");
        crate::jose::verified(&token, &two.jwks());
    }
}

/// While the store is away nothing is given, nothing is denied; afterwards all is as it was.
fn is_away_and_heals(away: impl Fn(&mut RedisServer), back: impl Fn(&mut RedisServer)) {
    let mut redis = RedisServer::start(&[]);
    let key = EcKey::new();
    let keyed = client(
        "kim",
        "private_key_jwt",
        json!({ "jwks": { "keys": [key.jwk()] } }),
    );
    let world = World::usual().clients([olga(), keyed]);
    let server = world
        .flag("--store", &redis.url())
        .flag("--keys", "keys")
        .start();
    let olgas = olgas();
    let opaque = server.token("olga").with(&olgas).send().token();
    let jwt = server.token("alice").with(&pki().alice).send().token();
    away(&mut redis);
    // A store that answered two milliseconds ago is taken to be there.
    std::thread::sleep(Duration::from_millis(5));
    let began = Instant::now();
    for request in [
        server.token("olga").with(&olgas),
        server.token("alice").with(&pki().alice),
        server.token("kim").assertion(&assertion(&key, "kim")),
        server
            .post("introspect")
            .basic("gate", crate::world::SECRET)
            .form("token", &jwt),
        server
            .post("introspect")
            .basic("gate", crate::world::SECRET)
            .form("token", &opaque),
        server
            .post("revoke")
            .form("client_id", "alice")
            .form("token", &jwt)
            .with(&pki().alice),
        server
            .post("revoke")
            .form("client_id", "olga")
            .form("token", &opaque)
            .with(&olgas),
    ] {
        let response = request.send();
        response.refuses(503, "temporarily_unavailable");
        assert!(response.header("retry-after").is_some(), "RV-06");
    }
    assert!(
        began.elapsed() < Duration::from_secs(25),
        "answers come soon: {:?}",
        began.elapsed()
    );
    assert_eq!(server.admin("/readyz").status, 503);
    assert_eq!(server.admin("/healthz").status, 200);
    // Who is nobody learns nothing of it.
    let stranger = server.token("alice").with(&pki().bob).send();
    assert!(matches!(stranger.status, 401 | 503));
    back(&mut redis);
    let began = Instant::now();
    while server.token("olga").with(&olgas).send().status != 200 {
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "it does not heal"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(server.admin("/readyz").status, 200);
    server.token("alice").with(&pki().alice).send().token();
    assert!(
        server.is_active(&jwt),
        "the JWT was not revoked by a false answer"
    );
    server
        .token("kim")
        .assertion(&assertion(&key, "kim"))
        .send()
        .token();
}

#[test]
fn rv_06_a_redis_that_hangs_answers_503_and_heals() {
    is_away_and_heals(|redis| redis.signal("STOP"), |redis| redis.signal("CONT"));
}

#[test]
fn rv_06_a_redis_that_is_gone_answers_503_and_heals() {
    is_away_and_heals(RedisServer::stop, RedisServer::run);
}

#[test]
fn a_start_without_redis_is_no_fault() {
    let mut redis = RedisServer::stopped(&[]);
    let url = format!("redis://127.0.0.1:{}", redis.port());
    let world = World::usual().client(olga()).flag("--store", &url);
    let secret = world.write("store.secret", "0123456789abcdef0123456789abcdef-secret");
    let world = world.flag("--store-secret-file", &secret);
    let output = world.run("check", &[]);
    assert_eq!(output.status.code(), Some(1), "check reaches the store");
    let server = world.start();
    assert_eq!(server.admin("/healthz").status, 200);
    assert_eq!(server.admin("/readyz").status, 503);
    for request in [
        server.token("alice").with(&pki().alice),
        server.token("olga").with(&olgas()),
        server.get("jwks"),
        server
            .post("introspect")
            .basic("gate", crate::world::SECRET)
            .form("token", "x.y.z"),
    ] {
        request.send().refuses(503, "temporarily_unavailable");
    }
    redis.run();
    let began = Instant::now();
    while server.token("alice").with(&pki().alice).send().status != 200 {
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "it does not heal: {}",
            server.log()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    server.token("olga").with(&olgas()).send().token();
    assert_eq!(server.admin("/readyz").status, 200);
}

#[test]
fn one_file_has_one_owner() {
    let world = World::usual().flag("--store", "file:store.db");
    let server = world.start();
    let said = world.refuses_to_start();
    assert!(said.contains("store.db"), "{said}");
    server.token("alice").with(&pki().alice).send().token();
}
