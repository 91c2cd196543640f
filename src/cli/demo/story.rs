//! The story: every request, and what must come of it, with the chapter about clients that act for
//! themselves.

use super::ask::{Ask, To, Value};
use super::people::PEOPLE;
use Value::{File, Text};

/// Where the app of the story takes its users back.
pub(super) const CALLBACK: &str = "https://app.example.com/callback";

/// Steps that belong together.
pub(super) struct Chapter {
    /// What it is about.
    pub(super) opens: &'static str,
    /// From its first request to its last.
    pub(super) steps: &'static [Step],
}

/// From the first chapter to the last.
pub(super) const STORY: [Chapter; 2] = [
    Chapter {
        opens: "Clients that act for themselves.",
        steps: CLIENTS,
    },
    Chapter {
        opens: "Clients that act for people: alice signs in by the certificate in her browser, and an app learns who she is.",
        steps: PEOPLE,
    },
];

/// How many steps there are.
pub(super) fn length() -> usize {
    STORY.iter().map(|chapter| chapter.steps.len()).sum()
}

/// One request and its outcome.
pub(super) struct Step {
    /// What happens, for the reader.
    pub(super) says: &'static str,
    /// The request.
    pub(super) ask: Ask,
    /// What must come of it.
    pub(super) must: Must,
}

/// What must come of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Must {
    /// 200 with the metadata of this very issuer.
    Describe,
    /// 200 with a token, kept in that file. A JWT says that it is bound to that certificate; an opaque
    /// one says nothing.
    Issue {
        /// The file.
        keep: &'static str,
        /// The certificate's name.
        bound_to: Option<&'static str>,
    },
    /// 200, active, and bound to that certificate.
    BeActive(&'static str),
    /// 200, and not active.
    BeInactive,
    /// 200 without a word.
    Obey,
    /// 303 to the app's callback, with a code and with the name of this very issuer (RFC 9207).
    SendBack,
    /// 200 with an access token for that user, bound to that certificate, and with these tokens beside it.
    Grant {
        /// The user.
        user: &'static str,
        /// The certificate's name.
        bound_to: &'static str,
        /// The names of the others; an ID token is about the same user.
        with: &'static [&'static str],
    },
    /// 200, and this is the user.
    Name(&'static str),
    /// 200, and the user is signed out.
    SignOut,
    /// A gate lets that one through.
    Pass(&'static str),
    /// A gate lets nobody through: 401 `invalid_token`.
    Stop,
    /// This status and error.
    Refuse(u16, &'static str),
}

const TOKEN_A: &[(&str, Value)] = &[
    ("grant_type", Text("client_credentials")),
    ("client_id", Text("client-a")),
];
const TOKEN_B: &[(&str, Value)] = &[
    ("grant_type", Text("client_credentials")),
    ("client_id", Text("client-b")),
];
const OPAQUE: &[(&str, Value)] = &[("token", File("token-b.txt"))];

/// A request of client-a with that certificate.
const fn as_a(certificate: Option<&'static str>) -> Ask {
    Ask {
        certificate,
        form: TOKEN_A,
        ..Ask::front("/token")
    }
}

/// client-a's token, asked for with a forged header in place of a certificate.
const fn forging(to: To, header: &'static str) -> Ask {
    Ask {
        to,
        forged: Some((header, "client-a")),
        ..as_a(None)
    }
}

/// The resource server asks about a token.
const fn introspecting(form: &'static [(&'static str, Value)]) -> Ask {
    Ask {
        basic: Some("api"),
        form,
        ..Ask::front("/introspect")
    }
}

/// client-a's token, shown at the gate with that certificate.
const fn at_the_gate(certificate: Option<&'static str>) -> Ask {
    Ask {
        certificate,
        bearer: Some("token-a.txt"),
        ..Ask::front("/verify")
    }
}

pub(super) const INVALID_CLIENT: Must = Must::Refuse(401, "invalid_client");
const INVALID_REQUEST: Must = Must::Refuse(400, "invalid_request");

