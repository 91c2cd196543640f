//! A world that reads as a sentence: registered clients, flags, and the real program serving them.
//!
//! When a server is gone its whole log is read: nothing secret is in it, and there is one line for
//! every request that was refused and one for every token that was issued.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::pki::{dn, pki};
use crate::request::Request;
use crate::wire::{Place, Response};

pub(crate) const ISSUER: &str = "https://as.example.com";

/// The secret of the clients that have one, and its SHA-256.
pub(crate) const SECRET: &str = "quite-a-long-secret-of-the-client-4711";

/// How long a server may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn sha256_hex(text: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(text.as_bytes())
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect()
}

/// A `tls_client_auth` client by subject.
pub(crate) fn tls_client(id: &str) -> Value {
    json!({
        "client_id": id,
        "token_endpoint_auth_method": "tls_client_auth",
        "tls_client_auth_subject_dn": dn(id),
        "grant_types": ["client_credentials"],
        "scope": "orders.read orders.write",
    })
}

/// A client by another method, with those further members.
pub(crate) fn client(id: &str, method: &str, more: Value) -> Value {
    let mut client = json!({
        "client_id": id,
        "token_endpoint_auth_method": method,
        "grant_types": ["client_credentials"],
    });
    let Value::Object(more) = more else {
        panic!("members are an object");
    };
    for (name, value) in more {
        client[name] = value;
    }
    client
}

/// A client with a secret.
pub(crate) fn secret_client(id: &str, more: Value) -> Value {
    let mut client = client(id, "client_secret_basic", more);
    client["client_secret_sha256"] = json!(sha256_hex(SECRET));
    client
}

/// A world before its servers start.
pub(crate) struct World {
    directory: Arc<TempDir>,
    flags: Vec<String>,
    clients: Vec<Value>,
    environment: Vec<(String, String)>,
    issuer: String,
    started: AtomicUsize,
    tcp: bool,
    descriptors: Option<(u32, u32)>,
}

impl World {
    /// Nothing but an issuer: nobody is trusted, nothing is verified, no client is registered.
    pub(crate) fn bare() -> Self {
        Self {
            directory: Arc::new(tempfile::tempdir().expect("a temporary directory")),
            flags: Vec::new(),
            clients: Vec::new(),
            environment: Vec::new(),
            issuer: ISSUER.to_owned(),
            started: AtomicUsize::new(0),
            tcp: false,
            descriptors: None,
        }
    }

    /// A web server on the Unix socket is trusted; nothing verifies certificates yet.
    pub(crate) fn trusting() -> Self {
        Self::bare()
            .flag("--trusted-proxy", "unix")
            .clients([tls_client("alice"), tls_client("bob")])
    }

    /// The usual one: alice and bob, whose certificates `--client-ca` vouches for, a client with a
    /// secret, a resource server that sees everything.
    pub(crate) fn usual() -> Self {
        Self::trusting().verifying(&pki().ca.cert.pem).clients([
            secret_client("carol", json!({ "scope": "orders.read" })),
            secret_client("gate", json!({ "introspect_any": true, "grant_types": [] })),
        ])
    }

    /// Chains are validated against that bundle.
    pub(crate) fn verifying(self, bundle: &str) -> Self {
        let path = self.write("ca.pem", bundle);
        self.flag("--client-ca", &path)
    }

    pub(crate) fn flag(mut self, name: &str, value: &str) -> Self {
        self.flags.extend([name.to_owned(), value.to_owned()]);
        self
    }

    pub(crate) fn switch(mut self, name: &str) -> Self {
        self.flags.push(name.to_owned());
        self
    }

    pub(crate) fn clients(mut self, clients: impl IntoIterator<Item = Value>) -> Self {
        self.clients.extend(clients);
        self
    }

    pub(crate) fn client(self, client: Value) -> Self {
        self.clients([client])
    }

    /// Gates, as `certbound.toml` has them.
    pub(crate) fn gates(self, tables: &str) -> Self {
        self.write("certbound.toml", tables);
        self
    }

