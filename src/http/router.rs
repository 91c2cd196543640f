//! From a path to what answers under it: an exact table, built once.

use std::collections::HashMap;

use http::Method;

use crate::endpoint::{ENDPOINTS, Endpoint, Settings};

/// What lives under a path.
#[derive(Clone, Copy)]
pub enum Route {
    /// An endpoint.
    Endpoint(&'static dyn Endpoint),
    /// Authorization server metadata (RFC 8414).
    Metadata,
}

impl Route {
    /// Its name, for log and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Endpoint(endpoint) => endpoint.name(),
            Self::Metadata => "metadata",
        }
    }

    /// The methods that it takes.
    pub fn methods(self) -> &'static [Method] {
        match self {
            Self::Endpoint(endpoint) => endpoint.methods(),
            Self::Metadata => &[Method::GET, Method::HEAD],
        }
    }

    /// Whether pages of any origin may call it.
    pub fn is_open_to_any_origin(self) -> bool {
        match self {
            Self::Endpoint(endpoint) => endpoint.is_open_to_any_origin(),
            Self::Metadata => true,
        }
    }
}

/// Paths and what lives under them. Paths are compared as they were sent: neither escapes nor dot
/// segments are resolved, so that a path has one spelling.
pub struct Router(HashMap<String, Route>);

impl Router {
    /// The paths of this deployment: under the issuer's and under the mTLS base's.
    pub fn new(settings: &Settings) -> Self {
        let mut routes = HashMap::new();
        let bases = [Some(settings.issuer.base()), settings.mtls_base.as_ref()];
        for base in bases.into_iter().flatten() {
            for endpoint in ENDPOINTS
                .iter()
                .filter(|endpoint| endpoint.is_served(settings))
            {
                routes.insert(base.path_of(endpoint.name()), Route::Endpoint(*endpoint));
            }
        }
        for path in settings.issuer.metadata_paths() {
            routes.insert(path, Route::Metadata);
        }
        Self(routes)
    }

    /// What lives under that path.
    pub fn find(&self, path: &str) -> Option<Route> {
        self.0.get(path).copied()
    }
}
