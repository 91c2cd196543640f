//! Where the signing keys are kept: a folder of PEM files, or one record of the store, sealed or not.
//! Several instances share them: whoever comes first makes them, the others find them.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::{Store, StoreError};
use crate::key::algorithm::SigningAlgorithm;
use crate::key::seal::SealingKey;
use crate::key::set::{KeySet, ManagedKey};
use crate::key::signing::SigningKey;
use crate::oauth::secret::Digest;
use crate::oauth::time::Timestamp;
use crate::record::{Changes, Condition, Key, Kind, Record};

/// How often a change is tried again when another instance changes the keys at the same time.
const TRIES: usize = 8;

/// How often, and how many times, the lock on a folder is tried.
const TRY_TO_LOCK: Duration = Duration::from_millis(20);
const TRIES_TO_LOCK: usize = 250;

/// The place of the signing keys.
pub enum Keyring {
    /// PEM files in this folder.
    Folder(PathBuf),
    /// One record of the store.
    Record {
        /// The store.
        store: Arc<dyn Store>,
        /// What the record is sealed with, if it is.
        seal: Option<SealingKey>,
    },
}

impl Keyring {
    /// The keys, made if there are none yet: those that are made at once. The others take longer than a
    /// server should need to start: where this answers that it has begun, they come by
    /// [`complete`](Self::complete).
    pub async fn open(&self, now: Timestamp) -> Result<(KeySet, bool), KeyringError> {
        let found = self.read(now).await?;
        if !found.keys().is_empty() {
            // In the store another instance may be making the others, or have ended before it had. What is in
            // a folder is its owner's choice.
            let begun = self.is_shared() && !missing(&found, now).is_empty();
            return Ok((found, begun));
        }
        let begin = |keys: KeySet, now| match keys.keys() {
            [] => add_missing(keys, AT_ONCE, now),
            _ => Ok(keys),
        };
        self.change(now, begin).await.map(|keys| (keys, true))
    }

