//! From a grant to a token or a refusal (RFC 6749 section 4).

pub mod authorization_code;
mod client_credentials;
mod family;
pub mod refresh_token;
mod response;

use std::borrow::Cow;

pub use response::TokenResponse;

use crate::client::AuthenticatedClient;
use crate::client::registration::{AccessTokenFormat, ClientRegistration};
use crate::key::set::KeySet;
use crate::key::signing::UnsignedJws;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::form::Form;
use crate::oauth::nearest::nearest;
use crate::oauth::resource::Resource;
use crate::oauth::scope::Scope;
use crate::oauth::secret::Secret;
use crate::oauth::time::{Lifetime, Timestamp};
use crate::record::{Changes, Key, Record};
use crate::token::family::{Authentication, Family, FamilyId};
use crate::token::id_token::IdToken;
use crate::token::{self, AccessToken, Claims, Confirmation, Issue, Text, Written};
use crate::user::Users;

/// Every grant, as `grant_types_supported` lists them.
pub const GRANTS: &[&dyn Grant] = &[
    &client_credentials::ClientCredentials,
    &authorization_code::Code,
    &refresh_token::Refresh,
];

/// A `grant_type`.
pub trait Grant: Sync {
    /// Its registered name.
    fn name(&self) -> &'static str;

    /// The keys of the records that it decides on: those of what the form presents.
    fn presents(&self, _form: &Form<'_>, _issuer: &str) -> Vec<Key> {
        Vec::new()
    }

    /// Decides.
    fn decide(&self, ask: &Ask<'_>) -> Result<Granted, Refusal>;
}

/// The grant that the request names, if the client may use it at all.
pub fn chosen(
    form: &Form<'_>,
    client: &AuthenticatedClient,
) -> Result<&'static dyn Grant, OAuthError> {
    let name = form.required("grant_type")?;
    let grant = GRANTS
        .iter()
        .copied()
        .find(|grant| grant.name() == name)
        .ok_or_else(|| {
            let near = nearest(name, GRANTS.iter().map(|grant| grant.name()));
            let hint = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
            OAuthError::new(
                ErrorCode::UnsupportedGrantType,
                format!("there is no such grant here{hint}"),
            )
        })?;
    if !client.registration().may_use(grant.name()) {
        return Err(OAuthError::new(
            ErrorCode::UnauthorizedClient,
            "this client is not registered for this grant: name it in grant_types",
        ));
    }
    Ok(grant)
}

/// What a grant decides on.
pub struct Ask<'a> {
    /// The parameters.
    pub form: &'a Form<'a>,
    /// Who asks.
    pub client: &'a AuthenticatedClient,
    /// The keys that the grant named, and the records that are there, in the same order.
    pub keys: &'a [Key],
    /// Nothing where there is no such record.
    pub evidence: &'a [Option<Record>],
    /// What is so.
    pub context: &'a Context<'a>,
}

impl<'a> Ask<'a> {
    /// The record of that one of the keys, if there is one.
    fn evidence(&self, at: usize) -> Option<&'a Record> {
        self.evidence.get(at)?.as_ref()
    }
}

/// Time, chance, and what the server is set to.
pub struct Context<'a> {
    /// Now.
    pub now: Timestamp,
    /// Makes 256 bits of chance, in base64url.
    pub mint: &'a (dyn Fn() -> Secret + Sync),
    /// The issuer identifier.
    pub issuer: &'a str,
    /// The signing keys.
    pub keys: &'a KeySet,
    /// The users that are known here.
    pub users: &'a Users,
    /// How long access tokens live.
    pub access_token_ttl: Lifetime,
    /// How long refresh tokens live.
    pub refresh_token_ttl: Lifetime,
    /// Their form, where the registration does not say.
    pub access_token_format: AccessTokenFormat,
}

/// A token response, what must be committed for it to be true, and what the audit line says of it.
#[derive(Debug)]
#[must_use = "the tokens are good only once the changes are committed"]
pub struct Granted {
    /// RFC 6749 section 5.1.
    pub response: TokenResponse,
    /// All or none.
    pub changes: Changes,
    /// What was issued.
    pub token: AccessToken,
    /// In which form.
    pub format: AccessTokenFormat,
    /// The access token, where it is yet to be signed: then the response has none.
    pub unsigned: Option<UnsignedJws>,
    /// The ID token that goes along, yet to be signed.
    pub id_token: Option<IdToken>,
}

