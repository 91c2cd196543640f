//! Whether Redis is there, known without asking: a connection on which nothing is said ends in the moment
//! in which the server does, and a heartbeat finds one that is there and silent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use redis::{Client, cmd};

use super::link::Link;

/// How often a server that is connected to must answer, and how soon. One that is late is not taken for
/// gone, only no longer for there: it is asked, then.
const HEARTBEAT: Duration = Duration::from_millis(250);
/// How long a connection may take to make.
const CONNECT: Duration = Duration::from_secs(1);
/// How long to wait before the next attempt to connect.
const PAUSE: Duration = Duration::from_millis(250);

/// Looks out for as long as it is kept.
pub(super) struct Lookout {
    there: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Lookout {
    /// Begins to look. Must be called within a Tokio runtime.
    pub(super) fn new(client: Client, link: Arc<Link>) -> Self {
        let there = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(look(client, link, Arc::clone(&there)));
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

async fn look(client: Client, link: Arc<Link>, there: Arc<AtomicBool>) {
    loop {
        if let Ok(Ok(connection)) = tokio::time::timeout(CONNECT, client.get_async_pubsub()).await {
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
                    _ = heart.tick() => {
                        let answer = tokio::time::timeout(HEARTBEAT, link.command(&cmd("PING"))).await;
                        there.store(matches!(answer, Ok(Ok(_))), Ordering::Relaxed);
                    }
                }
            }
            there.store(false, Ordering::Relaxed);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
