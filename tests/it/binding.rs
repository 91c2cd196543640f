//! The certificate matrix: whatever a token is bound to, it works with that and with nothing else, and it
//! stays good for its owner (RFC 8705 sections 3, 4, 6.3 and 7.1; MTLS-24, 25, 30, 34, 36; OC-22).

use serde_json::{Value, json};

use crate::jose::claims;
use crate::people::{App, Proof, Tokens};
use crate::pki::{Cert, pki, wanted};
use crate::wire::Response;
use crate::world::{Server, World};

/// Which certificate comes with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shown {
    Right,
    Wrong,
    /// Another certificate over the same public key, which authenticates the client as before where one does.
    SameKey,
    /// Another certificate over another key.
    NewKey,
    Nothing,
}

const ALL: [Shown; 5] = [
    Shown::Right,
    Shown::Wrong,
    Shown::SameKey,
    Shown::NewKey,
    Shown::Nothing,
];

/// A client and the certificates that it comes to have.
struct Case {
    app: App,
    same_key: Cert,
    new_key: Cert,
}

impl Case {
    fn new(kind: &str, binding: Option<&str>) -> Self {
        let mut app = match kind {
            "tls" => App::tls("web"),
            "self_signed" => App::self_signed("web"),
            "key" => App::key("web"),
            _ => App::public_bound("web"),
        };
        let first = app.certificate.clone().expect("they are bound");
        let (same_key, new_key) = if kind == "tls" {
            (
                wanted("web").key_of(&first).serial(7).by(&pki().ca),
                wanted("web").serial(8).by(&pki().ca),
            )
        } else {
            (
                wanted("web").key_of(&first).serial(7).self_signed(),
                wanted("web").serial(8).self_signed(),
            )
        };
        if kind == "self_signed" {
            // All of them are registered, so that each authenticates.
            let keys = [&first, &same_key, &new_key].map(Cert::jwk);
            app = app.with("jwks", json!({ "keys": keys }));
        }
        if let Some(binding) = binding {
            app = app.with("refresh_token_binding", json!(binding));
        }
        Self {
            app,
            same_key,
            new_key,
        }
    }

    fn shows(&self, shown: Shown) -> App {
        let certificate = match shown {
            Shown::Right => self.app.certificate.as_ref(),
            Shown::Wrong => Some(&pki().bob),
            Shown::SameKey => Some(&self.same_key),
            Shown::NewKey => Some(&self.new_key),
            Shown::Nothing => None,
        };
        self.app.showing(certificate)
    }

    /// Whether the certificate is what authenticates the client.
    fn authenticates_by_certificate(&self) -> bool {
        matches!(self.app.proof, Proof::Tls | Proof::SelfSigned)
    }

    /// What a refresh must come to: its status and error.
    fn refresh(&self, binding: &str, shown: Shown) -> (u16, &'static str) {
        if self.authenticates_by_certificate() && matches!(shown, Shown::Wrong | Shown::Nothing) {
            return (401, "invalid_client");
        }
        match (binding, shown) {
            (_, Shown::Right)
            | ("key" | "client", Shown::SameKey)
            | ("client", Shown::NewKey | Shown::Wrong) => (200, ""),
            // Authenticated, held by nothing else, but what it gets would be unbound.
            ("client", Shown::Nothing) => (400, "invalid_request"),
            _ => (400, "invalid_grant"),
        }
    }
}

/// Every binding that a kind of client may have; the first is the default.
fn bindings(kind: &str) -> &'static [Option<&'static str>] {
    if kind == "none" {
        // `client` is for confidential clients only.
        &[None, Some("certificate"), Some("key")]
    } else {
        &[None, Some("certificate"), Some("key"), Some("client")]
    }
}

const KINDS: [&str; 4] = ["tls", "self_signed", "key", "none"];

#[track_caller]
fn is(response: &Response, (status, error): (u16, &str), what: &str) {
    assert_eq!(response.status, status, "{what}: {}", response.body);
    if status != 200 {
        assert_eq!(response.text("error"), error, "{what}: {}", response.body);
    }
}

#[test]
fn mtls_30_mtls_34_mtls_36_refresh() {
    for kind in KINDS {
        for binding in bindings(kind) {
            let case = Case::new(kind, *binding);
            let server = World::peopled([&case.app]).start();
            let name = binding.unwrap_or("certificate");
            let tokens = case.app.tokens(&server, "anna");
            let old = claims(&tokens.access)["cnf"]["x5t#S256"].clone();
            let first = case.app.certificate.as_ref().expect("one");
            assert_eq!(old, json!(first.thumbprint()));
            // The failing ones first: the token stays good for its owner.
            for shown in ALL {
                let what = format!("{kind} {binding:?} {shown:?}");
                let app = case.shows(shown);
                let response = app.refreshes(&server, tokens.refresh()).send();
                is(&response, case.refresh(name, shown), &what);
                if response.status == 200 {
                    // MTLS-34: what it gets is bound to what it showed.
                    let fresh = Tokens::of(&response);
                    let bound = claims(&fresh.access)["cnf"]["x5t#S256"].clone();
                    let shown = app.certificate.as_ref().expect("one").thumbprint();
                    assert_eq!(bound, json!(shown), "{what}");
                    assert_eq!(app.userinfo(&server, &fresh.access).status, 200, "{what}");
                }
                let response = case.app.refreshes(&server, tokens.refresh()).send();
                is(&response, (200, ""), &format!("{what}, then its owner"));
            }
        }
    }
}

