//! Distinguished names: read from DER, printed as RFC 4514, compared by RFC 4517 section 4.2.15.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::der::{self, DerError, Reader};
use super::prepare::Unprepared;
use super::rdn::{Attribute, Rdn, write_rdns};
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
        let longest = own.len().max(other.len());
        let parted = (1..=longest).find(|place| nth(own, *place) != nth(other, *place));
        match parted {
            None => Ok(()),
            Some(place) => Err(NameMismatch {
                place,
                certificate: nth(own, place).map(Rdn::to_string),
                registered: nth(other, place).map(Rdn::to_string),
                lengths: (own.len(), other.len()),
            }),
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

impl Hash for DistinguishedName {
    /// Names that match hash alike, so that many registered names can be looked through at once.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.rdns.hash(state);
    }
}

impl fmt::Display for DistinguishedName {
    /// RFC 4514 with the nine short names of its section 3; every other type as `OID=#hex`.
    /// Control characters and line ends are escaped, so it is one line of a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_rdns(f, self.rdns.iter().rev())
    }
}

/// The RDN at that place of the string: the last encoded one is the first.
fn nth(rdns: &[Rdn], place: usize) -> Option<&Rdn> {
    rdns.get(rdns.len().checked_sub(place)?)
}

/// Where the subject of a certificate and a registered name part: the first RDN that differs, after as
/// many that are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameMismatch {
    /// Counted from 1 in the string, left to right.
    pub place: usize,
    /// That RDN of the certificate, as RFC 4514 has it; none where its subject is shorter.
    pub certificate: Option<String>,
    /// That RDN of the registered name; none where that one is shorter.
    pub registered: Option<String>,
    /// How many RDNs the certificate and the registered name have.
    pub lengths: (usize, usize),
}

impl fmt::Display for NameMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |rdn: &Option<String>| rdn.clone().unwrap_or_else(|| "missing".to_owned());
        write!(
            f,
            "RDN {} of the subject is {}, of the registered name {}",
            self.place,
            shown(&self.certificate),
            shown(&self.registered)
        )?;
        let (certificate, registered) = self.lengths;
        if certificate != registered {
            write!(
                f,
                " (the subject has {certificate} RDNs and the registered name {registered})"
            )?;
        }
        Ok(())
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
        assert_eq!(
            name.compare(&registered("CN=a,O=x,C=US")),
            Err(NameMismatch {
                place: 2,
                certificate: Some("O=b".into()),
                registered: Some("O=x".into()),
                lengths: (3, 3),
            })
        );
        assert_eq!(
            name.compare(&registered("CN=a")),
            Err(NameMismatch {
                place: 2,
                certificate: Some("O=b".into()),
                registered: None,
                lengths: (3, 1),
            })
        );
        assert!(name.matches_reversed(&registered("C=US,O=b,CN=a")));
        assert!(!name.matches_reversed(&registered("CN=a,O=b,C=US")));
        assert!(!name.matches_reversed(&registered("O=b,C=US,CN=a")));
    }
}
