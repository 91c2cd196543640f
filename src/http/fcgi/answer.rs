//! The gate's question and answer in `FastCGI`'s words: meta-variables in, a CGI header without a body out
//! (RFC 3875 section 6, FastCGI 1.0 section 6.3).

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::StatusCode;
use http::header::CONTENT_LENGTH;

use super::record::Malformed;
use super::variables::Variables;
use crate::endpoint::Reply;
use crate::endpoint::gate::{Allowed, Gates, Guard, refused};
use crate::gate::credential::Asked;
use crate::gate::{GateName, Refused, Why};
use crate::http::gate::told;
use crate::http::serve::Site;
use crate::proxy::Peer;

/// Decides about a request with those parameters, and gives the CGI header that says so.
///
/// # Errors
/// A stream of parameters that is malformed, where there is no gate by which to refuse it.
pub(super) async fn answer(
    site: &Site,
    peer: Peer,
    parameters: Result<&[u8], &str>,
) -> Result<Vec<u8>, Malformed> {
    let began = Instant::now();
    let mut id = site.requests.next();
    let gates = site.server.gates.load_full();
    // There always is one, whatever the configuration names.
    let fallback = gates.named(GateName::DEFAULT).ok_or(Malformed::NoGate)?;
    let read = match parameters {
        Ok(stream) => Variables::read(stream).map_err(|error| error.to_string()),
        Err(cause) => Err(cause.to_owned()),
    };
    let mut address = None;
    let (named, outcome) = match &read {
        Err(cause) => {
            let why = Why::Malformed { token: false };
            (None, Err(Refused::new(why, cause)))
        }
        Ok(variables) => {
            let name = variables.gate().map(String::from_utf8_lossy);
            let name = name.as_deref().unwrap_or(GateName::DEFAULT);
            let named = gates.named(name);
            let outcome = match named {
                Some(guard) => ask(site, guard, peer, variables, &mut id, &mut address).await,
                None => Err(nameless(name, &gates, variables)),
            };
            (named, outcome)
        }
    };
    let guard = named.unwrap_or(fallback);
    told(guard, &outcome, &id, peer, address);
    let (status, text) = match &outcome {
        Ok(through) => (StatusCode::OK, allowed_text(through)),
        Err(error) => {
            let reply = refused(guard.gate(), error);
            (reply.status, refused_text(&reply))
        }
    };
    let seconds = began.elapsed().as_secs_f64();
    let metrics = &site.server.metrics;
    metrics.answered("verify", status.as_u16(), seconds);
    Ok(text)
}

/// There is no gate of that name: the web server's configuration and ours do not go together.
fn nameless(name: &str, gates: &Gates, variables: &Variables<'_>) -> Refused {
    let there = gates.names();
    let there: Vec<&str> = there.iter().map(GateName::as_str).collect();
    let name: String = name.chars().take(64).collect();
    let why = Why::Malformed {
        token: variables.has_authorization(),
    };
    let there = there.join(", ");
    Refused::new(
        why,
        format!("GATE_NAME is {name:?}, and there are the gates {there}"),
    )
}

async fn ask(
    site: &Site,
    guard: &Guard,
    peer: Peer,
    variables: &Variables<'_>,
    id: &mut Arc<str>,
    address: &mut Option<IpAddr>,
) -> Result<Allowed, Refused> {
    let why = Why::Malformed {
        token: variables.has_authorization(),
    };
    let presented = site
        .window
        .read_parameters(peer, variables.said())
        .map_err(|error| Refused::new(why, error))?;
    if let Some(named) = presented.request_id() {
        *id = named.into();
    }
    *address = presented.address();
    let headers = variables
        .headers()
        .map_err(|error| Refused::new(why, error))?;
    let query = variables.query();
    let asked = Asked {
        headers: &headers,
        query: query.as_deref(),
        form: None,
    };
    site.server.ask(guard, &asked, &presented).await
}

