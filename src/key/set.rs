//! The server's signing keys over time: published before they sign, kept until nothing they signed
//! lives (OIDC Core section 10.1.1).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::algorithm::SigningAlgorithm;
use super::envelope::Envelope;
use super::error::KeyError;
use super::pem::KeyFile;
use super::signing::SigningKey;
use crate::oauth::time::{Lifetime, Timestamp};

/// Keys in the set, at most; with them its published form stays small.
const MAX_KEYS: usize = 64;
/// The smallest difference in age.
const TICK: Lifetime = Lifetime::from_seconds(1);
/// The version of the stored form.
const STORED_VERSION: u32 = 1;

/// A signing key and its dates.
#[derive(Clone, Debug)]
pub struct ManagedKey {
    key: Arc<SigningKey>,
    created: Timestamp,
    active_from: Timestamp,
    retire_at: Option<Timestamp>,
}

impl ManagedKey {
    /// A key that was made at `created` and signs from `active_from` on.
    pub fn new(key: Arc<SigningKey>, created: Timestamp, active_from: Timestamp) -> Self {
        Self {
            key,
            created,
            active_from,
            retire_at: None,
        }
    }

    /// Reads a PEM file: unencrypted PKCS#8, and before it what the module `pem` describes. Without
    /// dates the key has been active since the epoch.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let file = KeyFile::parse(text)?;
        let key = SigningKey::from_pkcs8(&file.pkcs8, file.algorithm)?;
        let created = file.created.unwrap_or(Timestamp::from_unix(0));
        let active_from = file.active_from.unwrap_or(created);
        Ok(Self {
            key: Arc::new(key),
            created,
            active_from,
            retire_at: file.retire_at,
        })
    }

    /// The PEM file; wiped when dropped.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        let file = KeyFile {
            algorithm: Some(self.key.algorithm()),
            created: Some(self.created),
            active_from: Some(self.active_from),
            retire_at: self.retire_at,
            pkcs8: self.key.to_pkcs8()?,
        };
        Ok(file.to_text())
    }

    /// The key.
    pub const fn key(&self) -> &Arc<SigningKey> {
        &self.key
    }

    /// When it was made.
    pub const fn created(&self) -> Timestamp {
        self.created
    }

    /// From when on it signs.
    pub const fn active_from(&self) -> Timestamp {
        self.active_from
    }

    /// From when on it neither signs nor verifies nor is published.
    pub const fn retire_at(&self) -> Option<Timestamp> {
        self.retire_at
    }

    /// Whether it is over with it.
    pub fn is_retired(&self, now: Timestamp) -> bool {
        self.retire_at.is_some_and(|end| end <= now)
    }

    /// Whether it signs, were there no newer one.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.active_from <= now && !self.is_retired(now)
    }

    /// Ends it then, unless it ends earlier anyway.
    fn retire_by(&mut self, end: Timestamp) {
        self.retire_at = Some(self.retire_at.map_or(end, |earlier| earlier.min(end)));
    }

    /// What orders keys by age; every instance finds the same newest one.
    fn age(&self) -> (Timestamp, Timestamp, &str) {
        (self.active_from, self.created, self.key.kid())
    }
}

/// All signing keys of the server. Asking it what holds at a time changes nothing.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<ManagedKey>,
}

impl KeySet {
    /// No keys.
    pub const fn new() -> Self {
        Self { keys: Vec::new() }
    }

    /// The set and one key more, with a `kid` that is not there yet.
    pub fn with(mut self, key: ManagedKey) -> Result<Self, KeyError> {
        if self.keys.len() >= MAX_KEYS {
            return Err(KeyError::TooMany);
        }
        if self
            .keys
            .iter()
            .any(|known| known.key.kid() == key.key.kid())
        {
            return Err(KeyError::Duplicate);
        }
        self.keys.push(key);
        Ok(self)
    }

