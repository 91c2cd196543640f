//! `certbound serve`.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use clap::ArgMatches;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use super::{Ended, World, complain, load, logging};
use crate::config::{Finding, Settings, Severity};
use crate::endpoint::metrics::Metrics;
use crate::endpoint::{Server, Trust};
use crate::http::admin;
use crate::http::listen::Listener;
use crate::http::router::Router;
use crate::http::serve::{Numbered, Site, serve};
use crate::key::set::KeySet;
use crate::store::keyring::{Keyring, KeyringError, missing};

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
    let Signals {
        mut term,
        mut interrupt,
        hangup,
    } = Signals::new()?;
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
    let running = ready.serve(settings, listeners, admin_listener, Some(hangup));
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    running.stop().await;
    Ok(())
}

/// Everything that the settings name, read and open; nobody can connect yet.
pub(super) struct Ready {
    site: Arc<Site>,
    watched: Watched,
    keyring: Keyring,
    complete: watch::Sender<bool>,
}

impl Ready {
    /// Reads and opens what the settings name, and says what is wrong with it where that cannot be done.
    pub(super) async fn new(settings: &Settings, world: World) -> Result<Self, Vec<String>> {
        let one = |finding: Finding| vec![finding.to_string()];
        // Before they are read: what changes while it is read is read again.
        let watched = Watched::new(settings);
        let trust = load::trust(settings).map_err(|findings| lines(&findings))?;
        let window = load::window(settings).map_err(one)?;
        let remote = load::remote(settings).map_err(one)?;
        for remark in load::remarks(settings, &trust, &remote) {
            tracing::warn!("{remark}");
        }
        let store = load::store(settings)
            .await
            .map_err(|none| one(none.into()))?;
        let keyring = load::keyring(settings, &store).map_err(one)?;
        let keys = match keyring.open((world.clock)()).await {
            Ok(keys) => keys,
            Err(KeyringError::Store(error)) => {
                tracing::error!(cause = %error, "the signing keys could not be read yet; trying again");
                KeySet::new()
            }
            Err(error) => return Err(vec![error.to_string()]),
        };
        let here = missing(&keys, (world.clock)()).is_empty();
        let (complete, completed) = watch::channel(here);
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
                complete: completed,
                store,
                remote,
                clock: world.clock,
                mint: world.mint,
                metrics: Metrics::default(),
            },
        });
        Ok(Self {
            site,
            watched,
            keyring,
            complete,
        })
    }

    /// Begins to serve at those listeners, and to follow files and keys.
    pub(super) fn serve(
        self,
        settings: Settings,
        listeners: Vec<Listener>,
        admin_listener: Listener,
        hangup: Option<Signal>,
    ) -> Running {
        let Self {
            site,
            watched,
            keyring,
            complete,
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
        tokio::spawn(keep_trust(Arc::clone(&site), settings, watched, hangup));
        tokio::spawn(keep_keys(site, keyring, complete));
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

/// The signals that the program listens to, from before anybody can connect: until then they would end
/// it as they end any program.
pub(super) struct Signals {
    term: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Listens from now on.
    pub(super) fn new() -> Result<Self, Vec<String>> {
        let listen = |kind| {
            signal(kind).map_err(|error| vec![format!("signals cannot be received: {error}")])
        };
        Ok(Self {
            term: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }
}

/// What tells one state of a file from another: inode, time of change and length.
type Stamp = Option<(u64, SystemTime, u64)>;

/// The files that may change, and how they were when they were last looked at.
struct Watched {
    paths: Vec<PathBuf>,
    known: Vec<Stamp>,
}

impl Watched {
    fn new(settings: &Settings) -> Self {
        let mut paths = vec![settings.clients.clone()];
        paths.extend(settings.client_ca.clone());
        paths.extend(settings.client_crl.clone());
        let known = stamps(&paths);
        Self { paths, known }
    }

    /// Whether one of them is not as it was.
    fn have_changed(&mut self) -> bool {
        let found = stamps(&self.paths);
        let changed = found != self.known;
        self.known = found;
        changed
    }
}

fn stamps(paths: &[PathBuf]) -> Vec<Stamp> {
    paths
        .iter()
        .map(|path| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.ino(), metadata.modified().ok()?, metadata.len()))
        })
        .collect()
}

/// Waits for SIGHUP, for ever where nobody listens to it.
async fn asked_to_read(hangup: Option<&mut Signal>) {
    match hangup {
        Some(hangup) => {
            hangup.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Reads clients, authorities and revocation lists again when they change and on SIGHUP. What cannot be
/// read leaves everything as it was.
async fn keep_trust(
    site: Arc<Site>,
    settings: Settings,
    mut watched: Watched,
    mut hangup: Option<Signal>,
) {
    loop {
        let asked = tokio::select! {
            () = asked_to_read(hangup.as_mut()) => true,
            () = tokio::time::sleep(LOOK) => false,
        };
        if !watched.have_changed() && !asked {
            continue;
        }
        let read = {
            let settings = settings.clone();
            tokio::task::spawn_blocking(move || load::trust(&settings)).await
        };
        match read {
            Ok(Ok(trust)) => replace(&site, trust),
            Ok(Err(findings)) => {
                for finding in findings {
                    tracing::error!("kept what was there before: {finding}");
                }
            }
            Err(error) => tracing::error!(%error, "kept what was there before"),
        }
    }
}

fn replace(site: &Site, trust: Trust) {
    let clients = trust.clients.len();
    site.server.trust.store(Arc::new(trust));
    tracing::info!(
        clients,
        "read clients, authorities and revocation lists again"
    );
}

/// Follows the keys: makes those that take a moment, reads what another instance has made or rotated,
/// and keeps trying where they could not be read at start.
async fn keep_keys(site: Arc<Site>, keyring: Keyring, complete: watch::Sender<bool>) {
    let mut failed = false;
    let mut whole = *complete.borrow();
    loop {
        let now = (site.server.clock)();
        let none = site.server.keys.load().keys().is_empty();
        let read = match (none, whole) {
            (true, _) => keyring.open(now).await,
            (false, false) => keyring.complete(now).await,
            (false, true) => keyring.read(now).await,
        };
        let good = read.is_ok();
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
                // Never unsaid: a key that is retired later is missing on purpose.
                whole |= missing(&keys, now).is_empty();
                if !keys.is_same(&site.server.keys.load()) {
                    tracing::info!(keys = keys.keys().len(), "signing keys read");
                    site.server.keys.store(Arc::new(keys));
                }
                complete.send_replace(whole);
            }
            Err(error) => {
                if !failed {
                    tracing::warn!(cause = %error, "the signing keys could not be read; going on with those in memory");
                }
                failed = true;
            }
        }
        let wait = match (none && good, whole) {
            // What was opened just now is completed at once.
            (true, false) => continue,
            (_, false) => LOOK,
            (_, true) => LOOK_AT_KEYS,
        };
        tokio::time::sleep(wait).await;
    }
}
