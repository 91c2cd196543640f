//! Other issuers whose tokens a gate takes: their keys (RFC 7517) and what they say of a token
//! (RFC 7662), at URLs configured or discovered.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use tokio::sync::Semaphore;

use crate::key::jwk::JwkSet;
use crate::oauth::time::Timestamp;
use crate::outbound::discovery::{Discovered, WellKnown};
use crate::outbound::documents::RemoteDocuments;
use crate::outbound::fetch::{Outbound, TIME_LIMIT};
use crate::outbound::guard::{Destination, NotADestination};
use crate::outbound::introspection::IntrospectionClient;
use crate::outbound::kept::{Doubt, Kept};
use crate::outbound::{OutboundError, Part};

/// How many octets an answer to an introspection request may have: 64 KiB.
pub const INTROSPECTION_LIMIT: usize = 64 * 1024;

/// How many introspection requests are under way at once at one issuer, whatever is sent here.
const QUESTIONS: usize = 256;

/// What all gates' calls to other issuers share; one for the whole process, so that the same document
/// is fetched once for all of them.
pub struct Issuers {
    outbound: Outbound,
    /// Whoever sends tokens that nobody knows makes us ask; not more often at once than this. Each
    /// issuer has its own, so that one that hangs keeps nobody from asking another.
    asking: Mutex<BTreeMap<Box<str>, Arc<Semaphore>>>,
    discovered: Kept<Discovered>,
    keys: RemoteDocuments<JwkSet>,
}

impl Issuers {
    /// Nothing is known of any issuer yet.
    pub fn new(outbound: Outbound) -> Self {
        let read = |octets: &[u8]| JwkSet::fetched(octets).map_err(|error| error.to_string());
        Self {
            keys: RemoteDocuments::new(outbound.clone(), read),
            discovered: Kept::new(),
            asking: Mutex::default(),
            outbound,
        }
    }

    /// The turns to ask that issuer.
    fn asking(&self, issuer: &str) -> Arc<Semaphore> {
        // Nothing that holds this lock can panic half-way, so a poisoned one holds whole data.
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        let turns = asking.entry(issuer.into());
        Arc::clone(turns.or_insert_with(|| Arc::new(Semaphore::new(QUESTIONS))))
    }
}

impl fmt::Debug for Issuers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuers")
            .field("discovered", &self.discovered)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

/// Another issuer, as one gate trusts it. Nothing is called before something is asked.
#[derive(Debug)]
pub struct RemoteIssuer {
    shared: Arc<Issuers>,
    issuer: Box<str>,
    /// Where to look for what was not configured; none where everything was.
    well_known: Option<WellKnown>,
    jwks_uri: Option<Destination>,
    introspection: Option<Introspection>,
}

/// How to introspect.
#[derive(Debug)]
struct Introspection {
    client: Arc<IntrospectionClient>,
    /// Calls as that client.
    outbound: Outbound,
    turns: Arc<Semaphore>,
    /// The endpoint, if it was configured.
    endpoint: Option<Destination>,
}

impl RemoteIssuer {
    /// Takes an issuer's exact name, and what is configured of it. URLs that are not are discovered
    /// when they are first needed; where none would be, the issuer need not be a URL that may be
    /// called.
    ///
    /// An error says which URL may not be called, and why not.
    pub fn new(
        shared: &Arc<Issuers>,
        issuer: &str,
        jwks_uri: Option<&str>,
        introspection_endpoint: Option<&str>,
        client: Option<Arc<IntrospectionClient>>,
    ) -> Result<Self, OutboundError> {
        let destination = |part: Part, url: Option<&str>| {
            let read = |url| shared.outbound.destination(url);
            url.map(read)
                .transpose()
                .map_err(|fault| part.failed(fault.into()))
        };
        let jwks_uri = destination(Part::Keys, jwks_uri)?;
        let endpoint = destination(Part::Introspection, introspection_endpoint)?;
        let introspection = client
            .map(|client| {
                let turns = shared.asking(issuer);
                Introspection::new(&shared.outbound, client, endpoint, turns)
            })
            .transpose()
            .map_err(|error| Part::Introspection.failed(error))?;
        let all_configured = jwks_uri.is_some()
            && introspection
                .as_ref()
                .is_none_or(|introspection| introspection.endpoint.is_some());
        let well_known = if !all_configured {
            WellKnown::of(&shared.outbound, issuer).map(Some)
        } else if issuer.is_empty() {
            Err(NotADestination::NotAUrl)
        } else {
            Ok(None)
        };
        Ok(Self {
            shared: Arc::clone(shared),
            issuer: issuer.into(),
            well_known: well_known.map_err(|fault| Part::Discovery.failed(fault.into()))?,
            jwks_uri,
            introspection,
        })
    }

    /// Its name, with which `iss` is compared exactly.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether introspection there is possible at all: there is a client.
    pub const fn introspects(&self) -> bool {
        self.introspection.is_some()
    }

