//! The `claims` parameter (OpenID Connect Core section 5.5): which claims are asked for by name, an acr that
//! the request cannot do without, and the one user that it is about.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::AcrRequest;
use crate::key::json;
use crate::oauth::error::{ErrorCode, OAuthError};

/// How long the parameter may be, in octets.
const LONGEST: usize = 8 * 1024;
/// How many claims it may name in each of its two parts, and values in each of those.
const MOST: usize = 64;
/// How long a name or a value that is read may be, in octets.
const LONGEST_TEXT: usize = 256;

/// The claims asked for by name. Those that this server does not know are asked for in vain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimsRequest {
    /// For the ID token.
    pub id_token: Vec<String>,
    /// For userinfo.
    pub userinfo: Vec<String>,
    /// `sub` of the only user that the answer may be about (section 5.5.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

impl ClaimsRequest {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.id_token.is_empty() && self.userinfo.is_empty()
    }

    /// Reads the parameter: the claims, and the acr that is asked for among them.
    pub(super) fn read(text: Option<&str>) -> Result<(Self, AcrRequest), OAuthError> {
        let Some(text) = text else {
            return Ok((Self::default(), AcrRequest::default()));
        };
        if text.len() > LONGEST {
            return Err(wrong("claims has more than 8192 octets"));
        }
        let members = json::object(text.as_bytes())
            .ok_or_else(|| wrong("claims is not a JSON object, or names a member twice"))?;
        let id_token = part(&members, "id_token")?;
        let userinfo = part(&members, "userinfo")?;
        let mut read = Self {
            id_token: names(id_token)?,
            userinfo: names(userinfo)?,
            subject: None,
        };
        for sub in [id_token, userinfo].into_iter().flatten() {
            match asked(sub.get("sub"))? {
                (_, values) if values.is_empty() => {}
                (_, values) => match (values.as_slice(), &read.subject) {
                    ([one], None) => read.subject = Some(one.clone()),
                    ([one], Some(other)) if one == other => {}
                    _ => return Err(wrong("claims asks for more than one sub")),
                },
            }
        }
        let (essential, values) = asked(id_token.and_then(|members| members.get("acr")))?;
        // An acr that must be there and may be any is there in every ID token.
        let essential = essential && !values.is_empty();
        Ok((read, AcrRequest { essential, values }))
    }
}

fn wrong(text: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequest, text)
}

fn part<'a>(
    members: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<&'a Map<String, Value>>, OAuthError> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::Object(part)) if part.len() <= MOST => Ok(Some(part)),
        Some(Value::Object(_)) => Err(wrong("claims names more than 64 claims")),
        Some(_) => Err(wrong("id_token and userinfo in claims are objects")),
    }
}

/// The names, each with a request that has the right form.
fn names(part: Option<&Map<String, Value>>) -> Result<Vec<String>, OAuthError> {
    let mut names = Vec::new();
    for (name, request) in part.into_iter().flatten() {
        let good = match request {
            Value::Null => true,
            Value::Object(request) => {
                request.get("essential").is_none_or(Value::is_boolean)
                    && request.get("values").is_none_or(Value::is_array)
            }
            _ => false,
        };
        if !good {
            return Err(wrong(
                "each claim in claims is null, or an object with essential, value or values",
            ));
        }
        if name.is_empty() || name.len() > LONGEST_TEXT {
            return Err(wrong("a name in claims has no or more than 256 octets"));
        }
        names.push(name.clone());
    }
    Ok(names)
}

