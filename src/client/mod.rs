//! Who is calling: client authentication (RFC 6749 section 2.3, RFC 8705 section 2, RFC 7523).
//!
//! There is one way in, [`Registry::authenticate`], and one thing that comes out of it: a [`Proven`]
//! client. What the client is registered for decides which method is tried; what the request happens
//! to bear never does.

pub mod belief;
mod client_secret;
pub mod credentials;
mod fapi2;
#[cfg(test)]
mod fixtures;
mod keys;
mod members;
pub mod metadata;
mod none;
pub mod people;
mod private_key_jwt;
mod refused;
pub mod registration;
mod self_signed_tls_client_auth;
pub mod steps;
mod tls_client_auth;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::cert::{ClientCertificate, Thumbprint};
use crate::oauth::ClientId;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::profile::Profile;
use crate::oauth::time::Timestamp;
use crate::proxy::presented::Presented;
use crate::record::{Changes, Condition, Key, Record};

use belief::Belief;
use credentials::Credentials;
pub use keys::ClientKeys;
use metadata::{Metadata, Problem};
pub use refused::Refused;
use registration::ClientRegistration;
use steps::Steps;

/// Every method by which a client can be registered to authenticate, in the order of the metadata.
pub const METHODS: &[&dyn Method] = &[
    &tls_client_auth::TlsClientAuth,
    &self_signed_tls_client_auth::SelfSignedTlsClientAuth,
    &private_key_jwt::PrivateKeyJwt,
    &client_secret::ClientSecretBasic,
    &client_secret::ClientSecretPost,
    &none::None,
];

/// A `token_endpoint_auth_method`.
pub trait Method: Sync {
    /// Its registered name.
    fn name(&self) -> &'static str;

    /// The members of a registration that only some methods read, of those this one does.
    fn members(&self) -> &'static [&'static str];

    /// Whether the method rests on a client certificate.
    fn is_mutual_tls(&self) -> bool {
        false
    }

    /// Makes what authenticates this one client, from its metadata, as that profile has it.
    fn enrol(
        &self,
        metadata: &Metadata,
        profile: Profile,
    ) -> Result<Box<dyn Authenticator>, Contradiction>;
}

/// Authenticates one client.
pub trait Authenticator: Send + Sync + fmt::Debug {
    /// Whether this attempt is that client's, by its registered method.
    fn authenticate(&self, attempt: &Attempt<'_>) -> Result<UseOnce, Refused>;

    /// Things about the registration that an operator should know, each with what to do.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether it decides by the keys at the client's `jwks_uri`, so that they must be had first.
    fn reads_remote_keys(&self) -> bool {
        false
    }
}

/// Something that may be used a single time, such as the `jti` of an assertion; nothing for most
/// methods.
#[derive(Debug, Default)]
pub struct UseOnce(Option<(Key, Record)>);

impl UseOnce {
    /// Nothing is used up.
    pub fn nothing() -> Self {
        Self(None)
    }

    /// This key must be new.
    pub fn key(key: Key, record: Record) -> Self {
        Self(Some((key, record)))
    }
}

/// A member of a registration that does not go with the others, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The member.
    pub member: &'static str,
    /// What is wrong and what to write instead.
    pub text: String,
}

impl Contradiction {
    /// That member is wrong in this way.
    pub fn new(member: &'static str, text: impl Into<String>) -> Self {
        Self {
            member,
            text: text.into(),
        }
    }
}

/// All that a request offers for its client to be known by.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// The client named, with what was sent to prove it.
    pub credentials: &'a Credentials<'a>,
    /// What the web server forwarded.
    pub presented: &'a Presented,
    /// What makes a certificate a verified one.
    pub belief: &'a Belief,
    /// The client's keys from its `jwks_uri`, where it has one and they could be had.
    pub remote: Option<&'a ClientKeys>,
    /// This server's issuer identifier, the only audience of a client assertion.
    pub issuer: &'a str,
    /// Now.
    pub now: Timestamp,
    /// Where to tell the steps, for `explain`.
    pub steps: Option<&'a Steps>,
}

