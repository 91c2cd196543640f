//! An authorization request on its way through pages: sealed, so that nothing of it is to be read or changed
//! outside, and bound to the browser that it was given to (RFC 6749 section 10.12).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::browser::Browser;
use crate::authorization::PARAMETERS;
use crate::endpoint::Server;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::form::Form;
use crate::oauth::time::{Lifetime, Timestamp};
use crate::record::{Key, Kind};

/// How long somebody may take from the first page to the last.
pub(super) const TIME: Lifetime = Lifetime::from_seconds(1_800);

/// What the envelope is for.
const PURPOSE: &[u8] = b"certbound interaction";

/// The request, and how far it has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Interaction {
    /// Its name: what is answered once.
    #[serde(rename = "i")]
    id: String,
    /// When it began.
    #[serde(rename = "t")]
    began: Timestamp,
    /// What it is for, so that no page's form is taken for another's.
    #[serde(rename = "k")]
    pub(super) kind: Kinds,
    /// The parameters.
    #[serde(rename = "f")]
    pairs: Vec<(String, String)>,
    /// The `request_uri` under which it was pushed.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub(super) pushed: Option<String>,
    /// Whether there was a page, which could be sent twice.
    #[serde(rename = "s", default)]
    shown: bool,
    /// Who signed in for it, by `sub`: nobody else's session is fresh.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub(super) fresh: Option<String>,
    /// Who said to go on as who is signed in, by `sub`.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub(super) selected: Option<String>,
    /// Who was asked to agree, and to what: a digest.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub(super) asked: Option<String>,
}

/// What an interaction is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kinds {
    /// An authorization request.
    #[serde(rename = "a")]
    Authorize,
    /// Signing out.
    #[serde(rename = "l")]
    Logout,
}

impl Kinds {
    /// The parameters that mean something there. Others are not carried along.
    const fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Authorize => PARAMETERS,
            Self::Logout => &[
                "client_id",
                "id_token_hint",
                "post_logout_redirect_uri",
                "state",
                "ui_locales",
            ],
        }
    }
}

impl Interaction {
    /// One that begins now.
    pub(super) fn begin(server: &Server, kind: Kinds, form: &Form<'_>, now: Timestamp) -> Self {
        let pairs = form
            .pairs()
            .filter(|(name, _)| kind.parameters().contains(name))
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self {
            id: (server.mint)().expose().chars().take(22).collect(),
            began: now,
            kind,
            pairs: pairs.collect(),
            pushed: None,
            shown: false,
            fresh: None,
            selected: None,
            asked: None,
        }
    }

    /// The request's parameters.
    pub(super) fn form(&self) -> Result<Form<'_>, OAuthError> {
        Ok(Form::from_pairs(
            self.pairs
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        )?)
    }

    /// Under which key it is written that it has been answered; nothing where nobody could send it again.
    pub(super) fn answered(&self, issuer: &str) -> Option<Key> {
        let name = match &self.pushed {
            Some(request_uri) => request_uri,
            None if self.shown => &self.id,
            None => return None,
        };
        Some(Key::named(Kind::Answered, issuer, name))
    }

    /// For a page: sealed for that browser.
    pub(super) fn sealed(
        &mut self,
        server: &Server,
        browser: &mut Browser,
        now: Timestamp,
    ) -> Result<String, OAuthError> {
        self.shown = true;
        let bound = bound(server, browser.form_or_new(server.mint).expose());
        let octets = serde_json::to_vec(self).map_err(failed)?;
        let keys = server.keys()?;
        let envelope = keys.envelope(PURPOSE, now).map_err(failed)?;
        let sealed = envelope.seal(bound.as_bytes(), &octets).map_err(failed)?;
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// What came back with a form of that kind, from the browser that it was given to.
    ///
    /// # Errors
    /// It was not made here, not for this browser, or too long ago.
    pub(super) fn open(
        server: &Server,
        browser: &Browser,
        kind: Kinds,
        text: &str,
        now: Timestamp,
    ) -> Result<Self, OAuthError> {
        let refused = |cause: &'static str| {
            Err(OAuthError::new(
                ErrorCode::Forbidden,
                "this page is not from here, or is too old: go back to the application and start again",
            )
            .because(cause))
        };
        let Some(form) = browser.form() else {
            return refused("the browser has no cookie that a form could be bound to");
        };
        let Ok(sealed) = URL_SAFE_NO_PAD.decode(text) else {
            return refused("the interaction is not base64url");
        };
        let keys = server.keys()?;
        let envelope = keys.envelope(PURPOSE, now).map_err(failed)?;
        let Some(octets) = envelope.open(bound(server, form.expose()).as_bytes(), &sealed) else {
            return refused(
                "the interaction was sealed by another key, for another browser, or by nobody",
            );
        };
        let interaction: Self = serde_json::from_slice(&octets).map_err(failed)?;
        if interaction.kind != kind {
            return refused("the interaction is for another page");
        }
        if interaction.began.after(TIME) <= now {
            return refused("the interaction began more than half an hour ago");
        }
        Ok(interaction)
    }
}

fn bound(server: &Server, form: &str) -> String {
    format!("{}\n{form}", server.issuer())
}

fn failed(error: impl std::fmt::Display) -> OAuthError {
    OAuthError::new(ErrorCode::ServerError, "the page could not be made").because(error)
}
