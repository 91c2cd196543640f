//! What came with a request from a trusted web server, before and after decoding (RFC 9440).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use quick_cache::Equivalent;
use sha2::{Digest as _, Sha256};

use super::Encoding;
use super::lines::printable;
use crate::oauth::secret::Digest;

/// What a request's headers say, nothing decoded yet.
#[derive(Clone, Debug)]
pub struct Located<'a> {
    pub(super) certificate: Option<&'a [u8]>,
    pub(super) chain: Vec<&'a [u8]>,
    pub(super) verdict: Verdict,
    pub(super) user: Option<String>,
    pub(super) address: Option<IpAddr>,
    pub(super) request_id: Option<String>,
    pub(super) trusted: bool,
    /// How the certificate is to be read.
    pub(super) encoding: Encoding,
}

/// What the web server says of the certificate, which never is enough alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is no verify header to look for.
    NotAsked,
    /// The header is absent.
    Absent {
        /// Whether that means that nothing was verified.
        required: bool,
    },
    /// Exactly `SUCCESS`.
    Success,
    /// Anything else, an empty value too, in printable ASCII, 128 characters at most.
    Failed(Box<str>),
}

impl Verdict {
    /// What a web server said.
    pub(super) fn said(value: &[u8]) -> Self {
        if value == b"SUCCESS" {
            Self::Success
        } else {
            Self::Failed(printable(value))
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAsked => f.write_str("none is looked for (--verify-header none)"),
            Self::Absent { .. } => f.write_str("absent"),
            Self::Success => f.write_str("SUCCESS"),
            Self::Failed(text) => f.write_str(text),
        }
    }
}

/// What was forwarded with a request, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// The certificate, if there is one.
    pub certificate: Option<ForwardedCertificate>,
    /// The web server's verdict on it.
    pub verdict: Verdict,
    /// A user whom the web server has authenticated.
    pub user: Option<String>,
    /// Where the request came from, for logs and throttling.
    pub address: Option<IpAddr>,
    /// What the web server calls the request, for logs.
    pub request_id: Option<String>,
    /// Whether a trusted web server sent it.
    pub trusted: bool,
}

/// A certificate's octets, whose DER is still to be read strictly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardedCertificate {
    /// The leaf: one DER SEQUENCE.
    pub der: Vec<u8>,
    /// Intermediates, from the certificate header or the chain header; never the leaf.
    pub chain: Vec<Vec<u8>>,
    /// How the certificate was written; never `auto`.
    pub encoding: Encoding,
    /// [`Located::key`].
    pub key: Digest,
}

impl<'a> Located<'a> {
    /// The certificate header's value without the blanks around it, unless it says that there is none.
    pub const fn certificate(&self) -> Option<&'a [u8]> {
        self.certificate
    }

    /// The chain header's lines, likewise.
    pub fn chain(&self) -> &[&'a [u8]] {
        &self.chain
    }

    /// The web server's verdict.
    pub const fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// A user whom the web server has authenticated.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Where the request came from, for logs and throttling.
    pub const fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// What the web server calls the request, for logs.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// Whether a trusted web server sent it.
    pub const fn trusted(&self) -> bool {
        self.trusted
    }

    /// All that decides what is decoded: equal where this is. None without a certificate.
    pub(super) fn spelling(&self) -> Option<Spelling<'_>> {
        Some(Spelling {
            encoding: self.encoding,
            certificate: self.certificate?,
            chain: &self.chain,
        })
    }

    /// SHA-256 over the encoding to read it in, the certificate and the chain, each with its length
    /// before it: equal keys mean equal values, so that what one gave the other gives. None without a
    /// certificate.
    pub fn key(&self) -> Option<Digest> {
        let certificate = self.certificate?;
        let mut hash = Sha256::new();
        for value in [self.encoding.name().as_bytes(), certificate]
            .iter()
            .chain(&self.chain)
        {
            hash.update(value.len().to_be_bytes());
            hash.update(value);
        }
        Some(Digest::from_octets(hash.finalize().into()))
    }
}

/// A certificate and its chain as they were written, and how they are to be read.
#[derive(Clone, Copy)]
pub(super) struct Spelling<'a> {
    encoding: Encoding,
    certificate: &'a [u8],
    chain: &'a [&'a [u8]],
}

/// The same, kept: what is known of a certificate is found again by its very text, which is compared whole. That
/// takes a twentieth of the time that its SHA-256 would.
pub(super) struct Spelled {
    encoding: Encoding,
    certificate: Box<[u8]>,
    chain: Box<[Box<[u8]>]>,
}

#[cfg(test)]
impl<'a> Spelling<'a> {
    /// To be read in whatever encoding it is in.
    pub(super) const fn of(certificate: &'a [u8], chain: &'a [&'a [u8]]) -> Self {
        Self {
            encoding: Encoding::AUTO,
            certificate,
            chain,
        }
    }
}

impl Spelling<'_> {
    /// To be kept.
    pub(super) fn to_owned(self) -> Spelled {
        Spelled {
            encoding: self.encoding,
            certificate: self.certificate.into(),
            chain: self.chain.iter().map(|line| Box::from(*line)).collect(),
        }
    }
}

impl Spelled {
    /// How many octets it has.
    pub(super) fn octets(&self) -> usize {
        let chain: usize = self.chain.iter().map(|line| line.len()).sum();
        self.certificate.len() + chain
    }
}

impl Hash for Spelling<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Where a line ends is in the hash, and what it is a hash of is compared whole.
        self.certificate.hash(state);
        self.chain.iter().for_each(|line| line.hash(state));
    }
}

impl Hash for Spelled {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.certificate.hash(state);
        self.chain.iter().for_each(|line| line.hash(state));
    }
}

impl PartialEq for Spelled {
    fn eq(&self, other: &Self) -> bool {
        self.encoding == other.encoding
            && self.certificate == other.certificate
            && self.chain == other.chain
    }
}

impl Eq for Spelled {}

impl Equivalent<Spelled> for Spelling<'_> {
    fn equivalent(&self, kept: &Spelled) -> bool {
        self.encoding == kept.encoding
            && *self.certificate == *kept.certificate
            && self
                .chain
                .iter()
                .copied()
                .eq(kept.chain.iter().map(|line| &**line))
    }
}
