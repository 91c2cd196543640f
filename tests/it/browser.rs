//! A browser without a screen: keeps cookies by their rules (RFC 6265bis), reads the forms of a page and sends
//! them, and follows nothing by itself. Whatever it is given is held to what must always be so.

use crate::pki::Cert;
use crate::request::{Request, percent};
use crate::wire::Response;
use crate::world::Server;

/// The cookie that forms are bound to.
const FORM: &str = "__Host-certbound.form";

/// A browser and the cookies in it.
#[derive(Clone)]
pub(crate) struct Browser<'a> {
    pub(crate) server: &'a Server,
    pub(crate) jar: Vec<(String, String)>,
    /// What the web server in front adds to each request.
    adds: Vec<(String, Vec<u8>)>,
}

/// What a client is told through the browser.
#[derive(Clone, Debug)]
pub(crate) struct Back {
    /// The redirection URI, without what was appended.
    pub(crate) to: String,
    /// `query`, `fragment` or `form_post`.
    pub(crate) mode: &'static str,
    pub(crate) parameters: Vec<(String, String)>,
}

/// One form of a page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form {
    pub(crate) action: String,
    pub(crate) method: String,
    /// Names and values of all inputs.
    pub(crate) fields: Vec<(String, String)>,
    /// Names and values of its buttons.
    pub(crate) buttons: Vec<(String, String)>,
}

