//! Redirection URIs (RFC 6749 section 3.1.2, RFC 9700 section 2.1, RFC 8252 sections 7 and 8.3): which may
//! be registered, and which one of a request is the registered one.
//!
//! They are compared as the strings they are. The one thing that may differ is the port of a registered
//! loopback address, which a native application learns only when it starts (RFC 8252 section 7.3).
//! `http://localhost` may be registered, as everybody's development set-up has it, but gets no such
//! freedom: RFC 8252 section 8.3 recommends against the name, which may resolve to another machine.

use std::fmt;

use url::{Host, Url};

/// How long one may be; browsers and proxies cut longer ones.
const LONGEST: usize = 2048;

/// Where a redirection URI leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A web server, by `https`.
    Web,
    /// The user's own machine, by `http` and an IP literal: the port is free.
    LoopbackAddress,
    /// The user's own machine, by `http://localhost`: compared like any other.
    Localhost,
    /// An application that owns a private-use scheme (RFC 8252 section 7.1); for native clients.
    Application,
}

/// A redirection URI as it is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectUri {
    text: String,
    destination: Destination,
}

impl RedirectUri {
    /// Takes what may be registered.
    pub fn parse(text: &str) -> Result<Self, NotARedirectUri> {
        if text.len() > LONGEST {
            return Err(NotARedirectUri::Length);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic())
            || text.contains(['\\', '"', '<', '>', '^', '`', '{', '|', '}'])
        {
            return Err(NotARedirectUri::Characters);
        }
        if text.contains('#') {
            return Err(NotARedirectUri::Fragment);
        }
        if text.contains('*') {
            return Err(NotARedirectUri::Wildcard);
        }
        let (scheme, rest) = text.split_once(':').ok_or(NotARedirectUri::Relative)?;
        let destination = match scheme {
            "https" => {
                authority(text, rest)?;
                Destination::Web
            }
            "http" => match authority(text, rest)? {
                Host::Ipv4(address) if address.octets() == [127, 0, 0, 1] => {
                    Destination::LoopbackAddress
                }
                Host::Ipv6(address) if address.is_loopback() => Destination::LoopbackAddress,
                Host::Domain(name) if name == "localhost" => Destination::Localhost,
                _ => return Err(NotARedirectUri::Plain),
            },
            private if is_private_use(private) && rest.starts_with('/') && !rest.contains('@') => {
                Destination::Application
            }
            _ => return Err(NotARedirectUri::Scheme),
        };
        Ok(Self {
            text: text.to_owned(),
            destination,
        })
    }

    /// Exactly as it was registered.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where it leads.
    pub const fn destination(&self) -> Destination {
        self.destination
    }

    /// Whether the URI of a request is this one (RFC 6749 section 3.1.2.3): the same string, or the same
    /// but for the port where this is a loopback address.
    pub fn matches(&self, asked: &str) -> bool {
        if asked == self.text {
            return true;
        }
        self.destination == Destination::LoopbackAddress
            && matches!(
                (without_port(&self.text), without_port(asked)),
                (Some(ours), Some(theirs)) if ours == theirs
            )
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What stands before and after the port of an `http` URI; `None` where the port is not one.
fn without_port(text: &str) -> Option<(&str, &str)> {
    let start = "http://".len();
    let rest = text.strip_prefix("http://")?;
    let authority = start + rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, after) = text.split_at(authority);
    let Some(at) = authority.rfind(':').filter(|at| {
        // The colons of an IPv6 literal stand before its bracket, that of the scheme before the slashes.
        *at >= start && !authority[*at..].contains(']')
    }) else {
        return Some((authority, after));
    };
    let port = &authority[at + 1..];
    let number: u16 = port.parse().ok()?;
    (number != 0 && number.to_string() == port).then_some((&authority[..at], after))
}

/// The host, where the authority and the path are spelled the way a browser would send them on.
fn authority(text: &str, rest: &str) -> Result<Host<String>, NotARedirectUri> {
    let rest = rest.strip_prefix("//").ok_or(NotARedirectUri::Relative)?;
    let (authority, after) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err(NotARedirectUri::UserInformation);
    }
    let host = match authority.rfind(':') {
        Some(at) if !authority[at..].contains(']') => {
            let port = &authority[at + 1..];
            let number: u16 = port.parse().map_err(|_| NotARedirectUri::Port)?;
            if number == 0 || number.to_string() != port {
                return Err(NotARedirectUri::Port);
            }
            &authority[..at]
        }
        _ => authority,
    };
    // Libraries skip further slashes and take what follows for the host.
    if host.is_empty() {
        return Err(NotARedirectUri::Host);
    }
    let parsed = Url::parse(text).map_err(|_| NotARedirectUri::Host)?;
    let path = after.split('?').next().unwrap_or_default();
    if parsed.path() != path && !(path.is_empty() && parsed.path() == "/") {
        return Err(NotARedirectUri::Path);
    }
    match (parsed.host_str(), parsed.host()) {
        (Some(normal), Some(found)) if normal == host => Ok(found.to_owned()),
        _ => Err(NotARedirectUri::Host),
    }
}

