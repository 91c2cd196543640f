//! The endpoints: one file each, which gathers, decides, commits and answers.

mod authenticate;
pub mod gate;
mod introspect;
mod jwks;
pub mod metadata;
pub mod metrics;
mod people;
mod revoke;
mod signing;
mod token;
mod whoami;

use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::sync::watch;

use crate::client::belief::Belief;
use crate::client::registration::AccessTokenFormat;
use crate::client::{ClientKeys, Registry};
use crate::grant::Context;
use crate::key::set::KeySet;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::issuer::{BaseUrl, Issuer};
use crate::oauth::profile::Profile;
use crate::oauth::secret::{Digest, Secret};
use crate::oauth::time::{Lifetime, Timestamp};
use crate::outbound::documents::RemoteDocuments;
use crate::proxy::presented::Presented;
use crate::record::{Changes, Key, Record};
use crate::store::{Store, StoreError};
use crate::token::read::{Live, Recognised, is_random, recognise};
use crate::user::{AcrMap, Levels, Users};
use metrics::Metrics;
pub use people::{Farewell, People, farewells};

/// Every endpoint under the issuer's path. Metadata lists what this lists.
pub const ENDPOINTS: &[&dyn Endpoint] = &[
    &token::Token,
    &people::Authorize,
    &people::Par,
    &introspect::Introspect,
    &revoke::Revoke,
    &people::Userinfo,
    &people::Logout,
    &jwks::Jwks,
    &whoami::Whoami,
    &people::Stylesheet,
    &people::Script,
];

/// How long an answer waits for the first keys to be made.
const MAKING_KEYS: Duration = Duration::from_secs(5);

/// What an endpoint answers with, some time later.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Reply, OAuthError>> + Send + 'a>>;

/// Answers requests under one path.
pub trait Endpoint: Sync {
    /// The last part of its path.
    fn name(&self) -> &'static str;

    /// Its name in metadata (RFC 8414 section 2), if it has one.
    fn metadata(&self) -> Option<&'static str>;

    /// Whether a client authenticates there (RFC 6749 section 2.3).
    fn authenticates_clients(&self) -> bool {
        false
    }

    /// Whether it has an mTLS alias (RFC 8705 section 5).
    fn has_mtls_alias(&self) -> bool {
        self.authenticates_clients()
    }

    /// The methods that it takes.
    fn methods(&self) -> &'static [Method];

    /// Whether pages of any origin may call it, without credentials of the browser.
    fn is_open_to_any_origin(&self) -> bool;

    /// Whether this deployment has it.
    fn is_served(&self, _settings: &Settings) -> bool {
        true
    }

    /// The answer that tells of an error of [`Self::serve`]; the log is told already.
    fn draw(&self, _server: &Server, _request: &Request, error: &OAuthError) -> Reply {
        Reply::from(error)
    }

    /// Answers.
    fn serve<'a>(&self, server: &'a Server, request: &'a Request) -> Answer<'a>;
}

/// What is set for as long as the program runs.
#[derive(Debug)]
pub struct Settings {
    /// The issuer identifier.
    pub issuer: Issuer,
    /// The issuer's URL on the mTLS host.
    pub mtls_base: Option<BaseUrl>,
    /// How long access tokens live.
    pub access_token_ttl: Lifetime,
    /// Their form where a registration does not say.
    pub access_token_format: AccessTokenFormat,
    /// How long refresh tokens live.
    pub refresh_token_ttl: Lifetime,
    /// How long authorization codes live.
    pub code_ttl: Lifetime,
    /// How long a user stays signed in at most.
    pub session_ttl: Lifetime,
    /// How long a user stays signed in without coming back.
    pub session_idle_ttl: Lifetime,
    /// What each way of signing in is worth.
    pub levels: Levels,
    /// What levels are called where a registration has no names of its own.
    pub acr: AcrMap,
    /// What the server holds itself to.
    pub profile: Profile,
    /// Whether `whoami` is served.
    pub whoami: bool,
}

/// What is read from files and may be read again: registrations, users and what certificates rest on.
#[derive(Debug, Default)]
pub struct Trust {
    /// The registered clients.
    pub clients: Arc<Registry>,
    /// The local users.
    pub users: Arc<Users>,
    /// What makes a certificate a verified one.
    pub belief: Belief,
}

