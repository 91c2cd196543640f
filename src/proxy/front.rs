//! When a certificate is believed: the checks on the header set (RFC 9440 sections 2 and 4).
//!
//! Which headers are read is configured, and no other is, whatever its name promises. `Connection`
//! names no header that is left out here: it is the web server's own (RFC 9110 section 7.6.1).

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::absent::says_absent;
use super::lines::{alike, chain_lines, one_line, user};
use super::{
    Encoding, Forwarded, ForwardedCertificate, Located, MAX_CHAIN, Peer, ProxyError, ProxySecret,
    TrustedPeers, Verdict, decode_chain, hop,
};

mod parameters;
pub use parameters::Parameters;

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
    /// A bit for each length that a guarded name has, so that most names need not be compared with any.
    lengths: u128,
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
        let mut front = Self {
            trusted,
            secret,
            secret_header: ProxySecret::header(),
            headers,
            encoding,
            lengths: 0,
        };
        front.lengths = front.guarded().fold(0, |all, name| all | length(name));
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
        let lines = |name| headers.get_all(name).iter().map(HeaderValue::as_bytes);
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
            encoding: self.encoding,
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
        let Some((decoded, encoding)) = located.encoding.decode_as(value)? else {
            return Ok(None);
        };
        let mut chain = decoded.chain;
        chain.extend(beside);
        chain.retain(|der| *der != decoded.leaf);
        if chain.len() > MAX_CHAIN {
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
    pub fn guarded(&self) -> impl Iterator<Item = &HeaderName> {
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
        let as_long = |header: &&HeaderName| self.lengths & length(header) != 0;
        if let Some(header) = headers.keys().filter(as_long).find(guarded) {
            let header = header.clone();
            return Err(if known {
                ProxyError::WrongSecret { header }
            } else {
                ProxyError::Forged { header }
            });
        }
        Ok(self.stranger())
    }

    /// A request without a certificate, whoever sends it.
    fn stranger<'a>(&self) -> Located<'a> {
        Located {
            certificate: None,
            chain: Vec::new(),
            verdict: self.no_verdict(),
            user: None,
            address: None,
            request_id: None,
            trusted: false,
            encoding: self.encoding,
        }
    }

    /// A secret that is not asked for is not read, so nothing can be taken for it.
    fn refuse_look_alikes(&self, headers: &HeaderMap) -> Result<(), ProxyError> {
        let asked = |name: &&HeaderName| self.secret.is_some() || **name != self.secret_header;
        let as_long = |header: &&HeaderName| self.lengths & length(header) != 0;
        for header in headers.keys().filter(as_long) {
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
            None => self.no_verdict(),
            Some(value) => Verdict::said(value),
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

/// The bit of that name's length; all long ones share one.
fn length(name: &HeaderName) -> u128 {
    1 << name.as_str().len().min(127)
}

#[cfg(test)]
mod tests;
