//! A public key by its parameters: its JWK members (RFC 7518 section 6, RFC 8037 section 2), its
//! `SubjectPublicKeyInfo` (RFC 5280 section 4.1.2.7) and its thumbprint (RFC 7638).

use std::fmt;

use aws_lc_rs::agreement::{self, X25519};
use aws_lc_rs::signature::{ParsedPublicKey, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::algorithm::VerificationAlgorithm;
use super::der::{BIT_STRING, NULL, OBJECT_IDENTIFIER, SEQUENCE, element, integer};
use super::error::KeyError;
use crate::oauth::secret::Digest;

/// The curves of RFC 7518 section 6.2.1.1 that are used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
    /// NIST P-521.
    P521,
}

impl Curve {
    /// The `crv` value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// The octets of one coordinate.
    pub const fn coordinate(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    pub(super) const fn object_identifier(self) -> &'static [u8] {
        match self {
            Self::P256 => &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
            Self::P384 => &[0x2b, 0x81, 0x04, 0x00, 0x22],
            Self::P521 => &[0x2b, 0x81, 0x04, 0x00, 0x23],
        }
    }

    const fn algorithm(self) -> VerificationAlgorithm {
        match self {
            Self::P256 => VerificationAlgorithm::Es256,
            Self::P384 => VerificationAlgorithm::Es384,
            Self::P521 => VerificationAlgorithm::Es512,
        }
    }
}

/// id-ecPublicKey, RFC 5480 section 2.1.1.
pub(super) const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// rsaEncryption, RFC 3279 section 2.3.1.
pub(super) const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// id-Ed25519, RFC 8410 section 3.
pub(super) const ID_ED25519: &[u8] = &[0x2b, 0x65, 0x70];
/// id-X25519, RFC 8410 section 3.
const ID_X25519: &[u8] = &[0x2b, 0x65, 0x6e];

/// RSA moduli from 2048 bits on; smaller ones can be factored by whoever cares enough.
const RSA_MODULUS_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// The library takes public exponents of up to 33 bits.
const RSA_EXPONENT_OCTETS: usize = 5;

/// What the key consists of; every part of the exact length and form that JWK asks for.
#[derive(Clone, PartialEq, Eq)]
enum Parameters {
    Rsa {
        modulus: Box<[u8]>,
        exponent: Box<[u8]>,
    },
    Ec {
        curve: Curve,
        x: Box<[u8]>,
        y: Box<[u8]>,
    },
    Ed25519([u8; 32]),
    X25519([u8; 32]),
}

/// What a key is by its kind, for whoever encrypts to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Rsa,
    Ec(Curve),
    Ed25519,
    X25519,
}

/// A public key that signatures can be verified with, or that can be encrypted to, or both by its kind:
/// strong enough, and a point of its curve.
#[derive(Clone)]
pub struct PublicKey {
    parameters: Parameters,
    /// Parsed once for the algorithm that a key of its kind is mostly used with; none for X25519,
    /// which makes no signatures.
    parsed: Option<(VerificationAlgorithm, ParsedPublicKey)>,
}

