//! What a request offers to prove its client by (RFC 6749 section 2.3.1, RFC 7521 section 4.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::key::jws::UnverifiedJws;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::form::Form;
use crate::oauth::secret::{Digest, Secret};

/// The only assertion type that authenticates (RFC 7523 section 2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Other schemes that may be named in the log.
const SCHEMES: &[&str] = &["Bearer", "DPoP", "Digest", "Negotiate", "NTLM", "GNAP"];

/// The client that a request names and what it sends as proof, besides the certificate.
#[derive(Debug)]
pub struct Credentials<'a> {
    client_id: Option<String>,
    proof: Proof<'a>,
    basic: bool,
}

/// At most one of these comes with a request.
#[derive(Debug)]
pub enum Proof<'a> {
    /// Neither secret nor assertion.
    Nothing,
    /// A secret in the `Authorization` header.
    Basic(BasicSecret),
    /// A secret in the body.
    Post(Secret),
    /// A signed assertion.
    Assertion(UnverifiedJws<'a>),
}

/// The password of an `Authorization` header. RFC 6749 section 2.3.1 has it form-encoded, many clients
/// send it as it is, and `a+b` can be read either way: whichever digest was registered is meant.
#[derive(Debug)]
pub struct BasicSecret {
    plain: Secret,
    decoded: Option<Secret>,
}

impl BasicSecret {
    /// Whether either reading has that digest.
    pub fn has_digest(&self, digest: &Digest) -> bool {
        let plain = self.plain.digest() == *digest;
        let decoded = self
            .decoded
            .as_ref()
            .is_some_and(|secret| secret.digest() == *digest);
        plain | decoded
    }
}

impl Proof<'_> {
    /// The method that such a proof belongs to.
    pub const fn method(&self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Basic(_) => "client_secret_basic",
            Self::Post(_) => "client_secret_post",
            Self::Assertion(_) => "private_key_jwt",
        }
    }
}

impl<'a> Credentials<'a> {
    /// Gathers them from a request.
    ///
    /// # Errors
    /// `invalid_request` for more than one way at once (RFC 6749 section 2.3) and for what cannot be
    /// read; `invalid_client` for an `Authorization` header that is not Basic.
    pub fn read(headers: &HeaderMap, form: &'a Form<'a>) -> Result<Self, OAuthError> {
        let basic = basic(headers)?;
        let secret = form.value("client_secret");
        let assertion = assertion(form)?;
        let ways = usize::from(basic.is_some())
            + usize::from(secret.is_some())
            + usize::from(assertion.is_some());
        if ways > 1 {
            return Err(OAuthError::new(
                ErrorCode::InvalidRequest,
                "the request authenticates the client in more than one way; send one",
            ));
        }
        let mut client_id = form.value("client_id").map(str::to_owned);
        let mut name = |named: Option<String>| match (&client_id, named) {
            (Some(known), Some(named)) if *known != named => Err(OAuthError::new(
                ErrorCode::InvalidRequest,
                "client_id differs from the client that the credentials name",
            )),
            (None, Some(named)) => {
                client_id = Some(named);
                Ok(())
            }
            _ => Ok(()),
        };
        let tried_basic = basic.is_some();
        let proof = if let Some((id, secret)) = basic {
            name(Some(id))?;
            Proof::Basic(secret)
        } else if let Some(secret) = secret {
            Proof::Post(Secret::new(secret.to_owned()))
        } else if let Some(assertion) = assertion {
            // An assertion for another client is no proof for this one (RFC 7523 section 3).
            name(assertion.unverified_claim("sub")).map_err(|error| {
                OAuthError::new(ErrorCode::InvalidClient, "client authentication failed")
                    .because(error.cause())
            })?;
            Proof::Assertion(assertion)
        } else {
            Proof::Nothing
        };
        Ok(Self {
            client_id,
            proof,
            basic: tried_basic,
        })
    }

    /// A request of that client with nothing but a certificate, as `explain` supposes it.
    pub fn certificate_only(client_id: &str) -> Self {
        Self {
            client_id: Some(client_id.to_owned()),
            proof: Proof::Nothing,
            basic: false,
        }
    }

