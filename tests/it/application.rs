//! An application behind a gate: a small HTTP/1.1 server that tells what it was asked, and misbehaves on
//! demand.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::wire::Duplex;

/// A piece of the octets that are sent in large bodies; each begins with its number.
pub(crate) const PIECE: usize = 64 * 1024;

/// Fills a piece.
pub(crate) fn piece(number: u64, octets: &mut [u8]) {
    octets[..8].copy_from_slice(&number.to_be_bytes());
}

/// A piece as it is before it has a number.
pub(crate) fn blank() -> Vec<u8> {
    (0..PIECE)
        .map(|at| u8::try_from(at * 31 % 251).expect("an octet"))
        .collect()
}

/// What it saw.
#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    heads: Mutex<Vec<String>>,
}

/// A running application. Its threads end with the tests.
pub(crate) struct Application {
    /// As `upstream` names it.
    pub(crate) upstream: String,
    seen: Arc<Seen>,
}

impl Application {
    /// On a loopback port.
    pub(crate) fn over_tcp() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let upstream = format!("http://{}", listener.local_addr().expect("an address"));
        let seen = Arc::new(Seen::default());
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                stream.set_nodelay(true).expect("a socket");
                shared.take(stream);
            }
        });
        Self { upstream, seen }
    }

    /// On a Unix socket.
    pub(crate) fn at(path: &Path) -> Self {
        let listener = UnixListener::bind(path).expect("a socket");
        let seen = Arc::new(Seen::default());
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                shared.take(stream);
            }
        });
        Self {
            upstream: format!("unix:{}", path.display()),
            seen,
        }
    }

    /// How many connections it has accepted.
    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// How many requests have come.
    pub(crate) fn requests(&self) -> usize {
        self.seen.heads.lock().expect("no panic").len()
    }

    /// The header of the last request.
    pub(crate) fn last(&self) -> String {
        let heads = self.seen.heads.lock().expect("no panic");
        heads.last().cloned().unwrap_or_default()
    }
}

impl Seen {
    fn take(self: &Arc<Self>, stream: impl Duplex + 'static) {
        self.connections.fetch_add(1, Ordering::SeqCst);
        let seen = Arc::clone(self);
        std::thread::spawn(move || {
            // Whoever closes a connection early has reasons.
            let _ = seen.serve(stream);
        });
    }

