//! Moving in from grok2api, with the real program: what it says, what it writes, and that the old keys work.

mod guide;
mod keys;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use filmgate_simulator::{Render, Simulator, SimulatorConfig, demo_tokens};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::{ADMIN_KEY, Setup, client};
use crate::shell::{Ran, Shell};

const CLIENT_KEY: &str = "sk-studio-7d1f0c2e9ab4d6e8";
const PASSWORD: &str = "correct horse battery staple";
const PROXY_PASSWORD: &str = "hunter2";

const CONFIG: &str = r#"
[app]
app_url = "https://video.example.com"
app_key = "correct horse battery staple"
api_key = "sk-studio-7d1f0c2e9ab4d6e8"
image_format = "url"
video_format = "url"

[network]
timeout = 120
base_proxy_url = "socks5://me:hunter2@10.0.0.7:1080"
asset_proxy_url = ""

[security]
cf_clearance = "abc.def"
browser = "chrome136"
user_agent = "Mozilla/5.0"

[chat]
temporary = true
stream = true
thinking = true
dynamic_statsig = true

[retry]
max_retry = 3
retry_status_codes = [401, 429, 403]

[timeout]
stream_idle_timeout = 120.0
video_idle_timeout = 90.0

[token]
auto_refresh = true
refresh_interval_hours = 8
fail_threshold = 3

[cache]
enable_auto_clean = true
limit_mb = 20480

[performance]
media_max_concurrent = 50
nsfw_max_concurrent = 10

[video]
smart_token_routing = true
allow_fallback_to_basic = false
log_fallback_warning = true
"#;

/// An old gateway's directory, an empty place for a new one, and a server that takes the old tokens.
struct Move {
    dir: TempDir,
    simulator: Simulator,
}

/// A server that runs; it is killed when it is forgotten.
struct Serving(Child, String);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Move {
    async fn begin() -> Self {
        let (basic, superior) = (demo_tokens("basic", 2), demo_tokens("super", 1));
        let token = |text: &str, status: &str, quota: u32, note: &str| {
            json!({
                "token": text, "status": status, "quota": quota, "created_at": 1_770_084_271_582_i64,
                "last_used_at": null, "use_count": 3, "fail_count": 0, "last_fail_at": null,
                "last_fail_reason": null, "last_sync_at": null, "tags": ["nsfw"], "note": note,
                "last_asset_clear_at": null,
            })
        };
        let tokens = json!({
            "ssoBasic": [
                token(&basic[0].secret, "active", 76, ""),
                token(&format!("sso={}", basic[1].secret), "disabled", 80, "spare"),
            ],
            "ssoSuper": [token(&superior[0].secret, "active", 140, "")],
        });
        let config = SimulatorConfig {
            tokens: [basic, superior].concat(),
            video_seconds: 0.0,
            render: Render::Flat,
            ..SimulatorConfig::default()
        };
        let simulator = Simulator::start(config, ([127, 0, 0, 1], 0).into()).await.unwrap();
        let this = Self { dir: tempfile::tempdir().unwrap(), simulator };
        std::fs::create_dir_all(this.old()).unwrap();
        std::fs::create_dir_all(this.cwd()).unwrap();
        this.write("config.toml", CONFIG);
        this.write("token.json", &serde_json::to_string_pretty(&tokens).unwrap());
        this
    }

    fn old(&self) -> PathBuf {
        self.dir.path().join("grok2api/data")
    }

    fn cwd(&self) -> PathBuf {
        self.dir.path().join("cwd")
    }

    fn data_dir(&self) -> PathBuf {
        self.dir.path().join("filmgate")
    }

