//! Where the log is written: at once while lines come one by one, and many at a time while they come thick and fast,
//! because what a line costs is not its octets but the system's call.
//!
//! Whoever asks one thing after another finds the line in the log when the answer is there. A line that is gathered
//! is written within a few milliseconds. Where lines are taken away too slowly, whoever writes one waits; only what
//! cannot be written at all is lost.
//!
//! Each thread gathers for itself, because what threads have in common goes from core to core with every line. The writer
//! takes from all of them at one moment, and puts what it took into the order of time. A line whose thread was stopped
//! between telling the time and gathering it may stand some milliseconds behind its place.

use std::io::{self, Write};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use thread_local::ThreadLocal;
use tracing_subscriber::fmt::MakeWriter;

use super::lines::{Lines, in_order};
use super::out::Out;

/// A line that comes so long after the one before is written at once.
const APART: Duration = Duration::from_micros(100);
/// And so many others in every [`WINDOW`].
const AT_ONCE: u32 = 64;
/// As long as all of it takes no more than this of the window.
const TAKEN: Duration = Duration::from_millis(2);
/// See [`AT_ONCE`].
const WINDOW: Duration = Duration::from_millis(20);
/// Lines are gathered until a [`WINDOW`] brings no more than this: what comes [`APART`] on average.
const FEW: usize = (WINDOW.as_micros() / APART.as_micros()) as usize;
/// How long they are gathered before they are written.
const GATHERED: Duration = Duration::from_millis(2);
/// How many octets a thread gathers at most.
const ROOM: usize = 1 << 18;

/// Takes lines.
pub(super) struct Paper(Arc<Shared>);

/// Sees to it that every line is written before it is gone.
pub(crate) struct Log {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

/// Whoever has one of its locks takes only those that stand below it.
struct Shared {
    state: Mutex<State>,
    /// There is something to gather for, or the end.
    work: Condvar,
    /// Whether lines are gathered. Whoever has `state` changes it; whoever has a thread's lock and finds it set may add to
    /// what that thread gathered, because all is taken after it was reset.
    gathers: AtomicBool,
    /// One is added only by whoever has `state`, so that none is missed when all is taken.
    threads: ThreadLocal<Thread>,
    out: Mutex<Out>,
    /// Which octets of a line are its time.
    time: Range<usize>,
}

struct State {
    /// Whether there is a writer, who has not been told to end.
    has_writer: bool,
    /// When the last line came that was not gathered, or was written.
    last: Option<Instant>,
    since: Instant,
    at_once: u32,
    taken: Duration,
}

/// A thread's own. Two share no cache line, nor the pair of them that processors fetch.
#[derive(Default)]
#[repr(align(128))]
struct Thread {
    lines: Mutex<Lines>,
    /// They were taken, or are gathered no more.
    room: Condvar,
}

impl Paper {
    /// Writes there. Those octets of every line are its time, in a form that sorts.
    pub(super) fn new(out: Box<dyn Write + Send>, time: Range<usize>) -> (Self, Log) {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                has_writer: true,
                last: None,
                since: Instant::now(),
                at_once: 0,
                taken: Duration::ZERO,
            }),
            work: Condvar::new(),
            gathers: AtomicBool::new(false),
            threads: ThreadLocal::new(),
            out: Mutex::new(Out::new(out)),
            time,
        });
        let for_writer = Arc::clone(&shared);
        let writer = std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || for_writer.write_what_is_gathered())
            .ok();
        // Without a thread to spare each line is written by itself.
        shared.state().has_writer = writer.is_some();
        let log = Log {
            shared: Arc::clone(&shared),
            writer,
        };
        (Self(shared), log)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while this is locked but a sink, and then the state is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes them out.
    fn put(&self, lines: &[u8]) {
        if lines.is_empty() {
            return;
        }
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.write(lines);
    }

    fn take(&self, line: &[u8]) {
        loop {
            if self.gathers.load(Ordering::Relaxed)
                && let Some(thread) = self.threads.get()
                && self.gather(thread, line)
            {
                return;
            }
            let mut state = self.state();
            if !self.gathers.load(Ordering::Relaxed) {
                if !state.has_writer {
                    let mut left = Vec::new();
                    self.take_all(&mut left);
                    self.put(in_order(&left, &self.time, &mut Vec::new()));
                }
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
                self.gathers.store(true, Ordering::Relaxed);
                self.work.notify_one();
            }
            self.threads.get_or_default();
        }
    }

    /// Adds a line to what a thread, the calling one, has gathered, unless that is over.
    fn gather(&self, thread: &Thread, line: &[u8]) -> bool {
        let mut lines = thread.lines();
        // Whether it is over whoever takes all says before they take it: so it is seen by whoever has the lock next.
        while self.gathers.load(Ordering::Relaxed) {
            if lines.octets() < ROOM {
                lines.add(line);
                return true;
            }
            let waited = thread.room.wait(lines);
            lines = waited.unwrap_or_else(PoisonError::into_inner);
        }
        false
    }

    fn write_what_is_gathered(&self) {
        // Nobody is to wait for a writer that is gone, whatever has become of it.
        let _ended = Ended(self);
        let mut taken = Vec::new();
        let mut sorted = Vec::new();
        let (mut since, mut count) = (Instant::now(), 0);
        let mut state = self.state();
        loop {
            while !self.gathers.load(Ordering::Relaxed) {
                if !state.has_writer {
                    return;
                }
                let waited = self.work.wait(state);
                state = waited.unwrap_or_else(PoisonError::into_inner);
                (since, count) = (Instant::now(), 0);
            }
            if state.has_writer {
                drop(state);
                std::thread::sleep(GATHERED);
                state = self.state();
            }
            let is_over = !state.has_writer || {
                let now = Instant::now();
                let ends = now.duration_since(since) >= WINDOW;
                let few = count <= FEW;
                if ends {
                    (since, count) = (now, 0);
                }
                ends && few
            };
            if is_over {
                self.gathers.store(false, Ordering::Relaxed);
            }
            self.take_all(&mut taken);
            count += taken.iter().map(Lines::count).sum::<usize>();
            let lines = in_order(&taken, &self.time, &mut sorted);
            if is_over {
                // What comes now is written at once, after this.
                self.put(lines);
            } else {
                drop(state);
                self.put(lines);
                state = self.state();
            }
            taken.iter_mut().for_each(Lines::clear);
        }
    }

    /// Takes what all threads have gathered at this moment, for what was taken before and is empty: a line that another was
    /// written because of is among it if that one is. The state is locked.
    fn take_all(&self, taken: &mut Vec<Lines>) {
        let mut all: Vec<_> = self.threads.iter().map(Thread::lines).collect();
        taken.resize_with(all.len(), Lines::default);
        for (lines, taken) in all.iter_mut().zip(taken) {
            std::mem::swap(&mut **lines, taken);
        }
        drop(all);
        for thread in &self.threads {
            thread.room.notify_all();
        }
    }
}

