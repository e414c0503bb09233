//! One unfinished job in memory.

use std::sync::{Arc, Mutex as SyncMutex};

use filmgate_domain::{Job, Reservation, Secret, TokenId};
use tokio::sync::{Mutex, watch};

use crate::limits::Pass;

/// An unfinished job: its latest committed state, and the right to change it.
pub(crate) struct Cell {
    /// Whoever holds this may change the job. Held while a change is on its way to the disk.
    pub(crate) gate: Mutex<Held>,
    latest: watch::Sender<Arc<Job>>,
    /// The credential of the current attempt: a job keeps its token, also one that is removed meanwhile.
    credential: SyncMutex<Option<(TokenId, Secret)>>,
    /// Which span of the client's the request came with, as its header says.
    pub(crate) traceparent: Option<Box<str>>,
}

/// What belongs to the job but not into its record.
#[derive(Default)]
pub(crate) struct Held {
    /// The claim on the current attempt's token.
    pub(crate) reservation: Option<Reservation>,
    /// Its place in its caller's book.
    pub(crate) pass: Option<Pass>,
}

impl Cell {
    pub(crate) fn new(job: Arc<Job>, held: Held, traceparent: Option<Box<str>>) -> Arc<Self> {
        Arc::new(Self {
            gate: Mutex::new(held),
            latest: watch::Sender::new(job),
            credential: SyncMutex::default(),
            traceparent,
        })
    }

    pub(crate) fn keep_credential(&self, token: TokenId, secret: Secret) {
        *self.credential.lock().expect("no panic under this lock") = Some((token, secret));
    }

    pub(crate) fn credential(&self, token: TokenId) -> Option<Secret> {
        let kept = self.credential.lock().expect("no panic under this lock");
        kept.as_ref().filter(|(id, _)| *id == token).map(|(_, secret)| secret.clone())
    }

    /// The job as it was last committed (its progress may be newer than the disk's).
    pub(crate) fn job(&self) -> Arc<Job> {
        Arc::clone(&self.latest.borrow())
    }

    pub(crate) fn publish(&self, job: Arc<Job>) {
        self.latest.send_replace(job);
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Job>> {
        self.latest.subscribe()
    }
}
