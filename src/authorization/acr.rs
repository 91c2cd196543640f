//! The authentication context that is asked for (OpenID Connect Core sections 3.1.2.1 and 5.5.1.1, RFC 9470
//! section 4).

use crate::oauth::error::{ErrorCode, OAuthError};

/// How many values may be asked for.
const MOST: usize = 16;

/// Which acr values would do, the best first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcrRequest {
    /// Whether the request fails if none of them can be reached.
    pub essential: bool,
    /// The values; where there are none, anything does.
    pub values: Vec<String>,
}

impl AcrRequest {
    /// What the `claims` parameter asks for, else `acr_values`, else what the registration wishes for.
    pub(super) fn of(
        claimed: Self,
        acr_values: Option<&str>,
        default: &[String],
    ) -> Result<Self, OAuthError> {
        let words = acr_values.unwrap_or_default().split(' ');
        let asked: Vec<String> = words
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect();
        if asked.len() > MOST {
            return Err(OAuthError::new(
                ErrorCode::InvalidRequest,
                "acr_values has more than 16 values",
            ));
        }
        if !claimed.values.is_empty() {
            return Ok(claimed);
        }
        Ok(Self {
            essential: false,
            values: if asked.is_empty() {
                default.to_vec()
            } else {
                asked
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OC-07, OC-08.
    #[test]
    fn claims_before_acr_values_before_the_registration() {
        let request = |values: &[&str], essential| AcrRequest {
            essential,
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        let default = ["bronze".to_owned()];
        for (claimed, asked, expected) in [
            (
                request(&["gold"], true),
                Some("silver"),
                request(&["gold"], true),
            ),
            (request(&["gold"], false), None, request(&["gold"], false)),
            (
                request(&[], false),
                Some("silver  gold"),
                request(&["silver", "gold"], false),
            ),
            (request(&[], false), None, request(&["bronze"], false)),
            (request(&[], false), Some(" "), request(&["bronze"], false)),
        ] {
            let found = AcrRequest::of(claimed, asked, &default);
            assert_eq!(found, Ok(expected), "{asked:?}");
        }
        let many = "a ".repeat(17);
        assert!(AcrRequest::of(request(&[], false), Some(&many), &[]).is_err());
    }
}
