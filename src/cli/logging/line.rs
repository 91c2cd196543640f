//! A line of the log in text: when, how grave, from where, what. It is the text that `tracing-subscriber` makes by
//! itself, in a quarter of the time, as there is one for every token; control characters of a message, ends of lines
//! among them, are always escaped.

use std::fmt::{self, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use thread_local::ThreadLocal;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::oauth::time::Timestamp;

/// Writes lines. There are no spans.
#[derive(Default)]
pub(super) struct Line(Clock);

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        self.0.format_time(&mut writer)?;
        let metadata = event.metadata();
        let level = metadata.level().as_str();
        writer.write_str(&"      "[level.len()..])?;
        writer.write_str(level)?;
        writer.write_char(' ')?;
        writer.write_str(metadata.target())?;
        writer.write_char(':')?;
        let mut fields = Fields {
            writer,
            written: Ok(()),
        };
        event.record(&mut fields);
        fields.written?;
        fields.writer.write_char('\n')
    }
}

/// Writes fields, each behind a blank.
struct Fields<'a> {
    writer: Writer<'a>,
    written: fmt::Result,
}

impl Fields<'_> {
    /// `message` has no name; raw identifiers are shown without their mark.
    fn write(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.written.is_err() {
            return;
        }
        let writer = &mut self.writer;
        let name = field.name();
        self.written = writer.write_char(' ').and_then(|()| {
            if name != MESSAGE {
                writer.write_str(name.strip_prefix("r#").unwrap_or(name))?;
                writer.write_char('=')?;
            }
            value(writer)
        });
    }
}

const MESSAGE: &str = "message";

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == MESSAGE {
            return self.record_debug(field, &format_args!("{value}"));
        }
        self.write(field, |writer| {
            // Nothing in it needs an escape, nearly always.
            if value
                .bytes()
                .all(|octet| matches!(octet, b' '..=b'~') && !matches!(octet, b'"' | b'\\'))
            {
                writer.write_char('"')?;
                writer.write_str(value)?;
                writer.write_char('"')
            } else {
                write!(writer, "{value:?}")
            }
        });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let is_message = field.name() == MESSAGE;
        self.write(field, |writer| {
            if is_message {
                write!(Printable(writer), "{value:?}")
            } else {
                write!(writer, "{value:?}")
            }
        });
    }
}

/// Writes text so that no terminal takes any of it for a command.
struct Printable<'a, 'w>(&'a mut Writer<'w>);

impl fmt::Write for Printable<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if character.is_control() {
                write!(self.0, "{}", character.escape_unicode())?;
            } else {
                self.0.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// Tells the time to the microsecond, in RFC 3339. What does not change within a second each thread keeps.
#[derive(Default)]
pub(super) struct Clock(ThreadLocal<Mutex<(Option<u64>, String)>>);

/// How long that is, until the year 10000.
pub(super) const TIME: usize = "2000-01-01T00:00:00.000000Z".len();

impl FormatTime for Clock {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        #[expect(clippy::disallowed_methods, reason = "a line says when it was written")]
        let now = SystemTime::now();
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut digits = *b".000000Z";
        let mut left = since.subsec_micros();
        for digit in digits[1..7].iter_mut().rev() {
            *digit = b'0' + (left % 10) as u8;
            left /= 10;
        }
        let kept = self.0.get_or_default();
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (second, text) = &mut *kept;
        if *second != Some(since.as_secs()) {
            *second = Some(since.as_secs());
            *text = Timestamp::from_unix(since.as_secs()).to_string();
            text.pop();
        }
        writer.write_str(text)?;
        writer.write_str(std::str::from_utf8(&digits).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    /// What was written.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("nobody panics").write(octets)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Kept {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    /// The lines of what is said, without their times.
    fn lines(subscriber: impl Subscriber + Send + Sync + 'static, kept: &Kept) -> Vec<String> {
        tracing::subscriber::with_default(subscriber, || {
            let (absent, number): (Option<&str>, Option<u64>) = (None, Some(7));
            tracing::info!("hello");
            tracing::error!(target: "audit", event = "x", count = 1_u64, less = -1_i64, yes = true, absent, number);
            tracing::warn!(
                cause = "a \"b\" \\ \n \u{1b}[31m ä",
                half = 0.5,
                "refused: {}",
                "\u{1b}[2J\u{9b}x"
            );
            tracing::debug!(list = ?["a", "b"], shown = %"a b", r#type = "t", "x5t#S256" = %"A");
            let error = io::Error::other("no");
            tracing::trace!(error = &error as &dyn std::error::Error, %error, "last");
        });
        let written = std::mem::take(&mut *kept.0.lock().expect("nobody panics"));
        let text = String::from_utf8(written).expect("text");
        let timeless = |line: &str| {
            let (time, rest) = line.split_at(TIME);
            assert!(time.starts_with("20") && time.ends_with('Z'), "{line}");
            assert!(time[..19].parse::<String>().is_ok() && time.as_bytes()[19] == b'.');
            rest.to_owned()
        };
        text.lines().map(timeless).collect()
    }

    #[test]
    fn lines_are_those_of_the_library() {
        let (own, theirs) = (Kept::default(), Kept::default());
        let builder = || {
            tracing_subscriber::fmt()
                .with_max_level(tracing::Level::TRACE)
                .with_ansi(false)
        };
        let subscriber = builder()
            .event_format(Line::default())
            .with_writer(own.clone());
        let found = lines(subscriber.finish(), &own);
        let expected = lines(builder().with_writer(theirs.clone()).finish(), &theirs);
        assert_eq!(found.len(), 5);
        for (found, expected) in found.iter().zip(&expected) {
            // How a control character of a message is shown is each one's own.
            let shown = |line: &str| line.replace("\\u{1b}", "\\x1b");
            assert_eq!(shown(found), shown(expected));
        }
    }
}
