//! Whether Redis takes writes, and tells of them, tried with a key that is no record: so that nobody trusts in being told
//! who is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::{Cmd, Pipeline, RedisResult, Value, cmd};

use super::command::caching;
use super::faults::{condemns, unanswered, within};

/// A key of no record, for seeing whether Redis takes writes, and tells of them.
pub(super) const PROBED: &str = "cb:ready";

/// Writes there, for a moment: what finds a replica, a full memory and a disk that Redis cannot save to.
pub(super) fn write() -> Cmd {
    let mut set = cmd("SET");
    set.arg(PROBED).arg(1).arg("PX").arg(1000);
    set
}

/// Reads what is there.
fn read() -> Cmd {
    let mut get = cmd("GET");
    get.arg(PROBED);
    get
}

/// How long the name is that a server gives itself.
const NAME: usize = 40;

/// Whether both connections lead to the same server, which names itself anew whenever it starts. What is written over the
/// one and read over the other would not show it: servers that replicate each other have it, too, a moment later.
pub(super) async fn is_same(
    one: &mut MultiplexedConnection,
    other: &mut MultiplexedConnection,
) -> RedisResult<bool> {
    let (one, other) = (name(one).await?, name(other).await?);
    Ok(one.is_some() && one == other)
}

async fn name(connection: &mut MultiplexedConnection) -> RedisResult<Option<String>> {
    let mut info = cmd("INFO");
    info.arg("server");
    let said = within(connection.req_packed_command(&info)).await?;
    let said: String = redis::from_redis_value(said.extract_error()?)?;
    let name = said.lines().find_map(|line| line.strip_prefix("run_id:"));
    // What stands between may answer for servers whose names it does not know.
    let is_one = |name: &&str| name.len() == NAME && name.bytes().any(|octet| octet != b'0');
    Ok(name.filter(is_one).map(str::to_owned))
}

/// How often Redis has told of a change to [`PROBED`] on a connection.
pub(super) type Ear = Arc<AtomicU64>;

/// What came of a probe.
pub(super) struct Probed {
    /// Whether Redis takes writes.
    pub(super) written: RedisResult<()>,
    /// Whether it told of the one that it took.
    pub(super) told: RedisResult<bool>,
    /// What its clock said meanwhile, in microseconds since 1970.
    pub(super) time: i64,
    /// By when it had.
    pub(super) answered: Instant,
}

impl Probed {
    /// That Redis takes writes, or refuses this one only for now.
    pub(super) fn taken(self) -> RedisResult<()> {
        self.written.or_else(|error| {
            if condemns(&error) {
                return Err(error);
            }
            Ok(())
        })
    }
}

/// Writes, has Redis tell of it where there is an ear for that, and asks for its time.
pub(super) async fn probe(
    connection: &mut MultiplexedConnection,
    ear: Option<&Ear>,
) -> RedisResult<Probed> {
    let mut pipeline = Pipeline::with_capacity(4);
    if ear.is_some() {
        pipeline.add_command(caching());
        pipeline.add_command(read());
    }
    pipeline.add_command(write());
    // Redis tells of a change after the answer to whoever made it, and before the next one, which is this.
    pipeline.add_command(cmd("TIME"));
    let heard = || ear.map_or(0, |ear| ear.load(Ordering::Acquire));
    let (before, count) = (heard(), if ear.is_some() { 4 } else { 2 });
    let answers = within(connection.req_packed_commands(&pipeline, 0, count)).await?;
    let answered = Instant::now();
    let mut answers = answers.into_iter().map(Value::extract_error);
    let mut next = || answers.next().unwrap_or_else(|| Err(unanswered()));
    let asked = if ear.is_some() {
        next().and(next())
    } else {
        Ok(Value::Nil)
    };
    let written = next().map(drop);
    let (seconds, microseconds): (i64, i64) = redis::from_redis_value(next()?)?;
    let time = seconds
        .saturating_mul(1_000_000)
        .saturating_add(microseconds);
    let told = asked.map(|_| heard() > before);
    Ok(Probed {
        written,
        told,
        time,
        answered,
    })
}
