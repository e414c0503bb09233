//! Everything that can be wrong is told with its place, and all at once.

use rstest::rstest;

use super::*;

#[rstest]
#[case::unknown_key(
    "[video]\nallow_falback_to_basic = true",
    "filmgate.toml:2:1: unknown key `video.allow_falback_to_basic`; did you mean `allow_fallback_to_basic`?"
)]
#[case::unknown_section(
    "\n\n[pool.x]\nquota_units = 1",
    "filmgate.toml:3:2: unknown key `pool`; did you mean `pools`?"
)]
#[case::a_key_of_another_section(
    "poll_every = \"1s\"",
    "filmgate.toml:1:1: unknown key `poll_every`; did you mean `upstreams.NAME.poll_every`?"
)]
#[case::nothing_alike(
    "chat = { xyzzy = 1 }",
    "filmgate.toml:1:10: unknown key `chat.xyzzy`; known here: `content`, `ping_every`"
)]
#[case::wrong_type(
    "[pools.ssoBasic]\nquota_units = \"eighty\"",
    "filmgate.toml:2:15: `pools.ssoBasic.quota_units`: expected an integer, found a string \"eighty\""
)]
#[case::columns_are_characters(
    "video = { \"狐狐\" = 1, upgrade_reserve = 7 }",
    "filmgate.toml:1:11: unknown key `video.\"狐狐\"`; known here: `smart_token_routing`, \
     `allow_fallback_to_basic`, `log_fallback_warning`, `allow_upgrade_to_super`, `upgrade_reserve`, `busy_wait`, `pools`, \
     `models`\nfilmgate.toml:1:39: `video.upgrade_reserve`: expected a number from 0 to 1, found 7"
)]
#[case::negative(
    "[pools.ssoBasic]\nquota_units = -1",
    "filmgate.toml:2:15: `pools.ssoBasic.quota_units`: expected an integer from 0 to 4294967295, found -1"
)]
#[case::too_large(
    "[pools.ssoBasic]\nquota_units = 99999999999999999999",
    "filmgate.toml:2:15: `pools.ssoBasic.quota_units`: expected an integer, found a number that is too large"
)]
#[case::a_date(
    "[server]\nlisten = 2026-11-23",
    "filmgate.toml:2:10: `server.listen`: expected an address and a port, such as \"127.0.0.1:8000\" or \"[::1]:8000\", found a date or time of day"
)]
#[case::not_a_table("video = 3", "filmgate.toml:1:9: `video`: expected a table, found 3")]
#[case::not_a_list(
    "[video]\npools = \"ssoBasic\"",
    "filmgate.toml:2:9: `video.pools`: expected a list, found a string \"ssoBasic\""
)]
#[case::not_a_switch(
    "[video]\nsmart_token_routing = \"yes\"",
    "filmgate.toml:2:23: `video.smart_token_routing`: expected true or false, found a string \"yes\""
)]
#[case::word(
    "[chat]\ncontent = \"htlm\"",
    "filmgate.toml:2:11: `chat.content`: expected \"html\" or \"url\", found a string \"htlm\"; did you mean \"html\"?"
)]
#[case::word_of_another_type(
    "[chat]\ncontent = 5",
    "filmgate.toml:2:11: `chat.content`: expected a string, found 5"
)]
#[case::ending(
    "[jobs]\ncharge = [\"done\", \"timeout\"]",
    "filmgate.toml:2:19: `jobs.charge[1]`: expected \"done\" or \"moderated\" or \"failed\" or \"refused\" or \
     \"unknown\" or \"timed_out\" or \"cancelled\" or \"unsent\", found a string \"timeout\"; did you mean \"timed_out\"?"
)]
#[case::free_ending(
    "[jobs]\ncharge = [\"unsent\"]",
    "filmgate.toml:2:11: `jobs.charge[0]`: a submission that was never sent costs nothing"
)]
#[case::zero_attempts(
    "[jobs]\nmax_attempts = 0",
    "filmgate.toml:2:16: `jobs.max_attempts`: expected an integer from 1 to 4294967295, found 0"
)]
#[case::time_without_unit(
    "[jobs]\ndeadline = 900",
    "filmgate.toml:2:12: `jobs.deadline`: expected a time longer than zero, such as \"90s\", \"15m\" or \"7d\", found 900"
)]
#[case::no_time(
    "[chat]\nping_every = \"0s\"",
    "filmgate.toml:2:14: `chat.ping_every`: expected a time longer than zero, such as \"90s\", \"15m\" or \"7d\", found a string \"0s\""
)]
#[case::size(
    "[media]\nmax_file = \"2 gigabytes\"",
    "filmgate.toml:2:12: `media.max_file`: expected a size above zero, such as \"512KiB\" or \"20GiB\", found a string \"2 gigabytes\""
)]
#[case::base_url(
    "[upstreams.xai]\nbase_url = \"api.x.ai/v1\"",
    "filmgate.toml:2:12: `upstreams.xai.base_url`: expected an http:// or https:// address without user, query and fragment, found a string \"api.x.ai/v1\""
)]
#[case::log_level(
    "[log]\nlevel = \"inof\"",
    "filmgate.toml:2:9: `log.level`: expected \"error\", \"warn\", \"info\", \"debug\", \"trace\" or a filter such as \"info,filmgate_engine=debug\", found a string \"inof\""
)]
#[case::resolution(
    "[pools.ssoBasic]\ndelivers = [{ resolution = \"480\", max_seconds = 6 }]",
    "filmgate.toml:2:28: `pools.ssoBasic.delivers[0].resolution`: expected \"480p\" or \"720p\" or \"1080p\", found a string \"480\"; did you mean \"480p\"?"
)]
#[case::seconds(
    "[pools.ssoBasic]\ndelivers = [{ resolution = \"480p\", max_seconds = 900 }]",
    "filmgate.toml:2:50: `pools.ssoBasic.delivers[0].max_seconds`: \"900\" is not a length; use a whole number of seconds from 1 to 600"
)]
#[case::missing_field(
    "[[pools.ssoBasic.delivers]]\nresolution = \"480p\"",
    "filmgate.toml:1:1: `pools.ssoBasic.delivers[0]`: `max_seconds` is missing"
)]
#[case::misspelt_field_is_not_missing_as_well(
    "[pools.ssoBasic]\ndelivers = [{ resolutoin = \"480p\", max_seconds = 6 }]",
    "filmgate.toml:2:15: unknown key `pools.ssoBasic.delivers[0].resolutoin`; did you mean `resolution`?"
)]
#[case::no_such_pool(
    "[video]\npools = [\"ssoBasic\", \"ssoSupr\"]",
    "filmgate.toml:2:22: `video.pools[1]`: there is no pool \"ssoSupr\"; did you mean `ssoSuper`?"
)]
#[case::no_such_model(
    "[video]\nmodels = [\"sora-9\"]",
    "filmgate.toml:2:11: `video.models[0]`: there is no model \"sora-9\"; known here: `grok-imagine-video`"
)]
#[case::no_such_upstream(
    "[pools.ssoBasic]\nupstream = \"xia\"",
    "filmgate.toml:2:12: `pools.ssoBasic.upstream`: there is no upstream \"xia\"; did you mean `xai`?"
)]
#[case::no_such_pool_of_a_model(
    "[models.grok-imagine-video]\npools = [\"ssobasic\"]\nupstream_names = { ssSuper = \"x\" }",
    "filmgate.toml:2:10: `models.grok-imagine-video.pools[0]`: there is no pool \"ssobasic\"; did you mean `ssoBasic`?\n\
     filmgate.toml:3:30: `models.grok-imagine-video.upstream_names.ssSuper`: there is no pool \"ssSuper\"; did you mean `ssoSuper`?"
)]
#[case::pool_not_in_use(
    "[video]\npools = [\"ssoBasic\"]\n[models.grok-imagine-video]\npools = [\"ssoSuper\"]",
    "filmgate.toml:4:10: `models.grok-imagine-video.pools[0]`: the pool \"ssoSuper\" is not in use; add it to `video.pools`"
)]
#[case::no_such_model_of_an_ability(
    "[pools.ssoBasic]\ndelivers = [{ resolution = \"480p\", max_seconds = 6, models = [\"grok\"] }]",
    "filmgate.toml:2:63: `pools.ssoBasic.delivers[0].models[0]`: there is no model \"grok\"; did you mean `grok-imagine-video`?"
)]
#[case::no_such_mode(
    "[pools.ssoBasic]\ndelivers = [{ resolution = \"480p\", max_seconds = 6, modes = [\"text\", \"edits\"] }]",
    "filmgate.toml:2:70: `pools.ssoBasic.delivers[0].modes[1]`: expected \"text\" or \"image\" or \"reference\" or \"edit\" \
     or \"extend\", found a string \"edits\"; did you mean \"edit\"?"
)]
#[case::a_mode_that_the_kind_has_not(
    "[upstreams.u]\nkind = \"openai\"\nbase_url = \"http://u/v1\"\n[pools.p]\nupstream = \"u\"\n\
     delivers = [{ resolution = \"480p\", max_seconds = 6, modes = [\"text\", \"reference\"] }]",
    "filmgate.toml:6:70: `pools.p.delivers[0].modes[1]`: an upstream of kind \"openai\" has no \"reference\"; it has \
     \"text\", \"image\", \"edit\", \"extend\""
)]
#[case::no_such_kind(
    "[upstreams.xai]\nkind = \"open_ai\"",
    "filmgate.toml:2:8: `upstreams.xai.kind`: expected \"xai\" or \"openai\", found a string \"open_ai\"; did you mean \"openai\"?"
)]
#[case::no_such_body(
    "[upstreams.u]\nkind = \"openai\"\nbody = \"form\"",
    "filmgate.toml:3:8: `upstreams.u.body`: expected \"auto\" or \"multipart\" or \"json\", found a string \"form\""
)]
#[case::a_body_where_there_is_no_choice(
    "[upstreams.u]\nbody = \"multipart\"",
    "filmgate.toml:2:8: `upstreams.u.body`: kind \"xai\" is always JSON; only kind \"openai\" has a choice"
)]
#[case::twice(
    "[video]\npools = [\"ssoBasic\", \"ssoBasic\"]",
    "filmgate.toml:2:22: `video.pools[1]`: \"ssoBasic\" is in the list twice"
)]
#[case::no_pools("[video]\npools = []", "filmgate.toml:2:9: `video.pools`: at least one pool is needed")]
#[case::alias_taken(
    "[video]\nmodels = [\"grok-imagine-video\", \"b\"]\n[models.b]\naliases = [\"sora-2\"]",
    "filmgate.toml:4:12: `models.b.aliases[0]`: \"sora-2\" is the name of `models.grok-imagine-video.aliases[2]` already"
)]
#[case::incomplete_pool(
    "[video]\npools = [\"mine\"]\n[pools.mine]\nquota_units = 3",
    "filmgate.toml:3:1: `pools.mine.upstream`: missing; name the upstream that its tokens belong to\n\
     filmgate.toml:3:1: `pools.mine.delivers`: missing; say what its tokens deliver, such as [{ resolution = \"720p\", max_seconds = 15 }]\n\
     filmgate.toml:3:1: `pools.mine.quota_window`: missing; say after how long the units of `quota_units` come back"
)]
#[case::a_video_that_no_token_could_ever_make(
    "[pools.ssoBasic]\nquota_units = 3",
    "filmgate.toml:2:15: `pools.ssoBasic.quota_units`: a 480p video of 1s costs 4 units, more than a token ever \
     has; raise this, or change `costs` or `delivers`"
)]
#[case::incomplete_upstream(
    "[pools.ssoBasic]\nupstream = \"u\"\n[upstreams.u]",
    "filmgate.toml:3:1: `upstreams.u.base_url`: missing; say where its API begins"
)]
#[case::bad_name(
    "[pools.\"a b\"]\n",
    "filmgate.toml:1:1: `pools.\"a b\"`: a name has 1 to 100 visible ASCII characters and no spaces"
)]
fn in_a_file(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(errors(file(text)), expected);
}

