//! The configuration as written: for every flag what was said, and by whom.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use clap::ArgMatches;

use crate::user::{AcrMap, Levels};

use super::ConfigError;
use super::file::{self, InFile};
use super::finding::{Fault, Finding, Source};
use super::flags::{Fallback, Flag, Kind, environment};
use super::gate::GateWritten;
use super::table::{FLAGS, LATER};

/// The file that is read if nobody names one and it is there.
const DEFAULT_FILE: &str = "certbound.toml";

/// One value, and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) source: Source,
}

/// Everything that was written for one flag, by the one source that counts.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) values: Vec<Text>,
    pub(super) source: Source,
}

/// The configuration as written: flags over environment over file over defaults.
pub struct Written {
    entries: Vec<(&'static Flag, Entry)>,
    gates: Vec<GateWritten>,
    levels: Levels,
    acr: AcrMap,
    findings: Vec<Finding>,
    file: Option<PathBuf>,
}

impl Written {
    /// The configuration file that was read, if any.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// What was already wrong with how it was written: unknown keys, empty values.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The value of a flag that is written once, whether by somebody or by default.
    pub fn value(&self, name: &str) -> Option<&str> {
        let value = self.entry(name)?.values.first()?;
        Some(&value.text)
    }

    /// Where the value of a flag comes from.
    pub fn source(&self, name: &str) -> Option<&Source> {
        Some(&self.entry(name)?.source)
    }

    /// Whether flag, environment or file says anything of it.
    pub fn is_set(&self, name: &str) -> bool {
        self.source(name)
            .is_some_and(|source| !matches!(source, Source::Default(_)))
    }

    /// The gates of the file.
    pub(super) fn gates(&self) -> &[GateWritten] {
        &self.gates
    }

    /// What each way of signing in is worth.
    pub(super) const fn levels(&self) -> Levels {
        self.levels
    }

    /// What levels are called.
    pub(super) const fn acr(&self) -> &AcrMap {
        &self.acr
    }

    pub(super) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries
            .iter()
            .find_map(|(flag, entry)| (flag.name == name).then_some(entry))
    }
}

impl fmt::Debug for Written {
    /// Leaves out the values that may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (flag, entry) in &self.entries {
            for value in &entry.values {
                let text = if flag.secret { "…" } else { &value.text };
                map.entry(&value.source.to_string(), &text);
            }
        }
        map.finish()
    }
}

/// Reads command line, environment and file. `environment` answers with the value of a variable;
/// `read_file` with the text of a file, and is asked for the configuration file alone.
pub fn written(
    matches: &ArgMatches,
    environment: impl Fn(&str) -> Option<String>,
    read_file: impl Fn(&Path) -> io::Result<String>,
) -> Result<Written, ConfigError> {
    let said = |flag: &'static Flag| {
        from_command_line(matches, flag).or_else(|| from_environment(&environment, flag))
    };
    let config = FLAGS.iter().find(|flag| flag.name == "config");
    let named = config
        .and_then(said)
        .and_then(|entry| entry.values.into_iter().next());
    let (file, in_file) = configuration_file(named, read_file)?;
    let InFile {
        entries: mut in_file,
        gates,
        levels,
        acr,
        mut findings,
    } = in_file;
    for name in LATER {
        let variable = self::environment(name);
        if environment(&variable).is_some() {
            findings.push(Finding::error(Source::Environment(variable), file::later()));
        }
    }
    let mut entries = Vec::with_capacity(FLAGS.len());
    for flag in FLAGS {
        let in_file = in_file
            .iter()
            .position(|(other, _)| other.name == flag.name)
            .map(|at| in_file.swap_remove(at).1);
        let entry = said(flag).or(in_file).unwrap_or_else(|| by_default(flag));
        for value in &entry.values {
            if value.text.is_empty() {
                findings.push(Finding::error(
                    value.source.clone(),
                    Fault::new("the value is empty", "write a value, or leave it out"),
                ));
            }
        }
        entries.push((flag, entry));
    }
    Ok(Written {
        entries,
        gates,
        levels,
        acr,
        findings,
        file,
    })
}

fn configuration_file(
    named: Option<Text>,
    read_file: impl Fn(&Path) -> io::Result<String>,
) -> Result<(Option<PathBuf>, InFile), ConfigError> {
    let must = named.is_some();
    let path = PathBuf::from(named.map_or_else(|| DEFAULT_FILE.to_owned(), |named| named.text));
    match read_file(&path) {
        Ok(text) => {
            let read = file::read(&path, &text)?;
            Ok((Some(path), read))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && !must => {
            Ok((None, InFile::default()))
        }
        Err(error) => Err(ConfigError::Unreadable {
            path,
            cause: error.to_string(),
        }),
    }
}

fn from_command_line(matches: &ArgMatches, flag: &'static Flag) -> Option<Entry> {
    // A command that does not take the flag has not been given it.
    let values = matches.try_get_many::<String>(flag.name).ok().flatten()?;
    let source = Source::Flag(flag.name);
    Some(Entry {
        values: values
            .map(|text| Text {
                text: text.clone(),
                source: source.clone(),
            })
            .collect(),
        source,
    })
}

fn from_environment(
    environment: impl Fn(&str) -> Option<String>,
    flag: &'static Flag,
) -> Option<Entry> {
    let name = flag.environment();
    let text = environment(&name)?;
    let source = Source::Environment(name);
    let value = |text: &str| Text {
        text: text.to_owned(),
        source: source.clone(),
    };
    let values = match flag.kind {
        Kind::Many => text.split(',').map(|part| value(part.trim())).collect(),
        Kind::One | Kind::Switch => vec![value(&text)],
    };
    Some(Entry { values, source })
}

fn by_default(flag: &'static Flag) -> Entry {
    let source = Source::Default(flag.name);
    let values = match flag.fallback {
        Fallback::Value(text) => vec![Text {
            text: text.to_owned(),
            source: source.clone(),
        }],
        Fallback::Words(_) => Vec::new(),
    };
    Entry { values, source }
}
