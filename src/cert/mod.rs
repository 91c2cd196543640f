//! X.509 as this server sees it (RFC 5280, RFC 8705).

pub mod attribute;
pub mod authority;
pub mod certificate;
pub mod chain;
pub mod der;
pub mod key;
pub mod name;
pub mod pem;
pub mod prepare;
mod rdn;
pub mod registered;
pub mod revocation;
pub mod san;
pub mod thumbprint;
pub mod usage;
pub mod validity;

pub use authority::{AuthorityError, ClientAuthorities};
pub use certificate::{CertificateError, ClientCertificate};
pub use chain::ChainError;
pub use key::PublicKey;
pub use name::{DistinguishedName, NameError, NameMismatch};
pub use registered::RegisteredName;
pub use revocation::RevocationLists;
pub use san::{RegisteredSan, SubjectAltName};
pub use thumbprint::Thumbprint;

#[cfg(test)]
mod tests;
