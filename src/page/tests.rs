//! Every page, in every language, with friendly and with hostile text in it.

use serde_json::json;

use super::samples::Samples;
use super::*;

fn shown(language: Language) -> Shown<'static> {
    Shown {
        language,
        base: "/oauth2",
        request: "7f3a",
    }
}

/// The tags of a document as they are written, without what is between them.
fn tags(html: &str) -> Vec<&str> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        let end = start + rest[start..].find('>').expect("a tag ends") + 1;
        tags.push(&rest[start..end]);
        rest = &rest[end..];
    }
    tags
}

/// The values of an attribute, as they are written.
fn attributes<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!(" {name}=\"");
    tags(html)
        .into_iter()
        .filter_map(|tag| {
            let from = tag.find(&start)? + start.len();
            Some(&tag[from..from + tag[from..].find('"')?])
        })
        .collect()
}

/// What holds for every page there is.
fn is_sound(html: &str, what: &str) {
    let tags = tags(html);
    let count = |start: &str| {
        let with_space = format!("{start} ");
        let with_end = format!("{start}>");
        tags.iter()
            .filter(|tag| tag.starts_with(&with_space) || tag.starts_with(&with_end))
            .count()
    };
    assert!(html.starts_with("<!doctype html>\n<html lang=\""), "{what}");
    for once in ["<h1", "<title", "<main", "<html", "<body"] {
        assert_eq!(count(once), 1, "{what}: {once}: {html}");
    }
    for meta in [
        r#"<meta name="viewport" content="width=device-width, initial-scale=1">"#,
        r#"<meta name="referrer" content="no-referrer">"#,
        r#"<meta name="robots" content="noindex">"#,
    ] {
        assert!(tags.contains(&meta), "{what}: {meta}");
    }
    for tag in &tags {
        let name: String = tag
            .trim_start_matches(['<', '/'])
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        assert!(
            !["style", "img", "iframe", "object", "base"].contains(&name.as_str()),
            "{what}: {tag}"
        );
        // Every second piece is the value of an attribute.
        let names: String = tag.split('"').step_by(2).collect();
        for attribute in names.split([' ', '\n']) {
            assert!(!attribute.starts_with("style="), "{what}: {tag}");
            assert!(!attribute.starts_with("on"), "{what}: {tag}");
        }
        if name == "script" && !tag.starts_with("</") {
            assert!(tag.contains("submit.js?v="), "{what}: {tag}");
        }
    }
    let ids = attributes(html, "id");
    for (at, id) in ids.iter().enumerate() {
        assert!(!ids[..at].contains(id), "{what}: id {id} twice");
    }
    for reference in ["for", "aria-describedby"] {
        for value in attributes(html, reference) {
            for id in value.split(' ') {
                assert!(ids.contains(&id), "{what}: {reference} names {id}");
            }
        }
    }
    for input in tags.iter().filter(|tag| tag.starts_with("<input")) {
        if !input.contains("type=\"hidden\"") {
            let id = attributes(input, "id");
            let labels = attributes(html, "for");
            assert!(labels.contains(&id[0]), "{what}: {input} has no label");
            assert!(input.contains(" autocomplete=\""), "{what}: {input}");
        }
    }
    for tag in [
        "form", "p", "ul", "dl", "div", "h2", "code", "bdi", "button", "li",
    ] {
        let opened = count(&format!("<{tag}"));
        let closed = count(&format!("</{tag}"));
        assert_eq!(opened, closed, "{what}: {tag}");
    }
}

#[test]
fn every_page_in_every_language() {
    let pages = Pages::default();
    let samples = Samples::new();
    for language in Language::ALL {
        let mut kinds = Vec::new();
        for sample in samples.pages() {
            let rendered = pages.render(&sample.page, &shown(*language));
            let what = format!("{} {}", sample.name, language.tag());
            assert_eq!(rendered.fault, None, "{what}");
            is_sound(&rendered.html, &what);
            let lang = format!("<html lang=\"{}\">", language.tag());
            assert!(rendered.html.contains(&lang), "{what}");
            assert!(!rendered.html.contains("{{"), "{what}");
            let forms = rendered.html.matches("<form").count();
            let posts = rendered.html.matches("method=\"post\"").count();
            assert_eq!(forms, posts, "{what}");
            kinds.push(view::name(&sample.page));
        }
        for (file, _) in &templates::TEMPLATES[1..] {
            assert!(
                kinds.iter().any(|kind| *file == format!("{kind}.html")),
                "{file} has no sample"
            );
        }
    }
}

