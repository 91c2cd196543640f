//! `certbound demo`: certificate-bound tokens (RFC 8705) from the first request to the last, on a machine
//! where nothing else is installed.
//!
//! What runs is the real server, from a configuration file like any other, behind a stand-in for the
//! web server. Everything listens on loopback, and what is made lies in a folder of its own.

mod ask;
mod client;
mod files;
mod folder;
mod frame;
mod front;
mod judge;
mod people;
mod pki;
mod story;
mod tell;
pub(super) mod wire;

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::builder::ValueHint;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::logging::{self, Log};
use super::serve::{Listeners, Ready, Running};
use super::{Ended, World, complain};
use crate::config::{self, Settings};
use crate::http::listen::Listener;
use crate::http::workers;
use client::Client;
use files::Places;
use folder::Folder;
use front::Front;
use pki::Pki;

/// The command.
pub(super) fn command() -> Command {
    Command::new("demo")
        .about("Show the whole story on this machine: a throw-away PKI, a server, tokens issued, bound and refused")
        .arg(
            Arg::new("exit")
                .long("exit")
                .action(ArgAction::SetTrue)
                .help("End after the last step: 0 if every step went as it must, else 1"),
        )
        .arg(
            Arg::new("dir")
                .long("dir")
                .value_name("DIR")
                .value_parser(value_parser!(PathBuf))
                .value_hint(ValueHint::DirPath)
                .help("Keep keys, configuration and store in this folder, which is new or empty [default: a fresh temporary one, removed at the end]"),
        )
        .arg(
            Arg::new("port")
                .long("port")
                .value_name("PORT")
                .value_parser(value_parser!(u16))
                .default_value("0")
                .help("Port of the stand-in for the web server, on 127.0.0.1; 0 takes a free one"),
        )
}

/// Shows everything, then stays up unless told to end.
pub(super) fn run(matches: &ArgMatches, world: World, out: &mut dyn Write) -> Ended {
    let folder = match matches.get_one::<PathBuf>("dir") {
        Some(path) => Folder::named(path),
        None => Folder::fresh(&(world.mint)().expose().chars().take(8).collect::<String>()),
    };
    // It outlives the runtime, which holds files in it open.
    let mut folder = match folder {
        Ok(folder) => folder,
        Err(text) => {
            complain(text);
            return Ended::Usage;
        }
    };
    let runtime = match workers::runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(format!("the runtime could not be started: {error}"));
            return Ended::No;
        }
    };
    let exit = matches.get_flag("exit");
    let port = matches.get_one::<u16>("port").copied().unwrap_or_default();
    let shown = runtime.block_on(show(&mut folder, exit, port, world, out));
    drop(runtime);
    match shown {
        Ok(ended) => ended,
        Err(text) => {
            complain(text);
            Ended::No
        }
    }
}

async fn show(
    folder: &mut Folder,
    exit: bool,
    port: u16,
    world: World,
    out: &mut dyn Write,
) -> Result<Ended, String> {
    let mut end = End::new().map_err(|error| format!("signals cannot be received: {error}"))?;
    let pki = Pki::new((world.clock)()).map_err(|error| error.to_string())?;
    let (places, running, log) = start(folder, &pki, port, world).await?;
    let client = Client {
        pki: &pki,
        folder,
        front: places.front,
        certbound: places.certbound,
    };
    let told = async {
        frame::introduce(&client, out)?;
        let failed = tell::tell(&client, out).await?;
        frame::conclude(&failed, out)?;
        if !exit {
            frame::suggest(&client, &places, out)?;
        }
        Ok::<_, io::Error>(failed)
    };
    let told = tokio::select! {
        told = told => Some(told.map_err(|error| format!("nothing can be printed any more: {error}"))?),
        () = end.wait() => None,
    };
    if told.is_some() && !exit {
        end.wait().await;
    }
    running.stop().await;
    drop(log);
    let failed = told.as_ref().is_some_and(|failed| !failed.is_empty());
    if failed && !folder.is_kept() {
        folder.keep();
        complain(format!(
            "{} is kept for you to look at; {} has the reasons",
            folder.as_str(),
            files::LOG
        ));
    }
    // Who interrupts the story before its end has not seen every step.
    let unfinished = exit && told.is_none();
    Ok(if failed || unfinished {
        Ended::No
    } else {
        Ended::Done
    })
}

/// What ends it: Ctrl-C, being told to, and the terminal that goes, after which nobody could end it any
/// more. (To `serve` the last one says that files are to be read again.)
struct End([Signal; 3]);

impl End {
    /// From now on none of the three ends the program by itself, so that the folder is removed.
    fn new() -> io::Result<Self> {
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    async fn wait(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

/// Makes the files and starts certbound and the stand-in.
async fn start(
    folder: &Folder,
    pki: &Pki,
    port: u16,
    world: World,
) -> Result<(Places, Running, Log), String> {
    let (front_listener, front) = listen(port).await?;
    let (listener, certbound) = listen(0).await?;
    let (admin_listener, admin) = listen(0).await?;
    let places = Places {
        front,
        certbound,
        admin,
    };
    let secret = files::write(folder, pki, &places, world)?;
    let settings = settings(folder)?;
    let log = folder.create(files::LOG)?;
    let log = logging::start_to(log, settings.log_format, settings.log_level);
    let ready = Ready::new(&settings, world).await;
    let ready = ready.map_err(|faults| faults.join("\n"))?;
    let listeners = Listeners {
        http: vec![Listener::Tcp(listener)],
        fcgi: None,
        admin: Listener::Tcp(admin_listener),
    };
    let running = ready.serve(settings, listeners, None);
    let server = pki.identity("server").ok_or("nobody is called server")?;
    let front = Front::new(server, certbound, &secret)?;
    tokio::spawn(front.serve(front_listener));
    Ok((places, running, log))
}

/// Loopback, and nothing else.
async fn listen(port: u16) -> Result<(TcpListener, SocketAddr), String> {
    let wrong = |error: io::Error| format!("cannot listen on 127.0.0.1 port {port}: {error}");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let listener = listener.map_err(wrong)?;
    let address = listener.local_addr().map_err(wrong)?;
    Ok((listener, address))
}

/// Reads the configuration file that was just written, as `serve` would, but for the environment: what
/// that says of another deployment is not for this one.
fn settings(folder: &Folder) -> Result<Settings, String> {
    let file = folder.file(files::CONFIGURATION);
    let environment = |name: &str| (name == "CERTBOUND_CONFIG").then(|| file.clone());
    let written = config::written(&ArgMatches::default(), environment, config::read_text)
        .map_err(|error| error.to_string())?;
    let settings = Settings::from_written(&written);
    let (settings, findings) = settings.map_err(|findings| lines(&findings))?;
    if findings.is_empty() {
        Ok(settings)
    } else {
        Err(lines(&findings))
    }
}

fn lines(findings: &[config::Finding]) -> String {
    let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
    findings.join("\n")
}
