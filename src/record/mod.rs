//! What outlives a request: keys, records, and changes that happen whole or not at all.
//!
//! Records know nothing of the store that keeps them. A key is made of a [`Kind`] and a digest, so
//! that no store ever sees a token, a code or a secret.

use std::fmt;

use crate::oauth::secret::Digest;
use crate::oauth::time::Timestamp;

/// What a key is about. The prefix is part of the documented key layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// An opaque access token.
    AccessToken,
    /// A token (opaque or JWT) that was revoked before it expired.
    Revoked,
    /// A grant: the family that the tokens of one authorization belong to. It lives while they may.
    Family,
    /// A refresh token.
    RefreshToken,
    /// An authorization code.
    AuthorizationCode,
    /// What a user's browser is signed in with.
    Session,
    /// A pushed authorization request (RFC 9126).
    PushedRequest,
    /// An authorization request that has been answered: it cannot be a second time.
    Answered,
    /// How often somebody tried to sign in and could not.
    Attempts,
    /// The last one-time password that a user signed in with (RFC 6238 section 5.2).
    OneTimePassword,
    /// The `jti` of a client assertion that has been used (RFC 7523 section 3).
    Assertion,
    /// The server's own signing keys.
    SigningKeys,
}

impl Kind {
    /// Every kind, for documentation and tests.
    pub const ALL: &'static [Self] = &[
        Self::AccessToken,
        Self::Revoked,
        Self::Family,
        Self::RefreshToken,
        Self::AuthorizationCode,
        Self::Session,
        Self::PushedRequest,
        Self::Answered,
        Self::Attempts,
        Self::OneTimePassword,
        Self::Assertion,
        Self::SigningKeys,
    ];

    /// The first part of the key.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::AccessToken => "at",
            Self::Revoked => "rv",
            Self::Family => "fa",
            Self::RefreshToken => "rt",
            Self::AuthorizationCode => "co",
            Self::Session => "se",
            Self::PushedRequest => "pr",
            Self::Answered => "an",
            Self::Attempts => "tr",
            Self::OneTimePassword => "ot",
            Self::Assertion => "ja",
            Self::SigningKeys => "ks",
        }
    }
}

/// The characters of a key: its kind, a colon and 256 bits in base64url.
const LENGTH: usize = PREFIX + 1 + 43;
/// Those of its kind.
const PREFIX: usize = 2;

/// The name of a record: `KIND:DIGEST`, the digest in base64url. A request has several, each copied more than once: they
/// take no memory of their own.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    kind: Kind,
    text: [u8; LENGTH],
}

impl Key {
    /// The key of what has that digest.
    pub fn new(kind: Kind, digest: &Digest) -> Self {
        let mut text = [b':'; LENGTH];
        let fill = |places: &mut [u8], with: &str| {
            for (place, octet) in places.iter_mut().zip(with.bytes()) {
                *place = octet;
            }
        };
        let (before, behind) = text.split_at_mut(PREFIX + 1);
        fill(before, kind.prefix());
        digest.with_base64url(|digest| fill(behind, digest));
        Self { kind, text }
    }

    /// The key of something that has that name at that issuer. Of two issuers that share a store neither
    /// finds what is the other's; an issuer has no newline.
    pub fn named(kind: Kind, issuer: &str, name: &str) -> Self {
        Self::new(kind, &Digest::of_parts(&[issuer, "\n", name]))
    }

    /// The digest, in base64url.
    pub fn digest(&self) -> &str {
        self.as_str().get(PREFIX + 1..).unwrap_or_default()
    }

    /// What it is about.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// As stores spell it (before any prefix of their own).
    pub fn as_str(&self) -> &str {
        // It is ASCII.
        std::str::from_utf8(&self.text).unwrap_or_default()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A value and when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The octets, which only their owner can read.
    pub value: Vec<u8>,
    /// From this second on the record is gone; `None` only for what has no natural end (signing keys).
    pub expires: Option<Timestamp>,
}

impl Record {
    /// Whether there is still such a record at that time.
    pub fn lives(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|end| now < end)
    }
}

/// What must hold of a key when changes are made, else none of them is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// There is no such record.
    Absent,
    /// The record is there and its value is exactly this.
    Is(Vec<u8>),
}

impl Condition {
    /// Whether it holds of a key under which that value, or nothing, was found.
    pub fn holds(&self, found: Option<&[u8]>) -> bool {
        match self {
            Self::Absent => found.is_none(),
            Self::Is(value) => found == Some(value.as_slice()),
        }
    }
}

/// What happens to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It gets this record, whatever was there.
    Put(Record),
    /// It is gone.
    Delete,
}

/// A set of changes, made in one step if every condition holds at that step, else not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "changes do nothing until a store commits them"]
pub struct Changes {
    conditions: Vec<(Key, Condition)>,
    operations: Vec<(Key, Operation)>,
}

impl Changes {
    /// No changes.
    pub fn none() -> Self {
        Self::default()
    }

    /// Only if this holds of that key.
    pub fn expect(mut self, key: Key, condition: Condition) -> Self {
        self.conditions.push((key, condition));
        self
    }

    /// Put a record.
    pub fn put(mut self, key: Key, record: Record) -> Self {
        self.operations.push((key, Operation::Put(record)));
        self
    }

    /// Delete a record; nothing happens if there is none.
    pub fn delete(mut self, key: Key) -> Self {
        self.operations.push((key, Operation::Delete));
        self
    }

    /// These and those, all in one step.
    pub fn and(mut self, others: Self) -> Self {
        self.conditions.extend(others.conditions);
        self.operations.extend(others.operations);
        self
    }

    /// Whether they are made only while there is, or is not, what was found under every one of those keys.
    pub fn rest_on(&self, keys: &[Key]) -> bool {
        let conditions = &self.conditions;
        keys.iter()
            .all(|key| conditions.iter().any(|(other, _)| other == key))
    }

    /// The conditions, in the order they were stated.
    pub fn conditions(&self) -> &[(Key, Condition)] {
        &self.conditions
    }

    /// The operations, in the order they were stated.
    pub fn operations(&self) -> &[(Key, Operation)] {
        &self.operations
    }

    /// Whether a commit would do nothing at all.
    pub fn is_empty(&self) -> bool {
        self.conditions.is_empty() && self.operations.is_empty()
    }
}
