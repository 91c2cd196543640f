//! `self_signed_tls_client_auth` (RFC 8705 section 2.2): the certificate itself is registered. No chain
//! is looked at, and neither names nor keys are compared.

use std::sync::Arc;

use super::keys::{self, ClientKeys};
use super::metadata::Metadata;
use super::{Attempt, Authenticator, Contradiction, Method, Refused, UseOnce};
use crate::oauth::profile::Profile;

/// The method.
pub(super) struct SelfSignedTlsClientAuth;

impl Method for SelfSignedTlsClientAuth {
    fn name(&self) -> &'static str {
        "self_signed_tls_client_auth"
    }

    fn members(&self) -> &'static [&'static str] {
        &[]
    }

    fn is_mutual_tls(&self) -> bool {
        true
    }

    fn enrol(
        &self,
        metadata: &Metadata,
        _profile: Profile,
    ) -> Result<Box<dyn Authenticator>, Contradiction> {
        let keys = keys::enrol(metadata, self.name())?;
        if let Some(keys) = &keys
            && keys.certificates().next().is_none()
        {
            return Err(Contradiction::new(
                "jwks",
                "none of the keys has x5c or x5t#S256, and a key alone authenticates nobody: write the JWK that certbound inspect prints for the certificate",
            ));
        }
        Ok(Box::new(Registered { keys }))
    }
}

/// What one client is registered with; without `keys` they are at its `jwks_uri`.
#[derive(Debug)]
struct Registered {
    keys: Option<Arc<ClientKeys>>,
}

impl Authenticator for Registered {
    fn reads_remote_keys(&self) -> bool {
        self.keys.is_none()
    }

    fn authenticate(&self, attempt: &Attempt<'_>) -> Result<UseOnce, Refused> {
        attempt.nothing_but_the_certificate()?;
        let certificate = attempt.certificate()?;
        certificate.strong_key().map_err(Refused::WeakKey)?;
        attempt.step(|| "its key is strong enough; no chain is looked at for this method".into());
        let keys = self
            .keys
            .as_deref()
            .or(attempt.remote)
            .ok_or(Refused::KeysUnavailable)?;
        let presented = certificate.thumbprint();
        if !keys
            .certificates()
            .any(|registered| registered == presented)
        {
            return Err(Refused::NotRegistered(*presented));
        }
        attempt.step(|| "it is one of the certificates registered".into());
        Ok(UseOnce::nothing())
    }
}
