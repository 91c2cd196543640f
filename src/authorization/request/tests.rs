//! Authorization requests, parameter by parameter.

use url::form_urlencoded::byte_serialize;

use super::*;
use crate::client::Registry;

const CLIENTS: &str = r#"[
    {"client_id":"web","client_secret":"s","redirect_uris":["https://app.example/cb"],
     "grant_types":["authorization_code","implicit"],
     "response_types":["code","code id_token","code token","code id_token token"],
     "audience":["https://one.example","https://two.example"]},
    {"client_id":"scoped","client_secret":"s","redirect_uris":["https://app.example/cb"],
     "scope":"openid orders.read","default_max_age":600,"default_acr_values":["silver"]},
    {"client_id":"bound","token_endpoint_auth_method":"tls_client_auth","tls_client_auth_subject_dn":"CN=a",
     "grant_types":["authorization_code"],
     "redirect_uris":["https://app.example/cb"],"response_types":["code","code id_token"]},
    {"client_id":"par","client_secret":"s","redirect_uris":["https://app.example/cb"],
     "require_pushed_authorization_requests":true},
    {"client_id":"optional","client_secret":"s","redirect_uris":["https://app.example/cb"],"pkce":"optional"},
    {"client_id":"keycloak","client_secret":"s","redirect_uris":["https://app.example/cb"],"pkce":""},
    {"client_id":"s256","client_secret":"s","redirect_uris":["https://app.example/cb"],"pkce":"S256"},
    {"client_id":"plain","client_secret":"s","redirect_uris":["https://app.example/cb"],"pkce":"plain"},
    {"client_id":"public","token_endpoint_auth_method":"none","redirect_uris":["https://app.example/cb"]}
]"#;

const CHALLENGE: &str = "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const S256: &str =
    "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
const REDIRECT: &str = "redirect_uri=https%3A%2F%2Fapp.example%2Fcb";

fn read_under(query: &str, policy: Policy) -> Result<AuthorizationRequest, OAuthError> {
    let clients = Registry::read(CLIENTS).expect("registrations");
    let form = Form::parse(query.as_bytes()).expect("a form");
    let target = Target::of(&form, &clients).unwrap_or_else(|error| panic!("{query}: {error:?}"));
    AuthorizationRequest::read(&form, &target, policy)
}

fn read(query: &str) -> Result<AuthorizationRequest, OAuthError> {
    read_under(query, Policy::default())
}

/// A good request of that client, with more.
fn good(client: &str, more: &str) -> String {
    let response = if more.contains("response_type") {
        ""
    } else {
        "response_type=code&"
    };
    format!("client_id={client}&{REDIRECT}&{response}{S256}&{more}")
}

fn code(query: &str) -> Option<&'static str> {
    read(query).err().map(|error| error.code().name())
}

/// Each addition to a good request of `web` is refused so, or not at all.
fn check(table: &[(&str, Option<&str>)]) {
    for (more, expected) in table {
        assert_eq!(code(&good("web", more)), *expected, "{more}");
    }
}

/// BCP-04, MTLS-35, OC-10, OC-13.
#[test]
fn response_types_and_modes() {
    let unsupported = Some("unsupported_response_type");
    let invalid = Some("invalid_request");
    check(&[
        ("", None),
        ("response_type=", invalid),
        ("response_type=token", unsupported),
        ("response_type=id_token", unsupported),
        ("response_type=id_token+token", unsupported),
        ("response_type=none", unsupported),
        ("response_type=Code", unsupported),
        ("response_type=code+code", unsupported),
        ("response_type=code+id_token&scope=openid&nonce=n", None),
        ("response_type=id_token+code&scope=openid&nonce=n", None),
        (
            "response_type=token+id_token+code&scope=openid&nonce=n",
            None,
        ),
        ("response_type=code+id_token&scope=openid", invalid),
        ("response_type=code+id_token&scope=openid&nonce=", invalid),
        ("response_type=code+id_token&scope=email&nonce=n", invalid),
        ("response_type=code+token", None),
        ("response_type=code+token&response_mode=query", invalid),
        ("response_type=code+token&response_mode=fragment", None),
        ("response_type=code+token&response_mode=form_post", None),
        ("response_mode=query", None),
        ("response_mode=fragment", None),
        ("response_mode=form_post", None),
        ("response_mode=web_message", invalid),
        ("response_mode=query.jwt", invalid),
    ]);
    let hybrid = "response_type=code+id_token&scope=openid&nonce=n";
    assert_eq!(code(&good("bound", hybrid)), None);
    let unauthorized = Some("unauthorized_client");
    assert_eq!(
        code(&good("bound", "response_type=code+token")),
        unauthorized
    );
    assert_eq!(
        code(&good(
            "bound",
            "response_type=code+id_token+token&scope=openid&nonce=n"
        )),
        unauthorized
    );
    assert_eq!(code(&good("scoped", hybrid)), unauthorized);
}

