//! From settings to the things they name: files read, registrations and certificates understood.

use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::cert::{ClientAuthorities, RevocationLists};
use crate::client::belief::Belief;
use crate::client::registration::AccessTokenFormat;
use crate::client::{self, ClientKeys, Registry};
use crate::config::{
    self, AnswerCache, Fault, Finding, KeysPlace, Settings, Source, StoreUrl, VerifyHeaderSetting,
};
use crate::endpoint;
use crate::key::seal::SealingKey;
use crate::oauth::profile::Profile;
use crate::outbound::address::Policy;
use crate::outbound::documents::RemoteDocuments;
use crate::outbound::fetch::{Outbound, TIME_LIMIT};
use crate::outbound::roots::Roots;
use crate::proxy::presented::Window;
use crate::proxy::{Encoding, Front, Headers, ProxySecret, TrustedPeers, VerifyHeader};
use crate::store::keyring::Keyring;
use crate::store::{self, OpenError, Store};
use crate::user::{self, Users};

/// What cannot be used, and why.
pub(super) fn broken(path: &Path, problem: impl std::fmt::Display, remedy: &str) -> Finding {
    Finding::error(
        Source::Named(path.to_owned()),
        Fault::new(problem.to_string(), remedy),
    )
}

/// A file that must be there.
pub(super) fn read(path: &Path, flag: &str) -> Result<Vec<u8>, Finding> {
    std::fs::read(path).map_err(|error| {
        broken(
            path,
            format!("cannot be read: {error}"),
            &format!("write the file, or name another by {flag}"),
        )
    })
}

fn read_text(path: &Path, flag: &str) -> Result<String, Finding> {
    String::from_utf8(read(path, flag)?)
        .map_err(|_| broken(path, "is not UTF-8", &format!("write {flag} as UTF-8 text")))
}

/// Everything that is read from files and may be read again.
pub(super) fn trust(settings: &Settings) -> Result<endpoint::Trust, Vec<Finding>> {
    let (read, findings) = files(settings);
    if !findings.is_empty() {
        return Err(findings);
    }
    let belief = Belief::new(
        read.authorities,
        read.revocation,
        settings.front_end_verifies,
    );
    Ok(endpoint::Trust {
        clients: Arc::new(read.clients.unwrap_or_default()),
        users: Arc::new(read.users.unwrap_or_default()),
        belief,
    })
}

/// The same, read again: a file that cannot be used leaves what it gave before as it was, and nothing
/// else. A registration that is wrong must not keep a revocation list from being read.
pub(super) fn again(
    settings: &Settings,
    before: &endpoint::Trust,
) -> (endpoint::Trust, Vec<Finding>) {
    let (read, findings) = files(settings);
    let trust = endpoint::Trust {
        clients: read
            .clients
            .map_or_else(|| Arc::clone(&before.clients), Arc::new),
        users: read
            .users
            .map_or_else(|| Arc::clone(&before.users), Arc::new),
        belief: before.belief.renewed(read.authorities, read.revocation),
    };
    (trust, findings)
}

/// What each of the files gives, nothing for one that is not configured or cannot be used.
struct Files {
    clients: Option<Registry>,
    users: Option<Users>,
    authorities: Option<ClientAuthorities>,
    revocation: Option<RevocationLists>,
}

/// Reads the files, and says what is wrong with those that cannot be used.
fn files(settings: &Settings) -> (Files, Vec<Finding>) {
    let mut findings = Vec::new();
    let clients = clients(&settings.clients, settings.profile)
        .map_err(|mut found| findings.append(&mut found))
        .ok();
    let users = settings.users.as_deref().and_then(|path| {
        users(path)
            .map_err(|mut found| findings.append(&mut found))
            .ok()
    });
    let authorities = settings.client_ca.as_deref().map(authorities).transpose();
    let authorities = authorities.unwrap_or_else(|found| {
        findings.push(found);
        None
    });
    let revocation = revocation(settings).unwrap_or_else(|found| {
        findings.push(found);
        None
    });
    let read = Files {
        clients,
        users,
        authorities,
        revocation,
    };
    (read, findings)
}

fn clients(path: &Path, profile: Profile) -> Result<Registry, Vec<Finding>> {
    let text = read_text(path, "--clients").map_err(|finding| vec![finding])?;
    let finding = |problem: client::metadata::Problem| {
        let client = problem.client.map(|client| format!("client {client:?}"));
        let whole = ("registration", "mend the registration");
        in_list(
            path,
            problem.line,
            client,
            problem.member,
            &problem.text,
            whole,
        )
    };
    Registry::read_under(&text, profile)
        .map_err(|problems| problems.into_iter().map(finding).collect())
}

