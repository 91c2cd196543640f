//! A client's public key to encrypt to, and what is conveyed to its owner: RSA (RFC 7518 sections 4.2 and
//! 4.3) and ECDH-ES (section 4.6, RFC 8037 section 3.2).

use std::fmt;

use aws_lc_rs::agreement::{
    self, ECDH_P256, ECDH_P384, ECDH_P521, EphemeralPrivateKey, ParsedPublicKey, UnparsedPublicKey,
    X25519,
};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::kdf::{SskdfDigestAlgorithmId, get_sskdf_digest_algorithm, sskdf_digest};
use aws_lc_rs::key_wrap::{AES_128, AES_256, AesKek, KeyWrap as _};
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, Pkcs1PublicEncryptingKey,
    PublicEncryptingKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use zeroize::Zeroizing;

use super::algorithm::{ContentEncryption, KeyManagement};
use crate::key::error::KeyError;
use crate::key::public::{Curve, Kind, PublicKey};

/// Somebody's public key, found good for one `alg`: of the kind that it needs, strong enough, a point of its
/// curve, and by `use`, `key_ops` and `alg` meant for encryption.
///
/// [`JwkSet::encryption_key`](crate::key::jwk::JwkSet::encryption_key) finds it.
pub struct EncryptionKey {
    alg: KeyManagement,
    kid: Option<Box<str>>,
    recipient: Recipient,
}

enum Recipient {
    Pkcs1(Box<Pkcs1PublicEncryptingKey>),
    Oaep(Box<OaepPublicEncryptingKey>),
    Agreement(Box<ParsedPublicKey>, Point),
}

/// Where the points are that are agreed with.
#[derive(Clone, Copy)]
enum Point {
    Ec(Curve),
    X25519,
}

/// What the recipient needs to come by the key, and the key.
pub(super) struct Conveyed {
    /// The content encryption key.
    pub(super) cek: Zeroizing<Vec<u8>>,
    /// The encrypted key; empty where the key is what was agreed on.
    pub(super) encrypted_key: Vec<u8>,
    /// The sender's part of an agreement.
    pub(super) epk: Option<EphemeralPublicKey>,
}

/// The header member `epk` (RFC 7518 section 4.6.1.1).
#[derive(Serialize)]
pub(super) struct EphemeralPublicKey {
    kty: &'static str,
    crv: &'static str,
    x: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
}

impl EncryptionKey {
    /// The key for that `alg`; none where it is of another kind than `alg` needs.
    pub(super) fn new(key: &PublicKey, kid: Option<&str>, alg: KeyManagement) -> Option<Self> {
        let recipient = match (key.kind(), alg) {
            (Kind::Rsa, KeyManagement::Rsa1_5) => {
                let key = PublicEncryptingKey::from_der(&key.spki_der()).ok()?;
                Recipient::Pkcs1(Box::new(Pkcs1PublicEncryptingKey::new(key).ok()?))
            }
            (Kind::Rsa, KeyManagement::RsaOaep | KeyManagement::RsaOaep256) => {
                let key = PublicEncryptingKey::from_der(&key.spki_der()).ok()?;
                Recipient::Oaep(Box::new(OaepPublicEncryptingKey::new(key).ok()?))
            }
            (Kind::Ec(curve), _) if !alg.is_rsa() => agreement_with(key, Point::Ec(curve))?,
            (Kind::X25519, _) if !alg.is_rsa() => agreement_with(key, Point::X25519)?,
            _ => return None,
        };
        Some(Self {
            alg,
            kid: kid.map(Into::into),
            recipient,
        })
    }

    /// The `alg` that it was chosen for.
    pub const fn alg(&self) -> KeyManagement {
        self.alg
    }

    /// Its `kid`, by which its owner finds the private key.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// A fresh content encryption key, and what its owner needs to come by it.
    pub(super) fn convey(&self, enc: ContentEncryption) -> Result<Conveyed, KeyError> {
        self.conveyed(enc).map_err(|_| KeyError::Failed)
    }

    fn conveyed(&self, enc: ContentEncryption) -> Result<Conveyed, Unspecified> {
        match &self.recipient {
            Recipient::Pkcs1(key) => {
                let cek = fresh(enc)?;
                let mut encrypted_key = vec![0; key.ciphertext_size()];
                let written = key.encrypt(&cek, &mut encrypted_key)?.len();
                encrypted_key.truncate(written);
                Ok(Conveyed::encrypted(cek, encrypted_key, None))
            }
            Recipient::Oaep(key) => {
                let cek = fresh(enc)?;
                let hash = if self.alg == KeyManagement::RsaOaep {
                    &OAEP_SHA1_MGF1SHA1
                } else {
                    &OAEP_SHA256_MGF1SHA256
                };
                let mut encrypted_key = vec![0; key.ciphertext_size()];
                let written = key.encrypt(hash, &cek, &mut encrypted_key, None)?.len();
                encrypted_key.truncate(written);
                Ok(Conveyed::encrypted(cek, encrypted_key, None))
            }
            Recipient::Agreement(key, point) => self.agreed(key, *point, enc),
        }
    }

