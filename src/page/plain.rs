//! Text that others chose, as people may be shown it: nothing invisible, nothing that turns the line
//! around, nothing without an end.

use unicode_normalization::char::is_combining_mark;

/// How many marks may sit on one letter; no living language needs more.
const MARKS: usize = 4;

/// The text on one line, without characters that are not seen or that reorder others, cut to `most`
/// characters with an ellipsis as the last of them.
pub(super) fn line(text: &str, most: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(most * 4));
    let mut length = 0;
    let mut marks = 0;
    let mut pending = false;
    for character in text.chars() {
        if character.is_whitespace() || character.is_control() {
            pending = length > 0;
            continue;
        }
        if is_unseen(character) {
            continue;
        }
        marks = if is_combining_mark(character) {
            marks + 1
        } else {
            0
        };
        if marks > MARKS {
            continue;
        }
        if length + usize::from(pending) >= most {
            shown.pop();
            shown.push('…');
            return shown;
        }
        if pending {
            shown.push(' ');
            length += 1;
            pending = false;
        }
        shown.push(character);
        length += 1;
    }
    shown
}

/// The same for text that may be nothing: what shows nothing is nothing.
pub(super) fn some_line(text: Option<&str>, most: usize) -> Option<String> {
    text.map(|text| line(text, most))
        .filter(|text| !text.is_empty())
}

/// Formatting characters: zero width, direction, interlinear, variation tags.
pub(super) const fn is_unseen(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'
            ..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'
            ..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'
            ..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}

/// The URL, if it leads to the web and nowhere else; it is the client's own, and a link to it must not
/// run anything (`javascript:`).
pub(super) fn web(url: &str) -> Option<&str> {
    let parsed = url::Url::parse(url).ok()?;
    let written = |scheme: &str| {
        url.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    let is_web = parsed.has_host() && (written("https://") || written("http://"));
    is_web.then_some(url)
}

/// The host of a URL of the web, in ASCII, so that look-alike letters show, and whole, because whose it is
/// stands at its end.
pub(super) fn host(url: &str) -> Option<String> {
    web(url)?;
    let parsed = url::Url::parse(url).ok()?;
    parsed.host_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_without_tricks() {
        for (text, most, shown) in [
            ("Acme", 10, "Acme"),
            ("", 10, ""),
            ("  Acme \n\t Pay  ", 10, "Acme Pay"),
            ("Acme\u{202e}yaP", 10, "AcmeyaP"),
            ("\u{2067}\u{2069}\u{200b}\u{feff}", 10, ""),
            ("a\u{0}b\u{7f}c\u{85}d", 10, "a b c d"),
            ("abcdef", 6, "abcdef"),
            ("abcdefg", 6, "abcde…"),
            ("abcdef   ", 6, "abcdef"),
            ("日本語の名前です", 4, "日本語…"),
            (
                "e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}!",
                20,
                "e\u{301}\u{301}\u{301}\u{301}!",
            ),
            ("<b>&\"'", 10, "<b>&\"'"),
        ] {
            assert_eq!(line(text, most), shown, "{text:?}");
        }
        assert_eq!(some_line(Some("\u{200b}"), 9), None);
        assert_eq!(some_line(Some(" a"), 9), Some("a".into()));
        assert_eq!(line(&"x".repeat(1_000_000), 80).chars().count(), 80);
    }

    #[test]
    fn links_lead_to_the_web() {
        for (url, good) in [
            ("https://client.example.com/tos?x=1#y", true),
            ("HTTP://client.example.com", true),
            ("javascript:alert(1)", false),
            ("JavaScript://x/%0aalert(1)", false),
            (" https://client.example.com", false),
            ("data:text/html,x", false),
            ("https:client.example.com", false),
            ("//client.example.com", false),
            ("/path", false),
            ("com.example.app:/cb", false),
            ("", false),
        ] {
            assert_eq!(web(url).is_some(), good, "{url}");
        }
        assert_eq!(
            host("https://b\u{fc}cher.example/x"),
            Some("xn--bcher-kva.example".into())
        );
        assert_eq!(host("javascript:alert(1)"), None);
    }
}
