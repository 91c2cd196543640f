//! `certbound match`: whether a certificate satisfies a registered DN (RFC 8705 section 2.1.2,
//! RFC 4517 section 4.2.15).

use std::io::Write;

use clap::{Arg, ArgMatches, Command};

use super::given::{self, Given};
use super::{Ended, complain};
use crate::cert::{ClientCertificate, RegisteredName};

/// The command.
pub(super) fn command() -> Command {
    Command::new("match")
        .about("Say whether a certificate satisfies a registered DN; if not, the first RDN that differs and why")
        .arg(
            Arg::new("dn")
                .long("dn")
                .value_name("DN")
                .required(true)
                .help("The registered DN, as tls_client_auth_subject_dn has it (RFC 4514)"),
        )
        .arg(given::argument())
}

/// Says it.
pub(super) fn run(matches: &ArgMatches, out: &mut dyn Write) -> Ended {
    let dn = matches.get_one::<String>("dn").map_or("", String::as_str);
    let registered: RegisteredName = match dn.parse() {
        Ok(registered) => registered,
        Err(error) => {
            complain(format!("--dn: {error}"));
            return Ended::Usage;
        }
    };
    let path = given::named(matches);
    let certificate = match Given::read_one(&path) {
        Ok(given) => given.certificate,
        Err(error) => {
            complain(format!("{}: {error}", path.display()));
            return Ended::Usage;
        }
    };
    let (text, ended) = compared(&certificate, &registered);
    // A closed pipe changes nothing about the answer, which is the exit code.
    let _ = out.write_all(text.as_bytes());
    ended
}

fn compared(certificate: &ClientCertificate, registered: &RegisteredName) -> (String, Ended) {
    let subject = match certificate.subject() {
        Ok(subject) => subject,
        Err(why) => {
            let text = format!(
                "registered  {registered}\nno match: the subject of the certificate matches nothing: {why}\n"
            );
            return (text, Ended::No);
        }
    };
    let names = format!("subject     {subject}\nregistered  {registered}\n");
    match subject.compare(registered) {
        Ok(()) => (
            format!("{names}match: the certificate satisfies the registered DN\n"),
            Ended::Done,
        ),
        Err(mismatch) => {
            let turned = if subject.matches_reversed(registered) {
                format!("the registered DN is written in reverse: write {subject}\n")
            } else {
                String::new()
            };
            (format!("{names}no match: {mismatch}\n{turned}"), Ended::No)
        }
    }
}
