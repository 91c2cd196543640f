//! `examples/apache/gate-fcgi.conf` and `gate-proxy.conf`, in a real Apache.

use std::process::Command;

use super::application::Application;
use super::client::Tls;
use super::front::{Ask, Behind, Dialect, Front};
use super::matrix::{self, Outcome};
use super::place::{Place, rewritten, text};
use super::process::{Process, free_port};

fn httpd(place: &Place, conf: &str, port: u16) -> Process {
    let mut command = Command::new("apache2");
    command.arg("-d").arg(place.path()).args(["-f", conf]);
    command.arg("-DFOREGROUND");
    let log = place.file(&format!("logs/{conf}.log"));
    Process::start("apache2", &mut command, log).listens_on(&[port])
}

/// Apache that asks certbound as a FastCGI authorizer.
fn fcgi() -> Front {
    let (port, gate) = (free_port(), free_port());
    let behind = Behind::start(
        "apache/gate-fcgi.toml",
        &[("127.0.0.1:9402", &format!("127.0.0.1:{gate}"))],
        &[],
        Dialect::PemLine,
    );
    let conf = rewritten(
        "apache/gate-fcgi.conf",
        &[
            ("API_PORT 443", &format!("API_PORT {port}")),
            ("GATE 127.0.0.1:9402", &format!("GATE 127.0.0.1:{gate}")),
            (
                "http://127.0.0.1:8080",
                &format!("http://127.0.0.1:{}", behind.application.port),
            ),
        ],
    );
    behind.place.write("gate-fcgi.conf", &conf);
    Front {
        web_server: httpd(&behind.place, "gate-fcgi.conf", port),
        port,
        path: "/orders/1",
        behind,
    }
}

/// Apache that passes requests to certbound, which passes them on.
fn proxy() -> Front {
    let port = free_port();
    let application = Application::start();
    let upstream = format!("http://127.0.0.1:{}", application.port);
    let behind = Behind::start_with(
        application,
        "apache/gate-proxy.toml",
        &[("http://127.0.0.1:8080", &upstream)],
        &[],
        Dialect::PemLine,
    );
    let conf = rewritten(
        "apache/gate-proxy.conf",
        &[
            ("API_PORT 443", &format!("API_PORT {port}")),
            (
                "CERTBOUND_SOCKET /run/certbound/certbound.sock",
                &format!("CERTBOUND_SOCKET {}", text(&behind.place.socket())),
            ),
        ],
    );
    behind.place.write("gate-proxy.conf", &conf);
    Front {
        web_server: httpd(&behind.place, "gate-proxy.conf", port),
        port,
        path: "/orders/1",
        behind,
    }
}

#[test]
fn fcgi_requests_end_as_they_must() {
    matrix::requests(&fcgi());
}

#[test]
fn fcgi_forged_headers_do_not_count() {
    matrix::forged(&fcgi());
}

#[test]
fn fcgi_forged_headers_beside_a_certificate_do_not_count() {
    matrix::forged_beside(&fcgi());
}

#[test]
fn fcgi_forged_identities_do_not_count() {
    matrix::forged_identity(&fcgi());
}

#[test]
fn fcgi_ambiguous_tokens_are_refused() {
    matrix::ambiguous_tokens(&fcgi());
}

#[test]
fn fcgi_a_token_in_the_query_is_refused() {
    matrix::token_in_the_query(&mut fcgi());
}

#[test]
fn fcgi_resumed_sessions_are_worth_what_they_were() {
    assert_eq!(matrix::resumed(&fcgi()), Tls::ALL);
}

#[test]
fn fcgi_bodies_pass_as_they_are() {
    matrix::bodies(&fcgi());
}

#[test]
fn fcgi_sessions_spare_the_token() {
    matrix::sessions(&fcgi());
}

#[test]
fn fcgi_without_certbound_nobody_is_served() {
    matrix::certbound_gone(fcgi());
}

#[test]
fn proxy_requests_end_as_they_must() {
    matrix::requests(&proxy());
}

#[test]
fn proxy_forged_headers_do_not_count() {
    matrix::forged(&proxy());
}

#[test]
fn proxy_forged_headers_beside_a_certificate_do_not_count() {
    matrix::forged_beside(&proxy());
}

#[test]
fn proxy_forged_identities_do_not_count() {
    matrix::forged_identity(&proxy());
}

#[test]
fn proxy_ambiguous_tokens_are_refused() {
    matrix::ambiguous_tokens(&proxy());
}

#[test]
fn proxy_a_token_in_the_query_is_refused() {
    matrix::token_in_the_query(&mut proxy());
}

#[test]
fn proxy_resumed_sessions_are_worth_what_they_were() {
    assert_eq!(matrix::resumed(&proxy()), Tls::ALL);
}

#[test]
fn proxy_bodies_pass_as_they_are() {
    matrix::bodies(&proxy());
}

#[test]
fn proxy_sessions_spare_the_token() {
    matrix::sessions(&proxy());
}

#[test]
fn proxy_without_certbound_nobody_is_served() {
    matrix::certbound_gone(proxy());
}

/// Outside of the path of the gate there is nothing, however it is written.
#[test]
fn proxy_serves_nothing_beside_the_gate() {
    let mut front = proxy();
    let token = front.behind.token("orders", "orders.read");
    let ask = Ask {
        certificate: Some("orders"),
        token: Some(&token),
        ..Ask::default()
    };
    for path in [
        "/",
        "/orders",
        "/ORDERS/1",
        "/Orders/1",
        "/orders%2f1",
        "//orders/../1",
        "/oauth2/verify/orders",
        "/oauth2/jwks",
    ] {
        front.path = path;
        let reply = front.ask(&ask);
        assert!(matches!(reply.status, 400 | 403 | 404), "{path}: {reply:?}");
        assert!(front.behind.application.take().is_empty(), "{path}");
    }
}

/// Between certbound and the application connections stay open.
#[test]
fn proxy_connections_to_the_application_are_used_again() {
    let front = proxy();
    let token = front.behind.token("orders", "orders.read");
    let ask = Ask {
        certificate: Some("orders"),
        token: Some(&token),
        ..Ask::default()
    };
    for _ in 0..20 {
        front.expect(&ask, Outcome::Served("orders"));
    }
    let connections = front.behind.application.connections();
    assert_eq!(connections, 1, "for 20 requests");
}
