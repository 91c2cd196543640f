//! `certbound user`: what goes into `users.json`, made: hashes of passwords, secrets of second factors.

use std::io::{self, IsTerminal as _, Read as _, Write};

use clap::{Arg, ArgMatches, Command};
use serde_json::json;
use zeroize::Zeroizing;

use super::{Ended, World, complain, json_flag};
use crate::config;
use crate::oauth::issuer::Issuer;
use crate::oauth::secret::Digest;
use crate::user::{password, totp};

/// The name of an account whose user is not named.
const SOMEBODY: &str = "user";

/// What authenticators show where nobody says who the issuer is.
const NO_ISSUER: &str = "certbound";

/// The command and its own commands.
pub(super) fn command() -> Command {
    let about_issuer = "Issuer identifier, which authenticators show without its https:// [default: that of the configuration]";
    Command::new("user")
        .about("Make what users.json holds: hashes of passwords, secrets of second factors")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("hash-password")
                .about("Hash a password, from a prompt or one line of standard input, for password_hash (argon2id)"),
        )
        .subcommand(
            Command::new("totp")
                .about("Make the secret of a second factor (RFC 6238), for totp and for the user's authenticator")
                .arg(
                    Arg::new("username")
                        .long("username")
                        .value_name("NAME")
                        .help("The user's name, which authenticators show"),
                )
                .arg(
                    Arg::new("issuer")
                        .long("issuer")
                        .value_name("URL")
                        .help(about_issuer),
                )
                .arg(json_flag()),
        )
}

/// Runs one of them.
pub(super) fn run(matches: &ArgMatches, world: World, out: &mut dyn Write) -> Ended {
    let done = match matches.subcommand() {
        Some(("hash-password", _)) => hash_password(world, out),
        Some(("totp", matches)) => second_factor(matches, world, out),
        _ => return Ended::Usage,
    };
    done.unwrap_or_else(|(ended, text)| {
        complain(text);
        ended
    })
}

/// How a command ended before its time, and why.
type Broken = (Ended, String);

fn hash_password(world: World, out: &mut dyn Write) -> Result<Ended, Broken> {
    let no = |text: String| (Ended::No, text);
    let password = if io::stdin().is_terminal() {
        prompted().map_err(no)?
    } else {
        line().map_err(no)?
    };
    let [salt, _] = chance(world);
    let hash = password::hash(&password, salt).map_err(|error| no(error.to_string()))?;
    // A closed pipe: nobody wants to know.
    let _ = writeln!(out, "{hash}");
    Ok(Ended::Done)
}

/// Asks twice, showing nothing.
fn prompted() -> Result<Zeroizing<String>, String> {
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt)
            .map(Zeroizing::new)
            .map_err(|error| {
                format!(
                    "the password cannot be asked for ({error}): write it to standard input instead"
                )
            })
    };
    let password = ask("Password: ")?;
    if *password != *ask("The same again: ")? {
        return Err("these are two passwords: write the same one twice".into());
    }
    Ok(password)
}

/// Reads the one line of standard input.
fn line() -> Result<Zeroizing<String>, String> {
    // The line's end, and one octet more that tells that it is too long.
    let most = password::LONGEST + 3;
    let mut octets = Zeroizing::new(Vec::with_capacity(most));
    io::stdin()
        .take(most as u64)
        .read_to_end(&mut octets)
        .map_err(|error| format!("standard input cannot be read: {error}"))?;
    let text = std::str::from_utf8(&octets).map_err(
        |_| "the password is not UTF-8, or too long: write it as UTF-8 text of at most 1024 octets",
    )?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    Ok(Zeroizing::new(text.to_owned()))
}

fn second_factor(matches: &ArgMatches, world: World, out: &mut dyn Write) -> Result<Ended, Broken> {
    let usage = |text: String| (Ended::Usage, text);
    let written = config::written(matches, world.variable, config::read_text)
        .map_err(|error| usage(error.to_string()))?;
    let issuer: Option<Issuer> = written
        .value("issuer")
        .map(str::parse)
        .transpose()
        .map_err(|error| usage(format!("the issuer is no issuer identifier: {error}")))?;
    let shown = issuer.as_ref().map_or(NO_ISSUER, |issuer| {
        let text = issuer.as_str();
        text.split_once("://").map_or(text, |(_, rest)| rest)
    });
    let username = matches.get_one::<String>("username");
    let account = username.map_or(SOMEBODY, String::as_str);
    if account.trim().is_empty() || account.contains(char::is_control) {
        return Err(usage(
            "--username: write a name without control characters".into(),
        ));
    }
    let secret = totp::secret(&fresh(world));
    let uri = totp::otpauth(&secret, shown, account);
    let text = if matches.get_flag("json") {
        let printed = json!({"username": username, "totp": *secret, "otpauth": *uri});
        format!("{printed:#}\n")
    } else {
        format!("totp     {}\notpauth  {}\n", *secret, *uri)
    };
    let text = Zeroizing::new(text);
    let _ = out.write_all(text.as_bytes());
    Ok(Ended::Done)
}

/// New chance, in two halves.
fn chance(world: World) -> [[u8; 16]; 2] {
    let digest = Digest::of((world.mint)().expose().as_bytes());
    let mut halves = [[0; 16]; 2];
    for (half, octets) in halves.iter_mut().zip(digest.octets().chunks_exact(16)) {
        half.copy_from_slice(octets);
    }
    halves
}

/// Twenty octets of it, as RFC 4226 recommends.
fn fresh(world: World) -> Zeroizing<[u8; 20]> {
    let mut octets = Zeroizing::new([0; 20]);
    for (octet, chance) in octets.iter_mut().zip(chance(world).as_flattened()) {
        *octet = *chance;
    }
    octets
}
