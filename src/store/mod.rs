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
//! - A store may keep copies (`at_hand`). They are never more than a second behind, and never behind what was
//!   committed through this instance.

mod file;
pub mod keyring;
mod last_seen;
mod memory;
mod redis;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use crate::oauth::time::Timestamp;
use crate::record::{Changes, Key, Record};

/// The stores there are, each with the URL schemes that name it.
pub const STORES: &[&dyn Backend] = &[&memory::Memory, &file::File, &redis::Redis];

/// A kind of store: knows its URLs and opens them.
pub trait Backend: Sync {
    /// What stands before the first colon of its URLs.
    fn schemes(&self) -> &'static [&'static str];

    /// Opens the store that `url` names. A store at the other end of a network need not be there yet.
    fn open<'a>(&self, url: &'a str, options: &'a Options) -> Opening<'a>;
}

/// What opening a store answers with, some time later.
pub type Opening<'a> = Pin<Box<dyn Future<Output = Result<Arc<dyn Store>, OpenError>> + Send + 'a>>;

/// What a store's URL does not say.
#[derive(Clone, Debug)]
pub struct Options {
    /// The certificates, in PEM, one of which must have issued that of a `rediss://` server; without,
    /// the system's own authorities are believed.
    pub redis_ca: Option<Vec<u8>>,
    /// Whether a store at the other end of a network may keep copies of records, as long as it is told of changes.
    pub copies: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            redis_ca: None,
            copies: true,
        }
    }
}

/// Opens the store that `url` names. Must be called within a Tokio runtime.
///
/// # Errors
/// The URL names no store, or not one that can be opened here. A Redis that is not reachable is no
/// such error: the store says [`StoreError::Unavailable`] until it is.
pub async fn open(url: &str, options: &Options) -> Result<Arc<dyn Store>, OpenError> {
    let Some((scheme, _)) = url.split_once(':') else {
        return Err(OpenError::NoScheme(
            STORES
                .iter()
                .flat_map(|store| store.schemes())
                .find(|scheme| **scheme == url)
                .copied(),
        ));
    };
    if matches!(scheme, "redis+cluster" | "redis+sentinel") {
        return Err(OpenError::NotSupportedYet(scheme.to_owned()));
    }
    let known = STORES
        .iter()
        .find(|store| store.schemes().contains(&scheme))
        .ok_or_else(|| OpenError::UnknownScheme(scheme.to_owned()))?;
    known.open(url, options).await
}

/// The URL of a store as it may be printed: without user name, password or parameters.
pub fn printable(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once(':') else {
        return "…".to_owned();
    };
    match scheme {
        "memory" | "file" => url.to_owned(),
        _ if scheme.starts_with("redis") => {
            // A password that was not percent-encoded may contain anything, so everything up to the
            // last `@` is taken for credentials, even past a slash or a question mark.
            let rest = rest.trim_start_matches('/');
            let (hidden, place) = rest
                .rsplit_once('@')
                .map_or(("", rest), |(_, place)| ("…@", place));
            let place = place.split(['?', '#']).next().unwrap_or_default();
            let slash = if scheme == "redis+unix" { "/" } else { "" };
            format!("{scheme}://{slash}{hidden}{place}")
        }
        _ => "…".to_owned(),
    }
}

/// What a store answers with, some time later.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Keeps records.
pub trait Store: Send + Sync {
    /// The records of those keys, as they are now, in that order.
    fn get<'a>(&'a self, keys: &'a [Key], now: Timestamp) -> Pending<'a, Vec<Option<Record>>>;

    /// The records of those keys out of this instance's memory, as they were less than a second ago at the earliest,
    /// and as this instance left them at least; nothing where it has not all of them.
    fn at_hand(&self, _keys: &[Key], _now: Timestamp) -> Option<Vec<Option<Record>>> {
        None
    }

    /// As [`get`](Self::get), and what is found may be [`at_hand`](Self::at_hand) from then on.
    fn get_and_copy<'a>(
        &'a self,
        keys: &'a [Key],
        now: Timestamp,
    ) -> Pending<'a, Vec<Option<Record>>> {
        self.get(keys, now)
    }

    /// The records of those keys as this instance wrote or saw them last, which may be long ago: only for whoever
    /// commits on the condition that they are still so.
    fn last_known(&self, _keys: &[Key], _now: Timestamp) -> Option<Vec<Option<Record>>> {
        None
    }

    /// Makes the changes in one step if their conditions hold.
    fn commit<'a>(&'a self, changes: &'a Changes, now: Timestamp) -> Pending<'a, ()>;

    /// Whether the store could be used right now, for reading and for writing.
    fn ready(&self) -> Pending<'_, ()>;

    /// Whether the store is known to be there at this moment, without asking it. No is no verdict: who
    /// needs one asks whether it is [`ready`](Self::ready).
    fn is_there(&self) -> bool {
        false
    }

    /// What an operator should know about how this store is set up, each in a sentence; nothing is
    /// what one hopes for.
    fn warnings(&self) -> Pending<'_, Vec<String>> {
        Box::pin(async { Ok(Vec::new()) })
    }
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

/// Why a store could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// There is no colon in the URL; the scheme that was probably meant, if any.
    NoScheme(Option<&'static str>),
    /// No store has that scheme.
    UnknownScheme(String),
    /// The scheme is known, but this version has no such store.
    NotSupportedYet(String),
    /// The URL is of a known scheme but not as it should be: what is wrong and what to write.
    Malformed(String),
    /// The store is good, and another process has it for itself.
    InUse(String),
    /// The store exists but cannot be used: why.
    Refused(String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoScheme(Some(scheme)) => {
                write!(f, "the store's URL lacks its colon: write {scheme}:")
            }
            Self::NoScheme(None) => {
                f.write_str("that is not the URL of a store: write one of ")?;
                write_schemes(f)
            }
            Self::UnknownScheme(scheme) => {
                write!(f, "there is no store {scheme:?}: write one of ")?;
                write_schemes(f)
            }
            Self::NotSupportedYet(scheme) => {
                write!(
                    f,
                    "{scheme}:// is not supported yet by this version: write one of "
                )?;
                write_schemes(f)
            }
            Self::Malformed(what) | Self::InUse(what) | Self::Refused(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for OpenError {}

fn write_schemes(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let schemes = STORES.iter().flat_map(|store| store.schemes());
    for (index, scheme) in schemes.enumerate() {
        write!(f, "{}{scheme}:", if index == 0 { "" } else { ", " })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printable_urls_have_no_credentials() {
        for (url, expected) in [
            ("memory:", "memory:"),
            (
                "file:/var/lib/certbound/store",
                "file:/var/lib/certbound/store",
            ),
            ("redis://localhost", "redis://localhost"),
            ("redis://localhost:7000/3", "redis://localhost:7000/3"),
            (
                "rediss://user:hunter2@redis.example/1",
                "rediss://…@redis.example/1",
            ),
            (
                "redis://:hun/ter?2@x@redis.example",
                "redis://…@redis.example",
            ),
            (
                "redis+unix:///run/redis.sock?pass=hunter2",
                "redis+unix:///run/redis.sock",
            ),
            (
                "redis+sentinel://:hunter2@a,b/main",
                "redis+sentinel://…@a,b/main",
            ),
            ("postgres://user:hunter2@db", "…"),
            ("hunter2", "…"),
        ] {
            assert_eq!(printable(url), expected);
        }
    }
}
