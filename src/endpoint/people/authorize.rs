//! The authorization endpoint (RFC 6749 section 3.1, OpenID Connect Core section 3.1.2): reads what is asked,
//! finds out who is there, and shows a page or answers.

use http::Method as HttpMethod;

use super::browser::{Browser, carried, see_other, show, shown, trouble};
use super::interaction::{Interaction, Kinds};
use super::session::{Current, Named};
use super::{form, issue, pushed};
use crate::authorization::step::{Situation, Step, next};
use crate::authorization::{AuthorizationRequest, Policy, Target};
use crate::endpoint::{Answer, Endpoint, Reply, Request, Server, Trust};
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::form::Form;
use crate::oauth::profile::Profile;
use crate::oauth::time::Timestamp;
use crate::page::{self, LoginProblem, Page};
use crate::record::Changes;
use crate::store::StoreError;
use crate::token::id_token;
use crate::user::session::{Session, SignedIn};
use crate::user::{AcrMap, Factors, Method};

/// How long a sealed request may be to travel in a URL: web servers take 8 kB.
const URL: usize = 6_000;

/// How often a session is read again because somebody else was faster.
const ATTEMPTS: usize = 4;

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

    fn is_open_to_any_origin(&self) -> bool {
        false
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
    let posted = request.method == HttpMethod::POST;
    let form = if posted {
        request.form()?
    } else {
        Form::parse(request.query.as_bytes())?
    };
    let reply = match form.value("interaction") {
        Some(sealed) => {
            let interaction =
                Interaction::open(server, &visit.browser, Kinds::Authorize, sealed, visit.now)?;
            if posted {
                form::step(&mut visit, interaction, &form).await
            } else {
                proceed(&mut visit, interaction, false).await
            }
        }
        None => {
            let interaction = begin(&visit, &form).await?;
            if posted && comes_from_elsewhere(&visit) && read(&visit, &interaction)?.is_ok() {
                go_on(&mut visit, interaction).await
            } else {
                proceed(&mut visit, interaction, false).await
            }
        }
    }?;
    Ok(visit.browser.given(reply))
}

