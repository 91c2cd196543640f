//! A small `FastCGI` client of our own, which asks as Apache's `mod_authnz_fcgi` does, and wrongly where a
//! test wants it to. It takes every answer apart by itself.

use crate::pki::Cert;
use crate::wire::{Duplex, Place, read_to_end};
use crate::world::Server;

pub(crate) const BEGIN: u8 = 1;
pub(crate) const ABORT: u8 = 2;
pub(crate) const END: u8 = 3;
pub(crate) const PARAMS: u8 = 4;
pub(crate) const STDIN: u8 = 5;
pub(crate) const STDOUT: u8 = 6;
pub(crate) const GET_VALUES: u8 = 9;

/// A record with that content and so much padding.
pub(crate) fn padded(kind: u8, request: u16, content: &[u8], padding: u8) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("a record's length");
    let mut record = vec![1, kind];
    record.extend(request.to_be_bytes());
    record.extend(length.to_be_bytes());
    record.extend([padding, 0]);
    record.extend(content);
    record.extend(vec![0xaa; usize::from(padding)]);
    record
}

pub(crate) fn record(kind: u8, request: u16, content: &[u8]) -> Vec<u8> {
    padded(kind, request, content, 0)
}

/// What begins a request in that role.
pub(crate) fn begin(request: u16, role: u8, keep: bool) -> Vec<u8> {
    record(BEGIN, request, &[0, role, u8::from(keep), 0, 0, 0, 0, 0])
}

/// A name and a value, each with its length before.
pub(crate) fn pair(name: &str, value: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    for length in [name.len(), value.len()] {
        if length < 128 {
            octets.extend(u8::try_from(length));
        } else {
            let long = u32::try_from(length).expect("a length");
            octets.extend((long | 0x8000_0000).to_be_bytes());
        }
    }
    octets.extend(name.as_bytes());
    octets.extend(value);
    octets
}

/// A question in the making.
#[derive(Clone)]
#[must_use = "it goes out by ask"]
pub(crate) struct Question {
    pub(crate) variables: Vec<(String, Vec<u8>)>,
    pub(crate) request: u16,
    keep: bool,
}

impl Question {
    /// What Apache says of any request.
    pub(crate) fn new() -> Self {
        let question = Self {
            variables: Vec::new(),
            request: 1,
            keep: false,
        };
        [
            ("FCGI_ROLE", "AUTHORIZER"),
            ("FCGI_APACHE_ROLE", "AUTHENTICATOR_AUTHORIZER"),
            ("HTTPS", "on"),
            ("HTTP_HOST", "api.example.com"),
            ("REMOTE_ADDR", "198.51.100.4"),
            ("REQUEST_METHOD", "POST"),
            ("QUERY_STRING", ""),
            ("REQUEST_URI", "/orders/1"),
        ]
        .into_iter()
        .fold(question, |question, (name, value)| {
            question.variable(name, value)
        })
    }

    /// One more, whatever is there.
    pub(crate) fn variable(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// In place of what is there.
    pub(crate) fn set(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variable(name, value)
    }

    /// Asks that gate.
    pub(crate) fn gate(self, name: &str) -> Self {
        self.set("GATE_NAME", name)
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.set("HTTP_AUTHORIZATION", format!("Bearer {token}"))
    }

    pub(crate) fn cookie(self, cookie: &str) -> Self {
        self.set("HTTP_COOKIE", cookie)
    }

    /// The certificate as `SetEnvIfExpr` takes it from Apache, which has verified it.
    pub(crate) fn with(self, certificate: &Cert) -> Self {
        self.set("GATE_CLIENT_CERT", certificate.pem.as_str())
            .set("GATE_CLIENT_VERIFY", "SUCCESS")
    }

    /// The connection stays open for more.
    pub(crate) fn kept(mut self) -> Self {
        self.keep = true;
        self
    }

    /// As another request.
    pub(crate) fn numbered(mut self, request: u16) -> Self {
        self.request = request;
        self
    }

    /// All parameters, not yet in records.
    pub(crate) fn stream(&self) -> Vec<u8> {
        self.variables
            .iter()
            .flat_map(|(name, value)| pair(name, value))
            .collect()
    }

    /// The records that go out, with the parameters in pieces of so many octets.
    pub(crate) fn in_pieces(&self, octets: usize, padding: u8) -> Vec<u8> {
        let mut records = begin(self.request, 2, self.keep);
        for piece in self.stream().chunks(octets) {
            records.extend(padded(PARAMS, self.request, piece, padding));
        }
        records.extend(padded(PARAMS, self.request, b"", padding));
        records
    }

    pub(crate) fn octets(&self) -> Vec<u8> {
        self.in_pieces(65_535, 0)
    }

    /// Asks on a connection of its own, of which nothing may be left.
    #[track_caller]
    pub(crate) fn ask(&self, server: &Server, place: &Place) -> Answer {
        self.ask_by(server, place, &self.octets())
    }

    /// The same with records that say the same.
    #[track_caller]
    pub(crate) fn ask_by(&self, server: &Server, place: &Place, records: &[u8]) -> Answer {
        let octets = place.raw(records);
        let (answer, rest) = Answer::parse(self.request, &octets);
        assert!(rest.is_empty(), "something follows the answer: {rest:?}");
        self.seen(server, &answer);
        answer
    }

    /// Asks on a connection that is kept.
    #[track_caller]
    pub(crate) fn ask_on(&self, server: &Server, stream: &mut dyn Duplex) -> Answer {
        stream.write_all(&self.octets()).expect("written");
        let answer = Answer::next(self.request, stream);
        self.seen(server, &answer);
        answer
    }

    /// Takes an answer into account that was had by other means.
    pub(crate) fn seen(&self, server: &Server, answer: &Answer) {
        let mut tally = server.tally.lock().expect("no test panicked here");
        tally.refused += usize::from(answer.status >= 400);
        let secret = |name: &str| {
            matches!(
                name,
                "HTTP_AUTHORIZATION" | "HTTP_COOKIE" | "GATE_CLIENT_CERT" | "GATE_PROXY_SECRET"
            )
        };
        for (name, value) in &self.variables {
            if secret(name) && value.len() > 12 {
                let text = String::from_utf8_lossy(value).trim().to_owned();
                tally.secrets.push(text);
            }
        }
    }
}

/// An answer, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// As they came, the status among them.
    pub(crate) headers: Vec<(String, String)>,
}

