//! Records, and the names and values in them (FastCGI 1.0 sections 3.3, 3.4 and 8).

use std::fmt;

/// The octets before a record's content.
pub const HEADER: usize = 8;

/// The most pairs that are read from one stream.
pub const PAIRS: usize = 1_000;

/// The only version that there is.
const VERSION: u8 = 1;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A web server begins a request.
    BeginRequest,
    /// It gives one up.
    AbortRequest,
    /// The application has answered.
    EndRequest,
    /// A piece of the parameters.
    Params,
    /// A piece of the body.
    Stdin,
    /// A piece of the answer.
    Stdout,
    /// A piece of what went wrong.
    Stderr,
    /// A piece of a file, for a Filter.
    Data,
    /// A web server asks what the application can do.
    GetValues,
    /// The answer to that.
    GetValuesResult,
    /// The answer to a question that is not understood.
    UnknownType,
    /// A number that means nothing in version 1.
    Other(u8),
}

/// All kinds that have a name, in the order of their numbers, which begin with 1.
const KINDS: [Kind; 11] = [
    Kind::BeginRequest,
    Kind::AbortRequest,
    Kind::EndRequest,
    Kind::Params,
    Kind::Stdin,
    Kind::Stdout,
    Kind::Stderr,
    Kind::Data,
    Kind::GetValues,
    Kind::GetValuesResult,
    Kind::UnknownType,
];

impl Kind {
    fn of(number: u8) -> Self {
        let at = usize::from(number).checked_sub(1);
        at.and_then(|at| KINDS.get(at).copied())
            .unwrap_or(Self::Other(number))
    }

    /// Its number.
    pub fn number(self) -> u8 {
        match self {
            Self::Other(number) => number,
            // Their numbers are those of section 8.
            Self::BeginRequest => 1,
            Self::AbortRequest => 2,
            Self::EndRequest => 3,
            Self::Params => 4,
            Self::Stdin => 5,
            Self::Stdout => 6,
            Self::Stderr => 7,
            Self::Data => 8,
            Self::GetValues => 9,
            Self::GetValuesResult => 10,
            Self::UnknownType => 11,
        }
    }
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// What it is.
    pub kind: Kind,
    /// The request that it belongs to; 0 for one that belongs to the connection.
    pub request: u16,
    /// Its content, without the padding.
    pub content: &'a [u8],
}

impl<'a> Record<'a> {
    /// The record at the beginning, and how many octets it takes with its padding; none while a part of
    /// it is missing.
    ///
    /// # Errors
    /// It is of another version, which its first octet tells.
    pub fn first(octets: &'a [u8]) -> Result<Option<(Self, usize)>, Malformed> {
        if let Some(version) = octets.first().filter(|version| **version != VERSION) {
            return Err(Malformed::Version(*version));
        }
        let Some(([_, kind, id1, id0, length1, length0, padding, _], rest)) =
            octets.split_first_chunk::<HEADER>()
        else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes([*length1, *length0]));
        let whole = HEADER + length + usize::from(*padding);
        if octets.len() < whole {
            return Ok(None);
        }
        let record = rest.get(..length).map(|content| Self {
            kind: Kind::of(*kind),
            request: u16::from_be_bytes([*id1, *id0]),
            content,
        });
        Ok(record.map(|record| (record, whole)))
    }
}

/// Adds a record, or as many as the content needs; one without content if there is none.
pub fn write(kind: Kind, request: u16, content: &[u8], answer: &mut Vec<u8>) {
    let mut rest = content;
    loop {
        let length = u16::try_from(rest.len()).unwrap_or(u16::MAX);
        let (piece, after) = rest.split_at(usize::from(length));
        answer.extend([VERSION, kind.number()]);
        answer.extend(request.to_be_bytes());
        answer.extend(length.to_be_bytes());
        answer.extend([0, 0]);
        answer.extend(piece);
        rest = after;
        if rest.is_empty() {
            return;
        }
    }
}

