//! `client_credentials` (RFC 6749 section 4.4): a client that speaks for itself. No refresh token.

use super::{Ask, Grant, Granted, Refusal, Released, audience, issue, scope};
use crate::oauth::error::{ErrorCode, OAuthError};

/// The grant.
pub(super) struct ClientCredentials;

impl Grant for ClientCredentials {
    fn name(&self) -> &'static str {
        "client_credentials"
    }

    fn decide(&self, ask: &Ask<'_>) -> Result<Granted, Refusal> {
        let registration = ask.client.registration();
        if !registration.is_confidential() {
            return Err(OAuthError::new(
                ErrorCode::UnauthorizedClient,
                "client_credentials is for clients that authenticate",
            )
            .into());
        }
        let released = Released {
            subject: registration.client_id().as_str().to_owned(),
            scope: scope(ask)?,
            audience: audience(ask)?,
            authentication: None,
            family: None,
        };
        Ok(issue(ask, released)?)
    }
}
