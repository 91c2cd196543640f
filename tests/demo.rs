//! `certbound demo`, run as a newcomer runs it: to its end, and with its commands pasted into a shell.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// How many steps the story has.
const STEPS: usize = 36;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn demo() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_certbound"));
    // What the environment says of another deployment is not for this one.
    command
        .arg("demo")
        .env("CERTBOUND_ISSUER", "https://elsewhere.example.com")
        .env("CERTBOUND_STORE", "redis://127.0.0.1:1")
        .stdin(Stdio::null());
    command
}

/// The folder that the text tells the reader to go to.
fn folder(text: &str) -> PathBuf {
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("cd "));
    line.expect("a folder is named").into()
}

/// A command of the text, and the status that is said to be its answer, where one is.
#[derive(Debug)]
struct Printed {
    command: String,
    status: Option<u16>,
}

fn printed(text: &str) -> Vec<Printed> {
    let mut found = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if !line.starts_with("curl ") {
            continue;
        }
        let mut command = line.to_owned();
        while command.ends_with('\\') {
            command.push('\n');
            command.push_str(lines.next().expect("a command has an end"));
        }
        let status = lines
            .clone()
            .find(|line| !line.is_empty())
            .and_then(|line| line.get(..3)?.parse().ok());
        found.push(Printed { command, status });
    }
    found
}

fn said(output: &Output) -> (String, String) {
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).expect("UTF-8");
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn it_ends_well_and_leaves_nothing() {
    let output = demo().arg("--exit").output().expect("it can be run");
    let (told, complaints) = said(&output);
    assert_eq!(output.status.code(), Some(0), "{told}\n{complaints}");
    assert_eq!(complaints, "");
    for number in 1..=STEPS {
        let number = format!("{number:2}. ");
        let found = told.lines().filter(|line| line.starts_with(&number));
        assert_eq!(found.count(), 1, "{number}");
    }
    let marks = |mark: &str| {
        let marked = told.lines().filter(|line| line.trim().starts_with(mark));
        marked.count()
    };
    assert_eq!((marks("✓"), marks("✗")), (STEPS, 0), "{told}");
    assert_eq!(printed(&told).len(), STEPS);
    assert!(told.contains(&format!("All {STEPS} steps went as they must.")));
    let folder = folder(&told);
    assert!(folder.is_absolute() && !folder.exists(), "{folder:?}");
    // It stays readable in a narrow window.
    let widest = told.lines().map(|line| line.chars().count()).max();
    assert!(widest.is_some_and(|width| width <= 100), "{widest:?}");
}

#[test]
fn a_folder_that_was_asked_for_stays_and_serves() {
    let place = tempfile::tempdir().expect("a directory");
    let kept = place.path().join("it's kept");
    let run = || {
        let output = demo().arg("--exit").arg("--dir").arg(&kept).output();
        output.expect("it can be run")
    };
    let output = run();
    assert_eq!(output.status.code(), Some(0), "{:?}", said(&output));
    let mode = |path: &Path| {
        let metadata = std::fs::metadata(path).expect("it is there");
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode(&kept), 0o700);
    for entry in std::fs::read_dir(&kept).expect("it can be read") {
        let path = entry.expect("an entry").path();
        assert_eq!(mode(&path), 0o600, "{path:?}");
    }
    // The configuration is one that serve takes without a warning.
    let check = Command::new(env!("CARGO_BIN_EXE_certbound"))
        .args(["check", "--config"])
        .arg(kept.join("certbound.toml"))
        .output()
        .expect("it can be run");
    assert_eq!(check.status.code(), Some(0), "{:?}", said(&check));
    // What is there already is not overwritten.
    let again = run();
    assert_eq!(again.status.code(), Some(2));
    assert!(said(&again).1.contains("is not empty"));
}

/// Killed when a test gives up on it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended cannot be killed, and need not be.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts it and reads what it prints until it says that it goes on running.
fn up() -> (Running, String, Receiver<String>) {
    let child = demo().stdout(Stdio::piped()).spawn();
    let mut running = Running(child.expect("it can be run"));
    let stdout = running.0.stdout.take().expect("it is piped");
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let mut told = String::new();
    while !told.contains("--dir DIR keeps one") {
        let line = lines.recv_timeout(PATIENCE).expect("it says something");
        told.push_str(&line);
        told.push('\n');
    }
    (running, told, lines)
}

fn signalled(mut running: Running, lines: &Receiver<String>, signal: &str) -> Option<i32> {
    let killed = Command::new("bash")
        .args(["-c", &format!("kill -{signal} {}", running.0.id())])
        .status();
    assert!(killed.expect("bash is there").success());
    // The pipe ends with the process.
    while lines.recv_timeout(PATIENCE).is_ok() {}
    running.0.wait().expect("it has ended").code()
}

#[test]
fn what_it_prints_can_be_pasted() {
    let (running, told, lines) = up();
    let folder = folder(&told);
    assert!(folder.exists());
    let commands = printed(&told);
    assert!(commands.len() > STEPS, "{commands:?}");
    for Printed { command, status } in &commands {
        let output = Command::new("bash")
            .args(["-c", command])
            .current_dir(&folder)
            .env("NO_PROXY", "*")
            .env("no_proxy", "*")
            .output()
            .expect("bash is there");
        let (answer, complaint) = said(&output);
        assert!(
            output.status.success(),
            "{command}: {complaint} (curl comes by: apt-get install curl)"
        );
        let answered = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
        let expected = status.unwrap_or(200);
        assert_eq!(answered, Some(expected), "{command}\n{answer}");
    }
    assert_eq!(signalled(running, &lines, "INT"), Some(0));
    assert!(!folder.exists());
}

/// The local addresses at which the process listens, as the kernel writes them.
fn listening(process: u32, table: &str) -> Vec<String> {
    let proc = PathBuf::from(format!("/proc/{process}"));
    let sockets: Vec<PathBuf> = std::fs::read_dir(proc.join("fd"))
        .expect("the process is ours")
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .collect();
    let table = std::fs::read_to_string(proc.join("net").join(table)).unwrap_or_default();
    let lines = table.lines().skip(1);
    lines
        .filter_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let socket = PathBuf::from(format!("socket:[{}]", columns.get(9)?));
            let listens = *columns.get(3)? == "0A" && sockets.contains(&socket);
            listens.then(|| columns[1].to_owned())
        })
        .collect()
}

#[test]
fn nobody_can_reach_it_from_elsewhere() {
    let (running, _, lines) = up();
    let addresses = listening(running.0.id(), "tcp");
    assert_eq!(addresses.len(), 3, "{addresses:?}");
    let loopback = format!("{:08X}:", u32::from_ne_bytes([127, 0, 0, 1]));
    assert!(
        addresses.iter().all(|at| at.starts_with(&loopback)),
        "{addresses:?}"
    );
    assert_eq!(listening(running.0.id(), "tcp6"), Vec::<String>::new());
    assert_eq!(signalled(running, &lines, "INT"), Some(0));
}

#[test]
fn it_does_not_outlive_its_terminal() {
    for signal in ["HUP", "TERM"] {
        let (running, told, lines) = up();
        assert_eq!(signalled(running, &lines, signal), Some(0), "{signal}");
        assert!(!folder(&told).exists());
    }
}
