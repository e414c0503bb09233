//! Where a video is saved: written beside its place first, so that a file is whole or not there.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use tempfile::NamedTempFile;

/// The longest name made from a prompt, in characters.
const LONGEST: usize = 48;

/// A place for a file.
#[derive(Debug)]
pub(in crate::cli) struct Target {
    path: PathBuf,
    may_overwrite: bool,
}

impl Target {
    /// The file named, or one in the directory named, or one in the working directory. The name is made from
    /// the prompt where none is given.
    pub(in crate::cli) fn new(
        output: Option<&Path>,
        prompt: &str,
        may_overwrite: bool,
    ) -> anyhow::Result<Self> {
        let own = || format!("{}.mp4", slug(prompt));
        let path = match output {
            Some(directory) if directory.is_dir() => directory.join(own()),
            Some(file) => file.to_owned(),
            None => own().into(),
        };
        if !may_overwrite && path.symlink_metadata().is_ok() {
            bail!(
                "{} is there already; choose another name with -o, or overwrite it with --force",
                path.display()
            );
        }
        let target = Self { path, may_overwrite };
        if !target.directory().is_dir() {
            bail!("there is no directory {}", target.directory().display());
        }
        Ok(target)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn directory(&self) -> &Path {
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        parent.unwrap_or(Path::new("."))
    }

    /// A temporary file beside the place.
    pub(super) fn begin(&self) -> anyhow::Result<NamedTempFile> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".filmgate-").suffix(".part");
        #[cfg(unix)]
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        #[cfg(unix)]
        // The video is no secret: as other programs make files, subject to the umask.
        builder.permissions(permissions);
        let directory = self.directory();
        builder
            .tempfile_in(directory)
            .with_context(|| format!("nothing can be written in {}", directory.display()))
    }

    /// Puts the finished file in its place.
    pub(super) fn finish(&self, file: NamedTempFile) -> anyhow::Result<PathBuf> {
        let path = || self.path.display();
        file.as_file().sync_all().with_context(|| format!("{} cannot be written", path()))?;
        let kept =
            if self.may_overwrite { file.persist(&self.path) } else { file.persist_noclobber(&self.path) };
        kept.map_err(|error| error.error).with_context(|| format!("{} cannot be written", path()))?;
        Ok(self.path.clone())
    }
}

/// A file name from a prompt: letters and digits of any script, hyphens between the words.
fn slug(prompt: &str) -> String {
    let lower = prompt.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let mut slug = String::new();
    for word in words {
        let gap = usize::from(!slug.is_empty());
        let left = LONGEST.saturating_sub(slug.chars().count() + gap);
        // The first word is cut, the others are left out.
        if left == 0 || (gap > 0 && word.chars().count() > left) {
            break;
        }
        slug.push_str(&"-"[..gap]);
        slug.extend(word.chars().take(left));
    }
    if slug.is_empty() { "video".to_owned() } else { slug }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("a red fox in the snow", "a-red-fox-in-the-snow")]
    #[case("  A Red  Fox! (4k) ", "a-red-fox-4k")]
    #[case("雪中的红狐", "雪中的红狐")]
    #[case("../../etc/passwd", "etc-passwd")]
    #[case("-rf *", "rf")]
    #[case("!?", "video")]
    #[case("", "video")]
    fn names_from_prompts(#[case] prompt: &str, #[case] name: &str) {
        assert_eq!(slug(prompt), name);
    }

    #[test]
    fn long_prompts_end_with_a_whole_word() {
        let name = slug(&"butterfly ".repeat(20));
        assert_eq!(name, "butterfly-butterfly-butterfly-butterfly");
        assert_eq!(slug(&"x".repeat(500)).len(), LONGEST);
    }

    #[test]
    fn nothing_is_overwritten_unasked() {
        let dir = tempfile::tempdir().unwrap();
        let fox = dir.path().join("fox.mp4");
        let target = Target::new(Some(dir.path()), "Fox", false).unwrap();
        assert_eq!(target.path(), fox);
        let file = target.begin().unwrap();
        std::fs::write(&fox, "mine").unwrap();
        assert!(target.finish(file).is_err(), "it came in the meantime");
        assert!(Target::new(Some(&fox), "", false).unwrap_err().to_string().contains("--force"));
        let target = Target::new(Some(&fox), "", true).unwrap();
        target.finish(target.begin().unwrap()).unwrap();
        assert_eq!(std::fs::read(&fox).unwrap(), b"");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "temporary files are gone");
    }

    #[test]
    fn a_missing_directory_is_told_before_anything_is_spent() {
        let error = Target::new(Some(Path::new("/does/not/exist/fox.mp4")), "", false).unwrap_err();
        assert_eq!(error.to_string(), "there is no directory /does/not/exist");
    }
}
