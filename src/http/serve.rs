//! HTTP connections, and the one wrapper in which every request becomes an answer and every error a line in the log.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CONNECTION, HeaderName,
    HeaderValue, WWW_AUTHENTICATE,
};
use http::{HeaderMap, Method, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};

use super::body::Body;
use super::gate;
use super::pass::{self, Caller, Passages, Slot};
use super::patience::{Limits, Patience};
use super::request;
use super::router::{Route, Router};
use super::workers::Protocol;
use crate::endpoint::{Reply, Server, metadata};
use crate::gate::GateName;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::proxy::Peer;
use crate::proxy::presented::Window;

/// How long a header may take, and how long a connection may wait for its next request.
const LIMITS: Limits = Limits {
    request: Duration::from_secs(60),
    header: Duration::from_secs(10),
};

/// How many characters of a text from outside are logged.
const LONGEST_LINE: usize = 1024;

/// What every connection shares.
pub struct Site {
    /// What answers.
    pub server: Arc<Server>,
    /// Where.
    pub router: Router,
    /// What is passed on.
    pub passages: Passages,
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
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut name = String::with_capacity(self.process.len() + 21);
        name.push_str(&self.process);
        // A string takes all there is.
        let _ = write!(name, "-{number}");
        name.into()
    }
}

/// HTTP/1.1, to whoever answers there.
#[derive(Clone)]
pub struct Http(pub Arc<Site>);

impl Protocol for Http {
    const NAME: &'static str = "HTTP";

    fn room(&self) -> &Arc<Semaphore> {
        &self.0.connections
    }

    async fn serve<S>(self, stream: S, peer: Peer, stop: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let _counted = self.0.server.metrics.connection();
        connection(Arc::clone(&self.0), stream, peer, stop).await;
    }
}

