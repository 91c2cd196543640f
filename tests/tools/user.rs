//! `certbound user`, and what `check` says of users.

use std::path::Path;
use std::process::Command;

use certbound::oauth::time::Timestamp;
use certbound::user::Users;
use serde_json::{Value, json};

use super::{now, pki, run};

/// The users of a file with one user of those members.
fn users(members: &Value) -> Users {
    let mut user = json!({"username": "alice"});
    for (name, value) in members.as_object().expect("members") {
        user[name] = value.clone();
    }
    Users::read(&json!([user]).to_string()).expect("users")
}

#[test]
fn a_hash_goes_into_users_json() {
    for (input, password) in [
        ("correct horse\n", "correct horse"),
        ("correct horse\r\n", "correct horse"),
        (" blanks count ", " blanks count "),
    ] {
        let ran = run(&["user", "hash-password"], input.as_bytes()).expect(0, "$argon2id$", "");
        assert_eq!(ran.out.lines().count(), 1, "{}", ran.out);
        assert_eq!(ran.err, "");
        let users = users(&json!({"password_hash": ran.out.trim_end()}));
        let alice = users.find("alice").map(AsRef::as_ref);
        let mut memory = certbound::user::password::Memory::default();
        assert!(
            users.verify_password(alice, password, &mut memory),
            "{input:?}"
        );
        assert!(!users.verify_password(alice, "wrong", &mut memory));
        assert!(users.remarks().is_empty());
    }
    let hash = |input: &[u8]| run(&["user", "hash-password"], input).expect(0, "", "").out;
    assert_ne!(hash(b"the same"), hash(b"the same"));
}

#[test]
fn what_is_no_password() {
    let long = vec![b'x'; 1025];
    let line = [&long[..1024], b"\n"].concat();
    run(&["user", "hash-password"], &line).expect(0, "$argon2id$", "");
    for (input, says) in [
        (&b""[..], "empty"),
        (b"\n", "empty"),
        (b"two\nlines\n", "on one line"),
        (b"\xff\xfe\n", "UTF-8"),
        (&long, "at most 1024"),
        (&[&long[..], b"\n"].concat(), "at most 1024"),
        (&vec![b'x'; 100_000], "at most 1024"),
    ] {
        let ran = run(&["user", "hash-password"], input).expect(1, "", says);
        assert_eq!(ran.out, "");
    }
    run(&["user"], b"").expect(2, "", "hash-password");
    run(&["user", "hash-pasword"], b"").expect(2, "", "hash-password");
}

#[test]
fn a_second_factor_goes_into_users_json() {
    let issuer = "--issuer=https://as.example.com/oauth2";
    let ran = run(
        &["user", "totp", "--json", "--username", "Zoë & co", issuer],
        b"",
    );
    let printed: Value = serde_json::from_str(&ran.expect(0, "", "").out).expect("JSON");
    let secret = printed["totp"].as_str().expect("a secret");
    assert_eq!(secret.len(), 32);
    let uri = format!(
        "otpauth://totp/as.example.com%2Foauth2:Zo%C3%AB%20%26%20co?secret={secret}&issuer=as.example.com%2Foauth2&algorithm=SHA1&digits=6&period=30"
    );
    assert_eq!(printed["otpauth"], uri.as_str());
    assert_eq!(printed["username"], "Zoë & co");
    let users = users(&json!({"totp": secret}));
    let alice = users.find("alice").expect("alice");
    assert!(alice.has_totp() && users.remarks().is_empty());
    // One code of a million is right, and so may be two of its neighbours.
    let totp = alice.totp().expect("a second factor");
    let now = now();
    let right = (0..1_000_000).filter(|code| totp.check(&format!("{code:06}"), now).is_some());
    assert!((1..=3).contains(&right.count()));
    assert!(
        totp.check("000000", Timestamp::from_unix(0))
            .is_none_or(|step| step < 2)
    );
}

#[test]
fn a_second_factor_in_words() {
    let ran = run(&["user", "totp"], b"").expect(0, "otpauth://totp/certbound:user?secret=", "");
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 2);
    let secret = lines[0].strip_prefix("totp").expect("the secret").trim();
    assert!(lines[1].contains(&format!("secret={secret}&")));
    assert_ne!(run(&["user", "totp"], b"").out, ran.out);
    run(&["user", "totp", "--issuer=nonsense"], b"").expect(2, "", "issuer");
    run(&["user", "totp", "--username="], b"").expect(2, "", "--username");
}

/// What `check` says in that folder, and its exit code.
fn checked(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_certbound"))
        .current_dir(folder)
        .args([
            "check",
            "--issuer=https://as.example.com",
            "--users=users.json",
        ])
        .args(["--trusted-proxy=127.0.0.1/32", "--client-ca"])
        .arg(pki("ca"))
        .args(arguments)
        .output()
        .expect("the program ends");
    let said = String::from_utf8(output.stdout).expect("text");
    (output.status.code(), said)
}

#[test]
fn check_reads_users() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, content: &str| {
        std::fs::write(folder.path().join(name), content).expect("written");
    };
    write("clients.json", "[]");
    let known = "--client-address-header=X-Forwarded-For";
    let (code, said) = checked(folder.path(), &[known]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains("users.json: cannot be read") && said.contains("--users"),
        "{said}"
    );

    let hash = run(&["user", "hash-password"], b"secret").out;
    let users = json!([{"username": "alice", "password_hash": hash.trim_end()}]).to_string();
    write("users.json", &users);
    let (code, said) = checked(folder.path(), &[known]);
    assert_eq!((code, said.as_str()), (Some(0), "nothing is wrong\n"));
    let (code, said) = checked(folder.path(), &[]);
    assert_eq!(code, Some(1));
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.contains("users.json") && said.contains("--client-address-header"),
        "{said}"
    );

    write(
        "users.json",
        "[\n{\"username\": \"alice\",\n \"pasword_hash\": \"hunter2\"},\n{\"username\": \"b\", \"sub\": \"\"}]",
    );
    let (code, said) = checked(folder.path(), &[known]);
    assert_eq!(code, Some(1));
    for part in [
        "users.json line 3 (pasword_hash): user \"alice\": there is no such member",
        "users.json line 4 (sub): user \"b\": it is not 1 to 255",
    ] {
        assert!(said.contains(part), "{said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
}
