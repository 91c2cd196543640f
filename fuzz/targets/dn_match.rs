//! Comparison of names (RFC 4517 section 4.2.15) against a slow model that was written apart from it.
//!
//! The input makes two abstract names, the second an edited copy of the first. One is written as DER and
//! the other as a string, each in one of many spellings; the model compares them without parsing
//! anything. Its alphabet carries its own table of what each character is after RFC 4518: folded and
//! decomposed, which tells names apart exactly where the composed form does.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

use certbound::cert::{DistinguishedName, RegisteredName};

/// A character and what is left of it; none where a name that has it may not be compared at all.
const ALPHABET: &[(char, Option<&str>)] = &[
    ('a', Some("a")),
    ('A', Some("a")),
    ('b', Some("b")),
    ('s', Some("s")),
    ('S', Some("s")),
    ('e', Some("e")),
    ('E', Some("e")),
    ('f', Some("f")),
    ('i', Some("i")),
    ('I', Some("i")),
    ('k', Some("k")),
    ('1', Some("1")),
    (' ', Some(" ")),
    (' ', Some(" ")),
    (' ', Some(" ")),
    (',', Some(",")),
    ('+', Some("+")),
    ('"', Some("\"")),
    ('\\', Some("\\")),
    ('<', Some("<")),
    ('>', Some(">")),
    (';', Some(";")),
    ('#', Some("#")),
    ('=', Some("=")),
    ('/', Some("/")),
    ('\u{e9}', Some("e\u{301}")),
    ('\u{c9}', Some("e\u{301}")),
    ('\u{301}', Some("\u{301}")),
    ('\u{307}', Some("\u{307}")),
    ('\u{323}', Some("\u{323}")),
    ('\u{df}', Some("ss")),
    ('\u{fb01}', Some("fi")),
    ('\u{a0}', Some(" ")),
    ('\u{2003}', Some(" ")),
    ('\u{3000}', Some(" ")),
    ('\t', Some(" ")),
    ('\n', Some(" ")),
    ('\u{130}', Some("i\u{307}")),
    ('\u{131}', Some("\u{131}")),
    ('\u{212a}', Some("k")),
    ('\u{ff21}', Some("a")),
    ('\u{3a3}', Some("\u{3c3}")),
    ('\u{3c2}', Some("\u{3c3}")),
    ('\u{3c3}', Some("\u{3c3}")),
    ('\u{435}', Some("\u{435}")),
    ('\u{fe0f}', Some("")),
    ('\u{b4}', Some(" \u{301}")),
    ('\u{1e69}', Some("s\u{323}\u{307}")),
    ('\u{2028}', Some(" ")),
    ('\u{200b}', None),
    ('\u{ad}', None),
    ('\u{0}', None),
    ('\u{fffd}', None),
    ('\u{e000}', None),
    ('\u{20bf}', None),
    ('\u{1f600}', None),
];

/// An attribute type: its OBJECT IDENTIFIER's octets, and its spellings; one that is not known has one.
const TYPES: &[(&[u8], &[&str])] = &[
    (&[85, 4, 3], &["CN", "cn", "commonName", "2.5.4.3"]),
    (&[85, 4, 10], &["O", "o", "ORGANIZATIONNAME", "2.5.4.10"]),
    (&[85, 4, 6], &["C", "c", "countryName", "2.5.4.6"]),
    (&[85, 4, 5], &["serialNumber", "SERIALNUMBER", "2.5.4.5"]),
    (&[85, 4, 97], &["organizationIdentifier", "2.5.4.97"]),
    (&[42, 3, 4], &["1.2.3.4"]),
];

/// String types that hold any character, and those that hold ASCII alone.
const WIDE: &[u8] = &[0x0c, 0x0c, 0x1c, 0x1e];
const NARROW: &[u8] = &[0x13, 0x14, 0x16, 0x1a];

#[derive(Arbitrary, Clone, Debug)]
struct Attribute {
    kind: u8,
    text: Vec<u8>,
    tag: u8,
}

