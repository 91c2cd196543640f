//! The web servers in front of certbound, with the very files of `examples/`.

use std::process::Command;

use super::place::{Place, example, rewritten, text};
use super::process::{self, Process, free_port};

/// A web server that runs.
pub(crate) struct Front {
    _process: Process,
    /// Of the host that verifies certificates.
    pub(crate) as_port: u16,
    /// Of the host to which any certificate may come.
    pub(crate) self_signed_port: u16,
}

/// What the web server knows of people.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignIn {
    /// Nothing: certbound asks them.
    Certbound,
    /// Their passwords: `sign-in.conf`, with the users bob and zoë.
    WebServer,
}

impl SignIn {
    /// Puts the file with them there.
    fn prepare(self, place: &Place, password: &str) {
        if self == Self::WebServer {
            let mut openssl = Command::new("openssl");
            openssl.args(["passwd", "-apr1", password]);
            let output = process::run("openssl", &mut openssl);
            let hash = String::from_utf8(output.stdout).expect("it prints text");
            place.write("users.htpasswd", &format!("bob:{hash}zoë:{hash}"));
        }
    }
}

/// How large the header of an answer may be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Buffers {
    /// As the example has it.
    Example,
    /// As nginx has it by default.
    Default,
}

/// nginx, `examples/nginx`, on ports of its own or that one.
pub(crate) fn nginx(
    place: &Place,
    sign_in: SignIn,
    password: &str,
    as_port: Option<u16>,
    buffers: Buffers,
) -> Front {
    sign_in.prepare(place, password);
    let as_port = as_port.unwrap_or_else(free_port);
    let self_signed_port = free_port();
    let socket = text(&place.socket());
    let mut conf = rewritten(
        "nginx/nginx.conf",
        &[
            ("listen 443 ssl", &format!("listen {as_port} ssl")),
            ("listen 8443 ssl", &format!("listen {self_signed_port} ssl")),
            (
                "server unix:/run/certbound/certbound.sock",
                &format!("server unix:{socket}"),
            ),
        ],
    );
    if sign_in == SignIn::WebServer {
        let line = "include certbound.conf;";
        assert!(conf.contains(line));
        conf = conf.replace(line, "include certbound.conf; include sign-in.conf;");
    }
    place.write("nginx.conf", &conf);
    let sizes = ["  proxy_buffer_size 16k;\n", "  proxy_buffers 8 16k;\n"];
    let without = match buffers {
        Buffers::Example => Vec::new(),
        Buffers::Default => sizes.map(|line| (line, "")).to_vec(),
    };
    for file in ["certbound.conf", "sign-in.conf"] {
        place.write(file, &rewritten(&format!("nginx/{file}"), &without));
    }
    let mut command = Command::new("nginx");
    command
        .arg("-p")
        .arg(format!("{}/", text(place.path())))
        .args(["-c", "nginx.conf", "-g", "daemon off;"]);
    let log = place.file("logs/nginx.log");
    Front {
        _process: Process::start("nginx", &mut command, log)
            .listens_on(&[as_port, self_signed_port]),
        as_port,
        self_signed_port,
    }
}

/// Apache, `examples/apache`.
pub(crate) fn apache(place: &Place, sign_in: SignIn, password: &str) -> Front {
    sign_in.prepare(place, password);
    let (as_port, self_signed_port) = (free_port(), free_port());
    let mut lines = vec![format!(
        "Include {}",
        text(&example("apache/certbound.conf"))
    )];
    if sign_in == SignIn::WebServer {
        for module in ["auth_basic", "authn_core", "authn_file", "authz_user"] {
            lines.push(format!(
                "LoadModule {module}_module ${{MODULES}}/mod_{module}.so"
            ));
        }
        lines.push(format!("Include {}", text(&example("apache/sign-in.conf"))));
    }
    let lines = lines.join("\n") + "\n";
    place.write("lines.conf", &lines);
    let conf = rewritten(
        "apache/httpd.conf",
        &[
            ("AS_PORT 443", &format!("AS_PORT {as_port}")),
            (
                "SELF_SIGNED_PORT 8443",
                &format!("SELF_SIGNED_PORT {self_signed_port}"),
            ),
            (
                "CERTBOUND_SOCKET /run/certbound/certbound.sock",
                &format!("CERTBOUND_SOCKET {}", text(&place.socket())),
            ),
            (
                "CERTBOUND_LINES certbound.conf",
                &format!("CERTBOUND_LINES {}", text(&place.file("lines.conf"))),
            ),
        ],
    );
    place.write("httpd.conf", &conf);
    Front {
        _process: httpd(place, "httpd.conf").listens_on(&[as_port, self_signed_port]),
        as_port,
        self_signed_port,
    }
}

/// Apache with a file of that folder.
pub(crate) fn httpd(place: &Place, conf: &str) -> Process {
    let mut command = Command::new("apache2");
    command.arg("-d").arg(place.path()).args(["-f", conf]);
    command.arg("-DFOREGROUND");
    let log = place.file(&format!("logs/{conf}.log"));
    Process::start("apache2", &mut command, log)
}
