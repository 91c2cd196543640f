//! What a browser shows and is shown: cookies in and out, pages with what keeps them to themselves.

use http::StatusCode;
use http::header::{
    ACCEPT_LANGUAGE, COOKIE, HeaderMap, HeaderName, HeaderValue, LOCATION, ORIGIN, RETRY_AFTER,
    SET_COOKIE,
};
use url::{Url, form_urlencoded};

use crate::authorization::Answer;
use crate::client::registration::ClientRegistration;
use crate::endpoint::{Reply, Request, Server};
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::form::Form;
use crate::oauth::secret::Secret;
use crate::page::{ClientShown, Language, Page, Problem, Shown};
use crate::user::session::{SIGNED_OUT, SessionCookie};

/// The cookie of a session. `__Host-`: of this host, by TLS, for every path, and nobody else's to set.
const SESSION: &str = "__Host-certbound";

/// The cookie that forms are bound to, and by which a browser is known that somebody signed in with before.
/// No gate's cookie is called so: names of gates have no dot.
const FORM: &str = "__Host-certbound.form";

/// How long a browser is known.
const KNOWN: &str = "; Max-Age=34560000";

/// How long a request may be to travel in a URL: web servers take 8 kB, but nginx by default has no more than 4 kB
/// for the whole header of an answer that redirects there.
pub(super) const IN_URL: usize = 3_000;

/// What every cookie of ours says.
const ATTRIBUTES: &str = "; Path=/; Secure; HttpOnly; SameSite=Lax";

/// What a browser brought along.
#[derive(Debug)]
pub(super) struct Browser {
    /// What it is signed in with.
    pub(super) session: Option<SessionCookie>,
    /// Whether somebody has signed out in it, so that nobody is signed in again unasked.
    pub(super) signed_out: bool,
    /// What its forms are bound to.
    form: Option<Secret>,
    /// What it is to be given.
    set: Vec<String>,
}

impl Browser {
    /// Reads the cookies of a request. One that is there twice is not there: nobody knows which is ours.
    pub(super) fn of(request: &Request) -> Self {
        let session = cookie(&request.headers, SESSION);
        let form = cookie(&request.headers, FORM).filter(|text| text.len() == 43);
        Self {
            signed_out: session == Some(SIGNED_OUT),
            session: session.and_then(SessionCookie::parse),
            form: form.map(|text| Secret::new(text.to_owned())),
            set: Vec::new(),
        }
    }

    /// Whether there is no cookie of ours although there may be some: a page of another site made the browser
    /// send this. Browsers say so by `Origin` or `Sec-Fetch-Site`, in every form that they post.
    pub(super) fn keeps_cookies_back(&self, request: &Request) -> bool {
        let nothing = self.session.is_none() && !self.signed_out && self.form.is_none();
        let tells = [ORIGIN, HeaderName::from_static("sec-fetch-site")];
        nothing && tells.iter().any(|name| request.headers.contains_key(name))
    }

    /// What its forms are bound to, if it has been given that.
    pub(super) fn form(&self) -> Option<&Secret> {
        self.form.as_ref()
    }

    /// The same; it is given one where it has none.
    pub(super) fn form_or_new(&mut self, mint: fn() -> Secret) -> Secret {
        if let Some(form) = &self.form {
            return form.clone();
        }
        let form = mint();
        self.set
            .push(format!("{FORM}={}{ATTRIBUTES}{KNOWN}", form.expose()));
        self.form = Some(form.clone());
        form
    }

    /// From now on it is signed in with that.
    pub(super) fn sign_in(&mut self, cookie: SessionCookie) {
        self.set
            .push(format!("{SESSION}={}{ATTRIBUTES}", cookie.text().expose()));
        self.session = Some(cookie);
        self.signed_out = false;
    }

    /// From now on nobody is signed in.
    pub(super) fn sign_out(&mut self) {
        self.set.push(format!("{SESSION}={SIGNED_OUT}{ATTRIBUTES}"));
        self.session = None;
        self.signed_out = true;
    }

    /// Whether somebody has signed in or out meanwhile, which the browser does not know yet.
    pub(super) fn has_news(&self) -> bool {
        let session = format!("{SESSION}=");
        self.set.iter().any(|cookie| cookie.starts_with(&session))
    }

    /// The answer with the cookies that the browser is to be given.
    pub(super) fn given(&mut self, mut reply: Reply) -> Reply {
        for cookie in self.set.drain(..) {
            if let Ok(value) = HeaderValue::from_str(&cookie) {
                reply = reply.with(SET_COOKIE, value);
            }
        }
        reply
    }
}

/// The value of the one cookie of that name.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut found = None;
    for line in headers.get_all(COOKIE) {
        for pair in line.as_bytes().split(|octet| *octet == b';') {
            let value = pair
                .trim_ascii()
                .strip_prefix(name.as_bytes())
                .and_then(|rest| rest.strip_prefix(b"="));
            if let Some(value) = value
                && found.replace(value).is_some()
            {
                return None;
            }
        }
    }
    std::str::from_utf8(found?).ok()
}

