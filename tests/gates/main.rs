//! Gates in front of an application, in the real nginx, Apache, `HAProxy`, Caddy, Traefik and Envoy, started
//! with the very files of `examples/`.
//!
//! What is replaced in those files is ports, the path of the socket and what only an installation knows, each
//! a literal that must be there exactly once. nginx and Apache must be there; a test of another one that is
//! not says so and passes, and `scripts/test`, which installs them all, counts such tests.

mod apache;
mod caddy;
mod envoy;
mod external_issuer;
mod front;
mod haproxy;
mod matrix;
mod nginx;
mod programs;
mod traefik;

#[path = "../support/application.rs"]
mod application;
#[path = "../support/certbound.rs"]
#[expect(dead_code, reason = "other test programs need more of it")]
mod certbound;
#[path = "../support/client.rs"]
#[expect(dead_code, reason = "other test programs need more of it")]
mod client;
#[path = "../support/pki.rs"]
mod pki;
#[path = "../support/place.rs"]
mod place;
#[path = "../support/process.rs"]
mod process;
#[path = "../support/relay.rs"]
mod relay;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "other test programs need more of it")]
mod support;
