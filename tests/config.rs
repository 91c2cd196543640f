//! Configuration from command line, environment and file, up to the settings or all findings.

use std::io;
use std::path::Path;

use certbound::config::{
    ConfigError, FLAGS, Fallback, Finding, Flag, KeysPlace, Kind, LATER, ListenAddress, Settings,
    Severity, TrustedProxy, VerifyHeaderSetting, Written, clap_arguments, read_text, written,
};
use certbound::oauth::profile::Profile;
use certbound::user::{Factors, Levels, Method};

const ISSUER: &str = "--issuer=https://as.example.com/oauth2";

fn gather(
    arguments: &[&str],
    environment: &[(&str, &str)],
    file: Option<&str>,
) -> Result<Written, ConfigError> {
    let matches = clap::Command::new("serve")
        .no_binary_name(true)
        .args(clap_arguments())
        .try_get_matches_from(arguments)
        .expect("a command line that clap takes");
    written(
        &matches,
        |name| {
            let found = environment.iter().find(|(other, _)| *other == name)?;
            Some(found.1.to_owned())
        },
        |path| match file {
            Some(text) if path == Path::new("certbound.toml") => Ok(text.to_owned()),
            _ => Err(io::ErrorKind::NotFound.into()),
        },
    )
}

fn understand(
    arguments: &[&str],
    environment: &[(&str, &str)],
    file: Option<&str>,
) -> Result<(Settings, Vec<Finding>), Vec<Finding>> {
    let written = gather(arguments, environment, file).expect("a configuration to look at");
    Settings::from_written(&written)
}

/// Every finding, errors and warnings, whichever way it went.
fn findings(arguments: &[&str], environment: &[(&str, &str)], file: Option<&str>) -> Vec<Finding> {
    match understand(arguments, environment, file) {
        Ok((_, findings)) | Err(findings) => findings,
    }
}

#[test]
fn flag_over_environment_over_file_over_default() {
    let arguments: &[&str] = &["--clients=flag.json"];
    let environment: &[(&str, &str)] = &[("CERTBOUND_CLIENTS", "environment.json")];
    let file = Some("\nclients = \"file.json\"\n");
    for (arguments, environment, file, value, source) in [
        (arguments, environment, file, "flag.json", "--clients"),
        (
            &[],
            environment,
            file,
            "environment.json",
            "CERTBOUND_CLIENTS",
        ),
        (
            &[],
            &[],
            file,
            "file.json",
            "certbound.toml line 2 (clients)",
        ),
        (&[], &[], None, "clients.json", "--clients (default)"),
        (arguments, &[], None, "flag.json", "--clients"),
        (
            &[],
            environment,
            None,
            "environment.json",
            "CERTBOUND_CLIENTS",
        ),
    ] {
        let written = gather(arguments, environment, file).expect("a configuration");
        assert_eq!(written.value("clients"), Some(value));
        let from = written.source("clients").map(ToString::to_string);
        assert_eq!(from.as_deref(), Some(source));
        assert_eq!(written.is_set("clients"), !source.ends_with("(default)"));
    }
}

#[test]
fn lists_replace_and_never_add_up() {
    let file = Some(
        "issuer = \"https://as.example.com\"\ntrusted_proxy = [\"10.0.0.0/8\", \"unix\"]\nlisten = \"127.0.0.1:1\"\n",
    );
    for (arguments, environment, expected) in [
        (&[][..], &[][..], "10.0.0.0/8 unix"),
        (
            &[],
            &[("CERTBOUND_TRUSTED_PROXY", "::1/128, 192.0.2.1")],
            "::1/128 192.0.2.1/32",
        ),
        (
            &["--trusted-proxy", "127.0.0.1/32", "--trusted-proxy", "unix"],
            &[("CERTBOUND_TRUSTED_PROXY", "::1/128")],
            "127.0.0.1/32 unix",
        ),
    ] {
        let (settings, _) = understand(arguments, environment, file).expect("settings");
        let trusted: Vec<&str> = settings
            .trusted_proxies
            .iter()
            .map(TrustedProxy::as_str)
            .collect();
        assert_eq!(trusted.join(" "), expected);
        assert_eq!(settings.listen.len(), 1);
    }
    let none = Some("issuer = \"https://as.example.com\"\ntrusted_proxy = []");
    let (settings, _) = understand(&[], &[], none).expect("settings");
    assert!(settings.trusted_proxies.is_empty());
}

