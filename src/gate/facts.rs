//! What is known of a token, whoever issued it and however that was learnt: from our own record, from a
//! JWT of another issuer (RFC 9068, RFC 7519), or from what another issuer answered (RFC 7662).

use crate::cert::Thumbprint;
use crate::key::claims::{self, AudienceClaim, InvalidClaim, TimeClaims};
use crate::key::json::{Json, Object};
use crate::key::jws::UnverifiedJws;
use crate::oauth::scope::Scope;
use crate::oauth::time::{Lifetime, Timestamp};
use crate::token::AccessToken;

/// How far another issuer's clock may be ahead of ours. An end is an end: `exp` is given nothing.
const SKEW: Lifetime = Lifetime::from_seconds(30);

/// The longest subject or client identifier that is passed on, in octets.
const LONGEST_NAME: usize = 255;

/// What a token is bound to (RFC 7800 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// To nothing.
    ToNothing,
    /// To this certificate (RFC 8705 section 3.1).
    ToCertificate(Thumbprint),
    /// To something that cannot be proven here, such as a key of `DPoP`, whether or not beside a certificate.
    Otherwise,
}

/// What is known of a token that is genuine and alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Who issued it.
    pub issuer: Box<str>,
    /// Whom it speaks for, if that was said.
    pub subject: Option<String>,
    /// To whom it was issued, if that was said; that or the subject always is.
    pub client_id: Option<String>,
    /// What it allows.
    pub scope: Scope,
    /// Whom it is meant for.
    pub audience: Vec<String>,
    /// From this second on it is dead, where that was said.
    pub expires: Option<Timestamp>,
    /// What it is bound to.
    pub bound: Bound,
    /// How the user was authenticated (RFC 9470 section 6).
    pub acr: Option<String>,
    /// When that was.
    pub auth_time: Option<Timestamp>,
}

impl Facts {
    /// Those of a token of our own.
    pub fn of_own(issuer: &str, token: &AccessToken) -> Self {
        let claims = &token.claims;
        let authentication = claims.authentication.as_ref();
        Self {
            issuer: issuer.into(),
            subject: Some(claims.subject.clone()),
            client_id: Some(claims.client_id.as_str().to_owned()),
            scope: claims.scope.clone(),
            audience: claims.audience.clone(),
            expires: Some(claims.expires),
            bound: claims
                .confirmation
                .map_or(Bound::ToNothing, |confirmation| {
                    Bound::ToCertificate(confirmation.certificate)
                }),
            acr: authentication.and_then(|made| made.acr.clone()),
            auth_time: authentication.map(|made| made.time),
        }
    }

    /// Those of a JWT whose signature is that of `issuer`.
    ///
    /// # Errors
    /// It is no access token, is of another issuer, has ended or not begun, or says something that is
    /// not of its type.
    pub fn of_jwt(
        jws: &UnverifiedJws<'_>,
        claims: &Object<'_>,
        issuer: &str,
        now: Timestamp,
    ) -> Result<Self, NotGood> {
        if claims::text(claims, "iss")? != Some(issuer) {
            return Err(NotGood("its iss is not the issuer whose key signed it"));
        }
        if !is_access_token(jws, claims) {
            return Err(NotGood(
                "it is a JWT of another kind: an access token has typ at+jwt, or the claim typ Bearer, or a scope, client_id or cnf and nothing of an ID token",
            ));
        }
        let facts = Self::read(claims, issuer, now)?;
        if facts.expires.is_none() {
            return Err(NotGood("it has no exp"));
        }
        Ok(facts)
    }

