//! The command line as a whole: it parses, and what it says of itself is true.

use std::path::{Path, PathBuf};

use clap::{CommandFactory as _, Parser as _};
use rstest::rstest;

use super::Cli;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[rstest]
#[case("filmgate demo")]
#[case("filmgate serve --preset xai")]
#[case("filmgate generate fox --resolution 720p --seconds 10 -o fox.mp4 --json")]
#[case("filmgate generate --resume video_1 -o fox.mp4")]
#[case("filmgate --json route --resolution 720p --seconds 10")]
#[case("filmgate route")]
#[case("filmgate token add --pool xai")]
#[case("filmgate token import - --pool xai --upstream http://localhost:9000/v1 --dry-run")]
#[case("filmgate token export --secrets -o t.json")]
#[case("filmgate token list --pool ssoBasic --status cooling")]
#[case("filmgate token show tok_1")]
#[case("filmgate token disable tok_1 tok_2")]
#[case("filmgate token remove tok_1 --yes")]
#[case("filmgate pool list")]
#[case("filmgate job list --state failed --limit 5")]
#[case("filmgate job show video_1")]
#[case("filmgate job cancel video_1")]
#[case("filmgate key create laptop --caller me")]
#[case("filmgate key rotate key_1 --keep-seconds 0")]
#[case("filmgate key revoke key_1")]
#[case("filmgate caller list")]
#[case("filmgate caller limit me --max-in-flight 3 --requests-per-minute none --units-per-day 0")]
#[case("filmgate config show --defaults")]
#[case("filmgate config check new.toml --set video.upgrade_reserve=0.5 --set log.level=debug")]
#[case("filmgate config path --data-dir /tmp/x")]
#[case("filmgate upstream check xai --spend --model m")]
#[case("filmgate backup /srv/backups/today --media --without-keys")]
#[case("filmgate restore /srv/backups/today --data-dir /tmp/x")]
#[case("filmgate master-key rotate")]
#[case("filmgate completions zsh")]
fn what_people_type(#[case] line: &str) {
    parse(line).unwrap();
}

#[rstest]
#[case("filmgate")]
#[case("filmgate generate")]
#[case("filmgate generate fox --resume video_1")]
#[case("filmgate generate fox --resolution 4k")]
#[case("filmgate generate fox --seconds 0")]
#[case("filmgate generate fox --aspect-ratio 2:1")]
#[case("filmgate route --seconds many")]
#[case("filmgate token disable")]
#[case("filmgate caller limit me")]
#[case("filmgate token list --status odd")]
#[case("filmgate job list --state odd")]
#[case("filmgate job list --limit 0")]
#[case("filmgate upstream check xai --model m")]
#[case("filmgate completions cobol")]
fn what_makes_no_sense_is_refused(#[case] line: &str) {
    // Help, where a command is missing, goes the same way.
    assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
}

#[test]
fn flags_may_stand_before_and_after_the_command() {
    for line in [
        "filmgate --data-dir /x --set a=1 --set b=2 pool list",
        "filmgate pool list --set a=1 --data-dir /x --set b=2",
    ] {
        let globals = parse(line).unwrap().globals;
        assert_eq!(globals.data_dir(), Path::new("/x"));
        assert_eq!(globals.set, ["a=1", "b=2"]);
    }
}

#[test]
fn the_file_in_the_data_directory_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("filmgate.toml");
    std::fs::write(&file, "").unwrap();
    let globals = parse("filmgate pool list").unwrap().globals;
    assert_eq!(globals.sources_with(dir.path()).file, Some(file));
    let globals = parse("filmgate pool list --config other.toml").unwrap().globals;
    assert_eq!(globals.sources_with(dir.path()).file, Some(PathBuf::from("other.toml")));
}

#[test]
fn secrets_are_not_shown_by_debug_or_usage_errors() {
    let cli = parse("filmgate generate fox --api-key fg-0123456789abcdef --admin-key fga-0123456789abcdef")
        .unwrap();
    let text = format!("{cli:?}");
    assert!(!text.contains("0123456789abcdef"), "{text}");
}
