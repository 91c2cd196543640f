//! `certbound serve`.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use clap::ArgMatches;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

use super::follow::{self, Watched};
use super::{Ended, World, complain, descriptors, load, logging, threads};
use crate::config::{Finding, Settings};
use crate::endpoint::gate::ForeignTokens;
use crate::endpoint::metrics::Metrics;
use crate::endpoint::{self, Farewell, People, SeenTokens, Server, Signing};
use crate::http::admin::Admin;
use crate::http::fcgi::FastCgi;
use crate::http::listen::Listener;
use crate::http::pass::Passages;
use crate::http::router::Router;
use crate::http::serve::{Http, Numbered, Site};
use crate::http::workers::{self, Workers};
use crate::key::set::KeySet;
use crate::store::keyring::{Keyring, KeyringError};

/// How long the end waits for what is done on other threads.
const LAST: Duration = Duration::from_secs(1);

/// Serves until told to stop.
pub(super) fn run(matches: &ArgMatches, world: World) -> Ended {
    let (settings, findings) = match super::usable_settings(matches, world) {
        Ok(usable) => usable,
        Err(ended) => return ended,
    };
    let log = logging::start(settings.log_format, settings.log_level);
    let runtime = match workers::runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(format!("the runtime could not be started: {error}"));
            return Ended::No;
        }
    };
    let served = runtime.block_on(start(settings, findings, world));
    // What still looks up a name or waits for a disk is not waited for.
    runtime.shutdown_timeout(LAST);
    drop(log);
    match served {
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
    let descriptors = descriptors::ask_for(&settings);
    let ready = Ready::new(&settings, world).await?;
    let group = settings.listen_group.as_ref().map(crate::config::Group::id);
    let mut listeners = Vec::new();
    for address in &settings.listen {
        let bound = Listener::bind(address, settings.listen_mode, group).await;
        listeners.push(bound.map_err(|error| vec![error.to_string()])?);
    }
    let fcgi_listener = match &settings.fcgi_listen {
        None => None,
        Some(address) => {
            let bound = Listener::bind(address, settings.listen_mode, group).await;
            Some(bound.map_err(|error| vec![error.to_string()])?)
        }
    };
    let admin_listener = Listener::bind(&settings.admin_listen, 0o660, group)
        .await
        .map_err(|error| vec![error.to_string()])?;
    // Only now is it certain that nothing keeps the server from starting, and that there is nothing
    // to say but this.
    for finding in findings.iter().chain(&descriptors) {
        tracing::warn!("{finding}");
    }
    let Signals {
        mut end,
        mut interrupt,
        hangup,
    } = signals;
    let listeners = Listeners {
        http: listeners,
        fcgi: fcgi_listener,
        admin: admin_listener,
    };
    let running = ready.serve(settings, listeners, Some(hangup));
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
    workers: Workers,
    watched: Watched,
    keyring: Keyring,
    whole: watch::Sender<bool>,
    farewells: mpsc::Receiver<Farewell>,
    remarks: Vec<Finding>,
}

