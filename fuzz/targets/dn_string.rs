//! A registered name: what is printed is read as the same name, and one RDN more is another name.
#![no_main]

use certbound::cert::RegisteredName;
use libfuzzer_sys::fuzz_target;

/// The most that a registered name may have, in octets.
const LONGEST: usize = 16 * 1024;

fuzz_target!(|text: &str| {
    let name = match text.parse::<RegisteredName>() {
        Ok(name) => name,
        Err(error) => {
            let line = error.to_string();
            assert!(!line.chars().any(char::is_control), "{line:?}");
            return;
        }
    };
    let printed = name.to_string();
    assert!(!printed.chars().any(char::is_control));
    if printed.len() <= LONGEST {
        let again: RegisteredName = printed.parse().expect("what was printed");
        assert_eq!(again, name);
        assert_eq!(again.to_string(), printed);
        assert!(name.name().matches(&again) && again.name().matches(&name));
        assert_eq!(name.name().compare(&again), Ok(()));
    }
    for longer in [format!("CN=x,{text}"), format!("{text},CN=x")] {
        if longer.len() <= LONGEST {
            let longer: RegisteredName = longer.parse().expect("one RDN more");
            assert!(!name.name().matches(&longer) && !longer.name().matches(&name));
            assert!(name.name().compare(&longer).is_err());
        }
    }
    if let Some(turned) = name.looks_reversed()
        && turned.len() <= LONGEST
    {
        let turned: RegisteredName = turned.parse().expect("what was printed");
        assert!(name.name().matches(&turned) || name.name().matches_reversed(&turned));
    }
});
