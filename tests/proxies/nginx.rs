//! `examples/nginx`, in a real nginx, with the records in a real Redis.

use std::process::Command;

use super::acceptance;
use super::certbound::{Certbound, Store};
use super::deployment::{Deployment, Refusal, ten_lines};
use super::place::{Place, example, rewritten, text};
use super::process::{Process, free_port};
use super::support::redis_server::RedisServer;

fn start(store: Store) -> Deployment {
    let lines = rewritten("nginx/certbound.conf", &[]);
    start_in(Place::new(), &lines, store)
}

/// nginx with those lines in both server blocks.
fn start_in(place: Place, lines: &str, store: Store) -> Deployment {
    let certbound = Certbound::start(
        &place,
        &example("nginx/certbound.toml"),
        "nginx/clients.json",
        store,
        &["--whoami"],
    );
    let (as_port, self_signed_port) = (free_port(), free_port());
    let socket = text(&place.socket());
    let conf = rewritten(
        "nginx/nginx.conf",
        &[
            ("listen 443 ssl", &format!("listen {as_port} ssl")),
            ("listen 8443 ssl", &format!("listen {self_signed_port} ssl")),
            (
                "server unix:/run/certbound/certbound.sock",
                &format!("server unix:{socket}"),
            ),
        ],
    );
    place.write("nginx.conf", &conf);
    place.write("certbound.conf", lines);
    let mut command = Command::new("nginx");
    command
        .arg("-p")
        .arg(format!("{}/", text(place.path())))
        .args(["-c", "nginx.conf", "-g", "daemon off;"]);
    let log = place.file("logs/nginx.log");
    let web_server =
        Process::start("nginx", &mut command, log).listens_on(&[as_port, self_signed_port]);
    Deployment {
        _web_server: web_server,
        certbound,
        place,
        as_port,
        self_signed_port,
        refusal: Refusal::BadRequest,
    }
}

#[test]
fn certificates_end_as_they_must() {
    let deployment = start(Store::Redis(RedisServer::start(&["--appendonly", "yes"])));
    acceptance::certificates(&deployment);
    acceptance::metadata_and_introspection(&deployment);
}

#[test]
fn ten_lines_are_enough() {
    let place = Place::new();
    let (tls, lines) = ten_lines("nginx/README.md", "nginx");
    let conf = rewritten("nginx/nginx.conf", &[]);
    for line in tls.replace("/etc/certbound/", "tls/").lines() {
        assert!(conf.contains(&format!("    {line}\n")), "{line}");
    }
    let socket = text(&place.socket());
    let lines = lines.replace("/run/certbound/certbound.sock", &socket);
    let deployment = start_in(place, &lines, Store::File);
    acceptance::certificates(&deployment);
    acceptance::named_in_connection(&deployment);
    acceptance::forged_headers(&deployment, acceptance::spellings, &["X-ClientCert"]);
}

#[test]
fn forged_headers_do_not_count() {
    let deployment = start(Store::File);
    let names = [
        "X-ClientCert",
        "x-clientcert",
        "X_ClientCert",
        "Client-Cert",
        "SSL_CLIENT_CERT",
    ];
    acceptance::forged_headers(&deployment, acceptance::spellings, &names);
}

#[test]
fn named_in_connection() {
    acceptance::named_in_connection(&start(Store::File));
}

#[test]
fn resumed_sessions() {
    acceptance::resumed_sessions(&start(Store::Redis(RedisServer::start(&[
        "--appendonly",
        "yes",
    ]))));
}
