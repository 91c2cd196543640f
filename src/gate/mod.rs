//! Guarding a protected resource: what a request must show to be let through (RFC 6750, RFC 8705
//! section 3, RFC 9470).
//!
//! One decision for every way in which it is asked: [`credential`] finds what a request shows, [`facts`]
//! is what is known of a token whoever issued it, [`decide`] holds the one against the other, and
//! [`identity`] or [`Refused`] is what comes of it.

pub mod credential;
pub mod decide;
pub mod facts;
pub mod identity;
mod refused;
pub mod session;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::oauth::scope::Scope;
use crate::oauth::time::Lifetime;

pub use refused::{Refused, Why};
use session::Sessions;

/// How much a gate asks of the bearer of a token (RFC 8705 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofOfPossession {
    /// Nothing: what the token is bound to is not looked at.
    Off,
    /// The certificate, where the token is bound to one.
    Optional,
    /// A bound token and its certificate.
    Strict,
}

/// How a request may be authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// By a JWT that is verified here (RFC 9068).
    Bearer,
    /// By a token whose issuer is asked (RFC 7662).
    Introspection,
    /// By a cookie that one of the others earned.
    Session,
}

/// A name that says what it is.
macro_rules! named {
    ($type:ident, $($variant:ident = $name:literal),+) => {
        impl $type {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// As it is written in the configuration.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),+
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

named!(
    ProofOfPossession,
    Off = "off",
    Optional = "optional",
    Strict = "strict"
);
named!(
    AuthMethod,
    Bearer = "bearer",
    Introspection = "introspection",
    Session = "session"
);

/// The name of a gate: letters, digits, `-` and `_`, so that it needs no quoting in a header, a path or
/// the name of a cookie.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GateName(Box<str>);

/// The longest name.
const LONGEST_NAME: usize = 64;

impl GateName {
    /// The gate that `verify` asks where nobody names one.
    pub const DEFAULT: &'static str = "default";

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for GateName {
    type Err = NotAGateName;

    fn from_str(text: &str) -> Result<Self, NotAGateName> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text.into()))
        } else {
            Err(NotAGateName)
        }
    }
}

/// Text that cannot be the name of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAGateName;

impl fmt::Display for NotAGateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a gate's name is 1 to 64 letters, digits, - and _")
    }
}

impl std::error::Error for NotAGateName {}

/// What an operator wants of a gate, before it is known to go together.
#[derive(Debug)]
pub struct Rules {
    /// Its name, which is also its realm.
    pub name: GateName,
    /// What the bearer has to prove.
    pub proof: ProofOfPossession,
    /// How a request may be authenticated.
    pub methods: Vec<AuthMethod>,
    /// Whose tokens are taken, each an issuer identifier.
    pub issuers: Vec<Box<str>>,
    /// Of which one must be among the token's; any will do where there is none.
    pub audience: Vec<String>,
    /// All of which the token must have.
    pub scopes: Scope,
    /// The authentication context class that the user must have reached at least (RFC 9470).
    pub acr: Option<String>,
    /// Which class counts how much; what is not there equals only itself.
    pub levels: BTreeMap<String, u32>,
    /// How long ago the user may have authenticated (RFC 9470).
    pub max_age: Option<Lifetime>,
    /// Makes and reads the cookies of sessions.
    pub sessions: Option<Sessions>,
}

/// A gate that can be asked.
#[derive(Debug)]
pub struct Gate(Rules);

impl Gate {
    /// Takes rules that go together.
    ///
    /// # Errors
    /// A session that nothing can earn or seal; no method or no issuer at all.
    pub fn new(rules: Rules) -> Result<Self, Contradiction> {
        let on = |method| rules.methods.contains(&method);
        if rules.issuers.is_empty() {
            return Err(Contradiction::NoIssuer);
        }
        if !on(AuthMethod::Bearer) && !on(AuthMethod::Introspection) {
            return Err(if on(AuthMethod::Session) {
                Contradiction::SessionAlone
            } else {
                Contradiction::NoMethod
            });
        }
        match (on(AuthMethod::Session), rules.sessions.is_some()) {
            (true, false) => Err(Contradiction::SessionWithoutSecret),
            (false, true) => Err(Contradiction::SecretWithoutSession),
            _ => Ok(Self(rules)),
        }
    }

