//! Chains, dates, usages and revocation lists of `tls_client_auth`.

use rcgen::ExtendedKeyUsagePurpose::{Any, ClientAuth, EmailProtection, ServerAuth};
use serde_json::json;

use crate::pki::{Authority, dn, pki, wanted};
use crate::world::{World, client, secret_client, tls_client};

#[test]
fn mtls_06_mtls_37_only_the_configured_anchors_count() {
    let server = World::usual().start();
    for certificate in [
        wanted("alice").self_signed(),
        wanted("alice").key_of(&pki().alice).self_signed(),
        wanted("alice").by(&pki().other_ca),
        wanted("alice").by(&Authority::root("Clients' CA")),
        // A leaf is no authority, whoever it was signed by.
        wanted("alice").by(&pki().intermediate),
    ] {
        server
            .token("alice")
            .with(&certificate)
            .send()
            .refuses(401, "invalid_client");
    }
    for content in [
        "",
        "not PEM",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        &pki().alice.pem,
    ] {
        let said = World::trusting().verifying(content).refuses_to_start();
        assert!(said.contains("ca.pem"), "{said}");
    }
    let said = World::trusting()
        .flag("--client-ca", "missing.pem")
        .refuses_to_start();
    assert!(
        said.contains("missing.pem") && said.contains("--client-ca"),
        "{said}"
    );
}

#[test]
fn mtls_15_a_renewed_certificate_needs_no_registration() {
    let server = World::usual().start();
    let renewed = wanted("alice").serial(2001).by(&pki().ca);
    assert_ne!(renewed.thumbprint(), pki().alice.thumbprint());
    for certificate in [&pki().alice, &renewed] {
        let token = server.token("alice").with(certificate).send().token();
        assert_eq!(
            server.introspect(&token)["cnf"]["x5t#S256"],
            json!(certificate.thumbprint())
        );
    }
}

#[test]
fn extended_key_usage_where_there_is_one_must_name_client_auth() {
    let cases = [
        (vec![ClientAuth], true),
        (vec![ServerAuth, ClientAuth], true),
        (vec![], true),
        (vec![ServerAuth], false),
        (vec![Any], false),
        (vec![EmailProtection], false),
        (vec![Any, ClientAuth], true),
    ];
    let front_end = World::trusting()
        .switch("--front-end-verifies")
        .client(secret_client("gate", json!({})));
    let own = wanted("own").usages(&[ServerAuth]).self_signed();
    let registered = client(
        "sven",
        "self_signed_tls_client_auth",
        json!({ "jwks": { "keys": [own.jwk()] } }),
    );
    for world in [World::usual(), front_end] {
        let server = world.client(registered.clone()).start();
        for (usages, good) in &cases {
            let certificate = wanted("alice").usages(usages).by(&pki().ca);
            let response = server.token("alice").with(&certificate).send();
            assert_eq!(response.status, if *good { 200 } else { 401 }, "{usages:?}");
        }
        // It is a rule of tls_client_auth, and not of a certificate that is itself registered.
        server.token("sven").with(&own).send().token();
    }
}

#[test]
fn mtls_16_revocation_lists() {
    let list = |world: World, content: &str| {
        let path = world.write("crl.pem", content);
        world.flag("--client-crl", &path)
    };
    let ca = &pki().ca;
    let revoked = list(World::usual(), &ca.crl(&[1001, 7], 2044)).start();
    revoked
        .token("alice")
        .with(&pki().alice)
        .send()
        .refuses(401, "invalid_client");
    revoked.token("bob").with(&pki().bob).send().token();
    revoked.logs("revoked");

    // Past its nextUpdate the list refuses whatever its issuer signed.
    let stale = list(World::usual(), &ca.crl(&[7], 2025)).start();
    stale
        .token("bob")
        .with(&pki().bob)
        .send()
        .refuses(401, "invalid_client");
    let graced = list(World::usual(), &ca.crl(&[1001], 2025)).flag("--crl-grace", "365000d");
    let graced = graced.start();
    graced.token("bob").with(&pki().bob).send().token();
    graced
        .token("alice")
        .with(&pki().alice)
        .send()
        .refuses(401, "invalid_client");

    for content in [
        "",
        "not a list",
        "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
    ] {
        let said = list(World::usual(), content).refuses_to_start();
        assert!(said.contains("crl.pem"), "{said}");
    }
    let missing = World::usual()
        .flag("--client-crl", "missing.crl")
        .refuses_to_start();
    assert!(missing.contains("missing.crl"), "{missing}");
    // A list of somebody else's revokes nothing here.
    let other = list(World::usual(), &pki().other_ca.crl(&[1001], 2044)).start();
    let response = other.token("alice").with(&pki().alice).send();
    assert!(matches!(response.status, 200 | 401));
}

