//! ID tokens: what a client learns of its user (OpenID Connect Core sections 2 and 3.3.2.11).

use aws_lc_rs::digest::{self, SHA256, SHA512};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::family::Family;
use crate::key::algorithm::SigningAlgorithm;
use crate::key::claims::{self, AudienceClaim, TimeClaims};
use crate::key::jws::UnverifiedJws;
use crate::key::set::KeySet;
use crate::oauth::time::{Lifetime, Timestamp};

/// `typ` of an ID token.
pub const TYPE: &str = "JWT";

/// An ID token that is yet to be signed.
#[derive(Clone, Debug, PartialEq)]
pub struct IdToken {
    claims: Map<String, Value>,
}

impl IdToken {
    /// The ID token of that family. What the user's own claims say of the protocol is overruled.
    pub fn new(
        issuer: &str,
        family: &Family,
        claims: Map<String, Value>,
        now: Timestamp,
        ttl: Lifetime,
    ) -> Self {
        let mut token = Self { claims };
        let authentication = &family.authentication;
        token.put("iss", json!(issuer));
        token.put("sub", json!(family.subject));
        token.put("aud", json!(family.client_id.as_str()));
        token.put("iat", json!(now.unix()));
        token.put("exp", json!(now.after(ttl).unix()));
        token.put("auth_time", json!(authentication.time.unix()));
        if let Some(acr) = &authentication.acr {
            token.put("acr", json!(acr));
        }
        if !authentication.methods.is_empty() {
            token.put("amr", json!(authentication.methods));
        }
        if let Some(session) = &family.session {
            token.put("sid", json!(session));
        }
        token
    }

    /// With the client's `nonce`, octet for octet.
    #[must_use]
    pub fn with_nonce(mut self, nonce: Option<&str>) -> Self {
        if let Some(nonce) = nonce {
            self.put("nonce", json!(nonce));
        }
        self
    }

    /// The claims to sign by that algorithm, with the digests of what goes along: `at_hash` and `c_hash`.
    pub fn claims(
        &self,
        algorithm: SigningAlgorithm,
        access_token: Option<&str>,
        code: Option<&str>,
    ) -> Map<String, Value> {
        let mut token = self.clone();
        for (name, text) in [("at_hash", access_token), ("c_hash", code)] {
            if let Some(text) = text {
                token.put(name, json!(half_digest(algorithm, text)));
            }
        }
        token.claims
    }

    fn put(&mut self, name: &str, value: Value) {
        self.claims.insert(name.to_owned(), value);
    }
}

/// What an ID token of ours that comes back as a hint says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// `sub`.
    pub subject: String,
    /// `aud`: the client that it was issued to.
    pub client_id: String,
    /// `sid`.
    pub session: Option<String>,
}

/// Reads an ID token as a hint (OpenID Connect Core section 3.1.2.1, RP-Initiated Logout section 2): it must
/// be ours, signed by a key that still counts; that it has expired says nothing. One that was encrypted to
/// its client is not ours to read: the client is to decrypt it first.
pub fn hint(text: &str, keys: &KeySet, issuer: &str, now: Timestamp) -> Option<Hint> {
    let jws = UnverifiedJws::parse(text).ok()?;
    let verified = jws.verify_own(keys, TYPE, now).ok()?;
    let all = verified.claims();
    let string = |name| claims::text(all, name).ok()?.map(str::to_owned);
    if string("iss")? != issuer {
        return None;
    }
    // A signed answer of userinfo has the same typ, issuer and audience, but never expires.
    TimeClaims::read(all).ok()?.expires?;
    Some(Hint {
        subject: string("sub")?,
        client_id: AudienceClaim::read(all).ok()??.sole()?.to_owned(),
        session: string("sid"),
    })
}

/// The left half of the digest that the algorithm signs (OpenID Connect Core section 3.1.3.6); Ed25519 signs
/// by SHA-512.
fn half_digest(algorithm: SigningAlgorithm, text: &str) -> String {
    let by = match algorithm {
        SigningAlgorithm::Es256 | SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => &SHA256,
        SigningAlgorithm::EdDsa => &SHA512,
    };
    let digest = digest::digest(by, text.as_bytes());
    let octets = digest.as_ref();
    URL_SAFE_NO_PAD.encode(&octets[..octets.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_digests() {
        // OpenID Connect Core appendix A.4 for SHA-256; SHA-512 computed apart.
        let code = "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk";
        assert_eq!(
            half_digest(SigningAlgorithm::Rs256, code),
            "LDktKdoQak3Pk0cnXxCltA"
        );
        assert_eq!(half_digest(SigningAlgorithm::EdDsa, code).len(), 43);
    }
}