/// A client as people are told of it.
pub(super) fn shown(client: &ClientRegistration) -> ClientShown<'_> {
    let people = client.people();
    ClientShown {
        id: client.client_id().as_str(),
        name: client.name(),
        uri: people.client_uri(),
        logo: people.logo_uri(),
        policy: people.policy_uri(),
        tos: people.tos_uri(),
    }
}

/// A page. `target` is where its forms may lead in the end: browsers hold the redirection that answers a form
/// to `form-action` as well, and whatever the client does next with it.
pub(in crate::endpoint) fn show(
    server: &Server,
    request: &Request,
    ui_locales: Option<&str>,
    status: StatusCode,
    page: &Page<'_>,
    target: Option<&str>,
) -> Reply {
    let accepted = request
        .headers
        .get(ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok());
    let shown = Shown {
        language: Language::choose(ui_locales, accepted),
        base: ".",
        request: &request.id,
    };
    let rendered = server.people.pages.load().render(page, &shown);
    if let Some(fault) = rendered.fault {
        tracing::error!(request = &*request.id, cause = %fault, "a page of --pages could not be made; the built-in one was shown");
    }
    let forms = match (page, target.and_then(origin)) {
        (Page::Error { .. } | Page::LoggedOut { .. } | Page::WhoAmI { .. }, _) => {
            "'none'".to_owned()
        }
        (_, Some(origin)) => format!("'self' https: {origin}"),
        (_, None) => "'self' https:".to_owned(),
    };
    let script = if matches!(page, Page::FormPost { .. }) {
        " script-src 'self';"
    } else {
        ""
    };
    let policy = format!(
        "default-src 'none'; style-src 'self';{script} form-action {forms}; frame-ancestors 'none'; base-uri 'none'"
    );
    let policy = HeaderValue::from_str(&policy)
        .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"));
    Reply::new(status, "text/html; charset=utf-8", rendered.html)
        .with(HeaderName::from_static("content-security-policy"), policy)
        .with(
            HeaderName::from_static("x-frame-options"),
            HeaderValue::from_static("DENY"),
        )
        .with(
            HeaderName::from_static("referrer-policy"),
            HeaderValue::from_static("no-referrer"),
        )
}

/// Where a redirection URI leads, as `form-action` has it, if `https:` does not say so already.
fn origin(uri: &str) -> Option<String> {
    let url = Url::parse(uri).ok()?;
    match url.scheme() {
        "https" => None,
        "http" => Some(url.origin().ascii_serialization()),
        scheme => Some(format!("{scheme}:")),
    }
}

/// The page for what cannot go on and is sent nowhere.
pub(super) fn trouble(server: &Server, request: &Request, error: &OAuthError) -> Reply {
    let problem = match error.code() {
        ErrorCode::Forbidden => Problem::Forbidden,
        ErrorCode::TemporarilyUnavailable => Problem::Unavailable,
        ErrorCode::AccessDenied => Problem::Refused,
        ErrorCode::ServerError => Problem::Failed,
        _ => Problem::BadRequest,
    };
    // Whoever sets a client up looks for the code.
    let description = format!("{}: {}", error.code().name(), error.description());
    let page = Page::Error {
        problem,
        description: &description,
    };
    let reply = show(server, request, None, error.code().status(), &page, None);
    if error.code() == ErrorCode::TemporarilyUnavailable {
        return reply.with(RETRY_AFTER, HeaderValue::from_static("2"));
    }
    reply
}

/// A redirection after which the browser asks by GET (RFC 9700 section 4.12).
pub(super) fn see_other(location: &str) -> Result<Reply, OAuthError> {
    let location = HeaderValue::from_str(location).map_err(|error| {
        OAuthError::new(ErrorCode::ServerError, "the answer could not be made").because(error)
    })?;
    let mut reply = Reply::empty(StatusCode::SEE_OTHER);
    reply.headers.push((
        HeaderName::from_static("referrer-policy"),
        HeaderValue::from_static("no-referrer"),
    ));
    Ok(reply.with(LOCATION, location))
}

/// The form as a query that asks the same.
pub(super) fn query(form: &Form<'_>) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form.pairs())
        .finish()
}

/// The answer to the client, by way of the browser.
pub(super) fn carried(
    server: &Server,
    request: &Request,
    answer: &Answer,
) -> Result<Reply, OAuthError> {
    match answer {
        Answer::Redirect(location) => see_other(location),
        Answer::FormPost { action, fields } => {
            let page = Page::FormPost { action, fields };
            Ok(show(
                server,
                request,
                None,
                StatusCode::OK,
                &page,
                Some(action),
            ))
        }
    }
}
