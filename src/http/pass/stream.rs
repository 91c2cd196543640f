//! Bodies that pass through, octet for octet and never more of them than one read.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use super::pool::Link;
use crate::http::patience::Busy;

/// How long a client may send nothing of a body that it has begun.
const CLIENT_TIME: Duration = Duration::from_secs(60);

/// How long the rest of a body that nobody wants is read. Whoever closes a connection on which octets
/// arrive resets it, and the answer that was sent before is lost on its way.
const LINGER: Duration = Duration::from_secs(1);

/// What went wrong with a body on its way to an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing came of it for too long.
    Stalled,
    /// It broke off, or is no HTTP.
    Broken,
}

/// How far the body of a request has come.
#[derive(Debug)]
pub(super) struct Progress {
    moved: Mutex<Instant>,
    fault: AtomicU8,
}

impl Progress {
    fn new() -> Self {
        Self {
            moved: Mutex::new(Instant::now()),
            fault: AtomicU8::new(0),
        }
    }

    /// When the application last took something of the request.
    pub(super) fn moved(&self) -> Instant {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is wrong on the client's side, if anything is.
    pub(super) fn fault(&self) -> Option<Fault> {
        match self.fault.load(Ordering::Relaxed) {
            1 => Some(Fault::Stalled),
            2 => Some(Fault::Broken),
            _ => None,
        }
    }

    fn advance(&self) {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn fail(&self, fault: Fault) {
        let fault = match fault {
            Fault::Stalled => 1,
            Fault::Broken => 2,
        };
        self.fault.store(fault, Ordering::Relaxed);
    }
}

/// Why a body is not read to its end.
#[derive(Debug)]
pub(super) enum UploadError {
    /// [`Fault::Stalled`].
    Stalled,
    /// [`Fault::Broken`].
    Broken(hyper::Error),
}

impl fmt::Display for UploadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stalled => f.write_str("nothing of the body came for too long"),
            Self::Broken(error) => write!(f, "the body broke off: {error}"),
        }
    }
}

impl std::error::Error for UploadError {}

/// The body of a request on its way to an application.
pub(super) struct Upload {
    /// Gone once it has ended.
    body: Option<Incoming>,
    progress: Arc<Progress>,
    alarm: Option<Pin<Box<Sleep>>>,
    /// Whether the client waits to be told that it may send it (RFC 9110 section 10.1.1).
    withheld: bool,
    /// The connection counts as busy for as long as its body is read.
    _busy: Option<Arc<Busy>>,
}

impl Upload {
    /// The body of that request.
    pub(super) fn new(body: Incoming, parts: &Parts, busy: Arc<Busy>) -> Self {
        let body = Some(body).filter(|body| !body.is_end_stream());
        Self {
            withheld: body.is_some() && parts.headers.contains_key(http::header::EXPECT),
            body,
            progress: Arc::new(Progress::new()),
            alarm: None,
            _busy: Some(busy),
        }
    }

    /// No body at all.
    pub(super) fn none() -> Self {
        Self {
            body: None,
            progress: Arc::new(Progress::new()),
            alarm: None,
            withheld: false,
            _busy: None,
        }
    }

    /// Tells how far it has come.
    pub(super) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    fn failed(&mut self, fault: Fault, error: UploadError) -> UploadError {
        self.progress.fail(fault);
        self.body = None;
        error
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else {
            return Poll::Ready(None);
        };
        this.withheld = false;
        match Pin::new(body).poll_frame(context) {
            Poll::Pending => {
                let alarm = this
                    .alarm
                    .get_or_insert_with(|| Box::pin(sleep(CLIENT_TIME)));
                if alarm.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                let error = this.failed(Fault::Stalled, UploadError::Stalled);
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(Some(Ok(frame))) => {
                this.progress.advance();
                this.alarm = None;
                if frame.is_data() {
                    return Poll::Ready(Some(Ok(frame)));
                }
                // Trailers end a body and are not passed on: whoever merges them into the header would
                // believe there what the gate has taken out.
                this.body = None;
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                let error = this.failed(Fault::Broken, UploadError::Broken(error));
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(None) => {
                this.progress.advance();
                this.body = None;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(mut body) = self.body.take().filter(|body| !body.is_end_stream()) else {
            return;
        };
        if self.withheld {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(tokio::time::timeout(LINGER, async move {
                while let Some(Ok(_)) = body.frame().await {}
            }));
        }
    }
}

/// The body of an application's answer on its way to the client.
pub(in crate::http) struct Download {
    body: Incoming,
    ended: bool,
    /// Goes back to its pool after the end.
    link: Option<Link>,
    _busy: Arc<Busy>,
}

impl Download {
    /// The body of an answer that came over that link.
    pub(super) fn new(body: Incoming, link: Link, busy: Arc<Busy>) -> Self {
        Self {
            body,
            ended: false,
            link: Some(link),
            _busy: busy,
        }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        loop {
            return match Pin::new(&mut this.body).poll_frame(context) {
                // Trailers end here, as on the other way.
                Poll::Ready(Some(Ok(frame))) if !frame.is_data() => continue,
                Poll::Ready(None) => {
                    this.ended = true;
                    Poll::Ready(None)
                }
                Poll::Ready(Some(Err(error))) => {
                    if let Some(link) = this.link.take() {
                        let upstream = link.upstream().to_string();
                        tracing::warn!(upstream, cause = %error, "an application's answer broke off");
                    }
                    Poll::Ready(Some(Err(error)))
                }
                other => other,
            };
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        if self.is_end_stream()
            && let Some(link) = self.link.take()
        {
            link.keep();
        }
    }
}
