//! What is encrypted has the right form, differs every time, and no key makes it panic. Whether others can
//! open it is tested with other libraries, in tests/jose.

use std::collections::HashSet;

use aws_lc_rs::agreement::{self, ECDH_P384, ECDH_P521};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::key::jwk::JwkSet;

/// RFC 7638 section 3.1.
const N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
/// RFC 7515 appendix A.3.
const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
/// RFC 8037 appendix A.6.
const BOB: &str = "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08";

fn ec(crv: &str, algorithm: &'static agreement::Algorithm) -> Value {
    let private = agreement::PrivateKey::generate(algorithm).expect("entropy");
    let public = private.compute_public_key().expect("a public key");
    let (x, y) = public.as_ref()[1..].split_at(public.as_ref().len() / 2);
    json!({"kty": "EC", "crv": crv, "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)})
}

fn keys() -> Vec<Value> {
    vec![
        json!({"kty": "RSA", "n": N, "e": "AQAB"}),
        json!({"kty": "EC", "crv": "P-256", "x": X, "y": Y}),
        ec("P-384", &ECDH_P384),
        ec("P-521", &ECDH_P521),
        json!({"kty": "OKP", "crv": "X25519", "x": BOB}),
    ]
}

fn key_for(jwk: &Value, alg: KeyManagement) -> Option<EncryptionKey> {
    let set = JwkSet::registered(&json!({"keys": [jwk]})).expect("a set");
    set.encryption_key(alg)
}

fn opened(compact: &str) -> (Value, Vec<Vec<u8>>) {
    let parts = compact.split('.').map(|part| URL_SAFE_NO_PAD.decode(part));
    let mut parts: Vec<_> = parts.map(|part| part.expect("base64url")).collect();
    let header = serde_json::from_slice(&parts.remove(0)).expect("JSON");
    (header, parts)
}

#[test]
fn every_combination_has_the_right_form() {
    let content = [b'c'; 100];
    let mut tried = 0;
    for (jwk, kid) in keys()
        .into_iter()
        .zip([None, Some("a \"b\""), None, Some("ü"), None])
    {
        let mut jwk = jwk;
        if let Some(kid) = kid {
            jwk["kid"] = json!(kid);
        }
        for alg in KeyManagement::ALL {
            let Some(to) = key_for(&jwk, *alg) else {
                assert_ne!(alg.is_rsa(), jwk["kty"] == "RSA", "{alg} {jwk}");
                continue;
            };
            for enc in ContentEncryption::ALL {
                let encryption = Encryption {
                    alg: *alg,
                    enc: *enc,
                };
                let cty = kid.map(|_| "JWT");
                let compact = encrypt(&content, cty, &to, encryption).expect("encrypted");
                let (header, parts) = opened(&compact);
                assert_eq!(header["alg"], alg.name());
                assert_eq!(header["enc"], enc.name());
                assert_eq!(header.get("kid").and_then(Value::as_str), kid);
                assert_eq!(header.get("cty").and_then(Value::as_str), cty);
                let members = header.as_object().expect("an object").len();
                let epk = usize::from(!alg.is_rsa());
                assert_eq!(
                    members,
                    2 + epk + 2 * usize::from(kid.is_some()),
                    "{header}"
                );
                if epk == 1 {
                    for member in ["kty", "crv"] {
                        assert_eq!(header["epk"][member], jwk[member], "{header}");
                    }
                    for member in ["x", "y"] {
                        let length = |jwk: &Value| jwk[member].as_str().map(str::len);
                        assert_eq!(length(&header["epk"]), length(&jwk), "{header}");
                    }
                    assert_ne!(header["epk"]["x"], jwk["x"]);
                }
                let cek = enc.key_octets();
                let conveyed = match alg {
                    KeyManagement::EcdhEs => 0,
                    KeyManagement::EcdhEsA128Kw | KeyManagement::EcdhEsA256Kw => cek + 8,
                    _ => 256,
                };
                let (iv, ciphertext, tag) = match enc {
                    ContentEncryption::A128CbcHs256 => (16, 112, 16),
                    ContentEncryption::A256CbcHs512 => (16, 112, 32),
                    ContentEncryption::A128Gcm | ContentEncryption::A256Gcm => (12, 100, 16),
                };
                let lengths: Vec<usize> = parts.iter().map(Vec::len).collect();
                assert_eq!(lengths, [conveyed, iv, ciphertext, tag], "{alg} {enc}");
                tried += 1;
            }
        }
    }
    // RSA by three, each of the four curves by three, times four.
    assert_eq!(tried, (3 + 4 * 3) * 4);
}

#[test]
fn ten_thousand_tokens_share_nothing() {
    let rsa = key_for(&keys()[0], KeyManagement::Rsa1_5).expect("a key");
    let encryption = Encryption {
        alg: KeyManagement::Rsa1_5,
        enc: ContentEncryption::A128Gcm,
    };
    let mut seen = HashSet::new();
    for _ in 0..10_000 {
        let (_, parts) = opened(&nested("a.b.c.d.e.f.g.h.i", &rsa, encryption).expect("encrypted"));
        for part in parts {
            assert!(seen.insert(part), "a part repeats");
        }
    }
    let point = key_for(&keys()[1], KeyManagement::EcdhEs).expect("a key");
    let encryption = Encryption {
        alg: KeyManagement::EcdhEs,
        enc: ContentEncryption::A128CbcHs256,
    };
    let mut points = HashSet::new();
    for _ in 0..1_000 {
        let (header, parts) = opened(&nested("a.b.c", &point, encryption).expect("encrypted"));
        assert_eq!(header["cty"], "JWT");
        assert!(
            points.insert(header["epk"]["x"].to_string()),
            "a point repeats"
        );
        assert!(parts[1..].iter().all(|part| seen.insert(part.clone())));
    }
}

#[test]
fn a_key_chosen_for_another_alg_is_not_encrypted_to() {
    let to = key_for(&keys()[0], KeyManagement::RsaOaep).expect("a key");
    for alg in KeyManagement::ALL {
        let encryption = Encryption {
            alg: *alg,
            enc: ContentEncryption::A128Gcm,
        };
        let expected = if *alg == KeyManagement::RsaOaep {
            None
        } else {
            Some(KeyError::NotChosenFor(*alg))
        };
        assert_eq!(encrypt(b"", None, &to, encryption).err(), expected);
    }
    assert_eq!(format!("{to:?}"), "EncryptionKey(RSA-OAEP, None)");
}

/// A value that a member of a JWK should not have, or perhaps should.
fn garbage() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..70)
            .prop_map(|octets| Value::from(URL_SAFE_NO_PAD.encode(octets))),
        prop::collection::vec(any::<u8>(), 250..260)
            .prop_map(|octets| Value::from(URL_SAFE_NO_PAD.encode(octets))),
        prop::sample::select(vec![
            "RSA", "EC", "OKP", "oct", "P-256", "P-384", "P-521", "X25519", "Ed25519", "enc",
            "sig", "ECDH-ES", "RSA-OAEP", "AQ", "Aw", "AAAA", X, Y, BOB, N,
        ])
        .prop_map(Value::from),
        prop::collection::vec("[a-zA-Z]{0,9}", 0..4).prop_map(Value::from),
        Just(json!({"keys": [{}]})),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_jwk_makes_it_panic(
        which in 0_usize..5,
        changes in prop::collection::vec(
            (
                prop::sample::select(vec![
                    "kty", "crv", "x", "y", "n", "e", "use", "alg", "key_ops", "kid", "x5c",
                    "x5t#S256", "d", "oth",
                ]),
                garbage(),
            ),
            0..4,
        ),
    ) {
        let mut jwk = keys().swap_remove(which);
        for (member, value) in changes {
            jwk[member] = value;
        }
        let jwks = json!({"keys": [jwk]});
        let set = JwkSet::fetched(jwks.to_string().as_bytes()).expect("a set, of one key or none");
        let registered = JwkSet::registered(&jwks);
        for alg in KeyManagement::ALL {
            let found = set.encryption_key(*alg);
            // Both ways of asking agree, and so do both ways of reading where the set is accepted.
            prop_assert_eq!(found.is_none(), unfit(&jwks, *alg).is_some());
            if let Ok(registered) = &registered {
                prop_assert_eq!(found.is_some(), registered.encryption_key(*alg).is_some());
            }
            if let Some(to) = found {
                let encryption = Encryption { alg: *alg, enc: ContentEncryption::A256CbcHs512 };
                prop_assert!(nested("a.b.c", &to, encryption).is_ok());
            }
        }
    }

    #[test]
    fn no_set_makes_it_panic(jwks in garbage(), entry in garbage()) {
        let of_one = json!({"keys": [entry]});
        for alg in KeyManagement::ALL {
            let both = [unfit(&jwks, *alg), unfit(&of_one, *alg)];
            prop_assert!(both.iter().all(Option::is_some));
        }
    }
}
