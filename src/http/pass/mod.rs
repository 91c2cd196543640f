//! Reverse-proxy mode: requests under a gate's path are decided and then passed to the application
//! behind it (RFC 9110 section 7.6).

mod fields;
mod path;
mod pool;
mod stream;
mod tunnel;

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{AUTHORIZATION, CONNECTION, HOST, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::{Body as _, Incoming};

use super::body::Body;
use super::gate;
use super::patience::Busy;
use super::serve::{Site, one_line, respond, whom};
use crate::config::{GateSettings, Passage, Upstream};
use crate::endpoint::Reply;
use crate::endpoint::gate::{Allowed, Guard, refused};
use crate::gate::credential::Asked;
use crate::gate::{Refused, Why};
use crate::proxy::{Front, Peer};
use fields::Reserved;
use path::{Leads, Prefix};
use pool::{Failed, Link, Pool};
use stream::{Fault, Upload};

pub(super) use stream::Download;
pub(super) use tunnel::Slot;

/// The name of what is here, for metrics.
pub(super) const NAME: &str = "pass";

/// Everything that is passed on.
#[derive(Debug)]
pub struct Passages {
    /// With the longest path first, as are [`Self::ways`].
    prefixes: Vec<Prefix>,
    ways: Vec<Way>,
    reserved: Reserved,
}

/// One gate's.
#[derive(Debug)]
struct Way {
    /// The gate, by its place among [`Gates`](crate::endpoint::gate::Gates).
    gate: usize,
    pass_token: bool,
    pool: Arc<Pool>,
    /// What the application is called where the client does not say.
    host: HeaderValue,
}

/// A request that falls under a gate's path.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    passages: &'a Passages,
    way: &'a Way,
    /// Why it is refused before anything is decided.
    malformed: Option<&'static str>,
}

/// A connection with a client, as far as whoever passes something on needs it.
pub(super) struct Caller {
    /// Who is at the other end.
    pub(super) peer: Peer,
    /// Keeps the connection busy.
    pub(super) busy: Arc<Busy>,
    /// Takes both ends of a WebSocket.
    pub(super) slot: Slot,
}

impl Passages {
    /// Those of these gates, behind that front end.
    pub fn new(gates: &[GateSettings], front: &Front) -> Self {
        let mut ways: Vec<(Prefix, Way)> = gates
            .iter()
            .enumerate()
            .filter_map(|(gate, settings)| {
                let passage = settings.passage.as_ref()?;
                Some((Prefix::new(&passage.path), Way::new(gate, passage)))
            })
            .collect();
        ways.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        let (prefixes, ways) = ways.into_iter().unzip();
        Self {
            prefixes,
            ways,
            reserved: Reserved::new(front),
        }
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.ways.is_empty()
    }

    /// What a request with that target falls under.
    pub(super) fn find(&self, target: &Uri) -> Option<Found<'_>> {
        let (at, malformed) = match path::find(&self.prefixes, target) {
            Leads::To(at) => (at, None),
            Leads::TwoWays(at, cause) => (at, Some(cause)),
            Leads::Nowhere => return None,
        };
        Some(Found {
            passages: self,
            way: self.ways.get(at)?,
            malformed,
        })
    }
}

impl Way {
    fn new(gate: usize, passage: &Passage) -> Self {
        let upstream = passage.upstream.to_string();
        let host = match &passage.upstream {
            Upstream::Tcp { .. } => upstream.trim_start_matches("http://"),
            Upstream::Unix(_) => "localhost",
        };
        Self {
            gate,
            pass_token: passage.pass_token,
            host: HeaderValue::from_str(host)
                .unwrap_or_else(|_| HeaderValue::from_static("localhost")),
            pool: Arc::new(Pool::new(passage.upstream.clone())),
        }
    }
}

/// Decides a request and passes it on.
pub(super) async fn answer(
    site: &Site,
    found: Found<'_>,
    caller: &Caller,
    request: Request<Incoming>,
    id: &mut Arc<str>,
) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let gates = site.server.gates.load_full();
    let Some(guard) = gates.at(found.way.gate) else {
        // Which gates there are does not change.
        return respond(
            Reply::empty(StatusCode::SERVICE_UNAVAILABLE),
            false,
            HeaderMap::new(),
        );
    };
    let body = Upload::new(body, &parts, Arc::clone(&caller.busy));
    let mut address = None;
    let outcome = ask(site, found, guard, caller.peer, &parts, (id, &mut address)).await;
    gate::told(guard, &outcome, id, caller.peer, address);
    let allowed = match outcome {
        Ok(allowed) => allowed,
        Err(error) => {
            let unread = !body.is_end_stream();
            return finished(refused(guard.gate(), &error), unread);
        }
    };
    // Only who is let through may take its time.
    caller.busy.passes();
    let by_session = !parts.headers.contains_key(AUTHORIZATION);
    let upgrade = tunnel::asked(&mut parts, !body.is_end_stream());
    let request = onward(found, &allowed, parts, body, upgrade.is_some());
    let failure = |failed: &Failed| {
        let peer = whom(caller.peer);
        failure(found.way, guard, failed, id, &peer, address)
    };
    match found.way.pool.send(request).await {
        Err(failed) => failure(&failed),
        Ok((answer, link)) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
            let agrees = tunnel::names_the_protocol(answer.headers());
            match upgrade.filter(|_| agrees) {
                Some(client) => switch(client, answer, link, caller, &allowed),
                None => failure(&Failed::OtherProtocol),
            }
        }
        Ok((answer, _)) if fields::is_coded_otherwise(answer.headers()) => {
            failure(&Failed::OtherCoding)
        }
        Ok((answer, link)) => {
            let (mut parts, body) = answer.into_parts();
            fields::back(&mut parts.headers, allowed.cookie.as_ref(), by_session);
            let download = Download::new(body, link, Arc::clone(&caller.busy));
            let mut answer = Response::new(Body::Passed(Box::new(download)));
            *answer.status_mut() = parts.status;
            *answer.headers_mut() = parts.headers;
            answer
        }
    }
}

