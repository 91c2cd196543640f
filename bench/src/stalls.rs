//! How long the machine lets nobody work.

use std::time::{Duration, Instant};

use super::Outcome;

/// What is too short to matter.
const SHORT: Duration = Duration::from_millis(1);

/// Looks at the clock for that many seconds, without a pause, and says how often it could not for longer than
/// a millisecond, for how many milliseconds in all, and for how many at most.
pub fn count(seconds: u64) -> Outcome {
    let end = Instant::now() + Duration::from_secs(seconds);
    let (mut number, mut all, mut longest) = (0, Duration::ZERO, Duration::ZERO);
    let mut last = Instant::now();
    while last < end {
        let now = Instant::now();
        let pause = now - last;
        if pause >= SHORT {
            number += 1;
            all += pause;
            longest = longest.max(pause);
        }
        last = now;
    }
    println!("{number} {} {}", all.as_millis(), longest.as_millis());
    Ok(())
}