/// Whether a claim is essential, and which texts it may have: all where there are none.
fn asked(request: Option<&Value>) -> Result<(bool, Vec<String>), OAuthError> {
    let Some(Value::Object(request)) = request else {
        return Ok((false, Vec::new()));
    };
    let essential = request.get("essential").and_then(Value::as_bool);
    let values: Vec<&Value> = match (request.get("value"), request.get("values")) {
        (None, None) => Vec::new(),
        (Some(value), None) => vec![value],
        (None, Some(Value::Array(values))) if (1..=MOST).contains(&values.len()) => {
            values.iter().collect()
        }
        _ => {
            return Err(wrong(
                "acr and sub in claims have value, or values with 1 to 64",
            ));
        }
    };
    let texts = values.iter().map(|value| {
        value
            .as_str()
            .filter(|text| (1..=LONGEST_TEXT).contains(&text.len()))
            .map(str::to_owned)
    });
    let texts = texts.collect::<Option<Vec<_>>>();
    let texts = texts.ok_or_else(|| wrong("acr and sub in claims are strings"))?;
    Ok((essential.unwrap_or(false), texts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(ClaimsRequest, AcrRequest), OAuthError> {
        ClaimsRequest::read(Some(text))
    }

    #[test]
    fn names_are_read_and_the_rest_ignored() {
        let (claims, acr) = read(
            r#"{"userinfo":{"email":null,"name":{"essential":true,"future":1}},"id_token":{"auth_time":{"essential":true}},"other":5}"#,
        )
        .expect("good");
        assert_eq!(claims.id_token, ["auth_time"]);
        let mut userinfo = claims.userinfo.clone();
        userinfo.sort();
        assert_eq!(userinfo, ["email", "name"]);
        assert_eq!(acr, AcrRequest::default());
        let (empty, _) = read("{}").expect("good");
        assert!(empty.is_empty());
        assert_eq!(ClaimsRequest::read(None).expect("good").0, empty);
    }

    /// OC-08.
    #[test]
    fn acr() {
        for (request, essential, values) in [
            ("null", false, &[][..]),
            (r#"{"value":"gold"}"#, false, &["gold"]),
            (r#"{"essential":true,"value":"gold"}"#, true, &["gold"]),
            (
                r#"{"essential":true,"values":["gold","silver"]}"#,
                true,
                &["gold", "silver"],
            ),
            (r#"{"essential":false,"values":["gold"]}"#, false, &["gold"]),
            (r#"{"essential":true}"#, false, &[]),
        ] {
            let (_, acr) = read(&format!(r#"{{"id_token":{{"acr":{request}}}}}"#)).expect(request);
            assert_eq!(
                (acr.essential, acr.values.as_slice()),
                (
                    essential,
                    &values.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>()[..]
                ),
                "{request}"
            );
        }
        // Userinfo tells nothing of how somebody signed in.
        let (_, acr) =
            read(r#"{"userinfo":{"acr":{"essential":true,"value":"gold"}}}"#).expect("good");
        assert_eq!(acr, AcrRequest::default());
    }

    #[test]
    fn one_subject() {
        let (claims, _) = read(r#"{"id_token":{"sub":{"value":"248289"}}}"#).expect("good");
        assert_eq!(claims.subject.as_deref(), Some("248289"));
        assert!(
            read(r#"{"id_token":{"sub":{"value":"a"}},"userinfo":{"sub":{"value":"b"}}}"#).is_err()
        );
        let text = serde_json::to_string(&claims).expect("JSON");
        assert_eq!(
            serde_json::from_str::<ClaimsRequest>(&text).expect("the same"),
            claims
        );
    }

    #[test]
    fn what_is_refused() {
        let deep = format!("{{\"id_token\":{}", "[".repeat(4000));
        let many = (0..65)
            .map(|n| format!("\"c{n}\":null"))
            .collect::<Vec<_>>()
            .join(",");
        let many = format!("{{\"userinfo\":{{{many}}}}}");
        let long = format!("{{\"x\":\"{}\"}}", "a".repeat(LONGEST));
        let name = format!("{{\"userinfo\":{{\"{}\":null}}}}", "a".repeat(257));
        for text in [
            "",
            "null",
            "[]",
            "\"x\"",
            "{",
            "{} {}",
            r#"{"id_token":null}"#,
            r#"{"id_token":[]}"#,
            r#"{"id_token":{},"id_token":{}}"#,
            r#"{"id_token":{"acr":"gold"}}"#,
            r#"{"id_token":{"email":true}}"#,
            r#"{"id_token":{"email":{"essential":"true"}}}"#,
            r#"{"id_token":{"email":{"values":"x"}}}"#,
            r#"{"id_token":{"acr":{"value":2}}}"#,
            r#"{"id_token":{"acr":{"value":null}}}"#,
            r#"{"id_token":{"acr":{"values":[]}}}"#,
            r#"{"id_token":{"acr":{"values":["gold",2]}}}"#,
            r#"{"id_token":{"acr":{"value":"gold","values":["gold"]}}}"#,
            r#"{"id_token":{"":null}}"#,
            &deep,
            &many,
            &long,
            &name,
        ] {
            let found = read(text).map_err(|error| error.code());
            assert_eq!(
                found,
                Err(ErrorCode::InvalidRequest),
                "{}",
                &text[..text.len().min(80)]
            );
        }
    }
}