#[test]
fn toml_errors_have_their_place_and_hide_what_follows_from_them() {
    let told = errors(file("[video]\nupgrade_reserve = \npools = [\"x\"]\nunknown = 1\n"));
    assert_eq!(
        told,
        "filmgate.toml:2:19: cannot be read as TOML: string values must be quoted, expected literal string"
    );
    let told = errors(file("[video]\npools = [\"ssoBasic\"]\npools = [\"ssoSuper\"]\n"));
    assert_eq!(told, "filmgate.toml:3:1: cannot be read as TOML: duplicate key");
}

#[test]
fn all_errors_of_all_sources_are_told_at_once() {
    let sources = Sources {
        preset: Some("xia".to_owned()),
        env: vec![
            ("FILMGATE__VIDEO__UPGRADE_RESERVE".to_owned(), "7".to_owned()),
            ("FILMGATE__VIDEO__POLS".to_owned(), "[]".to_owned()),
        ],
        set: vec!["video.log_fallback_warning=maybe".to_owned(), "novalue".to_owned()],
        ..named_file()
    };
    let text = "[server]\nmax_body = 5\nlisten = \"here\"\n\n[vdeo]\nx = 1\n\n[video]\nupgrade_reserve = 2\n\
                models = [\"nope\"]\n";
    let expected = "\
preset xia: there is no such preset; did you mean `xai`?
filmgate.toml:2:12: `server.max_body`: expected a size above zero, such as \"512KiB\" or \"20GiB\", found 5
filmgate.toml:3:10: `server.listen`: expected an address and a port, such as \"127.0.0.1:8000\" or \"[::1]:8000\", found a string \"here\"
filmgate.toml:5:2: unknown key `vdeo`; did you mean `video`?
filmgate.toml:9:19: `video.upgrade_reserve`: expected a number from 0 to 1, found 2
filmgate.toml:10:11: `video.models[0]`: there is no model \"nope\"; known here: `grok-imagine-video`
environment FILMGATE__VIDEO__POLS: unknown key `video.pols`; did you mean `pools`?
environment FILMGATE__VIDEO__UPGRADE_RESERVE: `video.upgrade_reserve`: expected a number from 0 to 1, found 7
--set: expected KEY=VALUE, found \"novalue\"
--set: `video.log_fallback_warning`: expected true or false, found a string \"maybe\"";
    assert_eq!(errors(load_text(&sources, text)), expected);
}

