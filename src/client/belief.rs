//! When a forwarded certificate counts as verified: the conditions that `tls_client_auth` needs
//! (RFC 8705 section 2.1: «a validated certificate chain»).
//!
//! A verdict of the web server alone is never enough where `--client-ca` is set, and never believed
//! where the operator has not said what the web server does.

use std::fmt;
use std::sync::Arc;

use quick_cache::sync::Cache;

use crate::cert::{ChainError, ClientAuthorities, RevocationLists};
use crate::oauth::time::{Lifetime, Timestamp};
use crate::proxy::Verdict;
use crate::proxy::presented::Presented;

/// How long the outcome of a chain validation is remembered. The leaf's own validity is looked at on
/// every request all the same.
const MEMORY: Lifetime = Lifetime::from_seconds(10);

/// How many outcomes are remembered.
const OUTCOMES: usize = 20_000;

/// Certificate authorities, and the chains that were lately tried against them.
#[derive(Debug)]
pub struct Authorities {
    trusted: Arc<ClientAuthorities>,
    tried: Cache<[u8; 32], Tried>,
}

/// What came of a chain, when, and with which revocation lists.
#[derive(Clone, Debug)]
struct Tried {
    at: Timestamp,
    generation: u64,
    outcome: Result<(), ChainError>,
}

impl Authorities {
    /// Trusts those, having tried nothing yet.
    pub fn new(trusted: ClientAuthorities) -> Self {
        Self::of(Arc::new(trusted))
    }

    fn of(trusted: Arc<ClientAuthorities>) -> Self {
        Self {
            trusted,
            tried: Cache::new(OUTCOMES),
        }
    }

    /// The authorities themselves.
    pub fn trusted(&self) -> &ClientAuthorities {
        &self.trusted
    }

    fn verify(
        &self,
        presented: &Presented,
        belief: &Belief,
        now: Timestamp,
    ) -> Result<(), Unverified> {
        let certificate = presented.certificate().ok_or(Unverified::NoCertificate)?;
        let fingerprint = presented.fingerprint().ok_or(Unverified::NoCertificate)?;
        if let Some(tried) = self.tried.get(fingerprint)
            && tried.generation == belief.generation
            && tried.at <= now
            && now < tried.at.after(MEMORY)
        {
            return tried.outcome.map_err(Unverified::Chain);
        }
        let revocation = belief.revocation.as_deref();
        let outcome = self
            .trusted
            .verify(certificate, presented.chain(), now, revocation);
        let tried = Tried {
            at: now,
            generation: belief.generation,
            outcome: outcome.clone(),
        };
        self.tried.insert(*fingerprint, tried);
        outcome.map_err(Unverified::Chain)
    }
}

/// What makes a certificate a verified one in this deployment.
#[derive(Debug, Default)]
pub struct Belief {
    client_ca: Option<Authorities>,
    revocation: Option<Arc<RevocationLists>>,
    front_end_verifies: bool,
    /// How often it was renewed: what was found before no longer counts then.
    generation: u64,
}

impl Belief {
    /// Believes as `--client-ca`, `--client-crl` and `--front-end-verifies` say.
    pub fn new(
        client_ca: Option<ClientAuthorities>,
        revocation: Option<RevocationLists>,
        front_end_verifies: bool,
    ) -> Self {
        Self {
            client_ca: client_ca.map(Authorities::new),
            revocation: revocation.map(Arc::new),
            front_end_verifies,
            generation: 0,
        }
    }

    /// The same with what was read anew; what was not stays as it is.
    #[must_use]
    pub fn renewed(
        &self,
        client_ca: Option<ClientAuthorities>,
        revocation: Option<RevocationLists>,
    ) -> Self {
        let known = self.client_ca.as_ref();
        let known = known.map(|authorities| Arc::clone(&authorities.trusted));
        Self {
            client_ca: client_ca.map(Arc::new).or(known).map(Authorities::of),
            revocation: revocation.map(Arc::new).or_else(|| self.revocation.clone()),
            front_end_verifies: self.front_end_verifies,
            generation: self.generation + 1,
        }
    }

    /// Whether any certificate can ever count as verified without a client's own anchors.
    pub fn is_possible(&self) -> bool {
        self.client_ca.is_some() || self.front_end_verifies
    }

    /// Whether the certificate that was presented is verified: for a client with anchors of its own
    /// (`tls_client_auth_trust_anchors`) against those alone, else against `--client-ca`.
    pub fn verified(
        &self,
        presented: &Presented,
        own: Option<&Authorities>,
        now: Timestamp,
    ) -> Result<Grounds, Unverified> {
        let verdict = match presented.verdict() {
            Verdict::Failed(text) => return Err(Unverified::FrontEndRefused(text.to_string())),
            Verdict::Absent { required: true } => return Err(Unverified::VerdictMissing),
            Verdict::Success => true,
            Verdict::Absent { required: false } => false,
            Verdict::NotAsked => self.front_end_verifies,
        };
        let authorities = own.or(self.client_ca.as_ref());
        if authorities.is_none() && !self.front_end_verifies {
            return Err(Unverified::NothingConfigured);
        }
        if self.front_end_verifies && !verdict {
            return Err(Unverified::VerdictMissing);
        }
        if let Some(authorities) = authorities {
            authorities.verify(presented, self, now)?;
        }
        Ok(Grounds {
            chain: authorities.is_some(),
            own: own.is_some(),
            front_end: self.front_end_verifies,
        })
    }
}

