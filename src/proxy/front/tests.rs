//! What [`Front`] believes, refuses and ignores, by table (RFC 9440 section 4).

use std::net::IpAddr;

use super::*;
use crate::proxy::fixtures::{base64, certificate, escaped, pem};
use crate::proxy::{MAX_OCTETS, TrustedPeer};

const PROXY: Peer = Peer::Tcp(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));
const STRANGER: Peer = Peer::Tcp(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));

fn name(text: &str) -> HeaderName {
    HeaderName::from_bytes(text.as_bytes()).expect("a header name")
}

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let value = |text: &str| HeaderValue::from_bytes(text.as_bytes()).expect("a header value");
    lines
        .iter()
        .map(|(header, text)| (name(header), value(text)))
        .collect()
}

fn names() -> Headers {
    Headers {
        certificate: name("X-ClientCert"),
        chain: Some(name("X-ClientCert-Chain")),
        verify: VerifyHeader {
            name: Some(name("X-ClientCert-Verify")),
            required: false,
        },
        user: Some(name("X-Remote-User")),
        address: Some(name("X-Forwarded-For")),
        request_id: Some(name("X-Request-Id")),
    }
}

fn front(secret: Option<&str>) -> Front {
    let trusted = ["127.0.0.1", "unix"];
    let trusted = trusted.map(|text| text.parse::<TrustedPeer>().expect("a trusted proxy"));
    let secret = secret.map(|text| ProxySecret::new(text.as_bytes()).expect("a secret"));
    Front::new(
        trusted.into_iter().collect(),
        secret,
        names(),
        Encoding::AUTO,
    )
    .expect("every header has its own name")
}

#[test]
fn from_strangers_every_trusted_header_is_a_forgery() {
    let front = front(None);
    for header in [
        "X-ClientCert",
        "x_clientcert",
        "X-CLIENTCERT",
        "X-ClientCert-Chain",
        "X_ClientCert-Chain",
        "X-ClientCert-Verify",
        "X-ClientCert_Verify",
        "X-Remote-User",
        "X_Remote_User",
        "X-Proxy-Secret",
        "x_proxy_secret",
    ] {
        for value in ["", "(null)", "x"] {
            let error = front.read(STRANGER, &headers(&[(header, value)]));
            let header = name(header);
            assert_eq!(error, Err(ProxyError::Forged { header }), "{value}");
        }
    }
    let harmless = headers(&[
        ("X-Forwarded-For", "198.51.100.1"),
        ("X-Request-Id", "a"),
        ("Client-Cert", "x"),
        ("X-ClientCert-Chain-0", "x"),
        ("Connection", "X-ClientCert"),
    ]);
    let read = front.read(STRANGER, &harmless);
    let expected = Forwarded {
        certificate: None,
        verdict: Verdict::Absent { required: false },
        user: None,
        address: None,
        request_id: None,
        trusted: false,
    };
    assert_eq!(read, Ok(expected));
}

#[test]
fn the_secret_is_needed_beside_the_address() {
    let der = base64("p256");
    let front = front(Some("hunter2"));
    for (secret, bears, expected) in [
        (&[("X-Proxy-Secret", "hunter2")][..], true, "trusted"),
        (&[("X-Proxy-Secret", "hunter3")], true, "WrongSecret"),
        (&[("X-Proxy-Secret", "hunter3")], false, "WrongSecret"),
        (&[("X-Proxy-Secret", "")], false, "WrongSecret"),
        (&[("X_Proxy_Secret", "hunter2")], false, "WrongSecret"),
        (&[], true, "WrongSecret"),
        (&[], false, "untrusted"),
        (
            &[("X-Proxy-Secret", "hunter2"), ("X-Proxy-Secret", "hunter2")],
            true,
            "Duplicate",
        ),
        (
            &[("X-Proxy-Secret", "hunter2"), ("X_Proxy-Secret", "hunter2")],
            true,
            "LookAlike",
        ),
    ] {
        let mut lines = secret.to_vec();
        lines.extend(bears.then_some(("X-ClientCert", der.as_str())));
        let read = match front.read(PROXY, &headers(&lines)) {
            Ok(read) if read.trusted => "trusted".to_owned(),
            Ok(_) => "untrusted".to_owned(),
            Err(error) => format!("{error:?}"),
        };
        assert!(read.starts_with(expected), "{secret:?} {bears}: {read}");
    }
    let stranger = front.read(STRANGER, &headers(&[("X-Proxy-Secret", "hunter2")]));
    assert!(matches!(stranger, Err(ProxyError::Forged { .. })));
    // Where none is configured, a client's guess that the web server let pass is not read.
    let twice = [("X-Proxy-Secret", "a"), ("X_Proxy_Secret", "b")];
    let read = self::front(None).read(PROXY, &headers(&twice));
    assert!(read.is_ok_and(|read| read.trusted));
}

