//! The steps of a gate's decision in words: what it asks, what a token is, what is known of it, and why a
//! check passes. Tokens are never in them.

use std::fmt::Write as _;

use http::header::{RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};

use crate::config::GateSettings;
use crate::endpoint::gate::Way;
use crate::gate::decide::Check;
use crate::gate::facts::{Bound, Facts};
use crate::gate::{AuthMethod, ProofOfPossession, Rules};
use crate::key::JwsError;
use crate::key::jws::UnverifiedJws;
use crate::oauth::time::Timestamp;
use crate::token::read::is_opaque;

/// The most characters of a text from a token that are shown.
const SHOWN: usize = 200;

/// What a gate asks.
pub(super) fn gate(rules: &Rules) -> String {
    let methods: Vec<_> = rules.methods.iter().map(|method| method.name()).collect();
    let mut text = format!(
        "gate {} asks for a token of {}, by {}; proof of possession {}; ",
        rules.name,
        rules.issuers.join(" or "),
        methods.join(", "),
        rules.proof
    );
    match rules.audience.as_slice() {
        [] => text.push_str("any audience; "),
        names => say(&mut text, format_args!("audience {}; ", names.join(" or "))),
    }
    if rules.scopes.is_empty() {
        text.push_str("no scope");
    } else {
        say(&mut text, format_args!("scope {}", rules.scopes.as_str()));
    }
    if let Some(acr) = &rules.acr {
        say(&mut text, format_args!("; acr {acr}"));
    }
    if let Some(age) = rules.max_age {
        say(&mut text, format_args!("; max_age {age}"));
    }
    text
}

fn say(text: &mut String, more: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(more);
}

/// What a token looks like.
pub(super) fn token(text: &str) -> String {
    if is_opaque(text) {
        return "the token is opaque, as certbound writes them: it says nothing by itself".into();
    }
    match UnverifiedJws::parse(text) {
        Ok(jws) => {
            let issuer = jws.unverified_claim("iss");
            let issuer = issuer.as_deref().map_or_else(
                || "names no issuer".to_owned(),
                |issuer| format!("says that it is of {}", quoted(issuer)),
            );
            let key = jws.unverified_kid().map_or_else(
                || "no key id".to_owned(),
                |kid| format!("key id {}", quoted(kid)),
            );
            let algorithm = quoted(jws.unverified_algorithm());
            format!("the token is a JWT, alg {algorithm}, {key}, and {issuer}")
        }
        Err(JwsError::NotCompact) => "the token is no JWT: it says nothing by itself".into(),
        Err(_) => "the token has the form of a JWT".into(),
    }
}

/// A text of unknown origin.
fn quoted(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        return format!("{text:?}");
    }
    let start: String = text.chars().take(SHOWN).collect();
    format!("{start:?} and more")
}

/// By which method a token of another issuer is judged.
pub(super) fn way(way: Way<'_>, written: &GateSettings) -> String {
    let at = |url: &Option<String>| match url {
        Some(url) => format!("at {url}"),
        None => "where its metadata names them".to_owned(),
    };
    match way {
        Way::Keys(other) => format!(
            "it is judged by {}: its signature by the keys of {}, {}",
            AuthMethod::Bearer,
            other.issuer(),
            at(&written.jwks_uri)
        ),
        Way::NoKeys(error) => {
            format!("these keys cannot be had, so that its issuer is asked instead: {error}")
        }
        Way::Asking(other) => {
            let endpoint = match &written.introspection_endpoint {
                Some(url) => format!("at {url}"),
                None => "where its metadata names the endpoint".to_owned(),
            };
            format!(
                "it is judged by {}: {} is asked, {endpoint}",
                AuthMethod::Introspection,
                other.issuer()
            )
        }
    }
}

