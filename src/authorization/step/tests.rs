//! What comes next, case by case.

use std::collections::BTreeMap;

use super::*;
use crate::authorization::{Policy, Target};
use crate::client::Registry;
use crate::oauth::form::Form;
use crate::oauth::secret::Secret;
use crate::user::Users;
use crate::user::session::{SessionCookie, SessionId, SignedIn};

const NOW: Timestamp = Timestamp::from_unix(1_000_000);

const CLIENTS: &str = r#"[
    {"client_id":"asks","token_endpoint_auth_method":"client_secret_post","client_secret":"s",
     "redirect_uris":["https://a.example/cb"],"scope":"openid a b","audience":["https://api.example"]},
    {"client_id":"two","token_endpoint_auth_method":"client_secret_post","client_secret":"s",
     "redirect_uris":["https://a.example/cb"],"scope":"openid a b","audience":["https://api.example","https://other.example"]},
    {"client_id":"own","token_endpoint_auth_method":"client_secret_post","client_secret":"s",
     "redirect_uris":["https://a.example/cb"],"scope":"openid a b","consent":false}
]"#;

/// A user with a second factor, one with a password alone, and one known by nothing but a certificate.
const USERS: &str = r#"[
    {"username":"two","password_hash":"$argon2id$v=19$m=19456,t=2,p=1$YWFhYWFhYWFhYWFhYWFhYQ$YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE",
     "totp":"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"},
    {"username":"one","password_hash":"$argon2id$v=19$m=19456,t=2,p=1$YWFhYWFhYWFhYWFhYWFhYQ$YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE"},
    {"username":"card"}
]"#;

fn session(username: &str, method: Method, totp: bool, age: u64) -> Session {
    let cookie = SessionCookie::new(
        SessionId::mint(&Secret::new("s".repeat(43))),
        Secret::new("t".repeat(43)),
    );
    let user = SignedIn {
        username: username.into(),
        subject: username.into(),
        local: true,
        factors: Factors { method, totp },
    };
    Session::begin(&cookie, user, Timestamp::from_unix(NOW.unix() - age))
}

