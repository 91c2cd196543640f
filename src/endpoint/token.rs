//! The token endpoint (RFC 6749 section 3.2).

use http::Method;

use super::authenticate::authenticate;
use super::signing::sign_access_token;
use super::{Answer, Endpoint, Reply, Request, Server};
use crate::grant::{self, Ask, Granted};
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::form::Form;
use crate::oauth::secret::Secret;
use crate::store::StoreError;

/// The endpoint.
pub(super) struct Token;

impl Endpoint for Token {
    fn name(&self) -> &'static str {
        "token"
    }

    fn metadata(&self) -> Option<&'static str> {
        Some("token_endpoint")
    }

    fn authenticates_clients(&self) -> bool {
        true
    }

    fn methods(&self) -> &'static [Method] {
        &[Method::POST]
    }

    fn is_open_to_any_origin(&self) -> bool {
        true
    }

    fn serve<'a>(&self, server: &'a Server, request: &'a Request) -> Answer<'a> {
        Box::pin(serve(server, request))
    }
}

/// How often what was presented is looked at again because it was not known, or somebody else was faster.
const ATTEMPTS: usize = 3;

async fn serve(server: &Server, request: &Request) -> Result<Reply, OAuthError> {
    let now = (server.clock)();
    let form = request.form()?;
    let trust = server.trust.load_full();
    let client = authenticate(server, &trust, request, &form, now).await?;
    let named = |error: OAuthError| {
        let cause = format!(
            "client {}: {}",
            client.registration().client_id(),
            error.cause()
        );
        error.because(cause)
    };
    let grant = grant::chosen(&form, &client).map_err(named)?;
    let presented = grant.presents(&form, server.issuer());
    // What this instance knows is mostly still so, and saves a trip: the commit finds out.
    let mut known = if presented.is_empty() {
        Some(Vec::new())
    } else {
        server.store.last_known(&presented, now)
    };
    for _ in 0..=ATTEMPTS {
        let (evidence, is_fresh) = match known.take() {
            Some(known) => (known, presented.is_empty()),
            None => (server.records(&presented, now).await?, true),
        };
        let mut granted = {
            let keys = server.keys()?;
            let context = server.context(&keys, &trust.users, now);
            let decided = grant.decide(&Ask {
                form: &form,
                client: &client,
                keys: &presented,
                evidence: &evidence,
                context: &context,
            });
            // Nobody is refused because of what was so once, and nobody is given anything because of it without a
            // commit that makes sure that it is still so.
            let is_settled = |granted: &Granted| is_fresh || granted.changes.rest_on(&presented);
            match decided {
                Ok(granted) if is_settled(&granted) => granted,
                Err(refusal) if is_fresh => {
                    if !refusal.changes.is_empty() {
                        server.commit(&refusal.changes, now).await?;
                    }
                    return Err(named(refusal.error));
                }
                Ok(_) | Err(_) => continue,
            }
        };
        // Before anything is used up: a token that cannot be made costs the client nothing.
        sign_access_token(server, &mut granted)
            .await
            .map_err(named)?;
        if let Some(id_token) = granted.id_token.take() {
            let access_token = granted.response.access_token.as_ref();
            let made = server
                .id_token(
                    client.registration(),
                    &id_token,
                    access_token.map(Secret::expose),
                    None,
                    now,
                )
                .await;
            granted.response.id_token = Some(made.map_err(named)?);
        }
        let done = if granted.changes.is_empty() {
            server.assure_store().await
        } else {
            server.commit(&granted.changes, now).await
        };
        match done {
            Ok(()) => return answer(server, request, &form, &granted),
            // Somebody else used what was presented: it is looked at again, as it is now.
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(
        OAuthError::new(ErrorCode::TemporarilyUnavailable, "try again in a moment")
            .because("what was presented is being used by many at once"),
    )
}

fn answer(
    server: &Server,
    request: &Request,
    form: &Form<'_>,
    granted: &Granted,
) -> Result<Reply, OAuthError> {
    let body = granted.response.to_json().map_err(|error| {
        OAuthError::new(ErrorCode::ServerError, "the token could not be issued").because(error)
    })?;
    let grant_type = form.value("grant_type").unwrap_or_default();
    audit(granted, grant_type, request);
    server.metrics.token_issued(
        grant_type,
        granted.format.name(),
        granted.token.claims.confirmation.is_some(),
    );
    Ok(Reply::json(body))
}

/// The audit line of a token that was issued; of the token itself, its `jti` alone.
fn audit(granted: &Granted, grant_type: &str, request: &Request) {
    let token = &granted.token;
    let bound = token
        .claims
        .confirmation
        .map(|confirmation| confirmation.certificate);
    tracing::info!(
        target: "audit",
        event = "token_issued",
        request = &*request.id,
        client_id = %token.claims.client_id,
        sub = (token.claims.subject != token.claims.client_id.as_str()).then_some(token.claims.subject.as_str()),
        grant_type,
        format = granted.format.name(),
        scope = token.claims.scope.as_str(),
        aud = ?token.claims.audience,
        jti = token.id,
        exp = token.claims.expires.unix(),
        "x5t#S256" = bound.map(tracing::field::display),
        address = request.presented.address().map(tracing::field::display),
    );
}
