//! A connection that waits only so long: for the next request, and then, from its first octet on, for its header. hyper
//! has one limit for both, and sets a clock anew for each request; and when it reads is its own business, so that who
//! looks at the clock is not whoever reads, but a [`Watch`] beside the connection.
//!
//! For what is written hyper has no limit: whoever never reads answers would keep a connection for ever.

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
    /// How many headers were read whole.
    requests: AtomicUsize,
}

impl Phase {
    /// A header has been read whole. The request is answered when what this gives is dropped.
    pub(super) fn header_read(&self) -> Busy {
        self.0.header.store(false, Ordering::Relaxed);
        self.0.passing.store(false, Ordering::Relaxed);
        self.0.requests.fetch_add(1, Ordering::Relaxed);
        self.0.busy.fetch_add(1, Ordering::Relaxed);
        Busy(self.clone())
    }

    /// Octets have arrived: unless they are of a request that is being answered, a header has begun.
    fn begins(&self) {
        if self.0.busy.load(Ordering::Relaxed) == 0 {
            self.0.header.store(true, Ordering::Relaxed);
        }
    }

    /// What the other side is to send next, if it must.
    fn awaits(&self) -> Option<Awaited> {
        let header = self.0.header.load(Ordering::Relaxed);
        let idle = self.0.busy.load(Ordering::Relaxed) == 0;
        (header || idle).then(|| Awaited {
            requests: self.0.requests.load(Ordering::Relaxed),
            header,
        })
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

/// What the other side is to send: the rest of a header, or the first octet of a request; and after how many requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Awaited {
    requests: usize,
    header: bool,
}

/// How long what is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The next request.
    pub(super) request: Duration,
    /// The rest of a header, from its first octet; and the taking of what is written.
    pub(super) header: Duration,
}

/// Ends when a request or its header has not come in time. To be polled whenever the connection was.
pub(super) struct Watch {
    phase: Phase,
    limits: Limits,
    /// What is waited for, and since when.
    awaited: Option<(Awaited, Instant)>,
    /// Rings when the wait is over, or before: to set it anew for each request would cost more.
    alarm: Pin<Box<Sleep>>,
}

impl Watch {
    /// Until when what is waited for is to have come.
    fn end(&mut self) -> Option<Instant> {
        let Some(awaited) = self.phase.awaits() else {
            self.awaited = None;
            return None;
        };
        let since = match self.awaited {
            Some((before, since)) if before == awaited => since,
            _ => Instant::now(),
        };
        self.awaited = Some((awaited, since));
        let limit = if awaited.header {
            self.limits.header
        } else {
            self.limits.request
        };
        Some(since + limit)
    }
}

impl Future for Watch {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let end = this.end();
        if let Some(end) = end
            && this.alarm.deadline() > end
        {
            this.alarm.as_mut().reset(end);
        }
        while this.alarm.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            if end.is_some_and(|end| now >= end) {
                return Poll::Ready(());
            }
            // Whoever is busy may be done without anybody hearing of it here: it is looked again.
            let next = end.unwrap_or(now + this.limits.request);
            this.alarm.as_mut().reset(next);
        }
        Poll::Pending
    }
}

