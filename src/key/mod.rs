//! The server's own signing keys, the reading of JWTs, its own and others', and the encryption of tokens to
//! clients (RFC 7515, 7516, 7517, 7519).
//!
//! Whoever verifies says which algorithms will do; what a token says of itself only has to agree
//! (RFC 8725 section 3.1). Nothing here decrypts a token.

pub mod algorithm;
pub mod claims;
mod der;
pub mod envelope;
mod error;
pub mod json;
pub mod jwe;
pub mod jwk;
pub mod jws;
pub mod members;
pub mod pem;
pub mod public;
pub mod seal;
pub mod set;
pub mod signing;
mod spki;

pub use error::{JwsError, KeyError};
