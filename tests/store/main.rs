//! Every store does what the contract in `certbound::store` says.

mod contract;
mod copies;
mod file;
mod lanes;
mod redis;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use certbound::oauth::secret::Digest;
use certbound::oauth::time::{Lifetime, Timestamp};
use certbound::record::{Changes, Key, Kind, Record};
use certbound::store::{self, Options, Store, StoreError};

use support::redis_server::RedisServer;

/// Any time will do: no store asks another clock what to answer.
const NOW: Timestamp = Timestamp::from_unix(1_900_000_000);

fn later(seconds: u64) -> Timestamp {
    NOW.after(Lifetime::from_seconds(seconds))
}

fn key(kind: Kind, name: &str) -> Key {
    Key::new(kind, &Digest::of(name.as_bytes()))
}

/// A connection of its own to that server.
fn raw(server: &RedisServer) -> ::redis::Connection {
    let client = ::redis::Client::open(server.url()).expect("that is a URL");
    client.get_connection().expect("the server runs")
}

/// What the server says of itself.
fn info(raw: &mut ::redis::Connection, section: &str) -> String {
    let said = ::redis::cmd("INFO").arg(section).query(raw);
    said.expect("it answers")
}

/// Has the server do that.
fn told(raw: &mut ::redis::Connection, command: &[&str]) {
    let mut given = ::redis::cmd(command[0]);
    given.arg(&command[1..]);
    let done: ::redis::RedisResult<::redis::Value> = given.query(raw);
    done.expect("the server obeys");
}

fn token(name: &str) -> Key {
    key(Kind::AccessToken, name)
}

fn record(value: &str, seconds: u64) -> Record {
    Record {
        value: value.as_bytes().to_vec(),
        expires: Some(later(seconds)),
    }
}

async fn open(url: &str) -> Arc<dyn Store> {
    store::open(url, &Options::default())
        .await
        .expect("the store opens")
}

async fn value(store: &dyn Store, key: &Key, now: Timestamp) -> Option<String> {
    let mut found = store
        .get(std::slice::from_ref(key), now)
        .await
        .expect("the store answers");
    assert_eq!(found.len(), 1);
    found
        .remove(0)
        .map(|record| String::from_utf8(record.value).expect("tests store text"))
}

async fn put(store: &dyn Store, key: &Key, record: Record) {
    store
        .commit(&Changes::none().put(key.clone(), record), NOW)
        .await
        .expect("nothing conflicts");
}

fn cause(error: StoreError) -> String {
    match error {
        StoreError::Unavailable(cause) => cause,
        StoreError::Conflict(key) => panic!("a conflict on {key:?}, which was to be unavailable"),
    }
}

async fn await_ready(store: &dyn Store) {
    let started = Instant::now();
    while let Err(error) = store.ready().await {
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "it does not heal: {error}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn urls_that_name_no_store() {
    for (url, expected) in [
        ("memory", "write memory:"),
        ("redis", "write redis:"),
        (
            "",
            "write one of memory:, file:, redis:, rediss:, redis+unix:",
        ),
        ("postgres://:hunter2@db", "there is no store \"postgres\""),
        (
            "redis+cluster://:hunter2@a,b",
            "redis+cluster:// is not supported yet by this version",
        ),
        (
            "redis+sentinel://a,b/main",
            "redis+sentinel:// is not supported yet by this version",
        ),
        ("memory:x", "write memory:"),
        ("file:", "needs a path"),
        ("redis://hunter2@localhost", "redis://USER:PASSWORD@HOST"),
    ] {
        let error = store::open(url, &Options::default())
            .await
            .err()
            .expect(url)
            .to_string();
        assert!(error.contains(expected), "{url}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_the_contract() {
    contract::contract(open("memory:").await).await;
}
