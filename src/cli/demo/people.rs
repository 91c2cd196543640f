//! The chapter about people: the authorization code with PKCE (RFC 6749 section 4.1, RFC 7636), all that it
//! gives bound to the app's certificate (RFC 8705), until alice is signed out.

use super::ask::{Ask, Kept, Value};
use super::story::{CALLBACK, INVALID_CLIENT, Must, Step};
use Value::{Line, Text};

/// The example of RFC 7636 appendix B. A real client makes a new one for each sign-in.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// The SHA-256 of the verifier.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

const CODE: &str = "code.txt";
const ACCESS: &str = "token-web.txt";
const REFRESH: &str = "refresh-web.txt";

const REDEMPTION: &[(&str, Value)] = &[
    ("grant_type", Text("authorization_code")),
    ("client_id", Text("client-web")),
    ("redirect_uri", Text(CALLBACK)),
    ("code", Line(CODE)),
    ("code_verifier", Text(VERIFIER)),
];

/// alice's browser is sent to certbound by the app.
const SIGN_IN: Ask = Ask {
    certificate: Some("alice"),
    form: &[
        ("response_type", Text("code")),
        ("client_id", Text("client-web")),
        ("redirect_uri", Text(CALLBACK)),
        ("scope", Text("openid profile")),
        ("state", Text("back-to-the-start")),
        ("code_challenge_method", Text("S256")),
        ("code_challenge", Text(CHALLENGE)),
    ],
    by_query: true,
    keep: &[(Kept::Code, CODE)],
    ..Ask::front("/authorize")
};

/// Somebody brings the code, with that certificate and the verifier.
const fn redeeming(certificate: &'static str) -> Ask {
    Ask {
        certificate: Some(certificate),
        form: REDEMPTION,
        ..Ask::front("/token")
    }
}

/// The app redeems the code, and keeps what it gets.
const REDEMPTION_OF_APP: Ask = Ask {
    keep: &[
        (Kept::Member("access_token"), ACCESS),
        (Kept::Member("refresh_token"), REFRESH),
    ],
    ..redeeming("client-web")
};

/// Somebody brings the refresh token, with that certificate.
const fn refreshing(certificate: &'static str) -> Ask {
    Ask {
        certificate: Some(certificate),
        form: &[
            ("grant_type", Text("refresh_token")),
            ("client_id", Text("client-web")),
            ("refresh_token", Line(REFRESH)),
        ],
        ..Ask::front("/token")
    }
}

/// Somebody asks with the access token, and with that certificate, who the user is.
const fn asking_who(certificate: &'static str) -> Ask {
    Ask {
        certificate: Some(certificate),
        bearer: Some(ACCESS),
        ..Ask::front("/userinfo")
    }
}

const GRANT: Must = Must::Grant {
    user: "alice",
    bound_to: "client-web",
    with: &["refresh_token", "id_token"],
};
const INVALID_GRANT: Must = Must::Refuse(400, "invalid_grant");

/// From the first request to the last.
pub(super) const PEOPLE: &[Step] = &[
    Step {
        says: "The app sent alice's browser here. users.json lists the subject of her certificate, so no page asks her for anything: her browser goes back to the app with a code. (The sed at the end keeps the code in a file for the next steps.)",
        ask: SIGN_IN,
        must: Must::SendBack,
    },
    Step {
        says: "Codes pass through browsers, and may leak there. A thief has this one, the verifier as well, and a good certificate of their own.",
        ask: redeeming("client-b"),
        must: INVALID_CLIENT,
    },
    Step {
        says: "So they slip the code to the app itself, to be signed in there as alice. The app did not ask for it from their browser, and has no verifier for it (PKCE, RFC 7636).",
        ask: Ask {
            certificate: Some("client-web"),
            form: REDEMPTION.split_at(REDEMPTION.len() - 1).0,
            ..Ask::front("/token")
        },
        must: INVALID_GRANT,
    },
    Step {
        says: "client-web, the app, redeems it with its own certificate: an access token that is bound to it, a refresh token, and an ID token that says who signed in.",
        ask: REDEMPTION_OF_APP,
        must: GRANT,
    },
    Step {
        says: "With the access token it asks what it may know of her (OpenID Connect Core).",
        ask: asking_who("client-web"),
        must: Must::Name("alice"),
    },
    Step {
        says: "A thief has the access token. It is bound to another certificate than theirs.",
        ask: asking_who("client-b"),
        must: Must::Stop,
    },
    Step {
        says: "A thief has the refresh token.",
        ask: refreshing("client-b"),
        must: INVALID_CLIENT,
    },
    Step {
        says: "The app has its certificate as well: a new access token, for which alice need not be there.",
        ask: Ask {
            keep: &[(Kept::Member("access_token"), ACCESS)],
            ..refreshing("client-web")
        },
        must: Must::Grant {
            user: "alice",
            bound_to: "client-web",
            with: &[],
        },
    },
    Step {
        says: "alice signs out of the app, which ends her session here by the refresh token.",
        ask: Ask {
            certificate: Some("client-web"),
            form: &[
                ("client_id", Text("client-web")),
                ("refresh_token", Line(REFRESH)),
            ],
            ..Ask::front("/logout")
        },
        must: Must::SignOut,
    },
    Step {
        says: "All that the sign-in gave has ended with it, the newest access token as well.",
        ask: asking_who("client-web"),
        must: Must::Stop,
    },
    Step {
        says: "She signs in once more, for another code.",
        ask: SIGN_IN,
        must: Must::SendBack,
    },
    Step {
        says: "The app redeems this code as it did the other.",
        ask: REDEMPTION_OF_APP,
        must: GRANT,
    },
    Step {
        says: "The same code comes a second time: two have it, one of them is a thief, and nobody can say which.",
        ask: redeeming("client-web"),
        must: INVALID_GRANT,
    },
    Step {
        says: "So all that it gave has ended.",
        ask: asking_who("client-web"),
        must: Must::Stop,
    },
];
