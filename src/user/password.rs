//! Passwords of local users: argon2id (RFC 9106), as PHC strings.
//!
//! A password is compared as RFC 8265's `OpaqueString` has it: other spaces than U+0020 become that, and
//! the text is composed (NFC), for keyboards differ in how they send one and the same letter. Nothing else
//! is changed, and nothing is forbidden.

use std::fmt;
use std::hint::black_box;

use argon2::password_hash::phc::PasswordHash as PhcString;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use subtle::ConstantTimeEq as _;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::User;

/// The longest password, in octets.
pub const LONGEST: usize = 1024;

/// What new hashes cost: the first choice of OWASP's password storage rules for 19 MiB.
const NEW: Cost = Cost {
    memory: 19_456,
    passes: 2,
    lanes: 1,
};

/// What a hash may cost at most: 1 GiB, 16 passes, 16 lanes.
const MOST: Cost = Cost {
    memory: 1 << 20,
    passes: 16,
    lanes: 16,
};

/// What a hash should cost at least: memory in KiB with passes, any of these.
const ENOUGH: [(u32, u32); 5] = [
    (47_104, 1),
    (19_456, 2),
    (12_288, 3),
    (9_216, 4),
    (7_168, 5),
];

/// The octets of a new hash and of its salt.
const OUTPUT: usize = 32;

/// How many octets a stored hash has at least. PHC strings have 64 at most, and salts of 8 to 64.
const SHORTEST: usize = 16;

/// What hashing costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Cost {
    /// In KiB.
    memory: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// Whether guessing is dear enough.
    pub(super) fn is_enough(self) -> bool {
        let enough = |(memory, passes)| self.memory >= memory && self.passes >= passes;
        ENOUGH.into_iter().any(enough)
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m={},t={},p={}", self.memory, self.passes, self.lanes)
    }
}

/// Memory to hash in, to be used again and again: allocators keep what is given back for each thread apart, and
/// so many pieces of this size add up to gigabytes.
#[derive(Default)]
pub struct Memory(Vec<Block>);

impl Memory {
    /// How many blocks of 1 KiB are kept from one password to the next: enough for new hashes and for dearer ones,
    /// but not for the dearest that are read.
    const KEPT: usize = 64 * 1024;

    /// That many blocks, whatever is in them.
    fn of(&mut self, blocks: usize) -> &mut [Block] {
        if self.0.len() < blocks {
            // The old ones go first, and are not copied.
            self.0 = Vec::new();
            self.0.resize(blocks, Block::default());
        }
        &mut self.0[..blocks]
    }

    /// Gives back what is too much to keep.
    pub fn shrink(&mut self) {
        if self.0.len() > Self::KEPT {
            self.0 = Vec::new();
        }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({} KiB)", self.0.len())
    }
}

/// A hash that passwords can be compared with.
#[derive(Clone)]
pub(super) struct PasswordHash {
    params: Params,
    cost: Cost,
    salt: Box<[u8]>,
    hash: Box<[u8]>,
}

impl PasswordHash {
    /// Reads a PHC string.
    pub(super) fn parse(text: &str) -> Result<Self, HashError> {
        let phc = PhcString::new(text).map_err(|_| HashError::Syntax)?;
        if phc.algorithm.as_str() != "argon2id" {
            return Err(HashError::Algorithm);
        }
        if phc.version != Some(0x13) {
            return Err(HashError::Version);
        }
        let number = |name: &str| phc.params.get_decimal(name);
        let (Some(memory), Some(passes), Some(lanes), 3) = (
            number("m"),
            number("t"),
            number("p"),
            phc.params.iter().count(),
        ) else {
            return Err(HashError::Parameters);
        };
        let cost = Cost {
            memory,
            passes,
            lanes,
        };
        if memory > MOST.memory || passes > MOST.passes || lanes > MOST.lanes {
            return Err(HashError::TooDear(cost));
        }
        let (Some(salt), Some(hash)) = (phc.salt, phc.hash) else {
            return Err(HashError::Syntax);
        };
        if hash.len() < SHORTEST {
            return Err(HashError::TooShort);
        }
        Ok(Self {
            params: cost.params(hash.len()).ok_or(HashError::Parameters)?,
            cost,
            salt: salt.as_ref().into(),
            hash: hash.as_bytes().into(),
        })
    }

