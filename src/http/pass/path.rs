//! Which gate a request target falls under, and whether an application could read it as another one
//! (RFC 3986 section 6.2, RFC 9112 section 3.2).

use http::Uri;

/// The path of a gate, with what a reader who ignores case makes of it.
#[derive(Debug)]
pub(super) struct Prefix {
    path: String,
    folded: String,
}

impl Prefix {
    /// A path without escapes, dot segments and doubled slashes.
    pub(super) fn new(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            folded: path.to_ascii_lowercase(),
        }
    }

    /// How much of a path it decides.
    pub(super) const fn len(&self) -> usize {
        self.path.len()
    }
}

/// Where a request target leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leads {
    /// To the gate at that place.
    To(usize),
    /// To that gate by one reading and elsewhere by another, or to no place at all.
    TwoWays(usize, &'static str),
    /// To none.
    Nowhere,
}

/// Finds the gate for a target. `prefixes` come with the longest first.
pub(super) fn find(prefixes: &[Prefix], target: &Uri) -> Leads {
    if prefixes.is_empty() {
        return Leads::Nowhere;
    }
    let path = target.path();
    let exact = longest(prefixes, path, |prefix| &prefix.path);
    if let Some(cause) = malformed(target) {
        let near = exact.or_else(|| {
            let path = resolved(path);
            longest(prefixes, &path, |prefix| &prefix.path)
        });
        return near.map_or(Leads::Nowhere, |at| Leads::TwoWays(at, cause));
    }
    let Some(at) = exact else {
        return Leads::Nowhere;
    };
    if lacks_a_slash(&prefixes[..at], path) || reads_otherwise(prefixes, at, path) {
        return Leads::TwoWays(at, "the path can be read as one that another gate decides");
    }
    Leads::To(at)
}

/// The longest of those that a path falls under.
fn longest(prefixes: &[Prefix], path: &str, of: fn(&Prefix) -> &str) -> Option<usize> {
    prefixes.iter().position(|prefix| covers(of(prefix), path))
}

/// `/orders/` covers what is below it, `/orders` also itself.
fn covers(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/'))
}

/// Whether a path is that of one of those gates but for the slash at its end, without which many
/// applications find the same. Longer paths come first, so that they are what comes before a gate.
fn lacks_a_slash(longer: &[Prefix], path: &str) -> bool {
    longer
        .iter()
        .any(|prefix| prefix.path.strip_suffix('/') == Some(path))
}

/// What is wrong with a target that no application should have to understand.
fn malformed(target: &Uri) -> Option<&'static str> {
    let path = target.path();
    if target.scheme().is_some() || target.authority().is_some() || !path.starts_with('/') {
        return Some("the request target is no path");
    }
    let mut octets = path.bytes();
    while let Some(octet) = octets.next() {
        let meant = if octet == b'%' {
            let mut digit = || char::from(octets.next()?).to_digit(16);
            match (digit(), digit()) {
                (Some(high), Some(low)) => u8::try_from(high * 16 + low).unwrap_or(0),
                _ => return Some("the path has a percent sign that escapes nothing"),
            }
        } else {
            octet
        };
        match meant {
            b'\\' => return Some("the path has a backslash"),
            0..=0x1f | 0x7f => return Some("the path has a control octet"),
            b'.' | b'/' if octet == b'%' => return Some("the path has an escaped dot or slash"),
            // In UTF-8 they are in nothing but another spelling of ASCII.
            0xc0 | 0xc1 => return Some("the path has an octet that no UTF-8 has"),
            _ => {}
        }
    }
    if path.contains("//") {
        return Some("the path has an empty segment");
    }
    has_dot_segment(path).then_some("the path has a dot segment")
}

/// A dot segment, with or without what some readers take for a parameter of it.
fn has_dot_segment(path: &str) -> bool {
    // Windows drops blanks at the end of a name.
    path.split('/')
        .any(|segment| is_dots(bare(segment).trim_end_matches(' ')))
}

fn is_dots(segment: &str) -> bool {
    matches!(segment, "." | "..")
}

/// A segment without its parameters.
fn bare(segment: &str) -> &str {
    segment.split(';').next().unwrap_or_default()
}

