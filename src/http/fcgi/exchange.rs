//! What a connection is told and what it is to do about it: one request at a time, in the role of an
//! Authorizer (FastCGI 1.0 sections 3, 4, 5 and 6.3).

use super::record::{self, Kind, Malformed, Pairs, Record};

/// How many octets of records are read that an Authorizer is not sent: the body of a request that is
/// being answered or was, and what is left of one that was turned away.
const IGNORED: usize = 64 * 1024;

/// `FCGI_RESPONDER`, `FCGI_AUTHORIZER` and `FCGI_FILTER` are 1, 2 and 3.
const AUTHORIZER: u16 = 2;

/// `FCGI_KEEP_CONN`.
const KEEP: u8 = 1;

/// `FCGI_REQUEST_COMPLETE` and `FCGI_UNKNOWN_ROLE`.
const COMPLETE: u8 = 0;
const UNKNOWN_ROLE: u8 = 3;

/// One connection.
#[derive(Debug)]
pub struct Exchange {
    state: State,
    /// The most octets of parameters.
    limit: usize,
    /// How many connections there may be, which is also how many requests.
    connections: usize,
    ignored: usize,
}

#[derive(Debug)]
enum State {
    /// No request was begun yet.
    Fresh,
    /// The parameters of a request are arriving.
    Open {
        request: u16,
        keep: bool,
        parameters: Vec<u8>,
    },
    /// A request has come to its end here, while the web server may still send some of it.
    Over {
        request: u16,
        /// Whether its parameters had arrived.
        whole: bool,
    },
}

/// What there is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing yet.
    Nothing,
    /// To send that: an answer about the connection.
    Tell(Vec<u8>),
    /// To send that, which ends a request without a decision, and to close unless the web server wants
    /// to go on.
    End {
        /// What to send.
        answer: Vec<u8>,
        /// Whether the connection is kept.
        keep: bool,
    },
    /// To decide.
    Asked(Question),
    /// To refuse a request of which not all was read, and to close.
    TooLarge {
        /// The request.
        request: u16,
    },
}

/// A request of which everything has arrived that an Authorizer needs.
#[derive(Debug, PartialEq, Eq)]
pub struct Question {
    /// The request.
    pub request: u16,
    /// Whether the connection is kept after the answer.
    pub keep: bool,
    /// All of its parameters, as [`Pairs`] reads them.
    pub parameters: Vec<u8>,
}

impl Exchange {
    /// A connection on which requests may have so many octets of parameters, out of so many connections.
    pub const fn new(limit: usize, connections: usize) -> Self {
        Self {
            state: State::Fresh,
            limit,
            connections,
            ignored: 0,
        }
    }

    /// Whether a request has begun and is not whole.
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// Takes the next record.
    ///
    /// # Errors
    /// It does not belong here, after which the connection is of no use.
    pub fn take(&mut self, record: &Record<'_>) -> Result<Event, Malformed> {
        match (record.kind, record.request) {
            (Kind::GetValues, 0) => self.values(record.content),
            (kind @ Kind::Other(_), 0) => {
                let mut answer = Vec::new();
                let content = [kind.number(), 0, 0, 0, 0, 0, 0, 0];
                record::write(Kind::UnknownType, 0, &content, &mut answer);
                Ok(Event::Tell(answer))
            }
            (Kind::BeginRequest, 1..) => self.begin(record),
            (Kind::Params, 1..) => self.parameters(record),
            (Kind::Stdin | Kind::Data, 1..) => self.ignore(record),
            (Kind::AbortRequest, 1..) => self.abort(record),
            (
                Kind::BeginRequest | Kind::Params | Kind::Stdin | Kind::Data | Kind::AbortRequest,
                0,
            ) => Err(Malformed::Request(0)),
            (kind, _) => Err(Malformed::Unexpected(kind)),
        }
    }

    /// Section 4.1.
    fn values(&self, content: &[u8]) -> Result<Event, Malformed> {
        let connections = self.connections.to_string();
        let known = [
            ("FCGI_MAX_CONNS", connections.as_str()),
            ("FCGI_MAX_REQS", connections.as_str()),
            ("FCGI_MPXS_CONNS", "0"),
        ];
        let mut wanted = [false; 3];
        for pair in Pairs::new(content) {
            let (name, _) = pair?;
            for (wanted, (known, _)) in wanted.iter_mut().zip(known) {
                *wanted |= name == known.as_bytes();
            }
        }
        let mut pairs = Vec::new();
        for (_, (name, value)) in wanted.iter().zip(known).filter(|(wanted, _)| **wanted) {
            record::write_pair(name.as_bytes(), value.as_bytes(), &mut pairs);
        }
        let mut answer = Vec::new();
        record::write(Kind::GetValuesResult, 0, &pairs, &mut answer);
        Ok(Event::Tell(answer))
    }

