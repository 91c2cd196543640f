//! Compact JWS, read strictly (RFC 7515 sections 3.1 and 5.2, RFC 8725 section 3).
//!
//! What a token says is not to be had before its signature has been verified, except to find out
//! whose keys to ask for, and to tell an administrator what it says.

use std::fmt;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::algorithm::VerificationAlgorithm;
use super::error::JwsError;
use super::json::{Json, Object};
use super::jwk::{JwkSet, PublicJwk};
use super::set::KeySet;
use crate::oauth::time::Timestamp;

/// Octets of a token, at most, unless its reader says otherwise.
pub const MAX_TOKEN_OCTETS: usize = 16 * 1024;
/// Octets of a decoded header, at most: ours take about a hundred, others carry certificates.
const MAX_HEADER_OCTETS: usize = 8 * 1024;
/// Keys of somebody else's set that one token may be tried with.
const MAX_CANDIDATES: usize = 8;
/// Header members that would change what the signature means or who may have made it. Extensions are
/// refused whether critical or not, and a key that a token brings along proves nothing.
const REFUSED_MEMBERS: &[&str] = &["crit", "b64", "zip", "enc", "jwk", "jku", "x5u"];

/// A token that anybody may have written.
pub struct UnverifiedJws<'a> {
    signing_input: &'a str,
    header: Header,
    /// Header, signature and payload, decoded, one behind the other.
    octets: Vec<u8>,
    /// Which of them are the signature.
    signature: Range<usize>,
    /// Whether what is behind it is the payload: that it cannot be decoded is told once the signature has been
    /// verified, as whatever else is wrong with it.
    payload: bool,
}

struct Header {
    algorithm: Box<str>,
    typ: Option<Box<str>>,
    kid: Option<Box<str>>,
}

impl<'a> UnverifiedJws<'a> {
    /// Takes a token apart, if it is of the usual size.
    pub fn parse(token: &'a str) -> Result<Self, JwsError> {
        Self::parse_within(token, MAX_TOKEN_OCTETS)
    }

    /// Takes a token apart, if it has no more than `limit` octets.
    pub fn parse_within(token: &'a str, limit: usize) -> Result<Self, JwsError> {
        if token.len() > limit {
            return Err(JwsError::TooLarge);
        }
        let (signing_input, signature) = token.rsplit_once('.').ok_or(JwsError::NotCompact)?;
        let (header, payload) = signing_input.split_once('.').ok_or(JwsError::NotCompact)?;
        if header.is_empty() || payload.is_empty() || signature.is_empty() || payload.contains('.')
        {
            return Err(JwsError::NotCompact);
        }
        let mut octets = Vec::with_capacity(token.len());
        let mut decode = |text| -> Result<usize, JwsError> {
            let decoded = URL_SAFE_NO_PAD.decode_vec(text, &mut octets);
            decoded.map_err(|_| JwsError::NotCompact)?;
            Ok(octets.len())
        };
        let header = decode(header)?;
        let signature = header..decode(signature)?;
        let payload = decode(payload).is_ok();
        Ok(Self {
            signing_input,
            header: Header::read(&octets[..header])?,
            octets,
            signature,
            payload,
        })
    }

    fn signature(&self) -> &[u8] {
        &self.octets[self.signature.clone()]
    }