#[test]
fn what_the_forms_send() {
    let pages = Pages::default();
    for sample in Samples::new().pages() {
        let html = pages.render(&sample.page, &shown(Language::English)).html;
        let forms = html.matches("<form").count();
        let interactions = html.matches("name=\"interaction\"").count();
        let steps: Vec<&str> = html
            .split("name=\"step\" value=\"")
            .skip(1)
            .map(|rest| &rest[..rest.find('"').expect("the value ends")])
            .collect();
        let wanted: &[&str] = match sample.name {
            "login" | "login-wrong" | "login-wait" => &["password", "cancel"],
            "login-certificate" => &["certificate", "password", "cancel"],
            "login-session" => &["session", "certificate", "password", "cancel"],
            "login-not-mapped" | "login-no-way" => &["cancel"],
            "login-step-up" => &["header", "password", "cancel"],
            "second-factor" | "second-factor-wrong" => &["totp", "cancel"],
            "consent" | "consent-nothing" => &["allow", "deny"],
            "confirm-logout" | "confirm-logout-unasked" => &["logout", "stay"],
            "form-post" => {
                assert_eq!((forms, interactions), (1, 0));
                continue;
            }
            _ => {
                assert_eq!(forms, 0, "{}", sample.name);
                continue;
            }
        };
        assert_eq!(steps, wanted, "{}", sample.name);
        assert_eq!(forms, interactions, "{}", sample.name);
    }
}

/// Text that tries to become markup, in element and in attribute context, and to turn lines around.
const HOSTILE: &str =
    "\"'><script>alert(1)</script><b onclick='x'>&amp;{{ 7 * 7 }}\u{202e}]]>--><svg/onload=x>";

/// Every page with hostile text wherever a text can be.
#[expect(clippy::too_many_lines, reason = "a line for each text of each page")]
fn hostile(pages: &Pages, language: Language) -> Vec<(String, String)> {
    let evil = HOSTILE;
    let form = Form {
        action: evil,
        interaction: evil,
    };
    let some = Some(evil);
    let names = [evil, "openid", evil];
    let client = ClientShown {
        id: evil,
        name: some,
        uri: some,
        logo: some,
        policy: some,
        tos: some,
    };
    let web = "https://x.example/\"><script>alert(1)</script>'";
    let linked = ClientShown {
        uri: Some(web),
        logo: Some(web),
        policy: Some(web),
        tos: Some(web),
        ..client
    };
    let running = ClientShown {
        name: None,
        uri: Some("javascript:alert(1)"),
        logo: Some("javascript:alert(1)"),
        policy: Some("JAVASCRIPT:alert(1)"),
        tos: Some("data:text/html,<script>alert(1)</script>"),
        ..client
    };
    let seen = json!({
        "trusted_proxy": evil, "encoding": evil, "verify_header": evil, "verified": true, "why": evil,
        "certificate": {
            "subject": evil, "subject_alt_names": [evil, evil], "not_before": evil, "not_after": { "error": evil },
            "valid_now": { evil: evil }, "x5t#S256": [evil], "intermediates_forwarded": evil,
        },
        "satisfies": [evil, { evil: [evil] }],
        evil: evil,
    });
    let fields = [(evil.to_owned(), evil.to_owned())];
    let mut all = vec![
        Page::Error {
            problem: Problem::BadRequest,
            description: evil,
        },
        Page::FormPost {
            action: evil,
            fields: &fields,
        },
        Page::FormPost {
            action: web,
            fields: &fields,
        },
        Page::FormPost {
            action: "javascript:alert(1)",
            fields: &fields,
        },
        Page::WhoAmI { seen: &seen },
    ];
    for client in [client, linked, running] {
        all.extend([
            Page::Login {
                form,
                client,
                username: some,
                password: true,
                certificate: some,
                header: some,
                session: some,
                problem: Some(LoginProblem::WrongPassword),
                step_up: false,
            },
            Page::Login {
                form,
                client,
                username: some,
                password: false,
                certificate: None,
                header: None,
                session: None,
                problem: None,
                step_up: true,
            },
            Page::SecondFactor {
                form,
                client,
                username: evil,
                problem: Some(LoginProblem::WrongCode),
            },
            Page::Consent {
                form,
                client,
                username: evil,
                scopes: &names,
                resources: &names[..1],
                claims: &names,
            },
            Page::ConfirmLogout {
                form,
                client: Some(client),
                username: some,
                return_refused: true,
            },
            Page::LoggedOut {
                client: Some(client),
                stayed: false,
            },
        ]);
    }
    let shown = Shown {
        language,
        base: "/oauth2",
        request: evil,
    };
    all.iter()
        .enumerate()
        .map(|(at, page)| {
            let rendered = pages.render(page, &shown);
            assert_eq!(rendered.fault, None);
            let what = format!("{at} {} {}", view::name(page), language.tag());
            (what, rendered.html)
        })
        .collect()
}

