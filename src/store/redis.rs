//! `redis://`, `rediss://` and `redis+unix://`, a store that several instances share.
//!
//! A record is the Redis string `cb:KEY`, its value `END VALUE`: the second it ends, or `-`, a space,
//! and the record's octets. Ends are given to Redis as a span, not as a point in time, so that its
//! clock need not agree with ours; what Redis still has but has ended by our clock is not there.
//!
//! Nothing is ever sent twice: a command whose connection failed may have been obeyed, and a second
//! attempt would find its own work and call it a conflict.
//!
//! Copies of records are kept while Redis tells of changes to them: see [`copies`].

mod address;
mod clock;
mod command;
mod connect;
mod copies;
mod faults;
mod gather;
mod lane;
mod link;
mod lookout;
mod probe;

use ::redis::{
    Client, ErrorKind, Pipeline, ProtocolVersion, RedisResult, Script, ServerErrorKind, Value, cmd,
};

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Backend, Opening, Options, Pending, Store, StoreError};
use crate::oauth::time::Timestamp;
use crate::record::{Changes, Key, Kind, Operation, Record};
use command::{Short, get};
use copies::Copies;
use gather::{Answer, Gather};
use link::Link;
use lookout::Lookout;

/// The backend of everything that is a Redis.
pub(super) struct Redis;

impl Backend for Redis {
    fn schemes(&self) -> &'static [&'static str] {
        &["redis", "rediss", "redis+unix"]
    }

    fn open<'a>(&self, url: &'a str, options: &'a Options) -> Opening<'a> {
        Box::pin(async move {
            let client = address::client(url, options, ProtocolVersion::RESP2)?;
            let telling = if options.copies {
                Some(address::client(url, options, ProtocolVersion::RESP3)?)
            } else {
                None
            };
            Ok(Arc::new(RedisStore::new(client, telling)) as Arc<dyn Store>)
        })
    }
}

/// What the script answers where nobody waits any more.
const TOO_LATE: i64 = -1;
/// An answer that comes so soon did not come late.
const PROMPT: Duration = Duration::from_millis(500);

struct RedisStore {
    link: Arc<Link>,
    gather: Gather,
    _lookout: Lookout,
    script: Script,
}

/// What Redis has under a key.
struct Found {
    /// Whether or not it has ended.
    record: Option<Record>,
    /// Whether Redis tells of changes to it.
    told: bool,
}

impl RedisStore {
    fn new(client: Client, telling: Option<Client>) -> Self {
        let link = Arc::new(Link::new(client.clone(), telling));
        Self {
            _lookout: Lookout::new(client, Arc::clone(&link)),
            gather: Gather::new(Arc::clone(&link)),
            link,
            script: Script::new(include_str!("redis/commit.lua")),
        }
    }

    fn copies(&self) -> Option<&Copies> {
        self.link.copies()
    }

    /// What is under those keys, asked for in one trip. If so, Redis is to tell of changes to it.
    async fn ask(&self, keys: &[Key], told: bool) -> Result<Vec<Found>, StoreError> {
        let ask = |key| self.gather.give(get(key), told);
        let answers: RedisResult<Vec<Answer>> = match keys {
            [key] => ask(key).await.map(|answer| vec![answer]),
            // Not MGET, which a cluster refuses where the keys live on different nodes.
            keys => {
                let answers = futures_util::future::join_all(keys.iter().map(ask)).await;
                answers.into_iter().collect()
            }
        };
        let answers = answers.map_err(|error| faults::unavailable(&error))?;
        keys.iter()
            .zip(answers)
            .map(|(key, answer)| {
                let record = read(key, answer.value)?;
                let told = answer.told;
                Ok(Found { record, told })
            })
            .collect()
    }

    /// Makes the changes by the shortest command that does.
    async fn make(&self, changes: &Changes, now: Timestamp) -> Result<(), StoreError> {
        let Some(short) = Short::of(changes, now) else {
            return self.run_script(changes, now).await;
        };
        let (command, conditional) = short.into_command();
        match self.gather.ask(command).await {
            // `SET … NX` has done nothing. There may be a record that Redis has not removed yet
            // but that has ended by our clock, and the script knows.
            Ok(Value::Nil) if conditional => self.run_script(changes, now).await,
            Ok(_) => Ok(()),
            Err(error) => Err(faults::unavailable(&error)),
        }
    }

    /// All conditions, then all operations, in one step of the server's.
    async fn run_script(&self, changes: &Changes, now: Timestamp) -> Result<(), StoreError> {
        let evaluate = async |evaluate, script| {
            let deadline = self.link.deadline().await?;
            let command = command::script(evaluate, script, deadline, changes, now);
            self.gather.ask(command).await
        };
        let began = Instant::now();
        let mut answer = evaluate("EVALSHA", self.script.get_hash()).await;
        // Where the server has said that it did nothing there may be another attempt.
        if let Err(error) = &answer
            && error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
        {
            // EVAL keeps the script for the next time, and unlike SCRIPT LOAD needs no further permission.
            answer = evaluate("EVAL", include_str!("redis/commit.lua")).await;
        }
        if matches!(answer, Ok(Value::Int(TOO_LATE))) && began.elapsed() < PROMPT {
            // By its clock, which must have been put forward since it was asked for the time.
            self.link.beat().await;
            answer = evaluate("EVALSHA", self.script.get_hash()).await;
        }
        match answer {
            Ok(Value::Int(0)) => Ok(()),
            Ok(Value::Int(TOO_LATE)) => Err(StoreError::Unavailable(
                "Redis came to it too late, and left it".to_owned(),
            )),
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
            Err(error) => Err(faults::unavailable(&error)),
        }
    }
}