    fn read_claims(&self) -> Result<Object<'_>, JwsError> {
        if !self.payload {
            return Err(JwsError::NotCompact);
        }
        let payload = &self.octets[self.signature.end..];
        Object::read(payload).ok_or(JwsError::Claims)
    }

    /// `alg`, which decides nothing.
    pub fn unverified_algorithm(&self) -> &str {
        &self.header.algorithm
    }

    /// `kid`, which may help to find the key.
    pub fn unverified_kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// Whether `typ` is that media type, with or without `application/`, in any case (RFC 7515
    /// section 4.1.9).
    pub fn is_type(&self, typ: &str) -> bool {
        self.header.is_type(typ)
    }

    /// Whether there is no `typ`.
    pub const fn is_untyped(&self) -> bool {
        self.header.typ.is_none()
    }

    /// A claim that is a string, before anything is known to be true: only to look up whose keys to
    /// verify the token with (`iss`, `sub`, `client_id`).
    pub fn unverified_claim(&self, name: &str) -> Option<String> {
        let claims = self.unverified_claims()?;
        claims.get(name)?.as_str().map(str::to_owned)
    }

    /// Every claim, before anything is known to be true: to tell somebody what a token says.
    pub fn unverified_claims(&self) -> Option<Object<'_>> {
        self.read_claims().ok()
    }

    /// Verifies the signature with a key that is known to be the signer's.
    ///
    /// The algorithm has to be among those allowed, fit the kind of the key, and agree with what the
    /// key says of itself; the token's header has to name it, but chooses nothing.
    pub fn verify(
        &self,
        jwk: &PublicJwk,
        allowed: &[VerificationAlgorithm],
    ) -> Result<VerifiedJws<'_>, JwsError> {
        let algorithm = self.algorithm_among(allowed)?;
        if !jwk.may_verify(algorithm) {
            return Err(JwsError::Algorithm);
        }
        self.verify_with(jwk, algorithm)
    }

    /// Verifies the signature with whichever of the signer's keys fits, by `kid` where the token has
    /// one.
    pub fn verify_by(
        &self,
        keys: &JwkSet,
        allowed: &[VerificationAlgorithm],
    ) -> Result<VerifiedJws<'_>, JwsError> {
        let algorithm = self.algorithm_among(allowed)?;
        let mut outcome = Err(JwsError::NoKey);
        for jwk in keys
            .candidates(self.unverified_kid(), algorithm)
            .take(MAX_CANDIDATES)
        {
            outcome = self.verify_with(jwk, algorithm);
            if !matches!(outcome, Err(JwsError::Signature)) {
                break;
            }
        }
        outcome
    }

    /// Verifies a token of our own: by `kid`, with that key's algorithm, of exactly that `typ`.
    pub fn verify_own(
        &self,
        keys: &KeySet,
        typ: &str,
        now: Timestamp,
    ) -> Result<VerifiedJws<'_>, JwsError> {
        if !self.is_type(typ) {
            return Err(JwsError::Type);
        }
        let kid = self.unverified_kid().ok_or(JwsError::NoKey)?;
        let key = keys.verifier(kid, now).ok_or(JwsError::NoKey)?;
        if self.unverified_algorithm() != key.algorithm().name() {
            return Err(JwsError::Algorithm);
        }
        let algorithm = key.algorithm().verification();
        let verified =
            key.public()
                .verifies(algorithm, self.signing_input.as_bytes(), self.signature());
        self.verified(verified, algorithm)
    }

    fn algorithm_among(
        &self,
        allowed: &[VerificationAlgorithm],
    ) -> Result<VerificationAlgorithm, JwsError> {
        let named =
            |algorithm: &&VerificationAlgorithm| algorithm.name() == self.unverified_algorithm();
        allowed
            .iter()
            .find(named)
            .copied()
            .ok_or(JwsError::Algorithm)
    }

    fn verify_with(
        &self,
        jwk: &PublicJwk,
        algorithm: VerificationAlgorithm,
    ) -> Result<VerifiedJws<'_>, JwsError> {
        let key = jwk.key().ok_or(JwsError::NoKey)?;
        let verified = key.verifies(algorithm, self.signing_input.as_bytes(), self.signature());
        self.verified(verified, algorithm)
    }

    fn verified(
        &self,
        verified: bool,
        algorithm: VerificationAlgorithm,
    ) -> Result<VerifiedJws<'_>, JwsError> {
        if !verified {
            return Err(JwsError::Signature);
        }
        Ok(VerifiedJws {
            claims: self.read_claims()?,
            algorithm,
            typ: self.header.typ.as_deref(),
        })
    }
}

impl fmt::Debug for UnverifiedJws<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UnverifiedJws(…)")
    }
}

impl Header {
    fn read(octets: &[u8]) -> Result<Self, JwsError> {
        if octets.len() > MAX_HEADER_OCTETS {
            return Err(JwsError::TooLarge);
        }
        let members = Object::read(octets).ok_or(JwsError::Header)?;
        if let Some(name) = REFUSED_MEMBERS.iter().find(|name| members.has(name)) {
            return Err(JwsError::RefusedMember(name));
        }
        let text = |name| match members.get(name) {
            None => Ok(None),
            Some(Json::Text(text)) => Ok(Some((**text).into())),
            Some(_) => Err(JwsError::Header),
        };
        Ok(Self {
            algorithm: text("alg")?.ok_or(JwsError::Header)?,
            typ: text("typ")?,
            kid: text("kid")?,
        })
    }

    fn is_type(&self, typ: &str) -> bool {
        const PREFIX: &str = "application/";
        let Some(stated) = self.typ.as_deref() else {
            return false;
        };
        let prefixed = stated
            .get(..PREFIX.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
        let name = if prefixed {
            &stated[PREFIX.len()..]
        } else {
            stated
        };
        name.eq_ignore_ascii_case(typ)
    }
}

/// A token whose signature is that of the key it was verified with. Whether it is in time, and for
/// whom, is still to be asked.
pub struct VerifiedJws<'a> {
    claims: Object<'a>,
    algorithm: VerificationAlgorithm,
    typ: Option<&'a str>,
}

impl<'a> VerifiedJws<'a> {
    /// The claims.
    pub const fn claims(&self) -> &Object<'a> {
        &self.claims
    }

    /// The claims, for whoever keeps them.
    pub fn into_claims(self) -> Object<'a> {
        self.claims
    }

    /// The algorithm that the signature was verified with.
    pub const fn algorithm(&self) -> VerificationAlgorithm {
        self.algorithm
    }

    /// `typ`, as it was written.
    pub const fn typ(&self) -> Option<&'a str> {
        self.typ
    }
}

impl fmt::Debug for VerifiedJws<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifiedJws({} …)", self.algorithm)
    }
}

#[cfg(test)]
mod tests;
