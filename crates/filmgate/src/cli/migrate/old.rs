//! The files of a grok2api data directory, as text becomes values. Nothing in them is changed.
//!
//! Known forms: `config.toml` and `token.json` (`{pool: [token, {...}]}`) of version 2 and its forks,
//! `setting.toml` and `token.json` (`{pool: {token: {...}}}`) of version 1, `config.toml` of version 3 (which keeps
//! its tokens in a database), and `api_keys.json` of some forks.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::Value;

/// What a data directory holds.
#[derive(Debug)]
pub(super) struct Old {
    /// The directory that the files are in.
    pub(super) dir: PathBuf,
    /// The settings.
    pub(super) settings: Option<File<toml::Table>>,
    /// The tokens, by pool.
    pub(super) tokens: Option<File<Value>>,
    /// The client keys of some forks.
    pub(super) keys: Option<File<Value>>,
    /// Other things that are there and are not read: what they are for, and their names.
    pub(super) unread: Vec<Unread>,
}

/// A file that was read.
#[derive(Debug)]
pub(super) struct File<T> {
    pub(super) path: PathBuf,
    pub(super) content: T,
}

/// What is there and is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// `setting.toml` beside `config.toml`.
    OlderSettings,
    /// `accounts.db`: the tokens of version 3.
    Accounts,
    /// `tmp`: pictures and videos.
    Cache,
}

const CONFIG: &str = "config.toml";
const SETTING: &str = "setting.toml";
const TOKENS: &str = "token.json";
const KEYS: &str = "api_keys.json";

impl Old {
    /// Reads the directory, or the `data` directory in it.
    ///
    /// # Errors
    /// When there is nothing of the kind, or a file makes no sense; the message names the file, its line, and what
    /// to do.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let dir = find(path)?;
        let settings = [CONFIG, SETTING].iter().find(|name| dir.join(name).exists());
        let settings = settings.map(|name| read(&dir.join(name), parse_toml)).transpose()?;
        let there = |name: &str| dir.join(name).exists();
        let mut unread = Vec::new();
        unread.extend((there(CONFIG) && there(SETTING)).then_some(Unread::OlderSettings));
        unread.extend(there("accounts.db").then_some(Unread::Accounts));
        unread.extend(there("tmp").then_some(Unread::Cache));
        let tokens = there(TOKENS).then(|| read(&dir.join(TOKENS), parse_tokens)).transpose()?;
        let keys = there(KEYS).then(|| read(&dir.join(KEYS), parse_json)).transpose()?;
        Ok(Self { settings, tokens, keys, unread, dir })
    }
}

/// The directory that has the files.
fn find(path: &Path) -> anyhow::Result<PathBuf> {
    if !path.exists() {
        bail!("{} does not exist; name the data directory of grok2api", path.display());
    }
    if !path.is_dir() {
        bail!(
            "{} is a file; name the directory that it is in, with {CONFIG} and {TOKENS} together",
            path.display()
        );
    }
    let is_it = |dir: &Path| [CONFIG, SETTING, TOKENS].iter().any(|name| dir.join(name).is_file());
    let below = path.join("data");
    if is_it(&below) && !path.join(TOKENS).is_file() && !path.join(CONFIG).is_file() {
        return Ok(below);
    }
    if is_it(path) {
        return Ok(path.to_owned());
    }
    let newer = ["config.yaml", "config.yml"].iter().find(|name| path.join(name).exists());
    if let Some(newer) = newer {
        bail!(
            "{} holds a {newer}, as newer versions of grok2api have that are not written in Python; this reads \
             {CONFIG} (or {SETTING}) and {TOKENS}",
            path.display()
        );
    }
    bail!(
        "there is no {CONFIG}, {SETTING} or {TOKENS} in {}; name the data directory of grok2api (for its Docker \
         image, what is mounted at /app/data)",
        path.display()
    )
}

fn read<T>(path: &Path, parse: impl FnOnce(&str) -> Result<T, Mistake>) -> anyhow::Result<File<T>> {
    let bytes = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let told = |line: usize, message: &str| {
        anyhow::anyhow!(
            "{}:{line}: {message}; mend that and run this again. Nothing was changed.",
            path.display()
        )
    };
    let text = match str::from_utf8(&bytes) {
        Ok(text) => text,
        Err(error) => {
            let line = line_at(&bytes, error.valid_up_to());
            return Err(told(line, "the text is not UTF-8"));
        }
    };
    let content =
        parse(text.trim_start_matches('\u{feff}')).map_err(|Mistake(line, message)| told(line, &message))?;
    Ok(File { path: path.to_owned(), content })
}