#[test]
fn mtls_24_mtls_25_oc_22_userinfo_and_gate() {
    for kind in KINDS {
        for format in ["jwt", "opaque"] {
            let mut case = Case::new(kind, None);
            case.app = case.app.with("access_token_format", json!(format));
            let server = gated(&case.app);
            let tokens = case.app.tokens(&server, "anna");
            for shown in ALL {
                let what = format!("{kind} {format} {shown:?}");
                let app = case.shows(shown);
                let response = app.userinfo(&server, &tokens.access);
                if shown == Shown::Right {
                    is(&response, (200, ""), &what);
                } else {
                    is(&response, (401, "invalid_token"), &what);
                    let challenge = response.header("www-authenticate").expect("MTLS-24");
                    assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
                }
                for gate in ["strict", "optional"] {
                    let request = server.verify(gate, &tokens.access);
                    let request = match &app.certificate {
                        Some(certificate) => request.unjudged(certificate),
                        None => request,
                    };
                    let response = request.send();
                    let good = if shown == Shown::Right { 200 } else { 401 };
                    assert_eq!(response.status, good, "MTLS-25 {gate}: {what}");
                }
                let owner = case.app.userinfo(&server, &tokens.access);
                is(&owner, (200, ""), &format!("{what}, then its owner"));
            }
        }
    }
}

fn gated(app: &App) -> Server {
    World::peopled([app])
        .gates(
            "[gate.strict]\nproof_of_possession_mtls = \"strict\"\n\
             [gate.optional]\nproof_of_possession_mtls = \"optional\"\n",
        )
        .start()
}

#[test]
fn logout_by_post_with_a_refresh_token() {
    for kind in KINDS {
        for binding in bindings(kind) {
            let name = binding.unwrap_or("certificate");
            for shown in ALL {
                let what = format!("{kind} {binding:?} {shown:?}");
                let case = Case::new(kind, *binding);
                let server = World::peopled([&case.app]).start();
                let tokens = case.app.tokens(&server, "anna");
                let app = case.shows(shown);
                let request = app.post(&server, "logout");
                let response = request.form("refresh_token", tokens.refresh()).send();
                let mut expected = case.refresh(name, shown);
                if name == "client" && shown == Shown::Nothing && expected.0 == 400 {
                    // Nothing is given here that would be unbound.
                    expected = (200, "");
                }
                assert_eq!(
                    response.status / 100,
                    expected.0 / 100,
                    "{what}: {}",
                    response.body
                );
                if expected.0 == 200 {
                    assert!(!server.is_active(&tokens.access), "{what}");
                    let again = case.app.refreshes(&server, tokens.refresh()).send();
                    again.refuses(400, "invalid_grant");
                } else {
                    is(&response, expected, &what);
                    assert!(server.is_active(&tokens.access), "{what}");
                    let owner = case.app.refreshes(&server, tokens.refresh()).send();
                    is(&owner, (200, ""), &format!("{what}, then its owner"));
                }
            }
        }
    }
}

#[test]
fn what_cannot_be_a_binding() {
    for (app, binding) in [
        (App::public("web"), json!("client")),
        (App::public_bound("web"), json!("client")),
        (App::tls("web"), json!("thumbprint")),
        (App::tls("web"), json!(true)),
        (App::tls("web"), json!("")),
    ] {
        let app = app.with("refresh_token_binding", binding);
        World::peopled([&app]).is_refused_for("refresh_token_binding");
    }
}

#[test]
fn a_client_without_a_certificate_needs_none() {
    for app in [App::secret("web"), App::public("web")] {
        let server = World::peopled([&app]).start();
        let tokens = app.tokens(&server, "anna");
        assert_eq!(claims(&tokens.access).get("cnf"), None::<&Value>);
        for certificate in [None, Some(&pki().own)] {
            let shows = app.showing(certificate);
            assert_eq!(shows.userinfo(&server, &tokens.access).status, 200);
        }
        let next = Tokens::of(
            &app.showing(Some(&pki().own))
                .refreshes(&server, tokens.refresh())
                .send(),
        );
        let text = next.refresh.as_deref().unwrap_or(tokens.refresh());
        let next = Tokens::of(&app.refreshes(&server, text).send());
        assert_eq!(claims(&next.access).get("cnf"), None::<&Value>);
    }
}

#[test]
fn no_certificate_outside_its_validity_holds_anything() {
    // INTERFACE, "When is a certificate believed?", 4.
    let old = wanted("web").years(2020, 2021).self_signed();
    let app = App::public_bound("web");
    let server = World::peopled([&app]).start();
    let code = app
        .asks()
        .answered(&mut crate::browser::Browser::new(&server), "anna")
        .code();
    let response = app.showing(Some(&old)).redeems(&server, &code).send();
    assert_eq!(response.status, 400, "{}", response.body);
    Tokens::of(&app.redeems(&server, &code).send());
}
