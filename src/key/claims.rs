//! The registered claims that decide whether a JWT counts: `exp`, `nbf`, `iat`, `aud` (RFC 7519 section 4.1).
//!
//! A claim of the wrong type is invalid, never absent: a token whose `exp` is a string must not live
//! for ever.

use std::fmt;

use super::json::{Json, Object};
use crate::oauth::time::{Lifetime, Timestamp};

/// From here on a double no longer tells one second from the next.
const LIMIT: f64 = 9_007_199_254_740_992.0;
/// Entries of `aud`, at most.
const MAX_AUDIENCES: usize = 100;

/// A claim that is not of its type, or not there where it has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidClaim(pub &'static str);

impl fmt::Display for InvalidClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the claim \"{}\" is missing or not of its type", self.0)
    }
}

impl std::error::Error for InvalidClaim {}

/// When a JWT counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeClaims {
    /// `exp`: from this second on it does not.
    pub expires: Option<Timestamp>,
    /// `nbf`: before this second it does not.
    pub not_before: Option<Timestamp>,
    /// `iat`: when it was made.
    pub issued: Option<Timestamp>,
}

impl TimeClaims {
    /// Reads all three. Fractions of a second are rounded so that the token lives shorter.
    pub fn read(claims: &Object<'_>) -> Result<Self, InvalidClaim> {
        Ok(Self {
            expires: numeric_date(claims, "exp", f64::floor)?,
            not_before: numeric_date(claims, "nbf", f64::ceil)?,
            issued: numeric_date(claims, "iat", f64::floor)?,
        })
    }

    /// Whether it counts at `now`, with clocks that differ by up to `leeway`. A token without `exp`
    /// does not end by itself; who needs one asks [`TimeClaims::expires`].
    pub fn live(&self, now: Timestamp, leeway: Lifetime) -> bool {
        self.expires.is_none_or(|end| now < end.after(leeway))
            && self
                .not_before
                .is_none_or(|start| start <= now.after(leeway))
            && self.issued.is_none_or(|made| made <= now.after(leeway))
    }
}

/// A claim that is a time, with fractions of a second rounded that way; `None` where it is absent.
pub fn numeric_date(
    claims: &Object<'_>,
    name: &'static str,
    round: fn(f64) -> f64,
) -> Result<Option<Timestamp>, InvalidClaim> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let Json::Number(number) = value else {
        return Err(InvalidClaim(name));
    };
    if let Some(seconds) = number.as_u64() {
        let exact = seconds < 1 << 53;
        let time = exact.then(|| Timestamp::from_unix(seconds));
        return time.map(Some).ok_or(InvalidClaim(name));
    }
    match number.as_f64().map(round) {
        Some(seconds) if seconds.is_sign_positive() && seconds < LIMIT => {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a whole number, not negative and less than 2^53"
            )]
            let whole = seconds as u64;
            Ok(Some(Timestamp::from_unix(whole)))
        }
        _ => Err(InvalidClaim(name)),
    }
}

/// `aud`: for whom a JWT is, one or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudienceClaim(Vec<String>);

impl AudienceClaim {
    /// Reads `aud`: a string, or an array of at least one.
    pub fn read(claims: &Object<'_>) -> Result<Option<Self>, InvalidClaim> {
        const WRONG: InvalidClaim = InvalidClaim("aud");
        let names = match claims.get("aud") {
            None => return Ok(None),
            Some(Json::Text(name)) => vec![name.clone().into_owned()],
            Some(Json::Array(names)) if (1..=MAX_AUDIENCES).contains(&names.len()) => {
                let texts = names.iter().map(|name| name.as_str().map(str::to_owned));
                texts.collect::<Option<Vec<_>>>().ok_or(WRONG)?
            }
            Some(_) => return Err(WRONG),
        };
        Ok(Some(Self(names)))
    }

