//! The same as the headers say, said in parameters that only a web server can set (FastCGI 1.0 section 5.2):
//! what clients send comes under names that begin with `HTTP_`, so that nothing here can be theirs.

use super::{Front, Located, ProxyError, Verdict, hop, says_absent};
use crate::proxy::{Encoding, Peer};

/// What a web server says of a client beside the client's own headers.
#[derive(Clone, Copy, Default)]
pub struct Parameters<'a> {
    /// `GATE_CLIENT_CERT`.
    pub certificate: Option<&'a [u8]>,
    /// `GATE_CLIENT_VERIFY`.
    pub verify: Option<&'a [u8]>,
    /// `GATE_PROXY_SECRET`.
    pub secret: Option<&'a [u8]>,
    /// `REMOTE_ADDR`, for the log.
    pub address: Option<&'a [u8]>,
    /// `UNIQUE_ID`, for the log.
    pub request_id: Option<&'a [u8]>,
}

impl<'a> Parameters<'a> {
    /// The first of those that only a trusted web server may send, if there is any, an empty one too.
    fn guarded(&self) -> Option<&'static str> {
        [
            (self.certificate, "GATE_CLIENT_CERT"),
            (self.verify, "GATE_CLIENT_VERIFY"),
            (self.secret, "GATE_PROXY_SECRET"),
        ]
        .into_iter()
        .find_map(|(value, name)| value.map(|_| name))
    }

    /// The certificate without the blanks around it, unless it says that there is none.
    fn certificate(&self) -> Option<&'a [u8]> {
        self.certificate
            .map(<[u8]>::trim_ascii)
            .filter(|value| !says_absent(value))
    }
}

