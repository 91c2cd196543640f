//! What is counted, in the OpenMetrics text format. Labels come from closed lists alone, so that no
//! caller can make new series.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::grant::GRANTS;
use crate::store::StoreError;

/// Every series.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    seconds: Histogram,
    issued: Family<Issued, Counter>,
    refused: Family<Refused, Counter>,
    introspections: Family<Introspected, Counter>,
    revocations: Counter,
    sign_ins: Family<SignedIn, Counter>,
    sign_ins_refused: Counter,
    sign_outs: Counter,
    gated: Family<Gated, Counter>,
    store_failures: Family<StoreFailed, Counter>,
    connections: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    endpoint: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Issued {
    grant_type: &'static str,
    format: &'static str,
    bound: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Introspected {
    active: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SignedIn {
    method: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Gated {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StoreFailed {
    kind: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let seconds = Histogram::new([
            0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0,
        ]);
        let mut metrics = Self {
            registry: Registry::with_prefix("certbound"),
            requests: Family::default(),
            seconds,
            issued: Family::default(),
            refused: Family::default(),
            introspections: Family::default(),
            revocations: Counter::default(),
            sign_ins: Family::default(),
            sign_ins_refused: Counter::default(),
            sign_outs: Counter::default(),
            gated: Family::default(),
            store_failures: Family::default(),
            connections: Gauge::default(),
        };
        let registry = &mut metrics.registry;
        registry.register("requests", "Requests answered", metrics.requests.clone());
        registry.register(
            "request_seconds",
            "Time from request to answer",
            metrics.seconds.clone(),
        );
        registry.register(
            "tokens_issued",
            "Access tokens issued",
            metrics.issued.clone(),
        );
        registry.register(
            "client_authentications_refused",
            "Client authentications refused, by reason",
            metrics.refused.clone(),
        );
        registry.register(
            "introspections",
            "Introspections answered",
            metrics.introspections.clone(),
        );
        registry.register(
            "tokens_revoked",
            "Tokens revoked",
            metrics.revocations.clone(),
        );
        registry.register(
            "sign_ins",
            "Users who signed in, by what",
            metrics.sign_ins.clone(),
        );
        registry.register(
            "sign_ins_refused",
            "Attempts to sign in that were refused",
            metrics.sign_ins_refused.clone(),
        );
        registry.register(
            "sign_outs",
            "Users who signed out",
            metrics.sign_outs.clone(),
        );
        registry.register(
            "gate_decisions",
            "Requests that asked a gate, by what came of it",
            metrics.gated.clone(),
        );
        registry.register(
            "store_failures",
            "Commits and reads that the store did not do",
            metrics.store_failures.clone(),
        );
        registry.register(
            "connections",
            "Connections open",
            metrics.connections.clone(),
        );
        metrics
    }
}

impl Metrics {
    /// Counts an answer.
    pub fn answered(&self, endpoint: &'static str, status: u16, seconds: f64) {
        self.requests
            .get_or_create(&Answered { endpoint, status })
            .inc();
        self.seconds.observe(seconds);
    }

    /// Counts a decision of a gate.
    pub fn gated(&self, outcome: &'static str) {
        self.gated.get_or_create(&Gated { outcome }).inc();
    }

    /// Counts a token. A grant type that is not one of ours is none that was granted.
    pub fn token_issued(&self, grant_type: &str, format: &'static str, bound: bool) {
        let known = GRANTS
            .iter()
            .map(|grant| grant.name())
            .find(|name| *name == grant_type);
        let grant_type = known.unwrap_or("other");
        let bound = if bound { "true" } else { "false" };
        self.issued
            .get_or_create(&Issued {
                grant_type,
                format,
                bound,
            })
            .inc();
    }

    /// Counts a client that was not believed.
    pub fn authentication_refused(&self, reason: &'static str) {
        self.refused.get_or_create(&Refused { reason }).inc();
    }

    /// Counts an introspection.
    pub fn introspected(&self, active: bool) {
        let active = if active { "true" } else { "false" };
        self.introspections
            .get_or_create(&Introspected { active })
            .inc();
    }

    /// Counts a user who signed in, or showed a second factor.
    pub fn user_signed_in(&self, method: &'static str) {
        self.sign_ins.get_or_create(&SignedIn { method }).inc();
    }

    /// Counts an attempt to sign in that was refused.
    pub fn sign_in_refused(&self) {
        self.sign_ins_refused.inc();
    }

    /// Counts a user who signed out.
    pub fn user_signed_out(&self) {
        self.sign_outs.inc();
    }

    /// Counts a revocation that ended a token.
    pub fn token_revoked(&self) {
        self.revocations.inc();
    }

    /// Counts what the store did not do.
    pub fn store_failed(&self, error: &StoreError) {
        let kind = match error {
            StoreError::Conflict(_) => "conflict",
            StoreError::Unavailable(_) => "unavailable",
        };
        self.store_failures
            .get_or_create(&StoreFailed { kind })
            .inc();
    }

    /// Counts a connection, until the answer is dropped.
    pub fn connection(&self) -> Connected {
        self.connections.inc();
        Connected(self.connections.clone())
    }

    /// All of it, as Prometheus reads it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(error) => {
                tracing::error!(%error, "the metrics could not be written");
                String::new()
            }
        }
    }
}

/// A connection that is open.
#[derive(Debug)]
pub struct Connected(Gauge);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.dec();
    }
}