#[test]
fn hostile_text_stays_text() {
    let pages = Pages::default();
    for language in Language::ALL {
        for (what, html) in hostile(&pages, *language) {
            is_sound(&html, &what);
            let form_post = what.contains("form_post");
            let scripts = html.matches("<script").count();
            assert_eq!(scripts, usize::from(form_post), "{what}");
            for markup in ["<b ", "<svg", "]]>", "-->", "javascript:", "data:text"] {
                assert!(
                    !html.to_ascii_lowercase().contains(markup),
                    "{what}: {markup}: {html}"
                );
            }
            if !form_post && !what.contains("whoami") {
                // What must come back unchanged is the only text that is not made harmless first.
                let shown: String = html
                    .lines()
                    .filter(|line| !line.contains("interaction") && !line.contains("<form"))
                    .collect();
                assert!(!shown.contains('\u{202e}'), "{what}");
            }
            assert!(
                html.contains("{{ 7 * 7 }}") || what.contains("logged"),
                "{what}"
            );
            // Quotes would end an attribute: every tag has an even number of them.
            for tag in tags(&html) {
                assert_eq!(tag.matches('"').count() % 2, 0, "{what}: {tag}");
                assert!(!tag.contains('\''), "{what}: {tag}");
            }
        }
    }
}

#[test]
fn hidden_fields_come_back_as_they_were() {
    let html = Pages::default()
        .render(
            &Page::FormPost {
                action: "https://client.example.com/cb?a=1&b=2",
                fields: &[("state".into(), "a\"b'c<d>&amp;\u{202e}\n e".into())],
            },
            &shown(Language::English),
        )
        .html;
    let unescaped = |text: &str| {
        text.replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#34;", "\"")
            .replace("&#x27;", "'")
            .replace("&#39;", "'")
            .replace("&#x2f;", "/")
            .replace("&amp;", "&")
    };
    let values = attributes(&html, "value");
    assert_eq!(unescaped(values[0]), "a\"b'c<d>&amp;\u{202e}\n e", "{html}");
    let actions = attributes(&html, "action");
    assert_eq!(
        unescaped(actions[0]),
        "https://client.example.com/cb?a=1&b=2"
    );
}

#[test]
fn names_are_cut_and_clients_without_one_are_shown_by_id() {
    let pages = Pages::default();
    let long = "very-long-".repeat(1000);
    let client = |name| ClientShown {
        id: "the-id",
        name,
        uri: None,
        logo: None,
        policy: None,
        tos: None,
    };
    let login = |client| {
        let page = Page::SecondFactor {
            form: Form {
                action: "/authorize",
                interaction: "x",
            },
            client,
            username: &long,
            problem: None,
        };
        pages.render(&page, &shown(Language::English)).html
    };
    assert!(login(client(Some(&long))).len() < 4000);
    for nameless in [None, Some(""), Some("\u{200b}\u{202e}")] {
        assert!(login(client(nameless)).contains("<bdi>the-id</bdi>"));
    }
    assert!(!login(client(Some("Name"))).contains("the-id"));
}

fn file(name: &str, text: &str) -> (String, String) {
    (name.to_owned(), text.to_owned())
}

#[test]
fn an_operators_templates_are_taken() {
    let brand = [
        file(
            "layout.html",
            r#"{% extends "built-in/layout.html" %}{% block header %}<header>Example Ltd</header>{% endblock %}"#,
        ),
        file("brand.css", ":root { --accent: #063; }"),
    ];
    let pages = Pages::new(&brand).expect("good templates");
    for sample in Samples::new().pages() {
        let rendered = pages.render(&sample.page, &shown(Language::German));
        assert_eq!(rendered.fault, None);
        is_sound(&rendered.html, sample.name);
        assert!(rendered.html.contains("<header>Example Ltd</header>"));
    }
    let plain = Pages::default();
    assert!(pages.stylesheet().starts_with(plain.stylesheet()));
    assert!(pages.stylesheet().ends_with("--accent: #063; }"));
    assert_ne!(pages.version(), plain.version());
    let replaced = Pages::new(&[file("style.css", "h1 { color: red }")]).expect("a stylesheet");
    assert_eq!(replaced.stylesheet(), "h1 { color: red }");
}

