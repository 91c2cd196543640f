//! `file:PATH`, a store in one file that survives a crash of the process or the machine.
//!
//! Reads are made where they are asked for, on the caller's thread: one touches a few pages that
//! are nearly always in the cache, takes a few microseconds, and never waits for a writer. All
//! writing is done by one thread ([`writer`]), which makes one transaction, and waits for the disk
//! once, for all that has been asked meanwhile.

mod tables;
mod writer;

use std::fs;
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use redb::Database;
use redb::backends::FileBackend;
use tokio::sync::oneshot;

use super::{Backend, OpenError, Opening, Options, Pending, Store, StoreError};
use crate::oauth::time::Timestamp;
use crate::record::{Changes, Key, Record};
use writer::{Request, Writer};

/// How many commits may wait for the writer; more are refused at once.
const QUEUE: usize = 4096;
/// How long a commit waits for the disk before it is called unavailable.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the writer waits for work before it looks for what has ended.
const SWEEP_EVERY: Duration = Duration::from_secs(10);
/// How much of the file is kept in memory, in octets.
const CACHE: usize = 64 << 20;
/// An interrupted creation leaves a file that is no longer than this, in octets.
const NEWBORN: u64 = 16 << 20;

/// The backend of `file:PATH`.
pub(super) struct File;

impl Backend for File {
    fn schemes(&self) -> &'static [&'static str] {
        &["file"]
    }

    fn open<'a>(&self, url: &'a str, _: &'a Options) -> Opening<'a> {
        let path = PathBuf::from(url.strip_prefix("file:").unwrap_or_default());
        Box::pin(async move {
            if path.as_os_str().is_empty() {
                let wrong = "file: needs a path: write, for example, file:/var/lib/certbound/store";
                return Err(OpenError::Malformed(wrong.to_owned()));
            }
            tokio::task::spawn_blocking(move || FileStore::open(path, SWEEP_EVERY))
                .await
                .unwrap_or_else(|_| Err(OpenError::Refused("the store's file is damaged".into())))
                .map(|store| Arc::new(store) as Arc<dyn Store>)
        })
    }
}

struct FileStore {
    path: PathBuf,
    shared: Arc<Shared>,
    /// Taken when the store is dropped, which ends the writer.
    requests: Option<SyncSender<Request>>,
    writer: Option<JoinHandle<()>>,
}

/// What the writer and the readers share.
#[derive(Default)]
struct Shared {
    /// `None` while the database could not be opened again after a failure.
    database: RwLock<Option<Arc<Database>>>,
    /// Whether the last attempt to write failed.
    failing: AtomicBool,
}

impl Shared {
    fn database(&self) -> Option<Arc<Database>> {
        // What the lock guards is replaced in one step, so a poisoned lock guards nothing half done.
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        database.clone()
    }

    fn replace(&self, database: Option<Arc<Database>>) -> Option<Arc<Database>> {
        let mut current = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *current, database)
    }
}

impl FileStore {
    fn open(path: PathBuf, sweep_every: Duration) -> Result<Self, OpenError> {
        let database = open_database(&path)?;
        let shared = Arc::new(Shared::default());
        shared.replace(Some(Arc::new(database)));
        let (sender, receiver) = sync_channel(QUEUE);
        let writer = Writer::new(path.clone(), Arc::clone(&shared), receiver, sweep_every);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| OpenError::Refused(format!("no thread for the store: {error}")))?;
        Ok(Self {
            path,
            shared,
            requests: Some(sender),
            writer: Some(thread),
        })
    }

    fn read(&self, keys: &[Key], now: Timestamp) -> Result<Vec<Option<Record>>, redb::Error> {
        let database = self.shared.database().ok_or(redb::Error::DatabaseClosed)?;
        guarded(|| tables::read(&database, keys, now))
    }

    async fn write(&self, changes: Changes, now: Option<Timestamp>) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        let request = Request {
            changes,
            now,
            answer,
        };
        let sent = self
            .requests
            .as_ref()
            .map(|requests| requests.try_send(request));
        match sent {
            Some(Ok(())) => {}
            Some(Err(TrySendError::Full(_))) => {
                return Err(StoreError::Unavailable(
                    "too many commits are waiting".into(),
                ));
            }
            Some(Err(TrySendError::Disconnected(_))) | None => return Err(stopped()),
        }
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(stopped()),
            Err(_) => Err(StoreError::Unavailable("the disk does not answer".into())),
        }
    }
}

impl Store for FileStore {
    fn get<'a>(&'a self, keys: &'a [Key], now: Timestamp) -> Pending<'a, Vec<Option<Record>>> {
        Box::pin(async move { self.read(keys, now).map_err(|error| unavailable(&error)) })
    }

    fn commit<'a>(&'a self, changes: &'a Changes, now: Timestamp) -> Pending<'a, ()> {
        Box::pin(async move {
            if changes.is_empty() {
                return Ok(());
            }
            self.write(changes.clone(), Some(now)).await
        })
    }

