//! Attribute types that are compared by `caseIgnoreMatch` (RFC 4519, RFC 5280 section 7.1).

use std::borrow::Cow;
use std::fmt;

/// A type whose syntax is a string that compares without case.
pub struct KnownType {
    /// Content octets of the OBJECT IDENTIFIER.
    pub oid: &'static [u8],
    /// The short name of RFC 4514 section 3, for the nine that have one: all that is ever printed.
    pub short: Option<&'static str>,
    /// The other names that are read: registered LDAP descriptors and X.520's own long names.
    pub names: &'static [&'static str],
}

/// Every type whose values are compared as strings. `S`, `E` and other vendors' short names are
/// left out on purpose: they mean different things in different programs.
pub const KNOWN: &[KnownType] = &[
    of(&[85, 4, 3], Some("CN"), &["commonName"]),
    of(&[85, 4, 7], Some("L"), &["localityName"]),
    of(&[85, 4, 8], Some("ST"), &["stateOrProvinceName"]),
    of(&[85, 4, 10], Some("O"), &["organizationName"]),
    of(&[85, 4, 11], Some("OU"), &["organizationalUnitName"]),
    of(&[85, 4, 6], Some("C"), &["countryName"]),
    of(&[85, 4, 9], Some("STREET"), &["streetAddress"]),
    of(&DOMAIN_COMPONENT, Some("DC"), &["domainComponent"]),
    of(&USER_ID, Some("UID"), &["userId"]),
    of(&[85, 4, 4], None, &["SN", "surname"]),
    of(&[85, 4, 5], None, &["serialNumber"]),
    of(&[85, 4, 12], None, &["title"]),
    of(&[85, 4, 13], None, &["description"]),
    of(&[85, 4, 15], None, &["businessCategory"]),
    of(&[85, 4, 17], None, &["postalCode"]),
    of(&[85, 4, 18], None, &["postOfficeBox"]),
    of(&[85, 4, 19], None, &["physicalDeliveryOfficeName"]),
    // Its own rule also drops spaces and hyphens; RFC 5280 section 7.1 does not ask for that.
    of(&[85, 4, 20], None, &["telephoneNumber"]),
    of(&[85, 4, 41], None, &["name"]),
    of(&[85, 4, 42], None, &["givenName"]),
    of(&[85, 4, 43], None, &["initials"]),
    of(&[85, 4, 44], None, &["generationQualifier"]),
    of(&[85, 4, 46], None, &["dnQualifier"]),
    of(&[85, 4, 51], None, &["houseIdentifier"]),
    of(&[85, 4, 54], None, &["dmdName"]),
    of(&[85, 4, 65], None, &["pseudonym"]),
    of(&[85, 4, 97], None, &["organizationIdentifier"]),
    of(&PKCS9_EMAIL, None, &["emailAddress"]),
    of(&PKCS9_UNSTRUCTURED_NAME, None, &["unstructuredName"]),
    of(&PKCS9_UNSTRUCTURED_ADDRESS, None, &["unstructuredAddress"]),
    of(&[9, 146, 38, 137, 147, 242, 44, 100, 1, 3], None, &["mail"]),
    of(&jurisdiction(1), None, &["jurisdictionLocalityName"]),
    of(&jurisdiction(2), None, &["jurisdictionStateOrProvinceName"]),
    of(&jurisdiction(3), None, &["jurisdictionCountryName"]),
];

const DOMAIN_COMPONENT: [u8; 10] = [9, 146, 38, 137, 147, 242, 44, 100, 1, 25];
const USER_ID: [u8; 10] = [9, 146, 38, 137, 147, 242, 44, 100, 1, 1];
const PKCS9_EMAIL: [u8; 9] = [42, 134, 72, 134, 247, 13, 1, 9, 1];
const PKCS9_UNSTRUCTURED_NAME: [u8; 9] = [42, 134, 72, 134, 247, 13, 1, 9, 2];
const PKCS9_UNSTRUCTURED_ADDRESS: [u8; 9] = [42, 134, 72, 134, 247, 13, 1, 9, 8];

/// 1.3.6.1.4.1.311.60.2.1 and one arc: where an extended validation subject is incorporated.
const fn jurisdiction(arc: u8) -> [u8; 11] {
    [43, 6, 1, 4, 1, 130, 55, 60, 2, 1, arc]
}

const fn of(
    oid: &'static [u8],
    short: Option<&'static str>,
    names: &'static [&'static str],
) -> KnownType {
    KnownType { oid, short, names }
}

/// An OBJECT IDENTIFIER, as its content octets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Oid(Cow<'static, [u8]>);

