//! Threads that serve connections, each the ones that it was given: what a connection needs stays in the caches of one
//! core, where a thread that takes over half of another's work takes its memory along.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Semaphore, oneshot, watch};

use super::listen::{Accepted, Listener};
use crate::proxy::Peer;

/// How long requests in flight may take once the program is told to stop.
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// What is spoken over a connection.
pub trait Protocol: Clone + Send + Sync + 'static {
    /// Its name, for the log.
    const NAME: &'static str;

    /// Has room for as many connections as there may be.
    fn room(&self) -> &Arc<Semaphore>;

    /// Serves a connection until it ends. Once told to stop, what is in flight is finished and nothing begun.
    fn serve<S>(
        self,
        stream: S,
        peer: Peer,
        stop: watch::Receiver<bool>,
    ) -> impl Future<Output = ()> + Send
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static;
}

/// A stream that another thread can go on with.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send + Sized + 'static {
    /// It, watched by no runtime.
    type Loose: Send;

    fn loosen(self) -> io::Result<Self::Loose>;

    /// Must be called within the runtime that is to watch it.
    fn fasten(loose: Self::Loose) -> io::Result<Self>;
}

impl Stream for TcpStream {
    type Loose = std::net::TcpStream;

    fn loosen(self) -> io::Result<Self::Loose> {
        self.into_std()
    }

    fn fasten(loose: Self::Loose) -> io::Result<Self> {
        Self::from_std(loose)
    }
}

impl Stream for UnixStream {
    type Loose = std::os::unix::net::UnixStream;

    fn loosen(self) -> io::Result<Self::Loose> {
        self.into_std()
    }

    fn fasten(loose: Self::Loose) -> io::Result<Self> {
        Self::from_std(loose)
    }
}

/// The thread that accepts connections, which serves its share of them, and those beside it. Those end when this is
/// dropped, and what they still do is given up.
pub struct Workers {
    all: Arc<[Worker]>,
    beside: Vec<Beside>,
}

struct Worker {
    /// None for the one that accepts.
    runtime: Option<Handle>,
    /// Held once more by each connection that it serves.
    load: Arc<()>,
}

/// A thread beside the one that accepts. It ends with the sender.
struct Beside {
    ends: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Beside {
    fn start(name: String) -> io::Result<(Self, Handle)> {
        let (ends, end) = oneshot::channel();
        let (tells, told) = std::sync::mpsc::sync_channel(1);
        let thread = thread::Builder::new().name(name).spawn(move || {
            let runtime = match runtime() {
                Ok(runtime) => runtime,
                Err(error) => {
                    // Whoever started the thread waits for it.
                    let _ = tells.send(Err(error));
                    return;
                }
            };
            let _ = tells.send(Ok(runtime.handle().clone()));
            // Nothing is ever sent.
            let _ = runtime.block_on(end);
            runtime.shutdown_background();
        })?;
        let handle = told
            .recv()
            .unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))?;
        Ok((Self { ends, thread }, handle))
    }
}

/// How many tasks go on before it is looked for what has come over connections and for what is due.
const EVENTS: u32 = 8;

/// How many before it is looked for what other threads have given.
const GIVEN: u32 = 4;

/// A runtime for the calling thread alone.
///
/// # Errors
/// The system has no file descriptors left for one.
pub fn runtime() -> io::Result<Runtime> {
    // A task is a connection, and one whose client does not wait for answers goes on for sixteen requests at a time and is
    // never done: everybody else, new connections and Redis among them, would wait for it as often as these say.
    Builder::new_current_thread()
        .event_interval(EVENTS)
        .global_queue_interval(GIVEN)
        .enable_all()
        .build()
}

impl Workers {
    /// Starts so many, of which the one that accepts is one.
    ///
    /// # Errors
    /// The system has no threads or file descriptors left for them.
    pub fn start(number: NonZeroUsize) -> io::Result<Self> {
        let worker = |runtime| Worker {
            runtime,
            load: Arc::default(),
        };
        let mut all = vec![worker(None)];
        let mut beside = Vec::new();
        for number in 1..number.get() {
            let (started, runtime) = Beside::start(format!("worker-{number}"))?;
            beside.push(started);
            all.push(worker(Some(runtime)));
        }
        let all = all.into();
        Ok(Self { all, beside })
    }

