//! The `claims` parameter (OpenID Connect Core section 5.5): which claims are asked for by name, and an acr
//! that the request cannot do without.

use serde::{Deserialize, Serialize};

/// The claims asked for by name, for the ID token and for userinfo.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimsRequest {
    /// For the ID token.
    pub id_token: Vec<String>,
    /// For userinfo.
    pub userinfo: Vec<String>,
}
