//! Resource identifiers (RFC 8707 section 2).

use std::fmt;

/// An absolute URI without a fragment, compared as the string it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Resource(String);

impl Resource {
    /// Takes what is one.
    pub fn parse(text: &str) -> Result<Self, ResourceError> {
        let absolute = url::Url::parse(text).is_ok();
        let clean = text.bytes().all(|byte| matches!(byte, 0x21..=0x7e));
        if !absolute || !clean || text.contains('#') || text.len() > 2048 {
            return Err(ResourceError);
        }
        Ok(Self(text.to_owned()))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Text that cannot name a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceError;

impl fmt::Display for ResourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a resource is an absolute URI without a fragment, for example https://api.example.com",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_and_without_fragment() {
        for good in [
            "https://api.example.com",
            "urn:example:orders",
            "https://a/b?c=d",
        ] {
            assert_eq!(Resource::parse(good).expect("a resource").as_str(), good);
        }
        for bad in [
            "",
            "/orders",
            "api",
            "https://a#f",
            "https://a b",
            "https://é.example",
        ] {
            assert_eq!(Resource::parse(bad), Err(ResourceError), "{bad}");
        }
    }
}
