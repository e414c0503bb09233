//! The defaults are the founding rule, and the manual has every setting; so do presets.

use std::collections::BTreeSet;

use filmgate_domain::{
    Mode, Resolution, Rules, Seconds, Timestamp, TokenId, TokenInfo, TokenManager, Wanted,
};
use rand::SeedableRng as _;

use super::*;
use crate::config::tree::Step;

#[test]
fn f3_f4_the_default_pools_are_those_of_the_founding_document() {
    let loaded = load(&Sources::default()).unwrap();
    let founding = Catalog::founding();
    assert_eq!(loaded.catalog.pools().len(), founding.pools().len());
    for (ours, theirs) in loaded.catalog.pools().iter().zip(founding.pools()) {
        assert_eq!(ours.name, theirs.name);
        assert_eq!(ours.upstream, theirs.upstream);
        assert_eq!(ours.delivers, theirs.delivers);
        assert_eq!(ours.quota, theirs.quota);
        assert_eq!(ours.costs, theirs.costs);
        assert_eq!(ours.max_in_flight, Some(8));
    }
    let model = loaded.catalog.default_model();
    assert_eq!(model.name, founding.default_model().name);
    assert_eq!(model.pools, founding.default_model().pools);
    assert_eq!(model.aliases, ["grok-video", "grok-imagine-1.0-video", "sora-2"]);
}

/// The pools and what they are asked for, by a manager with one token in each of the pools given.
fn choose(loaded: &Loaded, pools: &[&str], resolution: Resolution, seconds: u32) -> (String, String) {
    let now = Timestamp::from_millis(0);
    let mut manager = TokenManager::new(loaded.catalog.clone(), loaded.config.routing());
    for (n, pool) in (0..).zip(pools) {
        let secret = filmgate_domain::Secret::new(format!("token-{n}-0123456789"));
        manager.add(TokenInfo::new(TokenId(n), *pool, secret, now), now);
    }
    let asked = filmgate_domain::Shape {
        resolution,
        seconds: Seconds::new(seconds).unwrap(),
        aspect_ratio: filmgate_domain::AspectRatio::R16x9,
    };
    let mut rng = rand::rngs::StdRng::seed_from_u64(1);
    let (token, reservation) =
        manager.token_for_video(resolution, asked.seconds, now, &mut rng).expect("a token is there");
    manager.release(reservation, now);
    let model = loaded.catalog.default_model();
    let pool = &loaded.catalog.pools()[loaded.catalog.pool_index(&token.pool).unwrap()];
    let wanted = Wanted::new(&model.name, asked);
    let sent = if pool.delivers(&wanted) { Some(asked) } else { pool.nearest(&wanted) };
    (token.pool.to_string(), sent.unwrap().to_string())
}

#[test]
fn f9_the_four_scenarios_with_the_default_settings() {
    let loaded = load(&Sources::default()).unwrap();
    let both = ["ssoBasic", "ssoSuper"];
    let chosen = |pools: &[&str], resolution, seconds| {
        let (pool, sent) = choose(&loaded, pools, resolution, seconds);
        format!("{pool} {sent}")
    };
    assert_eq!(chosen(&both, Resolution::P480, 6), "ssoBasic 480p 6s 16:9");
    assert_eq!(chosen(&both, Resolution::P720, 6), "ssoSuper 720p 6s 16:9");
    assert_eq!(chosen(&both, Resolution::P480, 10), "ssoSuper 480p 10s 16:9");
    assert_eq!(chosen(&["ssoBasic"], Resolution::P720, 6), "ssoBasic 480p 6s 16:9");
}

#[test]
fn f7_the_switches_and_limits_are_those_of_the_domain() {
    let config = load(&Sources::default()).unwrap().config;
    assert_eq!(config.routing(), filmgate_domain::RoutingSettings::default());
    assert_eq!(config.rules(), Rules::default());
}

#[test]
fn f7_the_switches_reach_the_domain() {
    let loaded = file(
        "[video]\nsmart_token_routing = false\nallow_fallback_to_basic = false\nlog_fallback_warning = false\n\
         allow_upgrade_to_super = false\nupgrade_reserve = 1\n[jobs]\nmax_attempts = 1\nmax_blames = 1\n\
         slot_hold = \"0s\"\ncharge = []\n",
    );
    let config = loaded.unwrap().config;
    let routing = config.routing();
    assert!(!routing.smart_token_routing && !routing.allow_fallback_to_basic);
    assert!(!routing.log_fallback_warning && !routing.allow_upgrade_to_super);
    assert_eq!(routing.upgrade_reserve, 1.0);
    let rules = config.rules();
    assert_eq!((rules.max_attempts, rules.max_blames), (1, 1));
    assert!(rules.slot_hold.is_zero() && rules.charge.is_empty());
}

