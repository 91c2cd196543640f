//! What the store in a Redis does besides.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use certbound::record::{Changes, Condition, Key, Kind};
use certbound::store::{self, Options, StoreError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::contract::{contract, contract_of_instances, several_keys};
use crate::support::redis_server::{RedisServer, free_port};
use crate::{NOW, await_ready, cause, info, key, open, put, raw, record, token, told, value};

/// How many connections the server has had.
pub(crate) fn connections(raw: &mut redis::Connection) -> u64 {
    let info = info(raw, "stats");
    let mut lines = info.lines();
    let had = lines.find_map(|line| line.strip_prefix("total_connections_received:"));
    had.and_then(|number| number.parse().ok())
        .expect("INFO stats tells it")
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract_and_every_key_its_end() {
    let server = RedisServer::start(&[]);
    contract_of_instances(&[open(&server.url()).await, open(&server.url()).await]).await;

    let mut raw = raw(&server);
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg("*")
        .query(&mut raw)
        .expect("it answers");
    assert!(keys.len() > 10);
    let mut endless = 0;
    for key in keys {
        assert!(key.starts_with("cb:"), "{key}");
        let left: i64 = redis::cmd("PTTL")
            .arg(&key)
            .query(&mut raw)
            .expect("it answers");
        let stored: Vec<u8> = redis::cmd("GET")
            .arg(&key)
            .query(&mut raw)
            .unwrap_or_default();
        if stored.starts_with(b"- ") {
            endless += 1;
            assert_eq!(left, -1, "{key} has no end");
        } else {
            assert!(left > 0 || left == -2, "{key} is never removed: {left}");
        }
    }
    assert_eq!(endless, 2, "two records of the contract have no end");
}

/// Questions of one moment go together, and each gets its own answer: also where another's is an error,
/// whoever asked went away, or there are more than go at once.
#[tokio::test]
async fn questions_of_one_moment_have_answers_of_their_own() {
    let server = RedisServer::start(&[]);
    let store = open(&server.url()).await;
    for number in 0..600 {
        let name = number.to_string();
        put(store.as_ref(), &token(&name), record(&name, 100)).await;
    }
    let mut raw = raw(&server);
    let broken = format!("cb:{}", token("7").as_str());
    let made: Result<(), _> = redis::pipe()
        .cmd("DEL")
        .arg(&broken)
        .cmd("LPUSH")
        .arg(&broken)
        .arg(1)
        .query(&mut raw);
    made.expect("it answers");
    let sent = |raw: &mut redis::Connection| {
        let info: String = redis::cmd("INFO").arg("stats").query(raw).expect("told");
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix("total_reads_processed:"));
        line.and_then(|number| number.parse::<u64>().ok())
            .expect("INFO stats tells it")
    };
    let before = sent(&mut raw);
    let askers: Vec<_> = (0..700)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let key = token(&number.to_string());
                store.get(std::slice::from_ref(&key), NOW).await
            })
        })
        .collect();
    for gone in askers.iter().step_by(50) {
        gone.abort();
    }
    for (number, asker) in askers.into_iter().enumerate() {
        let Ok(answer) = asker.await else {
            assert_eq!(number % 50, 0, "only those were to go away");
            continue;
        };
        match (number, answer) {
            (7, answer) => assert!(answer.is_err(), "it is no string"),
            (..600, Ok(found)) => {
                let found = found[0].as_ref().expect("it is there");
                assert_eq!(found.value, number.to_string().as_bytes());
            }
            (_, Ok(found)) => assert_eq!(found, [None], "{number}"),
            (_, Err(error)) => panic!("{number}: {error}"),
        }
    }
    let reads = sent(&mut raw) - before;
    assert!(reads < 350, "Redis had to read {reads} times");
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract_over_a_socket() {
    let server = RedisServer::start(&["--requirepass", "hunter2"]);
    let url = format!(
        "redis+unix://{}?pass=hunter2&db=3",
        server.socket().display()
    );
    contract(open(&url).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract_over_tls() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let ca_key = rcgen::KeyPair::generate().expect("a key can be made");
    let mut ca = rcgen::CertificateParams::new(Vec::new()).expect("no names");
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_certificate = ca.self_signed(&ca_key).expect("a CA signs itself");
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let server_key = rcgen::KeyPair::generate().expect("a key can be made");
    let named = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let certificate = named.signed_by(&server_key, &issuer).expect("a CA signs");
    let file = |name: &str, pem: String| {
        let path = directory.path().join(name);
        std::fs::write(&path, pem).expect("a file can be written");
        path.display().to_string()
    };
    let tls_port = free_port();
    let port = tls_port.to_string();
    let (pem, key_pem) = (
        file("pem", certificate.pem()),
        file("key", server_key.serialize_pem()),
    );
    let mut arguments = vec!["--tls-port", &port, "--tls-auth-clients", "no"];
    arguments.extend(["--tls-cert-file", &pem, "--tls-key-file", &key_pem]);
    arguments.extend(["--tls-ca-cert-file", &pem]);
    let _server = RedisServer::start(&arguments);

    let url = format!("rediss://localhost:{tls_port}");
    let options = Options {
        redis_ca: Some(ca_certificate.pem().into_bytes()),
        ..Options::default()
    };
    let store = store::open(&url, &options).await.expect("the store opens");
    contract(store).await;

    // The system's authorities have not issued that certificate.
    let stranger = open(&url).await;
    let refused = cause(stranger.ready().await.expect_err("nobody vouches for it"));
    assert!(refused.to_lowercase().contains("certificate"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn may_start_late_and_restart() {
    let mut server = RedisServer::stopped(&[]);
    let store = open(&server.url()).await;
    let down = Instant::now();
    cause(store.ready().await.expect_err("nobody listens"));
    cause(
        store
            .get(&[token("late")], NOW)
            .await
            .expect_err("nobody listens"),
    );
    assert!(down.elapsed() < Duration::from_secs(3));

    for round in 0..2 {
        server.run();
        await_ready(&*store).await;
        put(&*store, &token("late"), record("there", 60)).await;
        assert_eq!(
            value(&*store, &token("late"), NOW).await.as_deref(),
            Some("there")
        );

        server.stop();
        for what in [
            "the connection that broke",
            "no connection",
            "no connection",
        ] {
            let down = Instant::now();
            let changes = Changes::none()
                .expect(token("lost"), Condition::Absent)
                .put(token("lost"), record("lost", 60));
            let lost = store
                .commit(&changes, NOW)
                .await
                .expect_err("nobody listens");
            assert!(
                matches!(lost, StoreError::Unavailable(_)),
                "{round}, {what}: {lost}"
            );
            assert!(down.elapsed() < Duration::from_secs(3), "{round}, {what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn may_be_silent_for_a_while() {
    let server = RedisServer::start(&[]);
    let store = open(&server.url()).await;
    let names: Vec<Key> = (0..50)
        .map(|number| token(&format!("silent-{number}")))
        .collect();
    for (number, name) in names.iter().enumerate() {
        put(&*store, name, record(&number.to_string(), 600)).await;
    }
    server.signal("STOP");
    let silent = Instant::now();
    let mut tasks = Vec::new();
    for name in names.clone() {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            let asked = Instant::now();
            let answer = store.get(&[name], NOW).await;
            (answer, asked.elapsed())
        }));
    }
    for task in tasks {
        let (answer, took) = task.await.expect("no task panics");
        cause(answer.expect_err("nobody answers"));
        assert!(took < Duration::from_secs(3), "{took:?}");
    }
    cause(store.ready().await.expect_err("nobody answers"));
    tokio::time::sleep(Duration::from_secs(2).saturating_sub(silent.elapsed())).await;
    server.signal("CONT");
    await_ready(&*store).await;
    // Answers that came late are nobody's: each key still has its own value.
    for _ in 0..3 {
        for (number, name) in names.iter().enumerate() {
            assert_eq!(value(&*store, name, NOW).await, Some(number.to_string()));
        }
    }
}

/// Whoever was told that nothing happened finds that nothing did, whenever Redis comes to it.
#[tokio::test(flavor = "multi_thread")]
async fn what_it_comes_to_too_late_it_leaves() {
    let server = RedisServer::start(&[]);
    let store = open(&server.url()).await;
    let (token, once) = (
        key(Kind::RefreshToken, "late"),
        key(Kind::Assertion, "late"),
    );
    let use_up = || {
        Changes::none()
            .expect(token.clone(), Condition::Is(b"new".to_vec()))
            .put(token.clone(), record("used", 600))
    };
    let take_note = || {
        Changes::none()
            .expect(once.clone(), Condition::Absent)
            .put(once.clone(), record("seen", 600))
    };
    // Redis knows the script.
    put(&*store, &token, record("new", 600)).await;
    store.commit(&use_up(), NOW).await.expect("it is so");
    put(&*store, &token, record("new", 600)).await;
    let mut raw = raw(&server);
    let still = Duration::from_millis(1_400);
    for stops in [true, false] {
        let began = Instant::now();
        if stops {
            server.signal("STOP");
        } else {
            // Only what writes is put off.
            let time = still.as_millis().to_string();
            told(&mut raw, &["CLIENT", "PAUSE", &time, "WRITE"]);
        }
        let (used, noted) = (use_up(), take_note());
        let (used, noted) = tokio::join!(store.commit(&used, NOW), store.commit(&noted, NOW));
        cause(used.expect_err("nobody answers"));
        cause(noted.expect_err("nobody answers"));
        tokio::time::sleep(still.saturating_sub(began.elapsed())).await;
        if stops {
            server.signal("CONT");
        }
        await_ready(&*store).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(value(&*store, &token, NOW).await, Some("new".to_owned()));
        assert_eq!(value(&*store, &once, NOW).await, None);
    }
    store.commit(&use_up(), NOW).await.expect("in time");
    store.commit(&take_note(), NOW).await.expect("in time");
}

/// Between a store and its Redis: hands on every command, but drops the connection instead of the
/// answer to the first that contains `fatal`.
async fn drop_the_answer(port: u16, fatal: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let own_port = listener
        .local_addr()
        .expect("a listener has an address")
        .port();
    let armed = Arc::new(AtomicBool::new(true));
    tokio::spawn(async move {
        while let Ok((store, _)) = listener.accept().await {
            tokio::spawn(hand_on(store, port, fatal, Arc::clone(&armed)));
        }
    });
    own_port
}

/// One connection of those.
async fn hand_on(mut store: TcpStream, port: u16, fatal: &'static [u8], armed: Arc<AtomicBool>) {
    let server = TcpStream::connect(("127.0.0.1", port)).await;
    let mut server = server.expect("the server runs");
    let (mut command, mut answer) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        let fine = tokio::select! {
            length = store.read(&mut command) => {
                let length = length.unwrap_or(0);
                let sent = &command[..length];
                let sending = server.write_all(sent).await.is_ok();
                let hit = sent.windows(fatal.len()).any(|part| part == fatal);
                if hit && armed.swap(false, Ordering::Relaxed) {
                    // It has been obeyed when it has been answered.
                    assert!(server.read(&mut answer).await.is_ok_and(|length| length > 0));
                    break;
                }
                length > 0 && sending
            }
            length = server.read(&mut answer) => {
                let length = length.unwrap_or(0);
                length > 0 && store.write_all(&answer[..length]).await.is_ok()
            }
        };
        if !fine {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn is_never_asked_twice() {
    let server = RedisServer::start(&[]);
    for (fatal, beside) in [
        (&b"NX"[..], false),
        (b"EVALSHA", true),
        (b" once\r\n", false),
    ] {
        told(&mut raw(&server), &["FLUSHALL"]);
        // The script is known, so that EVALSHA is all that is sent.
        several_keys(&*open(&server.url()).await).await;
        let port = drop_the_answer(server.port(), fatal).await;
        let store = open(&format!("redis://127.0.0.1:{port}")).await;
        let name = token("once");
        let mut changes = Changes::none()
            .expect(name.clone(), Condition::Absent)
            .put(name.clone(), record("once", 60));
        if beside {
            changes = changes.put(token("once-beside"), record("once", 60));
        }
        // A second attempt would find the first one's work and call it a conflict.
        cause(
            store
                .commit(&changes, NOW)
                .await
                .expect_err("the answer is lost"),
        );
        await_ready(&*store).await;
        assert_eq!(value(&*store, &name, NOW).await.as_deref(), Some("once"));
        assert_eq!(
            store.commit(&changes, NOW).await,
            Err(StoreError::Conflict(name))
        );
    }
}

#[tokio::test]
async fn passwords() {
    let server = RedisServer::start(&["--requirepass", "hunter2"]);
    let port = server.port();
    let right = open(&format!("redis://:hunter2@127.0.0.1:{port}")).await;
    right.ready().await.expect("the password is right");
    for (url, expected) in [
        (format!("redis://:hunter3@127.0.0.1:{port}"), "WRONGPASS"),
        (format!("redis://127.0.0.1:{port}"), "NOAUTH"),
    ] {
        let store = open(&url).await;
        for _ in 0..2 {
            let wrong = cause(store.ready().await.expect_err("the password is wrong"));
            assert!(
                wrong.to_lowercase().contains(&expected.to_lowercase()),
                "{wrong}"
            );
            assert!(!wrong.contains("hunter"), "{wrong}");
        }
        assert!(!store::printable(&url).contains("hunter"));
    }
    // Once the server takes the password that we have, ours works without being opened again.
    let store = open(&format!("redis://:hunter3@127.0.0.1:{port}")).await;
    cause(store.ready().await.expect_err("not yet"));
    let client = redis::Client::open(format!("redis://:hunter2@127.0.0.1:{port}")).expect("a URL");
    let mut raw = client.get_connection().expect("the password is right");
    told(&mut raw, &["CONFIG", "SET", "requirepass", "hunter3"]);
    await_ready(&*store).await;
}

#[tokio::test]
async fn that_cannot_write_is_not_ready() {
    let server = RedisServer::start(&["--maxmemory-policy", "allkeys-lru"]);
    let store = open(&server.url()).await;
    store.ready().await.expect("it can write");
    let warnings = store.warnings().await.expect("it answers");
    assert!(
        warnings
            .iter()
            .any(|warning| warning.contains("allkeys-lru")),
        "{warnings:?}"
    );

    let mut raw = raw(&server);
    let replica = free_port().to_string();
    told(&mut raw, &["REPLICAOF", "127.0.0.1", &replica]);
    let refused = cause(store.ready().await.expect_err("a replica takes no writes"));
    assert!(refused.to_lowercase().contains("read"), "{refused}");
    told(&mut raw, &["REPLICAOF", "NO", "ONE"]);
    let before = connections(&mut raw);
    await_ready(&*store).await;
    assert_eq!(
        connections(&mut raw),
        before + 1,
        "its name might lead to another by now"
    );

    // What is not ours is not taken for a record.
    let foreign = format!("cb:{}", token("foreign").as_str());
    told(&mut raw, &["SET", &foreign, "foreign"]);
    cause(
        store
            .get(&[token("foreign")], NOW)
            .await
            .expect_err("it is not a record"),
    );
    let guarded = Changes::none()
        .expect(token("foreign"), Condition::Absent)
        .put(token("foreign-other"), record("x", 60));
    cause(
        store
            .commit(&guarded, NOW)
            .await
            .expect_err("it is not a record"),
    );
    assert_eq!(value(&*store, &token("foreign-other"), NOW).await, None);

    // The script is sent again when the server has forgotten it.
    told(&mut raw, &["SCRIPT", "FLUSH"]);
    several_keys(&*store).await;
}