#[test]
fn one_line_of_one_name() {
    let (front, der) = (front(None), base64("p256"));
    let good = ("X-ClientCert", der.as_str());
    for (lines, expected) in [
        (vec![good, good], "Duplicate"),
        (vec![good, ("X-ClientCert", "(null)")], "Duplicate"),
        (
            vec![("X-ClientCert", ""), ("X-ClientCert", "")],
            "Duplicate",
        ),
        (vec![good, ("X_ClientCert", "x")], "LookAlike"),
        (vec![("X_ClientCert", der.as_str())], "LookAlike"),
        (vec![good, ("X-ClientCert_Verify", "SUCCESS")], "LookAlike"),
        (vec![good, ("X_ClientCert_Chain", "")], "LookAlike"),
        (vec![good, ("X_Remote-User", "")], "LookAlike"),
        (
            vec![
                good,
                ("X-ClientCert-Verify", "SUCCESS"),
                ("X-ClientCert-Verify", "SUCCESS"),
            ],
            "Duplicate",
        ),
        (
            vec![("X-Remote-User", "a"), ("X-Remote-User", "a")],
            "Duplicate",
        ),
        (
            vec![("X-ClientCert-Chain", &der), ("X-ClientCert-Chain", &der)],
            "Duplicate",
        ),
        (
            vec![("X-ClientCert-Chain", "(null)"), ("X-ClientCert-Chain", "")],
            "Duplicate",
        ),
        (vec![("X-ClientCert-Chain", "x")], "Unrecognised"),
        (
            vec![("X-ClientCert", &"M".repeat(MAX_OCTETS + 1))],
            "TooLarge",
        ),
        (vec![("X-Remote-User", "\u{85}")], "User"),
        (vec![("X-Remote-User", &"a".repeat(257))], "User"),
    ] {
        let error = front.read(PROXY, &headers(&lines)).map_err(|error| {
            assert!(!error.to_string().is_empty() && !error.outside().contains("X-"));
            format!("{error:?}")
        });
        let starts = error
            .as_ref()
            .is_err_and(|error| error.starts_with(expected));
        assert!(starts, "{expected}: {error:?}");
    }
}

#[test]
fn what_a_trusted_web_server_says() {
    let text = pem("p256").replace('\n', " ");
    let inter = format!(":{}:", base64("inter"));
    let lines = headers(&[
        ("X-ClientCert", &text),
        ("X-ClientCert-Chain", &inter),
        ("X-ClientCert-Chain", &format!(":{}:", base64("p256"))),
        ("X-ClientCert-Verify", "SUCCESS"),
        ("X-Remote-User", "Zoë"),
        ("X-Forwarded-For", "198.51.100.1"),
        ("X-Forwarded-For", "192.0.2.7, 127.0.0.1"),
        ("X-Request-Id", "abc"),
        // Names that others would fall back to, and hop-by-hop tokens, change nothing.
        ("Client-Cert", "forged"),
        ("X-SSL-Client-Cert", "forged"),
        ("Connection", "close, X-ClientCert, X-ClientCert-Verify"),
    ]);
    for peer in [PROXY, Peer::Unix] {
        let front = front(None);
        let located = front.locate(peer, &lines).expect("it is well formed");
        let expected = Forwarded {
            certificate: Some(ForwardedCertificate {
                der: certificate("p256"),
                chain: vec![certificate("inter")],
                encoding: Encoding::PEM,
                key: located.key().expect("there is a certificate"),
            }),
            verdict: Verdict::Success,
            user: Some("Zoë".into()),
            address: Some(IpAddr::from([192, 0, 2, 7])),
            request_id: Some("abc".into()),
            trusted: true,
        };
        assert_eq!(front.read(peer, &lines), Ok(expected));
    }
}

