//! Other issuers that move, lie, hang, flood, rotate their keys and go away (RFC 8414, RFC 7517).

use std::sync::Arc;
use std::time::{Duration, Instant};

use certbound::key::algorithm::SigningAlgorithm;
use certbound::key::signing::SigningKey;
use certbound::oauth::time::Timestamp;
use certbound::outbound::address::Policy;
use certbound::outbound::fetch::{BODY_LIMIT, Outbound, TIME_LIMIT};
use certbound::outbound::guard::NotADestination;
use certbound::outbound::introspection::IntrospectionClient;
use certbound::outbound::issuer::{Issuers, RemoteIssuer};
use certbound::outbound::kept::Doubt;
use certbound::outbound::kept::{FRESH, STALE};
use certbound::outbound::roots::Roots;
use certbound::outbound::{OutboundError, Part};
use serde_json::{Value, json};

use crate::site::{Page, Site};
use crate::stub::{Answer, Stub};
use crate::{private, until};

const OPENID: &str = "/realms/a/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server/realms/a";

const fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix(1_800_000_000 + seconds)
}

fn key() -> Value {
    let key = SigningKey::generate(SigningAlgorithm::Es256).expect("entropy");
    key.public_jwk()
}

fn issuers() -> Arc<Issuers> {
    Arc::new(Issuers::new(private(Duration::from_secs(1))))
}

fn issuer(site: &Site) -> RemoteIssuer {
    RemoteIssuer::new(&issuers(), &site.url("/realms/a"), None, None, None).expect("its URL")
}

fn metadata(site: &Site) -> Value {
    json!({
        "issuer": site.url("/realms/a"),
        "jwks_uri": site.url("/keys"),
        "introspection_endpoint": site.url("/introspect"),
    })
}

fn at_part(part: Part, cause: OutboundError) -> OutboundError {
    OutboundError::At {
        part,
        cause: Box::new(cause),
    }
}

fn client() -> Arc<IntrospectionClient> {
    let text = r#"{"client_id": "gate", "client_secret": "hunter2"}"#;
    let read = IntrospectionClient::read(text, |_| Ok(Vec::new()));
    Arc::new(read.expect("a registration"))
}

#[tokio::test]
async fn metadata_is_found_at_either_place() {
    for place in [OPENID, OAUTH] {
        let site = Site::plain().await;
        site.put(place, Page::json(&metadata(&site)));
        let symmetric = json!({"kty": "oct", "k": "AAAA", "alg": "HS256"});
        let unknown = json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"});
        site.put(
            "/keys",
            Page::json(&json!({"keys": [symmetric, key(), unknown]})),
        );
        let issuer = issuer(&site);
        assert_eq!(issuer.issuer(), site.url("/realms/a"));
        assert!(!issuer.introspects());
        assert!(site.asked().is_empty());
        for second in 0..10 {
            let keys = issuer.keys(at(second)).await.expect("keys");
            assert_eq!(keys.keys().len(), 1);
        }
        let expected = match place {
            OPENID => vec![OPENID, "/keys"],
            _ => vec![OPENID, OAUTH, "/keys"],
        };
        assert_eq!(site.paths(), expected);
        let introspected = issuer.introspect("t", at(0), "j").await;
        assert_eq!(introspected, Err(OutboundError::NoCredentials));
    }
}

