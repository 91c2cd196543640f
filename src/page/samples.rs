//! One page of every kind, in every state that it can be in: what an operator's templates are tried with
//! before they are believed, and what the tests look at.

use serde_json::{Value, json};

use super::{ClientShown, Form, LoginProblem, Page, Problem};

/// What the samples are made of.
#[derive(Debug)]
pub struct Samples {
    fields: Vec<(String, String)>,
    seen: [Value; 3],
}

/// A page, and what is special about it.
#[derive(Debug)]
pub struct Sample<'a> {
    /// Its name, fit for a file.
    pub name: &'static str,
    /// The page.
    pub page: Page<'a>,
}

const FORM: Form<'static> = Form {
    action: "/oauth2/authorize",
    interaction: "c2FtcGxlLW9mLWFuLWludGVyYWN0aW9u",
};

const CLIENT: ClientShown<'static> = ClientShown {
    id: "invoices",
    name: Some("Northwind Invoices"),
    uri: Some("https://invoices.example.com/"),
    logo: Some("https://invoices.example.com/logo.svg"),
    policy: Some("https://invoices.example.com/privacy"),
    tos: Some("https://invoices.example.com/terms"),
};

const NAMELESS: ClientShown<'static> = ClientShown {
    id: "https://a-client-without-a-name.department.example.org/oauth/client/4f0a6c2e",
    name: None,
    uri: None,
    logo: None,
    policy: None,
    tos: None,
};

const LOGIN: Page<'static> = Page::Login {
    form: FORM,
    client: CLIENT,
    username: None,
    password: true,
    certificate: None,
    header: None,
    session: None,
    problem: None,
    step_up: false,
};

impl Default for Samples {
    fn default() -> Self {
        Self::new()
    }
}

impl Samples {
    /// Makes them.
    pub fn new() -> Self {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Self {
            fields: vec![
                field("code", "sample-code"),
                field("state", "sample-state"),
                field("session_state", "sample-session"),
            ],
            seen: [seen(), unverified(), nothing()],
        }
    }

    /// All of them.
    pub fn pages(&self) -> Vec<Sample<'_>> {
        let mut pages = signing_in();
        pages.extend(signed_in());
        pages.extend(errors());
        pages.push(Sample {
            name: "form-post",
            page: Page::FormPost {
                action: "https://invoices.example.com/callback",
                fields: &self.fields,
            },
        });
        let names = ["whoami", "whoami-unverified", "whoami-nothing"];
        pages.extend(
            names
                .into_iter()
                .zip(&self.seen)
                .map(|(name, seen)| Sample {
                    name,
                    page: Page::WhoAmI { seen },
                }),
        );
        pages
    }
}

fn signing_in() -> Vec<Sample<'static>> {
    let login = |name, certificate, session, problem| Sample {
        name,
        page: Page::Login {
            form: FORM,
            client: CLIENT,
            username: Some("alice"),
            password: true,
            certificate,
            header: None,
            session,
            problem,
            step_up: false,
        },
    };
    let wait = LoginProblem::Wait { seconds: 8 };
    let certificate = Some("alice@example.com");
    vec![
        Sample {
            name: "login",
            page: LOGIN,
        },
        login("login-wrong", None, None, Some(LoginProblem::WrongPassword)),
        login("login-wait", None, None, Some(wait)),
        login("login-certificate", certificate, None, None),
        login("login-session", certificate, Some("alice"), None),
        Sample {
            name: "login-not-mapped",
            page: Page::Login {
                form: FORM,
                client: NAMELESS,
                username: None,
                password: false,
                certificate: None,
                header: None,
                session: None,
                problem: Some(LoginProblem::NotMapped),
                step_up: false,
            },
        },
        Sample {
            name: "login-no-way",
            page: Page::Login {
                form: FORM,
                client: CLIENT,
                username: None,
                password: false,
                certificate: None,
                header: None,
                session: None,
                problem: None,
                step_up: false,
            },
        },
        Sample {
            name: "login-step-up",
            page: Page::Login {
                form: FORM,
                client: CLIENT,
                username: Some("alice"),
                password: true,
                certificate: None,
                header: Some("alice"),
                session: None,
                problem: None,
                step_up: true,
            },
        },
        Sample {
            name: "second-factor",
            page: Page::SecondFactor {
                form: FORM,
                client: CLIENT,
                username: "alice",
                problem: None,
            },
        },
        Sample {
            name: "second-factor-wrong",
            page: Page::SecondFactor {
                form: FORM,
                client: CLIENT,
                username: "alice",
                problem: Some(LoginProblem::WrongCode),
            },
        },
    ]
}

