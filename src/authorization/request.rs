//! An authorization request whose every parameter is understood (RFC 6749 section 4.1.1, OpenID Connect Core
//! section 3.1.2.1, RFC 7636 section 4.3, RFC 8707 section 2).

use super::target::LONGEST_STATE;
use super::{AcrRequest, ClaimsRequest, Prompt, Target};
use crate::client::people::{People, PkcePolicy};
use crate::client::registration::ClientRegistration;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::form::Form;
use crate::oauth::pkce::{CodeChallenge, CodeChallengeMethod};
use crate::oauth::resource::Resource;
use crate::oauth::response::{ResponseMode, ResponseType};
use crate::oauth::scope::Scope;
use crate::oauth::time::Lifetime;

/// Every parameter that is looked at, be it to refuse it. Any other is ignored (RFC 6749 section 3.1), and so
/// nobody need keep it.
pub const PARAMETERS: &[&str] = &[
    "acr_values",
    "claims",
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "dpop_jkt",
    "id_token_hint",
    "login_hint",
    "max_age",
    "nonce",
    "prompt",
    "redirect_uri",
    "registration",
    "request",
    "request_uri",
    "resource",
    "response_mode",
    "response_type",
    "scope",
    "state",
    "ui_locales",
];

/// How long a value may be, in octets. Those that are not here are read into something smaller.
const LONGEST: &[(&str, usize)] = &[
    ("state", LONGEST_STATE),
    ("nonce", 1024),
    ("scope", 4096),
    ("acr_values", 1024),
    ("login_hint", 512),
    ("id_token_hint", 16 * 1024),
    ("ui_locales", 256),
    ("prompt", 256),
];

/// How many resources one request may name.
const MOST_RESOURCES: usize = 16;

/// What holds for a request besides its client's registration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether the FAPI 2.0 Security Profile is in force.
    pub fapi2: bool,
    /// Whether the request is being pushed, or was (RFC 9126).
    pub pushed: bool,
}

/// What a client asks of its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationRequest {
    response_type: ResponseType,
    scope: Scope,
    resources: Vec<String>,
    nonce: Option<String>,
    prompt: Prompt,
    max_age: Option<Lifetime>,
    acr: AcrRequest,
    claims: ClaimsRequest,
    challenge: Option<CodeChallenge>,
    login_hint: Option<String>,
    id_token_hint: Option<String>,
    ui_locales: Option<String>,
}

impl AuthorizationRequest {
    /// Reads the request of a known client.
    ///
    /// # Errors
    /// Each may be sent to the target by [`Target::refusal`].
    pub fn read(form: &Form<'_>, target: &Target, policy: Policy) -> Result<Self, OAuthError> {
        let people = target.client().people();
        bounds(form)?;
        unsupported(form, policy)?;
        if (policy.fapi2 || people.requires_par()) && !policy.pushed {
            return Err(invalid(
                "this client's requests are pushed first (RFC 9126): send them to par, and here what it answers",
            ));
        }
        if policy.fapi2 && form.value("redirect_uri").is_none() {
            return Err(invalid("the parameter redirect_uri is missing"));
        }
        let response_type = response_type(form, people, policy)?;
        response_mode(form, response_type)?;
        let prompt = Prompt::read(form.value("prompt"))?;
        let scope = scope(form, people, prompt)?;
        if response_type.id_token {
            if !scope.tokens().any(|token| token == "openid") {
                return Err(invalid("an ID token is given only with the scope openid"));
            }
            if form.value("nonce").is_none() {
                return Err(invalid(
                    "the parameter nonce is missing, which an ID token from this endpoint needs",
                ));
            }
        }
        let (claims, claimed) = ClaimsRequest::read(form.value("claims"))?;
        let acr = AcrRequest::of(
            claimed,
            form.value("acr_values"),
            people.default_acr_values(),
        )?;
        let owned = |name| form.value(name).map(str::to_owned);
        Ok(Self {
            response_type,
            scope,
            resources: resources(form, target.client().audience())?,
            nonce: owned("nonce"),
            prompt,
            max_age: max_age(form)?.or(people.default_max_age()),
            acr,
            claims,
            challenge: challenge(form, target, policy)?,
            login_hint: owned("login_hint"),
            id_token_hint: owned("id_token_hint"),
            ui_locales: owned("ui_locales"),
        })
    }

    /// What it wants back.
    pub fn response_type(&self) -> ResponseType {
        self.response_type
    }

