//! This deployment's own tokens: where their keys and records are, read and never made, and what became of
//! a token that is none of those that are alive.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::Question;
use crate::cli::{World, load};
use crate::config::{Finding, KeysPlace, Settings, StoreUrl};
use crate::endpoint::gate::{ForeignTokens, Gates};
use crate::endpoint::metrics::Metrics;
use crate::endpoint::{People, SeenTokens, Server, Signing, Trust};
use crate::gate::AuthMethod;
use crate::gate::facts::{Facts, NotGood};
use crate::key::claims::TimeClaims;
use crate::key::jws::UnverifiedJws;
use crate::key::set::KeySet;
use crate::page::Pages;
use crate::store::keyring::{Keyring, KeyringError};
use crate::store::{self, Store};
use crate::token::jwt;
use crate::token::read::{Live, is_random, recognise};

/// Where what decides about a token is.
pub(super) enum Place {
    /// To be read here, or not needed.
    Here(Here),
    /// In the process of a running server.
    Running {
        /// The signing keys, where those can be read all the same.
        keys: Option<KeySet>,
        /// The step that says so.
        why: String,
    },
}

/// What decides about a token.
pub(super) struct Here {
    /// The records.
    pub(super) store: Arc<dyn Store>,
    /// The signing keys.
    pub(super) keys: KeySet,
    /// The step that says where they are; none where they are not needed.
    pub(super) how: Option<String>,
}

/// Why what decides could not be read.
pub(super) enum NoPlace {
    /// The configuration, or what it names, is at fault.
    Fault(String),
    /// It does not answer now.
    Unavailable(String),
}

impl From<Finding> for NoPlace {
    fn from(finding: Finding) -> Self {
        Self::Fault(finding.to_string())
    }
}

/// Whether our own keys and records have a say: of no other token could `serve` find that it is ours.
pub(super) fn may_be_ours(question: &Question<'_>) -> bool {
    let (gate, issuer) = (question.guard.gate(), question.settings.issuer.as_str());
    if !gate.trusts(issuer) {
        return false;
    }
    if is_random(question.text) {
        return gate.takes(AuthMethod::Introspection);
    }
    UnverifiedJws::parse(question.text)
        .is_ok_and(|jws| jws.unverified_claim("iss").as_deref() == Some(issuer))
}

/// Finds out where they are, and reads what can be read. Nothing is made: neither a store nor a key.
pub(super) async fn place(question: &Question<'_>) -> Result<Place, NoPlace> {
    let settings = question.settings;
    let opaque = is_random(question.text);
    if !may_be_ours(question) {
        let (store, keys) = (nowhere().await?, KeySet::new());
        let how = None;
        return Ok(Place::Here(Here { store, keys, how }));
    }
    let (store, kept) = match &settings.store {
        StoreUrl::Memory => {
            return running(question, "the running server (--store memory:)").await;
        }
        StoreUrl::File(path) if matches!(path.try_exists(), Ok(false)) => {
            let kept = format!("no records, as there is no file {} yet", path.display());
            (nowhere().await?, kept)
        }
        StoreUrl::File(path) => {
            let Some(store) = load::store_unless_in_use(settings).await? else {
                let held = format!("the running server that holds {}", path.display());
                return running(question, &held).await;
            };
            (store, format!("the records in {}", path.display()))
        }
        StoreUrl::Redis(_) => (
            load::store(settings).await?,
            "the records in Redis".to_owned(),
        ),
    };
    let keys = read_keys(&load::keyring(settings, &store)?, question).await?;
    if keys.keys().is_empty() {
        return Err(NoPlace::Unavailable(format!(
            "there are no signing keys {}, so that no token of ours can be told; name those that the server has by --keys or --store",
            of_keys(settings)
        )));
    }
    let how = if opaque {
        format!("it is judged by introspection, as our own: {kept}")
    } else {
        format!(
            "it is judged as our own: its signature by the signing keys {}, whether it was revoked by {kept}",
            of_keys(settings)
        )
    };
    let how = Some(how);
    Ok(Place::Here(Here { store, keys, how }))
}

async fn running(question: &Question<'_>, who: &str) -> Result<Place, NoPlace> {
    let opaque = is_random(question.text);
    let keys = match &question.settings.keys {
        KeysPlace::Directory(folder) if !opaque => {
            let keys = read_keys(&Keyring::Folder(folder.clone()), question).await?;
            Some(keys).filter(|keys| !keys.keys().is_empty())
        }
        _ => None,
    };
    let what = match (opaque, &keys) {
        (true, _) => "what its record says is",
        (false, Some(_)) => "whether it was revoked is",
        (false, None) => "the signing keys, and whether it was revoked, are",
    };
    let why =
        format!("it is judged as our own: {what} known only to {who}, which is asked at the end");
    Ok(Place::Running { keys, why })
}

