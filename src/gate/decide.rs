//! Whether a token that is genuine opens this gate, for whoever shows it (RFC 8705 section 3, RFC 6750
//! section 3.1, RFC 9470 section 3).

use super::facts::{Bound, Facts};
use super::{Gate, ProofOfPossession, Refused, Rules, Why};
use crate::oauth::time::{Lifetime, Timestamp};
use crate::proxy::presented::Presented;

/// How far the clock of the one who authenticated the user may be ahead of ours.
const SKEW: Lifetime = Lifetime::from_seconds(30);

/// One of the things that are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Whether tokens of this issuer are taken.
    Issuer,
    /// Whether the token is alive.
    Time,
    /// Whether the bearer holds what the token is bound to (RFC 8705 section 3).
    Possession,
    /// Whether the token is meant for what is behind the gate (RFC 9068 section 4).
    Audience,
    /// Whether the user was authenticated well and lately enough (RFC 9470).
    UserAuthentication,
    /// Whether the token allows enough (RFC 6750 section 3.1).
    Scope,
}

impl Check {
    /// All of them, in the order in which they are made.
    pub const ALL: &'static [Self] = &[
        Self::Issuer,
        Self::Time,
        Self::Possession,
        Self::Audience,
        Self::UserAuthentication,
        Self::Scope,
    ];

    /// What it is about.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Issuer => "issuer",
            Self::Time => "time",
            Self::Possession => "possession",
            Self::Audience => "audience",
            Self::UserAuthentication => "user authentication",
            Self::Scope => "scope",
        }
    }

    /// Makes it.
    ///
    /// # Errors
    /// What is missing.
    pub fn make(
        self,
        gate: &Gate,
        facts: &Facts,
        presented: &Presented,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let rules = gate.rules();
        let not_good = |cause: String| Refused::new(Why::InvalidToken, cause);
        match self {
            Self::Issuer if !gate.trusts(&facts.issuer) => {
                Err(not_good(format!("no tokens of {} are taken", facts.issuer)))
            }
            Self::Time if facts.expires.is_some_and(|end| end <= now) => {
                Err(not_good("the token has expired".into()))
            }
            Self::Issuer | Self::Time => Ok(()),
            Self::Possession => possession(rules, facts.bound, presented, now).map_err(not_good),
            Self::Audience => audience(rules, facts).map_err(not_good),
            Self::UserAuthentication => authentication(rules, facts, now)
                .map_err(|cause| Refused::new(Why::InsufficientUserAuthentication, cause)),
            Self::Scope => match rules.scopes.beyond(&facts.scope) {
                Some(missing) => Err(Refused::new(
                    Why::InsufficientScope,
                    format!("the token has not the scope {missing}"),
                )),
                None => Ok(()),
            },
        }
    }
}

/// Decides.
///
/// # Errors
/// The first thing that is missing, in the order of [`Check::ALL`].
pub fn decide(
    gate: &Gate,
    facts: &Facts,
    presented: &Presented,
    now: Timestamp,
) -> Result<(), Refused> {
    Check::ALL
        .iter()
        .try_for_each(|check| check.make(gate, facts, presented, now))
}

