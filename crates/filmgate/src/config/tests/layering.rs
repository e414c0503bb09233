//! Which source wins, and how each one is written.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

#[test]
fn stronger_sources_win() {
    let mut sources = Sources { preset: Some("xai".to_owned()), ..named_file() };
    let submits = |sources: &Sources, text: &str| {
        let loaded = load_text(sources, text).unwrap();
        let origin = loaded.origin["pools.xai.submits_per_minute"].to_string();
        (loaded.config.pools["xai"].submits_per_minute, origin)
    };
    assert_eq!(submits(&sources, ""), (60, "preset xai".to_owned()));
    let text = "\n[pools.xai]\nsubmits_per_minute = 1";
    assert_eq!(submits(&sources, text), (1, "filmgate.toml:3".to_owned()));
    let variable = "FILMGATE__POOLS__XAI__SUBMITS_PER_MINUTE";
    sources.env = vec![(variable.to_owned(), "2".to_owned())];
    assert_eq!(submits(&sources, text), (2, format!("environment {variable}")));
    sources.set = vec!["pools.xai.submits_per_minute=3".to_owned()];
    assert_eq!(submits(&sources, text), (3, "--set".to_owned()));
    sources.set.push("pools.xai.submits_per_minute=4".to_owned());
    assert_eq!(submits(&sources, text), (4, "--set".to_owned()));
}

#[test]
fn tables_are_merged_and_lists_replaced() {
    let loaded = file(
        "[pools.ssoBasic]\ndelivers = [{ resolution = \"720p\", max_seconds = 6 }]\n\
         [models.grok-imagine-video]\nupstream_names = { ssoBasic = \"grok-2\" }\n",
    );
    let config = loaded.unwrap().config;
    let basic = &config.pools["ssoBasic"];
    assert_eq!(basic.delivers.len(), 1);
    assert_eq!(basic.delivers[0].resolution, filmgate_domain::Resolution::P720);
    assert_eq!((basic.quota_units, basic.quota_window), (80, Duration::from_secs(20 * 3600)));
    let catalog = config.catalog().unwrap();
    assert_eq!(catalog.default_model().upstream_name("ssoBasic"), Some("grok-2"));
    assert_eq!(catalog.default_model().upstream_name("ssoSuper"), Some("grok-imagine-video"));
    assert_eq!(config.models["grok-imagine-video"].aliases.len(), 3);
}

#[test]
fn a_new_pool_needs_little() {
    let loaded = file(
        "[video]\npools = [\"mine\"]\n[upstreams.local]\nbase_url = \"http://127.0.0.1:9000/v1/\"\n\
         [pools.mine]\nupstream = \"local\"\ndelivers = [{ resolution = \"480p\", max_seconds = 6 }]\n\
         quota_units = 50\nquota_window = \"1h\"\n",
    );
    let loaded = loaded.unwrap();
    assert_eq!(loaded.config.upstreams["local"].base_url, "http://127.0.0.1:9000/v1");
    assert_eq!(loaded.config.upstreams["local"].credential_prefix, "Bearer ");
    let [pool] = loaded.catalog.pools() else { panic!("one pool") };
    assert_eq!(pool.costs[0].units, 1);
    assert_eq!((pool.max_in_flight, pool.submits_per_minute), (None, None));
}