/// A page that was shown.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) body: String,
    pub(crate) forms: Vec<Form>,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(server: &'a Server) -> Self {
        Self {
            server,
            jar: Vec::new(),
            adds: Vec::new(),
        }
    }

    /// A browser that has shown that certificate, which the web server has verified.
    pub(crate) fn presenting(mut self, certificate: &Cert) -> Self {
        self.adds
            .push(("X-ClientCert".into(), certificate.apache().into()));
        self.adding("X-ClientCert-Verify", "SUCCESS")
    }

    /// The web server says that of each request.
    pub(crate) fn adding(mut self, name: &str, value: &str) -> Self {
        self.adds.push((name.to_owned(), value.into()));
        self
    }

    /// The same without what the web server says.
    pub(crate) fn alone(mut self) -> Self {
        self.adds.clear();
        self
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        let mut found = self.jar.iter().filter(|(known, _)| known == name);
        found.next().map(|(_, value)| value.as_str())
    }

    /// Takes away what forms are bound to.
    pub(crate) fn forgets_forms(&mut self) {
        self.jar.retain(|(name, _)| name != FORM);
    }

    /// Keeps nothing but what forms are bound to.
    pub(crate) fn keeps_forms_only(&mut self) {
        self.jar.retain(|(name, _)| name == FORM);
    }

    /// The cookie of the session.
    pub(crate) fn session(&self) -> Option<&str> {
        self.cookie("__Host-certbound")
    }

    /// Opens that endpoint with those parameters.
    #[track_caller]
    pub(crate) fn open(&mut self, endpoint: &str, parameters: &[(String, String)]) -> Response {
        let path = format!("{}/{endpoint}?{}", self.server.base, query(parameters));
        self.send(self.server.get(&path))
    }

    #[track_caller]
    pub(crate) fn get(&mut self, path: &str) -> Response {
        self.send(self.server.get(path))
    }

    /// Sends a request with the cookies and what the web server adds, and keeps what comes.
    #[track_caller]
    pub(crate) fn send(&mut self, mut request: Request<'_>) -> Response {
        for (name, value) in &self.adds {
            request = request.header(name, value.clone());
        }
        if !self.jar.is_empty() {
            let pairs = self
                .jar
                .iter()
                .map(|(name, value)| format!("{name}={value}"));
            request = request.header("Cookie", pairs.collect::<Vec<_>>().join("; "));
        }
        let response = request.send();
        self.keep(&response);
        if let Some(location) = response.header("location") {
            let is_own = self.own(location).is_some();
            if !is_own && request.path.contains("/authorize") {
                self.is_an_answer(location);
            }
        }
        response
    }

    /// ISS-01, ISS-02: who answers is in every answer, once, and is the issuer to the letter.
    #[track_caller]
    fn is_an_answer(&self, location: &str) {
        let back = Back::of(location);
        assert_eq!(
            back.get("iss").as_deref(),
            Some(self.server.issuer.as_str()),
            "ISS-01: {location}"
        );
        assert!(
            !location.contains(['\r', '\n', '"', '\\', ' ', '<']),
            "{location}"
        );
    }

    /// The rules for every cookie that the server gives.
    #[track_caller]
    fn keep(&mut self, response: &Response) {
        let lines = response
            .headers
            .iter()
            .filter(|(name, _)| name == "set-cookie");
        for (_, line) in lines {
            let mut parts = line.split("; ");
            let (name, value) = parts
                .next()
                .and_then(|pair| pair.split_once('='))
                .expect("a cookie");
            let attributes: Vec<&str> = parts.collect();
            assert!(name.starts_with("__Host-certbound"), "{line}");
            for wanted in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
                assert!(attributes.contains(&wanted), "no {wanted} in {line}");
            }
            let has = |name: &str| attributes.iter().any(|one| one.starts_with(name));
            assert!(!has("Domain"), "__Host- forbids it: {line}");
            assert!(!has("Expires"), "Max-Age says it: {line}");
            self.jar.retain(|(known, _)| known != name);
            if !attributes.contains(&"Max-Age=0") {
                self.jar.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    /// The path of a location that is the server's own.
    fn own(&self, location: &str) -> Option<String> {
        if let Some(rest) = location.strip_prefix(&format!("{}/", self.server.issuer)) {
            return Some(format!("{}/{rest}", self.server.base));
        }
        let is_relative = location.starts_with("authorize?") || location.starts_with("logout?");
        is_relative.then(|| format!("{}/{location}", self.server.base))
    }

    /// Follows redirections within the server, and gives what is there in the end.
    #[track_caller]
    pub(crate) fn settle(&mut self, mut response: Response) -> Response {
        for _ in 0..6 {
            let own = response
                .header("location")
                .and_then(|location| self.own(location));
            match own {
                Some(path) => response = self.get(&path),
                None => return response,
            }
        }
        panic!("it is sent in circles");
    }

    /// Sends the form that has the button for that step, with those fields filled in.
    #[track_caller]
    pub(crate) fn press(&mut self, page: &Page, step: &str, fill: &[(&str, &str)]) -> Response {
        let request = self.filled(page, step, fill);
        self.send(request)
    }

    /// The same, not yet sent.
    #[track_caller]
    pub(crate) fn filled(&self, page: &Page, step: &str, fill: &[(&str, &str)]) -> Request<'a> {
        let form = page.form(step);
        assert_eq!(form.method, "post");
        assert!(!form.action.contains(['/', ':']), "{}", form.action);
        let mut request = self.server.post(&form.action);
        for (name, _) in fill {
            let known = form.fields.iter().any(|(known, _)| known == name);
            assert!(known, "the form has no {name}: {form:?}");
        }
        for (name, value) in &form.fields {
            let filled = fill.iter().find(|(known, _)| known == name);
            request = request.form(name, filled.map_or(value.as_str(), |(_, value)| value));
        }
        request.form("step", step)
    }

    /// Signs in by password, and gives what is there in the end.
    #[track_caller]
    pub(crate) fn password(&mut self, page: &Page, username: &str, password: &str) -> Response {
        let fields = [("username", username), ("password", password)];
        let response = self.press(page, "password", &fields);
        self.settle(response)
    }

    /// Presses a button and goes where that leads.
    #[track_caller]
    pub(crate) fn choose(&mut self, page: &Page, step: &str) -> Response {
        let response = self.press(page, step, &[]);
        self.settle(response)
    }
}

pub(crate) fn query(parameters: &[(String, String)]) -> String {
    let pairs = parameters
        .iter()
        .map(|(name, value)| format!("{}={}", percent(name), percent(value)));
    pairs.collect::<Vec<_>>().join("&")
}

impl Back {
    /// Reads the location of an answer.
    pub(crate) fn of(location: &str) -> Self {
        let (mode, at) = match (location.find('#'), location.find('?')) {
            (Some(at), _) => ("fragment", at),
            (None, Some(at)) => ("query", at),
            (None, None) => ("query", location.len()),
        };
        let appended = location.get(at + 1..).unwrap_or_default();
        Self {
            to: location[..at].to_owned(),
            mode,
            parameters: url::form_urlencoded::parse(appended.as_bytes())
                .into_owned()
                .collect(),
        }
    }

