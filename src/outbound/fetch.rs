//! One HTTP exchange with somebody else's server (RFC 9110): checked addresses, one connection, no
//! redirects, one time limit, a bounded answer.

use std::error::Error as _;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use url::Host;

use crate::oauth::time::Lifetime;
use crate::outbound::OutboundError;
use crate::outbound::address::Policy;
use crate::outbound::cache_control::max_age;
use crate::outbound::guard::{Destination, NotADestination};
use crate::outbound::roots::{Connector, Roots};

/// How long a whole exchange may take, from the resolver to the last octet.
pub const TIME_LIMIT: Duration = Duration::from_secs(5);

/// How many octets of an answer are read where the caller knows nothing better: 256 KiB.
pub const BODY_LIMIT: usize = 256 * 1024;

/// How many of a host's addresses are tried.
const ATTEMPTS: usize = 4;

/// How many octets the head of an answer may have.
const HEAD_LIMIT: usize = 16 * 1024;

/// Calls other servers.
#[derive(Clone)]
pub struct Outbound {
    pub(super) tls: Connector,
    policy: Policy,
    time_limit: Duration,
    /// Whether there is a certificate to show, without which nobody is to be called.
    pub(super) identified: bool,
}

/// A good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// 200, or what else the call takes for good.
    pub status: StatusCode,
    /// `Content-Type`; where there are several, all of them as RFC 9110 section 5.3 joins them.
    pub content_type: Option<HeaderValue>,
    /// The whole body.
    pub body: Bytes,
    /// How long the answer is good for, if it says so: `max-age`, and nothing for `no-store` and
    /// `no-cache` (RFC 9111 section 5.2.2).
    pub max_age: Option<Lifetime>,
}

impl Outbound {
    /// Takes these trust anchors. `time_limit` is for a whole exchange: [`TIME_LIMIT`], unless there is
    /// a reason.
    ///
    /// A system without trust anchors is an error only when they are needed, because few
    /// installations call anybody; a PEM file without any is an error at once.
    pub fn new(
        roots: Roots<'_>,
        policy: Policy,
        time_limit: Duration,
    ) -> Result<Self, OutboundError> {
        Ok(Self {
            tls: roots.connector()?,
            policy,
            time_limit,
            identified: false,
        })
    }

    /// Reads a URL that this may call.
    pub fn destination(&self, url: &str) -> Result<Destination, NotADestination> {
        Destination::parse(url, self.policy)
    }

    /// Whether it would call that one: not without TLS if it has a certificate to show.
    pub(super) fn admits(&self, to: &Destination) -> Result<(), OutboundError> {
        if self.identified && to.server_name().is_none() {
            return Err(OutboundError::NotTls);
        }
        Ok(())
    }

    /// Fetches what is there; anything but 200 is an error, and so is a body of more than `limit`
    /// octets.
    pub async fn get(
        &self,
        to: &Destination,
        accept: HeaderValue,
        limit: usize,
    ) -> Result<Fetched, OutboundError> {
        let mut request = Request::new(Full::new(Bytes::new()));
        request.headers_mut().insert(ACCEPT, accept);
        self.call(to, request, limit).await
    }

    /// Sends a body, of which `headers` say what it is; anything but 200 and 204 is an error, and so
    /// is an answer of more than `limit` octets.
    pub async fn post(
        &self,
        to: &Destination,
        headers: HeaderMap,
        body: Bytes,
        limit: usize,
    ) -> Result<Fetched, OutboundError> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.headers_mut() = headers;
        self.call(to, request, limit).await
    }

    async fn call(
        &self,
        to: &Destination,
        mut request: Request<Full<Bytes>>,
        limit: usize,
    ) -> Result<Fetched, OutboundError> {
        self.admits(to)?;
        *request.uri_mut() = to.target().clone();
        let host = HeaderValue::from_str(to.authority())
            .map_err(|_| OutboundError::Url(NotADestination::NoHost))?;
        let headers = request.headers_mut();
        headers.insert(HOST, host);
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        headers.insert(USER_AGENT, HeaderValue::from_static("certbound"));
        // Nothing is left behind when the time is up: the connection is part of the future dropped.
        tokio::time::timeout(self.time_limit, self.exchange(to, request, limit))
            .await
            .unwrap_or(Err(OutboundError::TimedOut(self.time_limit)))
    }

    async fn exchange(
        &self,
        to: &Destination,
        request: Request<Full<Bytes>>,
        limit: usize,
    ) -> Result<Fetched, OutboundError> {
        let addresses = resolve(to).await?;
        admit(&addresses, to, self.policy)?;
        let Some(name) = to.server_name() else {
            let stream = self.connect(to, &addresses).await?;
            return converse(stream, to, request, limit).await;
        };
        let tls = self.tls.ready().await.ok_or(OutboundError::NoRoots)?;
        let stream = self.connect(to, &addresses).await?;
        let secured = tls.connect(name.clone(), stream).await;
        let stream = secured.map_err(|error| OutboundError::Tls {
            host: to.host().to_string(),
            cause: error.to_string(),
        })?;
        converse(stream, to, request, limit).await
    }

    /// Connects to one of the addresses that were checked. The name is not resolved again: a second
    /// answer of its name server need not be the first (DNS rebinding).
    async fn connect(
        &self,
        to: &Destination,
        addresses: &[SocketAddr],
    ) -> Result<TcpStream, OutboundError> {
        let tried = &addresses[..addresses.len().min(ATTEMPTS)];
        let share = self.time_limit / u32::try_from(tried.len().max(1)).unwrap_or(1);
        let mut cause = String::from("it has no address");
        for address in tried {
            match tokio::time::timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => cause = format!("{address}: {error}"),
                Err(_) => cause = format!("{address}: no answer"),
            }
        }
        Err(OutboundError::Connect {
            host: to.host().to_string(),
            cause,
        })
    }
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbound")
            .field("policy", &self.policy)
            .field("time_limit", &self.time_limit)
            .finish_non_exhaustive()
    }
}

