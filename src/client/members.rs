//! Single members of a registration, each read by itself (RFC 7591 section 2, RFC 8705 section 2).

use super::metadata::{Metadata, OneOrMany};
use super::{Contradiction, METHODS, Method};
use crate::key::jwk::JwkSet;
use crate::oauth::ClientId;
use crate::oauth::nearest::nearest;

/// The grants that registrations may name; one that is not offered yet gets `unsupported_grant_type` when
/// it is asked for.
const GRANT_TYPES: &[&str] = &[
    "client_credentials",
    "authorization_code",
    "refresh_token",
    "implicit",
    "urn:ietf:params:oauth:grant-type:token-exchange",
];

pub(super) fn client_id(metadata: &Metadata) -> Result<ClientId, Contradiction> {
    let Some(text) = metadata.client_id.as_deref() else {
        return Err(Contradiction::new(
            "client_id",
            "it is missing; write the identifier that the client will use",
        ));
    };
    ClientId::parse(text).map_err(|error| Contradiction::new("client_id", error.to_string()))
}

pub(super) fn method(metadata: &Metadata) -> Result<&'static dyn Method, Contradiction> {
    // RFC 7591 section 2 names the default.
    let name = metadata
        .token_endpoint_auth_method
        .as_deref()
        .unwrap_or("client_secret_basic");
    METHODS
        .iter()
        .copied()
        .find(|method| method.name() == name)
        .ok_or_else(|| {
            let known = METHODS.iter().map(|method| method.name());
            let hint = nearest(name, known.clone())
                .map_or_else(String::new, |near| format!("; did you mean {near}?"));
            let known: Vec<_> = known.collect();
            Contradiction::new(
                "token_endpoint_auth_method",
                format!(
                    "there is no method {name:?}; one of {}{hint}",
                    known.join(", ")
                ),
            )
        })
}

/// Whether the registration has that member, of those that only some methods read.
fn has(metadata: &Metadata, member: &str) -> bool {
    match member {
        "tls_client_auth_subject_dn" => metadata.tls_client_auth_subject_dn.is_some(),
        "tls_client_auth_san_dns" => metadata.tls_client_auth_san_dns.is_some(),
        "tls_client_auth_san_uri" => metadata.tls_client_auth_san_uri.is_some(),
        "tls_client_auth_san_ip" => metadata.tls_client_auth_san_ip.is_some(),
        "tls_client_auth_san_email" => metadata.tls_client_auth_san_email.is_some(),
        "tls_client_auth_alternatives" => metadata.tls_client_auth_alternatives.is_some(),
        "tls_client_auth_trust_anchors" => metadata.tls_client_auth_trust_anchors.is_some(),
        "client_secret" => metadata.client_secret.is_some(),
        "client_secret_sha256" => metadata.client_secret_sha256.is_some(),
        "token_endpoint_auth_signing_alg" => metadata.token_endpoint_auth_signing_alg.is_some(),
        _ => false,
    }
}

/// A member that belongs to another method says that somebody believes it to be in force.
pub(super) fn foreign_members(
    metadata: &Metadata,
    method: &dyn Method,
    wrong: &mut Vec<Contradiction>,
) {
    let mut members: Vec<&str> = METHODS
        .iter()
        .flat_map(|other| other.members())
        .copied()
        .collect();
    members.sort_unstable();
    members.dedup();
    for member in members {
        if has(metadata, member) && !method.members().contains(&member) {
            wrong.push(Contradiction::new(
                member,
                format!("token_endpoint_auth_method {} does not read it; take it out or change the method", method.name()),
            ));
        }
    }
}

pub(super) fn jwks_uri(metadata: &Metadata) -> Result<Option<String>, Contradiction> {
    let Some(uri) = metadata.jwks_uri.as_deref() else {
        return Ok(None);
    };
    if metadata.jwks.is_some() {
        return Err(Contradiction::new(
            "jwks_uri",
            "jwks is there as well; keep one of them",
        ));
    }
    let parsed = url::Url::parse(uri)
        .map_err(|error| Contradiction::new("jwks_uri", format!("it is not a URL: {error}")))?;
    let clean =
        parsed.username().is_empty() && parsed.password().is_none() && parsed.fragment().is_none();
    if !matches!(parsed.scheme(), "https" | "http") || !clean || !parsed.has_host() {
        return Err(Contradiction::new(
            "jwks_uri",
            "write an https URL without user information and fragment",
        ));
    }
    Ok(Some(uri.to_owned()))
}

