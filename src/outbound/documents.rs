//! JSON documents that others publish at a URL, above all the key sets at clients' and issuers'
//! `jwks_uri` (RFC 7517 section 5, RFC 7591 section 2, RFC 8705 section 2.2.2).
//!
//! How soon a change there is seen, and how long an older copy serves, is said in
//! [`kept`](crate::outbound::kept).

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;

use crate::oauth::time::Timestamp;
use crate::outbound::OutboundError;
use crate::outbound::fetch::{BODY_LIMIT, Outbound};
use crate::outbound::guard::Destination;
use crate::outbound::kept::{Doubt, Fresh, Kept};

/// Reads a document. What it says is wrong goes to the log, and so must not quote the document.
pub type Parse<T> = fn(&[u8]) -> Result<T, String>;

/// The documents at some URLs, each of which is read the same way, and kept for a while.
pub struct RemoteDocuments<T> {
    outbound: Outbound,
    parse: Parse<T>,
    kept: Kept<T>,
}

impl<T: PartialEq + Send + Sync + 'static> RemoteDocuments<T> {
    /// No documents yet, and how to get and read them.
    pub fn new(outbound: Outbound, parse: Parse<T>) -> Self {
        Self {
            outbound,
            parse,
            kept: Kept::new(),
        }
    }

    /// Reads a URL that may be called.
    pub fn destination(&self, uri: &str) -> Result<Destination, OutboundError> {
        Ok(self.outbound.destination(uri)?)
    }

    /// The document at that URL as it was not long ago; waits for nothing while there is one that
    /// serves.
    pub async fn current(
        &self,
        uri: &Destination,
        now: Timestamp,
    ) -> Result<Arc<T>, OutboundError> {
        let fetch = || self.fetch(uri);
        self.kept.current(uri.as_str(), now, fetch).await
    }

    /// The document at that URL, for somebody who doubts that [`current`](Self::current) still is: asked
    /// for again, unless it was within the last 30 seconds because of the same doubt.
    pub async fn refreshed(
        &self,
        uri: &Destination,
        now: Timestamp,
        doubt: Doubt,
    ) -> Result<Arc<T>, OutboundError> {
        let fetch = || self.fetch(uri);
        let name = uri.as_str();
        self.kept.refreshed(name, now, doubt, fetch).await
    }

    /// The fetch, to be waited for by whoever does not own these documents.
    fn fetch(
        &self,
        uri: &Destination,
    ) -> impl Future<Output = Result<Fresh<T>, OutboundError>> + Send + use<T> {
        let (outbound, parse, uri) = (self.outbound.clone(), self.parse, uri.clone());
        async move {
            let fetched = outbound.get(&uri, ACCEPTED, BODY_LIMIT).await?;
            Ok(Fresh {
                document: parse(&fetched.body).map_err(OutboundError::Document)?,
                max_age: fetched.max_age,
            })
        }
    }
}

impl<T> fmt::Debug for RemoteDocuments<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteDocuments")
            .field("outbound", &self.outbound)
            .field("kept", &self.kept)
            .finish_non_exhaustive()
    }
}

/// The media type of key sets (RFC 7517 section 8.5.2), and the one that most servers send.
const ACCEPTED: HeaderValue =
    HeaderValue::from_static("application/jwk-set+json, application/json");
