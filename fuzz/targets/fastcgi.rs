//! What arrives on a connection of `--fcgi-listen`: what is asked is bounded, said once, the same however its
//! records are cut, and the same before more arrives.
#![no_main]

use certbound::http::fcgi::exchange::{Question, asked};
use certbound::http::fcgi::record::{Kind, PAIRS, Pairs, write, write_pair};
use certbound::http::fcgi::variables::Variables;
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 4_096;
const READ: [&str; 8] = [
    "GATE_NAME",
    "GATE_CLIENT_CERT",
    "GATE_CLIENT_VERIFY",
    "GATE_PROXY_SECRET",
    "HTTP_AUTHORIZATION",
    "HTTP_COOKIE",
    "QUERY_STRING",
    "REQUEST_URI",
];

/// The same question in records that hold so many octets.
fn cut(question: &Question, octets: usize) -> Vec<u8> {
    let mut records = Vec::new();
    let begin = [0, 2, u8::from(question.keep), 0, 0, 0, 0, 0];
    write(Kind::BeginRequest, question.request, &begin, &mut records);
    for piece in question.parameters.chunks(octets) {
        write(Kind::Params, question.request, piece, &mut records);
    }
    write(Kind::Params, question.request, &[], &mut records);
    records
}

fn one(question: &Question) {
    assert!(question.parameters.len() <= LIMIT && question.request != 0);
    for octets in [1, 7, LIMIT] {
        let again = asked(&cut(question, octets), LIMIT).expect("what was asked");
        assert_eq!(again, std::slice::from_ref(question));
    }
    let pairs: Result<Vec<_>, _> = Pairs::new(&question.parameters).collect();
    let read = Variables::read(&question.parameters);
    let Ok(pairs) = pairs else {
        return assert!(read.is_err());
    };
    assert!(pairs.len() <= PAIRS);
    let mut written = Vec::new();
    for (name, value) in &pairs {
        write_pair(name, value, &mut written);
    }
    assert!(written.len() <= question.parameters.len());
    assert!(
        Pairs::new(&written)
            .map(Result::ok)
            .eq(pairs.iter().copied().map(Some))
    );
    let values = |name: &'static str| pairs.iter().filter(move |pair| pair.0 == name.as_bytes());
    let Ok(variables) = read else { return };
    for name in READ {
        assert!(values(name).count() <= 1, "{name}");
    }
    let value = |name| values(name).next().map(|pair| pair.1);
    assert_eq!(variables.said().certificate, value("GATE_CLIENT_CERT"));
    assert_eq!(variables.said().verify, value("GATE_CLIENT_VERIFY"));
    assert_eq!(variables.said().secret, value("GATE_PROXY_SECRET"));
    if let Ok(headers) = variables.headers() {
        let shown = headers.get("authorization").map(|value| value.as_bytes());
        assert_eq!(shown, value("HTTP_AUTHORIZATION"));
    }
}

fuzz_target!(|octets: &[u8]| {
    let questions = match asked(octets, LIMIT) {
        Ok(questions) => questions,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    questions.iter().for_each(one);
    let half = asked(&octets[..octets.len() / 2], LIMIT).expect("no more than the whole");
    assert!(questions.starts_with(&half));
});
