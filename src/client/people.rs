//! What a registration says about people: where they are sent back to, how they sign in, what they are
//! told, and what holds the tokens that they allow (RFC 7591 section 2, OpenID Connect Registration
//! section 2, RFC 9126 section 6).

mod protection;
mod redirection;
mod refresh;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::Contradiction;
use super::members::choice;
use super::metadata::Metadata;
use crate::key::algorithm::SigningAlgorithm;
use crate::key::jwe::Encryption;
use crate::oauth::pkce::CodeChallengeMethod;
use crate::oauth::profile::Profile;
use crate::oauth::redirect_uri::RedirectUri;
use crate::oauth::response::ResponseType;
use crate::oauth::scope::Scope;
use crate::oauth::time::Lifetime;

/// What a client may ask of a user where its registration has no `scope`: what OpenID Connect Core sections
/// 5.4 and 11 define, and nothing that could be a right at anybody's resource server.
pub const DEFAULT_SCOPE: &str = "openid profile email address phone offline_access";

/// What a client must do about PKCE (RFC 7636), by its registration's `pkce`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PkcePolicy {
    /// `required`, and Keycloak's `S256`: a challenge, made by S256.
    #[default]
    Required,
    /// `optional`: no challenge, or one made by S256.
    Optional,
    /// Keycloak's empty one: no challenge, or one made by any method.
    Any,
    /// Keycloak's `plain`: a challenge, which is the verifier itself.
    Plain,
}

impl PkcePolicy {
    /// The policy of that name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "required" | "S256" => Some(Self::Required),
            "optional" => Some(Self::Optional),
            "" => Some(Self::Any),
            "plain" => Some(Self::Plain),
            _ => None,
        }
    }

    /// Whether a request without a challenge is refused.
    pub const fn is_required(self) -> bool {
        matches!(self, Self::Required | Self::Plain)
    }

    /// The methods by which a challenge may be made.
    pub const fn methods(self) -> &'static [CodeChallengeMethod] {
        match self {
            Self::Required | Self::Optional => &[CodeChallengeMethod::S256],
            Self::Any => CodeChallengeMethod::ALL,
            Self::Plain => &[CodeChallengeMethod::Plain],
        }
    }
}

/// What a refresh token is held by (RFC 8705 sections 4 and 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshBinding {
    /// Possession alone: an unbound public client.
    Nothing,
    /// The certificate with which it was issued.
    Certificate,
    /// The key of that certificate, so that a renewal over the same key still holds it.
    Key,
    /// Whoever authenticates as the client.
    Client,
}

impl RefreshBinding {
    /// As registrations write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Certificate => "certificate",
            Self::Key => "key",
            Self::Client => "client",
        }
    }
}

/// The members of one registration that concern people, checked against each other.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the members of a registration, each by itself"
)]
pub struct People {
    redirect_uris: Vec<RedirectUri>,
    post_logout_redirect_uris: Vec<RedirectUri>,
    response_types: Vec<ResponseType>,
    scope: Scope,
    default_scope: Scope,
    pkce: PkcePolicy,
    id_token_alg: SigningAlgorithm,
    id_token_encryption: Option<Encryption>,
    userinfo_alg: Option<SigningAlgorithm>,
    userinfo_encryption: Option<Encryption>,
    default_max_age: Option<Lifetime>,
    default_acr_values: Vec<String>,
    acr_loa_map: Option<BTreeMap<String, u32>>,
    requires_par: bool,
    refresh_binding: RefreshBinding,
    rotates: bool,
    asks_consent: bool,
    backchannel_logout_uri: Option<String>,
    backchannel_session_required: bool,
    client_uri: Option<String>,
    logo_uri: Option<String>,
    policy_uri: Option<String>,
    tos_uri: Option<String>,
}