    /// Section 5.1.
    fn begin(&mut self, record: &Record<'_>) -> Result<Event, Malformed> {
        if self.is_open() {
            return Err(Malformed::Second);
        }
        let [role1, role0, flags, _, _, _, _, _] = record.content else {
            return Err(Malformed::Begin);
        };
        let keep = flags & KEEP != 0;
        let request = record.request;
        self.ignored = 0;
        if u16::from_be_bytes([*role1, *role0]) != AUTHORIZER {
            self.state = State::Over {
                request,
                whole: false,
            };
            let answer = ended(request, UNKNOWN_ROLE);
            return Ok(Event::End { answer, keep });
        }
        self.state = State::Open {
            request,
            keep,
            parameters: Vec::new(),
        };
        Ok(Event::Nothing)
    }

    /// Section 5.2.
    fn parameters(&mut self, record: &Record<'_>) -> Result<Event, Malformed> {
        let State::Open {
            request,
            keep,
            parameters,
        } = &mut self.state
        else {
            return self.ignore(record);
        };
        let (request, keep) = (*request, *keep);
        if request != record.request {
            return Err(Malformed::Request(record.request));
        }
        if record.content.is_empty() {
            let parameters = std::mem::take(parameters);
            self.state = State::Over {
                request,
                whole: true,
            };
            return Ok(Event::Asked(Question {
                request,
                keep,
                parameters,
            }));
        }
        if parameters.len() + record.content.len() > self.limit {
            self.state = State::Over {
                request,
                whole: false,
            };
            return Ok(Event::TooLarge { request });
        }
        parameters.extend_from_slice(record.content);
        Ok(Event::Nothing)
    }

    /// Section 5.4.
    fn abort(&mut self, record: &Record<'_>) -> Result<Event, Malformed> {
        let State::Open { request, keep, .. } = self.state else {
            // The web server did not know yet that it is over.
            return self.ignore(record);
        };
        if request != record.request {
            return Err(Malformed::Request(record.request));
        }
        self.state = State::Over {
            request,
            whole: false,
        };
        let answer = ended(request, COMPLETE);
        Ok(Event::End { answer, keep })
    }

    /// What may come, is not needed and does not last for ever.
    fn ignore(&mut self, record: &Record<'_>) -> Result<Event, Malformed> {
        let (request, whole) = match self.state {
            State::Fresh => return Err(Malformed::Request(record.request)),
            State::Open { request, .. } => (request, false),
            State::Over { request, whole } => (request, whole),
        };
        if request != record.request {
            return Err(Malformed::Request(record.request));
        }
        if whole && record.kind == Kind::Params {
            return Err(Malformed::Unexpected(record.kind));
        }
        self.ignored += record::HEADER + record.content.len();
        if self.ignored > IGNORED {
            return Err(Malformed::Ignored);
        }
        Ok(Event::Nothing)
    }
}

/// The records of an answer that has that text.
pub fn answered(request: u16, text: &[u8]) -> Vec<u8> {
    let mut answer = Vec::with_capacity(text.len() + 4 * record::HEADER);
    record::write(Kind::Stdout, request, text, &mut answer);
    record::write(Kind::Stdout, request, &[], &mut answer);
    answer.extend(ended(request, COMPLETE));
    answer
}

/// Section 5.5.
fn ended(request: u16, status: u8) -> Vec<u8> {
    let mut answer = Vec::new();
    let content = [0, 0, 0, 0, status, 0, 0, 0];
    record::write(Kind::EndRequest, request, &content, &mut answer);
    answer
}