impl<'a> Attempt<'a> {
    /// Tells a step to whoever asked for an explanation.
    fn step(&self, line: impl FnOnce() -> String) {
        if let Some(steps) = self.steps {
            steps.add(line());
        }
    }

    /// The certificate, if there is one and it is within its validity.
    fn certificate(&self) -> Result<&'a Arc<ClientCertificate>, Refused> {
        let certificate = self.presented.certificate().ok_or(Refused::NoCertificate)?;
        self.step(|| {
            format!(
                "a certificate was forwarded, x5t#S256 {}",
                certificate.thumbprint()
            )
        });
        certificate
            .validity()
            .at(self.now)
            .map_err(Refused::OutsideValidity)?;
        self.step(|| {
            let validity = certificate.validity();
            format!(
                "it is within its validity, {} to {}",
                validity.not_before(),
                validity.not_after()
            )
        });
        Ok(certificate)
    }

    /// Refuses an attempt that bears a secret or an assertion which this client's method does not use.
    fn nothing_but_the_certificate(&self) -> Result<(), Refused> {
        match self.credentials.proof() {
            credentials::Proof::Nothing => Ok(()),
            other => Err(Refused::OtherMethod(other.method())),
        }
    }
}

/// Every registered client.
#[derive(Debug, Default)]
pub struct Registry {
    clients: HashMap<ClientId, Arc<ClientRegistration>>,
}

impl Registry {
    /// Reads a `clients.json`, or says everything that is wrong with it.
    pub fn read(text: &str) -> Result<Self, Vec<Problem>> {
        Self::read_under(text, Profile::OAuth2)
    }

    /// The same where a profile is in force: what it forbids is wrong as well.
    pub fn read_under(text: &str, profile: Profile) -> Result<Self, Vec<Problem>> {
        let mut clients: HashMap<ClientId, Arc<ClientRegistration>> = HashMap::new();
        let mut meant = Vec::new();
        let mut problems = metadata::read(text, |line, metadata| {
            // Kept only for what may be wrong.
            let named = metadata.client_id.clone();
            let problem = |member: &str, text: String| Problem {
                line,
                client: named.clone(),
                member: Some(member.into()),
                text,
            };
            match ClientRegistration::from_metadata(metadata, profile) {
                Ok(registration) => {
                    let id = registration.client_id().clone();
                    if clients.insert(id, Arc::new(registration)).is_some() {
                        let twice =
                            "another registration has the same client_id; give each its own";
                        meant.push(problem("client_id", twice.into()));
                    }
                }
                Err(contradictions) => {
                    let contradictions = contradictions.into_iter();
                    meant.extend(contradictions.map(|wrong| problem(wrong.member, wrong.text)));
                }
            }
        });
        problems.append(&mut meant);
        if problems.is_empty() {
            Ok(Self { clients })
        } else {
            Err(problems)
        }
    }

    /// The registration of that client.
    pub fn find(&self, client_id: &str) -> Option<&Arc<ClientRegistration>> {
        self.clients.get(client_id)
    }

    /// Every registration, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<ClientRegistration>> {
        self.clients.values()
    }

    /// How many clients there are.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// Decides whether the attempt is the client it names.
    pub fn authenticate(&self, attempt: &Attempt<'_>) -> Result<Proven, Refused> {
        let named = attempt.credentials.client_id().ok_or(Refused::NoClientId)?;
        let registration = self.find(named).ok_or(Refused::UnknownClient)?;
        attempt.step(|| {
            format!(
                "client {} is registered for {}",
                registration.client_id(),
                registration.method().name()
            )
        });
        let once = registration.authenticator().authenticate(attempt)?;
        let certificate = attempt
            .presented
            .certificate()
            .filter(|certificate| certificate.validity().at(attempt.now).is_ok())
            .cloned();
        Ok(Proven {
            client: AuthenticatedClient {
                registration: Arc::clone(registration),
                certificate,
            },
            once,
        })
    }
}

