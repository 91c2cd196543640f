//! A connection to Redis of a thread's own. One that lives on another thread costs two wakes for each lot of commands:
//! of the thread that sends them, and of the one that waits for the answers.
//!
//! It leads to the very server that the [`Link`] leads to, as was seen when it was made, and lasts no longer than that
//! one: what is written over the one is told, and read, over the other. Whatever reads in order to keep a copy asks over
//! the link, on which Redis tells of changes. No heartbeat goes over a lane, and so none is kept at rest: whoever
//! forgets connections that are idle (a firewall, Redis itself) tells nobody.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use tokio::sync::Notify;

use super::link::{Link, NoLane};

/// How long until one is tried again that failed, or ended by itself, doubled each time that it does again; and how long
/// at most, or where it is the server's or the operator's will. The link does meanwhile.
const SOON: Duration = Duration::from_secs(1);
const LATER: Duration = Duration::from_secs(30);
/// After so many times somebody is told.
const TOLD: u32 = 3;
/// Who did not ask for so long is at rest.
const REST: Duration = Duration::from_millis(500);
/// Who asked so often without a rest is busy: to make a connection for fewer costs more than it saves.
const BUSY: u32 = 16;

/// The connection of a thread that is busy.
#[derive(Default)]
pub(super) struct Lane(Mutex<State>);

/// What becomes of it, of which its keeper sees to all but the beginning.
#[derive(Default)]
enum State {
    #[default]
    AtRest,
    /// There is none, somebody asked so often, and then last.
    Asked(u32, Instant),
    /// None is to be tried before that beside this connection of the link, and it failed so often.
    Failed {
        beside: u64,
        until: Instant,
        times: u32,
    },
    /// It is being made.
    Kept,
    Open {
        /// The how manyth connection of the link leads to the same server.
        beside: u64,
        connection: MultiplexedConnection,
        end: End,
        used: Instant,
    },
}

/// The end of a connection.
#[derive(Clone, Default)]
pub(super) struct End(Arc<Ending>);

#[derive(Default)]
struct Ending {
    has_come: AtomicBool,
    comes: Notify,
}

impl End {
    /// It has come, or is to.
    pub(super) fn note(&self) {
        self.0.has_come.store(true, Ordering::Relaxed);
        self.0.comes.notify_one();
    }

    fn has_come(&self) -> bool {
        self.0.has_come.load(Ordering::Relaxed)
    }
}

impl Lane {
    /// The connection, if there is one to the server that this connection of the link leads to, and its end. Else one is
    /// made meanwhile for whoever is busy, in the runtime in which this is called.
    pub(super) fn beside(
        self: &Arc<Self>,
        link: &Arc<Link>,
        number: u64,
    ) -> Option<(MultiplexedConnection, End)> {
        let mut state = self.state();
        match &mut *state {
            State::Open {
                beside,
                connection,
                end,
                used,
            } => {
                let is_good = *beside == number && !end.has_come() && used.elapsed() < REST;
                return is_good.then(|| {
                    *used = Instant::now();
                    (connection.clone(), end.clone())
                });
            }
            State::Kept => return None,
            State::Failed { beside, until, .. } if *beside == number && Instant::now() < *until => {
                return None;
            }
            State::Asked(times, at) if at.elapsed() < REST => {
                (*times, *at) = (*times + 1, Instant::now());
                if *times < BUSY {
                    return None;
                }
            }
            State::AtRest | State::Asked(..) => {
                *state = State::Asked(1, Instant::now());
                return None;
            }
            State::Failed { .. } => {}
        }
        let failed = match std::mem::replace(&mut *state, State::Kept) {
            State::Failed { times, .. } => times,
            _ => 0,
        };
        drop(state);
        let (lane, link) = (Arc::clone(self), Arc::clone(link));
        tokio::spawn(async move {
            let left = lane.keep(&link, number, failed).await;
            *lane.state() = left;
        });
        None
    }

    /// Makes it, and closes it when it is to be used no more.
    async fn keep(&self, link: &Link, number: u64, failed: u32) -> State {
        let fail = |times: u32, wait: Duration| State::Failed {
            beside: number,
            until: Instant::now() + wait,
            times,
        };
        let again = |times: u32| (SOON * 2_u32.saturating_pow(times.min(5))).min(LATER);
        let end = End::default();
        let connection = match link.another(number, end.clone()).await {
            Ok(connection) => connection,
            Err(NoLane::OtherLink) => return State::AtRest,
            Err(NoLane::NotNow(cause)) => {
                if failed + 1 == TOLD {
                    link.complain_of_lanes(&cause);
                }
                return fail(failed + 1, again(failed));
            }
            Err(NoLane::Refused(cause)) => {
                link.complain_of_lanes(&cause);
                return fail(failed + 1, LATER);
            }
        };
        let made = Instant::now();
        *self.state() = State::Open {
            beside: number,
            connection,
            end: end.clone(),
            used: made,
        };
        loop {
            tokio::select! {
                () = link.is_another_than(number) => return State::AtRest,
                () = end.0.comes.notified() => {
                    let failed = if made.elapsed() < LATER { failed } else { 0 };
                    return fail(failed + 1, again(failed));
                }
                () = tokio::time::sleep(REST) => {}
            }
            if let State::Open { used, .. } = &*self.state()
                && used.elapsed() >= REST
            {
                return State::AtRest;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while this is locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use redis::{AsyncConnectionConfig, Client, RedisConnectionInfo};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    /// A connection to somebody who agrees to everything.
    async fn connection() -> MultiplexedConnection {
        let (near, mut far) = duplex(4096);
        tokio::spawn(async move {
            let mut octets = [0; 4096];
            while let Ok(1..) = far.read(&mut octets).await {
                far.write_all(b"+OK\r\n+OK\r\n").await.expect("room");
            }
        });
        let (info, config) = (RedisConnectionInfo::default(), AsyncConnectionConfig::new());
        let made = MultiplexedConnection::new_with_config(&info, near, config).await;
        let (connection, driver) = made.expect("nothing is refused");
        tokio::spawn(driver);
        connection
    }

    /// Its keeper closes it soon after; until it is that far, whoever asks sees for themselves.
    #[tokio::test]
    async fn one_that_is_to_be_used_no_more_is_not() {
        let client = Client::open("redis://127.0.0.1:1").expect("a URL");
        let link = Arc::new(Link::new(client, None));
        let (connection, end) = (connection().await, End::default());
        let lane = Arc::new(Lane::default());
        let open = |used| {
            *lane.state() = State::Open {
                beside: 7,
                connection: connection.clone(),
                end: end.clone(),
                used,
            };
        };
        let is_used = |number| lane.beside(&link, number).is_some();
        open(Instant::now());
        assert!(is_used(7));
        assert!(!is_used(8), "the link is another");
        assert!(is_used(7));
        open(
            Instant::now()
                .checked_sub(REST)
                .expect("the machine runs for longer"),
        );
        assert!(!is_used(7), "it rests");
        open(Instant::now());
        end.note();
        assert!(!is_used(7), "it has ended");
    }
}
