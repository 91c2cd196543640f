//! Faults of the configuration: one clear line, exit code 2; `check` says the same and exits 1.

use serde_json::json;

use crate::pki::pki;
use crate::world::{World, client, secret_client, tls_client};

/// What `serve` says, which is one line with all those words.
#[track_caller]
fn refuses(world: &World, words: &[&str]) {
    let said = world.refuses_to_start();
    let faults: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("certbound: "))
        .collect();
    assert_eq!(faults.len(), 1, "one clear line: {said}");
    for word in words {
        assert!(faults[0].contains(word), "{word:?} is not in {said}");
    }
    let output = world.run("check", &[]);
    let all = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(matches!(output.status.code(), Some(1 | 2)), "{all}");
    for word in words {
        assert!(all.contains(word), "check: {word:?} is not in {all}");
    }
}

#[test]
fn configuration_faults_are_one_line_and_exit_code_2() {
    let with_file = |content: &str| {
        let world = World::usual();
        world.write("certbound.toml", content);
        world
    };
    refuses(
        &with_file("acces_token_ttl = \"10m\"\n"),
        &["acces_token_ttl", "access_token_ttl", "certbound.toml"],
    );
    refuses(
        &with_file("access_token_ttl = \"soon\"\n"),
        &["access_token_ttl", "certbound.toml"],
    );
    refuses(&with_file("access_token_ttl = \n"), &["certbound.toml"]);
    refuses(
        &World::usual().environment("CERTBOUND_ACESS_TOKEN_TTL", "10m"),
        &["CERTBOUND_ACESS_TOKEN_TTL", "CERTBOUND_ACCESS_TOKEN_TTL"],
    );
    refuses(
        &World::usual().flag("--clients", "missing.json"),
        &["missing.json", "--clients"],
    );
    refuses(
        &World::usual().flag("--trusted-proxy", "localhost"),
        &["trusted-proxy", "localhost"],
    );
    refuses(
        &World::usual().flag("--access-token-ttl", "0s"),
        &["access-token-ttl"],
    );
    refuses(
        &World::usual().flag("--access-token-format", "saml"),
        &["access-token-format", "saml"],
    );
    refuses(
        &World::usual().flag("--client-cert-encoding", "der"),
        &["client-cert-encoding"],
    );
    refuses(
        &World::usual().flag("--proxy-secret-file", "missing.secret"),
        &["missing.secret"],
    );
    refuses(
        &World::usual().flag("--store", "redis://127.0.0.1:1"),
        &["--keys", "--store-secret-file"],
    );
    refuses(&World::usual().flag("--store", "postgres://db"), &["store"]);
    refuses(
        &World::usual().flag("--client-cert-header", "X-ClientCert-Verify"),
        &["verify-header"],
    );
    refuses(
        &World::usual().issuer("http://as.example.com?x=1"),
        &["issuer"],
    );
    refuses(&World::usual().issuer("as.example.com"), &["issuer"]);
    refuses(
        &World::usual().environment("TOKIO_WORKER_THREADS", "0"),
        &["TOKIO_WORKER_THREADS", "\"0\"", "1 to 255"],
    );
}

