//! `private_key_jwt` (RFC 7523 section 3, OpenID Connect Core section 9): an assertion signed with the
//! client's key, for this issuer alone, used once.

use std::sync::Arc;

use serde::Deserialize;

use super::credentials::Proof;
use super::keys::{self, ClientKeys};
use super::metadata::Metadata;
use super::{Attempt, Authenticator, Contradiction, Method, Refused, UseOnce};
use crate::key::algorithm::VerificationAlgorithm;
use crate::key::claims::NumericDate;
use crate::key::jws::UnverifiedJws;
use crate::oauth::secret::Digest;
use crate::oauth::time::Lifetime;
use crate::record::{Key, Kind, Record};

/// How far a clock may be ahead of ours: more than the 10 s that FAPI 2.0 section 5.3.2.1 wants
/// forgiven, less than the 60 s that it wants refused.
const SKEW: Lifetime = Lifetime::from_seconds(30);

/// How far ahead `exp` may lie; the `jti` must be remembered until then.
const LONGEST: Lifetime = Lifetime::from_seconds(3_600);

/// The method.
pub(super) struct PrivateKeyJwt;

impl Method for PrivateKeyJwt {
    fn name(&self) -> &'static str {
        "private_key_jwt"
    }

    fn members(&self) -> &'static [&'static str] {
        &["token_endpoint_auth_signing_alg"]
    }

    fn enrol(&self, metadata: &Metadata) -> Result<Box<dyn Authenticator>, Contradiction> {
        let keys = keys::enrol(metadata, self.name())?;
        if let Some(keys) = &keys
            && !keys.keys().keys().iter().any(|key| key.public_key().is_some())
        {
            return Err(Contradiction::new("jwks", "it holds no key that verifies a signature"));
        }
        let algorithms = match metadata.token_endpoint_auth_signing_alg.as_deref() {
            None => VerificationAlgorithm::ALL.to_vec(),
            Some(name) => vec![name.parse().map_err(|error| {
                Contradiction::new("token_endpoint_auth_signing_alg", format!("{error}"))
            })?],
        };
        Ok(Box::new(Registered { keys, algorithms }))
    }
}

/// What one client is registered with; without `keys` they are at its `jwks_uri`.
#[derive(Debug)]
struct Registered {
    keys: Option<Arc<ClientKeys>>,
    algorithms: Vec<VerificationAlgorithm>,
}

/// The claims of RFC 7523 section 3.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    jti: String,
    exp: NumericDate,
    #[serde(default)]
    iat: Option<NumericDate>,
    #[serde(default)]
    nbf: Option<NumericDate>,
}

impl Authenticator for Registered {
    fn authenticate(&self, attempt: &Attempt<'_>) -> Result<UseOnce, Refused> {
        let assertion = match attempt.credentials.proof() {
            Proof::Assertion(assertion) => assertion,
            Proof::Nothing => return Err(Refused::NoAssertion),
            other => return Err(Refused::OtherMethod(other.method())),
        };
        let keys = self.keys.as_deref().or(attempt.remote).ok_or(Refused::KeysUnavailable)?;
        let claims = self.verified(assertion, keys)?;
        let wrong = |text: &str| Err(Refused::Assertion(text.to_owned()));
        let client_id = attempt.credentials.client_id().unwrap_or_default();
        if claims.iss != client_id || claims.sub != client_id {
            return wrong("iss and sub must both be the client_id");
        }
        if claims.aud != attempt.issuer {
            return wrong("aud must be this issuer, as one string");
        }
        let now = attempt.now;
        let expires = claims.exp.timestamp();
        if expires.after(SKEW) <= now {
            return wrong("it has expired");
        }
        if expires > now.after(LONGEST) {
            return wrong("exp lies more than an hour ahead");
        }
        let ahead = |date: Option<NumericDate>| date.is_some_and(|date| date.timestamp() > now.after(SKEW));
        if ahead(claims.iat) || ahead(claims.nbf) {
            return wrong("iat or nbf lies in the future");
        }
        if claims.jti.is_empty() || claims.jti.len() > 256 {
            return wrong("jti must have 1 to 256 characters");
        }
        attempt.step(|| "the assertion is signed by the client's key, for this issuer, and in time".into());
        let unique = Digest::of(format!("{client_id}\n{}", claims.jti).as_bytes());
        let record = Record { value: b"1".to_vec(), expires: Some(expires.after(SKEW)) };
        Ok(UseOnce::key(Key::new(Kind::Assertion, &unique), record))
    }
}

impl Registered {
    /// The claims, once one of the client's keys has verified the signature.
    fn verified(&self, assertion: &UnverifiedJws<'_>, keys: &ClientKeys) -> Result<Claims, Refused> {
        let mut failed = None;
        for key in keys.keys().candidates(assertion.kid()) {
            match assertion.verify(key, &self.algorithms) {
                Ok(verified) => {
                    return verified.claims().map_err(|error| Refused::Assertion(error.to_string()));
                }
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            // A key of that name is there, and the signature is not its: a wrong signature, unless the
            // client has since put another key under the name.
            Some(error) if assertion.kid().is_some() => Err(Refused::Assertion(error.to_string())),
            _ => Err(Refused::UnknownKey),
        }
    }
}