/// Everything that answering needs. Built once, in `main`, and handed down.
pub struct Server {
    /// What is set.
    pub settings: Settings,
    /// What is read from files.
    pub trust: ArcSwap<Trust>,
    /// The server's own keys.
    pub keys: ArcSwap<KeySet>,
    /// Whether there is a key for each algorithm: at the first start some take a moment to make.
    pub complete: watch::Receiver<bool>,
    /// Where records are kept.
    pub store: Arc<dyn Store>,
    /// The keys at clients' `jwks_uri`.
    pub remote: RemoteDocuments<ClientKeys>,
    /// Tells the time.
    pub clock: fn() -> Timestamp,
    /// Makes 256 bits of chance, in base64url.
    pub mint: fn() -> Secret,
    /// What guards resources.
    pub gates: ArcSwap<gate::Gates>,
    /// Our own JWTs whose signature was verified, by the digest of their text.
    pub seen: SeenTokens,
    /// Other issuers' JWTs, likewise.
    pub foreign: gate::ForeignTokens,
    /// What only people need.
    pub people: People,
    /// What is counted.
    pub metrics: Metrics,
}

/// How many tokens are remembered, and how many octets of them.
const SEEN: (usize, u64) = (50_000, 32 * 1024 * 1024);

/// Tokens that were recognised already, so that a signature is not verified twice. What is remembered
/// depends on the token alone; whether it was revoked, and whether its key still counts, is asked anew.
pub struct SeenTokens(Cache<[u8; 32], Arc<Recognised>, Octets>);

/// What is remembered weighs about what it says.
#[derive(Clone, Copy)]
struct Octets;

impl Weighter<[u8; 32], Arc<Recognised>> for Octets {
    fn weight(&self, _: &[u8; 32], seen: &Arc<Recognised>) -> u64 {
        256 + seen.octets() as u64
    }
}

impl Default for SeenTokens {
    fn default() -> Self {
        Self(Cache::with_weighter(SEEN.0, SEEN.1, Octets))
    }
}

impl SeenTokens {
    /// Recognises a token, from memory if it was before.
    fn recognise(
        &self,
        text: &str,
        keys: &KeySet,
        issuer: &str,
        now: Timestamp,
    ) -> Option<Arc<Recognised>> {
        if is_random(text) {
            return recognise(text, keys, issuer, now).map(Arc::new);
        }
        let digest = Digest::of(text.as_bytes());
        if let Some(seen) = self.0.get(digest.octets()) {
            return seen.still_holds(keys, now).then_some(seen);
        }
        let recognised = Arc::new(recognise(text, keys, issuer, now)?);
        self.0.insert(*digest.octets(), Arc::clone(&recognised));
        Some(recognised)
    }
}

impl Server {
    /// The signing keys. Until they have been read from where they are kept nothing can be signed, and
    /// of no token can be said that it is not ours: the answer is 503.
    fn keys(&self) -> Result<arc_swap::Guard<Arc<KeySet>>, OAuthError> {
        let keys = self.keys.load();
        if keys.keys().is_empty() {
            return Err(OAuthError::new(
                ErrorCode::TemporarilyUnavailable,
                "try again in a moment",
            )
            .because("the signing keys could not be read yet"));
        }
        Ok(keys)
    }

    /// The signing keys, one for each algorithm.
    async fn all_keys(&self) -> Result<arc_swap::Guard<Arc<KeySet>>, OAuthError> {
        let mut complete = self.complete.clone();
        let made = tokio::time::timeout(MAKING_KEYS, complete.wait_for(|complete| *complete)).await;
        if matches!(made, Ok(Ok(_))) {
            return self.keys();
        }
        Err(
            OAuthError::new(ErrorCode::TemporarilyUnavailable, "try again in a moment")
                .because("the signing keys are not complete yet"),
        )
    }

    /// Makes sure that the store is there, for a token whose issue needs nothing from it: while it is
    /// away nothing could be revoked. It is asked only where it is not known to be there.
    async fn assure_store(&self) -> Result<(), StoreError> {
        if self.store.is_there() {
            return Ok(());
        }
        self.store
            .ready()
            .await
            .inspect_err(|error| self.metrics.store_failed(error))
    }

    /// The token of that text, if it is one of ours and alive: at most one look at the store.
    async fn live_token(
        &self,
        text: &str,
        now: Timestamp,
    ) -> Result<Option<(Arc<Recognised>, Live)>, OAuthError> {
        let issuer = self.settings.issuer.as_str();
        let keys = self.keys()?;
        let Some(recognised) = self.seen.recognise(text, &keys, issuer, now) else {
            return Ok(None);
        };
        let records = self.records(recognised.keys(), now).await?;
        let live = recognised.resolve(&records, now);
        // A client that is registered no more takes its tokens with it.
        let clients = &self.trust.load().clients;
        let live = live.filter(|live| clients.find(live.client_id().as_str()).is_some());
        Ok(live.map(|live| (recognised, live)))
    }

