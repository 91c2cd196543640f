//! `private_key_jwt`: client assertions (RFC 7523), as hostile as they come.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::jose::{self, EcKey, RsaKey};
use crate::request::Request;
use crate::support::redis_server::RedisServer;
use crate::world::{ISSUER, SECRET, Server, World, client, secret_client};

#[expect(
    clippy::disallowed_methods,
    reason = "assertions are made against the real server's clock"
)]
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs()
}

/// The claims of an honest assertion, with a `jti` of its own.
pub(crate) fn honest(client_id: &str) -> Value {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    json!({
        "iss": client_id,
        "sub": client_id,
        "aud": ISSUER,
        "iat": now(),
        "exp": now() + 60,
        "jti": format!("jti-{number}-{}", std::process::id()),
    })
}

/// An honest assertion.
pub(crate) fn assertion(key: &EcKey, client_id: &str) -> String {
    key.sign(&json!({ "alg": "ES256" }), &honest(client_id))
}

fn keyed(id: &str, keys: &[Value]) -> Value {
    client(id, "private_key_jwt", json!({ "jwks": { "keys": keys } }))
}

fn ask<'a>(server: &'a Server, id: &str, assertion: &str) -> Request<'a> {
    server.token(id).assertion(assertion)
}

#[test]
fn fa_09_fa_12_what_an_assertion_must_say() {
    let (key, other) = (EcKey::new(), EcKey::new());
    let server = World::usual()
        .clients([keyed("kim", &[key.jwk()]), keyed("leo", &[other.jwk()])])
        .start();
    let sent = |claims: &Value| {
        ask(
            &server,
            "kim",
            &key.sign(&json!({ "alg": "ES256" }), claims),
        )
        .send()
    };
    ask(&server, "kim", &assertion(&key, "kim")).send().token();
    // client_id may be left out: the assertion's sub names the client (RFC 7521 section 4.2).
    let request = server
        .post("token")
        .form("grant_type", "client_credentials");
    request.assertion(&assertion(&key, "kim")).send().token();
    let now = now();
    for (member, value, good) in [
        ("aud", json!([ISSUER]), false),
        ("aud", json!([ISSUER, "https://other.example"]), false),
        ("aud", json!(format!("{ISSUER}/token")), false),
        ("aud", json!(format!("{ISSUER}/")), false),
        ("aud", json!("https://AS.example.com"), false),
        ("aud", Value::Null, false),
        ("iss", json!("leo"), false),
        ("iss", Value::Null, false),
        ("sub", json!("leo"), false),
        ("sub", Value::Null, false),
        ("exp", Value::Null, false),
        ("exp", json!("soon"), false),
        ("exp", json!(now - 120), false),
        ("exp", json!(now + 86_400), false),
        ("exp", json!(-1), false),
        ("iat", json!(now + 8), true),
        ("nbf", json!(now + 8), true),
        ("iat", json!(now + 70), false),
        ("nbf", json!(now + 70), false),
        ("nbf", json!(now - 70), true),
        ("jti", Value::Null, false),
        ("jti", json!(""), false),
        ("jti", json!(7), false),
        ("jti", json!("x".repeat(257)), false),
        ("iat", Value::Null, true),
    ] {
        let mut claims = honest("kim");
        if value.is_null() {
            claims.as_object_mut().expect("an object").remove(member);
        } else {
            claims[member] = value.clone();
        }
        let response = sent(&claims);
        if good {
            response.token();
        } else {
            assert_eq!(response.status, 401, "{member} {value}: {}", response.body);
        }
    }
    ask(&server, "leo", &assertion(&key, "leo"))
        .send()
        .refuses(401, "invalid_client");
    ask(&server, "leo", &assertion(&key, "kim"))
        .send()
        .refuses(401, "invalid_client");
    let untyped = server
        .token("kim")
        .form("client_assertion", &assertion(&key, "kim"));
    untyped.send().refuses(400, "invalid_request");
    let saml = server
        .token("kim")
        .form(
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:saml2-bearer",
        )
        .form("client_assertion", &assertion(&key, "kim"));
    saml.send().refuses(400, "invalid_request");
    for endpoint in ["introspect", "revoke"] {
        let request = server
            .post(endpoint)
            .form("client_id", "kim")
            .form("token", "x");
        request.assertion(&assertion(&key, "kim")).send().succeeds();
    }
}

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one table of cases, and what it needs"
)]
fn jo_01_jo_03_the_verifier_chooses_algorithm_and_key() {
    let (key, other, rsa) = (EcKey::new(), EcKey::new(), RsaKey::new());
    let mut pinned = keyed("paula", &[rsa.jwk()]);
    pinned["token_endpoint_auth_signing_alg"] = json!("PS256");
    let server = World::usual()
        .clients([
            keyed("kim", &[key.jwk()]),
            keyed("rita", &[rsa.jwk()]),
            pinned,
        ])
        .start();
    for alg in ["RS256", "PS256"] {
        ask(&server, "rita", &rsa.sign(alg, &honest("rita")))
            .send()
            .token();
    }
    ask(&server, "paula", &rsa.sign("PS256", &honest("paula")))
        .send()
        .token();
    ask(&server, "paula", &rsa.sign("RS256", &honest("paula")))
        .send()
        .refuses(401, "invalid_client");

    let claims = || honest("kim");
    let unsigned = |alg: &str| {
        let header = json!({ "alg": alg }).to_string();
        format!(
            "{}.{}.",
            jose::encode(header),
            jose::encode(claims().to_string())
        )
    };
    let good = assertion(&key, "kim");
    let (input, signature) = good.rsplit_once('.').expect("a JWS");
    let tampered = {
        let mut claims = jose::claims(&good);
        claims["jti"] = json!("another");
        let header = good.split('.').next().expect("a header");
        format!("{header}.{}.{signature}", jose::encode(claims.to_string()))
    };
    let public = rsa.jwk();
    let modulus = jose::decode(public["n"].as_str().expect("n"));
    let mut last = jose::decode(signature);
    let zero = vec![0; last.len()];
    last[63] ^= 1;
    let by = |header: Value| key.sign(&header, &claims());
    for (why, forged) in [
        ("none", unsigned("none")),
        ("None", unsigned("None")),
        ("no signature", unsigned("ES256")),
        ("tampered", tampered),
        ("flipped", format!("{input}.{}", jose::encode(&last))),
        ("zero signature", format!("{input}.{}", jose::encode(&zero))),
        (
            "DER-long signature",
            format!("{input}.{}", jose::encode([last.as_slice(), &[0]].concat())),
        ),
        ("other key", assertion(&other, "kim")),
        (
            "HS256 by the modulus",
            jose::sign_hs256(&modulus, &json!({ "alg": "HS256" }), &honest("rita")),
        ),
        (
            "HS256 by the JWK",
            jose::sign_hs256(
                key.jwk().to_string().as_bytes(),
                &json!({ "alg": "HS256" }),
                &claims(),
            ),
        ),
        ("ES384", by(json!({ "alg": "ES384" }))),
        ("RS256 with an EC key", by(json!({ "alg": "RS256" }))),
        ("no alg", by(json!({ "typ": "JWT" }))),
        ("crit", by(json!({ "alg": "ES256", "crit": ["x"], "x": 1 }))),
        (
            "crit exp",
            by(json!({ "alg": "ES256", "crit": ["exp"], "exp": 1 })),
        ),
        (
            "b64",
            by(json!({ "alg": "ES256", "crit": ["b64"], "b64": false })),
        ),
        (
            "embedded jwk",
            other.sign(&json!({ "alg": "ES256", "jwk": other.jwk() }), &claims()),
        ),
        (
            "jku",
            other.sign(
                &json!({ "alg": "ES256", "jku": "https://evil.example/jwks" }),
                &claims(),
            ),
        ),
        (
            "x5u",
            other.sign(
                &json!({ "alg": "ES256", "x5u": "https://evil.example/x" }),
                &claims(),
            ),
        ),
        ("padding", format!("{input}.{signature}=")),
        ("five parts", format!("{good}.a.b")),
        ("one part", "abc".to_owned()),
        ("blank", format!("{good} ")),
        (
            "claims no object",
            key.sign(&json!({ "alg": "ES256" }), &json!([])),
        ),
        (
            "kid unknown",
            by(json!({ "alg": "ES256", "kid": "unknown" })),
        ),
    ] {
        let id = if why == "HS256 by the modulus" {
            "rita"
        } else {
            "kim"
        };
        let response = ask(&server, id, &forged).send();
        let code = (response.status, response.text("error"));
        if why == "kid unknown" {
            // The registered key has no kid, so a kid tells nothing; either answer is safe.
            continue;
        }
        assert!(
            code == (401, "invalid_client".into()) || code == (400, "invalid_request".into()),
            "{why}: {}",
            response.body
        );
    }
    // A member twice in the claims is refused, whichever value is the good one.
    let doubled = format!(
        "{{\"aud\":\"https://evil.example\",{}",
        &claims().to_string()[1..]
    );
    let input = format!(
        "{}.{}",
        jose::encode(json!({ "alg": "ES256" }).to_string()),
        jose::encode(doubled)
    );
    assert_eq!(
        ask(&server, "kim", &key.sign_input(&input)).send().status,
        401,
        "doubled claim"
    );
}

