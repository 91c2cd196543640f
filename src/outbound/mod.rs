//! What certbound itself calls: a client's `jwks_uri` (RFC 7591 section 2), other issuers whose tokens
//! a gate takes ([`issuer`]), and whatever else is fetched from an address that somebody else wrote.
//!
//! An address that somebody else wrote is a way into the network that certbound stands in, so
//! [`guard`] and [`address`] say which may be called, [`fetch`] calls nothing else and believes only
//! those that [`roots`] vouch for, and [`kept`] asks no more often than stated, whatever is presented.

pub mod address;
mod cache_control;
mod discovery;
pub mod documents;
pub mod fetch;
pub mod guard;
pub mod identity;
pub mod introspection;
pub mod issuer;
pub mod kept;
mod registration;
pub mod roots;

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::outbound::guard::NotADestination;

/// Why a call was not made or gave nothing. Nothing here repeats what the other side sent as a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutboundError {
    /// The URL may not be called.
    Url(NotADestination),
    /// The trust anchors that were configured cannot be used.
    Roots(String),
    /// A TLS connection is needed and this system has no trust anchors.
    NoRoots,
    /// A client certificate is to be shown, and the URL is not https.
    NotTls,
    /// The host's name could not be resolved.
    Unresolved {
        /// The name.
        host: String,
        /// What the resolver said.
        cause: String,
    },
    /// The host is at an address that may not be called.
    Address {
        /// The name or literal in the URL.
        host: String,
        /// The address refused.
        address: IpAddr,
    },
    /// No connection could be made.
    Connect {
        /// The name or literal in the URL.
        host: String,
        /// What the operating system said of the last address tried.
        cause: String,
    },
    /// The connection is not to be trusted: wrong name, unknown issuer, expired.
    Tls {
        /// The name or literal in the URL.
        host: String,
        /// What is wrong.
        cause: String,
    },
    /// The exchange broke off or was not HTTP.
    Http {
        /// The name or literal in the URL.
        host: String,
        /// What is wrong.
        cause: String,
    },
    /// An answer, but not 200. Redirects are among them: none is followed.
    Status(u16),
    /// The body is, or says it is, larger than this many octets.
    TooLarge(usize),
    /// The whole exchange did not end within this time.
    TimedOut(Duration),
    /// The body is not the document expected; in the words of its parser.
    Document(String),
    /// The discovery document is another issuer's (RFC 8414 section 3.3).
    AnotherIssuer,
    /// The discovery document does not have this member, and it was not configured.
    NotNamed(&'static str),
    /// There are no credentials to introspect with.
    NoCredentials,
    /// The answer has this status, 401 or 403: certbound's own credentials do not count there.
    Unauthorized(u16),
    /// What was called for another issuer's sake, and what went wrong there.
    At {
        /// What was called.
        part: Part,
        /// What went wrong.
        cause: Box<OutboundError>,
    },
    /// The call ended without an answer through a fault of this program.
    Interrupted,
}

impl fmt::Display for OutboundError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(fault) => write!(f, "the URL may not be called: {fault}"),
            Self::Roots(cause) => write!(
                f,
                "the trust anchors for outbound calls are unusable: {cause}; give a PEM file of \
                 CA certificates as --outbound-ca"
            ),
            Self::NoRoots => f.write_str(
                "this system has no CA certificates: install them (ca-certificates), or give a \
                 PEM file as --outbound-ca or in SSL_CERT_FILE",
            ),
            Self::NotTls => {
                f.write_str("a client certificate is shown by TLS only: give an https URL")
            }
            Self::Unresolved { host, cause } => write!(f, "{host} does not resolve: {cause}"),
            Self::Address { host, address } => write!(
                f,
                "{host} is at {address}, which is not a public address (private and loopback \
                 addresses need --outbound-allow-private)"
            ),
            Self::Connect { host, cause } => write!(f, "no connection to {host}: {cause}"),
            Self::Tls { host, cause } => write!(f, "no TLS connection to {host}: {cause}"),
            Self::Http { host, cause } => write!(f, "the exchange with {host} failed: {cause}"),
            Self::Status(code @ 300..=399) => write!(
                f,
                "the answer has status {code}: redirects are not followed, register the URL that \
                 it leads to"
            ),
            Self::Status(code) => write!(f, "the answer has status {code}, not 200"),
            Self::TooLarge(limit) => write!(f, "the answer is larger than {limit} octets"),
            Self::TimedOut(limit) => write!(f, "no whole answer within {limit:?}"),
            Self::Document(cause) => write!(f, "the answer is not what was expected: {cause}"),
            Self::AnotherIssuer => f.write_str(
                "it lies about its name: its \"issuer\" is not, character by character, the \
                 issuer configured (scheme, port and a trailing slash count)",
            ),
            Self::NotNamed(member) => {
                write!(f, "it has no \"{member}\": configure the URL as {member}")
            }
            Self::NoCredentials => f.write_str(
                "there are no credentials to introspect with: give introspection_client",
            ),
            Self::Unauthorized(status) => write!(
                f,
                "the answer has status {status}: certbound's own credentials are not accepted \
                 there; compare introspection_client (client_id, method, secret, key) with what is \
                 registered there, and whether that client may introspect"
            ),
            Self::At { part, cause } => write!(f, "{part}: {cause}"),
            Self::Interrupted => f.write_str("the call was interrupted before it had an answer"),
        }
    }
}

impl std::error::Error for OutboundError {}

/// What is called for another issuer's sake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Its metadata (OpenID Connect Discovery, RFC 8414).
    Discovery,
    /// Its keys.
    Keys,
    /// Its introspection endpoint (RFC 7662).
    Introspection,
}

impl Part {
    /// Says of an error that it happened here.
    fn failed(self, cause: OutboundError) -> OutboundError {
        OutboundError::At {
            part: self,
            cause: Box::new(cause),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Discovery => "the issuer's discovery document",
            Self::Keys => "the issuer's jwks_uri",
            Self::Introspection => "the issuer's introspection_endpoint",
        })
    }
}

impl From<NotADestination> for OutboundError {
    fn from(fault: NotADestination) -> Self {
        Self::Url(fault)
    }
}
