//! What goes wrong between here and Redis, and what is to be made of it.

use std::time::Duration;

use redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind};

use super::super::StoreError;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(1);

/// Limits the time for a command and its answer, be it that it cannot even be sent.
pub(super) async fn within<T>(answer: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    match tokio::time::timeout(ANSWER, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
    }
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
