//! The pages of an authorization request, each with the request sealed into its forms.

use super::authorize::{Asked, Visit, question};
use super::browser::{show, shown};
use super::interaction::Interaction;
use super::session::{Current, Named};
use crate::endpoint::Reply;
use crate::oauth::error::OAuthError;
use crate::page::{self, LoginProblem, Page};
use crate::user::session::{Session, SignedIn};

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

/// The page that asks the user to agree.
pub(super) fn consent_page(
    visit: &mut Visit<'_>,
    interaction: &mut Interaction,
    asked: &Asked,
    session: Option<&Session>,
) -> Result<Reply, OAuthError> {
    interaction.asked = session.map(|session| question(asked, session));
    let sealed = interaction.sealed(visit.server, &mut visit.browser, visit.now)?;
    let request = &asked.request;
    let scopes: Vec<&str> = request.scope().tokens().collect();
    let audience = request.audience(asked.target.client());
    let resources: Vec<&str> = audience.iter().map(String::as_str).collect();
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
