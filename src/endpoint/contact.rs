//! Whether the store is there, for answers that need nothing from it but must not be given while
//! it is away: a token that nobody could revoke.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::store::{Store, StoreError};

/// For how long an answer of the store is taken to say that it is still there: short enough that no
/// outage is overlooked, long enough that a busy server asks far less often than it answers.
const RECENT: Duration = Duration::from_millis(2);

/// When the store last answered.
#[derive(Debug)]
pub struct Contact {
    began: Instant,
    /// Microseconds after `began`; 0 where it has not answered yet.
    answered: AtomicU64,
}

impl Default for Contact {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            answered: AtomicU64::new(0),
        }
    }
}

impl Contact {
    /// Makes sure that the store is there: asks it, unless it has answered just now.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn assure(&self, store: &dyn Store) -> Result<(), StoreError> {
        let before = self.now();
        let answered = self.answered.load(Ordering::Relaxed);
        if answered != 0 && u128::from(before.saturating_sub(answered)) < RECENT.as_micros() {
            return Ok(());
        }
        store.ready().await?;
        // When it was asked, and not when the answer came: it may be gone since.
        self.answered.fetch_max(before.max(1), Ordering::Relaxed);
        Ok(())
    }

    /// The store has failed elsewhere.
    pub fn lost(&self) {
        self.answered.store(0, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}
