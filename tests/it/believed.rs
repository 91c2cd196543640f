//! *When is a certificate believed?*: whose headers count, in which form, and what verifies.

use base64::Engine as _;
use serde_json::json;

use crate::pki::{pki, wanted};
use crate::world::{SECRET, Server, World, secret_client};

/// Paths of every kind, those of nothing too.
const PATHS: &[(&str, &str)] = &[
    ("POST", "/token"),
    ("POST", "/introspect"),
    ("POST", "/revoke"),
    ("GET", "/jwks"),
    ("GET", "/whoami"),
    ("GET", "/.well-known/oauth-authorization-server"),
    ("GET", "/.well-known/openid-configuration"),
    ("OPTIONS", "/token"),
    ("GET", "/"),
    ("GET", "/no/such/path"),
    ("POST", "/TOKEN"),
    ("DELETE", "/jwks"),
];

/// Every path refuses a request with that header, and nothing is issued.
fn refused_everywhere(server: &Server, name: &str, value: &[u8]) {
    for (method, path) in PATHS {
        let request = server
            .request(method, path)
            .form("grant_type", "client_credentials")
            .basic("carol", SECRET)
            .header(name, value);
        let response = request.send();
        if *method == "HEAD" {
            continue;
        }
        response.refuses(400, "invalid_request");
    }
}

#[test]
fn mtls_01_hdr_01_headers_from_an_untrusted_peer_are_refused_at_every_path() {
    let server = World::bare()
        .over_tcp()
        .flag("--trusted-proxy", "10.1.2.3")
        .flag("--client-cert-chain-header", "Client-Cert-Chain")
        .verifying(&pki().ca.cert.pem)
        .switch("--whoami")
        .clients([
            crate::world::tls_client("alice"),
            secret_client("carol", json!({})),
        ])
        .start();
    refused_everywhere(&server, "X-ClientCert", pki().alice.apache().as_bytes());
    for (name, value) in [
        ("x-clientcert", &b"x"[..]),
        ("X-CLIENTCERT", b""),
        ("X_ClientCert", b"x"),
        ("X-Client_Cert", b"x"),
        ("X-ClientCert", b"(null)"),
        ("X-ClientCert-Verify", b"NONE"),
        ("X_ClientCert_Verify", b"SUCCESS"),
        ("Client-Cert-Chain", b":AAAA:"),
        ("X-Proxy-Secret", b"guess"),
        ("x_proxy_secret", b"guess"),
    ] {
        let request = server.token_by_secret("carol").header(name, value);
        let response = request.send();
        if name == "X-Client_Cert" {
            // Another name altogether.
            response.token();
        } else {
            assert_eq!(response.status, 400, "{name}");
        }
    }
    server.logs("not a trusted proxy");
    // Without such a header it is a request without a certificate.
    server.token_by_secret("carol").send().token();
    server.token("alice").send().refuses(401, "invalid_client");
}

#[test]
fn mtls_01_with_no_trusted_proxy_nobody_is_believed_and_everybody_is_told() {
    let world = World::bare()
        .verifying(&pki().ca.cert.pem)
        .client(crate::world::tls_client("alice"));
    let output = world.run("check", &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("--trusted-proxy"));
    let server = world.start();
    server
        .token("alice")
        .with(&pki().alice)
        .send()
        .refuses(400, "invalid_request");
    server.logs("--trusted-proxy");
}

#[test]
fn hdr_01_two_listeners_are_judged_each_by_its_peer() {
    let port = crate::support::redis_server::free_port();
    let server = World::usual()
        .flag("--listen", &format!("127.0.0.1:{port}"))
        .start();
    server.token("alice").with(&pki().alice).send().token();
    let request = server.token("alice").with(&pki().alice);
    let second = crate::wire::Place::Tcp(([127, 0, 0, 1], port).into());
    let response = second.exchange(&request.octets());
    request.seen(&response);
    response.refuses(400, "invalid_request");
}

