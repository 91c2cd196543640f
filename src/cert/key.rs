//! Public keys of certificates and whether they are strong enough (RFC 3279, RFC 5480, RFC 8410).

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ED25519,
    ParsedPublicKey,
};

use super::attribute::Oid;
use super::der::{self, DerError, Reader, Tlv};

const RSA_ENCRYPTION: &[u8] = &[42, 134, 72, 134, 247, 13, 1, 1, 1];
const EC_PUBLIC_KEY: &[u8] = &[42, 134, 72, 206, 61, 2, 1];
const ED25519_KEY: &[u8] = &[43, 101, 112];
const P256: &[u8] = &[42, 134, 72, 206, 61, 3, 1, 7];
const P384: &[u8] = &[43, 129, 4, 0, 34];
const P521: &[u8] = &[43, 129, 4, 0, 35];

/// What kind of key a certificate certifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// RSA, under the identifier `rsaEncryption`.
    Rsa {
        /// Bits of the modulus.
        modulus_bits: usize,
        /// The public exponent; none where it takes more than 64 bits.
        exponent: Option<u64>,
    },
    /// An elliptic curve point.
    Ec {
        /// The curve.
        curve: Curve,
    },
    /// Ed25519.
    Ed25519,
    /// Anything else, by the OBJECT IDENTIFIER of its algorithm or curve, dotted.
    Other(String),
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { modulus_bits, .. } => write!(f, "RSA {modulus_bits}"),
            Self::Ec { curve } => fmt::Display::fmt(curve, f),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Other(oid) => f.write_str(oid),
        }
    }
}

/// A curve of FIPS 186.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// P-256, secp256r1.
    P256,
    /// P-384, secp384r1.
    P384,
    /// P-521, secp521r1.
    P521,
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        })
    }
}

/// Why a key is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WeakKey {
    /// An RSA modulus of that many bits.
    RsaModulus(usize),
    /// An RSA exponent that is even, below 3 or above 2^64.
    RsaExponent,
    /// An elliptic curve point that is not on its curve.
    OffCurve(Curve),
    /// An algorithm or curve that is not accepted, by its OBJECT IDENTIFIER.
    Algorithm(String),
    /// The key is not one of its algorithm.
    Malformed,
}

impl fmt::Display for WeakKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RsaModulus(bits) => {
                write!(f, "an RSA key of {bits} bits: use 2048 to 8192 bits")
            }
            Self::RsaExponent => f.write_str("an RSA key with a bad exponent: use 65537"),
            Self::OffCurve(curve) => write!(f, "a public key that is not a point of {curve}"),
            Self::Algorithm(oid) => write!(
                f,
                "a key of the algorithm or curve {oid}: use RSA, P-256, P-384, P-521 or Ed25519"
            ),
            Self::Malformed => f.write_str("a public key that does not decode"),
        }
    }
}

/// A `SubjectPublicKeyInfo`, read as far as its kind.
struct KeyInfo<'a> {
    algorithm: &'a [u8],
    parameters: Option<Tlv<'a>>,
    key: &'a [u8],
}

impl<'a> KeyInfo<'a> {
    fn read(octets: &'a [u8]) -> Result<Self, DerError> {
        let mut outer = Reader::new(octets).expect(der::SEQUENCE)?.reader();
        let mut algorithm = outer.expect(der::SEQUENCE)?.reader();
        let key = outer.expect(der::BIT_STRING)?.content();
        outer.end()?;
        let oid = algorithm.expect(der::OBJECT_IDENTIFIER)?.content();
        let parameters = algorithm.next()?;
        algorithm.end()?;
        let [0, key @ ..] = key else {
            return Err(DerError::Unexpected);
        };
        Ok(Self {
            algorithm: oid,
            parameters,
            key,
        })
    }

    fn curve(&self) -> Option<Curve> {
        let parameters = self.parameters.as_ref()?;
        match (parameters.tag(), parameters.content()) {
            (der::OBJECT_IDENTIFIER, P256) => Some(Curve::P256),
            (der::OBJECT_IDENTIFIER, P384) => Some(Curve::P384),
            (der::OBJECT_IDENTIFIER, P521) => Some(Curve::P521),
            _ => None,
        }
    }

