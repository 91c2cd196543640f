//! `examples/mod_auth_openidc`, started as it is: Apache's module signs people in at certbound, which a
//! real nginx stands in front of.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rcgen::{KeyPair, PublicKeyData as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::chromium::Browser as Chromium;
use super::front::{Buffers, Front, SignIn, httpd, nginx};
use super::libraries;
use super::people::{self, PASSWORD, SECRET, TOTP};
use super::place::{Place, example, rewritten, text};
use super::process::{Process, free_port};

/// How long Chromium may take from one page to the next.
const PATIENCE: Duration = Duration::from_secs(20);

const MODULE: &str = "/usr/lib/apache2/modules/mod_auth_openidc.so";

/// What a page of an application says of who is there.
const PAGE: &str = r#"<p><!--#echo var="REMOTE_USER" -->|<!--#echo var="OIDC_CLAIM_sub" -->|<!--#echo var="OIDC_CLAIM_name" -->|<!--#echo var="OIDC_CLAIM_acr" --></p>"#;

struct Deployment {
    // What stands in front goes before what it stands in front of.
    applications: Process,
    _front: Front,
    certbound: Process,
    place: Place,
    issuer: String,
    wiki: String,
    ledger: String,
}

impl Deployment {
    /// With the applications at those hosts.
    fn start(wiki: &str, ledger: &str) -> Self {
        assert!(
            Path::new(MODULE).exists(),
            "{MODULE} is not there: apt-get install libapache2-mod-auth-openidc"
        );
        let place = Place::new();
        let (as_port, wiki_port, ledger_port) = (free_port(), free_port(), free_port());
        // Apache itself looks for certbound by this name.
        let issuer = format!("https://localhost:{as_port}/oauth2");
        let wiki = format!("https://{wiki}:{wiki_port}");
        let ledger = format!("https://{ledger}:{ledger_port}");
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
        let front = nginx(
            &place,
            SignIn::Certbound,
            PASSWORD,
            Some(as_port),
            Buffers::Example,
        );
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
        let fields = [
            ("client_id", "wiki"),
            ("post_logout_redirect_uri", &format!("{wiki}/goodbye.html")),
        ]
        .map(|(name, value)| format!("<input type=hidden name={name} value={value}>"));
        let leave = format!(
            "<form method=post action={issuer}/logout>{}<button value=leave>Leave</button></form>",
            fields.concat()
        );
        place.write("htdocs/wiki/leave.html", &leave);
        let applications = httpd(&place, "httpd.conf").listens_on(&[wiki_port, ledger_port]);
        Self {
            applications,
            _front: front,
            certbound,
            place,
            issuer,
            wiki,
            ledger,
        }
    }

    /// What there is to read where something went wrong.
    fn said(&self) -> String {
        let log = fs::read_to_string(self.place.file("logs/error.log")).unwrap_or_default();
        let (certbound, apache) = (self.certbound.printed(), self.applications.printed());
        format!("certbound said: {certbound}\nApache said: {apache}{log}")
    }
}

#[test]
fn mod_auth_openidc_signs_people_in_and_out() {
    let deployment = Deployment::start("localhost", "localhost");
    let question = json!({
        "tls": text(&deployment.place.pki.file("")),
        "ports": {},
        "issuer": deployment.issuer,
        "wiki": deployment.wiki,
        "ledger": deployment.ledger,
        "password": PASSWORD,
        "totp": TOTP,
    });
    let module = concat!(
        include_str!("browser.mjs"),
        include_str!("mod_auth_openidc.mjs")
    );
    let answer =
        std::panic::catch_unwind(|| libraries::ask(&mut libraries::node(module), &question));
    assert!(
        answer.is_ok_and(|answer| answer == json!("done")),
        "{}",
        deployment.said()
    );
}

/// Chromium, and who looks at it.
struct Window<'a> {
    chromium: Chromium,
    deployment: &'a Deployment,
}

