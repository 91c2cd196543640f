//! What a server follows while it runs: files that are read again when they change, and the signing
//! keys, which other instances may make and rotate.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::{gates, load};
use crate::config::Settings;
use crate::http::serve::Site;
use crate::store::keyring::{Keyring, missing};

/// How often files and keys are looked at for changes: a key that is retired ends its tokens, which
/// every instance is to know within a second.
const LOOK: Duration = Duration::from_secs(1);

/// What tells one state of a file from another: device, number, length, and when its content and it
/// itself changed. A file put in place of another may have the length and the date of the other.
type Stamp = Option<[i128; 5]>;

/// Files, and how they were when they were last looked at.
#[derive(PartialEq, Eq)]
pub(super) struct Watched {
    paths: Arc<[PathBuf]>,
    known: Vec<Stamp>,
}

impl Watched {
    /// The files of those settings, as they are now. To be made before they are read: what changes while
    /// it is read is read again.
    pub(super) fn new(settings: &Settings) -> Self {
        let mut paths = vec![settings.clients.clone()];
        paths.extend(settings.users.clone());
        paths.extend(settings.client_ca.clone());
        paths.extend(settings.client_crl.clone());
        paths.extend(gates::files(settings));
        Self::of(paths)
    }

    fn of(paths: Vec<PathBuf>) -> Self {
        let known = stamps(&paths);
        let paths = paths.into();
        Self { paths, known }
    }

    /// Whether one of them is not as it was. A disk in a network may be long in coming: nobody else waits for it.
    async fn have_changed(&mut self) -> bool {
        let paths = Arc::clone(&self.paths);
        let Ok(found) = spawn_blocking(move || stamps(&paths)).await else {
            // That is the end of the program.
            return false;
        };
        let changed = found != self.known;
        self.known = found;
        changed
    }
}

/// The files that hold the keys, as they are now.
async fn of_keys(keyring: &Keyring) -> Watched {
    let files = keyring.files();
    let found = spawn_blocking(move || Watched::of(files())).await;
    found.unwrap_or_else(|_| Watched::of(Vec::new()))
}

fn stamps(paths: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |path: &PathBuf| {
        let file = std::fs::metadata(path).ok()?;
        let time = |seconds, nanos| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
        Some([
            file.dev().into(),
            file.ino().into(),
            file.len().into(),
            time(file.mtime(), file.mtime_nsec()),
            time(file.ctime(), file.ctime_nsec()),
        ])
    };
    paths.iter().map(stamp).collect()
}

/// Waits for that long, or until somebody asks; whether somebody did.
async fn asked_within(asks: &mut watch::Receiver<()>, wait: Duration) -> bool {
    match tokio::time::timeout(wait, asks.changed()).await {
        Ok(Ok(())) => true,
        // Nobody is left who could ask.
        Ok(Err(_)) => {
            tokio::time::sleep(wait).await;
            false
        }
        Err(_) => false,
    }
}

/// Reads clients, users, authorities, revocation lists and the files of gates again when they change and when
/// asked. A file that cannot be used leaves what it held before as it was.
pub(super) async fn keep_trust(
    site: Arc<Site>,
    settings: Settings,
    mut watched: Watched,
    mut asks: watch::Receiver<()>,
) {
    loop {
        let asked = asked_within(&mut asks, LOOK).await;
        if !watched.have_changed().await && !asked {
            continue;
        }
        let read = {
            let (settings, before) = (settings.clone(), site.server.trust.load_full());
            let gates = site.server.gates.load_full();
            spawn_blocking(move || {
                let (trust, mut findings) = load::again(&settings, &before);
                let gates = gates::again(&settings, &gates)
                    .map_err(|mut found| findings.append(&mut found))
                    .ok();
                (trust, gates, findings)
            })
            .await
        };
        match read {
            Ok((trust, gates, findings)) => {
                if findings.is_empty() {
                    tracing::info!(
                        clients = trust.clients.len(),
                        users = trust.users.len(),
                        "read clients, authorities and revocation lists again"
                    );
                }
                for finding in findings {
                    tracing::error!("kept what this file held before: {finding}");
                }
                site.server.trust.store(Arc::new(trust));
                if let Some(gates) = gates {
                    site.server.gates.store(Arc::new(gates));
                }
            }
            Err(error) => tracing::error!(%error, "kept what was there before"),
        }
    }
}

/// Follows the keys: makes those that take a moment where `whole` says that there are some to make, reads
/// what another instance has made or rotated, and keeps trying where they could not be read at start.
pub(super) async fn keep_keys(
    site: Arc<Site>,
    keyring: Keyring,
    whole: watch::Sender<bool>,
    mut asks: watch::Receiver<()>,
) {
    let mut failed = false;
    let mut complete = *whole.borrow();
    let mut files = of_keys(&keyring).await;
    let mut asked = true;
    let mut known = None;
    loop {
        let now = (site.server.clock)();
        let none = site.server.keys.load().keys().is_empty();
        // Files that are as they were hold the keys that they held.
        let found = of_keys(&keyring).await;
        let new = asked || files != found || keyring.is_shared();
        let read = match (none, complete, new || failed) {
            (true, ..) => keyring.open(now).await.map(|(keys, made)| {
                complete = !made;
                keys
            }),
            (false, false, _) => keyring.complete(now).await.inspect(|keys| {
                complete = missing(keys, now).is_empty();
            }),
            (false, true, true) => {
                files = found;
                if asked {
                    known = None;
                }
                match keyring.read_anew(&mut known, now).await {
                    Ok(Some(keys)) => Ok(keys),
                    Ok(None) => {
                        failed = false;
                        asked = asked_within(&mut asks, LOOK).await;
                        continue;
                    }
                    Err(error) => Err(error),
                }
            }
            (false, true, false) => {
                asked = asked_within(&mut asks, LOOK).await;
                continue;
            }
        };
        match read {
            Ok(keys) if keys.keys().is_empty() => {
                if !failed {
                    tracing::error!(
                        "the signing keys are gone from where they were kept; going on with those in memory"
                    );
                }
                failed = true;
            }
            Ok(keys) => {
                failed = false;
                if !keys.is_same(&site.server.keys.load()) {
                    tracing::info!(keys = keys.keys().len(), "signing keys read");
                    site.server.keys.store(Arc::new(keys));
                }
                whole.send_replace(complete);
                if none && !complete {
                    // What was begun just now is completed at once.
                    continue;
                }
            }
            Err(error) => {
                if !failed {
                    tracing::warn!(cause = %error, "the signing keys could not be read; going on with those in memory");
                }
                failed = true;
            }
        }
        asked = asked_within(&mut asks, LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_in_place_of_another_is_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        std::fs::write(&one, "[1]").expect("written");
        std::fs::write(&other, "[2]").expect("written");
        let date = std::fs::metadata(&one).and_then(|file| file.modified());
        let file = std::fs::File::options().write(true).open(&other);
        let dated = file.and_then(|file| file.set_modified(date?));
        dated.expect("the same date and length");
        let mut watched = Watched::of(vec![one.clone()]);
        assert!(!watched.have_changed().await);
        std::fs::rename(&other, &one).expect("moved");
        assert!(watched.have_changed().await);
        assert!(!watched.have_changed().await);
        std::fs::remove_file(&one).expect("removed");
        assert!(watched.have_changed().await);
    }
}
