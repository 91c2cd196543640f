//! Connections to an application: made when one is needed, kept for a while when it is done.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Method, Request, Response};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::stream::{Fault, Progress, Upload};
use crate::config::Upstream;

/// How long making a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// How long an application may take from the last octet of a request that it took to the first of its
/// answer.
const ANSWER_TIME: Duration = Duration::from_secs(60);

/// How long a connection that nobody uses is kept.
const KEPT: Duration = Duration::from_secs(30);

/// How long one is good for a request that cannot be repeated if the application has just closed it.
/// Applications close idle connections after two seconds at the earliest.
const FRESH: Duration = Duration::from_secs(1);

/// How many idle ones are kept.
const MOST: usize = 128;

/// The largest header block of an answer, and how much of a body is read at once, in octets.
const BUFFER: usize = 64 * 1024;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failed {
    /// The application cannot be reached.
    Unreachable(io::Error),
    /// Making a connection took too long.
    NotInTime,
    /// It closed the connection or sent something that is no answer.
    NoAnswer(hyper::Error),
    /// It sent nothing at all for too long.
    Silent,
    /// It changed to a protocol that it was not asked for.
    OtherProtocol,
    /// Its answer has a transfer coding that nobody offered to undo.
    OtherCoding,
    /// The client did not send the body.
    Client(Fault),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => write!(f, "the application cannot be reached: {error}"),
            Self::NotInTime => write!(
                f,
                "the application did not take a connection within {} s",
                CONNECT_TIME.as_secs()
            ),
            Self::NoAnswer(error) => {
                write!(f, "the application gave no answer: {error}")?;
                match std::error::Error::source(error) {
                    Some(source) => write!(f, ": {source}"),
                    None => Ok(()),
                }
            }
            Self::Silent => write!(
                f,
                "the application sent nothing for {} s",
                ANSWER_TIME.as_secs()
            ),
            Self::OtherProtocol => {
                f.write_str("the application changed to a protocol that it was not asked for")
            }
            Self::OtherCoding => {
                f.write_str("the application's answer has a transfer coding besides chunked")
            }
            Self::Client(Fault::Stalled) => f.write_str("the client stopped sending the body"),
            Self::Client(Fault::Broken) => f.write_str("the body could not be read"),
        }
    }
}

/// The connections to one application.
#[derive(Debug)]
pub(super) struct Pool {
    upstream: Upstream,
    idle: Mutex<Idle>,
}

#[derive(Debug, Default)]
struct Idle {
    links: Vec<(Link, Instant)>,
    reaped: bool,
}

/// One connection; it ends when this is dropped.
pub(super) struct Link {
    sender: SendRequest<Upload>,
    connection: AbortHandle,
    pool: Arc<Pool>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link")
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Link {
    /// The application at its other end.
    pub(super) fn upstream(&self) -> &Upstream {
        &self.pool.upstream
    }

    /// Keeps it for another request.
    pub(super) fn keep(self) {
        let pool = Arc::clone(&self.pool);
        let mut idle = pool.idle();
        if self.sender.is_closed() || idle.links.len() >= MOST {
            return;
        }
        idle.links.push((self, Instant::now()));
        if !idle.reaped {
            idle.reaped = true;
            tokio::spawn(reap(Arc::clone(&pool)));
        }
    }
}

/// Ends what nobody has used for long, until there is nothing left.
async fn reap(pool: Arc<Pool>) {
    loop {
        sleep(KEPT / 2).await;
        let mut idle = pool.idle();
        idle.links
            .retain(|(link, since)| !link.sender.is_closed() && since.elapsed() < KEPT);
        if idle.links.is_empty() {
            idle.reaped = false;
            return;
        }
    }
}

impl Pool {
    /// For that application.
    pub(super) fn new(upstream: Upstream) -> Self {
        Self {
            upstream,
            idle: Mutex::default(),
        }
    }

