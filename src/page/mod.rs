//! What people see: HTML from templates, escaped, in their language.
//!
//! A page is a value of [`Page`]; [`Pages::render`] makes HTML of it with the built-in templates or with
//! those of the operator's folder. No page needs script; the one script there is ([`Pages::SCRIPT`])
//! submits the page of `response_mode=form_post` by itself.

mod english;
mod error;
mod facts;
mod german;
mod language;
mod plain;
mod render;
pub mod samples;
mod templates;
mod texts;
mod view;

use serde_json::Value;

pub use error::PageError;
pub use language::Language;
pub use render::{Pages, Rendered};

/// What is the same on whatever page is shown.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The language of the page.
    pub language: Language,
    /// The path under which the pages' files are served: `{base}/pages/style.css`, `{base}/pages/submit.js`.
    pub base: &'a str,
    /// The name of the request in the log, shown on error pages; empty where there is none.
    pub request: &'a str,
}

/// Where a page's forms go, each by POST.
#[derive(Clone, Copy, Debug)]
pub struct Form<'a> {
    /// The URL or path that they are posted to.
    pub action: &'a str,
    /// The sealed request that goes with them as the hidden field `interaction`.
    pub interaction: &'a str,
}

/// A client as people are told of it. All of it is the client's own text, and may be hostile.
#[derive(Clone, Copy, Debug)]
pub struct ClientShown<'a> {
    /// `client_id`.
    pub id: &'a str,
    /// `client_name`.
    pub name: Option<&'a str>,
    /// `client_uri`: where the client is at home.
    pub uri: Option<&'a str>,
    /// `logo_uri`: for operators' templates; the built-in ones load nothing from elsewhere.
    pub logo: Option<&'a str>,
    /// `policy_uri`.
    pub policy: Option<&'a str>,
    /// `tos_uri`.
    pub tos: Option<&'a str>,
}

/// A page, with all that is on it.
#[derive(Clone, Copy, Debug)]
pub enum Page<'a> {
    /// Who are you? Steps: `session`, `certificate`, `header`, `password` (with the fields `username` and
    /// `password`), `cancel`.
    Login {
        /// Where the forms go.
        form: Form<'a>,
        /// Who asks.
        client: ClientShown<'a>,
        /// What to write into the field for the user name at first.
        username: Option<&'a str>,
        /// Whether passwords are taken.
        password: bool,
        /// The user that the forwarded certificate stands for.
        certificate: Option<&'a str>,
        /// The user that the web server names.
        header: Option<&'a str>,
        /// The user who is signed in already and may go on.
        session: Option<&'a str>,
        /// What was wrong with the attempt before.
        problem: Option<LoginProblem>,
        /// Whether the user is signed in, but not well enough for what is asked.
        step_up: bool,
    },
    /// The code of the second factor. Steps: `totp` (with the field `code`), `cancel`.
    SecondFactor {
        /// Where the forms go.
        form: Form<'a>,
        /// Who asks.
        client: ClientShown<'a>,
        /// Whose code it is.
        username: &'a str,
        /// What was wrong with the attempt before.
        problem: Option<LoginProblem>,
    },
    /// May this client have that? Steps: `allow`, `deny`.
    Consent {
        /// Where the forms go.
        form: Form<'a>,
        /// Who asks.
        client: ClientShown<'a>,
        /// Who is asked.
        username: &'a str,
        /// What it asks for.
        scopes: &'a [&'a str],
        /// Where (RFC 8707).
        resources: &'a [&'a str],
        /// Single claims that it asks for (OpenID Connect Core section 5.5).
        claims: &'a [&'a str],
    },
    /// Do you want to sign out? Steps: `logout`, `stay`.
    ConfirmLogout {
        /// Where the forms go.
        form: Form<'a>,
        /// Who asks, where that is known.
        client: Option<ClientShown<'a>>,
        /// Who is signed in, where that is known.
        username: Option<&'a str>,
        /// Whether the user will not be sent back, because the address is not registered.
        return_refused: bool,
    },
    /// Signed out, or asked and stayed.
    LoggedOut {
        /// Who asked for it, where that is known.
        client: Option<ClientShown<'a>>,
        /// Whether the user is still signed in.
        stayed: bool,
    },
    /// It cannot go on.
    Error {
        /// What kind of trouble it is.
        problem: Problem,
        /// What exactly, in English; may be empty.
        description: &'a str,
    },
    /// The answer to the client as a form that posts itself (OAuth 2.0 Form Post Response Mode).
    FormPost {
        /// The client's redirect URI.
        action: &'a str,
        /// The parameters of the answer.
        fields: &'a [(String, String)],
    },
    /// What the web server forwarded, as the endpoint `whoami` tells it.
    WhoAmI {
        /// The facts.
        seen: &'a Value,
    },
}

/// Why an attempt to sign in led nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginProblem {
    /// User name and password do not belong together.
    WrongPassword,
    /// The code is wrong, or was used.
    WrongCode,
    /// There were too many attempts.
    Wait {
        /// How long to wait.
        seconds: u64,
    },
    /// What the browser showed belongs to no user.
    NotMapped,
}

/// What kind of trouble an error page tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The request itself is wrong.
    BadRequest,
    /// A form that is not from here, or is too old.
    Forbidden,
    /// Something is away for the moment.
    Unavailable,
    /// Not allowed.
    Refused,
    /// A fault on this side.
    Failed,
}

#[cfg(test)]
mod tests;
