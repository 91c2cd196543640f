//! The signature algorithms (RFC 7518 section 3.1, RFC 8037 section 3.1); `none` and HMAC are not among them.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    VerificationAlgorithm as Verification,
};

/// What this server signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SigningAlgorithm {
    /// ECDSA on P-256 with SHA-256: the default, small and fast.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256: what OIDC Core demands of everybody.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// Ed25519.
    EdDsa,
}

impl SigningAlgorithm {
    /// All of them, the default first.
    pub const ALL: &'static [Self] = &[Self::Es256, Self::Rs256, Self::Ps256, Self::EdDsa];

    /// The `alg` value.
    pub const fn name(self) -> &'static str {
        self.verification().name()
    }

    /// The same algorithm, from the verifier's side.
    pub const fn verification(self) -> VerificationAlgorithm {
        match self {
            Self::Es256 => VerificationAlgorithm::Es256,
            Self::Rs256 => VerificationAlgorithm::Rs256,
            Self::Ps256 => VerificationAlgorithm::Ps256,
            Self::EdDsa => VerificationAlgorithm::EdDsa,
        }
    }

    /// Whether FAPI 2.0 section 5.4.1 lets it be used.
    pub const fn fapi(self) -> bool {
        self.verification().fapi()
    }
}

impl fmt::Display for SigningAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for SigningAlgorithm {
    type Err = NotAnAlgorithm;

    /// Reads an `alg` value; letters count as they are written.
    fn from_str(text: &str) -> Result<Self, NotAnAlgorithm> {
        let named = Self::ALL.iter().find(|algorithm| algorithm.name() == text);
        named.copied().ok_or(NotAnAlgorithm)
    }
}

/// What a signature that somebody else made may be verified with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VerificationAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// Ed25519.
    EdDsa,
}

impl VerificationAlgorithm {
    /// All of them, asymmetric every one.
    pub const ALL: &'static [Self] = &[
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::EdDsa,
    ];

    /// What FAPI 2.0 section 5.4.1 allows.
    pub const FAPI: &'static [Self] = &[Self::Ps256, Self::Es256, Self::EdDsa];

    /// The `alg` value.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Whether FAPI 2.0 section 5.4.1 lets it be used.
    pub const fn fapi(self) -> bool {
        matches!(self, Self::Ps256 | Self::Es256 | Self::EdDsa)
    }

    /// The primitive, which knows the curve, the padding and the hash.
    pub(super) fn primitive(self) -> &'static dyn Verification {
        match self {
            Self::Es256 => &ECDSA_P256_SHA256_FIXED,
            Self::Es384 => &ECDSA_P384_SHA384_FIXED,
            Self::Es512 => &ECDSA_P521_SHA512_FIXED,
            Self::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            Self::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
            Self::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
            Self::Ps256 => &RSA_PSS_2048_8192_SHA256,
            Self::Ps384 => &RSA_PSS_2048_8192_SHA384,
            Self::Ps512 => &RSA_PSS_2048_8192_SHA512,
            Self::EdDsa => &ED25519,
        }
    }
}

impl From<SigningAlgorithm> for VerificationAlgorithm {
    fn from(algorithm: SigningAlgorithm) -> Self {
        algorithm.verification()
    }
}

impl fmt::Display for VerificationAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for VerificationAlgorithm {
    type Err = NotAnAlgorithm;

    /// Reads an `alg` value; letters count as they are written.
    fn from_str(text: &str) -> Result<Self, NotAnAlgorithm> {
        let named = Self::ALL.iter().find(|algorithm| algorithm.name() == text);
        named.copied().ok_or(NotAnAlgorithm)
    }
}

/// A name that is not a signature algorithm of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnAlgorithm;

impl fmt::Display for NotAnAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not a signature algorithm that can be used here: \
             to sign there are ES256, RS256, PS256 and EdDSA, \
             to verify also ES384, ES512, RS384, RS512, PS384 and PS512",
        )
    }
}

impl std::error::Error for NotAnAlgorithm {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_both_ways() {
        for algorithm in SigningAlgorithm::ALL {
            assert_eq!(algorithm.name().parse(), Ok(*algorithm));
            assert_eq!(algorithm.name().parse(), Ok(algorithm.verification()));
            assert_eq!(algorithm.fapi(), algorithm.name() != "RS256", "{algorithm}");
        }
        for algorithm in VerificationAlgorithm::ALL {
            assert_eq!(algorithm.name().parse(), Ok(*algorithm));
            let fapi = VerificationAlgorithm::FAPI.contains(algorithm);
            assert_eq!(algorithm.fapi(), fapi, "{algorithm}");
        }
    }

    #[test]
    fn what_is_no_algorithm() {
        for name in [
            "none", "None", "HS256", "HS384", "HS512", "es256", "ES256K", "RSA-OAEP", "",
        ] {
            let sign = name.parse::<SigningAlgorithm>();
            assert_eq!(sign, Err(NotAnAlgorithm), "{name}");
            let verify = name.parse::<VerificationAlgorithm>();
            assert_eq!(verify, Err(NotAnAlgorithm), "{name}");
        }
        assert!("ES384".parse::<SigningAlgorithm>().is_err());
    }
}
