//! Questions that are asked at the same moment go to Redis together: what costs is not Redis but the
//! system's calls, one to send and one to receive, and a hundred questions need no more of them than one.

use std::sync::{Arc, Mutex, PoisonError};

use redis::{Cmd, ErrorKind, Pipeline, RedisError, RedisResult, Value};
use tokio::sync::oneshot;

use super::link::Link;

/// The most questions that go together.
const MOST: usize = 256;

/// One question, and who waits for its answer.
type Asked = (Cmd, oneshot::Sender<RedisResult<Value>>);

/// Gathers what is asked until those who are at work have all had their say.
pub(super) struct Gather {
    link: Arc<Link>,
    waiting: Mutex<Vec<Asked>>,
}

impl Gather {
    /// Nobody has asked yet.
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self {
            link,
            waiting: Mutex::default(),
        }
    }

    /// Asks once and awaits the answer. Only for what changes nothing: whoever goes away is asked for all
    /// the same.
    pub(super) async fn ask(self: &Arc<Self>, question: Cmd) -> RedisResult<Value> {
        let (answers, answer) = oneshot::channel();
        let begins = {
            let mut waiting = self.waiting();
            waiting.push((question, answers));
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
                    let asked = std::mem::take(&mut *gather.waiting());
                    send(Arc::clone(&gather.link), asked).await;
                });
            }
            None => {}
        }
        // Nobody drops a question unanswered while the program runs.
        answer.await.unwrap_or_else(|_| Err(unanswered()))
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Asked>> {
        // Nothing panics while this is locked.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends them together, and gives each its answer.
async fn send(link: Arc<Link>, asked: Vec<Asked>) {
    let mut pipeline = Pipeline::with_capacity(asked.len());
    let mut waiting = Vec::with_capacity(asked.len());
    for (question, answers) in asked {
        pipeline.add_command(question);
        waiting.push(answers);
    }
    if waiting.is_empty() {
        // Somebody filled a batch in between, and sent it.
        return;
    }
    match link.questions(&pipeline, waiting.len()).await {
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

fn unanswered() -> RedisError {
    (ErrorKind::Io, "the question was not sent").into()
}
