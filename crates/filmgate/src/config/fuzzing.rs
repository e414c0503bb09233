//! What is fuzzed here: each function takes any bytes, and panics when a promise does not hold. The fuzz targets
//! and the ordinary tests call the same ones.

use super::error::MOST_ERRORS;
use super::{ConfigErrors, Loaded, Sources, load, load_text, render};

/// A fuzz target: its name, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// Every target of this crate.
pub const TARGETS: [Target; 3] =
    [("config_file", config_file), ("config_set", config_set), ("config_env", config_env)];

/// The longest message, in characters.
const LONGEST: usize = 3_000;

/// The text of `filmgate.toml`.
pub fn config_file(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let sources = Sources { file: Some("filmgate.toml".into()), ..Sources::default() };
    let lines = text.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let loaded = load_text(&sources, &text);
    for error in loaded.as_ref().err().into_iter().flat_map(|errors| &errors.0) {
        // What the file does not say is told of the manual's place.
        if error.place == "filmgate.toml" && !error.message.starts_with("has more errors") {
            assert!(error.line.is_some_and(|line| (1..=lines).contains(&line)), "{error:?}");
            assert!(error.column.is_some_and(|column| column > 0), "{error:?}");
            assert!(error.key.is_some() || error.message.contains("TOML"), "{error:?}");
        }
    }
    check(loaded);
}

/// `--set` flags, one a line.
pub fn config_set(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let set = text.split('\n').take(50).map(str::to_owned).collect();
    check(load(&Sources { set, ..Sources::default() }));
}

/// Variables of the environment, one a line. None that names a file: what is in there is no part of the input.
pub fn config_env(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let pairs = text.split('\n').take(50).filter_map(|line| line.split_once('='));
    let pairs = pairs.filter(|(name, _)| {
        !name.to_lowercase().replace(|c: char| !c.is_alphanumeric(), "_").ends_with("_file")
    });
    let env = pairs.map(|(name, value)| (format!("FILMGATE__{name}"), value.to_owned())).collect();
    check(load(&Sources { env, ..Sources::default() }));
}

fn check(loaded: Result<Loaded, ConfigErrors>) {
    match loaded {
        Ok(loaded) => {
            let shown = render(&loaded);
            shown.parse::<toml::Table>().unwrap_or_else(|error| panic!("{error}: {shown}"));
            assert!(!loaded.catalog.pools().is_empty() && !loaded.catalog.models().is_empty());
        }
        Err(errors) => {
            assert!((1..=2 * MOST_ERRORS + 60).contains(&errors.0.len()), "{} errors", errors.0.len());
            for error in &errors.0 {
                assert!(!error.place.is_empty() && !error.message.is_empty(), "{error:?}");
                assert!(error.message.chars().count() <= LONGEST, "{error:?}");
                // It ends up in a log, and on a terminal.
                assert!(!error.to_string().contains(|c: char| c.is_control()), "{error:?}");
            }
        }
    }
}

#[cfg(test)]
#[path = "../../../../fuzz/smoke.rs"]
mod smoke;

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    fn the_seeds_and_hundreds_of_mutations_keep_every_promise(#[values(0, 1, 2)] nth: usize) {
        let (name, run) = TARGETS[nth];
        smoke::replay(name, 100, run);
    }
}