/// Whether somebody who resolves escapes, once or twice, drops parameters of segments or ignores case
/// finds a dot segment, or another gate than the one at `at`.
fn reads_otherwise(prefixes: &[Prefix], at: usize, path: &str) -> bool {
    let plain = |b: u8| !matches!(b, b'%' | b';' | b'A'..=b'Z');
    if path.bytes().all(plain) {
        return false;
    }
    let once = unescaped(path);
    let twice = unescaped(&once);
    [once, twice].iter().any(|reading| {
        let mut folded = folded(reading);
        if !folded.ends_with('/') {
            folded.push('/');
        }
        let found = longest(prefixes, &folded, |prefix| &prefix.folded);
        let longer = found.is_none_or(|found| prefixes[found].len() > prefixes[at].len());
        longer || has_dot_segment(reading)
    })
}

/// Small letters, slashes that lean forward, one at a time, and no parameters.
fn folded(path: &str) -> String {
    let path = path.to_ascii_lowercase().replace('\\', "/");
    let mut folded = String::with_capacity(path.len());
    for (at, segment) in path.split('/').enumerate() {
        if at > 0 && !folded.ends_with('/') {
            folded.push('/');
        }
        folded.push_str(bare(segment));
    }
    folded
}

/// What a path means to somebody who resolves everything that can be resolved, to tell which gate
/// refuses one that nobody should resolve.
fn resolved(path: &str) -> String {
    let path = unescaped(path).replace('\\', "/");
    let mut segments: Vec<&str> = Vec::new();
    let mut folder = true;
    for segment in path.split('/').map(bare) {
        folder = segment.is_empty() || is_dots(segment);
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    let mut resolved = String::with_capacity(path.len() + 1);
    for segment in &segments {
        resolved.push('/');
        resolved.push_str(segment);
    }
    if folder || segments.is_empty() {
        resolved.push('/');
    }
    resolved
}

/// Resolves escapes once; what is no UTF-8 then matches nothing.
fn unescaped(path: &str) -> String {
    let mut octets = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digit = |at: usize| {
            let digit = char::from(*after.get(at)?).to_digit(16)?;
            u8::try_from(digit).ok()
        };
        if let (b'%', Some(high), Some(low)) = (first, digit(0), digit(1)) {
            octets.push(high * 16 + low);
            rest = &after[2..];
        } else {
            octets.push(first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes() -> Vec<Prefix> {
        ["/orders/admin/", "/orders/", "/Mixed/", "/stock"]
            .map(Prefix::new)
            .into()
    }

    /// `+gate` for one it leads to, `-gate` for one that refuses it, nothing for nowhere.
    fn leads(prefixes: &[Prefix], target: &str) -> String {
        let Ok(target) = target.parse::<Uri>() else {
            return "no target".into();
        };
        match find(prefixes, &target) {
            Leads::To(at) => format!("+{}", prefixes[at].path),
            Leads::TwoWays(at, _) => format!("-{}", prefixes[at].path),
            Leads::Nowhere => String::new(),
        }
    }

    #[test]
    fn the_longest_path_decides() {
        let prefixes = prefixes();
        for (target, expected) in [
            ("/orders/", "+/orders/"),
            ("/orders/x", "+/orders/"),
            ("/orders/x?y=/../z//", "+/orders/"),
            ("/orders/?", "+/orders/"),
            ("/orders", ""),
            ("/ordersx", ""),
            ("/orders/admin", "-/orders/"),
            ("/orders/admin?x", "-/orders/"),
            ("/orders/admin/", "+/orders/admin/"),
            ("/orders/admin/x/", "+/orders/admin/"),
            ("/orders/administrator", "+/orders/"),
            ("/stock", "+/stock"),
            ("/stock/", "+/stock"),
            ("/stock/x", "+/stock"),
            ("/stockx", ""),
            ("/stock?x", "+/stock"),
            ("/Orders/x", ""),
            ("/mixed/x", ""),
            ("/Mixed/x", "+/Mixed/"),
            ("/", ""),
            ("/x", ""),
            ("/x/orders/", ""),
        ] {
            assert_eq!(leads(&prefixes, target), expected, "{target}");
        }
        let all = [Prefix::new("/")];
        for (target, expected) in [
            ("/", "+/"),
            ("/x", "+/"),
            ("*", "-/"),
            ("host:443", "-/"),
            ("http://host/x", "-/"),
        ] {
            assert_eq!(leads(&all, target), expected, "{target}");
        }
        assert_eq!(leads(&[], "/x"), "");
    }

    #[test]
    fn one_reading_only() {
        let prefixes = prefixes();
        for (target, expected) in [
            // What everybody reads alike is passed on.
            ("/orders/a%20b", "+/orders/"),
            ("/orders/%41bc", "+/orders/"),
            ("/orders/ABC", "+/orders/"),
            ("/orders/a;b=c/d;e", "+/orders/"),
            ("/orders/;x", "+/orders/"),
            ("/orders/...", "+/orders/"),
            ("/orders/a..b/.c", "+/orders/"),
            ("/orders/%252f%2525", "+/orders/"),
            ("/orders/%e2%82%ac", "+/orders/"),
            ("/orders/%ff", "+/orders/"),
            // Dot segments and their disguises.
            ("/orders/..", "-/orders/"),
            ("/orders/.", "-/orders/"),
            ("/orders/./x", "-/orders/"),
            ("/orders/../admin", "-/orders/"),
            ("/orders/..;/admin", "-/orders/"),
            ("/orders/..%20/admin", "-/orders/"),
            ("/orders/%c0%ae%c0%ae/admin", "-/orders/"),
            ("/orders/%C1%9C/admin", "-/orders/"),
            ("/orders/.;x=y/admin", "-/orders/"),
            ("/orders/%2e%2e/x", "-/orders/"),
            ("/orders/.%2E/x", "-/orders/"),
            ("/orders/a%2eb", "-/orders/"),
            ("/orders/%252e%252e/x", "-/orders/"),
            ("/orders/..%3bx/y", "-/orders/"),
            // Slashes and theirs.
            ("/orders//x", "-/orders/"),
            ("/orders/x//", "-/orders/"),
            ("/orders/%2fx", "-/orders/"),
            ("/orders/a%2Fb", "-/orders/"),
            ("/orders/a%5cb", "-/orders/"),
            ("/orders/a%5Cb", "-/orders/"),
            // Octets that end a path early.
            ("/orders/x%00.png", "-/orders/"),
            ("/orders/x%0a", "-/orders/"),
            ("/orders/x%7F", "-/orders/"),
            ("/orders/%", "-/orders/"),
            ("/orders/%2", "-/orders/"),
            ("/orders/%zz", "-/orders/"),
            ("/orders/%+1", "-/orders/"),
            // A gate that some reader finds and another does not.
            ("/orders/ADMIN", "-/orders/"),
            ("/orders/%61dmin", "-/orders/"),
            ("/orders/admin;x", "-/orders/"),
            ("/orders/%61dmin/x", "-/orders/"),
            ("/orders/%2561dmin/x", "-/orders/"),
            ("/orders/ADMIN/x", "-/orders/"),
            ("/orders/admin;x/y", "-/orders/"),
            ("/orders/admin%3bx/y", "-/orders/"),
            ("/orders/%252fadmin/x", "-/orders/"),
            ("/orders/%255cadmin/x", "-/orders/"),
            // What is under no gate as it stands, but would be if somebody resolved it.
            ("//orders/x", "-/orders/"),
            ("/x/../orders/y", "-/orders/"),
            ("/x/..;/orders/y", "-/orders/"),
            ("/x/%2e%2e/orders/", "-/orders/"),
            ("/%2forders/", "-/orders/"),
            ("/./orders/admin/", "-/orders/admin/"),
            ("/x/%2e%2e%2forders%5cadmin%2f", "-/orders/admin/"),
            ("http://host/orders/x", "-/orders/"),
            // And what would not.
            ("/x/../y", ""),
            ("//", ""),
            ("http://host/x", ""),
            ("*", ""),
            ("/%6frders/", ""),
        ] {
            assert_eq!(leads(&prefixes, target), expected, "{target}");
        }
        // The parser of targets refuses some, or they are refused here.
        for octet in ["\\", "\u{7f}", "\u{1}", "\t"] {
            let target = format!("/orders/a{octet}b");
            let found = leads(&prefixes, &target);
            assert!(
                ["no target", "-/orders/"].contains(&&*found),
                "{target:?}: {found}"
            );
        }
    }

    #[test]
    fn long_paths_end() {
        let target = format!("/orders/{}", "%25".repeat(20_000));
        assert_eq!(leads(&prefixes(), &target), "+/orders/");
    }
}
