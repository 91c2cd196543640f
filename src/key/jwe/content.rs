//! The encryption of the content: AES-CBC with HMAC (RFC 7518 section 5.2) and AES-GCM (section 5.3).

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    AES_128, AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac::{self, HMAC_SHA256, HMAC_SHA512};
use aws_lc_rs::rand;

use super::algorithm::ContentEncryption;
use crate::key::error::KeyError;

/// An encrypted content.
pub(super) struct Sealed {
    pub(super) iv: Vec<u8>,
    pub(super) ciphertext: Vec<u8>,
    pub(super) tag: Vec<u8>,
}

/// Encrypts the content under that key and a fresh initialization vector; the header is authenticated along.
///
/// `cek` is of the length that `enc` needs, and is used for nothing else.
pub(super) fn sealed(
    enc: ContentEncryption,
    cek: &[u8],
    header: &[u8],
    content: &[u8],
) -> Result<Sealed, KeyError> {
    let mut iv = vec![0; iv_octets(enc)];
    rand::fill(&mut iv)
        .and_then(|()| sealed_with(enc, cek, iv, header, content))
        .map_err(|_| KeyError::Failed)
}

const fn iv_octets(enc: ContentEncryption) -> usize {
    match enc {
        ContentEncryption::A128CbcHs256 | ContentEncryption::A256CbcHs512 => 16,
        ContentEncryption::A128Gcm | ContentEncryption::A256Gcm => 12,
    }
}

/// All but the choice of the initialization vector, which the vectors of the RFCs prescribe.
fn sealed_with(
    enc: ContentEncryption,
    cek: &[u8],
    iv: Vec<u8>,
    header: &[u8],
    content: &[u8],
) -> Result<Sealed, Unspecified> {
    let (aes, mac, gcm) = match enc {
        ContentEncryption::A128CbcHs256 => (&AES_128, HMAC_SHA256, None),
        ContentEncryption::A256CbcHs512 => (&AES_256, HMAC_SHA512, None),
        ContentEncryption::A128Gcm => (&AES_128, HMAC_SHA256, Some(&AES_128_GCM)),
        ContentEncryption::A256Gcm => (&AES_256, HMAC_SHA256, Some(&AES_256_GCM)),
    };
    if cek.len() != enc.key_octets() {
        return Err(Unspecified);
    }
    let mut ciphertext = Vec::with_capacity(content.len() + 16);
    ciphertext.extend_from_slice(content);
    let tag = if let Some(gcm) = gcm {
        let key = LessSafeKey::new(UnboundKey::new(gcm, cek)?);
        let nonce = Nonce::try_assume_unique_for_key(&iv)?;
        let tag = key.seal_in_place_separate_tag(nonce, Aad::from(header), &mut ciphertext)?;
        tag.as_ref().to_vec()
    } else {
        // RFC 7518 section 5.2.2.1: the first half authenticates, the second encrypts.
        let (mac_key, enc_key) = cek.split_at(cek.len() / 2);
        let iv_octets = <&[u8; 16]>::try_from(iv.as_slice()).map_err(|_| Unspecified)?;
        PaddedBlockEncryptingKey::cbc_pkcs7(UnboundCipherKey::new(aes, enc_key)?)?
            .less_safe_encrypt(&mut ciphertext, EncryptionContext::Iv128(iv_octets.into()))?;
        let mut hmac = hmac::Context::with_key(&hmac::Key::new(mac, mac_key));
        for part in [header, &iv, &ciphertext] {
            hmac.update(part);
        }
        let bits = u64::try_from(header.len())
            .ok()
            .and_then(|octets| octets.checked_mul(8))
            .ok_or(Unspecified)?;
        hmac.update(&bits.to_be_bytes());
        // The tag is the first half of what HMAC makes, as long as each of the keys.
        hmac.sign().as_ref()[..mac_key.len()].to_vec()
    };
    Ok(Sealed {
        iv,
        ciphertext,
        tag,
    })
}