/// Whether a form may have been posted by a page of another site, in which case browsers keep the session's
/// cookie to themselves: the request goes on by GET, to which they give it.
fn comes_from_elsewhere(visit: &Visit<'_>) -> bool {
    let named = Named::of(visit.trust, visit.request, visit.now);
    visit.browser.session.is_none() && named.automatic(visit.server).is_none()
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

/// Goes on with a request as far as that is possible without the user.
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
    for _ in 0..ATTEMPTS {
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
                match issue::answer(visit, &interaction, &asked, current, acr, agreed).await? {
                    Some(reply) => return Ok(reply),
                    None => continue,
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

/// Reads the request. What is wrong before its target is known is an error of ours; the rest is the client's.
#[expect(
    clippy::type_complexity,
    reason = "an error that is told to somebody else is no error of ours"
)]
pub(super) fn read(
    visit: &Visit<'_>,
    interaction: &Interaction,
) -> Result<Result<Asked, (Target, OAuthError)>, OAuthError> {
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

/// Signs in whom the web server names, where nobody is signed in and nothing speaks against it.
async fn automatic(
    visit: &mut Visit<'_>,
    asked: &Asked,
    interaction: &Interaction,
    found: Option<Current>,
    named: &Named,
) -> Result<Option<Current>, StoreError> {
    let (server, now) = (visit.server, visit.now);
    let limits = server.limits();
    let active = |current: &Current| {
        current.session.is_active(limits, now) && is_known(visit.trust, &current.session)
    };
    let prompt = asked.request.prompt();
    let candidate = named
        .automatic(server)
        .filter(|_| !visit.browser.signed_out && !prompt.login && !prompt.select_account);
    match (found, candidate) {
        (Some(current), candidate) if active(&current) => {
            let replaced = |user: &&SignedIn| {
                // The web server now says that somebody else is there than it said before.
                current.session.factors.method == Method::Header
                    && !interaction.fresh
                    && named.header.as_ref() == Some(*user)
                    && user.username != current.session.username
            };
            let better =
                stronger(server, asked, &current, named).filter(|_| !visit.browser.signed_out);
            match candidate.filter(replaced).cloned().or(better) {
                None => Ok(Some(current)),
                Some(user) => server
                    .sign_in(
                        &mut visit.browser,
                        Some(current),
                        user,
                        Changes::none(),
                        visit.request,
                        now,
                    )
                    .await
                    .map(Some),
            }
        }
        (_, None) => Ok(None),
        (found, Some(user)) => server
            .sign_in(
                &mut visit.browser,
                found,
                user.clone(),
                Changes::none(),
                visit.request,
                now,
            )
            .await
            .map(Some),
    }
}

/// The session's user by the certificate that the browser shows, where a level is asked for and that is worth
/// more than how the user signed in.
fn stronger(server: &Server, asked: &Asked, current: &Current, named: &Named) -> Option<SignedIn> {
    let session = &current.session;
    let user = named.certificate.as_ref()?;
    let factors = Factors {
        totp: session.factors.totp,
        ..user.factors
    };
    let levels = &server.settings.levels;
    let better = !asked.request.acr().values.is_empty()
        && user.username == session.username
        && levels.of(factors) > levels.of(session.factors);
    better.then(|| SignedIn {
        factors,
        ..user.clone()
    })
}

/// Whether a user who was one of `--users` still is.
fn is_known(trust: &Trust, session: &Session) -> bool {
    let same = |user: &std::sync::Arc<crate::user::User>| user.sub() == session.subject;
    !session.local || trust.users.find(&session.username).is_some_and(same)
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
        fresh: interaction.fresh,
        selected: interaction.selected,
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
    if matches!(
        error.code(),
        ErrorCode::TemporarilyUnavailable | ErrorCode::ServerError
    ) {
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
    if sealed.len() > URL {
        return proceed(visit, interaction, false).await;
    }
    see_other(&format!("authorize?interaction={sealed}"))
}

/// The page on which somebody signs in.
pub(super) fn sign_in_page(
    visit: &mut Visit<'_>,
    interaction: &mut Interaction,
    asked: &Asked,
    current: Option<&Current>,
    named: &Named,
    step_up: bool,
    problem: Option<LoginProblem>,
) -> Result<Reply, OAuthError> {
    let sealed = interaction.sealed(visit.server, &mut visit.browser, visit.now)?;
    let username =
        |signed_in: &Option<SignedIn>| signed_in.as_ref().map(|user| user.username.clone());
    let (certificate, header) = (username(&named.certificate), username(&named.header));
    let session = current.map(|current| current.session.username.as_str());
    let page = Page::Login {
        form: page::Form {
            action: "authorize",
            interaction: &sealed,
        },
        client: shown(asked.target.client()),
        username: if step_up {
            session
        } else {
            asked.request.login_hint()
        },
        password: visit.trust.users.any_password(),
        certificate: certificate.as_deref(),
        header: header.as_deref(),
        session: session.filter(|_| !step_up),
        problem,
        step_up,
    };
    Ok(page_for(visit, asked, &page, problem))
}

/// The page that asks for the second factor.
pub(super) fn second_factor_page(
    visit: &mut Visit<'_>,
    interaction: &mut Interaction,
    asked: &Asked,
    username: &str,
    problem: Option<LoginProblem>,
) -> Result<Reply, OAuthError> {
    let sealed = interaction.sealed(visit.server, &mut visit.browser, visit.now)?;
    let page = Page::SecondFactor {
        form: page::Form {
            action: "authorize",
            interaction: &sealed,
        },
        client: shown(asked.target.client()),
        username,
        problem,
    };
    Ok(page_for(visit, asked, &page, problem))
}

fn consent_page(
    visit: &mut Visit<'_>,
    interaction: &mut Interaction,
    asked: &Asked,
    session: Option<&Session>,
) -> Result<Reply, OAuthError> {
    interaction.asked = session.map(|session| session.subject.clone());
    let sealed = interaction.sealed(visit.server, &mut visit.browser, visit.now)?;
    let request = &asked.request;
    let scopes: Vec<&str> = request.scope().tokens().collect();
    let resources: Vec<&str> = request.resources().iter().map(String::as_str).collect();
    let by_name = request
        .claims()
        .id_token
        .iter()
        .chain(&request.claims().userinfo);
    let mut claims: Vec<&str> = by_name.map(String::as_str).collect();
    claims.sort_unstable();
    claims.dedup();
    let page = Page::Consent {
        form: page::Form {
            action: "authorize",
            interaction: &sealed,
        },
        client: shown(asked.target.client()),
        username: session.map_or("", |session| session.username.as_str()),
        scopes: &scopes,
        resources: &resources,
        claims: &claims,
    };
    Ok(page_for(visit, asked, &page, None))
}

fn page_for(
    visit: &Visit<'_>,
    asked: &Asked,
    page: &Page<'_>,
    problem: Option<LoginProblem>,
) -> Reply {
    let status = match problem {
        Some(LoginProblem::Wait { .. }) => http::StatusCode::TOO_MANY_REQUESTS,
        _ => http::StatusCode::OK,
    };
    let target = asked.target.redirect_uri();
    let reply = show(
        visit.server,
        visit.request,
        asked.request.ui_locales(),
        status,
        page,
        Some(target),
    );
    match problem {
        Some(LoginProblem::Wait { seconds }) => {
            reply.with(http::header::RETRY_AFTER, seconds.into())
        }
        _ => reply,
    }
}
