//! Connections to Redis, made and tried before anybody asks over them.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, PushInfo, PushKind, RedisResult, Value, cmd,
};

use super::command::unprefixed;
use super::copies::Copies;
use super::faults::within;
use super::lane::End;
use super::probe::{Ear, PROBED, Probed, probe};

/// How long making a connection may take, greeting included.
const CONNECT: Duration = Duration::from_secs(1);
/// How many commands may wait to be sent; more wait for their turn.
const BUFFER: usize = 1024;

/// A connection that was made and tried, and what the server's clock said by then.
pub(super) struct Made {
    pub(super) connection: MultiplexedConnection,
    /// Where Redis tells of changes on it.
    pub(super) ear: Option<Ear>,
    /// Microseconds since 1970.
    pub(super) time: i64,
    pub(super) answered: Instant,
}

impl Made {
    /// What was probed, unless it takes no writes.
    fn of(
        connection: MultiplexedConnection,
        ear: Option<Ear>,
        probed: Probed,
    ) -> RedisResult<Self> {
        let Probed { time, answered, .. } = probed;
        probed.taken()?;
        Ok(Self {
            connection,
            ear,
            time,
            answered,
        })
    }
}

/// Connects to a server that takes writes, or might again.
pub(super) async fn plain(client: &Client) -> RedisResult<Made> {
    let mut connection = connect(client, config()).await?;
    let probed = probe(&mut connection, None).await?;
    Made::of(connection, None, probed)
}

/// The same, where it tells of changes on that connection. Whatever it says there, or the library does, is for `hear`.
pub(super) async fn told(
    client: &Client,
    hear: impl Fn(&Ear, PushInfo) + Send + Sync + 'static,
) -> RedisResult<Made> {
    let ear = Ear::default();
    let pushed = {
        let ear = Arc::clone(&ear);
        // Called in the order in which Redis says and answers things, before anybody has a later answer.
        move |push| {
            hear(&ear, push);
            Ok::<(), Infallible>(())
        }
    };
    let mut connection = connect(client, config().set_push_sender(pushed)).await?;
    let mut track = cmd("CLIENT");
    // Only of what is asked for in order to be copied: of whatever else is read, be it by the script, Redis
    // would have to remember it, and to tell of it.
    track.arg("TRACKING").arg("ON").arg("OPTIN");
    let answer = within(connection.req_packed_command(&track)).await;
    answer.and_then(Value::extract_error)?;
    let probed = probe(&mut connection, Some(&ear)).await?;
    match (&probed.written, &probed.told) {
        (_, Err(error)) => Err(error.clone()),
        (Ok(()), Ok(false)) => {
            Err((ErrorKind::RESP3NotSupported, "it did not tell of a change").into())
        }
        // Where nothing could be written there was nothing to tell of: heartbeats will show.
        (_, Ok(_)) => Made::of(connection, Some(ear), probed),
    }
}

/// Connects, and notes the end of the connection when it comes.
pub(super) async fn until(client: &Client, end: End) -> RedisResult<MultiplexedConnection> {
    let pushed = move |push: PushInfo| {
        if matches!(push.kind, PushKind::Disconnection) {
            end.note();
        }
        Ok::<(), Infallible>(())
    };
    connect(client, config().set_push_sender(pushed)).await
}

async fn connect(
    client: &Client,
    config: AsyncConnectionConfig,
) -> RedisResult<MultiplexedConnection> {
    within(client.get_multiplexed_async_connection_with_config(&config)).await
}

fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT))
        // What takes too long is given up in one place: `within`.
        .set_response_timeout(None)
        .set_pipeline_buffer_size(BUFFER)
}

/// Takes note of a change that Redis tells of.
pub(super) fn changed(copies: &Copies, ear: &Ear, data: &[Value]) {
    let Some(Value::Array(keys)) = data.first() else {
        // The database was emptied, or this is something that we do not know.
        return copies.all_changed();
    };
    for key in keys {
        match key {
            Value::BulkString(key) if key == PROBED.as_bytes() => {
                ear.fetch_add(1, Ordering::AcqRel);
            }
            Value::BulkString(key) => {
                if let Some(key) = unprefixed(key) {
                    copies.changed(key);
                }
            }
            _ => copies.all_changed(),
        }
    }
}
