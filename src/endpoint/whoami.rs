//! `whoami`: what the web server forwarded, as certbound understood it, for whoever sets one up.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::people::show;
use super::{Answer, Endpoint, Reply, Request, Server, Settings, Trust};
use crate::client::Attempt;
use crate::client::belief::Unverified;
use crate::client::credentials::Credentials;
use crate::oauth::time::Timestamp;
use crate::page::Page;

/// How many registrations are tried; this is for setting up, not for a directory of millions.
const TRIED: usize = 10_000;

/// The endpoint.
pub(super) struct Whoami;

impl Endpoint for Whoami {
    fn name(&self) -> &'static str {
        "whoami"
    }

    fn methods(&self) -> &'static [Method] {
        &[Method::GET, Method::HEAD]
    }

    fn is_served(&self, settings: &Settings) -> bool {
        settings.whoami
    }

    fn serve<'a>(&self, server: &'a Server, request: &'a Request) -> Answer<'a> {
        let seen = seen(server, &server.trust.load(), request, (server.clock)());
        let reply = if request.accepts("text/html") {
            let page = Page::WhoAmI { seen: &seen };
            show(server, request, None, StatusCode::OK, &page, None)
        } else {
            Reply::json(format!("{seen:#}\n"))
        };
        Box::pin(std::future::ready(Ok(reply)))
    }
}

fn seen(server: &Server, trust: &Trust, request: &Request, now: Timestamp) -> Value {
    let presented = &request.presented;
    let mut seen = json!({
        "trusted_proxy": presented.is_from_trusted_proxy(),
        "encoding": presented.encoding(),
        "verify_header": presented.verdict().to_string(),
        "certificate": Value::Null,
        "satisfies": [],
    });
    let verified = match presented.certificate() {
        Some(_) => trust.belief.verified(presented, None, now),
        None => Err(Unverified::NoCertificate),
    };
    seen["verified"] = json!(verified.is_ok());
    seen["why"] = json!(match &verified {
        Ok(grounds) => grounds.to_string(),
        Err(error) => error.to_string(),
    });
    let Some(certificate) = presented.certificate() else {
        return seen;
    };
    let names = certificate.subject_alt_names();
    seen["certificate"] = json!({
        "subject": certificate.subject().map_or_else(|error| json!({ "error": error.to_string() }), |name| json!(name.to_string())),
        "subject_alt_names": names.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "not_before": certificate.validity().not_before().to_string(),
        "not_after": certificate.validity().not_after().to_string(),
        "valid_now": certificate.validity().at(now).is_ok(),
        "x5t#S256": certificate.thumbprint().to_string(),
        "intermediates_forwarded": presented.chain().len(),
    });
    let mut satisfied: Vec<&str> = Vec::new();
    let tried = trust
        .clients
        .iter()
        .take(TRIED)
        .filter(|client| client.method().is_mutual_tls());
    for registration in tried {
        let client_id = registration.client_id().as_str();
        let credentials = Credentials::certificate_only(client_id);
        let attempt = Attempt {
            credentials: &credentials,
            presented,
            belief: &trust.belief,
            remote: None,
            issuer: server.settings.issuer.as_str(),
            now,
            steps: None,
        };
        if registration.authenticator().authenticate(&attempt).is_ok() {
            satisfied.push(client_id);
        }
    }
    satisfied.sort_unstable();
    seen["satisfies"] = json!(satisfied);
    seen
}
