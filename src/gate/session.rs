//! Sessions at a gate: a cookie in place of the token that earned it.
//!
//! The cookie holds the token itself, sealed, and nothing is decided from memory of an earlier decision:
//! whoever comes with the cookie is judged as if the token had come, so that expiry, revocation, audience
//! and scope count as ever, and no method lets anybody in that the gate does not take. Beside that the
//! cookie is bound to the server, the gate and the certificate with which it was earned.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::GateName;
use crate::cert::Thumbprint;
use crate::key::KeyError;
use crate::key::envelope::{Envelope, OVERHEAD};
use crate::oauth::secret::{Digest, Secret};
use crate::oauth::time::Timestamp;

/// The longest value of a cookie, in octets; a token that does not fit earns none.
pub const LONGEST_COOKIE: usize = 2_600;

/// The shortest secret, in octets.
pub const SHORTEST_SECRET: usize = 16;

/// What keys for cookies are derived for, and the form of what they seal.
const PURPOSE: &[u8] = b"certbound gate session 1";

/// The name of a gate's cookie.
pub fn cookie_name(gate: &GateName) -> String {
    format!("__Host-certbound-{gate}")
}

/// Makes and reads a gate's cookies.
pub struct Sessions(Envelope);

/// What a cookie stands for.
#[derive(Clone, Debug)]
pub struct Session {
    /// The token that earned it.
    pub token: Secret,
    /// Whose token it is.
    pub issuer: Box<str>,
    /// The certificate that came with it.
    pub certificate: Option<Thumbprint>,
    /// When the token ends, and the cookie with it.
    pub expires: Timestamp,
}

