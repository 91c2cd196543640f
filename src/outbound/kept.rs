//! Documents of other servers, kept for a while (RFC 7517, RFC 8414): one fetch at a time for each,
//! ahead of need, and an older copy while there is no newer one.
//!
//! # How soon a change is seen
//!
//! - What was **added** is seen at once: whoever presents something that is not in the document kept
//!   makes certbound look again ([`RemoteDocuments::refreshed`]), at most every 30 seconds for one
//!   document and each [`Doubt`], however lately it was fetched for another reason. So the delay is at
//!   most 30 seconds.
//! - What was **withdrawn** counts no longer when the document kept is no longer fresh: after
//!   `max-age` if the answer gave one (but at least 1 minute and at most 1 hour), else after 5
//!   minutes. When three quarters of that have passed, the first who asks sets off one fetch that
//!   nobody waits for, so that where there is traffic it is usually seen sooner, and nobody waits.
//! - While the document cannot be had, the last one serves, without a wait, for 1 hour after it was
//!   fresh. Whoever asks sets off one more attempt that nobody waits for, at most every 30 seconds;
//!   after the first that succeeds the new document is in force. So the first who asks long after a
//!   failure may still be given the older one, within that hour and never after it.
//! - When that hour is over, or there never was a document, everybody waits for one fetch, and for a
//!   while after one that failed is told so at once: for 1 second after the first, twice as long after
//!   each further one, and 30 seconds at most, or where a failure took longer than a second itself. So an
//!   issuer that starts later than certbound is found soon, and one that hangs keeps nobody waiting.
//!
//! [`RemoteDocuments::refreshed`]: super::documents::RemoteDocuments::refreshed

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use quick_cache::sync::Cache;
use tokio::sync::OwnedMutexGuard;

use crate::oauth::time::{Lifetime, Timestamp};
use crate::outbound::OutboundError;

/// No document is asked for twice within this time because somebody presented what is not in it, and
/// after a failure for no reason at all while an older one serves or failures go on.
pub const INTERVAL: Lifetime = Lifetime::from_seconds(30);

/// A failure that took longer than this is nothing to wait for again soon.
const QUICK: Duration = Duration::from_secs(1);

/// How long a document is fresh that does not say so.
pub const FRESH: Lifetime = Lifetime::from_seconds(300);

/// The shortest time for which a document is fresh, whatever it says.
pub const FRESH_AT_LEAST: Lifetime = Lifetime::from_seconds(60);

/// The longest time for which a document is fresh, whatever it says.
pub const FRESH_AT_MOST: Lifetime = Lifetime::from_seconds(3600);

/// How long after that a document serves that cannot be had again.
pub const STALE: Lifetime = Lifetime::from_seconds(3600);

/// How many documents are remembered. They are those of registered clients and of issuers that an
/// operator named, so this is plenty.
const ENTRIES: usize = 10_000;

/// Why somebody wants a document anew. Each has a look of its own, so that whoever presents one kind of
/// nonsense does not delay the other's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Something is not in it, such as the key that a token names.
    Missing,
    /// Something in it does not fit, such as a key to the signature that names it.
    Mismatch,
}

/// What a fetch gave: the document, read, and for how long it says that it is good.
pub(super) struct Fresh<T> {
    pub(super) document: T,
    pub(super) max_age: Option<Lifetime>,
}

/// Documents by name. Each is fetched by one caller at a time while the others make do with what is
/// kept, or, where there is nothing, wait for what comes of it.
pub(super) struct Kept<T> {
    entries: Cache<String, Arc<Entry<T>>>,
}

