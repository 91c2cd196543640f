//! Whether Redis is there, known without asking, and what it says has changed: a connection that ends in the moment
//! in which the server does, a heartbeat that finds one that is there and silent, and on the same connection Redis's
//! own word of every change to what was read over it (client-side caching in RESP3).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, Pipeline, PushInfo, PushKind, RedisError,
    RedisResult, Value, cmd,
};
use tokio::sync::Notify;

use super::command::unprefixed;
use super::copies::Copies;
use super::gather::Line;
use super::link::{BUFFER, Link, unanswered, within};

/// How often a server that is connected to must answer, and how soon. One that is late is not taken for
/// gone, only no longer for there: it is asked, then.
const HEARTBEAT: Duration = Duration::from_millis(250);
/// How long a connection may take to make.
const CONNECT: Duration = Duration::from_secs(1);
/// How long to wait before the next attempt to connect.
const PAUSE: Duration = Duration::from_millis(250);

/// Copies, and the connection over which what they are made of is read: the one on which Redis tells of changes.
pub(super) struct Told {
    /// Speaks RESP3.
    client: Client,
    /// The copies.
    pub(super) copies: Copies,
    current: Mutex<Option<MultiplexedConnection>>,
}

impl Told {
    /// Told of nothing yet.
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            copies: Copies::new(),
            current: Mutex::default(),
        }
    }

    /// Connects, and asks to be told; `ended` learns of the connection's end.
    ///
    /// # Errors
    /// Redis cannot be reached, or does not do that.
    pub(super) async fn connect(
        self: &Arc<Self>,
        ended: Arc<Notify>,
    ) -> RedisResult<MultiplexedConnection> {
        let told = Arc::downgrade(self);
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(BUFFER)
            // Called in the order in which Redis says and answers things, before anybody has a later answer.
            .set_push_sender(move |push: PushInfo| {
                match push.kind {
                    PushKind::Disconnection => ended.notify_one(),
                    PushKind::Invalidate => {
                        if let Some(told) = told.upgrade() {
                            told.hear(&push.data);
                        }
                    }
                    _ => {}
                }
                Ok::<(), std::convert::Infallible>(())
            });
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        let mut connection = within(connecting).await?;
        let mut track = cmd("CLIENT");
        track.arg("TRACKING").arg("ON");
        let answer = within(connection.req_packed_command(&track)).await;
        answer.and_then(Value::extract_error)?;
        Ok(connection)
    }

    /// Takes note of what has changed.
    fn hear(&self, data: &[Value]) {
        match data.first() {
            Some(Value::Array(keys)) => {
                for key in keys {
                    match key {
                        Value::BulkString(key) => {
                            if let Some(key) = unprefixed(key) {
                                self.copies.changed(key);
                            }
                        }
                        _ => self.copies.all_changed(),
                    }
                }
            }
            // The database was emptied, or this is something that we do not know.
            _ => self.copies.all_changed(),
        }
    }

    /// Asks over that connection from now on.
    fn begin(&self, connection: MultiplexedConnection) {
        *self.current() = Some(connection);
    }

    /// Asks over none.
    fn end(&self) {
        *self.current() = None;
        self.copies.disown();
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Option<MultiplexedConnection>> {
        // What is in it is replaced in one step.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line for Told {
    async fn ask(
        &self,
        questions: &Pipeline,
        count: usize,
    ) -> RedisResult<Vec<RedisResult<Value>>> {
        let connection = self.current().clone();
        let mut connection = connection.ok_or_else(unanswered)?;
        let answers = within(connection.req_packed_commands(questions, 0, count)).await?;
        Ok(answers.into_iter().map(Value::extract_error).collect())
    }
}

/// Looks out for as long as it is kept.
pub(super) struct Lookout {
    there: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Lookout {
    /// Begins to look, and to keep copies true where there are to be some. Must be called within a Tokio runtime.
    pub(super) fn new(client: Client, link: Arc<Link>, told: Option<Arc<Told>>) -> Self {
        let there = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(look(client, link, Arc::clone(&there), told));
        Self { there, task }
    }

    /// Whether Redis is known to be there at this moment.
    pub(super) fn is_there(&self) -> bool {
        self.there.load(Ordering::Relaxed)
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn look(client: Client, link: Arc<Link>, there: Arc<AtomicBool>, told: Option<Arc<Told>>) {
    let mut complained = false;
    loop {
        let mut plainly = told.is_none();
        if let Some(told) = &told {
            let ended = Arc::new(Notify::new());
            match told.connect(Arc::clone(&ended)).await {
                Ok(connection) => {
                    told.begin(connection.clone());
                    keep_told(told, connection, &ended, &link, &there).await;
                    told.end();
                }
                Err(error) if does_not_tell(&error) => {
                    plainly = true;
                    if !complained {
                        complained = true;
                        tracing::warn!(
                            cause = %super::link::unavailable(&error),
                            "Redis does not tell of changes, so that it is asked for every answer"
                        );
                    }
                }
                // It is not there.
                Err(_) => {}
            }
        }
        if plainly
            && let Ok(Ok(connection)) =
                tokio::time::timeout(CONNECT, client.get_async_pubsub()).await
        {
            // Nothing is subscribed to: what matters is the end of the stream. The sink is kept because
            // the connection would end without it.
            let (_sink, mut silence) = connection.split();
            let mut heart = tokio::time::interval(HEARTBEAT);
            loop {
                tokio::select! {
                    message = silence.next() => {
                        if message.is_none() {
                            break;
                        }
                    }
                    _ = heart.tick() => there.store(is_there(&link).await, Ordering::Relaxed),
                }
            }
        }
        there.store(false, Ordering::Relaxed);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Until the connection ends, or nothing is answered on it.
async fn keep_told(
    told: &Told,
    mut connection: MultiplexedConnection,
    ended: &Notify,
    link: &Link,
    there: &AtomicBool,
) {
    let mut heart = tokio::time::interval(HEARTBEAT);
    loop {
        tokio::select! {
            () = ended.notified() => return,
            _ = heart.tick() => {}
        }
        let asked = Instant::now();
        let ping = cmd("PING");
        let beat = async {
            let answer = within(connection.req_packed_command(&ping)).await;
            let fine = answer.and_then(Value::extract_error).is_ok();
            if fine {
                told.copies.vouch(asked);
            }
            fine
        };
        let see = async { there.store(is_there(link).await, Ordering::Relaxed) };
        let ((), fine) = tokio::select! {
            () = ended.notified() => return,
            both = futures_util::future::join(see, beat) => both,
        };
        if !fine {
            return;
        }
    }
}

async fn is_there(link: &Link) -> bool {
    let answer = tokio::time::timeout(HEARTBEAT, link.command(&cmd("PING"))).await;
    matches!(answer, Ok(Ok(_)))
}

/// Whether a server is there that does not know RESP3 or does not let us be told.
pub(super) fn does_not_tell(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::RESP3NotSupported
    )
}
