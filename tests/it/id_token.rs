//! ID tokens (OpenID Connect Core sections 2, 3.1.3.6, 3.3.2.11 and 10.2).

use aws_lc_rs::aead;
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey,
};
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::browser::Browser;
use crate::jose::{RsaKey, claims, decode, encode, header, verified};
use crate::people::{App, NONCE, Tokens};
use crate::pki::pki;
use crate::world::{ISSUER, World};

const ALGORITHMS: [&str; 4] = ["RS256", "PS256", "ES256", "EdDSA"];

/// OpenID Connect Core section 3.3.2.11: the left half of the hash that the algorithm uses.
fn half(alg: &str, text: &str) -> Value {
    // Ed25519 hashes with SHA-512 (RFC 8032).
    let hash = if alg == "EdDSA" {
        sha2::Sha512::digest(text).to_vec()
    } else {
        sha2::Sha256::digest(text).to_vec()
    };
    json!(encode(&hash[..hash.len() / 2]))
}

#[test]
fn oc_09_oc_11_oc_14_su_04_both_id_tokens_of_a_hybrid_flow_by_every_algorithm() {
    for alg in ALGORITHMS {
        let app = App::secret("web")
            .with("id_token_signed_response_alg", json!(alg))
            .with(
                "response_types",
                json!(["code", "code id_token", "code id_token token"]),
            );
        let server = World::peopled([&app]).start().uncounted();
        let jwks = server.jwks();
        for (response_type, fresh) in [("code id_token", false), ("code id_token token", true)] {
            let before = crate::assertion::now();
            let ask = app.asks().set("response_type", response_type);
            let back = ask.answered(&mut Browser::new(&server), "anna");
            let front = back.get("id_token").expect("an ID token");
            assert_eq!(header(&front)["alg"], json!(alg));
            let front = verified(&front, &jwks);
            assert_eq!(front["c_hash"], half(alg, &back.code()), "OC-11 {alg}");
            let token = back.get("access_token");
            assert_eq!(token.is_some(), fresh);
            let expected = token.map_or(Value::Null, |token| half(alg, &token));
            assert_eq!(front["at_hash"], expected, "OC-11 {alg}");
            let tokens = Tokens::of(&app.redeems(&server, &back.code()).send());
            let late = verified(tokens.id(), &jwks);
            if let Some(hash) = late.get("at_hash") {
                assert_eq!(hash, &half(alg, &tokens.access), "OC-11 {alg}");
            }
            for token in [&front, &late] {
                assert_eq!(token["iss"], json!(ISSUER), "OC-09, ISS-04");
                assert_eq!(token["sub"], json!("sub-of-anna"), "OC-09");
                assert_eq!(token["aud"], json!("web"), "OC-09");
                assert_eq!(token["nonce"], json!(NONCE), "OC-09");
                assert_eq!(token["acr"], json!("1"), "SU-04");
                assert_eq!(token["amr"], json!(["pwd"]));
                let time = |member: &str| token[member].as_u64().expect("a time");
                assert!(time("iat") >= before && time("exp") > time("iat"), "OC-09");
                assert!(time("auth_time") >= before && time("auth_time") <= time("iat"));
                assert!(token.get("email").is_none(), "not asked for");
            }
            for member in [
                "iss",
                "sub",
                "aud",
                "auth_time",
                "acr",
                "amr",
                "nonce",
                "sid",
            ] {
                assert_eq!(front.get(member), late.get(member), "OC-14: {member}");
            }
            assert_eq!(back.get("iss").as_deref(), Some(ISSUER), "ISS-04");
        }
    }
}