    /// What finds the files that hold the keys, where files do.
    pub fn files(&self) -> impl FnOnce() -> Vec<PathBuf> + Send + 'static {
        let folder = match self {
            Self::Folder(folder) => Some(folder.clone()),
            Self::Record { .. } => None,
        };
        move || {
            let found = folder.map(|folder| key_files(&folder));
            found.and_then(Result::ok).unwrap_or_default()
        }
    }

    /// Whether only reading them tells whether the keys have changed.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Record { .. })
    }

    /// The keys with one for each algorithm, so that every registration finds the one it asks for.
    pub async fn complete(&self, now: Timestamp) -> Result<KeySet, KeyringError> {
        let found = self.read(now).await?;
        let missing = missing(&found, now);
        if missing.is_empty() {
            return Ok(found);
        }
        let making = tokio::task::spawn_blocking(move || {
            missing
                .into_iter()
                .map(generate)
                .collect::<Result<Vec<_>, _>>()
        });
        let made = making
            .await
            .map_err(|error| KeyringError::Key(error.to_string()))??;
        self.change(now, |keys, now| {
            made.iter().try_fold(keys, |keys, key| {
                // Another instance may have made one meanwhile.
                if keys.signer(key.algorithm(), now).is_some() {
                    return Ok(keys);
                }
                let managed = ManagedKey::new(Arc::clone(key), now, now);
                keys.with(managed)
                    .map_err(|error| KeyringError::Key(error.to_string()))
            })
        })
        .await
    }

    /// The keys as they are now; none is no error.
    pub async fn read(&self, now: Timestamp) -> Result<KeySet, KeyringError> {
        match self {
            Self::Folder(folder) => {
                let folder = folder.clone();
                let reading = tokio::task::spawn_blocking(move || read_folder(&folder));
                let read = reading.await;
                read.unwrap_or_else(|error| Err(KeyringError::Key(error.to_string())))
            }
            Self::Record { store, seal } => {
                let record = store
                    .get(&[record_key()], now)
                    .await?
                    .into_iter()
                    .next()
                    .flatten();
                record.map_or_else(
                    || Ok(KeySet::new()),
                    |record| unseal(seal.as_ref(), &record.value),
                )
            }
        }
    }

    /// The keys as they are now, unless they lie in the store and are, octet for octet, those whose digest is `known`:
    /// reading them takes milliseconds, and they are looked at every second.
    pub async fn read_anew(
        &self,
        known: &mut Option<Digest>,
        now: Timestamp,
    ) -> Result<Option<KeySet>, KeyringError> {
        let Self::Record { store, seal } = self else {
            return self.read(now).await.map(Some);
        };
        let record = store.get(&[record_key()], now).await?;
        let Some(record) = record.into_iter().next().flatten() else {
            *known = None;
            return Ok(Some(KeySet::new()));
        };
        let digest = Digest::of(&record.value);
        if *known == Some(digest) {
            return Ok(None);
        }
        let keys = unseal(seal.as_ref(), &record.value)?;
        *known = Some(digest);
        Ok(Some(keys))
    }

    /// Changes the keys: what `change` makes of them is kept, unless another instance was faster, in
    /// which case it is asked again about what that one left.
    pub async fn change(
        &self,
        now: Timestamp,
        change: impl Fn(KeySet, Timestamp) -> Result<KeySet, KeyringError> + Send + Sync,
    ) -> Result<KeySet, KeyringError> {
        match self {
            Self::Folder(folder) => {
                let _mine = lock(folder).await?;
                let before = read_folder(folder)?;
                let after = change(before.clone(), now)?;
                write_folder(folder, &before, &after)?;
                Ok(after)
            }
            Self::Record { store, seal } => {
                for _ in 0..TRIES {
                    let key = record_key();
                    let record = store
                        .get(std::slice::from_ref(&key), now)
                        .await?
                        .into_iter()
                        .next()
                        .flatten();
                    let (before, condition) = match record {
                        None => (KeySet::new(), Condition::Absent),
                        Some(record) => (
                            unseal(seal.as_ref(), &record.value)?,
                            Condition::Is(record.value),
                        ),
                    };
                    let after = change(before, now)?;
                    let value = match seal {
                        Some(seal) => seal
                            .seal(&after)
                            .map_err(|error| KeyringError::Key(error.to_string()))?,
                        None => after
                            .to_json()
                            .map_err(|error| KeyringError::Key(error.to_string()))?
                            .to_vec(),
                    };
                    let changes = Changes::none().expect(key.clone(), condition).put(
                        key,
                        Record {
                            value,
                            expires: None,
                        },
                    );
                    match store.commit(&changes, now).await {
                        Ok(()) => return Ok(after),
                        Err(StoreError::Conflict(_)) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                Err(KeyringError::Contended)
            }
        }
    }
}

/// The algorithms whose keys are made in no time.
const AT_ONCE: &[SigningAlgorithm] = &[SigningAlgorithm::Es256, SigningAlgorithm::EdDsa];

/// The algorithms by which nothing can be signed.
pub fn missing(keys: &KeySet, now: Timestamp) -> Vec<SigningAlgorithm> {
    let none = |algorithm: &SigningAlgorithm| keys.signer(*algorithm, now).is_none();
    SigningAlgorithm::ALL.iter().copied().filter(none).collect()
}

/// Makes a key for each of these algorithms that has none.
pub fn add_missing(
    keys: KeySet,
    algorithms: &[SigningAlgorithm],
    now: Timestamp,
) -> Result<KeySet, KeyringError> {
    algorithms.iter().try_fold(keys, |keys, algorithm| {
        if keys.signer(*algorithm, now).is_some() {
            Ok(keys)
        } else {
            add(keys, *algorithm, now)
        }
    })
}

/// Makes one more key, which signs from now on.
pub fn add(
    keys: KeySet,
    algorithm: SigningAlgorithm,
    now: Timestamp,
) -> Result<KeySet, KeyringError> {
    let made = generate(algorithm)?;
    keys.with(ManagedKey::new(made, now, now))
        .map_err(|error| KeyringError::Key(error.to_string()))
}

/// A new key.
pub fn generate(algorithm: SigningAlgorithm) -> Result<Arc<SigningKey>, KeyringError> {
    SigningKey::generate(algorithm)
        .map(Arc::new)
        .map_err(|error| KeyringError::Key(error.to_string()))
}

/// There is one record of keys, under a name of its own.
fn record_key() -> Key {
    Key::new(Kind::SigningKeys, &Digest::of(b"signing keys"))
}

fn unseal(seal: Option<&SealingKey>, value: &[u8]) -> Result<KeySet, KeyringError> {
    let keys = match seal {
        Some(seal) => seal.open(value),
        None => KeySet::from_json(value),
    };
    keys.map_err(|error| KeyringError::Key(error.to_string()))
}

/// The key files of a folder, in order; none where there is no folder.
fn key_files(folder: &Path) -> Result<Vec<PathBuf>, KeyringError> {
    let failed = |error: std::io::Error| KeyringError::File {
        path: folder.to_owned(),
        cause: error.to_string(),
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "pem") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn read_folder(folder: &Path) -> Result<KeySet, KeyringError> {
    let failed = |path: &Path, cause: String| KeyringError::File {
        path: path.to_owned(),
        cause,
    };
    let paths = key_files(folder)?;
    let mut keys = KeySet::new();
    for path in paths {
        let text = fs::read_to_string(&path).map_err(|error| failed(&path, error.to_string()))?;
        let text = zeroize::Zeroizing::new(text);
        let key = ManagedKey::from_pem(&text).map_err(|error| failed(&path, error.to_string()))?;
        keys = keys
            .with(key)
            .map_err(|error| failed(&path, error.to_string()))?;
    }
    Ok(keys)
}

/// Has the folder, which is made if there is none, for this process alone until the file is dropped.
async fn lock(folder: &Path) -> Result<fs::File, KeyringError> {
    let failed = |cause: String| KeyringError::File {
        path: folder.to_owned(),
        cause,
    };
    if !folder.exists() {
        fs::DirBuilder::new()
            .mode(0o700)
            .recursive(true)
            .create(folder)
            .map_err(|error| failed(error.to_string()))?;
    }
    let mut options = fs::OpenOptions::new();
    let options = options.write(true).create(true).truncate(false).mode(0o600);
    let file = options
        .open(folder.join(".lock"))
        .map_err(|error| failed(error.to_string()))?;
    for _ in 0..TRIES_TO_LOCK {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::WouldBlock) => tokio::time::sleep(TRY_TO_LOCK).await,
            Err(fs::TryLockError::Error(error)) => return Err(failed(error.to_string())),
        }
    }
    Err(KeyringError::Contended)
}

