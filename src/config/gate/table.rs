//! The tables under `gate` as they are written: keys, the types of their values, and the lines they are on.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::finding::{Fault, Finding, Source, shown};
use crate::gate::GateName;
use crate::oauth::nearest::closest;

/// How a key of a gate is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    One,
    Many,
    Switch,
    Levels,
}

/// Every key that a gate may have.
const KEYS: &[(&str, Kind)] = &[
    ("proof_of_possession_mtls", Kind::One),
    ("auth_methods", Kind::Many),
    ("proof_of_possession_auth_methods_validation", Kind::Switch),
    ("issuers", Kind::Many),
    ("jwks_uri", Kind::One),
    ("introspection_endpoint", Kind::One),
    ("introspection_client", Kind::One),
    ("audience", Kind::Many),
    ("scopes", Kind::Many),
    ("acr", Kind::One),
    ("acr_loa_map", Kind::Levels),
    ("max_age", Kind::One),
    ("session_secret_file", Kind::One),
    ("upstream", Kind::One),
    ("path", Kind::One),
    ("pass_token", Kind::Switch),
];

/// A value of a gate's key, of the kind that the key has.
#[derive(Clone, Debug)]
pub(in crate::config) enum GateValue {
    Texts(Vec<String>),
    Switch(bool),
    Levels(BTreeMap<String, u32>),
}

/// A gate as it is written: for each key its value and where that is.
#[derive(Clone, Debug)]
pub(in crate::config) struct GateWritten {
    pub(super) name: GateName,
    pub(super) source: Source,
    pub(super) entries: Vec<(&'static str, GateValue, Source)>,
}

/// Reads the tables under `gate`.
pub(in crate::config) fn tables(
    value: &Spanned<DeValue<'_>>,
    source: &impl Fn(usize, &str) -> Source,
) -> (Vec<GateWritten>, Vec<Finding>) {
    let (mut gates, mut findings) = (Vec::new(), Vec::new());
    let DeValue::Table(tables) = value.get_ref() else {
        let fault = Fault::new(
            "gate is not a table",
            "write [gate.NAME] and its keys below",
        );
        let finding = Finding::error(source(value.span().start, "gate"), fault);
        return (gates, vec![finding]);
    };
    for (name, value) in tables {
        let place = source(name.span().start, &format!("gate.{}", name.get_ref()));
        let (parsed, table) = match (name.get_ref().parse::<GateName>(), value.get_ref()) {
            (Ok(name), DeValue::Table(table)) => (name, table),
            (Err(not), _) => {
                let fault = Fault::new(not.to_string(), "give the gate another name");
                findings.push(Finding::error(place, fault));
                continue;
            }
            (Ok(_), _) => {
                let fault = Fault::new("a gate is a table", "write [gate.NAME] and its keys below");
                findings.push(Finding::error(place, fault));
                continue;
            }
        };
        let entries = entries(&parsed, table, source, &mut findings);
        gates.push(GateWritten {
            name: parsed,
            source: place,
            entries,
        });
    }
    (gates, findings)
}

fn entries(
    gate: &GateName,
    table: &DeTable<'_>,
    source: &impl Fn(usize, &str) -> Source,
    findings: &mut Vec<Finding>,
) -> Vec<(&'static str, GateValue, Source)> {
    let mut entries = Vec::new();
    for (key, value) in table {
        let full = format!("gate.{gate}.{}", key.get_ref());
        let place = source(key.span().start, &full);
        let Some((name, kind)) = KEYS.iter().find(|(name, _)| *name == &**key.get_ref()) else {
            let known = KEYS.iter().map(|(name, _)| *name);
            let nearest = closest(key.get_ref(), known).unwrap_or_default();
            let fault = Fault::new(
                format!("a gate has no key {}", shown(key.get_ref())),
                format!("write {nearest}, its nearest known one, or leave it out"),
            );
            findings.push(Finding::error(place, fault));
            continue;
        };
        match typed(name, *kind, value.get_ref()) {
            Ok(value) => entries.push((*name, value, place)),
            Err(fault) => findings.push(Finding::error(place, fault)),
        }
    }
    entries
}

fn typed(name: &str, kind: Kind, value: &DeValue<'_>) -> Result<GateValue, Fault> {
    let wrong = || {
        let remedy = match kind {
            Kind::One => format!("write {name} = \"…\""),
            Kind::Many => format!("write {name} = [\"…\", \"…\"]"),
            Kind::Switch => format!("write {name} = true or {name} = false, without quotes"),
            Kind::Levels => format!("write {name} = {{ silver = 1, gold = 2 }}"),
        };
        Fault::new(format!("the value is of type {}", value.type_str()), remedy)
    };
    let text = |value: &DeValue<'_>| match value {
        DeValue::String(text) => Some(text.to_string()),
        _ => None,
    };
    Ok(match (kind, value) {
        (Kind::One | Kind::Many, DeValue::String(text)) => GateValue::Texts(vec![text.to_string()]),
        (Kind::Many, DeValue::Array(values)) => GateValue::Texts(
            values
                .iter()
                .map(|value| text(value.get_ref()))
                .collect::<Option<_>>()
                .ok_or_else(wrong)?,
        ),
        (Kind::Switch, DeValue::Boolean(on)) => GateValue::Switch(*on),
        (Kind::Levels, DeValue::Table(levels)) => GateValue::Levels(
            levels
                .iter()
                .map(|(acr, level)| match level.get_ref() {
                    DeValue::Integer(level) => {
                        Some((acr.get_ref().to_string(), level.to_string().parse().ok()?))
                    }
                    _ => None,
                })
                .collect::<Option<_>>()
                .ok_or_else(wrong)?,
        ),
        _ => return Err(wrong()),
    })
}
