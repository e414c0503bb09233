//! `filmgate generate`: a client's way to a video file.

use std::fs::File;
use std::io::BufReader;

use serde_json::json;

use crate::app::{Setup, TestApp};
use crate::shell::Shell;

fn at_once() -> Setup {
    Setup { video_seconds: 0.0, ..Setup::default() }
}

/// A client of a running gateway, as its users have it: no data directory, an address and a key.
fn client(app: &TestApp, dir: &tempfile::TempDir) -> Shell {
    let shell = Shell::on(&dir.path().join("none")).at(dir.path());
    shell.env("FILMGATE_BASE_URL", &format!("{}/v1", app.url)).env("FILMGATE_API_KEY", &app.client_key)
}

/// Width, height and length of a file, as the prober measures it.
fn measured(path: &std::path::Path) -> (u64, u64, f64, u64) {
    let bytes = path.metadata().unwrap().len();
    let video = filmgate_media::probe(&mut BufReader::new(File::open(path).unwrap()), bytes).unwrap();
    (u64::from(video.width), u64::from(video.height), video.duration_ms as f64 / 1000.0, bytes)
}

#[tokio::test]
async fn generate_saves_a_file_and_tells_what_it_is() {
    let app = at_once().start().await;
    let dir = tempfile::tempdir().unwrap();
    let shell = client(&app, &dir);
    let args = ["generate", "a red fox", "--resolution", "720p", "--seconds", "5", "-o", "fox.mp4"];
    let told = shell.json(&args);
    let fox = dir.path().join("fox.mp4");
    let file = &told["file"];
    let figures = (
        file["width"].as_u64().unwrap(),
        file["height"].as_u64().unwrap(),
        file["seconds"].as_f64().unwrap(),
        file["bytes"].as_u64().unwrap(),
    );
    assert_eq!(measured(&fox), figures);
    assert_eq!((figures.0, figures.1, figures.2), (1280, 720, 5.0));
    assert_eq!((&told["status"], &told["filmgate"]["verdict"]), (&json!("completed"), &json!("as_asked")));
    assert_eq!(told["filmgate"]["delivered"]["bytes"], figures.3);

    // What is there is not overwritten unless asked, and nothing is spent before that is known.
    let made = app.simulator.generations().len();
    shell.run(&args).with_code(1).says("fox.mp4 is there already");
    assert_eq!(app.simulator.generations().len(), made);
    let portrait = [
        "generate",
        "a red fox",
        "-r",
        "480p",
        "-s",
        "4",
        "--aspect-ratio",
        "9:16",
        "-o",
        "fox.mp4",
        "--force",
    ];
    let told = shell.ok(&portrait);
    let (width, height, seconds, _) = measured(&fox);
    assert!(told.contains(&format!("{width}x{height}, {seconds:.1}s")), "{told}");
    assert!(height > width);
    for words in [
        "asked      480p 4s 9:16",
        "sent       480p 4s 9:16",
        "ssoBasic (primary",
        "verdict    as asked",
        "fox.mp4",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    // Without a name, the prompt is one.
    let told = shell.json(&["generate", "Über den Wolken/../x", "-r", "480p", "-s", "3"]);
    let path = std::path::Path::new(told["file"]["path"].as_str().unwrap());
    assert_eq!(path.components().count(), 1, "{path:?}");
    assert!(dir.path().join(path).is_file());
}

#[tokio::test]
async fn generate_says_by_its_exit_code_how_it_went() {
    let app = at_once().start().await;
    let dir = tempfile::tempdir().unwrap();
    let shell = client(&app, &dir);
    let generate = |prompt: &str, name: &str, more: &[&str]| {
        shell.run(&[&["generate", prompt, "-r", "720p", "-s", "4", "-o", name], more].concat())
    };
    let lied = generate("[lie] a fox", "lie.mp4", &[]).with_code(3);
    assert!(lied.out.contains("720p became 752x416"), "{}", lied.out);
    assert_eq!(measured(&dir.path().join("lie.mp4")).1, 416);
    generate("[fail] a fox", "fail.mp4", &[]).with_code(1).says("upstream_failed");
    generate("[moderate] a fox", "fail.mp4", &["--json"]).with_code(1).says("moderation");
    assert!(!dir.path().join("fail.mp4").exists());
    generate("", "x.mp4", &[]).with_code(1).says("prompt");
    generate("a fox", "x.mp4", &["--model", "x"]).with_code(1).says("grok-imagine-video");
    generate("a fox", "nowhere/x.mp4", &[]).with_code(1).says("nowhere");
    generate("a fox", "x.mp4", &["--api-key", "fg-nobody"]).with_code(1).says("key");
    generate("a fox", "x.mp4", &["--base-url", "http://127.0.0.1:1/v1"]).with_code(1).says("127.0.0.1:1");

    app.each_token("ssoSuper", "disable").await;
    let told = generate("a fox", "fallback.mp4", &["--json"]).with_code(3).json();
    assert_eq!(told["filmgate"]["route"], "fallback");
    app.each_token("ssoBasic", "disable").await;
    generate("a fox", "x.mp4", &[]).with_code(4).says("no token");
    assert!(!dir.path().join("x.mp4").exists());
}

#[tokio::test]
async fn generate_goes_on_with_a_video() {
    let app = at_once().start().await;
    let dir = tempfile::tempdir().unwrap();
    let shell = client(&app, &dir);
    let video = app.make("a red fox", "480p", 4).await;
    let told = shell.json(&["generate", "--resume", video["id"].as_str().unwrap(), "-o", "fox.mp4"]);
    assert_eq!(told["id"], video["id"]);
    assert_eq!(
        measured(&dir.path().join("fox.mp4")).3,
        video["filmgate"]["delivered"]["bytes"].as_u64().unwrap()
    );
    assert_eq!(app.simulator.generations().len(), 1);
    shell
        .run(&["generate", "--resume", "video_00000000000000000000000000000000"])
        .with_code(1)
        .says("no such video");
    shell.run(&["generate", "a fox", "--resume", "x"]).with_code(2);
}

#[tokio::test]
async fn ctrl_c_leaves_the_video_to_the_gateway() {
    let app = Setup { video_seconds: 3600.0, ..Setup::default() }.start().await;
    let dir = tempfile::tempdir().unwrap();
    let mut command = client(&app, &dir).command(&["generate", "a red fox", "-o", "fox.mp4"]);
    let child =
        command.stdin(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    while app.jobs().await.iter().all(|job| job["state"] != "running") {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("filmgate generate --resume video_"), "{told}");
    assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none(), "no half file is left");
    assert_eq!(app.jobs().await[0]["state"], "running");
}

#[tokio::test]
async fn generate_says_what_a_shortage_means() {
    let app = Setup { tokens: [1, 0], ..at_once() }.start().await;
    let dir = tempfile::tempdir().unwrap();
    let shell = client(&app, &dir);
    let with = |more: &[&'static str]| [&["generate", "a red fox", "-r", "720p", "-s", "5"], more].concat();
    shell.run(&with(&["--on-shortage", "fail"])).with_code(4);
    shell.run(&with(&["--on-shortage", "wait", "--max-wait", "1"])).with_code(1).says("waited 1.0 s");
    assert!(app.simulator.generations().is_empty());
    let fallen_back = shell.run(&with(&[])).with_code(3);
    assert!(fallen_back.out.contains("ssoBasic (fallback"), "{}", fallen_back.out);
}
