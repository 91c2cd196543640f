//! Places for those whose passwords are being hashed: each takes a core and 19 MiB for a while, so that there are
//! few, and nobody may take them all (RFC 6749 section 10.10 does not say so, but brute force need not succeed to hurt).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::user::password::Memory;

/// How long to wait for a place.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many of one address wait for the places of all; the others of that address wait behind these.
const OF_ONE_ADDRESS: usize = 4;

/// From how many addresses on those are forgotten of which nobody is waiting.
const ADDRESSES: usize = 1_024;

/// The places, and those who wait for them.
#[derive(Debug)]
pub(super) struct Hashing {
    strangers: Arc<Semaphore>,
    /// For whoever has signed in from the same browser before: strangers, of whom there may be any number, do not
    /// stand in the way.
    known: Arc<Semaphore>,
    lines: Mutex<HashMap<Box<str>, Arc<Semaphore>>>,
    /// What is hashed in.
    memories: Arc<Mutex<Vec<Memory>>>,
}

/// A place: whoever has it may hash, and keeps it until that is done, even if nobody waits for the answer.
#[derive(Debug)]
pub(super) struct Place {
    _held: OwnedSemaphorePermit,
    _line: Option<OwnedSemaphorePermit>,
    memories: Arc<Mutex<Vec<Memory>>>,
}

impl Hashing {
    /// With that many places for strangers, and one for those who are known.
    pub(super) fn new(places: usize) -> Self {
        Self {
            strangers: Arc::new(Semaphore::new(places)),
            known: Arc::new(Semaphore::new(1)),
            lines: Mutex::default(),
            memories: Arc::default(),
        }
    }

    /// Waits for a place; nothing where that takes too long.
    pub(super) async fn place(&self, is_known: bool, address: Option<&str>) -> Option<Place> {
        let waited = async {
            let line = match address.filter(|_| !is_known) {
                None => None,
                Some(address) => Some(self.line(address).acquire_owned().await.ok()?),
            };
            let places = if is_known {
                &self.known
            } else {
                &self.strangers
            };
            Some(Place {
                _held: Arc::clone(places).acquire_owned().await.ok()?,
                _line: line,
                memories: Arc::clone(&self.memories),
            })
        };
        tokio::time::timeout(PATIENCE, waited).await.ok().flatten()
    }

    fn line(&self, address: &str) -> Arc<Semaphore> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get(address) {
            return Arc::clone(line);
        }
        if lines.len() >= ADDRESSES {
            lines.retain(|_, line| Arc::strong_count(line) > 1);
        }
        let line = Arc::new(Semaphore::new(OF_ONE_ADDRESS));
        lines.insert(address.into(), Arc::clone(&line));
        line
    }
}

impl Place {
    /// Does it, in memory that was used before if there is any.
    pub(super) fn hash<T>(self, work: impl FnOnce(&mut Memory) -> T) -> T {
        let memories = || self.memories.lock().unwrap_or_else(PoisonError::into_inner);
        let mut memory = memories().pop().unwrap_or_default();
        let done = work(&mut memory);
        memory.shrink();
        memories().push(memory);
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    async fn soon(hashing: &Hashing, is_known: bool, address: Option<&str>) -> Option<Place> {
        let place = tokio::time::timeout(SOON, hashing.place(is_known, address));
        place.await.ok().flatten()
    }

    #[tokio::test]
    async fn nobody_takes_all_places() {
        let hashing = Hashing::new(OF_ONE_ADDRESS + 1);
        let mut held = Vec::new();
        for _ in 0..OF_ONE_ADDRESS {
            held.push(soon(&hashing, false, Some("a")).await.expect("a place"));
        }
        assert!(soon(&hashing, false, Some("a")).await.is_none());
        held.push(soon(&hashing, false, Some("b")).await.expect("a place"));
        // Now all are taken but that of those who are known.
        assert!(soon(&hashing, false, Some("c")).await.is_none());
        assert!(soon(&hashing, false, None).await.is_none());
        let known = soon(&hashing, true, Some("a")).await.expect("a place");
        assert!(soon(&hashing, true, Some("a")).await.is_none());
        drop(known);
        held.clear();
        assert!(soon(&hashing, false, Some("a")).await.is_some());
    }

    #[tokio::test]
    async fn addresses_are_forgotten() {
        let hashing = Hashing::new(1);
        let place = hashing.place(false, Some("kept")).await;
        for number in 0..3 * ADDRESSES {
            hashing.line(&number.to_string());
        }
        let lines = hashing.lines.lock().expect("nobody panicked");
        assert!(lines.len() <= ADDRESSES, "{}", lines.len());
        assert!(lines.contains_key("kept") && place.is_some());
    }
}