#[test]
fn switches() {
    for (arguments, environment, file, expected) in [
        (&[][..], &[][..], None, false),
        (&["--whoami"], &[], None, true),
        (
            &["--whoami=false"],
            &[("CERTBOUND_WHOAMI", "1")],
            Some("whoami = true"),
            false,
        ),
        (&["--whoami=on"], &[], None, true),
        (&[], &[("CERTBOUND_WHOAMI", "on")], None, true),
        (
            &[],
            &[("CERTBOUND_WHOAMI", "0")],
            Some("whoami = true"),
            false,
        ),
        (&[], &[], Some("whoami = true"), true),
    ] {
        let arguments = [&[ISSUER], arguments].concat();
        let (settings, _) = understand(&arguments, environment, file).expect("settings");
        assert_eq!(
            settings.whoami, expected,
            "{arguments:?} {environment:?} {file:?}"
        );
    }
}

#[test]
fn the_defaults_are_as_the_manual_says() {
    let (settings, findings) = understand(&[ISSUER], &[], None).expect("settings");
    let warned: Vec<String> = findings
        .iter()
        .map(|finding| finding.source().to_string())
        .collect();
    assert_eq!(
        warned,
        ["--trusted-proxy (default)", "--client-ca (default)"]
    );
    assert_eq!(
        settings
            .listen
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["127.0.0.1:9400"]
    );
    assert_eq!(settings.admin_listen.to_string(), "127.0.0.1:9401");
    assert_eq!(settings.listen_mode, 0o660);
    assert_eq!(settings.client_cert_header, "x-clientcert");
    assert!(
        matches!(&settings.verify_header, VerifyHeaderSetting::Default(name) if name == "x-clientcert-verify")
    );
    assert_eq!(settings.max_header_bytes.octets(), 65_536);
    assert_eq!(settings.access_token_ttl.seconds(), 600);
    assert_eq!(settings.refresh_token_ttl.seconds(), 30 * 86_400);
    assert_eq!(settings.code_ttl.seconds(), 60);
    assert_eq!(settings.session_ttl.seconds(), 12 * 3_600);
    assert_eq!(settings.session_idle_ttl.seconds(), 3_600);
    assert_eq!(settings.profile, Profile::OAuth2);
    assert_eq!(settings.levels, Levels::default());
    assert!(settings.acr.is_empty() && settings.users.is_none() && settings.user_header.is_none());
    assert!(matches!(settings.keys, KeysPlace::Store));
    assert_eq!(settings.store.to_string(), "memory:");
    assert!(!settings.front_end_verifies && !settings.whoami && !settings.outbound_allow_private);
}

#[test]
fn what_there_is_for_people() {
    let file = "levels = { password = 3, certificate_totp = 9 }\nusers = \"users.json\"\nsession_ttl = \"30m\"\n[acr_loa_map]\ngold = 2\n";
    let (settings, _) =
        understand(&[ISSUER, "--profile=fapi2"], &[], Some(file)).expect("settings");
    let password = Factors {
        method: Method::Password,
        totp: false,
    };
    assert_eq!(settings.levels.of(password), 3);
    assert_eq!(settings.acr.level("gold"), Some(2));
    assert_eq!(settings.users.as_deref(), Some(Path::new("users.json")));
    assert_eq!(settings.profile, Profile::Fapi2);
    // Nobody is idle for longer than a session lasts.
    assert_eq!(settings.session_idle_ttl.seconds(), 1_800);

    let found = findings(
        &[ISSUER, "--user-header=X-User", "--client-ca=a"],
        &[],
        None,
    );
    let nobody = found
        .iter()
        .find(|finding| finding.source().to_string() == "--user-header");
    let nobody = nobody.expect("nobody is believed");
    assert_eq!(nobody.severity(), Severity::Warning);
    assert!(nobody.remedy().contains("--trusted-proxy"));
}