    fn agreed(
        &self,
        key: &ParsedPublicKey,
        point: Point,
        enc: ContentEncryption,
    ) -> Result<Conveyed, Unspecified> {
        let private = EphemeralPrivateKey::generate(point.algorithm(), &SystemRandom::new())?;
        let epk = Some(point.epk(private.compute_public_key()?.as_ref())?);
        // RFC 7518 section 4.6.2: the name is that of the algorithm that the derived key is used with.
        let (name, octets) = match self.alg {
            KeyManagement::EcdhEsA128Kw => (self.alg.name(), 16),
            KeyManagement::EcdhEsA256Kw => (self.alg.name(), 32),
            _ => (enc.name(), enc.key_octets()),
        };
        let derived = agreement::agree_ephemeral(private, key.clone(), Unspecified, |secret| {
            concat_kdf(secret, name, b"", b"", octets)
        })?;
        let wrap = match self.alg {
            KeyManagement::EcdhEsA128Kw => &AES_128,
            KeyManagement::EcdhEsA256Kw => &AES_256,
            _ => return Ok(Conveyed::encrypted(derived, Vec::new(), epk)),
        };
        let cek = fresh(enc)?;
        // RFC 3394: the wrapped key is eight octets longer.
        let mut encrypted_key = vec![0; cek.len() + 8];
        AesKek::new(wrap, &derived)?.wrap(&cek, &mut encrypted_key)?;
        Ok(Conveyed::encrypted(cek, encrypted_key, epk))
    }
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptionKey({}, {:?})", self.alg, self.kid)
    }
}

impl Conveyed {
    const fn encrypted(
        cek: Zeroizing<Vec<u8>>,
        encrypted_key: Vec<u8>,
        epk: Option<EphemeralPublicKey>,
    ) -> Self {
        Self {
            cek,
            encrypted_key,
            epk,
        }
    }
}

impl Point {
    const fn algorithm(self) -> &'static agreement::Algorithm {
        match self {
            Self::Ec(Curve::P256) => &ECDH_P256,
            Self::Ec(Curve::P384) => &ECDH_P384,
            Self::Ec(Curve::P521) => &ECDH_P521,
            Self::X25519 => &X25519,
        }
    }

    /// `epk` from the octets of a public key as the library writes them.
    fn epk(self, octets: &[u8]) -> Result<EphemeralPublicKey, Unspecified> {
        match self {
            Self::Ec(curve) => {
                let [4, coordinates @ ..] = octets else {
                    return Err(Unspecified);
                };
                let (x, y) = coordinates
                    .split_at_checked(curve.coordinate())
                    .ok_or(Unspecified)?;
                Ok(EphemeralPublicKey {
                    kty: "EC",
                    crv: curve.name(),
                    x: URL_SAFE_NO_PAD.encode(x),
                    y: Some(URL_SAFE_NO_PAD.encode(y)),
                })
            }
            Self::X25519 => Ok(EphemeralPublicKey {
                kty: "OKP",
                crv: "X25519",
                x: URL_SAFE_NO_PAD.encode(octets),
                y: None,
            }),
        }
    }
}

fn agreement_with(key: &PublicKey, point: Point) -> Option<Recipient> {
    let unparsed = UnparsedPublicKey::new(point.algorithm(), key.spki_der());
    let parsed = ParsedPublicKey::try_from(unparsed).ok()?;
    Some(Recipient::Agreement(Box::new(parsed), point))
}

fn fresh(enc: ContentEncryption) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
    let mut cek = Zeroizing::new(vec![0; enc.key_octets()]);
    rand::fill(&mut cek)?;
    Ok(cek)
}

/// The Concat KDF with SHA-256 of NIST SP 800-56A section 5.8.1 as RFC 7518 section 4.6.2 fills it in.
fn concat_kdf(
    secret: &[u8],
    algorithm: &str,
    apu: &[u8],
    apv: &[u8],
    octets: usize,
) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
    let number = |length: usize| u32::try_from(length).map_err(|_| Unspecified);
    let mut info = Vec::new();
    for part in [algorithm.as_bytes(), apu, apv] {
        info.extend_from_slice(&number(part.len())?.to_be_bytes());
        info.extend_from_slice(part);
    }
    info.extend_from_slice(&number(octets * 8)?.to_be_bytes());
    let hash = get_sskdf_digest_algorithm(SskdfDigestAlgorithmId::Sha256).ok_or(Unspecified)?;
    let mut derived = Zeroizing::new(vec![0; octets]);
    sskdf_digest(hash, secret, &info, &mut derived)?;
    Ok(derived)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7518 appendix C.
    #[test]
    fn derived_as_in_the_rfc() {
        let secret = [
            158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156, 251, 49,
            110, 163, 218, 128, 106, 72, 246, 218, 167, 121, 140, 254, 144, 196,
        ];
        let derived = concat_kdf(&secret, "A128GCM", b"Alice", b"Bob", 16).expect("derived");
        assert_eq!(URL_SAFE_NO_PAD.encode(&derived), "VqqN6vgjbSBcIijNcacQGg");
        let other = concat_kdf(&secret, "A128GCM", b"", b"", 16).expect("derived");
        assert_ne!(other, derived);
    }
}
