//! Header fields on their way to an application and back: hop-by-hop ones end here (RFC 9110 section
//! 7.6.1), and who was let through is said by nobody but the gate.

use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, Entry, HOST,
    HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SET_COOKIE, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};

use crate::gate::identity::{Identity, NAMES};
use crate::oauth::secret::Secret;
use crate::proxy::Front;

/// What concerns one connection only, whether or not `Connection` names it.
const HOP_BY_HOP: [HeaderName; 11] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    EXPECT,
    HeaderName::from_static("http2-settings"),
];

/// What `Connection` cannot name: without these a message would be another one.
const KEPT: [HeaderName; 2] = [HOST, CONTENT_LENGTH];

/// The headers of RFC 9440, which an application may read whatever this deployment calls its own.
const RFC_9440: [HeaderName; 2] = [
    HeaderName::from_static("client-cert"),
    HeaderName::from_static("client-cert-chain"),
];

/// What begins like this is the gate's word.
const GATE: &str = "x-gate-";

/// What begins like this is a session of some gate here.
const OUR_COOKIES: &str = "__Host-certbound-";

/// The headers that are never passed on as they came.
#[derive(Debug)]
pub(super) struct Reserved(Vec<HeaderName>);

impl Reserved {
    /// Those of that front end.
    pub(super) fn new(front: &Front) -> Self {
        let mut names: Vec<HeaderName> = front.guarded().cloned().collect();
        names.extend(RFC_9440);
        names.extend(NAMES);
        names.extend(HOP_BY_HOP);
        Self(names)
    }

    /// Whether an application could take that header for one of these.
    fn has(&self, name: &HeaderName) -> bool {
        begins_alike(name.as_str(), GATE)
            || self.0.iter().any(|reserved| alike(name, reserved))
            // One spelling says how long the body is.
            || (alike(name, &CONTENT_LENGTH) && *name != CONTENT_LENGTH)
    }
}

/// Makes the header fields of a request what the application is to see.
pub(super) fn onward(
    headers: &mut HeaderMap,
    reserved: &Reserved,
    pass_token: bool,
    identity: &Identity,
) {
    // RFC 9112 section 6.1: what came in chunks goes on in chunks, and never with a length as well.
    let chunked = headers.contains_key(TRANSFER_ENCODING);
    drop_named_by_connection(headers);
    drop_where(headers, |name| reserved.has(name));
    if chunked {
        headers.remove(CONTENT_LENGTH);
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    one_length(headers);
    if !pass_token {
        headers.remove(AUTHORIZATION);
    }
    drop_our_cookies(headers);
    headers.extend(identity.headers());
}

/// Makes the header fields of an application's answer what the client is to see. `by_session` is whether
/// a cookie stood in for the token.
pub(super) fn back(headers: &mut HeaderMap, cookie: Option<&Secret>, by_session: bool) {
    let chunked = headers.contains_key(TRANSFER_ENCODING);
    drop_named_by_connection(headers);
    drop_where(headers, |name| {
        begins_alike(name.as_str(), GATE)
            || HOP_BY_HOP.contains(name)
            || NAMES.iter().any(|reserved| alike(name, reserved))
    });
    if chunked {
        headers.remove(CONTENT_LENGTH);
    }
    one_length(headers);
    drop_set_cookies(headers);
    let earned = cookie.and_then(|cookie| HeaderValue::from_str(cookie.expose()).ok());
    if earned.is_some() || by_session {
        keep_private(headers, earned.is_some());
    }
    if let Some(mut value) = earned {
        value.set_sensitive(true);
        headers.append(SET_COOKIE, value);
    }
}

/// Whether a header is asked for by a list such as that of `Connection`.
pub(super) fn lists(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    members(headers, name).any(|member| member.eq_ignore_ascii_case(wanted.as_bytes()))
}

fn members<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(name)
        .into_iter()
        .flat_map(|line| line.as_bytes().split(|b| *b == b','))
        .map(<[u8]>::trim_ascii)
}

/// Whatever is no letter and no digit becomes one character in the environment of CGI and its heirs.
fn fold(octet: u8) -> u8 {
    if octet.is_ascii_alphanumeric() {
        octet.to_ascii_lowercase()
    } else {
        b'-'
    }
}

fn alike(one: &HeaderName, other: &HeaderName) -> bool {
    let (one, other) = (one.as_str(), other.as_str());
    one.len() == other.len() && begins_alike(one, other)
}

