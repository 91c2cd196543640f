//! The accept loop, and the one wrapper in which every request becomes an answer and every error a
//! line in the log.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ALLOW, CONNECTION, HeaderName, HeaderValue,
};
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};

use super::gate;
use super::listen::{Accepted, Listener};
use super::patience::Patience;
use super::request;
use super::router::{Route, Router};
use crate::endpoint::{Reply, Server, metadata};
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::proxy::Peer;
use crate::proxy::presented::Window;

/// How long a header may take, from its first octet.
const HEADER_TIME: Duration = Duration::from_secs(10);

/// How long a connection may wait for its next request.
const IDLE_TIME: Duration = Duration::from_secs(60);

/// How long requests in flight may take once the program is told to stop.
pub const DRAIN_TIME: Duration = Duration::from_secs(10);

/// How many header lines a request may have.
const HEADER_LINES: usize = 100;

/// What every connection shares.
pub struct Site {
    /// What answers.
    pub server: Server,
    /// Where.
    pub router: Router,
    /// Through whom clients are seen.
    pub window: Window,
    /// The largest header block.
    pub max_header_bytes: usize,
    /// How many connections at once.
    pub connections: Arc<Semaphore>,
    /// Request identifiers of our own.
    pub requests: Numbered,
}

/// Names requests: a random part for the process, then a number.
pub struct Numbered {
    process: String,
    next: AtomicU64,
}

impl Numbered {
    /// Numbers requests behind that name.
    pub fn new(process: String) -> Self {
        Self {
            process,
            next: AtomicU64::new(1),
        }
    }

    pub(super) fn next(&self) -> Arc<str> {
        format!(
            "{}-{}",
            self.process,
            self.next.fetch_add(1, Ordering::Relaxed)
        )
        .into()
    }
}