/// Writes the keys that are new or changed, each whole or not at all, and removes those that are gone.
fn write_folder(folder: &Path, before: &KeySet, after: &KeySet) -> Result<(), KeyringError> {
    let failed = |path: &Path, error: std::io::Error| KeyringError::File {
        path: path.to_owned(),
        cause: error.to_string(),
    };
    for key in after.keys() {
        let kid = key.key().kid();
        let same = before
            .keys()
            .iter()
            .any(|old| old.key().kid() == kid && old.retire_at() == key.retire_at());
        if same {
            continue;
        }
        let pem = key
            .to_pem()
            .map_err(|error| KeyringError::Key(error.to_string()))?;
        let path = existing(folder, kid).unwrap_or_else(|| folder.join(format!("{kid}.pem")));
        let draft = folder.join(format!(".{kid}.{}", std::process::id()));
        let _ = fs::remove_file(&draft);
        let written = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)
            .and_then(|mut file| {
                file.write_all(pem.as_bytes())?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&draft, &path));
        if let Err(error) = written {
            let _ = fs::remove_file(&draft);
            return Err(failed(&path, error));
        }
    }
    for key in before.keys() {
        let kid = key.key().kid();
        if !after.keys().iter().any(|kept| kept.key().kid() == kid)
            && let Some(path) = existing(folder, kid)
        {
            fs::remove_file(&path).map_err(|error| failed(&path, error))?;
        }
    }
    Ok(())
}

/// The file that holds that key: an operator may have named it as they liked.
fn existing(folder: &Path, kid: &str) -> Option<PathBuf> {
    let own = folder.join(format!("{kid}.pem"));
    if own.exists() {
        return Some(own);
    }
    fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| {
            path.extension().is_some_and(|extension| extension == "pem")
                && fs::read_to_string(path).is_ok_and(|text| {
                    ManagedKey::from_pem(&text).is_ok_and(|key| key.key().kid() == kid)
                })
        })
}

/// Why the keys could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyringError {
    /// The store.
    Store(StoreError),
    /// A file or the folder.
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// The keys themselves.
    Key(String),
    /// Others changed the keys again and again meanwhile.
    Contended,
}

impl From<StoreError> for KeyringError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for KeyringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => write!(f, "the signing keys: {error}"),
            Self::File { path, cause } => write!(f, "{}: {cause}", path.display()),
            Self::Key(cause) => write!(f, "the signing keys: {cause}"),
            Self::Contended => {
                f.write_str("the signing keys were changed by others meanwhile; try again")
            }
        }
    }
}

