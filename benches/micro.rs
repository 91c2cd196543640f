//! What the parts of a request cost, each beside something by which to judge it in the same run: `cargo bench`.
//!
//! Nothing here asserts a time. `cargo test` makes each once, so that they go on being true.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, UnparsedPublicKey,
};
use certbound::cert::{ClientAuthorities, ClientCertificate, RegisteredName, Thumbprint};
use certbound::key::algorithm::SigningAlgorithm;
use certbound::key::set::{KeySet, ManagedKey};
use certbound::key::signing::SigningKey;
use certbound::oauth::ClientId;
use certbound::oauth::form::Form;
use certbound::oauth::scope::Scope;
use certbound::oauth::secret::Secret;
use certbound::oauth::time::Timestamp;
use certbound::proxy::presented::Window;
use certbound::proxy::{Encoding, Front, Headers, Peer, TrustedPeer, VerifyHeader};
use certbound::token::read::recognise;
use certbound::token::{Claims, Confirmation, Issue, Text, format};
use divan::Bencher;
use http::{HeaderMap, HeaderName, HeaderValue};

const ISSUER: &str = "https://as.example.com";
/// Within the validity of the certificates of the fixtures.
const NOW: Timestamp = Timestamp::from_unix(1_795_311_512);
const NAME: &str = "CN=client-p256,O=Example Bank,C=NO";
const FORM: &[u8] = b"grant_type=client_credentials&client_id=orders-service&scope=orders.read%20orders.write&resource=https%3A%2F%2Forders.example.com";

fn main() {
    divan::main();
}

fn pem(name: &str) -> String {
    let path = format!(
        "{}/tests/fixtures/pki/{name}.crt",
        env!("CARGO_MANIFEST_DIR")
    );
    std::fs::read_to_string(path).expect("the fixture is in the repository")
}

fn certificate(name: &str) -> ClientCertificate {
    ClientCertificate::from_pem(&pem(name)).expect("the fixture is a certificate")
}

/// A certificate as nginx forwards it.
fn forwarded() -> HeaderMap {
    let mut escaped = String::new();
    for octet in pem("p256").bytes() {
        if octet.is_ascii_alphanumeric() || b"-_.~".contains(&octet) {
            escaped.push(octet.into());
        } else {
            write!(escaped, "%{octet:02X}").expect("a string takes everything");
        }
    }
    let mut headers = HeaderMap::new();
    let value = HeaderValue::from_str(&escaped).expect("it is escaped");
    headers.insert("x-clientcert", value);
    headers
}

fn window() -> Window {
    let trusted: TrustedPeer = "unix".parse().expect("a peer");
    let headers = Headers {
        certificate: HeaderName::from_static("x-clientcert"),
        chain: None,
        verify: VerifyHeader {
            name: Some(HeaderName::from_static("x-clientcert-verify")),
            required: false,
        },
        user: None,
        address: None,
        request_id: None,
    };
    let front = Front::new(
        [trusted].into_iter().collect(),
        None,
        headers,
        Encoding::AUTO,
    );
    Window::new(front.expect("each header has its own name"))
}

/// From a header to a certificate.
mod header {
    use super::{Bencher, Peer, SHA256, black_box, digest, forwarded, window};

    #[divan::bench]
    fn never_seen(bencher: Bencher) {
        let headers = forwarded();
        bencher
            .with_inputs(window)
            .bench_refs(|window| window.read(Peer::Unix, &headers).expect("a certificate"));
    }

    #[divan::bench]
    fn seen_before(bencher: Bencher) {
        let (window, headers) = (window(), forwarded());
        window.read(Peer::Unix, &headers).expect("a certificate");
        bencher.bench_local(|| {
            let read = window.read(Peer::Unix, black_box(&headers));
            read.expect("a certificate")
        });
    }

    /// The limit of whatever tells values apart by a digest.
    #[divan::bench]
    fn its_sha256(bencher: Bencher) {
        let headers = forwarded();
        let value = headers["x-clientcert"].as_bytes();
        bencher.bench_local(|| digest(&SHA256, black_box(value)));
    }
}

/// From a certificate to whether it is believed.
mod belief {
    use super::{
        Bencher, ClientAuthorities, NAME, NOW, RegisteredName, Thumbprint, black_box, certificate,
        pem,
    };

    #[divan::bench]
    fn name_matches(bencher: Bencher) {
        let certificate = certificate("p256");
        let registered: RegisteredName = NAME.parse().expect("a name");
        let subject = certificate.subject().expect("it can be compared");
        bencher.bench_local(|| {
            let compared = subject.compare(black_box(&registered));
            compared.expect("it is the name");
        });
    }

