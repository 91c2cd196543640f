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
            keys.map(|jwk| chosen(jwk, alg)).find_map(Result::ok)
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
    let entries = jwks.get("keys").and_then(Value::as_array);
    let Some(entries) = entries.filter(|entries| !entries.is_empty()) else {
        return Some(format!(
            "there is no key in \"keys\" to encrypt to by {alg}: {instead}"
        ));
    };
    let mut whys = Vec::new();
    // A set with more keys is refused as a whole.
    for entry in entries.iter().take(MAX_KEYS) {
        let read = match PublicJwk::parse(entry) {
            Ok(jwk) => chosen(&jwk, alg),
            Err(KeyError::UnknownKeyType) => Err("its kind is not known here".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        match read {
            Ok(_) => return None,
            Err(why) => whys.push(format!("; key number {}: {why}", whys.len() + 1)),
        }
    }
    let mut text = format!("no key can be encrypted to by {alg}: {instead}");
    text.extend(whys.iter().take(MAX_TOLD).map(String::as_str));
    if whys.len() > MAX_TOLD {
        text.push_str("; and more");
    }
    Some(text)
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// RFC 7638 section 3.1.
    const N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    /// RFC 7515 appendix A.3.
    const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
    /// RFC 8037 appendix A.6.
    const BOB: &str = "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08";

    fn rsa(more: &Value) -> Value {
        with(json!({"kty": "RSA", "n": N, "e": "AQAB"}), more)
    }

    fn ec(more: &Value) -> Value {
        with(json!({"kty": "EC", "crv": "P-256", "x": X, "y": Y}), more)
    }

    fn with(mut jwk: Value, more: &Value) -> Value {
        for (name, value) in more.as_object().expect("members") {
            jwk[name] = value.clone();
        }
        jwk
    }

    #[test]
    fn the_first_that_fits() {
        use KeyManagement as K;
        let named = |kid: &str| json!({"kid": kid});
        let of = |kid: &str, usage: &str| json!({"kid": kid, "use": usage});
        let okp = json!({"kty": "OKP", "crv": "X25519", "x": BOB, "kid": "okp"});
        for (alg, keys, kid) in [
            (K::EcdhEs, vec![ec(&named("a")), ec(&named("b"))], Some("a")),
            (
                K::EcdhEs,
                vec![ec(&named("a")), ec(&of("b", "enc"))],
                Some("b"),
            ),
            (
                K::EcdhEs,
                vec![ec(&of("a", "sig")), ec(&named("b"))],
                Some("b"),
            ),
            (
                K::EcdhEs,
                vec![ec(&of("a", "sig")), rsa(&of("b", "enc"))],
                None,
            ),
            (
                K::EcdhEsA128Kw,
                vec![rsa(&named("a")), okp.clone()],
                Some("okp"),
            ),
            (
                K::RsaOaep,
                vec![okp, ec(&named("a")), rsa(&named("b"))],
                Some("b"),
            ),
            (
                K::RsaOaep,
                vec![rsa(&json!({"kid": "a", "alg": "RSA1_5"}))],
                None,
            ),
            (
                K::Rsa1_5,
                vec![rsa(&json!({"kid": "a", "alg": "RSA1_5"}))],
                Some("a"),
            ),
            (K::Rsa1_5, vec![], None),
        ] {
            let jwks = json!({"keys": keys});
            let set = JwkSet::registered(&jwks).expect("a set");
            let found = set.encryption_key(alg);
            assert_eq!(
                found.as_ref().and_then(EncryptionKey::kid),
                kid,
                "{alg} {jwks}"
            );
            assert!(found.is_none_or(|key| key.alg() == alg));
            assert_eq!(unfit(&jwks, alg).is_none(), kid.is_some(), "{alg} {jwks}");
        }
    }

    #[test]
    fn what_key_ops_allow() {
        use KeyManagement as K;
        for (operations, for_rsa, for_ec) in [
            (json!(["encrypt"]), true, false),
            (json!(["wrapKey"]), true, false),
            (json!(["deriveKey"]), false, true),
            (json!(["deriveBits"]), false, true),
            (json!(["verify"]), false, false),
            (json!([]), false, false),
            (json!(["verify", "wrapKey", "deriveKey"]), true, true),
        ] {
            let more = json!({"key_ops": operations});
            let jwks = json!({"keys": [rsa(&more), ec(&more)]});
            let set = JwkSet::registered(&jwks).expect("a set");
            for (alg, fits) in [(K::RsaOaep256, for_rsa), (K::EcdhEs, for_ec)] {
                assert_eq!(set.encryption_key(alg).is_some(), fits, "{alg} {more}");
                assert_eq!(unfit(&jwks, alg).is_none(), fits, "{alg} {more}");
            }
        }
    }

    #[test]
    fn why_none_fits() {
        use KeyManagement as K;
        let der = [0x30, 0x03, 0x02, 0x01, 0x01];
        let pinned = crate::cert::Thumbprint::of(&der).to_string();
        let short = json!({"kty": "RSA", "n": "_".repeat(170) + "8", "e": "AQAB"});
        let off = ec(&json!({"y": X}));
        let signs = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        for (alg, jwks, says) in [
            (
                K::RsaOaep,
                json!({}),
                &["there is no key in \"keys\"", "add an RSA key"][..],
            ),
            (K::RsaOaep, json!([]), &["there is no key"]),
            (
                K::EcdhEs,
                json!({"keys": []}),
                &["there is no key", "add an EC key on P-256", "X25519"],
            ),
            (
                K::EcdhEs,
                json!({"keys": [ec(&json!({"use": "sig"}))]}),
                &["\"use\" is \"sig\": write \"enc\""],
            ),
            (
                K::EcdhEs,
                json!({"keys": [ec(&json!({"use": "sig"})), off]}),
                &[
                    "key number 1: \"use\"",
                    "key number 2: not a usable JWK",
                    "off its curve",
                ],
            ),
            (
                K::RsaOaep,
                json!({"keys": [short]}),
                &[
                    "2048 to 8192 bits",
                    "key number 1: not a usable JWK: an RSA key is to have 2048",
                ],
            ),
            (
                K::RsaOaep,
                json!({"keys": [ec(&json!({}))]}),
                &["key number 1: it is an EC key on P-256"],
            ),
            (
                K::EcdhEs,
                json!({"keys": [rsa(&json!({}))]}),
                &["key number 1: it is an RSA key"],
            ),
            (
                K::EcdhEs,
                json!({"keys": [signs]}),
                &["it is an Ed25519 key, which only signs"],
            ),
            (
                K::EcdhEs,
                json!({"keys": [ec(&json!({"alg": "ES256"}))]}),
                &["\"alg\" is \"ES256\": write \"ECDH-ES\""],
            ),
            (
                K::EcdhEs,
                json!({"keys": [ec(&json!({"key_ops": []}))]}),
                &["does not have \"deriveKey\": add it"],
            ),
            (
                K::RsaOaep,
                json!({"keys": [rsa(&json!({"key_ops": ["verify"]}))]}),
                &["does not have \"wrapKey\": add it"],
            ),
            (
                K::EcdhEs,
                json!({"keys": [{"kty": "AKP"}]}),
                &["its kind is not known here"],
            ),
            (
                K::EcdhEs,
                json!({"keys": [ec(&json!({"d": "AA"}))]}),
                &["private member \"d\""],
            ),
            (
                K::EcdhEs,
                json!({"keys": [{"kty": "EC", "x5t#S256": pinned}]}),
                &["names a certificate, not a key"],
            ),
            (
                K::EcdhEs,
                json!({"keys": vec![json!(1); 20]}),
                &["key number 8", "; and more"],
            ),
        ] {
            let text = unfit(&jwks, alg).expect("no key fits");
            for part in says {
                assert!(text.contains(part), "no {part} in: {text}");
            }
            assert!(
                !text.contains("key number 9") && text.len() < 1000,
                "{text}"
            );
        }
    }
}
