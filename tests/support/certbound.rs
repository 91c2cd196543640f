//! certbound as it runs behind a web server.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use sha2::{Digest as _, Sha256};

use super::place::{Place, rewritten, text};
use super::process::{self, Process, free_port};
use super::support::redis_server::RedisServer;

/// The secrets of the clients `reports` and `api`.
pub(crate) const REPORTS_SECRET: &str = "what reports knows";
pub(crate) const API_SECRET: &str = "what-the-api-knows";

/// What records are kept in.
pub(crate) enum Store {
    File,
    Redis(RedisServer),
}

/// certbound as it runs.
pub(crate) struct Certbound {
    /// Where it listens beside the socket, trusting nobody.
    pub(crate) port: u16,
    process: Option<Process>,
    _store: Store,
}

impl Certbound {
    /// Starts it with that configuration, the `clients.json` of an example and further flags.
    pub(crate) fn start(
        place: &Place,
        toml: &Path,
        clients: &str,
        store: Store,
        further: &[&str],
    ) -> Self {
        let clients = rewritten(
            clients,
            &[
                (&"A".repeat(43), &place.pki.thumbprint("kiosk")),
                (&"0".repeat(64), &hex(REPORTS_SECRET)),
                (&"1".repeat(64), &hex(API_SECRET)),
            ],
        );
        place.write("etc/clients.json", &clients);
        let port = free_port();
        let mut flags: Vec<String> = vec!["--config".into(), text(toml)];
        let mut flag = |name: &str, value: String| flags.extend([format!("--{name}"), value]);
        flag("listen", format!("unix:{}", text(&place.socket())));
        flag("listen", format!("127.0.0.1:{port}"));
        flag(
            "admin-listen",
            format!("unix:{}", text(&place.file("run/admin.sock"))),
        );
        flag("client-ca", text(&place.pki.file("client-ca.pem")));
        flag("clients", text(&place.file("etc/clients.json")));
        match &store {
            Store::File => flag(
                "store",
                format!("file:{}", text(&place.file("records.redb"))),
            ),
            Store::Redis(redis) => {
                flag("store", redis.url());
                flag("keys", text(&place.file("keys")));
            }
        }
        let folder = fs::metadata(place.path()).expect("it is there");
        if folder.uid() != 0 {
            // Only root can give the socket to www-data; for others the web server runs as themselves.
            flag("listen-group", folder.gid().to_string());
        }
        flags.extend(further.iter().map(|&flag| flag.to_owned()));
        let program = env!("CARGO_BIN_EXE_certbound");
        let checked = process::run("certbound", Command::new(program).arg("check").args(&flags));
        assert!(checked.status.success(), "{checked:?}");
        let mut process = Process::start(
            "certbound",
            Command::new(program).arg("serve").args(&flags),
            place.file("logs/certbound.log"),
        )
        .listens_on(&[port]);
        let socket = place.socket();
        process.wait_until("opens its socket", || socket.exists());
        Self {
            port,
            process: Some(process),
            _store: store,
        }
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        let process = self.process.as_ref();
        process.map_or_else(String::new, Process::printed)
    }

    /// Ends it.
    pub(crate) fn stop(&mut self) {
        self.process = None;
    }
}

/// The SHA-256 of a secret, as registrations have it.
fn hex(secret: &str) -> String {
    let digest = Sha256::digest(secret.as_bytes());
    let octets = digest.iter().map(|octet| format!("{octet:02x}"));
    octets.collect()
}