/// Whether the token is meant for one of those that the gate guards, where it says whom it guards.
fn audience(rules: &Rules, facts: &Facts) -> Result<(), String> {
    let wanted = &rules.audience;
    if wanted.is_empty() || wanted.iter().any(|name| facts.audience.contains(name)) {
        return Ok(());
    }
    Err(format!(
        "the token is meant for {:?}, not for any of {wanted:?}",
        facts.audience
    ))
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::fixtures::rules;
    use super::*;
    use crate::cert::{ClientCertificate, Thumbprint};
    use crate::oauth::scope::Scope;
    use crate::proxy::Encoding;

    /// 2026-11-22.
    const NOW: Timestamp = Timestamp::from_unix(1_795_311_512);

    fn certificate(name: &str) -> ClientCertificate {
        let root = env!("CARGO_MANIFEST_DIR");
        let path = format!("{root}/tests/fixtures/pki/{name}.crt");
        let pem = std::fs::read_to_string(path).expect("the fixture is in the repository");
        ClientCertificate::from_pem(&pem).expect("the fixture is a certificate")
    }

    fn with(name: Option<&str>) -> Presented {
        match name {
            Some(name) => Presented::supposed(certificate(name), Vec::new(), Encoding::AUTO),
            None => Presented::nothing(),
        }
    }

    fn thumbprint(name: &str) -> Thumbprint {
        *certificate(name).thumbprint()
    }

    fn facts() -> Facts {
        Facts {
            issuer: "https://as.example.com".into(),
            subject: Some("s".into()),
            client_id: None,
            scope: Scope::parse("a b").expect("a scope"),
            audience: vec!["https://x.example".into()],
            expires: Some(NOW.after(Lifetime::from_seconds(1))),
            bound: Bound::ToCertificate(thumbprint("p256")),
            acr: Some("silver".into()),
            auth_time: Some(NOW.before(Lifetime::from_seconds(100))),
        }
    }

    fn why(rules: Rules, facts: &Facts, presented: &Presented) -> Option<Why> {
        let gate = Gate::new(rules).expect("rules that go together");
        decide(&gate, facts, presented, NOW)
            .err()
            .map(|refused| refused.why())
    }

    #[test]
    fn possession() {
        use ProofOfPossession::{Off, Optional, Strict};
        let right = Bound::ToCertificate(thumbprint("p256"));
        let expired = Bound::ToCertificate(thumbprint("expired"));
        for (proof, bound, certificate, passes) in [
            (Strict, right, Some("p256"), true),
            (Strict, right, Some("rsa"), false),
            (Strict, right, None, false),
            (Strict, Bound::ToNothing, Some("p256"), false),
            (Strict, Bound::ToNothing, None, false),
            (Strict, Bound::Otherwise, Some("p256"), false),
            (Strict, expired, Some("expired"), false),
            (Optional, right, Some("p256"), true),
            (Optional, right, Some("rsa"), false),
            (Optional, right, None, false),
            (Optional, Bound::ToNothing, Some("rsa"), true),
            (Optional, Bound::ToNothing, None, true),
            (Optional, Bound::Otherwise, Some("p256"), false),
            (Optional, expired, Some("expired"), false),
            (Off, right, Some("rsa"), true),
            (Off, right, None, true),
            (Off, Bound::Otherwise, None, true),
        ] {
            let facts = Facts { bound, ..facts() };
            let rules = Rules {
                proof,
                ..rules("a")
            };
            let expected = (!passes).then_some(Why::InvalidToken);
            let got = why(rules, &facts, &with(certificate));
            assert_eq!(got, expected, "{proof} {bound:?} {certificate:?}");
        }
        // A certificate of its own making proves possession as well as any (RFC 8705 section 6.2).
        let own = Facts {
            bound: Bound::ToCertificate(thumbprint("self-p256")),
            ..facts()
        };
        assert_eq!(why(rules("a"), &own, &with(Some("self-p256"))), None);
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "one table")]
    fn everything_else() {
        let (same, later) = (facts(), NOW.after(Lifetime::from_seconds(60)));
        let levels = |pairs: &[(&str, u32)]| -> BTreeMap<String, u32> {
            let owned = pairs.iter().map(|(acr, level)| ((*acr).to_owned(), *level));
            owned.collect()
        };
        let gold = |acr_levels: &[(&str, u32)]| Rules {
            acr: Some("gold".into()),
            levels: levels(acr_levels),
            ..rules("a")
        };
        let within = |seconds| Rules {
            max_age: Some(Lifetime::from_seconds(seconds)),
            ..rules("a")
        };
        let user = Some(Why::InsufficientUserAuthentication);
        let invalid = Some(Why::InvalidToken);
        for (name, rules, facts, expected) in [
            ("good", rules("a"), same.clone(), None),
            (
                "another issuer",
                rules("a"),
                Facts {
                    issuer: "https://as.example.com/".into(),
                    ..same.clone()
                },
                invalid,
            ),
            (
                "expired",
                rules("a"),
                Facts {
                    expires: Some(NOW),
                    ..same.clone()
                },
                invalid,
            ),
            (
                "no end",
                rules("a"),
                Facts {
                    expires: None,
                    ..same.clone()
                },
                None,
            ),
            (
                "audience",
                Rules {
                    audience: vec!["y".into(), "https://x.example".into()],
                    ..rules("a")
                },
                same.clone(),
                None,
            ),
            (
                "another audience",
                Rules {
                    audience: vec!["https://x.example/".into()],
                    ..rules("a")
                },
                same.clone(),
                invalid,
            ),
            (
                "no audience",
                Rules {
                    audience: vec!["x".into()],
                    ..rules("a")
                },
                Facts {
                    audience: Vec::new(),
                    ..same.clone()
                },
                invalid,
            ),
            (
                "scope",
                Rules {
                    scopes: Scope::parse("b a").expect("a scope"),
                    ..rules("a")
                },
                same.clone(),
                None,
            ),
            (
                "more scope",
                Rules {
                    scopes: Scope::parse("a c").expect("a scope"),
                    ..rules("a")
                },
                same.clone(),
                Some(Why::InsufficientScope),
            ),
            (
                "acr",
                gold(&[]),
                Facts {
                    acr: Some("gold".into()),
                    ..same.clone()
                },
                None,
            ),
            (
                "less acr",
                gold(&[("silver", 1), ("gold", 2)]),
                same.clone(),
                user,
            ),
            (
                "as much acr",
                gold(&[("silver", 2), ("gold", 2)]),
                same.clone(),
                None,
            ),
            ("unmapped acr", gold(&[("gold", 0)]), same.clone(), user),
            (
                "no acr",
                gold(&[("gold", 0)]),
                Facts {
                    acr: None,
                    ..same.clone()
                },
                user,
            ),
            ("lately", within(100), same.clone(), None),
            ("too long ago", within(99), same.clone(), user),
            (
                "never",
                within(99),
                Facts {
                    auth_time: None,
                    ..same.clone()
                },
                user,
            ),
            (
                "in the future",
                within(99),
                Facts {
                    auth_time: Some(later),
                    ..same.clone()
                },
                user,
            ),
        ] {
            assert_eq!(why(rules, &facts, &with(Some("p256"))), expected, "{name}");
        }
    }
}
