//! What is wrong with a configuration, where, and what to write instead.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The command line: the flag's name without its dashes.
    Flag(&'static str),
    /// The environment: the variable's name.
    Environment(String),
    /// A key of the configuration file, and the line that it is on, from 1.
    File {
        /// The file as it was named.
        path: PathBuf,
        /// The line.
        line: usize,
        /// The key as it was written.
        key: String,
    },
    /// A file that a setting names, as a whole.
    Named(PathBuf),
    /// Nobody wrote it: the flag whose default it is.
    Default(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "--{name}"),
            Self::Environment(name) => f.write_str(name),
            Self::File { path, line, key } => {
                write!(f, "{} line {line} ({})", shown_path(path), shown(key))
            }
            Self::Named(path) => f.write_str(&shown_path(path)),
            Self::Default(name) => write!(f, "--{name} (default)"),
        }
    }
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The server starts, and says so in its log.
    Warning,
    /// The server does not start.
    Error,
}

/// One thing that is wrong: where, what, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    severity: Severity,
    source: Source,
    problem: String,
    remedy: String,
}

impl Finding {
    /// Something that the server does not start with.
    pub fn error(source: Source, fault: Fault) -> Self {
        Self::new(Severity::Error, source, fault)
    }

    /// Something that the server starts with, though it may not be what was meant.
    pub fn warning(source: Source, fault: Fault) -> Self {
        Self::new(Severity::Warning, source, fault)
    }

    fn new(severity: Severity, source: Source, fault: Fault) -> Self {
        Self {
            severity,
            source,
            problem: fault.problem,
            remedy: fault.remedy,
        }
    }

    /// How much it matters.
    pub const fn severity(&self) -> Severity {
        self.severity
    }

    /// Where it is.
    pub const fn source(&self) -> &Source {
        &self.source
    }

    /// What is wrong, without a secret in it.
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// What to write or do instead, as an instruction.
    pub fn remedy(&self) -> &str {
        &self.remedy
    }
}

impl fmt::Display for Finding {
    /// One line: `SOURCE: problem; write …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.source, self.problem, self.remedy)
    }
}

/// A problem and its remedy, before it is known where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub(super) problem: String,
    pub(super) remedy: String,
}

impl Fault {
    /// What is wrong, and what to write instead.
    pub fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }
}

/// What somebody wrote, for a message: on one line, escaped, and not at any length.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut shown = String::with_capacity(text.len().min(LONGEST));
    for (at, character) in text.chars().enumerate() {
        if at == LONGEST {
            shown.push('…');
            break;
        }
        push_plain(&mut shown, character);
    }
    shown
}

/// A path, for a message: on one line.
pub(super) fn shown_path(path: &Path) -> String {
    let mut shown = String::new();
    for character in path.to_string_lossy().chars() {
        push_plain(&mut shown, character);
    }
    shown
}

/// Escapes what would break a line or hide, but not quotes and backslashes.
fn push_plain(text: &mut String, character: char) {
    if matches!(character, '"' | '\'' | '\\') {
        text.push(character);
    } else {
        text.extend(character.escape_debug());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_stay_on_one_line() {
        for (text, expected) in [
            ("a\nb", "a\\nb"),
            ("\u{1b}[31m", "\\u{1b}[31m"),
            ("it's \"so\"", "it's \"so\""),
        ] {
            assert_eq!(shown(text), expected);
            assert_eq!(shown_path(Path::new(text)), expected);
        }
        assert_eq!(shown(&"x".repeat(200)).chars().count(), 81);
    }
}
