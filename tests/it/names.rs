//! By which names `tls_client_auth` knows a client: subject and the four alternative names.

use std::net::IpAddr;

use rcgen::SanType;
use serde_json::{Value, json};

use crate::pki::{Cert, ia5, pki, wanted};
use crate::world::{Server, World, client};

fn by(id: &str, member: &str, value: &str) -> Value {
    client(id, "tls_client_auth", json!({ member: value }))
}

fn ip(text: &str) -> SanType {
    SanType::IpAddress(text.parse::<IpAddr>().expect("an address"))
}

fn uri(text: &str) -> SanType {
    SanType::URI(ia5(text))
}

fn email(text: &str) -> SanType {
    SanType::Rfc822Name(ia5(text))
}

#[track_caller]
fn decides(server: &Server, id: &str, certificate: &Cert, good: bool, why: &str) {
    let response = server.token(id).with(certificate).send();
    let expected = if good { 200 } else { 401 };
    assert_eq!(response.status, expected, "{id}, {why}: {}", response.body);
}

#[test]
fn mtls_11_san_dns() {
    let server = World::usual()
        .clients([
            by("dns", "tls_client_auth_san_dns", "client.example.com"),
            by("long", "tls_client_auth_san_dns", "a.client.example.com"),
        ])
        .start();
    let named = |names: &[&str]| {
        let mut wanted = wanted("x");
        for name in names {
            wanted = wanted.dns(name);
        }
        wanted.by(&pki().ca)
    };
    decides(
        &server,
        "dns",
        &named(&["client.example.com"]),
        true,
        "equal",
    );
    decides(
        &server,
        "dns",
        &named(&["CLIENT.Example.COM"]),
        true,
        "case",
    );
    decides(
        &server,
        "dns",
        &named(&["other.example.com", "client.example.com"]),
        true,
        "second",
    );
    decides(
        &server,
        "dns",
        &named(&["other.example.com"]),
        false,
        "another",
    );
    decides(
        &server,
        "dns",
        &named(&["*.example.com"]),
        false,
        "a wildcard",
    );
    decides(
        &server,
        "long",
        &named(&["*.client.example.com"]),
        false,
        "a wildcard",
    );
    decides(
        &server,
        "dns",
        &named(&["a.client.example.com"]),
        false,
        "below",
    );
    decides(&server, "dns", &named(&["example.com"]), false, "above");
    decides(&server, "dns", &named(&[]), false, "none");
    decides(
        &server,
        "dns",
        &wanted("client.example.com").by(&pki().ca),
        false,
        "CN",
    );
    decides(
        &server,
        "dns",
        &wanted("x").san(uri("client.example.com")).by(&pki().ca),
        false,
        "a URI",
    );
    decides(
        &server,
        "dns",
        &wanted("x").san(email("client.example.com")).by(&pki().ca),
        false,
        "an address",
    );
    decides(
        &server,
        "dns",
        &wanted("x").dns("client.example.com").self_signed(),
        false,
        "not verified",
    );
}

#[test]
fn mtls_12_san_uri() {
    let registered = "urn:example:client";
    let server = World::usual()
        .clients([
            by("urn", "tls_client_auth_san_uri", registered),
            by(
                "spiffe",
                "tls_client_auth_san_uri",
                "spiffe://example.org/ns/Prod/sa/orders",
            ),
            by(
                "https",
                "tls_client_auth_san_uri",
                "https://client.example/a",
            ),
        ])
        .start();
    for (id, value, good) in [
        ("urn", registered, true),
        ("urn", "urn:example:Client", false),
        ("urn", "urn:example:client ", false),
        ("spiffe", "spiffe://example.org/ns/Prod/sa/orders", true),
        ("spiffe", "spiffe://example.org/ns/prod/sa/orders", false),
        ("spiffe", "spiffe://example.org/ns/Prod/sa/orders/", false),
        (
            "spiffe",
            "spiffe://example.org/ns/x/../Prod/sa/orders",
            false,
        ),
        ("https", "https://client.example/a", true),
        ("https", "https://client.example:443/a", false),
        ("https", "https://client.example/%61", false),
        ("https", "https://client.example/a?", false),
    ] {
        let certificate = wanted("x").san(uri(value)).by(&pki().ca);
        decides(&server, id, &certificate, good, value);
    }
    decides(
        &server,
        "urn",
        &wanted("x").dns("urn.example").by(&pki().ca),
        false,
        "DNS",
    );
}

#[test]
fn mtls_13_san_ip() {
    let spellings = [
        "2001:db8::10",
        "2001:DB8:0:0:0:0:0:10",
        "2001:0db8:0000:0000:0000:0000:0000:0010",
    ];
    let mut clients: Vec<Value> = spellings
        .iter()
        .enumerate()
        .map(|(at, text)| by(&format!("six{at}"), "tls_client_auth_san_ip", text))
        .collect();
    clients.push(by("four", "tls_client_auth_san_ip", "192.0.2.7"));
    let server = World::usual().clients(clients).start();
    let six = wanted("x").san(ip("2001:db8::10")).by(&pki().ca);
    let four = wanted("x").san(ip("192.0.2.7")).by(&pki().ca);
    let mapped = wanted("x").san(ip("::ffff:192.0.2.7")).by(&pki().ca);
    for at in 0..spellings.len() {
        let id = format!("six{at}");
        decides(&server, &id, &six, true, "equal");
        decides(&server, &id, &four, false, "another");
        decides(
            &server,
            &id,
            &wanted("x").dns("2001:db8::10").by(&pki().ca),
            false,
            "as DNS",
        );
    }
    decides(&server, "four", &four, true, "equal");
    decides(&server, "four", &mapped, false, "IPv4-mapped");
    decides(
        &server,
        "four",
        &wanted("192.0.2.7").by(&pki().ca),
        false,
        "CN",
    );
    decides(
        &server,
        "four",
        &wanted("x").san(ip("192.0.2.8")).by(&pki().ca),
        false,
        "another",
    );
}

