//! Copies of what Redis keeps, each good until Redis says that it has changed (client-side caching).
//!
//! Redis remembers which keys were read over a connection by commands that had asked for it (`CLIENT TRACKING`,
//! `CLIENT CACHING`), and says on that same connection when one of them changes. What it says and what it answers come
//! in one order, so that whoever has the answer to a heartbeat has heard of every change before it. A copy therefore
//! counts while the last heartbeat that was answered had been sent less than [`VOUCHED`] ago: a change anywhere is seen
//! here within that time even where the network swallows what Redis says.
//!
//! Between a question and its answer the record may change, and the word of that may be heard before the answer
//! is kept. Each copy therefore bears a stamp from before the question was sent, and counts only while nothing has
//! changed since.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::oauth::time::Timestamp;
use crate::record::{Key, Record};

/// How long after a heartbeat was sent that has been answered copies count. Less than the second within which a
/// revocation must be seen, and enough to miss two heartbeats.
pub(super) const VOUCHED: Duration = Duration::from_millis(800);
/// How long a copy counts at most, whatever is told and vouched for: there are things that Redis does not tell of
/// (`SWAPDB`), and things of which nobody has thought.
const OLDEST: Duration = Duration::from_secs(60);
/// How many copies are kept, of the usual size.
const KEPT: usize = 40_000;
/// How many octets of them.
const KEPT_OCTETS: u64 = 16 * 1024 * 1024;
/// What a copy takes besides its octets, about.
const BESIDES: u64 = 192;
/// Keys that share a counter of changes, so that one change may end a few copies too many.
const COUNTERS: usize = 1 << 16;

/// A record as it was, or that there was none.
#[derive(Clone)]
struct Copy {
    record: Option<Arc<Record>>,
    /// None where this instance wrote the record itself and nobody would say that another has changed it.
    stamp: Option<Stamp>,
    /// When it was made, in microseconds since the copies began.
    made: u64,
}

/// Which connection tells of changes, and what had changed, before a question was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    connection: u64,
    changes: u32,
}

/// Copies weigh what they hold.
#[derive(Clone, Copy)]
struct Octets;

impl Weighter<Key, Copy> for Octets {
    fn weight(&self, key: &Key, copy: &Copy) -> u64 {
        let value = copy.record.as_ref().map_or(0, |record| record.value.len());
        BESIDES + (key.as_str().len() + value) as u64
    }
}

/// The copies.
pub(super) struct Copies {
    kept: Cache<Key, Copy, Octets>,
    /// How often something among the keys of each counter has changed.
    changes: Box<[AtomicU32]>,
    /// The how manyth connection it is on which Redis tells of changes.
    connection: AtomicU64,
    /// Until when Redis is known to have told of every change, in microseconds since `began`; 0 for never.
    vouched: AtomicU64,
    began: Instant,
    oldest: u64,
}

impl Copies {
    /// None yet, and nobody who vouches for any.
    pub(super) fn new() -> Self {
        Self::lasting(OLDEST)
    }

    /// The same, where a copy counts at most so long.
    fn lasting(oldest: Duration) -> Self {
        Self {
            oldest: microseconds(oldest),
            kept: Cache::with_weighter(KEPT, KEPT_OCTETS, Octets),
            changes: (0..COUNTERS).map(|_| AtomicU32::new(0)).collect(),
            connection: AtomicU64::new(0),
            vouched: AtomicU64::new(0),
            began: Instant::now(),
        }
    }

    /// The records of those keys, if there are copies of all that count now.
    pub(super) fn of(&self, keys: &[Key], now: Timestamp) -> Option<Vec<Option<Record>>> {
        let since = self.time();
        if since >= self.vouched.load(Ordering::Acquire) {
            return None;
        }
        let copy = |key| {
            let copy = self.kept.get(key)?;
            let counts = copy.stamp == Some(self.stamp(key))
                && since.saturating_sub(copy.made) < self.oldest;
            counts.then(|| alive(copy.record, now))
        };
        keys.iter().map(copy).collect()
    }

    /// The records of those keys as this instance wrote or read them last, if it did. Another may have changed
    /// them since: only for whoever commits on the condition that nobody has.
    pub(super) fn last_known(&self, keys: &[Key], now: Timestamp) -> Option<Vec<Option<Record>>> {
        let copy = |key| Some(alive(self.kept.get(key)?.record, now));
        keys.iter().map(copy).collect()
    }

