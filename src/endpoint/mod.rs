//! The endpoints: one file each, which gathers, decides, commits and answers.

mod authenticate;
pub mod gate;
mod introspect;
mod jwks;
mod message;
pub mod metadata;
pub mod metrics;
mod people;
mod revoke;
mod signing;
mod token;
mod whoami;

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::Method;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::sync::watch;

use crate::client::belief::Belief;
use crate::client::registration::AccessTokenFormat;
use crate::client::{ClientKeys, Registry};
use crate::gate::facts::Facts;
use crate::grant::Context;
use crate::key::set::KeySet;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::issuer::{BaseUrl, Issuer};
use crate::oauth::profile::Profile;
use crate::oauth::secret::{Digest, Secret};
use crate::oauth::time::{Lifetime, Timestamp};
use crate::outbound::documents::RemoteDocuments;
use crate::record::{Changes, Key, Record};
use crate::store::{Store, StoreError};
use crate::token::AccessToken;
use crate::token::read::{Live, Recognised, is_random, recognise};
use crate::user::{AcrMap, Levels, Users};
pub use message::{Reply, Request};
use metrics::Metrics;
pub use people::{Farewell, People, farewells};
pub use signing::Signing;

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
    &people::STYLESHEET,
    &people::SCRIPT,
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
    fn metadata(&self) -> Option<&'static str> {
        None
    }

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
    fn is_open_to_any_origin(&self) -> bool {
        false
    }

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

impl Trust {
    /// Why a token that is alive counts no more: those whom it is about have changed since. A client that is
    /// registered no more takes its tokens with it, and so does a user who is one of `--users` no more; a client
    /// that is registered for bound tokens has no others.
    pub fn ended(&self, live: &Live) -> Option<String> {
        let client_id = live.client_id().as_str();
        let Some(client) = self.clients.find(client_id) else {
            return Some(format!("its client {client_id:?} is registered no more"));
        };
        if client.is_bound() && !live.is_bound() {
            return Some(format!(
                "its client {client_id:?} is registered for bound tokens, and it is not bound"
            ));
        }
        let family = live.family().filter(|family| family.local)?;
        let user = self.users.find(&family.username);
        let is_theirs = user.is_some_and(|user| user.sub() == family.subject);
        (!is_theirs).then(|| format!("its user {:?} is one of --users no more", family.username))
    }
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
    /// Where what takes long to sign is signed.
    pub signing: Signing,
    /// Our own JWTs whose signature was verified.
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

/// Tokens that were recognised already, so that a signature is not verified twice, each by the digest of its
/// signature, which is short, and compared whole. What is remembered depends on the token alone; whether it was
/// revoked, and whether its key still counts, is asked anew.
pub struct SeenTokens(Cache<[u8; 32], Arc<Seen>, Octets>);

/// A token that was recognised.
pub(crate) struct Seen {
    /// None where it is not remembered.
    text: Option<Secret>,
    recognised: Recognised,
    /// What gates know of it, once one was asked.
    known: OnceLock<Arc<gate::Known>>,
}

impl Seen {
    fn new(text: Option<Secret>, recognised: Recognised) -> Arc<Self> {
        let known = OnceLock::new();
        Arc::new(Self {
            text,
            recognised,
            known,
        })
    }

    /// What gates know of the token, which says that.
    fn known(&self, issuer: &str, token: &AccessToken) -> Arc<gate::Known> {
        let known = || Arc::new(gate::Known::new(Facts::of_own(issuer, token)));
        Arc::clone(self.known.get_or_init(known))
    }
}

/// What is remembered weighs about what it says.
#[derive(Clone, Copy)]
struct Octets;

impl Weighter<[u8; 32], Arc<Seen>> for Octets {
    fn weight(&self, _: &[u8; 32], seen: &Arc<Seen>) -> u64 {
        let text = seen.text.as_ref().map_or(0, |text| text.expose().len());
        // What gates know of it says most of it twice more.
        1_024 + (text + 3 * seen.recognised.octets()) as u64
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
    ) -> Option<Arc<Seen>> {
        if is_random(text) {
            return Some(Seen::new(None, recognise(text, keys, issuer, now)?));
        }
        let (_, signature) = text.rsplit_once('.')?;
        let digest = Digest::of(signature.as_bytes());
        if let Some(seen) = self.0.get(digest.octets())
            && seen.text.as_ref().is_some_and(|seen| seen.is(text))
        {
            return seen.recognised.still_holds(keys, now).then_some(seen);
        }
        let recognised = recognise(text, keys, issuer, now)?;
        let seen = Seen::new(Some(Secret::new(text.to_owned())), recognised);
        self.0.insert(*digest.octets(), Arc::clone(&seen));
        Some(seen)
    }
}

/// How what is known of a token is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// In the store, as it is now.
    Afresh,
    /// In memory, where the store keeps copies: no more than a second behind, and never behind what was done
    /// through this instance. Only for what changes nothing.
    AtHand,
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
        self.counted(self.store.ready().await)
    }

    /// The token of that text, if it is one of ours and alive: at most one look at the store.
    async fn live_token(
        &self,
        text: &str,
        look: Look,
        now: Timestamp,
    ) -> Result<Option<(Arc<Seen>, Live)>, OAuthError> {
        let issuer = self.settings.issuer.as_str();
        let keys = self.keys()?;
        let Some(seen) = self.seen.recognise(text, &keys, issuer, now) else {
            return Ok(None);
        };
        let keys = seen.recognised.keys();
        let at_hand = match look {
            Look::AtHand => self.store.at_hand(keys, now),
            Look::Afresh => None,
        };
        let records = match (at_hand, look) {
            (Some(records), _) => records,
            (None, Look::AtHand) => self.counted(self.store.get_and_copy(keys, now).await)?,
            (None, Look::Afresh) => self.records(keys, now).await?,
        };
        let live = seen.recognised.resolve(&records, now);
        let trust = self.trust.load();
        let live = live.filter(|live| trust.ended(live).is_none());
        Ok(live.map(|live| (seen, live)))
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
        self.counted(self.store.get(keys, now).await)
    }

    /// Commits, and counts what the store could not do.
    async fn commit(&self, changes: &Changes, now: Timestamp) -> Result<(), StoreError> {
        self.counted(self.store.commit(changes, now).await)
    }

    /// Counts what the store could not do.
    fn counted<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        outcome.inspect_err(|error| self.metrics.store_failed(error))
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
