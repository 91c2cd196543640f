//! What is too much, too slow or no HTTP: refused early, with nothing done.

use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::pki::pki;
use crate::wire::{Response, read_to_end};
use crate::world::{Server, World};

/// A raw request that must be refused or cut off, and never answered with a token.
#[track_caller]
fn refused(server: &Server, why: &str, octets: &[u8]) -> Option<Response> {
    let began = Instant::now();
    let answer = server.place.raw(octets);
    assert!(began.elapsed() < Duration::from_secs(5), "{why}: not fast");
    let text = String::from_utf8_lossy(&answer).into_owned();
    assert!(!text.contains("access_token"), "{why}: {text}");
    assert!(
        text.matches("HTTP/1.1 ").count() <= 1,
        "{why}: a second request was executed: {text}"
    );
    if answer.is_empty() {
        return None;
    }
    let response = Response::parse(&answer);
    assert!(
        matches!(response.status, 400 | 408 | 413 | 414 | 431 | 501),
        "{why}: {text}"
    );
    Some(response)
}

/// Resident memory in KiB.
fn memory(server: &Server) -> u64 {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("it runs");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .expect("VmRSS");
    line.trim()
        .trim_end_matches(" kB")
        .parse()
        .expect("a number")
}

/// The log cannot be reckoned up where hyper refuses before certbound sees a request.
fn head(extra: &str) -> Vec<u8> {
    let alice = pki().alice.apache();
    format!(
        "POST /token HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-ClientCert: {alice}\r\n\
         X-ClientCert-Verify: SUCCESS\r\nContent-Type: application/x-www-form-urlencoded\r\n{extra}"
    )
    .into_bytes()
}

const BODY: &str = "grant_type=client_credentials&client_id=alice";

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "one table of cases, and what it needs"
)]
fn hdr_09_ambiguous_framing() {
    let server = World::usual().start().uncounted();
    let length = BODY.len();
    let good = [
        head(&format!("Content-Length: {length}\r\n\r\n")),
        BODY.into(),
    ]
    .concat();
    assert_eq!(Response::parse(&server.place.raw(&good)).status, 200);
    let smuggled = "POST /token HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    for (why, extra, body) in [
        (
            "obs-fold",
            format!("X-A: b\r\n c\r\nContent-Length: {length}\r\n\r\n"),
            BODY.to_owned(),
        ),
        (
            "obs-fold by tab",
            format!("X-A: b\r\n\tc\r\nContent-Length: {length}\r\n\r\n"),
            BODY.to_owned(),
        ),
        (
            "NUL",
            format!("X-A: b\0c\r\nContent-Length: {length}\r\n\r\n"),
            BODY.to_owned(),
        ),
        (
            "bare CR",
            format!("X-A: b\rc\r\nContent-Length: {length}\r\n\r\n"),
            BODY.to_owned(),
        ),
        (
            "blank before the colon",
            format!("X-A : b\r\nContent-Length: {length}\r\n\r\n"),
            BODY.to_owned(),
        ),
        (
            "two lengths",
            format!("Content-Length: {length}\r\nContent-Length: 5\r\n\r\n"),
            format!("{BODY}{smuggled}"),
        ),
        (
            "a list of lengths",
            format!("Content-Length: {length}, 5\r\n\r\n"),
            format!("{BODY}{smuggled}"),
        ),
        (
            "a signed length",
            format!("Content-Length: +{length}\r\n\r\n"),
            BODY.to_owned(),
        ),
        (
            "a negative length",
            "Content-Length: -1\r\n\r\n".to_owned(),
            BODY.to_owned(),
        ),
        (
            "a hexadecimal length",
            "Content-Length: 0x10\r\n\r\n".to_owned(),
            BODY.to_owned(),
        ),
        (
            "an unknown coding",
            "Transfer-Encoding: xchunked\r\n\r\n".to_owned(),
            BODY.to_owned(),
        ),
        (
            "chunked not last",
            "Transfer-Encoding: chunked, identity\r\n\r\n".to_owned(),
            format!("{length:x}\r\n{BODY}\r\n0\r\n\r\n"),
        ),
        (
            "a chunk that is none",
            "Transfer-Encoding: chunked\r\n\r\n".to_owned(),
            format!("zz\r\n{BODY}\r\n0\r\n\r\n"),
        ),
        (
            "a second Host",
            format!("Host: b\r\nContent-Length: {length}\r\n\r\n"),
            BODY.to_owned(),
        ),
    ] {
        refused(&server, why, &[head(&extra), body.into()].concat());
    }
    let both = format!(
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{BODY}\r\n0\r\n\r\n{smuggled}"
    );
    // RFC 9112 section 6.3 lets the chunks decide if the connection is closed: one answer at most.
    for answer in [
        server.place.raw(&head(&both)),
        server
            .place
            .raw(&head(&both.replace("Connection: close", "X: y"))),
    ] {
        let text = String::from_utf8_lossy(&answer).into_owned();
        assert!(
            text.matches("HTTP/1.1 ").count() <= 1,
            "a second request was executed: {text}"
        );
    }
    for (why, octets) in [
        ("no HTTP", "\u{16}\u{3}\u{1}\r\n\r\n".to_owned()),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
        ("no version", "GET /jwks\r\n\r\n".to_owned()),
        (
            "a blank in the path",
            "GET /jw ks HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        ),
    ] {
        refused(&server, why, octets.as_bytes());
    }
    server.logs("no HTTP request");
    assert_eq!(server.get("jwks").send().status, 200, "it is still there");
}

