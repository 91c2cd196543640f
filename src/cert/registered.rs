//! The subject name a client registers (`tls_client_auth_subject_dn`, RFC 8705 section 2.1.2):
//! a string read by the grammar of RFC 4514 section 3.
//!
//! Beyond the grammar, unescaped spaces around `,` `+` `=` and at both ends are dropped (everybody
//! writes them, and they cannot change what is compared), and the names of [`attribute`] are read.
//! Everything else outside the grammar is refused when it is registered.
//!
//! [`attribute`]: super::attribute

use std::fmt;
use std::str::FromStr;

use super::attribute::Oid;
use super::der::{self, Reader};
use super::name::{DistinguishedName, NameError};
use super::rdn::{Attribute, Rdn, write_rdns};

/// A registered name longer than this is refused: octets.
const MAX_LENGTH: usize = 16 * 1024;

/// A distinguished name somebody registered, in the form in which subjects are compared with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredName(DistinguishedName);

impl RegisteredName {
    /// The name itself.
    pub const fn name(&self) -> &DistinguishedName {
        &self.0
    }

    /// The string with its RDNs turned round, where this one looks as if it were written first
    /// RDN first, country or domain leftmost, as directories and some programs print it: a hint for
    /// messages, by which nothing is decided.
    pub fn looks_reversed(&self) -> Option<String> {
        let rdns = self.0.rdns();
        let (first, last) = (rdns.first()?, rdns.last()?);
        (last.is_top() && !first.is_top()).then(|| Reversed(rdns).to_string())
    }
}

struct Reversed<'a>(&'a [Rdn]);

impl fmt::Display for Reversed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_rdns(f, self.0.iter())
    }
}

impl fmt::Display for RegisteredName {
    /// RFC 4514 as [`DistinguishedName`] prints it; a value that was given as text stays text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for RegisteredName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        read(text).map(Self)
    }
}

fn read(text: &str) -> Result<DistinguishedName, NameError> {
    if text.len() > MAX_LENGTH {
        return Err(SyntaxError::TooLong.into());
    }
    if let Some(control) = text.chars().find(|character| character.is_control()) {
        return Err(SyntaxError::RawControl(control).into());
    }
    let mut input = Input(text.trim_start_matches(' '));
    if input.0.is_empty() {
        return Err(NameError::Empty);
    }
    if input.0.starts_with('/') {
        return Err(SyntaxError::OneLine.into());
    }
    let mut rdns = Vec::new();
    loop {
        let mut attributes = Vec::with_capacity(1);
        let mut end = read_attribute(&mut input, &mut attributes)?;
        while end == End::Plus {
            end = read_attribute(&mut input, &mut attributes)?;
        }
        rdns.extend(Rdn::new(attributes));
        if end == End::Text {
            break;
        }
    }
    // The string runs from the last RDN of the sequence to the first (RFC 4514 section 2.1).
    rdns.reverse();
    DistinguishedName::from_rdns(rdns)
}

/// What follows an attribute.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Comma,
    Plus,
    Text,
}

/// What is left of the string.
struct Input<'a>(&'a str);

impl<'a> Input<'a> {
    fn skip_spaces(&mut self) {
        self.0 = self.0.trim_start_matches(' ');
    }

    fn take(&mut self, octets: usize) -> &'a str {
        let (taken, rest) = self.0.split_at(octets);
        self.0 = rest;
        taken
    }

    /// What is left up to the next separator, for messages.
    fn part(&self) -> String {
        let part = self.0.split([',', '+']).next().unwrap_or_default();
        part.trim_matches(' ').chars().take(80).collect()
    }
}

fn read_attribute(
    input: &mut Input<'_>,
    attributes: &mut Vec<Attribute>,
) -> Result<End, NameError> {
    let oid = read_type(input)?;
    input.skip_spaces();
    let (attribute, end) = if input.0.starts_with('#') {
        read_hex(input, oid)?
    } else {
        let (text, end) = read_string(input)?;
        (Attribute::from_text(oid, text)?, end)
    };
    attributes.push(attribute);
    Ok(end)
}

