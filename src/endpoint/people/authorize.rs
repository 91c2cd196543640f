//! The authorization endpoint (RFC 6749 section 3.1, OpenID Connect Core section 3.1.2): reads what is asked,
//! finds out who is there, and shows a page or answers.

use std::time::Duration;

use http::Method as HttpMethod;

use super::automatic::automatic;
use super::browser::{Browser, IN_URL, carried, query, see_other, trouble};
use super::interaction::{Interaction, Kinds};
use super::pages::{consent_page, second_factor_page, sign_in_page};
use super::session::{Current, Named};
use super::{form, issue, pushed};
use crate::authorization::step::{Situation, Step, next};
use crate::authorization::{AuthorizationRequest, Policy, Target};
use crate::endpoint::{Answer, Endpoint, Reply, Request, Server, Trust};
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::form::Form;
use crate::oauth::profile::Profile;
use crate::oauth::secret::Digest;
use crate::oauth::time::Timestamp;
use crate::store::StoreError;
use crate::token::id_token;
use crate::user::AcrMap;
use crate::user::session::{Session, SignedIn};

/// How often a session is read again because somebody else was faster: a browser that opens all of its tabs again
/// asks for every one of them at the same moment.
const ATTEMPTS: u64 = 16;

/// The endpoint.
pub(in crate::endpoint) struct Authorize;

impl Endpoint for Authorize {
    fn name(&self) -> &'static str {
        "authorize"
    }

    fn metadata(&self) -> Option<&'static str> {
        Some("authorization_endpoint")
    }

    fn methods(&self) -> &'static [HttpMethod] {
        &[HttpMethod::GET, HttpMethod::POST]
    }

    fn draw(&self, server: &Server, request: &Request, error: &OAuthError) -> Reply {
        trouble(server, request, error)
    }

    fn serve<'a>(&self, server: &'a Server, request: &'a Request) -> Answer<'a> {
        Box::pin(serve(server, request))
    }
}

/// One request of a browser to this endpoint.
pub(super) struct Visit<'a> {
    pub(super) server: &'a Server,
    pub(super) request: &'a Request,
    pub(super) trust: &'a Trust,
    pub(super) browser: Browser,
    pub(super) now: Timestamp,
}

impl Visit<'_> {
    /// The browser's session, if there is one, good or not.
    pub(super) async fn session(&self) -> Result<Option<Current>, OAuthError> {
        let (current, _) = self.server.session(&self.browser, None, self.now).await?;
        Ok(current)
    }
}

/// A request that is understood, and where its answer goes.
pub(super) struct Asked {
    pub(super) target: Target,
    pub(super) request: AuthorizationRequest,
    /// Whether the client said where, and so must say it again.
    pub(super) said_redirect_uri: bool,
}

async fn serve(server: &Server, request: &Request) -> Result<Reply, OAuthError> {
    let trust = server.trust.load_full();
    let mut visit = Visit {
        server,
        request,
        trust: &trust,
        browser: Browser::of(request),
        now: (server.clock)(),
    };
    match visited(&mut visit).await {
        Ok(reply) => Ok(visit.browser.given(reply)),
        // Who has just signed in is signed in, whatever failed after that.
        Err(error) if visit.browser.has_news() => {
            tracing::error!(
                request = &*request.id,
                endpoint = "authorize",
                error = error.code().name(),
                cause = error.cause(),
                "failed after somebody signed in"
            );
            Ok(visit.browser.given(trouble(server, request, &error)))
        }
        Err(error) => Err(error),
    }
}

async fn visited(visit: &mut Visit<'_>) -> Result<Reply, OAuthError> {
    let (server, request) = (visit.server, visit.request);
    let posted = request.method == HttpMethod::POST;
    let form = if posted {
        request.form()?
    } else {
        Form::parse(request.query.as_bytes())?
    };
    if let Some(sealed) = form.value("interaction") {
        let interaction =
            Interaction::open(server, &visit.browser, Kinds::Authorize, sealed, visit.now)?;
        return if posted {
            form::step(visit, interaction, &form).await
        } else {
            proceed(visit, interaction, false).await
        };
    }
    let interaction = begin(visit, &form).await?;
    if posted && visit.browser.keeps_cookies_back(request) && read(visit, &interaction)?.is_ok() {
        return ask_again(visit, interaction, &form).await;
    }
    proceed(visit, interaction, false).await
}

/// A form may have been posted by a page of another site, in which case browsers keep every cookie to themselves:
/// who is signed in, that somebody has signed out, and what forms are bound to. So nothing is decided, and no
/// cookie set over another, before the same is asked by GET, to which they give them.
async fn ask_again(
    visit: &mut Visit<'_>,
    interaction: Interaction,
    form: &Form<'_>,
) -> Result<Reply, OAuthError> {
    let query = query(form);
    if query.len() > IN_URL {
        // Too long for that. Whoever may have signed out is not signed in unasked.
        visit.browser.signed_out = true;
        return go_on(visit, interaction).await;
    }
    see_other(&format!("authorize?{query}"))
}

