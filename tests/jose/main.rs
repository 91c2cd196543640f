//! Tokens that are signed and then encrypted here are opened by two libraries of others: jwcrypto in Python and
//! jose in Node.js, every combination of `alg` and `enc` with every kind of key.

#[path = "../support/libraries.rs"]
mod libraries;

use certbound::key::algorithm::SigningAlgorithm;
use certbound::key::jwe::{self, ContentEncryption, Encryption, KeyManagement};
use certbound::key::jwk::JwkSet;
use certbound::key::signing::SigningKey;
use serde_json::{Value, json};

/// Claims that differ from token to token, in length too, so that every length of padding comes up.
fn claims(number: usize) -> Value {
    json!({"sub": "a".repeat(number), "nonce": number, "name": "Zoë"})
}

#[test]
fn others_open_every_combination() {
    let program = include_str!("open.py");
    let python = || {
        let mut python = libraries::python();
        python.args(["-c", program]);
        python
    };
    let keys = libraries::ask(&mut python(), &Value::Null);
    let signer = SigningKey::generate(SigningAlgorithm::Es256).expect("entropy");
    let mut tokens = Vec::new();
    let mut expected = Vec::new();
    for key in keys.as_array().expect("keys") {
        let set = JwkSet::registered(&json!({"keys": [key["public"]]})).expect("a set");
        for alg in KeyManagement::ALL {
            let Some(to) = set.encryption_key(*alg) else {
                continue;
            };
            for enc in ContentEncryption::ALL {
                let claims = claims(tokens.len());
                let jws = signer.sign_compact("JWT", &claims).expect("signed");
                let encryption = Encryption {
                    alg: *alg,
                    enc: *enc,
                };
                let jwe = jwe::nested(&jws, &to, encryption).expect("encrypted");
                tokens.push(json!({"jwe": jwe, "key": key["private"]}));
                expected.push((encryption, key["public"]["kid"].clone(), claims));
            }
        }
    }
    // Two RSA keys by three, four points by three, each by four.
    assert_eq!(tokens.len(), (2 * 3 + 4 * 3) * 4);
    let question = json!({"signer": signer.public_jwk(), "tokens": tokens});
    for (library, mut command) in [
        ("jwcrypto", python()),
        ("jose", libraries::node(include_str!("open.mjs"))),
    ] {
        let answer = libraries::ask(&mut command, &question);
        let answers = answer.as_array().expect("an array");
        assert_eq!(answers.len(), tokens.len(), "{library}");
        for (opened, (encryption, kid, claims)) in answers.iter().zip(&expected) {
            let header = &opened["header"];
            assert_eq!(header["alg"], encryption.alg.name(), "{library}");
            assert_eq!(header["enc"], encryption.enc.name(), "{library}");
            assert_eq!(
                (&header["cty"], &header["kid"]),
                (&json!("JWT"), kid),
                "{library}"
            );
            assert_eq!(&opened["claims"], claims, "{library} {header}");
        }
    }
}
