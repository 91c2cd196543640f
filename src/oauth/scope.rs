//! Scope (RFC 6749 section 3.3).

use std::collections::HashSet;
use std::fmt;

/// A set of scope tokens in the order given, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope(String);

/// Up to so many tokens are compared with each other; that takes less time than to make a set of them.
const FEW: usize = 16;

impl Scope {
    /// Reads a space-delimited list; a token that comes twice counts once. The time it takes grows with
    /// the text and no faster: a form may hold thirty thousand tokens.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        let mut kept = String::with_capacity(text.len());
        let (mut few, mut count) = ([""; FEW], 0);
        let mut many = HashSet::new();
        for token in text.split(' ').filter(|token| !token.is_empty()) {
            if !token
                .bytes()
                .all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
            {
                return Err(ScopeError);
            }
            let is_new = !few[..count].contains(&token);
            let is_new = match few.get_mut(count) {
                Some(place) if is_new => {
                    *place = token;
                    count += 1;
                    true
                }
                None if is_new => many.insert(token),
                _ => false,
            };
            if is_new {
                if !kept.is_empty() {
                    kept.push(' ');
                }
                kept.push_str(token);
            }
        }
        Ok(Self(kept))
    }

    /// The tokens.
    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|token| !token.is_empty())
    }

    /// The first token of this that `other` does not have.
    pub fn beyond<'s>(&'s self, other: &Self) -> Option<&'s str> {
        self.tokens()
            .find(|token| !other.tokens().any(|known| known == *token))
    }

    /// The tokens of this that `other` has, too.
    #[must_use]
    pub fn within(&self, other: &Self) -> Self {
        let mut kept = String::with_capacity(self.0.len());
        for token in self.tokens() {
            if other.tokens().any(|known| known == token) {
                if !kept.is_empty() {
                    kept.push(' ');
                }
                kept.push_str(token);
            }
        }
        Self(kept)
    }

    /// Whether there is this token.
    pub fn has(&self, token: &str) -> bool {
        self.tokens().any(|known| known == token)
    }

    /// Whether there is no token at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As it is written in requests and tokens.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Text with a character that no scope token may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScopeError;

impl fmt::Display for ScopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a scope is printable ASCII without quote or backslash, tokens apart by one space",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_full_of_tokens_takes_no_time() {
        let many: Vec<String> = (0..12_000).map(|n| format!("{n:x}")).collect();
        let text = many.join(" ");
        let began = std::time::Instant::now();
        let scope = Scope::parse(&text).expect("a scope");
        // Comparing each with all before it takes seconds.
        assert!(began.elapsed() < std::time::Duration::from_millis(500));
        assert_eq!(scope.as_str(), text);
    }

    #[test]
    fn reads_lists() {
        let scope = Scope::parse("a  b a").expect("a scope");
        assert_eq!(scope.as_str(), "a b");
        let known = Scope::parse("b").expect("a scope");
        assert_eq!(scope.beyond(&known), Some("a"));
        assert_eq!(known.beyond(&scope), None);
        assert!(Scope::parse("").expect("nothing is a scope").is_empty());
        for wrong in ["a\"b", "a\\b", "é", "a\tb", "a\nb"] {
            assert_eq!(Scope::parse(wrong), Err(ScopeError), "{wrong}");
        }
    }
}
