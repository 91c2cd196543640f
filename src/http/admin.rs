//! The admin listener: `/healthz`, `/readyz`, `/metrics`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};

use super::serve::Site;
use super::workers::Protocol;
use crate::proxy::Peer;

/// Monitoring needs few connections.
const CONNECTIONS: usize = 64;

/// How long a request to the admin listener may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// Health, readiness and metrics of whoever answers there.
#[derive(Clone)]
pub struct Admin {
    site: Arc<Site>,
    room: Arc<Semaphore>,
}

impl Admin {
    /// Those of that site.
    pub fn of(site: Arc<Site>) -> Self {
        Self {
            site,
            room: Arc::new(Semaphore::new(CONNECTIONS)),
        }
    }
}

impl Protocol for Admin {
    const NAME: &'static str = "admin";

    fn room(&self) -> &Arc<Semaphore> {
        &self.room
    }

    async fn serve<S>(self, stream: S, _: Peer, mut stop: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let site = &self.site;
        let service =
            service_fn(
                move |request| async move { Ok::<_, Infallible>(answer(site, &request).await) },
            );
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .serve_connection(TokioIo::new(stream), service);
        // Nobody is told of an answer that monitoring did not take, nor waits for one once it is to stop.
        tokio::select! {
            _ = connection => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}

async fn answer(site: &Site, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "GET only\n");
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" => match site.server.store.ready().await {
            Ok(()) => text(StatusCode::OK, "ready\n"),
            Err(error) => {
                tracing::warn!(cause = %error, "not ready");
                text(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the store does not answer\n",
                )
            }
        },
        "/metrics" => {
            let mut response = text(StatusCode::OK, site.server.metrics.text());
            let kind = HeaderValue::from_static(
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
            );
            response.headers_mut().insert(CONTENT_TYPE, kind);
            response
        }
        _ => text(StatusCode::NOT_FOUND, "one of /healthz /readyz /metrics\n"),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