    /// A hash of that cost that is nobody's.
    pub(super) fn stand_in(cost: Cost) -> Option<Self> {
        Some(Self {
            params: cost.params(OUTPUT)?,
            cost,
            salt: [0; 16].into(),
            hash: [0; OUTPUT].into(),
        })
    }

    /// What comparing costs.
    pub(super) const fn cost(&self) -> Cost {
        self.cost
    }

    /// Whether it is the hash of that password, which takes the time and memory that it is to take.
    fn is_of(&self, password: &str, memory: &mut Memory) -> bool {
        let mut found = Zeroizing::new(vec![0; self.hash.len()]);
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone());
        let prepared = prepared(password);
        let blocks = memory.of(self.params.block_count());
        let hashed = argon2.hash_password_into_with_memory(
            prepared.as_bytes(),
            &self.salt,
            &mut found,
            blocks,
        );
        hashed.is_ok() && found.ct_eq(&self.hash).into()
    }
}

impl Default for PasswordHash {
    /// Nobody's, at the cost of new ones.
    fn default() -> Self {
        let params = Params::new(NEW.memory, NEW.passes, NEW.lanes, Some(OUTPUT));
        Self {
            // The crate's own default is that cost, too.
            params: params.unwrap_or_default(),
            cost: NEW,
            salt: [0; 16].into(),
            hash: [0; OUTPUT].into(),
        }
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PasswordHash({}, …)", self.cost)
    }
}

impl Cost {
    fn params(self, output: usize) -> Option<Params> {
        Params::new(self.memory, self.passes, self.lanes, Some(output)).ok()
    }
}

/// Whether that is the user's password. It takes a core some hundredths of a second and 19 MiB or what
/// the user's hash asks for; for nobody, and for a user without a password, what a new hash takes.
///
/// A password above 1024 octets is nobody's and costs nothing, whoever the user is.
pub fn verify(user: Option<&User>, password: &str) -> bool {
    let stand_in = PasswordHash::default();
    verify_or(user, password, &stand_in, &mut Memory::default())
}

/// The same with what is hashed for whoever has no password.
pub(super) fn verify_or(
    user: Option<&User>,
    password: &str,
    stand_in: &PasswordHash,
    memory: &mut Memory,
) -> bool {
    if password.is_empty() || password.len() > LONGEST {
        return false;
    }
    let known = user.and_then(|user| user.password.as_ref());
    let same = black_box(known.unwrap_or(stand_in)).is_of(password, memory);
    // What a stand-in is the hash of is nobody's password.
    black_box(same) & known.is_some()
}

/// Hashes a new password with that salt, which must be new as well: the PHC string for `password_hash`.
///
/// # Errors
/// The password cannot be one.
pub fn hash(password: &str, salt: [u8; 16]) -> Result<String, NotAPassword> {
    if password.is_empty() {
        return Err(NotAPassword::Empty);
    }
    if password.len() > LONGEST {
        return Err(NotAPassword::TooLong);
    }
    if password.contains(char::is_control) {
        return Err(NotAPassword::Control);
    }
    let params = NEW.params(OUTPUT).ok_or(NotAPassword::NotHashed)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut hash = [0; OUTPUT];
    argon2
        .hash_password_into(prepared(password).as_bytes(), &salt, &mut hash)
        .map_err(|_| NotAPassword::NotHashed)?;
    Ok(format!(
        "$argon2id$v=19${NEW}${}${}",
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(hash)
    ))
}

