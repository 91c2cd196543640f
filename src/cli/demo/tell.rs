//! Tells the story: each request as a command, its answer, and whether that is what it must be (`judge`).

use std::io::{self, Write};

use serde_json::Value as Json;

use super::ask::Ask;
use super::client::{Client, Reply};
use super::files::LOG;
use super::judge::{claims, judge};
use super::story::{Must, STORY, Step};

/// How wide the text is, in characters.
const WIDTH: usize = 92;

/// Sends every request in turn. The numbers of the steps that did not go as they must are the answer;
/// an error only where nothing can be printed any more.
pub(super) async fn tell(client: &Client<'_>, out: &mut dyn Write) -> io::Result<Vec<usize>> {
    let mut failed = Vec::new();
    let mut log = Log::default();
    let mut number = 0;
    for chapter in &STORY {
        paragraph(out, "", chapter.opens)?;
        writeln!(out)?;
        for step in chapter.steps {
            number += 1;
            if !one(step, number, client, &mut log, out).await? {
                failed.push(number);
            }
        }
    }
    Ok(failed)
}

/// Whether that step went as it must.
async fn one(
    step: &Step,
    number: usize,
    client: &Client<'_>,
    log: &mut Log,
    out: &mut dyn Write,
) -> io::Result<bool> {
    paragraph(out, &format!("{number:2}. "), step.says)?;
    writeln!(out)?;
    command(out, &step.ask, client)?;
    writeln!(out)?;
    let outcome = match client.send(&step.ask).await {
        Ok(reply) => {
            answer(out, &reply)?;
            let cause = log.cause(client);
            if let (Must::Refuse(..) | Must::Stop, Some(cause)) = (step.must, cause) {
                paragraph(out, "    log  ", &cause)?;
            }
            judge(step.must, &reply, client).and_then(|judged| {
                let kept = keep(&step.ask, &reply, client)?;
                Ok(format!("{judged}{kept}"))
            })
        }
        Err(problem) => Err(problem),
    };
    match &outcome {
        Ok(text) => paragraph(out, "    ✓ ", text)?,
        Err(text) => paragraph(out, "    ✗ ", text)?,
    }
    writeln!(out)?;
    Ok(outcome.is_ok())
}

/// Writes what is kept into its files, and says so.
fn keep(ask: &Ask, reply: &Reply, client: &Client<'_>) -> Result<String, String> {
    let mut files = Vec::new();
    for (kept, file) in ask.keep {
        let text = reply.kept(*kept);
        let text = text.ok_or_else(|| format!("there is nothing to keep in {file}"))?;
        client.folder.write(file, &text)?;
        files.push(*file);
    }
    Ok(if files.is_empty() {
        String::new()
    } else {
        format!("; kept in {}", files.join(" and "))
    })
}

/// Prints a request as a command.
pub(super) fn command(out: &mut dyn Write, ask: &Ask, client: &Client<'_>) -> io::Result<()> {
    for line in ask.curl(&client.base(ask.to)) {
        writeln!(out, "    {line}")?;
    }
    Ok(())
}

/// Prints text in lines that are not too long, the first behind these words and the others below it.
pub(super) fn paragraph(out: &mut dyn Write, first: &str, text: &str) -> io::Result<()> {
    let indent = " ".repeat(first.chars().count());
    let mut line = first.to_owned();
    let mut width = indent.len();
    let mut begun = false;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if begun && width + 1 + length > WIDTH {
            writeln!(out, "{line}")?;
            line.clone_from(&indent);
            width = indent.len();
            begun = false;
        }
        if begun {
            line.push(' ');
            width += 1;
        }
        line.push_str(word);
        width += length;
        begun = true;
    }
    writeln!(out, "{line}")
}

/// Prints the status and the members of the answer that matter here.
fn answer(out: &mut dyn Write, reply: &Reply) -> io::Result<()> {
    writeln!(out, "    {}", reply.status)?;
    for (name, value) in [
        ("X-Auth-Subject", &reply.subject),
        ("WWW-Authenticate", &reply.challenge),
        ("Location", &reply.location),
    ] {
        if let Some(value) = value {
            paragraph(out, &format!("    {name}: "), &shortened(value))?;
        }
    }
    for name in [
        "issuer",
        "token_endpoint",
        "introspection_endpoint",
        "tls_client_certificate_bound_access_tokens",
        "error",
        "error_description",
        "access_token",
        "refresh_token",
        "id_token",
        "active",
        "client_id",
        "sub",
        "name",
        "aud",
        "token_type",
        "expires_in",
        "cnf",
    ] {
        let member = match (name, claims(reply)) {
            ("cnf" | "aud" | "sub", Some(claims)) => claims.get(name).cloned(),
            _ => reply.body.get(name).cloned(),
        };
        let Some(member) = member else { continue };
        let text = match member {
            Json::String(text) => shortened(&text),
            other => other.to_string(),
        };
        paragraph(out, &format!("    {name}: "), &text)?;
    }
    Ok(())
}

/// A token is too long to read, and nobody reads it.
fn shortened(text: &str) -> String {
    if text.contains(' ') || text.chars().count() <= 80 {
        text.to_owned()
    } else {
        let kept: String = text.chars().take(48).collect();
        format!("{kept}… ({} characters)", text.chars().count())
    }
}

/// The log, and how much of it is known already.
#[derive(Default)]
struct Log {
    read: usize,
}

impl Log {
    /// Why the last request was refused, as the log says it and the answer does not.
    fn cause(&mut self, client: &Client<'_>) -> Option<String> {
        let text = client.folder.read(LOG).ok()?;
        let news = text.get(self.read..).unwrap_or_default();
        self.read = text.len();
        news.lines().rev().find_map(|line| {
            let line: Json = serde_json::from_str(line).ok()?;
            line.get("cause")?.as_str().map(str::to_owned)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words() {
        let long = "word ".repeat(40);
        let mut out = Vec::new();
        paragraph(&mut out, " 1. ", &long).expect("a vector takes everything");
        let text = String::from_utf8(out).expect("UTF-8");
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.len() > 1);
        assert!(lines[0].starts_with(" 1. word") && lines[1].starts_with("    word"));
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH));
        assert_eq!(text.split_whitespace().count(), 41);
    }
}
