//! What real web servers forwarded (RFC 9440 and the forms before it), and what is made of it.
//!
//! Every case of `tests/fixtures/captures/index.json` must end in its verdict. `cert` and
//! `cert-unverified` differ in what the web server verified, which its bytes do not say: both must
//! give exactly the certificate that is named. So must `indistinguishable`, where the client wrote
//! the bytes, from a trusted peer; from any other it must be refused.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use certbound::cert::thumbprint::Thumbprint;
use certbound::proxy::{
    Encoding, Forwarded, Front, Headers, Peer, TrustedPeer, TrustedPeers, Verdict, VerifyHeader,
};
use http::{HeaderMap, HeaderName, HeaderValue};

const PROXY: Peer = Peer::Tcp(IpAddr::V4(Ipv4Addr::LOCALHOST));
const STRANGER: Peer = Peer::Tcp(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));

const P256: &str = "0JabUgcwHjHpWPvNyb-J0hkV-fJ31Xlm40UsRE1K_1o";

fn captured(file: &str) -> Vec<u8> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/captures");
    std::fs::read(directory.join(file)).expect("the capture is in the repository")
}

/// The header lines of a request, split strictly at CR LF. A bare LF or a folded line is none: hyper
/// answers it with 400 before anything of this library runs, and `HeaderValue` refuses it as well.
fn head(request: &[u8]) -> Option<HeaderMap> {
    let end = request.windows(4).position(|four| four == b"\r\n\r\n")?;
    let text = &request[..end];
    let mut headers = HeaderMap::new();
    let mut rest = text;
    let mut first = true;
    loop {
        let line_end = rest.windows(2).position(|two| two == b"\r\n");
        let line = &rest[..line_end.unwrap_or(rest.len())];
        if !first {
            let colon = line.iter().position(|&byte| byte == b':')?;
            let name = HeaderName::from_bytes(&line[..colon]).ok()?;
            let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?;
            headers.append(name, value);
        }
        first = false;
        let Some(line_end) = line_end else {
            return Some(headers);
        };
        rest = &rest[line_end + 2..];
    }
}

/// How an operator would configure the front end that wrote a capture.
struct Wiring {
    certificate: &'static str,
    chain: Option<&'static str>,
    verify: Option<&'static str>,
    encoding: &'static str,
}

fn wiring(proxy: &str, idiom: &str) -> Wiring {
    let certificate = match (proxy, idiom) {
        ("Apache", "b64pem" | "escape") | ("nginx" | "HAProxy", _) => "X-SSL-Client-Cert",
        ("Apache", _) => "X-ClientCert",
        ("Caddy", _) | ("Envoy", "peercert") => "X-Client-Cert",
        ("Envoy", _) => "X-Forwarded-Client-Cert",
        ("Traefik", _) => "X-Forwarded-Tls-Client-Cert",
        other => panic!("no front end is configured as {other:?}"),
    };
    let rfc9440 = idiom.starts_with("rfc9440") || (proxy, idiom) == ("Caddy", "forwardauth");
    Wiring {
        certificate: if rfc9440 { "Client-Cert" } else { certificate },
        chain: match (proxy, idiom) {
            ("Apache", "chain") => Some("X-ClientCert-Chain-0"),
            ("HAProxy", "chain") => Some("X-SSL-Client-Chain"),
            _ if rfc9440 => Some("Client-Cert-Chain"),
            _ => None,
        },
        // HAProxy's is a number, 0 without a certificate too, and so is not configured.
        verify: matches!(proxy, "Apache" | "nginx").then_some("X-SSL-Client-Verify"),
        encoding: if proxy == "Traefik" {
            "traefik"
        } else {
            "auto"
        },
    }
}

fn front(wiring: &Wiring) -> Front {
    let name = |text: &str| HeaderName::from_bytes(text.as_bytes()).expect("a header name");
    let trusted: TrustedPeer = "127.0.0.1".parse().expect("a trusted proxy");
    let headers = Headers {
        certificate: name(wiring.certificate),
        chain: wiring.chain.map(name),
        verify: VerifyHeader {
            name: wiring.verify.map(name),
            required: false,
        },
        user: None,
        address: Some(name("X-Forwarded-For")),
        request_id: None,
    };
    let encoding = wiring.encoding.parse().expect("an encoding");
    Front::new(TrustedPeers::from_iter([trusted]), None, headers, encoding)
        .expect("every header has its own name")
}

/// What a capture came to: `none`, `reject`, or the thumbprint of the one certificate.
fn outcome(read: Option<Result<Forwarded, impl std::fmt::Debug>>) -> String {
    match read {
        None | Some(Err(_)) => "reject".to_owned(),
        Some(Ok(read)) => read.certificate.map_or_else(
            || "none".to_owned(),
            |certificate| Thumbprint::of(&certificate.der).to_string(),
        ),
    }
}

