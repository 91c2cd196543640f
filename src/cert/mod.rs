//! X.509 as this server sees it (RFC 5280, RFC 8705).

pub mod attribute;
pub mod der;
pub mod key;
pub mod name;
pub mod prepare;
pub mod registered;
pub mod san;
pub mod thumbprint;