/// The dotted keys of all values that are no tables; empty tables count as values.
fn key_set(value: &toml::Value, way: &[Step], found: &mut BTreeSet<String>) {
    match value.as_table().filter(|table| !table.is_empty()) {
        Some(table) => {
            for (key, value) in table {
                key_set(value, &[way, &[Step::Key(key.clone())]].concat(), found);
            }
        }
        None => {
            found.insert(tree::dotted(way));
        }
    }
}

#[test]
fn the_manual_has_every_setting_and_no_other() {
    let (mut typed, mut written) = (BTreeSet::new(), BTreeSet::new());
    let config = load(&Sources::default()).unwrap().config;
    key_set(&toml::Value::try_from(&config).unwrap(), &[], &mut typed);
    key_set(&DEFAULTS.parse::<toml::Table>().unwrap().into(), &[], &mut written);
    assert_eq!(typed, written);
    assert!(written.len() > 50, "the manual was read");
}

#[test]
fn a_typed_configuration_can_be_written_and_read_back() {
    let config = load(&Sources::default()).unwrap().config;
    let again = file(&toml::to_string(&config).unwrap()).unwrap();
    assert_eq!(again.config, config);
}

#[test]
fn a_new_upstream_is_like_that_of_the_manual_save_for_its_address() {
    let manual = load(&Sources::default()).unwrap().config.upstreams["xai"].clone();
    assert_eq!(manual, UpstreamConfig { base_url: manual.base_url.clone(), ..UpstreamConfig::default() });
}

#[test]
fn the_preset_xai_is_one_pool_with_1080p_for_the_new_models() {
    let loaded = load(&Sources { preset: Some("xai".to_owned()), ..Sources::default() }).unwrap();
    let [pool] = loaded.catalog.pools() else { panic!("one pool") };
    assert_eq!((&*pool.name, &*pool.upstream, &pool.quota), ("xai", "xai", &None));
    assert_eq!((pool.max_in_flight, pool.submits_per_minute), (None, Some(60)));
    let offered = |resolution, model: &str| {
        let shape = filmgate_domain::Shape {
            resolution,
            seconds: Seconds::new(15).unwrap(),
            aspect_ratio: filmgate_domain::AspectRatio::R16x9,
        };
        pool.delivers(&Wanted::new(model, shape))
    };
    let models: Vec<&str> = loaded.catalog.models().iter().map(|model| &*model.name).collect();
    assert_eq!(models, ["grok-imagine-video", "grok-imagine-video-1.5", "grok-imagine-video-1.5-lite"]);
    for model in models {
        assert!(offered(Resolution::P480, model) && offered(Resolution::P720, model));
        assert_eq!(offered(Resolution::P1080, model), model != "grok-imagine-video", "{model}");
        assert_eq!(loaded.catalog.model(model).unwrap().upstream_name("xai"), Some(model));
    }
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}

/// The settings that the manual's comments give as an example.
fn example() -> String {
    let lines = DEFAULTS.lines().filter_map(|line| line.strip_prefix("#   "));
    // The first such lines are the order of the layers.
    lines.skip_while(|line| !line.starts_with('[')).map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_example_of_an_openai_server_works_as_it_stands() {
    let loaded = file(&example()).unwrap();
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let wan = loaded.catalog.model("wan").unwrap();
    assert_eq!(wan.upstream_name("gpu"), Some("Wan-AI/Wan2.2-TI2V-5B-Diffusers"));
    assert_eq!(loaded.catalog.model("grok-imagine-video").unwrap().pools.len(), 2);
    assert_eq!(loaded.config.upstreams["vllm"].kind, filmgate_upstream::Kind::OpenAi);
}

#[test]
fn a_pool_delivers_what_its_upstreams_kind_has() {
    let text = "[video]\npools = [\"ssoBasic\", \"p\"]\n[upstreams.u]\nkind = \"openai\"\n\
                base_url = \"http://u/v1\"\n[pools.p]\nupstream = \"u\"\ndelivers = [\
                { resolution = \"480p\", max_seconds = 6 }, { resolution = \"720p\", max_seconds = 6, modes = [\"edit\"] }]";
    let loaded = file(text).unwrap();
    let [xai, openai] = loaded.catalog.pools() else { panic!("two pools") };
    let delivers = |pool: &filmgate_domain::Pool, mode, resolution| {
        pool.longest("grok-imagine-video", mode, resolution).is_some()
    };
    for mode in Mode::ALL {
        assert!(delivers(xai, mode, Resolution::P480), "{mode}");
        assert_eq!(delivers(openai, mode, Resolution::P480), mode != Mode::Reference, "{mode}");
        assert_eq!(delivers(openai, mode, Resolution::P720), mode == Mode::Edit, "{mode}");
    }
}