#[test]
fn a_verdict_is_exact() {
    for (value, expected) in [
        (None, Verdict::Absent { required: false }),
        (Some(""), Verdict::Failed("".into())),
        (Some(" "), Verdict::Failed("".into())),
        (Some("SUCCESS"), Verdict::Success),
        (Some(" SUCCESS "), Verdict::Success),
        (Some("success"), Verdict::Failed("success".into())),
        (
            Some("SUCCESS,SUCCESS"),
            Verdict::Failed("SUCCESS,SUCCESS".into()),
        ),
        (Some("SUCCESS:"), Verdict::Failed("SUCCESS:".into())),
        (Some("GENEROUS"), Verdict::Failed("GENEROUS".into())),
        (Some("NONE"), Verdict::Failed("NONE".into())),
        (Some("0"), Verdict::Failed("0".into())),
        (Some("(null)"), Verdict::Failed("(null)".into())),
        (Some("FAILED:é"), Verdict::Failed("FAILED:??".into())),
    ] {
        let lines: Vec<_> = value
            .map(|value| ("X-ClientCert-Verify", value))
            .into_iter()
            .collect();
        let read = front(None).read(PROXY, &headers(&lines));
        assert_eq!(read.map(|read| read.verdict), Ok(expected), "{value:?}");
    }
    let long = "x".repeat(500);
    let read = front(None).read(PROXY, &headers(&[("X-ClientCert-Verify", &long)]));
    assert!(
        matches!(read, Ok(Forwarded { verdict: Verdict::Failed(text), .. }) if text.len() == 128)
    );

    for required in [true, false] {
        let mut headers = names();
        headers.verify.required = required;
        let front = Front {
            headers,
            ..front(None)
        };
        let verdict = front
            .read(PROXY, &HeaderMap::new())
            .map(|read| read.verdict);
        assert_eq!(verdict, Ok(Verdict::Absent { required }));
    }
    let mut headers = names();
    headers.verify.name = None;
    let front = Front {
        headers,
        ..front(None)
    };
    let lines = self::headers(&[("X-ClientCert-Verify", "FAILED")]);
    let verdict = front.read(PROXY, &lines).map(|read| read.verdict);
    assert_eq!(verdict, Ok(Verdict::NotAsked));
}

#[test]
fn nothing_is_no_error() {
    for value in ["", "(null)", "::", "<nil>", "{x}", "Hash=00"] {
        let lines = [
            ("X-ClientCert", value),
            ("X-ClientCert-Chain", "(null)"),
            ("X-Remote-User", "(null)"),
            ("X-Request-Id", "a b"),
            ("X-Forwarded-For", "unknown"),
        ];
        let read = front(None).read(PROXY, &headers(&lines));
        let nothing = |read: Forwarded| {
            read.certificate.is_none() && read.user.is_none() && read.request_id.is_none()
        };
        assert!(read.is_ok_and(nothing), "{value}");
    }
}

#[test]
fn what_is_only_logged_refuses_nothing() {
    let lines = [
        ("X-Request-Id", "a"),
        ("X-Request-Id", "b"),
        ("X_Request_Id", "c"),
    ];
    let read = front(None).read(PROXY, &headers(&lines));
    assert_eq!(read.map(|read| read.request_id), Ok(None));
}

#[test]
fn chains_count_together() {
    let (leaf, inter) = (escaped("p256"), escaped("inter"));
    for (inside, beside, good) in [(4, 4, true), (5, 4, false), (0, 8, true), (8, 1, false)] {
        let xfcc = format!("Cert=\"{leaf}\";Chain=\"{leaf}{}\"", inter.repeat(inside));
        let list = vec![format!(":{}:", base64("inter")); beside].join(", ");
        let lines = headers(&[("X-ClientCert", &xfcc), ("X-ClientCert-Chain", &list)]);
        let read = front(None).read(PROXY, &lines);
        assert_eq!(read.is_ok(), good, "{inside} {beside}: {:?}", read.err());
    }
}

#[test]
fn the_key_tells_where_values_end() {
    let front = front(None);
    let key = |certificate: &str, chain: &[&str]| {
        let mut lines = vec![("X-ClientCert", certificate)];
        lines.extend(chain.iter().map(|line| ("X-ClientCert-Chain", *line)));
        let headers = headers(&lines);
        front.locate(PROXY, &headers).expect("one line each").key()
    };
    let all = [
        key("MIIab", &[]),
        key("MIIa", &["b"]),
        key("MIIab", &[":c:", ":d:"]),
        key("MIIab", &[":c:,:d:"]),
        key("MIIab", &[":c::d:"]),
    ];
    for (position, one) in all.iter().enumerate() {
        assert!(
            one.is_some() && !all[..position].contains(one),
            "{position}"
        );
    }
    assert_eq!(key(" MIIab ", &[""]), key("MIIab", &[]));
    assert_eq!(key("(null)", &[]), None);
}

#[test]
fn each_header_has_its_own_name() {
    for (certificate, expected) in [
        ("X-ClientCert", true),
        ("X-ClientCert-Verify", false),
        ("X_ClientCert_Chain", false),
        ("X-Remote-User", false),
        ("X-Proxy-Secret", false),
        ("X-Request-Id", false),
    ] {
        let headers = Headers {
            certificate: name(certificate),
            ..names()
        };
        let front = Front::new(TrustedPeers::default(), None, headers, Encoding::AUTO);
        assert_eq!(front.is_ok(), expected, "{certificate}");
    }
}
