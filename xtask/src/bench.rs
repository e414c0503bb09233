//! `cargo xtask bench NAME`: one benchmark, in the bench profile.

use crate::workspace::{self, Workspace};

/// Each benchmark and the crate it lies in.
const BENCHES: [(&str, &str); 4] =
    [("load", "filmgate"), ("page", "filmgate"), ("routing", "filmgate-domain"), ("store", "filmgate-store")];

/// Runs one benchmark; `rest` goes to cargo as it is.
pub(crate) fn run(here: &Workspace, name: &str, rest: &[String]) -> Result<(), String> {
    let mut command = here.cargo(&["bench", "--package", package_of(name)?, "--bench", name]);
    workspace::run(command.args(rest))
}

/// The crate of a benchmark.
///
/// # Errors
/// When there is no such benchmark.
pub(crate) fn package_of(name: &str) -> Result<&'static str, String> {
    match BENCHES.iter().find(|(known, _)| *known == name) {
        Some((_, package)) => Ok(package),
        None => {
            let known = BENCHES.map(|(known, _)| known).join(" ");
            Err(format!("no benchmark `{name}`; the benchmarks are {known}"))
        }
    }
}
