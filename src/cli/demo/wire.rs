//! One HTTP/1.1 request over one connection (RFC 9112), with bounds: what the story's client, the
//! stand-in, and `verify` where it asks a server, speak.

use std::fmt;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// The largest answer, and the largest form, in octets.
pub(super) const BODY_LIMIT: usize = 256 * 1024;

/// The largest header block in octets.
pub(super) const HEAD_LIMIT: usize = 64 * 1024;

/// Sends the request and reads the whole answer.
pub(in crate::cli) async fn converse<S>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<Response<Bytes>, String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_LIMIT)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(text)?;
    let conversation = async {
        let response = sender.send_request(request).await.map_err(text)?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, BODY_LIMIT).collect().await;
        let body = body.map_err(text)?.to_bytes();
        Ok(Response::from_parts(parts, body))
    };
    // The connection moves only while it is polled here, so that giving up closes it. Where it ends
    // first, what it read is still there for the conversation.
    tokio::pin!(conversation);
    tokio::select! {
        outcome = &mut conversation => return outcome,
        _ended = connection => {}
    }
    conversation.await
}

fn text(error: impl fmt::Display) -> String {
    error.to_string()
}