#[test]
fn the_proxy_secret_is_required_besides() {
    let secret = "the-proxy-and-we-know-this-0123456789";
    let world = World::usual();
    let path = world.write("proxy.secret", &format!("{secret}\n"));
    let server = world.flag("--proxy-secret-file", &path).start();
    let with = |value: &str| {
        server
            .token("alice")
            .with(&pki().alice)
            .header("X-Proxy-Secret", value)
    };
    with(secret).send().token();
    with("wrong").send().refuses(400, "invalid_request");
    with("").send().refuses(400, "invalid_request");
    with(&secret.to_uppercase())
        .send()
        .refuses(400, "invalid_request");
    with(secret)
        .header("X-Proxy-Secret", secret)
        .send()
        .refuses(400, "invalid_request");
    with(secret)
        .header("X_Proxy_Secret", secret)
        .send()
        .refuses(400, "invalid_request");
    server
        .token("alice")
        .with(&pki().alice)
        .send()
        .refuses(400, "invalid_request");
    server.token_by_secret("carol").send().token();
    server.keeps_secret(secret);
}

#[test]
fn hdr_02_hdr_07_one_line_one_leaf_one_spelling() {
    let server = World::usual().switch("--whoami").start();
    let alice = &pki().alice;
    let bob = &pki().bob;
    for (why, request) in [
        (
            "two lines",
            server
                .token("alice")
                .with(alice)
                .header("X-ClientCert", bob.apache()),
        ),
        (
            "the same twice",
            server
                .token("alice")
                .with(alice)
                .header("X-ClientCert", alice.apache()),
        ),
        (
            "an empty one beside",
            server.token("alice").with(alice).header("X-ClientCert", ""),
        ),
        (
            "an empty one before",
            server.token("alice").header("X-ClientCert", "").with(alice),
        ),
        (
            "another case",
            server
                .token("alice")
                .with(alice)
                .header("x-clientcert", bob.apache()),
        ),
        (
            "an underscore",
            server
                .token("alice")
                .with(alice)
                .header("X_ClientCert", bob.apache()),
        ),
        (
            "an underscore alone",
            server.token("alice").header("X_ClientCert", alice.apache()),
        ),
        (
            "verdict twice",
            server
                .token("alice")
                .with(alice)
                .header("X-ClientCert-Verify", "SUCCESS"),
        ),
        (
            "verdicts differ",
            server
                .token("alice")
                .with(alice)
                .header("X-ClientCert-Verify", "NONE"),
        ),
        (
            "verdict underscored",
            server
                .token("alice")
                .with(alice)
                .header("X_ClientCert_Verify", "SUCCESS"),
        ),
        (
            "verdict half underscored",
            server
                .token("alice")
                .with(alice)
                .header("X-ClientCert_Verify", "SUCCESS"),
        ),
    ] {
        let response = request.send();
        assert_eq!(
            (response.status, response.text("error")),
            (400, "invalid_request".into()),
            "{why}"
        );
    }
    let list = format!("{}, {}", alice.rfc9440(), bob.rfc9440());
    refused_everywhere(&server, "X-ClientCert", list.as_bytes());
    server.logs("came more than once");
}

