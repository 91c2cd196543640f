//! What somebody did on a page: each step of signing in and agreeing comes back as a form.

use super::authorize::{Asked, Visit, go_on, proceed, read, refuse};
use super::interaction::Interaction;
use super::pages::{second_factor_page, sign_in_page};
use super::session::{Current, Named};
use super::sign_in;
use crate::endpoint::Reply;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::form::Form;
use crate::page::LoginProblem;
use crate::record::Changes;
use crate::store::StoreError;
use crate::user::session::SignedIn;

/// Makes the step that the form says.
pub(super) async fn step(
    visit: &mut Visit<'_>,
    interaction: Interaction,
    form: &Form<'_>,
) -> Result<Reply, OAuthError> {
    let asked = match read(visit, &interaction)? {
        Ok(asked) => asked,
        Err((target, error)) => return refuse(visit, &target, &error),
    };
    match form.required("step")? {
        "password" => password(visit, interaction, &asked, form).await,
        "certificate" | "header" => named(visit, interaction, &asked, form).await,
        "session" => select(visit, interaction).await,
        "totp" => second_factor(visit, interaction, &asked, form).await,
        "allow" => proceed(visit, interaction, true).await,
        "deny" => refuse(visit, &asked.target, &denied("the user did not agree")),
        "cancel" => refuse(visit, &asked.target, &denied("the user gave up signing in")),
        _ => Err(OAuthError::new(
            ErrorCode::InvalidRequest,
            "there is no such step",
        )),
    }
}

/// RFC 6749 section 4.1.2.1.
fn denied(description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::AccessDenied, description)
}

async fn password(
    visit: &mut Visit<'_>,
    mut interaction: Interaction,
    asked: &Asked,
    form: &Form<'_>,
) -> Result<Reply, OAuthError> {
    let problem = match (form.value("username"), form.value("password")) {
        (Some(username), Some(password)) => {
            match sign_in::password(visit, username.trim(), password).await? {
                Ok(admitted) => {
                    return sign_in(visit, interaction, admitted.user, admitted.changes).await;
                }
                Err(problem) => problem,
            }
        }
        _ => LoginProblem::WrongPassword,
    };
    again(visit, &mut interaction, asked, problem).await
}

/// Goes on as whom the web server names, now that somebody said so.
async fn named(
    visit: &mut Visit<'_>,
    mut interaction: Interaction,
    asked: &Asked,
    form: &Form<'_>,
) -> Result<Reply, OAuthError> {
    let named = Named::of(visit.trust, visit.request, visit.now);
    let user = match form.value("step") {
        Some("certificate") => named.certificate,
        _ => named.header,
    };
    match user {
        Some(user) => sign_in(visit, interaction, user, Changes::none()).await,
        None => again(visit, &mut interaction, asked, LoginProblem::NotMapped).await,
    }
}

async fn again(
    visit: &mut Visit<'_>,
    interaction: &mut Interaction,
    asked: &Asked,
    problem: LoginProblem,
) -> Result<Reply, OAuthError> {
    let current = visit.session().await?;
    let limits = visit.server.limits();
    let current = current.filter(|current| {
        current.session.is_active(limits, visit.now) && !asked.request.prompt().login
    });
    let named = Named::of(visit.trust, visit.request, visit.now);
    let step_up = current.is_some() && !asked.request.prompt().select_account;
    sign_in_page(
        visit,
        interaction,
        asked,
        current.as_ref(),
        &named,
        step_up,
        Some(problem),
    )
}

async fn sign_in(
    visit: &mut Visit<'_>,
    interaction: Interaction,
    user: SignedIn,
    changes: Changes,
) -> Result<Reply, OAuthError> {
    for _ in 0..4 {
        let before = visit.session().await?;
        let begun = visit
            .server
            .sign_in(
                &mut visit.browser,
                before,
                user.clone(),
                changes.clone(),
                visit.request,
                visit.now,
            )
            .await;
        match begun {
            Ok(_) => {
                let mut interaction = interaction;
                interaction.fresh = Some(user.subject);
                return go_on(visit, interaction).await;
            }
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(busy())
}

async fn second_factor(
    visit: &mut Visit<'_>,
    mut interaction: Interaction,
    asked: &Asked,
    form: &Form<'_>,
) -> Result<Reply, OAuthError> {
    let current = visit.session().await?;
    let limits = visit.server.limits();
    let current = current.filter(|current| current.session.is_active(limits, visit.now));
    let Some((current, user)) = current.and_then(|current| {
        let user = visit.trust.users.find(&current.session.username)?;
        let is_theirs = current.session.local && user.sub() == current.session.subject;
        is_theirs.then(|| (current, std::sync::Arc::clone(user)))
    }) else {
        // Whoever signed in first has not any more.
        return proceed(visit, interaction, false).await;
    };
    let code = form.value("code").unwrap_or_default();
    match sign_in::one_time_password(visit, &current, &user, code).await? {
        Ok(changes) => raise(visit, interaction, current, changes).await,
        Err(problem) => {
            let username = current.session.username.clone();
            second_factor_page(visit, &mut interaction, asked, &username, Some(problem))
        }
    }
}

async fn raise(
    visit: &mut Visit<'_>,
    interaction: Interaction,
    current: Current,
    changes: Changes,
) -> Result<Reply, OAuthError> {
    let raised = visit
        .server
        .raise(
            &mut visit.browser,
            current,
            changes,
            visit.request,
            visit.now,
        )
        .await;
    match raised {
        Ok(_) => go_on(visit, interaction).await,
        // The same code was used at this moment, or the session was: whoever is honest tries the next one.
        Err(StoreError::Conflict(_)) => Err(busy()),
        Err(error) => Err(error.into()),
    }
}

/// Goes on as who is signed in.
async fn select(visit: &mut Visit<'_>, mut interaction: Interaction) -> Result<Reply, OAuthError> {
    let current = visit.session().await?;
    interaction.selected = current.map(|current| current.session.subject);
    go_on(visit, interaction).await
}

fn busy() -> OAuthError {
    OAuthError::new(ErrorCode::TemporarilyUnavailable, "try again in a moment")
        .because("the session is being used by many at once")
}
