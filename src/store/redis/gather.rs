//! Commands that are given at the same moment go to Redis together: what costs is not Redis but the
//! system's calls, one to send and one to receive, and a hundred commands need no more of them than one.

use std::sync::{Arc, Mutex, PoisonError};

use redis::{Cmd, Pipeline, RedisResult, Value};
use tokio::sync::oneshot;

use super::link::{Link, unanswered};

/// The most commands that go together.
const MOST: usize = 256;

/// One command, and who waits for its answer.
struct Given {
    command: Cmd,
    /// Whether Redis is to tell of changes to what the command reads.
    told: bool,
    answers: oneshot::Sender<RedisResult<Value>>,
}

/// Gathers commands until those who are at work have all had their say.
pub(super) struct Gather {
    link: Arc<Link>,
    waiting: Mutex<Vec<Given>>,
}

impl Gather {
    /// Nobody has asked yet.
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self {
            link,
            waiting: Mutex::default(),
        }
    }

    /// Sends a command once and awaits the answer. It is sent also for whoever goes away meanwhile.
    pub(super) async fn ask(self: &Arc<Self>, command: Cmd) -> RedisResult<Value> {
        self.give(command, false).await
    }

    /// The same of a command that reads, and has Redis tell of changes to what it read, if it does that at all.
    pub(super) async fn ask_and_be_told(self: &Arc<Self>, command: Cmd) -> RedisResult<Value> {
        self.give(command, true).await
    }

    async fn give(self: &Arc<Self>, command: Cmd, told: bool) -> RedisResult<Value> {
        let (answers, answer) = oneshot::channel();
        let begins = {
            let mut waiting = self.waiting();
            waiting.push(Given {
                command,
                told,
                answers,
            });
            match waiting.len() {
                1 => Some(None),
                MOST => Some(Some(std::mem::take(&mut *waiting))),
                _ => None,
            }
        };
        match begins {
            Some(Some(full)) => drop(tokio::spawn(send(Arc::clone(&self.link), full))),
            Some(None) => {
                let gather = Arc::clone(self);
                tokio::spawn(async move {
                    // Everybody who can go on now does so first.
                    tokio::task::yield_now().await;
                    let given = std::mem::take(&mut *gather.waiting());
                    send(Arc::clone(&gather.link), given).await;
                });
            }
            None => {}
        }
        // Nobody drops a command unanswered while the program runs.
        answer.await.unwrap_or_else(|_| Err(unanswered()))
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Given>> {
        // Nothing panics while this is locked.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
            // It is about the very next command, and nothing comes between the two.
            let mut caching = Cmd::with_capacity(3, 16);
            caching.arg("CLIENT").arg("CACHING").arg("YES");
            pipeline.add_command(caching);
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
                if told {
                    // What is not told is not copied for long, and no error for whoever asks.
                    drop(all.next());
                }
                // Whoever went away needs none.
                let _ = answers.send(all.next().unwrap_or_else(|| Err(unanswered())));
            }
        }
        Err(error) => {
            for (_, answers) in waiting {
                let _ = answers.send(Err(error.clone()));
            }
        }
    }
}
