//! Who was let through, as web servers and applications are told: always all of the headers, each in
//! printable ASCII, all of them together small enough for any front end.

use std::fmt::Write as _;

use http::{HeaderName, HeaderValue};

use super::facts::{Bound, Facts};

/// What the headers of an answer may take together. nginx keeps them in one buffer of 4 kB, where its
/// own lines and the session cookie have to fit, too.
pub const ROOM: usize = 3_900;

/// The names of the headers that say who was let through. What comes from outside under one of these
/// names is forged.
pub const NAMES: [HeaderName; 6] = [
    HeaderName::from_static("x-auth-subject"),
    HeaderName::from_static("x-auth-client-id"),
    HeaderName::from_static("x-auth-scope"),
    HeaderName::from_static("x-auth-expires"),
    HeaderName::from_static("x-auth-thumbprint"),
    HeaderName::from_static("x-auth-issuer"),
];

/// Says that something was left out, and what.
pub const TRUNCATED: HeaderName = HeaderName::from_static("x-gate-truncated");

/// The value of what was not said.
const NOTHING: HeaderValue = HeaderValue::from_static("");

/// Who was let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    subject: HeaderValue,
    client_id: HeaderValue,
    scope: HeaderValue,
    expires: HeaderValue,
    thumbprint: HeaderValue,
    issuer: HeaderValue,
    truncated: bool,
}

impl Identity {
    /// What a token says, with so many octets of headers beside it (a cookie's).
    pub fn new(facts: &Facts, beside: usize) -> Self {
        let mut identity = Self {
            subject: plain(facts.subject.as_deref().unwrap_or_default()),
            client_id: plain(facts.client_id.as_deref().unwrap_or_default()),
            scope: plain(facts.scope.as_str()),
            expires: facts.expires.map_or(NOTHING, |end| end.unix().into()),
            thumbprint: match facts.bound {
                Bound::ToCertificate(thumbprint) => plain(&thumbprint.to_string()),
                Bound::ToNothing | Bound::Otherwise => NOTHING,
            },
            issuer: plain(&facts.issuer),
            truncated: false,
        };
        if identity.octets() + beside > ROOM {
            identity.scope = NOTHING;
            identity.truncated = true;
        }
        identity
    }

    /// The subject, percent-encoded where it is not printable; empty where there is none.
    pub fn subject(&self) -> &str {
        text(&self.subject)
    }

    /// The client, likewise.
    pub fn client_id(&self) -> &str {
        text(&self.client_id)
    }

    /// The scope; empty where there is none or it did not fit.
    pub fn scope(&self) -> &str {
        text(&self.scope)
    }

    /// When the token ends, in seconds; empty where nobody said.
    pub fn expires(&self) -> &str {
        text(&self.expires)
    }

    /// `cnf`; empty where the token is bound to no certificate.
    pub fn thumbprint(&self) -> &str {
        text(&self.thumbprint)
    }

    /// Who issued the token: where a gate takes tokens of several, a subject alone names nobody.
    pub fn issuer(&self) -> &str {
        text(&self.issuer)
    }

    /// The subject, else the client: never empty.
    pub fn user(&self) -> &str {
        if self.subject.is_empty() {
            self.client_id()
        } else {
            self.subject()
        }
    }

    /// Whether the scope was left out because it is too long.
    pub const fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// The headers, in the order of [`NAMES`].
    pub fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let [subject, client_id, scope, expires, thumbprint, issuer] = NAMES;
        let truncated = self
            .truncated
            .then(|| (TRUNCATED, HeaderValue::from_static("scope")));
        [
            (subject, &self.subject),
            (client_id, &self.client_id),
            (scope, &self.scope),
            (expires, &self.expires),
            (thumbprint, &self.thumbprint),
            (issuer, &self.issuer),
        ]
        .into_iter()
        .map(|(name, value)| (name, value.clone()))
        .chain(truncated)
    }

    /// How many octets the headers take together, names and line ends included.
    pub fn octets(&self) -> usize {
        let values = [
            &self.subject,
            &self.client_id,
            &self.scope,
            &self.expires,
            &self.thumbprint,
            &self.issuer,
        ];
        // Names, colons, blanks and line ends.
        150 + values.iter().map(|value| value.len()).sum::<usize>()
    }
}

/// Text in printable ASCII: what is not, and `%`, becomes `%XX`, and so does a blank at either end, which
/// a header would lose.
fn plain(text: &str) -> HeaderValue {
    // Printable ASCII always is one.
    let value = |text: String| HeaderValue::try_from(text).unwrap_or(NOTHING);
    // Most texts are that already.
    if text
        .bytes()
        .all(|octet| matches!(octet, b'!'..=b'~') && octet != b'%')
    {
        return value(text.to_owned());
    }
    let last = text.len().saturating_sub(1);
    let mut plain = String::with_capacity(text.len());
    for (at, byte) in text.bytes().enumerate() {
        let inside = at != 0 && at != last;
        match byte {
            b'%' => plain.push_str("%25"),
            b' ' if inside => plain.push(' '),
            0x21..=0x7e => plain.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => drop(write!(plain, "%{byte:02X}")),
        }
    }
    value(plain)
}

/// What such a value says.
fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::scope::Scope;
    use crate::oauth::time::Timestamp;

    fn facts(subject: &str, scope: &str) -> Facts {
        Facts {
            issuer: "https://as.example.com".into(),
            subject: (!subject.is_empty()).then(|| subject.to_owned()),
            client_id: Some("c".into()),
            scope: Scope::parse(scope).expect("a scope"),
            audience: Vec::new(),
            expires: Some(Timestamp::from_unix(1_600)),
            bound: Bound::ToNothing,
            acr: None,
            auth_time: None,
        }
    }

    #[test]
    fn always_all_headers() {
        let headers: Vec<_> = Identity::new(&facts("", "a b"), 0).headers().collect();
        let shown: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().expect("ASCII")))
            .collect();
        assert_eq!(
            shown,
            [
                "x-auth-subject: ",
                "x-auth-client-id: c",
                "x-auth-scope: a b",
                "x-auth-expires: 1600",
                "x-auth-thumbprint: ",
                "x-auth-issuer: https://as.example.com",
            ]
        );
    }

    #[test]
    fn nothing_breaks_a_header() {
        for (text, expected) in [
            ("a b", "a b"),
            ("100%", "100%25"),
            ("a\r\nX-Auth-Scope: all", "a%0D%0AX-Auth-Scope: all"),
            ("ä", "%C3%A4"),
            (" a ", "%20a%20"),
            (" ", "%20"),
            ("\u{7f}\0", "%7F%00"),
        ] {
            assert_eq!(Identity::new(&facts(text, ""), 0).user(), expected);
        }
        assert_eq!(Identity::new(&facts("", ""), 0).user(), "c");
    }

    #[test]
    fn a_scope_that_does_not_fit_is_left_out() {
        for (octets, beside, kept) in [(3_000, 0, true), (3_000, 1_000, false), (5_000, 0, false)] {
            let scope = format!("{} b", "a".repeat(octets));
            let identity = Identity::new(&facts("s", &scope), beside);
            let headers: Vec<_> = identity.headers().collect();
            assert_eq!(headers.len(), if kept { 6 } else { 7 }, "{octets} {beside}");
            assert_eq!(identity.scope().is_empty(), !kept);
            let total: usize = headers
                .iter()
                .map(|(name, value)| name.as_str().len() + value.len() + 4)
                .sum();
            assert!(total + beside < 4_000, "{total}");
        }
    }
}
