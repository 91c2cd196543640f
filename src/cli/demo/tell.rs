//! Tells the story: each request as a command, its answer, and whether that is what it must be.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value as Json;

use super::ask::{Ask, To};
use super::client::{Client, Reply};
use super::files::LOG;
use super::story::{Must, STORY};

/// How wide the text is, in characters.
const WIDTH: usize = 92;

/// Sends every request in turn. The numbers of the steps that did not go as they must are the answer;
/// an error only where nothing can be printed any more.
pub(super) async fn tell(client: &Client<'_>, out: &mut dyn Write) -> io::Result<Vec<usize>> {
    let mut failed = Vec::new();
    let mut log = Log::default();
    for (at, step) in STORY.iter().enumerate() {
        let number = at + 1;
        paragraph(out, &format!("{number:2}. "), step.says)?;
        writeln!(out)?;
        command(out, &step.ask, client)?;
        writeln!(out)?;
        let outcome = match client.send(&step.ask).await {
            Ok(reply) => {
                answer(out, &reply)?;
                let cause = log.cause(client);
                if let (Must::Refuse(..) | Must::Stop, Some(cause)) = (step.must, cause) {
                    paragraph(out, "    log  ", &cause)?;
                }
                judge(step.must, &reply, client)
            }
            Err(problem) => Err(problem),
        };
        match outcome {
            Ok(text) => paragraph(out, "    ✓ ", &text)?,
            Err(text) => {
                failed.push(number);
                paragraph(out, "    ✗ ", &text)?;
            }
        }
        writeln!(out)?;
    }
    Ok(failed)
}

/// Prints a request as a command.
pub(super) fn command(out: &mut dyn Write, ask: &Ask, client: &Client<'_>) -> io::Result<()> {
    for line in ask.curl(&client.base(ask.to)) {
        writeln!(out, "    {line}")?;
    }
    Ok(())
}

/// Prints text in lines that are not too long, the first behind these words and the others below it.
pub(super) fn paragraph(out: &mut dyn Write, first: &str, text: &str) -> io::Result<()> {
    let indent = " ".repeat(first.chars().count());
    let mut line = first.to_owned();
    let mut width = indent.len();
    let mut begun = false;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if begun && width + 1 + length > WIDTH {
            writeln!(out, "{line}")?;
            line.clone_from(&indent);
            width = indent.len();
            begun = false;
        }
        if begun {
            line.push(' ');
            width += 1;
        }
        line.push_str(word);
        width += length;
        begun = true;
    }
    writeln!(out, "{line}")
}

/// Prints the status and the members of the answer that matter here.
fn answer(out: &mut dyn Write, reply: &Reply) -> io::Result<()> {
    writeln!(out, "    {}", reply.status)?;
    for (name, value) in [
        ("X-Auth-Subject", &reply.subject),
        ("WWW-Authenticate", &reply.challenge),
    ] {
        if let Some(value) = value {
            paragraph(out, &format!("    {name}: "), value)?;
        }
    }
    for name in [
        "issuer",
        "token_endpoint",
        "introspection_endpoint",
        "tls_client_certificate_bound_access_tokens",
        "error",
        "error_description",
        "access_token",
        "active",
        "client_id",
        "aud",
        "token_type",
        "expires_in",
        "cnf",
    ] {
        let member = match (name, claims(reply)) {
            ("cnf" | "aud", Some(claims)) => claims.get(name).cloned(),
            _ => reply.body.get(name).cloned(),
        };
        let Some(member) = member else { continue };
        let text = match member {
            Json::String(text) => shortened(&text),
            other => other.to_string(),
        };
        paragraph(out, &format!("    {name}: "), &text)?;
    }
    Ok(())
}

/// A token is too long to read, and nobody reads it.
fn shortened(text: &str) -> String {
    if text.contains(' ') || text.chars().count() <= 80 {
        text.to_owned()
    } else {
        let kept: String = text.chars().take(48).collect();
        format!("{kept}… ({} characters)", text.chars().count())
    }
}

/// What a JWT says.
fn claims(reply: &Reply) -> Option<Json> {
    let token = reply.body.get("access_token")?.as_str()?;
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&payload).ok()
}

