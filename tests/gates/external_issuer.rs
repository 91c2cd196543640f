//! `examples/external-issuer`: another issuer's tokens, bound to a certificate though a secret got them.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use serde_json::Value;

use super::application::{Application, SERVED};
use super::front::{API, Reply};
use super::place::{Place, example, rewritten, text};
use super::process::{self, Process, free_port};

const IDP: &str = "idp.example.com";

/// The issuer, the gate, both with nginx in front, and the application.
struct World {
    _nginx: [Process; 2],
    gate: Process,
    issuer: Process,
    application: Application,
    issuer_port: u16,
    idp: u16,
    api: u16,
    place: Place,
}

/// certbound with a configuration that is checked first.
fn certbound(place: &Place, conf: &str, socket: &str, flags: &[&str]) -> Process {
    let program = env!("CARGO_BIN_EXE_certbound");
    let conf_file = text(&place.file(conf));
    let mut all = vec!["--config", &conf_file];
    all.extend(flags);
    // Only root can give the socket to www-data; for others the web server runs as themselves.
    let folder = fs::metadata(place.path()).expect("it is there");
    let group = folder.gid().to_string();
    if folder.uid() != 0 {
        all.extend(["--listen-group", &group]);
    }
    let checked = process::run("certbound", Command::new(program).arg("check").args(&all));
    assert!(checked.status.success(), "{conf}: {checked:?}");
    let log = place.file(&format!("logs/{}.log", conf.replace('/', "-")));
    let mut command = Command::new(program);
    let mut process = Process::start("certbound", command.arg("serve").args(&all), log);
    let socket = place.file(socket);
    process.wait_until("opens its socket", || socket.exists());
    process
}

fn nginx(place: &Place, conf: &str, port: u16) -> Process {
    let mut command = Command::new("nginx");
    command
        .arg("-p")
        .arg(format!("{}/", text(place.path())))
        .args(["-c", conf, "-g", "daemon off;"]);
    let log = place.file(&format!("logs/{conf}.log"));
    Process::start("nginx", &mut command, log).listens_on(&[port])
}

impl World {
    fn start() -> Self {
        let place = Place::new();
        let application = Application::start();
        let [issuer_port, admin, idp, api] = [(); 4].map(|()| free_port());
        let file = |name: &str| text(&place.file(name));
        let issuer_name = format!("http://127.0.0.1:{issuer_port}/realms/demo");

        let issuer_socket = file("run/issuer.sock");
        let conf = rewritten(
            "external-issuer/issuer.toml",
            &[
                (
                    "issuer = \"http://127.0.0.1:9500/realms/demo\"",
                    &format!("issuer = \"{issuer_name}\""),
                ),
                (
                    "\"127.0.0.1:9500\"",
                    &format!("\"127.0.0.1:{issuer_port}\""),
                ),
                ("127.0.0.1:9501", &format!("127.0.0.1:{admin}")),
                ("/run/certbound-issuer/certbound.sock", &issuer_socket),
                (
                    "/etc/certbound/client-ca.pem",
                    &text(&place.pki.file("client-ca.pem")),
                ),
                (
                    "/etc/certbound-issuer/clients.json",
                    &file("etc/issuer-clients.json"),
                ),
            ],
        );
        place.write("etc/issuer.toml", &conf);
        let clients = rewritten("external-issuer/issuer-clients.json", &[]);
        place.write_secret("etc/issuer-clients.json", &clients);
        let issuer = certbound(&place, "etc/issuer.toml", "run/issuer.sock", &[]);
        let conf = rewritten(
            "external-issuer/issuer-nginx.conf",
            &[
                ("listen 8443 ssl", &format!("listen {idp} ssl")),
                ("/run/certbound-issuer/certbound.sock", &issuer_socket),
            ],
        );
        place.write("issuer-nginx.conf", &conf);
        let before_issuer = nginx(&place, "issuer-nginx.conf", idp);

        let conf = rewritten(
            "external-issuer/certbound.toml",
            &[
                ("http://127.0.0.1:9500/realms/demo", &issuer_name),
                ("/run/certbound/certbound.sock", &text(&place.socket())),
                (
                    "/etc/certbound/client-ca.pem",
                    &text(&place.pki.file("client-ca.pem")),
                ),
                (
                    "/etc/certbound/no-clients.json",
                    &text(&example("external-issuer/no-clients.json")),
                ),
                (
                    "/etc/certbound/orders-gate.json",
                    &file("etc/orders-gate.json"),
                ),
                ("/var/lib/certbound/certbound.redb", &file("records.redb")),
            ],
        );
        place.write("etc/certbound.toml", &conf);
        let registration = rewritten("external-issuer/orders-gate.json", &[]);
        place.write_secret("etc/orders-gate.json", &registration);
        let admin = format!("unix:{}", file("run/admin.sock"));
        let flags = ["--admin-listen", &*admin];
        let gate = certbound(&place, "etc/certbound.toml", "run/certbound.sock", &flags);
        let conf = rewritten(
            "nginx/gate.conf",
            &[
                ("listen 443 ssl", &format!("listen {api} ssl")),
                (
                    "server unix:/run/certbound/certbound.sock",
                    &format!("server unix:{}", text(&place.socket())),
                ),
                (
                    "server 127.0.0.1:8080",
                    &format!("server 127.0.0.1:{}", application.port),
                ),
            ],
        );
        place.write("gate.conf", &conf);
        let before_application = nginx(&place, "gate.conf", api);
        Self {
            _nginx: [before_issuer, before_application],
            gate,
            issuer,
            application,
            issuer_port,
            idp,
            api,
            place,
        }
    }