/// Reads `descr =` or `numericoid =`.
fn read_type(input: &mut Input<'_>) -> Result<Oid, SyntaxError> {
    input.skip_spaces();
    let length = input.0.find(['=', ',', '+', ';', '"', '\\']);
    let Some(length) = length.filter(|at| input.0[*at..].starts_with('=')) else {
        return Err(SyntaxError::NoType(input.part()));
    };
    let name = input.take(length).trim_end_matches(' ').to_owned();
    input.take(1);
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        return Oid::from_dotted(&name).ok_or(SyntaxError::BadOid(name));
    }
    let prefix = name
        .get(..4)
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case("OID."));
    if prefix {
        return Err(SyntaxError::OidPrefix(name[4..].to_owned()));
    }
    Oid::from_name(&name).ok_or(SyntaxError::UnknownType(name))
}

/// Reads a `hexstring`: the DER of the value.
fn read_hex(input: &mut Input<'_>, oid: Oid) -> Result<(Attribute, End), NameError> {
    input.take(1);
    let length = input.0.find([',', '+']).unwrap_or(input.0.len());
    let digits = input.take(length).trim_end_matches(' ');
    let bad = || SyntaxError::BadHex(oid.to_string());
    let octets = hex_octets(digits).ok_or_else(bad)?;
    // RFC 4514 says BER; a second spelling of one value would only hide what is registered.
    der::strict(&octets).map_err(|_| bad())?;
    let value = Reader::new(&octets).any().map_err(|_| bad())?;
    let attribute = Attribute::from_value(oid, &value)?;
    Ok((attribute, end_of_value(input)))
}

fn hex_octets(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes();
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks_exact(2)
        .map(|pair| hex_pair(pair[0], pair[1]))
        .collect()
}

fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(nibble(high)? * 16 + nibble(low)?).ok()
}

/// Reads a `string`, undoing its escapes.
fn read_string(input: &mut Input<'_>) -> Result<(String, End), SyntaxError> {
    if input.0.starts_with('"') {
        return Err(SyntaxError::Quoted);
    }
    let mut value = Vec::new();
    // How much of the value stays when unescaped spaces at its end are dropped.
    let mut kept = 0;
    loop {
        let length = input.0.find([',', '+', ';', '"', '<', '>', '\\']);
        let plain = input.take(length.unwrap_or(input.0.len()));
        let trimmed = plain.trim_end_matches(' ').len();
        if trimmed > 0 {
            kept = value.len() + trimmed;
        }
        value.extend_from_slice(plain.as_bytes());
        match input.0.as_bytes() {
            [] | [b',' | b'+', ..] => break,
            [b'\\', rest @ ..] => {
                let (octet, length) = unescape(rest)?;
                value.push(octet);
                kept = value.len();
                input.take_octets(1 + length)?;
            }
            [special, ..] => return Err(SyntaxError::Unescaped(char::from(*special))),
        }
    }
    value.truncate(kept);
    let text = String::from_utf8(value).map_err(|_| SyntaxError::NotUtf8)?;
    Ok((text, end_of_value(input)))
}

impl Input<'_> {
    fn take_octets(&mut self, octets: usize) -> Result<(), SyntaxError> {
        self.0 = self.0.get(octets..).ok_or(SyntaxError::BadEscape)?;
        Ok(())
    }
}

/// The octet that what follows a backslash stands for, and how long that is.
fn unescape(rest: &[u8]) -> Result<(u8, usize), SyntaxError> {
    match *rest {
        [
            special @ (b'\\' | b'"' | b'+' | b',' | b';' | b'<' | b'>' | b' ' | b'#' | b'='),
            ..,
        ] => Ok((special, 1)),
        [high, low, ..] => hex_pair(high, low)
            .map(|octet| (octet, 2))
            .ok_or(SyntaxError::BadEscape),
        _ => Err(SyntaxError::BadEscape),
    }
}

