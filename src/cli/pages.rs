//! The operator's folder of pages.

use std::path::Path;

use super::load::broken;
use crate::config::{Fault, Finding, Settings, Source};
use crate::page::{PageError, Pages};

/// The pages: the built-in ones, and what the folder has in their place.
pub(super) fn pages(settings: &Settings) -> Result<Pages, Finding> {
    let Some(folder) = settings.pages.as_deref() else {
        return Ok(Pages::default());
    };
    Pages::new(&files(folder)?).map_err(|error| finding(folder, &error))
}

/// Every file of the folder: its name and its text.
fn files(folder: &Path) -> Result<Vec<(String, String)>, Finding> {
    let unreadable = |path: &Path, error: std::io::Error| {
        broken(
            path,
            format!("cannot be read: {error}"),
            "let certbound read it, or name another folder by --pages",
        )
    };
    let mut files = Vec::new();
    let entries = std::fs::read_dir(folder).map_err(|error| unreadable(folder, error))?;
    for entry in entries {
        let path = entry.map_err(|error| unreadable(folder, error))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(name) = name else {
            return Err(broken(
                &path,
                "its name is not UTF-8",
                "take it out of the folder",
            ));
        };
        // What editors and Kubernetes leave beside the files.
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            return Err(broken(
                &path,
                "is a folder",
                "put the files themselves into the folder that --pages names",
            ));
        }
        let octets = std::fs::read(&path).map_err(|error| unreadable(&path, error))?;
        let text = String::from_utf8(octets)
            .map_err(|_| broken(&path, "is not UTF-8", "write it as UTF-8 text"))?;
        files.push((name.to_owned(), text));
    }
    files.sort();
    Ok(files)
}

fn finding(folder: &Path, error: &PageError) -> Finding {
    let path = folder.join(error.file());
    let source = match error.line() {
        Some(line) => Source::File {
            path,
            line,
            key: "template".into(),
        },
        None => Source::Named(path),
    };
    Finding::error(source, Fault::new(error.problem(), error.remedy()))
}
