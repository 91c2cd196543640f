//! From a token's text to what is known of it: our own are looked up, another issuer's are verified here
//! or asked about there.

use super::Guard;
use crate::endpoint::Server;
use crate::gate::facts::Facts;
use crate::gate::{AuthMethod, Refused, Why};
use crate::oauth::error::OAuthError;
use crate::oauth::time::Timestamp;
use crate::token::read::is_opaque;

impl Server {
    /// What is known of that token.
    ///
    /// # Errors
    /// It is no token that this gate takes, or whoever knows does not answer.
    pub(super) async fn facts(
        &self,
        guard: &Guard,
        text: &str,
        now: Timestamp,
    ) -> Result<Facts, Refused> {
        let not_good = |cause: &str| Refused::new(Why::InvalidToken, cause);
        // An opaque token means what a record says, which is introspection; a JWT may go either way.
        let takes_kind = guard.gate.takes(AuthMethod::Introspection) || !is_opaque(text);
        if guard.own && takes_kind {
            let own = self
                .live_token(text, now)
                .await
                .map_err(|error| undecided(&error))?;
            if let Some((_, token)) = own {
                return Ok(Facts::of_own(self.issuer(), &token));
            }
        }
        Err(not_good(
            "it is no live token of an issuer whose tokens are taken here",
        ))
    }
}

/// Where our own store or keys do not answer, nothing was decided.
fn undecided(error: &OAuthError) -> Refused {
    Refused::new(Why::Unavailable, error.cause())
}