#[test]
fn whoever_names_the_verify_header_needs_it() {
    let name = "X-ClientCert-Verify";
    for (arguments, environment, file) in [
        (&["--verify-header=X-ClientCert-Verify"][..], &[][..], None),
        (&[], &[("CERTBOUND_VERIFY_HEADER", name)], None),
        (&[], &[], Some("verify_header = \"X-ClientCert-Verify\"")),
    ] {
        let arguments = [&[ISSUER], arguments].concat();
        let (settings, _) = understand(&arguments, environment, file).expect("settings");
        assert!(matches!(
            settings.verify_header,
            VerifyHeaderSetting::Set(_)
        ));
    }
    let (settings, _) = understand(&[ISSUER, "--verify-header=none"], &[], None).expect("settings");
    assert_eq!(settings.verify_header, VerifyHeaderSetting::None);
}

#[test]
fn every_setting_is_read_from_everywhere_and_no_nonsense_passes() {
    let anything_goes = [
        "clients",
        "users",
        "client-ca",
        "client-crl",
        "outbound-ca",
        "store-ca",
        "keys",
        "pages",
    ];
    // Blanks and a control character are good for nothing but the name of a file.
    let nonsense = "no such\u{1} thing";
    for flag in FLAGS.iter().filter(|flag| flag.name != "config") {
        let argument = format!("--{}={nonsense}", flag.name);
        let variable = flag.environment();
        let line = format!("{} = \"no such\\u0001 thing\"", flag.key());
        let all = [
            findings(&[&argument], &[], None),
            findings(&[], &[(&variable, nonsense)], None),
            findings(&[], &[], Some(&line)),
        ];
        let sources = [
            format!("--{}", flag.name),
            variable.clone(),
            format!("certbound.toml line 1 ({})", flag.key()),
        ];
        for (findings, source) in all.iter().zip(&sources) {
            let error = findings.iter().find(|finding| {
                finding.severity() == Severity::Error && finding.source().to_string() == *source
            });
            let expected = !anything_goes.contains(&flag.name)
                || matches!(flag.name, "client-crl" | "store-ca");
            assert_eq!(error.is_some(), expected, "{source}: {findings:?}");
        }
        let empty = findings(&[], &[(&variable, "")], None);
        assert!(
            empty.iter().any(|finding| finding.to_string()
                == format!("{variable}: the value is empty; write a value, or leave it out")),
            "{empty:?}"
        );
    }
}