/// A reverse domain name, so that it belongs to somebody: with a dot, which no scheme that browsers
/// run or read by themselves has.
fn is_private_use(scheme: &str) -> bool {
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.bytes().all(fits)
        && scheme.contains('.')
        && scheme.split('.').all(|label| !label.is_empty())
}

/// Why a text may not be registered as a redirection URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotARedirectUri {
    /// More than 2048 characters.
    Length,
    /// Something other than printable ASCII, or a character that URIs do not have.
    Characters,
    /// It has a fragment (RFC 6749 section 3.1.2).
    Fragment,
    /// It has an asterisk, as a pattern would.
    Wildcard,
    /// It has no scheme or no authority.
    Relative,
    /// A scheme that is none of `https`, `http` and private-use ones.
    Scheme,
    /// `http` to another machine (RFC 9700 section 2.1).
    Plain,
    /// A user name or password.
    UserInformation,
    /// A port that is no number from 1 to 65535 in its shortest spelling.
    Port,
    /// No host, or one that a browser would write differently.
    Host,
    /// A path that a browser would write differently.
    Path,
}

impl fmt::Display for NotARedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "it has more than 2048 characters; write a shorter URI",
            Self::Characters => {
                "it has characters that no URI has; write plain ASCII, others percent-encoded (a host in its xn-- form)"
            }
            Self::Fragment => "it has a fragment; take away the # and what follows",
            Self::Wildcard => "patterns are not read, URIs are compared as strings; write out each one",
            Self::Relative => "it is not absolute; write it from https:// on",
            Self::Scheme => {
                "its scheme is not one that may be used; write https, http for the user's own machine, or a reverse domain name as in com.example.app:/callback"
            }
            Self::Plain => "it is plain http to another machine; write https, or http with 127.0.0.1, [::1] or localhost",
            Self::UserInformation => "it has a user name in it; write the host alone before the path",
            Self::Port => "its port is not a number from 1 to 65535; write one such as :8443, or none",
            Self::Host => "its host is missing or not in its normal form; write it in lower case (an international name in its xn-- form)",
            Self::Path => "its path is not in its normal form; write it without . and .. segments, as a browser would send it",
        })
    }
}

impl std::error::Error for NotARedirectUri {}

#[cfg(test)]
mod tests {
    use super::*;

