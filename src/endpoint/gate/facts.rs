//! From a token's text to what is known of it: our own are looked up, another issuer's are verified here
//! or asked about there.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::Guard;
use crate::endpoint::Server;
use crate::gate::facts::{Answered, Facts, NotGood};
use crate::gate::{AuthMethod, Refused, Why};
use crate::key::JwsError;
use crate::key::algorithm::VerificationAlgorithm;
use crate::key::jwk::JwkSet;
use crate::key::jws::UnverifiedJws;
use crate::oauth::error::OAuthError;
use crate::oauth::secret::Digest;
use crate::oauth::time::Timestamp;
use crate::outbound::OutboundError;
use crate::outbound::issuer::RemoteIssuer;
use crate::token::read::is_opaque;

/// How many tokens of other issuers are remembered, and how many octets of what they say.
const KEPT: (usize, u64) = (50_000, 32 * 1024 * 1024);

/// Tokens of other issuers whose signature was verified, by the digest of their text, each with the keys
/// that it was verified by: when these are fetched anew, it is verified anew.
pub struct ForeignTokens(Cache<[u8; 32], Arc<Verified>, Octets>);

struct Verified {
    facts: Facts,
    keys: Arc<JwkSet>,
}

/// What is remembered weighs about what it says.
#[derive(Clone, Copy)]
struct Octets;

impl Weighter<[u8; 32], Arc<Verified>> for Octets {
    fn weight(&self, _: &[u8; 32], verified: &Arc<Verified>) -> u64 {
        512 + verified.facts.octets() as u64
    }
}

impl Default for ForeignTokens {
    fn default() -> Self {
        Self(Cache::with_weighter(KEPT.0, KEPT.1, Octets))
    }
}

/// Why there are no facts about a JWT of another issuer.
enum Unverified {
    /// Its issuer's keys cannot be had.
    NoKeys(OutboundError),
    /// It is not good.
    Refused(Refused),
}

impl Server {
    /// What is known of that token.
    ///
    /// # Errors
    /// It is no token that this gate takes, or whoever knows does not answer.
    pub async fn facts(&self, guard: &Guard, text: &str, now: Timestamp) -> Result<Facts, Refused> {
        // An opaque token means what a record says, which is introspection; a JWT may go either way.
        let introspects = guard.gate.takes(AuthMethod::Introspection);
        if guard.own && (introspects || !is_opaque(text)) {
            let own = self.live_token(text, now).await;
            if let Some((_, token)) = own.map_err(|error| undecided(&error))? {
                return Ok(Facts::of_own(self.issuer(), &token));
            }
        }
        let jws = match UnverifiedJws::parse(text) {
            Ok(jws) => jws,
            // Not a JWT at all.
            Err(JwsError::NotCompact) => return self.facts_of_opaque(guard, text, now).await,
            Err(error) => return Err(not_good(error)),
        };
        let Some(issuer) = jws.unverified_claim("iss") else {
            return Err(not_good("it is a JWT without iss"));
        };
        let Some(other) = guard.others.iter().find(|other| other.issuer() == issuer) else {
            return Err(not_good(if guard.own && issuer == self.issuer() {
                "it is no token of ours that is alive".to_owned()
            } else {
                format!("it is a JWT of {issuer:?}, whose tokens are not taken here")
            }));
        };
        if guard.gate.takes(AuthMethod::Bearer) {
            match self.verified(other, &jws, text, now).await {
                Ok(facts) => return Ok(facts),
                Err(Unverified::Refused(refused)) => return Err(refused),
                // An issuer that publishes no keys may still answer questions.
                Err(Unverified::NoKeys(error)) if !(introspects && other.introspects()) => {
                    return Err(Refused::new(Why::Unavailable, error));
                }
                Err(Unverified::NoKeys(error)) => {
                    tracing::debug!(issuer, %error, "no keys to verify a JWT with; asking its issuer");
                }
            }
        }
        if introspects && other.introspects() {
            return self.asked(other, text, now).await;
        }
        Err(not_good("no method of this gate takes such a token"))
    }

    /// A token that says nothing by itself: whoever may have issued it is asked, in the order in which
    /// the gate names them.
    async fn facts_of_opaque(
        &self,
        guard: &Guard,
        text: &str,
        now: Timestamp,
    ) -> Result<Facts, Refused> {
        let mut outcome = Err(not_good(
            "it is no live token of an issuer that could be asked",
        ));
        if !guard.gate.takes(AuthMethod::Introspection) {
            return outcome;
        }
        for other in guard.others.iter().filter(|other| other.introspects()) {
            match self.asked(other, text, now).await {
                Ok(facts) => return Ok(facts),
                Err(refused) if refused.why() == Why::Unavailable => outcome = Err(refused),
                // What one does not know another may.
                Err(_) => {}
            }
        }
        outcome
    }

    /// Verifies a JWT of another issuer by the keys that it publishes (RFC 9068 section 4).
    async fn verified(
        &self,
        other: &RemoteIssuer,
        jws: &UnverifiedJws<'_>,
        text: &str,
        now: Timestamp,
    ) -> Result<Facts, Unverified> {
        let mut keys = other.keys(now).await.map_err(Unverified::NoKeys)?;
        let digest = *Digest::of(text.as_bytes()).octets();
        if let Some(seen) = self.foreign.0.get(&digest)
            && Arc::ptr_eq(&seen.keys, &keys)
            && *seen.facts.issuer == *other.issuer()
            && seen.facts.expires.is_some_and(|end| now < end)
        {
            return Ok(seen.facts.clone());
        }
        let mut verified = jws.verify_by(&keys, VerificationAlgorithm::ALL);
        // The issuer may have a new key, under a new name or the old one.
        if matches!(verified, Err(JwsError::NoKey | JwsError::Signature)) {
            keys = other.refreshed(now).await.map_err(Unverified::NoKeys)?;
            verified = jws.verify_by(&keys, VerificationAlgorithm::ALL);
        }
        let refused = |cause: String| Unverified::Refused(not_good(cause));
        let verified = verified.map_err(|error| refused(error.to_string()))?;
        let facts = Facts::of_jwt(jws, verified.claims(), other.issuer(), now)
            .map_err(|NotGood(cause)| refused(cause.to_owned()))?;
        let kept = Verified {
            facts: facts.clone(),
            keys,
        };
        self.foreign.0.insert(digest, Arc::new(kept));
        Ok(facts)
    }

    /// Asks another issuer about a token (RFC 7662).
    async fn asked(
        &self,
        other: &RemoteIssuer,
        text: &str,
        now: Timestamp,
    ) -> Result<Facts, Refused> {
        let undecided = |cause: String| Refused::new(Why::Unavailable, cause);
        let jti = (self.mint)();
        let answer = other
            .introspect(text, now, jti.expose())
            .await
            .map_err(|error| undecided(error.to_string()))?;
        match Facts::of_introspection(&answer, other.issuer(), now) {
            Ok(Some(facts)) => Ok(facts),
            Ok(None) => Err(not_good(format!(
                "{} says that it is not active",
                other.issuer()
            ))),
            Err(Answered::Not(NotGood(cause))) => Err(not_good(cause)),
            Err(Answered::Garbage) => Err(undecided(format!(
                "what {} answered is no introspection response",
                other.issuer()
            ))),
        }
    }
}

fn not_good(cause: impl std::fmt::Display) -> Refused {
    Refused::new(Why::InvalidToken, cause)
}

/// Where our own store or keys do not answer, nothing was decided.
fn undecided(error: &OAuthError) -> Refused {
    Refused::new(Why::Unavailable, error.cause())
}