    /// The value of a parameter, which is there once at most.
    #[track_caller]
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let mut found = self.parameters.iter().filter(|(known, _)| known == name);
        let first = found.next().map(|(_, value)| value.clone());
        assert!(found.next().is_none(), "{name} twice in {self:?}");
        first
    }

    #[track_caller]
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.get("error"), None, "{self:?}");
        self.get("code")
            .unwrap_or_else(|| panic!("no code: {self:?}"))
    }

    /// It is that error, described in the character set of OA-19, and nothing was given.
    #[track_caller]
    pub(crate) fn refuses(&self, error: &str) -> &Self {
        assert_eq!(self.get("error").as_deref(), Some(error), "{self:?}");
        for never in ["code", "id_token", "access_token"] {
            assert_eq!(self.get(never), None, "{self:?}");
        }
        let description = self.get("error_description").unwrap_or_default();
        let allowed = |c| matches!(c, ' '..='!' | '#'..='[' | ']'..='~');
        assert!(description.chars().all(allowed), "OA-19: {description:?}");
        self
    }
}

impl Response {
    /// What the client is told, by whatever response mode.
    #[track_caller]
    pub(crate) fn back(&self) -> Back {
        if let Some(location) = self.header("location") {
            return Back::of(location);
        }
        let page = self.page();
        let form = page.forms.first().expect("a form to be posted");
        assert!(form.action.contains("://"), "no answer but: {}", self.body);
        Back {
            to: form.action.clone(),
            mode: "form_post",
            parameters: form.fields.clone(),
        }
    }

    /// The page that is shown.
    #[track_caller]
    pub(crate) fn page(&self) -> Page {
        assert_eq!(
            self.header("content-type"),
            Some("text/html; charset=utf-8"),
            "{} {:?} {}",
            self.status,
            self.headers,
            self.body
        );
        Page::read(&self.body)
    }

    /// A page of that status that says what is wrong and leads nowhere (OA-11).
    #[track_caller]
    pub(crate) fn is_an_error_page(&self, status: u16) -> Page {
        assert_eq!(self.status, status, "{:?} {}", self.headers, self.body);
        let page = self.page();
        assert!(page.forms.is_empty(), "{}", self.body);
        page
    }
}

impl Page {
    fn read(body: &str) -> Self {
        let mut forms: Vec<Form> = Vec::new();
        for piece in body.split('<').skip(1) {
            let tag = piece.split('>').next().unwrap_or_default();
            let name = tag.split_ascii_whitespace().next().unwrap_or_default();
            let said = |name: &str| attribute(tag, name);
            match (name, forms.last_mut()) {
                ("form", _) => forms.push(Form {
                    action: said("action").unwrap_or_default(),
                    method: said("method").unwrap_or_default(),
                    ..Form::default()
                }),
                ("input", Some(form)) => form.fields.push((
                    said("name").unwrap_or_default(),
                    said("value").unwrap_or_default(),
                )),
                ("button", Some(form)) => form.buttons.push((
                    said("name").unwrap_or_default(),
                    said("value").unwrap_or_default(),
                )),
                _ => {}
            }
        }
        Self {
            body: body.to_owned(),
            forms,
        }
    }

    /// Whether there is a button for that step.
    pub(crate) fn offers(&self, step: &str) -> bool {
        self.find(step).is_some()
    }

    fn find(&self, step: &str) -> Option<&Form> {
        self.forms.iter().find(|form| {
            let mut buttons = form.buttons.iter();
            buttons.any(|(name, value)| name == "step" && value == step)
        })
    }

    #[track_caller]
    pub(crate) fn form(&self, step: &str) -> &Form {
        self.find(step)
            .unwrap_or_else(|| panic!("no {step} on: {}", self.body))
    }

    /// The sealed request that the page carries.
    pub(crate) fn interaction(&self) -> String {
        let form = self.forms.first().expect("a form");
        let field = form.fields.iter().find(|(name, _)| name == "interaction");
        field.expect("an interaction").1.clone()
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let at = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    let value = tag[at..].split('"').next()?;
    Some(unescaped(value))
}

/// Character references as templates write them.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let (reference, after) = rest[at + 1..].split_once(';').expect("a reference ends");
        rest = after;
        out.push(match reference {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            other => {
                let number = other.strip_prefix('#').expect("a number");
                let code = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => number.parse(),
                };
                char::from_u32(code.expect("digits")).expect("a character")
            }
        });
    }
    out + rest
}
