//! Which addresses may be called (RFC 6890, the special-purpose address registries).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far outbound calls may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Https, on public addresses.
    Public,
    /// Also private and loopback addresses, and plain http on loopback addresses
    /// (`--outbound-allow-private`).
    AllowPrivate,
}

impl Policy {
    /// Whether that address may be connected to, with TLS or without.
    pub fn admits(self, address: IpAddr, tls: bool) -> bool {
        // An IPv4 address written as an IPv6 one is what it stands for.
        let address = address.to_canonical();
        match (self, tls) {
            (Self::Public, true) => is_public(address),
            (Self::Public, false) => false,
            (Self::AllowPrivate, true) => {
                is_public(address) || address.is_loopback() || is_private(address)
            }
            (Self::AllowPrivate, false) => address.is_loopback(),
        }
    }
}

/// Whether that address is one of the public Internet, where anybody may be found.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => !NOT_PUBLIC_V4.iter().any(|block| block.holds(address)),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// A block of IPv4 addresses: the first one and the length of the prefix, 1 to 32.
struct Block(Ipv4Addr, u32);

impl Block {
    fn holds(&self, address: Ipv4Addr) -> bool {
        (self.0.to_bits() ^ address.to_bits()) >> (32 - self.1) == 0
    }
}

/// What the IPv4 special-purpose registry keeps from the public Internet.
const NOT_PUBLIC_V4: &[Block] = &[
    Block(Ipv4Addr::UNSPECIFIED, 8),            // this network
    Block(Ipv4Addr::new(10, 0, 0, 0), 8),       // private
    Block(Ipv4Addr::new(100, 64, 0, 0), 10),    // carrier-grade NAT
    Block(Ipv4Addr::new(127, 0, 0, 0), 8),      // loopback
    Block(Ipv4Addr::new(168, 63, 129, 16), 32), // Azure's platform service, seen from its machines
    Block(Ipv4Addr::new(169, 254, 0, 0), 16),   // link-local, and the metadata services of clouds
    Block(Ipv4Addr::new(172, 16, 0, 0), 12),    // private
    Block(Ipv4Addr::new(192, 0, 0, 0), 24),     // protocol assignments
    Block(Ipv4Addr::new(192, 0, 2, 0), 24),     // documentation
    Block(Ipv4Addr::new(192, 88, 99, 0), 24),   // relays of 6to4
    Block(Ipv4Addr::new(192, 168, 0, 0), 16),   // private
    Block(Ipv4Addr::new(198, 18, 0, 0), 15),    // benchmarks
    Block(Ipv4Addr::new(198, 51, 100, 0), 24),  // documentation
    Block(Ipv4Addr::new(203, 0, 113, 0), 24),   // documentation
    Block(Ipv4Addr::new(224, 0, 0, 0), 4),      // multicast
    Block(Ipv4Addr::new(240, 0, 0, 0), 4),      // reserved, and broadcast
];

/// Only `2000::/3` has been given out for the public Internet, so everything else is refused unseen:
/// `::`, `::1`, IPv4-compatible, `fc00::/7`, `fe80::/10`, `fec0::/10`, `ff00::/8` and what is yet to
/// come.
fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // NAT64 (RFC 6052): how IPv6-only networks reach an IPv4 address, which is what counts.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let embedded = Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
            is_public(IpAddr::V4(embedded))
        }
        // Protocol assignments: Teredo, benchmarks, ORCHID. No web server is here.
        [0x2001, second, ..] if second < 0x0200 => false,
        // Documentation (RFC 3849, RFC 9637), and 6to4, which carries an IPv4 address through relays
        // and is deprecated (RFC 7526).
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] | [0x2002, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// Whether that address is private: RFC 1918 or RFC 4193.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private(),
        // The metadata services of two clouds have addresses in here, which are not for a client of
        // this server to name, whatever else is private.
        IpAddr::V6(address) => {
            address.is_unique_local()
                && !matches!(
                    address.segments(),
                    [0xfd00, 0x0ec2, ..] | [0xfd20, 0x00ce, ..]
                )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: &[&str] = &[
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.17",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2606:4700::1111",
        "2a00:1450::1",
        "3ffe:ffff::1",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
    ];

    const REFUSED: &[&str] = &[
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.0",
        "100.100.100.200",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:2::1",
        "2001:10::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:808:808::1",
        "3fff::1",
        "3fff:fff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fd12::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
    ];

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address of this table")
    }

    #[test]
    fn public_addresses() {
        for text in PUBLIC {
            assert!(is_public(address(text)), "{text}");
            assert!(Policy::Public.admits(address(text), true), "{text}");
            assert!(!Policy::Public.admits(address(text), false), "{text}");
            assert!(!Policy::AllowPrivate.admits(address(text), false), "{text}");
        }
        for text in REFUSED {
            assert!(!is_public(address(text)), "{text}");
            assert!(!Policy::Public.admits(address(text), true), "{text}");
        }
    }

    #[test]
    fn what_private_adds() {
        let added = [
            "10.0.0.1",
            "10.255.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "fc00::1",
            "fd12::1",
        ];
        for text in REFUSED {
            let address = address(text);
            let admitted = Policy::AllowPrivate.admits(address, true);
            assert_eq!(admitted, added.contains(text), "{text}");
            let plain = Policy::AllowPrivate.admits(address, false);
            assert_eq!(plain, address.to_canonical().is_loopback(), "{text}");
        }
    }
}
