//! `examples/apache`, in a real Apache.

use std::process::Command;

use super::acceptance::{self, ORDERS};
use super::certbound::{Certbound, Store};
use super::client::Ask;
use super::client::{Session, Tls, curl_socket, s_client};
use super::deployment::{Deployment, Refusal, SELF_SIGNED, ten_lines};
use super::place::{Place, example, rewritten, text};
use super::process::{Process, free_port};
use super::support::redis_server::RedisServer;

/// Apache with `httpd.conf` and the lines of that example, certbound with that `certbound.toml`.
pub(crate) fn start(lines: &str, toml: &str, store: Store) -> Deployment {
    let lines = example("apache").join(lines);
    start_in(Place::new(), &text(&lines), toml, store)
}

fn start_in(place: Place, lines: &str, toml: &str, store: Store) -> Deployment {
    let certbound = Certbound::start(
        &place,
        &example(toml),
        "apache/clients.json",
        store,
        &["--whoami"],
    );
    let (as_port, self_signed_port) = (free_port(), free_port());
    let conf = rewritten(
        "apache/httpd.conf",
        &[
            ("AS_PORT 443", &format!("AS_PORT {as_port}")),
            (
                "SELF_SIGNED_PORT 8443",
                &format!("SELF_SIGNED_PORT {self_signed_port}"),
            ),
            (
                "CERTBOUND_SOCKET /run/certbound/certbound.sock",
                &format!("CERTBOUND_SOCKET {}", text(&place.socket())),
            ),
            (
                "CERTBOUND_LINES certbound.conf",
                &format!("CERTBOUND_LINES {lines}"),
            ),
        ],
    );
    place.write("httpd.conf", &conf);
    let web_server = httpd(&place, "httpd.conf").listens_on(&[as_port, self_signed_port]);
    Deployment {
        _web_server: web_server,
        certbound,
        place,
        as_port,
        self_signed_port,
        refusal: Refusal::Handshake,
    }
}

/// Apache with a file of that folder.
pub(crate) fn httpd(place: &Place, conf: &str) -> Process {
    let mut command = Command::new("apache2");
    command.arg("-d").arg(place.path()).args(["-f", conf]);
    command.arg("-DFOREGROUND");
    let log = place.file(&format!("logs/{conf}.log"));
    Process::start("apache2", &mut command, log)
}

fn classic() -> Deployment {
    start("certbound.conf", "apache/certbound.toml", Store::File)
}

fn rfc9440() -> Deployment {
    let redis = RedisServer::start(&["--appendonly", "yes"]);
    start(
        "certbound-rfc9440.conf",
        "apache/certbound-rfc9440.toml",
        Store::Redis(redis),
    )
}

#[test]
fn certificates_end_as_they_must() {
    let deployment = classic();
    acceptance::certificates(&deployment);
    // It was Apache that did not take them, and for the reason that each was made for.
    let log = std::fs::read_to_string(deployment.place.file("logs/error.log")).expect("a log");
    for reason in [
        "certificate has expired",
        "self-signed certificate",
        "certificate signature failure",
    ] {
        assert!(log.contains(reason), "{reason}: {log}");
    }
    acceptance::metadata_and_introspection(&deployment);
}

#[test]
fn ten_lines_are_enough() {
    let place = Place::new();
    let (tls, lines) = ten_lines("apache/README.md", "apache");
    let conf = rewritten("apache/httpd.conf", &[]);
    for line in tls.replace("/etc/certbound/", "tls/").lines() {
        assert!(conf.contains(&format!("  {line}\n")), "{line}");
    }
    let socket = text(&place.socket());
    let lines = lines.replace("/run/certbound/certbound.sock", &socket);
    place.write("ten-lines.conf", &lines);
    let file = text(&place.file("ten-lines.conf"));
    let deployment = start_in(place, &file, "apache/certbound.toml", Store::File);
    acceptance::certificates(&deployment);
    acceptance::named_in_connection(&deployment);
    acceptance::forged_headers(&deployment, acceptance::spellings, &["X-ClientCert"]);
}

