//! Strict DER (X.690 section 10): one encoding of a value and no other.
//!
//! A thumbprint is over octets, so a second spelling of one certificate would be a second identity.

use std::fmt;
use std::ops::Range;

/// Constructed values nested deeper than this are refused: certificates need about ten.
const MAX_DEPTH: usize = 24;

/// BOOLEAN.
pub const BOOLEAN: u8 = 0x01;
/// INTEGER.
pub const INTEGER: u8 = 0x02;
/// BIT STRING.
pub const BIT_STRING: u8 = 0x03;
/// OCTET STRING.
pub const OCTET_STRING: u8 = 0x04;
/// OBJECT IDENTIFIER.
pub const OBJECT_IDENTIFIER: u8 = 0x06;
/// `UTCTime`.
pub const UTC_TIME: u8 = 0x17;
/// `GeneralizedTime`.
pub const GENERALIZED_TIME: u8 = 0x18;
/// SEQUENCE, SEQUENCE OF.
pub const SEQUENCE: u8 = 0x30;
/// SET, SET OF.
pub const SET: u8 = 0x31;

/// What is wrong with octets that are not strict DER of the wanted shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DerError {
    /// A value ends after the octets do.
    Truncated,
    /// Octets follow the value.
    Trailing,
    /// A tag of more than one octet.
    LongTag,
    /// An indefinite length, which is BER.
    Indefinite,
    /// A length in more octets than it needs, which is BER.
    LongLength,
    /// Values nested too deeply.
    TooDeep,
    /// A value of that universal type that DER encodes differently.
    NotCanonical(&'static str),
    /// Another type than the structure has at this place.
    Unexpected,
}

impl fmt::Display for DerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the DER is cut short"),
            Self::Trailing => f.write_str("octets follow the end of the DER"),
            Self::LongTag => f.write_str("the DER has a tag number above 30"),
            Self::Indefinite => f.write_str("an indefinite length is BER, not DER"),
            Self::LongLength => f.write_str("a length is longer than needed: BER, not DER"),
            Self::TooDeep => write!(f, "the DER nests deeper than {MAX_DEPTH} levels"),
            Self::NotCanonical(what) => write!(f, "{what} is not encoded as DER has it"),
            Self::Unexpected => f.write_str("the DER is not of the expected structure"),
        }
    }
}

/// Proves that the octets are one strict DER value with nothing after it.
pub fn strict(octets: &[u8]) -> Result<(), DerError> {
    let mut reader = Reader::new(octets);
    let value = reader.any()?;
    reader.end()?;
    walk(&value, 0)
}

fn walk(value: &Tlv<'_>, depth: usize) -> Result<(), DerError> {
    if depth > MAX_DEPTH {
        return Err(DerError::TooDeep);
    }
    if value.tag & 0x20 == 0 {
        return primitive(value);
    }
    // Constructed strings are BER; of the universal types only SEQUENCE and SET are constructed.
    if value.tag & 0xc0 == 0 && value.tag != SEQUENCE && value.tag != SET {
        return Err(DerError::NotCanonical("a constructed string"));
    }
    let mut inner = value.reader();
    while let Some(next) = inner.next()? {
        walk(&next, depth + 1)?;
    }
    Ok(())
}

fn primitive(value: &Tlv<'_>) -> Result<(), DerError> {
    let octets = value.content();
    let wrong = match value.tag {
        0x00 => Some("an end-of-contents mark"),
        BOOLEAN if !matches!(octets, [0x00 | 0xff]) => Some("a BOOLEAN"),
        INTEGER | 0x0a => match octets {
            [] => Some("an INTEGER"),
            [0x00, next, ..] if next & 0x80 == 0 => Some("an INTEGER"),
            [0xff, next, ..] if next & 0x80 != 0 => Some("an INTEGER"),
            _ => None,
        },
        BIT_STRING => match octets {
            [0, ..] => None,
            [unused @ 1..=7, .., last] if last & ((1 << unused) - 1) == 0 => None,
            _ => Some("a BIT STRING"),
        },
        0x05 if !octets.is_empty() => Some("a NULL"),
        OBJECT_IDENTIFIER if !is_oid(octets) => Some("an OBJECT IDENTIFIER"),
        0x10 | 0x11 => Some("a SEQUENCE or SET"),
        _ => None,
    };
    wrong.map_or(Ok(()), |what| Err(DerError::NotCanonical(what)))
}

