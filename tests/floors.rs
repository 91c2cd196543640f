//! The rules of the house (ARCHITECTURE.md): a floor names only floors below it, and the pure floors do
//! no input and output, know no time and make no chance.

use std::fs;
use std::path::{Path, PathBuf};

/// From the ground up; a floor may name only floors before it. The first twelve are pure.
const FLOORS: &[&str] = &[
    "oauth",
    "cert",
    "key",
    "proxy",
    "record",
    "client",
    "token",
    "user",
    "grant",
    "authorization",
    "gate",
    "page", //
    "store",
    "outbound",
    "endpoint",
    "config",
    "http",
    "cli",
];

/// How many of them are pure.
const PURE: usize = 12;

/// What a pure floor must not name, and why.
const BANNED: &[(&str, &str)] = &[
    ("async fn", "a pure floor waits for nothing"),
    (".await", "a pure floor waits for nothing"),
    ("tokio", "a pure floor does no input and output"),
    (
        "hyper",
        "a pure floor does no input and output; HTTP types come from the http crate",
    ),
    ("redis::", "a pure floor does no input and output"),
    ("redb", "a pure floor does no input and output"),
    ("std::fs", "a pure floor reads no files"),
    ("std::net::Tcp", "a pure floor does no input and output"),
    ("std::env", "a pure floor does not know the environment"),
    ("SystemTime", "time is an argument"),
    ("Instant", "time is an argument"),
    ("tracing", "a pure floor tells its caller, who may log"),
    ("rand::", "chance is an argument"),
];

/// The most lines that a file may have without its tests, and with them.
const LINES: (usize, usize) = (500, 600);

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder of a floor") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn source_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The lines that are code: no comments, no doc comments, nothing behind the start of the tests.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(at, line)| (at + 1, line))
}

/// Whether a file holds only tests.
fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests")
        || path
            .file_stem()
            .is_some_and(|stem| stem == "tests" || stem == "fixtures")
}

/// The floors that a line names, by `crate::floor` or in `use crate::{…}`.
fn named(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("crate::")
        .filter_map(move |(at, found)| {
            let rest = &line[at + found.len()..];
            let end = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            FLOORS.iter().copied().find(|floor| *floor == &rest[..end])
        })
}

#[test]
fn every_folder_is_a_floor() {
    for entry in fs::read_dir(source_root()).expect("src") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_stem()
            .and_then(|name| name.to_str())
            .expect("a name");
        let known = FLOORS.contains(&name) || ["lib", "main"].contains(&name);
        assert!(
            known,
            "{name} is no floor: give it its place in FLOORS and in ARCHITECTURE.md"
        );
    }
}

#[test]
fn upward_only() {
    let mut wrong = Vec::new();
    for (height, floor) in FLOORS.iter().enumerate() {
        for path in sources(&source_root().join(floor))
            .iter()
            .filter(|path| !is_test(path))
        {
            let text = fs::read_to_string(path).expect("a source file");
            for (at, line) in code(&text) {
                for other in named(line) {
                    let above = FLOORS
                        .iter()
                        .position(|known| *known == other)
                        .is_some_and(|h| h > height);
                    if above {
                        wrong.push(format!(
                            "{}:{at}: {floor} names {other}, which is above it",
                            path.display()
                        ));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pure_floors_are_pure() {
    let mut wrong = Vec::new();
    for floor in &FLOORS[..PURE] {
        for path in sources(&source_root().join(floor))
            .iter()
            .filter(|path| !is_test(path))
        {
            let text = fs::read_to_string(path).expect("a source file");
            for (at, line) in code(&text) {
                for (banned, why) in BANNED {
                    // Keys are made where they are understood; what is made is random, what is decided is not.
                    let excepted = *floor == "key" && *banned == "rand::";
                    if line.contains(banned) && !excepted {
                        wrong.push(format!("{}:{at}: {banned}: {why}", path.display()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_have_one_thing_and_say_which() {
    let mut wrong = Vec::new();
    for path in sources(&source_root()) {
        let text = fs::read_to_string(&path).expect("a source file");
        let first = text.lines().next().unwrap_or_default();
        if !first.starts_with("//!") && !first.starts_with("#![doc") {
            wrong.push(format!(
                "{}: the first line says what the file is about",
                path.display()
            ));
        }
        let production = if is_test(&path) {
            0
        } else {
            text.lines()
                .take_while(|line| line.trim() != "#[cfg(test)]")
                .count()
        };
        let (most, with_tests) = LINES;
        if production > most || text.lines().count() > with_tests {
            wrong.push(format!(
                "{}: {production} lines, {} with tests: split it",
                path.display(),
                text.lines().count()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_rules_can_fail() {
    assert_eq!(
        named("use crate::store::Store;").collect::<Vec<_>>(),
        ["store"]
    );
    assert_eq!(
        named("fn f(x: crate::http::X, y: crate::oauth::Y)").count(),
        2
    );
    assert_eq!(
        code("// crate::http\n/// crate::http\nx\n#[cfg(test)]\ny").count(),
        1
    );
}
