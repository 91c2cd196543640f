//! `certbound verify`: what a gate decides about a token and a certificate (RFC 6750, RFC 8705 section 3),
//! step by step, as `serve` would.

mod judge;
mod own;
mod running;
mod token;
mod words;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Arg, ArgMatches, Command, ValueHint, value_parser};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};

use super::decision::{Decision, tell};
use super::given::{Given, NotGiven};
use super::{Ended, World, gates, load};
use crate::config::{self, Finding, GateSettings, Settings};
use crate::endpoint::gate::Guard;
use crate::gate::credential::{self, Asked};
use crate::gate::{GateName, Refused, Why};
use crate::oauth::nearest::nearest;
use crate::oauth::secret::Secret;
use crate::oauth::time::Timestamp;
use crate::proxy::Encoding;
use crate::proxy::presented::Presented;

/// The command.
pub(super) fn command() -> Command {
    Command::new("verify")
        .about("Print every step of a gate's decision about an access token and a certificate, the failing one last, and the answer")
        .arg(token::argument())
        .arg(
            Arg::new("certificate")
                .long("certificate")
                .value_name("F")
                .value_parser(value_parser!(PathBuf))
                .value_hint(ValueHint::FilePath)
                .help("The certificate that comes with it: PEM, DER, or a header value as captured; - for standard input [default: none comes]"),
        )
        .arg(
            Arg::new("gate")
                .long("gate")
                .value_name("NAME")
                .default_value(GateName::DEFAULT)
                .help("The gate, as the configuration names it"),
        )
        .args(config::clap_arguments())
}

/// Prints them.
pub(super) fn run(matches: &ArgMatches, world: World, out: &mut dyn Write) -> Ended {
    let (settings, _) = match super::usable_settings(matches, world) {
        Ok(usable) => usable,
        Err(ended) => return ended,
    };
    tell(verified(matches, &settings, world), out)
}

/// What is asked, of which gate.
struct Question<'a> {
    settings: &'a Settings,
    /// The gate as it is written.
    written: &'a GateSettings,
    guard: &'a Guard,
    /// The token.
    text: &'a str,
    presented: Presented,
    /// The certificate as a web server would forward it.
    header: Option<HeaderValue>,
    now: Timestamp,
}

/// Decides, or says what keeps it from being decided.
fn verified(
    matches: &ArgMatches,
    settings: &Settings,
    world: World,
) -> Result<Decision, Vec<String>> {
    let lines = |findings: Vec<Finding>| -> Vec<String> {
        findings.iter().map(ToString::to_string).collect()
    };
    let trust = load::trust(settings).map_err(lines)?;
    let window = load::window(settings).map_err(|finding| vec![finding.to_string()])?;
    let gates = gates::gates(settings).map_err(lines)?;
    let name = matches
        .get_one::<String>("gate")
        .map_or(GateName::DEFAULT, String::as_str);
    let written = settings
        .gates
        .iter()
        .find(|gate| gate.name.as_str() == name);
    let guard = gates.named(name).map(Arc::clone);
    let (Some(written), Some(guard)) = (written, guard) else {
        return Err(vec![unknown(name, settings)]);
    };
    let path = matches.get_one::<PathBuf>("certificate");
    let text = token::read(matches, path.is_some_and(|path| path == Path::new("-")))
        .map_err(|why| vec![why])?;
    let (certificate, malformed, supposed) = certificate(
        path.map(PathBuf::as_path),
        settings,
        window.front().encoding(),
    )?;
    let header = certificate
        .as_ref()
        .and_then(|given| running::header(given, window.front().encoding()));
    let question = Question {
        settings,
        written,
        guard: &guard,
        text: text.expose(),
        presented: certificate.map_or_else(Presented::nothing, Given::supposed),
        header,
        now: (world.clock)(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| vec![format!("the runtime could not be started: {error}")])?;
    let mut steps = vec![words::gate(guard.gate().rules())];
    let unseen = malformed
        .map(|why| Refused::new(Why::Malformed { token: true }, why))
        .or_else(|| shown(&question).err());
    let (answer, accepted) = if let Some(refused) = unseen {
        judge::end(&question, &mut steps, "", &Err(refused))
    } else {
        steps.push(words::token(question.text));
        runtime.block_on(judge::judged(&question, trust, world, &mut steps))?
    };
    Ok(Decision {
        supposed,
        steps,
        answer,
        accepted,
    })
}

fn unknown(name: &str, settings: &Settings) -> String {
    let known = || settings.gates.iter().map(|gate| gate.name.as_str());
    let hint = nearest(name, known()).map_or_else(
        || format!("; write one of {}", known().collect::<Vec<_>>().join(", ")),
        |near| format!("; did you mean {near:?}?"),
    );
    format!("--gate: there is no gate {name:?}{hint}")
}

/// A certificate if one comes, what is wrong with what comes in its place, and what is supposed.
type Certificate = (Option<Given>, Option<String>, Vec<String>);

fn certificate(
    path: Option<&Path>,
    settings: &Settings,
    encoding: Encoding,
) -> Result<Certificate, Vec<String>> {
    let nothing = || vec!["supposing that no certificate comes with the request:".to_owned()];
    let Some(path) = path else {
        return Ok((None, None, nothing()));
    };
    let supposing = |what: &str| {
        vec![format!(
            "supposing that a trusted web server forwards {what}:"
        )]
    };
    let given = match Given::read(path) {
        Ok(given) => given,
        Err(NotGiven::Unreadable(why)) => {
            return Err(vec![format!("{}: {why}", path.display())]);
        }
        Err(absent @ NotGiven::Absent(_)) => {
            let mut supposed = nothing();
            supposed.push(format!("note: {absent}"));
            return Ok((None, None, supposed));
        }
        Err(NotGiven::Malformed(why)) => {
            let why = format!("the certificate cannot be read: {why}");
            return Ok((None, Some(why), supposing("this value")));
        }
    };
    let mut supposed = supposing(&format!(
        "this certificate (read as {}), x5t#S256 {}",
        given.form,
        given.certificate.thumbprint()
    ));
    if settings.trusted_proxies.is_empty() {
        supposed.push("note: nobody's certificate header is believed yet; name the web server by --trusted-proxy".into());
    }
    let misread = given.misread(encoding);
    Ok((Some(given), misread, supposed))
}

/// Whether a request could show that token at all.
fn shown(question: &Question<'_>) -> Result<(), Refused> {
    let malformed = |cause: &str| Refused::new(Why::Malformed { token: true }, cause);
    let line = Secret::new(format!("Bearer {}", question.text));
    let mut value = HeaderValue::from_str(line.expose())
        .map_err(|_| malformed("the token holds a line break or another control character"))?;
    value.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, value);
    let asked = Asked {
        headers: &headers,
        query: None,
        form: None,
    };
    let read = credential::read(question.guard.gate(), &asked).map(drop);
    let word = question.text.get(..7);
    if word.is_some_and(|word| word.eq_ignore_ascii_case("bearer ")) {
        return read.map_err(|refused| {
            malformed(&format!("{}; leave the word Bearer out", refused.cause()))
        });
    }
    read
}