    /// The application.
    pub(super) const fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Sends a request and waits for the header of its answer. One that changes nothing by being repeated
    /// is sent again, once, if it went over a connection that was kept and turns out to be dead; one of
    /// which the application cannot have seen anything, too.
    pub(super) async fn send(
        self: &Arc<Self>,
        request: Request<Upload>,
    ) -> Result<(Response<Incoming>, Link), Failed> {
        let progress = request.body().progress();
        let exchange = self.exchange(request);
        tokio::select! {
            outcome = exchange => outcome.map_err(|failed| match progress.fault() {
                Some(fault) => Failed::Client(fault),
                None => failed,
            }),
            () = silence(&progress) => Err(Failed::Silent),
        }
    }

    async fn exchange(
        self: &Arc<Self>,
        mut request: Request<Upload>,
    ) -> Result<(Response<Incoming>, Link), Failed> {
        let repeatable = is_idempotent(request.method()) && request.body().is_end_stream();
        let kept = self.take(if repeatable { KEPT } else { FRESH });
        if let Some(mut link) = kept {
            let spare = repeatable.then(|| copy(&request));
            match link.sender.try_send_request(request).await {
                Ok(response) => return Ok((response, link)),
                Err(mut failed) => match (failed.take_message(), spare) {
                    (Some(unsent), _) => request = unsent,
                    (None, Some(spare)) if is_dead(failed.error()) => request = spare,
                    _ => return Err(Failed::NoAnswer(failed.into_error())),
                },
            }
        }
        let mut link = self.connect().await?;
        match link.sender.send_request(request).await {
            Ok(response) => Ok((response, link)),
            Err(error) => Err(Failed::NoAnswer(error)),
        }
    }

    /// The connection that was used last, if it is young enough.
    fn take(&self, youth: Duration) -> Option<Link> {
        let mut idle = self.idle();
        let good =
            |(link, since): &(Link, Instant)| link.sender.is_ready() && since.elapsed() < youth;
        let at = idle.links.iter().rposition(good)?;
        Some(idle.links.remove(at).0)
    }

    async fn connect(self: &Arc<Self>) -> Result<Link, Failed> {
        match timeout(CONNECT_TIME, self.handshake()).await {
            Ok(made) => made,
            Err(_) => Err(Failed::NotInTime),
        }
    }

    async fn handshake(self: &Arc<Self>) -> Result<Link, Failed> {
        match &self.upstream {
            Upstream::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await;
                let stream = stream.map_err(Failed::Unreachable)?;
                stream.set_nodelay(true).map_err(Failed::Unreachable)?;
                self.speak(stream).await
            }
            Upstream::Unix(path) => {
                let stream = UnixStream::connect(path).await;
                self.speak(stream.map_err(Failed::Unreachable)?).await
            }
        }
    }

    async fn speak<S>(self: &Arc<Self>, stream: S) -> Result<Link, Failed>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(BUFFER)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(Failed::NoAnswer)?;
        let connection = tokio::spawn(async move {
            // Whoever waits for an answer hears of it, too.
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a connection to an application ended early");
            }
        });
        Ok(Link {
            sender,
            connection: connection.abort_handle(),
            pool: Arc::clone(self),
        })
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends when the application has taken nothing of the request for too long.
async fn silence(progress: &Progress) {
    loop {
        let end = progress.moved() + ANSWER_TIME;
        sleep_until(end).await;
        if progress.moved() + ANSWER_TIME <= Instant::now() {
            return;
        }
    }
}

/// RFC 9110 section 9.2.2.
fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    )
}

/// Whether the connection had ended before anything of an answer came.
fn is_dead(error: &hyper::Error) -> bool {
    let reset = std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<io::Error>())
        .is_some_and(|error| {
            matches!(
                error.kind(),
                io::ErrorKind::BrokenPipe
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::NotConnected
            )
        });
    reset || error.is_incomplete_message() || error.is_closed() || error.is_canceled()
}

/// The same request without a body, as it has none.
fn copy(request: &Request<Upload>) -> Request<Upload> {
    let mut copy = Request::new(Upload::none());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    copy.headers_mut().clone_from(request.headers());
    copy
}
