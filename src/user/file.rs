//! `users.json`: the local users, one object each, read like registrations.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use unicode_normalization::UnicodeNormalization as _;

use super::certificates::Selector;
use super::password::PasswordHash;
use super::remark::commonest_cost;
use super::totp::Totp;
use super::{LONGEST_NAME, User, Users};
use crate::cert::prepare::is_control_or_format;
use crate::key::json::object;
use crate::oauth::listed::{Listing, Wrong};

/// How many certificates a user may have.
const CERTIFICATES: usize = 64;

/// How many octets of JSON may be said of a user.
const LARGEST_CLAIMS: usize = 16 * 1024;

/// The longest `sub` (OpenID Connect Core section 2), in characters.
const LONGEST_SUB: usize = 255;

/// What tokens and ID tokens say by themselves, so that nobody may say it of a user.
const PROTOCOL_CLAIMS: &[&str] = &[
    "acr",
    "act",
    "amr",
    "at_hash",
    "aud",
    "auth_time",
    "azp",
    "c_hash",
    "client_id",
    "cnf",
    "events",
    "exp",
    "grant_id",
    "iat",
    "iss",
    "jti",
    "may_act",
    "nbf",
    "nonce",
    "s_hash",
    "scope",
    "sid",
    "sub",
    "token_type",
];

/// A user as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    username: Option<String>,
    password_hash: Option<String>,
    sub: Option<String>,
    claims: Option<Box<RawValue>>,
    totp: Option<String>,
    certificates: Option<Vec<Box<RawValue>>>,
}

/// What a `users.json` holds.
const USERS: Listing<Entry> = Listing {
    plural: "users",
    named_by: "username",
    members: &[
        "username",
        "password_hash",
        "sub",
        "claims",
        "totp",
        "certificates",
    ],
    strange: "take it out, or write it into claims",
    read_as: PhantomData,
};

/// What is wrong with a user, where, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line of the file on which the user (or the fault itself) stands; 1 is the first.
    pub line: usize,
    /// The user, where the name could be read.
    pub user: Option<String>,
    /// The member.
    pub member: Option<String>,
    /// What is wrong and what to write instead, parted by `; `.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(user) = &self.user {
            write!(f, ": user {user:?}")?;
        }
        if let Some(member) = &self.member {
            write!(f, ": {member}")?;
        }
        write!(f, ": {}", self.text)
    }
}