/// The request as it came, or as it was pushed.
async fn begin(visit: &Visit<'_>, form: &Form<'_>) -> Result<Interaction, OAuthError> {
    let server = visit.server;
    let Some(request_uri) = form.value("request_uri").filter(|uri| pushed::is_ours(uri)) else {
        return Ok(Interaction::begin(
            server,
            Kinds::Authorize,
            form,
            visit.now,
        ));
    };
    let stored = pushed::find(server, request_uri, form.required("client_id")?, visit.now).await?;
    let mut interaction = Interaction::begin(server, Kinds::Authorize, &stored.form()?, visit.now);
    interaction.pushed = Some(request_uri.to_owned());
    Ok(interaction)
}

/// Goes on with a request as far as that is possible without the user. `agreed`: somebody just said so, on a page
/// that may have been for somebody else.
pub(super) async fn proceed(
    visit: &mut Visit<'_>,
    mut interaction: Interaction,
    agreed: bool,
) -> Result<Reply, OAuthError> {
    let (server, now) = (visit.server, visit.now);
    let asked = match read(visit, &interaction)? {
        Ok(asked) => asked,
        Err((target, error)) => return refuse(visit, &target, &error),
    };
    let expected = match expected(server, &asked, now)? {
        Ok(expected) => expected,
        Err(error) => return refuse(visit, &asked.target, &error),
    };
    let named = Named::of(visit.trust, visit.request, now);
    for attempt in 0..ATTEMPTS {
        step_back(server, attempt).await;
        let (found, answered) = server
            .session(&visit.browser, interaction.answered(server.issuer()), now)
            .await?;
        if answered.is_some() {
            return Err(OAuthError::new(
                ErrorCode::InvalidRequest,
                "this request has been answered already: go back to the application and start again",
            ));
        }
        let current = match automatic(visit, &asked, &interaction, found, &named).await {
            Ok(current) => current,
            Err(StoreError::Conflict(_)) => continue,
            Err(error) => return Err(error.into()),
        };
        // Whoever agrees must be the one who was asked, after all that may have changed who is here.
        let agreed = agreed
            && current.as_ref().is_some_and(|current| {
                interaction.asked.as_deref() == Some(&*question(&asked, &current.session))
            });
        let step = decide(
            visit,
            &asked,
            &interaction,
            current.as_ref(),
            &named,
            expected.as_deref(),
            agreed,
        );
        let step = match step {
            Ok(step) => step,
            Err(error) => return refuse(visit, &asked.target, &error),
        };
        match step {
            Step::Answer { acr } => {
                // Nobody gets an answer who is not signed in.
                let Some(current) = current else {
                    return Err(OAuthError::new(
                        ErrorCode::ServerError,
                        "nobody is signed in",
                    ));
                };
                let answer = issue::answer(visit, &interaction, &asked, current, acr, agreed);
                match answer.await {
                    Ok(Some(reply)) => return Ok(reply),
                    Ok(None) => {}
                    Err(error) => return refuse(visit, &asked.target, &error),
                }
            }
            Step::SignIn { step_up } => {
                let current = current.filter(|_| step_up || asked.request.prompt().select_account);
                return sign_in_page(
                    visit,
                    &mut interaction,
                    &asked,
                    current.as_ref(),
                    &named,
                    step_up,
                    None,
                );
            }
            Step::SecondFactor => {
                let username = current
                    .map(|current| current.session.username)
                    .unwrap_or_default();
                return second_factor_page(visit, &mut interaction, &asked, &username, None);
            }
            Step::Consent => {
                let session = current.map(|current| current.session);
                return consent_page(visit, &mut interaction, &asked, session.as_ref());
            }
        }
    }
    Err(
        OAuthError::new(ErrorCode::TemporarilyUnavailable, "try again in a moment")
            .because("the session is being used by many at once"),
    )
}

/// A request, or an error that is told to its target.
type Understood = Result<Asked, (Target, OAuthError)>;

/// Waits a while before another attempt, each request for a time of its own.
async fn step_back(server: &Server, attempt: u64) {
    if attempt > 0 {
        let chance = (server.mint)();
        let part = chance.expose().bytes().map(u64::from).sum::<u64>() % 8;
        tokio::time::sleep(Duration::from_millis((1 + part) * attempt)).await;
    }
}

