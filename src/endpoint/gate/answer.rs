//! The gate's answer over HTTP, which every front end understands: 200, 401 or 403 (503 where nothing was
//! decided), no body, and headers that fit into the smallest buffer.

use http::StatusCode;
use http::header::{HeaderName, HeaderValue, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};

use super::Allowed;
use crate::endpoint::Reply;
use crate::gate::{Gate, Refused};

/// Says what the status would be if every front end could take it.
const STATUS: HeaderName = HeaderName::from_static("x-gate-status");

/// The answer for a request that may pass.
pub fn allowed(allowed: &Allowed) -> Reply {
    let mut reply = Reply::empty(StatusCode::OK);
    reply.headers.extend(allowed.identity.headers());
    let cookie = allowed.cookie.as_ref();
    if let Some(Ok(mut value)) = cookie.map(|cookie| HeaderValue::from_str(cookie.expose())) {
        value.set_sensitive(true);
        reply = reply.with(SET_COOKIE, value);
    }
    reply
}

/// The answer for one that may not.
pub fn refused(gate: &Gate, refused: &Refused) -> Reply {
    let mut reply = Reply::empty(refused.status());
    if let Some(Ok(challenge)) = refused.challenge(gate).map(HeaderValue::try_from) {
        reply = reply.with(WWW_AUTHENTICATE, challenge);
    }
    if let Some(status) = refused.true_status() {
        reply = reply.with(STATUS, HeaderValue::from(status));
    }
    if refused.status() == StatusCode::SERVICE_UNAVAILABLE {
        reply = reply.with(RETRY_AFTER, HeaderValue::from_static("2"));
    }
    reply
}
