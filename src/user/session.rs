//! What a browser is signed in with: a cookie that names a record, and the secret that the record knows.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Factors;
use crate::oauth::scope::Scope;
use crate::oauth::secret::{Digest, Secret};
use crate::oauth::time::{Lifetime, Timestamp};
use crate::record::{Changes, Key, Kind, Record};
use crate::token::family::FamilyId;

/// How many authorizations a session remembers. With one more the oldest ends, so that logout always ends
/// every one there is.
const MOST: usize = 500;

/// How many of them one client may have.
const MOST_OF_A_CLIENT: usize = 100;

/// What the cookie says once somebody has signed out: nobody is signed in again before they say so.
pub const SIGNED_OUT: &str = "out";

/// `SID.SECRET`: the public name of a session, and what only its browser knows.
#[derive(Clone)]
pub struct SessionCookie {
    id: SessionId,
    secret: Secret,
}

/// `sid`: the name of a session. It is no secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionId(FamilyId);

impl SessionId {
    /// A name made of chance.
    pub fn mint(chance: &Secret) -> Self {
        Self(FamilyId::mint(chance))
    }

    /// Takes what looks like one.
    pub fn parse(text: &str) -> Option<Self> {
        FamilyId::parse(text).map(Self)
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Where the session's record is.
    pub fn key(&self, issuer: &str) -> Key {
        Key::named(Kind::Session, issuer, self.as_str())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl SessionCookie {
    /// For that session, with a secret of its own.
    pub fn new(id: SessionId, secret: Secret) -> Self {
        Self { id, secret }
    }

    /// Takes what looks like one.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.split_once('.')?;
        let secret = (secret.len() == 43).then(|| Secret::new(secret.to_owned()))?;
        Some(Self {
            id: SessionId::parse(id)?,
            secret,
        })
    }

    /// Which session.
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// As the browser keeps it.
    pub fn text(&self) -> Secret {
        Secret::new(format!("{}.{}", self.id.as_str(), self.secret.expose()))
    }

    /// What the record knows of the secret.
    pub fn digest(&self) -> Digest {
        self.secret.digest()
    }
}

impl fmt::Debug for SessionCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionCookie({})", self.id.as_str())
    }
}

/// How long a session lasts.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Without being used.
    pub idle: Lifetime,
    /// At all.
    pub absolute: Lifetime,
}

/// One authorization that the session gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// Its family.
    #[serde(rename = "f")]
    pub family: FamilyId,
    /// To which client.
    #[serde(rename = "c")]
    pub client_id: String,
}

/// Who is signed in, how, and what that gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    #[serde(rename = "k")]
    secret: String,
    /// Who.
    #[serde(rename = "n")]
    pub username: String,
    /// `sub`.
    #[serde(rename = "u")]
    pub subject: String,
    /// Whether the user was one of `--users`, and so must still be one.
    #[serde(rename = "l", default, skip_serializing_if = "std::ops::Not::not")]
    pub local: bool,
    /// How.
    #[serde(rename = "h")]
    pub factors: Factors,
    /// When.
    #[serde(rename = "t")]
    pub auth_time: Timestamp,
    #[serde(rename = "b")]
    began: Timestamp,
    #[serde(rename = "s")]
    seen: Timestamp,
    /// What was given, the oldest first.
    #[serde(rename = "g", default, skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<Given>,
    /// What the user allowed each client, as one scope.
    #[serde(rename = "o", default, skip_serializing_if = "BTreeMap::is_empty")]
    consents: BTreeMap<String, String>,
}

/// Whom somebody turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// By what name the user is looked up.
    pub username: String,
    /// `sub`.
    pub subject: String,
    /// Whether the user is one of `--users`.
    pub local: bool,
    /// How.
    pub factors: Factors,
}

impl Session {
    /// A session that begins now.
    pub fn begin(cookie: &SessionCookie, user: SignedIn, now: Timestamp) -> Self {
        Self {
            secret: cookie.digest().to_base64url(),
            username: user.username,
            subject: user.subject,
            local: user.local,
            factors: user.factors,
            auth_time: now,
            began: now,
            seen: now,
            given: Vec::new(),
            consents: BTreeMap::new(),
        }
    }

    /// The same session after its user signed in once more, for a browser with a new cookie.
    #[must_use]
    pub fn renewed(self, cookie: &SessionCookie, user: SignedIn, now: Timestamp) -> Self {
        Self {
            given: self.given,
            consents: self.consents,
            ..Self::begin(cookie, user, now)
        }
    }

    /// The same session after a second factor, for a browser with a new cookie. When its user signed in, it
    /// stays: nobody showed the first factor again.
    #[must_use]
    pub fn raised(self, cookie: &SessionCookie, now: Timestamp) -> Self {
        Self {
            secret: cookie.digest().to_base64url(),
            factors: Factors {
                totp: true,
                ..self.factors
            },
            seen: now,
            ..self
        }
    }

    /// The session of that cookie, whether or not it is still good for anything but ending it.
    pub fn of(cookie: &SessionCookie, record: &Record) -> Option<Self> {
        let session: Self = serde_json::from_slice(&record.value).ok()?;
        session.knows(cookie).then_some(session)
    }

    /// Any session of that record, for whoever ends it without being its browser.
    pub fn read(record: &Record) -> Option<Self> {
        serde_json::from_slice(&record.value).ok()
    }

