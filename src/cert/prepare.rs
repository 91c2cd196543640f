//! String preparation for `caseIgnoreMatch` (RFC 4518), in Unicode 3.2.
//!
//! One departure, towards refusal: control and format characters, which RFC 4518 drops, are
//! refused, because two names that an issuer keeps apart would become one.

use stringprep::tables;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Why a string has no prepared form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unprepared {
    /// A control or format character that RFC 4518 would drop.
    Control(char),
    /// A character that RFC 4518 section 2.4 prohibits: unassigned in Unicode 3.2, private use,
    /// a non-character or U+FFFD.
    Prohibited(char),
    /// The string begins with a combining mark.
    CombiningFirst,
    /// Nothing but spaces is left.
    Blank,
}

/// The form in which two values of `caseIgnoreMatch` are equal octet by octet.
pub fn case_ignore(text: &str) -> Result<String, Unprepared> {
    if text.bytes().all(|octet| matches!(octet, b' '..=b'~')) {
        return collapse_spaces(text.chars().map(|c| c.to_ascii_lowercase()), text.len());
    }
    let mut mapped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_space(character) {
            mapped.push(' ');
        } else if is_control_or_format(character) {
            return Err(Unprepared::Control(character));
        } else if is_prohibited(character) {
            // Asked before NFKC too, which knows later versions of Unicode than 3.2.
            return Err(Unprepared::Prohibited(character));
        } else if !is_dropped(character) {
            mapped.extend(tables::case_fold_for_nfkc(character));
        }
    }
    let normal: String = mapped.nfkc().collect();
    let wrong = |c: &char| is_prohibited(*c) || tables::change_display_properties_or_deprecated(*c);
    if let Some(character) = normal.chars().find(wrong) {
        return Err(Unprepared::Prohibited(character));
    }
    if normal.chars().next().is_some_and(is_combining_mark) {
        return Err(Unprepared::CombiningFirst);
    }
    collapse_spaces(normal.chars(), normal.len())
}

/// RFC 4518 section 2.6.1: outer spaces go, inner runs become one. A space that carries a
/// combining mark is not a space there.
fn collapse_spaces(
    text: impl Iterator<Item = char>,
    capacity: usize,
) -> Result<String, Unprepared> {
    let mut prepared = String::with_capacity(capacity);
    let mut text = text.peekable();
    let mut pending = false;
    while let Some(character) = text.next() {
        if character == ' ' && !text.peek().is_some_and(|next| is_combining_mark(*next)) {
            pending = true;
            continue;
        }
        if pending && !prepared.is_empty() {
            prepared.push(' ');
        }
        pending = false;
        prepared.push(character);
    }
    if prepared.is_empty() {
        return Err(Unprepared::Blank);
    }
    Ok(prepared)
}

/// RFC 4518 section 2.2: what maps to SPACE.
const fn is_space(character: char) -> bool {
    matches!(
        character,
        '\u{9}'..='\u{d}'
            | '\u{20}'
            | '\u{85}'
            | '\u{a0}'
            | '\u{1680}'
            | '\u{2000}'..='\u{200a}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{202f}'
            | '\u{205f}'
            | '\u{3000}'
    )
}

/// General categories Cc and Cf as far as Unicode 3.2 assigned them; later ones are unassigned.
pub const fn is_control_or_format(character: char) -> bool {
    matches!(
        character,
        '\u{0}'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0001}'
            | '\u{e0020}'..='\u{e007f}'
    )
}

/// RFC 4518 section 2.2: what maps to nothing and is neither control nor format character.
const fn is_dropped(character: char) -> bool {
    matches!(
        character,
        '\u{34f}' | '\u{1806}' | '\u{180b}'..='\u{180d}' | '\u{fe00}'..='\u{fe0f}' | '\u{fffc}'
    )
}

/// RFC 4518 section 2.4, but for the table that is only asked of the normal form.
fn is_prohibited(character: char) -> bool {
    character == '\u{fffd}'
        || tables::unassigned_code_point(character)
        || tables::private_use(character)
        || tables::non_character_code_point(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_after_preparation() {
        for (one, other) in [
            ("Example Org", "  eXAMPLE   oRG "),
            ("a\u{a0}\u{2003}b\u{2028}", "a b"),
            ("a\tb\nc\u{b}d\u{c}e\rf\u{85}g", "A B C D E F G"),
            ("Socie\u{301}te\u{301}", "soci\u{e9}t\u{e9}"),
            ("\u{1e69}", "s\u{307}\u{323}"),
            ("\u{ff23}\u{ff4c}", "cl"),
            ("\u{fb01}nance", "finance"),
            ("STRASSE", "stra\u{df}e"),
            (
                "\u{39f}\u{394}\u{39f}\u{3a3}",
                "\u{3bf}\u{3b4}\u{3bf}\u{3c2}",
            ),
            ("a\u{fe0f}b", "ab"),
            ("\u{212a}elvin", "kelvin"),
            ("\u{130}", "i\u{307}"),
            ("x \u{b4}", "X  \u{301}"),
        ] {
            let prepared = case_ignore(one);
            assert!(prepared.is_ok(), "{one:?}: {prepared:?}");
            assert_eq!(prepared, case_ignore(other), "{one:?} {other:?}");
        }
    }

    #[test]
    fn different_after_preparation() {
        for (one, other) in [
            ("client", "cl\u{131}ent"),
            ("\u{130}", "i"),
            ("client", "cli\u{435}nt"),
            ("a b", "ab"),
            ("\u{661}", "1"),
            ("\u{e9}", "e"),
            ("a \u{301}", "a\u{301}"),
            ("x \u{b4}", "x\u{b4}"),
        ] {
            assert_ne!(case_ignore(one), case_ignore(other), "{one:?} {other:?}");
        }
    }

    #[test]
    fn what_has_no_prepared_form() {
        for (text, why) in [
            ("", Unprepared::Blank),
            (" \t\u{3000}", Unprepared::Blank),
            ("\u{fe0f}", Unprepared::Blank),
            ("a\0", Unprepared::Control('\0')),
            ("a\u{7f}", Unprepared::Control('\u{7f}')),
            ("a\u{ad}b", Unprepared::Control('\u{ad}')),
            ("a\u{200b}b", Unprepared::Control('\u{200b}')),
            ("a\u{202e}b", Unprepared::Control('\u{202e}')),
            ("\u{feff}a", Unprepared::Control('\u{feff}')),
            ("a\u{e0041}", Unprepared::Control('\u{e0041}')),
            ("a\u{1e9e}", Unprepared::Prohibited('\u{1e9e}')),
            ("\u{221}", Unprepared::Prohibited('\u{221}')),
            ("a\u{20bf}", Unprepared::Prohibited('\u{20bf}')),
            // Later Unicode normalizes this one to two characters that 3.2 has.
            ("a\u{32ff}", Unprepared::Prohibited('\u{32ff}')),
            ("a\u{e000}", Unprepared::Prohibited('\u{e000}')),
            ("a\u{fffd}", Unprepared::Prohibited('\u{fffd}')),
            ("a\u{fdd0}", Unprepared::Prohibited('\u{fdd0}')),
            ("a\u{10ffff}", Unprepared::Prohibited('\u{10ffff}')),
            ("\u{301}a", Unprepared::CombiningFirst),
        ] {
            assert_eq!(case_ignore(text), Err(why), "{text:?}");
        }
        assert!(
            case_ignore("a\u{20ac}\u{220}").is_ok(),
            "both are in Unicode 3.2"
        );
    }
}
