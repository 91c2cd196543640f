//! From the gates of the configuration to gates that can be asked: secrets, other issuers, and as whom
//! certbound introspects there.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::load::{broken, outbound};
use crate::config::{Fault, Finding, GateSettings, Settings};
use crate::endpoint::gate::{Gates, Guard};
use crate::gate::{AuthMethod, Gate};
use crate::outbound::introspection::IntrospectionClient;
use crate::outbound::issuer::{Issuers, RemoteIssuer};

/// Every gate, or everything that is wrong with them.
pub(super) fn gates(settings: &Settings) -> Result<Gates, Vec<Finding>> {
    let outbound = outbound(settings).map_err(|finding| vec![finding])?;
    let shared = Arc::new(Issuers::new(outbound));
    built(settings, &settings.gates, &shared)
}

/// The same, with the files that they name read again; what is known of other issuers is kept.
pub(super) fn again(settings: &Settings, before: &Gates) -> Result<Gates, Vec<Finding>> {
    let Some(shared) = before.shared() else {
        return gates(settings);
    };
    let (mut renewed, mut findings) = (Vec::new(), Vec::new());
    for gate in &settings.gates {
        match gate.renewed() {
            Ok(gate) => renewed.push(gate),
            Err(finding) => findings.push(finding),
        }
    }
    if findings.is_empty() {
        built(settings, &renewed, shared)
    } else {
        Err(findings)
    }
}

/// The files that gates name, and those that registrations name in turn, which are read again when they
/// change.
pub(super) fn files(settings: &Settings) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for gate in &settings.gates {
        files.extend(gate.session_secret_file.clone());
        if let Some(path) = &gate.introspection_client {
            files.push(path.clone());
            let named = RefCell::new(Vec::new());
            // Whatever is wrong with it is said by whoever uses it.
            let _ = client(path, &|file| named.borrow_mut().push(file.to_owned()));
            files.extend(named.into_inner());
        }
    }
    files
}

fn built(
    settings: &Settings,
    gates: &[GateSettings],
    shared: &Arc<Issuers>,
) -> Result<Gates, Vec<Finding>> {
    let (mut guards, mut findings) = (Vec::new(), Vec::new());
    for gate in gates {
        match guard(settings, gate, shared) {
            Ok(guard) => guards.push(guard),
            Err(finding) => findings.push(finding),
        }
    }
    if findings.is_empty() {
        Ok(Gates::new(guards, Arc::clone(shared)))
    } else {
        Err(findings)
    }
}

fn guard(
    settings: &Settings,
    gate: &GateSettings,
    shared: &Arc<Issuers>,
) -> Result<Guard, Finding> {
    let wrong = |problem: String, remedy: &str| {
        Finding::error(gate.source.clone(), Fault::new(problem, remedy))
    };
    let rules = gate
        .rules()
        .map_err(|error| wrong(error.to_string(), "write another session secret"))?;
    let client = gate
        .introspection_client
        .as_deref()
        .filter(|_| gate.methods.contains(&AuthMethod::Introspection))
        .map(|path| client(path, &|_| {}))
        .transpose()?
        .map(Arc::new);
    if client
        .as_ref()
        .is_some_and(|client| client.sends_its_secret())
        && gate.others(&settings.issuer).nth(1).is_some()
    {
        return Err(wrong(
            "the secret of introspection_client would be sent to each of several issuers, and each could use it at the others".into(),
            "give each of these issuers a gate of its own, or introspect by private_key_jwt or by certificate",
        ));
    }
    let others = gate.others(&settings.issuer).map(|issuer| {
        let (keys, endpoint) = (&gate.jwks_uri, &gate.introspection_endpoint);
        RemoteIssuer::new(
            shared,
            issuer,
            keys.as_deref(),
            endpoint.as_deref(),
            client.clone(),
        )
        .map_err(|error| {
            wrong(
                format!("{issuer} cannot be reached: {error}"),
                "name a URL that may be called, or set --outbound-allow-private for a private network",
            )
        })
    });
    let others = others.collect::<Result<Vec<_>, _>>()?;
    let built =
        Gate::new(rules).map_err(|error| wrong(error.problem().to_owned(), error.remedy()))?;
    Ok(Guard::new(built, settings.issuer.as_str(), others))
}

/// As whom certbound introspects: a registration, whose files are named from where it lies. `tell` learns
/// which ones these are.
fn client(path: &Path, tell: &dyn Fn(&Path)) -> Result<IntrospectionClient, Finding> {
    let text = super::load::read(path, "introspection_client")?;
    let text = String::from_utf8(text)
        .map_err(|_| broken(path, "is not UTF-8", "write the registration as UTF-8 text"))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let read = |file: &Path| {
        let file = folder.join(file);
        tell(&file);
        std::fs::read(file)
    };
    IntrospectionClient::read(&text, read).map_err(|error| {
        let (problem, remedy) = error
            .split_once("; ")
            .unwrap_or((&error, "mend the registration"));
        broken(path, problem, remedy)
    })
}