#[test]
fn errors_are_data_too() {
    let failed = file("[video]\nupgrade_reserve = 7").unwrap_err();
    let [error] = &failed.0[..] else { panic!("one error") };
    assert_eq!((error.place.as_str(), error.line, error.column), ("filmgate.toml", Some(2), Some(19)));
    assert_eq!(error.key.as_deref(), Some("video.upgrade_reserve"));
}

#[rstest]
#[case("FILMGATE__POOLS__SSOBASC__QUOTA_UNITS", "3", "unknown key `pools.ssobasc`; did you mean `ssoBasic`?")]
#[case(
    "FILMGATE__POOLS__SSOBASIC__QUOTAUNITS",
    "3",
    "unknown key `pools.ssoBasic.quotaunits`; did you mean `quota_units`?"
)]
#[case("FILMGATE__VIDEO__POOLS__X", "3", "unknown key `video.pools.x`")]
#[case(
    "FILMGATE__UPGRADE_RESERVE",
    "3",
    "unknown key `upgrade_reserve`; did you mean `video.upgrade_reserve`?"
)]
#[case(
    "FILMGATE__SERVER__LISTEN_FILE",
    "/no/such/file",
    "cannot read the file that it names: No such file or directory (os error 2)"
)]
#[case(
    "FILMGATE__JOBS__DEADLINE",
    "900",
    "`jobs.deadline`: expected a time longer than zero, such as \"90s\", \"15m\" or \"7d\", found a string \"900\""
)]
#[case(
    "FILMGATE__VIDEO__POOLS",
    "[\"ssoBasic\"",
    "`video.pools`: expected a list, found a string \"[\\\"ssoBasic\\\"\""
)]
fn in_the_environment(#[case] name: &str, #[case] value: &str, #[case] expected: &str) {
    assert_eq!(errors(env(&[(name, value)])), format!("environment {name}: {expected}"));
}