    /// The magnitudes of modulus and exponent; none where they are no such thing.
    fn rsa(&self) -> Option<(&'a [u8], &'a [u8])> {
        der::strict(self.key).ok()?;
        let mut parts = Reader::new(self.key).expect(der::SEQUENCE).ok()?.reader();
        let modulus = magnitude(&parts.expect(der::INTEGER).ok()?)?;
        let exponent = magnitude(&parts.expect(der::INTEGER).ok()?)?;
        parts.end().ok()?;
        Some((modulus, exponent))
    }
}

/// A positive INTEGER without its leading zero.
fn magnitude<'a>(integer: &Tlv<'a>) -> Option<&'a [u8]> {
    match integer.content() {
        [0, rest @ ..] if !rest.is_empty() => Some(rest),
        [first, ..] if (1..0x80).contains(first) => Some(integer.content()),
        _ => None,
    }
}

fn bits(magnitude: &[u8]) -> usize {
    let zeros = magnitude.first().map_or(0, |first| first.leading_zeros());
    magnitude.len() * 8 - usize::try_from(zeros).unwrap_or(0)
}

fn dotted(oid: &[u8]) -> String {
    Oid::from_content(oid).map_or_else(|| "(too long)".to_owned(), |oid| oid.to_string())
}

impl PublicKey {
    /// The kind of key in a strict `SubjectPublicKeyInfo`.
    pub(super) fn read(info: &[u8]) -> Result<Self, DerError> {
        let info = KeyInfo::read(info)?;
        Ok(match info.algorithm {
            RSA_ENCRYPTION => match info.rsa() {
                Some((modulus, exponent)) => Self::Rsa {
                    modulus_bits: bits(modulus),
                    exponent: small(exponent),
                },
                None => Self::Other(dotted(RSA_ENCRYPTION)),
            },
            EC_PUBLIC_KEY => match (info.curve(), &info.parameters) {
                (Some(curve), _) => Self::Ec { curve },
                (None, Some(named)) if named.tag() == der::OBJECT_IDENTIFIER => {
                    Self::Other(dotted(named.content()))
                }
                _ => Self::Other(dotted(EC_PUBLIC_KEY)),
            },
            ED25519_KEY => Self::Ed25519,
            other => Self::Other(dotted(other)),
        })
    }
}

fn small(magnitude: &[u8]) -> Option<u64> {
    let octets = magnitude.iter();
    (magnitude.len() <= 8).then(|| octets.fold(0, |number, octet| number << 8 | u64::from(*octet)))
}

/// Whether the key of a `SubjectPublicKeyInfo` is strong enough to authenticate by: RSA of 2048 to
/// 8192 bits with an odd exponent of 3 or more, a point of P-256, P-384 or P-521, or Ed25519.
pub(super) fn strong(info: &[u8]) -> Result<(), WeakKey> {
    let info = KeyInfo::read(info).map_err(|_| WeakKey::Malformed)?;
    match info.algorithm {
        RSA_ENCRYPTION => {
            let (modulus, exponent) = info.rsa().ok_or(WeakKey::Malformed)?;
            if !(2048..=8192).contains(&bits(modulus)) {
                return Err(WeakKey::RsaModulus(bits(modulus)));
            }
            if modulus.last().is_none_or(|last| last & 1 == 0) {
                return Err(WeakKey::Malformed);
            }
            match small(exponent) {
                Some(exponent) if exponent >= 3 && exponent & 1 == 1 => Ok(()),
                _ => Err(WeakKey::RsaExponent),
            }
        }
        EC_PUBLIC_KEY => {
            let curve = info.curve().ok_or_else(|| {
                let named = info.parameters.as_ref().map(Tlv::content);
                WeakKey::Algorithm(dotted(named.unwrap_or(EC_PUBLIC_KEY)))
            })?;
            on_curve(curve, info.key)
        }
        ED25519_KEY if info.parameters.is_some() => Err(WeakKey::Malformed),
        ED25519_KEY => ParsedPublicKey::new(&ED25519, info.key)
            .ok()
            .filter(|_| info.key.len() == 32)
            .map_or(Err(WeakKey::Malformed), |_| Ok(())),
        other => Err(WeakKey::Algorithm(dotted(other))),
    }
}

