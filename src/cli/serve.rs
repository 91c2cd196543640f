//! `certbound serve`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use clap::ArgMatches;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use super::{Ended, World, complain, load, logging};
use crate::config::{Finding, Settings};
use crate::endpoint::metrics::Metrics;
use crate::endpoint::{Server, Trust};
use crate::http::admin;
use crate::http::listen::Listener;
use crate::http::router::Router;
use crate::http::serve::{Numbered, Site, serve};
use crate::key::set::KeySet;
use crate::store::keyring::{Keyring, KeyringError};

/// How often files and keys are looked at for changes: a key that is retired ends its tokens, which
/// every instance is to know within a second.
const LOOK: Duration = Duration::from_secs(1);

/// Serves until told to stop.
pub(super) fn run(matches: &ArgMatches, world: World) -> Ended {
    let (settings, findings) = match super::usable_settings(matches, world) {
        Ok(usable) => usable,
        Err(ended) => return ended,
    };
    logging::start(settings.log_format, settings.log_level);
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
    match runtime.block_on(start(settings, findings, world)) {
        Ok(()) => Ended::Done,
        Err(faults) => {
            for fault in faults {
                complain(fault);
            }
            Ended::Usage
        }
    }
}

async fn start(
    settings: Settings,
    findings: Vec<Finding>,
    world: World,
) -> Result<(), Vec<String>> {
    // From here on no signal does what the system would do by default.
    let signals =
        Signals::new().map_err(|error| vec![format!("signals cannot be received: {error}")])?;
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
    // Only now is it certain that nothing keeps the server from starting, and that there is nothing
    // to say but this.
    for finding in &findings {
        tracing::warn!("{finding}");
    }
    let Signals {
        mut end,
        mut interrupt,
        hangup,
    } = signals;
    let running = ready.serve(settings, listeners, admin_listener, Some(hangup));
    tokio::select! {
        _ = end.recv() => {}
        _ = interrupt.recv() => {}
    }
    running.stop().await;
    Ok(())
}

/// Everything that the settings name, read and open; nobody can connect yet.
pub(super) struct Ready {
    site: Arc<Site>,
    keyring: Keyring,
    remarks: Vec<Finding>,
}

impl Ready {
    /// Reads and opens what the settings name, and says what is wrong with it where that cannot be done.
    pub(super) async fn new(settings: &Settings, world: World) -> Result<Self, Vec<String>> {
        let one = |finding: Finding| vec![finding.to_string()];
        let trust = load::trust(settings).map_err(|findings| lines(&findings))?;
        let window = load::window(settings).map_err(one)?;
        let remote = load::remote(settings).map_err(one)?;
        let remarks = load::remarks(settings, &trust, &remote);
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
            remarks,
        })
    }

    /// Begins to serve at those listeners, and to follow files and keys, which a hangup has read at
    /// once.
    pub(super) fn serve(
        self,
        settings: Settings,
        listeners: Vec<Listener>,
        admin_listener: Listener,
        hangup: Option<Signal>,
    ) -> Running {
        let Self {
            site,
            keyring,
            remarks,
        } = self;
        for remark in remarks {
            tracing::warn!("{remark}");
        }
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
        let (asked, asks) = watch::channel(());
        if let Some(mut hangup) = hangup {
            tokio::spawn(async move {
                while hangup.recv().await.is_some() && asked.send(()).is_ok() {}
            });
        }
        tokio::spawn(keep_trust(Arc::clone(&site), settings, asks.clone()));
        tokio::spawn(keep_keys(site, keyring, asks));
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

/// The signals that mean something here.
struct Signals {
    end: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            end: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
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

/// What tells one state of a file from another.
type Stamp = Option<(SystemTime, u64)>;

fn stamps(paths: &[PathBuf]) -> Vec<Stamp> {
    paths
        .iter()
        .map(|path| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        })
        .collect()
}

/// Reads clients, authorities and revocation lists again when they change and on SIGHUP. What cannot be
/// read leaves everything as it was.
async fn keep_trust(site: Arc<Site>, settings: Settings, mut asks: watch::Receiver<()>) {
    let mut paths = vec![settings.clients.clone()];
    paths.extend(settings.client_ca.clone());
    paths.extend(settings.client_crl.clone());
    let mut known = stamps(&paths);
    loop {
        let asked = asked_within(&mut asks, LOOK).await;
        let found = stamps(&paths);
        if !asked && found == known {
            continue;
        }
        known = found;
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

/// Follows the keys: another instance may have made or rotated them. Where they could not be read at
/// start, they are made or read as soon as that is possible.
async fn keep_keys(site: Arc<Site>, keyring: Keyring, mut asks: watch::Receiver<()>) {
    let mut failed = false;
    loop {
        let here = site.server.keys.load().keys().len();
        asked_within(&mut asks, LOOK).await;
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
