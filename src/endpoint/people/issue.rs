//! The answer: a code, with an ID token and an access token where the response type has them (RFC 6749
//! section 4.1.2, OpenID Connect Core section 3.3.2.5), all of it in one step or none of it.

use super::authorize::{Asked, Visit};
use super::browser::carried;
use super::interaction::{Interaction, TIME};
use super::session::Current;
use crate::authorization::step::agreement;
use crate::endpoint::Reply;
use crate::endpoint::signing::sign_access_token;
use crate::grant;
use crate::grant::authorization_code::AuthorizationCode;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::secret::Secret;
use crate::oauth::time::Lifetime;
use crate::record::{Changes, Condition, Key, Kind, Record};
use crate::store::StoreError;
use crate::token::family::{Authentication, Family, FamilyId};
use crate::token::id_token::IdToken;
use crate::user::claims;
use crate::user::session::Given;

/// Answers; nothing where somebody else changed the session or answered meanwhile.
///
/// # Errors
/// It cannot be made, or the store does not answer: then nothing has happened.
pub(super) async fn answer(
    visit: &Visit<'_>,
    interaction: &Interaction,
    asked: &Asked,
    current: Current,
    acr: String,
    agreed: bool,
) -> Result<Option<Reply>, OAuthError> {
    let (server, now) = (visit.server, visit.now);
    let (issuer, settings) = (server.issuer(), &server.settings);
    let (target, request) = (&asked.target, &asked.request);
    let client = target.client();
    let family = family(asked, &current, acr, issuer);
    let name = FamilyId::mint(&(server.mint)());
    let refreshed = if client.may_use("refresh_token") {
        settings.refresh_token_ttl
    } else {
        Lifetime::from_seconds(0)
    };
    let ends = now
        .after(settings.code_ttl)
        .after(refreshed)
        .after(settings.access_token_ttl);
    let text = AuthorizationCode::text(&(server.mint)(), &name);
    let code = AuthorizationCode {
        expires: now.after(settings.code_ttl),
        redirect_uri: target.redirect_uri().to_owned(),
        asked_redirect_uri: asked.said_redirect_uri,
        challenge: request.challenge().cloned(),
        nonce: request.nonce().map(str::to_owned),
        used: false,
    };
    let mut changes = Changes::none()
        .put(name.key(issuer), family.record(ends).map_err(failed)?)
        .put(
            AuthorizationCode::key(issuer, text.expose()),
            code.record(code.expires).map_err(failed)?,
        );
    let response_type = request.response_type();
    let front = if response_type.token {
        let mut front = {
            let keys = server.keys()?;
            let context = server.context(&keys, &visit.trust.users, now);
            grant::front_channel(client, &context, &family, name.clone())?
        };
        changes = changes.and(std::mem::take(&mut front.changes));
        sign_access_token(server, &mut front).await?;
        Some(front)
    } else {
        None
    };
    let access_token = front
        .as_ref()
        .and_then(|front| front.response.access_token.clone());
    let access_token_text = access_token.as_ref().map(Secret::expose);
    let id_token = if response_type.id_token {
        Some(id_token(visit, asked, &family, access_token_text, text.expose()).await?)
    } else {
        None
    };
    changes = answered(interaction, issuer, visit, changes);
    changes = current.unchanged(issuer, changes);
    let mut session = current.session;
    session.touch(now);
    if agreed && let Some(all) = agreement(request, client) {
        session.allow(client.client_id().as_str(), &all);
    }
    let given = Given {
        family: name,
        client_id: client.client_id().as_str().to_owned(),
    };
    changes = session.give(issuer, given, changes);
    let record = server.session_record(&session, now)?;
    changes = changes.put(current.id.key(issuer), record);
    match server.commit(&changes, now).await {
        Ok(()) => {}
        Err(StoreError::Conflict(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    audit(visit, &family, response_type.name());
    let expires_in = settings.access_token_ttl.seconds().to_string();
    let mut parameters = vec![("code", text.expose())];
    if let Some(token) = &access_token {
        parameters.push(("access_token", token.expose()));
        parameters.push(("token_type", "Bearer"));
        parameters.push(("expires_in", &expires_in));
        parameters.push(("scope", family.scope.as_str()));
    }
    if let Some(token) = &id_token {
        parameters.push(("id_token", token.expose()));
    }
    if let Some(front) = &front {
        server
            .metrics
            .token_issued("authorize", front.format.name(), false);
    }
    carried(server, visit.request, &target.answer(issuer, &parameters)).map(Some)
}

/// The ID token that goes through the browser, with the digests of what goes along.
async fn id_token(
    visit: &Visit<'_>,
    asked: &Asked,
    family: &Family,
    access_token: Option<&str>,
    code: &str,
) -> Result<Secret, OAuthError> {
    let (server, now) = (visit.server, visit.now);
    let user = visit
        .trust
        .users
        .find(&family.username)
        .filter(|_| family.local);
    let said = user.map(|user| claims::named(user, &family.id_token_claims));
    let ttl = server.settings.access_token_ttl;
    let token = IdToken::new(server.issuer(), family, said.unwrap_or_default(), now, ttl)
        .with_nonce(asked.request.nonce());
    let client = asked.target.client();
    server
        .id_token(client, &token, access_token, Some(code), now)
        .await
}

/// That this request has been answered, where it could be sent again.
fn answered(
    interaction: &Interaction,
    issuer: &str,
    visit: &Visit<'_>,
    changes: Changes,
) -> Changes {
    let Some(key) = interaction.answered(issuer) else {
        return changes;
    };
    // For as long as a page of it may be shown, and it may have been pushed a moment before that.
    let record = Record {
        value: b"1".to_vec(),
        expires: Some(visit.now.after(TIME).after(TIME)),
    };
    let changes = changes
        .expect(key.clone(), Condition::Absent)
        .put(key, record);
    match &interaction.pushed {
        None => changes,
        Some(request_uri) => changes.delete(Key::named(Kind::PushedRequest, issuer, request_uri)),
    }
}

/// What the user allows.
fn family(asked: &Asked, current: &Current, acr: String, issuer: &str) -> Family {
    let (client, request, session) = (asked.target.client(), &asked.request, &current.session);
    let audience = match request.audience(client) {
        [] => vec![issuer.to_owned()],
        named => named.to_vec(),
    };
    Family {
        client_id: client.client_id().clone(),
        subject: session.subject.clone(),
        username: session.username.clone(),
        local: session.local,
        scope: request.scope().clone(),
        audience,
        authentication: Authentication {
            time: session.auth_time,
            acr: Some(acr),
            methods: session
                .factors
                .amr()
                .iter()
                .map(ToString::to_string)
                .collect(),
        },
        session: Some(current.id.as_str().to_owned()),
        id_token_claims: request.claims().id_token.clone(),
        userinfo_claims: request.claims().userinfo.clone(),
    }
}

fn audit(visit: &Visit<'_>, family: &Family, response_type: &str) {
    tracing::info!(
        target: "audit",
        event = "authorization_given",
        request = &*visit.request.id,
        client_id = %family.client_id,
        sub = family.subject,
        scope = family.scope.as_str(),
        response_type,
        acr = family.authentication.acr,
        sid = family.session,
        address = visit.request.presented.address().map(tracing::field::display),
    );
}

fn failed(error: impl std::fmt::Display) -> OAuthError {
    OAuthError::new(ErrorCode::ServerError, "the answer could not be made").because(error)
}
