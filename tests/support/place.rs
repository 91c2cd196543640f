//! A folder for one deployment, and the files of `examples/` that go into it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::pki::Pki;

/// A file of the examples, by its path there.
pub(crate) fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples")
        .join(path)
}

/// The text of an example with literals replaced, each of which is there exactly once.
pub(crate) fn rewritten(path: &str, replacements: &[(&str, &str)]) -> String {
    let mut text = fs::read_to_string(example(path)).expect("the example is there");
    for (from, to) in replacements {
        assert_eq!(text.matches(from).count(), 1, "{from} in {path}");
        text = text.replacen(from, to, 1);
    }
    text
}

/// A folder for everything, into which the web server's own user may look.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    pub(crate) pki: Pki,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory can be made");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        for name in ["logs", "run", "etc", "htdocs"] {
            fs::create_dir(folder.path().join(name)).expect("the folder is empty");
        }
        let pki = Pki::make(&folder.path().join("tls"));
        Self { folder, pki }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where certbound listens for the web server.
    pub(crate) fn socket(&self) -> PathBuf {
        self.file("run/certbound.sock")
    }

    /// Writes what nobody else may read.
    pub(crate) fn write_secret(&self, name: &str, text: &str) {
        self.write(name, text);
        let ours = fs::Permissions::from_mode(0o600);
        fs::set_permissions(self.file(name), ours).expect("it is ours");
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).expect("the folder is ours");
    }
}

/// A path as text; those of tests are plain.
pub(crate) fn text(path: &Path) -> String {
    path.to_str().expect("temporary paths are text").to_owned()
}
