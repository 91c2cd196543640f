//! One exchange with servers that redirect, stall, flood or are not who they should be.

use std::net::Ipv4Addr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use certbound::oauth::time::Lifetime;
use certbound::outbound::OutboundError;
use certbound::outbound::address::Policy;
use certbound::outbound::fetch::{BODY_LIMIT, Outbound, TIME_LIMIT};
use certbound::outbound::guard::{Destination, NotADestination};
use certbound::outbound::roots::Roots;
use http::{HeaderMap, HeaderValue};
use tokio::net::TcpListener;

use crate::authority::Authority;
use crate::stub::{ANY, Answer, Stub};
use crate::{private, until};

const GOOD: Answer = Answer::Whole(
    "HTTP/1.1 200 OK\r\nCache-Control: public, max-age=120\r\nContent-Length: 5\r\n\r\nhello",
);

#[tokio::test]
async fn one_plain_exchange() {
    let stub = Stub::plain(GOOD).await;
    let fetched = stub.get(5).await.expect("an answer");
    assert_eq!(fetched.body, "hello");
    assert_eq!(fetched.max_age, Some(Lifetime::from_seconds(120)));
    let requests = stub.requests.lock().expect("no panic").clone();
    assert_eq!(requests.len(), 1);
    let request = requests[0].to_ascii_lowercase();
    assert!(
        request.starts_with("get /jwks?x=1 http/1.1\r\n"),
        "{request}"
    );
    for header in [
        format!("host: {}\r\n", stub.address),
        "connection: close\r\n".into(),
        "accept: application/json\r\n".into(),
    ] {
        assert_eq!(request.matches(&header).count(), 1, "{header} in {request}");
    }
    assert!(!request.contains("accept-encoding"), "{request}");
}

#[tokio::test]
async fn a_post_carries_its_body() {
    let stub = Stub::plain(Answer::Whole("HTTP/1.1 204 No Content\r\n\r\n")).await;
    let outbound = private(TIME_LIMIT);
    let to = outbound.destination(&stub.url()).expect("its URL");
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("elsewhere.test"));
    headers.insert("x-kind", HeaderValue::from_static("logout"));
    let body = Bytes::from_static(b"logout_token=x");
    let fetched = outbound.post(&to, headers, body, 0).await.expect("204");
    assert!(fetched.body.is_empty());
    let request = stub.requests.lock().expect("no panic")[0].to_ascii_lowercase();
    assert!(
        request.starts_with("post /jwks?x=1 http/1.1\r\n"),
        "{request}"
    );
    assert!(request.contains("content-length: 14\r\n"), "{request}");
    assert!(request.contains("x-kind: logout\r\n"), "{request}");
    assert!(!request.contains("elsewhere"), "{request}");
}

#[tokio::test]
async fn other_answers_are_errors() {
    for (head, status) in [
        (
            "HTTP/1.1 301 M\r\nLocation: http://127.0.0.1:1/\r\n\r\n",
            301,
        ),
        (
            "HTTP/1.1 302 F\r\nLocation: https://169.254.169.254/\r\n\r\n",
            302,
        ),
        (
            "HTTP/1.1 308 P\r\nLocation: file:///etc/passwd\r\n\r\n",
            308,
        ),
        ("HTTP/1.1 201 C\r\nContent-Length: 0\r\n\r\n", 201),
        ("HTTP/1.1 204 N\r\n\r\n", 204),
        ("HTTP/1.1 404 N\r\nContent-Length: 0\r\n\r\n", 404),
        ("HTTP/1.1 500 I\r\nContent-Length: 0\r\n\r\n", 500),
    ] {
        let stub = Stub::plain(Answer::Whole(head)).await;
        assert_eq!(stub.get(100).await, Err(OutboundError::Status(status)));
        assert_eq!(stub.connections(), 1, "{status}");
    }
}

