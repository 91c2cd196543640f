//! `pem`: a certificate in textual encoding (RFC 7468), its newlines as they are or as blanks.
//!
//! Apache's `%{SSL_CLIENT_CERT}s` turns each newline into one blank and leaves one at the end. A
//! `FastCGI` parameter has the newlines themselves.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Decoded, Dialect, ProxyError, chain, der};

const NAME: &str = "pem";
const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
const END: &[u8] = b"-----END CERTIFICATE-----";

/// Apache, and `FastCGI` parameters.
pub(super) struct Pem;

impl Dialect for Pem {
    fn name(&self) -> &'static str {
        NAME
    }

    fn begins(&self, value: &[u8]) -> bool {
        value.starts_with(b"-----BEGIN ")
    }

    fn decode(&self, value: &[u8]) -> Result<Option<Decoded>, ProxyError> {
        one(NAME, value).map(Decoded::alone).map(Some)
    }
}

/// The DER of the one certificate in that text, which has nothing before and after it but blanks.
pub(super) fn one(encoding: &'static str, text: &[u8]) -> Result<Vec<u8>, ProxyError> {
    let (der, rest) = first(encoding, text)?;
    if rest.is_empty() {
        return Ok(der);
    }
    Err(ProxyError::Malformed {
        encoding,
        fault: "something follows the certificate",
    })
}

/// The DER of each certificate in that text, which has nothing between them but blanks.
pub(super) fn several(encoding: &'static str, text: &[u8]) -> Result<Vec<Vec<u8>>, ProxyError> {
    let mut certificates = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (der, after) = first(encoding, rest)?;
        chain::push(&mut certificates, der)?;
        rest = after;
    }
    Ok(certificates)
}

/// The DER of the first certificate, and what follows it and its blanks.
fn first<'a>(encoding: &'static str, text: &'a [u8]) -> Result<(Vec<u8>, &'a [u8]), ProxyError> {
    let malformed = |fault| ProxyError::Malformed { encoding, fault };
    let body = text
        .trim_ascii_start()
        .strip_prefix(BEGIN)
        .ok_or_else(|| malformed("the line that begins a certificate is missing"))?;
    let dash = body
        .iter()
        .position(|&byte| byte == b'-')
        .ok_or_else(|| malformed("the line that ends a certificate is missing"))?;
    let (body, rest) = body.split_at(dash);
    let rest = rest
        .strip_prefix(END)
        .ok_or_else(|| malformed("the line that ends a certificate must follow the base64"))?;
    let framed = body.first().is_some_and(|&byte| is_blank(byte))
        && body.last().is_some_and(|&byte| is_blank(byte));
    if !framed {
        return Err(malformed("a newline or blank must stand around the base64"));
    }
    let digits: Vec<u8> = body
        .iter()
        .copied()
        .filter(|&byte| !is_blank(byte))
        .collect();
    let der = STANDARD
        .decode(digits)
        .map_err(|_| malformed("its base64 is not canonical"))?;
    Ok((der::one(encoding, der)?, rest.trim_ascii_start()))
}

/// What may stand where the textual encoding has a newline.
const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::fixtures::{certificate, pem};

    #[test]
    fn every_kind_of_newline() {
        let (text, leaf) = (pem("p256"), certificate("p256"));
        for newline in ["\n", "\r\n", " ", "\t", " \t", "\n\t"] {
            let value = text.replace('\n', newline);
            assert_eq!(
                one(NAME, value.as_bytes()).as_ref(),
                Ok(&leaf),
                "{newline:?}"
            );
            assert_eq!(one(NAME, value.trim().as_bytes()).as_ref(), Ok(&leaf));
        }
    }

    #[test]
    fn one_block_alone() {
        let text = pem("p256").trim().replace('\n', " ");
        let begin = "-----BEGIN CERTIFICATE-----";
        for wrong in [
            format!("{text} {text}"),
            format!("{text},{text}"),
            format!("{text} x"),
            format!("x {text}"),
            format!("{text} -----"),
            text.replace("CERTIFICATE", "X509 CERTIFICATE"),
            text.replace("CERTIFICATE", "TRUSTED CERTIFICATE"),
            text.replace("CERTIFICATE", "PRIVATE KEY"),
            text.replace("END CERTIFICATE", "END CERTIFICATES"),
            text.replace("BEGIN", "begin"),
            text.replace("-----END", "----END"),
            text.replace("-----BEGIN", "------BEGIN"),
            text.replace(begin, &format!("{begin} Proc-Type: 4,ENCRYPTED ")),
            text.replace(begin, &format!("{begin} A: b ")),
            text.replace("== ", "= "),
            text.replace("== ", "  "),
            text.replace("== ", "=== "),
            text.replace("Hg==", "Hh=="),
            text.replace('+', "-"),
            text.replace('+', " "),
            text.replace('+', "%2B"),
            text.replace(' ', ""),
            text.replace(&format!("{begin} "), begin),
            text.replace(" -----END", "-----END"),
            text.replace(' ', "\u{a0}"),
            text.replace(' ', "\u{b}"),
            begin.to_owned(),
            format!("{begin} -----END CERTIFICATE-----"),
            format!("{begin} MIIB -----END CERTIFICATE-----"),
            format!("{begin} MAA= -----END CERTIFICATE----- -----END CERTIFICATE-----"),
            String::new(),
        ] {
            assert!(one(NAME, wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn several_blocks() {
        let both = format!("{}{}", pem("inter"), pem("ca")).replace('\n', " ");
        let expected = vec![certificate("inter"), certificate("ca")];
        assert_eq!(several(NAME, both.as_bytes()), Ok(expected));
        let nine = pem("inter").repeat(9);
        assert_eq!(
            several(NAME, nine.as_bytes()),
            Err(ProxyError::ChainTooLong)
        );
    }
}
