//! What every source file keeps to, beyond what the compiler and clippy check.

use std::fs;
use std::path::{Path, PathBuf};

/// A file above this is two subjects.
const MAX_LINES: usize = 600;
/// Where our sources lie.
const FOLDERS: [&str; 3] = ["crates", "xtask", "fuzz/fuzz_targets"];
/// In two parts, or this file would break the rule.
const ALLOW: [&str; 2] = [concat!("#[", "allow("), concat!("#![", "allow(")];

/// Fails with every file that breaks a rule.
pub(crate) fn check(root: &Path) -> Result<(), String> {
    let mut files = Vec::new();
    for folder in FOLDERS {
        collect(&root.join(folder), &mut files)?;
    }
    let mut broken = Vec::new();
    for file in files {
        let name = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().into_owned();
        if name.ends_with(".snap.new") || name.ends_with(".pending-snap") {
            broken.push(format!("{name}: a snapshot waits for a decision (`cargo insta review`)"));
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&file).map_err(|e| format!("{name}: {e}"))?;
            broken.extend(faults(&text).into_iter().map(|fault| format!("{name}{fault}")));
        }
    }
    if broken.is_empty() { Ok(()) } else { Err(broken.join("\n")) }
}

/// What is wrong with one source file; each begins with `:LINE: ` or `: `.
fn faults(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if !text.starts_with("//!") {
        faults.push(":1: does not open with `//!`, what the file is about".to_owned());
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        faults.push(format!(": has {lines} lines; at most {MAX_LINES}"));
    }
    let allows = text.lines().enumerate().filter(|(_, line)| ALLOW.iter().any(|allow| line.contains(allow)));
    faults.extend(allows.map(|(n, _)| format!(":{}: `allow`; say `#[expect(.., reason = \"..\")]`", n + 1)));
    faults
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let told = |e: std::io::Error| format!("{}: {e}", folder.display());
    for entry in fs::read_dir(folder).map_err(told)? {
        let path = entry.map_err(told)?.path();
        if !path.is_dir() {
            files.push(path);
        } else if !path.ends_with("target") {
            collect(&path, files)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_file_has_no_faults() {
        assert_eq!(faults("//! About something.\n\nfn main() {}\n"), [""; 0]);
        assert_eq!(faults(&format!("//! Long.\n{}", "//\n".repeat(MAX_LINES - 1))), [""; 0]);
    }

    #[test]
    fn each_rule_is_enforced() {
        assert!(faults("fn main() {}\n")[0].starts_with(":1: "));
        assert!(faults(&format!("//! Long.\n{}", "//\n".repeat(MAX_LINES)))[0].contains("601 lines"));
        let text = format!("//! Lax.\n{}dead_code)]\n{}unused)]\n", ALLOW[0], ALLOW[1]);
        let faults = faults(&text);
        assert!(faults[0].starts_with(":2: ") && faults[1].starts_with(":3: "), "{faults:?}");
    }

    #[test]
    fn pending_snapshots_are_found() {
        let root = std::env::temp_dir().join(format!("filmgate-xtask-sources-{}", std::process::id()));
        for folder in FOLDERS {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::create_dir_all(root.join("crates/a/target")).unwrap();
        fs::write(root.join("crates/a/target/generated.rs"), "no header").unwrap();
        assert_eq!(check(&root), Ok(()));
        fs::write(root.join("crates/a/.lib.rs.pending-snap"), "").unwrap();
        fs::write(root.join("xtask/x.snap.new"), "").unwrap();
        let why = check(&root).unwrap_err();
        fs::remove_dir_all(&root).unwrap();
        assert!(why.contains("crates/a/.lib.rs.pending-snap: a snapshot waits"), "{why}");
        assert!(why.contains("xtask/x.snap.new: a snapshot waits"), "{why}");
    }
}