/// The parameters of a `FastCGI` request (its specification's sections 3.3 and 3.4).
fn fastcgi_params(stream: &[u8]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    const PARAMS: u8 = 4;
    let mut content = Vec::new();
    let mut rest = stream;
    while let [_, kind, _, _, high, low, padding, _, after @ ..] = rest {
        let length = usize::from(*high) << 8 | usize::from(*low);
        if *kind == PARAMS {
            content.extend_from_slice(&after[..length]);
        }
        rest = &after[length + usize::from(*padding)..];
    }
    let mut params = BTreeMap::new();
    let mut rest = &content[..];
    while !rest.is_empty() {
        let mut lengths = [0, 0];
        for length in &mut lengths {
            let octets = if rest[0] < 0x80 { 1 } else { 4 };
            let sum = |sum: usize, octet: &u8| sum << 8 | usize::from(*octet);
            *length = rest[..octets].iter().fold(0, sum) & 0x7fff_ffff;
            rest = &rest[octets..];
        }
        let (name, after) = rest.split_at(lengths[0]);
        let (value, after) = after.split_at(lengths[1]);
        params.insert(name.to_vec(), value.to_vec());
        rest = after;
    }
    params
}

fn decoded(encoding: Encoding, value: &[u8]) -> String {
    match encoding.decode(value) {
        Err(_) => "reject".to_owned(),
        Ok(None) => "none".to_owned(),
        Ok(Some(decoded)) => Thumbprint::of(&decoded.leaf).to_string(),
    }
}

#[test]
#[expect(
    clippy::print_stdout,
    reason = "how many cases there were belongs in the test's output"
)]
fn every_capture_ends_in_its_verdict() {
    let index = captured("index.json");
    let cases: Vec<serde_json::Value> = serde_json::from_slice(&index).expect("it is JSON");
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for case in &cases {
        let text = |key: &str| case[key].as_str().expect("the index has it");
        let (file, verdict) = (text("file"), text("verdict"));
        let expected = match verdict {
            "none" | "reject" => verdict,
            "cert" | "cert-unverified" | "indistinguishable" => text("x5t_s256"),
            other => panic!("{file}: no verdict {other}"),
        };
        let bytes = captured(file);
        let ended = match file.rsplit_once('.').map(|(_, ending)| ending) {
            Some("fcgi") => {
                let params = fastcgi_params(&bytes);
                let value = params.get(&b"GATE_CLIENT_CERT"[..]);
                decoded(Encoding::PEM, value.map_or(b"", |value| value))
            }
            Some("pb") => {
                let begin = bytes.windows(11).position(|w| w == b"-----BEGIN%");
                let rest = &bytes[begin.expect("attributes.source.certificate")..];
                let whole = |&byte: &u8| byte.is_ascii_graphic();
                let end = rest.iter().position(|byte| !whole(byte));
                decoded(Encoding::AUTO, &rest[..end.unwrap_or(rest.len())])
            }
            _ => {
                let proxy = text("proxy").split(' ').next().unwrap_or_default();
                let front = front(&wiring(proxy, text("idiom")));
                let headers = head(&bytes);
                if let Some(headers) = &headers {
                    strangers_are_never_believed(file, &front, headers);
                    connection_changes_nothing(&front, headers);
                }
                outcome(headers.map(|headers| front.read(PROXY, &headers)))
            }
        };
        assert_eq!(ended, expected, "{file}");
        *counts.entry(verdict).or_default() += 1;
    }
    println!("{} captures: {counts:?}", cases.len());
    assert_eq!(cases.len(), 90);
    assert_eq!(counts.values().sum::<usize>(), cases.len());
}

/// The same bytes from an address that is not trusted: refused where they bear a trusted header.
fn strangers_are_never_believed(file: &str, front: &Front, headers: &HeaderMap) {
    let read = front.read(STRANGER, headers);
    let names = front.headers();
    let optional = [&names.chain, &names.verify.name].into_iter().flatten();
    let bears = [&names.certificate]
        .into_iter()
        .chain(optional)
        .any(|name| headers.contains_key(name));
    let underscored = file.contains("underscore");
    assert_eq!(read.is_err(), bears || underscored, "{file}");
    assert!(read.map_or(true, |read| read.certificate.is_none() && !read.trusted));
}