#[test]
fn an_operators_faults_are_told_apart() {
    for (name, text, told) in [
        (
            "logn.html",
            "",
            "there is no page \"logn.html\"; call it \"login.html\", or take it out of the folder",
        ),
        (
            "login.html",
            "<p>\n{% if %}",
            "login.html line 2: syntax error: ",
        ),
        (
            "login.html",
            "<p>\n\n{{ client.nam }}",
            "login.html line 3: undefined value",
        ),
        (
            "error.html",
            "{{ descriptoin }}",
            "use a variable that PAGES.md names",
        ),
        (
            "error.html",
            "{% extends \"base.html\" %}",
            "name one of layout.html, ",
        ),
        (
            "error.html",
            "{{ title|shout }}",
            "error.html line 1: unknown filter",
        ),
        (
            "error.html",
            "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
            "take out the loop that does not end",
        ),
        (
            "layout.html",
            "\n{{ nothing }}",
            "layout.html line 2: undefined value",
        ),
        (
            "login.html",
            "<form><input name=\"step\"></form>",
            "write <input type=\"hidden\" name=\"interaction\"",
        ),
        (
            "consent.html",
            "<form>{{ form.interaction }}</form>",
            "with the name step",
        ),
        (
            "form_post.html",
            "<form></form>",
            "write a hidden field for each of fields",
        ),
        (
            "error.html",
            "{{ t.request|with(request, nothing) }}",
            "error.html line 1: too many arguments",
        ),
        (
            "error.html",
            "{{ t.request|with(nothing) }}",
            "error.html line 1: undefined value",
        ),
    ] {
        let error = Pages::new(&[file(name, text)]).expect_err(text).to_string();
        assert!(error.contains(told), "{text}: {error}");
        assert!(error.contains("; "), "{error}");
    }
    let twice = [file("error.html", "a"), file("error.html", "b")];
    assert!(Pages::new(&twice).is_err());
    let large = [file("style.css", &" ".repeat(300_000))];
    assert!(Pages::new(&large).is_err());
}

#[test]
fn a_template_that_breaks_later_gives_the_built_in_page() {
    // It is good for every sample and bad for one text.
    let text = r#"{% if description == "boom" %}{{ nothing }}{% endif %}<h1>Mine</h1>"#;
    let pages = Pages::new(&[file("error.html", text)]).expect("a good template");
    let error = |description| Page::Error {
        problem: Problem::Failed,
        description,
    };
    let rendered = pages.render(&error("fine"), &shown(Language::English));
    assert_eq!(
        (rendered.html.as_str(), rendered.fault),
        ("<h1>Mine</h1>", None)
    );
    let rendered = pages.render(&error("boom"), &shown(Language::English));
    is_sound(&rendered.html, "the built-in page");
    let fault = rendered.fault.expect("what was wrong with the other");
    assert_eq!((fault.file(), fault.line()), ("error.html", Some(1)));
}

#[test]
fn small_files() {
    let pages = Pages::default();
    assert!(pages.stylesheet().len() < 8 * 1024);
    assert!(!pages.stylesheet().contains("url("));
    assert!(!pages.stylesheet().contains("@import"));
    assert!(Pages::SCRIPT.len() < 512);
}

#[test]
fn the_manual_names_every_file_and_every_variable() {
    let manual = include_str!("../../PAGES.md");
    for file in templates::known() {
        assert!(manual.contains(&format!("| `{file}` | ")), "{file}");
    }
    let samples = Samples::new();
    for sample in samples.pages() {
        let view = view::View::of(&sample.page, &shown(Language::English), "0");
        let view = serde_json::to_value(view).expect("variables can be written as JSON");
        for (name, value) in view.as_object().expect("variables have names") {
            assert!(manual.contains(&format!("`{name}`")), "{name}");
            if ["client", "form", "problem"].contains(&name.as_str()) {
                for member in value
                    .as_object()
                    .into_iter()
                    .flat_map(|object| object.keys())
                {
                    assert!(
                        manual.contains(&format!("`{name}.{member}`")),
                        "{name}.{member}"
                    );
                }
            }
        }
    }
    // The examples are what they say.
    let block = |language: &str| {
        let start = manual.find(&format!("```{language}\n")).expect("a block") + language.len() + 4;
        manual[start..].split("```").next().expect("its text")
    };
    let example = [
        file("brand.css", block("css")),
        file("layout.html", block("html")),
    ];
    assert!(Pages::new(&example).is_ok());
}
