//! The queue of what is to be written, and who commits it: whoever is waiting shares one commit.
//!
//! A sync of the disk takes about as long for a thousand jobs as for one. While one commit is under way, the
//! commands of everybody else gather in the queue; the next commit takes them all. One thread does that; in a
//! simulation, where nothing may happen beside its own thread, a task.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

use tokio::sync::{mpsc, oneshot};

use crate::StoreError;
use crate::db::Db;
use crate::watch::Watch;

/// Commands in one commit, at most: more would make the first ones wait too long.
const BATCH: usize = 1024;

/// A change that can be made, and made again when the commit that it was part of was taken back.
pub(crate) trait Write: Send + 'static {
    /// What there is to say when it is on disk.
    type Answer: Send + 'static;

    /// Makes the change. On an error nothing of it may remain wanted: the transaction is taken back.
    fn apply(&self, db: &Db) -> Result<Self::Answer, StoreError>;

    /// The change is on disk.
    fn committed(&self) {}
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

/// Where writes are queued.
pub(crate) struct Writer(mpsc::UnboundedSender<Message>);

enum Message {
    Write(Box<dyn Queued>),
    Stop(oneshot::Sender<()>),
}

impl Writer {
    /// A queue, and what commits it once somebody runs that.
    pub(crate) fn new(db: Db, watch: Arc<Watch>) -> (Self, Committer) {
        let (queue, messages) = mpsc::unbounded_channel();
        (Self(queue), Committer { db, watch, messages, batch: Vec::with_capacity(BATCH), stop: None })
    }

    /// A queue that a thread of its own commits. The thread ends when the queue is dropped and what was queued is
    /// done.
    pub(crate) fn start(db: Db, watch: Arc<Watch>) -> std::io::Result<Self> {
        let (queue, committer) = Self::new(db, watch);
        thread::Builder::new().name("filmgate-write".to_owned()).spawn(move || committer.run_blocking())?;
        Ok(queue)
    }

    /// Queues a write before it returns: the order of calls is the order on disk.
    pub(crate) fn queue<W: Write>(&self, write: W) -> Pending<W::Answer> {
        let (answer, pending) = oneshot::channel();
        // When nobody commits any more, the answer's sender is dropped with the message: `Closed`.
        let _ = self.0.send(Message::Write(Box::new(Command { write, done: None, answer })));
        Pending(pending)
    }

    /// Ends the committing when everything queued so far is on disk, and waits for that.
    pub(crate) async fn stop(&self) {
        let (stopped, wait) = oneshot::channel();
        let _ = self.0.send(Message::Stop(stopped));
        let _ = wait.await;
    }
}

/// Commits what was queued. Dropped in between, it loses what is queued and keeps what is committed, as a crash does.
#[must_use = "nothing is written unless it runs"]
pub struct Committer {
    db: Db,
    watch: Arc<Watch>,
    messages: mpsc::UnboundedReceiver<Message>,
    batch: Vec<Box<dyn Queued>>,
    stop: Option<oneshot::Sender<()>>,
}

impl Committer {
    /// Commits, each time after a `pause` in which more can be queued, until the store is closed or dropped.
    pub async fn run<P: Future<Output = ()>>(mut self, mut pause: impl FnMut() -> P) {
        while self.stop.is_none()
            && let Some(first) = self.messages.recv().await
        {
            pause().await;
            self.commit(first);
        }
        self.end();
    }

    fn run_blocking(mut self) {
        while self.stop.is_none()
            && let Some(first) = self.messages.blocking_recv()
        {
            self.commit(first);
        }
        self.end();
    }

    /// Commits everything queued so far.
    fn commit(&mut self, first: Message) {
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Write(command) => self.batch.push(command),
                Message::Stop(stopped) => self.stop = Some(stopped),
            }
            let full = self.stop.is_some() || self.batch.len() == BATCH;
            next = if full { None } else { self.messages.try_recv().ok() };
        }
        commit(&self.db, &self.watch, &mut self.batch);
    }

    fn end(self) {
        if self.watch.is_trusted().is_ok() {
            self.db.fold_log();
        }
        drop(self.db);
        if let Some(stopped) = self.stop {
            let _ = stopped.send(());
        }
    }
}

