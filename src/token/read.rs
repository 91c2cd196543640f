//! A token that comes back: recognised first, then looked up once, then believed or not.

use std::sync::Arc;

use super::family::{Family, FamilyId};
use super::refresh::{self, RefreshToken};
use super::{AccessToken, Claims, jwt, opaque};
use crate::key::set::KeySet;
use crate::oauth::ClientId;
use crate::oauth::secret::Digest;
use crate::oauth::time::{Lifetime, Timestamp};
use crate::record::{Changes, Key, Kind, Record};

/// How far the clocks of two instances may be apart: how much longer than a token its revocation is remembered.
const SKEW: Lifetime = Lifetime::from_seconds(30);

/// Tokens longer than this were not made here.
const LONGEST: usize = 16 * 1024;

/// A token that may be one of ours, with the records that decide: its own, then its family's if it has one.
#[derive(Debug)]
pub struct Recognised {
    kept: Kept,
    keys: Box<[Key]>,
    family: Option<FamilyId>,
}

#[derive(Debug)]
enum Kept {
    /// The record is its meaning.
    Opaque,
    /// The record, if there is one, says that it was revoked. The name is that of the key that signed it.
    Jwt(Arc<AccessToken>, Box<str>),
    /// The record says what it works with; its family's, what for.
    Refresh,
}

/// A token that is alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Live {
    /// An access token, and the family that it is of, if a user gave it.
    Access(Arc<AccessToken>, Option<Family>),
    /// A refresh token and its family.
    Refresh(RefreshToken, Family),
}

impl Live {
    /// To whom it was issued.
    pub fn client_id(&self) -> &ClientId {
        match self {
            Self::Access(token, _) => &token.claims.client_id,
            Self::Refresh(_, family) => &family.client_id,
        }
    }

    /// Whether an access token is bound to a certificate. What a refresh token works with only is looked at when
    /// it is used.
    pub fn is_bound(&self) -> bool {
        match self {
            Self::Access(token, _) => token.claims.confirmation.is_some(),
            Self::Refresh(..) => true,
        }
    }

    /// The family that it is of, if a user gave it.
    pub fn family(&self) -> Option<&Family> {
        match self {
            Self::Access(_, family) => family.as_ref(),
            Self::Refresh(_, family) => Some(family),
        }
    }
}

/// Whether that text looks like an opaque access token of ours.
pub fn is_opaque(text: &str) -> bool {
    text.starts_with(opaque::PREFIX)
}

/// Whether that text looks like a token of ours that no signature verifies.
pub fn is_random(text: &str) -> bool {
    is_opaque(text) || text.starts_with(refresh::PREFIX)
}

/// Recognises a token by its own looks; a hint about its type could only hide it (RFC 7662 section 2.1).
pub fn recognise(text: &str, keys: &KeySet, issuer: &str, now: Timestamp) -> Option<Recognised> {
    if text.len() > LONGEST {
        return None;
    }
    let (kept, own, family) = if is_opaque(text) {
        // Base64url has no dot: one begins the name of a family.
        let family = if text.contains('.') {
            Some(FamilyId::carried_by(text)?)
        } else {
            None
        };
        (Kept::Opaque, opaque::key(issuer, text), family)
    } else if text.starts_with(refresh::PREFIX) {
        let family = FamilyId::carried_by(text)?;
        (Kept::Refresh, RefreshToken::key(issuer, text), Some(family))
    } else {
        let (token, kid) = jwt::read(text, keys, issuer, now)?;
        let revoked = Key::new(Kind::Revoked, &Digest::of(token.id.as_bytes()));
        let family = token.claims.family.clone();
        (Kept::Jwt(Arc::new(token), kid), revoked, family)
    };
    let keys = match &family {
        None => Box::from([own]),
        Some(family) => Box::from([own, family.key(issuer)]),
    };
    Some(Recognised { kept, keys, family })
}

impl Recognised {
    /// The keys of the records that decide.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// How many octets of text it holds, about.
    pub fn octets(&self) -> usize {
        let keys: usize = self.keys.iter().map(|key| key.as_str().len()).sum();
        keys + match &self.kept {
            Kept::Opaque | Kept::Refresh => 0,
            Kept::Jwt(token, _) => {
                let audience: usize = token.claims.audience.iter().map(String::len).sum();
                token.claims.subject.len() + token.claims.scope.as_str().len() + audience
            }
        }
    }

