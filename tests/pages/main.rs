//! The pages in a real Chromium: each is looked at light and dark, wide and narrow, and measured: nothing
//! sticks out at 320 px, contrasts are those of WCAG 2.2 AA, every control has a name, and nothing breaks
//! the content security policy. The screenshots stay in the target folder, `tmp/pages`.

mod browser;
mod folder;
mod site;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use certbound::page::samples::Samples;
use certbound::page::{ClientShown, Form, Language, LoginProblem, Page, Pages, Problem, Shown};
use serde_json::{Value, json};

use browser::Browser;
use site::Site;

/// Name, width, height.
const SIZES: &[(&str, u32, u32)] = &[("wide", 1280, 800), ("narrow", 360, 740)];
const SCHEMES: &[&str] = &["light", "dark"];
/// Samples that are also photographed in German, whose words are longer.
const IN_GERMAN: &[&str] = &["login-wrong", "consent", "whoami"];

/// Says what sticks out of the page to the right, and what can be scrolled sideways as a whole.
const OVERFLOW: &str = "(() => {
    for (const details of document.querySelectorAll('details')) details.open = true;
    const width = document.documentElement.clientWidth;
    const out = [...document.querySelectorAll('main *')].filter(e =>
        e.getBoundingClientRect().right > width + 0.5).map(e => e.outerHTML.slice(0, 80));
    if (document.documentElement.scrollWidth > width) out.push('the page is ' + document.documentElement.scrollWidth + ' wide');
    return out;
})()";

/// Says which texts, field borders and buttons have less contrast than WCAG 2.2 asks for (1.4.3, 1.4.11).
const CONTRAST: &str = "(() => {
    const parse = text => { const n = text.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
    const over = (top, under) => top.slice(0, 3).map((c, i) => c * top[3] + under[i] * (1 - top[3]));
    const light = ([r, g, b]) => { const f = c => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
        return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
    const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
    const behind = element => { const up = []; for (let e = element; e; e = e.parentElement) up.unshift(parse(getComputedStyle(e).backgroundColor));
        return up.reduce((under, top) => over(top, under), parse(getComputedStyle(document.documentElement).colorScheme.startsWith('dark') ? 'rgb(0,0,0)' : 'rgb(255,255,255)')); };
    const bad = [];
    for (const e of document.querySelectorAll('body *')) {
        const style = getComputedStyle(e);
        const has = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || (e.tagName === 'INPUT' && e.type !== 'hidden');
        if (has && style.visibility === 'visible' && e.getClientRects().length) {
            const r = ratio(over(parse(style.color), behind(e)), behind(e));
            if (r < 4.5) bad.push(e.tagName + ' ' + e.className + ' ' + r.toFixed(2) + ' ' + e.textContent.slice(0, 30));
        }
        if (e.tagName === 'INPUT' && e.type !== 'hidden') {
            const r = ratio(over(parse(style.borderTopColor), behind(e.parentElement)), behind(e.parentElement));
            if (r < 3) bad.push('border of ' + e.id + ' ' + r.toFixed(2));
        }
    }
    return bad;
})()";

/// Says which controls are smaller than a finger (WCAG 2.5.8: 24 px) or cannot be reached.
const SMALL: &str = "[...document.querySelectorAll('button, input:not([type=hidden]), summary')].filter(e => {
    const box = e.getBoundingClientRect(); return box.height < 40 || box.width < 40; }).map(e => e.outerHTML)";

fn rendered(site: &Site, pages: &Pages, name: &str, page: &Page<'_>, language: Language) -> String {
    let shown = Shown {
        language,
        base: "/oauth2",
        request: "6f1c2d7a90b34e58",
    };
    let rendered = pages.render(page, &shown);
    assert_eq!(rendered.fault, None, "{name}");
    let path = format!("/{name}.{}", language.tag());
    site.put(&path, "text/html; charset=utf-8", rendered.html)
}

fn world() -> Option<(Browser, Site, Pages, tempfile::TempDir)> {
    let profile = tempfile::tempdir().expect("a temporary directory can be made");
    let browser = Browser::start(profile.path())?;
    let site = Site::start();
    let pages = Pages::default();
    site.put(
        "/oauth2/pages/style.css",
        "text/css; charset=utf-8",
        pages.stylesheet().to_owned(),
    );
    site.put(
        "/oauth2/pages/submit.js",
        "text/javascript; charset=utf-8",
        Pages::SCRIPT.to_owned(),
    );
    Some((browser, site, pages, profile))
}