    /// Those in the answer of `issuer`'s introspection endpoint; `None` if the token is not active.
    ///
    /// # Errors
    /// The answer is none, or the token it tells of is not one to get in with.
    pub fn of_introspection(
        answer: &[u8],
        issuer: &str,
        now: Timestamp,
    ) -> Result<Option<Self>, Answered> {
        let mut members = Object::read(answer).ok_or(Answered::Garbage)?;
        // Many servers write null for what they do not know. A null `cnf` stays: whether the token is bound
        // is not a thing to be in doubt about.
        members.retain(|name, value| name == "cnf" || *value != Json::Null);
        match members.get("active") {
            Some(Json::Bool(true)) => {}
            Some(Json::Bool(false)) => return Ok(None),
            _ => return Err(Answered::Garbage),
        }
        let text = |name| claims::text(&members, name).map_err(|error| Answered::Not(error.into()));
        if text("iss")?.is_some_and(|named| named != issuer) {
            return Err(Answered::Not(NotGood(
                "the answer is about a token of another issuer",
            )));
        }
        // A refresh token is active, too, and must open nothing.
        if text("token_type")?.is_some_and(|kind| !kind.eq_ignore_ascii_case("Bearer"))
            || text("typ")?.is_some_and(|kind| !kind.eq_ignore_ascii_case("Bearer"))
        {
            return Err(Answered::Not(NotGood(
                "it is no bearer access token, as its issuer says",
            )));
        }
        Self::read(&members, issuer, now)
            .map(Some)
            .map_err(Answered::Not)
    }

    /// How many octets of text these are, about.
    pub fn octets(&self) -> usize {
        let texts = [&self.subject, &self.client_id, &self.acr];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        let audience: usize = self.audience.iter().map(String::len).sum();
        texts + audience + self.issuer.len() + self.scope.as_str().len()
    }

    fn read(claims: &Object<'_>, issuer: &str, now: Timestamp) -> Result<Self, NotGood> {
        // Ory Hydra introspects refresh tokens as `Bearer` and says here what they are; Amazon Cognito tells
        // its ID tokens from its access tokens by this alone.
        if claims::text(claims, "token_use")?
            .is_some_and(|purpose| !matches!(purpose, "access" | "access_token"))
        {
            return Err(NotGood("its token_use is not that of an access token"));
        }
        let times = TimeClaims::read(claims)?;
        if times.expires.is_some_and(|end| end <= now) {
            return Err(NotGood("it has expired"));
        }
        let begins = [times.not_before, times.issued];
        if begins
            .into_iter()
            .flatten()
            .any(|start| start > now.after(SKEW))
        {
            return Err(NotGood("it is not valid yet"));
        }
        let name = |name: &'static str| match claims::text(claims, name)? {
            Some(text) if text.len() > LONGEST_NAME => {
                Err(NotGood("its subject or client_id has more than 255 octets"))
            }
            Some("") | None => Ok(None),
            Some(text) => Ok(Some(text.to_owned())),
        };
        let subject = name("sub")?;
        let client_id = match name("client_id")? {
            // What issuers older than RFC 9068 call it.
            None => name("azp")?,
            named => named,
        };
        if subject.is_none() && client_id.is_none() {
            return Err(NotGood(
                "it says neither by sub nor by client_id whose it is",
            ));
        }
        Ok(Self {
            issuer: issuer.into(),
            subject,
            client_id,
            scope: scope(claims.get("scope"))?,
            audience: AudienceClaim::read(claims)?
                .map(AudienceClaim::into_names)
                .unwrap_or_default(),
            expires: times.expires,
            bound: bound(claims.get("cnf"))?,
            acr: claims::text(claims, "acr")?.map(str::to_owned),
            auth_time: auth_time(claims)?,
        })
    }
}

/// Why a token is not one to get in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotGood(pub &'static str);

impl From<InvalidClaim> for NotGood {
    fn from(InvalidClaim(name): InvalidClaim) -> Self {
        Self(match name {
            "exp" | "nbf" | "iat" | "auth_time" => "a time in it is no number of seconds",
            "aud" => "its aud is neither a string nor a list of strings",
            _ => "a claim of it is not of its type",
        })
    }
}

/// What an introspection answer that names no token to get in with is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// No answer of RFC 7662 section 2.2: nothing was decided.
    Garbage,
    /// About a token that is not good.
    Not(NotGood),
}

