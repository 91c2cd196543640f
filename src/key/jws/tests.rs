//! Tokens of the RFCs, our own, and those that attackers send (RFC 8725 section 2).

use std::sync::Arc;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::key::algorithm::SigningAlgorithm;
use crate::key::claims;
use crate::key::set::ManagedKey;
use crate::key::signing::SigningKey;
use crate::oauth::time::Lifetime;

const RFC_7515_PAYLOAD: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const NOW: Timestamp = Timestamp::from_unix(1_000);

fn jwk(value: &Value) -> PublicJwk {
    PublicJwk::parse(value).expect("a JWK of a test")
}

fn key(algorithm: SigningAlgorithm) -> Arc<SigningKey> {
    Arc::new(SigningKey::generate(algorithm).expect("entropy"))
}

fn set(key: &Arc<SigningKey>) -> KeySet {
    let start = Timestamp::from_unix(0);
    KeySet::new()
        .with(ManagedKey::new(Arc::clone(key), start, start))
        .expect("the first key")
}

/// A token with whatever header and payload, signed by whatever signs.
fn forge(header: &str, payload: &str, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let input = [header, payload]
        .map(|part| URL_SAFE_NO_PAD.encode(part))
        .join(".");
    let signature = sign(input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn by(key: &SigningKey) -> impl Fn(&[u8]) -> Vec<u8> {
    |input| key.sign(input).expect("a signature").as_ref().to_vec()
}

#[test]
fn tokens_of_the_rfcs() {
    let rsa = jwk(
        &json!({"kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}),
    );
    let a2 = format!(
        "eyJhbGciOiJSUzI1NiJ9.{RFC_7515_PAYLOAD}.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
    );
    let ec = jwk(&json!({"kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}));
    let a3 = format!(
        "eyJhbGciOiJFUzI1NiJ9.{RFC_7515_PAYLOAD}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    );
    for (token, own, other) in [(&a2, &rsa, &ec), (&a3, &ec, &rsa)] {
        let read = UnverifiedJws::parse(token).expect("a token of RFC 7515");
        let verified = read
            .verify(own, VerificationAlgorithm::ALL)
            .expect("its key");
        assert_eq!(claims::text(verified.claims(), "iss"), Ok(Some("joe")));
        let refused = read.verify(other, VerificationAlgorithm::ALL).err();
        assert_eq!(refused, Some(JwsError::Algorithm));
        let broken = token.replace("eyJpc3Mi", "eyJpc3Nh");
        let broken = UnverifiedJws::parse(&broken).expect("still three parts");
        let refused = broken.verify(own, VerificationAlgorithm::ALL).err();
        assert_eq!(refused, Some(JwsError::Signature));
    }
    // RFC 8037 appendix A.4: the payload is plain text, which is no JWT.
    let ed = jwk(
        &json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}),
    );
    let a4 = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let read = UnverifiedJws::parse(a4).expect("a token of RFC 8037");
    let text = read.verify(&ed, VerificationAlgorithm::ALL).err();
    assert_eq!(text, Some(JwsError::Claims));
    let wrong = UnverifiedJws::parse(&a4[..a4.len() - 2])
        .map(|read| read.verify(&ed, VerificationAlgorithm::ALL).err());
    assert!(!matches!(wrong, Ok(Some(JwsError::Claims) | None)));
}

#[test]
fn our_own_tokens() {
    for algorithm in SigningAlgorithm::ALL.iter().copied() {
        let key = key(algorithm);
        let keys = set(&key);
        let token = key
            .sign_compact("at+jwt", &json!({"sub": "s"}))
            .expect("a token");
        let read = UnverifiedJws::parse(&token).expect("what was written");
        for typ in ["at+jwt", "AT+JWT"] {
            let verified = read.verify_own(&keys, typ, NOW).expect("our own");
            assert_eq!(claims::text(verified.claims(), "sub"), Ok(Some("s")));
            assert_eq!(verified.algorithm(), algorithm.verification());
            assert_eq!(verified.typ(), Some("at+jwt"));
        }
        assert_eq!(
            read.verify_own(&keys, "JWT", NOW).err(),
            Some(JwsError::Type)
        );
        let nobody = KeySet::new();
        assert_eq!(
            read.verify_own(&nobody, "at+jwt", NOW).err(),
            Some(JwsError::NoKey)
        );
        // And from another server's side, by the published keys.
        let published = JwkSet::fetched(keys.jwks_json(NOW).to_string().as_bytes()).expect("a set");
        let allowed = [algorithm.verification()];
        assert!(read.verify_by(&published, &allowed).is_ok());
        assert_eq!(
            read.verify_by(&published, &[]).err(),
            Some(JwsError::Algorithm)
        );
        assert!(read.verify(&published.keys()[0], &allowed).is_ok());
        let parts: Vec<&str> = token.split('.').collect();
        let swapped = format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode("{}"), parts[2]);
        let swapped = UnverifiedJws::parse(&swapped).expect("three parts");
        assert_eq!(
            swapped.verify_own(&keys, "at+jwt", NOW).err(),
            Some(JwsError::Signature)
        );
    }
}

#[test]
fn a_retired_key_verifies_nothing() {
    let (old, new) = (key(SigningAlgorithm::Es256), key(SigningAlgorithm::Es256));
    let (lead, overlap) = (Lifetime::from_seconds(10), Lifetime::from_seconds(10));
    let keys = set(&old)
        .rotate(new, NOW, lead, overlap)
        .expect("a new key");
    let token = old.sign_compact("JWT", &json!({})).expect("a token");
    let read = UnverifiedJws::parse(&token).expect("what was written");
    for (now, error) in [(1_019, None), (1_020, Some(JwsError::NoKey))] {
        let now = Timestamp::from_unix(now);
        assert_eq!(read.verify_own(&keys, "JWT", now).err(), error, "{now}");
    }
}

#[test]
fn other_curves_and_hashes_verify() {
    for (signing, crv, name, size) in [
        (&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384", "ES384", 48),
        (&ECDSA_P521_SHA512_FIXED_SIGNING, "P-521", "ES512", 66),
    ] {
        let pair = EcdsaKeyPair::generate(signing).expect("entropy");
        let (x, y) = pair.public_key().as_ref()[1..].split_at(size);
        let [x, y] = [x, y].map(|half| URL_SAFE_NO_PAD.encode(half));
        let key = jwk(&json!({"kty": "EC", "crv": crv, "x": x, "y": y}));
        let sign = |input: &[u8]| {
            let signature = pair.sign(&SystemRandom::new(), input).expect("a signature");
            signature.as_ref().to_vec()
        };
        let check = |alg: &str| {
            let token = forge(&json!({"alg": alg}).to_string(), "{}", sign);
            let read = UnverifiedJws::parse(&token).expect("three parts");
            read.verify(&key, VerificationAlgorithm::ALL).err()
        };
        assert_eq!(check(name), None);
        // The header does not choose: a key of this curve has one algorithm.
        assert_eq!(check("ES256"), Some(JwsError::Algorithm), "{crv}");
        assert_eq!(check("RS256"), Some(JwsError::Algorithm), "{crv}");
    }
    let rsa = SigningKey::generate(SigningAlgorithm::Ps256).expect("entropy");
    let pkcs8 = rsa.to_pkcs8().expect("PKCS#8");
    let pair = aws_lc_rs::signature::RsaKeyPair::from_pkcs8(&pkcs8).expect("its own form");
    let mut bare = rsa.public_jwk();
    let stated = jwk(&bare);
    bare.as_object_mut().expect("an object").remove("alg");
    let bare = jwk(&bare);
    for (name, padding) in [
        ("RS256", &aws_lc_rs::signature::RSA_PKCS1_SHA256),
        ("RS384", &aws_lc_rs::signature::RSA_PKCS1_SHA384),
        ("RS512", &aws_lc_rs::signature::RSA_PKCS1_SHA512),
        ("PS256", &aws_lc_rs::signature::RSA_PSS_SHA256),
        ("PS384", &aws_lc_rs::signature::RSA_PSS_SHA384),
        ("PS512", &aws_lc_rs::signature::RSA_PSS_SHA512),
    ] {
        let token = forge(&json!({"alg": name}).to_string(), "{}", |input| {
            let mut signature = vec![0; 256];
            pair.sign(padding, &SystemRandom::new(), input, &mut signature)
                .expect("a signature");
            signature
        });
        let read = UnverifiedJws::parse(&token).expect("three parts");
        assert!(
            read.verify(&bare, VerificationAlgorithm::ALL).is_ok(),
            "{name}"
        );
        let by_stated = read.verify(&stated, VerificationAlgorithm::ALL).is_ok();
        assert_eq!(by_stated, name == "PS256", "{name}");
    }
}

/// JO-01 to JO-03: what a token says of itself never decides how it is verified.
#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one table of everything that is refused"
)]
fn algorithm_confusion() {
    let signer = key(SigningAlgorithm::Es256);
    let keys = set(&signer);
    let own = jwk(&signer.public_jwk());
    let kid = signer.kid();
    let spki = own.key().expect("a key").spki_der();
    let mac = |secret: &[u8], input: &[u8]| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        hmac::sign(&key, input).as_ref().to_vec()
    };
    let attacker = key(SigningAlgorithm::Es256);
    let rsa = key(SigningAlgorithm::Rs256);
    let claims = r#"{"sub":"s"}"#;
    let header = |alg: &str| json!({"alg": alg, "kid": kid, "typ": "at+jwt"}).to_string();
    let extended = |name: &str, value: Value| {
        let mut header = json!({"alg": "ES256", "kid": kid, "typ": "at+jwt"});
        header[name] = value;
        header.to_string()
    };
    let good = forge(&header("ES256"), claims, by(&signer));
    let twice = format!(r#"{{"alg":"ES256","alg":"ES256","kid":"{kid}","typ":"at+jwt"}}"#);
    let repeated = r#"{"sub":"s","sub":"admin"}"#;
    let unsigned = forge(&header("none"), claims, |_| Vec::new());
    let table = [
        ("none", unsigned, JwsError::NotCompact),
        (
            "none, signed",
            forge(&header("none"), claims, by(&signer)),
            JwsError::Algorithm,
        ),
        (
            "None",
            forge(&header("None"), claims, by(&signer)),
            JwsError::Algorithm,
        ),
        (
            "lower case",
            forge(&header("es256"), claims, by(&signer)),
            JwsError::Algorithm,
        ),
        (
            "HS256 with the public key",
            forge(&header("HS256"), claims, |i| mac(&spki, i)),
            JwsError::Algorithm,
        ),
        (
            "ES256 by HMAC",
            forge(&header("ES256"), claims, |i| mac(&spki, i)),
            JwsError::Signature,
        ),
        (
            "another algorithm",
            forge(&header("RS256"), claims, by(&rsa)),
            JwsError::Algorithm,
        ),
        (
            "another key",
            forge(&header("ES256"), claims, by(&attacker)),
            JwsError::Signature,
        ),
        (
            "no alg",
            forge(
                &json!({"kid": kid, "typ": "at+jwt"}).to_string(),
                claims,
                by(&signer),
            ),
            JwsError::Header,
        ),
        (
            "alg a number",
            forge(&extended("alg", json!(1)), claims, by(&signer)),
            JwsError::Header,
        ),
        (
            "typ a number",
            forge(&extended("typ", json!(1)), claims, by(&signer)),
            JwsError::Header,
        ),
        (
            "embedded key",
            forge(
                &extended("jwk", attacker.public_jwk()),
                claims,
                by(&attacker),
            ),
            JwsError::RefusedMember("jwk"),
        ),
        (
            "key by address",
            forge(
                &extended("jku", json!("https://evil.test")),
                claims,
                by(&attacker),
            ),
            JwsError::RefusedMember("jku"),
        ),
        (
            "certificate by address",
            forge(
                &extended("x5u", json!("https://evil.test")),
                claims,
                by(&signer),
            ),
            JwsError::RefusedMember("x5u"),
        ),
        (
            "crit",
            forge(&extended("crit", json!(["x"])), claims, by(&signer)),
            JwsError::RefusedMember("crit"),
        ),
        (
            "b64",
            forge(&extended("b64", json!(false)), claims, by(&signer)),
            JwsError::RefusedMember("b64"),
        ),
        (
            "zip",
            forge(&extended("zip", json!("DEF")), claims, by(&signer)),
            JwsError::RefusedMember("zip"),
        ),
        (
            "chain of another",
            forge(&extended("x5c", json!(["AAAA"])), claims, by(&attacker)),
            JwsError::Signature,
        ),
        (
            "alg twice",
            forge(&twice, claims, by(&signer)),
            JwsError::Header,
        ),
        (
            "sub twice",
            forge(&header("ES256"), repeated, by(&signer)),
            JwsError::Claims,
        ),
        (
            "claims an array",
            forge(&header("ES256"), "[]", by(&signer)),
            JwsError::Claims,
        ),
        (
            "exp beyond numbers",
            forge(&header("ES256"), r#"{"exp":1e400}"#, by(&signer)),
            JwsError::Claims,
        ),
        (
            "header an array",
            forge("[]", claims, by(&signer)),
            JwsError::Header,
        ),
        ("padding", format!("{good}="), JwsError::NotCompact),
        (
            "white space before",
            format!(" {good}"),
            JwsError::NotCompact,
        ),
        (
            "white space after",
            format!("{good}\n"),
            JwsError::NotCompact,
        ),
        ("trailing dot", format!("{good}."), JwsError::NotCompact),
        ("four parts", format!("{good}.AAAA"), JwsError::NotCompact),
        (
            "five parts",
            "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.AA.AA.AA.AA".to_owned(),
            JwsError::NotCompact,
        ),
        (
            "two parts",
            good[..good.rfind('.').expect("a dot")].to_owned(),
            JwsError::NotCompact,
        ),
        (
            "standard base64",
            good.replace('.', "+."),
            JwsError::NotCompact,
        ),
        (
            "JSON form",
            json!({"payload": "e30", "signatures": []}).to_string(),
            JwsError::NotCompact,
        ),
        ("empty", String::new(), JwsError::NotCompact),
        ("dots", "..".to_owned(), JwsError::NotCompact),
        ("beyond ASCII", "é.é.é".to_owned(), JwsError::NotCompact),
        (
            "too large",
            format!("{good}{}", "A".repeat(MAX_TOKEN_OCTETS)),
            JwsError::TooLarge,
        ),
    ];
    for (what, token, error) in table {
        let read = UnverifiedJws::parse(&token);
        let ours = read
            .as_ref()
            .map_err(|e| *e)
            .and_then(|read| read.verify_own(&keys, "at+jwt", NOW));
        assert_eq!(ours.err(), Some(error), "{what}");
        let theirs = read
            .as_ref()
            .map_err(|e| *e)
            .and_then(|read| read.verify(&own, VerificationAlgorithm::ALL));
        assert_eq!(theirs.err(), Some(error), "{what}");
    }
    let read = UnverifiedJws::parse(&good).expect("the good one");
    assert!(read.verify_own(&keys, "at+jwt", NOW).is_ok());
}

/// The last character of 64 octets in base64url has four bits that mean nothing: they have to be zero,
/// or one token would have sixteen spellings.
#[test]
fn one_spelling_only() {
    let signer = key(SigningAlgorithm::EdDsa);
    let token = signer.sign_compact("JWT", &json!({})).expect("a token");
    let keys = set(&signer);
    let (rest, last) = token.split_at(token.len() - 1);
    let accepted = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        .iter()
        .filter(|character| {
            let token = format!("{rest}{}", char::from(**character));
            let read = UnverifiedJws::parse(&token);
            read.is_ok_and(|read| read.verify_own(&keys, "JWT", NOW).is_ok())
        });
    let accepted: Vec<String> = accepted.map(|c| char::from(*c).to_string()).collect();
    assert_eq!(accepted, [last]);
}

#[test]
fn an_rs256_token_is_not_a_ps256_keys() {
    let signer = key(SigningAlgorithm::Ps256);
    let pkcs8 = signer.to_pkcs8().expect("PKCS#8");
    let twin = SigningKey::from_pkcs8(&pkcs8, Some(SigningAlgorithm::Rs256)).expect("RSA");
    assert_eq!(twin.kid(), signer.kid());
    let token = twin.sign_compact("JWT", &json!({})).expect("a token");
    let read = UnverifiedJws::parse(&token).expect("three parts");
    let refused = read.verify_own(&set(&signer), "JWT", NOW).err();
    assert_eq!(refused, Some(JwsError::Algorithm));
    let refused = read
        .verify(&jwk(&signer.public_jwk()), VerificationAlgorithm::ALL)
        .err();
    assert_eq!(refused, Some(JwsError::Algorithm));
    let fapi = UnverifiedJws::parse(&token).map(|read| {
        read.verify(&jwk(&twin.public_jwk()), VerificationAlgorithm::FAPI)
            .err()
    });
    assert!(matches!(fapi, Ok(Some(JwsError::Algorithm))));
}

#[test]
fn kinds_of_tokens_are_kept_apart() {
    for (stated, asked, is) in [
        (json!("at+jwt"), "at+jwt", true),
        (json!("AT+JWT"), "at+jwt", true),
        (json!("application/at+jwt"), "at+jwt", true),
        (json!("Application/At+Jwt"), "at+jwt", true),
        (json!("application/application/at+jwt"), "at+jwt", false),
        (json!("JWT"), "at+jwt", false),
        (json!("at+jwt "), "at+jwt", false),
        (json!(""), "at+jwt", false),
        (json!("application/"), "at+jwt", false),
        (json!("applicatioé/at+jwt"), "at+jwt", false),
    ] {
        let header = json!({"alg": "ES256", "typ": stated}).to_string();
        let token = forge(&header, "{}", |_| vec![0; 64]);
        let read = UnverifiedJws::parse(&token).expect("three parts");
        assert_eq!(read.is_type(asked), is, "{stated}");
        assert!(!read.is_untyped());
    }
    let token = forge(r#"{"alg":"ES256"}"#, "{}", |_| vec![0; 64]);
    let read = UnverifiedJws::parse(&token).expect("three parts");
    assert!(read.is_untyped() && !read.is_type("JWT"));
}

/// Whoever cannot read what a token says takes it for a JWT still: one with a header that is not to be, and without
/// any claim.
#[test]
fn a_payload_that_cannot_be_decoded() {
    let signer = key(SigningAlgorithm::EdDsa);
    let good = signer.sign_compact("JWT", &json!({})).expect("a token");
    let (header, rest) = good.split_once('.').expect("a header");
    let (payload, signature) = rest.split_once('.').expect("a payload");
    for broken in [
        format!("{payload}="),
        format!("{payload}+"),
        payload[1..].to_owned(),
        format!("{}\u{e9}", &payload[2..]),
    ] {
        let token = format!("{header}.{broken}.{signature}");
        let read = UnverifiedJws::parse(&token).expect("three parts");
        assert_eq!(read.unverified_claims(), None, "{broken}");
        let refused = read.verify_own(&set(&signer), "JWT", NOW).err();
        assert_eq!(refused, Some(JwsError::Signature), "{broken}");
        let refused = URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA","crit":["x"]}"#);
        let token = format!("{refused}.{broken}.{signature}");
        let refused = UnverifiedJws::parse(&token).err();
        assert_eq!(refused, Some(JwsError::RefusedMember("crit")), "{broken}");
    }
}

#[test]
fn a_look_before_verification() {
    let claims = r#"{"iss":"i","sub":1,"aud":["a"]}"#;
    let token = forge(r#"{"alg":"ES256"}"#, claims, |_| vec![0; 64]);
    let read = UnverifiedJws::parse(&token).expect("three parts");
    assert_eq!(read.unverified_claim("iss").as_deref(), Some("i"));
    for name in ["sub", "aud", "client_id"] {
        assert_eq!(read.unverified_claim(name), None, "{name}");
    }
    let printed = format!("{read:?}");
    assert_eq!(printed, "UnverifiedJws(…)");
}

#[test]
fn a_token_is_tried_with_few_keys() {
    let signer = key(SigningAlgorithm::EdDsa);
    let other = key(SigningAlgorithm::EdDsa).public_jwk();
    let anonymous = |mut jwk: Value| {
        jwk.as_object_mut().expect("an object").remove("kid");
        jwk
    };
    let token = signer.sign_compact("JWT", &json!({})).expect("a token");
    let read = UnverifiedJws::parse(&token).expect("what was written");
    for (before, verified) in [(0, true), (7, true), (8, false)] {
        let mut keys = vec![anonymous(other.clone()); before];
        keys.push(anonymous(signer.public_jwk()));
        let keys = JwkSet::registered(&json!({"keys": keys})).expect("a set");
        let outcome = read.verify_by(&keys, VerificationAlgorithm::ALL);
        assert_eq!(outcome.is_ok(), verified, "{before}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = UnverifiedJws::parse(&text).map(|read| read.unverified_claim("iss"));
        let _ = ManagedKey::from_pem(&text);
        let _ = JwkSet::fetched(text.as_bytes());
        let _ = KeySet::from_json(text.as_bytes());
    }

    #[test]
    fn nothing_like_a_token_panics(header in any::<String>(), claims in any::<String>(), signature in any::<Vec<u8>>()) {
        let parts = [header.as_bytes(), claims.as_bytes(), &signature];
        let token = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let key = jwk(&json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}));
        if let Ok(read) = UnverifiedJws::parse(&token) {
            prop_assert!(read.verify(&key, VerificationAlgorithm::ALL).is_err());
        }
        let header = json!({"alg": "EdDSA", "kid": header}).to_string();
        let token = forge(&header, &claims, |_| signature.clone());
        if let Ok(read) = UnverifiedJws::parse(&token) {
            prop_assert!(read.verify(&key, VerificationAlgorithm::ALL).is_err());
            let _ = read.unverified_claim("iss");
        }
    }
}