    /// The scope that is asked for and may be given.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Whether it is an OpenID Connect request.
    pub fn is_openid(&self) -> bool {
        self.scope.tokens().any(|token| token == "openid")
    }

    /// The resources that the tokens are for (RFC 8707), all within the client's audience; where there are
    /// none, the registered audience or the issuer.
    pub fn resources(&self) -> &[String] {
        &self.resources
    }

    /// What its tokens are for: the resources that it names, else all that its client is registered for; empty
    /// where that is the issuer alone. This is what the user agrees to: who names nothing gets most.
    pub fn audience<'a>(&'a self, client: &'a ClientRegistration) -> &'a [String] {
        if self.resources.is_empty() {
            client.audience()
        } else {
            &self.resources
        }
    }

    /// What goes into the ID token unchanged.
    pub fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }

    /// Which pages there are to be.
    pub fn prompt(&self) -> Prompt {
        self.prompt
    }

    /// How old the sign-in may be, by the request or the registration. Zero means to sign in now.
    pub fn max_age(&self) -> Option<Lifetime> {
        self.max_age
    }

    /// Which authentication context is asked for.
    pub fn acr(&self) -> &AcrRequest {
        &self.acr
    }

    /// Which claims are asked for by name.
    pub fn claims(&self) -> &ClaimsRequest {
        &self.claims
    }

    /// The challenge that the code is to carry.
    pub fn challenge(&self) -> Option<&CodeChallenge> {
        self.challenge.as_ref()
    }

    /// Who the client thinks will sign in; a hint, not a demand.
    pub fn login_hint(&self) -> Option<&str> {
        self.login_hint.as_deref()
    }

    /// An ID token of ours about the user who is expected, not verified here.
    pub fn id_token_hint(&self) -> Option<&str> {
        self.id_token_hint.as_deref()
    }

    /// The languages that are wished for, the best first.
    pub fn ui_locales(&self) -> Option<&str> {
        self.ui_locales.as_deref()
    }
}

fn invalid(description: impl Into<std::borrow::Cow<'static, str>>) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequest, description)
}

/// No honest value is longer, and none has control characters: a browser that posts a form would change
/// them on the way back.
fn bounds(form: &Form<'_>) -> Result<(), OAuthError> {
    for (name, longest) in LONGEST {
        let value = form.value(name).unwrap_or_default();
        if value.len() > *longest {
            return Err(invalid(format!("{name} has more than {longest} octets")));
        }
        if value.contains(char::is_control) {
            return Err(invalid(format!("{name} has control characters")));
        }
    }
    Ok(())
}

/// What is refused rather than ignored, as whoever sends it counts on it.
fn unsupported(form: &Form<'_>, policy: Policy) -> Result<(), OAuthError> {
    for (name, code, description) in [
        (
            "registration",
            ErrorCode::RegistrationNotSupported,
            "clients are registered before they ask",
        ),
        (
            "request",
            ErrorCode::RequestNotSupported,
            "request objects are taken by pushed requests alone (RFC 9126 section 3)",
        ),
        (
            "request_uri",
            if policy.pushed {
                // RFC 9126 section 2.1.
                ErrorCode::InvalidRequest
            } else {
                ErrorCode::RequestUriNotSupported
            },
            "request_uri is what a pushed request is answered with, and nothing else is fetched",
        ),
        (
            "dpop_jkt",
            ErrorCode::InvalidRequest,
            "DPoP is not supported, and the code would be bound to no key",
        ),
    ] {
        if form.value(name).is_some() {
            return Err(OAuthError::new(code, description));
        }
    }
    Ok(())
}

fn response_type(
    form: &Form<'_>,
    people: &People,
    policy: Policy,
) -> Result<ResponseType, OAuthError> {
    let read = ResponseType::parse(form.required("response_type")?);
    let Some(read) = read.filter(|read| read.code) else {
        return Err(OAuthError::new(
            ErrorCode::UnsupportedResponseType,
            "response_type is code, or code with id_token, token or both",
        ));
    };
    if policy.fapi2 && read != ResponseType::CODE {
        return Err(OAuthError::new(
            ErrorCode::UnsupportedResponseType,
            "response_type is code under FAPI 2.0",
        ));
    }
    if !people.response_types().contains(&read) {
        return Err(OAuthError::new(
            ErrorCode::UnauthorizedClient,
            format!("this client is not registered for the response type {read}"),
        ));
    }
    Ok(read)
}

