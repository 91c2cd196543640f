//! What can be wrong with what a web server forwarded, told twice: to the log and to the outside.

use std::fmt;

use http::HeaderName;

use super::{MAX_CHAIN, MAX_OCTETS};

/// Why a request's forwarded headers are refused. All of it is 400 `invalid_request`, at every path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyError {
    /// Somebody who is not a trusted web server sent a header that only one may send.
    Forged {
        /// The header, as it was spelled.
        header: HeaderName,
    },
    /// A trusted peer sent no proxy secret, or a wrong one, beside a header that needs it.
    WrongSecret {
        /// The header that needs it.
        header: HeaderName,
    },
    /// Somebody who is not a trusted web server sent a parameter that only one may send.
    ForgedParameter {
        /// Its name.
        parameter: &'static str,
    },
    /// A trusted peer sent no proxy secret, or a wrong one, beside a parameter that needs it.
    ParameterWithoutSecret {
        /// The parameter that needs it.
        parameter: &'static str,
    },
    /// A header's name differs from a configured one only by `_` for `-`.
    LookAlike {
        /// The header, as it was spelled.
        header: HeaderName,
        /// The one it looks like.
        configured: HeaderName,
    },
    /// A header that may come once came more than once.
    Duplicate {
        /// The header.
        header: HeaderName,
    },
    /// A header's value is longer than [`MAX_OCTETS`].
    TooLarge {
        /// The header.
        header: HeaderName,
        /// Its length in octets, of all its lines together.
        octets: usize,
    },
    /// The user name is not text, or is too long.
    User {
        /// The header.
        header: HeaderName,
    },
    /// `auto`, and the value's first bytes are those of no encoding.
    Unrecognised,
    /// A comma list where one certificate must be; only `traefik`, set explicitly, reads one.
    List,
    /// The value is in another encoding than the configured one.
    OtherEncoding {
        /// The configured one.
        configured: &'static str,
        /// The one whose first bytes it has.
        looks_like: &'static str,
    },
    /// The value breaks a rule of its encoding.
    Malformed {
        /// The encoding.
        encoding: &'static str,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// A certificate, encoded or not, is longer than [`MAX_OCTETS`].
    CertificateTooLarge,
    /// There are more than [`MAX_CHAIN`] intermediates, or they are longer than [`MAX_OCTETS`] together.
    ChainTooLong,
    /// In a list, this element (counted from 1, the leaf being 0) did not issue the one before it.
    NotIssuer {
        /// Which element.
        position: usize,
    },
}

impl ProxyError {
    /// What the outside may learn: an `error_description` that helps the operator of an honest web
    /// server, and tells an attacker only what they sent.
    pub const fn outside(&self) -> &'static str {
        match self {
            Self::Forged { .. }
            | Self::WrongSecret { .. }
            | Self::ForgedParameter { .. }
            | Self::ParameterWithoutSecret { .. } => {
                "certificate headers are accepted from the trusted web server only"
            }
            Self::LookAlike { .. } => {
                "a header name differs from a trusted one only by an underscore"
            }
            Self::Duplicate { .. } => "duplicate client certificate header",
            Self::TooLarge { .. } | Self::CertificateTooLarge => {
                "the forwarded client certificate is too large"
            }
            Self::User { .. } => "the forwarded user name is malformed",
            Self::ChainTooLong => "the forwarded certificate chain is too long",
            Self::Unrecognised
            | Self::List
            | Self::OtherEncoding { .. }
            | Self::Malformed { .. }
            | Self::NotIssuer { .. } => "the forwarded client certificate header is malformed",
        }
    }
}

impl fmt::Display for ProxyError {
    /// For the log: precise, without anything of the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forged { header } => write!(
                f,
                "header {header} came from a peer that is not a trusted proxy: either somebody \
                 forges certificates, or --trusted-proxy lacks the web server's address"
            ),
            Self::WrongSecret { header } => write!(
                f,
                "header {header} came from a trusted address without the right X-Proxy-Secret: \
                 let the web server set it to the content of --proxy-secret-file"
            ),
            Self::ForgedParameter { parameter } => write!(
                f,
                "{parameter} came from a peer that is not a trusted proxy: either somebody forges \
                 certificates, or --trusted-proxy lacks the web server's address"
            ),
            Self::ParameterWithoutSecret { parameter } => write!(
                f,
                "{parameter} came from a trusted address without the right GATE_PROXY_SECRET: let \
                 the web server set it to the content of --proxy-secret-file"
            ),
            Self::LookAlike { header, configured } => write!(
                f,
                "header {header} looks like {configured}: let the web server remove it from what \
                 clients send"
            ),
            Self::Duplicate { header } => write!(
                f,
                "header {header} came more than once: let the web server set it, not add to it"
            ),
            Self::TooLarge { header, octets } => write!(
                f,
                "header {header} has {octets} octets, and {MAX_OCTETS} are the limit"
            ),
            Self::User { header } => write!(
                f,
                "header {header} is not a user name: it is UTF-8 without control characters, of \
                 256 octets at most"
            ),
            Self::Unrecognised => f.write_str(
                "the certificate header's first bytes are those of no known encoding: see \
                 --client-cert-encoding",
            ),
            Self::List => f.write_str(
                "the certificate header is a list, and one certificate is expected: Traefik's \
                 needs --client-cert-encoding traefik, any other web server must replace the \
                 header that clients send",
            ),
            Self::OtherEncoding {
                configured,
                looks_like,
            } => write!(
                f,
                "the certificate header is not {configured}, it looks like {looks_like}: see \
                 --client-cert-encoding"
            ),
            Self::Malformed { encoding, fault } => {
                write!(
                    f,
                    "the certificate header is malformed as {encoding}: {fault}"
                )
            }
            Self::CertificateTooLarge => {
                write!(
                    f,
                    "a forwarded certificate has more than {MAX_OCTETS} octets"
                )
            }
            Self::ChainTooLong => write!(
                f,
                "the forwarded chain has more than {MAX_CHAIN} certificates or {MAX_OCTETS} octets"
            ),
            Self::NotIssuer { position } => write!(
                f,
                "certificate {position} after the leaf did not issue the one before it"
            ),
        }
    }
}

impl std::error::Error for ProxyError {}