/// Whether those are the content octets of an OBJECT IDENTIFIER: whole arcs in the fewest octets.
fn is_oid(octets: &[u8]) -> bool {
    let mut starts = true;
    for octet in octets {
        if starts && *octet == 0x80 {
            return false;
        }
        starts = octet & 0x80 == 0;
    }
    starts && !octets.is_empty()
}

/// One value: its tag, and where it lies in the octets that were read.
#[derive(Clone)]
pub struct Tlv<'a> {
    tag: u8,
    input: &'a [u8],
    start: usize,
    content: Range<usize>,
}

impl<'a> Tlv<'a> {
    /// The tag octet: class, constructed bit and number.
    pub const fn tag(&self) -> u8 {
        self.tag
    }

    /// The content octets.
    pub fn content(&self) -> &'a [u8] {
        &self.input[self.content.clone()]
    }

    /// Tag, length and content.
    pub fn whole(&self) -> &'a [u8] {
        &self.input[self.range()]
    }

    /// Where tag, length and content lie in the outermost octets.
    pub const fn range(&self) -> Range<usize> {
        self.start..self.content.end
    }

    /// Reads what is inside.
    pub const fn reader(&self) -> Reader<'a> {
        Reader {
            input: self.input,
            at: self.content.start,
            end: self.content.end,
        }
    }
}