impl PublicKey {
    /// An RSA key by modulus and exponent, big-endian without leading zero octets.
    pub fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        let refused = |what| Err(KeyError::Jwk(what));
        let (Some(first), Some(last)) = (modulus.first(), modulus.last()) else {
            return refused("\"n\" is empty");
        };
        if *first == 0 || last.is_multiple_of(2) {
            return refused("\"n\" starts with a zero octet or is even");
        }
        let bits = (modulus.len() * 8).saturating_sub(first.leading_zeros() as usize);
        if !RSA_MODULUS_BITS.contains(&bits) {
            return refused("an RSA key is to have 2048 to 8192 bits");
        }
        let odd = exponent.last().is_some_and(|last| !last.is_multiple_of(2));
        if !odd || exponent[0] == 0 || exponent == [1] || exponent.len() > RSA_EXPONENT_OCTETS {
            return refused("\"e\" is to be an odd number from 3 to 2^32, usually AQAB");
        }
        Self::new(
            Parameters::Rsa {
                modulus: modulus.into(),
                exponent: exponent.into(),
            },
            VerificationAlgorithm::Rs256,
        )
    }

    /// An EC key by its coordinates, each as long as the curve's field.
    pub fn ec(curve: Curve, x: &[u8], y: &[u8]) -> Result<Self, KeyError> {
        if x.len() != curve.coordinate() || y.len() != curve.coordinate() {
            return Err(KeyError::Jwk(
                "\"x\" and \"y\" are to be 32 octets on P-256, 48 on P-384, 66 on P-521",
            ));
        }
        let (x, y) = (x.into(), y.into());
        Self::new(Parameters::Ec { curve, x, y }, curve.algorithm())
    }

    /// An Ed25519 key.
    pub fn ed25519(x: &[u8]) -> Result<Self, KeyError> {
        let x = x
            .try_into()
            .map_err(|_| KeyError::Jwk("\"x\" of an Ed25519 key is to be 32 octets"))?;
        Self::new(Parameters::Ed25519(x), VerificationAlgorithm::EdDsa)
    }

    /// An X25519 key (RFC 7748 section 5), which is only for encryption.
    pub fn x25519(x: &[u8]) -> Result<Self, KeyError> {
        let x: [u8; 32] = x
            .try_into()
            .map_err(|_| KeyError::Jwk("\"x\" of an X25519 key is to be 32 octets"))?;
        // RFC 7748 section 6.1: with a point of small order everybody agrees on zero. The library
        // refuses that, whatever the private key.
        let private = agreement::PrivateKey::generate(&X25519).map_err(|_| KeyError::Failed)?;
        agreement::agree(
            &private,
            agreement::UnparsedPublicKey::new(&X25519, x),
            KeyError::Jwk("\"x\" of an X25519 key is a point of small order"),
            |_| Ok(()),
        )?;
        Ok(Self {
            parameters: Parameters::X25519(x),
            parsed: None,
        })
    }

    fn new(parameters: Parameters, usual: VerificationAlgorithm) -> Result<Self, KeyError> {
        let parsed = ParsedPublicKey::new(usual.primitive(), spki_der(&parameters))
            .map_err(|_| KeyError::Jwk("its numbers are no key (a point off its curve?)"))?;
        Ok(Self {
            parameters,
            parsed: Some((usual, parsed)),
        })
    }

    /// The kind of the key.
    pub(super) const fn kind(&self) -> Kind {
        match &self.parameters {
            Parameters::Rsa { .. } => Kind::Rsa,
            Parameters::Ec { curve, .. } => Kind::Ec(*curve),
            Parameters::Ed25519(_) => Kind::Ed25519,
            Parameters::X25519(_) => Kind::X25519,
        }
    }

    /// Whether a signature by that algorithm could be this key's.
    pub fn fits(&self, algorithm: VerificationAlgorithm) -> bool {
        use VerificationAlgorithm as A;
        match &self.parameters {
            Parameters::Rsa { .. } => matches!(
                algorithm,
                A::Rs256 | A::Rs384 | A::Rs512 | A::Ps256 | A::Ps384 | A::Ps512
            ),
            Parameters::Ec { curve, .. } => algorithm == curve.algorithm(),
            Parameters::Ed25519(_) => algorithm == A::EdDsa,
            Parameters::X25519(_) => false,
        }
    }

    /// Whether the signature (in its JWS form, RFC 7518 section 3) is this key's over that input.
    pub fn verifies(
        &self,
        algorithm: VerificationAlgorithm,
        input: &[u8],
        signature: &[u8],
    ) -> bool {
        if !self.fits(algorithm) {
            return false;
        }
        if let Some((usual, parsed)) = &self.parsed
            && algorithm == *usual
        {
            return parsed.verify_sig(input, signature).is_ok();
        }
        // Only RSA has more than one algorithm, and reading its key costs little beside its use.
        UnparsedPublicKey::new(algorithm.primitive(), self.spki_der())
            .verify(input, signature)
            .is_ok()
    }

    /// DER `SubjectPublicKeyInfo`, as it stands in a certificate over the same key.
    pub fn spki_der(&self) -> Vec<u8> {
        spki_der(&self.parameters)
    }

    /// The RFC 7638 thumbprint.
    pub fn thumbprint(&self) -> Digest {
        let mut canonical = String::from("{");
        // RFC 7638 section 3.2: the required members, in the order of their names, without white
        // space. None of the values needs escaping.
        for (at, (name, value)) in self.sorted_members().into_iter().enumerate() {
            if at > 0 {
                canonical.push(',');
            }
            canonical.push('"');
            canonical.push_str(name);
            canonical.push_str("\":\"");
            canonical.push_str(&value);
            canonical.push('"');
        }
        canonical.push('}');
        Digest::of(canonical.as_bytes())
    }

    /// The JWK members that make the key, `kty` among them, in the order of their names.
    pub fn sorted_members(&self) -> Vec<(&'static str, String)> {
        let base64url = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
        match &self.parameters {
            Parameters::Rsa { modulus, exponent } => vec![
                ("e", base64url(exponent)),
                ("kty", "RSA".to_owned()),
                ("n", base64url(modulus)),
            ],
            Parameters::Ec { curve, x, y } => vec![
                ("crv", curve.name().to_owned()),
                ("kty", "EC".to_owned()),
                ("x", base64url(x)),
                ("y", base64url(y)),
            ],
            Parameters::Ed25519(x) => vec![
                ("crv", "Ed25519".to_owned()),
                ("kty", "OKP".to_owned()),
                ("x", base64url(x)),
            ],
            Parameters::X25519(x) => vec![
                ("crv", "X25519".to_owned()),
                ("kty", "OKP".to_owned()),
                ("x", base64url(x)),
            ],
        }
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.parameters == other.parameters
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.thumbprint().to_base64url())
    }
}

