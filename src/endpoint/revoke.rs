//! Revocation (RFC 7009), of JWTs too.

use http::{Method, StatusCode};

use super::authenticate::authenticate;
use super::{Answer, Endpoint, Look, Reply, Request, Server};
use crate::oauth::error::OAuthError;
use crate::token::read::Live;

/// The endpoint.
pub(super) struct Revoke;

impl Endpoint for Revoke {
    fn name(&self) -> &'static str {
        "revoke"
    }

    fn metadata(&self) -> Option<&'static str> {
        Some("revocation_endpoint")
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

/// Ends a token of the caller's. A token that is another's, dead or unknown is left as it is, and the
/// answer is the same (RFC 7009 section 2.2): it is the client that authenticates, not the bearer.
async fn serve(server: &Server, request: &Request) -> Result<Reply, OAuthError> {
    let now = (server.clock)();
    let form = request.form()?;
    let trust = server.trust.load();
    let client = authenticate(server, &trust, request, &form, now).await?;
    let caller = client.registration().client_id();
    let text = form.required("token")?;
    let found = server.live_token(text, Look::Afresh, now).await?;
    if let Some((seen, live)) = found.filter(|(_, live)| live.client_id() == caller) {
        server.commit(&seen.recognised.revocation(), now).await?;
        server.metrics.token_revoked();
        let (kind, jti) = match &live {
            Live::Access(token, _) => ("access_token", Some(token.id.as_str())),
            Live::Refresh(..) => ("refresh_token", None),
        };
        tracing::info!(
            target: "audit",
            event = "token_revoked",
            request = &*request.id,
            client_id = %caller,
            token = kind,
            jti,
        );
    }
    Ok(Reply::new(StatusCode::OK, "application/json", "{}"))
}
