//! The one thread that writes to the file, many commits in one transaction.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use redb::{Database, Error};
use tokio::sync::oneshot;

use super::super::StoreError;
use super::super::last_seen::LastSeen;
use super::tables::{self, Tables};
use super::{Shared, guarded, open_database};
use crate::oauth::time::Timestamp;
use crate::record::{Changes, Key};

/// How many commits share a transaction at most.
const BATCH: usize = 64;
/// How many ended records are removed with each transaction at most.
const SWEPT: usize = 256;
/// How long the writer waits for work before it tries again to open the file.
const REOPEN_EVERY: Duration = Duration::from_millis(500);

/// A commit, and where its outcome goes.
pub(super) struct Request {
    pub(super) changes: Changes,
    /// When it was asked; `None` asks only whether anything can be written.
    pub(super) now: Option<Timestamp>,
    pub(super) answer: oneshot::Sender<Result<(), StoreError>>,
}

pub(super) struct Writer {
    path: PathBuf,
    shared: Arc<Shared>,
    requests: Receiver<Request>,
    /// How long to wait for work before looking for what has ended.
    sweep_every: Duration,
    last_seen: LastSeen,
    /// A database that failed: it must be closed before the file can be opened again.
    failed: Option<Arc<Database>>,
}

/// What a transaction came to: the conflict of each request, and whether more has ended than could
/// be removed at once.
struct Written {
    conflicts: Vec<Option<Key>>,
    more_to_sweep: bool,
}

impl Writer {
    pub(super) fn new(
        path: PathBuf,
        shared: Arc<Shared>,
        requests: Receiver<Request>,
        sweep_every: Duration,
    ) -> Self {
        Self {
            path,
            shared,
            requests,
            sweep_every,
            last_seen: LastSeen::default(),
            failed: None,
        }
    }

    /// Works until the store is dropped and everything asked before has been answered.
    pub(super) fn run(mut self) {
        let mut pause = self.sweep_every;
        loop {
            let mut batch = Vec::new();
            match self.requests.recv_timeout(pause) {
                Ok(request) => {
                    batch.push(request);
                    batch.extend(self.requests.try_iter().take(BATCH - 1));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if let Some(now) = batch.iter().rev().find_map(|request| request.now) {
                self.last_seen.note(now);
            }
            pause = match self.write(&batch) {
                Ok(written) => {
                    answer(batch, &written.conflicts);
                    if written.more_to_sweep {
                        Duration::ZERO
                    } else {
                        self.sweep_every
                    }
                }
                Err(cause) => {
                    for request in batch {
                        // Nobody is left to hear it where the request was given up.
                        request
                            .answer
                            .send(Err(StoreError::Unavailable(cause.clone())))
                            .ok();
                    }
                    REOPEN_EVERY
                }
            };
        }
    }

    /// Writes the batch. After a failure the database is opened anew, because it refuses everything
    /// once the disk has refused anything.
    fn write(&mut self, batch: &[Request]) -> Result<Written, String> {
        let database = self.database()?;
        let now = self.last_seen.estimate();
        let written = guarded(|| transact(&database, batch, now))
            .map_err(|error| format!("the store's file: {error}"));
        drop(database);
        self.shared
            .failing
            .store(written.is_err(), Ordering::Relaxed);
        if written.is_err() {
            self.failed = self.shared.replace(None);
            // If that fails now it is tried again with the next batch.
            self.database().ok();
        }
        written
    }

    fn database(&mut self) -> Result<Arc<Database>, String> {
        if let Some(database) = self.shared.database() {
            return Ok(database);
        }
        if let Some(failed) = self.failed.take()
            && let Err(failed) = Arc::try_unwrap(failed)
        {
            self.failed = Some(failed);
            return Err("the store's file is being opened again".to_owned());
        }
        let database = Arc::new(open_database(&self.path).map_err(|error| error.to_string())?);
        self.shared.replace(Some(Arc::clone(&database)));
        Ok(database)
    }
}

/// One transaction for the whole batch. Each request's conditions are checked against what those
/// before it did; one that conflicts leaves no trace. Returns when all is on disk.
fn transact(
    database: &Database,
    batch: &[Request],
    sweep_at: Option<Timestamp>,
) -> Result<Written, Error> {
    let transaction = tables::begin(database)?;
    let mut conflicts = Vec::with_capacity(batch.len());
    let mut dirty = false;
    let swept = {
        let mut tables = Tables::open(&transaction)?;
        for request in batch {
            let conflict = if let Some(now) = request.now {
                tables.apply(&request.changes, now)?
            } else {
                tables.probe()?;
                None
            };
            dirty |= conflict.is_none();
            conflicts.push(conflict);
        }
        match sweep_at {
            Some(now) => tables.sweep(now, SWEPT)?,
            None => 0,
        }
    };
    if dirty || swept > 0 {
        transaction.commit()?;
    } else {
        transaction.abort()?;
    }
    Ok(Written {
        conflicts,
        more_to_sweep: swept == SWEPT,
    })
}

fn answer(batch: Vec<Request>, conflicts: &[Option<Key>]) {
    for (request, conflict) in batch.into_iter().zip(conflicts) {
        let outcome = match conflict {
            None => Ok(()),
            Some(key) => Err(StoreError::Conflict(key.clone())),
        };
        // Nobody is left to hear it where the request was given up.
        request.answer.send(outcome).ok();
    }
}