/// What went as it must, or what did not.
fn judge(must: Must, reply: &Reply, client: &Client<'_>) -> Result<String, String> {
    let status = match must {
        Must::Refuse(status, _) => status,
        Must::Stop => 401,
        _ => 200,
    };
    if reply.status != status {
        return Err(format!("the status must be {status}"));
    }
    let bound = |to: &str, cnf: Option<&Json>| {
        let identity = client.pki.identity(to);
        let expected = identity.map(|identity| identity.thumbprint().to_string());
        let stated = cnf.and_then(|cnf| cnf.get("x5t#S256")?.as_str());
        match expected {
            Some(expected) if stated == Some(&expected) => Ok(expected),
            expected => Err(format!(
                "cnf must be the SHA-256 of {to}.crt, {}",
                expected.unwrap_or_default()
            )),
        }
    };
    match must {
        Must::Describe => {
            if reply.body["issuer"] != client.base(To::Front).as_str() {
                return Err("the issuer must be the server that was asked".into());
            }
            if reply.body["tls_client_certificate_bound_access_tokens"] != true {
                return Err("bound tokens must be announced".into());
            }
            Ok("it issues certificate-bound tokens".into())
        }
        Must::Issue { keep, bound_to } => {
            let token = reply.body["access_token"].as_str();
            let token = token.ok_or("there must be an access_token")?;
            client.folder.write(keep, token)?;
            let claims = claims(reply);
            let Some(name) = bound_to else {
                return match claims {
                    None => Ok(format!("an opaque token, kept in {keep}")),
                    Some(_) => Err("the token must be opaque".into()),
                };
            };
            let sha256 = bound(name, claims.as_ref().and_then(|claims| claims.get("cnf")))?;
            Ok(format!(
                "bound to {name}.crt, whose SHA-256 is {sha256}; the token is kept in {keep}"
            ))
        }
        Must::BeActive(name) => {
            if reply.body["active"] != true {
                return Err("the token must be active".into());
            }
            let sha256 = bound(name, reply.body.get("cnf"))?;
            Ok(format!(
                "active, and bound to {name}.crt, whose SHA-256 is {sha256}"
            ))
        }
        Must::BeInactive => {
            if reply.body == serde_json::json!({ "active": false }) {
                Ok("not active, and not a word more".into())
            } else {
                Err("the token must not be active".into())
            }
        }
        Must::Obey => Ok("revoked".into()),
        Must::Pass(name) => match &reply.subject {
            Some(subject) if subject == name => Ok(format!("let through, as {name}")),
            _ => Err(format!("X-Auth-Subject must be {name}")),
        },
        Must::Stop => match &reply.challenge {
            Some(line) if line.contains("error=\"invalid_token\"") => {
                Ok("stopped, as it must be: 401 invalid_token".into())
            }
            _ => Err("WWW-Authenticate must say invalid_token".into()),
        },
        Must::Refuse(status, error) => {
            if reply.body["error"] == error {
                Ok(format!("refused, as it must be: {status} {error}"))
            } else {
                Err(format!("the error must be {error}"))
            }
        }
    }
}

/// The log, and how much of it is known already.
#[derive(Default)]
struct Log {
    read: usize,
}

