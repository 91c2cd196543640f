//! `redis://`, `rediss://` and `redis+unix://`, a store that several instances share.
//!
//! A record is the Redis string `cb:KEY`, its value `END VALUE`: the second it ends, or `-`, a space,
//! and the record's octets. Ends are given to Redis as a span, not as a point in time, so that its
//! clock need not agree with ours; what Redis still has but has ended by our clock is not there.
//!
//! Nothing is ever sent twice: a command whose connection failed may have been obeyed, and a second
//! attempt would find its own work and call it a conflict.

mod address;
mod link;

use ::redis::{Client, Cmd, ErrorKind, Pipeline, Script, ServerErrorKind, Value, cmd};

use std::sync::Arc;

use super::{Backend, Opening, Options, Pending, Store, StoreError};
use crate::oauth::time::Timestamp;
use crate::record::{Changes, Condition, Key, Operation, Record};
use link::Link;

/// What all our keys begin with.
const PREFIX: &str = "cb:";
/// No record is kept longer than this many seconds, a hundred years: Redis cannot count for ever.
const LONGEST: u64 = 3_155_760_000;

/// The backend of everything that is a Redis.
pub(super) struct Redis;

impl Backend for Redis {
    fn schemes(&self) -> &'static [&'static str] {
        &["redis", "rediss", "redis+unix"]
    }

    fn open<'a>(&self, url: &'a str, options: &'a Options) -> Opening<'a> {
        Box::pin(async move {
            let client = address::client(url, options)?;
            Ok(Arc::new(RedisStore::new(client)) as Arc<dyn Store>)
        })
    }
}

struct RedisStore {
    link: Link,
    script: Script,
}

impl RedisStore {
    fn new(client: Client) -> Self {
        Self {
            link: Link::new(client),
            script: Script::new(include_str!("redis/commit.lua")),
        }
    }

    /// All conditions, then all operations, in one step of the server's.
    async fn run_script(&self, changes: &Changes, now: Timestamp) -> Result<(), StoreError> {
        let mut evaluate = cmd("EVALSHA");
        write_script(&mut evaluate, self.script.get_hash(), changes, now);
        let mut answer = self.link.command(&evaluate).await;
        if let Err(error) = &answer
            && error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
        {
            // The server has said that it did nothing, so this is no second attempt. EVAL keeps the
            // script for the next time, and unlike SCRIPT LOAD needs no further permission.
            let mut evaluate = cmd("EVAL");
            write_script(
                &mut evaluate,
                include_str!("redis/commit.lua"),
                changes,
                now,
            );
            answer = self.link.command(&evaluate).await;
        }
        match answer {
            Ok(Value::Int(0)) => Ok(()),
            Ok(Value::Int(index)) => {
                let conflict = usize::try_from(index)
                    .ok()
                    .and_then(|index| changes.conditions().get(index.checked_sub(1)?));
                match conflict {
                    Some((key, _)) => Err(StoreError::Conflict(key.clone())),
                    None => Err(unexpected()),
                }
            }
            Ok(_) => Err(unexpected()),
            Err(error) => Err(link::unavailable(&error)),
        }
    }
}

impl Store for RedisStore {
    fn get<'a>(&'a self, keys: &'a [Key], now: Timestamp) -> Pending<'a, Vec<Option<Record>>> {
        Box::pin(async move {
            // Not MGET, which a cluster refuses where the keys live on different nodes.
            let answers = match keys {
                [] => return Ok(Vec::new()),
                [key] => self
                    .link
                    .command(&get(key))
                    .await
                    .map(|answer| vec![answer]),
                keys => {
                    let mut pipeline = Pipeline::with_capacity(keys.len());
                    for key in keys {
                        pipeline.add_command(get(key));
                    }
                    self.link.pipeline(&pipeline, keys.len()).await
                }
            };
            let answers = answers.map_err(|error| link::unavailable(&error))?;
            if answers.len() != keys.len() {
                return Err(unexpected());
            }
            let records = keys.iter().zip(answers);
            records
                .map(|(key, answer)| read(key, answer, now))
                .collect()
        })
    }

    fn commit<'a>(&'a self, changes: &'a Changes, now: Timestamp) -> Pending<'a, ()> {
        Box::pin(async move {
            if changes.is_empty() {
                return Ok(());
            }
            let Some(short) = Short::of(changes, now) else {
                return self.run_script(changes, now).await;
            };
            match self.link.command(short.command()).await {
                // `SET … NX` has done nothing. There may be a record that Redis has not removed yet
                // but that has ended by our clock, and the script knows.
                Ok(Value::Nil) if matches!(short, Short::IfAbsent(_)) => {
                    self.run_script(changes, now).await
                }
                Ok(_) => Ok(()),
                Err(error) => Err(link::unavailable(&error)),
            }
        })
    }

