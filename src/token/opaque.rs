//! Opaque access tokens: 256 bits of chance, whose meaning is a record under their digest.

use serde::{Deserialize, Serialize};

use super::{AccessToken, CannotIssue, Confirmation, Format, Issue};
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
    #[serde(borrow, rename = "j")]
    id: std::borrow::Cow<'a, str>,
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    confirmation: Option<Confirmation>,
}

impl Format for Opaque {
    fn format(&self) -> AccessTokenFormat {
        AccessTokenFormat::Opaque
    }

    fn write(
        &self,
        token: &AccessToken,
        issue: &Issue<'_>,
    ) -> Result<(Secret, Changes), CannotIssue> {
        let text = Secret::new(format!("{PREFIX}{}", issue.secret.expose()));
        let client_id = token.client_id.as_str();
        let stored = Stored {
            client_id: client_id.into(),
            subject: (token.subject != client_id).then(|| token.subject.as_str().into()),
            scope: token.scope.as_str().into(),
            audience: token.audience.as_slice().into(),
            issued: token.issued,
            expires: token.expires,
            id: token.id.as_str().into(),
            confirmation: token.confirmation,
        };
        let value = serde_json::to_vec(&stored).map_err(|error| CannotIssue(error.to_string()))?;
        let record = Record {
            value,
            expires: Some(token.expires),
        };
        let changes = Changes::none().put(key(text.expose()), record);
        Ok((text, changes))
    }
}

/// Under which key an opaque token's record lies.
pub(super) fn key(text: &str) -> Key {
    Key::new(
        Kind::AccessToken,
        &crate::oauth::secret::Digest::of(text.as_bytes()),
    )
}

/// The token that a record stands for, unless it has expired.
pub(super) fn read(record: &Record, now: Timestamp) -> Option<AccessToken> {
    let stored: Stored<'_> = serde_json::from_slice(&record.value).ok()?;
    if stored.expires <= now {
        return None;
    }
    Some(AccessToken {
        client_id: ClientId::parse(&stored.client_id).ok()?,
        subject: stored.subject.unwrap_or(stored.client_id).into_owned(),
        scope: Scope::parse(&stored.scope).ok()?,
        audience: stored.audience.into_owned(),
        issued: stored.issued,
        expires: stored.expires,
        id: stored.id.into_owned(),
        confirmation: stored.confirmation,
    })
}
