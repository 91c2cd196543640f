//! Who is signed in without a page: the browser's session, or whom the web server names.

use super::authorize::{Asked, Visit};
use super::interaction::Interaction;
use super::session::{Current, Named};
use crate::endpoint::{Server, Trust};
use crate::record::Changes;
use crate::store::StoreError;
use crate::user::Method;
use crate::user::session::{Session, SignedIn};

/// Signs in whom the web server names, where nobody is signed in and nothing speaks against it.
pub(super) async fn automatic(
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
                    && interaction.fresh.as_ref() != Some(&current.session.subject)
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
    // A code of the second factor was given at another time, and is given again if it is needed.
    let levels = &server.settings.levels;
    let better = !asked.request.acr().values.is_empty()
        && user.username == session.username
        && levels.of(user.factors) > levels.of(session.factors);
    better.then(|| user.clone())
}

/// Whether a user who was one of `--users` still is, and whether the `sub` of one who was not is nobody else's now.
fn is_known(trust: &Trust, session: &Session) -> bool {
    if session.local {
        let user = trust.users.find(&session.username);
        return user.is_some_and(|user| user.sub() == session.subject);
    }
    let user = trust.users.by_sub(&session.subject);
    user.is_none_or(|user| user.username() == session.username)
}
