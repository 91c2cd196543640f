//! `certbound.toml` as written: keys of the table of flags, and the lines that they are on.

use std::io::{self, Read as _};
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::oauth::nearest::closest;
use crate::user::{AcrMap, Levels};

use super::ConfigError;
use super::finding::{Fault, Finding, Source, shown};
use super::flags::{Flag, Kind};
use super::gate::{self, GateWritten};
use super::level;
use super::table::{FLAGS, LATER};
use super::written::{Entry, Text};

/// The largest configuration file that is read, in octets.
const LARGEST: u64 = 1 << 20;

/// Reads a text file of bounded size, as [`written`](super::written()) wants it for the
/// configuration file.
pub fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?
        .take(LARGEST + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "it is larger than 1 MiB",
        ));
    }
    Ok(text)
}

/// What a file says, in no particular order, and what is wrong with it.
#[derive(Debug, Default)]
pub(super) struct InFile {
    /// The keys that stand for flags.
    pub(super) entries: Vec<(&'static Flag, Entry)>,
    /// The gates.
    pub(super) gates: Vec<GateWritten>,
    /// What each way of signing in is worth.
    pub(super) levels: Levels,
    /// What levels are called.
    pub(super) acr: AcrMap,
    /// What is wrong.
    pub(super) findings: Vec<Finding>,
}

/// Reads the text of the file of that name.
pub(super) fn read(path: &Path, text: &str) -> Result<InFile, ConfigError> {
    let table = DeTable::parse(text).map_err(|error| {
        let (line, column) = position(text, error.span().map_or(0, |span| span.start));
        // The error's own Display repeats the line, which may hold a password; its message does not.
        ConfigError::Syntax {
            path: path.to_owned(),
            line,
            column,
            message: shown(error.message()),
        }
    })?;
    let mut read = InFile::default();
    let within = |at: usize, key: &str| Source::File {
        path: path.to_owned(),
        line: position(text, at).0,
        key: key.to_owned(),
    };
    for (key, value) in table.get_ref() {
        match key.get_ref().as_ref() {
            "gate" => {
                let (mut found, mut wrong) = gate::tables(value, &within);
                read.gates.append(&mut found);
                read.findings.append(&mut wrong);
                continue;
            }
            level::LEVELS => {
                read.levels = level::levels(value, &within, &mut read.findings);
                continue;
            }
            level::ACR => {
                read.acr = level::acr(value, &within, &mut read.findings);
                continue;
            }
            _ => {}
        }
        let source = |at: usize| Source::File {
            path: path.to_owned(),
            line: position(text, at).0,
            key: key.get_ref().to_string(),
        };
        let place = source(key.span().start);
        match flag_of(key.get_ref()) {
            Ok(flag) => match texts(flag, value, &source) {
                Ok(values) => read.entries.push((
                    flag,
                    Entry {
                        values,
                        source: place,
                    },
                )),
                Err((at, fault)) => read.findings.push(Finding::error(source(at), fault)),
            },
            Err(fault) => read.findings.push(Finding::error(place, fault)),
        }
    }
    Ok(read)
}

/// The flag that a key of the file stands for.
fn flag_of(key: &str) -> Result<&'static Flag, Fault> {
    if key == "config" {
        return Err(Fault::new(
            "a configuration file cannot name another one",
            "write --config on the command line, or CERTBOUND_CONFIG",
        ));
    }
    if let Some(flag) = FLAGS.iter().find(|flag| flag.key() == key) {
        return Ok(flag);
    }
    if LATER.iter().any(|name| name.replace('-', "_") == key) {
        return Err(later());
    }
    let known: Vec<String> = FLAGS
        .iter()
        .filter(|flag| flag.name != "config")
        .map(Flag::key)
        .chain(["gate", level::LEVELS, level::ACR].map(str::to_owned))
        .collect();
    let nearest = closest(key, known.iter().map(String::as_str)).unwrap_or_default();
    Err(Fault::new(
        format!("the key {} is unknown", shown(key)),
        format!("write {nearest}, its nearest known one, or leave it out"),
    ))
}

/// What is said of a setting that only a later version has.
pub(super) fn later() -> Fault {
    Fault::new(
        "this version does not have that setting yet, so it would not be in force",
        "leave it out",
    )
}

/// The texts of a value, or where and what is wrong with its type.
fn texts(
    flag: &Flag,
    value: &Spanned<DeValue<'_>>,
    source: &impl Fn(usize) -> Source,
) -> Result<Vec<Text>, (usize, Fault)> {
    let one = |value: &Spanned<DeValue<'_>>| {
        let text = match value.get_ref() {
            DeValue::String(text) if flag.kind != Kind::Switch => text.to_string(),
            DeValue::Integer(number) if flag.kind != Kind::Switch => number.to_string(),
            DeValue::Boolean(switch) if flag.kind == Kind::Switch => switch.to_string(),
            other => return Err((value.span().start, wrong_type(flag, other))),
        };
        Ok(Text {
            text,
            source: source(value.span().start),
        })
    };
    match value.get_ref() {
        DeValue::Array(values) if flag.kind == Kind::Many => values.iter().map(one).collect(),
        _ => Ok(vec![one(value)?]),
    }
}

fn wrong_type(flag: &Flag, value: &DeValue<'_>) -> Fault {
    let key = flag.key();
    let remedy = match flag.kind {
        Kind::One => format!("write {key} = \"…\""),
        Kind::Many => format!("write {key} = [\"…\", \"…\"]"),
        Kind::Switch => format!("write {key} = true or {key} = false, without quotes"),
    };
    Fault::new(format!("the value is of type {}", value.type_str()), remedy)
}

