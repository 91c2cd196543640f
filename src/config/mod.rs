//! Configuration, as written and then as meant: [`written()`] gathers, [`Settings`] understands.
//!
//! Flags overrule the environment, which overrules the file, which overrules the defaults; the one
//! table [`FLAGS`] says what there is. Whatever is wrong becomes a [`Finding`], and all of them are
//! found, not the first alone.

use std::fmt;
use std::path::PathBuf;

mod address;
mod cross;
mod file;
mod finding;
mod flags;
mod gate;
mod header;
mod level;
mod reader;
mod secret_file;
mod settings;
mod store_url;
mod table;
mod trusted_proxy;
mod upstream;
mod value;
mod written;

pub use address::{Group, ListenAddress};
pub use file::read_text;
pub use finding::{Fault, Finding, Severity, Source};
pub use flags::{Fallback, Flag, Kind, clap_arguments, environment as environment_name, reference};
pub use gate::GateSettings;
pub use header::VerifyHeaderSetting;
pub use settings::{KeysPlace, Settings};
pub use store_url::{RedisUrl, StoreUrl};
pub use table::{FLAGS, LATER};
pub use trusted_proxy::TrustedProxy;
pub use upstream::{Passage, Upstream};
pub use value::{AccessTokenFormat, AnswerCache, ClientCertEncoding, LogFormat, LogLevel, Size};
pub use written::{Written, written};

/// Why there is no configuration to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// The configuration file could not be read.
    Unreadable {
        /// The file as it was named.
        path: PathBuf,
        /// What the system says.
        cause: String,
    },
    /// The configuration file is not TOML.
    Syntax {
        /// The file as it was named.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// What is wrong there, without the line itself.
        message: String,
    },
}

impl fmt::Display for ConfigError {
    /// One line, in the form of a [`Finding`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, cause } => write!(
                f,
                "{}: the configuration file cannot be read ({}); write the name of a readable file after --config",
                finding::shown_path(path),
                finding::shown(cause),
            ),
            Self::Syntax {
                path,
                line,
                column,
                message,
            } => write!(
                f,
                "{} line {line} column {column}: not TOML ({message}); write key = \"value\"",
                finding::shown_path(path),
            ),
        }
    }
}

impl std::error::Error for ConfigError {}

impl From<ConfigError> for Finding {
    /// What stands in the way of a configuration is a finding like any other.
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Unreadable { path, cause } => Self::error(
                Source::Named(path),
                Fault::new(
                    format!("the configuration file cannot be read ({cause})"),
                    "write the name of a readable file after --config",
                ),
            ),
            ConfigError::Syntax {
                path,
                line,
                column,
                message,
            } => Self::error(
                Source::File {
                    path,
                    line,
                    key: format!("column {column}"),
                },
                Fault::new(format!("not TOML ({message})"), "write key = \"value\""),
            ),
        }
    }
}
