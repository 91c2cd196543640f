//! `certbound explain`: every step, in order, the failing one last.

use std::io::Write as _;

use serde_json::{Value, json};

use super::{P256_DN, Ran, inspected, pem, run};

/// A folder with a `clients.json` and whatever else a test puts there.
pub(super) struct Place(tempfile::TempDir);

impl Place {
    pub(super) fn with(clients: &Value) -> Self {
        let place = Self(tempfile::tempdir().expect("a folder"));
        place.put("clients.json", clients.to_string());
        place
    }

    pub(super) fn path(&self) -> &str {
        self.0.path().to_str().expect("a plain name")
    }

    pub(super) fn put(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).expect("a file is written");
        path.to_str().expect("a plain name").to_owned()
    }

    pub(super) fn explain(&self, client: &str, file: &str, input: &[u8], more: &[&str]) -> Ran {
        let clients = format!("--clients={}", self.0.path().join("clients.json").display());
        let ca = format!(
            "--client-ca={}",
            self.put("ca.pem", pem("ca") + &pem("inter"))
        );
        let mut arguments = vec!["explain", client, file, "--issuer=https://as.example.com"];
        arguments.extend([clients.as_str(), ca.as_str(), "--trusted-proxy=127.0.0.1"]);
        arguments.extend(more);
        run(&arguments, input)
    }
}

/// Registrations of every kind, each with the name of what it is for.
fn clients() -> Value {
    let self_signed = &inspected(pem("self-p256").as_bytes())["registrations"];
    let mut self_signed = self_signed["self_signed_tls_client_auth"].clone();
    self_signed["client_id"] = json!("self-signed");
    json!([
        {"client_id": "by-dn", "token_endpoint_auth_method": "tls_client_auth",
         "tls_client_auth_subject_dn": P256_DN},
        {"client_id": "unbound", "token_endpoint_auth_method": "tls_client_auth",
         "tls_client_auth_subject_dn": P256_DN, "tls_client_certificate_bound_access_tokens": false},
        {"client_id": "reversed", "token_endpoint_auth_method": "tls_client_auth",
         "tls_client_auth_subject_dn": "C=NO,O=Example Bank,CN=client-p256"},
        {"client_id": "other", "token_endpoint_auth_method": "tls_client_auth",
         "tls_client_auth_subject_dn": "CN=other,O=Example Bank,C=NO"},
        {"client_id": "secret", "token_endpoint_auth_method": "client_secret_basic",
         "client_secret_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
         "tls_client_certificate_bound_access_tokens": true},
        {"client_id": "public", "token_endpoint_auth_method": "none",
         "redirect_uris": ["https://app.example.com/"]},
        {"client_id": "elsewhere", "token_endpoint_auth_method": "self_signed_tls_client_auth",
         "jwks_uri": "http://127.0.0.1:1/jwks"},
        self_signed,
    ])
}

#[test]
fn explain_tells_every_step() {
    let place = Place::with(&clients());
    let explain = |client: &str, certificate: &str| {
        place.explain(client, "-", pem(certificate).as_bytes(), &[])
    };
    let ran = explain("by-dn", "p256").expect(0, "accepted", "");
    let expected = [
        "supposing that a trusted web server forwards this certificate (read as PEM), with the verdict SUCCESS:",
        "1. client by-dn is registered for tls_client_auth",
        "2. a certificate was forwarded, x5t#S256 0JabUgcwHjHpWPvNyb-J0hkV-fJ31Xlm40UsRE1K_1o",
        "3. it is within its validity, 2025-01-01T00:00:00Z to 2055-01-01T00:00:00Z",
        "4. it is verified: its chain ends at --client-ca",
        "5. its key, key usage and extended key usage are fit for client authentication",
        "6. it bears the subject DN CN=client-p256,O=Example Bank,C=NO",
        "7. accepted: the certificate authenticates \"by-dn\"",
        "8. its access tokens are bound to this certificate: cnf x5t#S256 0JabUgcwHjHpWPvNyb-J0hkV-fJ31Xlm40UsRE1K_1o",
    ];
    assert_eq!(ran.out.lines().collect::<Vec<_>>(), expected);
    explain("unbound", "p256").expect(0, "bound to nothing", "");
    explain("self-signed", "self-p256").expect(0, "one of the certificates registered", "");
    for (client, certificate, last) in [
        (
            "by-dn",
            "rsa",
            "RDN 1 of the subject is CN=client-rsa, of the registered name CN=client-p256",
        ),
        ("by-dn", "impostor", "3. it is within its validity, 2025"),
        (
            "by-dn",
            "impostor",
            "4. refused: the certificate is not verified: the chain does not hold",
        ),
        ("by-dn", "expired", "3. refused: expired at "),
        (
            "reversed",
            "p256",
            "; it is written in reverse: write CN=client-p256,O=Example Bank,C=NO",
        ),
        (
            "other",
            "p256",
            "the subject DN CN=client-p256,O=Example Bank,C=NO is not the registered CN=other,O=Example Bank,C=NO",
        ),
        ("self-signed", "p256", "is not among those registered"),
        (
            "secret",
            "p256",
            "refused: no client secret was sent: the client is registered for client_secret_basic",
        ),
        (
            "secret",
            "p256",
            "its access tokens are bound to this certificate: cnf x5t#S256 0JabUgcw",
        ),
        (
            "secret",
            "expired",
            "none can be bound to this one: expired at",
        ),
        ("public", "p256", "the client is public"),
        (
            "by-dm",
            "p256",
            "1. refused: no client \"by-dm\" is registered; did you mean \"by-dn\"?",
        ),
    ] {
        let ran = explain(client, certificate).expect(1, last, "");
        let line = ran.out.lines().last().expect("a line");
        assert!(line.contains("refused: "), "{line}");
    }
}