#[test]
fn hdr_10_oversized_header_blocks() {
    let server = World::usual().start().uncounted();
    server.token("alice").with(&pki().alice).send().token();
    let before = memory(&server);
    let ending = format!("Content-Length: {}\r\n\r\n{BODY}", BODY.len());
    let large = |octets: usize| head(&format!("X-Filler: {}\r\n{ending}", "a".repeat(octets)));
    for octets in [64 * 1024, 128 * 1024, 512 * 1024] {
        for _ in 0..10 {
            refused(&server, "a large header", &large(octets));
        }
    }
    let lines: String = (0..200)
        .map(|number| format!("X-{number}: a\r\n"))
        .collect();
    refused(&server, "200 lines", &head(&format!("{lines}{ending}")));
    let path = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(100_000));
    refused(&server, "a long path", path.as_bytes());
    let grown = memory(&server).saturating_sub(before);
    assert!(grown < 32 * 1024, "memory grew by {grown} KiB");
    // What a large but honest certificate needs is let through.
    let honest = server
        .token("alice")
        .with(&pki().alice)
        .header("X-Filler", "a".repeat(20_000));
    honest.send().token();
    let small = World::usual()
        .flag("--max-header-bytes", "8k")
        .start()
        .uncounted();
    refused(&small, "9 KiB where 8 are the limit", &large(9 * 1024));
    assert!(
        refused(&server, "a large header", &large(70_000))
            .is_none_or(|answer| matches!(answer.status, 400 | 431))
    );
}

#[test]
fn bodies_have_a_limit() {
    let server = World::usual().start();
    let long = format!("{BODY}&x={}", "a".repeat(70_000));
    let declared = server.post("token").with(&pki().alice).body(long.clone());
    assert_eq!(declared.send().status, 413);
    let fits = format!("{BODY}&x={}", "a".repeat(60_000));
    server
        .post("token")
        .with(&pki().alice)
        .body(fits)
        .send()
        .token();
    let chunked = head(&format!(
        "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{long}\r\n0\r\n\r\n",
        long.len()
    ));
    let response = server.place.exchange(&chunked);
    assert_eq!(response.status, 413);
    server.post("token").seen(&response);
    let many: String = (0..100).map(|number| format!("&p{number}=1")).collect();
    let request = server
        .post("token")
        .with(&pki().alice)
        .body(format!("{BODY}{many}"));
    request.send().refuses(400, "invalid_request");
    // Only a promise: it is refused before it arrives.
    let promise = head("Content-Length: 1000000000\r\n\r\n");
    let response = server.place.exchange(&promise);
    assert_eq!(response.status, 413);
    server.post("token").seen(&response);
}

