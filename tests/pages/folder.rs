//! `--pages`: the folder of an operator, as `certbound check` and `certbound serve` read it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn run(command: &str, folder: &Path) -> Output {
    fs::write(folder.join("clients.json"), "[]").expect("the folder is ours");
    Command::new(env!("CARGO_BIN_EXE_certbound"))
        .args([
            command,
            "--issuer=http://localhost:9400",
            "--trusted-proxy=127.0.0.1",
            "--verify-header=none",
            "--pages=pages",
            concat!(
                "--client-ca=",
                env!("CARGO_MANIFEST_DIR"),
                "/tests/fixtures/pki/ca.crt"
            ),
        ])
        .current_dir(folder)
        .env_clear()
        .output()
        .expect("the program starts")
}

fn said(output: &Output) -> String {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8(text).expect("text")
}

#[test]
fn what_is_wrong_is_told_with_file_and_line() {
    for (name, content, told) in [
        (
            "login.html",
            &b"<p>\n{{ client.nam }}"[..],
            "pages/login.html line 2 (template): undefined value; use a variable that PAGES.md names",
        ),
        (
            "logni.html",
            b"",
            "pages/logni.html: there is no page \"logni.html\"; call it \"login.html\"",
        ),
        (
            "style.css",
            b"\xff",
            "pages/style.css: is not UTF-8; write it as UTF-8 text",
        ),
    ] {
        let folder = tempfile::tempdir().expect("a temporary directory can be made");
        fs::create_dir(folder.path().join("pages")).expect("the folder is ours");
        fs::write(folder.path().join("pages").join(name), content).expect("the folder is ours");
        for (command, code) in [("check", 1), ("serve", 2)] {
            let output = run(command, folder.path());
            assert!(said(&output).contains(told), "{command}: {}", said(&output));
            assert_eq!(output.status.code(), Some(code), "{command}");
        }
    }
}

#[test]
fn a_good_folder_is_read_and_none_is_told() {
    let folder = tempfile::tempdir().expect("a temporary directory can be made");
    let missing = said(&run("check", folder.path()));
    assert!(missing.contains("pages: cannot be read: "), "{missing}");
    let pages = folder.path().join("pages");
    fs::create_dir(&pages).expect("the folder is ours");
    fs::write(pages.join(".login.html.swp"), [0xff]).expect("the folder is ours");
    fs::create_dir(pages.join("..data")).expect("the folder is ours");
    fs::write(pages.join("brand.css"), ":root { --round: 0 }").expect("the folder is ours");
    let good = said(&run("check", folder.path()));
    assert!(good.contains("nothing is wrong"), "{good}");
    fs::create_dir(pages.join("images")).expect("the folder is ours");
    let nested = said(&run("check", folder.path()));
    assert!(nested.contains("pages/images: is a folder; "), "{nested}");
}