fn signed_in() -> Vec<Sample<'static>> {
    vec![
        Sample {
            name: "consent",
            page: Page::Consent {
                form: FORM,
                client: CLIENT,
                username: "alice",
                scopes: &[
                    "openid",
                    "profile",
                    "email",
                    "offline_access",
                    "invoices.read",
                ],
                resources: &["https://invoices.example.com/api"],
                claims: &["birthdate", "department"],
            },
        },
        Sample {
            name: "consent-nothing",
            page: Page::Consent {
                form: FORM,
                client: NAMELESS,
                username: "alice",
                scopes: &[],
                resources: &[],
                claims: &[],
            },
        },
        Sample {
            name: "confirm-logout",
            page: Page::ConfirmLogout {
                form: FORM,
                client: Some(CLIENT),
                username: Some("alice"),
                return_refused: true,
            },
        },
        Sample {
            name: "confirm-logout-unasked",
            page: Page::ConfirmLogout {
                form: FORM,
                client: None,
                username: None,
                return_refused: false,
            },
        },
        Sample {
            name: "logged-out",
            page: Page::LoggedOut {
                client: Some(CLIENT),
                stayed: false,
            },
        },
        Sample {
            name: "logged-out-unasked",
            page: Page::LoggedOut {
                client: None,
                stayed: false,
            },
        },
        Sample {
            name: "still-signed-in",
            page: Page::LoggedOut {
                client: Some(CLIENT),
                stayed: true,
            },
        },
    ]
}

fn errors() -> Vec<Sample<'static>> {
    let problems = [
        (
            "error-bad-request",
            Problem::BadRequest,
            "redirect_uri is not one of the client's; register it exactly as it is sent",
        ),
        ("error-forbidden", Problem::Forbidden, ""),
        ("error-unavailable", Problem::Unavailable, ""),
        ("error-refused", Problem::Refused, ""),
        ("error-failed", Problem::Failed, ""),
    ];
    let error = |(name, problem, description)| Sample {
        name,
        page: Page::Error {
            problem,
            description,
        },
    };
    problems.into_iter().map(error).collect()
}

fn seen() -> Value {
    json!({
        "trusted_proxy": true,
        "encoding": "escaped-pem",
        "verify_header": "SUCCESS",
        "verified": true,
        "why": "its chain leads to CN=Example Client CA,O=Example,C=NO, and the web server says SUCCESS",
        "certificate": {
            "subject": "CN=billing,OU=Finance,O=Example,C=NO",
            "subject_alt_names": ["DNS:billing.example.com", "URI:spiffe://example.com/billing", "email:billing@example.com"],
            "not_before": "2026-01-01T00:00:00Z",
            "not_after": "2027-01-01T00:00:00Z",
            "valid_now": true,
            "x5t#S256": "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0",
            "intermediates_forwarded": 1,
        },
        "satisfies": ["billing", "invoices-batch"],
    })
}

fn unverified() -> Value {
    json!({
        "trusted_proxy": true,
        "encoding": "pem",
        "verify_header": "FAILED:self-signed certificate",
        "verified": false,
        "why": "the web server says FAILED:self-signed certificate",
        "certificate": {
            "subject": { "error": "the subject is empty" },
            "subject_alt_names": [],
            "not_before": "2024-01-01T00:00:00Z",
            "not_after": "2025-01-01T00:00:00Z",
            "valid_now": false,
            "x5t#S256": "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0",
            "intermediates_forwarded": 0,
        },
        "satisfies": [],
    })
}

fn nothing() -> Value {
    json!({
        "trusted_proxy": false,
        "encoding": null,
        "verify_header": "absent",
        "certificate": null,
        "verified": false,
        "why": "no certificate was forwarded",
        "satisfies": [],
    })
}
