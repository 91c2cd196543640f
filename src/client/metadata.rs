//! Client metadata as it is written (RFC 7591 section 2, RFC 8705 section 2): the registered names and
//! certbound's own, read and nothing more.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde_json::Value;

use crate::oauth::listed::{Listing, Wrong};

macro_rules! metadata {
    ($($(#[$doc:meta])* $name:ident: $kind:ty,)*) => {
        /// One registration, member by member. What no member of this version reads is still known
        /// by name, so that a misspelt one is told from one that is merely for later.
        #[derive(Debug, Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Metadata {
            $($(#[$doc])* pub $name: Option<$kind>,)*
        }

        /// Every member that a registration may have.
        pub const MEMBERS: &[&str] = &[$(stringify!($name)),*];
    };
}

metadata! {
    /// RFC 7591 section 3.2.1.
    client_id: String,
    /// RFC 7591 section 2: for people.
    client_name: String,
    /// RFC 7591 section 2, RFC 8705 section 2.
    token_endpoint_auth_method: String,
    /// OpenID Connect Registration section 2: the one algorithm of `private_key_jwt`.
    token_endpoint_auth_signing_alg: String,
    /// In the clear; `client_secret_sha256` is the better one.
    client_secret: String,
    /// SHA-256 of the secret in hexadecimal.
    client_secret_sha256: String,
    /// RFC 8705 section 2.1.2.
    tls_client_auth_subject_dn: String,
    /// RFC 8705 section 2.1.2.
    tls_client_auth_san_dns: String,
    /// RFC 8705 section 2.1.2.
    tls_client_auth_san_uri: String,
    /// RFC 8705 section 2.1.2.
    tls_client_auth_san_ip: String,
    /// RFC 8705 section 2.1.2.
    tls_client_auth_san_email: String,
    /// Further selectors, any of which also matches.
    tls_client_auth_alternatives: Vec<Alternative>,
    /// This client's own certificate authorities: PEM, as one text or several.
    tls_client_auth_trust_anchors: OneOrMany,
    /// RFC 7591 section 2.
    jwks: Value,
    /// RFC 7591 section 2.
    jwks_uri: String,
    /// RFC 8705 section 3.4.
    tls_client_certificate_bound_access_tokens: bool,
    /// RFC 9449 section 5.2.
    dpop_bound_access_tokens: bool,
    /// RFC 7591 section 2.
    grant_types: Vec<String>,
    /// RFC 7591 section 2.
    response_types: Vec<String>,
    /// RFC 7591 section 2.
    redirect_uris: Vec<String>,
    /// OpenID Connect RP-Initiated Logout section 3.1.
    post_logout_redirect_uris: Vec<String>,
    /// RFC 7591 section 2.
    scope: String,
    /// `jwt` or `opaque`.
    access_token_format: String,
    /// What the client's tokens are for.
    audience: OneOrMany,
    /// What the client is, as a resource server.
    resource: OneOrMany,
    /// May introspect any token.
    introspect_any: bool,
    /// RFC 9701 section 6.
    introspection_signed_response_alg: String,
    /// OpenID Connect Registration section 2.
    id_token_signed_response_alg: String,
    /// OpenID Connect Registration section 2.
    id_token_encrypted_response_alg: String,
    /// OpenID Connect Registration section 2.
    id_token_encrypted_response_enc: String,
    /// OpenID Connect Registration section 2.
    userinfo_signed_response_alg: String,
    /// OpenID Connect Registration section 2.
    userinfo_encrypted_response_alg: String,
    /// OpenID Connect Registration section 2.
    userinfo_encrypted_response_enc: String,
    /// OpenID Connect Registration section 2.
    default_max_age: u64,
    /// OpenID Connect Registration section 2.
    default_acr_values: Vec<String>,
    /// RFC 9126 section 6.
    require_pushed_authorization_requests: bool,
    /// `certificate`, `key` or `client`.
    refresh_token_binding: String,
    /// `always` or `never`.
    refresh_token_rotation: String,
    /// `required`, `optional`, `S256`, `plain`, or empty.
    pkce: String,
    /// From acr to level of authentication.
    acr_loa_map: std::collections::BTreeMap<String, u32>,
    /// `false` for first-party clients.
    consent: bool,
    /// Who may exchange which tokens.
    token_exchange: Value,
    /// OpenID Connect Back-Channel Logout section 2.2.
    backchannel_logout_uri: String,
    /// OpenID Connect Back-Channel Logout section 2.2.
    backchannel_logout_session_required: bool,
    /// OpenID Connect Registration section 2.
    application_type: String,
    /// OpenID Connect Registration section 2.
    subject_type: String,
    /// OpenID Connect Registration section 2.
    initiate_login_uri: String,
    /// RFC 7591 section 2: for people.
    client_uri: String,
    /// RFC 7591 section 2: for people.
    logo_uri: String,
    /// RFC 7591 section 2: for people.
    contacts: Vec<String>,
    /// RFC 7591 section 2: for people.
    tos_uri: String,
    /// RFC 7591 section 2: for people.
    policy_uri: String,
    /// RFC 7591 section 2.
    software_id: String,
    /// RFC 7591 section 2.
    software_version: String,
    /// RFC 7591 section 3.2.1.
    client_id_issued_at: u64,
    /// RFC 7591 section 3.2.1: 0 for a secret that does not expire.
    client_secret_expires_at: u64,
}

/// A further selector of `tls_client_auth`, for a renewal under another name.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alternative {
    /// As the member of the registration itself.
    pub tls_client_auth_subject_dn: Option<String>,
    /// As the member of the registration itself.
    pub tls_client_auth_san_dns: Option<String>,
    /// As the member of the registration itself.
    pub tls_client_auth_san_uri: Option<String>,
    /// As the member of the registration itself.
    pub tls_client_auth_san_ip: Option<String>,
    /// As the member of the registration itself.
    pub tls_client_auth_san_email: Option<String>,
    /// RFC 3339; before it the selector matches nothing.
    pub not_before: Option<String>,
    /// RFC 3339; after it the selector matches nothing.
    pub not_after: Option<String>,
}

/// A list, or one string that stands for a list of one.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// A list of one.
    One(String),
    /// A list.
    Many(Vec<String>),
}

impl OneOrMany {
    /// The list, as it stands.
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }

    /// The list.
    pub fn into_list(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

/// What is wrong with a registration, where, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line of the file on which the registration (or the fault itself) stands; 1 is the first.
    pub line: usize,
    /// The client, where it could be read.
    pub client: Option<String>,
    /// The member.
    pub member: Option<String>,
    /// What is wrong and what to write instead.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(client) = &self.client {
            write!(f, ": client {client:?}")?;
        }
        if let Some(member) = &self.member {
            write!(f, ": {member}")?;
        }
        write!(f, ": {}", self.text)
    }
}

