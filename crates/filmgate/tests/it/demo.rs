//! `filmgate demo`, as a newcomer starts it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::app::{client, collect};
use crate::shell::Shell;

/// A demo that runs. Dropping it kills it.
struct Demo {
    child: Child,
    out: BufReader<ChildStdout>,
    err: Arc<Mutex<String>>,
    home: tempfile::TempDir,
}

impl Demo {
    fn start(args: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut command = Self::command(home.path(), args);
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let err = Arc::default();
        collect(child.stderr.take().unwrap(), Arc::clone(&err));
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out, err, home }
    }

    /// In a directory of its own, which is also where temporary files go.
    fn command(home: &Path, args: &[&str]) -> Command {
        Shell::on(home).env("TMPDIR", home.to_str().unwrap()).bare(&[&["demo"], args].concat())
    }

    /// The first line of a demo that was started with `--json`.
    fn described(&mut self) -> Value {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{error}: {line:?}\n{}", self.err.lock().unwrap()))
    }

    /// What it prints to people.
    fn greeting(&mut self) -> String {
        let mut text = String::new();
        while !text.contains("Ctrl-C ends the demo") {
            assert_ne!(self.out.read_line(&mut text).unwrap(), 0, "{text}\n{}", self.err.lock().unwrap());
        }
        text
    }

    /// Ctrl-C. What it still printed to standard output.
    fn interrupt(mut self) -> String {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success());
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{}", self.err.lock().unwrap());
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        let left: Vec<PathBuf> =
            std::fs::read_dir(self.home.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "temporary files are left: {left:?}");
        rest
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn make(described: &Value, prompt: &str, resolution: &str) -> Value {
    let text = |name: &str| described[name].as_str().unwrap();
    let body = json!({
        "messages": [{ "role": "user", "content": prompt }],
        "video_config": { "resolution_name": resolution, "video_length": 6 },
    });
    let request =
        client().post(format!("{}/chat/completions", text("base_url"))).bearer_auth(text("client_key"));
    request.json(&body).send().await.unwrap().json().await.unwrap()
}

