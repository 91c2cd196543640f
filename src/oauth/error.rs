//! The errors of RFC 6749 sections 4.1.2.1 and 5.2 and their extensions: what goes out, and what stays in
//! the log.
//!
//! Those of the authorization endpoint normally travel by redirection; the status here is for where they
//! cannot (a pushed request, a page of ours).

use std::borrow::Cow;
use std::fmt;

/// An error code from the OAuth registry, with the status it travels under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// RFC 6749 section 5.2: the request is malformed, repeats a parameter, or lacks one.
    InvalidRequest,
    /// RFC 6749 section 5.2: client authentication failed.
    InvalidClient,
    /// RFC 6749 section 5.2: this client may not use this grant.
    UnauthorizedClient,
    /// RFC 6749 section 5.2: there is no such grant here.
    UnsupportedGrantType,
    /// RFC 6749 section 5.2: the scope is malformed or more than the client may have.
    InvalidScope,
    /// RFC 8707 section 2: the resource is not one that the client may have tokens for.
    InvalidTarget,
    /// RFC 6749 section 5.2: the code, refresh token or verifier is wrong, used, expired or another's.
    InvalidGrant,
    /// RFC 6750 section 3.1: the access token is not good for this.
    InvalidToken,
    /// RFC 6750 section 3.1: the access token is good, but its scope is not enough.
    InsufficientScope,
    /// RFC 6749 section 4.1.2.1: the user, or this server, said no.
    AccessDenied,
    /// RFC 6749 section 4.1.2.1: nothing of that kind is given at the authorization endpoint.
    UnsupportedResponseType,
    /// OpenID Connect Core section 3.1.2.6: somebody must sign in, and `prompt=none` forbids it.
    LoginRequired,
    /// OpenID Connect Core section 3.1.2.6: the user must agree, and `prompt=none` forbids to ask.
    ConsentRequired,
    /// OpenID Connect Core section 3.1.2.6: some page is needed, and `prompt=none` forbids it.
    InteractionRequired,
    /// OpenID Connect Core section 3.1.2.6: the user must choose, and `prompt=none` forbids to ask.
    AccountSelectionRequired,
    /// OpenID Connect Core section 3.1.2.6: the `request_uri` is not one of ours, or no longer.
    InvalidRequestUri,
    /// OpenID Connect Core section 3.1.2.6: the request object is not good.
    InvalidRequestObject,
    /// OpenID Connect Core section 3.1.2.6: request objects are taken by pushed requests alone.
    RequestNotSupported,
    /// OpenID Connect Core section 3.1.2.6: request objects are fetched from nowhere.
    RequestUriNotSupported,
    /// OpenID Connect Core section 3.1.2.6: nobody registers by an authorization request.
    RegistrationNotSupported,
    /// RFC 9470 section 5, and OpenID Connect's specification of the same name: the level that was
    /// demanded cannot be reached.
    UnmetAuthenticationRequirements,
    /// RFC 9110 section 15.5.4: a form that this server did not make, or did not make for this browser.
    Forbidden,
    /// RFC 6585 section 4: too many attempts. OAuth's only registered word that means it is `slow_down`
    /// (RFC 8628 section 3.5); `temporarily_unavailable` is kept for the store.
    TooManyRequests,
    /// Nothing lives under this path.
    NotFound,
    /// RFC 9110 section 15.5.6: the endpoint does not take this method.
    MethodNotAllowed,
    /// RFC 9110 section 15.5.14: the body is larger than any honest one.
    ContentTooLarge,
    /// RFC 9110 section 15.5.9: the request did not arrive in time.
    RequestTimeout,
    /// RFC 6585 section 5: the header block is larger than any honest one.
    HeadersTooLarge,
    /// RFC 6749 section 4.1.2.1: something here is broken.
    ServerError,
    /// RFC 6749 section 4.1.2.1: the store does not answer; nothing was decided.
    TemporarilyUnavailable,
}

