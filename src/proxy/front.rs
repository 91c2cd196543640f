//! When a certificate is believed: the checks on the header set (RFC 9440 sections 2 and 4).
//!
//! Which headers are read is configured, and no other is, whatever its name promises. `Connection`
//! names no header that is left out here: it is the web server's own (RFC 9110 section 7.6.1).

use std::fmt;
use std::net::IpAddr;

use http::{HeaderMap, HeaderName};
use sha2::{Digest as _, Sha256};

use super::absent::says_absent;
use super::{Encoding, MAX_OCTETS, Peer, ProxyError, ProxySecret, TrustedPeers, decode_chain, hop};
use crate::oauth::secret::Digest;

/// The names of the headers that a trusted web server sets.
#[derive(Clone, Debug)]
pub struct Headers {
    /// `--client-cert-header`.
    pub certificate: HeaderName,
    /// `--client-cert-chain-header`.
    pub chain: Option<HeaderName>,
    /// `--verify-header`.
    pub verify: VerifyHeader,
    /// `--user-header`.
    pub user: Option<HeaderName>,
    /// `--client-address-header`.
    pub address: Option<HeaderName>,
    /// `--request-id-header`.
    pub request_id: Option<HeaderName>,
}

/// The header with the web server's own verdict.
#[derive(Clone, Debug)]
pub struct VerifyHeader {
    /// Its name; with none the web server has no verdict.
    pub name: Option<HeaderName>,
    /// Whether its absence means that nothing was verified.
    pub required: bool,
}

/// Two settings that name one header, or names that are one after folding `_` to `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SameHeader(pub HeaderName);

impl fmt::Display for SameHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(header) = self;
        write!(
            f,
            "{header} is set for two purposes: give each header its own name"
        )
    }
}

impl std::error::Error for SameHeader {}

/// The web server in front: who it is, and how it forwards what it saw.
#[derive(Clone, Debug)]
pub struct Front {
    trusted: TrustedPeers,
    secret: Option<ProxySecret>,
    secret_header: HeaderName,
    headers: Headers,
    encoding: Encoding,
}

/// What a request's headers say, nothing decoded yet.
#[derive(Clone, Debug)]
pub struct Located<'a> {
    certificate: Option<&'a [u8]>,
    chain: Vec<&'a [u8]>,
    verdict: Verdict,
    user: Option<String>,
    address: Option<IpAddr>,
    request_id: Option<String>,
    trusted: bool,
}

/// What the web server says of the certificate, which never is enough alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is no verify header to look for.
    NotAsked,
    /// The header is absent or empty.
    Absent {
        /// Whether that means that nothing was verified.
        required: bool,
    },
    /// Exactly `SUCCESS`.
    Success,
    /// Anything else, in printable ASCII, 128 characters at most.
    Failed(Box<str>),
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

impl Front {
    /// A front end that is trusted as `trusted` and `secret` say and forwards in `headers`.
    ///
    /// # Errors
    /// Two of the headers have one name.
    pub fn new(
        trusted: TrustedPeers,
        secret: Option<ProxySecret>,
        headers: Headers,
        encoding: Encoding,
    ) -> Result<Self, SameHeader> {
        let front = Self {
            trusted,
            secret,
            secret_header: ProxySecret::header(),
            headers,
            encoding,
        };
        let log = [&front.headers.address, &front.headers.request_id];
        let names: Vec<&HeaderName> = front.guarded().chain(log.into_iter().flatten()).collect();
        for (position, name) in names.iter().enumerate() {
            if names[..position].iter().any(|other| alike(other, name)) {
                return Err(SameHeader((*name).clone()));
            }
        }
        Ok(front)
    }

    /// Who is trusted.
    pub const fn trusted(&self) -> &TrustedPeers {
        &self.trusted
    }

    /// The headers that are read.
    pub const fn headers(&self) -> &Headers {
        &self.headers
    }

