//! A stand-in for an application: it serves everybody and remembers what it saw.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::process::listener;

/// The body of its every answer.
pub(crate) const SERVED: &str = "what only the right ones may see";

/// A request as it arrived.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    /// The length of the body in octets, and its SHA-256 in hex.
    pub(crate) length: usize,
    pub(crate) sha256: String,
}

impl Seen {
    /// The values under a name in any case and with any character between its words, as many applications
    /// see headers.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let folded = |name: &str| name.to_ascii_lowercase().replace(['_', '.'], "-");
        let of_that_name = |(sent, _): &&(String, String)| folded(sent) == folded(name);
        let headers = self.headers.iter().filter(of_that_name);
        headers.map(|(_, value)| &**value).collect()
    }
}

#[derive(Default)]
struct Memory {
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
}

/// The application; its threads end with the test program.
pub(crate) struct Application {
    pub(crate) port: u16,
    memory: Arc<Memory>,
}

impl Application {
    pub(crate) fn start() -> Self {
        let listener = listener();
        let port = listener.local_addr().expect("it has an address").port();
        let memory = Arc::new(Memory::default());
        let shared = Arc::clone(&memory);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                shared.connections.fetch_add(1, Ordering::Relaxed);
                let memory = Arc::clone(&shared);
                // A client that breaks off is no matter of the application's.
                std::thread::spawn(move || drop(serve(&stream, &memory)));
            }
        });
        Self { port, memory }
    }

    /// What has come since it was asked last.
    pub(crate) fn take(&self) -> Vec<Seen> {
        let mut seen = self.memory.seen.lock();
        std::mem::take(seen.as_mut().unwrap_or_else(|poisoned| poisoned.get_mut()))
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.memory.connections.load(Ordering::Relaxed)
    }
}

fn serve(stream: &TcpStream, memory: &Memory) -> io::Result<()> {
    let mut writer = stream;
    let mut reader = BufReader::new(stream);
    while let Some(seen) = request(&mut reader)? {
        let head = seen.method == "HEAD";
        let mut all = memory.seen.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(seen);
        drop(all);
        let mut answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            SERVED.len()
        );
        if !head {
            answer += SERVED;
        }
        writer.write_all(answer.as_bytes())?;
    }
    Ok(())
}

/// Reads one request, or finds that there is none any more.
fn request(reader: &mut BufReader<&TcpStream>) -> io::Result<Option<Seen>> {
    let first = line(reader)?;
    let mut words = first.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Ok(None);
    };
    let mut headers = Vec::new();
    loop {
        let header = line(reader)?;
        let Some((name, value)) = header.split_once(':') else {
            break;
        };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut seen = Seen {
        method: method.to_owned(),
        target: target.to_owned(),
        headers,
        length: 0,
        sha256: String::new(),
    };
    let mut digest = Sha256::new();
    if seen.values("Transfer-Encoding").contains(&"chunked") {
        loop {
            let size = line(reader)?;
            let size = usize::from_str_radix(&size, 16).map_err(io::Error::other)?;
            seen.length += copy(reader, size, &mut digest)?;
            line(reader)?;
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = seen.values("Content-Length").first() {
        let length = length.parse().map_err(io::Error::other)?;
        seen.length = copy(reader, length, &mut digest)?;
    }
    seen.sha256 = written(&digest.finalize());
    Ok(Some(seen))
}

/// The SHA-256 of a body, in hex.
pub(crate) fn hex(body: &[u8]) -> String {
    written(&Sha256::digest(body))
}

fn written(digest: &[u8]) -> String {
    let mut hex = String::new();
    for octet in digest {
        let _ = write!(hex, "{octet:02x}");
    }
    hex
}

fn line(reader: &mut BufReader<&TcpStream>) -> io::Result<String> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line)?;
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

fn copy(reader: &mut impl Read, length: usize, digest: &mut Sha256) -> io::Result<usize> {
    let mut left = length;
    let mut buffer = [0; 8192];
    while left > 0 {
        let part = left.min(buffer.len());
        reader.read_exact(&mut buffer[..part])?;
        digest.update(&buffer[..part]);
        left -= part;
    }
    Ok(length)
}
