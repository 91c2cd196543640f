//! Asking the gate of a server that runs here, as the web server in front of it would (RFC 9110).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, HOST, USER_AGENT};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use tokio::net::{TcpStream, UnixStream};

use super::{Question, words};
use crate::cli::demo::wire::converse;
use crate::cli::given::{Form, Given};
use crate::config::ListenAddress;
use crate::proxy::{Encoding, ProxySecret};

/// How long it may take, from connecting to the last octet.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// Says what the status would be if every front end could take it.
const STATUS: &str = "x-gate-status";

/// What came of asking.
pub(super) enum Heard {
    /// A gate's answer.
    Answer {
        /// The step.
        step: String,
        /// The answer itself, in words.
        line: String,
        /// Whether the request may pass.
        passes: bool,
    },
    /// Nothing that decides: why.
    Nothing(String),
}

/// The certificate as a web server would forward it to a server of that encoding; nothing where there is
/// no way to write it so.
pub(super) fn header(given: &Given, configured: Encoding) -> Option<HeaderValue> {
    if let Form::Header { value, .. } = &given.form {
        return HeaderValue::from_bytes(value).ok();
    }
    let der = given.certificate.der();
    let base64 = STANDARD.encode(der);
    let pem = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        wrapped(&base64)
    );
    let escaped = percent_encoded(&pem);
    let forms = [
        format!(":{base64}:"),
        pem.trim_end().replace('\n', " "),
        format!("Cert=\"{escaped}\""),
        escaped,
        STANDARD.encode(&pem),
        base64,
    ];
    // Whichever it is that the server reads as this certificate.
    let read = |form: &String| matches!(configured.decode(form.as_bytes()), Ok(Some(read)) if read.leaf == der);
    HeaderValue::try_from(forms.into_iter().find(read)?).ok()
}

fn wrapped(base64: &str) -> String {
    let lines: Vec<_> = base64
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect();
    lines.join("\n")
}

fn percent_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes())
        .collect::<String>()
        // A blank is a plus in a form, and nowhere else.
        .replace('+', "%20")
}

/// Asks the gate at the first address that the configuration serves at.
pub(super) async fn ask(question: &Question<'_>) -> Heard {
    let Some(address) = question.settings.listen.first() else {
        return Heard::Nothing("no --listen says where the server is to be asked".into());
    };
    let (path, request) = match request(question) {
        Ok(request) => request,
        Err(why) => return Heard::Nothing(why),
    };
    let asking = tokio::time::timeout(TIME_LIMIT, exchange(address, request)).await;
    match asking {
        Ok(Ok(response)) => heard(question, address, &path, &response),
        Ok(Err(why)) => Heard::Nothing(why),
        Err(_) => Heard::Nothing(format!(
            "whoever listens at {address} did not answer within {} s",
            TIME_LIMIT.as_secs()
        )),
    }
}

/// The request of a trusted web server. Without a certificate it says nothing that only such a one may
/// say, so that anybody may ask.
fn request(question: &Question<'_>) -> Result<(String, Request<Full<Bytes>>), String> {
    let settings = question.settings;
    let path = settings
        .issuer
        .base()
        .path_of(&format!("verify/{}", question.written.name));
    let wrong = |what: &str| format!("the request cannot be written: {what}");
    let host = settings.issuer.base().origin().rsplit('/').next();
    let mut headers = vec![
        (HOST, HeaderValue::from_str(host.unwrap_or_default())),
        (CONNECTION, Ok(HeaderValue::from_static("close"))),
        (USER_AGENT, Ok(HeaderValue::from_static("certbound"))),
        (AUTHORIZATION, secret(&format!("Bearer {}", question.text))),
    ];
    if question.presented.certificate().is_some() {
        let certificate = question.header.clone();
        let certificate = certificate.ok_or_else(|| {
            wrong("this certificate cannot be written as --client-cert-encoding wants it")
        })?;
        headers.push((settings.client_cert_header.clone(), Ok(certificate)));
        if let Some(name) = settings.verify_header.name() {
            headers.push((name.clone(), Ok(HeaderValue::from_static("SUCCESS"))));
        }
        if let Some(known) = &settings.proxy_secret {
            headers.push((ProxySecret::header(), secret(known.expose())));
        }
    }
    let mut request = Request::new(Full::new(Bytes::new()));
    *request.uri_mut() = path.parse().map_err(|_| wrong("its path is none"))?;
    for (name, value) in headers {
        let value: HeaderValue =
            value.map_err(|_| wrong("a value is not what a header may hold"))?;
        request.headers_mut().insert(name, value);
    }
    Ok((path, request))
}

