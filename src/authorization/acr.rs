//! The authentication context that is asked for (OpenID Connect Core sections 3.1.2.1 and 5.5.1.1, RFC 9470
//! section 4).

/// Which acr values would do, the best first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcrRequest {
    /// Whether the request fails if none of them can be reached.
    pub essential: bool,
    /// The values; where there are none, anything does.
    pub values: Vec<String>,
}
