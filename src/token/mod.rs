//! What is issued, and what it means when it comes back.

pub mod family;
pub mod id_token;
pub mod jwt;
pub mod opaque;
pub mod read;
pub mod refresh;

use serde::{Deserialize, Serialize};

use crate::cert::Thumbprint;
use crate::client::registration::AccessTokenFormat;
use crate::key::set::KeySet;
use crate::oauth::ClientId;
use crate::oauth::scope::Scope;
use crate::oauth::secret::Secret;
use crate::oauth::time::Timestamp;
use crate::record::Changes;
use family::{Authentication, FamilyId};

/// Every form of access token.
pub const FORMATS: &[&dyn Format] = &[&jwt::Jwt, &opaque::Opaque];

/// An access token, whatever its form: the claims of RFC 9068 section 2.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// To whom it was issued.
    pub client_id: ClientId,
    /// Whom it speaks for: the client itself, where there is no user.
    pub subject: String,
    /// What it allows.
    pub scope: Scope,
    /// Whom it is meant for; at least one.
    pub audience: Vec<String>,
    /// When it was issued.
    pub issued: Timestamp,
    /// From this second on it is dead.
    pub expires: Timestamp,
    /// `jti`: its own name, which is not a secret.
    pub id: String,
    /// What it is bound to (RFC 8705 section 3).
    pub confirmation: Option<Confirmation>,
    /// How the user was authenticated, where there is one (RFC 9068 section 2.2.1).
    pub authentication: Option<Authentication>,
    /// The authorization that it came from, and ends with, where a user gave one.
    pub family: Option<FamilyId>,
}

/// `cnf`: what the bearer must prove to hold (RFC 7800 section 3, RFC 8705 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// The certificate.
    #[serde(rename = "x5t#S256", with = "thumbprint")]
    pub certificate: Thumbprint,
}

/// A thumbprint travels as its base64url text.
mod thumbprint {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::cert::Thumbprint;

    pub(super) fn serialize<S: Serializer>(
        thumbprint: &Thumbprint,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        s.collect_str(thumbprint)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Thumbprint, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// What a format needs to write a token.
pub struct Issue<'a> {
    /// The issuer identifier.
    pub issuer: &'a str,
    /// The signing keys.
    pub keys: &'a KeySet,
    /// 256 bits of chance, for what must not be guessed.
    pub secret: &'a Secret,
}

/// A form of access token.
pub trait Format: Sync {
    /// Which one.
    fn format(&self) -> AccessTokenFormat;

    /// The token as the client gets it, and what must be committed for it to be good.
    fn write(
        &self,
        token: &AccessToken,
        issue: &Issue<'_>,
    ) -> Result<(Secret, Changes), CannotIssue>;
}

/// Why no token could be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CannotIssue(pub String);

impl std::fmt::Display for CannotIssue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the access token could not be written: {}", self.0)
    }
}

/// The format of that name.
pub fn format(wanted: AccessTokenFormat) -> &'static dyn Format {
    match wanted {
        AccessTokenFormat::Jwt => &jwt::Jwt,
        AccessTokenFormat::Opaque => &opaque::Opaque,
    }
}
