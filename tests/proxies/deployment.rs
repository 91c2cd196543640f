//! certbound and a web server in front of it, both with the files of one example.

use std::fs;

use super::certbound::Certbound;
use super::client::{Answer, Ask, Tls, curl};
use super::place::{Place, example};
use super::process::Process;

/// The host whose certificates the web server verifies.
pub(crate) const AS: &str = "as.example.com";
/// The host to which any certificate may come.
pub(crate) const SELF_SIGNED: &str = "self-signed.example.com";

/// The ten lines in the README of an example: those at the top that are about TLS, and the others.
pub(crate) fn ten_lines(readme: &str, language: &str) -> (String, String) {
    let text = fs::read_to_string(example(readme)).expect("the example has a README");
    let fence = format!("```{language}\n");
    let block = text
        .split(&fence)
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let lines: Vec<&str> = block.expect("the README has them").lines().collect();
    assert_eq!(lines.len(), 10, "{readme}");
    (lines[..3].join("\n"), lines[3..].join("\n"))
}

/// How a web server says that it does not take a certificate.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    /// It ends the handshake.
    Handshake,
    /// It answers 400, with a page of its own.
    BadRequest,
}

/// All of it.
pub(crate) struct Deployment {
    // The web server goes before what it stands in front of.
    pub(crate) _web_server: Process,
    pub(crate) certbound: Certbound,
    pub(crate) place: Place,
    pub(crate) as_port: u16,
    pub(crate) self_signed_port: u16,
    pub(crate) refusal: Refusal,
}

impl Deployment {
    /// A token request of a client to a host, with TLS 1.3 and nothing special.
    pub(crate) fn ask<'a>(
        &self,
        host: &'a str,
        certificate: Option<&'a str>,
        form: &'a [&'a str],
    ) -> Ask<'a> {
        Ask {
            host,
            port: if host == AS {
                self.as_port
            } else {
                self.self_signed_port
            },
            path: "/oauth2/token",
            tls: Tls::V1_3,
            certificate,
            form,
            headers: &[],
            user: None,
        }
    }

    /// What curl gets.
    pub(crate) fn curl(&self, ask: &Ask<'_>) -> Answer {
        curl(&self.place.pki, ask)
    }
}