#[test]
fn jo_02_our_own_tokens_are_no_assertions() {
    let key = EcKey::new();
    let server = World::usual().client(keyed("kim", &[key.jwk()])).start();
    let token = ask(&server, "kim", &assertion(&key, "kim")).send().token();
    ask(&server, "kim", &token)
        .send()
        .refuses(401, "invalid_client");
}

/// One `jti` used by many at once: exactly one of them wins.
fn one_wins(servers: &[Server]) {
    let key = EcKey::from_pem(
        JTI_KEY.get_or_init(|| rcgen::KeyPair::generate().expect("a key").serialize_pem()),
    );
    let assertion = assertion(&key, "kim");
    let won: usize = std::thread::scope(|scope| {
        let askers: Vec<_> = (0..50)
            .map(|number| {
                let server = &servers[number % servers.len()];
                let assertion = &assertion;
                scope.spawn(move || ask(server, "kim", assertion).send())
            })
            .collect();
        let answers = askers
            .into_iter()
            .map(|asker| asker.join().expect("no panic"));
        answers
            .map(|response| {
                if response.status == 200 {
                    return 1;
                }
                response.refuses(401, "invalid_client");
                0
            })
            .sum()
    });
    assert_eq!(won, 1, "one jti, one token");
    ask(&servers[0], "kim", &assertion)
        .send()
        .refuses(401, "invalid_client");
    servers[0].logs("used before");
}

