//! What is counted, in the OpenMetrics text format. Labels come from closed lists alone, so that no
//! caller can make new series.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use thread_local::ThreadLocal;

use crate::grant::GRANTS;
use crate::store::StoreError;

/// Every series. Each thread counts for itself, and only whoever reads adds it all up: a count that threads share
/// would go from core to core with every request.
#[derive(Debug, Default)]
pub struct Metrics {
    threads: ThreadLocal<Thread>,
    connections: Gauge,
}

/// What a thread has counted. Two of them share no cache line, nor the pair that processors read at once.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Thread(Mutex<Counts>);

#[derive(Clone, Debug, Default)]
struct Counts {
    requests: Family<Answered>,
    seconds: Seconds,
    issued: Family<Issued>,
    refused: Family<Refused>,
    introspections: Family<Introspected>,
    revocations: u64,
    sign_ins: Family<SignedIn>,
    sign_ins_refused: u64,
    sign_outs: u64,
    gated: Family<Gated>,
    store_failures: Family<StoreFailed>,
}

/// How many there were with which labels, of which there are a few.
#[derive(Clone, Debug)]
struct Family<L>(Vec<(L, u64)>);

impl<L> Default for Family<L> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<L: PartialEq> Family<L> {
    fn add(&mut self, labels: L, more: u64) {
        match self.0.iter_mut().find(|(found, _)| *found == labels) {
            Some((_, count)) => *count += more,
            None => self.0.push((labels, more)),
        }
    }

    fn add_all(&mut self, others: Self) {
        for (labels, count) in others.0 {
            self.add(labels, count);
        }
    }
}

impl<L: EncodeLabelSet> EncodeMetric for Family<L> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (labels, count) in &self.0 {
            let mut one = encoder.encode_family(labels)?;
            one.encode_counter::<NoLabelSet, _, u64>(count, None)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Counter
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The upper ends of the spans that times are sorted into, in seconds.
const BOUNDS: [f64; 11] = [
    0.000_25,
    0.000_5,
    0.001,
    0.002_5,
    0.005,
    0.01,
    0.05,
    0.25,
    1.0,
    5.0,
    f64::INFINITY,
];

/// How long answers took.
#[derive(Clone, Debug, Default)]
struct Seconds {
    sum: f64,
    spans: [u64; BOUNDS.len()],
}

impl Seconds {
    fn add(&mut self, seconds: f64) {
        self.sum += seconds;
        let mut spans = BOUNDS.iter().zip(&mut self.spans);
        if let Some((_, count)) = spans.find(|(bound, _)| seconds <= **bound) {
            *count += 1;
        }
    }

    fn add_all(&mut self, others: &Self) {
        self.sum += others.sum;
        for (count, more) in self.spans.iter_mut().zip(others.spans) {
            *count += more;
        }
    }
}

impl EncodeMetric for Seconds {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let spans: Vec<_> = BOUNDS.into_iter().zip(self.spans).collect();
        let count = self.spans.iter().sum();
        encoder.encode_histogram::<NoLabelSet>(self.sum, count, &spans, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

impl Counts {
    fn add_all(&mut self, others: Self) {
        self.requests.add_all(others.requests);
        self.seconds.add_all(&others.seconds);
        self.issued.add_all(others.issued);
        self.refused.add_all(others.refused);
        self.introspections.add_all(others.introspections);
        self.revocations += others.revocations;
        self.sign_ins.add_all(others.sign_ins);
        self.sign_ins_refused += others.sign_ins_refused;
        self.sign_outs += others.sign_outs;
        self.gated.add_all(others.gated);
        self.store_failures.add_all(others.store_failures);
    }

    fn register(self, registry: &mut Registry) {
        registry.register("requests", "Requests answered", self.requests);
        registry.register(
            "request_seconds",
            "Time from request to answer",
            self.seconds,
        );
        registry.register("tokens_issued", "Access tokens issued", self.issued);
        registry.register(
            "client_authentications_refused",
            "Client authentications refused, by reason",
            self.refused,
        );
        registry.register(
            "introspections",
            "Introspections answered",
            self.introspections,
        );
        registry.register(
            "tokens_revoked",
            "Tokens revoked",
            ConstCounter::new(self.revocations),
        );
        registry.register("sign_ins", "Users who signed in, by what", self.sign_ins);
        registry.register(
            "sign_ins_refused",
            "Attempts to sign in that were refused",
            ConstCounter::new(self.sign_ins_refused),
        );
        registry.register(
            "sign_outs",
            "Users who signed out",
            ConstCounter::new(self.sign_outs),
        );
        registry.register(
            "gate_decisions",
            "Requests that asked a gate, by what came of it",
            self.gated,
        );
        registry.register(
            "store_failures",
            "Commits and reads that the store did not do",
            self.store_failures,
        );
    }
}

#[derive(Clone, Debug, PartialEq, Eq, EncodeLabelSet)]
struct Answered {
    endpoint: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, EncodeLabelSet)]
struct Issued {
    grant_type: &'static str,
    format: &'static str,
    bound: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, EncodeLabelSet)]
struct Refused {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, EncodeLabelSet)]
struct Introspected {
    active: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, EncodeLabelSet)]
