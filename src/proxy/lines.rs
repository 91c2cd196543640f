//! Header lines: how many, how long, and what is in them (RFC 9110 section 5.3).

use http::{HeaderMap, HeaderName, HeaderValue};

use super::absent::says_absent;
use super::{MAX_OCTETS, ProxyError};
use crate::cert::prepare::is_control_or_format;

/// Whether two names are one after folding `_` to `-`; their case is folded already.
pub(super) fn alike(one: &HeaderName, other: &HeaderName) -> bool {
    let fold = |byte: u8| if byte == b'_' { b'-' } else { byte };
    let (one, other) = (one.as_str().as_bytes(), other.as_str().as_bytes());
    let mut pairs = one.iter().zip(other);
    one.len() == other.len() && pairs.all(|(&one, &other)| fold(one) == fold(other))
}

/// The value of a header that may come once, without the blanks around it.
pub(super) fn one_line<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a [u8]>, ProxyError> {
    let mut lines = headers.get_all(name).iter();
    let Some(line) = lines.next() else {
        return Ok(None);
    };
    if lines.next().is_some() {
        return Err(ProxyError::Duplicate {
            header: name.clone(),
        });
    }
    bounded(name, line.len())?;
    Ok(Some(line.as_bytes().trim_ascii()))
}

/// The lines of the chain header, of which only RFC 9440's may be several.
pub(super) fn chain_lines<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Vec<&'a [u8]>, ProxyError> {
    let lines = headers.get_all(name).iter();
    bounded(name, lines.map(HeaderValue::len).sum())?;
    let lines = headers.get_all(name).iter();
    let lines: Vec<&[u8]> = lines.map(|line| line.as_bytes().trim_ascii()).collect();
    let list = |line: &&[u8]| line.is_empty() || line.starts_with(b":");
    if lines.len() > 1 && !lines.iter().all(list) {
        return Err(ProxyError::Duplicate {
            header: name.clone(),
        });
    }
    let said = lines.into_iter().filter(|line| !says_absent(line));
    Ok(said.collect())
}

fn bounded(name: &HeaderName, octets: usize) -> Result<(), ProxyError> {
    if octets <= MAX_OCTETS {
        return Ok(());
    }
    Err(ProxyError::TooLarge {
        header: name.clone(),
        octets,
    })
}

/// A user name: text without control and format characters, 256 octets at most, `None` where it says so.
pub(super) fn user(name: &HeaderName, value: &[u8]) -> Result<Option<String>, ProxyError> {
    if says_absent(value) {
        return Ok(None);
    }
    std::str::from_utf8(value)
        .ok()
        .filter(|text| text.len() <= 256 && !text.contains(is_control_or_format))
        .map(|text| Some(text.to_owned()))
        .ok_or_else(|| ProxyError::User {
            header: name.clone(),
        })
}

/// Text for the log out of octets that anybody may have written.
pub(super) fn printable(octets: &[u8]) -> Box<str> {
    let shown = |&byte: &u8| match byte {
        b' '..=b'~' => char::from(byte),
        _ => '?',
    };
    octets.iter().take(128).map(shown).collect()
}
