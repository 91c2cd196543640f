//! Growing delays between attempts to sign in (RFC 6749 section 10.10, NIST SP 800-63B section 5.2.2).
//!
//! There is a record for each user and address, so that nobody can lock out somebody else. An attempt is
//! counted before it is made: whoever breaks off half-way has made it.

use serde::{Deserialize, Serialize};

use crate::oauth::time::{Lifetime, Timestamp};

/// How many attempts nobody has to wait for.
const FREE: u32 = 3;

/// The longest wait.
const LONGEST: Lifetime = Lifetime::from_seconds(300);

/// How long after the last attempt the record is to be kept: then everything is forgotten.
pub const FORGOTTEN: Lifetime = Lifetime::from_seconds(3_600);

/// How long to wait before the next attempt; at least a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait(pub Lifetime);

/// The record.
#[derive(Serialize, Deserialize)]
struct Attempts {
    /// How many there were.
    number: u32,
    /// When the last one was.
    last: Timestamp,
}

/// Counts an attempt that is about to be made: the record with one more, to be stored before the password
/// or the code is looked at, and to be deleted where it was right.
///
/// # Errors
/// The attempt must not be made yet; the record stays as it is, so that waiting is never prolonged.
pub fn before(record: Option<&[u8]>, now: Timestamp) -> Result<Vec<u8>, Wait> {
    let attempts = record
        .and_then(|record| serde_json::from_slice::<Attempts>(record).ok())
        .filter(|attempts| {
            // What was written by a clock that has been set back since counts no more.
            now.since(attempts.last) < FORGOTTEN && attempts.last <= now.after(LONGEST)
        });
    let number = attempts.as_ref().map_or(0, |attempts| attempts.number);
    if let Some(attempts) = &attempts {
        let passed = now.since(attempts.last).seconds();
        let wait = delay(number).seconds();
        if passed < wait {
            return Err(Wait(Lifetime::from_seconds(wait - passed)));
        }
    }
    let attempts = Attempts {
        number: number.saturating_add(1),
        last: now,
    };
    // Two numbers are always JSON.
    Ok(serde_json::to_vec(&attempts).unwrap_or_default())
}

/// How long after the last of so many attempts the next one may be made.
fn delay(number: u32) -> Lifetime {
    let Some(beyond) = number.checked_sub(FREE) else {
        return Lifetime::from_seconds(0);
    };
    let seconds = 1_u64.checked_shl(beyond).unwrap_or(u64::MAX);
    Lifetime::from_seconds(seconds).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_unix(1_795_311_512);

    fn at(seconds: u64) -> Timestamp {
        START.after(Lifetime::from_seconds(seconds))
    }

    #[test]
    fn delays_grow_and_stay_bounded() {
        let mut record = None;
        let mut now = START;
        for wait in [0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            if wait > 0 {
                for early in [0, wait - 1] {
                    let now = now.after(Lifetime::from_seconds(early));
                    let refused = before(record.as_deref(), now);
                    assert_eq!(refused, Err(Wait(Lifetime::from_seconds(wait - early))));
                }
            }
            now = now.after(Lifetime::from_seconds(wait));
            record = Some(before(record.as_deref(), now).expect("waited long enough"));
        }
        // An hour after the last attempt there was none.
        let later = now.after(FORGOTTEN);
        let fresh = before(record.as_deref(), later).expect("forgotten");
        assert_eq!(Some(fresh), before(None, later).ok());
    }

    #[test]
    fn very_many_attempts_overflow_nothing() {
        for number in [34, 67, 68, u32::MAX] {
            let text = format!("{{\"number\":{number},\"last\":{}}}", START.unix());
            assert_eq!(before(Some(text.as_bytes()), at(0)), Err(Wait(LONGEST)));
            assert!(before(Some(text.as_bytes()), at(300)).is_ok());
        }
    }

    #[test]
    fn records_that_do_not_count() {
        let future = format!("{{\"number\":9,\"last\":{}}}", at(301).unix());
        for record in [&b""[..], b"nonsense", future.as_bytes()] {
            assert_eq!(before(Some(record), START), before(None, START));
        }
    }
}
