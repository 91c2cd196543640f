//! Where records are kept.
//!
//! # The contract, for whoever writes a store
//!
//! - `get` answers in the order asked; a record that is not there or has expired is `None`, which is
//!   not an error.
//! - `commit` is one atomic step: it checks every condition and makes every operation, or none.
//! - Once `commit` has answered, a `get` that starts later, on this or any other instance on the
//!   same store, sees its work. A durable store has it on disk by then.
//! - A store that cannot answer says [`StoreError::Unavailable`] soon (within seconds), and recovers
//!   by itself when it can be reached again.
//! - Every record with an end is removed without being asked for.

use std::fmt;
use std::pin::Pin;

use crate::oauth::time::Timestamp;
use crate::record::{Changes, Key, Record};

/// What a store answers with, some time later.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Keeps records.
pub trait Store: Send + Sync {
    /// The records of those keys, as they are now, in that order.
    fn get<'a>(&'a self, keys: &'a [Key], now: Timestamp) -> Pending<'a, Vec<Option<Record>>>;

    /// Makes the changes in one step if their conditions hold.
    fn commit<'a>(&'a self, changes: &'a Changes, now: Timestamp) -> Pending<'a, ()>;

    /// Whether the store could be used right now.
    fn ready(&self) -> Pending<'_, ()>;
}

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// A condition on this key did not hold, so nothing was changed.
    Conflict(Key),
    /// The store did not answer, or not in time; for the log. Whether a commit happened is unknown,
    /// but it happened whole or not at all.
    Unavailable(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict(key) => write!(f, "the record {} is not as it was", key.as_str()),
            Self::Unavailable(cause) => write!(f, "the store is unavailable: {cause}"),
        }
    }
}

impl std::error::Error for StoreError {}
