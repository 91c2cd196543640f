//! Places for those whose passwords are being hashed: each takes a core and 19 MiB for a while. So there are few,
//! and nobody may take them all, be it to guess (RFC 6749 section 10.10) or to keep others out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::user::password::Memory;

/// How long to wait for a place.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many of one address wait for the places of all; the others of that address wait behind these.
const OF_ONE_ADDRESS: usize = 4;

/// How many of one address may wait at all, and how many of all: every one of them holds a connection.
const WAITING: (usize, usize) = (64, 512);

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
    _permit: OwnedSemaphorePermit,
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

    /// Waits for a place; nothing where that takes too long, or too many are waiting.
    pub(super) async fn place(&self, is_known: bool, address: Option<&str>) -> Option<Place> {
        let waited = async {
            let line = match address.filter(|_| !is_known) {
                None => None,
                Some(address) => {
                    let line = self.line(address);
                    // One is the map's and one is this; whoever waits or hashes has one, too.
                    if Arc::strong_count(&line) - 2 >= WAITING.0 {
                        return None;
                    }
                    Some(line.acquire_owned().await.ok()?)
                }
            };
            let places = if is_known {
                &self.known
            } else {
                &self.strangers
            };
            if Arc::strong_count(places) > WAITING.1 {
                return None;
            }
            Some(Place {
                _permit: Arc::clone(places).acquire_owned().await.ok()?,
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
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
        let mut context = Context::from_waker(Waker::noop());
        future.as_mut().poll(&mut context)
    }

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
    async fn nobody_waits_where_too_many_do() {
        let hashing = Hashing::new(1);
        let held = hashing.place(false, Some("a")).await.expect("a place");
        let waits = |address| Box::pin(hashing.place(false, Some(address)));
        let mut waiting: Vec<_> = (1..WAITING.0).map(|_| waits("a")).collect();
        for one in &mut waiting {
            assert!(poll(one).is_pending());
        }
        let mut refused = waits("a");
        assert!(matches!(poll(&mut refused), Poll::Ready(None)));
        let mut other = waits("b");
        assert!(poll(&mut other).is_pending());
        drop((held, waiting));
        assert!(other.await.is_some());
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
