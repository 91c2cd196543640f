//! Where a request came from and what it is called, for logs and throttling, never for trust
//! (RFC 7239 section 8.1).

use std::net::{IpAddr, SocketAddr};

use super::TrustedPeers;

/// The right-most address in `X-Forwarded-For`, over all its lines, that is no trusted proxy's.
///
/// Each proxy appends whom it saw, so what is left of that address was written by whoever is at it.
/// Where every address is trusted, the left-most is where the request began. Garbage before one is
/// found gives none.
pub(super) fn client_address<'a>(
    lines: impl DoubleEndedIterator<Item = &'a [u8]>,
    trusted: &TrustedPeers,
) -> Option<IpAddr> {
    let mut last = None;
    for hop in lines
        .rev()
        .flat_map(|line| line.rsplit(|&byte| byte == b','))
    {
        let address = address(hop.trim_ascii())?;
        last = Some(address);
        if !trusted.contain(address) {
            break;
        }
    }
    last
}

/// An address, with or without brackets and port.
pub(super) fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .filter(|inner| inner.contains(':'))
        .unwrap_or(text);
    let address = bare
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}

/// The identifier that the web server gave the request: visible ASCII that needs no quotes in a log.
pub(super) fn request_id(value: &[u8]) -> Option<String> {
    let value = value.trim_ascii();
    let plain = |&byte: &u8| byte.is_ascii_graphic() && !b"\"'\\".contains(&byte);
    let good = (1..=128).contains(&value.len()) && value.iter().all(plain);
    good.then(|| value.iter().map(|&byte| char::from(byte)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::TrustedPeer;

    #[test]
    fn the_right_most_untrusted_hop() {
        let proxies = ["127.0.0.1", "10.0.0.0/8", "fd00::/8"];
        let trusted: TrustedPeers = proxies
            .iter()
            .filter_map(|text| text.parse::<TrustedPeer>().ok())
            .collect();
        for (lines, expected) in [
            (&["192.0.2.1"][..], Some("192.0.2.1")),
            (&["198.51.100.9, 192.0.2.1"], Some("192.0.2.1")),
            (&["198.51.100.9, 192.0.2.1, 10.1.1.1"], Some("192.0.2.1")),
            (
                &["198.51.100.9", "192.0.2.1,10.1.1.1", "127.0.0.1"],
                Some("192.0.2.1"),
            ),
            (&["x, 192.0.2.1"], Some("192.0.2.1")),
            (&["192.0.2.1, x"], None),
            (&["192.0.2.1, x, 10.0.0.1"], None),
            (&["192.0.2.1,"], None),
            (&["192.0.2.1:4711"], Some("192.0.2.1")),
            (&["[2001:db8::1]:4711"], Some("2001:db8::1")),
            (&["[2001:db8::1]"], Some("2001:db8::1")),
            (&["2001:db8::1, fd00::2"], Some("2001:db8::1")),
            (&["::ffff:192.0.2.1"], Some("192.0.2.1")),
            (&["192.0.2.1, ::ffff:10.0.0.1"], Some("192.0.2.1")),
            (&["10.0.0.7, 127.0.0.1"], Some("10.0.0.7")),
            (&["[192.0.2.1]"], None),
            (&["fe80::1%eth0"], None),
            (&["unknown"], None),
            (&["_hidden"], None),
            (&["192.0.2.1\u{e9}"], None),
            (&[""], None),
            (&[], None),
        ] {
            let read = client_address(lines.iter().map(|line| line.as_bytes()), &trusted);
            assert_eq!(
                read.map(|ip| ip.to_string()).as_deref(),
                expected,
                "{lines:?}"
            );
        }
    }

    #[test]
    fn a_request_id_is_plain() {
        for good in ["a", "4bf92f35-77", "a=b;c/d+e", &"x".repeat(128)] {
            assert_eq!(request_id(good.as_bytes()).as_deref(), Some(good));
        }
        for bad in [
            "",
            " ",
            "a b",
            "a\"b",
            "a'b",
            "a\\b",
            "a\tb",
            "\u{e9}",
            &"x".repeat(129),
        ] {
            assert_eq!(request_id(bad.as_bytes()), None, "{bad}");
        }
    }
}