impl Browser {
    fn look(&mut self, scheme: &str, width: u32, height: u32) {
        // Whoever has chosen all colours (Windows calls it high contrast) has chosen light or dark by that.
        let (scheme, forced) = scheme
            .strip_prefix("forced-")
            .map_or((scheme, "none"), |scheme| (scheme, "active"));
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
            { "name": "forced-colors", "value": forced },
        ]);
        self.call(
            "Emulation.setEmulatedMedia",
            &json!({ "features": features }),
        );
        self.call(
            "Emulation.setDeviceMetricsOverride",
            &json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 }),
        );
    }

    /// The page from top to bottom, as PNG in Base64.
    fn photograph(&mut self) -> String {
        let answer = self.call(
            "Page.captureScreenshot",
            &json!({ "format": "png", "captureBeyondViewport": true, "optimizeForSpeed": true }),
        );
        answer["data"].as_str().expect("a picture").to_owned()
    }

    /// The controls of the page as a screen reader tells them, in order: role, name, description.
    fn told(&mut self) -> Vec<String> {
        let tree = self.call("Accessibility.getFullAXTree", &json!({}));
        let nodes = tree["nodes"].as_array().expect("a tree");
        let text = |node: &Value, member: &str| {
            node[member]["value"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let told = nodes
            .iter()
            .filter(|node| !node["ignored"].as_bool().unwrap_or(false))
            .map(|node| {
                let property = |name: &str| {
                    node["properties"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .find(|property| property["name"] == name)
                        .map(|property| property["value"]["value"].to_string())
                        .filter(|value| value != "false" && value != "\"false\"")
                        .map(|_| format!(" [{name}]"))
                        .unwrap_or_default()
                };
                let marks: String = ["focusable", "focused", "invalid", "required"]
                    .map(property)
                    .concat();
                format!(
                    "{} {:?} {:?}{marks}",
                    text(node, "role"),
                    text(node, "name"),
                    text(node, "description"),
                )
            })
            .filter(|line| !line.starts_with("InlineTextBox") && !line.starts_with("StaticText"));
        told.collect()
    }
}

#[test]
fn every_page_is_looked_at() {
    let Some((mut browser, site, pages, _profile)) = world() else {
        return;
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).expect("the target folder can be written to");
    // The page that posts itself would be gone before it was seen.
    browser.call(
        "Emulation.setScriptExecutionDisabled",
        &json!({ "value": true }),
    );
    let samples = Samples::new();
    let mut pictures: Vec<(PathBuf, String)> = Vec::new();
    for language in Language::ALL {
        for sample in samples.pages() {
            let what = format!("{}.{}", sample.name, language.tag());
            let url = rendered(&site, &pages, sample.name, &sample.page, *language);
            browser.open(&url);
            is_sound(&mut browser, &what);
            if *language != Language::English && !IN_GERMAN.contains(&sample.name) {
                continue;
            }
            let told = browser.told();
            fs::write(folder.join(format!("{what}.txt")), told.join("\n")).expect("a file");
            let schemes: &[&str] = if sample.name == "login-wrong" {
                &["light", "dark", "forced-light", "forced-dark"]
            } else {
                SCHEMES
            };
            for (size, width, height) in SIZES {
                for scheme in schemes {
                    browser.look(scheme, *width, *height);
                    let path = folder.join(format!("{what}-{size}-{scheme}.png"));
                    pictures.push((path, browser.photograph()));
                }
            }
        }
    }
    developed(&mut browser, &pictures);
}

/// Measures the page that is open.
fn is_sound(browser: &mut Browser, what: &str) {
    for scheme in SCHEMES {
        browser.look(scheme, 320, 640);
        assert_eq!(browser.evaluate(CONTRAST), json!([]), "{what} {scheme}");
    }
    assert_eq!(browser.evaluate(OVERFLOW), json!([]), "{what}");
    assert_eq!(browser.evaluate(SMALL), json!([]), "{what}");
    for line in browser.told() {
        for role in ["button", "textbox", "link", "heading", "RootWebArea"] {
            assert!(!line.starts_with(&format!("{role} \"\"")), "{what}: {line}");
        }
    }
    assert_eq!(browser.complaints(), Vec::<String>::new(), "{what}");
}

/// Writes the pictures, and finds that there is something on each, and something else in the dark.
fn developed(browser: &mut Browser, pictures: &[(PathBuf, String)]) {
    browser.open("about:blank");
    for pair in pictures.chunks(SCHEMES.len()) {
        for (path, picture) in pair {
            let octets = STANDARD.decode(picture).expect("Base64");
            assert!(octets.len() > 3000, "{}", path.display());
            fs::write(path, octets).expect("the folder is there");
            let colours = browser.evaluate(&format!(
                "(async () => {{
                    const octets = Uint8Array.from(atob('{picture}'), c => c.charCodeAt(0));
                    const image = await createImageBitmap(new Blob([octets], {{ type: 'image/png' }}));
                    const context = new OffscreenCanvas(image.width, image.height).getContext('2d');
                    context.drawImage(image, 0, 0);
                    const data = new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer);
                    return new Set(data).size;
                }})()"
            ));
            assert!(colours.as_u64() > Some(8), "{}: {colours}", path.display());
        }
        assert_ne!(pair[0].1, pair[1].1, "{}", pair[0].0.display());
    }
}