/// Whether a JWT is an access token. RFC 9068 section 2.1 gives it a `typ` of its own. Issuers older than
/// that write `JWT` or nothing: of those what calls itself `Bearer` is one (Keycloak), and what has a claim
/// that access tokens have and nothing of an ID token, a logout token or an introspection response.
fn is_access_token(jws: &UnverifiedJws<'_>, claims: &Object<'_>) -> bool {
    const OWN: &[&str] = &["scope", "client_id", "cnf"];
    const OTHERS: &[&str] = &["nonce", "at_hash", "c_hash", "s_hash"];
    const NEVER: &[&str] = &["events", "token_introspection"];
    let has = |names: &[&str]| names.iter().any(|name| claims.has(name));
    if jws.is_type("at+jwt") {
        return true;
    }
    if !(jws.is_untyped() || jws.is_type("JWT")) || has(NEVER) {
        return false;
    }
    match claims.get("typ") {
        Some(kind) => kind
            .as_str()
            .is_some_and(|kind| kind.eq_ignore_ascii_case("Bearer")),
        None => has(OWN) && !has(OTHERS),
    }
}

fn bound(cnf: Option<&Json<'_>>) -> Result<Bound, NotGood> {
    /// Beside a certificate a key is a second thing to prove; what is no key says nothing here (RFC 7800
    /// section 3.1).
    const KEYS: &[&str] = &["jkt", "jwk", "jwe", "jku"];
    let Some(cnf) = cnf else {
        return Ok(Bound::ToNothing);
    };
    let members = cnf.as_object().ok_or(NotGood("its cnf is no object"))?;
    match members.get("x5t#S256") {
        Some(thumbprint) if !KEYS.iter().any(|name| members.has(name)) => {
            let thumbprint = thumbprint.as_str().and_then(|text| text.parse().ok());
            thumbprint
                .map(Bound::ToCertificate)
                .ok_or(NotGood("its x5t#S256 is no SHA-256 in base64url"))
        }
        _ => Ok(Bound::Otherwise),
    }
}

/// RFC 9068 section 2.2.3 has a string; some issuers write a list of what would stand in it.
fn scope(scope: Option<&Json<'_>>) -> Result<Scope, NotGood> {
    let malformed = NotGood("its scope is neither a string nor a list of strings");
    let read = |text: &str| Scope::parse(text).map_err(|_| malformed);
    match scope {
        None => Ok(Scope::default()),
        Some(Json::Text(text)) => read(text),
        Some(Json::Array(list)) => {
            let tokens: Option<Vec<&str>> = list.iter().map(Json::as_str).collect();
            read(&tokens.ok_or(malformed)?.join(" "))
        }
        Some(_) => Err(malformed),
    }
}