/// Adds a pair, as [`Pairs`] reads it; a text longer than 2³¹ octets, which nothing here has, is cut.
pub fn write_pair(name: &[u8], value: &[u8], pairs: &mut Vec<u8>) {
    const LONGEST: u32 = u32::MAX >> 1;
    let bounded = |text: &[u8]| u32::try_from(text.len()).map_or(LONGEST, |n| n.min(LONGEST));
    for length in [bounded(name), bounded(value)] {
        match u8::try_from(length) {
            Ok(short @ 0..=127) => pairs.push(short),
            _ => pairs.extend((length | !LONGEST).to_be_bytes()),
        }
    }
    for text in [name, value] {
        pairs.extend(text.iter().take(LONGEST as usize));
    }
}

/// The names and values of a whole stream. Ends after the first that is malformed.
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Pairs<'a> {
    /// Of that stream.
    pub const fn new(stream: &'a [u8]) -> Self {
        Self {
            rest: stream,
            left: PAIRS,
        }
    }

    /// One octet, or four where the first bit of the first is set.
    fn length(&mut self) -> Option<usize> {
        let (first, rest) = self.rest.split_first()?;
        if *first < 0x80 {
            self.rest = rest;
            return Some(usize::from(*first));
        }
        let (four, rest) = self.rest.split_first_chunk::<4>()?;
        self.rest = rest;
        usize::try_from(u32::from_be_bytes(*four) & (u32::MAX >> 1)).ok()
    }

    fn text(&mut self, length: usize) -> Option<&'a [u8]> {
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(text)
    }

    fn pair(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let (name, value) = (self.length()?, self.length()?);
        Some((self.text(name)?, self.text(value)?))
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some(left) = self.left.checked_sub(1) else {
            self.rest = &[];
            return Some(Err(Malformed::Pairs));
        };
        self.left = left;
        let pair = self.pair();
        if pair.is_none() {
            self.rest = &[];
        }
        Some(pair.ok_or(Malformed::Length))
    }
}

/// Octets that are no `FastCGI`, or none that an Authorizer is asked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A record of another version.
    Version(u8),
    /// A kind of record that is out of place.
    Unexpected(Kind),
    /// A record of a request that was not begun, or of none where it must be of one.
    Request(u16),
    /// A second request before the first has ended.
    Second,
    /// What begins a request is not eight octets.
    Begin,
    /// A name or a value that is longer than what there is.
    Length,
    /// More than [`PAIRS`] pairs.
    Pairs,
    /// A parameter that came twice.
    Twice(&'static str),
    /// A parameter that no header could hold.
    Value(&'static str),
    /// More octets than are read of what nobody asked for.
    Ignored,
    /// Nothing that could be asked.
    NoGate,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(
                f,
                "a FastCGI record begins with version 1, not with {version}: does the web server \
                 speak HTTP or TLS to --fcgi-listen?"
            ),
            Self::Unexpected(kind) => write!(f, "a FastCGI record {kind:?} is out of place"),
            Self::Request(request) => write!(
                f,
                "a FastCGI record is of the request {request}, which was not begun"
            ),
            Self::Second => f.write_str(
                "a second FastCGI request was begun before the first had ended, which \
                 FCGI_MPXS_CONNS=0 rules out",
            ),
            Self::Begin => f.write_str("FCGI_BEGIN_REQUEST has not eight octets"),
            Self::Length => {
                f.write_str("a FastCGI parameter is longer than the stream that it is in")
            }
            Self::Pairs => write!(f, "there are more than {PAIRS} FastCGI parameters"),
            Self::Twice(name) => write!(f, "the FastCGI parameter {name} came twice"),
            Self::Value(name) => {
                write!(f, "the FastCGI parameter {name} has control characters")
            }
            Self::NoGate => f.write_str("there is no gate to ask"),
            Self::Ignored => f.write_str("too much came that an Authorizer is not sent"),
        }
    }
}

