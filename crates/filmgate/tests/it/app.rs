//! A gateway to test: the real binary as a process of its own, and a simulator in this one, so that the
//! gateway can be killed and started again while the provider lives on.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use filmgate_simulator::{Render, SimToken, Simulator, SimulatorConfig, Tier, demo_tokens};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The admin key of every gateway under test.
pub(crate) const ADMIN_KEY: &str = "fga-admin-key-of-the-tests-0123456789";

/// What a gateway under test is made of.
pub(crate) struct Setup {
    /// Tokens in ssoBasic and in ssoSuper.
    pub(crate) tokens: [usize; 2],
    /// How long the simulator takes for a video.
    pub(crate) video_seconds: f64,
    /// `key=value` settings on top of those of all tests.
    pub(crate) set: Vec<String>,
    /// Changes to the simulator.
    pub(crate) simulator: fn(&mut SimulatorConfig),
    /// The scheme and authority of the links to the simulator's files, where they are not its own.
    pub(crate) files_at: Option<String>,
    /// Variables of the gateway's environment.
    pub(crate) env: Vec<(&'static str, String)>,
    /// Whether its disk can be made full, with [`TestApp::largest_file`].
    pub(crate) may_fill: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            tokens: [2, 2],
            video_seconds: 0.05,
            set: Vec::new(),
            simulator: |_| {},
            files_at: None,
            env: Vec::new(),
            may_fill: false,
        }
    }
}

impl Setup {
    /// One more setting.
    pub(crate) fn set(mut self, setting: &str) -> Self {
        self.set.push(setting.to_owned());
        self
    }

    pub(crate) async fn start(self) -> TestApp {
        TestApp::start(self).await
    }
}

/// A gateway and its provider. Dropping it kills the gateway.
pub(crate) struct TestApp {
    gateway: Option<Child>,
    /// What the simulator runs on: its own thread, so that a test which waits for a process does not halt it.
    provider: Option<Runtime>,
    pub(crate) simulator: Simulator,
    pub(crate) sim_tokens: [Vec<SimToken>; 2],
    /// What the gateway calls the simulator's tokens, by their names there.
    pub(crate) token_ids: HashMap<String, String>,
    data_dir: TempDir,
    set: Vec<String>,
    env: Vec<(&'static str, String)>,
    may_fill: bool,
    logs: Arc<Mutex<String>>,
    pub(crate) http: reqwest::Client,
    /// `http://127.0.0.1:PORT`
    pub(crate) url: String,
    pub(crate) client_key: String,
}

/// An HTTP client. It has to have a TLS provider, although nothing here speaks TLS.
pub(crate) fn client() -> reqwest::Client {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// The seed of a test: this one, or what `FILMGATE_TEST_SEED` says. It is printed, so that a failure can be played again.
pub(crate) fn seed(usual: u64) -> u64 {
    let seed = std::env::var("FILMGATE_TEST_SEED").map_or(usual, |seed| seed.parse().unwrap());
    eprintln!("FILMGATE_TEST_SEED={seed}");
    seed
}

/// Tiers of a provider that sets no limits, by their names.
pub(crate) fn without_limits<const N: usize>(names: [&str; N]) -> Vec<Tier> {
    names.map(|name| Tier { name: name.to_owned(), ..Tier::official() }).into()
}

/// The binary under test.
pub(crate) fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_filmgate")
}

impl TestApp {
    pub(crate) async fn start(setup: Setup) -> TestApp {
        let sim_tokens = [demo_tokens("basic", setup.tokens[0]), demo_tokens("super", setup.tokens[1])];
        let mut config = SimulatorConfig {
            tokens: sim_tokens.concat(),
            video_seconds: setup.video_seconds,
            render: Render::Flat,
            public_base: setup.files_at,
            ..SimulatorConfig::default()
        };
        (setup.simulator)(&mut config);
        let provider =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let simulator = provider.spawn(Simulator::start(config, ([127, 0, 0, 1], 0).into())).await;
        let simulator = simulator.unwrap().unwrap();
        let mut set = vec![
            "server.listen=\"127.0.0.1:0\"".to_owned(),
            "upstreams.xai.poll_every=\"50ms\"".to_owned(),
            format!("upstreams.xai.base_url=\"{}\"", simulator.url()),
            "log.format=\"json\"".to_owned(),
        ];
        set.extend(setup.set);
        let mut app = TestApp {
            gateway: None,
            provider: Some(provider),
            simulator,
            sim_tokens,
            token_ids: HashMap::new(),
            data_dir: tempfile::tempdir().unwrap(),
            set,
            env: setup.env,
            may_fill: setup.may_fill,
            logs: Arc::default(),
            http: client(),
            url: String::new(),
            client_key: String::new(),
        };
        app.launch().await;
        app.client_key = app.new_key("tests").await;
        app.import_tokens().await;
        app
    }

