//! `certbound keys`: the signing keys, made, listed, rotated and retired.

use std::io::Write;

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::json;

use super::{Ended, World, complain, json_flag, load, settings_but_issuer};
use crate::config::{KeysPlace, Settings, StoreUrl};
use crate::key::algorithm::SigningAlgorithm;
use crate::key::set::KeySet;
use crate::oauth::time::{Lifetime, Timestamp};
use crate::store::keyring::{Keyring, KeyringError, add, add_missing, generate};

/// How long a new key is published before it signs: longer than anybody keeps a JWK set from here.
const LEAD: &str = "15m";

/// How much longer than its tokens an old key stays, for clocks that differ.
const SKEW: Lifetime = Lifetime::from_seconds(300);

/// The command and its own commands.
pub(super) fn command() -> Command {
    let algorithms = SigningAlgorithm::ALL
        .iter()
        .map(|algorithm| algorithm.name());
    let algorithm = Arg::new("alg")
        .long("alg")
        .value_name("ALG")
        .value_parser(algorithms.collect::<Vec<_>>())
        .help("Only keys of this algorithm");
    let with_settings = |command: Command| command.args(settings_but_issuer());
    Command::new("keys")
        .about("Make, list, rotate and retire the signing keys")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(with_settings(
            Command::new("generate")
                .about("Make a key that signs from now on: for the algorithm named, else for each that has none")
                .arg(algorithm.clone()),
        ))
        .subcommand(with_settings(Command::new("list").about("List the keys").arg(json_flag())))
        .subcommand(with_settings(
            Command::new("rotate")
                .about("Make new keys, publish them now, let them sign after --lead, and keep the old ones until their last token has expired")
                .arg(algorithm)
                .arg(
                    Arg::new("lead")
                        .long("lead")
                        .value_name("DURATION")
                        .default_value(LEAD)
                        .help("How long a new key is published before it signs"),
                ),
        ))
        .subcommand(with_settings(
            Command::new("retire")
                .about("End a key at once: the tokens that it signed end with it")
                .arg(Arg::new("kid").value_name("KID").required(true).help("The key, as keys list names it"))
                .arg(
                    Arg::new("force")
                        .long("force")
                        .action(ArgAction::SetTrue)
                        .help("Even if it is the last one that signs by its algorithm"),
                ),
        ))
}

/// Runs one of them.
pub(super) fn run(matches: &ArgMatches, world: World, out: &mut dyn Write) -> Ended {
    let Some((name, matches)) = matches.subcommand() else {
        return Ended::Usage;
    };
    let settings = match super::usable_settings(matches, world) {
        Ok((settings, _)) => settings,
        Err(ended) => return ended,
    };
    if matches!(settings.store, StoreUrl::Memory)
        && !matches!(settings.keys, KeysPlace::Directory(_))
    {
        complain(
            "with --store memory: the keys live and die with the server; name a folder by --keys, or another --store",
        );
        return Ended::Usage;
    }
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(error);
            return Ended::No;
        }
    };
    match runtime.block_on(act(name, matches, &settings, world, out)) {
        Ok(()) => Ended::Done,
        Err(text) => {
            complain(text);
            Ended::No
        }
    }
}

async fn act(
    name: &str,
    matches: &ArgMatches,
    settings: &Settings,
    world: World,
    out: &mut dyn Write,
) -> Result<(), String> {
    let store = load::store(settings)
        .await
        .map_err(|finding| finding.to_string())?;
    let keyring = load::keyring(settings, &store).map_err(|finding| finding.to_string())?;
    let now = (world.clock)();
    let before = keyring.read(now).await.map_err(|error| error.to_string())?;
    let algorithm = || {
        matches
            .try_get_one::<String>("alg")
            .ok()
            .flatten()
            .and_then(|name| name.parse::<SigningAlgorithm>().ok())
    };
    let after = match name {
        "generate" => {
            let algorithm = algorithm();
            let made = keyring.change(now, |keys, now| match algorithm {
                Some(algorithm) => add(keys, algorithm, now),
                None => add_missing(keys, SigningAlgorithm::ALL, now),
            });
            made.await
        }
        "rotate" => {
            let lead = matches
                .get_one::<String>("lead")
                .map_or(LEAD, String::as_str);
            let lead: Lifetime = lead.parse().map_err(|error| format!("--lead: {error}"))?;
            rotate(&keyring, algorithm(), lead, settings, now).await
        }
        "retire" => {
            let kid = matches.get_one::<String>("kid").map_or("", String::as_str);
            let force = matches.get_flag("force");
            let retired = keyring.change(now, |keys, now| {
                keys.retire(kid, now, force)
                    .map(|keys| keys.without_retired(now))
                    .map_err(|error| KeyringError::Key(error.to_string()))
            });
            retired.await
        }
        _ => Ok(before.clone()),
    };
    let after = after.map_err(|error| error.to_string())?;
    let json = name == "list" && matches.get_flag("json");
    print(&after, now, json, out);
    Ok(())
}

async fn rotate(
    keyring: &Keyring,
    algorithm: Option<SigningAlgorithm>,
    lead: Lifetime,
    settings: &Settings,
    now: Timestamp,
) -> Result<KeySet, KeyringError> {
    let overlap = Lifetime::from_seconds(settings.access_token_ttl.seconds() + SKEW.seconds());
    let rotated = keyring.change(now, |keys, now| {
        let mut keys = keys.without_retired(now);
        for candidate in SigningAlgorithm::ALL {
            if algorithm.is_none_or(|algorithm| algorithm == *candidate) {
                keys = keys
                    .rotate(generate(*candidate)?, now, lead, overlap)
                    .map_err(|error| KeyringError::Key(error.to_string()))?;
            }
        }
        Ok(keys)
    });
    rotated.await
}

fn print(keys: &KeySet, now: Timestamp, json: bool, out: &mut dyn Write) {
    let state = |key: &crate::key::set::ManagedKey| {
        if key.is_retired(now) {
            "retired"
        } else if key.is_active(now) {
            if key.retire_at().is_some() {
                "retiring"
            } else {
                "active"
            }
        } else {
            "next"
        }
    };
    let mut listed: Vec<_> = keys.keys().iter().collect();
    listed.sort_by_key(|key| (key.key().algorithm().name(), key.active_from()));
    if json {
        let rows: Vec<_> = listed
            .iter()
            .map(|key| {
                json!({
                    "kid": key.key().kid(),
                    "alg": key.key().algorithm().name(),
                    "state": state(key),
                    "created": key.created().to_string(),
                    "active_from": key.active_from().to_string(),
                    "retire_at": key.retire_at().map(|at| at.to_string()),
                })
            })
            .collect();
        let _ = writeln!(out, "{:#}", json!(rows));
        return;
    }
    let _ = writeln!(
        out,
        "{:<6} {:<9} {:<43} {:<20} retires",
        "alg", "state", "kid", "signs from"
    );
    for key in listed {
        let retires = key
            .retire_at()
            .map_or_else(|| "-".to_owned(), |at| at.to_string());
        let _ = writeln!(
            out,
            "{:<6} {:<9} {:<43} {:<20} {retires}",
            key.key().algorithm().name(),
            state(key),
            key.key().kid(),
            key.active_from().to_string(),
        );
    }
}
