//! `whoami`: what the web server forwarded, as it was understood.

use serde_json::{Value, json};

use crate::pki::{dn, pki, wanted};
use crate::world::{Server, World, client};

fn seen(server: &Server, value: &str, verdict: Option<&str>) -> Value {
    let mut request = server.get("whoami").header("X-ClientCert", value);
    if let Some(verdict) = verdict {
        request = request.header("X-ClientCert-Verify", verdict);
    }
    request.send().succeeds().json()
}

#[test]
fn off_unless_it_is_switched_on() {
    let server = World::usual().start();
    server
        .get("whoami")
        .with(&pki().alice)
        .send()
        .refuses(404, "invalid_request");
}

#[test]
fn mtls_23_every_form_of_one_certificate_is_the_same_certificate() {
    let server = World::usual()
        .switch("--whoami")
        .client(client(
            "sven",
            "self_signed_tls_client_auth",
            json!({ "jwks": { "keys": [pki().own.jwk()] } }),
        ))
        .start();
    let alice = &pki().alice;
    for (encoding, value) in [
        ("pem", alice.apache()),
        ("escaped-pem", alice.nginx()),
        ("rfc9440", alice.rfc9440()),
        ("base64-der", alice.base64()),
    ] {
        let seen = seen(&server, &value, Some("SUCCESS"));
        assert_eq!(seen["encoding"], json!(encoding));
        assert_eq!(seen["certificate"]["x5t#S256"], json!(alice.thumbprint()));
        assert_eq!(seen["certificate"]["subject"], json!(dn("alice")));
        assert_eq!(
            (&seen["verified"], &seen["satisfies"]),
            (&json!(true), &json!(["alice"]))
        );
    }
    let failed = seen(&server, &alice.apache(), Some("FAILED:x"));
    assert_eq!(
        (&failed["verified"], &failed["satisfies"]),
        (&json!(false), &json!([]))
    );
    assert!(failed["why"].as_str().is_some_and(|why| !why.is_empty()));
    let own = seen(&server, &pki().own.apache(), Some("NONE"));
    assert_eq!(
        (&own["verified"], &own["satisfies"]),
        (&json!(false), &json!(["sven"]))
    );
    let none = server.get("whoami").send().succeeds().json();
    assert_eq!(none["certificate"], Value::Null);
    let named = wanted("x").dns("a.example").by(&pki().ca);
    let seen = seen(&server, &named.apache(), Some("SUCCESS"));
    assert!(
        seen["certificate"]["subject_alt_names"]
            .to_string()
            .contains("a.example")
    );
}

#[test]
fn the_page_escapes_what_it_shows() {
    let server = World::usual().switch("--whoami").start();
    let hostile = wanted("<script>alert(1)</script>&\"").self_signed();
    let request = server
        .get("whoami")
        .header("Accept", "text/html,*/*;q=0.8")
        .judged(&hostile, "<b>");
    let page = request.send();
    assert_eq!(
        page.succeeds().header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(
        !page.body.contains("<script") && !page.body.contains("<b>"),
        "{}",
        page.body
    );
    assert!(page.body.contains("&lt;"));
    assert_eq!(server.post("whoami").send().status, 405);
}