fn secret(text: &str) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
    HeaderValue::from_str(text).map(|mut value| {
        value.set_sensitive(true);
        value
    })
}

async fn exchange(
    address: &ListenAddress,
    request: Request<Full<Bytes>>,
) -> Result<Response<Bytes>, String> {
    let nobody = |error: std::io::Error| {
        format!(
            "nobody can be asked at {address}: {error}; start the server, or run this where it runs and as a user who may connect"
        )
    };
    let broken = |error: String| format!("whoever listens at {address} does not answer: {error}");
    match address {
        ListenAddress::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(nobody)?;
            converse(stream, request).await.map_err(broken)
        }
        ListenAddress::Tcp(address) => {
            let stream = TcpStream::connect(reachable(*address))
                .await
                .map_err(nobody)?;
            converse(stream, request).await.map_err(broken)
        }
    }
}

/// Where somebody who listens at that address is found from this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        other => other,
    };
    SocketAddr::new(ip, address.port())
}

fn heard(
    question: &Question<'_>,
    address: &ListenAddress,
    path: &str,
    response: &Response<Bytes>,
) -> Heard {
    let (status, headers) = (response.status(), response.headers());
    let certificate = question.presented.certificate().is_some();
    match (status, headers.get(STATUS).map(HeaderValue::as_bytes)) {
        (StatusCode::UNAUTHORIZED, Some(b"400")) if certificate => {
            return Heard::Nothing(format!(
                "the running server at {address} takes no certificate from here: {}; ask it from where --trusted-proxy lets the web server ask",
                stranger(question, address)
            ));
        }
        (StatusCode::OK | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _)
        | (StatusCode::SERVICE_UNAVAILABLE, Some(_)) => {}
        _ => {
            return Heard::Nothing(format!(
                "whoever listens at {address} answers {} at {path}, which no gate does; is it a server with this configuration?",
                status.as_u16()
            ));
        }
    }
    let with = if certificate {
        format!(
            " and with the certificate in {}",
            question.settings.client_cert_header
        )
    } else {
        String::new()
    };
    let verdict = match status {
        StatusCode::OK => "",
        StatusCode::SERVICE_UNAVAILABLE => "undecided: ",
        _ => "refused: ",
    };
    let names: Vec<&HeaderName> = headers.keys().collect();
    let lines = names
        .into_iter()
        .flat_map(|name| headers.get_all(name).iter().map(move |value| (name, value)));
    Heard::Answer {
        step: format!(
            "{verdict}the running server at {address}, asked at {path} with the token{with}, answers {}",
            status.as_u16()
        ),
        line: words::answer(status, lines),
        passes: status == StatusCode::OK,
    }
}

/// Why whoever runs this is no web server to it.
fn stranger(question: &Question<'_>, address: &ListenAddress) -> &'static str {
    match address {
        _ if question.settings.trusted_proxies.is_empty() => {
            "no --trusted-proxy is configured, so that nobody's certificate header is believed"
        }
        ListenAddress::Unix(_) => "this user at its Unix socket is no trusted proxy",
        ListenAddress::Tcp(_) => "this address is no trusted proxy",
    }
}
