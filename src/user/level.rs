//! How a user signed in and how much that is worth: `amr` (RFC 8176) and levels of authentication.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::oauth::nearest::closest;

/// How a user signed in first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// By a password that was checked here.
    Password,
    /// The web server said who it is (`--user-header`).
    Header,
    /// By a certificate that the web server forwarded.
    Certificate,
}

/// All that a user showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Factors {
    /// How the user signed in first.
    pub method: Method,
    /// Whether a code of a second factor came as well (RFC 6238).
    pub totp: bool,
}

impl Factors {
    /// The `amr` values of RFC 8176 section 2. How the web server authenticated somebody is not known, so
    /// nothing is said of it.
    pub const fn amr(self) -> &'static [&'static str] {
        match (self.method, self.totp) {
            (Method::Password, false) => &["pwd"],
            (Method::Password, true) => &["pwd", "otp", "mfa"],
            (Method::Header, false) => &[],
            (Method::Header, true) => &["otp"],
            (Method::Certificate, false) => &["swk"],
            (Method::Certificate, true) => &["swk", "otp", "mfa"],
        }
    }
}

/// What each way of signing in is worth: the table `levels`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    levels: [u32; Self::KEYS.len()],
}

impl Levels {
    /// The highest level.
    pub const HIGHEST: u32 = 100;

    /// The keys of the table.
    pub const KEYS: [&'static str; 6] = [
        "password",
        "header",
        "certificate",
        "password_totp",
        "header_totp",
        "certificate_totp",
    ];

    /// Whether there is such a key.
    ///
    /// # Errors
    /// The key that is nearest to it.
    pub fn key(key: &str) -> Result<(), &'static str> {
        if Self::KEYS.contains(&key) {
            return Ok(());
        }
        Err(closest(key, Self::KEYS).unwrap_or(Self::KEYS[0]))
    }

    /// The same with another level under a key, which must be one.
    ///
    /// # Errors
    /// The level is above 100, or there is no such key.
    pub fn with(mut self, key: &str, level: u32) -> Result<Self, NotALevel> {
        let place = Self::KEYS.iter().position(|known| *known == key);
        let slot = place.and_then(|place| self.levels.get_mut(place));
        match slot {
            Some(slot) if level <= Self::HIGHEST => *slot = level,
            _ => return Err(NotALevel),
        }
        Ok(self)
    }

    /// What that is worth.
    pub const fn of(&self, factors: Factors) -> u32 {
        let method = match factors.method {
            Method::Password => 0,
            Method::Header => 1,
            Method::Certificate => 2,
        };
        self.levels[if factors.totp { method + 3 } else { method }]
    }
}

impl Default for Levels {
    fn default() -> Self {
        Self {
            levels: [1, 1, 2, 2, 2, 3],
        }
    }
}

/// What cannot be a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotALevel;

impl fmt::Display for NotALevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a level is a whole number from 0 to {}", Levels::HIGHEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Method; 3] = [Method::Password, Method::Header, Method::Certificate];

    #[test]
    fn every_way_has_its_level() {
        let mut levels = Levels::default();
        let of = |levels: &Levels| {
            [false, true].map(|totp| ALL.map(|method| levels.of(Factors { method, totp })))
        };
        assert_eq!(of(&levels), [[1, 1, 2], [2, 2, 3]]);
        for (key, level) in Levels::KEYS.iter().zip([10, 11, 12, 13, 14, 100]) {
            levels = levels.with(key, level).expect("a level");
            assert_eq!(Levels::key(key), Ok(()));
        }
        assert_eq!(of(&levels), [[10, 11, 12], [13, 14, 100]]);
        assert_eq!(levels.with("password", 101), Err(NotALevel));
        assert_eq!(levels.with("pasword", 1), Err(NotALevel));
        assert_eq!(Levels::key("certificate-totp"), Err("certificate_totp"));
    }

    #[test]
    fn a_second_factor_shows() {
        for method in ALL {
            let amr = |totp| Factors { method, totp }.amr();
            assert!(!amr(false).contains(&"otp") && !amr(false).contains(&"mfa"));
            assert!(amr(true).contains(&"otp"));
            assert_eq!(amr(true).contains(&"mfa"), method != Method::Header);
        }
    }

    #[test]
    fn sessions_keep_them() {
        let factors = Factors {
            method: Method::Certificate,
            totp: true,
        };
        let text = serde_json::to_string(&factors).expect("JSON");
        assert_eq!(text, r#"{"method":"certificate","totp":true}"#);
        assert_eq!(serde_json::from_str::<Factors>(&text).ok(), Some(factors));
    }
}