    /// Whether both hold the same keys with the same dates, whatever their order.
    pub fn is_same(&self, other: &Self) -> bool {
        let dates = |key: &ManagedKey| (key.active_from, key.retire_at);
        let has = |key: &ManagedKey| {
            other
                .keys
                .iter()
                .any(|one| one.key.kid() == key.key.kid() && dates(one) == dates(key))
        };
        self.keys.len() == other.keys.len() && self.keys.iter().all(has)
    }

    /// Every key, retired or not.
    pub fn keys(&self) -> &[ManagedKey] {
        &self.keys
    }

    /// The key to sign with: the newest active one of that algorithm; where none is active, the one
    /// that will be next, since a signature by it is better than none.
    pub fn signer(&self, algorithm: SigningAlgorithm, now: Timestamp) -> Option<&Arc<SigningKey>> {
        let usable = || {
            self.published(now)
                .filter(|key| key.key.algorithm() == algorithm)
        };
        let active = usable().filter(|key| key.is_active(now));
        active
            .max_by(|a, b| a.age().cmp(&b.age()))
            .or_else(|| usable().min_by(|a, b| a.age().cmp(&b.age())))
            .map(|key| &key.key)
    }

    /// The key to sign with where the algorithm may be another than the one that is preferred: an
    /// operator may have given keys of their own choice.
    pub fn signer_preferring(
        &self,
        preferred: SigningAlgorithm,
        now: Timestamp,
    ) -> Option<&Arc<SigningKey>> {
        let first = std::iter::once(&preferred);
        first
            .chain(SigningAlgorithm::ALL)
            .find_map(|algorithm| self.signer(*algorithm, now))
    }

    /// The keys that others are told: all that are not retired, also those that do not sign yet.
    pub fn published(&self, now: Timestamp) -> impl Iterator<Item = &ManagedKey> {
        self.keys.iter().filter(move |key| !key.is_retired(now))
    }

    /// The key of that `kid`, if a signature by it still counts.
    pub fn verifier(&self, kid: &str, now: Timestamp) -> Option<&Arc<SigningKey>> {
        let mut named = self.published(now).filter(|key| key.key.kid() == kid);
        named.next().map(|key| &key.key)
    }

    /// The JWK Set to publish (RFC 7517 section 5); public members only.
    pub fn jwks_json(&self, now: Timestamp) -> Value {
        let mut keys: Vec<&ManagedKey> = self.published(now).collect();
        // One order for all instances, whichever of them made or read a key first.
        keys.sort_by_key(|key| (key.key.algorithm().name(), key.active_from, key.key.kid()));
        let keys: Vec<Value> = keys.iter().map(|key| key.key.public_jwk()).collect();
        json!({ "keys": keys })
    }

    /// What can be signed with.
    pub fn algorithms(&self, now: Timestamp) -> Vec<SigningAlgorithm> {
        let there = |algorithm: &SigningAlgorithm| self.signer(*algorithm, now).is_some();
        SigningAlgorithm::ALL
            .iter()
            .copied()
            .filter(there)
            .collect()
    }

    /// Brings in a new key: published now, signing after `lead` (as long as others may keep an old
    /// JWK Set), while the others of its algorithm stay for `overlap` more (as long as what they
    /// signed may live).
    pub fn rotate(
        mut self,
        new_key: Arc<SigningKey>,
        now: Timestamp,
        lead: Lifetime,
        overlap: Lifetime,
    ) -> Result<Self, KeyError> {
        let active_from = now.after(lead);
        let end = active_from.after(overlap);
        for key in &mut self.keys {
            if key.key.algorithm() == new_key.algorithm() {
                key.retire_by(end);
                // A key that was to sign later, or was made in this very second, would be the newer
                // one and sign until its last moment, when what it signed would die with it.
                key.active_from = key.active_from.min(active_from.before(TICK));
            }
        }
        self.with(ManagedKey::new(new_key, now, active_from))
    }

