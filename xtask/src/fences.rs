//! What must stay absent: imports that the architecture rules out.

use std::collections::BTreeSet;

use crate::workspace::{self, Workspace};

/// Which of our crates each may use (ARCHITECTURE.md draws the same).
const MAY_USE: [(&str, &[&str]); 7] = [
    ("filmgate-domain", &[]),
    ("filmgate-media", &[]),
    ("filmgate-store", &["filmgate-domain"]),
    ("filmgate-upstream", &["filmgate-domain"]),
    ("filmgate-engine", &["filmgate-domain", "filmgate-store", "filmgate-upstream", "filmgate-media"]),
    ("filmgate-http", &["filmgate-domain", "filmgate-engine", "filmgate-store"]),
    ("filmgate-simulator", &[]),
];

/// The domain decides; it does not wait, speak or serialise. Not even by way of another crate.
const ABSENT_FROM_DOMAIN: [&str; 5] = ["tokio", "serde_json", "hyper", "http", "reqwest"];

/// Fails with every import that crosses a fence.
pub(crate) fn check(here: &Workspace) -> Result<(), String> {
    let mut crossed = Vec::new();
    for (name, may_use) in MAY_USE {
        let used = tree(here, name, "normal", "1")?;
        let ours = used.iter().filter(|used| used.starts_with("filmgate") && *used != name);
        crossed.extend(
            ours.filter(|used| !may_use.contains(&used.as_str())).map(|used| format!("{name} uses {used}")),
        );
    }
    let under_domain = tree(here, "filmgate-domain", "normal", "255")?;
    crossed.extend(
        ABSENT_FROM_DOMAIN
            .iter()
            .filter(|absent| under_domain.contains(**absent))
            .map(|absent| format!("filmgate-domain pulls in {absent}")),
    );
    // Not in its tests either: a simulator checked with the gateway's code would share its mistakes.
    let under_simulator = tree(here, "filmgate-simulator", "normal,build,dev", "255")?;
    crossed.extend(
        under_simulator
            .iter()
            .filter(|name| name.starts_with("filmgate") && *name != "filmgate-simulator")
            .map(|name| format!("filmgate-simulator pulls in {name}")),
    );
    if crossed.is_empty() { Ok(()) } else { Err(crossed.join("\n")) }
}

/// The names of the crates that `package` depends on, down to a depth; with its own.
fn tree(here: &Workspace, package: &str, edges: &str, depth: &str) -> Result<BTreeSet<String>, String> {
    let args = ["tree", "--quiet", "--package", package, "--edges", edges, "--depth", depth];
    let mut command = here.cargo(&args);
    let text = workspace::read(command.args(["--prefix", "none", "--format", "{p}"]))?;
    let names = names(&text);
    // An empty answer would let everything pass.
    if names.contains(package) { Ok(names) } else { Err(format!("cargo tree does not know {package}")) }
}

fn names(tree: &str) -> BTreeSet<String> {
    tree.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_the_tree() {
        let tree = "filmgate-domain v0.1.0 (/somewhere)\nserde v1.0.0\nserde_derive v1.0.0 (proc-macro)\nserde v1.0.0 (*)\n";
        assert_eq!(Vec::from_iter(names(tree)), ["filmgate-domain", "serde", "serde_derive"]);
    }
}