#[test]
fn the_environment_finds_real_keys() {
    let pairs = [
        ("FILMGATE__VIDEO__UPGRADE_RESERVE", "0.5"),
        ("FILMGATE__POOLS__SSOBASIC__QUOTA_UNITS", "81"),
        ("filmgate__pools__ssoSuper__quota_units", "141"),
        ("FILMGATE__MODELS__GROK_IMAGINE_VIDEO__ALIASES", "[\"a\", \"b\"]"),
        ("FILMGATE__MODELS__GROK_IMAGINE_VIDEO__UPSTREAM_NAMES__SSOBASIC", "grok-2"),
        ("FILMGATE__MEDIA__MAX_FILE", "1GiB"),
        ("FILMGATE__MEDIA__DIR", "2024"),
        ("FILMGATE__LOG__LEVEL", "info,filmgate_engine=debug"),
        ("FILMGATE__UPSTREAMS__XAI__CREDENTIAL_PREFIX", "Token "),
        ("FILMGATE__SERVER__PUBLIC_URL", ""),
        ("FILMGATE_BASE_URL", "not ours"),
        ("PATH", "/bin"),
    ];
    let config = env(&pairs).unwrap().config;
    assert_eq!(config.video.upgrade_reserve, 0.5);
    assert_eq!(config.pools["ssoBasic"].quota_units, 81);
    assert_eq!(config.pools["ssoSuper"].quota_units, 141);
    assert_eq!(config.models["grok-imagine-video"].aliases, ["a", "b"]);
    assert_eq!(config.models["grok-imagine-video"].upstream_names["ssoBasic"], "grok-2");
    assert_eq!(config.media.max_file, 1 << 30);
    assert_eq!(config.media.dir, Path::new("2024"));
    assert_eq!(config.log.level, "info,filmgate_engine=debug");
    assert_eq!(config.upstreams["xai"].credential_prefix, "Token ");
}

#[test]
fn the_environment_finds_names_with_dots_and_new_names_that_settings_mention() {
    let variable = "FILMGATE__MODELS__GROK_IMAGINE_VIDEO_1_5__ALIASES";
    let sources = Sources {
        preset: Some("xai".to_owned()),
        env: vec![(variable.to_owned(), "[\"x\"]".to_owned())],
        ..Sources::default()
    };
    let loaded = load(&sources).unwrap();
    assert_eq!(loaded.config.models["grok-imagine-video-1.5"].aliases, ["x"]);
    assert_eq!(loaded.origin["models.\"grok-imagine-video-1.5\".aliases"], Origin::Env(variable.to_owned()));

    let loaded = env(&[
        ("FILMGATE__UPSTREAMS__MY_SERVER__BASE_URL", "http://127.0.0.1:9000"),
        ("FILMGATE__POOLS__MYPOOL__DELIVERS", "[{ resolution = \"480p\", max_seconds = 6 }]"),
        ("FILMGATE__POOLS__MYPOOL__UPSTREAM", "my-server"),
        ("FILMGATE__VIDEO__POOLS", "[\"myPool\"]"),
    ]);
    let loaded = loaded.unwrap();
    assert_eq!(&*loaded.catalog.pools()[0].name, "myPool");
    assert_eq!(loaded.config.upstreams["my-server"].base_url, "http://127.0.0.1:9000");
}

#[test]
fn a_variable_may_name_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("proxy");
    std::fs::write(&path, "socks5://me:hunter2@127.0.0.1:1080\n").unwrap();
    let path = path.to_str().unwrap();
    let loaded = env(&[("FILMGATE__UPSTREAMS__XAI__PROXY_FILE", path)]).unwrap();
    let proxy = loaded.config.upstreams["xai"].proxy.as_ref().unwrap();
    assert_eq!(proxy.expose(), "socks5://me:hunter2@127.0.0.1:1080");
    assert_eq!(
        loaded.origin["upstreams.xai.proxy"],
        Origin::Env("FILMGATE__UPSTREAMS__XAI__PROXY_FILE".to_owned())
    );
    assert!(!format!("{loaded:?} {}", render(&loaded)).contains("hunter2"));
}

#[test]
fn flags_are_toml_or_text() {
    let loaded = set(&[
        "video.allow_fallback_to_basic=false",
        "video.upgrade_reserve = 0.25",
        "models.\"grok-imagine-video-1.5\".aliases=[\"x=y\"]",
        "video.models=[\"grok-imagine-video-1.5\"]",
        "log.level=debug",
        "chat.content=\"url\"",
        "jobs.deadline=1h",
    ]);
    let config = loaded.unwrap().config;
    assert!(!config.video.allow_fallback_to_basic);
    assert_eq!(config.video.upgrade_reserve, 0.25);
    assert_eq!(config.models["grok-imagine-video-1.5"].aliases, ["x=y"]);
    assert_eq!(config.log.level, "debug");
    assert_eq!(config.chat.content, ChatContent::Url);
    assert_eq!(config.jobs.deadline, Duration::from_secs(3600));
}

