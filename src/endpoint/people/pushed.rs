//! Pushed authorization requests in the store (RFC 9126 section 2.2).

use serde::{Deserialize, Serialize};

use crate::authorization::PARAMETERS;
use crate::endpoint::Server;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::form::Form;
use crate::oauth::time::{Lifetime, Timestamp};
use crate::record::{Changes, Key, Kind, Record};

/// RFC 9126 section 2.2: what every `request_uri` of ours begins with.
const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// How long a browser may take to get here: what happens on our pages then is not counted.
pub(super) const TIME: Lifetime = Lifetime::from_seconds(60);

/// A request as it was pushed.
#[derive(Serialize, Deserialize)]
pub(super) struct Pushed {
    #[serde(rename = "c")]
    client_id: String,
    #[serde(rename = "f")]
    pairs: Vec<(String, String)>,
}

impl Pushed {
    /// The parameters.
    pub(super) fn form(&self) -> Result<Form<'_>, OAuthError> {
        Ok(Form::from_pairs(
            self.pairs
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        )?)
    }
}

/// Whether that looks like a `request_uri` that was given here.
pub(super) fn is_ours(request_uri: &str) -> bool {
    request_uri.starts_with(PREFIX)
}

/// Keeps a request; its `request_uri` is all that leaves the server.
pub(super) async fn keep(
    server: &Server,
    client_id: &str,
    form: &Form<'_>,
    now: Timestamp,
) -> Result<String, OAuthError> {
    let request_uri = format!("{PREFIX}{}", (server.mint)().expose());
    // What a client authenticated by is nobody's but this endpoint's, and a request object has been read.
    let pairs = form
        .pairs()
        .filter(|(name, _)| PARAMETERS.contains(name) && *name != "request");
    let pushed = Pushed {
        client_id: client_id.to_owned(),
        pairs: pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    };
    let value = serde_json::to_vec(&pushed).map_err(|error| {
        OAuthError::new(ErrorCode::ServerError, "the request could not be kept").because(error)
    })?;
    let record = Record {
        value,
        expires: Some(now.after(TIME)),
    };
    let key = Key::named(Kind::PushedRequest, server.issuer(), &request_uri);
    server
        .commit(&Changes::none().put(key, record), now)
        .await?;
    Ok(request_uri)
}

/// The request that was pushed under that name by that client.
///
/// # Errors
/// There is none, any more or at all, or it is another client's.
pub(super) async fn find(
    server: &Server,
    request_uri: &str,
    client_id: &str,
    now: Timestamp,
) -> Result<Pushed, OAuthError> {
    let refused = |cause: &str| {
        OAuthError::new(
            ErrorCode::InvalidRequest,
            "the request_uri is unknown or has expired: go back to the application and start again",
        )
        .because(cause.to_owned())
    };
    let key = Key::named(Kind::PushedRequest, server.issuer(), request_uri);
    let records = server.records(std::slice::from_ref(&key), now).await?;
    let record = records
        .into_iter()
        .next()
        .flatten()
        .ok_or_else(|| refused("there is no such request_uri"))?;
    let pushed: Pushed = serde_json::from_slice(&record.value)
        .map_err(|_| refused("the pushed request cannot be read"))?;
    if pushed.client_id != client_id {
        return Err(refused("the request_uri was given to another client"));
    }
    Ok(pushed)
}
