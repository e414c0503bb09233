//! A process whose output is read as it comes.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::app::collect;

/// A process. Dropping it kills it.
pub(super) struct Process {
    child: Child,
    out: Arc<Mutex<String>>,
    err: Arc<Mutex<String>>,
}

impl Process {
    pub(super) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{error}: {command:?}"));
        let (out, err) = (Arc::default(), Arc::default());
        collect(child.stdout.take().unwrap(), Arc::clone(&out));
        collect(child.stderr.take().unwrap(), Arc::clone(&err));
        Self { child, out, err }
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn signal(&self, name: &str) {
        let told = Command::new("kill").args(["-s", name, &self.id().to_string()]).status();
        assert!(told.unwrap().success());
    }

    /// Waits for its end.
    pub(super) fn end(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// What it wrote to standard output.
    pub(super) fn out(&self) -> String {
        self.out.lock().unwrap().clone()
    }

    /// What it wrote to standard error.
    pub(super) fn err(&self) -> String {
        self.err.lock().unwrap().clone()
    }

    /// Waits until this is in what it wrote to standard output; the last lines are read after its end.
    pub(super) async fn said(&self, words: &str) {
        for _ in 0..600 {
            if self.out().contains(words) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{words:?} is not in\n{}", self.out());
    }

    /// Waits until something is so, which it has to be before the process ends.
    pub(super) async fn until(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        for _ in 0..600 {
            if is_so(self) {
                return;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("it ended ({status}) before {what}:\n{}\n{}", self.out(), self.err());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("never {what}:\n{}\n{}", self.out(), self.err());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
