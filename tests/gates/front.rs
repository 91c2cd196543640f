//! An application, certbound, and a web server that lets nobody to the one without asking the other.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

use super::application::{Application, SERVED};
use super::certbound::{Certbound, Store};
use super::client::Tls;
use super::place::{Place, rewritten, text};
use super::process::{self, Process};

/// The host of the application.
pub(crate) const API: &str = "api.example.com";
/// What `proxy_secret_file` holds, where there is one.
pub(crate) const PROXY_SECRET: &str = "what-the-web-server-and-certbound-know";

/// How certbound is told of a certificate by this web server, and where.
#[derive(Clone, Copy)]
pub(crate) enum Dialect {
    /// PEM on one line, at the Unix socket.
    PemLine,
    /// Percent-encoded PEM, at the Unix socket.
    EscapedPem,
    /// DER in base64, at the Unix socket, without a verdict and with one.
    Base64Der,
    Base64DerVerified,
    /// Envoy's own, at the Unix socket.
    Xfcc,
    /// Traefik's own over TCP, with the secret.
    Traefik,
}

/// All of it but the web server.
pub(crate) struct Behind {
    pub(crate) place: Place,
    pub(crate) application: Application,
    pub(crate) certbound: Certbound,
    dialect: Dialect,
}

impl Behind {
    /// Starts certbound with that file of the examples, literals in it replaced, and an application.
    pub(crate) fn start(
        toml: &str,
        replaced: &[(&str, &str)],
        further: &[&str],
        dialect: Dialect,
    ) -> Self {
        let application = Application::start();
        Self::start_with(application, toml, replaced, further, dialect)
    }

    /// The same with an application that is there already.
    pub(crate) fn start_with(
        application: Application,
        toml: &str,
        replaced: &[(&str, &str)],
        further: &[&str],
        dialect: Dialect,
    ) -> Self {
        let place = Place::new();
        place.write_secret("etc/orders.secret", &format!("{}\n", "5e".repeat(32)));
        place.write_secret("etc/proxy.secret", PROXY_SECRET);
        let secret = text(&place.file("etc/orders.secret"));
        let mut all = vec![("/etc/certbound/orders.secret", &*secret)];
        all.extend(replaced);
        // Only some of the gates have sessions.
        let example = rewritten(toml, &[]);
        all.retain(|(from, _)| *from != "/etc/certbound/orders.secret" || example.contains(from));
        place.write("etc/certbound.toml", &rewritten(toml, &all));
        let proxy_secret = text(&place.file("etc/proxy.secret"));
        let mut flags = further.to_vec();
        if matches!(dialect, Dialect::Traefik) {
            flags.extend(["--proxy-secret-file", &proxy_secret]);
        }
        let certbound = Certbound::start(
            &place,
            &place.file("etc/certbound.toml"),
            "nginx/clients.json",
            Store::File,
            &flags,
        );
        Self {
            place,
            application,
            certbound,
            dialect,
        }
    }

    /// Asks certbound for a token as the web server in front of its token endpoint would.
    pub(crate) fn token(&self, client: &str, scope: &str) -> String {
        let pki = &self.place.pki;
        let line = pki.pem_line(client);
        let base64 = pki.rfc9440(client).trim_matches(':').to_owned();
        let escaped = format!(
            "-----BEGIN%20CERTIFICATE-----%0A{}%0A-----END%20CERTIFICATE-----%0A",
            base64
                .replace('+', "%2B")
                .replace('/', "%2F")
                .replace('=', "%3D")
        );
        let certificate = match self.dialect {
            Dialect::PemLine => format!("X-ClientCert: {line}"),
            Dialect::EscapedPem => format!("X-ClientCert: {escaped}"),
            Dialect::Base64Der | Dialect::Base64DerVerified => format!("X-ClientCert: {base64}"),
            Dialect::Xfcc => format!("X-Forwarded-Client-Cert: Cert=\"{escaped}\""),
            Dialect::Traefik => format!("X-Forwarded-Tls-Client-Cert: {base64}"),
        };
        let mut command = Command::new("curl");
        command.args(["-q", "-sS", "--max-time", "20", "--noproxy", "*"]);
        let port = if matches!(self.dialect, Dialect::Traefik) {
            command.args(["--header", &format!("X-Proxy-Secret: {PROXY_SECRET}")]);
            self.certbound.port
        } else {
            command.arg("--unix-socket").arg(self.place.socket());
            80
        };
        if matches!(
            self.dialect,
            Dialect::PemLine | Dialect::EscapedPem | Dialect::Base64DerVerified
        ) {
            command.args(["--header", "X-ClientCert-Verify: SUCCESS"]);
        }
        command.args(["--header", &certificate]);
        command.args(["--data", "grant_type=client_credentials"]);
        command.args(["--data", &format!("client_id={client}")]);
        command.args(["--data", &format!("scope={scope}")]);
        command.arg(format!("http://127.0.0.1:{port}/oauth2/token"));
        let output = process::run("curl", &mut command);
        let answer: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {output:?}: {}", self.certbound.log()));
        let token = answer["access_token"].as_str();
        let log = || format!("{answer}: {}", self.certbound.log());
        token.unwrap_or_else(|| panic!("{}", log())).to_owned()
    }
}