impl Ready {
    /// Reads and opens what the settings name, and says what is wrong with it where that cannot be done.
    pub(super) async fn new(settings: &Settings, world: World) -> Result<Self, Vec<String>> {
        let one = |finding: Finding| vec![finding.to_string()];
        let watched = Watched::new(settings);
        let trust = load::trust(settings).map_err(|findings| lines(&findings))?;
        let window = load::window(settings).map_err(one)?;
        let pages = super::pages::pages(settings).map_err(one)?;
        let remote = load::remote(settings).map_err(one)?;
        let mut remarks = super::remarks::of(settings, &trust, &remote);
        remarks.extend(load::open_keys(settings));
        let store = load::store(settings).await.map_err(one)?;
        let keyring = load::keyring(settings, &store).map_err(one)?;
        let (keys, begun) = match keyring.open((world.clock)()).await {
            Ok(opened) => opened,
            Err(KeyringError::Store(error)) => {
                tracing::error!(cause = %error, "the signing keys could not be read yet; trying again");
                (KeySet::new(), true)
            }
            Err(error) => return Err(vec![error.to_string()]),
        };
        let (whole, complete) = watch::channel(!begun);
        let endpoints = load::endpoints(settings);
        let gates = super::gates::gates(settings).map_err(|findings| lines(&findings))?;
        let (people, farewells) = People::new(pages, load::outbound(settings).map_err(one)?);
        let threads = threads::number(world).map_err(one)?;
        let workers = Workers::start(threads)
            .map_err(|error| vec![format!("{threads} threads could not be started: {error}")])?;
        let site = Arc::new(Site {
            router: Router::new(&endpoints, &gates.names()),
            passages: Passages::new(&settings.gates, window.front()),
            window,
            max_header_bytes: settings.max_header_bytes.octets(),
            connections: Arc::new(Semaphore::new(settings.max_connections)),
            requests: Numbered::new((world.mint)().expose().chars().take(8).collect()),
            server: Arc::new(Server {
                settings: endpoints,
                trust: ArcSwap::from_pointee(trust),
                keys: ArcSwap::from_pointee(keys),
                complete,
                store,
                remote,
                clock: world.clock,
                mint: world.mint,
                gates: ArcSwap::from_pointee(gates),
                signing: Signing::default(),
                seen: SeenTokens::default(),
                foreign: ForeignTokens::default(),
                people,
                metrics: Metrics::default(),
            }),
        });
        Ok(Self {
            site,
            workers,
            watched,
            keyring,
            whole,
            farewells,
            remarks,
        })
    }

    /// Begins to serve at those listeners, and to follow files and keys, which a hangup has read at
    /// once.
    pub(super) fn serve(
        self,
        settings: Settings,
        listeners: Listeners,
        hangup: Option<Signal>,
    ) -> Running {
        let Self {
            site,
            workers,
            watched,
            keyring,
            whole,
            farewells,
            remarks,
        } = self;
        for remark in remarks {
            tracing::warn!("{remark}");
        }
        let (stop, stopped) = watch::channel(false);
        let mut tasks = Vec::new();
        for listener in listeners.http {
            tracing::info!(
                address = listener.address(),
                issuer = settings.issuer.as_str(),
                "serving"
            );
            let http = Http(Arc::clone(&site));
            tasks.push(tokio::spawn(workers.accept(
                http,
                listener,
                stopped.clone(),
            )));
        }
        if let Some(listener) = listeners.fcgi {
            tracing::info!(
                address = listener.address(),
                "serving the gate as a FastCGI Authorizer"
            );
            let fast_cgi = FastCgi {
                site: Arc::clone(&site),
                connections: settings.max_connections,
            };
            tasks.push(tokio::spawn(workers.accept(
                fast_cgi,
                listener,
                stopped.clone(),
            )));
        }
        tracing::info!(
            address = listeners.admin.address(),
            "serving health, readiness and metrics"
        );
        let admin = Admin::of(Arc::clone(&site));
        tokio::spawn(workers.accept(admin, listeners.admin, stopped));
        tokio::spawn(endpoint::farewells(Arc::clone(&site.server), farewells));
        let (asked, asks) = watch::channel(());
        if let Some(mut hangup) = hangup {
            tokio::spawn(async move {
                while hangup.recv().await.is_some() && asked.send(()).is_ok() {}
            });
        }
        tokio::spawn(follow::keep_trust(
            Arc::clone(&site),
            settings,
            watched,
            asks.clone(),
        ));
        tokio::spawn(follow::keep_keys(site, keyring, whole, asks));
        Running {
            stop,
            tasks,
            workers,
        }
    }
}

/// Where a server is reached.
pub(super) struct Listeners {
    /// `--listen`.
    pub(super) http: Vec<Listener>,
    /// `--fcgi-listen`.
    pub(super) fcgi: Option<Listener>,
    /// `--admin-listen`.
    pub(super) admin: Listener,
}

/// A server that serves.
pub(super) struct Running {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    workers: Workers,
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
        drop(self.workers);
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
