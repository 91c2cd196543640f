//! `private_key_jwt` (RFC 7523 section 3, OpenID Connect Core section 9): an assertion signed with the
//! client's key, for this issuer alone, used once.

use std::sync::Arc;

use super::credentials::Proof;
use super::keys::{self, ClientKeys};
use super::metadata::Metadata;
use super::{Attempt, Authenticator, Contradiction, Method, Refused, UseOnce};
use crate::key::JwsError;
use crate::key::algorithm::VerificationAlgorithm;
use crate::key::claims::{self, AudienceClaim, TimeClaims};
use crate::key::json::Json;
use crate::key::jwk::PublicJwk;
use crate::key::jws::{UnverifiedJws, VerifiedJws};
use crate::oauth::profile::Profile;
use crate::oauth::secret::Digest;
use crate::oauth::time::{Lifetime, Timestamp};
use crate::record::{Key, Kind, Record};

/// How far a clock may be ahead of ours: more than the 10 s that FAPI 2.0 section 5.3.2.1 wants
/// forgiven, less than the 60 s that it wants refused.
const SKEW: Lifetime = Lifetime::from_seconds(30);

/// How far ahead `exp` may lie; the `jti` must be remembered until then.
const LONGEST: Lifetime = Lifetime::from_seconds(3_600);

/// What `typ` may be, if there is one.
const TYPES: &[&str] = &["JWT", "client-authentication+jwt"];

/// The method.
pub(super) struct PrivateKeyJwt;

impl Method for PrivateKeyJwt {
    fn name(&self) -> &'static str {
        "private_key_jwt"
    }

    fn members(&self) -> &'static [&'static str] {
        &["token_endpoint_auth_signing_alg"]
    }

    fn enrol(
        &self,
        metadata: &Metadata,
        profile: Profile,
    ) -> Result<Box<dyn Authenticator>, Contradiction> {
        let keys = keys::enrol(metadata, self.name())?;
        let verifies = |jwk: &PublicJwk| {
            VerificationAlgorithm::ALL
                .iter()
                .any(|a| jwk.may_verify(*a))
        };
        if let Some(keys) = &keys
            && !keys.keys().keys().iter().any(verifies)
        {
            return Err(Contradiction::new(
                "jwks",
                "it holds no key that verifies a signature",
            ));
        }
        let algorithms = match metadata.token_endpoint_auth_signing_alg.as_deref() {
            None if profile.is_fapi2() => VerificationAlgorithm::FAPI.to_vec(),
            None => VerificationAlgorithm::ALL.to_vec(),
            Some(name) => vec![name.parse().map_err(|error| {
                Contradiction::new("token_endpoint_auth_signing_alg", format!("{error}"))
            })?],
        };
        Ok(Box::new(Registered { keys, algorithms }))
    }
}

/// What one client is registered with; without `keys` they are at its `jwks_uri`.
#[derive(Debug)]
struct Registered {
    keys: Option<Arc<ClientKeys>>,
    algorithms: Vec<VerificationAlgorithm>,
}

impl Authenticator for Registered {
    fn reads_remote_keys(&self) -> bool {
        self.keys.is_none()
    }

    fn authenticate(&self, attempt: &Attempt<'_>) -> Result<UseOnce, Refused> {
        let assertion = match attempt.credentials.proof() {
            Proof::Assertion(assertion) => assertion,
            Proof::Nothing => return Err(Refused::NoAssertion),
            other => return Err(Refused::OtherMethod(other.method())),
        };
        let keys = self
            .keys
            .as_deref()
            .or(attempt.remote)
            .ok_or(Refused::KeysUnavailable)?;
        // A key may sign other things than assertions, and none of those is one (RFC 8725 section 3.11).
        if !assertion.is_untyped() && !TYPES.iter().any(|typ| assertion.is_type(typ)) {
            return Err(Refused::Assertion(
                "its typ is another kind of JWT's".into(),
            ));
        }
        let verified = self.verified(assertion, keys)?;
        attempt.step(|| "the assertion is signed by one of the client's keys".into());
        let client_id = attempt.credentials.client_id().unwrap_or_default();
        let (jti, expires) = check(&verified, client_id, attempt)?;
        attempt.step(|| "the assertion is the client's own, for this issuer, and in time".into());
        let unique = Digest::of(format!("{client_id}\n{jti}").as_bytes());
        let record = Record {
            value: b"1".to_vec(),
            expires: Some(expires.after(SKEW)),
        };
        Ok(UseOnce::key(Key::new(Kind::Assertion, &unique), record))
    }
}

