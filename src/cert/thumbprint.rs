//! `x5t#S256`: the SHA-256 thumbprint of a certificate (RFC 8705 section 3.1).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::oauth::secret::Digest;

/// The SHA-256 digest of a certificate's DER octets, compared in constant time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Thumbprint(Digest);

impl Thumbprint {
    /// The thumbprint of those DER octets.
    pub fn of(der: &[u8]) -> Self {
        Self(Digest::of(der))
    }

    /// The digest.
    pub const fn digest(&self) -> &Digest {
        &self.0
    }
}

impl From<Digest> for Thumbprint {
    fn from(digest: Digest) -> Self {
        Self(digest)
    }
}

impl fmt::Display for Thumbprint {
    /// Base64url without padding, 43 characters, as in `cnf`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.with_base64url(|text| f.write_str(text))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is not the base64url form of 32 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAThumbprint;

impl fmt::Display for NotAThumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an x5t#S256 thumbprint: it is 43 characters of base64url without padding")
    }
}

impl std::str::FromStr for Thumbprint {
    type Err = NotAThumbprint;

    fn from_str(text: &str) -> Result<Self, NotAThumbprint> {
        let octets = URL_SAFE_NO_PAD.decode(text).map_err(|_| NotAThumbprint)?;
        let octets: [u8; 32] = octets.try_into().map_err(|_| NotAThumbprint)?;
        Ok(Self(Digest::from_octets(octets)))
    }
}
