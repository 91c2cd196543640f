//! What the store in a file does besides.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use certbound::record::{Changes, Condition, Key, Kind};
use certbound::store::{self, OpenError, Options, Store};

use crate::contract::contract;
use crate::{NOW, await_ready, cause, key, open, put, record, token, value};

fn file_url(path: &Path) -> String {
    format!("file:{}", path.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    contract(open(&file_url(&directory.path().join("store"))).await).await;
}

#[tokio::test]
async fn is_private_and_outlives_its_process() {
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
        .args(["--exact", "file::child_that_works_on_a_file", "--nocapture"])
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
async fn loses_nothing_when_its_process_is_killed() {
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

#[tokio::test]
async fn may_be_killed_while_it_is_made() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for round in 0..20_u64 {
        let path = directory.path().join(round.to_string());
        let mut child = child("commit", &path, None);
        std::thread::sleep(Duration::from_millis(round));
        child.kill().expect("a child can be killed");
        child.wait().expect("a child can be awaited");
        let store = open(&file_url(&path)).await;
        put(&*store, &token("after"), record("after", 60)).await;
    }
}

#[tokio::test]
async fn may_be_damaged() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("store");
    let store = open(&file_url(&path)).await;
    let names: Vec<Key> = (0..500).map(|number| token(&number.to_string())).collect();
    for some in names.chunks(100) {
        let put = |changes: Changes, name: &Key| changes.put(name.clone(), record("whole", 60));
        let changes = some.iter().fold(Changes::none(), put);
        store.commit(&changes, NOW).await.expect("no conditions");
    }
    drop(store);
    let whole = std::fs::read(&path).expect("the file is there");
    for round in 0..40 {
        let mut damaged = whole.clone();
        let from = 4096 + round * (damaged.len() - 4096) / 40;
        damaged[from..(from + 3000).min(whole.len())].fill(0x5a);
        std::fs::write(&path, damaged).expect("a file can be written");
        // Whatever it finds, it says so and nothing else breaks.
        if let Ok(store) = store::open(&file_url(&path), &Options::default()).await {
            for name in &names {
                if let Ok(found) = store.get(std::slice::from_ref(name), NOW).await {
                    assert_eq!(found.len(), 1);
                }
            }
            let changes = Changes::none().put(token("new"), record("new", 60));
            if let Err(error) = store.commit(&changes, NOW).await {
                cause(error);
            }
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
    cause(store.ready().await.expect_err("the disk is full"));

    // Room again, and the store goes on by itself.
    let myself = std::process::id().to_string();
    let lifted = Command::new("prlimit")
        .args(["--pid", &myself, "--fsize=unlimited"])
        .status();
    assert!(
        lifted.is_ok_and(|status| status.success()),
        "prlimit: apt-get install util-linux"
    );
    await_ready(store).await;
    put(store, &token("healed"), record(&large, 600)).await;
    say("survived");
}

#[tokio::test]
async fn survives_a_full_disk() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("store");
    // A limit on the size of files fails a write as a full disk does.
    let child = child(
        "fill",
        &path,
        Some("trap '' XFSZ; ulimit -S -f 8192; exec \"$0\" \"$@\""),
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
    assert!(value(&*store, &token("healed"), NOW).await.is_some());
}
