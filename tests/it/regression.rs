//! Faults that were found once, each by its smallest case.

use serde_json::json;

use crate::pki::pki;
use crate::world::{SECRET, World, client, tls_client};

/// A file that changed between its first reading and the first look at its state was not read again.
#[test]
fn a_change_during_the_start_is_not_missed() {
    let world = World::usual();
    for round in 0..3 {
        let server = world.start();
        let id = format!("late{round}");
        let mut clients = world.registered();
        clients.push(tls_client(&id));
        world.write_clients(&clients);
        server.logs("read clients, authorities and revocation lists again");
    }
}

/// SIGHUP and SIGTERM that came as soon as the listener was there ended the program as if nobody waited.
#[test]
fn early_signals_are_received() {
    let mut server = World::usual().start();
    server.signal("HUP");
    server.signal("TERM");
    assert_eq!(server.ended().code(), Some(0));
}

/// A public client with `client_credentials` kept the server from starting; it is refused when it asks.
#[test]
fn a_public_client_may_name_client_credentials_and_never_gets_it() {
    let server = World::usual()
        .client(client("pub", "none", json!({})))
        .start();
    server
        .token("pub")
        .send()
        .refuses(400, "unauthorized_client");
    server
        .token("pub")
        .with(&pki().alice)
        .send()
        .refuses(400, "unauthorized_client");
    server
        .token("pub")
        .form("client_secret", SECRET)
        .send()
        .refuses(401, "invalid_client");
}
