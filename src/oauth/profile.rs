//! What a deployment holds itself to: OAuth 2.0 as it is, or the FAPI 2.0 Security Profile.

use std::fmt;

/// Which profile of OAuth 2.0 is in force, by `--profile`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// OAuth 2.0 and OpenID Connect, as far as each registration asks for more.
    #[default]
    OAuth2,
    /// Whatever the FAPI 2.0 Security Profile forbids is refused.
    Fapi2,
}

impl Profile {
    /// Every profile, in the order of the manual.
    pub const ALL: &'static [Self] = &[Self::OAuth2, Self::Fapi2];

    /// The word that stands for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OAuth2 => "oauth2",
            Self::Fapi2 => "fapi2",
        }
    }

    /// Whether it is the FAPI 2.0 Security Profile.
    pub const fn is_fapi2(self) -> bool {
        matches!(self, Self::Fapi2)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
