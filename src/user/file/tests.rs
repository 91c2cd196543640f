//! What a `users.json` may hold, and what is said of one that may not be.

use super::*;
use serde_json::json;

/// Over "password".
const HASH: &str =
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const THUMBPRINT: &str = "0JabUgcwHjHpWPvNyb-J0hkV-fJ31Xlm40UsRE1K_1o";

#[test]
fn a_whole_user() {
    let users = json!([
        {
            "username": "alice", "password_hash": HASH, "sub": "248289761001", "totp": SECRET,
            "claims": {"name": "Alice", "address": {"country": "NO"}},
            "certificates": [{"subject_dn": "CN=Alice,O=Example"}, {"x5t#S256": THUMBPRINT}]
        },
        {"username": "Zoe\u{308}", "sub": "zoe"},
        {"username": "bob"}
    ]);
    let users = Users::read(&users.to_string()).expect("users");
    assert_eq!(users.len(), 3);
    let alice = users.find("alice").expect("alice");
    assert_eq!((alice.username(), alice.sub()), ("alice", "248289761001"));
    assert_eq!(alice.claims()["address"]["country"], "NO");
    assert!(alice.has_password() && alice.has_totp());
    let mut memory = crate::user::password::Memory::default();
    assert!(users.verify_password(Some(alice), "password", &mut memory));
    assert!(!users.verify_password(None, "password", &mut memory));
    let bob = users.find("bob").expect("bob");
    assert!(bob.sub() == "bob" && !bob.has_password() && !bob.has_totp());
    assert!(!users.verify_password(Some(bob), "password", &mut memory));
    for name in ["Zo\u{eb}", "Zoe\u{308}"] {
        let zoe = users.find(name).expect("composed or not");
        assert_eq!(zoe.username(), "Zo\u{eb}");
    }
    assert!(users.find("Alice").is_none() && users.find("").is_none());
    assert!(users.find(&"e\u{308}".repeat(5_000)).is_none());
    assert!(users.by_sub("zoe").is_some() && users.by_sub("alice").is_none());
    assert!(users.any_password() && users.any_certificate() && !users.is_empty());
    assert_eq!(format!("{users:?}"), "Users(3)");
    let shown = format!("{alice:?}");
    assert_eq!(shown, "User { username: \"alice\", .. }");
}

