//! The stand-in for the web server: it terminates TLS, removes what only it may say, and forwards the
//! client's certificate (RFC 9440), as `SSLVerifyClient optional_no_ca` or `ssl_verify_client
//! optional_no_ca` would have it.
//!
//! It asks for a certificate, sees that the client holds its key, and looks at nothing else: whose
//! certificate it is and whether it is any good is what certbound decides by `--client-ca`, and what
//! the demonstration is to show. It gives no verdict of its own for the same reason. It listens on
//! loopback alone and is no web server for anything else.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER, UPGRADE};
use http::header::{CONTENT_LENGTH, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TRANSFER_ENCODING};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::pki::Identity;
use super::wire::{self, BODY_LIMIT, HEAD_LIMIT};

/// The header with the certificate.
const CERTIFICATE: HeaderName = HeaderName::from_static("x-clientcert");

/// The header with the secret by which certbound knows the stand-in.
const SECRET: HeaderName = HeaderName::from_static("x-proxy-secret");

/// What clients may not say, in any spelling; `-` stands for `_` as well.
const GUARDED: [&str; 3] = ["x-clientcert", "x-clientcert-verify", "x-proxy-secret"];

/// What concerns one connection only (RFC 9110 section 7.6.1).
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// How long a handshake, a header block or a whole exchange may take.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// How many connections at once.
const CONNECTIONS: usize = 256;

/// The stand-in.
pub(super) struct Front {
    tls: TlsAcceptor,
    certbound: SocketAddr,
    secret: HeaderValue,
}

impl Front {
    /// Terminates TLS as that server and forwards to certbound there, which knows the secret.
    pub(super) fn new(
        server: &Identity,
        certbound: SocketAddr,
        secret: &str,
    ) -> Result<Self, String> {
        // The provider is named, so that no other crate's choice of one can change this.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = AnyCertificate(provider.signature_verification_algorithms);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_single_cert(vec![server.der().clone()], server.private_key())
            .map_err(|error| error.to_string())?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut secret = HeaderValue::from_str(secret).map_err(|error| error.to_string())?;
        secret.set_sensitive(true);
        Ok(Self {
            tls: TlsAcceptor::from(Arc::new(config)),
            certbound,
            secret,
        })
    }

