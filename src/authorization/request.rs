//! An authorization request whose every parameter is understood (RFC 6749 section 4.1.1, OpenID Connect Core
//! section 3.1.2.1, RFC 7636 section 4.3, RFC 8707 section 2).

use super::{AcrRequest, ClaimsRequest, Prompt, Target};
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::form::Form;
use crate::oauth::pkce::CodeChallenge;
use crate::oauth::response::ResponseType;
use crate::oauth::scope::Scope;
use crate::oauth::time::Lifetime;

/// What holds for a request besides its client's registration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether the FAPI 2.0 Security Profile is in force.
    pub fapi2: bool,
    /// Whether the request is being pushed, or was (RFC 9126).
    pub pushed: bool,
}

/// What a client asks of its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationRequest {
    response_type: ResponseType,
    scope: Scope,
    resources: Vec<String>,
    nonce: Option<String>,
    prompt: Prompt,
    max_age: Option<Lifetime>,
    acr: AcrRequest,
    claims: ClaimsRequest,
    challenge: Option<CodeChallenge>,
    login_hint: Option<String>,
    id_token_hint: Option<String>,
    ui_locales: Option<String>,
}

impl AuthorizationRequest {
    /// Reads the request of a known client.
    ///
    /// # Errors
    /// Each may be sent to the target by [`Target::refusal`].
    pub fn read(form: &Form<'_>, target: &Target, policy: Policy) -> Result<Self, OAuthError> {
        let _ = (form, target, policy);
        Err(OAuthError::new(
            ErrorCode::InvalidRequest,
            "nothing is understood yet",
        ))
    }

    /// What it wants back.
    pub fn response_type(&self) -> ResponseType {
        self.response_type
    }

    /// The scope that is asked for and may be given.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Whether it is an OpenID Connect request.
    pub fn is_openid(&self) -> bool {
        self.scope.tokens().any(|token| token == "openid")
    }

    /// The resources that the tokens are for (RFC 8707), all within the client's audience; where there are
    /// none, the registered audience or the issuer.
    pub fn resources(&self) -> &[String] {
        &self.resources
    }

    /// What goes into the ID token unchanged.
    pub fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }

    /// Which pages there are to be.
    pub fn prompt(&self) -> Prompt {
        self.prompt
    }

    /// How old the sign-in may be, by the request or the registration. Zero means to sign in now.
    pub fn max_age(&self) -> Option<Lifetime> {
        self.max_age
    }

    /// Which authentication context is asked for.
    pub fn acr(&self) -> &AcrRequest {
        &self.acr
    }

    /// Which claims are asked for by name.
    pub fn claims(&self) -> &ClaimsRequest {
        &self.claims
    }

    /// The challenge that the code is to carry.
    pub fn challenge(&self) -> Option<&CodeChallenge> {
        self.challenge.as_ref()
    }

    /// Who the client thinks will sign in; a hint, not a demand.
    pub fn login_hint(&self) -> Option<&str> {
        self.login_hint.as_deref()
    }

    /// An ID token of ours about the user who is expected, not verified here.
    pub fn id_token_hint(&self) -> Option<&str> {
        self.id_token_hint.as_deref()
    }

    /// The languages that are wished for, the best first.
    pub fn ui_locales(&self) -> Option<&str> {
        self.ui_locales.as_deref()
    }
}
