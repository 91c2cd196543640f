//! Values that are one word or one number: sizes, counts, lifetimes and choices.

use std::fmt;

use crate::oauth::profile::Profile;
use crate::oauth::time::Lifetime;

use super::finding::{Fault, shown};

/// A number of octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(usize);

impl Size {
    /// As a number.
    pub const fn octets(self) -> usize {
        self.0
    }

    /// Reads `65536`, `64k` or `1m`, which must lie in the given bounds.
    pub(super) fn parse(text: &str, least: Self, most: Self) -> Result<Self, Fault> {
        let (digits, unit) = match text.as_bytes().last() {
            Some(b'k') => (&text[..text.len() - 1], 1 << 10),
            Some(b'm') => (&text[..text.len() - 1], 1 << 20),
            _ => (text, 1),
        };
        let size = number(digits)
            .and_then(|number| number.checked_mul(unit))
            .and_then(|number| usize::try_from(number).ok())
            .map(Self)
            .ok_or_else(|| {
                Fault::new(
                    format!("{} is not a size", shown(text)),
                    "write a whole number, alone or with k or m, for example 64k",
                )
            })?;
        if (least..=most).contains(&size) {
            return Ok(size);
        }
        Err(Fault::new(
            format!("the size {} is out of bounds", shown(text)),
            format!("write a size from {least} to {most}"),
        ))
    }
}

impl fmt::Display for Size {
    /// The shortest spelling that reads back as the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n > 0 && n % (1 << 20) == 0 => write!(f, "{}m", n >> 20),
            n if n > 0 && n % (1 << 10) == 0 => write!(f, "{}k", n >> 10),
            n => write!(f, "{n}"),
        }
    }
}

/// Reads `--max-header-bytes`.
pub(super) fn header_bytes(text: &str) -> Result<Size, Fault> {
    Size::parse(text, Size(8 << 10), Size(1 << 20))
}

/// Reads `--max-connections`.
pub(super) fn connections(text: &str) -> Result<usize, Fault> {
    const MOST: u64 = 1_000_000;
    number(text)
        .filter(|number| (1..=MOST).contains(number))
        .and_then(|number| usize::try_from(number).ok())
        .ok_or_else(|| {
            Fault::new(
                format!("{} is not a number of connections", shown(text)),
                format!("write a whole number from 1 to {MOST}"),
            )
        })
}