/// Arguments beside the issuer, then the one finding that they make, if any: `E` or `W`, where it
/// is, and words that say what it is. `TRUSTED` and `VERIFIED` stand for what silences the two
/// warnings of a bare configuration, `SECRET` and `OPEN` for files.
const TOGETHER: &str = "
TRUSTED VERIFIED
TRUSTED --front-end-verifies
TRUSTED VERIFIED --front-end-verifies
VERIFIED | W --trusted-proxy (default) | nobody's
TRUSTED | W --client-ca (default) | every tls_client_auth request will fail
TRUSTED --front-end-verifies --client-crl=a.crl | E --client-crl | without the CAs
TRUSTED VERIFIED --client-crl=a.crl
TRUSTED --front-end-verifies --verify-header=none | W --verify-header | configuration alone
TRUSTED VERIFIED --verify-header=none
VERIFIED --trusted-proxy=0.0.0.0/0 | W --trusted-proxy | every address
VERIFIED --trusted-proxy=::/0 | W --trusted-proxy | every address
VERIFIED --trusted-proxy=10.1.2.3/8 | W --trusted-proxy | counts as 10.0.0.0/8
VERIFIED --trusted-proxy=10.0.0.0/8 --listen=0.0.0.0:9400 | W --listen | without a secret
VERIFIED --trusted-proxy=10.0.0.0/8 --listen=0.0.0.0:9400 --proxy-secret-file=SECRET
VERIFIED --trusted-proxy=10.0.0.0/8 --listen=127.0.0.1:9400
TRUSTED VERIFIED --listen=0.0.0.0:9400
TRUSTED VERIFIED --proxy-secret-file=OPEN | W --proxy-secret-file | everybody on this machine
TRUSTED VERIFIED --proxy-secret-file=/nowhere/at/all | E --proxy-secret-file | cannot be read
VERIFIED --trusted-proxy=unix | W --trusted-proxy | no trusted proxy can come in
TRUSTED VERIFIED --listen=unix:/x | W --trusted-proxy | no trusted proxy can come in
VERIFIED --trusted-proxy=unix --listen=unix:/x
VERIFIED --trusted-proxy=unix --listen=unix:/x --listen-mode=0666 | W --listen-mode | everybody
VERIFIED --trusted-proxy=unix --listen=unix:/x --listen-mode=0666 --proxy-secret-file=SECRET
TRUSTED VERIFIED --fcgi-listen=127.0.0.1:9402
TRUSTED VERIFIED --fcgi-listen=0.0.0.0:9402
TRUSTED VERIFIED --fcgi-listen=127.0.0.1:9400 | E --fcgi-listen | --listen
TRUSTED VERIFIED --fcgi-listen=unix:/x | W --fcgi-listen | no trusted proxy can come in
VERIFIED --trusted-proxy=unix --listen=unix:/x --fcgi-listen=127.0.0.1:9402 | W --fcgi-listen | no trusted proxy can come in
VERIFIED --trusted-proxy=unix --listen=unix:/x --fcgi-listen=unix:/y
TRUSTED VERIFIED --trusted-proxy=unix --fcgi-listen=unix:/y --listen-mode=0666 | W --listen-mode | everybody
VERIFIED --trusted-proxy=10.0.0.0/8 --fcgi-listen=0.0.0.0:9402 | W --fcgi-listen | without a secret
VERIFIED --trusted-proxy=10.0.0.0/8 --fcgi-listen=0.0.0.0:9402 --proxy-secret-file=SECRET
TRUSTED VERIFIED --listen=127.0.0.1:1 --listen=127.0.0.1:1 | E --listen | twice
TRUSTED VERIFIED --listen=127.0.0.1:0 --listen=127.0.0.1:0 --admin-listen=127.0.0.1:0
TRUSTED VERIFIED --admin-listen=127.0.0.1:9400 | E --admin-listen | --listen
TRUSTED VERIFIED --client-cert-header=x_clientcert-verify | E --client-cert-header | --verify-header
TRUSTED VERIFIED --request-id-header=X-CLIENTCERT | E --request-id-header | --client-cert-header
TRUSTED VERIFIED --request-id-header=Host | E --request-id-header | meaning of its own
TRUSTED VERIFIED --client-address-header=none | E --client-address-header | by a word
TRUSTED VERIFIED --user-header=X-Remote-User
TRUSTED VERIFIED --user-header=x_clientcert | E --user-header | --client-cert-header
TRUSTED VERIFIED --user-header=X-User --client-address-header=x-user | E --client-address-header | --user-header
TRUSTED VERIFIED --user-header=Authorization | E --user-header | meaning of its own
TRUSTED VERIFIED --code-ttl=11m | E --code-ttl | no lifetime for an authorization code
TRUSTED VERIFIED --code-ttl=2m
TRUSTED VERIFIED --code-ttl=61s --profile=fapi2 | E --code-ttl | a minute at most
TRUSTED VERIFIED --profile=fapi2
TRUSTED VERIFIED --profile=fapi1 | E --profile | no profile
TRUSTED VERIFIED --refresh-token-ttl=0s | E --refresh-token-ttl | no lifetime for a refresh token
TRUSTED VERIFIED --session-ttl=31d | E --session-ttl | no lifetime for a session
TRUSTED VERIFIED --session-ttl=30m
TRUSTED VERIFIED --session-ttl=30m --session-idle-ttl=31m | W --session-idle-ttl | longer than --session-ttl
TRUSTED VERIFIED --store=redis://h | E --keys (default) | no place
TRUSTED VERIFIED --store=redis://h --keys=k
TRUSTED VERIFIED --store=redis://h --store-secret-file=SECRET
TRUSTED VERIFIED --store=redis://h --keys=k --store-secret-file=SECRET | E --store-secret-file | either
TRUSTED VERIFIED --store=redis+cluster://a,b --keys=k | E --store | this version
TRUSTED VERIFIED --store=redis+sentinel://a,b/m --keys=k | E --store | this version
TRUSTED VERIFIED --store-ca=ca.pem | E --store-ca | no certificate
TRUSTED VERIFIED --store=rediss://h --store-ca=ca.pem --keys=k
";

