//! A signing key of this server: parsed once, one algorithm, named by its thumbprint (RFC 7638).

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::algorithm::SigningAlgorithm;
use super::error::KeyError;
use super::public::{Curve, PublicKey};

/// The `typ` values whose headers are written when the key is read, not when a token is.
const PREPARED: [&str; 4] = ["at+jwt", "JWT", "token-introspection+jwt", "logout+jwt"];

/// The octets of an ES256 or Ed25519 signature.
const SHORT: usize = 64;

/// What a dot and one of those take in base64url, and then some.
const ROOM: usize = 96;

/// A private key with the one algorithm that it is used with.
pub struct SigningKey {
    pair: Pair,
    algorithm: SigningAlgorithm,
    kid: Box<str>,
    public: PublicKey,
    headers: [Box<str>; PREPARED.len()],
}

enum Pair {
    Ec(EcdsaKeyPair),
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// Makes a key: P-256, RSA with 2048 bits (which takes tens of milliseconds), or Ed25519.
    pub fn generate(algorithm: SigningAlgorithm) -> Result<Self, KeyError> {
        let pair = match algorithm {
            SigningAlgorithm::Es256 => {
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Pair::Ec)
            }
            SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => {
                RsaKeyPair::generate(KeySize::Rsa2048).map(Pair::Rsa)
            }
            SigningAlgorithm::EdDsa => Ed25519KeyPair::generate().map(Pair::Ed25519),
        };
        Self::new(pair.map_err(|_| KeyError::Failed)?, algorithm)
    }

    /// Reads DER PKCS#8. Without an algorithm the kind decides: RSA means RS256, P-256 means ES256,
    /// Ed25519 means `EdDSA`.
    pub fn from_pkcs8(pkcs8: &[u8], algorithm: Option<SigningAlgorithm>) -> Result<Self, KeyError> {
        let ec = || EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map(Pair::Ec);
        let ed25519 = || Ed25519KeyPair::from_pkcs8(pkcs8).map(Pair::Ed25519);
        let rsa = || RsaKeyPair::from_pkcs8(pkcs8).map(Pair::Rsa);
        let pair = ec().or_else(|_| ed25519()).or_else(|_| rsa());
        let pair = pair.map_err(|_| KeyError::PrivateKey)?;
        let usual = match &pair {
            Pair::Ec(_) => SigningAlgorithm::Es256,
            Pair::Rsa(_) => SigningAlgorithm::Rs256,
            Pair::Ed25519(_) => SigningAlgorithm::EdDsa,
        };
        Self::new(pair, algorithm.unwrap_or(usual))
    }

    fn new(pair: Pair, algorithm: SigningAlgorithm) -> Result<Self, KeyError> {
        let public = match &pair {
            Pair::Ec(pair) => {
                // SEC 1 section 2.3.3: an octet 4, then both coordinates.
                let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
                let (x, y) = point
                    .split_at_checked(Curve::P256.coordinate())
                    .ok_or(KeyError::PrivateKey)?;
                PublicKey::ec(Curve::P256, x, y)
            }
            Pair::Rsa(pair) => PublicKey::rsa(
                pair.public_key()
                    .modulus()
                    .big_endian_without_leading_zero(),
                pair.public_key()
                    .exponent()
                    .big_endian_without_leading_zero(),
            ),
            Pair::Ed25519(pair) => PublicKey::ed25519(pair.public_key().as_ref()),
        };
        let public = public.map_err(|_| KeyError::PrivateKey)?;
        if !public.fits(algorithm.verification()) {
            return Err(KeyError::WrongKind(algorithm));
        }
        let kid = public.thumbprint().to_base64url();
        let headers = PREPARED.map(|typ| write_header(algorithm, &kid, typ).into_boxed_str());
        Ok(Self {
            pair,
            algorithm,
            kid: kid.into_boxed_str(),
            public,
            headers,
        })
    }

    /// DER PKCS#8, unencrypted; wiped when dropped.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let octets = match &self.pair {
            Pair::Ec(pair) => pair.to_pkcs8v1().map(|der| der.as_ref().to_vec()),
            Pair::Ed25519(pair) => pair.to_pkcs8v1().map(|der| der.as_ref().to_vec()),
            Pair::Rsa(pair) => pair
                .as_der()
                .map(|der: Pkcs8V1Der<'static>| der.as_ref().to_vec()),
        };
        octets.map(Zeroizing::new).map_err(|_| KeyError::Failed)
    }

    /// The RFC 7638 thumbprint of the public key, base64url.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What it signs with.
    pub const fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// The public half.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The public half as it is published: the key's members, `kid`, `use` and `alg`.
    pub fn public_jwk(&self) -> Value {
        let mut jwk: Map<String, Value> = self
            .public
            .sorted_members()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), Value::String(value)))
            .collect();
        jwk.insert("kid".to_owned(), json!(self.kid()));
        jwk.insert("use".to_owned(), json!("sig"));
        jwk.insert("alg".to_owned(), json!(self.algorithm.name()));
        Value::Object(jwk)
    }

    /// The base64url JOSE header for that `typ`; for the usual ones it is there already.
    pub fn header(&self, typ: &str) -> Cow<'_, str> {
        match PREPARED.iter().position(|prepared| *prepared == typ) {
            Some(at) => Cow::Borrowed(&self.headers[at]),
            None => Cow::Owned(write_header(self.algorithm, &self.kid, typ)),
        }
    }

    /// Signs, in the form of RFC 7518 section 3 (ECDSA as both numbers, not as DER).
    pub fn sign(&self, input: &[u8]) -> Result<Signature, KeyError> {
        let entropy = SystemRandom::new();
        match &self.pair {
            Pair::Ec(pair) => pair
                .sign(&entropy, input)
                .and_then(|signature| short(&signature)),
            Pair::Ed25519(pair) => pair.try_sign(input).and_then(|signature| short(&signature)),
            Pair::Rsa(pair) => {
                let padding: &'static dyn RsaEncoding = match self.algorithm {
                    SigningAlgorithm::Ps256 => &RSA_PSS_SHA256,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &entropy, input, &mut signature)
                    .map(|()| Form::Long(signature))
            }
        }
        .map(Signature)
        .map_err(|_| KeyError::Failed)
    }

    /// A compact JWS (RFC 7515 section 3.1) of that `typ` over those claims.
    pub fn sign_compact(&self, typ: &str, claims: &impl Serialize) -> Result<String, KeyError> {
        self.signed(self.input(typ, claims)?)
    }

    /// The same, all but signed.
    pub fn prepare(
        self: &Arc<Self>,
        typ: &str,
        claims: &impl Serialize,
    ) -> Result<UnsignedJws, KeyError> {
        Ok(UnsignedJws {
            input: self.input(typ, claims)?,
            key: Arc::clone(self),
        })
    }

    /// The same with claims that are JSON already.
    pub fn prepare_json(self: &Arc<Self>, typ: &str, claims: &str) -> UnsignedJws {
        UnsignedJws {
            input: self.input_json(typ, claims.as_bytes()),
            key: Arc::clone(self),
        }
    }

    /// Header and payload, with room for what follows.
    fn input(&self, typ: &str, claims: &impl Serialize) -> Result<String, KeyError> {
        // Encoded in one go: piece by piece, as JSON is written, takes several times as long.
        let mut json = Vec::with_capacity(512);
        serde_json::to_writer(&mut json, claims).map_err(|_| KeyError::Claims)?;
        Ok(self.input_json(typ, &json))
    }

    fn input_json(&self, typ: &str, json: &[u8]) -> String {
        let header = self.header(typ);
        let mut input = String::with_capacity(header.len() + json.len() * 4 / 3 + ROOM);
        input.push_str(&header);
        input.push('.');
        URL_SAFE_NO_PAD.encode_string(json, &mut input);
        input
    }

    fn signed(&self, mut token: String) -> Result<String, KeyError> {
        let signature = self.sign(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(&signature, &mut token);
        Ok(token)
    }
}