/// Digits and nothing else.
fn number(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// Reads a duration, which may be none at all.
pub(super) fn lifetime(text: &str) -> Result<Lifetime, Fault> {
    text.parse().map_err(|_| {
        Fault::new(
            format!("{} is not a duration", shown(text)),
            "write a whole number and one of s, m, h, d, for example 10m",
        )
    })
}

/// Reads how long an access token lives: at least a second, and not so long that it is no longer
/// an access token.
pub(super) fn access_token_ttl(text: &str) -> Result<Lifetime, Fault> {
    bounded(text, "an access token", Lifetime::from_seconds(30 * DAY))
}

/// Reads how long a refresh token lives.
pub(super) fn refresh_token_ttl(text: &str) -> Result<Lifetime, Fault> {
    bounded(text, "a refresh token", Lifetime::from_seconds(3_650 * DAY))
}

/// Reads how long an authorization code lives: ten minutes at most (RFC 6749 section 4.1.2).
pub(super) fn code_ttl(text: &str) -> Result<Lifetime, Fault> {
    bounded(text, "an authorization code", Lifetime::from_seconds(600))
}

/// Reads how long a user stays signed in.
pub(super) fn session_ttl(text: &str) -> Result<Lifetime, Fault> {
    bounded(text, "a session", Lifetime::from_seconds(30 * DAY))
}

/// Reads what the deployment holds itself to.
pub(super) fn profile(text: &str) -> Result<Profile, Fault> {
    let found = Profile::ALL.iter().find(|profile| profile.name() == text);
    found.copied().ok_or_else(|| {
        let names: Vec<&str> = Profile::ALL.iter().map(|profile| profile.name()).collect();
        Fault::new(
            format!("{} is no profile", shown(text)),
            format!("write one of {}", names.join(", ")),
        )
    })
}

/// In seconds.
const DAY: u64 = 86_400;

fn bounded(text: &str, of_what: &str, longest: Lifetime) -> Result<Lifetime, Fault> {
    let lifetime = lifetime(text)?;
    if lifetime.seconds() > 0 && lifetime <= longest {
        return Ok(lifetime);
    }
    Err(Fault::new(
        format!("{} is no lifetime for {of_what}", shown(text)),
        format!("write a duration from 1s to {longest}"),
    ))
}

/// Reads a switch as flags, environment and file spell it.
pub(super) fn switch(text: &str) -> Result<bool, Fault> {
    match text {
        "true" | "on" | "1" => Ok(true),
        "false" | "off" | "0" => Ok(false),
        other => Err(Fault::new(
            format!("{} is neither on nor off", shown(other)),
            "write true or false (on, off, 1 and 0 do as well)",
        )),
    }
}

/// A choice among words.
macro_rules! choice {
    ($(#[$about:meta])* $name:ident, $what:literal, $($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)?) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$doc])* $variant),+
        }

        impl $name {
            /// Every choice, in the order of the manual.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word that stands for it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }

            /// Reads the word, which must be spelled exactly so.
            pub(super) fn parse(text: &str) -> Result<Self, Fault> {
                Self::ALL
                    .iter()
                    .copied()
                    .find(|choice| choice.as_str() == text)
                    .ok_or_else(|| {
                        let words: Vec<&str> =
                            Self::ALL.iter().map(|choice| choice.as_str()).collect();
                        Fault::new(
                            format!(concat!("{} is no ", $what), shown(text)),
                            format!("write one of {}", words.join(", ")),
                        )
                    })
            }
        }
    };
}

choice! {
    /// How the client certificate is written in its header.
    ClientCertEncoding, "encoding",
    /// By the value's first bytes.
    Auto = "auto",
    /// PEM on one line, as Apache sends it.
    Pem = "pem",
    /// PEM, percent-encoded, as nginx and AWS send it.
    EscapedPem = "escaped-pem",
    /// Base64 of the DER octets, as `HAProxy` and Caddy send it.
    Base64Der = "base64-der",
    /// Base64 of the PEM text.
    Base64Pem = "base64-pem",
    /// A structured field (RFC 9440).
    Rfc9440 = "rfc9440",
    /// Envoy's `X-Forwarded-Client-Cert`.
    Xfcc = "xfcc",
    /// Traefik's list, leaf first.
    Traefik = "traefik",
}

choice! {
    /// What access tokens are where the registration says nothing.
    AccessTokenFormat, "access token format",
    /// A signed JWT (RFC 9068).
    Jwt = "jwt",
    /// A random string that only introspection explains.
    Opaque = "opaque",
}

choice! {
    /// Whether answers come from memory while the store tells of every change.
    AnswerCache, "answer cache",
    /// They may.
    On = "on",
    /// The store is asked for each.
    Off = "off",
}

choice! {
    /// How the log is written.
    LogFormat, "log format",
    /// Lines for people.
    Text = "text",
    /// One JSON object a line.
    Json = "json",
}

choice! {
    /// How much is logged.
    LogLevel, "log level",
    /// Only what must be looked at.
    Error = "error",
    /// And what may not be as it was meant.
    Warn = "warn",
    /// And what happens.
    Info = "info",
    /// And why.
    Debug = "debug",
    /// And every step.
    Trace = "trace",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, octets) in [
            ("64k", 65_536),
            ("8192", 8_192),
            ("8k", 8_192),
            ("1m", 1 << 20),
        ] {
            assert_eq!(header_bytes(text).map(Size::octets), Ok(octets), "{text}");
        }
        for text in [
            "",
            "k",
            "64K",
            "64kb",
            "-1",
            "+64k",
            "6 4k",
            "8191",
            "7k",
            "2m",
            "0",
            "1.5m",
            "99999999999999999999k",
            "18446744073709551615m",
            "6é",
        ] {
            assert!(header_bytes(text).is_err(), "{text}");
        }
        for (octets, text) in [(0, "0"), (1_000, "1000"), (65_536, "64k"), (1 << 21, "2m")] {
            assert_eq!(Size(octets).to_string(), text);
        }
    }

    #[test]
    fn numbers_durations_switches() {
        assert_eq!(connections("4096"), Ok(4096));
        for text in ["0", "1000001", "4k", "", "-4"] {
            assert!(connections(text).is_err(), "{text}");
        }
        assert_eq!(access_token_ttl("1s").map(Lifetime::seconds), Ok(1));
        for text in ["0s", "31d", "600", "10 m", ""] {
            assert!(access_token_ttl(text).is_err(), "{text}");
        }
        for (parse, longest, beyond) in [
            (refresh_token_ttl as fn(&str) -> _, "3650d", "3651d"),
            (code_ttl, "10m", "601s"),
            (session_ttl, "30d", "31d"),
        ] {
            assert!(parse(longest).is_ok() && parse("1s").is_ok(), "{longest}");
            assert!(parse(beyond).is_err() && parse("0s").is_err(), "{beyond}");
        }
        assert_eq!(lifetime("0s").map(Lifetime::seconds), Ok(0));
        for (text, expected) in [
            ("true", true),
            ("on", true),
            ("1", true),
            ("false", false),
            ("off", false),
            ("0", false),
        ] {
            assert_eq!(switch(text), Ok(expected));
        }
        for text in ["", "yes", "TRUE", "2"] {
            assert!(switch(text).is_err(), "{text}");
        }
    }

    #[test]
    fn choices() {
        for choice in ClientCertEncoding::ALL {
            assert_eq!(ClientCertEncoding::parse(choice.as_str()), Ok(*choice));
        }
        let fault = LogLevel::parse("loud").expect_err("no level");
        assert_eq!(fault.problem, "loud is no log level");
        assert_eq!(fault.remedy, "write one of error, warn, info, debug, trace");
        assert!(AccessTokenFormat::parse("JWT").is_err());
        assert!(LogFormat::parse("").is_err());
        for choice in Profile::ALL {
            assert_eq!(profile(choice.name()), Ok(*choice));
        }
        let fault = profile("fapi").expect_err("no profile");
        assert_eq!(fault.remedy, "write one of oauth2, fapi2");
    }
}
