//! The one table of everything that can be configured: command line, environment, file and manual follow it.

use std::fmt::Write as _;

use clap::builder::ValueHint;
use clap::{Arg, ArgAction};

/// What holds where nobody wrote anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// This value, as if it had been written.
    Value(&'static str),
    /// No value, and these words say what that means.
    Words(&'static str),
}

/// How often and with what a flag is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Once, with a value.
    One,
    /// Any number of times, with one value each.
    Many,
    /// Once, alone or with `=true` or `=false`.
    Switch,
}

/// Something that can be configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The flag without its dashes.
    pub name: &'static str,
    /// What its value is called; empty for a switch.
    pub value: &'static str,
    /// What holds without it.
    pub fallback: Fallback,
    /// How it is written.
    pub kind: Kind,
    /// Whether its value may hold a password, so that nothing prints it.
    pub secret: bool,
    /// What it does, in one sentence.
    pub help: &'static str,
}

use Fallback::{Value, Words};

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
        "access-token-format",
        "F",
        Value("jwt"),
        "What access tokens are, jwt or opaque, where the registration says nothing.",
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
pub const LATER: &[&str] = &[
    "admin-token-file",
    "answer-cache",
    "code-ttl",
    "fcgi-listen",
    "gate",
    "levels",
    "profile",
    "refresh-token-ttl",
    "registration",
    "registration-tokens",
    "user-header",
    "users",
];

impl Flag {
    /// The flag of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        FLAGS.iter().find(|flag| flag.name == name)
    }

    /// The name of its environment variable, for example `CERTBOUND_MTLS_BASE`.
    pub fn environment(&self) -> String {
        environment(self.name)
    }

    /// Its key in the configuration file, for example `mtls_base`.
    pub fn key(&self) -> String {
        self.name.replace('-', "_")
    }

    /// What holds without it, as the help says it.
    pub const fn default_text(&self) -> &'static str {
        match self.fallback {
            Value(text) | Words(text) => text,
        }
    }
}

/// The environment variable that goes with the flag of that name.
pub(super) fn environment(name: &str) -> String {
    format!("CERTBOUND_{}", name.to_ascii_uppercase().replace('-', "_"))
}

/// The flags for every command that reads the configuration.
pub fn clap_arguments() -> Vec<Arg> {
    FLAGS.iter().map(clap_argument).collect()
}

fn clap_argument(flag: &Flag) -> Arg {
    let help = format!(
        "{} [default: {}]",
        flag.help,
        flag.default_text().replace('`', "")
    );
    let argument = Arg::new(flag.name).long(flag.name).help(help);
    let hint = match flag.value {
        "FILE" => ValueHint::FilePath,
        "DIR" => ValueHint::DirPath,
        _ => ValueHint::Other,
    };
    match flag.kind {
        Kind::One => argument.value_name(flag.value).value_hint(hint),
        Kind::Many => argument
            .value_name(flag.value)
            .value_hint(hint)
            .action(ArgAction::Append),
        Kind::Switch => argument
            .value_name("BOOL")
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
    }
}

/// The table of all flags as the manual shows it, in Markdown.
pub fn reference() -> String {
    let mut table = String::from("| flag | default | meaning |\n| --- | --- | --- |\n");
    for flag in FLAGS {
        let value = match flag.kind {
            Kind::Switch => String::new(),
            Kind::One | Kind::Many => format!(" {}", flag.value),
        };
        let default = match flag.fallback {
            Value(text) => format!("`{text}`"),
            Words(text) => text.to_owned(),
        };
        let again = match flag.kind {
            Kind::Many => " May repeat.",
            Kind::One | Kind::Switch => "",
        };
        let help = flag.help;
        // Writing to a string cannot fail.
        let _ = writeln!(
            table,
            "| `--{}{value}` | {default} | {help}{again} |",
            flag.name
        );
    }
    table
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        clap::Command::new("serve")
            .args(clap_arguments())
            .debug_assert();
    }

    #[test]
    fn every_row_is_whole() {
        for flag in FLAGS {
            assert!(flag.help.ends_with('.'), "{}", flag.name);
            assert!(!LATER.contains(&flag.name), "{}", flag.name);
            assert_eq!(flag.value.is_empty(), flag.kind == Kind::Switch);
            assert!(reference().contains(&format!("`--{}", flag.name)));
        }
        assert_eq!(
            Flag::named("mtls-base").map(|flag| (flag.environment(), flag.key())),
            Some(("CERTBOUND_MTLS_BASE".into(), "mtls_base".into()))
        );
    }
}