/// A stream that notes when a request begins, and ends with an error when answers are not taken.
pub(super) struct Patience<S> {
    stream: S,
    phase: Phase,
    limits: Limits,
    /// Runs from when the other side stopped taking octets until it has taken all there are.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl<S> Patience<S> {
    /// Waits no longer than that, as long as the other one is watched, too.
    pub(super) fn new(stream: S, limits: Limits) -> (Self, Watch) {
        let phase = Phase::default();
        let watch = Watch {
            phase: phase.clone(),
            limits,
            awaited: None,
            alarm: Box::pin(sleep_until(Instant::now() + limits.request)),
        };
        let patience = Self {
            stream,
            phase,
            limits,
            stuck: None,
        };
        (patience, watch)
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
        if buffer.filled().len() > before {
            this.phase.begins();
        }
        polled
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
    use hyper::server::conn::http1;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::timeout;

    use super::*;

    const LIMIT: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_millis(200);

    /// A connection and whoever watches it.
    struct Watched {
        stream: Patience<DuplexStream>,
        watch: Watch,
    }

    impl Watched {
        /// What is read, unless it was waited for too long.
        async fn read(&mut self) -> io::Result<usize> {
            let mut octets = [0; 16];
            tokio::select! {
                biased;
                read = self.stream.read(&mut octets) => read,
                () = &mut self.watch => Err(io::ErrorKind::TimedOut.into()),
            }
        }
    }

    fn pair() -> (DuplexStream, Watched) {
        watched(limits(LIMIT))
    }

    fn watched(limits: Limits) -> (DuplexStream, Watched) {
        let (client, server) = duplex(64);
        let (stream, watch) = Patience::new(server, limits);
        (client, Watched { stream, watch })
    }

    fn limits(header: Duration) -> Limits {
        Limits {
            request: LONG * 10,
            header,
        }
    }

    /// What a reader finds within a time that is longer than the limit; none if it still waits.
    async fn read(watched: &mut Watched) -> Option<io::Result<usize>> {
        timeout(LONG, watched.read()).await.ok()
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
        let phase = stream.stream.phase();
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
        let limits = Limits {
            request: LIMIT * 2,
            header: LIMIT * 6,
        };
        let (mut client, mut stream) = watched(limits);
        for _ in 0..3 {
            // A header in two parts, and an answer that takes longer than anybody may be idle.
            for part in [b"GE", b"T "] {
                tokio::time::sleep(LIMIT).await;
                client.write_all(part).await.expect("room");
                let found = read(&mut stream).await.expect("in time").expect("read");
                assert_eq!(found, 2);
            }
            let busy = stream.stream.phase().header_read();
            tokio::time::sleep(LIMIT * 3).await;
            drop(busy);
        }
        let began = Instant::now();
        let late = timeout(LONG * 5, stream.read()).await;
        let late = late.expect("it ends").expect_err("too late");
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        let took = began.elapsed();
        assert!(took >= limits.request && took < LIMIT * 4, "{took:?}");
    }

    /// hyper reads when it likes: whoever has been answered and asks nothing more is idle all the same.
    #[tokio::test]
    async fn who_was_answered_is_idle_whether_or_not_anybody_reads() {
        let limits = Limits {
            request: LIMIT * 2,
            header: LIMIT,
        };
        for half_close in [true, false] {
            for (waits, takes) in [(0, 0), (0, 5), (1, 0), (1, 1), (1, 5)] {
                let (mut client, server) = duplex(1024);
                let (stream, watch) = Patience::new(server, limits);
                let phase = stream.phase();
                let service = service_fn(move |_| {
                    let busy = phase.header_read();
                    async move {
                        tokio::time::sleep(LIMIT * takes).await;
                        drop(busy);
                        let body = http_body_util::Full::new(bytes::Bytes::from_static(b"ok"));
                        Ok::<_, std::convert::Infallible>(http::Response::new(body))
                    }
                });
                let ask = async |client: &mut DuplexStream| {
                    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
                    client.write_all(request).await.expect("room");
                };
                if waits == 0 {
                    // It is there before anybody looks.
                    ask(&mut client).await;
                }
                let connection = http1::Builder::new()
                    .header_read_timeout(None)
                    .half_close(half_close)
                    .serve_connection(TokioIo::new(stream), service);
                let serving = tokio::spawn(async move {
                    tokio::select! {
                        biased;
                        _ = connection => false,
                        () = watch => true,
                    }
                });
                if waits > 0 {
                    tokio::time::sleep(LIMIT * waits).await;
                    ask(&mut client).await;
                }
                let mut answer = Vec::new();
                while !answer.ends_with(b"ok") {
                    assert_ne!(client.read_buf(&mut answer).await.expect("an answer"), 0);
                }
                let began = Instant::now();
                let late = timeout(limits.request * 5, serving).await;
                assert!(late.expect("it ends").expect("no panic"));
                let took = began.elapsed();
                let limit = limits.request;
                assert!(took + LIMIT / 5 >= limit && took < limit * 2, "{took:?}");
            }
        }
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
        let (mut patience, _) = Patience::new(stream, limits(limit));
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
        let (mut patience, _) = Patience::new(stream, limits(limit));
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
