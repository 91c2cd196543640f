//! What leaves this server and comes back only to it, such as a cookie: AES-256-GCM-SIV (RFC 8452) under
//! keys that HKDF (RFC 5869) derives from secrets.
//!
//! GCM-SIV, because one secret seals for months and nonces are chance: a nonce that comes twice tells
//! no more than whether the content was the same.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use zeroize::Zeroizing;

use super::error::KeyError;

/// The octets that an envelope adds to its content: nonce and tag.
pub const OVERHEAD: usize = NONCE_LEN + 16;

/// Seals and opens for one purpose.
pub struct Envelope(Vec<RandomizedNonceKey>);

impl Envelope {
    /// Derives a key for that purpose from each secret. The first one seals, all of them open, so that
    /// a secret can be replaced without ending what it sealed.
    ///
    /// # Errors
    /// There is no secret, or the library fails.
    pub fn new<'a>(
        secrets: impl IntoIterator<Item = &'a [u8]>,
        purpose: &[u8],
    ) -> Result<Self, KeyError> {
        let keys = secrets
            .into_iter()
            .map(|secret| derived(secret, purpose))
            .collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(KeyError::SecretTooShort);
        }
        Ok(Self(keys))
    }

    /// The content, sealed; `bound` is not in it, and must be the same when it is opened.
    ///
    /// # Errors
    /// The library fails.
    pub fn seal(&self, bound: &[u8], content: &[u8]) -> Result<Vec<u8>, KeyError> {
        let key = self.0.first().ok_or(KeyError::Failed)?;
        let mut sealed = Vec::with_capacity(content.len() + OVERHEAD);
        sealed.extend_from_slice(&[0; NONCE_LEN]);
        sealed.extend_from_slice(content);
        let (nonce, tag) = key
            .seal_in_place_separate_tag(Aad::from(bound), &mut sealed[NONCE_LEN..])
            .map_err(|_| KeyError::Failed)?;
        sealed[..NONCE_LEN].copy_from_slice(nonce.as_ref());
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// The content of what [`Self::seal`] made under one of the secrets with the same `bound`.
    pub fn open(&self, bound: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LEN>()?;
        self.0.iter().find_map(|key| {
            let mut content = Zeroizing::new(ciphertext.to_vec());
            let clear = key
                .open_in_place(Nonce::from(nonce), Aad::from(bound), content.as_mut_slice())
                .ok()?
                .len();
            content.truncate(clear);
            Some(content)
        })
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Envelope(…)")
    }
}

fn derived(secret: &[u8], purpose: &[u8]) -> Result<RandomizedNonceKey, KeyError> {
    let mut key = Zeroizing::new([0; 32]);
    Salt::none(HKDF_SHA256)
        .extract(secret)
        .expand(&[purpose], &AES_256_GCM_SIV)
        .and_then(|okm| okm.fill(key.as_mut_slice()))
        .map_err(|_| KeyError::Failed)?;
    RandomizedNonceKey::new(&AES_256_GCM_SIV, key.as_slice()).map_err(|_| KeyError::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &[u8] = b"0123456789abcdef0123456789abcdef";
    const TWO: &[u8] = b"fedcba9876543210fedcba9876543210";

    fn envelope(secrets: &[&[u8]], purpose: &[u8]) -> Envelope {
        Envelope::new(secrets.iter().copied(), purpose).expect("secrets")
    }

    #[test]
    fn opened_only_as_it_was_sealed() {
        let old = envelope(&[ONE], b"a");
        let sealed = old.seal(b"gate", b"content").expect("sealed");
        assert_eq!(sealed.len(), b"content".len() + OVERHEAD);
        let open = |envelope: &Envelope, bound: &[u8], sealed: &[u8]| {
            envelope.open(bound, sealed).map(|content| content.to_vec())
        };
        assert_eq!(open(&old, b"gate", &sealed), Some(b"content".to_vec()));
        assert_eq!(open(&old, b"other", &sealed), None);
        assert_eq!(open(&envelope(&[ONE], b"b"), b"gate", &sealed), None);
        assert_eq!(open(&envelope(&[TWO], b"a"), b"gate", &sealed), None);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(open(&old, b"gate", &changed), None, "{at}");
            assert_eq!(open(&old, b"gate", &sealed[..at]), None, "{at}");
        }
        assert_ne!(old.seal(b"gate", b"content").expect("sealed"), sealed);
    }

    #[test]
    fn the_first_secret_seals_and_all_open() {
        let (old, both, new) = (
            envelope(&[ONE], b"a"),
            envelope(&[TWO, ONE], b"a"),
            envelope(&[TWO], b"a"),
        );
        let before = old.seal(b"", b"x").expect("sealed");
        let after = both.seal(b"", b"x").expect("sealed");
        assert!(both.open(b"", &before).is_some() && both.open(b"", &after).is_some());
        assert!(new.open(b"", &after).is_some() && new.open(b"", &before).is_none());
        assert!(Envelope::new([], b"a").is_err());
    }
}
