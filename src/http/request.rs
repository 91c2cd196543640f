//! From hyper's request to ours: limits first, then whom the web server saw, then the body.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST};
use http::request::Parts;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;

use crate::endpoint::Request;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::proxy::Peer;
use crate::proxy::presented::{Presented, Window};

/// Forms are small; a client assertion is the largest thing in one.
const BODY: usize = 64 * 1024;

/// How long a body may take to arrive.
pub const BODY_TIME: Duration = Duration::from_secs(10);

/// Checks the header block as a whole and reads what the web server says of the client.
pub fn presented(
    window: &Window,
    peer: Peer,
    parts: &Parts,
    max_header_bytes: usize,
) -> Result<Presented, OAuthError> {
    let octets: usize = parts
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    if octets + parts.uri.path().len() > max_header_bytes {
        return Err(OAuthError::new(
            ErrorCode::HeadersTooLarge,
            "the header block is too large",
        ));
    }
    if parts.headers.get_all(HOST).iter().count() > 1 {
        return Err(OAuthError::new(
            ErrorCode::InvalidRequest,
            "there is more than one Host header",
        ));
    }
    window
        .read(peer, &parts.headers)
        .map_err(|error| OAuthError::new(ErrorCode::InvalidRequest, error.outside()).because(error))
}

/// Reads the body and puts the request together.
pub async fn whole(
    parts: Parts,
    body: Incoming,
    presented: Presented,
    id: Arc<str>,
) -> Result<Request, OAuthError> {
    let declared = parts
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: u64| length > BODY as u64) {
        return Err(too_large());
    }
    let collected = tokio::time::timeout(BODY_TIME, Limited::new(body, BODY).collect());
    let body: Bytes = match collected.await {
        Err(_) => {
            return Err(OAuthError::new(
                ErrorCode::RequestTimeout,
                "the body did not arrive in time",
            ));
        }
        Ok(Err(error)) if error.downcast_ref::<LengthLimitError>().is_some() => {
            return Err(too_large());
        }
        Ok(Err(error)) => {
            return Err(
                OAuthError::new(ErrorCode::InvalidRequest, "the body could not be read")
                    .because(error),
            );
        }
        // Trailers are dropped here: a header that arrives behind the body is none.
        Ok(Ok(collected)) => collected.to_bytes(),
    };
    Ok(Request {
        method: parts.method,
        query: parts.uri.query().unwrap_or_default().into(),
        headers: parts.headers,
        body,
        presented,
        id,
    })
}

fn too_large() -> OAuthError {
    OAuthError::new(ErrorCode::ContentTooLarge, "the body is larger than 64 KiB")
}
