//! What endpoints are asked and what they answer, without the HTTP around it.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};

use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::form::Form;
use crate::proxy::presented::Presented;

/// A request, as far as an endpoint needs it.
#[derive(Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The query of its URI, empty where there is none.
    pub query: Box<str>,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body, within its limit.
    pub body: Bytes,
    /// What the web server forwarded about the client.
    pub presented: Presented,
    /// The name of the request in the log.
    pub id: Arc<str>,
}

impl Request {
    /// The body, if it says that it is a form (RFC 6749 appendix B).
    pub(super) fn form(&self) -> Result<Form<'_>, OAuthError> {
        let mut kinds = self.headers.get_all(http::header::CONTENT_TYPE).iter();
        let kind = kinds
            .next()
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
            || kinds.next().is_some()
        {
            return Err(OAuthError::new(
                ErrorCode::InvalidRequest,
                "send the parameters as application/x-www-form-urlencoded",
            ));
        }
        Ok(Form::parse(&self.body)?)
    }

    /// Whether the `Accept` header names that media type.
    pub(super) fn accepts(&self, media_type: &str) -> bool {
        self.headers
            .get_all(http::header::ACCEPT)
            .iter()
            .any(|line| {
                line.to_str().is_ok_and(|line| {
                    line.split(',').any(|item| {
                        let mut parts = item.split(';').map(str::trim);
                        let named = parts
                            .next()
                            .is_some_and(|name| name.eq_ignore_ascii_case(media_type));
                        named && !parts.any(weighs_nothing)
                    })
                })
            })
    }
}

/// Whether a parameter of `Accept` says «not this» (RFC 9110 section 12.4.2: `q=0`).
fn weighs_nothing(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, weight)| {
        name.trim().eq_ignore_ascii_case("q") && matches!(weight.trim().parse(), Ok(0.0_f32))
    })
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The header fields besides those that every answer has.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Cow<'static, str>,
}

