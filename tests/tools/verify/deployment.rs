//! A deployment that `verify` is asked about: configuration, keys, tokens, a server where one is wanted.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use certbound::cert::ClientCertificate;
use certbound::key::algorithm::SigningAlgorithm;
use certbound::key::set::KeySet;
use certbound::record::Changes;
use certbound::store::keyring::Keyring;
use certbound::store::{self, Store};
use serde_json::{Value, json};

use crate::explain::Place;
use crate::{P256_DN, Ran, now, pem, pki, run};

pub(super) const ISSUER: &str = "https://as.example.com";
pub(super) const P256: &str = "0JabUgcwHjHpWPvNyb-J0hkV-fJ31Xlm40UsRE1K_1o";

const GATES: &str = r#"
[gate.optional]
proof_of_possession_mtls = "optional"

[gate.orders]
audience = ["https://orders.example.com"]
scopes = ["orders.read"]

[gate.admin]
scopes = ["admin"]

[gate.gold]
acr = "gold"

[gate.bearer]
auth_methods = ["bearer"]

[gate.off]
proof_of_possession_mtls = "off"
auth_methods = ["bearer", "session"]
session_secret_file = "session.secret"
"#;

/// A deployment with signing keys in a folder and, from the first run on, a store in a file.
pub(super) struct Deployment {
    pub(super) place: Place,
    pub(super) keys: KeySet,
    runtime: tokio::runtime::Runtime,
}

impl Deployment {
    pub(super) fn new() -> Self {
        let place = Place::with(&json!([
            {"client_id": "unbound", "token_endpoint_auth_method": "tls_client_auth",
             "tls_client_auth_subject_dn": P256_DN, "grant_types": ["client_credentials"],
             "scope": "orders.read", "tls_client_certificate_bound_access_tokens": false},
            {"client_id": "by-dn", "token_endpoint_auth_method": "tls_client_auth",
             "tls_client_auth_subject_dn": P256_DN, "grant_types": ["client_credentials"],
             "scope": "orders.read"},
            {"client_id": "opaque", "token_endpoint_auth_method": "tls_client_auth",
             "tls_client_auth_subject_dn": P256_DN, "grant_types": ["client_credentials"],
             "access_token_format": "opaque"},
        ]));
        place.put("session.secret", "0123456789abcdef0123456789abcdef\n");
        let secret = format!("{}/session.secret", place.path());
        place.put("certbound.toml", GATES.replace("session.secret", &secret));
        place.put("ca.pem", pem("ca") + &pem("inter"));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let folder = Keyring::Folder(format!("{}/keys", place.path()).into());
        let (keys, _) = runtime.block_on(folder.open(now())).expect("keys");
        Self {
            place,
            keys,
            runtime,
        }
    }

    pub(super) fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.place.path())
    }

    pub(super) fn flags(&self) -> Vec<String> {
        let mut flags = vec![format!("--issuer={ISSUER}"), "--trusted-proxy=unix".into()];
        for (flag, name) in [
            ("config", "certbound.toml"),
            ("clients", "clients.json"),
            ("client-ca", "ca.pem"),
            ("keys", "keys"),
        ] {
            flags.push(format!("--{flag}={}", self.file(name)));
        }
        flags.push(format!("--listen=unix:{}", self.file("sock")));
        flags.push(format!("--admin-listen=unix:{}", self.file("admin")));
        flags
    }

    pub(super) fn file_store(&self) -> String {
        format!("--store=file:{}", self.file("store"))
    }

    /// Asks with that token and the certificate of that name, and sees to it that the token is not printed.
    #[track_caller]
    pub(super) fn verify(&self, token: &str, certificate: Option<&str>, more: &[&str]) -> Ran {
        let flags = self.flags();
        let certificate = certificate.map(|name| pki(name).display().to_string());
        let mut arguments = vec!["verify", "--token", token];
        arguments.extend(flags.iter().map(String::as_str));
        arguments.extend(certificate.iter().flat_map(|file| ["--certificate", file]));
        arguments.extend(more);
        secretive(run(&arguments, b""), token)
    }

    /// A token as this deployment signs it.
    pub(super) fn token(&self, change: impl FnOnce(&mut Value)) -> String {
        let key = self.keys.signer(SigningAlgorithm::Es256, now());
        let mut claims = json!({
            "iss": ISSUER, "sub": "by-dn", "client_id": "by-dn", "aud": "https://orders.example.com",
            "exp": now().unix() + 600, "iat": now().unix(), "jti": "j1", "scope": "orders.read",
            "cnf": { "x5t#S256": P256 },
        });
        change(&mut claims);
        key.expect("a key")
            .sign_compact("at+jwt", &claims)
            .expect("signed")
    }

    pub(super) fn commit(&self, changes: &Changes) {
        let url = format!("file:{}", self.file("store"));
        self.runtime.block_on(async {
            let opened = store::open(&url, &store::Options::default()).await;
            let store: Arc<dyn Store> = opened.expect("a store");
            store.commit(changes, now()).await.expect("committed");
        });
    }

    pub(super) fn serve(&self, store: &str) -> Serving {
        let child = Command::new(env!("CARGO_BIN_EXE_certbound"))
            .arg("serve")
            .args(self.flags())
            .arg(store)
            .stderr(Stdio::null())
            .spawn();
        let serving = Serving(child.expect("it starts"));
        let began = Instant::now();
        while UnixStream::connect(self.file("sock")).is_err() {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "it does not listen"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        serving
    }

    /// A request of the web server, with the certificate that the clients have.
    pub(super) fn post(&self, path: &str, body: &str) -> String {
        let certificate = ClientCertificate::from_pem(&pem("p256")).expect("a fixture");
        let certificate = STANDARD.encode(certificate.der());
        let request = format!(
            "POST /{path} HTTP/1.1\r\nHost: as.example.com\r\nConnection: close\r\nX-ClientCert: :{certificate}:\r\nX-ClientCert-Verify: SUCCESS\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = UnixStream::connect(self.file("sock")).expect("it listens");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer.split_once("\r\n\r\n").expect("a body").1.to_owned()
    }

    pub(super) fn issued(&self, client: &str) -> String {
        let body = self.post(
            "token",
            &format!("grant_type=client_credentials&client_id={client}"),
        );
        let answer: Value = serde_json::from_str(&body).expect("JSON");
        answer["access_token"].as_str().expect("a token").to_owned()
    }
}

/// A running server, gone when dropped.
pub(super) struct Serving(pub(super) Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// No part of the token, nor a key or a certificate, is printed.
#[track_caller]
pub(super) fn secretive(ran: Ran, token: &str) -> Ran {
    let printed = format!("{}{}", ran.out, ran.err);
    let parts = token.split('.').filter(|part| part.len() > 8);
    for part in parts.chain(["-----BEGIN", "BEGIN CERT"]) {
        assert!(!printed.contains(part), "{part} is printed: {printed}");
    }
    ran
}
