//! One connection to Redis, shared by all requests, and made again when it fails.
//!
//! `redis::aio::ConnectionManager` is not used, because it keeps a failure for ever that is not one of
//! input or output (a Redis that is loading its data, or whose password is put right later), and
//! keeps a connection on which nothing is answered until the kernel gives it up.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, Pipeline, RedisError, RedisResult,
    ServerErrorKind, Value,
};

use super::super::StoreError;
use super::gather::Line;

/// How long making a connection may take, greeting included.
const CONNECT: Duration = Duration::from_secs(1);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(1);
/// How long a failed attempt to connect answers for those who come after it, so that a Redis that
/// is down is not asked once for every request.
const PAUSE: Duration = Duration::from_millis(200);
/// How many commands may wait to be sent; more wait for their turn.
pub(super) const BUFFER: usize = 1024;

pub(super) struct Link {
    client: Client,
    config: AsyncConnectionConfig,
    current: Mutex<Current>,
    /// Held by the one who connects, while the others wait: the last failure, and when it was.
    last_failure: tokio::sync::Mutex<Option<(Instant, RedisError)>>,
}

/// The connection, if there is one, and the how manyth it is.
#[derive(Default)]
struct Current {
    generation: u64,
    connection: Option<MultiplexedConnection>,
}

impl Link {
    /// Connects to nothing yet.
    pub(super) fn new(client: Client) -> Self {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            // What takes too long is given up in one place: `within`.
            .set_response_timeout(None)
            .set_pipeline_buffer_size(BUFFER);
        Self {
            client,
            config,
            current: Mutex::default(),
            last_failure: tokio::sync::Mutex::default(),
        }
    }

    /// Sends a command once and awaits its answer.
    pub(super) async fn command(&self, command: &Cmd) -> RedisResult<Value> {
        let (generation, mut connection) = self.connection().await?;
        let answer = within(connection.req_packed_command(command)).await;
        let answer = answer.and_then(Value::extract_error);
        self.keep_or_drop(generation, answer)
    }

    /// Sends `count` commands once, together, and awaits their answers.
    pub(super) async fn pipeline(
        &self,
        pipeline: &Pipeline,
        count: usize,
    ) -> RedisResult<Vec<Value>> {
        let (generation, mut connection) = self.connection().await?;
        let answers = within(connection.req_packed_commands(pipeline, 0, count)).await;
        let answers =
            answers.and_then(|answers| answers.into_iter().map(Value::extract_error).collect());
        self.keep_or_drop(generation, answers)
    }

    async fn connection(&self) -> RedisResult<(u64, MultiplexedConnection)> {
        if let Some(connection) = self.current() {
            return Ok(connection);
        }
        let mut last_failure = self.last_failure.lock().await;
        if let Some(connection) = self.current() {
            return Ok(connection);
        }
        if let Some((at, error)) = &*last_failure
            && at.elapsed() < PAUSE
        {
            return Err(error.clone());
        }
        let made = self
            .client
            .get_multiplexed_async_connection_with_config(&self.config);
        match made.await {
            Ok(connection) => {
                *last_failure = None;
                let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
                current.generation += 1;
                current.connection = Some(connection.clone());
                Ok((current.generation, connection))
            }
            Err(error) => {
                *last_failure = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    fn current(&self) -> Option<(u64, MultiplexedConnection)> {
        // Nothing panics while this is locked, and its parts are whole one by one.
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = current.connection.clone()?;
        Some((current.generation, connection))
    }

    /// Has the next command make a new connection if this one has shown that it is of no use. Who
    /// still waits for an answer on it keeps it until then.
    fn keep_or_drop<T>(&self, generation: u64, answer: RedisResult<T>) -> RedisResult<T> {
        if let Err(error) = &answer
            && condemns(error)
        {
            let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
            if current.generation == generation {
                current.connection = None;
            }
        }
        answer
    }
}

impl Line for Link {
    async fn ask(&self, commands: &Pipeline, count: usize) -> RedisResult<Vec<RedisResult<Value>>> {
        let (generation, mut connection) = self.connection().await?;
        let answers = within(connection.req_packed_commands(commands, 0, count)).await;
        let answers = self.keep_or_drop(generation, answers)?;
        let extracted = answers.into_iter().map(Value::extract_error);
        let kept = extracted.map(|answer| self.keep_or_drop(generation, answer));
        Ok(kept.collect())
    }
}

/// Limits the time for a command and its answer, be it that it cannot even be sent.
pub(super) async fn within<T>(answer: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    match tokio::time::timeout(ANSWER, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
    }
}

/// Whether a new connection could fare better: the server is gone or silent, has become a replica
/// (its name may lead to another by now), or does not know us any more.
fn condemns(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Server(kind) => matches!(
            kind,
            ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown | ServerErrorKind::BusyLoading
        ),
        ErrorKind::Extension => error.code() == Some("NOAUTH"),
        _ => true,
    }
}

/// What whoever waits is told where nobody is left to answer.
pub(super) fn unanswered() -> RedisError {
    (ErrorKind::Io, "the command was not sent").into()
}

/// What went wrong, for the log.
pub(super) fn unavailable(error: &RedisError) -> StoreError {
    let mut cause = error.to_string();
    // Redis repeats the arguments of a command it does not know, AUTH among them.
    if let Some(arguments) = cause.find(", with args") {
        cause.truncate(arguments);
    }
    StoreError::Unavailable(format!("Redis: {cause}"))
}
