//! Every case of the corpus of subject names (RFC 4514, RFC 4517, RFC 4518).

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use certbound::cert::name::DistinguishedName;
use certbound::cert::registered::RegisteredName;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    id: String,
    cert_subject_der_b64: String,
    registered_dn_string: String,
    #[serde(rename = "match")]
    matches: Option<bool>,
    recommended: Option<bool>,
    why: String,
}

fn cases(path: &Path) -> Option<Vec<Case>> {
    let text = std::fs::read_to_string(path).ok()?;
    let case = |line| serde_json::from_str(line).expect("a case of the corpus");
    Some(text.lines().map(case).collect())
}

fn decided(case: &Case) -> bool {
    let subject = STANDARD
        .decode(&case.cert_subject_der_b64)
        .expect("base64 of the corpus");
    let subject = DistinguishedName::from_der(&subject);
    let registered = case.registered_dn_string.parse::<RegisteredName>();
    let (Ok(subject), Ok(registered)) = (subject, registered) else {
        return false;
    };
    let matches = subject.matches(&registered);
    assert_eq!(subject.compare(&registered).is_ok(), matches, "{}", case.id);
    matches
}

fn check(cases: &[Case]) {
    assert!(cases.len() > 100, "the corpus is there");
    let wrong: Vec<String> = cases
        .iter()
        .filter(|case| case.matches.or(case.recommended) != Some(decided(case)))
        .map(|case| format!("{}: {}", case.id, case.why))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_case_is_decided_as_it_says() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dn-corpus.jsonl");
    check(&cases(&own).expect("the fixture"));
}

#[test]
#[expect(clippy::print_stderr, reason = "says why nothing was tested")]
fn and_those_of_the_shared_corpus() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/dn-corpus.jsonl");
    match cases(&shared) {
        Some(cases) => check(&cases),
        None => eprintln!("left out: the shared corpus is not beside the crate"),
    }
}

#[test]
fn what_a_subject_prints_as_is_that_subject() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dn-corpus.jsonl");
    for case in cases(&own).expect("the fixture") {
        let der = STANDARD.decode(&case.cert_subject_der_b64).expect("base64");
        if let Ok(subject) = DistinguishedName::from_der(&der) {
            let printed = subject.to_string();
            let registered: RegisteredName = printed.parse().expect("what was printed");
            assert!(subject.matches(&registered), "{}: {printed}", case.id);
        }
    }
}
