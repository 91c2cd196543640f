//! A small HTTP/1.1 client of our own, which checks of every answer what must always hold.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

/// How long an answer may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a server listens.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

pub(crate) trait Duplex: Read + Write + Send {}
impl<T: Read + Write + Send> Duplex for T {}

impl Place {
    pub(crate) fn connect(&self) -> std::io::Result<Box<dyn Duplex>> {
        Ok(match self {
            Self::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                Box::new(stream)
            }
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                Box::new(stream)
            }
        })
    }

    /// Sends those octets and reads until the server closes; what was read so far if it resets.
    pub(crate) fn raw(&self, octets: &[u8]) -> Vec<u8> {
        let mut stream = self.connect().expect("the server listens");
        // A server that refuses early may close before everything is written.
        let _ = stream.write_all(octets);
        read_to_end(&mut *stream)
    }

    pub(crate) fn exchange(&self, octets: &[u8]) -> Response {
        let answer = self.raw(octets);
        assert!(
            !answer.is_empty(),
            "the connection was closed without an answer"
        );
        Response::parse(&answer)
    }
}

pub(crate) fn read_to_end(stream: &mut dyn Duplex) -> Vec<u8> {
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return answer,
            Ok(length) => answer.extend_from_slice(&piece[..length]),
        }
    }
}

/// An answer, read whole.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// What an answer may bear, and nothing else.
const HEADERS: &[&str] = &[
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "allow",
    "cache-control",
    "connection",
    "content-length",
    "content-security-policy",
    "content-type",
    "date",
    "location",
    "pragma",
    "referrer-policy",
    "retry-after",
    "set-cookie",
    "www-authenticate",
    "x-auth-client-id",
    "x-auth-expires",
    "x-auth-issuer",
    "x-auth-scope",
    "x-auth-subject",
    "x-auth-thumbprint",
    "x-content-type-options",
    "x-frame-options",
    "x-gate-status",
    "x-gate-truncated",
];

