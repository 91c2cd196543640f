//! People and the applications that they use: fixtures for everything that begins at `authorize`.

use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::assertion;
use crate::browser::{Back, Browser};
use crate::jose::EcKey;
use crate::pki::{Cert, dn, pki, wanted};
use crate::request::Request;
use crate::wire::Response;
use crate::world::{SECRET, Server, World, sha256_hex};

pub(crate) const REDIRECT: &str = "https://app.example/cb";
pub(crate) const AFTER_LOGOUT: &str = "https://app.example/bye";
pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const STATE: &str = "state-of-the-client";
pub(crate) const NONCE: &str = "nonce-of-the-client";

/// RFC 7636 appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Base32 of the secret of RFC 6238 appendix B.
const TOTP: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

/// The code of that many steps of 30 s from now (RFC 6238 section 4).
pub(crate) fn totp(offset: i64) -> String {
    use aws_lc_rs::hmac;
    let step = assertion::now() / 30;
    let step = step.checked_add_signed(offset).expect("a time after 1970");
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"12345678901234567890");
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag[19] & 15);
    let piece: [u8; 4] = tag[at..at + 4].try_into().expect("four octets");
    format!(
        "{:06}",
        (u32::from_be_bytes(piece) & 0x7fff_ffff) % 1_000_000
    )
}

/// The hash of [`PASSWORD`], made by the program.
fn hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| {
        use std::io::Write as _;
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_certbound"))
            .args(["user", "hash-password"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("the program runs");
        let mut input = program.stdin.take().expect("a pipe");
        writeln!(input, "{PASSWORD}").expect("it reads");
        drop(input);
        let output = program.wait_with_output().expect("it ends");
        String::from_utf8(output.stdout)
            .expect("ASCII")
            .trim()
            .to_owned()
    })
}

/// Anna has a second factor, Ben nothing but his password, the others certificates.
pub(crate) fn users() -> Vec<Value> {
    vec![
        json!({
            "username": "anna", "sub": "sub-of-anna", "password_hash": hash(), "totp": TOTP,
            "claims": {
                "name": "Anna \"A\" Ärmel", "given_name": "Anna", "email": "anna@example.com",
                "email_verified": true, "phone_number": "+49 30 1", "birthdate": "1970-01-01",
            },
        }),
        json!({ "username": "ben", "password_hash": hash() }),
        json!({ "username": "cora", "certificates": [{ "subject_dn": dn("cora") }], "totp": TOTP }),
        json!({ "username": "dora", "certificates": [{ "san_email": "dora@example.com" }] }),
        json!({ "username": "eric", "certificates": [{ "x5t#S256": erics().thumbprint() }] }),
    ]
}

/// Eric signs himself.
pub(crate) fn erics() -> &'static Cert {
    static ERIC: OnceLock<Cert> = OnceLock::new();
    ERIC.get_or_init(|| wanted("eric").self_signed())
}

/// How an application proves who it is.
#[derive(Clone)]
pub(crate) enum Proof {
    /// By the certificate that it also holds its tokens with.
    Tls,
    SelfSigned,
    /// The PEM of a P-256 key.
    Key(String),
    Secret,
    Nothing,
}

/// An application and what it holds.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) id: String,
    pub(crate) proof: Proof,
    /// What it shows on each connection.
    pub(crate) certificate: Option<Cert>,
    registration: Value,
}

impl App {
    fn new(id: &str, method: &str, proof: Proof, certificate: Option<Cert>) -> Self {
        let registration = json!({
            "client_id": id,
            "client_name": format!("The application {id}"),
            "token_endpoint_auth_method": method,
            "grant_types": ["authorization_code", "refresh_token"],
            "redirect_uris": [REDIRECT, "https://app.example/cb?tenant=1"],
            "post_logout_redirect_uris": [AFTER_LOGOUT],
            "scope": "openid profile email offline_access orders.read orders.write",
            "consent": false,
        });
        Self {
            id: id.to_owned(),
            proof,
            certificate,
            registration,
        }
    }

    /// `tls_client_auth`, bound.
    pub(crate) fn tls(id: &str) -> Self {
        let certificate = wanted(id).by(&pki().ca);
        Self::new(id, "tls_client_auth", Proof::Tls, Some(certificate))
            .with("tls_client_auth_subject_dn", json!(dn(id)))
    }

    /// `self_signed_tls_client_auth`, bound.
    pub(crate) fn self_signed(id: &str) -> Self {
        let certificate = wanted(id).self_signed();
        let jwks = json!({ "keys": [certificate.jwk()] });
        let proof = Proof::SelfSigned;
        Self::new(id, "self_signed_tls_client_auth", proof, Some(certificate)).with("jwks", jwks)
    }

