//! Records and changes as Redis commands.

use std::io::Write;

use redis::{Cmd, RedisWrite, ToRedisArgs, cmd};

use crate::oauth::time::Timestamp;
use crate::record::{Changes, Condition, Key, Kind, Operation, Record};

/// What all our keys begin with.
const PREFIX: &str = "cb:";
/// No record is kept longer than this many seconds, a hundred years: Redis cannot count for ever.
const LONGEST: u64 = 3_155_760_000;

/// A commit that needs no script.
pub(super) enum Short {
    /// One unconditional operation.
    Plain(Cmd),
    /// One record, put if there is none.
    IfAbsent(Cmd),
}

impl Short {
    pub(super) fn of(changes: &Changes, now: Timestamp) -> Option<Self> {
        match (changes.conditions(), changes.operations()) {
            ([], [(key, Operation::Delete)]) => Some(Self::Plain(delete(key))),
            ([], [(key, Operation::Put(record))]) if !record.lives(now) => {
                Some(Self::Plain(delete(key)))
            }
            ([], [(key, Operation::Put(record))]) => Some(Self::Plain(set(key, record, now))),
            // Redis may obey when nobody waits any more: then this is a token that nobody has. Whatever else may happen
            // once only is for the script, which does nothing too late.
            ([(absent, Condition::Absent)], [(key, Operation::Put(record))])
                if absent == key && key.kind() == Kind::AccessToken && record.lives(now) =>
            {
                let mut set = set(key, record, now);
                set.arg("NX");
                Some(Self::IfAbsent(set))
            }
            _ => None,
        }
    }

    /// The command, and whether it may find that its condition does not hold.
    pub(super) fn into_command(self) -> (Cmd, bool) {
        match self {
            Self::Plain(command) => (command, false),
            Self::IfAbsent(command) => (command, true),
        }
    }
}

/// A key as Redis has it.
struct Named<'a>(&'a Key);

impl ToRedisArgs for Named<'_> {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        let key = self.0.as_str().as_bytes();
        let mut writer = out.writer_for_next_arg();
        // What is written to is a buffer that grows.
        let _ = writer.write_all(PREFIX.as_bytes());
        let _ = writer.write_all(key);
    }
}

/// The key, as stores spell it, that Redis calls so, if it is one of ours.
pub(super) fn unprefixed(name: &[u8]) -> Option<&str> {
    std::str::from_utf8(name.strip_prefix(PREFIX.as_bytes())?).ok()
}

/// Has Redis tell of changes to what the very next command reads.
pub(super) fn caching() -> Cmd {
    let mut caching = Cmd::with_capacity(3, 16);
    caching.arg("CLIENT").arg("CACHING").arg("YES");
    caching
}

/// Asks for a record.
pub(super) fn get(key: &Key) -> Cmd {
    let mut get = Cmd::with_capacity(2, 64);
    get.arg("GET").arg(Named(key));
    get
}

fn delete(key: &Key) -> Cmd {
    let mut delete = cmd("DEL");
    delete.arg(Named(key));
    delete
}

fn set(key: &Key, record: &Record, now: Timestamp) -> Cmd {
    let mut set = Cmd::with_capacity(6, key.as_str().len() + record.value.len() + 64);
    set.arg("SET").arg(Named(key)).arg(Stored(record));
    if let Some(end) = record.expires {
        set.arg("PX").arg(milliseconds(end, now));
    }
    set
}

/// What is left until then. The time we are told is a whole second that has begun, so Redis removes
/// a record up to a second late, never early.
fn milliseconds(end: Timestamp, now: Timestamp) -> u64 {
    end.since(now).seconds().min(LONGEST) * 1000
}

/// A record as Redis has it.
struct Stored<'a>(&'a Record);

impl Stored<'_> {
    fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        match self.0.expires {
            Some(end) => write!(out, "{} ", end.unix())?,
            None => out.write_all(b"- ")?,
        }
        out.write_all(&self.0.value)
    }
}

impl ToRedisArgs for Stored<'_> {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        // What is written to is a buffer that grows.
        let _ = self.write(&mut out.writer_for_next_arg());
    }
}

/// What [`Stored`] wrote, or nothing where somebody else wrote it.
pub(super) fn parse(octets: &[u8]) -> Option<Record> {
    let gap = octets.iter().position(|octet| *octet == b' ')?;
    let expires = match &octets[..gap] {
        b"-" => None,
        digits => Some(Timestamp::from_unix(
            std::str::from_utf8(digits).ok()?.parse().ok()?,
        )),
    };
    let value = octets[gap + 1..].to_vec();
    Some(Record { value, expires })
}

/// Evaluates `commit.lua`, by its digest or its text, with what it reads. It does nothing after the deadline, in
/// milliseconds since 1970 by Redis's clock.
pub(super) fn script(
    evaluate: &str,
    script: &str,
    deadline: i64,
    changes: &Changes,
    now: Timestamp,
) -> Cmd {
    let (conditions, operations) = (changes.conditions(), changes.operations());
    // A refresh has five keys, and about a kilobyte of records.
    let mut command = Cmd::with_capacity(32, script.len() + 2048);
    command
        .arg(evaluate)
        .arg(script)
        .arg(conditions.len() + operations.len());
    for (key, _) in conditions {
        command.arg(Named(key));
    }
    for (key, _) in operations {
        command.arg(Named(key));
    }
    command.arg(deadline).arg(now.unix()).arg(conditions.len());
    for (_, condition) in conditions {
        match condition {
            Condition::Absent => command.arg("absent"),
            Condition::Is(value) => command.arg("is").arg(value.as_slice()),
        };
    }
    for (_, operation) in operations {
        match operation {
            Operation::Put(record) if record.lives(now) => match record.expires {
                Some(end) => {
                    command
                        .arg("put")
                        .arg(Stored(record))
                        .arg(milliseconds(end, now));
                }
                None => {
                    command.arg("keep").arg(Stored(record));
                }
            },
            Operation::Put(_) | Operation::Delete => {
                command.arg("delete");
            }
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_as_they_were_written() {
        for (record, text) in [
            (
                Record {
                    value: b"{\"a\": 1}".to_vec(),
                    expires: None,
                },
                &b"- {\"a\": 1}"[..],
            ),
            (
                Record {
                    value: vec![0, 32, 255],
                    expires: Some(Timestamp::from_unix(u64::MAX)),
                },
                b"18446744073709551615 \0 \xff",
            ),
            (
                Record {
                    value: Vec::new(),
                    expires: Some(Timestamp::from_unix(7)),
                },
                b"7 ",
            ),
        ] {
            let mut stored = Vec::new();
            Stored(&record).write(&mut stored).expect("it grows");
            assert_eq!(stored, text);
            assert_eq!(parse(text), Some(record));
        }
        for foreign in [&b""[..], b"hello", b"hello world", b" x", b"-1 x"] {
            assert_eq!(parse(foreign), None);
        }
    }
}
