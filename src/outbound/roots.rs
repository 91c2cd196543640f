//! Whose certificates the servers that certbound calls may have (RFC 5280 section 6, RFC 9525).

use std::sync::{Arc, OnceLock};

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use tokio::task::spawn_blocking;
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
    /// What makes TLS connections that end at these roots: a PEM file without any is an error, a system without is
    /// none before they are needed.
    pub(super) fn connector(self) -> Result<Connector, OutboundError> {
        match self {
            Self::System => Ok(Connector::System(Arc::default())),
            Self::Pem(text) => {
                let connector = ending_at(pem_anchors(text)?);
                connector.map(Connector::Made)
            }
        }
    }
}

/// What makes TLS connections.
#[derive(Clone)]
pub(super) enum Connector {
    /// It is there.
    Made(TlsConnector),
    /// It ends at the system's trust anchors, which lie in a hundred files and are read when they are needed first:
    /// few installations call anybody. None where there are no anchors.
    System(Arc<OnceLock<Option<TlsConnector>>>),
}

impl Connector {
    /// It, if there is anything to end at.
    pub(super) fn get(&self) -> Option<&TlsConnector> {
        match self {
            Self::Made(connector) => Some(connector),
            Self::System(made) => made
                .get_or_init(|| ending_at(system_anchors()).ok())
                .as_ref(),
        }
    }

    /// The same, where nobody else is to wait for the files.
    pub(super) async fn ready(&self) -> Option<&TlsConnector> {
        if let Self::System(made) = self
            && made.get().is_none()
        {
            let connector = self.clone();
            let reading = spawn_blocking(move || drop(connector.get().cloned()));
            // That it could not be read on that thread is seen when it is, here.
            let _ = reading.await;
        }
        self.get()
    }
}

fn ending_at(anchors: RootCertStore) -> Result<TlsConnector, OutboundError> {
    if anchors.is_empty() {
        return Err(OutboundError::NoRoots);
    }
    // The provider is named, so that no other crate's choice of one can change this.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| OutboundError::Roots(error.to_string()))?
        .with_root_certificates(anchors)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
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
