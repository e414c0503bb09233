//! A few threads that read, each with its own connection: reads wait neither for writes nor for each other,
//! and never hold up the async executor.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::task::Poll;
use std::thread;

use tokio::sync::oneshot;

use crate::StoreError;
use crate::db::Db;

/// Reads at the same time.
const THREADS: usize = 3;

type Work = Box<dyn FnOnce(&Db) + Send>;

/// Who reads, until that is closed.
pub(crate) struct Readers(Mutex<Option<Reading>>);

#[derive(Clone)]
enum Reading {
    /// The queue of the threads. They end when it is dropped.
    Threads(mpsc::Sender<Work>),
    /// Whoever asks reads at once, on this connection.
    Inline(Arc<Mutex<Db>>),
}

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
        Ok(Self(Mutex::new(Some(Reading::Threads(queue)))))
    }

    /// Starts no thread: whoever asks waits until it has read.
    pub(crate) fn inline(path: &Path) -> Result<Self, StoreError> {
        let db = Arc::new(Mutex::new(Db::reader(path)?));
        Ok(Self(Mutex::new(Some(Reading::Inline(db)))))
    }

    fn reading(&self) -> Result<Reading, StoreError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or(StoreError::Closed)
    }

    /// Has something done with a connection, when there is time.
    pub(crate) fn queue(&self, work: impl FnOnce(&Db) + Send + 'static) -> Result<(), StoreError> {
        match self.reading()? {
            Reading::Threads(queue) => queue.send(Box::new(work)).map_err(|_| StoreError::Closed),
            Reading::Inline(db) => {
                work(&db.lock().unwrap_or_else(PoisonError::into_inner));
                Ok(())
            }
        }
    }

    /// Reads within one snapshot, which has everything that was acknowledged before.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Db) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, result) = oneshot::channel();
        if matches!(self.reading()?, Reading::Inline(_)) {
            let_others_run().await;
        }
        self.queue(move |db| {
            if !answer.is_closed() {
                let _ = answer.send(db.snapshot(read));
            }
        })?;
        result.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Nothing more is read; the threads end once what was queued is.
    pub(crate) fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// A read takes a moment, in which others go on: whoever reads must not count on anything else.
async fn let_others_run() {
    let mut waited = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Idle threads queue up at the lock; the one that has it waits for work.
fn next(work: &Mutex<mpsc::Receiver<Work>>) -> Option<Work> {
    work.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}
