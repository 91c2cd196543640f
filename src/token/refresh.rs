//! Refresh tokens: 256 bits of chance and the name of their family, whose meaning is a record under their
//! digest (RFC 6749 section 1.5, RFC 8705 section 4).

use serde::{Deserialize, Serialize};

use crate::cert::{ClientCertificate, Thumbprint};
use crate::oauth::secret::Secret;
use crate::oauth::time::Timestamp;
use crate::record::{Key, Kind, Record};

use super::family::FamilyId;

/// Lets a token be recognised where it should not be, such as in a log or a repository.
pub(super) const PREFIX: &str = "cbrt_";

/// What a refresh token works with only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hold {
    /// This certificate (RFC 8705 section 4).
    #[serde(rename = "c", with = "super::thumbprint")]
    Certificate(Thumbprint),
    /// Any certificate over this public key, so that a renewed one still holds it.
    #[serde(rename = "k", with = "super::thumbprint")]
    Key(Thumbprint),
}

impl Hold {
    /// Whether that certificate holds it.
    pub fn holds(&self, certificate: &ClientCertificate) -> bool {
        match self {
            Self::Certificate(thumbprint) => thumbprint == certificate.thumbprint(),
            Self::Key(thumbprint) => *thumbprint == certificate.public_key_thumbprint(),
        }
    }
}

/// What is kept of a refresh token; what it stands for is its family's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshToken {
    /// When it was issued.
    #[serde(rename = "i")]
    pub issued: Timestamp,
    /// From this second on it is dead.
    #[serde(rename = "e")]
    pub expires: Timestamp,
    /// What it works with only, if anything.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// Whether another one took its place: whoever shows it now is not alone (RFC 9700 section 4.14.2).
    #[serde(rename = "x", default, skip_serializing_if = "std::ops::Not::not")]
    pub rotated: bool,
}

impl RefreshToken {
    /// The text of a new one.
    pub fn text(chance: &Secret, family: &FamilyId) -> Secret {
        let parts = [PREFIX, chance.expose(), ".", family.as_str()];
        // All at once: a string that grows leaves pieces of the secret behind.
        Secret::new(parts.concat())
    }

    /// Whether that text looks like a refresh token of ours.
    pub fn is_one(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// Where the record of the token with that text is.
    pub fn key(issuer: &str, text: &str) -> Key {
        Key::named(Kind::RefreshToken, issuer, text)
    }

    /// The record, which lives as long as the token would.
    ///
    /// # Errors
    /// The library cannot write it.
    pub fn record(&self) -> Result<Record, serde_json::Error> {
        Ok(Record {
            value: serde_json::to_vec(self)?,
            expires: Some(self.expires),
        })
    }

    /// What [`Self::record`] wrote, unless it has expired.
    pub fn read(record: &Record, now: Timestamp) -> Option<Self> {
        let read: Self = serde_json::from_slice(&record.value).ok()?;
        (now < read.expires).then_some(read)
    }
}
