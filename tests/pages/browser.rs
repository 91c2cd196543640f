//! A real Chromium, driven over the pipe that it offers (`--remote-debugging-pipe`): JSON and a zero octet
//! each way.

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

/// How long Chromium may take for anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    session: Option<String>,
    last: u64,
    /// What came between answers.
    events: Vec<Value>,
}

impl Browser {
    /// Starts Chromium, or says that there is none.
    pub(crate) fn start(profile: &Path) -> Option<Self> {
        Self::start_with(profile, &[])
    }

    /// Likewise, with further flags, which overrule those that are here.
    pub(crate) fn start_with(profile: &Path, further: &[String]) -> Option<Self> {
        let program = program()?;
        // A shell gives it the pipes under the numbers that it wants.
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(r#"exec "$0" "$@" 3<&0 4>&1 0</dev/null 1>&2"#)
            .arg(program)
            .args([
                "--headless=new",
                "--remote-debugging-pipe",
                // Only pages of this test are opened, and whoever runs it may be root in a container.
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-default-apps",
                "--disable-sync",
                "--disable-extensions",
                "--no-first-run",
                "--hide-scrollbars",
                "--force-device-scale-factor=1",
                // Nothing but this machine is there.
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            ])
            .arg(format!("--user-data-dir={}", profile.display()))
            .args(further)
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell can be started");
        let commands = child.stdin.take().expect("it was asked for");
        let messages = listen(child.stdout.take().expect("it was asked for"));
        let mut browser = Self {
            child,
            commands,
            messages,
            session: None,
            last: 0,
            events: Vec::new(),
        };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attached = browser.call(
            "Target.attachToTarget",
            &json!({ "targetId": target["targetId"], "flatten": true }),
        );
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Log", "Runtime", "Accessibility", "DOM"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        Some(browser)
    }

    /// Sends a command and waits for its answer.
    pub(crate) fn call(&mut self, method: &str, parameters: &Value) -> Value {
        let answer = self.attempt(method, parameters);
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Likewise, where it may be that Chromium cannot do it at this moment.
    pub(crate) fn attempt(&mut self, method: &str, parameters: &Value) -> Result<Value, Value> {
        self.last += 1;
        let mut command = json!({ "id": self.last, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        let mut octets = command.to_string().into_bytes();
        octets.push(0);
        self.commands
            .write_all(&octets)
            .expect("Chromium takes commands");
        loop {
            let message = self.next(method);
            if message["id"] == json!(self.last) {
                return match &message["error"] {
                    Value::Null => Ok(message["result"].clone()),
                    error => Err(error.clone()),
                };
            }
            self.events.push(message);
        }
    }

    /// Opens a page and waits until it is loaded.
    pub(crate) fn open(&mut self, url: &str) {
        self.events.clear();
        let opened = self.call("Page.navigate", &json!({ "url": url }));
        assert!(opened["errorText"].is_null(), "{url}: {opened}");
        let loaded = |event: &Value| event["method"] == "Page.loadEventFired";
        while !self.events.iter().any(loaded) {
            let event = self.next(url);
            self.events.push(event);
        }
    }

    /// What it complained of since the page was opened.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.events
            .iter()
            .filter(|event| {
                event["method"] == "Log.entryAdded" || event["method"] == "Runtime.exceptionThrown"
            })
            .map(ToString::to_string)
            .collect()
    }

    /// The value of a JavaScript expression in the page.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let answer = self.call(
            "Runtime.evaluate",
            &json!({ "expression": expression, "returnByValue": true, "awaitPromise": true }),
        );
        assert!(answer["exceptionDetails"].is_null(), "{answer}");
        answer["result"]["value"].clone()
    }

    fn next(&mut self, what: &str) -> Value {
        self.messages
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|error| panic!("Chromium says nothing to {what}: {error}"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends all of its processes when asked; the one that was started is waited for.
        drop(
            self.commands
                .write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0"),
        );
        for _ in 0..100 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn listen(pipe: ChildStdout) -> Receiver<Value> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for message in BufReader::new(pipe).split(0) {
            let Ok(message) = message else { return };
            let message = serde_json::from_slice(&message).expect("Chromium speaks JSON");
            if sender.send(message).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Where Chromium is. Where there is none that is said, on standard error and in the file that
/// `CERTBOUND_SKIPPED` names.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .flat_map(|folder| ["chromium", "chromium-browser"].map(|name| folder.join(name)))
        .find(|program| program.is_file());
    if found.is_none() {
        let said =
            "SKIPPED: the pages in a browser: there is no chromium (apt-get install chromium)\n";
        // Not by eprint, which is not shown for a test that passes.
        drop(std::io::stderr().write_all(said.as_bytes()));
        if let Some(file) = std::env::var_os("CERTBOUND_SKIPPED") {
            let file = OpenOptions::new().create(true).append(true).open(file);
            let written = file.and_then(|mut file| file.write_all(said.as_bytes()));
            written.expect("CERTBOUND_SKIPPED names a file that can be written to");
        }
    }
    found
}
