//! What must hold at a gate, whichever web server it is in.

use std::fs;

use super::application::{SERVED, Seen, hex};
use super::client::Tls;
use super::front::{Ask, Front, Reply};

/// What the application must never see, in any spelling.
const NONE_OF_ITS_BUSINESS: &[&str] = &[
    "Authorization",
    "X-ClientCert",
    "X-ClientCert-Verify",
    "X-Forwarded-Client-Cert",
    "X-Forwarded-Tls-Client-Cert",
    "Client-Cert",
    "Client-Cert-Chain",
    "X-Proxy-Secret",
];

/// What it is told, each once.
const TOLD: &[&str] = &[
    "X-Auth-Subject",
    "X-Auth-Client-Id",
    "X-Auth-Scope",
    "X-Auth-Expires",
    "X-Auth-Thumbprint",
    "X-Auth-Issuer",
];

/// What must come of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The application answers, and knows that it is this client.
    Served(&'static str),
    /// 401 with a challenge that names this error, or none.
    Unauthorized(Option<&'static str>),
    /// 403 with a challenge that asks for the scope.
    InsufficientScope,
    /// 400, or 401 with a challenge: what the web server makes of a malformed request.
    Malformed,
    /// 5xx: certbound cannot be asked.
    Unavailable,
}

impl Front {
    /// Asks, and judges both the answer and what the application saw.
    pub(crate) fn expect(&self, ask: &Ask<'_>, outcome: Outcome) -> Reply {
        drop(self.behind.application.take());
        let reply = self.ask(ask);
        let seen = self.behind.application.take();
        let what = format!(
            "{outcome:?} for {:?} {:?} {:?} {:?}: {reply:?}\n{}{}",
            ask.certificate,
            ask.token,
            ask.headers,
            ask.tls,
            self.web_server.printed(),
            self.behind.certbound.log()
        );
        if let Outcome::Served(client) = outcome {
            assert!(reply.served(), "{what}");
            let [seen] = &*seen else {
                panic!("asked {} times: {what}", seen.len());
            };
            self.judge_told(seen, client, &what);
            return reply;
        }
        assert!(seen.is_empty(), "the application saw {seen:?}: {what}");
        assert!(!reply.body.contains(SERVED), "{what}");
        let challenges = reply.values("WWW-Authenticate");
        let challenge = || {
            assert_eq!(challenges.len(), 1, "{what}");
            assert!(
                challenges[0].starts_with("Bearer realm=\"orders\""),
                "{what}"
            );
            challenges[0]
        };
        match outcome {
            Outcome::Served(_) => {}
            Outcome::Unauthorized(error) => {
                assert_eq!(reply.status, 401, "{what}");
                let said = error.map(|error| format!("error=\"{error}\""));
                let said = said.as_deref().unwrap_or("error=");
                assert_eq!(challenge().contains(said), error.is_some(), "{what}");
            }
            Outcome::InsufficientScope => {
                assert_eq!(reply.status, 403, "{what}");
                let challenge = challenge();
                assert!(challenge.contains("error=\"insufficient_scope\""), "{what}");
                assert!(challenge.contains("scope=\"orders.read\""), "{what}");
            }
            Outcome::Malformed => {
                assert!(matches!(reply.status, 400 | 401), "{what}");
                if reply.status == 401 {
                    challenge();
                }
            }
            Outcome::Unavailable => assert!((500..600).contains(&reply.status), "{what}"),
        }
        reply
    }

    /// Asks, and takes a refusal or what this client may see.
    fn expect_served_or_refused(&self, ask: &Ask<'_>, client: &'static str) {
        drop(self.behind.application.take());
        let reply = self.ask(ask);
        let seen = self.behind.application.take();
        let what = format!("{:?}: {reply:?}", ask.headers);
        if let [seen] = &*seen {
            assert!(reply.served(), "{what}");
            self.judge_told(seen, client, &what);
        } else {
            assert!(seen.is_empty(), "{seen:?}: {what}");
            assert!(matches!(reply.status, 400 | 401), "{what}");
        }
    }

    fn judge_told(&self, seen: &Seen, client: &str, what: &str) {
        for name in NONE_OF_ITS_BUSINESS {
            assert!(seen.values(name).is_empty(), "{name}: {seen:?}: {what}");
        }
        for name in TOLD {
            assert_eq!(seen.values(name).len(), 1, "{name}: {seen:?}: {what}");
        }
        // A name there asks the next server, which the application may be, to drop that header.
        for named in seen.values("Connection") {
            let plain =
                named.eq_ignore_ascii_case("close") || named.eq_ignore_ascii_case("keep-alive");
            assert!(plain, "{seen:?}: {what}");
        }
        for (name, value) in [
            ("X-Auth-Subject", client),
            ("X-Auth-Client-Id", client),
            ("X-Auth-Scope", "orders.read"),
            (
                "X-Auth-Thumbprint",
                &*self.behind.place.pki.thumbprint(client),
            ),
            ("X-Auth-Issuer", "https://as.example.com/oauth2"),
        ] {
            assert_eq!(seen.values(name), [value], "{name}: {seen:?}: {what}");
        }
        let expires: u64 = seen.values("X-Auth-Expires")[0].parse().expect("seconds");
        assert!(expires > 1_700_000_000, "{seen:?}: {what}");
        assert!(seen.target.ends_with("?of=mine"), "{seen:?}: {what}");
    }
}

/// Every kind of request ends as it must, with TLS 1.2 and 1.3.
pub(crate) fn requests(front: &Front) {
    // A JWT, an opaque token, and one that has not the scope.
    let jwt = front.behind.token("orders", "orders.read");
    let opaque = front.behind.token("billing", "orders.read");
    let other_scope = front.behind.token("orders", "orders.write");
    let (rest, signature) = jwt.rsplit_once('.').expect("a JWT has a signature");
    let turned: String = signature.chars().rev().collect();
    let forged = format!("{rest}.{turned}");
    let invalid = Outcome::Unauthorized(Some("invalid_token"));
    for tls in Tls::ALL {
        for (token, certificate, outcome) in [
            (Some(&*jwt), Some("orders"), Outcome::Served("orders")),
            (Some(&*jwt), Some("billing"), invalid),
            (Some(&*jwt), None, invalid),
            (Some(&*opaque), Some("billing"), Outcome::Served("billing")),
            (Some(&*opaque), Some("orders"), invalid),
            (Some(&*opaque), None, invalid),
            (
                Some(&*other_scope),
                Some("orders"),
                Outcome::InsufficientScope,
            ),
            (Some(&*forged), Some("orders"), invalid),
            (Some("nonsense"), Some("orders"), invalid),
            (None, Some("orders"), Outcome::Unauthorized(None)),
            (None, None, Outcome::Unauthorized(None)),
            // Once more, after all that was refused.
            (Some(&*jwt), Some("orders"), Outcome::Served("orders")),
        ] {
            let ask = Ask {
                certificate,
                token,
                tls: Some(tls),
                ..Ask::default()
            };
            front.expect(&ask, outcome);
        }
        // A certificate that no CA stands for comes no further than the web server.
        for certificate in ["selfmade", "impostor", "expired"] {
            let ask = Ask {
                certificate: Some(certificate),
                token: Some(&jwt),
                tls: Some(tls),
                ..Ask::default()
            };
            let reply = front.ask(&ask);
            assert!(!reply.served(), "{certificate}: {reply:?}");
            assert!(!reply.said.contains("curl: (7)"), "{reply:?}");
            assert!(front.behind.application.take().is_empty(), "{reply:?}");
        }
    }
}

/// A TLS session that is resumed is worth what it was, no less and no more. Says with which versions of TLS one
/// was.
pub(crate) fn resumed(front: &Front) -> Vec<Tls> {
    let token = front.behind.token("orders", "orders.read");
    let mut resumed = Vec::new();
    for tls in Tls::ALL {
        let ask = |certificate| Ask {
            certificate,
            token: Some(&token),
            tls: Some(tls),
            ..Ask::default()
        };
        drop(front.behind.application.take());
        if front.ask_twice(&ask(Some("orders"))) {
            resumed.push(tls);
        }
        let seen = front.behind.application.take();
        assert_eq!(seen.len(), 2, "{tls:?}: {}", front.behind.certbound.log());
        for seen in seen {
            front.judge_told(&seen, "orders", "resumed");
        }
        for certificate in [Some("billing"), None] {
            front.ask_twice(&ask(certificate));
            assert!(
                front.behind.application.take().is_empty(),
                "{certificate:?}"
            );
        }
    }
    resumed
}

/// Nothing that a client writes into headers counts: neither somebody's certificate nor somebody's name.
pub(crate) fn forged(front: &Front) {
    let token = front.behind.token("orders", "orders.read");
    let pki = &front.behind.place.pki;
    let base64 = pki.rfc9440("orders").trim_matches(':').to_owned();
    let escaped = base64
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D");
    let escaped =
        format!("-----BEGIN%20CERTIFICATE-----%0A{escaped}%0A-----END%20CERTIFICATE-----%0A");
    let values = [
        pki.pem_line("orders"),
        pki.rfc9440("orders"),
        format!("Cert=\"{escaped}\""),
        escaped,
        base64,
    ];
    // With a name of its own each, one that another web server would use.
    let names = [
        "X-ClientCert",
        "X_ClientCert",
        "x-CLIENTcert",
        "Client-Cert",
        "Client_Cert",
        "X-Forwarded-Client-Cert",
        "X_Forwarded-Client-Cert",
        "X-Forwarded-Tls-Client-Cert",
        "X-Forwarded_Tls_Client_Cert",
        "SSL_CLIENT_CERT",
        "GATE_CLIENT_CERT",
        "Gate-Client-Cert",
    ];
    for certificate in [None, Some("billing")] {
        for name in names {
            for value in &values {
                for connection in [None, Some(format!("Connection: close, {name}"))] {
                    let verdict = "X-ClientCert-Verify: SUCCESS".to_owned();
                    let mut headers = vec![format!("{name}: {value}"), verdict];
                    headers.extend(connection);
                    let ask = Ask {
                        certificate,
                        token: Some(&token),
                        headers,
                        ..Ask::default()
                    };
                    front.expect(&ask, Outcome::Malformed);
                }
            }
        }
    }
}

/// What a client says about itself under the names that the application believes never gets there.
pub(crate) fn forged_identity(front: &Front) {
    let token = front.behind.token("orders", "orders.read");
    let mut headers = Vec::new();
    for told in TOLD {
        for name in [(*told).to_owned(), told.to_lowercase()] {
            headers.push(vec![format!("{name}: mallory")]);
            headers.push(vec![format!("{name};")]);
            headers.push(vec![
                format!("{name}: mallory"),
                format!("Connection: close, {name}"),
            ]);
            headers.push(vec![format!("Connection: {name}, keep-alive")]);
        }
        // Whether these are taken away or refused is the web server's choice.
        for name in [
            told.replace('-', "_"),
            told.replacen('-', "_", 1),
            told.replace('-', "."),
            told.replacen('-', ".", 1),
        ] {
            let ask = Ask {
                certificate: Some("orders"),
                token: Some(&token),
                headers: vec![format!("{name}: mallory")],
                ..Ask::default()
            };
            front.expect_served_or_refused(&ask, "orders");
        }
    }
    for headers in headers {
        let ask = Ask {
            certificate: Some("orders"),
            token: Some(&token),
            headers,
            ..Ask::default()
        };
        front.expect(&ask, Outcome::Served("orders"));
    }
    // Nor does a certificate that is there go by a word of the client's.
    for named in [
        "X-ClientCert",
        "X-ClientCert-Verify",
        "x-forwarded-tls-client-cert",
    ] {
        for line in [format!("close, {named}"), format!("{named}, keep-alive")] {
            let ask = Ask {
                certificate: Some("orders"),
                token: Some(&token),
                headers: vec![format!("Connection: {line}")],
                ..Ask::default()
            };
            front.expect(&ask, Outcome::Served("orders"));
        }
    }
    // A client that makes its own credentials vanish on the way is refused, or nothing comes of it.
    for named in ["Authorization", "X-ClientCert", "X-ClientCert-Verify"] {
        let reply = front.ask(&Ask {
            certificate: Some("billing"),
            token: Some(&token),
            headers: vec![format!("Connection: close, {named}")],
            ..Ask::default()
        });
        assert_eq!(reply.status, 401, "{reply:?}");
        assert!(front.behind.application.take().is_empty(), "{reply:?}");
    }
}

/// Somebody else's certificate in headers, beside one's own in the handshake, changes nothing.
pub(crate) fn forged_beside(front: &Front) {
    let token = front.behind.token("orders", "orders.read");
    let pki = &front.behind.place.pki;
    let base64 = pki.rfc9440("billing").trim_matches(':').to_owned();
    let names = NONE_OF_ITS_BUSINESS.iter();
    for name in names.filter(|name| **name != "Authorization") {
        for value in [&*pki.pem_line("billing"), &*base64, "SUCCESS"] {
            let ask = |name: &str| Ask {
                certificate: Some("orders"),
                token: Some(&token),
                headers: vec![format!("{name}: {value}")],
                ..Ask::default()
            };
            front.expect(&ask(name), Outcome::Served("orders"));
            // Whether these are taken away or refused is the web server's choice.
            for name in [name.replace('-', "_"), name.replacen('-', "_", 1)] {
                front.expect_served_or_refused(&ask(&name), "orders");
            }
        }
    }
}

/// Two tokens are refused, whichever of them is good, and so are tokens in other places.
pub(crate) fn ambiguous_tokens(front: &Front) {
    let token = front.behind.token("orders", "orders.read");
    let good = format!("Authorization: Bearer {token}");
    let nonsense = "Authorization: Bearer nonsense".to_owned();
    for headers in [
        vec![good.clone(), good.clone()],
        vec![good.clone(), nonsense.clone()],
        vec![nonsense, good],
        vec![format!("Authorization: Bearer {token}, Bearer {token}")],
        vec![format!("Authorization: Bearer {token},Basic YTpi")],
    ] {
        let ask = Ask {
            certificate: Some("orders"),
            headers,
            ..Ask::default()
        };
        front.expect(&ask, Outcome::Malformed);
    }
}

/// A token in the query is refused, whatever the header says: an application might take it for the one that
/// counts (RFC 6750 section 2).
pub(crate) fn token_in_the_query(front: &mut Front) {
    let token = front.behind.token("orders", "orders.read");
    front.path = "/orders/1?access_token=x&more";
    for token in [Some(&*token), None] {
        let ask = Ask {
            certificate: Some("orders"),
            token,
            ..Ask::default()
        };
        front.expect(&ask, Outcome::Malformed);
    }
    front.path = "/orders/1";
}

/// Bodies pass as they are, and only behind a good token.
pub(crate) fn bodies(front: &Front) {
    let token = front.behind.token("orders", "orders.read");
    let content: Vec<u8> = (0..5 * 1024 * 1024_u32)
        .map(|at| u8::try_from((at % 4099 * 31 + at / 77) % 251).expect("it is below 256"))
        .collect();
    let file = front.behind.place.file("body");
    fs::write(&file, &content).expect("the folder is ours");
    let digest = hex(&content);
    for chunked in [false, true] {
        let mut ask = Ask {
            certificate: Some("orders"),
            token: Some(&token),
            body: Some(file.clone()),
            ..Ask::default()
        };
        if chunked {
            ask.headers.push("Transfer-Encoding: chunked".into());
        }
        drop(front.behind.application.take());
        let reply = front.ask(&ask);
        assert!(reply.served(), "{reply:?}");
        let seen = front.behind.application.take();
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert_eq!(seen[0].method, "POST", "{seen:?}");
        assert_eq!(seen[0].length, content.len(), "{seen:?}");
        assert_eq!(seen[0].sha256, digest, "{seen:?}");

        ask.certificate = Some("billing");
        let reply = front.ask(&ask);
        assert!(!reply.served(), "{reply:?}");
        assert!(front.behind.application.take().is_empty(), "{reply:?}");
    }
}

/// A session that a token has earned spares the token, with the certificate that has earned it and no other,
/// and the application does not see the cookie.
pub(crate) fn sessions(front: &Front) {
    let token = front.behind.token("orders", "orders.read");
    let ask = Ask {
        certificate: Some("orders"),
        token: Some(&token),
        ..Ask::default()
    };
    let reply = front.expect(&ask, Outcome::Served("orders"));
    let cookies = reply.values("Set-Cookie");
    let [cookie] = &*cookies else {
        panic!("no cookie: {reply:?}");
    };
    assert!(cookie.starts_with("__Host-certbound-orders="), "{cookie}");
    for attribute in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let cookie = cookie.split(';').next().unwrap_or_default();
    let invalid = Outcome::Unauthorized(Some("invalid_token"));
    for (certificate, outcome) in [
        (Some("orders"), Outcome::Served("orders")),
        (Some("billing"), invalid),
        (None, invalid),
    ] {
        let ask = Ask {
            certificate,
            headers: vec![format!(
                "Cookie: __Host-certbound-billing=1; theirs=1; {cookie}; also=2"
            )],
            ..Ask::default()
        };
        drop(front.behind.application.take());
        if outcome == Outcome::Served("orders") {
            let reply = front.ask(&ask);
            assert!(reply.served(), "{reply:?}");
            let seen = front.behind.application.take();
            let cookies = seen[0].values("Cookie").join("; ");
            assert!(!cookies.contains("certbound"), "{seen:?}");
            for kept in ["theirs=1", "also=2"] {
                assert!(cookies.contains(kept), "{seen:?}");
            }
        } else {
            let reply = front.ask(&ask);
            assert_eq!(reply.status, 401, "{reply:?}");
            assert!(front.behind.application.take().is_empty(), "{reply:?}");
        }
    }
}

/// Where certbound is not there, nobody is served.
pub(crate) fn certbound_gone(mut front: Front) {
    let token = front.behind.token("orders", "orders.read");
    let ask = Ask {
        certificate: Some("orders"),
        token: Some(&token),
        ..Ask::default()
    };
    front.expect(&ask, Outcome::Served("orders"));
    front.behind.certbound.stop();
    for _ in 0..3 {
        front.expect(&ask, Outcome::Unavailable);
    }
}

/// All of that which every web server must hold.
pub(crate) fn core(front: Front) {
    requests(&front);
    // Not every one of them resumes sessions of every version.
    drop(resumed(&front));
    forged(&front);
    forged_beside(&front);
    forged_identity(&front);
    ambiguous_tokens(&front);
    bodies(&front);
    certbound_gone(front);
}
