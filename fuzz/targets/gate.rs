//! What a request shows at a gate, what an issuer says of a token, and what goes out because of it: an
//! `Authorization` value, a `Cookie` value, a query, and an introspection response, one a line.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use certbound::gate::credential::{Asked, Credential, read};
use certbound::gate::facts::Facts;
use certbound::gate::identity::Identity;
use certbound::gate::session::Sessions;
use certbound::gate::{AuthMethod, Gate, ProofOfPossession, Rules};
use certbound::oauth::scope::Scope;
use certbound::oauth::time::Timestamp;
use http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

static GATE: LazyLock<Gate> = LazyLock::new(|| {
    Gate::new(Rules {
        name: "orders".parse().expect("a name"),
        proof: ProofOfPossession::Strict,
        methods: AuthMethod::ALL.to_vec(),
        issuers: vec!["https://as.example.com".into()],
        audience: Vec::new(),
        scopes: Scope::default(),
        acr: None,
        levels: BTreeMap::new(),
        max_age: None,
        sessions: Sessions::new(["0123456789abcdef0123456789abcdef"]).ok(),
    })
    .expect("rules that go together")
});

fuzz_target!(|input: &[u8]| {
    let now = Timestamp::from_unix(1_790_000_000);
    let mut lines = input.splitn(4, |octet| *octet == b'\n');
    let mut next = || lines.next().unwrap_or_default();
    let mut headers = HeaderMap::new();
    for name in [AUTHORIZATION, COOKIE] {
        if let Ok(value) = HeaderValue::from_bytes(next())
            && !value.is_empty()
        {
            headers.append(name, value);
        }
    }
    let query = std::str::from_utf8(next()).ok();
    let asked = Asked {
        headers: &headers,
        query,
        form: None,
    };
    match read(&GATE, &asked) {
        Ok(Credential::Token(token)) => {
            let whole = headers[AUTHORIZATION].to_str().expect("ASCII");
            assert!(whole.ends_with(token) && !token.contains([' ', ',']));
        }
        Ok(Credential::Cookie(value)) => {
            let sessions = GATE.sessions().expect("sessions");
            let opened = sessions.open("https://as.example.com", GATE.name(), value, now);
            assert!(opened.is_none(), "a forgery opens");
        }
        Err(refused) => assert!(refused.status() == 401 && !refused.cause().is_empty()),
    }
    if let Ok(Some(facts)) = Facts::of_introspection(next(), "https://other.example", now) {
        let identity = Identity::new(&facts, 0);
        assert!(!identity.user().is_empty());
        let octets: usize = identity
            .headers()
            .map(|(name, value)| {
                assert!(value.to_str().is_ok());
                name.as_str().len() + value.len() + 4
            })
            .sum();
        assert!(octets < 4_000, "{octets}");
    }
});
