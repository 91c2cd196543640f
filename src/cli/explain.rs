//! `certbound explain`: every step of the decision about one certificate and one registration
//! (RFC 8705 section 2), as `serve` would take them.

use std::io::Write;
use std::sync::Arc;

use clap::{Arg, ArgMatches, Command};

use super::decision::{Decision, tell};
use super::given::{self, Form, Given, NotGiven};
use super::{Ended, World, load, settings_but_issuer};
use crate::client::credentials::Credentials;
use crate::client::registration::ClientRegistration;
use crate::client::steps::Steps;
use crate::client::{Attempt, ClientKeys, Refused, Registry};
use crate::config::{Finding, Settings, Severity};
use crate::endpoint::Trust;
use crate::oauth::nearest::nearest;
use crate::oauth::time::Timestamp;
use crate::proxy::Encoding;
use crate::proxy::presented::Presented;

/// The command.
pub(super) fn command() -> Command {
    Command::new("explain")
        .about("Print every step of the decision whether a certificate authenticates a client, the failing one last")
        .arg(
            Arg::new("client")
                .value_name("CLIENT_ID")
                .required(true)
                .help("The client, as its registration names it"),
        )
        .arg(given::argument())
        .args(settings_but_issuer())
}

/// Prints them.
pub(super) fn run(matches: &ArgMatches, world: World, out: &mut dyn Write) -> Ended {
    tell(explained(matches, world), out)
}

/// Decides, or says what keeps it from being decided.
fn explained(matches: &ArgMatches, world: World) -> Result<Decision, Vec<String>> {
    let (settings, findings) = super::settings(matches, world);
    let settings = settings.ok_or_else(|| errors(&findings))?;
    let trust = load::trust(&settings).map_err(|findings| errors(&findings))?;
    load::window(&settings).map_err(|finding| vec![finding.to_string()])?;
    let encoding: Encoding = settings
        .client_cert_encoding
        .as_str()
        .parse()
        .map_err(|error| vec![format!("--client-cert-encoding: {error}")])?;
    let client_id = matches
        .get_one::<String>("client")
        .map_or("", String::as_str);
    let path = given::named(matches);
    let refused = |supposed, why: String| Decision {
        supposed,
        steps: vec![format!("refused: {why}")],
        answer: None,
        accepted: false,
    };
    let given = match Given::read(&path) {
        Ok(given) => given,
        Err(NotGiven::Unreadable(why)) => {
            return Err(vec![format!("{}: {why}", path.display())]);
        }
        Err(absent @ NotGiven::Absent(_)) => return Ok(refused(suppose(None), absent.to_string())),
        Err(NotGiven::Malformed(why)) => {
            let why = format!("this is 400 invalid_request at every path: {why}");
            return Ok(refused(suppose(None), why));
        }
    };
    let supposed = suppositions(&given, &settings);
    if let Some(why) = given.misread(encoding) {
        return Ok(refused(supposed, why));
    }
    let (mut steps, accepted) = decide(client_id, given, &settings, &trust, (world.clock)())
        .map_err(|finding| vec![finding.to_string()])?;
    if let Some(last) = steps.last_mut().filter(|_| !accepted) {
        last.insert_str(0, "refused: ");
    }
    Ok(Decision {
        supposed,
        steps,
        answer: None,
        accepted,
    })
}

fn errors(findings: &[Finding]) -> Vec<String> {
    findings
        .iter()
        .filter(|finding| finding.severity() == Severity::Error)
        .map(ToString::to_string)
        .collect()
}

fn suppose(given: Option<&Given>) -> Vec<String> {
    let what = given.map_or_else(
        || "this value".to_owned(),
        |given| format!("this certificate (read as {})", given.form),
    );
    vec![format!(
        "supposing that a trusted web server forwards {what}, with the verdict SUCCESS:"
    )]
}

/// The supposition, and where this deployment does not bear it out.
fn suppositions(given: &Given, settings: &Settings) -> Vec<String> {
    let mut lines = suppose(Some(given));
    if settings.trusted_proxies.is_empty() {
        lines.push(
            "note: nobody's certificate header is believed yet; name the web server by --trusted-proxy".into(),
        );
    }
    let chain = given.chain.len();
    if matches!(given.form, Form::Pem) && chain > 0 {
        let forwarded = if settings.client_cert_chain_header.is_some() {
            ""
        } else {
            "; a web server forwards none as long as --client-cert-chain-header is not set"
        };
        lines.push(format!(
            "note: the first certificate is taken for the client's, the {chain} after it for intermediates that are forwarded too{forwarded}"
        ));
    }
    lines
}

