//! X.509 as this server sees it (RFC 5280, RFC 8705).

pub mod thumbprint;
