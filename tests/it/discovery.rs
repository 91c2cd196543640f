//! The metadata about people (OpenID Connect Discovery section 3, RFC 8414): what is listed works, and what
//! works is listed.

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::jose::{EcKey, RsaKey, header, verified};
use crate::people::{App, CHALLENGE, Tokens, VERIFIER};
use crate::world::{ISSUER, Server, World};

fn document(server: &Server) -> Value {
    let path = "/.well-known/openid-configuration";
    let document = server.get(path).send().succeeds().json();
    let other = server.get("/.well-known/oauth-authorization-server").send();
    assert_eq!(other.json(), document, "both are the same");
    document
}

/// The strings under that member.
#[track_caller]
fn list(document: &Value, member: &str) -> Vec<String> {
    let listed = document[member].as_array();
    let listed = listed.unwrap_or_else(|| panic!("MD-04: no {member}"));
    assert!(!listed.is_empty(), "MD-03: {member}");
    listed
        .iter()
        .map(|one| one.as_str().expect("text").to_owned())
        .collect()
}

#[test]
fn md_03_md_04_iss_03_what_must_be_there() {
    let app = App::tls("web");
    let server = World::peopled([&app]).start();
    let document = document(&server);
    for (name, endpoint) in [
        ("authorization_endpoint", "authorize"),
        ("token_endpoint", "token"),
        ("userinfo_endpoint", "userinfo"),
        ("jwks_uri", "jwks"),
        ("end_session_endpoint", "logout"),
        ("pushed_authorization_request_endpoint", "par"),
        ("introspection_endpoint", "introspect"),
        ("revocation_endpoint", "revoke"),
    ] {
        assert_eq!(
            document[name],
            json!(format!("{ISSUER}/{endpoint}")),
            "{name}"
        );
        let response = server.get(endpoint).send();
        assert_ne!(response.status, 404, "{name}");
    }
    for (name, value) in [
        ("issuer", json!(ISSUER)),
        (
            "authorization_response_iss_parameter_supported",
            json!(true),
        ),
        ("tls_client_certificate_bound_access_tokens", json!(true)),
        ("claims_parameter_supported", json!(true)),
        ("backchannel_logout_supported", json!(true)),
        ("backchannel_logout_session_supported", json!(true)),
        ("subject_types_supported", json!(["public"])),
        // Its default is true (Discovery section 3).
        ("request_uri_parameter_supported", json!(false)),
    ] {
        assert_eq!(document[name], value, "{name}");
    }
    for (name, value) in document.as_object().expect("an object") {
        assert_ne!(value, &json!([]), "MD-03: {name}");
        assert!(!value.is_null(), "{name}");
        let text = value.to_string();
        assert!(
            !text.contains("\"none\"") || !name.contains("_alg_"),
            "MD-06 {name}"
        );
    }
    let grants = list(&document, "grant_types_supported");
    for grant in ["authorization_code", "refresh_token", "client_credentials"] {
        assert!(grants.iter().any(|one| one == grant), "{grant}");
    }
    assert!(!grants.contains(&"password".to_owned()), "BCP-09");
    for grant in grants {
        let request = app.post(&server, "token").form("grant_type", &grant);
        assert_ne!(
            request.send().text("error"),
            "unsupported_grant_type",
            "{grant}"
        );
    }
    for scope in ["openid", "offline_access"] {
        assert!(list(&document, "scopes_supported").contains(&scope.to_owned()));
    }
}

