//! An encoded name: it prints as a string that is registered as the same name.
#![no_main]

use certbound::cert::{DistinguishedName, RegisteredName};
use libfuzzer_sys::fuzz_target;

/// The most that a registered name may have, in octets.
const LONGEST: usize = 16 * 1024;

fuzz_target!(|octets: &[u8]| {
    let Ok(name) = DistinguishedName::from_der(octets) else {
        return;
    };
    let printed = name.to_string();
    assert!(!printed.chars().any(char::is_control));
    if printed.len() <= LONGEST {
        let registered: RegisteredName = printed.parse().expect("what was printed");
        assert!(name.matches(&registered), "{printed}");
        assert_eq!(name.compare(&registered), Ok(()));
        assert!(!name.matches_reversed(&registered));
    }
});
