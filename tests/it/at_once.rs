//! Two hundred at once: one code, one rotating refresh token, on every store (OA-14, BCP-05, CVE-2026-1035).

use std::sync::Barrier;

use serde_json::json;

use crate::browser::Browser;
use crate::people::{App, Tokens};
use crate::request::Request;
use crate::support::redis_server::RedisServer;
use crate::wire::Response;
use crate::world::{Server, World};

const MANY: usize = 200;

/// Sends that many of the same at once.
fn at_once(request: &Request<'_>) -> Vec<Response> {
    let place = request.server.place.clone();
    let octets = request.octets();
    let barrier = Barrier::new(MANY);
    let answers: Vec<Response> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..MANY)
            .map(|_| {
                scope.spawn(|| {
                    let mut stream = place.connect().expect("the server listens");
                    barrier.wait();
                    stream.write_all(&octets).expect("it reads");
                    Response::parse(&crate::wire::read_to_end(&mut *stream))
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|one| one.join().expect("no panic"))
            .collect()
    });
    if answers.iter().any(|answer| answer.status >= 500) {
        let log = request.server.log();
        let said: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("status=5"))
            .collect();
        panic!("{said:?}");
    }
    answers
}

/// One success at most, and every other answer a refusal as it ought to be.
fn successes(answers: &[Response]) -> Vec<Tokens> {
    for answer in answers {
        match answer.status {
            200 => {}
            400 => {
                answer.refuses(400, "invalid_grant");
            }
            _ => panic!("{}: {}", answer.status, answer.body),
        }
    }
    let good = answers.iter().filter(|answer| answer.status == 200);
    good.map(Tokens::of).collect()
}

fn one_of_many(apps: &[App], server: &Server) {
    for app in apps {
        // OA-14, OA-15
        let code = app
            .asks()
            .answered(&mut Browser::new(server), "anna")
            .code();
        let given = successes(&at_once(&app.redeems(server, &code)));
        assert_eq!(given.len(), 1, "OA-14: of {MANY}");
        for tokens in &given {
            assert!(!server.is_active(&tokens.access), "OA-15: it was replayed");
            let response = app.refreshes(server, tokens.refresh()).send();
            response.refuses(400, "invalid_grant");
        }
        // BCP-05
        let tokens = app.tokens(server, "anna");
        let given = successes(&at_once(&app.refreshes(server, tokens.refresh())));
        assert!(
            given.len() <= 1,
            "one successor at most, not {}",
            given.len()
        );
        for dead in given.iter().chain([&tokens]) {
            assert!(!server.is_active(&dead.access), "the family is dead");
            let response = app.refreshes(server, dead.refresh()).send();
            response.refuses(400, "invalid_grant");
        }
    }
}

fn apps() -> [App; 2] {
    let rotating = json!("always");
    [
        App::secret("jwt").with("refresh_token_rotation", rotating.clone()),
        App::tls("opaque")
            .with("access_token_format", json!("opaque"))
            .with("refresh_token_rotation", rotating),
    ]
}

#[test]
fn oa_14_bcp_05_in_memory() {
    let apps = apps();
    let server = World::peopled(&apps).start().uncounted();
    one_of_many(&apps, &server);
}

#[test]
fn oa_14_bcp_05_in_a_file() {
    let apps = apps();
    let directory = tempfile::tempdir().expect("a directory");
    let store = format!("file:{}", directory.path().join("store").display());
    let server = World::peopled(&apps)
        .flag("--store", &store)
        .start()
        .uncounted();
    one_of_many(&apps, &server);
}

#[test]
fn oa_14_bcp_05_in_redis_with_two_instances() {
    let redis = RedisServer::start(&[]);
    let apps = apps();
    let world = World::peopled(&apps).flag("--store", &redis.url());
    let secret = world.write("store.secret", "0123456789abcdef0123456789abcdef\n");
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&secret, mode).expect("mine");
    }
    let world = world.flag("--store-secret-file", &secret);
    let (one, two) = (world.start().uncounted(), world.start().uncounted());
    one_of_many(&apps, &one);
    // Half of them at each instance.
    let app = &apps[0];
    let code = app.asks().answered(&mut Browser::new(&one), "anna").code();
    let (here, there) = (app.redeems(&one, &code), app.redeems(&two, &code));
    let given: usize = std::thread::scope(|scope| {
        let sent =
            [&here, &there].map(|request| scope.spawn(move || successes(&at_once(request)).len()));
        sent.into_iter()
            .map(|one| one.join().expect("no panic"))
            .sum()
    });
    assert_eq!(given, 1, "OA-14");
}
