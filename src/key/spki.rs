//! A public key from the `SubjectPublicKeyInfo` of a certificate (RFC 5280 section 4.1.2.7), so that a
//! JWK can be written for it.

use super::error::KeyError;
use super::public::{Curve, EC_PUBLIC_KEY, ID_ED25519, PublicKey, RSA_ENCRYPTION};
use crate::cert::der::{self, DerError, Reader};

const CURVES: [Curve; 3] = [Curve::P256, Curve::P384, Curve::P521];

impl PublicKey {
    /// The key in the octets of a `SubjectPublicKeyInfo`.
    ///
    /// # Errors
    ///
    /// Keys of other kinds than JWK is used for here, weak ones, and such as are encoded in another way
    /// than [`spki_der`](Self::spki_der) does it, for example with a compressed point: a JWK for them
    /// would not be known again as the same key.
    pub fn from_spki(octets: &[u8]) -> Result<Self, KeyError> {
        let parts = parts(octets).map_err(|_| KeyError::Jwk("the public key does not decode"))?;
        let key = match parts.algorithm {
            RSA_ENCRYPTION => {
                let (modulus, exponent) = rsa(parts.key)
                    .map_err(|_| KeyError::Jwk("the RSA public key does not decode"))?;
                Self::rsa(modulus, exponent)
            }
            EC_PUBLIC_KEY => {
                let curve = CURVES
                    .into_iter()
                    .find(|curve| parts.parameters == Some(curve.object_identifier()))
                    .ok_or(KeyError::UnknownKeyType)?;
                let [4, point @ ..] = parts.key else {
                    return Err(KeyError::Jwk("the point is not in uncompressed form"));
                };
                let (x, y) = point.split_at(point.len() / 2);
                Self::ec(curve, x, y)
            }
            ID_ED25519 => Self::ed25519(parts.key),
            _ => Err(KeyError::UnknownKeyType),
        }?;
        if key.spki_der() == octets {
            Ok(key)
        } else {
            Err(KeyError::Jwk("the public key is encoded in an unusual way"))
        }
    }
}

/// A `SubjectPublicKeyInfo`, taken apart.
struct Parts<'a> {
    algorithm: &'a [u8],
    parameters: Option<&'a [u8]>,
    key: &'a [u8],
}

fn parts(octets: &[u8]) -> Result<Parts<'_>, DerError> {
    der::strict(octets)?;
    let mut outer = Reader::new(octets).expect(der::SEQUENCE)?.reader();
    let mut identifier = outer.expect(der::SEQUENCE)?.reader();
    let bits = outer.expect(der::BIT_STRING)?.content();
    outer.end()?;
    let algorithm = identifier.expect(der::OBJECT_IDENTIFIER)?.content();
    let parameters = identifier.next()?.map(|value| value.content());
    identifier.end()?;
    // The first octet counts unused bits, of which a key has none.
    let [0, key @ ..] = bits else {
        return Err(DerError::Unexpected);
    };
    Ok(Parts {
        algorithm,
        parameters,
        key,
    })
}

/// Modulus and exponent without the octets that only say they are positive.
fn rsa(key: &[u8]) -> Result<(&[u8], &[u8]), DerError> {
    der::strict(key)?;
    let mut numbers = Reader::new(key).expect(der::SEQUENCE)?.reader();
    let modulus = numbers.expect(der::INTEGER)?.content();
    let exponent = numbers.expect(der::INTEGER)?.content();
    numbers.end()?;
    let magnitude = |number| <[u8]>::strip_prefix(number, &[0]).unwrap_or(number);
    Ok((magnitude(modulus), magnitude(exponent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
        use rcgen::PublicKeyData as _;
        let pair = rcgen::KeyPair::generate_for(algorithm).expect("a key");
        pair.subject_public_key_info()
    }

    #[test]
    fn every_kind_comes_back_as_it_was() {
        for (algorithm, kty) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, "EC"),
            (&rcgen::PKCS_ECDSA_P384_SHA384, "EC"),
            (&rcgen::PKCS_ECDSA_P521_SHA512, "EC"),
            (&rcgen::PKCS_ED25519, "OKP"),
            (&rcgen::PKCS_RSA_SHA256, "RSA"),
        ] {
            let spki = made(algorithm);
            let key = PublicKey::from_spki(&spki).expect("a usable key");
            assert_eq!(key.spki_der(), spki);
            let members = key.sorted_members();
            assert!(members.contains(&("kty", kty.to_owned())), "{members:?}");
        }
    }

    #[test]
    fn what_is_no_such_key() {
        let good = made(&rcgen::PKCS_ECDSA_P256_SHA256);
        let mut off_curve = good.clone();
        *off_curve.last_mut().expect("octets") ^= 1;
        let mut other_curve = good.clone();
        other_curve[22] = 6;
        for (octets, why) in [
            (Vec::new(), "empty"),
            (good[..good.len() - 1].to_vec(), "cut short"),
            ([&good[..], &[0]].concat(), "trailing"),
            (off_curve, "off its curve"),
            (other_curve, "another curve"),
        ] {
            assert!(PublicKey::from_spki(&octets).is_err(), "{why}");
        }
    }
}
