//! `userinfo` (OpenID Connect Core section 5.3): what the user allowed the client to know, for whoever holds
//! what the access token is bound to (RFC 8705 section 3).

use http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::client::registration::ClientRegistration;
use crate::endpoint::signing::{SignBy, sign};
use crate::endpoint::{Answer, Endpoint, Look, Reply, Request, Server};
use crate::gate::credential::is_b64token;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::profile::Profile;
use crate::oauth::time::Timestamp;
use crate::token::AccessToken;
use crate::token::read::Live;
use crate::user::claims;

/// The endpoint.
pub(in crate::endpoint) struct Userinfo;

impl Endpoint for Userinfo {
    fn name(&self) -> &'static str {
        "userinfo"
    }

    fn metadata(&self) -> Option<&'static str> {
        Some("userinfo_endpoint")
    }

    fn has_mtls_alias(&self) -> bool {
        true
    }

    fn methods(&self) -> &'static [Method] {
        &[Method::GET, Method::POST]
    }

    fn is_open_to_any_origin(&self) -> bool {
        true
    }

    fn draw(&self, _server: &Server, request: &Request, error: &OAuthError) -> Reply {
        challenge(request, error)
    }

    fn serve<'a>(&self, server: &'a Server, request: &'a Request) -> Answer<'a> {
        Box::pin(serve(server, request))
    }
}

async fn serve(server: &Server, request: &Request) -> Result<Reply, OAuthError> {
    let now = (server.clock)();
    let text = token(request, server.settings.profile)?;
    let invalid = |cause: String| {
        OAuthError::new(
            ErrorCode::InvalidToken,
            "the access token is unknown, has expired, was revoked or is not yours",
        )
        .because(cause)
    };
    let found = server.live_token(&text, Look::AtHand, now).await?;
    let Some((_, Live::Access(token, family))) = found else {
        return Err(invalid("it is no access token that is alive".into()));
    };
    possession(&token, request, now)
        .map_err(|cause| invalid(format!("client {}: {cause}", token.claims.client_id)))?;
    let trust = server.trust.load_full();
    let client = trust.clients.find(token.claims.client_id.as_str());
    let client = client.ok_or_else(|| invalid("its client is registered no more".into()))?;
    let Some(family) = family.filter(|_| token.claims.scope.has("openid")) else {
        return Err(OAuthError::new(
            ErrorCode::InsufficientScope,
            "the access token is not for userinfo: it lacks openid",
        ));
    };
    let mut said = Map::new();
    if family.local {
        let user = trust
            .users
            .find(&family.username)
            .filter(|user| user.sub() == family.subject);
        let user = user.ok_or_else(|| {
            invalid(format!(
                "the user {:?} is one of --users no more",
                family.username
            ))
        })?;
        said = claims::released(user, &token.claims.scope, &family.userinfo_claims);
    }
    said.insert("sub".into(), json!(family.subject));
    answer(server, client, said, now).await
}

/// The one access token of the request: in the header, or in the body of a form (RFC 6750 section 2).
fn token(request: &Request, profile: Profile) -> Result<String, OAuthError> {
    let malformed = |what: &'static str| Err(OAuthError::new(ErrorCode::InvalidRequest, what));
    let mut lines = request.headers.get_all(AUTHORIZATION).iter();
    let line = lines.next();
    if lines.next().is_some() {
        return malformed("there are two Authorization headers");
    }
    if names_token(request.query.as_bytes()) {
        return malformed(
            "an access token does not belong into the query: send it as Authorization: Bearer",
        );
    }
    let has_form = request.method == Method::POST && !request.body.is_empty();
    let form = if has_form {
        Some(request.form()?)
    } else {
        None
    };
    let posted = form.as_ref().and_then(|form| form.value("access_token"));
    let Some(line) = line else {
        return match posted {
            // FAPI 2.0 section 5.3.4.
            Some(_) if profile.is_fapi2() => {
                malformed("the access token belongs into the Authorization header")
            }
            Some(text) if is_b64token(text) => Ok(text.to_owned()),
            Some(_) => malformed("the access token is none"),
            None => Err(OAuthError::new(
                ErrorCode::InvalidToken,
                "no access token was sent",
            )),
        };
    };
    if posted.is_some() {
        return malformed("there is an access token in the header and one in the body");
    }
    let Ok(line) = line.to_str() else {
        return malformed("the Authorization header is not ASCII");
    };
    let (scheme, text) = line.split_once(' ').unwrap_or((line, ""));
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(OAuthError::new(
            ErrorCode::InvalidToken,
            "no access token was sent: write Authorization: Bearer",
        )
        .because("the scheme of the Authorization header is not Bearer"));
    }
    if !is_b64token(text) {
        return malformed("what follows Bearer is not one token");
    }
    Ok(text.to_owned())
}

