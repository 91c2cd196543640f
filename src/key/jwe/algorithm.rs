//! The algorithms of a JWE: how its key is conveyed (RFC 7518 section 4.1) and how its content is encrypted
//! (RFC 7518 section 5.1).

use std::fmt;

/// How the recipient comes by the content encryption key: `alg`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyManagement {
    /// RSAES-PKCS1-v1_5. Whoever decrypts it must not let anybody see, by an answer or by its time,
    /// whether the padding was right (Bleichenbacher, Marvin). This server has no private key for it and only
    /// encrypts, so that there is no such oracle here; it is offered because registrations have it.
    Rsa1_5,
    /// RSAES-OAEP with SHA-1 and MGF1 with SHA-1, which the broken collision resistance of SHA-1 does not
    /// touch.
    RsaOaep,
    /// RSAES-OAEP with SHA-256 and MGF1 with SHA-256.
    RsaOaep256,
    /// ECDH with a fresh key; what is agreed on is the content encryption key.
    EcdhEs,
    /// ECDH with a fresh key, and AES-128 Key Wrap.
    EcdhEsA128Kw,
    /// ECDH with a fresh key, and AES-256 Key Wrap.
    EcdhEsA256Kw,
}

impl KeyManagement {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Rsa1_5,
        Self::RsaOaep,
        Self::RsaOaep256,
        Self::EcdhEs,
        Self::EcdhEsA128Kw,
        Self::EcdhEsA256Kw,
    ];

    /// The `alg` value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rsa1_5 => "RSA1_5",
            Self::RsaOaep => "RSA-OAEP",
            Self::RsaOaep256 => "RSA-OAEP-256",
            Self::EcdhEs => "ECDH-ES",
            Self::EcdhEsA128Kw => "ECDH-ES+A128KW",
            Self::EcdhEsA256Kw => "ECDH-ES+A256KW",
        }
    }

    /// Whether the recipient's key is RSA; otherwise it is a point of a curve.
    pub const fn is_rsa(self) -> bool {
        matches!(self, Self::Rsa1_5 | Self::RsaOaep | Self::RsaOaep256)
    }
}

impl fmt::Display for KeyManagement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for KeyManagement {
    type Err = NotEncryption;

    /// Reads an `alg` value; letters count as they are written.
    fn from_str(text: &str) -> Result<Self, NotEncryption> {
        let named = Self::ALL.iter().find(|algorithm| algorithm.name() == text);
        named.copied().ok_or(NotEncryption::Alg)
    }
}

/// How the content is encrypted and authenticated: `enc`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ContentEncryption {
    /// AES-128 in CBC mode and HMAC with SHA-256: the default where a registration has only `alg`
    /// (OpenID Connect Dynamic Client Registration section 2).
    #[default]
    A128CbcHs256,
    /// AES-256 in CBC mode and HMAC with SHA-512.
    A256CbcHs512,
    /// AES-128 in Galois/Counter Mode.
    A128Gcm,
    /// AES-256 in Galois/Counter Mode.
    A256Gcm,
}

impl ContentEncryption {
    /// All of them, the default first.
    pub const ALL: &'static [Self] = &[
        Self::A128CbcHs256,
        Self::A256CbcHs512,
        Self::A128Gcm,
        Self::A256Gcm,
    ];

    /// The `enc` value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::A128CbcHs256 => "A128CBC-HS256",
            Self::A256CbcHs512 => "A256CBC-HS512",
            Self::A128Gcm => "A128GCM",
            Self::A256Gcm => "A256GCM",
        }
    }

    /// The octets of a content encryption key; those with HMAC hold two keys of half the length.
    pub const fn key_octets(self) -> usize {
        match self {
            Self::A128Gcm => 16,
            Self::A128CbcHs256 | Self::A256Gcm => 32,
            Self::A256CbcHs512 => 64,
        }
    }
}

impl fmt::Display for ContentEncryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for ContentEncryption {
    type Err = NotEncryption;

    /// Reads an `enc` value; letters count as they are written.
    fn from_str(text: &str) -> Result<Self, NotEncryption> {
        let named = Self::ALL.iter().find(|algorithm| algorithm.name() == text);
        named.copied().ok_or(NotEncryption::Enc)
    }
}

/// Both choices, as a registration makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Encryption {
    /// How the key is conveyed.
    pub alg: KeyManagement,
    /// How the content is encrypted.
    pub enc: ContentEncryption,
}

/// A name that is not an encryption algorithm of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotEncryption {
    /// No `alg`.
    Alg,
    /// No `enc`.
    Enc,
}

impl fmt::Display for NotEncryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alg => {
                "not a way to convey a key that can be used here: write RSA-OAEP-256, RSA-OAEP, RSA1_5, \
                 ECDH-ES, ECDH-ES+A128KW or ECDH-ES+A256KW"
            }
            Self::Enc => {
                "not a content encryption that can be used here: write A128CBC-HS256, A256CBC-HS512, \
                 A128GCM or A256GCM"
            }
        })
    }
}

impl std::error::Error for NotEncryption {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_both_ways() {
        for alg in KeyManagement::ALL {
            assert_eq!(alg.name().parse(), Ok(*alg));
            assert!(NotEncryption::Alg.to_string().contains(alg.name()), "{alg}");
            assert_eq!(alg.is_rsa(), alg.name().starts_with("RSA"), "{alg}");
        }
        for enc in ContentEncryption::ALL {
            assert_eq!(enc.name().parse(), Ok(*enc));
            assert!(NotEncryption::Enc.to_string().contains(enc.name()), "{enc}");
        }
        assert_eq!(ContentEncryption::default().name(), "A128CBC-HS256");
        for name in [
            "dir",
            "A128KW",
            "rsa-oaep",
            "RSA-OAEP-512",
            "ECDH-ES+A192KW",
            "none",
            "",
        ] {
            assert_eq!(
                name.parse::<KeyManagement>(),
                Err(NotEncryption::Alg),
                "{name}"
            );
        }
        for name in ["A192GCM", "A192CBC-HS384", "a128gcm", "none", ""] {
            assert_eq!(
                name.parse::<ContentEncryption>(),
                Err(NotEncryption::Enc),
                "{name}"
            );
        }
    }
}