    fn ready(&self) -> Pending<'_, ()> {
        Box::pin(async {
            self.read(&[], Timestamp::from_unix(0))
                .map_err(|error| unavailable(&error))?;
            // A write costs a wait for the disk, so it is only made where the last one failed.
            if self.shared.failing.load(Ordering::Relaxed) {
                self.write(Changes::none(), None).await?;
            }
            Ok(())
        })
    }

    fn warnings(&self) -> Pending<'_, Vec<String>> {
        Box::pin(async {
            let metadata = fs::metadata(&self.path)
                .map_err(|error| StoreError::Unavailable(error.to_string()))?;
            let mode = metadata.permissions().mode() & 0o777;
            let mut warnings = Vec::new();
            if mode & 0o077 != 0 {
                let path = self.path.display();
                warnings.push(format!(
                    "others may read or write {path} (mode {mode:04o}): chmod 600 {path}"
                ));
            }
            Ok(warnings)
        })
    }
}

impl Drop for FileStore {
    /// Ends the writer, after what it was asked to do, so that the file can be opened again at once.
    fn drop(&mut self) {
        self.requests.take();
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has nothing left to lose.
            writer.join().ok();
        }
    }
}

fn stopped() -> StoreError {
    StoreError::Unavailable("the store's writer has stopped".to_owned())
}

fn unavailable(error: &redb::Error) -> StoreError {
    StoreError::Unavailable(format!("the store's file: {error}"))
}

/// Opens the database in that file, which is made with mode 0600 if there is none.
fn open_database(path: &Path) -> Result<Database, OpenError> {
    let refuse = OpenError::Refused;
    let name = path.display();
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !parent.is_dir() {
        return Err(refuse(format!(
            "there is no directory {}: make it, and give it to the user certbound runs as",
            parent.display()
        )));
    }
    if path.is_dir() {
        return Err(refuse(format!("{name} is a directory: name a file in it")));
    }
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|error| refuse(format!("cannot open {name} for writing: {error}")))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return Err(OpenError::InUse(in_use(path))),
        Err(fs::TryLockError::Error(error)) => {
            return Err(refuse(format!("cannot lock {name}: {error}")));
        }
    }
    forget_interrupted_creation(&file)
        .map_err(|error| refuse(format!("cannot read {name}: {error}")))?;
    let backend = FileBackend::new(file).map_err(|error| refuse(refusal(path, error)))?;
    let database = guarded(|| {
        let mut builder = redb::Builder::new();
        Ok(builder.set_cache_size(CACHE).create_with_backend(backend)?)
    });
    let database = database.map_err(|error| refuse(refusal(path, error)))?;
    guarded(|| tables::create(&database))
        .map_err(|error| refuse(format!("cannot write to {name}: {error}")))?;
    // The name of a new file is on disk only when its directory is.
    fs::File::open(parent)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| refuse(format!("cannot sync {}: {error}", parent.display())))?;
    Ok(database)
}

/// A process killed while it made the file leaves one that has its length but not yet its first
/// octets, and that would be refused for ever. Nothing was ever committed to it, so it starts again.
fn forget_interrupted_creation(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::FileExt as _;
    let length = file.metadata()?.len();
    if length == 0 || length > NEWBORN {
        return Ok(());
    }
    let mut start = [0; 9];
    let start = &mut start[..usize::try_from(length.min(9)).unwrap_or(9)];
    file.read_exact_at(start, 0)?;
    if start.iter().all(|octet| *octet == 0) {
        file.set_len(0)?;
    }
    Ok(())
}

/// Calls redb, which may panic where the file was damaged: that is an error like any other. What it
/// left half done in memory is not used again, or only by redb, which knows its locks are poisoned.
fn guarded<T>(call: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, redb::Error> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|_| Err(redb::Error::Corrupted("it is damaged".to_owned())))
}

fn in_use(path: &Path) -> String {
    format!(
        "{} is in use by another certbound: stop that one first, give each its own file, or share a Redis",
        path.display()
    )
}

fn refusal(path: &Path, error: impl Into<redb::Error>) -> String {
    let name = path.display();
    match error.into() {
        redb::Error::DatabaseAlreadyOpen => in_use(path),
        redb::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
            format!("{name} is not a store of certbound's: name another file, or move it away")
        }
        error => format!("cannot open {name}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::secret::Digest;
    use crate::record::Kind;

    #[tokio::test]
    async fn what_has_ended_is_removed_though_nobody_asks() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("store");
        let store = FileStore::open(path, Duration::from_millis(20)).expect("a new store");
        let mut changes = Changes::none();
        for number in 0..600_u32 {
            let key = Key::new(Kind::AccessToken, &Digest::of(&number.to_be_bytes()));
            let expires = Some(Timestamp::from_unix(if number == 0 { 9 } else { 2 }));
            changes = changes.put(
                key,
                Record {
                    value: b"{}".to_vec(),
                    expires,
                },
            );
        }
        store
            .commit(&changes, Timestamp::from_unix(1))
            .await
            .expect("no conditions");
        let count = || {
            let database = store.shared.database().expect("it is open");
            let transaction = tables::begin(&database).expect("it can be written");
            tables::Tables::open(&transaction)
                .and_then(|tables| tables.len())
                .expect("it answers")
        };
        assert_eq!(count(), (600, 600));
        tokio::time::sleep(Duration::from_millis(1400)).await;
        assert_eq!(count(), (1, 1), "time went on by itself");
    }
}