    /// Its keys, as they were not long ago; waits for nothing while there are some that serve.
    pub async fn keys(&self, now: Timestamp) -> Result<Arc<JwkSet>, OutboundError> {
        self.fetched(now, None).await
    }

    /// Its keys, for a token whose key is not among [`keys`](Self::keys), or does not fit its signature:
    /// asked for again, unless they were within the last 30 seconds because of the same. Where they are
    /// is not: an issuer that moves its keys to another URL is followed when its metadata is next
    /// fetched.
    pub async fn refreshed(
        &self,
        now: Timestamp,
        doubt: Doubt,
    ) -> Result<Arc<JwkSet>, OutboundError> {
        self.fetched(now, Some(doubt)).await
    }

    async fn fetched(
        &self,
        now: Timestamp,
        doubt: Option<Doubt>,
    ) -> Result<Arc<JwkSet>, OutboundError> {
        let discovered;
        let uri = if let Some(uri) = &self.jwks_uri {
            uri
        } else {
            discovered = self.discovered(now).await?;
            discovered.jwks_uri()?
        };
        let found = match doubt {
            None => self.shared.keys.current(uri, now).await,
            Some(doubt) => self.shared.keys.refreshed(uri, now, doubt).await,
        };
        found.map_err(|error| Part::Keys.failed(error))
    }

    /// Asks about a token, and gives the JSON text of the answer unread. Whoever authenticates by
    /// `private_key_jwt` does so under `jti`, which is to be unique.
    pub async fn introspect(
        &self,
        token: &str,
        now: Timestamp,
        jti: &str,
    ) -> Result<Bytes, OutboundError> {
        let how = self.introspection.as_ref();
        let how = how.ok_or(OutboundError::NoCredentials)?;
        let discovered;
        let endpoint = if let Some(endpoint) = &how.endpoint {
            endpoint
        } else {
            discovered = self.discovered(now).await?;
            discovered.introspection_endpoint(how.client.identity().is_some())?
        };
        let turn = tokio::time::timeout(TIME_LIMIT, how.turns.acquire()).await;
        // The semaphore is never closed; what is late is late.
        let Ok(Ok(_turn)) = turn else {
            return Err(Part::Introspection.failed(OutboundError::TimedOut(TIME_LIMIT)));
        };
        let answer = how.ask(endpoint, &self.issuer, token, now, jti).await;
        answer.map_err(|error| Part::Introspection.failed(error))
    }

    async fn discovered(&self, now: Timestamp) -> Result<Arc<Discovered>, OutboundError> {
        // Nobody comes here for an issuer of which everything was configured.
        let well_known = self.well_known.as_ref().ok_or(OutboundError::Interrupted)?;
        let fetch = || {
            let (outbound, issuer) = (self.shared.outbound.clone(), self.issuer.clone());
            let well_known = well_known.clone();
            async move { well_known.fetch(&outbound, &issuer).await }
        };
        let discovered = &self.shared.discovered;
        let found = discovered.current(&self.issuer, now, fetch).await;
        found.map_err(|error| Part::Discovery.failed(error))
    }
}

impl Introspection {
    fn new(
        outbound: &Outbound,
        client: Arc<IntrospectionClient>,
        endpoint: Option<Destination>,
        turns: Arc<Semaphore>,
    ) -> Result<Self, OutboundError> {
        let outbound = match client.identity() {
            None => outbound.clone(),
            Some(identity) => outbound.with_identity(identity)?,
        };
        if let Some(endpoint) = &endpoint {
            outbound.admits(endpoint)?;
        }
        Ok(Self {
            client,
            outbound,
            turns,
            endpoint,
        })
    }

    async fn ask(
        &self,
        endpoint: &Destination,
        issuer: &str,
        token: &str,
        now: Timestamp,
        jti: &str,
    ) -> Result<Bytes, OutboundError> {
        let (headers, body) = self.client.request(token, issuer, now, jti)?;
        let posted = self
            .outbound
            .post(endpoint, headers, body, INTROSPECTION_LIMIT)
            .await;
        let fetched = posted.map_err(|error| match error {
            OutboundError::Status(status @ (401 | 403)) => OutboundError::Unauthorized(status),
            other => other,
        })?;
        if fetched.status != StatusCode::OK {
            return Err(OutboundError::Status(fetched.status.as_u16()));
        }
        // What does not say what it is has to turn out to be JSON; what says that it is something else is
        // not read.
        if !fetched.content_type.as_ref().is_none_or(is_json) {
            return Err(OutboundError::Document(
                "its Content-Type is not application/json".into(),
            ));
        }
        Ok(fetched.body)
    }
}

fn is_json(content_type: &HeaderValue) -> bool {
    content_type.to_str().is_ok_and(|text| {
        let essence = text.split(';').next().unwrap_or_default();
        essence.trim().eq_ignore_ascii_case("application/json")
    })
}