    /// A file of the old gateway.
    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.old().join(name), text).unwrap();
    }

    fn shell(&self) -> Shell {
        Shell::on(&self.data_dir()).at(&self.cwd())
    }

    fn run(&self, further: &[&str]) -> Ran {
        let old = self.old().display().to_string();
        let words = [&["migrate", "grok2api", &old], further].concat();
        let ran = self.shell().run(&words);
        self.assert_without_secrets(&ran);
        ran
    }

    /// Secrets are shown by their first characters only, whatever happens.
    #[track_caller]
    fn assert_without_secrets(&self, ran: &Ran) {
        let tokens = demo_tokens("basic", 2).into_iter().chain(demo_tokens("super", 1));
        let secrets = [CLIENT_KEY, PASSWORD, PROXY_PASSWORD].map(str::to_owned);
        for secret in secrets.into_iter().chain(tokens.map(|token| token.secret)) {
            assert!(
                !ran.out.contains(&secret) && !ran.err.contains(&secret),
                "{secret}:\n{}\n{}",
                ran.out,
                ran.err
            );
        }
    }

    fn upstream(&self) -> String {
        self.simulator.url()
    }

    /// Starts the new gateway on what was taken over.
    async fn serve(&self) -> Serving {
        let mut command = self.shell().command(&["serve", "--set", "server.listen=\"127.0.0.1:0\""]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut serving = Serving(child, String::new());
        for _ in 0..600 {
            if let Ok(text) = std::fs::read_to_string(self.data_dir().join("server.json"))
                && let Ok(server) = serde_json::from_str::<Value>(&text)
            {
                let url = server["admin_url"].as_str().unwrap().strip_suffix("/admin/v1").unwrap();
                url.clone_into(&mut serving.1);
                return serving;
            }
            assert!(serving.0.try_wait().unwrap().is_none(), "the gateway ended at once");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("the gateway did not start");
    }

    /// Everything below, with its content.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        fn walk(dir: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
            for entry in std::fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    files.insert(path.clone(), Vec::new());
                    walk(&path, files);
                } else {
                    files.insert(path.clone(), std::fs::read(&path).unwrap());
                }
            }
        }
        let mut files = BTreeMap::new();
        walk(self.dir.path(), &mut files);
        files
    }
}

async fn status(serving: &Serving, path: &str, key: &str) -> StatusCode {
    client().get(format!("{}{path}", serving.1)).bearer_auth(key).send().await.unwrap().status()
}