/// RFC 7591 section 2 makes `authorization_code` the default. A client without a redirect URI could
/// not use it, so that in the file such a one is meant for `client_credentials`.
pub(super) fn grant_types(metadata: &mut Metadata) -> Result<Vec<String>, Contradiction> {
    let public = metadata.token_endpoint_auth_method.as_deref() == Some("none");
    let Some(named) = metadata.grant_types.take() else {
        let redirects = metadata
            .redirect_uris
            .as_ref()
            .is_some_and(|uris| !uris.is_empty());
        let default = if redirects || public {
            "authorization_code"
        } else {
            "client_credentials"
        };
        return Ok(vec![default.to_owned()]);
    };
    for name in &named {
        if !GRANT_TYPES.contains(&name.as_str()) {
            let hint = nearest(name, GRANT_TYPES.iter().copied())
                .map_or_else(String::new, |near| format!("; did you mean {near}?"));
            return Err(Contradiction::new(
                "grant_types",
                format!(
                    "there is no grant {name:?}; known are {}{hint}",
                    GRANT_TYPES.join(", ")
                ),
            ));
        }
    }
    Ok(named)
}

/// A list of audiences or resource identifiers.
pub(super) fn names(
    member: &'static str,
    written: Option<OneOrMany>,
) -> Result<Vec<String>, Contradiction> {
    let names = written.map(OneOrMany::into_list).unwrap_or_default();
    for name in &names {
        let printable = name.bytes().all(|byte| matches!(byte, 0x21..=0x7e));
        if name.is_empty() || name.len() > 2048 || !printable {
            return Err(Contradiction::new(
                member,
                format!(
                    "{name:?} is not an identifier: write a URI such as https://api.example.com"
                ),
            ));
        }
    }
    Ok(names)
}

/// One of a few words.
pub(super) fn choice<T>(
    member: &'static str,
    written: Option<&str>,
    read: impl FnOnce(&str) -> Option<T>,
    known: &str,
) -> Result<Option<T>, Contradiction> {
    let Some(text) = written else {
        return Ok(None);
    };
    match read(text) {
        Some(choice) => Ok(Some(choice)),
        None => Err(Contradiction::new(
            member,
            format!("{text:?} is not known; write {known}"),
        )),
    }
}

/// What a client that anybody can claim to be may not have.
pub(super) fn whoever_proves_nothing(metadata: &Metadata, wrong: &mut Vec<Contradiction>) {
    if metadata.token_endpoint_auth_method.as_deref() != Some("none") {
        return;
    }
    if metadata.introspect_any == Some(true) {
        wrong.push(Contradiction::new(
            "introspect_any",
            "only clients that authenticate may introspect; take it out, or choose another token_endpoint_auth_method than none",
        ));
    }
    if metadata.refresh_token_binding.as_deref() == Some("client") {
        wrong.push(Contradiction::new(
            "refresh_token_binding",
            "client is for clients that authenticate; write certificate or key, or choose another token_endpoint_auth_method than none",
        ));
    }
}

/// Whether tokens can be bound as the registration says.
pub(super) fn possession(
    metadata: &Metadata,
    bound: bool,
    grant_types: Option<&[String]>,
    wrong: &mut Vec<Contradiction>,
) {
    if metadata.dpop_bound_access_tokens == Some(true) {
        wrong.push(Contradiction::new(
            "dpop_bound_access_tokens",
            "DPoP is not supported: bind tokens by tls_client_certificate_bound_access_tokens",
        ));
    }
    if bound && grant_types.is_some_and(<[String]>::is_empty) {
        wrong.push(Contradiction::new(
            "tls_client_certificate_bound_access_tokens",
            "the client has no grant_types, so it gets no token to bind: name a grant or take this out",
        ));
    }
}

/// The keys that are written into the registration. A private one is out in the open, whether or not the
/// method reads the set.
pub(super) fn jwks(metadata: &Metadata, wrong: &mut Vec<Contradiction>) -> Option<JwkSet> {
    match JwkSet::registered(metadata.jwks.as_ref()?) {
        Ok(jwks) => Some(jwks),
        Err(error) => {
            if !wrong.iter().any(|known| known.member == "jwks") {
                wrong.push(Contradiction::new("jwks", error.to_string()));
            }
            None
        }
    }
}
