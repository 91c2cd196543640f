//! Real clients that nobody here wrote, against certbound behind a real nginx and a real Apache: openid-client and
//! oauth4webapi in Node.js, and Apache's `mod_auth_openidc`. A small browser without script plays the user.

#[path = "../pages/browser.rs"]
#[expect(dead_code, reason = "other test programs need more of it")]
mod chromium;
mod front;
#[path = "../support/libraries.rs"]
#[expect(dead_code, reason = "other test programs need more of it")]
mod libraries;
mod mod_auth_openidc;
mod node;
mod people;
#[path = "../support/pki.rs"]
#[expect(dead_code, reason = "other test programs need more of it")]
mod pki;
#[path = "../support/place.rs"]
#[expect(dead_code, reason = "other test programs need more of it")]
mod place;
#[path = "../support/process.rs"]
mod process;