/// OA-12, OC-24, PAR-03.
#[test]
fn scope_within_the_registration() {
    for (client, asked, kept) in [
        ("web", "scope=openid+email", Some("openid email")),
        ("web", "scope=email+openid+email", Some("email openid")),
        ("web", "scope=openid+offline_access", Some("openid")),
        (
            "web",
            "scope=openid+offline_access&prompt=login",
            Some("openid"),
        ),
        (
            "web",
            "scope=openid+offline_access&prompt=consent",
            Some("openid offline_access"),
        ),
        ("web", "scope=openid+orders.read", None),
        ("web", "scope=", Some("")),
        ("web", "", Some("")),
        ("web", "scope=a%22b", None),
        ("web", "scope=%0d%0a", None),
        (
            "scoped",
            "scope=openid+orders.read",
            Some("openid orders.read"),
        ),
        ("scoped", "scope=openid+email", None),
        ("scoped", "scope=openid+offline_access", Some("openid")),
        ("scoped", "scope=openid+offline_access&prompt=consent", None),
        ("scoped", "", Some("orders.read")),
    ] {
        let found = read(&good(client, asked));
        let found = found.as_ref().map(|request| request.scope().as_str());
        assert_eq!(found.ok(), kept, "{client} {asked}");
    }
    assert_eq!(
        code(&good("web", "scope=openid+orders.read")),
        Some("invalid_scope")
    );
    assert_eq!(code(&good("web", "scope=a%22b")), Some("invalid_scope"));
}

/// PK-01, PK-02, PK-03, PK-09: each policy against each request.
#[test]
fn pkce() {
    let plain = format!("{CHALLENGE}&code_challenge_method=plain");
    let requests = ["", CHALLENGE, S256, &plain];
    for (client, good) in [
        ("web", [false, false, true, false]),
        ("public", [false, false, true, false]),
        ("s256", [false, false, true, false]),
        ("optional", [true, false, true, false]),
        ("keycloak", [true, true, true, true]),
        ("plain", [false, true, false, true]),
    ] {
        for (request, good) in requests.iter().zip(good) {
            let query = format!("client_id={client}&response_type=code&{request}");
            let expected = (!good).then_some("invalid_request");
            assert_eq!(code(&query), expected, "{client} {request}");
        }
    }
    for (wrong, client) in [
        ("code_challenge_method=S256", "optional"),
        ("code_challenge=&code_challenge_method=S256", "keycloak"),
        (
            "code_challenge=short&code_challenge_method=S256",
            "optional",
        ),
        (
            &format!(
                "code_challenge={}&code_challenge_method=S256",
                "a".repeat(42)
            ),
            "web",
        ),
        (
            &format!(
                "code_challenge={}&code_challenge_method=S256",
                "a".repeat(129)
            ),
            "web",
        ),
        (
            &format!(
                "code_challenge={}+&code_challenge_method=S256",
                "a".repeat(43)
            ),
            "web",
        ),
        (
            &format!(
                "code_challenge={}%2B&code_challenge_method=S256",
                "a".repeat(43)
            ),
            "web",
        ),
        (&format!("{CHALLENGE}&code_challenge_method=s256"), "web"),
        (
            &format!("{CHALLENGE}&code_challenge_method=S512"),
            "keycloak",
        ),
    ] {
        let query = format!("client_id={client}&response_type=code&{wrong}");
        assert_eq!(code(&query), Some("invalid_request"), "{wrong}");
    }
    // OC-15: no rule is weaker in hybrid.
    let hybrid = "client_id=web&response_type=code+token";
    assert_eq!(code(hybrid), Some("invalid_request"));
    let without = read("client_id=keycloak&response_type=code").expect("optional");
    assert_eq!(without.challenge(), None);
    let query = format!("client_id=keycloak&response_type=code&{CHALLENGE}");
    let found = read(&query).expect("plain by default");
    let method = found.challenge().map(CodeChallenge::method);
    assert_eq!(method, Some(CodeChallengeMethod::Plain));
}

/// OC-04, OC-06, OA-05, OA-06 and what is refused by name.
#[test]
fn other_parameters() {
    let invalid = Some("invalid_request");
    check(&[
        ("foo=bar&display=popup&claims_locales=de", None),
        ("prompt=none", None),
        ("prompt=none+login", invalid),
        ("prompt=create", invalid),
        ("max_age=0", None),
        ("max_age=", None),
        ("max_age=-1", invalid),
        ("max_age=%2B1", invalid),
        ("max_age=1.5", invalid),
        ("max_age=1e3", invalid),
        ("max_age=99999999999", invalid),
        ("max_age=soon", invalid),
        ("claims=%7B%7D", None),
        ("claims=%5B%5D", invalid),
        ("request=ey.J.x", Some("request_not_supported")),
        (
            "request_uri=https%3A%2F%2Fevil.example",
            Some("request_uri_not_supported"),
        ),
        ("registration=%7B%7D", Some("registration_not_supported")),
        ("dpop_jkt=0ZcOCORZNYy", invalid),
        ("request=&request_uri=&registration=", None),
        ("resource=https%3A%2F%2Fone.example", None),
        (
            "resource=https%3A%2F%2Fone.example&resource=https%3A%2F%2Ftwo.example",
            None,
        ),
        (
            "resource=https%3A%2F%2Fthree.example",
            Some("invalid_target"),
        ),
        (
            "resource=https%3A%2F%2Fone.example%2F",
            Some("invalid_target"),
        ),
        (
            "resource=https%3A%2F%2Fone.example%23x",
            Some("invalid_target"),
        ),
        ("resource=one", Some("invalid_target")),
        ("state=%0d%0a", invalid),
        ("nonce=%00", invalid),
        ("login_hint=a%0ab", invalid),
        ("login_hint=%C3%A9", None),
    ]);
    for (name, longest) in LONGEST
        .iter()
        .filter(|(name, _)| !["scope", "prompt", "acr_values"].contains(name))
    {
        for (length, expected) in [(*longest, None), (longest + 1, invalid)] {
            let more = format!("{name}={}", "a".repeat(length));
            assert_eq!(code(&good("web", &more)), expected, "{name} {length}");
        }
    }
}

