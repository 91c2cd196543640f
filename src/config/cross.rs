//! What does not go together, though each setting is well written by itself.

use http::HeaderName;

use crate::oauth::profile::Profile;
use crate::oauth::time::Lifetime;

use super::address::ListenAddress;
use super::finding::Fault;
use super::header::{VerifyHeaderSetting, folded};
use super::reader::Reader;
use super::store_url::StoreUrl;
use super::trusted_proxy::TrustedProxy;

/// How long a code may live by the FAPI 2.0 Security Profile, section 5.3.2.1.
const FAPI2_CODE: Lifetime = Lifetime::from_seconds(60);

/// Something must be listened on, and nothing twice.
pub(super) fn addresses(
    reader: &mut Reader<'_>,
    listen: &[ListenAddress],
    fcgi: Option<&ListenAddress>,
    admin: Option<&ListenAddress>,
) {
    if reader.values("listen").is_empty() {
        reader.error(
            "listen",
            Fault::new(
                "there is no address to listen on",
                "write at least one, for example 127.0.0.1:9400",
            ),
        );
    }
    // Port 0 is another port every time.
    let same = |one: &ListenAddress, other: &ListenAddress| match one {
        ListenAddress::Tcp(address) if address.port() == 0 => false,
        _ => one == other,
    };
    for (at, address) in listen.iter().enumerate() {
        if listen[..at].iter().any(|other| same(address, other)) {
            reader.error(
                "listen",
                Fault::new(format!("{address} is there twice"), "write it once"),
            );
        }
    }
    let mut taken: Vec<(&str, &ListenAddress)> =
        listen.iter().map(|address| ("listen", address)).collect();
    for (flag, address) in [("fcgi-listen", fcgi), ("admin-listen", admin)] {
        let Some(address) = address else {
            continue;
        };
        if let Some((other, _)) = taken.iter().find(|(_, other)| same(other, address)) {
            reader.error(
                flag,
                Fault::new(
                    format!("{address} is an address of --{other}, too"),
                    "write another address or port",
                ),
            );
        }
        taken.push((flag, address));
    }
}

/// Whose headers are believed, and whether that is anybody or too many.
pub(super) fn trust(
    reader: &mut Reader<'_>,
    trusted: &[TrustedProxy],
    listen: &[ListenAddress],
    fcgi: Option<&ListenAddress>,
    mode: Option<u32>,
) {
    if reader.values("trusted-proxy").is_empty() {
        reader.warning(
            "trusted-proxy",
            Fault::new(
                "no proxy is trusted, so nobody's client-certificate headers are believed",
                "set --trusted-proxy to the web server's address, for example 127.0.0.1/32, or to unix",
            ),
        );
        return;
    }
    if trusted.iter().any(TrustedProxy::is_everybody) {
        reader.warning(
            "trusted-proxy",
            Fault::new(
                "every address is trusted, so whoever can connect can be any client",
                "write the web server's own address",
            ),
        );
    }
    let on_socket = trusted.iter().any(|proxy| proxy.network().is_none());
    let on_network = trusted.iter().any(|proxy| proxy.network().is_some());
    let believed = |address: &ListenAddress| match address {
        ListenAddress::Unix(_) => on_socket,
        ListenAddress::Tcp(_) => on_network,
    };
    if !trusted.is_empty() && !listen.is_empty() && !listen.iter().any(believed) {
        reader.warning(
            "trusted-proxy",
            Fault::new(
                "no trusted proxy can come in where this server listens, so nobody's client-certificate headers are believed",
                "set --trusted-proxy to unix for a Unix socket, to a network for IP:PORT",
            ),
        );
    }
    if let Some(address) = fcgi
        && !trusted.is_empty()
        && !believed(address)
    {
        reader.warning(
            "fcgi-listen",
            Fault::new(
                format!("no trusted proxy can come in at {address}, so the gate sees no client certificate there"),
                "add a --trusted-proxy: the web server's network for IP:PORT, which is all that mod_authnz_fcgi can reach, or unix",
            ),
        );
    }
    if reader.is_set("proxy-secret-file") {
        return;
    }
    let elsewhere = trusted.iter().any(TrustedProxy::is_elsewhere);
    let open = |address: &&ListenAddress| elsewhere && address.is_reachable_from_outside();
    let reachable = [
        ("listen", listen.iter().find(open)),
        ("fcgi-listen", fcgi.filter(open)),
    ];
    for (flag, address) in reachable {
        let Some(address) = address else { continue };
        reader.warning(
            flag,
            Fault::new(
                format!("{address} can be reached from other machines, and whoever sends from a trusted network is believed without a secret"),
                "set --proxy-secret-file, or listen on a loopback address or a Unix socket",
            ),
        );
    }
    let has_socket = listen
        .iter()
        .chain(fcgi)
        .any(|address| matches!(address, ListenAddress::Unix(_)));
    if on_socket && has_socket && mode.is_some_and(|mode| mode & 0o002 != 0) {
        reader.warning(
            "listen-mode",
            Fault::new(
                "everybody on this machine can open the Unix socket and is believed",
                "write 0660 and give the web server's group with --listen-group, or set --proxy-secret-file",
            ),
        );
    }
}