/// Reads values one after the other.
pub struct Reader<'a> {
    input: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    /// Reads those octets from their beginning.
    pub const fn new(input: &'a [u8]) -> Self {
        Self {
            input,
            at: 0,
            end: input.len(),
        }
    }

    /// The tag of the next value, where there is one.
    pub fn peek(&self) -> Option<u8> {
        (self.at < self.end).then(|| self.input[self.at])
    }

    /// The next value; nothing at the end.
    #[expect(
        clippy::should_implement_trait,
        reason = "it can fail, and an Iterator's `?` reads worse"
    )]
    pub fn next(&mut self) -> Result<Option<Tlv<'a>>, DerError> {
        if self.at == self.end {
            return Ok(None);
        }
        self.any().map(Some)
    }

    /// The next value, whatever it is.
    pub fn any(&mut self) -> Result<Tlv<'a>, DerError> {
        let octets = &self.input[self.at..self.end];
        let [tag, first, rest @ ..] = octets else {
            return Err(DerError::Truncated);
        };
        if tag & 0x1f == 0x1f {
            return Err(DerError::LongTag);
        }
        let (header, length) = match *first {
            short @ 0..=0x7f => (2, usize::from(short)),
            0x80 => return Err(DerError::Indefinite),
            long => {
                let count = usize::from(long & 0x7f);
                // Four octets are 4 GiB, more than anything that is read here.
                if count > 4 {
                    return Err(DerError::LongLength);
                }
                let digits = rest.get(..count).ok_or(DerError::Truncated)?;
                let length = digits
                    .iter()
                    .fold(0_u32, |length, digit| length << 8 | u32::from(*digit));
                if digits[0] == 0 || length < 0x80 {
                    return Err(DerError::LongLength);
                }
                let length = usize::try_from(length).map_err(|_| DerError::Truncated)?;
                (2 + count, length)
            }
        };
        if octets.len() - header < length {
            return Err(DerError::Truncated);
        }
        let start = self.at;
        let content = start + header..start + header + length;
        self.at = content.end;
        Ok(Tlv {
            tag: *tag,
            input: self.input,
            start,
            content,
        })
    }

    /// The next value, which has that tag.
    pub fn expect(&mut self, tag: u8) -> Result<Tlv<'a>, DerError> {
        let value = self.any()?;
        if value.tag == tag {
            Ok(value)
        } else {
            Err(DerError::Unexpected)
        }
    }

    /// The next value where it has that tag; nothing, and nothing read, where it has not.
    pub fn optional(&mut self, tag: u8) -> Result<Option<Tlv<'a>>, DerError> {
        if self.peek() == Some(tag) {
            return self.any().map(Some);
        }
        Ok(None)
    }

    /// There is nothing more.
    pub const fn end(&self) -> Result<(), DerError> {
        if self.at == self.end {
            Ok(())
        } else {
            Err(DerError::Trailing)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_strict() {
        for good in [
            &[0x05, 0x00][..],
            &[0x01, 0x01, 0xff],
            &[0x02, 0x01, 0x00],
            &[0x02, 0x02, 0x00, 0x80],
            &[0x30, 0x00],
            &[0x30, 0x03, 0x0c, 0x01, 0x61],
            &[0xa0, 0x02, 0x05, 0x00],
            &[0x03, 0x02, 0x07, 0x80],
            &[0x06, 0x03, 0x55, 0x04, 0x03],
        ] {
            assert_eq!(strict(good), Ok(()), "{good:02x?}");
        }
        for (bad, error) in [
            (&[][..], DerError::Truncated),
            (&[0x05], DerError::Truncated),
            (&[0x05, 0x00, 0x00], DerError::Trailing),
            (&[0x1f, 0x20, 0x00], DerError::LongTag),
            (&[0x30, 0x80, 0x00, 0x00], DerError::Indefinite),
            (&[0x04, 0x81, 0x01, 0x00], DerError::LongLength),
            (&[0x04, 0x82, 0x00, 0x80], DerError::LongLength),
            (&[0x04, 0x85, 0, 0, 0, 0, 1, 0], DerError::LongLength),
            (&[0x04, 0xff], DerError::LongLength),
            (&[0x04, 0x84, 0xff, 0xff, 0xff, 0xff], DerError::Truncated),
            (&[0x30, 0x02, 0x04, 0x01], DerError::Truncated),
            (&[0x01, 0x01, 0x01], DerError::NotCanonical("a BOOLEAN")),
            (&[0x02, 0x00], DerError::NotCanonical("an INTEGER")),
            (
                &[0x02, 0x02, 0x00, 0x7f],
                DerError::NotCanonical("an INTEGER"),
            ),
            (
                &[0x02, 0x02, 0xff, 0x80],
                DerError::NotCanonical("an INTEGER"),
            ),
            (
                &[0x03, 0x02, 0x07, 0x81],
                DerError::NotCanonical("a BIT STRING"),
            ),
            (&[0x03, 0x01, 0x01], DerError::NotCanonical("a BIT STRING")),
            (
                &[0x06, 0x02, 0x80, 0x01],
                DerError::NotCanonical("an OBJECT IDENTIFIER"),
            ),
            (
                &[0x06, 0x01, 0x81],
                DerError::NotCanonical("an OBJECT IDENTIFIER"),
            ),
            (
                &[0x24, 0x03, 0x04, 0x01, 0x61],
                DerError::NotCanonical("a constructed string"),
            ),
            (
                &[0x00, 0x00],
                DerError::NotCanonical("an end-of-contents mark"),
            ),
        ] {
            assert_eq!(strict(bad), Err(error), "{bad:02x?}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |levels: u8| {
            let mut octets = vec![0x05, 0x00];
            for _ in 0..levels {
                octets.splice(0..0, [0x30, u8::try_from(octets.len()).expect("short")]);
            }
            octets
        };
        assert_eq!(strict(&nested(24)), Ok(()));
        assert_eq!(strict(&nested(26)), Err(DerError::TooDeep));
    }
}
