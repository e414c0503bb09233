//! Another master key takes the place of the one before, and wherever that is cut off, everything opens.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::app::{Setup, TestApp, seed};
use crate::shell::Shell;

/// The secrets of all tokens, as the gateway reads them.
fn secrets(shell: &Shell) -> Value {
    shell.json(&["token", "export", "--secrets"])
}

fn key_in(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("master.key")).unwrap()
}

/// A gateway with tokens and a webhook, stopped.
async fn with_secrets(setup: Setup) -> TestApp {
    let mut app = setup.start().await;
    let hook = json!({ "url": "https://receiver.example/hook" });
    app.admin(reqwest::Method::PUT, "/webhooks/tests", Some(hook)).await;
    app.admin(reqwest::Method::POST, "/webhooks/tests/rotate", None).await;
    assert!(app.stop());
    app
}

#[tokio::test]
async fn everything_opens_with_the_new_key_and_nothing_with_the_old_one() {
    let mut app = with_secrets(Setup::default()).await;
    let shell = Shell::of(&app);
    let (before, old_key) = (secrets(&shell), key_in(&app.data_dir()));
    let said = shell.json(&["master-key", "rotate"]);
    assert_eq!(said, json!({ "tokens": 4, "webhook_secrets": 2 }));
    assert_ne!(key_in(&app.data_dir()), old_key);
    assert!(!app.data_dir().join("master.key.next").exists());
    assert_eq!(secrets(&shell), before);
    app.launch().await;
    assert_eq!(app.make("one", "720p", 6).await["status"], "completed");
    // A token that is there is known again.
    let again = app.admin(
        reqwest::Method::POST,
        "/tokens/import",
        Some(json!({ "ssoBasic": [app.sim_tokens[0][0].secret] })),
    );
    assert_eq!(again.await["added"], json!([]));
    let audit = app.admin(reqwest::Method::GET, "/audit?action=master_key", None).await;
    assert_eq!(audit["entries"][0]["subject"], "version 2", "{audit}");
    assert!(app.stop());
    let old = Shell::of(&app).env("FILMGATE_MASTER_KEY", old_key.trim());
    old.run(&["token", "list"]).with_code(1).says("the master key does not fit");
}

#[tokio::test]
async fn a_key_from_the_environment_is_replaced_by_one_from_there() {
    let keys = ["5a".repeat(32), "c3".repeat(32)];
    let env = vec![("FILMGATE_MASTER_KEY", keys[0].clone())];
    let app = with_secrets(Setup { env, ..Setup::default() }).await;
    let with = |n: usize| Shell::of(&app).env("FILMGATE_MASTER_KEY", &keys[n]);
    let before = secrets(&with(0));
    with(0).run(&["master-key", "rotate"]).with_code(1).says("FILMGATE_NEW_MASTER_KEY");
    let rotate = |n: usize| with(n).env("FILMGATE_NEW_MASTER_KEY", &keys[1]).run(&["master-key", "rotate"]);
    rotate(0).with_code(0).says("put the new one in FILMGATE_MASTER_KEY");
    // Asked again by somebody who does not know whether it was done.
    assert!(rotate(0).with_code(0).out.contains("was sealed with the new key before"));
    assert_eq!(secrets(&with(1)), before);
    with(0).run(&["token", "list"]).with_code(1).says("the master key does not fit");
    assert!(!app.data_dir().join("master.key").exists());
}

#[tokio::test]
async fn a_gateway_that_runs_keeps_its_key() {
    let app = Setup::default().start().await;
    let key = key_in(&app.data_dir());
    Shell::of(&app).run(&["master-key", "rotate"]).with_code(1).says("has to be stopped");
    assert_eq!(key_in(&app.data_dir()), key);
}

/// Slow: a hundred processes.
#[tokio::test]
async fn slow_killed_at_fifty_moments_everything_opens() {
    let app = with_secrets(Setup { tokens: [20, 20], ..Setup::default() }).await;
    let shell = Shell::of(&app);
    let before = secrets(&shell);
    let mut rng = StdRng::seed_from_u64(seed(20_261_123));
    let mut whole = 0;
    let mut keys = std::collections::BTreeSet::from([key_in(&app.data_dir())]);
    for _ in 0..50 {
        let mut command = shell.command(&["master-key", "rotate"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        tokio::time::sleep(Duration::from_micros(rng.random_range(0..120_000))).await;
        whole += usize::from(child.try_wait().unwrap().is_some());
        let _ = child.kill();
        child.wait().unwrap();
        assert_eq!(secrets(&shell), before);
        assert!(!app.data_dir().join("master.key.next").exists(), "put right");
        keys.insert(key_in(&app.data_dir()));
    }
    eprintln!("{whole} of 50 were done before the kill; {} keys in all", keys.len());
    assert!(keys.len() > 1, "none came far enough to matter");
    assert!(whole < 50, "none was cut off");
}
