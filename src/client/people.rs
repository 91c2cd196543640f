//! What a registration says about people: where they are sent back to, how they sign in, what they are
//! told, and what holds the tokens that they allow (RFC 7591 section 2, OpenID Connect Registration
//! section 2, RFC 9126 section 6).

use std::collections::BTreeMap;

use super::Contradiction;
use super::metadata::Metadata;
use crate::key::algorithm::SigningAlgorithm;
use crate::key::jwe::Encryption;
use crate::oauth::pkce::CodeChallengeMethod;
use crate::oauth::redirect_uri::RedirectUri;
use crate::oauth::response::ResponseType;
use crate::oauth::scope::Scope;
use crate::oauth::time::Lifetime;

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
pub struct People {
    pub(super) redirect_uris: Vec<RedirectUri>,
    pub(super) post_logout_redirect_uris: Vec<RedirectUri>,
    pub(super) response_types: Vec<ResponseType>,
    pub(super) scope: Scope,
    pub(super) pkce: PkcePolicy,
    pub(super) id_token_alg: SigningAlgorithm,
    pub(super) id_token_encryption: Option<Encryption>,
    pub(super) userinfo_alg: Option<SigningAlgorithm>,
    pub(super) userinfo_encryption: Option<Encryption>,
    pub(super) default_max_age: Option<Lifetime>,
    pub(super) default_acr_values: Vec<String>,
    pub(super) acr_loa_map: Option<BTreeMap<String, u32>>,
    pub(super) requires_par: bool,
    pub(super) refresh_binding: RefreshBinding,
    pub(super) rotates: bool,
    pub(super) asks_consent: bool,
    pub(super) backchannel_logout_uri: Option<String>,
    pub(super) backchannel_session_required: bool,
    pub(super) client_uri: Option<String>,
    pub(super) logo_uri: Option<String>,
    pub(super) policy_uri: Option<String>,
    pub(super) tos_uri: Option<String>,
}

impl People {
    /// Reads those members.
    pub(super) fn read(
        metadata: &Metadata,
        confidential: bool,
        bound: bool,
        wrong: &mut Vec<Contradiction>,
    ) -> Self {
        let _ = (metadata, wrong);
        let refresh_binding = match (bound, confidential) {
            (true, _) => RefreshBinding::Certificate,
            (false, true) => RefreshBinding::Client,
            (false, false) => RefreshBinding::Nothing,
        };
        Self {
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            response_types: vec![ResponseType::CODE],
            scope: Scope::default(),
            pkce: PkcePolicy::Required,
            id_token_alg: SigningAlgorithm::Rs256,
            id_token_encryption: None,
            userinfo_alg: None,
            userinfo_encryption: None,
            default_max_age: None,
            default_acr_values: Vec::new(),
            acr_loa_map: None,
            requires_par: false,
            refresh_binding,
            rotates: refresh_binding == RefreshBinding::Nothing,
            asks_consent: true,
            backchannel_logout_uri: None,
            backchannel_session_required: false,
            client_uri: None,
            logo_uri: None,
            policy_uri: None,
            tos_uri: None,
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

/// What a client may ask of a user where its registration has no `scope`: what OpenID Connect Core sections
/// 5.4 and 11 define, and nothing that could be a right at anybody's resource server.
pub const DEFAULT_SCOPE: &str = "openid profile email address phone offline_access";
