//! From header bytes to the certificate that the web server saw (RFC 9440, and what was before it).
//!
//! [`Front::locate`] decides whether a request's headers are believed and finds the values;
//! [`Front::decode`] makes DER octets of them. Between the two a cache may stand, keyed by
//! [`Located::key`]. Nothing here knows X.509 beyond where a certificate ends and who issued it.

use std::fmt;
use std::str::FromStr;

mod absent;
mod base64;
mod chain;
mod der;
mod error;
mod escaped_pem;
mod forwarded;
mod front;
mod hop;
mod lines;
mod pem;
pub mod presented;
mod rfc9440;
mod traefik;
mod trust;
mod xfcc;

#[cfg(test)]
mod fixtures;

pub use chain::decode_chain;
pub use error::ProxyError;
pub use forwarded::{Forwarded, ForwardedCertificate, Located, Verdict};
pub use front::{Front, Headers, Parameters, SameHeader, VerifyHeader};
pub use trust::{NotAProxy, NotASecret, Peer, ProxySecret, TrustedPeer, TrustedPeers};

/// Every encoding of `--client-cert-encoding` but `auto`.
pub const DIALECTS: &[&dyn Dialect] = &[
    &pem::Pem,
    &escaped_pem::EscapedPem,
    &base64::Base64Der,
    &base64::Base64Pem,
    &rfc9440::Rfc9440,
    &xfcc::Xfcc,
    &traefik::Traefik,
];

/// The longest header value, and the longest certificate, in octets.
pub const MAX_OCTETS: usize = 64 * 1024;

/// The most intermediates that one request may bring.
pub const MAX_CHAIN: usize = 8;

/// One way to write a certificate into a header value.
pub trait Dialect: Sync {
    /// Its name in `--client-cert-encoding`.
    fn name(&self) -> &'static str;

    /// Whether a value's first bytes are this encoding's.
    fn begins(&self, value: &[u8]) -> bool;

    /// Whether `auto` may choose it. No two that it may choose begin alike.
    fn guessable(&self) -> bool {
        true
    }

    /// Reads a value that is neither empty nor one of the spellings of absence; `None` where the
    /// value is well formed and holds no certificate all the same.
    fn decode(&self, value: &[u8]) -> Result<Option<Decoded>, ProxyError>;
}

/// The octets of the one leaf, and of the intermediates that came in the same value.
///
/// Each is one DER SEQUENCE with nothing after it; what is inside was not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The certificate that is matched and bound.
    pub leaf: Vec<u8>,
    /// Certificates that may help to validate it, and are nothing else.
    pub chain: Vec<Vec<u8>>,
}

impl Decoded {
    /// That leaf alone.
    fn alone(leaf: Vec<u8>) -> Self {
        let chain = Vec::new();
        Self { leaf, chain }
    }
}

/// The value of `--client-cert-encoding`: one of [`DIALECTS`], or `auto`.
#[derive(Clone, Copy)]
pub struct Encoding(Option<&'static dyn Dialect>);

impl Encoding {
    /// By the value's first bytes.
    pub const AUTO: Self = Self(None);

    /// PEM text with newlines or blanks, as Apache and `FastCGI` parameters have it.
    pub const PEM: Self = Self(Some(&pem::Pem));

    /// `auto` and the names of [`DIALECTS`].
    pub fn names() -> impl Iterator<Item = &'static str> {
        std::iter::once("auto").chain(DIALECTS.iter().map(|dialect| dialect.name()))
    }

    /// As `--client-cert-encoding` spells it.
    pub fn name(&self) -> &'static str {
        self.0.map_or("auto", Dialect::name)
    }

    /// Whether a value's first bytes are this encoding's; for `auto`, anybody's.
    fn begins(self, value: &[u8]) -> bool {
        self.0.is_none_or(|dialect| dialect.begins(value))
    }

    /// The certificate in a value, `None` where it says that there is none. Blanks around the value
    /// do not count.
    ///
    /// # Errors
    /// A value that is too long, or is not what this encoding allows, to the last octet.
    pub fn decode(&self, value: &[u8]) -> Result<Option<Decoded>, ProxyError> {
        self.decode_as(value)
            .map(|read| read.map(|(decoded, _)| decoded))
    }

    /// As [`Self::decode`], and with which encoding it was, which is news where this is `auto`.
    pub fn decode_as(&self, value: &[u8]) -> Result<Option<(Decoded, Self)>, ProxyError> {
        let value = value.trim_ascii();
        if absent::says_absent(value) {
            return Ok(None);
        }
        if value.len() > MAX_OCTETS {
            return Err(ProxyError::CertificateTooLarge);
        }
        let guess = DIALECTS
            .iter()
            .find(|dialect| dialect.guessable() && dialect.begins(value));
        let dialect = match (self.0, guess) {
            (Some(configured), Some(guess)) if !configured.begins(value) => {
                return Err(ProxyError::OtherEncoding {
                    configured: configured.name(),
                    looks_like: guess.name(),
                });
            }
            (Some(configured), _) => configured,
            (None, Some(guess)) => *guess,
            (None, None) => return Err(ProxyError::Unrecognised),
        };
        let decoded = dialect.decode(value)?;
        Ok(decoded.map(|decoded| (decoded, Self(Some(dialect)))))
    }
}

