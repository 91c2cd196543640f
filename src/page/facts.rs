//! The facts of `whoami` as a table for people: what was forwarded, whether it is believed, and whose it is.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use super::plain;
use super::texts::WhoAmITexts;

/// How many characters of a value are shown.
const VALUE: usize = 1000;
/// How many values of one kind are shown; the JSON below has them all.
const VALUES: usize = 100;

/// What is shown.
#[derive(Debug, Serialize)]
pub(super) struct Facts {
    /// `verified`, `not_verified` or `no_certificate`.
    verdict: &'static str,
    summary: &'static str,
    why: String,
    sections: Vec<Section>,
    clients: Vec<String>,
    more_clients: usize,
    raw: String,
}

#[derive(Debug, Serialize)]
struct Section {
    title: &'static str,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    label: &'static str,
    values: Vec<String>,
    /// Whether the values are for machines, and set like code.
    code: bool,
}

/// What the JSON of the endpoint says.
pub(super) fn of(seen: &Value, t: &WhoAmITexts) -> Facts {
    let certificate = &seen["certificate"];
    let verified = seen["verified"].as_bool().unwrap_or(false);
    let (verdict, summary) = match (certificate.is_null(), verified) {
        (true, _) => ("no_certificate", t.no_certificate),
        (false, true) => ("verified", t.verified),
        (false, false) => ("not_verified", t.not_verified),
    };
    let row = |label, value: &Value, code| Row {
        label,
        values: texts(value, t),
        code,
    };
    let mut sections = Vec::new();
    if !certificate.is_null() {
        sections.push(Section {
            title: t.certificate,
            rows: vec![
                row(t.subject, &certificate["subject"], true),
                row(t.subject_alt_names, &certificate["subject_alt_names"], true),
                row(t.not_before, &certificate["not_before"], false),
                row(t.not_after, &certificate["not_after"], false),
                row(t.valid_now, &certificate["valid_now"], false),
                row(t.thumbprint, &certificate["x5t#S256"], true),
                row(
                    t.intermediates,
                    &certificate["intermediates_forwarded"],
                    false,
                ),
            ],
        });
    }
    sections.push(Section {
        title: t.connection,
        rows: vec![
            row(t.trusted_proxy, &seen["trusted_proxy"], false),
            row(t.encoding, &seen["encoding"], true),
            row(t.verify_header, &seen["verify_header"], true),
        ],
    });
    let satisfied = seen["satisfies"].as_array().map_or(&[][..], Vec::as_slice);
    Facts {
        verdict,
        summary,
        why: seen["why"]
            .as_str()
            .map(|why| plain::line(why, VALUE))
            .unwrap_or_default(),
        sections,
        clients: satisfied
            .iter()
            .take(VALUES)
            .map(|client| text(client, t))
            .collect(),
        more_clients: satisfied.len().saturating_sub(VALUES),
        raw: raw(seen),
    }
}

fn texts(value: &Value, t: &WhoAmITexts) -> Vec<String> {
    match value {
        Value::Array(values) if values.is_empty() => vec![t.none.to_owned()],
        Value::Array(values) => values
            .iter()
            .take(VALUES)
            .map(|value| text(value, t))
            .collect(),
        value => vec![text(value, t)],
    }
}

fn text(value: &Value, t: &WhoAmITexts) -> String {
    match value {
        Value::Null => t.none.to_owned(),
        Value::Bool(true) => t.yes.to_owned(),
        Value::Bool(false) => t.no.to_owned(),
        Value::String(text) => plain::line(text, VALUE),
        Value::Object(object) => object
            .get("error")
            .and_then(Value::as_str)
            .map_or_else(|| value.to_string(), |error| plain::line(error, VALUE)),
        other => other.to_string(),
    }
}

/// The JSON with everything that is not seen written as `\u…`, which JSON reads back as it was.
fn raw(seen: &Value) -> String {
    let text = format!("{seen:#}");
    let mut raw = String::with_capacity(text.len());
    let mut units = [0; 2];
    for character in text.chars() {
        if character == '\n' || !(plain::is_unseen(character) || character.is_control()) {
            raw.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut units) {
            // Writing to a string cannot fail.
            let _ = write!(raw, "\\u{unit:04x}");
        }
    }
    raw
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::page::language::Language;
    use crate::page::texts::Texts;

    #[test]
    fn the_verdict_is_the_endpoints() {
        let t = &Texts::of(Language::English).whoami;
        for (seen, verdict) in [
            (
                json!({"certificate": null, "verified": true}),
                "no_certificate",
            ),
            (json!({"certificate": {}, "verified": true}), "verified"),
            (
                json!({"certificate": {}, "verified": false}),
                "not_verified",
            ),
            (
                json!({"certificate": {}, "verified": "true"}),
                "not_verified",
            ),
            (json!([]), "no_certificate"),
        ] {
            assert_eq!(of(&seen, t).verdict, verdict, "{seen}");
        }
    }

    #[test]
    fn nothing_unseen_in_the_json() {
        let seen = json!({ "subject": "CN=a\u{202e}b\u{e0041}\u{85}c\n" });
        let raw = raw(&seen);
        assert!(raw.contains(r"a\u202eb\udb40\udc41\u0085c\n"), "{raw}");
        assert_eq!(serde_json::from_str::<Value>(&raw).expect("JSON"), seen);
    }

    #[test]
    fn many_clients_are_counted() {
        let t = &Texts::of(Language::English).whoami;
        let many: Vec<String> = (0..150).map(|number| number.to_string()).collect();
        let facts = of(&json!({ "certificate": {}, "satisfies": many }), t);
        assert_eq!((facts.clients.len(), facts.more_clients), (100, 50));
    }
}
