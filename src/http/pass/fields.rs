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

/// What becomes `HTTP_PROXY` in the environment of CGI, where many take it for a proxy to call by.
const PROXY: HeaderName = HeaderName::from_static("proxy");

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
        names.push(PROXY);
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

/// Whether a body is coded for its way in a manner besides chunks (RFC 9112 section 7), which would have
/// to be undone and never is offered here.
pub(super) fn is_coded_otherwise(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(TRANSFER_ENCODING).iter();
    let plain = lines
        .next()
        .is_none_or(|line| line.as_bytes().eq_ignore_ascii_case(b"chunked"));
    !plain || lines.next().is_some()
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

/// The cookies of one line (RFC 6265 section 4.2.1).
fn cookies(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    line.as_bytes()
        .split(|b| *b == b';')
        .map(<[u8]>::trim_ascii)
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
    if !lines.iter().any(|line| cookies(line).any(is_ours)) {
        return;
    }
    let mut kept: Vec<HeaderValue> = Vec::new();
    for line in lines.iter() {
        let others: Vec<&[u8]> = cookies(line).filter(|cookie| !is_ours(cookie)).collect();
        if others.iter().any(|cookie| !cookie.is_empty()) {
            // Parts of a header value make a header value.
            kept.extend(HeaderValue::from_bytes(&others.join(&b"; "[..])).ok());
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::facts::{Bound, Facts};
    use crate::oauth::scope::Scope;
    use crate::oauth::time::Timestamp;
    use crate::proxy::{Encoding, Headers, TrustedPeers, VerifyHeader};

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
                let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
                (name, value)
            })
            .collect()
    }

    /// All lines, one after the other.
    fn shown(headers: &HeaderMap) -> Vec<String> {
        headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
            .collect()
    }

    fn identity() -> Identity {
        let facts = Facts {
            issuer: "https://as.example.com".into(),
            subject: Some("alice".into()),
            client_id: Some("c".into()),
            scope: Scope::parse("a b").expect("a scope"),
            audience: Vec::new(),
            expires: Some(Timestamp::from_unix(1_600)),
            bound: Bound::ToNothing,
            acr: None,
            auth_time: None,
        };
        Identity::new(&facts, 0)
    }

    fn reserved() -> Reserved {
        let name = HeaderName::from_static;
        let names = Headers {
            certificate: name("x-ssl-cert"),
            chain: Some(name("x-ssl-chain")),
            verify: VerifyHeader {
                name: Some(name("x-ssl-verify")),
                required: false,
            },
            user: Some(name("x-remote-user")),
            address: Some(name("x-forwarded-for")),
            request_id: Some(name("x-request-id")),
        };
        let front = Front::new(TrustedPeers::default(), None, names, Encoding::AUTO);
        Reserved::new(&front.expect("a front end"))
    }

    /// What an application sees of a request with those lines, without the lines that say who it is.
    fn passed(lines: &[(&str, &str)], pass_token: bool) -> Vec<String> {
        let mut headers = headers(lines);
        onward(&mut headers, &reserved(), pass_token, &identity());
        let mut shown = shown(&headers);
        for said in [
            "x-auth-subject: alice",
            "x-auth-client-id: c",
            "x-auth-scope: a b",
            "x-auth-expires: 1600",
            "x-auth-thumbprint: ",
            "x-auth-issuer: https://as.example.com",
        ] {
            let at = shown.iter().position(|line| line == said);
            shown.remove(at.unwrap_or_else(|| panic!("no {said} in {shown:?}")));
        }
        shown
    }

    fn returned(lines: &[(&str, &str)], cookie: Option<&str>, by_session: bool) -> Vec<String> {
        let mut headers = headers(lines);
        let cookie = cookie.map(|cookie| Secret::new(cookie.to_owned()));
        back(&mut headers, cookie.as_ref(), by_session);
        shown(&headers)
    }

    #[test]
    fn nobody_but_the_gate_says_who_it_is() {
        for name in [
            "X-Auth-Subject",
            "x_auth_subject",
            "X-Auth_Subject",
            "X.Auth.Subject",
            "X!Auth~Subject",
            "X-AUTH-CLIENT-ID",
            "X-Auth-Scope",
            "X-Auth-Expires",
            "X-Auth-Thumbprint",
            "X_Auth_Issuer",
            "X-Gate-Status",
            "X_Gate_Truncated",
            "X-Gate-",
            "X.Gate.Anything",
            "X-Proxy-Secret",
            "X_Proxy_Secret",
            "X-SSL-Cert",
            "X_SSL_Cert",
            "X-SSL-Chain",
            "X-SSL-Verify",
            "X.SSL.Verify",
            "X-Remote-User",
            "Client-Cert",
            "Client_Cert",
            "Client-Cert-Chain",
            "Connection",
            "Keep-Alive",
            "Keep_Alive",
            "Proxy",
            "Proxy-Connection",
            "Proxy-Authorization",
            "Proxy-Authenticate",
            "TE",
            "Trailer",
            "Upgrade",
            "Expect",
            "HTTP2-Settings",
            "Transfer_Encoding",
            "Content_Length",
            "Authorization",
        ] {
            let kept = passed(&[("a", "1"), (name, "forged"), (name, "twice")], false);
            assert_eq!(kept, ["a: 1"], "{name}");
        }
    }

    #[test]
    fn the_rest_is_passed_on_as_it_came() {
        for (lines, kept) in [
            (
                &[
                    ("Host", "a.example"),
                    ("X-Forwarded-For", "192.0.2.1"),
                    ("X-Forwarded-For", "192.0.2.2"),
                    ("X-Request-Id", "7"),
                    ("X-Authority", "x"),
                    ("X-Gateway", "x"),
                    ("X-Auth-Subject-2", "x"),
                    ("Content-Length", "5"),
                    ("Origin", "\u{e4}"),
                ][..],
                &[
                    "host: a.example",
                    "x-forwarded-for: 192.0.2.1",
                    "x-forwarded-for: 192.0.2.2",
                    "x-request-id: 7",
                    "x-authority: x",
                    "x-gateway: x",
                    "x-auth-subject-2: x",
                    "content-length: 5",
                    "origin: \u{e4}",
                ][..],
            ),
            // What Connection names ends here, but for what makes the message and what is set here.
            (
                &[
                    ("Connection", "close, X-Hop,,a b"),
                    ("Connection", "X-Auth-Subject, host, Content-Length"),
                    ("X-Hop", "x"),
                    ("Host", "h"),
                    ("Content-Length", "5"),
                ],
                &["host: h", "content-length: 5"],
            ),
            // One way to say how long a body is.
            (
                &[("Transfer-Encoding", "chunked"), ("Content-Length", "5")],
                &["transfer-encoding: chunked"],
            ),
            (
                &[("Content-Length", "5"), ("Content-Length", "5")],
                &["content-length: 5"],
            ),
            // Cookies of the gates, whatever else is in the line.
            (&[("Cookie", "a=b;c=d")], &["cookie: a=b;c=d"]),
            (&[("Cookie", "__Host-certbound-orders=x")], &[]),
            (
                &[("Cookie", "a=b;  __host-CERTBOUND-x=y; c=\"d\"")],
                &["cookie: a=b; c=\"d\""],
            ),
            (
                &[
                    ("Cookie", "__Host-certbound-a=1"),
                    ("Cookie", "x=__Host-certbound-a=1"),
                    ("Cookie", "b=2; __Host-certbound-b=2"),
                ],
                &["cookie: x=__Host-certbound-a=1", "cookie: b=2"],
            ),
        ] {
            let mut got = passed(lines, false);
            let mut kept: Vec<String> = kept.iter().map(ToString::to_string).collect();
            got.sort();
            kept.sort();
            assert_eq!(got, kept, "{lines:?}");
        }
        let token = passed(&[("Authorization", "Bearer a")], true);
        assert_eq!(token, ["authorization: Bearer a"]);
    }

    #[test]
    fn on_the_way_back() {
        const OURS: &str = "__Host-certbound-a=1; Path=/";
        for (lines, cookie, by_session, expected) in [
            (
                &[
                    ("Connection", "close, X-Hop"),
                    ("X-Hop", "x"),
                    ("Keep-Alive", "timeout=5"),
                    ("Transfer-Encoding", "chunked"),
                    ("Content-Length", "5"),
                    ("Trailer", "X"),
                    ("X-Auth-Subject", "x"),
                    ("X_Gate_Status", "x"),
                    ("X-App", "kept"),
                ][..],
                None,
                false,
                &["x-app: kept"][..],
            ),
            (
                &[
                    ("Set-Cookie", "a=b"),
                    ("Set-Cookie", "__Host-certbound-a=forged"),
                    ("Set-Cookie", " __HOST-certbound-b=forged"),
                    ("Set-Cookie", "=__Host-certbound-a=forged"),
                    ("Set-Cookie", "c=d; Path=/"),
                ],
                Some(OURS),
                false,
                &[
                    "set-cookie: a=b",
                    "set-cookie: c=d; Path=/",
                    "set-cookie: __Host-certbound-a=1; Path=/",
                    "cache-control: private",
                ],
            ),
            (
                &[("Cache-Control", "public, max-age=9")],
                None,
                false,
                &["cache-control: public, max-age=9"],
            ),
            (
                &[("Cache-Control", "public, max-age=9")],
                None,
                true,
                &["cache-control: public, max-age=9"],
            ),
            (
                &[("Cache-Control", "max-age=9")],
                None,
                true,
                &["cache-control: max-age=9, private"],
            ),
            (&[], None, true, &["cache-control: private"]),
            (
                &[("Cache-Control", "no-store")],
                None,
                true,
                &["cache-control: no-store"],
            ),
            (
                &[
                    ("Cache-Control", "PUBLIC"),
                    ("Cache-Control", "s-maxage=9, max-age=3"),
                ],
                Some(OURS),
                false,
                &[
                    "cache-control: max-age=3, private",
                    "set-cookie: __Host-certbound-a=1; Path=/",
                ],
            ),
        ] {
            let mut got = returned(lines, cookie, by_session);
            let mut expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
            got.sort();
            expected.sort();
            assert_eq!(got, expected, "{lines:?}");
        }
    }
}
