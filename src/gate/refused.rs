//! A refusal: what the caller is told (RFC 6750 section 3, RFC 9470 section 3), and what the log is.

use std::fmt::{self, Write as _};

use http::StatusCode;

use super::{Gate, Rules};

/// What kind of refusal it is, which decides the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nothing was shown that this gate takes: no error code, so that nobody is taught what to forge.
    NoToken,
    /// RFC 6750 section 3.1 `invalid_request`: the request is malformed or doubled, or forges what only
    /// the web server may say. `token` is whether one came.
    Malformed {
        /// Whether something was shown at all.
        token: bool,
    },
    /// RFC 6750 section 3.1 `invalid_token`.
    InvalidToken,
    /// RFC 6750 section 3.1 `insufficient_scope`.
    InsufficientScope,
    /// RFC 9470 section 3 `insufficient_user_authentication`.
    InsufficientUserAuthentication,
    /// What must be asked does not answer; nothing was decided.
    Unavailable,
}

/// A request that is not let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    why: Why,
    cause: String,
}

/// A challenge has no more octets, mostly.
const LINE: usize = 160;

impl Refused {
    /// A refusal, and what really happened.
    pub fn new(why: Why, cause: impl fmt::Display) -> Self {
        Self {
            why,
            cause: cause.to_string(),
        }
    }

    /// The kind.
    pub const fn why(&self) -> Why {
        self.why
    }

    /// What happened, for the log alone.
    pub fn cause(&self) -> &str {
        &self.cause
    }

    /// The status that every front end passes on or turns into a refusal: never 400, which nginx takes
    /// for a failure of its own.
    pub const fn status(&self) -> StatusCode {
        match self.why {
            Why::InsufficientScope => StatusCode::FORBIDDEN,
            Why::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    /// What the status would be if every front end could take it (`X-Gate-Status`), where that is
    /// something else or is turned into something else.
    pub const fn true_status(&self) -> Option<u16> {
        match self.why {
            Why::Malformed { .. } => Some(400),
            Why::Unavailable => Some(503),
            _ => None,
        }
    }

    /// The error code of RFC 6750 section 3.1, where one is told.
    pub const fn error(&self) -> Option<&'static str> {
        match self.why {
            Why::NoToken | Why::Malformed { token: false } | Why::Unavailable => None,
            Why::Malformed { token: true } => Some("invalid_request"),
            Why::InvalidToken => Some("invalid_token"),
            Why::InsufficientScope => Some("insufficient_scope"),
            Why::InsufficientUserAuthentication => Some("insufficient_user_authentication"),
        }
    }

    /// The one `WWW-Authenticate` line; none where nothing was decided.
    ///
    /// Everything in it comes from the configuration, whose parsers let nothing in that needs quoting.
    pub fn challenge(&self, gate: &Gate) -> Option<String> {
        if self.why == Why::Unavailable {
            return None;
        }
        let Rules {
            name,
            scopes,
            acr,
            max_age,
            ..
        } = gate.rules();
        let mut line = String::with_capacity(LINE);
        // Writing to a String cannot fail.
        let _ = write!(line, "Bearer realm=\"{name}\"");
        let mut say = |name: &str, value: &str| {
            let _ = write!(line, ", {name}=\"{value}\"");
        };
        if let Some(error) = self.error() {
            say("error", error);
        }
        match self.why {
            Why::InvalidToken => say(
                "error_description",
                "the access token is not good here, or not for this client certificate",
            ),
            Why::InsufficientScope => say("scope", scopes.as_str()),
            Why::InsufficientUserAuthentication => {
                if let Some(acr) = acr {
                    say("acr_values", acr);
                }
                if let Some(age) = max_age {
                    say("max_age", &age.seconds().to_string());
                }
            }
            _ => {}
        }
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::rules;
    use super::*;
    use crate::oauth::scope::Scope;
    use crate::oauth::time::Lifetime;

    #[test]
    fn answers() {
        let gate = Gate::new(Rules {
            scopes: Scope::parse("a b").expect("a scope"),
            acr: Some("gold".into()),
            max_age: Some(Lifetime::from_seconds(60)),
            ..rules("orders")
        })
        .expect("a gate");
        for (why, status, shown, challenge) in [
            (Why::NoToken, 401, None, Some("Bearer realm=\"orders\"")),
            (
                Why::Malformed { token: false },
                401,
                Some(400),
                Some("Bearer realm=\"orders\""),
            ),
            (
                Why::Malformed { token: true },
                401,
                Some(400),
                Some("Bearer realm=\"orders\", error=\"invalid_request\""),
            ),
            (
                Why::InvalidToken,
                401,
                None,
                Some(
                    "Bearer realm=\"orders\", error=\"invalid_token\", error_description=\"the access token is not good here, or not for this client certificate\"",
                ),
            ),
            (
                Why::InsufficientScope,
                403,
                None,
                Some("Bearer realm=\"orders\", error=\"insufficient_scope\", scope=\"a b\""),
            ),
            (
                Why::InsufficientUserAuthentication,
                401,
                None,
                Some(
                    "Bearer realm=\"orders\", error=\"insufficient_user_authentication\", acr_values=\"gold\", max_age=\"60\"",
                ),
            ),
            (Why::Unavailable, 503, Some(503), None),
        ] {
            let refused = Refused::new(why, "because");
            assert_eq!(refused.status().as_u16(), status, "{why:?}");
            assert_eq!(refused.true_status(), shown, "{why:?}");
            assert_eq!(refused.challenge(&gate).as_deref(), challenge, "{why:?}");
        }
    }
}