    #[divan::bench]
    fn name_is_read(bencher: Bencher) {
        bencher.bench_local(|| {
            let read = black_box(NAME).parse::<RegisteredName>();
            read.expect("a name")
        });
    }

    #[divan::bench]
    fn thumbprint(bencher: Bencher) {
        let certificate = certificate("p256");
        bencher.bench_local(|| Thumbprint::of(black_box(certificate.der())));
    }

    #[divan::bench]
    fn chain(bencher: Bencher) {
        let bundle = pem("ca") + &pem("inter");
        let authorities = ClientAuthorities::from_pem(&bundle).expect("an authority");
        let certificate = certificate("p256");
        bencher.bench_local(|| {
            let verified = authorities.verify(black_box(&certificate), &[], NOW, None);
            verified.expect("there is a path");
        });
    }
}

/// JWTs (RFC 9068), and the signatures in them.
mod jwt {
    use aws_lc_rs::signature::KeyPair as _;

    use super::{
        Arc, Bencher, Claims, ClientId, Confirmation, ECDSA_P256_SHA256_FIXED,
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, ISSUER, Issue, KeySet, ManagedKey, NOW,
        Scope, Secret, SigningAlgorithm, SigningKey, SystemRandom, Text, Timestamp,
        UnparsedPublicKey, black_box, certificate, format, recognise,
    };

    fn keys() -> KeySet {
        let key = SigningKey::generate(SigningAlgorithm::Es256).expect("entropy");
        let key = ManagedKey::new(Arc::new(key), NOW, NOW);
        KeySet::new().with(key).expect("one key")
    }

    fn claims() -> Claims {
        Claims {
            client_id: ClientId::parse("orders-service").expect("a client_id"),
            subject: "orders-service".into(),
            scope: Scope::parse("orders.read orders.write").expect("a scope"),
            audience: vec!["https://orders.example.com".into()],
            issued: NOW,
            expires: Timestamp::from_unix(NOW.unix() + 600),
            confirmation: Some(Confirmation {
                certificate: *certificate("p256").thumbprint(),
            }),
            authentication: None,
            family: None,
        }
    }

    fn made(claims: Claims, keys: &KeySet, secret: &Secret) -> String {
        let issue = Issue {
            issuer: ISSUER,
            keys,
            secret,
        };
        let jwt = format(certbound::client::registration::AccessTokenFormat::Jwt);
        let written = jwt.write(claims, &issue).expect("there is a key");
        match written.text {
            Text::Whole(text) => text.expose().to_owned(),
            Text::Unsigned(unsigned) => unsigned.sign().expect("signed"),
        }
    }

    #[divan::bench]
    fn make(bencher: Bencher) {
        let (keys, secret, claims) = (keys(), Secret::new("c".repeat(43)), claims());
        bencher
            .with_inputs(|| claims.clone())
            .bench_local_values(|claims| made(claims, &keys, &secret));
    }

    #[divan::bench]
    fn its_signature(bencher: Bencher) {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("entropy");
        let (entropy, message) = (SystemRandom::new(), [7; 500]);
        bencher.bench_local(|| key.sign(&entropy, black_box(&message)).expect("signed"));
    }

    #[divan::bench]
    fn read(bencher: Bencher) {
        let keys = keys();
        let text = made(claims(), &keys, &Secret::new("c".repeat(43)));
        bencher.bench_local(|| {
            recognise(black_box(&text), &keys, ISSUER, NOW).expect("it is one of ours")
        });
    }

    #[divan::bench]
    fn its_verification(bencher: Bencher) {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("entropy");
        let message = [7; 500];
        let signature = key.sign(&SystemRandom::new(), &message).expect("signed");
        let public =
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.public_key().as_ref().to_vec());
        bencher.bench_local(|| {
            let verified = public.verify(black_box(&message), signature.as_ref());
            verified.expect("it is the signature");
        });
    }
}

/// Forms (RFC 6749 appendix B).
mod form {
    use super::{Bencher, FORM, Form, black_box};

    #[divan::bench]
    fn parse(bencher: Bencher) {
        bencher.bench_local(|| Form::parse(black_box(FORM)).expect("a form"));
    }

    /// What reads the same without refusing anything.
    #[divan::bench]
    fn leniently(bencher: Bencher) {
        bencher.bench_local(|| {
            url::form_urlencoded::parse(black_box(FORM))
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect::<Vec<_>>()
        });
    }
}
