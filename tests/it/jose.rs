//! JWTs made and read by other code than the server's.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RsaKeyPair,
    UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

pub(crate) fn encode(octets: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

pub(crate) fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).expect("base64url")
}

fn part(token: &str, number: usize) -> Value {
    let text = token.split('.').nth(number).expect("a compact JWS");
    serde_json::from_slice(&decode(text)).expect("JSON")
}

pub(crate) fn header(token: &str) -> Value {
    part(token, 0)
}

pub(crate) fn claims(token: &str) -> Value {
    part(token, 1)
}

/// A P-256 key.
pub(crate) struct EcKey(EcdsaKeyPair);

impl EcKey {
    pub(crate) fn from_pem(pem: &str) -> Self {
        let der = pem::parse(pem).expect("PEM");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.contents());
        Self(pair.expect("a P-256 key"))
    }

    pub(crate) fn new() -> Self {
        Self::from_pem(
            &rcgen::KeyPair::generate()
                .expect("keys can be made")
                .serialize_pem(),
        )
    }

    pub(crate) fn jwk(&self) -> Value {
        let point = self.0.public_key().as_ref();
        json!({ "kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..]) })
    }

    /// A JWS of exactly that header and those claims.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_input(&format!(
            "{}.{}",
            encode(header.to_string()),
            encode(claims.to_string())
        ))
    }

    /// A JWS over that text as it is.
    pub(crate) fn sign_input(&self, input: &str) -> String {
        let signature = self.0.sign(&SystemRandom::new(), input.as_bytes());
        format!("{input}.{}", encode(signature.expect("a key signs")))
    }
}

/// An RSA key of 2048 bits.
pub(crate) struct RsaKey(RsaKeyPair);

impl RsaKey {
    pub(crate) fn new() -> Self {
        let pair = RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048);
        Self(pair.expect("keys can be made"))
    }

    /// Its private key as PKCS#8.
    pub(crate) fn pkcs8(&self) -> Vec<u8> {
        use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
        let der: Pkcs8V1Der<'_> = self.0.as_der().expect("a key can be written");
        der.as_ref().to_vec()
    }

    pub(crate) fn jwk(&self) -> Value {
        let public = self.0.public_key();
        json!({
            "kty": "RSA",
            "n": encode(public.modulus().big_endian_without_leading_zero()),
            "e": encode(public.exponent().big_endian_without_leading_zero()),
        })
    }

    pub(crate) fn sign(&self, alg: &str, claims: &Value) -> String {
        let padding: &dyn signature::RsaEncoding = match alg {
            "PS256" => &signature::RSA_PSS_SHA256,
            _ => &signature::RSA_PKCS1_SHA256,
        };
        let input = format!(
            "{}.{}",
            encode(json!({ "alg": alg }).to_string()),
            encode(claims.to_string())
        );
        let mut made = vec![0; self.0.public_modulus_len()];
        self.0
            .sign(padding, &SystemRandom::new(), input.as_bytes(), &mut made)
            .expect("a key signs");
        format!("{input}.{}", encode(made))
    }
}

/// HMAC with whatever octets somebody takes for a secret: the classic confusion.
pub(crate) fn sign_hs256(secret: &[u8], header: &Value, claims: &Value) -> String {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
    let input = format!(
        "{}.{}",
        encode(header.to_string()),
        encode(claims.to_string())
    );
    let tag = aws_lc_rs::hmac::sign(&key, input.as_bytes());
    format!("{input}.{}", encode(tag))
}

/// Verifies by the key that the header names, and gives the claims.
pub(crate) fn verified(token: &str, jwks: &Value) -> Value {
    let header = header(token);
    let keys = jwks["keys"].as_array().expect("a JWK set");
    let mut named = keys.iter().filter(|key| key["kid"] == header["kid"]);
    let key = named.next().expect("the key is published");
    assert!(named.next().is_none(), "MD-07: kid is unique");
    assert_eq!(key["alg"], header["alg"]);
    let member = |name: &str| decode(key[name].as_str().expect("a member"));
    let (input, made) = token.rsplit_once('.').expect("a compact JWS");
    let (input, made) = (input.as_bytes(), decode(made));
    let good = match header["alg"].as_str().expect("alg") {
        "ES256" => {
            let point = [vec![4], member("x"), member("y")].concat();
            UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
                .verify(input, &made)
                .is_ok()
        }
        "EdDSA" => UnparsedPublicKey::new(&signature::ED25519, member("x"))
            .verify(input, &made)
            .is_ok(),
        alg @ ("RS256" | "PS256") => {
            let parameters = match alg {
                "RS256" => &signature::RSA_PKCS1_2048_8192_SHA256,
                _ => &signature::RSA_PSS_2048_8192_SHA256,
            };
            let key = aws_lc_rs::signature::RsaPublicKeyComponents {
                n: member("n"),
                e: member("e"),
            };
            key.verify(parameters, input, &made).is_ok()
        }
        other => panic!("{other} is no algorithm of ours"),
    };
    assert!(good, "the signature holds");
    claims(token)
}
