//! Access tokens as signed JWTs (RFC 9068), with `cnf` where they are bound (RFC 8705 section 3.1).

use serde::Serialize;

use super::family::{Authentication, FamilyId};
use super::{
    AccessToken, CannotIssue, Claims, Confirmation, Format, Issue, Text, Written, name_of,
};
use crate::client::registration::AccessTokenFormat;
use crate::key::algorithm::SigningAlgorithm;
use crate::key::claims::{self, AudienceClaim, TimeClaims};
use crate::key::json::{Json, Object};
use crate::key::jws::UnverifiedJws;
use crate::key::members::Members;
use crate::key::set::KeySet;
use crate::oauth::ClientId;
use crate::oauth::scope::Scope;
use crate::oauth::time::Timestamp;
use crate::record::Changes;

/// `typ` of RFC 9068 section 2.1, which keeps an access token from being taken for any other JWT.
pub const TYPE: &str = "at+jwt";

/// The algorithm that access tokens are signed with where there is a key for it: small, and as fast to
/// make as to check.
const ALGORITHM: SigningAlgorithm = SigningAlgorithm::Es256;

/// Room for the claims of most tokens.
const ROOM: usize = 512;

/// The format.
pub(super) struct Jwt;

/// RFC 7519 section 4.1.3: one audience is written as a string.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Aud<'a> {
    /// One.
    One(&'a str),
    /// Several.
    Many(&'a [String]),
}

impl<'a> Aud<'a> {
    /// That list, as it is written.
    pub fn of(list: &'a [String]) -> Self {
        match list {
            [one] => Self::One(one),
            many => Self::Many(many),
        }
    }
}

impl Format for Jwt {
    fn format(&self) -> AccessTokenFormat {
        AccessTokenFormat::Jwt
    }

    fn write(&self, claims: Claims, issue: &Issue<'_>) -> Result<Written, CannotIssue> {
        let token = claims.named(name_of(issue.secret.expose()));
        let key = issue
            .keys
            .signer_preferring(ALGORITHM, token.claims.issued)
            .ok_or_else(|| CannotIssue("there is no signing key".into()))?;
        let unsigned = key.prepare_json(TYPE, &payload(&token, issue.issuer));
        Ok(Written {
            token,
            text: Text::Unsigned(unsigned),
            changes: Changes::none(),
        })
    }
}

/// The claims as they are written (RFC 9068 section 2.2).
fn payload(token: &AccessToken, issuer: &str) -> String {
    let claims = &token.claims;
    let mut members = Members::with_room(ROOM);
    members.text("iss", issuer);
    members.text("sub", &claims.subject);
    members.text("client_id", claims.client_id.as_str());
    match Aud::of(&claims.audience) {
        Aud::One(one) => members.text("aud", one),
        Aud::Many(many) => members.texts("aud", many),
    }
    members.number("iat", claims.issued.unix());
    members.number("exp", claims.expires.unix());
    members.text("jti", &token.id);
    if !claims.scope.is_empty() {
        members.text("scope", claims.scope.as_str());
    }
    if let Some(Confirmation { certificate }) = &claims.confirmation {
        certificate
            .digest()
            .with_base64url(|text| members.object_of("cnf", "x5t#S256", text));
    }
    if let Some(made) = &claims.authentication {
        members.number("auth_time", made.time.unix());
        if let Some(acr) = &made.acr {
            members.text("acr", acr);
        }
        if !made.methods.is_empty() {
            members.texts("amr", &made.methods);
        }
    }
    // Whoever verifies the token here finds out whether its family still is one.
    if let Some(family) = &claims.family {
        members.text("grant_id", family.as_str());
    }
    members.finish()
}

/// An access token that this issuer signed and that has not expired, and the `kid` of the key that did;
/// whether it was revoked is for the store to say. A claim of the wrong type is a wrong token (RFC 9068 section 4).
pub(super) fn read(
    text: &str,
    keys: &KeySet,
    issuer: &str,
    now: Timestamp,
) -> Option<(AccessToken, Box<str>)> {
    let jws = UnverifiedJws::parse(text).ok()?;
    let verified = jws.verify_own(keys, TYPE, now).ok()?;
    let all = verified.claims();
    let string = |name| claims::text(all, name).ok()?;
    let times = TimeClaims::read(all).ok()?;
    let expires = times.expires?;
    if string("iss")? != issuer || expires <= now {
        return None;
    }
    let confirmation = match all.get("cnf") {
        None => None,
        Some(value) => Some(Confirmation::read(value)?),
    };
    let said = Claims {
        client_id: ClientId::parse(string("client_id")?).ok()?,
        subject: string("sub")?.to_owned(),
        scope: Scope::parse(claims::text(all, "scope").ok()?.unwrap_or_default()).ok()?,
        audience: AudienceClaim::read(all).ok()??.into_names(),
        issued: times.issued?,
        expires,
        confirmation,
        authentication: authentication(all)?,
        family: match claims::text(all, "grant_id").ok()? {
            None => None,
            Some(text) => Some(FamilyId::parse(text)?),
        },
    };
    Some((said.named(string("jti")?), jws.unverified_kid()?.into()))
}

/// How the user was authenticated, if there is one; nothing at all where that is not of its type.
#[expect(
    clippy::option_option,
    reason = "that a token says nothing of it is not that it says something wrong"
)]
fn authentication(all: &Object<'_>) -> Option<Option<Authentication>> {
    let Some(time) = claims::numeric_date(all, "auth_time", f64::floor).ok()? else {
        return Some(None);
    };
    let methods = match all.get("amr") {
        None => Vec::new(),
        Some(Json::Array(list)) => {
            let texts = list.iter().map(|text| text.as_str().map(str::to_owned));
            texts.collect::<Option<_>>()?
        }
        Some(_) => return None,
    };
    Some(Some(Authentication {
        time,
        acr: claims::text(all, "acr").ok()?.map(str::to_owned),
        methods,
    }))
}
