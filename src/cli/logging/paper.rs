//! Where the log is written: at once while lines come one by one, and many at a time while they come thick and fast,
//! because what a line costs is not its octets but the system's call.
//!
//! Whoever asks one thing after another finds the line in the log when the answer is there. A line that is gathered
//! is written within a few milliseconds. Nothing is dropped: where the lines are taken away too slowly, whoever
//! writes one waits.

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
    out: Mutex<Box<dyn Write + Send>>,
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
            out: Mutex::new(out),
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

    /// Writes them out. What cannot be written nobody can be told of.
    fn put(&self, lines: &[u8]) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = out.write_all(lines).and_then(|()| out.flush());
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
        for number in 0..500 {
            if number >= AT_ONCE {
                std::thread::sleep(APART);
            }
            paper.0.take(b"x\n");
            assert_eq!(slow.written().0, number as usize + 1);
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
