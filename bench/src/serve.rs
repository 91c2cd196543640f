//! The bare hyper server.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

use super::Outcome;
use super::crypto::Deed;

/// Serves until it is killed.
pub fn serve(address: &str, body: Bytes, deed: Option<Deed>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        if let Some(path) = address.strip_prefix("unix:") {
            let listener = UnixListener::bind(path)?;
            loop {
                let stream = listener.accept().await?.0;
                tokio::spawn(answer(stream, body.clone(), deed.clone()));
            }
        }
        let listener = TcpListener::bind(address).await?;
        loop {
            let stream = listener.accept().await?.0;
            tokio::spawn(answer(stream, body.clone(), deed.clone()));
        }
    })
}

async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin, body: Bytes, deed: Option<Deed>) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let (body, deed) = (body.clone(), deed.clone());
        async move {
            // What an honest server does, too: the request is read before it is answered.
            drop(request.into_body().collect().await);
            if let Some(deed) = deed {
                deed(&body);
            }
            let mut response = Response::new(Full::new(body));
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), answer);
    // A load generator that goes away is no fault.
    drop(connection.await);
}
