//! Logs, to standard error or, for the demonstration, to a file.

use tracing::Level;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::config::{LogFormat, LogLevel};

/// Starts logging, once for the process.
pub(super) fn start(format: LogFormat, level: LogLevel) {
    start_to(std::io::stderr, format, level);
}

/// The same, to somewhere else.
pub(super) fn start_to<W>(writer: W, format: LogFormat, level: LogLevel)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let level = match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    };
    let builder = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::from_level(level))
        .with_span_events(FmtSpan::NONE)
        .with_ansi(false)
        .with_writer(writer);
    // A subscriber that is there already stays: the process was told how to log before.
    let _ = match format {
        LogFormat::Text => tracing::subscriber::set_global_default(builder.finish()),
        LogFormat::Json => {
            tracing::subscriber::set_global_default(builder.json().flatten_event(true).finish())
        }
    };
}
