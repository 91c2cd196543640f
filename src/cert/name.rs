//! Distinguished names: read from DER, printed as RFC 4514, compared by RFC 4517 section 4.2.15.

use std::fmt;

use super::attribute::Oid;
use super::der::{self, DerError, Reader, Tlv};
use super::prepare::{self, Unprepared};
use super::registered::RegisteredName;

/// A name that can be compared: at least one RDN, and every known attribute in prepared form.
#[derive(Clone, Debug)]
pub struct DistinguishedName {
    /// In the order of the encoding, which is the reverse of the string's.
    rdns: Vec<Rdn>,
}

impl DistinguishedName {
    /// Reads an encoded `Name` (RFC 5280 section 4.1.2.4).
    ///
    /// # Errors
    ///
    /// Where the DER is not strict, or the name could not be compared: it is empty, or a value is
    /// blank, does not decode, or holds characters that have no prepared form.
    pub fn from_der(octets: &[u8]) -> Result<Self, NameError> {
        der::strict(octets)?;
        let mut outer = Reader::new(octets);
        let mut sequence = outer.expect(der::SEQUENCE)?.reader();
        let mut rdns = Vec::new();
        while let Some(set) = sequence.next()? {
            if set.tag() != der::SET {
                return Err(DerError::Unexpected.into());
            }
            let mut set = set.reader();
            let mut attributes = Vec::with_capacity(1);
            while let Some(attribute) = set.next()? {
                attributes.push(Attribute::from_der(&attribute)?);
            }
            // RelativeDistinguishedName is SET SIZE (1..MAX).
            let rdn = Rdn::new(attributes).ok_or(DerError::Unexpected)?;
            rdns.push(rdn);
        }
        Self::from_rdns(rdns)
    }

    /// Takes RDNs in the order of the encoding.
    pub(super) fn from_rdns(rdns: Vec<Rdn>) -> Result<Self, NameError> {
        if rdns.is_empty() {
            return Err(NameError::Empty);
        }
        Ok(Self { rdns })
    }

    /// Whether this is the registered name: `distinguishedNameMatch` (RFC 4517 section 4.2.15).
    pub fn matches(&self, registered: &RegisteredName) -> bool {
        self.rdns == registered.name().rdns
    }

    /// The same as [`matches`](Self::matches), telling where the names part.
    pub fn compare(&self, registered: &RegisteredName) -> Result<(), NameMismatch> {
        let (own, other) = (&self.rdns, &registered.name().rdns);
        let mut pairs = own.iter().rev().zip(other.iter().rev());
        let first = pairs.position(|(own, other)| own != other);
        match first {
            None if own.len() == other.len() => Ok(()),
            first => {
                let at = first.unwrap_or(own.len().min(other.len()));
                let printed = |rdns: &[Rdn]| rdns.iter().rev().nth(at).map(ToString::to_string);
                Err(NameMismatch {
                    place: at + 1,
                    certificate: printed(own),
                    registered: printed(other),
                })
            }
        }
    }

    /// Whether the registered name is this one written in the wrong direction, so that what to
    /// write is this name as it prints. Nothing may be decided by it: it is for messages.
    pub fn matches_reversed(&self, registered: &RegisteredName) -> bool {
        !self.matches(registered) && self.rdns.iter().eq(registered.name().rdns.iter().rev())
    }

    /// The RDNs, first encoded first.
    pub(super) fn rdns(&self) -> &[Rdn] {
        &self.rdns
    }
}

impl PartialEq for DistinguishedName {
    /// By `distinguishedNameMatch`.
    fn eq(&self, other: &Self) -> bool {
        self.rdns == other.rdns
    }
}

impl Eq for DistinguishedName {}

impl fmt::Display for DistinguishedName {
    /// RFC 4514 with the nine short names of its section 3; every other type as `OID=#hex`.
    /// Control characters and line ends are escaped, so it is one line of a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_rdns(f, self.rdns.iter().rev())
    }
}

/// Prints RDNs in the order given, as RFC 4514 section 2.1 joins them.
pub(super) fn write_rdns<'a>(
    f: &mut fmt::Formatter<'_>,
    rdns: impl Iterator<Item = &'a Rdn>,
) -> fmt::Result {
    for (place, rdn) in rdns.enumerate() {
        if place > 0 {
            f.write_str(",")?;
        }
        fmt::Display::fmt(rdn, f)?;
    }
    Ok(())
}

/// A relative distinguished name: one attribute or more, compared as a multiset.
#[derive(Clone, Debug)]
pub(super) struct Rdn {
    attributes: Vec<Attribute>,
    /// The places of the attributes in the order of what is compared.
    sorted: Vec<usize>,
}

