//! Pushed authorization requests (RFC 9126): the client says what it will ask for, and proves who it is.

use http::{Method, StatusCode};
use serde_json::json;

use super::pushed;
use crate::authorization::{AuthorizationRequest, Policy, Target, request_object};
use crate::client::AuthenticatedClient;
use crate::client::registration::ClientRegistration;
use crate::endpoint::authenticate::{authenticate, known, refreshed};
use crate::endpoint::{Answer, Endpoint, Reply, Request, Server};
use crate::key::jwk::JwkSet;
use crate::key::jws::{UnverifiedJws, VerifiedJws};
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::form::Form;
use crate::oauth::profile::Profile;
use crate::oauth::time::Timestamp;

/// How many octets of parameters are kept: anybody may push in the name of a public client.
const LONGEST: usize = 16 * 1024;

/// The endpoint.
pub(in crate::endpoint) struct Par;

impl Endpoint for Par {
    fn name(&self) -> &'static str {
        "par"
    }

    fn metadata(&self) -> Option<&'static str> {
        Some("pushed_authorization_request_endpoint")
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

async fn serve(server: &Server, request: &Request) -> Result<Reply, OAuthError> {
    let now = (server.clock)();
    let form = request.form()?;
    let trust = server.trust.load_full();
    let client = authenticate(server, &trust, request, &form, now).await?;
    let client_id = client.registration().client_id();
    let named = |error: OAuthError| {
        let cause = format!("client {client_id}: {}", error.cause());
        error.because(cause)
    };
    if form.value("request_uri").is_some() {
        // RFC 9126 section 2.1.
        return Err(named(OAuthError::new(
            ErrorCode::InvalidRequest,
            "a request_uri cannot be pushed",
        )));
    }
    let object = match form.value("request") {
        Some(text) => Some(
            request_object(server, client.registration(), text, now)
                .await
                .map_err(named)?,
        ),
        None => None,
    };
    let form = effective(object.as_ref().unwrap_or(&form), &client)?;
    let octets: usize = form
        .pairs()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if octets > LONGEST {
        return Err(named(OAuthError::new(
            ErrorCode::InvalidRequest,
            "the request is larger than 16 KiB",
        )));
    }
    let target = Target::of(&form, &trust.clients).map_err(named)?;
    let policy = Policy {
        fapi2: server.settings.profile == Profile::Fapi2,
        pushed: true,
    };
    AuthorizationRequest::read(&form, &target, policy).map_err(named)?;
    let request_uri = pushed::keep(server, client_id.as_str(), &form, now).await?;
    let body = json!({ "request_uri": request_uri, "expires_in": pushed::TIME.seconds() });
    let mut reply = Reply::json(body.to_string());
    reply.status = StatusCode::CREATED;
    Ok(reply)
}

/// The request with the `client_id` of whoever authenticated, however that was said.
fn effective<'a>(
    form: &'a Form<'_>,
    client: &'a AuthenticatedClient,
) -> Result<Form<'a>, OAuthError> {
    let client_id = client.registration().client_id().as_str();
    let others = form.pairs().filter(|(name, _)| *name != "client_id");
    Ok(Form::from_pairs(
        std::iter::once(("client_id", client_id)).chain(others),
    )?)
}

/// The request object (RFC 9101), verified by the client's keys. An encrypted one is refused like any other that
/// is not signed: nothing is ever decrypted here.
async fn request_object(
    server: &Server,
    client: &ClientRegistration,
    text: &str,
    now: Timestamp,
) -> Result<Form<'static>, OAuthError> {
    let wrong = |cause: String| {
        OAuthError::new(
            ErrorCode::InvalidRequestObject,
            "the request object is not good",
        )
        .because(cause)
    };
    let jws = UnverifiedJws::parse(text).map_err(|error| wrong(error.to_string()))?;
    if !request_object::is_typed(&jws) {
        return Err(wrong("its typ is that of another kind of JWT".into()));
    }
    let allowed = request_object::algorithms(server.settings.profile);
    let verify = |keys: &JwkSet| -> Result<VerifiedJws<'_>, String> {
        jws.verify_by(keys, allowed)
            .map_err(|error| error.to_string())
    };
    let verified = match (client.jwks(), client.jwks_uri()) {
        (Some(keys), _) => verify(keys),
        (None, None) => Err("the client has no keys".to_owned()),
        (None, Some(uri)) => {
            let now_known = known(server, uri, now).await;
            match now_known.map(|keys| verify(keys.keys())) {
                Some(Ok(verified)) => Ok(verified),
                _ => match refreshed(server, uri, now).await {
                    Some(keys) => verify(keys.keys()),
                    None => Err("the client's keys cannot be had".to_owned()),
                },
            }
        }
    };
    let verified = verified.map_err(wrong)?;
    request_object::read(
        verified.claims(),
        client.client_id().as_str(),
        server.issuer(),
        now,
    )
}