    /// Whether it still is one at that time.
    pub fn is_active(&self, limits: Limits, now: Timestamp) -> bool {
        now < self.seen.after(limits.idle) && now < self.began.after(limits.absolute)
    }

    /// Used now.
    pub fn touch(&mut self, now: Timestamp) {
        self.seen = now;
    }

    /// How old the sign-in is.
    pub fn age(&self, now: Timestamp) -> Lifetime {
        now.since(self.auth_time)
    }

    /// Whether the user allowed that client all of this.
    pub fn allowed(&self, client_id: &str, asked: &Scope) -> bool {
        let given = self
            .consents
            .get(client_id)
            .and_then(|text| Scope::parse(text).ok());
        given.is_some_and(|given| asked.beyond(&given).is_none())
    }

    /// The user allows that client this, too.
    pub fn allow(&mut self, client_id: &str, asked: &Scope) {
        let all = self.consents.entry(client_id.to_owned()).or_default();
        if let Ok(both) = Scope::parse(&format!("{all} {asked}")) {
            both.as_str().clone_into(all);
        }
    }

    /// Remembers what it gave; with one too many the oldest ends, of the client that has too many rather than of
    /// another: a client that asks again and again ends nobody's authorizations but its own.
    pub fn give(&mut self, issuer: &str, given: Given, mut changes: Changes) -> Changes {
        let client_id = given.client_id.clone();
        self.given.push(given);
        let is_its = |given: &Given| given.client_id == client_id;
        if self.given.iter().filter(|given| is_its(given)).count() > MOST_OF_A_CLIENT
            && let Some(oldest) = self.given.iter().position(is_its)
        {
            changes = changes.delete(self.given.remove(oldest).family.key(issuer));
        }
        while self.given.len() > MOST {
            changes = changes.delete(self.given.remove(0).family.key(issuer));
        }
        changes
    }

    /// Ends everything that it gave.
    pub fn end(&self, issuer: &str, changes: Changes) -> Changes {
        self.given.iter().fold(changes, |changes, given| {
            changes.delete(given.family.key(issuer))
        })
    }

    /// The record. It outlives the session for as long as anything that it gave may live, so that logout finds
    /// that; one that gave nothing does not.
    ///
    /// # Errors
    /// The library cannot write it.
    pub fn record(
        &self,
        limits: Limits,
        tokens: Lifetime,
        now: Timestamp,
    ) -> Result<Record, serde_json::Error> {
        let browser = self.began.after(limits.absolute);
        let expires = if self.given.is_empty() {
            browser
        } else {
            browser.max(now.after(tokens))
        };
        Ok(Record {
            value: serde_json::to_vec(self)?,
            expires: Some(expires),
        })
    }

    fn knows(&self, cookie: &SessionCookie) -> bool {
        let digest = cookie.digest().to_base64url();
        subtle::ConstantTimeEq::ct_eq(digest.as_bytes(), self.secret.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Operation;
    use crate::user::Method;

    const NOW: Timestamp = Timestamp::from_unix(1_000_000);
    const LIMITS: Limits = Limits {
        idle: Lifetime::from_seconds(600),
        absolute: Lifetime::from_seconds(3_600),
    };

    fn session() -> Session {
        let id = SessionId::mint(&Secret::new("s".repeat(43)));
        let user = SignedIn {
            username: "u".into(),
            subject: "u".into(),
            local: false,
            factors: Factors {
                method: Method::Header,
                totp: false,
            },
        };
        Session::begin(
            &SessionCookie::new(id, Secret::new("t".repeat(43))),
            user,
            NOW,
        )
    }

    fn given(number: usize, client_id: &str) -> Given {
        Given {
            family: FamilyId::parse(&format!("{number:022}")).expect("a name"),
            client_id: client_id.into(),
        }
    }

    /// Whoever asks again and again ends nothing that others were given.
    #[test]
    fn one_client_does_not_end_what_another_was_given() {
        let mut session = session();
        let mut ended = 0;
        let first = session.give("i", given(0, "first"), Changes::none());
        assert!(first.is_empty());
        for number in 1..=2 * MOST {
            let changes = session.give("i", given(number, "greedy"), Changes::none());
            for (key, operation) in changes.operations() {
                assert!(matches!(operation, Operation::Delete));
                assert_eq!(
                    *key,
                    given(number - MOST_OF_A_CLIENT, "greedy").family.key("i")
                );
                ended += 1;
            }
        }
        assert_eq!(ended, 2 * MOST - MOST_OF_A_CLIENT);
        assert_eq!(session.given[0], given(0, "first"));
        // Many clients together still end the oldest.
        for number in 0..MOST {
            let _ = session.give("i", given(number, &format!("c{number}")), Changes::none());
        }
        assert_eq!(session.given.len(), MOST);
        assert!(!session.given.contains(&given(0, "first")));
    }

    #[test]
    fn the_record_stays_for_what_was_given() {
        let mut session = session();
        let refresh = Lifetime::from_seconds(30 * 86_400);
        let ends = |session: &Session| {
            let record = session.record(LIMITS, refresh, NOW).expect("a record");
            record.expires
        };
        assert_eq!(ends(&session), Some(NOW.after(LIMITS.absolute)));
        let _ = session.give("i", given(1, "c"), Changes::none());
        assert_eq!(ends(&session), Some(NOW.after(refresh)));
    }
}
