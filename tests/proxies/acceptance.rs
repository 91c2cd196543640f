//! What must hold in front of certbound, whichever web server is there.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;

use super::certbound::REPORTS_SECRET;
use super::client::{Answer, Ask, Session, Tls, s_client};
use super::deployment::{AS, Deployment, Refusal, SELF_SIGNED};
use super::pki::Pki;

/// The token request of the clients `orders` and `kiosk`.
pub(crate) const ORDERS: &[&str] = &["grant_type=client_credentials", "client_id=orders"];
const KIOSK: &[&str] = &["grant_type=client_credentials", "client_id=kiosk"];
const CLIENT_CREDENTIALS: &[&str] = &["grant_type=client_credentials"];

/// What must come of a request.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    /// A token bound to the certificate of that name.
    Bound(&'static str),
    /// 401 `invalid_client`.
    InvalidClient,
    /// 400 `invalid_request`.
    InvalidRequest,
    /// The web server does not take the certificate: certbound is not asked.
    NotTaken,
}

/// Every kind of certificate, at the host that verifies and at the one that does not.
const CERTIFICATES: &[(&str, Option<&str>, &[&str], Outcome)] = &[
    (AS, Some("orders"), ORDERS, Outcome::Bound("orders")),
    (AS, Some("billing"), ORDERS, Outcome::InvalidClient),
    (AS, Some("impostor"), ORDERS, Outcome::NotTaken),
    (AS, Some("selfmade"), ORDERS, Outcome::NotTaken),
    (AS, Some("expired"), ORDERS, Outcome::NotTaken),
    (AS, None, ORDERS, Outcome::InvalidClient),
    (AS, None, KIOSK, Outcome::InvalidClient),
    (AS, Some("orders"), KIOSK, Outcome::InvalidClient),
    (SELF_SIGNED, Some("kiosk"), KIOSK, Outcome::Bound("kiosk")),
    (
        SELF_SIGNED,
        Some("otherkiosk"),
        KIOSK,
        Outcome::InvalidClient,
    ),
    (SELF_SIGNED, Some("orders"), KIOSK, Outcome::InvalidClient),
    (SELF_SIGNED, None, KIOSK, Outcome::InvalidClient),
    (
        SELF_SIGNED,
        Some("impostor"),
        ORDERS,
        Outcome::InvalidClient,
    ),
    (
        SELF_SIGNED,
        Some("selfmade"),
        ORDERS,
        Outcome::InvalidClient,
    ),
    (SELF_SIGNED, Some("expired"), ORDERS, Outcome::NotTaken),
    (SELF_SIGNED, None, ORDERS, Outcome::InvalidClient),
];

/// Every kind of certificate ends as it must, with TLS 1.2 and 1.3.
pub(crate) fn certificates(deployment: &Deployment) {
    for tls in Tls::ALL {
        for (host, certificate, form, outcome) in CERTIFICATES {
            let ask = Ask {
                tls,
                ..deployment.ask(host, *certificate, form)
            };
            deployment.expect(&ask, *outcome);
        }
    }
    let asked = |(_, _, _, outcome): &&(_, _, _, Outcome)| !matches!(outcome, Outcome::NotTaken);
    let asked = CERTIFICATES.iter().filter(asked).count() * Tls::ALL.len();
    let log = deployment.certbound.log();
    assert_eq!(log.matches("event=\"token_").count(), asked, "{log}");
}

/// Nothing that a client writes into headers counts: not a certificate of somebody's, not a verdict.
pub(crate) fn forged_headers(
    deployment: &Deployment,
    spellings: fn(&Pki, &str) -> Vec<String>,
    names: &[&str],
) {
    let reports = format!("reports:{REPORTS_SECRET}");
    let reports = Some(&*reports);
    // Whose certificate is forged, by whom, for what: by nobody with the secret of a client whose tokens
    // are bound, too, which must not come to hold one that is bound to another's certificate.
    let cases = [
        ("orders", AS, None, ORDERS, None, Outcome::InvalidClient),
        (
            "orders",
            AS,
            Some("billing"),
            ORDERS,
            None,
            Outcome::InvalidClient,
        ),
        (
            "billing",
            AS,
            Some("orders"),
            ORDERS,
            None,
            Outcome::Bound("orders"),
        ),
        (
            "orders",
            AS,
            None,
            CLIENT_CREDENTIALS,
            reports,
            Outcome::InvalidRequest,
        ),
        (
            "orders",
            SELF_SIGNED,
            Some("selfmade"),
            ORDERS,
            None,
            Outcome::InvalidClient,
        ),
        ("kiosk", AS, None, KIOSK, None, Outcome::InvalidClient),
        (
            "kiosk",
            SELF_SIGNED,
            None,
            KIOSK,
            None,
            Outcome::InvalidClient,
        ),
        (
            "kiosk",
            SELF_SIGNED,
            Some("otherkiosk"),
            KIOSK,
            None,
            Outcome::InvalidClient,
        ),
        (
            "otherkiosk",
            SELF_SIGNED,
            Some("kiosk"),
            KIOSK,
            None,
            Outcome::Bound("kiosk"),
        ),
    ];
    for (victim, host, certificate, form, user, outcome) in cases {
        for value in spellings(&deployment.place.pki, victim) {
            for name in names {
                let forged = format!("{name}: {value}");
                let headers = [&*forged, "X-ClientCert-Verify: SUCCESS"];
                let ask = Ask {
                    headers: &headers,
                    user,
                    ..deployment.ask(host, certificate, form)
                };
                deployment.expect(&ask, outcome);
            }
        }
    }
}

