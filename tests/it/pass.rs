//! Reverse-proxy mode from outside: what is passed on, what is not, and what becomes of both ends.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use crate::application::{Application, PIECE, blank, piece};
use crate::pki::pki;
use crate::request::Request;
use crate::wire::{Duplex, Response, read_to_end};
use crate::world::{Server, World};

/// A gate with sessions before that application, under `/orders/`.
fn before(application: &Application) -> Server {
    behind(&application.upstream, "")
}

fn behind(upstream: &str, more: &str) -> Server {
    let world = World::usual().gates_of(|world| {
        let secret = world.write("session.secret", "0123456789abcdef0123456789abcdef\n");
        format!(
            "[gate.orders]\npath = \"/orders/\"\nupstream = \"{upstream}\"\n\
             auth_methods = [\"bearer\", \"session\"]\nsession_secret_file = \"{secret}\"\n{more}"
        )
    });
    world.start().uncounted()
}

fn token(server: &Server) -> String {
    let answer = server.token("alice").with(&pki().alice).send();
    answer.text("access_token")
}

/// A request that may pass.
fn allowed<'a>(server: &'a Server, method: &str, path: &str, token: &str) -> Request<'a> {
    server
        .request(method, path)
        .header("Authorization", format!("Bearer {token}"))
        .with(&pki().alice)
}

/// The answer to it, whoever made it.
fn exchange(request: &Request<'_>) -> Response {
    request.server.place.exchange(&request.octets())
}

/// The octets of a request that leaves its connection open.
fn kept_open(request: Request<'_>) -> Vec<u8> {
    request.header("Connection", "keep-alive").octets()
}

/// Reads one answer with a length from a connection that stays open.
fn one_answer(stream: &mut dyn Duplex) -> Response {
    let mut octets = Vec::new();
    let mut one = [0];
    while !octets.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut one).expect("a header");
        octets.push(one[0]);
    }
    let head = Response::parse(&octets);
    let length = head
        .header("content-length")
        .map_or(0, |length| length.parse().expect("a length"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("a body");
    octets.extend(body);
    Response::parse(&octets)
}

fn peak(server: &Server) -> u64 {
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let line = line.expect("a peak").trim().trim_end_matches(" kB");
    line.parse().expect("a number")
}

#[track_caller]
fn refused(answer: &Response, status: u16, true_status: Option<&str>) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("x-gate-status"), true_status, "{answer:?}");
    assert_eq!(
        (answer.header("content-length"), &*answer.body),
        (Some("0"), "")
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let challenge = answer.header("www-authenticate").expect("a challenge");
    assert!(
        challenge.starts_with("Bearer realm=\"orders\""),
        "{challenge}"
    );
}

