//! The token endpoint (RFC 6749 section 3.2).

use http::Method;

use super::authenticate::authenticate;
use super::{Answer, Endpoint, Reply, Request, Server};
use crate::grant::{self, Ask, Context, Granted};
use crate::oauth::error::{ErrorCode, OAuthError};

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

async fn serve(server: &Server, request: &Request) -> Result<Reply, OAuthError> {
    let now = (server.clock)();
    let form = request.form()?;
    let trust = server.trust.load();
    let client = authenticate(server, &trust, request, &form, now).await?;
    let keys = server.keys()?;
    let context = Context {
        now,
        mint: &server.mint,
        issuer: server.settings.issuer.as_str(),
        keys: &keys,
        access_token_ttl: server.settings.access_token_ttl,
        access_token_format: server.settings.access_token_format,
    };
    let client_id = client.registration().client_id();
    let granted = match grant::decide(&Ask {
        form: &form,
        client: &client,
        context: &context,
    }) {
        Ok(granted) => granted,
        Err(refusal) => {
            if !refusal.changes.is_empty() {
                server.commit(&refusal.changes, now).await?;
            }
            let cause = format!("client {client_id}: {}", refusal.error.cause());
            return Err(refusal.error.because(cause));
        }
    };
    if granted.changes.is_empty() {
        server.assure_store().await?;
    } else {
        server.commit(&granted.changes, now).await?;
    }
    let body = serde_json::to_string(&granted.response).map_err(|error| {
        OAuthError::new(ErrorCode::ServerError, "the token could not be issued").because(error)
    })?;
    let grant_type = form.value("grant_type").unwrap_or_default();
    audit(&granted, grant_type, request);
    server.metrics.token_issued(
        grant_type,
        granted.format.name(),
        granted.token.confirmation.is_some(),
    );
    Ok(Reply::json(body))
}

/// The audit line of a token that was issued; of the token itself, its `jti` alone.
fn audit(granted: &Granted, grant_type: &str, request: &Request) {
    let token = &granted.token;
    let bound = token
        .confirmation
        .map(|confirmation| confirmation.certificate);
    tracing::info!(
        target: "audit",
        event = "token_issued",
        request = &*request.id,
        client_id = %token.client_id,
        grant_type,
        format = granted.format.name(),
        scope = token.scope.as_str(),
        aud = ?token.audience,
        jti = token.id,
        exp = token.expires.unix(),
        "x5t#S256" = bound.map(tracing::field::display),
        address = request.presented.address().map(tracing::field::display),
    );
}
