//! The words of the specifications, as plain data.

pub mod error;
pub mod form;
pub mod issuer;
pub mod listed;
pub mod nearest;
pub mod pkce;
pub mod profile;
pub mod redirect_uri;
pub mod resource;
pub mod response;
pub mod scope;
pub mod secret;
pub mod time;

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// A client identifier (RFC 6749 section 2.2): printable ASCII, 1 to 256 characters.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(Arc<str>);

impl ClientId {
    /// Takes what is one.
    pub fn parse(text: &str) -> Result<Self, ClientIdError> {
        let printable = text.bytes().all(|byte| matches!(byte, 0x20..=0x7e));
        if text.is_empty() || text.len() > 256 || !printable {
            return Err(ClientIdError);
        }
        Ok(Self(text.into()))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for ClientId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that cannot be a client identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientIdError;

impl fmt::Display for ClientIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a client_id is 1 to 256 characters of printable ASCII")
    }
}
