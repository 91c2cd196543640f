//! A relay between a web server and certbound, which counts connections.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A relay from one Unix socket to another; its threads end with the test program.
pub(crate) struct Relay {
    connections: Arc<AtomicUsize>,
}

impl Relay {
    /// Listens at the first path, which everybody may open, and connects to the second.
    pub(crate) fn start(at: &Path, to: PathBuf) -> Self {
        use std::os::unix::fs::PermissionsExt as _;

        let listener = UnixListener::bind(at).expect("the path is free");
        let everybody = std::fs::Permissions::from_mode(0o666);
        std::fs::set_permissions(at, everybody).expect("it is ours");
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::Relaxed);
                if let Ok(server) = UnixStream::connect(&to) {
                    drop(join(client, server));
                }
            }
        });
        Self { connections }
    }

    /// How many connections came.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

fn join(client: UnixStream, server: UnixStream) -> io::Result<()> {
    let back = (server.try_clone()?, client.try_clone()?);
    for (mut from, mut to) in [(client, server), back] {
        std::thread::spawn(move || {
            drop(io::copy(&mut from, &mut to));
            drop(to.shutdown(Shutdown::Write));
        });
    }
    Ok(())
}
