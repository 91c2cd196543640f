//! A connection to Redis of a thread's own. One that lives on another thread costs two wakes for each lot of commands:
//! of the thread that sends them, and of the one that waits for the answers.
//!
//! It leads to the very server that the [`Link`] leads to, as was seen when it was made, and is used only as long as that
//! one lasts: what is written over the one is told, and read, over the other. Whatever reads in order to keep a copy asks
//! over the link, on which Redis tells of changes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;

use super::faults::cause;
use super::link::Link;

/// How long until one is tried again that could not be made. The link does meanwhile.
const AGAIN: Duration = Duration::from_secs(10);

/// The connection of a thread, as soon as it has asked for something.
#[derive(Default)]
pub(super) struct Lane(Mutex<State>);

#[derive(Default)]
enum State {
    #[default]
    None,
    /// Somebody is making one.
    Made,
    Failed(Instant),
    Open {
        /// The how manyth connection of the link leads to the same server.
        beside: u64,
        connection: MultiplexedConnection,
        end: End,
    },
}

/// Whether a connection has ended.
#[derive(Clone, Default)]
pub(super) struct End(Arc<AtomicBool>);

impl End {
    pub(super) fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn has_come(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Lane {
    /// The connection, if there is one to the server that this connection of the link leads to. Else one is made
    /// meanwhile, in the runtime of whoever asks.
    pub(super) fn beside(
        self: &Arc<Self>,
        link: &Arc<Link>,
        number: u64,
    ) -> Option<MultiplexedConnection> {
        let mut state = self.state();
        match &*state {
            State::Open {
                beside,
                connection,
                end,
            } if *beside == number && !end.has_come() => return Some(connection.clone()),
            State::Made => return None,
            State::Failed(at) if at.elapsed() < AGAIN => return None,
            State::None | State::Failed(_) | State::Open { .. } => *state = State::Made,
        }
        drop(state);
        let (lane, link) = (Arc::clone(self), Arc::clone(link));
        tokio::spawn(async move {
            let end = End::default();
            let made = match link.another(number, end.clone()).await {
                Ok(connection) => State::Open {
                    beside: number,
                    connection,
                    end,
                },
                Err(error) => {
                    let cause = cause(&error);
                    tracing::debug!(cause, "a thread has no connection to Redis of its own");
                    State::Failed(Instant::now())
                }
            };
            *lane.state() = made;
        });
        None
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while this is locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
