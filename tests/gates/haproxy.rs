//! `examples/haproxy`, in a real `HAProxy`.

use std::fs;
use std::process::Command;

use super::front::{Behind, Dialect, Front};
use super::matrix;
use super::place::{rewritten, text};
use super::process::{Process, free_port};
use super::programs::program;

fn start() -> Option<Front> {
    let haproxy = program("haproxy", "haproxy", "apt-get install haproxy")?;
    let port = free_port();
    let behind = Behind::start(
        "haproxy/certbound.toml",
        &[("listen_group = \"haproxy\"", "listen_group = \"root\"")],
        &[],
        // What it sends has a verdict, and so must what stands in for it.
        Dialect::Base64DerVerified,
    );
    let place = &behind.place;
    let conf = rewritten(
        "haproxy/haproxy.cfg",
        &[
            ("bind :443 ", &format!("bind :{port} ")),
            (
                "127.0.0.1:8080",
                &format!("127.0.0.1:{}", behind.application.port),
            ),
        ],
    );
    place.write("haproxy.cfg", &conf);
    let socket = format!("unix@{}", text(&place.socket()));
    let lua = rewritten(
        "haproxy/gate.lua",
        &[("unix@/run/certbound/certbound.sock", &socket)],
    );
    place.write("gate.lua", &lua);
    let both = ["server.pem", "server.key"].map(|name| {
        let file = fs::read_to_string(place.pki.file(name));
        file.expect("it was made")
    });
    place.write("tls/haproxy.pem", &both.concat());
    let mut command = Command::new(haproxy);
    command.arg("-C").arg(place.path());
    command.args(["-db", "-f", "haproxy.cfg"]);
    let log = place.file("logs/haproxy.log");
    Some(Front {
        web_server: Process::start("haproxy", &mut command, log).listens_on(&[port]),
        port,
        path: "/orders/1",
        behind,
    })
}

#[test]
fn requests_end_as_they_must() {
    if let Some(mut front) = start() {
        matrix::token_in_the_query(&mut front);
        matrix::sessions(&front);
        matrix::core(front);
    }
}

/// `HAProxy` goes on where a script fails. This gate does not.
#[test]
fn a_script_that_fails_lets_nobody_in() {
    use super::front::Ask;
    use super::matrix::Outcome;

    let Some(mut front) = start() else {
        return;
    };
    let place = &front.behind.place;
    let lua = fs::read_to_string(place.file("gate.lua")).expect("it is there");
    let first = "  local client = txn.http:req_get_headers()\n";
    assert_eq!(lua.matches(first).count(), 1);
    let failing = lua.replace(first, &format!("{first}  error(\"on purpose\")\n"));
    place.write("gate.lua", &failing);
    let port = free_port();
    let conf = fs::read_to_string(place.file("haproxy.cfg")).expect("it is there");
    let conf = conf.replace(&format!("bind :{} ", front.port), &format!("bind :{port} "));
    place.write("failing.cfg", &conf);
    let haproxy = program("haproxy", "haproxy", "apt-get install haproxy");
    let mut command = Command::new(haproxy.expect("it was there a moment ago"));
    command.arg("-C").arg(place.path());
    command.args(["-db", "-f", "failing.cfg"]);
    let log = place.file("logs/failing.log");
    front.web_server = Process::start("haproxy", &mut command, log).listens_on(&[port]);
    front.port = port;
    let token = front.behind.token("orders", "orders.read");
    let ask = Ask {
        certificate: Some("orders"),
        token: Some(&token),
        ..Ask::default()
    };
    front.expect(&ask, Outcome::Unavailable);
}
