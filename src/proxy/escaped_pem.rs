//! `escaped-pem`: PEM text (RFC 7468), percent-encoded (RFC 3986 section 2.1).
//!
//! nginx's `$ssl_client_escaped_cert` encodes `+`, `/` and `=` too, Apache's `escape` and AWS leave
//! them; nobody means a blank by `+`.

use super::{Decoded, Dialect, ProxyError, pem};

const NAME: &str = "escaped-pem";

/// nginx, Apache's `escape`, Envoy's peer certificate, AWS.
pub(super) struct EscapedPem;

impl Dialect for EscapedPem {
    fn name(&self) -> &'static str {
        NAME
    }

    fn begins(&self, value: &[u8]) -> bool {
        value.starts_with(b"-----BEGIN%")
            || value
                .get(..3)
                .is_some_and(|start| start.eq_ignore_ascii_case(b"%2d"))
    }

    fn decode(&self, value: &[u8]) -> Result<Option<Decoded>, ProxyError> {
        let text = unescape(NAME, value)?;
        pem::one(NAME, &text).map(Decoded::alone).map(Some)
    }
}

/// Percent-decodes; what is not encoded must be visible ASCII, and stays as it is.
pub(super) fn unescape(encoding: &'static str, value: &[u8]) -> Result<Vec<u8>, ProxyError> {
    let malformed = |fault| ProxyError::Malformed { encoding, fault };
    let mut text = Vec::with_capacity(value.len());
    let mut rest = value;
    while let [first, after @ ..] = rest {
        match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                let digit = |byte: u8| (byte as char).to_digit(16);
                let octet = digit(*high)
                    .zip(digit(*low))
                    .map(|(high, low)| high * 16 + low);
                let octet = octet.and_then(|octet| u8::try_from(octet).ok());
                text.push(octet.ok_or_else(|| malformed("a % is not followed by two digits"))?);
                rest = after;
            }
            (b'%', _) => return Err(malformed("a % is not followed by two digits")),
            (b'!'..=b'~', _) => {
                text.push(*first);
                rest = after;
            }
            _ => {
                return Err(malformed(
                    "a blank or another octet must be percent-encoded",
                ));
            }
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::fixtures::{certificate, escaped, pem};

    fn decode(value: &str) -> Result<Option<Decoded>, ProxyError> {
        EscapedPem.decode(value.as_bytes())
    }

    #[test]
    fn every_way_to_escape() {
        let leaf = Ok(Some(Decoded::alone(certificate("p256"))));
        let nginx = escaped("p256");
        let apache = nginx
            .replace("%2B", "+")
            .replace("%2F", "/")
            .replace("%3D", "=");
        let hex = |byte: u8| format!("%{byte:02x}");
        let everything = pem("p256").bytes().map(hex).collect::<Vec<_>>().concat();
        for value in [
            &nginx,
            &nginx.replace("%0A", "%0a").replace("%2B", "%2b"),
            &nginx.replace("%0A", "%0D%0A"),
            &nginx.replace("%0A", "%20"),
            &apache.replace("%0A", "%0a"),
            &everything,
            &nginx.replace('-', "%2D"),
        ] {
            assert!(EscapedPem.begins(value.as_bytes()), "{value}");
            assert_eq!(decode(value), leaf, "{value}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let nginx = escaped("p256");
        for wrong in [
            nginx.replace("%20", "+"),
            nginx.replace("%0A", "+"),
            nginx.replace("%0A", "\n"),
            nginx.replace("%0A", " "),
            nginx.replace("%20", " "),
            nginx.replace('%', "%25"),
            nginx.replacen("%2B", "%2", 1),
            nginx.replacen("%2B", "%GG", 1),
            nginx.replacen("%2B", "%+B", 1),
            nginx.replacen("%2B", "%20", 1),
            format!("{nginx}%"),
            format!("{nginx}%0"),
            format!("{nginx}{nginx}"),
            format!("{nginx},{nginx}"),
            format!("{nginx};"),
            format!("{nginx}\u{e9}"),
            pem("p256"),
        ] {
            assert!(decode(&wrong).is_err(), "{wrong}");
        }
    }
}
