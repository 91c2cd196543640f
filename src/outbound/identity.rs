//! The certificate that certbound itself shows to those that it calls (RFC 8705 section 2).

use std::fmt;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsConnector;

use crate::outbound::OutboundError;
use crate::outbound::fetch::Outbound;
use crate::outbound::roots::Connector;

/// A certificate, what it needs to be verified with, and its private key.
#[derive(Clone)]
pub struct Identity(Arc<CertifiedKey>);

impl Identity {
    /// Takes a chain, the certificate itself first, and the key of that certificate. The error says
    /// what is wrong with them, and nothing of the key.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, String> {
        use rustls::Error::{InconsistentKeys, InvalidCertificate};
        if chain.is_empty() {
            return Err("there is no certificate".into());
        }
        match CertifiedKey::from_der(chain, key, &default_provider()) {
            Ok(certified) => Ok(Self(Arc::new(certified))),
            Err(InconsistentKeys(_)) => {
                Err("the private key is not that of the first certificate".into())
            }
            Err(InvalidCertificate(_)) => Err("the first certificate cannot be read".into()),
            // What the library says here may be about the octets of the key.
            Err(_) => Err(
                "the private key cannot be used: it is to be RSA, EC on P-256, P-384 or P-521, \
                 or Ed25519"
                    .into(),
            ),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(…)")
    }
}

impl Outbound {
    /// The same, but whoever asks for a client certificate in the handshake is shown this one. It
    /// calls nobody without TLS, whatever the policy: there is no handshake to show it in.
    ///
    /// An error where there are no trust anchors: who might not be the one that was meant is not told
    /// who calls.
    pub fn with_identity(&self, identity: &Identity) -> Result<Self, OutboundError> {
        let tls = self.tls.get().ok_or(OutboundError::NoRoots)?;
        let mut config = rustls::ClientConfig::clone(tls.config());
        config.client_auth_cert_resolver =
            Arc::new(SingleCertAndKey::from(Arc::clone(&identity.0)));
        // Clones share their sessions, and one that was begun without the certificate or with another
        // is not to be resumed.
        config.resumption = Resumption::default();
        let mut identified = self.clone();
        identified.tls = Connector::Made(TlsConnector::from(Arc::new(config)));
        identified.identified = true;
        Ok(identified)
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use rustls_pki_types::PrivatePkcs8KeyDer;

    use super::*;

    #[test]
    fn a_certificate_goes_with_its_own_key() {
        let (ours, other) = (
            KeyPair::generate().expect("a key"),
            KeyPair::generate().expect("a key"),
        );
        let certificate = CertificateParams::new(vec!["gate.test".to_owned()])
            .and_then(|params| params.self_signed(&ours))
            .expect("a certificate");
        let key =
            |pair: &KeyPair| PrivateKeyDer::from(PrivatePkcs8KeyDer::from(pair.serialize_der()));
        let chain = || vec![certificate.der().clone()];
        assert!(Identity::new(chain(), key(&ours)).is_ok());
        let broken = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(vec![0x30, 0]));
        for (chain, key, why) in [
            (chain(), key(&other), "not that of the first certificate"),
            (vec![], key(&ours), "no certificate"),
            (
                vec![vec![0x30, 0].into()],
                key(&ours),
                "first certificate cannot be read",
            ),
            (chain(), broken, "private key cannot be used"),
        ] {
            let refused = Identity::new(chain, key).expect_err(why);
            assert!(refused.contains(why), "{refused}");
        }
    }
}
