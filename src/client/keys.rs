//! A client's own keys and certificates: its `jwks`, or what stands at its `jwks_uri` (RFC 7591
//! section 2, RFC 8705 section 2.2.2).

use std::sync::Arc;

use super::Contradiction;
use super::metadata::Metadata;
use crate::cert::ClientCertificate;
use crate::cert::thumbprint::Thumbprint;
use crate::key::jwk::{JwkSet, PublicJwk};

/// The keys that verify a client's assertions, and the thumbprints of its certificates.
#[derive(Debug)]
pub struct ClientKeys {
    keys: JwkSet,
    certificates: Vec<Thumbprint>,
    unusable: Vec<String>,
}

impl ClientKeys {
    /// Reads a JWK set (RFC 7517 section 5). An entry whose certificate does not hold the key that the
    /// entry states (RFC 7517 section 4.7) authenticates nobody.
    ///
    /// # Errors
    /// The document is no JWK set, or holds a private or symmetric key.
    pub fn read(document: &[u8]) -> Result<Self, String> {
        let keys = JwkSet::parse(document).map_err(|error| error.to_string())?;
        let mut certificates = Vec::new();
        let mut unusable = Vec::new();
        for (at, key) in keys.keys().iter().enumerate() {
            match certificate(key) {
                Ok(Some(thumbprint)) => certificates.push(thumbprint),
                Ok(None) => {}
                Err(why) => unusable.push(format!("key number {}: {why}", at + 1)),
            }
        }
        Ok(Self { keys, certificates, unusable })
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
    let pinned = key.x5t_s256();
    let Some(der) = key.x5c().first() else {
        return Ok(pinned.copied().map(Thumbprint::from_digest));
    };
    let certificate = ClientCertificate::from_der(der.clone())
        .map_err(|error| format!("the first certificate of x5c cannot be read: {error}"))?;
    certificate
        .key_is_strong()
        .map_err(|error| format!("the first certificate of x5c cannot be used: {error}"))?;
    if key.public_key().is_some_and(|key| key.spki_der() != certificate.public_key_info()) {
        return Err("the first certificate of x5c does not hold the key that the JWK states".into());
    }
    let thumbprint = *certificate.thumbprint();
    if pinned.is_some_and(|pinned| pinned != thumbprint.digest()) {
        return Err("x5t#S256 is not the thumbprint of the first certificate of x5c".into());
    }
    Ok(Some(thumbprint))
}

/// The keys written into a registration; `None` where it has a `jwks_uri` instead.
pub(super) fn enrol(metadata: &Metadata, method: &str) -> Result<Option<Arc<ClientKeys>>, Contradiction> {
    match (&metadata.jwks, &metadata.jwks_uri) {
        (Some(_), Some(_)) => Err(Contradiction::new("jwks", "jwks_uri is there as well; keep one of them")),
        (None, Some(_)) => Ok(None),
        (None, None) => Err(Contradiction::new(
            "jwks",
            format!("{method} needs the client's keys: write jwks or jwks_uri"),
        )),
        (Some(jwks), None) => {
            let keys = ClientKeys::read(jwks.to_string().as_bytes())
                .map_err(|error| Contradiction::new("jwks", error))?;
            match keys.unusable.first() {
                Some(why) => Err(Contradiction::new("jwks", why.clone())),
                None => Ok(Some(Arc::new(keys))),
            }
        }
    }
}
