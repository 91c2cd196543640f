//! Logs, to standard error or, for the demonstration, to a file.

mod line;
mod lines;
mod out;
mod paper;

use std::io::Write;

use tracing::Level;
use tracing_subscriber::filter::LevelFilter;

use self::line::{Clock, Line, TIME};
pub(super) use self::paper::Log;
use self::paper::Paper;
use crate::config::{LogFormat, LogLevel};

/// Starts logging, once for the process. What was logged is written out whole when the answer is dropped.
#[must_use]
pub(super) fn start(format: LogFormat, level: LogLevel) -> Log {
    start_to(std::io::stderr(), format, level)
}

/// The same, to somewhere else.
#[must_use]
pub(super) fn start_to(
    out: impl Write + Send + 'static,
    format: LogFormat,
    level: LogLevel,
) -> Log {
    let level = match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    };
    // Every line begins with its time.
    let begins = match format {
        LogFormat::Text => 0,
        LogFormat::Json => r#"{"timestamp":""#.len(),
    };
    let (paper, log) = Paper::new(Box::new(out), begins..begins + TIME);
    let builder = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::from_level(level))
        .with_ansi(false)
        .with_timer(Clock::default())
        .with_writer(paper);
    // A subscriber that is there already stays: the process was told how to log before.
    let _ = match format {
        LogFormat::Text => {
            tracing::subscriber::set_global_default(builder.event_format(Line::default()).finish())
        }
        LogFormat::Json => {
            tracing::subscriber::set_global_default(builder.json().flatten_event(true).finish())
        }
    };
    log
}
