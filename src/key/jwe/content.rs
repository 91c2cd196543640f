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

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    const KERCKHOFFS: &[u8] =
        b"A cipher system must not be required to be secret, and it must be able to \
        fall into the hands of the enemy without inconvenience";
    const SECOND: &[u8] = b"The second principle of Auguste Kerckhoffs";

    fn octets(hexadecimal: &str) -> Vec<u8> {
        let digit = |octet: &u8| char::from(*octet).to_digit(16).expect("a digit");
        let pair = |pair: &[u8]| u8::try_from(digit(&pair[0]) * 16 + digit(&pair[1]));
        let pairs = hexadecimal.as_bytes().chunks(2);
        pairs.map(|two| pair(two).expect("an octet")).collect()
    }

    /// RFC 7518 appendixes B.1 and B.3.
    #[test]
    fn cbc_and_hmac_of_the_rfc() {
        let iv = octets("1af38c2dc2b96ffdd86694092341bc04");
        for (enc, last, ciphertext, tag) in [
            (
                ContentEncryption::A128CbcHs256,
                0x1f,
                B_1,
                "652c3fa36b0a7c5b3219fab3a30bc1c4",
            ),
            (
                ContentEncryption::A256CbcHs512,
                0x3f,
                B_3,
                "4dd3b4c088a7f45c216839645b2012bf2e6269a8c56a816dbc1b267761955bc5",
            ),
        ] {
            let cek: Vec<u8> = (0..=last).collect();
            let sealed = sealed_with(enc, &cek, iv.clone(), SECOND, KERCKHOFFS).expect("sealed");
            assert_eq!(sealed.ciphertext, octets(ciphertext), "{enc}");
            assert_eq!(sealed.tag, octets(tag), "{enc}");
        }
    }

    const B_1: &str = "c80edfa32ddf39d5ef00c0b468834279a2e46a1b8049f792f76bfe54b903a9c9a94ac9b47ad2655c5f10f9aef71427e2fc6f9b3f399a221489f16362c703233609d45ac69864e3321cf82935ac4096c86e133314c54019e8ca7980dfa4b9cf1b384c486f3a54c51078158ee5d79de59fbd34d848b3d69550a67646344427ade54b8851ffb598f7f80074b9473c82e2db";
    const B_3: &str = "4affaaadb78c31c5da4b1b590d10ffbd3dd8d5d302423526912da037ecbcc7bd822c301dd67c373bccb584ad3e9279c2e6d12a1374b77f077553df829410446b36ebd97066296ae6427ea75c2e0846a11a09ccf5370dc80bfecbad28c73f09b3a3b75e662a2594410ae496b2e2e6609e31e6e02cc837f053d21f37ff4f51950bbe2638d09dd7a4930930806d0703b1f6";

    /// RFC 7516 appendix A.1.
    #[test]
    fn gcm_of_the_rfc() {
        let base64url = |text| URL_SAFE_NO_PAD.decode(text).expect("base64url");
        let sealed = sealed_with(
            ContentEncryption::A256Gcm,
            &[
                177, 161, 244, 128, 84, 143, 225, 115, 63, 180, 3, 255, 107, 154, 212, 246, 138, 7,
                110, 91, 112, 46, 34, 105, 47, 130, 203, 46, 122, 234, 64, 252,
            ],
            vec![227, 197, 117, 252, 2, 219, 233, 68, 180, 225, 77, 219],
            b"eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ",
            b"The true sign of intelligence is not knowledge but imagination.",
        )
        .expect("sealed");
        let ciphertext =
            "5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6jiSdiwkIr3ajwQzaBtQD_A";
        assert_eq!(sealed.ciphertext, base64url(ciphertext));
        assert_eq!(sealed.tag, base64url("XFBoMYUZodetZdvTiFvSkQ"));
    }

    #[test]
    fn a_key_of_another_length_seals_nothing() {
        for enc in ContentEncryption::ALL {
            for octets in [0, 8, enc.key_octets() - 1, enc.key_octets() + 1] {
                assert!(
                    sealed(*enc, &vec![7; octets], b"", b"").is_err(),
                    "{enc} {octets}"
                );
            }
            assert!(sealed(*enc, &vec![7; enc.key_octets()], b"", b"").is_ok());
        }
    }
}