/// What is known of a token.
pub(super) fn facts(facts: &Facts) -> String {
    let mut text = match facts.expires {
        Some(end) => format!("alive until {end}"),
        None => "alive, its end unknown".to_owned(),
    };
    for (name, value) in [("sub", &facts.subject), ("client_id", &facts.client_id)] {
        if let Some(value) = value {
            say(&mut text, format_args!("; {name} {}", quoted(value)));
        }
    }
    if facts.scope.is_empty() {
        text.push_str("; no scope");
    } else {
        say(&mut text, format_args!("; scope {}", facts.scope.as_str()));
    }
    if facts.audience.is_empty() {
        text.push_str("; no audience");
    } else {
        say(&mut text, format_args!("; aud {:?}", facts.audience));
    }
    if let Some(acr) = &facts.acr {
        say(&mut text, format_args!("; acr {}", quoted(acr)));
    }
    match facts.bound {
        Bound::ToNothing => text.push_str("; bound to nothing"),
        Bound::ToCertificate(thumbprint) => {
            say(&mut text, format_args!("; cnf x5t#S256 {thumbprint}"));
        }
        Bound::Otherwise => text.push_str("; bound by cnf to something else than a certificate"),
    }
    text
}

/// Why a check passes.
pub(super) fn passed(check: Check, rules: &Rules, facts: &Facts, now: Timestamp) -> String {
    match check {
        Check::Issuer => format!("tokens of {} are taken", facts.issuer),
        Check::Time => match facts.expires {
            Some(end) => format!("it is {now}, before {end}"),
            None => "nobody says when it ends".into(),
        },
        Check::Possession => match (rules.proof, facts.bound) {
            (ProofOfPossession::Off, _) => "not looked at: proof of possession is off".into(),
            (_, Bound::ToCertificate(thumbprint)) => format!(
                "the token is bound to the certificate {thumbprint}, and {thumbprint} came, within its validity"
            ),
            (_, Bound::ToNothing | Bound::Otherwise) => {
                "the token is bound to nothing, so that nothing has to be proven".into()
            }
        },
        Check::Audience => match rules
            .audience
            .iter()
            .find(|name| facts.audience.contains(name))
        {
            Some(name) => format!("the token is meant for {name}"),
            None => "any will do".into(),
        },
        Check::UserAuthentication => {
            let acr = rules.acr.as_ref().map(|wanted| {
                let had = quoted(facts.acr.as_deref().unwrap_or_default());
                format!("acr {had} is enough for {wanted:?}")
            });
            let time = rules
                .max_age
                .zip(facts.auth_time)
                .map(|(age, at)| format!("the user authenticated at {at}, within {age}"));
            let both: Vec<_> = acr.into_iter().chain(time).collect();
            if both.is_empty() {
                "none is asked for".into()
            } else {
                both.join("; ")
            }
        }
        Check::Scope if rules.scopes.is_empty() => "none is asked for".into(),
        Check::Scope => format!("the token has {}", rules.scopes.as_str()),
    }
}

/// The answer as a web server gets it: its status, and those headers that say something. A cookie opens
/// the gate, so that only its name is told.
pub(super) fn answer<'a>(
    status: StatusCode,
    headers: impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)>,
) -> String {
    let mut text = format!("answer: {}", status.as_u16());
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        let (name, value) = match name.as_str() {
            _ if name == WWW_AUTHENTICATE => ("WWW-Authenticate".to_owned(), value.as_ref()),
            _ if name == SET_COOKIE => {
                let cookie = value.split('=').next().unwrap_or_default();
                say(
                    &mut text,
                    format_args!("; Set-Cookie: {cookie}=(not shown)"),
                );
                continue;
            }
            known if known.starts_with("x-auth-") || known.starts_with("x-gate-") => {
                (capitalised(known), value.as_ref())
            }
            known if name == RETRY_AFTER => (capitalised(known), value.as_ref()),
            _ => continue,
        };
        say(&mut text, format_args!("; {name}: {value}"));
    }
    text
}

/// A header's name as people write it.
fn capitalised(name: &str) -> String {
    let mut start = true;
    name.chars()
        .map(|character| {
            let capital = std::mem::replace(&mut start, character == '-');
            if capital {
                character.to_ascii_uppercase()
            } else {
                character
            }
        })
        .collect()
}
