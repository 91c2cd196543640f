//! One connection to Redis, shared by all requests, and made again when it fails. Where copies are kept it is also the
//! one on which Redis tells of changes (`CLIENT TRACKING` in RESP3): what is asked, what is written and what is told
//! come over one connection from one server, in one order. With two, each could lead to a server of its own, and a
//! change made over one would never be told over the other. What nobody is told of goes over a [`Lane`], where a thread has
//! one to the same server.
//!
//! `redis::aio::ConnectionManager` is not used, because it keeps a failure for ever that is not one of
//! input or output (a Redis that is loading its data, or whose password is put right later), and
//! keeps a connection on which nothing is answered until the kernel gives it up.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Client, ErrorKind, Pipeline, PushInfo, PushKind, RedisError, RedisResult, Value};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};

use super::clock::Clock;
use super::connect::{self, Made};
use super::copies::Copies;
use super::faults::{ANSWER, Refusal, cause, condemns, is_lasting, unanswered, within};
use super::lane::{End, Lane};
use super::probe::{Ear, Probed, is_same, probe};

/// How long a failed attempt to connect answers for those who come after it, so that a Redis that
/// is down is not asked once for every request.
const PAUSE: Duration = Duration::from_millis(200);
/// How long until one is tried again on which Redis tells of changes, where it did not: whoever may not ask to be told
/// may be allowed to meanwhile.
const AGAIN: Duration = Duration::from_secs(60);
/// How soon what is asked is to be begun, so that its answer is in time.
const HEARD: Duration = Duration::from_millis(750);
const _: () = assert!(HEARD.as_millis() < ANSWER.as_millis());

pub(super) struct Link {
    /// Where connections are made, and live.
    home: Handle,
    /// Speaks RESP2, which every server does.
    client: Client,
    copying: Option<Copying>,
    current: Mutex<Option<Open>>,
    /// Held by the one who connects, while the others wait: the last failure, and when it was.
    last_failure: tokio::sync::Mutex<Option<(Instant, RedisError)>>,
    /// How many connections were begun.
    begun: AtomicU64,
    /// Whether Redis is known to be there at this moment.
    there: AtomicBool,
    /// Told when a connection ends of which that is heard.
    ended: Notify,
    clock: Clock,
    /// The current connection's, or 0.
    numbers: watch::Sender<u64>,
    /// Why threads have no connections of their own, if they could not be made.
    lanes: Refusal,
}

/// What it takes to be told of changes.
struct Copying {
    /// Speaks RESP3.
    client: Client,
    copies: Copies,
    /// Why Redis does not tell, if it does not.
    refusal: Refusal,
}

/// A connection to ask over.
#[derive(Clone)]
struct Open {
    /// The how manyth it is.
    number: u64,
    made: Instant,
    connection: MultiplexedConnection,
    /// Where Redis tells of changes on it.
    ear: Option<Ear>,
}

/// Why a thread has no connection of its own.
pub(super) enum NoLane {
    /// The link is another by now, or none.
    OtherLink,
    /// The network did not let it, for this cause.
    NotNow(String),
    /// The server did not, or it led to another.
    Refused(String),
}

impl Link {
    /// Connects to nothing yet. With a client that speaks RESP3 copies are kept. Must be called within the runtime that is
    /// to have the connection, whoever asks over it.
    pub(super) fn new(client: Client, telling: Option<Client>) -> Self {
        Self {
            home: Handle::current(),
            client,
            copying: telling.map(|client| Copying {
                client,
                copies: Copies::new(),
                refusal: Refusal::default(),
            }),
            current: Mutex::default(),
            last_failure: tokio::sync::Mutex::default(),
            begun: AtomicU64::new(0),
            there: AtomicBool::new(false),
            ended: Notify::new(),
            clock: Clock::new(),
            numbers: watch::Sender::new(0),
            lanes: Refusal::default(),
        }
    }

    /// The copies, where some are kept.
    pub(super) fn copies(&self) -> Option<&Copies> {
        self.copying.as_ref().map(|copying| &copying.copies)
    }

    /// Whether Redis is known to be there at this moment.
    pub(super) fn is_there(&self) -> bool {
        self.there.load(Ordering::Relaxed)
    }

    /// Takes note of whether it is.
    pub(super) fn note(&self, is_there: bool) {
        self.there.store(is_there, Ordering::Relaxed);
    }

    /// Waits until a connection ends of which that is heard.
    pub(super) async fn end(&self) {
        self.ended.notified().await;
    }

    /// Whether Redis tells of changes at this moment, or there is nothing to be told.
    pub(super) fn is_told(&self) -> bool {
        let current = self.current();
        current.as_ref().is_some_and(|open| open.ear.is_some())
    }

    /// Why Redis does not tell of changes, where it should and does not.
    pub(super) fn refusal(&self) -> Option<String> {
        self.copying.as_ref()?.refusal.cause()
    }

