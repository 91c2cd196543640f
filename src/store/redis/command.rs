//! Records and changes as Redis commands.

use redis::{Cmd, cmd};

use crate::oauth::time::Timestamp;
use crate::record::{Changes, Condition, Key, Operation, Record};

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
            ([(absent, Condition::Absent)], [(key, Operation::Put(record))])
                if absent == key && record.lives(now) =>
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

fn named(key: &Key) -> String {
    let mut name = String::with_capacity(PREFIX.len() + key.as_str().len());
    name.push_str(PREFIX);
    name.push_str(key.as_str());
    name
}

/// The key, as stores spell it, that Redis calls so, if it is one of ours.
pub(super) fn unprefixed(name: &[u8]) -> Option<&str> {
    std::str::from_utf8(name.strip_prefix(PREFIX.as_bytes())?).ok()
}

/// Asks for a record.
pub(super) fn get(key: &Key) -> Cmd {
    let mut get = cmd("GET");
    get.arg(named(key));
    get
}

fn delete(key: &Key) -> Cmd {
    let mut delete = cmd("DEL");
    delete.arg(named(key));
    delete
}

fn set(key: &Key, record: &Record, now: Timestamp) -> Cmd {
    let mut set = cmd("SET");
    set.arg(named(key)).arg(stored(record));
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

fn stored(record: &Record) -> Vec<u8> {
    let end = record
        .expires
        .map_or_else(|| "-".to_owned(), |end| end.unix().to_string());
    let mut octets = Vec::with_capacity(end.len() + 1 + record.value.len());
    octets.extend_from_slice(end.as_bytes());
    octets.push(b' ');
    octets.extend_from_slice(&record.value);
    octets
}

/// What [`stored`] wrote, or nothing where somebody else wrote it.
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

/// What `commit.lua` reads.
pub(super) fn write_script(command: &mut Cmd, script: &str, changes: &Changes, now: Timestamp) {
    let (conditions, operations) = (changes.conditions(), changes.operations());
    command.arg(script).arg(conditions.len() + operations.len());
    for (key, _) in conditions {
        command.arg(named(key));
    }
    for (key, _) in operations {
        command.arg(named(key));
    }
    command.arg(now.unix()).arg(conditions.len());
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
                        .arg(stored(record))
                        .arg(milliseconds(end, now));
                }
                None => {
                    command.arg("keep").arg(stored(record));
                }
            },
            Operation::Put(_) | Operation::Delete => {
                command.arg("delete");
            }
        }
    }
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
            assert_eq!(stored(&record), text);
            assert_eq!(parse(text), Some(record));
        }
        for foreign in [&b""[..], b"hello", b"hello world", b" x", b"-1 x"] {
            assert_eq!(parse(foreign), None);
        }
    }
}
