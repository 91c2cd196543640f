//! A request of the story, told once: as what is sent, and as the `curl` command that sends the same.

use std::fmt::Write as _;

use http::Method;

/// Whom it is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    /// The stand-in for the web server, by TLS.
    Front,
    /// certbound itself, past the web server.
    Certbound,
}

/// What a parameter says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    /// These words, in which nothing needs escaping.
    Text(&'static str),
    /// What is in this file of the folder.
    File(&'static str),
    /// The same, where the command of an earlier step may have written the file anew, with a line's end.
    Line(&'static str),
}

/// A request. Files and identities are named as they are in the folder.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    /// Whom it is sent to.
    pub(super) to: To,
    /// The path.
    pub(super) path: &'static str,
    /// The certificate in the TLS handshake.
    pub(super) certificate: Option<&'static str>,
    /// Whether TLS is to be 1.2.
    pub(super) tls12: bool,
    /// The client that authenticates by `client_secret_basic`; its secret is in `CLIENT.secret`.
    pub(super) basic: Option<&'static str>,
    /// The file with the access token that is shown.
    pub(super) bearer: Option<&'static str>,
    /// A header that nobody but the web server may set, and whose certificate it is to pretend.
    pub(super) forged: Option<(&'static str, &'static str)>,
    /// The form; without one the request is a GET.
    pub(super) form: &'static [(&'static str, Value)],
    /// Whether the form is the query of a GET, as where a browser is sent.
    pub(super) by_query: bool,
    /// What of the answer is kept in which file, for later steps.
    pub(super) keep: &'static [(Kept, &'static str)],
}

/// What of an answer may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// The `code` to which the browser is sent.
    Code,
    /// This member of the JSON.
    Member(&'static str),
}

impl Kept {
    /// What `sed` finds it by, in one line and as its first group.
    fn pattern(self) -> String {
        match self {
            Self::Code => r"^location:.*[?&]code=\([^&]*\).*".to_owned(),
            Self::Member(name) => format!(r#".*"{name}":"\([^"]*\)".*"#),
        }
    }
}

impl Ask {
    /// A GET through the web server, from which the others differ.
    pub(super) const fn front(path: &'static str) -> Self {
        Self {
            to: To::Front,
            path,
            certificate: None,
            tls12: false,
            basic: None,
            bearer: None,
            forged: None,
            form: &[],
            by_query: false,
            keep: &[],
        }
    }

    /// GET or POST.
    pub(super) const fn method(&self) -> Method {
        if self.form.is_empty() || self.by_query {
            Method::GET
        } else {
            Method::POST
        }
    }

    /// The command, to be run in the folder, one line of it an item.
    pub(super) fn curl(&self, base: &str) -> Vec<String> {
        let mut first = String::from("curl -si");
        if self.to == To::Front {
            first.push_str(" --cacert ca.crt");
        }
        if self.tls12 {
            first.push_str(" --tls-max 1.2");
        }
        // Writing to a string cannot fail.
        if let Some(name) = self.certificate {
            let _ = write!(first, " --cert {name}.crt --key {name}.key");
        }
        if self.by_query {
            first.push_str(" -G");
        }
        let mut lines = vec![first, format!("{base}{}", self.path)];
        if let Some(client) = self.basic {
            lines.push(format!("-u \"{client}:$(cat {client}.secret)\""));
        }
        if let Some(file) = self.bearer {
            lines.push(format!("-H \"Authorization: Bearer $(cat {file})\""));
        }
        if let Some((header, name)) = self.forged {
            lines.push(format!("-H \"{header}: $(tr '\\n' ' ' < {name}.crt)\""));
        }
        let form: Vec<String> = self
            .form
            .iter()
            .map(|(name, value)| match value {
                Value::Text(text) if text.contains(' ') => {
                    format!("--data-urlencode \"{name}={text}\"")
                }
                Value::Text(text) => format!("-d {name}={text}"),
                Value::Line(file) => format!("-d \"{name}=$(cat {file})\""),
                Value::File(file) => format!("--data-urlencode {name}@{file}"),
            })
            .collect();
        lines.extend(form.chunks(2).map(|pair| pair.join(" ")));
        lines.extend(self.keeping());
        let last = lines.len() - 1;
        for line in &mut lines[..last] {
            line.push_str(" \\");
        }
        for line in &mut lines[1..] {
            line.insert_str(0, "  ");
        }
        lines
    }