/// The steps, of which the last one failed where the certificate is not accepted.
fn decide(
    client_id: &str,
    given: Given,
    settings: &Settings,
    trust: &Trust,
    now: Timestamp,
) -> Result<(Vec<String>, bool), Finding> {
    let Some(registration) = trust.clients.find(client_id) else {
        return Ok((vec![unknown(client_id, &trust.clients)], false));
    };
    let (keys, fetched) = remote_keys(registration, settings, now)?;
    let presented = given.supposed();
    let steps = Steps::default();
    let outcome = trust.clients.authenticate(&Attempt {
        credentials: &Credentials::certificate_only(client_id),
        presented: &presented,
        belief: &trust.belief,
        remote: keys.as_deref(),
        issuer: settings.issuer.as_str(),
        now,
        steps: Some(&steps),
    });
    let mut lines = steps.into_lines();
    // The first one names the method; what was fetched for it comes next.
    let second = lines.len().min(1);
    lines.splice(second..second, fetched);
    let accepted = match outcome {
        Ok(proven) if registration.method().is_mutual_tls() => {
            lines.push(format!(
                "accepted: the certificate authenticates {client_id:?}"
            ));
            lines.push(match proven.into_client().binding() {
                Ok(Some(thumbprint)) => format!("its access tokens are bound to this certificate: cnf x5t#S256 {thumbprint}"),
                Ok(None) => "its access tokens are bound to nothing: tls_client_certificate_bound_access_tokens is false".into(),
                Err(error) => error.description().to_owned(),
            });
            true
        }
        Ok(_) => {
            lines.push(binding(registration, &presented, now));
            lines.push("the certificate authenticates nobody: the client is public".into());
            false
        }
        Err(refused) => {
            if !registration.method().is_mutual_tls() {
                lines.push(binding(registration, &presented, now));
            }
            lines.push(reason(registration, &refused));
            false
        }
    };
    Ok((lines, accepted))
}

fn unknown(client_id: &str, clients: &Registry) -> String {
    let known = clients.iter().map(|client| client.client_id().as_str());
    let hint = nearest(client_id, known)
        .map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
    format!("no client {client_id:?} is registered{hint}")
}

fn reason(registration: &ClientRegistration, refused: &Refused) -> String {
    if registration.method().is_mutual_tls() {
        return refused.to_string();
    }
    format!(
        "{refused}: the client is registered for {}, so the certificate does not authenticate it",
        registration.method().name()
    )
}

/// What a certificate does for a client that something else authenticates.
fn binding(registration: &ClientRegistration, presented: &Presented, now: Timestamp) -> String {
    let Some(certificate) = presented.certificate().filter(|_| registration.is_bound()) else {
        return "whatever authenticates the client, its access tokens are not bound to a certificate: it is not registered with tls_client_certificate_bound_access_tokens".into();
    };
    match certificate.validity().at(now) {
        Ok(()) => format!(
            "once something else has authenticated the client, its access tokens are bound to this certificate: cnf x5t#S256 {}",
            certificate.thumbprint()
        ),
        Err(error) => format!(
            "its access tokens are to be bound to a certificate, and none can be bound to this one: {error}"
        ),
    }
}

type Fetched = (Option<Arc<ClientKeys>>, Vec<String>);

/// The keys at the client's `jwks_uri`, where its certificates are there, and what came of asking.
fn remote_keys(
    registration: &ClientRegistration,
    settings: &Settings,
    now: Timestamp,
) -> Result<Fetched, Finding> {
    let uri = registration
        .jwks_uri()
        .filter(|_| registration.method().name() == "self_signed_tls_client_auth");
    let Some(uri) = uri else {
        return Ok((None, Vec::new()));
    };
    let remote = load::remote(settings)?;
    let fetched = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the runtime could not be started: {error}"))
        .and_then(|runtime| {
            let destination = remote.destination(uri).map_err(|error| error.to_string())?;
            runtime
                .block_on(remote.current(&destination, now))
                .map_err(|error| error.to_string())
        });
    Ok(match fetched {
        Err(error) => (
            None,
            vec![format!(
                "its certificates are at its jwks_uri {uri}, which could not be had: {error}"
            )],
        ),
        Ok(keys) => {
            let count = keys.certificates().count();
            let mut lines = vec![format!(
                "its certificates are at its jwks_uri {uri}, which was fetched: {count} of its keys carry or pin one"
            )];
            lines.extend(
                keys.unusable()
                    .iter()
                    .map(|why| format!("what stands there cannot all be used: {why}")),
            );
            (Some(keys), lines)
        }
    })
}
