//! A web server whose pages a test writes, and which remembers what it was asked.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body_util::{BodyExt as _, Full};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What is at one path.
#[derive(Clone)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
    /// How long it takes.
    pub(crate) delay: Duration,
}

impl Page {
    /// A JSON document.
    pub(crate) fn json(body: &serde_json::Value) -> Self {
        Self {
            status: 200,
            headers: vec![("content-type", "application/json".into())],
            body: body.to_string(),
            delay: Duration::ZERO,
        }
    }

    /// An answer with that status.
    pub(crate) fn status(status: u16) -> Self {
        Self {
            status,
            ..Self::json(&serde_json::json!({}))
        }
    }
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    /// The certificate that the client showed.
    pub(crate) certificate: Option<Vec<u8>>,
}

/// The server, on a loopback port.
#[derive(Clone)]
pub(crate) struct Site {
    address: SocketAddr,
    scheme: &'static str,
    pages: Arc<Mutex<HashMap<String, Page>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Site {
    /// Without TLS.
    pub(crate) async fn plain() -> Self {
        Self::start(None).await
    }

    /// With TLS, as `localhost`.
    pub(crate) async fn tls(acceptor: TlsAcceptor) -> Self {
        Self::start(Some(acceptor)).await
    }

    async fn start(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a loopback port");
        let site = Self {
            address: listener.local_addr().expect("its address"),
            scheme: if tls.is_some() { "https" } else { "http" },
            pages: Arc::default(),
            asked: Arc::default(),
        };
        let serving = site.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (site, tls) = (serving.clone(), tls.clone());
                tokio::spawn(async move {
                    let Some(tls) = tls else {
                        return site.serve(stream, None).await;
                    };
                    if let Ok(stream) = tls.accept(stream).await {
                        let shown = stream.get_ref().1.peer_certificates();
                        let leaf = shown.and_then(|chain| chain.first());
                        let leaf = leaf.map(|leaf| leaf.to_vec());
                        site.serve(stream, leaf).await;
                    }
                });
            }
        });
        site
    }

    async fn serve<S>(&self, stream: S, certificate: Option<Vec<u8>>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service =
            hyper::service::service_fn(|request: http::Request<hyper::body::Incoming>| async {
                let (head, body) = request.into_parts();
                let body = body
                    .collect()
                    .await
                    .map(http_body_util::Collected::to_bytes);
                let path = head.uri.path().to_owned();
                let page = self.pages.lock().expect("no panic").get(&path).cloned();
                self.asked.lock().expect("no panic").push(Asked {
                    method: head.method.to_string(),
                    path,
                    headers: head.headers,
                    body: String::from_utf8_lossy(&body.unwrap_or_default()).into_owned(),
                    certificate: certificate.clone(),
                });
                let page = page.unwrap_or_else(|| Page::status(404));
                tokio::time::sleep(page.delay).await;
                let mut answer = Response::builder().status(page.status);
                for (name, value) in &page.headers {
                    answer = answer.header(*name, value);
                }
                let answer = answer.body(Full::new(Bytes::from(page.body)));
                Ok::<_, Infallible>(answer.expect("an answer"))
            });
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(hyper_util::rt::TokioIo::new(stream), service);
        // A client that goes away is its own affair.
        drop(connection.await);
    }

    /// The URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://localhost:{}{path}", self.scheme, self.address.port())
    }

    /// Puts a page at a path.
    pub(crate) fn put(&self, path: &str, page: Page) {
        let mut pages = self.pages.lock().expect("no panic");
        pages.insert(path.to_owned(), page);
    }

    /// All that was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic").clone()
    }

    /// The paths that were asked for so far.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.path).collect()
    }
}