#[test]
fn long_and_foreign_text_stays_inside() {
    let Some((mut browser, site, pages, _profile)) = world() else {
        return;
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages-foreign");
    fs::create_dir_all(&folder).expect("the target folder can be written to");
    let long = "Nordwindrechnungsverwaltungsgesellschaft".repeat(20);
    let texts = [
        long.as_str(),
        "مثال للتجارة \u{202e}evil",
        "<script>alert(1)</script>",
    ];
    for (at, text) in texts.iter().enumerate() {
        let form = Form {
            action: "/oauth2/authorize",
            interaction: text,
        };
        let address = format!("https://{}.example.com/{text}", "sub".repeat(20));
        let client = ClientShown {
            id: text,
            name: Some(text),
            uri: Some(&address),
            logo: None,
            policy: Some(&address),
            tos: Some(&address),
        };
        let some = Some(*text);
        let seen = json!({ "certificate": { "subject": text, "subject_alt_names": [text, text], "x5t#S256": text },
            "why": text, "verified": true, "satisfies": [text], "verify_header": text });
        let names = [*text, "openid", text];
        for (name, page) in [
            (
                "login",
                Page::Login {
                    form,
                    client,
                    username: some,
                    password: true,
                    certificate: some,
                    header: some,
                    session: some,
                    problem: Some(LoginProblem::NotMapped),
                    step_up: true,
                },
            ),
            (
                "consent",
                Page::Consent {
                    form,
                    client,
                    username: text,
                    scopes: &names,
                    resources: &names,
                    claims: &names,
                },
            ),
            (
                "logout",
                Page::ConfirmLogout {
                    form,
                    client: Some(client),
                    username: some,
                    return_refused: true,
                },
            ),
            (
                "logged-out",
                Page::LoggedOut {
                    stayed: false,
                    client: Some(client),
                },
            ),
            (
                "error",
                Page::Error {
                    problem: Problem::BadRequest,
                    description: text,
                },
            ),
            ("whoami", Page::WhoAmI { seen: &seen }),
        ] {
            let name = format!("{name}-{at}");
            browser.open(&rendered(&site, &pages, &name, &page, Language::German));
            is_sound(&mut browser, &name);
            browser.look("light", 360, 740);
            let picture = STANDARD.decode(browser.photograph()).expect("Base64");
            fs::write(folder.join(format!("{name}.png")), picture).expect("a file");
        }
    }
}

#[test]
fn the_answer_posts_itself() {
    let Some((mut browser, site, pages, _profile)) = world() else {
        return;
    };
    let action = site.url("/callback");
    // A field of this name hides the form's own method.
    let fields = [
        ("submit".to_owned(), "a".to_owned()),
        ("state".to_owned(), "b & c=\u{e9}".to_owned()),
    ];
    let page = Page::FormPost {
        action: &action,
        fields: &fields,
    };
    let url = rendered(&site, &pages, "form-post", &page, Language::English);
    browser.open(&url);
    let body = site.posted.recv_timeout(Duration::from_secs(20));
    assert_eq!(body.as_deref(), Ok("submit=a&state=b+%26+c%3D%C3%A9"));
}

#[test]
fn a_keyboard_is_enough() {
    let Some((mut browser, site, pages, _profile)) = world() else {
        return;
    };
    let samples = Samples::new();
    let all = samples.pages();
    let sample = all
        .iter()
        .find(|sample| sample.name == "login-wrong")
        .expect("the sample");
    let url = rendered(&site, &pages, "login", &sample.page, Language::English);
    // The name is filled in, so that the password is where one starts.
    start_at(&mut browser, &url, "password");
    let mut reached = Vec::new();
    for _ in 0..3 {
        reached.push(browser.evaluate("document.activeElement.id || document.activeElement.value"));
        key(&mut browser, "Tab", "\t", 9);
    }
    assert_eq!(json!(reached), json!(["password", "password", "cancel"]));
    start_at(&mut browser, &url, "password");
    browser.call("Input.insertText", &json!({ "text": "secret" }));
    key(&mut browser, "Enter", "\r", 13);
    let body = site.posted.recv_timeout(Duration::from_secs(20));
    assert_eq!(
        body.as_deref(),
        Ok(
            "interaction=c2FtcGxlLW9mLWFuLWludGVyYWN0aW9u&username=alice&password=secret&step=password"
        )
    );
}

/// Opens a page and waits until the field has the focus, which comes with the first picture.
fn start_at(browser: &mut Browser, url: &str, id: &str) {
    browser.open(url);
    let started = Instant::now();
    while browser.evaluate("document.activeElement.id") != id {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "{id} gets no focus"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn key(browser: &mut Browser, key: &str, text: &str, code: u32) {
    for kind in ["keyDown", "keyUp"] {
        browser.call(
            "Input.dispatchKeyEvent",
            &json!({ "type": kind, "key": key, "code": key, "text": if kind == "keyDown" { text } else { "" },
                "windowsVirtualKeyCode": code }),
        );
    }
}