/// Who verifies client certificates.
pub(super) fn verification(
    reader: &mut Reader<'_>,
    front_end_verifies: bool,
    verify_header: Option<&VerifyHeaderSetting>,
) {
    let has_ca = reader.is_set("client-ca");
    if !has_ca && !front_end_verifies {
        reader.warning(
            "client-ca",
            Fault::new(
                "nobody verifies client certificates, so every tls_client_auth request will fail",
                "set --client-ca, or --front-end-verifies where the web server lets no unverified certificate through",
            ),
        );
    }
    if !has_ca && reader.is_set("client-crl") {
        reader.error(
            "client-crl",
            Fault::new(
                "a revocation list does nothing without the CAs that it belongs to",
                "set --client-ca as well, or leave the list out",
            ),
        );
    }
    if front_end_verifies && verify_header == Some(&VerifyHeaderSetting::None) {
        let rests_on = if has_ca {
            "that the web server verifies rests on its configuration alone, beside --client-ca"
        } else {
            "that a certificate is verified rests on the web server's configuration alone, as there is no verdict to look at"
        };
        reader.warning(
            "verify-header",
            Fault::new(
                rests_on,
                "name the header of the verdict if the web server can send one, or make sure that it refuses every unverified certificate",
            ),
        );
    }
}

/// No header may be named by two settings.
pub(super) fn headers(reader: &mut Reader<'_>, headers: &[(&'static str, Option<&HeaderName>)]) {
    let named: Vec<(&'static str, String)> = headers
        .iter()
        .filter_map(|(setting, name)| Some((*setting, folded((*name)?))))
        .collect();
    for (at, (setting, name)) in named.iter().enumerate() {
        if let Some((other, _)) = named[..at].iter().find(|(_, other)| other == name) {
            // The one that somebody wrote is the one to change.
            let (blamed, other) = if reader.is_set(setting) {
                (setting, other)
            } else {
                (other, setting)
            };
            reader.error(
                blamed,
                Fault::new(
                    format!("{name} is the header of --{other}, too (- and _ count as the same)"),
                    "write another header's name",
                ),
            );
        }
    }
}

/// Where records and keys are kept.
pub(super) fn store(reader: &mut Reader<'_>, store: Option<&StoreUrl>) {
    let (keys, secret) = (reader.is_set("keys"), reader.is_set("store-secret-file"));
    if keys && secret {
        reader.error(
            "store-secret-file",
            Fault::new(
                "signing keys are either in a directory or encrypted in the store",
                "set one of --keys and --store-secret-file",
            ),
        );
    }
    let Some(store) = store else { return };
    if store.is_redis() && !keys && !secret {
        reader.error(
            "keys",
            Fault::new(
                "with Redis signing keys do not lie in the clear in the store, so there is no place for them",
                "set --keys to a directory, or --store-secret-file to encrypt them in the store",
            ),
        );
    }
    let tls = matches!(store, StoreUrl::Redis(redis) if redis.is_tls());
    if reader.is_set("store-ca") && !tls {
        reader.error(
            "store-ca",
            Fault::new(
                "the store's connection has no certificate to check",
                "write rediss:// in --store, or leave --store-ca out",
            ),
        );
    }
}

/// What there is for people.
pub(super) fn people(
    reader: &mut Reader<'_>,
    profile: Option<Profile>,
    code: Option<Lifetime>,
    session: Option<Lifetime>,
    idle: Option<Lifetime>,
) {
    if reader.is_set("user-header") && reader.values("trusted-proxy").is_empty() {
        reader.warning(
            "user-header",
            Fault::new(
                "no proxy is trusted, so nobody is believed to be a user",
                "set --trusted-proxy to the web server's address, or leave the header out",
            ),
        );
    }
    if profile.is_some_and(Profile::is_fapi2) && code.is_some_and(|code| code > FAPI2_CODE) {
        reader.error(
            "code-ttl",
            Fault::new(
                "the FAPI 2.0 Security Profile lets a code live for a minute at most",
                format!("write {FAPI2_CODE} or less, or leave --profile fapi2 out"),
            ),
        );
    }
    // Where nobody wrote how long one may be idle, it is no longer than the session.
    if reader.is_set("session-idle-ttl") && idle > session {
        reader.warning(
            "session-idle-ttl",
            Fault::new(
                "it is longer than --session-ttl, which ends every session",
                "write a duration below --session-ttl, or leave it out",
            ),
        );
    }
}
