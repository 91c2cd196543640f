//! A server that answers every connection with the same octets, or does worse.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use certbound::outbound::OutboundError;
use certbound::outbound::fetch::Fetched;
use http::HeaderValue;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::private;

/// What the tests ask for.
pub(crate) const ANY: HeaderValue = HeaderValue::from_static("application/json");

/// What a server does with a connection.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    /// Sends these octets and closes.
    Whole(&'static str),
    /// Sends these octets, then says nothing more.
    Hangs(&'static str),
    /// Sends this over and over, after a head.
    Endless(&'static str, &'static str),
    /// Sends an octet every 50 ms, after a head.
    Drips(&'static str),
}

/// A server on a loopback port.
pub(crate) struct Stub {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
    /// Whether its clients went away before it had said everything.
    pub(crate) cut: Arc<AtomicBool>,
}

impl Stub {
    pub(crate) async fn plain(answer: Answer) -> Self {
        Self::start(answer, None).await
    }

    pub(crate) async fn start(answer: Answer, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a loopback port");
        let stub = Self {
            address: listener.local_addr().expect("its address"),
            connections: Arc::default(),
            requests: Arc::default(),
            cut: Arc::default(),
        };
        let (connections, requests, cut) = (
            Arc::clone(&stub.connections),
            Arc::clone(&stub.requests),
            Arc::clone(&stub.cut),
        );
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (tls, requests, cut) = (tls.clone(), Arc::clone(&requests), Arc::clone(&cut));
                tokio::spawn(async move {
                    let served = match tls {
                        None => serve(stream, answer, &requests).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(stream, answer, &requests).await,
                            Err(_) => Ok(()),
                        },
                    };
                    if served.is_err() {
                        cut.store(true, Ordering::SeqCst);
                    }
                });
            }
        });
        stub
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/jwks?x=1", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) async fn get(&self, limit: usize) -> Result<Fetched, OutboundError> {
        let outbound = private(Duration::from_secs(2));
        let to = outbound.destination(&self.url()).expect("its URL");
        outbound.get(&to, ANY, limit).await
    }
}

async fn serve<S>(
    mut stream: S,
    answer: Answer,
    requests: &Mutex<Vec<String>>,
) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut some = [0; 1024];
        let read = stream.read(&mut some).await?;
        if read == 0 {
            return Ok(());
        }
        request.extend_from_slice(&some[..read]);
    }
    requests
        .lock()
        .expect("no test panics here")
        .push(String::from_utf8_lossy(&request).into_owned());
    match answer {
        Answer::Whole(text) => stream.write_all(text.as_bytes()).await?,
        Answer::Hangs(text) => {
            stream.write_all(text.as_bytes()).await?;
            let mut more = [0; 1];
            // Nothing more comes but the end of the connection.
            while stream.read(&mut more).await? > 0 {}
            return Err(std::io::ErrorKind::ConnectionAborted.into());
        }
        Answer::Endless(head, again) => {
            stream.write_all(head.as_bytes()).await?;
            loop {
                stream.write_all(again.as_bytes()).await?;
            }
        }
        Answer::Drips(head) => {
            stream.write_all(head.as_bytes()).await?;
            loop {
                stream.write_all(b" ").await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    stream.shutdown().await
}
