//! `base64-der` and `base64-pem`: a certificate, or its PEM text, in base64 (RFC 4648 section 4).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Decoded, Dialect, ProxyError, der, pem};

/// `HAProxy`, Caddy, Azure: base64 of the DER.
pub(super) struct Base64Der;

impl Dialect for Base64Der {
    fn name(&self) -> &'static str {
        "base64-der"
    }

    /// A SEQUENCE of 128 octets or more, which every certificate is.
    fn begins(&self, value: &[u8]) -> bool {
        value.starts_with(b"MI")
    }

    fn decode(&self, value: &[u8]) -> Result<Option<Decoded>, ProxyError> {
        if value.contains(&b',') {
            return Err(ProxyError::List);
        }
        let der = der::one(self.name(), canonical(self.name(), value)?)?;
        Ok(Some(Decoded::alone(der)))
    }
}

/// Apache's `base64`: base64 of the PEM text.
pub(super) struct Base64Pem;

impl Dialect for Base64Pem {
    fn name(&self) -> &'static str {
        "base64-pem"
    }

    /// `-----BEGIN`, and a blank's first bits.
    fn begins(&self, value: &[u8]) -> bool {
        value.starts_with(b"LS0tLS1CRUdJTi")
    }

    fn decode(&self, value: &[u8]) -> Result<Option<Decoded>, ProxyError> {
        let text = canonical(self.name(), value)?;
        pem::one(self.name(), &text).map(Decoded::alone).map(Some)
    }
}

/// Decodes base64 of the standard alphabet with its padding and no stray bits, so that there is one
/// text for one sequence of octets.
pub(super) fn canonical(encoding: &'static str, text: &[u8]) -> Result<Vec<u8>, ProxyError> {
    STANDARD.decode(text).map_err(|_| ProxyError::Malformed {
        encoding,
        fault: "its base64 is not canonical",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::fixtures::{base64, certificate, pem};

    #[test]
    fn der() {
        for name in ["p256", "rsa", "large", "self-ed25519"] {
            let value = base64(name);
            assert!(Base64Der.begins(value.as_bytes()));
            let decoded = Base64Der.decode(value.as_bytes());
            assert_eq!(decoded, Ok(Some(Decoded::alone(certificate(name)))));
        }
        let value = base64("p256");
        let twice = STANDARD.encode([certificate("p256"), certificate("p256")].concat());
        for wrong in [
            value.trim_end_matches('=').to_owned(),
            value.replace("==", "="),
            format!("{value}="),
            value.replace("Hg==", "Hh=="),
            value.replace('+', "-").replace('/', "_"),
            value.replace('+', " "),
            format!("{} {}", &value[..64], &value[64..]),
            format!("{}\n{}", &value[..64], &value[64..]),
            format!("{value},{value}"),
            format!("{value}{value}"),
            format!("{value};"),
            STANDARD.encode(&certificate("p256")[1..]),
            twice,
        ] {
            assert!(Base64Der.decode(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn pem_text() {
        let value = STANDARD.encode(pem("p256"));
        assert!(Base64Pem.begins(value.as_bytes()));
        let decoded = Base64Pem.decode(value.as_bytes());
        assert_eq!(decoded, Ok(Some(Decoded::alone(certificate("p256")))));
        for wrong in [
            STANDARD.encode(pem("p256").repeat(2)),
            STANDARD.encode(&value),
            format!("{value},{value}"),
            base64("p256"),
        ] {
            assert!(Base64Pem.decode(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
