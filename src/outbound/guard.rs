//! Which URLs may be called (RFC 3986, as the URL standard reads it).
//!
//! This file resolves nothing and calls nothing. A [`Destination`] is a URL that may be called if its
//! host turns out to be at addresses that [`Policy::admits`].

use std::fmt;
use std::net::IpAddr;

use http::Uri;
use http::uri::PathAndQuery;
use rustls_pki_types::ServerName;
use url::{Host, Position, Url};

use crate::outbound::address::Policy;

/// The longest URL that is read, in octets.
const LONGEST_URL: usize = 2048;

/// A URL that may be called, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    url: Box<str>,
    host: Host<String>,
    port: u16,
    authority: Box<str>,
    target: Uri,
    tls: Option<ServerName<'static>>,
}

impl Destination {
    /// Reads an absolute URL: https, a host, no user information, no fragment. With
    /// [`Policy::AllowPrivate`], also http where the host is a loopback address or `localhost`.
    ///
    /// A host that is an address, in any spelling, must be one that the policy admits; names are
    /// judged by what they resolve to, when they are called.
    pub fn parse(text: &str, policy: Policy) -> Result<Self, NotADestination> {
        if text.len() > LONGEST_URL {
            return Err(NotADestination::TooLong);
        }
        // The URL standard drops tabs and newlines, turns `\` into `/` and mends missing slashes.
        // What needs mending is refused, so that nobody else can read the same text differently.
        if !text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') {
            return Err(NotADestination::Characters);
        }
        let (_, rest) = text.split_once("://").ok_or(NotADestination::NotAUrl)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.is_empty() {
            return Err(NotADestination::NoHost);
        }
        let url = Url::parse(text).map_err(|_| NotADestination::NotAUrl)?;
        let secure = match (url.scheme(), policy) {
            ("https", _) => true,
            ("http", Policy::AllowPrivate) => false,
            _ => return Err(NotADestination::Scheme),
        };
        if authority.contains('@') {
            return Err(NotADestination::UserInformation);
        }
        if url.fragment().is_some() {
            return Err(NotADestination::Fragment);
        }
        let host = url.host().ok_or(NotADestination::NoHost)?.to_owned();
        admissible(&host, policy, secure)?;
        let port = url
            .port_or_known_default()
            .filter(|port| *port != 0)
            .ok_or(NotADestination::NotAUrl)?;
        let target = PathAndQuery::try_from(&url[Position::BeforePath..Position::AfterQuery])
            .map_err(|_| NotADestination::NotAUrl)?;
        let tls = secure.then(|| server_name(&host)).transpose()?;
        Ok(Self {
            authority: url[Position::BeforeHost..Position::AfterPort].into(),
            url: String::from(url).into_boxed_str(),
            host,
            port,
            target: Uri::from(target),
            tls,
        })
    }

    /// The URL, in its normal form.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// The host: a name to resolve or an address.
    pub const fn host(&self) -> &Host<String> {
        &self.host
    }

    /// The port, written or implied.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What the `Host` header says (RFC 9112 section 3.2).
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The request target in origin form: path and query (RFC 9112 section 3.2.1).
    pub const fn target(&self) -> &Uri {
        &self.target
    }

    /// The name that the other side's certificate must have; `None` for plain http.
    pub const fn server_name(&self) -> Option<&ServerName<'static>> {
        self.tls.as_ref()
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

/// Why a text is not a URL that may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotADestination {
    /// It is longer than any that is read.
    TooLong,
    /// It has characters that a URL has only when escaped.
    Characters,
    /// It is not an absolute URL.
    NotAUrl,
    /// It is not https.
    Scheme,
    /// It has no host.
    NoHost,
    /// It has a user name or password.
    UserInformation,
    /// It has a fragment.
    Fragment,
    /// It has a query, where there must be none.
    Query,
    /// Its host is an address that may not be called.
    Address(IpAddr),
    /// Its host is a name of this machine.
    Local,
    /// Its host is not this machine, and it is plain http.
    PlainHttp,
}

