//! Whether a token that is genuine opens this gate, for whoever shows it (RFC 8705 section 3, RFC 6750
//! section 3.1, RFC 9470 section 3).

use super::facts::{Bound, Facts};
use super::{Gate, ProofOfPossession, Refused, Rules, Why};
use crate::oauth::time::{Lifetime, Timestamp};
use crate::proxy::presented::Presented;

/// How far the clock of the one who authenticated the user may be ahead of ours.
const SKEW: Lifetime = Lifetime::from_seconds(30);

/// Decides.
///
/// # Errors
/// The first thing that is missing, in this order: the issuer, time, possession, audience, the user's
/// authentication, scope.
pub fn decide(
    gate: &Gate,
    facts: &Facts,
    presented: &Presented,
    now: Timestamp,
) -> Result<(), Refused> {
    let not_good = |cause: String| Refused::new(Why::InvalidToken, cause);
    let rules = gate.rules();
    if !gate.trusts(&facts.issuer) {
        return Err(not_good(format!("no tokens of {} are taken", facts.issuer)));
    }
    if facts.expires.is_some_and(|end| end <= now) {
        return Err(not_good("the token has expired".into()));
    }
    possession(rules, facts.bound, presented, now).map_err(not_good)?;
    let wanted = &rules.audience;
    if !wanted.is_empty() && !wanted.iter().any(|name| facts.audience.contains(name)) {
        return Err(not_good(format!(
            "the token is meant for {:?}, not for any of {wanted:?}",
            facts.audience
        )));
    }
    authentication(rules, facts, now)
        .map_err(|cause| Refused::new(Why::InsufficientUserAuthentication, cause))?;
    match rules.scopes.beyond(&facts.scope) {
        Some(missing) => Err(Refused::new(
            Why::InsufficientScope,
            format!("the token has not the scope {missing}"),
        )),
        None => Ok(()),
    }
}

/// Whether the bearer holds what the token is bound to. A certificate is compared by its thumbprint
/// alone, whatever anybody thinks of its chain (RFC 8705 section 6.2), but never outside its validity.
fn possession(
    rules: &Rules,
    bound: Bound,
    presented: &Presented,
    now: Timestamp,
) -> Result<(), String> {
    let wanted = match (rules.proof, bound) {
        (ProofOfPossession::Off, _) | (ProofOfPossession::Optional, Bound::ToNothing) => {
            return Ok(());
        }
        (ProofOfPossession::Strict, Bound::ToNothing) => {
            return Err("the token is bound to no certificate, which this gate wants".into());
        }
        (_, Bound::Otherwise) => {
            return Err("the token is bound to something that this gate cannot have proven".into());
        }
        (_, Bound::ToCertificate(wanted)) => wanted,
    };
    let Some(certificate) = presented.certificate() else {
        return Err("the token is bound to a certificate, and none came with the request".into());
    };
    if *certificate.thumbprint() != wanted {
        return Err(format!(
            "the token is bound to the certificate {wanted}, and {} came with the request",
            certificate.thumbprint()
        ));
    }
    certificate
        .validity()
        .at(now)
        .map_err(|error| format!("the certificate that the token is bound to: {error}"))
}

/// Whether the user was authenticated well enough and lately enough.
fn authentication(rules: &Rules, facts: &Facts, now: Timestamp) -> Result<(), String> {
    if let Some(wanted) = &rules.acr {
        let had = facts.acr.as_deref();
        let level = |acr: &str| rules.levels.get(acr);
        let enough = had.is_some_and(|had| {
            had == wanted
                || matches!((level(had), level(wanted)), (Some(had), Some(wanted)) if had >= wanted)
        });
        if !enough {
            return Err(format!("the token's acr is {had:?}, less than {wanted:?}"));
        }
    }
    if let Some(age) = rules.max_age {
        let lately = facts
            .auth_time
            .is_some_and(|at| at <= now.after(SKEW) && now.since(at) <= age);
        if !lately {
            return Err(match facts.auth_time {
                Some(at) => format!("the user authenticated at {at}, not within max_age"),
                None => "the token does not say when the user authenticated".into(),
            });
        }
    }
    Ok(())
}