    /// The issuer identifier.
    fn issuer(&self) -> &str {
        self.settings.issuer.as_str()
    }

    /// What a grant decides in.
    fn context<'a>(&'a self, keys: &'a KeySet, users: &'a Users, now: Timestamp) -> Context<'a> {
        Context {
            now,
            mint: &self.mint,
            issuer: self.issuer(),
            keys,
            users,
            access_token_ttl: self.settings.access_token_ttl,
            refresh_token_ttl: self.settings.refresh_token_ttl,
            access_token_format: self.settings.access_token_format,
        }
    }

    /// The records of those keys, and counts what the store could not do.
    async fn records(
        &self,
        keys: &[Key],
        now: Timestamp,
    ) -> Result<Vec<Option<Record>>, StoreError> {
        self.store
            .get(keys, now)
            .await
            .inspect_err(|error| self.metrics.store_failed(error))
    }

    /// Commits, and counts what the store could not do.
    async fn commit(&self, changes: &Changes, now: Timestamp) -> Result<(), StoreError> {
        self.store
            .commit(changes, now)
            .await
            .inspect_err(|error| self.metrics.store_failed(error))
    }
}

/// A request, as far as an endpoint needs it.
#[derive(Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The query of its URI, empty where there is none.
    pub query: Box<str>,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body, within its limit.
    pub body: Bytes,
    /// What the web server forwarded about the client.
    pub presented: Presented,
    /// The name of the request in the log.
    pub id: Arc<str>,
}

impl Request {
    /// The body, if it says that it is a form (RFC 6749 appendix B).
    fn form(&self) -> Result<crate::oauth::form::Form<'_>, OAuthError> {
        let mut kinds = self.headers.get_all(http::header::CONTENT_TYPE).iter();
        let kind = kinds
            .next()
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
            || kinds.next().is_some()
        {
            return Err(OAuthError::new(
                ErrorCode::InvalidRequest,
                "send the parameters as application/x-www-form-urlencoded",
            ));
        }
        Ok(crate::oauth::form::Form::parse(&self.body)?)
    }

    /// Whether the `Accept` header names that media type.
    fn accepts(&self, media_type: &str) -> bool {
        self.headers
            .get_all(http::header::ACCEPT)
            .iter()
            .any(|line| {
                line.to_str().is_ok_and(|line| {
                    line.split(',').any(|item| {
                        let mut parts = item.split(';').map(str::trim);
                        let named = parts
                            .next()
                            .is_some_and(|name| name.eq_ignore_ascii_case(media_type));
                        named && !parts.any(weighs_nothing)
                    })
                })
            })
    }
}

/// Whether a parameter of `Accept` says «not this» (RFC 9110 section 12.4.2: `q=0`).
fn weighs_nothing(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, weight)| {
        name.trim().eq_ignore_ascii_case("q") && matches!(weight.trim().parse(), Ok(0.0_f32))
    })
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The header fields besides those that every answer has.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Cow<'static, str>,
}

