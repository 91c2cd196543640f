//! The words of the specifications, as plain data.

pub mod issuer;
pub mod secret;
pub mod time;
