//! The ways to run filmgate that are described in this repository: in a container, and as a service of systemd.

mod container;
mod dockerfile;
mod image;
mod process;
mod service;

use std::path::PathBuf;
use std::time::Duration;

/// The root of the repository.
fn repository() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).canonicalize().unwrap()
}

/// A file of the repository.
fn text_of(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// How long the defaults let filmgate take to stop: requests in progress first, then submissions.
fn time_to_stop() -> Duration {
    let defaults: toml::Table = toml::from_str(&text_of("config.defaults.toml")).unwrap();
    let grace = humantime::parse_duration(defaults["server"]["shutdown_grace"].as_str().unwrap());
    grace.unwrap() * 2
}