#[cfg(test)]
impl Granted {
    /// The response once the access token is signed.
    fn response_json(&mut self) -> serde_json::Value {
        if let Some(unsigned) = self.unsigned.take() {
            let signed = unsigned.sign().expect("the key signs");
            self.response.access_token = Some(Secret::new(signed));
        }
        let json = self.response.to_json().expect("a token");
        serde_json::from_str(&json).expect("JSON")
    }
}

/// A refusal, which may change state as well: a code used twice ends what it gave.
#[derive(Debug)]
pub struct Refusal {
    /// What the caller is told.
    pub error: OAuthError,
    /// What happens all the same.
    pub changes: Changes,
}

impl From<OAuthError> for Refusal {
    fn from(error: OAuthError) -> Self {
        Self {
            error,
            changes: Changes::none(),
        }
    }
}

/// The scope asked for, which must be within what the client may have; all of that where none is asked
/// for (RFC 6749 section 3.3).
fn scope(ask: &Ask<'_>) -> Result<Scope, OAuthError> {
    let allowed = ask.client.registration().scope();
    let Some(asked) = ask.form.value("scope") else {
        return Ok(allowed.clone());
    };
    let asked = Scope::parse(asked)
        .map_err(|error| OAuthError::new(ErrorCode::InvalidScope, error.to_string()))?;
    match asked.beyond(allowed) {
        None => Ok(asked),
        Some(token) => {
            let cause = format!("the scope {token} is not registered for the client");
            Err(OAuthError::new(
                ErrorCode::InvalidScope,
                "the scope is more than this client may have",
            )
            .because(cause))
        }
    }
}

/// Whom the token is for: the resources asked for (RFC 8707 section 2), which must be registered; else
/// all that is registered; else this issuer.
fn audience(ask: &Ask<'_>) -> Result<Vec<String>, OAuthError> {
    let registered = ask.client.registration().audience();
    let mut asked: Vec<String> = Vec::new();
    for text in ask.form.values("resource") {
        let invalid =
            |description: Cow<'static, str>| OAuthError::new(ErrorCode::InvalidTarget, description);
        let resource = Resource::parse(text).map_err(|error| invalid(error.to_string().into()))?;
        if !registered.iter().any(|known| known == resource.as_str()) {
            return Err(invalid(
                "the resource is not one that this client may have tokens for".into(),
            )
            .because(format!(
                "the resource {} is not in the client's audience",
                resource.as_str()
            )));
        }
        if !asked.iter().any(|known| known == resource.as_str()) {
            asked.push(resource.as_str().to_owned());
        }
    }
    if !asked.is_empty() {
        return Ok(asked);
    }
    if registered.is_empty() {
        return Ok(vec![ask.context.issuer.to_owned()]);
    }
    Ok(registered.to_vec())
}

/// What an access token is to say, besides whose it is.
struct Released {
    subject: String,
    scope: Scope,
    audience: Vec<String>,
    authentication: Option<Authentication>,
    family: Option<FamilyId>,
}

/// Issues an access token: the step that every grant ends with.
fn issue(ask: &Ask<'_>, released: Released) -> Result<Granted, OAuthError> {
    let confirmation = ask.client.binding()?;
    access_token(
        ask.client.registration(),
        ask.context,
        released,
        confirmation.map(|certificate| Confirmation { certificate }),
    )
}

fn access_token(
    registration: &ClientRegistration,
    context: &Context<'_>,
    released: Released,
    confirmation: Option<Confirmation>,
) -> Result<Granted, OAuthError> {
    let format = registration
        .access_token_format()
        .unwrap_or(context.access_token_format);
    let claims = Claims {
        client_id: registration.client_id().clone(),
        subject: released.subject,
        scope: released.scope,
        audience: released.audience,
        issued: context.now,
        expires: context.now.after(context.access_token_ttl),
        confirmation,
        authentication: released.authentication,
        family: released.family,
    };
    let secret = (context.mint)();
    let issue = Issue {
        issuer: context.issuer,
        keys: context.keys,
        secret: &secret,
    };
    let written = token::format(format).write(claims, &issue);
    let Written {
        token,
        text,
        changes,
    } = written.map_err(|error| {
        OAuthError::new(ErrorCode::ServerError, "the token could not be issued").because(error)
    })?;
    let (access_token, unsigned) = match text {
        Text::Whole(text) => (Some(text), None),
        Text::Unsigned(unsigned) => (None, Some(unsigned)),
    };
    let response = TokenResponse {
        access_token,
        expires_in: context.access_token_ttl,
        scope: token.claims.scope.clone(),
        refresh_token: None,
        id_token: None,
    };
    Ok(Granted {
        response,
        changes,
        token,
        format,
        unsigned,
        id_token: None,
    })
}