#[test]
fn mtls_14_san_email() {
    let server = World::usual()
        .client(by(
            "mail",
            "tls_client_auth_san_email",
            "Client@example.com",
        ))
        .start();
    let with = |san: SanType| wanted("x").san(san).by(&pki().ca);
    decides(
        &server,
        "mail",
        &with(email("Client@example.com")),
        true,
        "equal",
    );
    decides(
        &server,
        "mail",
        &with(email("other@example.com")),
        false,
        "another",
    );
    decides(
        &server,
        "mail",
        &with(uri("mailto:Client@example.com")),
        false,
        "a URI",
    );
    let other = SanType::OtherName((
        vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 3],
        "Client@example.com".into(),
    ));
    decides(&server, "mail", &with(other), false, "otherName");
    let subject = wanted("x")
        .email_in_subject("Client@example.com")
        .by(&pki().ca);
    decides(
        &server,
        "mail",
        &subject,
        false,
        "emailAddress in the subject",
    );
}

#[test]
fn mtls_09_subjects_are_compared_by_type_and_value() {
    let registered = [
        ("plain", "CN=x,O=Example\\, Inc.,C=DE", true),
        ("case", "cn=X,o=EXAMPLE\\, INC.,c=de", true),
        ("oid", "2.5.4.3=x,O=Example\\, Inc.,C=DE", true),
        ("escaped", "CN=\\78,O=Example\\2C Inc.,C=DE", true),
        ("reversed", "C=DE,O=Example\\, Inc.,CN=x", false),
        ("shorter", "CN=x", false),
        ("longer", "CN=x,OU=y,O=Example\\, Inc.,C=DE", false),
        ("type", "OU=x,O=Example\\, Inc.,C=DE", false),
        ("value", "CN=y,O=Example\\, Inc.,C=DE", false),
        ("multi", "CN=x+O=Example\\, Inc.,C=DE", false),
    ];
    let clients = registered.map(|(id, dn, _)| by(id, "tls_client_auth_subject_dn", dn));
    let world = World::usual().clients(clients);
    let output = world.run("check", &[]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("reversed"), "{said}");
    let server = world.start();
    let certificate = wanted("x").by(&pki().ca);
    for (id, dn, good) in registered {
        decides(&server, id, &certificate, good, dn);
    }
    server.logs("CN=y");
}

#[test]
fn mtls_08_mtls_10_selectors_that_are_refused_in_the_file() {
    for (why, members) in [
        ("none", json!({})),
        (
            "two",
            json!({ "tls_client_auth_san_dns": "a.example", "tls_client_auth_san_ip": "::1" }),
        ),
        (
            "two with a subject",
            json!({ "tls_client_auth_subject_dn": "CN=a", "tls_client_auth_san_uri": "urn:a" }),
        ),
        ("empty DN", json!({ "tls_client_auth_subject_dn": "" })),
        ("blank DN", json!({ "tls_client_auth_subject_dn": "CN= " })),
        ("empty DNS", json!({ "tls_client_auth_san_dns": "" })),
        ("empty URI", json!({ "tls_client_auth_san_uri": "" })),
        ("empty email", json!({ "tls_client_auth_san_email": "" })),
        ("empty IP", json!({ "tls_client_auth_san_ip": "" })),
        (
            "OpenSSL's form",
            json!({ "tls_client_auth_subject_dn": "/C=US/CN=a" }),
        ),
        ("a pattern", json!({ "tls_client_auth_subject_dn": ".*" })),
        (
            "an unescaped comma",
            json!({ "tls_client_auth_subject_dn": "CN=a,b" }),
        ),
        (
            "an unknown type",
            json!({ "tls_client_auth_subject_dn": "NOSUCH=a" }),
        ),
        (
            "a control character",
            json!({ "tls_client_auth_subject_dn": "CN=a\u{7}" }),
        ),
        (
            "a format character",
            json!({ "tls_client_auth_subject_dn": "CN=a\u{202e}b" }),
        ),
        (
            "a wildcard",
            json!({ "tls_client_auth_san_dns": "*.example.com" }),
        ),
        (
            "a zone",
            json!({ "tls_client_auth_san_ip": "fe80::1%eth0" }),
        ),
        (
            "a network",
            json!({ "tls_client_auth_san_ip": "10.0.0.0/8" }),
        ),
        (
            "a host name",
            json!({ "tls_client_auth_san_ip": "localhost" }),
        ),
        (
            "a leading zero",
            json!({ "tls_client_auth_san_ip": "010.0.0.1" }),
        ),
        ("no text", json!({ "tls_client_auth_san_dns": 7 })),
    ] {
        let world = World::usual().client(client("odd-one", "tls_client_auth", members));
        let output = world.run("check", &[]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{why}: {said}");
        assert!(
            said.contains("odd-one") && said.contains("clients.json"),
            "{why}: {said}"
        );
        let refused = world.refuses_to_start();
        assert!(
            refused.contains("odd-one") && refused.lines().count() == 1,
            "{why}: {refused}"
        );
    }
}