#[test]
fn what_does_not_go_together() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, mode: u32| {
        let path = directory.path().join(name);
        std::fs::write(&path, "0123456789abcdef0123456789abcdef\n").expect("written");
        permit(&path, mode);
        path.display().to_string()
    };
    let (secret, open) = (file("one", 0o600), file("other", 0o644));
    for line in TOGETHER.lines().filter(|line| !line.is_empty()) {
        let mut parts = line.split('|').map(str::trim);
        let arguments = parts
            .next()
            .unwrap_or_default()
            .replace("TRUSTED", "--trusted-proxy=127.0.0.1/32")
            .replace("VERIFIED", "--client-ca=ca.pem")
            .replace("SECRET", &secret)
            .replace("OPEN", &open);
        let arguments: Vec<&str> = std::iter::once(ISSUER)
            .chain(arguments.split(' '))
            .collect();
        let found = findings(&arguments, &[], None);
        let seen: Vec<String> = found
            .iter()
            .map(|finding| match finding.severity() {
                Severity::Error => format!("E {}", finding.source()),
                Severity::Warning => format!("W {}", finding.source()),
            })
            .collect();
        let expected: Vec<&str> = parts.next().into_iter().collect();
        assert_eq!(seen, expected, "{line}: {found:?}");
        for (finding, words) in found.iter().zip(parts) {
            assert!(finding.problem().contains(words), "{line}: {finding}");
        }
    }
}

#[test]
fn all_findings_are_made_each_on_one_line_with_a_remedy() {
    let file = "isuer = \"x\"\n[levels]\npasword = 1\n";
    let found = findings(
        &[
            "--listen=nowhere",
            "--listen=unix:",
            "--log-level=loud",
            "--crl-grace=1w",
        ],
        &[
            ("CERTBOUND_REGISTRATION", "open"),
            ("CERTBOUND_MAX_HEADER_BYTES", "1k"),
            ("CERTBOUND_TRUSTED_PROXY", "10.0.0.0/8,nobody\nat all"),
        ],
        Some(file),
    );
    let errors = found
        .iter()
        .filter(|finding| finding.severity() == Severity::Error)
        .count();
    assert_eq!(errors, 10, "{found:#?}");
    for finding in &found {
        let line = finding.to_string();
        assert_eq!(line.lines().count(), 1, "{line}");
        let verb = finding.remedy().split(' ').next().unwrap_or_default();
        assert!(
            ["write", "set", "leave", "name", "run"].contains(&verb),
            "{line}"
        );
        assert!(line.ends_with(finding.remedy()));
    }
    let later = found
        .iter()
        .find(|finding| finding.source().to_string() == "CERTBOUND_REGISTRATION");
    assert!(
        later.is_some_and(|finding| finding.problem().contains("does not have that setting yet"))
    );
}