/// What is asked in octets that a connection may have sent; for fuzzing.
///
/// # Errors
/// What makes the connection end.
pub fn asked(octets: &[u8], limit: usize) -> Result<Vec<Question>, Malformed> {
    let mut exchange = Exchange::new(limit, 1);
    let (mut rest, mut questions) = (octets, Vec::new());
    while let Some((record, taken)) = Record::first(rest)? {
        match exchange.take(&record)? {
            Event::Asked(question) => questions.push(question),
            Event::TooLarge { .. } => break,
            Event::Nothing | Event::Tell(_) | Event::End { .. } => {}
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    Ok(questions)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 100;

    fn record(kind: Kind, request: u16, content: &[u8]) -> Record<'_> {
        Record {
            kind,
            request,
            content,
        }
    }

    const BEGIN: &[u8] = &[0, 2, 0, 0, 0, 0, 0, 0];
    const KEPT: &[u8] = &[0, 2, 1, 0, 0, 0, 0, 0];

    /// What the last of those records leads to, and no other is malformed.
    fn last(records: &[(Kind, u16, &[u8])]) -> Result<Event, Malformed> {
        let mut exchange = Exchange::new(LIMIT, 9);
        let mut event = Ok(Event::Nothing);
        for (kind, request, content) in records {
            assert!(event.is_ok(), "{event:?} before the last: {records:?}");
            event = exchange.take(&record(*kind, *request, content));
        }
        event
    }

    fn question(request: u16, keep: bool, parameters: &[u8]) -> Event {
        Event::Asked(Question {
            request,
            keep,
            parameters: parameters.to_vec(),
        })
    }

    #[test]
    fn questions() {
        use Kind::{AbortRequest, BeginRequest, Data, GetValues, Params, Stdin};
        for (records, expected) in [
            (
                &[(BeginRequest, 1, BEGIN), (Params, 1, b"")][..],
                question(1, false, b""),
            ),
            (
                &[
                    (BeginRequest, 65_535, KEPT),
                    (Params, 65_535, b"a"),
                    (GetValues, 0, b""),
                    (Params, 65_535, b"bc"),
                    (Stdin, 65_535, b"body"),
                    (Params, 65_535, b""),
                ],
                question(65_535, true, b"abc"),
            ),
            (
                &[
                    (BeginRequest, 1, KEPT),
                    (Params, 1, b"a"),
                    (Params, 1, b""),
                    (Stdin, 1, b"late"),
                    (Stdin, 1, b""),
                    (Data, 1, b""),
                    (AbortRequest, 1, b""),
                    (BeginRequest, 1, BEGIN),
                    (Params, 1, b"b"),
                    (Params, 1, b""),
                ],
                question(1, false, b"b"),
            ),
            (
                &[
                    (BeginRequest, 1, BEGIN),
                    (Params, 1, &[b'x'; LIMIT]),
                    (Params, 1, b""),
                ],
                question(1, false, &[b'x'; LIMIT]),
            ),
            (
                &[
                    (BeginRequest, 1, BEGIN),
                    (Params, 1, &[b'x'; LIMIT]),
                    (Params, 1, b"y"),
                ],
                Event::TooLarge { request: 1 },
            ),
        ] {
            assert_eq!(last(records), Ok(expected), "{records:?}");
        }
    }

    #[test]
    fn what_ends_a_request_without_a_decision() {
        use Kind::{AbortRequest, BeginRequest, Params};
        let end = |request: u8, status: u8, keep| {
            let answer = vec![1, 3, 0, request, 0, 8, 0, 0, 0, 0, 0, 0, status, 0, 0, 0];
            Ok(Event::End { answer, keep })
        };
        for role in [[0, 1], [0, 3], [0, 0], [0, 4], [1, 2], [0xff, 0xff]] {
            let content = [role[0], role[1], 1, 0, 0, 0, 0, 0];
            let begun = [(BeginRequest, 7, &content[..])];
            assert_eq!(last(&begun), end(7, UNKNOWN_ROLE, true), "{role:?}");
            let more = [
                begun[0],
                (Params, 7, b"a"),
                (Params, 7, b""),
                (BeginRequest, 8, BEGIN),
            ];
            assert_eq!(last(&more), Ok(Event::Nothing));
        }
        let aborted = [
            (BeginRequest, 7, BEGIN),
            (Params, 7, b"a"),
            (AbortRequest, 7, b""),
        ];
        assert_eq!(last(&aborted), end(7, COMPLETE, false));
    }

    #[test]
    fn about_the_connection() {
        let mut names = Vec::new();
        for name in [
            "FCGI_MPXS_CONNS",
            "FCGI_MAX_CONNS",
            "FCGI_MAX_CONNS",
            "OTHER",
        ] {
            record::write_pair(name.as_bytes(), b"", &mut names);
        }
        let Ok(Event::Tell(answer)) = last(&[(Kind::GetValues, 0, &names)]) else {
            panic!("an answer");
        };
        let (answer, taken) = Record::first(&answer).expect("a record").expect("whole");
        assert_eq!((answer.kind, answer.request), (Kind::GetValuesResult, 0));
        assert_eq!(taken, record::HEADER + answer.content.len());
        let pairs: Vec<_> = Pairs::new(answer.content).flatten().collect();
        let expected: [(&[u8], &[u8]); 2] = [(b"FCGI_MAX_CONNS", b"9"), (b"FCGI_MPXS_CONNS", b"0")];
        assert_eq!(pairs, expected);
        let unknown = last(&[(Kind::Other(77), 0, b"whatever")]);
        let told = vec![1, 11, 0, 0, 0, 8, 0, 0, 77, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(unknown, Ok(Event::Tell(told)));
    }

    #[test]
    fn what_does_not_belong_there() {
        use Kind::{
            AbortRequest, BeginRequest, Data, EndRequest, GetValues, GetValuesResult, Other,
            Params, Stderr, Stdin, Stdout, UnknownType,
        };
        let begun = (BeginRequest, 1, BEGIN);
        let body = vec![0; IGNORED];
        let whole = (Params, 1, &b""[..]);
        for (records, expected) in [
            (&[(BeginRequest, 1, &BEGIN[..7])][..], Malformed::Begin),
            (&[(BeginRequest, 1, &[0; 9])], Malformed::Begin),
            (&[(BeginRequest, 0, BEGIN)], Malformed::Request(0)),
            (&[begun, begun], Malformed::Second),
            (&[begun, (BeginRequest, 2, BEGIN)], Malformed::Second),
            (&[whole], Malformed::Request(1)),
            (&[(Stdin, 1, b"")], Malformed::Request(1)),
            (&[(AbortRequest, 1, b"")], Malformed::Request(1)),
            (&[begun, (Params, 2, b"a")], Malformed::Request(2)),
            (&[begun, (Params, 0, b"a")], Malformed::Request(0)),
            (&[begun, (Stdin, 2, b"a")], Malformed::Request(2)),
            (&[begun, (Data, 0, b"a")], Malformed::Request(0)),
            (&[begun, (AbortRequest, 2, b"")], Malformed::Request(2)),
            (
                &[begun, whole, (Params, 1, b"a")],
                Malformed::Unexpected(Params),
            ),
            (&[begun, whole, (Stdin, 2, b"")], Malformed::Request(2)),
            (&[(EndRequest, 1, b"")], Malformed::Unexpected(EndRequest)),
            (&[(Stdout, 1, b"")], Malformed::Unexpected(Stdout)),
            (&[(Stderr, 0, b"")], Malformed::Unexpected(Stderr)),
            (&[(GetValues, 1, b"")], Malformed::Unexpected(GetValues)),
            (&[(GetValues, 0, b"\x05a")], Malformed::Length),
            (
                &[(GetValuesResult, 0, b"")],
                Malformed::Unexpected(GetValuesResult),
            ),
            (&[(UnknownType, 0, b"")], Malformed::Unexpected(UnknownType)),
            (&[(Other(12), 1, b"")], Malformed::Unexpected(Other(12))),
            (&[begun, (Stdin, 1, &body)], Malformed::Ignored),
            (&[begun, whole, (Stdin, 1, &body)], Malformed::Ignored),
        ] {
            assert_eq!(last(records), Err(expected), "{records:?}");
        }
    }

    #[test]
    fn nothing_is_ignored_for_ever() {
        let mut exchange = Exchange::new(LIMIT, 1);
        let begin = record(Kind::BeginRequest, 1, BEGIN);
        assert_eq!(exchange.take(&begin), Ok(Event::Nothing));
        let empty = record(Kind::Stdin, 1, b"");
        let taken = (0..=IGNORED)
            .take_while(|_| exchange.take(&empty).is_ok())
            .count();
        assert_eq!(taken, IGNORED / record::HEADER);
    }

    #[test]
    fn an_answer() {
        let answer = answered(3, b"Status: 200\r\n\r\n");
        let mut expected = vec![1, 6, 0, 3, 0, 15, 0, 0];
        expected.extend(b"Status: 200\r\n\r\n");
        expected.extend([1, 6, 0, 3, 0, 0, 0, 0, 1, 3, 0, 3, 0, 8, 0, 0]);
        expected.extend([0; 8]);
        assert_eq!(answer, expected);
    }
}
