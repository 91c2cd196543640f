//! `jwks_uri`: clients that publish their own keys and certificates.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::assertion::assertion;
use crate::jose::EcKey;
use crate::pki::{pki, wanted};
use crate::world::{World, client};

/// A web server on loopback that publishes one document, and counts who asks.
struct Publisher {
    document: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
    port: u16,
}

impl Publisher {
    fn of(keys: &[Value]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("an address").port();
        let document = Arc::new(Mutex::new(String::new()));
        let asked = Arc::new(AtomicUsize::new(0));
        let (serves, counts) = (Arc::clone(&document), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let _ = stream.read(&mut [0; 4096]);
                counts.fetch_add(1, Ordering::SeqCst);
                let answer = serves.lock().expect("no panic").clone();
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        let publisher = Self {
            document,
            asked,
            port,
        };
        publisher.publish(keys);
        publisher
    }

    fn publish(&self, keys: &[Value]) {
        self.answer("200 OK", &json!({ "keys": keys }).to_string(), "");
    }

    fn answer(&self, status: &str, body: &str, headers: &str) {
        let length = body.len();
        *self.document.lock().expect("no panic") = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
    }

    fn uri(&self) -> String {
        format!("http://127.0.0.1:{}/jwks", self.port)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn published(id: &str, method: &str, publisher: &Publisher) -> Value {
    client(id, method, json!({ "jwks_uri": publisher.uri() }))
}

/// The stated delay is 30 seconds.
#[test]
fn mtls_20_a_client_rotates_by_itself() {
    let (old, new) = (&pki().own, wanted("own").self_signed());
    let (old_key, new_key) = (EcKey::new(), EcKey::new());
    let certificates = Publisher::of(&[old.jwk()]);
    let keys = Publisher::of(&[old_key.jwk()]);
    let server = World::usual()
        .clients([
            published("sven", "self_signed_tls_client_auth", &certificates),
            published("kim", "private_key_jwt", &keys),
        ])
        .switch("--outbound-allow-private")
        .start();
    let began = Instant::now();
    let by = |key: &EcKey| server.token("kim").assertion(&assertion(key, "kim")).send();
    server.token("sven").judged(old, "NONE").send().token();
    by(&old_key).token();
    for _ in 0..20 {
        server.token("sven").judged(old, "NONE").send().token();
        by(&old_key).token();
    }
    assert_eq!(
        (certificates.asked(), keys.asked()),
        (1, 1),
        "kept, not fetched for each request"
    );
    certificates.publish(&[new.jwk()]);
    keys.publish(&[new_key.jwk()]);
    // Whoever presents what is not published makes nobody ask all the time.
    for _ in 0..10 {
        server
            .token("sven")
            .judged(&pki().alice, "NONE")
            .send()
            .refuses(401, "invalid_client");
    }
    assert!(certificates.asked() <= 2);
    loop {
        let response = server.token("sven").judged(&new, "NONE").send();
        let response_key = by(&new_key);
        if response.status == 200 && response_key.status == 200 {
            break;
        }
        assert!(
            began.elapsed() < Duration::from_secs(40),
            "not seen within the stated delay"
        );
        std::thread::sleep(Duration::from_millis(500));
    }
    server
        .token("sven")
        .judged(old, "NONE")
        .send()
        .refuses(401, "invalid_client");
    by(&old_key).refuses(401, "invalid_client");
}

#[test]
fn dcr_08_documents_that_are_not_believed() {
    let own = &pki().own;
    let good = json!({ "keys": [own.jwk()] }).to_string();
    let huge = format!("{{\"keys\":[],\"x\":\"{}\"}}", "a".repeat(10 * 1024 * 1024));
    let elsewhere = Publisher::of(&[own.jwk()]);
    let redirect = format!("Location: {}\r\n", elsewhere.uri());
    for (why, status, body, headers) in [
        ("a redirect", "302 Found", good.as_str(), redirect.as_str()),
        ("not found", "404 Not Found", &good, ""),
        ("an error", "500 Internal Server Error", &good, ""),
        ("no JSON", "200 OK", "nonsense", ""),
        ("huge", "200 OK", &huge, ""),
        ("no set", "200 OK", "[]", ""),
    ] {
        let publisher = Publisher::of(&[]);
        publisher.answer(status, body, headers);
        let server = World::usual()
            .client(published("sven", "self_signed_tls_client_auth", &publisher))
            .switch("--outbound-allow-private")
            .start();
        let began = Instant::now();
        let response = server.token("sven").judged(own, "NONE").send();
        assert_eq!(response.status, 401, "{why}: {}", response.body);
        assert!(began.elapsed() < Duration::from_secs(15), "{why}");
        assert!(publisher.asked() >= 1, "{why}");
        server.logs("could not be fetched");
    }
    assert_eq!(elsewhere.asked(), 0, "redirects are not followed");
    // Without the flag a loopback address is never called at all.
    let publisher = Publisher::of(&[own.jwk()]);
    let server = World::usual()
        .client(published("sven", "self_signed_tls_client_auth", &publisher))
        .start();
    server
        .token("sven")
        .judged(own, "NONE")
        .send()
        .refuses(401, "invalid_client");
    assert_eq!(publisher.asked(), 0);
}

#[test]
fn a_key_alone_at_a_jwks_uri_authenticates_nobody() {
    let own = &pki().own;
    let bare = EcKey::from_pem(&own.key).jwk();
    let mut mismatched = EcKey::new().jwk();
    mismatched["x5c"] = json!([own.base64()]);
    for keys in [vec![bare], vec![mismatched], vec![]] {
        let publisher = Publisher::of(&keys);
        let server = World::usual()
            .client(published("sven", "self_signed_tls_client_auth", &publisher))
            .switch("--outbound-allow-private")
            .start();
        server
            .token("sven")
            .judged(own, "NONE")
            .send()
            .refuses(401, "invalid_client");
    }
}