/// The claims that RFC 7523 section 3 demands: its `jti` and when it ends, if they hold.
fn check<'a>(
    verified: &'a VerifiedJws<'_>,
    client_id: &str,
    attempt: &Attempt<'_>,
) -> Result<(&'a str, Timestamp), Refused> {
    let wrong = |text: &str| Refused::Assertion(text.to_owned());
    let invalid = |error: claims::InvalidClaim| Refused::Assertion(error.to_string());
    let all = verified.claims();
    let text = |name: &'static str| claims::text(all, name).map_err(invalid);
    if text("iss")? != Some(client_id) || text("sub")? != Some(client_id) {
        return Err(wrong("iss and sub must both be the client_id"));
    }
    // One string and no list, so that an assertion for somebody else is never also one for us.
    let audience = AudienceClaim::read(all).map_err(invalid)?;
    let is_text = all.get("aud").and_then(Json::as_str).is_some();
    if !is_text || audience.as_ref().and_then(AudienceClaim::sole) != Some(attempt.issuer) {
        return Err(wrong("aud must be this issuer, as one string"));
    }
    let times = TimeClaims::read(all).map_err(invalid)?;
    let expires = times.expires.ok_or_else(|| wrong("exp is missing"))?;
    if !times.live(attempt.now, SKEW) {
        return Err(wrong("it has expired, or nbf or iat lies in the future"));
    }
    if expires > attempt.now.after(LONGEST) {
        return Err(wrong("exp lies more than an hour ahead"));
    }
    match text("jti")? {
        Some(jti) if (1..=256).contains(&jti.len()) => Ok((jti, expires)),
        _ => Err(wrong("jti must have 1 to 256 characters")),
    }
}

