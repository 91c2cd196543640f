//! Whether Redis is there, known without asking: a connection ends in the moment in which the server does, and a
//! heartbeat finds one that is there and silent. The same heartbeat vouches for copies.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use redis::Client;
use redis::aio::{PubSubSink, PubSubStream};

use super::link::Link;

/// How often a server that is connected to must answer, and how soon. One that is late is not taken for
/// gone, only no longer for there: it is asked, then.
const HEARTBEAT: Duration = Duration::from_millis(250);
/// How long a connection may take to make.
const CONNECT: Duration = Duration::from_secs(1);

/// Looks out for as long as it is kept.
pub(super) struct Lookout(tokio::task::JoinHandle<()>);

impl Lookout {
    /// Begins to look. Must be called within a Tokio runtime.
    pub(super) fn new(client: Client, link: Arc<Link>) -> Self {
        Self(tokio::spawn(look(client, link)))
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn look(client: Client, link: Arc<Link>) {
    let mut silence = Silence(None);
    loop {
        let is_there = {
            let mut beat = pin!(link.beat());
            if let Ok(is_there) = tokio::time::timeout(HEARTBEAT, &mut beat).await {
                is_there
            } else {
                link.note(false);
                beat.await
            }
        };
        link.change_over().await;
        // Where the connection itself does not tell of its end, another does.
        if is_there && !link.is_told() && silence.0.is_none() {
            silence = Silence::of(&client).await;
        }
        link.note(is_there && (link.is_told() || silence.0.is_some()));
        tokio::select! {
            () = tokio::time::sleep(HEARTBEAT) => {}
            () = link.end() => {}
            () = silence.end() => link.note(false),
        }
    }
}

/// A connection on which nothing is said: what matters is its end.
struct Silence(Option<(PubSubSink, PubSubStream)>);

impl Silence {
    async fn of(client: &Client) -> Self {
        let connected = tokio::time::timeout(CONNECT, client.get_async_pubsub()).await;
        // Nothing is subscribed to. The sink is kept because the connection would end without it.
        Self(
            connected
                .ok()
                .and_then(Result::ok)
                .map(redis::aio::PubSub::split),
        )
    }

    /// Waits for the end, of which there is none where there is no connection.
    async fn end(&mut self) {
        match &mut self.0 {
            Some((_, stream)) => while stream.next().await.is_some() {},
            None => std::future::pending().await,
        }
        self.0 = None;
    }
}