    /// How certificates are written.
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Decides whether the headers are believed, and finds what they say.
    ///
    /// # Errors
    /// A header that only a trusted web server may send from somebody else; from a trusted one a name
    /// that looks like a configured one, a second line, or a value that is too long.
    pub fn locate<'a>(
        &self,
        peer: Peer,
        headers: &'a HeaderMap,
    ) -> Result<Located<'a>, ProxyError> {
        let known = self.trusted.trust(peer);
        if !known || !self.knows_the_secret(headers)? {
            return self.refuse_forgery(headers, known);
        }
        self.refuse_look_alikes(headers)?;
        let names = &self.headers;
        let certificate = one_line(headers, &names.certificate)?;
        let chain = match &names.chain {
            Some(name) => chain_lines(headers, name)?,
            None => Vec::new(),
        };
        let user = match &names.user {
            Some(name) => one_line(headers, name)?.map(|value| user(name, value)),
            None => None,
        };
        let lines = |name| {
            headers
                .get_all(name)
                .iter()
                .map(http::HeaderValue::as_bytes)
        };
        let address = names.address.as_ref();
        let request_id = names.request_id.as_ref();
        Ok(Located {
            certificate: certificate.filter(|value| !says_absent(value)),
            chain,
            verdict: self.verdict(headers)?,
            user: user.transpose()?.flatten(),
            address: address.and_then(|name| hop::client_address(lines(name), &self.trusted)),
            request_id: request_id.and_then(|name| {
                let mut lines = lines(name);
                let value = lines.next()?;
                lines.next().is_none().then_some(())?;
                hop::request_id(value)
            }),
            trusted: true,
        })
    }

    /// Decodes the certificate and the chain that were located; a chain alone is checked and dropped.
    ///
    /// # Errors
    /// A value that is not what its encoding allows.
    pub fn decode(
        &self,
        located: &Located<'_>,
    ) -> Result<Option<ForwardedCertificate>, ProxyError> {
        let beside = decode_chain(&located.chain)?;
        let (Some(value), Some(key)) = (located.certificate, located.key()) else {
            return Ok(None);
        };
        let Some((decoded, encoding)) = self.encoding.decode_as(value)? else {
            return Ok(None);
        };
        let mut chain = decoded.chain;
        chain.extend(beside);
        chain.retain(|der| *der != decoded.leaf);
        if chain.len() > super::MAX_CHAIN {
            return Err(ProxyError::ChainTooLong);
        }
        Ok(Some(ForwardedCertificate {
            der: decoded.leaf,
            chain,
            encoding,
            key,
        }))
    }

    /// Both steps at once, for who keeps nothing between them.
    ///
    /// # Errors
    /// As [`Self::locate`] and [`Self::decode`].
    pub fn read(&self, peer: Peer, headers: &HeaderMap) -> Result<Forwarded, ProxyError> {
        let located = self.locate(peer, headers)?;
        let certificate = self.decode(&located)?;
        Ok(Forwarded {
            certificate,
            verdict: located.verdict,
            user: located.user,
            address: located.address,
            request_id: located.request_id,
            trusted: located.trusted,
        })
    }

    /// The headers that are for trusted web servers alone.
    fn guarded(&self) -> impl Iterator<Item = &HeaderName> {
        let names = &self.headers;
        let optional = [&names.chain, &names.verify.name, &names.user];
        [&names.certificate, &self.secret_header]
            .into_iter()
            .chain(optional.into_iter().flatten())
    }

    /// Whether the request bears the proxy secret, where there is one.
    fn knows_the_secret(&self, headers: &HeaderMap) -> Result<bool, ProxyError> {
        let Some(secret) = &self.secret else {
            return Ok(true);
        };
        let value = one_line(headers, &self.secret_header)?;
        Ok(value.is_some_and(|value| secret.is(value)))
    }

    /// What is left for somebody who is not trusted: a request without a certificate.
    fn refuse_forgery(
        &self,
        headers: &HeaderMap,
        known: bool,
    ) -> Result<Located<'static>, ProxyError> {
        let guarded = |header: &&HeaderName| self.guarded().any(|name| alike(name, header));
        if let Some(header) = headers.keys().find(guarded) {
            let header = header.clone();
            return Err(if known {
                ProxyError::WrongSecret { header }
            } else {
                ProxyError::Forged { header }
            });
        }
        Ok(Located {
            certificate: None,
            chain: Vec::new(),
            verdict: self.no_verdict(),
            user: None,
            address: None,
            request_id: None,
            trusted: false,
        })
    }

    /// A secret that is not asked for is not read, so nothing can be taken for it.
    fn refuse_look_alikes(&self, headers: &HeaderMap) -> Result<(), ProxyError> {
        let asked = |name: &&HeaderName| self.secret.is_some() || **name != self.secret_header;
        for header in headers.keys() {
            let like = |name: &&HeaderName| *name != header && alike(name, header);
            if let Some(configured) = self.guarded().filter(asked).find(like) {
                return Err(ProxyError::LookAlike {
                    header: header.clone(),
                    configured: configured.clone(),
                });
            }
        }
        Ok(())
    }

    fn verdict(&self, headers: &HeaderMap) -> Result<Verdict, ProxyError> {
        let Some(name) = &self.headers.verify.name else {
            return Ok(Verdict::NotAsked);
        };
        Ok(match one_line(headers, name)? {
            None | Some(b"") => self.no_verdict(),
            Some(b"SUCCESS") => Verdict::Success,
            Some(other) => Verdict::Failed(printable(other)),
        })
    }

    fn no_verdict(&self) -> Verdict {
        let verify = &self.headers.verify;
        verify
            .name
            .as_ref()
            .map_or(Verdict::NotAsked, |_| Verdict::Absent {
                required: verify.required,
            })
    }
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

    /// SHA-256 over the certificate and the chain, each with its length before it: equal keys mean
    /// equal values, so that what one gave the other gives. None without a certificate.
    pub fn key(&self) -> Option<Digest> {
        let certificate = self.certificate?;
        let mut hash = Sha256::new();
        for value in std::iter::once(&certificate).chain(&self.chain) {
            hash.update(value.len().to_be_bytes());
            hash.update(value);
        }
        Some(Digest::from_octets(hash.finalize().into()))
    }
}

