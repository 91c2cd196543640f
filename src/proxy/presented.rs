//! The certificate that the web server saw: forwarded by one that is trusted, decoded, and parsed once
//! for as long as it keeps coming.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::forwarded::{Spelled, Spelling};
use super::{Encoding, Front, Located, Parameters, Peer, ProxyError, Verdict};
use crate::cert::{CertificateError, ClientCertificate};

/// How many certificates are kept parsed, of the usual size.
const KEPT: usize = 20_000;

/// How many octets of certificates are kept. A web server that lets any certificate through lets
/// anybody send thousands of 60 KB each, so that their number alone bounds nothing.
const KEPT_OCTETS: u64 = 64 * 1024 * 1024;

/// What is kept of a certificate besides its octets, about.
const BESIDES: u64 = 512;

/// Reads what the web server in front forwards, remembering certificates by how they were written.
pub struct Window {
    front: Front,
    known: Cache<Spelled, Arc<Known>, Octets>,
}

/// What one header value holds.
#[derive(Debug)]
struct Known {
    certificate: Arc<ClientCertificate>,
    chain: Vec<Vec<u8>>,
    encoding: Encoding,
    /// [`Located::key`].
    fingerprint: [u8; 32],
}

/// Certificates weigh what they hold.
#[derive(Clone, Copy)]
struct Octets;

impl Weighter<Spelled, Arc<Known>> for Octets {
    fn weight(&self, spelled: &Spelled, known: &Arc<Known>) -> u64 {
        let chain: usize = known.chain.iter().map(Vec::len).sum();
        BESIDES + (spelled.octets() + known.certificate.der().len() + chain) as u64
    }
}

/// What the web server says of a client. It exists only where the rules of trust let it.
#[derive(Debug)]
pub struct Presented {
    seen: Option<Arc<Known>>,
    verdict: Verdict,
    trusted: bool,
    user: Option<String>,
    address: Option<IpAddr>,
    request_id: Option<String>,
}

impl Window {
    /// Looks through that front end.
    pub fn new(front: Front) -> Self {
        Self {
            front,
            known: Cache::with_weighter(KEPT, KEPT_OCTETS, Octets),
        }
    }

    /// The front end.
    pub fn front(&self) -> &Front {
        &self.front
    }

    /// Reads a request's headers.
    ///
    /// # Errors
    /// Whatever is forged, doubled, malformed or no certificate in strict DER.
    pub fn read(&self, peer: Peer, headers: &HeaderMap) -> Result<Presented, Unreadable> {
        let located = self
            .front
            .locate(peer, headers)
            .map_err(Unreadable::Proxy)?;
        self.look(&located)
    }

    /// Reads a request's parameters, to the same effect.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_parameters(
        &self,
        peer: Peer,
        parameters: &Parameters<'_>,
    ) -> Result<Presented, Unreadable> {
        let located = self
            .front
            .locate_parameters(peer, parameters)
            .map_err(Unreadable::Proxy)?;
        self.look(&located)
    }

    fn look(&self, located: &Located<'_>) -> Result<Presented, Unreadable> {
        let seen = match located.spelling() {
            None => {
                // A chain without a leaf is looked at all the same: garbage is refused at every path.
                self.front.decode(located).map_err(Unreadable::Proxy)?;
                None
            }
            Some(spelling) => match self.known.get(&spelling) {
                Some(known) => Some(known),
                None => self.decode(located, spelling)?,
            },
        };
        Ok(Presented {
            seen,
            verdict: located.verdict().clone(),
            trusted: located.trusted(),
            user: located.user().map(str::to_owned),
            address: located.address(),
            request_id: located.request_id().map(str::to_owned),
        })
    }

    fn decode(
        &self,
        located: &Located<'_>,
        spelling: Spelling<'_>,
    ) -> Result<Option<Arc<Known>>, Unreadable> {
        let Some(forwarded) = self.front.decode(located).map_err(Unreadable::Proxy)? else {
            return Ok(None);
        };
        let certificate =
            ClientCertificate::from_der(forwarded.der).map_err(Unreadable::Certificate)?;
        let known = Arc::new(Known {
            certificate: Arc::new(certificate),
            chain: forwarded.chain,
            encoding: forwarded.encoding,
            fingerprint: *forwarded.key.octets(),
        });
        self.known.insert(spelling.to_owned(), Arc::clone(&known));
        Ok(Some(known))
    }
}

impl Presented {
    /// A certificate as if a trusted web server had forwarded it and verified it, for `explain` and
    /// `verify`.
    pub fn supposed(
        certificate: ClientCertificate,
        chain: Vec<Vec<u8>>,
        encoding: Encoding,
    ) -> Self {
        let fingerprint = *certificate.thumbprint().digest().octets();
        let known = Known {
            certificate: Arc::new(certificate),
            chain,
            encoding,
            fingerprint,
        };
        Self {
            seen: Some(Arc::new(known)),
            verdict: Verdict::Success,
            trusted: true,
            user: None,
            address: None,
            request_id: None,
        }
    }

    /// A request on its own, without a certificate.
    pub const fn nothing() -> Self {
        Self {
            seen: None,
            verdict: Verdict::NotAsked,
            trusted: false,
            user: None,
            address: None,
            request_id: None,
        }
    }

    /// The certificate, whatever its validity.
    pub fn certificate(&self) -> Option<&Arc<ClientCertificate>> {
        self.seen.as_ref().map(|known| &known.certificate)
    }

