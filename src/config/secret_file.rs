//! Files with one secret in them: one line, hard to guess, and not for everybody to read.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use zeroize::Zeroizing;

use crate::oauth::secret::Secret;

use super::finding::{Fault, shown_path};

/// Fewer octets than these are worth a warning: a 128-bit number has as many hexadecimal digits.
const ENOUGH: usize = 32;
/// The most octets that are read.
const MOST: usize = 4096;

/// Reads the secret; the second part is what to warn of.
pub(super) fn read(path: &Path) -> Result<(Secret, Option<Fault>), Fault> {
    let name = shown_path(path);
    let (octets, warning) = content(path)?;
    let text = std::str::from_utf8(&octets)
        .unwrap_or_default()
        .trim_ascii();
    if text.is_empty() || !is_plain(text) {
        return Err(Fault::new(
            format!("{name} is not one line of printable ASCII characters without blanks"),
            "write one with: openssl rand -hex 32",
        ));
    }
    Ok((
        Secret::new(text.to_owned()),
        warning.or_else(|| short(&name, text)),
    ))
}

/// Reads a file with one secret a line, each of at least so many octets; the second part is what to warn
/// of.
pub(super) fn read_lines(
    path: &Path,
    shortest: usize,
) -> Result<(Vec<Secret>, Option<Fault>), Fault> {
    let name = shown_path(path);
    let (octets, mut warning) = content(path)?;
    let text = std::str::from_utf8(&octets).unwrap_or_default();
    let mut secrets = Vec::new();
    for line in text.lines().map(str::trim_ascii) {
        if line.is_empty() {
            continue;
        }
        if !is_plain(line) || line.len() < shortest {
            return Err(Fault::new(
                format!(
                    "{name} has a line that is no secret of at least {shortest} printable ASCII characters without blanks"
                ),
                "write each line with: openssl rand -hex 32",
            ));
        }
        warning = warning.or_else(|| short(&name, line));
        secrets.push(Secret::new(line.to_owned()));
    }
    if secrets.is_empty() {
        return Err(Fault::new(
            format!("there is no secret in {name}"),
            "write one with: openssl rand -hex 32",
        ));
    }
    Ok((secrets, warning))
}

/// A header must be able to carry it as it is.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn short(name: &str, text: &str) -> Option<Fault> {
    (text.len() < ENOUGH).then(|| {
        Fault::new(
            format!("the secret in {name} is shorter than {ENOUGH} characters, so that it might be guessed"),
            "write one with: openssl rand -hex 32",
        )
    })
}

/// The octets of the file, and whether too many may open it.
fn content(path: &Path) -> Result<(Zeroizing<Vec<u8>>, Option<Fault>), Fault> {
    let name = shown_path(path);
    let unreadable = |error: std::io::Error| {
        Fault::new(
            format!("the secret in {name} cannot be read ({error})"),
            "write the name of a file that this user can read",
        )
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode();
    // Room for all of it, so that no copy is left behind when the buffer grows.
    let mut octets = Zeroizing::new(Vec::with_capacity(MOST + 1));
    file.take(MOST as u64 + 1)
        .read_to_end(&mut octets)
        .map_err(unreadable)?;
    if octets.len() > MOST {
        return Err(Fault::new(
            format!("{name} is larger than {MOST} octets, and no file of secrets"),
            "write one with: openssl rand -hex 32",
        ));
    }
    let warning = (mode & 0o007 != 0).then(|| {
        Fault::new(
            format!("everybody on this machine may open the secret in {name}"),
            format!("run chmod o= {name}"),
        )
    });
    Ok((octets, warning))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn secrets() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("secret");
        let long = "x".repeat(5000);
        for (content, mode, good, warned) in [
            (SECRET, 0o600, true, false),
            ("0123456789abcdef0123456789abcdef\r\n", 0o640, true, false),
            (SECRET, 0o644, true, true),
            (&SECRET[1..], 0o600, true, true),
            (&SECRET[..1], 0o600, true, true),
            ("", 0o600, false, false),
            (
                "0123456789abcdef\n0123456789abcdef0123456789abcdef",
                0o600,
                false,
                false,
            ),
            ("0123456789abcdef 0123456789abcdef", 0o600, false, false),
            ("é0123456789abcdef0123456789abcdef", 0o600, false, false),
            (&long, 0o600, false, false),
        ] {
            std::fs::write(&path, content).expect("written");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
            match read(&path) {
                Ok((secret, warning)) => {
                    assert!(good, "{content:?}");
                    assert!(SECRET.contains(secret.expose()));
                    assert_eq!(warning.is_some(), warned, "{mode:o}");
                }
                Err(fault) => {
                    assert!(!good, "{content:?}");
                    assert!(!fault.problem.contains("0123456789abcde"));
                }
            }
        }
        assert!(read(&directory.path().join("none")).is_err());
        assert!(read(directory.path()).is_err());
    }
}
