//! Whose certificates the servers that certbound calls may have (RFC 5280 section 6, RFC 9525).

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio_rustls::TlsConnector;

use crate::outbound::OutboundError;

/// Whose certificates the other side may have.
#[derive(Clone, Copy, Debug)]
pub enum Roots<'a> {
    /// The system's trust anchors, or those in the file that `SSL_CERT_FILE` and the directories that
    /// `SSL_CERT_DIR` name (both count where both are set).
    System,
    /// The certificates in the text of this PEM file, and no others.
    Pem(&'a [u8]),
}

impl Roots<'_> {
    /// What makes TLS connections that end at these roots, if there are any: a PEM file without is an
    /// error, a system without is not.
    pub(super) fn connector(self) -> Result<Option<TlsConnector>, OutboundError> {
        let anchors = match self {
            Self::System => system_anchors(),
            Self::Pem(text) => pem_anchors(text)?,
        };
        if anchors.is_empty() {
            return Ok(None);
        }
        // The provider is named, so that no other crate's choice of one can change this.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| OutboundError::Roots(error.to_string()))?
            .with_root_certificates(anchors)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Some(TlsConnector::from(Arc::new(config))))
    }
}

/// What can be read of the system's trust anchors. Entries that cannot be read are passed over: one
/// broken file in a directory of hundreds is not this program's business.
fn system_anchors() -> RootCertStore {
    let mut anchors = RootCertStore::empty();
    anchors.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    anchors
}

fn pem_anchors(text: &[u8]) -> Result<RootCertStore, OutboundError> {
    let mut anchors = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(text) {
        let certificate = certificate.map_err(|error| OutboundError::Roots(error.to_string()))?;
        anchors
            .add(certificate)
            .map_err(|error| OutboundError::Roots(error.to_string()))?;
    }
    if anchors.is_empty() {
        return Err(OutboundError::Roots("no certificate in it".into()));
    }
    Ok(anchors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_must_be_there() {
        for text in [
            &b""[..],
            b"no certificates",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            b"-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n",
        ] {
            let outcome = Roots::Pem(text).connector();
            assert!(matches!(outcome, Err(OutboundError::Roots(_))));
        }
    }
}