    fn curl(&self, host: &str, port: u16, certificate: Option<&str>, further: &[&str]) -> Reply {
        let pki = &self.place.pki;
        let mut command = Command::new("curl");
        command
            .args(["-q", "-sS", "--include", "--max-time", "20", "--http1.1"])
            // The certificate of the web server is for other hosts of example.com.
            .args(["--noproxy", "*", "--insecure", "--connect-to"])
            .arg(format!("{host}:443:127.0.0.1:{port}"));
        if let Some(name) = certificate {
            command.arg("--cert").arg(pki.file(&format!("{name}.pem")));
            command.arg("--key").arg(pki.file(&format!("{name}.key")));
        }
        command.args(further);
        Reply::of(&process::run("curl", &mut command))
    }

    /// Asks for a token as the README does.
    fn token_reply(&self, client: &str, scope: &str, certificate: Option<&str>) -> Reply {
        let user = format!("{client}:the-secret-of-{client}");
        let scope = format!("scope={scope}");
        let url = format!("https://{IDP}/realms/demo/token");
        let form = ["-d", "grant_type=client_credentials", "-d", &scope];
        let further = [&["-u", &user][..], &form, &[&url]].concat();
        self.curl(IDP, self.idp, certificate, &further)
    }

    fn token(&self, client: &str, scope: &str, certificate: Option<&str>) -> String {
        let reply = self.token_reply(client, scope, certificate);
        let log = self.issuer.printed();
        assert_eq!(reply.status, 200, "{reply:?}: {log}");
        let answer: Value = serde_json::from_str(&reply.body).expect("JSON");
        answer["access_token"].as_str().expect("a token").to_owned()
    }

    /// Asks for the application, which serves nobody whom it is not to.
    fn expect(&self, token: &str, certificate: Option<&str>, status: u16) -> Reply {
        drop(self.application.take());
        let header = format!("Authorization: Bearer {token}");
        let url = format!("https://{API}/orders/1");
        let reply = self.curl(API, self.api, certificate, &["-H", &header, &url]);
        let what = format!("{certificate:?}: {reply:?}: {}", self.gate.printed());
        assert_eq!(reply.status, status, "{what}");
        assert_eq!(reply.body == SERVED, status == 200, "{what}");
        let seen = self.application.take();
        assert_eq!(seen.len(), usize::from(status == 200), "{what}");
        for seen in seen {
            let issuer = format!("http://127.0.0.1:{}/realms/demo", self.issuer_port);
            assert_eq!(seen.values("X-Auth-Issuer"), [issuer], "{what}");
            assert!(seen.values("Authorization").is_empty(), "{what}");
        }
        reply
    }
}

#[test]
fn tokens_of_another_issuer_are_good_with_their_own_certificate_alone() {
    let world = World::start();

    // The issuer binds what a secret got, and gives nothing that is bound to nothing.
    let refused = world.token_reply("shop", "orders.read", None);
    assert_eq!(refused.status, 400, "{refused:?}");

    // By the issuer's keys, and by asking it.
    for client in ["shop", "till"] {
        let token = world.token(client, "orders.read", Some("orders"));
        for (certificate, status) in [
            (Some("orders"), 200),
            (Some("billing"), 401),
            (None, 401),
            (Some("orders"), 200),
        ] {
            let reply = world.expect(&token, certificate, status);
            if status == 401 {
                let challenges = reply.values("WWW-Authenticate");
                assert_eq!(challenges.len(), 1, "{reply:?}");
                assert!(
                    challenges[0].contains("error=\"invalid_token\""),
                    "{reply:?}"
                );
            }
        }
        // The same client with another certificate: another token, and each is good with its own.
        let other = world.token(client, "orders.read", Some("billing"));
        world.expect(&other, Some("billing"), 200);
        world.expect(&other, Some("orders"), 401);
    }

    // Bound to nothing, or without the scope, or of nobody.
    let unbound = world.token("legacy", "orders.read", None);
    world.expect(&unbound, Some("orders"), 401);
    world.expect(&unbound, None, 401);
    let other_scope = world.token("shop", "orders.write", Some("orders"));
    let reply = world.expect(&other_scope, Some("orders"), 403);
    assert!(reply.values("WWW-Authenticate")[0].contains("orders.read"));
    world.expect("nonsense", Some("orders"), 401);
}

/// What was learnt of the issuer outlives it for a while; what only it knows does not.
#[test]
fn without_the_issuer_its_keys_are_still_good() {
    let mut world = World::start();
    let jwt = world.token("shop", "orders.read", Some("orders"));
    let opaque = world.token("till", "orders.read", Some("orders"));
    world.expect(&jwt, Some("orders"), 200);
    world.issuer.stop();
    world.expect(&jwt, Some("orders"), 200);
    world.expect(&jwt, Some("billing"), 401);
    world.expect(&opaque, Some("orders"), 503);
}