    /// The last millisecond since 1970, by the clock of whoever is connected to, in which what is asked now may be begun:
    /// after it the answer might find nobody who waits.
    pub(super) async fn deadline(self: &Arc<Self>) -> RedisResult<i64> {
        // Whoever is connected to is asked for the time first.
        if self.current().is_none() {
            self.connection().await?;
        }
        Ok(self.clock.after(HEARD))
    }

    /// Sends `count` commands once, together, and awaits their answers.
    pub(super) async fn pipeline(
        self: &Arc<Self>,
        pipeline: &Pipeline,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        self.ask(pipeline, count, None).await?.into_iter().collect()
    }

    /// The same, where each answer may be an error of its own; over that lane if it is open.
    pub(super) async fn ask(
        self: &Arc<Self>,
        commands: &Pipeline,
        count: usize,
        lane: Option<&Arc<Lane>>,
    ) -> RedisResult<Vec<RedisResult<Value>>> {
        let mut open = self.connection().await?;
        // Where the end of a connection is not heard of, another would cost somebody an answer whenever it ends.
        let lane = lane.filter(|_| open.ear.is_some());
        let answers = match lane.and_then(|lane| lane.beside(self, open.number)) {
            None => {
                let asked = open.connection.send_packed_commands(commands, 0, count);
                self.keep_or_drop(open.number, within(asked).await)?
            }
            Some((mut connection, end)) => {
                let asked = connection.send_packed_commands(commands, 0, count);
                // What is wrong with the lane may be wrong with it alone. Whether Redis is there is seen at once.
                within(asked).await.inspect_err(|_| {
                    end.note();
                    self.ended.notify_one();
                })?
            }
        };
        let extracted = answers.into_iter().map(Value::extract_error);
        // Whichever it came over: both lead to the same server.
        let kept = extracted.map(|answer| self.keep_or_drop(open.number, answer));
        Ok(kept.collect())
    }

    /// Whether Redis is there and takes writes; if it has told of the one that was made to see that, copies count for
    /// another while.
    pub(super) async fn beat(self: &Arc<Self>) -> bool {
        let asked = Instant::now();
        let Ok(mut open) = self.connection().await else {
            return false;
        };
        let probed = probe(&mut open.connection, open.ear.as_ref()).await;
        let probed = self.keep_or_drop(open.number, probed);
        let Ok(Probed {
            written,
            told,
            time,
            answered,
        }) = probed
        else {
            return false;
        };
        {
            // Nobody begins with another meanwhile.
            let current = self.current();
            if current
                .as_ref()
                .is_some_and(|now| now.number == open.number)
            {
                self.clock.correct(time, asked, answered);
            }
        }
        let is_there = self.keep_or_drop(open.number, written).is_ok();
        if is_there && open.ear.is_some() {
            match told {
                Ok(true) => {
                    if let Some(copies) = self.copies() {
                        copies.vouch(asked);
                    }
                }
                // Nor has it told, perhaps, of what was copied since it last did.
                Ok(false) | Err(_) => self.drop_connection(open.number),
            }
        }
        is_there
    }

    /// Goes on with a connection on which Redis tells of changes, if it does by now, else with the one there is. To be
    /// called where connections live.
    pub(super) async fn change_over(self: &Arc<Self>) {
        let (Some(copying), Some(mut open)) = (&self.copying, self.current().clone()) else {
            return;
        };
        if open.ear.is_some() || open.made.elapsed() <= AGAIN {
            return;
        }
        let before = open.number;
        let number = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        let told = self.connect_to_be_told(copying, number).await;
        open.made = Instant::now();
        let mut current = self.current();
        if current.as_ref().is_none_or(|open| open.number != before) {
            return;
        }
        match told {
            Err(_) => *current = Some(open),
            Ok(made) => {
                *current = Some(self.begin(number, made));
                drop(current);
                copying.note(None);
                self.changed();
            }
        }
    }

    /// Whether connections live in the runtime of whoever calls.
    pub(super) fn is_at_home(&self) -> bool {
        Handle::current().id() == self.home.id()
    }

    /// Waits until another connection than that is current, or none.
    pub(super) async fn is_another_than(&self, number: u64) {
        let mut numbers = self.numbers.subscribe();
        // Its sender is here.
        let _ = numbers.wait_for(|current| *current != number).await;
    }

    /// Makes a connection beside that one, to the same server, in the runtime of whoever calls. Its end is noted when it
    /// comes.
    pub(super) async fn another(
        &self,
        number: u64,
        end: End,
    ) -> Result<MultiplexedConnection, NoLane> {
        let another = self.connect_beside(number, end).await;
        if !self.is_current(number) {
            return Err(NoLane::OtherLink);
        }
        another.map_err(|error| match cause(&error) {
            cause if error.is_io_error() => NoLane::NotNow(cause),
            cause => NoLane::Refused(cause),
        })
    }

    /// Says, once for each connection of the link, why threads have none of their own.
    pub(super) fn complain_of_lanes(&self, cause: &str) {
        if self.lanes.note(Some(cause.to_owned())) {
            tracing::warn!(
                cause,
                "threads share one connection to Redis, which costs more"
            );
        }
    }

