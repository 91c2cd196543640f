//! What the grants that present something of a family have in common: found, held against the client and
//! its user, and continued or ended.

use serde_json::Map;

use super::{Ask, Granted, Refusal, Released, issue};
use crate::client::people::RefreshBinding;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::resource::Resource;
use crate::oauth::scope::Scope;
use crate::oauth::time::{Lifetime, Timestamp};
use crate::record::{Changes, Condition, Key, Record};
use crate::token::family::{Family, FamilyId};
use crate::token::id_token::IdToken;
use crate::token::refresh::{Hold, RefreshToken};
use crate::user::{User, claims};

/// The keys of what a text that carries its family's name stands for: its own record, then the family's.
/// None where the text is not of that form.
pub(super) fn presented(text: Option<&str>, issuer: &str, key: fn(&str, &str) -> Key) -> Vec<Key> {
    let Some((text, family)) = text.and_then(|text| Some((text, FamilyId::carried_by(text)?)))
    else {
        return Vec::new();
    };
    vec![key(issuer, text), family.key(issuer)]
}

/// RFC 6749 section 5.2. Whatever is wrong with it, the caller is told what it can do about it.
pub(super) fn refused(description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidGrant, description)
}

pub(super) fn broken(error: serde_json::Error) -> OAuthError {
    OAuthError::new(ErrorCode::ServerError, "the token could not be issued").because(error)
}

/// Something of the client's own, of a family that lives.
pub(super) struct InFamily<'a> {
    keys: &'a [Key],
    records: [&'a Record; 2],
    family: Family,
}

impl<'a> InFamily<'a> {
    /// What was presented, if it is there and is the client's; and its record.
    ///
    /// # Errors
    /// `invalid_grant`: it is unknown, expired, revoked, or was given to another client, which it stays good for.
    pub(super) fn found(
        ask: &Ask<'a>,
        what: &'static str,
    ) -> Result<(Self, &'a Record), OAuthError> {
        let gone = |cause: String| {
            refused("what was presented is unknown, has expired or was revoked").because(cause)
        };
        let (Some(own), Some(family_record)) = (ask.evidence(0), ask.evidence(1)) else {
            return Err(gone(match (ask.evidence.is_empty(), ask.evidence(0)) {
                (true, _) => format!("{what} is not of the form issued here"),
                (false, None) => format!("there is no record of {what}"),
                (false, Some(_)) => format!("the authorization that {what} came from has ended"),
            }));
        };
        let family = Family::read(family_record)
            .ok_or_else(|| gone("the family's record cannot be read".into()))?;
        if family.client_id != *ask.client.registration().client_id() {
            return Err(gone(format!(
                "{what} was given to client {}",
                family.client_id
            )));
        }
        let (keys, records) = (ask.keys, [own, family_record]);
        Ok((
            Self {
                keys,
                records,
                family,
            },
            own,
        ))
    }

    /// The key of what was presented.
    pub(super) fn key(&self) -> &Key {
        &self.keys[0]
    }

    /// Refuses, and ends everything that the authorization gave.
    pub(super) fn ended(&self, cause: &'static str) -> Refusal {
        let cause = format!("{cause} (subject {:?})", self.family.subject);
        Refusal {
            error: refused("what was presented is unknown, has expired or was revoked")
                .because(cause),
            changes: Changes::none().delete(self.keys[1].clone()),
        }
    }

