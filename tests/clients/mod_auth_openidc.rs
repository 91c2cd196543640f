//! `examples/mod_auth_openidc`, started as it is: Apache's mod_auth_openidc signs people in at certbound, which a
//! real nginx stands in front of.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::front::{Front, SignIn, httpd, nginx};
use super::libraries;
use super::people::{self, PASSWORD, SECRET, TOTP};
use super::place::{Place, example, rewritten, text};
use super::process::{Process, free_port};

const MODULE: &str = "/usr/lib/apache2/modules/mod_auth_openidc.so";

/// What a page of an application says of who is there.
const PAGE: &str = r#"<p><!--#echo var="REMOTE_USER" -->|<!--#echo var="OIDC_CLAIM_sub" -->|<!--#echo var="OIDC_CLAIM_name" -->|<!--#echo var="OIDC_CLAIM_acr" --></p>"#;

struct Deployment {
    // What stands in front goes before what it stands in front of.
    applications: Process,
    _front: Front,
    certbound: Process,
    place: Place,
    question: serde_json::Value,
}

impl Deployment {
    fn start() -> Self {
        assert!(
            Path::new(MODULE).exists(),
            "{MODULE} is not there: apt-get install libapache2-mod-auth-openidc"
        );
        let place = Place::new();
        // libcurl in Apache knows no host but this one.
        let local = |port: u16| format!("https://localhost:{port}");
        let (as_port, wiki_port, ledger_port) = (free_port(), free_port(), free_port());
        let issuer = format!("{}/oauth2", local(as_port));
        let (wiki, ledger) = (local(wiki_port), local(ledger_port));
        let clients = fs::read_to_string(example("mod_auth_openidc/clients.json"))
            .expect("the example is there")
            .replace("https://wiki.example.com", &wiki)
            .replace("https://ledger.example.com:8443", &ledger)
            .replace(&"0".repeat(64), &people::hex(SECRET));
        place.write("etc/clients.json", &clients);
        let users = rewritten(
            "mod_auth_openidc/users.json",
            &[(
                "what certbound user hash-password prints",
                &people::password_hash(),
            )],
        );
        place.write("etc/users.json", &users);
        let authority = text(&place.pki.file("server.pem"));
        let certbound = people::serve(
            &place,
            &example("mod_auth_openidc/certbound.toml"),
            &[
                "--issuer",
                &issuer,
                "--outbound-ca",
                &authority,
                "--outbound-allow-private",
            ],
        );
        let front = nginx(&place, SignIn::Certbound, PASSWORD, Some(as_port));
        let conf = rewritten(
            "mod_auth_openidc/httpd.conf",
            &[
                (
                    "ISSUER https://as.example.com/oauth2",
                    &format!("ISSUER {issuer}"),
                ),
                ("WIKI https://wiki.example.com", &format!("WIKI {wiki}")),
                ("WIKI_PORT 443", &format!("WIKI_PORT {wiki_port}")),
                (
                    "LEDGER https://ledger.example.com:8443",
                    &format!("LEDGER {ledger}"),
                ),
                ("LEDGER_PORT 8443", &format!("LEDGER_PORT {ledger_port}")),
                (
                    "OIDCClientSecret the-secret-of-the-client-wiki",
                    &format!("OIDCClientSecret \"{SECRET}\""),
                ),
            ],
        );
        place.write("httpd.conf", &conf);
        for application in ["wiki", "ledger"] {
            let folder = format!("htdocs/{application}");
            fs::create_dir(place.file(&folder)).expect("it is ours");
            place.write(&format!("{folder}/who.shtml"), PAGE);
        }
        place.write("htdocs/wiki/goodbye.html", "Goodbye");
        let applications = httpd(&place, "httpd.conf").listens_on(&[wiki_port, ledger_port]);
        let question = json!({
            "tls": text(&place.pki.file("")),
            "ports": {},
            "issuer": issuer,
            "wiki": wiki,
            "ledger": ledger,
            "password": PASSWORD,
            "totp": TOTP,
        });
        Self {
            applications,
            _front: front,
            certbound,
            place,
            question,
        }
    }
}

#[test]
fn mod_auth_openidc_signs_people_in_and_out() {
    let deployment = Deployment::start();
    let module = concat!(
        include_str!("browser.mjs"),
        include_str!("mod_auth_openidc.mjs")
    );
    let answer = std::panic::catch_unwind(|| {
        libraries::ask(&mut libraries::node(module), &deployment.question)
    });
    match answer {
        Ok(answer) => assert_eq!(answer, json!("done")),
        Err(_) => panic!(
            "certbound said: {}\nApache said: {}{}",
            deployment.certbound.printed(),
            deployment.applications.printed(),
            fs::read_to_string(deployment.place.file("logs/error.log")).unwrap_or_default()
        ),
    }
}