    async fn connect_beside(&self, number: u64, end: End) -> RedisResult<MultiplexedConnection> {
        let copying = self.copying.as_ref().ok_or_else(unanswered)?;
        let mut another = connect::until(&copying.client, end).await?;
        let current = self.current().clone();
        let beside = current.filter(|open| open.number == number);
        let mut open = beside.ok_or_else(unanswered)?;
        if !is_same(&mut another, &mut open.connection).await? {
            let elsewhere = "INFO server does not show the same run_id over another connection";
            return Err((ErrorKind::Client, elsewhere).into());
        }
        Ok(another)
    }

    async fn connection(self: &Arc<Self>) -> RedisResult<Open> {
        if let Some(open) = self.current().clone() {
            return Ok(open);
        }
        let mut last_failure = self.last_failure.lock().await;
        if let Some(open) = self.current().clone() {
            return Ok(open);
        }
        if let Some((at, error)) = &*last_failure
            && at.elapsed() < PAUSE
        {
            return Err(error.clone());
        }
        let number = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        let link = Arc::clone(self);
        let connecting = self.home.spawn(async move { link.connect(number).await });
        match connecting.await.unwrap_or_else(|_| Err(unanswered())) {
            Ok(made) => {
                *last_failure = None;
                let open = {
                    let mut current = self.current();
                    let open = self.begin(number, made);
                    *current = Some(open.clone());
                    open
                };
                self.changed();
                Ok(open)
            }
            Err(error) => {
                *last_failure = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Connects to a server that takes writes, or might again: to no replica. With an ear where Redis tells of changes on
    /// that connection.
    async fn connect(self: &Arc<Self>, number: u64) -> RedisResult<Made> {
        if let Some(copying) = &self.copying {
            let refused = match self.connect_to_be_told(copying, number).await {
                Ok(made) => {
                    copying.note(None);
                    return Ok(made);
                }
                Err(error) if is_lasting(&error) => error,
                Err(error) => return Err(error),
            };
            copying.note(Some(cause(&refused)));
        }
        connect::plain(&self.client).await
    }

    async fn connect_to_be_told(
        self: &Arc<Self>,
        copying: &Copying,
        number: u64,
    ) -> RedisResult<Made> {
        let link = Arc::downgrade(self);
        let heard = move |ear: &Ear, push: PushInfo| hear(&link, number, ear, &push);
        connect::told(&copying.client, heard).await
    }

    fn current(&self) -> MutexGuard<'_, Option<Open>> {
        // Nothing panics while this is locked, and it is replaced in one step.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_current(&self, number: u64) -> bool {
        let current = self.current();
        current.as_ref().is_some_and(|open| open.number == number)
    }

    /// Has the next command make a new connection if this one has shown that it is of no use. Who
    /// still waits for an answer on it keeps it until then.
    fn keep_or_drop<T>(&self, number: u64, answer: RedisResult<T>) -> RedisResult<T> {
        if let Err(error) = &answer
            && condemns(error)
        {
            self.drop_connection(number);
        }
        answer
    }

    fn drop_connection(&self, number: u64) {
        {
            let mut current = self.current();
            if current.as_ref().is_none_or(|open| open.number != number) {
                return;
            }
            *current = None;
        }
        self.changed();
    }

    /// The connection that is to be current, whose server's clock is the one that counts.
    fn begin(&self, number: u64, made: Made) -> Open {
        self.clock.begin(made.time, made.answered);
        Open {
            number,
            made: Instant::now(),
            connection: made.connection,
            ear: made.ear,
        }
    }

    /// The current connection is another, or none: nobody tells any more of changes to what was asked before, and no
    /// other connection is known to lead to the same server.
    fn changed(&self) {
        if let Some(copies) = self.copies() {
            copies.disown();
        }
        self.lanes.note(None);
        let current = self.current();
        let number = current.as_ref().map_or(0, |open| open.number);
        self.numbers.send_replace(number);
    }
}

impl Copying {
    /// Takes note of whether Redis tells, and says so once where it does not.
    fn note(&self, refusal: Option<String>) {
        let cause = refusal.clone();
        if self.refusal.note(refusal)
            && let Some(cause) = cause
        {
            tracing::warn!(
                cause,
                "Redis does not tell of changes, so that it is asked for every answer"
            );
        }
    }
}

/// Takes note of what Redis, or the library, says on a connection without being asked.
fn hear(link: &Weak<Link>, number: u64, ear: &Ear, push: &PushInfo) {
    let Some(link) = link.upgrade() else {
        return;
    };
    match push.kind {
        PushKind::Disconnection => {
            link.drop_connection(number);
            link.note(false);
            link.ended.notify_one();
        }
        PushKind::Invalidate => {
            if let Some(copies) = link.copies() {
                connect::changed(copies, ear, &push.data);
            }
        }
        _ => {}
    }
}
