//! The one way in which every endpoint learns who is calling (RFC 8705 section 2, RFC 6749 section 2.3).

use std::sync::Arc;

use super::{Request, Server, Trust};
use crate::client::credentials::Credentials;
use crate::client::{Attempt, AuthenticatedClient, ClientKeys, Refused};
use crate::oauth::error::OAuthError;
use crate::oauth::form::Form;
use crate::oauth::time::Timestamp;
use crate::outbound::OutboundError;
use crate::outbound::kept::Doubt;
use crate::store::StoreError;

/// Authenticates the client of a request: fetches its keys where they are elsewhere, looks again where
/// it may have published new ones, and uses up what may be used once.
pub(super) async fn authenticate(
    server: &Server,
    trust: &Trust,
    request: &Request,
    form: &Form<'_>,
    now: Timestamp,
) -> Result<AuthenticatedClient, OAuthError> {
    let credentials = Credentials::read(&request.headers, form)?;
    let basic = credentials.tried_basic();
    let refuse = |refused: Refused| {
        server.metrics.authentication_refused(refused.label());
        let claimed = credentials.client_id().unwrap_or_default();
        let cause = format!("client {claimed:?}: {refused}");
        OAuthError::from(refused)
            .because(cause)
            .challenging_basic(basic)
    };
    // Where the keys decide nothing, nobody waits for them, and nobody can make them be fetched.
    let uri = credentials
        .client_id()
        .and_then(|id| trust.clients.find(id))
        .filter(|client| client.authenticator().reads_remote_keys())
        .and_then(|client| client.jwks_uri());
    let attempt = |remote: Option<&ClientKeys>| {
        trust.clients.authenticate(&Attempt {
            credentials: &credentials,
            presented: &request.presented,
            belief: &trust.belief,
            remote,
            issuer: server.settings.issuer.as_str(),
            now,
            steps: None,
        })
    };
    let proven = match uri {
        None => attempt(None),
        Some(uri) => {
            let known = known(server, uri, now).await;
            match attempt(known.as_deref()) {
                Err(refused) if refused.may_be_outdated() => {
                    let fresh = refreshed(server, uri, now).await;
                    attempt(fresh.as_deref())
                }
                decided => decided,
            }
        }
    };
    let proven = proven.map_err(&refuse)?;
    if let Some(changes) = proven.first() {
        match server.commit(&changes, now).await {
            Ok(()) => {}
            Err(StoreError::Conflict(_)) => return Err(refuse(Refused::AssertionReplayed)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(proven.into_client())
}

/// The keys at a client's `jwks_uri`, or a line in the log.
pub(super) async fn known(server: &Server, uri: &str, now: Timestamp) -> Option<Arc<ClientKeys>> {
    let destination = fetched(uri, server.remote.destination(uri))?;
    fetched(uri, server.remote.current(&destination, now).await)
}

/// The same, fetched anew if that was not done lately.
pub(super) async fn refreshed(
    server: &Server,
    uri: &str,
    now: Timestamp,
) -> Option<Arc<ClientKeys>> {
    let destination = fetched(uri, server.remote.destination(uri))?;
    fetched(
        uri,
        server
            .remote
            .refreshed(&destination, now, Doubt::Missing)
            .await,
    )
}

fn fetched<T>(uri: &str, keys: Result<T, OutboundError>) -> Option<T> {
    keys.inspect_err(|error| tracing::warn!(uri, %error, "a client's keys could not be fetched"))
        .ok()
}