    /// One more setting, from the next launch on. A later one replaces an earlier one of the same key.
    pub(crate) fn also_set(&mut self, setting: &str) {
        self.set.push(setting.to_owned());
    }

    /// The settings of the next launch.
    pub(crate) fn settings(&self) -> Vec<String> {
        self.set.clone()
    }

    /// Starts the gateway on the same data directory, and waits until it listens.
    pub(crate) async fn launch(&mut self) {
        self.begin();
        self.url = self.wait_for_address().await;
    }

    /// Starts the gateway, and does not wait for it.
    pub(crate) fn begin(&mut self) {
        assert!(self.gateway.is_none(), "the gateway runs already");
        let _ = std::fs::remove_file(self.data_dir().join("server.json"));
        let mut command = if self.may_fill {
            // A write that the limit does not allow is an error then, and not the end.
            let mut shell = Command::new("sh");
            shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", binary()]);
            shell
        } else {
            Command::new(binary())
        };
        command.arg("serve").arg("--data-dir").arg(self.data_dir());
        command.args(self.set.iter().flat_map(|setting| ["--set", setting]));
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.env_remove("XAI_API_KEY").env("FILMGATE_ADMIN_KEY", ADMIN_KEY).current_dir(self.data_dir());
        let mut gateway =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        collect(gateway.stderr.take().unwrap(), Arc::clone(&self.logs));
        self.gateway = Some(gateway);
    }

    async fn wait_for_address(&mut self) -> String {
        let server_file = self.data_dir().join("server.json");
        for _ in 0..3000 {
            if let Ok(text) = std::fs::read_to_string(&server_file)
                && let Ok(server) = serde_json::from_str::<Value>(&text)
            {
                let admin_url = server["admin_url"].as_str().unwrap();
                return admin_url.strip_suffix("/admin/v1").unwrap().to_owned();
            }
            if let Ok(Some(status)) = self.gateway.as_mut().unwrap().try_wait() {
                panic!("the gateway ended at once ({status}):\n{}", self.logs());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the gateway did not start:\n{}", self.logs());
    }

    /// Kills the gateway like a power cut.
    pub(crate) fn kill(&mut self) {
        if let Some(mut gateway) = self.gateway.take() {
            let _ = gateway.kill();
            let _ = gateway.wait();
        }
    }

    /// Stops the gateway as an operator would (SIGTERM); returns whether it ended well.
    pub(crate) fn stop(&mut self) -> bool {
        let Some(mut gateway) = self.gateway.take() else { return false };
        let told = Command::new("kill").arg(gateway.id().to_string()).status().unwrap();
        told.success() && gateway.wait().unwrap().success()
    }

    /// Sends a signal such as `HUP` to the gateway.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.gateway.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// The most memory that the gateway has used so far, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let pid = self.gateway.as_ref().unwrap().id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// The memory that the gateway has in use, in bytes.
    pub(crate) fn resident(&self) -> u64 {
        let pid = self.gateway.as_ref().unwrap().id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
    }

    /// How many files, sockets among them, the gateway has open.
    pub(crate) fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.gateway.as_ref().unwrap().id())).unwrap().count()
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.data_dir.path().to_owned()
    }

