//! `--fcgi-listen`: the gate as a FastCGI Authorizer, asked rightly, wrongly, slowly and by strangers.

use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::fastcgi_client::{
    ABORT, Answer, END, GET_VALUES, PARAMS, Question, STDIN, begin, next, pair, raw, record,
};
use crate::pki::{pki, wanted};
use crate::wire::{Duplex, Place, read_to_end};
use crate::world::{Server, World};

const GATES: &str = "
[gate.writers]
scopes = [\"orders.write\"]
[gate.open]
proof_of_possession_mtls = \"optional\"
[gate.browsers]
auth_methods = [\"bearer\", \"session\"]
session_secret_file = \"session.secret\"
";

/// A world whose Authorizer is at a Unix socket, which is trusted.
fn world() -> (World, Place) {
    let world = World::usual();
    world.write("certbound.toml", GATES);
    let secret = world.write("session.secret", "0123456789abcdef0123456789abcdef\n");
    permit(&secret);
    let path = world.path("fcgi.sock");
    let world = world.flag("--fcgi-listen", &format!("unix:{}", path.display()));
    (world, Place::Unix(path))
}

/// A world whose Authorizer is at a loopback port.
fn world_over_tcp() -> (World, Place) {
    let port = crate::support::redis_server::free_port();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let world = World::usual();
    world.write("certbound.toml", GATES);
    let secret = world.write("session.secret", "0123456789abcdef0123456789abcdef\n");
    permit(&secret);
    let world = world.flag("--fcgi-listen", &address.to_string());
    (world, Place::Tcp(address))
}

fn permit(path: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(path, mode).expect("permissions");
}

fn token(server: &Server) -> String {
    server.token("alice").with(&pki().alice).send().token()
}

/// What must come to nothing: the connection ends without an answer, and the log says why.
#[track_caller]
fn cut_off(server: &Server, place: &Place, octets: &[u8], cause: &str) {
    let began = Instant::now();
    let answer = place.raw(octets);
    assert!(answer.is_empty(), "{cause}: {answer:?}");
    assert!(began.elapsed() < Duration::from_secs(5), "{cause}: slow");
    server.logs(cause);
}

#[test]
fn one_decision_for_the_right_certificate_and_no_other() {
    let (world, place) = world();
    let server = world.start();
    let token = token(&server);
    let question = Question::new().bearer(&token);
    let answer = question.clone().with(&pki().alice).ask(&server, &place);
    answer.allows();
    let claims = crate::jose::claims(&token);
    for (name, value) in [
        ("SUBJECT", "alice".to_owned()),
        ("CLIENT_ID", "alice".to_owned()),
        ("USER", "alice".to_owned()),
        ("SCOPE", "orders.read orders.write".to_owned()),
        ("EXPIRES", claims["exp"].to_string()),
        ("THUMBPRINT", pki().alice.thumbprint()),
        ("ISSUER", crate::world::ISSUER.to_owned()),
        ("TRUNCATED", String::new()),
    ] {
        assert_eq!(answer.variable(name), value, "{name}");
    }
    assert_eq!(answer.header("Set-Cookie"), None);

    let not_good = "Bearer realm=\"default\", error=\"invalid_token\"";
    for other in [&pki().bob, &pki().forged_alice, &pki().own] {
        let answer = question.clone().with(other).ask(&server, &place);
        answer.refuses(401, not_good);
        assert_eq!(answer.header("X-Gate-Status"), None);
    }
    let absent = ["", " ", "(null)", "::"];
    for nothing in absent {
        let question = question.clone().set("GATE_CLIENT_CERT", nothing);
        question.ask(&server, &place).refuses(401, not_good);
    }
    question.ask(&server, &place).refuses(401, not_good);
    let nothing = Question::new().with(&pki().alice).ask(&server, &place);
    assert_eq!(
        nothing.header("WWW-Authenticate"),
        Some("Bearer realm=\"default\"")
    );
    let garbage = Question::new().with(&pki().alice).bearer("x.y.z");
    garbage.ask(&server, &place).refuses(401, not_good);
    let expired = wanted("alice").years(2023, 2024).by(&pki().ca);
    let question = question.clone().with(&expired);
    question.ask(&server, &place).refuses(401, not_good);
}

#[test]
fn every_encoding_of_a_certificate_is_read_and_garbage_is_malformed() {
    let (world, place) = world();
    let server = world.start();
    let question = Question::new().bearer(&token(&server));
    let alice = &pki().alice;
    for value in [
        alice.pem.clone(),
        alice.pem.replace('\n', "\r\n"),
        alice.apache(),
        alice.nginx(),
        alice.base64(),
        alice.rfc9440(),
    ] {
        let question = question.clone().set("GATE_CLIENT_CERT", value);
        question.ask(&server, &place).allows();
    }
    for value in [
        "x".to_owned(),
        format!("{}x", alice.pem),
        format!("{}{}", alice.pem, pki().bob.pem),
        format!("{},{}", alice.base64(), pki().bob.base64()),
        alice.pem.replace("CERTIFICATE", "TRUSTED CERTIFICATE"),
        alice.base64().replace('M', "-"),
        "M".repeat(64_000),
    ] {
        let question = question.clone().set("GATE_CLIENT_CERT", value);
        let answer = question.ask(&server, &place);
        answer.refuses(401, "error=\"invalid_request\"");
        assert_eq!(answer.header("X-Gate-Status"), Some("400"));
    }
}

#[test]
fn gates_by_name() {
    let (world, place) = world();
    let server = world.start();
    let whole = Question::new().bearer(&token(&server)).with(&pki().alice);
    let read = server.token("alice").form("scope", "orders.read");
    let read = read.with(&pki().alice).send().token();
    let read = Question::new().bearer(&read).with(&pki().alice);
    let carol = server.token_by_secret("carol").send().token();
    let carol = Question::new().bearer(&carol);
    for name in ["", "default", "writers", "open", "browsers"] {
        whole.clone().gate(name).ask(&server, &place).allows();
    }
    let answer = read.gate("writers").ask(&server, &place);
    answer.refuses(
        403,
        "Bearer realm=\"writers\", error=\"insufficient_scope\", scope=\"orders.write\"",
    );
    let answer = carol.clone().gate("open").ask(&server, &place);
    assert_eq!(answer.allows().variable("USER"), "carol");
    assert_eq!(answer.variable("THUMBPRINT"), "");
    carol.ask(&server, &place).refuses(401, "invalid_token");
    for name in ["Open", "open ", "a/b", "\n", "verify/open"] {
        let answer = whole.clone().gate(name).ask(&server, &place);
        answer.refuses(401, "Bearer realm=\"default\"");
        assert_eq!(answer.header("X-Gate-Status"), Some("400"));
    }
    server.logs("the gates default, browsers, open, writers");
    let metrics = server.admin("/metrics").body;
    assert!(
        metrics.contains("endpoint=\"verify\",status=\"200\"")
            && metrics.contains("endpoint=\"verify\",status=\"403\""),
        "{metrics}"
    );
}

#[test]
fn sessions() {
    let (world, place) = world();
    let server = world.start();
    let question = Question::new().gate("browsers").with(&pki().alice);
    let first = question.clone().bearer(&token(&server));
    let first = first.ask(&server, &place);
    let cookie = first.allows().header("Set-Cookie").expect("a session");
    let (cookie, attributes) = cookie.split_once(';').expect("attributes");
    assert!(cookie.starts_with("__Host-certbound-browsers="));
    assert!(attributes.contains("Secure; HttpOnly; SameSite=Lax"));
    let again = question.clone().cookie(&format!("a=b; {cookie}; c=d"));
    let again = again.ask(&server, &place);
    assert_eq!(again.allows().variable("USER"), "alice");
    assert_eq!(again.header("Set-Cookie"), None);
    let stolen = question.clone().cookie(cookie).with(&pki().bob);
    stolen.ask(&server, &place).refuses(401, "Bearer realm");
    let elsewhere = question.clone().cookie(cookie).gate("open");
    elsewhere.ask(&server, &place).refuses(401, "Bearer realm");
    let twice = question.cookie(&format!("{cookie}; {cookie}"));
    let twice = twice.ask(&server, &place);
    assert_eq!(twice.refuses(401, "").header("X-Gate-Status"), Some("400"));
}

#[test]
fn tokens_elsewhere_and_doubled_variables_are_malformed() {
    let (world, place) = world();
    let server = world.start();
    let token = token(&server);
    let question = Question::new().bearer(&token).with(&pki().alice);
    for (name, value) in [
        ("QUERY_STRING", format!("a=b&access_token={token}")),
        ("QUERY_STRING", "access%5Ftoken=x".into()),
        ("REQUEST_URI", format!("/orders?access_token={token}")),
        (
            "HTTP_AUTHORIZATION",
            format!("Bearer {token}, Bearer {token}"),
        ),
        ("HTTP_AUTHORIZATION", "Bearer a\nb".into()),
        ("REQUEST_URI", "/a\r\nb".into()),
    ] {
        server.keeps_secret(token.clone());
        let answer = question.clone().set(name, value).ask(&server, &place);
        assert_eq!(answer.refuses(401, "").header("X-Gate-Status"), Some("400"));
    }
    // Both are asked, and a parameter of another name is nobody's business.
    let question = question.set("QUERY_STRING", "token=x");
    question.ask(&server, &place).allows();
    for name in [
        "GATE_NAME",
        "GATE_CLIENT_CERT",
        "GATE_CLIENT_VERIFY",
        "GATE_PROXY_SECRET",
        "HTTP_AUTHORIZATION",
        "HTTP_COOKIE",
        "QUERY_STRING",
        "REQUEST_URI",
    ] {
        let twice = question.clone().set(name, "").variable(name, "");
        let answer = twice.ask(&server, &place);
        assert_eq!(answer.refuses(401, "").header("X-Gate-Status"), Some("400"));
        server.logs(&format!("{name} came twice"));
    }
}

#[test]
fn only_a_trusted_peer_says_what_the_certificate_is() {
    let (world, place) = world_over_tcp();
    let said = world.run("check", &["--listen", "unix:x.sock"]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("--fcgi-listen: no trusted proxy"), "{said}");
    let server = world.start();
    let question = Question::new().bearer(&token(&server));
    for (name, value) in [
        ("GATE_CLIENT_CERT", pki().alice.pem.as_str()),
        ("GATE_CLIENT_CERT", ""),
        ("GATE_CLIENT_VERIFY", "SUCCESS"),
        ("GATE_PROXY_SECRET", "whatever-it-may-be"),
    ] {
        let answer = question.clone().set(name, value).ask(&server, &place);
        answer.refuses(401, "error=\"invalid_request\"");
        assert_eq!(answer.header("X-Gate-Status"), Some("400"), "{name}");
        server.logs(&format!("{name} came from a peer that is not a trusted"));
    }
    let without = question.clone().ask(&server, &place);
    assert_eq!(
        without
            .refuses(401, "invalid_token")
            .header("X-Gate-Status"),
        None
    );
    // What clients send in headers is never a certificate.
    for name in [
        "HTTP_GATE_CLIENT_CERT",
        "HTTP_X_CLIENTCERT",
        "SSL_CLIENT_CERT",
    ] {
        let question = question.clone().set(name, pki().alice.pem.as_str());
        question.ask(&server, &place).refuses(401, "invalid_token");
    }
    let carol = server.token_by_secret("carol").send().token();
    let carol = Question::new().bearer(&carol).gate("open");
    carol.ask(&server, &place).allows();
}

#[test]
fn the_proxy_secret_is_asked_for() {
    let (world, place) = world_over_tcp();
    let world = world.flag("--trusted-proxy", "127.0.0.1");
    let server = world.start();
    let question = Question::new().with(&pki().alice);
    let question = question.bearer(&token(&server));
    let apache = question.clone().set("REMOTE_ADDR", "203.0.113.9");
    apache
        .clone()
        .set("UNIQUE_ID", "Zx4711@a")
        .ask(&server, &place)
        .allows();
    let refused = apache.set("UNIQUE_ID", "Zx4712@a").with(&pki().bob);
    refused.ask(&server, &place).refuses(401, "invalid_token");
    server.logs("Zx4712@a");
    server.logs("203.0.113.9");
    drop(server);

    let secret = "a-secret-of-the-web-server-4711";
    let path = world.write("proxy.secret", secret);
    permit(&path);
    let server = world.flag("--proxy-secret-file", &path).start();
    let token = server.token("alice").header("X-Proxy-Secret", secret);
    let token = token.with(&pki().alice).send().token();
    let question = question.bearer(&token);
    for wrong in ["", "a-secret-of-the-web-server-4712", "a-secret"] {
        let wrong = question.clone().set("GATE_PROXY_SECRET", wrong);
        let answer = wrong.ask(&server, &place);
        assert_eq!(answer.refuses(401, "").header("X-Gate-Status"), Some("400"));
    }
    let none = question.clone().ask(&server, &place);
    assert_eq!(none.refuses(401, "").header("X-Gate-Status"), Some("400"));
    server.logs("without the right GATE_PROXY_SECRET");
    question
        .set("GATE_PROXY_SECRET", secret)
        .ask(&server, &place)
        .allows();
}

#[test]
fn records_may_be_cut_anywhere() {
    let (world, place) = world();
    let server = world.start();
    let question = Question::new().bearer(&token(&server)).with(&pki().alice);
    for (octets, padding) in [(1, 0), (1, 3), (2, 0), (7, 255), (100, 8), (4_096, 1)] {
        let records = question.in_pieces(octets, padding);
        let answer = question.ask_by(&server, &place, &records);
        answer.allows();
    }
    // Octet by octet over the wire, with a body that nobody asked for.
    let mut stream = place.connect().expect("it listens");
    for octet in question.octets() {
        stream.write_all(&[octet]).expect("written");
    }
    let answer = raw(&mut *stream, &record(STDIN, 1, b"a=b"));
    Answer::parse(1, &answer).0.allows();
    // Long and short lengths, an empty name, and 900 more variables.
    let many = (0..900).fold(question.clone(), |question, number| {
        question.variable(&format!("V{number}"), "")
    });
    let many = many.variable("", "").variable("LONG", "x".repeat(40_000));
    many.ask(&server, &place).allows();
}

#[test]
fn connections_are_kept_where_the_web_server_wants_it() {
    let (world, place) = world();
    let server = world.start();
    let question = Question::new().bearer(&token(&server)).with(&pki().alice);
    let mut stream = place.connect().expect("it listens");
    let stream: &mut dyn Duplex = &mut *stream;
    for request in [1, 1, 2, 65_535] {
        let question = question.clone().kept().numbered(request);
        question.ask_on(&server, stream).allows();
        question
            .with(&pki().bob)
            .ask_on(&server, stream)
            .refuses(401, "invalid_token");
        // The body of a request that was answered, and that it was given up.
        let late = [
            record(STDIN, request, &[b'x'; 1_000]),
            record(STDIN, request, b""),
            record(ABORT, request, b""),
        ];
        stream.write_all(&late.concat()).expect("written");
    }
    // Given up before it was asked whole.
    let begun = [
        begin(9, 2, true),
        record(PARAMS, 9, b"\x01"),
        record(ABORT, 9, b""),
    ];
    stream.write_all(&begun.concat()).expect("written");
    let mut ended = [0; 16];
    stream.read_exact(&mut ended).expect("an end");
    assert_eq!(ended, [1, END, 0, 9, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    // A Responder is not what this is.
    stream.write_all(&begin(9, 1, true)).expect("written");
    stream.read_exact(&mut ended).expect("an end");
    assert_eq!(ended, [1, END, 0, 9, 0, 8, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0]);
    // What can it do?
    let asked = [pair("FCGI_MAX_CONNS", b""), pair("FCGI_MPXS_CONNS", b"")].concat();
    let asked = [record(GET_VALUES, 0, &asked), record(42, 0, b"?")].concat();
    stream.write_all(&asked).expect("written");
    // Two at once, one after the other, and then it closes.
    let two = [question.clone().kept().octets(), question.octets()].concat();
    let answer = raw(stream, &two);
    let (kind, _, values, answer) = next(&answer).expect("values");
    assert_eq!(kind, 10);
    assert!(
        values.ends_with(&pair("FCGI_MPXS_CONNS", b"0")),
        "{values:?}"
    );
    let (kind, _, unknown, answer) = next(answer).expect("unknown");
    assert_eq!((kind, unknown), (11, &[42, 0, 0, 0, 0, 0, 0, 0][..]));
    let (first, answer) = Answer::parse(1, answer);
    let (second, rest) = Answer::parse(1, answer);
    assert!(first.allows() == second.allows() && rest.is_empty());
}

#[test]
fn what_is_no_fastcgi_ends_the_connection() {
    let (world, place) = world();
    let server = world.start();
    let question = Question::new().bearer(&token(&server)).with(&pki().alice);
    for (octets, cause) in [
        (b"GET /verify HTTP/1.1\r\n\r\n".to_vec(), "not with 71"),
        (b"\x16\x03\x01\x02\x00\x01".to_vec(), "not with 22"),
        (
            [begin(1, 2, false), begin(1, 2, false)].concat(),
            "a second",
        ),
        (
            [begin(1, 2, false), begin(2, 2, false)].concat(),
            "a second",
        ),
        (record(1, 1, b"short"), "not eight octets"),
        (begin(0, 2, false), "of the request 0"),
        (record(PARAMS, 7, b""), "of the request 7"),
        (
            [begin(1, 2, false), record(PARAMS, 8, b"")].concat(),
            "of the request 8",
        ),
        (record(END, 1, &[0; 8]), "EndRequest is out of place"),
        (record(77, 1, b""), "Other(77) is out of place"),
        (record(GET_VALUES, 0, b"\x7f"), "longer than the stream"),
        (
            [
                begin(1, 2, false),
                vec![0x01, 5, 0, 1, 0xff, 0xff, 0, 0],
                vec![0; 65_535],
            ]
            .concat(),
            "too much came",
        ),
    ] {
        cut_off(&server, &place, &octets, cause);
    }
    for line in server
        .log()
        .lines()
        .filter(|line| line.contains("no FastCGI"))
    {
        assert!(
            line.contains("endpoint=\"verify\"") && line.len() < 400,
            "{line}"
        );
    }
    // Whole requests whose parameters are garbage are refused in words.
    let garbage = |stream: &[u8], cause: &str| {
        let records = [
            begin(1, 2, false),
            stream
                .chunks(60_000)
                .flat_map(|c| record(PARAMS, 1, c))
                .collect(),
            record(PARAMS, 1, b""),
        ];
        let answer = question.ask_by(&server, &place, &records.concat());
        answer.refuses(401, "Bearer realm=\"default\"");
        assert_eq!(answer.header("X-Gate-Status"), Some("400"), "{cause}");
        server.logs(cause);
    };
    garbage(b"\x09\x7fGATE_NAME", "longer than the stream");
    garbage(&[0xff; 64], "longer than the stream");
    garbage(&[0; 2_002], "more than 1000");
    garbage(&pair("X", &vec![b'x'; 70_000]), "--max-header-bytes");
    garbage(&pair("X", &vec![b'x'; 200_000]), "--max-header-bytes");
    question.ask(&server, &place).allows();
}

#[test]
fn nobody_is_waited_for_long() {
    let (world, place) = world();
    let server = world.start();
    let question = Question::new().bearer(&token(&server)).with(&pki().alice);
    let octets = question.octets();
    let timed = |first: &[u8], drip: bool| {
        let mut stream = place.connect().expect("it listens");
        stream.write_all(first).expect("written");
        let began = Instant::now();
        while drip && began.elapsed() < Duration::from_secs(25) {
            if stream.write_all(&record(PARAMS, 1, b"\0")).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(700));
        }
        let answer = read_to_end(&mut *stream);
        assert!(answer.is_empty(), "{answer:?}");
        began.elapsed()
    };
    std::thread::scope(|scope| {
        let half = &octets[..octets.len() / 2];
        let waits = [
            scope.spawn(|| timed(b"", false)),
            scope.spawn(|| timed(b"\x01", false)),
            scope.spawn(|| timed(&begin(1, 2, false), false)),
            scope.spawn(move || timed(half, false)),
            scope.spawn(|| timed(&begin(1, 2, false), true)),
        ];
        // Meanwhile others are answered.
        question.ask(&server, &place).allows();
        for wait in waits {
            let elapsed = wait.join().expect("no panic");
            assert!((8..16).contains(&elapsed.as_secs()), "{elapsed:?}");
        }
    });
    server.logs("did not arrive in time");
    // Whoever goes away in the middle is nobody's fault.
    for cut in [1, 8, 12, octets.len() - 1] {
        let mut stream = place.connect().expect("it listens");
        stream.write_all(&octets[..cut]).expect("written");
    }
    question.ask(&server, &place).allows();
}

#[test]
fn the_listener_goes_and_what_is_in_flight_is_finished() {
    let (world, place) = world();
    let mut server = world.start();
    server.logs("serving the gate as a FastCGI Authorizer");
    let Place::Unix(path) = &place else {
        panic!("a socket")
    };
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(path).expect("it is there").permissions(),
    );
    assert_eq!(mode & 0o777, 0o660);
    let question = Question::new().bearer(&token(&server)).with(&pki().alice);
    let octets = question.clone().kept().octets();
    let mut idle = place.connect().expect("it listens");
    question.clone().kept().ask_on(&server, &mut *idle).allows();
    let mut busy = place.connect().expect("it listens");
    busy.write_all(&octets[..20]).expect("written");
    // Time to read what has arrived.
    std::thread::sleep(Duration::from_millis(200));
    server.signal("TERM");
    assert_eq!(idle.read(&mut [0]).expect("it ends"), 0);
    let answer = raw(&mut *busy, &octets[20..]);
    Answer::parse(1, &answer).0.allows();
    assert_eq!(server.ended().code(), Some(0));
    assert!(!path.exists() && place.connect().is_err());
}
