//! Request objects (RFC 9101), which pushed requests alone may bring (RFC 9126 section 3): from claims whose
//! signature was verified with the client's key to the form that they stand for.
//!
//! Nothing beside the object counts but the client's authentication, and an object that is encrypted is
//! refused by whoever reads its signature: there is no key here to decrypt with.

use serde_json::Value;

use crate::key::algorithm::VerificationAlgorithm;
use crate::key::claims::{self, AudienceClaim, TimeClaims};
use crate::key::json::{Json, Object};
use crate::key::jws::UnverifiedJws;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::form::Form;
use crate::oauth::profile::Profile;
use crate::oauth::time::{Lifetime, Timestamp};

/// What `typ` may be, if there is one (RFC 9101 section 4; OpenID Connect has none or JWT).
pub const TYPES: &[&str] = &["oauth-authz-req+jwt", "JWT"];

/// How far a clock may be ahead of ours: more than the 10 s that FAPI 2.0 section 5.3.2.1 wants
/// forgiven, less than the 60 s that it wants refused.
const SKEW: Lifetime = Lifetime::from_seconds(30);

/// How far ahead `exp` may lie.
const LONGEST: Lifetime = Lifetime::from_seconds(3_600);

/// Claims that are about the JWT and no parameters.
const OF_THE_JWT: &[&str] = &["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id"];

/// What no request object may hold: another one, or what authenticates a client.
const NEVER: &[&str] = &[
    "request",
    "request_uri",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
];

/// Whether the header says that this is a request object, or nothing: a JWT of another kind, signed with the
/// same key, is none (RFC 8725 section 3.11).
pub fn is_typed(jws: &UnverifiedJws<'_>) -> bool {
    jws.is_untyped() || TYPES.iter().any(|typ| jws.is_type(typ))
}

/// What a client may sign one with.
pub const fn algorithms(profile: Profile) -> &'static [VerificationAlgorithm] {
    match profile {
        Profile::OAuth2 => VerificationAlgorithm::ALL,
        Profile::Fapi2 => VerificationAlgorithm::FAPI,
    }
}

/// The form that a request object stands for: its claims as parameters, and `client_id`. Objects become the
/// JSON text that `claims` is otherwise sent as; only `resource` may be an array.
///
/// # Errors
/// `invalid_request_object`, whatever is wrong with it.
pub fn read(
    claims: &Object<'_>,
    client_id: &str,
    issuer: &str,
    now: Timestamp,
) -> Result<Form<'static>, OAuthError> {
    check(claims, client_id, issuer, now)?;
    let mut pairs = vec![("client_id".to_owned(), client_id.to_owned())];
    for (name, value) in claims.members() {
        if NEVER.contains(&name) {
            return Err(wrong(format!("the request object holds {name}")));
        }
        if OF_THE_JWT.contains(&name) {
            continue;
        }
        match value {
            Json::Array(values) if name == "resource" => {
                for value in values {
                    let text = value.as_str().ok_or_else(|| not_a_parameter(name))?;
                    pairs.push((name.to_owned(), text.to_owned()));
                }
            }
            Json::Text(text) => pairs.push((name.to_owned(), text.clone().into_owned())),
            Json::Number(_) | Json::Bool(_) | Json::Object(_) => {
                let text = Value::from(value.clone()).to_string();
                pairs.push((name.to_owned(), text));
            }
            Json::Null | Json::Array(_) => return Err(not_a_parameter(name)),
        }
    }
    Form::from_pairs(pairs).map_err(|error| wrong(error.to_string()))
}

/// That the object is the client's own, for this issuer, now (RFC 9101 sections 4 and 6.3).
fn check(
    all: &Object<'_>,
    client_id: &str,
    issuer: &str,
    now: Timestamp,
) -> Result<(), OAuthError> {
    let invalid = |error: claims::InvalidClaim| wrong(error.to_string());
    let text = |name: &'static str| claims::text(all, name).map_err(invalid);
    if text("iss")? != Some(client_id) {
        return Err(wrong("iss of the request object must be the client_id"));
    }
    if text("client_id")?.is_some_and(|named| named != client_id) {
        return Err(wrong("the request object is another client's"));
    }
    // RFC 9101 section 10.8: with this sub it might be, or become, a client assertion.
    if text("sub")? == Some(client_id) {
        return Err(wrong("sub of the request object must not be the client_id"));
    }
    let audience = AudienceClaim::read(all).map_err(invalid)?;
    if !audience.is_some_and(|audience| audience.contains(issuer)) {
        return Err(wrong("aud of the request object must be this issuer"));
    }
    let times = TimeClaims::read(all).map_err(invalid)?;
    let expires = times
        .expires
        .ok_or_else(|| wrong("the request object has no exp"))?;
    if !times.live(now, SKEW) {
        return Err(wrong(
            "the request object has expired, or its nbf or iat lies in the future",
        ));
    }
    if expires > now.after(LONGEST) {
        return Err(wrong(
            "exp of the request object lies more than an hour ahead",
        ));
    }
    Ok(())
}

fn wrong(description: impl Into<std::borrow::Cow<'static, str>>) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequestObject, description)
}

