//! Listening: TCP and Unix sockets, with mode and group set before anybody can connect.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::config::ListenAddress;
use crate::proxy::Peer;

/// Something that accepts connections.
#[derive(Debug)]
pub enum Listener {
    /// `IP:PORT`.
    Tcp(TcpListener),
    /// `unix:PATH`, with the path, which is removed when the listener goes.
    Unix(UnixListener, SocketFile),
}

/// A connection and who is at the other end.
pub enum Accepted {
    /// By TCP.
    Tcp(TcpStream, Peer),
    /// By a Unix socket.
    Unix(UnixStream),
}

/// Why nothing can listen there.
#[derive(Debug)]
pub struct ListenError {
    address: String,
    cause: String,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: {}", self.address, self.cause)
    }
}

/// A socket's file, removed with its listener if it is still the same.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and number, as they were when it was put in its place.
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Another instance may have found nobody listening and put its own in this place.
        if identity(&self.path).is_some_and(|found| found == self.identity) {
            // A file that is gone already is as good as removed.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What tells a file from another of the same name.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

impl Listener {
    /// Listens there.
    pub async fn bind(
        address: &ListenAddress,
        mode: u32,
        group: Option<u32>,
    ) -> Result<Self, ListenError> {
        match address {
            ListenAddress::Tcp(socket) => {
                TcpListener::bind(socket)
                    .await
                    .map(Self::Tcp)
                    .map_err(|error| ListenError {
                        address: socket.to_string(),
                        cause: error.to_string(),
                    })
            }
            ListenAddress::Unix(path) => {
                bind_unix(path, mode, group)
                    .await
                    .map_err(|cause| ListenError {
                        address: format!("unix:{}", path.display()),
                        cause,
                    })
            }
        }
    }

    /// The next connection.
    pub async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Accepted::Tcp(stream, Peer::Tcp(address.ip())))
            }
            Self::Unix(listener, _) => listener
                .accept()
                .await
                .map(|(stream, _)| Accepted::Unix(stream)),
        }
    }

    /// Where it listens, for the log.
    pub fn address(&self) -> String {
        match self {
            Self::Tcp(listener) => listener
                .local_addr()
                .map_or_else(|error| error.to_string(), |address| address.to_string()),
            Self::Unix(_, file) => format!("unix:{}", file.path.display()),
        }
    }
}

/// The socket is made in a folder that nobody else may enter, given its mode and group there, and only
/// then moved to its place: at no moment can anybody connect who should not.
async fn bind_unix(path: &Path, mode: u32, group: Option<u32>) -> Result<Listener, String> {
    replace_stale(path).await?;
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = parent.join(format!(".{name}.new"));
    let _ = fs::remove_dir_all(&folder);
    fs::DirBuilder::new()
        .mode(0o700)
        .create(&folder)
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => format!(
                "there is no directory {}; make it, and give it to the user certbound runs as",
                parent.display()
            ),
            _ => format!(
                "a folder beside it could not be made: {error}; give certbound write access to {}",
                parent.display()
            ),
        })?;
    let draft = folder.join("s");
    let bound = UnixListener::bind(&draft).and_then(|listener| {
        fs::set_permissions(&draft, fs::Permissions::from_mode(mode))?;
        if let Some(group) = group {
            std::os::unix::fs::chown(&draft, None, Some(group))?;
        }
        let identity = identity(&draft).ok_or(io::ErrorKind::NotFound)?;
        fs::rename(&draft, path)?;
        let path = path.to_owned();
        Ok(Listener::Unix(listener, SocketFile { path, identity }))
    });
    let _ = fs::remove_dir_all(&folder);
    bound.map_err(|error| error.to_string())
}

/// Removes a socket on which nobody listens any more, and nothing else.
async fn replace_stale(path: &Path) -> Result<(), String> {
    let Ok(found) = fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !found.file_type().is_socket() {
        return Err(
            "there is a file of that name that is no socket; remove it or choose another path"
                .into(),
        );
    }
    if UnixStream::connect(path).await.is_ok() {
        return Err(
            "somebody listens there already; stop the other process or choose another path".into(),
        );
    }
    fs::remove_file(path).map_err(|error| format!("the stale socket could not be removed: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn bind(path: &Path) -> Result<Listener, ListenError> {
        Listener::bind(&ListenAddress::Unix(path.to_owned()), 0o640, None).await
    }

    #[tokio::test]
    async fn a_socket_has_its_mode_and_goes_with_its_listener() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let listener = bind(&path).await.expect("it can be bound");
        let mode = fs::metadata(&path)
            .expect("it is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
        UnixStream::connect(&path).await.expect("somebody listens");
        drop(listener);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn only_a_stale_socket_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket"));
        let listener = bind(&path).await.expect("nobody listens any more");
        let second = bind(&path).await.expect_err("somebody does");
        assert!(
            second.to_string().contains("listens there already"),
            "{second}"
        );
        drop(listener);
        fs::write(&path, "mine").expect("a file");
        assert!(bind(&path).await.is_err());
        assert_eq!(fs::read_to_string(&path).expect("still there"), "mine");
    }

    #[tokio::test]
    async fn the_socket_of_a_successor_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s");
        let old = bind(&path).await.expect("it can be bound");
        fs::rename(&path, folder.path().join("moved")).expect("moved");
        let successor = bind(&path).await.expect("the place is free");
        drop(old);
        UnixStream::connect(&path)
            .await
            .expect("the successor listens");
        drop(successor);
    }
}
