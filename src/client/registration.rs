//! One client as it is meant (RFC 7591 section 2): made from [`Metadata`] that holds together, or not
//! at all.

use std::fmt;

use super::members::{
    choice, client_id, foreign_members, grant_types, jwks, jwks_uri, method, names, possession,
    whoever_proves_nothing,
};
use super::metadata::Metadata;
use super::people::{Known, People};
use super::{Authenticator, Contradiction, Method, fapi2};
use crate::key::algorithm::SigningAlgorithm;
use crate::key::jwk::JwkSet;
use crate::oauth::ClientId;
use crate::oauth::profile::Profile;
use crate::oauth::scope::Scope;

/// The form of an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccessTokenFormat {
    /// RFC 9068.
    Jwt,
    /// Random, with its meaning in the store.
    Opaque,
}

impl AccessTokenFormat {
    /// Every form.
    pub const ALL: &'static [Self] = &[Self::Jwt, Self::Opaque];

    /// As configuration writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::Opaque => "opaque",
        }
    }

    /// The form of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|format| format.name() == name)
    }
}

/// A client that may ask for tokens.
pub struct ClientRegistration {
    client_id: ClientId,
    name: Option<String>,
    method: &'static dyn Method,
    authenticator: Box<dyn Authenticator>,
    jwks: Option<JwkSet>,
    jwks_uri: Option<String>,
    bound: bool,
    grant_types: Vec<String>,
    scope: Scope,
    audience: Vec<String>,
    resource: Vec<String>,
    access_token_format: Option<AccessTokenFormat>,
    introspect_any: bool,
    introspection_alg: Option<SigningAlgorithm>,
    people: People,
}

impl ClientRegistration {
    /// Makes sense of what is written, or says every member that makes none.
    /// Under FAPI 2.0 what that profile forbids is wrong as well.
    pub fn from_metadata(
        mut metadata: Metadata,
        profile: Profile,
    ) -> Result<Self, Vec<Contradiction>> {
        let mut wrong = Vec::new();
        let client_id = client_id(&metadata).map_err(|w| wrong.push(w)).ok();
        let method = method(&metadata).map_err(|w| wrong.push(w)).ok();
        let authenticator = method.and_then(|method| {
            foreign_members(&metadata, method, &mut wrong);
            method
                .enrol(&metadata, profile)
                .map_err(|w| wrong.push(w))
                .ok()
        });
        let jwks_uri = jwks_uri(&metadata)
            .map_err(|w| wrong.push(w))
            .ok()
            .flatten();
        let names_grants = metadata.grant_types.is_some();
        let grant_types = grant_types(&mut metadata).map_err(|w| wrong.push(w)).ok();
        let bound = metadata
            .tls_client_certificate_bound_access_tokens
            .unwrap_or(method.is_some_and(Method::is_mutual_tls));
        possession(&metadata, bound, grant_types.as_deref(), &mut wrong);
        let scope = Scope::parse(metadata.scope.as_deref().unwrap_or_default())
            .map_err(|error| wrong.push(Contradiction::new("scope", error.to_string())))
            .ok();
        let audience = names("audience", metadata.audience.take())
            .map_err(|w| wrong.push(w))
            .ok();
        let resource = names("resource", metadata.resource.take())
            .map_err(|w| wrong.push(w))
            .ok();
        let access_token_format = choice(
            "access_token_format",
            metadata.access_token_format.as_deref(),
            AccessTokenFormat::named,
            "jwt or opaque",
        )
        .map_err(|w| wrong.push(w))
        .ok();
        let introspection_alg = choice(
            "introspection_signed_response_alg",
            metadata.introspection_signed_response_alg.as_deref(),
            |name| name.parse().ok(),
            "ES256, RS256, PS256 or EdDSA",
        )
        .map_err(|w| wrong.push(w))
        .ok();
        whoever_proves_nothing(&metadata, &mut wrong);
        let jwks = jwks(&metadata, &mut wrong);
        // Whoever has no method that is known is told of that, and not what the wrong one would lead to.
        let people = match (method, &grant_types) {
            (Some(method), Some(grant_types)) => {
                let known = Known {
                    metadata: &metadata,
                    confidential: method.name() != "none",
                    bound,
                    grant_types,
                    names_grants,
                    profile,
                };
                let people = People::read(&known, &mut wrong);
                if profile.is_fapi2() {
                    fapi2::forbidden(&known, method, &people, &mut wrong);
                }
                Some(people)
            }
            _ => None,
        };
        let made = (|| {
            Some(Self {
                client_id: client_id?,
                name: metadata.client_name,
                method: method?,
                authenticator: authenticator?,
                jwks_uri,
                bound,
                grant_types: grant_types?,
                scope: scope?,
                audience: audience?,
                resource: resource?,
                access_token_format: access_token_format?,
                introspect_any: metadata.introspect_any.unwrap_or(false),
                introspection_alg: introspection_alg?,
                jwks,
                people: people?,
            })
        })();
        match made {
            Some(made) if wrong.is_empty() => Ok(made),
            _ => Err(wrong),
        }
    }

