//! Public keys of others: JWK and JWK Set (RFC 7517).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::algorithm::VerificationAlgorithm;
use super::error::KeyError;
use super::json;
use super::public::{Curve, PublicKey};
use crate::cert::thumbprint::Thumbprint;

/// Keys in one set, at most.
pub(super) const MAX_KEYS: usize = 100;
/// Octets of a set as it is fetched, at most.
const MAX_SET_OCTETS: usize = 256 * 1024;
/// Certificates in one `x5c`, at most.
const MAX_CHAIN: usize = 16;
/// Octets of one certificate, at most.
const MAX_CERTIFICATE_OCTETS: usize = 64 * 1024;
/// Characters of a `kid`, at most.
const MAX_KID: usize = 512;
/// Entries of `key_ops`, at most; the registry has eight.
const MAX_OPERATIONS: usize = 16;

/// Members that only the owner of a key may know (RFC 7518 section 6, RFC 8037 section 2).
const PRIVATE_MEMBERS: &[&str] = &["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];
/// Members that make a public key.
const KEY_MEMBERS: &[&str] = &["n", "e", "crv", "x", "y"];

/// Somebody's public key, the certificate over it, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicJwk {
    key: Option<PublicKey>,
    kid: Option<Box<str>>,
    algorithm: Option<Box<str>>,
    usage: Option<Box<str>>,
    operations: Option<Vec<Box<str>>>,
    x5c: Vec<Vec<u8>>,
    x5t_s256: Option<Thumbprint>,
}

impl PublicJwk {
    /// Reads a JWK.
    ///
    /// Private and symmetric keys are refused. With `x5c` or `x5t#S256` the members of the key may
    /// be absent altogether: such a JWK names a certificate and verifies nothing. Whether the first
    /// certificate is over the key is not asked here; compare it with [`PublicKey::spki_der`].
    pub fn parse(value: &Value) -> Result<Self, KeyError> {
        let members = value
            .as_object()
            .ok_or(KeyError::Jwk("it is to be a JSON object"))?;
        let text = |name: &str, wrong: &'static str| match members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.as_str())),
            Some(_) => Err(KeyError::Jwk(wrong)),
        };
        for name in PRIVATE_MEMBERS {
            if members.contains_key(*name) {
                return Err(KeyError::PrivateMember(name));
            }
        }
        let kty =
            text("kty", "\"kty\" is to be a string")?.ok_or(KeyError::Jwk("\"kty\" is missing"))?;
        if kty == "oct" {
            return Err(KeyError::PrivateMember("k"));
        }
        let x5c = certificates(members.get("x5c"))?;
        let x5t_s256 = text("x5t#S256", WRONG_THUMBPRINT)?
            .map(str::parse::<Thumbprint>)
            .transpose()
            .map_err(|_| KeyError::Jwk(WRONG_THUMBPRINT))?;
        if let (Some(pinned), Some(leaf)) = (x5t_s256, x5c.first())
            && pinned != Thumbprint::of(leaf)
        {
            return Err(KeyError::Jwk(
                "\"x5t#S256\" is not the thumbprint of the first certificate in \"x5c\"",
            ));
        }
        let certified = !x5c.is_empty() || x5t_s256.is_some();
        let stated = KEY_MEMBERS.iter().any(|name| members.contains_key(*name));
        let key = match kty {
            "RSA" | "EC" | "OKP" if certified && !stated => None,
            _ => Some(public_key(kty, members)?),
        };
        let kid = text("kid", "\"kid\" is to be a string")?;
        if kid.is_some_and(|kid| kid.len() > MAX_KID) {
            return Err(KeyError::Jwk("\"kid\" is longer than 512 octets"));
        }
        let algorithm = text("alg", "\"alg\" is to be a string")?;
        let named = algorithm.and_then(|name| name.parse::<VerificationAlgorithm>().ok());
        if let (Some(key), Some(named)) = (&key, named)
            && !key.fits(named)
        {
            return Err(KeyError::Jwk("\"alg\" is for keys of another kind"));
        }
        Ok(Self {
            key,
            kid: kid.map(Into::into),
            algorithm: algorithm.map(Into::into),
            usage: text("use", "\"use\" is to be a string")?.map(Into::into),
            operations: operations(members.get("key_ops"))?,
            x5c,
            x5t_s256,
        })
    }

    /// The key; none where only a certificate is named.
    pub const fn key(&self) -> Option<&PublicKey> {
        self.key.as_ref()
    }

    /// `kid`, which means something only within its owner's set.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// `alg`, as it was written; it may be one for encryption or unknown here.
    pub fn algorithm(&self) -> Option<&str> {
        self.algorithm.as_deref()
    }

    /// `use`.
    pub fn usage(&self) -> Option<&str> {
        self.usage.as_deref()
    }

    /// `key_ops`, in its owner's order; none where the member is absent.
    pub fn operations(&self) -> Option<&[Box<str>]> {
        self.operations.as_deref()
    }

    /// The DER certificates of `x5c`, the one over this key first; empty where there is no `x5c`.
    pub fn x5c(&self) -> &[Vec<u8>] {
        &self.x5c
    }

    /// The thumbprint of the certificate that this JWK carries or pins; none for a key alone.
    pub fn certificate_thumbprint(&self) -> Option<Thumbprint> {
        let carried = self.x5c.first().map(|leaf| Thumbprint::of(leaf));
        self.x5t_s256.or(carried)
    }

    /// Whether signatures by that algorithm may be verified with it, by its kind and by `alg`, `use`
    /// and `key_ops` where they are there.
    pub fn may_verify(&self, algorithm: VerificationAlgorithm) -> bool {
        let operations = self.operations.as_ref();
        self.key.as_ref().is_some_and(|key| key.fits(algorithm))
            && self.algorithm().is_none_or(|name| name == algorithm.name())
            && self.usage().is_none_or(|usage| usage == "sig")
            && operations.is_none_or(|names| names.iter().any(|name| &**name == "verify"))
    }
}

