//! The token that `verify` is asked about: given on the command line, or on standard input where it stays
//! out of the list of processes.

use std::io::Read as _;

use clap::{Arg, ArgMatches};
use zeroize::Zeroizing;

use crate::gate::credential::LONGEST_TOKEN;
use crate::oauth::secret::Secret;

/// The argument.
pub(super) fn argument() -> Arg {
    Arg::new("token")
        .long("token")
        .value_name("T")
        .required(true)
        // A token may begin with a hyphen (RFC 6750 section 2.1).
        .allow_hyphen_values(true)
        .help("The access token; - reads it from standard input, so that it is neither in the list of processes nor in the shell's history")
}

/// The token, where standard input may be the certificate already.
///
/// An error says what to write instead.
pub(super) fn read(matches: &ArgMatches, taken: bool) -> Result<Secret, String> {
    let given = matches
        .get_one::<String>("token")
        .map_or("", String::as_str);
    if given != "-" {
        return Ok(Secret::new(given.to_owned()));
    }
    if taken {
        return Err("--token and --certificate cannot both be standard input; write the certificate into a file".into());
    }
    // What is longer is refused as too long, which needs no more of it than this. Blanks and line ends
    // around it are the shell's.
    let limit = LONGEST_TOKEN as u64 * 2;
    let mut text = Zeroizing::new(String::new());
    std::io::stdin()
        .lock()
        .take(limit)
        .read_to_string(&mut text)
        .map_err(|error| {
            format!("--token: standard input cannot be read: {error}; give it one token")
        })?;
    Ok(Secret::new(text.trim().to_owned()))
}
