//! `examples/apache/resource-server.conf`: Apache's `mod_oauth2`, which nobody here wrote, judges tokens.

use std::fs;
use std::path::Path;

use super::apache;
use super::certbound::{API_SECRET, Store};
use super::client::{Answer, Ask};
use super::deployment::{AS, Deployment};
use super::place::rewritten;
use super::process::{Process, free_port};

const MODULE: &str = "/usr/lib/apache2/modules/mod_oauth2.so";

struct Api {
    _process: Process,
    port: u16,
    deployment: Deployment,
}

impl Api {
    fn start() -> Self {
        assert!(
            Path::new(MODULE).exists(),
            "{MODULE} is not there: apt-get install libapache2-mod-oauth2"
        );
        let deployment = apache::start("certbound.conf", "apache/certbound.toml", Store::File);
        let place = &deployment.place;
        let port = free_port();
        let conf = rewritten(
            "apache/resource-server.conf",
            &[
                ("API_PORT 9443", &format!("API_PORT {port}")),
                (
                    "AUTHORIZATION_SERVER https://as.example.com/oauth2",
                    &format!(
                        "AUTHORIZATION_SERVER http://127.0.0.1:{}/oauth2",
                        deployment.certbound.port
                    ),
                ),
                ("the-secret-of-the-client-api", API_SECRET),
            ],
        );
        place.write("resource-server.conf", &conf);
        for name in ["orders", "invoices"] {
            fs::create_dir(place.file(&format!("htdocs/{name}"))).expect("it is ours");
            place.write(
                &format!("htdocs/{name}/1.txt"),
                &format!("the first of {name}"),
            );
        }
        let process = apache::httpd(place, "resource-server.conf").listens_on(&[port]);
        Self {
            _process: process,
            port,
            deployment,
        }
    }

    fn token(&self, client: &str, scope: &str) -> String {
        let client_id = format!("client_id={client}");
        let scope = format!("scope={scope}");
        let form = ["grant_type=client_credentials", &*client_id, &*scope];
        let ask = self.deployment.ask(AS, Some(client), &form);
        self.deployment.curl(&ask).access_token()
    }

    fn read(&self, path: &str, token: Option<&str>, certificate: Option<&str>) -> Answer {
        let bearer = token.map(|token| format!("Authorization: Bearer {token}"));
        let headers: Vec<&str> = bearer.iter().map(String::as_str).collect();
        self.deployment.curl(&Ask {
            port: self.port,
            path,
            headers: &headers,
            ..self.deployment.ask("api.example.com", certificate, &[])
        })
    }

    /// The token is good with its own certificate, before and after it was refused with others and none.
    fn holds(&self, path: &str, token: &str, own: &str, other: &str) {
        for (certificate, status) in [
            (Some(own), 200),
            (Some(other), 401),
            (Some("selfmade"), 401),
            (None, 401),
            (Some(own), 200),
        ] {
            let answer = self.read(path, Some(token), certificate);
            assert_eq!(answer.status, status, "{path} {certificate:?}: {answer:?}");
            let served = answer.body.starts_with("the first of ");
            assert_eq!(served, status == 200, "{path} {certificate:?}: {answer:?}");
        }
    }
}

#[test]
fn tokens_are_good_with_their_own_certificate_alone() {
    let api = Api::start();
    let (orders, invoices) = ("/orders/1.txt", "/invoices/1.txt");

    // By the keys that certbound publishes.
    let jwt = api.token("orders", "orders.read");
    api.holds(orders, &jwt, "orders", "billing");
    let (rest, signature) = jwt.rsplit_once('.').expect("a JWT has a signature");
    let turned: String = signature.chars().rev().collect();
    let answer = api.read(orders, Some(&format!("{rest}.{turned}")), Some("orders"));
    assert_eq!(answer.status, 401, "{answer:?}");
    let other_scope = api.token("orders", "orders.write");
    let answer = api.read(orders, Some(&other_scope), Some("orders"));
    assert_eq!(answer.status, 401, "{answer:?}");

    // By asking certbound, for a JWT and for an opaque token.
    api.holds(invoices, &jwt, "orders", "billing");
    let opaque = api.token("billing", "orders.read");
    api.holds(invoices, &opaque, "billing", "orders");
    let answer = api.read(orders, Some(&opaque), Some("billing"));
    assert_eq!(answer.status, 401, "{answer:?}");

    for path in [orders, invoices] {
        let answer = api.read(path, None, Some("orders"));
        assert_eq!(answer.status, 401, "{answer:?}");
    }
}