impl Reply {
    /// A body of that type that nobody may keep.
    pub fn new(
        status: StatusCode,
        content_type: &'static str,
        body: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            headers: vec![
                (
                    http::header::CONTENT_TYPE,
                    HeaderValue::from_static(content_type),
                ),
                (CACHE_CONTROL, HeaderValue::from_static("no-store")),
                (http::header::PRAGMA, HeaderValue::from_static("no-cache")),
            ],
            body: body.into(),
        }
    }

    /// A JSON body that nobody may keep (RFC 6749 section 5.1).
    pub fn json(body: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::OK, "application/json", body)
    }

    /// A JSON body that anybody may keep for five minutes.
    pub fn public_json(body: String) -> Self {
        Self {
            status: StatusCode::OK,
            headers: vec![
                (
                    http::header::CONTENT_TYPE,
                    HeaderValue::from_static("application/json"),
                ),
                (
                    CACHE_CONTROL,
                    HeaderValue::from_static("public, max-age=300"),
                ),
            ],
            body: body.into(),
        }
    }

    /// No body at all, said so that a web server keeps the connection, and nothing that anybody may keep.
    pub fn empty(status: StatusCode) -> Self {
        // A gate that lets through says six things more.
        let mut headers = Vec::with_capacity(8);
        headers.push((http::header::CONTENT_LENGTH, HeaderValue::from_static("0")));
        headers.push((CACHE_CONTROL, HeaderValue::from_static("no-store")));
        Self {
            status,
            headers,
            body: Cow::Borrowed(""),
        }
    }

    /// The answer with one more header field.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl From<&OAuthError> for Reply {
    fn from(error: &OAuthError) -> Self {
        let mut reply = Self::new(error.code().status(), "application/json", error.body());
        if error.owes_basic_challenge() {
            let challenge =
                HeaderValue::from_static("Basic realm=\"certbound\", charset=\"UTF-8\"");
            reply = reply.with(http::header::WWW_AUTHENTICATE, challenge);
        }
        if error.code() == ErrorCode::TemporarilyUnavailable {
            reply = reply.with(http::header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        reply
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::presented::Window;
    use crate::proxy::{Encoding, Front, Headers, Peer, TrustedPeers, VerifyHeader};
    use crate::store::StoreError;

    fn request(headers: &[(&'static str, &'static str)], body: &'static str) -> Request {
        let names = Headers {
            certificate: HeaderName::from_static("x-clientcert"),
            chain: None,
            verify: VerifyHeader {
                name: None,
                required: false,
            },
            user: None,
            address: None,
            request_id: None,
        };
        let front = Front::new(TrustedPeers::default(), None, names, Encoding::AUTO);
        let window = Window::new(front.expect("one header"));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        Request {
            method: Method::POST,
            query: "".into(),
            presented: window.read(Peer::Unix, &map).expect("nothing forged"),
            headers: map,
            body: Bytes::from_static(body.as_bytes()),
            id: "1".into(),
        }
    }

    #[test]
    fn media_types_that_are_accepted() {
        let jwt = "application/token-introspection+jwt";
        for (lines, expected) in [
            (&[][..], false),
            (&["application/token-introspection+jwt"][..], true),
            (&["Application/Token-Introspection+JWT; q=0.5"], true),
            (
                &["application/json, application/token-introspection+jwt"],
                true,
            ),
            (
                &["application/json", "application/token-introspection+jwt"],
                true,
            ),
            (&["application/token-introspection+jwt;q=0"], false),
            (&["application/token-introspection+jwt; Q=0.000"], false),
            (&["application/token-introspection+jwt ; q = 0"], false),
            (&["application/jwt", "application/*", "*/*"], false),
            (&["application/token-introspection+jwtx"], false),
        ] {
            let headers: Vec<_> = lines.iter().map(|line| ("accept", *line)).collect();
            assert_eq!(request(&headers, "").accepts(jwt), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_body_is_a_form_if_it_says_so() {
        let form = "application/x-www-form-urlencoded";
        for (lines, body, good) in [
            (&[form][..], "a=1", true),
            (
                &["Application/X-WWW-Form-Urlencoded; charset=UTF-8"][..],
                "a=1",
                true,
            ),
            (&[form], "a=1&a=2", false),
            (&[form], "a=%zz", false),
            (&[], "a=1", false),
            (&["application/json"], "{}", false),
            (&["application/x-www-form-urlencodedx"], "a=1", false),
            (&["multipart/form-data"], "a=1", false),
            (&[form, form], "a=1", false),
        ] {
            let headers: Vec<_> = lines.iter().map(|line| ("content-type", *line)).collect();
            let request = request(&headers, body);
            match request.form() {
                Ok(form) => assert!(good && form.value("a") == Some("1"), "{lines:?} {body}"),
                Err(error) => {
                    assert!(!good, "{lines:?} {body}");
                    assert_eq!(error.code(), ErrorCode::InvalidRequest);
                }
            }
        }
    }

    #[test]
    fn errors_as_answers() {
        for (code, challenging, status, header) in [
            (ErrorCode::InvalidRequest, false, 400, None),
            (ErrorCode::InvalidClient, false, 401, None),
            (
                ErrorCode::InvalidClient,
                true,
                401,
                Some(http::header::WWW_AUTHENTICATE),
            ),
            (
                ErrorCode::TemporarilyUnavailable,
                false,
                503,
                Some(http::header::RETRY_AFTER),
            ),
        ] {
            let error = OAuthError::new(code, "what is wrong").challenging_basic(challenging);
            let reply = Reply::from(&error);
            assert_eq!(reply.status.as_u16(), status);
            let has = |wanted: &HeaderName| reply.headers.iter().any(|(name, _)| name == wanted);
            assert!(
                has(&CACHE_CONTROL) && header.as_ref().is_none_or(has),
                "{code:?}"
            );
            assert_eq!(
                has(&http::header::WWW_AUTHENTICATE),
                challenging,
                "{code:?}"
            );
        }
        let unavailable = OAuthError::from(StoreError::Unavailable("password: x".into()));
        assert_eq!(unavailable.code(), ErrorCode::TemporarilyUnavailable);
        assert!(!unavailable.body().contains("password"));
    }
}
