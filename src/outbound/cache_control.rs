//! How long an answer says that it is good for (RFC 9111 section 5.2.2).

use http::HeaderMap;
use http::header::CACHE_CONTROL;

use crate::oauth::time::Lifetime;

/// The shortest time that `Cache-Control` allows: `max-age`, and nothing for `no-store` and
/// `no-cache`. `None` where it says nothing of the kind.
pub(super) fn max_age(headers: &HeaderMap) -> Option<Lifetime> {
    headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|directive| {
            let (name, value) = match directive.split_once('=') {
                Some((name, value)) => (name.trim(), value.trim().trim_matches('"')),
                None => (directive.trim(), ""),
            };
            if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
                return Some(Lifetime::from_seconds(0));
            }
            let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            // More digits than a number can have mean a very long time (RFC 9111 section 1.2.2).
            (name.eq_ignore_ascii_case("max-age") && digits)
                .then(|| Lifetime::from_seconds(value.parse().unwrap_or(u64::MAX)))
        })
        .min()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_shortest_max_age_counts() {
        for (values, seconds) in [
            (&[][..], None),
            (&["public"][..], None),
            (&["max-age=300"][..], Some(300)),
            (&["public, Max-Age = \"60\""][..], Some(60)),
            (&["max-age=300", "max-age=100"][..], Some(100)),
            (&["max-age=300, no-cache"][..], Some(0)),
            (&["no-store"][..], Some(0)),
            (&["max-age="][..], None),
            (&["max-age=-1"][..], None),
            (&["s-maxage=9"][..], None),
            (&["max-age=99999999999999999999999"][..], Some(u64::MAX)),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CACHE_CONTROL, HeaderValue::from_static(value));
            }
            assert_eq!(
                max_age(&headers).map(Lifetime::seconds),
                seconds,
                "{values:?}"
            );
        }
    }
}