impl Store for RedisStore {
    fn get<'a>(&'a self, keys: &'a [Key], now: Timestamp) -> Pending<'a, Vec<Option<Record>>> {
        Box::pin(async move {
            let found = self.ask(keys, false).await?;
            if let Some(copies) = self.copies() {
                for (key, found) in keys.iter().zip(&found) {
                    // A family is looked at again with every refresh.
                    let is_family = key.kind() == Kind::Family;
                    copies.found(key, found.record.as_ref(), is_family);
                }
            }
            Ok(alive(found, now))
        })
    }

    fn at_hand(&self, keys: &[Key], now: Timestamp) -> Option<Vec<Option<Record>>> {
        self.copies()?.of(keys, now)
    }

    fn last_known(&self, keys: &[Key], now: Timestamp) -> Option<Vec<Option<Record>>> {
        self.copies()?.last_known(keys, now)
    }

    fn get_and_copy<'a>(
        &'a self,
        keys: &'a [Key],
        now: Timestamp,
    ) -> Pending<'a, Vec<Option<Record>>> {
        let Some(copies) = self.copies().filter(|_| self.link.is_told()) else {
            return self.get(keys, now);
        };
        Box::pin(async move {
            let stamps: Vec<_> = keys.iter().map(|key| copies.stamp(key)).collect();
            let found = self.ask(keys, true).await?;
            for ((key, stamp), found) in keys.iter().zip(stamps).zip(&found) {
                if found.told {
                    copies.keep(key, stamp, found.record.as_ref());
                }
            }
            Ok(alive(found, now))
        })
    }

    fn commit<'a>(&'a self, changes: &'a Changes, now: Timestamp) -> Pending<'a, ()> {
        Box::pin(async move {
            if changes.is_empty() {
                return Ok(());
            }
            let committed = self.make(changes, now).await;
            if let Some(copies) = self.copies() {
                // Also where nobody knows whether it happened: before anybody hears of it, no copy says otherwise.
                learn(copies, changes, committed.is_ok());
            }
            committed
        })
    }

    fn is_there(&self) -> bool {
        self.link.is_there()
    }

    fn ready(&self) -> Pending<'_, ()> {
        Box::pin(async {
            let mut pipeline = Pipeline::with_capacity(1);
            pipeline.add_command(probe::write());
            let answers = self.link.pipeline(&pipeline, 1).await;
            answers
                .map(drop)
                .map_err(|error| faults::unavailable(&error))
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
                Err(error) => return Err(faults::unavailable(&error)),
            };
            let text: String = answers.iter().filter_map(text).collect();
            let mut warnings = judge(&text);
            if let Some(cause) = self.link.refusal() {
                warnings.push(format!(
                    "Redis does not tell of changes ({cause}), so that it is asked for every answer: that takes Redis 6 \
                     and a user who may say CLIENT TRACKING and CLIENT CACHING; --answer-cache off has it so without a word"
                ));
            }
            Ok(warnings)
        })
    }
}

/// Ends the copies of what this instance has changed, or may have, and keeps what may be asked for next: refresh
/// tokens that are new, and families. Of opaque access tokens there are too many for that.
fn learn(copies: &Copies, changes: &Changes, made: bool) {
    let conditions = changes.conditions();
    for (key, operation) in changes.operations() {
        let is_new = !conditions.iter().any(|(other, _)| other == key);
        match (operation, key.kind()) {
            (Operation::Put(_), Kind::AccessToken) => copies.changed(key.as_str()),
            (Operation::Put(record), Kind::RefreshToken) if is_new && made => {
                copies.note(key, record);
            }
            (Operation::Put(record), Kind::Family) if made => copies.note(key, record),
            _ => copies.changed_here(key),
        }
    }
    if !made {
        // Whatever was expected of these is not so.
        for (key, _) in conditions {
            copies.changed_here(key);
        }
    }
}

fn read(key: &Key, answer: Value) -> Result<Option<Record>, StoreError> {
    let octets = match answer {
        Value::Nil => return Ok(None),
        Value::BulkString(octets) => octets,
        _ => return Err(unexpected()),
    };
    let record = command::parse(&octets).ok_or_else(|| {
        let key = key.as_str();
        StoreError::Unavailable(format!("what Redis has as cb:{key} is not a record"))
    })?;
    Ok(Some(record))
}

/// Those that have not ended.
fn alive(found: Vec<Found>, now: Timestamp) -> Vec<Option<Record>> {
    let alive = |found: Found| found.record.filter(|record| record.lives(now));
    found.into_iter().map(alive).collect()
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

/// What is wrong with a Redis that says this of itself. How much it keeps over a restart is a choice of the
/// operator's, on which the README has a word.
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
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_redis_says_of_itself() {
        assert!(judge("# Memory\r\nmaxmemory_policy:noeviction\r\n").is_empty());
        let warnings = judge("# Memory\r\nmaxmemory_policy:allkeys-lru\r\n");
        assert!(matches!(&warnings[..], [one] if one.contains("allkeys-lru")));
    }
}
