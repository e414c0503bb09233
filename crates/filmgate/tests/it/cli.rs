//! The command line, against a running server and without one.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::app::{ADMIN_KEY, Setup};
use crate::shell::Shell;

fn at_once() -> Setup {
    Setup { video_seconds: 0.0, ..Setup::default() }
}

#[test]
fn every_command_helps_and_wrong_usage_is_2() {
    let dir = tempfile::tempdir().unwrap();
    let shell = Shell::on(dir.path());
    let commands = "serve|demo|simulator|generate|route|token|token add|token import|token export|token list|\
                    token show|token enable|token disable|token reset|token remove|pool list|job list|job show|\
                    token forgive|job cancel|job again|key create|key list|key rotate|key revoke|caller list|\
                    caller limit|config show|config check|config path|config undo|audit|ledger|health|\
                    migrate grok2api|upstream check|completions";
    for command in commands.split('|') {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = shell.ok(&words);
        assert!(help.contains("Usage: filmgate"), "{command}: {help}");
    }
    assert!(shell.ok(&["--version"]).starts_with("filmgate "));
    for wrong in [
        &[][..],
        &["nonsense"],
        &["token"],
        &["token", "show"],
        &["generate"],
        &["generate", "a fox", "--resolution", "4k"],
        &["generate", "a fox", "--seconds", "0"],
        &["route", "--seconds", "long"],
        &["job", "list", "--state", "odd"],
        &["completions", "tcsh"],
        &["--nonsense"],
    ] {
        let ran = shell.run(wrong).with_code(2);
        assert!(
            ran.out.is_empty() && ran.err.contains("Usage") || ran.err.contains("error:"),
            "{wrong:?}: {}",
            ran.err
        );
    }
    assert!(!dir.path().join("filmgate.db").exists(), "nobody asked for a database");
}

/// Tokens from the cradle to the grave. The same with a server and without.
fn story_of_tokens(shell: &Shell) {
    let added =
        shell.run_with(&["token", "add", "--pool", "ssoBasic", "--json"], "sso=secret-of-the-first-one\n");
    let added = added.with_code(0).json();
    let first = added["added"][0]["id"].as_str().unwrap();
    assert_eq!(added["added"][0]["token"], "secret-...");
    shell.run(&["token", "add"]).with_code(1).says("there is no token");
    shell.run_with(&["token", "add"], "a-token-without-a-pool").with_code(1).says("ssoBasic, ssoSuper");
    shell.run_with(&["token", "add", "--pool", "ssoBasic"], "two\nlines").with_code(1).says("import");

    let file = shell.dir.join("token.json");
    let tokens = json!({
        "ssoBasic": ["secret-of-the-first-one", "has a blank"],
        "ssoSuper": [{ "token": "secret-of-the-second-one", "note": "spare", "status": "disabled", "tags": ["x"] }],
        "ssoUltra": ["secret-of-nobody"],
    });
    std::fs::write(&file, tokens.to_string()).unwrap();
    let path = file.to_str().unwrap();
    let dry = shell.run(&["token", "import", path, "--dry-run", "--json"]).with_code(1).json();
    assert_eq!((&dry["would_add_or_find"], dry["refused"].as_array().unwrap().len()), (&json!(2), 2));
    let imported = shell.run(&["token", "import", path, "--json"]).with_code(1).json();
    let count = |what: &str| imported[what].as_array().unwrap().len();
    assert_eq!((count("added"), count("duplicates"), count("refused")), (1, 1, 2));
    let second = imported["added"][0]["id"].as_str().unwrap();
    let again = shell.run(&["token", "import", path]).with_code(1);
    assert!(again.out.contains("0 added, 2 there already, 2 refused"), "{}", again.out);
    let lines = "# mine\nsecret-of-the-third-one\n\n";
    let imported = shell.run_with(&["token", "import", "-", "--pool", "ssoBasic"], lines).with_code(0);
    assert!(imported.out.contains("1 added, 0 there already, 0 refused"), "{}", imported.out);

    let list = shell.ok(&["token", "list"]);
    assert!(list.starts_with("ID ") && list.contains(first) && list.contains("spare"), "{list}");
    let of = |args: &[&str]| {
        let tokens = shell.json(&[&["token", "list"], args].concat());
        tokens["tokens"].as_array().unwrap().iter().map(|token| token["id"].clone()).collect::<Vec<_>>()
    };
    assert!(of(&["--pool", "ssoSuper"]).contains(&json!(second)));
    assert!(!of(&["--pool", "ssoBasic"]).contains(&json!(second)));
    assert_eq!(of(&["--status", "disabled"]), [json!(second)]);

    assert!(shell.ok(&["token", "enable", second]).contains("active"));
    assert!(shell.ok(&["token", "disable", first, second]).contains("disabled"));
    shell.ok(&["token", "enable", first, second]);
    shell.ok(&["token", "reset", first]);
    let shown = shell.ok(&["token", "show", first, second]);
    assert!(shown.contains("spare") && !shown.contains("secret-of-the"), "{shown}");
    for verb in ["show", "enable", "disable", "reset", "remove"] {
        shell.run(&["token", verb, "tok_999"]).with_code(1).says("tok_999");
        shell.run(&["token", verb, "nonsense"]).with_code(1).says("tok_7");
    }

    story_of_an_export(shell);
    assert!(shell.ok(&["token", "remove", "--yes", second]).contains("removed"));
    shell.run(&["token", "show", second]).with_code(1);
}

