//! The commands that look at one certificate (`inspect`, `match`, `explain`), `verify`, `user` and
//! `completions`, run as the program that people run.

mod explain;
mod user;
mod verify;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use certbound::cert::ClientCertificate;
use certbound::client::belief::Belief;
use certbound::client::credentials::Credentials;
use certbound::client::{Attempt, Registry};
use certbound::oauth::time::Timestamp;
use certbound::proxy::Encoding;
use certbound::proxy::presented::Presented;
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, SanType, SignatureAlgorithm,
};
use serde_json::{Value, json};

use explain::Place;

const P256_DN: &str = "CN=client-p256,O=Example Bank,C=NO";

fn captures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/captures")
}

fn pki(name: &str) -> PathBuf {
    captures().join("pki").join(format!("{name}.crt"))
}

fn pem(name: &str) -> String {
    std::fs::read_to_string(pki(name)).expect("a fixture")
}

/// What a run came to.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    #[track_caller]
    fn expect(self, code: i32, out: &str, err: &str) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        assert!(self.out.contains(out), "no {out:?} in {}", self.out);
        assert!(self.err.contains(err), "no {err:?} in {}", self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self
    }
}

/// Runs the program in an empty folder, so that nobody's configuration file is read.
fn run(arguments: &[&str], input: &[u8]) -> Ran {
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = Command::new(env!("CARGO_BIN_EXE_certbound"))
        .args(arguments)
        .current_dir(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // Whoever does not read its input closes it.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().expect("the program ends");
    Ran {
        code: status.code(),
        out: String::from_utf8(stdout).expect("text"),
        err: String::from_utf8(stderr).expect("text"),
    }
}

fn inspected(input: &[u8]) -> Value {
    let ran = run(&["inspect", "-", "--json"], input).expect(0, "", "");
    serde_json::from_str(&ran.out).expect("JSON")
}

fn now() -> Timestamp {
    let since = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
    Timestamp::from_unix(since.as_secs())
}

/// Whether the registration, as one would paste it, authenticates that certificate.
fn authenticates(registration: &Value, certificate: ClientCertificate) -> Result<(), String> {
    let registry = Registry::read(&json!([registration]).to_string())
        .map_err(|problems| format!("{problems:?}"))?;
    let id = registration["client_id"].as_str().expect("a client_id");
    let presented = Presented::supposed(certificate, Vec::new(), Encoding::AUTO);
    let attempt = Attempt {
        credentials: &Credentials::certificate_only(id),
        presented: &presented,
        belief: &Belief::new(None, None, true),
        remote: None,
        issuer: "https://as.example.com",
        now: now(),
        steps: None,
    };
    let proven = registry.authenticate(&attempt).map_err(|e| e.to_string())?;
    let binding = proven.into_client().binding();
    let expected = presented
        .certificate()
        .map(|certificate| *certificate.thumbprint());
    assert_eq!(binding.expect("a certificate is there"), expected);
    Ok(())
}

struct Made {
    certificate: ClientCertificate,
    pem: String,
}

fn made(
    algorithm: &'static SignatureAlgorithm,
    change: impl FnOnce(&mut CertificateParams),
) -> Made {
    let key = KeyPair::generate_for(algorithm).expect("a key");
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CountryName, "NO");
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Foo, Inc.");
    params
        .distinguished_name
        .push(DnType::CommonName, "a+b \"c\"");
    change(&mut params);
    let made = params.self_signed(&key).expect("a certificate");
    Made {
        certificate: ClientCertificate::from_der(made.der().to_vec()).expect("strict DER"),
        pem: made.pem(),
    }
}

#[test]
fn inspect_prints_what_registrations_need() {
    let ran = run(&["inspect", pki("p256").to_str().expect("plain")], b"").expect(0, P256_DN, "");
    for part in [
        "0JabUgcwHjHpWPvNyb-J0hkV-fJ31Xlm40UsRE1K_1o",
        "CN=Test Issuing CA 1,O=Test Root,C=NO",
        "2055-01-01T00:00:00Z: valid now",
        "P-256: strong enough",
        "client authentication fit",
        "\"tls_client_auth_subject_dn\": \"CN=client-p256,O=Example Bank,C=NO\"",
        "\"x5c\"",
    ] {
        assert!(ran.out.contains(part), "no {part} in {}", ran.out);
    }
    let printed = inspected(pem("p256").as_bytes());
    assert_eq!(printed["subject"], P256_DN);
    assert_eq!(printed["valid_now"], true);
    assert_eq!(printed["usable_for_client_authentication"], true);
    assert_eq!(printed["read_as"], "PEM");
    let certificate = ClientCertificate::from_pem(&pem("p256")).expect("a fixture");
    let der = certificate.der().to_vec();
    let key = certificate.public_key_thumbprint().to_string();
    assert_eq!(printed["public_key_thumbprint"], json!(key));
    assert_eq!(inspected(&der)["x5t#S256"], printed["x5t#S256"]);
}