impl Response {
    pub(crate) fn parse(octets: &[u8]) -> Self {
        let end = octets
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .unwrap_or_else(|| panic!("no header: {:?}", String::from_utf8_lossy(octets)));
        let head = std::str::from_utf8(&octets[..end]).expect("a header is ASCII");
        let mut lines = head.split("\r\n");
        let status = lines.next().expect("a status line");
        let status = status
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .unwrap_or_else(|| panic!("a status line: {status}"));
        let headers = lines
            .map(|line| line.split_once(": ").expect("a header line"))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let body = String::from_utf8(octets[end + 4..].to_vec()).expect("bodies are UTF-8");
        Self {
            status,
            headers,
            body,
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        let (_, value) = found.next()?;
        assert!(found.next().is_none(), "{name} comes twice");
        Some(value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The string under that member, or nothing.
    pub(crate) fn text(&self, member: &str) -> String {
        self.json()[member].as_str().unwrap_or_default().to_owned()
    }

    /// Checks what must hold of every answer that certbound itself makes.
    pub(crate) fn is_sound(&self, path: &str) -> &Self {
        for (name, _) in &self.headers {
            assert!(HEADERS.contains(&name.as_str()), "unexpected header {name}");
            if name != "set-cookie" {
                self.header(name);
            }
        }
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"));
        let length: usize = self
            .header("content-length")
            .map_or(0, |length| length.parse().expect("a number"));
        assert!(
            self.body.is_empty() || self.body.len() == length,
            "content-length"
        );
        if path.contains("/verify") && self.status != 404 {
            return self.is_a_sound_gate_answer();
        }
        let public = path.contains("/.well-known/") || path.ends_with("/jwks");
        if self.status == 204 {
            assert_eq!(self.body, "");
            return self;
        }
        if public && self.status == 200 {
            assert_eq!(self.header("cache-control"), Some("public, max-age=300"));
        } else {
            assert_eq!(self.header("cache-control"), Some("no-store"), "{path}");
            let is_for_browsers = self.header("www-authenticate").is_some()
                || (300..400).contains(&self.status)
                || self.header("content-type") == Some("text/html; charset=utf-8");
            if !is_for_browsers {
                assert_eq!(self.header("pragma"), Some("no-cache"), "{path}");
            }
        }
        if (300..400).contains(&self.status) {
            assert_eq!(self.status, 303, "BCP-03: never anything else, {path}");
            assert!(self.header("location").is_some(), "303 without Location");
            assert_eq!(self.body, "", "a redirection has nothing to read");
            return self;
        }
        match self.header("content-type") {
            Some("application/json") if self.body.is_empty() => {}
            Some("application/json") => {
                assert!(self.json().is_object(), "{}", self.body);
            }
            Some("application/token-introspection+jwt") => {
                assert_eq!(self.body.split('.').count(), 3);
            }
            Some("application/jwt") => assert!(path.ends_with("/userinfo"), "{path}"),
            Some("text/html; charset=utf-8") => return self.is_a_sound_page(),
            None if self.status == 401 && path.ends_with("/userinfo") => {
                assert_eq!(self.body, "");
                assert_eq!(
                    self.header("www-authenticate"),
                    Some("Bearer realm=\"certbound\""),
                    "BR-04"
                );
            }
            other => panic!("content type {other:?} at {path}"),
        }
        if self.status >= 400 && !self.body.is_empty() {
            self.is_a_sound_error(path.ends_with("/userinfo"));
        }
        self
    }

    /// OA-30 and OWASP: nothing of a page runs, is framed, leaks or is kept.
    fn is_a_sound_page(&self) -> &Self {
        let policy = self.header("content-security-policy").expect("a policy");
        let directives: Vec<&str> = policy.split(';').map(str::trim).collect();
        for wanted in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(directives.contains(&wanted), "{wanted} is not in {policy}");
        }
        let named = |name: &str| directives.iter().any(|one| one.starts_with(name));
        assert!(named("form-action "), "{policy}");
        for never in ["unsafe-inline", "unsafe-eval", "*", "data:", "http: "] {
            assert!(!policy.contains(never), "{never} in {policy}");
        }
        assert_eq!(self.header("x-frame-options"), Some("DENY"));
        assert_eq!(self.header("referrer-policy"), Some("no-referrer"));
        assert!(self.header("access-control-allow-origin").is_none());
        assert!(self.header("location").is_none());
        let small = self.body.to_ascii_lowercase();
        for never in [
            "<style",
            " style=",
            "javascript:",
            "<script>",
            "<iframe",
            "<object",
            " onclick=",
            " onload=",
            " onerror=",
            " onsubmit=",
            " onfocus=",
        ] {
            assert!(!small.contains(never), "{never} in {}", self.body);
        }
        assert!(small.starts_with("<!doctype html>"), "{}", self.body);
        if matches!(self.status, 429 | 503) {
            assert!(
                self.header("retry-after").is_some(),
                "{} without Retry-After",
                self.status
            );
        }
        self
    }

    /// What every front end understands: no body, every header of who was let through or one challenge.
    fn is_a_sound_gate_answer(&self) -> &Self {
        assert_eq!(
            (self.header("content-length"), self.body.as_str()),
            (Some("0"), "")
        );
        assert_eq!(self.header("cache-control"), Some("no-store"));
        let octets: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len() + 4)
            .sum();
        assert!(octets < 4_000, "{octets} octets of headers");
        let identity = [
            "x-auth-subject",
            "x-auth-client-id",
            "x-auth-scope",
            "x-auth-expires",
            "x-auth-thumbprint",
            "x-auth-issuer",
        ];
        let shown = identity.iter().filter(|name| self.header(name).is_some());
        let challenge = self.header("www-authenticate");
        let status = self.header("x-gate-status");
        match self.status {
            200 => assert_eq!((shown.count(), challenge, status), (6, None, None)),
            401 | 403 => {
                assert_eq!(shown.count(), 0);
                let challenge = challenge.expect("a challenge");
                assert!(challenge.starts_with("Bearer realm=\""), "{challenge}");
                assert!(matches!(status, None | Some("400")), "{status:?}");
            }
            503 => assert_eq!((shown.count(), challenge, status), (0, None, Some("503"))),
            other => panic!("the gate answers {other}"),
        }
        self
    }

    /// RFC 6749 section 5.2: two members, in their character sets.
    fn is_a_sound_error(&self, is_resource: bool) {
        let body = self.json();
        let members: Vec<&String> = body.as_object().expect("an object").keys().collect();
        assert_eq!(members, ["error", "error_description"], "{}", self.body);
        for member in members {
            let text = body[member].as_str().expect("text");
            assert!(!text.is_empty());
            let allowed = |c| matches!(c, ' '..='!' | '#'..='[' | ']'..='~');
            assert!(text.chars().all(allowed), "OA-19: {text:?}");
        }
        if self.status == 503 {
            assert!(
                self.header("retry-after").is_some(),
                "503 without Retry-After"
            );
            assert_eq!(body["error"], "temporarily_unavailable");
        }
        if is_resource {
            let challenge = self.header("www-authenticate").unwrap_or_default();
            let code = body["error"].as_str().unwrap_or_default();
            assert!(
                matches!(self.status, 405 | 503)
                    || challenge.contains(&format!("error=\"{code}\"")),
                "BR-05: {challenge}"
            );
        } else if self.status == 401 {
            assert_eq!(body["error"], "invalid_client");
        }
        if self.status == 405 {
            assert!(self.header("allow").is_some(), "405 without Allow");
        }
        assert!(!self.body.contains("\"access_token\""));
    }

    /// Checks status and error code; gives the answer back for more.
    #[track_caller]
    pub(crate) fn refuses(&self, status: u16, error: &str) -> &Self {
        assert_eq!(
            (self.status, self.text("error").as_str()),
            (status, error),
            "{}",
            self.body
        );
        self
    }

    #[track_caller]
    pub(crate) fn succeeds(&self) -> &Self {
        assert_eq!(self.status, 200, "{}", self.body);
        self
    }

    /// The access token of a token answer, with all that RFC 6749 section 5.1 says of it.
    #[track_caller]
    pub(crate) fn token(&self) -> String {
        self.succeeds();
        let body = self.json();
        assert_eq!(body["token_type"], "Bearer", "OA-22");
        assert!(body["expires_in"].is_u64(), "OA-22");
        assert!(body.get("refresh_token").is_none(), "OA-20");
        self.text("access_token")
    }
}