impl Rdn {
    /// Takes attributes as they were written; none where there are none.
    pub(super) fn new(attributes: Vec<Attribute>) -> Option<Self> {
        if attributes.is_empty() {
            return None;
        }
        let mut sorted: Vec<usize> = (0..attributes.len()).collect();
        sorted.sort_by(|a, b| attributes[*a].key().cmp(&attributes[*b].key()));
        Some(Self { attributes, sorted })
    }

    fn keys(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.sorted.iter().map(|at| self.attributes[*at].key())
    }

    /// Whether one of its attributes is a country.
    pub(super) fn is_country(&self) -> bool {
        let country = |attribute: &Attribute| attribute.oid.octets() == [85, 4, 6];
        self.attributes.iter().any(country)
    }
}

impl PartialEq for Rdn {
    fn eq(&self, other: &Self) -> bool {
        self.keys().eq(other.keys())
    }
}

impl fmt::Display for Rdn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, attribute) in self.attributes.iter().enumerate() {
            if place > 0 {
                f.write_str("+")?;
            }
            fmt::Display::fmt(attribute, f)?;
        }
        Ok(())
    }
}

/// An attribute type and a value of it.
#[derive(Clone, Debug)]
pub(super) struct Attribute {
    oid: Oid,
    value: Value,
}

#[derive(Clone, Debug)]
enum Value {
    /// Of a known type: compared in prepared form.
    Text {
        text: String,
        prepared: String,
        /// The DER, where it was given and printing needs it.
        der: Option<Vec<u8>>,
    },
    /// Of an unknown type: the DER, compared octet by octet.
    Octets(Vec<u8>),
}

impl Attribute {
    fn from_der(attribute: &Tlv<'_>) -> Result<Self, NameError> {
        if attribute.tag() != der::SEQUENCE {
            return Err(DerError::Unexpected.into());
        }
        let mut parts = attribute.reader();
        let oid = parts.expect(der::OBJECT_IDENTIFIER)?;
        let value = parts.any()?;
        parts.end()?;
        let oid = Oid::from_content(oid.content()).ok_or(DerError::Unexpected)?;
        Self::from_value(oid, &value)
    }

    /// An attribute whose value is given as DER, which is strict already.
    pub(super) fn from_value(oid: Oid, value: &Tlv<'_>) -> Result<Self, NameError> {
        let Some(known) = oid.known() else {
            let value = Value::Octets(value.whole().to_vec());
            return Ok(Self { oid, value });
        };
        let Some(text) = decode(value) else {
            return Err(NameError::Undecodable(oid.to_string()));
        };
        let der = known.short.is_none().then(|| value.whole().to_vec());
        Self::known(oid, text, der)
    }

    /// An attribute whose value is given as a string.
    pub(super) fn from_text(oid: Oid, text: String) -> Result<Self, NameError> {
        if oid.known().is_none() {
            return Err(NameError::NeedsHex(oid.to_string()));
        }
        Self::known(oid, text, None)
    }

    fn known(oid: Oid, text: String, der: Option<Vec<u8>>) -> Result<Self, NameError> {
        let prepared = prepare::case_ignore(&text)
            .map_err(|why| NameError::Unprepared(type_name(&oid), why))?;
        let value = Value::Text {
            text,
            prepared,
            der,
        };
        Ok(Self { oid, value })
    }

    /// What is compared. A type is either known or not, so a prepared form never meets DER.
    fn key(&self) -> (&[u8], &[u8]) {
        let value = match &self.value {
            Value::Text { prepared, .. } => prepared.as_bytes(),
            Value::Octets(octets) => octets,
        };
        (self.oid.octets(), value)
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", type_name(&self.oid))?;
        match &self.value {
            Value::Text {
                text, der: None, ..
            } => write_escaped(f, text),
            Value::Text {
                der: Some(octets), ..
            }
            | Value::Octets(octets) => {
                f.write_str("#")?;
                octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
            }
        }
    }
}

/// The short name of RFC 4514 section 3, or dotted decimal.
fn type_name(oid: &Oid) -> String {
    match oid.known().and_then(|known| known.short) {
        Some(short) => short.to_owned(),
        None => oid.to_string(),
    }
}

/// RFC 4514 section 2.4.
fn write_escaped(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    use fmt::Write as _;
    let last = text.chars().count().saturating_sub(1);
    for (place, character) in text.chars().enumerate() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => write!(f, "\\{character}")?,
            '#' if place == 0 => f.write_str("\\#")?,
            ' ' if place == 0 || place == last => f.write_str("\\ ")?,
            '\u{2028}' | '\u{2029}' => write_hex_pairs(f, character)?,
            control if control.is_control() => write_hex_pairs(f, control)?,
            plain => f.write_char(plain)?,
        }
    }
    Ok(())
}

