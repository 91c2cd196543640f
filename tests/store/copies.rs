//! What a store in Redis keeps of what it was told: true within a second everywhere, and at once where the change
//! was made.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::{Duration, Instant};

use certbound::record::{Changes, Condition, Key, Kind};
use certbound::store::{self, Options, Store, StoreError};
use tokio::net::{TcpListener, TcpStream};

use crate::support::redis_server::{RedisServer, free_port};
use crate::{NOW, key, later, open, put, raw, record, token, told};

/// What must be so everywhere once something has changed.
const SOON: Duration = Duration::from_secs(1);

/// What is at hand of that one record: its value, or that there is none.
#[expect(
    clippy::option_option,
    reason = "nothing at hand is not that there is nothing"
)]
pub(crate) fn at_hand(store: &dyn Store, key: &Key) -> Option<Option<String>> {
    let found = store.at_hand(std::slice::from_ref(key), NOW)?;
    let value = |value: &Vec<u8>| String::from_utf8(value.clone()).expect("tests store text");
    Some(found[0].as_ref().map(|record| value(&record.value)))
}

async fn copy(store: &dyn Store, key: &Key) {
    let found = store.get_and_copy(std::slice::from_ref(key), NOW).await;
    found.expect("the store answers");
}

/// Reads that record until it stays at hand: the connection on which Redis tells of changes is made meanwhile.
pub(crate) async fn copied(store: &dyn Store, key: &Key) -> Option<String> {
    let began = Instant::now();
    loop {
        // Whoever asks while a connection ends may have no answer.
        drop(store.get_and_copy(std::slice::from_ref(key), NOW).await);
        if let Some(found) = at_hand(store, key) {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(5), "no copy is kept");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) async fn until_gone(store: &dyn Store, key: &Key, stale: Option<&str>) -> Duration {
    let began = Instant::now();
    while at_hand(store, key).is_some_and(|found| found.as_deref() == stale) {
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(began.elapsed() < SOON * 3, "{key:?} is still {stale:?}");
    }
    began.elapsed()
}

async fn without_copies(url: &str) -> Arc<dyn Store> {
    let options = Options {
        copies: false,
        ..Options::default()
    };
    store::open(url, &options).await.expect("the store opens")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_anywhere_ends_a_copy_everywhere() {
    let server = RedisServer::start(&[]);
    let (one, two) = (open(&server.url()).await, open(&server.url()).await);
    let (there, absent) = (token("there"), key(Kind::Revoked, "absent"));
    put(&*one, &there, record("x", 60)).await;
    assert_eq!(copied(&*one, &there).await.as_deref(), Some("x"));
    assert_eq!(copied(&*two, &there).await.as_deref(), Some("x"));
    assert_eq!(copied(&*two, &absent).await, None);
    assert_eq!(at_hand(&*one, &token("never asked")), None);
    let both = two.at_hand(&[there.clone(), absent.clone()], NOW);
    assert_eq!(both, Some(vec![Some(record("x", 60)), None]));
    assert_eq!(
        two.at_hand(&[there.clone(), token("never asked")], NOW),
        None,
        "all or nothing"
    );
    let ended = two.at_hand(std::slice::from_ref(&there), later(60));
    assert_eq!(ended, Some(vec![None]), "a copy ends with its record");

    // By a plain command, and by the script.
    for by_script in [false, true] {
        put(&*one, &there, record("x", 60)).await;
        assert_eq!(copied(&*one, &there).await.as_deref(), Some("x"));
        assert_eq!(copied(&*two, &there).await.as_deref(), Some("x"));
        assert_eq!(copied(&*two, &absent).await, None);
        let mut changes = Changes::none().delete(there.clone());
        if by_script {
            changes = changes.put(absent.clone(), record("1", 60));
        }
        one.commit(&changes, NOW).await.expect("no conditions");
        assert_ne!(
            at_hand(&*one, &there),
            Some(Some("x".into())),
            "at once where it was made"
        );
        let took = until_gone(&*two, &there, Some("x")).await;
        assert!(took < SOON, "{took:?}");
        assert_eq!(copied(&*two, &there).await, None);
        if by_script {
            until_gone(&*two, &absent, None).await;
            assert_eq!(copied(&*two, &absent).await.as_deref(), Some("1"));
        }
    }
    put(&*one, &there, record("y", 60)).await;
    assert_eq!(copied(&*two, &there).await.as_deref(), Some("y"));
    told(&mut raw(&server), &["FLUSHALL"]);
    until_gone(&*two, &there, Some("y")).await;
}

/// Whatever one instance answers from memory, another has not changed more than a second before; and what an
/// instance has changed itself it never answers as it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn copies_are_never_behind_what_was_done_here() {
    let server = RedisServer::start(&[]);
    let store = open(&server.url()).await;
    let names: Vec<Key> = (0..20)
        .map(|number| key(Kind::Family, &number.to_string()))
        .collect();
    for name in &names {
        put(&*store, name, record("0", 600)).await;
        copied(&*store, name).await;
    }
    let mut from_memory = 0;
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (store, names) = (Arc::clone(&store), names.clone());
            let done = Arc::clone(&done);
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    for name in &names {
                        copy(&*store, name).await;
                    }
                }
            })
        })
        .collect();
    for round in 1..30_u32 {
        for name in &names {
            put(&*store, name, record(&round.to_string(), 600)).await;
            // Until a reader has copied it again, or for a moment.
            for _ in 0..5 {
                if let Some(found) = at_hand(&*store, name) {
                    assert_eq!(found, Some(round.to_string()), "{name:?} is behind");
                    from_memory += 1;
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.expect("no reader panics");
    }
    assert!(from_memory > 50, "{from_memory} answers came from memory");
}

/// Between a store and its Redis: hands on to the server at that port, which may become another.
pub(crate) async fn name_of(target: Arc<AtomicU16>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port is free");
    let port = listener.local_addr().expect("it has an address").port();
    tokio::spawn(async move {
        while let Ok((mut store, _)) = listener.accept().await {
            let target = target.load(Ordering::Relaxed);
            tokio::spawn(async move {
                if let Ok(mut server) = TcpStream::connect(("127.0.0.1", target)).await {
                    let _ = tokio::io::copy_bidirectional(&mut store, &mut server).await;
                }
            });
        }
    });
    port
}

/// What was Redis is Redis no more, but goes on answering.
#[tokio::test(flavor = "multi_thread")]
async fn copies_are_of_the_server_that_is_written_to() {
    let (one, two) = (RedisServer::start(&[]), RedisServer::start(&[]));
    let target = Arc::new(AtomicU16::new(one.port()));
    let port = name_of(Arc::clone(&target)).await;
    let store = open(&format!("redis://127.0.0.1:{port}")).await;
    let name = token("there");
    put(&*store, &name, record("x", 600)).await;
    put(&*open(&two.url()).await, &name, record("x", 600)).await;
    assert!(copied(&*store, &name).await.is_some());
    // The name leads to another, and the one before takes no writes.
    target.store(two.port(), Ordering::Relaxed);
    let nobody = free_port().to_string();
    told(&mut raw(&one), &["REPLICAOF", "127.0.0.1", &nobody]);
    let delete = Changes::none().delete(name.clone());
    let refused = store.commit(&delete, NOW).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    store
        .commit(&delete, NOW)
        .await
        .expect("the other takes it");
    let deleted = Instant::now();
    while deleted.elapsed() < SOON * 2 {
        assert_ne!(at_hand(&*store, &name), Some(Some("x".into())));
        let found = store.get_and_copy(std::slice::from_ref(&name), NOW).await;
        assert_eq!(found, Ok(vec![None]));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(at_hand(&*store, &name), Some(None));
}

/// The same of whoever only reads, and so is never told that it reads what is old.
#[tokio::test(flavor = "multi_thread")]
async fn who_only_reads_leaves_a_server_that_takes_no_writes() {
    let (one, two) = (RedisServer::start(&[]), RedisServer::start(&[]));
    let target = Arc::new(AtomicU16::new(one.port()));
    let port = name_of(Arc::clone(&target)).await;
    let url = format!("redis://127.0.0.1:{port}");
    let (copying, off) = (open(&url).await, without_copies(&url).await);
    let name = token("there");
    put(&*copying, &name, record("x", 600)).await;
    assert!(copied(&*copying, &name).await.is_some());
    let nobody = free_port().to_string();
    told(&mut raw(&one), &["REPLICAOF", "127.0.0.1", &nobody]);
    // The name leads to it still: nobody answers for what it says.
    tokio::time::sleep(SOON).await;
    for store in [&copying, &off] {
        assert_eq!(at_hand(&**store, &name), None);
        let found = store.get(std::slice::from_ref(&name), NOW).await;
        assert!(
            matches!(found, Err(StoreError::Unavailable(_))),
            "{found:?}"
        );
        assert!(!store.is_there());
    }
    target.store(two.port(), Ordering::Relaxed);
    tokio::time::sleep(SOON).await;
    for store in [&copying, &off] {
        let found = store.get_and_copy(std::slice::from_ref(&name), NOW).await;
        assert_eq!(found, Ok(vec![None]));
        assert!(store.is_there());
    }
    assert_eq!(copied(&*copying, &name).await, None);
}

/// What was allowed once may be so no more.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_no_longer_be_told_asks_every_time() {
    let server = RedisServer::start(&[]);
    permit(&server, "cb", "+ping");
    let port = server.port();
    let store = open(&format!("redis://cb:hunter2@127.0.0.1:{port}")).await;
    let name = token("there");
    put(&*store, &name, record("x", 600)).await;
    assert!(copied(&*store, &name).await.is_some());
    permit(&server, "cb", "-client|caching");
    tokio::time::sleep(SOON).await;
    for _ in 0..30 {
        let found = store.get_and_copy(std::slice::from_ref(&name), NOW).await;
        assert_eq!(found, Ok(vec![Some(record("x", 600))]));
        assert_eq!(at_hand(&*store, &name), None);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(store.warnings().await.expect("it answers").len(), 1);
}

/// A Redis that is busy for longer than anybody waits is no Redis that never tells.
#[tokio::test(flavor = "multi_thread")]
async fn who_could_not_be_told_for_a_while_is_told_again() {
    let server = RedisServer::start(&["--busy-reply-threshold", "10"]);
    let store = open(&server.url()).await;
    let name = token("there");
    put(&*store, &name, record("x", 600)).await;
    assert!(copied(&*store, &name).await.is_some());
    let mut looping = raw(&server);
    let looping = std::thread::spawn(move || {
        let ended: redis::RedisResult<redis::Value> = redis::cmd("EVAL")
            .arg("while true do end")
            .arg(0)
            .query(&mut looping);
        ended.expect_err("it is ended by force");
    });
    tokio::time::sleep(SOON).await;
    for _ in 0..20 {
        let found = store.get(std::slice::from_ref(&name), NOW).await;
        assert!(found.is_err(), "{found:?}");
        assert!(!store.is_there());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    told(&mut raw(&server), &["SCRIPT", "KILL"]);
    looping.join().expect("it has ended");
    assert!(copied(&*store, &name).await.is_some());
    assert_eq!(store.warnings().await, Ok(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_at_hand_while_nobody_tells_of_changes() {
    let mut server = RedisServer::start(&[]);
    let store = open(&server.url()).await;
    let name = token("there");
    put(&*store, &name, record("x", 600)).await;
    assert!(copied(&*store, &name).await.is_some());
    // The connection ends.
    told(&mut raw(&server), &["CLIENT", "KILL", "TYPE", "normal"]);
    let killed = Instant::now();
    while at_hand(&*store, &name).is_some() {
        assert!(
            killed.elapsed() < SOON / 4,
            "the end of the connection was not heard"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(copied(&*store, &name).await.is_some(), "there is another");
    // Redis is silent, as it would be behind a network that swallows everything.
    server.signal("STOP");
    let silent = Instant::now();
    while at_hand(&*store, &name).is_some() {
        assert!(silent.elapsed() < SOON, "what is so now nobody knows");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    server.signal("CONT");
    assert!(copied(&*store, &name).await.is_some(), "it speaks again");
    // Redis is another, which knows nothing of what was there.
    server.stop();
    let stopped = Instant::now();
    while at_hand(&*store, &name).is_some() {
        assert!(
            stopped.elapsed() < SOON / 4,
            "the end of the server was not heard"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    server.run();
    assert_eq!(copied(&*store, &name).await, None);
}

/// A user who may do everything but that.
fn permit(server: &RedisServer, user: &str, command: &str) {
    let all = [
        "ACL", "SETUSER", user, "on", ">hunter2", "~*", "&*", "+@all", command,
    ];
    told(&mut raw(server), &all);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_be_told_asks_every_time() {
    let server = RedisServer::start(&[]);
    let off = without_copies(&server.url()).await;
    let port = server.port();
    let mut limited = Vec::new();
    for (user, command) in [("cb", "-client|tracking"), ("cc", "-client|caching")] {
        permit(&server, user, command);
        limited.push(open(&format!("redis://{user}:hunter2@127.0.0.1:{port}")).await);
    }
    for store in limited.iter().chain([&off]) {
        let name = token("there");
        put(&**store, &name, record("x", 600)).await;
        // Long enough for a connection that would tell.
        for _ in 0..30 {
            let found = store.get_and_copy(std::slice::from_ref(&name), NOW).await;
            assert_eq!(found, Ok(vec![Some(record("x", 600))]));
            assert_eq!(at_hand(&**store, &name), None);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(store.is_there(), "that it is there is known all the same");
    }
    for store in &limited {
        let warnings = store.warnings().await.expect("it answers");
        assert!(
            warnings
                .iter()
                .any(|warning| warning.contains("--answer-cache off")),
            "{warnings:?}"
        );
        assert!(!format!("{warnings:?}").contains("hunter2"));
    }
    assert_eq!(off.warnings().await, Ok(Vec::new()));
    assert_eq!(open(&server.url()).await.warnings().await, Ok(Vec::new()));
}

/// What this instance made is known without a trip, and a commit on that condition finds out whether it is still so.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_here_is_known_and_never_believed() {
    let server = RedisServer::start(&[]);
    let (one, two) = (open(&server.url()).await, open(&server.url()).await);
    let names = [
        key(Kind::RefreshToken, "token"),
        key(Kind::Family, "family"),
    ];
    let made = names.iter().fold(Changes::none(), |changes, name| {
        changes.put(name.clone(), record("new", 60))
    });
    one.commit(&made, NOW).await.expect("no conditions");
    let known = Some(vec![Some(record("new", 60)); 2]);
    assert_eq!(one.last_known(&names, NOW), known);
    assert_eq!(
        one.at_hand(&names, NOW),
        None,
        "nobody tells of changes to it"
    );
    assert_eq!(two.last_known(&names, NOW), None);
    let off = without_copies(&server.url()).await;
    assert_eq!(off.last_known(&names, NOW), None);
    // An opaque access token is asked about elsewhere, or never.
    put(&*one, &token("access"), record("x", 60)).await;
    assert_eq!(one.last_known(&[token("access")], NOW), None);

    let rotate = |value: &str| {
        let was = Condition::Is(value.as_bytes().to_vec());
        Changes::none()
            .expect(names[0].clone(), was)
            .put(names[0].clone(), record("used", 60))
    };
    two.commit(&rotate("new"), NOW).await.expect("it is so");
    assert_eq!(one.last_known(&names, NOW), known, "nobody has told");
    let conflict = one.commit(&rotate("new"), NOW).await;
    assert_eq!(conflict, Err(StoreError::Conflict(names[0].clone())));
    assert_eq!(
        one.last_known(&names, NOW),
        None,
        "now it is known to be wrong"
    );
}
