//! Where the log is written: at once while lines come one by one, and many at a time while they come thick and fast,
//! because what a line costs is not its octets but the system's call.
//!
//! Whoever asks one thing after another finds the line in the log when the answer is there. A line that is gathered
//! is written within a few milliseconds. Where lines are taken away too slowly, whoever writes one waits; only what
//! cannot be written at all is lost.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

/// A line that comes so long after the one before is written at once.
const APART: Duration = Duration::from_micros(100);
/// And so many others in every [`WINDOW`].
const AT_ONCE: u32 = 64;
/// As long as all of it takes no more than this of the window.
const TAKEN: Duration = Duration::from_millis(2);
/// See [`AT_ONCE`].
const WINDOW: Duration = Duration::from_millis(20);
/// How long others are gathered.
const GATHERED: Duration = Duration::from_millis(2);
/// How many octets are gathered at most.
const ROOM: usize = 1 << 20;

/// Takes lines.
pub(super) struct Paper(Arc<Shared>);

/// Sees to it that every line is written before it is gone.
pub(crate) struct Log {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    /// There is something to write, or the end.
    work: Condvar,
    /// Something was taken away.
    room: Condvar,
    out: Mutex<Out>,
}

/// Where lines go.
struct Out {
    sink: Box<dyn Write + Send>,
    /// The last line was not written to its end.
    torn: bool,
}

impl Out {
    /// Writes lines. One that cannot be written nobody can be told of.
    fn write(&mut self, lines: &[u8]) {
        if self.torn {
            self.torn = self.all(b"\n").is_err();
        }
        self.torn |= self.all(lines).is_err();
    }

    fn all(&mut self, mut octets: &[u8]) -> io::Result<()> {
        while !octets.is_empty() {
            match self.sink.write(octets) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => octets = octets.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A pipe that is full, and that somebody else has told not to wait.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::sleep(GATHERED);
                }
                Err(error) => return Err(error),
            }
        }
        self.sink.flush()
    }
}

struct State {
    gathered: Vec<u8>,
    /// The writer has taken lines, and they are not written yet.
    writing: bool,
    /// The writer waits for work.
    idle: bool,
    /// Whether there is a writer, who has not been told to end.
    gathers: bool,
    /// When the last line came, or was written.
    last: Option<Instant>,
    since: Instant,
    at_once: u32,
    taken: Duration,
}

impl Paper {
    /// Writes there.
    pub(super) fn new(out: Box<dyn Write + Send>) -> (Self, Log) {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                gathered: Vec::new(),
                writing: false,
                idle: false,
                gathers: true,
                last: None,
                since: Instant::now(),
                at_once: 0,
                taken: Duration::ZERO,
            }),
            work: Condvar::new(),
            room: Condvar::new(),
            out: Mutex::new(Out {
                sink: out,
                torn: false,
            }),
        });
        let for_writer = Arc::clone(&shared);
        let writer = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || for_writer.write_what_is_gathered())
            .ok();
        // Without a thread to spare each line is written by itself.
        shared.state().gathers = writer.is_some();
        let log = Log {
            shared: Arc::clone(&shared),
            writer,
        };
        (Self(shared), log)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while this is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes them out.
    fn put(&self, lines: &[u8]) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.write(lines);
    }

    fn take(&self, line: &[u8]) {
        let mut state = self.state();
        if state.may_be_written_at_once() {
            // In the order in which they come: nobody else writes while this is locked.
            let began = Instant::now();
            self.put(line);
            // The time that it took is not one in which no lines came.
            let ended = Instant::now();
            state.last = Some(ended);
            state.taken += ended.duration_since(began);
            return;
        }
        while state.gathered.len() >= ROOM && state.gathers {
            let waited = self.room.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        state.gathered.extend_from_slice(line);
        if !state.gathers {
            // The writer has ended meanwhile.
            let rest = std::mem::take(&mut state.gathered);
            self.put(&rest);
        } else if state.idle {
            state.idle = false;
            self.work.notify_one();
        }
    }

    fn write_what_is_gathered(&self) {
        // Nobody is to wait for a writer that is gone, whatever has become of it.
        let _ended = Ended(self);
        let mut lines = Vec::new();
        let mut state = self.state();
        loop {
            while state.gathered.is_empty() {
                if !state.gathers {
                    return;
                }
                state.idle = true;
                let waited = self.work.wait(state);
                state = waited.unwrap_or_else(PoisonError::into_inner);
            }
            state.idle = false;
            if state.gathers {
                drop(state);
                std::thread::sleep(GATHERED);
                state = self.state();
            }
            std::mem::swap(&mut state.gathered, &mut lines);
            state.writing = true;
            drop(state);
            self.room.notify_all();
            self.put(&lines);
            lines.clear();
            state = self.state();
            state.writing = false;
        }
    }
}

/// Lets everybody write for themselves when it is dropped.
struct Ended<'a>(&'a Shared);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        (state.gathers, state.writing) = (false, false);
        drop(state);
        self.0.room.notify_all();
    }
}