/// The lists of a run: what is taken, and what needs the operator.
fn lists(json: &Value) -> (Vec<&Value>, Vec<&str>) {
    let list = |name: &str| json[name].as_array().unwrap();
    (
        list("taken_over").iter().collect(),
        list("needs_you").iter().map(|need| need["what"].as_str().unwrap()).collect(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_dry_run_writes_nothing_at_all() {
    let moving = Move::begin().await;
    let before = moving.files();
    let elsewhere = format!("media.dir=\"{}\"", moving.dir.path().join("films").display());
    let upstream = moving.upstream();
    for further in [&[][..], &["--json"], &["--upstream", &upstream], &["--set", &elsewhere]] {
        let ran = moving.run(further).with_code(0);
        assert!(ran.out.contains("server.public_url") && ran.out.contains("sk-studi"), "{}", ran.out);
        assert!(moving.files() == before, "{further:?} wrote something");
    }
    let told = moving.run(&[]).says("Nothing was written.").says("--apply").out;
    assert!(told.contains("3 tokens in ssoBasic and ssoSuper: no API keys of xAI"), "{told}");
    assert!(told.contains("--upstream http://YOUR-SERVER:PORT/v1 --apply"), "{told}");
    assert!(!told.contains("token.json: ssoBasic"), "they are not taken over: {told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn applications_and_the_operator_go_on_with_their_keys() {
    let moving = Move::begin().await;
    let upstream = moving.upstream();
    let dry = moving.run(&["--upstream", &upstream, "--json"]).with_code(0).json();
    let applied = moving.run(&["--upstream", &upstream, "--apply", "--json"]).with_code(0).json();
    assert_eq!((&dry["applied"], &applied["applied"]), (&json!(false), &json!(true)));
    for list in ["taken_over", "left_out", "needs_you"] {
        assert_eq!(dry[list], applied[list], "a dry run says what will be done");
    }

    let serving = moving.serve().await;
    assert_eq!(status(&serving, "/v1/models", CLIENT_KEY).await, StatusCode::OK);
    assert_eq!(status(&serving, "/admin/v1/tokens", PASSWORD).await, StatusCode::OK);
    assert_eq!(status(&serving, "/admin/v1/tokens", CLIENT_KEY).await, StatusCode::FORBIDDEN);
    assert_eq!(status(&serving, "/v1/models", PASSWORD).await, StatusCode::UNAUTHORIZED);

    let shell = moving.shell().env("FILMGATE_API_KEY", CLIENT_KEY);
    let made =
        shell.json(&["generate", "a red fox", "--resolution", "720p", "--seconds", "5", "-o", "fox.mp4"]);
    assert_eq!(
        (&made["filmgate"]["pool"], &made["filmgate"]["verdict"]),
        (&json!("ssoSuper"), &json!("as_asked")),
        "{made}"
    );
    let tokens = shell.json(&["token", "list"]);
    let seen: Vec<_> = tokens["tokens"].as_array().unwrap().iter().collect();
    let of = |token: &Value| [token["pool"].clone(), token["status"].clone(), token["note"].clone()];
    assert_eq!(of(seen[0]), ["ssoBasic", "active", ""]);
    assert_eq!(of(seen[1]), ["ssoBasic", "disabled", "spare"]);
    assert_eq!(of(seen[2]), ["ssoSuper", "active", ""]);
    assert_eq!((&seen[0]["spent"], &seen[0]["tags"]), (&json!(4), &json!(["nsfw"])), "76 of 80 were left");
    let keys = shell.json(&["key", "list"]);
    assert_eq!(keys["keys"].as_array().unwrap().len(), 1, "no other key was made: {keys}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn applying_again_changes_nothing() {
    let moving = Move::begin().await;
    let upstream = moving.upstream();
    std::fs::create_dir_all(moving.data_dir()).unwrap();
    let own = "# Mine.\n[jobs]\ndeadline = \"20m\" # long\n";
    std::fs::write(moving.data_dir().join("filmgate.toml"), own).unwrap();
    moving.run(&["--upstream", &upstream, "--apply"]).with_code(0);
    let kept = |moving: &Move| {
        let file = |name: &str| std::fs::read_to_string(moving.data_dir().join(name)).unwrap();
        let shell = moving.shell();
        let mut books = (shell.json(&["token", "list"]), shell.json(&["key", "list"]));
        books.0["tokens"].as_array_mut().unwrap().iter_mut().for_each(|token| token["quota"] = json!(null));
        (file("filmgate.toml"), file("admin.key"), books)
    };
    let first = kept(&moving);
    assert!(first.0.starts_with(own), "comments stay: {}", first.0);
    let again = moving.run(&["--upstream", &upstream, "--apply", "--json"]).with_code(0).json();
    assert_eq!(kept(&moving), first);
    let (taken, _) = lists(&again);
    assert!(taken.len() > 10 && taken.iter().all(|taken| taken["already"] == json!(true)), "{again}");
    let without = moving.run(&["--apply", "--json"]).with_code(0).json();
    assert_eq!(kept(&moving), first, "the tokens' server stays");
    assert!(lists(&without).0.iter().all(|taken| taken["already"] == json!(true)), "{without}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_the_operator_has_set_stays_and_is_told() {
    let moving = Move::begin().await;
    let own = "[video]\nallow_fallback_to_basic = true # mine\n[upstreams.xai]\nproxy = \"http://other:1\"\n";
    std::fs::write(moving.cwd().join("filmgate.toml"), own).unwrap();
    std::fs::create_dir_all(moving.data_dir()).unwrap();
    std::fs::write(moving.data_dir().join("admin.key"), "fga-the-operators-own-key\n").unwrap();
    let told = moving.run(&["--set", "tokens.fail_threshold=9", "--apply", "--json"]).with_code(0).json();
    let (_, needs) = lists(&told);
    let has = |words: &str| needs.iter().any(|need| need.contains(words));
    assert!(has("video.allow_fallback_to_basic is true here (filmgate.toml:2), and stays"), "{needs:#?}");
    assert!(has("upstreams.xai.proxy is \"http://other:1\" here"), "{needs:#?}");
    assert!(has("tokens.fail_threshold is 9 by --set, which is stronger than a file"), "{needs:#?}");
    assert!(has("the data directory has another admin key, which stays"), "{needs:#?}");
    let text = std::fs::read_to_string(moving.cwd().join("filmgate.toml")).unwrap();
    assert!(
        text.contains("allow_fallback_to_basic = true # mine\n")
            && text.contains("proxy = \"http://other:1\"")
    );
    assert!(
        text.contains("content = \"url\"") && !text.contains("fail_threshold"),
        "the rest is written: {text}"
    );
    let key = std::fs::read_to_string(moving.data_dir().join("admin.key")).unwrap();
    assert_eq!(key, "fga-the-operators-own-key\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_running_server_is_moved_into() {
    let app = Setup { tokens: [0, 0], ..Setup::default() }.start().await;
    let moving = Move::begin().await;
    let old = moving.old().display().to_string();
    let shell = Shell::of(&app);
    let dry = shell.run(&["migrate", "grok2api", &old, "--json"]).with_code(0).json();
    assert!(!app.data_dir().join("filmgate.toml").exists());
    let applied = shell.run(&["migrate", "grok2api", &old, "--apply", "--json"]).with_code(0).json();
    assert_eq!(dry["taken_over"], applied["taken_over"]);
    let (_, needs) = lists(&applied);
    assert!(
        needs.iter().any(|need| need.contains("A running server cannot change its admin key")),
        "{needs:#?}"
    );

    // At once, without a restart: the key, the settings, the tokens.
    let models = app.request_as(CLIENT_KEY, reqwest::Method::GET, "/v1/models", None).await;
    assert_eq!(models.status(), StatusCode::OK);
    let config = app.admin(reqwest::Method::GET, "/config", None).await;
    let config = config["config"].as_str().unwrap();
    assert!(
        config.contains("content = \"url\"  # ") && config.contains("max_bytes = \"20GiB\"  # "),
        "{config}"
    );
    assert_eq!((app.tokens("ssoBasic").await.len(), app.tokens("ssoSuper").await.len()), (2, 1));
    let own = app.request_as(ADMIN_KEY, reqwest::Method::GET, "/admin/v1/tokens", None).await;
    assert_eq!(own.status(), StatusCode::OK, "the admin key stays");

    let again = shell.run(&["migrate", "grok2api", &old, "--apply", "--json"]).with_code(0).json();
    assert!(lists(&again).0.iter().all(|taken| taken["already"] == json!(true)), "{again}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn mistakes_name_their_place_and_nothing_is_written() {
    let moving = Move::begin().await;
    let shell = moving.shell();
    shell
        .run(&["migrate", "grok2api", "/nowhere/at/all", "--apply"])
        .with_code(1)
        .says("/nowhere/at/all does not exist");
    shell.run(&["migrate", "grok2api"]).with_code(2);
    shell.run(&["migrate", "one-api", "x"]).with_code(2);
    moving.run(&["--upstream", "nonsense", "--apply"]).with_code(1).says("nonsense");
    let tokens = std::fs::read_to_string(moving.old().join("token.json")).unwrap();
    moving.write("token.json", &tokens.replacen("\"status\": \"active\",", "\"status\": \"active\"", 1));
    let broken = moving.run(&["--apply"]).with_code(1);
    let line = tokens.lines().position(|line| line.contains("\"status\": \"active\"")).unwrap() + 2;
    assert!(broken.err.contains(&format!("token.json:{line}: ")), "line {line}: {}", broken.err);
    moving.write("token.json", &tokens);
    moving.write("config.toml", "[app]\napp_key = \"x\"\napp_key = \"y\"\n");
    moving.run(&["--apply"]).with_code(1).says("config.toml:3: ");
    // A configuration here that cannot be used.
    moving.write("config.toml", CONFIG);
    std::fs::write(moving.cwd().join("filmgate.toml"), "[video]\nnonsense = 1\n").unwrap();
    moving.run(&["--apply"]).with_code(1).says("filmgate.toml:2");
    assert!(!moving.data_dir().exists(), "nothing was made");
}