    /// Ends a key now. The last one of its algorithm goes only if `forced`; and one is not left if its
    /// own end is near already, because a rotation meant the one that goes to follow it.
    pub fn retire(mut self, kid: &str, now: Timestamp, forced: bool) -> Result<Self, KeyError> {
        let mut places = self.keys.iter_mut();
        let key = places
            .find(|key| key.key.kid() == kid)
            .ok_or(KeyError::NoSuchKey)?;
        key.retire_by(now);
        let algorithm = key.key.algorithm();
        let stays = |key: &ManagedKey| key.key.algorithm() == algorithm && key.retire_at.is_none();
        let lasting = self.keys.iter().any(stays);
        if !forced && (self.signer(algorithm, now).is_none() || !lasting) {
            return Err(KeyError::LastOfItsAlgorithm(algorithm));
        }
        Ok(self)
    }

    /// The set without the keys that are retired.
    #[must_use]
    pub fn without_retired(mut self, now: Timestamp) -> Self {
        self.keys.retain(|key| !key.is_retired(now));
        self
    }

    /// The whole set, private keys included, as JSON to be kept; wiped when dropped.
    pub fn to_json(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let pems: Vec<_> = self
            .keys
            .iter()
            .map(ManagedKey::to_pem)
            .collect::<Result<_, _>>()?;
        let stored = Stored {
            version: STORED_VERSION,
            keys: pems.iter().map(|pem| pem.as_str()).collect(),
        };
        // Room for all of it: escaped line ends are the only thing that grows.
        let room = pems.iter().map(|pem| pem.len() * 2).sum::<usize>() + 64;
        let mut octets = Zeroizing::new(Vec::with_capacity(room));
        serde_json::to_writer(&mut *octets, &stored).map_err(|_| KeyError::Failed)?;
        Ok(octets)
    }

    /// Seals and opens what comes back only to this server, for one purpose: under secrets derived from the
    /// keys that are published. Every instance has these, and the one that seals has been published for
    /// longer than instances take to learn of it.
    ///
    /// # Errors
    /// There is no key, or the library fails.
    pub fn envelope(&self, purpose: &[u8], now: Timestamp) -> Result<Envelope, KeyError> {
        let signer = self
            .signer_preferring(SigningAlgorithm::EdDsa, now)
            .ok_or(KeyError::NoSuchKey)?;
        let others = self
            .published(now)
            .filter(|managed| managed.key().kid() != signer.kid())
            .map(ManagedKey::key);
        let secrets = std::iter::once(signer.as_ref())
            .chain(others.map(AsRef::as_ref))
            .map(SigningKey::to_pkcs8)
            .collect::<Result<Vec<_>, _>>()?;
        Envelope::new(secrets.iter().map(|secret| secret.as_slice()), purpose)
    }

    /// Reads what [`KeySet::to_json`] wrote.
    pub fn from_json(octets: &[u8]) -> Result<Self, KeyError> {
        const WRONG: KeyError = KeyError::Stored("they are not JSON of the form written here");
        let stored: Stored<String> = serde_json::from_slice(octets).map_err(|_| WRONG)?;
        let pems: Vec<Zeroizing<String>> = stored.keys.into_iter().map(Zeroizing::new).collect();
        if stored.version != STORED_VERSION {
            return Err(KeyError::Stored(
                "they were written by a newer version of certbound",
            ));
        }
        let mut set = Self::new();
        for pem in &pems {
            set = set.with(ManagedKey::from_pem(pem)?)?;
        }
        Ok(set)
    }
}