impl std::error::Error for KeyringError {}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::oauth::time::Lifetime;

    const NOW: Timestamp = Timestamp::from_unix(1_000_000);

    async fn memory() -> Arc<dyn Store> {
        let options = super::super::Options::default();
        super::super::open("memory:", &options)
            .await
            .expect("a store")
    }

    fn sealed(store: &Arc<dyn Store>, secret: &[u8]) -> Keyring {
        Keyring::Record {
            store: Arc::clone(store),
            seal: Some(SealingKey::from_secret(secret).expect("a long secret")),
        }
    }

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

    #[tokio::test]
    async fn made_once_and_found_again_in_every_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let (plain, other) = (memory().await, memory().await);
        for keyring in [
            Keyring::Folder(folder.path().join("keys")),
            Keyring::Record {
                store: plain,
                seal: None,
            },
            sealed(&other, SECRET),
        ] {
            assert!(keyring.read(NOW).await.expect("readable").keys().is_empty());
            let (begun, made) = keyring.open(NOW).await.expect("made");
            assert!(made);
            assert_eq!(
                missing(&begun, NOW).len() + AT_ONCE.len(),
                SigningAlgorithm::ALL.len()
            );
            // Whoever comes between makes the others as well, where nobody may have chosen to have so few.
            let (found, made) = keyring.open(NOW).await.expect("found");
            assert!(found.is_same(&begun) && made == keyring.is_shared());
            // One for each algorithm, and no more when asked again.
            let made = keyring.complete(NOW).await.expect("completed");
            assert_eq!(made.algorithms(NOW), SigningAlgorithm::ALL);
            let again = keyring.complete(NOW).await.expect("unchanged");
            assert!(again.is_same(&made));
            assert!(!keyring.open(NOW).await.expect("found").1);

            let kid = made.keys()[0].key().kid().to_owned();
            let algorithm = made.keys()[0].key().algorithm();
            let rotated = keyring.change(NOW, |keys, now| {
                let (lead, overlap) = (Lifetime::from_seconds(10), Lifetime::from_seconds(20));
                keys.rotate(generate(algorithm)?, now, lead, overlap)
                    .map_err(|error| KeyringError::Key(error.to_string()))
            });
            let rotated = rotated.await.expect("rotated");
            assert!(keyring.read(NOW).await.expect("readable").is_same(&rotated));
            let late = NOW.after(Lifetime::from_seconds(60));
            let kept = keyring.change(late, |keys, now| Ok(keys.without_retired(now)));
            assert_eq!(kept.await.expect("cleaned").keys().len(), made.keys().len());
            let left = keyring.read(late).await.expect("readable");
            assert!(left.keys().iter().all(|key| key.key().kid() != kid));
        }
    }

    #[tokio::test]
    async fn a_sealed_record_needs_its_secret() {
        let store = memory().await;
        sealed(&store, SECRET).open(NOW).await.expect("made");
        let record = store.get(&[record_key()], NOW).await.expect("there");
        let value = &record[0].as_ref().expect("a record").value;
        assert!(!value.windows(7).any(|part| part == b"PRIVATE"));
        let wrong = sealed(&store, b"another secret, as long as the first");
        assert!(matches!(wrong.read(NOW).await, Err(KeyringError::Key(_))));
        let open = Keyring::Record {
            store: Arc::clone(&store),
            seal: None,
        };
        assert!(matches!(open.read(NOW).await, Err(KeyringError::Key(_))));
    }

    #[tokio::test]
    async fn a_change_starts_from_what_another_instance_left() {
        let store = memory().await;
        let keyring = || Keyring::Record {
            store: Arc::clone(&store),
            seal: None,
        };
        let (one, other) = (keyring(), keyring());
        let (one, other) = tokio::join!(one.open(NOW), other.open(NOW));
        assert!(one.expect("made").0.is_same(&other.expect("made").0));
    }

    #[tokio::test]
    async fn a_folder_of_the_operators_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("keys");
        let keyring = Keyring::Folder(place.clone());
        keyring.open(NOW).await.expect("made");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&place), 0o700);
        for entry in fs::read_dir(&place).expect("a folder") {
            let path = entry.expect("an entry").path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
            let lock = path.ends_with(".lock");
            assert!(
                lock || path.extension().is_some_and(|it| it == "pem"),
                "{}",
                path.display()
            );
        }
        // A key under a name of the operator's is kept there when its dates change.
        let keys = keyring.read(NOW).await.expect("readable");
        let kid = keys.keys()[0].key().kid().to_owned();
        fs::rename(place.join(format!("{kid}.pem")), place.join("mine.pem")).expect("renamed");
        let retired = keyring.change(NOW, |keys, now| {
            keys.retire(&kid, now, true)
                .map_err(|error| KeyringError::Key(error.to_string()))
        });
        retired.await.expect("retired");
        assert!(place.join("mine.pem").exists() && !place.join(format!("{kid}.pem")).exists());
        let cleaned = keyring.change(NOW, |keys, now| Ok(keys.without_retired(now)));
        cleaned.await.expect("cleaned");
        assert!(!place.join("mine.pem").exists());

        fs::write(place.join("broken.pem"), "nothing").expect("a file");
        let error = keyring.read(NOW).await.expect_err("a broken file");
        assert!(error.to_string().contains("broken.pem"), "{error}");
        fs::rename(place.join("broken.pem"), place.join("broken.txt")).expect("renamed");
        assert!(keyring.read(NOW).await.is_ok());
    }
}