    /// Shows the answer, and writes what is kept of it into its files.
    fn keeping(&self) -> Vec<String> {
        let several = self.keep.len() > 1;
        let line = |(at, (kept, file)): (usize, &(Kept, &str))| {
            // The whole line is shown, and held for the next pattern.
            let (begin, before) = match (at, several) {
                (0, false) => ("| sed -n", "p"),
                (0, true) => ("| sed -n -e", "p;h"),
                (_, _) => ("  -e", "g"),
            };
            let pattern = kept.pattern();
            format!(r"{begin} '{before};s/{pattern}/\1/w {file}'")
        };
        self.keep.iter().enumerate().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        let base = "https://localhost:1";
        assert_eq!(
            Ask::front("/jwks").curl(base),
            ["curl -si --cacert ca.crt \\", "  https://localhost:1/jwks"]
        );
        let ask = Ask {
            certificate: Some("a"),
            tls12: true,
            basic: Some("api"),
            form: &[
                ("x", Value::Text("1")),
                ("token", Value::File("f")),
                ("y", Value::Text("2")),
            ],
            ..Ask::front("/token")
        };
        assert_eq!(
            ask.curl(base),
            [
                "curl -si --cacert ca.crt --tls-max 1.2 --cert a.crt --key a.key \\",
                "  https://localhost:1/token \\",
                "  -u \"api:$(cat api.secret)\" \\",
                "  -d x=1 --data-urlencode token@f \\",
                "  -d y=2",
            ]
        );
        let ask = Ask {
            bearer: Some("t"),
            ..Ask::front("/verify")
        };
        assert_eq!(
            ask.curl(base),
            [
                "curl -si --cacert ca.crt \\",
                "  https://localhost:1/verify \\",
                "  -H \"Authorization: Bearer $(cat t)\"",
            ]
        );
        let ask = Ask {
            form: &[("scope", Value::Text("a b")), ("code", Value::Line("f"))],
            by_query: true,
            keep: &[(Kept::Code, "f")],
            ..Ask::front("/authorize")
        };
        assert_eq!(ask.method(), Method::GET);
        assert_eq!(
            ask.curl(base),
            [
                "curl -si --cacert ca.crt -G \\",
                "  https://localhost:1/authorize \\",
                "  --data-urlencode \"scope=a b\" -d \"code=$(cat f)\" \\",
                r"  | sed -n 'p;s/^location:.*[?&]code=\([^&]*\).*/\1/w f'",
            ]
        );
        let ask = Ask {
            keep: &[(Kept::Member("x"), "f"), (Kept::Member("y"), "g")],
            ..Ask::front("/token")
        };
        assert_eq!(
            ask.curl(base)[2..],
            [
                r#"  | sed -n -e 'p;h;s/.*"x":"\([^"]*\)".*/\1/w f' \"#,
                r#"    -e 'g;s/.*"y":"\([^"]*\)".*/\1/w g'"#,
            ]
        );
        let ask = Ask {
            to: To::Certbound,
            forged: Some(("X-ClientCert", "a")),
            ..Ask::front("/token")
        };
        assert_eq!(
            ask.curl("http://127.0.0.1:2"),
            [
                "curl -si \\",
                "  http://127.0.0.1:2/token \\",
                "  -H \"X-ClientCert: $(tr '\\n' ' ' < a.crt)\"",
            ]
        );
    }
}
