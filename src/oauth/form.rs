//! `application/x-www-form-urlencoded` bodies and queries (RFC 6749 appendix B), read strictly: UTF-8, well-formed
//! escapes, no parameter twice.

use std::borrow::Cow;
use std::fmt;

use super::error::{ErrorCode, OAuthError};

/// How many parameters a request may have; honest ones have a dozen.
const PARAMETERS: usize = 64;

/// The parameter that RFC 8707 section 2 lets a request repeat.
const REPEATABLE: &str = "resource";

/// A decoded form. A parameter is there at most once (but `resource`), and an empty one is absent
/// (RFC 6749 section 3.2).
#[derive(Debug)]
pub struct Form<'a> {
    pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Form<'a> {
    /// Reads a body, or the query of a request to the authorization endpoint, which is written the same.
    pub fn parse(body: &'a [u8]) -> Result<Self, FormError> {
        let body = std::str::from_utf8(body).map_err(|_| FormError::NotUtf8)?;
        let mut form = Self {
            pairs: Vec::with_capacity(8),
        };
        for pair in body.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            form.add(decode(name)?, decode(value)?)?;
        }
        Ok(form)
    }

    fn add(&mut self, name: Cow<'a, str>, value: Cow<'a, str>) -> Result<(), FormError> {
        if name != REPEATABLE && self.pairs.iter().any(|(other, _)| *other == name) {
            return Err(FormError::Repeated(name.into_owned()));
        }
        if self.pairs.len() == PARAMETERS {
            return Err(FormError::TooMany);
        }
        self.pairs.push((name, value));
        Ok(())
    }

    /// Makes a form of pairs that are decoded already: those of a stored request, or of a request object.
    pub fn from_pairs<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Result<Self, FormError>
    where
        N: Into<Cow<'a, str>>,
        V: Into<Cow<'a, str>>,
    {
        let mut form = Self { pairs: Vec::new() };
        for (name, value) in pairs {
            form.add(name.into(), value.into())?;
        }
        Ok(form)
    }

    /// Every parameter as it came, in order; what [`from_pairs`](Self::from_pairs) makes the same form of.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs
            .iter()
            .map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    /// The value of a parameter, if it is there and not empty.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(other, value)| other == name && !value.is_empty())
            .map(|(_, value)| value.as_ref())
    }

    /// Every value of a parameter that may repeat.
    pub fn values<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        self.pairs
            .iter()
            .filter(move |(other, value)| other == name && !value.is_empty())
            .map(|(_, value)| value.as_ref())
    }

    /// The value of a parameter that must be there.
    pub fn required(&self, name: &'static str) -> Result<&str, OAuthError> {
        self.value(name).ok_or_else(|| {
            OAuthError::new(
                ErrorCode::InvalidRequest,
                format!("the parameter {name} is missing"),
            )
        })
    }
}

/// Undoes form encoding; borrows where there is nothing to undo.
fn decode(text: &str) -> Result<Cow<'_, str>, FormError> {
    if !text.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Ok(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let nibble = |byte: Option<u8>| (byte? as char).to_digit(16);
                let (high, low) = (nibble(bytes.next()), nibble(bytes.next()));
                let value = high.zip(low).ok_or(FormError::BadEscape)?;
                u8::try_from(value.0 * 16 + value.1).map_err(|_| FormError::BadEscape)?
            }
            other => other,
        });
    }
    String::from_utf8(decoded)
        .map(Cow::Owned)
        .map_err(|_| FormError::NotUtf8)
}

/// Why a body is not a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormError {
    /// The octets, before or after decoding, are not UTF-8.
    NotUtf8,
    /// A `%` without two hexadecimal digits after it.
    BadEscape,
    /// A parameter came twice.
    Repeated(String),
    /// More parameters than any honest request has.
    TooMany,
}

impl fmt::Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 => f.write_str("the form is not UTF-8"),
            Self::BadEscape => f.write_str("the form has a % without two hexadecimal digits"),
            Self::Repeated(name) => {
                let name: String = name.chars().take(64).collect();
                write!(f, "the parameter {name} is there twice")
            }
            Self::TooMany => write!(f, "the form has more than {PARAMETERS} parameters"),
        }
    }
}

impl From<FormError> for OAuthError {
    fn from(error: FormError) -> Self {
        Self::new(ErrorCode::InvalidRequest, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_and_keeps_plus_apart_from_its_escape() {
        let form =
            Form::parse(b"scope=a+b%2Bc&resource=x&resource=y&empty=&state").expect("a form");
        assert_eq!(form.value("scope"), Some("a b+c"));
        assert_eq!(form.values("resource").collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(form.value("empty"), None);
        assert_eq!(form.value("state"), None);
        assert!(form.required("grant_type").is_err());
    }

    #[test]
    fn pairs_make_the_same_form() {
        let form = Form::parse(b"a=1&resource=x&resource=y&empty=&b=+").expect("a form");
        let pairs: Vec<_> = form.pairs().collect();
        assert_eq!(
            pairs,
            [
                ("a", "1"),
                ("resource", "x"),
                ("resource", "y"),
                ("empty", ""),
                ("b", " ")
            ]
        );
        let again = Form::from_pairs(pairs).expect("the same form");
        assert!(again.pairs().eq(form.pairs()));
        let twice = Form::from_pairs([("a", "1"), ("a", "2")]);
        assert_eq!(twice.err(), Some(FormError::Repeated("a".into())));
        let many = Form::from_pairs((0..=PARAMETERS).map(|n| (format!("p{n}"), "1")));
        assert_eq!(many.err(), Some(FormError::TooMany));
    }

    #[test]
    fn what_is_refused() {
        for (body, error) in [
            (&b"a=%"[..], FormError::BadEscape),
            (b"a=%4", FormError::BadEscape),
            (b"a=%zz", FormError::BadEscape),
            (b"a=%+1", FormError::BadEscape),
            (b"a=%FF", FormError::NotUtf8),
            (b"a=\xff", FormError::NotUtf8),
            (b"scope=a&scope=b", FormError::Repeated("scope".into())),
            (b"scope=&scope=b", FormError::Repeated("scope".into())),
            (b"scope=a&sc%6Fpe=b", FormError::Repeated("scope".into())),
        ] {
            assert_eq!(Form::parse(body).err(), Some(error), "{body:?}");
        }
        let many = (0..=PARAMETERS)
            .map(|n| format!("p{n}=1"))
            .collect::<Vec<_>>()
            .join("&");
        assert_eq!(Form::parse(many.as_bytes()).err(), Some(FormError::TooMany));
    }
}