struct SignedIn {
    method: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, EncodeLabelSet)]
struct Gated {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, EncodeLabelSet)]
struct StoreFailed {
    kind: &'static str,
}

impl Metrics {
    /// Counts an answer.
    pub fn answered(&self, endpoint: &'static str, status: u16, seconds: f64) {
        self.count(|counts| {
            counts.requests.add(Answered { endpoint, status }, 1);
            counts.seconds.add(seconds);
        });
    }

    /// Counts a decision of a gate.
    pub fn gated(&self, outcome: &'static str) {
        self.count(|counts| counts.gated.add(Gated { outcome }, 1));
    }

    /// Counts a token. A grant type that is not one of ours is none that was granted.
    pub fn token_issued(&self, grant_type: &str, format: &'static str, bound: bool) {
        let known = GRANTS
            .iter()
            .map(|grant| grant.name())
            .find(|name| *name == grant_type);
        let grant_type = known.unwrap_or("other");
        let bound = if bound { "true" } else { "false" };
        let labels = Issued {
            grant_type,
            format,
            bound,
        };
        self.count(|counts| counts.issued.add(labels, 1));
    }

    /// Counts a client that was not believed.
    pub fn authentication_refused(&self, reason: &'static str) {
        self.count(|counts| counts.refused.add(Refused { reason }, 1));
    }

    /// Counts an introspection.
    pub fn introspected(&self, active: bool) {
        let active = if active { "true" } else { "false" };
        self.count(|counts| counts.introspections.add(Introspected { active }, 1));
    }

    /// Counts a user who signed in, or showed a second factor.
    pub fn user_signed_in(&self, method: &'static str) {
        self.count(|counts| counts.sign_ins.add(SignedIn { method }, 1));
    }

    /// Counts an attempt to sign in that was refused.
    pub fn sign_in_refused(&self) {
        self.count(|counts| counts.sign_ins_refused += 1);
    }

    /// Counts a user who signed out.
    pub fn user_signed_out(&self) {
        self.count(|counts| counts.sign_outs += 1);
    }

    /// Counts a revocation that ended a token.
    pub fn token_revoked(&self) {
        self.count(|counts| counts.revocations += 1);
    }

    /// Counts what the store did not do.
    pub fn store_failed(&self, error: &StoreError) {
        let kind = match error {
            StoreError::Conflict(_) => "conflict",
            StoreError::Unavailable(_) => "unavailable",
        };
        self.count(|counts| counts.store_failures.add(StoreFailed { kind }, 1));
    }

    /// Counts a connection, until the answer is dropped.
    pub fn connection(&self) -> Connected {
        self.connections.inc();
        Connected(self.connections.clone())
    }

    /// All of it, as Prometheus reads it.
    pub fn text(&self) -> String {
        let mut all = Counts::default();
        for thread in &self.threads {
            all.add_all(thread.counts().clone());
        }
        let mut registry = Registry::with_prefix("certbound");
        all.register(&mut registry);
        registry.register("connections", "Connections open", self.connections.clone());
        let mut text = String::new();
        match encode(&mut text, &registry) {
            Ok(()) => text,
            Err(error) => {
                tracing::error!(%error, "the metrics could not be written");
                String::new()
            }
        }
    }

    fn count(&self, add: impl FnOnce(&mut Counts)) {
        add(&mut self.threads.get_or_default().counts());
    }
}

impl Thread {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        // A count that a panic kept from being made is all that could be missing.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
