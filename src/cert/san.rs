//! Subject alternative names (RFC 5280 section 4.2.1.6) and the registered values that are
//! compared with them (RFC 8705 section 2.1.2).
//!
//! By type and octets, never by printed text; never the CN; never a wildcard.

use std::fmt;
use std::net::IpAddr;

use super::der::{self, DerError, Reader};

/// An entry of the extension, of the four types a client can be registered by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SubjectAltName {
    /// `dNSName`.
    Dns(String),
    /// `uniformResourceIdentifier`.
    Uri(String),
    /// `iPAddress`, of 4 or 16 octets: an IPv4 address and its IPv6 mapping are two.
    Ip(IpAddr),
    /// `rfc822Name`.
    Email(String),
}

impl SubjectAltName {
    /// Reads the value of the extension. Entries of other types are passed over, and so are
    /// entries whose octets cannot be such a name (NUL, other control characters, non-ASCII,
    /// an address of 5 octets): they match nothing.
    pub(super) fn read_extension(value: &[u8]) -> Result<Vec<Self>, DerError> {
        der::strict(value)?;
        let mut names = Reader::new(value).expect(der::SEQUENCE)?.reader();
        let mut found = Vec::new();
        while let Some(name) = names.next()? {
            let octets = name.content();
            let entry = match name.tag() {
                0x81 => text(octets, b' ').map(Self::Email),
                0x82 => text(octets, b'!').map(Self::Dns),
                0x86 => text(octets, b'!').map(Self::Uri),
                0x87 => address(octets).map(Self::Ip),
                // A constructed form of those four is another type altogether.
                0xa1 | 0xa2 | 0xa6 | 0xa7 => return Err(DerError::Unexpected),
                _ => None,
            };
            found.extend(entry);
        }
        Ok(found)
    }
}

impl SubjectAltName {
    /// The form in which a name equals exactly those that match it: host names, and the domains of
    /// mailboxes, in lower case.
    #[must_use]
    pub fn folded(&self) -> Self {
        match self {
            Self::Dns(name) => Self::Dns(name.to_ascii_lowercase()),
            Self::Email(mailbox) => Self::Email(match mailbox.rsplit_once('@') {
                Some((local, domain)) => format!("{local}@{}", domain.to_ascii_lowercase()),
                None => mailbox.clone(),
            }),
            Self::Uri(_) | Self::Ip(_) => self.clone(),
        }
    }
}

impl fmt::Display for SubjectAltName {
    /// As RFC 8705's metadata members have it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) | Self::Uri(name) | Self::Email(name) => f.write_str(name),
            Self::Ip(address) => fmt::Display::fmt(address, f),
        }
    }
}

fn text(octets: &[u8], lowest: u8) -> Option<String> {
    let plain = octets.iter().all(|octet| (lowest..=b'~').contains(octet));
    let text = (plain && !octets.is_empty()).then_some(octets)?;
    std::str::from_utf8(text).ok().map(str::to_owned)
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let four = || <[u8; 4]>::try_from(octets).ok().map(IpAddr::from);
    let sixteen = || <[u8; 16]>::try_from(octets).ok().map(IpAddr::from);
    four().or_else(sixteen)
}

/// A subject alternative name somebody registered; made by its parsers only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredSan(SubjectAltName);

impl RegisteredSan {
    /// Reads `tls_client_auth_san_dns`: a host name of letters, digits, hyphens and underscores,
    /// compared without regard to ASCII case.
    pub fn dns(text: &str) -> Result<Self, SanError> {
        if text.contains('*') {
            return Err(SanError::Wildcard);
        }
        if text.parse::<IpAddr>().is_ok() {
            return Err(SanError::DnsIsAddress);
        }
        if !is_host_name(text) {
            return Err(SanError::Dns);
        }
        Ok(Self(SubjectAltName::Dns(text.to_owned())))
    }

    /// Reads `tls_client_auth_san_uri`: an absolute URI, compared octet by octet.
    pub fn uri(text: &str) -> Result<Self, SanError> {
        if !is_absolute_uri(text) {
            return Err(SanError::Uri);
        }
        Ok(Self(SubjectAltName::Uri(text.to_owned())))
    }

    /// Reads `tls_client_auth_san_ip`: an address in any of its spellings, compared in binary.
    pub fn ip(text: &str) -> Result<Self, SanError> {
        let address = text.parse().map_err(|_| SanError::Ip)?;
        Ok(Self(SubjectAltName::Ip(address)))
    }