    /// `private_key_jwt`, bound to a certificate that does not authenticate it.
    pub(crate) fn key(id: &str) -> Self {
        let pem = rcgen::KeyPair::generate().expect("a key").serialize_pem();
        let jwks = json!({ "keys": [EcKey::from_pem(&pem).jwk()] });
        let certificate = wanted(id).self_signed();
        Self::new(id, "private_key_jwt", Proof::Key(pem), Some(certificate))
            .with("jwks", jwks)
            .with("tls_client_certificate_bound_access_tokens", json!(true))
    }

    /// `client_secret_basic`, unbound.
    pub(crate) fn secret(id: &str) -> Self {
        Self::new(id, "client_secret_basic", Proof::Secret, None)
            .with("client_secret_sha256", json!(sha256_hex(SECRET)))
    }

    /// `none`, unbound.
    pub(crate) fn public(id: &str) -> Self {
        Self::new(id, "none", Proof::Nothing, None)
    }

    /// `none`, bound.
    pub(crate) fn public_bound(id: &str) -> Self {
        let certificate = Some(wanted(id).self_signed());
        Self::new(id, "none", Proof::Nothing, certificate)
            .with("tls_client_certificate_bound_access_tokens", json!(true))
    }

    /// With that member in its registration; without it where it is null.
    pub(crate) fn with(mut self, member: &str, value: Value) -> Self {
        if value.is_null() {
            let members = self.registration.as_object_mut().expect("an object");
            members.remove(member);
        } else {
            self.registration[member] = value;
        }
        self
    }

    pub(crate) fn registration(&self) -> Value {
        self.registration.clone()
    }

    /// With another certificate, or none.
    pub(crate) fn showing(&self, certificate: Option<&Cert>) -> Self {
        let mut other = self.clone();
        other.certificate = certificate.cloned();
        other
    }

    /// A request that authenticates it as it is registered.
    pub(crate) fn post<'a>(&self, server: &'a Server, endpoint: &str) -> Request<'a> {
        let mut request = server.post(endpoint);
        request = match &self.proof {
            Proof::Secret => request.basic(&self.id, SECRET),
            Proof::Key(pem) => {
                let mut claims = assertion::honest(&self.id);
                claims["aud"] = json!(server.issuer);
                let key = EcKey::from_pem(pem);
                request
                    .form("client_id", &self.id)
                    .assertion(&key.sign(&json!({ "alg": "ES256" }), &claims))
            }
            Proof::Tls | Proof::SelfSigned | Proof::Nothing => request.form("client_id", &self.id),
        };
        match &self.certificate {
            Some(certificate) if matches!(self.proof, Proof::Tls) => request.with(certificate),
            Some(certificate) => request.unjudged(certificate),
            None => request,
        }
    }

    /// What it asks for, unless a test says otherwise.
    pub(crate) fn asks(&self) -> Ask {
        let pairs = [
            ("client_id", self.id.as_str()),
            ("redirect_uri", REDIRECT),
            ("response_type", "code"),
            ("scope", "openid orders.read"),
            ("state", STATE),
            ("nonce", NONCE),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let owned = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ask(owned.to_vec())
    }

    /// A redemption of a code as it ought to be.
    pub(crate) fn redeems<'a>(&self, server: &'a Server, code: &str) -> Request<'a> {
        self.post(server, "token")
            .form("grant_type", "authorization_code")
            .form("code", code)
            .form("redirect_uri", REDIRECT)
            .form("code_verifier", VERIFIER)
    }

    pub(crate) fn refreshes<'a>(&self, server: &'a Server, token: &str) -> Request<'a> {
        self.post(server, "token")
            .form("grant_type", "refresh_token")
            .form("refresh_token", token)
    }

    /// Everything from the first page to the tokens, by that user, with a new browser.
    #[track_caller]
    pub(crate) fn tokens(&self, server: &Server, username: &str) -> Tokens {
        self.tokens_for(server, username, &self.asks())
    }

    #[track_caller]
    pub(crate) fn tokens_for(&self, server: &Server, username: &str, ask: &Ask) -> Tokens {
        let back = ask.answered(&mut Browser::new(server), username);
        Tokens::of(&self.redeems(server, &back.code()).send())
    }

    /// Asks userinfo as its owner.
    pub(crate) fn userinfo(&self, server: &Server, token: &str) -> Response {
        let request = server
            .get("userinfo")
            .header("Authorization", format!("Bearer {token}"));
        match &self.certificate {
            Some(certificate) => request.unjudged(certificate).send(),
            None => request.send(),
        }
    }
}

/// The parameters of an authorization request.
#[derive(Clone, Debug)]
pub(crate) struct Ask(pub(crate) Vec<(String, String)>);