#[test]
fn hdr_03_values_that_are_nearly_certificates() {
    let alice = &pki().alice;
    let base64 = alice.base64();
    let url = base64.replace('+', "-").replace('/', "_");
    let mut trailing = alice.der.clone();
    trailing.push(0);
    let standard = base64::engine::general_purpose::STANDARD;
    let two = [alice.der.as_slice(), &pki().bob.der].concat();
    let server = World::usual().start();
    for (why, value) in [
        ("one colon", format!(":{base64}")),
        ("the other colon", format!("{base64}:")),
        (
            "a blank inside",
            format!(":{} {}:", &base64[..40], &base64[40..]),
        ),
        ("parameters", format!(":{base64}:;a=1")),
        ("PEM inside", format!(":{}:", standard.encode(&alice.pem))),
        (
            "trailing octet",
            format!(":{}:", standard.encode(&trailing)),
        ),
        ("two in one", format!(":{}:", standard.encode(&two))),
        (
            "cut",
            format!(":{}:", standard.encode(&alice.der[..alice.der.len() - 1])),
        ),
        (
            "two PEM",
            format!("{} {}", alice.apache(), pki().bob.apache()),
        ),
        ("text after PEM", format!("{} x", alice.apache())),
        ("text before PEM", format!("x {}", alice.apache())),
        (
            "another label",
            alice.apache().replace("CERTIFICATE", "PUBLIC KEY"),
        ),
        (
            "no end",
            alice.apache().replace("-----END CERTIFICATE-----", ""),
        ),
        ("escaped twice", alice.nginx().replace('%', "%25")),
        ("a broken escape", alice.nginx().replace("%0A", "%0")),
        ("a NUL escaped", alice.nginx().replacen("%0A", "%00", 1)),
        ("garbage", "garbage".into()),
        ("a lone percent", "%".into()),
        ("40 KiB", format!(":{}:", "A".repeat(40_000))),
    ] {
        let response = server.token("alice").header("X-ClientCert", value).send();
        assert_eq!(
            (response.status, response.text("error")),
            (400, "invalid_request".into()),
            "{why}"
        );
    }
    if url != base64 {
        let response = server
            .token("alice")
            .header("X-ClientCert", format!(":{url}:"))
            .send();
        response.refuses(400, "invalid_request");
    }
    refused_everywhere(&server, "X-ClientCert", b":AAAA:");
    // In the configured encoding only.
    let server = World::usual()
        .flag("--client-cert-encoding", "rfc9440")
        .start();
    let send = |value: String| {
        let request = server.token("alice").header("X-ClientCert", value);
        request.header("X-ClientCert-Verify", "SUCCESS").send()
    };
    send(alice.rfc9440()).token();
    for value in [alice.apache(), alice.nginx(), alice.base64()] {
        send(value).refuses(400, "invalid_request");
    }
}

#[test]
fn every_spelling_of_no_certificate_is_none() {
    let server = World::usual().start();
    for value in [
        "",
        "(null)",
        "::",
        "${ssl_client_escaped_cert}",
        "%{SSL_CLIENT_CERT}s",
    ] {
        server
            .token("alice")
            .header("X-ClientCert", value)
            .send()
            .refuses(401, "invalid_client");
        server
            .token_by_secret("carol")
            .header("X-ClientCert", value)
            .send()
            .token();
    }
}

#[test]
fn hdr_04_the_chain_comes_beside_the_leaf() {
    let leaf = wanted("alice").by(&pki().intermediate);
    let intermediate = &pki().intermediate.cert;
    let server = World::usual()
        .flag("--client-cert-chain-header", "Client-Cert-Chain")
        .start();
    let with = |lines: &[String]| {
        let mut request = server.token("alice").with(&leaf);
        for line in lines {
            request = request.header("Client-Cert-Chain", line.as_str());
        }
        request.send()
    };
    with(&[]).refuses(401, "invalid_client");
    with(&[intermediate.rfc9440()]).token();
    let root = pki().ca.cert.rfc9440();
    with(&[format!("{}, {root}", intermediate.rfc9440())]).token();
    with(&[intermediate.rfc9440(), root]).token();
    with(&[pki().other_ca.cert.rfc9440()]).refuses(401, "invalid_client");
    for malformed in [":AAAA:", "garbage", ":", "::,"] {
        with(&[malformed.into()]).refuses(400, "invalid_request");
    }
    let looks_alike = server
        .token("alice")
        .with(&leaf)
        .header("Client_Cert_Chain", intermediate.rfc9440());
    looks_alike.send().refuses(400, "invalid_request");
    // An intermediate of the bundle does as well.
    let bundle = format!("{}{}", pki().ca.cert.pem, intermediate.pem);
    let world = World::trusting().verifying(&bundle);
    let server = world.start();
    server.token("alice").with(&leaf).send().token();
    // The intermediate alone is no trust anchor.
    let alone = World::trusting().verifying(&intermediate.pem);
    assert!(alone.refuses_to_start().contains("ca.pem"));
}

