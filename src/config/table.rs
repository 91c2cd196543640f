//! The one table of everything that can be configured: command line, environment, file and manual follow it.

use super::flags::Fallback::{self, Value, Words};
use super::flags::{Flag, Kind};

/// Everything that this version can be configured with.
pub const FLAGS: &[Flag] = &[
    one(
        "config",
        "FILE",
        Words("`certbound.toml` if it is there"),
        "Configuration file: the same names with _ for -, overruled by flags and environment.",
    ),
    one(
        "issuer",
        "URL",
        Words("required"),
        "Issuer identifier of this server; every endpoint lives under its path.",
    ),
    one(
        "mtls-base",
        "URL",
        Words("none"),
        "The issuer's URL on the host that asks for client certificates, path included, published as mtls_endpoint_aliases.",
    ),
    many(
        "listen",
        "ADDR",
        Value("127.0.0.1:9400"),
        "Address to serve on, IP:PORT or unix:PATH.",
    ),
    one(
        "listen-mode",
        "MODE",
        Value("0660"),
        "Octal permissions of a Unix socket that is listened on.",
    ),
    one(
        "listen-group",
        "GROUP",
        Words("none"),
        "Group, by name or number, that a Unix socket which is listened on belongs to.",
    ),
    one(
        "fcgi-listen",
        "ADDR",
        Words("none"),
        "Address of the gate as a FastCGI Authorizer for Apache's mod_authnz_fcgi, IP:PORT or unix:PATH.",
    ),
    one(
        "admin-listen",
        "ADDR",
        Value("127.0.0.1:9401"),
        "Address for health, readiness and metrics, IP:PORT or unix:PATH.",
    ),
    many(
        "trusted-proxy",
        "CIDR",
        Words("none"),
        "Network whose client-certificate headers are believed, or unix for whoever can open the Unix socket.",
    ),
    one(
        "proxy-secret-file",
        "FILE",
        Words("none"),
        "File with a secret that the proxy must also send as X-Proxy-Secret.",
    ),
    one(
        "client-cert-header",
        "NAME",
        Value("X-ClientCert"),
        "Header in which the proxy forwards the client certificate.",
    ),
    one(
        "client-cert-encoding",
        "E",
        Value("auto"),
        "How the certificate is written in that header: auto, pem, escaped-pem, base64-der, base64-pem, rfc9440, xfcc or traefik.",
    ),
    one(
        "client-cert-chain-header",
        "NAME",
        Words("none"),
        "Header in which the proxy forwards the intermediate certificates.",
    ),
    one(
        "client-ca",
        "FILE",
        Words("none"),
        "PEM bundle of the CAs of the clients, against which certificate chains are validated here.",
    ),
    one(
        "client-crl",
        "FILE",
        Words("none"),
        "Revocation list of those CAs, PEM or DER, read from disk only.",
    ),
    one(
        "crl-grace",
        "DURATION",
        Value("0s"),
        "How long a revocation list is still good for after its nextUpdate.",
    ),
    switch(
        "front-end-verifies",
        "States that the web server lets no unverified client certificate through.",
    ),
    one(
        "verify-header",
        "NAME",
        Value("X-ClientCert-Verify"),
        "Header with the web server's own verdict on the certificate, or none where it gives no verdict.",
    ),
    one(
        "max-header-bytes",
        "N",
        Value("64k"),
        "Largest header block of a request, from 8k to 1m.",
    ),
    one(
        "max-connections",
        "N",
        Value("4096"),
        "Connections served at the same time; further ones wait.",
    ),
    one(
        "user-header",
        "NAME",
        Words("none"),
        "Header in which a trusted proxy names the user whom the web server has authenticated.",
    ),
    one(
        "client-address-header",
        "NAME",
        Words("none"),
        "Header in which a trusted proxy names the client's address, for logs and throttling only.",
    ),
    one(
        "request-id-header",
        "NAME",
        Words("none"),
        "Header in which a trusted proxy names the request, for logs only.",
    ),
    switch(
        "whoami",
        "Serves whoami, which shows what the web server forwarded and how it was understood.",
    ),
    one(
        "pages",
        "DIR",
        Words("built in"),
        "Folder of templates and stylesheets in place of the built-in pages; PAGES.md describes them.",
    ),
    one(
        "answer-cache",
        "C",
        Value("on"),
        "Whether introspection and gates answer from memory while Redis tells of every change, on, or Redis is asked for every answer, off.",
    ),
    Flag {
        secret: true,
        ..one(
            "store",
            "URL",
            Value("memory:"),
            "Where records are kept: memory:, file:PATH, redis://, rediss:// or redis+unix://.",
        )
    },
    one(
        "store-ca",
        "FILE",
        Words("the system's"),
        "PEM bundle of the CAs that the certificate of a rediss:// server must come from.",
    ),
    one(
        "clients",
        "FILE",
        Value("clients.json"),
        "Registrations of the clients.",
    ),
    one("users", "FILE", Words("none"), "Local users."),
    one(
        "outbound-ca",
        "FILE",
        Words("the system's (`SSL_CERT_FILE` honoured)"),
        "PEM bundle of the CAs for what this server itself calls, such as a jwks_uri.",
    ),
    switch(
        "outbound-allow-private",
        "Lets this server call private and loopback addresses, and plain http on loopback.",
    ),
    one(
        "keys",
        "DIR",
        Words("in the store with `memory:` and `file:`"),
        "Directory of the signing keys, PKCS#8 PEM; one is made at the first start.",
    ),
    one(
        "store-secret-file",
        "FILE",
        Words("none"),
        "File with the secret under which signing keys lie encrypted in the store.",
    ),
    one(
        "access-token-ttl",
        "DURATION",
        Value("10m"),
        "How long an access token lives.",
    ),
    one(
        "refresh-token-ttl",
        "DURATION",
        Value("30d"),
        "How long refresh tokens live, counted from the user's sign-in at the client: rotation does not prolong it.",
    ),
    one(
        "code-ttl",
        "DURATION",
        Value("60s"),
        "How long an authorization code lives, at most 10m, with --profile fapi2 60s.",
    ),
    one(
        "access-token-format",
        "F",
        Value("jwt"),
        "What access tokens are, jwt or opaque, where the registration says nothing.",
    ),
    one(
        "session-ttl",
        "DURATION",
        Value("12h"),
        "How long a user stays signed in at most.",
    ),
    one(
        "session-idle-ttl",
        "DURATION",
        Value("1h"),
        "How long a user stays signed in without coming back.",
    ),
    one(
        "profile",
        "P",
        Value("oauth2"),
        "What this server holds itself to: oauth2, or fapi2, which refuses whatever the FAPI 2.0 Security Profile forbids.",
    ),
    one(
        "log-format",
        "F",
        Value("text"),
        "How the log is written, text or json.",
    ),
    one(
        "log-level",
        "L",
        Value("info"),
        "How much is logged: error, warn, info, debug or trace.",
    ),
];

/// Keys that the manual of later versions names: here they are refused, so that nobody believes
/// that they are in force.
pub const LATER: &[&str] = &["admin-token-file", "registration", "registration-tokens"];

const fn one(
    name: &'static str,
    value: &'static str,
    fallback: Fallback,
    help: &'static str,
) -> Flag {
    Flag {
        name,
        value,
        fallback,
        kind: Kind::One,
        secret: false,
        help,
    }
}

const fn many(
    name: &'static str,
    value: &'static str,
    fallback: Fallback,
    help: &'static str,
) -> Flag {
    Flag {
        kind: Kind::Many,
        ..one(name, value, fallback, help)
    }
}

const fn switch(name: &'static str, help: &'static str) -> Flag {
    Flag {
        kind: Kind::Switch,
        ..one(name, "", Words("off"), help)
    }
}