#[tokio::test]
async fn what_is_not_http_is_an_error() {
    for text in [
        "",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    ] {
        let stub = Stub::plain(Answer::Whole(text)).await;
        let outcome = stub.get(100).await;
        assert!(
            matches!(outcome, Err(OutboundError::Http { .. })),
            "{text:?}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_body_may_be_as_large_as_the_limit_and_no_larger() {
    for text in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nhello",
    ] {
        let stub = Stub::plain(Answer::Whole(text)).await;
        assert_eq!(stub.get(5).await.map(|f| f.body), Ok("hello".into()));
        assert_eq!(stub.get(4).await, Err(OutboundError::TooLarge(4)), "{text}");
        assert_eq!(stub.get(0).await, Err(OutboundError::TooLarge(0)), "{text}");
    }
}

#[tokio::test]
async fn ten_gigabytes_announced_are_refused_unread() {
    // The body never comes: only the announcement can have been judged.
    let stub = Stub::plain(Answer::Hangs(
        "HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n",
    ))
    .await;
    let begun = Instant::now();
    let outcome = stub.get(BODY_LIMIT).await;
    assert_eq!(outcome, Err(OutboundError::TooLarge(BODY_LIMIT)));
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn endless_answers_are_cut_off() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = "10\r\n0123456789abcdef\r\n";
    let to_the_end = "HTTP/1.1 200 OK\r\n\r\n";
    for (head, again) in [(chunked, chunk), (to_the_end, chunk)] {
        let stub = Stub::plain(Answer::Endless(head, again)).await;
        let outcome = stub.get(BODY_LIMIT).await;
        assert_eq!(outcome, Err(OutboundError::TooLarge(BODY_LIMIT)));
        until(|| stub.cut.load(Ordering::SeqCst)).await;
    }
    let head = Stub::plain(Answer::Endless("HTTP/1.1 200 OK\r\n", "X-A: aaaaaaaa\r\n")).await;
    let outcome = head.get(BODY_LIMIT).await;
    assert!(
        matches!(outcome, Err(OutboundError::Http { .. })),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn slow_servers_are_given_up() {
    let limit = Duration::from_millis(300);
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    for answer in [
        Answer::Hangs(""),
        Answer::Hangs("HTTP/1.1 200 OK\r\n"),
        Answer::Hangs(length),
        Answer::Drips(length),
        Answer::Drips("HTTP/1.1 200 OK\r\nX-A:"),
    ] {
        let stub = Stub::plain(answer).await;
        let outbound = private(limit);
        let to = outbound.destination(&stub.url()).expect("its URL");
        let begun = Instant::now();
        let outcome = outbound.get(&to, ANY, BODY_LIMIT).await;
        assert_eq!(outcome, Err(OutboundError::TimedOut(limit)));
        assert!(begun.elapsed() < 5 * limit);
        // The connection is not left behind.
        until(|| stub.cut.load(Ordering::SeqCst)).await;
    }
}

#[tokio::test]
async fn loopback_is_refused_by_default() {
    let stub = Stub::plain(GOOD).await;
    let port = stub.address.port();
    let outbound = Outbound::new(Roots::System, Policy::Public, TIME_LIMIT).expect("no roots yet");
    for (url, fault) in [
        (format!("http://127.0.0.1:{port}/"), NotADestination::Scheme),
        (format!("http://localhost:{port}/"), NotADestination::Scheme),
        (
            format!("https://127.0.0.1:{port}/"),
            NotADestination::Address(Ipv4Addr::LOCALHOST.into()),
        ),
        (format!("https://localhost:{port}/"), NotADestination::Local),
    ] {
        assert_eq!(outbound.destination(&url), Err(fault), "{url}");
        // Even a URL that was read under another policy is not called.
        let to = Destination::parse(&url, Policy::AllowPrivate).expect("a loopback URL");
        let outcome = outbound.get(&to, ANY, BODY_LIMIT).await;
        assert!(
            matches!(outcome, Err(OutboundError::Address { .. })),
            "{url}: {outcome:?}"
        );
    }
    assert_eq!(stub.connections(), 0);
    assert!(stub.get(5).await.is_ok());
}

#[tokio::test]
async fn a_closed_port_and_an_unknown_name() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let port = free.and_then(|l| l.local_addr()).expect("a port").port();
    let outbound = private(TIME_LIMIT);
    let to = outbound.destination(&format!("http://127.0.0.1:{port}/"));
    let outcome = outbound.get(&to.expect("a URL"), ANY, 1).await;
    assert!(matches!(outcome, Err(OutboundError::Connect { .. })));
    let to = outbound.destination("https://nobody.invalid/");
    let outcome = private(Duration::from_secs(2))
        .get(&to.expect("a URL"), ANY, 1)
        .await;
    assert!(matches!(
        outcome,
        Err(OutboundError::Unresolved { .. } | OutboundError::TimedOut(_))
    ));
}

#[tokio::test]
async fn the_certificate_must_be_the_hosts_own() {
    let ours = Authority::new();
    let theirs = Authority::new();
    for (issuer, name, host, good) in [
        (&ours, "localhost", "localhost", true),
        (&ours, "127.0.0.1", "127.0.0.1", true),
        (&ours, "other.test", "localhost", false),
        (&ours, "localhost", "127.0.0.1", false),
        (&theirs, "localhost", "localhost", false),
    ] {
        let stub = Stub::start(GOOD, Some(issuer.acceptor(name))).await;
        let roots = ours.roots();
        let outbound = Outbound::new(
            Roots::Pem(roots.as_bytes()),
            Policy::AllowPrivate,
            TIME_LIMIT,
        )
        .expect("one root");
        let url = format!("https://{host}:{}/jwks", stub.address.port());
        let to = outbound.destination(&url).expect("its URL");
        let outcome = outbound.get(&to, ANY, BODY_LIMIT).await;
        if good {
            assert_eq!(outcome.map(|f| f.body), Ok("hello".into()), "{name}");
        } else {
            assert!(
                matches!(outcome, Err(OutboundError::Tls { .. })),
                "{name} at {host}: {outcome:?}"
            );
            assert!(stub.requests.lock().expect("no panic").is_empty());
        }
    }
}

#[tokio::test]
async fn plain_http_behind_https_is_an_error() {
    let stub = Stub::plain(GOOD).await;
    let roots = Authority::new().roots();
    let outbound = Outbound::new(
        Roots::Pem(roots.as_bytes()),
        Policy::AllowPrivate,
        Duration::from_secs(1),
    )
    .expect("one root");
    let to = outbound.destination(&format!("https://{}/", stub.address));
    let outcome = outbound.get(&to.expect("a URL"), ANY, BODY_LIMIT).await;
    assert!(
        matches!(
            outcome,
            Err(OutboundError::Tls { .. } | OutboundError::TimedOut(_))
        ),
        "{outcome:?}"
    );
}
