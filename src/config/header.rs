//! Names of headers that the proxy sets, and which names it may not set.

use http::HeaderName;

use super::finding::{Fault, shown};

/// The header with the proxy's secret; its name is fixed.
pub(super) const PROXY_SECRET: &str = "x-proxy-secret";

/// Names that mean something to HTTP or OAuth itself, or that a connection consumes
/// (RFC 9110 section 7.6.1), so that a proxy cannot use them for a certificate.
const TAKEN: &[&str] = &[
    "accept",
    "access-control-request-headers",
    "access-control-request-method",
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "dpop",
    "expect",
    "host",
    "keep-alive",
    "origin",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "referer",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "www-authenticate",
];

/// The header with the web server's own verdict, and whether somebody asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifyHeaderSetting {
    /// Nobody named it: where it is present, it must say `SUCCESS`.
    Default(HeaderName),
    /// It was named: its absence means not verified, too.
    Set(HeaderName),
    /// The front end has no verdict.
    None,
}

impl VerifyHeaderSetting {
    /// The header, if there is one.
    pub const fn name(&self) -> Option<&HeaderName> {
        match self {
            Self::Default(name) | Self::Set(name) => Some(name),
            Self::None => None,
        }
    }
}

/// Reads the name of a header that a proxy sets.
pub(super) fn header_name(text: &str) -> Result<HeaderName, Fault> {
    let name = HeaderName::from_bytes(text.as_bytes()).map_err(|_| {
        Fault::new(
            format!("{} is not the name of a header", shown(text)),
            "write letters, digits and -, for example X-ClientCert",
        )
    })?;
    let folded = folded(&name);
    if TAKEN.contains(&folded.as_str()) {
        return Err(Fault::new(
            format!("{} has a meaning of its own in HTTP", shown(text)),
            "write a name that only the proxy sets, for example X-ClientCert",
        ));
    }
    if folded == PROXY_SECRET {
        return Err(Fault::new(
            "X-Proxy-Secret is the header of the proxy's secret",
            "write another name",
        ));
    }
    if folded == "none" {
        return Err(Fault::new(
            "there is no switching this header off by a word",
            "write the name of a header, or leave the setting out",
        ));
    }
    Ok(name)
}

/// The name as careless software compares it: gateways that turn headers into variables make no
/// difference between `-` and `_`.
pub(super) fn folded(name: &HeaderName) -> String {
    name.as_str().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for text in [
            "X-ClientCert",
            "client-cert",
            "SSL_CLIENT_CERT",
            "X-Forwarded-For",
        ] {
            assert!(header_name(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "a b",
            "a:b",
            "x\r\ny",
            "é",
            "Host",
            "AUTHORIZATION",
            "Content_Length",
            "cookie",
            "x_proxy_secret",
            "None",
            "DPoP",
            "connection",
        ] {
            assert!(header_name(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_list_can_be_compared() {
        for taken in TAKEN {
            assert_eq!(
                HeaderName::from_bytes(taken.as_bytes())
                    .map(|name| folded(&name))
                    .ok()
                    .as_deref(),
                Some(*taken)
            );
        }
    }
}