fn spki_der(parameters: &Parameters) -> Vec<u8> {
    let (identifier, bits) = match parameters {
        Parameters::Rsa { modulus, exponent } => (
            [element(OBJECT_IDENTIFIER, RSA_ENCRYPTION), vec![NULL, 0]],
            element(SEQUENCE, &[integer(modulus), integer(exponent)].concat()),
        ),
        Parameters::Ec { curve, x, y } => (
            [
                element(OBJECT_IDENTIFIER, EC_PUBLIC_KEY),
                element(OBJECT_IDENTIFIER, curve.object_identifier()),
            ],
            // SEC 1 section 2.3.3: 4 says that both coordinates follow.
            [&[4], x.as_ref(), y.as_ref()].concat(),
        ),
        Parameters::Ed25519(x) => (
            [element(OBJECT_IDENTIFIER, ID_ED25519), Vec::new()],
            x.to_vec(),
        ),
        Parameters::X25519(x) => (
            [element(OBJECT_IDENTIFIER, ID_X25519), Vec::new()],
            x.to_vec(),
        ),
    };
    let identifier = element(SEQUENCE, &identifier.concat());
    // The first octet of a bit string counts the unused bits of its last one.
    let bits = element(BIT_STRING, &[&[0], bits.as_slice()].concat());
    element(SEQUENCE, &[identifier, bits].concat())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
        ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair,
    };

    use super::*;

    #[test]
    fn spki_is_what_the_library_writes() {
        for (signing, curve) in [
            (&ECDSA_P256_SHA256_FIXED_SIGNING, Curve::P256),
            (&ECDSA_P384_SHA384_FIXED_SIGNING, Curve::P384),
            (&ECDSA_P521_SHA512_FIXED_SIGNING, Curve::P521),
        ] {
            let pair = EcdsaKeyPair::generate(signing).expect("entropy");
            let point = &pair.public_key().as_ref()[1..];
            let (x, y) = point.split_at(curve.coordinate());
            let key = PublicKey::ec(curve, x, y).expect("a point of the curve");
            let der: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("DER");
            assert_eq!(key.spki_der(), der.as_ref(), "{}", curve.name());
            let mut off = y.to_vec();
            off[curve.coordinate() - 1] ^= 1;
            assert!(PublicKey::ec(curve, x, &off).is_err(), "{}", curve.name());
            assert!(PublicKey::ec(curve, &x[1..], y).is_err());
        }
        let pair = Ed25519KeyPair::generate().expect("entropy");
        let key = PublicKey::ed25519(pair.public_key().as_ref()).expect("32 octets");
        let der: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("DER");
        assert_eq!(key.spki_der(), der.as_ref());
        assert!(PublicKey::ed25519(&[0; 31]).is_err());
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("entropy");
        let public = pair.public_key();
        let [modulus, exponent] = [public.modulus(), public.exponent()];
        let key = PublicKey::rsa(
            modulus.big_endian_without_leading_zero(),
            exponent.big_endian_without_leading_zero(),
        )
        .expect("an RSA key");
        let der: PublicKeyX509Der<'_> = public.as_der().expect("DER");
        assert_eq!(key.spki_der(), der.as_ref());
    }

    #[test]
    fn x25519_is_for_encryption_only() {
        let private = agreement::PrivateKey::generate(&X25519).expect("entropy");
        let public = private.compute_public_key().expect("a public key");
        let key = PublicKey::x25519(public.as_ref()).expect("32 octets");
        let der: PublicKeyX509Der<'_> = public.as_der().expect("DER");
        assert_eq!(key.spki_der(), der.as_ref());
        for algorithm in VerificationAlgorithm::ALL {
            assert!(!key.fits(*algorithm) && !key.verifies(*algorithm, b"", &[0; 64]));
        }
        let mut one = [0; 32];
        one[0] = 1;
        for small in [&[0; 32][..], &one, &[0; 31], &[9; 33], &[]] {
            assert!(PublicKey::x25519(small).is_err(), "{small:?}");
        }
    }

    #[test]
    fn rsa_numbers_are_checked() {
        let mut modulus = vec![0xff; 256];
        assert!(PublicKey::rsa(&modulus, &[1, 0, 1]).is_ok());
        for exponent in [&[][..], &[1], &[0, 3], &[2], &[1; 6]] {
            assert!(PublicKey::rsa(&modulus, exponent).is_err(), "{exponent:?}");
        }
        assert!(PublicKey::rsa(&modulus[1..], &[1, 0, 1]).is_err());
        modulus[0] = 0x7f;
        assert!(PublicKey::rsa(&modulus, &[1, 0, 1]).is_err(), "2047 bits");
        assert!(PublicKey::rsa(&vec![0xff; 1025], &[1, 0, 1]).is_err());
        assert!(PublicKey::rsa(&[], &[1, 0, 1]).is_err());
    }
}
