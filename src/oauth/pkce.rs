//! Proof Key for Code Exchange (RFC 7636): the challenge that comes with the request, the verifier that
//! comes with the code.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// How a challenge follows from its verifier (RFC 7636 section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CodeChallengeMethod {
    /// It is the verifier; only for registrations that ask for it (RFC 7636 section 7.2).
    #[serde(rename = "plain")]
    Plain,
    /// It is the verifier's SHA-256.
    S256,
}

impl CodeChallengeMethod {
    /// Every method, the better one first.
    pub const ALL: &'static [Self] = &[Self::S256, Self::Plain];

    /// The registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::S256 => "S256",
        }
    }
}

impl std::str::FromStr for CodeChallengeMethod {
    type Err = PkceError;

    /// Reads a `code_challenge_method`; letters count as they are written.
    fn from_str(text: &str) -> Result<Self, PkceError> {
        let named = Self::ALL.iter().find(|method| method.name() == text);
        named.copied().ok_or(PkceError::Method)
    }
}

/// A `code_challenge` with its method, as the code carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct CodeChallenge {
    value: String,
    method: CodeChallengeMethod,
}

impl CodeChallenge {
    /// Takes 43 to 128 unreserved characters (RFC 7636 section 4.2).
    pub fn parse(text: &str, method: CodeChallengeMethod) -> Result<Self, PkceError> {
        if !is_proof_key(text) {
            return Err(PkceError::Challenge);
        }
        Ok(Self {
            value: text.to_owned(),
            method,
        })
    }

    /// The challenge that belongs to a verifier, as a client makes it.
    pub fn of(verifier: &CodeVerifier, method: CodeChallengeMethod) -> Self {
        let value = match method {
            CodeChallengeMethod::Plain => verifier.0.to_string(),
            CodeChallengeMethod::S256 => hashed(verifier),
        };
        Self { value, method }
    }

    /// Its method.
    pub const fn method(&self) -> CodeChallengeMethod {
        self.method
    }

    /// As it was sent.
    pub fn as_str(&self) -> &str {
        &self.value
    }

    /// Whether that is the verifier it was made from (RFC 7636 section 4.6); constant-time.
    pub fn verify(&self, verifier: &CodeVerifier) -> bool {
        match self.method {
            CodeChallengeMethod::Plain => {
                let (ours, theirs) = (self.value.as_bytes(), verifier.0.as_bytes());
                ours.ct_eq(theirs).into()
            }
            CodeChallengeMethod::S256 => {
                let theirs = hashed(verifier);
                self.value.as_bytes().ct_eq(theirs.as_bytes()).into()
            }
        }
    }
}

/// A challenge as records have it.
#[derive(Serialize, Deserialize)]
struct Written(String, CodeChallengeMethod);

impl From<CodeChallenge> for Written {
    fn from(challenge: CodeChallenge) -> Self {
        Self(challenge.value, challenge.method)
    }
}

impl TryFrom<Written> for CodeChallenge {
    type Error = PkceError;

    fn try_from(written: Written) -> Result<Self, PkceError> {
        Self::parse(&written.0, written.1)
    }
}

/// A `code_verifier`: printed by nothing, wiped when dropped.
pub struct CodeVerifier(Zeroizing<String>);

impl CodeVerifier {
    /// Takes 43 to 128 unreserved characters (RFC 7636 section 4.1).
    pub fn parse(text: &str) -> Result<Self, PkceError> {
        if !is_proof_key(text) {
            return Err(PkceError::Verifier);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for CodeVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeVerifier(…)")
    }
}

/// Why something is no proof key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PkceError {
    /// Neither `S256` nor `plain`.
    Method,
    /// Not 43 to 128 unreserved characters.
    Challenge,
    /// Not 43 to 128 unreserved characters.
    Verifier,
}

impl fmt::Display for PkceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "code_challenge_method is S256 or plain",
            Self::Challenge => "code_challenge is 43 to 128 characters of A-Z a-z 0-9 - . _ ~",
            Self::Verifier => "code_verifier is 43 to 128 characters of A-Z a-z 0-9 - . _ ~",
        })
    }
}