    /// How many files are still coming in.
    pub(crate) fn partial_files(&self) -> usize {
        std::fs::read_dir(self.data_dir().join("media/partial")).unwrap().count()
    }

    /// Goes on in another data directory from the next launch on; the one before.
    pub(crate) fn moves_to(&mut self, data_dir: TempDir) -> TempDir {
        assert!(self.gateway.is_none(), "the gateway runs");
        std::mem::replace(&mut self.data_dir, data_dir)
    }

    /// Waits until the gateway ends by itself; its exit code.
    pub(crate) async fn exit_code(&mut self) -> Option<i32> {
        for _ in 0..6000 {
            if let Some(status) = self.gateway.as_mut().unwrap().try_wait().unwrap() {
                self.gateway = None;
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the gateway does not end:\n{}", self.logs());
    }

    /// From now on the gateway cannot write to files beyond so many bytes (or beyond nothing: `unlimited`).
    pub(crate) fn largest_file(&self, bytes: &str) {
        assert!(self.may_fill, "the gateway would be killed");
        let pid = self.gateway.as_ref().unwrap().id().to_string();
        let told = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:")]).status();
        assert!(told.unwrap().success());
    }

    /// Everything that the gateway has written to standard error.
    pub(crate) fn logs(&self) -> String {
        self.logs.lock().unwrap().clone()
    }

    /// The messages of the log lines at a level (`INFO`, `WARN`, …).
    pub(crate) fn messages(&self, level: &str) -> Vec<String> {
        let logs = self.logs();
        let lines = logs.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let lines = lines.filter(|line| line["level"] == level);
        lines.filter_map(|line| line["message"].as_str().map(str::to_owned)).collect()
    }

    /// Waits until a log line begins like this: lines arrive a moment after the answer that they belong to.
    pub(crate) async fn says(&self, level: &str, beginning: &str) {
        for _ in 0..200 {
            if self.messages(level).iter().any(|message| message.starts_with(beginning)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("no {level} line begins {beginning:?}");
    }

    // ---- as a client ----

    /// A request with the client key.
    pub(crate) async fn request(&self, method: Method, path: &str, body: Option<Value>) -> Response {
        self.request_as(&self.client_key, method, path, body).await
    }

    pub(crate) async fn request_as(
        &self,
        key: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Response {
        let mut request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.request(Method::GET, path, None).await.json().await.unwrap()
    }

    /// Creates a video in the OpenAI dialect. Returns the Video object.
    pub(crate) async fn create(&self, prompt: &str, resolution: &str, seconds: u32) -> Value {
        let body = json!({
            "prompt": prompt, "resolution": resolution, "seconds": seconds.to_string(), "aspect_ratio": "16:9",
        });
        let response = self.request(Method::POST, "/v1/videos", Some(body)).await;
        let status = response.status();
        let video: Value = response.json().await.unwrap();
        assert!(status.is_success(), "{status}: {video}");
        video
    }

    /// Waits until a video has ended.
    pub(crate) async fn finished(&self, id: &str) -> Value {
        for _ in 0..1200 {
            let video = self.get(&format!("/v1/videos/{id}")).await;
            if matches!(video["status"].as_str(), Some("completed" | "failed")) {
                return video;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{id} did not end:\n{}", self.logs());
    }

    /// Creates a video and waits until it has ended.
    pub(crate) async fn make(&self, prompt: &str, resolution: &str, seconds: u32) -> Value {
        let video = self.create(prompt, resolution, seconds).await;
        self.finished(video["id"].as_str().unwrap()).await
    }

    /// Asks for the file of a video.
    pub(crate) async fn content(&self, id: &str) -> Response {
        self.request(Method::GET, &format!("/v1/videos/{id}/content"), None).await
    }

    // ---- as the operator ----

    /// Where the file of a video is kept.
    pub(crate) fn file(&self, id: &str) -> PathBuf {
        let job: filmgate_domain::JobId = id.strip_prefix("video_").unwrap().parse().unwrap();
        self.data_dir().join("media").join(format!("{job}.mp4"))
    }

    /// A job with everything that happened to it.
    pub(crate) async fn job(&self, id: &str) -> Value {
        self.admin(Method::GET, &format!("/jobs/{id}"), None).await
    }

    /// Waits until a job is as wanted.
    pub(crate) async fn job_until(&self, id: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..2400 {
            let job = self.job(id).await;
            if is_so(&job) {
                return job;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{id} never was {what}: {}", self.job(id).await);
    }

    /// Waits until a job is in this state.
    pub(crate) async fn reaches(&self, id: &str, state: &str) -> Value {
        self.job_until(id, state, |job| job["state"] == state).await
    }

    /// Waits until a job has ended.
    pub(crate) async fn ended(&self, id: &str) -> Value {
        self.job_until(id, "at its end", |job| !job["finished_at"].is_null()).await
    }

    /// A token, by its name at the simulator.
    pub(crate) async fn token(&self, name: &str) -> Value {
        self.admin(Method::GET, &format!("/tokens/{}", self.token_ids[name]), None).await
    }

    /// Does something (`disable`, `enable`, `reset`) with a token, by its name at the simulator.
    pub(crate) async fn with_token(&self, name: &str, verb: &str) -> Value {
        self.admin(Method::POST, &format!("/tokens/{}/{verb}", self.token_ids[name]), None).await
    }

    /// Changes a token at the provider: `{"remaining": 0}`, `{"valid": false}`.
    pub(crate) async fn at_provider(&self, name: &str, change: Value) {
        let url = format!("http://{}/simulator/tokens/{name}", self.simulator.addr());
        let answer = self.http.post(url).json(&change).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }

    /// A request to the admin API.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let response = self.request_as(ADMIN_KEY, method, &format!("/admin/v1{path}"), body).await;
        let status = response.status();
        let answer: Value = response.json().await.unwrap();
        assert!(status.is_success(), "{status}: {answer}");
        answer
    }

    /// Makes a client key of a caller of that name.
    pub(crate) async fn new_key(&self, name: &str) -> String {
        let made = self.admin(Method::POST, "/keys", Some(json!({ "name": name }))).await;
        made["key"].as_str().unwrap().to_owned()
    }

    async fn import_tokens(&mut self) {
        let [basic, superior] =
            self.sim_tokens.each_ref().map(|list| list.iter().map(|t| t.secret.clone()).collect::<Vec<_>>());
        let tokens = json!({ "ssoBasic": basic, "ssoSuper": superior });
        let answer = self.admin(Method::POST, "/tokens/import", Some(tokens)).await;
        let added = answer["added"].as_array().unwrap();
        assert_eq!(added.len(), basic.len() + superior.len(), "{answer}");
        let names = self.sim_tokens.iter().flatten().map(|token| token.name.clone());
        self.token_ids = names.zip(added.iter().map(|a| a["id"].as_str().unwrap().to_owned())).collect();
    }

    /// The tokens of a pool.
    pub(crate) async fn tokens(&self, pool: &str) -> Vec<Value> {
        let answer = self.admin(Method::GET, &format!("/tokens?pool={pool}"), None).await;
        answer["tokens"].as_array().unwrap().clone()
    }

    /// Does something (`disable`, `enable`, `reset`) with every token of a pool.
    pub(crate) async fn each_token(&self, pool: &str, verb: &str) {
        for token in self.tokens(pool).await {
            let id = token["id"].as_str().unwrap();
            self.admin(Method::POST, &format!("/tokens/{id}/{verb}"), None).await;
        }
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.kill();
        // Not dropped: that would wait, which a task of another runtime must not.
        self.provider.take().into_iter().for_each(Runtime::shutdown_background);
        if std::thread::panicking() {
            eprintln!("---- the gateway's log ----\n{}", self.logs());
        }
    }
}

/// Reads a process's output as it comes.
pub(crate) fn collect(from: impl std::io::Read + Send + 'static, into: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let mut into = into.lock().unwrap();
            into.push_str(&line);
            into.push('\n');
        }
    });
}
