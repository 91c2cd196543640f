//! `certbound check`: everything that is wrong, all at once, and what to write instead.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::ArgMatches;

use super::{Ended, World, load};
use crate::config::{Fault, Finding, Settings, Source, StoreUrl};

/// Checks, prints a line for each finding, and says no if there is one.
pub(super) fn run(matches: &ArgMatches, world: World, out: &mut dyn Write) -> Ended {
    let (settings, mut findings) = super::settings(matches, world);
    if let Some(settings) = &settings {
        files(settings, &mut findings);
        match tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
        {
            Ok(runtime) => runtime.block_on(places(settings, world, &mut findings)),
            Err(error) => {
                super::complain(format!("the runtime could not be started: {error}"));
                return Ended::No;
            }
        }
    }
    for finding in &findings {
        // A closed pipe changes nothing about the answer, which is the exit code.
        let _ = writeln!(out, "{finding}");
    }
    if findings.is_empty() {
        let _ = writeln!(out, "nothing is wrong");
        Ended::Done
    } else {
        Ended::No
    }
}

/// The files that the configuration names.
fn files(settings: &Settings, findings: &mut Vec<Finding>) {
    if let Err(finding) = load::window(settings) {
        findings.push(finding);
    }
    if let Err(finding) = super::pages::pages(settings) {
        findings.push(finding);
    }
    if let Err(mut found) = super::gates::gates(settings) {
        findings.append(&mut found);
    }
    let trust = load::trust(settings)
        .map_err(|mut found| findings.append(&mut found))
        .ok();
    let remote = load::remote(settings)
        .map_err(|found| findings.push(found))
        .ok();
    if let (Some(trust), Some(remote)) = (&trust, &remote) {
        findings.append(&mut super::remarks::of(settings, trust, remote));
    }
}

/// The store, and the keys in it or in their folder.
async fn places(settings: &Settings, world: World, findings: &mut Vec<Finding>) {
    if let StoreUrl::File(path) = &settings.store
        && !path.exists()
    {
        // Made here it would belong to whoever checks, who need not be who serves.
        if let Some(folder) = missing_folder(path) {
            let fault = Fault::new(
                format!("there is no directory {}", folder.display()),
                "make it, and give it to the user certbound runs as",
            );
            findings.push(Finding::error(Source::Flag("store"), fault));
        }
        return;
    }
    let store = match load::store_unless_in_use(settings).await {
        Ok(Some(store)) => store,
        Ok(None) => return,
        Err(finding) => return findings.push(finding),
    };
    let fault = |problem: String, remedy: &str| {
        Finding::error(Source::Flag("store"), Fault::new(problem, remedy))
    };
    if let Err(error) = store.ready().await {
        return findings.push(fault(
            error.to_string(),
            "start the store, or name another by --store",
        ));
    }
    if let Ok(warnings) = store.warnings().await {
        for warning in warnings {
            findings.push(Finding::warning(
                Source::Flag("store"),
                Fault::new(warning, "see the README on stores"),
            ));
        }
    }
    findings.append(&mut load::open_keys(settings));
    match load::keyring(settings, &store) {
        Err(finding) => findings.push(finding),
        Ok(keyring) => {
            if let Err(error) = keyring.read((world.clock)()).await {
                findings.push(fault(error.to_string(), "mend or remove what is named; keys are made at the next start if there are none"));
            }
        }
    }
}

/// The folder that the file would be in, if it is not there.
fn missing_folder(file: &Path) -> Option<PathBuf> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())?;
    (!folder.is_dir()).then(|| folder.to_owned())
}
