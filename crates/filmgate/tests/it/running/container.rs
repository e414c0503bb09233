//! The image and `compose.yaml`: they fit together, they fit the program, and what the image runs does run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::dockerfile::parse;
use super::image::Image;
use super::process::Process;
use super::{text_of, time_to_stop};
use crate::app::{binary, client};
use crate::shell::Shell;

fn compose() -> Value {
    serde_saphyr::from_str(&text_of("compose.yaml")).unwrap()
}

/// The environment that `compose.yaml` gives where nobody says anything else, and its examples.
fn compose_environment() -> BTreeMap<String, String> {
    let text = text_of("compose.yaml");
    let examples = text.lines().filter_map(|line| line.trim().strip_prefix("#   "));
    let examples = examples.filter(|line| line.starts_with("FILMGATE__"));
    let examples: Vec<BTreeMap<String, Value>> =
        examples.map(|line| serde_saphyr::from_str(line).unwrap()).collect();
    assert!(!examples.is_empty(), "there are examples");
    let given = compose()["services"]["filmgate"]["environment"].as_object().unwrap().clone();
    let all = given.into_iter().chain(examples.into_iter().flatten());
    all.map(|(name, value)| (name, default_of(value.as_str().expect("a text")))).collect()
}

/// `${NAME:-default}` where there is no such variable.
fn default_of(value: &str) -> String {
    let inside = value.strip_prefix("${").and_then(|value| value.strip_suffix('}'));
    inside.map_or(value, |inside| inside.split_once(":-").expect("a default").1).to_owned()
}

#[test]
fn the_image_is_built_from_everything_that_the_program_is_made_of() {
    let image = Image::build();
    let repository = super::repository();
    let mut files = 0;
    for file in compiled_from() {
        // One that is gone by now was read for an earlier build.
        let Ok(file) = repository.join(file).canonicalize() else { continue };
        let Ok(file) = file.strip_prefix(&repository) else { continue };
        if !file.starts_with("target") {
            assert!(image.sources.join(file).is_file(), "{} is not in the image's build", file.display());
            files += 1;
        }
    }
    assert!(files > 100, "{files}");
    assert!(!image.sources.join("README.md").exists());
    let copied = std::fs::read(image.at("/usr/local/bin/filmgate")).unwrap();
    assert!(copied == std::fs::read(binary()).unwrap(), "the program comes to where it is run from");
}

/// What the compiler read for the libraries that the program under test is made of.
fn compiled_from() -> Vec<PathBuf> {
    let deps = Path::new(binary()).with_file_name("deps");
    let names =
        std::fs::read_dir(&deps).unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let libraries =
        names.filter_map(|name| Some(name.strip_prefix("lib")?.strip_suffix(".rlib")?.to_owned()));
    let mut read = Vec::new();
    for library in libraries.filter(|name| name.starts_with("filmgate")) {
        let rule = std::fs::read_to_string(deps.join(format!("{library}.d"))).unwrap();
        let (_, files) = rule.lines().next().unwrap().split_once(": ").unwrap();
        read.extend(files.replace("\\ ", "\0").split_whitespace().map(|file| file.replace('\0', " ").into()));
    }
    read
}

#[test]
fn the_image_is_built_as_the_manifest_says() {
    let image = Image::build();
    let [build, last] = &parse(&text_of("Dockerfile"))[..] else { panic!("two stages") };
    let manifest: toml::Table = toml::from_str(&text_of("Cargo.toml")).unwrap();

    // cargo took the arguments: the program, in the profile for production.
    let roots = image.units["roots"].as_array().unwrap().iter();
    let mut roots = roots.map(|root| &image.units["units"][root.as_u64().unwrap() as usize]);
    let root = roots.find(|root| root["target"]["kind"] == json!(["bin"])).unwrap();
    assert_eq!(root["target"]["name"], "filmgate");
    assert_eq!(root["profile"]["name"], "dist");
    assert!(manifest["profile"].get("dist").is_some());

    // A compiler that is new enough, of a version that stays, and the same system in both stages.
    let tag = build.base.strip_prefix("rust:").unwrap();
    let (version, system) = tag.split_once('-').unwrap();
    let number = |version: &str| -> Vec<u32> { version.split('.').map(|n| n.parse().unwrap()).collect() };
    let oldest = manifest["workspace"]["package"]["rust-version"].as_str().unwrap();
    assert!(number(version) >= number(oldest), "{version} < {oldest}");
    assert_eq!(last.base, format!("debian:{system}-slim"));
}

