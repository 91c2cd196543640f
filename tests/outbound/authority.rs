//! A certification authority, and TLS servers with certificates of it.

use std::sync::Arc;

use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::RootCertStore;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientCertVerifierBuilder, NoClientAuth, WebPkiClientVerifier};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

/// A certification authority for tests.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a root"))
    }

    pub(crate) fn roots(&self) -> String {
        self.0.pem()
    }

    /// A certificate for that name, and its key.
    pub(crate) fn leaf(&self, name: &str) -> (Certificate, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let leaf = CertificateParams::new(vec![name.to_owned()])
            .expect("a name")
            .signed_by(&key, &self.0)
            .expect("a leaf");
        (leaf, key)
    }

    /// A server of that name.
    pub(crate) fn acceptor(&self, name: &str) -> TlsAcceptor {
        self.serving(name, Arc::new(NoClientAuth))
    }

    /// A server of that name, which talks to nobody without a certificate of this authority.
    pub(crate) fn demanding(&self, name: &str) -> TlsAcceptor {
        self.serving(name, self.clients().build().expect("a verifier"))
    }

    /// A server of that name, which asks for such a certificate and can do without.
    pub(crate) fn asking(&self, name: &str) -> TlsAcceptor {
        let clients = self.clients().allow_unauthenticated();
        self.serving(name, clients.build().expect("a verifier"))
    }

    fn clients(&self) -> ClientCertVerifierBuilder {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
    }

    fn serving(&self, name: &str, clients: Arc<dyn ClientCertVerifier>) -> TlsAcceptor {
        let (leaf, key) = self.leaf(name);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_client_cert_verifier(clients)
            .with_single_cert(vec![leaf.der().clone()], private)
            .expect("its own key");
        TlsAcceptor::from(Arc::new(config))
    }
}
