//! `prompt` (OpenID Connect Core section 3.1.2.1): which pages the user is to see, or that there is to be none.

use crate::oauth::error::{ErrorCode, OAuthError};

/// The words of `prompt`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the words of a set, as the specification has them"
)]
pub struct Prompt {
    /// No page at all.
    pub none: bool,
    /// The user signs in again.
    pub login: bool,
    /// The user is asked to agree, even who has before.
    pub consent: bool,
    /// The user may be another one than the session's.
    pub select_account: bool,
}

impl Prompt {
    /// Reads the words, apart by blanks.
    pub(super) fn read(text: Option<&str>) -> Result<Self, OAuthError> {
        let wrong = |text| Err(OAuthError::new(ErrorCode::InvalidRequest, text));
        let mut read = Self::default();
        for word in text
            .unwrap_or_default()
            .split(' ')
            .filter(|word| !word.is_empty())
        {
            match word {
                "none" => read.none = true,
                "login" => read.login = true,
                "consent" => read.consent = true,
                "select_account" => read.select_account = true,
                _ => return wrong("prompt is of none, login, consent and select_account"),
            }
        }
        if read.none && (read.login || read.consent || read.select_account) {
            return wrong("prompt=none goes with no other value");
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OC-03, OC-04.
    #[test]
    fn none_goes_with_no_other() {
        let none = Prompt {
            none: true,
            ..Prompt::default()
        };
        let both = Prompt {
            login: true,
            consent: true,
            ..Prompt::default()
        };
        let select = Prompt {
            select_account: true,
            ..Prompt::default()
        };
        for (text, expected) in [
            (None, Some(Prompt::default())),
            (Some("none"), Some(none)),
            (Some("consent login"), Some(both)),
            (Some("login  consent login"), Some(both)),
            (Some("select_account"), Some(select)),
            (Some("none login"), None),
            (Some("consent none"), None),
            (Some("None"), None),
            (Some("create"), None),
            (Some("login,consent"), None),
        ] {
            assert_eq!(Prompt::read(text).ok(), expected, "{text:?}");
        }
    }
}