    /// Reads `tls_client_auth_san_email`: a mailbox of ASCII, whose local part is compared octet
    /// by octet and whose domain without regard to case (RFC 5280 section 7.5).
    pub fn email(text: &str) -> Result<Self, SanError> {
        let (local, domain) = text.rsplit_once('@').ok_or(SanError::Email)?;
        let mailbox = |octet: u8| octet.is_ascii_graphic() && octet != b'@';
        if local.is_empty() || !local.bytes().all(mailbox) || !is_host_name(domain) {
            return Err(SanError::Email);
        }
        Ok(Self(SubjectAltName::Email(text.to_owned())))
    }

    /// The name as it was registered.
    pub const fn name(&self) -> &SubjectAltName {
        &self.0
    }

    /// Whether one of those entries is this name.
    pub fn matches(&self, entries: &[SubjectAltName]) -> bool {
        entries.iter().any(|entry| self.is(entry))
    }

    fn is(&self, entry: &SubjectAltName) -> bool {
        use SubjectAltName::{Dns, Email, Ip, Uri};
        match (&self.0, entry) {
            (Dns(own), Dns(entry)) => own.eq_ignore_ascii_case(entry),
            (Uri(own), Uri(entry)) => own == entry,
            (Ip(own), Ip(entry)) => own == entry,
            (Email(own), Email(entry)) => match (own.rsplit_once('@'), entry.rsplit_once('@')) {
                (Some((local, domain)), Some((entry_local, entry_domain))) => {
                    local == entry_local && domain.eq_ignore_ascii_case(entry_domain)
                }
                _ => false,
            },
            _ => false,
        }
    }
}

impl fmt::Display for RegisteredSan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        let plain = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
        (1..=63).contains(&label.len())
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

fn is_absolute_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let scheme_octet = |octet: u8| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet);
    let octets = rest.as_bytes();
    let escaped = |at: usize| {
        let digits = octets.get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let plain =
        |octet: u8| octet.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(&octet);
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(scheme_octet)
        && !octets.is_empty()
        && octets
            .iter()
            .enumerate()
            .all(|(at, octet)| plain(*octet) || (*octet == b'%' && escaped(at)))
}

/// Why a subject alternative name cannot be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SanError {
    /// A wildcard.
    Wildcard,
    /// An address where a host name belongs.
    DnsIsAddress,
    /// Not a host name.
    Dns,
    /// Not an absolute URI.
    Uri,
    /// Not an address.
    Ip,
    /// Not a mailbox.
    Email,
}