#[test]
fn hdr_06_other_well_known_names_are_never_read() {
    let server = World::usual().start();
    for name in [
        "Client-Cert",
        "X-Forwarded-Client-Cert",
        "SSL-Client-Cert",
        "X-SSL-CERT",
        "X-Client-Cert",
        "X-Amzn-Mtls-Clientcert",
    ] {
        for value in [
            pki().alice.rfc9440(),
            pki().alice.apache(),
            pki().alice.nginx(),
        ] {
            let request = server
                .token("alice")
                .header(name, value)
                .header("X-ClientCert-Verify", "SUCCESS");
            let response = request.send();
            assert!(matches!(response.status, 400 | 401), "{name}");
        }
    }
    let server = World::usual()
        .flag("--client-cert-header", "Client-Cert")
        .start();
    let cert = |name: &str| {
        server
            .token("alice")
            .header(name, pki().alice.rfc9440())
            .send()
    };
    cert("Client-Cert").token();
    cert("X-ClientCert").refuses(401, "invalid_client");
}

#[test]
fn hdr_08_mtls_07_absence_of_the_verdict_never_raises_rights() {
    let verdicts = [
        "NONE",
        "FAILED:self-signed certificate",
        "FAILED",
        "GENEROUS",
        "success",
        "Success",
        "SUCCESS ;",
        "",
        "0",
        "OK",
        "(null)",
    ];
    // By default the verdict may be absent, where the chain is validated here.
    let server = World::usual().start();
    server.token("alice").unjudged(&pki().alice).send().token();
    for verdict in verdicts {
        let response = server.token("alice").judged(&pki().alice, verdict).send();
        assert_eq!(response.status, 401, "{verdict:?}: {}", response.body);
    }
    for certificate in [&pki().forged_alice, &wanted("alice").by(&pki().other_ca)] {
        server
            .token("alice")
            .unjudged(certificate)
            .send()
            .refuses(401, "invalid_client");
        server
            .token("alice")
            .with(certificate)
            .send()
            .refuses(401, "invalid_client");
    }
    // Named in the configuration, it must be there: even the default's own name.
    for name in ["X-Verdict", "X-ClientCert-Verify"] {
        let server = World::usual().flag("--verify-header", name).start();
        server
            .token("alice")
            .unjudged(&pki().alice)
            .send()
            .refuses(401, "invalid_client");
        server
            .token("alice")
            .unjudged(&pki().alice)
            .header(name, "SUCCESS")
            .send()
            .token();
        server
            .token("alice")
            .unjudged(&pki().alice)
            .header(name, "NONE")
            .send()
            .refuses(401, "invalid_client");
        server.logs("verif");
    }
    let server = World::usual()
        .environment("CERTBOUND_VERIFY_HEADER", "X-Verdict")
        .start();
    server
        .token("alice")
        .unjudged(&pki().alice)
        .send()
        .refuses(401, "invalid_client");
    let world = World::usual();
    world.write("certbound.toml", "verify_header = \"X-Verdict\"\n");
    let server = world.start();
    server
        .token("alice")
        .unjudged(&pki().alice)
        .send()
        .refuses(401, "invalid_client");
    // With `none` nobody is asked.
    let server = World::usual().flag("--verify-header", "none").start();
    server.token("alice").unjudged(&pki().alice).send().token();
    server
        .token("alice")
        .unjudged(&pki().forged_alice)
        .send()
        .refuses(401, "invalid_client");
}