/// The stored form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored<T> {
    version: u32,
    keys: Vec<T>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(algorithm: SigningAlgorithm) -> Arc<SigningKey> {
        Arc::new(SigningKey::generate(algorithm).expect("entropy"))
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix(seconds)
    }

    fn managed(key: &Arc<SigningKey>, active_from: u64) -> ManagedKey {
        ManagedKey::new(Arc::clone(key), at(0), at(active_from))
    }

    #[test]
    fn rotation_over_time() {
        use SigningAlgorithm::{EdDsa, Es256};
        let (old, new, other) = (key(Es256), key(Es256), key(EdDsa));
        let set = KeySet::new()
            .with(managed(&old, 0))
            .and_then(|set| set.with(managed(&other, 0)))
            .expect("different keys");
        let set = set
            .rotate(
                Arc::clone(&new),
                at(1000),
                Lifetime::from_seconds(100),
                Lifetime::from_seconds(50),
            )
            .expect("a new key");
        for (now, signer, verifies_old, published) in [
            (1000, &old, true, 3),
            (1099, &old, true, 3),
            (1100, &new, true, 3),
            (1149, &new, true, 3),
            (1150, &new, false, 2),
            (9999, &new, false, 2),
        ] {
            let now = at(now);
            let got = set.signer(Es256, now).expect("a signer");
            assert_eq!(got.kid(), signer.kid(), "{now}");
            assert_eq!(
                set.verifier(old.kid(), now).is_some(),
                verifies_old,
                "{now}"
            );
            assert!(set.verifier(new.kid(), now).is_some(), "{now}");
            assert_eq!(set.published(now).count(), published, "{now}");
            let jwks = set.jwks_json(now);
            let jwks = jwks["keys"].as_array().expect("keys");
            assert_eq!(jwks.len(), published, "{now}");
            assert!(jwks.iter().all(|jwk| jwk.get("d").is_none()));
            assert_eq!(set.algorithms(now), [Es256, EdDsa], "{now}");
            let eddsa = set.signer(EdDsa, now).expect("a signer");
            assert_eq!(eddsa.kid(), other.kid());
        }
        assert_eq!(set.clone().without_retired(at(1150)).keys().len(), 2);
        assert!(set.verifier("nobody", at(1000)).is_none());
        // A second rotation does not lengthen the life of the first key.
        let again = set
            .rotate(
                key(Es256),
                at(1001),
                Lifetime::from_seconds(100),
                Lifetime::from_seconds(500),
            )
            .expect("a new key");
        assert!(again.verifier(old.kid(), at(1150)).is_none());
        assert!(again.verifier(new.kid(), at(1600)).is_some());
        assert!(again.verifier(new.kid(), at(1601)).is_none());
    }

    #[test]
    fn a_key_that_does_not_sign_yet_is_better_than_none() {
        use SigningAlgorithm::{Es256, Rs256};
        let (next, later) = (key(Es256), key(Es256));
        let set = KeySet::new()
            .with(managed(&later, 300))
            .and_then(|set| set.with(managed(&next, 200)))
            .expect("different keys");
        let signer = set.signer(Es256, at(100)).expect("a signer");
        assert_eq!(signer.kid(), next.kid());
        assert!(set.signer(Rs256, at(100)).is_none());
        assert_eq!(set.algorithms(at(100)), [Es256]);
    }

    #[test]
    fn retiring() {
        use SigningAlgorithm::Es256;
        let (one, two) = (key(Es256), key(Es256));
        let set = KeySet::new()
            .with(managed(&one, 0))
            .and_then(|set| set.with(managed(&two, 0)))
            .expect("different keys");
        assert_eq!(
            set.clone().with(managed(&one, 9)).err(),
            Some(KeyError::Duplicate)
        );
        let unknown = set.clone().retire("nobody", at(5), false);
        assert_eq!(unknown.err(), Some(KeyError::NoSuchKey));
        let set = set
            .retire(one.kid(), at(5), false)
            .expect("another is left");
        assert!(set.verifier(one.kid(), at(5)).is_none());
        let last = set.clone().retire(two.kid(), at(5), false);
        assert_eq!(last.err(), Some(KeyError::LastOfItsAlgorithm(Es256)));
        let set = set.retire(two.kid(), at(5), true).expect("forced");
        assert_eq!(set.algorithms(at(5)), []);
        assert_eq!(set.jwks_json(at(5)), json!({"keys": []}));
    }

    #[test]
    fn what_a_rotation_waits_for_is_not_retired_by_mistake() {
        use SigningAlgorithm::EdDsa;
        let (old, next) = (key(EdDsa), key(EdDsa));
        let span = Lifetime::from_seconds(100);
        let set = KeySet::new()
            .with(managed(&old, 0))
            .and_then(|set| set.rotate(Arc::clone(&next), at(10), span, span))
            .expect("different keys");
        let refused = set.clone().retire(next.kid(), at(20), false);
        assert_eq!(refused.err(), Some(KeyError::LastOfItsAlgorithm(EdDsa)));
        assert!(set.retire(old.kid(), at(120), false).is_ok());
    }

    #[test]
    fn rotating_twice_leaves_the_last_key_signing() {
        use SigningAlgorithm::EdDsa;
        let (first, second, third) = (key(EdDsa), key(EdDsa), key(EdDsa));
        let lifetime = Lifetime::from_seconds;
        for (lead, then) in [(1_000, 10), (0, 0), (10, 1_000)] {
            let set = KeySet::new()
                .with(managed(&first, 100))
                .and_then(|set| {
                    let second = Arc::clone(&second);
                    set.rotate(second, at(100), lifetime(lead), lifetime(500))
                })
                .and_then(|set| {
                    set.rotate(Arc::clone(&third), at(100), lifetime(then), lifetime(500))
                })
                .expect("new keys");
            for now in [100 + then, 599 + then, 600 + then, 5_000] {
                let signer = set.signer(EdDsa, at(now)).expect("a signer");
                assert_eq!(signer.kid(), third.kid(), "{lead} {then} {now}");
            }
        }
    }

    #[test]
    fn a_key_retired_before_it_signed_is_stored_too() {
        let (one, two) = (key(SigningAlgorithm::Es256), key(SigningAlgorithm::Es256));
        let set = KeySet::new()
            .with(managed(&one, 0))
            .and_then(|set| set.with(managed(&two, 500)))
            .and_then(|set| set.retire(two.kid(), at(100), false))
            .expect("another is left");
        let read = set.to_json().and_then(|octets| KeySet::from_json(&octets));
        let read = read.expect("what was written");
        assert_eq!(read.published(at(100)).count(), 1);
        assert_eq!(read.published(at(600)).count(), 1);
    }

    #[test]
    fn stored_and_read_again() {
        let mut set = KeySet::new();
        for algorithm in SigningAlgorithm::ALL {
            set = set.with(managed(&key(*algorithm), 7)).expect("a new key");
        }
        let set = set
            .rotate(
                key(SigningAlgorithm::Es256),
                at(9),
                Lifetime::from_seconds(1),
                Lifetime::from_seconds(1),
            )
            .expect("a new key");
        let octets = set.to_json().expect("JSON");
        let read = KeySet::from_json(&octets).expect("what was written");
        let facts = |set: &KeySet| -> Vec<_> {
            let fact = |k: &ManagedKey| {
                (
                    k.key().kid().to_owned(),
                    k.key().algorithm(),
                    k.created(),
                    k.active_from(),
                    k.retire_at(),
                )
            };
            set.keys().iter().map(fact).collect()
        };
        assert_eq!(facts(&read), facts(&set));
        for wrong in [
            "",
            "{}",
            r#"{"version":2,"keys":[]}"#,
            r#"{"version":1,"keys":["x"]}"#,
            r#"{"version":1,"keys":[],"more":1}"#,
        ] {
            assert!(KeySet::from_json(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn dates_of_a_file() {
        let bare = ManagedKey::new(key(SigningAlgorithm::Es256), at(5), at(6));
        let pem = bare.to_pem().expect("PEM");
        let read = ManagedKey::from_pem(&pem).expect("what was written");
        assert_eq!(
            (read.created(), read.active_from(), read.retire_at()),
            (at(5), at(6), None)
        );
        let block = &pem[pem.find("-----").expect("a block")..];
        let read = ManagedKey::from_pem(block).expect("a bare block");
        assert_eq!((read.created(), read.active_from()), (at(0), at(0)));
        assert_eq!(read.key().kid(), bare.key().kid());
        let other = ManagedKey::from_pem(&format!("Algorithm: RS256\n{block}")).err();
        assert_eq!(other, Some(KeyError::WrongKind(SigningAlgorithm::Rs256)));
    }
}