#[test]
fn what_the_application_sees() {
    let application = Application::over_tcp();
    let server = before(&application);
    let token = token(&server);
    let request = allowed(
        &server,
        "PATCH",
        "/orders/a%20b;c/d?x=%2e%2e/&y=//#",
        &token,
    )
    .header("X-Forwarded-For", "192.0.2.7")
    .header("X-Forwarded-Proto", "https")
    .header("x_auth_subject", "mallory")
    .header("X-Auth.Scope", "admin")
    .header("X-Auth-Issuer", "https://mallory.example")
    .header("X-Gate-Truncated", "scope")
    .header("Client-Cert", ":AAAA:")
    .header(
        "Connection",
        "close, X-Auth-Subject, X-Auth-Thumbprint, X-Mine, Content-Length",
    )
    .header("X-Mine", "hop")
    .header("TE", "trailers")
    .header("Cookie", "a=b; __Host-certbound-other=x; c=d")
    .header("Content-Type", "text/plain")
    .body("five!");
    let answer = exchange(&request);
    assert_eq!(answer.status, 200, "{answer:?}");
    let head = application.last();
    assert!(
        head.starts_with("PATCH /orders/a%20b;c/d?x=%2e%2e/&y=// HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(answer.body.ends_with("5 octets"), "{}", answer.body);
    let lines: Vec<String> = head.lines().skip(1).map(str::to_ascii_lowercase).collect();
    let starts = |start: &str| -> Vec<&str> {
        let found = lines.iter().filter(|line| line.starts_with(start));
        found.map(|line| &line[start.len()..]).collect()
    };
    for (name, value) in [
        ("host: ", "as.example.com"),
        ("x-forwarded-for: ", "192.0.2.7"),
        ("x-forwarded-proto: ", "https"),
        ("x-auth-subject: ", "alice"),
        ("x-auth-client-id: ", "alice"),
        ("x-auth-scope: ", "orders.read orders.write"),
        ("x-auth-issuer: ", "https://as.example.com"),
        ("cookie: ", "a=b; c=d"),
        ("content-type: ", "text/plain"),
        ("content-length: ", "5"),
    ] {
        assert_eq!(starts(name), [value], "{head}");
    }
    let thumbprint = starts("x-auth-thumbprint: ").concat();
    assert_eq!(thumbprint.len(), 43, "{head}");
    for name in [
        "authorization",
        "x-clientcert",
        "x_auth",
        "x-auth.",
        "x-gate",
        "client-cert",
        "connection",
        "x-mine",
        "te:",
        "expect",
        "transfer-encoding",
    ] {
        assert!(starts(name).is_empty(), "{name}: {head}");
    }
    // The session that the request has earned does not get into shared caches.
    let cookie = answer.header("set-cookie").expect("a session");
    assert!(cookie.starts_with("__Host-certbound-orders="), "{cookie}");
    assert_eq!(answer.header("cache-control"), Some("private"));
    assert_eq!(answer.header("x-content-type-options"), None);

    // With the cookie in place of the token.
    let cookie = cookie.split(';').next().expect("a pair").to_owned();
    server.keeps_secret(cookie.split_once('=').expect("a pair").1);
    let request = server
        .get("/orders/x")
        .header("Cookie", cookie)
        .with(&pki().alice);
    let answer = exchange(&request);
    assert_eq!(answer.status, 200, "{answer:?}");
    let head = application.last().to_ascii_lowercase();
    assert!(head.contains("\r\nx-auth-subject: alice\r\n"), "{head}");
    assert!(!head.contains("cookie"), "{head}");
    assert_eq!(answer.header("set-cookie"), None);
    assert_eq!(answer.header("cache-control"), Some("private"));

    // Bodies in chunks go on in chunks, also where hardly anybody sends one, and trailers do not.
    for method in ["POST", "GET", "DELETE"] {
        let mut octets = allowed(&server, method, "/orders/x", &token)
            .header("Transfer-Encoding", "chunked")
            .header("Content-Type", "text/plain")
            .octets();
        let text = String::from_utf8(octets)
            .expect("ASCII")
            .replace("Content-Length: 0\r\n", "");
        octets =
            format!("{text}5\r\nhello\r\n1\r\n!\r\n0\r\nX-Auth-Subject: x\r\n\r\n").into_bytes();
        let answer = server.place.exchange(&octets);
        assert!(answer.body.ends_with("6 octets"), "{method}: {answer:?}");
    }
}

#[test]
fn the_token_is_passed_on_where_that_is_wanted() {
    let application = Application::over_tcp();
    let server = behind(&application.upstream, "pass_token = true\n");
    let token = token(&server);
    let answer = exchange(&allowed(&server, "GET", "/orders/x", &token));
    assert_eq!(answer.status, 200);
    let line = format!("\r\nauthorization: Bearer {token}\r\n");
    assert!(application.last().contains(&line), "{}", application.last());
}

#[test]
fn what_is_refused_never_reaches_the_application() {
    let application = Application::over_tcp();
    let server = before(&application);
    let token = token(&server);
    for (path, why) in [
        ("/orders/../x", "dots"),
        ("/orders/%2e%2E/x", "escaped dots"),
        ("/orders/..;/x", "dots with a parameter"),
        ("/orders//x", "two slashes"),
        ("//orders/x", "two slashes before"),
        ("/orders/a%2fb", "an escaped slash"),
        ("/orders/a%5Cb", "an escaped backslash"),
        ("/orders/a%00b", "an octet that ends strings"),
        ("/x/../orders/y", "dots before"),
        ("http://as.example.com/orders/x", "a whole URL"),
    ] {
        let mut request = allowed(&server, "GET", "/", &token);
        path.clone_into(&mut request.path);
        let answer = exchange(&request);
        refused(&answer, 401, Some("400"));
        assert_eq!(application.requests(), 0, "{why}");
    }
    for path in ["/orders", "/ordersx", "/Orders/x", "/x/../y"] {
        let answer = exchange(&allowed(&server, "GET", path, &token));
        assert_eq!(answer.status, 404, "{path}");
    }
    let get = || server.get("/orders/x");
    let bearer = format!("Bearer {token}");
    refused(&exchange(&get().with(&pki().alice)), 401, None);
    refused(
        &exchange(&get().header("Authorization", bearer.clone())),
        401,
        None,
    );
    refused(
        &exchange(
            &get()
                .header("Authorization", bearer.clone())
                .with(&pki().bob),
        ),
        401,
        None,
    );
    let doubled = allowed(&server, "GET", "/orders/x", &token).header("Authorization", "Bearer x");
    refused(&exchange(&doubled), 401, Some("400"));
    let look_alike = allowed(&server, "GET", "/orders/x", &token).header("X_ClientCert", "x");
    refused(&exchange(&look_alike), 401, Some("400"));
    let coded =
        allowed(&server, "GET", "/orders/x", &token).header("Transfer-Encoding", "gzip, chunked");
    refused(&exchange(&coded), 401, Some("400"));
    // An application that agrees would be left alone with whoever asked.
    let tunnel = allowed(&server, "CONNECT", "/orders/x", &token);
    refused(&exchange(&tunnel), 401, Some("400"));
    let query = allowed(&server, "GET", "/orders/x?access_token=x", &token);
    refused(&exchange(&query), 401, Some("400"));
    let nameless = allowed(&server, "GET", "/orders/x", &token).octets();
    let nameless = String::from_utf8(nameless)
        .expect("ASCII")
        .replace("Host: as.example.com\r\n", "");
    refused(
        &server.place.exchange(nameless.as_bytes()),
        401,
        Some("400"),
    );

    // A body that is not read ends the connection, but only after the answer has been had.
    let mut stream = server.place.connect().expect("it listens");
    let head = "POST /orders/x HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("sent");
    stream.write_all(&vec![b'x'; 300_000]).expect("sent");
    let answer = Response::parse(&read_to_end(&mut *stream));
    refused(&answer, 401, None);
    assert_eq!(answer.header("connection"), Some("close"));
    // Nor is anybody told to send one.
    let head =
        "POST /orders/x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n";
    refused(&server.place.exchange(head.as_bytes()), 401, None);
    assert_eq!((application.requests(), application.connections()), (0, 0));

    // Who is let through is told so.
    let expecting = allowed(&server, "POST", "/orders/x", &token)
        .header("Expect", "100-continue")
        .body("hello");
    let octets = expecting.octets();
    let mut stream = server.place.connect().expect("it listens");
    stream.write_all(&octets[..octets.len() - 5]).expect("sent");
    let told = one_answer(&mut *stream);
    assert_eq!(told.status, 100);
    stream.write_all(b"hello").expect("sent");
    let answer = Response::parse(&read_to_end(&mut *stream));
    assert!(answer.body.ends_with("5 octets"), "{answer:?}");
    let metrics = server.admin("/metrics").body;
    assert!(
        metrics.contains("endpoint=\"pass\",status=\"200\"} 1"),
        "{metrics}"
    );
}

#[test]
fn answers_of_every_kind() {
    let application = Application::over_tcp();
    let server = before(&application);
    let token = token(&server);
    let get = |path: &str| exchange(&allowed(&server, "GET", path, &token));
    let chunks = get("/orders/chunks");
    assert_eq!(chunks.header("transfer-encoding"), Some("chunked"));
    assert_eq!(
        (chunks.header("content-length"), chunks.header("trailer")),
        (None, None)
    );
    assert!(
        chunks.body.ends_with("0\r\n\r\n") && !chunks.body.contains("forged"),
        "{chunks:?}"
    );
    let old = get("/orders/old");
    assert!(
        old.body.contains("until the end") && old.body.ends_with("0\r\n\r\n"),
        "{old:?}"
    );
    let nothing = get("/orders/nothing");
    assert_eq!(
        (nothing.status, nothing.header("x-a"), &*nothing.body),
        (204, Some("b"), "")
    );
    let same = get("/orders/same");
    assert_eq!(
        (same.status, same.header("etag"), &*same.body),
        (304, Some("\"a\""), "")
    );
    let head = exchange(&allowed(&server, "HEAD", "/orders/x", &token));
    assert_eq!((head.status, &*head.body), (200, ""));
    assert!(
        head.header("content-length")
            .is_some_and(|length| length.len() > 2),
        "{head:?}"
    );
    let forged = get("/orders/forge");
    let cookies: Vec<&str> = forged
        .headers
        .iter()
        .filter(|(name, _)| name == "set-cookie")
        .map(|(_, value)| value.split('=').next().expect("a name"))
        .collect();
    assert_eq!(cookies, ["mine", "__Host-certbound-orders"]);
    assert!(!format!("{forged:?}").contains("=forged"), "{forged:?}");
    assert_eq!(forged.header("cache-control"), Some("max-age=60, private"));
    for name in ["x-auth-subject", "x-gate-status", "x-hop", "keep-alive"] {
        assert_eq!(forged.header(name), None);
    }
}

#[test]
fn connections_are_kept_on_both_sides() {
    let application = Application::over_tcp();
    let server = before(&application);
    let token = token(&server);
    let mut stream = server.place.connect().expect("it listens");
    for method in ["GET", "POST", "HEAD", "GET", "PUT"] {
        let path = if method == "HEAD" {
            "/orders/nothing"
        } else {
            "/orders/x"
        };
        stream
            .write_all(&kept_open(allowed(&server, method, path, &token)))
            .expect("sent");
        let answer = one_answer(&mut *stream);
        assert!(matches!(answer.status, 200 | 204), "{method}: {answer:?}");
    }
    assert_eq!(application.connections(), 1);

    // A hundred at once, and a hundred after these.
    for _ in 0..2 {
        std::thread::scope(|scope| {
            for number in 0..100 {
                let (server, token) = (&server, &token);
                scope.spawn(move || {
                    let path = format!("/orders/{number}");
                    let answer = exchange(&allowed(server, "GET", &path, token));
                    assert!(
                        answer.body.starts_with(&format!("GET {path} HTTP")),
                        "{answer:?}"
                    );
                });
            }
        });
    }
    let connections = application.connections();
    assert!(
        connections < 150,
        "{connections} connections for 205 requests"
    );
    // A connection that the application has closed is no reason to fail.
    for _ in 0..20 {
        let answer = exchange(&allowed(&server, "GET", "/orders/once", &token));
        assert_eq!(answer.body, "once");
    }
}

#[test]
fn only_what_changes_nothing_is_repeated() {
    let application = Application::over_tcp();
    let server = before(&application);
    let token = token(&server);
    for (method, body, times) in [
        ("GET", "", 2),
        ("POST", "", 1),
        ("PUT", "x", 1),
        ("GET", "", 2),
    ] {
        // A connection that is kept, and used at once.
        assert_eq!(
            exchange(&allowed(&server, "GET", "/orders/x", &token)).status,
            200
        );
        let before = application.requests();
        let request = allowed(&server, method, "/orders/vanish", &token).body(body);
        assert_eq!(exchange(&request).status, 502, "{method}");
        assert_eq!(application.requests() - before, times, "{method} {body}");
    }
}

#[test]
fn websockets_are_connections() {
    let application = Application::over_tcp();
    let world = World::usual()
        .flag("--max-connections", "1")
        .gates(&format!(
            "[gate.orders]\npath = \"/orders/\"\nupstream = \"{}\"\n",
            application.upstream
        ));
    let server = world.start().uncounted();
    let token = token(&server);
    let mut socket = server.place.connect().expect("it listens");
    let request = upgrade(&server, "/orders/socket", &token, "websocket");
    socket.write_all(&request.octets()).expect("sent");
    assert_eq!(one_answer(&mut *socket).status, 101);
    let mut waiting = server.place.connect().expect("it listens");
    let request = allowed(&server, "GET", "/orders/x", &token);
    waiting.write_all(&request.octets()).expect("sent");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(
        application.requests(),
        1,
        "there is room for one connection"
    );
    drop(socket);
    assert_eq!(Response::parse(&read_to_end(&mut *waiting)).status, 200);
}

#[test]
fn a_unix_socket_will_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let application = Application::at(&folder.path().join("app.sock"));
    let server = before(&application);
    let token = token(&server);
    let request = allowed(&server, "GET", "/orders/x", &token).octets();
    let old = String::from_utf8(request).expect("ASCII");
    let old = old
        .replace("HTTP/1.1", "HTTP/1.0")
        .replace("Host: as.example.com\r\n", "");
    let answer = server.place.raw(old.as_bytes());
    let answer = String::from_utf8(answer).expect("ASCII");
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\r\nhost: localhost\r\n"), "{answer}");
}

#[test]
fn applications_that_do_not_answer() {
    let application = Application::over_tcp();
    let server = before(&application);
    let token = token(&server);
    for path in ["vanish", "garbage", "switch", "coded"] {
        for method in ["GET", "POST"] {
            let request = allowed(&server, method, &format!("/orders/{path}"), &token);
            let answer = exchange(&request);
            assert_eq!((answer.status, &*answer.body), (502, ""), "{method} {path}");
            assert_eq!(answer.header("connection"), Some("close"));
            assert_eq!(answer.header("x-auth-subject"), None);
        }
    }
    server.logs("gate=\"orders\"");
    server.logs(&application.upstream);
    server.logs("transfer coding besides chunked");
    // What breaks off here breaks off there.
    let answer = server
        .place
        .raw(&allowed(&server, "GET", "/orders/short", &token).octets());
    let text = String::from_utf8(answer).expect("ASCII");
    assert!(
        text.contains("content-length: 100\r\n") && text.ends_with("short"),
        "{text}"
    );
    server.logs("an application's answer broke off");
    // An answer before the body has been read is one.
    let early = allowed(&server, "POST", "/orders/early", &token).body(vec![b'x'; 200_000]);
    let answer = exchange(&early);
    assert_eq!((answer.status, &*answer.body), (413, "big"));

    let nobody = behind("http://127.0.0.1:1", "");
    let bearer = crate::pass::token(&nobody);
    let began = Instant::now();
    let answer = exchange(&allowed(&nobody, "GET", "/orders/x", &bearer));
    assert_eq!(answer.status, 502);
    assert!(began.elapsed() < Duration::from_secs(5));
    nobody.logs("cannot be reached");
    let gone = behind("unix:/nonexistent/app.sock", "");
    let bearer = crate::pass::token(&gone);
    assert_eq!(
        exchange(&allowed(&gone, "GET", "/orders/x", &bearer)).status,
        502
    );
}

#[test]
fn silence_ends_after_a_minute() {
    let application = Application::over_tcp();
    let server = before(&application);
    let token = token(&server);
    let mut stream = server.place.connect().expect("it listens");
    let began = Instant::now();
    stream
        .write_all(&allowed(&server, "GET", "/orders/hang", &token).octets())
        .expect("sent");
    // The test's own patience is shorter.
    let mut answer = Vec::new();
    while answer.is_empty() && began.elapsed() < Duration::from_secs(80) {
        answer = read_to_end(&mut *stream);
    }
    assert_eq!(Response::parse(&answer).status, 504);
    assert!(began.elapsed() >= Duration::from_secs(60));
}

#[test]
fn a_gibibyte_each_way() {
    const PIECES: u64 = (1 << 30) / PIECE as u64;
    let application = Application::over_tcp();
    let server = before(&application);
    let token = token(&server);
    let mut stream = server.place.connect().expect("it listens");
    let path = format!("/orders/down?{PIECES}");
    stream
        .write_all(&kept_open(allowed(&server, "GET", &path, &token)))
        .expect("sent");
    let mut octets = Vec::new();
    let mut one = [0];
    while !octets.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut one).expect("a header");
        octets.push(one[0]);
    }
    assert_eq!(
        Response::parse(&octets).header("content-length"),
        Some("1073741824")
    );
    let (mut expected, mut found) = (blank(), vec![0; PIECE]);
    for number in 0..PIECES {
        stream.read_exact(&mut found).expect("a piece");
        piece(number, &mut expected);
        assert!(found == expected, "piece {number} is another one");
    }
    assert!(
        peak(&server) < 64 * 1024,
        "{} KiB after the download",
        peak(&server)
    );

    // On the same connections.
    let head = allowed(&server, "PUT", "/orders/up", &token).header("Content-Length", "1073741824");
    stream.write_all(&kept_open(head)).expect("sent");
    for number in 0..PIECES {
        piece(number, &mut expected);
        stream.write_all(&expected).expect("sent");
    }
    let answer = one_answer(&mut *stream);
    assert_eq!((answer.status, &*answer.body), (200, "1073741824 octets"));
    assert!(
        peak(&server) < 64 * 1024,
        "{} KiB after the upload",
        peak(&server)
    );
}