    /// Whether the token would be recognised again: the key that signed it is not retired, and the token
    /// has not expired. Keys are named by their own digest, so that another one has another name.
    pub fn still_holds(&self, keys: &KeySet, now: Timestamp) -> bool {
        match &self.kept {
            Kept::Opaque | Kept::Refresh => true,
            Kept::Jwt(token, kid) => {
                now < token.claims.expires && keys.verifier(kid, now).is_some()
            }
        }
    }

    /// The token, if it is alive, given those records.
    pub fn resolve(&self, records: &[Option<Record>], now: Timestamp) -> Option<Live> {
        let own = records.first().and_then(Option::as_ref);
        let family = match &self.family {
            None => None,
            // What is of a family is dead without it.
            Some(_) => Some(Family::read(records.get(1)?.as_ref()?)?),
        };
        let token = match (&self.kept, own) {
            (Kept::Refresh, Some(record)) => {
                let token = RefreshToken::read(record, now).filter(|token| !token.rotated)?;
                return Some(Live::Refresh(token, family?));
            }
            (Kept::Opaque, Some(record)) => {
                let AccessToken { id, claims } = opaque::read(&self.keys[0], record, now)?;
                let claims = Claims {
                    authentication: family.as_ref().map(|family| family.authentication.clone()),
                    family: self.family.clone(),
                    ..claims
                };
                Arc::new(AccessToken { id, claims })
            }
            (Kept::Jwt(token, ..), None) => Arc::clone(token),
            (Kept::Opaque | Kept::Refresh, None) | (Kept::Jwt(..), Some(_)) => return None,
        };
        Some(Live::Access(token, family))
    }