impl Log {
    /// Why the last request was refused, as the log says it and the answer does not.
    fn cause(&mut self, client: &Client<'_>) -> Option<String> {
        let text = client.folder.read(LOG).ok()?;
        let news = text.get(self.read..).unwrap_or_default();
        self.read = text.len();
        news.lines().rev().find_map(|line| {
            let line: Json = serde_json::from_str(line).ok()?;
            line.get("cause")?.as_str().map(str::to_owned)
        })
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::json;

    use super::*;
    use crate::cli::demo::folder::Folder;
    use crate::cli::demo::pki::Pki;
    use crate::oauth::time::Timestamp;

    #[test]
    fn lines_are_broken_between_words() {
        let long = "word ".repeat(40);
        let mut out = Vec::new();
        paragraph(&mut out, " 1. ", &long).expect("a vector takes everything");
        let text = String::from_utf8(out).expect("UTF-8");
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.len() > 1);
        assert!(lines[0].starts_with(" 1. word") && lines[1].starts_with("    word"));
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH));
        assert_eq!(text.split_whitespace().count(), 41);
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "two tables")]
    fn what_did_not_go_as_it_must_is_found() {
        let pki = Pki::new(Timestamp::from_unix(1_800_000_000)).expect("certificates can be made");
        let place = tempfile::tempdir().expect("a directory");
        let folder = Folder::named(place.path()).expect("an empty folder");
        let nowhere = ([127, 0, 0, 1], 1).into();
        let client = Client {
            pki: &pki,
            folder: &folder,
            front: nowhere,
            certbound: nowhere,
        };
        let thumbprint = |name| {
            let identity = pki.identity(name).expect("it was made");
            json!({ "x5t#S256": identity.thumbprint().to_string() })
        };
        let (mine, other) = (thumbprint("client-a"), thumbprint("impostor"));
        let jwt = |claims: Json| {
            let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
            json!({ "access_token": format!("e30.{claims}.AA") })
        };
        let issue = |bound_to| Must::Issue {
            keep: "token.txt",
            bound_to,
        };
        let bound = issue(Some("client-a"));
        let refuse = Must::Refuse(401, "invalid_client");
        let announced = "tls_client_certificate_bound_access_tokens";
        for (must, status, body, good) in [
            (bound, 200, jwt(json!({ "cnf": mine })), true),
            (bound, 200, jwt(json!({ "cnf": other })), false),
            (bound, 200, jwt(json!({})), false),
            (bound, 200, json!({ "access_token": "opaque" }), false),
            (bound, 200, json!({}), false),
            (bound, 201, jwt(json!({ "cnf": mine })), false),
            (issue(None), 200, json!({ "access_token": "opaque" }), true),
            (issue(None), 200, jwt(json!({})), false),
            (
                Must::BeActive("client-a"),
                200,
                json!({ "active": true, "cnf": mine }),
                true,
            ),
            (
                Must::BeActive("client-a"),
                200,
                json!({ "active": true, "cnf": other }),
                false,
            ),
            (
                Must::BeActive("client-a"),
                200,
                json!({ "active": true }),
                false,
            ),
            (
                Must::BeActive("client-a"),
                200,
                json!({ "active": false, "cnf": mine }),
                false,
            ),
            (Must::BeInactive, 200, json!({ "active": false }), true),
            (
                Must::BeInactive,
                200,
                json!({ "active": false, "sub": "x" }),
                false,
            ),
            (Must::BeInactive, 200, json!({ "active": true }), false),
            (Must::Pass("client-a"), 200, Json::Null, false),
            (Must::Stop, 401, Json::Null, false),
            (Must::Obey, 200, Json::Null, true),
            (Must::Obey, 503, Json::Null, false),
            (refuse, 401, json!({ "error": "invalid_client" }), true),
            (refuse, 401, json!({ "error": "invalid_request" }), false),
            (refuse, 400, json!({ "error": "invalid_client" }), false),
            (refuse, 200, jwt(json!({ "cnf": mine })), false),
            (
                Must::Describe,
                200,
                json!({ "issuer": "https://localhost:1", announced: true }),
                true,
            ),
            (
                Must::Describe,
                200,
                json!({ "issuer": "https://localhost:2", announced: true }),
                false,
            ),
            (
                Must::Describe,
                200,
                json!({ "issuer": "https://localhost:1" }),
                false,
            ),
        ] {
            let reply = Reply {
                status: StatusCode::from_u16(status).expect("a status"),
                body,
                subject: None,
                challenge: None,
            };
            let judged = judge(must, &reply, &client);
            assert_eq!(judged.is_ok(), good, "{must:?} {reply:?}: {judged:?}");
        }
        let invalid = "Bearer realm=\"default\", error=\"invalid_token\"";
        for (must, status, subject, challenge, good) in [
            (Must::Pass("client-a"), 200, Some("client-a"), None, true),
            (Must::Pass("client-a"), 200, Some("client-b"), None, false),
            (Must::Pass("client-a"), 401, None, Some(invalid), false),
            (Must::Stop, 401, None, Some(invalid), true),
            (
                Must::Stop,
                401,
                None,
                Some("Bearer realm=\"default\""),
                false,
            ),
            (Must::Stop, 200, Some("client-a"), None, false),
        ] {
            let reply = Reply {
                status: StatusCode::from_u16(status).expect("a status"),
                body: Json::Null,
                subject: subject.map(str::to_owned),
                challenge: challenge.map(str::to_owned),
            };
            let judged = judge(must, &reply, &client);
            assert_eq!(judged.is_ok(), good, "{must:?} {reply:?}: {judged:?}");
        }
    }
}