#[test]
fn both_registrations_authenticate_that_certificate() {
    let mut tried = 0;
    for algorithm in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ECDSA_P521_SHA512,
        &rcgen::PKCS_ED25519,
        &rcgen::PKCS_RSA_SHA256,
    ] {
        let made = made(algorithm, |_| {});
        let printed = inspected(made.pem.as_bytes());
        for (method, registration) in printed["registrations"].as_object().expect("an object") {
            assert_eq!(registration["token_endpoint_auth_method"], json!(method));
            assert_eq!(
                authenticates(registration, made.certificate.clone()),
                Ok(())
            );
            tried += 1;
        }
        let jwk = &printed["registrations"]["self_signed_tls_client_auth"]["jwks"]["keys"][0];
        assert!(jwk["x"].is_string() || jwk["n"].is_string(), "{jwk}");
    }
    for name in ["p256", "rsa", "utf8", "large", "self-p256", "self-ed25519"] {
        let printed = inspected(pem(name).as_bytes());
        for registration in printed["registrations"]
            .as_object()
            .expect("an object")
            .values()
        {
            let certificate = ClientCertificate::from_pem(&pem(name)).expect("a fixture");
            assert_eq!(authenticates(registration, certificate), Ok(()), "{name}");
            tried += 1;
        }
    }
    assert_eq!(tried, 22);
}

#[test]
fn inspect_falls_back_to_an_alternative_name_or_says_why_not() {
    let nameless = |sans: Vec<SanType>| {
        made(&rcgen::PKCS_ECDSA_P256_SHA256, |params| {
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.subject_alt_names = sans;
        })
    };
    let text = |text: &str| text.try_into().expect("ASCII");
    let named = nameless(vec![
        SanType::DnsName(text("*.example.com")),
        SanType::DnsName(text("a.example.com")),
        SanType::IpAddress([192, 0, 2, 1].into()),
    ]);
    let printed = inspected(named.pem.as_bytes());
    assert_eq!(printed["subject"], Value::Null);
    assert_eq!(
        printed["san_dns"],
        json!(["*.example.com", "a.example.com"])
    );
    assert_eq!(printed["san_ip"], json!(["192.0.2.1"]));
    let registration = &printed["registrations"]["tls_client_auth"];
    assert_eq!(registration["tls_client_auth_san_dns"], "a.example.com");
    assert_eq!(authenticates(registration, named.certificate), Ok(()));
    let printed = inspected(nameless(Vec::new()).pem.as_bytes());
    assert_eq!(printed["registrations"]["tls_client_auth"], Value::Null);
    let remarks = printed["remarks"]["tls_client_auth"].to_string();
    assert!(
        remarks.contains("the subject matches nothing: an empty"),
        "{remarks}"
    );
    assert!(
        remarks.contains("use self_signed_tls_client_auth"),
        "{remarks}"
    );
    let server = made(&rcgen::PKCS_ECDSA_P256_SHA256, |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    });
    let printed = inspected(server.pem.as_bytes());
    assert_eq!(printed["usable_for_client_authentication"], false);
    assert_eq!(printed["valid_now"], false);
    let remarks = printed["remarks"]["tls_client_auth"].to_string();
    assert!(
        remarks.contains("clientAuth") && remarks.contains("expired at"),
        "{remarks}"
    );
}

#[test]
fn what_is_no_certificate_is_no_panic() {
    let place = Place::with(&json!([]));
    let bundle = place.put("bundle.pem", pem("p256") + &pem("inter"));
    let folder = place.path().to_owned();
    let large = place.put("large", vec![b'M'; (1 << 20) + 1]);
    let binary = place.put("binary", [0xff, 0xfe, 0, 0x30]);
    let cut = place.put("cut.der", [0x30, 0x82]);
    let line = place.put("line", "X-ClientCert: -----BEGIN CERTIFICATE----- ...");
    let null = place.put("null", "(null)\n");
    let empty = place.put("empty", "");
    let key = place.put(
        "key.pem",
        "-----BEGIN PRIVATE KEY-----\nAAEC\n-----END PRIVATE KEY-----\n",
    );
    for (file, says) in [
        (bundle.as_str(), "it holds 2 certificates"),
        (&folder, "cannot be read"),
        ("/nowhere/at/all", "cannot be read"),
        ("/dev/zero", "larger than 1 MiB"),
        (&large, "larger than 1 MiB"),
        (&binary, "neither PEM nor DER"),
        (&cut, "not a certificate"),
        (&line, "leave the header's name"),
        (&null, "\"(null)\" is no certificate"),
        (&empty, "is no certificate"),
        (&key, "only CERTIFICATE blocks"),
    ] {
        run(&["inspect", file], b"").expect(2, "", says);
        run(&["match", "--dn=CN=a", file], b"").expect(2, "", says);
    }
    run(&["inspect"], b"").expect(2, "", "Usage");
    run(&["inspect", "-", "--client-id=\u{e9}"], b"").expect(2, "", "--client-id");
}