#[test]
fn oc_09_fa_08_a_nonce_comes_back_byte_for_byte() {
    let app = App::tls("web").with("response_types", json!(["code", "code id_token"]));
    let server = World::peopled([&app]).start();
    let browser = &mut Browser::new(&server);
    let hostile = "\"quotes\" \\back\\ <&> \u{e4}\u{1f600} %22 + ";
    for nonce in [
        "n".repeat(200),
        "n".repeat(64),
        format!("{hostile}{}", "\"".repeat(200 - hostile.len())),
        "\"".to_owned(),
        " ".to_owned(),
    ] {
        for response_type in ["code", "code id_token"] {
            let ask = app
                .asks()
                .set("nonce", &nonce)
                .set("response_type", response_type);
            let back = ask.answered(browser, "anna");
            let tokens = Tokens::of(&app.redeems(&server, &back.code()).send());
            assert_eq!(claims(tokens.id())["nonce"], json!(nonce));
            if let Some(front) = back.get("id_token") {
                assert_eq!(claims(&front)["nonce"], json!(nonce));
            }
        }
    }
    // Control characters come back as they are, or not at all.
    let back = app.asks().set("nonce", "\r\n").answered(browser, "anna");
    if back.get("error").is_some() {
        back.refuses("invalid_request");
    }
    // None was sent: none comes.
    let tokens = app.tokens_for(&server, "anna", &app.asks().without("nonce"));
    assert!(claims(tokens.id()).get("nonce").is_none());
    // Without openid there is no ID token at all.
    let tokens = app.tokens_for(&server, "anna", &app.asks().set("scope", "orders.read"));
    assert!(tokens.id.is_none());
}

#[test]
fn claims_as_asked() {
    let app = App::tls("web");
    let server = World::peopled([&app]).start();
    let named = json!({
        "id_token": { "email": null, "birthdate": { "essential": true }, "nonsense": null, "password_hash": null },
        "userinfo": { "phone_number": null },
    });
    let ask = app.asks().set("claims", &named.to_string());
    let tokens = app.tokens_for(&server, "anna", &ask);
    let said = claims(tokens.id());
    assert_eq!(said["email"], json!("anna@example.com"));
    assert_eq!(said["birthdate"], json!("1970-01-01"));
    for never in ["phone_number", "nonsense", "password_hash", "totp", "name"] {
        assert!(said.get(never).is_none(), "{never}");
    }
    let info = app.userinfo(&server, &tokens.access).succeeds().json();
    assert_eq!(info["phone_number"], json!("+49 30 1"));
    assert!(info.get("email").is_none());
}

#[test]
fn oc_16_algorithms_that_cannot_be_registered() {
    for member in [
        "id_token_signed_response_alg",
        "userinfo_signed_response_alg",
    ] {
        for alg in ["none", "HS256", "RS1", "rs256", ""] {
            let app = App::tls("web").with(member, json!(alg));
            World::peopled([&app]).is_refused_for(member);
        }
    }
}

/// Opens a compact JWE by RSA (RFC 7516 section 5.2), with other code than made it.
fn opened(jwe: &str, key: &RsaKey) -> String {
    let parts: Vec<&str> = jwe.split('.').collect();
    assert_eq!(parts.len(), 5, "a compact JWE");
    let header = header(jwe);
    let private = PrivateDecryptingKey::from_pkcs8(&key.pkcs8()).expect("a key");
    let private = OaepPrivateDecryptingKey::new(private).expect("a key");
    let padding = match header["alg"].as_str() {
        Some("RSA-OAEP") => &OAEP_SHA1_MGF1SHA1,
        Some("RSA-OAEP-256") => &OAEP_SHA256_MGF1SHA256,
        other => panic!("{other:?}"),
    };
    let mut cek = vec![0; private.min_output_size()];
    let cek = private
        .decrypt(padding, &decode(parts[1]), &mut cek, None)
        .expect("the key is for us");
    let algorithm = match header["enc"].as_str() {
        Some("A128GCM") => &aead::AES_128_GCM,
        Some("A256GCM") => &aead::AES_256_GCM,
        other => panic!("{other:?}"),
    };
    let cek = aead::UnboundKey::new(algorithm, cek).expect("a CEK of that size");
    let nonce = aead::Nonce::try_assume_unique_for_key(&decode(parts[2])).expect("96 bits");
    let mut content = [decode(parts[3]), decode(parts[4])].concat();
    let content = aead::LessSafeKey::new(cek)
        .open_in_place(nonce, aead::Aad::from(parts[0].as_bytes()), &mut content)
        .expect("nobody changed it");
    String::from_utf8(content.to_vec()).expect("text")
}

