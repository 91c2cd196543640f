//! `certbound inspect`: a certificate as registrations need it.

use std::fmt::Write as _;
use std::io::Write;

use clap::{Arg, ArgMatches, Command};
use serde_json::{Map, Value, json};

use super::given::{self, Given};
use super::ready::{self, Ready};
use super::{Ended, World, complain, json_flag};
use crate::cert::{ClientCertificate, SubjectAltName};
use crate::oauth::ClientId;
use crate::oauth::time::Timestamp;

/// The client in the registrations, where nobody names it.
const CLIENT_ID: &str = "my-client";

/// The command.
pub(super) fn command() -> Command {
    Command::new("inspect")
        .about("Print a certificate as registrations need it, and a ready registration for each of the two mTLS methods")
        .arg(given::argument())
        .arg(
            Arg::new("client-id")
                .long("client-id")
                .value_name("ID")
                .default_value(CLIENT_ID)
                .help("The client_id to write into the registrations"),
        )
        .arg(json_flag())
}

/// Prints it.
pub(super) fn run(matches: &ArgMatches, world: World, out: &mut dyn Write) -> Ended {
    let client_id = matches
        .get_one::<String>("client-id")
        .map_or(CLIENT_ID, String::as_str);
    if let Err(error) = ClientId::parse(client_id) {
        complain(format!("--client-id: {error}"));
        return Ended::Usage;
    }
    let path = given::named(matches);
    let given = match Given::read_one(&path) {
        Ok(given) => given,
        Err(error) => {
            complain(format!("{}: {error}", path.display()));
            return Ended::Usage;
        }
    };
    let now = (world.clock)();
    let ready = [
        (
            "tls_client_auth",
            ready::tls_client_auth(&given.certificate, client_id, now),
        ),
        (
            "self_signed_tls_client_auth",
            ready::self_signed_tls_client_auth(&given.certificate, client_id, now),
        ),
    ];
    let text = if matches.get_flag("json") {
        format!("{:#}\n", as_json(&given, now, &ready))
    } else {
        as_text(&given, now, &ready)
    };
    // A closed pipe: nobody wants to know.
    let _ = out.write_all(text.as_bytes());
    Ended::Done
}

fn as_json(given: &Given, now: Timestamp, ready: &[(&str, Ready)]) -> Value {
    let certificate = &given.certificate;
    let reason = |result: Result<(), String>| result.err();
    let mut printed = json!({
        "read_as": given.form.to_string(),
        "subject": certificate.subject().ok().map(ToString::to_string),
        "subject_matches_nothing": certificate.subject().err().map(ToString::to_string),
        "issuer": certificate.issuer().ok().map(|name| name.to_string()),
        "serial": certificate.serial_hex(),
        "not_before": certificate.validity().not_before().to_string(),
        "not_after": certificate.validity().not_after().to_string(),
        "valid_now": certificate.validity().at(now).is_ok(),
        "x5t#S256": certificate.thumbprint().to_string(),
        "public_key_thumbprint": certificate.public_key_thumbprint().to_string(),
        "public_key": certificate.public_key().to_string(),
        "public_key_too_weak": reason(certificate.strong_key().map_err(|why| why.to_string())),
        "usable_for_client_authentication": certificate.usable_for_client_authentication().is_ok(),
        "unusable": reason(certificate.usable_for_client_authentication().map_err(|why| why.to_string())),
    });
    for member in ["san_dns", "san_uri", "san_ip", "san_email"] {
        let names = certificate.subject_alt_names().iter();
        let of_type: Vec<_> = names.filter(|name| san_type(name) == member).collect();
        printed[member] = of_type.iter().map(ToString::to_string).collect();
    }
    let collect = |value: fn(&Ready) -> Value| {
        let members = ready.iter();
        members
            .map(|(method, ready)| ((*method).to_owned(), value(ready)))
            .collect::<Map<_, _>>()
    };
    printed["registrations"] = collect(|ready| json!(ready.registration)).into();
    printed["remarks"] = collect(|ready| json!(ready.remarks)).into();
    printed
}

fn as_text(given: &Given, now: Timestamp, ready: &[(&str, Ready)]) -> String {
    let certificate = &given.certificate;
    let mut text = String::new();
    for (label, value) in rows(certificate, now) {
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(text, "{label:<21} {value}");
    }
    let _ = writeln!(text, "{:<21} {}", "read as", given.form);
    for (method, ready) in ready {
        let _ = writeln!(text, "\nregistration for {method}:");
        for remark in &ready.remarks {
            let _ = writeln!(text, "  ! {remark}");
        }
        if let Some(registration) = &ready.registration {
            let _ = writeln!(text, "{registration:#}");
        }
    }
    text
}

fn rows(certificate: &ClientCertificate, now: Timestamp) -> Vec<(&'static str, String)> {
    let mut rows = vec![
        (
            "subject",
            match certificate.subject() {
                Ok(name) => name.to_string(),
                Err(why) => format!("(matches nothing: {why})"),
            },
        ),
        (
            "issuer",
            match certificate.issuer() {
                Ok(name) => name.to_string(),
                Err(why) => format!("(cannot be compared: {why})"),
            },
        ),
        ("serial", certificate.serial_hex()),
    ];
    let names = certificate.subject_alt_names();
    rows.extend(names.iter().map(|name| (san_type(name), name.to_string())));
    let validity = certificate.validity();
    let today = match validity.at(now) {
        Ok(()) => "valid now".to_owned(),
        Err(why) => why.to_string(),
    };
    let (from, until) = (validity.not_before(), validity.not_after());
    rows.push(("validity", format!("{from} to {until}: {today}")));
    rows.push(("x5t#S256", certificate.thumbprint().to_string()));
    let key = certificate.public_key_thumbprint().to_string();
    rows.push(("public-key thumbprint", key));
    let strength = match certificate.strong_key() {
        Ok(()) => "strong enough".to_owned(),
        Err(why) => format!("refused: {why}"),
    };
    let kind = certificate.public_key();
    rows.push(("public key", format!("{kind}: {strength}")));
    let fitness = match certificate.usable_for_client_authentication() {
        Ok(()) => "fit: key, key usage and extended key usage allow it".to_owned(),
        Err(why) => format!("not fit: {why}"),
    };
    rows.push(("client authentication", fitness));
    rows
}

fn san_type(name: &SubjectAltName) -> &'static str {
    match name {
        SubjectAltName::Dns(_) => "san_dns",
        SubjectAltName::Uri(_) => "san_uri",
        SubjectAltName::Ip(_) => "san_ip",
        SubjectAltName::Email(_) => "san_email",
    }
}
