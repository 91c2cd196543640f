//! PKCE (RFC 7636): which requests each policy takes, and what redeems their codes.

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::people::{App, Ask, CHALLENGE, REDIRECT, Tokens, VERIFIER};
use crate::wire::Response;
use crate::world::{Server, World};

/// A redemption with that verifier, or none.
fn redeem(server: &Server, app: &App, code: &str, verifier: Option<&str>) -> Response {
    let request = app
        .post(server, "token")
        .form("grant_type", "authorization_code")
        .form("code", code)
        .form("redirect_uri", REDIRECT);
    match verifier {
        Some(verifier) => request.form("code_verifier", verifier).send(),
        None => request.send(),
    }
}

/// A request with that challenge and method.
fn asking(app: &App, challenge: Option<&str>, method: Option<&str>) -> Ask {
    let ask = app
        .asks()
        .without("code_challenge")
        .without("code_challenge_method");
    let ask = match challenge {
        Some(challenge) => ask.set("code_challenge", challenge),
        None => ask,
    };
    match method {
        Some(method) => ask.set("code_challenge_method", method),
        None => ask,
    }
}

const S256: (Option<&str>, Option<&str>) = (Some(CHALLENGE), Some("S256"));
const PLAIN: (Option<&str>, Option<&str>) = (Some(VERIFIER), Some("plain"));
const UNNAMED: (Option<&str>, Option<&str>) = (Some(VERIFIER), None);
const NONE: (Option<&str>, Option<&str>) = (None, None);

#[test]
fn pk_02_pk_03_pk_09_policies_and_requests() {
    // Which of S256, plain, a challenge without a method (which is plain), and nothing each policy takes.
    let policies = [
        (Value::Null, [true, false, false, false]),
        (json!("required"), [true, false, false, false]),
        (json!("optional"), [true, false, false, true]),
        (json!(""), [true, true, true, true]),
        (json!("S256"), [true, false, false, false]),
        (json!("plain"), [false, true, true, false]),
    ];
    for (number, (policy, takes)) in policies.into_iter().enumerate() {
        let app = App::tls(&format!("web{number}")).with("pkce", policy.clone());
        let server = World::peopled([&app]).start();
        let browser = &mut Browser::new(&server);
        for ((challenge, method), good) in [S256, PLAIN, UNNAMED, NONE].into_iter().zip(takes) {
            let ask = asking(&app, challenge, method);
            let back = ask.answered(browser, "anna");
            let what = format!("{policy} {challenge:?} {method:?}: {back:?}");
            if good {
                assert_eq!(back.get("error"), None, "{what}");
                let verifier = challenge.map(|_| VERIFIER);
                Tokens::of(&redeem(&server, &app, &back.code(), verifier));
            } else {
                assert_eq!(
                    back.get("error").as_deref(),
                    Some("invalid_request"),
                    "{what}"
                );
                back.refuses("invalid_request");
            }
            let pushed = ask.push(&server, &app).send();
            assert_eq!(
                pushed.status,
                if good { 201 } else { 400 },
                "PAR-03: {what}"
            );
        }
        // A method that nobody knows, and a method without a challenge.
        for (challenge, method) in [
            (Some(CHALLENGE), "S512"),
            (Some(CHALLENGE), "s256"),
            (Some(CHALLENGE), "PLAIN"),
            (None, "S256"),
        ] {
            let back = asking(&app, challenge, Some(method)).answered(browser, "anna");
            back.refuses("invalid_request");
        }
    }
    // Nothing else is a policy.
    let app = App::tls("web").with("pkce", json!("sometimes"));
    World::peopled([&app]).is_refused_for("pkce");
}

#[test]
fn pk_09_a_public_client_always_needs_s256() {
    let app = App::public("spa");
    let server = World::peopled([&app]).start();
    let browser = &mut Browser::new(&server);
    for (challenge, method) in [PLAIN, UNNAMED, NONE] {
        let back = asking(&app, challenge, method).answered(browser, "anna");
        back.refuses("invalid_request");
    }
    let back = app.asks().answered(browser, "anna");
    Tokens::of(&app.redeems(&server, &back.code()).send());
    for policy in ["optional", "", "plain"] {
        let app = App::public("spa").with("pkce", json!(policy));
        World::peopled([&app]).is_refused_for("pkce");
    }
}