#[test]
fn md_04_response_types_modes_challenges_and_languages() {
    let server = World::usual().start();
    let listed = document(&server);
    let types = list(&listed, "response_types_supported");
    for known in ["code", "code id_token"] {
        assert!(types.contains(&known.to_owned()), "{known}");
    }
    assert!(!types.contains(&"token".to_owned()), "BCP-04");
    let app = App::secret("web")
        .with("response_types", json!(types))
        .with("pkce", json!(""));
    let server = World::peopled([&app]).start().uncounted();
    let browser = &mut Browser::new(&server);
    for response_type in &types {
        for mode in list(&listed, "response_modes_supported") {
            if mode == "query" && response_type != "code" {
                continue;
            }
            let ask = app.asks().set("response_type", response_type);
            let back = ask.set("response_mode", &mode).answered(browser, "anna");
            back.code();
            assert_eq!(back.mode, mode);
        }
    }
    // PK-08: what some registration may use, and nothing else.
    let methods = list(&document(&server), "code_challenge_methods_supported");
    assert!(methods.contains(&"S256".to_owned()), "PK-08");
    for method in methods {
        let challenge = match method.as_str() {
            "S256" => CHALLENGE,
            "plain" => VERIFIER,
            other => panic!("PK-08: {other}"),
        };
        let ask = app
            .asks()
            .set("code_challenge", challenge)
            .set("code_challenge_method", &method);
        let back = ask.answered(browser, "anna");
        Tokens::of(&app.redeems(&server, &back.code()).send());
    }
    let locales = list(&listed, "ui_locales_supported");
    assert!(locales.len() >= 2, "English and one more: {locales:?}");
    for locale in locales {
        let page = app
            .asks()
            .set("ui_locales", &locale)
            .open(&mut Browser::new(&server))
            .page();
        let language = locale.split('-').next().unwrap_or_default();
        assert!(
            page.body.contains(&format!("<html lang=\"{language}")),
            "{locale}"
        );
    }
}

#[test]
fn md_04_every_algorithm_for_signing_and_encryption() {
    let server = World::usual().start();
    let listed = document(&server);
    let signing = list(&listed, "id_token_signing_alg_values_supported");
    assert!(signing.contains(&"RS256".to_owned()), "Discovery section 3");
    assert_eq!(
        signing,
        list(&listed, "userinfo_signing_alg_values_supported")
    );
    let mut apps: Vec<App> = Vec::new();
    for alg in &signing {
        apps.push(
            App::tls(&format!("signed-{alg}"))
                .with("id_token_signed_response_alg", json!(alg))
                .with("userinfo_signed_response_alg", json!(alg)),
        );
    }
    let (rsa, ec) = (RsaKey::new().jwk(), EcKey::new().jwk());
    let keys = json!({ "keys": [rsa, ec] });
    let algs = list(&listed, "id_token_encryption_alg_values_supported");
    let encs = list(&listed, "id_token_encryption_enc_values_supported");
    // The issue names them.
    let named = |names: &[&str], listed: &[String]| {
        names.len() == listed.len()
            && names
                .iter()
                .all(|name| listed.iter().any(|one| one == name))
    };
    let wanted = [
        "RSA1_5",
        "RSA-OAEP",
        "RSA-OAEP-256",
        "ECDH-ES",
        "ECDH-ES+A128KW",
        "ECDH-ES+A256KW",
    ];
    assert!(named(&wanted, &algs), "{algs:?}");
    let wanted = ["A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM"];
    assert!(named(&wanted, &encs), "{encs:?}");
    for alg in &algs {
        for enc in &encs {
            apps.push(
                App::tls(&format!("{alg}-{enc}").replace('+', "-"))
                    .with("jwks", keys.clone())
                    .with("id_token_encrypted_response_alg", json!(alg))
                    .with("id_token_encrypted_response_enc", json!(enc))
                    .with("userinfo_encrypted_response_alg", json!(alg))
                    .with("userinfo_encrypted_response_enc", json!(enc)),
            );
        }
    }
    let server = World::peopled(&apps).start();
    let jwks = server.jwks();
    let browser = &mut Browser::new(&server);
    for app in &apps {
        let back = app.asks().answered(browser, "anna");
        let tokens = Tokens::of(&app.redeems(&server, &back.code()).send());
        let info = app
            .userinfo(&server, &tokens.access)
            .succeeds()
            .body
            .clone();
        if app.id.starts_with("signed-") {
            let alg = app.id.strip_prefix("signed-");
            assert_eq!(header(tokens.id())["alg"].as_str(), alg);
            verified(tokens.id(), &jwks);
            verified(&info, &jwks);
            continue;
        }
        let registered = app.registration();
        for token in [tokens.id(), info.as_str()] {
            assert_eq!(token.split('.').count(), 5, "OC-17: {}", app.id);
            let header = header(token);
            assert_eq!(header["alg"], registered["id_token_encrypted_response_alg"]);
            assert_eq!(header["enc"], registered["id_token_encrypted_response_enc"]);
            assert!(header.get("zip").is_none(), "CVE-2024-28180");
        }
    }
}

