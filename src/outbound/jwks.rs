//! The keys that clients publish at their `jwks_uri` (RFC 7591 section 2, RFC 8705 section 2.2.2),
//! kept for a while.
//!
//! # How soon a change is seen
//!
//! - A certificate or key that was **added** is seen at once: whoever presents one that is not among
//!   the keys kept makes certbound look again ([`RemoteKeys::refreshed`]), at most every 30 seconds
//!   for one URI. So the delay is at most 30 seconds.
//! - One that was **withdrawn** is refused when the keys kept are no longer fresh: after `max-age` if
//!   the answer gave one (but at least 1 minute and at most 1 hour), else after 5 minutes.
//! - While the document cannot be had, the last one serves for 1 hour after it was fresh. Then it is
//!   an error until the document can be had again, which is tried at most every 30 seconds.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderValue;
use quick_cache::sync::Cache;

use crate::oauth::time::{Lifetime, Timestamp};
use crate::outbound::OutboundError;
use crate::outbound::fetch::{BODY_LIMIT, Fetched, Outbound};
use crate::outbound::guard::Destination;

/// No URI is asked twice within this time because somebody presented an unknown certificate, and
/// after a failure for no reason at all.
pub const INTERVAL: Lifetime = Lifetime::from_seconds(30);

/// How long a document is fresh that does not say so.
pub const FRESH: Lifetime = Lifetime::from_seconds(300);

/// The shortest time for which a document is fresh, whatever it says.
pub const FRESH_AT_LEAST: Lifetime = Lifetime::from_seconds(60);

/// The longest time for which a document is fresh, whatever it says.
pub const FRESH_AT_MOST: Lifetime = Lifetime::from_seconds(3600);

/// How long after that a document serves that cannot be had again.
pub const STALE: Lifetime = Lifetime::from_seconds(3600);

/// How many URIs are remembered. They are those of registered clients, so this is plenty.
const ENTRIES: usize = 10_000;

/// Reads a document. What it says is wrong goes to the log, and so must not quote the document.
pub type Parse<T> = fn(&[u8]) -> Result<T, String>;

/// The documents at clients' `jwks_uri`, each fetched by one caller at a time while the others wait
/// for what comes of it.
pub struct RemoteKeys<T> {
    outbound: Outbound,
    parse: Parse<T>,
    entries: Cache<String, Arc<Entry<T>>>,
}

impl<T: Send + Sync + 'static> RemoteKeys<T> {
    /// No keys yet, and how to get and read them.
    pub fn new(outbound: Outbound, parse: Parse<T>) -> Self {
        Self {
            outbound,
            parse,
            entries: Cache::new(ENTRIES),
        }
    }

    /// Reads a `jwks_uri` that may be called.
    pub fn destination(&self, uri: &str) -> Result<Destination, OutboundError> {
        Ok(self.outbound.destination(uri)?)
    }

    /// The keys at that URI as they were not long ago; waits for nothing if they are fresh.
    pub async fn keys(&self, uri: &Destination, now: Timestamp) -> Result<Arc<T>, OutboundError> {
        let entry = self.entry(uri);
        if let Some(keys) = entry.fresh(now) {
            return Ok(keys);
        }
        self.turn(entry, uri, now, false).await
    }

    /// The keys at that URI, for somebody who presented what is not among [`keys`](Self::keys): asked
    /// for again, unless they were within the last 30 seconds.
    pub async fn refreshed(
        &self,
        uri: &Destination,
        now: Timestamp,
    ) -> Result<Arc<T>, OutboundError> {
        let entry = self.entry(uri);
        self.turn(entry, uri, now, true).await
    }

    fn entry(&self, uri: &Destination) -> Arc<Entry<T>> {
        if let Some(entry) = self.entries.get(uri.as_str()) {
            return entry;
        }
        let made: Result<_, std::convert::Infallible> = self
            .entries
            .get_or_insert_with(uri.as_str(), || Ok(Arc::default()));
        match made {
            Ok(entry) => entry,
            Err(never) => match never {},
        }
    }

    /// Waits for the turn to fetch, and then does so if nobody before has made it unnecessary.
    async fn turn(
        &self,
        entry: Arc<Entry<T>>,
        uri: &Destination,
        now: Timestamp,
        forced: bool,
    ) -> Result<Arc<T>, OutboundError> {
        let turn = Arc::clone(&entry.turn).lock_owned().await;
        match entry.fresh(now) {
            Some(keys) if !forced => return Ok(keys),
            _ if entry.asked_lately(now, forced) => return entry.last(now),
            _ => {}
        }
        let (outbound, parse, uri) = (self.outbound.clone(), self.parse, uri.clone());
        // A task of its own ends the fetch even if the caller goes away. Otherwise whoever hangs up
        // early enough could make it start over and over, or keep it from ever ending.
        let fetch = tokio::spawn(async move {
            let outcome = outbound.get(&uri, ACCEPTED, BODY_LIMIT).await;
            let outcome = outcome.and_then(|fetched| Kept::read(&fetched, parse, now));
            let failure = outcome.as_ref().err().map(ToString::to_string);
            entry.settle(outcome, now);
            drop(turn);
            let answer = entry.last(now);
            if let (Some(cause), Ok(_)) = (failure, &answer) {
                // Nobody else would say so: whoever waits gets the older keys.
                tracing::warn!(
                    uri = uri.as_str(),
                    cause,
                    "a jwks_uri fails; its older keys serve"
                );
            }
            answer
        });
        fetch.await.unwrap_or(Err(OutboundError::Interrupted))
    }
}