/// A compact JWS that is yet to be signed.
#[derive(Debug)]
pub struct UnsignedJws {
    key: Arc<SigningKey>,
    input: String,
}

impl UnsignedJws {
    /// Whether signing takes so long that nobody else should wait for it: with RSA a hundred times as long as all
    /// else about a token.
    pub fn is_slow(&self) -> bool {
        matches!(self.key.pair, Pair::Rsa(_))
    }

    /// Signs it.
    ///
    /// # Errors
    /// The library cannot.
    pub fn sign(self) -> Result<String, KeyError> {
        self.key.signed(self.input)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} {})", self.algorithm, self.kid)
    }
}

/// The octets of a signature.
pub struct Signature(Form);

enum Form {
    Short([u8; SHORT]),
    Long(Vec<u8>),
}

impl AsRef<[u8]> for Signature {
    fn as_ref(&self) -> &[u8] {
        match &self.0 {
            Form::Short(octets) => octets,
            Form::Long(octets) => octets,
        }
    }
}

/// The library's own type has room for far longer signatures.
fn short(signature: &aws_lc_rs::signature::Signature) -> Result<Form, Unspecified> {
    let octets = signature.as_ref().try_into().map_err(|_| Unspecified)?;
    Ok(Form::Short(octets))
}

fn write_header(algorithm: SigningAlgorithm, kid: &str, typ: &str) -> String {
    let header = json!({"alg": algorithm.name(), "kid": kid, "typ": typ});
    URL_SAFE_NO_PAD.encode(header.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_there_and_back() {
        for algorithm in SigningAlgorithm::ALL.iter().copied() {
            let key = SigningKey::generate(algorithm).expect("entropy");
            let pkcs8 = key.to_pkcs8().expect("PKCS#8");
            let again = SigningKey::from_pkcs8(&pkcs8, Some(algorithm)).expect("what was written");
            assert_eq!(again.kid(), key.kid());
            assert_eq!(again.kid().len(), 43);
            let signature = again.sign(b"input").expect("a signature");
            let verification = algorithm.verification();
            assert!(
                key.public()
                    .verifies(verification, b"input", signature.as_ref())
            );
            assert!(
                !key.public()
                    .verifies(verification, b"other", signature.as_ref())
            );
            let length = if matches!(key.pair, Pair::Rsa(_)) {
                256
            } else {
                64
            };
            assert_eq!(signature.as_ref().len(), length);
            let usual = SigningKey::from_pkcs8(&pkcs8, None).expect("by its kind");
            let expected = match algorithm {
                SigningAlgorithm::Ps256 => SigningAlgorithm::Rs256,
                other => other,
            };
            assert_eq!(usual.algorithm(), expected);
            let public = key.public_jwk();
            assert_eq!(public["alg"], algorithm.name());
            assert_eq!(public["use"], "sig");
            assert!(super::super::jwk::PublicJwk::parse(&public).is_ok());
            assert_eq!(
                format!("{key:?}"),
                format!("SigningKey({algorithm} {})", key.kid())
            );
        }
    }

    #[test]
    fn a_key_of_another_kind() {
        let key = SigningKey::generate(SigningAlgorithm::EdDsa).expect("entropy");
        let pkcs8 = key.to_pkcs8().expect("PKCS#8");
        for algorithm in [SigningAlgorithm::Es256, SigningAlgorithm::Ps256] {
            let refused = SigningKey::from_pkcs8(&pkcs8, Some(algorithm)).err();
            assert_eq!(refused, Some(KeyError::WrongKind(algorithm)));
        }
        for wrong in [&pkcs8[..pkcs8.len() - 1], b"", b"\x30\x00"] {
            let refused = SigningKey::from_pkcs8(wrong, None).err();
            assert_eq!(refused, Some(KeyError::PrivateKey));
        }
        let p384 = EcdsaKeyPair::generate(&aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED_SIGNING)
            .and_then(|pair| pair.to_pkcs8v1())
            .expect("entropy");
        assert_eq!(
            SigningKey::from_pkcs8(p384.as_ref(), None).err(),
            Some(KeyError::PrivateKey)
        );
    }

    #[test]
    fn headers_are_the_same_prepared_or_not() {
        let key = SigningKey::generate(SigningAlgorithm::Es256).expect("entropy");
        for typ in PREPARED {
            let header = key.header(typ);
            assert!(matches!(header, Cow::Borrowed(_)), "{typ}");
            assert_eq!(*header, *write_header(key.algorithm(), key.kid(), typ));
        }
        let octets = URL_SAFE_NO_PAD
            .decode(&*key.header("a\"b"))
            .expect("base64url");
        let header: Value = serde_json::from_slice(&octets).expect("JSON");
        assert_eq!(
            header,
            json!({"alg": "ES256", "kid": key.kid(), "typ": "a\"b"})
        );
    }

    #[test]
    fn compact_form_is_header_claims_signature() {
        let key = SigningKey::generate(SigningAlgorithm::EdDsa).expect("entropy");
        let long = json!({"sub": "x".repeat(2000)});
        let token = key.sign_compact("JWT", &long).expect("a token");
        let (input, signature) = token.rsplit_once('.').expect("a signature");
        let expected = format!(
            "{}.{}",
            key.header("JWT"),
            URL_SAFE_NO_PAD.encode(long.to_string())
        );
        assert_eq!(input, expected);
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        let algorithm = key.algorithm().verification();
        assert!(
            key.public()
                .verifies(algorithm, input.as_bytes(), &signature)
        );
    }
}
