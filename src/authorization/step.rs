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
mod tests;
