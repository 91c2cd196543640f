//! What goes wrong between here and Redis, and what is to be made of it.

use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind};

use super::super::StoreError;

/// How long an answer may take.
pub(super) const ANSWER: Duration = Duration::from_secs(1);
/// In how many parts that time is waited for.
const PARTS: u32 = 4;

/// Limits the time for a command and its answer, be it that it cannot even be sent.
pub(super) async fn within<T>(answer: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    let mut answer = pin!(answer);
    for _ in 0..PARTS {
        // A process that is stopped for a while finds the time over when it goes on, and the answer, which has been there
        // for long, not read yet: that takes one part, and the others are left for reading it.
        if let Ok(answer) = tokio::time::timeout(ANSWER / PARTS, answer.as_mut()).await {
            return answer;
        }
    }
    Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into())
}

/// Whether a new connection could fare better: the server is gone or silent, has become a replica
/// (its name may lead to another by now), or does not know us any more.
pub(super) fn condemns(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Server(kind) => matches!(
            kind,
            ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown | ServerErrorKind::BusyLoading
        ),
        ErrorKind::Extension => error.code() == Some("NOAUTH"),
        _ => true,
    }
}

/// Whether it is this server or this user that never tells of changes, where another fault will pass.
pub(super) fn is_lasting(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Server(kind) => {
            matches!(
                kind,
                ServerErrorKind::NoPerm | ServerErrorKind::ResponseError
            )
        }
        ErrorKind::Extension => error.code() == Some("NOPROTO"),
        kind => kind == ErrorKind::RESP3NotSupported,
    }
}

/// What whoever waits is told where nobody is left to answer.
pub(super) fn unanswered() -> RedisError {
    (ErrorKind::Io, "the command was not sent").into()
}

/// What went wrong, for the log.
pub(super) fn unavailable(error: &RedisError) -> StoreError {
    StoreError::Unavailable(format!("Redis: {}", cause(error)))
}

/// The same without what is none of the log's business.
pub(super) fn cause(error: &RedisError) -> String {
    let mut cause = error.to_string();
    // Redis repeats the arguments of a command it does not know, AUTH among them.
    if let Some(arguments) = cause.find(", with args") {
        cause.truncate(arguments);
    }
    cause
}

/// Why something is not to be had, which is said once.
#[derive(Default)]
pub(super) struct Refusal(Mutex<Option<String>>);

impl Refusal {
    /// Whether that is new.
    pub(super) fn note(&self, cause: Option<String>) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = *known != cause;
        *known = cause;
        is_new
    }

    /// What was noted last.
    pub(super) fn cause(&self) -> Option<String> {
        let known = self.0.lock();
        known.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::UnixStream;
    use tokio::sync::oneshot;

    use super::*;

    /// As an answer of Redis comes: one task reads it, and hands it to another.
    #[tokio::test]
    async fn an_answer_that_came_while_everything_stood_still_is_heard() {
        let (mut far, mut near) = UnixStream::pair().expect("a pair");
        let (tells, told) = oneshot::channel();
        tokio::spawn(async move {
            let octet = near.read_u8().await.expect("an octet");
            tells.send(octet).expect("somebody waits");
        });
        let stand_still = async {
            tokio::task::yield_now().await;
            far.write_u8(7).await.expect("room");
            std::thread::sleep(ANSWER + ANSWER / 2);
        };
        let answer = within(async { told.await.map_err(|_| unanswered()) });
        let (answer, ()) = tokio::join!(answer, stand_still);
        assert_eq!(answer.expect("it was there all the time"), 7);
    }

    #[tokio::test]
    async fn nobody_waits_for_ever() {
        let began = std::time::Instant::now();
        let answer: RedisResult<()> = within(std::future::pending()).await;
        assert!(answer.expect_err("there is none").is_timeout());
        assert!(began.elapsed() >= ANSWER);
    }
}