fn write_hex_pairs(f: &mut fmt::Formatter<'_>, character: char) -> fmt::Result {
    let mut buffer = [0; 4];
    let octets = character.encode_utf8(&mut buffer).bytes();
    octets
        .into_iter()
        .try_for_each(|octet| write!(f, "\\{octet:02X}"))
}

/// The characters of a string value; none where they are not characters of its type.
fn decode(value: &Tlv<'_>) -> Option<String> {
    let octets = value.content();
    let ascii = || octets.is_ascii().then(|| std::str::from_utf8(octets).ok());
    match value.tag() {
        // UTF8String.
        0x0c => std::str::from_utf8(octets).ok().map(str::to_owned),
        // NumericString.
        0x12 => {
            let numeric = |octet: &u8| octet.is_ascii_digit() || *octet == b' ';
            octets.iter().all(numeric).then(ascii)??.map(str::to_owned)
        }
        // PrintableString, whose repertoire issuers overstep; TeletexString, of which only ASCII
        // means one thing everywhere; IA5String and VisibleString.
        0x13 | 0x14 | 0x16 | 0x1a => ascii()?.map(str::to_owned),
        // UniversalString, in UCS-4.
        0x1c => decode_units(octets.chunks_exact(4), octets.len().is_multiple_of(4)),
        // BMPString, in UCS-2: no surrogates.
        0x1e => decode_units(octets.chunks_exact(2), octets.len().is_multiple_of(2)),
        _ => None,
    }
}

fn decode_units(units: std::slice::ChunksExact<'_, u8>, whole: bool) -> Option<String> {
    let unit = |octets: &[u8]| {
        let number = octets
            .iter()
            .fold(0, |number, octet| number << 8 | u32::from(*octet));
        char::from_u32(number)
    };
    whole.then(|| units.map(unit).collect()).flatten()
}

/// Where the subject of a certificate and a registered name part: the first RDN that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameMismatch {
    /// Counted from 1 in the string, left to right; all before it are equal.
    pub place: usize,
    /// That RDN of the certificate, as RFC 4514 has it; none where its subject ends before.
    pub certificate: Option<String>,
    /// That RDN of the registered name; none where that ends before.
    pub registered: Option<String>,
}

impl fmt::Display for NameMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |part: &Option<String>| {
            part.as_ref()
                .map_or_else(|| "missing".to_owned(), ToString::to_string)
        };
        write!(
            f,
            "RDN {} of the subject is {}, of the registered name {}",
            self.place,
            part(&self.certificate),
            part(&self.registered)
        )
    }
}

/// Why a name cannot be compared, or cannot be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameError {
    /// The encoding of a `Name` is wrong.
    Der(DerError),
    /// A name without any RDN.
    Empty,
    /// The value of that type is not a string, or not one of the characters it says.
    Undecodable(String),
    /// The value of that type has no prepared form.
    Unprepared(String, Unprepared),
    /// A string value of a type, in dotted decimal, whose matching rule is not known.
    NeedsHex(String),
    /// A registered string that RFC 4514 section 3 does not allow.
    Syntax(super::registered::SyntaxError),
}

