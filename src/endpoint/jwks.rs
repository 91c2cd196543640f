//! The public halves of the signing keys (RFC 7517 section 5).

use http::Method;

use super::{Answer, Endpoint, Reply, Request, Server};

/// The endpoint.
pub(super) struct Jwks;

impl Endpoint for Jwks {
    fn name(&self) -> &'static str {
        "jwks"
    }

    fn metadata(&self) -> Option<&'static str> {
        Some("jwks_uri")
    }

    fn methods(&self) -> &'static [Method] {
        &[Method::GET, Method::HEAD]
    }

    fn is_open_to_any_origin(&self) -> bool {
        true
    }

    fn serve<'a>(&self, server: &'a Server, _request: &'a Request) -> Answer<'a> {
        Box::pin(async move {
            let keys = server.all_keys().await?;
            Ok(Reply::public_json(
                keys.jwks_json((server.clock)()).to_string(),
            ))
        })
    }
}