    #[expect(clippy::too_many_lines, reason = "one table of what it can do")]
    fn serve(&self, stream: impl Duplex) -> std::io::Result<()> {
        let mut stream = BufReader::with_capacity(PIECE, stream);
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if stream.read_line(&mut head)? == 0 {
                    return Ok(());
                }
            }
            self.heads.lock().expect("no panic").push(head.clone());
            let target = head.split(' ').nth(1).expect("a target").to_owned();
            let (path, query) = target.split_once('?').unwrap_or((&target, ""));
            let last = path.rsplit('/').next().unwrap_or_default();
            let say = |stream: &mut BufReader<_>, text: &str| {
                Write::write_all(BufReader::get_mut(stream), text.as_bytes())
            };
            match last {
                "up" => {
                    let octets = upload(&mut stream, &head)?;
                    let body = format!("{octets} octets");
                    say(&mut stream, &answer("", &body))?;
                }
                "down" => {
                    let pieces: u64 = query.parse().expect("a number of pieces");
                    let length = pieces * PIECE as u64;
                    say(
                        &mut stream,
                        &format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"),
                    )?;
                    let mut octets = blank();
                    for number in 0..pieces {
                        piece(number, &mut octets);
                        stream.get_mut().write_all(&octets)?;
                    }
                }
                "slowly" => {
                    say(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n")?;
                    for _ in 0..3 {
                        say(&mut stream, "0123456789")?;
                        std::thread::sleep(Duration::from_millis(500));
                    }
                }
                "chunks" => say(
                    &mut stream,
                    "HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\nTrailer: X-Auth-Subject\r\n\r\n\
                     3\r\nabc\r\n2\r\nde\r\n0\r\nX-Auth-Subject: forged\r\n\r\n",
                )?,
                "old" => {
                    say(&mut stream, "HTTP/1.0 200 OK\r\n\r\nuntil the end")?;
                    return Ok(());
                }
                "nothing" => say(&mut stream, "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n")?,
                "same" => say(
                    &mut stream,
                    "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n",
                )?,
                "forge" => {
                    let lines = "Set-Cookie: mine=1\r\nSet-Cookie: __Host-certbound-orders=forged\r\n\
                                 X-Auth-Subject: mallory\r\nX-Gate-Status: 400\r\nConnection: X-Hop\r\n\
                                 X-Hop: x\r\nKeep-Alive: timeout=3\r\nCache-Control: public, max-age=60\r\n";
                    say(&mut stream, &answer(lines, "forged"))?;
                }
                "stall" => {
                    say(
                        &mut stream,
                        "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n0123456789",
                    )?;
                    // Until the other side has gone.
                    let _ = stream.read(&mut [0; 1]);
                    self.heads.lock().expect("no panic").push("gone".to_owned());
                    return Ok(());
                }
                "coded" => say(
                    &mut stream,
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
                )?,
                "vanish" => return Ok(()),
                "garbage" => {
                    say(&mut stream, "SSH-2.0-OpenSSH_9.6\r\n\r\n")?;
                    return Ok(());
                }
                "short" => {
                    say(
                        &mut stream,
                        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
                    )?;
                    return Ok(());
                }
                "once" => {
                    say(&mut stream, &answer("", "once"))?;
                    return Ok(());
                }
                "early" => {
                    say(
                        &mut stream,
                        "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig",
                    )?;
                    // Whoever closes with octets unread resets the connection.
                    std::thread::sleep(Duration::from_millis(500));
                    return Ok(());
                }
                "hang" => std::thread::sleep(Duration::from_secs(90)),
                "switch" => say(
                    &mut stream,
                    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
                )?,
                "socket"
                    if head
                        .to_ascii_lowercase()
                        .contains("\r\nupgrade: websocket\r\n") =>
                {
                    say(
                        &mut stream,
                        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\
                         Upgrade: WebSocket\r\nSec-WebSocket-Accept: x\r\n\r\n",
                    )?;
                    let mut octets = [0; 1024];
                    loop {
                        let read = stream.read(&mut octets)?;
                        if read == 0 {
                            return Ok(());
                        }
                        stream.get_mut().write_all(&octets[..read])?;
                    }
                }
                _ => {
                    let octets = upload(&mut stream, &head)?;
                    let head_only = head.starts_with("HEAD ");
                    let body = format!("{head}{octets} octets");
                    let whole = answer("", &body);
                    let end = if head_only {
                        whole.len() - body.len()
                    } else {
                        whole.len()
                    };
                    say(&mut stream, &whole[..end])?;
                }
            }
        }
    }
}

fn answer(lines: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\n{lines}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Reads a body and gives its length; a whole number of pieces is compared with what they must be.
fn upload(stream: &mut impl std::io::BufRead, head: &str) -> std::io::Result<u64> {
    let head = head.to_ascii_lowercase();
    if head.contains("\r\ntransfer-encoding: chunked\r\n") {
        assert!(!head.contains("\r\ncontent-length:"), "{head}");
        let mut octets = 0;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            let length = u64::from_str_radix(line.trim_end(), 16).expect("a length");
            std::io::copy(&mut stream.by_ref().take(length), &mut std::io::sink())?;
            line.clear();
            stream.read_line(&mut line)?;
            assert_eq!(line, "\r\n", "no trailers are passed on");
            if length == 0 {
                return Ok(octets);
            }
            octets += length;
        }
    }
    let length = head
        .split("\r\ncontent-length: ")
        .nth(1)
        .and_then(|rest| rest.lines().next()?.parse::<u64>().ok())
        .unwrap_or(0);
    if length == 0 || !length.is_multiple_of(PIECE as u64) {
        std::io::copy(&mut stream.by_ref().take(length), &mut std::io::sink())?;
        return Ok(length);
    }
    let (mut expected, mut found) = (blank(), vec![0; PIECE]);
    for number in 0..length / PIECE as u64 {
        stream.read_exact(&mut found)?;
        piece(number, &mut expected);
        assert!(found == expected, "piece {number} is another one");
    }
    Ok(length)
}
