//! Points in time and spans, in whole seconds, as JWT `NumericDate` (RFC 7519 section 2) has them.
//!
//! The pure floors never ask what time it is: they are told.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A point in time: seconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The time that many seconds after the epoch.
    pub const fn from_unix(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds since the epoch.
    pub const fn unix(self) -> u64 {
        self.0
    }

    /// This time and `lifetime` later; the end of time where that would overflow.
    #[must_use]
    pub const fn after(self, lifetime: Lifetime) -> Self {
        Self(self.0.saturating_add(lifetime.0))
    }

    /// This time less `lifetime`; the epoch where that would be before it.
    #[must_use]
    pub const fn before(self, lifetime: Lifetime) -> Self {
        Self(self.0.saturating_sub(lifetime.0))
    }

    /// How long it is from `earlier` to this; nothing where `earlier` is later.
    pub const fn since(self, earlier: Self) -> Lifetime {
        Lifetime(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339, in UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, rest) = (self.0 / 86_400, self.0 % 86_400);
        let (year, month, day) = civil(days);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
            rest / 3600,
            rest / 60 % 60,
            rest % 60
        )
    }
}

/// The proleptic Gregorian date of a day counted from 1970-01-01, by the 400-year cycle of 146,097 days.
const fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let cycle = shifted / 146_097;
    let day_of_cycle = shifted % 146_097;
    let year_of_cycle = (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524
        - day_of_cycle / 146_096)
        / 365;
    let day_of_year =
        day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_cycle + cycle * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// A point in time as somebody wrote it (RFC 3339) that is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotATime;

impl fmt::Display for NotATime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a time: write it as RFC 3339 does, for example 2027-03-01T00:00:00Z")
    }
}

impl std::str::FromStr for Timestamp {
    type Err = NotATime;

    /// Reads RFC 3339, in UTC or with an offset; fractions of a second are dropped.
    fn from_str(text: &str) -> Result<Self, NotATime> {
        read_rfc3339(text).ok_or(NotATime)
    }
}

fn read_rfc3339(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<u64> {
        let digits = bytes.get(from..to)?;
        digits.iter().all(u8::is_ascii_digit).then_some(())?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    };
    let mark = |at: usize, allowed: &[u8]| bytes.get(at).is_some_and(|byte| allowed.contains(byte));
    let shape =
        mark(4, b"-") && mark(7, b"-") && mark(10, b"Tt ") && mark(13, b":") && mark(16, b":");
    shape.then_some(())?;
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    if year < 1970 || day == 0 || day > length || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut at = 19;
    if mark(at, b".") {
        at += 1;
        let digits = bytes[at..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        (digits > 0).then_some(())?;
        at += digits;
    }
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    if mark(at, b"Zz") && bytes.len() == at + 1 {
        return Some(Timestamp(seconds));
    }
    let east = mark(at, b"+");
    if !(east || mark(at, b"-")) || !mark(at + 3, b":") || bytes.len() != at + 6 {
        return None;
    }
    let offset = number(at + 1, at + 3)? * 3600 + number(at + 4, at + 6)? * 60;
    let utc = if east {
        seconds.checked_sub(offset)?
    } else {
        seconds + offset
    };
    Some(Timestamp(utc))
}

/// The inverse of [`civil`].
const fn days_from_civil(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let cycle = year / 400;
    let year_of_cycle = year % 400;
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_cycle = year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year;
    cycle * 146_097 + day_of_cycle - 719_468
}

/// A span of time in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lifetime(u64);

impl Lifetime {
    /// That many seconds.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// This and that, one after the other.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// That many seconds, as a number.
    pub const fn seconds(self) -> u64 {
        self.0
    }
}

/// A span of time that somebody wrote and that is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotALifetime;

impl fmt::Display for NotALifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a duration: write a whole number and one of s, m, h, d, for example 10m")
    }
}

impl std::str::FromStr for Lifetime {
    type Err = NotALifetime;

    /// Reads `90s`, `10m`, `12h`, `30d`; a bare `0` is nothing.
    fn from_str(text: &str) -> Result<Self, NotALifetime> {
        if text == "0" {
            return Ok(Self(0));
        }
        let (number, unit) = text
            .char_indices()
            .next_back()
            .map(|(at, unit)| (&text[..at], unit))
            .ok_or(NotALifetime)?;
        let unit = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return Err(NotALifetime),
        };
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(NotALifetime);
        }
        let number: u64 = number.parse().map_err(|_| NotALifetime)?;
        number.checked_mul(unit).map(Self).ok_or(NotALifetime)
    }
}

impl fmt::Display for Lifetime {
    /// The shortest spelling that [`FromStr`](std::str::FromStr) reads back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("0s"),
            s if s % 86_400 == 0 => write!(f, "{}d", s / 86_400),
            s if s % 3_600 == 0 => write!(f, "{}h", s / 3_600),
            s if s % 60 == 0 => write!(f, "{}m", s / 60),
            s => write!(f, "{s}s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_both_ways() {
        for (text, unix) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:30:45Z", 951_827_445),
            ("2026-11-22T01:38:32Z", 1_795_311_512),
            ("2055-01-01T00:00:00Z", 2_682_374_400),
        ] {
            let time: Timestamp = text.parse().expect("a time of this table");
            assert_eq!(time.unix(), unix, "{text}");
            assert_eq!(time.to_string(), text);
        }
        let offset: Timestamp = "2026-11-22T03:38:32.25+02:00".parse().expect("an offset");
        assert_eq!(offset.unix(), 1_795_311_512);
    }

    #[test]
    fn what_is_not_a_time() {
        for text in [
            "",
            "2026-02-29T00:00:00Z",
            "2026-11-22",
            "2026-11-22T24:00:00Z",
            "2026-11-22T00:00:00",
            "2026-11-22T00:00:00Zx",
            "2026-11-22T00:00:00+0200",
            "é026-11-22T00:00:00Z",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(NotATime), "{text}");
        }
    }

    #[test]
    fn lifetimes() {
        for (text, seconds) in [
            ("10m", 600),
            ("30d", 2_592_000),
            ("60s", 60),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(
                text.parse::<Lifetime>().map(Lifetime::seconds),
                Ok(seconds),
                "{text}"
            );
        }
        for text in [
            "",
            "m",
            "10",
            "-1s",
            "+1s",
            "1.5h",
            "10 m",
            "99999999999999999999d",
            "1é",
        ] {
            assert_eq!(text.parse::<Lifetime>(), Err(NotALifetime), "{text}");
        }
        assert_eq!(Lifetime::from_seconds(600).to_string(), "10m");
        assert_eq!(Lifetime::from_seconds(61).to_string(), "61s");
    }
}