/// The password as it is compared (RFC 8265 section 4.2.2).
fn prepared(password: &str) -> Zeroizing<String> {
    let space = |character: char| match character {
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => {
            ' '
        }
        other => other,
    };
    if password.is_ascii() {
        return Zeroizing::new(password.to_owned());
    }
    Zeroizing::new(password.chars().map(space).nfc().collect())
}

/// Why a text is no hash to compare passwords with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HashError {
    Syntax,
    Algorithm,
    Version,
    Parameters,
    TooShort,
    TooDear(Cost),
}

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax => f.write_str(
                "not a PHC string; write what certbound user hash-password prints",
            ),
            Self::Algorithm => f.write_str(
                "only argon2id counts; write what certbound user hash-password prints",
            ),
            Self::Version => f.write_str(
                "only version 19 of argon2 counts (v=19); write what certbound user hash-password prints",
            ),
            Self::Parameters => f.write_str(
                "argon2id has the parameters m, t and p, m at least eight times p; write what certbound user hash-password prints",
            ),
            Self::TooShort => f.write_str(
                "the hash is too short; write one of 16 octets or more",
            ),
            Self::TooDear(cost) => write!(
                f,
                "{cost} would let anybody keep this server busy; write a hash of at most {MOST}"
            ),
        }
    }
}

/// Why a text cannot be a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAPassword {
    /// There is nothing.
    Empty,
    /// It is above 1024 octets.
    TooLong,
    /// It holds a character that no form can send, such as a line's end.
    Control,
    /// There was not enough memory for it, or the like.
    NotHashed,
}