/// A client that names headers in `Connection` does not make them vanish: neither the verdict on a
/// certificate that it made itself, nor the certificate that its tokens must be bound to.
pub(crate) fn named_in_connection(deployment: &Deployment) {
    let reports = format!("reports:{REPORTS_SECRET}");
    for named in [
        "close, X-ClientCert-Verify",
        "close, X-ClientCert",
        "close, X-ClientCert, X-ClientCert-Verify",
        "close, Client-Cert",
        "close, Client-Cert, x-clientcert-verify",
        "keep-alive, x-clientcert-verify",
        "X-ClientCert-Verify",
        "close; X-ClientCert-Verify; X-ClientCert; Client-Cert",
        "close X-ClientCert-Verify X-ClientCert Client-Cert",
        "\"X-ClientCert-Verify\", \"X-ClientCert\", \"Client-Cert\"",
        "close,, ,X-ClientCert-Verify,X-ClientCert,Client-Cert",
        "close",
        "keep-alive",
    ] {
        let header = format!("Connection: {named}");
        let headers = [&*header];
        for (host, certificate, form, user, outcome) in [
            (
                SELF_SIGNED,
                Some("selfmade"),
                ORDERS,
                None,
                Outcome::InvalidClient,
            ),
            (
                SELF_SIGNED,
                Some("impostor"),
                ORDERS,
                None,
                Outcome::InvalidClient,
            ),
            (AS, Some("orders"), ORDERS, None, Outcome::Bound("orders")),
            (
                AS,
                Some("orders"),
                CLIENT_CREDENTIALS,
                Some(&*reports),
                Outcome::Bound("orders"),
            ),
            (
                AS,
                None,
                CLIENT_CREDENTIALS,
                Some(&*reports),
                Outcome::InvalidRequest,
            ),
        ] {
            let ask = Ask {
                headers: &headers,
                user,
                ..deployment.ask(host, certificate, form)
            };
            deployment.expect(&ask, outcome);
        }
    }
}

/// A resumed session is worth what its first one was, no more: Apache calls a certificate that it let
/// through unverified `SUCCESS` when a TLS 1.2 session is resumed, and certbound does not care.
pub(crate) fn resumed_sessions(deployment: &Deployment) {
    for tls in Tls::ALL {
        for (host, certificate, form, outcome) in [
            (AS, "orders", ORDERS, Outcome::Bound("orders")),
            (AS, "billing", ORDERS, Outcome::InvalidClient),
            (SELF_SIGNED, "kiosk", KIOSK, Outcome::Bound("kiosk")),
            (SELF_SIGNED, "otherkiosk", KIOSK, Outcome::InvalidClient),
            (SELF_SIGNED, "selfmade", ORDERS, Outcome::InvalidClient),
            (SELF_SIGNED, "impostor", ORDERS, Outcome::InvalidClient),
        ] {
            let session = deployment
                .place
                .file(&format!("{certificate}-{tls:?}.session"));
            let ask = Ask {
                tls,
                ..deployment.ask(host, Some(certificate), form)
            };
            let pki = &deployment.place.pki;
            let (answer, reused) = s_client(pki, &ask, Session::Begin(&session));
            assert!(!reused, "{answer:?}");
            deployment.judge(
                &answer,
                outcome,
                &format!("{host} {certificate} {tls:?}, new"),
            );
            // Every resumed session leaves the same one to be offered again.
            for attempt in 0..3 {
                let (answer, reused) = s_client(pki, &ask, Session::Offer(&session));
                let what = format!("{host} {certificate} {tls:?}, resumed {attempt}");
                // A ticket of TLS 1.3 may be good for once only.
                assert!(reused || attempt > 0, "{what}: {answer:?}");
                deployment.judge(&answer, outcome, &what);
            }
        }
        // A session of the host that takes everything does not carry over to the one that does not.
        let session = deployment.place.file(&format!("impostor-{tls:?}.session"));
        let ask = Ask {
            tls,
            ..deployment.ask(AS, Some("impostor"), ORDERS)
        };
        let (answer, _) = s_client(&deployment.place.pki, &ask, Session::Offer(&session));
        assert_ne!(answer.status, 200, "{answer:?}");
        assert!(!answer.said.contains("access_token"), "{answer:?}");
    }
}