#[test]
fn explain_reads_values_as_the_server_would() {
    let place = Place::with(&clients());
    let explain = |value: &str, more: &[&str]| place.explain("by-dn", "-", value.as_bytes(), more);
    let one_line = pem("p256").trim().replace('\n', " ");
    explain(&one_line, &[]).expect(0, "read as a header value, pem", "");
    explain(&one_line, &["--client-cert-encoding=rfc9440"]).expect(
        1,
        "write --client-cert-encoding pem",
        "",
    );
    let base64 = |name: &str| -> String {
        pem(name)
            .lines()
            .filter(|line| !line.starts_with('-'))
            .collect()
    };
    let list = format!("{},{}", base64("p256"), base64("inter"));
    explain(&list, &[]).expect(1, "write --client-cert-encoding traefik", "");
    explain(&list, &["--client-cert-encoding=traefik"]).expect(0, "header value, traefik", "");
    explain("(null)", &[]).expect(1, "1. refused: \"(null)\" is no certificate", "");
    explain("", &[]).expect(1, "is no certificate", "");
    explain("MIIgarbage", &[]).expect(1, "400 invalid_request", "");
    // The intermediate in the file completes a chain that --client-ca alone does not.
    let root = format!("--client-ca={}", place.put("root.pem", pem("ca")));
    let clients = format!(
        "--clients={}",
        place.0.path().join("clients.json").display()
    );
    let bundle = pem("p256") + &pem("inter");
    for (input, code, says) in [
        (pem("p256"), 1, "the chain does not hold"),
        (
            bundle,
            0,
            "note: the first certificate is taken for the client's, the 1 after it",
        ),
    ] {
        let arguments = [
            "explain",
            "by-dn",
            "-",
            "--issuer=https://as.example.com",
            &root,
            &clients,
        ];
        let ran = run(&arguments, input.as_bytes()).expect(code, says, "");
        assert!(
            ran.out
                .contains("nobody's certificate header is believed yet")
        );
    }
}

#[test]
fn explain_says_what_is_wrong_with_the_configuration() {
    let place = Place::with(&clients());
    let p256 = pem("p256");
    let explain = |more: &[&str]| place.explain("by-dn", "-", p256.as_bytes(), more);
    explain(&["--store=nonsense:"]).expect(2, "", "--store");
    explain(&["--client-crl=/nowhere"]).expect(2, "", "/nowhere");
    // The issuer makes no difference here and need not be told.
    run(&["explain", "by-dn", "-"], p256.as_bytes()).expect(2, "", "clients.json");
    place
        .explain("by-dn", "/nowhere", b"", &[])
        .expect(2, "", "cannot be read");
    place.put("clients.json", "[{}]");
    explain(&[]).expect(2, "", "client_id");
}

#[test]
fn explain_fetches_the_keys_of_a_client() {
    let place = Place::with(&clients());
    let input = pem("self-p256");
    let explain = |more: &[&str]| place.explain("elsewhere", "-", input.as_bytes(), more);
    // Nobody listens on port 1; without the flag nobody is even asked.
    for more in [&[][..], &["--outbound-allow-private"]] {
        let uri = "2. its certificates are at its jwks_uri http://127.0.0.1:1/jwks, which could not be had: ";
        explain(more).expect(1, uri, "").expect(
            1,
            "refused: the keys at the client's jwks_uri",
            "",
        );
    }
    let printed = inspected(input.as_bytes());
    let jwks = &printed["registrations"]["self_signed_tls_client_auth"]["jwks"];
    let keys = jwks.to_string();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    place.put(
        "clients.json",
        json!([{"client_id": "elsewhere", "token_endpoint_auth_method": "self_signed_tls_client_auth",
                "jwks_uri": format!("http://127.0.0.1:{port}/jwks")}])
        .to_string(),
    );
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut request = [0; 4096];
        let _ = std::io::Read::read(&mut stream, &mut request);
        let length = keys.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        stream
            .write_all((head + &keys).as_bytes())
            .expect("an answer");
    });
    explain(&["--outbound-allow-private"])
        .expect(0, "which was fetched: 1 of its keys carry or pin one", "")
        .expect(0, "it is one of the certificates registered", "");
    server.join().expect("it answered");
}
