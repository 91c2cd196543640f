//! The second factor: time-based one-time passwords (RFC 6238) of six digits, SHA-1, every 30 seconds.

use std::fmt;

use aws_lc_rs::hmac;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::oauth::time::Timestamp;

/// How long a code lasts, in seconds.
const STEP: u64 = 30;

/// How many digits a code has, and one more than the highest code.
const DIGITS: usize = 6;
const MODULUS: u32 = 1_000_000;

/// How many characters a code may be typed with.
const LONGEST_CODE: usize = 32;

/// How many octets a secret has.
const OCTETS: std::ops::RangeInclusive<usize> = 10..=64;

/// How many octets a secret should have at least, by RFC 4226 section 4.
const ENOUGH: usize = 16;

/// RFC 4648 section 6.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A secret that codes are made from.
pub struct Totp {
    key: hmac::Key,
    octets: usize,
}

impl Totp {
    /// Reads a secret in base32, in either case, with or without padding and blanks.
    ///
    /// # Errors
    /// It is not that, or not of 10 to 64 octets.
    pub fn parse(text: &str) -> Result<Self, NotASecret> {
        let octets = decode(text).ok_or(NotASecret)?;
        if !OCTETS.contains(&octets.len()) {
            return Err(NotASecret);
        }
        Ok(Self {
            key: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &octets),
            octets: octets.len(),
        })
    }

    /// The step whose code that is: the present one, the one before or the one after. Of two the later
    /// one. Whoever accepts it must refuse this step, and every earlier one, from then on
    /// (RFC 6238 section 5.2). Blanks in the code are passed over.
    pub fn check(&self, code: &str, now: Timestamp) -> Option<u64> {
        if code.len() > LONGEST_CODE {
            return None;
        }
        let digits: Vec<u8> = code
            .bytes()
            .filter(|byte| !matches!(byte, b' ' | b'\t'))
            .collect();
        if digits.len() != DIGITS || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let present = now.unix() / STEP;
        let steps = [
            present.checked_sub(1),
            Some(present),
            present.checked_add(1),
        ];
        let mut matched = None;
        for step in steps.into_iter().flatten() {
            let expected = format!("{:06}", self.code(step));
            if bool::from(expected.as_bytes().ct_eq(&digits)) {
                matched = Some(step);
            }
        }
        matched
    }

    /// Whether the secret is as long as RFC 4226 wants it.
    pub(super) const fn is_enough(&self) -> bool {
        self.octets >= ENOUGH
    }

    /// The code of a step (RFC 4226 section 5.3).
    fn code(&self, step: u64) -> u32 {
        let tag = hmac::sign(&self.key, &step.to_be_bytes());
        let tag = tag.as_ref();
        let offset = usize::from(tag.last().copied().unwrap_or_default() & 0x0f);
        let four = tag.get(offset..offset + 4).unwrap_or_default();
        let number = four
            .iter()
            .fold(0, |number: u32, octet| number << 8 | u32::from(*octet));
        (number & 0x7fff_ffff) % MODULUS
    }
}

impl fmt::Debug for Totp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Totp(…)")
    }
}

/// A new secret, out of 20 octets of chance, in base32 as `users.json` and authenticators take it.
pub fn secret(chance: &[u8; 20]) -> Zeroizing<String> {
    encode(chance)
}

/// The `otpauth` URI of a secret, from which authenticators make a QR code or an entry.
pub fn otpauth(secret: &str, issuer: &str, account: &str) -> Zeroizing<String> {
    let (issuer, account) = (escaped(issuer), escaped(account));
    // The label's colon parts issuer and account; theirs are escaped.
    Zeroizing::new(format!(
        "otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP}"
    ))
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let digit = |nibble: u8| char::from(b"0123456789ABCDEF"[usize::from(nibble & 0x0f)]);
            escaped.extend(['%', digit(byte >> 4), digit(byte)]);
        }
    }
    escaped
}

fn encode(octets: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(octets.len().div_ceil(5) * 8));
    let (mut buffer, mut bits) = (0_u32, 0);
    for octet in octets {
        buffer = buffer << 8 | u32::from(*octet);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(character(buffer >> bits));
        }
    }
    if bits > 0 {
        text.push(character(buffer << (5 - bits)));
    }
    text
}

fn character(value: u32) -> char {
    char::from(ALPHABET[(value & 31) as usize])
}

fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    // Every five octets are eight characters, and no secret is longer than some groups of them.
    if text.len() > 4 * OCTETS.end() {
        return None;
    }
    let mut octets = Zeroizing::new(Vec::with_capacity(text.len() * 5 / 8));
    let (mut buffer, mut bits, mut length) = (0_u32, 0, 0);
    let mut written = text.bytes().filter(|byte| *byte != b' ');
    let mut padding = 0;
    for byte in written.by_ref() {
        if byte == b'=' {
            padding = 1;
            break;
        }
        let byte = byte.to_ascii_uppercase();
        let value = ALPHABET.iter().position(|known| *known == byte)?;
        buffer = buffer << 5 | u32::try_from(value).ok()?;
        bits += 5;
        length += 1;
        if bits >= 8 {
            bits -= 8;
            octets.push(u8::try_from(buffer >> bits & 0xff).ok()?);
        }
    }
    for byte in written {
        if byte != b'=' {
            return None;
        }
        padding += 1;
    }
    // Padding, where there is any, fills the last group; and bits that stand for nothing are nothing.
    let whole = padding == 0 || (padding < 8 && (length + padding) % 8 == 0);
    let possible = !matches!(length % 8, 1 | 3 | 6);
    let clean = buffer & ((1 << bits) - 1) == 0;
    (whole && possible && clean).then_some(octets)
}

/// Text that is no secret of a second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotASecret;

impl fmt::Display for NotASecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "not a secret of {} to {} octets in base32; write what certbound user totp prints",
            OCTETS.start(),
            OCTETS.end()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238 appendix B: `12345678901234567890`.
    const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

    fn totp() -> Totp {
        Totp::parse(SECRET).expect("a secret")
    }

    #[test]
    fn the_vectors_of_rfc_6238() {
        for (seconds, code) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            let now = Timestamp::from_unix(seconds);
            let six = &code[2..];
            assert_eq!(totp().check(six, now), Some(seconds / 30), "{seconds}");
            let spaced = format!(" {} {}", &six[..3], &six[3..]);
            assert_eq!(totp().check(&spaced, now), Some(seconds / 30), "{spaced}");
        }
    }

    #[test]
    fn a_step_on_either_side_and_no_more() {
        let step = 1_234_567_890 / 30;
        for (seconds, found) in [
            (step * 30 - 31, None),
            (step * 30 - 30, Some(step)),
            (step * 30, Some(step)),
            (step * 30 + 59, Some(step)),
            (step * 30 + 60, None),
        ] {
            let now = Timestamp::from_unix(seconds);
            assert_eq!(totp().check("005924", now), found, "{seconds}");
        }
        assert_eq!(totp().check("000000", Timestamp::from_unix(u64::MAX)), None);
    }

    #[test]
    fn what_is_no_code() {
        let now = Timestamp::from_unix(1_234_567_890);
        let long = format!("005924{}", " ".repeat(LONGEST_CODE));
        for code in [
            "",
            "5924",
            "0059240",
            "00592a",
            "005925",
            "٠٠٥٩٢٤",
            "+05924",
            &long,
        ] {
            assert_eq!(totp().check(code, now), None, "{code}");
        }
    }

    #[test]
    fn base32() {
        for (text, octets) in [
            ("", Some("")),
            ("MY======", Some("f")),
            ("MZXQ====", Some("fo")),
            ("MZXW6===", Some("foo")),
            ("MZXW6YQ=", Some("foob")),
            ("MZXW6YTB", Some("fooba")),
            ("MZXW6YTBOI======", Some("foobar")),
            ("mzxw 6ytb oi", Some("foobar")),
            ("MZXW6YTBOI=====", None),
            ("MZXW6YTB========", None),
            ("MY======MY", None),
            ("MZ", None),
            ("M", None),
            ("MZX", None),
            ("MZXW6YT", None),
            ("MZXW-6", None),
            ("MZXW1", None),
            ("=", None),
        ] {
            let decoded = decode(text);
            let found = decoded.as_ref().map(|octets| octets.as_slice());
            assert_eq!(found, octets.map(str::as_bytes), "{text}");
            if let Some(octets) = octets {
                let again = decode(&encode(octets.as_bytes()));
                assert_eq!(again.as_ref().map(|octets| octets.as_slice()), found);
            }
        }
    }

    #[test]
    fn secrets() {
        for (octets, good, enough) in [
            (9, false, false),
            (10, true, false),
            (15, true, false),
            (16, true, true),
            (64, true, true),
            (65, false, false),
        ] {
            let totp = Totp::parse(&encode(&vec![0x5a; octets]));
            assert_eq!(totp.is_ok(), good, "{octets}");
            assert_eq!(totp.is_ok_and(|totp| totp.is_enough()), enough, "{octets}");
        }
        assert_eq!(secret(b"12345678901234567890").as_str(), SECRET);
        assert_eq!(format!("{:?}", totp()), "Totp(…)");
    }

    #[test]
    fn uris() {
        assert_eq!(
            otpauth(SECRET, "https://as.example.com/a:b", "zo\u{eb} & co").as_str(),
            format!(
                "otpauth://totp/https%3A%2F%2Fas.example.com%2Fa%3Ab:zo%C3%AB%20%26%20co?secret={SECRET}&issuer=https%3A%2F%2Fas.example.com%2Fa%3Ab&algorithm=SHA1&digits=6&period=30"
            )
        );
    }
}
