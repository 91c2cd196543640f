//! Whose headers are believed: the connection decides, not what it says (RFC 9440 section 4).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::HeaderName;
use ipnet::{IpNet, Ipv4Net};

use crate::oauth::secret::Digest;

/// Who opened the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Somebody at that address, over TCP.
    Tcp(IpAddr),
    /// Somebody whom the file system let open the Unix socket.
    Unix,
}

/// One `--trusted-proxy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedPeer {
    /// Every address of a network.
    Network(IpNet),
    /// Whoever can open the Unix socket.
    Unix,
}

impl FromStr for TrustedPeer {
    type Err = NotAProxy;

    /// Reads `unix`, an address, or a network whose address has no bits beyond its prefix.
    fn from_str(text: &str) -> Result<Self, NotAProxy> {
        if text == "unix" {
            return Ok(Self::Unix);
        }
        let malformed = || NotAProxy::Malformed(text.into());
        let network = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address),
            Err(_) => text.parse::<IpNet>().map_err(|_| malformed())?,
        };
        if network != network.trunc() {
            return Err(NotAProxy::HostBits(network));
        }
        Ok(Self::Network(canonical(network)))
    }
}

/// IPv4 that is dressed as IPv6 becomes IPv4, as the addresses of peers do.
fn canonical(network: IpNet) -> IpNet {
    let (IpNet::V6(mapped), Some(prefix)) = (network, network.prefix_len().checked_sub(96)) else {
        return network;
    };
    let address = mapped.addr().to_ipv4_mapped();
    let network4 = address.and_then(|address| Ipv4Net::new(address, prefix).ok());
    network4.map_or(network, IpNet::V4)
}

/// Text that is no `--trusted-proxy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAProxy {
    /// It is neither an address nor a network nor `unix`.
    Malformed(Box<str>),
    /// The address has bits that the prefix leaves out.
    HostBits(IpNet),
}

impl fmt::Display for NotAProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(text) => write!(
                f,
                "{text:?} is no trusted proxy: write an address (127.0.0.1), a network \
                 (10.0.0.0/8) or unix"
            ),
            Self::HostBits(network) => write!(
                f,
                "{network} has bits after its prefix: write {} for the network, or {} for the one \
                 host",
                network.trunc(),
                network.addr()
            ),
        }
    }
}

impl std::error::Error for NotAProxy {}

/// All of `--trusted-proxy`. With none, nobody's headers are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedPeers {
    networks: Vec<IpNet>,
    unix: bool,
}

impl TrustedPeers {
    /// Whether that peer is one of them.
    pub fn trust(&self, peer: Peer) -> bool {
        match peer {
            Peer::Tcp(address) => self.contain(address),
            Peer::Unix => self.unix,
        }
    }

    /// Whether an address is in one of the networks.
    pub(super) fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks
            .iter()
            .any(|network| network.contains(&address))
    }

    /// Whether nobody is trusted, of which start-up and `check` warn.
    pub const fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }

    /// A network that holds every address there is, if one was given, of which `check` warns.
    pub fn everyone(&self) -> Option<&IpNet> {
        let everyone = |network: &&IpNet| network.prefix_len() == 0;
        self.networks.iter().find(everyone)
    }
}

impl FromIterator<TrustedPeer> for TrustedPeers {
    fn from_iter<I: IntoIterator<Item = TrustedPeer>>(peers: I) -> Self {
        let mut trusted = Self::default();
        for peer in peers {
            match peer {
                TrustedPeer::Network(network) => trusted.networks.push(network),
                TrustedPeer::Unix => trusted.unix = true,
            }
        }
        trusted
    }
}

/// The content of `--proxy-secret-file`, of which the digest is kept and compared in constant time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxySecret(Digest);

impl ProxySecret {
    /// The header that must bear it.
    pub const fn header() -> HeaderName {
        HeaderName::from_static("x-proxy-secret")
    }

    /// Reads the file's content, without the blanks and newlines around it.
    ///
    /// # Errors
    /// Nothing but blanks, or what no header line can bear.
    pub fn new(content: &[u8]) -> Result<Self, NotASecret> {
        let content = content.trim_ascii();
        let visible = content.iter().all(|&byte| matches!(byte, b' '..=b'~'));
        if content.is_empty() || !visible {
            return Err(NotASecret);
        }
        Ok(Self(Digest::of(content)))
    }

