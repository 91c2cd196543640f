//! The issuer identifier and the URLs that follow from it (RFC 8414 sections 2 and 3, RFC 8705 section 5).
//!
//! An issuer is compared character by character everywhere (RFC 9207 section 2.4), so the text is
//! kept as it was written and a spelling that software on the way might normalise is refused.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use url::{Host, Url};

const OAUTH_METADATA: &str = "/.well-known/oauth-authorization-server";
const OPENID_METADATA: &str = "/.well-known/openid-configuration";

/// A URL under which endpoints live: `https`, a host, perhaps a port and a path, and nothing else.
/// `http` is for loopback hosts only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BaseUrl {
    text: String,
    path_at: usize,
}

impl BaseUrl {
    /// Exactly what was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path that comes before an endpoint's name: empty, or like `/oauth2`.
    pub fn path(&self) -> &str {
        self.text[self.path_at..].trim_end_matches('/')
    }

    /// Scheme and authority, for example `https://as.example.com:8443`.
    pub fn origin(&self) -> &str {
        &self.text[..self.path_at]
    }

    /// The URL of an endpoint, which is named without a leading slash: `token` gives
    /// `https://as.example.com/oauth2/token`.
    pub fn url_of(&self, endpoint: &str) -> String {
        format!("{}{}/{endpoint}", self.origin(), self.path())
    }

    /// The path of an endpoint as a request bears it: `token` gives `/oauth2/token`.
    pub fn path_of(&self, endpoint: &str) -> String {
        format!("{}/{endpoint}", self.path())
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for BaseUrl {
    type Err = NotABaseUrl;

    fn from_str(text: &str) -> Result<Self, NotABaseUrl> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains(['\\', '"', '<', '>'])
        {
            return Err(NotABaseUrl::Characters);
        }
        let (plain, rest) = if let Some(rest) = text.strip_prefix("https://") {
            (false, rest)
        } else if let Some(rest) = text.strip_prefix("http://") {
            (true, rest)
        } else {
            return Err(NotABaseUrl::Scheme);
        };
        if rest.contains(['?', '#']) {
            return Err(NotABaseUrl::QueryOrFragment);
        }
        let authority = &rest[..rest.find('/').unwrap_or(rest.len())];
        if authority.contains('@') {
            return Err(NotABaseUrl::UserInformation);
        }
        let host = authority_of(text, authority)?;
        if plain && !is_loopback(&host) {
            return Err(NotABaseUrl::Plain);
        }
        let path_at = text.len() - rest.len() + authority.len();
        check_path(&text[path_at..])?;
        Ok(Self {
            text: text.to_owned(),
            path_at,
        })
    }
}

/// The host of that authority, which must be spelled the way URL libraries would spell it.
fn authority_of(text: &str, authority: &str) -> Result<Host<String>, NotABaseUrl> {
    let (host, port) = match authority.rfind(':') {
        Some(at) if !authority[at..].contains(']') => {
            (&authority[..at], Some(&authority[at + 1..]))
        }
        _ => (authority, None),
    };
    if host.is_empty() {
        return Err(NotABaseUrl::Host);
    }
    if let Some(port) = port {
        let number: u16 = port.parse().map_err(|_| NotABaseUrl::Port)?;
        if number == 0 || number.to_string() != port {
            return Err(NotABaseUrl::Port);
        }
    }
    let parsed = Url::parse(text).map_err(|_| NotABaseUrl::Host)?;
    match (parsed.host_str(), parsed.host()) {
        (Some(normal), Some(parsed)) if normal == host => Ok(parsed.to_owned()),
        _ => Err(NotABaseUrl::Host),
    }
}

fn is_loopback(host: &Host<String>) -> bool {
    match host {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => IpAddr::V4(*address).is_loopback(),
        Host::Ipv6(address) => IpAddr::V6(*address).is_loopback(),
    }
}

/// The path is empty, the root alone, or non-empty segments of unreserved characters and
/// sub-delimiters (RFC 3986 section 3.3) that nothing on the way would rewrite.
fn check_path(path: &str) -> Result<(), NotABaseUrl> {
    if path.is_empty() || path == "/" {
        return Ok(());
    }
    if path.contains('%') {
        return Err(NotABaseUrl::Escapes);
    }
    if path.contains("//") {
        return Err(NotABaseUrl::EmptySegment);
    }
    if path.ends_with('/') {
        return Err(NotABaseUrl::TrailingSlash);
    }
    if path
        .split('/')
        .any(|segment| segment == "." || segment == "..")
    {
        return Err(NotABaseUrl::DotSegment);
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte);
    if !path.bytes().all(fits) {
        return Err(NotABaseUrl::Characters);
    }
    Ok(())
}

/// Why a text is no [`BaseUrl`]. It is not repeated in the message, as it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotABaseUrl {
    /// Something other than printable ASCII, or a character that URLs do not have.
    Characters,
    /// Neither `https://` nor `http://`, in lower case.
    Scheme,
    /// `http://` and a host that is not loopback.
    Plain,
    /// No host, or one that libraries would rewrite.
    Host,
    /// A port that is no number from 1 to 65535.
    Port,
    /// A user name or password.
    UserInformation,
    /// A query or a fragment.
    QueryOrFragment,
    /// A path that ends in a slash.
    TrailingSlash,
    /// Two slashes in a row.
    EmptySegment,
    /// `.` or `..` as a segment.
    DotSegment,
    /// A percent sign.
    Escapes,
}