#[test]
fn match_says_where_names_part() {
    for (dn, code, says) in [
        (P256_DN, 0, "match: the certificate satisfies"),
        (
            "cn=CLIENT-P256, o=example  bank, c=no",
            0,
            "match: the certificate",
        ),
        (
            "CN=client-p256,O=Exampel Bank,C=NO",
            1,
            "RDN 2 of the subject is O=Example Bank, of the registered name O=Exampel Bank",
        ),
        (
            "O=Example Bank,C=NO",
            1,
            "RDN 1 of the subject is CN=client-p256, of the registered name O=Example Bank",
        ),
        (
            "CN=client-p256,O=Example Bank",
            1,
            "RDN 3 of the subject is C=NO, of the registered name missing",
        ),
        (
            "C=NO,O=Example Bank,CN=client-p256",
            1,
            "written in reverse: write CN=client-p256,O=Example Bank,C=NO",
        ),
    ] {
        let ran = run(&["match", "--dn", dn, "-"], pem("p256").as_bytes()).expect(code, says, "");
        assert!(
            ran.out
                .contains(&format!("subject     {P256_DN}\nregistered  "))
        );
        assert_eq!(
            ran.out.contains("written in reverse"),
            dn.starts_with("C=NO")
        );
    }
    for (dn, says) in [
        ("/C=NO/CN=a", "write CN=a,O=Example,C=US"),
        ("O=Foo, Inc.", "is written \\,"),
        ("", "empty distinguished name"),
    ] {
        run(&["match", "--dn", dn, "-"], pem("p256").as_bytes()).expect(2, "", says);
    }
    run(&["match", "-"], b"").expect(2, "", "--dn");
}

/// The value of the header that held the certificate, for every captured request that has one.
fn captured_values() -> Vec<(String, Vec<u8>, Value)> {
    let index = std::fs::read(captures().join("index.json")).expect("the index");
    let cases: Vec<Value> = serde_json::from_slice(&index).expect("JSON");
    let mut found = Vec::new();
    for case in cases {
        let file = case["file"].as_str().expect("a name").to_owned();
        if case["verdict"] != "cert" || file.strip_suffix(".http").is_none() {
            continue;
        }
        let request = std::fs::read(captures().join(&file)).expect("a capture");
        let head = request
            .split(|octet| *octet == b'\n')
            .map(<[u8]>::trim_ascii);
        for line in head.take_while(|line| !line.is_empty()) {
            let Some(colon) = line.iter().position(|octet| *octet == b':') else {
                continue;
            };
            let name = String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase();
            let names = [
                "x-clientcert",
                "x-client-cert",
                "x-ssl-client-cert",
                "client-cert",
                "x-forwarded-client-cert",
                "x-forwarded-tls-client-cert",
            ];
            if names.contains(&name.as_str()) {
                found.push((
                    file.clone(),
                    line[colon + 1..].trim_ascii().to_vec(),
                    case.clone(),
                ));
            }
        }
    }
    found
}

#[test]
fn every_captured_value_is_read_by_each_command() {
    let values = captured_values();
    assert!(values.len() > 25, "only {}", values.len());
    for (file, value, case) in &values {
        let printed = inspected(value);
        assert_eq!(printed["x5t#S256"], case["x5t_s256"], "{file}");
        let dn = printed["subject"].as_str().expect("a subject");
        run(&["match", "--dn", dn, "-"], value).expect(0, "match: ", "");
        let mut registration = printed["registrations"]["tls_client_auth"].clone();
        registration["client_id"] = json!("captured");
        let place = Place::with(&json!([registration]));
        let encoding = printed["read_as"]
            .as_str()
            .and_then(|form| form.rsplit(' ').next());
        let encoding = format!("--client-cert-encoding={}", encoding.expect("an encoding"));
        place
            .explain("captured", "-", value, &[&encoding])
            .expect(0, "accepted", "");
    }
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = run(&["completions", shell], b"").expect(0, "certbound", "");
        for part in ["inspect", "explain", "verify", "hash-password", "client-ca"] {
            assert!(ran.out.contains(part), "{shell}: {part}");
        }
    }
    run(&["completions", "tcsh"], b"").expect(2, "", "possible values: bash, zsh, fish");
}