impl Front {
    /// Finds what the parameters say, as [`Front::locate`] does with headers. PEM, which is what Apache
    /// has, is read beside what `--client-cert-encoding` names.
    ///
    /// # Errors
    /// From a peer that is not trusted, any parameter that only a trusted one may send.
    pub fn locate_parameters<'a>(
        &self,
        peer: Peer,
        parameters: &Parameters<'a>,
    ) -> Result<Located<'a>, ProxyError> {
        let known = self.trusted.trust(peer);
        let given = parameters.secret;
        let secret = self.secret.as_ref();
        if !known || secret.is_some_and(|secret| !given.is_some_and(|given| secret.is(given))) {
            return match parameters.guarded() {
                Some(parameter) if known => Err(ProxyError::ParameterWithoutSecret { parameter }),
                Some(parameter) => Err(ProxyError::ForgedParameter { parameter }),
                None => Ok(self.stranger()),
            };
        }
        let certificate = parameters.certificate();
        let is_pem = certificate.is_some_and(|value| Encoding::PEM.begins(value));
        Ok(Located {
            certificate,
            chain: Vec::new(),
            verdict: match parameters.verify.map(<[u8]>::trim_ascii) {
                None => self.no_verdict(),
                Some(value) => Verdict::said(value),
            },
            user: None,
            address: parameters.address.and_then(hop::address),
            request_id: parameters.request_id.and_then(hop::request_id),
            trusted: true,
            encoding: if is_pem { Encoding::PEM } else { self.encoding },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::super::{Headers, VerifyHeader};
    use super::*;
    use crate::proxy::fixtures::{base64, certificate, escaped, pem};
    use crate::proxy::{MAX_OCTETS, ProxySecret, TrustedPeer};

    const PROXY: Peer = Peer::Tcp(IpAddr::V4(Ipv4Addr::LOCALHOST));
    const STRANGER: Peer = Peer::Tcp(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
    const SECRET: &[u8] = b"a-secret-of-sufficient-length";

    fn front(secret: Option<&[u8]>, encoding: Encoding) -> Front {
        let trusted: TrustedPeer = "127.0.0.1".parse().expect("an address");
        let headers = Headers {
            certificate: http::HeaderName::from_static("x-clientcert"),
            chain: None,
            verify: VerifyHeader {
                name: Some(http::HeaderName::from_static("x-clientcert-verify")),
                required: true,
            },
            user: None,
            address: None,
            request_id: None,
        };
        let secret = secret.map(|secret| ProxySecret::new(secret).expect("a secret"));
        Front::new([trusted].into_iter().collect(), secret, headers, encoding)
            .expect("every header has its own name")
    }

    fn bearing(certificate: &[u8]) -> Parameters<'_> {
        Parameters {
            certificate: Some(certificate),
            ..Parameters::default()
        }
    }

    #[test]
    fn every_spelling_of_a_certificate() {
        let named = |name: &str| name.parse::<Encoding>().expect("an encoding");
        let pem = pem("p256");
        let own = ["auto", "rfc9440", "xfcc", "traefik", "base64-der"];
        for (encodings, value, read) in [
            (&own[..], pem.clone(), Some("pem")),
            (&own, pem.replace('\n', "\r\n"), Some("pem")),
            (&own, pem.replace('\n', " "), Some("pem")),
            (&["auto", "base64-der"], base64("p256"), Some("base64-der")),
            (
                &["auto", "escaped-pem"],
                escaped("p256"),
                Some("escaped-pem"),
            ),
            (
                &["auto", "rfc9440"],
                format!(":{}:", base64("p256")),
                Some("rfc9440"),
            ),
            (&["rfc9440"], base64("p256"), None),
            (&own, format!("{pem}{pem}"), None),
            (&own, format!("{pem}x"), None),
            (&["auto"], format!("{}A", base64("p256")), None),
            (&["auto"], "x".into(), None),
            (&own, format!("{pem}{}", "x".repeat(MAX_OCTETS)), None),
        ] {
            for encoding in encodings {
                let front = front(None, named(encoding));
                let parameters = bearing(value.as_bytes());
                let located = front
                    .locate_parameters(PROXY, &parameters)
                    .expect("trusted");
                let decoded = front.decode(&located);
                let found = decoded.as_ref().ok().and_then(Option::as_ref);
                assert_eq!(
                    found.map(|found| (found.der.clone(), found.encoding.name())),
                    read.map(|name| (certificate("p256"), name)),
                    "{encoding}: {decoded:?}"
                );
                assert!(read.is_some() || decoded.is_err());
            }
        }
        for nothing in ["", " ", "(null)", "::", "%{SSL_CLIENT_CERT}", "$1"] {
            let front = front(None, Encoding::AUTO);
            let parameters = bearing(nothing.as_bytes());
            let located = front
                .locate_parameters(PROXY, &parameters)
                .expect("trusted");
            assert_eq!(located.certificate(), None, "{nothing}");
            assert!(located.trusted());
        }
    }

    #[test]
    fn one_value_in_two_encodings_is_two() {
        let front = front(None, "rfc9440".parse().expect("an encoding"));
        let line = pem("p256").replace('\n', " ");
        let mut headers = http::HeaderMap::new();
        let value = http::HeaderValue::from_str(&line).expect("a header value");
        headers.insert("x-clientcert", value);
        let header = front.locate(PROXY, &headers).expect("trusted");
        let parameters = bearing(line.as_bytes());
        let parameter = front
            .locate_parameters(PROXY, &parameters)
            .expect("trusted");
        assert_eq!(header.certificate(), parameter.certificate());
        assert_ne!(header.key(), parameter.key());
        assert!(front.decode(&header).is_err() && front.decode(&parameter).is_ok());
    }

    #[test]
    fn who_is_believed() {
        let none = Parameters::default();
        let verify = Parameters {
            verify: Some(b"SUCCESS"),
            ..none
        };
        let secret = |secret: &'static [u8]| Parameters {
            secret: Some(secret),
            ..none
        };
        let both = |given: &'static [u8]| Parameters {
            certificate: Some(b"(null)"),
            ..secret(given)
        };
        let log = Parameters {
            address: Some(b"192.0.2.9"),
            request_id: Some(b"Z1"),
            ..none
        };
        for (configured, peer, parameters, expected) in [
            (None, STRANGER, none, "stranger"),
            (None, STRANGER, log, "stranger"),
            (None, STRANGER, bearing(b""), "forged GATE_CLIENT_CERT"),
            (None, STRANGER, verify, "forged GATE_CLIENT_VERIFY"),
            (None, STRANGER, secret(SECRET), "forged GATE_PROXY_SECRET"),
            (
                Some(SECRET),
                STRANGER,
                both(SECRET),
                "forged GATE_CLIENT_CERT",
            ),
            (None, PROXY, none, "believed"),
            (None, PROXY, both(b"whatever"), "believed"),
            (Some(SECRET), PROXY, none, "stranger"),
            (
                Some(SECRET),
                PROXY,
                bearing(b"x"),
                "no secret GATE_CLIENT_CERT",
            ),
            (
                Some(SECRET),
                PROXY,
                both(b"wrong"),
                "no secret GATE_CLIENT_CERT",
            ),
            (Some(SECRET), PROXY, both(b""), "no secret GATE_CLIENT_CERT"),
            (
                Some(SECRET),
                PROXY,
                secret(b"wrong"),
                "no secret GATE_PROXY_SECRET",
            ),
            (Some(SECRET), PROXY, both(SECRET), "believed"),
        ] {
            let located = front(configured, Encoding::AUTO).locate_parameters(peer, &parameters);
            let said = match &located {
                Ok(located) if located.trusted() => "believed".into(),
                Ok(located) => {
                    assert_eq!((located.address(), located.request_id()), (None, None));
                    "stranger".into()
                }
                Err(ProxyError::ForgedParameter { parameter }) => format!("forged {parameter}"),
                Err(ProxyError::ParameterWithoutSecret { parameter }) => {
                    format!("no secret {parameter}")
                }
                Err(other) => other.to_string(),
            };
            assert_eq!(said, expected, "{peer:?}");
            assert!(!format!("{located:?}").contains("a-secret"));
        }
    }

    #[test]
    fn verdict_address_and_name() {
        let front = front(None, Encoding::AUTO);
        let required = Verdict::Absent { required: true };
        for (verify, expected) in [
            (None, required),
            (Some(&b"SUCCESS"[..]), Verdict::Success),
            (Some(b"NONE"), Verdict::Failed("NONE".into())),
            (Some(b""), Verdict::Failed("".into())),
            (Some(b"success"), Verdict::Failed("success".into())),
        ] {
            let parameters = Parameters {
                verify,
                address: Some(b"2001:db8::1"),
                request_id: Some(b"Z1@2"),
                ..Parameters::default()
            };
            let located = front
                .locate_parameters(PROXY, &parameters)
                .expect("trusted");
            assert_eq!(*located.verdict(), expected);
            assert_eq!(located.address(), "2001:db8::1".parse().ok());
            assert_eq!(located.request_id(), Some("Z1@2"));
        }
    }
}