impl Thread {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        // Nothing panics while this is locked.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets everybody write for themselves when it is dropped.
struct Ended<'a>(&'a Shared);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.has_writer = false;
        self.0.gathers.store(false, Ordering::Relaxed);
        // What is left where the writer has panicked the next line takes along.
        for thread in &self.0.threads {
            drop(thread.lines());
            thread.room.notify_all();
        }
    }
}

impl State {
    fn may_be_written_at_once(&mut self) -> bool {
        let now = Instant::now();
        let last = self.last.replace(now);
        if !self.has_writer {
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
        self.shared.state().has_writer = false;
        self.shared.work.notify_one();
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

    /// Lines are told apart by their numbers, where there is more than one thread.
    const NUMBER: Range<usize> = 0..6;

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
        let (paper, log) = Paper::new(Box::new(slow.clone()), NUMBER);
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

    #[test]
    fn what_a_writer_leaves_that_panics_the_next_line_takes_along() {
        let slow = Slow::default();
        let (paper, log) = Paper::new(Box::new(slow.clone()), NUMBER);
        // Gathered, and no writer that was told of it.
        paper.0.threads.get_or_default().lines().add(b"1\n");
        drop(Ended(&paper.0));
        paper.0.take(b"2\n");
        assert_eq!(slow.written().1, "1\n2\n");
        drop(log);
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
        let (paper, log) = Paper::new(Box::new(broken.clone()), NUMBER);
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
        let (paper, log) = Paper::new(Box::new(broken), NUMBER);
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

    /// Has four threads write lines that are numbered in the order in which they are written.
    fn write_many(paper: &Paper, each: usize) {
        let next = Mutex::new(0);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let next = &next;
                scope.spawn(move || {
                    for _ in 0..each {
                        let mut number = next.lock().expect("nobody panics");
                        let line = format!("{number:06} {thread} {}\n", "x".repeat(200));
                        paper.0.take(line.as_bytes());
                        *number += 1;
                    }
                });
            }
        });
    }

    #[test]
    fn many_lines_are_all_there_in_order_by_few_calls() {
        let slow = Slow {
            takes: Duration::from_millis(1),
            ..Slow::default()
        };
        let (paper, log) = Paper::new(Box::new(slow.clone()), NUMBER);
        write_many(&paper, 5_000);
        drop(log);
        // Whoever is late writes all the same.
        paper.0.take(b"020000 late\n");
        let (calls, text) = slow.written();
        assert!(calls < 1_000, "{calls} calls");
        assert_eq!(text.lines().count(), 20_001);
        for (number, line) in text.lines().enumerate() {
            assert_eq!(&line[NUMBER], format!("{number:06}"), "{line}");
        }
    }

    #[test]
    fn lines_are_there_at_once_again_when_fewer_come() {
        let slow = Slow::default();
        let (paper, log) = Paper::new(Box::new(slow.clone()), NUMBER);
        write_many(&paper, 1_000);
        assert!(slow.written().0 < 4_000, "none was gathered");
        let began = Instant::now();
        while paper.0.gathers.load(Ordering::Relaxed) {
            assert!(began.elapsed() < Duration::from_secs(10), "still gathered");
            std::thread::sleep(GATHERED);
        }
        // Some are gathered again where the machine does something else meanwhile.
        let all = 1_000;
        let at_once = (0..all).filter(|_| {
            std::thread::sleep(APART);
            let before = slow.written().0;
            paper.0.take(b"last\n");
            slow.written().0 > before
        });
        let at_once = at_once.count();
        assert!(at_once > all / 2, "{at_once} of {all}");
        drop(log);
        assert_eq!(slow.written().1.lines().count(), 4_000 + all);
    }

    #[test]
    fn a_thread_that_has_gathered_too_much_waits_until_it_is_taken() {
        let slow = Slow {
            takes: Duration::from_millis(20),
            ..Slow::default()
        };
        let (paper, log) = Paper::new(Box::new(slow.clone()), NUMBER);
        let line = [&vec![b'x'; ROOM / 4][..], b"\n"].concat();
        for _ in 0..64 {
            paper.0.take(&line);
            let gathered = paper.0.threads.get().map(|thread| thread.lines().octets());
            assert!(gathered.is_none_or(|octets| octets < ROOM + line.len()));
        }
        drop(log);
        assert_eq!(slow.written().1.len(), 64 * line.len());
    }
}