/// From the first request to the last.
const CLIENTS: &[Step] = &[
    Step {
        says: "What the server can do, as clients discover it (RFC 8414).",
        ask: Ask::front("/.well-known/oauth-authorization-server"),
        must: Must::Describe,
    },
    Step {
        says: "client-a is registered by the subject of its certificate (tls_client_auth). It proves that it holds the certificate by TLS alone, and gets a token that is bound to it.",
        ask: as_a(Some("client-a")),
        must: Must::Issue {
            keep: "token-a.txt",
            bound_to: Some("client-a"),
        },
    },
    Step {
        says: "A resource server asks what that token is. It learns to whom it is bound, and compares that with the certificate of whoever brought it.",
        ask: introspecting(&[("token", File("token-a.txt"))]),
        must: Must::BeActive("client-a"),
    },
    Step {
        says: "Or it leaves that to the gate, which a web server asks before it serves anything. client-a's token, with client-a's certificate.",
        ask: at_the_gate(Some("client-a")),
        must: Must::Pass("client-a"),
    },
    Step {
        says: "A thief has that token, and a good certificate of their own.",
        ask: at_the_gate(Some("client-b")),
        must: Must::Stop,
    },
    Step {
        says: "Without a certificate it is worth as little.",
        ask: at_the_gate(None),
        must: Must::Stop,
    },
    Step {
        says: "client-b says that it is client-a. Its certificate is good, and another.",
        ask: as_a(Some("client-b")),
        must: INVALID_CLIENT,
    },
    Step {
        says: "An impostor made a certificate with the subject of client-a, but the CA never signed it.",
        ask: as_a(Some("impostor")),
        must: INVALID_CLIENT,
    },
    Step {
        says: "No certificate at all.",
        ask: as_a(None),
        must: INVALID_CLIENT,
    },
    Step {
        says: "The subject of client-a, signed by the CA, but expired since yesterday.",
        ask: as_a(Some("expired")),
        must: INVALID_CLIENT,
    },
    Step {
        says: "A forged header: client-a's certificate is public, so somebody writes it into the header that only the web server may set. The web server removes it.",
        ask: forging(To::Front, "X-ClientCert"),
        must: INVALID_CLIENT,
    },
    Step {
        says: "The same with an underscore, which many programs take for the same name. The web server removes that as well.",
        ask: forging(To::Front, "X_ClientCert"),
        must: INVALID_CLIENT,
    },
    Step {
        says: "Past the web server, straight at certbound. Who does not know the web server's secret is not believed, and is told so.",
        ask: forging(To::Certbound, "X-ClientCert"),
        must: INVALID_REQUEST,
    },
    Step {
        says: "The same with the underscore.",
        ask: forging(To::Certbound, "X_ClientCert"),
        must: INVALID_REQUEST,
    },
    Step {
        says: "client-self needs no CA: its self-signed certificate itself is registered (self_signed_tls_client_auth). This time over TLS 1.2.",
        ask: Ask {
            certificate: Some("self"),
            tls12: true,
            form: &[
                ("grant_type", Text("client_credentials")),
                ("client_id", Text("client-self")),
            ],
            ..Ask::front("/token")
        },
        must: Must::Issue {
            keep: "token-self.txt",
            bound_to: Some("self"),
        },
    },
    Step {
        says: "client-b is registered for opaque tokens, which say nothing by themselves.",
        ask: Ask {
            certificate: Some("client-b"),
            form: TOKEN_B,
            ..Ask::front("/token")
        },
        must: Must::Issue {
            keep: "token-b.txt",
            bound_to: None,
        },
    },
    Step {
        says: "Introspection says what it is, and that it is bound.",
        ask: introspecting(OPAQUE),
        must: Must::BeActive("client-b"),
    },
    Step {
        says: "client-b gives it up (RFC 7009).",
        ask: Ask {
            certificate: Some("client-b"),
            form: &[
                ("client_id", Text("client-b")),
                ("token", File("token-b.txt")),
            ],
            ..Ask::front("/revoke")
        },
        must: Must::Obey,
    },
    Step {
        says: "It is dead at once.",
        ask: introspecting(OPAQUE),
        must: Must::BeInactive,
    },
    Step {
        says: "client-secret authenticates by a secret, and is registered for bound tokens all the same. Without a certificate there is nothing to bind to, and no token.",
        ask: Ask {
            basic: Some("client-secret"),
            form: &[("grant_type", Text("client_credentials"))],
            ..Ask::front("/token")
        },
        must: INVALID_REQUEST,
    },
    Step {
        says: "With a certificate, whichever it likes, its token is bound to that one.",
        ask: Ask {
            certificate: Some("self"),
            basic: Some("client-secret"),
            form: &[("grant_type", Text("client_credentials"))],
            ..Ask::front("/token")
        },
        must: Must::Issue {
            keep: "token-secret.txt",
            bound_to: Some("self"),
        },
    },
    Step {
        says: "client-a asks for a token for somebody it is not registered for (RFC 8707).",
        ask: Ask {
            certificate: Some("client-a"),
            form: &[
                ("grant_type", Text("client_credentials")),
                ("client_id", Text("client-a")),
                ("resource", Text("https://bank.example.com")),
            ],
            ..Ask::front("/token")
        },
        must: Must::Refuse(400, "invalid_target"),
    },
];

/// What a reader may want to try next.
pub(super) const WHOAMI: Ask = Ask {
    certificate: Some("impostor"),
    ..Ask::front("/whoami")
};
