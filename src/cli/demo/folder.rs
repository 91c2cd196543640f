//! The folder with everything that the demonstration makes: nobody else may enter it, and it is removed
//! at the end unless it was asked for.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// A folder of mode 0700, in which every file has mode 0600.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    text: String,
    keep: bool,
}

impl Folder {
    /// A fresh one beside the system's other temporary files, removed when this is dropped. The name
    /// cannot be foreseen, and a folder that is there already is not taken.
    pub(super) fn fresh(chance: &str) -> Result<Self, String> {
        let path = std::env::temp_dir().join(format!("certbound-demo-{chance}"));
        make(&path)?;
        Self::open(&path, false)
    }

    /// The one of that name, which is new or empty, and stays.
    pub(super) fn named(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        match fs::read_dir(path).map(|mut entries| entries.next().is_none()) {
            Ok(true) => fs::set_permissions(path, Permissions::from_mode(0o700))
                .map_err(|error| format!("{shown} cannot be closed to others: {error}"))?,
            Ok(false) => {
                return Err(format!(
                    "{shown} is not empty; give --dir a folder that is empty or not there yet"
                ));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(path)?,
            Err(error) => return Err(format!("{shown} cannot be read: {error}")),
        }
        Self::open(path, true)
    }

    fn open(path: &Path, keep: bool) -> Result<Self, String> {
        let path = path
            .canonicalize()
            .map_err(|error| format!("{}: {error}", path.display()))?;
        // The name is printed in commands and written into the configuration.
        let text = path.to_str().map(str::to_owned);
        let text = text.ok_or_else(|| {
            format!(
                "{} is not UTF-8; give another folder by --dir",
                path.display()
            )
        })?;
        Ok(Self { path, text, keep })
    }

    /// Its full name.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The full name of a file in it.
    pub(super) fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.text)
    }

    /// Whether it stays.
    pub(super) const fn is_kept(&self) -> bool {
        self.keep
    }

    /// Lets it stay, for somebody to look at.
    pub(super) fn keep(&mut self) {
        self.keep = true;
    }

    /// Writes a file, in place of one that is there.
    pub(super) fn write(&self, name: &str, content: &str) -> Result<(), String> {
        let written = self.create(name)?.write_all(content.as_bytes());
        written.map_err(|error| format!("{} cannot be written: {error}", self.file(name)))
    }

    /// Opens a file to be written.
    pub(super) fn create(&self, name: &str) -> Result<File, String> {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(self.path.join(name))
            .map_err(|error| format!("{} cannot be made: {error}", self.file(name)))
    }

    /// Reads a file.
    pub(super) fn read(&self, name: &str) -> Result<String, String> {
        fs::read_to_string(self.path.join(name))
            .map_err(|error| format!("{} cannot be read: {error}", self.file(name)))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep {
            // What cannot be removed is among the system's temporary files, which go by themselves.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn make(path: &Path) -> Result<(), String> {
    DirBuilder::new()
        .mode(0o700)
        .create(path)
        .map_err(|error| format!("the folder {} cannot be made: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777
    }

    #[test]
    fn a_fresh_folder_is_closed_and_goes() {
        let chance = format!("test-{}", std::process::id());
        let folder = Folder::fresh(&chance).expect("it can be made");
        folder.write("key", "old and long").expect("written");
        folder.write("key", "new").expect("written");
        assert_eq!(folder.read("key").as_deref(), Ok("new"));
        let path = folder.path.clone();
        assert_eq!((mode(&path), mode(&path.join("key"))), (0o700, 0o600));
        assert!(Folder::fresh(&chance).is_err(), "it is there already");
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn a_named_folder_is_new_or_empty_and_stays() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("demo");
        for _ in 0..2 {
            drop(Folder::named(&path).expect("new, then empty"));
            assert_eq!(mode(&path), 0o700);
        }
        fs::write(path.join("mine"), "precious").expect("written");
        assert!(Folder::named(&path).is_err());
        assert!(Folder::named(&path.join("mine")).is_err());
        assert!(Folder::named(&path.join("not/there")).is_err());
    }
}
