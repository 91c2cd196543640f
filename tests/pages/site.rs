//! A small web server that gives out the pages with the headers that they are served with.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

/// What pages may do: show, take their own style and script, post to here and to clients.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self' https:; frame-ancestors 'none'; base-uri 'none'";

type Files = Arc<Mutex<BTreeMap<String, (&'static str, String)>>>;

/// The server.
pub(crate) struct Site {
    address: SocketAddr,
    files: Files,
    /// The bodies of what was posted.
    pub(crate) posted: Receiver<String>,
}

impl Site {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        let files = Files::default();
        let served = Arc::clone(&files);
        let (sender, posted) = channel();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (served, sender) = (Arc::clone(&served), sender.clone());
                // A browser that goes away is no fault of the site's.
                std::thread::spawn(move || drop(answer(&connection, &served, &sender)));
            }
        });
        Self {
            address,
            files,
            posted,
        }
    }

    /// Puts a file there, and says its URL.
    pub(crate) fn put(&self, path: &str, media_type: &'static str, text: String) -> String {
        let mut files = self.files.lock().expect("nobody fails while holding it");
        files.insert(path.to_owned(), (media_type, text));
        self.url(path)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

fn answer(connection: &TcpStream, files: &Files, posted: &Sender<String>) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or("/").to_owned();
    let path = path.split('?').next().unwrap_or_default();
    let is_post = line.starts_with("POST ");
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = String::new();
    reader.take(length).read_to_string(&mut body)?;
    let found = files
        .lock()
        .expect("nobody fails while holding it")
        .get(path)
        .cloned();
    let (status, media_type, text) = match found {
        _ if is_post => ("200 OK", "text/plain; charset=utf-8", "posted".to_owned()),
        Some((media_type, text)) => ("200 OK", media_type, text),
        None => ("404 Not Found", "text/plain; charset=utf-8", String::new()),
    };
    if is_post {
        drop(posted.send(body));
    }
    let mut writer = connection;
    write!(
        writer,
        "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\nContent-Security-Policy: {POLICY}\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n{text}",
        text.len()
    )
}