    /// The same, where they name files of this world.
    pub(crate) fn gates_of(self, tables: impl FnOnce(&Self) -> String) -> Self {
        let tables = tables(&self);
        self.gates(&tables)
    }

    pub(crate) fn issuer(mut self, issuer: &str) -> Self {
        issuer.clone_into(&mut self.issuer);
        self
    }

    pub(crate) fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The system allows that many open files, and those if they are asked for.
    pub(crate) fn open_files(mut self, soft: u32, hard: u32) -> Self {
        self.descriptors = Some((soft, hard));
        self
    }

    /// Listens on a loopback port and not on a socket.
    pub(crate) fn over_tcp(mut self) -> Self {
        self.tcp = true;
        self
    }

    /// Writes a file into the world's directory, and gives its path.
    pub(crate) fn write(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        fs::write(&path, content).expect("a file can be written");
        path.display().to_string()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write_clients(&self, clients: &[Value]) {
        // Replaced in one step, as an editor does it.
        static DRAFTS: AtomicUsize = AtomicUsize::new(0);
        let draft = format!("clients.json.{}", DRAFTS.fetch_add(1, Ordering::Relaxed));
        self.write(&draft, &json!(clients).to_string());
        fs::rename(self.path(&draft), self.path("clients.json")).expect("renamed");
    }

    /// The registrations as they were given.
    pub(crate) fn registered(&self) -> Vec<Value> {
        self.clients.clone()
    }

    /// The program, not yet run, with this world's configuration.
    pub(crate) fn command(&self, command: &str, extra: &[&str]) -> Command {
        if !self.path("clients.json").exists() {
            self.write_clients(&self.clients);
        }
        let certbound = env!("CARGO_BIN_EXE_certbound");
        let mut program = match self.descriptors {
            None => Command::new(certbound),
            Some((soft, hard)) => {
                let mut shell = Command::new("/bin/sh");
                let limited =
                    format!("ulimit -S -n {soft}; ulimit -H -n {hard}; exec \"$0\" \"$@\"");
                shell.args(["-c", &limited, certbound]);
                shell
            }
        };
        program
            .current_dir(self.directory.path())
            .arg(command)
            .args(["--issuer", &self.issuer])
            .args(&self.flags)
            .args(self.keys())
            .args(extra)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        program
    }

    /// Keys that were made once for the whole run, where a world says nothing of store and keys:
    /// an RSA key takes longer to make than most tests.
    fn keys(&self) -> Vec<String> {
        static MADE: OnceLock<TempDir> = OnceLock::new();
        if self
            .flags
            .iter()
            .any(|flag| flag == "--store" || flag == "--keys")
        {
            return Vec::new();
        }
        let folder = self.path("made-keys");
        if !folder.exists() {
            let made = MADE.get_or_init(|| {
                let directory = tempfile::tempdir().expect("a temporary directory");
                let made = Command::new(env!("CARGO_BIN_EXE_certbound"))
                    .current_dir(directory.path())
                    .args(["keys", "generate", "--issuer", ISSUER, "--keys", "keys"])
                    .env_clear()
                    .output()
                    .expect("the program runs");
                assert!(
                    made.status.success(),
                    "{}",
                    String::from_utf8_lossy(&made.stderr)
                );
                directory
            });
            fs::create_dir(&folder).expect("a directory can be made");
            fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("mine alone");
            for file in fs::read_dir(made.path().join("keys")).expect("a directory") {
                let file = file.expect("a file");
                fs::copy(file.path(), folder.join(file.file_name())).expect("copied");
            }
        }
        vec!["--keys".to_owned(), "made-keys".to_owned()]
    }

    /// Runs a command that ends by itself.
    pub(crate) fn run(&self, command: &str, extra: &[&str]) -> Output {
        self.command(command, extra)
            .output()
            .expect("the program runs")
    }

    /// Runs `serve` where it must refuse to start, and gives what it says.
    #[track_caller]
    pub(crate) fn refuses_to_start(&self) -> String {
        let mut child = self
            .command(
                "serve",
                &[
                    "--listen",
                    "unix:refused.sock",
                    "--admin-listen",
                    "unix:refused.admin",
                ],
            )
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let began = Instant::now();
        while child.try_wait().expect("a child can be asked").is_none() {
            if began.elapsed() > PATIENCE {
                child.kill().expect("a child can be killed");
                panic!("it serves, which it must not");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let output = child.wait_with_output().expect("a child can be awaited");
        let text = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(
            output.stdout.is_empty(),
            "results go to standard output, and there is none"
        );
        assert!(
            !text.contains("panicked") && !text.contains("RUST_BACKTRACE"),
            "{text}"
        );
        text
    }

    /// Starts a server and waits until it listens.
    pub(crate) fn start(&self) -> Server {
        self.start_named(self.started.fetch_add(1, Ordering::Relaxed))
    }

    fn start_named(&self, number: usize) -> Server {
        let listen = if self.tcp {
            let port = crate::support::redis_server::free_port();
            Place::Tcp(([127, 0, 0, 1], port).into())
        } else {
            Place::Unix(self.path(&format!("{number}.sock")))
        };
        let address = match &listen {
            Place::Unix(path) => format!("unix:{}", path.display()),
            Place::Tcp(address) => address.to_string(),
        };
        let admin = Place::Unix(self.path(&format!("{number}.admin")));
        let Place::Unix(admin_path) = &admin else {
            panic!("it is a socket")
        };
        let admin_flag = format!("unix:{}", admin_path.display());
        let log = self.path(&format!("{number}.log"));
        let written = fs::OpenOptions::new().create(true).append(true).open(&log);
        let child = self
            .command(
                "serve",
                &["--listen", &address, "--admin-listen", &admin_flag],
            )
            .stdout(Stdio::null())
            .stderr(written.expect("a log can be opened"))
            .spawn()
            .expect("the program runs");
        let mut server = Server {
            place: listen,
            admin,
            log,
            child,
            base: base_path(&self.issuer),
            issuer: self.issuer.clone(),
            directory: Arc::clone(&self.directory),
            tally: Mutex::new(Tally::default()),
        };
        let began = Instant::now();
        while server.place.connect().is_err() || server.admin.connect().is_err() {
            let ended = server.child.try_wait().expect("a child can be asked");
            assert!(ended.is_none(), "it ended: {}", server.log());
            assert!(
                began.elapsed() < PATIENCE,
                "it does not listen: {}",
                server.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        server
    }
}

fn base_path(issuer: &str) -> String {
    let rest = issuer.split_once("://").map_or("", |(_, rest)| rest);
    rest.find('/')
        .map_or(String::new(), |at| rest[at..].to_owned())
}

/// What a test has seen of a server, to be compared with the log.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) refused: usize,
    pub(crate) issued: usize,
    /// Set where tests send what cannot be reckoned up by answers.
    pub(crate) uncounted: bool,
    pub(crate) secrets: Vec<String>,
}

/// A running server.
pub(crate) struct Server {
    pub(crate) place: Place,
    pub(crate) admin: Place,
    log: PathBuf,
    child: Child,
    pub(crate) base: String,
    pub(crate) issuer: String,
    directory: Arc<TempDir>,
    pub(crate) tally: Mutex<Tally>,
}

impl Server {
    /// A request to the endpoint of that name, or to a path where it starts with `/`.
    pub(crate) fn request(&self, method: &str, endpoint: &str) -> Request<'_> {
        let path = if endpoint.starts_with('/') {
            endpoint.to_owned()
        } else {
            format!("{}/{endpoint}", self.base)
        };
        Request {
            server: self,
            method: method.to_owned(),
            path,
            headers: vec![("Host".into(), b"as.example.com".to_vec())],
            form: Vec::new(),
            body: None,
        }
    }

    pub(crate) fn post(&self, endpoint: &str) -> Request<'_> {
        self.request("POST", endpoint)
    }

    pub(crate) fn get(&self, endpoint: &str) -> Request<'_> {
        self.request("GET", endpoint)
    }

    /// A `client_credentials` request of that client.
    pub(crate) fn token(&self, client_id: &str) -> Request<'_> {
        self.post("token")
            .form("grant_type", "client_credentials")
            .form("client_id", client_id)
    }