impl Sessions {
    /// Derives the keys from the lines of a `session_secret_file`: the first seals, all open.
    ///
    /// # Errors
    /// There is no secret, or one is shorter than 16 octets.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Result<Self, KeyError> {
        let secrets: Vec<&[u8]> = secrets.into_iter().map(str::as_bytes).collect();
        if secrets.iter().any(|secret| secret.len() < SHORTEST_SECRET) {
            return Err(KeyError::SecretTooShort);
        }
        Envelope::new(secrets, PURPOSE).map(Self)
    }

    /// The value of the cookie; `None` where it would be too long for the headers of an answer, or the
    /// library fails: a session is never more than a convenience.
    pub fn seal(&self, server: &str, gate: &GateName, session: &Session) -> Option<String> {
        let content = session.write()?;
        if base64_length(content.len() + OVERHEAD) > LONGEST_COOKIE {
            return None;
        }
        let sealed = self.0.seal(&bound(server, gate), &content).ok()?;
        Some(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// The session of a cookie that this server made for this gate and that has not ended.
    pub fn open(
        &self,
        server: &str,
        gate: &GateName,
        cookie: &str,
        now: Timestamp,
    ) -> Option<Session> {
        let sealed = URL_SAFE_NO_PAD.decode(cookie).ok()?;
        let content = self.0.open(&bound(server, gate), &sealed)?;
        Session::read(&content).filter(|session| now < session.expires)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions(…)")
    }
}

const fn base64_length(octets: usize) -> usize {
    (octets * 4).div_ceil(3)
}

/// What a cookie is bound to besides its content. Neither an issuer nor a gate's name has a newline.
fn bound(server: &str, gate: &GateName) -> Vec<u8> {
    format!("{server}\n{gate}").into_bytes()
}

impl Session {
    fn write(&self) -> Option<Vec<u8>> {
        let issuer = self.issuer.as_bytes();
        let mut content = Vec::with_capacity(self.token.expose().len() + issuer.len() + 64);
        content.extend_from_slice(&self.expires.unix().to_be_bytes());
        match &self.certificate {
            None => content.push(0),
            Some(thumbprint) => {
                content.push(1);
                content.extend_from_slice(thumbprint.digest().octets());
            }
        }
        content.extend_from_slice(&u16::try_from(issuer.len()).ok()?.to_be_bytes());
        content.extend_from_slice(issuer);
        pack(self.token.expose(), &mut content)?;
        Some(content)
    }

    fn read(content: &[u8]) -> Option<Self> {
        let (expires, rest) = content.split_first_chunk::<8>()?;
        let (bound, rest) = rest.split_first()?;
        let (certificate, rest) = match bound {
            0 => (None, rest),
            1 => {
                let (octets, rest) = rest.split_first_chunk::<32>()?;
                let digest = Digest::from_octets(*octets);
                (Some(Thumbprint::from(digest)), rest)
            }
            _ => return None,
        };
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (issuer, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        Some(Self {
            token: Secret::new(unpack(rest)?),
            issuer: std::str::from_utf8(issuer).ok()?.into(),
            certificate,
            expires: Timestamp::from_unix(u64::from_be_bytes(*expires)),
        })
    }
}

/// A JWT is base64url already, and would grow by a third each time it is encoded again: its parts are
/// decoded where that loses nothing. Anything else stays as it is.
fn pack(token: &str, content: &mut Vec<u8>) -> Option<()> {
    let parts: Option<Vec<Vec<u8>>> = token
        .split('.')
        .map(|part| URL_SAFE_NO_PAD.decode(part).ok())
        .collect();
    match parts {
        Some(parts) if parts.len() == 3 => {
            content.push(1);
            for part in parts {
                content.extend_from_slice(&u16::try_from(part.len()).ok()?.to_be_bytes());
                content.extend_from_slice(&part);
            }
        }
        _ => {
            content.push(0);
            content.extend_from_slice(token.as_bytes());
        }
    }
    Some(())
}

fn unpack(packed: &[u8]) -> Option<String> {
    let (kind, mut rest) = packed.split_first()?;
    if *kind == 0 {
        return String::from_utf8(rest.to_vec()).ok();
    }
    let mut token = String::with_capacity(base64_length(rest.len()) + 2);
    for at in 0..3 {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (part, after) = after.split_at_checked(u16::from_be_bytes(*length).into())?;
        if at > 0 {
            token.push('.');
        }
        URL_SAFE_NO_PAD.encode_string(part, &mut token);
        rest = after;
    }
    rest.is_empty().then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "0123456789abcdef0123456789abcdef";
    const NEW: &str = "fedcba9876543210fedcba9876543210";
    const SERVER: &str = "https://as.example.com";
    const NOW: Timestamp = Timestamp::from_unix(1_000);

    fn session(token: &str, certificate: bool) -> Session {
        Session {
            token: Secret::new(token.to_owned()),
            issuer: "https://other.example".into(),
            certificate: certificate.then(|| Thumbprint::of(b"a certificate")),
            expires: Timestamp::from_unix(1_600),
        }
    }

    fn name(text: &str) -> GateName {
        text.parse().expect("a name")
    }

    #[test]
    fn what_is_sealed_is_opened() {
        let sessions = Sessions::new([OLD]).expect("a secret");
        let jwt = format!("eyJhbGciOiJub25lIn0.{}.AAAA", "A".repeat(800));
        for token in ["opaque", "a.b.c", "a.b", "...", &jwt, "AAAA.AAB.AAAA"] {
            for certificate in [true, false] {
                let session = session(token, certificate);
                let cookie = sessions
                    .seal(SERVER, &name("a"), &session)
                    .expect("it fits");
                let opened = sessions
                    .open(SERVER, &name("a"), &cookie, NOW)
                    .expect("the same");
                assert_eq!(opened.token.expose(), token);
                assert_eq!(opened.issuer, session.issuer);
                assert_eq!(opened.certificate, session.certificate);
                assert_eq!(opened.expires, session.expires);
                // A JWT is not encoded twice.
                assert!(cookie.len() < token.len() + 200, "{}", cookie.len());
            }
        }
    }

    #[test]
    fn worth_nothing_elsewhere() {
        let (old, both, new) = (
            Sessions::new([OLD]).expect("a secret"),
            Sessions::new([NEW, OLD]).expect("secrets"),
            Sessions::new([NEW]).expect("a secret"),
        );
        let cookie = old
            .seal(SERVER, &name("a"), &session("t", true))
            .expect("it fits");
        let opens = |sessions: &Sessions, server: &str, gate: &str, cookie: &str, now: u64| {
            let now = Timestamp::from_unix(now);
            sessions.open(server, &name(gate), cookie, now).is_some()
        };
        assert!(opens(&old, SERVER, "a", &cookie, 1_599));
        assert!(opens(&both, SERVER, "a", &cookie, 1_599));
        assert!(!opens(&new, SERVER, "a", &cookie, 1_599));
        assert!(!opens(&old, SERVER, "a", &cookie, 1_600));
        assert!(!opens(&old, SERVER, "b", &cookie, 1_000));
        assert!(!opens(
            &old,
            "https://as.example.com/x",
            "a",
            &cookie,
            1_000
        ));
        assert!(!opens(&old, SERVER, "a", &cookie[1..], 1_000));
        assert!(!opens(&old, SERVER, "a", &format!("{cookie}A"), 1_000));
        for garbage in ["", "A", "====", "ä", "a b"] {
            assert!(!opens(&old, SERVER, "a", garbage, 1_000), "{garbage}");
        }
    }

    #[test]
    fn what_does_not_fit_earns_nothing() {
        let sessions = Sessions::new([OLD]).expect("a secret");
        let seal = |octets: usize| {
            let session = session(&"~".repeat(octets), true);
            sessions.seal(SERVER, &name("a"), &session)
        };
        assert!(seal(1_800).is_some_and(|cookie| cookie.len() <= LONGEST_COOKIE));
        assert!(seal(2_600).is_none());
        assert!(seal(70_000).is_none());
        assert!(Sessions::new(["short"]).is_err() && Sessions::new([]).is_err());
    }
}
