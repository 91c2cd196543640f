//! The known name that a mistyped one most likely meant.

/// The candidate nearest to `name`, if one is near enough to be worth naming.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let candidate = closest(name, known)?;
    (distance(name, candidate) <= 1 + candidate.len() / 4).then_some(candidate)
}

/// The candidate nearest to `name`, however far that is; none only where there are none.
pub fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .min_by_key(|candidate| distance(name, candidate))
}

/// How many characters must be put in, taken out, changed or swapped with their neighbour to make one the
/// other. A name longer than 64 characters is near to nothing, and is not looked at further.
fn distance(one: &str, other: &str) -> usize {
    let characters = |text: &str| text.chars().take(64).collect::<Vec<char>>();
    let (one, other) = (characters(one), characters(other));
    let mut before_last = vec![0; other.len() + 1];
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1; other.len() + 1];
        for (j, b) in other.iter().enumerate() {
            let changed = last[j] + usize::from(a != b);
            row[j + 1] = changed.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b {
                row[j + 1] = row[j + 1].min(before_last[j - 1] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_was_meant() {
        let known = ["scope", "client_id", "jwks_uri"];
        assert_eq!(nearest("scpoe", known), Some("scope"));
        assert_eq!(nearest("clientid", known), Some("client_id"));
        assert_eq!(nearest("zebra", known), None);
        assert_eq!(closest("zebra", known), Some("scope"));
        assert_eq!(closest("zebra", []), None);
    }

    #[test]
    fn distances() {
        for (one, other, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("issuer", "isuer", 1),
            ("issuer", "issure", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(one, other), expected, "{one:?} {other:?}");
            assert_eq!(distance(other, one), expected, "{one:?} {other:?}");
        }
    }
}