    /// The same with the secret of [`secret_client`].
    pub(crate) fn token_by_secret(&self, client_id: &str) -> Request<'_> {
        self.post("token")
            .form("grant_type", "client_credentials")
            .basic(client_id, SECRET)
    }

    /// A question to the gate of that name, with that token.
    pub(crate) fn verify(&self, gate: &str, token: &str) -> Request<'_> {
        self.get(&format!("verify/{gate}"))
            .header("Authorization", format!("Bearer {token}"))
    }

    /// What `gate`, which sees everything, learns of a token.
    pub(crate) fn introspect(&self, token: &str) -> Value {
        let response = self
            .post("introspect")
            .basic("gate", SECRET)
            .form("token", token)
            .send();
        response.succeeds().json()
    }

    pub(crate) fn is_active(&self, token: &str) -> bool {
        self.introspect(token)["active"] == json!(true)
    }

    pub(crate) fn jwks(&self) -> Value {
        self.get("jwks").send().succeeds().json()
    }

    pub(crate) fn admin(&self, path: &str) -> Response {
        let request = format!("GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n");
        self.admin.exchange(request.as_bytes())
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until the log has that text.
    #[track_caller]
    pub(crate) fn logs(&self, text: &str) {
        let began = Instant::now();
        while !self.log().contains(text) {
            assert!(began.elapsed() < PATIENCE, "no {text:?} in: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The same server, whose log is searched for secrets but not reckoned up.
    pub(crate) fn uncounted(self) -> Self {
        self.tally.lock().expect("no test panicked here").uncounted = true;
        self
    }

    /// Asserts that no log may hold this.
    pub(crate) fn keeps_secret(&self, text: impl Into<String>) {
        self.tally
            .lock()
            .expect("no test panicked here")
            .secrets
            .push(text.into());
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -s {name}");
    }

    /// Waits until it ends.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be asked") {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills it as a crash would.
    pub(crate) fn crash(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be awaited");
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Waits until the last lines are written: on a slow machine they are gathered for some milliseconds.
    fn await_last_lines(&self) {
        let began = Instant::now();
        let wanted = {
            let tally = self.tally.lock().expect("no test panicked here");
            (tally.refused, tally.issued)
        };
        while told(&self.log()) != wanted && began.elapsed() < Duration::from_secs(1) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Checks the log against what was seen.
    fn account(&self) {
        let log = self.log();
        let tally = self.tally.lock().expect("no test panicked here");
        for secret in &tally.secrets {
            assert!(
                !log.contains(secret.as_str()),
                "the log has a secret: {log}"
            );
        }
        for never in [
            "BEGIN CERTIFICATE",
            "BEGIN%20CERTIFICATE",
            "PRIVATE KEY",
            "panicked",
            SECRET,
        ] {
            assert!(!log.contains(never), "the log has {never:?}: {log}");
        }
        if tally.uncounted {
            return;
        }
        let (refused, issued) = told(&log);
        assert_eq!(
            refused, tally.refused,
            "one line for each refused request: {log}"
        );
        assert_eq!(
            issued, tally.issued,
            "one line for each token issued: {log}"
        );
    }
}

/// How many requests a log says were refused, and how many tokens issued.
fn told(log: &str) -> (usize, usize) {
    let lines = |marks: &[&str]| {
        log.lines()
            .filter(|line| marks.iter().any(|mark| line.contains(mark)))
            .count()
    };
    let refused = lines(&[" status=4", " status=5", "\"status\":4", "\"status\":5"]);
    let issued = lines(&["event=\"token_issued\"", "\"event\":\"token_issued\""]);
    (refused, issued)
}

impl Drop for Server {
    fn drop(&mut self) {
        let is_counted = self.tally.lock().is_ok_and(|tally| !tally.uncounted);
        if is_counted && !std::thread::panicking() {
            self.await_last_lines();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            self.account();
        }
    }
}