/// Whether two names are one after folding `_` to `-`; their case is folded already.
fn alike(one: &HeaderName, other: &HeaderName) -> bool {
    let fold = |byte: u8| if byte == b'_' { b'-' } else { byte };
    let (one, other) = (one.as_str().as_bytes(), other.as_str().as_bytes());
    let mut pairs = one.iter().zip(other);
    one.len() == other.len() && pairs.all(|(&one, &other)| fold(one) == fold(other))
}

/// The value of a header that may come once, without the blanks around it.
fn one_line<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a [u8]>, ProxyError> {
    let mut lines = headers.get_all(name).iter();
    let Some(line) = lines.next() else {
        return Ok(None);
    };
    if lines.next().is_some() {
        return Err(ProxyError::Duplicate {
            header: name.clone(),
        });
    }
    bounded(name, line.len())?;
    Ok(Some(line.as_bytes().trim_ascii()))
}

/// The lines of the chain header, of which only RFC 9440's may be several.
fn chain_lines<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Vec<&'a [u8]>, ProxyError> {
    let lines = headers.get_all(name).iter();
    bounded(name, lines.map(http::HeaderValue::len).sum())?;
    let lines = headers.get_all(name).iter();
    let lines: Vec<&[u8]> = lines.map(|line| line.as_bytes().trim_ascii()).collect();
    let list = |line: &&[u8]| line.is_empty() || line.starts_with(b":");
    if lines.len() > 1 && !lines.iter().all(list) {
        return Err(ProxyError::Duplicate {
            header: name.clone(),
        });
    }
    let said = lines.into_iter().filter(|line| !says_absent(line));
    Ok(said.collect())
}

fn bounded(name: &HeaderName, octets: usize) -> Result<(), ProxyError> {
    if octets <= MAX_OCTETS {
        return Ok(());
    }
    Err(ProxyError::TooLarge {
        header: name.clone(),
        octets,
    })
}

/// A user name: text without control characters, 256 octets at most, `None` where it says so.
fn user(name: &HeaderName, value: &[u8]) -> Result<Option<String>, ProxyError> {
    if says_absent(value) {
        return Ok(None);
    }
    std::str::from_utf8(value)
        .ok()
        .filter(|text| text.len() <= 256 && !text.contains(char::is_control))
        .map(|text| Some(text.to_owned()))
        .ok_or_else(|| ProxyError::User {
            header: name.clone(),
        })
}

/// Text for the log out of octets that anybody may have written.
fn printable(octets: &[u8]) -> Box<str> {
    let shown = |&byte: &u8| match byte {
        b' '..=b'~' => char::from(byte),
        _ => '?',
    };
    octets.iter().take(128).map(shown).collect()
}

#[cfg(test)]
mod tests;
