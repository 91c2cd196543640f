//! The gate as a `FastCGI` Authorizer, as Apache's `mod_authnz_fcgi` asks one (FastCGI 1.0 section 6.3).
//!
//! Whoever asks has so long for a request, so long to take the answer, and so long until the next
//! request; and whatever is no `FastCGI` ends its connection.

mod answer;
pub mod exchange;
pub mod record;
pub mod variables;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::serve::{Site, whom};
use super::workers::Protocol;
use crate::proxy::Peer;
use answer::answer;
use exchange::{Event, Exchange, answered};
use record::{Malformed, Record};

/// How long a request may take, from its first octet, and a new connection until there is one.
const REQUEST_TIME: Duration = Duration::from_secs(10);

/// How long a connection may wait for its next request.
const IDLE_TIME: Duration = Duration::from_secs(60);

/// How long the other side may take over an answer.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// How long, and for how many octets, a connection is kept after its last answer: what still arrives at
/// a closed one would take the answer away from whoever has not read it yet.
const PARTING: (Duration, usize) = (Duration::from_secs(2), 256 * 1024);

/// The most octets of parameters, whatever smaller number headers are allowed: what a web server adds to
/// a request's headers is not the client's fault.
const LEAST: usize = 64 * 1024;

/// How much is read at once.
const PIECE: usize = 8 * 1024;

/// `FastCGI`, to whoever answers there.
#[derive(Clone)]
pub struct FastCgi {
    /// What answers.
    pub site: Arc<Site>,
    /// How many connections there may be, which is told to whoever asks.
    pub connections: usize,
}

impl Protocol for FastCgi {
    const NAME: &'static str = "FastCGI";

    fn room(&self) -> &Arc<Semaphore> {
        &self.site.connections
    }

    async fn serve<S>(self, stream: S, peer: Peer, stop: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let _counted = self.site.server.metrics.connection();
        connection(&self.site, stream, peer, self.connections, stop).await;
    }
}

/// Why a connection ended before its time.
#[derive(Debug)]
enum Broken {
    /// By what came over it.
    Malformed(Malformed),
    /// A request did not arrive in time.
    Slow,
    /// An answer was not taken in time.
    NotTaken,
    /// By the other side or the system.
    Io(io::Error),
}

impl From<Malformed> for Broken {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error)
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// One connection, and the one line in the log if it ends badly.
async fn connection<S>(
    site: &Site,
    stream: S,
    peer: Peer,
    connections: usize,
    stop: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let refused = |cause: &str| {
        tracing::warn!(
            request = &*site.requests.next(),
            peer = whom(peer),
            endpoint = "verify",
            cause,
            "refused: no FastCGI request"
        );
    };
    let limit = site.max_header_bytes.max(LEAST);
    let mut connection = Connection {
        stream,
        read: BytesMut::new(),
        exchange: Exchange::new(limit, connections),
    };
    match connection.converse(site, peer, stop).await {
        Ok(()) => {}
        Err(Broken::Malformed(error)) => refused(&error.to_string()),
        Err(Broken::Slow) => refused("the request did not arrive in time"),
        Err(Broken::NotTaken) => {
            tracing::debug!(peer = whom(peer), "a FastCGI answer was not taken");
        }
        Err(Broken::Io(error)) => {
            tracing::debug!(peer = whom(peer), %error, "a FastCGI connection ended early");
        }
    }
}

struct Connection<S> {
    stream: S,
    /// What was read and not yet looked at.
    read: BytesMut,
    exchange: Exchange,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Answers one request after the other.
    async fn converse(
        &mut self,
        site: &Site,
        peer: Peer,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), Broken> {
        let mut patience = REQUEST_TIME;
        loop {
            if self.read.is_empty() {
                self.read.reserve(PIECE);
                let octets = tokio::select! {
                    read = timeout(patience, self.stream.read_buf(&mut self.read)) => read,
                    _ = stop.wait_for(|stop| *stop) => return Ok(()),
                };
                match octets {
                    Err(_) | Ok(Ok(0)) => return Ok(()),
                    Ok(read) => read?,
                };
            }
            let event = timeout(REQUEST_TIME, self.event()).await;
            let (octets, keep) = match event.map_err(|_| Broken::Slow)?? {
                None => (Vec::new(), true),
                Some(Event::Asked(question)) => {
                    let text = answer(site, peer, Ok(&question.parameters)).await?;
                    (answered(question.request, &text), question.keep)
                }
                Some(Event::TooLarge { request }) => {
                    let cause = "the FastCGI parameters are too large: see --max-header-bytes";
                    let text = answer(site, peer, Err(cause)).await?;
                    (answered(request, &text), false)
                }
                Some(Event::End { answer, keep }) => (answer, keep),
                Some(Event::Nothing | Event::Tell(_)) => continue,
            };
            self.send(&octets).await?;
            if !keep || *stop.borrow() {
                self.part().await;
                return Ok(());
            }
            patience = IDLE_TIME;
        }
    }

    /// Reads until there is something to do about a request; none where the connection is idle again.
    async fn event(&mut self) -> Result<Option<Event>, Broken> {
        loop {
            while let Some((record, taken)) = Record::first(&self.read)? {
                let event = self.exchange.take(&record)?;
                self.read.advance(taken);
                match event {
                    Event::Nothing => {}
                    Event::Tell(octets) => self.send(&octets).await?,
                    event => return Ok(Some(event)),
                }
            }
            if self.read.is_empty() && !self.exchange.is_open() {
                return Ok(None);
            }
            self.read.reserve(PIECE);
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }

    async fn send(&mut self, octets: &[u8]) -> Result<(), Broken> {
        let sent = async {
            self.stream.write_all(octets).await?;
            self.stream.flush().await
        };
        Ok(timeout(ANSWER_TIME, sent)
            .await
            .map_err(|_| Broken::NotTaken)??)
    }

    /// Closes, and lets the other side finish what it is sending.
    async fn part(&mut self) {
        let (time, most) = PARTING;
        let silence = async {
            self.stream.shutdown().await?;
            let mut octets = 0;
            while octets < most {
                self.read.clear();
                self.read.reserve(PIECE);
                match self.stream.read_buf(&mut self.read).await? {
                    0 => break,
                    read => octets += read,
                }
            }
            Ok::<_, io::Error>(())
        };
        // Whatever goes wrong here, it ends.
        let _ = timeout(time, silence).await;
    }
}
