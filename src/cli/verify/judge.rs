//! One decision of a gate, made by the calls that `serve` makes, with every step told (RFC 6750,
//! RFC 8705 section 3).

use std::sync::{Arc, Mutex, PoisonError};

use super::own::{self, Place};
use super::running::{self, Heard};
use super::{Question, words};
use crate::cli::World;
use crate::config::Finding;
use crate::endpoint::gate::{Allowed, Known, allowed, refused};
use crate::endpoint::{Server, Trust};
use crate::gate::decide::Check;
use crate::gate::facts::Facts;
use crate::gate::{Refused, Why};

/// What the web server would get, where that is known, and whether the request may pass.
pub(super) type Outcome = (Option<String>, bool);

/// Decides about a token that can be shown.
pub(super) async fn judged(
    question: &Question<'_>,
    trust: Trust,
    world: World,
    steps: &mut Vec<String>,
) -> Result<Outcome, Vec<String>> {
    let place = match own::place(question).await {
        Ok(place) => place,
        Err(own::NoPlace::Fault(fault)) => return Err(vec![fault]),
        Err(own::NoPlace::Unavailable(why)) => {
            let refused = Refused::new(Why::Unavailable, why);
            return Ok(end(question, steps, "", &Err(refused)));
        }
    };
    let here = match place {
        Place::Running { keys, why } => {
            steps.push(why);
            if let Some(claimed) = own::claimed(question, keys.as_ref()) {
                claims(question, claimed, keys.is_some(), steps);
            }
            return Ok(match running::ask(question).await {
                Heard::Answer { step, line, passes } => {
                    steps.push(step);
                    (Some(line), passes)
                }
                Heard::Nothing(why) => {
                    steps.push(format!("undecided: {why}"));
                    (None, false)
                }
            });
        }
        Place::Here(here) => here,
    };
    steps.extend(here.how.clone());
    let server = own::server(question, trust, here, world)
        .map_err(|finding: Finding| vec![finding.to_string()])?;
    let (check, outcome) = decided(question, &server, steps).await;
    Ok(end(question, steps, check, &outcome))
}

/// What the token claims, held against the gate: what is not verified here decides nothing.
fn claims(
    question: &Question<'_>,
    claimed: Result<Facts, String>,
    signed: bool,
    steps: &mut Vec<String>,
) {
    let facts = match claimed {
        Ok(facts) => facts,
        Err(why) => return steps.push(format!("this would be refused: {why}")),
    };
    let verified = if signed {
        "its signature is ours, and whether it was revoked not known here"
    } else {
        "as it claims, not verified here"
    };
    steps.push(format!("{verified}: {}", words::facts(&facts)));
    for check in Check::ALL {
        let gate = question.guard.gate();
        let name = check.name();
        let made = check.make(gate, &facts, &question.presented, question.now);
        steps.push(match &made {
            Ok(()) => {
                let passed = words::passed(*check, gate.rules(), &facts, question.now);
                format!("{name}, by these claims: {passed}")
            }
            Err(refused) => format!(
                "{name}, by these claims: this would be refused: {}",
                refused.cause()
            ),
        });
        if made.is_err() {
            return;
        }
    }
}

/// The decision, by the very calls that `serve` makes, and the check that failed, if one did.
async fn decided(
    question: &Question<'_>,
    server: &Server,
    steps: &mut Vec<String>,
) -> (&'static str, Result<Allowed, Refused>) {
    let known = match known(question, server, steps).await {
        Ok(known) => known,
        Err(refused) => return ("", Err(refused)),
    };
    let facts = known.facts();
    steps.push(format!("it is genuine: {}", words::facts(facts)));
    let gate = question.guard.gate();
    for check in Check::ALL {
        match check.make(gate, facts, &question.presented, question.now) {
            Ok(()) => steps.push(format!(
                "{}: {}",
                check.name(),
                words::passed(*check, gate.rules(), facts, question.now)
            )),
            Err(refused) => return (check.name(), Err(refused)),
        }
    }
    let allowed = server.let_through(gate, &known, question.text, &question.presented);
    ("", Ok(allowed))
}

async fn known(
    question: &Question<'_>,
    server: &Server,
    steps: &mut Vec<String>,
) -> Result<Arc<Known>, Refused> {
    let (guard, text, now) = (question.guard, question.text, question.now);
    let ours = own::may_be_ours(question);
    if ours && let Some(known) = server.facts_of_own(guard, text, now).await? {
        return Ok(known);
    }
    let ways = Mutex::new(Vec::new());
    let others = server
        .facts_of_other(guard, text, now, &|way| {
            let mut ways = ways.lock().unwrap_or_else(PoisonError::into_inner);
            ways.push(words::way(way, question.written));
        })
        .await;
    steps.append(&mut ways.into_inner().unwrap_or_else(PoisonError::into_inner));
    match others {
        Err(refused) if ours && refused.why() == Why::InvalidToken => {
            let why = own::why_dead(question, server).await;
            let cause = format!("{}: {why}", refused.cause());
            Err(Refused::new(Why::InvalidToken, cause))
        }
        others => others,
    }
}

/// The last step, where one failed, and the answer.
pub(super) fn end(
    question: &Question<'_>,
    steps: &mut Vec<String>,
    check: &str,
    outcome: &Result<Allowed, Refused>,
) -> Outcome {
    let reply = match outcome {
        Ok(through) => allowed(through),
        Err(error) => {
            let verdict = match error.why() {
                Why::Unavailable => "undecided",
                _ => "refused",
            };
            let colon = if check.is_empty() { "" } else { ": " };
            steps.push(format!("{verdict}: {check}{colon}{}", error.cause()));
            refused(question.guard.gate(), error)
        }
    };
    let headers = reply.headers.iter().map(|(name, value)| (name, value));
    (Some(words::answer(reply.status, headers)), outcome.is_ok())
}
