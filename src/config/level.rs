//! The tables `levels` and `acr_loa_map`: what a way of signing in is worth, and what that is called.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::user::{AcrMap, Levels, NotALevel};

use super::finding::{Fault, Finding, Source, shown};

/// The key of the file for what a way of signing in is worth.
pub(super) const LEVELS: &str = "levels";

/// The key of the file for the names of levels.
pub(super) const ACR: &str = "acr_loa_map";

/// Reads the table `levels`.
pub(super) fn levels(
    value: &Spanned<DeValue<'_>>,
    source: &impl Fn(usize, &str) -> Source,
    findings: &mut Vec<Finding>,
) -> Levels {
    let mut levels = Levels::default();
    let Some(table) = table(value, LEVELS, "password = 1", source, findings) else {
        return levels;
    };
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        let place = source(key.span().start, &format!("{LEVELS}.{name}"));
        if let Err(nearest) = Levels::key(name) {
            let fault = Fault::new(
                format!("there is no way of signing in called {}", shown(name)),
                format!("write {nearest}, its nearest known one, or leave it out"),
            );
            findings.push(Finding::error(place, fault));
            continue;
        }
        let with = number(value.get_ref()).map(|level| levels.with(name, level));
        match with {
            Some(Ok(with)) => levels = with,
            Some(Err(_)) | None => findings.push(Finding::error(place, no_level(value.get_ref()))),
        }
    }
    levels
}

/// Reads the table `acr_loa_map`.
pub(super) fn acr(
    value: &Spanned<DeValue<'_>>,
    source: &impl Fn(usize, &str) -> Source,
    findings: &mut Vec<Finding>,
) -> AcrMap {
    let mut names = BTreeMap::new();
    let Some(table) = table(value, ACR, "gold = 2", source, findings) else {
        return AcrMap::default();
    };
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        let place = source(key.span().start, &format!("{ACR}.{name}"));
        // The values of acr_values are parted by blanks, and each is a StringOrURI.
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            let fault = Fault::new(
                format!("{} cannot be asked for as an acr", shown(name)),
                "write a name of printable ASCII without blanks",
            );
            findings.push(Finding::error(place, fault));
            continue;
        }
        // 0 to 100 like any level.
        let level = number(value.get_ref())
            .filter(|level| Levels::default().with(Levels::KEYS[0], *level).is_ok());
        match level {
            Some(level) => {
                names.insert(name.to_owned(), level);
            }
            None => findings.push(Finding::error(place, no_level(value.get_ref()))),
        }
    }
    AcrMap::from(names)
}

fn table<'a, 'i>(
    value: &'a Spanned<DeValue<'i>>,
    name: &str,
    example: &str,
    source: &impl Fn(usize, &str) -> Source,
    findings: &mut Vec<Finding>,
) -> Option<&'a DeTable<'i>> {
    if let DeValue::Table(table) = value.get_ref() {
        return Some(table);
    }
    let fault = Fault::new(
        format!("{name} is not a table"),
        format!("write [{name}] and below it, for example, {example}"),
    );
    findings.push(Finding::error(source(value.span().start, name), fault));
    None
}

fn number(value: &DeValue<'_>) -> Option<u32> {
    match value {
        DeValue::Integer(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

fn no_level(value: &DeValue<'_>) -> Fault {
    let problem = match value {
        DeValue::Integer(number) => format!("{} is no level", shown(&number.to_string())),
        other => format!("the value is of type {}", other.type_str()),
    };
    Fault::new(problem, format!("write it so: {NotALevel}"))
}