/// What an answer may bear, and nothing else.
const ALLOWED: [&str; 10] = [
    "Status",
    "Variable-GATE_SUBJECT",
    "Variable-GATE_CLIENT_ID",
    "Variable-GATE_SCOPE",
    "Variable-GATE_EXPIRES",
    "Variable-GATE_THUMBPRINT",
    "Variable-GATE_ISSUER",
    "Variable-GATE_USER",
    "Variable-GATE_TRUNCATED",
    "Set-Cookie",
];
const REFUSED: [&str; 5] = [
    "Status",
    "Cache-Control",
    "WWW-Authenticate",
    "X-Gate-Status",
    "Retry-After",
];

impl Answer {
    /// Reads the records of one request's answer, and gives what follows them.
    #[track_caller]
    pub(crate) fn parse(request: u16, octets: &[u8]) -> (Self, &[u8]) {
        let (mut rest, mut text, mut ended) = (octets, Vec::new(), false);
        loop {
            let (kind, id, content, after) = next(rest).unwrap_or_else(|| {
                panic!("no whole answer: {:?}", String::from_utf8_lossy(octets))
            });
            assert_eq!(id, request, "an answer to another request");
            rest = after;
            match kind {
                STDOUT if content.is_empty() => ended = true,
                STDOUT if !ended => text.extend(content),
                END if ended => {
                    assert_eq!(content, [0; 8], "status 0, FCGI_REQUEST_COMPLETE");
                    break;
                }
                kind => panic!("a record of kind {kind} in an answer"),
            }
        }
        (Self::of(&text), rest)
    }

    /// Reads one answer, octet by octet so that nothing more is taken.
    #[track_caller]
    pub(crate) fn next(request: u16, stream: &mut dyn Duplex) -> Self {
        let mut octets = Vec::new();
        let mut octet = [0];
        loop {
            assert_eq!(stream.read(&mut octet).expect("an answer"), 1, "it closed");
            octets.push(octet[0]);
            let mut rest = &octets[..];
            while let Some((kind, _, _, after)) = next(rest) {
                rest = after;
                if kind == END {
                    return Self::parse(request, &octets).0;
                }
            }
        }
    }

    #[track_caller]
    fn of(text: &[u8]) -> Self {
        let text = std::str::from_utf8(text).expect("ASCII");
        let head = text.strip_suffix("\r\n\r\n").expect("a header and no body");
        let headers: Vec<(String, String)> = head
            .split("\r\n")
            .map(|line| line.split_once(": ").expect("a header line"))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let (_, status) = &headers[0];
        let status = status.split(' ').next().and_then(|code| code.parse().ok());
        let answer = Self {
            status: status.expect("a status"),
            headers,
        };
        let known = if answer.status == 200 {
            &ALLOWED[..]
        } else {
            &REFUSED
        };
        for (name, _) in &answer.headers {
            assert!(known.contains(&name.as_str()), "unexpected {name}");
            answer.header(name);
        }
        if answer.status == 200 {
            for name in &ALLOWED[1..9] {
                assert!(answer.header(name).is_some(), "{name} is missing");
            }
            assert_ne!(answer.variable("USER"), "");
        } else {
            assert_eq!(answer.header("Cache-Control"), Some("no-store"));
            let challenged = answer.header("WWW-Authenticate").is_some();
            assert_eq!(challenged, answer.status != 503);
        }
        answer
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        let (_, value) = found.next()?;
        assert!(found.next().is_none(), "{name} comes twice");
        Some(value)
    }

    /// `GATE_NAME` as Apache sets it.
    pub(crate) fn variable(&self, name: &str) -> &str {
        let name = format!("Variable-GATE_{name}");
        self.header(&name).unwrap_or_default()
    }

    /// Checks status and challenge, which may be a part; gives the answer back for more.
    #[track_caller]
    pub(crate) fn refuses(&self, status: u16, challenge: &str) -> &Self {
        let said = self.header("WWW-Authenticate").unwrap_or_default();
        assert_eq!(self.status, status, "{self:?}");
        assert!(said.contains(challenge), "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn allows(&self) -> &Self {
        assert_eq!(self.status, 200, "{self:?}");
        self
    }
}

/// The first record: kind, request, content, and what follows; none if it is not whole.
pub(crate) fn next(octets: &[u8]) -> Option<(u8, u16, &[u8], &[u8])> {
    let (header, rest) = octets.split_first_chunk::<8>()?;
    assert_eq!(header[0], 1, "version 1");
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let padding = usize::from(header[6]);
    let content = rest.get(..length)?;
    let after = rest.get(length + padding..)?;
    let request = u16::from_be_bytes([header[2], header[3]]);
    Some((header[1], request, content, after))
}

/// What comes after those octets until the other side closes.
pub(crate) fn raw(stream: &mut dyn Duplex, octets: &[u8]) -> Vec<u8> {
    // Whoever refuses early may close before everything is written.
    let _ = stream.write_all(octets);
    read_to_end(stream)
}