    /// Accepts connections and has them served until told to stop; then waits for what is in flight.
    pub fn accept(
        &self,
        protocol: impl Protocol,
        listener: Listener,
        stop: watch::Receiver<bool>,
    ) -> impl Future<Output = ()> + Send + 'static {
        accept(Arc::clone(&self.all), protocol, listener, stop)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for Beside { ends, thread } in self.beside.drain(..) {
            drop(ends);
            // One that panicked has ended as well.
            let _ = thread.join();
        }
    }
}

async fn accept<P: Protocol>(
    workers: Arc<[Worker]>,
    protocol: P,
    listener: Listener,
    mut stop: watch::Receiver<bool>,
) {
    // Every connection holds an end of this until it is gone.
    let (open, _) = watch::channel(());
    loop {
        let permit = tokio::select! {
            permit = Arc::clone(protocol.room()).acquire_owned() => permit,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        // The semaphore is never closed.
        let Ok(permit) = permit else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        // The one that has the fewest; of those not the one that has everything else to do, which comes first.
        let all = workers.iter().rev();
        let fewest = all.min_by_key(|worker| Arc::strong_count(&worker.load));
        let Some(worker) = fewest else { break };
        let held = (permit, open.subscribe(), Arc::clone(&worker.load));
        let (protocol, stop) = (protocol.clone(), stop.clone());
        let given = match accepted {
            Ok(Accepted::Tcp(stream, peer)) => worker.give(stream, move |stream| async move {
                let _held = held;
                protocol.serve(stream, peer, stop).await;
            }),
            Ok(Accepted::Unix(stream)) => worker.give(stream, move |stream| async move {
                let _held = held;
                protocol.serve(stream, Peer::Unix, stop).await;
            }),
            Err(error) => Err(error),
        };
        if let Err(error) = given {
            // Out of file descriptors, most likely: others must end before more can begin.
            tracing::warn!(listener = P::NAME, %error, "a connection could not be accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_TIME, open.closed())
        .await
        .is_err()
    {
        tracing::warn!(
            listener = P::NAME,
            "requests were still in flight after {} s",
            DRAIN_TIME.as_secs()
        );
    }
}

impl Worker {
    /// Has that thread do that with the stream.
    fn give<S: Stream, F>(
        &self,
        stream: S,
        serve: impl FnOnce(S) -> F + Send + 'static,
    ) -> io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let Some(runtime) = &self.runtime else {
            tokio::spawn(serve(stream));
            return Ok(());
        };
        let loose = stream.loosen()?;
        runtime.spawn(async move {
            match S::fasten(loose) {
                Ok(stream) => serve(stream).await,
                Err(error) => tracing::warn!(%error, "a connection could not be handed on"),
            }
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Poll;

    use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    use super::*;

    /// Says on which thread it is served, and says bye when it is to stop.
    #[derive(Clone)]
    struct Telling(Arc<Semaphore>);

    impl Protocol for Telling {
        const NAME: &'static str = "telling";

        fn room(&self) -> &Arc<Semaphore> {
            &self.0
        }

        async fn serve<S>(self, mut stream: S, _: Peer, mut stop: watch::Receiver<bool>)
        where
            S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        {
            let name = thread::current().name().unwrap_or_default().to_owned();
            let said = stream.write_all(format!("{name}\n").as_bytes()).await;
            said.expect("somebody listens");
            let told = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => true,
                _ = stream.read_u8() => false,
            };
            if told {
                stream.write_all(b"bye").await.expect("somebody listens");
            }
        }
    }

    struct Served {
        _workers: Workers,
        address: SocketAddr,
        stop: watch::Sender<bool>,
        accepting: JoinHandle<()>,
    }

    async fn serve(threads: usize, room: usize) -> Served {
        let workers = NonZeroUsize::new(threads).expect("some");
        let workers = Workers::start(workers).expect("threads");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (stop, stopped) = watch::channel(false);
        let telling = Telling(Arc::new(Semaphore::new(room)));
        let accepting = workers.accept(telling, Listener::Tcp(listener), stopped);
        Served {
            _workers: workers,
            address,
            stop,
            accepting: tokio::spawn(accepting),
        }
    }

    /// A connection, and the thread that serves it.
    async fn connect(served: &Served) -> (BufReader<TcpStream>, String) {
        let stream = TcpStream::connect(served.address).await;
        let mut stream = BufReader::new(stream.expect("somebody listens"));
        let mut name = String::new();
        stream.read_line(&mut name).await.expect("a name");
        (stream, name.trim_end().to_owned())
    }

    #[tokio::test]
    async fn each_thread_has_its_share() {
        let served = serve(3, 100).await;
        let mut by_thread = BTreeMap::<_, Vec<_>>::new();
        for _ in 0..9 {
            let (stream, name) = connect(&served).await;
            by_thread.entry(name).or_default().push(stream);
        }
        let shares: Vec<_> = by_thread.values().map(Vec::len).collect();
        assert_eq!(shares, [3, 3, 3], "{:?}", by_thread.keys());
        // Whoever has lost connections is given new ones.
        let (name, lost) = by_thread.pop_last().expect("three");
        assert!(name.starts_with("worker-"), "{name}");
        drop(lost);
        tokio::time::sleep(Duration::from_millis(100)).await;
        for _ in 0..3 {
            assert_eq!(connect(&served).await.1, name);
        }
    }

    #[tokio::test]
    async fn what_is_in_flight_on_any_thread_is_finished() {
        let served = serve(3, 100).await;
        let mut streams = Vec::new();
        for _ in 0..6 {
            streams.push(connect(&served).await.0);
        }
        served.stop.send(true).expect("it is served");
        for mut stream in streams {
            let mut rest = String::new();
            stream.read_to_string(&mut rest).await.expect("an end");
            assert_eq!(rest, "bye");
        }
        served.accepting.await.expect("it ends");
        TcpStream::connect(served.address)
            .await
            .expect_err("nobody listens");
    }

    #[tokio::test]
    async fn there_is_room_for_so_many_on_all_threads_together() {
        let served = serve(2, 3).await;
        let mut streams = Vec::new();
        for _ in 0..3 {
            streams.push(connect(&served).await);
        }
        let late = tokio::time::timeout(Duration::from_millis(200), connect(&served)).await;
        assert!(late.is_err(), "there is room for three");
        drop(streams.pop());
        connect(&served).await;
    }

    /// Counted in turns of a task that always has something to do, as one is whose client does not wait for answers.
    #[tokio::test]
    async fn who_is_never_done_keeps_nobody_waiting() {
        let now = Arc::new(AtomicU32::new(0));
        let (mut far, near) = std::os::unix::net::UnixStream::pair().expect("a pair");
        near.set_nonblocking(true).expect("a socket");
        let (tells, told) = oneshot::channel();
        thread::spawn(move || {
            let runtime = runtime().expect("a runtime");
            let handle = runtime.handle().clone();
            runtime.block_on(async move {
                let mut near = UnixStream::from_std(near).expect("a socket");
                let at = Arc::clone(&now);
                let heard = tokio::spawn(async move {
                    near.read_u8().await.expect("an octet");
                    at.load(Ordering::Relaxed)
                });
                let given = Arc::new(AtomicU32::new(0));
                let when = Arc::clone(&given);
                let busy = tokio::spawn(std::future::poll_fn(move |context| {
                    match now.fetch_add(1, Ordering::Relaxed) {
                        1000 => io::Write::write_all(&mut far, b"x").expect("room"),
                        2000 => {
                            let (handle, now) = (handle.clone(), Arc::clone(&now));
                            let when = Arc::clone(&when);
                            let other = thread::spawn(move || {
                                handle.spawn(async move {
                                    when.store(now.load(Ordering::Relaxed), Ordering::Relaxed);
                                })
                            });
                            drop(other.join().expect("it gives"));
                        }
                        3000 => return Poll::Ready(()),
                        _ => {}
                    }
                    context.waker().wake_by_ref();
                    Poll::Pending
                }));
                busy.await.expect("it ends");
                let heard = heard.await.expect("it ends");
                let given = given.load(Ordering::Relaxed);
                tells.send((heard, given)).expect("somebody asks");
            });
        });
        let (heard, given) = told.await.expect("both came");
        assert!((1000..1000 + 3 * EVENTS).contains(&heard), "{heard}");
        assert!((2000..2000 + 3 * GIVEN).contains(&given), "{given}");
    }
}