/// A client that proved who it is, with what must still be used up for the proof to count.
#[derive(Debug)]
#[must_use = "the client is not authenticated until what may be used once has been used"]
pub struct Proven {
    client: AuthenticatedClient,
    once: UseOnce,
}

impl Proven {
    /// The change that must be committed first, if any. A conflict means that it was used before.
    pub fn first(&self) -> Option<Changes> {
        let (key, record) = self.once.0.as_ref()?;
        Some(
            Changes::none()
                .expect(key.clone(), Condition::Absent)
                .put(key.clone(), record.clone()),
        )
    }

    /// The client; only for whoever has committed [`first`](Self::first).
    pub fn into_client(self) -> AuthenticatedClient {
        self.client
    }
}

/// A client whose authentication succeeded.
#[derive(Clone, Debug)]
pub struct AuthenticatedClient {
    registration: Arc<ClientRegistration>,
    certificate: Option<Arc<ClientCertificate>>,
}

impl AuthenticatedClient {
    /// What it is registered as.
    pub fn registration(&self) -> &ClientRegistration {
        &self.registration
    }

    /// The certificate that was presented, if it is within its validity, whether or not it authenticated
    /// the client.
    pub fn certificate(&self) -> Option<&ClientCertificate> {
        self.certificate.as_deref()
    }