#[test]
fn oc_17_jo_05_signed_and_then_encrypted() {
    let (key, decoy) = (RsaKey::new(), RsaKey::new());
    let mut jwk = key.jwk();
    jwk["use"] = json!("enc");
    jwk["kid"] = json!("to-me");
    let mut other = decoy.jwk();
    other["use"] = json!("sig");
    other["kid"] = json!("not-to-me");
    for (alg, enc) in [("RSA-OAEP", "A128GCM"), ("RSA-OAEP-256", "A256GCM")] {
        let app = App::secret("web")
            .with("jwks", json!({ "keys": [other, jwk] }))
            .with("response_types", json!(["code", "code id_token"]))
            .with("id_token_signed_response_alg", json!("ES256"))
            .with("id_token_encrypted_response_alg", json!(alg))
            .with("id_token_encrypted_response_enc", json!(enc))
            .with("userinfo_signed_response_alg", json!("PS256"))
            .with("userinfo_encrypted_response_alg", json!(alg))
            .with("userinfo_encrypted_response_enc", json!(enc));
        let server = World::peopled([&app]).start();
        let jwks = server.jwks();
        let ask = app.asks().set("response_type", "code id_token");
        let back = ask.answered(&mut Browser::new(&server), "anna");
        let tokens = Tokens::of(&app.redeems(&server, &back.code()).send());
        let refreshed = Tokens::of(&app.refreshes(&server, tokens.refresh()).send());
        let front = back.get("id_token").expect("one");
        for token in [front.as_str(), tokens.id(), refreshed.id()] {
            let header = header(token);
            assert_eq!(header["cty"], json!("JWT"), "OC-17");
            assert_eq!((&header["alg"], &header["enc"]), (&json!(alg), &json!(enc)));
            assert_eq!(header["kid"], json!("to-me"));
            assert!(header.get("zip").is_none());
            let inner = opened(token, &key);
            assert_eq!(crate::jose::header(&inner)["alg"], json!("ES256"));
            assert_eq!(verified(&inner, &jwks)["sub"], json!("sub-of-anna"));
        }
        assert_ne!(front, tokens.id());
        // OC-21: and userinfo alike, with iss and aud.
        let info = app.userinfo(&server, &tokens.access);
        assert_eq!(info.header("content-type"), Some("application/jwt"));
        let inner = opened(&info.body, &key);
        let said = verified(&inner, &jwks);
        assert_eq!(
            (&said["iss"], &said["aud"]),
            (&json!(ISSUER), &json!("web")),
            "OC-21"
        );
        assert_eq!(said["sub"], json!("sub-of-anna"), "OC-20");
    }
}

#[test]
fn oc_17_no_key_no_id_token_and_never_in_the_clear() {
    // Registered with a key that does not fit: refused. Found out at run time only: an error.
    let app = App::tls("web")
        .with("jwks_uri", json!("https://127.0.0.1:9/jwks"))
        .with("response_types", json!(["code", "code id_token"]))
        .with("id_token_encrypted_response_alg", json!("RSA-OAEP"));
    let server = World::peopled([&app])
        .switch("--outbound-allow-private")
        .start()
        .uncounted();
    let browser = &mut Browser::new(&server);
    let page = app
        .asks()
        .set("response_type", "code id_token")
        .open(browser)
        .page();
    let response = browser.password(&page, "anna", crate::people::PASSWORD);
    assert!(response.status >= 500 || response.back().get("error").is_some());
    let shown = format!("{:?}{}", response.headers, response.body);
    assert!(!shown.contains("eyJ"), "OC-17: {shown}");
    let back = app.asks().answered(browser, "anna");
    let redeemed = app.redeems(&server, &back.code()).send();
    assert!(redeemed.status >= 400, "{}", redeemed.body);
    assert!(!redeemed.body.contains("id_token\""), "{}", redeemed.body);
    for keys in [
        json!({ "keys": [crate::jose::EcKey::new().jwk()] }),
        json!({ "keys": [] }),
    ] {
        let app = App::secret("web")
            .with("jwks", keys)
            .with("id_token_encrypted_response_alg", json!("RSA-OAEP"));
        World::peopled([&app]).is_refused_for("id_token_encrypted_response_alg");
    }
}

