//! What an operator watches: the metrics, and what is made of them by a real Prometheus.

mod commands;
mod dashboard;
mod exposition;
mod identity;
mod prometheus;
mod rules;
mod table;
mod traces;
mod traffic;

use std::path::PathBuf;

/// A file of the repository.
fn in_repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn text_of(path: &str) -> String {
    std::fs::read_to_string(in_repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn have_prometheus(test: &str) -> bool {
    let there = crate::needs::program("promtool", "--version");
    crate::needs::met(test, there.and_then(|()| crate::needs::program("prometheus", "--version")))
}
