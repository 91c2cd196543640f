//! What a request shows to be let through: one access token, in one place (RFC 6750 section 2).

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName};

use super::{Gate, Refused, Why, session};

/// The longest token that is looked at, in octets.
pub const LONGEST_TOKEN: usize = 16 * 1024;

/// The headers in which web servers say what was asked for. No policy comes from them; they are only
/// looked at for what must not be there.
const ORIGINAL: [HeaderName; 3] = [
    HeaderName::from_static("x-original-uri"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-forwarded-uri"),
];

/// A request that asks to be let through.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its header fields.
    pub headers: &'a HeaderMap,
    /// The query of its URI.
    pub query: Option<&'a str>,
    /// Its body, if that is a form and there.
    pub form: Option<&'a [u8]>,
}

/// What it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential<'a> {
    /// An access token, as RFC 6750 section 2.1 has it.
    Token(&'a str),
    /// The value of this gate's cookie.
    Cookie(&'a str),
}

/// Finds what the request shows.
///
/// # Errors
/// Nothing that this gate takes, or more than one thing: which of two tokens counts is a question that
/// the application behind might answer in another way.
pub fn read<'a>(gate: &Gate, asked: &Asked<'a>) -> Result<Credential<'a>, Refused> {
    let mut lines = asked.headers.get_all(AUTHORIZATION).iter();
    let line = lines.next();
    let token = line.is_some();
    let malformed = |cause: &str| Refused::new(Why::Malformed { token }, cause);
    if lines.next().is_some() {
        return Err(malformed("there are two Authorization headers"));
    }
    elsewhere(asked).map_err(malformed)?;
    let Some(line) = line else {
        return match cookie(gate, asked.headers).map_err(malformed)? {
            Some(value) => Ok(Credential::Cookie(value)),
            None => Err(Refused::new(Why::NoToken, "no access token was sent")),
        };
    };
    // RFC 9110 section 11.4: the scheme is a token, whose case does not count.
    let line = line
        .to_str()
        .map_err(|_| malformed("the Authorization header is not ASCII"))?;
    let (scheme, token) = line.split_once(' ').unwrap_or((line, ""));
    if !scheme.eq_ignore_ascii_case("Bearer") {
        // RFC 6750 section 3.1: a scheme that is not taken is like no token at all. A DPoP proof is one.
        let known = if scheme.eq_ignore_ascii_case("DPoP") {
            "the scheme is DPoP, whose proofs this gate does not take"
        } else {
            "the scheme of the Authorization header is not Bearer"
        };
        return Err(Refused::new(Why::NoToken, known));
    }
    if token.len() > LONGEST_TOKEN {
        return Err(malformed("the token is larger than 16 KiB"));
    }
    if !is_b64token(token) {
        return Err(malformed(
            "what follows Bearer is not one token (two headers joined by a comma are none)",
        ));
    }
    Ok(Credential::Token(token))
}

