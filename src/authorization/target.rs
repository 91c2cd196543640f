//! Where an answer may go (RFC 6749 sections 3.1.2 and 4.1.2.1, RFC 9207 section 2): to a redirection URI of
//! the client that is named, and nowhere before both are known.

use std::sync::Arc;

use super::Answer;
use crate::client::Registry;
use crate::client::registration::ClientRegistration;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::form::Form;
use crate::oauth::response::ResponseMode;

/// How long `state` may be, in octets: it goes back in a URL.
pub(super) const LONGEST_STATE: usize = 4096;

/// A known client with a redirection URI of its own.
#[derive(Clone, Debug)]
pub struct Target {
    client: Arc<ClientRegistration>,
    redirect_uri: String,
    state: Option<String>,
    mode: ResponseMode,
}

impl Target {
    /// Finds client and redirection URI.
    ///
    /// # Errors
    /// Every one belongs on a page of ours, with its status of 400, and never to a redirection URI
    /// (RFC 6749 section 4.1.2.1).
    pub fn of(form: &Form<'_>, clients: &Registry) -> Result<Self, OAuthError> {
        let client_id = form.required("client_id")?;
        let client = clients.find(client_id).ok_or_else(|| {
            refused(
                ErrorCode::InvalidRequest,
                "no client is registered under this client_id",
            )
            .because(format!("no client {:?} is registered", start(client_id)))
        })?;
        if !client.may_use("authorization_code") {
            return Err(refused(
                ErrorCode::UnauthorizedClient,
                "this client signs nobody in: authorization_code is not among its grant_types",
            ));
        }
        let state = form.value("state");
        Ok(Self {
            redirect_uri: redirect_uri(form, client)?,
            client: Arc::clone(client),
            // One that is too long is refused later, and not sent back then.
            state: state
                .filter(|state| state.len() <= LONGEST_STATE)
                .map(str::to_owned),
            mode: mode(form),
        })
    }

    /// The client.
    pub fn client(&self) -> &Arc<ClientRegistration> {
        &self.client
    }

    /// The redirection URI as the request has it, or the only one that is registered.
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// The `state`, which goes back unchanged.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// In which part of the answer the parameters go.
    pub fn mode(&self) -> ResponseMode {
        self.mode
    }

    /// The answer with those parameters, `iss` and `state`.
    pub fn answer(&self, issuer: &str, parameters: &[(&str, &str)]) -> Answer {
        let own = [("iss", Some(issuer)), ("state", self.state())];
        let own = own
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| (name, value)));
        Answer::to(
            &self.redirect_uri,
            self.mode,
            parameters.iter().copied().chain(own),
        )
    }

    /// The answer that tells of an error.
    pub fn refusal(&self, issuer: &str, error: &OAuthError) -> Answer {
        self.answer(
            issuer,
            &[
                ("error", error.code().name()),
                ("error_description", error.description()),
            ],
        )
    }
}

fn refused(code: ErrorCode, description: &'static str) -> OAuthError {
    OAuthError::new(code, description)
}

/// The redirection URI of the request, which must be registered; or the only one that is, which OAuth lets a
/// request leave out and OpenID Connect does not (OpenID Connect Core section 3.1.2.1).
fn redirect_uri(form: &Form<'_>, client: &ClientRegistration) -> Result<String, OAuthError> {
    let registered = client.people().redirect_uris();
    if let Some(asked) = form.value("redirect_uri") {
        return if registered.iter().any(|uri| uri.matches(asked)) {
            Ok(asked.to_owned())
        } else {
            Err(refused(
                ErrorCode::InvalidRequest,
                "this redirect_uri is not registered for the client, character by character",
            )
            .because(format!(
                "the redirect_uri {:?} is not registered for {}",
                start(asked),
                client.client_id()
            )))
        };
    }
    let openid = form
        .value("scope")
        .is_some_and(|scope| scope.split(' ').any(|token| token == "openid"));
    match registered {
        [only] if !openid => Ok(only.as_str().to_owned()),
        _ => Err(refused(
            ErrorCode::InvalidRequest,
            "the parameter redirect_uri is missing",
        )),
    }
}

