//! What a web server says of a request, in meta-variables (RFC 3875 section 4.1): the few that a gate asks
//! for, each once.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue};

use super::record::{Malformed, Pairs};
use crate::proxy::Parameters;

/// Every name that is read. What comes under another says nothing, above all `HTTP_*`: those are the
/// client's own headers.
const NAMES: [&str; 10] = [
    "GATE_NAME",
    "GATE_CLIENT_CERT",
    "GATE_CLIENT_VERIFY",
    "GATE_PROXY_SECRET",
    "REMOTE_ADDR",
    "UNIQUE_ID",
    "HTTP_AUTHORIZATION",
    "HTTP_COOKIE",
    "QUERY_STRING",
    "REQUEST_URI",
];

/// The meta-variables of one request. Nothing is logged of them as they are.
#[derive(Clone, Copy, Default)]
pub struct Variables<'a> {
    gate: Option<&'a [u8]>,
    said: Parameters<'a>,
    authorization: Option<&'a [u8]>,
    cookie: Option<&'a [u8]>,
    query: Option<&'a [u8]>,
    uri: Option<&'a [u8]>,
}

impl<'a> Variables<'a> {
    /// Reads a whole stream.
    ///
    /// # Errors
    /// A stream that is no pairs, or has too many; one of the names twice.
    pub fn read(stream: &'a [u8]) -> Result<Self, Malformed> {
        let mut values = [None; NAMES.len()];
        for pair in Pairs::new(stream) {
            let (name, value) = pair?;
            let known = NAMES.iter().zip(&mut values);
            let Some((known, place)) = known
                .into_iter()
                .find(|(known, _)| known.as_bytes() == name)
            else {
                continue;
            };
            if place.replace(value).is_some() {
                return Err(Malformed::Twice(known));
            }
        }
        let [
            gate,
            certificate,
            verify,
            secret,
            address,
            request_id,
            authorization,
            cookie,
            query,
            uri,
        ] = values;
        Ok(Self {
            gate,
            said: Parameters {
                certificate,
                verify,
                secret,
                address,
                request_id,
            },
            authorization,
            cookie,
            query,
            uri,
        })
    }

    /// `GATE_NAME`, unless it is empty.
    pub fn gate(&self) -> Option<&'a [u8]> {
        self.gate.filter(|name| !name.is_empty())
    }

    /// What only the web server can say.
    pub const fn said(&self) -> &Parameters<'a> {
        &self.said
    }

    /// Whether the client sent an `Authorization` header.
    pub const fn has_authorization(&self) -> bool {
        self.authorization.is_some()
    }

    /// The query of the request's URI, if there is one.
    pub fn query(&self) -> Option<Cow<'a, str>> {
        self.query.map(String::from_utf8_lossy)
    }

    /// The client's headers as far as a gate looks at them, with `REQUEST_URI` among them: behind a
    /// rewritten request it has another query.
    ///
    /// # Errors
    /// A value that no header could have had.
    pub fn headers(&self) -> Result<HeaderMap, Malformed> {
        let mut headers = HeaderMap::with_capacity(3);
        for (name, value, called) in [
            (AUTHORIZATION, self.authorization, "HTTP_AUTHORIZATION"),
            (COOKIE, self.cookie, "HTTP_COOKIE"),
            (ORIGINAL_URI, self.uri, "REQUEST_URI"),
        ] {
            let Some(value) = value else { continue };
            let value = HeaderValue::from_bytes(value).map_err(|_| Malformed::Value(called))?;
            headers.insert(name, value);
        }
        Ok(headers)
    }
}

const ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");

#[cfg(test)]
mod tests {
    use super::super::record::write_pair;
    use super::*;

    fn stream(pairs: &[(&str, &str)]) -> Vec<u8> {
        let mut stream = Vec::new();
        for (name, value) in pairs {
            write_pair(name.as_bytes(), value.as_bytes(), &mut stream);
        }
        stream
    }

    #[test]
    fn every_name_has_its_place() {
        let pairs = NAMES.map(|name| (name, name));
        let stream = stream(&pairs);
        let read = Variables::read(&stream).expect("each once");
        let said = read.said();
        let found = [
            read.gate(),
            said.certificate,
            said.verify,
            said.secret,
            said.address,
            said.request_id,
            read.authorization,
            read.cookie,
            read.query,
            read.uri,
        ];
        assert_eq!(found, NAMES.map(|name| Some(name.as_bytes())));
        let headers = read.headers().expect("headers");
        assert_eq!(headers.len(), 3);
        assert_eq!(headers["authorization"], "HTTP_AUTHORIZATION");
        assert_eq!(headers["cookie"], "HTTP_COOKIE");
        assert_eq!(headers["x-original-uri"], "REQUEST_URI");
        assert!(read.has_authorization());
    }

    #[test]
    fn nothing_is_read_twice() {
        for name in NAMES {
            for (one, other) in [("a", "a"), ("", ""), ("", "b")] {
                let stream = stream(&[(name, one), ("X", ""), (name, other)]);
                let read = Variables::read(&stream).err();
                assert_eq!(read, Some(Malformed::Twice(name)));
            }
        }
        let stream = stream(&[("PATH", "a"), ("PATH", "b")]);
        assert!(Variables::read(&stream).is_ok());
    }

    #[test]
    fn no_other_spelling_counts() {
        let pairs = [
            ("HTTP_GATE_CLIENT_CERT", "x"),
            ("HTTP_X_CLIENTCERT", "x"),
            ("gate_client_cert", "x"),
            ("GATE-CLIENT-CERT", "x"),
            ("GATE_CLIENT_CERT ", "x"),
            ("REDIRECT_GATE_NAME", "x"),
            ("SSL_CLIENT_CERT", "x"),
            ("", "x"),
            ("GATE_NAME", ""),
        ];
        let stream = stream(&pairs);
        let read = Variables::read(&stream).expect("pairs");
        assert!(read.said().certificate.is_none() && read.gate().is_none());
        assert!(read.headers().expect("none").is_empty());
        assert_eq!(read.query(), None);
    }

    #[test]
    fn garbage() {
        assert_eq!(
            Variables::read(b"\x09\x7fGATE").err(),
            Some(Malformed::Length)
        );
        for name in ["HTTP_AUTHORIZATION", "HTTP_COOKIE", "REQUEST_URI"] {
            for value in ["a\nb", "a\0", "\u{7f}"] {
                let stream = stream(&[(name, value)]);
                let read = Variables::read(&stream).expect("pairs");
                assert_eq!(read.headers().err(), Some(Malformed::Value(name)));
            }
        }
        let mut stream = Vec::new();
        write_pair(b"QUERY_STRING", b"a=\xff", &mut stream);
        let read = Variables::read(&stream).expect("pairs");
        assert_eq!(read.query().as_deref(), Some("a=\u{fffd}"));
    }
}
