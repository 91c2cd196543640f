//! What codes and refresh tokens give, and what ends them.

use std::sync::Arc;

use http::HeaderMap;
use serde_json::Value;

use super::super::authorization_code::AuthorizationCode;
use super::super::*;
use crate::cert::ClientCertificate;
use crate::client::belief::Belief;
use crate::client::credentials::Credentials;
use crate::client::{Attempt, Registry};
use crate::key::algorithm::SigningAlgorithm;
use crate::key::set::ManagedKey;
use crate::key::signing::SigningKey;
use crate::oauth::pkce::{CodeChallenge, CodeChallengeMethod, CodeVerifier};
use crate::proxy::Encoding;
use crate::proxy::presented::Presented;
use crate::record::{Condition, Operation};
use crate::token::refresh::{Hold, RefreshToken};

const NOW: Timestamp = Timestamp::from_unix(1_795_311_512);
const ISSUER: &str = "https://as.example.com";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const OTHER: &str = "eBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CALLBACK: &str = "https://a.example/cb";

fn clients() -> Registry {
    let one = |id: &str, more: &str| {
        format!(
            r#"{{"client_id":"{id}","token_endpoint_auth_method":"client_secret_post","client_secret":"s",
            "redirect_uris":["{CALLBACK}"],"grant_types":["authorization_code","refresh_token"],
            "scope":"openid a b","audience":["https://one.example","https://two.example"]{more}}}"#
        )
    };
    let bound = r#","tls_client_certificate_bound_access_tokens":true"#;
    let text = [
        one("plain", ""),
        one("rotates", r#","refresh_token_rotation":"always""#),
        one("certificate", bound),
        one("key", &format!(r#"{bound},"refresh_token_binding":"key""#)),
        one("client", &format!(r#"{bound},"refresh_token_binding":"client""#)),
        one("narrow", r#","consent":false"#).replace("openid a b", "openid a"),
        r#"{"client_id":"public","token_endpoint_auth_method":"none","redirect_uris":["https://a.example/cb"],
            "grant_types":["authorization_code","refresh_token"],"scope":"openid a b",
            "audience":["https://one.example"]}"#.to_owned(),
    ];
    Registry::read(&format!("[{}]", text.join(","))).expect("registrations")
}

fn certificate(name: &str) -> ClientCertificate {
    let pem = match name {
        "p256" => include_str!("../../../tests/fixtures/pki/p256.crt"),
        _ => include_str!("../../../tests/fixtures/pki/rsa.crt"),
    };
    ClientCertificate::from_pem(pem).expect("a fixture")
}

fn family(client: &str, local: bool) -> Family {
    Family {
        client_id: crate::oauth::ClientId::parse(client).expect("a client"),
        subject: "s-1".into(),
        username: "alice".into(),
        local,
        scope: Scope::parse("openid a b").expect("a scope"),
        audience: vec!["https://one.example".into()],
        authentication: Authentication {
            time: Timestamp::from_unix(NOW.unix() - 60),
            acr: Some("gold".into()),
            methods: vec!["pwd".into()],
        },
        session: Some("sid".into()),
        id_token_claims: Vec::new(),
        userinfo_claims: Vec::new(),
    }
}

fn name() -> FamilyId {
    FamilyId::mint(&Secret::new("f".repeat(43)))
}

fn code() -> AuthorizationCode {
    let verifier = CodeVerifier::parse(VERIFIER).expect("a verifier");
    AuthorizationCode {
        expires: NOW.after(Lifetime::from_seconds(60)),
        redirect_uri: CALLBACK.into(),
        asked_redirect_uri: true,
        challenge: Some(CodeChallenge::of(&verifier, CodeChallengeMethod::S256)),
        nonce: Some("n".into()),
        used: false,
    }
}

fn refresh(hold: Option<Hold>) -> RefreshToken {
    RefreshToken {
        issued: NOW,
        expires: NOW.after(Lifetime::from_seconds(600)),
        hold,
        rotated: false,
    }
}

/// Decides on those records, as that client with that certificate asks.
fn decided(
    client: &str,
    shown: Option<&str>,
    parameters: &str,
    evidence: &[Option<Record>],
) -> Result<Granted, Refusal> {
    let secret = if client == "public" {
        ""
    } else {
        "&client_secret=s"
    };
    let body = format!("client_id={client}{secret}&{parameters}");
    let form = Form::parse(body.as_bytes()).expect("a form of this table");
    let presented = shown.map_or_else(Presented::nothing, |shown| {
        Presented::supposed(certificate(shown), Vec::new(), Encoding::AUTO)
    });
    let registry = clients();
    let proven = registry.authenticate(&Attempt {
        credentials: &Credentials::read(&HeaderMap::new(), &form).expect("credentials"),
        presented: &presented,
        belief: &Belief::default(),
        remote: None,
        issuer: ISSUER,
        now: NOW,
        steps: None,
    });
    let client = proven.expect("authenticated").into_client();
    let key = Arc::new(SigningKey::generate(SigningAlgorithm::Es256).expect("entropy"));
    let keys = KeySet::new()
        .with(ManagedKey::new(key, NOW, NOW))
        .expect("one key");
    let users = Users::read(r#"[{"username":"alice","sub":"s-1"}]"#).expect("users");
    let context = Context {
        now: NOW,
        mint: &|| Secret::new("c".repeat(43)),
        issuer: ISSUER,
        keys: &keys,
        users: &users,
        access_token_ttl: Lifetime::from_seconds(600),
        refresh_token_ttl: Lifetime::from_seconds(3_600),
        access_token_format: AccessTokenFormat::Jwt,
    };
    let grant = chosen(&form, &client)?;
    let presents = grant.presents(&form, ISSUER);
    assert!(presents.len() == 2 || evidence.is_empty(), "{presents:?}");
    grant.decide(&Ask {
        form: &form,
        client: &client,
        keys: &presents,
        evidence,
        context: &context,
    })
}

fn redeem(
    client: &str,
    shown: Option<&str>,
    parameters: &str,
    code: &AuthorizationCode,
    family: &Family,
) -> Result<Granted, Refusal> {
    let text = AuthorizationCode::text(&Secret::new("d".repeat(43)), &name());
    let records = [
        code.record(code.expires).ok(),
        family.record(NOW.after(Lifetime::from_seconds(9_000))).ok(),
    ];
    let form = format!(
        "grant_type=authorization_code&code={}&{parameters}",
        text.expose()
    );
    decided(client, shown, &form, &records)
}

fn use_token(
    client: &str,
    shown: Option<&str>,
    parameters: &str,
    token: &RefreshToken,
    family: &Family,
) -> Result<Granted, Refusal> {
    let text = RefreshToken::text(&Secret::new("d".repeat(43)), &name());
    let records = [
        token.record().ok(),
        family.record(NOW.after(Lifetime::from_seconds(9_000))).ok(),
    ];
    let form = format!(
        "grant_type=refresh_token&refresh_token={}&{parameters}",
        text.expose()
    );
    decided(client, shown, &form, &records)
}

/// Whether a refusal ends the family.
fn ends(refusal: &Refusal) -> bool {
    refusal.changes.operations() == [(name().key(ISSUER), Operation::Delete)]
}

fn good() -> String {
    format!("redirect_uri={CALLBACK}&code_verifier={VERIFIER}")
}

#[test]
fn a_code_gives_what_its_family_says() {
    let mut granted =
        redeem("plain", None, &good(), &code(), &family("plain", true)).expect("granted");
    assert_eq!(granted.token.claims.subject, "s-1");
    assert_eq!(granted.token.claims.scope.as_str(), "openid a b");
    assert_eq!(granted.token.claims.audience, ["https://one.example"]);
    assert_eq!(granted.token.claims.family, Some(name()));
    let response = granted.response_json();
    assert!(
        response["refresh_token"]
            .as_str()
            .is_some_and(|text| text.starts_with("cbrt_"))
    );
    let id_token = granted.id_token.expect("openid was allowed");
    let claims = Value::Object(id_token.claims(SigningAlgorithm::Es256, Some("x"), None));
    assert_eq!(claims["nonce"], "n");
    assert_eq!(claims["auth_time"], NOW.unix() - 60);
    assert_eq!(claims["acr"], "gold");
    assert_eq!(claims["sid"], "sid");
    // Only if both are as they were read, and the code is a mark from then on.
    let keys: Vec<&str> = granted
        .changes
        .conditions()
        .iter()
        .map(|(key, _)| key.as_str().split_once(':').expect("a kind").0)
        .collect();
    assert_eq!(keys, ["co", "fa"]);
    assert!(
        granted
            .changes
            .conditions()
            .iter()
            .all(|(_, condition)| matches!(condition, Condition::Is(_)))
    );
    let mark = granted
        .changes
        .operations()
        .iter()
        .find(|(key, _)| key.as_str().starts_with("co:"));
    let Some((_, Operation::Put(mark))) = mark else {
        panic!("no mark")
    };
    let mark: AuthorizationCode = serde_json::from_slice(&mark.value).expect("a code");
    assert!(mark.used);
}

#[test]
#[expect(clippy::too_many_lines, reason = "one row each")]
fn oa_13_to_17_pk_05_to_07_codes_that_are_refused() {
    let plain = family("plain", true);
    let whole = good();
    let without = AuthorizationCode {
        challenge: None,
        ..code()
    };
    let silent = AuthorizationCode {
        asked_redirect_uri: false,
        ..code()
    };
    let used = AuthorizationCode {
        used: true,
        ..code()
    };
    let old = AuthorizationCode {
        expires: NOW,
        ..code()
    };
    for (client, parameters, code, refused, ended) in [
        ("plain", whole.clone(), code(), false, false),
        ("rotates", whole.clone(), code(), true, false),
        ("rotates", whole.clone(), used.clone(), true, false),
        ("plain", whole.clone(), used.clone(), true, true),
        ("plain", String::new(), used, true, true),
        ("plain", whole.clone(), old, true, false),
        (
            "plain",
            format!("code_verifier={VERIFIER}"),
            code(),
            true,
            false,
        ),
        (
            "plain",
            format!("code_verifier={VERIFIER}"),
            silent,
            false,
            false,
        ),
        (
            "plain",
            format!("redirect_uri={CALLBACK}/&code_verifier={VERIFIER}"),
            code(),
            true,
            false,
        ),
        (
            "plain",
            format!("redirect_uri={CALLBACK}"),
            code(),
            true,
            false,
        ),
        (
            "plain",
            format!("redirect_uri={CALLBACK}&code_verifier={OTHER}"),
            code(),
            true,
            false,
        ),
        (
            "plain",
            format!("redirect_uri={CALLBACK}&code_verifier={}", &VERIFIER[1..]),
            code(),
            true,
            false,
        ),
        (
            "plain",
            format!("redirect_uri={CALLBACK}"),
            without.clone(),
            false,
            false,
        ),
        ("plain", whole, without, true, false),
    ] {
        let outcome = redeem(client, None, &parameters, &code, &plain);
        match &outcome {
            Ok(_) => assert!(!refused, "{client} {parameters}"),
            Err(refusal) => {
                assert!(refused, "{client} {parameters}: {}", refusal.error.cause());
                assert_eq!(
                    refusal.error.code(),
                    ErrorCode::InvalidGrant,
                    "{parameters}"
                );
                assert_eq!(ends(refusal), ended, "{client} {parameters}");
            }
        }
    }
    let gone = decided(
        "plain",
        None,
        &format!(
            "grant_type=authorization_code&code=cbac_x.{}",
            name().as_str()
        ),
        &[None, None],
    );
    assert_eq!(
        gone.expect_err("unknown").error.code(),
        ErrorCode::InvalidGrant
    );
}

#[test]
fn a_user_who_is_gone_ends_everything() {
    let mut left = family("plain", true);
    left.username = "bob".into();
    for outcome in [
        redeem("plain", None, &good(), &code(), &left),
        use_token("plain", None, "", &refresh(None), &left),
    ] {
        let refusal = outcome.expect_err("bob is no user");
        assert!(ends(&refusal), "{}", refusal.error.cause());
    }
    // Whom the web server alone knows cannot be looked up.
    left.local = false;
    assert!(use_token("plain", None, "", &refresh(None), &left).is_ok());
}

#[test]
fn oa_26_bcp_06_refreshing_widens_nothing() {
    for (client, parameters, expected) in [
        ("plain", "", Ok("openid a b")),
        ("plain", "scope=a", Ok("a")),
        ("plain", "scope=a+c", Err(ErrorCode::InvalidScope)),
        ("narrow", "", Ok("openid a")),
        ("narrow", "scope=b", Err(ErrorCode::InvalidScope)),
        ("plain", "resource=https://one.example", Ok("openid a b")),
        (
            "plain",
            "resource=https://two.example",
            Err(ErrorCode::InvalidTarget),
        ),
    ] {
        let granted = use_token(
            client,
            None,
            parameters,
            &refresh(None),
            &family(client, true),
        );
        let found = granted
            .as_ref()
            .map(|granted| granted.token.claims.scope.as_str());
        assert_eq!(
            found.map_err(|refusal| refusal.error.code()),
            expected,
            "{client} {parameters}"
        );
    }
    let narrowed = use_token(
        "plain",
        None,
        "scope=a",
        &refresh(None),
        &family("plain", true),
    )
    .expect("granted");
    assert!(narrowed.id_token.is_none(), "openid was left out");
}

#[test]
fn bcp_05_rotation_and_reuse() {
    let mut kept =
        use_token("plain", None, "", &refresh(None), &family("plain", true)).expect("granted");
    assert!(
        kept.changes.is_empty(),
        "nothing changes: {:?}",
        kept.changes
    );
    let response = kept.response_json();
    assert!(response.get("refresh_token").is_none());
    for client in ["rotates", "public"] {
        let granted =
            use_token(client, None, "", &refresh(None), &family(client, true)).expect("granted");
        let kinds: Vec<&str> = granted
            .changes
            .operations()
            .iter()
            .map(|(key, _)| key.as_str().split_once(':').expect("a kind").0)
            .collect();
        assert_eq!(kinds, ["rt", "rt"], "the mark and the successor");
        assert_eq!(granted.changes.conditions().len(), 2);
        let again = RefreshToken {
            rotated: true,
            ..refresh(None)
        };
        let refusal =
            use_token(client, None, "", &again, &family(client, true)).expect_err("used before");
        assert!(ends(&refusal), "{client}");
    }
}

#[test]
fn what_holds_a_refresh_token() {
    let held = certificate("p256");
    let by_certificate = Some(Hold::Certificate(*held.thumbprint()));
    let by_key = Some(Hold::Key(held.public_key_thumbprint()));
    for (client, hold, shown, good) in [
        ("certificate", by_certificate, Some("p256"), true),
        ("certificate", by_certificate, Some("rsa"), false),
        ("certificate", by_certificate, None, false),
        ("certificate", by_key, Some("p256"), false),
        ("certificate", None, Some("p256"), false),
        ("key", by_key, Some("p256"), true),
        ("key", by_key, Some("rsa"), false),
        ("key", by_certificate, Some("p256"), true),
        ("key", None, Some("p256"), false),
        ("client", None, Some("rsa"), true),
        ("client", by_certificate, Some("rsa"), true),
        ("public", by_certificate, Some("rsa"), false),
        ("public", by_certificate, Some("p256"), true),
    ] {
        let rotated = RefreshToken {
            rotated: true,
            ..refresh(hold)
        };
        let family = family(client, true);
        let outcome = use_token(client, shown, "", &refresh(hold), &family);
        assert_eq!(outcome.is_ok(), good, "{client} {hold:?} {shown:?}");
        if let Err(refusal) = outcome {
            assert_eq!(refusal.error.code(), ErrorCode::InvalidGrant);
            assert!(refusal.changes.is_empty(), "its owner loses nothing");
            let refusal = use_token(client, shown, "", &rotated, &family).expect_err("not held");
            assert!(
                refusal.changes.is_empty(),
                "nor by an old one in the wrong hands"
            );
        }
    }
    // Held by whoever is the client, and yet no access token without a certificate.
    let unbound = use_token("client", None, "", &refresh(None), &family("client", true));
    assert_eq!(
        unbound.expect_err("no certificate").error.code(),
        ErrorCode::InvalidRequest
    );
    let bound =
        redeem("key", Some("p256"), &good(), &code(), &family("key", true)).expect("granted");
    let given = bound
        .changes
        .operations()
        .iter()
        .find(|(key, _)| key.as_str().starts_with("rt:"));
    let Some((_, Operation::Put(record))) = given else {
        panic!("no refresh token")
    };
    assert_eq!(
        RefreshToken::read(record, NOW).expect("a token").hold,
        by_key
    );
    let without = redeem("key", None, &good(), &code(), &family("key", true));
    assert_eq!(
        without.expect_err("no certificate").error.code(),
        ErrorCode::InvalidRequest
    );
}
