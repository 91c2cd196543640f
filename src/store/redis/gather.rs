//! Commands that are given at the same moment go to Redis together: what costs is not Redis but the
//! system's calls, one to send and one to receive, and a hundred commands need no more of them than one. Each thread
//! gathers its own, so that one answer from the thread that speaks with Redis wakes it, and not one for each command.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redis::{Cmd, Pipeline, RedisResult, Value};
use thread_local::ThreadLocal;
use tokio::sync::oneshot;

use super::command::caching;
use super::faults::unanswered;
use super::link::Link;

/// How many are sent together. The answers of a hundred would come only with the last one, and who waits for them and
/// Redis would work in turns, never at the same time.
const AT_ONCE: usize = 8;

/// Commands that are sent together.
struct Batch {
    commands: Pipeline,
    /// How many there are, with those that nobody waits for.
    count: usize,
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

/// What waits to be sent.
type Lot = Mutex<Vec<Batch>>;

/// Gathers commands until those who are at work have all had their say.
pub(super) struct Gather {
    link: Arc<Link>,
    lots: ThreadLocal<Arc<Lot>>,
}

impl Gather {
    /// Nobody has asked yet.
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self {
            link,
            lots: ThreadLocal::new(),
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
        let lot = self.lots.get_or_default();
        let mut batches = locked(lot);
        if batches.is_empty() {
            let (lot, link) = (Arc::clone(lot), Arc::clone(&self.link));
            tokio::spawn(async move {
                // Everybody who can go on now does so first.
                tokio::task::yield_now().await;
                let mut batches = std::mem::take(&mut *locked(&lot));
                let last = batches.pop();
                for batch in batches {
                    tokio::spawn(send(Arc::clone(&link), batch));
                }
                if let Some(batch) = last {
                    send(link, batch).await;
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

impl Batch {
    fn new() -> Self {
        Self {
            commands: Pipeline::with_capacity(AT_ONCE),
            count: 0,
            waiting: Vec::with_capacity(AT_ONCE),
        }
    }

    fn add(&mut self, command: Cmd, waiting: Waiting) {
        if waiting.told {
            // Nothing comes between the two.
            self.commands.add_command(caching());
            self.count += 1;
        }
        self.commands.add_command(command);
        self.count += 1;
        self.waiting.push(waiting);
    }
}

fn locked(lot: &Lot) -> MutexGuard<'_, Vec<Batch>> {
    // Nothing panics while this is locked.
    lot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends them together, and gives each its answer.
async fn send(link: Arc<Link>, batch: Batch) {
    match link.ask(&batch.commands, batch.count).await {
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
