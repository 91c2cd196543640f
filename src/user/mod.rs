//! Who the resource owner is: local users (`users.json`), how they signed in, and how much that is worth.
//!
//! Nothing here signs anybody in: it says whether a password, a code or a certificate is a user's, and
//! what that counts for.

mod acr;
mod certificates;
pub mod claims;
mod file;
mod level;
pub mod password;
mod remark;
pub mod session;
pub mod throttle;
pub mod totp;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};
use unicode_normalization::{UnicodeNormalization as _, is_nfc};

use crate::client::belief::Belief;
use crate::oauth::time::Timestamp;
use crate::proxy::presented::Presented;

pub use acr::AcrMap;
use certificates::Certificates;
pub use certificates::NotMapped;
pub use file::Problem;
pub use level::{Factors, Levels, Method, NotALevel};
use password::PasswordHash;
pub use remark::Remark;
use totp::Totp;

/// A local user.
pub struct User {
    username: String,
    sub: String,
    claims: Map<String, Value>,
    password: Option<PasswordHash>,
    totp: Option<Totp>,
}

impl User {
    /// The name that the user signs in by, in Unicode's composed form (NFC).
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The subject of the user's tokens: 1 to 255 characters of printable ASCII.
    pub fn sub(&self) -> &str {
        &self.sub
    }

    /// What there is to say of the user (OpenID Connect Core section 5.1), protocol claims never among it.
    pub const fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// Whether the user has a password.
    pub const fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Whether the user has a second factor.
    pub const fn has_totp(&self) -> bool {
        self.totp.is_some()
    }

    /// The user's second factor.
    pub const fn totp(&self) -> Option<&Totp> {
        self.totp.as_ref()
    }
}

impl fmt::Debug for User {
    /// The name alone: neither hash nor secret, nor what is said of a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// Every local user.
#[derive(Default)]
pub struct Users {
    names: HashMap<String, Arc<User>>,
    subjects: HashMap<String, Arc<User>>,
    certificates: Certificates,
    /// Whose registered DN looks as if it were written in reverse, and how it would be right.
    reversed: Vec<(String, String)>,
    /// What passwords of nobody are hashed against.
    stand_in: PasswordHash,
}

impl Users {
    /// Reads a `users.json`.
    ///
    /// # Errors
    /// Everything that is wrong with it, with the line of the user; never with a hash or a secret.
    pub fn read(text: &str) -> Result<Self, Vec<Problem>> {
        file::read(text)
    }

    /// The user of that name, which is compared in NFC and else character by character.
    pub fn find(&self, username: &str) -> Option<&Arc<User>> {
        if is_nfc(username) {
            return self.names.get(username);
        }
        // Nobody's name is that long, however it is composed.
        if username.len() > 4 * LONGEST_NAME {
            return None;
        }
        let composed: String = username.nfc().collect();
        self.names.get(&composed)
    }

    /// The user whose tokens have that subject.
    pub fn by_sub(&self, sub: &str) -> Option<&Arc<User>> {
        self.subjects.get(sub)
    }

    /// The one user whose certificate was forwarded; nobody where none is registered with it.
    ///
    /// # Errors
    /// Somebody is registered with it, but it does not count: why, for the log.
    pub fn by_certificate(
        &self,
        presented: &Presented,
        belief: &Belief,
        now: Timestamp,
    ) -> Result<Option<&Arc<User>>, NotMapped> {
        self.certificates.find(presented, belief, now)
    }

    /// Whether that is the user's password, as [`password::verify`]; an unknown user costs what most users
    /// of this file cost.
    pub fn verify_password(
        &self,
        user: Option<&User>,
        password: &str,
        memory: &mut password::Memory,
    ) -> bool {
        password::verify_or(user, password, &self.stand_in, memory)
    }

    /// Whether anybody has a password.
    pub fn any_password(&self) -> bool {
        self.names.values().any(|user| user.has_password())
    }

    /// Whether anybody is known by a certificate.
    pub fn any_certificate(&self) -> bool {
        !self.certificates.is_empty()
    }

    /// Every user, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<User>> {
        self.names.values()
    }

    /// How many users there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// What an operator should know of users that are good in themselves: whom it is about, which member,
    /// what is weak and what to do. One line for each kind, naming the first few.
    pub fn remarks(&self) -> Vec<Remark> {
        remark::remarks(self)
    }
}

impl fmt::Debug for Users {
    /// How many there are: who they are is nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Users({})", self.names.len())
    }
}

/// The longest name of a user, in characters.
const LONGEST_NAME: usize = 256;
