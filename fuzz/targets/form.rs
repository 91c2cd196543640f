//! A form body: what was read, written anew with everything escaped, is read as the same.
#![no_main]

use std::fmt::Write as _;

use certbound::oauth::form::Form;
use libfuzzer_sys::fuzz_target;

const NAMES: &[&str] = &["grant_type", "client_id", "scope", "resource", "a", ""];

fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut all, octet| {
        let _ = write!(all, "%{octet:02x}");
        all
    })
}

fn values(form: &Form<'_>) -> Vec<(String, String)> {
    NAMES
        .iter()
        .flat_map(|name| {
            form.values(name)
                .map(|value| (escaped(name), escaped(value)))
        })
        .collect()
}

fuzz_target!(|body: &[u8]| {
    let form = match Form::parse(body) {
        Ok(form) => form,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    for name in NAMES {
        assert_eq!(form.value(name), form.values(name).next());
        assert!(*name == "resource" || form.values(name).count() <= 1);
        assert_eq!(form.required(name).ok(), form.value(name));
    }
    let pairs = values(&form);
    let body: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let body = body.join("&");
    let again = Form::parse(body.as_bytes()).expect("what was written");
    assert_eq!(values(&again), pairs);
});