/// Reads the request. What is wrong before its target is known is an error of ours; the rest is the client's.
pub(super) fn read(visit: &Visit<'_>, interaction: &Interaction) -> Result<Understood, OAuthError> {
    let form = interaction.form()?;
    let target = Target::of(&form, &visit.trust.clients)?;
    let policy = Policy {
        fapi2: visit.server.settings.profile == Profile::Fapi2,
        pushed: interaction.pushed.is_some(),
    };
    Ok(match AuthorizationRequest::read(&form, &target, policy) {
        Ok(request) => Ok(Asked {
            target,
            request,
            said_redirect_uri: form.value("redirect_uri").is_some(),
        }),
        Err(error) => Err((target, error)),
    })
}

/// Whom the client expects: by the claim `sub` (OpenID Connect Core section 5.5.1), or by an ID token that we
/// issued to it, of which it says nothing that it has expired (section 3.1.2.1).
fn expected(
    server: &Server,
    asked: &Asked,
    now: Timestamp,
) -> Result<Result<Option<String>, OAuthError>, OAuthError> {
    let claimed = asked.request.claims().subject.clone();
    let Some(hint) = asked.request.id_token_hint() else {
        return Ok(Ok(claimed));
    };
    let keys = server.keys()?;
    let client_id = asked.target.client().client_id();
    Ok(match id_token::hint(hint, &keys, server.issuer(), now) {
        Some(hint)
            if hint.client_id == client_id.as_str()
                && claimed.is_none_or(|one| one == hint.subject) =>
        {
            Ok(Some(hint.subject))
        }
        _ => Err(OAuthError::new(
            ErrorCode::InvalidRequest,
            "the id_token_hint is no ID token that was issued to this client",
        )),
    })
}

/// What that user is asked to agree to, as a digest: a registration or a user that has changed since makes another
/// question of it.
pub(super) fn question(asked: &Asked, session: &Session) -> String {
    let request = &asked.request;
    let claims = request.claims();
    let all = serde_json::json!([
        session.subject,
        asked.target.client().client_id().as_str(),
        request.scope().as_str(),
        request.audience(asked.target.client()),
        claims.id_token,
        claims.userinfo,
    ]);
    Digest::of(all.to_string().as_bytes()).to_base64url()
}

/// What comes next.
fn decide(
    visit: &Visit<'_>,
    asked: &Asked,
    interaction: &Interaction,
    current: Option<&Current>,
    named: &Named,
    expected: Option<&str>,
    agreed: bool,
) -> Result<Step, OAuthError> {
    let session = current.map(|current| &current.session);
    let user = session
        .filter(|session| session.local)
        .and_then(|session| visit.trust.users.find(&session.username));
    let is_theirs = |signed_in: &Option<SignedIn>| {
        signed_in
            .as_ref()
            .zip(session)
            .is_some_and(|(user, session)| user.username == session.username)
    };
    let is_of = |subject: &Option<String>| {
        subject.is_some() && subject.as_ref() == session.map(|session| &session.subject)
    };
    let client = asked.target.client();
    let own = client
        .people()
        .acr_loa_map()
        .map(|map| AcrMap::from(map.clone()));
    next(&Situation {
        request: &asked.request,
        client,
        session,
        user: user.map(AsRef::as_ref),
        expected,
        fresh: is_of(&interaction.fresh),
        selected: is_of(&interaction.selected),
        agreed,
        certificate: is_theirs(&named.certificate),
        header: is_theirs(&named.header),
        levels: &visit.server.settings.levels,
        acr: own.as_ref().unwrap_or(&visit.server.settings.acr),
        now: visit.now,
    })
}

/// Tells the client that it gets nothing, and the log why.
pub(super) fn refuse(
    visit: &Visit<'_>,
    target: &Target,
    error: &OAuthError,
) -> Result<Reply, OAuthError> {
    if error.code() == ErrorCode::TemporarilyUnavailable {
        // Whoever waits a moment can go on from here.
        return Err(error.clone());
    }
    tracing::warn!(
        request = &*visit.request.id,
        endpoint = "authorize",
        client_id = %target.client().client_id(),
        error = error.code().name(),
        cause = error.cause(),
        "refused, by way of the browser"
    );
    carried(
        visit.server,
        visit.request,
        &target.refusal(visit.server.issuer(), error),
    )
}

/// Goes on by GET, so that nothing that was posted is posted again when a page is loaded again.
pub(super) async fn go_on(
    visit: &mut Visit<'_>,
    mut interaction: Interaction,
) -> Result<Reply, OAuthError> {
    let sealed = interaction.sealed(visit.server, &mut visit.browser, visit.now)?;
    if sealed.len() > IN_URL {
        return proceed(visit, interaction, false).await;
    }
    see_other(&format!("authorize?interaction={sealed}"))
}