/// What comes next for that request of that client, with whatever else is so.
fn told(
    client: &str,
    parameters: &str,
    session: Option<&Session>,
    change: impl FnOnce(&mut Situation<'_>),
) -> Result<Step, ErrorCode> {
    let clients = Registry::read(CLIENTS).expect("registrations");
    let users = Users::read(USERS).expect("users");
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let body = format!(
        "client_id={client}&response_type=code&redirect_uri=https://a.example/cb&code_challenge={challenge}&code_challenge_method=S256&{parameters}"
    );
    let form = Form::parse(body.as_bytes()).expect("a form");
    let target = Target::of(&form, &clients).expect("a target");
    let request = AuthorizationRequest::read(&form, &target, Policy::default())
        .expect("a request of this table");
    let map = AcrMap::from(BTreeMap::from(
        [("silver", 1), ("gold", 2), ("platinum", 3)].map(|(name, level)| (name.to_owned(), level)),
    ));
    let user = session.and_then(|session| users.find(&session.username));
    let mut situation = Situation {
        request: &request,
        client: target.client(),
        session,
        user: user.map(AsRef::as_ref),
        expected: None,
        fresh: false,
        selected: false,
        agreed: false,
        certificate: false,
        header: false,
        levels: &Levels::default(),
        acr: &map,
        now: NOW,
    };
    change(&mut situation);
    next(&situation).map_err(|error| error.code())
}

fn answer(acr: &str) -> Step {
    Step::Answer { acr: acr.into() }
}

const SIGN_IN: Result<Step, ErrorCode> = Ok(Step::SignIn { step_up: false });
const STEP_UP: Result<Step, ErrorCode> = Ok(Step::SignIn { step_up: true });

#[test]
fn who_must_sign_in() {
    let one = session("one", Method::Password, false, 100);
    for (parameters, session, fresh, expected) in [
        ("scope=openid", None, false, SIGN_IN),
        (
            "scope=openid&prompt=none",
            None,
            false,
            Err(ErrorCode::LoginRequired),
        ),
        ("scope=openid", Some(&one), false, Ok(answer("silver"))),
        (
            "scope=openid&prompt=none",
            Some(&one),
            false,
            Ok(answer("silver")),
        ),
        ("scope=openid&prompt=login", Some(&one), false, SIGN_IN),
        (
            "scope=openid&prompt=login",
            Some(&one),
            true,
            Ok(answer("silver")),
        ),
        (
            "scope=openid&prompt=select_account",
            Some(&one),
            false,
            SIGN_IN,
        ),
        (
            "scope=openid&prompt=select_account",
            Some(&one),
            true,
            Ok(answer("silver")),
        ),
        ("scope=openid&max_age=99", Some(&one), false, SIGN_IN),
        (
            "scope=openid&max_age=99&prompt=none",
            Some(&one),
            false,
            Err(ErrorCode::LoginRequired),
        ),
        (
            "scope=openid&max_age=99",
            Some(&one),
            true,
            Ok(answer("silver")),
        ),
        (
            "scope=openid&max_age=100",
            Some(&one),
            false,
            Ok(answer("silver")),
        ),
        ("scope=openid&max_age=0", Some(&one), false, SIGN_IN),
        (
            "scope=openid&max_age=0",
            Some(&one),
            true,
            Ok(answer("silver")),
        ),
    ] {
        let found = told("own", parameters, session, |at| at.fresh = fresh);
        assert_eq!(found, expected, "{parameters} {fresh}");
    }
    let selected = told("own", "prompt=select_account", Some(&one), |at| {
        at.selected = true;
    });
    assert_eq!(selected, Ok(answer("silver")));
}

#[test]
fn somebody_else_is_expected() {
    let one = session("one", Method::Password, false, 0);
    for (expected, fresh, parameters, found) in [
        ("one", false, "", Ok(answer("silver"))),
        ("two", false, "", SIGN_IN),
        ("two", false, "prompt=none", Err(ErrorCode::LoginRequired)),
        ("two", true, "", Err(ErrorCode::LoginRequired)),
    ] {
        let told = told("own", parameters, Some(&one), |at| {
            (at.expected, at.fresh) = (Some(expected), fresh);
        });
        assert_eq!(told, found, "{expected} {fresh} {parameters}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one row each")]
fn levels_that_are_asked_for() {
    let essential = |acr: &str| {
        format!(
            "claims=%7B%22id_token%22%3A%7B%22acr%22%3A%7B%22essential%22%3Atrue%2C%22value%22%3A%22{acr}%22%7D%7D%7D"
        )
    };
    let unmet = Err(ErrorCode::UnmetAuthenticationRequirements);
    for (user, method, totp, certificate, parameters, expected) in [
        (
            "one",
            Method::Password,
            false,
            false,
            "acr_values=silver".to_owned(),
            Ok(answer("silver")),
        ),
        (
            "one",
            Method::Password,
            false,
            false,
            "acr_values=1".into(),
            Ok(answer("1")),
        ),
        (
            "one",
            Method::Password,
            false,
            false,
            "acr_values=gold".into(),
            unmet.clone(),
        ),
        (
            "one",
            Method::Password,
            false,
            false,
            "acr_values=gold+silver".into(),
            Ok(answer("silver")),
        ),
        (
            "one",
            Method::Password,
            false,
            false,
            "acr_values=nonsense".into(),
            Ok(answer("silver")),
        ),
        (
            "one",
            Method::Password,
            false,
            false,
            essential("nonsense"),
            unmet.clone(),
        ),
        (
            "one",
            Method::Password,
            false,
            false,
            essential("gold"),
            unmet.clone(),
        ),
        (
            "one",
            Method::Password,
            false,
            true,
            "acr_values=gold".into(),
            STEP_UP,
        ),
        (
            "one",
            Method::Password,
            false,
            true,
            "acr_values=platinum".into(),
            unmet.clone(),
        ),
        (
            "two",
            Method::Password,
            false,
            false,
            "acr_values=gold".into(),
            Ok(Step::SecondFactor),
        ),
        (
            "two",
            Method::Password,
            false,
            false,
            "acr_values=gold&prompt=none".into(),
            Err(ErrorCode::LoginRequired),
        ),
        (
            "two",
            Method::Password,
            true,
            false,
            "acr_values=gold".into(),
            Ok(answer("gold")),
        ),
        (
            "two",
            Method::Password,
            true,
            false,
            "acr_values=platinum".into(),
            unmet.clone(),
        ),
        (
            "two",
            Method::Password,
            true,
            true,
            "acr_values=platinum".into(),
            STEP_UP,
        ),
        (
            "two",
            Method::Certificate,
            false,
            true,
            "acr_values=platinum".into(),
            Ok(Step::SecondFactor),
        ),
        (
            "card",
            Method::Certificate,
            false,
            true,
            "acr_values=gold".into(),
            Ok(answer("gold")),
        ),
        (
            "card",
            Method::Header,
            false,
            true,
            "acr_values=gold".into(),
            STEP_UP,
        ),
        (
            "one",
            Method::Header,
            false,
            false,
            "acr_values=gold".into(),
            unmet,
        ),
    ] {
        let session = session(user, method, totp, 0);
        let found = told("own", &parameters, Some(&session), |at| {
            at.certificate = certificate;
        });
        assert_eq!(
            found, expected,
            "{user} {method:?} {totp} {certificate} {parameters}"
        );
    }
}

#[test]
fn what_is_agreed_to() {
    let mut one = session("one", Method::Password, false, 0);
    let asks = |parameters: &str, session: &Session, agreed| {
        told("asks", parameters, Some(session), |at| at.agreed = agreed)
    };
    let consent = Ok(Step::Consent);
    assert_eq!(asks("scope=openid+a", &one, false), consent);
    assert_eq!(asks("scope=openid+a", &one, true), Ok(answer("silver")));
    assert_eq!(
        asks("scope=openid+a&prompt=none", &one, false),
        Err(ErrorCode::ConsentRequired)
    );
    one.allow(
        "asks",
        &Scope::parse("scope:openid scope:a resource:https://api.example").expect("a scope"),
    );
    for (parameters, expected) in [
        ("scope=openid+a", Ok(answer("silver"))),
        ("scope=a", Ok(answer("silver"))),
        ("scope=openid+a+b", consent.clone()),
        ("scope=openid+a&prompt=consent", consent.clone()),
        (
            "scope=openid&claims=%7B%22userinfo%22%3A%7B%22email%22%3Anull%7D%7D",
            consent.clone(),
        ),
        (
            "scope=openid&resource=https%3A%2F%2Fapi.example",
            Ok(answer("silver")),
        ),
    ] {
        assert_eq!(asks(parameters, &one, false), expected, "{parameters}");
    }
    // Whoever names no resource gets tokens for all of them, which is more than one of them.
    let mut less = session("one", Method::Password, false, 0);
    let one_of_two = "scope=openid&resource=https%3A%2F%2Fapi.example";
    less.allow(
        "two",
        &Scope::parse("scope:openid resource:https://api.example").expect("a scope"),
    );
    let asks_two = |parameters: &str| told("two", parameters, Some(&less), |_| {});
    assert_eq!(asks_two(one_of_two), Ok(answer("silver")));
    assert_eq!(asks_two("scope=openid"), consent);
    // A claim's name with blanks in it is not agreed to as what else it may spell.
    let spelled = "scope=openid&claims=%7B%22userinfo%22%3A%7B%22x+scope%3Ab%22%3Anull%7D%7D";
    one.allow(
        "asks",
        &Scope::parse("scope:openid claim:x scope:b").expect("a scope"),
    );
    assert_eq!(asks(spelled, &one, false), consent);
    assert_eq!(asks(spelled, &one, true), Ok(answer("silver")));
    let own = told("own", "scope=openid+a&prompt=consent", Some(&one), |_| {});
    assert_eq!(own, Ok(Step::Consent));
}