#[test]
fn nobody_reads_ahead() {
    let application = Application::over_tcp();
    let server = before(&application);
    let token = token(&server);
    // A client that takes nothing of a large answer, for longer than an ordinary answer may take.
    let mut stream = server.place.connect().expect("it listens");
    stream
        .write_all(&allowed(&server, "GET", "/orders/down?4096", &token).octets())
        .expect("sent");
    let mut first = vec![0; PIECE];
    stream.read_exact(&mut first).expect("a piece");
    std::thread::sleep(Duration::from_secs(12));
    assert!(peak(&server) < 64 * 1024, "{} KiB", peak(&server));
    let rest = read_to_end(&mut *stream);
    assert!(first.len() + rest.len() > 4096 * PIECE, "it was cut off");
    // A client that sends its body a piece at a time.
    let slow = allowed(&server, "POST", "/orders/x", &token).body(vec![b'x'; 24]);
    let octets = slow.octets();
    let mut stream = server.place.connect().expect("it listens");
    stream
        .write_all(&octets[..octets.len() - 24])
        .expect("sent");
    for _ in 0..3 {
        stream.write_all(b"xxxxxxxx").expect("sent");
        std::thread::sleep(Duration::from_secs(4));
    }
    let answer = Response::parse(&read_to_end(&mut *stream));
    assert!(answer.body.ends_with("24 octets"), "{answer:?}");
}

