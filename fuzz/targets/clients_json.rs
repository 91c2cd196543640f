//! A file of registrations: all of it is read, or every problem has a line of the file.
#![no_main]

use certbound::client::Registry;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Registry::read(text) {
        Ok(registry) => {
            assert_eq!(registry.iter().count(), registry.len());
            for client in registry.iter() {
                let id = client.client_id().to_string();
                assert!(registry.find(&id).is_some());
                let _ = (client.method().name(), client.is_bound(), client.jwks_uri());
                let _ = (client.scope().to_string(), format!("{client:?}"));
            }
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            let lines = text.split('\n').count();
            for problem in problems {
                assert!((1..=lines).contains(&problem.line), "{problem:?}");
                assert!(!problem.text.is_empty());
            }
        }
    }
});
