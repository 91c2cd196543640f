//! Files that change, and signals.

use std::io::Write as _;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::pki::{pki, wanted};
use crate::wire::{Response, read_to_end};
use crate::world::{Server, World, secret_client, tls_client};

/// Waits until the client gets that status.
#[track_caller]
fn becomes(server: &Server, client: &str, status: u16, within: Duration) {
    let certificate = wanted(client).by(&pki().ca);
    let began = Instant::now();
    loop {
        let response = server.token(client).with(&certificate).send();
        if response.status == status {
            return;
        }
        assert!(
            began.elapsed() < within,
            "{client}: still {}",
            response.status
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_client_that_is_registered_no_more_takes_its_tokens_with_it() {
    let world = World::usual();
    let usual = world.registered();
    let mut clients = usual.clone();
    clients.push(tls_client("leaver"));
    world.write_clients(&clients);
    let server = world.start();
    let asked = server.token("leaver").with(&wanted("leaver").by(&pki().ca));
    let token = asked.send().token();
    assert!(server.is_active(&token));
    world.write_clients(&usual);
    let began = Instant::now();
    while server.is_active(&token) {
        assert!(began.elapsed() < Duration::from_secs(5), "still active");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn clients_are_read_again_and_a_bad_file_keeps_the_old() {
    let world = World::usual();
    let server = world.start();
    server
        .token("newcomer")
        .with(&wanted("newcomer").by(&pki().ca))
        .send()
        .refuses(401, "invalid_client");
    let mut clients = world.registered();
    clients.push(tls_client("newcomer"));
    world.write_clients(&clients);
    becomes(&server, "newcomer", 200, Duration::from_millis(2_500));

    for (bad, says) in [
        ("[{", "not JSON"),
        ("[{\"client_id\":\"x\",\"scpoe\":\"a\"}]", "scope"),
        ("{}", "array"),
        ("", "not JSON"),
    ] {
        let before = server.log().len();
        world.write("clients.json", bad);
        let began = Instant::now();
        while !server.log()[before..].contains("kept what this file held before") {
            assert!(
                began.elapsed() < Duration::from_secs(5),
                "{bad}: nothing was said"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(
            server.log()[before..].contains(says),
            "{bad}: {}",
            server.log()
        );
        server
            .token("newcomer")
            .with(&wanted("newcomer").by(&pki().ca))
            .send()
            .token();
    }
    // A client that is gone is gone, and what it was given is too unless somebody else may ask.
    world.write_clients(&world.registered());
    becomes(&server, "newcomer", 401, Duration::from_millis(2_500));
}

#[test]
fn sighup_reads_at_once_and_authorities_change_too() {
    let world = World::usual();
    let server = world.start();
    world.write("ca.pem", &pki().other_ca.cert.pem);
    server.signal("HUP");
    server.logs("read clients, authorities and revocation lists again");
    let began = Instant::now();
    while server.token("alice").with(&pki().alice).send().status != 401 {
        assert!(began.elapsed() < Duration::from_secs(3));
    }
    server
        .token("alice")
        .with(&wanted("alice").by(&pki().other_ca))
        .send()
        .token();
    let before = server.log().len();
    world.write("ca.pem", "nonsense");
    server.signal("HUP");
    let began = Instant::now();
    while !server.log()[before..].contains("kept what this file held before") {
        assert!(began.elapsed() < Duration::from_secs(5));
        std::thread::sleep(Duration::from_millis(20));
    }
    server
        .token("alice")
        .with(&wanted("alice").by(&pki().other_ca))
        .send()
        .token();
}

#[test]
fn mtls_16_a_revocation_list_that_changes_is_in_force() {
    let world = World::usual();
    let path = world.write("crl.pem", &pki().ca.crl(&[7], 2044));
    let world = world.flag("--client-crl", &path);
    let server = world.start();
    server.token("alice").with(&pki().alice).send().token();
    world.write("crl.pem", &pki().ca.crl(&[7, 1001], 2044));
    let began = Instant::now();
    while server.token("alice").with(&pki().alice).send().status == 200 {
        assert!(
            began.elapsed() < Duration::from_millis(2_500),
            "the list is not in force"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    server.token("bob").with(&pki().bob).send().token();
}

/// A request that is half sent when the program is told to stop is finished.
fn drains(signal: &str) {
    let mut server = World::usual().start();
    let request = server.token("alice").with(&pki().alice);
    let octets = request.octets();
    let (first, rest) = octets.split_at(octets.len() - 5);
    let mut stream = server.place.connect().expect("it listens");
    stream.write_all(first).expect("written");
    std::thread::sleep(Duration::from_millis(200));
    server.signal(signal);
    server.logs("stopping");
    std::thread::sleep(Duration::from_millis(100));
    assert!(server.place.connect().is_err(), "no new connections");
    stream.write_all(rest).expect("still open");
    let response = Response::parse(&read_to_end(&mut *stream));
    request.seen(&response);
    response.token();
    drop(request);
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn sigterm_finishes_what_is_in_flight_and_ends_with_0() {
    drains("TERM");
}

#[test]
fn sigint_does_the_same() {
    drains("INT");
}

#[test]
fn an_idle_connection_does_not_hold_up_the_end() {
    let mut server = World::usual().client(secret_client("x", json!({}))).start();
    let mut stream = server.place.connect().expect("it listens");
    let octets = server
        .get("jwks")
        .header("Connection", "keep-alive")
        .octets();
    stream.write_all(&octets).expect("written");
    std::thread::sleep(Duration::from_millis(200));
    let began = Instant::now();
    server.signal("TERM");
    assert_eq!(server.ended().code(), Some(0));
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
}
