//! Authorization server metadata (RFC 8414, RFC 8705 sections 3.3 and 5): what works, and nothing else.

use serde_json::{Map, Value, json};

use super::{ENDPOINTS, Reply, Server};
use crate::client::METHODS;
use crate::grant::GRANTS;
use crate::key::algorithm::{SigningAlgorithm, VerificationAlgorithm};

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
    let methods = |public: bool| -> Vec<&str> {
        METHODS
            .iter()
            .map(|method| method.name())
            .filter(|name| public || *name != "none")
            .collect()
    };
    let algorithms: Vec<&str> = VerificationAlgorithm::ALL
        .iter()
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
        .map(SigningAlgorithm::name)
        .collect();
    put(
        "introspection_signing_alg_values_supported".into(),
        json!(signing),
    );
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