#[derive(Arbitrary, Debug)]
enum Edit {
    Letter(u8, u8, u8, u8),
    Alike(u8, u8, u8, u8),
    Apart(u8, u8, u8),
    Insert(u8, u8, u8, u8),
    Remove(u8, u8, u8),
    Kind(u8, u8, u8),
    Tag(u8, u8, u8),
    SwapRdns(u8, u8),
    SwapAttributes(u8, u8, u8),
    Repeat(u8, u8),
    Drop(u8, u8),
    Split(u8),
}

#[derive(Arbitrary, Debug)]
struct Case {
    name: Vec<Vec<Attribute>>,
    edits: Vec<Edit>,
    spelling: Vec<u8>,
}

type Name = Vec<Vec<Attribute>>;

impl Attribute {
    fn characters(&self) -> Vec<(char, Option<&'static str>)> {
        self.text.iter().map(|at| letter(*at)).collect()
    }

    fn oid(&self) -> (&'static [u8], &'static [&'static str]) {
        TYPES[usize::from(self.kind) % TYPES.len()]
    }

    fn is_known(&self) -> bool {
        self.oid().1.len() > 1
    }

    /// The DER of the value.
    fn value(&self) -> Vec<u8> {
        let text: String = self.characters().iter().map(|(letter, _)| letter).collect();
        let bmp = text.chars().all(|letter| u32::from(letter) < 0x1_0000);
        let mut tag = WIDE[usize::from(self.tag) % WIDE.len()];
        if text.is_ascii() && self.tag >= 128 {
            tag = NARROW[usize::from(self.tag) % NARROW.len()];
        }
        match tag {
            0x1c => element(
                tag,
                text.chars()
                    .flat_map(|c| u32::from(c).to_be_bytes())
                    .collect(),
            ),
            0x1e if bmp => element(
                tag,
                text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            ),
            0x1e => element(0x0c, text.into_bytes()),
            _ => element(tag, text.into_bytes()),
        }
    }
}

fn letter(at: u8) -> (char, Option<&'static str>) {
    ALPHABET[usize::from(at) % ALPHABET.len()]
}

fn element(tag: u8, content: Vec<u8>) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("the names are small");
    let [high, low] = length.to_be_bytes();
    let mut octets = match (high, low) {
        (0, 0..=0x7f) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    octets.extend(content);
    octets
}

fn der(name: &Name) -> Vec<u8> {
    let attribute = |attribute: &Attribute| {
        let oid = element(6, attribute.oid().0.to_vec());
        element(0x30, [oid, attribute.value()].concat())
    };
    let rdn = |rdn: &Vec<Attribute>| element(0x31, rdn.iter().flat_map(attribute).collect());
    element(0x30, name.iter().flat_map(rdn).collect())
}

/// RFC 4518 over the table; none where nothing may be compared with it.
fn prepared(attribute: &Attribute) -> Option<Vec<char>> {
    let mut letters = Vec::new();
    for (_, left) in attribute.characters() {
        letters.extend(left?.chars());
    }
    // Canonical order: a dot below comes before what is above.
    while let Some(at) = letters
        .windows(2)
        .position(|pair| matches!(pair, ['\u{301}' | '\u{307}', '\u{323}']))
    {
        letters.swap(at, at + 1);
    }
    let mark = |letter: Option<&char>| matches!(letter, Some('\u{301}' | '\u{307}' | '\u{323}'));
    if mark(letters.first()) {
        return None;
    }
    // Which spaces are spaces: section 2.6.1.
    let blank: Vec<bool> = (0..letters.len())
        .map(|at| letters[at] == ' ' && !mark(letters.get(at + 1)))
        .collect();
    let first = blank.iter().position(|blank| !blank)?;
    let last = blank.iter().rposition(|blank| !blank)?;
    let kept = (first..=last).filter(|at| !(blank[*at] && blank[at - 1]));
    Some(kept.map(|at| letters[at]).collect())
}

fn equal(one: &Attribute, other: &Attribute) -> bool {
    let values = if one.is_known() {
        prepared(one) == prepared(other)
    } else {
        one.value() == other.value()
    };
    one.oid() == other.oid() && values
}

fn comparable(name: &Name) -> bool {
    let fine = |attribute: &Attribute| !attribute.is_known() || prepared(attribute).is_some();
    !name.is_empty() && name.iter().flatten().all(fine)
}

fn same(one: &Name, other: &Name) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| {
            let mut left: Vec<&Attribute> = other.iter().collect();
            let paired = one.iter().all(|attribute| {
                let found = left.iter().position(|other| equal(attribute, other));
                found.map(|at| left.swap_remove(at)).is_some()
            });
            paired && left.is_empty()
        })
}