fn response_mode(form: &Form<'_>, response_type: ResponseType) -> Result<(), OAuthError> {
    let Some(name) = form.value("response_mode") else {
        return Ok(());
    };
    match ResponseMode::named(name) {
        None => Err(invalid("response_mode is query, fragment or form_post")),
        Some(ResponseMode::Query) if response_type.is_front_channel() => Err(invalid(
            "response_mode=query is not for answers with a token: write fragment or form_post",
        )),
        Some(_) => Ok(()),
    }
}

/// The scope asked for. `offline_access` counts only where the user is asked (OpenID Connect Core section
/// 11); every response type here has the code that it also needs.
fn scope(form: &Form<'_>, people: &People, prompt: Prompt) -> Result<Scope, OAuthError> {
    let Some(asked) = form.value("scope") else {
        return Ok(people.default_scope().clone());
    };
    let malformed = |error| OAuthError::new(ErrorCode::InvalidScope, format!("{error}"));
    let mut asked = Scope::parse(asked).map_err(malformed)?;
    if !prompt.consent {
        let kept: Vec<_> = asked
            .tokens()
            .filter(|token| *token != "offline_access")
            .collect();
        asked = Scope::parse(&kept.join(" ")).map_err(malformed)?;
    }
    match asked.beyond(people.scope()) {
        None => Ok(asked),
        Some(token) => Err(OAuthError::new(
            ErrorCode::InvalidScope,
            "the scope is more than this client may have",
        )
        .because(format!(
            "the scope {token} is not registered for the client"
        ))),
    }
}

fn max_age(form: &Form<'_>) -> Result<Option<Lifetime>, OAuthError> {
    let Some(text) = form.value("max_age") else {
        return Ok(None);
    };
    let digits = text.len() <= 10 && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(seconds) if digits => Ok(Some(Lifetime::from_seconds(seconds))),
        _ => Err(invalid("max_age is a number of seconds, 0 or more")),
    }
}

fn challenge(
    form: &Form<'_>,
    target: &Target,
    policy: Policy,
) -> Result<Option<CodeChallenge>, OAuthError> {
    let client = target.client();
    let pkce = if policy.fapi2 || !client.is_confidential() {
        PkcePolicy::Required
    } else {
        client.people().pkce()
    };
    let wanted = pkce.methods()[0].name();
    let method = form.value("code_challenge_method");
    let Some(text) = form.value("code_challenge") else {
        if method.is_some() {
            return Err(invalid(
                "code_challenge_method is there without a code_challenge",
            ));
        }
        if pkce.is_required() {
            return Err(invalid(format!(
                "the parameter code_challenge is missing: send one with code_challenge_method={wanted}"
            )));
        }
        return Ok(None);
    };
    // RFC 7636 section 4.3: without a method it is plain.
    let method = match method {
        Some(name) => name
            .parse()
            .map_err(|error: crate::oauth::pkce::PkceError| invalid(error.to_string()))?,
        None => CodeChallengeMethod::Plain,
    };
    if !pkce.methods().contains(&method) {
        return Err(invalid(format!(
            "a challenge by {} (which it is where code_challenge_method is missing) is not for this client: send {wanted}",
            method.name()
        )));
    }
    CodeChallenge::parse(text, method)
        .map(Some)
        .map_err(|error| invalid(error.to_string()))
}

/// The resources asked for, each once and each within the client's audience (RFC 8707 section 2).
fn resources(form: &Form<'_>, registered: &[String]) -> Result<Vec<String>, OAuthError> {
    let mut asked: Vec<String> = Vec::new();
    for text in form.values("resource") {
        let invalid = |description: String| OAuthError::new(ErrorCode::InvalidTarget, description);
        let resource = Resource::parse(text).map_err(|error| invalid(error.to_string()))?;
        if !registered.iter().any(|known| known == resource.as_str()) {
            return Err(invalid(
                "the resource is not one that this client may have tokens for".to_owned(),
            )
            .because(format!(
                "the resource {} is not in the client's audience",
                resource.as_str()
            )));
        }
        if !asked.iter().any(|known| known == resource.as_str()) {
            asked.push(resource.as_str().to_owned());
        }
        if asked.len() > MOST_RESOURCES {
            return Err(invalid("a request names 16 resources at most".to_owned()));
        }
    }
    Ok(asked)
}

#[cfg(test)]
mod tests;
