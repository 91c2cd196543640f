//! From a token's text to what is known of it: our own are looked up, another issuer's are verified here
//! or asked about there.

use std::sync::{Arc, OnceLock, Weak};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::Guard;
use crate::endpoint::{Look, Server};
use crate::gate::facts::{Answered, Facts, NotGood};
use crate::gate::identity::Identity;
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
use crate::outbound::kept::Doubt;
use crate::token::read::{Live, is_opaque};

/// What is known of a token, and as whom it lets through.
#[derive(Debug)]
pub struct Known {
    facts: Facts,
    identity: OnceLock<Arc<Identity>>,
}

impl Known {
    /// Knows that.
    pub const fn new(facts: Facts) -> Self {
        let identity = OnceLock::new();
        Self { facts, identity }
    }

    /// What is known.
    pub const fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Who it is, with no other header beside.
    pub(super) fn identity(&self) -> Arc<Identity> {
        let identity = || Arc::new(Identity::new(&self.facts, 0));
        Arc::clone(self.identity.get_or_init(identity))
    }
}

/// How many tokens of other issuers are remembered, and how many octets of what they say.
const KEPT: (usize, u64) = (50_000, 32 * 1024 * 1024);

/// Tokens of other issuers whose signature was verified, by the digest of their text, each with the keys
/// that it was verified by: when these are fetched anew, it is verified anew.
pub struct ForeignTokens(Cache<[u8; 32], Arc<Verified>, Octets>);

struct Verified {
    known: Arc<Known>,
    /// Only to tell one set from another: a token that nobody shows again must not keep it.
    keys: Weak<JwkSet>,
}

/// What is remembered weighs about what it says.
#[derive(Clone, Copy)]
struct Octets;

impl Weighter<[u8; 32], Arc<Verified>> for Octets {
    fn weight(&self, _: &[u8; 32], verified: &Arc<Verified>) -> u64 {
        // Whom it lets through says most of it twice more.
        1_024 + 3 * verified.known.facts.octets() as u64
    }
}

impl Default for ForeignTokens {
    fn default() -> Self {
        Self(Cache::with_weighter(KEPT.0, KEPT.1, Octets))
    }
}

impl ForeignTokens {
    /// What is known of a token of that issuer, if those keys have verified it and it has not ended.
    fn known(
        &self,
        digest: &[u8; 32],
        issuer: &str,
        keys: &Arc<JwkSet>,
        now: Timestamp,
    ) -> Option<Arc<Known>> {
        let seen = self.0.get(digest)?;
        let facts = &seen.known.facts;
        let holds = Weak::as_ptr(&seen.keys) == Arc::as_ptr(keys)
            && *facts.issuer == *issuer
            && facts.expires.is_some_and(|end| now < end);
        holds.then(|| Arc::clone(&seen.known))
    }

    /// Remembers a token that those keys have verified.
    fn keep(&self, digest: [u8; 32], known: Arc<Known>, keys: &Arc<JwkSet>) {
        let keys = Arc::downgrade(keys);
        self.0.insert(digest, Arc::new(Verified { known, keys }));
    }
}