    /// OA-09, BCP-01, RFC 8252 section 7.
    #[test]
    fn what_may_be_registered() {
        use NotARedirectUri as Not;
        let long = format!("https://a.example/{}", "a".repeat(2048));
        for (text, expected) in [
            ("https://app.example/cb", Ok(Destination::Web)),
            ("https://app.example", Ok(Destination::Web)),
            (
                "https://app.example:8443/cb?tenant=1&x=%20",
                Ok(Destination::Web),
            ),
            ("https://app.example?x=1", Ok(Destination::Web)),
            ("https://xn--bcher-kva.example/cb", Ok(Destination::Web)),
            ("https://[2001:db8::1]/cb", Ok(Destination::Web)),
            ("http://127.0.0.1/cb", Ok(Destination::LoopbackAddress)),
            ("http://127.0.0.1:9000/cb", Ok(Destination::LoopbackAddress)),
            ("http://[::1]:9000/cb", Ok(Destination::LoopbackAddress)),
            ("http://localhost:9000/cb", Ok(Destination::Localhost)),
            ("com.example.app:/cb", Ok(Destination::Application)),
            ("com.example.app://cb/x", Ok(Destination::Application)),
            ("", Err(Not::Relative)),
            ("/cb", Err(Not::Relative)),
            ("//app.example/cb", Err(Not::Relative)),
            ("https:app.example/cb", Err(Not::Relative)),
            ("https:/app.example/cb", Err(Not::Relative)),
            ("https:///cb", Err(Not::Host)),
            ("https://", Err(Not::Host)),
            ("https://app.example/cb#", Err(Not::Fragment)),
            ("https://app.example/cb#x", Err(Not::Fragment)),
            ("https://app.example/*", Err(Not::Wildcard)),
            ("https://*.app.example/cb", Err(Not::Wildcard)),
            ("https://user@app.example/cb", Err(Not::UserInformation)),
            ("https://user:pw@app.example/cb", Err(Not::UserInformation)),
            (
                "https://app.example@evil.example/cb",
                Err(Not::UserInformation),
            ),
            ("https://APP.example/cb", Err(Not::Host)),
            ("https://0x7f.1/cb", Err(Not::Host)),
            ("https://app.example:0/cb", Err(Not::Port)),
            ("https://app.example:+1/cb", Err(Not::Port)),
            ("https://app.example:080/cb", Err(Not::Port)),
            ("https://app.example:99999/cb", Err(Not::Port)),
            ("https://app.example:/cb", Err(Not::Port)),
            ("https://app.example/a/../cb", Err(Not::Path)),
            ("https://app.example/%2e%2e/cb", Err(Not::Path)),
            ("https://app.example/a b", Err(Not::Characters)),
            ("https://app.example\\cb", Err(Not::Characters)),
            ("https://app.example/\tcb", Err(Not::Characters)),
            ("https://app.example/cb\r\n", Err(Not::Characters)),
            ("https://bücher.example/cb", Err(Not::Characters)),
            ("http://example.com/cb", Err(Not::Plain)),
            ("http://127.0.0.2/cb", Err(Not::Plain)),
            ("http://127.0.0.1.evil.example/cb", Err(Not::Plain)),
            ("http://localhost.evil.example/cb", Err(Not::Plain)),
            ("http://127.1/cb", Err(Not::Host)),
            ("http://2130706433/cb", Err(Not::Host)),
            ("HTTPS://app.example/cb", Err(Not::Scheme)),
            ("javascript:alert(1)", Err(Not::Scheme)),
            ("data:text/html,x", Err(Not::Scheme)),
            ("file:///etc/passwd", Err(Not::Scheme)),
            ("vbscript:x", Err(Not::Scheme)),
            ("myapp:/cb", Err(Not::Scheme)),
            ("myapp.:/cb", Err(Not::Scheme)),
            (".app:/cb", Err(Not::Scheme)),
            ("com.example.app:cb", Err(Not::Scheme)),
            ("com.example.app://user@cb", Err(Not::Scheme)),
            ("urn:ietf:wg:oauth:2.0:oob", Err(Not::Scheme)),
            (&long, Err(Not::Length)),
        ] {
            let found = RedirectUri::parse(text).map(|uri| uri.destination());
            assert_eq!(found, expected, "{text}");
        }
    }