#[test]
fn contradictory_registrations_name_client_member_and_remedy() {
    let two =
        json!({ "tls_client_auth_san_dns": "a.example", "tls_client_auth_subject_dn": "CN=a" });
    let own = crate::jose::EcKey::from_pem(&pki().own.key).jwk();
    for (registration, words) in [
        (
            client("odd", "tls_client_auth", two),
            &["tls_client_auth"][..],
        ),
        (
            client("odd", "tls_client_auth", json!({})),
            &["tls_client_auth"],
        ),
        (
            client(
                "odd",
                "self_signed_tls_client_auth",
                json!({ "jwks": { "keys": [own] } }),
            ),
            &["jwks", "x5c", "x5t#S256"],
        ),
        (
            client("odd", "self_signed_tls_client_auth", json!({})),
            &["jwks"],
        ),
        (
            client("odd", "client_secret_basic", json!({})),
            &["client_secret"],
        ),
        (
            client("odd", "client_secret_jwt", json!({})),
            &["token_endpoint_auth_method", "client_secret_jwt"],
        ),
        (
            secret_client("odd", json!({ "client_secret": "x" })),
            &["client_secret"],
        ),
        (
            secret_client("odd", json!({ "dpop_bound_access_tokens": true })),
            &["dpop_bound_access_tokens"],
        ),
        (
            secret_client("odd", json!({ "grant_types": ["client_credential"] })),
            &["client_credentials"],
        ),
        (secret_client("odd", json!({ "scope": "a\"b" })), &["scope"]),
        (
            secret_client("odd", json!({ "acces_token_format": "jwt" })),
            &["acces_token_format", "access_token_format"],
        ),
        (
            secret_client("odd", json!({ "access_token_format": "saml" })),
            &["access_token_format"],
        ),
        (
            secret_client("odd", json!({ "tls_client_auth_san_dns": "a.example" })),
            &["tls_client_auth_san_dns"],
        ),
        (tls_client("alice"), &["client_id", "alice"]),
        (secret_client("", json!({})), &["client_id"]),
        (
            secret_client("odd", json!({ "client_secret_sha256x": 1 })),
            &["client_secret_sha256"],
        ),
    ] {
        let named = registration["client_id"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let world = World::usual().client(registration);
        let mut all = vec!["clients.json", named.as_str()];
        all.extend(words);
        refuses(&world, &all);
    }
    let mut digest = secret_client("odd", json!({}));
    digest["client_secret_sha256"] = json!("abc");
    refuses(
        &World::usual().client(digest),
        &["odd", "client_secret_sha256"],
    );
}

#[test]
fn check_says_nothing_is_wrong_where_nothing_is() {
    let output = World::usual()
        .flag("--listen", "unix:x.sock")
        .run("check", &[]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(output.stderr.is_empty());
    let unknown = World::usual().run("check", &["--no-such-flag"]);
    assert_eq!(unknown.status.code(), Some(2));
    let unknown = World::usual().run("chekc", &[]);
    assert_eq!(unknown.status.code(), Some(2));
}

#[test]
fn check_says_everything_at_once() {
    let world = World::bare().clients([
        client("one", "tls_client_auth", json!({})),
        client("two", "client_secret_basic", json!({})),
    ]);
    let output = world.flag("--client-ca", "missing.pem").run("check", &[]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1));
    for word in ["one", "two", "missing.pem", "--trusted-proxy"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[test]
fn flag_over_environment_over_file_over_default() {
    let lives = |world: &World| {
        let server = world.start();
        let response = server.token("alice").with(&pki().alice).send();
        response.token();
        response.json()["expires_in"].as_u64().expect("a number")
    };
    let world = World::usual();
    assert_eq!(lives(&world), 600);
    world.write("certbound.toml", "access_token_ttl = \"3m\"\n");
    assert_eq!(lives(&world), 180);
    let world = world.environment("CERTBOUND_ACCESS_TOKEN_TTL", "4m");
    assert_eq!(lives(&world), 240);
    let world = world.flag("--access-token-ttl", "5m");
    assert_eq!(lives(&world), 300);
}

#[test]
fn a_stale_socket_is_replaced_and_its_mode_is_as_set() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::usual();
    let mut server = world.start();
    let crate::wire::Place::Unix(path) = server.place.clone() else {
        panic!("a socket")
    };
    let mode = |path: &std::path::Path| {
        std::fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(mode(&path), 0o660);
    server.crash();
    assert!(path.exists(), "a crash leaves it behind");
    let again = world
        .flag("--listen", &format!("unix:{}", path.display()))
        .flag("--listen-mode", "0600");
    let second = again.start();
    assert_eq!(mode(&path), 0o600);
    let place = crate::wire::Place::Unix(path);
    let request = second.get("jwks");
    let response = place.exchange(&request.octets());
    request.seen(&response);
    assert_eq!(response.status, 200);
}
