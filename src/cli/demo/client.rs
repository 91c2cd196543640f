//! The client of the story: what `curl` would do, without `curl`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, LOCATION, WWW_AUTHENTICATE};
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use serde_json::Value as Json;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Url, form_urlencoded};

use super::ask::{Ask, Kept, To, Value};
use super::folder::Folder;
use super::pki::Pki;
use super::wire;

/// How long a request may take from connecting to the end of its answer.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Where everybody is.
pub(super) struct Client<'a> {
    /// Whose certificates there are.
    pub(super) pki: &'a Pki,
    /// The folder with the files that requests name.
    pub(super) folder: &'a Folder,
    /// The stand-in.
    pub(super) front: SocketAddr,
    /// certbound.
    pub(super) certbound: SocketAddr,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Reply {
    /// The status.
    pub(super) status: StatusCode,
    /// The body, null where it is no JSON.
    pub(super) body: Json,
    /// Whom a gate lets through: `X-Auth-Subject`.
    pub(super) subject: Option<String>,
    /// What it asks for otherwise: `WWW-Authenticate`.
    pub(super) challenge: Option<String>,
    /// Where a browser is sent: `Location`.
    pub(super) location: Option<String>,
}

impl Reply {
    /// Where a browser is sent, without the query, and what the query says.
    pub(super) fn sent_back(&self) -> Option<(String, Vec<(String, String)>)> {
        let mut url = Url::parse(self.location.as_deref()?).ok()?;
        let query = url.query_pairs().into_owned().collect();
        url.set_query(None);
        Some((url.into(), query))
    }

    /// What is to be kept of it.
    pub(super) fn kept(&self, kept: Kept) -> Option<String> {
        match kept {
            Kept::Member(name) => Some(self.body.get(name)?.as_str()?.to_owned()),
            Kept::Code => {
                let (_, query) = self.sent_back()?;
                let mut query = query.into_iter();
                query.find_map(|(name, value)| (name == "code").then_some(value))
            }
        }
    }
}

impl Client<'_> {
    /// Scheme, host and port.
    pub(super) fn base(&self, to: To) -> String {
        match to {
            To::Front => format!("https://localhost:{}", self.front.port()),
            To::Certbound => format!("http://{}", self.certbound),
        }
    }

    /// Sends the request, to be answered within ten seconds.
    pub(super) async fn send(&self, ask: &Ask) -> Result<Reply, String> {
        let request = self.request(ask)?;
        match tokio::time::timeout(TIME_LIMIT, self.exchange(ask, request)).await {
            Ok(answered) => answered,
            Err(_) => Err(format!("no answer within {} s", TIME_LIMIT.as_secs())),
        }
    }

    async fn exchange(&self, ask: &Ask, request: Request<Full<Bytes>>) -> Result<Reply, String> {
        let connect = async |address| {
            TcpStream::connect(address)
                .await
                .map_err(|error| format!("{address} cannot be reached: {error}"))
        };
        let response = match ask.to {
            To::Certbound => wire::converse(connect(self.certbound).await?, request).await?,
            To::Front => {
                let tls = self.tls(ask)?;
                let name = ServerName::try_from("localhost").map_err(|error| error.to_string())?;
                let stream = tls.connect(name, connect(self.front).await?).await;
                let stream = stream.map_err(|error| format!("no TLS: {error}"))?;
                wire::converse(stream, request).await?
            }
        };
        let header = |name| {
            let value = response.headers().get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        Ok(Reply {
            status: response.status(),
            subject: header(HeaderName::from_static("x-auth-subject")),
            challenge: header(WWW_AUTHENTICATE),
            location: header(LOCATION),
            body: serde_json::from_slice(response.body()).unwrap_or(Json::Null),
        })
    }

    fn tls(&self, ask: &Ask) -> Result<TlsConnector, String> {
        let mut roots = RootCertStore::empty();
        let rooted = roots.add(self.pki.anchor.clone());
        rooted.map_err(|error| error.to_string())?;
        let versions: &[_] = if ask.tls12 { &[&TLS12] } else { &[&TLS13] };
        // The provider is named, so that no other crate's choice of one can change this.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots);
        let config = match ask.certificate {
            None => config.with_no_client_auth(),
            Some(name) => {
                let identity = self
                    .pki
                    .identity(name)
                    .ok_or_else(|| format!("nobody is called {name}"))?;
                config
                    .with_client_auth_cert(vec![identity.der().clone()], identity.private_key())
                    .map_err(|error| error.to_string())?
            }
        };
        Ok(TlsConnector::from(Arc::new(config)))
    }

    fn request(&self, ask: &Ask) -> Result<Request<Full<Bytes>>, String> {
        let host = match ask.to {
            To::Front => format!("localhost:{}", self.front.port()),
            To::Certbound => self.certbound.to_string(),
        };
        let mut form = form_urlencoded::Serializer::new(String::new());
        for (name, value) in ask.form {
            match value {
                Value::Text(text) => form.append_pair(name, text),
                Value::File(file) | Value::Line(file) => {
                    form.append_pair(name, &self.folder.read(file)?)
                }
            };
        }
        let mut form = form.finish();
        let mut target = ask.path.to_owned();
        if ask.by_query {
            target.push('?');
            target.push_str(&std::mem::take(&mut form));
        }
        let mut request = Request::builder()
            .method(ask.method())
            .uri(target)
            .header(HOST, host);
        if let Some(client) = ask.basic {
            let secret = self.folder.read(&format!("{client}.secret"))?;
            let credentials = STANDARD.encode(format!("{client}:{secret}"));
            request = request.header(AUTHORIZATION, format!("Basic {credentials}"));
        }
        if let Some(file) = ask.bearer {
            let token = self.folder.read(file)?;
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some((header, name)) = ask.forged {
            let pem = self.folder.read(&format!("{name}.crt"))?.replace('\n', " ");
            request = request.header(header, pem.trim());
        }
        if ask.method() == Method::POST {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        request
            .body(Full::new(Bytes::from(form)))
            .map_err(|error| error.to_string())
    }
}
