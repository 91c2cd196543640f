//! The outline of a certificate in DER (RFC 5280 section 4.1): as much as a list of them needs.
//!
//! This is no parser of certificates. It tells where one ends, and whether one issued another.

use super::{MAX_OCTETS, ProxyError};

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// One certificate and nothing after it: a SEQUENCE whose length is minimal and exact.
pub(super) fn one(encoding: &'static str, der: Vec<u8>) -> Result<Vec<u8>, ProxyError> {
    if der.len() > MAX_OCTETS {
        return Err(ProxyError::CertificateTooLarge);
    }
    match Element::first(&der, SEQUENCE) {
        Some((_, [])) => Ok(der),
        Some(_) => Err(ProxyError::Malformed {
            encoding,
            fault: "something follows the certificate's DER",
        }),
        None => Err(ProxyError::Malformed {
            encoding,
            fault: "it does not hold the DER of a certificate",
        }),
    }
}

/// One or more certificates, one after the other and nothing between (`HAProxy`'s chain).
pub(super) fn several(encoding: &'static str, der: &[u8]) -> Result<Vec<Vec<u8>>, ProxyError> {
    let mut certificates = Vec::new();
    let mut rest = der;
    while !rest.is_empty() {
        let (element, after) = Element::first(rest, SEQUENCE).ok_or(ProxyError::Malformed {
            encoding,
            fault: "it does not hold the DER of certificates",
        })?;
        super::chain::push(&mut certificates, element.whole.to_vec())?;
        rest = after;
    }
    Ok(certificates)
}

/// Whether `issuer` issued `certificate`: the names are equal octet by octet, and the key of the one
/// verifies the signature on the other. An algorithm that cannot be verified issues nothing.
pub(super) fn issued(issuer: &[u8], certificate: &[u8]) -> bool {
    let (Some(issuer), Some(certificate)) = (Outline::of(issuer), Outline::of(certificate)) else {
        return false;
    };
    issuer.subject == certificate.issuer
        && webpki::ALL_VERIFICATION_ALGS
            .iter()
            .filter(|algorithm| {
                *algorithm.signature_alg_id() == *certificate.signature_algorithm
                    && *algorithm.public_key_alg_id() == *issuer.key_algorithm
            })
            .any(|algorithm| {
                algorithm
                    .verify_signature(issuer.key, certificate.signed, certificate.signature)
                    .is_ok()
            })
}

/// What decides who issued whom, borrowed from the DER.
struct Outline<'a> {
    signed: &'a [u8],
    signature_algorithm: &'a [u8],
    signature: &'a [u8],
    issuer: &'a [u8],
    subject: &'a [u8],
    key_algorithm: &'a [u8],
    key: &'a [u8],
}

impl<'a> Outline<'a> {
    fn of(der: &'a [u8]) -> Option<Self> {
        let (certificate, []) = Element::first(der, SEQUENCE)? else {
            return None;
        };
        let (to_be_signed, rest) = Element::first(certificate.content, SEQUENCE)?;
        let (signature_algorithm, rest) = Element::first(rest, SEQUENCE)?;
        let (signature, []) = Element::first(rest, BIT_STRING)? else {
            return None;
        };
        let rest = to_be_signed.content;
        let rest = Element::first(rest, VERSION).map_or(rest, |(_, after)| after);
        let (_serial, rest) = Element::first(rest, INTEGER)?;
        let (inner_algorithm, rest) = Element::first(rest, SEQUENCE)?;
        let (issuer, rest) = Element::first(rest, SEQUENCE)?;
        let (_validity, rest) = Element::first(rest, SEQUENCE)?;
        let (subject, rest) = Element::first(rest, SEQUENCE)?;
        let (key_info, _) = Element::first(rest, SEQUENCE)?;
        let (key_algorithm, rest) = Element::first(key_info.content, SEQUENCE)?;
        let (key, []) = Element::first(rest, BIT_STRING)? else {
            return None;
        };
        (inner_algorithm.content == signature_algorithm.content).then_some(())?;
        Some(Self {
            signed: to_be_signed.whole,
            signature_algorithm: signature_algorithm.content,
            signature: whole_octets(signature.content)?,
            issuer: issuer.content,
            subject: subject.content,
            key_algorithm: key_algorithm.content,
            key: whole_octets(key.content)?,
        })
    }
}

/// The octets of a BIT STRING that has no unused bits.
fn whole_octets(content: &[u8]) -> Option<&[u8]> {
    content.strip_prefix(&[0])
}

/// A tag, a length and a content.
struct Element<'a> {
    whole: &'a [u8],
    content: &'a [u8],
}

impl<'a> Element<'a> {
    /// The first element, which must bear that tag, and what follows it. Lengths are definite and
    /// minimal (X.690 section 10.1), and of three octets at most, which is more than any header has.
    fn first(octets: &'a [u8], tag: u8) -> Option<(Self, &'a [u8])> {
        let (&first, rest) = octets.split_first()?;
        (first == tag).then_some(())?;
        let (&short, rest) = rest.split_first()?;
        let (length, rest) = match short {
            0..=0x7f => (usize::from(short), rest),
            0x81..=0x83 => {
                let (digits, rest) = rest.split_at_checked(usize::from(short & 0x7f))?;
                let length = digits
                    .iter()
                    .fold(0, |length, &digit| length << 8 | usize::from(digit));
                (digits[0] != 0 && length > 0x7f).then_some(())?;
                (length, rest)
            }
            _ => return None,
        };
        let (content, after) = rest.split_at_checked(length)?;
        let whole = &octets[..octets.len() - after.len()];
        Some((Self { whole, content }, after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::fixtures::certificate;

    #[test]
    fn one_certificate_and_nothing_after_it() {
        let leaf = certificate("p256");
        assert_eq!(one("test", leaf.clone()), Ok(leaf.clone()));
        let mut longer = leaf.clone();
        longer.push(0);
        let mut padded = vec![0x30, 0x83, 0];
        padded.extend_from_slice(&leaf[2..]);
        for wrong in [
            longer,
            padded,
            leaf[..leaf.len() - 1].to_vec(),
            Vec::new(),
            vec![0x30],
            vec![0x30, 0x80, 0, 0],
            vec![0x30, 0x81, 1, 0],
            vec![0x31, 0],
        ] {
            assert!(one("test", wrong.clone()).is_err(), "{wrong:?}");
        }
        assert_eq!(
            one("test", vec![0; MAX_OCTETS + 1]),
            Err(ProxyError::CertificateTooLarge)
        );
    }

    #[test]
    fn the_issuer_is_who_signed() {
        let (ca, inter, leaf) = (certificate("ca"), certificate("inter"), certificate("p256"));
        assert!(issued(&inter, &leaf));
        assert!(issued(&ca, &inter));
        assert!(issued(&ca, &ca));
        assert!(issued(
            &certificate("self-ed25519"),
            &certificate("self-ed25519")
        ));
        assert!(!issued(&ca, &leaf), "another name");
        // The impostor's CA bears the same name over another key.
        assert!(!issued(&certificate("impostor-inter"), &leaf));
        assert!(issued(
            &certificate("impostor-inter"),
            &certificate("impostor")
        ));
        // The right key under another name.
        let mut renamed = inter.clone();
        let name = b"Issuing CA 1";
        let at = renamed.windows(name.len()).position(|text| text == name);
        renamed[at.expect("the intermediate's name") + name.len() - 1] = b'2';
        assert!(!issued(&renamed, &leaf));
        assert!(!issued(&leaf, &leaf));
        assert!(!issued(b"", &leaf));
    }
}
