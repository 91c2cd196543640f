//! What comes next: a page, or the answer (OpenID Connect Core section 3.1.2.3, RFC 9470 section 5).

use super::{AcrRequest, AuthorizationRequest};
use crate::client::registration::ClientRegistration;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::scope::Scope;
use crate::oauth::time::Timestamp;
use crate::user::session::Session;
use crate::user::{AcrMap, Factors, Levels, Method, User};

/// All that decides what comes next.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that is so or is not"
)]
pub struct Situation<'a> {
    /// What is asked.
    pub request: &'a AuthorizationRequest,
    /// Who asks.
    pub client: &'a ClientRegistration,
    /// Who is signed in, if anybody is.
    pub session: Option<&'a Session>,
    /// The session's user, where it is one of `--users`.
    pub user: Option<&'a User>,
    /// The subject of the request's `id_token_hint`.
    pub expected: Option<&'a str>,
    /// Whether the user signed in for this request.
    pub fresh: bool,
    /// Whether the user said for this request to go on as who is signed in.
    pub selected: bool,
    /// Whether the user has just agreed.
    pub agreed: bool,
    /// Whether the browser shows a certificate of the session's user.
    pub certificate: bool,
    /// Whether the web server names the session's user.
    pub header: bool,
    /// What each way of signing in is worth.
    pub levels: &'a Levels,
    /// What that is called.
    pub acr: &'a AcrMap,
    /// Now.
    pub now: Timestamp,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Somebody signs in.
    SignIn {
        /// Somebody is signed in, but not well enough.
        step_up: bool,
    },
    /// The user gives a code as well.
    SecondFactor,
    /// The user is asked to agree.
    Consent,
    /// The client gets what it asked for, and learns this `acr`.
    Answer {
        /// What was reached.
        acr: String,
    },
}

/// Decides what comes next.
///
/// # Errors
/// What was asked cannot be had, or only by a page that the request forbids: to be sent to the client.
pub fn next(at: &Situation<'_>) -> Result<Step, OAuthError> {
    let prompt = at.request.prompt();
    let step = wanted(at)?;
    if !prompt.none {
        return Ok(step);
    }
    let (code, description) = match step {
        Step::Answer { .. } => return Ok(step),
        Step::SignIn { .. } | Step::SecondFactor => {
            (ErrorCode::LoginRequired, "somebody must sign in")
        }
        Step::Consent => (ErrorCode::ConsentRequired, "the user must agree"),
    };
    Err(OAuthError::new(code, description))
}

fn wanted(at: &Situation<'_>) -> Result<Step, OAuthError> {
    let needed = needed(at.request.acr(), at.acr)?;
    let Some(session) = at.session else {
        return Ok(Step::SignIn { step_up: false });
    };
    if at
        .expected
        .is_some_and(|subject| subject != session.subject)
    {
        if at.fresh {
            let error = OAuthError::new(
                ErrorCode::LoginRequired,
                "another user signed in than was expected",
            );
            return Err(error.because("the subject of id_token_hint is another than the session's"));
        }
        return Ok(Step::SignIn { step_up: false });
    }
    let prompt = at.request.prompt();
    let old = at.request.max_age().is_some_and(|limit| {
        // Zero asks for a sign-in, whatever the clock says.
        limit.seconds() == 0 || session.age(at.now) > limit
    });
    if !at.fresh && (prompt.login || old) {
        return Ok(Step::SignIn { step_up: false });
    }
    if prompt.select_account && !at.fresh && !at.selected {
        return Ok(Step::SignIn { step_up: false });
    }
    let reached = at.levels.of(session.factors);
    if needed.is_some_and(|needed| reached < needed) {
        return step_up(at, session, needed.unwrap_or_default());
    }
    let client_id = at.client.client_id().as_str();
    let agreed =
        agreement(at.request, at.client).is_some_and(|all| session.allowed(client_id, &all));
    let asks = at.client.people().asks_consent() && !agreed;
    if (asks || prompt.consent) && !at.agreed {
        return Ok(Step::Consent);
    }
    Ok(Step::Answer {
        acr: named(at.request.acr(), at.acr, reached),
    })
}

/// The way to a higher level, if this user has one.
fn step_up(at: &Situation<'_>, session: &Session, needed: u32) -> Result<Step, OAuthError> {
    let has_totp = at.user.is_some_and(User::has_totp);
    let reaches = |method: Method, totp: bool| at.levels.of(Factors { method, totp }) >= needed;
    if has_totp && !session.factors.totp && reaches(session.factors.method, true) {
        return Ok(Step::SecondFactor);
    }
    let has_password = at.user.is_some_and(User::has_password);
    let ways = [
        (Method::Certificate, at.certificate),
        (Method::Header, at.header),
        (Method::Password, has_password),
    ];
    let possible = ways
        .into_iter()
        .filter(|(method, open)| *open && *method != session.factors.method)
        .any(|(method, _)| reaches(method, false) || (has_totp && reaches(method, true)));
    if possible {
        return Ok(Step::SignIn { step_up: true });
    }
    Err(unmet().because(format!(
        "level {needed} is asked for, and the user has no way to it from {:?}",
        session.factors
    )))
}

/// The level that would do: the lowest of those named, of which any does; nothing where none is known.
fn needed(request: &AcrRequest, map: &AcrMap) -> Result<Option<u32>, OAuthError> {
    let needed = request.values.iter().filter_map(|acr| map.level(acr)).min();
    if needed.is_none() && request.essential && !request.values.is_empty() {
        return Err(unmet().because("none of the essential acr values is known"));
    }
    Ok(needed)
}

/// What the client is told: of the names that it used the first that was reached, else the highest that has
/// a name, else the level itself.
fn named(request: &AcrRequest, map: &AcrMap, reached: u32) -> String {
    let asked = request
        .values
        .iter()
        .find(|acr| map.level(acr).is_some_and(|level| level <= reached));
    asked
        .cloned()
        .or_else(|| map.name(reached).map(str::to_owned))
        .unwrap_or_else(|| reached.to_string())
}

/// RFC 9470 section 5.
fn unmet() -> OAuthError {
    OAuthError::new(
        ErrorCode::UnmetAuthenticationRequirements,
        "the user cannot be authenticated as was asked",
    )
}

/// Everything that the user agrees to, as one scope: scope, claims by name, resources, each with its kind. Nothing
/// where one has a character that no scope token may have, so that the user is asked each time: what stands behind
/// a blank would be agreed to as something of its own.
pub fn agreement(request: &AuthorizationRequest, client: &ClientRegistration) -> Option<Scope> {
    let claims = request.claims();
    let names = claims.id_token.iter().chain(&claims.userinfo);
    let scopes = request.scope().tokens().map(|name| ("scope:", name));
    let resources = request
        .audience(client)
        .iter()
        .map(|name| ("resource:", name.as_str()));
    let names = names.map(|name| ("claim:", name.as_str()));
    let mut all = String::new();
    for (kind, name) in scopes.chain(names).chain(resources) {
        if name.contains(' ') {
            return None;
        }
        all.push_str(kind);
        all.push_str(name);
        all.push(' ');
    }
    Scope::parse(&all).ok()
}

#[cfg(test)]
mod tests {
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
            [("silver", 1), ("gold", 2), ("platinum", 3)]
                .map(|(name, level)| (name.to_owned(), level)),
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
}