async fn read_keys(keyring: &Keyring, question: &Question<'_>) -> Result<KeySet, NoPlace> {
    keyring
        .read(question.now)
        .await
        .map_err(|error| match error {
            KeyringError::Store(_) => NoPlace::Unavailable(error.to_string()),
            _ => NoPlace::Fault(error.to_string()),
        })
}

fn of_keys(settings: &Settings) -> String {
    match &settings.keys {
        KeysPlace::Directory(folder) => format!("in {}", folder.display()),
        KeysPlace::Store | KeysPlace::EncryptedStore(_) => "in the store".to_owned(),
    }
}

/// A store without records, which keeps nothing.
async fn nowhere() -> Result<Arc<dyn Store>, NoPlace> {
    store::open("memory:", &store::Options::default())
        .await
        .map_err(|error| NoPlace::Fault(error.to_string()))
}

/// What `serve` has for answering, without anybody who could connect.
pub(super) fn server(
    question: &Question<'_>,
    trust: Trust,
    here: Here,
    world: World,
) -> Result<Server, Finding> {
    let settings = question.settings;
    Ok(Server {
        settings: load::endpoints(settings),
        trust: ArcSwap::from_pointee(trust),
        keys: ArcSwap::from_pointee(here.keys),
        complete: watch::channel(true).1,
        store: here.store,
        remote: load::remote(settings)?,
        clock: world.clock,
        mint: world.mint,
        gates: ArcSwap::from_pointee(Gates::default()),
        signing: Signing::default(),
        seen: SeenTokens::default(),
        foreign: ForeignTokens::default(),
        people: People::new(Pages::default(), load::outbound(settings)?).0,
        metrics: Metrics::default(),
    })
}

/// What a JWT claims, its signature verified where there are keys; nothing for an opaque token.
pub(super) fn claimed(
    question: &Question<'_>,
    keys: Option<&KeySet>,
) -> Option<Result<Facts, String>> {
    let jws = UnverifiedJws::parse(question.text).ok()?;
    let verified = match keys.map(|keys| jws.verify_own(keys, jwt::TYPE, question.now)) {
        Some(Ok(verified)) => Some(verified.into_claims()),
        Some(Err(error)) => return Some(Err(error.to_string())),
        None => None,
    };
    let claims = verified.or_else(|| jws.unverified_claims());
    let Some(claims) = claims else {
        return Some(Err("its claims are no JSON object".into()));
    };
    let issuer = question.settings.issuer.as_str();
    let facts = Facts::of_jwt(&jws, &claims, issuer, question.now);
    Some(facts.map_err(|NotGood(why)| why.to_owned()))
}

/// What became of a token that would be ours and is none of those that are alive.
pub(super) async fn why_dead(question: &Question<'_>, server: &Server) -> String {
    let (text, now) = (question.text, question.now);
    let keys = server.keys.load();
    let issuer = question.settings.issuer.as_str();
    let Some(recognised) = recognise(text, &keys, issuer, now) else {
        return unrecognised(question, &keys);
    };
    let records = match server.store.get(recognised.keys(), now).await {
        Ok(records) => records,
        Err(error) => return error.to_string(),
    };
    let own = records.first().is_some_and(Option::is_some);
    match (recognised.resolve(&records, now), is_random(text)) {
        (Some(Live::Refresh(..)), _) => "it is a refresh token, which opens nothing".into(),
        (Some(live), _) => server.trust.load().ended(&live).unwrap_or_default(),
        (None, random) if random == own => {
            "the authorization that it came from has ended: by logout, or because a code or refresh token of it was used twice".into()
        }
        (None, false) => "it was revoked".into(),
        (None, true) => "there is no record of it, so that it has expired, was revoked, or was never issued here".into(),
    }
}

fn unrecognised(question: &Question<'_>, keys: &KeySet) -> String {
    let jws = UnverifiedJws::parse(question.text);
    let verified = jws
        .as_ref()
        .map_err(|error| *error)
        .and_then(|jws| jws.verify_own(keys, jwt::TYPE, question.now));
    let verified = match verified {
        Ok(verified) => verified,
        Err(error) => return error.to_string(),
    };
    match TimeClaims::read(verified.claims()).map(|times| times.expires) {
        Ok(Some(end)) if end <= question.now => format!("it expired at {end}"),
        _ => "a claim of it is missing or malformed".into(),
    }
}
