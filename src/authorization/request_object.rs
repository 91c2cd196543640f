//! Request objects (RFC 9101), which pushed requests alone may bring: from claims whose signature was
//! verified to the form that they stand for.

use serde_json::{Map, Value};

use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::form::Form;
use crate::oauth::time::Timestamp;

/// What `typ` may be, if there is one (RFC 9101 section 4; OpenID Connect has none or JWT).
pub const TYPES: &[&str] = &["oauth-authz-req+jwt", "JWT"];

/// The form that a request object stands for.
///
/// # Errors
/// `invalid_request_object`, whatever is wrong with it.
pub fn read(
    claims: &Map<String, Value>,
    client_id: &str,
    issuer: &str,
    now: Timestamp,
) -> Result<Form<'static>, OAuthError> {
    let _ = (claims, client_id, issuer, now);
    Err(OAuthError::new(
        ErrorCode::InvalidRequestObject,
        "nothing is understood yet",
    ))
}