#[test]
fn forged_headers_do_not_count() {
    let deployment = classic();
    let names = [
        "X-ClientCert",
        "x-clientcert",
        "X_ClientCert",
        "x_CLIENTCERT",
        "Client-Cert",
        "SSL_CLIENT_CERT",
    ];
    acceptance::forged_headers(&deployment, acceptance::spellings, &names);
}

#[test]
fn named_in_connection() {
    acceptance::named_in_connection(&classic());
}

#[test]
fn resumed_sessions() {
    let deployment = classic();
    acceptance::resumed_sessions(&deployment);
    // Whatever Apache says of a self-made certificate then: GENEROUS at first, SUCCESS when resumed.
    let session = deployment.place.file("laundered");
    let ask = Ask {
        tls: Tls::V1_2,
        path: "/oauth2/whoami",
        ..deployment.ask(SELF_SIGNED, Some("selfmade"), &[])
    };
    for session in [Session::Begin(&session), Session::Offer(&session)] {
        let (answer, _) = s_client(&deployment.place.pki, &ask, session);
        let seen = answer.json();
        assert_eq!(seen["verified"], false, "{seen}");
        assert_ne!(seen["verify_header"], "absent", "{seen}");
    }
}

#[test]
fn rfc9440_certificates_end_as_they_must() {
    let deployment = rfc9440();
    acceptance::certificates(&deployment);
    acceptance::metadata_and_introspection(&deployment);
}

#[test]
fn rfc9440_forged_headers_do_not_count() {
    let deployment = rfc9440();
    let names = ["Client-Cert", "client_cert", "X-ClientCert"];
    acceptance::forged_headers(&deployment, acceptance::spellings, &names);
    let names = [
        "Client-Cert-Chain",
        "Client_Cert-Chain",
        "client-cert_chain",
    ];
    acceptance::forged_headers(&deployment, |pki, name| vec![pki.rfc9440(name)], &names);
}

#[test]
fn rfc9440_named_in_connection() {
    acceptance::named_in_connection(&rfc9440());
}

#[test]
fn rfc9440_resumed_sessions() {
    acceptance::resumed_sessions(&rfc9440());
}

/// Even a web server that lets everything through and calls it good does not make certbound believe it.
#[test]
fn certbound_does_not_rely_on_the_web_server() {
    let place = Place::new();
    let _certbound = Certbound::start(
        &place,
        &example("apache/certbound.toml"),
        "apache/clients.json",
        Store::File,
        &["--whoami"],
    );
    for (name, verdict, status, error) in [
        ("orders", Some("SUCCESS"), 200, None),
        ("orders", Some("NONE"), 401, Some("invalid_client")),
        ("orders", Some("GENEROUS"), 401, Some("invalid_client")),
        ("orders", None, 401, Some("invalid_client")),
        ("billing", Some("SUCCESS"), 401, Some("invalid_client")),
        ("impostor", Some("SUCCESS"), 401, Some("invalid_client")),
        ("selfmade", Some("SUCCESS"), 401, Some("invalid_client")),
        ("expired", Some("SUCCESS"), 401, Some("invalid_client")),
    ] {
        let certificate = format!("X-ClientCert: {}", place.pki.pem_line(name));
        let verdict = verdict.map(|verdict| format!("X-ClientCert-Verify: {verdict}"));
        let mut headers = vec![&*certificate];
        headers.extend(verdict.as_deref());
        let answer = curl_socket(&place.socket(), ORDERS, &headers);
        assert_eq!(answer.status, status, "{name} {verdict:?}: {answer:?}");
        assert_eq!(answer.json()["error"].as_str(), error, "{name} {verdict:?}");
    }
    // Two certificates, or one under a name that differs by an underscore, are a forgery.
    let certificate = format!("X-ClientCert: {}", place.pki.pem_line("orders"));
    for forged in ["X-ClientCert", "X_ClientCert"] {
        let second = format!("{forged}: {}", place.pki.pem_line("orders"));
        let headers = [&*certificate, &*second, "X-ClientCert-Verify: SUCCESS"];
        let answer = curl_socket(&place.socket(), ORDERS, &headers);
        assert_eq!(answer.status, 400, "{forged}: {answer:?}");
        assert_eq!(answer.json()["error"], "invalid_request", "{forged}");
    }
}