impl fmt::Display for NotADestination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "it is longer than {LONGEST_URL} octets"),
            Self::Characters => f.write_str(
                "it has spaces, backslashes or characters outside ASCII: escape them with %, and \
                 write the host in its ASCII form",
            ),
            Self::NotAUrl => f.write_str("write an absolute URL, https://HOST/PATH"),
            Self::Scheme => f.write_str("write an https URL"),
            Self::NoHost => f.write_str("it has no host: write https://HOST/PATH"),
            Self::UserInformation => {
                f.write_str("leave out the user name and password before the host")
            }
            Self::Fragment => f.write_str("leave out the # and what follows"),
            Self::Query => f.write_str("leave out the ? and what follows"),
            Self::Address(address) => write!(
                f,
                "{address} is not a public address (private and loopback addresses need \
                 --outbound-allow-private)"
            ),
            Self::Local => f.write_str(
                "its host is this machine (loopback addresses need --outbound-allow-private)",
            ),
            Self::PlainHttp => {
                f.write_str("plain http is for loopback addresses only: write an https URL")
            }
        }
    }
}

impl std::error::Error for NotADestination {}

/// Judges a host as far as that is possible before it is resolved.
fn admissible(host: &Host<String>, policy: Policy, secure: bool) -> Result<(), NotADestination> {
    let address = match host {
        Host::Ipv4(address) => IpAddr::V4(*address),
        Host::Ipv6(address) => IpAddr::V6(*address),
        Host::Domain(name) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            let local = name == "localhost" || name.ends_with(".localhost");
            return match (policy, secure) {
                (Policy::Public, _) if local => Err(NotADestination::Local),
                (_, false) if !local => Err(NotADestination::PlainHttp),
                _ => Ok(()),
            };
        }
    };
    if policy.admits(address, secure) {
        Ok(())
    } else if !secure && policy.admits(address, true) {
        Err(NotADestination::PlainHttp)
    } else {
        Err(NotADestination::Address(address))
    }
}

