//! `examples/nginx/gate.conf`, in a real nginx.

use std::process::Command;

use super::client::Tls;
use super::front::{Ask, Behind, Dialect, Front};
use super::matrix::{self, Outcome};
use super::place::{rewritten, text};
use super::process::{Process, free_port};
use super::relay::Relay;

/// nginx, with the socket of certbound's at which it asks.
fn start_at(behind: Behind, socket: &str, workers: &str) -> Front {
    let port = free_port();
    let conf = rewritten(
        "nginx/gate.conf",
        &[
            ("worker_processes auto", workers),
            ("listen 443 ssl", &format!("listen {port} ssl")),
            (
                "server unix:/run/certbound/certbound.sock",
                &format!("server unix:{socket}"),
            ),
            (
                "server 127.0.0.1:8080",
                &format!("server 127.0.0.1:{}", behind.application.port),
            ),
        ],
    );
    let place = &behind.place;
    place.write("gate.conf", &conf);
    let mut command = Command::new("nginx");
    command
        .arg("-p")
        .arg(format!("{}/", text(place.path())))
        .args(["-c", "gate.conf", "-g", "daemon off;"]);
    let log = place.file("logs/nginx.log");
    Front {
        web_server: Process::start("nginx", &mut command, log).listens_on(&[port]),
        port,
        path: "/orders/1",
        behind,
    }
}

fn behind() -> Behind {
    Behind::start("nginx/gate.toml", &[], &[], Dialect::EscapedPem)
}

fn start() -> Front {
    let behind = behind();
    let socket = text(&behind.place.socket());
    start_at(behind, &socket, "worker_processes auto")
}

#[test]
fn requests_end_as_they_must() {
    matrix::requests(&start());
}

#[test]
fn forged_headers_do_not_count() {
    matrix::forged(&start());
}

#[test]
fn forged_headers_beside_a_certificate_do_not_count() {
    matrix::forged_beside(&start());
}

#[test]
fn forged_identities_do_not_count() {
    matrix::forged_identity(&start());
}

#[test]
fn ambiguous_tokens_are_refused() {
    matrix::ambiguous_tokens(&start());
}

#[test]
fn resumed_sessions_are_worth_what_they_were() {
    assert_eq!(matrix::resumed(&start()), Tls::ALL);
}

#[test]
fn bodies_pass_as_they_are() {
    matrix::bodies(&start());
}

#[test]
fn sessions_spare_the_token() {
    matrix::sessions(&start());
}

#[test]
fn without_certbound_nobody_is_served() {
    matrix::certbound_gone(start());
}

/// The question to certbound has a path of its own; what was asked for comes beside it.
#[test]
fn a_token_in_the_query_is_refused() {
    let mut front = start();
    let token = front.behind.token("orders", "orders.read");
    let right = Ask {
        certificate: Some("orders"),
        token: Some(&token),
        ..Ask::default()
    };
    front.expect(&right, Outcome::Served("orders"));
    front.path = "/orders/1?access_token=x&";
    front.expect(&right, Outcome::Malformed);
}

/// certbound's answers leave the connection open, and nginx asks again by the same.
#[test]
fn connections_to_certbound_are_used_again() {
    let behind = behind();
    let socket = behind.place.file("run/relay.sock");
    let relay = Relay::start(&socket, behind.place.socket());
    let front = start_at(behind, &text(&socket), "worker_processes 1");
    let token = front.behind.token("orders", "orders.read");
    let right = Ask {
        certificate: Some("orders"),
        token: Some(&token),
        ..Ask::default()
    };
    let wrong = Ask {
        certificate: Some("billing"),
        ..right.clone()
    };
    for _ in 0..20 {
        front.expect(&right, Outcome::Served("orders"));
        front.expect(&wrong, Outcome::Unauthorized(Some("invalid_token")));
    }
    // A body is none of certbound's: it must neither wait for one nor find one.
    let body = front.behind.place.file("body");
    std::fs::write(&body, "x".repeat(100_000)).expect("the folder is ours");
    let post = Ask {
        body: Some(body),
        ..right
    };
    for _ in 0..20 {
        front.expect(&post, Outcome::Served("orders"));
    }
    assert_eq!(relay.connections(), 1, "for 60 requests");
    assert_eq!(front.behind.application.connections(), 1, "for 40 requests");
}
