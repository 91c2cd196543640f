//! Addresses to listen on: `IP:PORT`, or a Unix socket with its mode and group.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::finding::{Fault, shown, shown_path};

/// Where connections come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// An IP address and port; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl ListenAddress {
    /// Whether other machines may be able to connect.
    pub fn is_reachable_from_outside(&self) -> bool {
        match self {
            Self::Tcp(address) => !is_loopback(address.ip()),
            Self::Unix(_) => false,
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        if let Some(path) = text.strip_prefix("unix:") {
            // The kernel's sockaddr_un has 108 octets, the last of which is NUL.
            if path.is_empty() || path.len() > 107 || path.contains('\0') {
                return Err(Fault::new(
                    "the path of the Unix socket is empty or longer than 107 octets",
                    "write unix: and a short path, for example unix:/run/certbound/http.sock",
                ));
            }
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        text.parse().map(Self::Tcp).map_err(|_| {
            Fault::new(
                format!("{} is not an address to listen on", shown(text)),
                "write IP:PORT such as 127.0.0.1:9400 or [::1]:9400, or unix:PATH",
            )
        })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", shown_path(path)),
        }
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Reads the permissions of a Unix socket: three octal digits, perhaps after `0` or `0o`.
pub(super) fn mode(text: &str) -> Result<u32, Fault> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let octal =
        (3..=4).contains(&digits.len()) && digits.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    octal
        .then(|| u32::from_str_radix(digits, 8).ok())
        .flatten()
        .filter(|mode| *mode <= 0o777)
        .ok_or_else(|| {
            Fault::new(
                format!("{} are no permissions of a socket", shown(text)),
                "write them in octal, for example 0660",
            )
        })
}

/// The group that a Unix socket is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    name: String,
    id: u32,
}

impl Group {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Its number.
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// Reads a number, or a name that stands in `groups`, the text of `/etc/group`.
    pub(super) fn parse(text: &str, groups: &str) -> Result<Self, Fault> {
        let id = text.parse().ok().filter(|id: &u32| id.to_string() == text);
        let named = || {
            groups.lines().find_map(|line| {
                let mut fields = line.split(':');
                let name = fields.next()?;
                let id = fields.nth(1)?.parse().ok()?;
                (name == text).then_some(id)
            })
        };
        id.or_else(named)
            // The last number means "leave it as it is" to chown.
            .filter(|id| *id != u32::MAX)
            .map(|id| Self {
                name: text.to_owned(),
                id,
            })
            .ok_or_else(|| {
                Fault::new(
                    format!("/etc/group has no group {}", shown(text)),
                    "write the name of one that it has, or a group's number",
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, outside) in [
            ("127.0.0.1:9400", false),
            ("127.9.9.9:0", false),
            ("[::1]:9400", false),
            ("[::ffff:127.0.0.1]:9400", false),
            ("0.0.0.0:9400", true),
            ("[::]:9400", true),
            ("192.0.2.1:1", true),
            ("unix:/run/certbound.sock", false),
            ("unix:relative.sock", false),
        ] {
            let address = ListenAddress::parse(text).expect(text);
            assert_eq!(address.to_string(), text);
            assert_eq!(address.is_reachable_from_outside(), outside, "{text}");
        }
        let long = format!("unix:{}", "x".repeat(108));
        for text in [
            "",
            "9400",
            ":9400",
            "localhost:9400",
            "127.0.0.1",
            "127.0.0.1:65536",
            "unix:",
            &long,
            "/run/x.sock",
            "[::1]",
        ] {
            assert!(ListenAddress::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn modes() {
        for (text, expected) in [
            ("0660", 0o660),
            ("660", 0o660),
            ("0o600", 0o600),
            ("0777", 0o777),
        ] {
            assert_eq!(mode(text), Ok(expected), "{text}");
        }
        for text in ["", "66", "0x660", "0888", "1777", "432a", "+660", "00660"] {
            assert!(mode(text).is_err(), "{text}");
        }
    }

    #[test]
    fn groups() {
        let file = "root:x:0:\nwww-data:x:33:a,b\nodd\n";
        for (text, id) in [("www-data", 33), ("root", 0), ("1000", 1000)] {
            assert_eq!(Group::parse(text, file).map(|group| group.id()), Ok(id));
        }
        for text in ["", "nobody", "odd", "-1", "033", "4294967295"] {
            assert!(Group::parse(text, file).is_err(), "{text}");
        }
    }
}