/// The keys of one owner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JwkSet(Vec<PublicJwk>);

impl JwkSet {
    /// Reads a set that somebody registers: an unusable key is an error, so that they hear of it;
    /// only kinds of keys that are unknown here are skipped.
    pub fn registered(value: &Value) -> Result<Self, KeyError> {
        let members = value
            .as_object()
            .ok_or(KeyError::JwkSet("it is to be an object with \"keys\""))?;
        Self::read(members, |error| matches!(error, KeyError::UnknownKeyType))
    }

    /// Reads a set from where its owner publishes it: what cannot be used is skipped (RFC 7517
    /// section 5), so that one new kind of key there does not put the others out of use.
    pub fn fetched(octets: &[u8]) -> Result<Self, KeyError> {
        if octets.len() > MAX_SET_OCTETS {
            return Err(KeyError::JwkSet("it is larger than 256 KiB"));
        }
        let members = json::object(octets).ok_or(KeyError::JwkSet(
            "it is to be a JSON object with \"keys\", no member twice",
        ))?;
        Self::read(&members, |_| true)
    }

    fn read(
        members: &Map<String, Value>,
        skips: impl Fn(&KeyError) -> bool,
    ) -> Result<Self, KeyError> {
        let keys = members
            .get("keys")
            .and_then(Value::as_array)
            .ok_or(KeyError::JwkSet("\"keys\" is to be an array of JWKs"))?;
        if keys.len() > MAX_KEYS {
            return Err(KeyError::JwkSet("it has more than 100 keys"));
        }
        let read = keys.iter().map(PublicJwk::parse);
        read.filter(|jwk| !jwk.as_ref().is_err_and(&skips))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The keys, in their owner's order.
    pub fn keys(&self) -> &[PublicJwk] {
        &self.0
    }

    /// The keys that could have made a signature by that algorithm: those of that `kid` and those
    /// without one, or all where the signature does not name any.
    pub fn candidates<'a>(
        &'a self,
        kid: Option<&'a str>,
        algorithm: VerificationAlgorithm,
    ) -> impl Iterator<Item = &'a PublicJwk> {
        self.0.iter().filter(move |jwk| {
            let named = kid.is_none() || jwk.kid().is_none() || jwk.kid() == kid;
            named && jwk.may_verify(algorithm)
        })
    }
}

const WRONG_THUMBPRINT: &str = "\"x5t#S256\" is to be 43 characters of base64url";
const WRONG_CHAIN: &str =
    "\"x5c\" is to be an array of up to 16 certificates, each base64 (not base64url) of DER";

fn public_key(kty: &str, members: &Map<String, Value>) -> Result<PublicKey, KeyError> {
    let curve = || {
        let name = members.get("crv").and_then(Value::as_str);
        name.ok_or(KeyError::Jwk("\"crv\" is missing or not a string"))
    };
    let octets = |name: &str, wrong: &'static str| {
        let text = members.get(name).and_then(Value::as_str);
        text.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
            .ok_or(KeyError::Jwk(wrong))
    };
    match kty {
        "RSA" => PublicKey::rsa(
            &octets("n", "\"n\" is missing or not base64url")?,
            &octets("e", "\"e\" is missing or not base64url")?,
        ),
        "EC" => {
            let curve = match curve()? {
                "P-256" => Curve::P256,
                "P-384" => Curve::P384,
                "P-521" => Curve::P521,
                _ => return Err(KeyError::UnknownKeyType),
            };
            PublicKey::ec(
                curve,
                &octets("x", "\"x\" is missing or not base64url")?,
                &octets("y", "\"y\" is missing or not base64url")?,
            )
        }
        "OKP" => {
            let read = match curve()? {
                "Ed25519" => PublicKey::ed25519,
                "X25519" => PublicKey::x25519,
                _ => return Err(KeyError::UnknownKeyType),
            };
            read(&octets("x", "\"x\" is missing or not base64url")?)
        }
        _ => Err(KeyError::UnknownKeyType),
    }
}