/// A way to learn of a token of another issuer, told to whoever wants to know which one is taken.
#[derive(Clone, Copy, Debug)]
pub enum Way<'a> {
    /// Its signature is verified by the keys that this issuer publishes.
    Keys(&'a RemoteIssuer),
    /// Those keys cannot be had.
    NoKeys(&'a OutboundError),
    /// This issuer is asked about it.
    Asking(&'a RemoteIssuer),
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
    pub async fn facts(
        &self,
        guard: &Guard,
        text: &str,
        now: Timestamp,
    ) -> Result<Arc<Known>, Refused> {
        if let Some(facts) = self.facts_of_own(guard, text, now).await? {
            return Ok(facts);
        }
        // Apart, so that our own need not carry what asking others takes.
        Box::pin(self.facts_of_other(guard, text, now, &|_| {})).await
    }

    /// What is known of that token if it is one of ours that is alive and that this gate takes.
    ///
    /// # Errors
    /// The store or the keys do not answer.
    pub async fn facts_of_own(
        &self,
        guard: &Guard,
        text: &str,
        now: Timestamp,
    ) -> Result<Option<Arc<Known>>, Refused> {
        // An opaque token means what a record says, which is introspection; a JWT may go either way.
        let introspects = guard.gate.takes(AuthMethod::Introspection);
        if !guard.own || (!introspects && is_opaque(text)) {
            return Ok(None);
        }
        let own = self.live_token(text, Look::AtHand, now).await;
        let own = own.map_err(|error| undecided(&error))?;
        // A refresh token opens nothing.
        Ok(own.and_then(|(seen, live)| match live {
            Live::Access(token, _) => Some(seen.known(self.issuer(), &token)),
            Live::Refresh(..) => None,
        }))
    }

    /// What is known of a token that is none of ours that is alive; `tell` learns which way is taken.
    ///
    /// # Errors
    /// It is no token that this gate takes, or whoever knows does not answer.
    pub async fn facts_of_other(
        &self,
        guard: &Guard,
        text: &str,
        now: Timestamp,
        tell: &(dyn Fn(Way<'_>) + Sync),
    ) -> Result<Arc<Known>, Refused> {
        let introspects = guard.gate.takes(AuthMethod::Introspection);
        let jws = match UnverifiedJws::parse(text) {
            Ok(jws) => jws,
            // Not a JWT at all.
            Err(JwsError::NotCompact) => return self.facts_of_opaque(guard, text, now, tell).await,
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
            tell(Way::Keys(other));
            match self.verified(other, &jws, text, now).await {
                Ok(facts) => return Ok(facts),
                Err(Unverified::Refused(refused)) => return Err(refused),
                // An issuer that publishes no keys may still answer questions.
                Err(Unverified::NoKeys(error)) if !(introspects && other.introspects()) => {
                    return Err(Refused::new(Why::Unavailable, error));
                }
                Err(Unverified::NoKeys(error)) => {
                    tell(Way::NoKeys(&error));
                    tracing::debug!(issuer, %error, "no keys to verify a JWT with; asking its issuer");
                }
            }
        }
        if introspects && other.introspects() {
            tell(Way::Asking(other));
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
        tell: &(dyn Fn(Way<'_>) + Sync),
    ) -> Result<Arc<Known>, Refused> {
        let mut outcome = Err(not_good(
            "it is no live token of an issuer that could be asked",
        ));
        if !guard.gate.takes(AuthMethod::Introspection) {
            return outcome;
        }
        for other in guard.others.iter().filter(|other| other.introspects()) {
            tell(Way::Asking(other));
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
    ) -> Result<Arc<Known>, Unverified> {
        let mut keys = other.keys(now).await.map_err(Unverified::NoKeys)?;
        let digest = *Digest::of(text.as_bytes()).octets();
        if let Some(known) = self.foreign.known(&digest, other.issuer(), &keys, now) {
            return Ok(known);
        }
        let mut verified = jws.verify_by(&keys, VerificationAlgorithm::ALL);
        // The issuer may have a new key, under a new name or the old one.
        let doubt = match verified {
            Err(JwsError::NoKey) => Some(Doubt::Missing),
            Err(JwsError::Signature) => Some(Doubt::Mismatch),
            _ => None,
        };
        if let Some(doubt) = doubt {
            let fresh = other.refreshed(now, doubt).await;
            keys = fresh.map_err(Unverified::NoKeys)?;
            verified = jws.verify_by(&keys, VerificationAlgorithm::ALL);
        }
        let refused = |cause: String| Unverified::Refused(not_good(cause));
        let verified = verified.map_err(|error| refused(error.to_string()))?;
        let facts = Facts::of_jwt(jws, verified.claims(), other.issuer(), now)
            .map_err(|NotGood(cause)| refused(cause.to_owned()))?;
        let known = Arc::new(Known::new(facts));
        self.foreign.keep(digest, Arc::clone(&known), &keys);
        Ok(known)
    }

    /// Asks another issuer about a token (RFC 7662).
    async fn asked(
        &self,
        other: &RemoteIssuer,
        text: &str,
        now: Timestamp,
    ) -> Result<Arc<Known>, Refused> {
        let undecided = |cause: String| Refused::new(Why::Unavailable, cause);
        let jti = (self.mint)();
        let answer = other
            .introspect(text, now, jti.expose())
            .await
            .map_err(|error| undecided(error.to_string()))?;
        match Facts::of_introspection(&answer, other.issuer(), now) {
            Ok(Some(facts)) => Ok(Arc::new(Known::new(facts))),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::facts::Bound;
    use crate::oauth::scope::Scope;

    const NOW: Timestamp = Timestamp::from_unix(1_000);
    const ISSUER: &str = "https://other.example";

    #[test]
    fn what_is_remembered_counts_with_the_same_keys_and_keeps_none() {
        let facts = Facts {
            issuer: ISSUER.into(),
            subject: Some("s".into()),
            client_id: None,
            scope: Scope::default(),
            audience: Vec::new(),
            expires: Some(Timestamp::from_unix(1_600)),
            bound: Bound::ToNothing,
            acr: None,
            auth_time: None,
        };
        let (tokens, digest) = (ForeignTokens::default(), [7; 32]);
        let (keys, equal) = (Arc::new(JwkSet::default()), Arc::new(JwkSet::default()));
        tokens.keep(digest, Arc::new(Known::new(facts.clone())), &keys);
        let known = |digest, issuer, keys, now| {
            let known = tokens.known(digest, issuer, keys, now);
            known.map(|known| known.facts.clone())
        };
        assert_eq!(known(&digest, ISSUER, &keys, NOW), Some(facts));
        assert_eq!(known(&[8; 32], ISSUER, &keys, NOW), None);
        assert_eq!(known(&digest, "https://x.example", &keys, NOW), None);
        assert_eq!(known(&digest, ISSUER, &equal, NOW), None);
        let end = Timestamp::from_unix(1_600);
        assert_eq!(known(&digest, ISSUER, &keys, end), None);
        assert_eq!(Arc::strong_count(&keys), 1);
    }
}