/// The decision, by header and query alone: the body is not looked at. Tells what the web server calls the
/// request, and where it says that it came from.
async fn ask(
    site: &Site,
    found: Found<'_>,
    guard: &Guard,
    peer: Peer,
    parts: &Parts,
    (id, address): (&mut Arc<str>, &mut Option<IpAddr>),
) -> Result<Allowed, Refused> {
    let nameless = parts.version == Version::HTTP_11 && !parts.headers.contains_key(HOST);
    let coded = fields::is_coded_otherwise(&parts.headers);
    let tunnel = parts.method == Method::CONNECT;
    let malformed = found
        .malformed
        .or(tunnel.then_some("CONNECT asks for a tunnel and not for anything of an application"))
        .or(nameless.then_some("there is no Host header"))
        .or(coded.then_some("the transfer coding is another than chunked"));
    if let Some(cause) = malformed {
        let token = parts.headers.contains_key(AUTHORIZATION);
        return Err(Refused::new(Why::Malformed { token }, cause));
    }
    let presented = gate::presented(site, peer, parts, id)?;
    *address = presented.address();
    let asked = Asked {
        headers: &parts.headers,
        query: parts.uri.query(),
        form: None,
    };
    site.server.ask(guard, &asked, &presented).await
}

/// The request as the application gets it.
fn onward(
    found: Found<'_>,
    allowed: &Allowed,
    parts: Parts,
    body: Upload,
    upgrade: bool,
) -> Request<Upload> {
    let mut request = Request::new(body);
    *request.method_mut() = parts.method;
    *request.uri_mut() = parts.uri;
    *request.headers_mut() = parts.headers;
    let headers = request.headers_mut();
    fields::onward(
        headers,
        &found.passages.reserved,
        found.way.pass_token,
        &allowed.identity,
    );
    headers
        .entry(HOST)
        .or_insert_with(|| found.way.host.clone());
    if upgrade {
        tunnel::announce(headers);
    }
    request
}

/// The application's agreement, after which both connections are one.
fn switch(
    client: hyper::upgrade::OnUpgrade,
    mut answer: Response<Incoming>,
    link: Link,
    caller: &Caller,
    allowed: &Allowed,
) -> Response<Body> {
    let application = hyper::upgrade::on(&mut answer);
    caller.slot.put(tunnel::Tunnel::new(
        client,
        application,
        link,
        Arc::clone(&caller.busy),
    ));
    let mut headers = std::mem::take(answer.headers_mut());
    fields::back(&mut headers, allowed.cookie.as_ref(), false);
    tunnel::announce(&mut headers);
    let mut answer = Response::new(Body::Whole(bytes::Bytes::new().into()));
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *answer.headers_mut() = headers;
    answer
}

/// What the client hears when there is no answer, and the line in the log, which says why.
fn failure(
    way: &Way,
    guard: &Guard,
    failed: &Failed,
    id: &str,
    peer: &str,
    address: Option<IpAddr>,
) -> Response<Body> {
    let code = match failed {
        Failed::Silent => StatusCode::GATEWAY_TIMEOUT,
        Failed::Client(Fault::Stalled) => StatusCode::REQUEST_TIMEOUT,
        Failed::Client(Fault::Broken) => StatusCode::BAD_REQUEST,
        _ => StatusCode::BAD_GATEWAY,
    };
    let (status, gate) = (code.as_u16(), guard.gate().name().as_str());
    let upstream = way.pool.upstream().to_string();
    let address = address.map(tracing::field::display);
    let failed = failed.to_string();
    let cause = &*one_line(&failed);
    if code.is_server_error() {
        tracing::error!(
            request = id,
            peer,
            address,
            endpoint = NAME,
            gate,
            upstream,
            status,
            cause,
            "not passed on"
        );
    } else {
        tracing::warn!(
            request = id,
            peer,
            address,
            endpoint = NAME,
            gate,
            upstream,
            status,
            cause,
            "not passed on"
        );
    }
    finished(Reply::empty(code), true)
}

/// An answer of our own. Where a body is not read the connection ends with it.
fn finished(reply: Reply, unread: bool) -> Response<Body> {
    let mut answer = respond(reply, false, HeaderMap::new());
    if unread {
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(CONNECTION, close);
    }
    answer
}
