//! What can be wrong: with keys, which their owner should hear of (RFC 7517, RFC 7468), and with
//! tokens, which whoever sent them should not (RFC 7515, RFC 8725).

use std::fmt;

use super::algorithm::SigningAlgorithm;
use super::jwe::KeyManagement;

/// Why a key, a set of keys or a file of them was refused. Never holds any of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// A JWK that is not what RFC 7517 says.
    Jwk(&'static str),
    /// A JWK with a private or symmetric member, which must never have left its owner.
    PrivateMember(&'static str),
    /// A `kty` or curve that this server does not know; a set of keys skips it.
    UnknownKeyType,
    /// A JWK Set that is not one, or is too large.
    JwkSet(&'static str),
    /// A PEM file that does not hold one unencrypted PKCS#8 private key.
    Pem(&'static str),
    /// A PEM file with a private key in another form; what to run.
    NotPkcs8(&'static str),
    /// A line before the PEM block that does not say what it should.
    Preamble(&'static str),
    /// A private key that is damaged, of an unknown kind, or too weak.
    PrivateKey,
    /// The key is of another kind than its stated algorithm needs.
    WrongKind(SigningAlgorithm),
    /// The client's key was chosen for another `alg` than it is to be used with.
    NotChosenFor(KeyManagement),
    /// The set is full.
    TooMany,
    /// The key is in the set already.
    Duplicate,
    /// No key has that `kid`.
    NoSuchKey,
    /// Without this key nothing could be signed with its algorithm.
    LastOfItsAlgorithm(SigningAlgorithm),
    /// The stored form of a set of keys is not one.
    Stored(&'static str),
    /// The secret that keys are sealed under is too short.
    SecretTooShort,
    /// What was sealed does not open.
    Sealed(&'static str),
    /// The claims to be signed have no JSON form.
    Claims,
    /// The cryptographic library failed, which it does when there is no entropy or memory.
    Failed,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jwk(what) => write!(f, "not a usable JWK: {what}"),
            Self::PrivateMember(name) => write!(
                f,
                "the JWK has the private member \"{name}\": remove it, and replace the key, \
                 which others may have seen"
            ),
            Self::UnknownKeyType => f.write_str(
                "not a JWK of a known kind: use kty RSA, EC (P-256, P-384, P-521) or OKP (Ed25519, X25519)",
            ),
            Self::JwkSet(what) => write!(f, "not a usable JWK Set: {what}"),
            Self::Pem(what) => write!(f, "not a usable private key file: {what}"),
            Self::NotPkcs8(form) => write!(
                f,
                "the private key is in the {form} form: convert it with \
                 `openssl pkcs8 -topk8 -nocrypt -in FILE -out NEW-FILE`"
            ),
            Self::Preamble(what) => write!(f, "the lines before the private key: {what}"),
            Self::PrivateKey => f.write_str(
                "the private key cannot be used: it is to be RSA of 2048 to 8192 bits, \
                 EC on P-256 or Ed25519; `certbound keys generate` makes one",
            ),
            Self::WrongKind(algorithm) => write!(
                f,
                "the private key is not of the kind that {algorithm} needs: \
                 RS256 and PS256 take RSA, ES256 takes EC on P-256, EdDSA takes Ed25519"
            ),
            Self::NotChosenFor(alg) => write!(
                f,
                "the key to encrypt to was not chosen for {alg}: choose it with the same alg"
            ),
            Self::TooMany => f.write_str("there are 64 keys: retire some before adding another"),
            Self::Duplicate => {
                f.write_str("this key is there already: one key has one algorithm and one place")
            }
            Self::NoSuchKey => {
                f.write_str("no such key: `certbound keys list` shows the kid of each")
            }
            Self::LastOfItsAlgorithm(algorithm) => write!(
                f,
                "this is the last key that signs with {algorithm}: rotate it instead, \
                 or retire it with --force"
            ),
            Self::Stored(what) => write!(f, "the stored signing keys cannot be read: {what}"),
            Self::SecretTooShort => f.write_str(
                "the secret is shorter than 16 octets: make one with `openssl rand -base64 48`",
            ),
            Self::Sealed(what) => write!(f, "the stored signing keys do not open: {what}"),
            Self::Claims => f.write_str("the claims have no JSON form"),
            Self::Failed => f.write_str("the cryptographic library failed"),
        }
    }
}

impl std::error::Error for KeyError {}

/// Why a token was not accepted. For the log; outside all of them look alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwsError {
    /// It is larger than the limit.
    TooLarge,
    /// It is not three parts of base64url without padding; an encrypted one has five.
    NotCompact,
    /// The header is not a JSON object with `alg`, no member twice.
    Header,
    /// The header has a member that is refused.
    RefusedMember(&'static str),
    /// `alg` is none of those allowed, or not the key's.
    Algorithm,
    /// `typ` is that of another kind of token.
    Type,
    /// There is no key for it.
    NoKey,
    /// The signature is not the key's.
    Signature,
    /// The payload is not a JSON object, no member twice.
    Claims,
}

impl fmt::Display for JwsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("the token is too large"),
            Self::NotCompact => {
                f.write_str("not a signed token: three parts of base64url without padding")
            }
            Self::Header => f.write_str("the token's header is not a JSON object with an alg"),
            Self::RefusedMember(name) => write!(f, "the token's header has a \"{name}\""),
            Self::Algorithm => f.write_str("the token's alg is not allowed, or not its key's"),
            Self::Type => f.write_str("the token's typ is that of another kind of token"),
            Self::NoKey => f.write_str("there is no key that could have signed the token"),
            Self::Signature => f.write_str("the token's signature is wrong"),
            Self::Claims => f.write_str("the token's claims are not a JSON object"),
        }
    }
}

impl std::error::Error for JwsError {}