    /// The user among the local ones, if it was one of them, looked at again.
    ///
    /// # Errors
    /// `invalid_grant`: there is no such user any more, and everything that was allowed has ended.
    pub(super) fn user(&self, ask: &Ask<'a>) -> Result<Option<&'a User>, Refusal> {
        if !self.family.local {
            return Ok(None);
        }
        let user = ask.context.users.find(&self.family.username);
        match user.filter(|user| user.sub() == self.family.subject) {
            Some(user) => Ok(Some(user.as_ref())),
            None => Err(self.ended("the user is one of --users no more")),
        }
    }

    /// What was granted, as far as the client is registered for it today.
    pub(super) fn scope_left(&self, ask: &Ask<'_>) -> Scope {
        self.family
            .scope
            .within(ask.client.registration().people().scope())
    }

    /// Whom the token is for: of what was granted the resources asked for (RFC 8707 section 2.2), else all.
    pub(super) fn audience(&self, ask: &Ask<'_>) -> Result<Vec<String>, OAuthError> {
        let registered = ask.client.registration().audience();
        let allowed = |name: &&String| *name == ask.context.issuer || registered.contains(name);
        let granted: Vec<&String> = self.family.audience.iter().filter(allowed).collect();
        let mut asked: Vec<String> = Vec::new();
        for text in ask.form.values("resource") {
            let resource = Resource::parse(text)
                .map_err(|error| OAuthError::new(ErrorCode::InvalidTarget, error.to_string()))?;
            if !granted.iter().any(|known| *known == resource.as_str()) {
                let error = OAuthError::new(
                    ErrorCode::InvalidTarget,
                    "the resource is not one that was granted",
                );
                return Err(error.because(format!(
                    "the resource {} was not granted",
                    resource.as_str()
                )));
            }
            if !asked.iter().any(|known| known == resource.as_str()) {
                asked.push(resource.as_str().to_owned());
            }
        }
        if !asked.is_empty() {
            return Ok(asked);
        }
        if granted.is_empty() {
            return Err(OAuthError::new(
                ErrorCode::InvalidTarget,
                "nothing of what was granted is left to this client",
            ));
        }
        Ok(granted.into_iter().cloned().collect())
    }

    /// The ID token, where the user's identity was asked for (OpenID Connect Core section 12.2).
    pub(super) fn id_token(
        &self,
        ask: &Ask<'_>,
        scope: &Scope,
        user: Option<&User>,
    ) -> Option<IdToken> {
        if !scope.has("openid") {
            return None;
        }
        let claims = user.map_or_else(Map::new, |user| {
            claims::named(user, &self.family.id_token_claims)
        });
        let context = ask.context;
        Some(IdToken::new(
            context.issuer,
            &self.family,
            claims,
            context.now,
            context.access_token_ttl,
        ))
    }

    /// An access token of the family.
    pub(super) fn issue(
        &self,
        ask: &Ask<'_>,
        scope: Scope,
        audience: Vec<String>,
    ) -> Result<Granted, OAuthError> {
        let name = Self::name(ask)?;
        issue(
            ask,
            Released {
                subject: self.family.subject.clone(),
                scope,
                audience,
                authentication: Some(self.family.authentication.clone()),
                family: Some(name),
            },
        )
    }

    /// With a new refresh token that lives until then; the family lives longer.
    pub(super) fn give_refresh_token(
        ask: &Ask<'_>,
        granted: &mut Granted,
        expires: Timestamp,
    ) -> Result<(), OAuthError> {
        let context = ask.context;
        let text = RefreshToken::text(&(context.mint)(), &Self::name(ask)?);
        let token = RefreshToken {
            issued: context.now,
            expires,
            hold: hold(ask)?,
            rotated: false,
        };
        let key = RefreshToken::key(context.issuer, text.expose());
        let changes = std::mem::take(&mut granted.changes);
        granted.changes = changes.put(key, token.record().map_err(broken)?);
        granted.response.refresh_token = Some(text);
        Ok(())
    }

    /// When the family ends if nothing more comes of it.
    pub(super) fn ends(ask: &Ask<'_>) -> Timestamp {
        let context = ask.context;
        let refreshed = if ask.client.registration().may_use("refresh_token") {
            context.refresh_token_ttl
        } else {
            Lifetime::from_seconds(0)
        };
        context.now.after(refreshed).after(context.access_token_ttl)
    }

    /// The changes, if meanwhile nobody else used what was presented or ended the family.
    pub(super) fn unchanged(&self, changes: Changes) -> Changes {
        self.keys
            .iter()
            .zip(self.records)
            .fold(changes, |changes, (key, record)| {
                changes.expect(key.clone(), Condition::Is(record.value.clone()))
            })
    }

    fn name(ask: &Ask<'_>) -> Result<FamilyId, OAuthError> {
        let text = ["code", "refresh_token"]
            .into_iter()
            .find_map(|name| ask.form.value(name));
        text.and_then(FamilyId::carried_by)
            .ok_or_else(|| refused("what was presented is unknown"))
    }
}

/// What a new refresh token works with only, as the client is registered.
///
/// # Errors
/// The client came without the certificate that it needs.
fn hold(ask: &Ask<'_>) -> Result<Option<Hold>, OAuthError> {
    let binding = ask.client.registration().people().refresh_binding();
    let certificate = match binding {
        RefreshBinding::Nothing | RefreshBinding::Client => return Ok(None),
        RefreshBinding::Certificate | RefreshBinding::Key => ask.client.certificate().ok_or_else(|| {
            OAuthError::new(
                ErrorCode::InvalidRequest,
                "this client's refresh tokens are bound to its certificate, and none that is valid was presented",
            )
        })?,
    };
    Ok(Some(match binding {
        RefreshBinding::Key => Hold::Key(certificate.public_key_thumbprint()),
        _ => Hold::Certificate(*certificate.thumbprint()),
    }))
}

#[cfg(test)]
mod tests;