impl Oid {
    /// Takes content octets that are strict DER already; none where an arc is above 2^128.
    pub fn from_content(octets: &[u8]) -> Option<Self> {
        if let Some(known) = KNOWN.iter().find(|known| known.oid == octets) {
            return Some(Self(Cow::Borrowed(known.oid)));
        }
        arcs(octets)?;
        Some(Self(Cow::Owned(octets.to_vec())))
    }

    /// Reads a `numericoid` (RFC 4512 section 1.4): `2.5.4.3`, without leading zeros.
    pub fn from_dotted(text: &str) -> Option<Self> {
        let mut arcs = text.split('.').map(|arc| {
            let digits = !arc.is_empty() && arc.bytes().all(|octet| octet.is_ascii_digit());
            let plain = digits && (arc == "0" || !arc.starts_with('0'));
            plain.then(|| arc.parse::<u128>().ok()).flatten()
        });
        let (first, second) = (arcs.next()??, arcs.next()??);
        if first > 2 || (first < 2 && second > 39) {
            return None;
        }
        let mut octets = Vec::with_capacity(text.len());
        push_arc(&mut octets, (first * 40).checked_add(second)?);
        for arc in arcs {
            push_arc(&mut octets, arc?);
        }
        Some(Self(Cow::Owned(octets)))
    }

    /// Reads a descriptor of the table, in either case.
    pub fn from_name(name: &str) -> Option<Self> {
        let is = |known: &str| known.eq_ignore_ascii_case(name);
        KNOWN
            .iter()
            .find(|known| known.short.is_some_and(is) || known.names.iter().any(|known| is(known)))
            .map(|known| Self(Cow::Borrowed(known.oid)))
    }

    /// The content octets.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// What is known about the type, where anything is.
    pub fn known(&self) -> Option<&'static KnownType> {
        KNOWN.iter().find(|known| known.oid == &*self.0)
    }
}

impl fmt::Display for Oid {
    /// Dotted decimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, arc) in arcs(&self.0).unwrap_or_default().iter().enumerate() {
            write!(f, "{}{arc}", if place == 0 { "" } else { "." })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn push_arc(octets: &mut Vec<u8>, arc: u128) {
    let groups = (128 - arc.leading_zeros()).div_ceil(7).max(1);
    for group in (0..groups).rev() {
        let seven = u8::try_from(arc >> (7 * group) & 0x7f).unwrap_or(0);
        octets.push(if group == 0 { seven } else { seven | 0x80 });
    }
}

fn arcs(octets: &[u8]) -> Option<Vec<u128>> {
    let mut found = Vec::with_capacity(octets.len() + 1);
    let mut arc = 0_u128;
    for octet in octets {
        if arc >> 121 != 0 {
            return None;
        }
        arc = arc << 7 | u128::from(octet & 0x7f);
        if octet & 0x80 != 0 {
            continue;
        }
        if found.is_empty() {
            let first = (arc / 40).min(2);
            found.push(first);
            arc -= first * 40;
        }
        found.push(arc);
        arc = 0;
    }
    (!found.is_empty()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_both_ways() {
        for text in [
            "2.5.4.3",
            "0.9.2342.19200300.100.1.1",
            "1.3.6.1.4.1.311.60.2.1.3",
            "2.999.1",
            "1.2.840.113549.1.9.1",
            "2.25.340282366920938463463374607431768211455",
        ] {
            let oid = Oid::from_dotted(text).expect("an OID of this table");
            assert_eq!(oid.to_string(), text);
            assert_eq!(Oid::from_content(oid.octets()), Some(oid));
        }
        for text in [
            "", "2", "2.5.4.03", "3.1", "1.40", "2..5", "2.5.", ".2.5", "2.x", "2.5.+1",
        ] {
            assert_eq!(Oid::from_dotted(text), None, "{text}");
        }
    }

    #[test]
    fn the_table_says_what_it_means() {
        for (name, dotted) in [
            ("cn", "2.5.4.3"),
            ("dc", "0.9.2342.19200300.100.1.25"),
            ("UID", "0.9.2342.19200300.100.1.1"),
            ("mail", "0.9.2342.19200300.100.1.3"),
            ("emailaddress", "1.2.840.113549.1.9.1"),
            ("sn", "2.5.4.4"),
            ("serialNumber", "2.5.4.5"),
            ("jurisdictionCountryName", "1.3.6.1.4.1.311.60.2.1.3"),
            ("organizationIdentifier", "2.5.4.97"),
        ] {
            assert_eq!(Oid::from_name(name), Oid::from_dotted(dotted), "{name}");
        }
        for vendor in ["S", "E", "EMAIL", "XX", ""] {
            assert_eq!(Oid::from_name(vendor), None, "{vendor}");
        }
    }
}
