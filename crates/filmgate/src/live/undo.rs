//! What undoes the last change of the configuration: the file's text before, kept in the data directory, for its
//! owner only. That text may hold a proxy's password, so it is in no other place.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

/// The name of the file that is kept.
const NAME: &str = "filmgate.undo.json";

/// A change that can be undone.
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    /// The configuration file.
    file: String,
    /// SHA-256 of the text that was written into it, in hex.
    written: String,
    /// Its text before.
    pub(super) before: String,
}

impl Record {
    pub(super) fn new(file: &Path, before: String, written: &str) -> Self {
        Self { file: file.display().to_string(), written: sha256(written), before }
    }

    /// The last change, if there was one. It is kept beside `new_file`.
    pub(super) fn read(new_file: &Path) -> io::Result<Option<Self>> {
        let path = new_file.with_file_name(NAME);
        let told = |error: io::Error| io::Error::new(error.kind(), format!("{} {error}", path.display()));
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|_| told(io::Error::new(io::ErrorKind::InvalidData, "makes no sense; remove it"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(told(error)),
        }
    }

    pub(super) fn is_of(&self, file: &Path) -> bool {
        self.file == file.display().to_string()
    }

    /// Whether a text is the one that was written.
    pub(super) fn wrote(&self, text: &str) -> bool {
        self.written == sha256(text)
    }
}

/// Replaces the text of `file`, and keeps beside `new_file` what undoes that. Each file is replaced in one step:
/// whoever reads it sees the old text or the new one. An error names the file that cannot be written.
pub(super) fn write(
    file: &Path,
    text: &str,
    new_file: &Path,
    record: &Record,
) -> Result<(), (PathBuf, io::Error)> {
    let kept = new_file.with_file_name(NAME);
    let record = serde_json::to_vec(record).expect("texts are plain data");
    // Both are on disk before either takes its place.
    let staged_record = stage(&kept, &record).map_err(|error| (kept.clone(), error))?;
    let staged_text = stage(file, text.as_bytes()).map_err(|error| (file.to_owned(), error))?;
    if let Ok(old) = std::fs::metadata(file) {
        // Whoever could read it still can.
        let same = staged_text.as_file().set_permissions(old.permissions());
        same.map_err(|error| (file.to_owned(), error))?;
    }
    staged_record.persist(&kept).map_err(|error| (kept, error.error))?;
    staged_text.persist(file).map_err(|error| (file.to_owned(), error.error))?;
    Ok(())
}

/// A file beside `path`, which its owner alone can read, with everything written.
fn stage(path: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}
