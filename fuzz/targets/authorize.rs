//! An authorization request: what is wrong before client and redirection URI are known goes nowhere, and
//! every answer goes to a registered URI and says nothing but its parameters.
#![no_main]

use std::sync::LazyLock;

use certbound::authorization::{Answer, AuthorizationRequest, Policy, Target};
use certbound::client::Registry;
use certbound::oauth::form::Form;
use libfuzzer_sys::fuzz_target;

const ISSUER: &str = "https://as.example.com";

static CLIENTS: LazyLock<Registry> = LazyLock::new(|| {
    Registry::read(include_str!("../seeds/authorize.json")).expect("registrations")
});

/// Whether that is where one of the client's URIs leads; of a loopback address the port is free.
fn registered(target: &Target, place: &str) -> bool {
    target.client().people().redirect_uris().iter().any(|uri| {
        place.starts_with(uri.as_str()) || place.starts_with("http://127.0.0.1:")
    })
}

fn sound(target: &Target, answer: &Answer) {
    match answer {
        Answer::Redirect(location) => {
            assert!(location.bytes().all(|octet| matches!(octet, 0x21..=0x7e)));
            assert!(registered(target, location), "{location}");
            assert!(location.contains("iss=https%3A%2F%2Fas.example.com"));
        }
        Answer::FormPost { action, fields } => {
            assert!(registered(target, action), "{action}");
            assert!(fields.iter().any(|(name, value)| name == "iss" && value == ISSUER));
        }
    }
}

fuzz_target!(|body: &[u8]| {
    let Ok(form) = Form::parse(body) else { return };
    let Ok(target) = Target::of(&form, &CLIENTS) else { return };
    sound(&target, &target.answer(ISSUER, &[("code", "a&b=c#d\r\n")]));
    for (fapi2, pushed) in [(false, false), (false, true), (true, true)] {
        match AuthorizationRequest::read(&form, &target, Policy { fapi2, pushed }) {
            Ok(request) => {
                let people = target.client().people();
                assert!(people.response_types().contains(&request.response_type()));
                assert!(request.scope().beyond(people.scope()).is_none());
                assert!(!fapi2 || request.challenge().is_some());
                for resource in request.resources() {
                    assert!(target.client().audience().contains(resource));
                }
                // What is kept of it reads the same.
                let again = Form::from_pairs(form.pairs()).expect("what was read");
                let again = AuthorizationRequest::read(&again, &target, Policy { fapi2, pushed });
                assert_eq!(again.as_ref(), Ok(&request));
            }
            Err(error) => sound(&target, &target.refusal(ISSUER, &error)),
        }
    }
});
