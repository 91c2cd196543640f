//! What the authorization endpoint gives back, and in which part of the answer (RFC 6749 section 3.1.1,
//! OAuth 2.0 Multiple Response Type Encoding Practices, OAuth 2.0 Form Post Response Mode).

use std::fmt;

/// A `response_type`: a set of words, whose order means nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseType {
    /// An authorization code.
    pub code: bool,
    /// An ID token.
    pub id_token: bool,
    /// An access token.
    pub token: bool,
}

impl ResponseType {
    /// Every type that can be asked for.
    pub const ALL: &'static [Self] = &[
        Self::CODE,
        Self {
            id_token: true,
            ..Self::CODE
        },
        Self {
            token: true,
            ..Self::CODE
        },
        Self {
            id_token: true,
            token: true,
            ..Self::CODE
        },
    ];

    /// `code` alone: what a registration has that names none (RFC 7591 section 2).
    pub const CODE: Self = Self {
        code: true,
        id_token: false,
        token: false,
    };

    /// Reads the words, apart by one space each, in any order; `None` where one is unknown or there twice.
    pub fn parse(text: &str) -> Option<Self> {
        let mut read = Self::default();
        for word in text.split(' ') {
            let part = match word {
                "code" => &mut read.code,
                "id_token" => &mut read.id_token,
                "token" => &mut read.token,
                _ => return None,
            };
            if std::mem::replace(part, true) {
                return None;
            }
        }
        Some(read)
    }

    /// As registries and metadata write it.
    pub const fn name(self) -> &'static str {
        match (self.code, self.id_token, self.token) {
            (true, false, false) => "code",
            (true, true, false) => "code id_token",
            (true, false, true) => "code token",
            (true, true, true) => "code id_token token",
            (false, true, false) => "id_token",
            (false, true, true) => "id_token token",
            (false, false, true) => "token",
            (false, false, false) => "none",
        }
    }

    /// Whether a token passes through the browser, so that the query is no place for the answer.
    pub const fn is_front_channel(self) -> bool {
        self.id_token || self.token
    }

    /// Where the answer goes if the request does not say.
    pub const fn default_mode(self) -> ResponseMode {
        if self.is_front_channel() {
            ResponseMode::Fragment
        } else {
            ResponseMode::Query
        }
    }
}

impl fmt::Display for ResponseType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A `response_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseMode {
    /// In the query of the redirection URI.
    Query,
    /// In its fragment.
    Fragment,
    /// In the body of a POST that the browser is told to make.
    FormPost,
}

impl ResponseMode {
    /// Every mode, as `response_modes_supported` lists them.
    pub const ALL: &'static [Self] = &[Self::Query, Self::Fragment, Self::FormPost];

    /// The registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Fragment => "fragment",
            Self::FormPost => "form_post",
        }
    }

    /// The mode of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|mode| mode.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_types_are_sets() {
        for (text, name) in [
            ("code", Some("code")),
            ("code id_token", Some("code id_token")),
            ("id_token code", Some("code id_token")),
            ("token id_token code", Some("code id_token token")),
            ("token code", Some("code token")),
            ("token", Some("token")),
            ("id_token token", Some("id_token token")),
            ("code code", None),
            ("code  id_token", None),
            (" code", None),
            ("Code", None),
            ("none", None),
            ("", None),
            ("code,token", None),
        ] {
            assert_eq!(
                ResponseType::parse(text).map(ResponseType::name),
                name,
                "{text}"
            );
        }
    }

    #[test]
    fn modes() {
        for mode in ResponseMode::ALL {
            assert_eq!(ResponseMode::named(mode.name()), Some(*mode));
        }
        assert_eq!(ResponseMode::named("query.jwt"), None);
        assert_eq!(ResponseType::CODE.default_mode(), ResponseMode::Query);
        let hybrid = ResponseType::parse("code id_token").expect("hybrid");
        assert_eq!(hybrid.default_mode(), ResponseMode::Fragment);
    }
}
