//! A family: everything that one authorization by a user gave. Its record lives while any of its tokens
//! may, and with it they all end at once (RFC 6749 sections 4.1.2 and 10.4, RFC 9700 section 4.14.2).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::oauth::ClientId;
use crate::oauth::scope::Scope;
use crate::oauth::secret::Secret;
use crate::oauth::time::Timestamp;
use crate::record::{Key, Kind, Record};

/// The characters of a name: 132 bits in base64url.
const LENGTH: usize = 22;

/// The name of a family. It is no secret: whoever knows it can do nothing with it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct FamilyId([u8; LENGTH]);

impl FamilyId {
    /// A name made of chance: 256 bits of it in base64url, of which it takes as many as it has room for.
    pub fn mint(chance: &Secret) -> Self {
        let mut name = [b'A'; LENGTH];
        for (place, octet) in name.iter_mut().zip(chance.expose().bytes()) {
            *place = octet;
        }
        Self(name)
    }

    /// Takes what looks like one.
    pub fn parse(text: &str) -> Option<Self> {
        let name: [u8; LENGTH] = text.as_bytes().try_into().ok()?;
        let fits = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
        name.iter().all(fits).then_some(Self(name))
    }

    /// The family named behind the last dot of a secret that carries one (`SECRET.FAMILY`).
    pub fn carried_by(text: &str) -> Option<Self> {
        Self::parse(text.rsplit_once('.')?.1)
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        // It is ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Where the family's record is.
    pub fn key(&self, issuer: &str) -> Key {
        Key::named(Kind::Family, issuer, self.as_str())
    }
}

impl fmt::Debug for FamilyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for FamilyId {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for FamilyId {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("no name of a family"))
    }
}

/// How the user was authenticated (OpenID Connect Core section 2, RFC 9470 section 6). It stays as it
/// was when tokens are refreshed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authentication {
    /// `auth_time`.
    #[serde(rename = "t")]
    pub time: Timestamp,
    /// `acr`.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// `amr` (RFC 8176).
    #[serde(rename = "m", default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
}

/// What a user allowed a client: what every token of the family has in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Kept")]
pub struct Family {
    /// To whom it was given.
    #[serde(rename = "c", serialize_with = "client_id::serialize")]
    pub client_id: ClientId,
    /// `sub`.
    #[serde(rename = "u")]
    pub subject: String,
    /// By what name the user is looked up.
    #[serde(rename = "n")]
    pub username: String,
    /// Whether the user was one of `--users`, and so must still be one.
    #[serde(rename = "l", skip_serializing_if = "std::ops::Not::not")]
    pub local: bool,
    /// What was allowed.
    #[serde(rename = "s", serialize_with = "scope::serialize")]
    pub scope: Scope,
    /// For what (RFC 8707).
    #[serde(rename = "a")]
    pub audience: Vec<String>,
    /// How the user was authenticated.
    #[serde(flatten)]
    pub authentication: Authentication,
    /// `sid`: the user's session, if it still was one.
    #[serde(rename = "b", skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The claims asked for by name in the ID token (OpenID Connect Core section 5.5).
    #[serde(rename = "i", skip_serializing_if = "Vec::is_empty")]
    pub id_token_claims: Vec<String>,
    /// The claims asked for by name at `userinfo`.
    #[serde(rename = "o", skip_serializing_if = "Vec::is_empty")]
    pub userinfo_claims: Vec<String>,
}

/// A family as it is read: flat, because what is flattened is read in twice the time, and this is read at every
/// refresh.
#[derive(Deserialize)]
struct Kept {
    #[serde(rename = "c", deserialize_with = "client_id::deserialize")]
    client_id: ClientId,
    #[serde(rename = "u")]
    subject: String,
    #[serde(rename = "n")]
    username: String,
    #[serde(rename = "l", default)]
    local: bool,
    #[serde(rename = "s", deserialize_with = "scope::deserialize")]
    scope: Scope,
    #[serde(rename = "a")]
    audience: Vec<String>,
    #[serde(rename = "t")]
    time: Timestamp,
    #[serde(rename = "r", default)]
    acr: Option<String>,
    #[serde(rename = "m", default)]
    methods: Vec<String>,
    #[serde(rename = "b", default)]
    session: Option<String>,
    #[serde(rename = "i", default)]
    id_token_claims: Vec<String>,
    #[serde(rename = "o", default)]
    userinfo_claims: Vec<String>,
}

impl From<Kept> for Family {
    fn from(kept: Kept) -> Self {
        Self {
            client_id: kept.client_id,
            subject: kept.subject,
            username: kept.username,
            local: kept.local,
            scope: kept.scope,
            audience: kept.audience,
            authentication: Authentication {
                time: kept.time,
                acr: kept.acr,
                methods: kept.methods,
            },
            session: kept.session,
            id_token_claims: kept.id_token_claims,
            userinfo_claims: kept.userinfo_claims,
        }
    }
}

impl Family {
    /// The record, which lives until then.
    ///
    /// # Errors
    /// The library cannot write it.
    pub fn record(&self, expires: Timestamp) -> Result<Record, serde_json::Error> {
        Ok(Record {
            value: serde_json::to_vec(self)?,
            expires: Some(expires),
        })
    }

    /// What [`Self::record`] wrote.
    pub fn read(record: &Record) -> Option<Self> {
        serde_json::from_slice(&record.value).ok()
    }
}

/// A client's identifier travels as its text.
mod client_id {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::oauth::ClientId;

    pub(super) fn serialize<S: Serializer>(id: &ClientId, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(id.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<ClientId, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        ClientId::parse(&text).map_err(D::Error::custom)
    }
}

/// Scope travels as its text.
mod scope {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::oauth::scope::Scope;

    pub(super) fn serialize<S: Serializer>(scope: &Scope, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(scope.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Scope, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        Scope::parse(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_families() {
        let id = FamilyId::mint(&Secret::new("a".repeat(43)));
        assert_eq!(FamilyId::parse(id.as_str()), Some(id.clone()));
        let carrying = format!("cbrt_{}.{}", "b".repeat(43), id.as_str());
        assert_eq!(FamilyId::carried_by(&carrying), Some(id.clone()));
        for wrong in [
            "",
            "a",
            &"a".repeat(23),
            &"a".repeat(21),
            "aaaaaaaaaaaaaaaaaaaaa.",
            "aaaaaaaaaaaaaaaaaaaaa=",
        ] {
            assert_eq!(FamilyId::parse(wrong), None, "{wrong}");
        }
        assert_ne!(id.key("https://a.example"), id.key("https://b.example"));
    }

    #[test]
    fn a_family_is_read_as_it_was_written() {
        let family = Family {
            client_id: ClientId::parse("web").expect("a client_id"),
            subject: "s-1".into(),
            username: "alice".into(),
            local: true,
            scope: Scope::parse("openid profile").expect("a scope"),
            audience: vec!["https://api.example".into()],
            authentication: Authentication {
                time: Timestamp::from_unix(5),
                acr: Some("gold".into()),
                methods: vec!["pwd".into(), "otp".into()],
            },
            session: Some("s".into()),
            id_token_claims: vec!["email".into()],
            userinfo_claims: Vec::new(),
        };
        let record = family.record(Timestamp::from_unix(9)).expect("JSON");
        assert_eq!(Family::read(&record), Some(family));
        assert_eq!(
            Family::read(&Record {
                value: b"{}".to_vec(),
                expires: None
            }),
            None
        );
    }
}