fn index(at: u8, length: usize) -> usize {
    usize::from(at) % length.max(1)
}

fn attribute(name: &mut Name, rdn: u8, at: u8) -> Option<&mut Attribute> {
    let rdn = index(rdn, name.len());
    let rdn = name.get_mut(rdn)?;
    let at = index(at, rdn.len());
    rdn.get_mut(at)
}

fn edit(name: &mut Name, edit: &Edit) {
    let rdns = name.len();
    match *edit {
        Edit::Letter(rdn, at, place, letter) => {
            if let Some(found) = attribute(name, rdn, at)
                && let place = index(place, found.text.len())
                && let Some(old) = found.text.get_mut(place)
            {
                *old = letter;
            }
        }
        // Another letter of which the same is left, and the letters of what is left one by one.
        Edit::Alike(rdn, at, place, which) => {
            if let Some(found) = attribute(name, rdn, at)
                && let place = index(place, found.text.len())
                && let Some(old) = found.text.get_mut(place)
            {
                let left = letter(*old).1;
                let alike = (0..).zip(ALPHABET).filter(|(_, (_, other))| *other == left);
                let alike: Vec<u8> = alike.map(|(at, _)| at).collect();
                *old = alike[index(which, alike.len())];
            }
        }
        Edit::Apart(rdn, at, place) => {
            if let Some(found) = attribute(name, rdn, at).filter(|found| !found.text.is_empty()) {
                let place = index(place, found.text.len());
                let left = letter(found.text[place]).1.unwrap_or_default();
                let places = left.chars().map(|one| {
                    let at = ALPHABET.iter().position(|(other, _)| *other == one);
                    at.and_then(|at| u8::try_from(at).ok()).unwrap_or_default()
                });
                found.text.splice(place..=place, places);
            }
        }
        Edit::Insert(rdn, at, place, letter) => {
            if let Some(found) = attribute(name, rdn, at) {
                found
                    .text
                    .insert(index(place, found.text.len() + 1), letter);
            }
        }
        Edit::Remove(rdn, at, place) => {
            if let Some(found) = attribute(name, rdn, at).filter(|found| !found.text.is_empty()) {
                found.text.remove(index(place, found.text.len()));
            }
        }
        Edit::Kind(rdn, at, kind) => {
            if let Some(found) = attribute(name, rdn, at) {
                found.kind = kind;
            }
        }
        Edit::Tag(rdn, at, tag) => {
            if let Some(found) = attribute(name, rdn, at) {
                found.tag = tag;
            }
        }
        Edit::SwapRdns(one, other) if rdns > 0 => name.swap(index(one, rdns), index(other, rdns)),
        Edit::SwapAttributes(rdn, one, other) => {
            if let Some(rdn) = name.get_mut(index(rdn, rdns)) {
                let (one, other) = (index(one, rdn.len()), index(other, rdn.len()));
                rdn.swap(one, other);
            }
        }
        Edit::Repeat(rdn, at) => {
            if let Some(again) = attribute(name, rdn, at).cloned() {
                name[index(rdn, rdns)].push(again);
            }
        }
        Edit::Drop(rdn, at) => {
            if let Some(rdn) = name.get_mut(index(rdn, rdns)) {
                rdn.remove(index(at, rdn.len()));
            }
            name.retain(|rdn| !rdn.is_empty());
        }
        Edit::Split(rdn) => {
            let at = index(rdn, rdns);
            if name.get(at).is_some_and(|rdn| rdn.len() > 1) {
                let rest = name[at].split_off(1);
                name.insert(at + 1, rest);
            }
        }
        Edit::SwapRdns(..) => {}
    }
}

