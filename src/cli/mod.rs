//! The commands.

mod check;
mod completions;
mod decision;
mod demo;
mod descriptors;
mod explain;
mod follow;
mod gates;
mod given;
mod inspect;
mod keys;
mod load;
mod logging;
mod matching;
mod pages;
mod ready;
mod remarks;
mod serve;
mod threads;
mod user;
mod verify;

use std::ffi::OsString;
use std::io::Write;

use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::config::{self, Finding, Settings, Severity};
use crate::oauth::nearest::nearest;
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
        .subcommand(verify::command())
        .subcommand(keys::command())
        .subcommand(user::command())
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
        Some(("verify", matches)) => verify::run(matches, world, out),
        Some(("keys", matches)) => keys::run(matches, world, out),
        Some(("user", matches)) => user::run(matches, world, out),
        Some(("completions", matches)) => completions::run(matches, out),
        _ => Ended::Usage,
    }
}

/// The settings of a command to which it makes no difference what the issuer is called, so that it need
/// not be told.
fn settings_but_issuer() -> impl Iterator<Item = Arg> {
    config::clap_arguments()
        .into_iter()
        .map(|argument| match argument.get_id().as_str() {
            "issuer" => argument.default_value("https://issuer.invalid").hide(true),
            _ => argument,
        })
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
        Err(error) => return (None, vec![error.into()]),
    };
    let mut strange = strange_variables(world);
    strange.extend(threads::number(world).err());
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

/// The same for a command that needs settings: what is wrong with them is said here, and the command
/// ends.
fn usable_settings(matches: &ArgMatches, world: World) -> Result<(Settings, Vec<Finding>), Ended> {
    let (settings, findings) = settings(matches, world);
    if let Some(settings) = settings {
        return Ok((settings, findings));
    }
    for finding in &findings {
        if finding.severity() == Severity::Error {
            complain(finding);
        }
    }
    Err(Ended::Usage)
}

/// What the name of every variable of ours begins with.
const PREFIX: &str = "CERTBOUND_";

/// A misspelt `CERTBOUND_` variable would else go unnoticed, and what it was to set with it. One that
/// resembles no setting is somebody else's: Kubernetes gives every container beside a service named
/// certbound a `CERTBOUND_SERVICE_HOST` and a `CERTBOUND_PORT`.
fn strange_variables(world: World) -> Vec<Finding> {
    let known: Vec<String> = config::FLAGS
        .iter()
        .map(config::Flag::environment)
        .chain(
            config::LATER
                .iter()
                .map(|name| config::environment_name(name)),
        )
        .collect();
    let settings = || known.iter().filter_map(|name| name.strip_prefix(PREFIX));
    (world.variables)()
        .into_iter()
        .filter_map(|name| {
            let setting = name.strip_prefix(PREFIX)?;
            // A variable that is read is none that is strange.
            let near = nearest(setting, settings()).filter(|near| *near != setting)?;
            let remedy = format!("write {PREFIX}{near}, its nearest known one, or unset it");
            let fault = config::Fault::new("there is no such setting", remedy);
            Some(Finding::error(config::Source::Environment(name), fault))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strange(variables: fn() -> Vec<String>) -> Vec<String> {
        let world = World {
            clock: || Timestamp::from_unix(0),
            mint: || Secret::new(String::new()),
            variable: |_| None,
            variables,
        };
        let found = strange_variables(world);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn misspelt_variables_and_those_of_others() {
        let others = strange(|| {
            [
                "CERTBOUND_ISSUER",
                "CERTBOUND_PORT",
                "CERTBOUND_SERVICE_HOST",
                "CERTBOUND_BIN",
                "HOME",
            ]
            .map(str::to_owned)
            .to_vec()
        });
        assert_eq!(others, [""; 0]);
        let misspelt = strange(|| vec!["CERTBOUND_ISUER".to_owned()]);
        assert_eq!(
            misspelt,
            [
                "CERTBOUND_ISUER: there is no such setting; write CERTBOUND_ISSUER, its nearest known one, or unset it"
            ]
        );
    }
}
