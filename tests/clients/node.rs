//! openid-client and oauth4webapi, which Node.js runs.

use serde_json::json;

use super::front::{Buffers, Front, SignIn, apache, nginx};
use super::libraries;
use super::people::{self, Keys, PASSWORD, SECRET, TOTP};
use super::place::{Place, example, text};
use super::process::Process;

/// Where the tests of this file find certbound.
const ISSUER: &str = "https://as.example.com/oauth2";

/// Who stands in front.
#[derive(Clone, Copy)]
enum WebServer {
    Nginx,
    /// With smaller buffers than the example has.
    SmallNginx,
    Apache,
}

struct Deployment {
    // The web server goes before what it stands in front of.
    front: Front,
    certbound: Process,
    keys: Keys,
    place: Place,
}

impl Deployment {
    fn start(web_server: WebServer, sign_in: SignIn, further: &[&str]) -> Self {
        let place = Place::new();
        let keys = Keys::make();
        let clients = if further.contains(&"fapi2") {
            people::fapi_clients(&keys)
        } else {
            people::clients(&place, &keys)
        };
        place.write("etc/clients.json", &clients.to_string());
        place.write("etc/users.json", &people::users().to_string());
        // Whatever the browsers here claim by that header, it must not come through.
        let mut flags = vec!["--user-header", "X-User"];
        flags.extend(["--client-address-header", "X-Forwarded-For"]);
        flags.extend(further);
        let toml = match web_server {
            WebServer::Nginx | WebServer::SmallNginx => "nginx/certbound.toml",
            WebServer::Apache => "apache/certbound.toml",
        };
        let certbound = people::serve(&place, &example(toml), &flags);
        let front = match web_server {
            WebServer::Nginx => nginx(&place, sign_in, PASSWORD, None, Buffers::Example),
            WebServer::SmallNginx => nginx(&place, sign_in, PASSWORD, None, Buffers::Default),
            WebServer::Apache => apache(&place, sign_in, PASSWORD),
        };
        Self {
            front,
            certbound,
            keys,
            place,
        }
    }

    /// Runs some of the flows of a script.
    fn run(&self, script: &str, flows: &[&str]) {
        let question = json!({
            "issuer": ISSUER,
            "tls": text(&self.place.pki.file("")),
            "ports": {
                "as.example.com": self.front.as_port,
                "self-signed.example.com": self.front.self_signed_port,
            },
            "reports": self.keys.private(),
            "portal": SECRET,
            "password": PASSWORD,
            "totp": TOTP,
            "flows": flows,
        });
        let module = format!("{}\n{script}", include_str!("browser.mjs"));
        let answer =
            std::panic::catch_unwind(|| libraries::ask(&mut libraries::node(&module), &question));
        assert!(
            answer.is_ok_and(|answer| answer == json!({"done": flows})),
            "certbound said: {}",
            self.certbound.printed()
        );
    }
}

const OPENID_CLIENT: &str = include_str!("openid_client.mjs");

#[test]
fn openid_client_behind_nginx() {
    let aliases = ["--mtls-base", "https://self-signed.example.com/oauth2"];
    let deployment = Deployment::start(WebServer::Nginx, SignIn::Certbound, &aliases);
    deployment.run(
        OPENID_CLIENT,
        &["pki", "self_signed", "hybrid", "native", "certificate"],
    );
}

#[test]
fn openid_client_behind_nginx_that_knows_people() {
    let deployment = Deployment::start(WebServer::Nginx, SignIn::WebServer, &[]);
    deployment.run(OPENID_CLIENT, &["header"]);
}

#[test]
fn openid_client_in_detail() {
    let deployment = Deployment::start(WebServer::Nginx, SignIn::Certbound, &[]);
    deployment.run(OPENID_CLIENT, &["at_once", "logout", "parameters"]);
}

#[test]
fn long_requests_behind_nginx() {
    let deployment = Deployment::start(WebServer::SmallNginx, SignIn::Certbound, &[]);
    deployment.run(OPENID_CLIENT, &["long"]);
}

#[test]
fn openid_client_behind_apache() {
    let aliases = ["--mtls-base", "https://self-signed.example.com/oauth2"];
    let deployment = Deployment::start(WebServer::Apache, SignIn::Certbound, &aliases);
    deployment.run(
        OPENID_CLIENT,
        &["pki", "self_signed", "hybrid", "certificate", "long"],
    );
}

#[test]
fn openid_client_behind_apache_that_knows_people() {
    let deployment = Deployment::start(WebServer::Apache, SignIn::WebServer, &[]);
    deployment.run(OPENID_CLIENT, &["header"]);
}

#[test]
fn oauth4webapi_by_fapi2() {
    let deployment =
        Deployment::start(WebServer::Nginx, SignIn::Certbound, &["--profile", "fapi2"]);
    deployment.run(include_str!("oauth4webapi.mjs"), &[]);
}