#[test]
fn two_variables_for_one_setting_are_an_error() {
    let told = errors(env(&[("FILMGATE__LOG__LEVEL", "info"), ("FILMGATE__LOG__LEVEL_FILE", "/dev/null")]));
    let expected =
        "environment FILMGATE__LOG__LEVEL_FILE: `log.level` is set by FILMGATE__LOG__LEVEL as well";
    assert_eq!(told, expected);
    let sources = Sources {
        env: vec![("FILMGATE__POOLS__A_B__QUOTA_UNITS".to_owned(), "1".to_owned())],
        ..named_file()
    };
    let told = errors(load_text(&sources, "[pools.a-b]\n[pools.\"a.b\"]\n"));
    let expected = "environment FILMGATE__POOLS__A_B__QUOTA_UNITS: means both `pools.\"a.b\".quota_units` and \
                    `pools.a-b.quota_units`";
    assert_eq!(told, expected);
}

#[rstest]
#[case(
    "video.allow_falback_to_basic=1",
    "unknown key `video.allow_falback_to_basic`; did you mean `allow_fallback_to_basic`?"
)]
#[case("video..pools=1", "\"video..pools\" is not a key")]
#[case("a.b.c.d.e.f.g.h.i=1", "\"a.b.c.d.e.f.g.h.i\" is not a setting")]
#[case("=1", "\"\" is not a key")]
fn in_a_flag(#[case] flag: &str, #[case] expected: &str) {
    assert_eq!(errors(set(&[flag])), format!("--set: {expected}"));
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    let sources = Sources { file: Some("/no/such/filmgate.toml".into()), ..Sources::default() };
    let expected = "/no/such/filmgate.toml: cannot be read: No such file or directory (os error 2)";
    assert_eq!(errors(load(&sources)), expected);
}