#[tokio::test]
async fn what_is_configured_is_not_discovered() {
    let site = Site::plain().await;
    site.put("/elsewhere", Page::json(&json!({"keys": [key()]})));
    site.put("/ask", Page::json(&json!({"active": false})));
    let issuer = RemoteIssuer::new(
        &issuers(),
        // Nobody calls it, so it may be any name.
        "http://issuer.test/realms/a",
        Some(&site.url("/elsewhere")),
        Some(&site.url("/ask")),
        Some(client()),
    )
    .expect("URLs");
    assert!(issuer.introspects());
    assert_eq!(issuer.keys(at(0)).await.expect("keys").keys().len(), 1);
    let text = issuer.introspect("t", at(0), "j").await.expect("a text");
    assert_eq!(text, r#"{"active":false}"#);
    assert_eq!(site.paths(), ["/elsewhere", "/ask"]);
}

#[tokio::test]
async fn only_what_is_missing_is_discovered() {
    let site = Site::plain().await;
    site.put(OPENID, Page::json(&metadata(&site)));
    site.put("/elsewhere", Page::json(&json!({"keys": []})));
    site.put("/introspect", Page::json(&json!({"active": false})));
    let name = site.url("/realms/a");
    let uri = site.url("/elsewhere");
    let issuer = RemoteIssuer::new(&issuers(), &name, Some(&uri), None, Some(client()));
    let issuer = issuer.expect("URLs");
    issuer.keys(at(0)).await.expect("keys");
    assert_eq!(site.paths(), ["/elsewhere"]);
    for _ in 0..3 {
        issuer.introspect("t", at(0), "j").await.expect("a text");
    }
    let asked = [
        "/elsewhere",
        OPENID,
        "/introspect",
        "/introspect",
        "/introspect",
    ];
    assert_eq!(site.paths(), asked);
}

#[tokio::test]
async fn gates_share_what_is_known() {
    let site = Site::plain().await;
    site.put(OPENID, Page::json(&metadata(&site)));
    site.put("/keys", Page::json(&json!({"keys": [key()]})));
    let shared = issuers();
    for _ in 0..5 {
        let gate = RemoteIssuer::new(&shared, &site.url("/realms/a"), None, None, None);
        gate.expect("its URL").keys(at(0)).await.expect("keys");
    }
    assert_eq!(site.paths(), [OPENID, "/keys"]);
}

#[tokio::test]
async fn a_lying_issuer_is_not_believed_and_nothing_of_it_is_kept() {
    let site = Site::plain().await;
    site.put("/keys", Page::json(&json!({"keys": [key()]})));
    let error = at_part(Part::Discovery, OutboundError::AnotherIssuer);
    assert!(error.to_string().contains("lies about its name"), "{error}");
    let lie = Err(error);
    let issuer = issuer(&site);
    for (second, name) in [
        (0, site.url("/realms/b")),
        (30, site.url("/realms/a/")),
        (60, site.url("")),
    ] {
        let mut metadata = metadata(&site);
        metadata["issuer"] = json!(name);
        site.put(OPENID, Page::json(&metadata));
        assert_eq!(issuer.keys(at(second)).await, lie, "{name}");
        assert_eq!(
            issuer.refreshed(at(second), Doubt::Missing).await,
            lie,
            "{name}"
        );
    }
    // What it said meanwhile was not kept: the truth is found as soon as it is asked again.
    site.put(OPENID, Page::json(&metadata(&site)));
    assert_eq!(issuer.keys(at(61)).await, lie);
    assert_eq!(issuer.keys(at(90)).await.expect("keys").keys().len(), 1);
    assert_eq!(site.paths(), [OPENID, OPENID, OPENID, OPENID, "/keys"]);
}

#[tokio::test]
async fn what_is_no_metadata() {
    for (page, cause) in [
        (Page::status(500), OutboundError::Status(500)),
        (Page::status(302), OutboundError::Status(302)),
        (
            Page::json(&json!([1])),
            OutboundError::Document("it is to be a JSON object, no member twice".into()),
        ),
        (Page::json(&json!({})), OutboundError::AnotherIssuer),
    ] {
        let site = Site::plain().await;
        site.put(OPENID, page);
        let outcome = issuer(&site).keys(at(0)).await;
        assert_eq!(outcome, Err(at_part(Part::Discovery, cause)));
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let site = Site::plain().await;
    let mut redirect = Page::status(302);
    redirect.headers.push(("location", site.url("/true")));
    site.put(OPENID, redirect.clone());
    site.put(OAUTH, redirect.clone());
    site.put("/true", Page::json(&metadata(&site)));
    let outcome = issuer(&site).keys(at(0)).await;
    let status = OutboundError::Status(302);
    assert_eq!(outcome, Err(at_part(Part::Discovery, status.clone())));
    assert_eq!(site.paths(), [OPENID, OAUTH]);
    site.put(OPENID, Page::json(&metadata(&site)));
    site.put("/keys", redirect);
    let outcome = issuer(&site).keys(at(0)).await;
    assert_eq!(outcome, Err(at_part(Part::Keys, status)));
    assert!(!site.paths().contains(&"/true".to_owned()));
}

#[tokio::test]
async fn urls_in_the_metadata_are_guarded() {
    for (url, fault) in [
        ("http://10.0.0.1/keys", NotADestination::PlainHttp),
        ("https://u:p@a.test/keys", NotADestination::UserInformation),
        ("file://a.test/etc/passwd", NotADestination::Scheme),
        (
            "https://169.254.169.254/",
            NotADestination::Address("169.254.169.254".parse().expect("an address")),
        ),
    ] {
        let site = Site::plain().await;
        let mut metadata = metadata(&site);
        metadata["jwks_uri"] = json!(url);
        metadata["introspection_endpoint"] = json!(url);
        site.put(OPENID, Page::json(&metadata));
        let name = site.url("/realms/a");
        let issuer = RemoteIssuer::new(&issuers(), &name, None, None, Some(client()));
        let issuer = issuer.expect("its URL");
        let fault = OutboundError::Url(fault);
        let outcome = issuer.keys(at(0)).await;
        assert_eq!(outcome, Err(at_part(Part::Keys, fault.clone())), "{url}");
        let outcome = issuer.introspect("t", at(0), "j").await;
        assert_eq!(outcome, Err(at_part(Part::Introspection, fault)), "{url}");
    }
    // A document that does not name what is needed says so.
    let site = Site::plain().await;
    site.put(
        OPENID,
        Page::json(&json!({"issuer": site.url("/realms/a")})),
    );
    let outcome = issuer(&site).keys(at(0)).await;
    let unnamed = OutboundError::NotNamed("jwks_uri");
    assert_eq!(outcome, Err(at_part(Part::Discovery, unnamed)));
}

#[tokio::test]
async fn urls_in_the_configuration_are_guarded() {
    let public = Outbound::new(Roots::System, Policy::Public, TIME_LIMIT).expect("no roots yet");
    let shared = Arc::new(Issuers::new(public));
    let good = "https://issuer.test";
    let private = Some("https://10.0.0.1/x");
    let fault = OutboundError::Url(NotADestination::Address(
        "10.0.0.1".parse().expect("an address"),
    ));
    for (issuer, jwks_uri, endpoint, part) in [
        ("https://10.0.0.1/x", None, None, Part::Discovery),
        (good, private, None, Part::Keys),
        (good, None, private, Part::Introspection),
    ] {
        let outcome = RemoteIssuer::new(&shared, issuer, jwks_uri, endpoint, Some(client()));
        let error = outcome.expect_err("a private address");
        assert_eq!(error, at_part(part, fault.clone()));
        assert!(
            error.to_string().contains("--outbound-allow-private"),
            "{error}"
        );
    }
    let keys = Some("https://issuer.test/keys");
    assert!(RemoteIssuer::new(&shared, "", keys, None, None).is_err());
    assert!(RemoteIssuer::new(&shared, "issuer", keys, None, None).is_ok());
    assert!(RemoteIssuer::new(&shared, "issuer", None, None, None).is_err());
}

/// Tens of gigabytes, for ever, or never.
#[tokio::test]
async fn floods_and_silence_end_within_a_bound() {
    let announced = "HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let too_large = OutboundError::TooLarge(BODY_LIMIT);
    let late = OutboundError::TimedOut(Duration::from_secs(1));
    for (answer, cause) in [
        (Answer::Hangs(announced), too_large.clone()),
        (
            Answer::Endless(chunked, "10\r\n0123456789abcdef\r\n"),
            too_large,
        ),
        (Answer::Hangs(""), late.clone()),
        (
            Answer::Drips("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
            late,
        ),
    ] {
        let stub = Stub::plain(answer).await;
        let url = format!("http://{}", stub.address);
        let begun = Instant::now();
        let discovering = RemoteIssuer::new(&issuers(), &url, None, None, None).expect("a URL");
        let outcome = discovering.keys(at(0)).await;
        assert_eq!(outcome, Err(at_part(Part::Discovery, cause.clone())));
        // For a while nobody waits for that again, and nobody asks.
        let outcome = discovering.keys(at(0)).await;
        assert_eq!(outcome, Err(at_part(Part::Discovery, cause.clone())));
        assert_eq!(stub.connections(), 1);
        let told = RemoteIssuer::new(&issuers(), &url, Some(&url), None, None).expect("a URL");
        let outcome = told.keys(at(0)).await;
        assert_eq!(outcome, Err(at_part(Part::Keys, cause)));
        assert!(begun.elapsed() < Duration::from_secs(4));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_callers_with_a_new_key_cause_one_fetch() {
    let site = Site::plain().await;
    site.put(OPENID, Page::json(&metadata(&site)));
    site.put("/keys", Page::json(&json!({"keys": [key()]})));
    let issuer = Arc::new(issuer(&site));
    assert_eq!(issuer.keys(at(0)).await.expect("keys").keys().len(), 1);
    let mut rotated = Page::json(&json!({"keys": [key(), key()]}));
    rotated.delay = Duration::from_millis(200);
    site.put("/keys", rotated);
    let callers: Vec<_> = (0..100)
        .map(|_| {
            let issuer = Arc::clone(&issuer);
            tokio::spawn(async move { issuer.refreshed(at(60), Doubt::Missing).await })
        })
        .collect();
    for caller in callers {
        let keys = caller.await.expect("no panic").expect("keys");
        assert_eq!(keys.keys().len(), 2);
    }
    assert_eq!(site.paths(), [OPENID, "/keys", "/keys"]);
    // Tokens with keys that nobody has do not cause any for 30 seconds.
    for second in 60..90 {
        issuer
            .refreshed(at(second), Doubt::Missing)
            .await
            .expect("keys");
    }
    assert_eq!(site.paths().len(), 3);
}

#[tokio::test]
async fn an_issuer_that_is_away_stalls_nobody() {
    const PATIENCE: Duration = Duration::from_secs(2);
    let site = Site::plain().await;
    site.put(OPENID, Page::json(&metadata(&site)));
    let known = json!({"keys": [key()]});
    site.put("/keys", Page::json(&known));
    let shared = Arc::new(Issuers::new(private(PATIENCE)));
    let name = site.url("/realms/a");
    let issuer = RemoteIssuer::new(&shared, &name, None, None, None).expect("its URL");
    issuer.keys(at(0)).await.expect("keys");
    let mut hanging = Page::json(&known);
    hanging.delay = Duration::from_secs(3600);
    site.put(OPENID, hanging.clone());
    site.put("/keys", hanging);
    // It is noticed before anybody has to wait: in the last quarter, by fetches of its own.
    let begun = Instant::now();
    let ahead = FRESH.seconds() / 4 * 3;
    issuer.keys(at(ahead)).await.expect("keys");
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    until(|| site.paths().len() == 4).await;
    tokio::time::sleep(PATIENCE + PATIENCE / 4).await;
    // Requests every ten seconds, until the keys are no longer good.
    let end = FRESH.seconds() + STALE.seconds();
    let begun = Instant::now();
    for second in (ahead..end).step_by(10) {
        let keys = issuer.keys(at(second)).await.expect("older keys");
        assert_eq!(keys.keys().len(), 1, "{second}");
        tokio::task::yield_now().await;
    }
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    until(|| site.paths().len() > 4).await;
    let outcome = issuer.keys(at(end + 60)).await;
    let late = OutboundError::TimedOut(PATIENCE);
    assert_eq!(outcome, Err(at_part(Part::Discovery, late)));
}

#[tokio::test]
async fn an_issuer_that_hangs_keeps_nobody_from_asking_another() {
    let (hanging, other) = (Site::plain().await, Site::plain().await);
    let mut page = Page::json(&json!({"active": false}));
    other.put("/ask", page.clone());
    page.delay = Duration::from_secs(3600);
    hanging.put("/ask", page);
    let shared = Arc::new(Issuers::new(private(TIME_LIMIT)));
    let asks = |name: &str, site: &Site| {
        let (keys, ask) = (site.url("/keys"), site.url("/ask"));
        let issuer = RemoteIssuer::new(&shared, name, Some(&keys), Some(&ask), Some(client()));
        Arc::new(issuer.expect("URLs"))
    };
    let slow = asks("https://slow.test", &hanging);
    for number in 0..400 {
        let slow = Arc::clone(&slow);
        tokio::spawn(async move { slow.introspect(&format!("t{number}"), at(0), "j").await });
    }
    while hanging.asked().len() < 256 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let quick = asks("https://quick.test", &other);
    let answer = tokio::time::timeout(TIME_LIMIT / 5, quick.introspect("t", at(0), "j")).await;
    assert_eq!(
        answer.expect("at once").expect("an answer"),
        r#"{"active":false}"#
    );
    // However many there are, so many are under way at once.
    assert_eq!(hanging.asked().len(), 256);
}
