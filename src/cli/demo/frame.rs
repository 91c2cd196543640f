//! What is said before the story and after it.

use std::io::{self, Write};

use super::ask::To;
use super::client::Client;
use super::files::{CONFIGURATION, LOG, Places};
use super::story::{WHOAMI, length};
use super::tell::{command, paragraph};

/// What runs where.
pub(super) fn introduce(client: &Client<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out)?;
    paragraph(
        out,
        "",
        &format!(
            "certbound {} is running at {}, behind a stand-in for the web server at {}, which \
             terminates TLS and forwards the client's certificate. Keys, certificates, registrations, \
             configuration and log are in a folder of their own. There each command below can be \
             repeated:",
            env!("CARGO_PKG_VERSION"),
            client.base(To::Certbound),
            client.base(To::Front),
        ),
    )?;
    writeln!(out, "\n    cd {}\n", quoted(client.folder.as_str()))
}

/// How it went.
pub(super) fn conclude(failed: &[usize], out: &mut dyn Write) -> io::Result<()> {
    let all = length();
    if failed.is_empty() {
        return writeln!(out, "All {all} steps went as they must.");
    }
    let numbers: Vec<String> = failed.iter().map(ToString::to_string).collect();
    writeln!(
        out,
        "Of {all} steps these did not go as they must: {}",
        numbers.join(", ")
    )
}

/// What to try while it stays up.
pub(super) fn suggest(client: &Client<'_>, places: &Places, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\nStill running; Ctrl-C ends it. Try:\n")?;
    writeln!(out, "    cd {}\n", quoted(client.folder.as_str()))?;
    paragraph(
        out,
        "  - ",
        "what certbound makes of the impostor's certificate:",
    )?;
    command(out, &WHOAMI, client)?;
    paragraph(
        out,
        "  - ",
        "a registration that fits a certificate, and why another is refused:",
    )?;
    writeln!(out, "    certbound inspect client-a.crt")?;
    writeln!(
        out,
        "    certbound explain client-a impostor.crt --config {CONFIGURATION}"
    )?;
    paragraph(out, "  - ", "the log, with the reason of every refusal:")?;
    writeln!(out, "    tail {LOG}")?;
    paragraph(out, "  - ", "metrics:")?;
    writeln!(out, "    curl -si http://{}/metrics", places.admin)?;
    paragraph(
        out,
        "  - ",
        "change clients.json: it is read again within a second.",
    )?;
    if client.folder.is_kept() {
        paragraph(
            out,
            "  - ",
            "when this has ended, the same server without the demonstration:",
        )?;
        writeln!(out, "    certbound serve --config {CONFIGURATION}")?;
    } else {
        paragraph(
            out,
            "  - ",
            "the folder goes when this ends; --dir DIR keeps one.",
        )?;
    }
    out.flush()
}

/// As a shell reads it.
fn quoted(path: &str) -> String {
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"/._-+".contains(&octet);
    if path.bytes().all(plain) {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_for_a_shell() {
        for (path, written) in [
            ("/tmp/certbound-demo-x_Y.1", "/tmp/certbound-demo-x_Y.1"),
            ("/tmp/a b", "'/tmp/a b'"),
            ("/tmp/it's", r"'/tmp/it'\''s'"),
            ("/tmp/$(x)", "'/tmp/$(x)'"),
            ("/tmp/é", "'/tmp/é'"),
        ] {
            assert_eq!(quoted(path), written);
        }
    }
}
