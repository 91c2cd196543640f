//! Clients: curl, and openssl where a TLS session is to be resumed.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::pki::Pki;
use super::process;

/// A version of TLS, and nothing but that version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    V1_2,
    V1_3,
}

impl Tls {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::V1_2, Self::V1_3];

    const fn name(self) -> &'static str {
        match self {
            Self::V1_2 => "TLSv1.2",
            Self::V1_3 => "TLSv1.3",
        }
    }
}

/// One request.
#[derive(Clone, Copy)]
pub(crate) struct Ask<'a> {
    /// The host's name, which `port` on 127.0.0.1 stands for.
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) path: &'a str,
    pub(crate) tls: Tls,
    /// Whose certificate and key are used.
    pub(crate) certificate: Option<&'a str>,
    /// The form to post, `name=value` each; with none it is a GET.
    pub(crate) form: &'a [&'a str],
    /// Header lines.
    pub(crate) headers: &'a [&'a str],
    /// User and password for HTTP Basic.
    pub(crate) user: Option<&'a str>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status, or 0 where there was no answer in HTTP.
    pub(crate) status: u16,
    pub(crate) body: String,
    /// What the program said of its own.
    pub(crate) said: String,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The `access_token`.
    pub(crate) fn access_token(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        let json = self.json();
        let token = json["access_token"].as_str();
        token.unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }
}

/// Asks with curl.
pub(crate) fn curl(pki: &Pki, ask: &Ask<'_>) -> Answer {
    let mut command = Command::new("curl");
    command
        .args([
            "-q",
            "-sS",
            "--max-time",
            "20",
            "--write-out",
            "\n%{http_code}",
        ])
        .args(["--http1.1", "--noproxy", "*"])
        .arg("--cacert")
        .arg(pki.file("server.pem"))
        .arg("--connect-to")
        .arg(format!("{}:443:127.0.0.1:{}", ask.host, ask.port))
        .args(match ask.tls {
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
    for pair in ask.form {
        command.args(["--data", pair]);
    }
    for header in ask.headers {
        command.args(["--header", header]);
    }
    if let Some(user) = ask.user {
        command.args(["--user", user]);
    }
    command.arg(format!("https://{}{}", ask.host, ask.path));
    answer(&mut command)
}

/// Sends a request of no web server's by certbound's own socket, with those header lines.
pub(crate) fn curl_socket(socket: &Path, form: &[&str], headers: &[&str]) -> Answer {
    let mut command = Command::new("curl");
    command
        .args([
            "-q",
            "-sS",
            "--max-time",
            "20",
            "--write-out",
            "\n%{http_code}",
        ])
        .arg("--unix-socket")
        .arg(socket);
    for pair in form {
        command.args(["--data", pair]);
    }
    for header in headers {
        command.args(["--header", header]);
    }
    command.arg("http://certbound/oauth2/token");
    answer(&mut command)
}

fn answer(command: &mut Command) -> Answer {
    let output = process::run("curl", command);
    let printed = String::from_utf8_lossy(&output.stdout);
    let (body, status) = printed.rsplit_once('\n').expect("curl prints the status");
    Answer {
        status: status.parse().expect("a status is a number"),
        body: body.to_owned(),
        said: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// What is done with a TLS session.
#[derive(Clone, Copy)]
pub(crate) enum Session<'a> {
    /// Begun, and kept in the file.
    Begin(&'a Path),
    /// The one in the file is offered.
    Offer(&'a Path),
}

/// Asks with openssl, and says whether the session was an old one.
pub(crate) fn s_client(pki: &Pki, ask: &Ask<'_>, session: Session<'_>) -> (Answer, bool) {
    let form = ask.form.join("&");
    let method = if form.is_empty() { "GET" } else { "POST" };
    let mut request = format!(
        "{method} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
        ask.path, ask.host
    );
    for header in ask.headers {
        request.extend([*header, "\r\n"]);
    }
    if !form.is_empty() {
        request += "Content-Type: application/x-www-form-urlencoded\r\n";
        request += "Content-Length: ";
        request += &form.len().to_string();
        request += "\r\n";
    }
    request += "\r\n";
    request += &form;

    let mut command = Command::new("timeout");
    command
        .args(["20", "openssl", "s_client", "-ign_eof", "-connect"])
        .arg(format!("127.0.0.1:{}", ask.port))
        .args(["-servername", ask.host, "-CAfile"])
        .arg(pki.file("server.pem"))
        .arg(match ask.tls {
            Tls::V1_2 => "-tls1_2",
            Tls::V1_3 => "-tls1_3",
        });
    if let Some(name) = ask.certificate {
        command
            .arg("-cert")
            .arg(pki.file(&format!("{name}.pem")))
            .arg("-key")
            .arg(pki.file(&format!("{name}.key")));
    }
    match session {
        Session::Begin(file) => command.arg("-sess_out").arg(file),
        Session::Offer(file) => command.arg("-sess_in").arg(file),
    };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("timeout is part of every Debian");
    let mut input = child.stdin.take().expect("it is piped");
    // Where the handshake failed there may be nobody left to read it.
    drop(input.write_all(request.as_bytes()));
    drop(input);
    let output = child.wait_with_output().expect("a child can be awaited");
    assert_ne!(
        output.status.code(),
        Some(127),
        "openssl cannot be started: apt-get install openssl"
    );
    let printed = String::from_utf8_lossy(&output.stdout);
    let said = format!("{printed}{}", String::from_utf8_lossy(&output.stderr));
    let reused = said.contains(&format!("Reused, {}", ask.tls.name()));
    assert_ne!(
        reused,
        said.contains(&format!("New, {}", ask.tls.name())),
        "{said}"
    );
    // With TLS 1.3 openssl prints tickets in between, but no write of the answer is ever torn.
    let from = printed.find("HTTP/1.1 ").map_or("", |at| &printed[at..]);
    let status = from.get(9..12).and_then(|digits| digits.parse().ok());
    let body = from.find("\r\n\r\n").map_or("", |at| &from[at + 4..]);
    let json = serde_json::Deserializer::from_str(body)
        .into_iter::<Value>()
        .next();
    let answer = Answer {
        status: status.unwrap_or(0),
        body: json.and_then(Result::ok).unwrap_or_default().to_string(),
        said,
    };
    (answer, reused)
}
