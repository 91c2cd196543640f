//! What leaves this server signed, and encrypted where its client wants it so: ID tokens, userinfo, logout
//! tokens, introspection answers.

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::Semaphore;

use super::Server;
use super::authenticate;
use crate::client::registration::ClientRegistration;
use crate::grant::Granted;
use crate::key::algorithm::SigningAlgorithm;
use crate::key::jwe::{self, Encryption, EncryptionKey};
use crate::key::signing::{SigningKey, UnsignedJws};
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::secret::Secret;
use crate::oauth::time::Timestamp;
use crate::token::id_token::{self, IdToken};

/// By which of the server's keys.
#[derive(Clone, Copy, Debug)]
pub(super) enum SignBy {
    /// By one of that algorithm, which was registered.
    Only(SigningAlgorithm),
    /// By one of that algorithm if there is one.
    Rather(SigningAlgorithm),
}

impl Server {
    /// The key to sign with.
    pub(super) async fn signer(
        &self,
        by: SignBy,
        now: Timestamp,
    ) -> Result<Arc<SigningKey>, OAuthError> {
        let keys = self.all_keys().await?;
        let key = match by {
            SignBy::Only(algorithm) => keys.signer(algorithm, now),
            SignBy::Rather(algorithm) => keys.signer_preferring(algorithm, now),
        };
        key.map(Arc::clone)
            .ok_or_else(|| broken("there is no key of the algorithm registered"))
    }

    /// An ID token for that client, signed and encrypted as it is registered, with the digests of what goes
    /// along.
    ///
    /// # Errors
    /// It cannot be made: one that is to be encrypted never leaves in the clear.
    pub(super) async fn id_token(
        &self,
        client: &ClientRegistration,
        token: &IdToken,
        access_token: Option<&str>,
        code: Option<&str>,
        now: Timestamp,
    ) -> Result<Secret, OAuthError> {
        let claims = token.claims(client.people().id_token_alg(), access_token, code);
        self.protected(client, id_token::TYPE, &claims, now)
            .await
            .map(Secret::new)
    }

    /// A JWT of that `typ` for that client, signed and encrypted as its ID tokens are.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) async fn protected(
        &self,
        client: &ClientRegistration,
        typ: &'static str,
        claims: &impl Serialize,
        now: Timestamp,
    ) -> Result<String, OAuthError> {
        let people = client.people();
        let key = self
            .signer(SignBy::Only(people.id_token_alg()), now)
            .await?;
        let signed = sign(self, key, typ, claims).await?;
        self.encrypted(
            client,
            signed,
            Some("JWT"),
            people.id_token_encryption(),
            now,
        )
        .await
    }

    /// Something for that client, encrypted if it is registered so (OpenID Connect Core section 10.2); `cty`
    /// is `JWT` for what has been signed.
    ///
    /// # Errors
    /// The client's key cannot be had.
    pub(super) async fn encrypted(
        &self,
        client: &ClientRegistration,
        content: String,
        cty: Option<&str>,
        encryption: Option<Encryption>,
        now: Timestamp,
    ) -> Result<String, OAuthError> {
        let Some(encryption) = encryption else {
            return Ok(content);
        };
        let key = self.encryption_key(client, encryption, now).await?;
        jwe::encrypt(content.as_bytes(), cty, &key, encryption).map_err(broken)
    }

    /// The client's key for that: of its registration, or as it stands at its `jwks_uri` now.
    async fn encryption_key(
        &self,
        client: &ClientRegistration,
        encryption: Encryption,
        now: Timestamp,
    ) -> Result<EncryptionKey, OAuthError> {
        let none = || {
            broken(format!(
                "the client has no key for {} that can be used",
                encryption.alg.name()
            ))
        };
        if let Some(jwks) = client.jwks() {
            return jwks.encryption_key(encryption.alg).ok_or_else(none);
        }
        let uri = client.jwks_uri().ok_or_else(none)?;
        let of = |keys: Option<Arc<crate::client::ClientKeys>>| {
            keys?.keys().encryption_key(encryption.alg)
        };
        if let Some(key) = of(authenticate::known(self, uri, now).await) {
            return Ok(key);
        }
        of(authenticate::refreshed(self, uri, now).await).ok_or_else(none)
    }
}

/// A compact JWS of that `typ`. RSA signatures take a thousand times as long as the rest of an answer, and
/// are made where they keep nobody waiting.
pub(super) async fn sign(
    server: &Server,
    key: Arc<SigningKey>,
    typ: &'static str,
    claims: &impl Serialize,
) -> Result<String, OAuthError> {
    let unsigned = key.prepare(typ, claims).map_err(broken)?;
    server.signing.finish(unsigned).await
}

/// Places for signatures that take long.
pub struct Signing(Arc<Semaphore>);

impl Default for Signing {
    /// One core is left to those who answer others, where there is more than one.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self(Arc::new(Semaphore::new(cores.saturating_sub(1).max(1))))
    }
}

impl Signing {
    /// Signs: at once where that takes no time, else where nobody else waits for it, and no more at the same time
    /// than there are cores to spare. Threads that sign would take turns with those that answer.
    ///
    /// # Errors
    /// The library cannot.
    async fn finish(&self, unsigned: UnsignedJws) -> Result<String, OAuthError> {
        if !unsigned.is_slow() {
            return unsigned.sign().map_err(broken);
        }
        // The semaphore is never closed.
        let place = Arc::clone(&self.0).acquire_owned().await.map_err(broken)?;
        let sign = move || {
            let _place = place;
            unsigned.sign()
        };
        let made = tokio::task::spawn_blocking(sign).await;
        made.map_err(broken)?.map_err(broken)
    }
}

/// Signs the access token that was granted, where it is yet to be signed.
///
/// # Errors
/// It cannot be made.
pub(super) async fn sign_access_token(
    server: &Server,
    granted: &mut Granted,
) -> Result<(), OAuthError> {
    if let Some(unsigned) = granted.unsigned.take() {
        let signed = server.signing.finish(unsigned).await?;
        granted.response.access_token = Some(Secret::new(signed));
    }
    Ok(())
}

pub(super) fn broken(error: impl std::fmt::Display) -> OAuthError {
    OAuthError::new(ErrorCode::ServerError, "the answer could not be made").because(error)
}
