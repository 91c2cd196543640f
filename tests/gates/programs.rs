//! Web servers that need not be there.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The programs of that name: the one on the PATH, and the one in the folder into which `scripts/test`
/// installs Python packages. Where there is none that is said, on standard error and in the file that
/// `CERTBOUND_SKIPPED` names, and the test is to end.
pub(crate) fn programs(name: &str, in_package: &str, install: &str) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_the_path = std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|program| program.is_file());
    let installed = Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs");
    let installed = Some(installed.join(in_package)).filter(|program| program.is_file());
    let found: Vec<PathBuf> = on_the_path.into_iter().chain(installed).collect();
    if found.is_empty() {
        let said = format!("SKIPPED: the gate in {name}: there is no {name} ({install})\n");
        // Not by eprint, which is not shown for a test that passes.
        drop(std::io::stderr().write_all(said.as_bytes()));
        if let Some(file) = std::env::var_os("CERTBOUND_SKIPPED") {
            let file = OpenOptions::new().create(true).append(true).open(file);
            let written = file.and_then(|mut file| file.write_all(said.as_bytes()));
            written.expect("CERTBOUND_SKIPPED names a file that can be written to");
        }
    }
    found
}

/// The first of them.
pub(crate) fn program(name: &str, in_package: &str, install: &str) -> Option<PathBuf> {
    programs(name, in_package, install).into_iter().next()
}