    /// Its name.
    pub const fn name(&self) -> &GateName {
        &self.0.name
    }

    /// What it asks.
    pub const fn rules(&self) -> &Rules {
        &self.0
    }

    /// Whether it lets that method authenticate a request.
    pub fn takes(&self, method: AuthMethod) -> bool {
        self.0.methods.contains(&method)
    }

    /// Its sessions, if it has any.
    pub const fn sessions(&self) -> Option<&Sessions> {
        self.0.sessions.as_ref()
    }

    /// Whether it takes tokens of that issuer; exactly that one (RFC 9068 section 4).
    pub fn trusts(&self, issuer: &str) -> bool {
        self.0.issuers.iter().any(|known| **known == *issuer)
    }
}

/// Rules that do not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contradiction {
    /// Nobody's tokens are taken.
    NoIssuer,
    /// Nothing authenticates a request.
    NoMethod,
    /// A session that no other method could earn.
    SessionAlone,
    /// A session whose cookies nothing seals.
    SessionWithoutSecret,
    /// A secret for sessions that there are none of.
    SecretWithoutSession,
}

impl Contradiction {
    /// What is wrong.
    pub const fn problem(self) -> &'static str {
        match self {
            Self::NoIssuer => "no issuer's tokens are taken, so nobody could pass",
            Self::NoMethod => "no method authenticates a request, so nobody could pass",
            Self::SessionAlone => "a session alone cannot begin: nothing could earn its cookie",
            Self::SessionWithoutSecret => "nothing seals the cookies of its sessions",
            Self::SecretWithoutSession => {
                "a session_secret_file without the method session does nothing"
            }
        }
    }

    /// What to write instead.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::NoIssuer => {
                "name an issuer, or leave issuers out to take this server's own tokens"
            }
            Self::NoMethod => "write auth_methods = [\"bearer\", \"introspection\"]",
            Self::SessionAlone => "add bearer or introspection to auth_methods",
            Self::SessionWithoutSecret => {
                "set session_secret_file, a file made with: openssl rand -hex 32"
            }
            Self::SecretWithoutSession => "add session to auth_methods, or leave the file out",
        }
    }
}

#[cfg(test)]
pub(crate) mod fixtures {
    use super::*;

    /// Strict, bearer and introspection, one issuer, any audience.
    pub(crate) fn rules(name: &str) -> Rules {
        Rules {
            name: name.parse().expect("a name"),
            proof: ProofOfPossession::Strict,
            methods: vec![AuthMethod::Bearer, AuthMethod::Introspection],
            issuers: vec!["https://as.example.com".into()],
            audience: Vec::new(),
            scopes: Scope::default(),
            acr: None,
            levels: BTreeMap::new(),
            max_age: None,
            sessions: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fixtures::rules;
    use super::*;

    #[test]
    fn names() {
        for good in ["default", "a", "Orders-2_x", &"x".repeat(64)] {
            assert!(good.parse::<GateName>().is_ok(), "{good}");
        }
        for wrong in ["", "a b", "a/b", "a\"", "ä", "a.b", "a\n", &"x".repeat(65)] {
            assert_eq!(wrong.parse::<GateName>(), Err(NotAGateName), "{wrong}");
        }
    }

    #[test]
    fn what_does_not_go_together() {
        use AuthMethod::{Bearer, Introspection, Session};
        let sessions = || Sessions::new(["0123456789abcdef0123456789abcdef"]).ok();
        for (methods, sessions, expected) in [
            (vec![Bearer], None, None),
            (vec![Introspection], None, None),
            (vec![Bearer, Session], sessions(), None),
            (vec![], None, Some(Contradiction::NoMethod)),
            (vec![Session], sessions(), Some(Contradiction::SessionAlone)),
            (
                vec![Bearer, Session],
                None,
                Some(Contradiction::SessionWithoutSecret),
            ),
            (
                vec![Bearer],
                sessions(),
                Some(Contradiction::SecretWithoutSession),
            ),
        ] {
            let gate = Gate::new(Rules {
                methods: methods.clone(),
                sessions,
                ..rules("a")
            });
            assert_eq!(gate.err(), expected, "{methods:?}");
        }
        let nobody = Rules {
            issuers: Vec::new(),
            ..rules("a")
        };
        assert_eq!(Gate::new(nobody).err(), Some(Contradiction::NoIssuer));
    }
}