impl Window<'_> {
    /// Where it is; nowhere while it goes from one site to the next.
    fn url(&mut self) -> String {
        let history = self
            .chromium
            .attempt("Page.getNavigationHistory", &json!({}));
        let Ok(history) = history else {
            return String::new();
        };
        let current = history["currentIndex"].as_u64().expect("a number");
        let current = usize::try_from(current).expect("a small one");
        let url = history["entries"][current]["url"].as_str();
        url.expect("an URL").to_owned()
    }

    /// Waits until it has left that page for one whose URL begins so, which is loaded then.
    fn arrives(&mut self, from: &str, at: &str) {
        let started = Instant::now();
        loop {
            let url = self.url();
            if url != from && url.starts_with(at) {
                break;
            }
            assert!(
                started.elapsed() < PATIENCE,
                "it is at {url} and not at {at}\n{}",
                self.deployment.said()
            );
            thread::sleep(Duration::from_millis(20));
        }
        let loaded = "new Promise(done => document.readyState === 'complete' \
            ? done(true) : addEventListener('load', () => done(true)))";
        assert_eq!(self.chromium.evaluate(loaded), true);
        let violations = self.chromium.complaints();
        let violations = violations
            .iter()
            .find(|said| said.contains("Content Security"));
        assert_eq!(violations, None);
    }

    fn opens(&mut self, url: &str, at: &str) {
        self.chromium.open(url);
        self.arrives("", at);
    }

    /// Fills in fields and presses a button.
    fn presses(&mut self, step: &str, fields: &[(&str, &str)], at: &str) {
        let from = self.url();
        for (id, value) in fields {
            let fill = format!("document.getElementById({id:?}).value = {value:?}");
            self.chromium.evaluate(&fill);
        }
        let press = format!("document.querySelector('button[value={step}]').click()");
        self.chromium.evaluate(&press);
        self.arrives(&from, at);
    }

    fn reads(&mut self) -> Value {
        self.chromium.evaluate("document.body.innerText.trim()")
    }
}

/// Three sites, so that cookies and policies hold as they do between strangers; a form that posts itself.
#[test]
fn mod_auth_openidc_signs_a_chromium_in_and_out() {
    let deployment = Deployment::start("wiki.test", "ledger.test");
    let key = fs::read_to_string(deployment.place.pki.file("server.key")).expect("it was made");
    let key = KeyPair::from_pem(&key).expect("a key");
    let known = BASE64_STANDARD.encode(Sha256::digest(key.subject_public_key_info()));
    let flags = [
        "--host-resolver-rules=MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost".to_owned(),
        format!("--ignore-certificate-errors-spki-list={known}"),
    ];
    let profile = deployment.place.file("profile");
    let chromium = Chromium::start_with(&profile, &flags);
    let mut window = Window {
        chromium: chromium.expect("chromium is there: apt-get install chromium"),
        deployment: &deployment,
    };
    let page = |application: &str| format!("{application}/who.shtml");
    let (wiki, ledger) = (page(&deployment.wiki), page(&deployment.ledger));
    let authorize = format!("{}/authorize", deployment.issuer);

    window.opens(&wiki, &authorize);
    let right = [("username", "alice"), ("password", PASSWORD)];
    window.presses("password", &right, &wiki);
    assert_eq!(window.reads(), "alice|alice|Alice Example|1");

    window.opens(&ledger, &authorize);
    window.presses("totp", &[("code", &code())], &authorize);
    window.presses("allow", &[], &ledger);
    assert_eq!(window.reads(), "alice|alice|Alice Example|gold");

    let goodbye = format!("{}/goodbye.html", deployment.wiki);
    let logout = format!("{}/signed-in?logout={goodbye}", deployment.wiki);
    window.opens(&logout, &goodbye);
    assert_eq!(window.reads(), "Goodbye");
    window.opens(&wiki, &authorize);
    let asks = |what: &str| format!("document.querySelector('{what}') !== null");
    assert_eq!(window.chromium.evaluate(&asks("#password")), true);

    // A form that another site posts comes without the session; she is asked, as it could be anybody's form.
    window.presses("password", &right, &wiki);
    let leave = format!("{}/leave.html", deployment.wiki);
    let logout = format!("{}/logout", deployment.issuer);
    window.opens(&leave, &leave);
    window.presses("leave", &[], &logout);
    window.presses("logout", &[], &goodbye);
    window.opens(&logout, &logout);
    assert_eq!(
        window.chromium.evaluate(&asks("button[value=logout]")),
        false
    );
}

/// The one-time password of alice (RFC 6238, RFC 4226 section 5.3); her secret is that of the RFC's examples.
#[expect(
    clippy::disallowed_methods,
    reason = "an authenticator has a clock of its own"
)]
fn code() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let steps = since.expect("later").as_secs() / 30;
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"12345678901234567890");
    let mac = hmac::sign(&key, &steps.to_be_bytes());
    let mac = mac.as_ref();
    let offset = usize::from(mac[19] & 15);
    let part = u32::from_be_bytes(mac[offset..offset + 4].try_into().expect("four octets"));
    format!("{:06}", (part & 0x7fff_ffff) % 1_000_000)
}
