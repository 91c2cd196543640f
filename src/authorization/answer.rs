//! An authorization response on its way to the client (RFC 6749 section 4.1.2, OAuth 2.0 Form Post Response
//! Mode): every name and value is encoded here, so that none can end a header or begin a parameter.

use std::fmt::Write as _;

use crate::oauth::response::ResponseMode;

/// Where and what to send back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The `Location` of a 303 (RFC 9700 section 4.12), printable ASCII.
    Redirect(String),
    /// A form that the browser is told to post.
    FormPost {
        /// The redirection URI.
        action: String,
        /// Names and values as they are, not escaped for HTML.
        fields: Vec<(String, String)>,
    },
}

impl Answer {
    /// A redirection to a registered address with those parameters (RP-Initiated Logout section 3).
    pub fn back_to(uri: &str, parameters: &[(&str, &str)]) -> Self {
        Self::to(uri, ResponseMode::Query, parameters.iter().copied())
    }

    /// An answer to that redirection URI.
    pub(super) fn to<'a>(
        redirect_uri: &str,
        mode: ResponseMode,
        parameters: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let mark = match mode {
            ResponseMode::FormPost => {
                let fields = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
                return Self::FormPost {
                    action: redirect_uri.to_owned(),
                    fields: fields.collect(),
                };
            }
            ResponseMode::Fragment => "#",
            ResponseMode::Query if !redirect_uri.contains('?') => "?",
            ResponseMode::Query if redirect_uri.ends_with(['?', '&']) => "",
            ResponseMode::Query => "&",
        };
        let mut location = String::with_capacity(redirect_uri.len() + 256);
        location.push_str(redirect_uri);
        let mut before = mark;
        for (name, value) in parameters {
            location.push_str(before);
            encode(name, &mut location);
            location.push('=');
            encode(value, &mut location);
            before = "&";
        }
        Self::Redirect(location)
    }
}

/// Form encoding with `%20` for a blank, which those who decode by RFC 3986 alone read right as well.
fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(uri: &str, mode: ResponseMode, parameters: &[(&str, &str)]) -> String {
        match Answer::to(uri, mode, parameters.iter().copied()) {
            Answer::Redirect(location) => location,
            Answer::FormPost { .. } => panic!("a form"),
        }
    }

    #[test]
    fn appended_to_what_is_there() {
        use ResponseMode::{Fragment, Query};
        let two = [("code", "c"), ("state", "s t&u")];
        for (uri, mode, expected) in [
            (
                "https://a.example/cb",
                Query,
                "https://a.example/cb?code=c&state=s%20t%26u",
            ),
            (
                "https://a.example/cb?x=1",
                Query,
                "https://a.example/cb?x=1&code=c&state=s%20t%26u",
            ),
            (
                "https://a.example/cb?",
                Query,
                "https://a.example/cb?code=c&state=s%20t%26u",
            ),
            (
                "https://a.example/cb?x&",
                Query,
                "https://a.example/cb?x&code=c&state=s%20t%26u",
            ),
            (
                "https://a.example",
                Query,
                "https://a.example?code=c&state=s%20t%26u",
            ),
            (
                "com.example.app:/cb",
                Query,
                "com.example.app:/cb?code=c&state=s%20t%26u",
            ),
            (
                "https://a.example/cb?x=1",
                Fragment,
                "https://a.example/cb?x=1#code=c&state=s%20t%26u",
            ),
        ] {
            assert_eq!(location(uri, mode, &two), expected);
        }
    }

    /// OA-18 and response splitting: whatever the value is, it comes back, and nothing else comes with it.
    #[test]
    fn values_come_back_and_end_nothing() {
        let mut hostile = String::from("\r\nSet-Cookie: a=b\0\t\"'<>\\^`{|}%0d%0a+ é€😀");
        hostile.push_str(":/?#[]@!$&'()*+,;=");
        hostile.push_str(&"x~-._".repeat(400));
        for mode in [ResponseMode::Query, ResponseMode::Fragment] {
            let location = location("https://a.example/cb", mode, &[("state", &hostile)]);
            assert!(location.bytes().all(|byte| byte.is_ascii_graphic()));
            let (_, sent) = location.split_at("https://a.example/cb?".len());
            assert!(!sent.contains(['?', '#', '&', '+']));
            let form = crate::oauth::form::Form::parse(sent.as_bytes()).expect("a form");
            assert_eq!(form.value("state"), Some(hostile.as_str()));
            assert_eq!(form.pairs().count(), 1);
        }
        let form = Answer::to(
            "https://a.example/cb",
            ResponseMode::FormPost,
            [("state", hostile.as_str())].into_iter(),
        );
        assert_eq!(
            form,
            Answer::FormPost {
                action: "https://a.example/cb".to_owned(),
                fields: vec![("state".to_owned(), hostile)],
            }
        );
    }
}
