//! The authorization code grant (RFC 6749 section 4.1.3), with PKCE (RFC 7636 section 4.6): a code works once.

use serde::{Deserialize, Serialize};

use super::family::{self, InFamily};
use super::{Ask, Grant, Granted, Refusal};
use crate::oauth::error::OAuthError;
use crate::oauth::form::Form;
use crate::oauth::pkce::{CodeChallenge, CodeVerifier};
use crate::oauth::secret::Secret;
use crate::oauth::time::Timestamp;
use crate::record::{Key, Kind, Record};
use crate::token::family::FamilyId;

/// Lets a code be recognised where it should not be, such as in a log.
const PREFIX: &str = "cbac_";

/// What is kept of a code; what it stands for is its family's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationCode {
    /// From this second on it is worth nothing.
    #[serde(rename = "e")]
    pub expires: Timestamp,
    /// Where it was sent.
    #[serde(rename = "r")]
    pub redirect_uri: String,
    /// Whether the client said so, and so must say it again (RFC 6749 section 4.1.3).
    #[serde(rename = "q", default, skip_serializing_if = "std::ops::Not::not")]
    pub asked_redirect_uri: bool,
    /// What its verifier must prove (RFC 7636 section 4.4).
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<CodeChallenge>,
    /// What the ID token must repeat.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// Whether it was used: whoever shows it now is not alone.
    #[serde(rename = "x", default, skip_serializing_if = "std::ops::Not::not")]
    pub used: bool,
}

impl AuthorizationCode {
    /// The text of a new one.
    pub fn text(chance: &Secret, family: &FamilyId) -> Secret {
        Secret::new(format!("{PREFIX}{}.{}", chance.expose(), family.as_str()))
    }

    /// Where the record of the code with that text is.
    pub fn key(issuer: &str, text: &str) -> Key {
        Key::named(Kind::AuthorizationCode, issuer, text)
    }

    /// The record, which lives until then: that a code was used is remembered longer than it could be.
    ///
    /// # Errors
    /// The library cannot write it.
    pub fn record(&self, until: Timestamp) -> Result<Record, serde_json::Error> {
        Ok(Record {
            value: serde_json::to_vec(self)?,
            expires: Some(until),
        })
    }
}

/// The grant.
pub(super) struct Code;

impl Grant for Code {
    fn name(&self) -> &'static str {
        "authorization_code"
    }

    fn presents(&self, form: &Form<'_>, issuer: &str) -> Vec<Key> {
        let text = form.value("code").filter(|text| text.starts_with(PREFIX));
        family::presented(text, issuer, AuthorizationCode::key)
    }

    fn decide(&self, ask: &Ask<'_>) -> Result<Granted, Refusal> {
        ask.form.required("code")?;
        let (found, record) = InFamily::found(ask, "the code")?;
        let code: AuthorizationCode = serde_json::from_slice(&record.value)
            .map_err(|error| family::refused("the code's record cannot be read").because(error))?;
        if code.used {
            return Err(found.ended("the code was used before, so that all it gave has ended"));
        }
        if code.expires <= ask.context.now {
            return Err(family::refused("the code has expired").into());
        }
        redirect_uri(ask.form, &code)?;
        verifier(ask.form, &code)?;
        let local = found.user(ask)?;
        let scope = found.scope_left(ask);
        let audience = found.audience(ask)?;
        let id_token = found
            .id_token(ask, &scope, local)
            .map(|token| token.with_nonce(code.nonce.as_deref()));
        let used = AuthorizationCode { used: true, ..code };
        let until = InFamily::ends(ask);
        let used = used.record(until).map_err(family::broken)?;
        let mut granted = found.issue(ask, scope, audience)?;
        granted.changes = granted.changes.put(found.key().clone(), used);
        if ask.client.registration().may_use("refresh_token") {
            let expires = ask.context.now.after(ask.context.refresh_token_ttl);
            InFamily::give_refresh_token(ask, &mut granted, expires)?;
        }
        granted.changes = found.unchanged(granted.changes);
        granted.id_token = id_token;
        Ok(granted)
    }
}

/// RFC 6749 section 4.1.3: what was said at the authorization endpoint is said again, and nothing else.
fn redirect_uri(form: &Form<'_>, code: &AuthorizationCode) -> Result<(), OAuthError> {
    match form.value("redirect_uri") {
        Some(said) if said == code.redirect_uri => Ok(()),
        Some(_) => Err(family::refused(
            "the redirect_uri is not the one that the code was sent to",
        )),
        None if code.asked_redirect_uri => Err(family::refused(
            "the redirect_uri of the authorization request is missing",
        )),
        None => Ok(()),
    }
}

/// RFC 7636 section 4.6, RFC 9700 section 2.1.1: a verifier exactly where there was a challenge.
fn verifier(form: &Form<'_>, code: &AuthorizationCode) -> Result<(), OAuthError> {
    match (&code.challenge, form.value("code_verifier")) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(family::refused(
            "there is a code_verifier, and there was no code_challenge",
        )),
        (Some(_), None) => Err(family::refused("the code_verifier is missing")),
        (Some(challenge), Some(text)) => {
            let verifier = CodeVerifier::parse(text)
                .map_err(|error| family::refused("the code_verifier is wrong").because(error))?;
            if challenge.verify(&verifier) {
                Ok(())
            } else {
                Err(family::refused("the code_verifier is wrong"))
            }
        }
    }
}