impl fmt::Display for NotAPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the password is empty: write at least one character"),
            Self::TooLong => write!(
                f,
                "the password is too long: write at most {LONGEST} octets"
            ),
            Self::Control => f.write_str(
                "the password has a control character in it: write it on one line, without tabs",
            ),
            Self::NotHashed => f.write_str("the password could not be hashed: try again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `argon2.hash_password` of the reference implementation over "password" and "somesalt".
    const REFERENCE: &str =
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    fn user(hash: &str) -> User {
        User {
            username: "alice".into(),
            sub: "alice".into(),
            claims: serde_json::Map::new(),
            password: Some(PasswordHash::parse(hash).expect("a hash of this table")),
            totp: None,
        }
    }

    #[test]
    fn the_reference_implementation_agrees() {
        let alice = user(REFERENCE);
        assert!(verify(Some(&alice), "password"));
        assert!(!verify(Some(&alice), "Password"));
        assert!(
            !alice
                .password
                .as_ref()
                .is_some_and(|hash| hash.cost.is_enough())
        );
    }

    #[test]
    fn what_is_hashed_here_is_verified_here() {
        let hashed = hash("cr\u{e8}me\u{a0}br\u{fb}l\u{e9}e", [7; 16]).expect("a password");
        assert!(
            hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hashed}"
        );
        let alice = user(&hashed);
        assert!(
            alice
                .password
                .as_ref()
                .is_some_and(|hash| hash.cost.is_enough())
        );
        assert!(verify(Some(&alice), "cre\u{300}me bru\u{302}le\u{301}e"));
        assert!(!verify(Some(&alice), "creme brulee"));
        assert!(!verify(Some(&alice), ""));
        assert_ne!(hash("x", [1; 16]), hash("x", [2; 16]));
    }

    #[test]
    fn nobody_has_a_password() {
        let nobody = User {
            password: None,
            ..user(REFERENCE)
        };
        // Memory that was used before, for less and for more, is as good as new.
        let mut memory = Memory::default();
        let cheap = PasswordHash::stand_in(Cost {
            memory: 64,
            passes: 1,
            lanes: 1,
        });
        let alice = user(REFERENCE);
        for stand_in in [cheap.expect("a cost"), PasswordHash::default()] {
            assert!(!verify_or(None, "password", &stand_in, &mut memory));
            assert!(verify_or(Some(&alice), "password", &stand_in, &mut memory));
            memory.shrink();
        }
        assert!(!verify(None, "password"));
        assert!(!verify(Some(&nobody), "password"));
        let long = "x".repeat(LONGEST + 1);
        assert!(!verify(None, &long));
        // What is hashed for nobody costs what new hashes cost.
        let fresh = hash("x", [0; 16]).expect("a password");
        let fresh = PasswordHash::parse(&fresh).expect("a hash");
        assert_eq!(PasswordHash::default().cost, fresh.cost);
        assert_eq!(PasswordHash::default().hash.len(), fresh.hash.len());
    }

    #[test]
    fn what_cannot_be_a_password() {
        for (password, why) in [
            (String::new(), NotAPassword::Empty),
            ("x".repeat(LONGEST + 1), NotAPassword::TooLong),
            ("a\nb".into(), NotAPassword::Control),
            ("a\tb".into(), NotAPassword::Control),
        ] {
            assert_eq!(hash(&password, [0; 16]), Err(why));
        }
    }

    #[test]
    fn hashes_that_are_refused() {
        let long = "A".repeat(86);
        let salt = "c29tZXNhbHQ";
        let hash = "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        for (text, error) in [
            (String::new(), HashError::Syntax),
            ("hunter2".into(), HashError::Syntax),
            (
                format!("$argon2i$v=19$m=256,t=2,p=1${salt}${hash}"),
                HashError::Algorithm,
            ),
            (
                format!("$2b$v=19$m=256,t=2,p=1${salt}${hash}"),
                HashError::Algorithm,
            ),
            (
                format!("$argon2id$v=16$m=256,t=2,p=1${salt}${hash}"),
                HashError::Version,
            ),
            (
                format!("$argon2id$m=256,t=2,p=1${salt}${hash}"),
                HashError::Version,
            ),
            (
                format!("$argon2id$v=19$m=256,t=2${salt}${hash}"),
                HashError::Parameters,
            ),
            (
                format!("$argon2id$v=19$m=256,t=2,p=1,x=1${salt}${hash}"),
                HashError::Parameters,
            ),
            (
                format!("$argon2id$v=19$m=256,t=0,p=1${salt}${hash}"),
                HashError::Parameters,
            ),
            (
                format!("$argon2id$v=19$m=16,t=2,p=4${salt}${hash}"),
                HashError::Parameters,
            ),
            (
                format!("$argon2id$v=19$m=256,t=2,p=1${salt}"),
                HashError::Syntax,
            ),
            (
                format!("$argon2id$v=19$m=256,t=2,p=1$c2FsdA${hash}"),
                HashError::Syntax,
            ),
            (
                format!("$argon2id$v=19$m=256,t=2,p=1${salt}$AAAAAAAAAAAAAAAA"),
                HashError::TooShort,
            ),
        ] {
            assert_eq!(PasswordHash::parse(&text).err(), Some(error), "{text}");
        }
        for dear in ["m=1048577,t=2,p=1", "m=19456,t=17,p=1", "m=19456,t=2,p=17"] {
            let text = format!("$argon2id$v=19${dear}${salt}${hash}");
            let error = PasswordHash::parse(&text).err();
            assert!(matches!(error, Some(HashError::TooDear(_))), "{dear}");
        }
        let most = format!("$argon2id$v=19$m=1048576,t=16,p=16${salt}${long}");
        let hash = PasswordHash::parse(&most).expect("at the limits");
        assert!(!format!("{hash:?}").contains("AAAA"));
    }

    #[test]
    fn what_is_enough() {
        for (memory, passes, enough) in [
            (19_456, 2, true),
            (19_455, 2, false),
            (47_104, 1, true),
            (47_103, 1, false),
            (7_168, 5, true),
            (7_167, 16, false),
            (65_536, 3, true),
        ] {
            let lanes = 1;
            let cost = Cost {
                memory,
                passes,
                lanes,
            };
            assert_eq!(cost.is_enough(), enough, "{cost}");
        }
    }
}
