//! From a page to HTML: by the operator's templates, else by the built-in ones.

use minijinja::Environment;
use minijinja::value::Serde;
use sha2::{Digest as _, Sha256};

use super::error::PageError;
use super::samples::Samples;
use super::view::{self, View};
use super::{Language, Page, Shown, templates};

/// All pages, ready to be rendered.
#[derive(Debug)]
pub struct Pages {
    /// With the operator's templates, where there are any.
    own: Option<Environment<'static>>,
    built_in: Environment<'static>,
    stylesheet: String,
    version: String,
}

/// A page as HTML. There is always one.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The whole document.
    pub html: String,
    /// Why it is not the operator's own page but the built-in one; for the log.
    pub fault: Option<PageError>,
}

impl Pages {
    /// The script that submits the page of `response_mode=form_post`, `{base}/pages/submit.js`.
    pub const SCRIPT: &'static str = include_str!("templates/submit.js");

    /// Pages with some of the built-in files replaced: file name and text. Each template is tried on
    /// sample pages in every language, so that one that cannot be rendered is found here.
    pub fn new(overrides: &[(String, String)]) -> Result<Self, PageError> {
        templates::checked(overrides)?;
        let file = |name: &str| overrides.iter().find(|(file, _)| file == name);
        let mut stylesheet = file(templates::STYLESHEET.0).map_or_else(
            || templates::STYLESHEET.1.to_owned(),
            |(_, text)| text.clone(),
        );
        if let Some((_, text)) = file(templates::BRAND) {
            stylesheet.push('\n');
            stylesheet.push_str(text);
        }
        let built_in = templates::environment(&[])?;
        let own = overrides
            .iter()
            .any(|(file, _)| templates::is_template(file))
            .then(|| templates::environment(overrides))
            .transpose()?;
        let version = version(&stylesheet);
        let pages = Self {
            own,
            built_in,
            stylesheet,
            version,
        };
        pages.try_out()?;
        Ok(pages)
    }

    /// The page as HTML, in UTF-8. Where an operator's template fails after all, the built-in page.
    pub fn render(&self, page: &Page<'_>, shown: &Shown<'_>) -> Rendered {
        let view = View::of(page, shown, &self.version);
        let name = view::name(page);
        let mut fault = None;
        if let Some(own) = &self.own {
            match rendered(own, name, &view) {
                Ok(html) => return Rendered { html, fault },
                Err(error) => fault = Some(error),
            }
        }
        match rendered(&self.built_in, name, &view) {
            Ok(html) => Rendered { html, fault },
            // Every built-in page is rendered in the tests; this is for what nobody thought of.
            Err(error) => Rendered {
                html: LAST_RESORT.to_owned(),
                fault: fault.or(Some(error)),
            },
        }
    }

    /// The stylesheet, `{base}/pages/style.css`.
    pub fn stylesheet(&self) -> &str {
        &self.stylesheet
    }

    /// What the addresses of stylesheet and script end with (`?v=…`): another for other content, so that
    /// what was asked for with it may be kept for ever.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Renders samples by the operator's templates.
    fn try_out(&self) -> Result<(), PageError> {
        let Some(own) = &self.own else {
            return Ok(());
        };
        let samples = Samples::new();
        for language in Language::ALL {
            for sample in samples.pages() {
                let shown = Shown {
                    language: *language,
                    base: "/oauth2",
                    request: "sample",
                };
                let view = View::of(&sample.page, &shown, &self.version);
                let name = view::name(&sample.page);
                let html = rendered(own, name, &view)?;
                complete(name, &sample.page, &html)?;
            }
        }
        Ok(())
    }
}

impl Default for Pages {
    /// The built-in pages.
    fn default() -> Self {
        Self::new(&[]).expect("the built-in templates are templates, as the tests show")
    }
}

fn rendered(
    environment: &Environment<'static>,
    name: &str,
    view: &View<'_>,
) -> Result<String, PageError> {
    let file = format!("{name}.html");
    environment
        .get_template(&file)
        .and_then(|template| template.render(Serde(view)))
        .map_err(|error| templates::fault(&error, &file))
}

/// Refuses a page on which nobody could go on: what must come back with its form is not there.
fn complete(name: &str, page: &Page<'_>, html: &str) -> Result<(), PageError> {
    let lacks = |what: &str, remedy: &str| PageError::Template {
        file: format!("{name}.html"),
        line: None,
        problem: format!("the page lacks {what}"),
        remedy: remedy.to_owned(),
    };
    match page {
        Page::Login { form, .. }
        | Page::SecondFactor { form, .. }
        | Page::Consent { form, .. }
        | Page::ConfirmLogout { form, .. } => {
            for (what, remedy) in [
                (
                    form.interaction,
                    r#"write <input type="hidden" name="interaction" value="{{ form.interaction }}"> into each form"#,
                ),
                (
                    r#"name="step""#,
                    "give each form a button or a hidden field with the name step, as PAGES.md says",
                ),
            ] {
                if !html.contains(what) {
                    return Err(lacks("what its form must send back", remedy));
                }
            }
        }
        Page::FormPost { fields, .. } => {
            let all = fields.iter().all(|(name, value)| {
                html.contains(&format!("\"{name}\"")) && html.contains(value.as_str())
            });
            if !all {
                return Err(lacks(
                    "a field of the answer",
                    "write a hidden field for each of fields",
                ));
            }
        }
        Page::LoggedOut { .. } | Page::Error { .. } | Page::WhoAmI { .. } => {}
    }
    Ok(())
}

/// The first of the hash of what it stands for.
fn version(stylesheet: &str) -> String {
    let digest = Sha256::new()
        .chain_update(stylesheet)
        .chain_update(Pages::SCRIPT)
        .finalize();
    digest[..6]
        .iter()
        .fold(String::new(), |text, octet| text + &format!("{octet:02x}"))
}

/// For the case that cannot be.
const LAST_RESORT: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Error</title>\n<h1>Something went wrong here</h1>\n<p>It is not your fault. Try again later.</p>\n</html>\n";