    /// Whether a header's value is the secret.
    pub fn is(&self, value: &[u8]) -> bool {
        Digest::of(value.trim_ascii()) == self.0
    }
}

/// A content of `--proxy-secret-file` that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotASecret;

impl fmt::Display for NotASecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not a proxy secret: it is one line of printable ASCII, for example of openssl rand \
             -hex 32",
        )
    }
}

impl std::error::Error for NotASecret {}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusted(list: &[&str]) -> TrustedPeers {
        let parse = |text: &&str| text.parse::<TrustedPeer>().expect("a trusted proxy");
        list.iter().map(parse).collect()
    }

    fn tcp(address: &str) -> Peer {
        Peer::Tcp(address.parse().expect("an address"))
    }

    #[test]
    fn who_is_trusted() {
        for (list, peer, expected) in [
            (&[][..], tcp("127.0.0.1"), false),
            (&[], Peer::Unix, false),
            (&["unix"], Peer::Unix, true),
            (&["unix"], tcp("127.0.0.1"), false),
            (&["0.0.0.0/0", "::/0"], Peer::Unix, false),
            (&["127.0.0.1"], tcp("127.0.0.1"), true),
            (&["127.0.0.1"], tcp("127.0.0.2"), false),
            (&["127.0.0.1"], tcp("::ffff:127.0.0.1"), true),
            (&["::ffff:127.0.0.1"], tcp("127.0.0.1"), true),
            (&["::ffff:10.0.0.0/104"], tcp("10.1.2.3"), true),
            (&["::ffff:10.0.0.0/104"], tcp("11.1.2.3"), false),
            (&["10.0.0.0/8"], tcp("::ffff:10.1.2.3"), true),
            (&["10.0.0.0/8"], tcp("11.0.0.0"), false),
            (&["10.0.0.0/8", "fd00::/8"], tcp("fd12::1"), true),
            (&["::/0"], tcp("10.0.0.1"), false),
            (&["::1"], tcp("::1"), true),
        ] {
            assert_eq!(trusted(list).trust(peer), expected, "{list:?} {peer:?}");
        }
        assert!(trusted(&[]).is_empty());
        assert!(!trusted(&["unix"]).is_empty());
    }

    #[test]
    fn everyone_is_told() {
        for (list, expected) in [
            (&["10.0.0.0/8", "0.0.0.0/0"][..], true),
            (&["::/0"], true),
            (&["::ffff:0.0.0.0/96"], true),
            (&["10.0.0.0/8", "unix"], false),
        ] {
            assert_eq!(trusted(list).everyone().is_some(), expected, "{list:?}");
        }
    }

    #[test]
    fn errors_say_what_to_write() {
        let error = |text: &str| match text.parse::<TrustedPeer>() {
            Ok(peer) => panic!("{text} is {peer:?}"),
            Err(error) => error.to_string(),
        };
        assert!(error("10.0.0.1/8").contains("write 10.0.0.0/8 for the network, or 10.0.0.1 for"));
        assert!(error("fd00::1/8").contains("fd00::/8"));
        for text in [
            "",
            "localhost",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0",
            "Unix",
            " ::1",
            "010.0.0.1",
            "::1%lo",
        ] {
            assert!(error(text).contains("10.0.0.0/8"), "{text}");
        }
    }

    #[test]
    fn the_secret_is_exact() {
        let secret = ProxySecret::new(b"hunter2 \r\n").expect("a secret");
        for (value, expected) in [
            (&b"hunter2"[..], true),
            (b" hunter2\t", true),
            (b"hunter", false),
            (b"Hunter2", false),
            (b"hunter2,hunter2", false),
            (b"", false),
        ] {
            assert_eq!(secret.is(value), expected);
        }
        for content in [&b""[..], b" \n", b"a\nb", b"\xc3\xa4", b"a\0"] {
            assert_eq!(ProxySecret::new(content), Err(NotASecret));
        }
        assert!(!format!("{secret:?}").contains("hunter"));
    }
}
