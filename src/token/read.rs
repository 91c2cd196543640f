//! A token that comes back: recognised first, then looked up once, then believed or not.

use super::{AccessToken, jwt, opaque};
use crate::key::set::KeySet;
use crate::oauth::secret::Digest;
use crate::oauth::time::Timestamp;
use crate::record::{Changes, Key, Kind, Record};

/// Tokens longer than this were not made here.
const LONGEST: usize = 16 * 1024;

/// A token that may be one of ours, with the one record that decides.
#[derive(Debug)]
pub struct Recognised(Kept);

#[derive(Debug)]
enum Kept {
    /// The record is its meaning.
    Opaque(Key),
    /// The record, if there is one, says that it was revoked.
    Jwt(Box<AccessToken>, Key),
}

/// Recognises a token by its own looks; a hint about its type could only hide it (RFC 7662 section 2.1).
pub fn recognise(text: &str, keys: &KeySet, issuer: &str, now: Timestamp) -> Option<Recognised> {
    if text.len() > LONGEST {
        return None;
    }
    if text.starts_with(opaque::PREFIX) {
        return Some(Recognised(Kept::Opaque(opaque::key(issuer, text))));
    }
    let token = jwt::read(text, keys, issuer, now)?;
    let revoked = Key::new(Kind::Revoked, &Digest::of(token.id.as_bytes()));
    Some(Recognised(Kept::Jwt(Box::new(token), revoked)))
}

impl Recognised {
    /// The key of the record that decides.
    pub fn key(&self) -> &Key {
        match &self.0 {
            Kept::Opaque(key) | Kept::Jwt(_, key) => key,
        }
    }

    /// The token, if it is alive, given that record.
    pub fn resolve(&self, record: Option<&Record>, now: Timestamp) -> Option<AccessToken> {
        match (&self.0, record) {
            (Kept::Opaque(_), Some(record)) => opaque::read(record, now),
            (Kept::Opaque(_), None) | (Kept::Jwt(..), Some(_)) => None,
            (Kept::Jwt(token, _), None) => Some(token.as_ref().clone()),
        }
    }

    /// What ends the token: an opaque one is forgotten, a JWT remembered until it would have expired.
    pub fn revocation(&self) -> Changes {
        match &self.0 {
            Kept::Opaque(key) => Changes::none().delete(key.clone()),
            Kept::Jwt(token, key) => Changes::none().put(
                key.clone(),
                Record {
                    value: b"1".to_vec(),
                    expires: Some(token.expires),
                },
            ),
        }
    }
}