    /// The client named.
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    /// What was sent to prove it.
    pub fn proof(&self) -> &Proof<'a> {
        &self.proof
    }

    /// Whether the `Authorization` header was used, so that a refusal owes a challenge.
    pub fn tried_basic(&self) -> bool {
        self.basic
    }
}

/// The user name and password of RFC 6749 section 2.3.1, both form-encoded before they were joined.
fn basic(headers: &HeaderMap) -> Result<Option<(String, BasicSecret)>, OAuthError> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let Some(line) = lines.next() else {
        return Ok(None);
    };
    let malformed = || {
        OAuthError::new(
            ErrorCode::InvalidRequest,
            "the Authorization header is malformed",
        )
    };
    if lines.next().is_some() {
        return Err(malformed());
    }
    let line = line.to_str().map_err(|_| malformed())?;
    let (scheme, encoded) = line.split_once(' ').unwrap_or((line, ""));
    if !scheme.eq_ignore_ascii_case("basic") {
        // Where the scheme was forgotten, what stands in its place is the secret: it is not told.
        let cause = SCHEMES
            .iter()
            .find(|known| scheme.eq_ignore_ascii_case(known))
            .map_or_else(
                || "the Authorization scheme is not Basic".to_owned(),
                |known| format!("the Authorization scheme is not Basic but {known}"),
            );
        return Err(
            OAuthError::new(ErrorCode::InvalidClient, "client authentication failed")
                .because(cause)
                .challenging_basic(true),
        );
    }
    let joined = STANDARD.decode(encoded.trim()).map_err(|_| malformed())?;
    let joined = String::from_utf8(joined)
        .map(Secret::new)
        .map_err(|_| malformed())?;
    let (id, secret) = joined.expose().split_once(':').ok_or_else(malformed)?;
    let id = form_decoded(id).unwrap_or_else(|| id.to_owned());
    let decoded = form_decoded(secret).map(Secret::new);
    Ok(Some((
        id,
        BasicSecret {
            plain: Secret::new(secret.to_owned()),
            decoded,
        },
    )))
}

/// One form-encoded value, decoded by the same strict rules as a body; none where it is no such thing.
fn form_decoded(text: &str) -> Option<String> {
    if text.contains(['&', '=']) {
        return None;
    }
    let pair = Secret::new(format!("v={text}"));
    let form = Form::parse(pair.expose().as_bytes()).ok()?;
    form.value("v").map(str::to_owned)
}

