//! `none`: public clients, which name themselves and prove nothing (RFC 6749 section 2.1).

use super::metadata::Metadata;
use super::{Attempt, Authenticator, Contradiction, Method, Refused, UseOnce};
use crate::oauth::profile::Profile;

/// The method.
pub(super) struct None;

impl Method for None {
    fn name(&self) -> &'static str {
        "none"
    }

    fn members(&self) -> &'static [&'static str] {
        &[]
    }

    fn enrol(
        &self,
        _metadata: &Metadata,
        _profile: Profile,
    ) -> Result<Box<dyn Authenticator>, Contradiction> {
        Ok(Box::new(Public))
    }
}

#[derive(Debug)]
struct Public;

impl Authenticator for Public {
    fn authenticate(&self, attempt: &Attempt<'_>) -> Result<UseOnce, Refused> {
        attempt.nothing_but_the_certificate()?;
        attempt.step(|| {
            "a public client proves nothing by its certificate; it can only bind tokens to it"
                .into()
        });
        Ok(UseOnce::nothing())
    }
}