#[test]
fn no_password_is_ever_shown() {
    let file = "store = \"redis://u:hunter2@h\"\nproxy_secret_file = \"/nowhere\"\nissuer = \"https://u:hunter2@as.example.com\"";
    let written = gather(&[], &[], Some(file)).expect("a configuration");
    let mut shown = vec![String::new()];
    for finding in Settings::from_written(&written).expect_err("errors") {
        shown.push(finding.to_string());
        shown.push(format!("{finding:?}"));
    }
    let good = gather(
        &[ISSUER, "--store=rediss://:hunter2@h", "--keys=k"],
        &[],
        None,
    )
    .expect("a configuration");
    shown.push(format!("{good:?}"));
    let (settings, _) = Settings::from_written(&good).expect("settings");
    shown.push(format!("{settings:?} {}", settings.store));
    assert!(shown.len() > 4);
    for text in shown {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn the_configuration_file_is_found_or_must_be() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("other.toml");
    std::fs::write(&path, "clients = \"there.json\"").expect("written");
    let name = path.display().to_string();
    let read = |arguments: &[&str], variable: Option<&str>| {
        let matches = clap::Command::new("serve")
            .no_binary_name(true)
            .args(clap_arguments())
            .try_get_matches_from(arguments)
            .expect("a command line");
        written(
            &matches,
            |name| {
                variable
                    .filter(|_| name == "CERTBOUND_CONFIG")
                    .map(ToOwned::to_owned)
            },
            read_text,
        )
    };
    for (arguments, variable) in [(&["--config", &name][..], None), (&[], Some(name.as_str()))] {
        let written = read(arguments, variable).expect("a configuration");
        assert_eq!(written.value("clients"), Some("there.json"));
        assert_eq!(written.file(), Some(path.as_path()));
    }
    let missing = read(&["--config=/nowhere/certbound.toml"], None).expect_err("missing");
    assert!(
        missing.to_string().starts_with("/nowhere/certbound.toml: "),
        "{missing}"
    );
    std::fs::write(&path, [0xff, 0xfe]).expect("written");
    assert!(matches!(
        read(&["--config", &name], None),
        Err(ConfigError::Unreadable { .. })
    ));
    std::fs::write(&path, "x".repeat((1 << 20) + 1)).expect("written");
    assert!(matches!(
        read(&["--config", &name], None),
        Err(ConfigError::Unreadable { .. })
    ));
}

#[test]
fn a_group_may_be_a_number() {
    let arguments = [ISSUER, "--listen=unix:/run/x.sock", "--listen-group=33"];
    let (settings, _) = understand(&arguments, &[], None).expect("settings");
    assert_eq!(settings.listen_group.map(|group| group.id()), Some(33));
    assert_eq!(settings.listen, [ListenAddress::Unix("/run/x.sock".into())]);
}

/// The manual's table names flags and defaults in the first two columns; in a row with as many
/// defaults as flags they go in pairs.
#[test]
#[expect(
    clippy::print_stdout,
    reason = "whoever runs the tests should know that one was skipped"
)]
fn flags_and_defaults_are_those_of_the_manual() {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/INTERFACE.md");
    let Ok(text) = std::fs::read_to_string(&manual) else {
        println!("skipped: the manual is not beside this package");
        return;
    };
    let mut compared = 0;
    for row in text.lines().filter(|line| line.starts_with("| `--")) {
        let row = row.replace("\\|", "/");
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let flags: Vec<&str> = spans(cells[1]);
        let defaults = spans(cells[2]);
        for (at, written) in flags.iter().enumerate() {
            let mut words = written.trim_start_matches("--").split(' ');
            let name = words.next().unwrap_or_default();
            let Some(flag) = Flag::named(name) else {
                assert!(LATER.contains(&name), "--{name} is unknown here");
                continue;
            };
            let default = if flags.len() > 1 && defaults.len() == flags.len() {
                defaults[at].to_owned()
            } else {
                cells[2].to_owned()
            };
            let ours = match flag.fallback {
                Fallback::Value(text) if default.starts_with('`') => format!("`{text}`"),
                Fallback::Value(text) | Fallback::Words(text) => text.to_owned(),
            };
            assert_eq!(ours, default, "--{name}");
            assert_eq!(
                flag.kind == Kind::Many,
                row.contains("may repeat"),
                "--{name}"
            );
            compared += 1;
        }
    }
    assert!(compared > 25, "only {compared} flags were compared");
}

/// The texts between backticks.
fn spans(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn permit(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
}