/// 200 with what the web server is to know. Every other header of a 200 reaches the client, so that there
/// is none but a session's cookie.
fn allowed_text(through: &Allowed) -> Vec<u8> {
    let identity = &through.identity;
    let mut text = "Status: 200 OK\r\n".to_owned();
    for (name, value) in [
        ("SUBJECT", identity.subject()),
        ("CLIENT_ID", identity.client_id()),
        ("SCOPE", identity.scope()),
        ("EXPIRES", identity.expires()),
        ("THUMBPRINT", identity.thumbprint()),
        ("ISSUER", identity.issuer()),
        ("USER", identity.user()),
        (
            "TRUNCATED",
            if identity.is_truncated() { "scope" } else { "" },
        ),
    ] {
        // Writing to a String cannot fail.
        let _ = write!(text, "Variable-GATE_{name}: {value}\r\n");
    }
    if let Some(cookie) = &through.cookie {
        let _ = write!(text, "Set-Cookie: {}\r\n", cookie.expose());
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// The answer over HTTP as a CGI header, which has its status in a field and no length.
fn refused_text(reply: &Reply) -> Vec<u8> {
    let mut text = format!("Status: {}\r\n", reply.status).into_bytes();
    for (name, value) in &reply.headers {
        if *name != CONTENT_LENGTH {
            text.extend(canonical(name.as_str()).bytes());
            text.extend(b": ");
            text.extend(value.as_bytes());
            text.extend(b"\r\n");
        }
    }
    text.extend(b"\r\n");
    text
}

/// A header's name as RFCs write it.
fn canonical(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        if word == "www" {
            "WWW".to_owned()
        } else {
            format!("{}{rest}", first.to_ascii_uppercase())
        }
    });
    words.collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Gate;
    use crate::gate::facts::{Bound, Facts};
    use crate::gate::fixtures::rules;
    use crate::gate::identity::Identity;
    use crate::oauth::scope::Scope;
    use crate::oauth::secret::Secret;

    fn through(subject: Option<&str>, scope: &str, cookie: Option<&str>) -> String {
        let facts = Facts {
            issuer: "https://as.example.com".into(),
            subject: subject.map(str::to_owned),
            client_id: Some("c".into()),
            scope: Scope::parse(scope).expect("a scope"),
            audience: Vec::new(),
            expires: None,
            bound: Bound::ToNothing,
            acr: None,
            auth_time: None,
        };
        let allowed = Allowed {
            identity: Arc::new(Identity::new(&facts, 0)),
            cookie: cookie.map(|cookie| Secret::new(cookie.to_owned())),
        };
        String::from_utf8(allowed_text(&allowed)).expect("ASCII")
    }

    #[test]
    fn who_may_pass() {
        assert_eq!(
            through(Some("a\r\nSet-Cookie: x"), "r w", Some("k=v; Path=/")),
            "Status: 200 OK\r\n\
             Variable-GATE_SUBJECT: a%0D%0ASet-Cookie: x\r\n\
             Variable-GATE_CLIENT_ID: c\r\n\
             Variable-GATE_SCOPE: r w\r\n\
             Variable-GATE_EXPIRES: \r\n\
             Variable-GATE_THUMBPRINT: \r\n\
             Variable-GATE_ISSUER: https://as.example.com\r\n\
             Variable-GATE_USER: a%0D%0ASet-Cookie: x\r\n\
             Variable-GATE_TRUNCATED: \r\n\
             Set-Cookie: k=v; Path=/\r\n\r\n"
        );
        let nobody = through(None, "", None);
        assert!(nobody.contains("GATE_USER: c\r\n") && !nobody.contains("Set-Cookie"));
        let long = through(None, &"a".repeat(5_000), None);
        assert!(long.contains("GATE_TRUNCATED: scope\r\n") && long.len() < 4_096);
    }

    #[test]
    fn who_may_not() {
        let gate = Gate::new(rules("orders")).expect("a gate");
        for (why, expected) in [
            (
                Why::NoToken,
                "Status: 401 Unauthorized\r\nCache-Control: no-store\r\n\
                 WWW-Authenticate: Bearer realm=\"orders\"\r\n\r\n",
            ),
            (
                Why::Malformed { token: false },
                "Status: 401 Unauthorized\r\nCache-Control: no-store\r\n\
                 WWW-Authenticate: Bearer realm=\"orders\"\r\nX-Gate-Status: 400\r\n\r\n",
            ),
            (
                Why::InsufficientScope,
                "Status: 403 Forbidden\r\nCache-Control: no-store\r\nWWW-Authenticate: Bearer \
                 realm=\"orders\", error=\"insufficient_scope\", scope=\"\"\r\n\r\n",
            ),
            (
                Why::Unavailable,
                "Status: 503 Service Unavailable\r\nCache-Control: no-store\r\n\
                 X-Gate-Status: 503\r\nRetry-After: 2\r\n\r\n",
            ),
        ] {
            let text = refused_text(&refused(&gate, &Refused::new(why, "because")));
            assert_eq!(String::from_utf8_lossy(&text), expected, "{why:?}");
        }
    }
}