fn names_token(query: &[u8]) -> bool {
    url::form_urlencoded::parse(query).any(|(name, _)| name == "access_token")
}

/// RFC 8705 section 3: a bound token works with its certificate only.
fn possession(token: &AccessToken, request: &Request, now: Timestamp) -> Result<(), String> {
    let Some(confirmation) = token.claims.confirmation else {
        return Ok(());
    };
    let Some(certificate) = request.presented.certificate() else {
        return Err("the token is bound, and no certificate was presented".into());
    };
    if *certificate.thumbprint() != confirmation.certificate {
        return Err(format!(
            "the token is bound to {}, and the certificate presented is {}",
            confirmation.certificate,
            certificate.thumbprint()
        ));
    }
    certificate
        .validity()
        .at(now)
        .map_err(|error| error.to_string())
}

/// As the client is registered: JSON, signed, encrypted, or both (OpenID Connect Core section 5.3.2).
async fn answer(
    server: &Server,
    client: &ClientRegistration,
    mut said: Map<String, Value>,
    now: Timestamp,
) -> Result<Reply, OAuthError> {
    let people = client.people();
    let (algorithm, encryption) = (people.userinfo_alg(), people.userinfo_encryption());
    let content = match algorithm {
        None => Value::Object(said).to_string(),
        Some(algorithm) => {
            said.insert("iss".into(), json!(server.issuer()));
            said.insert("aud".into(), json!(client.client_id().as_str()));
            let key = server.signer(SignBy::Only(algorithm), now).await?;
            sign(server, key, "JWT", &said).await?
        }
    };
    let cty = algorithm.map(|_| "JWT");
    if cty.is_none() && encryption.is_none() {
        return Ok(Reply::json(content));
    }
    let content = server
        .encrypted(client, content, cty, encryption, now)
        .await?;
    Ok(Reply::new(StatusCode::OK, "application/jwt", content))
}

/// RFC 6750 section 3: no error code for whoever sent no token.
fn challenge(request: &Request, error: &OAuthError) -> Reply {
    let code = error.code();
    if !matches!(
        code,
        ErrorCode::InvalidToken | ErrorCode::InsufficientScope | ErrorCode::InvalidRequest
    ) {
        return Reply::from(error);
    }
    let sent_none = code == ErrorCode::InvalidToken
        && error.description().starts_with("no access token was sent");
    if sent_none {
        let reply = Reply::empty(code.status());
        return reply.with(
            WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"certbound\""),
        );
    }
    let scope = if code == ErrorCode::InsufficientScope {
        ", scope=\"openid\""
    } else {
        ""
    };
    // A description has neither quotes nor backslashes (RFC 6749 section 5.2).
    let text = format!(
        "Bearer realm=\"certbound\", error=\"{}\", error_description=\"{}\"{scope}",
        code.name(),
        error.description()
    );
    let _ = request;
    let challenge = HeaderValue::from_str(&text)
        .unwrap_or_else(|_| HeaderValue::from_static("Bearer realm=\"certbound\""));
    Reply::from(error).with(WWW_AUTHENTICATE, challenge)
}
