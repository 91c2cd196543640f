//! `certbound check` tells of signing keys that everybody on the machine may read.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

fn certbound(folder: &Path, command: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_certbound"))
        .current_dir(folder)
        .args(command)
        .args(["--issuer", "https://as.example", "--keys", "k"])
        .output()
        .expect("it runs")
}

fn told(folder: &Path) -> usize {
    let output = certbound(folder, &["check", "--clients", "c.json"]);
    let text = String::from_utf8(output.stdout).expect("text");
    text.matches("everybody on this machine may open this signing key")
        .count()
}

#[test]
fn keys_that_everybody_may_read_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("c.json"), "[]").expect("written");
    assert!(
        certbound(folder.path(), &["keys", "generate"])
            .status
            .success()
    );
    let keys = folder.path().join("k");
    let chmod = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
    };
    assert_eq!(told(folder.path()), 0, "as they are made");

    let mut files = std::fs::read_dir(&keys).expect("the keys");
    let one = files.find_map(|entry| {
        let path = entry.expect("an entry").path();
        path.extension()
            .is_some_and(|it| it == "pem")
            .then_some(path)
    });
    let one = one.expect("a key");
    chmod(&keys, 0o755);
    assert_eq!(told(folder.path()), 0, "nobody may read the files");
    chmod(&one, 0o644);
    assert_eq!(told(folder.path()), 1);
    chmod(&one, 0o640);
    assert_eq!(told(folder.path()), 0, "a group is somebody's choice");
    chmod(&one, 0o644);
    chmod(&keys, 0o700);
    assert_eq!(told(folder.path()), 0, "nobody gets there");
}
