//! docker-compose.yml and what it needs: confined, off the network, made of Debian, without keys.
//! `scripts/compose-test` brings it up for real.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use certbound::client::Registry;
use certbound::config::{Settings, clap_arguments, written};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Lines that say something, without blanks at their ends.
fn said(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The lines of each service.
fn services() -> BTreeMap<String, Vec<String>> {
    let compose = text("docker-compose.yml");
    let mut services: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut name = None;
    let inside = compose
        .lines()
        .skip_while(|line| *line != "services:")
        .skip(1)
        .take_while(|line| line.is_empty() || line.starts_with(' '));
    for line in inside.filter(|line| !line.trim_start().starts_with('#')) {
        match line
            .strip_prefix("  ")
            .filter(|rest| !rest.starts_with(' '))
        {
            Some(rest) if rest.ends_with(':') => name = Some(rest.trim_end_matches(':').to_owned()),
            _ => {
                if let Some(name) = &name {
                    let lines = services.entry(name.clone()).or_default();
                    lines.push(line.trim().to_owned());
                }
            }
        }
    }
    services
}

#[test]
fn every_service_is_confined() {
    let services = services();
    let names: Vec<&str> = services.keys().map(String::as_str).collect();
    assert_eq!(names, ["apache", "certbound", "nginx", "pki", "redis"]);
    let compose = text("docker-compose.yml");
    for line in [
        "read_only: true",
        "cap_drop: [ALL]",
        r#"security_opt: ["no-new-privileges:true"]"#,
    ] {
        assert!(said(&compose).any(|other| other == line), "{line}");
    }
    for line in said(&compose) {
        for bad in [
            "privileged",
            "docker.sock",
            "pid: host",
            "network_mode: host",
        ] {
            assert!(!line.contains(bad), "{line}");
        }
    }
    for (name, lines) in &services {
        let has = |wanted: &str| lines.iter().any(|line| line == wanted);
        assert!(has("<<: *confined"), "{name}");
        let user = lines.iter().find_map(|line| line.strip_prefix("user: "));
        let ports: Vec<&String> = lines
            .iter()
            .skip_while(|line| *line != "ports:")
            .skip(1)
            .take_while(|line| line.starts_with("- "))
            .collect();
        match name.as_str() {
            "nginx" | "apache" => {
                assert_eq!(user, Some("www-data:certbound-web"), "{name}");
                assert_eq!(ports.len(), 1, "{name}");
                assert!(ports[0].starts_with("- \"127.0.0.1:${"), "{name}");
                assert!(ports[0].ends_with(":8443\""), "{name}");
            }
            _ => {
                assert!(ports.is_empty(), "{name}");
                assert!(has("network_mode: none"), "{name}");
                assert_eq!(user.is_some(), name != "pki", "{name}");
            }
        }
        // What a server reads cannot be changed by it.
        for mount in lines.iter().filter(|line| line.starts_with("- ./")) {
            assert!(mount.ends_with(":ro") || name == "pki", "{name}: {mount}");
        }
        let secrets = lines.iter().filter(|line| line.contains("/pki"));
        let own = match name.as_str() {
            "certbound" => "- ./docker/pki/certbound:/pki:ro",
            "pki" => "- ./docker/pki:/pki",
            _ => "- ./docker/pki/web:/pki:ro",
        };
        for secret in secrets.filter(|line| line.starts_with("- ")) {
            assert_eq!(secret, own, "{name}");
        }
    }
}

#[test]
fn images_are_debian_and_its_packages() {
    let services = services();
    for (name, lines) in &services {
        assert!(
            !lines.iter().any(|line| line.starts_with("image:")),
            "{name}"
        );
        let file = format!("docker/{name}.Dockerfile");
        assert!(
            lines.contains(&format!("dockerfile: {file}")),
            "{name} is built from {file}"
        );
        let content = text(&file);
        let from: Vec<&str> = said(&content)
            .filter(|line| line.starts_with("FROM "))
            .collect();
        assert_eq!(from, ["FROM debian:bookworm-slim"], "{file}");
        let ends_as_root = !said(&content).any(|line| line.starts_with("USER "));
        assert_eq!(ends_as_root, name == "pki", "{file}");
        for fetched in ["ADD ", "curl", "wget", "http:", "https:"] {
            assert!(
                !said(&content).any(|line| line.contains(fetched)),
                "{file}: {fetched}"
            );
        }
    }
    let folder = fs::read_dir(path("docker")).expect("docker/");
    let files = folder
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".Dockerfile"));
    assert_eq!(files.count(), services.len());
}

#[test]
fn no_key_is_committed_or_sent_to_the_builder() {
    let ignored = text("docker/pki/.gitignore");
    let rules: Vec<&str> = said(&ignored).collect();
    assert_eq!(rules, ["*", "!.gitignore"]);
    let ignored = text(".dockerignore");
    let mut rules = said(&ignored);
    assert_eq!(rules.next(), Some("*"));
    for rule in rules {
        assert!(
            rule == "!docker/make-pki"
                || rule.starts_with("!target/") && rule.ends_with("/certbound"),
            "{rule}"
        );
    }
    let mut folders = vec![path("docker")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let found = entry.expect("an entry").path();
            if found == path("docker/pki") {
                continue;
            }
            if found.is_dir() {
                folders.push(found);
                continue;
            }
            let content = fs::read_to_string(&found).expect("text");
            assert!(!content.contains("-----BEGIN"), "{}", found.display());
            seen += 1;
        }
    }
    assert!(seen > 8, "{seen}");
}

#[test]
fn certbound_has_nothing_to_say_about_its_configuration() {
    let secret = tempfile::NamedTempFile::new().expect("a file");
    fs::write(secret.path(), "0123456789abcdef0123456789abcdef").expect("written");
    let matches = clap::Command::new("serve")
        .no_binary_name(true)
        .args(clap_arguments())
        .try_get_matches_from([
            "--config=certbound.toml".to_owned(),
            "--issuer=https://localhost:8443".to_owned(),
            format!("--store-secret-file={}", secret.path().display()),
        ])
        .expect("a command line that clap takes");
    let written = written(
        &matches,
        |_| None,
        |name| {
            assert_eq!(name, Path::new("certbound.toml"));
            fs::read_to_string(path("docker/certbound/certbound.toml"))
        },
    )
    .expect("a configuration file");
    let (_, findings) = Settings::from_written(&written).expect("settings");
    let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(findings, Vec::<String>::new());
    let Ok(clients) = Registry::read(&text("docker/certbound/clients.json")) else {
        panic!("docker/certbound/clients.json cannot be read");
    };
    assert_eq!(clients.iter().count(), 2);
    assert!(clients.iter().all(|client| client.is_bound()));
}
