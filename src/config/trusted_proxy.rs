//! Who may forward client certificates: networks, or whoever can open the Unix socket.

use std::net::IpAddr;

use ipnet::IpNet;

use super::finding::{Fault, shown};

/// Somebody whose headers are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedProxy {
    text: String,
    network: Option<IpNet>,
}

impl TrustedProxy {
    /// In its normal form: `unix`, or address and prefix length without host bits.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The network; `None` for `unix`.
    pub const fn network(&self) -> Option<&IpNet> {
        self.network.as_ref()
    }

    /// Whether it is every address that there is.
    pub(super) fn is_everybody(&self) -> bool {
        self.network
            .is_some_and(|network| network.prefix_len() == 0)
    }

    /// Whether it has addresses that are not on this machine.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.network.is_some_and(|network| {
            !(network.network().is_loopback() && network.broadcast().is_loopback())
        })
    }

    /// Reads `unix`, a network or a single address; the second part is what to warn of.
    pub(super) fn parse(text: &str) -> Result<(Self, Option<Fault>), Fault> {
        if text == "unix" {
            return Ok((
                Self {
                    text: text.to_owned(),
                    network: None,
                },
                None,
            ));
        }
        let written: IpNet = text
            .parse()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
            .map_err(|_| {
                Fault::new(
                    format!("{} is neither a network nor unix", shown(text)),
                    "write a CIDR such as 10.0.0.0/8 or 192.0.2.7/32, or unix",
                )
            })?;
        if let IpAddr::V6(address) = written.addr()
            && address.to_ipv4_mapped().is_some()
        {
            return Err(Fault::new(
                format!("{} is an IPv4 network in IPv6 clothes", shown(text)),
                "write it as IPv4, for example 10.0.0.0/8",
            ));
        }
        let network = written.trunc();
        let warning = (network != written).then(|| {
            Fault::new(
                format!(
                    "{} has bits outside its prefix and counts as {network}",
                    shown(text)
                ),
                format!(
                    "write {network}, or {} for that one address",
                    IpNet::from(written.addr())
                ),
            )
        });
        Ok((
            Self {
                text: network.to_string(),
                network: Some(network),
            },
            warning,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        for (text, normal, elsewhere) in [
            ("unix", "unix", false),
            ("127.0.0.1/32", "127.0.0.1/32", false),
            ("127.0.0.0/8", "127.0.0.0/8", false),
            ("126.0.0.0/7", "126.0.0.0/7", true),
            ("::1", "::1/128", false),
            ("10.1.2.3", "10.1.2.3/32", true),
            ("fd00::/8", "fd00::/8", true),
        ] {
            let (proxy, warning) = TrustedProxy::parse(text).expect(text);
            assert_eq!(proxy.as_str(), normal);
            assert_eq!(proxy.is_elsewhere(), elsewhere, "{text}");
            assert_eq!(warning, None, "{text}");
            assert!(!proxy.is_everybody());
        }
        let (proxy, warning) = TrustedProxy::parse("10.1.2.3/8").expect("a network");
        assert_eq!(proxy.as_str(), "10.0.0.0/8");
        assert_eq!(
            warning.map(|fault| fault.remedy).as_deref(),
            Some("write 10.0.0.0/8, or 10.1.2.3/32 for that one address")
        );
        for text in ["0.0.0.0/0", "::/0", "1.2.3.4/0"] {
            let (proxy, _) = TrustedProxy::parse(text).expect(text);
            assert!(proxy.is_everybody(), "{text}");
        }
        for text in [
            "",
            "Unix",
            "localhost",
            "10.0.0.0/33",
            "10.0.0/8",
            "10.0.0.0/8,::1/128",
            "::ffff:10.0.0.0/104",
            "*",
            "10.0.0.0/-1",
        ] {
            assert!(TrustedProxy::parse(text).is_err(), "{text}");
        }
    }
}
