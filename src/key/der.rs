//! The little DER that a `SubjectPublicKeyInfo` is written with (ITU-T X.690 sections 8 and 10).

const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const NULL: u8 = 0x05;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;

/// A positive DER INTEGER: a leading zero octet where the first bit would read as a sign.
pub(super) fn integer(magnitude: &[u8]) -> Vec<u8> {
    if magnitude.first().is_some_and(|first| *first >= 0x80) {
        element(INTEGER, &[&[0], magnitude].concat())
    } else {
        element(INTEGER, magnitude)
    }
}

/// A DER element: tag, the shortest form of the length, content.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut der = Vec::with_capacity(content.len() + 6);
    der.push(tag);
    let length = content.len().to_be_bytes();
    let significant: Vec<u8> = length.into_iter().skip_while(|octet| *octet == 0).collect();
    match significant.as_slice() {
        [] => der.push(0),
        [short] if *short < 0x80 => der.push(*short),
        long => {
            der.push(0x80 + u8::try_from(long.len()).expect("a length has at most eight octets"));
            der.extend_from_slice(long);
        }
    }
    der.extend_from_slice(content);
    der
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_the_shortest() {
        for (content, head) in [
            (0, vec![2, 0]),
            (127, vec![2, 0x7f]),
            (128, vec![2, 0x81, 0x80]),
            (255, vec![2, 0x81, 0xff]),
            (256, vec![2, 0x82, 1, 0]),
        ] {
            let der = element(INTEGER, &vec![1; content]);
            assert_eq!(der[..der.len() - content], head, "{content}");
        }
        assert_eq!(integer(&[0x80]), [2, 2, 0, 0x80]);
        assert_eq!(integer(&[0x7f]), [2, 1, 0x7f]);
    }
}
