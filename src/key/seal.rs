//! Signing keys at rest in a shared store: AES-256-GCM (NIST SP 800-38D) under a key that HKDF
//! (RFC 5869) derives from a secret file.
//!
//! The form: one octet for the version, the 12 octets of the nonce, ciphertext, the 16 octets of the
//! tag. The version is authenticated along with a label that says what is inside.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use zeroize::Zeroizing;

use super::error::KeyError;
use super::set::KeySet;

const VERSION: u8 = 1;
const LABEL: &[u8] = b"certbound signing keys\x01";
/// The shortest secret, in octets; a shorter one can be guessed by whoever has read the store.
const MIN_SECRET: usize = 16;
/// The largest sealed set: as many keys as a set may have, all of them RSA with 8192 bits.
const MAX_SEALED: usize = 1024 * 1024;

/// The key that signing keys are sealed under.
pub struct SealingKey(RandomizedNonceKey);

impl SealingKey {
    /// Derives it from the content of a secret file. White space at its end does not count, so that
    /// an editor's line end changes nothing.
    pub fn from_secret(content: &[u8]) -> Result<Self, KeyError> {
        let secret = content.trim_ascii_end();
        if secret.len() < MIN_SECRET {
            return Err(KeyError::SecretTooShort);
        }
        let mut key = Zeroizing::new([0; 32]);
        Salt::none(HKDF_SHA256)
            .extract(secret)
            .expand(&[LABEL], &AES_256_GCM)
            .and_then(|okm| okm.fill(key.as_mut_slice()))
            .map_err(|_| KeyError::Failed)?;
        RandomizedNonceKey::new(&AES_256_GCM, key.as_slice())
            .map(Self)
            .map_err(|_| KeyError::Failed)
    }

    /// The whole set, sealed; no two times the same.
    pub fn seal(&self, keys: &KeySet) -> Result<Vec<u8>, KeyError> {
        let mut octets = keys.to_json()?;
        // Sealing works in place and adds the tag: room for it, so that no clear copy is left behind.
        let clear = octets.len();
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + clear + AES_256_GCM.tag_len());
        let (nonce, tag) = self
            .0
            .seal_in_place_separate_tag(Aad::from(LABEL), octets.as_mut_slice())
            .map_err(|_| KeyError::Failed)?;
        sealed.push(VERSION);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&octets);
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what [`SealingKey::seal`] made.
    pub fn open(&self, sealed: &[u8]) -> Result<KeySet, KeyError> {
        if sealed.len() > MAX_SEALED {
            return Err(KeyError::Sealed("they are larger than 1 MiB"));
        }
        let Some((version, rest)) = sealed.split_first() else {
            return Err(KeyError::Sealed("there is nothing"));
        };
        if *version != VERSION {
            return Err(KeyError::Sealed(
                "they are not of the form that this version of certbound writes",
            ));
        }
        let (nonce, ciphertext) = rest
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(KeyError::Sealed("they are cut short"))?;
        let nonce = Nonce::from(nonce);
        let mut octets = Zeroizing::new(ciphertext.to_vec());
        let clear = self
            .0
            .open_in_place(nonce, Aad::from(LABEL), octets.as_mut_slice())
            .map_err(|_| {
                KeyError::Sealed(
                    "they were sealed under another --store-secret-file, or are damaged: \
                     start with the file that was there when they were made",
                )
            })?;
        KeySet::from_json(clear)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::key::algorithm::SigningAlgorithm;
    use crate::key::set::ManagedKey;
    use crate::key::signing::SigningKey;
    use crate::oauth::time::Timestamp;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn set() -> KeySet {
        let key = Arc::new(SigningKey::generate(SigningAlgorithm::Es256).expect("entropy"));
        let start = Timestamp::from_unix(0);
        let key = ManagedKey::new(key, start, start);
        KeySet::new().with(key).expect("the first key")
    }

    #[test]
    fn sealed_and_opened() {
        let set = set();
        let key = SealingKey::from_secret(SECRET).expect("a secret");
        let sealed = key.seal(&set).expect("sealed");
        assert_ne!(sealed, key.seal(&set).expect("sealed"));
        assert!(!sealed.windows(4).any(|octets| octets == b"BEGI"));
        let line_end = [SECRET, b"\r\n"].concat();
        let same = SealingKey::from_secret(&line_end).expect("a secret");
        let opened = same.open(&sealed).expect("the same secret");
        assert_eq!(opened.keys()[0].key().kid(), set.keys()[0].key().kid());
    }

    #[test]
    fn what_does_not_open() {
        let key = SealingKey::from_secret(SECRET).expect("a secret");
        let sealed = key.seal(&set()).expect("sealed");
        let other = SealingKey::from_secret(b"0123456789abcdef0123456789abcdeF").expect("a secret");
        let error = other.open(&sealed).expect_err("another secret");
        assert!(error.to_string().contains("--store-secret-file"), "{error}");
        for at in [0, 1, 12, 13, sealed.len() / 2, sealed.len() - 1] {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            let refused = key.open(&damaged).err();
            assert!(matches!(refused, Some(KeyError::Sealed(_))), "{at}");
        }
        for length in [0, 1, 12, 13, 28, sealed.len() - 1] {
            let refused = key.open(&sealed[..length]).err();
            assert!(matches!(refused, Some(KeyError::Sealed(_))), "{length}");
        }
    }

    #[test]
    fn short_secrets() {
        for secret in [
            &b""[..],
            &SECRET[..15],
            b"0123456789abcde                \n                ",
        ] {
            let refused = SealingKey::from_secret(secret).err();
            assert_eq!(refused, Some(KeyError::SecretTooShort));
        }
    }
}
