//! certbound and a web server in front of it, both with the files of one example.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

use super::client::{Answer, Ask, Tls, curl};
use super::pki::Pki;
use super::process::{self, Process, free_port};
use super::support::redis_server::RedisServer;

/// The host whose certificates the web server verifies.
pub(crate) const AS: &str = "as.example.com";
/// The host to which any certificate may come.
pub(crate) const SELF_SIGNED: &str = "self-signed.example.com";
/// The secrets of the clients `reports` and `api`.
pub(crate) const REPORTS_SECRET: &str = "what reports knows";
pub(crate) const API_SECRET: &str = "what-the-api-knows";

/// A file of the examples, by its path there.
pub(crate) fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(path)
}

/// The text of an example with literals replaced, each of which is there exactly once.
pub(crate) fn rewritten(path: &str, replacements: &[(&str, &str)]) -> String {
    let mut text = fs::read_to_string(example(path)).expect("the example is there");
    for (from, to) in replacements {
        assert_eq!(text.matches(from).count(), 1, "{from} in {path}");
        text = text.replacen(from, to, 1);
    }
    text
}

/// The ten lines in the README of an example: those at the top that are about TLS, and the others.
pub(crate) fn ten_lines(readme: &str, language: &str) -> (String, String) {
    let text = fs::read_to_string(example(readme)).expect("the example has a README");
    let fence = format!("```{language}\n");
    let block = text
        .split(&fence)
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let lines: Vec<&str> = block.expect("the README has them").lines().collect();
    assert_eq!(lines.len(), 10, "{readme}");
    (lines[..3].join("\n"), lines[3..].join("\n"))
}

/// A folder for everything, into which the web server's own user may look.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    pub(crate) pki: Pki,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory can be made");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        for name in ["logs", "run", "etc", "htdocs"] {
            fs::create_dir(folder.path().join(name)).expect("the folder is empty");
        }
        let pki = Pki::make(&folder.path().join("tls"));
        Self { folder, pki }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where certbound listens for the web server.
    pub(crate) fn socket(&self) -> PathBuf {
        self.file("run/certbound.sock")
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).expect("the folder is ours");
    }
}

/// What records are kept in.
pub(crate) enum Store {
    File,
    Redis(RedisServer),
}

/// certbound as it runs.
pub(crate) struct Certbound {
    /// Where it listens beside the socket, trusting nobody.
    pub(crate) port: u16,
    process: Process,
    _store: Store,
}

impl Certbound {
    /// Starts it with the `certbound.toml` and the `clients.json` of an example.
    pub(crate) fn start(place: &Place, toml: &str, clients: &str, store: Store) -> Self {
        let hex = |secret: &str| {
            let digest = Sha256::digest(secret.as_bytes());
            let octets = digest.iter().map(|octet| format!("{octet:02x}"));
            octets.collect::<String>()
        };
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
        let mut flags: Vec<String> = vec!["--config".into(), text(&example(toml))];
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
        flags.push("--whoami".into());
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
            process,
            _store: store,
        }
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        self.process.printed()
    }
}

/// How a web server says that it does not take a certificate.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    /// It ends the handshake.
    Handshake,
    /// It answers 400, with a page of its own.
    BadRequest,
}

/// All of it.
pub(crate) struct Deployment {
    // The web server goes before what it stands in front of.
    pub(crate) _web_server: Process,
    pub(crate) certbound: Certbound,
    pub(crate) place: Place,
    pub(crate) as_port: u16,
    pub(crate) self_signed_port: u16,
    pub(crate) refusal: Refusal,
}

impl Deployment {
    /// A token request of a client to a host, with TLS 1.3 and nothing special.
    pub(crate) fn ask<'a>(
        &self,
        host: &'a str,
        certificate: Option<&'a str>,
        form: &'a [&'a str],
    ) -> Ask<'a> {
        Ask {
            host,
            port: if host == AS {
                self.as_port
            } else {
                self.self_signed_port
            },
            path: "/oauth2/token",
            tls: Tls::V1_3,
            certificate,
            form,
            headers: &[],
            user: None,
        }
    }

    /// What curl gets.
    pub(crate) fn curl(&self, ask: &Ask<'_>) -> Answer {
        curl(&self.place.pki, ask)
    }
}

/// A path as text; those of tests are plain.
pub(crate) fn text(path: &Path) -> String {
    path.to_str().expect("temporary paths are text").to_owned()
}