async fn connection<S>(site: Arc<Site>, stream: S, peer: Peer, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (stream, watch) = Patience::new(stream, LIMITS);
    let phase = stream.phase();
    let limit = site.max_header_bytes;
    let observer = Arc::clone(&site);
    let slot = Slot::default();
    let tunnel = slot.clone();
    let is_short = site.passages.is_empty();
    let service = service_fn(move |request| {
        let site = Arc::clone(&site);
        let caller = Caller {
            peer,
            busy: Arc::new(phase.header_read()),
            slot: slot.clone(),
        };
        async move { Ok::<_, Infallible>(answer(&site, &caller, request).await) }
    });
    // It takes a hundred header lines: its own limit, for which it has room ready, as it has not for one that is set.
    let connection = http1::Builder::new()
        // That is watched, below.
        .header_read_timeout(None)
        .max_buf_size(limit.max(8 * 1024))
        // What is begun here is done soon, whether or not somebody still waits for it, and to look out for their going
        // takes another buffer for each request. What an application does may take for ever.
        .half_close(is_short)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let served = async {
        tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            () = told_to_stop(&mut stop) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    let ended = tokio::select! {
        biased;
        ended = served => ended,
        () = watch => {
            tracing::debug!(peer = whom(peer), "a connection ended: nothing came in time");
            return;
        }
    };
    if let Err(error) = ended {
        if error.is_parse() {
            // hyper has refused it by itself: 400 or 431, or just the end of the connection.
            tracing::warn!(
                request = &*observer.requests.next(),
                peer = whom(peer),
                endpoint = "none",
                cause = &*one_line(&error.to_string()),
                "refused: no HTTP request"
            );
        } else {
            tracing::debug!(peer = whom(peer), %error, "a connection ended early");
        }
    } else if let Some(tunnel) = tunnel.take() {
        tunnel.carry(stop).await;
    }
}

async fn told_to_stop(stop: &mut watch::Receiver<bool>) {
    // Who tells is gone only with the program.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// What a request was, as far as metrics and log need to know.
struct Seen {
    endpoint: &'static str,
    cors: bool,
}

async fn answer(site: &Site, caller: &Caller, request: http::Request<Incoming>) -> Response<Body> {
    let began = Instant::now();
    let peer = caller.peer;
    let mut seen = Seen {
        endpoint: "none",
        cors: false,
    };
    let mut id = site.requests.next();
    let route = site.router.find(request.uri().path());
    if route.is_none()
        && let Some(found) = site.passages.find(request.uri())
    {
        // Apart, so that the others need not carry what passing on takes.
        let response = Box::pin(pass::answer(site, found, caller, request, &mut id)).await;
        let seconds = began.elapsed().as_secs_f64();
        site.server
            .metrics
            .answered(pass::NAME, response.status().as_u16(), seconds);
        return response;
    }
    let mut spare = HeaderMap::new();
    let decided = decide(site, peer, route, request, &mut seen, &mut id, &mut spare).await;
    let reply = match decided {
        Ok(reply) => reply,
        Err(Refusal { error, reply }) => {
            refused(&error, &seen, &id, peer);
            let mut reply = reply.unwrap_or_else(|| Reply::from(&error));
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
    respond(reply, seen.cors, spare)
}

/// An error, and the answer that tells of it where that is not the usual one.
struct Refusal {
    error: OAuthError,
    reply: Option<Reply>,
}

impl From<OAuthError> for Refusal {
    fn from(error: OAuthError) -> Self {
        Self { error, reply: None }
    }
}

/// What is answered. The request's header fields become spare when they have been read.
async fn decide(
    site: &Site,
    peer: Peer,
    route: Option<Route>,
    request: http::Request<Incoming>,
    seen: &mut Seen,
    id: &mut Arc<str>,
    spare: &mut HeaderMap,
) -> Result<Reply, Refusal> {
    let (parts, body) = request.into_parts();
    if let Some(route) = route {
        (seen.endpoint, seen.cors) = (route.name(), route.is_open_to_any_origin());
    }
    if let Some(Route::Gate(at)) = route {
        let gates = site.server.gates.load_full();
        if let Some(guard) = gates.at(at) {
            let reply = gate::answer(site, guard, peer, &parts, body, id).await;
            *spare = parts.headers;
            return Ok(reply);
        }
    }
    // At every path, those that lead nowhere included.
    let presented = request::presented(&site.window, peer, &parts, site.max_header_bytes)?;
    if let Some(named) = presented.request_id() {
        *id = named.into();
    }
    let route = route.ok_or_else(|| nowhere(parts.uri.path()))?;
    let methods = route.methods().unwrap_or_default();
    if seen.cors && parts.method == Method::OPTIONS {
        return Ok(preflight(methods));
    }
    if !methods.contains(&parts.method) {
        return Err(OAuthError::new(
            ErrorCode::MethodNotAllowed,
            format!("this endpoint takes {}", listed(methods)),
        )
        .into());
    }
    match route {
        Route::Metadata => Ok(metadata::reply(&site.server)),
        Route::Endpoint(endpoint) => {
            let request = request::whole(parts, body, presented, Arc::clone(id)).await?;
            let served = endpoint.serve(&site.server, &request).await;
            let served = served.map_err(|error| Refusal {
                reply: Some(endpoint.draw(&site.server, &request, &error)),
                error,
            });
            *spare = request.headers;
            served
        }
        // Which gates there are does not change.
        Route::Gate(_) => Err(OAuthError::new(ErrorCode::ServerError, "the gate is gone").into()),
    }
}

/// The line in the log for a request that was refused: what really happened, once.
fn refused(error: &OAuthError, seen: &Seen, id: &str, peer: Peer) {
    let cause = &*one_line(error.cause());
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
pub(super) fn one_line(text: &str) -> Cow<'_, str> {
    // Nearly all of it is, and is only looked at.
    if text.len() <= LONGEST_LINE && text.bytes().all(|octet| matches!(octet, b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    let kept: String = text.chars().take(LONGEST_LINE).collect();
    if kept.chars().any(char::is_control) {
        Cow::Owned(kept.escape_debug().to_string())
    } else {
        Cow::Owned(kept)
    }
}

/// The answer for a path under which there is nothing. A web server that asks a gate which nobody configured
/// makes a failure of its own of it, so that only the log can say why.
fn nowhere(path: &str) -> OAuthError {
    let error = OAuthError::new(ErrorCode::NotFound, "nothing lives under this path");
    let gate = path.rsplit_once("/verify/").map(|(_, name)| name.parse());
    match gate {
        Some(Ok::<GateName, _>(name)) => error.because(format!("there is no [gate.{name}]")),
        _ => error,
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

/// An answer of our own, with what each of them has; its header fields where others were, which are forgotten.
pub(super) fn respond(reply: Reply, cors: bool, mut spare: HeaderMap) -> Response<Body> {
    let body = match reply.body {
        Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
        Cow::Owned(text) => Bytes::from(text),
    };
    let mut response = Response::new(Body::Whole(body.into()));
    *response.status_mut() = reply.status;
    spare.clear();
    *response.headers_mut() = spare;
    let headers = response.headers_mut();
    // Those of the reply, those below, and what hyper adds.
    headers.reserve(reply.headers.len() + 5);
    for (name, value) in reply.headers {
        headers.append(name, value);
    }
    headers.insert(
        HeaderName::from_static("x-content-type-options"),
        HeaderValue::from_static("nosniff"),
    );
    if cors {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        if headers.contains_key(WWW_AUTHENTICATE) {
            // Without this, scripts could not read why they were refused (RFC 6750 section 3).
            headers.insert(
                ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("WWW-Authenticate"),
            );
        }
    }
    response
}
