//! Backups of a gateway at work, and what becomes of its jobs in another directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use filmgate_simulator::SimulatorConfig;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::{Setup, TestApp};
use crate::books;
use crate::recovery::{admit_at_rest, create_until};
use crate::shell::Shell;

/// A place for a backup, which is not there yet.
fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("backup");
    (dir, path)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Restores a backup to a fresh directory, with the settings of a gateway; what the command said.
fn restored(app: &TestApp, backup: &Path) -> (TempDir, Value) {
    let dir = tempfile::tempdir().unwrap();
    let mut args = vec!["restore".to_owned(), text(backup).to_owned()];
    args.extend(app.settings().into_iter().flat_map(|setting| ["--set".to_owned(), setting]));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let said = Shell::on(dir.path()).json(&args);
    (dir, said)
}

/// Stops the gateway and goes on with the books of a backup.
async fn go_on_with(app: &mut TestApp, backup: &Path) -> (TempDir, Value) {
    app.kill();
    let (dir, said) = restored(app, backup);
    let before = app.moves_to(dir);
    app.launch().await;
    (before, said)
}

/// Asks for videos one after the other; what was accepted.
async fn ask(request: reqwest::RequestBuilder, client: usize) -> Vec<String> {
    let mut accepted = Vec::new();
    for n in 0..12 {
        let prompt = format!("client {client}, video {n}");
        let body = json!({ "prompt": prompt, "resolution": "480p", "seconds": "6", "aspect_ratio": "16:9" });
        let response = request.try_clone().unwrap().json(&body).send().await.unwrap();
        assert!(response.status().is_success(), "{response:?}");
        accepted.push(response.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned());
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    accepted
}

async fn all_ended(app: &TestApp) -> BTreeMap<String, Value> {
    for _ in 0..1200 {
        let jobs = books::jobs(app).await;
        if jobs.iter().all(|job| !job["finished_at"].is_null()) {
            return jobs.into_iter().map(|job| (job["id"].as_str().unwrap().to_owned(), job)).collect();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("some jobs never end: {:?}", books::jobs(app).await);
}

/// Every video is served, or nobody knows what became of it; how many are so.
async fn served_or_unknown(app: &TestApp, jobs: &BTreeMap<String, Value>) -> usize {
    let mut unknown = 0;
    for (id, job) in jobs {
        if job["state"] == "completed" {
            let served = app.content(id).await.bytes().await.unwrap();
            assert_eq!(served.len() as u64, job["filmgate"]["delivered"]["bytes"], "{job}");
        } else {
            assert_eq!(job["failure"]["code"], "outcome_unknown", "{job}");
            unknown += 1;
        }
    }
    unknown
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_backups_under_load_are_whole_and_nothing_is_made_twice_from_them() {
    let slow = |config: &mut SimulatorConfig| config.answer_delay = Duration::from_millis(40);
    let setup = Setup { tokens: [12, 0], video_seconds: 0.2, simulator: slow, ..Setup::default() };
    let mut app = setup.start().await;
    let clients: Vec<_> = (0..3)
        .map(|client| {
            let request = app.http.post(format!("{}/v1/videos", app.url)).bearer_auth(&app.client_key);
            tokio::spawn(ask(request, client))
        })
        .collect();
    let mut backups = Vec::new();
    for _ in 0..3 {
        let acknowledged = books::jobs(&app).await;
        let (dir, path) = place();
        let shell = Shell::of(&app);
        let to = text(&path).to_owned();
        let said =
            tokio::task::spawn_blocking(move || shell.json(&["backup", &to, "--media"])).await.unwrap();
        backups.push((dir, path, acknowledged, said));
    }
    let mut accepted = Vec::new();
    for client in clients {
        accepted.extend(client.await.unwrap());
    }
    let original = all_ended(&app).await;
    assert!(
        accepted.iter().all(|id| original[id]["state"] == "completed"),
        "nobody was held up: {original:?}"
    );
    let mut made = books::generations(&app);
    assert!(made.len() == accepted.len() && made.values().all(|times| *times == 1), "{made:?}");

    for (_dir, path, acknowledged, said) in &backups {
        let (before, told) = go_on_with(&mut app, path).await;
        let jobs = all_ended(&app).await;
        assert_eq!(json!(jobs.len()), said["jobs"]);
        for job in acknowledged {
            assert!(
                jobs.contains_key(job["id"].as_str().unwrap()),
                "{job} was acknowledged before the backup"
            );
        }
        assert_eq!(told["outcome_unknown"], json!(served_or_unknown(&app, &jobs).await));
        assert_eq!(books::generations(&app), made, "made again from a backup");
        books::balance(&app).await;
        // Good for new videos, with the keys from before.
        let prompt = format!("after {}", text(path));
        assert_eq!(app.make(&prompt, "480p", 6).await["status"], "completed");
        made.insert(prompt, 1);
        app.kill();
        books::is_sound(&app);
        drop(app.moves_to(before));
        app.launch().await;
    }
}

#[tokio::test]
async fn what_was_sent_after_the_backup_is_not_sent_again() {
    let mut app = Setup { tokens: [0, 4], ..Setup::default() }.start().await;
    app.kill();
    let id = admit_at_rest(&app, "one").await;
    let (_dir, backup) = place();
    // Also without a server.
    Shell::of(&app).ok(&["backup", text(&backup)]);
    app.launch().await;
    assert_eq!(app.ended(&id).await["state"], "completed");
    let (_before, said) = go_on_with(&mut app, &backup).await;
    assert_eq!((&said["jobs"], &said["outcome_unknown"]), (&json!(1), &json!(1)));
    let job = app.ended(&id).await;
    assert_eq!(job["failure"]["code"], "outcome_unknown", "{job}");
    assert_eq!(job["attempts"][0]["charged"], true);
    assert_eq!(app.make("two", "720p", 6).await["status"], "completed");
    assert_eq!(books::generations(&app), BTreeMap::from([("one".to_owned(), 1), ("two".to_owned(), 1)]));
    books::balance(&app).await;
}

#[tokio::test]
async fn what_an_upstream_had_taken_is_asked_about_further() {
    let mut app = Setup { tokens: [0, 2], video_seconds: 0.1, ..Setup::default() }.start().await;
    let finished = app.make("finished", "720p", 6).await["id"].as_str().unwrap().to_owned();
    let id = create_until(&app, "[slow] one", "running").await;
    let (_dir, backup) = place();
    let said = Shell::of(&app).ok(&["backup", text(&backup)]);
    assert!(
        said.contains("master key  in the backup") && said.contains("NOT in the backup (--media)"),
        "{said}"
    );
    let (_before, said) = go_on_with(&mut app, &backup).await;
    assert_eq!((&said["going_on"], &said["without_file"]), (&json!(1), &json!(1)));
    assert_eq!(app.ended(&id).await["state"], "completed");
    assert_eq!(books::generations(&app)["[slow] one"], 1);
    // The books say of the other that its file is gone, and so does the gateway.
    assert_eq!(app.content(&finished).await.status(), 404);
    assert_eq!(app.job(&finished).await["state"], "completed");
}

/// Changes a backup's file.
fn tamper(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn a_backup_that_is_not_whole_is_refused_and_changes_nothing() {
    let app = Setup::default().start().await;
    app.make("one", "480p", 6).await;
    let cut_off: fn(&Path) = |b| tamper(&b.join("filmgate.db"), |bytes| bytes.truncate(bytes.len() - 4096));
    let changed: fn(&Path) = |b| tamper(&b.join("filmgate.db"), |bytes| bytes[5000] ^= 1);
    let other_key: fn(&Path) = |b| tamper(&b.join("master.key"), |bytes| bytes[0] ^= 1);
    let no_database: fn(&Path) = |b| std::fs::remove_file(b.join("filmgate.db")).unwrap();
    let no_list: fn(&Path) = |b| std::fs::remove_file(b.join("backup.json")).unwrap();
    let odd_list: fn(&Path) = |b| tamper(&b.join("backup.json"), |bytes| bytes.truncate(20));
    let outside: fn(&Path) = |b| {
        let list = std::fs::read_to_string(b.join("backup.json")).unwrap();
        std::fs::write(b.join("backup.json"), list.replace("admin.key", "../admin.key")).unwrap();
    };
    for (damage, words) in [
        (cut_off, "filmgate.db of the backup has"),
        (changed, "filmgate.db of the backup is not as it was"),
        (other_key, "master.key of the backup is not as it was"),
        (no_database, "filmgate.db of the backup is missing"),
        (no_list, "is no backup"),
        (odd_list, "makes no sense"),
        (outside, "no backup has a file"),
    ] {
        let (_dir, backup) = place();
        Shell::of(&app).ok(&["backup", text(&backup)]);
        damage(&backup);
        let target = tempfile::tempdir().unwrap();
        Shell::on(target.path()).run(&["restore", text(&backup)]).with_code(1).says(words);
        let left: Vec<_> =
            std::fs::read_dir(target.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| name == "lock"), "{left:?}");
    }
}

/// A list that was made to fit does not help: the database itself is looked through, and the key has to open it.
#[tokio::test]
async fn a_damaged_database_under_a_list_that_fits_is_refused() {
    use sha2::Digest as _;
    let app = Setup::default().start().await;
    app.make("one", "480p", 6).await;
    let (_dir, backup) = place();
    Shell::of(&app).ok(&["backup", text(&backup)]);
    let database = backup.join("filmgate.db");
    let digest = |path: &Path| hex::encode(sha2::Sha256::digest(std::fs::read(path).unwrap()));
    let before = digest(&database);
    tamper(&database, |bytes| bytes[4096..4096 + 600].fill(0x5a));
    tamper(&backup.join("backup.json"), |list| {
        *list = String::from_utf8(list.clone()).unwrap().replace(&before, &digest(&database)).into_bytes();
    });
    let target = tempfile::tempdir().unwrap();
    Shell::on(target.path()).run(&["restore", text(&backup)]).with_code(5).says("the database is damaged");
}

#[tokio::test]
async fn nothing_takes_the_place_of_anything() {
    let app = Setup::default().start().await;
    let (dir, backup) = place();
    let shell = Shell::of(&app);
    shell.ok(&["backup", text(&backup)]);
    shell.run(&["backup", text(&backup)]).with_code(1).says("is there already");
    shell
        .run(&["backup", text(&dir.path().join("no/such/place"))])
        .with_code(1)
        .says("nothing can be written");
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["backup"], "leftovers");
    // Of a running gateway, of a stopped one, and of somebody else.
    shell.run(&["restore", text(&backup)]).with_code(1).says("another filmgate uses");
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("thesis.tex"), "mine").unwrap();
    Shell::on(other.path()).run(&["restore", text(&backup)]).with_code(1).says("is not empty");
    assert_eq!(std::fs::read_to_string(other.path().join("thesis.tex")).unwrap(), "mine");
    // A backup is no data directory: its jobs would be sent again.
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    Shell::on(&backup).run(&serve).with_code(1).says("is part of a backup");
}

#[tokio::test]
async fn a_backup_without_keys_opens_with_the_right_one_only() {
    let app = Setup::default().start().await;
    app.make("one", "480p", 6).await;
    let (_dir, backup) = place();
    let said = Shell::of(&app).ok(&["backup", text(&backup), "--without-keys"]);
    assert!(said.contains("NOT in the backup"), "{said}");
    let mut names: Vec<_> = std::fs::read_dir(&backup).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["backup.json", "filmgate.db"]);
    let target = tempfile::tempdir().unwrap();
    let restore = |shell: Shell| shell.run(&["restore", text(&backup)]);
    restore(Shell::on(target.path())).with_code(1).says("FILMGATE_MASTER_KEY");
    let wrong = Shell::on(target.path()).env("FILMGATE_MASTER_KEY", &"5a".repeat(32));
    restore(wrong).with_code(1).says("the master key does not fit");
    let key = std::fs::read_to_string(app.data_dir().join("master.key")).unwrap();
    restore(Shell::on(target.path()).env("FILMGATE_MASTER_KEY", key.trim())).with_code(0);
    let shell = Shell::on(target.path()).env("FILMGATE_MASTER_KEY", key.trim());
    assert_eq!(shell.json(&["token", "list"])["tokens"].as_array().unwrap().len(), 4);
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_reads_a_backup() {
    use std::os::unix::fs::PermissionsExt as _;
    let app = Setup::default().start().await;
    app.make("one", "480p", 6).await;
    let (_dir, backup) = place();
    Shell::of(&app).ok(&["backup", text(&backup), "--media"]);
    let mut looked_at = 0;
    let mut look = |path: &Path| {
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
        looked_at += 1;
    };
    for dir in [backup.clone(), backup.join("media")] {
        look(&dir);
        std::fs::read_dir(dir).unwrap().for_each(|entry| look(&entry.unwrap().path()));
    }
    assert_eq!(looked_at, 2 + 5 + 1, "database, list, two keys, media, and a video");
}

#[tokio::test]
async fn a_restore_that_was_cut_off_does_not_start_and_can_be_repeated() {
    let app = Setup::default().start().await;
    app.make("one", "480p", 6).await;
    let (_dir, backup) = place();
    Shell::of(&app).ok(&["backup", text(&backup)]);
    // Killed while things were moved to their place.
    let target = tempfile::tempdir().unwrap();
    std::fs::create_dir(target.path().join("restoring")).unwrap();
    std::fs::write(target.path().join("restoring/filmgate.db"), "half").unwrap();
    std::fs::copy(backup.join("master.key"), target.path().join("master.key")).unwrap();
    let shell = Shell::on(target.path());
    shell.run(&["serve", "--listen", "127.0.0.1:0"]).with_code(1).says("was cut off; run it again");
    shell.ok(&["restore", text(&backup)]);
    assert_eq!(shell.json(&["token", "list"])["tokens"].as_array().unwrap().len(), 4);
    assert!(!target.path().join("restoring").exists());
}