fn server_name(host: &Host<String>) -> Result<ServerName<'static>, NotADestination> {
    match host {
        Host::Domain(name) => {
            ServerName::try_from(name.clone()).map_err(|_| NotADestination::NoHost)
        }
        Host::Ipv4(address) => Ok(ServerName::from(IpAddr::V4(*address))),
        Host::Ipv6(address) => Ok(ServerName::from(IpAddr::V6(*address))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address of this table")
    }

    #[test]
    fn destinations() {
        for (text, authority, target, port) in [
            ("https://a.test", "a.test", "/", 443),
            ("https://a.test:443/", "a.test", "/", 443),
            ("https://A.test:8443/k?x=1", "a.test:8443", "/k?x=1", 8443),
            ("HTTPS://8.8.8.8/jwks", "8.8.8.8", "/jwks", 443),
            ("https://[2606:4700::1111]/", "[2606:4700::1111]", "/", 443),
            ("https://a.test/@b", "a.test", "/@b", 443),
        ] {
            let to = Destination::parse(text, Policy::Public).expect(text);
            assert_eq!(to.authority(), authority, "{text}");
            assert_eq!(to.target(), target, "{text}");
            assert_eq!(to.port(), port, "{text}");
            assert!(to.server_name().is_some(), "{text}");
        }
    }

    #[test]
    fn hostile_destinations() {
        use NotADestination as Not;
        let at = |text| Not::Address(address(text));
        let long = format!("https://a.test/{}", "a".repeat(LONGEST_URL));
        for (text, fault) in [
            ("", Not::NotAUrl),
            ("a.test/jwks", Not::NotAUrl),
            ("https:a.test", Not::NotAUrl),
            ("https:/a.test", Not::NotAUrl),
            ("https:///a.test", Not::NoHost),
            ("https://", Not::NoHost),
            ("https://?x", Not::NoHost),
            ("http://a.test/", Not::Scheme),
            ("http://127.0.0.1/", Not::Scheme),
            ("file:///etc/passwd", Not::NoHost),
            ("file://host/etc/passwd", Not::Scheme),
            ("ftp://a.test/", Not::Scheme),
            ("gopher://a.test/", Not::Scheme),
            ("data://a.test/", Not::Scheme),
            ("https://user@a.test", Not::UserInformation),
            ("https://user:word@a.test", Not::UserInformation),
            ("https://@a.test", Not::UserInformation),
            ("https://8.8.8.8@127.0.0.1/", Not::UserInformation),
            ("https://a.test/#part", Not::Fragment),
            ("https://a.test/#", Not::Fragment),
            ("https://a.test:0/", Not::NotAUrl),
            ("https://a.test:65536/", Not::NotAUrl),
            ("https://a.test\\@b.test/", Not::Characters),
            ("https://a.test/ b", Not::Characters),
            (" https://a.test/", Not::Characters),
            ("https://a.te\tst/", Not::Characters),
            ("https://a.test/\r\nHost: b", Not::Characters),
            ("https://ä.test/", Not::Characters),
            ("https://a.test/\0", Not::Characters),
            (&long, Not::TooLong),
            ("https://127.0.0.1/", at("127.0.0.1")),
            ("https://127.0.0.1./", at("127.0.0.1")),
            ("https://127.1/", at("127.0.0.1")),
            ("https://0x7f.1/", at("127.0.0.1")),
            ("https://0x7f000001/", at("127.0.0.1")),
            ("https://2130706433/", at("127.0.0.1")),
            ("https://0177.0.0.01/", at("127.0.0.1")),
            ("https://0/", at("0.0.0.0")),
            ("https://%31%32%37.1/", at("127.0.0.1")),
            ("https://169.254.169.254/", at("169.254.169.254")),
            ("https://10.0.0.1/", at("10.0.0.1")),
            ("https://[::1]/", at("::1")),
            ("https://[::ffff:127.0.0.1]/", at("::ffff:127.0.0.1")),
            ("https://[::ffff:7f00:1]/", at("::ffff:127.0.0.1")),
            ("https://[fe80::1%25eth0]/", Not::NotAUrl),
            ("https://[fd00:ec2::254]/", at("fd00:ec2::254")),
            ("https://localhost/", Not::Local),
            ("https://LOCALHOST/", Not::Local),
            ("https://localhost./", Not::Local),
            ("https://a.localhost/", Not::Local),
        ] {
            assert_eq!(
                Destination::parse(text, Policy::Public),
                Err(fault),
                "{text}"
            );
        }
    }

    #[test]
    fn destinations_with_private_allowed() {
        use NotADestination as Not;
        for text in [
            "https://localhost/",
            "https://127.0.0.1:8443/",
            "https://10.1.2.3/",
            "https://[fd12::1]/",
            "https://a.test/",
            "http://localhost:8080/",
            "http://127.0.0.1:8080/",
            "http://[::1]:8080/",
        ] {
            let to = Destination::parse(text, Policy::AllowPrivate).expect(text);
            assert_eq!(
                to.server_name().is_some(),
                text.starts_with("https"),
                "{text}"
            );
        }
        for (text, fault) in [
            ("http://a.test/", Not::PlainHttp),
            ("http://10.0.0.1/", Not::PlainHttp),
            ("http://8.8.8.8/", Not::PlainHttp),
            (
                "http://169.254.169.254/",
                Not::Address(address("169.254.169.254")),
            ),
            (
                "https://169.254.169.254/",
                Not::Address(address("169.254.169.254")),
            ),
            ("https://0.0.0.0/", Not::Address(address("0.0.0.0"))),
            ("ftp://localhost/", Not::Scheme),
            ("ws://localhost/", Not::Scheme),
        ] {
            let outcome = Destination::parse(text, Policy::AllowPrivate);
            assert_eq!(outcome, Err(fault), "{text}");
        }
    }
}