/// How each thing is spelt that may be spelt in several ways.
struct Spelling<'a>(std::slice::Iter<'a, u8>);

impl Spelling<'_> {
    fn pick(&mut self, ways: usize) -> usize {
        self.0.next().map_or(0, |octet| usize::from(*octet) % ways)
    }

    fn spaces(&mut self) -> &'static str {
        ["", "", " ", "   "][self.pick(4)]
    }

    fn attribute(&mut self, attribute: &Attribute) -> String {
        let names = attribute.oid().1;
        let name = names[self.pick(names.len())];
        let (before, after) = (self.spaces(), self.spaces());
        let value = if !attribute.is_known() || self.pick(8) == 7 {
            let upper = self.pick(2) == 1;
            attribute.value().iter().fold("#".to_owned(), |all, octet| {
                all + &if upper {
                    format!("{octet:02X}")
                } else {
                    format!("{octet:02x}")
                }
            })
        } else {
            self.text(attribute)
        };
        let (start, end) = (self.spaces(), self.spaces());
        format!("{start}{name}{before}={after}{value}{end}")
    }

    fn text(&mut self, attribute: &Attribute) -> String {
        let characters = attribute.characters();
        let last = characters.len().saturating_sub(1);
        let mut text = String::new();
        for (place, (letter, _)) in characters.into_iter().enumerate() {
            let outer = place == 0 || place == last;
            let special = matches!(letter, ',' | '+' | '"' | '\\' | '<' | '>' | ';')
                || (outer && letter == ' ')
                || (place == 0 && letter == '#');
            let escapable = special || matches!(letter, ' ' | '#' | '=');
            match self.pick(4) {
                _ if letter.is_control() => text += &pairs(letter),
                3 => text += &pairs(letter),
                2 if escapable => text.extend(['\\', letter]),
                _ if special => text.extend(['\\', letter]),
                _ => text.push(letter),
            }
        }
        text
    }
}

fn pairs(letter: char) -> String {
    let mut buffer = [0; 4];
    let octets = letter.encode_utf8(&mut buffer).bytes();
    octets.map(|octet| format!("\\{octet:02x}")).collect()
}

fn written(name: &Name, spelling: &[u8]) -> String {
    let mut spelling = Spelling(spelling.iter());
    let mut rdns = Vec::new();
    for rdn in name.iter().rev() {
        let attributes: Vec<String> = rdn.iter().map(|one| spelling.attribute(one)).collect();
        rdns.push(attributes.join("+"));
    }
    rdns.join(",")
}

fuzz_target!(|case: Case| {
    let Case {
        mut name,
        mut edits,
        spelling,
    } = case;
    name.retain(|rdn| !rdn.is_empty());
    name.truncate(5);
    for rdn in &mut name {
        rdn.truncate(4);
        rdn.iter_mut()
            .for_each(|attribute| attribute.text.truncate(16));
    }
    edits.truncate(4);
    let subject = DistinguishedName::from_der(&der(&name));
    assert_eq!(subject.is_ok(), comparable(&name), "{subject:?}");
    let mut other = name.clone();
    edits.iter().for_each(|one| edit(&mut other, one));
    let text = written(&other, &spelling);
    let registered = text.parse::<RegisteredName>();
    assert_eq!(
        registered.is_ok(),
        comparable(&other),
        "{text:?} {registered:?}"
    );
    if let (Ok(subject), Ok(registered)) = (subject, registered) {
        assert_eq!(
            subject.matches(&registered),
            same(&name, &other),
            "{subject} {registered}"
        );
        assert_eq!(subject.compare(&registered).is_ok(), same(&name, &other));
    }
});
