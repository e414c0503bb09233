//! Files, and whatever else would hold up others: done on threads that may block.
//!
//! A runtime that has only one thread does it on the spot. Nothing happens beside that thread then, so that a
//! simulation goes the same way each time.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinError;

/// Does something that blocks. Fails only when it panics.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, JoinError> {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await
}

async fn run_io<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    run(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Makes a directory and those above it.
pub(crate) async fn create_dir_all(path: PathBuf) -> io::Result<()> {
    run_io(move || std::fs::create_dir_all(path)).await
}

/// Whether there is something.
pub(crate) async fn try_exists(path: &Path) -> io::Result<bool> {
    let path = path.to_owned();
    run_io(move || path.try_exists()).await
}

/// All of a file.
pub(crate) async fn read(path: PathBuf) -> io::Result<Vec<u8>> {
    run_io(move || std::fs::read(path)).await
}

/// Removes a file.
pub(crate) async fn remove_file(path: &Path) -> io::Result<()> {
    let path = path.to_owned();
    run_io(move || std::fs::remove_file(path)).await
}

/// Gives a file another name, in place of what had that.
pub(crate) async fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let (from, to) = (from.to_owned(), to.to_owned());
    run_io(move || std::fs::rename(from, to)).await
}

/// What lies in a directory, sorted.
pub(crate) async fn entries(directory: PathBuf) -> io::Result<Vec<PathBuf>> {
    run_io(move || {
        let entries = std::fs::read_dir(directory)?.map(|entry| Ok(entry?.path()));
        let mut paths = entries.collect::<io::Result<Vec<_>>>()?;
        paths.sort_unstable();
        Ok(paths)
    })
    .await
}

/// Has the names in a directory written to the disk itself.
pub(crate) async fn sync_directory(directory: PathBuf) -> io::Result<()> {
    run_io(move || std::fs::File::open(directory)?.sync_all()).await
}

/// A new file that is written from its beginning to its end.
pub(crate) struct NewFile {
    file: Arc<std::fs::File>,
    /// What is not handed to the system yet.
    buffer: Vec<u8>,
    /// How much of it is gathered before that.
    capacity: usize,
}

impl NewFile {
    /// Creates it, or empties what is there; `capacity` bytes go out at a time.
    pub(crate) async fn create(path: PathBuf, capacity: usize) -> io::Result<Self> {
        let file = run_io(move || std::fs::File::create(path)).await?;
        Ok(Self { file: Arc::new(file), buffer: Vec::new(), capacity })
    }

    /// Adds to it.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() < self.capacity { Ok(()) } else { self.flush().await }
    }

    /// Has all of it written to the disk itself.
    pub(crate) async fn sync(mut self) -> io::Result<()> {
        self.flush().await?;
        run_io(move || self.file.sync_all()).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        let (file, bytes) = (Arc::clone(&self.file), std::mem::take(&mut self.buffer));
        run_io(move || (&*file).write_all(&bytes)).await
    }
}
