//! What a flag is, and what follows from the table of them: command line and manual.

use std::fmt::Write as _;

use clap::builder::ValueHint;
use clap::{Arg, ArgAction};

use super::table::FLAGS;

/// What holds where nobody wrote anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// This value, as if it had been written.
    Value(&'static str),
    /// No value, and these words say what that means.
    Words(&'static str),
}

/// How often and with what a flag is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Once, with a value.
    One,
    /// Any number of times, with one value each.
    Many,
    /// Once, alone or with `=true` or `=false`.
    Switch,
}

/// Something that can be configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The flag without its dashes.
    pub name: &'static str,
    /// What its value is called; empty for a switch.
    pub value: &'static str,
    /// What holds without it.
    pub fallback: Fallback,
    /// How it is written.
    pub kind: Kind,
    /// Whether its value may hold a password, so that nothing prints it.
    pub secret: bool,
    /// What it does, in one sentence.
    pub help: &'static str,
}

impl Flag {
    /// The flag of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        FLAGS.iter().find(|flag| flag.name == name)
    }

    /// The name of its environment variable, for example `CERTBOUND_MTLS_BASE`.
    pub fn environment(&self) -> String {
        environment(self.name)
    }

    /// Its key in the configuration file, for example `mtls_base`.
    pub fn key(&self) -> String {
        self.name.replace('-', "_")
    }

    /// What holds without it, as the help says it.
    pub const fn default_text(&self) -> &'static str {
        match self.fallback {
            Fallback::Value(text) | Fallback::Words(text) => text,
        }
    }
}

/// The environment variable that goes with the flag of that name.
pub fn environment(name: &str) -> String {
    format!("CERTBOUND_{}", name.to_ascii_uppercase().replace('-', "_"))
}

/// The flags for every command that reads the configuration.
pub fn clap_arguments() -> Vec<Arg> {
    FLAGS.iter().map(clap_argument).collect()
}

fn clap_argument(flag: &Flag) -> Arg {
    let default = match flag.fallback {
        Fallback::Words("required") => "[required]".to_owned(),
        _ => format!("[default: {}]", flag.default_text().replace('`', "")),
    };
    let help = format!("{} {default}", flag.help);
    let argument = Arg::new(flag.name).long(flag.name).help(help);
    let hint = match flag.value {
        "FILE" => ValueHint::FilePath,
        "DIR" => ValueHint::DirPath,
        _ => ValueHint::Other,
    };
    match flag.kind {
        Kind::One => argument.value_name(flag.value).value_hint(hint),
        Kind::Many => argument
            .value_name(flag.value)
            .value_hint(hint)
            .action(ArgAction::Append),
        Kind::Switch => argument
            .value_name("BOOL")
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
    }
}

/// The table of all flags as the manual shows it, in Markdown.
pub fn reference() -> String {
    let mut table = String::from("| flag | default | meaning |\n| --- | --- | --- |\n");
    for flag in FLAGS {
        let value = match flag.kind {
            Kind::Switch => String::new(),
            Kind::One | Kind::Many => format!(" {}", flag.value),
        };
        let default = match flag.fallback {
            Fallback::Value(text) => format!("`{text}`"),
            Fallback::Words(text) => text.to_owned(),
        };
        let again = match flag.kind {
            Kind::Many => " May repeat.",
            Kind::One | Kind::Switch => "",
        };
        let help = flag.help;
        // Writing to a string cannot fail.
        let _ = writeln!(
            table,
            "| `--{}{value}` | {default} | {help}{again} |",
            flag.name
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::super::table::LATER;
    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        clap::Command::new("serve")
            .args(clap_arguments())
            .debug_assert();
    }

    #[test]
    fn every_row_is_whole() {
        for flag in FLAGS {
            assert!(flag.help.ends_with('.'), "{}", flag.name);
            assert!(!LATER.contains(&flag.name), "{}", flag.name);
            assert_eq!(flag.value.is_empty(), flag.kind == Kind::Switch);
            assert!(reference().contains(&format!("`--{}", flag.name)));
        }
        let help = clap::Command::new("serve")
            .args(clap_arguments())
            .render_help()
            .to_string();
        for words in [
            "--whoami[=<BOOL>]",
            "[required]",
            "[default: 127.0.0.1:9400]",
        ] {
            assert!(help.contains(words), "{words}: {help}");
        }
        assert_eq!(
            Flag::named("mtls-base").map(|flag| (flag.environment(), flag.key())),
            Some(("CERTBOUND_MTLS_BASE".into(), "mtls_base".into()))
        );
    }
}