/// An access token that the authorization endpoint sends (OpenID Connect Core section 3.3.2.5), to a client
/// whose tokens are not bound: nothing can bind what travels through a browser (RFC 8705 section 6.4).
///
/// # Errors
/// The client is registered for bound tokens.
pub fn front_channel(
    registration: &ClientRegistration,
    context: &Context<'_>,
    family: &Family,
    name: FamilyId,
) -> Result<Granted, OAuthError> {
    if registration.is_bound() {
        return Err(OAuthError::new(
            ErrorCode::UnauthorizedClient,
            "a token that is sent through the browser cannot be bound to a certificate",
        ));
    }
    let released = Released {
        subject: family.subject.clone(),
        scope: family.scope.clone(),
        audience: family.audience.clone(),
        authentication: Some(family.authentication.clone()),
        family: Some(name),
    };
    access_token(registration, context, released, None)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use serde_json::{Value, json};

    use super::*;
    use crate::cert::ClientCertificate;
    use crate::client::belief::Belief;
    use crate::client::credentials::Credentials;
    use crate::client::{Attempt, Registry};
    use crate::key::algorithm::SigningAlgorithm;
    use crate::key::set::ManagedKey;
    use crate::key::signing::SigningKey;
    use crate::proxy::Encoding;
    use crate::proxy::presented::Presented;

    const NOW: Timestamp = Timestamp::from_unix(1_795_311_512);
    const ISSUER: &str = "https://as.example.com";

    const CLIENTS: &str = r#"[
        {"client_id":"plain","token_endpoint_auth_method":"client_secret_post","client_secret":"s"},
        {"client_id":"full","token_endpoint_auth_method":"client_secret_post","client_secret":"s",
         "scope":"a b","audience":["https://one.example","https://two.example"],"access_token_format":"opaque",
         "tls_client_certificate_bound_access_tokens":true},
        {"client_id":"code","token_endpoint_auth_method":"client_secret_post","client_secret":"s",
         "grant_types":["authorization_code"],"redirect_uris":["https://app.example/cb"]}
    ]"#;

    fn presented() -> Presented {
        let pem = include_str!("../../tests/fixtures/pki/p256.crt");
        let certificate = ClientCertificate::from_pem(pem).expect("a fixture");
        Presented::supposed(certificate, Vec::new(), Encoding::AUTO)
    }

    fn decided(client: &str, parameters: &str) -> Result<Granted, OAuthError> {
        let body = format!("client_id={client}&client_secret=s&{parameters}");
        let form = Form::parse(body.as_bytes()).expect("a form of this table");
        let registry = Registry::read(CLIENTS).expect("registrations");
        let proven = registry.authenticate(&Attempt {
            credentials: &Credentials::read(&HeaderMap::new(), &form).expect("credentials"),
            presented: &presented(),
            belief: &Belief::default(),
            remote: None,
            issuer: ISSUER,
            now: NOW,
            steps: None,
        });
        let key = SigningKey::generate(SigningAlgorithm::Es256).expect("entropy");
        let keys = KeySet::new()
            .with(ManagedKey::new(std::sync::Arc::new(key), NOW, NOW))
            .expect("one key");
        let users = Users::default();
        let context = Context {
            users: &users,
            refresh_token_ttl: Lifetime::from_seconds(3600),
            now: NOW,
            mint: &|| Secret::new("c".repeat(43)),
            issuer: ISSUER,
            keys: &keys,
            access_token_ttl: Lifetime::from_seconds(600),
            access_token_format: AccessTokenFormat::Jwt,
        };
        let client = proven.expect("authenticated").into_client();
        let ask = Ask {
            form: &form,
            client: &client,
            keys: &[],
            evidence: &[],
            context: &context,
        };
        let decided = chosen(&form, &client)?.decide(&ask);
        decided.map_err(|refusal| refusal.error)
    }

    #[test]
    fn scope_and_audience_are_within_the_registration() {
        let issuer = &[ISSUER][..];
        let both = &["https://one.example", "https://two.example"][..];
        let one = "resource=https://one.example";
        for (client, parameters, expected) in [
            ("plain", String::new(), Ok(("", issuer))),
            ("plain", "&scope=a".into(), Err(ErrorCode::InvalidScope)),
            ("plain", format!("&{one}"), Err(ErrorCode::InvalidTarget)),
            ("full", String::new(), Ok(("a b", both))),
            ("full", "&scope=b".into(), Ok(("b", both))),
            ("full", "&scope=b+c".into(), Err(ErrorCode::InvalidScope)),
            ("full", "&scope=b%22".into(), Err(ErrorCode::InvalidScope)),
            ("full", format!("&{one}"), Ok(("a b", &both[..1]))),
            ("full", format!("&{one}&{one}"), Ok(("a b", &both[..1]))),
            (
                "full",
                format!("&{one}&resource=https://two.example"),
                Ok(("a b", both)),
            ),
            (
                "full",
                "&resource=https://three.example".into(),
                Err(ErrorCode::InvalidTarget),
            ),
            (
                "full",
                format!("&{one}%23fragment"),
                Err(ErrorCode::InvalidTarget),
            ),
            (
                "full",
                "&resource=one".into(),
                Err(ErrorCode::InvalidTarget),
            ),
        ] {
            let granted = decided(
                client,
                &format!("grant_type=client_credentials{parameters}"),
            );
            let found = granted.as_ref().map(|granted| {
                let token = &granted.token;
                (
                    token.claims.scope.as_str(),
                    token
                        .claims
                        .audience
                        .iter()
                        .map(String::as_str)
                        .collect::<Vec<_>>(),
                )
            });
            let expected = expected.map(|(scope, audience)| (scope, audience.to_vec()));
            assert_eq!(
                found.map_err(OAuthError::code),
                expected,
                "{client} {parameters}"
            );
        }
    }

    #[test]
    fn grants_that_are_refused() {
        for (client, parameters, expected) in [
            ("plain", "", ErrorCode::InvalidRequest),
            ("plain", "grant_type=", ErrorCode::InvalidRequest),
            (
                "plain",
                "grant_type=password",
                ErrorCode::UnsupportedGrantType,
            ),
            (
                "plain",
                "grant_type=client_credential",
                ErrorCode::UnsupportedGrantType,
            ),
            (
                "code",
                "grant_type=client_credentials",
                ErrorCode::UnauthorizedClient,
            ),
            (
                "code",
                "grant_type=authorization_code",
                ErrorCode::InvalidRequest,
            ),
            (
                "code",
                "grant_type=authorization_code&code=cbac_a.b",
                ErrorCode::InvalidGrant,
            ),
            (
                "plain",
                "grant_type=refresh_token&refresh_token=a",
                ErrorCode::UnauthorizedClient,
            ),
            (
                "plain",
                "grant_type=urn:ietf:params:oauth:grant-type:token-exchange",
                ErrorCode::UnsupportedGrantType,
            ),
        ] {
            let error = decided(client, parameters).expect_err("refused");
            assert_eq!(error.code(), expected, "{client} {parameters}");
        }
    }

    #[test]
    fn the_response_of_rfc_6749_section_5_1() {
        let response = |client: &str| -> (Value, Granted) {
            let mut granted = decided(client, "grant_type=client_credentials").expect("granted");
            (granted.response_json(), granted)
        };
        let (plain, granted) = response("plain");
        assert_eq!(plain["token_type"], "Bearer");
        assert_eq!(plain["expires_in"], 600);
        assert!(plain.get("scope").is_none() && granted.changes.is_empty());
        assert_eq!(granted.token.claims.confirmation, None);
        let (full, granted) = response("full");
        assert_eq!(full["scope"], "a b");
        assert_eq!(
            full["access_token"],
            json!(format!("cbat_{}", "c".repeat(43)))
        );
        assert_eq!(granted.format, AccessTokenFormat::Opaque);
        assert_eq!(granted.changes.operations().len(), 1);
        let bound = granted.token.claims.confirmation.map(|cnf| cnf.certificate);
        let presented = presented();
        assert_eq!(
            bound.as_ref(),
            presented.certificate().map(|it| it.thumbprint())
        );
    }
}
