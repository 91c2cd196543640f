//! Introspection (RFC 7662), with `cnf` (RFC 8705 section 3.2), and signed on demand (RFC 9701).

use http::Method;
use serde::Serialize;

use super::authenticate::authenticate;
use super::signing::{SignBy, broken, sign};
use super::{Answer, Endpoint, Look, Reply, Request, Server};
use crate::client::registration::ClientRegistration;
use crate::key::algorithm::SigningAlgorithm;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::token::Confirmation;
use crate::token::jwt::Aud;
use crate::token::read::Live;
use crate::token::refresh::Hold;

/// The media type of RFC 9701 section 4.
const SIGNED: &str = "application/token-introspection+jwt";

/// An answer takes no more octets, mostly.
const USUAL: usize = 512;

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

    fn serve<'a>(&self, server: &'a Server, request: &'a Request) -> Answer<'a> {
        Box::pin(serve(server, request))
    }
}

/// The members of RFC 7662 section 2.2.
#[derive(Serialize)]
#[serde(untagged)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and it is written at once"
)]
enum Introspection<'a> {
    Active(Members<'a>),
    Inactive(Inactive),
}

/// What is not active has no other member.
#[derive(Serialize)]
struct Inactive {
    active: bool,
}

#[derive(Serialize)]
struct Members<'a> {
    active: bool,
    iss: &'a str,
    sub: &'a str,
    client_id: &'a str,
    aud: Aud<'a>,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    iat: u64,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<u64>,
}

impl<'a> Members<'a> {
    fn of(issuer: &'a str, live: &'a Live) -> Self {
        match live {
            Live::Access(token, _) => {
                let claims = &token.claims;
                let authentication = claims.authentication.as_ref();
                Self {
                    active: true,
                    iss: issuer,
                    sub: &claims.subject,
                    client_id: claims.client_id.as_str(),
                    aud: Aud::of(&claims.audience),
                    scope: claims.scope.as_str(),
                    token_type: Some("Bearer"),
                    iat: claims.issued.unix(),
                    exp: claims.expires.unix(),
                    jti: Some(&token.id),
                    cnf: claims.confirmation,
                    acr: authentication.and_then(|made| made.acr.as_deref()),
                    auth_time: authentication.map(|made| made.time.unix()),
                }
            }
            Live::Refresh(token, family) => Self {
                active: true,
                iss: issuer,
                sub: &family.subject,
                client_id: family.client_id.as_str(),
                aud: Aud::of(&family.audience),
                scope: family.scope.as_str(),
                token_type: None,
                iat: token.issued.unix(),
                exp: token.expires.unix(),
                jti: None,
                cnf: match token.hold {
                    Some(Hold::Certificate(certificate)) => Some(Confirmation { certificate }),
                    Some(Hold::Key(_)) | None => None,
                },
                acr: family.authentication.acr.as_deref(),
                auth_time: Some(family.authentication.time.unix()),
            },
        }
    }
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
    let found = server.live_token(text, Look::AtHand, now).await?;
    let live = found
        .map(|(_, live)| live)
        .filter(|live| may_see(caller, live));
    server.metrics.introspected(live.is_some());
    let introspection = match &live {
        Some(live) => Introspection::Active(Members::of(issuer, live)),
        None => Introspection::Inactive(Inactive { active: false }),
    };
    if request.accepts(SIGNED) {
        let signed = Signed {
            iss: issuer,
            aud: caller.client_id().as_str(),
            iat: now.unix(),
            token_introspection: &introspection,
        };
        // RFC 9701 section 6 names the default.
        let by = match caller.introspection_alg() {
            Some(algorithm) => SignBy::Only(algorithm),
            None if server.settings.profile.is_fapi2() => SignBy::Rather(SigningAlgorithm::Ps256),
            None => SignBy::Rather(SigningAlgorithm::Rs256),
        };
        let key = server.signer(by, now).await?;
        let body = sign(server, key, TYPE, &signed).await?;
        return Ok(Reply::new(http::StatusCode::OK, SIGNED, body));
    }
    let mut body = Vec::with_capacity(USUAL);
    serde_json::to_writer(&mut body, &introspection).map_err(broken)?;
    let body = String::from_utf8(body).map_err(broken)?;
    Ok(Reply::json(body))
}

/// A caller learns of tokens issued to it or meant for it, and of no others (RFC 7662 section 4); of a
/// refresh token nobody learns but the client that has it.
fn may_see(caller: &ClientRegistration, live: &Live) -> bool {
    let issued_to_it = live.client_id() == caller.client_id();
    match live {
        Live::Refresh(..) => issued_to_it,
        Live::Access(token, _) => {
            let mut audience = token.claims.audience.iter();
            issued_to_it
                || caller.may_introspect_any()
                || audience.any(|audience| caller.resource().contains(audience))
        }
    }
}
