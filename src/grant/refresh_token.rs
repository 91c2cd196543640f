//! The refresh token grant (RFC 6749 section 6, RFC 8705 sections 4 and 7.1, RFC 9700 section 4.14.2).

use super::family::{self, InFamily};
use super::{Ask, Grant, Granted, Refusal};
use crate::client::AuthenticatedClient;
use crate::client::people::RefreshBinding;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::form::Form;
use crate::oauth::scope::Scope;
use crate::record::Key;
use crate::token::refresh::{Hold, RefreshToken};

/// The grant.
pub(super) struct Refresh;

impl Grant for Refresh {
    fn name(&self) -> &'static str {
        "refresh_token"
    }

    fn presents(&self, form: &Form<'_>, issuer: &str) -> Vec<Key> {
        let text = form
            .value("refresh_token")
            .filter(|text| RefreshToken::is_one(text));
        family::presented(text, issuer, RefreshToken::key)
    }

    fn decide(&self, ask: &Ask<'_>) -> Result<Granted, Refusal> {
        ask.form.required("refresh_token")?;
        let (found, record) = InFamily::found(ask, "the refresh token")?;
        let token = RefreshToken::read(record, ask.context.now)
            .ok_or_else(|| family::refused("the refresh token has expired"))?;
        held(ask.client, &token)?;
        if token.rotated {
            return Err(found.ended(
                "the refresh token was used before, so that all its authorization gave has ended",
            ));
        }
        let local = found.user(ask)?;
        let scope = narrowed(ask, found.scope_left(ask))?;
        let audience = found.audience(ask)?;
        let id_token = found.id_token(ask, &scope, local);
        let mut granted = found.issue(ask, scope, audience)?;
        if ask.client.registration().people().rotates() {
            let expires = token.expires;
            let rotated = RefreshToken {
                rotated: true,
                ..token
            };
            granted.changes = granted.changes.put(
                found.key().clone(),
                rotated.record().map_err(family::broken)?,
            );
            // What a user allowed ends when it was to end, however often it is renewed: as long as a session
            // knows of it.
            InFamily::give_refresh_token(ask, &mut granted, expires)?;
        }
        if !granted.changes.is_empty() {
            granted.changes = found.unchanged(granted.changes);
        }
        granted.id_token = id_token;
        Ok(granted)
    }
}

/// Whether whoever shows a refresh token holds what it works with only. What the client is registered for
/// today decides, so that a registration that was tightened is in force at once.
///
/// # Errors
/// `invalid_grant`; the token stays good for its owner.
pub fn held(client: &AuthenticatedClient, token: &RefreshToken) -> Result<(), OAuthError> {
    let registration = client.registration();
    let certificate = client.certificate();
    let holds = |hold: &Hold| certificate.is_some_and(|certificate| hold.holds(certificate));
    let wrong = |cause: &str| {
        Err(family::refused("the refresh token is bound to another certificate").because(cause))
    };
    match (registration.people().refresh_binding(), &token.hold) {
        (RefreshBinding::Client, _) | (RefreshBinding::Nothing, None) => Ok(()),
        (RefreshBinding::Certificate | RefreshBinding::Key, None) => wrong(
            "the client is registered for bound refresh tokens, and this one was issued unbound",
        ),
        (RefreshBinding::Certificate, Some(Hold::Key(_))) => wrong(
            "the client is registered for refresh tokens bound to a certificate, and this one is bound to a key",
        ),
        (_, Some(hold)) if holds(hold) => Ok(()),
        (_, Some(_)) if certificate.is_none() => {
            wrong("no certificate that is valid was presented")
        }
        (_, Some(_)) => wrong("the certificate presented is another"),
    }
}

/// RFC 6749 section 6: no more than was granted; all of it where nothing is asked.
fn narrowed(ask: &Ask<'_>, granted: Scope) -> Result<Scope, OAuthError> {
    let Some(asked) = ask.form.value("scope") else {
        return Ok(granted);
    };
    let asked = Scope::parse(asked)
        .map_err(|error| OAuthError::new(ErrorCode::InvalidScope, error.to_string()))?;
    match asked.beyond(&granted) {
        None => Ok(asked),
        Some(token) => {
            let cause = format!("the scope {token} was not granted");
            Err(OAuthError::new(
                ErrorCode::InvalidScope,
                "the scope is more than was granted",
            )
            .because(cause))
        }
    }
}
