//! Registrations ready to be pasted into `clients.json` (RFC 7591 section 2, RFC 8705 section 2), made
//! for one certificate. Each is read back as `serve` would read it before anybody sees it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::cert::{ClientCertificate, RegisteredName, RegisteredSan, SubjectAltName};
use crate::client::Registry;
use crate::key::public::PublicKey;
use crate::oauth::time::Timestamp;

/// A registration, where there can be one, and what is to be known of it.
pub(super) struct Ready {
    /// The object to paste.
    pub(super) registration: Option<Value>,
    /// Why there is none, or why it will not do yet.
    pub(super) remarks: Vec<String>,
}

/// A registration by the subject DN, or where that matches nothing by a subject alternative name.
pub(super) fn tls_client_auth(
    certificate: &ClientCertificate,
    client_id: &str,
    now: Timestamp,
) -> Ready {
    let mut remarks = Vec::new();
    let selector = subject(certificate)
        .map_err(|why| remarks.push(why))
        .ok()
        .or_else(|| alternative_name(certificate));
    let registration = selector.and_then(|(member, value)| {
        let mut registration = registration("tls_client_auth", client_id);
        registration[member] = json!(value);
        is_read(&registration).then_some(registration)
    });
    if registration.is_none() {
        remarks.push(
            "no subject alternative name (dNSName, URI, iPAddress or rfc822Name) can be registered either: use self_signed_tls_client_auth".into(),
        );
    }
    if let Err(why) = certificate.usable_for_client_authentication() {
        remarks.push(format!("this certificate will be refused: {why}"));
    }
    if certificate.is_ca() {
        remarks.push("this is an authority's certificate: give the client one of its own".into());
    } else if certificate.is_self_issued() {
        remarks.push(
            "issuer and subject are the same: no --client-ca has issued it, so this method will refuse it; use self_signed_tls_client_auth".into(),
        );
    }
    outside_validity(certificate, now, &mut remarks);
    Ready {
        registration,
        remarks,
    }
}

/// A registration of the certificate itself.
pub(super) fn self_signed_tls_client_auth(
    certificate: &ClientCertificate,
    client_id: &str,
    now: Timestamp,
) -> Ready {
    let mut remarks = Vec::new();
    let stated = PublicKey::from_spki(certificate.key_info())
        .map(|key| {
            let members = key.sorted_members().into_iter();
            members
                .map(|(name, value)| (name.to_owned(), json!(value)))
                .collect::<Map<_, _>>()
        })
        .ok();
    // A key in an encoding that no JWK can state is registered by its certificate alone.
    let kind = json!({ "kty": key_type(certificate) });
    let registration = stated
        .map(Value::Object)
        .into_iter()
        .chain([kind])
        .map(|mut jwk| {
            jwk["x5c"] = json!([STANDARD.encode(certificate.der())]);
            jwk["x5t#S256"] = json!(certificate.thumbprint().to_string());
            let mut registration = registration("self_signed_tls_client_auth", client_id);
            registration["jwks"] = json!({ "keys": [jwk] });
            registration
        })
        .find(is_read);
    if let Err(why) = certificate.strong_key() {
        remarks.push(format!(
            "the certificate cannot be registered: it has {why}"
        ));
    } else if registration.is_none() {
        remarks.push("the certificate cannot be registered".into());
    }
    outside_validity(certificate, now, &mut remarks);
    Ready {
        registration,
        remarks,
    }
}

fn registration(method: &str, client_id: &str) -> Value {
    json!({
        "client_id": client_id,
        "token_endpoint_auth_method": method,
        "grant_types": ["client_credentials"],
        "tls_client_certificate_bound_access_tokens": true,
    })
}

fn is_read(registration: &Value) -> bool {
    Registry::read(&json!([registration]).to_string()).is_ok()
}

type Selector = (&'static str, String);

fn subject(certificate: &ClientCertificate) -> Result<Selector, String> {
    let subject = certificate
        .subject()
        .map_err(|why| format!("the subject matches nothing: {why}"))?;
    let written = subject.to_string();
    match written.parse::<RegisteredName>() {
        Ok(read) if subject.matches(&read) => Ok(("tls_client_auth_subject_dn", written)),
        Ok(_) => Err("the subject cannot be written as a string that stands for it".into()),
        Err(why) => Err(format!("the subject cannot be registered: {why}")),
    }
}

/// The first name that can be registered: a URI or a host name says more than an address does.
fn alternative_name(certificate: &ClientCertificate) -> Option<Selector> {
    let rank = |name: &SubjectAltName| match name {
        SubjectAltName::Uri(_) => 0,
        SubjectAltName::Dns(_) => 1,
        SubjectAltName::Email(_) => 2,
        SubjectAltName::Ip(_) => 3,
    };
    let mut names: Vec<_> = certificate.subject_alt_names().iter().collect();
    names.sort_by_key(|name| rank(name));
    names.into_iter().find_map(|name| {
        let written = name.to_string();
        let (member, read) = match name {
            SubjectAltName::Uri(_) => ("tls_client_auth_san_uri", RegisteredSan::uri(&written)),
            SubjectAltName::Dns(_) => ("tls_client_auth_san_dns", RegisteredSan::dns(&written)),
            SubjectAltName::Email(_) => {
                ("tls_client_auth_san_email", RegisteredSan::email(&written))
            }
            SubjectAltName::Ip(_) => ("tls_client_auth_san_ip", RegisteredSan::ip(&written)),
        };
        read.is_ok_and(|read| read.matches(certificate.subject_alt_names()))
            .then_some((member, written))
    })
}

fn key_type(certificate: &ClientCertificate) -> &'static str {
    use crate::cert::PublicKey as Kind;
    match certificate.public_key() {
        Kind::Rsa { .. } => "RSA",
        Kind::Ec { .. } => "EC",
        Kind::Ed25519 | Kind::Other(_) => "OKP",
    }
}

fn outside_validity(certificate: &ClientCertificate, now: Timestamp, remarks: &mut Vec<String>) {
    if let Err(why) = certificate.validity().at(now) {
        remarks.push(format!("this certificate will be refused: {why}"));
    }
}
