//! The real Apache, nginx, `mod_oauth2` and redis-server, started with the very files of `examples/`.
//!
//! What is replaced in those files is ports, the path of the socket and what only an installation knows
//! (a secret, a thumbprint), each a literal that must be there exactly once; everything else is relative
//! to the folder that the web server is given, or is overruled by certbound's own flags.

mod acceptance;
mod apache;
#[path = "../support/certbound.rs"]
#[expect(dead_code, reason = "other test programs need more of it")]
mod certbound;
#[path = "../support/client.rs"]
mod client;
mod deployment;
mod mod_oauth2;
mod nginx;
#[path = "../support/pki.rs"]
mod pki;
#[path = "../support/place.rs"]
#[expect(dead_code, reason = "other test programs need more of it")]
mod place;
#[path = "../support/process.rs"]
mod process;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "other test programs need more of it")]
mod support;
