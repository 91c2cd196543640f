//! Another issuer on loopback: discovery, keys, introspection, each as a test wants it.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::assertion::now;
use crate::jose::EcKey;
use crate::pki::Cert;

/// What is asked for under a path is answered with, and how often it was.
#[derive(Default)]
struct Pages {
    answers: HashMap<String, String>,
    asked: Vec<(String, String)>,
}

/// An issuer with one key.
pub(crate) struct Other {
    pages: Arc<Mutex<Pages>>,
    port: u16,
    key: EcKey,
}

impl Other {
    /// As it should be: discovery, a key, an introspection endpoint that knows no token.
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("an address").port();
        let pages: Arc<Mutex<Pages>> = Arc::default();
        let serves = Arc::clone(&pages);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let pages = Arc::clone(&serves);
                std::thread::spawn(move || answer(stream, &pages));
            }
        });
        let other = Self {
            pages,
            port,
            key: EcKey::new(),
        };
        let issuer = other.issuer();
        other.json(
            "/realm/.well-known/openid-configuration",
            &json!({
                "issuer": issuer,
                "jwks_uri": format!("{issuer}/keys"),
                "introspection_endpoint": format!("{issuer}/introspect"),
            }),
        );
        other.publish(&[other.jwk("k1")]);
        other.json("/realm/introspect", &json!({ "active": false }));
        other
    }

    pub(crate) fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}/realm", self.port)
    }

    /// Its public key, as a token may bring it along.
    pub(crate) fn token_key(&self) -> Value {
        self.key.jwk()
    }

    fn jwk(&self, kid: &str) -> Value {
        named(&self.key, kid)
    }

    pub(crate) fn publish(&self, keys: &[Value]) {
        self.json("/realm/keys", &json!({ "keys": keys }));
    }

    /// From now on this path answers so.
    pub(crate) fn json(&self, path: &str, document: &Value) {
        let body = document.to_string();
        self.raw(
            path,
            &format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ),
        );
    }

    /// From now on this path answers with these octets; nothing at all means that it hangs.
    pub(crate) fn raw(&self, path: &str, octets: &str) {
        let mut pages = self.pages.lock().expect("no panic");
        pages.answers.insert(path.to_owned(), octets.to_owned());
    }

    /// What the requests for that path held.
    pub(crate) fn asked(&self, path: &str) -> Vec<String> {
        let pages = self.pages.lock().expect("no panic");
        let held = pages.asked.iter().filter(|(asked, _)| asked == path);
        held.map(|(_, request)| request.clone()).collect()
    }

    /// Claims of a good token, bound to that certificate.
    pub(crate) fn claims(&self, certificate: Option<&Cert>) -> Value {
        let mut claims = json!({
            "iss": self.issuer(), "sub": "user-1", "client_id": "app", "aud": "https://orders.example.com",
            "exp": now() + 600, "iat": now(), "jti": "j", "scope": "orders.read",
        });
        if let Some(certificate) = certificate {
            claims["cnf"] = json!({ "x5t#S256": certificate.thumbprint() });
        }
        claims
    }

    /// A signed access token.
    pub(crate) fn token(&self, claims: &Value) -> String {
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": "k1" });
        self.key.sign(&header, claims)
    }

    /// The same with a header of one's own.
    pub(crate) fn token_with(&self, header: &Value, claims: &Value) -> String {
        self.key.sign(header, claims)
    }
}

/// A key under that name.
pub(crate) fn named(key: &EcKey, kid: &str) -> Value {
    let mut jwk = key.jwk();
    jwk["kid"] = json!(kid);
    jwk
}

fn answer(mut stream: TcpStream, pages: &Mutex<Pages>) {
    let mut octets = Vec::new();
    let mut buffer = [0; 4096];
    // The head, and as much of a body as it announces.
    loop {
        let text = String::from_utf8_lossy(&octets).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length: ")?
                        .parse()
                        .ok()
                })
                .unwrap_or(0_usize);
            if body.len() >= length {
                break;
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(read) => octets.extend_from_slice(&buffer[..read]),
        }
    }
    let request = String::from_utf8_lossy(&octets).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let answer = {
        let mut pages = pages.lock().expect("no panic");
        pages.asked.push((path.clone(), request));
        pages.answers.get(&path).cloned()
    };
    match answer.as_deref() {
        Some("") => std::thread::sleep(Duration::from_secs(30)),
        Some(octets) => drop(stream.write_all(octets.as_bytes())),
        None => {
            drop(stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
        }
    }
}