impl People {
    /// Reads those members, and says of each that makes no sense what to write instead.
    pub(super) fn read(known: &Known<'_>, wrong: &mut Vec<Contradiction>) -> Self {
        let metadata = known.metadata;
        application_type(metadata, wrong);
        let redirect_uris = redirection::uris(
            known,
            "redirect_uris",
            metadata.redirect_uris.as_deref(),
            wrong,
        );
        redirection::grants(known, &redirect_uris, wrong);
        let refresh_binding = refresh::binding(known, wrong);
        Self {
            post_logout_redirect_uris: redirection::uris(
                known,
                "post_logout_redirect_uris",
                metadata.post_logout_redirect_uris.as_deref(),
                wrong,
            ),
            redirect_uris,
            response_types: redirection::response_types(known, wrong),
            scope: scope(known),
            default_scope: default_scope(metadata),
            pkce: pkce(known, wrong),
            id_token_alg: protection::id_token_alg(known, wrong),
            id_token_encryption: protection::id_token_encryption(metadata, wrong),
            userinfo_alg: protection::userinfo_alg(metadata, wrong),
            userinfo_encryption: protection::userinfo_encryption(metadata, wrong),
            default_max_age: metadata.default_max_age.map(Lifetime::from_seconds),
            default_acr_values: default_acr_values(metadata, wrong),
            acr_loa_map: acr_loa_map(metadata, wrong),
            requires_par: metadata.require_pushed_authorization_requests == Some(true)
                || known.profile.is_fapi2(),
            refresh_binding,
            rotates: refresh::rotates(metadata, refresh_binding, wrong),
            asks_consent: metadata.consent.unwrap_or(true),
            backchannel_logout_uri: redirection::backchannel_logout_uri(metadata, wrong),
            backchannel_session_required: metadata.backchannel_logout_session_required
                == Some(true),
            client_uri: link("client_uri", metadata.client_uri.as_deref(), wrong),
            logo_uri: link("logo_uri", metadata.logo_uri.as_deref(), wrong),
            policy_uri: link("policy_uri", metadata.policy_uri.as_deref(), wrong),
            tos_uri: link("tos_uri", metadata.tos_uri.as_deref(), wrong),
        }
    }

    /// Where an authorization response may be sent.
    pub fn redirect_uris(&self) -> &[RedirectUri] {
        &self.redirect_uris
    }

    /// Where a browser may be sent after logout (OpenID Connect RP-Initiated Logout section 3.1).
    pub fn post_logout_redirect_uris(&self) -> &[RedirectUri] {
        &self.post_logout_redirect_uris
    }

    /// Which response types it may ask for.
    pub fn response_types(&self) -> &[ResponseType] {
        &self.response_types
    }

    /// What it may ask of a user: the registered `scope`, or [`DEFAULT_SCOPE`] where none is registered.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// What a request gets that names no scope (RFC 6749 section 3.3): the registered `scope` without what
    /// is about the user's identity, which is given only to whoever asks for it by name.
    pub fn default_scope(&self) -> &Scope {
        &self.default_scope
    }

    /// What it must do about PKCE.
    pub fn pkce(&self) -> PkcePolicy {
        self.pkce
    }

    /// How its ID tokens are signed: as registered, else RS256 (PS256 under FAPI 2.0).
    pub fn id_token_alg(&self) -> SigningAlgorithm {
        self.id_token_alg
    }

    /// How its ID tokens are encrypted, if they are.
    pub fn id_token_encryption(&self) -> Option<Encryption> {
        self.id_token_encryption
    }

    /// How userinfo answers to it are signed; plain JSON where that and the encryption are absent.
    pub fn userinfo_alg(&self) -> Option<SigningAlgorithm> {
        self.userinfo_alg
    }

    /// How userinfo answers to it are encrypted, if they are.
    pub fn userinfo_encryption(&self) -> Option<Encryption> {
        self.userinfo_encryption
    }

    /// How old a sign-in may be where the request does not say.
    pub fn default_max_age(&self) -> Option<Lifetime> {
        self.default_max_age
    }

    /// The acr values that are wished for where the request names none.
    pub fn default_acr_values(&self) -> &[String] {
        &self.default_acr_values
    }

    /// From acr to level of authentication, where it differs from the issuer's.
    pub fn acr_loa_map(&self) -> Option<&BTreeMap<String, u32>> {
        self.acr_loa_map.as_ref()
    }

    /// Whether only pushed requests are taken (RFC 9126 section 6).
    pub fn requires_par(&self) -> bool {
        self.requires_par
    }

    /// What its refresh tokens are held by.
    pub fn refresh_binding(&self) -> RefreshBinding {
        self.refresh_binding
    }

    /// Whether every use of a refresh token makes a new one.
    pub fn rotates(&self) -> bool {
        self.rotates
    }

    /// Whether users are asked to allow it what it asks for; not so for first-party clients.
    pub fn asks_consent(&self) -> bool {
        self.asks_consent
    }

    /// Whom to tell of a logout (OpenID Connect Back-Channel Logout section 2.2).
    pub fn backchannel_logout_uri(&self) -> Option<&str> {
        self.backchannel_logout_uri.as_deref()
    }

    /// Whether it wants to be told with the `sid` in each logout token.
    pub fn backchannel_session_required(&self) -> bool {
        self.backchannel_session_required
    }

    /// Its home page, for links.
    pub fn client_uri(&self) -> Option<&str> {
        self.client_uri.as_deref()
    }

    /// Its logo.
    pub fn logo_uri(&self) -> Option<&str> {
        self.logo_uri.as_deref()
    }

    /// What it does with people's data, for links.
    pub fn policy_uri(&self) -> Option<&str> {
        self.policy_uri.as_deref()
    }

