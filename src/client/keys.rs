//! A client's own keys and certificates: its `jwks`, or what stands at its `jwks_uri` (RFC 7591
//! section 2, RFC 8705 section 2.2.2).

use std::sync::Arc;

use super::Contradiction;
use super::metadata::Metadata;
use crate::cert::{ClientCertificate, Thumbprint};
use crate::key::jwk::{JwkSet, PublicJwk};

/// The keys that verify a client's assertions, and the thumbprints of its certificates.
#[derive(Debug, PartialEq, Eq)]
pub struct ClientKeys {
    keys: JwkSet,
    certificates: Vec<Thumbprint>,
    unusable: Vec<String>,
}

impl ClientKeys {
    /// Reads the set that stands at a `jwks_uri`. An entry that cannot be used authenticates nobody.
    ///
    /// # Errors
    /// The document is no JWK set.
    pub fn fetched(document: &[u8]) -> Result<Self, String> {
        JwkSet::fetched(document)
            .map(Self::new)
            .map_err(|error| error.to_string())
    }

    /// Reads the set that is written into a registration.
    fn registered(document: &serde_json::Value) -> Result<Self, String> {
        let keys = Self::new(JwkSet::registered(document).map_err(|error| error.to_string())?);
        match keys.unusable.first() {
            Some(why) => Err(why.clone()),
            None => Ok(keys),
        }
    }

    fn new(keys: JwkSet) -> Self {
        let mut certificates = Vec::new();
        let mut unusable = Vec::new();
        for (at, key) in keys.keys().iter().enumerate() {
            match certificate(key) {
                Ok(Some(thumbprint)) => certificates.push(thumbprint),
                Ok(None) => {}
                Err(why) => unusable.push(format!("key number {}: {why}", at + 1)),
            }
        }
        Self {
            keys,
            certificates,
            unusable,
        }
    }

    /// What is wrong with the entries that carry a certificate and cannot be used.
    pub fn unusable(&self) -> &[String] {
        &self.unusable
    }

    /// The public keys.
    pub fn keys(&self) -> &JwkSet {
        &self.keys
    }

    /// The thumbprints of the certificates: of the first in each `x5c`, or as `x5t#S256` pins them.
    pub fn certificates(&self) -> impl Iterator<Item = &Thumbprint> {
        self.certificates.iter()
    }
}

/// The certificate that a JWK carries or pins, if it does.
fn certificate(key: &PublicJwk) -> Result<Option<Thumbprint>, String> {
    let Some(der) = key.x5c().first() else {
        return Ok(key.certificate_thumbprint());
    };
    let certificate = ClientCertificate::from_der(der.clone())
        .map_err(|error| format!("the first certificate of x5c cannot be read: {error}"))?;
    certificate
        .strong_key()
        .map_err(|error| format!("the first certificate of x5c cannot be used: {error}"))?;
    // RFC 7517 section 4.7: the first certificate holds the key that the other members state.
    let stated = key.key().map(|key| Thumbprint::of(&key.spki_der()));
    if stated.is_some_and(|stated| stated != certificate.public_key_thumbprint()) {
        return Err(
            "the first certificate of x5c does not hold the key that the JWK states".into(),
        );
    }
    Ok(Some(*certificate.thumbprint()))
}

/// The keys written into a registration; `None` where it has a `jwks_uri` instead.
pub(super) fn enrol(
    metadata: &Metadata,
    method: &str,
) -> Result<Option<Arc<ClientKeys>>, Contradiction> {
    match (&metadata.jwks, &metadata.jwks_uri) {
        (Some(_), Some(_)) => Err(Contradiction::new(
            "jwks",
            "jwks_uri is there as well; keep one of them",
        )),
        (None, Some(_)) => Ok(None),
        (None, None) => Err(Contradiction::new(
            "jwks",
            format!("{method} needs the client's keys: write jwks or jwks_uri"),
        )),
        (Some(jwks), None) => {
            let keys =
                ClientKeys::registered(jwks).map_err(|error| Contradiction::new("jwks", error))?;
            Ok(Some(Arc::new(keys)))
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn keys_that_decide_nothing_are_not_waited_for() {
        for (method, more, reads) in [
            ("private_key_jwt", "", true),
            ("self_signed_tls_client_auth", "", true),
            (
                "tls_client_auth",
                r#""tls_client_auth_subject_dn":"CN=a","#,
                false,
            ),
            ("client_secret_post", r#""client_secret":"x","#, false),
            ("none", "", false),
        ] {
            let text = format!(
                r#"[{{"client_id":"a",{more}"jwks_uri":"https://a.example/jwks","token_endpoint_auth_method":"{method}"}}]"#
            );
            let registry = crate::client::Registry::read(&text).expect("a registration");
            let client = registry.find("a").expect("it is there");
            assert_eq!(
                client.authenticator().reads_remote_keys(),
                reads,
                "{method}"
            );
        }
    }
}