fn on_curve(curve: Curve, point: &[u8]) -> Result<(), WeakKey> {
    // Uncompressed or compressed (SEC 1 section 2.3.3); not the hybrid form, nor infinity.
    if !matches!(point.first(), Some(2..=4)) {
        return Err(WeakKey::OffCurve(curve));
    }
    let algorithm = match curve {
        Curve::P256 => &ECDSA_P256_SHA256_ASN1,
        Curve::P384 => &ECDSA_P384_SHA384_ASN1,
        Curve::P521 => &ECDSA_P521_SHA512_ASN1,
    };
    // Parsing a key checks that its point is on the curve.
    match ParsedPublicKey::new(algorithm, point) {
        Ok(_) => Ok(()),
        Err(_) => Err(WeakKey::OffCurve(curve)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrap(tag: u8, inner: &[u8]) -> Vec<u8> {
        let length = u16::try_from(inner.len()).expect("short");
        let mut tlv = vec![tag];
        match length {
            0..0x80 => tlv.extend(&length.to_be_bytes()[1..]),
            0x80..0x100 => tlv.extend([0x81, length.to_be_bytes()[1]]),
            _ => tlv.extend([&[0x82][..], &length.to_be_bytes()].concat()),
        }
        tlv.extend_from_slice(inner);
        tlv
    }

    fn info(oid: &[u8], parameters: &[u8], key: &[u8]) -> Vec<u8> {
        let algorithm = wrap(0x30, &[wrap(6, oid), parameters.to_vec()].concat());
        wrap(0x30, &[algorithm, wrap(3, &[&[0], key].concat())].concat())
    }

    fn rsa(modulus_octets: usize, exponent: &[u8]) -> Vec<u8> {
        let mut modulus = vec![0xff; modulus_octets + 1];
        modulus[0] = 0;
        let key = wrap(0x30, &[wrap(2, &modulus), wrap(2, exponent)].concat());
        info(RSA_ENCRYPTION, &[5, 0], &key)
    }

    #[test]
    fn rsa_by_size_and_exponent() {
        for (octets, exponent, result) in [
            (256, &[1, 0, 1][..], Ok(())),
            (1024, &[3], Ok(())),
            (128, &[1, 0, 1], Err(WeakKey::RsaModulus(1024))),
            (1025, &[1, 0, 1], Err(WeakKey::RsaModulus(8200))),
            (256, &[1], Err(WeakKey::RsaExponent)),
            (256, &[4], Err(WeakKey::RsaExponent)),
            (256, &[0x7f; 9], Err(WeakKey::RsaExponent)),
            (256, &[0xff], Err(WeakKey::Malformed)),
            (256, &[0], Err(WeakKey::Malformed)),
        ] {
            assert_eq!(
                strong(&rsa(octets, exponent)),
                result,
                "{octets} {exponent:?}"
            );
        }
        let kind = PublicKey::Rsa {
            modulus_bits: 2048,
            exponent: Some(65_537),
        };
        assert_eq!(PublicKey::read(&rsa(256, &[1, 0, 1])), Ok(kind));
    }

    #[test]
    fn points_are_on_their_curve() {
        use aws_lc_rs::signature::{EcdsaKeyPair, KeyPair as _};
        let curve = wrap(6, P256);
        let key = EcdsaKeyPair::generate(&aws_lc_rs::signature::ECDSA_P256_SHA256_ASN1_SIGNING)
            .expect("a key");
        let point = key.public_key().as_ref().to_vec();
        assert_eq!(strong(&info(EC_PUBLIC_KEY, &curve, &point)), Ok(()));
        let mut off = point.clone();
        off[64] ^= 1;
        let off_curve = Err(WeakKey::OffCurve(Curve::P256));
        assert_eq!(strong(&info(EC_PUBLIC_KEY, &curve, &off)), off_curve);
        let mut hybrid = point.clone();
        hybrid[0] = 6;
        assert_eq!(strong(&info(EC_PUBLIC_KEY, &curve, &hybrid)), off_curve);
        assert_eq!(strong(&info(EC_PUBLIC_KEY, &curve, &[0])), off_curve);
        assert_eq!(
            strong(&info(EC_PUBLIC_KEY, &wrap(6, P384), &point)),
            Err(WeakKey::OffCurve(Curve::P384))
        );
        let k1 = [43, 129, 4, 0, 10];
        assert_eq!(
            strong(&info(EC_PUBLIC_KEY, &wrap(6, &k1), &point)),
            Err(WeakKey::Algorithm("1.3.132.0.10".into()))
        );
    }

    #[test]
    fn other_algorithms() {
        assert_eq!(
            strong(&info(ED25519_KEY, &[], &[9; 31])),
            Err(WeakKey::Malformed)
        );
        assert_eq!(
            strong(&info(&[43, 101, 110], &[], &[9; 32])),
            Err(WeakKey::Algorithm("1.3.101.110".into()))
        );
    }
}