impl<T> fmt::Debug for RemoteKeys<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeys")
            .field("outbound", &self.outbound)
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}

/// The media type of key sets (RFC 7517 section 8.5.2), and the one that most servers send.
const ACCEPTED: HeaderValue =
    HeaderValue::from_static("application/jwk-set+json, application/json");

/// What is known of one URI.
struct Entry<T> {
    /// Whoever holds this is asking.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Held for a few instructions, never across a wait.
    state: Mutex<State<T>>,
}

struct State<T> {
    kept: Option<Kept<T>>,
    asked: Option<Timestamp>,
    /// Why the last fetch failed, if it did.
    failure: Option<OutboundError>,
}

impl<T> Default for Entry<T> {
    fn default() -> Self {
        Self {
            turn: Arc::default(),
            state: Mutex::new(State {
                kept: None,
                asked: None,
                failure: None,
            }),
        }
    }
}

impl<T> Entry<T> {
    fn fresh(&self, now: Timestamp) -> Option<Arc<T>> {
        let state = self.state();
        let kept = state.kept.as_ref()?;
        // Where the clock was set back, what is fresh for longer than anything can be is not fresh.
        let left = kept.fresh_until.since(now);
        (now < kept.fresh_until && left <= FRESH_AT_MOST).then(|| Arc::clone(&kept.keys))
    }

    /// Whether to make do with what there is: after any fetch for those who want it anew, after a
    /// failed one for all.
    fn asked_lately(&self, now: Timestamp, forced: bool) -> bool {
        let state = self.state();
        let lately = state
            .asked
            .is_some_and(|asked| now.since(asked) < INTERVAL && asked.since(now) < INTERVAL);
        lately && (forced || state.failure.is_some())
    }

    /// What the last fetch left: keys, if need be stale ones, or why there are none.
    fn last(&self, now: Timestamp) -> Result<Arc<T>, OutboundError> {
        let state = self.state();
        match (&state.kept, &state.failure) {
            (Some(kept), None) => Ok(Arc::clone(&kept.keys)),
            (Some(kept), Some(_)) if now < kept.fresh_until.after(STALE) => {
                Ok(Arc::clone(&kept.keys))
            }
            (_, Some(failure)) => Err(failure.clone()),
            (None, None) => Err(OutboundError::Interrupted),
        }
    }

    fn settle(&self, outcome: Result<Kept<T>, OutboundError>, now: Timestamp) {
        let mut state = self.state();
        state.asked = Some(now);
        match outcome {
            Ok(kept) => {
                state.kept = Some(kept);
                state.failure = None;
            }
            Err(failure) => state.failure = Some(failure),
        }
    }

    /// Nothing that holds this lock can panic half-way, so a poisoned one holds whole data.
    fn state(&self) -> std::sync::MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A document that could be read.
struct Kept<T> {
    keys: Arc<T>,
    fresh_until: Timestamp,
}

impl<T> Kept<T> {
    fn read(fetched: &Fetched, parse: Parse<T>, now: Timestamp) -> Result<Self, OutboundError> {
        let keys = parse(&fetched.body).map_err(OutboundError::Document)?;
        let fresh = fetched
            .max_age
            .map_or(FRESH, |age| age.clamp(FRESH_AT_LEAST, FRESH_AT_MOST));
        Ok(Self {
            keys: Arc::new(keys),
            fresh_until: now.after(fresh),
        })
    }
}
