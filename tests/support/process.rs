//! Programs that run as long as a test needs them.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// How long a program may take to start listening, or to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// Listens on a port below those that the system gives to the hundreds of connections that are made here
/// meanwhile, and on none that was given before.
pub(crate) fn listener() -> TcpListener {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    // Test programs that run side by side begin at different places.
    let first = std::process::id() % 200 * 100;
    loop {
        let given = u32::from(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = 10_000 + (first + given) % 20_000;
        let port = u16::try_from(port).expect("it is below 30,000");
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return listener;
        }
    }
}

/// A port for a program that is to listen on it: nobody does just now, but for a child that another thread starts
/// in this moment, which keeps what is open here until it is the program that it is to be.
pub(crate) fn free_port() -> u16 {
    let address = listener().local_addr().expect("a listener has an address");
    address.port()
}

/// A running program, ended with all its children when dropped.
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program of that Debian package; what it prints goes to the file.
    pub(crate) fn start(package: &str, command: &mut Command, log: PathBuf) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let output = File::create(&log).expect("the log can be made");
        let errors = output.try_clone().expect("a file can be shared");
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|error| missing(&name, package, &error));
        Self { name, child, log }
    }

    /// Waits until every one of the ports on 127.0.0.1 is listened on.
    pub(crate) fn listens_on(mut self, ports: &[u16]) -> Self {
        for port in ports {
            self.wait_until(&format!("listens on {port}"), || {
                TcpStream::connect(("127.0.0.1", *port)).is_ok()
            });
        }
        self
    }

    /// Waits until something holds, and fails the test where the program ends before.
    pub(crate) fn wait_until(&mut self, what: &str, holds: impl Fn() -> bool) {
        let started = Instant::now();
        while !holds() {
            let ended = self.child.try_wait().expect("a child can be asked");
            assert!(
                ended.is_none() && started.elapsed() < PATIENCE,
                "{} {what} not ({ended:?}); it printed: {}",
                self.name,
                self.printed()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it has printed so far.
    pub(crate) fn printed(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Process {
    /// Ends it with all its children.
    pub(crate) fn stop(&mut self) {
        // The group is the program's own: it was started in a new one.
        let group = format!("-{}", self.child.id());
        let signal = |name: &str| {
            let sent = Command::new("kill")
                .args(["-s", name, "--", &group])
                .stderr(Stdio::null())
                .status();
            drop(sent);
        };
        signal("TERM");
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(10));
        }
        signal("KILL");
        drop(self.child.wait());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Runs a program of that Debian package to its end.
pub(crate) fn run(package: &str, command: &mut Command) -> Output {
    let name = command.get_program().to_string_lossy().into_owned();
    command
        .output()
        .unwrap_or_else(|error| missing(&name, package, &error))
}

fn missing(name: &str, package: &str, error: &std::io::Error) -> ! {
    panic!("{name} cannot be started ({error}): apt-get install {package}")
}
