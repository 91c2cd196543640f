//! `memory:`, a store that forgets everything when the process ends.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::time::Duration;

use super::last_seen::LastSeen;
use super::{Backend, OpenError, Opening, Options, Pending, Store, StoreError};
use crate::oauth::time::Timestamp;
use crate::record::{Changes, Key, Operation, Record};

/// How many ended records one commit removes at most.
const SWEPT_PER_COMMIT: usize = 64;
/// How many ended records are removed at most before others get a turn.
const SWEPT_PER_STEP: usize = 1024;
/// How often ended records are looked for while nothing is committed.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// The backend of `memory:`.
pub(super) struct Memory;

impl Backend for Memory {
    fn schemes(&self) -> &'static [&'static str] {
        &["memory"]
    }

    fn open<'a>(&self, url: &'a str, _: &'a Options) -> Opening<'a> {
        Box::pin(async move {
            if url != "memory:" {
                let wrong = "memory: takes nothing after its colon: write memory:";
                return Err(OpenError::Malformed(wrong.to_owned()));
            }
            let store = MemoryStore::default();
            tokio::spawn(sweep_now_and_then(
                Arc::downgrade(&store.shelf),
                SWEEP_EVERY,
            ));
            Ok(Arc::new(store) as Arc<dyn Store>)
        })
    }
}

/// The records, behind one lock that is never held across an `await`.
#[derive(Default)]
struct MemoryStore {
    shelf: Arc<RwLock<Shelf>>,
}

impl MemoryStore {
    fn found(&self, keys: &[Key], now: Timestamp) -> Vec<Option<Record>> {
        let held = read(&self.shelf);
        keys.iter()
            .map(|key| held.live(key, now).cloned())
            .collect()
    }
}

impl Store for MemoryStore {
    fn get<'a>(&'a self, keys: &'a [Key], now: Timestamp) -> Pending<'a, Vec<Option<Record>>> {
        Box::pin(async move { Ok(self.found(keys, now)) })
    }

    fn at_hand(&self, keys: &[Key], now: Timestamp) -> Option<Vec<Option<Record>>> {
        Some(self.found(keys, now))
    }

    fn commit<'a>(&'a self, changes: &'a Changes, now: Timestamp) -> Pending<'a, ()> {
        Box::pin(async move { write(&self.shelf).commit(changes, now) })
    }

    fn ready(&self) -> Pending<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn is_there(&self) -> bool {
        true
    }
}

// A poisoned lock is taken all the same: nothing below it panics between its first change and its
// last, so what another thread left is whole.
fn read(shelf: &RwLock<Shelf>) -> RwLockReadGuard<'_, Shelf> {
    shelf.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(shelf: &RwLock<Shelf>) -> RwLockWriteGuard<'_, Shelf> {
    shelf.write().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
struct Shelf {
    records: HashMap<Key, Record>,
    /// Every record that has an end, by it.
    ends: BTreeSet<(Timestamp, Key)>,
    last_seen: LastSeen,
}

impl Shelf {
    fn live(&self, key: &Key, now: Timestamp) -> Option<&Record> {
        self.records.get(key).filter(|record| record.lives(now))
    }

    fn commit(&mut self, changes: &Changes, now: Timestamp) -> Result<(), StoreError> {
        for (key, condition) in changes.conditions() {
            let found = self.live(key, now).map(|record| record.value.as_slice());
            if !condition.holds(found) {
                return Err(StoreError::Conflict(key.clone()));
            }
        }
        for (key, operation) in changes.operations() {
            self.remove(key);
            if let Operation::Put(record) = operation
                && record.lives(now)
            {
                if let Some(end) = record.expires {
                    self.ends.insert((end, key.clone()));
                }
                self.records.insert(key.clone(), record.clone());
            }
        }
        self.last_seen.note(now);
        self.sweep(now, SWEPT_PER_COMMIT);
        Ok(())
    }

    fn remove(&mut self, key: &Key) {
        if let Some(Record {
            expires: Some(end), ..
        }) = self.records.remove(key)
        {
            self.ends.remove(&(end, key.clone()));
        }
    }

    /// Removes up to `limit` of the records that have ended; answers how many there were.
    fn sweep(&mut self, now: Timestamp, limit: usize) -> usize {
        for swept in 0..limit {
            match self.ends.first() {
                Some((end, _)) if *end <= now => {}
                _ => return swept,
            }
            if let Some((_, key)) = self.ends.pop_first() {
                self.records.remove(&key);
            }
        }
        limit
    }
}

/// Until the store is gone.
async fn sweep_now_and_then(shelf: Weak<RwLock<Shelf>>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        loop {
            let Some(shelf) = shelf.upgrade() else {
                return;
            };
            let swept = {
                let mut shelf = write(&shelf);
                let now = shelf.last_seen.estimate();
                now.map_or(0, |now| shelf.sweep(now, SWEPT_PER_STEP))
            };
            if swept < SWEPT_PER_STEP {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::secret::Digest;
    use crate::record::Kind;

    fn key(number: u32) -> Key {
        Key::new(Kind::AccessToken, &Digest::of(&number.to_be_bytes()))
    }

    fn record(end: u64) -> Record {
        Record {
            value: b"{}".to_vec(),
            expires: Some(Timestamp::from_unix(end)),
        }
    }

    #[test]
    fn what_has_ended_is_removed_in_bounded_steps() {
        let mut shelf = Shelf::default();
        let mut changes = Changes::none();
        for number in 0..200 {
            changes = changes.put(key(number), record(10));
        }
        shelf
            .commit(&changes, Timestamp::from_unix(1))
            .expect("no conditions");
        let unrelated = Changes::none().put(key(1000), record(99));
        for left in [136, 72, 8, 0, 0] {
            shelf
                .commit(&unrelated, Timestamp::from_unix(10))
                .expect("no conditions");
            assert_eq!(
                (shelf.records.len(), shelf.ends.len()),
                (left + 1, left + 1)
            );
        }
    }

    #[test]
    fn a_record_put_again_leaves_no_second_end() {
        let mut shelf = Shelf::default();
        for end in [10, 20, 15] {
            let changes = Changes::none().put(key(1), record(end));
            shelf
                .commit(&changes, Timestamp::from_unix(1))
                .expect("no conditions");
        }
        assert_eq!(shelf.ends.len(), 1);
        assert_eq!(shelf.sweep(Timestamp::from_unix(14), 10), 0);
        let delete = Changes::none().delete(key(1));
        shelf
            .commit(&delete, Timestamp::from_unix(1))
            .expect("no conditions");
        assert!(shelf.ends.is_empty());
    }

    #[tokio::test]
    async fn what_has_ended_is_removed_though_nobody_asks() {
        let shelf = Arc::new(RwLock::new(Shelf::default()));
        let mut changes = Changes::none().put(key(0), record(9));
        for number in 1..2000 {
            changes = changes.put(key(number), record(2));
        }
        write(&shelf)
            .commit(&changes, Timestamp::from_unix(1))
            .expect("no conditions");
        let sweeper = tokio::spawn(sweep_now_and_then(
            Arc::downgrade(&shelf),
            Duration::from_millis(10),
        ));
        tokio::time::sleep(Duration::from_millis(1200)).await;
        assert_eq!(read(&shelf).records.len(), 1, "time went on by itself");
        drop(shelf);
        let ended = tokio::time::timeout(Duration::from_secs(2), sweeper).await;
        assert!(ended.is_ok(), "the sweeper outlives its store");
    }
}