    /// Its identifier.
    pub fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// Its name for people.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The one method by which it authenticates.
    pub fn method(&self) -> &'static dyn Method {
        self.method
    }

    /// Whether it proves itself by anything at all (RFC 6749 section 2.1).
    pub fn is_confidential(&self) -> bool {
        self.method.name() != "none"
    }

    /// What authenticates it.
    pub fn authenticator(&self) -> &dyn Authenticator {
        self.authenticator.as_ref()
    }

    /// Its keys, if they are in the registration.
    pub fn jwks(&self) -> Option<&JwkSet> {
        self.jwks.as_ref()
    }

    /// Where its keys are, if they are not in the registration.
    pub fn jwks_uri(&self) -> Option<&str> {
        self.jwks_uri.as_deref()
    }

    /// Whether every token of this client is bound to its certificate (RFC 8705 section 3.4).
    pub fn is_bound(&self) -> bool {
        self.bound
    }

    /// Whether it may use that grant.
    pub fn may_use(&self, grant_type: &str) -> bool {
        self.grant_types.iter().any(|known| known == grant_type)
    }

    /// All the scope that it may have.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// What its tokens are for, and which resources it may name (RFC 8707).
    pub fn audience(&self) -> &[String] {
        &self.audience
    }

    /// What it is, as a resource server.
    pub fn resource(&self) -> &[String] {
        &self.resource
    }

    /// The form of its access tokens, where it differs from the server's.
    pub fn access_token_format(&self) -> Option<AccessTokenFormat> {
        self.access_token_format
    }

    /// Whether introspection shows it every token.
    pub fn may_introspect_any(&self) -> bool {
        self.introspect_any
    }

    /// What it says about people.
    pub fn people(&self) -> &People {
        &self.people
    }

    /// How introspection answers to it are signed (RFC 9701 section 6).
    pub fn introspection_alg(&self) -> Option<SigningAlgorithm> {
        self.introspection_alg
    }
}

