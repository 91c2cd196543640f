//! The chain header: intermediates in whatever form a web server has for them, never a credential.
//!
//! RFC 9440 section 2.3 has a list, which may span several lines. Apache sends PEM, nginx cannot,
//! `HAProxy` one base64 of all DER.

use super::absent::says_absent;
use super::{DIALECTS, MAX_CHAIN, MAX_OCTETS, ProxyError, base64, der, escaped_pem, pem, rfc9440};

/// The DER of each certificate in those lines, in their order; none where they say that there is none.
///
/// # Errors
/// A form that is not known, several lines that are not RFC 9440's, a certificate that is not one
/// piece of DER, more than 8 of them, or more than 64 KiB.
pub fn decode_chain(values: &[&[u8]]) -> Result<Vec<Vec<u8>>, ProxyError> {
    let mut lines = values.iter().map(|value| value.trim_ascii());
    if values.iter().map(|value| value.len()).sum::<usize>() > MAX_OCTETS {
        return Err(ProxyError::ChainTooLong);
    }
    if let [value] = values {
        return one_line(value.trim_ascii());
    }
    lines.try_fold(Vec::new(), |mut certificates, line| {
        if !says_absent(line) {
            rfc9440::chain_line(line, &mut certificates)?;
        }
        Ok(certificates)
    })
}

fn one_line(value: &[u8]) -> Result<Vec<Vec<u8>>, ProxyError> {
    if says_absent(value) {
        return Ok(Vec::new());
    }
    let dialect = DIALECTS
        .iter()
        .find(|dialect| dialect.guessable() && dialect.begins(value))
        .ok_or(ProxyError::Unrecognised)?;
    let name = dialect.name();
    match name {
        "rfc9440" => {
            let mut certificates = Vec::new();
            rfc9440::chain_line(value, &mut certificates)?;
            Ok(certificates)
        }
        "pem" => pem::several(name, value),
        "escaped-pem" => pem::several(name, &escaped_pem::unescape(name, value)?),
        "base64-pem" => pem::several(name, &base64::canonical(name, value)?),
        "base64-der" => der::several(name, &base64::canonical(name, value)?),
        _ => Err(ProxyError::Unrecognised),
    }
}

/// One more certificate, if it is not one too many.
pub(super) fn push(certificates: &mut Vec<Vec<u8>>, der: Vec<u8>) -> Result<(), ProxyError> {
    if certificates.len() == MAX_CHAIN {
        return Err(ProxyError::ChainTooLong);
    }
    certificates.push(der);
    Ok(())
}

#[cfg(test)]
mod tests {
    use ::base64::Engine as _;
    use ::base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::proxy::fixtures::{base64 as encoded, certificate, escaped, pem as text};

    fn decode(lines: &[String]) -> Result<Vec<Vec<u8>>, ProxyError> {
        let lines: Vec<&[u8]> = lines.iter().map(String::as_bytes).collect();
        decode_chain(&lines)
    }

    #[test]
    fn every_form() {
        let (inter, ca) = (encoded("inter"), encoded("ca"));
        let both = vec![certificate("inter"), certificate("ca")];
        let der = both.concat();
        let plain = [text("inter"), text("ca")].concat();
        for lines in [
            vec![format!(":{inter}:, :{ca}:")],
            vec![format!(":{inter}:,:{ca}:")],
            vec![format!(":{inter}:"), format!(":{ca}:")],
            vec![format!(":{inter}:"), String::new(), format!(" :{ca}: ")],
            vec![plain.replace('\n', " ")],
            vec![[escaped("inter"), escaped("ca")].concat()],
            vec![STANDARD.encode(&plain)],
            vec![STANDARD.encode(&der)],
        ] {
            assert_eq!(decode(&lines).as_ref(), Ok(&both), "{lines:?}");
        }
        for nothing in ["", " ", "(null)", "::", "{x}"] {
            assert_eq!(decode(&[nothing.to_owned()]), Ok(Vec::new()), "{nothing}");
        }
        assert_eq!(decode(&[]), Ok(Vec::new()));
    }

    #[test]
    fn anything_else_is_refused() {
        let (inter, ca) = (encoded("inter"), encoded("ca"));
        let plain = text("inter").replace('\n', " ");
        for lines in [
            vec![format!(":{inter}:,")],
            vec![format!(",:{inter}:")],
            vec![format!(":{inter}:;a=1, :{ca}:")],
            vec![format!(":{inter}:, ::")],
            vec![format!(":{inter}: :{ca}:")],
            vec![format!("{inter},{ca}")],
            vec![inter.clone(), ca.clone()],
            vec![plain.clone(), plain.clone()],
            vec![format!("{plain},{plain}")],
            vec![format!("{plain}x")],
            vec![STANDARD.encode([&certificate("inter")[..], b"x"].concat())],
            vec![format!("Chain=\"{}\"", escaped("inter"))],
            vec!["x".to_owned()],
            vec![format!(":{inter}:"); 9],
            vec![vec![format!(":{inter}:"); 9].join(",")],
            vec!["M".repeat(MAX_OCTETS + 1)],
        ] {
            assert!(decode(&lines).is_err(), "{lines:?}");
        }
        assert_eq!(
            decode(&vec![format!(":{inter}:"); 8]).map(|c| c.len()),
            Ok(8)
        );
    }
}