/// What a verification rests on, for the log and for `explain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grounds {
    chain: bool,
    own: bool,
    front_end: bool,
}

impl fmt::Display for Grounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.chain, self.own, self.front_end) {
            (true, true, false) => "its chain ends at the client's own trust anchors",
            (true, true, true) => {
                "its chain ends at the client's own trust anchors, and the web server verified it"
            }
            (true, false, false) => "its chain ends at --client-ca",
            (true, false, true) => "its chain ends at --client-ca, and the web server verified it",
            (false, ..) => "the web server verified it (--front-end-verifies)",
        })
    }
}

/// Why a certificate does not count as verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unverified {
    /// There is none.
    NoCertificate,
    /// The web server's verdict is not `SUCCESS`.
    FrontEndRefused(String),
    /// The web server's verdict is needed and did not come.
    VerdictMissing,
    /// The chain does not hold.
    Chain(ChainError),
    /// Neither `--client-ca` nor `--front-end-verifies` is set.
    NothingConfigured,
}

impl fmt::Display for Unverified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertificate => f.write_str("there is no certificate"),
            Self::FrontEndRefused(verdict) => {
                write!(f, "the web server's verdict is {verdict:?}, not SUCCESS")
            }
            Self::VerdictMissing => f.write_str(
                "the web server's verdict did not come: forward it in the header that --verify-header names",
            ),
            Self::Chain(error) => write!(f, "the chain does not hold: {error}"),
            Self::NothingConfigured => f.write_str(
                "nothing says who verifies certificates: set --client-ca, or --front-end-verifies if the web server does",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{NOW, authorities, certificate, forwarded, verify_header};
    use super::*;
    use crate::proxy::VerifyHeader;

    /// No chain, a chain, a front end, both.
    fn beliefs() -> [Belief; 4] {
        [(false, false), (true, false), (false, true), (true, true)]
            .map(|(chain, front_end)| Belief::new(chain.then(authorities), None, front_end))
    }

    #[test]
    fn what_counts_as_verified() {
        let absent = || VerifyHeader {
            name: None,
            required: false,
        };
        let optional = || verify_header(false);
        let required = || verify_header(true);
        // Whether neither, --client-ca, --front-end-verifies, both hold.
        for (name, verdict, header, holds) in [
            (
                "p256",
                Some("SUCCESS"),
                optional(),
                [false, true, true, true],
            ),
            ("p256", None, optional(), [false, true, false, false]),
            ("p256", Some("NONE"), optional(), [false; 4]),
            ("p256", Some("FAILED:expired"), optional(), [false; 4]),
            ("p256", Some("success"), optional(), [false; 4]),
            ("p256", Some(""), optional(), [false; 4]),
            ("p256", None, required(), [false; 4]),
            (
                "p256",
                Some("SUCCESS"),
                required(),
                [false, true, true, true],
            ),
            ("p256", None, absent(), [false, true, true, true]),
            (
                "impostor",
                Some("SUCCESS"),
                optional(),
                [false, false, true, false],
            ),
            (
                "self-p256",
                Some("SUCCESS"),
                optional(),
                [false, false, true, false],
            ),
        ] {
            let presented = forwarded(Some(name), verdict, header);
            let found = beliefs().map(|belief| belief.verified(&presented, None, NOW).is_ok());
            assert_eq!(found, holds, "{name} {verdict:?}");
        }
    }

    #[test]
    fn a_client_with_anchors_of_its_own_is_held_to_them() {
        let own = ClientAuthorities::pinned(vec![certificate("impostor-ca")]).expect("an anchor");
        let own = Authorities::new(own);
        let belief = Belief::new(Some(authorities()), None, false);
        let presented = forwarded(Some("p256"), None, verify_header(false));
        assert!(belief.verified(&presented, None, NOW).is_ok());
        assert!(matches!(
            belief.verified(&presented, Some(&own), NOW),
            Err(Unverified::Chain(_))
        ));
        assert!(belief.is_possible() && !Belief::default().is_possible());
    }

    #[test]
    fn an_outcome_is_remembered_for_a_while() {
        let belief = Belief::new(Some(authorities()), None, false);
        let presented = forwarded(Some("p256"), None, verify_header(false));
        assert!(belief.verified(&presented, None, NOW).is_ok());
        let late = Timestamp::from_unix(4_000_000_000);
        assert!(belief.verified(&presented, None, late).is_err());
        // A clock that was set back does not bring an outcome from the future with it.
        assert!(belief.verified(&presented, None, NOW).is_ok());
    }
}
