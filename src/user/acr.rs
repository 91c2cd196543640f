//! Names of levels of authentication: `acr` values (OpenID Connect Core section 2) as `acr_loa_map` has them.

use std::collections::BTreeMap;

/// Which level each authentication context class stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcrMap(BTreeMap<String, u32>);

impl AcrMap {
    /// The level that is asked for by that name: the map's, else a decimal number is a level by itself,
    /// as Keycloak has it; nothing where it is neither.
    pub fn level(&self, acr: &str) -> Option<u32> {
        self.0.get(acr).copied().or_else(|| {
            // A level has one spelling.
            let plain = acr.bytes().all(|byte| byte.is_ascii_digit());
            let one = acr == "0" || !acr.starts_with('0');
            (plain && one).then(|| acr.parse().ok()).flatten()
        })
    }

    /// The name of what was reached: of all names whose level is reached the one with the highest level,
    /// the first by name among equals.
    pub fn name(&self, level: u32) -> Option<&str> {
        let reached = self.0.iter().filter(|(_, needed)| **needed <= level);
        // Of equals max_by_key takes the last one, which is the first by name.
        reached
            .rev()
            .max_by_key(|(_, needed)| **needed)
            .map(|(name, _)| name.as_str())
    }

    /// Every name with its level, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u32)> {
        self.0.iter().map(|(name, level)| (name.as_str(), *level))
    }

    /// Whether it names nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<BTreeMap<String, u32>> for AcrMap {
    fn from(levels: BTreeMap<String, u32>) -> Self {
        Self(levels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> AcrMap {
        let names = [("silver", 1), ("gold", 2), ("brass", 1), ("2", 7)];
        let names = names.map(|(name, level)| (name.to_owned(), level));
        AcrMap::from(BTreeMap::from(names))
    }

    #[test]
    fn levels_of_names() {
        for (acr, level) in [
            ("gold", Some(2)),
            ("Gold", None),
            ("2", Some(7)),
            ("3", Some(3)),
            ("0", Some(0)),
            ("03", None),
            ("+3", None),
            ("-1", None),
            ("", None),
            ("99999999999", None),
        ] {
            assert_eq!(map().level(acr), level, "{acr:?}");
        }
    }

    #[test]
    fn names_of_levels() {
        for (level, name) in [
            (0, None),
            (1, Some("brass")),
            (2, Some("gold")),
            (6, Some("gold")),
            (7, Some("2")),
        ] {
            assert_eq!(map().name(level), name, "{level}");
        }
        assert!(AcrMap::default().is_empty() && AcrMap::default().name(9).is_none());
    }
}