impl Registered {
    /// The assertion, once one of the client's keys has verified its signature.
    fn verified<'a>(
        &self,
        assertion: &'a UnverifiedJws<'_>,
        keys: &ClientKeys,
    ) -> Result<VerifiedJws<'a>, Refused> {
        assertion
            .verify_by(keys.keys(), &self.algorithms)
            .map_err(|error| match error {
                // The client may have published another key since its keys were fetched.
                JwsError::NoKey | JwsError::Signature => Refused::UnknownKey,
                other => Refused::Assertion(other.to_string()),
            })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use serde_json::{Value, json};

    use super::super::credentials::Credentials;
    use super::super::fixtures::{ISSUER, NOW, attempt, nothing, registry};
    use super::super::{Proven, Registry};
    use super::*;
    use crate::key::algorithm::SigningAlgorithm;
    use crate::key::signing::SigningKey;
    use crate::oauth::form::Form;

    fn key(algorithm: SigningAlgorithm) -> SigningKey {
        SigningKey::generate(algorithm).expect("entropy")
    }

    fn client(key: &SigningKey, algorithm: &str) -> Registry {
        let jwks = json!({ "keys": [key.public_jwk()] });
        registry(&format!(
            r#"[{{"client_id":"a","token_endpoint_auth_method":"private_key_jwt","jwks":{jwks}{algorithm}}}]"#
        ))
    }

    /// Good claims, with some of them changed; `null` takes one out.
    fn claims(changes: &Value) -> Value {
        let mut claims = json!({
            "iss": "a", "sub": "a", "aud": ISSUER, "jti": "1",
            "exp": NOW.unix() + 60, "iat": NOW.unix(),
        });
        for (name, value) in changes.as_object().expect("an object of this table") {
            if value.is_null() {
                claims.as_object_mut().expect("an object").remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        claims
    }

    fn tried(registry: &Registry, key: &SigningKey, claims: &Value) -> Result<Proven, Refused> {
        let assertion = key.sign_compact("JWT", claims).expect("signed");
        let body = format!(
            "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion={assertion}&client_id=a"
        );
        let form = Form::parse(body.as_bytes()).expect("a form");
        let credentials = Credentials::read(&HeaderMap::new(), &form).expect("credentials");
        attempt(registry, &credentials, &nothing(), NOW)
    }

    #[test]
    fn claims_that_hold_and_that_do_not() {
        let key = key(SigningAlgorithm::Es256);
        let registry = client(&key, "");
        let now = NOW.unix();
        for (changes, good) in [
            (json!({}), true),
            (json!({ "iss": "b" }), false),
            (json!({ "iss": null }), false),
            (json!({ "aud": [ISSUER] }), false),
            (json!({ "aud": format!("{ISSUER}/token") }), false),
            (json!({ "aud": format!("{ISSUER}/") }), false),
            (json!({ "aud": null }), false),
            (json!({ "exp": null }), false),
            (json!({ "exp": now - 60 }), false),
            (json!({ "exp": now + 3_600 }), true),
            (json!({ "exp": now + 3_601 }), false),
            (json!({ "exp": "soon" }), false),
            (json!({ "nbf": now + 10 }), true),
            (json!({ "nbf": now + 60 }), false),
            (json!({ "iat": now + 10 }), true),
            (json!({ "iat": now + 60 }), false),
            (json!({ "jti": null }), false),
            (json!({ "jti": "" }), false),
            (json!({ "jti": "x".repeat(257) }), false),
            (json!({ "jti": 1 }), false),
        ] {
            let found = tried(&registry, &key, &claims(&changes));
            assert_eq!(found.is_ok(), good, "{changes}: {:?}", found.err());
        }
    }

    #[test]
    fn an_assertion_counts_once() {
        let key = key(SigningAlgorithm::Es256);
        let registry = client(&key, "");
        let used = |jti: &str| {
            let proven = tried(&registry, &key, &claims(&json!({ "jti": jti })));
            let first = proven.expect("a good assertion").first();
            first.expect("a jti to use up").conditions()[0].0.clone()
        };
        assert_eq!(used("1"), used("1"));
        assert_ne!(used("1"), used("2"));
    }

    #[test]
    fn keys_and_algorithms() {
        let (own, other) = (key(SigningAlgorithm::Es256), key(SigningAlgorithm::Es256));
        let good = claims(&json!({}));
        let strange = tried(&client(&own, ""), &other, &good).err();
        assert_eq!(strange, Some(Refused::UnknownKey));
        let fixed = client(&own, r#","token_endpoint_auth_signing_alg":"PS256""#);
        assert!(tried(&fixed, &own, &good).is_err());
        let fixed = client(&own, r#","token_endpoint_auth_signing_alg":"ES256""#);
        assert!(tried(&fixed, &own, &good).is_ok());
        let none = Registry::read(&format!(
            r#"[{{"client_id":"a","token_endpoint_auth_method":"private_key_jwt","token_endpoint_auth_signing_alg":"none","jwks":{}}}]"#,
            json!({ "keys": [own.public_jwk()] })
        ));
        assert!(none.is_err());
    }

    /// FA-10: what a registration leaves open, the profile closes.
    #[test]
    fn rs256_is_no_assertion_under_fapi2() {
        let key = key(SigningAlgorithm::Rs256);
        let jwks = json!({ "keys": [key.public_jwk()] });
        let text = format!(
            r#"[{{"client_id":"a","token_endpoint_auth_method":"private_key_jwt","tls_client_certificate_bound_access_tokens":true,"jwks":{jwks}}}]"#
        );
        for (profile, good) in [(Profile::OAuth2, true), (Profile::Fapi2, false)] {
            let registry = Registry::read_under(&text, profile).expect("a registration");
            let found = tried(&registry, &key, &claims(&json!({})));
            assert_eq!(found.is_ok(), good, "{profile}");
        }
    }

    #[test]
    fn without_keys_or_assertion() {
        let form = Form::parse(b"client_id=a").expect("a form");
        let credentials = Credentials::read(&HeaderMap::new(), &form).expect("credentials");
        let own = client(&key(SigningAlgorithm::Es256), "");
        let found = attempt(&own, &credentials, &nothing(), NOW).err();
        assert_eq!(found, Some(Refused::NoAssertion));
        let elsewhere = registry(
            r#"[{"client_id":"a","token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://a.example/jwks"}]"#,
        );
        let found = tried(
            &elsewhere,
            &key(SigningAlgorithm::Es256),
            &claims(&json!({})),
        )
        .err();
        assert_eq!(found, Some(Refused::KeysUnavailable));
    }

    #[test]
    fn keys_for_encryption_alone_are_not_enough() {
        let own = key(SigningAlgorithm::Es256).public_jwk();
        let mut encrypts = own.clone();
        encrypts["use"] = json!("enc");
        let x = "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08";
        let agrees = json!({"kty": "OKP", "crv": "X25519", "x": x});
        for (keys, enough) in [
            (json!([encrypts, agrees]), false),
            (json!([encrypts, agrees, own]), true),
        ] {
            let registration = json!([{
                "client_id": "a",
                "token_endpoint_auth_method": "private_key_jwt",
                "jwks": { "keys": keys },
            }]);
            let read = Registry::read(&registration.to_string());
            assert_eq!(read.is_ok(), enough, "{registration}");
            if let Err(problems) = read {
                assert!(format!("{problems:?}").contains("verifies a signature"));
            }
        }
    }
}

#[cfg(test)]
mod typ_tests {
    use serde_json::json;

    use super::*;
    use crate::client::Registry;
    use crate::client::belief::Belief;
    use crate::client::credentials::Credentials;
    use crate::key::algorithm::SigningAlgorithm;
    use crate::key::signing::SigningKey;
    use crate::oauth::form::Form;
    use crate::proxy::presented::Presented;

    const ISSUER: &str = "https://as.example.com";

    /// Whether an assertion of that `typ` authenticates its client.
    fn authenticates(typ: &str) -> Result<(), Refused> {
        let key = SigningKey::generate(SigningAlgorithm::Es256).expect("a key");
        let registration = json!([{
            "client_id": "a",
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": { "keys": [key.public_jwk()] },
        }]);
        let registry = Registry::read(&registration.to_string()).expect("a registration");
        let claims = json!({"iss": "a", "sub": "a", "aud": ISSUER, "exp": 1_060, "jti": "1"});
        let assertion = key.sign_compact(typ, &claims).expect("signed");
        let body = format!(
            "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion={assertion}"
        );
        let form = Form::parse(body.as_bytes()).expect("a form");
        let credentials = Credentials::read(&http::HeaderMap::new(), &form).expect("one way");
        let proven = registry.authenticate(&Attempt {
            credentials: &credentials,
            presented: &Presented::nothing(),
            belief: &Belief::default(),
            remote: None,
            issuer: ISSUER,
            now: Timestamp::from_unix(1_000),
            steps: None,
        });
        proven.map(|proven| assert!(proven.first().is_some(), "it is used up"))
    }

    #[test]
    fn another_kind_of_jwt_is_no_assertion() {
        for typ in ["JWT", "jwt", "client-authentication+jwt"] {
            assert_eq!(authenticates(typ), Ok(()), "{typ}");
        }
        for typ in ["at+jwt", "dpop+jwt", "logout+jwt", "oauth-authz-req+jwt"] {
            assert!(
                matches!(authenticates(typ), Err(Refused::Assertion(_))),
                "{typ}"
            );
        }
    }
}