fn auth_time(claims: &Object<'_>) -> Result<Option<Timestamp>, NotGood> {
    let seconds = match claims.get("auth_time") {
        None => return Ok(None),
        Some(Json::Number(seconds)) => seconds.as_u64(),
        Some(_) => None,
    };
    let time = seconds.map(Timestamp::from_unix);
    time.map(Some).ok_or(InvalidClaim("auth_time").into())
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_000);
    const ISSUER: &str = "https://other.example";
    const THUMBPRINT: &str = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0";

    fn of_jwt(header: &Value, claims: &Value) -> Result<Facts, NotGood> {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}.AAAA", part(header), part(claims));
        let jws = UnverifiedJws::parse(&text).expect("a JWT");
        let claims = claims.to_string();
        let claims = Object::read(claims.as_bytes()).expect("an object");
        Facts::of_jwt(&jws, &claims, ISSUER, NOW)
    }

    /// As Keycloak writes them.
    fn claims() -> Value {
        json!({
            "iss": ISSUER, "sub": "s", "azp": "c", "exp": 1_600, "iat": 900, "typ": "Bearer",
            "aud": ["a", "b"], "scope": "x y", "cnf": { "x5t#S256": THUMBPRINT },
            "acr": "gold", "auth_time": 800,
        })
    }

    #[test]
    fn a_jwt_of_another_issuer() {
        let facts = of_jwt(&json!({ "alg": "RS256", "typ": "JWT" }), &claims()).expect("good");
        let expected = Facts {
            issuer: ISSUER.into(),
            subject: Some("s".into()),
            client_id: Some("c".into()),
            scope: Scope::parse("x y").expect("a scope"),
            audience: vec!["a".into(), "b".into()],
            expires: Some(Timestamp::from_unix(1_600)),
            bound: Bound::ToCertificate(THUMBPRINT.parse().expect("a thumbprint")),
            acr: Some("gold".into()),
            auth_time: Some(Timestamp::from_unix(800)),
        };
        assert_eq!(facts, expected);
    }

    #[test]
    fn a_scope_may_be_a_list() {
        let header = json!({ "alg": "RS256", "typ": "at+jwt" });
        let mut claims = claims();
        claims["scope"] = json!(["x", "y", "x"]);
        let facts = of_jwt(&header, &claims).expect("good");
        assert_eq!(facts.scope.as_str(), "x y");
    }

    #[test]
    fn which_jwts_are_access_tokens() {
        for (typ, name, value, good) in [
            // Older Keycloaks write the nonce into access tokens, too.
            (Some("JWT"), "nonce", Some(json!("n")), true),
            (Some("at+jwt"), "typ", None, true),
            (Some("application/at+jwt"), "typ", None, true),
            (Some("JWT"), "typ", None, true),
            (None, "typ", None, true),
            (Some("JWT"), "scope", None, true),
            (Some("JWT"), "typ", Some(json!("ID")), false),
            (Some("JWT"), "typ", Some(json!("Refresh")), false),
            (Some("JWT"), "typ", Some(json!(1)), false),
            (Some("JWT"), "events", Some(json!({})), false),
            (Some("JWT"), "token_introspection", Some(json!({})), false),
            (Some("logout+jwt"), "sub", Some(json!("s")), false),
            (
                Some("token-introspection+jwt"),
                "sub",
                Some(json!("s")),
                false,
            ),
            (Some("dpop+jwt"), "sub", Some(json!("s")), false),
        ] {
            let mut header = json!({ "alg": "RS256" });
            if let Some(typ) = typ {
                header["typ"] = json!(typ);
            }
            let mut claims = claims();
            match &value {
                Some(value) => claims[name] = value.clone(),
                None => drop(claims.as_object_mut().expect("an object").remove(name)),
            }
            let read = of_jwt(&header, &claims);
            assert_eq!(read.is_ok(), good, "{typ:?} {name} {value:?}: {read:?}");
        }
        // Without a typ of its own an access token has something that only access tokens have.
        for (kept, more, good) in [
            (&["scope"][..], None, true),
            (&["cnf"], None, true),
            (&[], Some("client_id"), true),
            (&[], None, false),
            (&["scope"], Some("nonce"), false),
            (&["cnf", "scope"], Some("at_hash"), false),
        ] {
            let mut claims = claims();
            let members = claims.as_object_mut().expect("an object");
            members.retain(|name, _| {
                kept.contains(&name.as_str()) || !matches!(name.as_str(), "typ" | "scope" | "cnf")
            });
            if let Some(name) = more {
                claims[name] = json!("x");
            }
            let read = of_jwt(&json!({ "alg": "RS256", "typ": "JWT" }), &claims);
            assert_eq!(read.is_ok(), good, "{kept:?} {more:?}: {read:?}");
        }
    }

    #[test]
    fn claims_that_are_not_good() {
        let header = json!({ "alg": "RS256", "typ": "at+jwt" });
        for (name, value) in [
            ("iss", json!("https://other.example/")),
            ("iss", json!(null)),
            ("exp", json!(1_000)),
            ("exp", json!("9999999999")),
            ("exp", json!(null)),
            ("nbf", json!(1_031)),
            ("iat", json!(1_031)),
            ("iat", json!("900")),
            ("aud", json!([])),
            ("aud", json!(1)),
            ("scope", json!(["x", 1])),
            ("scope", json!(1)),
            ("scope", json!("a\nb")),
            ("sub", json!(1)),
            ("sub", json!("s".repeat(256))),
            ("cnf", json!("x")),
            ("cnf", json!({ "x5t#S256": "short" })),
            ("cnf", json!({ "x5t#S256": 1 })),
            ("acr", json!(1)),
            ("auth_time", json!("800")),
            ("token_use", json!("id")),
            ("token_use", json!(1)),
        ] {
            let mut claims = claims();
            claims[name] = value.clone();
            assert!(of_jwt(&header, &claims).is_err(), "{name} {value}");
        }
        for names in [&["iss"][..], &["exp"], &["sub", "azp"]] {
            let mut claims = claims();
            for name in names {
                claims.as_object_mut().expect("an object").remove(*name);
            }
            assert!(of_jwt(&header, &claims).is_err(), "{names:?}");
        }
    }

    #[test]
    fn what_a_token_is_bound_to() {
        let certificate = Bound::ToCertificate(THUMBPRINT.parse().expect("a thumbprint"));
        for (cnf, expected) in [
            (None, Bound::ToNothing),
            (Some(json!({ "x5t#S256": THUMBPRINT })), certificate),
            (
                Some(json!({ "x5t#S256": THUMBPRINT, "kid": "k" })),
                certificate,
            ),
            (
                Some(json!({ "x5t#S256": THUMBPRINT, "jkt": "k" })),
                Bound::Otherwise,
            ),
            (Some(json!({ "jkt": "k" })), Bound::Otherwise),
            (Some(json!({})), Bound::Otherwise),
        ] {
            let claims = cnf
                .map_or(json!({}), |cnf| json!({ "cnf": cnf }))
                .to_string();
            let read = Object::read(claims.as_bytes()).expect("an object");
            assert_eq!(bound(read.get("cnf")), Ok(expected), "{claims}");
        }
        assert!(bound(Some(&Json::Null)).is_err());
    }

    #[test]
    fn answers_of_an_introspection_endpoint() {
        let read =
            |answer: Value| Facts::of_introspection(answer.to_string().as_bytes(), ISSUER, NOW);
        let active = json!({ "active": true, "client_id": "c", "cnf": { "x5t#S256": THUMBPRINT } });
        let facts = read(active.clone()).expect("an answer").expect("active");
        assert_eq!((facts.subject, facts.client_id), (None, Some("c".into())));
        assert!(matches!(facts.bound, Bound::ToCertificate(_)) && facts.expires.is_none());
        assert_eq!(read(json!({ "active": false })), Ok(None));
        for wrong in [
            json!({}),
            json!({ "active": "true" }),
            json!([]),
            json!({ "active": 1 }),
        ] {
            assert_eq!(read(wrong.clone()), Err(Answered::Garbage), "{wrong}");
        }
        let twice = br#"{"active":false,"active":true,"client_id":"c"}"#;
        let twice = Facts::of_introspection(twice, ISSUER, NOW);
        assert_eq!(twice, Err(Answered::Garbage));
        for (name, value, good) in [
            ("iss", json!(ISSUER), true),
            ("iss", json!("https://another.example"), false),
            ("token_type", json!("bearer"), true),
            ("token_type", json!("DPoP"), false),
            ("token_type", json!("refresh_token"), false),
            ("typ", json!("Bearer"), true),
            ("typ", json!("Refresh"), false),
            ("token_use", json!("access_token"), true),
            ("token_use", json!("access"), true),
            ("token_use", json!("refresh_token"), false),
            ("username", json!(null), true),
            ("sub", json!(null), true),
            ("scope", json!(null), true),
            ("nbf", json!(null), true),
            ("cnf", json!(null), false),
            ("client_id", json!(null), false),
            ("exp", json!(1_001), true),
            ("exp", json!(1_000), false),
            ("exp", json!("x"), false),
            ("nbf", json!(1_031), false),
        ] {
            let mut answer = active.clone();
            answer[name] = value.clone();
            let read = read(answer);
            assert_eq!(
                matches!(read, Ok(Some(_))),
                good,
                "{name} {value}: {read:?}"
            );
            assert_eq!(
                matches!(read, Err(Answered::Not(_))),
                !good,
                "{name} {value}"
            );
        }
    }
}
