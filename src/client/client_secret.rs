//! `client_secret_basic` and `client_secret_post` (RFC 6749 section 2.3.1). Only a digest of the secret
//! is kept.

use super::credentials::Proof;
use super::metadata::Metadata;
use super::{Attempt, Authenticator, Contradiction, Method, Refused, UseOnce};
use crate::oauth::profile::Profile;
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

    fn enrol(
        &self,
        metadata: &Metadata,
        _profile: Profile,
    ) -> Result<Box<dyn Authenticator>, Contradiction> {
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

    fn enrol(
        &self,
        metadata: &Metadata,
        _profile: Profile,
    ) -> Result<Box<dyn Authenticator>, Contradiction> {
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

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::AUTHORIZATION;

    use super::super::credentials::Credentials;
    use super::super::fixtures::{NOW, attempt, nothing, registry};
    use super::super::{Refused, Registry};
    use crate::oauth::form::Form;

    const CLIENTS: &str = r#"[
        {"client_id":"basic","client_secret":"s"},
        {"client_id":"digest","token_endpoint_auth_method":"client_secret_post",
         "client_secret_sha256":"043A718774C572BD8A25ADBEB1BFCD5C0256AE11CECF9F9C3F925D0E52BEAF89"},
        {"client_id":"over","token_endpoint_auth_method":"client_secret_post","client_secret":"s",
         "client_secret_expires_at":1795311512},
        {"client_id":"later","token_endpoint_auth_method":"client_secret_post","client_secret":"s",
         "client_secret_expires_at":1795311513},
        {"client_id":"never","token_endpoint_auth_method":"client_secret_post","client_secret":"s",
         "client_secret_expires_at":0}
    ]"#;

    #[test]
    fn the_secret_in_the_registered_place() {
        for (header, body, refused) in [
            (Some("Basic YmFzaWM6cw=="), "", None),
            (Some("Basic YmFzaWM6dA=="), "", Some("wrong_secret")),
            (
                None,
                "client_id=basic&client_secret=s",
                Some("other_method"),
            ),
            (None, "client_id=basic", Some("no_secret")),
            (None, "client_id=digest&client_secret=s", None),
            (
                None,
                "client_id=digest&client_secret=S",
                Some("wrong_secret"),
            ),
            (Some("Basic ZGlnZXN0OnM="), "", Some("other_method")),
            (
                None,
                "client_id=over&client_secret=s",
                Some("secret_expired"),
            ),
            (None, "client_id=over&client_secret=t", Some("wrong_secret")),
            (None, "client_id=later&client_secret=s", None),
            (None, "client_id=never&client_secret=s", None),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert(AUTHORIZATION, header.parse().expect("a header value"));
            }
            let form = Form::parse(body.as_bytes()).expect("a form of this table");
            let credentials = Credentials::read(&headers, &form).expect("credentials");
            let found = attempt(&registry(CLIENTS), &credentials, &nothing(), NOW);
            assert_eq!(
                found.err().as_ref().map(Refused::label),
                refused,
                "{header:?} {body}"
            );
        }
    }

    #[test]
    fn secrets_that_cannot_be_registered() {
        for (members, member) in [
            (r#""client_secret":"""#, "client_secret"),
            (
                r#""client_secret":"a","client_secret_sha256":"b""#,
                "client_secret",
            ),
            (r#""client_secret_sha256":"xyz""#, "client_secret_sha256"),
            (r#""client_name":"none""#, "client_secret_sha256"),
        ] {
            let text = format!(r#"[{{"client_id":"a",{members}}}]"#);
            let problems = Registry::read(&text).expect_err("no secret");
            assert_eq!(problems[0].member.as_deref(), Some(member), "{members}");
        }
    }
}