#[test]
fn a_clients_own_anchors_are_the_only_ones_for_it() {
    let mut own = tls_client("olga");
    own["tls_client_auth_trust_anchors"] = json!(pki().other_ca.cert.pem);
    let server = World::usual().client(own.clone()).start();
    let by = |ca: &Authority| wanted("olga").by(ca);
    server
        .token("olga")
        .with(&by(&pki().other_ca))
        .send()
        .token();
    server
        .token("olga")
        .with(&by(&pki().ca))
        .send()
        .refuses(401, "invalid_client");
    // Pinned by certificate: an authority of the same name is another one.
    server
        .token("olga")
        .with(&by(&Authority::root("Another CA")))
        .send()
        .refuses(401, "invalid_client");
    // And it vouches for nobody else.
    let alice = wanted("alice").by(&pki().other_ca);
    server
        .token("alice")
        .with(&alice)
        .send()
        .refuses(401, "invalid_client");
    // It does without --client-ca.
    let server = World::trusting().client(own).start();
    server
        .token("olga")
        .with(&by(&pki().other_ca))
        .send()
        .token();
    server
        .token("alice")
        .with(&pki().alice)
        .send()
        .refuses(401, "invalid_client");

    let mut bad = tls_client("olga");
    bad["tls_client_auth_trust_anchors"] = json!("not PEM");
    let said = World::usual().client(bad).refuses_to_start();
    assert!(
        said.contains("tls_client_auth_trust_anchors") && said.contains("olga"),
        "{said}"
    );
}

#[test]
fn alternatives_match_while_they_are_in_force() {
    let alternative = |id: &str, from: Option<&str>, to: Option<&str>| {
        let mut client = tls_client(id);
        let mut other = json!({ "tls_client_auth_subject_dn": dn("renamed") });
        for (name, at) in [("not_before", from), ("not_after", to)] {
            if let Some(at) = at {
                other[name] = json!(at);
            }
        }
        client["tls_client_auth_alternatives"] =
            json!([other, { "tls_client_auth_san_dns": "spare.example" }]);
        client
    };
    let server = World::usual()
        .clients([
            alternative("always", None, None),
            alternative(
                "now",
                Some("2024-01-01T00:00:00Z"),
                Some("2044-01-01T00:00:00+02:00"),
            ),
            alternative("past", None, Some("2024-01-01T00:00:00Z")),
            alternative("future", Some("2044-01-01T00:00:00Z"), None),
        ])
        .start();
    let renamed = wanted("renamed").by(&pki().ca);
    let spare = wanted("whoever").dns("spare.example").by(&pki().ca);
    for (id, good) in [
        ("always", true),
        ("now", true),
        ("past", false),
        ("future", false),
    ] {
        server
            .token(id)
            .with(&wanted(id).by(&pki().ca))
            .send()
            .token();
        server.token(id).with(&spare).send().token();
        let response = server.token(id).with(&renamed).send();
        assert_eq!(response.status, if good { 200 } else { 401 }, "{id}");
    }
    server
        .token("alice")
        .with(&renamed)
        .send()
        .refuses(401, "invalid_client");
    for (other, word) in [
        (json!({}), "tls_client_auth_alternatives"),
        (
            json!({ "tls_client_auth_san_dns": "a.example", "tls_client_auth_san_ip": "::1" }),
            "tls_client_auth_alternatives",
        ),
        (
            json!({ "tls_client_auth_san_dns": "a.example", "not_before": "tomorrow" }),
            "tls_client_auth_alternatives",
        ),
    ] {
        let mut client = tls_client("olga");
        client["tls_client_auth_alternatives"] = json!([other]);
        let said = World::usual().client(client).refuses_to_start();
        assert!(said.contains(word) && said.contains("olga"), "{said}");
    }
}
