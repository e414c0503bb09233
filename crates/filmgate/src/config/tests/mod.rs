//! Tests of the settings as a whole.

use super::*;

mod errors;
mod every;
mod layering;
mod manual;

/// Loads a text as `filmgate.toml`.
fn file(text: &str) -> Result<Loaded, ConfigErrors> {
    load_text(&named_file(), text)
}

/// Sources with a file that is given as a text.
fn named_file() -> Sources {
    Sources { file: Some("filmgate.toml".into()), ..Sources::default() }
}

/// Loads variables of the environment only.
fn env(pairs: &[(&str, &str)]) -> Result<Loaded, ConfigErrors> {
    let env = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    load(&Sources { env, ..Sources::default() })
}

/// Loads `--set` flags only.
fn set(flags: &[&str]) -> Result<Loaded, ConfigErrors> {
    load(&Sources { set: flags.iter().map(|flag| (*flag).to_owned()).collect(), ..Sources::default() })
}

/// The errors, one a line.
#[track_caller]
fn errors(loaded: Result<Loaded, ConfigErrors>) -> String {
    loaded.expect_err("there is something wrong with it").to_string()
}
