//! Introspection at other issuers: as whom, and what of their answers is taken (RFC 7662, RFC 6749
//! section 2.3.1, RFC 7523, RFC 8705).

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use certbound::key::algorithm::SigningAlgorithm;
use certbound::key::jwk::JwkSet;
use certbound::key::jws::UnverifiedJws;
use certbound::key::set::ManagedKey;
use certbound::key::signing::SigningKey;
use certbound::oauth::form::Form;
use certbound::oauth::time::Timestamp;
use certbound::outbound::address::Policy;
use certbound::outbound::fetch::{Outbound, TIME_LIMIT};
use certbound::outbound::introspection::IntrospectionClient;
use certbound::outbound::issuer::{INTROSPECTION_LIMIT, Issuers, RemoteIssuer};
use certbound::outbound::roots::Roots;
use certbound::outbound::{OutboundError, Part};
use http::HeaderMap;
use serde_json::{Value, json};

use crate::authority::Authority;
use crate::private;
use crate::site::{Page, Site};
use crate::stub::{Answer, Stub};

const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
const WELL_KNOWN: &str = "/.well-known/openid-configuration";

fn read(registration: &Value, files: &[(&str, &str)]) -> Arc<IntrospectionClient> {
    let client = IntrospectionClient::read(&registration.to_string(), |path| {
        let found = files.iter().find(|(name, _)| Path::new(name) == path);
        let found = found.ok_or(io::ErrorKind::NotFound)?;
        Ok(found.1.as_bytes().to_vec())
    });
    Arc::new(client.expect("a registration"))
}

fn secret_client() -> Arc<IntrospectionClient> {
    read(
        &json!({"client_id": "gate", "client_secret": "hunter2"}),
        &[],
    )
}

/// An issuer of which everything is configured.
fn configured(outbound: Outbound, url: &str, client: Arc<IntrospectionClient>) -> RemoteIssuer {
    let shared = Arc::new(Issuers::new(outbound));
    RemoteIssuer::new(
        &shared,
        "https://issuer.test/a",
        Some("https://issuer.test/keys"),
        Some(url),
        Some(client),
    )
    .expect("URLs")
}

fn failed(cause: OutboundError) -> OutboundError {
    OutboundError::At {
        part: Part::Introspection,
        cause: Box::new(cause),
    }
}

