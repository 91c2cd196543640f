//! The whole matrix: every kind of proof, token, issuer, method and certificate, asked over HTTP and over
//! FastCGI, by token and by the session that it earns (MTLS-24, MTLS-25, MTLS-33).

use serde_json::json;

use crate::fastcgi_client::Question;
use crate::gate::{bound, opaque, unbound};
use crate::other_issuer::Other;
use crate::pki::{Cert, pki, wanted};
use crate::wire::Place;
use crate::world::{ISSUER, Server, World, secret_client, tls_client};

/// How a gate is asked.
enum Door {
    Http,
    FastCgi(Place),
}

/// What is shown there.
#[derive(Clone, Copy)]
enum Shown<'a> {
    Token(&'a str),
    Cookie(&'a str),
}

/// What came of it, said alike for both.
struct Told {
    status: u16,
    challenge: Option<String>,
    subject: Option<String>,
    issuer: Option<String>,
    thumbprint: Option<String>,
    cookie: Option<String>,
}

impl Door {
    fn ask(&self, server: &Server, gate: &str, shown: Shown<'_>, cert: Option<&Cert>) -> Told {
        let pair = |line: &str| line.split(';').next().expect("a cookie").to_owned();
        match self {
            Self::Http => {
                let mut request = match shown {
                    Shown::Token(token) => server.verify(gate, token),
                    Shown::Cookie(cookie) => server
                        .get(&format!("verify/{gate}"))
                        .header("Cookie", format!("a=b; {cookie}; c=d")),
                };
                if let Some(cert) = cert {
                    // Possession needs no chain (RFC 8705 section 6.2).
                    request = request.judged(cert, "FAILED:self-signed certificate");
                }
                let answer = request.send();
                let header = |name: &str| answer.header(name).map(str::to_owned);
                Told {
                    status: answer.status,
                    challenge: header("www-authenticate"),
                    subject: header("x-auth-subject"),
                    issuer: header("x-auth-issuer"),
                    thumbprint: header("x-auth-thumbprint"),
                    cookie: header("set-cookie").map(|line| pair(&line)),
                }
            }
            Self::FastCgi(place) => {
                let mut question = Question::new().gate(gate);
                question = match shown {
                    Shown::Token(token) => question.bearer(token),
                    Shown::Cookie(cookie) => question.cookie(cookie),
                };
                if let Some(cert) = cert {
                    question = question.with(cert);
                }
                let answer = question.ask(server, place);
                let header = |name: &str| {
                    let mut found = answer.headers.iter().filter(|(known, _)| known == name);
                    found.next().map(|(_, value)| value.clone())
                };
                Told {
                    status: answer.status,
                    challenge: header("WWW-Authenticate"),
                    subject: header("Variable-GATE_SUBJECT"),
                    issuer: header("Variable-GATE_ISSUER"),
                    thumbprint: header("Variable-GATE_THUMBPRINT"),
                    cookie: header("Set-Cookie").map(|line| pair(&line)),
                }
            }
        }
    }
}

/// A token, whose it is, and by which methods it may be judged.
struct Case<'a> {
    kind: &'static str,
    token: String,
    holder: Option<&'a Cert>,
    methods: &'a [&'a str],
    subject: &'static str,
    issuer: String,
}

/// Asks everything about one token, and checks every answer.
fn judge(server: &Server, door: &Door, case: &Case<'_>) -> usize {
    let mut asked = 0;
    for proof in ["strict", "optional", "off"] {
        for methods in case.methods {
            let gate = format!("{proof}-{methods}");
            let right = case.holder.unwrap_or(&pki().alice);
            let certificates = [
                ("right", Some(right)),
                ("wrong", Some(&pki().bob)),
                ("none", None),
            ];
            let mut session = None;
            for (which, certificate) in certificates {
                let passes = match (proof, case.holder) {
                    ("off", _) | ("optional", None) => true,
                    ("strict", None) => false,
                    _ => which == "right",
                };
                let name = format!("{gate}, {}, {which} certificate", case.kind);
                let told = door.ask(server, &gate, Shown::Token(&case.token), certificate);
                asked += 1;
                assert_eq!(told.status, if passes { 200 } else { 401 }, "{name}");
                assert_eq!(told.cookie.is_some(), passes, "{name}");
                if passes {
                    let thumbprint = case.holder.map(Cert::thumbprint).unwrap_or_default();
                    assert_eq!(told.subject.as_deref(), Some(case.subject), "{name}");
                    assert_eq!(told.issuer.as_deref(), Some(case.issuer.as_str()), "{name}");
                    assert_eq!(
                        told.thumbprint.as_deref(),
                        Some(thumbprint.as_str()),
                        "{name}"
                    );
                    session = session.or(told.cookie);
                } else {
                    let begins = format!("Bearer realm=\"{gate}\", error=\"invalid_token\"");
                    let challenge = told.challenge.expect("a challenge");
                    assert!(challenge.starts_with(&begins), "{name}: {challenge}");
                }
            }
            // What the right certificate has earned, shown with each.
            let Some(session) = session else {
                assert_eq!(
                    (proof, case.holder.is_none()),
                    ("strict", true),
                    "{gate} {}",
                    case.kind
                );
                continue;
            };
            server.keeps_secret(session.split_once('=').expect("a pair").1);
            for (which, certificate) in certificates {
                let passes = proof == "off" || which == "right";
                let name = format!("session at {gate}, {}, {which} certificate", case.kind);
                let told = door.ask(server, &gate, Shown::Cookie(&session), certificate);
                asked += 1;
                assert_eq!(told.status, if passes { 200 } else { 401 }, "{name}");
                assert_eq!(told.cookie, None, "{name}");
                if passes {
                    assert_eq!(told.subject.as_deref(), Some(case.subject), "{name}");
                } else {
                    let challenge = format!("Bearer realm=\"{gate}\"");
                    assert_eq!(told.challenge, Some(challenge), "{name}");
                }
            }
            // Worth nothing at the gate beside it.
            let other = if proof == "off" { "strict" } else { "off" };
            let name = session.replace(
                &format!("certbound-{gate}="),
                &format!("certbound-{other}-{methods}="),
            );
            let told = door.ask(
                server,
                &format!("{other}-{methods}"),
                Shown::Cookie(&name),
                Some(right),
            );
            assert_eq!(told.status, 401, "a cookie of {gate} at {other}");
            asked += 1;
        }
    }
    asked
}