    /// What ends the token: an opaque one is forgotten, a JWT remembered until it has expired by every clock, and
    /// with a refresh token ends all that its authorization gave (RFC 7009 section 2.1).
    pub fn revocation(&self) -> Changes {
        let own = &self.keys[0];
        match &self.kept {
            Kept::Opaque => Changes::none().delete(own.clone()),
            Kept::Jwt(token, _) => Changes::none().put(
                own.clone(),
                Record {
                    value: b"1".to_vec(),
                    expires: Some(token.claims.expires.after(SKEW)),
                },
            ),
            Kept::Refresh => self
                .keys
                .iter()
                .fold(Changes::none(), |changes, key| changes.delete(key.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::registration::AccessTokenFormat;
    use crate::key::algorithm::SigningAlgorithm;
    use crate::key::set::ManagedKey;
    use crate::key::signing::SigningKey;
    use crate::oauth::scope::Scope;
    use crate::oauth::secret::Secret;
    use crate::record::Operation;
    use crate::token::{Claims, Confirmation, Issue, Text, Written, format};

    const NOW: Timestamp = Timestamp::from_unix(1_000);
    const ISSUER: &str = "https://as.example.com";

    fn keys(algorithm: SigningAlgorithm) -> KeySet {
        let key = Arc::new(SigningKey::generate(algorithm).expect("entropy"));
        KeySet::new()
            .with(ManagedKey::new(key, NOW, NOW))
            .expect("one key")
    }

    fn token(scope: &str, audience: &[&str], bound: bool) -> Claims {
        let thumbprint = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0";
        Claims {
            client_id: ClientId::parse("a").expect("a client"),
            subject: "a".into(),
            scope: Scope::parse(scope).expect("a scope"),
            audience: audience.iter().map(ToString::to_string).collect(),
            issued: NOW,
            expires: Timestamp::from_unix(1_600),
            authentication: None,
            family: None,
            confirmation: bound.then(|| Confirmation {
                certificate: thumbprint.parse().expect("a thumbprint"),
            }),
        }
    }

    /// The token, as a client holds it, and the record that goes with it, if one does.
    fn written(
        token: &Claims,
        kind: AccessTokenFormat,
        keys: &KeySet,
    ) -> (AccessToken, String, Option<Record>) {
        let secret = Secret::new("c".repeat(43));
        let issue = Issue {
            issuer: ISSUER,
            keys,
            secret: &secret,
        };
        let written = format(kind).write(token.clone(), &issue);
        let Written {
            token,
            text,
            changes,
        } = written.expect("a token");
        let text = match text {
            Text::Whole(text) => text.expose().to_owned(),
            Text::Unsigned(unsigned) => unsigned.sign().expect("signed"),
        };
        let record = changes
            .operations()
            .first()
            .map(|(_, operation)| match operation {
                Operation::Put(record) => record.clone(),
                Operation::Delete => panic!("nothing is deleted when a token is issued"),
            });
        (token, text, record)
    }

    #[test]
    fn what_is_written_is_read() {
        for kind in AccessTokenFormat::ALL {
            let keys = keys(SigningAlgorithm::Es256);
            for token in [
                token("", &[ISSUER], false),
                token("a b", &["https://one.example", "urn:two"], true),
                Claims {
                    subject: "somebody".into(),
                    ..token("a", &["x"], true)
                },
            ] {
                let (token, text, record) = written(&token, *kind, &keys);
                let found = recognise(&text, &keys, ISSUER, NOW).expect("one of ours");
                let live = found.resolve(&[record], NOW);
                assert_eq!(live, Some(Live::Access(Arc::new(token), None)), "{kind:?}");
            }
        }
    }

    #[test]
    fn a_dead_token_is_no_token() {
        let keys = keys(SigningAlgorithm::Es256);
        let token = token("", &[ISSUER], false);
        let revoked = Record {
            value: b"1".to_vec(),
            expires: Some(token.expires.after(SKEW)),
        };
        let (_, jwt, none) = written(&token, AccessTokenFormat::Jwt, &keys);
        assert_eq!(none, None);
        let found = recognise(&jwt, &keys, ISSUER, NOW).expect("one of ours");
        assert_eq!(found.resolve(&[Some(revoked.clone())], NOW), None);
        let ends = found.revocation().operations()[0].clone();
        assert_eq!(ends, (found.keys()[0].clone(), Operation::Put(revoked)));
        assert!(recognise(&jwt, &keys, ISSUER, token.expires).is_none());
        assert!(recognise(&jwt, &keys, "https://other.example", NOW).is_none());

        let (_, opaque, record) = written(&token, AccessTokenFormat::Opaque, &keys);
        let found = recognise(&opaque, &keys, ISSUER, NOW).expect("it looks like ours");
        assert_eq!(found.resolve(&[None], NOW), None);
        assert_eq!(found.resolve(&[record], token.expires), None);
        let ends = found.revocation().operations()[0].clone();
        assert_eq!(ends, (found.keys()[0].clone(), Operation::Delete));
        assert!(!found.keys()[0].as_str().contains(&opaque));
    }

    #[test]
    fn what_is_not_ours() {
        let (own, other) = (keys(SigningAlgorithm::Es256), keys(SigningAlgorithm::Es256));
        let token = token("", &[ISSUER], false);
        let (_, jwt, _) = written(&token, AccessTokenFormat::Jwt, &own);
        for text in [
            "",
            "a.b.c",
            "cbat",
            &jwt[1..],
            &format!("{jwt}A"),
            &"a".repeat(LONGEST + 1),
        ] {
            assert!(recognise(text, &own, ISSUER, NOW).is_none(), "{text:.40}");
        }
        assert!(recognise(&jwt, &other, ISSUER, NOW).is_none());
        // A JWT of another kind, signed by the same key.
        let key = own.signer(SigningAlgorithm::Es256, NOW).expect("a key");
        let claims = serde_json::json!({
            "iss": ISSUER, "sub": "a", "client_id": "a", "aud": "x", "jti": "j", "iat": 1_000, "exp": 1_600,
        });
        for (typ, ours) in [
            ("at+jwt", true),
            ("token-introspection+jwt", false),
            ("JWT", false),
        ] {
            let text = key.sign_compact(typ, &claims).expect("signed");
            assert_eq!(recognise(&text, &own, ISSUER, NOW).is_some(), ours, "{typ}");
        }
        // A claim that is missing or of the wrong type.
        for (name, value) in [
            ("sub", serde_json::Value::Null),
            ("client_id", serde_json::json!(1)),
            ("jti", serde_json::Value::Null),
            ("iat", serde_json::json!("1000")),
            ("exp", serde_json::Value::Null),
            ("cnf", serde_json::json!({ "x5t#S256": "short" })),
            ("cnf", serde_json::json!("x")),
            ("scope", serde_json::json!(["a"])),
        ] {
            let mut claims = claims.clone();
            claims[name] = value;
            let text = key.sign_compact("at+jwt", &claims).expect("signed");
            assert!(recognise(&text, &own, ISSUER, NOW).is_none(), "{name}");
        }
    }

    #[test]
    fn an_operators_key_of_another_algorithm_signs() {
        for algorithm in SigningAlgorithm::ALL {
            let keys = keys(*algorithm);
            let token = token("", &[ISSUER], false);
            let (_, text, _) = written(&token, AccessTokenFormat::Jwt, &keys);
            assert!(
                recognise(&text, &keys, ISSUER, NOW).is_some(),
                "{algorithm:?}"
            );
        }
    }
}