#[test]
fn the_file_is_looked_for_in_three_places() {
    let (cwd, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let find = |explicit| find_file(explicit, cwd.path(), data.path());
    assert_eq!(find(None), None);
    std::fs::write(data.path().join("filmgate.toml"), "").unwrap();
    assert_eq!(find(None), Some(data.path().join("filmgate.toml")));
    std::fs::write(cwd.path().join("filmgate.toml"), "").unwrap();
    assert_eq!(find(None), Some(cwd.path().join("filmgate.toml")));
    assert_eq!(find(Some(Path::new("/else.toml"))), Some("/else.toml".into()));
}

#[test]
fn addresses_and_folders_have_stand_ins() {
    let config = load(&Sources::default()).unwrap().config;
    assert_eq!(config.public_url("[::1]:9".parse().unwrap()), "http://[::1]:9");
    assert_eq!(config.media_dir(Path::new("/data")), Path::new("/data/media"));
    let config = set(&["server.public_url=https://films.example/", "media.dir=/films"]).unwrap().config;
    assert_eq!(config.public_url("[::1]:9".parse().unwrap()), "https://films.example");
    assert_eq!(config.media_dir(Path::new("/data")), Path::new("/films"));
}

#[test]
fn what_nothing_uses_is_told() {
    let loaded = file("[pools.ssoBasc]\nquota_units = 90\n\n[upstreams.other]\n[models.m]\n").unwrap();
    assert_eq!(
        loaded.warnings,
        [
            "filmgate.toml:1: `pools.ssoBasc` is not named by `video.pools`",
            "filmgate.toml:5: `models.m` is not named by `video.models`",
            "filmgate.toml:4: `upstreams.other` is not named by a pool",
        ]
    );
}

proptest! {
    #[test]
    fn no_bytes_as_a_file_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("filmgate.toml");
        std::fs::write(&path, &bytes).unwrap();
        let _ = load(&Sources { file: Some(path), ..Sources::default() });
    }

    /// Pieces of real files in any order reach deeper than random bytes.
    #[test]
    fn no_pieces_of_settings_are_a_panic(pieces in prop::collection::vec(piece(), 0..25), flag in piece()) {
        let text = pieces.concat();
        let variable = format!("FILMGATE__{}", flag.trim().replace('.', "__"));
        let sources = Sources {
            env: vec![(variable, text.clone())],
            set: vec![text.clone(), format!("{}={text}", flag.trim())],
            ..named_file()
        };
        if let Err(errors) = load_text(&sources, &text) {
            prop_assert!(!errors.0.is_empty());
        }
        if let Ok(loaded) = load_text(&named_file(), &text) {
            let again = load_text(&named_file(), &render(&loaded)).unwrap();
            prop_assert_eq!(again.config, loaded.config);
        }
    }
}

fn piece() -> impl Strategy<Value = String> {
    let lines: Vec<String> = DEFAULTS.lines().map(|line| format!("{line}\n")).collect();
    prop_oneof![
        3 => prop::sample::select(lines),
        2 => prop::sample::select(vec![
            "[", "]", "[[", "]]", "{", "}", "=", ".", ",", "\"", "'", "\n", "#", " ", "\"\"\"", "pools", "video",
            "models", "ssoBasic", "delivers", "costs", "[pools.a]\n", "[[pools.a.delivers]]\n", "1", "-1", "0.5",
            "true", "1979-05-27", "nan", "9999999999999999999", "狐", "\u{feff}", "resolution", "upstream",
        ])
        .prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}
