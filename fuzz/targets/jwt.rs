//! A token on the first line, and somebody's key set behind it. Under the fixed keys nothing verifies
//! but the fixed tokens.
#![no_main]

use std::sync::LazyLock;

use certbound::key::algorithm::VerificationAlgorithm;
use certbound::key::claims::{AudienceClaim, TimeClaims};
use certbound::key::json::Object;
use certbound::key::jwk::JwkSet;
use certbound::key::jws::UnverifiedJws;
use certbound::oauth::time::{Lifetime, Timestamp};
use libfuzzer_sys::fuzz_target;

static KEYS: LazyLock<JwkSet> = LazyLock::new(|| {
    JwkSet::fetched(include_bytes!("../fixed/jwks.json")).expect("the fixed keys")
});
const TOKENS: &str = include_str!("../fixed/tokens.txt");

fuzz_target!(|input: &str| {
    let (token, rest) = input.split_once('\n').unwrap_or((input, ""));
    let own = JwkSet::fetched(rest.as_bytes());
    if let Ok(set) = &own {
        for key in set.keys() {
            let _ = (key.kid(), key.algorithm(), key.certificate_thumbprint());
            let _ = key.key().map(|key| (key.thumbprint(), key.spki_der()));
        }
    }
    if let Some(claims) = Object::read(rest.as_bytes()) {
        if let Ok(times) = TimeClaims::read(&claims) {
            times.live(
                Timestamp::from_unix(1_790_000_000),
                Lifetime::from_seconds(60),
            );
        }
        if let Ok(Some(audience)) = AudienceClaim::read(&claims) {
            let names = audience.clone().into_names();
            assert!(names.iter().all(|name| audience.contains(name)));
        }
    }
    let jws = match UnverifiedJws::parse(token) {
        Ok(jws) => jws,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let _ = (
        jws.unverified_claim("iss"),
        jws.unverified_kid(),
        jws.is_type("at+jwt"),
    );
    if let Ok(verified) = jws.verify_by(&KEYS, VerificationAlgorithm::ALL) {
        assert!(
            TOKENS.lines().any(|known| known == token),
            "a forgery verifies"
        );
        let claims = verified.claims();
        assert!(
            claims
                .members()
                .all(|(name, value)| claims.get(name) == Some(value))
        );
    }
    if let Ok(set) = &own {
        let _ = jws.verify_by(set, VerificationAlgorithm::ALL);
    }
});