#[rstest]
#[case("[upstreams.xai]\nproxy = \"ftp://me:hunter2@proxy\"")]
#[case("[upstreams.xai]\nproxy = \"proxy:1080:me:hunter2\"")]
#[case("[upstreams.xai]\nproxy = [\"socks5://me:hunter2@proxy\"]")]
#[case("[upstreams.xai]\nproxy = \"socks5://me:hunter2@proxy")]
#[case("[upstreams.xai]\nbase_url = \"https://me:hunter2@api.x.ai\"")]
#[case("[upstreams.xai]\nkind = \"xai-0123456789-0123456789-0123456789-hunter2\"")]
#[case("[upstreams.xai]\napi_key = \"hunter2\"")]
fn no_error_repeats_a_secret(#[case] text: &str) {
    let failed = file(text).unwrap_err();
    assert!(!format!("{failed} {failed:?}").contains("hunter2"), "{failed}");
}

#[test]
fn thousands_of_errors_are_cut_short() {
    let failed = |count: usize| {
        let text: String = (0..count).map(|n| format!("key{n} = 1\n")).collect();
        file(&text).unwrap_err()
    };
    assert_eq!(failed(100).0.len(), 100);
    let failed = failed(5000);
    assert_eq!(failed.0.len(), 101);
    assert!(failed.to_string().contains("filmgate.toml: has more errors; the first 100 are shown"));
}

#[test]
fn depth_is_no_danger() {
    for text in [
        format!("{}x = 1", "a.".repeat(100_000)),
        format!("[{}x]", "a.".repeat(100_000)),
        format!("video = {}", "[".repeat(100_000)),
        format!("video = {}", "{a=".repeat(100_000)),
    ] {
        assert!(file(&text).is_err());
        assert!(set(&[&text]).is_err());
        assert!(set(&[&format!("video.pools={text}")]).is_err());
        assert!(env(&[("FILMGATE__VIDEO__POOLS", &text)]).is_err());
    }
}