#[test]
fn pk_01_what_a_challenge_may_be_like() {
    let app = App::tls("web").with("pkce", json!(""));
    let server = World::peopled([&app]).start();
    let browser = &mut Browser::new(&server);
    let of = |count: usize| "a".repeat(count);
    for (challenge, method, good) in [
        (of(43), "plain", true),
        (of(128), "plain", true),
        (format!("{}-._~", of(40)), "plain", true),
        (of(42), "plain", false),
        (of(129), "plain", false),
        (format!("{} ", of(43)), "plain", false),
        (format!("{}+", of(43)), "plain", false),
        (format!("{}=", of(43)), "plain", false),
        (format!("{}/", of(43)), "plain", false),
        (format!("{}\u{e4}", of(43)), "plain", false),
        (of(42), "S256", false),
        (format!("{CHALLENGE}="), "S256", false),
        (CHALLENGE.replace('-', "+"), "S256", false),
    ] {
        let ask = asking(&app, Some(&challenge), Some(method));
        let back = ask.answered(browser, "anna");
        if good {
            let redeemed = redeem(&server, &app, &back.code(), Some(&challenge));
            Tokens::of(&redeemed);
        } else {
            back.refuses("invalid_request");
        }
    }
}

#[test]
fn pk_01_pk_04_pk_05_pk_06_pk_07_what_redeems_a_code() {
    let app = App::tls("web").with("pkce", json!(""));
    let server = World::peopled([&app]).start();
    let browser = &mut Browser::new(&server);
    let swapped: String = VERIFIER
        .chars()
        .map(|c| {
            if c.is_ascii_lowercase() {
                c.to_ascii_uppercase()
            } else {
                c.to_ascii_lowercase()
            }
        })
        .collect();
    let longer = format!("{VERIFIER}a");
    let padded = format!("{VERIFIER}=");
    let long = "a".repeat(129);
    // PK-05, PK-06 and, for plain, PK-04: the challenge is compared by the method it came with.
    for (challenge, method) in [S256, PLAIN] {
        let wrong = [
            None,
            Some(""),
            Some(&VERIFIER[..42]),
            Some(CHALLENGE),
            Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl"),
            Some(&swapped),
            Some(&longer),
            Some(&padded),
            Some(&long),
            Some("a b+c"),
        ];
        for verifier in wrong {
            let back = asking(&app, challenge, method).answered(browser, "anna");
            let response = redeem(&server, &app, &back.code(), verifier);
            assert_eq!(response.status, 400, "{method:?} {verifier:?}");
            let error = response.text("error");
            let malformed = verifier.is_some_and(|text| {
                text.len() < 43 || text.len() > 128 || text.contains([' ', '+', '='])
            });
            assert!(
                error == "invalid_grant" || (malformed && error == "invalid_request"),
                "{method:?} {verifier:?}: {error}"
            );
        }
        // PK-04: the method is the one that came with the challenge.
        let back = asking(&app, challenge, method).answered(browser, "anna");
        let other = if method == Some("S256") {
            "plain"
        } else {
            "S256"
        };
        let request = app
            .redeems(&server, &back.code())
            .form("code_challenge_method", other)
            .form("code_challenge", CHALLENGE);
        Tokens::of(&request.send());
    }
    // PK-07: a verifier for a code without a challenge is somebody's who took the challenge out.
    let back = asking(&app, None, None).answered(browser, "anna");
    redeem(&server, &app, &back.code(), Some(VERIFIER)).refuses(400, "invalid_grant");
    let back = asking(&app, None, None).answered(browser, "anna");
    Tokens::of(&redeem(&server, &app, &back.code(), None));
}

#[test]
fn oc_15_nothing_is_weaker_in_a_hybrid_flow() {
    let app = App::tls("web").with("response_types", json!(["code", "code id_token"]));
    let server = World::peopled([&app]).start();
    let browser = &mut Browser::new(&server);
    let hybrid = |ask: Ask| ask.set("response_type", "code id_token");
    let ask = hybrid(app.asks());
    for (challenge, method) in [PLAIN, UNNAMED, NONE] {
        let back = hybrid(asking(&app, challenge, method)).answered(browser, "anna");
        back.refuses("invalid_request");
    }
    for verifier in [None, Some(CHALLENGE)] {
        let back = ask.answered(browser, "anna");
        let response = redeem(&server, &app, &back.code(), verifier);
        response.refuses(400, "invalid_grant");
    }
    let back = ask.answered(browser, "anna");
    let tokens = Tokens::of(&app.redeems(&server, &back.code()).send());
    assert!(server.is_active(&tokens.access));
    let again = app.redeems(&server, &back.code()).send();
    again.refuses(400, "invalid_grant");
    assert!(!server.is_active(&tokens.access), "OA-15");
}
