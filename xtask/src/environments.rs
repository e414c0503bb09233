//! The environments of the real clients: packages at pinned versions, in `target/clients`.
//!
//! Each folder of `clients/` with a `requirements.txt` or a `package-lock.json` has one, at the same path.
//! Registries, mirrors and proxies are whatever pip and npm are configured to use.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use crate::needs;
use crate::workspace::{self, Workspace};

/// Made with `python3 -m venv` and pip.
const PYTHON: [&str; 5] =
    ["litellm", "openai-python/2", "openai-python/3", "schemathesis", "standardwebhooks"];
/// The Node that runs the scripts: what a machine has may be too old for the packages.
const NODE: &str = "node";
/// Made with npm.
const NPM: [&str; 6] = [NODE, "axe", "ai-sdk/6", "ai-sdk/7", "openai-node/6", "openai-node/7"];
/// In each environment: what it was made of. The tests compare it with what lies in `clients/`.
const MADE_OF: &str = "made-of";
/// In Node's environment: the program to start.
const PROGRAM: &str = "program";
/// The packages need it.
const OLDEST_NODE: u32 = 22;

/// Makes every environment that is missing or made of something else. Returns what could not be made, and why.
pub(crate) fn prepare(here: &Workspace) -> Vec<String> {
    let lock = match lock(here) {
        Ok(lock) => lock,
        Err(why) => return vec![why],
    };
    let curl = needs::CURL.ensure(here);
    let (python, npm) = (needs::PYTHON.ensure(here), needs::NPM.ensure(here));
    let made = thread::scope(|scope| {
        let npm = scope.spawn(|| npm.and_then(|()| NPM.into_iter().try_for_each(|name| npm_ci(here, name))));
        let python = python.and_then(|()| PYTHON.into_iter().try_for_each(|name| venv(here, name)));
        [python, npm.join().expect("making an environment does not panic")]
    });
    drop(lock);
    made.into_iter().chain([curl]).filter_map(Result::err).collect()
}

/// Two runs at once must not make the same environment.
fn lock(here: &Workspace) -> Result<fs::File, String> {
    let folder = here.target().join("clients");
    let file = folder.join("lock");
    let locked = fs::create_dir_all(&folder)
        .and_then(|()| fs::File::create(&file))
        .and_then(|lock| lock.lock().map(|()| lock));
    locked.map_err(|e| format!("cannot lock {}: {e}", file.display()))
}