/// What a `clients.json` holds.
const REGISTRATIONS: Listing<Metadata> = Listing {
    plural: "registrations",
    named_by: "client_id",
    members: MEMBERS,
    strange: "take it out (RFC 7591 names and those of the README are known)",
    read_as: PhantomData,
};

/// Reads a `clients.json`: an array of objects. Every registration that cannot be read is a problem of
/// its own; the others are handed over one by one, with the line on which they start.
pub fn read(text: &str, take: impl FnMut(usize, Metadata)) -> Vec<Problem> {
    let wrong = REGISTRATIONS.read(text, take);
    let problem = |wrong: Wrong| Problem {
        line: wrong.line,
        client: wrong.named,
        member: wrong.member,
        text: wrong.text,
    };
    wrong.into_iter().map(problem).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<(usize, Metadata)>, Vec<Problem>) {
        let mut read = Vec::new();
        let problems = super::read(text, |line, metadata| read.push((line, metadata)));
        (read, problems)
    }

    #[test]
    fn problems_name_line_client_and_nearest_member() {
        let text =
            "[\n {\"client_id\": \"a\"},\n {\n  \"client_id\": \"b\",\n  \"scpoe\": \"x\"\n }\n]";
        let (read, problems) = read(text);
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].0, 2);
        assert_eq!(
            problems[0].to_string(),
            "line 5: client \"b\": scpoe: there is no such member; did you mean scope?"
        );
    }

    #[test]
    fn a_member_of_the_wrong_type_is_named() {
        for (member, wrong) in [("scope", "5"), ("grant_types", "\"x\""), ("jwks_uri", "[]")] {
            let text = format!("[{{\"client_id\": \"a\", \"{member}\": {wrong}}}]");
            let (_, problems) = read(&text);
            assert_eq!(problems[0].member.as_deref(), Some(member));
        }
    }

    #[test]
    fn files_that_are_no_lists() {
        for (text, says) in [
            ("", "not JSON"),
            ("{}", "JSON array"),
            ("[{]", "not JSON"),
            ("[{\"client_id\": 1}]", "invalid type"),
            (
                "[{\"client_id\": \"a\", \"client_id\": \"b\"}]",
                "duplicate",
            ),
        ] {
            let (_, problems) = read(text);
            assert_eq!(problems.len(), 1, "{text}");
            assert!(
                problems[0].text.contains(says),
                "{text}: {}",
                problems[0].text
            );
        }
    }

    #[test]
    fn values_of_the_wrong_type_are_not_quoted() {
        for (member, says) in [
            (
                "\"client_secret\": 848484",
                "invalid type: integer, expected a string",
            ),
            (
                "\"client_secret\": 84.8484",
                "invalid type: floating point, expected a string",
            ),
            (
                "\"default_max_age\": \"848484, expected\\\"848484\"",
                "invalid type: string, expected u64",
            ),
            (
                "\"default_max_age\": -848484",
                "invalid value: integer, expected u64",
            ),
        ] {
            let (_, problems) = read(&format!("[{{\"client_id\": \"a\", {member}}}]"));
            assert_eq!(problems[0].text, says, "{member}");
        }
    }

    #[test]
    fn audience_may_be_one_string() {
        let (read, _) = read(r#"[{"client_id":"a","audience":"x","resource":["y","z"]}]"#);
        let (_, metadata) = read.into_iter().next().expect("one");
        assert_eq!(metadata.audience.expect("there").into_list(), ["x"]);
        assert_eq!(metadata.resource.expect("there").into_list(), ["y", "z"]);
    }
}