    /// What its tokens are to be bound to: by what the client is registered for, never by what the
    /// request happens to bear (RFC 8705 section 3).
    ///
    /// # Errors
    /// A client registered for bound tokens came without a certificate within its validity: it gets
    /// `invalid_request`, never a bearer token.
    pub fn binding(&self) -> Result<Option<Thumbprint>, OAuthError> {
        if !self.registration.is_bound() {
            return Ok(None);
        }
        match &self.certificate {
            Some(certificate) => Ok(Some(*certificate.thumbprint())),
            None => Err(OAuthError::new(
                ErrorCode::InvalidRequest,
                "this client's tokens are bound to its certificate, and none that is valid was presented",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fixtures::{NOW, attempt, bound_to, nothing, registry, thumbprint, verified};
    use super::*;
    use crate::oauth::form::Form;
    use http::HeaderMap;

    const CLIENTS: &str = r#"[
        {"client_id":"mtls","token_endpoint_auth_method":"tls_client_auth",
         "tls_client_auth_subject_dn":"CN=client-p256,O=Example Bank,C=NO"},
        {"client_id":"unbound","token_endpoint_auth_method":"tls_client_auth",
         "tls_client_auth_subject_dn":"CN=client-p256,O=Example Bank,C=NO",
         "tls_client_certificate_bound_access_tokens":false},
        {"client_id":"other","token_endpoint_auth_method":"tls_client_auth",
         "tls_client_auth_subject_dn":"CN=somebody-else"},
        {"client_id":"expired","token_endpoint_auth_method":"tls_client_auth",
         "tls_client_auth_subject_dn":"CN=client-expired"},
        {"client_id":"secret","token_endpoint_auth_method":"client_secret_post","client_secret":"s"},
        {"client_id":"bound","token_endpoint_auth_method":"client_secret_post","client_secret":"s",
         "tls_client_certificate_bound_access_tokens":true},
        {"client_id":"public","token_endpoint_auth_method":"none"}
    ]"#;

    fn tried(body: &str, presented: &Presented) -> Result<Proven, Refused> {
        let form = Form::parse(body.as_bytes()).expect("a form of this table");
        let credentials = Credentials::read(&HeaderMap::new(), &form).expect("credentials");
        attempt(&registry(CLIENTS), &credentials, presented, NOW)
    }

    #[test]
    fn the_registration_decides_and_never_what_the_request_bears() {
        for (body, certificate, refused) in [
            ("", Some("p256"), Some("no_client_id")),
            ("client_id=nobody", Some("p256"), Some("unknown_client")),
            ("client_id=mtls", Some("p256"), None),
            ("client_id=mtls", None, Some("no_certificate")),
            ("client_id=mtls", Some("rsa"), Some("no_selector_matches")),
            ("client_id=mtls", Some("impostor"), Some("unverified")),
            ("client_id=mtls", Some("self-p256"), Some("unverified")),
            (
                "client_id=mtls&client_secret=s",
                Some("p256"),
                Some("other_method"),
            ),
            ("client_id=other", Some("p256"), Some("no_selector_matches")),
            (
                "client_id=expired",
                Some("expired"),
                Some("outside_validity"),
            ),
            ("client_id=secret", Some("p256"), Some("no_secret")),
            (
                "client_id=secret&client_secret=t",
                None,
                Some("wrong_secret"),
            ),
            ("client_id=secret&client_secret=s", None, None),
            ("client_id=public", None, None),
            (
                "client_id=public&client_secret=s",
                None,
                Some("other_method"),
            ),
        ] {
            let presented = certificate.map_or_else(nothing, verified);
            let found = tried(body, &presented).err();
            assert_eq!(
                found.as_ref().map(Refused::label),
                refused,
                "{body} {certificate:?}"
            );
        }
    }

    #[test]
    fn tokens_are_bound_as_registered() {
        for (body, certificate, bound) in [
            ("client_id=mtls", "p256", Some("p256")),
            ("client_id=unbound", "p256", None),
            ("client_id=secret&client_secret=s", "p256", None),
            (
                "client_id=bound&client_secret=s",
                "self-p256",
                Some("self-p256"),
            ),
        ] {
            let proven = tried(body, &verified(certificate)).expect("authenticated");
            assert!(proven.first().is_none(), "{body}");
            assert_eq!(bound_to(proven), bound.map(thumbprint), "{body}");
        }
        for presented in [nothing(), verified("expired")] {
            let proven = tried("client_id=bound&client_secret=s", &presented);
            let client = proven.expect("authenticated").into_client();
            let error = client.binding().expect_err("nothing to bind to");
            assert_eq!(error.code(), ErrorCode::InvalidRequest);
        }
    }

    #[test]
    fn refusals_look_alike_outside() {
        let outside = |body: &str, presented: &Presented| {
            let refused = tried(body, presented).expect_err("refused");
            OAuthError::from(refused).body()
        };
        let unknown = outside("client_id=nobody", &nothing());
        for (body, presented) in [
            ("client_id=mtls", nothing()),
            ("client_id=mtls", verified("rsa")),
            ("client_id=secret&client_secret=t", nothing()),
        ] {
            assert_eq!(outside(body, &presented), unknown, "{body}");
        }
    }

    #[test]
    fn every_client_has_its_own_name() {
        let twice = format!(
            "[{0},{0}]",
            r#"{"client_id":"a","token_endpoint_auth_method":"none"}"#
        );
        let problems = Registry::read(&twice).expect_err("the same client twice");
        assert_eq!(problems[0].member.as_deref(), Some("client_id"));
        assert_eq!(registry(CLIENTS).len(), 7);
        assert!(registry("[]").is_empty() && registry(CLIENTS).find("mtls").is_some());
    }

    #[test]
    fn what_may_be_used_once_must_be_new() {
        let key = Key::new(
            crate::record::Kind::Assertion,
            &crate::oauth::secret::Digest::of(b"j"),
        );
        let record = Record {
            value: b"1".to_vec(),
            expires: None,
        };
        let registration = Arc::clone(registry(CLIENTS).find("mtls").expect("there"));
        let proven = Proven {
            client: AuthenticatedClient {
                registration,
                certificate: None,
            },
            once: UseOnce::key(key.clone(), record),
        };
        let changes = proven.first().expect("something to use up");
        assert_eq!(changes.conditions(), [(key.clone(), Condition::Absent)]);
        assert_eq!(changes.operations()[0].0, key);
    }
}
