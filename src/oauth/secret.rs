//! Secrets and what is kept of them: a digest (RFC 6749 sections 10.3 to 10.5).

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::optimization_barrier;

/// A token, code or client secret in the clear: printed by nothing, wiped when dropped.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes what somebody sent or configured.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself, for the one answer or comparison that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it is that text, in a time that depends on the lengths alone.
    pub fn is(&self, text: &str) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), text.as_bytes()).is_ok()
    }

    /// What may be stored and compared.
    pub fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        let mut octets = std::mem::take(&mut self.0).into_bytes();
        // All of it at once, what it once was longer as well: octet by octet a token takes a microsecond.
        octets.clear();
        octets.resize(octets.capacity(), 0);
        optimization_barrier(octets.as_slice());
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How many characters of base64url 32 octets take.
const BASE64URL: usize = 43;

/// A SHA-256 digest, compared in constant time.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of those octets.
    pub fn of(octets: &[u8]) -> Self {
        Self(Sha256::digest(octets).into())
    }

    /// The digest of those texts, one behind the other.
    pub fn of_parts(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// Those 32 octets, which are a digest already.
    pub const fn from_octets(octets: [u8; 32]) -> Self {
        Self(octets)
    }

    /// Reads 64 hexadecimal digits, as `client_secret_sha256` has them.
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut octets = [0; 32];
        for (octet, pair) in octets.iter_mut().zip(digits.chunks_exact(2)) {
            let nibble = |digit: u8| (digit as char).to_digit(16);
            let value = nibble(pair[0])? * 16 + nibble(pair[1])?;
            *octet = u8::try_from(value).ok()?;
        }
        Some(Self(octets))
    }

    /// The 32 octets.
    pub const fn octets(&self) -> &[u8; 32] {
        &self.0
    }

    /// Base64url without padding: 43 characters.
    pub fn to_base64url(&self) -> String {
        self.with_base64url(str::to_owned)
    }

    /// The same for whoever only looks at it.
    pub fn with_base64url<T>(&self, look: impl FnOnce(&str) -> T) -> T {
        let mut text = [0; BASE64URL];
        // There is room for all of it, and it is ASCII.
        let written = URL_SAFE_NO_PAD.encode_slice(self.0, &mut text);
        let text = written.ok().and_then(|length| text.get(..length));
        look(
            text.and_then(|text| std::str::from_utf8(text).ok())
                .unwrap_or_default(),
        )
    }
}

impl PartialEq for Digest {
    /// Constant-time, so that how much of a guess was right cannot be measured.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Digest {}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_base64url(|text| f.write_str(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_nothing() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".into())), "Secret(…)");
    }

    #[test]
    fn a_secret_is_its_text() {
        let secret = Secret::new("hunter2".into());
        assert!(secret.is("hunter2"));
        for other in ["", "hunter", "hunter22", "Hunter2", "hunter1"] {
            assert!(!secret.is(other), "{other}");
        }
    }

    #[test]
    fn hex_is_exact() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::from_hex(hex), Some(Digest::of(b"")));
        for wrong in [&hex[1..], "", &hex.replace('e', "g")] {
            assert_eq!(Digest::from_hex(wrong), None, "{wrong}");
        }
        assert_eq!(Digest::of(b"").to_base64url().len(), 43);
    }
}
