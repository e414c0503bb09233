//! Carries out the Dockerfile without an engine, as far as that goes: each stage is a directory, the program is the
//! one under test, and the base images are not there.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::dockerfile::{Instruction, Stage, parse};
use super::{repository, text_of};
use crate::app::binary;

/// What the stages take from their base images.
const OF_BASES: [&str; 1] = ["/etc/ssl/certs/ca-certificates.crt"];

/// An image that was built, and may be run once at a time.
pub(super) struct Image {
    /// Its root directory.
    pub(super) root: TempDir,
    /// Its last stage.
    pub(super) stage: Stage,
    /// What cargo would have compiled.
    pub(super) units: Value,
    /// The files that were there to be compiled, relative to the root of the repository.
    pub(super) sources: PathBuf,
    _earlier: Vec<TempDir>,
}

/// A stage in the making.
struct Making<'a> {
    root: TempDir,
    workdir: PathBuf,
    env: Vec<(String, String)>,
    earlier: &'a BTreeMap<String, TempDir>,
}

impl Image {
    pub(super) fn build() -> Self {
        let mut earlier = BTreeMap::new();
        let mut stages = parse(&text_of("Dockerfile"));
        let last = stages.pop().unwrap();
        let mut sources = PathBuf::new();
        for stage in stages {
            let made = Making::carry_out(&stage, &earlier);
            sources = made.root.path().join(&made.workdir);
            earlier.insert(stage.name.unwrap(), made.root);
        }
        let root = Making::carry_out(&last, &earlier).root;
        let units = std::fs::read_to_string(sources.join("units.json")).unwrap();
        let units = serde_json::from_str(&units).unwrap();
        Self { root, stage: last, units, sources, _earlier: earlier.into_values().collect() }
    }

    /// Where something of the image is in fact.
    pub(super) fn at(&self, path: &str) -> PathBuf {
        below(self.root.path(), path)
    }

    /// What the image runs.
    pub(super) fn main(&self) -> Command {
        self.command(&[self.stage.only("ENTRYPOINT").words(), self.stage.only("CMD").words()].concat())
    }

    /// What the image is asked about its health with.
    pub(super) fn health_check(&self) -> Command {
        self.command(&self.stage.only("HEALTHCHECK").words())
    }

    /// A command in the image: its environment, its user if that can be had, any free port.
    pub(super) fn command(&self, words: &[String]) -> Command {
        let path = self.at("/usr/local/bin");
        let mut command = Command::new(path.join(&words[0]));
        command.args(&words[1..]).env_clear().env("PATH", path);
        command.current_dir(self.at(&self.stage.only("WORKDIR").rest));
        for (name, value) in self.stage.values("ENV") {
            let value = match value.rsplit_once(':') {
                Some((ip, _)) if name == "FILMGATE__SERVER__LISTEN" => format!("{ip}:0"),
                _ if value.starts_with('/') => self.at(&value).display().to_string(),
                _ => value,
            };
            command.env(name, value);
        }
        if is_root(self.root.path()) {
            let user = self.stage.only("USER").rest.clone();
            let (user, group) = user.split_once(':').unwrap();
            command.uid(user.parse().unwrap()).gid(group.parse().unwrap());
        }
        command
    }
}

impl<'a> Making<'a> {
    fn carry_out(stage: &Stage, earlier: &'a BTreeMap<String, TempDir>) -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut making = Self { root, workdir: PathBuf::new(), env: Vec::new(), earlier };
        for instruction in &stage.instructions {
            match &*instruction.keyword {
                "WORKDIR" => {
                    making.workdir = PathBuf::from(instruction.rest.trim_start_matches('/'));
                    std::fs::create_dir_all(making.root.path().join(&making.workdir)).unwrap();
                }
                "ARG" | "ENV" => making.env = [stage.values("ARG"), stage.values("ENV")].concat(),
                "COPY" => making.copy(instruction),
                "RUN" => making.run(&instruction.rest),
                "USER" | "VOLUME" | "EXPOSE" | "HEALTHCHECK" | "ENTRYPOINT" | "CMD" => {}
                other => panic!("{other} is not known here"),
            }
        }
        making
    }

    fn copy(&self, instruction: &Instruction) {
        let words: Vec<&str> = instruction.rest.split_whitespace().collect();
        let (to, from) = words.split_last().unwrap();
        let target = self.path(to);
        for source in from {
            let source = match instruction.flag("from") {
                None => in_context(source),
                Some(stage) => self.earlier[stage].path().join(source.trim_start_matches('/')),
            };
            if OF_BASES.iter().any(|path| source.ends_with(path.trim_start_matches('/'))) {
                continue;
            }
            // A directory's contents are copied, a file by its name where the target is a directory.
            let target = match source.is_file() && to.ends_with('/') {
                true => target.join(source.file_name().unwrap()),
                false => target.clone(),
            };
            copy(&source, &target);
        }
    }

    /// Runs a line of shell, with paths that begin at the root of this stage, and a cargo that compiles nothing.
    fn run(&self, line: &str) {
        let mut line = line.replace(" /", &format!(" {}/", self.root.path().display()));
        if !is_root(self.root.path()) {
            // Nobody else can give files away.
            line = line.replace("-o 10001 -g 10001 ", "");
        }
        let tools = tempfile::tempdir().unwrap();
        let cargo = tools.path().join("cargo");
        std::fs::write(&cargo, CARGO).unwrap();
        std::fs::set_permissions(&cargo, std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", tools.path().display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("sh");
        command.args(["-c", &line]).current_dir(self.root.path().join(&self.workdir)).env_clear();
        let ours = ["HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"];
        command.envs(ours.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.envs(self.env.iter().map(|(name, value)| (name, value))).env("PATH", path);
        command.env("REAL_CARGO", env!("CARGO")).env("PROGRAM", binary());
        let ran = command.output().unwrap();
        assert!(ran.status.success(), "{line}\n{}", String::from_utf8_lossy(&ran.stderr));
    }

    fn path(&self, path: &str) -> PathBuf {
        let base = if path.starts_with('/') { PathBuf::new() } else { self.workdir.clone() };
        below(&self.root.path().join(base), path)
    }
}

/// cargo reads its arguments, the manifests and the lock file, and says what it would compile.
const CARGO: &str = r#"#!/bin/sh
set -e
RUSTC_BOOTSTRAP=1 "$REAL_CARGO" "$@" --offline -Z unstable-options --unit-graph > units.json
mkdir -p "target/$PROFILE"
ln -s "$PROGRAM" "target/$PROFILE/filmgate"
"#;

fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/').trim_start_matches("./"))
}

fn is_root(made_by_us: &Path) -> bool {
    std::fs::metadata(made_by_us).unwrap().uid() == 0
}

/// Something that the engine is given to build from: what `.dockerignore` leaves.
fn in_context(source: &str) -> PathBuf {
    let rules = text_of(".dockerignore");
    let mut rules = rules.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    assert_eq!(rules.next(), Some("*"), "everything is left out, save");
    let mut kept = rules.map(|rule| rule.strip_prefix('!').unwrap_or_else(|| panic!("{rule}")));
    let top = source.split('/').next().unwrap();
    assert!(kept.any(|name| name == top), ".dockerignore leaves {source} out");
    repository().join(source)
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    }
}
