//! From a page to the variables of its template: every name is there on every page, so that a layout may
//! ask for any of them.

use serde::Serialize;

use super::facts::{self, Facts};
use super::plain;
use super::texts::Texts;
use super::{ClientShown, LoginProblem, Page, Problem, Shown};

/// How many characters of a name are shown.
const NAME: usize = 80;
/// How many characters of an identifier, an address or a scope are shown.
const IDENTIFIER: usize = 200;
/// How many characters of an explanation are shown.
const EXPLANATION: usize = 600;
/// The longest user name that a field is filled with at first.
const FILLED_IN: usize = 256;

/// The variables. PAGES.md names them for operators.
#[derive(Debug, Serialize)]
pub(super) struct View<'a> {
    t: &'static Texts,
    lang: &'static str,
    page: &'static str,
    title: String,
    heading: String,
    hint: Option<&'static str>,
    description: Option<String>,
    request: Option<String>,
    stylesheet: String,
    script: String,
    form: Option<FormView<'a>>,
    client: Option<ClientView<'a>>,
    username: Option<String>,
    password: bool,
    certificate: Option<String>,
    header: Option<String>,
    session: Option<String>,
    step_up: bool,
    problem: Option<ProblemView>,
    scopes: Vec<Named>,
    resources: Vec<String>,
    claims: Vec<Named>,
    return_refused: bool,
    action: &'a str,
    fields: &'a [(String, String)],
    facts: Option<Facts>,
}

#[derive(Debug, Serialize)]
struct FormView<'a> {
    action: &'a str,
    interaction: &'a str,
}

#[derive(Debug, Serialize)]
struct ClientView<'a> {
    id: String,
    name: Option<String>,
    label: String,
    host: Option<String>,
    uri: Option<&'a str>,
    logo: Option<&'a str>,
    policy: Option<&'a str>,
    tos: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct ProblemView {
    kind: &'static str,
    text: String,
}

/// A name of the specifications or of others, and what it means where that is known.
#[derive(Debug, Serialize)]
struct Named {
    name: String,
    text: Option<&'static str>,
}

impl<'a> View<'a> {
    /// The variables of that page. `version` goes to the addresses of its files, so that browsers may
    /// keep them.
    pub(super) fn of(page: &Page<'a>, shown: &Shown<'_>, version: &str) -> Self {
        let t = Texts::of(shown.language);
        let address = |file: &str| format!("{}/pages/{file}?v={version}", shown.base);
        let view = Self {
            t,
            lang: shown.language.tag(),
            page: name(page),
            title: String::new(),
            heading: String::new(),
            hint: None,
            description: None,
            request: None,
            stylesheet: address("style.css"),
            script: address("submit.js"),
            form: None,
            client: None,
            username: None,
            password: false,
            certificate: None,
            header: None,
            session: None,
            step_up: false,
            problem: None,
            scopes: Vec::new(),
            resources: Vec::new(),
            claims: Vec::new(),
            return_refused: false,
            action: "",
            fields: &[],
            facts: None,
        };
        view.with(page, shown.request)
    }

    #[expect(clippy::too_many_lines, reason = "an arm for each page")]
    fn with(self, page: &Page<'a>, request: &str) -> Self {
        let t = self.t;
        match *page {
            Page::Login {
                form,
                client,
                username,
                password,
                certificate,
                header,
                session,
                problem,
                step_up,
            } => {
                let others =
                    password || header.is_some() || session.is_some() || certificate.is_some();
                Self {
                    form: Some(form.into()),
                    client: Some(client.into()),
                    username: username
                        .filter(|name| name.chars().count() <= FILLED_IN)
                        .and_then(|name| plain::some_line(Some(name), FILLED_IN)),
                    password,
                    certificate: plain::some_line(certificate, NAME),
                    header: plain::some_line(header, NAME),
                    session: plain::some_line(session, NAME),
                    step_up,
                    problem: problem.map(|problem| ProblemView::of(problem, others, t)),
                    ..self
                }
                .headed(if step_up { t.step_up } else { t.sign_in })
            }

            Page::SecondFactor {
                form,
                client,
                username,
                problem,
            } => Self {
                form: Some(form.into()),
                client: Some(client.into()),
                username: plain::some_line(Some(username), NAME),
                problem: problem.map(|problem| ProblemView::of(problem, true, t)),
                ..self
            }
            .headed(t.code_title),
            Page::Consent {
                form,
                client,
                username,
                scopes,
                resources,
                claims,
            } => Self {
                form: Some(form.into()),
                client: Some(client.into()),
                username: plain::some_line(Some(username), NAME),
                scopes: named(scopes, |name| t.scopes.of(name)),
                resources: lines(resources),
                claims: named(claims, |name| t.claims.of(name)),
                ..self
            }
            .headed(t.consent_title),
            Page::ConfirmLogout {
                form,
                client,
                username,
                return_refused,
            } => Self {
                form: Some(form.into()),
                client: client.map(ClientView::from),
                username: plain::some_line(username, NAME),
                return_refused,
                ..self
            }
            .headed(t.logout_title),
            Page::LoggedOut { client, stayed } => Self {
                client: client.map(ClientView::from),
                ..self
            }
            .headed(if stayed {
                t.still_signed_in
            } else {
                t.logged_out
            }),
            Page::Error {
                problem,
                description,
            } => {
                let (heading, hint) = told(problem, t);
                Self {
                    hint: Some(hint),
                    description: plain::some_line(Some(description), EXPLANATION),
                    request: plain::some_line(Some(request), IDENTIFIER),
                    ..self
                }
                .headed(heading)
            }
            Page::FormPost { action, fields } => Self {
                // A registered redirect URI for this mode is one of the web; anything else would run here.
                action: plain::web(action).unwrap_or("about:blank"),
                fields,
                ..self
            }
            .headed(t.form_post),
            Page::WhoAmI { seen } => Self {
                facts: Some(facts::of(seen, &t.whoami)),
                ..self
            }
            .headed(t.whoami.title),
        }
    }

