//! What a gate's table may say, what it means, and what is wrong with it.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::config::{Settings, Severity, Written};

const OTHER: &str = "issuers = [\"https://kc.example/realms/a\"]\naudience = [\"x\"]\n";

fn read(text: &str) -> Result<(Vec<GateSettings>, Vec<String>), Vec<String>> {
    let lines = |findings: &[Finding]| findings.iter().map(ToString::to_string).collect();
    let written = written(text);
    Settings::from_written(&written)
        .map(|(settings, findings)| {
            let warnings: Vec<Finding> = findings
                .into_iter()
                .filter(|finding| finding.to_string().contains("gate"))
                .collect();
            (settings.gates, lines(&warnings))
        })
        .map_err(|findings| {
            let errors: Vec<Finding> = findings
                .into_iter()
                .filter(|finding| finding.severity() == Severity::Error)
                .collect();
            lines(&errors)
        })
}

fn written(text: &str) -> Written {
    let command = clap::Command::new("serve").args(crate::config::clap_arguments());
    let matches = command.get_matches_from(["serve", "--config", "c.toml"]);
    let file = format!("issuer = \"https://as.example.com\"\n{text}");
    crate::config::written(&matches, |_| None, |_| Ok(file.clone())).expect("TOML")
}

fn secret_file(content: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s");
    std::fs::write(&path, content).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("mine alone");
    let name = path.display().to_string();
    (folder, name)
}

#[test]
fn the_default_gate_is_there_and_strict() {
    let (gates, warnings) = read("").expect("nothing wrong");
    assert_eq!(warnings, Vec::<String>::new());
    let [gate] = gates.as_slice() else {
        panic!("one gate: {gates:?}");
    };
    assert_eq!(gate.name.as_str(), "default");
    assert_eq!(gate.proof, ProofOfPossession::Strict);
    assert_eq!(
        gate.methods,
        [AuthMethod::Bearer, AuthMethod::Introspection]
    );
    assert_eq!(gate.issuers, ["https://as.example.com"]);
    assert!(gate.audience.is_empty() && gate.scopes.is_empty() && gate.passage.is_none());
    let (gates, _) = read("[gate.default]\nproof_of_possession_mtls = \"off\"").expect("good");
    assert_eq!(gates.len(), 1);
    assert_eq!(gates[0].proof, ProofOfPossession::Off);
}

#[test]
fn the_manuals_example() {
    let (_folder, secret) =
        secret_file("0123456789abcdef0123456789abcdef\nfedcba9876543210fedcba9876543210\n");
    let text = format!(
        r#"
        [gate.orders]
        proof_of_possession_mtls = "strict"
        auth_methods = ["bearer", "introspection", "session"]
        proof_of_possession_auth_methods_validation = true
        issuers = ["https://keycloak.test/realms/master"]
        audience = ["https://orders.example.com"]
        scopes = ["orders.read"]
        acr = "gold"
        acr_loa_map = {{ silver = 1, gold = 2 }}
        max_age = "1h"
        session_secret_file = "{secret}"
        introspection_client = "clients/orders-gate.json"
        upstream = "http://127.0.0.1:8080"
        path = "/orders/"
        "#
    );
    let (gates, warnings) = read(&text).expect("the manual is right");
    assert_eq!(warnings, Vec::<String>::new());
    let gate = gates
        .iter()
        .find(|gate| gate.name.as_str() == "orders")
        .expect("the gate");
    assert_eq!(gates.len(), 2);
    assert_eq!(gate.methods, AuthMethod::ALL);
    assert_eq!(gate.scopes.as_str(), "orders.read");
    assert_eq!(gate.levels.get("gold"), Some(&2));
    assert_eq!(gate.max_age.map(Lifetime::seconds), Some(3_600));
    assert_eq!(gate.session_secrets.len(), 2);
    let passage = gate.passage.as_ref().expect("a passage");
    assert_eq!(
        (
            passage.path.as_str(),
            passage.upstream.to_string().as_str(),
            passage.pass_token
        ),
        ("/orders/", "http://127.0.0.1:8080", false)
    );
    assert!(gate.rules().map(Gate::new).is_ok_and(|gate| gate.is_ok()));
}