#[test]
fn oa_28_nothing_in_the_store_is_what_somebody_could_use() {
    let app = App::public("web").with("access_token_format", json!("opaque"));
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("store");
    let world = World::peopled([&app]).flag("--store", &format!("file:{}", path.display()));
    let mut server = world.start();
    let browser = &mut Browser::new(&server);
    let unused = app.asks().answered(browser, "anna").code();
    let code = app.asks().answered(browser, "anna").code();
    let tokens = Tokens::of(&app.redeems(&server, &code).send());
    let next = Tokens::of(&app.refreshes(&server, tokens.refresh()).send());
    let pushed = app.asks().push(&server, &app).send().text("request_uri");
    let cookie = browser.session().expect("a session").to_owned();
    let mut secrets = vec![
        unused,
        code,
        tokens.access.clone(),
        next.access.clone(),
        pushed,
        cookie,
    ];
    secrets.extend([tokens.refresh().to_owned(), next.refresh().to_owned()]);
    server.signal("TERM");
    server.ended();
    let mut octets = Vec::new();
    let mut places = vec![path];
    while let Some(place) = places.pop() {
        if place.is_dir() {
            for entry in std::fs::read_dir(&place).expect("a folder") {
                places.push(entry.expect("an entry").path());
            }
        } else {
            octets.extend(std::fs::read(&place).expect("a file"));
        }
    }
    assert!(octets.len() > 1_000, "the store is looked at");
    for secret in secrets {
        // The part that is secret comes first but in a cookie; a prefix of it is as telling as all of it.
        for part in secret.split(['.', ':']) {
            if part.len() < 30 {
                continue;
            }
            let found = octets
                .windows(part.len())
                .any(|window| window == part.as_bytes());
            assert!(!found, "OA-28: {part} is in the store");
        }
    }
}

#[test]
fn rfc_8252_a_native_application_on_a_loopback_port() {
    let app = App::public("native")
        .with("application_type", json!("native"))
        .with(
            "redirect_uris",
            json!(["http://127.0.0.1/cb", "com.example.app:/cb"]),
        );
    let server = World::peopled([&app]).start();
    for uri in ["http://127.0.0.1:49152/cb", "com.example.app:/cb"] {
        let browser = &mut Browser::new(&server);
        let page = app.asks().set("redirect_uri", uri).open(browser);
        let policy = page
            .header("content-security-policy")
            .unwrap_or_default()
            .to_owned();
        let origin = uri.strip_suffix("/cb").unwrap_or_default();
        assert!(policy.contains(origin), "the form may lead there: {policy}");
        let back = app
            .asks()
            .set("redirect_uri", uri)
            .answered(browser, "anna");
        assert_eq!(back.to, uri);
        let redeem = |redirect_uri: &str| {
            app.post(&server, "token")
                .form("grant_type", "authorization_code")
                .form("code", &back.code())
                .form("redirect_uri", redirect_uri)
                .form("code_verifier", VERIFIER)
                .send()
        };
        // OA-17: the one of the request, with its port.
        redeem("http://127.0.0.1:49153/cb").refuses(400, "invalid_grant");
        let again = redeem(uri);
        assert!(
            matches!(again.status, 200 | 400),
            "good still, or burnt by the wrong one"
        );
    }
}

#[test]
fn a_session_is_not_seen_by_requests_that_other_sites_post() {
    // Browsers keep SameSite=Lax cookies from a form of another site: it goes on by GET, to which they
    // give them.
    let app = App::tls("web");
    let server = World::peopled([&app]).start();
    let mut browser = Browser::new(&server);
    app.asks().answered(&mut browser, "anna").code();
    for (name, value) in [
        ("Origin", "https://app.example"),
        ("Sec-Fetch-Site", "cross-site"),
    ] {
        let jar = browser.jar.clone();
        let mut elsewhere = browser.clone();
        elsewhere.jar.clear();
        let mut request = server.post("authorize").header(name, value);
        for (name, value) in &app.asks().0 {
            request = request.form(name, value);
        }
        let response = elsewhere.send(request);
        assert_eq!(response.status, 303, "{}", response.body);
        // The browser keeps the session and takes what the answer gave.
        let mut merged = jar;
        merged.retain(|(name, _)| !elsewhere.jar.iter().any(|(other, _)| other == name));
        merged.extend(elsewhere.jar.clone());
        browser.jar = merged;
        browser.settle(response).back().code();
    }
}
