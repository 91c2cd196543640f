//! A connection that waits only so long: for the next request, and then, from its first octet on, for its header. hyper
//! has one limit for both, and sets a clock anew for each request.
//!
//! For what is written hyper has none: whoever never reads answers would keep a connection for ever.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// How long whoever is let through to an application may leave octets of its answer untaken. A slow
/// reader takes them in lumps of what the system keeps for it, which can be megabytes.
const PASSING_TIME: Duration = Duration::from_secs(300);

/// Which part of an exchange a connection is in, told by whoever answers.
#[derive(Clone, Debug, Default)]
pub(super) struct Phase(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// A part of a header has arrived.
    header: AtomicBool,
    /// How many requests are being answered: with pipelining the end of one and the start of the next
    /// may be seen in either order.
    busy: AtomicUsize,
    /// What is answered is passed on as it comes.
    passing: AtomicBool,
}

impl Phase {
    /// A header has been read whole. The request is answered when what this gives is dropped.
    pub(super) fn header_read(&self) -> Busy {
        self.0.header.store(false, Ordering::Relaxed);
        self.0.passing.store(false, Ordering::Relaxed);
        self.0.busy.fetch_add(1, Ordering::Relaxed);
        Busy(self.clone())
    }

    /// Whether octets that arrive are the next request's; if they are the first, a header begins.
    fn begins(&self) -> bool {
        self.0.busy.load(Ordering::Relaxed) == 0 && !self.0.header.swap(true, Ordering::Relaxed)
    }

    /// What the other side is to send next, if it must.
    fn awaits(&self) -> Option<Awaited> {
        if self.0.header.load(Ordering::Relaxed) {
            return Some(Awaited::Header);
        }
        (self.0.busy.load(Ordering::Relaxed) == 0).then_some(Awaited::Request)
    }

    fn is_passing(&self) -> bool {
        self.0.passing.load(Ordering::Relaxed)
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Busy(Phase);

impl Busy {
    /// What is answered is passed on as it comes, and may take as long as it takes.
    pub(super) fn passes(&self) {
        self.0.0.passing.store(true, Ordering::Relaxed);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the other side is to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    /// The first octet of a request.
    Request,
    /// The rest of a header.
    Header,
}

/// How long what is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The next request.
    pub(super) request: Duration,
    /// The rest of a header, from its first octet; and the taking of what is written.
    pub(super) header: Duration,
}

/// A stream that ends with an error when a request or its header does not arrive in time, or answers are not taken.
pub(super) struct Patience<S> {
    stream: S,
    phase: Phase,
    limits: Limits,
    /// What is waited for, and since when.
    awaited: Option<(Awaited, Instant)>,
    /// Rings when the wait is over, or before: to set it anew for each request would cost more.
    alarm: Pin<Box<Sleep>>,
    /// Runs from when the other side stopped taking octets until it has taken all there are.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl<S> Patience<S> {
    /// Waits no longer than that.
    pub(super) fn new(stream: S, limits: Limits) -> Self {
        let alarm = Box::pin(sleep_until(Instant::now() + limits.request));
        Self {
            stream,
            phase: Phase::default(),
            limits,
            awaited: None,
            alarm,
            stuck: None,
        }
    }

    /// An error where nothing has come for too long.
    fn wait<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        let Some(awaited) = self.phase.awaits() else {
            self.awaited = None;
            return Poll::Pending;
        };
        let since = match self.awaited {
            Some((before, since)) if before == awaited => since,
            _ => Instant::now(),
        };
        self.awaited = Some((awaited, since));
        let end = since
            + match awaited {
                Awaited::Request => self.limits.request,
                Awaited::Header => self.limits.header,
            };
        if self.alarm.deadline() > end {
            self.alarm.as_mut().reset(end);
        }
        while self.alarm.as_mut().poll(context).is_ready() {
            if Instant::now() >= end {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.alarm.as_mut().reset(end);
        }
        Poll::Pending
    }

    /// What became of a write, unless the other side has taken too long: over all of what was written, or
    /// over any of it where something is passed on.
    fn written(
        &mut self,
        polled: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let passing = self.phase.is_passing();
        if polled.is_pending() {
            let limit = if passing {
                PASSING_TIME
            } else {
                self.limits.header
            };
            let end = Instant::now() + limit;
            let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep_until(end)));
            if stuck.as_mut().poll(context).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        } else if passing {
            self.stuck = None;
        }
        polled
    }