    /// With this heading, and the title that follows from it.
    fn headed(self, heading: &str) -> Self {
        let label = self.client.as_ref().map(|client| client.label.as_str());
        let mut title = match label {
            Some(label) if heading.contains("{}") => heading.replace("{}", label),
            Some(label) => format!("{heading} – {label}"),
            None => heading.to_owned(),
        };
        if self.problem.is_some() {
            title = self.t.error_prefix.replace("{}", &title);
        }
        Self {
            title,
            heading: heading.to_owned(),
            ..self
        }
    }
}

/// The name of the page's template, without its ending.
pub(super) const fn name(page: &Page<'_>) -> &'static str {
    match page {
        Page::Login { .. } => "login",
        Page::SecondFactor { .. } => "second_factor",
        Page::Consent { .. } => "consent",
        Page::ConfirmLogout { .. } => "confirm_logout",
        Page::LoggedOut { .. } => "logged_out",
        Page::Error { .. } => "error",
        Page::FormPost { .. } => "form_post",
        Page::WhoAmI { .. } => "whoami",
    }
}

impl<'a> From<super::Form<'a>> for FormView<'a> {
    fn from(form: super::Form<'a>) -> Self {
        Self {
            action: form.action,
            interaction: form.interaction,
        }
    }
}

impl<'a> From<ClientShown<'a>> for ClientView<'a> {
    fn from(client: ClientShown<'a>) -> Self {
        let id = plain::line(client.id, IDENTIFIER);
        let name = plain::some_line(client.name, NAME);
        Self {
            label: name.clone().unwrap_or_else(|| id.clone()),
            id,
            name,
            host: client.uri.and_then(plain::host),
            uri: client.uri.and_then(plain::web),
            logo: client.logo.and_then(plain::web),
            policy: client.policy.and_then(plain::web),
            tos: client.tos.and_then(plain::web),
        }
    }
}

impl ProblemView {
    /// `others`: whether there is another way to sign in on the page.
    fn of(problem: LoginProblem, others: bool, t: &Texts) -> Self {
        let (kind, text) = match problem {
            LoginProblem::WrongPassword => ("wrong_password", t.wrong_password.to_owned()),
            LoginProblem::WrongCode => ("wrong_code", t.wrong_code.to_owned()),
            LoginProblem::NotMapped if others => ("not_mapped", t.not_mapped.to_owned()),
            LoginProblem::NotMapped => ("not_mapped", t.not_mapped_alone.to_owned()),
            LoginProblem::Wait { seconds } => {
                let wait = match seconds {
                    0 | 1 => t.wait_second.to_owned(),
                    2..=90 => t.wait_seconds.replace("{}", &seconds.to_string()),
                    _ => t
                        .wait_minutes
                        .replace("{}", &seconds.div_ceil(60).to_string()),
                };
                ("wait", t.too_many.replace("{}", &wait))
            }
        };
        Self { kind, text }
    }
}

/// What happened, and what to do.
const fn told(problem: Problem, t: &Texts) -> (&'static str, &'static str) {
    match problem {
        Problem::BadRequest => (t.bad_request, t.bad_request_hint),
        Problem::Forbidden => (t.forbidden, t.forbidden_hint),
        Problem::Unavailable => (t.unavailable, t.unavailable_hint),
        Problem::Refused => (t.refused, t.refused_hint),
        Problem::Failed => (t.failed, t.failed_hint),
    }
}

fn named(names: &[&str], text: impl Fn(&str) -> Option<&'static str>) -> Vec<Named> {
    names
        .iter()
        .map(|name| Named {
            name: plain::line(name, IDENTIFIER),
            text: text(name),
        })
        .collect()
}

fn lines(texts: &[&str]) -> Vec<String> {
    texts
        .iter()
        .map(|text| plain::line(text, IDENTIFIER))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::Language;

    #[test]
    fn waiting_is_told_in_round_numbers() {
        let t = Texts::of(Language::English);
        for (seconds, told) in [
            (0, "1 second."),
            (1, "1 second."),
            (8, "8 seconds."),
            (90, "90 seconds."),
            (91, "2 minutes."),
            (300, "5 minutes."),
            (u64::MAX, "minutes."),
        ] {
            let problem = ProblemView::of(LoginProblem::Wait { seconds }, true, t);
            assert!(problem.text.ends_with(told), "{}", problem.text);
        }
    }
}
