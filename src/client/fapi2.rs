//! What the FAPI 2.0 Security Profile forbids a client (sections 5.3.2.1, 5.3.2.2 and 5.4.1), each with what to
//! write instead.

use super::metadata::Metadata;
use super::people::{Known, People, PkcePolicy};
use super::{Contradiction, Method};
use crate::key::jwe::KeyManagement;
use crate::oauth::redirect_uri::Destination;
use crate::oauth::response::ResponseType;

/// The methods of section 5.3.2.1.
const METHODS: &[&str] = &[
    "tls_client_auth",
    "self_signed_tls_client_auth",
    "private_key_jwt",
];

/// Says every member that the profile forbids.
pub(super) fn forbidden(
    known: &Known<'_>,
    method: &dyn Method,
    people: &People,
    wrong: &mut Vec<Contradiction>,
) {
    let metadata = known.metadata;
    let mut forbid = |holds: bool, member: &'static str, text: &str| {
        if holds {
            wrong.push(Contradiction::new(member, format!("under FAPI 2.0 {text}")));
        }
    };
    forbid(
        !METHODS.contains(&method.name()),
        "token_endpoint_auth_method",
        "clients authenticate by certificate or private key; write tls_client_auth, self_signed_tls_client_auth or private_key_jwt",
    );
    forbid(
        !known.bound && !known.grant_types.is_empty(),
        "tls_client_certificate_bound_access_tokens",
        "every access token is bound to a certificate; write true",
    );
    forbid(
        people.rotates(),
        "refresh_token_rotation",
        "refresh tokens do not rotate; write never or take it out",
    );
    let only_code = people
        .response_types()
        .iter()
        .all(|response_type| *response_type == ResponseType::CODE);
    forbid(
        !only_code,
        "response_types",
        "nothing but a code passes through the browser; write [\"code\"]",
    );
    forbid(
        people.pkce() != PkcePolicy::Required,
        "pkce",
        "every request has an S256 challenge; write required or take it out",
    );
    forbid(
        metadata.require_pushed_authorization_requests == Some(false),
        "require_pushed_authorization_requests",
        "every authorization request is pushed; write true or take it out",
    );
    for (member, uris) in [
        ("redirect_uris", people.redirect_uris()),
        (
            "post_logout_redirect_uris",
            people.post_logout_redirect_uris(),
        ),
    ] {
        // A native application's own machine is the one exception that section 5.3.2.2 makes.
        let plain = uris.iter().any(|uri| match uri.destination() {
            Destination::Web | Destination::Application => false,
            Destination::LoopbackAddress => metadata.application_type.as_deref() != Some("native"),
            Destination::Localhost => true,
        });
        forbid(
            plain,
            member,
            "plain http leads nowhere but to a loopback address, for a client whose application_type is native; write https",
        );
    }
    algorithms(metadata, people, wrong);
}

/// Section 5.4.1.
fn algorithms(metadata: &Metadata, people: &People, wrong: &mut Vec<Contradiction>) {
    let mut forbid = |holds: bool, member: &'static str, text: &str| {
        if holds {
            wrong.push(Contradiction::new(member, format!("under FAPI 2.0 {text}")));
        }
    };
    for (member, written) in [
        (
            "id_token_signed_response_alg",
            &metadata.id_token_signed_response_alg,
        ),
        (
            "userinfo_signed_response_alg",
            &metadata.userinfo_signed_response_alg,
        ),
        (
            "introspection_signed_response_alg",
            &metadata.introspection_signed_response_alg,
        ),
        (
            "token_endpoint_auth_signing_alg",
            &metadata.token_endpoint_auth_signing_alg,
        ),
    ] {
        let good = written
            .as_deref()
            .is_none_or(|name| matches!(name, "PS256" | "ES256" | "EdDSA"));
        forbid(
            !good,
            member,
            "signatures are PS256, ES256 or EdDSA; write one of them",
        );
    }
    for (member, encryption) in [
        (
            "id_token_encrypted_response_alg",
            people.id_token_encryption(),
        ),
        (
            "userinfo_encrypted_response_alg",
            people.userinfo_encryption(),
        ),
    ] {
        forbid(
            encryption.is_some_and(|encryption| encryption.alg == KeyManagement::Rsa1_5),
            member,
            "RSA1_5 is not used; write RSA-OAEP-256 or ECDH-ES",
        );
    }
}
