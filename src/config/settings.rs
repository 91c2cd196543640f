//! The configuration as meant: every value read, and everything that does not go together found.

use std::path::PathBuf;

use http::HeaderName;

use crate::oauth::issuer::{BaseUrl, Issuer};
use crate::oauth::profile::Profile;
use crate::oauth::secret::Secret;
use crate::oauth::time::Lifetime;
use crate::user::{AcrMap, Levels};

use super::address::{self, Group, ListenAddress};
use super::cross;
use super::finding::{Fault, Finding, Severity};
use super::gate::GateSettings;
use super::header::{VerifyHeaderSetting, header_name};
use super::reader::Reader;
use super::store_url::StoreUrl;
use super::trusted_proxy::TrustedProxy;
use super::value::{
    self, AccessTokenFormat, AnswerCache, ClientCertEncoding, LogFormat, LogLevel, Size,
};
use super::written::Written;

/// Where the signing keys are.
#[derive(Clone, Debug)]
pub enum KeysPlace {
    /// In the store, as they are; never with Redis.
    Store,
    /// In the store, encrypted under this secret.
    EncryptedStore(Secret),
    /// In this directory.
    Directory(PathBuf),
}

/// The configuration as meant.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The issuer identifier.
    pub issuer: Issuer,
    /// The issuer's URL on the host that asks for certificates.
    pub mtls_base: Option<BaseUrl>,
    /// Where to serve; at least one.
    pub listen: Vec<ListenAddress>,
    /// Permissions of Unix sockets.
    pub listen_mode: u32,
    /// The group of Unix sockets.
    pub listen_group: Option<Group>,
    /// Where to serve the gate as a FastCGI Authorizer.
    pub fcgi_listen: Option<ListenAddress>,
    /// Where to serve health, readiness and metrics.
    pub admin_listen: ListenAddress,
    /// Whose headers are believed; with none, nobody's.
    pub trusted_proxies: Vec<TrustedProxy>,
    /// What `X-Proxy-Secret` must say.
    pub proxy_secret: Option<Secret>,
    /// The header with the client certificate.
    pub client_cert_header: HeaderName,
    /// How the certificate is written there.
    pub client_cert_encoding: ClientCertEncoding,
    /// The header with the intermediates.
    pub client_cert_chain_header: Option<HeaderName>,
    /// PEM bundle of the clients' CAs.
    pub client_ca: Option<PathBuf>,
    /// Their revocation list.
    pub client_crl: Option<PathBuf>,
    /// How long a revocation list outlives its `nextUpdate`.
    pub crl_grace: Lifetime,
    /// Whether the operator states that the web server verifies.
    pub front_end_verifies: bool,
    /// The header with the web server's verdict.
    pub verify_header: VerifyHeaderSetting,
    /// The largest header block of a request.
    pub max_header_bytes: Size,
    /// Connections at the same time.
    pub max_connections: usize,
    /// The header with the user whom the web server has authenticated.
    pub user_header: Option<HeaderName>,
    /// The header with the client's address.
    pub client_address_header: Option<HeaderName>,
    /// The header with the request's name.
    pub request_id_header: Option<HeaderName>,
    /// Whether `whoami` is served.
    pub whoami: bool,
    /// The operator's own templates and stylesheets.
    pub pages: Option<PathBuf>,
    /// Whether answers come from memory while the store tells of every change.
    pub answer_cache: AnswerCache,
    /// Where records are kept.
    pub store: StoreUrl,
    /// The CAs of a `rediss://` server, where not the system's.
    pub store_ca: Option<PathBuf>,
    /// The registrations.
    pub clients: PathBuf,
    /// The local users.
    pub users: Option<PathBuf>,
    /// The CAs for outbound calls, where not the system's.
    pub outbound_ca: Option<PathBuf>,
    /// Whether outbound calls may go to private addresses.
    pub outbound_allow_private: bool,
    /// Where the signing keys are.
    pub keys: KeysPlace,
    /// How long access tokens live.
    pub access_token_ttl: Lifetime,
    /// How long refresh tokens live.
    pub refresh_token_ttl: Lifetime,
    /// How long authorization codes live.
    pub code_ttl: Lifetime,
    /// What access tokens are by default.
    pub access_token_format: AccessTokenFormat,
    /// How long a user stays signed in at most.
    pub session_ttl: Lifetime,
    /// How long a user stays signed in without coming back; never more than that.
    pub session_idle_ttl: Lifetime,
    /// What each way of signing in is worth.
    pub levels: Levels,
    /// What levels are called where a registration has no names of its own.
    pub acr: AcrMap,
    /// What the server holds itself to.
    pub profile: Profile,
    /// What guards resources; the one named `default` is always among them.
    pub gates: Vec<GateSettings>,
    /// How the log is written.
    pub log_format: LogFormat,
    /// How much is logged.
    pub log_level: LogLevel,
}

