//! Metadata, keys, and where everything lives.

use serde_json::{Value, json};

use crate::pki::pki;
use crate::wire::Response;
use crate::world::{ISSUER, SECRET, Server, World};

fn document(server: &Server, path: &str) -> Value {
    server.get(path).send().succeeds().json()
}

/// The path of a URL of a world on `https://as.example.com`.
fn path(url: &str) -> String {
    let rest = url.split_once("://").expect("a URL").1;
    rest[rest.find('/').expect("a path")..].to_owned()
}

#[test]
fn md_01_md_02_the_same_document_at_every_form_of_path() {
    for (issuer, paths) in [
        (
            ISSUER,
            &[
                "/.well-known/oauth-authorization-server",
                "/.well-known/openid-configuration",
            ][..],
        ),
        (
            "https://as.example.com/oauth2",
            &[
                "/.well-known/oauth-authorization-server/oauth2",
                "/oauth2/.well-known/oauth-authorization-server",
                "/oauth2/.well-known/openid-configuration",
            ],
        ),
        (
            "https://as.example.com:8443/a/b",
            &[
                "/.well-known/oauth-authorization-server/a/b",
                "/a/b/.well-known/openid-configuration",
            ],
        ),
    ] {
        let server = World::usual().issuer(issuer).start();
        let mut documents = paths.iter().map(|path| {
            let request = server.get(path).header("X-Forwarded-Host", "evil.example");
            request
                .header("Forwarded", "host=evil.example;proto=http")
                .send()
                .succeeds()
                .body
                .clone()
        });
        let first = documents.next().expect("a document");
        assert!(documents.all(|other| other == first));
        let document: Value = serde_json::from_str(&first).expect("JSON");
        assert_eq!(document["issuer"], json!(issuer), "MD-02");
        assert!(!first.contains("evil"));
        assert_eq!(document["token_endpoint"], json!(format!("{issuer}/token")));
        server.token("alice").with(&pki().alice).send().token();
        let head = server.request("HEAD", paths[0]).send();
        assert_eq!((head.status, head.body.as_str()), (200, ""));
        for wrong in [
            "/.well-known/oauth-authorization-server/x",
            "/oauth2/",
            "//token",
            "/token/",
            "/.well-known/",
        ] {
            assert_eq!(server.get(wrong).send().status, 404, "{wrong}");
        }
    }
    // Another Host changes nothing.
    let server = World::usual().start();
    let raw = b"GET /.well-known/oauth-authorization-server HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    let answer = server.place.exchange(raw);
    assert_eq!(answer.json()["issuer"], json!(ISSUER));
}

#[test]
fn md_03_04_05_06_mtls_27_what_is_listed_works() {
    let server = World::usual().start();
    let document = document(&server, "/.well-known/oauth-authorization-server");
    for (name, value) in document.as_object().expect("an object") {
        assert_ne!(value, &json!([]), "MD-03: {name}");
        assert_ne!(value, &Value::Null, "{name}");
        if name.ends_with("signing_alg_values_supported") {
            let listed = value.as_array().expect("a list");
            assert!(!listed.contains(&json!("none")), "MD-06: {name}");
            assert!(
                !listed
                    .iter()
                    .any(|alg| alg.as_str().is_some_and(|alg| alg.starts_with("HS"))),
                "{name}"
            );
        }
    }
    assert_eq!(
        document["tls_client_certificate_bound_access_tokens"],
        json!(true),
        "MTLS-27"
    );
    assert_eq!(
        document["grant_types_supported"],
        json!(["client_credentials", "authorization_code", "refresh_token"])
    );
    assert!(
        document.get("mtls_endpoint_aliases").is_none(),
        "no --mtls-base"
    );
    for endpoint in ["token", "introspection", "revocation"] {
        let methods = &document[format!("{endpoint}_endpoint_auth_methods_supported")];
        let methods: Vec<&str> = methods
            .as_array()
            .expect("MD-05")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        for method in [
            "tls_client_auth",
            "self_signed_tls_client_auth",
            "private_key_jwt",
            "client_secret_basic",
            "client_secret_post",
        ] {
            assert!(methods.contains(&method), "{endpoint}: {method}");
        }
        assert_eq!(methods.contains(&"none"), endpoint != "introspection");
        let url = document[format!("{endpoint}_endpoint")]
            .as_str()
            .expect("a URL")
            .to_owned();
        let response = server.post(&path(&url)).form("token", "x").send();
        assert_eq!(response.status, 401, "{endpoint}");
    }
    let uri = document["jwks_uri"].as_str().expect("a URL");
    let keys = server.get(&path(uri)).send().succeeds().json();
    let published: Vec<&Value> = keys["keys"]
        .as_array()
        .expect("keys")
        .iter()
        .map(|key| &key["alg"])
        .collect();
    for alg in document["introspection_signing_alg_values_supported"]
        .as_array()
        .expect("a list")
    {
        assert!(published.contains(&alg), "MD-04: {alg}");
    }
    assert!(published.contains(&&json!("RS256")), "AT-08");
}