impl PartialEq for Encoding {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Encoding {}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is not one of [`Encoding::names`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnEncoding;

impl fmt::Display for NotAnEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an encoding: write")?;
        for (position, name) in Encoding::names().enumerate() {
            let before = if position == 0 { " " } else { ", " };
            write!(f, "{before}{name}")?;
        }
        Ok(())
    }
}

impl std::error::Error for NotAnEncoding {}

impl FromStr for Encoding {
    type Err = NotAnEncoding;

    fn from_str(name: &str) -> Result<Self, NotAnEncoding> {
        if name == "auto" {
            return Ok(Self::AUTO);
        }
        DIALECTS
            .iter()
            .find(|dialect| dialect.name() == name)
            .map(|dialect| Self(Some(*dialect)))
            .ok_or(NotAnEncoding)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::fixtures::{base64, certificate, escaped, pem};
    use super::*;

    fn values() -> Vec<(&'static str, String)> {
        let der = base64("p256");
        vec![
            ("pem", pem("p256").replace('\n', " ")),
            ("escaped-pem", escaped("p256")),
            ("base64-der", der.clone()),
            ("rfc9440", format!(":{der}:")),
            ("xfcc", format!("Cert=\"{}\"", escaped("p256"))),
        ]
    }

    fn all() -> impl Iterator<Item = Encoding> {
        Encoding::names().map(|name| name.parse().expect("a name of the list"))
    }

    #[test]
    fn no_value_is_good_in_two() {
        let expected = Some(Decoded::alone(certificate("p256")));
        for (name, value) in values() {
            for encoding in all() {
                let read = encoding.decode(value.as_bytes());
                let same = encoding.name() == name || encoding == Encoding::AUTO;
                // Traefik's list of one is base64-der.
                if same || (name, encoding.name()) == ("base64-der", "traefik") {
                    assert_eq!(read, Ok(expected.clone()), "{name} as {encoding}");
                } else {
                    assert!(
                        matches!(read, Err(ProxyError::OtherEncoding { looks_like, .. }) if looks_like == name),
                        "{name} as {encoding}: {read:?}"
                    );
                }
            }
            let begins = DIALECTS
                .iter()
                .filter(|dialect| dialect.guessable() && dialect.begins(value.as_bytes()));
            assert_eq!(begins.count(), 1, "{name}");
            let padded = format!("\t {value} ");
            let read = Encoding::AUTO.decode_as(padded.as_bytes());
            let read = read.map(|read| read.map(|(_, encoding)| encoding.name()));
            assert_eq!(read, Ok(Some(name)));
        }
    }

    #[test]
    fn auto_reads_no_list_and_guesses_nothing() {
        let der = base64("p256");
        let list = format!("{der},{}", base64("inter"));
        let auto = |value: &str| Encoding::AUTO.decode(value.as_bytes());
        assert_eq!(auto(&list), Err(ProxyError::List));
        assert_eq!(auto(&format!(":{der}:,:{der}:")), Err(ProxyError::List));
        for value in [
            "x",
            "null",
            "-",
            "-----",
            "(null), (null)",
            "(null),MII",
            "A=b",
            "ü",
        ] {
            assert_eq!(auto(value), Err(ProxyError::Unrecognised), "{value}");
        }
        for value in ["", " ", "\t", "::", "(null)", "<nil>", "{x}", ":{x}:"] {
            for encoding in all() {
                assert_eq!(
                    encoding.decode(value.as_bytes()),
                    Ok(None),
                    "{value} {encoding}"
                );
            }
        }
        let long = "M".repeat(MAX_OCTETS + 1);
        assert_eq!(auto(&long), Err(ProxyError::CertificateTooLarge));
    }

    #[test]
    fn names() {
        assert_eq!(
            Encoding::names().collect::<Vec<_>>().join(" "),
            "auto pem escaped-pem base64-der base64-pem rfc9440 xfcc traefik"
        );
        assert!("PEM".parse::<Encoding>().is_err());
        assert!(NotAnEncoding.to_string().ends_with("xfcc, traefik"));
    }

    proptest! {
        #[test]
        fn no_value_panics(value in prop::collection::vec(any::<u8>(), 0..200)) {
            for encoding in all() {
                let _ = encoding.decode(&value);
            }
            let _ = decode_chain(&[&value]);
            let _ = decode_chain(&[&value, &value]);
        }

        #[test]
        fn no_damaged_value_panics_or_gives_half_a_leaf(
            which in 0_usize..5,
            at in any::<prop::sample::Index>(),
            octet in any::<u8>(),
            cut in any::<bool>(),
        ) {
            let mut value = values()[which].1.clone().into_bytes();
            let at = at.index(value.len());
            if cut { value.truncate(at); } else { value[at] = octet; }
            for encoding in all() {
                if let Ok(Some(decoded)) = encoding.decode(&value) {
                    prop_assert!(der::one("test", decoded.leaf).is_ok());
                }
            }
        }
    }
}