impl Settings {
    /// Understands what was written, secret files included. Either the settings and what to warn
    /// of, or everything that is wrong, of which at least one thing is an error.
    pub fn from_written(written: &Written) -> Result<(Self, Vec<Finding>), Vec<Finding>> {
        let mut reader = Reader::new(written);
        let settings = Self::read(&mut reader);
        let findings = reader.into_findings();
        let refused = findings
            .iter()
            .any(|finding| finding.severity() == Severity::Error);
        match settings {
            Some(settings) if !refused => Ok((settings, findings)),
            _ => Err(findings),
        }
    }

    /// Reads everything before it gives up on anything, so that every finding is made.
    #[expect(clippy::too_many_lines, reason = "a line or two for each setting")]
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let issuer = reader.value("issuer", url);
        if reader.values("issuer").is_empty() {
            reader.error("issuer", Fault::new(
                "the issuer is not set",
                "write the URL that clients know this server by, for example --issuer https://as.example.com",
            ));
        }
        let mtls_base = reader.value("mtls-base", url);
        let listen = reader.all("listen", ListenAddress::parse);
        let listen_mode = reader.value("listen-mode", address::mode);
        let listen_group = reader.value("listen-group", group);
        let fcgi_listen = reader.value("fcgi-listen", ListenAddress::parse);
        let admin_listen = reader.value("admin-listen", ListenAddress::parse);
        let trusted_proxies = reader.all_warned("trusted-proxy", TrustedProxy::parse);
        let proxy_secret = reader.secret("proxy-secret-file");
        let client_cert_header = reader.value("client-cert-header", header_name);
        let client_cert_encoding = reader.value("client-cert-encoding", ClientCertEncoding::parse);
        let client_cert_chain_header = reader.value("client-cert-chain-header", header_name);
        let client_ca = reader.path("client-ca");
        let client_crl = reader.path("client-crl");
        let crl_grace = reader.value("crl-grace", value::lifetime);
        let front_end_verifies = reader.switch("front-end-verifies");
        let asked = reader.is_set("verify-header");
        let verify_header = reader.value("verify-header", |text| verify_header(text, asked));
        let max_header_bytes = reader.value("max-header-bytes", value::header_bytes);
        let max_connections = reader.value("max-connections", value::connections);
        let user_header = reader.value("user-header", header_name);
        let client_address_header = reader.value("client-address-header", header_name);
        let request_id_header = reader.value("request-id-header", header_name);
        let whoami = reader.switch("whoami");
        let pages = reader.path("pages");
        let store = reader.value("store", StoreUrl::parse);
        let store_ca = reader.path("store-ca");
        let clients = reader.path("clients");
        let users = reader.path("users");
        let outbound_ca = reader.path("outbound-ca");
        let outbound_allow_private = reader.switch("outbound-allow-private");
        let keys = reader.path("keys");
        let store_secret = reader.secret("store-secret-file");
        let access_token_ttl = reader.value("access-token-ttl", value::access_token_ttl);
        let access_token_format = reader.value("access-token-format", AccessTokenFormat::parse);
        let refresh_token_ttl = reader.value("refresh-token-ttl", value::refresh_token_ttl);
        let code_ttl = reader.value("code-ttl", value::code_ttl);
        let session_ttl = reader.value("session-ttl", value::session_ttl);
        let session_idle_ttl = reader.value("session-idle-ttl", value::session_ttl);
        let profile = reader.value("profile", value::profile);
        let (levels, acr) = reader.levels();
        let answer_cache = reader.value("answer-cache", AnswerCache::parse);
        let log_format = reader.value("log-format", LogFormat::parse);
        let log_level = reader.value("log-level", LogLevel::parse);

