//! Where a gate in reverse-proxy mode passes requests on to, and which.

use std::fmt;
use std::path::PathBuf;

use url::{Host, Url};

use super::finding::{Fault, shown};

/// The application behind a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// `http://HOST:PORT`.
    Tcp {
        /// The host's name or address, without the brackets of IPv6.
        host: String,
        /// The port.
        port: u16,
    },
    /// `unix:PATH`.
    Unix(PathBuf),
}

impl Upstream {
    /// Reads `http://HOST:PORT` or `unix:PATH`.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        if let Some(path) = text.strip_prefix("unix:") {
            if path.starts_with('/') {
                return Ok(Self::Unix(path.into()));
            }
            return Err(Fault::new(
                "the path of the Unix socket is not absolute",
                "write unix:/run/application.sock",
            ));
        }
        let url = Url::parse(text).ok().filter(|url| {
            url.scheme() == "http"
                && matches!(url.path(), "" | "/")
                && url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none()
                && url.port() != Some(0)
        });
        let host = url.as_ref().and_then(Url::host).map(|host| match host {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        });
        let port = url.as_ref().and_then(Url::port_or_known_default);
        match (host, port) {
            (Some(host), Some(port)) => Ok(Self::Tcp { host, port }),
            _ => Err(Fault::new(
                format!("{} is no application to pass requests on to", shown(text)),
                "write http://HOST:PORT without a path, which stays as it is, or unix:/PATH",
            )),
        }
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "http://[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "http://{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Which requests are passed on to where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Requests under this path, which begins with a slash.
    pub path: String,
    /// The application.
    pub upstream: Upstream,
    /// Whether the application gets the access token.
    pub pass_token: bool,
}

/// Reads the path of a gate: absolute, and with one spelling only.
pub(super) fn path_prefix(text: &str) -> Result<String, Fault> {
    let plain = text.starts_with('/')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"%?#\\;\"<>".contains(&byte))
        && !text.contains("//")
        && text
            .split('/')
            .all(|segment| !matches!(segment, "." | ".."));
    if plain {
        return Ok(text.to_owned());
    }
    Err(Fault::new(
        format!("{} is no path", shown(text)),
        "write an absolute path without escapes and dot segments, for example /orders/",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applications() {
        for (text, expected) in [
            ("http://127.0.0.1:8080", Some("http://127.0.0.1:8080")),
            ("http://app:8080/", Some("http://app:8080")),
            ("http://app", Some("http://app:80")),
            ("http://[::1]:9", Some("http://[::1]:9")),
            ("unix:/run/app.sock", Some("unix:/run/app.sock")),
            ("unix:app.sock", None),
            ("https://app", None),
            ("http://app/path", None),
            ("http://app?x", None),
            ("http://u@app", None),
            ("app:8080", None),
            ("", None),
        ] {
            let parsed = Upstream::parse(text).ok().map(|to| to.to_string());
            assert_eq!(parsed.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn paths() {
        for good in ["/", "/orders", "/orders/", "/a/b-c_d.e~"] {
            assert!(path_prefix(good).is_ok(), "{good}");
        }
        for wrong in [
            "", "orders", "//", "/a//b", "/a/../b", "/a/.", "/%61", "/a?b", "/a b", "/ä",
        ] {
            assert!(path_prefix(wrong).is_err(), "{wrong}");
        }
    }
}
