//! certbound for people: its users, and the clients that send them.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::libraries;
use super::place::{Place, text};
use super::process::{self, Process, free_port};

/// The password of every user.
pub(crate) const PASSWORD: &str = "correct horse, battery staple";
/// The second factor of alice.
pub(crate) const TOTP: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
/// What the clients `portal` and `wiki` know.
pub(crate) const SECRET: &str = "what a-client/knows: ~50%";

const PROGRAM: &str = env!("CARGO_BIN_EXE_certbound");

/// What `certbound user hash-password` makes of the password.
pub(crate) fn password_hash() -> String {
    let mut child = Command::new(PROGRAM)
        .args(["user", "hash-password"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("certbound can be started");
    let mut input = child.stdin.take().expect("it is piped");
    writeln!(input, "{PASSWORD}").expect("it reads a line");
    drop(input);
    let output = child.wait_with_output().expect("a child can be awaited");
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).expect("it prints text");
    printed.trim_end().to_owned()
}

/// A secret, as registrations have it.
pub(crate) fn hex(secret: &str) -> String {
    let digest = Sha256::digest(secret.as_bytes());
    let octets = digest.iter().map(|octet| format!("{octet:02x}"));
    octets.collect()
}

/// Alice, who has a second factor, Carol, who has a certificate, and Zoë, whom the web server may know.
pub(crate) fn users() -> Value {
    json!([{
        "username": "alice",
        "sub": "a-248289761001",
        "password_hash": password_hash(),
        "totp": TOTP,
        "claims": {
            "name": "Alice Ångström", "email": "alice@example.com", "email_verified": true,
            "phone_number": "+47 22 22 22 22",
        },
    }, {
        "username": "carol",
        "certificates": [{"subject_dn": "CN=ledger,O=Example,C=GB"}],
    }, {
        "username": "zoë",
        "sub": "z-1",
        "claims": {"name": "Zoë Æsop"},
    }])
}

/// The keys that the client `reports` made: what it signs with, what it decrypts with.
pub(crate) struct Keys([Value; 2]);

impl Keys {
    pub(crate) fn make() -> Self {
        let keys = libraries::ask(&mut libraries::node(include_str!("keys.mjs")), &Value::Null);
        Self([keys[0].clone(), keys[1].clone()])
    }

    /// For the client.
    pub(crate) fn private(&self) -> Value {
        let [signing, decrypting] = &self.0;
        json!({"signing": signing["private"], "decrypting": decrypting["private"]})
    }

    /// For its registration.
    fn public(&self) -> Value {
        json!({"keys": self.0.iter().map(|key| &key["public"]).collect::<Vec<_>>()})
    }
}

/// The registrations.
pub(crate) fn clients(place: &Place, keys: &Keys) -> Value {
    let callback = json!(["https://app.example.com/callback"]);
    let goodbye = json!(["https://app.example.com/goodbye"]);
    let both = json!(["authorization_code", "refresh_token"]);
    let levels = json!({"silver": 1, "gold": 2});
    json!([
        {
            "client_id": "orders",
            "client_name": "Orders of app.example.com",
            "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_subject_dn": "CN=orders,O=Example,C=GB",
            "grant_types": both,
            "redirect_uris": callback,
            "post_logout_redirect_uris": goodbye,
            "scope": "openid profile email offline_access",
            "require_pushed_authorization_requests": true,
            "id_token_signed_response_alg": "PS256",
            "acr_loa_map": levels,
            "audience": "https://api.example.com",
        },
        {
            "client_id": "kiosk",
            "token_endpoint_auth_method": "self_signed_tls_client_auth",
            "jwks": {"keys": [{"kty": "EC", "x5t#S256": place.pki.thumbprint("kiosk")}]},
            "grant_types": both,
            "redirect_uris": callback,
            "scope": "openid email",
            "id_token_signed_response_alg": "ES256",
            "userinfo_signed_response_alg": "PS256",
            "acr_loa_map": levels,
            "default_acr_values": ["silver"],
            "consent": false,
        },
        {
            "client_id": "reports",
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": keys.public(),
            "tls_client_certificate_bound_access_tokens": true,
            "grant_types": ["authorization_code", "refresh_token", "implicit"],
            "response_types": ["code id_token"],
            "redirect_uris": callback,
            "post_logout_redirect_uris": goodbye,
            "scope": "openid email",
            "id_token_signed_response_alg": "ES256",
            "id_token_encrypted_response_alg": "ECDH-ES+A256KW",
            "id_token_encrypted_response_enc": "A256GCM",
            "userinfo_signed_response_alg": "RS256",
            "userinfo_encrypted_response_alg": "ECDH-ES+A256KW",
            "userinfo_encrypted_response_enc": "A256GCM",
            "acr_loa_map": levels,
            "default_acr_values": ["silver"],
            "consent": false,
        },
        {
            "client_id": "native",
            "application_type": "native",
            "token_endpoint_auth_method": "none",
            "grant_types": both,
            "redirect_uris": ["http://127.0.0.1/callback"],
            "scope": "openid offline_access",
        },
        {
            "client_id": "portal",
            "token_endpoint_auth_method": "client_secret_basic",
            "client_secret_sha256": hex(SECRET),
            "grant_types": both,
            "redirect_uris": callback,
            "post_logout_redirect_uris": goodbye,
            "scope": "openid",
            "acr_loa_map": levels,
            "consent": false,
        },
    ])
}

/// Registrations for FAPI 2.0: one client with certificates, one with assertions and request objects.
pub(crate) fn fapi_clients(keys: &Keys) -> Value {
    let common = |own: Value| {
        let mut registration = json!({
            "grant_types": ["authorization_code", "refresh_token"],
            "redirect_uris": ["https://app.example.com/callback"],
            "post_logout_redirect_uris": ["https://app.example.com/goodbye"],
            "scope": "openid email",
            "acr_loa_map": {"silver": 1, "gold": 2},
            "audience": "https://api.example.com",
        });
        for (name, value) in own.as_object().expect("members") {
            registration[name] = value.clone();
        }
        registration
    };
    json!([
        common(json!({
            "client_id": "orders",
            "token_endpoint_auth_method": "tls_client_auth",
            "tls_client_auth_subject_dn": "CN=orders,O=Example,C=GB",
            "id_token_signed_response_alg": "PS256",
        })),
        common(json!({
            "client_id": "reports",
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks": keys.public(),
            "tls_client_certificate_bound_access_tokens": true,
            "id_token_signed_response_alg": "ES256",
            "introspection_signed_response_alg": "ES256",
        })),
    ])
}

/// Starts certbound with that configuration and further flags; registrations and users are in `etc`.
pub(crate) fn serve(place: &Place, toml: &Path, further: &[&str]) -> Process {
    let flags = |name: &str, value: String| [format!("--{name}"), value];
    let mut given = flags("config", text(toml)).to_vec();
    let port = free_port();
    for (name, value) in [
        ("listen", format!("unix:{}", text(&place.socket()))),
        ("listen", format!("127.0.0.1:{port}")),
        (
            "admin-listen",
            format!("unix:{}", text(&place.file("run/admin.sock"))),
        ),
        ("client-ca", text(&place.pki.file("client-ca.pem"))),
        ("clients", text(&place.file("etc/clients.json"))),
        ("users", text(&place.file("etc/users.json"))),
        (
            "store",
            format!("file:{}", text(&place.file("records.redb"))),
        ),
    ] {
        given.extend(flags(name, value));
    }
    let folder = fs::metadata(place.path()).expect("it is there");
    if folder.uid() != 0 {
        // Only root can give the socket to www-data; for others the web server runs as themselves.
        given.extend(flags("listen-group", folder.gid().to_string()));
    }
    given.extend(further.iter().map(|&flag| flag.to_owned()));
    let checked = process::run("certbound", Command::new(PROGRAM).arg("check").args(&given));
    assert!(checked.status.success(), "{checked:?}");
    let mut process = Process::start(
        "certbound",
        Command::new(PROGRAM).arg("serve").args(&given),
        place.file("logs/certbound.log"),
    )
    .listens_on(&[port]);
    let socket = place.socket();
    process.wait_until("opens its socket", || socket.exists());
    process
}
