//! A real Chromium, driven over the WebDriver protocol by hand: a session, a few commands.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Write as _},
    net::{self, SocketAddr},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};

use super::{Answer, GLANCE, PATIENCE, Request};

/// A browser with one window. It ends with the test.
pub(crate) struct Browser {
    driver: Child,
    addr: SocketAddr,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// Opens one of this size, in dark or light.
    pub(crate) async fn open(width: u32, height: u32, dark: bool) -> Self {
        // It ends with us, however we end; and the browser with it, by the pipe between them.
        let mut driver = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "chromedriver", "--port=0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is needed: tests/run --install brings it");
        let told =
            BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok).find_map(
                |line| line.split_once("successfully on port ").map(|(_, port)| port.to_owned()),
            );
        let port = told.unwrap().trim_end_matches('.').parse().unwrap();
        let profile = tempfile::tempdir().unwrap();
        let mut browser = Self {
            driver,
            addr: SocketAddr::from(([127, 0, 0, 1], port)),
            session: String::new(),
            _profile: profile,
        };
        let profile = format!("--user-data-dir={}", browser._profile.path().display());
        let size = format!("--window-size={width},{height}");
        let mut arguments = vec![profile, size];
        arguments.extend(
            [
                "--headless",
                "--remote-debugging-pipe",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-dev-shm-usage",
            ]
            .map(str::to_owned),
        );
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let session = browser.ask("POST", "/session", wanted).await;
        browser.session = session["sessionId"].as_str().unwrap().to_owned();
        let scheme = if dark { "dark" } else { "light" };
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        browser.devtools("Emulation.setEmulatedMedia", json!({"features": features})).await;
        browser
    }

    pub(crate) async fn go(&self, url: &str) {
        self.command("POST", "/url", json!({"url": url})).await;
    }

    /// What the body of a function returns.
    pub(crate) async fn run(&self, body: &str) -> Value {
        self.command("POST", "/execute/sync", json!({"script": body, "args": []})).await
    }

    /// Looks until a condition holds.
    pub(crate) async fn until(&self, condition: &str) {
        let looking = async {
            while self.run(&format!("return !!({condition})")).await != true {
                sleep(GLANCE).await;
            }
        };
        if timeout(PATIENCE, looking).await.is_err() {
            let text = self.run("return document.body.innerText").await;
            panic!("not in time: {condition}\n{text}\n{:#?}", self.console().await);
        }
    }

    /// Clicks where a person would; what covers the place is an error.
    pub(crate) async fn click(&self, selector: &str) {
        let element = self.element(selector).await;
        self.command("POST", &format!("/element/{element}/click"), json!({})).await;
    }

    /// Types into a field, or presses keys on an element (WebDriver's code points stand for keys).
    pub(crate) async fn type_in(&self, selector: &str, text: &str) {
        let element = self.element(selector).await;
        self.command("POST", &format!("/element/{element}/value"), json!({"text": text})).await;
    }

    /// What the console was told since the last look.
    pub(crate) async fn console(&self) -> Vec<String> {
        let entries = self.command("POST", "/se/log", json!({"type": "browser"})).await;
        let entries = entries.as_array().unwrap().iter();
        entries.map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }

    /// Writes a picture where `CALLWARDEN_SCREENSHOTS` says, if it does.
    pub(crate) async fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("CALLWARDEN_SCREENSHOTS") else { return };
        let picture = self.command("GET", "/screenshot", Value::Null).await;
        let bytes = data_encoding::BASE64.decode(picture.as_str().unwrap().as_bytes()).unwrap();
        fs::write(Path::new(&folder).join(format!("{name}.png")), bytes).unwrap();
    }

    /// A command of Chromium's own protocol.
    pub(crate) async fn devtools(&self, name: &str, parameters: Value) {
        let body = json!({"cmd": name, "params": parameters});
        self.command("POST", "/goog/cdp/execute", body).await;
    }

    async fn element(&self, selector: &str) -> String {
        let by = json!({"using": "css selector", "value": selector});
        let found = self.command("POST", "/element", by).await;
        let id = found.as_object().and_then(|ids| ids.values().next());
        id.and_then(Value::as_str).unwrap_or_else(|| panic!("no {selector}: {found}")).to_owned()
    }

    async fn command(&self, method: &str, path: &str, body: Value) -> Value {
        self.ask(method, &format!("/session/{}{path}", self.session), body).await
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> Value {
        let mut request = Request::new(method, path);
        if method == "POST" {
            request = request.header("Content-Type", "application/json");
            request.body = body.to_string().into_bytes();
        }
        let answer = timeout(PATIENCE, self.exchange(&request.bytes(self.addr))).await.unwrap();
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
        answer.json()["value"].take()
    }

    /// The driver keeps its connections open, whatever it is told: an answer ends with its length.
    async fn exchange(&self, bytes: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        loop {
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "the driver hung up");
            if let Some(answer) = Answer::parse(&answer) {
                return answer;
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A browser ends with its session; a driver that is told to stop leaves it behind.
        self.end_session().ok();
        self.driver.kill().ok();
        self.driver.wait().ok();
    }
}

impl Browser {
    /// Returns once the browser has ended.
    fn end_session(&self) -> io::Result<()> {
        let mut stream = net::TcpStream::connect(self.addr)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let request = Request::new("DELETE", &format!("/session/{}", self.session));
        stream.write_all(&request.bytes(self.addr))?;
        let mut answer = [0; 64];
        io::Read::read(&mut stream, &mut answer).map(drop)
    }
}
