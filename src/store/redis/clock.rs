//! What Redis's clock says, so that a commit can say until when somebody waits for it. What a Redis that hung, or that
//! was told to put writes off, obeys later would otherwise be done after whoever asked was told that it was not: with the
//! next attempt they would be taken for a thief.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// The clock of the server that is connected to, seen from here. It is never ahead of the real one, as long as nobody
/// sets that back.
pub(super) struct Clock {
    began: Instant,
    /// What to add to the microseconds since then.
    ahead: AtomicI64,
}

impl Clock {
    /// Nothing is known of it yet.
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            ahead: AtomicI64::new(i64::MIN / 2),
        }
    }

    /// Another server's clock said that, in microseconds since 1970, before it was answered at that moment.
    pub(super) fn begin(&self, time: i64, answered: Instant) {
        let least = time.saturating_sub(self.at(answered));
        self.ahead.store(least, Ordering::Relaxed);
    }

    /// The clock said that between these two moments.
    pub(super) fn correct(&self, time: i64, asked: Instant, answered: Instant) {
        let least = time.saturating_sub(self.at(answered));
        let most = time.saturating_sub(self.at(asked)).max(least);
        // The better of all that was ever known, as long as the two clocks go alike.
        let ahead = self.ahead.load(Ordering::Relaxed).clamp(least, most);
        self.ahead.store(ahead, Ordering::Relaxed);
    }

    /// What it will say so long from now, in milliseconds since 1970.
    pub(super) fn after(&self, time: Duration) -> i64 {
        let then = self.at(Instant::now() + time);
        then.saturating_add(self.ahead.load(Ordering::Relaxed)) / 1000
    }

    fn at(&self, moment: Instant) -> i64 {
        let since = moment.saturating_duration_since(self.began);
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_000_000_000_000_000;
    const MILLISECOND: i64 = 1_000;

    fn at(clock: &Clock, milliseconds: u64) -> Instant {
        clock.began + Duration::from_millis(milliseconds)
    }

    #[test]
    fn the_best_of_what_is_known_counts_until_it_cannot_be_so() {
        let clock = Clock::new();
        let ahead = || clock.ahead.load(Ordering::Relaxed);
        // Its noon is our beginning. What took 40 ms to be said was said no later than it came.
        clock.begin(NOON + 10 * MILLISECOND, at(&clock, 40));
        assert_eq!(ahead(), NOON - 30 * MILLISECOND);
        let said = |from: u64, when: i64, to: u64| {
            clock.correct(NOON + when * MILLISECOND, at(&clock, from), at(&clock, to));
            (ahead() - NOON) / MILLISECOND
        };
        assert_eq!(said(100, 103, 105), -2, "sooner said, better known");
        assert_eq!(said(200, 210, 290), -2, "later said, known no worse");
        assert_eq!(said(300, 2_301, 302), 1_999, "it was put forward");
        assert_eq!(said(400, 399, 401), -1, "and back");
        clock.begin(NOON, at(&clock, 500));
        assert_eq!(ahead(), NOON - 500 * MILLISECOND, "another server's");
    }

    #[test]
    fn nobody_waits_before_anything_is_known() {
        let clock = Clock::new();
        assert!(clock.after(Duration::from_secs(1)) < 0);
        clock.begin(NOON, Instant::now());
        let soon = clock.after(Duration::from_secs(1)) - NOON / 1000;
        assert!((1_000..2_000).contains(&soon), "{soon}");
    }
}
