//! `client_secret_basic` and `client_secret_post` (RFC 6749 section 2.3.1). Only a digest of the secret
//! is kept.

use super::credentials::Proof;
use super::metadata::Metadata;
use super::{Attempt, Authenticator, Contradiction, Method, Refused, UseOnce};
use crate::oauth::secret::Digest;
use crate::oauth::time::Timestamp;

/// The secret in the `Authorization` header.
pub(super) struct ClientSecretBasic;

/// The secret in the body.
pub(super) struct ClientSecretPost;

const MEMBERS: &[&str] = &["client_secret", "client_secret_sha256"];

impl Method for ClientSecretBasic {
    fn name(&self) -> &'static str {
        "client_secret_basic"
    }

    fn members(&self) -> &'static [&'static str] {
        MEMBERS
    }

    fn enrol(&self, metadata: &Metadata) -> Result<Box<dyn Authenticator>, Contradiction> {
        Registered::enrol(metadata, true)
    }
}

impl Method for ClientSecretPost {
    fn name(&self) -> &'static str {
        "client_secret_post"
    }

    fn members(&self) -> &'static [&'static str] {
        MEMBERS
    }

    fn enrol(&self, metadata: &Metadata) -> Result<Box<dyn Authenticator>, Contradiction> {
        Registered::enrol(metadata, false)
    }
}

#[derive(Debug)]
struct Registered {
    digest: Digest,
    expires: Option<Timestamp>,
    basic: bool,
}

impl Registered {
    fn enrol(metadata: &Metadata, basic: bool) -> Result<Box<dyn Authenticator>, Contradiction> {
        let digest = match (&metadata.client_secret, &metadata.client_secret_sha256) {
            (Some(_), Some(_)) => {
                return Err(Contradiction::new(
                    "client_secret",
                    "client_secret_sha256 is there as well; keep that one alone",
                ));
            }
            (Some(secret), None) if secret.is_empty() => {
                return Err(Contradiction::new(
                    "client_secret",
                    "it is empty; write a long random one",
                ));
            }
            (Some(secret), None) => Digest::of(secret.as_bytes()),
            (None, Some(hex)) => {
                let digest = Digest::from_hex(hex).ok_or_else(|| {
                    Contradiction::new(
                        "client_secret_sha256",
                        "it is not 64 hexadecimal digits: write what printf %s SECRET | sha256sum prints",
                    )
                })?;
                // What that prints where the variable with the secret was empty.
                if digest == Digest::of(b"") {
                    return Err(Contradiction::new(
                        "client_secret_sha256",
                        "it is the digest of nothing, so that no secret at all would do; write that of a long random one",
                    ));
                }
                digest
            }
            (None, None) => {
                return Err(Contradiction::new(
                    "client_secret_sha256",
                    "a client that authenticates by a secret needs one: write client_secret_sha256 (or choose another token_endpoint_auth_method)",
                ));
            }
        };
        let expires = metadata
            .client_secret_expires_at
            .filter(|at| *at != 0)
            .map(Timestamp::from_unix);
        Ok(Box::new(Self {
            digest,
            expires,
            basic,
        }))
    }
}

impl Authenticator for Registered {
    fn authenticate(&self, attempt: &Attempt<'_>) -> Result<UseOnce, Refused> {
        let right = match attempt.credentials.proof() {
            Proof::Basic(secret) if self.basic => secret.has_digest(&self.digest),
            Proof::Post(secret) if !self.basic => secret.digest() == self.digest,
            Proof::Nothing => return Err(Refused::NoSecret),
            other => return Err(Refused::OtherMethod(other.method())),
        };
        if !right {
            return Err(Refused::WrongSecret);
        }
        if self.expires.is_some_and(|expires| expires <= attempt.now) {
            return Err(Refused::SecretExpired);
        }
        attempt.step(|| "the secret is the registered one".into());
        Ok(UseOnce::nothing())
    }
}