#[test]
fn no_users_are_users() {
    let users = Users::read(" [ ]\n").expect("none");
    assert!(users.is_empty() && !users.any_password() && users.remarks().is_empty());
    assert!(!Users::default().any_certificate());
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let text = "[\n {\"username\": \"a\", \"totp\": \"x\", \"password_hash\": \"hunter2\"},\n {\n  \"username\": \"b\",\n  \"pasword_hash\": \"hunter2\"\n },\n {\"username\": \"a\"},\n {}\n]";
    let problems = Users::read(text).expect_err("five problems");
    let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let begins = [
        "line 5: user \"b\": pasword_hash: there is no such member; did you mean password_hash?",
        "line 2: user \"a\": password_hash: not a PHC string; write",
        "line 2: user \"a\": totp: not a secret",
        "line 8: username: there is none; write",
    ];
    assert_eq!(said.len(), begins.len(), "{said:#?}");
    for (said, begins) in said.iter().zip(begins) {
        assert!(said.starts_with(begins), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

#[test]
fn what_a_user_may_not_be() {
    let long = "x".repeat(257);
    let large = json!({"username": "a", "claims": {"x": "y".repeat(LARGEST_CLAIMS)}});
    let many = vec![json!({"x5t#S256": THUMBPRINT}); CERTIFICATES + 1];
    for (user, member, says) in [
        (json!({"username": ""}), "username", "there is none"),
        (json!({"username": " a"}), "username", "blank"),
        (json!({"username": "a\tb"}), "username", "cannot be seen"),
        (
            json!({"username": "a\u{200b}b"}),
            "username",
            "cannot be seen",
        ),
        (
            json!({"username": "a\u{a0}b"}),
            "username",
            "cannot be seen",
        ),
        (json!({"username": long}), "username", "too long"),
        (json!({"username": 5}), "username", "invalid type"),
        (json!({"username": "zo\u{eb}"}), "sub", "write sub as well"),
        (
            json!({"username": "x".repeat(256)}),
            "sub",
            "write sub as well",
        ),
        (
            json!({"username": "a", "sub": ""}),
            "sub",
            "printable ASCII",
        ),
        (
            json!({"username": "a", "sub": "\u{eb}"}),
            "sub",
            "printable ASCII",
        ),
        (json!({"username": "a", "sub": "x "}), "sub", "blanks"),
        (
            json!({"username": "a", "sub": "x".repeat(256)}),
            "sub",
            "255",
        ),
        (
            json!({"username": "a", "totp": "MZXW6YTB"}),
            "totp",
            "10 to 64",
        ),
        (
            json!({"username": "a", "password_hash": "$2b$12$abc"}),
            "password_hash",
            "hash-password",
        ),
        (
            json!({"username": "a", "claims": []}),
            "claims",
            "no JSON object",
        ),
        (
            json!({"username": "a", "claims": {"sub": "x"}}),
            "claims",
            "as a member of the user",
        ),
        (
            json!({"username": "a", "claims": {"acr": "x"}}),
            "claims",
            "take it out",
        ),
        (
            json!({"username": "a", "claims": {"cnf": {}}}),
            "claims",
            "take it out",
        ),
        (large, "claims", "too much"),
        (
            json!({"username": "a", "certificates": {}}),
            "certificates",
            "invalid type",
        ),
        (
            json!({"username": "a", "certificates": [{}]}),
            "certificates",
            "number 1: an entry",
        ),
        (
            json!({"username": "a", "certificates": many}),
            "certificates",
            "at most 64",
        ),
        (
            json!({"username": "a", "certificates": [{"san_uri": "urn:a"}, {"san_uri": "urn:a"}]}),
            "certificates",
            "there twice",
        ),
    ] {
        let problems = Users::read(&json!([user]).to_string()).expect_err("a problem");
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].member.as_deref(), Some(member), "{problems:?}");
        assert!(problems[0].text.contains(says), "{problems:?}");
    }
    let twice = r#"[{"username": "a", "claims": {"name": "x", "name": "y"}}]"#;
    assert!(Users::read(twice).is_err());
}

#[test]
fn two_users_are_two() {
    for (one, other, member) in [
        (
            json!({"username": "a"}),
            json!({"username": "a", "sub": "b"}),
            "username",
        ),
        (
            json!({"username": "zo\u{eb}", "sub": "x"}),
            json!({"username": "zoe\u{308}", "sub": "y"}),
            "username",
        ),
        (
            json!({"username": "a"}),
            json!({"username": "b", "sub": "a"}),
            "sub",
        ),
        (
            json!({"username": "a", "certificates": [{"subject_dn": "CN=x, O=Y"}]}),
            json!({"username": "b", "certificates": [{"subject_dn": "cn=X,O=y"}]}),
            "certificates",
        ),
        (
            json!({"username": "a", "certificates": [{"san_email": "x@example.com"}]}),
            json!({"username": "b", "certificates": [{"san_email": "x@EXAMPLE.com"}]}),
            "certificates",
        ),
        (
            json!({"username": "a", "certificates": [{"x5t#S256": THUMBPRINT}]}),
            json!({"username": "b", "certificates": [{"x5t#S256": THUMBPRINT}]}),
            "certificates",
        ),
    ] {
        let problems = Users::read(&json!([one, other]).to_string()).expect_err("one too many");
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].member.as_deref(), Some(member));
    }
}

#[test]
fn what_operators_should_know() {
    let dear = HASH.replace("m=256,t=2", "m=19456,t=2");
    let users = json!([
        {"username": "a", "password_hash": dear},
        {"username": "b", "password_hash": dear, "totp": "MZXW6YTBMZXW6YTB"},
        {"username": "c", "password_hash": HASH},
        {"username": "d", "certificates": [{"subject_dn": "C=NO,O=Example,CN=d"}]},
    ]);
    let users = Users::read(&users.to_string()).expect("users");
    assert!(users.stand_in.cost().is_enough());
    let said: Vec<String> = users
        .remarks()
        .into_iter()
        .map(|remark| format!("{}: {}; {}", remark.member, remark.problem, remark.remedy))
        .collect();
    let parts = [
        ["password_hash: guessing", "\"c\""],
        ["password_hash: the argon2id parameters", "\"c\""],
        ["totp: the secret", "\"b\""],
        [
            "certificates: the subject_dn of \"d\"",
            "write CN=d,O=Example,C=NO",
        ],
    ];
    assert_eq!(said.len(), parts.len(), "{said:#?}");
    for (said, parts) in said.iter().zip(parts) {
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    }
    let many: Vec<Value> = (0..9)
        .map(|number| json!({"username": format!("u{number}"), "password_hash": HASH}))
        .collect();
    let many = Users::read(&Value::from(many).to_string()).expect("users");
    let remarks = many.remarks();
    assert_eq!(remarks.len(), 1);
    assert!(
        remarks[0]
            .problem
            .ends_with("\"u0\", \"u1\", \"u2\" and 6 more")
    );
}
