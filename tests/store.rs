//! Every store does what the contract in `certbound::store` says.

mod support;

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use certbound::oauth::secret::Digest;
use certbound::oauth::time::{Lifetime, Timestamp};
use certbound::record::{Changes, Condition, Key, Kind, Record};
use certbound::store::{self, OpenError, Options, Store, StoreError};
use support::redis_server::{RedisServer, free_port};

/// Any time will do: no store asks another clock what to answer.
const NOW: Timestamp = Timestamp::from_unix(1_900_000_000);

fn later(seconds: u64) -> Timestamp {
    NOW.after(Lifetime::from_seconds(seconds))
}

fn key(kind: Kind, name: &str) -> Key {
    Key::new(kind, &Digest::of(name.as_bytes()))
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

// --- what every store does ---

async fn contract(store: Arc<dyn Store>) {
    store.ready().await.expect("the store is ready");
    reads(&*store).await;
    ends(&*store).await;
    conditions(&*store).await;
    several_keys(&*store).await;
    one_winner(&store).await;
    compare_and_swap(&store).await;
}

async fn reads(store: &dyn Store) {
    let names = ["reads-1", "reads-2", "reads-3"].map(token);
    assert_eq!(store.get(&[], NOW).await, Ok(Vec::new()));
    assert_eq!(store.get(&names, NOW).await, Ok(vec![None, None, None]));
    store
        .commit(&Changes::none(), NOW)
        .await
        .expect("nothing to do");

    put(store, &names[0], record("first", 60)).await;
    let endless = Record {
        value: vec![0, 32, 255],
        expires: None,
    };
    put(store, &names[2], endless.clone()).await;
    let order = [&names[2], &names[1], &names[0], &names[2]].map(Clone::clone);
    let found = store.get(&order, NOW).await.expect("the store answers");
    let first = record("first", 60);
    assert_eq!(
        found,
        [Some(endless.clone()), None, Some(first), Some(endless)]
    );

    put(store, &names[0], record("second", 90)).await;
    let found = store
        .get(&names[..1], NOW)
        .await
        .expect("the store answers");
    assert_eq!(found, [Some(record("second", 90))]);

    put(
        store,
        &names[0],
        Record {
            value: Vec::new(),
            expires: None,
        },
    )
    .await;
    assert_eq!(value(store, &names[0], NOW).await.as_deref(), Some(""));

    for _ in 0..2 {
        let delete = Changes::none().delete(names[0].clone());
        store
            .commit(&delete, NOW)
            .await
            .expect("deleting what is gone is no conflict");
        assert_eq!(value(store, &names[0], NOW).await, None);
    }
    // The last operation on a key has the last word.
    let twice = Changes::none()
        .put(names[0].clone(), record("a", 60))
        .delete(names[0].clone())
        .put(names[0].clone(), record("b", 60));
    store.commit(&twice, NOW).await.expect("no conditions");
    assert_eq!(value(store, &names[0], NOW).await.as_deref(), Some("b"));
}

async fn ends(store: &dyn Store) {
    let name = token("ends");
    put(store, &name, record("short", 2)).await;
    assert_eq!(
        value(store, &name, later(1)).await.as_deref(),
        Some("short")
    );
    assert_eq!(
        value(store, &name, later(2)).await,
        None,
        "the end is not part of the life"
    );

    // What has ended is absent, and nothing else.
    let conflict = Err(StoreError::Conflict(name.clone()));
    let again = Changes::none()
        .expect(name.clone(), Condition::Absent)
        .put(name.clone(), record("again", 60));
    assert_eq!(store.commit(&again, later(1)).await, conflict);
    let is = Changes::none().expect(name.clone(), Condition::Is(b"short".to_vec()));
    assert_eq!(store.commit(&is, later(1)).await, Ok(()));
    assert_eq!(store.commit(&is, later(2)).await, conflict);
    assert_eq!(store.commit(&again, later(2)).await, Ok(()));
    assert_eq!(
        value(store, &name, later(2)).await.as_deref(),
        Some("again")
    );

    // What is put too late was never there, and takes away what was.
    for (changes, what) in [
        (Changes::none(), "alone"),
        (
            Changes::none().expect(token("ends-not"), Condition::Absent),
            "with a condition",
        ),
    ] {
        let late = record(what, 5);
        store
            .commit(&changes.put(name.clone(), late), later(5))
            .await
            .expect("nothing conflicts");
        assert_eq!(value(store, &name, NOW).await, None, "{what}");
        put(store, &name, record("again", 60)).await;
    }

    let far = Record {
        value: b"far".to_vec(),
        expires: Some(Timestamp::from_unix(u64::MAX)),
    };
    put(store, &name, far.clone()).await;
    assert_eq!(store.get(&[name], NOW).await, Ok(vec![Some(far)]));
}

async fn conditions(store: &dyn Store) {
    let (name, other) = (token("conditions"), token("conditions-other"));
    let absent = |value: &str| {
        Changes::none()
            .expect(name.clone(), Condition::Absent)
            .put(name.clone(), record(value, 60))
    };
    let is = |value: &str| Changes::none().expect(name.clone(), Condition::Is(value.into()));
    let conflict = Err(StoreError::Conflict(name.clone()));

    assert_eq!(
        store.commit(&is("first"), NOW).await,
        conflict,
        "absent is no value"
    );
    assert_eq!(
        store.commit(&is(""), NOW).await,
        conflict,
        "absent is not the empty value"
    );
    assert_eq!(store.commit(&absent("first"), NOW).await, Ok(()));
    assert_eq!(store.commit(&absent("second"), NOW).await, conflict);
    assert_eq!(value(store, &name, NOW).await.as_deref(), Some("first"));

    for wrong in ["firs", "first ", "First", ""] {
        let swap = is(wrong).put(name.clone(), record("stolen", 60));
        assert_eq!(store.commit(&swap, NOW).await, conflict, "{wrong:?}");
    }
    let swap = is("first").put(name.clone(), record("second", 60));
    assert_eq!(store.commit(&swap, NOW).await, Ok(()));
    assert_eq!(store.commit(&swap, NOW).await, conflict);
    assert_eq!(value(store, &name, NOW).await.as_deref(), Some("second"));

    // Conditions alone may be asked, and be of other keys than the operations.
    assert_eq!(store.commit(&is("second"), NOW).await, Ok(()));
    let guarded = is("second").put(other.clone(), record("beside", 60));
    assert_eq!(store.commit(&guarded, NOW).await, Ok(()));
    assert_eq!(value(store, &other, NOW).await.as_deref(), Some("beside"));
    let delete = is("second").delete(name.clone());
    assert_eq!(store.commit(&delete, NOW).await, Ok(()));
    assert_eq!(store.commit(&delete, NOW).await, conflict);
    assert_eq!(store.commit(&absent("third"), NOW).await, Ok(()));
}

async fn several_keys(store: &dyn Store) {
    let [there, gone, new] = ["several-1", "several-2", "several-3"].map(token);
    put(store, &there, record("there", 60)).await;
    // The first condition holds, the second does not: its key is named and nothing is done.
    let refused = Changes::none()
        .expect(there.clone(), Condition::Is(b"there".to_vec()))
        .expect(gone.clone(), Condition::Is(b"there".to_vec()))
        .expect(there.clone(), Condition::Absent)
        .delete(there.clone())
        .put(new.clone(), record("new", 60));
    assert_eq!(
        store.commit(&refused, NOW).await,
        Err(StoreError::Conflict(gone.clone()))
    );
    assert_eq!(value(store, &there, NOW).await.as_deref(), Some("there"));
    assert_eq!(value(store, &new, NOW).await, None);

    let made = Changes::none()
        .expect(there.clone(), Condition::Is(b"there".to_vec()))
        .expect(gone.clone(), Condition::Absent)
        .delete(there.clone())
        .put(
            gone.clone(),
            Record {
                value: b"for ever".to_vec(),
                expires: None,
            },
        )
        .put(new.clone(), record("new", 60));
    assert_eq!(store.commit(&made, NOW).await, Ok(()));
    let found = store
        .get(&[there, gone, new], NOW)
        .await
        .expect("the store answers");
    let values: Vec<_> = found
        .into_iter()
        .map(|record| record.map(|record| record.value))
        .collect();
    assert_eq!(
        values,
        [None, Some(b"for ever".to_vec()), Some(b"new".to_vec())]
    );
}

/// Two hundred at once want the same key: one gets it, and only that one's other key is there.
async fn one_winner(store: &Arc<dyn Store>) {
    for alone in [true, false] {
        let contested = token(if alone { "winner-alone" } else { "winner" });
        let mut tasks = Vec::new();
        for index in 0..200 {
            let (store, contested) = (Arc::clone(store), contested.clone());
            tasks.push(tokio::spawn(async move {
                let mut changes = Changes::none()
                    .expect(contested.clone(), Condition::Absent)
                    .put(contested, record(&index.to_string(), 60));
                if !alone {
                    changes = changes.put(token(&format!("prize-{index}")), record("prize", 60));
                }
                store.commit(&changes, NOW).await
            }));
        }
        let mut winners = Vec::new();
        for (index, task) in tasks.into_iter().enumerate() {
            match task.await.expect("no task panics") {
                Ok(()) => winners.push(index.to_string()),
                Err(error) => assert_eq!(error, StoreError::Conflict(contested.clone())),
            }
        }
        assert_eq!(winners.len(), 1, "{winners:?}");
        assert_eq!(value(&**store, &contested, NOW).await, winners.pop());
    }
    let prizes: Vec<_> = (0..200)
        .map(|index| token(&format!("prize-{index}")))
        .collect();
    let found = store.get(&prizes, NOW).await.expect("the store answers");
    assert_eq!(found.iter().flatten().count(), 1);
}

/// Two hundred increments by twenty tasks, each made until nobody came in between.
async fn compare_and_swap(store: &Arc<dyn Store>) {
    let counter = token("counter");
    put(&**store, &counter, record("0", 60)).await;
    let mut tasks = Vec::new();
    for _ in 0..20 {
        let (store, counter) = (Arc::clone(store), counter.clone());
        tasks.push(tokio::spawn(async move {
            for _ in 0..10 {
                loop {
                    let seen = value(&*store, &counter, NOW)
                        .await
                        .expect("the counter is there");
                    let next: u32 = seen.parse::<u32>().expect("the counter is a number") + 1;
                    let swap = Changes::none()
                        .expect(counter.clone(), Condition::Is(seen.into_bytes()))
                        .put(counter.clone(), record(&next.to_string(), 60));
                    match store.commit(&swap, NOW).await {
                        Ok(()) => break,
                        Err(StoreError::Conflict(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        }));
    }
    for task in tasks {
        task.await.expect("no task panics");
    }
    assert_eq!(value(&**store, &counter, NOW).await.as_deref(), Some("200"));
}

// --- opening ---

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

// --- memory: ---

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_the_contract() {
    contract(open("memory:").await).await;
}

// --- file: ---

fn file_url(path: &Path) -> String {
    format!("file:{}", path.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn file_keeps_the_contract() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    contract(open(&file_url(&directory.path().join("store"))).await).await;
}

#[tokio::test]
async fn file_is_private_and_outlives_its_process() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("store");
    let store = open(&file_url(&path)).await;
    let mode = || {
        std::fs::metadata(&path)
            .expect("the file is there")
            .permissions()
            .mode()
    };
    assert_eq!(mode() & 0o777, 0o600);
    assert_eq!(store.warnings().await, Ok(Vec::new()));
    put(&*store, &token("kept"), record("kept", 60)).await;

    let second = store::open(&file_url(&path), &Options::default())
        .await
        .err()
        .expect("in use");
    assert!(
        second.to_string().contains("in use by another certbound"),
        "{second}"
    );
    drop(store);

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("it is ours");
    let store = open(&file_url(&path)).await;
    assert_eq!(
        value(&*store, &token("kept"), NOW).await.as_deref(),
        Some("kept")
    );
    assert_eq!(store.warnings().await.map(|warnings| warnings.len()), Ok(1));
}

#[tokio::test]
async fn files_that_cannot_be_a_store() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| directory.path().join(name);
    std::fs::write(at("text"), "keep me, I am no store at all").expect("a file can be written");
    for (path, expected) in [
        (at("none/store"), "there is no directory"),
        (directory.path().to_owned(), "is a directory"),
        (at("text"), "not a store of certbound's"),
    ] {
        let opened = store::open(&file_url(&path), &Options::default()).await;
        match opened.err() {
            Some(OpenError::Refused(cause)) => assert!(cause.contains(expected), "{cause}"),
            other => panic!("{}: {other:?}", path.display()),
        }
    }
    let text = std::fs::read_to_string(at("text")).expect("the file is still there");
    assert_eq!(text, "keep me, I am no store at all");

    // A creation that was interrupted: the length is there, the rest is not.
    std::fs::write(at("interrupted"), vec![0; 1 << 20]).expect("a file can be written");
    contract(open(&file_url(&at("interrupted"))).await).await;
}

/// Says to `child`, below, which store it shall work on, and how.
const CHILD: &str = "CERTBOUND_TEST_CHILD";

fn child(work: &str, path: &Path, wrapper: Option<&str>) -> Child {
    let program = std::env::current_exe().expect("a test knows its own program");
    let mut command = match wrapper {
        Some(script) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", script]).arg(program);
            shell
        }
        None => Command::new(program),
    };
    command
        .args(["--exact", "child_that_works_on_a_file", "--nocapture"])
        .env(CHILD, format!("{work}:{}", path.display()))
        .stdout(Stdio::piped())
        .spawn()
        .expect("a test can start itself")
}

/// The other process of the tests below; does nothing when run by itself.
#[tokio::test(flavor = "multi_thread")]
async fn child_that_works_on_a_file() {
    let Some(task) = std::env::var_os(CHILD) else {
        return;
    };
    let task = task.into_string().expect("the parent writes text");
    let (work, path) = task
        .split_once(':')
        .expect("the parent names the work and the file");
    let store = open(&file_url(Path::new(path))).await;
    match work {
        "commit" => commit_for_ever(&store).await,
        "fill" => fill(&*store).await,
        _ => panic!("no such work"),
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .expect("the parent listens");
}

fn pair(name: &str) -> [Key; 2] {
    [key(Kind::AccessToken, name), key(Kind::Family, name)]
}

/// Eight tasks commit pairs of records and say so when, and only when, they have been promised.
async fn commit_for_ever(store: &Arc<dyn Store>) {
    let mut tasks = Vec::new();
    for task in 0..8 {
        let store = Arc::clone(store);
        tasks.push(tokio::spawn(async move {
            for number in 0_u32.. {
                let name = format!("{}-{task}-{number}", std::process::id());
                let [one, two] = pair(&name);
                let changes = Changes::none()
                    .expect(one.clone(), Condition::Absent)
                    .put(one, record(&name, 600))
                    .put(two, record(&name, 600));
                say(&format!("try {name}"));
                store
                    .commit(&changes, NOW)
                    .await
                    .expect("nothing conflicts");
                say(&format!("done {name}"));
            }
        }));
    }
    for task in tasks {
        task.await.expect("no task panics");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn file_loses_nothing_when_its_process_is_killed() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("store");
    let (mut tried, mut done) = (Vec::new(), Vec::new());
    for round in 0_usize..6 {
        let mut child = child("commit", &path, None);
        let lines = BufReader::new(child.stdout.take().expect("it is piped"));
        let wanted = done.len() + 50 + 90 * round;
        // All that the child said before it died is read, to the end of the pipe.
        for line in lines.lines().map_while(Result::ok) {
            if let Some((_, name)) = line.split_once("try ") {
                tried.push(name.to_owned());
            } else if let Some((_, name)) = line.split_once("done ") {
                done.push(name.to_owned());
                if done.len() == wanted {
                    child.kill().expect("a child can be killed");
                }
            }
        }
        child.wait().expect("a child can be awaited");
        assert!(done.len() >= wanted, "the child ended before it was killed");

        let store = open(&file_url(&path)).await;
        for name in &done {
            let found = store
                .get(&pair(name), NOW)
                .await
                .expect("the store answers");
            assert_eq!(found.iter().flatten().count(), 2, "{name} was acknowledged");
        }
        for name in &tried {
            let found = store
                .get(&pair(name), NOW)
                .await
                .expect("the store answers");
            assert_ne!(found.iter().flatten().count(), 1, "{name} was made by half");
        }
    }
}

/// Writes until the disk is full; what was promised must be there all the same.
async fn fill(store: &dyn Store) {
    let large = "x".repeat(50_000);
    let mut promised = Vec::new();
    let failure = loop {
        let name = format!("fill-{}", promised.len());
        let changes = Changes::none().put(token(&name), record(&large, 600));
        match store.commit(&changes, NOW).await {
            Ok(()) => promised.push(name),
            Err(error) => break cause(error),
        }
        assert!(promised.len() < 10_000, "the disk is never full");
    };
    assert!(failure.contains("the store's file"), "{failure}");
    assert!(promised.len() > 5, "the disk was full from the start");
    for name in &promised {
        assert!(
            value(store, &token(name), NOW).await.is_some(),
            "{name} while the disk is full"
        );
        say(&format!("done {name}"));
    }
    say("survived");
}

#[tokio::test]
async fn file_survives_a_full_disk() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("store");
    // A limit on the size of files fails a write as a full disk does.
    let child = child(
        "fill",
        &path,
        Some("trap '' XFSZ; ulimit -f 8192; exec \"$0\" \"$@\""),
    );
    let output = child.wait_with_output().expect("a child can be awaited");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("survived"),
        "{said}"
    );
    let store = open(&file_url(&path)).await;
    for name in said
        .lines()
        .filter_map(|line| line.split_once("done "))
        .map(|(_, name)| name)
    {
        assert!(
            value(&*store, &token(name), NOW).await.is_some(),
            "{name} was acknowledged"
        );
    }
    put(&*store, &token("after"), record("room again", 60)).await;
}

// --- redis: ---

fn raw(server: &RedisServer) -> redis::Connection {
    let client = redis::Client::open(server.url()).expect("that is a URL");
    client.get_connection().expect("the server runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_the_contract_and_every_key_its_end() {
    let server = RedisServer::start(&[]);
    contract(open(&server.url()).await).await;

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

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_the_contract_over_a_socket() {
    let server = RedisServer::start(&["--requirepass", "hunter2"]);
    let url = format!(
        "redis+unix://{}?pass=hunter2&db=3",
        server.socket().display()
    );
    contract(open(&url).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_the_contract_over_tls() {
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
    };
    let store = store::open(&url, &options).await.expect("the store opens");
    contract(store).await;

    // The system's authorities have not issued that certificate.
    let stranger = open(&url).await;
    let refused = cause(stranger.ready().await.expect_err("nobody vouches for it"));
    assert!(refused.to_lowercase().contains("certificate"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_may_start_late_and_restart() {
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

#[tokio::test(flavor = "multi_thread")]
async fn redis_may_be_silent_for_a_while() {
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

#[tokio::test]
async fn redis_passwords() {
    let server = RedisServer::start(&["--requirepass", "hunter2"]);
    let port = server.port();
    let right = open(&format!("redis://:hunter2@127.0.0.1:{port}")).await;
    right.ready().await.expect("the password is right");
    for (url, expected) in [
        (
            format!("redis://:hunter3@127.0.0.1:{port}"),
            "authentication",
        ),
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
    let set: redis::RedisResult<()> = redis::cmd("CONFIG")
        .arg(&["SET", "requirepass", "hunter3"])
        .query(&mut raw);
    set.expect("the server obeys");
    await_ready(&*store).await;
}

#[tokio::test]
async fn redis_that_cannot_write_is_not_ready() {
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
    assert!(
        warnings
            .iter()
            .any(|warning| warning.contains("appendonly")),
        "{warnings:?}"
    );

    let mut raw = raw(&server);
    let replica = free_port().to_string();
    let set: redis::RedisResult<()> = redis::cmd("REPLICAOF")
        .arg(&["127.0.0.1", &replica])
        .query(&mut raw);
    set.expect("the server obeys");
    let refused = cause(store.ready().await.expect_err("a replica takes no writes"));
    assert!(refused.to_lowercase().contains("read"), "{refused}");
    let promoted: redis::RedisResult<()> =
        redis::cmd("REPLICAOF").arg(&["NO", "ONE"]).query(&mut raw);
    promoted.expect("the server obeys");
    await_ready(&*store).await;

    // What is not ours is not taken for a record.
    let foreign = format!("cb:{}", token("foreign").as_str());
    let set: redis::RedisResult<()> = redis::cmd("SET")
        .arg(&[&*foreign, "foreign"])
        .query(&mut raw);
    set.expect("the server obeys");
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
    let flush: redis::RedisResult<()> = redis::cmd("SCRIPT").arg("FLUSH").query(&mut raw);
    flush.expect("the server obeys");
    several_keys(&*store).await;
}
