//! A request in the making, which reads as what a client or a web server would send.

use crate::pki::Cert;
use crate::wire::Response;
use crate::world::Server;

/// A request in the making.
#[derive(Clone)]
#[must_use = "it goes out by send"]
pub(crate) struct Request<'a> {
    pub(crate) server: &'a Server,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) form: Vec<(String, String)>,
    pub(crate) body: Option<Vec<u8>>,
}

pub(crate) fn percent(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

impl Request<'_> {
    pub(crate) fn form(mut self, name: &str, value: &str) -> Self {
        self.form.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn basic(self, id: &str, secret: &str) -> Self {
        use base64::Engine as _;
        let joined = format!("{}:{}", percent(id), percent(secret));
        self.header(
            "Authorization",
            format!(
                "Basic {}",
                base64::engine::general_purpose::STANDARD.encode(joined)
            ),
        )
    }

    /// The certificate as Apache forwards it after it has verified it.
    pub(crate) fn with(self, certificate: &Cert) -> Self {
        self.unjudged(certificate)
            .header("X-ClientCert-Verify", "SUCCESS")
    }

    /// The certificate without a verdict.
    pub(crate) fn unjudged(self, certificate: &Cert) -> Self {
        self.header("X-ClientCert", certificate.apache())
    }

    /// The certificate with that verdict.
    pub(crate) fn judged(self, certificate: &Cert, verdict: &str) -> Self {
        self.unjudged(certificate)
            .header("X-ClientCert-Verify", verdict)
    }

    pub(crate) fn assertion(self, assertion: &str) -> Self {
        self.form(
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        )
        .form("client_assertion", assertion)
    }

    /// The octets that go out.
    pub(crate) fn octets(&self) -> Vec<u8> {
        let mut headers = self.headers.clone();
        let has = |name: &str| {
            self.headers
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(name))
        };
        let body = self.body.clone().unwrap_or_else(|| {
            let pairs = self
                .form
                .iter()
                .map(|(name, value)| format!("{}={}", percent(name), percent(value)));
            pairs.collect::<Vec<_>>().join("&").into_bytes()
        });
        if self.method == "POST" || !body.is_empty() {
            if !has("Content-Type") {
                headers.push((
                    "Content-Type".into(),
                    b"application/x-www-form-urlencoded".to_vec(),
                ));
            }
            headers.push(("Content-Length".into(), body.len().to_string().into_bytes()));
        }
        if !has("Connection") {
            headers.push(("Connection".into(), b"close".to_vec()));
        }
        let mut octets = format!("{} {} HTTP/1.1\r\n", self.method, self.path).into_bytes();
        for (name, value) in headers {
            octets.extend_from_slice(name.as_bytes());
            octets.extend_from_slice(b": ");
            octets.extend_from_slice(&value);
            octets.extend_from_slice(b"\r\n");
        }
        octets.extend_from_slice(b"\r\n");
        octets.extend_from_slice(&body);
        octets
    }

    /// Sends it on a connection of its own and checks what must hold of every answer.
    pub(crate) fn send(&self) -> Response {
        let response = self.server.place.exchange(&self.octets());
        self.seen(&response);
        response
    }

    /// Takes an answer into account that was had by other means.
    pub(crate) fn seen(&self, response: &Response) {
        response.is_sound(self.path.split('?').next().unwrap_or_default());
        let mut tally = self.server.tally.lock().expect("no test panicked here");
        // A 429 has a line of its own about whoever is kept waiting.
        tally.refused += usize::from(response.status >= 400 && response.status != 429);
        if response.status == 200
            && response.body.starts_with('{')
            && response.body.contains("\"access_token\"")
        {
            tally.issued += 1;
            for member in ["access_token", "refresh_token", "id_token"] {
                let text = response.text(member);
                if !text.is_empty() {
                    tally.secrets.push(text);
                }
            }
        }
        let secret = |name: &str| {
            matches!(
                name,
                "client_secret"
                    | "client_assertion"
                    | "token"
                    | "code"
                    | "code_verifier"
                    | "refresh_token"
                    | "password"
                    | "id_token_hint"
                    | "access_token"
                    | "interaction"
            )
        };
        for (_, value) in self
            .form
            .iter()
            .filter(|(name, value)| secret(name) && value.len() > 12)
        {
            tally.secrets.push(value.clone());
        }
        let octets = |name: &str| {
            matches!(
                name,
                "Authorization" | "X-ClientCert" | "X-Proxy-Secret" | "Cookie"
            )
        };
        for (_, value) in self
            .headers
            .iter()
            .filter(|(name, value)| octets(name) && value.len() > 12)
        {
            tally
                .secrets
                .push(String::from_utf8_lossy(value).trim().to_owned());
        }
    }
}
