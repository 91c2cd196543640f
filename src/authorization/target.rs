//! Where an answer may go (RFC 6749 sections 3.1.2 and 4.1.2.1, RFC 9207 section 2): to a redirection URI of
//! the client that is named, and nowhere before both are known.

use std::sync::Arc;

use super::Answer;
use crate::client::Registry;
use crate::client::registration::ClientRegistration;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::form::Form;
use crate::oauth::response::ResponseMode;

/// A known client with a redirection URI of its own.
#[derive(Clone, Debug)]
pub struct Target {
    client: Arc<ClientRegistration>,
    redirect_uri: String,
    state: Option<String>,
    mode: ResponseMode,
}

impl Target {
    /// Finds client and redirection URI.
    ///
    /// # Errors
    /// Every one belongs on a page of ours, with its status of 400, and never to a redirection URI
    /// (RFC 6749 section 4.1.2.1).
    pub fn of(form: &Form<'_>, clients: &Registry) -> Result<Self, OAuthError> {
        let _ = (form.required("client_id")?, clients);
        Err(OAuthError::new(
            ErrorCode::InvalidRequest,
            "no client is known yet",
        ))
    }

    /// The client.
    pub fn client(&self) -> &Arc<ClientRegistration> {
        &self.client
    }

    /// The redirection URI as the request has it, or the only one that is registered.
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// The `state`, which goes back unchanged.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// In which part of the answer the parameters go.
    pub fn mode(&self) -> ResponseMode {
        self.mode
    }

    /// The answer with those parameters, `iss` and `state`.
    pub fn answer(&self, issuer: &str, parameters: &[(&str, &str)]) -> Answer {
        let own = [("iss", Some(issuer)), ("state", self.state())];
        let own = own
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| (name, value)));
        Answer::to(
            &self.redirect_uri,
            self.mode,
            parameters.iter().copied().chain(own),
        )
    }

    /// The answer that tells of an error.
    pub fn refusal(&self, issuer: &str, error: &OAuthError) -> Answer {
        self.answer(
            issuer,
            &[
                ("error", error.code().name()),
                ("error_description", error.description()),
            ],
        )
    }
}