/// As much of what somebody sent as the log needs.
fn start(text: &str) -> String {
    text.chars().take(256).collect()
}

/// Where even an error goes: as asked, unless that is not known or is the query for what must not be there;
/// then as the response type has it, as far as that can be told.
fn mode(form: &Form<'_>) -> ResponseMode {
    let response_type = form.value("response_type").unwrap_or_default();
    let front = response_type
        .split(' ')
        .any(|word| matches!(word, "id_token" | "token"));
    let default = if front {
        ResponseMode::Fragment
    } else {
        ResponseMode::Query
    };
    match form.value("response_mode").and_then(ResponseMode::named) {
        Some(ResponseMode::Query) | None => default,
        Some(asked) => asked,
    }
}

#[cfg(test)]
mod tests {
    use url::form_urlencoded::byte_serialize;

    use super::*;

    const CLIENTS: &str = r#"[
        {"client_id":"web","client_secret":"s","redirect_uris":["https://app.example/cb?x=1"]},
        {"client_id":"two","client_secret":"s","redirect_uris":["https://two.example/a","https://two.example/b"]},
        {"client_id":"native","token_endpoint_auth_method":"none","redirect_uris":["http://127.0.0.1/cb"]},
        {"client_id":"machine","client_secret":"s"},
        {"client_id":"empty","token_endpoint_auth_method":"none"}
    ]"#;

    const ISSUER: &str = "https://as.example.com/oauth2";

    fn target(query: &str) -> Result<Target, OAuthError> {
        let clients = Registry::read(CLIENTS).expect("registrations");
        Target::of(&Form::parse(query.as_bytes()).expect("a form"), &clients)
    }

    fn location(answer: Answer) -> String {
        match answer {
            Answer::Redirect(location) => location,
            Answer::FormPost { action, fields } => format!("{action} {fields:?}"),
        }
    }

    /// OA-09, OA-10, OA-11: whatever is not registered is sent nowhere.
    #[test]
    fn nothing_is_sent_to_whom_nobody_knows() {
        const GOOD: &str = "https%3A%2F%2Fapp.example%2Fcb%3Fx%3D1";
        for (query, code) in [
            (String::new(), ErrorCode::InvalidRequest),
            (format!("redirect_uri={GOOD}"), ErrorCode::InvalidRequest),
            (
                format!("client_id=&redirect_uri={GOOD}"),
                ErrorCode::InvalidRequest,
            ),
            (
                format!("client_id=nobody&redirect_uri={GOOD}"),
                ErrorCode::InvalidRequest,
            ),
            (
                format!("client_id=machine&redirect_uri={GOOD}"),
                ErrorCode::UnauthorizedClient,
            ),
            (
                format!("client_id=empty&redirect_uri={GOOD}"),
                ErrorCode::InvalidRequest,
            ),
            ("client_id=empty".to_owned(), ErrorCode::InvalidRequest),
            ("client_id=two".to_owned(), ErrorCode::InvalidRequest),
            (
                "client_id=web&scope=email+openid".to_owned(),
                ErrorCode::InvalidRequest,
            ),
            (
                format!("client_id=two&redirect_uri={GOOD}"),
                ErrorCode::InvalidRequest,
            ),
        ] {
            let error = target(&query).expect_err(&query);
            assert_eq!(error.code(), code, "{query}");
            assert_eq!(
                error.code().status(),
                http::StatusCode::BAD_REQUEST,
                "{query}"
            );
        }
        for other in [
            "https://app.example/cb",
            "https://app.example/cb/?x=1",
            "https://app.example/cb?x=1&y=2",
            "https://app.example/CB?x=1",
            "https://APP.example/cb?x=1",
            "https://app.example:443/cb?x=1",
            "https://app.example/%2e/cb?x=1",
            "https://app.example/a/../cb?x=1",
            "https://app.example/..;/cb?x=1",
            "https://app.example\\cb?x=1",
            "https://u@app.example/cb?x=1",
            "https://app.example/cb?x=1#f",
            "//app.example/cb?x=1",
            "/\\app.example/cb?x=1",
            "https://app.example/\tcb?x=1",
        ] {
            let encoded: String = byte_serialize(other.as_bytes()).collect();
            let error = target(&format!("client_id=web&redirect_uri={encoded}"));
            assert_eq!(
                error.err().map(|e| e.code()),
                Some(ErrorCode::InvalidRequest),
                "{other}"
            );
        }
        assert!(target(&format!("client_id=web&redirect_uri={GOOD}")).is_ok());
    }

    #[test]
    fn the_only_one_may_be_left_out_without_openid() {
        let found = target("client_id=web&scope=email").expect("the only one");
        assert_eq!(found.redirect_uri(), "https://app.example/cb?x=1");
    }

    /// BCP-01: a native application gets its answer at the port that it said.
    #[test]
    fn the_port_asked_for_is_the_port_answered_to() {
        let asked = "http%3A%2F%2F127.0.0.1%3A51004%2Fcb";
        let found = target(&format!("client_id=native&redirect_uri={asked}")).expect("loopback");
        assert_eq!(found.redirect_uri(), "http://127.0.0.1:51004/cb");
    }

    /// OC-13, OC-19, ISS-01: errors go where the answer would have gone, with `state` and `iss`.
    #[test]
    fn where_errors_go() {
        const QUERY: &str = "https://app.example/cb?x=1&error=access_denied&error_description=no&iss=https%3A%2F%2Fas.example.com%2Foauth2&state=s";
        const FRAGMENT: &str = "https://app.example/cb?x=1#error=access_denied&error_description=no&iss=https%3A%2F%2Fas.example.com%2Foauth2&state=s";
        const FORM: &str = "https://app.example/cb?x=1 [(\"error\", \"access_denied\"), (\"error_description\", \"no\"), (\"iss\", \"https://as.example.com/oauth2\"), (\"state\", \"s\")]";
        for (parameters, expected) in [
            ("", QUERY),
            ("response_type=code", QUERY),
            ("response_type=nonsense", QUERY),
            ("response_type=code&response_mode=query", QUERY),
            ("response_type=code&response_mode=fragment", FRAGMENT),
            ("response_type=code&response_mode=form_post", FORM),
            ("response_type=code&response_mode=web_message", QUERY),
            ("response_type=code+id_token", FRAGMENT),
            ("response_type=token", FRAGMENT),
            ("response_type=code+id_token&response_mode=query", FRAGMENT),
            ("response_type=code+token&response_mode=form_post", FORM),
            (
                "response_type=code+id_token&response_mode=query.jwt",
                FRAGMENT,
            ),
        ] {
            let found = target(&format!("client_id=web&state=s&{parameters}")).expect(parameters);
            let error = OAuthError::new(ErrorCode::AccessDenied, "no");
            assert_eq!(
                location(found.refusal(ISSUER, &error)),
                expected,
                "{parameters}"
            );
        }
    }

    /// OA-18: 2 KB with every reserved character.
    #[test]
    fn state_comes_back_unchanged() {
        let state = ":/?#[]@!$&'()*+,;=%20 \"<>\\^`{|}~".repeat(62);
        let encoded: String = byte_serialize(state.as_bytes()).collect();
        let found = target(&format!("client_id=web&state={encoded}")).expect("a target");
        let location = location(found.answer(ISSUER, &[("code", "c")]));
        let (_, query) = location.split_once('?').expect("a query");
        let form = Form::parse(query.as_bytes()).expect("a form");
        assert_eq!(form.value("state"), Some(state.as_str()));
        assert_eq!(
            (form.value("code"), form.value("x")),
            (Some("c"), Some("1"))
        );
        assert_eq!(form.value("iss"), Some(ISSUER));
        let none = target("client_id=web&state=").expect("a target");
        assert_eq!(none.state(), None);
        let long = target(&format!(
            "client_id=web&state={}",
            "s".repeat(LONGEST_STATE + 1)
        ));
        assert_eq!(long.expect("a target").state(), None);
    }
}
