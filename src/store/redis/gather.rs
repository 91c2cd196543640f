//! Commands that are given at the same moment go to Redis together: what costs is not Redis but the
//! system's calls, one to send and one to receive, and a hundred commands need no more of them than one. Each thread
//! gathers its own, so that one answer from the thread that speaks with Redis wakes it, and not one for each command.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redis::{Cmd, Pipeline, RedisResult, Value};
use thread_local::ThreadLocal;
use tokio::sync::oneshot;

use super::command::caching;
use super::faults::unanswered;
use super::lane::Lane;
use super::link::Link;

/// How many are sent together. The answers of a hundred would come only with the last one, and who waits for them and
/// Redis would work in turns, never at the same time.
const AT_ONCE: usize = 16;

/// Commands that are sent together.
struct Batch {
    commands: Pipeline,
    /// How many there are, with those that nobody waits for.
    count: usize,
    /// Whether Redis is to tell of changes to what one of them reads.
    told: bool,
    waiting: Vec<Waiting>,
}

/// Who waits for the answer to a command.
struct Waiting {
    /// Whether Redis is to tell of changes to what the command reads.
    told: bool,
    answers: oneshot::Sender<RedisResult<Answer>>,
}

/// What Redis has answered.
pub(super) struct Answer {
    pub(super) value: Value,
    /// Whether it tells of changes to what was read.
    pub(super) told: bool,
}

/// What a thread has of its own.
struct Own {
    /// What waits to be sent.
    lot: Mutex<Vec<Batch>>,
    /// None for the one that has the link.
    lane: Option<Arc<Lane>>,
}

/// Gathers commands until those who are at work have all had their say.
pub(super) struct Gather {
    link: Arc<Link>,
    owns: ThreadLocal<Arc<Own>>,
}

impl Gather {
    /// Nobody has asked yet.
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self {
            link,
            owns: ThreadLocal::new(),
        }
    }

    /// Sends a command once and awaits the answer. It is sent also for whoever goes away meanwhile.
    pub(super) async fn ask(&self, command: Cmd) -> RedisResult<Value> {
        let answer = self.give(command, false).await?;
        Ok(answer.value)
    }

    /// The same of a command that reads. If so, Redis is to tell of changes to what it read.
    pub(super) async fn give(&self, command: Cmd, told: bool) -> RedisResult<Answer> {
        let (answers, answer) = oneshot::channel();
        self.add(command, Waiting { told, answers });
        // Nobody drops a command unanswered while the program runs.
        answer.await.unwrap_or_else(|_| Err(unanswered()))
    }

    /// Adds to the lot of this thread, and has it sent where that is not under way.
    fn add(&self, command: Cmd, waiting: Waiting) {
        let own = self.owns.get_or(|| Own::of(&self.link));
        let mut batches = own.batches();
        if batches.is_empty() {
            let (own, link) = (Arc::clone(own), Arc::clone(&self.link));
            tokio::spawn(async move {
                // Everybody who can go on now does so first.
                tokio::task::yield_now().await;
                let mut batches = std::mem::take(&mut *own.batches());
                let last = batches.pop();
                for batch in batches {
                    tokio::spawn(send(Arc::clone(&link), Arc::clone(&own), batch));
                }
                if let Some(batch) = last {
                    send(link, own, batch).await;
                }
            });
        }
        match batches.last_mut() {
            Some(batch) if batch.waiting.len() < AT_ONCE => batch.add(command, waiting),
            _ => {
                let mut batch = Batch::new();
                batch.add(command, waiting);
                batches.push(batch);
            }
        }
    }
}

impl Own {
    /// Of the calling thread.
    fn of(link: &Link) -> Arc<Self> {
        let lane = (!link.is_at_home()).then(Arc::default);
        let lot = Mutex::default();
        Arc::new(Self { lot, lane })
    }

    fn batches(&self) -> MutexGuard<'_, Vec<Batch>> {
        // Nothing panics while this is locked.
        self.lot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Batch {
    fn new() -> Self {
        Self {
            commands: Pipeline::with_capacity(AT_ONCE),
            count: 0,
            told: false,
            waiting: Vec::with_capacity(AT_ONCE),
        }
    }

    fn add(&mut self, command: Cmd, waiting: Waiting) {
        if waiting.told {
            // Nothing comes between the two.
            self.commands.add_command(caching());
            self.count += 1;
            self.told = true;
        }
        self.commands.add_command(command);
        self.count += 1;
        self.waiting.push(waiting);
    }
}

/// Sends them together, and gives each its answer.
async fn send(link: Arc<Link>, own: Arc<Own>, batch: Batch) {
    // It tells over the link alone.
    let lane = own.lane.as_ref().filter(|_| !batch.told);
    match link.ask(&batch.commands, batch.count, lane).await {
        Ok(all) => {
            let mut all = all.into_iter();
            for Waiting { told, answers } in batch.waiting {
                // That Redis will not tell is no error for whoever asks.
                let told = told && matches!(all.next(), Some(Ok(_)));
                let answer = all.next().unwrap_or_else(|| Err(unanswered()));
                // Whoever went away needs none.
                let _ = answers.send(answer.map(|value| Answer { value, told }));
            }
        }
        Err(error) => {
            for Waiting { answers, .. } in batch.waiting {
                let _ = answers.send(Err(error.clone()));
            }
        }
    }
}