#[test]
fn at_07_at_09_jo_02_jo_04_no_jwt_for_another() {
    let key = RsaKey::new();
    let app = App::tls("web")
        .with("introspection_signed_response_alg", json!("RS256"))
        .with("userinfo_signed_response_alg", json!("RS256"));
    let server = World::peopled([&app]).start();
    let jwks = server.jwks();
    // JO-04: nothing is there to decrypt with.
    for published in jwks["keys"].as_array().expect("keys") {
        assert_eq!(published["use"], json!("sig"), "JO-04");
    }
    let tokens = app.tokens(&server, "anna");
    let certificate = app.certificate.as_ref().expect("one");
    let introspected = app
        .post(&server, "introspect")
        .header("Accept", "application/token-introspection+jwt")
        .form("token", &tokens.access)
        .send();
    let info = app.userinfo(&server, &tokens.access).body;
    let mut none = header(&tokens.access);
    none["alg"] = json!("none");
    let payload = tokens.access.split('.').nth(1).expect("claims");
    let unsigned = format!("{}.{payload}.", encode(none.to_string()));
    let public = serde_json::to_vec(&jwks["keys"][0]).expect("JSON");
    let confused = crate::jose::sign_hs256(
        &public,
        &json!({ "alg": "HS256", "typ": "at+jwt" }),
        &claims(&tokens.access),
    );
    let foreign = key.sign("RS256", &claims(&tokens.access));
    let jwe = "eyJhbGciOiJSU0ExXzUiLCJlbmMiOiJBMTI4R0NNIn0.AAAA.AAAA.AAAA.AAAA";
    for text in [
        tokens.id(),
        &introspected.body,
        &info,
        &unsigned,
        &confused,
        &foreign,
        jwe,
        tokens.refresh(),
    ] {
        let verified = server.verify("default", text).unjudged(certificate).send();
        assert_eq!(verified.status, 401, "AT-09: {text}");
        assert_eq!(app.userinfo(&server, text).status, 401, "AT-09: {text}");
        assert_eq!(server.introspect(text), json!({ "active": false }));
    }
    // Nor is any of them an assertion, or an access token an ID token.
    for text in [&tokens.access, &introspected.body, &info, &foreign, jwe] {
        let ask = app.asks().set("id_token_hint", text);
        let back = ask.answered(&mut Browser::new(&server), "anna");
        back.refuses("invalid_request");
    }
    let _ = pki();
}

#[test]
fn oc_26_keys_rotate_under_people() {
    let app = App::tls("web");
    let directory = tempfile::tempdir().expect("a directory");
    let keys = directory.path().join("keys").display().to_string();
    let world = World::peopled([&app]).flag("--keys", &keys);
    let server = world.start();
    let before = app.tokens(&server, "anna");
    let old = header(before.id())["kid"].clone();
    let rotated = std::process::Command::new(env!("CARGO_BIN_EXE_certbound"))
        .args(["keys", "rotate", "--issuer", ISSUER, "--keys", &keys])
        .env_clear()
        .output()
        .expect("the program runs");
    assert!(
        rotated.status.success(),
        "{}",
        String::from_utf8_lossy(&rotated.stderr)
    );
    // A key is published before it signs, and every ID token verifies by what is published.
    let began = std::time::Instant::now();
    let mut published = 0;
    while began.elapsed() < std::time::Duration::from_secs(4) {
        let tokens = app.tokens(&server, "ben");
        let jwks = server.jwks();
        verified(tokens.id(), &jwks);
        verified(before.id(), &jwks);
        published = published.max(jwks["keys"].as_array().map_or(0, Vec::len));
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    assert!(published > 4, "OC-26: the new ones are published");
    // What was signed by the old one is still a hint.
    let hint = app
        .asks()
        .set("id_token_hint", before.id())
        .set("prompt", "none");
    let back = hint.answered(&mut Browser::new(&server), "anna");
    back.refuses("login_required");
    assert!(old.is_string());
}