impl fmt::Debug for Committer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Committer")
    }
}

/// Commits all commands together; when one of them fails, each alone, so that it harms no other.
fn commit(db: &Db, watch: &Watch, batch: &mut Vec<Box<dyn Queued>>) {
    if batch.is_empty() {
        return;
    }
    match transaction(db, watch, batch) {
        Ok(()) => batch.drain(..).for_each(Queued::succeed),
        Err(Failed::Command(error)) if batch.len() == 1 => {
            batch.drain(..).for_each(|c| c.fail(error.clone()))
        }
        Err(Failed::Command(_)) => {
            for mut command in batch.drain(..) {
                match transaction(db, watch, std::slice::from_mut(&mut command)) {
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

fn transaction(db: &Db, watch: &Watch, commands: &mut [Box<dyn Queued>]) -> Result<(), Failed> {
    watch.is_trusted().and_then(|()| db.begin()).map_err(Failed::Commit)?;
    let applied = commands.iter_mut().try_for_each(|command| command.apply(db)).map_err(Failed::Command);
    // Looked at before, so that what is refused is not there; and after, before anybody is told of it.
    let commit = || watch.look().and_then(|()| db.commit()).and_then(|()| watch.look());
    let committed = applied.and_then(|()| commit().map_err(Failed::Commit));
    committed.inspect_err(|(Failed::Command(error) | Failed::Commit(error))| {
        watch.note(error);
        db.roll_back();
    })
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
        self.write.committed();
        // Whoever asked may have gone; the write stands all the same.
        if let Some(done) = self.done {
            let _ = self.answer.send(Ok(done));
        }
    }

    fn fail(self: Box<Self>, error: StoreError) {
        let _ = self.answer.send(Err(error));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{Sql, Table, args};

    const NAMES: Table = Table { name: "names", key: &["name"] };

    struct AddName(&'static str);

    impl Write for AddName {
        type Answer = &'static str;

        fn apply(&self, db: &Db) -> Result<&'static str, StoreError> {
            static INSERT: Sql = Sql::new("INSERT INTO names (name) VALUES ($1)");
            db.execute(&INSERT, &args![self.0])?;
            // Fails after it has changed something: that must not stay.
            if self.0 == "bad" { Err(StoreError::missing("name", self.0)) } else { Ok(self.0) }
        }
    }

    type Answer = Result<&'static str, StoreError>;

    /// Commits these names as one batch; the answers, and the names that are there then.
    fn commit_all((db, watch): &(Db, Watch), names: &[&'static str]) -> (Vec<Answer>, Vec<String>) {
        let mut batch: Vec<Box<dyn Queued>> = Vec::new();
        let mut answers = Vec::new();
        for name in names {
            let (answer, pending) = oneshot::channel();
            batch.push(Box::new(Command { write: AddName(name), done: None, answer }));
            answers.push(pending);
        }
        commit(db, watch, &mut batch);
        let answers = answers.iter_mut().map(|pending| pending.try_recv().unwrap()).collect();
        static SELECT: Sql = Sql::new("SELECT name FROM names ORDER BY rowid");
        (answers, db.query(&NAMES, &SELECT, &[], |row| row.get("name")).unwrap())
    }

    fn names() -> (tempfile::TempDir, (Db, Watch)) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("names.db");
        let db = Db::writer(&path).unwrap();
        db.make_durable(&path).unwrap();
        db.execute_all("CREATE TABLE names (name TEXT NOT NULL UNIQUE)").unwrap();
        (directory, (db, Watch::over(&path)))
    }

    #[test]
    fn one_that_fails_is_taken_back_alone() {
        let (_directory, db) = names();
        let (answers, stored) = commit_all(&db, &["a", "bad", "b", "a", "c"]);
        assert_eq!(stored, ["a", "b", "c"]);
        assert_eq!((&answers[0], &answers[2], &answers[4]), (&Ok("a"), &Ok("b"), &Ok("c")));
        assert_eq!(answers[1], Err(StoreError::missing("name", "bad")));
        let Err(StoreError::Database { doing, why }) = &answers[3] else { panic!("{:?}", answers[3]) };
        assert_eq!((&**doing, &**why), ("INSERT INTO names", "UNIQUE constraint failed: names.name"));

        let (answers, stored) = commit_all(&db, &["bad"]);
        assert_eq!((answers.len(), stored.len()), (1, 3));
        assert!(answers[0].is_err());
    }

    #[test]
    fn when_nothing_can_be_written_everybody_is_told() {
        let (directory, db) = names();
        let other = Db::writer(&directory.path().join("names.db")).unwrap();
        other.begin().unwrap();
        db.0.execute_all("PRAGMA busy_timeout = 0").unwrap();
        let (answers, stored) = commit_all(&db, &["a", "b"]);
        assert_eq!(stored, [""; 0]);
        for answer in answers {
            let Err(StoreError::Database { why, .. }) = answer else { panic!("{answer:?}") };
            assert_eq!(why, "database is locked");
        }
        other.roll_back();
        assert_eq!(commit_all(&db, &["a", "b"]).1, ["a", "b"]);
    }

    #[test]
    fn a_full_database_refuses_and_takes_writes_again_when_there_is_room() {
        let (_directory, db) = names();
        db.0.execute_all("PRAGMA max_page_count = 3").unwrap();
        let long: &'static str = Box::leak("long".repeat(5000).into_boxed_str());
        let (answers, stored) = commit_all(&db, &["a", long]);
        let Err(StoreError::Database { why, .. }) = &answers[1] else { panic!("{answers:?}") };
        assert_eq!((&**why, &stored[..]), ("database or disk is full", &["a".to_owned()][..]));
        assert_eq!(db.1.lost(), None, "that passes");
        db.0.execute_all("PRAGMA max_page_count = 1000").unwrap();
        assert_eq!(commit_all(&db, &[long]).0, [Ok(long)]);
    }

    #[test]
    fn a_database_that_may_not_be_written_refuses_and_takes_writes_again_when_it_may() {
        let (_directory, db) = names();
        db.0.execute_all("PRAGMA query_only = ON").unwrap();
        let (answers, stored) = commit_all(&db, &["a"]);
        let Err(StoreError::Database { why, .. }) = &answers[0] else { panic!("{answers:?}") };
        assert_eq!((&**why, stored.len()), ("attempt to write a readonly database", 0));
        db.0.execute_all("PRAGMA query_only = OFF").unwrap();
        assert_eq!(commit_all(&db, &["a"]).0, [Ok("a")]);
    }

    /// The file itself and its log: without either, what was written is gone with the process.
    #[test]
    fn what_goes_to_a_file_without_a_name_is_not_acknowledged() {
        for name in ["names.db", "names.db-wal"] {
            let (directory, db) = names();
            assert!(commit_all(&db, &["a"]).0[0].is_ok());
            let path = directory.path().join(name);
            std::fs::rename(&path, directory.path().join("elsewhere")).unwrap();
            // Another file of that name is not it, either.
            std::fs::write(&path, "").unwrap();
            let vanished = StoreError::Vanished { path: path.display().to_string() };
            assert_eq!(commit_all(&db, &["b", "c"]).0, [Err(vanished.clone()), Err(vanished.clone())]);
            // And it stays so.
            std::fs::rename(directory.path().join("elsewhere"), &path).unwrap();
            assert_eq!(commit_all(&db, &["d"]).0, [Err(vanished)]);
        }
    }
}
