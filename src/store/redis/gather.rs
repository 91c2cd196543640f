//! Commands that are given at the same moment go to Redis together: what costs is not Redis but the
//! system's calls, one to send and one to receive, and a hundred commands need no more of them than one.

use std::sync::{Arc, Mutex, PoisonError};

use redis::{Cmd, Pipeline, RedisResult, Value};
use tokio::sync::oneshot;

use super::link::{Link, unanswered};

/// The most commands that go together.
const MOST: usize = 256;

/// One command, and who waits for its answer.
type Given = (Cmd, oneshot::Sender<RedisResult<Value>>);

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
        let (answers, answer) = oneshot::channel();
        let begins = {
            let mut waiting = self.waiting();
            waiting.push((command, answers));
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
    for (command, answers) in given {
        pipeline.add_command(command);
        waiting.push(answers);
    }
    if waiting.is_empty() {
        // Somebody filled a batch in between, and sent it.
        return;
    }
    match link.ask(&pipeline, waiting.len()).await {
        Ok(answers) => {
            for (answers, answer) in waiting.into_iter().zip(answers) {
                // Whoever went away needs none.
                let _ = answers.send(answer);
            }
        }
        Err(error) => {
            for answers in waiting {
                let _ = answers.send(Err(error.clone()));
            }
        }
    }
}