#[test]
fn the_parts_of_the_image_fit_together() {
    let stages = parse(&text_of("Dockerfile"));
    let last = stages.last().unwrap();
    let env: BTreeMap<_, _> = last.values("ENV").into_iter().collect();
    assert_eq!(env["FILMGATE_DATA_DIR"], last.only("VOLUME").rest);
    assert_eq!(env["FILMGATE__SERVER__LISTEN"], format!("0.0.0.0:{}", last.only("EXPOSE").rest));
    // Numbers, so that a cluster can see that it is not root.
    let user = &last.only("USER").rest;
    let (user, group) = user.split_once(':').unwrap();
    assert!(user.parse::<u32>().unwrap() > 0 && group.parse::<u32>().unwrap() > 0);
    let made = format!("install -d -o {user} -g {group} -m 0700 {}", last.only("VOLUME").rest);
    assert!(last.all("RUN").any(|run| run.rest == made), "the volume belongs to the user");
}

#[test]
fn compose_fits_the_image() {
    let stages = parse(&text_of("Dockerfile"));
    let image = stages.last().unwrap();
    let compose = compose();
    let service = &compose["services"]["filmgate"];
    let port = &image.only("EXPOSE").rest;
    assert_eq!(service["ports"], json!([format!("127.0.0.1:{port}:{port}")]), "only this machine");
    assert_eq!(service["volumes"], json!([format!("data:{}", image.only("VOLUME").rest)]));
    assert!(compose["volumes"].as_object().unwrap().contains_key("data"));

    let check = image.only("HEALTHCHECK");
    let words = [vec!["CMD".to_owned()], check.words()].concat();
    let healthcheck = &service["healthcheck"];
    assert_eq!(healthcheck["test"], json!(words));
    for (name, value) in &check.flags {
        assert_eq!(healthcheck[name.replace('-', "_")], **value, "{name}");
    }
    let grace = humantime::parse_duration(service["stop_grace_period"].as_str().unwrap()).unwrap();
    assert!(grace > time_to_stop(), "{grace:?}");
    assert_eq!(service["restart"], "unless-stopped");
    assert_eq!((&service["read_only"], &service["cap_drop"]), (&json!(true), &json!(["ALL"])));
    assert_eq!(service["security_opt"], json!(["no-new-privileges:true"]));
    assert!(service.get("privileged").is_none() && service.get("user").is_none());
    assert!(service["environment"].get("TZ").is_some());
}

#[test]
fn the_settings_in_compose_are_settings() {
    let dir = tempfile::tempdir().unwrap();
    let mut shell = Shell::on(dir.path());
    for (name, value) in compose_environment() {
        shell = shell.env(&name, &value);
    }
    let checked = shell.run(&["config", "check", "--json"]).with_code(0).json();
    assert_eq!((&checked["valid"], &checked["warnings"]), (&json!(true), &json!([])), "{checked}");
    let shown = shell.ok(&["config", "show"]);
    assert!(shown.contains("http://127.0.0.1:8000") && shown.contains("0.5"), "{shown}");
}

/// The value of a line of the block of keys.
fn key(said: &str, name: &str) -> String {
    let line = said.lines().find_map(|line| line.trim().strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in\n{said}")).trim().to_owned()
}

#[tokio::test]
async fn the_image_runs_becomes_healthy_tells_its_keys_once_and_stops() {
    let image = Image::build();
    let environment = compose_environment();
    let start = || {
        let mut main = image.main();
        main.envs(&environment);
        Process::start(main)
    };
    let is_healthy = || image.health_check().output().unwrap().status.success();
    let ill = image.health_check().output().unwrap();
    let said = String::from_utf8(ill.stderr).unwrap();
    assert!(ill.status.code() == Some(1) && said.contains("no gateway runs"), "{said}");

    let mut first = start();
    first.until("healthy", |_| is_healthy()).await;
    first.said("admin key").await;
    let (client_key, admin_key) = (key(&first.out(), "client key"), key(&first.out(), "admin key"));
    assert!(client_key.starts_with("fg-") && admin_key.starts_with("fga-"), "{}", first.out());
    let kept = std::fs::read_to_string(image.at("/data/admin.key")).unwrap();
    assert_eq!(kept.trim(), admin_key);
    // It listens for others than itself, too.
    let server: Value =
        serde_json::from_str(&std::fs::read_to_string(image.at("/data/server.json")).unwrap()).unwrap();
    let from_elsewhere = server["admin_url"].as_str().unwrap().replace("127.0.0.1", "127.0.0.2");
    let models = from_elsewhere.replace("/admin/v1", "/v1/models");
    let ask = async || client().get(&models).bearer_auth(&client_key).send().await.unwrap().status();
    assert_eq!(ask().await, 200);
    first.signal("TERM");
    assert_eq!(first.end().code(), Some(0), "{}", first.err());
    assert!(!is_healthy());

    let mut second = start();
    second.until("healthy", |_| is_healthy()).await;
    second.signal("TERM");
    assert_eq!(second.end().code(), Some(0), "{}", second.err());
    second.said("stopping").await;
    let log = [first.err(), second.out(), second.err()].concat();
    assert!(!log.contains(&client_key) && !log.contains(&admin_key), "told once, and not in the log:\n{log}");
}