impl fmt::Display for SanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wildcard => "a wildcard names no one client: write the whole host name",
            Self::DnsIsAddress => {
                "that is an IP address: register it as tls_client_auth_san_ip instead"
            }
            Self::Dns => {
                "not a host name: write labels of letters, digits and hyphens (xn-- for others), without a dot at the end"
            }
            Self::Uri => {
                "not an absolute URI: write it with its scheme, exactly as the certificate has it, for example urn:example:client"
            }
            Self::Ip => {
                "not an IP address: write 192.0.2.1 or 2001:db8::1, without brackets, port, zone or prefix length"
            }
            Self::Email => "not a mailbox: write local@domain in ASCII",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parse = fn(&str) -> Result<RegisteredSan, SanError>;

    #[test]
    fn what_can_be_registered() {
        for (parse, good) in [
            (RegisteredSan::dns as Parse, "Client_1.example.com"),
            (RegisteredSan::dns, "xn--bcher-kva.example"),
            (RegisteredSan::uri, "urn:example:a%20b"),
            (RegisteredSan::uri, "spiffe://example.org/ns/a?b#c"),
            (RegisteredSan::email, "a+b@example.com"),
        ] {
            assert_eq!(parse(good).map(|san| san.to_string()), Ok(good.to_owned()));
        }
        for (parse, bad, error) in [
            (RegisteredSan::dns as Parse, "", SanError::Dns),
            (RegisteredSan::dns, "*.example.com", SanError::Wildcard),
            (RegisteredSan::dns, "example.com.", SanError::Dns),
            (RegisteredSan::dns, "b\u{fc}cher.example", SanError::Dns),
            (RegisteredSan::dns, "a\0.example", SanError::Dns),
            (RegisteredSan::dns, "192.0.2.1", SanError::DnsIsAddress),
            (RegisteredSan::uri, "/relative", SanError::Uri),
            (RegisteredSan::uri, "urn:", SanError::Uri),
            (RegisteredSan::uri, "urn:a b", SanError::Uri),
            (RegisteredSan::uri, "urn:a%2", SanError::Uri),
            (RegisteredSan::uri, "1urn:a", SanError::Uri),
            (RegisteredSan::ip, "192.0.2.1/32", SanError::Ip),
            (RegisteredSan::ip, "[2001:db8::1]", SanError::Ip),
            (RegisteredSan::ip, "fe80::1%eth0", SanError::Ip),
            (RegisteredSan::ip, "192.0.2.1:443", SanError::Ip),
            (RegisteredSan::ip, "192.0.2.01", SanError::Ip),
            (RegisteredSan::email, "example.com", SanError::Email),
            (RegisteredSan::email, "@example.com", SanError::Email),
            (RegisteredSan::email, "a@b@example.com", SanError::Email),
            (RegisteredSan::email, "a@", SanError::Email),
        ] {
            assert_eq!(parse(bad), Err(error), "{bad:?}");
        }
    }

    #[test]
    fn what_matches() {
        let dns = |name: &str| SubjectAltName::Dns(name.into());
        let uri = |name: &str| SubjectAltName::Uri(name.into());
        let email = |name: &str| SubjectAltName::Email(name.into());
        let ip = |text: &str| SubjectAltName::Ip(text.parse().expect("an address"));
        for (registered, entry, matches) in [
            (RegisteredSan::dns("a.example"), dns("A.Example"), true),
            (RegisteredSan::dns("a.example"), dns("*.example"), false),
            (RegisteredSan::dns("a.example"), dns("a.example."), false),
            (RegisteredSan::dns("a.example"), uri("a.example"), false),
            (RegisteredSan::dns("a.example"), email("a.example"), false),
            (RegisteredSan::uri("https://a/b"), uri("https://a/b"), true),
            (RegisteredSan::uri("https://a/b"), uri("https://a/B"), false),
            (
                RegisteredSan::uri("https://a/b"),
                uri("https://a:443/b"),
                false,
            ),
            (
                RegisteredSan::ip("2001:DB8:0::10"),
                ip("2001:db8::10"),
                true,
            ),
            (
                RegisteredSan::ip("192.0.2.1"),
                ip("::ffff:192.0.2.1"),
                false,
            ),
            (RegisteredSan::ip("192.0.2.1"), dns("192.0.2.1"), false),
            (
                RegisteredSan::email("Ops@example.com"),
                email("Ops@EXAMPLE.com"),
                true,
            ),
            (
                RegisteredSan::email("Ops@example.com"),
                email("ops@example.com"),
                false,
            ),
            (
                RegisteredSan::email("ops@example.com"),
                email("example.com"),
                false,
            ),
        ] {
            let registered = registered.expect("one of this table");
            assert_eq!(
                registered.name().folded() == entry.folded(),
                matches,
                "{entry:?}"
            );
            assert_eq!(
                registered.matches(std::slice::from_ref(&entry)),
                matches,
                "{entry:?}"
            );
        }
    }

    #[test]
    fn entries_that_match_nothing() {
        let sequence = |entries: &[&[u8]]| {
            let inner = entries.concat();
            let mut value = vec![0x30, u8::try_from(inner.len()).expect("short")];
            value.extend(inner);
            value
        };
        let read = |entries: &[&[u8]]| SubjectAltName::read_extension(&sequence(entries));
        assert_eq!(
            read(&[b"\x82\x01a"]),
            Ok(vec![SubjectAltName::Dns("a".into())])
        );
        for entry in [
            &b"\x82\x03a\0b"[..],
            b"\x82\x02\xc3\xa9",
            b"\x82\x00",
            b"\x87\x05\x01\x02\x03\x04\x05",
            b"\x88\x01\x2a",
            b"\xa0\x02\x05\x00",
        ] {
            assert_eq!(read(&[entry]), Ok(Vec::new()), "{entry:02x?}");
        }
        assert_eq!(read(&[b"\xa2\x00"]), Err(DerError::Unexpected));
        assert_eq!(
            SubjectAltName::read_extension(b"\x30\x03\x82\x01"),
            Err(DerError::Truncated)
        );
    }
}