    /// Its terms of service, for links.
    pub fn tos_uri(&self) -> Option<&str> {
        self.tos_uri.as_deref()
    }
}

/// What is known of a registration when it comes to people.
pub(super) struct Known<'a> {
    /// All that is written, without `grant_types`.
    pub(super) metadata: &'a Metadata,
    /// Whether the client authenticates.
    pub(super) confidential: bool,
    /// Whether its tokens are bound to its certificate.
    pub(super) bound: bool,
    /// Its grants, by registration or default.
    pub(super) grant_types: &'a [String],
    /// Whether they are by registration.
    pub(super) names_grants: bool,
    /// What is in force.
    pub(super) profile: Profile,
}

impl Known<'_> {
    fn may_use(&self, grant_type: &str) -> bool {
        self.grant_types.iter().any(|known| known == grant_type)
    }

    /// Whether the client runs on its user's machine (RFC 8252).
    fn is_native(&self) -> bool {
        self.metadata.application_type.as_deref() == Some("native")
    }
}

fn application_type(metadata: &Metadata, wrong: &mut Vec<Contradiction>) {
    for (member, written, good, text) in [
        (
            "application_type",
            &metadata.application_type,
            &["web", "native"][..],
            "it is not known; write web or native",
        ),
        (
            "subject_type",
            &metadata.subject_type,
            &["public"],
            "every client sees the same subject here; write public or take it out",
        ),
    ] {
        if let Some(written) = written
            && !good.contains(&written.as_str())
        {
            wrong.push(Contradiction::new(member, text));
        }
    }
}

/// Wrong scope is told of where the registration as a whole reads it.
fn scope(known: &Known<'_>) -> Scope {
    let written = known.metadata.scope.as_deref();
    let default = if known.may_use("authorization_code") {
        DEFAULT_SCOPE
    } else {
        ""
    };
    Scope::parse(written.unwrap_or(default)).unwrap_or_default()
}

fn default_scope(metadata: &Metadata) -> Scope {
    let written = metadata.scope.as_deref().unwrap_or_default();
    let rights: Vec<_> = written
        .split(' ')
        .filter(|token| !DEFAULT_SCOPE.split(' ').any(|about| about == *token))
        .collect();
    Scope::parse(&rights.join(" ")).unwrap_or_default()
}

fn pkce(known: &Known<'_>, wrong: &mut Vec<Contradiction>) -> PkcePolicy {
    let written = known.metadata.pkce.as_deref();
    let policy = choice(
        "pkce",
        written,
        PkcePolicy::named,
        "\"required\", \"optional\", \"S256\", \"plain\" or \"\"",
    );
    let policy = policy
        .map_err(|w| wrong.push(w))
        .ok()
        .flatten()
        .unwrap_or_default();
    if policy != PkcePolicy::Required && !known.confidential {
        wrong.push(Contradiction::new(
            "pkce",
            "nothing but an S256 challenge protects the codes of a public client; write required or take it out",
        ));
    }
    policy
}

fn default_acr_values(metadata: &Metadata, wrong: &mut Vec<Contradiction>) -> Vec<String> {
    let values = metadata.default_acr_values.as_deref().unwrap_or_default();
    if values.len() > 16 || !values.iter().all(|value| is_acr(value)) {
        wrong.push(Contradiction::new(
            "default_acr_values",
            "it holds something that is no acr; write up to 16 values without blanks, 256 characters at most each",
        ));
    }
    values.to_vec()
}

fn acr_loa_map(
    metadata: &Metadata,
    wrong: &mut Vec<Contradiction>,
) -> Option<BTreeMap<String, u32>> {
    let map = metadata.acr_loa_map.as_ref()?;
    if map.len() > 64 || !map.keys().all(|value| is_acr(value)) {
        wrong.push(Contradiction::new(
            "acr_loa_map",
            "it holds something that is no acr; write up to 64 values without blanks, each with its level, as in {\"silver\": 1}",
        ));
    }
    Some(map.clone())
}

/// An acr travels in a list that blanks divide.
fn is_acr(value: &str) -> bool {
    (1..=256).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A page that ours may link to: a link that ran a script would run as this server.
fn link(
    member: &'static str,
    written: Option<&str>,
    wrong: &mut Vec<Contradiction>,
) -> Option<String> {
    let text = written?;
    let parsed = url::Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "https" | "http")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
    });
    let clean = text.len() <= 2048 && text.bytes().all(|byte| byte.is_ascii_graphic());
    if parsed.is_none() || !clean {
        wrong.push(Contradiction::new(
            member,
            "it is not the address of a page; write an https URL in plain ASCII, without user information",
        ));
    }
    Some(text.to_owned())
}
