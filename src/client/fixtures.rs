//! Registrations, certificates and attempts for the tests of this floor.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::belief::Belief;
use super::credentials::Credentials;
use super::{Attempt, Proven, Refused, Registry};
use crate::cert::{ClientAuthorities, ClientCertificate};
use crate::oauth::time::Timestamp;
use crate::proxy::presented::{Presented, Window};
use crate::proxy::{Encoding, Front, Headers, Peer, TrustedPeer, VerifyHeader};

/// 2026-11-22.
pub(super) const NOW: Timestamp = Timestamp::from_unix(1_795_311_512);

/// This server.
pub(super) const ISSUER: &str = "https://as.example.com";

/// The PEM text of a certificate in `tests/fixtures/pki`.
pub(super) fn pem(name: &str) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    std::fs::read_to_string(format!("{root}/tests/fixtures/pki/{name}.crt"))
        .expect("the fixture is in the repository")
}

/// That certificate.
pub(super) fn certificate(name: &str) -> ClientCertificate {
    ClientCertificate::from_pem(&pem(name)).expect("the fixture is a certificate")
}

/// The authorities that issued the good ones.
pub(super) fn authorities() -> ClientAuthorities {
    let bundle = format!("{}{}", pem("ca"), pem("inter"));
    ClientAuthorities::from_pem(&bundle).expect("the fixture is a bundle")
}

/// As if a trusted web server had forwarded and verified it.
pub(super) fn verified(name: &str) -> Presented {
    Presented::supposed(certificate(name), Vec::new(), Encoding::AUTO)
}

/// What a trusted web server forwards: a certificate or none, and a verdict in a header that is
/// configured so.
pub(super) fn forwarded(
    name: Option<&str>,
    verdict: Option<&'static str>,
    verify: VerifyHeader,
) -> Presented {
    let mut headers = HeaderMap::new();
    if let Some(name) = name {
        let line = pem(name).trim().replace('\n', " ");
        let line = HeaderValue::from_str(&line).expect("PEM is printable");
        headers.insert("x-clientcert", line);
    }
    if let Some(verdict) = verdict {
        headers.insert("x-clientcert-verify", HeaderValue::from_static(verdict));
    }
    let unix: TrustedPeer = "unix".parse().expect("a peer");
    let trusted = [unix].into_iter().collect();
    let names = Headers {
        certificate: HeaderName::from_static("x-clientcert"),
        chain: None,
        verify,
        user: None,
        address: None,
        request_id: None,
    };
    let front = Front::new(trusted, None, names, Encoding::AUTO).expect("headers differ");
    Window::new(front)
        .read(Peer::Unix, &headers)
        .expect("a good header")
}

/// Nothing forwarded at all.
pub(super) fn nothing() -> Presented {
    forwarded(None, None, verify_header(false))
}

/// The verify header under its usual name.
pub(super) fn verify_header(required: bool) -> VerifyHeader {
    VerifyHeader {
        name: Some(HeaderName::from_static("x-clientcert-verify")),
        required,
    }
}

/// The clients of that array.
pub(super) fn registry(clients: &str) -> Registry {
    Registry::read(clients).expect("registrations of this table")
}

/// Tries to be a client.
pub(super) fn attempt(
    registry: &Registry,
    credentials: &Credentials<'_>,
    presented: &Presented,
    now: Timestamp,
) -> Result<Proven, Refused> {
    let belief = Belief::new(Some(authorities()), None, false);
    registry.authenticate(&Attempt {
        credentials,
        presented,
        belief: &belief,
        remote: None,
        issuer: ISSUER,
        now,
        steps: None,
    })
}

/// The certificate that a proven client came with.
pub(super) fn bound_to(proven: Proven) -> Option<String> {
    let client = proven.into_client();
    let binding = client.binding().expect("a certificate to bind to");
    binding.map(|thumbprint| thumbprint.to_string())
}

/// The thumbprint of a fixture.
pub(super) fn thumbprint(name: &str) -> String {
    certificate(name).thumbprint().to_string()
}