/// What is wrong in a file, and in which line.
struct Mistake(usize, String);

fn line_at(text: &[u8], offset: usize) -> usize {
    text.iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

fn parse_toml(text: &str) -> Result<toml::Table, Mistake> {
    text.parse().map_err(|error: toml::de::Error| {
        let line = line_at(text.as_bytes(), error.span().map_or(0, |span| span.start));
        Mistake(line, format!("this cannot be read as TOML: {}", error.message().trim()))
    })
}

fn parse_tokens(text: &str) -> Result<Value, Mistake> {
    let content = parse_json(text)?;
    if content.is_object() {
        return Ok(content);
    }
    let expected = "expected lists of tokens by pool, as {\"ssoBasic\": [...], \"ssoSuper\": [...]}";
    Err(Mistake(1, expected.to_owned()))
}

fn parse_json(text: &str) -> Result<Value, Mistake> {
    serde_json::from_str(text)
        .map_err(|error| Mistake(error.line(), format!("this cannot be read as JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn dir(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        dir
    }

    #[rstest]
    #[case(&[("config.toml", &b"\xef\xbb\xbf[app]\n"[..]), ("token.json", &b"{}"[..])], "", (true, true))]
    #[case(&[("data/config.toml", &b"[app]\n"[..])], "data", (true, false))]
    #[case(&[("data/token.json", &b"{}"[..]), ("config.defaults.toml", &b"nonsense"[..])], "data", (false, true))]
    #[case(&[("setting.toml", &b"[grok]\n"[..]), ("token.json", &b"{}"[..])], "", (true, true))]
    fn the_files_are_found(#[case] files: &[(&str, &[u8])], #[case] below: &str, #[case] has: (bool, bool)) {
        let dir = dir(files);
        let old = Old::read(dir.path()).unwrap();
        assert_eq!(old.dir, if below.is_empty() { dir.path().to_owned() } else { dir.path().join(below) });
        assert_eq!((old.settings.is_some(), old.tokens.is_some()), has);
    }

    #[test]
    fn what_is_not_read_is_known() {
        let dir = dir(&[
            ("config.toml", &b"[app]\napp_key = \"x\"\n"[..]),
            ("setting.toml", &b"not even TOML"[..]),
            ("accounts.db", &b"SQLite"[..]),
            ("tmp/video/a.mp4", &b""[..]),
        ]);
        let old = Old::read(dir.path()).unwrap();
        assert!(old.settings.unwrap().path.ends_with("config.toml"));
        assert_eq!(old.unread, [Unread::OlderSettings, Unread::Accounts, Unread::Cache]);
    }

    #[rstest]
    #[case(&[("config.toml", &b"[app]\n\napp_key = \n"[..])], "config.toml:3: this cannot be read as TOML")]
    #[case(&[("config.toml", &b"[app]\na = 1\na = 2\n"[..])], "config.toml:3: this cannot be read as TOML")]
    #[case(&[("token.json", &b"{\n\"ssoBasic\": [\n\"a\" \"b\"]}"[..])], "token.json:3: this cannot be read as JSON")]
    #[case(&[("token.json", &b""[..])], "token.json:1: this cannot be read as JSON")]
    #[case(&[("config.toml", &b"[app]\n# \xc3\x28\n"[..])], "config.toml:2: the text is not UTF-8")]
    #[case(&[("token.json", &b"\xff\xfe{\x00}\x00"[..])], "token.json:1: the text is not UTF-8")]
    #[case(&[("api_keys.json", &b"["[..]), ("token.json", &b"{}"[..])], "api_keys.json:1: this cannot be read as JSON")]
    #[case(&[("token.json", &b"[\"a\"]"[..])], "token.json:1: expected lists of tokens by pool")]
    #[case(&[("config.yaml", &b"a: 1"[..])], "config.yaml")]
    #[case(&[("readme.md", &b""[..])], "there is no config.toml, setting.toml or token.json in ")]
    fn mistakes_are_told_with_their_place(#[case] files: &[(&str, &[u8])], #[case] words: &str) {
        let dir = dir(files);
        let error = Old::read(dir.path()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert!(error.contains(dir.path().to_str().unwrap()), "{error}");
    }

    #[test]
    fn a_path_that_is_none() {
        let dir = dir(&[("token.json", &b"{}"[..])]);
        let told = |path: &str| Old::read(&dir.path().join(path)).unwrap_err().to_string();
        assert!(told("nowhere").contains("nowhere does not exist"));
        assert!(told("token.json").contains("is a file"));
    }
}