impl ErrorCode {
    /// The registered name. What HTTP alone has a word for is `invalid_request` in OAuth's.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest
            | Self::NotFound
            | Self::Forbidden
            | Self::MethodNotAllowed
            | Self::ContentTooLarge
            | Self::RequestTimeout
            | Self::HeadersTooLarge => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::AccessDenied => "access_denied",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::InteractionRequired => "interaction_required",
            Self::AccountSelectionRequired => "account_selection_required",
            Self::InvalidRequestUri => "invalid_request_uri",
            Self::InvalidRequestObject => "invalid_request_object",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::RegistrationNotSupported => "registration_not_supported",
            Self::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
            Self::TooManyRequests => "slow_down",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }

    /// The HTTP status.
    pub const fn status(self) -> http::StatusCode {
        match self {
            Self::InvalidRequest
            | Self::UnauthorizedClient
            | Self::UnsupportedGrantType
            | Self::InvalidScope
            | Self::InvalidTarget
            | Self::InvalidGrant
            | Self::AccessDenied
            | Self::UnsupportedResponseType
            | Self::LoginRequired
            | Self::ConsentRequired
            | Self::InteractionRequired
            | Self::AccountSelectionRequired
            | Self::InvalidRequestUri
            | Self::InvalidRequestObject
            | Self::RequestNotSupported
            | Self::RequestUriNotSupported
            | Self::RegistrationNotSupported
            | Self::UnmetAuthenticationRequirements => http::StatusCode::BAD_REQUEST,
            Self::InvalidClient | Self::InvalidToken => http::StatusCode::UNAUTHORIZED,
            Self::InsufficientScope | Self::Forbidden => http::StatusCode::FORBIDDEN,
            Self::TooManyRequests => http::StatusCode::TOO_MANY_REQUESTS,
            Self::NotFound => http::StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => http::StatusCode::METHOD_NOT_ALLOWED,
            Self::ContentTooLarge => http::StatusCode::PAYLOAD_TOO_LARGE,
            Self::RequestTimeout => http::StatusCode::REQUEST_TIMEOUT,
            Self::HeadersTooLarge => http::StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::ServerError => http::StatusCode::INTERNAL_SERVER_ERROR,
            Self::TemporarilyUnavailable => http::StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// A refusal: a code and a description for the caller, a cause for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthError {
    code: ErrorCode,
    description: Cow<'static, str>,
    cause: Option<String>,
    basic: bool,
}

impl OAuthError {
    /// An error whose description says everything there is to say.
    pub fn new(code: ErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            description: printable(description.into()),
            cause: None,
            basic: false,
        }
    }

    /// The same error with what really happened, which only the log learns.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// The same error to a caller who tried the `Authorization` header, and is owed a challenge
    /// (RFC 6749 section 5.2).
    #[must_use]
    pub fn challenging_basic(mut self, tried: bool) -> Self {
        self.basic = tried;
        self
    }

    /// The code.
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// What the caller reads.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// What the log reads: the cause, or the description where that is all.
    pub fn cause(&self) -> &str {
        self.cause.as_deref().unwrap_or(&self.description)
    }

    /// Whether a `WWW-Authenticate: Basic` line is owed.
    pub const fn owes_basic_challenge(&self) -> bool {
        self.basic
    }

    /// The JSON body of RFC 6749 section 5.2.
    pub fn body(&self) -> String {
        serde_json::json!({ "error": self.code.name(), "error_description": self.description })
            .to_string()
    }
}

/// Keeps to the characters that RFC 6749 section 5.2 allows in `error_description`.
fn printable(text: Cow<'static, str>) -> Cow<'static, str> {
    let allowed = |c: char| matches!(c, ' '..='!' | '#'..='[' | ']'..='~');
    if text.chars().all(allowed) {
        return text;
    }
    let replaced = text.chars().map(|c| match c {
        '"' => '\'',
        c if allowed(c) => c,
        _ => '?',
    });
    Cow::Owned(replaced.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_description_stays_in_its_character_set() {
        let error = OAuthError::new(ErrorCode::InvalidScope, "no \"x\\\r\ny\" é".to_owned());
        assert_eq!(error.description(), "no 'x???y' ?");
    }

    /// OA-23.
    #[test]
    fn codes_travel_under_their_names_and_statuses() {
        use ErrorCode as Code;
        for (code, name, status) in [
            (Code::InvalidGrant, "invalid_grant", 400),
            (Code::AccessDenied, "access_denied", 400),
            (
                Code::UnsupportedResponseType,
                "unsupported_response_type",
                400,
            ),
            (Code::LoginRequired, "login_required", 400),
            (Code::ConsentRequired, "consent_required", 400),
            (Code::InteractionRequired, "interaction_required", 400),
            (
                Code::AccountSelectionRequired,
                "account_selection_required",
                400,
            ),
            (Code::InvalidRequestUri, "invalid_request_uri", 400),
            (Code::InvalidRequestObject, "invalid_request_object", 400),
            (Code::RequestNotSupported, "request_not_supported", 400),
            (
                Code::RequestUriNotSupported,
                "request_uri_not_supported",
                400,
            ),
            (
                Code::RegistrationNotSupported,
                "registration_not_supported",
                400,
            ),
            (
                Code::UnmetAuthenticationRequirements,
                "unmet_authentication_requirements",
                400,
            ),
            (Code::InvalidClient, "invalid_client", 401),
            (Code::InvalidToken, "invalid_token", 401),
            (Code::InsufficientScope, "insufficient_scope", 403),
            (Code::Forbidden, "invalid_request", 403),
            (Code::TooManyRequests, "slow_down", 429),
            (Code::TemporarilyUnavailable, "temporarily_unavailable", 503),
        ] {
            assert_eq!((code.name(), code.status().as_u16()), (name, status));
        }
    }

    #[test]
    fn the_cause_stays_inside() {
        let error = OAuthError::new(ErrorCode::InvalidClient, "client authentication failed")
            .because("the DN differs");
        assert!(!error.body().contains("DN"));
        assert_eq!(error.cause(), "the DN differs");
    }
}