fn not_a_parameter(name: &str) -> OAuthError {
    let name: String = name.chars().take(64).collect();
    wrong(format!(
        "{name} in the request object is neither text, number nor object"
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_795_311_512);
    const ISSUER: &str = "https://as.example.com";

    /// The claims of a good object, with others over them; `null` takes one away.
    fn object(over: &Value) -> String {
        let good = json!({
            "iss": "web", "aud": ISSUER, "exp": NOW.unix() + 300, "iat": NOW.unix(), "jti": "j",
            "client_id": "web", "response_type": "code", "redirect_uri": "https://app.example/cb",
        });
        let Value::Object(mut claims) = good else {
            panic!("an object")
        };
        for (name, value) in over.as_object().expect("an object") {
            if value == "absent" {
                claims.remove(name);
            } else {
                claims.insert(name.clone(), value.clone());
            }
        }
        Value::Object(claims).to_string()
    }

    fn form(over: &Value) -> Result<Form<'static>, OAuthError> {
        let claims = object(over);
        let claims = Object::read(claims.as_bytes()).expect("an object");
        read(&claims, "web", ISSUER, NOW)
    }

    #[test]
    fn claims_become_parameters() {
        let found = form(&json!({
            "max_age": 0, "claims": {"id_token": {"acr": {"essential": true, "value": "gold"}}},
            "resource": ["https://one.example", "https://two.example"], "state": "é",
            "sub": "somebody", "nbf": NOW.unix(),
        }))
        .expect("good");
        assert_eq!(found.value("client_id"), Some("web"));
        assert_eq!(found.value("response_type"), Some("code"));
        assert_eq!(found.value("max_age"), Some("0"));
        assert_eq!(found.value("state"), Some("é"));
        assert_eq!(
            found.value("claims"),
            Some(r#"{"id_token":{"acr":{"essential":true,"value":"gold"}}}"#)
        );
        let resources: Vec<_> = found.values("resource").collect();
        assert_eq!(resources, ["https://one.example", "https://two.example"]);
        for of_the_jwt in ["iss", "aud", "exp", "nbf", "iat", "jti", "sub"] {
            assert_eq!(found.value(of_the_jwt), None, "{of_the_jwt}");
        }
        let one = form(&json!({ "resource": "https://one.example" })).expect("good");
        assert_eq!(one.value("resource"), Some("https://one.example"));
    }

    /// PAR-02, FA-09.
    #[test]
    fn what_counts() {
        let at = |seconds: i64| NOW.unix().saturating_add_signed(seconds);
        for (over, good) in [
            (json!({}), true),
            (
                json!({ "client_id": "absent", "iat": "absent", "jti": "absent" }),
                true,
            ),
            (json!({ "aud": [ISSUER, "https://other.example"] }), true),
            (json!({ "iat": at(10), "nbf": at(10) }), true),
            (json!({ "exp": at(3600) }), true),
            (json!({ "exp": at(-10) }), true),
            (json!({ "iss": "absent" }), false),
            (json!({ "iss": "other" }), false),
            (json!({ "iss": ["web"] }), false),
            (json!({ "client_id": "other" }), false),
            (json!({ "client_id": 5 }), false),
            (json!({ "sub": "web" }), false),
            (json!({ "aud": "absent" }), false),
            (json!({ "aud": "https://as.example.com/" }), false),
            (json!({ "aud": [] }), false),
            (json!({ "exp": "absent" }), false),
            (json!({ "exp": at(300).to_string() }), false),
            (json!({ "exp": null }), false),
            (json!({ "exp": at(-60) }), false),
            (json!({ "exp": at(3601) }), false),
            (json!({ "iat": at(61) }), false),
            (json!({ "nbf": at(61) }), false),
            (json!({ "request": "x" }), false),
            (json!({ "request_uri": "urn:x" }), false),
            (json!({ "client_secret": "s" }), false),
            (json!({ "client_assertion": "x" }), false),
            (json!({ "state": null }), false),
            (json!({ "state": ["s"] }), false),
            (json!({ "resource": [5] }), false),
        ] {
            let found = form(&over);
            assert_eq!(found.is_ok(), good, "{over}: {found:?}");
            if let Err(error) = found {
                assert_eq!(error.code(), ErrorCode::InvalidRequestObject, "{over}");
            }
        }
        let many: Map<String, Value> = (0..70).map(|n| (format!("p{n}"), json!("x"))).collect();
        assert!(form(&Value::Object(many)).is_err());
    }

    #[test]
    fn types() {
        for (header, good) in [
            (r#"{"alg":"ES256"}"#, true),
            (r#"{"alg":"ES256","typ":"JWT"}"#, true),
            (r#"{"alg":"ES256","typ":"oauth-authz-req+jwt"}"#, true),
            (
                r#"{"alg":"ES256","typ":"application/oauth-authz-req+jwt"}"#,
                true,
            ),
            (r#"{"alg":"ES256","typ":"at+jwt"}"#, false),
            (
                r#"{"alg":"ES256","typ":"client-authentication+jwt"}"#,
                false,
            ),
        ] {
            use base64::Engine as _;
            let header64 = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(header);
            let token = format!("{header64}.e30.AA");
            let jws = UnverifiedJws::parse(&token).expect("a token");
            assert_eq!(is_typed(&jws), good, "{header}");
        }
        assert!(!algorithms(Profile::Fapi2).contains(&VerificationAlgorithm::Rs256));
    }
}