fn certificates(x5c: Option<&Value>) -> Result<Vec<Vec<u8>>, KeyError> {
    let Some(value) = x5c else {
        return Ok(Vec::new());
    };
    let array = value.as_array().ok_or(KeyError::Jwk(WRONG_CHAIN))?;
    if array.is_empty() || array.len() > MAX_CHAIN {
        return Err(KeyError::Jwk(WRONG_CHAIN));
    }
    let read = |entry: &Value| {
        let text = entry.as_str()?;
        (text.len() <= MAX_CERTIFICATE_OCTETS / 3 * 4).then_some(())?;
        let der = STANDARD.decode(text).ok()?;
        (!der.is_empty()).then_some(der)
    };
    let chain: Option<_> = array.iter().map(read).collect();
    chain.ok_or(KeyError::Jwk(WRONG_CHAIN))
}

fn operations(value: Option<&Value>) -> Result<Option<Vec<Box<str>>>, KeyError> {
    const WRONG: KeyError = KeyError::Jwk("\"key_ops\" is to be an array of different strings");
    let Some(value) = value else {
        return Ok(None);
    };
    let array = value.as_array().ok_or(WRONG)?;
    let mut names: Vec<Box<str>> = Vec::new();
    for entry in array {
        let name = entry.as_str().ok_or(WRONG)?;
        if names.len() == MAX_OPERATIONS || names.iter().any(|known| &**known == name) {
            return Err(WRONG);
        }
        names.push(name.into());
    }
    Ok(Some(names))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// RFC 7638 section 3.1.
    const RFC_7638_N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
    /// RFC 8037 appendix A.2.
    const RFC_8037_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    /// RFC 7515 appendix A.3.
    const RFC_7515_X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    const RFC_7515_Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

    fn ec() -> Value {
        json!({"kty": "EC", "crv": "P-256", "x": RFC_7515_X, "y": RFC_7515_Y})
    }

    fn with(mut jwk: Value, name: &str, value: Value) -> Value {
        jwk[name] = value;
        jwk
    }

    #[test]
    fn thumbprints_of_the_rfcs() {
        for (jwk, thumbprint) in [
            (
                json!({"kty": "RSA", "n": RFC_7638_N, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}),
                "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
            ),
            (
                json!({"kty": "OKP", "crv": "Ed25519", "x": RFC_8037_X}),
                "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
            ),
        ] {
            let jwk = PublicJwk::parse(&jwk).expect("a JWK of an RFC");
            let key = jwk.key().expect("a key");
            assert_eq!(key.thumbprint().to_base64url(), thumbprint);
        }
    }

    #[test]
    fn what_a_jwk_may_be_used_for() {
        use VerificationAlgorithm as A;
        for (name, value, may) in [
            ("use", json!("sig"), true),
            ("use", json!("enc"), false),
            ("alg", json!("ES256"), true),
            ("alg", json!("ECDH-ES"), false),
            ("key_ops", json!(["verify"]), true),
            ("key_ops", json!(["encrypt"]), false),
            ("key_ops", json!([]), false),
            ("unknown", json!({"a": 1}), true),
        ] {
            let jwk = PublicJwk::parse(&with(ec(), name, value.clone())).expect("a JWK");
            assert_eq!(jwk.may_verify(A::Es256), may, "{name} {value}");
            assert!(!jwk.may_verify(A::Es384) && !jwk.may_verify(A::Rs256));
        }
    }

    #[test]
    fn what_is_no_jwk() {
        let short = &RFC_7515_X[..40];
        for (jwk, error) in [
            (with(ec(), "d", json!("x")), "private"),
            (with(ec(), "k", json!("x")), "private"),
            (json!({"kty": "oct", "k": "x"}), "private"),
            (json!({"kty": "oct"}), "private"),
            (with(ec(), "kty", json!("RSA")), "jwk"),
            (with(ec(), "crv", json!("secp256k1")), "unknown"),
            (with(ec(), "kty", json!("AKP")), "unknown"),
            (
                json!({"kty": "OKP", "crv": "X448", "x": RFC_8037_X}),
                "unknown",
            ),
            (json!({"kty": "OKP", "crv": "X25519", "x": "AA"}), "jwk"),
            (with(ec(), "crv", json!("P-384")), "jwk"),
            (with(ec(), "x", json!(short)), "jwk"),
            (with(ec(), "x", json!(RFC_7515_Y)), "jwk"),
            (with(ec(), "x", json!(format!("{RFC_7515_X}="))), "jwk"),
            (with(ec(), "alg", json!("ES384")), "jwk"),
            (with(ec(), "alg", json!(1)), "jwk"),
            (with(ec(), "kid", json!(1)), "jwk"),
            (with(ec(), "kid", json!("k".repeat(513))), "jwk"),
            (with(ec(), "use", json!(null)), "jwk"),
            (with(ec(), "key_ops", json!("verify")), "jwk"),
            (with(ec(), "key_ops", json!(["verify", "verify"])), "jwk"),
            (with(ec(), "x5c", json!([])), "jwk"),
            (with(ec(), "x5c", json!(["MII_"])), "jwk"),
            (with(ec(), "x5c", json!("MIIB")), "jwk"),
            (with(ec(), "x5t#S256", json!("abc")), "jwk"),
            (json!({"kty": "EC"}), "jwk"),
            (json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"}), "jwk"),
            (json!({}), "jwk"),
            (json!("EC"), "jwk"),
        ] {
            let got = match PublicJwk::parse(&jwk) {
                Err(KeyError::PrivateMember(_)) => "private",
                Err(KeyError::UnknownKeyType) => "unknown",
                Err(KeyError::Jwk(_)) => "jwk",
                other => panic!("{jwk}: {other:?}"),
            };
            assert_eq!(got, error, "{jwk}");
        }
    }

    #[test]
    fn certificates_carried_and_pinned() {
        let der = [0x30, 0x03, 0x02, 0x01, 0x01];
        let (carried, pinned) = (STANDARD.encode(der), Thumbprint::of(&der).to_string());
        for jwk in [
            json!({"kty": "EC", "x5c": [carried]}),
            json!({"kty": "RSA", "x5t#S256": pinned}),
            with(ec(), "x5c", json!([carried])),
            with(
                with(ec(), "x5c", json!([carried])),
                "x5t#S256",
                json!(pinned),
            ),
        ] {
            let read = PublicJwk::parse(&jwk).expect("a JWK with a certificate");
            assert_eq!(read.certificate_thumbprint(), Some(Thumbprint::of(&der)));
            assert_eq!(read.key().is_some(), jwk.get("x").is_some(), "{jwk}");
            let verifies = read.may_verify(VerificationAlgorithm::Es256);
            assert_eq!(verifies, jwk.get("x").is_some(), "{jwk}");
        }
        let other = Thumbprint::of(b"another").to_string();
        let torn = json!({"kty": "EC", "x5c": [carried], "x5t#S256": other});
        assert!(PublicJwk::parse(&torn).is_err());
        let half = json!({"kty": "EC", "crv": "P-256", "x5c": [carried]});
        assert!(PublicJwk::parse(&half).is_err());
        let alone = PublicJwk::parse(&ec()).expect("a JWK");
        assert_eq!(alone.certificate_thumbprint(), None);
    }

    #[test]
    fn sets_registered_and_fetched() {
        let future = json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"});
        let broken = json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"});
        let good = json!({"keys": [future, ec()], "more": 1});
        assert_eq!(JwkSet::registered(&good).map(|set| set.keys().len()), Ok(1));
        let mixed = json!({"keys": [broken, future, {"kty": "oct", "k": "AA"}, ec(), 1]});
        assert!(JwkSet::registered(&mixed).is_err());
        let octets = mixed.to_string().into_bytes();
        assert_eq!(JwkSet::fetched(&octets).map(|set| set.keys().len()), Ok(1));
        let many = json!({"keys": vec![ec(); 101]});
        assert!(JwkSet::registered(&many).is_err());
        for wrong in ["[]", "{}", r#"{"keys":1}"#, r#"{"keys":[],"keys":[]}"#] {
            assert!(JwkSet::fetched(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(JwkSet::fetched(&vec![b' '; MAX_SET_OCTETS + 1]).is_err());
    }

    #[test]
    fn candidates_by_kid() {
        let set = json!({"keys": [
            with(ec(), "kid", json!("a")),
            with(ec(), "kid", json!("b")),
            ec(),
            with(ec(), "use", json!("enc")),
        ]});
        let set = JwkSet::registered(&set).expect("a set");
        for (kid, count) in [(Some("a"), 2), (Some("c"), 1), (None, 3)] {
            let found = set.candidates(kid, VerificationAlgorithm::Es256).count();
            assert_eq!(found, count, "{kid:?}");
        }
    }
}
