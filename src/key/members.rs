//! A JSON object, written member by member.
//!
//! For what every token takes: a writer of JSON looks at each octet of a text by itself for what it would have to
//! escape, and what is in tokens and in the answers that carry them has nothing of the kind, which many octets at
//! once can be asked for.

use serde_json::Value;

/// An object that is being written. The names are ours, each given once, and need no escape.
pub struct Members(String);

impl Members {
    /// An empty one, with room for so many octets: those for which there is no room are copied to where there is
    /// more of it.
    pub fn with_room(octets: usize) -> Self {
        let mut text = String::with_capacity(octets);
        text.push('{');
        Self(text)
    }

    /// One more member, a string.
    pub fn text(&mut self, name: &'static str, text: &str) {
        self.name(name);
        self.push_text(text);
    }

    /// One more member, a number.
    pub fn number(&mut self, name: &'static str, number: u64) {
        self.name(name);
        self.0.push_str(itoa::Buffer::new().format(number));
    }

    /// One more member, an array of strings.
    pub fn texts(&mut self, name: &'static str, texts: &[String]) {
        self.name(name);
        self.0.push('[');
        for (at, text) in texts.iter().enumerate() {
            if at > 0 {
                self.0.push(',');
            }
            self.push_text(text);
        }
        self.0.push(']');
    }

    /// One more member, an object with one member, a string.
    pub fn object_of(&mut self, name: &'static str, member: &'static str, text: &str) {
        self.name(name);
        self.0.push('{');
        self.name(member);
        self.push_text(text);
        self.0.push('}');
    }

    /// The object.
    pub fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }

    fn name(&mut self, name: &'static str) {
        if !self.0.ends_with('{') {
            self.0.push(',');
        }
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
    }

    fn push_text(&mut self, text: &str) {
        // All of them, as a search that may end early looks at one octet after the other.
        let escapes = text.bytes().fold(0, |found, octet| {
            found | u8::from(matches!(octet, ..b' ' | b'"' | b'\\'))
        });
        if escapes > 0 {
            self.0.push_str(&Value::from(text).to_string());
        } else {
            self.0.push('"');
            self.0.push_str(text);
            self.0.push('"');
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Value {
        serde_json::from_str(text).expect("JSON")
    }

    #[test]
    fn an_object_may_have_no_members() {
        assert_eq!(Members::with_room(0).finish(), "{}");
    }

    #[test]
    fn every_octet_of_ascii_is_written_so_that_it_is_read() {
        for octet in 0..=0x7f_u8 {
            for text in [
                char::from(octet).to_string(),
                format!("{{{}ä", char::from(octet)),
            ] {
                let mut members = Members::with_room(0);
                members.text("a", &text);
                assert_eq!(read(&members.finish()), json!({ "a": text }));
            }
        }
    }

    proptest! {
        #[test]
        fn as_any_writer_of_json_has_it(
            text in any::<String>(), number: u64, texts: Vec<String>, inner in "[ -~]*", last in "[\"\\\\{}]*",
        ) {
            let mut members = Members::with_room(8);
            members.text("one", &text);
            members.number("two", number);
            members.texts("three", &texts);
            members.object_of("four", "x5t#S256", &inner);
            members.text("five", &last);
            let expected = json!({
                "one": text, "two": number, "three": texts, "four": {"x5t#S256": inner}, "five": last,
            });
            prop_assert_eq!(read(&members.finish()), expected);
        }
    }
}
