//! A few threads that read, each with its own connection: reads wait neither for writes nor for each other,
//! and never hold up the async executor.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use tokio::sync::oneshot;

use crate::StoreError;
use crate::db::Db;

/// Reads at the same time.
const THREADS: usize = 3;

type Work = Box<dyn FnOnce(&Db) + Send>;

/// The queue of the reading threads. They end when it is dropped or closed.
pub(crate) struct Readers(Mutex<Option<mpsc::Sender<Work>>>);

impl Readers {
    /// Starts the threads.
    pub(crate) fn start(path: &Path) -> Result<Self, StoreError> {
        let (queue, work) = mpsc::channel::<Work>();
        let work = Arc::new(Mutex::new(work));
        for n in 1..=THREADS {
            let (db, work) = (Db::reader(path)?, Arc::clone(&work));
            let thread = thread::Builder::new().name(format!("filmgate-read-{n}"));
            let run = move || {
                while let Some(read) = next(&work) {
                    read(&db);
                }
            };
            thread.spawn(run).map_err(|e| StoreError::cannot_open(path, e))?;
        }
        Ok(Self(Mutex::new(Some(queue))))
    }

    /// Has something done with a connection, when there is time.
    pub(crate) fn queue(&self, work: impl FnOnce(&Db) + Send + 'static) -> Result<(), StoreError> {
        let queue = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        queue.and_then(|queue| queue.send(Box::new(work)).ok()).ok_or(StoreError::Closed)
    }

    /// Reads within one snapshot, which has everything that was acknowledged before.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Db) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, result) = oneshot::channel();
        self.queue(move |db| {
            if !answer.is_closed() {
                let _ = answer.send(db.snapshot(read));
            }
        })?;
        result.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Lets the threads end once what was queued is read.
    pub(crate) fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Idle threads queue up at the lock; the one that has it waits for work.
fn next(work: &Mutex<mpsc::Receiver<Work>>) -> Option<Work> {
    work.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}
