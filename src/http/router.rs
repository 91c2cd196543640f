//! From a path to what answers under it: an exact table, built once.

use std::collections::HashMap;

use http::Method;

use crate::endpoint::{ENDPOINTS, Endpoint, Settings};
use crate::gate::GateName;

/// What lives under a path.
#[derive(Clone, Copy)]
pub enum Route {
    /// An endpoint.
    Endpoint(&'static dyn Endpoint),
    /// Authorization server metadata (RFC 8414).
    Metadata,
    /// A gate, by its place among [`Gates`](crate::endpoint::gate::Gates).
    Gate(usize),
}

impl Route {
    /// Its name, for log and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Endpoint(endpoint) => endpoint.name(),
            Self::Metadata => "metadata",
            Self::Gate(_) => "verify",
        }
    }

    /// The methods that it takes; none for one that takes all.
    pub fn methods(self) -> Option<&'static [Method]> {
        match self {
            Self::Endpoint(endpoint) => Some(endpoint.methods()),
            Self::Metadata => Some(&[Method::GET, Method::HEAD]),
            Self::Gate(_) => None,
        }
    }

    /// Whether pages of any origin may call it.
    pub fn is_open_to_any_origin(self) -> bool {
        match self {
            Self::Endpoint(endpoint) => endpoint.is_open_to_any_origin(),
            Self::Metadata => true,
            Self::Gate(_) => false,
        }
    }
}

/// Paths and what lives under them. Paths are compared as they were sent: neither escapes nor dot
/// segments are resolved, so that a path has one spelling.
pub struct Router(HashMap<String, Route>);

impl Router {
    /// The paths of this deployment, with gates of those names: under the issuer's and under the mTLS
    /// base's.
    pub fn new(settings: &Settings, gates: &[GateName]) -> Self {
        let mut routes = HashMap::new();
        let bases = [Some(settings.issuer.base()), settings.mtls_base.as_ref()];
        for base in bases.into_iter().flatten() {
            for endpoint in ENDPOINTS
                .iter()
                .filter(|endpoint| endpoint.is_served(settings))
            {
                routes.insert(base.path_of(endpoint.name()), Route::Endpoint(*endpoint));
            }
            for (at, name) in gates.iter().enumerate() {
                routes.insert(base.path_of(&format!("verify/{name}")), Route::Gate(at));
                if name.as_str() == GateName::DEFAULT {
                    routes.insert(base.path_of("verify"), Route::Gate(at));
                }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::registration::AccessTokenFormat;
    use crate::oauth::profile::Profile;
    use crate::oauth::time::Lifetime;
    use crate::user::{AcrMap, Levels};

    fn router(issuer: &str, mtls_base: Option<&str>, whoami: bool) -> Router {
        let settings = Settings {
            issuer: issuer.parse().expect("an issuer"),
            mtls_base: mtls_base.map(|base| base.parse().expect("a base")),
            access_token_ttl: Lifetime::from_seconds(600),
            access_token_format: AccessTokenFormat::Jwt,
            refresh_token_ttl: Lifetime::from_seconds(600),
            code_ttl: Lifetime::from_seconds(60),
            session_ttl: Lifetime::from_seconds(600),
            session_idle_ttl: Lifetime::from_seconds(600),
            levels: Levels::default(),
            acr: AcrMap::default(),
            profile: Profile::OAuth2,
            whoami,
        };
        let gates = ["default", "orders"].map(|name| name.parse().expect("a name"));
        Router::new(&settings, &gates)
    }

    #[test]
    fn every_path_has_one_spelling() {
        let plain = router("https://as.example.com", None, false);
        let deep = router(
            "https://as.example.com/oauth2",
            Some("https://mtls.example.com/bound"),
            true,
        );
        for (path, at_plain, at_deep) in [
            ("/token", Some("token"), None),
            ("/oauth2/token", None, Some("token")),
            ("/bound/token", None, Some("token")),
            ("/oauth2/introspect", None, Some("introspect")),
            ("/bound/revoke", None, Some("revoke")),
            ("/jwks", Some("jwks"), None),
            ("/whoami", None, None),
            ("/verify", Some("verify"), None),
            ("/verify/default", Some("verify"), None),
            ("/verify/orders", Some("verify"), None),
            ("/bound/verify/orders", None, Some("verify")),
            ("/oauth2/verify", None, Some("verify")),
            ("/verify/", None, None),
            ("/verify/Orders", None, None),
            ("/verify/orders/", None, None),
            ("/oauth2/whoami", None, Some("whoami")),
            ("/.well-known/openid-configuration", Some("metadata"), None),
            (
                "/.well-known/oauth-authorization-server",
                Some("metadata"),
                None,
            ),
            (
                "/oauth2/.well-known/openid-configuration",
                None,
                Some("metadata"),
            ),
            (
                "/oauth2/.well-known/oauth-authorization-server",
                None,
                Some("metadata"),
            ),
            (
                "/.well-known/oauth-authorization-server/oauth2",
                None,
                Some("metadata"),
            ),
            ("/", None, None),
            ("", None, None),
            ("*", None, None),
            ("//token", None, None),
            ("/token/", None, None),
            ("/Token", None, None),
            ("/%74oken", None, None),
            ("/oauth2/../token", None, None),
        ] {
            let name = |router: &Router| router.find(path).map(Route::name);
            assert_eq!((name(&plain), name(&deep)), (at_plain, at_deep), "{path}");
        }
    }

    #[test]
    fn methods_and_origins() {
        let router = router("https://as.example.com", None, true);
        for (path, method, open) in [
            ("/token", Method::POST, true),
            ("/revoke", Method::POST, true),
            ("/introspect", Method::POST, false),
            ("/jwks", Method::GET, true),
            ("/whoami", Method::GET, false),
            ("/.well-known/openid-configuration", Method::GET, true),
        ] {
            let route = router.find(path).expect("a route");
            let methods = route.methods().expect("not all");
            assert!(methods.contains(&method), "{path}");
            assert_eq!(
                methods.contains(&Method::POST),
                method == Method::POST,
                "{path}"
            );
            assert_eq!(route.is_open_to_any_origin(), open, "{path}");
        }
    }
}
