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
    /// The record, if there is one, says that it was revoked. The name is that of the key that signed it.
    Jwt(Box<AccessToken>, Key, Box<str>),
}

/// Whether that text looks like an opaque token of ours.
pub fn is_opaque(text: &str) -> bool {
    text.starts_with(opaque::PREFIX)
}

/// Recognises a token by its own looks; a hint about its type could only hide it (RFC 7662 section 2.1).
pub fn recognise(text: &str, keys: &KeySet, issuer: &str, now: Timestamp) -> Option<Recognised> {
    if text.len() > LONGEST {
        return None;
    }
    if is_opaque(text) {
        return Some(Recognised(Kept::Opaque(opaque::key(issuer, text))));
    }
    let (token, kid) = jwt::read(text, keys, issuer, now)?;
    let revoked = Key::new(Kind::Revoked, &Digest::of(token.id.as_bytes()));
    Some(Recognised(Kept::Jwt(Box::new(token), revoked, kid)))
}

impl Recognised {
    /// The key of the record that decides.
    pub fn key(&self) -> &Key {
        match &self.0 {
            Kept::Opaque(key) | Kept::Jwt(_, key, _) => key,
        }
    }

    /// How many octets of text it holds, about.
    pub fn octets(&self) -> usize {
        match &self.0 {
            Kept::Opaque(key) => key.as_str().len(),
            Kept::Jwt(token, key, _) => {
                let audience: usize = token.audience.iter().map(String::len).sum();
                token.subject.len() + token.scope.as_str().len() + audience + key.as_str().len()
            }
        }
    }

    /// Whether the token would be recognised again: the key that signed it is not retired, and the token
    /// has not expired. Keys are named by their own digest, so that another one has another name.
    pub fn still_holds(&self, keys: &KeySet, now: Timestamp) -> bool {
        match &self.0 {
            Kept::Opaque(_) => true,
            Kept::Jwt(token, _, kid) => now < token.expires && keys.verifier(kid, now).is_some(),
        }
    }

    /// The token, if it is alive, given that record.
    pub fn resolve(&self, record: Option<&Record>, now: Timestamp) -> Option<AccessToken> {
        match (&self.0, record) {
            (Kept::Opaque(_), Some(record)) => opaque::read(record, now),
            (Kept::Opaque(_), None) | (Kept::Jwt(..), Some(_)) => None,
            (Kept::Jwt(token, ..), None) => Some(token.as_ref().clone()),
        }
    }

    /// What ends the token: an opaque one is forgotten, a JWT remembered until it would have expired.
    pub fn revocation(&self) -> Changes {
        match &self.0 {
            Kept::Opaque(key) => Changes::none().delete(key.clone()),
            Kept::Jwt(token, key, _) => Changes::none().put(
                key.clone(),
                Record {
                    value: b"1".to_vec(),
                    expires: Some(token.expires),
                },
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::client::registration::AccessTokenFormat;
    use crate::key::algorithm::SigningAlgorithm;
    use crate::key::set::ManagedKey;
    use crate::key::signing::SigningKey;
    use crate::oauth::ClientId;
    use crate::oauth::scope::Scope;
    use crate::oauth::secret::Secret;
    use crate::record::Operation;
    use crate::token::{Confirmation, Issue, format};

    const NOW: Timestamp = Timestamp::from_unix(1_000);
    const ISSUER: &str = "https://as.example.com";

    fn keys(algorithm: SigningAlgorithm) -> KeySet {
        let key = Arc::new(SigningKey::generate(algorithm).expect("entropy"));
        KeySet::new()
            .with(ManagedKey::new(key, NOW, NOW))
            .expect("one key")
    }

    fn token(scope: &str, audience: &[&str], bound: bool) -> AccessToken {
        let thumbprint = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0";
        AccessToken {
            client_id: ClientId::parse("a").expect("a client"),
            subject: "a".into(),
            scope: Scope::parse(scope).expect("a scope"),
            audience: audience.iter().map(ToString::to_string).collect(),
            issued: NOW,
            expires: Timestamp::from_unix(1_600),
            id: "name".into(),
            confirmation: bound.then(|| Confirmation {
                certificate: thumbprint.parse().expect("a thumbprint"),
            }),
        }
    }

    /// The token as a client holds it, and the record that goes with it, if one does.
    fn written(
        token: &AccessToken,
        kind: AccessTokenFormat,
        keys: &KeySet,
    ) -> (String, Option<Record>) {
        let secret = Secret::new("c".repeat(43));
        let issue = Issue {
            issuer: ISSUER,
            keys,
            secret: &secret,
        };
        let (text, changes) = format(kind).write(token, &issue).expect("a token");
        let record = changes
            .operations()
            .first()
            .map(|(_, operation)| match operation {
                Operation::Put(record) => record.clone(),
                Operation::Delete => panic!("nothing is deleted when a token is issued"),
            });
        (text.expose().to_owned(), record)
    }

    #[test]
    fn what_is_written_is_read() {
        for kind in AccessTokenFormat::ALL {
            let keys = keys(SigningAlgorithm::Es256);
            for token in [
                token("", &[ISSUER], false),
                token("a b", &["https://one.example", "urn:two"], true),
                AccessToken {
                    subject: "somebody".into(),
                    ..token("a", &["x"], true)
                },
            ] {
                let (text, record) = written(&token, *kind, &keys);
                let found = recognise(&text, &keys, ISSUER, NOW).expect("one of ours");
                assert_eq!(found.resolve(record.as_ref(), NOW), Some(token), "{kind:?}");
            }
        }
    }

    #[test]
    fn a_dead_token_is_no_token() {
        let keys = keys(SigningAlgorithm::Es256);
        let token = token("", &[ISSUER], false);
        let revoked = Record {
            value: b"1".to_vec(),
            expires: Some(token.expires),
        };
        let (jwt, none) = written(&token, AccessTokenFormat::Jwt, &keys);
        assert_eq!(none, None);
        let found = recognise(&jwt, &keys, ISSUER, NOW).expect("one of ours");
        assert_eq!(found.resolve(Some(&revoked), NOW), None);
        let ends = found.revocation().operations()[0].clone();
        assert_eq!(ends, (found.key().clone(), Operation::Put(revoked)));
        assert!(recognise(&jwt, &keys, ISSUER, token.expires).is_none());
        assert!(recognise(&jwt, &keys, "https://other.example", NOW).is_none());

        let (opaque, record) = written(&token, AccessTokenFormat::Opaque, &keys);
        let found = recognise(&opaque, &keys, ISSUER, NOW).expect("it looks like ours");
        assert_eq!(found.resolve(None, NOW), None);
        assert_eq!(found.resolve(record.as_ref(), token.expires), None);
        let ends = found.revocation().operations()[0].clone();
        assert_eq!(ends, (found.key().clone(), Operation::Delete));
        assert!(!found.key().as_str().contains(&opaque));
    }

    #[test]
    fn what_is_not_ours() {
        let (own, other) = (keys(SigningAlgorithm::Es256), keys(SigningAlgorithm::Es256));
        let token = token("", &[ISSUER], false);
        let (jwt, _) = written(&token, AccessTokenFormat::Jwt, &own);
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
            let (text, _) = written(&token, AccessTokenFormat::Jwt, &keys);
            assert!(
                recognise(&text, &keys, ISSUER, NOW).is_some(),
                "{algorithm:?}"
            );
        }
    }
}