/// Tokens go out, and in again elsewhere.
fn story_of_an_export(shell: &Shell) {
    let export = shell.dir.join("export.json");
    let export = export.to_str().unwrap();
    shell.ok(&["token", "export", "--secrets", "-o", export]);
    shell.run(&["token", "export", "-o", export]).with_code(1).says(export);
    let exported: Value = serde_json::from_str(&std::fs::read_to_string(export).unwrap()).unwrap();
    assert!(
        exported["ssoSuper"]
            .as_array()
            .unwrap()
            .iter()
            .any(|token| token["token"] == "secret-of-the-second-one")
    );
    assert!(!shell.ok(&["token", "export"]).contains("secret-of-the"));
    let elsewhere = tempfile::tempdir().unwrap();
    let other = Shell::on(elsewhere.path());
    let official = other.run(&["token", "import", export]).with_code(1);
    assert!(
        official.out.contains("--upstream"),
        "the official API takes no session cookies: {}",
        official.out
    );
    let imported =
        other.run(&["token", "import", export, "--upstream", "http://127.0.0.1:9/v1", "--json"]).with_code(0);
    let known = shell.json(&["token", "list"])["tokens"].as_array().unwrap().len();
    assert_eq!(imported.json()["added"].as_array().unwrap().len(), known);
    std::fs::remove_file(export).unwrap();
}

#[tokio::test]
async fn tokens_with_and_without_a_server() {
    let mut app = at_once().start().await;
    let shell = Shell::of(&app);
    story_of_tokens(&shell);
    // The server knows what the command line did: it did it.
    let tokens = app.tokens("ssoBasic").await;
    assert_eq!(tokens.len(), 2 + 2);
    for token in tokens.iter().filter(|token| token["token"] == "secret-...") {
        shell.ok(&["token", "remove", token["id"].as_str().unwrap()]);
    }
    assert!(app.stop());
    story_of_tokens(&shell);
}

