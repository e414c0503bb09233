//! The one thread that writes, and the commands it takes: whoever is waiting shares one commit.
//!
//! A sync of the disk takes about as long for a thousand jobs as for one. While one commit is under way, the
//! commands of everybody else gather in the queue; the next commit takes them all.

use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::thread;

use tokio::sync::oneshot;

use crate::StoreError;
use crate::db::Db;

/// Commands in one commit, at most: more would make the first ones wait too long.
const BATCH: usize = 1024;

/// A change that can be made, and made again when the commit that it was part of was taken back.
pub(crate) trait Write: Send + 'static {
    /// What there is to say when it is on disk.
    type Answer: Send + 'static;

    /// Makes the change. On an error nothing of it may remain wanted: the transaction is taken back.
    fn apply(&self, db: &Db) -> Result<Self::Answer, StoreError>;
}

/// A write on its way. Await it to know that it is on disk; it gets there also when this is dropped.
#[must_use = "await it to know that the write is on disk, or say `detach`"]
pub struct Pending<T>(oneshot::Receiver<Result<T, StoreError>>);

impl<T> Pending<T> {
    /// Lets the write happen without waiting for it, whatever becomes of it.
    pub fn detach(self) {}
}

impl<T> Future for Pending<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|answer| answer.unwrap_or(Err(StoreError::Closed)))
    }
}

/// The queue of the writing thread. The thread ends when all queues are dropped and what was queued is done.
pub(crate) struct Writer(mpsc::Sender<Message>);

enum Message {
    Write(Box<dyn Queued>),
    Stop(oneshot::Sender<()>),
}

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(db: Db) -> std::io::Result<Self> {
        let (queue, messages) = mpsc::channel();
        thread::Builder::new().name("filmgate-write".to_owned()).spawn(move || run(db, &messages))?;
        Ok(Self(queue))
    }

    /// Queues a write before it returns: the order of calls is the order on disk.
    pub(crate) fn queue<W: Write>(&self, write: W) -> Pending<W::Answer> {
        let (answer, pending) = oneshot::channel();
        // When the thread is gone, the answer's sender is dropped with the message: `Closed`.
        let _ = self.0.send(Message::Write(Box::new(Command { write, done: None, answer })));
        Pending(pending)
    }

    /// Ends the thread when everything queued so far is on disk, and waits for that.
    pub(crate) async fn stop(&self) {
        let (stopped, wait) = oneshot::channel();
        let _ = self.0.send(Message::Stop(stopped));
        let _ = wait.await;
    }
}

fn run(db: Db, messages: &mpsc::Receiver<Message>) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut stop = None;
    while stop.is_none() {
        let Ok(first) = messages.recv() else { break };
        for message in std::iter::once(first).chain(messages.try_iter()) {
            match message {
                Message::Write(command) => batch.push(command),
                Message::Stop(stopped) => stop = Some(stopped),
            }
            if stop.is_some() || batch.len() == BATCH {
                break;
            }
        }
        commit(&db, &mut batch);
    }
    db.fold_log();
    drop(db);
    if let Some(stopped) = stop {
        let _ = stopped.send(());
    }
}

/// Commits all commands together; when one of them fails, each alone, so that it harms no other.
fn commit(db: &Db, batch: &mut Vec<Box<dyn Queued>>) {
    if batch.is_empty() {
        return;
    }
    match transaction(db, batch) {
        Ok(()) => batch.drain(..).for_each(Queued::succeed),
        Err(Failed::Command(error)) if batch.len() == 1 => {
            batch.drain(..).for_each(|c| c.fail(error.clone()))
        }
        Err(Failed::Command(_)) => {
            for mut command in batch.drain(..) {
                match transaction(db, std::slice::from_mut(&mut command)) {
                    Ok(()) => command.succeed(),
                    Err(Failed::Command(error) | Failed::Commit(error)) => command.fail(error),
                }
            }
        }
        // The disk is full, or another process holds the database: it would be no better one by one.
        Err(Failed::Commit(error)) => batch.drain(..).for_each(|c| c.fail(error.clone())),
    }
}

enum Failed {
    Command(StoreError),
    Commit(StoreError),
}

fn transaction(db: &Db, commands: &mut [Box<dyn Queued>]) -> Result<(), Failed> {
    db.begin().map_err(Failed::Commit)?;
    let applied = commands.iter_mut().try_for_each(|command| command.apply(db)).map_err(Failed::Command);
    applied.and_then(|()| db.commit().map_err(Failed::Commit)).inspect_err(|_| db.roll_back())
}

/// A write, its answer once it is applied, and who waits for it.
struct Command<W: Write> {
    write: W,
    done: Option<W::Answer>,
    answer: oneshot::Sender<Result<W::Answer, StoreError>>,
}

/// A [`Command`] of any kind.
trait Queued: Send {
    fn apply(&mut self, db: &Db) -> Result<(), StoreError>;
    /// Answers; the commit stands.
    fn succeed(self: Box<Self>);
    /// Answers; nothing was changed.
    fn fail(self: Box<Self>, error: StoreError);
}

impl<W: Write> Queued for Command<W> {
    fn apply(&mut self, db: &Db) -> Result<(), StoreError> {
        self.done = Some(self.write.apply(db)?);
        Ok(())
    }

    fn succeed(self: Box<Self>) {
        // Whoever asked may have gone; the write stands all the same.
        if let Some(done) = self.done {
            let _ = self.answer.send(Ok(done));
        }
    }

    fn fail(self: Box<Self>, error: StoreError) {
        let _ = self.answer.send(Err(error));
    }
}