    /// What a copy of that key is to bear if the question is sent now.
    pub(super) fn stamp(&self, key: &Key) -> Stamp {
        Stamp {
            connection: self.connection.load(Ordering::Acquire),
            changes: self.counter(key.as_str()).load(Ordering::Acquire),
        }
    }

    /// Keeps what was answered to a question that was sent, over the connection on which Redis tells of changes,
    /// after the stamp was taken.
    pub(super) fn keep(&self, key: &Key, stamp: Stamp, record: Option<&Record>) {
        let copy = Copy {
            record: record.cloned().map(Arc::new),
            stamp: Some(stamp),
            made: self.time(),
        };
        self.kept.insert(key.clone(), copy);
    }

    /// Takes note of what was found when it was asked for afresh: a copy that says otherwise is none, and what is to
    /// be remembered is, without a stamp.
    pub(super) fn found(&self, key: &Key, record: Option<&Record>, remember: bool) {
        match self.kept.peek(key) {
            Some(copy) if copy.record.as_deref() == record => return,
            Some(_) => self.changed_here(key),
            None => {}
        }
        if let Some(record) = record.filter(|_| remember) {
            self.put(key, record);
        }
    }

    /// Keeps a record that this instance has just made: what was there before is so no more.
    pub(super) fn note(&self, key: &Key, record: &Record) {
        self.changed(key.as_str());
        self.put(key, record);
    }

    fn put(&self, key: &Key, record: &Record) {
        let copy = Copy {
            record: Some(Arc::new(record.clone())),
            stamp: None,
            made: self.time(),
        };
        self.kept.insert(key.clone(), copy);
    }

    /// What is under that key, as stores spell it, has changed.
    pub(super) fn changed(&self, key: &str) {
        self.counter(key).fetch_add(1, Ordering::AcqRel);
    }

    /// This instance has changed, or tried to change, what is under that key.
    pub(super) fn changed_here(&self, key: &Key) {
        self.changed(key.as_str());
        self.kept.remove(key);
    }