#[test]
fn what_is_read() {
    let nonce: String = "n\"'<>&%+ \\".repeat(20);
    let encoded: String = byte_serialize(nonce.as_bytes()).collect();
    let request = read(&good(
        "scoped",
        &format!("scope=openid&nonce={encoded}&max_age=5&prompt=login+consent&login_hint=anna&ui_locales=de+en&id_token_hint=h&acr_values=gold"),
    ))
    .expect("good");
    // OC-09: 200 characters, byte for byte.
    assert_eq!(request.nonce(), Some(nonce.as_str()));
    assert_eq!(request.max_age(), Some(Lifetime::from_seconds(5)));
    assert!(request.prompt().login && request.prompt().consent && request.is_openid());
    assert_eq!(request.login_hint(), Some("anna"));
    assert_eq!(request.ui_locales(), Some("de en"));
    assert_eq!(request.id_token_hint(), Some("h"));
    assert_eq!(request.acr().values, ["gold"]);
    let defaults = read(&good("scoped", "scope=openid")).expect("good");
    assert_eq!(defaults.max_age(), Some(Lifetime::from_seconds(600)));
    assert_eq!(defaults.acr().values, ["silver"]);
    let twice = "resource=https%3A%2F%2Fone.example&resource=https%3A%2F%2Fone.example";
    let resources = read(&good("web", twice)).expect("good");
    assert_eq!(resources.resources(), ["https://one.example"]);
}

/// PAR-02, PAR-09, FA-05, FA-08.
#[test]
fn policies() {
    let pushed = Policy {
        fapi2: false,
        pushed: true,
    };
    let fapi2 = Policy {
        fapi2: true,
        pushed: true,
    };
    let plain_fapi2 = Policy {
        fapi2: true,
        pushed: false,
    };
    let invalid = Some(ErrorCode::InvalidRequest);
    let hybrid = "response_type=code+id_token&scope=openid&nonce=n";
    let nonce = format!("scope=openid&nonce={}", "n".repeat(64));
    for (query, policy, expected) in [
        (good("par", ""), Policy::default(), invalid),
        (good("par", ""), pushed, None),
        (good("par", "request_uri=urn:x"), pushed, invalid),
        (good("web", ""), plain_fapi2, invalid),
        (good("web", ""), fapi2, None),
        (good("web", &nonce), fapi2, None),
        (good("web", hybrid), pushed, None),
        (
            good("web", hybrid),
            fapi2,
            Some(ErrorCode::UnsupportedResponseType),
        ),
        (
            format!("client_id=web&response_type=code&{S256}"),
            fapi2,
            invalid,
        ),
        (
            format!("client_id=web&response_type=code&{S256}"),
            pushed,
            None,
        ),
        (
            format!("client_id=optional&response_type=code&{REDIRECT}"),
            fapi2,
            invalid,
        ),
        (
            format!("client_id=keycloak&response_type=code&{REDIRECT}&{CHALLENGE}"),
            fapi2,
            invalid,
        ),
    ] {
        let found = read_under(&query, policy).err().map(|error| error.code());
        assert_eq!(found, expected, "{query} {policy:?}");
    }
}

/// A request that was pushed, or sealed into a form, is the same when it comes back.
#[test]
fn a_stored_request_is_the_same() {
    let query = good(
        "web",
        "scope=openid&resource=https%3A%2F%2Fone.example&resource=https%3A%2F%2Ftwo.example&state=%C3%A9+%26",
    );
    let form = Form::parse(query.as_bytes()).expect("a form");
    let stored: Vec<(String, String)> = form
        .pairs()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let again = Form::from_pairs(stored).expect("the same form");
    let clients = Registry::read(CLIENTS).expect("registrations");
    let read = |form: &Form<'_>| {
        let target = Target::of(form, &clients).expect("a target");
        assert_eq!(target.state(), Some("é &"));
        AuthorizationRequest::read(form, &target, Policy::default()).expect("good")
    };
    assert_eq!(read(&form), read(&again));
}