    /// Accepts connections for as long as it is polled.
    pub(super) async fn serve(self, listener: TcpListener) {
        let front = Arc::new(self);
        let connections = Arc::new(Semaphore::new(CONNECTIONS));
        // The semaphore is never closed.
        while let Ok(permit) = Arc::clone(&connections).acquire_owned().await {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let front = Arc::clone(&front);
                    tokio::spawn(async move {
                        let _held = permit;
                        if let Err(error) = front.connection(stream).await {
                            tracing::debug!(error, "a connection to the stand-in ended early");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the stand-in could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream) -> Result<(), String> {
        let stream = tokio::time::timeout(TIME_LIMIT, self.tls.accept(stream))
            .await
            .map_err(|_| "the handshake took too long".to_owned())?
            .map_err(|error| error.to_string())?;
        let certificate = stream.get_ref().1.peer_certificates();
        // The leaf alone: intermediates would have a header of their own.
        let certificate = certificate
            .and_then(<[_]>::first)
            .map(byte_sequence)
            .transpose()?;
        let service = service_fn(move |request| {
            let (front, certificate) = (Arc::clone(&self), certificate.clone());
            async move {
                let answered = tokio::time::timeout(TIME_LIMIT, front.answer(request, certificate));
                let response = match answered.await {
                    Ok(Ok(response)) => response,
                    Ok(Err(status)) => plain(status),
                    Err(_) => plain(StatusCode::GATEWAY_TIMEOUT),
                };
                Ok::<_, Infallible>(response)
            }
        });
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(TIME_LIMIT)
            .max_buf_size(HEAD_LIMIT)
            .serve_connection(TokioIo::new(stream), service)
            .await
            .map_err(|error| error.to_string())
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        certificate: Option<HeaderValue>,
    ) -> Result<Response<Full<Bytes>>, StatusCode> {
        let (mut parts, body) = request.into_parts();
        let body = match Limited::new(body, BODY_LIMIT).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Err(StatusCode::PAYLOAD_TOO_LARGE);
            }
            Err(_) => return Err(StatusCode::BAD_REQUEST),
        };
        self.dress(&mut parts.headers, certificate);
        let mut forwarded = Request::new(Full::new(body));
        *forwarded.method_mut() = parts.method;
        let target = parts.uri.path_and_query().cloned();
        *forwarded.uri_mut() = target.map_or_else(Uri::default, Uri::from);
        *forwarded.headers_mut() = parts.headers;
        let stream = TcpStream::connect(self.certbound)
            .await
            .map_err(|_| StatusCode::BAD_GATEWAY)?;
        let response = wire::converse(stream, forwarded)
            .await
            .map_err(|_| StatusCode::BAD_GATEWAY)?;
        let mut response = response.map(Full::new);
        remove_hop_by_hop(response.headers_mut());
        Ok(response)
    }

    /// Takes from the headers what clients may not say, then says it. A client that names a header in
    /// `Connection` has it removed before it is set, never after.
    fn dress(&self, headers: &mut HeaderMap, certificate: Option<HeaderValue>) {
        remove_hop_by_hop(headers);
        // The body was read whole, and its length is written anew.
        headers.remove(CONTENT_LENGTH);
        let forged: Vec<HeaderName> = headers
            .keys()
            .filter(|name| guarded(name))
            .cloned()
            .collect();
        for name in forged {
            headers.remove(name);
        }
        if !headers.contains_key(HOST) {
            headers.insert(HOST, HeaderValue::from_static("localhost"));
        }
        headers.insert(SECRET, self.secret.clone());
        if let Some(certificate) = certificate {
            headers.insert(CERTIFICATE, certificate);
        }
    }
}

/// A Byte Sequence of RFC 8941 section 3.3.5, as RFC 9440 section 2.1 has it.
fn byte_sequence(der: &CertificateDer<'_>) -> Result<HeaderValue, String> {
    HeaderValue::try_from(format!(":{}:", STANDARD.encode(der))).map_err(|error| error.to_string())
}

/// Header names come in small letters.
fn guarded(name: &HeaderName) -> bool {
    let folded = name.as_str().replace('_', "-");
    GUARDED.contains(&folded.as_str())
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(format!("{status}\n"))));
    *response.status_mut() = status;
    response
}

/// Takes any certificate whose key the client holds, and none as well.
#[derive(Debug)]
struct AnyCertificate(WebPkiSupportedAlgorithms);

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::pki::Pki;
    use crate::oauth::time::Timestamp;

    #[test]
    fn nobody_but_the_front_end_says_who_a_client_is() {
        let pki = Pki::new(Timestamp::from_unix(1_800_000_000)).expect("certificates can be made");
        let server = pki.identity("server").expect("it was made");
        let front = Front::new(server, ([127, 0, 0, 1], 1).into(), "secret").expect("a front end");
        let sent = [
            ("host", "h"),
            ("x-clientcert", "forged"),
            ("x_clientcert", "forged"),
            ("x-clientcert_verify", "SUCCESS"),
            ("x_proxy-secret", "guessed"),
            ("x-proxy-secret", "guessed"),
            ("connection", "x-clientcert, x-hop"),
            ("x-hop", "1"),
            ("transfer-encoding", "chunked"),
            ("content-length", "7"),
            ("accept", "*/*"),
        ];
        for certificate in [None, Some(HeaderValue::from_static(":AA==:"))] {
            let mut headers = HeaderMap::new();
            for (name, value) in sent {
                headers.append(name, HeaderValue::from_static(value));
            }
            front.dress(&mut headers, certificate.clone());
            let mut left: Vec<(&str, &str)> = headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.to_str().expect("ASCII")))
                .collect();
            left.sort_unstable();
            let mut expected = vec![
                ("accept", "*/*"),
                ("host", "h"),
                ("x-proxy-secret", "secret"),
            ];
            if certificate.is_some() {
                expected.push(("x-clientcert", ":AA==:"));
            }
            expected.sort_unstable();
            assert_eq!(left, expected);
        }
    }
}
