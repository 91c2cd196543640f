//! Files that are a JSON array of objects, read so that every fault is found with its line and the member
//! that it is in: registrations (RFC 7591 section 2) and users.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::nearest::nearest;

/// What the objects of a file are.
#[derive(Debug)]
pub struct Listing<T> {
    /// What several of them are called.
    pub plural: &'static str,
    /// The member that names one.
    pub named_by: &'static str,
    /// Every member that one may have.
    pub members: &'static [&'static str],
    /// What to do with a member that is like none of them.
    pub strange: &'static str,
    /// What one is read as.
    pub read_as: PhantomData<T>,
}

/// What is wrong with one object, where, and what to write instead; never with a value that may be a
/// secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The line of the file, from 1.
    pub line: usize,
    /// What the object is called, where that could be read.
    pub named: Option<String>,
    /// The member.
    pub member: Option<String>,
    /// What is wrong and what to write instead.
    pub text: String,
}

impl<T: DeserializeOwned> Listing<T> {
    /// Reads the file. Every object that cannot be read is a fault of its own; the others are handed over one by
    /// one, with the line on which they start: of a million no two need be held at the same time.
    pub fn read(&self, text: &str, mut take: impl FnMut(usize, T)) -> Vec<Wrong> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let items: Vec<&RawValue> = match serde_json::from_str(text) {
            Ok(items) => items,
            Err(error) => return vec![self.no_list(&error)],
        };
        let mut wrong = Vec::new();
        let mut lines = Lines {
            text,
            at: 0,
            line: 1,
        };
        for item in items {
            let line = lines.line_of(item.get());
            match serde_json::from_str::<T>(item.get()) {
                Ok(object) => take(line, object),
                Err(error) => wrong.push(self.unreadable(item.get(), line, &error)),
            }
        }
        wrong
    }

    fn no_list(&self, error: &serde_json::Error) -> Wrong {
        let text = if error.is_data() {
            format!(
                "the file is a JSON array of {}: write [ {{…}}, {{…}} ]",
                self.plural
            )
        } else {
            format!("not JSON: {}", without_position(error))
        };
        Wrong {
            line: error.line().max(1),
            named: None,
            member: None,
            text,
        }
    }

    /// Says which member of an object is not what it should be.
    fn unreadable(&self, item: &str, line: usize, error: &serde_json::Error) -> Wrong {
        let named = serde_json::from_str::<Value>(item)
            .ok()
            .and_then(|value| value.get(self.named_by)?.as_str().map(str::to_owned));
        let message = without_position(error);
        let line = line + error.line().saturating_sub(1);
        let unknown = message
            .strip_prefix("unknown field `")
            .and_then(|rest| rest.split_once('`'))
            .map(|(name, _)| name.to_owned());
        let Some(name) = unknown else {
            return Wrong {
                line,
                named,
                member: Self::unreadable_member(item),
                text: message,
            };
        };
        let text = match nearest(&name, self.members.iter().copied()) {
            Some(known) => format!("there is no such member; did you mean {known}?"),
            None => format!("there is no such member; {}", self.strange),
        };
        Wrong {
            line,
            named,
            member: Some(name),
            text,
        }
    }

    /// The first member that cannot be read by itself.
    fn unreadable_member(item: &str) -> Option<String> {
        let members: Map<String, Value> = serde_json::from_str(item).ok()?;
        members.into_iter().find_map(|(name, value)| {
            let alone = Value::Object([(name.clone(), value)].into_iter().collect());
            serde_json::from_value::<T>(alone).is_err().then_some(name)
        })
    }
}

/// Counts lines forward, so that a large file is gone through once.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl Lines<'_> {
    /// The line on which `part`, a slice of the text behind the last one asked for, starts.
    fn line_of(&mut self, part: &str) -> usize {
        let start = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let passed = self.text.as_bytes().get(self.at..start).unwrap_or_default();
        self.line += passed
            .split(|byte| *byte == b'\n')
            .count()
            .saturating_sub(1);
        self.at = start.max(self.at);
        self.line
    }
}

/// The message of a JSON error without its position, which is relative to the object, and without the
/// value that is of the wrong type, which may be a secret.
fn without_position(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let message = match message.rfind(" at line ") {
        Some(at) => &message[..at],
        None => &message,
    };
    for wrong in ["invalid type: ", "invalid value: "] {
        if let Some(rest) = message.strip_prefix(wrong)
            && let Some((found, expected)) = rest.rsplit_once(", expected ")
        {
            let kind = found.split(['`', '"']).next().unwrap_or_default().trim();
            return format!("{wrong}{kind}, expected {expected}");
        }
    }
    message.to_owned()
}
