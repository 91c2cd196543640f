//! A load that does what wrk cannot: requests that come at a steady rate whether or not the ones before have been
//! answered, requests that are made only once, and answers that are kept.
//!
//! `load ADDRESS FILE [connections=32] [seconds=3] [rate=N] [number=N] [wanted=200] [keep=FILE]`
//!
//! The requests of the file, one a line with \r\n written out, are taken in turn. With a rate they are due at
//! random moments (Poisson), and one that finds no connection free waits for it: how long an answer takes counts from
//! when the request was due. Without, each connection asks again as soon as it has its answer.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fs::File;
use std::io::{BufWriter, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::num::NonZeroU64;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

use super::Outcome;

/// How long a part of the load is of which the slowest answers are told apart from those of the others.
const SLICE: Duration = Duration::from_millis(100);

trait Stream: Read + Write + AsFd {}
impl<S: Read + Write + AsFd> Stream for S {}

struct Connection {
    stream: Box<dyn Stream>,
    /// What has come of an answer that is not whole yet.
    came: Vec<u8>,
    due: Instant,
}

/// Loads, and says how it went on the line that `load.lua` writes as well. At its end are the p99 of the middle one of the
/// load's slices, which a machine that stands still now and then does not change, and how many percent of the slices have
/// one that is under ten times the p50 of all.
pub fn load(address: &str, file: &str, options: &[&str]) -> Outcome {
    let options: HashMap<&str, &str> = options
        .iter()
        .map(|option| option.split_once('=').ok_or("write NAME=VALUE"))
        .collect::<Result<_, _>>()?;
    let number = |name, default: f64| options.get(name).map_or(Ok(default), |text| text.parse());
    let (rate, wanted) = (number("rate", 0.0)?, number("wanted", 200.0)? as u64);
    let most = number("number", f64::INFINITY)?;
    let seconds = number("seconds", if most.is_finite() { 600.0 } else { 3.0 })?;
    let mut kept = options
        .get("keep")
        .map(|path| File::create(path).map(BufWriter::new))
        .transpose()?;
    let requests: Vec<String> = std::fs::read_to_string(file)?
        .lines()
        .map(|line| line.replace("\\r\\n", "\r\n"))
        .collect();

    // Waking up fifty microseconds late, as is usual, is late where an answer takes a hundred.
    rustix::thread::set_current_timer_slack(NonZeroU64::new(1))?;
    let waiter = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut connections = Vec::new();
    for at in 0..number("connections", 32.0)? as u64 {
        let stream = connect(address)?;
        epoll::add(
            &waiter,
            &stream,
            epoll::EventData::new_u64(at),
            epoll::EventFlags::IN,
        )?;
        connections.push(Connection {
            stream,
            came: Vec::new(),
            due: Instant::now(),
        });
    }

    let mut free: VecDeque<usize> = (0..connections.len()).collect();
    let mut chance = Chance(0x9E37_79B9_7F4A_7C15);
    let (mut sent, mut bad, mut took) = (0_usize, 0_u64, Vec::new());
    let (mut events, mut scratch) = (Vec::with_capacity(256), vec![0; 65_536]);
    let began = Instant::now();
    let end = began + Duration::from_secs_f64(seconds);
    let mut next = began;
    loop {
        let mut now = Instant::now();
        if rate == 0.0 {
            next = now;
        }
        let over = |sent: usize, next: Instant| sent as f64 >= most || next >= end;
        while !over(sent, next) && next <= now {
            let Some(at) = free.pop_front() else { break };
            let connection = &mut connections[at];
            let request = requests[sent % requests.len()].as_bytes();
            if connection.stream.write(request)? != request.len() {
                return Err("a connection took only part of a request".into());
            }
            connection.due = next;
            sent += 1;
            now = Instant::now();
            next = if rate == 0.0 {
                now
            } else {
                next + chance.until_next(rate)
            };
        }
        if over(sent, next) && free.len() == connections.len() {
            break;
        }
        let pause = if over(sent, next) || free.is_empty() {
            Duration::from_secs(5)
        } else {
            next.saturating_duration_since(now)
        };
        let pause = Timespec {
            tv_sec: pause.as_secs() as i64,
            tv_nsec: pause.subsec_nanos().into(),
        };
        events.clear();
        epoll::wait(&waiter, spare_capacity(&mut events), Some(&pause))?;
        if events.is_empty() && (over(sent, next) || free.is_empty()) {
            return Err("no answer for five seconds".into());
        }
        for event in &events {
            let at = event.data.u64() as usize;
            let connection = &mut connections[at];
            match connection.stream.read(&mut scratch) {
                Ok(0) => return Err("a connection was closed".into()),
                Ok(length) => connection.came.extend_from_slice(&scratch[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error.into()),
            }
            let Some((status, body)) = answer(&connection.came)? else {
                continue;
            };
            took.push((connection.due - began, connection.due.elapsed()));
            if status != wanted {
                bad += 1;
                if bad == 1 {
                    eprintln!("answered {status}: {}", String::from_utf8_lossy(body));
                }
            } else if let Some(kept) = &mut kept {
                kept.write_all(body)?;
                kept.write_all(b"\n")?;
            }
            connection.came.clear();
            free.push_back(at);
        }
    }
    if let Some(mut kept) = kept {
        kept.flush()?;
    }
    let lasted = began.elapsed();
    let mut all: Vec<Duration> = took.iter().map(|(_, took)| *took).collect();
    let mut slices: BTreeMap<u128, Vec<Duration>> = BTreeMap::new();
    for (due, took) in took {
        let slice = due.as_millis() / SLICE.as_millis();
        slices.entry(slice).or_default().push(took);
    }
    // The last one may not be whole.
    slices.pop_last();
    let mut ninety_ninths: Vec<Duration> =
        slices.values_mut().map(|slice| share(slice, 99)).collect();
    let (median, usual) = (share(&mut all, 50), share(&mut ninety_ninths, 50));
    let even = ninety_ninths.partition_point(|p99| *p99 < 10 * median);
    let microseconds = |time: Duration| time.as_secs_f64() * 1e6;
    println!(
        "RESULT {} {} {:.1} {:.1} {bad} 0 {:.1} {}",
        all.len(),
        lasted.as_micros(),
        microseconds(median),
        microseconds(share(&mut all, 99)),
        microseconds(usual),
        even * 100 / ninety_ninths.len().max(1)
    );
    Ok(())
}

/// The time within which so many in a hundred are.
fn share(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    let at = times.len() * percent / 100;
    times.get(at).copied().unwrap_or_default()
}

fn connect(address: &str) -> std::io::Result<Box<dyn Stream>> {
    if let Some(path) = address.strip_prefix("unix:") {
        let stream = UnixStream::connect(path)?;
        stream.set_nonblocking(true)?;
        return Ok(Box::new(stream));
    }
    let stream = TcpStream::connect(address)?;
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}

/// The status and the body of an answer, once it is whole.
fn answer(came: &[u8]) -> Outcome<Option<(u64, &[u8])>> {
    let Some(head) = came.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let (head, body) = (std::str::from_utf8(&came[..head])?, &came[head + 4..]);
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .ok_or("an answer does not say how long it is")?;
    let length: usize = length.1.trim().parse()?;
    let status = status.ok_or("that is no answer")?.parse()?;
    Ok((body.len() >= length).then_some((status, body)))
}

/// xorshift64: enough for moments that nobody has to guess.
struct Chance(u64);

impl Chance {
    fn until_next(&mut self, rate: f64) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let part = ((self.0 >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
        Duration::from_secs_f64(-part.ln() / rate)
    }
}