impl Ask {
    /// With that value and no other.
    pub(crate) fn set(self, name: &str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(known, _)| known != name);
        self
    }

    /// With that value beside what is there.
    pub(crate) fn and(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Opens it in a browser.
    #[track_caller]
    pub(crate) fn open(&self, browser: &mut Browser<'_>) -> Response {
        let response = browser.open("authorize", &self.0);
        browser.settle(response)
    }

    /// Goes through every page as that user, agreeing to everything, until the client is told something.
    #[track_caller]
    pub(crate) fn finished(&self, browser: &mut Browser<'_>, username: &str) -> Response {
        let mut response = self.open(browser);
        for _ in 0..4 {
            if response.header("location").is_some() {
                return response;
            }
            assert_eq!(response.status, 200, "{}", response.body);
            let page = response.page();
            response = if page.offers("password") {
                browser.password(&page, username, PASSWORD)
            } else if page.offers("allow") {
                browser.choose(&page, "allow")
            } else {
                return response;
            };
        }
        panic!("no end: {}", response.body);
    }

    /// What the client is told in the end.
    #[track_caller]
    pub(crate) fn answered(&self, browser: &mut Browser<'_>, username: &str) -> Back {
        let back = self.finished(browser, username).back();
        // ISS-01, by whatever response mode.
        let issuer = browser.server.issuer.as_str();
        assert_eq!(back.get("iss").as_deref(), Some(issuer), "{back:?}");
        if let Some(code) = back.get("code") {
            browser.server.keeps_secret(code);
        }
        back
    }

    /// Pushes it, and gives what is to be opened.
    #[track_caller]
    pub(crate) fn pushed(&self, server: &Server, app: &App) -> Ask {
        let response = self.push(server, app).send();
        assert_eq!(response.status, 201, "PAR-04: {}", response.body);
        by_reference(&app.id, &response.text("request_uri"))
    }

    /// The push, not yet sent.
    pub(crate) fn push<'a>(&self, server: &'a Server, app: &App) -> Request<'a> {
        let mut request = app.post(server, "par");
        for (name, value) in &self.0 {
            // The others name themselves already.
            if name != "client_id" || matches!(app.proof, Proof::Secret) {
                request = request.form(name, value);
            }
        }
        request
    }
}

/// An authorization request by reference (RFC 9126 section 4).
pub(crate) fn by_reference(client_id: &str, request_uri: &str) -> Ask {
    Ask(Vec::new())
        .set("client_id", client_id)
        .set("request_uri", request_uri)
}

/// What the token endpoint gave.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) whole: Value,
}

impl Tokens {
    #[track_caller]
    pub(crate) fn of(response: &Response) -> Self {
        assert_eq!(response.status, 200, "{}", response.body);
        let whole = response.json();
        assert_eq!(whole["token_type"], "Bearer", "OA-22");
        assert!(whole["expires_in"].is_u64(), "OA-22");
        let text = |member: &str| whole[member].as_str().map(str::to_owned);
        Self {
            access: text("access_token").expect("an access token"),
            refresh: text("refresh_token"),
            id: text("id_token"),
            whole,
        }
    }

    #[track_caller]
    pub(crate) fn refresh(&self) -> &str {
        self.refresh.as_deref().expect("a refresh token")
    }

    #[track_caller]
    pub(crate) fn id(&self) -> &str {
        self.id.as_deref().expect("an ID token")
    }
}

impl World {
    /// The usual world with people in it, and those applications.
    pub(crate) fn peopled<'a>(apps: impl IntoIterator<Item = &'a App>) -> Self {
        let world = Self::usual().with_users(&users());
        world.clients(apps.into_iter().map(App::registration))
    }

    /// With those users.
    pub(crate) fn with_users(self, users: &[Value]) -> Self {
        let path = self.write("users.json", &json!(users).to_string());
        self.flag("--users", &path)
    }

    /// Whether `check` finds nothing wrong, and what it says.
    pub(crate) fn check(&self) -> (bool, String) {
        let output = self.run("check", &["--listen", "unix:check.sock"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        let code = output.status.code();
        assert!(matches!(code, Some(0 | 1)), "{code:?}: {said}");
        (code == Some(0), said)
    }

    /// `check` refuses this and says which member or flag it is about.
    #[track_caller]
    pub(crate) fn is_refused_for(&self, what: &str) {
        let (good, said) = self.check();
        assert!(
            !good && said.contains(what),
            "{what} is not refused: {said}"
        );
    }

    /// Replaces the users of a world that runs.
    pub(crate) fn write_users(&self, users: &[Value]) {
        self.write("users.json.new", &json!(users).to_string());
        std::fs::rename(self.path("users.json.new"), self.path("users.json")).expect("renamed");
    }
}

#[test]
fn what_the_tests_are_about_is_a_good_configuration() {
    let apps = [
        App::tls("tls"),
        App::self_signed("self"),
        App::key("key"),
        App::secret("secret"),
        App::public("public"),
        App::public_bound("bound"),
    ];
    let world = World::peopled(&apps).flag("--client-address-header", "X-Real-IP");
    let (good, said) = world.check();
    assert!(good, "{said}");
}