#[test]
fn slow_headers_and_bodies_are_cut_off() {
    let server = World::usual().start().uncounted();
    let timed = |first: &[u8], then: Option<u8>| {
        let mut stream = server.place.connect().expect("it listens");
        stream.write_all(first).expect("written");
        let began = Instant::now();
        if let Some(drip) = then {
            // An octet a second, for ever.
            while began.elapsed() < Duration::from_secs(25) && stream.write_all(&[drip]).is_ok() {
                std::thread::sleep(Duration::from_millis(700));
            }
        }
        let answer = read_to_end(&mut *stream);
        (
            began.elapsed(),
            String::from_utf8_lossy(&answer).into_owned(),
        )
    };
    let about = |elapsed: Duration| (8..16).contains(&elapsed.as_secs());
    std::thread::scope(|scope| {
        let silent = scope.spawn(|| timed(b"POST /token HTTP/1.1\r\nHost: a\r\n", None));
        let dripping =
            scope.spawn(|| timed(b"POST /token HTTP/1.1\r\nHost: a\r\nX-A: ", Some(b'a')));
        let body = scope.spawn(|| timed(&head("Content-Length: 100\r\n\r\ngrant_type"), None));
        let dripping_body =
            scope.spawn(|| timed(&head("Content-Length: 1000\r\n\r\n"), Some(b'a')));
        for (why, asked) in [("silent", silent), ("dripping", dripping)] {
            let (elapsed, answer) = asked.join().expect("no panic");
            assert!(about(elapsed), "{why}: {elapsed:?}");
            assert!(
                answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
                "{why}: {answer}"
            );
        }
        for (why, asked) in [("body", body), ("dripping body", dripping_body)] {
            let (elapsed, answer) = asked.join().expect("no panic");
            assert!(about(elapsed), "{why}: {elapsed:?}");
            // Whoever still writes when the answer comes may see a reset in its place.
            assert!(
                answer.starts_with("HTTP/1.1 408") || (why != "body" && answer.is_empty()),
                "{why}: {answer}"
            );
        }
        // Meanwhile others are served.
        server.token("alice").with(&pki().alice).send().token();
    });
}

#[test]
fn connections_are_kept_and_pipelined_requests_answered_in_turn() {
    let server = World::usual().start();
    let one = String::from_utf8(
        server
            .get("jwks")
            .header("Connection", "keep-alive")
            .octets(),
    )
    .expect("ASCII");
    let last = String::from_utf8(server.get("jwks").octets()).expect("ASCII");
    let answer = server.place.raw(format!("{one}{one}{last}").as_bytes());
    let text = String::from_utf8_lossy(&answer).into_owned();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 3);
}

/// Most systems allow 1,024 open files to whoever does not ask for more.
#[test]
fn as_many_files_are_asked_for_as_there_may_be_connections() {
    let limits = |server: &Server| {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.pid()));
        let limits = limits.expect("it runs");
        let line = limits.lines().find(|line| line.starts_with("Max open"));
        let numbers = line.expect("it is there").split_whitespace();
        let numbers: Vec<u32> = numbers.filter_map(|word| word.parse().ok()).collect();
        (numbers[0], numbers[1])
    };
    let thousand = || World::usual().flag("--max-connections", "1000");
    let server = thousand().open_files(128, 2048).start();
    assert_eq!(limits(&server), (1256, 2048));
    assert!(!server.log().contains("max-connections"));

    let server = thousand().open_files(2000, 2048).start();
    assert_eq!(limits(&server), (2000, 2048), "what is enough is left");

    let server = thousand().open_files(128, 400).start();
    assert_eq!(limits(&server), (400, 400));
    server.logs("1000 connections need 1256 file descriptors, and the system allows 400");
    server.token("alice").with(&pki().alice).send().token();
}
