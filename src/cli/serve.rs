//! `certbound serve`.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use clap::ArgMatches;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use super::{Ended, World, complain, load, logging};
use crate::config::{Finding, Settings, Severity};
use crate::endpoint::Server;
use crate::endpoint::metrics::Metrics;
use crate::http::admin;
use crate::http::listen::Listener;
use crate::http::router::Router;
use crate::http::serve::{Numbered, Site, serve};
use crate::key::set::KeySet;
use crate::store::keyring::{Keyring, KeyringError};

/// How often files are looked at for changes.
const LOOK: Duration = Duration::from_secs(1);

/// How often keys are looked at. A new one is published long before it signs.
const LOOK_AT_KEYS: Duration = Duration::from_secs(5);

/// Serves until told to stop.
pub(super) fn run(matches: &ArgMatches, world: World) -> Ended {
    let (settings, findings) = super::settings(matches, world);
    let Some(settings) = settings else {
        for finding in findings
            .iter()
            .filter(|finding| finding.severity() == Severity::Error)
        {
            complain(finding);
        }
        return Ended::Usage;
    };
    logging::start(settings.log_format, settings.log_level);
    for finding in &findings {
        tracing::warn!("{finding}");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(format!("the runtime could not be started: {error}"));
            return Ended::No;
        }
    };
    match runtime.block_on(start(settings, world)) {
        Ok(()) => Ended::Done,
        Err(faults) => {
            for fault in faults {
                complain(fault);
            }
            Ended::Usage
        }
    }
}

async fn start(settings: Settings, world: World) -> Result<(), Vec<String>> {
    let ready = Ready::new(&settings, world).await?;
    let group = settings.listen_group.as_ref().map(crate::config::Group::id);
    let mut listeners = Vec::new();
    for address in &settings.listen {
        let bound = Listener::bind(address, settings.listen_mode, group).await;
        listeners.push(bound.map_err(|error| vec![error.to_string()])?);
    }
    let admin_listener = Listener::bind(&settings.admin_listen, 0o660, group)
        .await
        .map_err(|error| vec![error.to_string()])?;
    let running = ready.serve(settings, listeners, admin_listener);
    wait_for_end()
        .await
        .map_err(|error| vec![format!("signals cannot be received: {error}")])?;
    running.stop().await;
    Ok(())
}

/// Everything that the settings name, read and open; nobody can connect yet.
pub(super) struct Ready {
    site: Arc<Site>,
    keyring: Keyring,
    hangup: Signal,
    /// The state of the files before they were read: what changes meanwhile is read again.
    stamps: Vec<Stamp>,
}

impl Ready {
    /// Reads and opens what the settings name, and says what is wrong with it where that cannot be done.
    pub(super) async fn new(settings: &Settings, world: World) -> Result<Self, Vec<String>> {
        // From here on SIGHUP does not end the program, however long the rest takes.
        let hangup = signal(SignalKind::hangup())
            .map_err(|error| vec![format!("signals cannot be received: {error}")])?;
        let stamps = stamps(&followed(settings));
        let one = |finding: Finding| vec![finding.to_string()];
        let trust = load::trust(settings).map_err(|findings| lines(&findings))?;
        let window = load::window(settings).map_err(one)?;
        let remote = load::remote(settings).map_err(one)?;
        let remarks = load::remarks(settings, &trust, &remote).into_iter();
        for remark in remarks.chain(load::open_keys(settings)) {
            tracing::warn!("{remark}");
        }
        let store = load::store(settings).await.map_err(one)?;
        let keyring = load::keyring(settings, &store).map_err(one)?;
        let keys = match keyring.open((world.clock)()).await {
            Ok(keys) => keys,
            Err(KeyringError::Store(error)) => {
                tracing::error!(cause = %error, "the signing keys could not be read yet; trying again");
                KeySet::new()
            }
            Err(error) => return Err(vec![error.to_string()]),
        };
        let endpoints = load::endpoints(settings);
        let site = Arc::new(Site {
            router: Router::new(&endpoints),
            window,
            max_header_bytes: settings.max_header_bytes.octets(),
            connections: Arc::new(Semaphore::new(settings.max_connections)),
            requests: Numbered::new((world.mint)().expose().chars().take(8).collect()),
            server: Server {
                settings: endpoints,
                trust: ArcSwap::from_pointee(trust),
                keys: ArcSwap::from_pointee(keys),
                store,
                remote,
                clock: world.clock,
                mint: world.mint,
                metrics: Metrics::default(),
            },
        });
        Ok(Self {
            site,
            keyring,
            hangup,
            stamps,
        })
    }