impl std::error::Error for PkceError {}

fn is_proof_key(text: &str) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    (43..=128).contains(&text.len()) && text.bytes().all(unreserved)
}

fn hashed(verifier: &CodeVerifier) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.0.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636 appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn verifier(text: &str) -> CodeVerifier {
        CodeVerifier::parse(text).expect("a verifier of this test")
    }

    #[test]
    fn the_vectors_of_rfc_7636() {
        let challenge = CodeChallenge::parse(CHALLENGE, CodeChallengeMethod::S256).expect("one");
        assert!(challenge.verify(&verifier(VERIFIER)));
        assert_eq!(
            CodeChallenge::of(&verifier(VERIFIER), CodeChallengeMethod::S256),
            challenge
        );
        let plain = CodeChallenge::parse(VERIFIER, CodeChallengeMethod::Plain).expect("one");
        assert!(plain.verify(&verifier(VERIFIER)));
        assert_eq!(
            CodeChallenge::of(&verifier(VERIFIER), CodeChallengeMethod::Plain),
            plain
        );
    }

    /// PK-05.
    #[test]
    fn a_wrong_verifier_is_wrong() {
        let challenge = CodeChallenge::parse(CHALLENGE, CodeChallengeMethod::S256).expect("one");
        let plain = CodeChallenge::parse(VERIFIER, CodeChallengeMethod::Plain).expect("one");
        let swapped = VERIFIER.to_ascii_uppercase();
        let longer = format!("{VERIFIER}A");
        for wrong in [CHALLENGE, &swapped, &longer] {
            assert!(!challenge.verify(&verifier(wrong)), "{wrong}");
            assert!(!plain.verify(&verifier(wrong)), "{wrong}");
        }
        assert!(!plain.verify(&verifier(CHALLENGE)));
    }

    /// PK-01.
    #[test]
    fn forty_three_to_a_hundred_and_twenty_eight_unreserved_characters() {
        let with = |last: &str| format!("{}{last}", "a".repeat(42));
        for (text, good) in [
            ("a".repeat(42), false),
            ("a".repeat(43), true),
            ("a".repeat(128), true),
            ("a".repeat(129), false),
            (String::new(), false),
            (with("~"), true),
            (with("."), true),
            (with(" "), false),
            (with("+"), false),
            (with("/"), false),
            (with("="), false),
            (with("é"), false),
            (with("\n"), false),
        ] {
            assert_eq!(CodeVerifier::parse(&text).is_ok(), good, "{text}");
            let challenge = CodeChallenge::parse(&text, CodeChallengeMethod::S256);
            assert_eq!(challenge.is_ok(), good, "{text}");
        }
    }

    /// PK-03: names are case-sensitive, and nothing else is a method.
    #[test]
    fn methods_by_name() {
        for method in CodeChallengeMethod::ALL {
            assert_eq!(method.name().parse(), Ok(*method));
        }
        for wrong in ["s256", "PLAIN", "S512", "", "S256 "] {
            let read: Result<CodeChallengeMethod, _> = wrong.parse();
            assert_eq!(read, Err(PkceError::Method), "{wrong}");
        }
    }

    /// PK-04: what the code carries comes back as it was, and nothing malformed comes back at all.
    #[test]
    fn a_challenge_survives_its_record() {
        let challenge = CodeChallenge::parse(CHALLENGE, CodeChallengeMethod::S256).expect("one");
        let written = serde_json::to_string(&challenge).expect("JSON");
        assert_eq!(written, format!("[\"{CHALLENGE}\",\"S256\"]"));
        assert_eq!(
            serde_json::from_str::<CodeChallenge>(&written).expect("a challenge"),
            challenge
        );
        assert!(serde_json::from_str::<CodeChallenge>("[\"short\",\"S256\"]").is_err());
        assert!(!format!("{:?}", verifier(VERIFIER)).contains(VERIFIER));
    }
}
