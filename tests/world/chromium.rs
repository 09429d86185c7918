//! Chromium, driven by its driver (WebDriver, W3C): what a person sees on a phone and on a desk, and what the browser's
//! console says of it.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use url::Url;

use crate::{raw, settings::free_port};

/// How long a command may take: a browser starts in seconds.
const PATIENCE: Duration = Duration::from_secs(60);

const DRIVER: &str = "chromedriver";
/// The widths of a phone and of a window on a desk, in CSS pixels.
pub const WIDTHS: [u32; 2] = [390, 1280];
/// Every page that is looked at is kept as a picture in the folder that this variable names; else in [`pictures`].
const PICTURES: &str = "CANDOR_PICTURES";
/// What the console says of an address that answered with such a status.
const STATUS: &str = "- Failed to load resource: the server responded with a status of";

/// How it is started. What a page fetches from elsewhere, and what browsers look up by themselves, it does not find.
const ARGUMENTS: [&str; 6] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/// A browser, and the driver that it belongs to. Dropping it ends both.
pub struct Chromium {
    driver: Child,
    host: String,
    session: String,
    looked: Vec<String>,
    /// The addresses that were looked at.
    addresses: Vec<String>,
    overflows: Vec<String>,
}

/// A tab of the browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tab(String);

/// Where pictures are kept by default: with whatever else is made by building and testing.
fn pictures() -> PathBuf {
    let named = std::env::var_os(PICTURES).map(PathBuf::from);
    named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/pictures"))
}

impl Chromium {
    /// Whether the driver is installed.
    pub fn is_installed() -> bool {
        let started = Command::new(DRIVER).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        started.is_ok_and(|status| status.success())
    }

    /// Opens a window.
    ///
    /// # Panics
    /// The driver or the browser does not start.
    pub async fn open() -> Self {
        let port = free_port();
        let driver = Command::new(DRIVER)
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the driver starts");
        let host = format!("127.0.0.1:{port}");
        let (looked, addresses, overflows) = (Vec::new(), Vec::new(), Vec::new());
        let mut this = Self { driver, host, session: String::new(), looked, addresses, overflows };
        this.until_ready().await;
        let options = json!({ "args": ARGUMENTS });
        let capabilities = json!({"alwaysMatch": {
            "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}, "acceptInsecureCerts": false,
        }});
        let opened = this.ask("POST", "/session", &json!({ "capabilities": capabilities })).await;
        this.session = opened["sessionId"].as_str().unwrap_or_else(|| panic!("a session: {opened}")).to_owned();
        this
    }

    async fn until_ready(&self) {
        let mut beat = tokio::time::interval(Duration::from_millis(50));
        for _ in 0..200 {
            beat.tick().await;
            if exchange(&self.host, &raw::request("GET", "/status", &self.host, "", "")).await.is_ok() {
                return;
            }
        }
        panic!("the driver never was ready");
    }

    async fn ask(&self, method: &str, path: &str, content: &Value) -> Value {
        let content = if method == "POST" { content.to_string() } else { String::new() };
        let request = raw::request(method, path, &self.host, "Content-Type: application/json\r\n", &content);
        let heard = tokio::time::timeout(PATIENCE, exchange(&self.host, &request)).await;
        let heard = heard.unwrap_or_else(|_| panic!("the driver does not answer {path}"));
        let answer: Value = serde_json::from_slice(&heard.unwrap_or_default()).unwrap_or_default();
        answer["value"].clone()
    }

    async fn command(&self, what: &str, content: &Value) -> Value {
        let answer = self.ask("POST", &format!("/session/{}/{what}", self.session), content).await;
        assert!(answer["error"].is_null(), "{what}: {answer}");
        answer
    }

    /// Goes to `url`, and wherever that leads.
    pub async fn go(&self, url: &Url) {
        self.command("url", &json!({ "url": url.as_str() })).await;
    }

    /// Runs `script`, the body of a function, on the page.
    pub async fn run(&self, script: &str) -> Value {
        self.command("execute/sync", &json!({ "script": script, "args": [] })).await
    }

    /// Waits until `script` says yes on the page: what is clicked on leads there a moment later.
    ///
    /// # Panics
    /// It never does.
    pub async fn until(&self, script: &str) {
        let mut beat = tokio::time::interval(Duration::from_millis(50));
        let asked = json!({ "script": script, "args": [] });
        for _ in 0..400 {
            beat.tick().await;
            // Between two pages there is none to ask.
            if self.ask("POST", &format!("/session/{}/execute/sync", self.session), &asked).await == true {
                return;
            }
        }
        panic!("it never was so: {script}\n{}\n{}", self.address().await, self.text().await);
    }

    async fn element(&self, selector: &str) -> String {
        let found = self.command("element", &json!({"using": "css selector", "value": selector})).await;
        let (_, id) = found.as_object().and_then(|ids| ids.iter().next()).expect("an element");
        id.as_str().expect("text").to_owned()
    }