fn users(path: &Path) -> Result<Users, Vec<Finding>> {
    let text = read_text(path, "--users").map_err(|finding| vec![finding])?;
    let finding = |problem: user::Problem| {
        let user = problem.user.map(|user| format!("user {user:?}"));
        let whole = ("user", "mend the user");
        in_list(
            path,
            problem.line,
            user,
            problem.member,
            &problem.text,
            whole,
        )
    };
    Users::read(&text).map_err(|problems| problems.into_iter().map(finding).collect())
}

/// What is wrong with one object of a file: whose it is, its member, and what an object is called and
/// what to do with it where nothing better is known.
fn in_list(
    path: &Path,
    line: usize,
    whose: Option<String>,
    member: Option<String>,
    text: &str,
    (object, mend): (&str, &str),
) -> Finding {
    let (what, remedy) = text.rsplit_once("; ").unwrap_or((text, mend));
    let whose = whose.map_or_else(String::new, |whose| format!("{whose}: "));
    let source = Source::File {
        path: path.to_owned(),
        line,
        key: member.unwrap_or_else(|| object.to_owned()),
    };
    Finding::error(source, Fault::new(format!("{whose}{what}"), remedy))
}

fn revocation(settings: &Settings) -> Result<Option<RevocationLists>, Finding> {
    settings
        .client_crl
        .as_deref()
        .map(|path| {
            let content = read(path, "--client-crl")?;
            RevocationLists::read([content.as_slice()], settings.crl_grace).map_err(|error| {
                broken(
                    path,
                    error,
                    "give a PEM or DER revocation list of the clients' CA",
                )
            })
        })
        .transpose()
}

fn authorities(path: &Path) -> Result<ClientAuthorities, Finding> {
    let text = read_text(path, "--client-ca")?;
    ClientAuthorities::from_pem(&text).map_err(|error| {
        broken(
            path,
            error,
            "give a PEM bundle with at least one self-signed CA certificate",
        )
    })
}

/// How certificates reach us.
pub(super) fn window(settings: &Settings) -> Result<Window, Finding> {
    let trusted: Result<TrustedPeers, _> = settings
        .trusted_proxies
        .iter()
        .map(|proxy| proxy.as_str().parse())
        .collect();
    let flag = |name, problem: String| {
        Finding::error(Source::Flag(name), Fault::new(problem, "write another"))
    };
    let trusted = trusted.map_err(|error| flag("trusted-proxy", error.to_string()))?;
    let secret = settings
        .proxy_secret
        .as_ref()
        .map(|secret| ProxySecret::new(secret.expose().as_bytes()))
        .transpose()
        .map_err(|error| flag("proxy-secret-file", error.to_string()))?;
    let encoding: Encoding = settings
        .client_cert_encoding
        .as_str()
        .parse()
        .map_err(|error| flag("client-cert-encoding", format!("{error}")))?;
    let headers = Headers {
        certificate: settings.client_cert_header.clone(),
        chain: settings.client_cert_chain_header.clone(),
        verify: VerifyHeader {
            name: settings.verify_header.name().cloned(),
            required: matches!(settings.verify_header, VerifyHeaderSetting::Set(_)),
        },
        user: settings.user_header.clone(),
        address: settings.client_address_header.clone(),
        request_id: settings.request_id_header.clone(),
    };
    let front = Front::new(trusted, secret, headers, encoding)
        .map_err(|error| flag("client-cert-header", error.to_string()))?;
    Ok(Window::new(front))
}

/// What certbound itself may call.
pub(super) fn outbound(settings: &Settings) -> Result<Outbound, Finding> {
    let pem = settings
        .outbound_ca
        .as_deref()
        .map(|path| read(path, "--outbound-ca").map(|content| (path, content)))
        .transpose()?;
    let roots = pem
        .as_ref()
        .map_or(Roots::System, |(_, content)| Roots::Pem(content));
    let policy = if settings.outbound_allow_private {
        Policy::AllowPrivate
    } else {
        Policy::Public
    };
    Outbound::new(roots, policy, TIME_LIMIT).map_err(|error| {
        let path = pem
            .as_ref()
            .map_or(Path::new("--outbound-ca"), |(path, _)| *path);
        broken(path, error, "give a PEM bundle of CA certificates")
    })
}