impl State {
    fn may_be_written_at_once(&mut self) -> bool {
        let now = Instant::now();
        let last = self.last.replace(now);
        if !self.gathered.is_empty() || self.writing {
            return false;
        }
        if !self.gathers {
            return true;
        }
        if now.duration_since(self.since) >= WINDOW {
            (self.since, self.at_once, self.taken) = (now, 0, Duration::ZERO);
        }
        if last.is_some_and(|last| now.duration_since(last) < APART) {
            self.at_once += 1;
        }
        self.at_once <= AT_ONCE && self.taken < TAKEN
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.shared.state().gathers = false;
        self.shared.work.notify_one();
        self.shared.room.notify_all();
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has written what it could.
            let _ = writer.join();
        }
    }
}

impl<'a> MakeWriter<'a> for Paper {
    type Writer = Pen<'a>;

    fn make_writer(&'a self) -> Pen<'a> {
        Pen(&self.0)
    }
}

/// Writes one line, which comes whole.
pub(super) struct Pen<'a>(&'a Shared);

impl Write for Pen<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.take(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts calls, and takes its time for each.
    #[derive(Clone, Default)]
    struct Slow {
        written: Arc<Mutex<(usize, Vec<u8>)>>,
        takes: Duration,
    }

    impl Write for Slow {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            std::thread::sleep(self.takes);
            let mut written = self.written.lock().expect("nobody panics");
            written.0 += 1;
            written.1.extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Slow {
        fn written(&self) -> (usize, String) {
            let written = self.written.lock().expect("nobody panics");
            (
                written.0,
                String::from_utf8(written.1.clone()).expect("text"),
            )
        }
    }

    #[test]
    fn a_few_lines_and_those_that_come_one_by_one_are_there_at_once() {
        let slow = Slow::default();
        let (paper, log) = Paper::new(Box::new(slow.clone()));
        let (all, mut at_once) = (300, 0);
        for number in 0..all {
            if number >= AT_ONCE {
                std::thread::sleep(APART);
            }
            let before = slow.written().0;
            paper.0.take(b"x\n");
            at_once += u32::from(slow.written().0 > before);
        }
        drop(log);
        assert_eq!(slow.written().1.len(), 2 * all as usize);
        // A machine that does something else meanwhile makes a line seem slow.
        assert!(at_once > all * 8 / 10, "{at_once} of {all}");
    }

    /// Fails in the ways in which pipes and disks do.
    #[derive(Clone, Default)]
    struct Broken {
        written: Arc<Mutex<Vec<u8>>>,
        calls: Arc<Mutex<usize>>,
        panics: bool,
    }

    impl Write for Broken {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            let mut calls = self.calls.lock().expect("nobody panics with it");
            *calls += 1;
            let call = *calls;
            drop(calls);
            assert!(!self.panics, "as it was told to");
            let written = match call {
                1 => return Err(io::ErrorKind::WouldBlock.into()),
                2 => return Err(io::ErrorKind::Interrupted.into()),
                3 => &octets[..2],
                4 => return Err(io::ErrorKind::StorageFull.into()),
                _ => octets,
            };
            let mut all = self.written.lock().expect("nobody panics with it");
            all.extend_from_slice(written);
            Ok(written.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_cannot_be_written_takes_no_other_along() {
        let broken = Broken::default();
        let (paper, log) = Paper::new(Box::new(broken.clone()));
        for line in [&b"one\n"[..], b"two\n", b"three\n"] {
            paper.0.take(line);
        }
        drop(log);
        let written = broken.written.lock().expect("nobody panics").clone();
        assert_eq!(String::from_utf8_lossy(&written), "on\ntwo\nthree\n");
    }

    #[test]
    fn nobody_waits_for_a_writer_that_is_gone() {
        let broken = Broken {
            panics: true,
            ..Broken::default()
        };
        let (paper, log) = Paper::new(Box::new(broken));
        // More than is gathered, and by whoever writes it nobody is to be stopped.
        let line = vec![b'x'; ROOM / 8];
        {
            let mut state = paper.0.state();
            state.at_once = AT_ONCE;
            state.since = Instant::now() + WINDOW * 1_000;
            state.last = Some(Instant::now());
        }
        for _ in 0..32 {
            let taken =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| paper.0.take(&line)));
            drop(taken);
        }
        drop(log);
    }

    #[test]
    fn many_lines_are_all_there_in_order_by_few_calls() {
        let slow = Slow {
            takes: Duration::from_millis(1),
            ..Slow::default()
        };
        let (paper, log) = Paper::new(Box::new(slow.clone()));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let paper = &paper;
                scope.spawn(move || {
                    for number in 0..5_000 {
                        paper
                            .0
                            .take(format!("{thread} {number} {}\n", "x".repeat(200)).as_bytes());
                    }
                });
            }
        });
        drop(log);
        // Whoever is late writes all the same.
        paper.0.take(b"4 0 x\n");
        let (calls, text) = slow.written();
        assert!(calls < 1_000, "{calls} calls");
        let mut next = [0; 5];
        for line in text.lines() {
            let mut parts = line.split(' ');
            let mut part = || {
                parts
                    .next()
                    .and_then(|part| part.parse().ok())
                    .expect("a number")
            };
            let (thread, number): (usize, usize) = (part(), part());
            assert_eq!(number, next[thread], "{line}");
            next[thread] += 1;
        }
        assert_eq!(next, [5_000, 5_000, 5_000, 5_000, 1]);
    }
}