/// Line and column of an offset, both from 1; the column counts characters.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_at = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    (line, before[line_at..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        let read = read(Path::new("certbound.toml"), text).expect("TOML");
        read.findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn values_keep_their_lines() {
        let text = "issuer = \"https://as.example.com\"\ntrusted_proxy = [\n  \"unix\",\n  \"::1/128\",\n]\nlisten_mode = 0o660\nwhoami = true\n";
        let InFile {
            entries, findings, ..
        } = read(Path::new("c.toml"), text).expect("TOML");
        assert_eq!(findings, []);
        let mut seen: Vec<String> = entries
            .iter()
            .flat_map(|(_, entry)| &entry.values)
            .map(|value| format!("{}: {}", value.source, value.text))
            .collect();
        seen.sort();
        assert_eq!(
            seen,
            [
                "c.toml line 1 (issuer): https://as.example.com",
                "c.toml line 3 (trusted_proxy): unix",
                "c.toml line 4 (trusted_proxy): ::1/128",
                "c.toml line 6 (listen_mode): 0o660",
                "c.toml line 7 (whoami): true",
            ]
        );
    }

    #[test]
    fn levels_and_their_names() {
        let text =
            "[levels]\npassword = 0\ncertificate_totp = 100\n[acr_loa_map]\n\"urn:gold\" = 2\n";
        let read = read(Path::new("c.toml"), text).expect("TOML");
        assert_eq!(read.findings, []);
        let expected = Levels::default().with("password", 0);
        let expected = expected.and_then(|levels| levels.with("certificate_totp", 100));
        assert_eq!(Ok(read.levels), expected);
        assert_eq!(read.acr.level("urn:gold"), Some(2));
    }

    #[test]
    fn what_a_key_may_not_be() {
        for (text, message) in [
            (
                "\nisuer = \"x\"",
                "certbound.toml line 2 (isuer): the key isuer is unknown; write issuer, its nearest known one, or leave it out",
            ),
            (
                "trusted-proxy = \"unix\"",
                "certbound.toml line 1 (trusted-proxy): the key trusted-proxy is unknown; write trusted_proxy, its nearest known one, or leave it out",
            ),
            (
                "[gates.orders]\nscopes = []",
                "certbound.toml line 1 (gates): the key gates is unknown; write gate, its nearest known one, or leave it out",
            ),
            (
                "[gate.orders]\nscope = [\"/\"]",
                "certbound.toml line 2 (gate.orders.scope): a gate has no key scope; write scopes, its nearest known one, or leave it out",
            ),
            (
                "level = 1",
                "certbound.toml line 1 (level): the key level is unknown; write levels, its nearest known one, or leave it out",
            ),
            (
                "levels = 1",
                "certbound.toml line 1 (levels): levels is not a table; write [levels] and below it, for example, password = 1",
            ),
            (
                "[levels]\npasword = 1",
                "certbound.toml line 2 (levels.pasword): there is no way of signing in called pasword; write password, its nearest known one, or leave it out",
            ),
            (
                "[levels]\npassword = 101",
                "certbound.toml line 2 (levels.password): 101 is no level; write it so: a level is a whole number from 0 to 100",
            ),
            (
                "[levels]\npassword = -1",
                "certbound.toml line 2 (levels.password): -1 is no level; write it so: a level is a whole number from 0 to 100",
            ),
            (
                "[levels]\npassword = \"1\"",
                "certbound.toml line 2 (levels.password): the value is of type string; write it so: a level is a whole number from 0 to 100",
            ),
            (
                "acr_loa_map = [\"gold\"]",
                "certbound.toml line 1 (acr_loa_map): acr_loa_map is not a table; write [acr_loa_map] and below it, for example, gold = 2",
            ),
            (
                "[acr_loa_map]\n\"two words\" = 2",
                "certbound.toml line 2 (acr_loa_map.two words): two words cannot be asked for as an acr; write a name of printable ASCII without blanks",
            ),
            (
                "[acr_loa_map]\ngold = 1.5",
                "certbound.toml line 2 (acr_loa_map.gold): the value is of type float; write it so: a level is a whole number from 0 to 100",
            ),
            (
                "registration = \"open\"",
                "certbound.toml line 1 (registration): this version does not have that setting yet, so it would not be in force; leave it out",
            ),
            (
                "whoami = \"true\"",
                "certbound.toml line 1 (whoami): the value is of type string; write whoami = true or whoami = false, without quotes",
            ),
            (
                "issuer = [\"https://as.example.com\"]",
                "certbound.toml line 1 (issuer): the value is of type array; write issuer = \"…\"",
            ),
            (
                "listen = [\"127.0.0.1:1\",\n1.5]",
                "certbound.toml line 2 (listen): the value is of type float; write listen = [\"…\", \"…\"]",
            ),
            (
                "config = \"other.toml\"",
                "certbound.toml line 1 (config): a configuration file cannot name another one; write --config on the command line, or CERTBOUND_CONFIG",
            ),
        ] {
            assert_eq!(findings(text), [message], "{text}");
        }
    }

    #[test]
    fn a_syntax_error_does_not_repeat_the_line() {
        for text in [
            "whoami = true\nstore = \"redis://:hunter2@h\nx = 1",
            "whoami = true\nstore = redis://:hunter2@h",
            "store = \"redis://:hunter2@h\"\nstore = \"redis://:hunter2@h\"",
        ] {
            let error = read(Path::new("c.toml"), text).expect_err("no TOML");
            let message = error.to_string();
            assert!(message.starts_with("c.toml line 2 column "), "{message}");
            assert!(!message.contains("hunter2"), "{message}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
            assert_eq!(message.lines().count(), 1, "{message}");
        }
    }
}
