//! Asking a gate: one decision for whatever protocol the question came by.

mod answer;
mod facts;

use std::fmt;
use std::sync::Arc;

use crate::gate::credential::{self, Asked, Credential};
use crate::gate::decide::decide;
use crate::gate::identity::{Identity, ROOM};
use crate::gate::session::{Session, cookie_name};
use crate::gate::{Gate, GateName, ProofOfPossession, Refused, Why};
use crate::oauth::secret::Secret;
use crate::oauth::time::Timestamp;
use crate::outbound::issuer::{Issuers, RemoteIssuer};
use crate::proxy::presented::Presented;

use super::Server;
pub use answer::{allowed, refused};
pub use facts::{ForeignTokens, Known, Way};

/// A gate and how to reach the issuers whose tokens it takes.
pub struct Guard {
    gate: Gate,
    own: bool,
    others: Vec<RemoteIssuer>,
}

impl Guard {
    /// A gate of the server that is that issuer, and how to reach the others whose tokens it takes.
    pub fn new(gate: Gate, server: &str, others: Vec<RemoteIssuer>) -> Self {
        let own = gate.trusts(server);
        Self { gate, own, others }
    }

    /// The gate.
    pub const fn gate(&self) -> &Gate {
        &self.gate
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Guard").field(&self.gate).finish()
    }
}

/// Every gate of this deployment. Which ones there are is fixed while the program runs; their secrets may
/// be read again.
#[derive(Debug, Default)]
pub struct Gates {
    guards: Vec<Arc<Guard>>,
    shared: Option<Arc<Issuers>>,
}

impl Gates {
    /// Those gates, of different names, and what their calls to other issuers share.
    pub fn new(guards: Vec<Guard>, shared: Arc<Issuers>) -> Self {
        Self {
            guards: guards.into_iter().map(Arc::new).collect(),
            shared: Some(shared),
        }
    }

    /// What their calls to other issuers share.
    pub const fn shared(&self) -> Option<&Arc<Issuers>> {
        self.shared.as_ref()
    }

    /// The gate of that name.
    pub fn named(&self, name: &str) -> Option<&Arc<Guard>> {
        self.guards
            .iter()
            .find(|guard| guard.gate.name().as_str() == name)
    }

    /// The gate at that place of [`Self::names`].
    pub fn at(&self, place: usize) -> Option<&Arc<Guard>> {
        self.guards.get(place)
    }

    /// The name of each.
    pub fn names(&self) -> Vec<GateName> {
        let name = |guard: &Arc<Guard>| guard.gate.name().clone();
        self.guards.iter().map(name).collect()
    }
}

/// A request that is let through.
#[derive(Debug)]
pub struct Allowed {
    /// Who it is.
    pub identity: Arc<Identity>,
    /// The `Set-Cookie` value of the session that it has earned, if any.
    pub cookie: Option<Secret>,
}

impl Server {
    /// Decides whether a request may pass a gate.
    ///
    /// # Errors
    /// It may not, or that could not be decided.
    pub async fn ask(
        &self,
        guard: &Guard,
        asked: &Asked<'_>,
        presented: &Presented,
    ) -> Result<Allowed, Refused> {
        let now = (self.clock)();
        let outcome = self.judge(guard, asked, presented, now).await;
        self.metrics.gated(match &outcome {
            Ok(_) => "allowed",
            Err(refused) => label(refused.why()),
        });
        outcome
    }

    async fn judge(
        &self,
        guard: &Guard,
        asked: &Asked<'_>,
        presented: &Presented,
        now: Timestamp,
    ) -> Result<Allowed, Refused> {
        let gate = &guard.gate;
        match credential::read(gate, asked)? {
            Credential::Token(text) => {
                let known = self.facts(guard, text, now).await?;
                decide(gate, known.facts(), presented, now)?;
                Ok(self.let_through(gate, &known, text, presented))
            }
            Credential::Cookie(value) => {
                let cause = |cause| Refused::new(Why::NoToken, cause);
                let session = gate
                    .sessions()
                    .and_then(|sessions| sessions.open(self.issuer(), gate.name(), value, now))
                    .ok_or_else(|| {
                        cause("the session cookie is none of this gate's, or has ended")
                    })?;
                same_certificate(gate, &session, presented).map_err(cause)?;
                let text = session.token.expose();
                let judged = match self.facts(guard, text, now).await {
                    Ok(known) if known.facts().issuer != session.issuer => {
                        return Err(cause("the session's token is now another issuer's"));
                    }
                    Ok(known) => decide(gate, known.facts(), presented, now).map(|()| known),
                    Err(refused) => Err(refused),
                };
                judged
                    .map(|known| Allowed {
                        identity: known.identity(),
                        cookie: None,
                    })
                    .map_err(|refused| match refused.why() {
                        // No token came: whoever has one should show it.
                        Why::InvalidToken => {
                            let cause = format!("the session's token: {}", refused.cause());
                            Refused::new(Why::NoToken, cause)
                        }
                        _ => refused,
                    })
            }
        }
    }

    /// What whoever is let through is told, with the cookie of a session where the gate has some and all
    /// of it fits into the headers of an answer.
    pub fn let_through(
        &self,
        gate: &Gate,
        known: &Known,
        text: &str,
        presented: &Presented,
    ) -> Allowed {
        let facts = known.facts();
        let cookie = gate.sessions().and_then(|sessions| {
            let expires = facts.expires?;
            let certificate = presented.certificate();
            let session = Session {
                token: Secret::new(text.to_owned()),
                issuer: facts.issuer.clone(),
                certificate: certificate.map(|certificate| *certificate.thumbprint()),
                expires,
            };
            let value = sessions.seal(self.issuer(), gate.name(), &session)?;
            Some(set_cookie(
                gate.name(),
                &value,
                expires.since((self.clock)()).seconds(),
            ))
        });
        let beside = cookie
            .as_ref()
            .map_or(0, |cookie| cookie.expose().len() + 14);
        let identity = if beside == 0 {
            known.identity()
        } else {
            Arc::new(Identity::new(facts, beside))
        };
        let cookie = cookie.filter(|_| identity.octets() + beside <= ROOM);
        Allowed { identity, cookie }
    }
}

/// RFC 6265 section 4.1, with the prefix that keeps a cookie to one host.
fn set_cookie(gate: &GateName, value: &str, seconds: u64) -> Secret {
    let name = cookie_name(gate);
    Secret::new(format!(
        "{name}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax"
    ))
}

/// A cookie is good with the certificate that it was earned with, if there was one, unless the gate does
/// not look at certificates at all.
fn same_certificate(
    gate: &Gate,
    session: &Session,
    presented: &Presented,
) -> Result<(), &'static str> {
    if gate.rules().proof == ProofOfPossession::Off {
        return Ok(());
    }
    let Some(wanted) = session.certificate else {
        return Ok(());
    };
    match presented.certificate() {
        Some(certificate) if *certificate.thumbprint() == wanted => Ok(()),
        Some(_) => Err("the session was earned with another certificate"),
        None => Err("the session was earned with a certificate, and none came with the request"),
    }
}

const fn label(why: Why) -> &'static str {
    match why {
        Why::NoToken => "no_token",
        Why::Malformed { .. } => "malformed",
        Why::InvalidToken => "invalid_token",
        Why::InsufficientScope => "insufficient_scope",
        Why::InsufficientUserAuthentication => "insufficient_user_authentication",
        Why::Unavailable => "unavailable",
    }
}
