//! Introspection (RFC 7662), with `cnf` (RFC 8705 section 3.2), and signed on demand (RFC 9701).

use std::sync::Arc;

use http::Method;
use serde::Serialize;

use super::authenticate::authenticate;
use super::{Answer, Endpoint, Reply, Request, Server};
use crate::client::registration::ClientRegistration;
use crate::key::algorithm::SigningAlgorithm;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::time::Timestamp;
use crate::token::jwt::Aud;
use crate::token::{AccessToken, Confirmation};

/// The media type of RFC 9701 section 4.
const SIGNED: &str = "application/token-introspection+jwt";

/// `typ` of RFC 9701 section 5.
const TYPE: &str = "token-introspection+jwt";

/// The endpoint.
pub(super) struct Introspect;

impl Endpoint for Introspect {
    fn name(&self) -> &'static str {
        "introspect"
    }

    fn metadata(&self) -> Option<&'static str> {
        Some("introspection_endpoint")
    }

    fn authenticates_clients(&self) -> bool {
        true
    }

    fn methods(&self) -> &'static [Method] {
        &[Method::POST]
    }

    fn is_open_to_any_origin(&self) -> bool {
        false
    }

    fn serve<'a>(&self, server: &'a Server, request: &'a Request) -> Answer<'a> {
        Box::pin(serve(server, request))
    }
}

/// The members of RFC 7662 section 2.2. What is not active has no other member.
#[derive(Serialize)]
struct Introspection<'a> {
    active: bool,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    token: Option<Members<'a>>,
}

#[derive(Serialize)]
struct Members<'a> {
    iss: &'a str,
    sub: &'a str,
    client_id: &'a str,
    aud: Aud<'a>,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
    token_type: &'static str,
    iat: u64,
    exp: u64,
    jti: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation>,
}

/// The claims of RFC 9701 section 5: nothing at the top that could make it pass for another JWT.
#[derive(Serialize)]
struct Signed<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: u64,
    token_introspection: &'a Introspection<'a>,
}

async fn serve(server: &Server, request: &Request) -> Result<Reply, OAuthError> {
    let now = (server.clock)();
    let form = request.form()?;
    let trust = server.trust.load();
    let client = authenticate(server, &trust, request, &form, now).await?;
    let caller = client.registration();
    if !caller.is_confidential() {
        return Err(
            OAuthError::new(ErrorCode::InvalidClient, "client authentication failed").because(
                format!(
                    "client {}: a public client may not introspect",
                    caller.client_id()
                ),
            ),
        );
    }
    let text = form.required("token")?;
    let issuer = server.settings.issuer.as_str();
    let found = server.live_token(text, now).await?;
    let token = found
        .map(|(_, token)| token)
        .filter(|token| may_see(caller, token));
    server.metrics.introspected(token.is_some());
    let introspection = Introspection {
        active: token.is_some(),
        token: token.as_ref().map(|token| Members {
            iss: issuer,
            sub: &token.subject,
            client_id: token.client_id.as_str(),
            aud: Aud::of(&token.audience),
            scope: token.scope.as_str(),
            token_type: "Bearer",
            iat: token.issued.unix(),
            exp: token.expires.unix(),
            jti: &token.id,
            cnf: token.confirmation,
        }),
    };
    if request.accepts(SIGNED) {
        let signed = Signed {
            iss: issuer,
            aud: caller.client_id().as_str(),
            iat: now.unix(),
            token_introspection: &introspection,
        };
        return sign(server, caller, &signed, now).await;
    }
    let body = serde_json::to_string(&introspection).map_err(broken)?;
    Ok(Reply::json(body))
}

/// A caller learns of tokens issued to it or meant for it, and of no others (RFC 7662 section 4).
fn may_see(caller: &ClientRegistration, token: &AccessToken) -> bool {
    caller.may_introspect_any()
        || token.client_id == *caller.client_id()
        || token
            .audience
            .iter()
            .any(|audience| caller.resource().contains(audience))
}

/// Signs the answer by the caller's algorithm. RSA signatures take a thousand times as long as the rest
/// of an answer, and are made where they keep nobody waiting.
async fn sign(
    server: &Server,
    caller: &ClientRegistration,
    signed: &Signed<'_>,
    now: Timestamp,
) -> Result<Reply, OAuthError> {
    let keys = server.all_keys().await?;
    let key = match caller.introspection_alg() {
        Some(algorithm) => keys.signer(algorithm, now),
        // RFC 9701 section 6 names the default.
        None => keys.signer_preferring(SigningAlgorithm::Rs256, now),
    };
    let key = Arc::clone(key.ok_or_else(|| broken("there is no key of the algorithm registered"))?);
    let claims = serde_json::value::to_raw_value(signed).map_err(broken)?;
    let is_rsa = matches!(
        key.algorithm(),
        SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256
    );
    let make = move || key.sign_compact(TYPE, &claims).map_err(broken);
    let body = if is_rsa {
        tokio::task::spawn_blocking(make).await.map_err(broken)??
    } else {
        make()?
    };
    Ok(Reply::new(http::StatusCode::OK, SIGNED, body))
}

fn broken(error: impl std::fmt::Display) -> OAuthError {
    OAuthError::new(ErrorCode::ServerError, "the answer could not be made").because(error)
}
