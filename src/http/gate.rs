//! `verify` and `verify/NAME`: a web server asks before it serves (RFC 6750, RFC 8705 section 3).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::request::Parts;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;

use super::request;
use super::serve::{Site, one_line, whom};
use crate::endpoint::Reply;
use crate::endpoint::gate::{Allowed, Guard, allowed, refused};
use crate::gate::credential::Asked;
use crate::gate::{Refused, Why};
use crate::oauth::error::OAuthError;
use crate::proxy::Peer;
use crate::proxy::presented::Presented;

/// How much of a form is looked at, in octets.
const FORM: usize = 64 * 1024;

/// How long a form may take. A web server that keeps the length of a body which it does not pass on would
/// otherwise keep everybody waiting; a body that is not there holds no token.
const FORM_TIME: Duration = Duration::from_millis(500);

/// Answers for that gate. Whatever is wrong becomes an answer that every front end takes for a refusal.
pub(super) async fn answer(
    site: &Site,
    guard: &Guard,
    peer: Peer,
    parts: &Parts,
    body: Incoming,
    id: &mut Arc<str>,
) -> Reply {
    let mut address = None;
    let outcome = ask(site, guard, peer, parts, body, id, &mut address).await;
    told(guard, &outcome, id, peer, address);
    match outcome {
        Ok(through) => allowed(&through),
        Err(error) => refused(guard.gate(), &error),
    }
}

async fn ask(
    site: &Site,
    guard: &Guard,
    peer: Peer,
    parts: &Parts,
    body: Incoming,
    id: &mut Arc<str>,
    address: &mut Option<IpAddr>,
) -> Result<Allowed, Refused> {
    let presented = presented(site, peer, parts, id)?;
    *address = presented.address();
    let form = form(parts, body).await;
    let asked = Asked {
        headers: &parts.headers,
        query: parts.uri.query(),
        form: form.as_deref(),
    };
    site.server.ask(guard, &asked, &presented).await
}

/// What the web server says of the client, and what it calls the request.
pub(super) fn presented(
    site: &Site,
    peer: Peer,
    parts: &Parts,
    id: &mut Arc<str>,
) -> Result<Presented, Refused> {
    let token = parts.headers.contains_key(AUTHORIZATION);
    let malformed = |error: OAuthError| Refused::new(Why::Malformed { token }, error.cause());
    let presented =
        request::presented(&site.window, peer, parts, site.max_header_bytes).map_err(malformed)?;
    if let Some(named) = presented.request_id() {
        *id = named.into();
    }
    Ok(presented)
}

/// The body, if it is a form and comes at once.
async fn form(parts: &Parts, body: Incoming) -> Option<Bytes> {
    let has = |name| parts.headers.contains_key(name);
    if !has(CONTENT_LENGTH) && !has(TRANSFER_ENCODING) {
        return None;
    }
    let kind = parts.headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return None;
    }
    let collected = tokio::time::timeout(FORM_TIME, Limited::new(body, FORM).collect());
    Some(collected.await.ok()?.ok()?.to_bytes())
}

/// The line in the log. Whoever is let through is many, so that only those who look closely see them.
pub(super) fn told(
    guard: &Guard,
    outcome: &Result<Allowed, Refused>,
    id: &str,
    peer: Peer,
    address: Option<IpAddr>,
) {
    let gate = guard.gate().name().as_str();
    let address = address.map(tracing::field::display);
    match outcome {
        Ok(through) => {
            tracing::debug!(target: "audit", event = "gate_allowed", request = id, address, gate, subject = through.identity.user(), issuer = through.identity.issuer());
        }
        Err(error) => {
            let (status, peer) = (error.status().as_u16(), whom(peer));
            let code = error.error().unwrap_or("none");
            let cause = &*one_line(error.cause());
            match error.why() {
                Why::Unavailable => {
                    tracing::error!(target: "audit", event = "gate_undecided", request = id, peer, address, gate, status, cause);
                }
                Why::NoToken => {
                    tracing::info!(target: "audit", event = "gate_refused", request = id, peer, address, gate, status, error = code, cause);
                }
                _ => {
                    tracing::warn!(target: "audit", event = "gate_refused", request = id, peer, address, gate, status, error = code, cause);
                }
            }
        }
    }
}
