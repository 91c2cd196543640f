//! The head of a request, from the web server, from a stranger, and from one without the secret: only the
//! first is believed, and only what is said exactly once.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use certbound::proxy::{
    Encoding, Front, Headers, Peer, ProxySecret, TrustedPeer, Verdict, VerifyHeader,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;

const PROXY: Peer = Peer::Tcp(IpAddr::V4(Ipv4Addr::LOCALHOST));
const STRANGER: Peer = Peer::Tcp(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
const SECRET: &str = "a-secret-of-sufficient-length-for-anybody";
const GUARDED: [&str; 5] = [
    "x-clientcert",
    "x-clientcert-chain-0",
    "x-ssl-client-verify",
    "x-remote-user",
    "x-proxy-secret",
];

fn front(secret: Option<&str>) -> Front {
    let trusted: TrustedPeer = "127.0.0.1".parse().expect("an address");
    let secret = secret.map(|text| ProxySecret::new(text.as_bytes()).expect("a secret"));
    let headers = Headers {
        certificate: HeaderName::from_static(GUARDED[0]),
        chain: Some(HeaderName::from_static(GUARDED[1])),
        verify: VerifyHeader {
            name: Some(HeaderName::from_static(GUARDED[2])),
            required: true,
        },
        user: Some(HeaderName::from_static(GUARDED[3])),
        address: Some(HeaderName::from_static("x-forwarded-for")),
        request_id: Some(HeaderName::from_static("x-request-id")),
    };
    Front::new(
        FromIterator::from_iter([trusted]),
        secret,
        headers,
        Encoding::AUTO,
    )
    .expect("every header has its own name")
}

static OPEN: LazyLock<Front> = LazyLock::new(|| front(None));
static SECRETIVE: LazyLock<Front> = LazyLock::new(|| front(Some(SECRET)));

fn head(octets: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in octets.split(|octet| *octet == b'\n').take(64) {
        let mut parts = line.splitn(2, |octet| *octet == b':');
        let name = parts.next().map(HeaderName::from_bytes);
        let value = parts
            .next()
            .map(|value| HeaderValue::from_bytes(value.trim_ascii()));
        if let (Some(Ok(name)), Some(Ok(value))) = (name, value) {
            headers.append(name, value);
        }
    }
    headers
}

fn stranger(front: &Front, peer: Peer, headers: &HeaderMap) {
    let guarded = |name: &HeaderName| GUARDED.contains(&name.as_str().replace('_', "-").as_str());
    let forged = headers.keys().any(guarded);
    match front.read(peer, headers) {
        Ok(read) => {
            assert!(!forged && !read.trusted && read.certificate.is_none());
            assert!(read.user.is_none() && read.verdict != Verdict::Success);
        }
        Err(error) => assert!(forged && !error.to_string().contains(SECRET)),
    }
}

fuzz_target!(|octets: &[u8]| {
    let headers = head(octets);
    stranger(&OPEN, STRANGER, &headers);
    let mut lines = headers.get_all(GUARDED[4]).iter();
    if lines.next().is_none_or(|value| value != SECRET) || lines.next().is_some() {
        stranger(&SECRETIVE, PROXY, &headers);
    }
    let Ok(read) = OPEN.read(PROXY, &headers) else {
        return;
    };
    let sole = |name| {
        let mut lines = headers.get_all(name).iter();
        lines.next().filter(|_| lines.next().is_none())
    };
    if let Some(certificate) = read.certificate {
        let value = sole(GUARDED[0]).expect("one line");
        let decoded = Encoding::AUTO.decode(value.as_bytes()).ok().flatten();
        assert_eq!(decoded.map(|decoded| decoded.leaf), Some(certificate.der));
    }
    if read.verdict == Verdict::Success {
        assert_eq!(sole(GUARDED[2]).expect("one line"), "SUCCESS");
    }
    if let Some(user) = read.user {
        assert_eq!(
            sole(GUARDED[3]).expect("one line").as_bytes().trim_ascii(),
            user.as_bytes()
        );
    }
});