impl<T: PartialEq + Send + Sync + 'static> Kept<T> {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self {
            entries: Cache::new(ENTRIES),
        }
    }

    /// The document of that name as it was not long ago; waits for nothing unless there is none.
    pub(super) async fn current<F>(
        &self,
        name: &str,
        now: Timestamp,
        fetch: impl FnOnce() -> F,
    ) -> Result<Arc<T>, OutboundError>
    where
        F: Future<Output = Result<Fresh<T>, OutboundError>> + Send + 'static,
    {
        let entry = self.entry(name);
        let Some(held) = entry.held(now) else {
            return entry.turn(name, now, None, fetch).await;
        };
        // Whoever has the turn is fetching already. Who gets it may come right after somebody who
        // had it, and so asks once more whether there is anything to do.
        if held.due
            && let Ok(turn) = Arc::clone(&entry.turn).try_lock_owned()
            && entry.held(now).is_some_and(|held| held.due)
        {
            let fetch = fetch();
            tokio::spawn(entry.fetch(name.to_owned(), now, turn, fetch));
        }
        Ok(held.document)
    }

    /// The document of that name, for somebody who doubts that [`current`](Self::current) still is:
    /// asked for again, unless it was within the last 30 seconds because of the same doubt.
    pub(super) async fn refreshed<F>(
        &self,
        name: &str,
        now: Timestamp,
        doubt: Doubt,
        fetch: impl FnOnce() -> F,
    ) -> Result<Arc<T>, OutboundError>
    where
        F: Future<Output = Result<Fresh<T>, OutboundError>> + Send + 'static,
    {
        self.entry(name).turn(name, now, Some(doubt), fetch).await
    }

    fn entry(&self, name: &str) -> Arc<Entry<T>> {
        if let Some(entry) = self.entries.get(name) {
            return entry;
        }
        let made: Result<_, std::convert::Infallible> =
            self.entries.get_or_insert_with(name, || Ok(Arc::default()));
        match made {
            Ok(entry) => entry,
            Err(never) => match never {},
        }
    }
}

impl<T> fmt::Debug for Kept<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kept({} documents)", self.entries.len())
    }
}

/// What is known of one document.
struct Entry<T> {
    /// Whoever holds this is asking.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Held for a few instructions, never across a wait.
    state: Mutex<State<T>>,
}

struct State<T> {
    copy: Option<Snapshot<T>>,
    asked: Option<Timestamp>,
    /// When it was last asked for because of each kind of doubt.
    doubted: [Option<Timestamp>; 2],
    /// Why the last fetch failed, if it did.
    failure: Option<OutboundError>,
    /// How many quick failures there were since anything else.
    failures: u32,
}

/// A document that could be read.
struct Snapshot<T> {
    document: Arc<T>,
    /// From here on it is fetched anew before anybody needs that.
    ahead_from: Timestamp,
    fresh_until: Timestamp,
}

/// What serves without a wait.
struct Held<T> {
    document: Arc<T>,
    /// Whether it is time to fetch it anew.
    due: bool,
}

impl<T> Default for Entry<T> {
    fn default() -> Self {
        Self {
            turn: Arc::default(),
            state: Mutex::new(State {
                copy: None,
                asked: None,
                doubted: [None; 2],
                failure: None,
                failures: 0,
            }),
        }
    }
}

impl<T: PartialEq + Send + Sync + 'static> Entry<T> {
    /// Waits for the turn to fetch, and then does so if nobody before has made it unnecessary.
    async fn turn<F>(
        self: Arc<Self>,
        name: &str,
        now: Timestamp,
        doubt: Option<Doubt>,
        fetch: impl FnOnce() -> F,
    ) -> Result<Arc<T>, OutboundError>
    where
        F: Future<Output = Result<Fresh<T>, OutboundError>> + Send + 'static,
    {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        match self.held(now) {
            Some(held) if doubt.is_none() => return Ok(held.document),
            _ if self.state().asked_lately(now, doubt) => return self.last(now),
            _ => {}
        }
        if let Some(doubt) = doubt {
            self.state().doubted[doubt as usize] = Some(now);
        }
        // A task of its own ends the fetch even if the caller goes away. Otherwise whoever hangs up
        // early enough could make it start over and over, or keep it from ever ending.
        let fetch = tokio::spawn(self.fetch(name.to_owned(), now, turn, fetch()));
        fetch.await.unwrap_or(Err(OutboundError::Interrupted))
    }

    /// Fetches, and keeps what comes of it.
    async fn fetch(
        self: Arc<Self>,
        name: String,
        now: Timestamp,
        turn: OwnedMutexGuard<()>,
        fetch: impl Future<Output = Result<Fresh<T>, OutboundError>> + Send,
    ) -> Result<Arc<T>, OutboundError> {
        let begun = Instant::now();
        let outcome = fetch.await;
        let failure = outcome.as_ref().err().map(ToString::to_string);
        self.settle(outcome, now, begun.elapsed() <= QUICK);
        drop(turn);
        let answer = self.last(now);
        if let (Some(cause), Ok(_)) = (failure, &answer) {
            // Nobody else would say so: whoever asks gets the older copy.
            tracing::warn!(
                document = name,
                cause,
                "a remote document cannot be had; its older copy serves"
            );
        }
        answer
    }
}