/// Reads the file, or says everything that is wrong with it.
pub(super) fn read(text: &str) -> Result<Users, Vec<Problem>> {
    let mut entries = Vec::new();
    let wrong = USERS.read(text, |line, entry| entries.push((line, entry)));
    let problem = |wrong: Wrong| Problem {
        line: wrong.line,
        user: wrong.named,
        member: wrong.member,
        text: wrong.text,
    };
    let mut problems: Vec<Problem> = wrong.into_iter().map(problem).collect();
    let mut users = Users {
        names: HashMap::with_capacity(entries.len()),
        ..Users::default()
    };
    for (line, entry) in entries {
        let named = entry.username.clone();
        let mut say = |member: &'static str, text: String| {
            problems.push(Problem {
                line,
                user: named.clone(),
                member: Some(member.to_owned()),
                text,
            });
        };
        if let Some((user, selectors)) = understood(entry, &mut say) {
            add(&mut users, user, &selectors, &mut say);
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    if let Some(stand_in) = commonest_cost(&users).and_then(PasswordHash::stand_in) {
        users.stand_in = stand_in;
    }
    Ok(users)
}

/// The user of an entry, unless anything is wrong with it, all of which is said.
fn understood(
    entry: Entry,
    say: &mut impl FnMut(&'static str, String),
) -> Option<(User, Vec<Selector>)> {
    let username = entry.username.unwrap_or_default();
    let username = match name(&username) {
        Ok(name) => Some(name),
        Err(text) => {
            say("username", text.to_owned());
            None
        }
    };
    let sub = match (entry.sub, &username) {
        (Some(sub), _) if is_subject(&sub) => Some(sub),
        (Some(_), _) => {
            say(
                "sub",
                format!(
                    "it is not 1 to {LONGEST_SUB} characters of printable ASCII without blanks at the ends; write a short identifier that never changes"
                ),
            );
            None
        }
        (None, Some(username)) if is_subject(username) => Some(username.clone()),
        (None, Some(_)) => {
            say(
                "sub",
                format!(
                    "the username cannot be one, for it is not 1 to {LONGEST_SUB} characters of printable ASCII; write sub as well"
                ),
            );
            None
        }
        (None, None) => None,
    };
    let mut good = true;
    let mut wrong = |member, text| {
        good = false;
        say(member, text);
    };
    let password = entry.password_hash.and_then(|hash| {
        let read = PasswordHash::parse(&hash);
        read.map_err(|error| wrong("password_hash", error.to_string()))
            .ok()
    });
    let totp = entry.totp.and_then(|secret| {
        let read = Totp::parse(&secret);
        read.map_err(|error| wrong("totp", error.to_string())).ok()
    });
    let claims = match entry.claims.map(|written| claims(written.get())) {
        None => Map::new(),
        Some(Ok(claims)) => claims,
        Some(Err(text)) => {
            wrong("claims", text);
            Map::new()
        }
    };
    let written = entry.certificates.unwrap_or_default();
    if written.len() > CERTIFICATES {
        wrong(
            "certificates",
            format!("there are {}; write at most {CERTIFICATES}", written.len()),
        );
    }
    let mut selectors = Vec::with_capacity(written.len().min(CERTIFICATES));
    for (at, json) in written.iter().take(CERTIFICATES).enumerate() {
        match Selector::read(json.get()) {
            Ok(selector) => selectors.push(selector),
            Err(text) => wrong("certificates", format!("number {}: {text}", at + 1)),
        }
    }
    let (username, sub) = (username?, sub?);
    let user = User {
        username,
        sub,
        claims,
        password,
        totp,
    };
    good.then_some((user, selectors))
}

/// Takes a user in, unless somebody else is there already.
fn add(
    users: &mut Users,
    user: User,
    selectors: &[Selector],
    say: &mut impl FnMut(&'static str, String),
) {
    let user = Arc::new(user);
    if users.names.contains_key(user.username()) {
        return say(
            "username",
            "another user has the same name; give each their own".to_owned(),
        );
    }
    if let Some(other) = users.subjects.get(user.sub()) {
        let text = format!(
            "{:?} has the same sub; give each their own",
            other.username()
        );
        return say("sub", text);
    }
    for selector in selectors {
        if let Some(right) = selector.reversed() {
            users.reversed.push((user.username().to_owned(), right));
        }
        if let Err(other) = users.certificates.add(selector, &user) {
            let text = if other == user.username() {
                format!("the {selector} is there twice; write it once")
            } else {
                format!(
                    "{other:?} has the {selector}, too, so that neither would be known by it; leave it with one of them"
                )
            };
            say("certificates", text);
        }
    }
    users
        .subjects
        .insert(user.sub().to_owned(), Arc::clone(&user));
    users.names.insert(user.username().to_owned(), user);
}

/// A user name, composed.
fn name(written: &str) -> Result<String, &'static str> {
    if written.is_empty() {
        return Err("there is none; write the name that the user signs in by");
    }
    let name: String = written.nfc().collect();
    if name.chars().count() > LONGEST_NAME {
        return Err("it is too long; write at most 256 characters");
    }
    let strange = |character: char| {
        is_control_or_format(character) || (character != ' ' && character.is_whitespace())
    };
    if name.contains(strange) {
        return Err(
            "it holds a character that cannot be seen; write letters, digits, signs and plain blanks",
        );
    }
    if name.trim_matches(' ') != name {
        return Err("it begins or ends with a blank; write it without");
    }
    Ok(name)
}

fn is_subject(text: &str) -> bool {
    (1..=LONGEST_SUB).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && text.trim_matches(' ') == text
}

fn claims(json: &str) -> Result<Map<String, Value>, String> {
    if json.len() > LARGEST_CLAIMS {
        return Err(format!(
            "there is too much of it; write at most {LARGEST_CLAIMS} octets"
        ));
    }
    let claims = object(json.as_bytes()).ok_or(
        "it is no JSON object, or a member is there twice; write {\"name\": \"…\", \"email\": \"…\"}",
    )?;
    let own = |name: &&String| PROTOCOL_CLAIMS.contains(&name.as_str());
    match claims.keys().find(own) {
        None => Ok(claims),
        Some(name) if name == "sub" => {
            Err("sub is none of them; write it as a member of the user".to_owned())
        }
        Some(name) => Err(format!(
            "{name} is what tokens say by themselves; take it out"
        )),
    }
}

#[cfg(test)]
mod tests;
