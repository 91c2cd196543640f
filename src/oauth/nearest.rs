//! The known name that a mistyped one most likely meant.

/// The candidate nearest to `name`, if one is near enough to be worth naming.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many characters must be put in, taken out or changed to make one the other (Levenshtein),
/// for names of at most 64 characters.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (
        one.chars().take(64).collect(),
        other.chars().take(64).collect(),
    );
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
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
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