/// Accepts and serves until told to stop; then finishes what is in flight.
pub async fn serve(site: Arc<Site>, listener: Listener, mut stop: watch::Receiver<bool>) {
    let graceful = GracefulShutdown::new();
    loop {
        let permit = tokio::select! {
            permit = Arc::clone(&site.connections).acquire_owned() => permit,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        // The semaphore is never closed.
        let Ok(permit) = permit else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let connected = site.server.metrics.connection();
        let watcher = graceful.watcher();
        let site = Arc::clone(&site);
        match accepted {
            Ok(Accepted::Tcp(stream, peer)) => {
                tokio::spawn(async move {
                    let _held = (permit, connected);
                    connection(site, stream, peer, watcher).await;
                });
            }
            Ok(Accepted::Unix(stream)) => {
                tokio::spawn(async move {
                    let _held = (permit, connected);
                    connection(site, stream, Peer::Unix, watcher).await;
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely: others must end before more can begin.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_TIME, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!(
            "requests were still in flight after {} s",
            DRAIN_TIME.as_secs()
        );
    }
}

async fn connection<S>(
    site: Arc<Site>,
    stream: S,
    peer: Peer,
    watcher: hyper_util::server::graceful::Watcher,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = Patience::new(stream, HEADER_TIME);
    let phase = stream.phase();
    let limit = site.max_header_bytes;
    let observer = Arc::clone(&site);
    let service = service_fn(move |request| {
        phase.header_read();
        let (site, phase) = (Arc::clone(&site), phase.clone());
        async move {
            let response = answer(&site, peer, request).await;
            phase.answered();
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_TIME)
        .max_buf_size(limit.max(8 * 1024))
        .max_headers(HEADER_LINES)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        if error.is_parse() {
            // hyper has refused it by itself: 400 or 431, or just the end of the connection.
            tracing::warn!(
                request = &*observer.requests.next(),
                peer = whom(peer),
                endpoint = "none",
                cause = one_line(&error.to_string()),
                "refused: no HTTP request"
            );
        } else {
            tracing::debug!(peer = whom(peer), %error, "a connection ended early");
        }
    }
}

/// What a request was, as far as metrics and log need to know.
struct Seen {
    endpoint: &'static str,
    cors: bool,
}

async fn answer(
    site: &Site,
    peer: Peer,
    request: http::Request<Incoming>,
) -> Response<Full<Bytes>> {
    let began = Instant::now();
    let mut seen = Seen {
        endpoint: "none",
        cors: false,
    };
    let mut id = site.requests.next();
    let decided = decide(site, peer, request, &mut seen, &mut id).await;
    let reply = match decided {
        Ok(reply) => reply,
        Err(error) => {
            refused(&error, &seen, &id, peer);
            let mut reply = Reply::from(&error);
            if matches!(
                error.code(),
                ErrorCode::ContentTooLarge | ErrorCode::RequestTimeout | ErrorCode::HeadersTooLarge
            ) {
                // What is left of the request is not read.
                reply = reply.with(CONNECTION, HeaderValue::from_static("close"));
            }
            if error.code() == ErrorCode::MethodNotAllowed {
                reply = reply.with(ALLOW, allowed(&seen));
            }
            reply
        }
    };
    site.server.metrics.answered(
        seen.endpoint,
        reply.status.as_u16(),
        began.elapsed().as_secs_f64(),
    );
    respond(reply, seen.cors)
}

async fn decide(
    site: &Site,
    peer: Peer,
    request: http::Request<Incoming>,
    seen: &mut Seen,
    id: &mut Arc<str>,
) -> Result<Reply, OAuthError> {
    let (parts, body) = request.into_parts();
    let route = site.router.find(parts.uri.path());
    if let Some(route) = route {
        (seen.endpoint, seen.cors) = (route.name(), route.is_open_to_any_origin());
    }
    if let Some(Route::Gate(at)) = route {
        let gates = site.server.gates.load_full();
        if let Some(guard) = gates.at(at) {
            return Ok(gate::answer(site, guard, peer, &parts, body, id).await);
        }
    }
    // At every path, those that lead nowhere included.
    let presented = request::presented(&site.window, peer, &parts, site.max_header_bytes)?;
    if let Some(named) = presented.request_id() {
        *id = named.into();
    }
    let route = route
        .ok_or_else(|| OAuthError::new(ErrorCode::NotFound, "nothing lives under this path"))?;
    let methods = route.methods().unwrap_or_default();
    if seen.cors && parts.method == Method::OPTIONS {
        return Ok(preflight(methods));
    }
    if !methods.contains(&parts.method) {
        return Err(OAuthError::new(
            ErrorCode::MethodNotAllowed,
            format!("this endpoint takes {}", listed(methods)),
        ));
    }
    match route {
        Route::Metadata => Ok(metadata::reply(&site.server)),
        Route::Endpoint(endpoint) => {
            let request = request::whole(parts, body, presented, Arc::clone(id)).await?;
            endpoint.serve(&site.server, &request).await
        }
        // Which gates there are does not change.
        Route::Gate(_) => Err(OAuthError::new(ErrorCode::ServerError, "the gate is gone")),
    }
}

/// The line in the log for a request that was refused: what really happened, once.
fn refused(error: &OAuthError, seen: &Seen, id: &str, peer: Peer) {
    let cause = one_line(error.cause());
    let status = error.code().status().as_u16();
    let (endpoint, code) = (seen.endpoint, error.code().name());
    let peer = whom(peer);
    match (endpoint, status >= 500) {
        ("token", false) => {
            tracing::warn!(target: "audit", event = "token_refused", request = id, peer, status, error = code, cause);
        }
        ("token", true) => {
            tracing::error!(target: "audit", event = "token_refused", request = id, peer, status, error = code, cause);
        }
        (_, false) => {
            tracing::warn!(
                request = id,
                peer,
                endpoint,
                status,
                error = code,
                cause,
                "refused"
            );
        }
        (_, true) => {
            tracing::error!(
                request = id,
                peer,
                endpoint,
                status,
                error = code,
                cause,
                "failed"
            );
        }
    }
}

/// Who is at the other end of a connection, for the log.
pub(super) fn whom(peer: Peer) -> String {
    match peer {
        Peer::Tcp(address) => address.to_string(),
        Peer::Unix => "unix".to_owned(),
    }
}

/// Text from outside, so that it cannot end a line of the log or fill it.
pub(super) fn one_line(text: &str) -> String {
    let kept: String = text.chars().take(1024).collect();
    if kept.chars().any(char::is_control) {
        kept.escape_debug().to_string()
    } else {
        kept
    }
}

/// RFC 9110 section 10.2.1.
fn allowed(seen: &Seen) -> HeaderValue {
    let endpoint = crate::endpoint::ENDPOINTS
        .iter()
        .find(|endpoint| endpoint.name() == seen.endpoint);
    let methods = endpoint.map_or(&[Method::GET, Method::HEAD][..], |endpoint| {
        endpoint.methods()
    });
    HeaderValue::from_str(&listed(methods)).unwrap_or_else(|_| HeaderValue::from_static("GET"))
}

fn listed(methods: &[Method]) -> String {
    methods
        .iter()
        .map(Method::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

/// The answer to a page that asks whether it may ask.
fn preflight(methods: &[Method]) -> Reply {
    let methods =
        HeaderValue::from_str(&listed(methods)).unwrap_or_else(|_| HeaderValue::from_static("GET"));
    Reply {
        status: StatusCode::NO_CONTENT,
        headers: Vec::new(),
        body: "".into(),
    }
    .with(ACCESS_CONTROL_ALLOW_METHODS, methods)
    .with(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("authorization, content-type, accept"),
    )
    .with(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"))
}

fn respond(reply: Reply, cors: bool) -> Response<Full<Bytes>> {
    let body = match reply.body {
        std::borrow::Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
        std::borrow::Cow::Owned(text) => Bytes::from(text),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    for (name, value) in reply.headers {
        headers.append(name, value);
    }
    headers.insert(
        HeaderName::from_static("x-content-type-options"),
        HeaderValue::from_static("nosniff"),
    );
    if cors {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    response
}