/// Passes the separator; the value was read up to one.
fn end_of_value(input: &mut Input<'_>) -> End {
    let end = match input.0.as_bytes() {
        [b',', ..] => End::Comma,
        [b'+', ..] => End::Plus,
        _ => return End::Text,
    };
    input.take(1);
    end
}

/// What in a registered string is not RFC 4514.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyntaxError {
    /// Longer than 16 KiB.
    TooLong,
    /// A control character as it is, such as a line end.
    RawControl(char),
    /// The one-line form of OpenSSL, `/C=US/CN=a`.
    OneLine,
    /// A part between separators that does not begin with a type and `=`.
    NoType(String),
    /// A dotted type that is no OBJECT IDENTIFIER.
    BadOid(String),
    /// The `OID.` prefix of RFC 2253, before this.
    OidPrefix(String),
    /// A name of a type that is not known.
    UnknownType(String),
    /// `#` and what is not the hexadecimal DER of one value, for that type.
    BadHex(String),
    /// A value in quotation marks.
    Quoted,
    /// A special character without a backslash.
    Unescaped(char),
    /// A backslash before what needs none.
    BadEscape,
    /// Hexadecimal pairs that are not UTF-8.
    NotUtf8,
}

impl From<SyntaxError> for NameError {
    fn from(error: SyntaxError) -> Self {
        Self::Syntax(error)
    }
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "a name is at most {MAX_LENGTH} octets"),
            Self::RawControl(control) => write!(
                f,
                "the name holds U+{:04X}, a control character: leave it out",
                u32::from(*control)
            ),
            Self::OneLine => f.write_str(
                "the form /C=US/O=Example/CN=a is not RFC 4514: write CN=a,O=Example,C=US, last part first",
            ),
            Self::NoType(part) => write!(
                f,
                "{part:?} does not begin with an attribute type and =: a comma or plus inside a value is written \\, or \\+, and no separator stands at the end"
            ),
            Self::BadOid(oid) => write!(
                f,
                "{oid:?} is not an attribute type: write dotted numbers without leading zeros, for example 2.5.4.97"
            ),
            Self::OidPrefix(oid) => write!(f, "write {oid:?} without OID. before it"),
            Self::UnknownType(name) => write!(
                f,
                "the attribute type {name:?} is not known: RFC 4514 has CN, L, ST, O, OU, C, STREET, DC and UID; write any other as its dotted OID and #hex of the DER value, for example 2.5.4.97=#0c0161 (`certbound inspect` prints it)"
            ),
            Self::BadHex(oid) => write!(
                f,
                "what follows {oid}=# is not the hexadecimal DER of one value; a value that begins with # is written \\#"
            ),
            Self::Quoted => f.write_str(
                "RFC 4514 has no quotation marks: write O=Example\\, Inc. for O=\"Example, Inc.\"",
            ),
            Self::Unescaped(special) => {
                write!(f, "{special} inside a value is written \\{special}")
            }
            Self::BadEscape => f.write_str(
                "a backslash stands before one of \" + , ; < > # = \\ or a space, or before two hexadecimal digits of UTF-8",
            ),
            Self::NotUtf8 => {
                f.write_str("the hexadecimal pairs of a value are not UTF-8: \u{e9} is \\C3\\A9")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read() {
        for (text, printed) in [
            ("CN=a", "CN=a"),
            ("  cn = a , o=b  +  ou = c ", "CN=a,O=b+OU=c"),
            ("2.5.4.3=a", "CN=a"),
            ("2.5.4.97=PSD-1", "2.5.4.97=PSD-1"),
            ("2.5.4.97=#0C0161", "2.5.4.97=#0c0161"),
            ("1.2.3.4=#0500", "1.2.3.4=#0500"),
            ("CN=\\41\\c3\\A9 , C=US", "CN=A\u{e9},C=US"),
            ("CN=a\\ , C=US", "CN=a\\ ,C=US"),
            ("CN=\\ a\\20 ", "CN=\\ a\\ "),
            ("CN=a=b#c", "CN=a=b#c"),
            ("CN=\u{e9}\\,\u{e9}", "CN=\u{e9}\\,\u{e9}"),
            ("emailAddress=a@b", "1.2.840.113549.1.9.1=a@b"),
        ] {
            let name = text.parse::<RegisteredName>();
            assert_eq!(
                name.map(|name| name.to_string()),
                Ok(printed.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_refused() {
        let syntax = |error: SyntaxError| NameError::Syntax(error);
        for (text, error) in [
            ("", NameError::Empty),
            ("  ", NameError::Empty),
            ("/C=US/CN=a", syntax(SyntaxError::OneLine)),
            ("CN=\"a\"", syntax(SyntaxError::Quoted)),
            ("CN=a\"b", syntax(SyntaxError::Unescaped('"'))),
            ("CN=a;C=US", syntax(SyntaxError::Unescaped(';'))),
            (
                "O=Foo, Inc.,C=US",
                syntax(SyntaxError::NoType("Inc.".into())),
            ),
            ("CN=a,", syntax(SyntaxError::NoType(String::new()))),
            ("CN=a+,C=US", syntax(SyntaxError::NoType(String::new()))),
            (",CN=a", syntax(SyntaxError::NoType(String::new()))),
            (".*", syntax(SyntaxError::NoType(".*".into()))),
            ("=a", syntax(SyntaxError::UnknownType(String::new()))),
            ("S=a", syntax(SyntaxError::UnknownType("S".into()))),
            (
                "OID.2.5.4.3=a",
                syntax(SyntaxError::OidPrefix("2.5.4.3".into())),
            ),
            ("2.5.4.03=a", syntax(SyntaxError::BadOid("2.5.4.03".into()))),
            ("CN=#0c016", syntax(SyntaxError::BadHex("2.5.4.3".into()))),
            ("CN=#", syntax(SyntaxError::BadHex("2.5.4.3".into()))),
            ("CN=#0c0261", syntax(SyntaxError::BadHex("2.5.4.3".into()))),
            (
                "CN=#0c016100",
                syntax(SyntaxError::BadHex("2.5.4.3".into())),
            ),
            (
                "CN=#0c810161",
                syntax(SyntaxError::BadHex("2.5.4.3".into())),
            ),
            ("CN=#0c 0161", syntax(SyntaxError::BadHex("2.5.4.3".into()))),
            ("CN=#040161", NameError::Undecodable("2.5.4.3".into())),
            ("1.2.3.4=a", NameError::NeedsHex("1.2.3.4".into())),
            ("CN=\\xyz", syntax(SyntaxError::BadEscape)),
            ("CN=a\\", syntax(SyntaxError::BadEscape)),
            ("CN=a\\4", syntax(SyntaxError::BadEscape)),
            ("CN=\\\u{e9}", syntax(SyntaxError::BadEscape)),
            ("CN=\\FF", syntax(SyntaxError::NotUtf8)),
            ("CN=a\n", syntax(SyntaxError::RawControl('\n'))),
        ] {
            assert_eq!(text.parse::<RegisteredName>(), Err(error), "{text}");
        }
        for blank in [
            "CN=",
            "CN= ,C=US",
            "CN=\\20",
            "CN=#0c00",
            "CN=\\00",
            "CN=a\u{200b}",
        ] {
            let error = blank.parse::<RegisteredName>();
            assert!(
                matches!(error, Err(NameError::Unprepared(_, _))),
                "{blank}: {error:?}"
            );
        }
    }

    #[test]
    fn the_usual_slip_is_named() {
        let hint = |text: &str| {
            text.parse::<RegisteredName>()
                .map(|name| name.looks_reversed())
        };
        assert_eq!(hint("C=US,O=b,CN=a"), Ok(Some("CN=a,O=b,C=US".into())));
        assert_eq!(hint("CN=a,O=b,C=US"), Ok(None));
        assert_eq!(hint("C=US"), Ok(None));
        let domain = Ok(Some("CN=a,DC=example,DC=com".into()));
        assert_eq!(hint("DC=com,DC=example,CN=a"), domain);
    }
}