/// All of it.
pub(crate) struct Front {
    // The web server goes before what it stands in front of.
    pub(crate) web_server: Process,
    pub(crate) port: u16,
    /// A path of the application's behind the gate.
    pub(crate) path: &'static str,
    pub(crate) behind: Behind,
}

/// One request for the application.
#[derive(Clone, Default)]
pub(crate) struct Ask<'a> {
    pub(crate) certificate: Option<&'a str>,
    pub(crate) token: Option<&'a str>,
    /// Further header lines.
    pub(crate) headers: Vec<String>,
    /// A file whose content is posted.
    pub(crate) body: Option<PathBuf>,
    /// With TLS 1.3 unless this says otherwise.
    pub(crate) tls: Option<Tls>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The status, or 0 where there was no answer in HTTP.
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
    /// What curl said of its own.
    pub(crate) said: String,
}

impl Reply {
    /// What curl printed, told to include the head.
    pub(crate) fn of(output: &Output) -> Self {
        let printed = String::from_utf8_lossy(&output.stdout);
        let (head, body) = printed.split_once("\r\n\r\n").unwrap_or((&printed, ""));
        let status = head.get(9..12).and_then(|digits| digits.parse().ok());
        Self {
            status: status.unwrap_or(0),
            head: head.to_owned(),
            body: body.to_owned(),
            said: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The values under a name.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let named = lines.filter(|(found, _)| found.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.trim()).collect()
    }

    /// Whether it comes from the application.
    pub(crate) fn served(&self) -> bool {
        self.status == 200 && self.body == SERVED
    }
}

impl Front {
    /// Waits until the web server has read everything: some listen before they have.
    pub(crate) fn ready(&mut self) {
        let mut left = 200;
        while self.ask(&Ask::default()).status != 401 {
            left -= 1;
            assert!(left > 0, "{}", self.web_server.printed());
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    /// What curl gets.
    pub(crate) fn ask(&self, ask: &Ask<'_>) -> Reply {
        Reply::of(&process::run("curl", &mut self.curl(ask)))
    }

    /// Asks twice, by a connection each, and says whether the second one resumed the TLS session of the first.
    pub(crate) fn ask_twice(&self, ask: &Ask<'_>) -> bool {
        let mut command = self.curl(ask);
        command.args(["--verbose", "--header", "Connection: close"]);
        command.arg(format!("https://{API}{}?of=mine", self.path));
        let reply = Reply::of(&process::run("curl", &mut command));
        reply.said.contains("SSL re-using session ID")
    }

    fn curl(&self, ask: &Ask<'_>) -> Command {
        let pki = &self.behind.place.pki;
        let mut command = Command::new("curl");
        command
            .args(["-q", "-sS", "--include", "--max-time", "20", "--http1.1"])
            .args(["--noproxy", "*", "--header", "Expect:", "--cacert"])
            .arg(pki.file("server.pem"))
            .arg("--connect-to")
            .arg(format!("{API}:443:127.0.0.1:{}", self.port))
            .args(match ask.tls.unwrap_or(Tls::V1_3) {
                Tls::V1_2 => ["--tlsv1.2", "--tls-max", "1.2"],
                Tls::V1_3 => ["--tlsv1.3", "--tls-max", "1.3"],
            });
        if let Some(name) = ask.certificate {
            command
                .arg("--cert")
                .arg(pki.file(&format!("{name}.pem")))
                .arg("--key")
                .arg(pki.file(&format!("{name}.key")));
        }
        if let Some(token) = ask.token {
            command.args(["--header", &format!("Authorization: Bearer {token}")]);
        }
        for header in &ask.headers {
            command.args(["--header", header]);
        }
        if let Some(file) = &ask.body {
            command.arg("--data-binary");
            command.arg(format!("@{}", text(file)));
        }
        command.arg(format!("https://{API}{}?of=mine", self.path));
        command
    }
}
