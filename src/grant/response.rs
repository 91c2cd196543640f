//! The token response (RFC 6749 section 5.1).

use std::fmt;

use crate::key::members::Members;
use crate::oauth::scope::Scope;
use crate::oauth::secret::Secret;
use crate::oauth::time::Lifetime;

/// Octets of a response besides its tokens and its scope, at most.
const ROOM: usize = 160;

/// The members of RFC 6749 section 5.1.
#[derive(Debug)]
pub struct TokenResponse {
    /// The access token, once it is signed.
    pub access_token: Option<Secret>,
    pub(super) expires_in: Lifetime,
    pub(super) scope: Scope,
    pub(super) refresh_token: Option<Secret>,
    /// OpenID Connect Core section 3.1.3.3: once it is signed.
    pub id_token: Option<Secret>,
}

/// The access token of a response is yet to be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoToken;

impl fmt::Display for NoToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the access token is not signed")
    }
}

impl TokenResponse {
    /// The JSON of RFC 6749 section 5.1.
    ///
    /// # Errors
    /// The access token is yet to be signed.
    pub fn to_json(&self) -> Result<String, NoToken> {
        let access_token = self.access_token.as_ref().ok_or(NoToken)?;
        let tokens = [&self.access_token, &self.refresh_token, &self.id_token];
        let octets: usize = tokens
            .into_iter()
            .flatten()
            .map(|token| token.expose().len())
            .sum();
        // All of it at once: where a text grows, what it was copied from is not wiped.
        let mut members = Members::with_room(octets + self.scope.as_str().len() + ROOM);
        members.text("access_token", access_token.expose());
        // RFC 8705 section 3 gives bound tokens no type of their own.
        members.text("token_type", "Bearer");
        members.number("expires_in", self.expires_in.seconds());
        if !self.scope.is_empty() {
            members.text("scope", self.scope.as_str());
        }
        for (name, token) in [
            ("refresh_token", &self.refresh_token),
            ("id_token", &self.id_token),
        ] {
            if let Some(token) = token {
                members.text(name, token.expose());
            }
        }
        Ok(members.finish())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn response(access: Option<&str>, scope: &str, others: [Option<&str>; 2]) -> TokenResponse {
        let secret = |text: Option<&str>| text.map(|text| Secret::new(text.to_owned()));
        let [refresh_token, id_token] = others.map(secret);
        TokenResponse {
            access_token: secret(access),
            expires_in: Lifetime::from_seconds(600),
            scope: Scope::parse(scope).expect("a scope"),
            refresh_token,
            id_token,
        }
    }

    #[test]
    fn members_are_those_that_there_are() {
        for (scope, others, expected) in [
            (
                "",
                [None, None],
                json!({"access_token": "a.b-c_d", "token_type": "Bearer", "expires_in": 600}),
            ),
            (
                "a b",
                [Some("cbrt_r"), Some("i.j.k")],
                json!({
                    "access_token": "a.b-c_d", "token_type": "Bearer", "expires_in": 600, "scope": "a b",
                    "refresh_token": "cbrt_r", "id_token": "i.j.k",
                }),
            ),
        ] {
            let text = response(Some("a.b-c_d"), scope, others)
                .to_json()
                .expect("JSON");
            let read: Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(read, expected);
        }
    }

    #[test]
    fn room_is_made_once_for_all_of_it() {
        let mut longest = response(Some("a"), &"s ".repeat(40), [Some("r"), Some("i")]);
        longest.expires_in = Lifetime::from_seconds(u64::MAX);
        let text = longest.to_json().expect("JSON");
        let content = 3 + longest.scope.as_str().len();
        assert!(text.len() - content <= ROOM, "{text}");
    }

    #[test]
    fn there_is_none_before_the_access_token_is_signed() {
        assert_eq!(response(None, "", [None, None]).to_json(), Err(NoToken));
    }
}
