//! What Redis's clock says, so that a commit can say until when somebody waits for it. What a Redis that hung, or that
//! was told to put writes off, obeys later would otherwise be done after whoever asked was told that it was not: with the
//! next attempt they would be taken for a thief.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// By how much less than ours the other clock may advance: one part in this many. Clocks of computers are better than that.
const DRIFT: i64 = 2_000;

/// The clock of the server that is connected to, seen from here. It is never ahead of the real one, as long as that
/// goes on as clocks do: one that was set back, or stood still, is known when it is asked next.
pub(super) struct Clock {
    began: Instant,
    /// What to add to the microseconds since then, at least.
    ahead: AtomicI64,
    /// When that was known, in microseconds since then.
    known: AtomicI64,
}

impl Clock {
    /// Nothing is known of it yet.
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            ahead: AtomicI64::new(i64::MIN / 2),
            known: AtomicI64::new(0),
        }
    }

    /// Another server's clock said that, in microseconds since 1970, before it was answered at that moment.
    pub(super) fn begin(&self, time: i64, answered: Instant) {
        let now = self.at(answered);
        self.know(time.saturating_sub(now), now);
    }

    /// The clock said that between these two moments.
    pub(super) fn correct(&self, time: i64, asked: Instant, answered: Instant) {
        let now = self.at(answered);
        let least = time.saturating_sub(now);
        let most = time.saturating_sub(self.at(asked)).max(least);
        // What was known before may be better, if a little less so as time goes by.
        let since = now.saturating_sub(self.known.load(Ordering::Relaxed));
        let before = self.ahead.load(Ordering::Relaxed);
        let before = before.saturating_sub(since.max(0) / DRIFT);
        // Where it was set back, nothing is known but this.
        let possible = before <= most;
        self.know(if possible { before.max(least) } else { least }, now);
    }

    fn know(&self, ahead: i64, now: i64) {
        self.ahead.store(ahead, Ordering::Relaxed);
        self.known.store(now, Ordering::Relaxed);
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
            ahead() - NOON
        };
        assert_eq!(said(100, 103, 105), -2_000, "sooner said, better known");
        assert_eq!(
            said(200, 210, 305),
            -2_100,
            "later said, known hardly worse"
        );
        assert_eq!(said(400, 2_401, 402), 1_999_000, "it was put forward");
        assert_eq!(said(500, 499, 540), -41_000, "and back");
        clock.begin(NOON, at(&clock, 500));
        assert_eq!(ahead(), NOON - 500 * MILLISECOND, "another server's");
    }

    /// By no more than what is allowed for.
    #[test]
    fn a_clock_that_goes_slow_is_never_thought_ahead() {
        let clock = Clock::new();
        let real = |now: i64| NOON + now - now / (DRIFT + 1);
        clock.begin(real(0), at(&clock, 0));
        for beat in 1..100_u64 {
            // Its answer takes much longer than the question, or the other way round.
            let (there, back) = if beat % 2 == 0 { (1, 80) } else { (80, 1) };
            let asked = beat * 250;
            let said = real(i64::try_from((asked + there) * 1000).expect("it fits"));
            let answered = at(&clock, asked + there + back);
            clock.correct(said, at(&clock, asked), answered);
            let now = clock.at(answered);
            let thought = now + clock.ahead.load(Ordering::Relaxed);
            assert!(thought <= real(now), "{}", thought - real(now));
            assert!(thought > real(now) - 2_000, "{}", thought - real(now));
        }
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
