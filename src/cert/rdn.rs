//! The parts of a distinguished name: RDNs, attributes and their values (RFC 4514 section 2).

use std::fmt;
use std::hash::{Hash, Hasher};

use super::attribute::Oid;
use super::der::{self, DerError, Tlv};
use super::name::NameError;
use super::prepare;

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

    /// Whether it is of a kind that stands at the top of a tree: a country or a domain component.
    pub(super) fn is_top(&self) -> bool {
        let short = |attribute: &Attribute| attribute.oid.known().and_then(|known| known.short);
        let top = |attribute| matches!(short(attribute), Some("C" | "DC"));
        self.attributes.iter().any(top)
    }
}

impl PartialEq for Rdn {
    fn eq(&self, other: &Self) -> bool {
        self.keys().eq(other.keys())
    }
}

impl Eq for Rdn {}

impl Hash for Rdn {
    /// Of what is compared.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.sorted.len().hash(state);
        self.keys().for_each(|key| key.hash(state));
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
    /// Reads an encoded `AttributeTypeAndValue`.
    pub(super) fn from_der(attribute: &Tlv<'_>) -> Result<Self, NameError> {
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
