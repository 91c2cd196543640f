//! Which language a page is in: `ui_locales` (OpenID Connect Core section 3.1.2.1), then `Accept-Language`
//! (RFC 9110 section 12.5.4), by the basic filtering of RFC 4647 section 3.3.1.

/// A language in which there are pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English, which is also for those who ask for none of the others.
    #[default]
    English,
    /// German.
    German,
}

/// How many of the languages asked for are looked at.
const LOOKED_AT: usize = 32;

impl Language {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::English, Self::German];

    /// As HTML's `lang` writes it (BCP 47).
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// The language for somebody who asks for these: the first of `ui_locales` that there is, else the one
    /// of `Accept-Language` with the highest quality, the first of several; else English.
    pub fn choose(ui_locales: Option<&str>, accept_language: Option<&str>) -> Self {
        let wished = ui_locales
            .unwrap_or_default()
            .split_ascii_whitespace()
            .take(LOOKED_AT)
            .find_map(Self::of_tag);
        wished
            .or_else(|| Self::accepted(accept_language.unwrap_or_default()))
            .unwrap_or_default()
    }

    /// The language of a tag such as `de-CH`.
    fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next()?;
        Self::ALL
            .iter()
            .copied()
            .find(|language| primary.eq_ignore_ascii_case(language.tag()))
    }

    fn accepted(header: &str) -> Option<Self> {
        let mut best: Option<(u16, Self)> = None;
        for range in header.split(',').take(LOOKED_AT) {
            let mut parts = range.split(';');
            let tag = parts.next().unwrap_or_default().trim();
            let Some(quality) = quality(parts) else {
                continue;
            };
            let language = if tag == "*" {
                Some(Self::English)
            } else {
                Self::of_tag(tag)
            };
            if let Some(language) = language
                && quality > best.map_or(0, |(quality, _)| quality)
            {
                best = Some((quality, language));
            }
        }
        best.map(|(_, language)| language)
    }
}

/// The quality in thousandths that the parameters of a range say, nothing for what is none.
fn quality<'a>(parameters: impl Iterator<Item = &'a str>) -> Option<u16> {
    let mut quality = 1000;
    for parameter in parameters {
        let (name, value) = parameter.trim().split_once('=')?;
        if !name.eq_ignore_ascii_case("q") {
            return None;
        }
        quality = thousandths(value)?;
    }
    Some(quality)
}

/// `0`, `0.5`, `1.000` (RFC 9110 section 12.4.2).
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_gets_it() {
        use Language::{English, German};
        for (ui_locales, accept_language, chosen) in [
            (None, None, English),
            (Some("de"), None, German),
            (Some("de-CH-1996 en"), Some("en"), German),
            (Some("fr DE"), Some("en"), German),
            (Some("fr it"), Some("de-AT,en;q=0.5"), German),
            (Some(""), Some("de"), German),
            (None, Some("en;q=0.5, de;q=0.8"), German),
            (None, Some("de;q=0.5,en;q=0.5"), German),
            (None, Some("de;q=0.4, en-GB ; q=0.5"), English),
            (None, Some("de;q=0"), English),
            (None, Some("de;q=2, en"), English),
            (None, Some("de;q=0.1234"), English),
            (None, Some("de;q=-1"), English),
            (None, Some("fr, *;q=0.1, de;q=0.2"), German),
            (None, Some("*, de"), English),
            (None, Some("den"), English),
            (None, Some("deu, ger"), English),
            (None, Some("de;level=1"), English),
            (None, Some(",,;;=,de"), German),
            (Some("\u{0}\u{202e}"), Some("\u{fffd}"), English),
        ] {
            assert_eq!(
                Language::choose(ui_locales, accept_language),
                chosen,
                "{ui_locales:?} {accept_language:?}"
            );
        }
    }

    #[test]
    fn only_so_many_are_looked_at() {
        let many = "fr,".repeat(LOOKED_AT) + "de";
        assert_eq!(Language::choose(None, Some(&many)), Language::English);
    }
}