#[test]
fn what_is_refused() {
    let (_folder, short) = secret_file("0123456789abcde\n");
    let (_other, empty) = secret_file("\n\n");
    for (text, expected) in [
        ("scopes = [1]", "the value is of type array; write scopes"),
        ("issuer = \"x\"", "a gate has no key issuer; write issuers"),
        (
            "pass_token = \"yes\"",
            "the value is of type string; write pass_token = true",
        ),
        ("acr_loa_map = { gold = \"2\" }", "write acr_loa_map = {"),
        ("acr_loa_map = { gold = -1 }", "write acr_loa_map = {"),
        (
            "proof_of_possession_mtls = \"stric\"",
            "write off, optional or strict",
        ),
        (
            "auth_methods = [\"bearer\", \"userinfo\"]",
            "userinfo presents no token whose possession could be proven",
        ),
        (
            "auth_methods = [\"jwt\"]",
            "there is no authentication method jwt",
        ),
        ("auth_methods = []", "no method authenticates a request"),
        (
            "auth_methods = [\"session\"]",
            "a session alone cannot begin",
        ),
        (
            "auth_methods = [\"bearer\", \"session\"]",
            "nothing seals the cookies",
        ),
        (
            &format!("session_secret_file = \"{short}\""),
            "no secret of at least 16",
        ),
        (
            &format!("session_secret_file = \"{empty}\""),
            "there is no secret in",
        ),
        ("session_secret_file = \"/nowhere\"", "cannot be read"),
        ("issuers = []", "no issuer's tokens are taken"),
        (
            "issuers = [\"as.example.com\"]",
            "as.example.com is no issuer identifier",
        ),
        ("issuers = [\"https://a/?b\"]", "is no issuer identifier"),
        (
            "jwks_uri = \"https://kc.example/keys\"",
            "belong to one other issuer",
        ),
        ("acr = \"a b\"", "is no authentication context class"),
        ("acr = \"a\\\"\"", "is no authentication context class"),
        ("max_age = \"1 hour\"", "is not a duration"),
        ("scopes = [\"a\\\"b\"]", "write scopes"),
        ("audience = [\"\"]", "the value is empty"),
        ("audience = []", "the list is empty"),
        ("scopes = []", "the list is empty"),
        ("scopes = [\"\"]", "the value is empty"),
        ("path = \"/x\"", "one is missing"),
        ("upstream = \"http://a\"", "one is missing"),
        ("pass_token = true", "one is missing"),
        ("path = \"x\"\nupstream = \"http://a\"", "x is no path"),
        (
            "path = \"/x\"\nupstream = \"https://a\"",
            "is no application",
        ),
    ] {
        let errors = read(&format!("[gate.orders]\n{text}")).expect_err(text);
        assert_eq!(errors.len(), 1, "{text}: {errors:?}");
        assert!(errors[0].contains(expected), "{text}: {errors:?}");
        assert!(errors[0].starts_with("c.toml line "), "{text}: {errors:?}");
    }
    for (text, expected) in [
        ("gate = 1", "gate is not a table"),
        ("[gate]\norders = 1", "a gate is a table"),
        ("[gate.\"a b\"]", "a gate's name is 1 to 64 letters"),
    ] {
        let errors = read(text).expect_err(text);
        assert!(errors[0].contains(expected), "{text}: {errors:?}");
    }
    let passage = |name: &str| format!("[gate.{name}]\npath = \"/x/\"\nupstream = \"http://a\"\n");
    let errors = read(&(passage("a") + &passage("b"))).expect_err("the same path");
    assert!(errors[0].contains("is another gate's, too"), "{errors:?}");
}

#[test]
fn what_is_warned_of() {
    for (text, expected) in [
        (format!("{OTHER}auth_methods = [\"bearer\"]"), None),
        (
            OTHER.to_owned(),
            Some("cannot be asked about tokens without credentials there"),
        ),
        (
            format!("{OTHER}introspection_client = \"c.json\"\nauth_methods = [\"bearer\"]"),
            Some("introspection_client does nothing"),
        ),
        (
            "introspection_client = \"c.json\"".to_owned(),
            Some("introspection_client does nothing"),
        ),
        (
            "issuers = [\"https://kc.example\"]\nauth_methods = [\"bearer\"]".to_owned(),
            Some("every token of https://kc.example is let in"),
        ),
    ] {
        let (_, warnings) = read(&format!("[gate.orders]\n{text}")).expect("no error");
        match expected {
            None => assert_eq!(warnings, Vec::<String>::new(), "{text}"),
            Some(expected) => {
                assert_eq!(warnings.len(), 1, "{text}: {warnings:?}");
                assert!(warnings[0].contains(expected), "{text}: {warnings:?}");
            }
        }
    }
}
