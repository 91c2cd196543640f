//! Authorization server metadata (RFC 8414, RFC 8705 sections 3.3 and 5): what works, and nothing else.

use serde_json::{Map, Value, json};

use std::sync::Arc;

use super::{ENDPOINTS, Reply, Server};
use crate::client::METHODS;
use crate::client::registration::ClientRegistration;
use crate::grant::GRANTS;
use crate::key::algorithm::{SigningAlgorithm, VerificationAlgorithm};
use crate::key::jwe::{ContentEncryption, KeyManagement};
use crate::oauth::pkce::CodeChallengeMethod;
use crate::oauth::response::{ResponseMode, ResponseType};
use crate::page::Language;
use crate::user::claims;

/// How clients authenticate under FAPI 2.0 (section 5.3.2.1).
const FAPI2_METHODS: &[&str] = &[
    "tls_client_auth",
    "self_signed_tls_client_auth",
    "private_key_jwt",
];

/// The document.
pub fn reply(server: &Server) -> Reply {
    let settings = &server.settings;
    let endpoints = || {
        ENDPOINTS
            .iter()
            .filter(|endpoint| endpoint.is_served(settings))
    };
    let mut document = Map::new();
    let mut put = |name: String, value: Value| document.insert(name, value);
    put("issuer".into(), json!(settings.issuer.as_str()));
    let fapi2 = settings.profile.is_fapi2();
    let methods = |public: bool| -> Vec<&str> {
        METHODS
            .iter()
            .map(|method| method.name())
            .filter(|name| public || *name != "none")
            .filter(|name| !fapi2 || FAPI2_METHODS.contains(name))
            .collect()
    };
    let algorithms: Vec<&str> = VerificationAlgorithm::ALL
        .iter()
        .filter(|alg| !fapi2 || alg.fapi())
        .map(|alg| alg.name())
        .collect();
    for endpoint in endpoints() {
        let Some(name) = endpoint.metadata() else {
            continue;
        };
        put(name.into(), json!(settings.issuer.url_of(endpoint.name())));
        if endpoint.authenticates_clients() {
            // Only confidential clients may introspect.
            put(
                format!("{name}_auth_methods_supported"),
                json!(methods(endpoint.name() != "introspect")),
            );
            put(
                format!("{name}_auth_signing_alg_values_supported"),
                json!(algorithms),
            );
        }
    }
    put(
        "grant_types_supported".into(),
        json!(GRANTS.iter().map(|grant| grant.name()).collect::<Vec<_>>()),
    );
    // Until the keys can be read, what they will be: one is made for each algorithm.
    let signing: Vec<&str> = server
        .keys()
        .ok()
        .filter(|_| *server.complete.borrow())
        .map_or_else(
            || SigningAlgorithm::ALL.to_vec(),
            |keys| keys.algorithms((server.clock)()),
        )
        .into_iter()
        .filter(|alg| !fapi2 || alg.fapi())
        .map(SigningAlgorithm::name)
        .collect();
    put(
        "introspection_signing_alg_values_supported".into(),
        json!(signing),
    );
    for (name, value) in people(server, &signing) {
        put(name.into(), value);
    }
    put(
        "tls_client_certificate_bound_access_tokens".into(),
        json!(true),
    );
    if let Some(base) = &settings.mtls_base {
        let aliases: Map<String, Value> = endpoints()
            .filter(|endpoint| endpoint.has_mtls_alias())
            .filter_map(|endpoint| {
                Some((
                    endpoint.metadata()?.into(),
                    json!(base.url_of(endpoint.name())),
                ))
            })
            .collect();
        put("mtls_endpoint_aliases".into(), Value::Object(aliases));
    }
    Reply::public_json(Value::Object(document).to_string())
}

/// What is there for people (OpenID Connect Discovery section 3, RFC 9126 section 5, RFC 9207 section 3,
/// RP-Initiated Logout section 2.1, Back-Channel Logout section 2.1).
fn people(server: &Server, signing: &[&str]) -> Vec<(&'static str, Value)> {
    let settings = &server.settings;
    let fapi2 = settings.profile.is_fapi2();
    let trust = server.trust.load();
    let response_types: Vec<&str> = ResponseType::ALL
        .iter()
        .filter(|kind| !fapi2 || **kind == ResponseType::CODE)
        .map(|kind| kind.name())
        .collect();
    // A method that no client may use is not supported.
    let methods: Vec<&str> = CodeChallengeMethod::ALL
        .iter()
        .filter(|method| {
            let used = |client: &Arc<ClientRegistration>| {
                client.people().pkce().methods().contains(method)
            };
            **method == CodeChallengeMethod::S256 || trust.clients.iter().any(used)
        })
        .map(|method| method.name())
        .collect();
    let management: Vec<&str> = KeyManagement::ALL
        .iter()
        .filter(|alg| !fapi2 || **alg != KeyManagement::Rsa1_5)
        .map(|alg| alg.name())
        .collect();
    let content: Vec<&str> = ContentEncryption::ALL
        .iter()
        .map(|enc| enc.name())
        .collect();
    let objects: Vec<&str> = VerificationAlgorithm::ALL
        .iter()
        .filter(|alg| !fapi2 || alg.fapi())
        .map(|alg| alg.name())
        .collect();
    let scopes: Vec<&str> = ["openid", "offline_access"]
        .into_iter()
        .chain(claims::scopes())
        .collect();
    let protocol = [
        "sub",
        "iss",
        "aud",
        "exp",
        "iat",
        "auth_time",
        "acr",
        "amr",
        "nonce",
        "sid",
    ];
    let names: Vec<&str> = protocol.into_iter().chain(claims::names()).collect();
    let languages: Vec<&str> = Language::ALL
        .iter()
        .map(|language| language.tag())
        .collect();
    let modes: Vec<&str> = ResponseMode::ALL.iter().map(|mode| mode.name()).collect();
    let mut said = vec![
        ("response_types_supported", json!(response_types)),
        ("response_modes_supported", json!(modes)),
        ("scopes_supported", json!(scopes)),
        ("claims_supported", json!(names)),
        ("claims_parameter_supported", json!(true)),
        ("subject_types_supported", json!(["public"])),
        ("id_token_signing_alg_values_supported", json!(signing)),
        (
            "id_token_encryption_alg_values_supported",
            json!(management),
        ),
        ("id_token_encryption_enc_values_supported", json!(content)),
        ("userinfo_signing_alg_values_supported", json!(signing)),
        (
            "userinfo_encryption_alg_values_supported",
            json!(management),
        ),
        ("userinfo_encryption_enc_values_supported", json!(content)),
        ("code_challenge_methods_supported", json!(methods)),
        (
            "prompt_values_supported",
            json!(["none", "login", "consent", "select_account"]),
        ),
        ("ui_locales_supported", json!(languages)),
        ("request_parameter_supported", json!(false)),
        ("request_uri_parameter_supported", json!(false)),
        (
            "request_object_signing_alg_values_supported",
            json!(objects),
        ),
        (
            "authorization_response_iss_parameter_supported",
            json!(true),
        ),
        ("require_pushed_authorization_requests", json!(fapi2)),
        ("backchannel_logout_supported", json!(true)),
        ("backchannel_logout_session_supported", json!(true)),
    ];
    let acr: Vec<&str> = settings.acr.iter().map(|(name, _)| name).collect();
    // RFC 8414 section 3.2: what would be empty is left out.
    if !acr.is_empty() {
        said.push(("acr_values_supported", json!(acr)));
    }
    said
}
