//! Which of a client's keys is encrypted to, and why none of them is (RFC 7517 sections 4.2 to 4.4,
//! RFC 8725 section 3.10).

use serde_json::Value;

use super::algorithm::KeyManagement;
use super::recipient::EncryptionKey;
use crate::key::error::KeyError;
use crate::key::jwk::{JwkSet, MAX_KEYS, PublicJwk};
use crate::key::public::{Kind, PublicKey};

/// Keys of which it is said what is wrong with each; more would fill the screen.
const MAX_TOLD: usize = 8;

impl JwkSet {
    /// The owner's key to encrypt to by that algorithm: the first that fits with `use` `enc`, otherwise the
    /// first that fits without `use`; never one for signatures.
    ///
    /// A key fits that is of the kind that `alg` needs (RSA of 2048 to 8192 bits; EC on P-256, P-384 or P-521,
    /// or X25519), whose own `alg`, if there is one, is the same, and whose `key_ops`, if there are any, name
    /// `encrypt` or `wrapKey` (RSA), `deriveKey` or `deriveBits` (ECDH-ES).
    pub fn encryption_key(&self, alg: KeyManagement) -> Option<EncryptionKey> {
        let first = |usage: Option<&str>| {
            let keys = self.keys().iter().filter(|jwk| jwk.usage() == usage);
            keys.filter_map(|jwk| chosen(jwk, alg).ok()).next()
        };
        first(Some("enc")).or_else(|| first(None))
    }
}

/// Why no key of a set that somebody registers can be encrypted to by that algorithm, key by key, and what to
/// write instead; nothing where one can be.
///
/// `jwks` is the set as it was written, so that keys can be told of that are no keys at all.
pub fn unfit(jwks: &Value, alg: KeyManagement) -> Option<String> {
    let wanted = if alg.is_rsa() {
        "an RSA key of 2048 to 8192 bits"
    } else {
        "an EC key on P-256, P-384 or P-521, or an X25519 key (kty OKP),"
    };
    let instead = format!("add {wanted} with \"use\": \"enc\"");
    let entries = match jwks.get("keys").and_then(Value::as_array) {
        Some(entries) if entries.is_empty() => {
            return Some(format!("there is no key to encrypt to by {alg}: {instead}"));
        }
        Some(entries) => entries,
        None => {
            return Some(format!(
                "there is no key to encrypt to by {alg}: write {{\"keys\": [...]}}, and {instead}"
            ));
        }
    };
    let mut told = String::new();
    // A set with more keys is refused as a whole.
    for (at, entry) in entries.iter().take(MAX_KEYS).enumerate() {
        let why = match PublicJwk::parse(entry) {
            Ok(jwk) => match chosen(&jwk, alg) {
                Ok(_) => return None,
                Err(why) => why,
            },
            Err(KeyError::UnknownKeyType) => {
                "its kind is not known here (kty RSA, EC or OKP)".to_owned()
            }
            Err(error) => error.to_string(),
        };
        if at < MAX_TOLD {
            told.push_str(&format!("; key number {}: {why}", at + 1));
        }
    }
    if entries.len() > MAX_TOLD {
        told.push_str(&format!("; and {} more", entries.len() - MAX_TOLD));
    }
    Some(format!(
        "no key can be encrypted to by {alg}: {instead}{told}"
    ))
}

/// The key of that JWK for that algorithm, or what is wrong with it and what to write instead.
fn chosen(jwk: &PublicJwk, alg: KeyManagement) -> Result<EncryptionKey, String> {
    let key = jwk
        .key()
        .ok_or("it names a certificate, not a key: write the members of the key as well")?;
    if let Some(usage) = jwk.usage().filter(|usage| *usage != "enc") {
        return Err(format!(
            "\"use\" is {usage:?}: write \"enc\", but never for a key that signs as well"
        ));
    }
    if let Some(named) = jwk.algorithm().filter(|named| *named != alg.name()) {
        return Err(format!(
            "\"alg\" is {named:?}: write \"{alg}\" or leave it out"
        ));
    }
    let to =
        EncryptionKey::new(key, jwk.kid(), alg).ok_or_else(|| format!("it is {}", kind_of(key)))?;
    let (one, other) = if alg.is_rsa() {
        ("wrapKey", "encrypt")
    } else {
        ("deriveKey", "deriveBits")
    };
    let allows = |names: &[Box<str>]| names.iter().any(|name| **name == *one || **name == *other);
    if jwk.operations().is_none_or(allows) {
        Ok(to)
    } else {
        Err(format!(
            "\"key_ops\" does not have \"{one}\": add it, or leave \"key_ops\" out"
        ))
    }
}

/// What a key is, for whoever needs one of another kind.
fn kind_of(key: &PublicKey) -> String {
    match key.kind() {
        Kind::Rsa => "an RSA key".to_owned(),
        Kind::Ec(curve) => format!("an EC key on {}", curve.name()),
        Kind::Ed25519 => "an Ed25519 key, which only signs".to_owned(),
        Kind::X25519 => "an X25519 key".to_owned(),
    }
}