/// The keys that clients publish.
pub(super) fn remote(settings: &Settings) -> Result<RemoteDocuments<ClientKeys>, Finding> {
    Ok(RemoteDocuments::new(
        outbound(settings)?,
        ClientKeys::fetched,
    ))
}

/// Opens the store, which need not be reachable for that.
pub(super) async fn store(settings: &Settings) -> Result<Arc<dyn Store>, Finding> {
    opened(settings).await?.map_err(|error| cannot_open(&error))
}

/// The same for whoever only looks: a file that a running server holds is there and is good.
pub(super) async fn store_unless_in_use(
    settings: &Settings,
) -> Result<Option<Arc<dyn Store>>, Finding> {
    match opened(settings).await? {
        Ok(store) => Ok(Some(store)),
        Err(OpenError::InUse(_)) => Ok(None),
        Err(error) => Err(cannot_open(&error)),
    }
}

fn cannot_open(error: &OpenError) -> Finding {
    let fault = Fault::new(
        error.to_string(),
        "name a store that can be opened by --store",
    );
    Finding::error(Source::Flag("store"), fault)
}

async fn opened(settings: &Settings) -> Result<Result<Arc<dyn Store>, OpenError>, Finding> {
    let redis_ca = settings
        .store_ca
        .as_deref()
        .map(|path| read(path, "--store-ca"))
        .transpose()?;
    let url = match &settings.store {
        StoreUrl::Memory => "memory:".to_owned(),
        StoreUrl::File(path) => format!("file:{}", path.display()),
        StoreUrl::Redis(url) => url.secret().expose().to_owned(),
    };
    let url = Zeroizing::new(url);
    let copies = settings.answer_cache == AnswerCache::On;
    Ok(store::open(&url, &store::Options { redis_ca, copies }).await)
}

/// Where the signing keys are.
pub(super) fn keyring(settings: &Settings, store: &Arc<dyn Store>) -> Result<Keyring, Finding> {
    Ok(match &settings.keys {
        KeysPlace::Directory(folder) => Keyring::Folder(folder.clone()),
        KeysPlace::Store => Keyring::Record {
            store: Arc::clone(store),
            seal: None,
        },
        KeysPlace::EncryptedStore(secret) => {
            let seal = SealingKey::from_secret(secret.expose().as_bytes()).map_err(|error| {
                Finding::error(
                    Source::Flag("store-secret-file"),
                    Fault::new(error.to_string(), "write one with: openssl rand -hex 32"),
                )
            })?;
            Keyring::Record {
                store: Arc::clone(store),
                seal: Some(seal),
            }
        }
    })
}

/// Files with signing keys that everybody on this machine may read, each with what to do.
pub(super) fn open_keys(settings: &Settings) -> Vec<Finding> {
    use std::os::unix::fs::PermissionsExt as _;

    let KeysPlace::Directory(folder) = &settings.keys else {
        return Vec::new();
    };
    let reachable = |path: &Path, bits: u32| {
        std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & bits != 0)
    };
    // Nobody gets to files in a folder that others may not pass through.
    if !reachable(folder, 0o001) {
        return Vec::new();
    }
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pem"))
        .filter(|path| reachable(path, 0o006))
        .map(|path| {
            let remedy = format!("run chmod o= {}", path.display());
            let problem = "everybody on this machine may open this signing key";
            Finding::warning(Source::Named(path), Fault::new(problem, remedy))
        })
        .collect()
}

/// The settings that endpoints look at.
pub(super) fn endpoints(settings: &Settings) -> endpoint::Settings {
    endpoint::Settings {
        issuer: settings.issuer.clone(),
        mtls_base: settings.mtls_base.clone(),
        access_token_ttl: settings.access_token_ttl,
        access_token_format: match settings.access_token_format {
            config::AccessTokenFormat::Jwt => AccessTokenFormat::Jwt,
            config::AccessTokenFormat::Opaque => AccessTokenFormat::Opaque,
        },
        refresh_token_ttl: settings.refresh_token_ttl,
        code_ttl: settings.code_ttl,
        session_ttl: settings.session_ttl,
        session_idle_ttl: settings.session_idle_ttl,
        levels: settings.levels,
        acr: settings.acr.clone(),
        profile: settings.profile,
        whoami: settings.whoami,
    }
}
