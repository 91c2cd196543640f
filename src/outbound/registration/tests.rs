//! Registrations of every method, and what is wrong with others.

use rcgen::{CertificateParams, KeyPair};
use serde_json::json;

use super::*;

const SECRET_TEXT: &str = "hunter2-hunter2-hunter2-hunter2-";

/// What `read_file` finds.
struct Files(Vec<(&'static str, String)>);

impl Files {
    fn new() -> Self {
        let rsa_or_ec = |algorithm| {
            let key = SigningKey::generate(algorithm).expect("entropy");
            let epoch = crate::oauth::time::Timestamp::from_unix(0);
            let managed = ManagedKey::new(Arc::new(key), epoch, epoch);
            managed.to_pem().expect("PEM").to_string()
        };
        let pair = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new(vec!["gate.test".to_owned()])
            .and_then(|params| params.self_signed(&pair))
            .expect("a certificate");
        Self(vec![
            ("secret", format!("{SECRET_TEXT}\n")),
            ("lines", "one\ntwo\n".to_owned()),
            ("empty", String::new()),
            ("large", "x".repeat(MAX_OCTETS + 1)),
            ("es256.pem", rsa_or_ec(SigningAlgorithm::Es256)),
            ("rs256.pem", rsa_or_ec(SigningAlgorithm::Rs256)),
            ("cert.pem", certificate.pem()),
            ("cert.key", pair.serialize_pem()),
            ("both.pem", certificate.pem() + &pair.serialize_pem()),
        ])
    }

    fn read(&self, registration: &Value) -> Result<IntrospectionClient, String> {
        IntrospectionClient::read(&registration.to_string(), |path| {
            let found = self.0.iter().find(|(name, _)| Path::new(name) == path);
            let found = found.ok_or(io::ErrorKind::NotFound)?;
            Ok(found.1.clone().into_bytes())
        })
    }
}

#[test]
fn every_method() {
    let files = Files::new();
    for (registration, method) in [
        (json!({"client_secret": SECRET_TEXT}), "client_secret_basic"),
        (
            json!({"client_secret_file": "secret"}),
            "client_secret_basic",
        ),
        (
            json!({"client_secret_file": "secret", METHOD: "client_secret_post", "scope": "a",
                   "client_name#de": "Tor", "registration_access_token": "x",
                   "client_secret_expires_at": 0}),
            "client_secret_post",
        ),
        (
            json!({"private_key_file": "es256.pem", METHOD: "private_key_jwt"}),
            "private_key_jwt",
        ),
        (
            json!({"private_key_file": "rs256.pem", METHOD: "private_key_jwt", ALGORITHM: "PS256",
                   "kid": "k1"}),
            "private_key_jwt",
        ),
        (
            json!({"certificate_file": "cert.pem", "private_key_file": "cert.key",
                   METHOD: "tls_client_auth", "tls_client_auth_subject_dn": "CN=gate"}),
            "tls_client_auth",
        ),
        (
            json!({"certificate_file": "cert.pem", "private_key_file": "cert.key",
                   METHOD: "self_signed_tls_client_auth"}),
            "self_signed_tls_client_auth",
        ),
    ] {
        let mut registration = registration;
        registration["client_id"] = json!("orders-gate");
        let client = files.read(&registration).expect("a registration");
        assert_eq!(client.method(), method);
        assert_eq!(client.client_id().as_str(), "orders-gate");
        assert_eq!(
            client.identity().is_some(),
            method.contains("tls"),
            "{method}"
        );
        assert_eq!(
            format!("{client:?}"),
            format!("IntrospectionClient {{ client_id: orders-gate, method: {method:?}, .. }}")
        );
        match &client.method {
            Method::ClientSecretBasic(secret) | Method::ClientSecretPost(secret) => {
                assert_eq!(secret.expose(), SECRET_TEXT);
            }
            Method::PrivateKeyJwt { key, kid } if **kid == *"k1" => {
                assert_eq!(key.algorithm(), SigningAlgorithm::Ps256);
            }
            Method::PrivateKeyJwt { key, kid } => {
                assert_eq!(key.algorithm(), SigningAlgorithm::Es256);
                assert_eq!(&**kid, key.kid());
            }
            Method::TlsClientAuth(_) | Method::SelfSignedTlsClientAuth(_) => {}
        }
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn what_is_refused_and_what_to_write_instead() {
    let files = Files::new();
    for (registration, says) in [
        (json!({}), "\"client_id\" is missing"),
        (
            json!({"client_id": "ä", "client_secret": SECRET_TEXT}),
            "printable ASCII",
        ),
        (json!({"client_id": 1}), "\"client_id\" is to be a string"),
        (json!({"client_id": "a"}), "no credentials"),
        (
            json!({"client_id": "a", "clientid": "a"}),
            "write \"client_id\"",
        ),
        (
            json!({"client_id": "a", "client_secret_flie": "x"}),
            "write \"client_secret_file\"",
        ),
        (json!({"client_id": "a", "zebra": 1}), "leave it out"),
        (
            json!({"client_id": "a", "client_secret_sha256": "00"}),
            "cannot be sent",
        ),
        (
            json!({"client_id": "a", "client_secret": ""}),
            "\"client_secret\" is to be",
        ),
        (
            json!({"client_id": "a", "client_secret": "x".repeat(5000)}),
            "\"client_secret\" is to be",
        ),
        (
            json!({"client_id": "a", "client_secret": SECRET_TEXT, "client_secret_file": "secret"}),
            "both there",
        ),
        (
            json!({"client_id": "a", "client_secret": SECRET_TEXT, "private_key_file": "es256.pem"}),
            "\"private_key_file\" is not for client_secret_basic",
        ),
        (
            json!({"client_id": "a", METHOD: "tls_client_auth", "client_secret": SECRET_TEXT}),
            "\"client_secret\" is not for tls_client_auth",
        ),
        (
            json!({"client_id": "a", METHOD: "private_key_jwtt", "private_key_file": "es256.pem"}),
            "write \"private_key_jwt\"",
        ),
        (
            json!({"client_id": "a", METHOD: "none"}),
            "write client_secret_basic, client_secret_post, private_key_jwt",
        ),
        (
            json!({"client_id": "a", "private_key_file": "es256.pem"}),
            "write \"private_key_jwt\"",
        ),
        (
            json!({"client_id": "a", "private_key_file": "cert.key", "certificate_file": "cert.pem"}),
            "write \"tls_client_auth\" or",
        ),
        (
            json!({"client_id": "a", METHOD: "client_secret_post"}),
            "\"client_secret_file\" is missing",
        ),
        (
            json!({"client_id": "a", "client_secret_file": "none"}),
            "none cannot be read",
        ),
        (
            json!({"client_id": "a", "client_secret_file": "lines"}),
            "one line",
        ),
        (
            json!({"client_id": "a", "client_secret_file": "empty"}),
            "one line",
        ),
        (
            json!({"client_id": "a", "client_secret_file": "large"}),
            "larger than 64 KiB",
        ),
        (
            json!({"client_id": "a", METHOD: "private_key_jwt"}),
            "\"private_key_file\" is missing",
        ),
        (
            json!({"client_id": "a", METHOD: "private_key_jwt", "private_key_file": "secret"}),
            "secret: not a usable private key file",
        ),
        (
            json!({"client_id": "a", METHOD: "private_key_jwt", "private_key_file": "es256.pem",
                   ALGORITHM: "RS256"}),
            "not of the kind that RS256 needs",
        ),
        (
            json!({"client_id": "a", METHOD: "private_key_jwt", "private_key_file": "es256.pem",
                   ALGORITHM: "HS256"}),
            "is to be ES256, RS256, PS256 or EdDSA",
        ),
        (
            json!({"client_id": "a", METHOD: "tls_client_auth", "private_key_file": "cert.key"}),
            "\"certificate_file\" is missing",
        ),
        (
            json!({"client_id": "a", METHOD: "tls_client_auth", "certificate_file": "cert.pem"}),
            "\"private_key_file\" is missing",
        ),
        (
            json!({"client_id": "a", METHOD: "tls_client_auth", "certificate_file": "cert.pem",
                   "private_key_file": "es256.pem"}),
            "not that of the first certificate",
        ),
        (
            json!({"client_id": "a", METHOD: "tls_client_auth", "certificate_file": "cert.key",
                   "private_key_file": "cert.key"}),
            "cert.key: a PEM block of the label",
        ),
        (
            json!({"client_id": "a", METHOD: "tls_client_auth", "certificate_file": "cert.pem",
                   "private_key_file": "both.pem"}),
            "one private key in PEM",
        ),
    ] {
        let error = files.read(&registration).expect_err(says);
        assert!(error.contains(says), "{registration}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    for text in [
        "",
        "[]",
        r#"{"client_id":"a","client_id":"b","client_secret":"c"}"#,
    ] {
        let refused = IntrospectionClient::read(text, |_| Ok(Vec::new()));
        assert!(refused.expect_err(text).contains("one JSON object"));
    }
}