static JTI_KEY: std::sync::OnceLock<String> = std::sync::OnceLock::new();

fn kim() -> Value {
    let pem = JTI_KEY.get_or_init(|| rcgen::KeyPair::generate().expect("a key").serialize_pem());
    keyed("kim", &[EcKey::from_pem(pem).jwk()])
}

#[test]
fn a_jti_is_good_once_in_memory() {
    one_wins(&[World::usual().client(kim()).start()]);
}

#[test]
fn a_jti_is_good_once_in_a_file_and_after_a_crash() {
    let world = World::usual()
        .client(kim())
        .flag("--store", "file:store.db");
    let mut server = world.start();
    let key = EcKey::from_pem(JTI_KEY.get().expect("made by kim()"));
    let before = assertion(&key, "kim");
    ask(&server, "kim", &before).send().token();
    server.crash();
    drop(server);
    let server = world.start();
    ask(&server, "kim", &before)
        .send()
        .refuses(401, "invalid_client");
    one_wins(&[server]);
}

#[test]
fn a_jti_is_good_once_for_all_instances_on_one_redis() {
    let redis = RedisServer::start(&[]);
    let world = World::usual()
        .client(kim())
        .flag("--store", &redis.url())
        .flag("--keys", "keys");
    one_wins(&[world.start(), world.start()]);
}

#[test]
fn one_jti_of_two_clients_is_two() {
    let (key, other) = (EcKey::new(), EcKey::new());
    let server = World::usual()
        .clients([keyed("kim", &[key.jwk()]), keyed("leo", &[other.jwk()])])
        .start();
    for (id, key) in [("kim", &key), ("leo", &other)] {
        let mut claims = honest(id);
        claims["jti"] = json!("the same");
        ask(&server, id, &key.sign(&json!({ "alg": "ES256" }), &claims))
            .send()
            .token();
    }
}

#[test]
fn dcr_01_dcr_07_keys_that_are_refused_in_the_file() {
    let key = EcKey::new();
    let with = |member: &str, value: Value| {
        let mut jwk = key.jwk();
        jwk[member] = value;
        json!({ "keys": [jwk] })
    };
    let good = json!({ "keys": [key.jwk()] });
    for (why, members) in [
        ("a private key", json!({ "jwks": with("d", json!("AAAA")) })),
        (
            "a symmetric key",
            json!({ "jwks": { "keys": [{ "kty": "oct", "k": "AAAA" }] } }),
        ),
        ("no key", json!({ "jwks": { "keys": [] } })),
        ("no set", json!({ "jwks": [] })),
        ("no keys", json!({ "jwks": {} })),
        (
            "off the curve",
            json!({ "jwks": with("x", json!(jose::encode([1; 32]))) }),
        ),
        (
            "a short coordinate",
            json!({ "jwks": with("x", json!("AQ")) }),
        ),
        ("bad x5c", json!({ "jwks": with("x5c", json!(["AAAA"])) })),
        (
            "both",
            json!({ "jwks": good, "jwks_uri": "https://keys.example/jwks" }),
        ),
        ("neither", json!({})),
        ("file", json!({ "jwks_uri": "file:///etc/passwd" })),
        ("no URI", json!({ "jwks_uri": "keys" })),
        (
            "credentials",
            json!({ "jwks_uri": "https://u:p@keys.example/jwks" }),
        ),
        ("secret", json!({ "jwks": good, "client_secret": SECRET })),
    ] {
        let world = World::usual().client(client("kim", "private_key_jwt", members));
        let said = world.refuses_to_start();
        assert!(said.contains("kim"), "{why}: {said}");
        assert_eq!(world.run("check", &[]).status.code(), Some(1), "{why}");
    }
    // Where no option makes a URI good, `check` says so, and the server never calls it.
    for uri in [
        "http://keys.example/jwks",
        "https://127.0.0.1/jwks",
        "https://169.254.169.254/latest",
        "https://[::1]/jwks",
    ] {
        let world =
            World::usual().client(client("kim", "private_key_jwt", json!({ "jwks_uri": uri })));
        let output = world.run("check", &[]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{uri}: {said}");
        assert!(said.contains("kim") && said.contains("jwks_uri"), "{said}");
        let server = world.start();
        ask(&server, "kim", &assertion(&key, "kim"))
            .send()
            .refuses(401, "invalid_client");
    }
    let world = World::usual().client(secret_client("carla", json!({ "jwks": good })));
    drop(world.start());
}
