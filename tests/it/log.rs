//! What the log says, and what it never says.

use serde_json::Value;

use crate::pki::pki;
use crate::world::{SECRET, World};

#[test]
fn json_lines_parse_and_tell_the_story() {
    let server = World::usual().flag("--log-format", "json").start();
    let token = server.token("alice").with(&pki().alice).send().token();
    server
        .token("alice")
        .with(&pki().bob)
        .send()
        .refuses(401, "invalid_client");
    server
        .token("alice\u{1b}[31m\nforged line")
        .send()
        .refuses(401, "invalid_client");
    server.introspect(&token);
    server
        .post("revoke")
        .form("client_id", "alice")
        .form("token", &token)
        .with(&pki().alice)
        .send();
    let log = server.log();
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let events = |event: &str| -> Vec<&Value> {
        lines.iter().filter(|line| line["event"] == event).collect()
    };
    let issued = events("token_issued");
    assert_eq!(issued.len(), 1);
    assert_eq!(issued[0]["client_id"], "alice");
    assert_eq!(issued[0]["grant_type"], "client_credentials");
    assert_eq!(issued[0]["x5t#S256"], pki().alice.thumbprint().as_str());
    assert_eq!(issued[0]["jti"], crate::jose::claims(&token)["jti"]);
    let refused = events("token_refused");
    assert_eq!(refused.len(), 2);
    // Both names and the first part that differs.
    let cause = refused[0]["cause"].as_str().expect("a cause");
    assert!(
        cause.contains("CN=alice") && cause.contains("CN=bob"),
        "{cause}"
    );
    assert_eq!(events("token_revoked").len(), 1);
    assert!(
        lines
            .iter()
            .all(|line| line["timestamp"].is_string() && line["level"].is_string())
    );
    let mut requests: Vec<&str> = issued
        .iter()
        .chain(&refused)
        .filter_map(|line| line["request"].as_str())
        .collect();
    requests.sort_unstable();
    requests.dedup();
    assert_eq!(requests.len(), 3, "each request has a name of its own");
}

#[test]
fn text_lines_are_single_lines_whatever_clients_send() {
    let server = World::usual().start();
    for hostile in [
        "a\nINFO forged=1",
        "a\r\nb",
        "\u{1b}[2J",
        "x\" event=\"token_issued\"",
        "\u{2028}",
        &"y".repeat(50_000),
    ] {
        server.token(hostile).send().refuses(401, "invalid_client");
        let scope = server
            .token("alice")
            .form("scope", hostile)
            .with(&pki().alice)
            .send();
        scope.refuses(400, "invalid_scope");
        let grant = server
            .post("token")
            .form("client_id", "alice")
            .form("grant_type", hostile);
        grant
            .with(&pki().alice)
            .send()
            .refuses(400, "unsupported_grant_type");
    }
    let log = server.log();
    for line in log.lines() {
        assert!(
            line.starts_with("20"),
            "every line begins with its time: {line}"
        );
        assert!(line.len() < 8_000, "no line is long");
        assert!(!line.contains('\u{1b}'));
    }
}

#[test]
fn names_and_addresses_come_from_trusted_proxies() {
    let server = World::usual()
        .flag("--request-id-header", "X-Request-Id")
        .flag("--client-address-header", "X-Forwarded-For")
        .start();
    let request = server
        .token("alice")
        .with(&pki().alice)
        .header("X-Request-Id", "req-4711");
    request
        .header("X-Forwarded-For", "203.0.113.9, 198.51.100.4")
        .send()
        .token();
    server
        .token("alice")
        .header("X-Request-Id", "req-4712")
        .send()
        .refuses(401, "invalid_client");
    let log = server.log();
    let issued = log
        .lines()
        .find(|line| line.contains("token_issued"))
        .expect("a line");
    assert!(
        issued.contains("req-4711") && issued.contains("198.51.100.4"),
        "{issued}"
    );
    assert!(
        log.lines()
            .any(|line| line.contains("token_refused") && line.contains("req-4712"))
    );
}

#[test]
fn even_the_most_talkative_level_tells_no_secret() {
    let server = World::usual().flag("--log-level", "trace").start();
    let token = server.token("alice").with(&pki().alice).send().token();
    server
        .token_by_secret("carol")
        .with(&pki().bob)
        .send()
        .token();
    server
        .post("token")
        .basic("carol", "a-wrong-guess-of-the-secret")
        .form("grant_type", "client_credentials")
        .send();
    server.token("carol").form("client_secret", SECRET).send();
    server.introspect(&token);
    server
        .post("revoke")
        .form("client_id", "alice")
        .form("token", &token)
        .with(&pki().alice)
        .send();
    server.keeps_secret("a-wrong-guess-of-the-secret");
    server.keeps_secret(pki().alice.base64());
}