impl<T: PartialEq> Entry<T> {
    /// What serves at once: a fresh document, or after a failure an older one.
    fn held(&self, now: Timestamp) -> Option<Held<T>> {
        let state = self.state();
        let copy = state.copy.as_ref()?;
        let fresh = copy.is_fresh(now);
        let serves = fresh || (state.failure.is_some() && copy.serves(now));
        serves.then(|| Held {
            document: Arc::clone(&copy.document),
            due: (!fresh || now >= copy.ahead_from) && !state.asked_lately(now, None),
        })
    }

    /// What the last fetch left: a document, if need be an older one, or why there is none.
    fn last(&self, now: Timestamp) -> Result<Arc<T>, OutboundError> {
        let state = self.state();
        match (&state.copy, &state.failure) {
            (Some(copy), None) => Ok(Arc::clone(&copy.document)),
            (Some(copy), Some(_)) if copy.serves(now) => Ok(Arc::clone(&copy.document)),
            (_, Some(failure)) => Err(failure.clone()),
            (None, None) => Err(OutboundError::Interrupted),
        }
    }

    fn settle(&self, outcome: Result<Fresh<T>, OutboundError>, now: Timestamp, quick: bool) {
        let mut state = self.state();
        state.asked = Some(now);
        match outcome {
            Ok(fresh) => {
                let mut copy = Snapshot::new(fresh, now);
                // What says the same is the same, for whoever remembers what the older copy proved.
                if let Some(older) = &state.copy
                    && older.document == copy.document
                {
                    copy.document = Arc::clone(&older.document);
                }
                state.copy = Some(copy);
                state.failure = None;
                state.failures = 0;
            }
            Err(failure) => {
                state.failure = Some(failure);
                state.failures = if quick {
                    state.failures.saturating_add(1)
                } else {
                    0
                };
            }
        }
    }

    /// Nothing that holds this lock can panic half-way, so a poisoned one holds whole data.
    fn state(&self) -> std::sync::MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    /// Whether to make do with what there is: for those who doubt it after it was fetched for one of
    /// them, and for all after a fetch that failed.
    fn asked_lately(&self, now: Timestamp, doubt: Option<Doubt>) -> bool {
        let lately = |time: Option<Timestamp>, interval: Lifetime| {
            time.is_some_and(|time| now.since(time) < interval && time.since(now) < interval)
        };
        doubt.is_some_and(|doubt| lately(self.doubted[doubt as usize], INTERVAL))
            || (self.failure.is_some() && lately(self.asked, self.pause(now)))
    }

    /// How long after a failure nothing is asked for: where nothing serves, that is what everybody waits
    /// for.
    fn pause(&self, now: Timestamp) -> Lifetime {
        let serves = self.copy.as_ref().is_some_and(|copy| copy.serves(now));
        match self.failures.checked_sub(1) {
            Some(before) if !serves => {
                let doubled = 1_u64.checked_shl(before).unwrap_or(u64::MAX);
                Lifetime::from_seconds(doubled.min(INTERVAL.seconds()))
            }
            _ => INTERVAL,
        }
    }
}

impl<T> Snapshot<T> {
    fn new(fresh: Fresh<T>, now: Timestamp) -> Self {
        let lifetime = fresh
            .max_age
            .map_or(FRESH, |age| age.clamp(FRESH_AT_LEAST, FRESH_AT_MOST));
        let ahead = Lifetime::from_seconds(lifetime.seconds() / 4 * 3);
        Self {
            document: Arc::new(fresh.document),
            ahead_from: now.after(ahead),
            fresh_until: now.after(lifetime),
        }
    }

    fn is_fresh(&self, now: Timestamp) -> bool {
        now < self.fresh_until && self.is_credible(now)
    }

    fn serves(&self, now: Timestamp) -> bool {
        now < self.fresh_until.after(STALE) && self.is_credible(now)
    }

    /// Where the clock was set back, what is fresh for longer than anything can be is not fresh.
    fn is_credible(&self, now: Timestamp) -> bool {
        self.fresh_until.since(now) <= FRESH_AT_MOST
    }
}
