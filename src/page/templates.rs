//! The files that pages are made of: those built in, and those that an operator puts in their place.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Rest, Value};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};

use super::error::PageError;
use crate::oauth::nearest::closest;

/// The built-in templates by file name, the layout first.
pub(super) const TEMPLATES: &[(&str, &str)] = &[
    ("layout.html", include_str!("templates/layout.html")),
    ("login.html", include_str!("templates/login.html")),
    (
        "second_factor.html",
        include_str!("templates/second_factor.html"),
    ),
    ("consent.html", include_str!("templates/consent.html")),
    (
        "confirm_logout.html",
        include_str!("templates/confirm_logout.html"),
    ),
    ("logged_out.html", include_str!("templates/logged_out.html")),
    ("error.html", include_str!("templates/error.html")),
    ("form_post.html", include_str!("templates/form_post.html")),
    ("whoami.html", include_str!("templates/whoami.html")),
];

/// The stylesheet of all pages.
pub(super) const STYLESHEET: (&str, &str) = ("style.css", include_str!("templates/style.css"));

/// A stylesheet that an operator may add: it comes after the other and overrules it.
pub(super) const BRAND: &str = "brand.css";

/// Under which the built-in templates are always there, so that a template can extend the one that it
/// replaces.
const BUILT_IN: &str = "built-in/";

/// How large a file of an operator may be, in octets.
const MOST: usize = 256 * 1024;

/// How many instructions a template may take; the largest built-in page takes a few thousand.
const FUEL: u64 = 500_000;

/// The names of all files that an operator may replace or add.
pub(super) fn known() -> impl Iterator<Item = &'static str> {
    let templates = TEMPLATES.iter().map(|(name, _)| *name);
    templates.chain([STYLESHEET.0, BRAND])
}

/// Whether the file of that name is a template.
pub(super) fn is_template(file: &str) -> bool {
    TEMPLATES.iter().any(|(name, _)| *name == file)
}

/// Refuses files that are none of ours, come twice or are too large.
pub(super) fn checked(overrides: &[(String, String)]) -> Result<(), PageError> {
    for (at, (file, text)) in overrides.iter().enumerate() {
        if !known().any(|name| name == file) {
            return Err(PageError::UnknownFile {
                file: file.clone(),
                nearest: nearest(file),
            });
        }
        if overrides[..at].iter().any(|(other, _)| other == file) {
            return Err(PageError::Twice { file: file.clone() });
        }
        if text.len() > MOST {
            return Err(PageError::TooLarge {
                file: file.clone(),
                most: MOST,
            });
        }
    }
    Ok(())
}

/// An environment with every template, some of them replaced.
pub(super) fn environment(
    overrides: &[(String, String)],
) -> Result<Environment<'static>, PageError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_syntax(syntax());
    environment.set_fuel(Some(FUEL));
    environment.add_filter("with", with);
    for (name, text) in TEMPLATES {
        environment
            .add_template_owned(format!("{BUILT_IN}{name}"), *text)
            .map_err(|error| fault(&error, name))?;
        let replaced = overrides.iter().find(|(file, _)| file == name);
        let text = replaced.map_or_else(|| (*text).to_owned(), |(_, text)| text.clone());
        environment
            .add_template_owned(*name, text)
            .map_err(|error| fault(&error, name))?;
    }
    Ok(environment)
}

/// Jinja's own, where a line with nothing but a tag on it leaves no empty line.
fn syntax() -> SyntaxConfig {
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true);
    syntax.build().unwrap_or_default()
}

/// The filter `with`: the text with each `{}` replaced by the next value, each isolated so that it cannot
/// turn the text around it (`<bdi>`).
#[expect(
    clippy::needless_pass_by_value,
    reason = "the template engine hands arguments over by value"
)]
fn with(text: &str, values: Rest<Value>) -> Result<Value, Error> {
    let mut values = values.iter();
    let mut pieces = text.split("{}");
    let mut html = String::with_capacity(text.len() + 32);
    escape(pieces.next().unwrap_or_default(), &mut html);
    for piece in pieces {
        let value = values.next().ok_or_else(|| {
            Error::new(
                ErrorKind::MissingArgument,
                "with needs a value for each {} of the text",
            )
        })?;
        if value.is_undefined() || value.is_none() {
            return Err(Error::new(
                ErrorKind::UndefinedError,
                "with is given a value that is not there",
            ));
        }
        html.push_str("<bdi>");
        escape(&value.to_string(), &mut html);
        html.push_str("</bdi>");
        escape(piece, &mut html);
    }
    if values.next().is_some() {
        return Err(Error::new(
            ErrorKind::TooManyArguments,
            "with is given more values than there are {} in the text",
        ));
    }
    Ok(Value::from_safe_string(html))
}

fn escape(text: &str, html: &mut String) {
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
}

/// What the engine says, as an error of that file, or of the one in which it really is.
pub(super) fn fault(error: &Error, file: &str) -> PageError {
    // The innermost error is where it happened; those around it only say who included whom.
    let mut innermost = error;
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        if let Some(inner) = source.downcast_ref::<Error>() {
            innermost = inner;
        }
        next = source.source();
    }
    let problem = innermost.detail().map_or_else(
        || innermost.kind().to_string(),
        |detail| format!("{}: {detail}", innermost.kind()),
    );
    PageError::Template {
        file: innermost.name().unwrap_or(file).to_owned(),
        line: innermost.line(),
        problem,
        remedy: remedy(innermost.kind()),
    }
}

fn remedy(kind: ErrorKind) -> String {
    let remedy = match kind {
        ErrorKind::SyntaxError => "write {{ variable }}, {% if … %} … {% endif %} and the like",
        ErrorKind::UndefinedError => {
            "use a variable that PAGES.md names, and ask by {% if … %} whether it is there first"
        }
        ErrorKind::TemplateNotFound => {
            let names: Vec<&str> = TEMPLATES.iter().map(|(name, _)| *name).collect();
            return format!(
                "name one of {}, or {BUILT_IN} and one of them",
                names.join(", ")
            );
        }
        ErrorKind::UnknownFilter => "use a filter of minijinja, or with",
        ErrorKind::UnknownFunction | ErrorKind::UnknownTest | ErrorKind::UnknownMethod => {
            "use what minijinja has built in"
        }
        ErrorKind::OutOfFuel => "take out the loop that does not end",
        _ => "mend the template; PAGES.md says what it may use",
    };
    remedy.to_owned()
}

/// The known name that it most likely meant.
fn nearest(file: &str) -> &'static str {
    closest(&file.to_ascii_lowercase(), known()).unwrap_or(STYLESHEET.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name() {
        for (file, name) in [
            ("logn.html", "login.html"),
            ("Login.HTML", "login.html"),
            ("login.htm", "login.html"),
            ("styles.css", "style.css"),
            ("brnad.css", "brand.css"),
            ("logout.html", "layout.html"),
            ("loggedout.html", "logged_out.html"),
        ] {
            assert_eq!(nearest(file), name, "{file}");
        }
    }

    #[test]
    fn values_are_isolated_and_escaped() {
        let filled = |text, values: &[&str]| {
            let values = values.iter().copied().map(Value::from).collect();
            with(text, Rest(values)).map(|value| value.to_string())
        };
        assert_eq!(
            filled("a & {} or {}?", &["<b>\"'", "{}"]).ok().as_deref(),
            Some("a &amp; <bdi>&lt;b&gt;&quot;&#39;</bdi> or <bdi>{}</bdi>?")
        );
        assert!(filled("a {}", &[]).is_err());
    }
}
