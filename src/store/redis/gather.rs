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

/// The most commands that wait for each other.
const MOST: usize = 256;
/// How many of them have their answers at once. Those of all would come only with the last one, and who waits for them
/// and Redis would work in turns, never at the same time.
const AT_ONCE: usize = 8;

/// One command, and who waits for its answer.
struct Given {
    command: Cmd,
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
type Lot = Mutex<Vec<Given>>;

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
        self.add(Given {
            command,
            told,
            answers,
        });
        // Nobody drops a command unanswered while the program runs.
        answer.await.unwrap_or_else(|_| Err(unanswered()))
    }

    /// Adds to the lot of this thread, and has it sent where that is not under way.
    fn add(&self, given: Given) {
        let lot = self.lots.get_or_default();
        let mut waiting = locked(lot);
        waiting.push(given);
        let link = || Arc::clone(&self.link);
        match waiting.len() {
            1 => {
                let (lot, link) = (Arc::clone(lot), link());
                tokio::spawn(async move {
                    // Everybody who can go on now does so first.
                    tokio::task::yield_now().await;
                    let mut given = std::mem::take(&mut *locked(&lot));
                    while given.len() > AT_ONCE {
                        let rest = given.split_off(AT_ONCE);
                        tokio::spawn(send(Arc::clone(&link), given));
                        given = rest;
                    }
                    send(link, given).await;
                });
            }
            MOST => drop(tokio::spawn(send(link(), std::mem::take(&mut *waiting)))),
            _ => {}
        }
    }
}

fn locked(lot: &Lot) -> MutexGuard<'_, Vec<Given>> {
    // Nothing panics while this is locked.
    lot.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sends them together, and gives each its answer.
async fn send(link: Arc<Link>, given: Vec<Given>) {
    let mut pipeline = Pipeline::with_capacity(given.len());
    let mut waiting = Vec::with_capacity(given.len());
    let mut count = 0;
    for Given {
        command,
        told,
        answers,
    } in given
    {
        if told {
            // Nothing comes between the two.
            pipeline.add_command(caching());
            count += 1;
        }
        pipeline.add_command(command);
        count += 1;
        waiting.push((told, answers));
    }
    if waiting.is_empty() {
        // Somebody filled a batch in between, and sent it.
        return;
    }
    match link.ask(&pipeline, count).await {
        Ok(all) => {
            let mut all = all.into_iter();
            for (told, answers) in waiting {
                // That Redis will not tell is no error for whoever asks.
                let told = told && matches!(all.next(), Some(Ok(_)));
                let answer = all.next().unwrap_or_else(|| Err(unanswered()));
                // Whoever went away needs none.
                let _ = answers.send(answer.map(|value| Answer { value, told }));
            }
        }
        Err(error) => {
            for (_, answers) in waiting {
                let _ = answers.send(Err(error.clone()));
            }
        }
    }
}