fn doors(world: World) -> (World, [Door; 2]) {
    let path = world.path("fcgi.sock");
    let world = world.flag("--fcgi-listen", &format!("unix:{}", path.display()));
    (world, [Door::Http, Door::FastCgi(Place::Unix(path))])
}

#[test]
fn mtls_24_25_33_own_tokens() {
    let (world, doors) = doors(World::usual().clients([
        opaque(tls_client("own")),
        opaque(secret_client("dave", json!({ "scope": "orders.read" }))),
    ]));
    let server = world.gates_of(own_gates).start();
    let owns = wanted("own").by(&pki().ca);
    let both: &[&str] = &["bearer", "introspection", "both"];
    let asking: &[&str] = &["introspection", "both"];
    let case = |kind, token, holder, methods, subject| Case {
        kind,
        token,
        holder,
        methods,
        subject,
        issuer: ISSUER.to_owned(),
    };
    let cases = [
        case(
            "bound JWT",
            bound(&server, "alice", &pki().alice),
            Some(&pki().alice),
            both,
            "alice",
        ),
        case(
            "bound opaque",
            bound(&server, "own", &owns),
            Some(&owns),
            asking,
            "own",
        ),
        case(
            "unbound JWT",
            unbound(&server, "carol"),
            None,
            both,
            "carol",
        ),
        case(
            "unbound opaque",
            unbound(&server, "dave"),
            None,
            asking,
            "dave",
        ),
    ];
    let mut asked = 0;
    for door in &doors {
        asked += cases
            .iter()
            .map(|case| judge(&server, door, case))
            .sum::<usize>();
    }
    assert_eq!(asked, 2 * (2 * (3 + 2) * 3 * 7 - (3 + 2) * 4));
}

fn own_gates(world: &World) -> String {
    let secret = world.write("session.secret", "0123456789abcdef0123456789abcdef\n");
    let mut tables = String::new();
    for proof in ["strict", "optional", "off"] {
        for (name, methods) in [
            ("bearer", "\"bearer\""),
            ("introspection", "\"introspection\""),
            ("both", "\"bearer\", \"introspection\""),
        ] {
            tables += &format!(
                "[gate.{proof}-{name}]\nproof_of_possession_mtls = \"{proof}\"\nauth_methods = [{methods}, \"session\"]\nsession_secret_file = \"{secret}\"\n"
            );
        }
    }
    tables
}

#[test]
fn mtls_24_25_33_another_issuers_tokens() {
    let other = Other::new();
    let (world, doors) = doors(World::usual().switch("--outbound-allow-private"));
    let server = world
        .gates_of(|world| crate::gate_others::gates(world, &other))
        .start();
    let own = wanted("own").self_signed();
    let mut asked = 0;
    for (kind, holder) in [
        ("bound", Some(&pki().alice)),
        ("bound to a self-made certificate", Some(&own)),
        ("unbound", None),
    ] {
        let claims = other.claims(holder);
        let mut active = claims.clone();
        active["active"] = json!(true);
        other.json("/realm/introspect", &active);
        for (token, methods) in [
            (other.token(&claims), &["bearer", "introspection"][..]),
            (
                "opaque-token-of-the-other".to_owned(),
                &["introspection", "bearer-introspection"],
            ),
        ] {
            let case = Case {
                kind,
                token,
                holder,
                methods,
                subject: "user-1",
                issuer: other.issuer(),
            };
            asked += doors
                .iter()
                .map(|door| judge(&server, door, &case))
                .sum::<usize>();
        }
    }
    assert_eq!(asked, 2 * (3 * 4 * 3 * 7 - 4 * 4));
}