        let mut gates = reader.gates(issuer.as_ref());
        if let Some(issuer) = &issuer {
            let named = gates.into_iter().map(|gate| gate.with_levels(issuer, &acr));
            gates = named.collect();
        }
        cross::addresses(reader, &listen, fcgi_listen.as_ref(), admin_listen.as_ref());
        cross::trust(
            reader,
            &trusted_proxies,
            &listen,
            fcgi_listen.as_ref(),
            listen_mode,
        );
        cross::verification(reader, front_end_verifies, verify_header.as_ref());
        cross::headers(
            reader,
            &[
                ("client-cert-header", client_cert_header.as_ref()),
                (
                    "client-cert-chain-header",
                    client_cert_chain_header.as_ref(),
                ),
                (
                    "verify-header",
                    verify_header.as_ref().and_then(VerifyHeaderSetting::name),
                ),
                ("user-header", user_header.as_ref()),
                ("client-address-header", client_address_header.as_ref()),
                ("request-id-header", request_id_header.as_ref()),
            ],
        );
        cross::store(reader, store.as_ref());
        cross::people(reader, profile, code_ttl, session_ttl, session_idle_ttl);

        Some(Self {
            issuer: issuer?,
            mtls_base,
            listen,
            listen_mode: listen_mode?,
            listen_group,
            fcgi_listen,
            admin_listen: admin_listen?,
            trusted_proxies,
            proxy_secret,
            client_cert_header: client_cert_header?,
            client_cert_encoding: client_cert_encoding?,
            client_cert_chain_header,
            client_ca,
            client_crl,
            crl_grace: crl_grace?,
            front_end_verifies,
            verify_header: verify_header?,
            max_header_bytes: max_header_bytes?,
            max_connections: max_connections?,
            user_header,
            client_address_header,
            request_id_header,
            whoami,
            pages,
            store: store?,
            store_ca,
            clients: clients?,
            users,
            outbound_ca,
            outbound_allow_private,
            keys: match (keys, store_secret) {
                (Some(directory), _) => KeysPlace::Directory(directory),
                (None, Some(secret)) => KeysPlace::EncryptedStore(secret),
                (None, None) => KeysPlace::Store,
            },
            access_token_ttl: access_token_ttl?,
            access_token_format: access_token_format?,
            refresh_token_ttl: refresh_token_ttl?,
            code_ttl: code_ttl?,
            session_ttl: session_ttl?,
            session_idle_ttl: session_idle_ttl?.min(session_ttl?),
            levels,
            acr,
            profile: profile?,
            gates,
            answer_cache: answer_cache?,
            log_format: log_format?,
            log_level: log_level?,
        })
    }
}

fn url<T>(text: &str) -> Result<T, Fault>
where
    T: std::str::FromStr<Err = crate::oauth::issuer::NotABaseUrl>,
{
    text.parse()
        .map_err(|not: T::Err| Fault::new(not.problem(), not.remedy()))
}

fn group(text: &str) -> Result<Group, Fault> {
    // A machine without the file has no groups by name; numbers still do.
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    Group::parse(text, &groups)
}

fn verify_header(text: &str, asked: bool) -> Result<VerifyHeaderSetting, Fault> {
    if text == "none" {
        return Ok(VerifyHeaderSetting::None);
    }
    let name = header_name(text)?;
    Ok(if asked {
        VerifyHeaderSetting::Set(name)
    } else {
        VerifyHeaderSetting::Default(name)
    })
}