    /// Begins to serve at those listeners, and to follow files and keys.
    pub(super) fn serve(
        self,
        settings: Settings,
        listeners: Vec<Listener>,
        admin_listener: Listener,
    ) -> Running {
        let Self {
            site,
            keyring,
            hangup,
            stamps,
        } = self;
        let (stop, stopped) = watch::channel(false);
        let mut tasks = Vec::new();
        for listener in listeners {
            tracing::info!(
                address = listener.address(),
                issuer = settings.issuer.as_str(),
                "serving"
            );
            tasks.push(tokio::spawn(serve(
                Arc::clone(&site),
                listener,
                stopped.clone(),
            )));
        }
        tracing::info!(
            address = admin_listener.address(),
            "serving health, readiness and metrics"
        );
        tokio::spawn(admin::serve(Arc::clone(&site), admin_listener, stopped));
        tokio::spawn(keep_trust(Arc::clone(&site), settings, hangup, stamps));
        tokio::spawn(keep_keys(site, keyring));
        Running { stop, tasks }
    }
}

/// A server that serves.
pub(super) struct Running {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    /// Takes no new connections and finishes what is in flight.
    pub(super) async fn stop(self) {
        tracing::info!("stopping: no new connections, what is in flight is finished");
        // Nobody listens any more only if every task has ended already.
        let _ = self.stop.send(true);
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a listener ended badly");
            }
        }
        tracing::info!("stopped");
    }
}

fn lines(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

async fn wait_for_end() -> std::io::Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = term.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

/// What tells one state of a file from another: device, number, length, and when its content and it
/// itself changed. A file put in place of another may have the length and the date of the other.
type Stamp = Option<[i128; 5]>;

/// The files that are read again.
fn followed(settings: &Settings) -> Vec<PathBuf> {
    let mut paths = vec![settings.clients.clone()];
    paths.extend(settings.client_ca.clone());
    paths.extend(settings.client_crl.clone());
    paths
}

fn stamps(paths: &[PathBuf]) -> Vec<Stamp> {
    paths
        .iter()
        .map(|path| {
            let file = std::fs::metadata(path).ok()?;
            let time = |seconds, nanos| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
            Some([
                file.dev().into(),
                file.ino().into(),
                file.len().into(),
                time(file.mtime(), file.mtime_nsec()),
                time(file.ctime(), file.ctime_nsec()),
            ])
        })
        .collect()
}

/// Reads clients, authorities and revocation lists again when they change and on SIGHUP. A file that
/// cannot be used leaves what it held before as it was.
async fn keep_trust(
    site: Arc<Site>,
    settings: Settings,
    mut hangup: Signal,
    mut known: Vec<Stamp>,
) {
    let paths = followed(&settings);
    loop {
        let asked = tokio::select! {
            _ = hangup.recv() => true,
            () = tokio::time::sleep(LOOK) => false,
        };
        let found = stamps(&paths);
        if !asked && found == known {
            continue;
        }
        known = found;
        let read = {
            let (settings, before) = (settings.clone(), site.server.trust.load_full());
            tokio::task::spawn_blocking(move || load::again(&settings, &before)).await
        };
        match read {
            Ok((trust, findings)) => {
                if findings.is_empty() {
                    tracing::info!(
                        clients = trust.clients.len(),
                        "read clients, authorities and revocation lists again"
                    );
                }
                for finding in findings {
                    tracing::error!("kept what this file held before: {finding}");
                }
                site.server.trust.store(Arc::new(trust));
            }
            Err(error) => tracing::error!(%error, "kept what was there before"),
        }
    }
}

/// Follows the keys: another instance may have made or rotated them. Where they could not be read at
/// start, they are made or read as soon as that is possible.
async fn keep_keys(site: Arc<Site>, keyring: Keyring) {
    let mut failed = false;
    loop {
        let here = site.server.keys.load().keys().len();
        tokio::time::sleep(if here == 0 { LOOK } else { LOOK_AT_KEYS }).await;
        let now = (site.server.clock)();
        let read = if here == 0 {
            keyring.open(now).await
        } else {
            keyring.read(now).await
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
                let old = site.server.keys.load();
                if !keys.is_same(&old) {
                    tracing::info!(keys = keys.keys().len(), "signing keys read");
                    site.server.keys.store(Arc::new(keys));
                }
            }
            Err(error) => {
                if !failed {
                    tracing::warn!(cause = %error, "the signing keys could not be read; going on with those in memory");
                }
                failed = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_place_of_another_is_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        std::fs::write(&one, "[1]").expect("written");
        std::fs::write(&other, "[2]").expect("written");
        let date = std::fs::metadata(&one).and_then(|file| file.modified());
        let file = std::fs::File::options().write(true).open(&other);
        let dated = file.and_then(|file| file.set_modified(date?));
        dated.expect("the same date and length");
        let before = stamps(std::slice::from_ref(&one));
        std::fs::rename(&other, &one).expect("moved");
        assert_ne!(stamps(std::slice::from_ref(&one)), before);
        assert_eq!(
            stamps(std::slice::from_ref(&one)),
            stamps(std::slice::from_ref(&one))
        );
    }
}