    /// Types `text` into what `selector` finds, as on a keyboard.
    pub async fn type_into(&self, selector: &str, text: &str) {
        let element = self.element(selector).await;
        self.command(&format!("element/{element}/value"), &json!({ "text": text })).await;
    }

    /// Clicks on what `selector` finds, and waits for the page that this leads to.
    pub async fn click(&self, selector: &str) {
        let element = self.element(selector).await;
        self.command(&format!("element/{element}/click"), &json!({})).await;
    }

    /// Looks at the page in both widths, and on the phone in a dark room too. It is counted, and so is every width that it
    /// overflows.
    pub async fn look(&mut self, name: &str) {
        self.addresses.push(self.address().await);
        for width in WIDTHS {
            let phone = width < 600;
            let metrics = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": phone});
            self.devtools("Emulation.setDeviceMetricsOverride", &metrics).await;
            let root = "document.documentElement";
            if self.run(&format!("return {root}.scrollWidth > {root}.clientWidth")).await != false {
                self.overflows.push(format!("{name} at {width}"));
            }
            self.picture(&format!("{name}-{width}")).await;
            if phone {
                self.in_scheme("dark").await;
                self.picture(&format!("{name}-{width}-dark")).await;
                self.in_scheme("light").await;
            }
        }
        self.looked.push(name.to_owned());
    }

    async fn in_scheme(&self, scheme: &str) {
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", &media).await;
    }

    /// The address of the page, without its fragment.
    pub async fn address(&self) -> String {
        let address = self.run("return location.href.split('#')[0]").await;
        address.as_str().unwrap_or_default().to_owned()
    }

    /// What can be read on the page.
    pub async fn text(&self) -> String {
        let text = self.run("return document.body.innerText").await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Goes back, as by the button.
    pub async fn back(&self) {
        self.command("back", &json!({})).await;
    }

    /// Goes forward again.
    pub async fn forward(&self) {
        self.command("forward", &json!({})).await;
    }

    /// Forgets every cookie, of every site.
    pub async fn forget_cookies(&self) {
        self.devtools("Network.clearBrowserCookies", &json!({})).await;
    }

    /// The tab that is seen.
    pub async fn tab(&self) -> Tab {
        let handle = self.ask("GET", &format!("/session/{}/window", self.session), &Value::Null).await;
        Tab(handle.as_str().expect("a tab").to_owned())
    }

    /// Opens another tab, and looks at that one.
    pub async fn open_tab(&self) -> Tab {
        let opened = self.command("window/new", &json!({"type": "tab"})).await;
        let tab = Tab(opened["handle"].as_str().expect("a tab").to_owned());
        self.turn_to(&tab).await;
        tab
    }

    /// Looks at another tab.
    pub async fn turn_to(&self, tab: &Tab) {
        self.command("window", &json!({ "handle": tab.0 })).await;
    }

    async fn devtools(&self, command: &str, params: &Value) {
        self.command("goog/cdp/execute", &json!({"cmd": command, "params": params})).await;
    }

    async fn picture(&self, name: &str) {
        let taken = self.ask("GET", &format!("/session/{}/screenshot", self.session), &Value::Null).await;
        let picture = STANDARD.decode(taken.as_str().unwrap_or_default()).expect("a picture");
        let folder = pictures();
        std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::write(folder.join(format!("{name}.png")), picture))
            .expect("a picture can be kept");
    }

    /// The names of the pages that were looked at.
    pub fn looked(&self) -> &[String] {
        &self.looked
    }

    /// Which of them were wider than the window, and at which width.
    pub fn overflows(&self) -> &[String] {
        &self.overflows
    }

    /// What the console has said since it was asked last, of what is severe; but for the status of what was looked at, which
    /// is no fault of the page.
    pub async fn console_errors(&self) -> Vec<String> {
        let entries = self.command("se/log", &json!({"type": "browser"})).await;
        let entries = entries.as_array().cloned().unwrap_or_default();
        let severe = entries.into_iter().filter(|entry| entry["level"] == "SEVERE");
        let said = severe.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned());
        let is_status = |message: &String| {
            self.addresses
                .iter()
                .any(|of| message.strip_prefix(&**of).is_some_and(|rest| rest.trim().starts_with(STATUS)))
        };
        said.filter(|message| !is_status(message)).collect()
    }

    /// Closes the window.
    pub async fn close(self) {
        self.ask("DELETE", &format!("/session/{}", self.session), &Value::Null).await;
    }
}

/// The content of the answer: the driver keeps its connections, whatever it is asked.
async fn exchange(host: &str, request: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(host).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut heard = Vec::new();
    loop {
        if let Some(at) = heard.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&heard[..at]).to_ascii_lowercase();
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
            if heard.len() >= at + 4 + length.unwrap_or(0) {
                return Ok(heard.split_off(at + 4));
            }
        }
        if stream.read_buf(&mut heard).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
