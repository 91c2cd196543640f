//! WebSocket: two connections that become one when the application agrees (RFC 6455 section 4, RFC 9110
//! section 7.8).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{CONNECTION, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Version};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, copy, split};
use tokio::sync::watch;
use tokio::time::timeout;

use super::fields::lists;
use super::pool::Link;
use crate::http::patience::Busy;

/// The one protocol that is passed on. Of others nobody here can tell who speaks in them: h2c carries
/// requests of its own, and each of them would get past the gate.
const PROTOCOL: &str = "websocket";

/// How long one side may go on when the other has ended.
const LINGER: Duration = Duration::from_secs(10);

/// Takes the client's end of a connection that asks to become a WebSocket.
pub(super) fn asked(parts: &mut Parts, has_body: bool) -> Option<OnUpgrade> {
    let asks = parts.method == Method::GET
        && parts.version == Version::HTTP_11
        && !has_body
        && names_the_protocol(&parts.headers)
        && lists(&parts.headers, &CONNECTION, "upgrade");
    asks.then(|| {
        let mut request = Request::new(());
        std::mem::swap(request.extensions_mut(), &mut parts.extensions);
        hyper::upgrade::on(request)
    })
}

/// Whether there is one `Upgrade` field, and `websocket` in it alone.
pub(super) fn names_the_protocol(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(UPGRADE).iter();
    let named = lines
        .next()
        .is_some_and(|line| line.as_bytes().eq_ignore_ascii_case(PROTOCOL.as_bytes()));
    named && lines.next().is_none()
}

/// Says what the connection is to become, or becomes.
pub(super) fn announce(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static(PROTOCOL));
}

/// Both ends of a connection that becomes one once the answer is out.
pub(in crate::http) struct Tunnel {
    client: OnUpgrade,
    application: OnUpgrade,
    _link: Link,
    _busy: Arc<Busy>,
}

/// Where whoever answers leaves a tunnel for whoever holds the connection.
#[derive(Clone, Default)]
pub(in crate::http) struct Slot(Arc<Mutex<Option<Tunnel>>>);

impl Slot {
    /// Leaves one.
    pub(super) fn put(&self, tunnel: Tunnel) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(tunnel);
    }

    /// Takes the one that was left.
    pub(in crate::http) fn take(&self) -> Option<Tunnel> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Tunnel {
    /// Of those ends.
    pub(super) const fn new(
        client: OnUpgrade,
        application: OnUpgrade,
        link: Link,
        busy: Arc<Busy>,
    ) -> Self {
        Self {
            client,
            application,
            _link: link,
            _busy: busy,
        }
    }

    /// Carries octets both ways until both sides have ended or the program stops.
    pub(in crate::http) async fn carry(self, mut stop: watch::Receiver<bool>) {
        let Self {
            client,
            application,
            _link,
            _busy,
        } = self;
        let (client, application) = match tokio::try_join!(client, application) {
            Ok(both) => both,
            Err(error) => {
                tracing::debug!(%error, "a connection was not upgraded");
                return;
            }
        };
        tokio::select! {
            () = join(client, application) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
}

async fn join(client: Upgraded, application: Upgraded) {
    let (from_client, to_client) = split(TokioIo::new(client));
    let (from_application, to_application) = split(TokioIo::new(application));
    let up = one_way(from_client, to_application);
    let down = one_way(from_application, to_client);
    tokio::pin!(up, down);
    // Who does not end in time is cut off.
    let _ = tokio::select! {
        () = &mut up => timeout(LINGER, down).await,
        () = &mut down => timeout(LINGER, up).await,
    };
}

/// Carries octets until there are no more, and says so on the other side.
async fn one_way(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    // An end by an error is an end.
    let _ = copy(&mut from, &mut to).await;
    let _ = to.shutdown().await;
}
