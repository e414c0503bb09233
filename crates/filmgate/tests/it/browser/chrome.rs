//! A Chromium of a test's own, and an operator in front of it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::elements::Element;
use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::{ADMIN_KEY, TestApp};

/// What is looked at, in CSS pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Screen {
    Desk,
    Phone,
}

/// How long something may take to show.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where files are saved, in the profile.
const SAVED: &str = "saved";

/// A browser. Dropping it ends it.
pub(super) struct Chrome {
    pub(super) page: Client,
    url: String,
    driver: Child,
    port: u16,
    profile: TempDir,
}

impl Drop for Chrome {
    fn drop(&mut self) {
        // Killed, ChromeDriver leaves its browser behind; asked to shut down, it ends that first.
        let _ = self.shut_down();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Chrome {
    fn shut_down(&self) -> std::io::Result<()> {
        let mut driver = TcpStream::connect(("127.0.0.1", self.port))?;
        driver.set_read_timeout(Some(Duration::from_secs(10)))?;
        driver.write_all(b"GET /shutdown HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
        driver.read_to_end(&mut Vec::new()).map(drop)
    }

    /// A fresh browser whose reader prefers `language`, with nothing signed in.
    pub(super) async fn open(app: &TestApp, screen: Screen, language: &str) -> Self {
        // One that chose a port which another takes a moment before gives up.
        let started = (0..5).find_map(|_| start_driver());
        let (driver, port) = started.expect("ChromeDriver says where it listens");
        let profile = tempfile::tempdir().unwrap();
        let capabilities = capabilities(profile.path(), screen, language);
        let mut builder = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
        let page = builder.capabilities(capabilities).connect(&format!("http://127.0.0.1:{port}")).await;
        Self { page: page.unwrap(), url: app.url.clone(), driver, port, profile }
    }

    /// A browser in which the operator has signed in by hand.
    pub(super) async fn signed_in(app: &TestApp, screen: Screen, language: &str) -> Self {
        let chrome = Self::open(app, screen, language).await;
        chrome.go("/admin").await;
        chrome.fill("input[name=key]", ADMIN_KEY).await;
        chrome.press("main button[type=submit]").await;
        chrome.see("header nav").await;
        chrome
    }

    pub(super) async fn go(&self, path: &str) {
        self.page.goto(&format!("{}{path}", self.url)).await.unwrap();
    }

    /// The path and query of the page that is shown.
    pub(super) async fn place(&self) -> String {
        let url = self.page.current_url().await.unwrap();
        url.as_str().strip_prefix(&self.url).unwrap_or(url.as_str()).to_owned()
    }

    /// Waits for an element.
    pub(super) async fn see(&self, css: &str) -> Element {
        match self.page.wait().at_most(PATIENCE).for_element(Locator::Css(css)).await {
            Ok(element) => element,
            Err(error) => panic!("no {css} ({error}) at {}:\n{}", self.place().await, self.text().await),
        }
    }

    /// Waits until the page is there, with its script, and its text contains this.
    pub(super) async fn read(&self, text: &str) {
        for _ in 0..PATIENCE.as_millis() / 100 {
            let loaded = self.run("return document.readyState").await == "complete";
            if loaded && self.text().await.contains(text) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("no {text:?} at {}:\n{}", self.place().await, self.text().await);
    }

    /// What a person can read.
    pub(super) async fn text(&self) -> String {
        self.run("return document.body.innerText").await.as_str().unwrap_or_default().to_owned()
    }

    /// Clicks, as a mouse does: what is hidden or covered cannot be clicked.
    pub(super) async fn press(&self, css: &str) {
        let element = self.see(css).await;
        // Chromium scrolls to what is clicked, but not below a table that scrolls by itself.
        let _ = self.run_on("arguments[0].scrollIntoView({block: 'center'})", &element).await;
        if let Err(error) = element.click().await {
            panic!("cannot press {css}: {error}");
        }
    }

    /// Presses the button with this text.
    pub(super) async fn press_button(&self, text: &str) {
        let path =
            format!("//main//button[normalize-space()={text:?}] | //main//a[normalize-space()={text:?}]");
        let found = self.page.wait().at_most(PATIENCE).for_element(Locator::XPath(&path)).await;
        let Ok(button) = found else {
            panic!("no button {text:?} at {}:\n{}", self.place().await, self.text().await)
        };
        let _ = self.run_on("arguments[0].scrollIntoView({block: 'center'})", &button).await;
        button.click().await.unwrap();
    }

    /// Types into a field, in place of what is there.
    pub(super) async fn fill(&self, css: &str, text: &str) {
        let field = self.see(css).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Chooses from a list, by value.
    pub(super) async fn choose(&self, css: &str, value: &str) {
        self.see(css).await.select_by_value(value).await.unwrap();
    }

    /// Strikes a key, whatever has the focus.
    pub(super) async fn strike(&self, key: Key) {
        let value = char::from(key);
        let strike = KeyActions::new("keyboard".to_owned());
        let strike = strike.then(KeyAction::Down { value }).then(KeyAction::Up { value });
        self.page.perform_actions(strike).await.unwrap();
    }

    /// Says yes to the question that the page asks.
    pub(super) async fn confirm(&self) {
        self.page.accept_alert().await.unwrap();
    }

    /// Says no to the question that the page asks; returns the question.
    pub(super) async fn decline(&self) -> String {
        let question = self.page.get_alert_text().await.unwrap();
        self.page.dismiss_alert().await.unwrap();
        question
    }

    /// The text of an element, as a person reads it.
    pub(super) async fn words(&self, css: &str) -> String {
        self.see(css).await.text().await.unwrap()
    }

    /// Asks for the same page once more.
    pub(super) async fn reload(&self) {
        self.page.refresh().await.unwrap();
    }

    /// Waits until a file of this name has been saved; takes it away.
    pub(super) async fn saved(&self, name: &str) -> String {
        let file = self.profile.path().join(SAVED).join(name);
        for _ in 0..PATIENCE.as_millis() / 100 {
            // Chromium takes the name with an empty file, and puts the whole one in its place.
            if let Ok(text) = std::fs::read_to_string(&file)
                && !text.is_empty()
            {
                std::fs::remove_file(&file).unwrap();
                return text;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("no {name} was saved at {}:\n{}", self.place().await, self.text().await);
    }

    /// Runs a script and returns what it returns.
    pub(super) async fn run(&self, script: &str) -> Value {
        self.page.execute(script, vec![]).await.unwrap()
    }

    async fn run_on(&self, script: &str, element: &Element) -> Value {
        self.page.execute(script, vec![serde_json::to_value(element).unwrap()]).await.unwrap()
    }

    /// Runs a script until it returns `true`.
    pub(super) async fn until(&self, script: &str) {
        for _ in 0..PATIENCE.as_millis() / 100 {
            if self.run(script).await == json!(true) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("never true: {script}, at {}:\n{}", self.place().await, self.text().await);
    }

    /// What the browser complained about since the last call: scripts that failed, what the policy forbade,
    /// what could not be loaded.
    pub(super) async fn complaints(&self) -> Vec<String> {
        let log = self.page.issue_cmd(ConsoleLog).await.unwrap();
        let entries = log.as_array().cloned().unwrap_or_default();
        entries.iter().map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Waits until it tells that a form was refused, and complains of nothing else: that takes a moment after the
    /// page is shown.
    pub(super) async fn was_refused(&self) {
        let mut told = Vec::new();
        for _ in 0..PATIENCE.as_millis() / 100 {
            told.extend(self.complaints().await);
            if !told.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(told.len() == 1 && told[0].contains("the server responded with a status of 4"), "{told:?}");
    }

    /// Makes the window so large that the page has this much room.
    pub(super) async fn resize(&self, width: u32, height: u32) {
        let frame = self.run("return [outerWidth - innerWidth, outerHeight - innerHeight]").await;
        let frame = |nth: usize| u32::try_from(frame[nth].as_u64().unwrap()).unwrap();
        self.page.set_window_size(width + frame(0), height + frame(1)).await.unwrap();
        self.until(&format!("return innerWidth === {width} && innerHeight === {height}")).await;
    }

    pub(super) async fn screenshot(&self) -> Vec<u8> {
        self.page.screenshot().await.unwrap()
    }
}

/// ChromeDriver, and the port on which it listens.
fn start_driver() -> Option<(Child, u16)> {
    let mut driver = Command::new("chromedriver");
    driver.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut driver = driver.spawn().unwrap();
    let lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut ports = lines.filter_map(|line| {
        let (_, port) = line.split_once("started successfully on port ")?;
        port.trim_end_matches('.').parse::<u16>().ok()
    });
    let Some(port) = ports.next() else {
        let _ = driver.kill();
        let _ = driver.wait();
        return None;
    };
    Some((driver, port))
}

fn capabilities(profile: &Path, screen: Screen, language: &str) -> serde_json::Map<String, Value> {
    let mut chrome = json!({
        "args": [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
            "--window-size=1280,900", "--force-color-profile=srgb",
            "--autoplay-policy=no-user-gesture-required", "--disable-search-engine-choice-screen",
            format!("--user-data-dir={}", profile.display()),
        ],
        "prefs": { "intl.accept_languages": language, "download.default_directory": profile.join(SAVED) },
    });
    if screen == Screen::Phone {
        let phone = json!({ "width": 360, "height": 780, "pixelRatio": 2.0, "touch": true, "mobile": true });
        chrome["mobileEmulation"] = json!({ "deviceMetrics": phone });
    }
    let capabilities = json!({
        "browserName": "chrome",
        "goog:chromeOptions": chrome,
        "goog:loggingPrefs": { "browser": "ALL" },
        "unhandledPromptBehavior": "ignore",
    });
    capabilities.as_object().unwrap().clone()
}

/// ChromeDriver's own command for the browser's log.
#[derive(Debug)]
struct ConsoleLog;

impl fantoccini::wd::WebDriverCompatibleCommand for ConsoleLog {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({ "type": "browser" }).to_string()))
    }
}
