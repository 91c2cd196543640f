//! Whether an answer is what the story says that it must be.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value as Json;

use super::ask::To;
use super::client::{Client, Reply};
use super::story::{CALLBACK, Must};

/// What went as it must, or what did not.
pub(super) fn judge(must: Must, reply: &Reply, client: &Client<'_>) -> Result<String, String> {
    let status = match must {
        Must::Refuse(status, _) => status,
        Must::Stop => 401,
        Must::SendBack => 303,
        _ => 200,
    };
    if reply.status != status {
        return Err(format!("the status must be {status}"));
    }
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
            let sha256 = bound(
                client,
                name,
                claims.as_ref().and_then(|claims| claims.get("cnf")),
            )?;
            Ok(format!(
                "bound to {name}.crt, whose SHA-256 is {sha256}; the token is kept in {keep}"
            ))
        }
        Must::BeActive(name) => {
            if reply.body["active"] != true {
                return Err("the token must be active".into());
            }
            let sha256 = bound(client, name, reply.body.get("cnf"))?;
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
        Must::SendBack => sent_back(reply, client),
        Must::Grant {
            user,
            bound_to,
            with,
        } => granted(user, bound_to, with, reply, client),
        Must::Name(user) if reply.body["sub"] == user => Ok(format!("it is {user}")),
        Must::Name(user) => Err(format!("it must be {user}")),
        Must::SignOut => Ok("signed out".into()),
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

/// The app gets a code, and learns whose it is.
fn sent_back(reply: &Reply, client: &Client<'_>) -> Result<String, String> {
    let (to, query) = reply.sent_back().ok_or("there must be a Location")?;
    let said = |name: &str| query.iter().find(|(said, _)| said == name);
    if to != CALLBACK || said("code").is_none() {
        return Err(format!("it must be {CALLBACK}, with a code"));
    }
    if said("iss").map(|(_, issuer)| issuer) != Some(&client.base(To::Front)) {
        return Err("iss must be the server that was asked".into());
    }
    Ok("sent back to the app, with a code and with the name of this server".into())
}

/// Every token is there, for that user, and the access token is bound.
fn granted(
    user: &str,
    bound_to: &str,
    with: &[&str],
    reply: &Reply,
    client: &Client<'_>,
) -> Result<String, String> {
    let claims = claims(reply).ok_or("there must be an access_token, a JWT")?;
    if claims["sub"] != user {
        return Err(format!("the access token must be for {user}"));
    }
    let sha256 = bound(client, bound_to, claims.get("cnf"))?;
    for name in with {
        if reply.body[name].as_str().is_none_or(str::is_empty) {
            return Err(format!("there must be one more token, {name}"));
        }
    }
    let about_another = match payload(reply, "id_token") {
        Some(said) => said["sub"] != user,
        None => with.contains(&"id_token"),
    };
    if about_another {
        return Err(format!("the ID token must be about {user}"));
    }
    Ok(format!(
        "for {user}, and bound to {bound_to}.crt, whose SHA-256 is {sha256}"
    ))
}

/// The SHA-256 of that certificate, where the confirmation states it.
fn bound(client: &Client<'_>, to: &str, cnf: Option<&Json>) -> Result<String, String> {
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
}

/// What the access token says, where it is a JWT.
pub(super) fn claims(reply: &Reply) -> Option<Json> {
    payload(reply, "access_token")
}

/// What that token says, where it is a JWT.
fn payload(reply: &Reply, token: &str) -> Option<Json> {
    let token = reply.body.get(token)?.as_str()?;
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&payload).ok()
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use serde_json::json;

    use super::*;
    use crate::cli::demo::ask::Kept;
    use crate::cli::demo::folder::Folder;
    use crate::cli::demo::pki::Pki;
    use crate::oauth::time::Timestamp;

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
        let grant = Must::Grant {
            user: "alice",
            bound_to: "client-a",
            with: &["refresh_token", "id_token"],
        };
        let granted = |sub: &str, cnf: &Json, others: Json| {
            let mut body = jwt(json!({ "sub": sub, "cnf": cnf }));
            for (name, token) in others.as_object().expect("members") {
                body[name] = token.clone();
            }
            body
        };
        let about = |sub: &str| {
            let said = jwt(json!({ "sub": sub }));
            json!({ "refresh_token": "x", "id_token": said["access_token"] })
        };
        let (alice, bob) = (about("alice"), about("bob"));
        let refreshed = json!({ "refresh_token": "x" });
        let nobody = json!({ "refresh_token": "x", "id_token": "opaque" });
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
            (grant, 200, granted("alice", &mine, alice.clone()), true),
            (grant, 200, granted("alice", &other, alice.clone()), false),
            (grant, 200, granted("bob", &mine, alice), false),
            (grant, 200, granted("alice", &mine, bob), false),
            (grant, 200, granted("alice", &mine, refreshed), false),
            (grant, 200, granted("alice", &mine, nobody), false),
            (grant, 200, json!({}), false),
            (Must::Name("alice"), 200, json!({ "sub": "alice" }), true),
            (Must::Name("alice"), 200, json!({ "sub": "bob" }), false),
            (Must::Name("alice"), 401, json!({ "sub": "alice" }), false),
            (Must::SignOut, 200, json!({}), true),
            (Must::SignOut, 303, json!({}), false),
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
                location: None,
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
                location: None,
            };
            let judged = judge(must, &reply, &client);
            assert_eq!(judged.is_ok(), good, "{must:?} {reply:?}: {judged:?}");
        }
        let back = "https://app.example.com/callback";
        let here = "iss=https%3A%2F%2Flocalhost%3A1";
        for (status, location, good) in [
            (303, Some(format!("{back}?code=x&{here}")), true),
            (302, Some(format!("{back}?code=x&{here}")), false),
            (303, Some(format!("{back}?code=x")), false),
            (
                303,
                Some(format!("{back}?error=access_denied&{here}")),
                false,
            ),
            (
                303,
                Some(format!("https://elsewhere.example.com/?code=x&{here}")),
                false,
            ),
            (303, None, false),
        ] {
            let reply = Reply {
                status: StatusCode::from_u16(status).expect("a status"),
                body: Json::Null,
                subject: None,
                challenge: None,
                location,
            };
            let judged = judge(Must::SendBack, &reply, &client);
            assert_eq!(judged.is_ok(), good, "{reply:?}: {judged:?}");
            assert!(!good || reply.kept(Kept::Code).is_some_and(|code| code == "x"));
        }
    }
}
