//! Telling clients that a session has ended (OpenID Connect Back-Channel Logout 1.0 section 2.5): some time
//! after the user was answered, and once more where that failed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::json;
use tokio::sync::{Semaphore, mpsc};
use url::form_urlencoded::Serializer;

use crate::client::registration::ClientRegistration;
use crate::endpoint::Server;
use crate::oauth::error::OAuthError;
use crate::oauth::time::Lifetime;

/// How many may wait to be told.
pub(super) const WAITING: usize = 4_096;

/// How many are told at the same time.
const AT_ONCE: usize = 16;

/// How long a logout token is good.
const LIVES: Lifetime = Lifetime::from_seconds(120);

/// How long to wait before the second attempt.
const AGAIN: Duration = Duration::from_secs(5);

/// How much of an answer is read.
const ANSWER: usize = 16 * 1024;

/// One client that is to be told of one session.
#[derive(Debug)]
pub struct Farewell {
    client_id: String,
    session: String,
    subject: String,
}

/// Sees to it that those of the clients are told that want to be.
pub(super) fn tell(server: &Server, clients: &[&str], session: &str, subject: &str) {
    let trust = server.trust.load();
    for client_id in clients {
        let wants = trust
            .clients
            .find(client_id)
            .is_some_and(|client| client.people().backchannel_logout_uri().is_some());
        if !wants {
            continue;
        }
        let farewell = Farewell {
            client_id: (*client_id).to_owned(),
            session: session.to_owned(),
            subject: subject.to_owned(),
        };
        if server.people.farewells.try_send(farewell).is_err() {
            tracing::error!(
                client_id,
                "too many clients wait to be told of a logout: this one is not told"
            );
        }
    }
}

/// Tells clients for as long as there is anybody who could end a session.
pub async fn farewells(server: Arc<Server>, mut waiting: mpsc::Receiver<Farewell>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    while let Some(farewell) = waiting.recv().await {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            let _place = place;
            bid(&server, &farewell).await;
        });
    }
}

async fn bid(server: &Server, farewell: &Farewell) {
    let client = server
        .trust
        .load()
        .clients
        .find(&farewell.client_id)
        .cloned();
    let Some(client) = client else { return };
    for attempt in 1..=2 {
        match send(server, &client, farewell).await {
            Ok(()) => {
                tracing::info!(
                    client_id = farewell.client_id,
                    sid = farewell.session,
                    "the client was told of the logout"
                );
                return;
            }
            Err(cause) => {
                tracing::warn!(
                    client_id = farewell.client_id,
                    sid = farewell.session,
                    attempt,
                    cause,
                    "the client could not be told of the logout"
                );
            }
        }
        if attempt == 1 {
            tokio::time::sleep(AGAIN).await;
        }
    }
}

async fn send(
    server: &Server,
    client: &ClientRegistration,
    farewell: &Farewell,
) -> Result<(), String> {
    let Some(uri) = client.people().backchannel_logout_uri() else {
        return Ok(());
    };
    let to = server
        .people
        .outbound
        .destination(uri)
        .map_err(|error| error.to_string())?;
    let token = token(server, client, farewell)
        .await
        .map_err(|error| error.cause().to_owned())?;
    let body = Serializer::new(String::with_capacity(token.len() + 32))
        .append_pair("logout_token", &token)
        .finish();
    let mut headers = HeaderMap::new();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded"),
    );
    let sent = server
        .people
        .outbound
        .post(&to, headers, Bytes::from(body), ANSWER)
        .await;
    sent.map(drop).map_err(|error| error.to_string())
}

/// The logout token (section 2.4), protected as the client's ID tokens are.
async fn token(
    server: &Server,
    client: &ClientRegistration,
    farewell: &Farewell,
) -> Result<String, OAuthError> {
    let now = (server.clock)();
    let claims = json!({
        "iss": server.issuer(),
        "sub": farewell.subject,
        "aud": client.client_id().as_str(),
        "iat": now.unix(),
        "exp": now.after(LIVES).unix(),
        "jti": (server.mint)().expose().chars().take(22).collect::<String>(),
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        "sid": farewell.session,
    });
    server.protected(client, "logout+jwt", &claims, now).await
}