fn assertion<'a>(form: &'a Form<'a>) -> Result<Option<UnverifiedJws<'a>>, OAuthError> {
    let kind = form.value("client_assertion_type");
    let Some(assertion) = form.value("client_assertion") else {
        return match kind {
            None => Ok(None),
            Some(_) => Err(OAuthError::new(
                ErrorCode::InvalidRequest,
                "client_assertion_type came without client_assertion",
            )),
        };
    };
    if kind != Some(JWT_BEARER) {
        return Err(OAuthError::new(
            ErrorCode::InvalidRequest,
            format!("client_assertion_type must be {JWT_BEARER}"),
        ));
    }
    UnverifiedJws::parse(assertion).map(Some).map_err(|error| {
        OAuthError::new(ErrorCode::InvalidClient, "client authentication failed")
            .because(format!("the client assertion cannot be read: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn read(
        authorization: &[&str],
        body: &str,
    ) -> Result<(Option<String>, &'static str), ErrorCode> {
        let mut headers = HeaderMap::new();
        for line in authorization {
            headers.append(AUTHORIZATION, line.parse().expect("a header value"));
        }
        let form = Form::parse(body.as_bytes()).expect("a form of this table");
        Credentials::read(&headers, &form)
            .map(|read| (read.client_id().map(str::to_owned), read.proof().method()))
            .map_err(|error| error.code())
    }

    fn basic_header(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn one_way_to_authenticate_and_one_client() {
        let good = basic_header("a:s");
        let lower = good.replacen("Basic", "bAsIc", 1);
        let jwt = "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        // {"alg":"ES256"} . {"sub":"a"} . 64 octets
        let assertion = format!(
            "{jwt}&client_assertion=eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.{}",
            "A".repeat(86)
        );
        let some = |id: &str, method| Ok((Some(id.to_owned()), method));
        for (lines, body, expected) in [
            (vec![], "", Ok((None, "none"))),
            (vec![], "client_id=a", some("a", "none")),
            (
                vec![],
                "client_id=a&client_secret=s",
                some("a", "client_secret_post"),
            ),
            (vec![], "client_secret=s", Ok((None, "client_secret_post"))),
            (vec![good.as_str()], "", some("a", "client_secret_basic")),
            (
                vec![lower.as_str()],
                "client_id=a",
                some("a", "client_secret_basic"),
            ),
            (
                vec![good.as_str()],
                "client_id=b",
                Err(ErrorCode::InvalidRequest),
            ),
            (
                vec![good.as_str()],
                "client_secret=s",
                Err(ErrorCode::InvalidRequest),
            ),
            (
                vec![good.as_str(), good.as_str()],
                "",
                Err(ErrorCode::InvalidRequest),
            ),
            (vec!["Basic"], "", Err(ErrorCode::InvalidRequest)),
            (vec!["Basic ???"], "", Err(ErrorCode::InvalidRequest)),
            (vec!["Basic YQ=="], "", Err(ErrorCode::InvalidRequest)),
            (
                vec!["Bearer x"],
                "client_id=a",
                Err(ErrorCode::InvalidClient),
            ),
            (vec![], assertion.as_str(), some("a", "private_key_jwt")),
            (
                vec![good.as_str()],
                assertion.as_str(),
                Err(ErrorCode::InvalidRequest),
            ),
            (vec![], jwt, Err(ErrorCode::InvalidRequest)),
            (
                vec![],
                "client_assertion=a.b.c",
                Err(ErrorCode::InvalidRequest),
            ),
            (
                vec![],
                &format!("{jwt}&client_assertion=a.b.c"),
                Err(ErrorCode::InvalidClient),
            ),
            (
                vec![],
                &format!("{assertion}&client_id=b"),
                Err(ErrorCode::InvalidClient),
            ),
        ] {
            assert_eq!(read(&lines, body), expected, "{lines:?} {body}");
        }
    }

    #[test]
    fn a_basic_secret_is_read_plain_or_form_encoded() {
        for (sent, registered, expected) in [
            ("a:s", "s", true),
            ("a:a+b", "a+b", true),
            ("a:a+b", "a b", true),
            ("a:a%2Bb", "a+b", true),
            ("a:50%", "50%", true),
            ("a:x=y&z", "x=y&z", true),
            ("a:s:t", "s:t", true),
            ("a:s", "t", false),
            ("a:", "s", false),
        ] {
            let mut headers = HeaderMap::new();
            let line = basic_header(sent).parse().expect("a header value");
            headers.insert(AUTHORIZATION, line);
            let form = Form::parse(b"").expect("a form");
            let read = Credentials::read(&headers, &form).expect("credentials");
            let Proof::Basic(secret) = read.proof() else {
                panic!("{sent}: {read:?}");
            };
            let digest = Digest::of(registered.as_bytes());
            assert_eq!(secret.has_digest(&digest), expected, "{sent}");
            assert!(read.tried_basic());
        }
    }

    #[test]
    fn a_client_id_may_be_form_encoded() {
        let header = basic_header("https%3A%2F%2Fclient.example:s");
        let read = read(&[&header], "").expect("credentials");
        assert_eq!(read.0.as_deref(), Some("https://client.example"));
    }

    #[test]
    fn a_forgotten_scheme_puts_no_secret_into_the_log() {
        let form = Form::parse(b"client_id=a").expect("a form");
        for (value, told) in [
            ("c2VjOmh1bnRlcjI=", "the Authorization scheme is not Basic"),
            ("hunter2 x", "the Authorization scheme is not Basic"),
            (
                "bearer hunter2",
                "the Authorization scheme is not Basic but Bearer",
            ),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
            let error = Credentials::read(&headers, &form).expect_err("not Basic");
            assert_eq!(error.cause(), told, "{value}");
        }
    }
}
