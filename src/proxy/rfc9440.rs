//! `rfc9440`: `Client-Cert` and `Client-Cert-Chain` (RFC 9440 section 2), which are structured fields.
//!
//! A certificate is one Byte Sequence (RFC 8941 section 3.3.5), a chain a list of them. RFC 9440
//! gives neither any parameters, so none is read over.

use super::{Decoded, Dialect, ProxyError, base64, chain, der};

const NAME: &str = "rfc9440";

/// Google Cloud, Cloudflare, and whoever follows the RFC.
pub(super) struct Rfc9440;

impl Dialect for Rfc9440 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn begins(&self, value: &[u8]) -> bool {
        value.starts_with(b":")
    }

    fn decode(&self, value: &[u8]) -> Result<Option<Decoded>, ProxyError> {
        if value.contains(&b',') {
            return Err(ProxyError::List);
        }
        byte_sequence(value).map(Decoded::alone).map(Some)
    }
}

/// Reads one line of a `Client-Cert-Chain` onto the certificates of the lines before it.
pub(super) fn chain_line(line: &[u8], onto: &mut Vec<Vec<u8>>) -> Result<(), ProxyError> {
    for item in line.split(|&byte| byte == b',') {
        chain::push(onto, byte_sequence(item.trim_ascii())?)?;
    }
    Ok(())
}

fn byte_sequence(item: &[u8]) -> Result<Vec<u8>, ProxyError> {
    let [b':', text @ .., b':'] = item else {
        return Err(ProxyError::Malformed {
            encoding: NAME,
            fault: "it is not base64 between two colons",
        });
    };
    der::one(NAME, base64::canonical(NAME, text)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::fixtures::{base64, certificate};

    #[test]
    fn one_byte_sequence() {
        let value = format!(":{}:", base64("p256"));
        assert!(Rfc9440.begins(value.as_bytes()));
        let decoded = Rfc9440.decode(value.as_bytes());
        assert_eq!(decoded, Ok(Some(Decoded::alone(certificate("p256")))));
        for wrong in [
            value[1..].to_owned(),
            value[..value.len() - 1].to_owned(),
            format!("{value};a=1"),
            format!("{value};"),
            format!("{value},{value}"),
            format!("{value}, {value}"),
            format!("{value},"),
            format!(":{value}"),
            value.replacen(':', ": ", 1),
            value.replace("==:", ":"),
            value.replace('+', "-").replace('/', "_"),
            format!("\"{}\"", base64("p256")),
            "::::".to_owned(),
            ":".to_owned(),
        ] {
            assert!(Rfc9440.decode(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