impl NotABaseUrl {
    /// What is wrong.
    pub const fn problem(self) -> &'static str {
        match self {
            Self::Characters => "the URL has characters that do not belong there",
            Self::Scheme => "the URL does not begin with https://",
            Self::Plain => "the URL is plain http on a host that is not loopback",
            Self::Host => "the URL's host is missing or not in its normal form",
            Self::Port => "the URL's port is not a number from 1 to 65535",
            Self::UserInformation => "the URL has a user name in it",
            Self::QueryOrFragment => "the URL has a query or a fragment",
            Self::TrailingSlash => "the URL's path ends in a slash",
            Self::EmptySegment => "the URL's path has two slashes in a row",
            Self::DotSegment => "the URL's path has a segment that is . or ..",
            Self::Escapes => "the URL's path has a percent sign",
        }
    }

    /// What to write instead.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Characters => "write plain ASCII, as in https://as.example.com/oauth2",
            Self::Scheme | Self::Plain => {
                "write https://, or http:// with localhost, 127.0.0.1 or [::1]"
            }
            Self::Host => "write the host in lower case (an international name in its xn-- form)",
            Self::Port => "write a port such as :8443, or none",
            Self::UserInformation => "write the host alone before the path",
            Self::QueryOrFragment => "write it up to the end of the path, without ? and #",
            Self::TrailingSlash => "write it without the slash at the end",
            Self::EmptySegment => "write one slash between segments",
            Self::DotSegment => "write the path without them",
            Self::Escapes => "write a path of letters, digits, - . _ and ~ only",
        }
    }
}

impl fmt::Display for NotABaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.problem(), self.remedy())
    }
}

impl std::error::Error for NotABaseUrl {}

/// The issuer identifier of this server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Issuer(BaseUrl);

impl Issuer {
    /// Exactly what was written: `iss` everywhere.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The path that comes before an endpoint's name: empty, or like `/oauth2`.
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// The URL of an endpoint named without a leading slash.
    pub fn url_of(&self, endpoint: &str) -> String {
        self.0.url_of(endpoint)
    }

    /// The issuer as what endpoints live under.
    pub const fn base(&self) -> &BaseUrl {
        &self.0
    }

    /// The paths at which metadata is served: RFC 8414 section 3 with the well-known part before
    /// the issuer's path, the same after it, and `OpenID` Connect Discovery. The first two are one
    /// where the issuer has no path.
    pub fn metadata_paths(&self) -> Vec<String> {
        let path = self.path();
        let mut paths = vec![format!("{OAUTH_METADATA}{path}")];
        if !path.is_empty() {
            paths.push(format!("{path}{OAUTH_METADATA}"));
        }
        paths.push(format!("{path}{OPENID_METADATA}"));
        paths
    }

