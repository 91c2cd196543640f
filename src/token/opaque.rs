//! Opaque access tokens: 256 bits of chance, whose meaning is a record under their digest.

use serde::{Deserialize, Serialize};

use super::{
    AccessToken, CannotIssue, Claims, Confirmation, Format, Issue, Text, Written, name_of,
};
use crate::client::registration::AccessTokenFormat;
use crate::oauth::ClientId;
use crate::oauth::scope::Scope;
use crate::oauth::secret::Secret;
use crate::oauth::time::Timestamp;
use crate::record::{Changes, Key, Kind, Record};

/// Lets a token be recognised where it should not be, such as in a log or a repository.
pub(super) const PREFIX: &str = "cbat_";

/// The format.
pub(super) struct Opaque;

/// The record, with short names: there may be millions.
#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    #[serde(borrow, rename = "c")]
    client_id: std::borrow::Cow<'a, str>,
    /// Absent where it is the client itself.
    #[serde(borrow, rename = "u", default, skip_serializing_if = "Option::is_none")]
    subject: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow, rename = "s", default, skip_serializing_if = "str::is_empty")]
    scope: std::borrow::Cow<'a, str>,
    #[serde(rename = "a")]
    audience: std::borrow::Cow<'a, [String]>,
    #[serde(rename = "i")]
    issued: Timestamp,
    #[serde(rename = "e")]
    expires: Timestamp,
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    confirmation: Option<Confirmation>,
}

impl Format for Opaque {
    fn format(&self) -> AccessTokenFormat {
        AccessTokenFormat::Opaque
    }

    fn write(&self, claims: Claims, issue: &Issue<'_>) -> Result<Written, CannotIssue> {
        let chance = issue.secret.expose();
        let text = Secret::new(match &claims.family {
            None => [PREFIX, chance].concat(),
            Some(family) => [PREFIX, chance, ".", family.as_str()].concat(),
        });
        // Whoever reads the name of a token in the log finds its record by it, and nobody the token.
        let key = key(issue.issuer, text.expose());
        let token = claims.named(name_of(key.digest()));
        let client_id = token.claims.client_id.as_str();
        let stored = Stored {
            client_id: client_id.into(),
            subject: (token.claims.subject != client_id)
                .then(|| token.claims.subject.as_str().into()),
            scope: token.claims.scope.as_str().into(),
            audience: token.claims.audience.as_slice().into(),
            issued: token.claims.issued,
            expires: token.claims.expires,
            confirmation: token.claims.confirmation,
        };
        let mut value = Vec::with_capacity(256);
        serde_json::to_writer(&mut value, &stored)
            .map_err(|error| CannotIssue(error.to_string()))?;
        let record = Record {
            value,
            expires: Some(token.claims.expires),
        };
        let changes = Changes::none().put(key, record);
        Ok(Written {
            token,
            text: Text::Whole(text),
            changes,
        })
    }
}

/// Under which key an opaque token's record lies.
pub(super) fn key(issuer: &str, text: &str) -> Key {
    Key::named(Kind::AccessToken, issuer, text)
}

/// The token that the record under that key stands for, unless it has expired. What it has from its family, its reader adds.
pub(super) fn read(key: &Key, record: &Record, now: Timestamp) -> Option<AccessToken> {
    let stored: Stored<'_> = serde_json::from_slice(&record.value).ok()?;
    if stored.expires <= now {
        return None;
    }
    let claims = Claims {
        client_id: ClientId::parse(&stored.client_id).ok()?,
        subject: stored.subject.unwrap_or(stored.client_id).into_owned(),
        scope: Scope::parse(&stored.scope).ok()?,
        audience: stored.audience.into_owned(),
        issued: stored.issued,
        expires: stored.expires,
        confirmation: stored.confirmation,
        authentication: None,
        family: None,
    };
    Some(claims.named(name_of(key.digest())))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::read::{Live, recognise};
    use super::*;
    use crate::key::set::KeySet;
    use crate::record::Operation;

    #[test]
    fn a_token_is_its_issuers_alone() {
        let (secret, keys) = (Secret::new("A".repeat(43)), KeySet::new());
        let (issuer, now) = ("https://as.example", Timestamp::from_unix(1_000));
        let token = Claims {
            client_id: ClientId::parse("a").expect("a client_id"),
            subject: "a".into(),
            scope: Scope::default(),
            audience: vec![issuer.into()],
            issued: now,
            expires: Timestamp::from_unix(1_600),
            confirmation: None,
            authentication: None,
            family: None,
        };
        let issue = Issue {
            issuer,
            keys: &keys,
            secret: &secret,
        };
        let written = Opaque.write(token, &issue).expect("written");
        let [(kept, Operation::Put(record))] = written.changes.operations() else {
            panic!("one record: {written:?}");
        };
        let Text::Whole(text) = &written.text else {
            panic!("nothing signs it: {written:?}");
        };
        assert!(kept.digest().starts_with(&written.token.id));
        let at = |issuer| recognise(text.expose(), &keys, issuer, now).expect("it looks like one");
        assert_eq!(at(issuer).keys(), std::slice::from_ref(kept));
        let found = at(issuer).resolve(&[Some(record.clone())], now);
        assert_eq!(found, Some(Live::Access(Arc::new(written.token), None)));
        for other in ["https://as.example/", "https://as.example/stage"] {
            assert_ne!(at(other).keys(), std::slice::from_ref(kept), "{other}");
        }
    }
}