fn begins_alike(name: &str, start: &str) -> bool {
    name.len() >= start.len()
        && name
            .bytes()
            .zip(start.bytes())
            .all(|(a, b)| fold(a) == fold(b))
}

fn drop_where(headers: &mut HeaderMap, is_dropped: impl Fn(&HeaderName) -> bool) {
    let dropped: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_dropped(name))
        .cloned()
        .collect();
    for name in dropped {
        headers.remove(name);
    }
}

fn drop_named_by_connection(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = members(headers, &CONNECTION)
        .filter_map(|name| HeaderName::from_bytes(name).ok())
        .filter(|name| !KEPT.contains(name))
        .collect();
    for name in named {
        headers.remove(name);
    }
}

/// RFC 9110 section 8.6: equal lengths that were sent twice become one.
fn one_length(headers: &mut HeaderMap) {
    if let Some(length) = headers.get(CONTENT_LENGTH).cloned() {
        headers.insert(CONTENT_LENGTH, length);
    }
}

fn is_ours(cookie: &[u8]) -> bool {
    cookie
        .get(..OUR_COOKIES.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(OUR_COOKIES.as_bytes()))
}

/// Other cookies stay as they were, and lines without one of ours are not touched at all.
fn drop_our_cookies(headers: &mut HeaderMap) {
    let Entry::Occupied(mut lines) = headers.entry(COOKIE) else {
        return;
    };
    let pairs = |line: &HeaderValue| -> Vec<Vec<u8>> {
        let pairs = line
            .as_bytes()
            .split(|b| *b == b';')
            .map(<[u8]>::trim_ascii);
        pairs.map(<[u8]>::to_vec).collect()
    };
    if !lines
        .iter()
        .any(|line| pairs(line).iter().any(|pair| is_ours(pair)))
    {
        return;
    }
    let mut kept: Vec<HeaderValue> = Vec::new();
    for line in lines.iter() {
        let mut pairs = pairs(line);
        pairs.retain(|pair| !is_ours(pair));
        if pairs.iter().all(Vec::is_empty) {
            continue;
        }
        // Parts of a header value make a header value.
        kept.extend(HeaderValue::from_bytes(&pairs.join(&b"; "[..])).ok());
    }
    let mut kept = kept.into_iter();
    match kept.next() {
        None => {
            lines.remove();
        }
        Some(first) => {
            lines.insert(first);
            for line in kept {
                lines.append(line);
            }
        }
    }
}

/// An application gives no sessions at a gate. A cookie without a name is sent back as its value alone,
/// which would then look like one of ours.
fn drop_set_cookies(headers: &mut HeaderMap) {
    let Entry::Occupied(lines) = headers.entry(SET_COOKIE) else {
        return;
    };
    let bare = |line: &HeaderValue| {
        let line = line.as_bytes().trim_ascii();
        is_ours(line.strip_prefix(b"=").unwrap_or(line).trim_ascii())
    };
    if !lines.iter().any(bare) {
        return;
    }
    let (name, values) = lines.remove_entry_mult();
    let kept: Vec<HeaderValue> = values.filter(|line| !bare(line)).collect();
    for line in kept {
        headers.append(&name, line);
    }
}

/// No shared cache may keep an answer with somebody's session, nor one that a session was needed for
/// unless the application says that anybody may have it (RFC 9111 section 3.5, which has that rule for
/// `Authorization` and cannot see a session).
fn keep_private(headers: &mut HeaderMap, earned: bool) {
    let has = |wanted| lists(headers, &CACHE_CONTROL, wanted);
    if has("no-store") || has("private") && !has("public") {
        return;
    }
    let shares = |directive: &[u8]| {
        let name = directive.split(|b| *b == b'=').next().unwrap_or_default();
        [
            &b"public"[..],
            b"s-maxage",
            b"must-revalidate",
            b"proxy-revalidate",
        ]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
    };
    if !earned && members(headers, &CACHE_CONTROL).any(shares) {
        return;
    }
    let mut kept: Vec<&[u8]> = members(headers, &CACHE_CONTROL)
        .filter(|directive| !directive.is_empty())
        .filter(|directive| {
            let name = directive.split(|b| *b == b'=').next().unwrap_or_default();
            !name.eq_ignore_ascii_case(b"public") && !name.eq_ignore_ascii_case(b"s-maxage")
        })
        .collect();
    kept.push(b"private");
    let value = HeaderValue::from_bytes(&kept.join(&b", "[..]));
    let value = value.unwrap_or_else(|_| HeaderValue::from_static("private"));
    headers.insert(CACHE_CONTROL, value);
}
