//! Threads that have a connection to Redis of their own, beside the one on which Redis tells of changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use certbound::record::{Changes, Key};
use certbound::store::{Store, StoreError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::copies::{at_hand, copied, name_of, until_gone};
use crate::redis::connections as connections_so_far;
use crate::support::redis_server::{RedisServer, free_port};
use crate::{NOW, info, open, put, raw, record, token, told, value};

/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(5);

/// A thread with a runtime of its own, as those are that serve connections.
struct Thread {
    runtime: Handle,
    end: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<()>>,
}

impl Thread {
    fn start() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("there is room for one more");
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel();
        let thread = thread::spawn(move || drop(runtime.block_on(ended)));
        Self {
            runtime: handle,
            end: Some(end),
            running: Some(thread),
        }
    }

    async fn commit(&self, store: &Arc<dyn Store>, changes: Changes) -> Result<(), StoreError> {
        let store = Arc::clone(store);
        let committing = async move { store.commit(&changes, NOW).await };
        let committed = self.runtime.spawn(committing);
        committed.await.expect("it does not panic")
    }

    async fn put(&self, store: &Arc<dyn Store>, key: &Key) -> Result<(), StoreError> {
        let changes = Changes::none().put(key.clone(), record("x", 600));
        self.commit(store, changes).await
    }

    /// Writes until that goes over a connection of its own, which is none of those, and gives its number. The store's
    /// first connection is the link.
    async fn lane(
        &self,
        store: &Arc<dyn Store>,
        raw: &mut redis::Connection,
        others: &[i64],
    ) -> i64 {
        let began = Instant::now();
        loop {
            let put = self.put(store, &token("again")).await;
            assert_eq!(put, Ok(()));
            let all = connections(raw);
            let mut beside = all.iter().skip(1);
            let own = beside.find(|(number, last)| *last == "set" && !others.contains(number));
            if let Some((number, _)) = own {
                return *number;
            }
            assert!(began.elapsed() < PATIENCE, "it has none of its own");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        drop(self.end.take());
        let ended = self.running.take().map(JoinHandle::join);
        assert!(ended.is_some_and(|ended| ended.is_ok()));
    }
}

/// What came last over each connection but this one.
fn connections(raw: &mut redis::Connection) -> BTreeMap<i64, String> {
    let me: i64 = redis::cmd("CLIENT")
        .arg("ID")
        .query(raw)
        .expect("it answers");
    let list: String = redis::cmd("CLIENT")
        .arg("LIST")
        .query(raw)
        .expect("it answers");
    let one = |line: &str| {
        let field = |name: &str| {
            let mut fields = line.split(' ').filter_map(|field| field.split_once('='));
            let found = fields.find(|(found, _)| *found == name);
            found.expect("Redis tells it").1.to_owned()
        };
        let number = field("id").parse().expect("a number");
        (number, field("cmd"))
    };
    let all = list.lines().map(one);
    all.filter(|(number, _)| *number != me).collect()
}

/// Once something was written from here there is one connection, and that it keeps.
async fn open_here(url: &str) -> Arc<dyn Store> {
    let store = open(url).await;
    put(&*store, &token("here"), record("x", 600)).await;
    store
}

/// A server, a store that has one connection to it, and a thread that may have another.
struct Stage {
    server: RedisServer,
    raw: redis::Connection,
    store: Arc<dyn Store>,
    beside: Thread,
}

impl Stage {
    async fn set() -> Self {
        let server = RedisServer::start(&[]);
        let store = open_here(&server.url()).await;
        Self {
            raw: raw(&server),
            beside: Thread::start(),
            server,
            store,
        }
    }

    /// Until the thread has one of its own.
    async fn lane(&mut self) -> i64 {
        self.beside.lane(&self.store, &mut self.raw, &[]).await
    }

    fn link(&mut self) -> i64 {
        *connections(&mut self.raw).keys().next().expect("one")
    }

    fn is_there(&mut self, connection: i64) -> bool {
        connections(&mut self.raw).contains_key(&connection)
    }

    fn kill(&mut self, connection: i64) {
        told(
            &mut self.raw,
            &["CLIENT", "KILL", "ID", &connection.to_string()],
        );
    }

    async fn put(&self, name: &str) -> Result<(), StoreError> {
        self.beside.put(&self.store, &token(name)).await
    }
}

#[tokio::test]
async fn a_thread_beside_writes_over_a_connection_of_its_own() {
    let server = RedisServer::start(&[]);
    let store = open_here(&server.url()).await;
    let mut raw = raw(&server);
    for _ in 0..50 {
        put(&*store, &token("here"), record("x", 600)).await;
        assert_eq!(connections(&mut raw).len(), 1, "nobody here needs another");
    }
    let (one, two) = (Thread::start(), Thread::start());
    let first = one.lane(&store, &mut raw, &[]).await;
    two.lane(&store, &mut raw, &[first]).await;
    assert_eq!(connections(&mut raw).len(), 3);
    // What is written there is read here, and at hand nowhere any more.
    let name = token("there");
    assert_eq!(one.put(&store, &name).await, Ok(()));
    assert_eq!(copied(&*store, &name).await.as_deref(), Some("x"));
    let delete = Changes::none().delete(name.clone());
    assert_eq!(one.commit(&store, delete).await, Ok(()));
    assert_ne!(at_hand(&*store, &name), Some(Some("x".into())));
    assert_eq!(value(&*store, &name, NOW).await, None);
    assert_eq!(connections(&mut raw)[&first], "del");
}

/// Whatever a thread copies it reads where Redis tells of changes.
#[tokio::test]
async fn what_a_thread_beside_copies_ends_when_it_changes() {
    let mut stage = Stage::set().await;
    stage.lane().await;
    let other = open_here(&stage.server.url()).await;
    let name = token("there");
    put(&*other, &name, record("x", 600)).await;
    let (reader, key) = (Arc::clone(&stage.store), name.clone());
    let reading = async move { copied(&*reader, &key).await };
    let read = stage.beside.runtime.spawn(reading).await;
    assert_eq!(read.expect("it does not panic").as_deref(), Some("x"));
    put(&*other, &name, record("y", 600)).await;
    assert!(until_gone(&*stage.store, &name, Some("x")).await < Duration::from_secs(1));
}

/// As a server does that has a limit for idle ones.
#[tokio::test]
async fn the_end_of_a_threads_connection_costs_nobody_an_answer() {
    let mut stage = Stage::set().await;
    let link = stage.link();
    for _ in 0..3 {
        let lane = stage.lane().await;
        stage.kill(lane);
        // The kernel tells of it, and the thread is to hear.
        tokio::time::sleep(Duration::from_millis(300)).await;
        for number in 0..20 {
            assert_eq!(stage.put("again").await, Ok(()), "{number}");
            assert!(stage.is_there(link), "and with it copies live on");
        }
    }
}

/// Whoever forgets connections that are idle tells nobody.
#[tokio::test]
async fn a_threads_connection_is_not_kept_at_rest() {
    let mut stage = Stage::set().await;
    let lane = stage.lane().await;
    // Not as long as it is needed.
    let (mut before, mut longest) = (Instant::now(), Duration::ZERO);
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(stage.put("again").await, Ok(()));
        longest = longest.max(before.elapsed());
        before = Instant::now();
    }
    // A machine that stood still meanwhile has let it rest.
    if longest < Duration::from_millis(400) {
        assert!(stage.is_there(lane));
    }
    let rests = Instant::now();
    while stage.is_there(lane) {
        assert!(rests.elapsed() < PATIENCE, "it is kept");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(connections(&mut stage.raw).len(), 1);
    stage.lane().await;
}

/// Also where nobody asks: its place with the server may be the one that the next link needs.
#[tokio::test]
async fn a_threads_connection_ends_with_the_link() {
    let mut stage = Stage::set().await;
    let (lane, link) = (stage.lane().await, stage.link());
    stage.kill(link);
    let began = Instant::now();
    while stage.is_there(lane) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(
        began.elapsed() < Duration::from_millis(500),
        "before it rests"
    );
}

/// What is wrong with one connection is not wrong with the server.
#[tokio::test]
async fn a_threads_connection_that_falls_silent_takes_no_other_along() {
    let server = RedisServer::start(&[]);
    let (silent, made) = (Arc::new(AtomicBool::new(false)), AtomicU16::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("it has one").port();
    let (target, swallows) = (server.port(), Arc::clone(&silent));
    // All but the first connection may be swallowed.
    tokio::spawn(async move {
        while let Ok((store, _)) = listener.accept().await {
            let is_first = made.fetch_add(1, Ordering::Relaxed) == 0;
            let server = TcpStream::connect(("127.0.0.1", target)).await;
            let (mut asks, mut is_asked) = store.into_split();
            let (mut answers, mut takes) = server.expect("it runs").into_split();
            tokio::spawn(async move { tokio::io::copy(&mut answers, &mut is_asked).await });
            let swallows = Arc::clone(&swallows);
            tokio::spawn(async move {
                let mut octets = [0; 4096];
                while let Ok(read @ 1..) = asks.read(&mut octets).await {
                    if is_first || !swallows.load(Ordering::Relaxed) {
                        takes.write_all(&octets[..read]).await.expect("it runs");
                    }
                }
            });
        }
    });
    let store = open_here(&format!("redis://127.0.0.1:{port}")).await;
    let beside = Thread::start();
    let mut raw = raw(&server);
    beside.lane(&store, &mut raw, &[]).await;
    let link = *connections(&mut raw).keys().next().expect("one");
    // It does not rest.
    assert_eq!(beside.put(&store, &token("again")).await, Ok(()));
    silent.store(true, Ordering::Relaxed);
    let lost = beside.put(&store, &token("lost")).await;
    assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
    for _ in 0..20 {
        assert_eq!(beside.put(&store, &token("found")).await, Ok(()));
    }
    assert!(connections(&mut raw).contains_key(&link));
}

/// A name that leads now to one server and now to another, both of which take writes.
#[tokio::test]
async fn a_threads_connection_leads_to_the_same_server_or_there_is_none() {
    let (one, two) = (RedisServer::start(&[]), RedisServer::start(&[]));
    lead_to_two(&one, &two).await;
}

/// The same where what is written to the other is soon found in the first one, too.
#[tokio::test]
async fn a_threads_connection_leads_to_no_server_that_is_replicated() {
    let (one, two) = (RedisServer::start(&[]), RedisServer::start(&[]));
    let mut raw = raw(&one);
    told(&mut raw, &["CONFIG", "SET", "replica-read-only", "no"]);
    told(
        &mut raw,
        &["REPLICAOF", "127.0.0.1", &two.port().to_string()],
    );
    let began = Instant::now();
    while !info(&mut raw, "replication").contains("master_link_status:up") {
        assert!(began.elapsed() < PATIENCE * 4, "it does not replicate");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    lead_to_two(&one, &two).await;
}

async fn lead_to_two(one: &RedisServer, two: &RedisServer) {
    let target = Arc::new(AtomicU16::new(one.port()));
    let port = name_of(Arc::clone(&target)).await;
    let store = open_here(&format!("redis://127.0.0.1:{port}")).await;
    target.store(two.port(), Ordering::Relaxed);
    let beside = Thread::start();
    let mut other = raw(two);
    let before = connections_so_far(&mut other);
    let others = connections(&mut other).len();
    let began = Instant::now();
    let mut after = 0;
    while after < 20 {
        let name = token(&format!("{:?}", began.elapsed()));
        assert_eq!(beside.put(&store, &name).await, Ok(()));
        assert_eq!(value(&*store, &name, NOW).await.as_deref(), Some("x"));
        // One was made, and left.
        let tried =
            connections_so_far(&mut other) > before && connections(&mut other).len() == others;
        after += u8::from(tried);
        assert!(began.elapsed() < PATIENCE, "none is tried");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let records = |raw: &mut redis::Connection| -> Vec<String> {
        let found = redis::cmd("KEYS").arg("cb:at*").query(raw);
        found.expect("it answers")
    };
    assert_eq!(records(&mut other), [""; 0]);
    assert!(records(&mut raw(one)).len() > 20);
}

/// A thread that was busy when the link became another writes over that one.
#[tokio::test]
async fn a_threads_connection_is_not_used_beside_another_link() {
    let (one, two) = (RedisServer::start(&[]), RedisServer::start(&[]));
    let target = Arc::new(AtomicU16::new(one.port()));
    let port = name_of(Arc::clone(&target)).await;
    let store = open_here(&format!("redis://127.0.0.1:{port}")).await;
    let beside = Thread::start();
    let mut raw = raw(&one);
    beside.lane(&store, &mut raw, &[]).await;
    let link = *connections(&mut raw).keys().next().expect("one");
    target.store(two.port(), Ordering::Relaxed);
    let (tells, told_of) = oneshot::channel();
    let name = token("there");
    let (writer, key) = (Arc::clone(&store), name.clone());
    let written = beside.runtime.spawn(async move {
        tells.send(()).expect("somebody waits");
        // Nothing else is done on this thread meanwhile.
        thread::sleep(Duration::from_millis(300));
        put(&*writer, &key, record("x", 600)).await;
    });
    told_of.await.expect("it begins");
    told(&mut raw, &["CLIENT", "KILL", "ID", &link.to_string()]);
    let began = Instant::now();
    while store.ready().await.is_err() {
        assert!(began.elapsed() < PATIENCE);
    }
    assert_eq!(value(&*store, &token("here"), NOW).await, None, "elsewhere");
    written.await.expect("it is written");
    assert_eq!(value(&*store, &name, NOW).await.as_deref(), Some("x"));
}

/// What was Redis is Redis no more, and a thread finds it out over its own connection.
#[tokio::test]
async fn a_thread_leaves_a_server_that_takes_no_writes_for_all() {
    let (one, two) = (RedisServer::start(&[]), RedisServer::start(&[]));
    let target = Arc::new(AtomicU16::new(one.port()));
    let port = name_of(Arc::clone(&target)).await;
    let store = open_here(&format!("redis://127.0.0.1:{port}")).await;
    let beside = Thread::start();
    beside.lane(&store, &mut raw(&one), &[]).await;
    target.store(two.port(), Ordering::Relaxed);
    let nobody = free_port().to_string();
    told(&mut raw(&one), &["REPLICAOF", "127.0.0.1", &nobody]);
    let name = token("there");
    let first = beside.put(&store, &name).await;
    // A heartbeat may have found it out before.
    assert!(!matches!(first, Err(StoreError::Conflict(_))), "{first:?}");
    assert_eq!(beside.put(&store, &name).await, Ok(()));
    assert_eq!(value(&*store, &name, NOW).await.as_deref(), Some("x"));
    assert!(!connections(&mut raw(&two)).is_empty());
    beside.lane(&store, &mut raw(&two), &[]).await;
}