    /// OA-10 and the CVEs of Keycloak (`..;/`), Fosite and authentik: a string is itself.
    #[test]
    fn compared_as_strings() {
        let registered = RedirectUri::parse("https://app.example/cb?x=1").expect("one");
        assert!(registered.matches("https://app.example/cb?x=1"));
        for other in [
            "",
            "https://app.example/cb",
            "https://app.example/cb/?x=1",
            "https://app.example/cb?x=1&y=2",
            "https://app.example/cb?x=1#",
            "https://app.example/CB?x=1",
            "https://APP.example/cb?x=1",
            "HTTPS://app.example/cb?x=1",
            "https://app.example:443/cb?x=1",
            "https://app.example/%63b?x=1",
            "https://app.example/%2e/cb?x=1",
            "https://app.example/./cb?x=1",
            "https://app.example/a/../cb?x=1",
            "https://app.example/..;/cb?x=1",
            "https://app.example\\cb?x=1",
            "https://user@app.example/cb?x=1",
            "https://app.example@evil.example/cb?x=1",
            "https://app.example.evil.example/cb?x=1",
            "http://app.example/cb?x=1",
            "//app.example/cb?x=1",
            "https://app.example/cb?x=1 ",
            " https://app.example/cb?x=1",
            "https://app.example/\tcb?x=1",
            "https://xn--app-.example/cb?x=1",
            "https://app.example/cb?x=1\0",
        ] {
            assert!(!registered.matches(other), "{other:?}");
        }
    }

    /// BCP-01, RFC 8252 section 7.3: the port of a loopback address is free, and nothing else is.
    #[test]
    fn the_port_of_a_loopback_address_is_free() {
        for (registered, asked, same) in [
            ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb", true),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1/cb", true),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:2/cb", true),
            ("http://[::1]/cb?x", "http://[::1]:51004/cb?x", true),
            ("http://127.0.0.1", "http://127.0.0.1:8", true),
            ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb/", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:51004/CB", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:0/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:65536/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:080/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:+80/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:80:80/cb", false),
            (
                "http://127.0.0.1/cb",
                "http://127.0.0.1:80@evil.example/cb",
                false,
            ),
            ("http://127.0.0.1/cb", "http://x@127.0.0.1:80/cb", false),
            (
                "http://127.0.0.1/cb",
                "http://127.0.0.1:80\\@evil.example/cb",
                false,
            ),
            ("http://127.0.0.1/cb", "https://127.0.0.1:80/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.2:80/cb", false),
            ("http://127.0.0.1/cb", "http://localhost:80/cb", false),
            ("http://127.0.0.1/cb", "http://[::1]:80/cb", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:80/cb#x", false),
            ("http://127.0.0.1", "http://127.0.0.1:80#x", false),
            ("http://localhost:1/cb", "http://localhost:2/cb", false),
            ("http://localhost/cb", "http://localhost:2/cb", false),
            (
                "https://app.example/cb",
                "https://app.example:444/cb",
                false,
            ),
            ("com.example.app:/cb", "com.example.app:1/cb", false),
        ] {
            let uri = RedirectUri::parse(registered).expect("one of this table");
            assert_eq!(uri.matches(asked), same, "{registered} {asked}");
        }
    }

    /// Whatever one edit makes of a loopback URI: if it still matches, a browser goes to the same place, but
    /// for the port.
    #[test]
    fn no_edit_leads_elsewhere() {
        let uri = RedirectUri::parse("http://127.0.0.1/cb?x=1").expect("one");
        let asked = "http://127.0.0.1:51004/cb?x=1";
        assert!(uri.matches(asked));
        let mut matching = 0;
        for at in 0..=asked.len() {
            for byte in 0..=0x7f_u8 {
                let byte = char::from(byte);
                let inserted = format!("{}{byte}{}", &asked[..at], &asked[at..]);
                let rest = asked.get(at + 1..).unwrap_or_default();
                let replaced = format!("{}{byte}{rest}", &asked[..at]);
                let removed = format!("{}{rest}", &asked[..at]);
                for edited in [inserted, replaced, removed] {
                    if !uri.matches(&edited) {
                        continue;
                    }
                    matching += 1;
                    let seen = Url::parse(&edited).expect("a URL");
                    let place = (seen.scheme(), seen.host_str(), seen.path(), seen.query());
                    let expected = ("http", Some("127.0.0.1"), "/cb", Some("x=1"));
                    assert_eq!(place, expected, "{edited:?}");
                    let bare = seen.username().is_empty() && seen.password().is_none();
                    assert!(bare && seen.fragment().is_none(), "{edited:?}");
                }
            }
        }
        assert!(matching > 50, "other ports match");
    }
}
