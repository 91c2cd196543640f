//! Files that are read again while the program serves: one that is broken keeps no other from counting.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// SHA-256 of `secret`.
const DIGEST: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

/// How long a change may take to be seen; it is looked for every second.
const PATIENCE: Duration = Duration::from_secs(20);

struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        // One that has ended by itself needs no end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

fn register(path: &Path, client_id: &str) {
    let text = format!(
        r#"[{{"client_id":"{client_id}","token_endpoint_auth_method":"client_secret_post","client_secret_sha256":"{DIGEST}"}}]"#
    );
    std::fs::write(path, text).expect("written");
}

/// The status of a token request; none while nobody listens.
fn status(port: u16, client_id: &str) -> Option<String> {
    let body = format!("grant_type=client_credentials&client_id={client_id}&client_secret=secret");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(
        stream,
        "POST /token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer.get(9..12)?.to_owned())
}

fn until(port: u16, client_id: &str, wanted: &str) {
    let began = Instant::now();
    while status(port, client_id).as_deref() != Some(wanted) {
        assert!(began.elapsed() < PATIENCE, "{client_id}: never {wanted}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_broken_authority_keeps_no_registration_from_counting() {
    let folder = tempfile::tempdir().expect("a folder");
    let (clients, ca) = (folder.path().join("c.json"), folder.path().join("ca.pem"));
    let pki = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pki");
    std::fs::copy(pki.join("ca.crt"), &ca).expect("copied");
    register(&clients, "first");
    let (port, admin) = (free_port(), free_port());
    let child = Command::new(env!("CARGO_BIN_EXE_certbound"))
        .current_dir(folder.path())
        .arg("serve")
        .args(["--issuer", "https://as.example"])
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .args(["--admin-listen", &format!("127.0.0.1:{admin}")])
        .args(["--clients", "c.json", "--client-ca", "ca.pem"])
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    let _served = Served(child);
    until(port, "first", "200");

    // A client is taken out while the authorities are unreadable: it is out all the same.
    std::fs::write(&ca, "nothing of the kind").expect("written");
    register(&clients, "second");
    until(port, "second", "200");
    assert_eq!(status(port, "first").as_deref(), Some("401"));

    // Registrations that are cut off in the middle leave those that were there.
    std::fs::write(&clients, "[{\"client_id\":").expect("written");
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(status(port, "second").as_deref(), Some("200"));
}

/// Waits until the log of that file says so.
fn says(log: &Path, text: &str) {
    let began = Instant::now();
    loop {
        let said = std::fs::read_to_string(log).expect("the log");
        if said.contains(text) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "no {text:?} in {said}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn users_are_read_again_and_a_bad_file_keeps_the_old() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    register(&path("c.json"), "first");
    let users = |text: &str| std::fs::write(path("u.json"), text).expect("written");
    users(r#"[{"username":"alice"}]"#);
    let log = std::fs::File::create(path("log")).expect("a log");
    let (port, admin) = (free_port(), free_port());
    let child = Command::new(env!("CARGO_BIN_EXE_certbound"))
        .current_dir(folder.path())
        .arg("serve")
        .args(["--issuer", "https://as.example"])
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .args(["--admin-listen", &format!("127.0.0.1:{admin}")])
        .args(["--clients", "c.json", "--users", "u.json"])
        .stderr(log)
        .spawn()
        .expect("started");
    let _served = Served(child);
    until(port, "first", "200");

    // What is wrong with a user is said with its line, and keeps no client from coming in.
    users("[{\"username\":\"alice\"},\n{\"username\":\"alice\"}]");
    says(
        &path("log"),
        "kept what this file held before: u.json line 2 (username): user \"alice\": another user has the same name",
    );
    register(&path("c.json"), "second");
    until(port, "second", "200");

    users(r#"[{"username":"alice"},{"username":"bob"},{"username":"carol"}]"#);
    says(&path("log"), "users=3");
}