    /// Where to tell how far an exchange has come.
    pub(super) fn phase(&self) -> Phase {
        self.phase.clone()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patience<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
        match polled {
            Poll::Ready(Ok(())) => {
                if buffer.filled().len() > before && this.phase.begins() {
                    this.awaited = None;
                }
                Poll::Ready(Ok(()))
            }
            Poll::Pending => this.wait(context),
            other @ Poll::Ready(Err(_)) => other,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patience<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, octets);
        self.written(polled, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes when it has nothing left to write.
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        if polled.is_ready() {
            self.stuck = None;
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.written(polled, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::timeout;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_millis(200);

    fn pair() -> (DuplexStream, Patience<DuplexStream>) {
        let (client, server) = duplex(64);
        (client, Patience::new(server, limits(LIMIT)))
    }

    fn limits(header: Duration) -> Limits {
        Limits {
            request: LONG * 10,
            header,
        }
    }

    /// What a reader finds within a time that is longer than the limit; none if it still waits.
    async fn read(stream: &mut Patience<DuplexStream>) -> Option<io::Result<usize>> {
        timeout(LONG, stream.read(&mut [0; 16])).await.ok()
    }

    #[tokio::test]
    async fn the_rest_of_a_header_is_not_waited_for_long() {
        let (mut client, mut stream) = pair();
        client.write_all(b"POST").await.expect("room");
        assert_eq!(read(&mut stream).await.expect("at once").expect("read"), 4);
        let late = read(&mut stream)
            .await
            .expect("it ends")
            .expect_err("too late");
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn octet_by_octet_is_no_excuse() {
        let (mut client, mut stream) = pair();
        let drip = tokio::spawn(async move {
            while client.write_all(b"x").await.is_ok() {
                tokio::time::sleep(LIMIT / 5).await;
            }
        });
        let began = Instant::now();
        let late = loop {
            if let Err(error) = read(&mut stream).await.expect("it ends") {
                break error;
            }
            assert!(began.elapsed() < LONG * 5, "still patient");
        };
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        drip.abort();
    }

    #[tokio::test]
    async fn idle_and_busy_connections_are_left_alone() {
        let (mut client, mut stream) = pair();
        assert!(read(&mut stream).await.is_none(), "idle");
        client.write_all(b"POST").await.expect("room");
        assert_eq!(read(&mut stream).await.expect("at once").expect("read"), 4);
        let phase = stream.phase();
        let busy = phase.header_read();
        assert!(read(&mut stream).await.is_none(), "busy");
        client.write_all(b"body").await.expect("room");
        assert_eq!(read(&mut stream).await.expect("at once").expect("read"), 4);
        assert!(read(&mut stream).await.is_none(), "a body takes its time");
        drop(busy);
        assert!(read(&mut stream).await.is_none(), "idle again");
        client.write_all(b"GET").await.expect("room");
        assert_eq!(read(&mut stream).await.expect("at once").expect("read"), 3);
        assert!(
            read(&mut stream).await.expect("it ends").is_err(),
            "the next header"
        );
    }

    #[tokio::test]
    async fn the_next_request_is_not_waited_for_for_ever() {
        let (mut client, server) = duplex(64);
        let limits = Limits {
            request: LIMIT * 2,
            header: LIMIT * 6,
        };
        let mut stream = Patience::new(server, limits);
        for _ in 0..3 {
            // A header in two parts, and an answer that takes longer than anybody may be idle.
            for part in [b"GE", b"T "] {
                tokio::time::sleep(LIMIT).await;
                client.write_all(part).await.expect("room");
                let found = read(&mut stream).await.expect("in time").expect("read");
                assert_eq!(found, 2);
            }
            let busy = stream.phase().header_read();
            tokio::time::sleep(LIMIT * 3).await;
            drop(busy);
        }
        let began = Instant::now();
        let late = timeout(LONG * 5, stream.read(&mut [0; 16])).await;
        let late = late.expect("it ends").expect_err("too late");
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        let took = began.elapsed();
        assert!(took >= limits.request && took < LIMIT * 4, "{took:?}");
    }

    #[tokio::test]
    async fn an_end_is_an_end() {
        let (client, mut stream) = pair();
        drop(client);
        assert_eq!(
            read(&mut stream).await.expect("at once").expect("an end"),
            0
        );
    }

    #[tokio::test]
    async fn who_does_not_read_is_not_written_to_for_ever() {
        let (mut reader, stream) = tokio::io::duplex(4);
        let limit = Duration::from_millis(50);
        let mut patience = Patience::new(stream, limits(limit));
        patience.write_all(b"1234").await.expect("there is room");
        let waited = patience.write_all(b"5").await.map_err(|e| e.kind());
        assert_eq!(waited, Err(io::ErrorKind::TimedOut));

        // Whoever takes all there is in time may take long over the next.
        let mut taken = [0; 4];
        reader.read_exact(&mut taken).await.expect("four octets");
        patience.flush().await.expect("all was taken");
        patience.write_all(b"5678").await.expect("there is room");
        let (written, read) = tokio::join!(patience.write_all(b"9"), async {
            tokio::time::sleep(limit / 5).await;
            reader.read_exact(&mut taken).await
        });
        assert!(written.is_ok() && read.is_ok());
    }
    #[tokio::test]
    async fn what_is_passed_on_goes_on_while_it_is_taken() {
        let (mut reader, stream) = tokio::io::duplex(4);
        let limit = Duration::from_millis(50);
        let mut patience = Patience::new(stream, limits(limit));
        let busy = patience.phase().header_read();
        busy.passes();
        let written = tokio::spawn(async move {
            let written = patience.write_all(&[7; 12]).await;
            drop(busy);
            // The long limit holds until the next request.
            let last = patience.write_all(b"tail").await;
            written.is_ok() && last.is_ok()
        });
        let mut taken = [0; 4];
        for _ in 0..4 {
            tokio::time::sleep(limit * 2).await;
            reader.read_exact(&mut taken).await.expect("four octets");
        }
        assert!(written.await.expect("it ends"));
    }
}