    /// The intermediates that came with it.
    pub fn chain(&self) -> &[Vec<u8>] {
        self.seen.as_ref().map_or(&[], |known| &known.chain)
    }

    /// The digest of certificate and chain as they were forwarded: equal where both are.
    pub fn fingerprint(&self) -> Option<&[u8; 32]> {
        self.seen.as_ref().map(|known| &known.fingerprint)
    }

    /// How the certificate was written.
    pub fn encoding(&self) -> Option<&'static str> {
        self.seen.as_ref().map(|known| known.encoding.name())
    }

    /// The web server's verdict.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Whether a trusted web server sent the request.
    pub fn is_from_trusted_proxy(&self) -> bool {
        self.trusted
    }

    /// The user whom the web server has authenticated (`--user-header`): text without control characters,
    /// of 256 octets at most. Only ever from a trusted web server.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Where the request came from, as the web server says; for the log.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// What the web server calls the request; for the log.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

/// Why a request's certificate headers cannot be read: refused at every path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// The headers.
    Proxy(ProxyError),
    /// The certificate in them.
    Certificate(CertificateError),
}

impl Unreadable {
    /// What the caller is told.
    pub fn outside(&self) -> &'static str {
        match self {
            Self::Proxy(error) => error.outside(),
            Self::Certificate(_) => "the forwarded client certificate is malformed",
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Proxy(error) => error.fmt(f),
            Self::Certificate(error) => {
                write!(f, "the forwarded certificate cannot be read: {error}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::super::fixtures::certificate;
    use super::super::{Headers, TrustedPeer, VerifyHeader};
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_in_octets() {
        let window: Cache<Spelled, Arc<Known>, Octets> =
            Cache::with_weighter(1_000, 100_000, Octets);
        let (leaf, large) = (certificate("p256"), certificate("large"));
        let held = leaf.len() + large.len();
        for number in 0..100_u8 {
            let known = Known {
                certificate: Arc::new(
                    ClientCertificate::from_der(leaf.clone()).expect("a certificate"),
                ),
                chain: vec![large.clone()],
                encoding: Encoding::AUTO,
                fingerprint: [number; 32],
            };
            window.insert(Spelling::of(&[number], &[]).to_owned(), Arc::new(known));
        }
        assert!(window.len() * held <= 100_000, "{} are kept", window.len());
        assert!(!window.is_empty());
    }

    #[test]
    fn what_is_written_in_another_way_is_not_the_same() {
        let known = Cache::new(100);
        let all: [(&[u8], &[&[u8]]); 6] = [
            (b"MIIab", &[]),
            (b"MIIa", &[b"b"]),
            (b"MII", &[b"a", b"b"]),
            (b"MII", &[b"ab"]),
            (b"MII", &[b"b", b"a"]),
            (b"", &[b"MIIab"]),
        ];
        for (number, (certificate, chain)) in all.iter().enumerate() {
            let spelling = Spelling::of(certificate, chain);
            assert_eq!(known.get(&spelling), None, "{number}");
            known.insert(spelling.to_owned(), number);
        }
        for (number, (certificate, chain)) in all.iter().enumerate() {
            assert_eq!(known.get(&Spelling::of(certificate, chain)), Some(number));
        }
    }

    #[test]
    fn users_are_whom_a_trusted_web_server_names() {
        let trusted: TrustedPeer = "127.0.0.1".parse().expect("an address");
        let name = HeaderName::from_static;
        let headers = Headers {
            certificate: name("x-clientcert"),
            chain: None,
            verify: VerifyHeader {
                name: None,
                required: false,
            },
            user: Some(name("x-remote-user")),
            address: None,
            request_id: None,
        };
        let front = Front::new(
            [trusted].into_iter().collect(),
            None,
            headers,
            Encoding::AUTO,
        );
        let window = Window::new(front.expect("every header has its own name"));
        let from = |peer: [u8; 4], lines: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
                headers.append(*name, value);
            }
            let read = window.read(Peer::Tcp(peer.into()), &headers);
            read.map(|presented| presented.user().map(str::to_owned))
                .map_err(|_| ())
        };
        let (proxy, stranger) = ([127, 0, 0, 1], [192, 0, 2, 1]);
        let long = "x".repeat(257);
        for (value, user) in [
            ("alice", Ok(Some("alice"))),
            (" Zo\u{eb} Doe ", Ok(Some("Zo\u{eb} Doe"))),
            ("", Ok(None)),
            ("(null)", Ok(None)),
            ("::", Ok(None)),
            ("%{REMOTE_USER}s", Ok(None)),
            ("$remote_user", Ok(None)),
            ("a\tb", Err(())),
            ("a\u{200b}b", Err(())),
            (&long, Err(())),
        ] {
            let found = from(proxy, &[("x-remote-user", value)]);
            assert_eq!(
                found.as_ref().map(Option::as_deref),
                user.as_ref().map(|user| *user),
                "{value}"
            );
            assert_eq!(
                from(stranger, &[("x-remote-user", value)]),
                Err(()),
                "{value}"
            );
        }
        assert_eq!(from(proxy, &[]), Ok(None));
        assert_eq!(from(stranger, &[]), Ok(None));
        assert_eq!(from(stranger, &[("x_remote_user", "alice")]), Err(()));
        assert_eq!(from(proxy, &[("x_remote_user", "alice")]), Err(()));
        let twice = [("x-remote-user", "alice"), ("x-remote-user", "alice")];
        assert_eq!(from(proxy, &twice), Err(()));
    }
}