/// Introspects at a site as that client, and gives what the site saw: headers and form.
async fn seen(client: Arc<IntrospectionClient>) -> (HeaderMap, String) {
    let site = Site::plain().await;
    site.put("/i", Page::json(&json!({"active": true, "sub": "s"})));
    let issuer = configured(private(TIME_LIMIT), &site.url("/i"), client);
    let text = issuer.introspect("tok en+&=", NOW, "jti-1").await;
    assert_eq!(text.expect("an answer"), r#"{"active":true,"sub":"s"}"#);
    let asked = site.asked().remove(0);
    assert_eq!(asked.method, "POST");
    assert_eq!(asked.headers["accept"], "application/json");
    assert_eq!(
        asked.headers["content-type"],
        "application/x-www-form-urlencoded"
    );
    let form = Form::parse(asked.body.as_bytes()).expect("a form");
    assert_eq!(form.value("token"), Some("tok en+&="));
    assert_eq!(form.value("token_type_hint"), Some("access_token"));
    (asked.headers, asked.body)
}

#[tokio::test]
async fn by_secret() {
    // RFC 6749 section 2.3.1: each is form-encoded before they are joined by a colon.
    let secret = "pä ss:w%rd+";
    let registration = json!({"client_id": "a:b c", "client_secret": secret});
    let (headers, body) = seen(read(&registration, &[])).await;
    let encoded = STANDARD.encode("a%3Ab+c:p%C3%A4+ss%3Aw%25rd%2B");
    assert_eq!(headers["authorization"], format!("Basic {encoded}"));
    let form = Form::parse(body.as_bytes()).expect("a form");
    assert_eq!(form.value("client_id"), None);
    assert_eq!(form.value("client_secret"), None);

    let registration = json!({"client_id": "a:b c", "client_secret_file": "s",
        "token_endpoint_auth_method": "client_secret_post"});
    let (headers, body) = seen(read(&registration, &[("s", "hunter2+&\n")])).await;
    assert!(!headers.contains_key("authorization"));
    let form = Form::parse(body.as_bytes()).expect("a form");
    assert_eq!(form.value("client_id"), Some("a:b c"));
    assert_eq!(form.value("client_secret"), Some("hunter2+&"));
}

#[tokio::test]
async fn by_assertion() {
    for algorithm in SigningAlgorithm::ALL.iter().copied() {
        for kid in [None, Some("orders-1")] {
            let key = Arc::new(SigningKey::generate(algorithm).expect("entropy"));
            let managed = ManagedKey::new(Arc::clone(&key), NOW, NOW);
            let pem = managed.to_pem().expect("PEM");
            let mut registration = json!({"client_id": "gate", "private_key_file": "k.pem",
                "token_endpoint_auth_method": "private_key_jwt",
                "token_endpoint_auth_signing_alg": algorithm.name()});
            if let Some(kid) = kid {
                registration["kid"] = json!(kid);
            }
            let (headers, body) = seen(read(&registration, &[("k.pem", pem.as_str())])).await;
            assert!(!headers.contains_key("authorization"));
            let form = Form::parse(body.as_bytes()).expect("a form");
            assert_eq!(
                form.value("client_assertion_type"),
                Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
            );
            let assertion = form.value("client_assertion").expect("an assertion");
            let jws = UnverifiedJws::parse(assertion).expect("a JWS");
            let kid = kid.unwrap_or(key.kid());
            assert_eq!(jws.unverified_kid(), Some(kid));
            let mut jwk = key.public_jwk();
            jwk["kid"] = json!(kid);
            let keys = JwkSet::registered(&json!({"keys": [jwk]})).expect("keys");
            let verified = jws
                .verify_by(&keys, &[algorithm.verification()])
                .expect("its signature");
            let claims = json!({"iss": "gate", "sub": "gate", "aud": "https://issuer.test/a",
                "jti": "jti-1", "iat": NOW.unix(), "exp": NOW.unix() + 60});
            assert_eq!(Value::Object(verified.claims().clone().into()), claims);
            let header = assertion.split('.').next().expect("a header");
            let header = URL_SAFE_NO_PAD.decode(header).expect("base64url");
            let header: Value = serde_json::from_slice(&header).expect("JSON");
            let expected = json!({"alg": algorithm.name(), "kid": kid, "typ": "JWT"});
            assert_eq!(header, expected);
        }
    }
}

/// As whom certbound calls, with a certificate of that authority, and that certificate.
fn certified(authority: &Authority) -> (Arc<IntrospectionClient>, Vec<u8>) {
    let (certificate, key) = authority.leaf("gate.test");
    let registration = json!({"client_id": "gate", "certificate_file": "c.pem",
        "private_key_file": "k.pem", "token_endpoint_auth_method": "tls_client_auth"});
    let files = [("c.pem", certificate.pem()), ("k.pem", key.serialize_pem())];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    (read(&registration, &files), certificate.der().to_vec())
}

fn trusting(authority: &Authority) -> Outbound {
    let pem = authority.roots();
    let roots = Roots::Pem(pem.as_bytes());
    Outbound::new(roots, Policy::AllowPrivate, Duration::from_secs(2)).expect("one root")
}

#[tokio::test]
async fn by_certificate_at_the_alias() {
    let authority = Authority::new();
    let demanding = Site::tls(authority.demanding("localhost")).await;
    demanding.put("/i", Page::json(&json!({"active": true})));
    let open = Site::tls(authority.acceptor("localhost")).await;
    open.put("/i", Page::json(&json!({"active": false})));
    open.put(
        WELL_KNOWN,
        Page::json(&json!({
            "issuer": open.url(""),
            "introspection_endpoint": open.url("/i"),
            "mtls_endpoint_aliases": {"introspection_endpoint": demanding.url("/i")},
        })),
    );
    let (client, certificate) = certified(&authority);
    let shared = Arc::new(Issuers::new(trusting(&authority)));
    let issuer = RemoteIssuer::new(&shared, &open.url(""), None, None, Some(client));
    let issuer = issuer.expect("its URL");
    // Twice, as the second handshake may resume the session of the first.
    for _ in 0..2 {
        let text = issuer.introspect("t", NOW, "j").await.expect("an answer");
        assert_eq!(text, r#"{"active":true}"#);
    }
    assert_eq!(open.paths(), [WELL_KNOWN]);
    for asked in demanding.asked() {
        assert_eq!(asked.certificate.as_ref(), Some(&certificate));
        let form = Form::parse(asked.body.as_bytes()).expect("a form");
        assert_eq!(form.value("client_id"), Some("gate"));
        assert_eq!(form.value("client_secret"), None);
        assert!(!asked.headers.contains_key("authorization"));
    }
    // Who has a secret calls the plain endpoint, and shows no certificate.
    let other = RemoteIssuer::new(&shared, &open.url(""), None, None, Some(secret_client()));
    let text = other.expect("its URL").introspect("t", NOW, "j").await;
    assert_eq!(text.expect("an answer"), r#"{"active":false}"#);
    assert_eq!(demanding.asked().len(), 2);
    let last = open.asked().pop().expect("a request");
    assert_eq!((last.path.as_str(), last.certificate), ("/i", None));
}

#[tokio::test]
async fn a_certificate_is_demanded_and_must_be_the_right_one() {
    let authority = Authority::new();
    let site = Site::tls(authority.demanding("localhost")).await;
    site.put("/i", Page::json(&json!({"active": true})));
    let url = site.url("/i");
    let (right, _) = certified(&authority);
    let (wrong, _) = certified(&Authority::new());
    for (client, good) in [(right, true), (wrong, false), (secret_client(), false)] {
        let issuer = configured(trusting(&authority), &url, client);
        let outcome = issuer.introspect("t", NOW, "j").await;
        assert_eq!(outcome.is_ok(), good, "{outcome:?}");
    }
    assert_eq!(site.asked().len(), 1);
}

#[tokio::test]
async fn each_client_shows_its_own_certificate_or_none() {
    let authority = Authority::new();
    let site = Site::tls(authority.asking("localhost")).await;
    site.put("/i", Page::json(&json!({"active": true})));
    let shared = Arc::new(Issuers::new(trusting(&authority)));
    let url = site.url("/i");
    let ((one, first), (other, second)) = (certified(&authority), certified(&authority));
    let mut expected = Vec::new();
    for _ in 0..2 {
        // Sessions of one are there to be resumed when the next one calls.
        for (client, shown) in [
            (secret_client(), None),
            (Arc::clone(&one), Some(&first)),
            (Arc::clone(&other), Some(&second)),
        ] {
            let gate = RemoteIssuer::new(&shared, "issuer", Some(&url), Some(&url), Some(client));
            let gate = gate.expect("URLs");
            for _ in 0..2 {
                gate.introspect("t", NOW, "j").await.expect("an answer");
                expected.push(shown.cloned());
            }
        }
    }
    let shown: Vec<_> = site
        .asked()
        .into_iter()
        .map(|asked| asked.certificate)
        .collect();
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn a_certificate_goes_by_tls_only() {
    let authority = Authority::new();
    let site = Site::plain().await;
    site.put(
        WELL_KNOWN,
        Page::json(&json!({
            "issuer": site.url(""),
            "introspection_endpoint": site.url("/i"),
        })),
    );
    site.put("/i", Page::json(&json!({"active": true})));
    let shared = Arc::new(Issuers::new(trusting(&authority)));
    let (client, _) = certified(&authority);
    let (name, endpoint) = (site.url(""), site.url("/i"));
    let configured = RemoteIssuer::new(
        &shared,
        &name,
        None,
        Some(&endpoint),
        Some(Arc::clone(&client)),
    );
    let refused = failed(OutboundError::NotTls);
    assert_eq!(configured.expect_err("plain http"), refused);
    let discovered = RemoteIssuer::new(&shared, &name, None, None, Some(client));
    let outcome = discovered.expect("a URL").introspect("t", NOW, "j").await;
    assert_eq!(outcome, Err(refused));
    assert_eq!(site.paths(), [WELL_KNOWN]);
}

#[tokio::test]
async fn what_is_no_answer() {
    let with_type = |content_type: &str| {
        let mut page = Page::json(&json!({"active": true}));
        page.headers = vec![("content-type", content_type.to_owned())];
        page
    };
    let mut twice = with_type("application/json");
    twice
        .headers
        .push(("content-type", "application/json".into()));
    let mut redirect = Page::status(307);
    redirect.headers.push(("location", "/i2".into()));
    let mut slow = with_type("application/json");
    slow.delay = Duration::from_secs(3600);
    let mut large = with_type("application/json");
    large.body = " ".repeat(INTROSPECTION_LIMIT + 1);
    let wrong_type = || OutboundError::Document("its Content-Type is not application/json".into());
    for (page, cause) in [
        (Page::status(401), OutboundError::Unauthorized(401)),
        (Page::status(403), OutboundError::Unauthorized(403)),
        (Page::status(400), OutboundError::Status(400)),
        (Page::status(500), OutboundError::Status(500)),
        (Page::status(204), OutboundError::Status(204)),
        (redirect, OutboundError::Status(307)),
        (with_type("text/html"), wrong_type()),
        (
            with_type("application/token-introspection+jwt"),
            wrong_type(),
        ),
        (with_type("application/jsonp"), wrong_type()),
        (twice, wrong_type()),
        (large, OutboundError::TooLarge(INTROSPECTION_LIMIT)),
        (slow, OutboundError::TimedOut(Duration::from_secs(1))),
    ] {
        let site = Site::plain().await;
        site.put("/i", page);
        site.put("/i2", Page::json(&json!({"active": true})));
        let outbound = private(Duration::from_secs(1));
        let issuer = configured(outbound, &site.url("/i"), secret_client());
        let outcome = issuer.introspect("t", NOW, "j").await;
        assert_eq!(outcome, Err(failed(cause)));
        assert_eq!(site.paths(), ["/i"]);
    }
    // What does not say what it is has to turn out to be JSON later.
    let mut untyped = with_type("");
    untyped.headers.clear();
    for good in [
        with_type("application/json"),
        with_type("Application/JSON; charset=utf-8"),
        untyped,
    ] {
        let (site, headers) = (Site::plain().await, good.headers.clone());
        site.put("/i", good);
        let issuer = configured(private(TIME_LIMIT), &site.url("/i"), secret_client());
        assert!(
            issuer.introspect("t", NOW, "j").await.is_ok(),
            "{headers:?}"
        );
    }
    let said = failed(OutboundError::Unauthorized(401)).to_string();
    assert!(said.contains("certbound's own credentials"), "{said}");
    for endless in [
        Answer::Hangs("HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n"),
        Answer::Endless(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "10\r\n0123456789abcdef\r\n",
        ),
    ] {
        let stub = Stub::plain(endless).await;
        let issuer = configured(private(TIME_LIMIT), &stub.url(), secret_client());
        let outcome = issuer.introspect("t", NOW, "j").await;
        let too_large = OutboundError::TooLarge(INTROSPECTION_LIMIT);
        assert_eq!(outcome, Err(failed(too_large)));
    }
}
