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
use super::password::{Cost, PasswordHash};
use super::totp::Totp;
use super::{LONGEST_NAME, Remark, User, Users};
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
    let (entries, wrong) = USERS.read(text);
    let problem = |wrong: Wrong| Problem {
        line: wrong.line,
        user: wrong.named,
        member: wrong.member,
        text: wrong.text,
    };
    let mut problems: Vec<Problem> = wrong.into_iter().map(problem).collect();
    let mut users = Users {
        users: HashMap::with_capacity(entries.len()),
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
    if users.users.contains_key(user.username()) {
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
    users.users.insert(user.username().to_owned(), user);
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

/// What comparing with most users' passwords costs.
fn commonest_cost(users: &Users) -> Option<Cost> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Over "password".
    const HASH: &str =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    const THUMBPRINT: &str = "0JabUgcwHjHpWPvNyb-J0hkV-fJ31Xlm40UsRE1K_1o";

    #[test]
    fn a_whole_user() {
        let users = json!([
            {
                "username": "alice", "password_hash": HASH, "sub": "248289761001", "totp": SECRET,
                "claims": {"name": "Alice", "address": {"country": "NO"}},
                "certificates": [{"subject_dn": "CN=Alice,O=Example"}, {"x5t#S256": THUMBPRINT}]
            },
            {"username": "Zoe\u{308}", "sub": "zoe"},
            {"username": "bob"}
        ]);
        let users = Users::read(&users.to_string()).expect("users");
        assert_eq!(users.len(), 3);
        let alice = users.find("alice").expect("alice");
        assert_eq!((alice.username(), alice.sub()), ("alice", "248289761001"));
        assert_eq!(alice.claims()["address"]["country"], "NO");
        assert!(alice.has_password() && alice.has_totp());
        assert!(users.verify_password(Some(alice), "password"));
        assert!(!users.verify_password(None, "password"));
        let bob = users.find("bob").expect("bob");
        assert!(bob.sub() == "bob" && !bob.has_password() && !bob.has_totp());
        assert!(!users.verify_password(Some(bob), "password"));
        for name in ["Zo\u{eb}", "Zoe\u{308}"] {
            let zoe = users.find(name).expect("composed or not");
            assert_eq!(zoe.username(), "Zo\u{eb}");
        }
        assert!(users.find("Alice").is_none() && users.find("").is_none());
        assert!(users.find(&"e\u{308}".repeat(5_000)).is_none());
        assert!(users.by_sub("zoe").is_some() && users.by_sub("alice").is_none());
        assert!(users.any_password() && users.any_certificate() && !users.is_empty());
        let shown = format!("{users:?}");
        assert!(
            !shown.contains("c29t") && !shown.contains("Alice\""),
            "{shown}"
        );
    }

    #[test]
    fn no_users_are_users() {
        let users = Users::read(" [ ]\n").expect("none");
        assert!(users.is_empty() && !users.any_password() && users.remarks().is_empty());
        assert!(!Users::default().any_certificate());
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let text = "[\n {\"username\": \"a\", \"totp\": \"x\", \"password_hash\": \"hunter2\"},\n {\n  \"username\": \"b\",\n  \"pasword_hash\": \"hunter2\"\n },\n {\"username\": \"a\"},\n {}\n]";
        let problems = Users::read(text).expect_err("five problems");
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let begins = [
            "line 5: user \"b\": pasword_hash: there is no such member; did you mean password_hash?",
            "line 2: user \"a\": password_hash: not a PHC string; write",
            "line 2: user \"a\": totp: not a secret",
            "line 8: username: there is none; write",
        ];
        assert_eq!(said.len(), begins.len(), "{said:#?}");
        for (said, begins) in said.iter().zip(begins) {
            assert!(said.starts_with(begins), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn what_a_user_may_not_be() {
        let long = "x".repeat(257);
        let large = json!({"username": "a", "claims": {"x": "y".repeat(LARGEST_CLAIMS)}});
        let many = vec![json!({"x5t#S256": THUMBPRINT}); CERTIFICATES + 1];
        for (user, member, says) in [
            (json!({"username": ""}), "username", "there is none"),
            (json!({"username": " a"}), "username", "blank"),
            (json!({"username": "a\tb"}), "username", "cannot be seen"),
            (
                json!({"username": "a\u{200b}b"}),
                "username",
                "cannot be seen",
            ),
            (
                json!({"username": "a\u{a0}b"}),
                "username",
                "cannot be seen",
            ),
            (json!({"username": long}), "username", "too long"),
            (json!({"username": 5}), "username", "invalid type"),
            (json!({"username": "zo\u{eb}"}), "sub", "write sub as well"),
            (
                json!({"username": "x".repeat(256)}),
                "sub",
                "write sub as well",
            ),
            (
                json!({"username": "a", "sub": ""}),
                "sub",
                "printable ASCII",
            ),
            (
                json!({"username": "a", "sub": "\u{eb}"}),
                "sub",
                "printable ASCII",
            ),
            (json!({"username": "a", "sub": "x "}), "sub", "blanks"),
            (
                json!({"username": "a", "sub": "x".repeat(256)}),
                "sub",
                "255",
            ),
            (
                json!({"username": "a", "totp": "MZXW6YTB"}),
                "totp",
                "10 to 64",
            ),
            (
                json!({"username": "a", "password_hash": "$2b$12$abc"}),
                "password_hash",
                "hash-password",
            ),
            (
                json!({"username": "a", "claims": []}),
                "claims",
                "no JSON object",
            ),
            (
                json!({"username": "a", "claims": {"sub": "x"}}),
                "claims",
                "as a member of the user",
            ),
            (
                json!({"username": "a", "claims": {"acr": "x"}}),
                "claims",
                "take it out",
            ),
            (
                json!({"username": "a", "claims": {"cnf": {}}}),
                "claims",
                "take it out",
            ),
            (large, "claims", "too much"),
            (
                json!({"username": "a", "certificates": {}}),
                "certificates",
                "invalid type",
            ),
            (
                json!({"username": "a", "certificates": [{}]}),
                "certificates",
                "number 1: an entry",
            ),
            (
                json!({"username": "a", "certificates": many}),
                "certificates",
                "at most 64",
            ),
            (
                json!({"username": "a", "certificates": [{"san_uri": "urn:a"}, {"san_uri": "urn:a"}]}),
                "certificates",
                "there twice",
            ),
        ] {
            let problems = Users::read(&json!([user]).to_string()).expect_err("a problem");
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert_eq!(problems[0].member.as_deref(), Some(member), "{problems:?}");
            assert!(problems[0].text.contains(says), "{problems:?}");
        }
        let twice = r#"[{"username": "a", "claims": {"name": "x", "name": "y"}}]"#;
        assert!(Users::read(twice).is_err());
    }

    #[test]
    fn two_users_are_two() {
        for (one, other, member) in [
            (
                json!({"username": "a"}),
                json!({"username": "a", "sub": "b"}),
                "username",
            ),
            (
                json!({"username": "zo\u{eb}", "sub": "x"}),
                json!({"username": "zoe\u{308}", "sub": "y"}),
                "username",
            ),
            (
                json!({"username": "a"}),
                json!({"username": "b", "sub": "a"}),
                "sub",
            ),
            (
                json!({"username": "a", "certificates": [{"subject_dn": "CN=x, O=Y"}]}),
                json!({"username": "b", "certificates": [{"subject_dn": "cn=X,O=y"}]}),
                "certificates",
            ),
            (
                json!({"username": "a", "certificates": [{"san_email": "x@example.com"}]}),
                json!({"username": "b", "certificates": [{"san_email": "x@EXAMPLE.com"}]}),
                "certificates",
            ),
            (
                json!({"username": "a", "certificates": [{"x5t#S256": THUMBPRINT}]}),
                json!({"username": "b", "certificates": [{"x5t#S256": THUMBPRINT}]}),
                "certificates",
            ),
        ] {
            let problems = Users::read(&json!([one, other]).to_string()).expect_err("one too many");
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert_eq!(problems[0].member.as_deref(), Some(member));
        }
    }

    #[test]
    fn what_operators_should_know() {
        let dear = HASH.replace("m=256,t=2", "m=19456,t=2");
        let users = json!([
            {"username": "a", "password_hash": dear},
            {"username": "b", "password_hash": dear, "totp": "MZXW6YTBMZXW6YTB"},
            {"username": "c", "password_hash": HASH},
            {"username": "d", "certificates": [{"subject_dn": "C=NO,O=Example,CN=d"}]},
        ]);
        let users = Users::read(&users.to_string()).expect("users");
        assert!(users.stand_in.cost().is_enough());
        let said: Vec<String> = users
            .remarks()
            .into_iter()
            .map(|remark| format!("{}: {}; {}", remark.member, remark.problem, remark.remedy))
            .collect();
        let parts = [
            ["password_hash: guessing", "\"c\""],
            ["password_hash: the argon2id parameters", "\"c\""],
            ["totp: the secret", "\"b\""],
            [
                "certificates: the subject_dn of \"d\"",
                "write CN=d,O=Example,C=NO",
            ],
        ];
        assert_eq!(said.len(), parts.len(), "{said:#?}");
        for (said, parts) in said.iter().zip(parts) {
            assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        }
        let many: Vec<Value> = (0..9)
            .map(|number| json!({"username": format!("u{number}"), "password_hash": HASH}))
            .collect();
        let many = Users::read(&Value::from(many).to_string()).expect("users");
        let remarks = many.remarks();
        assert_eq!(remarks.len(), 1);
        assert!(
            remarks[0]
                .problem
                .ends_with("\"u0\", \"u1\", \"u2\" and 6 more")
        );
    }
}