impl From<DerError> for NameError {
    fn from(error: DerError) -> Self {
        Self::Der(error)
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Der(error) => write!(f, "not a distinguished name: {error}"),
            Self::Empty => f.write_str("an empty distinguished name identifies nobody"),
            Self::Undecodable(of) => write!(
                f,
                "the value of {of} does not decode: a character string is wanted, such as UTF8String"
            ),
            Self::Unprepared(of, Unprepared::Blank) => {
                write!(f, "the value of {of} is blank, which identifies nobody")
            }
            Self::Unprepared(of, Unprepared::Control(character)) => write!(
                f,
                "the value of {of} holds U+{:04X}, a control or format character: leave it out",
                u32::from(*character)
            ),
            Self::Unprepared(of, Unprepared::Prohibited(character)) => write!(
                f,
                "the value of {of} holds U+{:04X}, which RFC 4518 prohibits (not in Unicode 3.2, private use or a replacement)",
                u32::from(*character)
            ),
            Self::Unprepared(of, Unprepared::CombiningFirst) => {
                write!(f, "the value of {of} begins with a combining mark")
            }
            Self::NeedsHex(oid) => write!(
                f,
                "how {oid} compares is not known: write its value as {oid}=#hex of the DER (`certbound inspect` prints it)"
            ),
            Self::Syntax(error) => fmt::Display::fmt(error, f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Name of one RDN with a CN of that tag and those octets.
    fn cn(tag: u8, content: &[u8]) -> Vec<u8> {
        let wrap = |tag: u8, inner: &[u8]| {
            let mut tlv = vec![tag, u8::try_from(inner.len()).expect("short")];
            tlv.extend_from_slice(inner);
            tlv
        };
        let mut attribute = vec![6, 3, 85, 4, 3];
        attribute.extend(wrap(tag, content));
        wrap(0x30, &wrap(0x31, &wrap(0x30, &attribute)))
    }

    #[test]
    fn printed_by_rfc_4514() {
        for (value, printed) in [
            ("client-a", "CN=client-a"),
            ("#a#", "CN=\\#a#"),
            (" a  b ", "CN=\\ a  b\\ "),
            (
                "a,b+c\"d\\e<f>g;h=i",
                "CN=a\\,b\\+c\\\"d\\\\e\\<f\\>g\\;h=i",
            ),
            ("Zo\u{eb}", "CN=Zo\u{eb}"),
            ("a\nb", "CN=a\\0Ab"),
            ("a\u{2028}b", "CN=a\\E2\\80\\A8b"),
        ] {
            let name = DistinguishedName::from_der(&cn(0x0c, value.as_bytes())).expect("a name");
            assert_eq!(name.to_string(), printed);
            let back: RegisteredName = printed.parse().expect("what was printed");
            assert!(name.matches(&back), "{printed}");
        }
    }

    #[test]
    fn string_types() {
        for (tag, content, text) in [
            (0x0c, &b"42"[..], Some("CN=42")),
            (0x12, b"4 2", Some("CN=4 2")),
            (0x12, b"4a", None),
            (0x13, b"a&*b", Some("CN=a&*b")),
            (0x13, b"a\xe9", None),
            (0x14, b"ab", Some("CN=ab")),
            (0x14, b"a\xe9", None),
            (0x16, b"ab", Some("CN=ab")),
            (0x1c, b"\0\0\0a", Some("CN=a")),
            (0x1c, b"\0\0a", None),
            (0x1c, b"\0\x11\0\0", None),
            (0x1e, b"\0a\x03\xa9", Some("CN=a\u{3a9}")),
            (0x1e, b"\0a\x03", None),
            (0x1e, b"\xd8\x3d\xde\0", None),
            (0x04, b"ab", None),
            (0x0c, b"\xff", None),
        ] {
            let name = DistinguishedName::from_der(&cn(tag, content));
            match text {
                Some(text) => assert_eq!(name.expect("a name").to_string(), text),
                None => assert_eq!(name, Err(NameError::Undecodable("2.5.4.3".into()))),
            }
        }
    }

    #[test]
    fn names_that_identify_nobody() {
        assert_eq!(
            DistinguishedName::from_der(&[0x30, 0]),
            Err(NameError::Empty)
        );
        assert_eq!(
            DistinguishedName::from_der(&[0x30, 2, 0x31, 0]),
            Err(NameError::Der(DerError::Unexpected))
        );
        assert_eq!(
            DistinguishedName::from_der(&cn(0x0c, b"  ")),
            Err(NameError::Unprepared("CN".into(), Unprepared::Blank))
        );
        let mut trailing = cn(0x0c, b"a");
        trailing.push(0);
        assert_eq!(
            DistinguishedName::from_der(&trailing),
            Err(NameError::Der(DerError::Trailing))
        );
    }

    #[test]
    fn a_mismatch_says_where() {
        let registered = |text: &str| text.parse::<RegisteredName>().expect("a name");
        let name = registered("CN=a,O=b,C=US").name().clone();
        assert_eq!(name.compare(&registered("cn=A,o=B,c=us")), Ok(()));
        for (other, place, certificate, expected) in [
            ("CN=a,O=x,C=US", 2, Some("O=b"), Some("O=x")),
            ("CN=a", 2, Some("O=b"), None),
            ("O=b,C=US", 1, Some("CN=a"), Some("O=b")),
            ("CN=a,O=b,C=US,DC=x", 4, None, Some("DC=x")),
        ] {
            let mismatch = NameMismatch {
                place,
                certificate: certificate.map(str::to_owned),
                registered: expected.map(str::to_owned),
            };
            assert_eq!(name.compare(&registered(other)), Err(mismatch), "{other}");
        }
        assert!(name.matches_reversed(&registered("C=US,O=b,CN=a")));
        assert!(!name.matches_reversed(&registered("CN=a,O=b,C=US")));
        assert!(!name.matches_reversed(&registered("O=b,C=US,CN=a")));
    }
}
