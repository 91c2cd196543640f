//! What an operator should know of users that are good in themselves.

use std::collections::HashMap;

use super::password::{Cost, PasswordHash};
use super::{User, Users};

/// Something that an operator should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// The member of the file that it is about.
    pub member: &'static str,
    /// What is so, and of whom.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

/// What comparing with most users' passwords costs.
pub(super) fn commonest_cost(users: &Users) -> Option<Cost> {
    let mut counted: HashMap<Cost, usize> = HashMap::new();
    for user in users.iter() {
        if let Some(password) = &user.password {
            *counted.entry(password.cost()).or_default() += 1;
        }
    }
    let most = counted
        .into_iter()
        .max_by_key(|(cost, number)| (*number, *cost));
    most.map(|(cost, _)| cost)
}

/// What is so of some users: one remark for each kind, with the first few names.
pub(super) fn remarks(users: &Users) -> Vec<Remark> {
    let mut all: Vec<&User> = users.iter().map(AsRef::as_ref).collect();
    all.sort_by_key(|user| user.username());
    let usual = users.stand_in.cost();
    let cost = |user: &User| user.password.as_ref().map(PasswordHash::cost);
    let cheap = named(&all, |user| {
        cost(user).is_some_and(|cost| !cost.is_enough())
    });
    let unusual = named(&all, |user| cost(user).is_some_and(|cost| cost != usual));
    let short = named(&all, |user| {
        user.totp().is_some_and(|totp| !totp.is_enough())
    });
    let remark = |member, problem: &str, names: Option<String>, remedy: &str| {
        names.map(|names| Remark {
            member,
            problem: format!("{problem} {names}"),
            remedy: remedy.to_owned(),
        })
    };
    let turned = users.reversed.iter().map(|(name, right)| Remark {
        member: "certificates",
        problem: format!("the subject_dn of {name:?} looks as if it were written in reverse"),
        remedy: format!("if no certificate matches it, write {right}"),
    });
    [
        remark(
            "password_hash",
            "guessing is cheap with the argon2id parameters of",
            cheap,
            "write a new hash, from m=19456,t=2,p=1 on, as certbound user hash-password makes it",
        ),
        remark(
            "password_hash",
            "the argon2id parameters are not everybody's, so that how long a wrong password takes tells that there is the user",
            unusual,
            "write a hash of the same parameters for every user",
        ),
        remark(
            "totp",
            "the secret has less than 128 bits (RFC 4226 section 4), that of",
            short,
            "write a new one, as certbound user totp makes it",
        ),
    ]
    .into_iter()
    .flatten()
    .chain(turned)
    .collect()
}

/// The first few of those users, and how many more there are.
fn named(users: &[&User], is_so: impl Fn(&User) -> bool) -> Option<String> {
    const SHOWN: usize = 3;
    let found: Vec<&str> = users
        .iter()
        .filter(|user| is_so(user))
        .map(|user| user.username())
        .collect();
    let first: Vec<String> = found
        .iter()
        .take(SHOWN)
        .map(|name| format!("{name:?}"))
        .collect();
    match found.len() {
        0 => None,
        all if all > SHOWN => Some(format!("{} and {} more", first.join(", "), all - SHOWN)),
        _ => Some(first.join(", ")),
    }
}