impl fmt::Debug for ClientRegistration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientRegistration")
            .field("client_id", &self.client_id)
            .field("method", &self.method.name())
            .field("bound", &self.bound)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::metadata;
    use super::*;

    fn read(members: &str) -> (Vec<Metadata>, Vec<metadata::Problem>) {
        let mut read = Vec::new();
        let text = format!("[{{{members}}}]");
        let problems = metadata::read(&text, |_, metadata| read.push(metadata));
        (read, problems)
    }

    /// The members that are wrong with a registration, or none.
    fn wrong(members: &str) -> Vec<(&'static str, String)> {
        let (read, problems) = read(members);
        assert!(problems.is_empty(), "{members}: {problems:?}");
        let metadata = read.into_iter().next().expect("one registration");
        match ClientRegistration::from_metadata(metadata, Profile::OAuth2) {
            Ok(_) => Vec::new(),
            Err(wrong) => wrong.into_iter().map(|w| (w.member, w.text)).collect(),
        }
    }

    fn made(members: &str) -> ClientRegistration {
        let (read, _) = read(members);
        let metadata = read.into_iter().next().expect("one registration");
        ClientRegistration::from_metadata(metadata, Profile::OAuth2)
            .expect("a registration of this table")
    }

    const TLS: &str = r#""client_id":"a","token_endpoint_auth_method":"tls_client_auth""#;

    #[test]
    fn contradictions_name_the_member() {
        let dn = r#""tls_client_auth_subject_dn":"CN=a""#;
        let secret = r#""client_secret":"x""#;
        for (members, member) in [
            (TLS.to_owned(), "tls_client_auth_subject_dn"),
            (format!(r#"{TLS},{dn},"tls_client_auth_san_dns":"a.example""#), "tls_client_auth_san_dns"),
            (format!(r#"{TLS},"tls_client_auth_subject_dn":"/CN=a""#), "tls_client_auth_subject_dn"),
            (format!(r#"{TLS},"tls_client_auth_subject_dn":"""#), "tls_client_auth_subject_dn"),
            (format!(r#"{TLS},"tls_client_auth_subject_dn":".*""#), "tls_client_auth_subject_dn"),
            (format!(r#"{TLS},"tls_client_auth_san_ip":"10.0.0.0/8""#), "tls_client_auth_san_ip"),
            (format!(r#"{TLS},"tls_client_auth_san_dns":"*.example.com""#), "tls_client_auth_san_dns"),
            (format!("{TLS},{dn},{secret}"), "client_secret"),
            (format!(r#"{TLS},{dn},"tls_client_auth_alternatives":[{{}}]"#), "tls_client_auth_alternatives"),
            (
                format!(r#"{TLS},{dn},"tls_client_auth_alternatives":[{{"tls_client_auth_san_dns":"b.example","not_after":"soon"}}]"#),
                "tls_client_auth_alternatives",
            ),
            (format!(r#"{TLS},{dn},"tls_client_auth_trust_anchors":"none""#), "tls_client_auth_trust_anchors"),
            (format!(r#"{TLS},{dn},"grant_types":[]"#), "tls_client_certificate_bound_access_tokens"),
            (format!(r#"{TLS},{dn},"dpop_bound_access_tokens":true"#), "dpop_bound_access_tokens"),
            (format!(r#"{TLS},{dn},"grant_types":["client_credential"]"#), "grant_types"),
            (format!(r#"{TLS},{dn},"scope":"a\"b""#), "scope"),
            (format!(r#"{TLS},{dn},"access_token_format":"xml""#), "access_token_format"),
            (format!(r#"{TLS},{dn},"introspection_signed_response_alg":"none""#), "introspection_signed_response_alg"),
            (format!(r#"{TLS},{dn},"pkce":"sometimes""#), "pkce"),
            (r#""token_endpoint_auth_method":"none""#.to_owned(), "client_id"),
            (r#""client_id":"é","token_endpoint_auth_method":"none""#.to_owned(), "client_id"),
            (r#""client_id":"a""#.to_owned(), "client_secret_sha256"),
            (format!(r#""client_id":"a",{secret},"client_secret_sha256":"00""#), "client_secret"),
            (r#""client_id":"a","client_secret_sha256":"00""#.to_owned(), "client_secret_sha256"),
            (r#""client_id":"a","token_endpoint_auth_method":"tls_client""#.to_owned(), "token_endpoint_auth_method"),
            (r#""client_id":"a","token_endpoint_auth_method":"private_key_jwt""#.to_owned(), "jwks"),
            (
                r#""client_id":"a","token_endpoint_auth_method":"private_key_jwt","jwks":{"keys":[]}"#.to_owned(),
                "jwks",
            ),
            (
                r#""client_id":"a","token_endpoint_auth_method":"private_key_jwt","jwks_uri":"ftp://a""#.to_owned(),
                "jwks_uri",
            ),
            (
                r#""client_id":"a","token_endpoint_auth_method":"private_key_jwt","jwks":{"keys":[]},"jwks_uri":"https://a.example""#
                    .to_owned(),
                "jwks_uri",
            ),
            (
                r#""client_id":"a","token_endpoint_auth_method":"self_signed_tls_client_auth","jwks":{"keys":[]}"#.to_owned(),
                "jwks",
            ),
            (
                r#""client_id":"a","token_endpoint_auth_method":"none","introspect_any":true"#.to_owned(),
                "introspect_any",
            ),
            (
                r#""client_id":"a","token_endpoint_auth_method":"none","refresh_token_binding":"client""#.to_owned(),
                "refresh_token_binding",
            ),
            (
                format!(r#""client_id":"a",{secret},"jwks":{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}}]}}"#),
                "jwks",
            ),
            (
                r#""client_id":"a","client_secret_sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855""#.to_owned(),
                "client_secret_sha256",
            ),
        ] {
            let found = wrong(&members);
            assert!(found.iter().any(|(name, _)| *name == member), "{members}: {found:?}");
            assert!(found.iter().all(|(_, text)| text.len() > 10), "{members}: {found:?}");
        }
    }

    #[test]
    fn a_key_alone_is_no_certificate() {
        let key = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
        let method =
            r#""client_id":"a","token_endpoint_auth_method":"self_signed_tls_client_auth""#;
        let found = wrong(&format!(r#"{method},"jwks":{{"keys":[{key}]}}"#));
        assert!(found[0].1.contains("x5c"), "{found:?}");
        let pinned = key.replace(
            '}',
            r#","x5t#S256":"A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"}"#,
        );
        assert!(wrong(&format!(r#"{method},"jwks":{{"keys":[{pinned}]}}"#)).is_empty());
    }

    #[test]
    fn defaults() {
        let mtls = made(&format!(r#"{TLS},"tls_client_auth_subject_dn":"CN=a""#));
        assert!(mtls.is_bound() && mtls.is_confidential() && mtls.may_use("client_credentials"));
        let unbound = made(&format!(
            r#"{TLS},"tls_client_auth_subject_dn":"CN=a","tls_client_certificate_bound_access_tokens":false"#
        ));
        assert!(!unbound.is_bound());
        let secret = made(r#""client_id":"a","client_secret":"x""#);
        assert_eq!(secret.method().name(), "client_secret_basic");
        assert!(!secret.is_bound() && !secret.may_introspect_any());
        let web =
            made(r#""client_id":"a","client_secret":"x","redirect_uris":["https://a.example/cb"]"#);
        assert!(!web.may_use("client_credentials"));
        assert!(!made(r#""client_id":"a","token_endpoint_auth_method":"none""#).is_confidential());
    }
}