/// What RFC 8414 and whoever sets the server up want to read comes through.
pub(crate) fn metadata_and_introspection(deployment: &Deployment) {
    for path in [
        "/.well-known/oauth-authorization-server/oauth2",
        "/oauth2/.well-known/oauth-authorization-server",
    ] {
        let ask = Ask {
            path,
            ..deployment.ask(AS, None, &[])
        };
        let answer = deployment.curl(&ask);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["issuer"], "https://as.example.com/oauth2");
    }
    let billing = &["grant_type=client_credentials", "client_id=billing"];
    let token = deployment
        .curl(&deployment.ask(AS, Some("billing"), billing))
        .access_token();
    let token = format!("token={token}");
    let api = format!("api:{}", super::certbound::API_SECRET);
    let form = [&*token];
    let introspect = Ask {
        path: "/oauth2/introspect",
        user: Some(&api),
        ..deployment.ask(AS, None, &form)
    };
    let shown = deployment.curl(&introspect).json();
    assert_eq!(shown["active"], true, "{shown}");
    assert_eq!(
        shown["cnf"]["x5t#S256"],
        deployment.place.pki.thumbprint("billing")
    );
    let form = [&*token, "client_id=billing"];
    let revoke = Ask {
        path: "/oauth2/revoke",
        ..deployment.ask(AS, Some("billing"), &form)
    };
    assert_eq!(deployment.curl(&revoke).status, 200);
    let shown = deployment.curl(&introspect).json();
    assert_eq!(shown, serde_json::json!({ "active": false }));
}

impl Deployment {
    fn expect(&self, ask: &Ask<'_>, outcome: Outcome) {
        let what = format!(
            "{} {:?} {:?} {:?} {:?}",
            ask.host, ask.certificate, ask.form, ask.headers, ask.tls
        );
        self.judge(&self.curl(ask), outcome, &what);
    }

    fn judge(&self, answer: &Answer, outcome: Outcome, what: &str) {
        match outcome {
            Outcome::Bound(name) => {
                assert_eq!(answer.status, 200, "{what}: {answer:?}");
                let thumbprint = self.place.pki.thumbprint(name);
                assert_eq!(bound_to(&answer.access_token()), thumbprint, "{what}");
            }
            Outcome::InvalidClient => {
                assert_eq!(answer.status, 401, "{what}: {answer:?}");
                assert_eq!(answer.json()["error"], "invalid_client", "{what}");
            }
            Outcome::InvalidRequest => {
                assert_eq!(answer.status, 400, "{what}: {answer:?}");
                assert_eq!(answer.json()["error"], "invalid_request", "{what}");
            }
            Outcome::NotTaken => match self.refusal {
                Refusal::Handshake => {
                    assert_eq!(answer.status, 0, "{what}: {answer:?}");
                    // Ended by the server, and not because nobody was there.
                    assert!(answer.said.starts_with("curl: ("), "{what}: {answer:?}");
                    assert!(!answer.said.contains("curl: (7)"), "{what}: {answer:?}");
                }
                Refusal::BadRequest => {
                    assert_eq!(answer.status, 400, "{what}: {answer:?}");
                    let page = answer.body.contains("The SSL certificate error");
                    assert!(page, "{what}: {answer:?}");
                }
            },
        }
    }
}

/// The `cnf` of a JWT, whose signature is not the matter here.
fn bound_to(token: &str) -> String {
    let claims = token.split('.').nth(1).expect("a JWT has claims");
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).expect("base64url");
    let claims: Value = serde_json::from_slice(&claims).expect("JSON");
    claims["cnf"]["x5t#S256"]
        .as_str()
        .expect("a thumbprint")
        .to_owned()
}

/// A certificate in every way of writing it that a forger might try.
pub(crate) fn spellings(pki: &Pki, name: &str) -> Vec<String> {
    let line = pki.pem_line(name);
    let escaped = line
        .replace(' ', "%20")
        .replace("BEGIN%20", "BEGIN ")
        .replace("END%20", "END ")
        .replace("-----%20", "-----%0A")
        .replace("%20-----", "%0A-----")
        .replace(' ', "%20")
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D");
    vec![line, escaped, pki.rfc9440(name)]
}
