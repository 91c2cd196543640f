//! The commands.

mod check;
mod completions;
mod demo;
mod explain;
mod given;
mod inspect;
mod keys;
mod load;
mod logging;
mod matching;
mod ready;
mod serve;

use std::ffi::OsString;
use std::io::Write;

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::config::{self, Finding, Settings, Severity, Written};
use crate::oauth::secret::Secret;
use crate::oauth::time::Timestamp;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It did what it was asked.
    Done,
    /// It ran, and the answer is no.
    No,
    /// It could not run: bad usage, or a fault of the configuration.
    Usage,
}

impl Ended {
    /// The exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::No => 1,
            Self::Usage => 2,
        }
    }
}

/// What the commands have of the world: `main` gives the real thing.
#[derive(Clone, Copy)]
pub struct World {
    /// Tells the time.
    pub clock: fn() -> Timestamp,
    /// Makes 256 bits of chance, in base64url.
    pub mint: fn() -> Secret,
    /// The variables of the environment.
    pub variable: fn(&str) -> Option<String>,
    /// The names of those variables.
    pub variables: fn() -> Vec<String>,
}

/// The whole command line, as help and completions know it.
pub fn command() -> Command {
    Command::new("certbound")
        .version(env!("CARGO_PKG_VERSION"))
        .about("OAuth 2.0 tokens bound to client certificates (RFC 8705), beside the web server you already have")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("serve")
                .about("Run the authorization server beside a web server")
                .args(config::clap_arguments()),
        )
        .subcommand(demo::command())
        .subcommand(
            Command::new("check")
                .about("Read the whole configuration and every file it names, reach the store, print what is wrong")
                .args(config::clap_arguments()),
        )
        .subcommand(inspect::command())
        .subcommand(matching::command())
        .subcommand(explain::command())
        .subcommand(keys::command())
        .subcommand(completions::command())
}

/// Runs what the command line says.
pub fn run(arguments: Vec<OsString>, world: World, out: &mut dyn Write) -> Ended {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            let usage = error.use_stderr();
            // Nobody is left to tell if even this cannot be printed.
            let _ = error.print();
            return if usage { Ended::Usage } else { Ended::Done };
        }
    };
    match matches.subcommand() {
        Some(("serve", matches)) => serve::run(matches, world),
        Some(("demo", matches)) => demo::run(matches, world, out),
        Some(("check", matches)) => check::run(matches, world, out),
        Some(("inspect", matches)) => inspect::run(matches, world, out),
        Some(("match", matches)) => matching::run(matches, out),
        Some(("explain", matches)) => explain::run(matches, world, out),
        Some(("keys", matches)) => keys::run(matches, world, out),
        Some(("completions", matches)) => completions::run(matches, out),
        _ => Ended::Usage,
    }
}

/// `--json`, for the commands that print findings.
fn json_flag() -> Arg {
    Arg::new("json")
        .long("json")
        .action(ArgAction::SetTrue)
        .help("Print JSON")
}

/// Says something on standard error.
fn complain(text: impl std::fmt::Display) {
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(stderr, "certbound: {text}");
}

/// The configuration of a command, with everything that is to be said about it. Without settings it
/// cannot be used.
fn settings(matches: &ArgMatches, world: World) -> (Option<Settings>, Vec<Finding>) {
    let written = match config::written(matches, world.variable, config::read_text) {
        Ok(written) => written,
        Err(error) => {
            complain(error);
            return (None, Vec::new());
        }
    };
    let mut strange = strange_variables(world, &written);
    match Settings::from_written(&written) {
        Ok((settings, mut findings)) => {
            findings.append(&mut strange);
            let broken = findings
                .iter()
                .any(|finding| finding.severity() == Severity::Error);
            ((!broken).then_some(settings), findings)
        }
        Err(mut findings) => {
            findings.append(&mut strange);
            (None, findings)
        }
    }
}

/// A misspelt `CERTBOUND_` variable would else go unnoticed, and what it was to set with it.
fn strange_variables(world: World, _written: &Written) -> Vec<Finding> {
    let known: Vec<String> = config::FLAGS
        .iter()
        .map(config::Flag::environment)
        .collect();
    (world.variables)()
        .into_iter()
        .filter(|name| name.starts_with("CERTBOUND_") && !known.contains(name))
        .filter(|name| {
            !config::LATER
                .iter()
                .any(|later| *name == config::environment_name(later))
        })
        .map(|name| {
            let near = crate::oauth::nearest::nearest(&name, known.iter().map(String::as_str));
            let remedy = near.map_or_else(
                || "unset it".to_owned(),
                |near| format!("did you mean {near}?"),
            );
            let fault = config::Fault::new("there is no such setting", remedy);
            Finding::error(config::Source::Environment(name), fault)
        })
        .collect()
}