    /// Whether it is for that one, among others perhaps.
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|audience| audience == name)
    }

    /// The audience, where there is one only.
    pub fn sole(&self) -> Option<&str> {
        match self.0.as_slice() {
            [name] => Some(name),
            _ => None,
        }
    }

    /// All of them.
    pub fn into_names(self) -> Vec<String> {
        self.0
    }
}

/// A claim that is to be a string; `None` where it is absent.
pub fn text<'a>(
    claims: &'a Object<'_>,
    name: &'static str,
) -> Result<Option<&'a str>, InvalidClaim> {
    match claims.get(name) {
        None => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text)),
        Some(_) => Err(InvalidClaim(name)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn claims(text: &str) -> Object<'_> {
        Object::read(text.as_bytes()).expect("claims of a test")
    }

    #[test]
    fn times_are_numbers() {
        for (text, exp) in [
            (r#"{"exp":1300819380}"#, Some(1_300_819_380)),
            (r#"{"exp":0}"#, Some(0)),
            (r#"{"exp":1300819380.75}"#, Some(1_300_819_380)),
            (r#"{"exp":1.3e9}"#, Some(1_300_000_000)),
            (r#"{"exp":9007199254740991}"#, Some(9_007_199_254_740_991)),
            ("{}", None),
        ] {
            let read = TimeClaims::read(&claims(text)).expect("times");
            assert_eq!(read.expires.map(Timestamp::unix), exp, "{text}");
        }
        for wrong in [
            r#""99999999999""#,
            "null",
            "true",
            "[1]",
            "{}",
            "-1",
            "-0.5",
            "-0.0",
            "1e300",
            "9007199254740992",
            "18446744073709551616",
        ] {
            for name in ["exp", "nbf", "iat"] {
                let text = format!(r#"{{"{name}":{wrong}}}"#);
                let read = TimeClaims::read(&claims(&text));
                assert_eq!(read, Err(InvalidClaim(name)), "{text}");
            }
        }
        let read = TimeClaims::read(&claims(r#"{"exp":5.5,"nbf":5.5,"iat":5.5}"#)).expect("times");
        let seconds = [read.expires, read.not_before, read.issued].map(|t| t.map(Timestamp::unix));
        assert_eq!(seconds, [Some(5), Some(6), Some(5)]);
    }

    #[test]
    fn live_between_nbf_and_exp() {
        let times = TimeClaims::read(&claims(r#"{"exp":200,"nbf":100,"iat":90}"#)).expect("times");
        for (now, leeway, live) in [
            (100, 0, true),
            (99, 0, false),
            (99, 1, true),
            (199, 0, true),
            (200, 0, false),
            (200, 1, true),
            (80, 10, false),
        ] {
            let got = times.live(Timestamp::from_unix(now), Lifetime::from_seconds(leeway));
            assert_eq!(got, live, "{now} {leeway}");
        }
        let future = TimeClaims::read(&claims(r#"{"iat":200}"#)).expect("times");
        assert!(!future.live(Timestamp::from_unix(100), Lifetime::from_seconds(60)));
    }

    #[test]
    fn audiences() {
        let read = |aud: Value| AudienceClaim::read(&claims(&json!({"aud": aud}).to_string()));
        let one = read(json!("a")).expect("a string").expect("there");
        assert!(one.contains("a") && !one.contains("b"));
        assert_eq!(one.sole(), Some("a"));
        let two = read(json!(["a", "b"])).expect("an array").expect("there");
        assert!(two.contains("b") && two.sole().is_none());
        assert_eq!(
            read(json!(["a"])).expect("an array").expect("there").sole(),
            Some("a")
        );
        for wrong in [
            json!([]),
            json!(null),
            json!(1),
            json!(["a", 1]),
            json!({}),
            json!(vec!["a"; 101]),
        ] {
            assert_eq!(read(wrong.clone()), Err(InvalidClaim("aud")), "{wrong}");
        }
        assert_eq!(AudienceClaim::read(&claims("{}")), Ok(None));
    }
}