/// Whether that is a `b64token` (RFC 6750 section 2.1).
pub fn is_b64token(text: &str) -> bool {
    const ALLOWED: [bool; 256] = {
        let mut allowed = [false; 256];
        let mut octet = 0;
        while octet < 128_u8 {
            allowed[octet as usize] = octet.is_ascii_alphanumeric()
                || matches!(octet, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
            octet += 1;
        }
        allowed
    };
    let body = text.trim_end_matches('=');
    // Without an early end, so that many octets are looked at together: nearly every token is one.
    !body.is_empty()
        && body
            .bytes()
            .fold(true, |all, octet| all & ALLOWED[usize::from(octet)])
}

/// Refuses a token in a query or in a form (RFC 6750 sections 2 and 2.3), and two headers of which each
/// says what was asked for.
fn elsewhere(asked: &Asked<'_>) -> Result<(), &'static str> {
    if asked.query.is_some_and(has_token) {
        return Err("there is an access_token in the query");
    }
    for name in &ORIGINAL {
        let mut lines = asked.headers.get_all(name).iter();
        let query = lines
            .next()
            .and_then(|line| line.as_bytes().splitn(2, |b| *b == b'?').nth(1));
        if lines.next().is_some() {
            return Err("two headers say which URI was asked for");
        }
        if query.is_some_and(named_token) {
            return Err("there is an access_token in the query that the web server passed on");
        }
    }
    if asked.form.is_some_and(named_token) {
        return Err("there is an access_token in the body");
    }
    Ok(())
}

fn has_token(query: &str) -> bool {
    named_token(query.as_bytes())
}

fn named_token(form: &[u8]) -> bool {
    url::form_urlencoded::parse(form).any(|(name, _)| name == "access_token")
}

/// The value of this gate's cookie, if it has sessions.
fn cookie<'a>(gate: &Gate, headers: &'a HeaderMap) -> Result<Option<&'a str>, &'static str> {
    if gate.sessions().is_none() {
        return Ok(None);
    }
    let name = session::cookie_name(gate.name());
    let mut found = None;
    for line in headers.get_all(COOKIE) {
        for pair in line.as_bytes().split(|b| *b == b';') {
            let pair = pair.trim_ascii();
            let Some(value) = pair
                .strip_prefix(name.as_bytes())
                .and_then(|rest| rest.strip_prefix(b"="))
            else {
                continue;
            };
            if found.is_some() {
                return Err("there are two session cookies of this gate");
            }
            found = Some(value);
        }
    }
    match found {
        None => Ok(None),
        Some(value) if value.len() > session::LONGEST_COOKIE => {
            Err("the session cookie is larger than any that was given")
        }
        Some(value) => std::str::from_utf8(value)
            .map(Some)
            .map_err(|_| "the session cookie is not ASCII"),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::super::fixtures::rules;
    use super::super::session::Sessions;
    use super::super::{AuthMethod, Rules};
    use super::*;

    fn gate() -> Gate {
        Gate::new(Rules {
            methods: vec![AuthMethod::Bearer, AuthMethod::Session],
            sessions: Sessions::new(["0123456789abcdef0123456789abcdef"]).ok(),
            ..rules("orders")
        })
        .expect("a gate")
    }

    fn shown(
        lines: &[(&'static str, &str)],
        query: Option<&str>,
        form: Option<&[u8]>,
    ) -> Result<String, Why> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header value");
            headers.append(*name, value);
        }
        let asked = Asked {
            headers: &headers,
            query,
            form,
        };
        read(&gate(), &asked)
            .map(|credential| format!("{credential:?}"))
            .map_err(|refused| refused.why())
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "one table")]
    fn one_token_in_one_place() {
        const TOKEN: Why = Why::Malformed { token: true };
        const NONE: Why = Why::Malformed { token: false };
        let long = format!("Bearer {}", "a".repeat(LONGEST_TOKEN + 1));
        for (lines, expected) in [
            (
                &[("authorization", "Bearer a.b-_~+/==")][..],
                Ok("Token(\"a.b-_~+/==\")"),
            ),
            (&[("authorization", "bEARER a")], Ok("Token(\"a\")")),
            (&[("authorization", "Bearer")], Err(TOKEN)),
            (&[("authorization", "Bearer ")], Err(TOKEN)),
            (&[("authorization", "Bearer  a")], Err(TOKEN)),
            (&[("authorization", "Bearer a ")], Err(TOKEN)),
            (&[("authorization", "Bearer a b")], Err(TOKEN)),
            (&[("authorization", "Bearer a,b")], Err(TOKEN)),
            (&[("authorization", "Bearer a, Bearer b")], Err(TOKEN)),
            (&[("authorization", "Bearer ==")], Err(TOKEN)),
            (&[("authorization", "Bearer a=b")], Err(TOKEN)),
            (&[("authorization", "Bearer ä")], Err(TOKEN)),
            (&[("authorization", "Bearer\ta")], Err(Why::NoToken)),
            (&[("authorization", &long)], Err(TOKEN)),
            (
                &[("authorization", "Bearer a"), ("authorization", "Bearer a")],
                Err(TOKEN),
            ),
            (
                &[("authorization", "Basic a"), ("authorization", "Bearer a")],
                Err(TOKEN),
            ),
            (&[("authorization", "DPoP a")], Err(Why::NoToken)),
            (&[("authorization", "Basic YTpi")], Err(Why::NoToken)),
            (&[("authorization", "")], Err(Why::NoToken)),
            (&[], Err(Why::NoToken)),
            (
                &[
                    ("authorization", "Bearer a"),
                    ("x-original-uri", "/x?access_token=b"),
                ],
                Err(TOKEN),
            ),
            (
                &[
                    ("authorization", "Bearer a"),
                    ("x-forwarded-uri", "/x?y=1&access%5Ftoken"),
                ],
                Err(TOKEN),
            ),
            (
                &[
                    ("authorization", "Bearer a"),
                    ("x-original-url", "https://a.example/x?access_token=b"),
                ],
                Err(TOKEN),
            ),
            (
                &[
                    ("authorization", "Bearer a"),
                    ("x-original-uri", "/access_token=b?y=access_token"),
                ],
                Ok("Token(\"a\")"),
            ),
            (
                &[("x-original-uri", "/x"), ("x-original-uri", "/y")],
                Err(NONE),
            ),
            (
                &[("cookie", "a=b; __Host-certbound-orders=c; d=e")],
                Ok("Cookie(\"c\")"),
            ),
            (
                &[("cookie", "a=b"), ("cookie", "__Host-certbound-orders=c")],
                Ok("Cookie(\"c\")"),
            ),
            (
                &[(
                    "cookie",
                    "__Host-certbound-orders=c; __Host-certbound-orders=c",
                )],
                Err(NONE),
            ),
            (
                &[(
                    "cookie",
                    "__Host-certbound-orders2=c; x__Host-certbound-orders=c",
                )],
                Err(Why::NoToken),
            ),
            (
                &[
                    ("cookie", "__Host-certbound-orders=c"),
                    ("authorization", "Bearer a"),
                ],
                Ok("Token(\"a\")"),
            ),
            (
                &[
                    ("cookie", "__Host-certbound-orders=c"),
                    ("authorization", "Basic a"),
                ],
                Err(Why::NoToken),
            ),
        ] {
            let got = shown(lines, None, None);
            assert_eq!(got.as_deref(), expected.as_deref(), "{lines:.60?}");
        }
        let header = &[("authorization", "Bearer a")][..];
        for (lines, query, form, expected) in [
            (header, Some("x=1"), Some(&b"x=1"[..]), Ok("Token(\"a\")")),
            (header, Some("access_token=b"), None, Err(TOKEN)),
            (&[], Some("access_token=b"), None, Err(NONE)),
            (&[], Some("x&access_token"), None, Err(NONE)),
            (header, None, Some(&b"access_token=b"[..]), Err(TOKEN)),
            (&[], None, Some(&b"access_token=b"[..]), Err(NONE)),
        ] {
            let got = shown(lines, query, form);
            assert_eq!(got.as_deref(), expected.as_deref(), "{query:?} {form:?}");
        }
        let oversized = format!(
            "__Host-certbound-orders={}",
            "c".repeat(session::LONGEST_COOKIE + 1)
        );
        assert_eq!(shown(&[("cookie", &oversized)], None, None), Err(NONE));
    }
}
