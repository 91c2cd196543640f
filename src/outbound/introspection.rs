//! Asking another issuer's introspection endpoint about a token (RFC 7662 section 2.1), as a client
//! that is registered there (RFC 6749 section 2.3.1, RFC 7523 section 2.2, RFC 8705 section 2).

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use serde_json::json;
use url::form_urlencoded::{Serializer, byte_serialize};
use zeroize::Zeroizing;

use crate::key::signing::SigningKey;
use crate::oauth::ClientId;
use crate::oauth::secret::Secret;
use crate::oauth::time::{Lifetime, Timestamp};
use crate::outbound::OutboundError;
use crate::outbound::identity::Identity;
use crate::outbound::registration;

/// How long an assertion counts.
const ASSERTION: Lifetime = Lifetime::from_seconds(60);

/// As whom certbound introspects at another issuer.
pub struct IntrospectionClient {
    pub(super) client_id: ClientId,
    pub(super) method: Method,
}

/// How that client authenticates.
pub(super) enum Method {
    ClientSecretBasic(Secret),
    ClientSecretPost(Secret),
    PrivateKeyJwt { key: Arc<SigningKey>, kid: Box<str> },
    TlsClientAuth(Identity),
    SelfSignedTlsClientAuth(Identity),
}

impl IntrospectionClient {
    /// Reads a registration as RFC 7591 section 2 writes it: a JSON object with `client_id`,
    /// `token_endpoint_auth_method`, and the secret or key as
    ///
    /// - `client_secret` or `client_secret_file`, for `client_secret_basic` (the default where there
    ///   is a secret) and `client_secret_post`;
    /// - `private_key_file`, for `private_key_jwt`, perhaps with `kid` (the key's thumbprint, unless
    ///   it is given) and `token_endpoint_auth_signing_alg` (the key's, unless it is given);
    /// - `certificate_file` and `private_key_file`, for `tls_client_auth` and
    ///   `self_signed_tls_client_auth`.
    ///
    /// The other members of RFC 7591 do not matter here; a name that is none of them is an error.
    /// `read_file` is given the paths as they are written: it is to resolve those that are relative
    /// against the folder of the registration.
    ///
    /// An error says what to write instead, and holds nothing that is secret.
    pub fn read(
        text: &str,
        read_file: impl Fn(&Path) -> io::Result<Vec<u8>>,
    ) -> Result<Self, String> {
        registration::read(text, &read_file)
    }

    /// `client_id`.
    pub const fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// `token_endpoint_auth_method`.
    pub const fn method(&self) -> &'static str {
        match self.method {
            Method::ClientSecretBasic(_) => "client_secret_basic",
            Method::ClientSecretPost(_) => "client_secret_post",
            Method::PrivateKeyJwt { .. } => "private_key_jwt",
            Method::TlsClientAuth(_) => "tls_client_auth",
            Method::SelfSignedTlsClientAuth(_) => "self_signed_tls_client_auth",
        }
    }

    /// Whether it sends a secret, which whoever is asked could then use as its own.
    pub const fn sends_its_secret(&self) -> bool {
        matches!(
            self.method,
            Method::ClientSecretBasic(_) | Method::ClientSecretPost(_)
        )
    }

    /// The certificate that it shows, if it authenticates by one.
    pub const fn identity(&self) -> Option<&Identity> {
        match &self.method {
            Method::TlsClientAuth(identity) | Method::SelfSignedTlsClientAuth(identity) => {
                Some(identity)
            }
            _ => None,
        }
    }

    /// The request about that token: headers and form. `issuer` is for whom an assertion is, and
    /// `jti` its name.
    pub(super) fn request(
        &self,
        token: &str,
        issuer: &str,
        now: Timestamp,
        jti: &str,
    ) -> Result<(HeaderMap, Bytes), OutboundError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        );
        let mut form = Serializer::new(String::with_capacity(token.len() + 1024));
        form.append_pair("token", token);
        form.append_pair("token_type_hint", "access_token");
        let client_id = self.client_id.as_str();
        match &self.method {
            Method::ClientSecretBasic(secret) => {
                headers.insert(AUTHORIZATION, basic(client_id, secret)?);
            }
            Method::ClientSecretPost(secret) => {
                form.append_pair("client_id", client_id);
                form.append_pair("client_secret", secret.expose());
            }
            Method::PrivateKeyJwt { key, kid } => {
                let assertion = assertion(key, kid, client_id, issuer, now, jti)?;
                form.append_pair("client_assertion_type", ASSERTION_TYPE);
                form.append_pair("client_assertion", &assertion);
            }
            // RFC 8705 section 2: the certificate is the proof, and this says of what.
            Method::TlsClientAuth(_) | Method::SelfSignedTlsClientAuth(_) => {
                form.append_pair("client_id", client_id);
            }
        }
        Ok((headers, Bytes::from(form.finish())))
    }
}

impl fmt::Debug for IntrospectionClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectionClient")
            .field("client_id", &self.client_id)
            .field("method", &self.method())
            .finish_non_exhaustive()
    }
}

/// RFC 7523 section 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The credentials as RFC 6749 section 2.3.1 has them: each form-encoded before they are joined.
fn basic(client_id: &str, secret: &Secret) -> Result<HeaderValue, OutboundError> {
    let mut pair = Zeroizing::new(String::with_capacity(
        3 * (client_id.len() + secret.expose().len()) + 1,
    ));
    pair.extend(byte_serialize(client_id.as_bytes()));
    pair.push(':');
    pair.extend(byte_serialize(secret.expose().as_bytes()));
    let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    let mut value = HeaderValue::from_str(&text).map_err(|_| OutboundError::Interrupted)?;
    value.set_sensitive(true);
    Ok(value)
}

/// RFC 7523 section 3. The audience is the issuer and nobody else, so that no other server can use it.
fn assertion(
    key: &SigningKey,
    kid: &str,
    client_id: &str,
    issuer: &str,
    now: Timestamp,
    jti: &str,
) -> Result<String, OutboundError> {
    let header = json!({"alg": key.algorithm().name(), "kid": kid, "typ": "JWT"});
    let claims = json!({
        "iss": client_id,
        "sub": client_id,
        "aud": issuer,
        "jti": jti,
        "iat": now.unix(),
        "exp": now.after(ASSERTION).unix(),
    });
    let mut assertion = URL_SAFE_NO_PAD.encode(header.to_string());
    assertion.push('.');
    URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut assertion);
    let signature = key
        .sign(assertion.as_bytes())
        .map_err(|_| OutboundError::Interrupted)?;
    assertion.push('.');
    URL_SAFE_NO_PAD.encode_string(&signature, &mut assertion);
    Ok(assertion)
}