    /// Anything may have changed.
    pub(super) fn all_changed(&self) {
        for counter in &self.changes {
            counter.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Whoever asked at that moment has been answered, and so has heard of every change before it.
    pub(super) fn vouch(&self, asked: Instant) {
        let until = asked.duration_since(self.began) + VOUCHED;
        self.vouched.store(microseconds(until), Ordering::Release);
    }

    /// Nobody tells any more of changes to what was asked so far. To be called once nothing is asked any more over
    /// the connection that did: what bears a later stamp was asked over a later one.
    pub(super) fn disown(&self) {
        self.vouched.store(0, Ordering::Release);
        self.connection.fetch_add(1, Ordering::AcqRel);
    }

    fn time(&self) -> u64 {
        microseconds(self.began.elapsed())
    }

    fn counter(&self, key: &str) -> &AtomicU32 {
        // Behind its kind a key is a digest in base64url: any eight characters of it are chance enough.
        let mut some = [0; 8];
        for (octet, character) in some.iter_mut().zip(key.bytes().skip(3)) {
            *octet = character;
        }
        let mixed = u64::from_le_bytes(some).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        &self.changes[usize::from((mixed >> 48) as u16)]
    }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// A copy of a record, unless that has ended.
fn alive(record: Option<Arc<Record>>, now: Timestamp) -> Option<Record> {
    record
        .filter(|record| record.lives(now))
        .map(|record| record.as_ref().clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::secret::Digest;
    use crate::record::Kind;

    const NOW: Timestamp = Timestamp::from_unix(1_000);

    fn key(name: &str) -> Key {
        Key::new(Kind::AccessToken, &Digest::of(name.as_bytes()))
    }

    fn record(value: &str) -> Record {
        Record {
            value: value.as_bytes().to_vec(),
            expires: Some(Timestamp::from_unix(1_600)),
        }
    }

    /// Copies that somebody vouches for.
    fn vouched() -> Copies {
        let copies = Copies::new();
        copies.vouch(Instant::now());
        copies
    }

    #[test]
    fn a_copy_counts_until_its_record_changes() {
        let copies = vouched();
        let names = [key("there"), key("not there")];
        for (name, value) in names.iter().zip([Some(record("x")), None]) {
            copies.keep(name, copies.stamp(name), value.as_ref());
        }
        let all = Some(vec![Some(record("x")), None]);
        assert_eq!(copies.of(&names, NOW), all);
        assert_eq!(
            copies.of(&names, Timestamp::from_unix(1_600)),
            Some(vec![None, None]),
            "it has ended"
        );
        assert_eq!(copies.of(&[names[0].clone(), key("unknown")], NOW), None);
        copies.changed(names[1].as_str());
        assert_eq!(copies.of(&names, NOW), None);
        assert_eq!(copies.of(&names[..1], NOW), Some(vec![Some(record("x"))]));
        copies.all_changed();
        assert_eq!(copies.of(&names[..1], NOW), None);
    }

    #[test]
    fn an_answer_that_a_change_has_overtaken_is_no_copy() {
        type Overtakes = fn(&Copies, &Key);
        let overtakes: [Overtakes; 4] = [
            |copies, name| copies.changed(name.as_str()),
            Copies::changed_here,
            |copies, _| copies.all_changed(),
            |copies, _| copies.disown(),
        ];
        for overtakes in overtakes {
            let (copies, name) = (vouched(), key("late"));
            let stamp = copies.stamp(&name);
            overtakes(&copies, &name);
            copies.keep(&name, stamp, Some(&record("old")));
            copies.vouch(Instant::now());
            assert_eq!(copies.of(std::slice::from_ref(&name), NOW), None);
        }
    }

    #[test]
    fn nothing_counts_that_nobody_vouches_for() {
        let (copies, name) = (Copies::new(), [key("a")]);
        copies.keep(&name[0], copies.stamp(&name[0]), Some(&record("x")));
        assert_eq!(copies.of(&name, NOW), None, "nobody has yet");
        std::thread::sleep(VOUCHED / 4);
        copies.vouch(
            Instant::now()
                .checked_sub(VOUCHED / 8)
                .expect("it began before"),
        );
        assert!(copies.of(&name, NOW).is_some());
        copies.vouch(copies.began);
        std::thread::sleep(VOUCHED);
        assert_eq!(copies.of(&name, NOW), None, "that was too long ago");
    }

    #[test]
    fn no_copy_counts_for_ever() {
        let (copies, name) = (Copies::lasting(VOUCHED / 8), [key("a")]);
        copies.keep(&name[0], copies.stamp(&name[0]), Some(&record("x")));
        copies.vouch(Instant::now());
        assert!(copies.of(&name, NOW).is_some());
        std::thread::sleep(VOUCHED / 4);
        assert_eq!(copies.of(&name, NOW), None);
    }

    #[test]
    fn what_was_written_here_is_no_copy_to_answer_from() {
        let (copies, name) = (vouched(), [key("own")]);
        copies.note(&name[0], &record("x"));
        assert_eq!(copies.of(&name, NOW), None);
        assert_eq!(copies.last_known(&name, NOW), Some(vec![Some(record("x"))]));
        copies.changed_here(&name[0]);
        assert_eq!(copies.last_known(&name, NOW), None);
    }

    #[test]
    fn what_is_found_afresh_overrules_a_copy() {
        let (copies, name) = (vouched(), [key("a")]);
        let of = || copies.of(&name, NOW);
        for (record, remember) in [
            (None, true),
            (Some(record("y")), false),
            (Some(record("y")), true),
        ] {
            copies.keep(
                &name[0],
                copies.stamp(&name[0]),
                Some(&super::tests::record("x")),
            );
            copies.found(&name[0], Some(&super::tests::record("x")), remember);
            assert!(of().is_some(), "it is so");
            copies.found(&name[0], record.as_ref(), remember);
            assert_eq!(of(), None, "it is not so");
            let known = record.filter(|_| remember).map(|record| vec![Some(record)]);
            assert_eq!(copies.last_known(&name, NOW), known);
        }
    }

    #[test]
    fn keys_have_counters_of_their_own() {
        let copies = vouched();
        let names: Vec<Key> = (0..1_000).map(|number| key(&number.to_string())).collect();
        for name in &names {
            copies.keep(name, copies.stamp(name), None);
        }
        for name in names.iter().take(100) {
            copies.changed(name.as_str());
        }
        let count = |names: &[Key]| {
            names
                .iter()
                .filter(|name| copies.of(std::slice::from_ref(name), NOW).is_some())
                .count()
        };
        assert_eq!(count(&names[..100]), 0);
        assert!(count(&names[100..]) > 880, "{}", count(&names[100..]));
    }
}
