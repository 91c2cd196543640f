//! When a certificate is valid (RFC 5280 section 4.1.2.5).

use std::fmt;

use super::der::{self, DerError, Reader, Tlv};
use crate::oauth::time::Timestamp;

/// From when to when a certificate is valid, both ends included. What lies before 1970 is 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Validity {
    /// Both ends, as the certificate has them.
    pub(super) fn new(validity: &x509_parser::certificate::Validity) -> Self {
        let time = |time: x509_parser::time::ASN1Time| {
            Timestamp::from_unix(u64::try_from(time.timestamp()).unwrap_or_default())
        };
        Self {
            not_before: time(validity.not_before),
            not_after: time(validity.not_after),
        }
    }

    /// The first second of it.
    pub const fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// The last second of it.
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Whether `now` lies in it.
    ///
    /// # Errors
    ///
    /// Which end it lies beyond.
    pub fn at(&self, now: Timestamp) -> Result<(), OutsideValidity> {
        if now < self.not_before {
            return Err(OutsideValidity::NotYet(self.not_before));
        }
        if now > self.not_after {
            return Err(OutsideValidity::Expired(self.not_after));
        }
        Ok(())
    }
}

/// A time beyond the validity of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutsideValidity {
    /// The certificate becomes valid at that time.
    NotYet(Timestamp),
    /// The certificate was valid until that time.
    Expired(Timestamp),
}

impl fmt::Display for OutsideValidity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotYet(from) => write!(f, "not valid before {from}"),
            Self::Expired(until) => write!(f, "expired at {until}"),
        }
    }
}

/// Reads `UTCTime` or `GeneralizedTime` in the one form RFC 5280 leaves of each: to the second,
/// in UTC, without fractions.
pub(super) fn read_time(value: &Tlv<'_>) -> Result<Timestamp, DerError> {
    let wrong = DerError::NotCanonical("a time");
    let digits = value.content().strip_suffix(b"Z").ok_or(wrong)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(wrong);
    }
    let pair = |at: usize| u16::from(digits[at] - b'0') * 10 + u16::from(digits[at + 1] - b'0');
    let (year, rest) = match (value.tag(), digits.len()) {
        (der::UTC_TIME, 12) => {
            let year = pair(0);
            (
                if year < 50 { 2000 + year } else { 1900 + year },
                &digits[2..],
            )
        }
        (der::GENERALIZED_TIME, 14) => (pair(0) * 100 + pair(2), &digits[4..]),
        _ => return Err(wrong),
    };
    // RFC 5280 has no leap seconds; the calendar repeats after 400 years, so that a date before
    // 1970 is checked as one after it.
    let text = std::str::from_utf8(rest).map_err(|_| wrong)?;
    let checked = if year < 1970 { year % 400 + 2000 } else { year };
    let (date, time) = text.split_at(4);
    let written = format!(
        "{checked:04}-{}-{}T{}:{}:{}Z",
        &date[..2],
        &date[2..],
        &time[..2],
        &time[2..4],
        &time[4..]
    );
    let time: Timestamp = written.parse().map_err(|_| wrong)?;
    if rest.ends_with(b"60") {
        return Err(wrong);
    }
    Ok(if year < 1970 {
        Timestamp::from_unix(0)
    } else {
        time
    })
}

/// Reads a time that is encoded in those octets, where they are one.
pub(super) fn read_optional_time(reader: &mut Reader<'_>) -> Result<Option<Timestamp>, DerError> {
    match reader.peek() {
        Some(der::UTC_TIME | der::GENERALIZED_TIME) => read_time(&reader.any()?).map(Some),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (tag, text, unix) in [
            (der::UTC_TIME, "700101000000Z", Some(0)),
            (der::UTC_TIME, "500101000000Z", Some(0)),
            (der::UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (der::UTC_TIME, "000229123045Z", Some(951_827_445)),
            (
                der::GENERALIZED_TIME,
                "20550101000000Z",
                Some(2_682_374_400),
            ),
            (
                der::GENERALIZED_TIME,
                "99991231235959Z",
                Some(253_402_300_799),
            ),
            (der::GENERALIZED_TIME, "00000101000000Z", Some(0)),
            (der::GENERALIZED_TIME, "19000229000000Z", None),
            (der::UTC_TIME, "261301000000Z", None),
            (der::UTC_TIME, "260101000060Z", None),
            (der::UTC_TIME, "260101000000", None),
            (der::UTC_TIME, "2601010000Z", None),
            (der::UTC_TIME, "260101000000+0000", None),
            (der::UTC_TIME, "20260101000000Z", None),
            (der::GENERALIZED_TIME, "20260101000000.5Z", None),
            (der::INTEGER, "20260101000000Z", None),
        ] {
            let mut octets = vec![tag, u8::try_from(text.len()).expect("short")];
            octets.extend(text.as_bytes());
            let value = Reader::new(&octets).any().expect("a value");
            assert_eq!(read_time(&value).map(Timestamp::unix).ok(), unix, "{text}");
        }
    }

    #[test]
    fn both_ends_are_included() {
        let at = Timestamp::from_unix;
        let validity = Validity {
            not_before: at(10),
            not_after: at(20),
        };
        assert_eq!(validity.at(at(9)), Err(OutsideValidity::NotYet(at(10))));
        assert_eq!(validity.at(at(10)), Ok(()));
        assert_eq!(validity.at(at(20)), Ok(()));
        assert_eq!(validity.at(at(21)), Err(OutsideValidity::Expired(at(20))));
    }
}
