//! A real redis-server of one's own: on a free port, in a directory of its own, gone when dropped.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to answer its first PING.
const START: Duration = Duration::from_secs(10);

/// A redis-server, with a TCP port and a socket.
pub(crate) struct RedisServer {
    port: u16,
    directory: tempfile::TempDir,
    arguments: Vec<String>,
    process: Option<Child>,
}

impl RedisServer {
    /// Starts a server with those further arguments and waits until it answers.
    ///
    /// Fails the test where redis-server is not installed.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut server = Self::stopped(arguments);
        server.run();
        server
    }

    /// A server that has a port but does not run yet.
    pub(crate) fn stopped(arguments: &[&str]) -> Self {
        Self {
            port: free_port(),
            directory: tempfile::tempdir().expect("a temporary directory can be made"),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            process: None,
        }
    }

    /// The URL of its TCP port.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its TCP port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("redis.sock")
    }

    /// Starts it, on the port it had before.
    pub(crate) fn run(&mut self) {
        let process = Command::new("redis-server")
            .current_dir(self.directory.path())
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .arg("--unixsocket")
            .arg(self.socket())
            .args(["--save", "", "--appendonly", "no", "--loglevel", "warning"])
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        let process = process.unwrap_or_else(|error| {
            panic!("redis-server cannot be started ({error}): apt-get install redis-server")
        });
        self.process = Some(process);
        let started = Instant::now();
        while !self.answers() {
            let process = self.process.as_mut().expect("it has just been started");
            let ended = process
                .try_wait()
                .expect("a child can be asked whether it runs");
            assert!(ended.is_none(), "redis-server ended at once: {ended:?}");
            assert!(started.elapsed() < START, "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills it, as a crash would.
    pub(crate) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("a child can be killed");
            process.wait().expect("a child can be awaited");
        }
    }

    /// Sends it a signal by name, such as `STOP` or `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        let process = self.process.as_ref().expect("it runs");
        let sent = Command::new("kill")
            .args(["-s", name, &process.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "kill -s {name}");
    }

    /// Whether it greets, be it to say that a password is needed.
    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else {
            return false;
        };
        let mut answer = [0; 8];
        stream
            .set_read_timeout(Some(Duration::from_secs(1)))
            .is_ok()
            && stream.write_all(b"PING\r\n").is_ok()
            && stream.read(&mut answer).is_ok_and(|length| length > 0)
            && (answer.starts_with(b"+PONG") || answer.starts_with(b"-NOAUTH"))
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A port that nobody listens on just now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener
        .local_addr()
        .expect("a listener has an address")
        .port()
}