    fn ready(&self) -> Pending<'_, ()> {
        Box::pin(async {
            // The write finds a replica, a full memory and a disk that Redis cannot save to.
            let mut pipeline = Pipeline::with_capacity(2);
            pipeline.add_command(cmd("PING"));
            let mut probe = cmd("SET");
            probe.arg("cb:ready").arg(1).arg("PX").arg(1000);
            pipeline.add_command(probe);
            let answers = self.link.pipeline(&pipeline, 2).await;
            answers.map(drop).map_err(|error| link::unavailable(&error))
        })
    }

    fn warnings(&self) -> Pending<'_, Vec<String>> {
        Box::pin(async {
            let mut pipeline = Pipeline::with_capacity(2);
            for section in ["memory", "persistence"] {
                let mut info = cmd("INFO");
                info.arg(section);
                pipeline.add_command(info);
            }
            let answers = match self.link.pipeline(&pipeline, 2).await {
                Ok(answers) => answers,
                Err(error)
                    if matches!(error.kind(), ErrorKind::Server(ServerErrorKind::NoPerm)) =>
                {
                    let refused = "Redis does not let this user ask INFO, so its maxmemory-policy \
                                   and persistence are not known";
                    return Ok(vec![refused.to_owned()]);
                }
                Err(error) => return Err(link::unavailable(&error)),
            };
            let text: String = answers.iter().filter_map(text).collect();
            Ok(judge(&text))
        })
    }
}

/// A commit that needs no script.
enum Short {
    /// One unconditional operation.
    Plain(Cmd),
    /// One record, put if there is none.
    IfAbsent(Cmd),
}

impl Short {
    fn of(changes: &Changes, now: Timestamp) -> Option<Self> {
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

    fn command(&self) -> &Cmd {
        match self {
            Self::Plain(command) | Self::IfAbsent(command) => command,
        }
    }
}

fn named(key: &Key) -> String {
    let mut name = String::with_capacity(PREFIX.len() + key.as_str().len());
    name.push_str(PREFIX);
    name.push_str(key.as_str());
    name
}

fn get(key: &Key) -> Cmd {
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

fn read(key: &Key, answer: Value, now: Timestamp) -> Result<Option<Record>, StoreError> {
    let octets = match answer {
        Value::Nil => return Ok(None),
        Value::BulkString(octets) => octets,
        _ => return Err(unexpected()),
    };
    let record = parse(&octets).ok_or_else(|| {
        let key = key.as_str();
        StoreError::Unavailable(format!("what Redis has as {PREFIX}{key} is not a record"))
    })?;
    Ok(Some(record).filter(|record| record.lives(now)))
}

fn parse(octets: &[u8]) -> Option<Record> {
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
fn write_script(command: &mut Cmd, script: &str, changes: &Changes, now: Timestamp) {
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

fn unexpected() -> StoreError {
    StoreError::Unavailable("Redis gave an answer that makes no sense".to_owned())
}

fn text(answer: &Value) -> Option<String> {
    match answer {
        Value::BulkString(octets) => Some(String::from_utf8_lossy(octets).into_owned()),
        Value::VerbatimString { text, .. } => Some(text.clone()),
        _ => None,
    }
}

/// What an operator should know of a Redis that says this of itself.
fn judge(info: &str) -> Vec<String> {
    let value = |name: &str| {
        let line = |line: &&str| line.split_once(':').is_some_and(|(found, _)| found == name);
        let found = info.lines().find(line)?;
        found.split_once(':').map(|(_, value)| value.trim())
    };
    let mut warnings = Vec::new();
    match value("maxmemory_policy") {
        Some("noeviction") => {}
        Some(policy) => warnings.push(format!(
            "Redis has maxmemory-policy {policy}: when its memory is full it forgets revocations \
             and used codes; set maxmemory-policy noeviction"
        )),
        None => warnings.push("Redis does not tell its maxmemory-policy".to_owned()),
    }
    if value("aof_enabled") == Some("0") {
        warnings.push(
            "Redis has appendonly no: when it is restarted it forgets what was issued and revoked \
             since its last snapshot; set appendonly yes"
                .to_owned(),
        );
    }
    warnings
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

    #[test]
    fn what_redis_says_of_itself() {
        assert!(judge("maxmemory_policy:noeviction\r\naof_enabled:1\r\n").is_empty());
        let warnings = judge("# Memory\r\nmaxmemory_policy:allkeys-lru\r\naof_enabled:0\r\n");
        assert_eq!(warnings.len(), 2);
        assert!(warnings[0].contains("allkeys-lru"));
    }
}
