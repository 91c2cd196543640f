//! Why an attempt to authenticate was refused: exact in the log, alike outside.

use std::fmt;

use super::belief::Unverified;
use crate::cert::Thumbprint;
use crate::cert::key::WeakKey;
use crate::cert::usage::Unusable;
use crate::cert::validity::OutsideValidity;
use crate::oauth::error::{ErrorCode, OAuthError};

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The request names no client.
    NoClientId,
    /// There is no such client.
    UnknownClient,
    /// The request proves itself in a way that the client is not registered for.
    OtherMethod(&'static str),
    /// No certificate was forwarded.
    NoCertificate,
    /// The certificate is not valid yet, or no more.
    OutsideValidity(OutsideValidity),
    /// The certificate is not a verified one.
    Unverified(Unverified),
    /// The certificate must not be used by a client.
    Unusable(Unusable),
    /// The certificate's key is too weak to prove anything.
    WeakKey(WeakKey),
    /// No registered name matches; one line for each that was tried.
    NoSelectorMatches(Vec<String>),
    /// The certificate is not one of those registered.
    NotRegistered(Thumbprint),
    /// The keys at the client's `jwks_uri` could not be had.
    KeysUnavailable,
    /// No secret was sent.
    NoSecret,
    /// The secret is wrong.
    WrongSecret,
    /// The secret has expired (`client_secret_expires_at`).
    SecretExpired,
    /// No assertion was sent.
    NoAssertion,
    /// The assertion is signed with a key that the client does not publish.
    UnknownKey,
    /// The assertion does not hold; why.
    Assertion(String),
    /// The assertion was used before.
    AssertionReplayed,
}

impl Refused {
    /// A short name, for metrics.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::NoClientId => "no_client_id",
            Self::UnknownClient => "unknown_client",
            Self::OtherMethod(_) => "other_method",
            Self::NoCertificate => "no_certificate",
            Self::OutsideValidity(_) => "outside_validity",
            Self::Unverified(_) => "unverified",
            Self::Unusable(_) => "unusable",
            Self::WeakKey(_) => "weak_key",
            Self::NoSelectorMatches(_) => "no_selector_matches",
            Self::NotRegistered(_) => "not_registered",
            Self::KeysUnavailable => "keys_unavailable",
            Self::NoSecret => "no_secret",
            Self::WrongSecret => "wrong_secret",
            Self::SecretExpired => "secret_expired",
            Self::NoAssertion => "no_assertion",
            Self::UnknownKey => "unknown_key",
            Self::Assertion(_) => "assertion",
            Self::AssertionReplayed => "assertion_replayed",
        }
    }

    /// Whether the client may have published a new key or certificate since its keys were fetched.
    pub const fn may_be_outdated(&self) -> bool {
        matches!(
            self,
            Self::NotRegistered(_) | Self::UnknownKey | Self::KeysUnavailable
        )
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoClientId => f.write_str("the request names no client: client_id is missing"),
            Self::UnknownClient => f.write_str("there is no such client"),
            Self::OtherMethod(method) => {
                write!(
                    f,
                    "the request authenticates by {method}, for which the client is not registered"
                )
            }
            Self::NoCertificate => f.write_str("no client certificate was forwarded"),
            Self::OutsideValidity(error) => error.fmt(f),
            Self::Unverified(error) => write!(f, "the certificate is not verified: {error}"),
            Self::Unusable(error) => error.fmt(f),
            Self::WeakKey(error) => error.fmt(f),
            Self::NoSelectorMatches(tried) => {
                write!(
                    f,
                    "the certificate does not match the registration: {}",
                    tried.join("; ")
                )
            }
            Self::NotRegistered(thumbprint) => {
                write!(
                    f,
                    "the certificate with x5t#S256 {thumbprint} is not among those registered"
                )
            }
            Self::KeysUnavailable => {
                f.write_str("the keys at the client's jwks_uri could not be had")
            }
            Self::NoSecret => f.write_str("no client secret was sent"),
            Self::WrongSecret => f.write_str("the client secret is wrong"),
            Self::SecretExpired => f.write_str("the client secret has expired"),
            Self::NoAssertion => f.write_str("no client assertion was sent"),
            Self::UnknownKey => f.write_str("the assertion's key is not among the client's"),
            Self::Assertion(error) => write!(f, "the client assertion does not hold: {error}"),
            Self::AssertionReplayed => f.write_str("the client assertion was used before"),
        }
    }
}

impl From<Refused> for OAuthError {
    /// Every refusal looks alike outside, so that nobody learns which clients exist or how near a
    /// guess was.
    fn from(refused: Refused) -> Self {
        Self::new(ErrorCode::InvalidClient, "client authentication failed").because(refused)
    }
}