impl std::error::Error for Malformed {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records() {
        let whole = [1, 4, 1, 2, 0, 3, 2, 9, b'a', b'b', b'c', 0, 0, 7];
        let record = Record {
            kind: Kind::Params,
            request: 0x102,
            content: b"abc",
        };
        assert_eq!(Record::first(&whole), Ok(Some((record, 13))));
        for cut in 0..13 {
            assert_eq!(Record::first(&whole[..cut]), Ok(None), "{cut}");
        }
        for version in [0, 2, b'G', 0x16, 0xff] {
            for octets in [&[version][..], &[version, 4, 1, 2, 0, 0, 0, 0]] {
                assert_eq!(Record::first(octets), Err(Malformed::Version(version)));
            }
        }
        let longest = [vec![1, 5, 0, 1, 0xff, 0xff, 0xff, 0], vec![0; 65_790]].concat();
        let read = Record::first(&longest).map(|read| read.map(|(r, n)| (r.content.len(), n)));
        assert_eq!(read, Ok(Some((65_535, 65_798))));
        assert_eq!(Record::first(&longest[..65_797]), Ok(None));
    }

    #[test]
    fn kinds_have_their_numbers() {
        for number in 0..=u8::MAX {
            let kind = Kind::of(number);
            assert_eq!(kind.number(), number);
            assert_eq!(matches!(kind, Kind::Other(_)), !(1..=11).contains(&number));
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for (length, expected) in [
            (0, &[0][..]),
            (3, &[3]),
            (65_535, &[65_535]),
            (65_536, &[65_535, 1]),
            (140_000, &[65_535, 65_535, 8_930]),
        ] {
            let mut octets = Vec::new();
            write(Kind::Stdout, 7, &vec![b'x'; length], &mut octets);
            let (mut rest, mut lengths) = (&octets[..], Vec::new());
            while let Some((record, taken)) = Record::first(rest).expect("version 1") {
                assert_eq!((record.kind, record.request), (Kind::Stdout, 7));
                lengths.push(record.content.len());
                rest = &rest[taken..];
            }
            assert!(rest.is_empty());
            assert_eq!(lengths, expected, "{length}");
        }
    }

    #[test]
    fn pairs() {
        let long = "v".repeat(200);
        for pair in [
            ("", ""),
            ("a", ""),
            ("", "b"),
            ("a", "b"),
            ("NAME", &long),
            (&long, "v"),
        ] {
            let mut stream = Vec::new();
            write_pair(pair.0.as_bytes(), pair.1.as_bytes(), &mut stream);
            write_pair(b"last", b"one", &mut stream);
            let read: Vec<_> = Pairs::new(&stream).collect();
            let pair = (pair.0.as_bytes(), pair.1.as_bytes());
            assert_eq!(read, [Ok(pair), Ok((&b"last"[..], &b"one"[..]))]);
            for cut in 1..stream.len() {
                let read: Vec<_> = Pairs::new(&stream[..cut]).collect();
                let whole = cut == stream.len() - 9;
                assert_eq!(
                    read.last() == Some(&Err(Malformed::Length)),
                    !whole,
                    "{cut}"
                );
                assert!(read.len() <= 2);
            }
        }
        // A short length may take four octets.
        let read: Vec<_> = Pairs::new(&[0x80, 0, 0, 1, 1, b'a', b'b']).collect();
        assert_eq!(read, [Ok((&b"a"[..], &b"b"[..]))]);
        for wrong in [
            &[1][..],
            &[1, 1],
            &[1, 1, b'a'],
            &[0x80],
            &[0x80, 0, 0],
            &[0x80, 0, 0, 1],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0xff, 0xff, 0xff, 0xff, 0, b'a'],
            &[1, 0xff, 0xff, 0xff, 0xff, b'a', b'b'],
        ] {
            let read: Vec<_> = Pairs::new(wrong).collect();
            assert_eq!(read, [Err(Malformed::Length)], "{wrong:?}");
        }
    }

    #[test]
    fn pairs_are_counted() {
        for (count, expected) in [(PAIRS, None), (PAIRS + 1, Some(Malformed::Pairs))] {
            let stream = vec![0; 2 * count];
            let last = Pairs::new(&stream).last().expect("a pair");
            assert_eq!(last.err(), expected);
            assert!(Pairs::new(&stream).count() <= PAIRS + 1);
        }
    }
}
