//! `certbound completions`: what a shell needs to complete the command line.

use std::io::Write;

use clap::{Arg, ArgMatches, Command};
use clap_complete::Shell;

use super::Ended;

/// The command.
pub(super) fn command() -> Command {
    Command::new("completions")
        .about("Print completions for a shell")
        .arg(
            Arg::new("shell")
                .value_name("SHELL")
                .required(true)
                .value_parser(["bash", "zsh", "fish"])
                .help("The shell"),
        )
}

/// Prints them.
pub(super) fn run(matches: &ArgMatches, out: &mut dyn Write) -> Ended {
    let shell = match matches.get_one::<String>("shell").map(String::as_str) {
        Some("bash") => Shell::Bash,
        Some("zsh") => Shell::Zsh,
        Some("fish") => Shell::Fish,
        _ => return Ended::Usage,
    };
    // Into memory first: the generator would panic at a closed pipe.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut super::command(), "certbound", &mut script);
    let _ = out.write_all(&script);
    Ended::Done
}
