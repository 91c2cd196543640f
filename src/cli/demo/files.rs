//! What is written into the folder: keys and certificates, secrets, registrations, users, and a configuration
//! with which `certbound serve` does the same.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::folder::Folder;
use super::pki::{Pki, subject_dn};
use super::story::CALLBACK;
use crate::cli::World;

/// The resource server of the story.
const API: &str = "https://api.example.com";

/// The name of the configuration file.
pub(super) const CONFIGURATION: &str = "certbound.toml";

/// The name of the log.
pub(super) const LOG: &str = "certbound.log";

/// The clients that authenticate by a secret.
const SECRETS: [&str; 2] = ["api", "client-secret"];

/// Where everybody listens.
pub(super) struct Places {
    /// The stand-in.
    pub(super) front: SocketAddr,
    /// certbound.
    pub(super) certbound: SocketAddr,
    /// certbound's health and metrics.
    pub(super) admin: SocketAddr,
}

/// Writes everything, and answers with the secret that the stand-in and certbound share.
pub(super) fn write(
    folder: &Folder,
    pki: &Pki,
    places: &Places,
    world: World,
) -> Result<String, String> {
    folder.write("ca.crt", &pki.authority)?;
    for identity in pki.identities() {
        folder.write(&format!("{}.crt", identity.name), &identity.certificate)?;
        folder.write(&format!("{}.key", identity.name), &identity.key)?;
    }
    let mut digests = Vec::new();
    for client in SECRETS {
        let secret = (world.mint)();
        folder.write(&format!("{client}.secret"), secret.expose())?;
        digests.push(hex(secret.digest().octets()));
    }
    let shared = (world.mint)().expose().to_owned();
    folder.write("proxy.secret", &shared)?;
    folder.write("clients.json", &clients(pki, &digests)?)?;
    folder.write("users.json", &users())?;
    folder.write(CONFIGURATION, &configuration(folder, places)?)?;
    Ok(shared)
}

/// Written by hand and not by a program, to be read and changed.
fn clients(pki: &Pki, digests: &[String]) -> Result<String, String> {
    let registered = pki.identity("self").ok_or("nobody is called self")?;
    let [api, secret] = digests else {
        return Err("there must be a digest for each secret".into());
    };
    Ok(format!(
        r#"[
  {{
    "client_id": "client-a",
    "token_endpoint_auth_method": "tls_client_auth",
    "tls_client_auth_subject_dn": "{a}",
    "scope": "read write",
    "audience": ["{API}"]
  }},
  {{
    "client_id": "client-b",
    "token_endpoint_auth_method": "tls_client_auth",
    "tls_client_auth_subject_dn": "{b}",
    "access_token_format": "opaque",
    "audience": ["{API}"]
  }},
  {{
    "client_id": "client-self",
    "token_endpoint_auth_method": "self_signed_tls_client_auth",
    "jwks": {{ "keys": [{{ "kty": "EC", "x5c": ["{x5c}"] }}] }},
    "audience": ["{API}"]
  }},
  {{
    "client_id": "client-secret",
    "token_endpoint_auth_method": "client_secret_basic",
    "client_secret_sha256": "{secret}",
    "tls_client_certificate_bound_access_tokens": true,
    "audience": ["{API}"]
  }},
  {{
    "client_id": "client-web",
    "client_name": "The app",
    "token_endpoint_auth_method": "tls_client_auth",
    "tls_client_auth_subject_dn": "{web}",
    "grant_types": ["authorization_code", "refresh_token"],
    "redirect_uris": ["{CALLBACK}"],
    "scope": "openid profile",
    "consent": false,
    "audience": ["{API}"]
  }},
  {{
    "client_id": "api",
    "token_endpoint_auth_method": "client_secret_basic",
    "client_secret_sha256": "{api}",
    "resource": ["{API}"]
  }}
]
"#,
        a = subject_dn("client-a"),
        b = subject_dn("client-b"),
        web = subject_dn("client-web"),
        x5c = STANDARD.encode(registered.der()),
    ))
}

/// Who may sign in, and by which certificate.
fn users() -> String {
    format!(
        r#"[
  {{
    "username": "alice",
    "certificates": [{{ "subject_dn": "{alice}" }}],
    "claims": {{ "name": "Alice Example" }}
  }}
]
"#,
        alice = subject_dn("alice"),
    )
}

fn configuration(folder: &Folder, places: &Places) -> Result<String, String> {
    // What JSON escapes in a string, TOML escapes alike.
    let quoted = |text: String| serde_json::to_string(&text).map_err(|error| error.to_string());
    let file = |name: &str| quoted(folder.file(name));
    Ok(format!(
        "# What `certbound demo` ran with. `certbound serve --config` with this file does the same; a web
# server in front of it is then yours to add.

# What clients know this server by: the web server, which terminates TLS.
issuer = {issuer}

# The web server comes in here, from this machine alone, and must know the secret as well: else
# everybody with an account on this machine could be any client.
listen = {listen}
trusted_proxy = \"127.0.0.1/32\"
proxy_secret_file = {secret}

# Health, readiness and metrics.
admin_listen = {admin}

# The web server forwards the client's certificate in X-ClientCert, as RFC 9440 writes it. It does
# not verify it; certbound does, against this authority.
client_cert_encoding = \"rfc9440\"
client_ca = {authority}
verify_header = \"none\"

# Clients, people, and where tokens and signing keys are kept.
clients = {clients}
users = {users}
store = {store}

# Shows at /whoami what the web server forwarded and how it was understood.
whoami = true
log_format = \"json\"
",
        issuer = quoted(format!("https://localhost:{}", places.front.port()))?,
        listen = quoted(places.certbound.to_string())?,
        secret = file("proxy.secret")?,
        admin = quoted(places.admin.to_string())?,
        authority = file("ca.crt")?,
        clients = file("clients.json")?,
        users = file("users.json")?,
        store = quoted(format!("file:{}", folder.file("state")))?,
    ))
}

fn hex(octets: &[u8]) -> String {
    use std::fmt::Write as _;
    octets.iter().fold(String::new(), |mut text, octet| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}