async fn resolve(to: &Destination) -> Result<Vec<SocketAddr>, OutboundError> {
    let port = to.port();
    let name = match to.host() {
        Host::Ipv4(address) => return Ok(vec![SocketAddr::new(IpAddr::V4(*address), port)]),
        Host::Ipv6(address) => return Ok(vec![SocketAddr::new(IpAddr::V6(*address), port)]),
        Host::Domain(name) => name,
    };
    match tokio::net::lookup_host((name.as_str(), port)).await {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => Err(OutboundError::Unresolved {
            host: name.clone(),
            cause: error.to_string(),
        }),
    }
}

/// Refuses a host that has any address which may not be called, not only that address: a name that
/// is partly inside is either a mistake or an attempt, and which of its addresses comes first is up
/// to whoever answers for the name.
fn admit(addresses: &[SocketAddr], to: &Destination, policy: Policy) -> Result<(), OutboundError> {
    let tls = to.server_name().is_some();
    match addresses.iter().find(|at| !policy.admits(at.ip(), tls)) {
        Some(refused) => Err(OutboundError::Address {
            host: to.host().to_string(),
            address: refused.ip(),
        }),
        None => Ok(()),
    }
}

/// Speaks HTTP/1.1 on that connection, once.
async fn converse<S>(
    stream: S,
    to: &Destination,
    request: Request<Full<Bytes>>,
    limit: usize,
) -> Result<Fetched, OutboundError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_LIMIT)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(to, &error))?;
    let conversation = async {
        let posted = request.method() == Method::POST;
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| broken(to, &error))?;
        match response.status() {
            StatusCode::OK => receive(response, to, limit).await,
            StatusCode::NO_CONTENT if posted => receive(response, to, limit).await,
            status => Err(OutboundError::Status(status.as_u16())),
        }
    };
    // The connection only moves when it is polled, here beside the conversation and by no task of
    // its own, so that whoever drops this future closes the connection. It may end first, having
    // read all there is; if it ends for a bad reason, the conversation hears of that itself.
    tokio::pin!(conversation);
    tokio::select! {
        outcome = &mut conversation => return outcome,
        _ended = connection => {}
    }
    conversation.await
}

async fn receive(
    response: Response<Incoming>,
    to: &Destination,
    limit: usize,
) -> Result<Fetched, OutboundError> {
    let status = response.status();
    let max_age = max_age(response.headers());
    let content_types = response.headers().get_all(CONTENT_TYPE);
    let content_types: Vec<&[u8]> = content_types.iter().map(HeaderValue::as_bytes).collect();
    let content_type = match &content_types[..] {
        [] => None,
        // What is joined of header values is one.
        several => HeaderValue::from_bytes(&several.join(&b", "[..])).ok(),
    };
    let mut incoming = response.into_body();
    // This is Content-Length, if there is one: what announces too much is not read at all.
    if incoming.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
        return Err(OutboundError::TooLarge(limit));
    }
    let mut body = BytesMut::new();
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| broken(to, &error))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if data.len() > limit - body.len() {
            return Err(OutboundError::TooLarge(limit));
        }
        body.extend_from_slice(&data);
    }
    Ok(Fetched {
        status,
        content_type,
        body: body.freeze(),
        max_age,
    })
}

fn broken(to: &Destination, error: &hyper::Error) -> OutboundError {
    let cause = match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    OutboundError::Http {
        host: to.host().to_string(),
        cause,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, OnceLock};

    use super::*;

    #[test]
    fn one_refused_address_refuses_the_host() {
        let to = Destination::parse("https://a.test", Policy::Public).expect("a URL");
        let at = |text: &str| SocketAddr::new(text.parse().expect("an address"), 443);
        let public = at("8.8.8.8");
        assert_eq!(admit(&[public], &to, Policy::Public), Ok(()));
        for inside in ["127.0.0.1", "169.254.169.254", "::ffff:10.0.0.1"] {
            for addresses in [[public, at(inside)], [at(inside), public]] {
                let outcome = admit(&addresses, &to, Policy::Public);
                assert!(
                    matches!(outcome, Err(OutboundError::Address { .. })),
                    "{inside}"
                );
            }
        }
    }

    #[tokio::test]
    async fn a_system_without_anchors_calls_nobody_by_https() {
        let outbound = Outbound {
            tls: Connector::System(Arc::new(OnceLock::from(None))),
            policy: Policy::AllowPrivate,
            time_limit: TIME_LIMIT,
            identified: false,
        };
        let to = outbound.destination("https://127.0.0.1:9").expect("a URL");
        let accept = HeaderValue::from_static("*/*");
        let outcome = outbound.get(&to, accept, BODY_LIMIT).await;
        assert_eq!(outcome, Err(OutboundError::NoRoots));
    }
}