#[test]
fn who_goes_away_is_not_served_any_more() {
    let application = Application::over_tcp();
    let server = before(&application);
    let token = token(&server);
    let mut stream = server.place.connect().expect("it listens");
    let request = allowed(&server, "GET", "/orders/stall", &token);
    stream.write_all(&kept_open(request)).expect("sent");
    stream.read_exact(&mut [0; 20]).expect("a beginning");
    drop(stream);
    let began = Instant::now();
    while application.last() != "gone" {
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "it is kept waiting"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    // The same where the body of the request is what is missing.
    let mut stream = server.place.connect().expect("it listens");
    let request = allowed(&server, "PUT", "/orders/stall", &token).header("Content-Length", "99");
    stream.write_all(&request.octets()).expect("sent");
    stream.read_exact(&mut [0; 20]).expect("a beginning");
    drop(stream);
    let began = Instant::now();
    while application.requests() < 4 {
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "it is kept waiting"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn upgrade<'a>(server: &'a Server, path: &str, token: &str, protocol: &str) -> Request<'a> {
    allowed(server, "GET", path, token)
        .header("Connection", "keep-alive, Upgrade")
        .header("Upgrade", protocol)
        .header("Sec-WebSocket-Key", "x")
}

#[test]
fn websockets() {
    let application = Application::over_tcp();
    let mut server = before(&application);
    let token = token(&server);
    let mut stream = server.place.connect().expect("it listens");
    let mut octets = upgrade(&server, "/orders/socket", &token, "WebSocket").octets();
    octets.extend(b"early");
    stream.write_all(&octets).expect("sent");
    let answer = one_answer(&mut *stream);
    assert_eq!(answer.status, 101);
    assert_eq!(answer.header("upgrade"), Some("websocket"));
    assert_eq!(answer.header("connection"), Some("upgrade"));
    assert_eq!(answer.header("sec-websocket-accept"), Some("x"));
    let head = application.last();
    assert!(head.contains("\r\nconnection: upgrade\r\n"), "{head}");
    assert!(head.contains("\r\nx-auth-subject: alice\r\n"), "{head}");
    let mut echo = [0; 5];
    stream.read_exact(&mut echo).expect("an echo");
    assert_eq!(&echo, b"early");
    // Longer than a header may take.
    std::thread::sleep(Duration::from_secs(11));
    stream.write_all(b"later").expect("sent");
    stream.read_exact(&mut echo).expect("an echo");
    assert_eq!(&echo, b"later");

    // What is refused is not upgraded, and no protocol that carries requests of its own is.
    let requests = application.requests();
    let refusal = server
        .get("/orders/socket")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket");
    refused(&one_of(&refusal), 401, None);
    assert_eq!(application.requests(), requests);
    for (path, protocol) in [
        ("/orders/x", "h2c"),
        ("/orders/x", "h2c, websocket"),
        ("/orders/x", "websocket, h2c"),
        ("/orders/nothing", "websocket"),
    ] {
        let mut stream = server.place.connect().expect("it listens");
        stream
            .write_all(&upgrade(&server, path, &token, protocol).octets())
            .expect("sent");
        let answer = one_answer(&mut *stream);
        assert!(matches!(answer.status, 200 | 204), "{answer:?}");
        let asked = application.last().contains("\r\nupgrade: websocket\r\n");
        assert_eq!(asked, path == "/orders/nothing", "{protocol}");
        // The connection speaks HTTP as before.
        stream
            .write_all(&kept_open(allowed(&server, "GET", "/orders/y", &token)))
            .expect("sent");
        assert_eq!(one_answer(&mut *stream).status, 200);
    }
    let body = upgrade(&server, "/orders/x", &token, "websocket").body("x");
    assert_eq!(one_of(&body).status, 200);
    assert!(
        !application.last().contains("upgrade"),
        "{}",
        application.last()
    );
    let foreign = upgrade(&server, "/orders/switch", &token, "websocket");
    assert_eq!(exchange(&foreign).status, 502);

    // It ends with the server, at once.
    let began = Instant::now();
    server.signal("TERM");
    assert_eq!(stream.read(&mut echo).expect("an end"), 0);
    assert!(server.ended().success());
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
}

fn one_of(request: &Request<'_>) -> Response {
    let mut stream = request.server.place.connect().expect("it listens");
    stream.write_all(&request.octets()).expect("sent");
    one_answer(&mut *stream)
}

#[test]
fn a_stop_lets_transfers_end() {
    let application = Application::over_tcp();
    let mut server = before(&application);
    let token = token(&server);
    let mut stream = server.place.connect().expect("it listens");
    stream
        .write_all(&kept_open(allowed(
            &server,
            "GET",
            "/orders/slowly",
            &token,
        )))
        .expect("sent");
    let mut first = [0; 20];
    stream.read_exact(&mut first).expect("a beginning");
    server.signal("TERM");
    let answer = [first.to_vec(), read_to_end(&mut *stream)].concat();
    assert_eq!(Response::parse(&answer).body, "0123456789".repeat(3));
    assert!(server.ended().success());
}

#[test]
fn exact_paths_come_first() {
    let application = Application::over_tcp();
    let tables = format!(
        "[gate.all]\npath = \"/\"\nupstream = \"{0}\"\n[gate.inner]\npath = \"/in\"\nupstream = \"{0}\"\nscopes = [\"more\"]\n[gate.deep]\npath = \"/deep/\"\nupstream = \"{0}\"\nscopes = [\"more\"]\n",
        application.upstream
    );
    let server = World::usual().gates(&tables).start().uncounted();
    let token = token(&server);
    assert_eq!(
        exchange(&allowed(&server, "GET", "/verify", &token)).body,
        ""
    );
    assert_eq!(
        exchange(&allowed(&server, "GET", "/jwks", &token)).status,
        200
    );
    assert_eq!(application.requests(), 0);
    assert_eq!(
        exchange(&allowed(&server, "GET", "/token/x", &token)).status,
        200
    );
    for path in ["/in", "/in/", "/in/x"] {
        assert_eq!(
            exchange(&allowed(&server, "GET", path, &token)).status,
            403,
            "{path}"
        );
    }
    assert_eq!(
        exchange(&allowed(&server, "GET", "/inn", &token)).status,
        200
    );
    for path in ["/%69n", "/In", "/in;x", "/x/../in", "/deep", "/deep?x"] {
        let answer = exchange(&allowed(&server, "GET", path, &token));
        assert_eq!(answer.header("x-gate-status"), Some("400"), "{path}");
    }
    assert_eq!(application.requests(), 2);
}