async fn tokens(described: &Value, pool: &str) -> usize {
    let text = |name: &str| described[name].as_str().unwrap();
    let request =
        client().get(format!("{}/tokens?pool={pool}", text("admin_url"))).bearer_auth(text("admin_key"));
    let tokens: Value = request.send().await.unwrap().json().await.unwrap();
    tokens["tokens"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_script_reads_one_line_of_json() {
    let mut demo = Demo::start(&["--json", "--listen", "127.0.0.1:0", "--simulated-seconds", "0.1"]);
    let described = demo.described();
    let keys: Vec<&String> = described.as_object().unwrap().keys().collect();
    let mut expected =
        ["base_url", "client_key", "page_url", "admin_url", "admin_key", "simulator_url", "data_dir"];
    expected.sort_unstable();
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    assert!(described.as_object().unwrap().values().all(Value::is_string), "{described}");
    assert!(described["base_url"].as_str().unwrap().ends_with("/v1"));
    assert!(Path::new(described["data_dir"].as_str().unwrap()).is_dir());

    let made = make(&described, "a red fox", "720p").await;
    assert_eq!(
        (&made["filmgate"]["pool"], &made["filmgate"]["verdict"]),
        (&json!("ssoSuper"), &json!("as_asked"))
    );
    make(&described, "[lie] a red fox", "720p").await;
    assert_eq!((tokens(&described, "ssoBasic").await, tokens(&described, "ssoSuper").await), (3, 3));
    let simulator = described["simulator_url"].as_str().unwrap().replace("/v1", "/simulator/generations");
    let seen: Value = client().get(simulator).send().await.unwrap().json().await.unwrap();
    assert!(seen.to_string().contains("a red fox"), "{seen}");
    let rest = demo.interrupt();
    assert_eq!(rest, "", "nothing else goes to standard output");
}

#[tokio::test]
async fn its_flags_do_what_they_say() {
    let data = tempfile::tempdir().unwrap();
    let data_dir = data.path().join("demo").display().to_string();
    let args = [
        "--json",
        "--listen",
        "127.0.0.1:0",
        "--simulated-seconds",
        "0.1",
        "--tokens",
        "ssoBasic=2,ssoSuper=0",
        "--set",
        "video.allow_fallback_to_basic=false",
        "--data-dir",
        &data_dir,
    ];
    let mut demo = Demo::start(&args);
    let described = demo.described();
    assert_eq!(described["data_dir"], *data_dir);
    assert_eq!((tokens(&described, "ssoBasic").await, tokens(&described, "ssoSuper").await), (2, 0));
    assert_eq!(make(&described, "a red fox", "720p").await["error"]["code"], "rate_limit_exceeded");
    assert_eq!(make(&described, "a red fox", "480p").await["filmgate"]["pool"], "ssoBasic");
    demo.interrupt();
    assert!(Path::new(&data_dir).join("filmgate.db").is_file(), "a directory that was named stays");
    // And again, on the same directory.
    let mut demo = Demo::start(&args);
    let described = demo.described();
    assert_eq!(tokens(&described, "ssoBasic").await, 2);
    assert_eq!(make(&described, "a red fox", "480p").await["filmgate"]["pool"], "ssoBasic");
    demo.interrupt();

    for (wrong, words) in [
        (&["--tokens", "ssoUltra=1"][..], "ssoUltra"),
        (&["--tokens", "ssoBasic=many"], "many"),
        (&["--simulated-seconds=-1"], "simulated-seconds"),
        (&["--simulated-seconds", "NaN"], "simulated-seconds"),
        (&["--listen", "nowhere"], "nowhere"),
        (&["--set", "video.nonsense=1"], "nonsense"),
    ] {
        let home = tempfile::tempdir().unwrap();
        let output = Demo::command(home.path(), wrong).stdin(Stdio::null()).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && told.contains(words), "{wrong:?}: {told}");
        assert!(std::fs::read_dir(home.path()).unwrap().next().is_none(), "{wrong:?} leaves nothing behind");
    }
}

#[tokio::test]
async fn a_taken_port_is_told_and_another_chosen() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().map(|address| (taken, address.to_string())).unwrap();
    let mut demo = Demo::start(&["--listen", &taken.1]);
    let greeting = demo.greeting();
    assert!(greeting.contains(&format!("{} is in use", taken.1)), "{greeting}");
    let base = greeting.lines().find_map(|line| line.trim().strip_prefix("base URL")).unwrap().trim();
    assert!(!base.contains(&taken.1));
    let answer = client().get(base.replace("/v1", "/healthz")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    demo.interrupt();

    let mut demo = Demo::start(&["--json", "--listen", &taken.1, "--simulated-seconds", "0.1"]);
    let described = demo.described();
    assert_ne!(described["base_url"], format!("http://{}/v1", taken.1));
    assert_eq!(make(&described, "a red fox", "720p").await["filmgate"]["pool"], "ssoSuper");
    demo.interrupt();
}

#[tokio::test]
async fn the_printed_commands_work_when_pasted() {
    let mut demo = Demo::start(&["--listen", "127.0.0.1:0", "--simulated-seconds", "0.1"]);
    let greeting = demo.greeting();
    // A command is an indented block, and goes on where a line ends in a backslash.
    let mut commands: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in greeting.lines() {
        let begins = ["  curl ", "  FILMGATE_BASE_URL="].iter().any(|word| line.starts_with(word));
        if begins {
            commands.push(String::new());
        }
        if begins || goes_on {
            let command = commands.last_mut().unwrap();
            command.push_str(line);
            command.push('\n');
            goes_on = line.ends_with('\\');
        }
    }
    assert_eq!(commands.len(), 3, "{greeting}");
    let elsewhere = tempfile::tempdir().unwrap();
    let paste = |command: &str| {
        let output = Command::new("sh").args(["-c", command]).current_dir(elsewhere.path()).output().unwrap();
        assert!(output.status.success(), "{command}\n{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    for (command, pool) in commands.iter().zip(["ssoSuper", "ssoBasic"]) {
        let answer: Value = serde_json::from_str(&paste(command)).unwrap();
        assert_eq!(
            (&answer["filmgate"]["pool"], &answer["filmgate"]["verdict"]),
            (&json!(pool), &json!("as_asked"))
        );
    }
    let told = paste(&commands[2]);
    assert!(told.contains("1280x720, 10.0s") && told.contains("as asked"), "{told}");
    assert!(elsewhere.path().join("fox.mp4").is_file());
    demo.interrupt();
}

#[test]
fn the_tour_shows_five_scenarios() {
    let home = tempfile::tempdir().unwrap();
    let args = ["--tour", "--simulated-seconds", "0.3", "--listen", "127.0.0.1:0"];
    let output = Demo::command(home.path(), &args).stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    let scenarios: Vec<&str> = told.split("\n\n").filter(|block| block.contains("verdict")).collect();
    let expected = [
        ("1. 480p, 6 s", "ssoBasic, primary", "as_asked", "752x416, 6.0 s"),
        ("2. 720p, 6 s", "ssoSuper, primary", "as_asked", "1280x720, 6.0 s"),
        ("3. 480p, 10 s", "ssoSuper, primary", "as_asked", "752x416, 10.0 s"),
        ("4. 720p, 6 s, no Super", "ssoBasic, fallback", "downgraded: 720p became 752x416", "752x416, 6.0 s"),
        (
            "5. 720p, 6 s, and the provider lies",
            "ssoSuper, primary",
            "downgraded: 720p became 752x416",
            "752x416, 6.0 s",
        ),
    ];
    assert_eq!(scenarios.len(), expected.len(), "{told}");
    for (shown, (title, route, verdict, delivered)) in scenarios.iter().zip(expected) {
        for words in [title, route, verdict, delivered] {
            assert!(shown.contains(words), "{words}:\n{shown}");
        }
        assert!(["asked", "sent", "why"].iter().all(|word| shown.contains(word)), "{shown}");
    }
    assert!(!told.contains("NOT AS EXPECTED"));
    assert!(std::fs::read_dir(home.path()).unwrap().next().is_none(), "nothing is left behind");
}

#[test]
fn the_tour_for_programs() {
    let home = tempfile::tempdir().unwrap();
    let args = ["--tour", "--json", "--simulated-seconds", "0.1", "--listen", "127.0.0.1:0"];
    let output = Demo::command(home.path(), &args).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success());
    let lines: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 5);
    assert!(lines.iter().all(|line| line["as_expected"] == true), "{lines:?}");
}

#[tokio::test]
async fn the_simulator_alone() {
    let home = tempfile::tempdir().unwrap();
    let mut command =
        Shell::on(home.path()).bare(&["simulator", "--json", "--listen", "127.0.0.1:0", "--tokens", "1"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let described: Value = serde_json::from_str(&line).unwrap();
    let token = described["tokens"]["ssoSuper"][0].as_str().unwrap();
    let models = client().get(format!("{}/models", described["url"].as_str().unwrap())).bearer_auth(token);
    assert_eq!(models.send().await.unwrap().status(), StatusCode::OK);
    assert!(Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