/// Keys: the same with a server and without.
fn story_of_keys(shell: &Shell) -> (String, String) {
    let made = shell.run(&["key", "create", "laptop"]).with_code(0).says("shown this once");
    let key = made.out.trim_end().to_owned();
    assert!(
        key.starts_with("fg-") && !key.contains(char::is_whitespace),
        "only the key is on standard output"
    );
    let second = shell.json(&["key", "create", "laptop two", "--caller", "laptop"]);
    let keys = shell.json(&["key", "list"]);
    let mine = keys["keys"].as_array().unwrap().iter().filter(|key| key["caller_name"] == "laptop").count();
    assert_eq!(mine, 2);
    let list = shell.ok(&["key", "list"]);
    assert!(list.contains("laptop two") && !list.contains(&key), "{list}");
    let id = second["id"].as_str().unwrap();
    assert!(shell.ok(&["key", "revoke", id]).contains("revoked"));
    assert!(shell.ok(&["key", "list"]).contains("revoked"));
    shell.run(&["key", "revoke", "key_999"]).with_code(1).says("key_999");
    shell.run(&["key", "create", ""]).with_code(1).says("name");
    (key, second["key"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn keys_with_and_without_a_server() {
    let mut app = at_once().start().await;
    let shell = Shell::of(&app);
    let mut made = vec![story_of_keys(&shell)];
    assert!(app.stop());
    for (key, _) in shell.json(&["key", "list"])["keys"].as_array().unwrap().iter().map(|key| (key, ())) {
        if key["caller_name"] == "laptop" && key["revoked_at"].is_null() {
            // The next story counts its own.
            shell.ok(&["key", "revoke", key["id"].as_str().unwrap()]);
        }
    }
    let offline = Shell::of(&app);
    let fresh = offline.json(&["key", "create", "desk"]);
    made.push((fresh["key"].as_str().unwrap().to_owned(), made[0].1.clone()));
    app.launch().await;
    let status = async |key: &str| app.request_as(key, Method::GET, "/v1/models", None).await.status();
    assert_eq!(status(&made[0].0).await, StatusCode::UNAUTHORIZED, "revoked while no server ran");
    assert_eq!(status(&made[1].0).await, StatusCode::OK);
    assert_eq!(status(&made[1].1).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn pools_and_routes() {
    let mut app = at_once().start().await;
    let shell = Shell::of(&app);
    for _ in ["with a server", "without"] {
        let pools = shell.ok(&["pool", "list"]);
        assert!(pools.contains("ssoBasic") && pools.contains("2 active"), "{pools}");
        assert_eq!(shell.json(&["pool", "list"])["pools"][1]["name"], "ssoSuper");
        let route = shell.ok(&["route", "--resolution", "720p", "--seconds", "10"]);
        assert!(route.contains("ssoSuper (primary") && route.contains("ssoBasic"), "{route}");
        let route = shell.json(&["route"]);
        assert_eq!(route["decision"]["chosen"]["pool"], "ssoBasic");
        shell.run(&["route", "--resolution", "1080p"]).with_code(1).says("720p up to 15s");
        shell.run(&["route", "--model", "x"]).with_code(1).says("grok-imagine-video");
        assert!(app.simulator.generations().is_empty(), "a route makes no video");
        app.stop();
    }
    app.launch().await;
    app.each_token("ssoBasic", "disable").await;
    app.each_token("ssoSuper", "disable").await;
    let none = shell.run(&["route", "--json"]).with_code(4);
    assert!(none.json()["decision"]["chosen"].is_null());
    assert!(shell.run(&["route"]).with_code(4).out.contains("disabled"));
}

#[tokio::test]
async fn jobs() {
    let app = Setup { video_seconds: 3600.0, ..Setup::default() }.start().await;
    let shell = Shell::of(&app);
    assert!(shell.run(&["job", "list"]).with_code(0).err.contains("no such jobs"));
    let failed = app.make("[error]", "480p", 4).await["id"].as_str().unwrap().to_owned();
    let running = app.create("a red fox", "720p", 4).await["id"].as_str().unwrap().to_owned();
    app.reaches(&running, "running").await;

    let list = shell.ok(&["job", "list"]);
    assert!(
        list.contains(&failed) && list.contains(&running) && list.contains("failed: outcome_unknown"),
        "{list}"
    );
    let list = shell.json(&["job", "list", "--state", "running"]);
    assert_eq!((list["jobs"].as_array().unwrap().len(), &list["jobs"][0]["id"]), (1, &json!(running)));
    let newest = shell.json(&["job", "list", "--limit", "1"]);
    assert_eq!((&newest["jobs"][0]["id"], &newest["has_more"]), (&json!(running), &json!(true)));
    assert_eq!(newest["next"], *running);
    let older = shell.json(&["job", "list", "--after", &running]);
    assert_eq!(older["jobs"][0]["id"], *failed);
    let narrowed = ["--pool", "ssoBasic", "--route", "primary", "--caller", "tests", "--since", "1h"];
    let narrowed = shell.json(&[&["job", "list"], &narrowed[..]].concat());
    assert_eq!((narrowed["jobs"].as_array().unwrap().len(), &narrowed["jobs"][0]["id"]), (1, &json!(failed)));
    assert!(shell.run(&["job", "list", "--verdict", "downgraded"]).with_code(0).err.contains("no such jobs"));
    shell.run(&["job", "list", "--to", "tomorrow"]).with_code(1).says("2026-11-23T14:20");

    let shown = shell.ok(&["job", "show", &failed]);
    assert!(shown.contains("attempt 1: tok_") && shown.contains("500"), "{shown}");
    assert_eq!(shell.json(&["job", "explain", &failed])["state"], "failed");
    let again = shell.json(&["job", "again", &failed]);
    assert_eq!(again["prompt"], "[error]");
    assert_ne!(again["id"], *failed);
    let cancelled = shell.json(&["job", "cancel", &running]);
    assert_eq!(cancelled["failure"]["code"], "cancelled");
    assert!(shell.ok(&["job", "show", &running]).contains("cancelled"));
    shell.run(&["job", "show", "video_00000000000000000000000000000000"]).with_code(1).says("no such video");
    shell.run(&["job", "show", "nonsense"]).with_code(1);
    shell.run(&["job", "cancel", &failed]).with_code(1).says("unfinished");
}

#[tokio::test]
async fn the_configuration() {
    let app = at_once().start().await;
    let dir = tempfile::tempdir().unwrap();
    let shell = Shell::on(&dir.path().join("data")).at(dir.path());

    let defaults = shell.ok(&["config", "show", "--defaults"]);
    assert_eq!(defaults.trim_end(), include_str!("../../../../config.defaults.toml").trim_end());
    assert!(shell.ok(&["config", "path"]).contains("none"));
    assert!(shell.ok(&["config", "check"]).contains("right"));
    let file = dir.path().join("filmgate.toml");
    std::fs::write(&file, "[video]\nupgrade_reserve = 0.5\n").unwrap();
    assert_eq!(shell.json(&["config", "path"])["file"], file.to_str().unwrap());
    let shown = shell.json(&["config", "show"])["config"].as_str().unwrap().to_owned();
    assert!(shown.contains("upgrade_reserve = 0.5") && shown.contains("filmgate.toml"), "{shown}");

    // All mistakes at once, each with its place and what was meant.
    std::fs::write(
        &file,
        "[video]\nupgrade_reserv = 0.5\nsmart_token_routing = \"yes\"\n\n[media]\nkeep = \"soon\"\n",
    )
    .unwrap();
    let wrong = shell.run(&["config", "check"]).with_code(1);
    for words in ["filmgate.toml:2", "did you mean `upgrade_reserve`", "filmgate.toml:3", "filmgate.toml:6"] {
        assert!(wrong.out.contains(words), "{words}: {}", wrong.out);
    }
    let as_json = shell.run(&["config", "check", "--json"]).with_code(1).json();
    assert_eq!((&as_json["valid"], as_json["errors"].as_array().unwrap().len()), (&json!(false), 3));
    for command in [&["config", "show"][..], &["serve"], &["token", "list"]] {
        shell.run(command).with_code(1).says("upgrade_reserv");
    }
    shell.run(&["config", "check", "nowhere.toml"]).with_code(1);
    std::fs::write(&file, "this is = = no TOML").unwrap();
    shell.run(&["config", "check"]).with_code(1);

    // A running server shows what it uses, whatever the command line is told.
    let shown = Shell::of(&app).run(&["config", "show", "--set", "video.upgrade_reserve=0.9"]).with_code(0);
    assert!(shown.out.contains(&app.simulator.url()) && !shown.out.contains("0.9"), "{}", shown.out);
}

#[test]
fn completions() {
    let dir = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = Shell::on(dir.path()).ok(&["completions", shell]);
        assert!(script.contains("filmgate") && script.contains("generate"), "{shell}");
    }
}

#[tokio::test]
async fn upstreams_are_checked() {
    let app = at_once().start().await;
    let shell = Shell::of(&app);
    assert!(shell.ok(&["upstream", "check", "xai"]).contains("tok_1"));
    assert_eq!(shell.json(&["upstream", "check", "xai"])["results"].as_array().unwrap().len(), 4);
    assert_eq!(app.upstream_saw(), 0, "a check makes no video");
    shell.run(&["upstream", "check", "nobody"]).with_code(1).says("nobody");
    app.at_provider("basic-1", json!({ "valid": false })).await;
    let checked = shell.run(&["upstream", "check", "xai"]).with_code(1);
    assert!(checked.out.contains("upstream_unauthorized"), "{}", checked.out);
    app.at_provider("basic-1", json!({ "valid": true })).await;

    let spent = shell.json(&["upstream", "check", "xai", "--spend"]);
    assert_eq!(spent["state"], "completed");
    let made = app.simulator.generations();
    assert_eq!((made.len(), made[0].asked.seconds), (1, 1));
    let keys = shell.json(&["key", "list"]);
    let used = keys["keys"].as_array().unwrap().iter().find(|key| key["name"] == "upstream check").unwrap();
    assert!(!used["revoked_at"].is_null(), "its key is revoked");
}

#[tokio::test]
async fn every_answer_is_json_when_asked() {
    let app = at_once().start().await;
    let shell = Shell::of(&app);
    app.make("a red fox", "480p", 4).await;
    let job = app.jobs().await[0]["id"].as_str().unwrap().to_owned();
    let commands = [
        "token list",
        "token show tok_1",
        "token export",
        "token disable tok_1",
        "token enable tok_1",
        "token reset tok_1",
        "pool list",
        "job list",
        &format!("job show {job}"),
        "key create json",
        "key list",
        "key revoke key_1",
        "route",
        "config show",
        "config show --defaults",
        "config check",
        "config path",
        "upstream check xai",
        "token remove tok_1",
    ];
    for command in commands {
        let words: Vec<&str> = command.split(' ').collect();
        assert!(shell.json(&words).is_object(), "{command}");
    }
    // Errors are told on standard error, also to programs.
    let wrong = shell.run(&["token", "show", "tok_999", "--json"]).with_code(1);
    assert!(wrong.out.is_empty() && !wrong.err.is_empty());
}

#[tokio::test]
async fn a_server_elsewhere_and_a_server_that_is_there_already() {
    let app = at_once().start().await;
    let dir = tempfile::tempdir().unwrap();
    let admin_url = format!("{}/admin/v1", app.url);
    let remote = Shell::on(&dir.path().join("none")).at(dir.path()).env("FILMGATE_ADMIN_URL", &admin_url);
    remote.run(&["pool", "list"]).with_code(1).says("--admin-key");
    remote.run(&["pool", "list", "--admin-key", "wrong"]).with_code(1).says("admin key");
    assert!(remote.ok(&["pool", "list", "--admin-key", ADMIN_KEY]).contains("ssoSuper"));
    let key_file = dir.path().join("key");
    std::fs::write(&key_file, format!("{ADMIN_KEY}\n")).unwrap();
    let by_file = remote.env("FILMGATE_ADMIN_KEY_FILE", key_file.to_str().unwrap());
    assert!(by_file.ok(&["pool", "list"]).contains("ssoSuper"));

    let second = Shell::on(&app.data_dir()).run(&["serve", "--listen", "127.0.0.1:0"]).with_code(1);
    second.says("another filmgate uses");
    let taken = Shell::on(&dir.path().join("other"))
        .at(dir.path())
        .run(&["serve", "--listen", app.address()])
        .with_code(1);
    taken.says("is in use by another program");
}
