//! What time it probably is, for removing what has ended while nobody asks.

use std::time::{Duration, Instant};

use crate::oauth::time::{Lifetime, Timestamp};

/// The time that a store was last told, and when that was.
///
/// A store has no clock of its own: it goes on from what it was told last, so that it never removes
/// a record that its callers believe to be alive.
#[derive(Debug, Default)]
pub(super) struct LastSeen(Option<(Timestamp, Instant)>);

impl LastSeen {
    /// Takes note of the time a caller gave.
    pub(super) fn note(&mut self, now: Timestamp) {
        self.0 = Some((now, Instant::now()));
    }

    /// The time it is now, if anybody ever told.
    pub(super) fn estimate(&self) -> Option<Timestamp> {
        self.0.map(|(seen, at)| seen.after(whole(at.elapsed())))
    }
}

fn whole(span: Duration) -> Lifetime {
    Lifetime::from_seconds(span.as_secs())
}
