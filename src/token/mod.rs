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
use crate::key::json::Json;
use crate::key::set::KeySet;
use crate::key::signing::UnsignedJws;
use crate::oauth::ClientId;
use crate::oauth::scope::Scope;
use crate::oauth::secret::Secret;
use crate::oauth::time::Timestamp;
use crate::record::Changes;
use family::{Authentication, FamilyId};

/// Every form of access token.
pub const FORMATS: &[&dyn Format] = &[&jwt::Jwt, &opaque::Opaque];

/// An access token, whatever its form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// `jti`: its own name, which is not a secret; its format gives it one.
    pub id: String,
    /// What it says.
    pub claims: Claims,
}

/// What an access token says: the claims of RFC 9068 section 2.2 but its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
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
        let digest = thumbprint.digest();
        digest.with_base64url(|text| s.serialize_str(text))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Thumbprint, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl Confirmation {
    /// Reads `cnf` of a token of our own.
    fn read(cnf: &Json<'_>) -> Option<Self> {
        let certificate = cnf.as_object()?.get("x5t#S256")?.as_str()?.parse();
        Some(Self {
            certificate: certificate.ok()?,
        })
    }
}

impl Claims {
    /// The token of that name that says this.
    fn named(self, id: &str) -> AccessToken {
        AccessToken {
            id: id.to_owned(),
            claims: self,
        }
    }
}

/// How many characters of base64url a name has: 132 bits.
const NAME: usize = 22;

/// The first characters of that text, as a name.
fn name_of(text: &str) -> &str {
    text.get(..NAME).unwrap_or(text)
}

/// A token that was written.
#[derive(Debug)]
pub struct Written {
    /// What it says.
    pub token: AccessToken,
    /// As the client gets it.
    pub text: Text,
    /// What must be committed for it to be good.
    pub changes: Changes,
}

/// An access token as the client gets it.
#[derive(Debug)]
pub enum Text {
    /// All of it.
    Whole(Secret),
    /// All but its signature.
    Unsigned(UnsignedJws),
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

    /// Writes a token.
    fn write(&self, claims: Claims, issue: &Issue<'_>) -> Result<Written, CannotIssue>;
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