/// A `Connection` line that reached us names no header that we leave out.
fn connection_changes_nothing(front: &Front, headers: &HeaderMap) {
    let mut more = headers.clone();
    more.append(
        http::header::CONNECTION,
        HeaderValue::from_name(front.headers().certificate.clone()),
    );
    assert_eq!(front.read(PROXY, headers), front.read(PROXY, &more));
}

/// The deprecated `$ssl_client_cert` and its like: what makes them no header value is their newlines.
#[test]
fn a_newline_is_in_no_header_value() {
    let bytes = captured("nginx1.22-sslclientcert-p256.http");
    assert!(bytes.windows(2).any(|two| two == b"\n\t"));
    assert!(head(&bytes).is_none());
    for value in [
        &b"-----BEGIN CERTIFICATE-----\n\tMII"[..],
        b"a\r\nb",
        b"a\rb",
        b"a\0b",
    ] {
        assert!(HeaderValue::from_bytes(value).is_err());
    }
}

#[test]
fn chains_and_verdicts_come_along() {
    let read = |file: &str, proxy: &str, idiom: &str| {
        let headers = head(&captured(file)).expect("a well-formed request");
        let read = front(&wiring(proxy, idiom)).read(PROXY, &headers);
        read.expect("a well-formed certificate header")
    };
    let inter = certificate_of_the_pki("inter");
    for (file, proxy, idiom) in [
        ("apache-chain-p256.http", "Apache", "chain"),
        ("haproxy-chain-p256.http", "HAProxy", "chain"),
        ("envoy-xfcc-all-p256.http", "Envoy", "xfcc-all"),
        ("traefik-pem-p256.http", "Traefik", "pem"),
    ] {
        let certificate = read(file, proxy, idiom).certificate;
        let chain = certificate.map(|certificate| certificate.chain);
        assert_eq!(chain, Some(vec![inter.clone()]), "{file}");
    }
    for (file, proxy, idiom, verdict) in [
        ("apache-verify-p256.http", "Apache", "verify", "SUCCESS"),
        ("apache-verify-nocert.http", "Apache", "verify", "NONE"),
        (
            "apache-verify-noca-self-p256-tls12.http",
            "Apache",
            "verify-noca",
            "GENEROUS",
        ),
        (
            "nginx1.22-verify-noca-impostor.http",
            "nginx",
            "verify-noca",
            "FAILED:unable to get local issuer certificate",
        ),
        (
            "nginx1.22-verify-nocert-forged.http",
            "nginx",
            "verify",
            "NONE",
        ),
        ("nginx1.22-verify-p256.http", "nginx", "verify", "SUCCESS"),
    ] {
        let expected = match verdict {
            "SUCCESS" => Verdict::Success,
            other => Verdict::Failed(other.into()),
        };
        assert_eq!(read(file, proxy, idiom).verdict, expected, "{file}");
    }
}

fn certificate_of_the_pki(name: &str) -> Vec<u8> {
    let text = captured(&format!("pki/{name}.crt"));
    let decoded = Encoding::PEM.decode(&text).expect("it is PEM");
    decoded.expect("it holds a certificate").leaf
}

/// Made after the vendors' documentation, since these services cannot be run here.
#[test]
#[expect(
    clippy::print_stdout,
    reason = "how many cases there were belongs in the test's output"
)]
fn documented_services() {
    let cases = [
        (
            "aws-alb-verify-p256.http",
            "X-Amzn-Mtls-Clientcert-Leaf",
            None,
            P256,
        ),
        // The whole chain in the certificate's own header: one leaf and nothing after it is the rule.
        (
            "aws-alb-passthrough-p256.http",
            "X-Amzn-Mtls-Clientcert",
            None,
            "reject",
        ),
        ("azure-appservice-p256.http", "X-ARR-ClientCert", None, P256),
        (
            "gcp-alb-p256.http",
            "X-Client-Cert-Leaf",
            Some("X-Client-Cert-Chain"),
            P256,
        ),
        (
            "cloudflare-p256.http",
            "Client-Cert",
            Some("Client-Cert-Chain"),
            P256,
        ),
    ];
    for (file, certificate, chain, expected) in cases {
        let headers = head(&captured(&format!("documented/{file}"))).expect("well-formed");
        let front = front(&Wiring {
            certificate,
            chain,
            verify: None,
            encoding: "auto",
        });
        let read = front.read(PROXY, &headers);
        let intermediates = read.as_ref().map_or(0, |read| {
            let certificate = read.certificate.as_ref();
            certificate.map_or(0, |certificate| certificate.chain.len())
        });
        assert_eq!(outcome(Some(read)), expected, "{file}");
        assert_eq!(intermediates, usize::from(chain.is_some()), "{file}");
    }
    println!("{} documented cases", cases.len());
}
