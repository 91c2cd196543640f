//! Where the records are in the process of a server that runs, that one is asked.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::deployment::{Deployment, Serving, secretive};
use super::ends;
use crate::{pki, run};

#[test]
#[expect(clippy::too_many_lines, reason = "one story")]
fn verify_asks_the_server_that_runs() {
    let here = Deployment::new();
    let memory = "--store=memory:";
    let token = here.token(|_| {});
    here.verify(&token, Some("p256"), &[memory])
        .expect(1, "undecided: nobody can be asked at unix:", "")
        .expect(
            1,
            "its signature is ours, and whether it was revoked not known here: alive until",
            "",
        );
    let serving = here.serve(memory);
    let (jwt, opaque) = (here.issued("by-dn"), here.issued("opaque"));
    let none = format!("--keys={}", here.file("none"));
    for (token, certificate, gate, code, says, answer) in [
        (
            &jwt,
            Some("p256"),
            "default",
            0,
            "asked at /verify/default with the token and with the certificate in x-clientcert, answers 200",
            "answer: 200; X-Auth-Subject: by-dn",
        ),
        (
            &jwt,
            Some("rsa"),
            "default",
            1,
            "possession, by these claims: this would be refused",
            "answer: 401; WWW-Authenticate: Bearer realm=\"default\", error=\"invalid_token\"",
        ),
        (
            &jwt,
            None,
            "default",
            1,
            "refused: the running server at unix:",
            "answer: 401",
        ),
        (
            &jwt,
            Some("p256"),
            "admin",
            1,
            "scope, by these claims: this would be refused",
            "answer: 403",
        ),
        (
            &opaque,
            Some("p256"),
            "default",
            0,
            "what its record says is known only to the running server (--store memory:)",
            "answer: 200; X-Auth-Subject: opaque",
        ),
        (
            &opaque,
            Some("rsa"),
            "default",
            1,
            "answers 401",
            "answer: 401",
        ),
    ] {
        let ran = here
            .verify(token, certificate, &["--gate", gate, memory])
            .expect(code, says, "");
        assert!(ends(&ran).1.starts_with(answer), "{}", ran.out);
    }
    // However the server wants the certificate written.
    for encoding in [
        "pem",
        "escaped-pem",
        "base64-der",
        "base64-pem",
        "rfc9440",
        "xfcc",
        "traefik",
    ] {
        let encoding = format!("--client-cert-encoding={encoding}");
        here.verify(&jwt, Some("p256"), &[memory, &encoding])
            .expect(0, "the running server at", "");
    }
    // Without the keys at hand the claims are said to be unverified.
    let flags = here.flags();
    let p256 = pki("p256").display().to_string();
    let mut arguments = vec!["verify", "--token", &jwt, "--certificate", &p256, memory];
    arguments.extend(
        flags
            .iter()
            .map(String::as_str)
            .filter(|flag| !flag.starts_with("--keys")),
    );
    run(&arguments, b"").expect(0, "as it claims, not verified here: alive until", "");
    arguments.push(&none);
    run(&arguments, b"").expect(0, "as it claims, not verified here", "");
    // What was revoked only that server knows.
    here.post("revoke", &format!("client_id=by-dn&token={jwt}"));
    let ran =
        here.verify(&jwt, Some("p256"), &[memory])
            .expect(1, "scope, by these claims: none", "");
    assert!(
        ends(&ran).0.contains("refused: the running server"),
        "{}",
        ran.out
    );
    drop(serving);
}

#[test]
fn verify_asks_whoever_holds_the_file() {
    let here = Deployment::new();
    let store = here.file_store();
    let serving = here.serve(&store);
    let token = here.issued("by-dn");
    here.verify(&token, Some("p256"), &[&store]).expect(
        0,
        "known only to the running server that holds ",
        "",
    );
    drop(serving);
    here.verify(&token, Some("p256"), &[&store]).expect(
        0,
        "whether it was revoked by the records in",
        "",
    );
}

#[test]
fn verify_says_who_is_no_web_server() {
    let here = Deployment::new();
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .port();
    let listen = format!("--listen=127.0.0.1:{port}");
    let flags: Vec<_> = here
        .flags()
        .into_iter()
        .filter(|flag| !flag.starts_with("--listen") && !flag.starts_with("--trusted"))
        .collect();
    let child = Command::new(env!("CARGO_BIN_EXE_certbound"))
        .arg("serve")
        .args(&flags)
        .args([&listen, "--trusted-proxy=192.0.2.1", "--store=memory:"])
        .stderr(Stdio::null())
        .spawn();
    let serving = Serving(child.expect("it starts"));
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "it does not listen"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    let token = here.token(|_| {});
    let p256 = pki("p256").display().to_string();
    let mut arguments = vec![
        "verify",
        "--token",
        &token,
        "--store=memory:",
        &listen,
        "--trusted-proxy=192.0.2.1",
    ];
    arguments.extend(flags.iter().map(String::as_str));
    // Without a certificate anybody may ask.
    secretive(run(&arguments, b""), &token).expect(1, "answer: 401; WWW-Authenticate", "");
    let optional = [arguments.clone(), vec!["--certificate", &p256]].concat();
    let ran = run(&optional, b"").expect(
        1,
        "takes no certificate from here: this address is no trusted proxy",
        "",
    );
    assert!(
        ran.out
            .lines()
            .last()
            .expect("a line")
            .contains("undecided: "),
        "{}",
        ran.out
    );
    drop(serving);
    // Somebody else listens there.
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free again");
    let other = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let _ = stream.read(&mut [0; 8192]);
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    });
    run(&arguments, b"").expect(1, "answers 404 at /verify/default, which no gate does", "");
    other.join().expect("it answered");
}