fn venv(here: &Workspace, name: &str) -> Result<(), String> {
    let environment = Environment::of(here, name);
    let requirements = environment.manifests.join("requirements.txt");
    // A virtual environment belongs to one version of Python.
    let version = workspace::read(here.command("python3").arg("--version"))?;
    let made_of = version + &read(&requirements)?;
    environment.ensure(&made_of, || {
        workspace::run(here.command("python3").args(["-m", "venv"]).arg(&environment.folder))?;
        let mut pip = here.command(environment.folder.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:"]);
        workspace::run(pip.arg("--requirement").arg(requirements))
    })
}

fn npm_ci(here: &Workspace, name: &str) -> Result<(), String> {
    let environment = Environment::of(here, name);
    let made_of = read(&environment.manifests.join("package-lock.json"))?;
    environment.ensure(&made_of, || {
        fs::create_dir_all(&environment.folder).map_err(|e| environment.cannot("make", &e))?;
        for file in ["package.json", "package-lock.json"] {
            fs::copy(environment.manifests.join(file), environment.folder.join(file))
                .map_err(|e| environment.cannot("fill", &e))?;
        }
        let mut npm = here.command("npm");
        // The packages are used as they are; none needs to run anything when it is installed.
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
        workspace::run(npm.current_dir(&environment.folder))?;
        if name == NODE { find_node(here, &environment) } else { Ok(()) }
    })
}

/// Writes down which Node to start: the one installed, or the machine's where there is none for its platform.
fn find_node(here: &Workspace, environment: &Environment) -> Result<(), String> {
    let packages = environment.folder.join("node_modules");
    let installed = fs::read_dir(packages).into_iter().flatten().flatten();
    let programs = installed.map(|package| package.path().join("bin/node"));
    let programs = programs.filter(|path| path.is_file()).chain([PathBuf::from("node")]);
    for program in programs {
        let version = workspace::read(here.command(&program).arg("--version"));
        if version.is_ok_and(|version| major(&version) >= Some(OLDEST_NODE)) {
            let text = program.display().to_string();
            return fs::write(environment.folder.join(PROGRAM), text)
                .map_err(|e| environment.cannot("fill", &e));
        }
    }
    Err(format!(
        "the registry has no Node for this platform: install Node {OLDEST_NODE} or newer, https://nodejs.org"
    ))
}

/// Of `v22.23.3`.
fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

struct Environment {
    /// Where it is pinned.
    manifests: PathBuf,
    /// Where it lies.
    folder: PathBuf,
}

impl Environment {
    fn of(here: &Workspace, name: &str) -> Self {
        Self {
            manifests: here.root().join("clients").join(name),
            folder: here.target().join("clients").join(name),
        }
    }

    /// Makes it anew unless it was made of the same. What is left of a failed attempt does not count.
    fn ensure(&self, made_of: &str, make: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
        let stamp = self.folder.join(MADE_OF);
        if fs::read_to_string(&stamp).is_ok_and(|text| text == made_of) {
            return Ok(());
        }
        match fs::remove_dir_all(&self.folder) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(self.cannot("remove", &e)),
            _ => {}
        }
        make().map_err(|why| format!("{} could not be made: {why}", self.folder.display()))?;
        fs::write(stamp, made_of).map_err(|e| self.cannot("fill", &e))
    }

    fn cannot(&self, verb: &str, why: &std::io::Error) -> String {
        format!("cannot {verb} {}: {why}", self.folder.display())
    }
}

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|e| format!("cannot read {}: {e}", file.display()))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn an_environment_is_made_again_only_when_its_manifest_changed() {
        let root = std::env::temp_dir().join(format!("filmgate-xtask-clients-{}", std::process::id()));
        let environment = Environment { manifests: root.clone(), folder: root.join("it") };
        let times = Cell::new(0);
        let make = |result: Result<(), String>| {
            times.set(times.get() + 1);
            fs::create_dir_all(&environment.folder).unwrap();
            fs::write(environment.folder.join("left"), "").unwrap();
            result
        };
        let ensure = |made_of, result| environment.ensure(made_of, || make(result));
        assert!(ensure("1", Err("no network".into())).is_err(), "a failure is told");
        assert_eq!((ensure("1", Ok(())), times.get()), (Ok(()), 2), "and does not count");
        assert_eq!((ensure("1", Ok(())), times.get()), (Ok(()), 2));
        fs::write(environment.folder.join("old"), "").unwrap();
        assert_eq!((ensure("2", Ok(())), times.get()), (Ok(()), 3));
        assert!(!environment.folder.join("old").exists(), "nothing of the former one stays");
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn every_package_is_pinned_and_no_registry_is_named() {
        let clients = Workspace::find().unwrap().root().join("clients");
        for name in PYTHON {
            let text = read(&clients.join(name).join("requirements.txt")).unwrap();
            for line in text.lines().filter(|line| !line.starts_with(' ')) {
                assert!(line.contains("==") && line.ends_with('\\'), "{name}: {line}");
            }
            assert!(text.contains("--hash=sha256:") && !text.contains("://"), "{name}");
        }
        for name in NPM {
            let text = read(&clients.join(name).join("package-lock.json")).unwrap();
            assert_eq!(text.matches("\"node_modules/").count(), text.matches("\"integrity\":").count());
            assert!(!text.contains("\"resolved\":"), "{name}");
        }
    }

    #[test]
    fn versions_of_node_are_understood() {
        assert_eq!(major("v22.23.3\n"), Some(22));
        assert_eq!(major("node"), None);
    }
}