#[test]
fn md_07_jwks_is_public_and_its_names_are_unique() {
    let server = World::usual().start();
    let keys = server.jwks();
    let keys = keys["keys"].as_array().expect("keys");
    assert!(!keys.is_empty());
    let mut names: Vec<&str> = keys
        .iter()
        .map(|key| key["kid"].as_str().expect("kid"))
        .collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), keys.len());
    for key in keys {
        assert_eq!(key["use"], json!("sig"));
        for private in ["d", "p", "q", "dp", "dq", "qi", "k", "oth"] {
            assert!(key.get(private).is_none(), "{private}");
        }
    }
}

#[test]
fn mtls_31_every_alias_answers_as_the_endpoint_itself() {
    let server = World::usual()
        .issuer("https://as.example.com/oauth2")
        .flag("--mtls-base", "https://mtls.example.com/m")
        .start();
    let document = document(&server, "/.well-known/oauth-authorization-server/oauth2");
    let aliases = document["mtls_endpoint_aliases"]
        .as_object()
        .expect("aliases");
    assert!(!aliases.contains_key("authorization_endpoint"));
    assert_eq!(
        aliases["token_endpoint"],
        json!("https://mtls.example.com/m/token")
    );
    for (name, url) in aliases {
        assert!(document.get(name).is_some(), "{name} is an endpoint itself");
        let path = path(url.as_str().expect("a URL"));
        let response = server.post(&path).form("token", "x").send();
        if name == "userinfo_endpoint" {
            assert_eq!(response.status, 401, "BR-04");
            continue;
        }
        response.refuses(401, "invalid_client");
    }
    let request = server
        .post("/m/token")
        .form("grant_type", "client_credentials")
        .form("client_id", "alice");
    let token = request.with(&pki().alice).send().token();
    assert_eq!(
        crate::jose::claims(&token)["iss"],
        json!("https://as.example.com/oauth2")
    );
    let seen = server
        .post("/m/introspect")
        .basic("gate", SECRET)
        .form("token", &token)
        .send();
    assert_eq!(seen.succeeds().json()["active"], json!(true));
    // The path of the mTLS base is no second issuer.
    let response: Response = server
        .get("/m/.well-known/oauth-authorization-server")
        .send();
    assert!(matches!(response.status, 200 | 404));
    if response.status == 200 {
        assert_eq!(
            response.json()["issuer"],
            json!("https://as.example.com/oauth2")
        );
    }
}

#[test]
fn admin_health_readiness_and_counters() {
    let server = World::usual().start();
    assert_eq!(server.admin("/healthz").status, 200);
    assert_eq!(server.admin("/readyz").status, 200);
    assert_eq!(server.admin("/nothing").status, 404);
    assert_eq!(
        server.get("/metrics").send().status,
        404,
        "on the admin listener alone"
    );
    server.token("alice").with(&pki().alice).send().token();
    server.token("alice").send().refuses(401, "invalid_client");
    let token = server.token_by_secret("carol").send().token();
    assert!(server.is_active(&token));
    server
        .post("revoke")
        .basic("carol", SECRET)
        .form("token", &token)
        .send()
        .succeeds();
    assert!(!server.is_active(&token));
    server
        .get("/nothing")
        .send()
        .refuses(404, "invalid_request");
    let metrics = server.admin("/metrics");
    assert!(
        metrics
            .header("content-type")
            .expect("a type")
            .starts_with("application/openmetrics-text")
    );
    for line in [
        "certbound_tokens_issued_total{grant_type=\"client_credentials\",format=\"jwt\",bound=\"true\"} 1",
        "certbound_tokens_issued_total{grant_type=\"client_credentials\",format=\"jwt\",bound=\"false\"} 1",
        "certbound_client_authentications_refused_total{reason=\"no_certificate\"} 1",
        "certbound_introspections_total{active=\"true\"} 1",
        "certbound_introspections_total{active=\"false\"} 1",
        "certbound_tokens_revoked_total 1",
        "certbound_requests_total{endpoint=\"token\",status=\"200\"} 2",
        "certbound_requests_total{endpoint=\"token\",status=\"401\"} 1",
        "certbound_request_seconds_bucket{le=\"0.00025\"} ",
        "certbound_sign_outs_total 0",
    ] {
        assert!(
            metrics.body.contains(line),
            "{line} is not in {}",
            metrics.body
        );
    }
    let value = |name: &str| {
        let mut lines = metrics.body.lines();
        lines.find_map(|line| line.strip_prefix(name)).expect(name)
    };
    let all = value("certbound_request_seconds_bucket{le=\"+Inf\"} ");
    assert_eq!(value("certbound_request_seconds_count "), all);
    assert!(metrics.body.ends_with("# EOF\n"));
    assert!(
        !metrics.body.contains("alice"),
        "no label that a caller makes"
    );
}