    /// Where a client looks first (RFC 8414 section 3): the well-known part between host and path.
    pub fn metadata_url(&self) -> String {
        format!("{}{OAUTH_METADATA}{}", self.0.origin(), self.path())
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Issuer {
    type Err = NotABaseUrl;

    fn from_str(text: &str) -> Result<Self, NotABaseUrl> {
        text.parse().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_from_an_issuer() {
        for (text, path, token) in [
            (
                "https://as.example.com/oauth2",
                "/oauth2",
                "https://as.example.com/oauth2/token",
            ),
            ("https://as.example.com", "", "https://as.example.com/token"),
            (
                "https://as.example.com/",
                "",
                "https://as.example.com/token",
            ),
            (
                "https://as.example.com:8443/a/b",
                "/a/b",
                "https://as.example.com:8443/a/b/token",
            ),
            (
                "http://127.0.0.1:9400/x",
                "/x",
                "http://127.0.0.1:9400/x/token",
            ),
            ("http://[::1]:9400", "", "http://[::1]:9400/token"),
            ("http://localhost", "", "http://localhost/token"),
        ] {
            let issuer: Issuer = text.parse().expect(text);
            assert_eq!(issuer.as_str(), text);
            assert_eq!(issuer.path(), path, "{text}");
            assert_eq!(issuer.url_of("token"), token);
        }
    }

    #[test]
    fn what_is_no_issuer() {
        use NotABaseUrl as No;
        for (text, why) in [
            ("", No::Scheme),
            ("as.example.com", No::Scheme),
            ("HTTPS://as.example.com", No::Scheme),
            ("ftp://as.example.com", No::Scheme),
            ("http://as.example.com", No::Plain),
            ("http://127.0.0.1.example.com", No::Plain),
            ("https://", No::Host),
            ("https:///oauth2", No::Host),
            ("https://AS.example.com", No::Host),
            ("https://0x7f.1", No::Host),
            ("https://a b", No::Characters),
            ("https://bücher.example", No::Characters),
            ("https://as.example.com\\@evil.example", No::Characters),
            ("https://as.example.com:", No::Port),
            ("https://as.example.com:0", No::Port),
            ("https://as.example.com:0443", No::Port),
            ("https://as.example.com:99999", No::Port),
            ("https://u:hunter2@as.example.com", No::UserInformation),
            ("https://as.example.com?x=1", No::QueryOrFragment),
            ("https://as.example.com/a#b", No::QueryOrFragment),
            ("https://as.example.com/oauth2/", No::TrailingSlash),
            ("https://as.example.com//", No::EmptySegment),
            ("https://as.example.com/a//b", No::EmptySegment),
            ("https://as.example.com/a/../b", No::DotSegment),
            ("https://as.example.com/a/.", No::DotSegment),
            ("https://as.example.com/%2e%2e", No::Escapes),
            ("https://as.example.com/{x}", No::Characters),
        ] {
            assert_eq!(text.parse::<Issuer>().err(), Some(why), "{text}");
            assert!(!why.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn metadata_is_found_in_every_form() {
        let issuer: Issuer = "https://as.example.com/oauth2".parse().expect("an issuer");
        assert_eq!(
            issuer.metadata_paths(),
            [
                "/.well-known/oauth-authorization-server/oauth2",
                "/oauth2/.well-known/oauth-authorization-server",
                "/oauth2/.well-known/openid-configuration",
            ]
        );
        assert_eq!(
            issuer.metadata_url(),
            "https://as.example.com/.well-known/oauth-authorization-server/oauth2"
        );
        let root: Issuer = "https://as.example.com/".parse().expect("an issuer");
        assert_eq!(
            root.metadata_paths(),
            [
                "/.well-known/oauth-authorization-server",
                "/.well-known/openid-configuration",
            ]
        );
    }
}