impl Reply {
    /// A body of that type that nobody may keep.
    pub fn new(
        status: StatusCode,
        content_type: &'static str,
        body: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            headers: vec![
                (
                    http::header::CONTENT_TYPE,
                    HeaderValue::from_static(content_type),
                ),
                (CACHE_CONTROL, HeaderValue::from_static("no-store")),
                (http::header::PRAGMA, HeaderValue::from_static("no-cache")),
            ],
            body: body.into(),
        }
    }

    /// A JSON body that nobody may keep (RFC 6749 section 5.1).
    pub fn json(body: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::OK, "application/json", body)
    }

    /// A JSON body that anybody may keep for five minutes.
    pub fn public_json(body: String) -> Self {
        Self {
            status: StatusCode::OK,
            headers: vec![
                (
                    http::header::CONTENT_TYPE,
                    HeaderValue::from_static("application/json"),
                ),
                (
                    CACHE_CONTROL,
                    HeaderValue::from_static("public, max-age=300"),
                ),
            ],
            body: body.into(),
        }
    }

    /// No body at all, said so that a web server keeps the connection, and nothing that anybody may keep.
    pub fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: vec![
                (http::header::CONTENT_LENGTH, HeaderValue::from_static("0")),
                (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            ],
            body: Cow::Borrowed(""),
        }
    }

    /// The answer with one more header field.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl From<&OAuthError> for Reply {
    fn from(error: &OAuthError) -> Self {
        let mut reply = Self::new(error.code().status(), "application/json", error.body());
        if error.owes_basic_challenge() {
            let challenge =
                HeaderValue::from_static("Basic realm=\"certbound\", charset=\"UTF-8\"");
            reply = reply.with(http::header::WWW_AUTHENTICATE, challenge);
        }
        if error.code() == ErrorCode::TemporarilyUnavailable {
            reply = reply.with(http::header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        reply
    }
}

impl From<StoreError> for OAuthError {
    /// A store that does not answer decides nothing: neither for the caller nor against.
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => {
                Self::new(ErrorCode::TemporarilyUnavailable, "try again in a moment").because(error)
            }
            StoreError::Conflict(_) => Self::new(
                ErrorCode::ServerError,
                "the request could not be carried out",
            )
            .because(error),
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::presented::Window;
    use crate::proxy::{Encoding, Front, Headers, Peer, TrustedPeers, VerifyHeader};

    fn request(headers: &[(&'static str, &'static str)], body: &'static str) -> Request {
        let names = Headers {
            certificate: HeaderName::from_static("x-clientcert"),
            chain: None,
            verify: VerifyHeader {
                name: None,
                required: false,
            },
            user: None,
            address: None,
            request_id: None,
        };
        let front = Front::new(TrustedPeers::default(), None, names, Encoding::AUTO);
        let window = Window::new(front.expect("one header"));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        Request {
            method: Method::POST,
            query: "".into(),
            presented: window.read(Peer::Unix, &map).expect("nothing forged"),
            headers: map,
            body: Bytes::from_static(body.as_bytes()),
            id: "1".into(),
        }
    }

    #[test]
    fn media_types_that_are_accepted() {
        let jwt = "application/token-introspection+jwt";
        for (lines, expected) in [
            (&[][..], false),
            (&["application/token-introspection+jwt"][..], true),
            (&["Application/Token-Introspection+JWT; q=0.5"], true),
            (
                &["application/json, application/token-introspection+jwt"],
                true,
            ),
            (
                &["application/json", "application/token-introspection+jwt"],
                true,
            ),
            (&["application/token-introspection+jwt;q=0"], false),
            (&["application/token-introspection+jwt; Q=0.000"], false),
            (&["application/token-introspection+jwt ; q = 0"], false),
            (&["application/jwt", "application/*", "*/*"], false),
            (&["application/token-introspection+jwtx"], false),
        ] {
            let headers: Vec<_> = lines.iter().map(|line| ("accept", *line)).collect();
            assert_eq!(request(&headers, "").accepts(jwt), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_body_is_a_form_if_it_says_so() {
        let form = "application/x-www-form-urlencoded";
        for (lines, body, good) in [
            (&[form][..], "a=1", true),
            (
                &["Application/X-WWW-Form-Urlencoded; charset=UTF-8"][..],
                "a=1",
                true,
            ),
            (&[form], "a=1&a=2", false),
            (&[form], "a=%zz", false),
            (&[], "a=1", false),
            (&["application/json"], "{}", false),
            (&["application/x-www-form-urlencodedx"], "a=1", false),
            (&["multipart/form-data"], "a=1", false),
            (&[form, form], "a=1", false),
        ] {
            let headers: Vec<_> = lines.iter().map(|line| ("content-type", *line)).collect();
            let request = request(&headers, body);
            match request.form() {
                Ok(form) => assert!(good && form.value("a") == Some("1"), "{lines:?} {body}"),
                Err(error) => {
                    assert!(!good, "{lines:?} {body}");
                    assert_eq!(error.code(), ErrorCode::InvalidRequest);
                }
            }
        }
    }

    #[test]
    fn errors_as_answers() {
        for (code, challenging, status, header) in [
            (ErrorCode::InvalidRequest, false, 400, None),
            (ErrorCode::InvalidClient, false, 401, None),
            (
                ErrorCode::InvalidClient,
                true,
                401,
                Some(http::header::WWW_AUTHENTICATE),
            ),
            (
                ErrorCode::TemporarilyUnavailable,
                false,
                503,
                Some(http::header::RETRY_AFTER),
            ),
        ] {
            let error = OAuthError::new(code, "what is wrong").challenging_basic(challenging);
            let reply = Reply::from(&error);
            assert_eq!(reply.status.as_u16(), status);
            let has = |wanted: &HeaderName| reply.headers.iter().any(|(name, _)| name == wanted);
            assert!(
                has(&CACHE_CONTROL) && header.as_ref().is_none_or(has),
                "{code:?}"
            );
            assert_eq!(
                has(&http::header::WWW_AUTHENTICATE),
                challenging,
                "{code:?}"
            );
        }
        let unavailable = OAuthError::from(StoreError::Unavailable("password: x".into()));
        assert_eq!(unavailable.code(), ErrorCode::TemporarilyUnavailable);
        assert!(!unavailable.body().contains("password"));
    }
}
