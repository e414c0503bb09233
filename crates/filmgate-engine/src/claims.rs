//! What can be one job's only: the upstream's id of its video, and its file. An upstream that gives the same to two
//! jobs is wrong about one of them, and nobody is to get a video that was made for somebody else.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard};

use filmgate_domain::{Cause, Certainty, Failure, Job, JobId, TokenId};
use sha2::{Digest as _, Sha256};

/// How many files are remembered; a restart forgets them.
const FILES: usize = 10_000;

/// Whose is what.
#[derive(Default)]
pub(crate) struct Claims(Mutex<Book>);

#[derive(Default)]
struct Book {
    /// The videos of unfinished jobs, by token and the upstream's id.
    ids: HashMap<(TokenId, Box<str>), JobId>,
    /// The latest files by their SHA-256.
    files: HashMap<Box<str>, File>,
    /// The same, oldest first.
    by_age: VecDeque<Box<str>>,
}

struct File {
    job: JobId,
    words: [u8; 32],
}

impl Claims {
    pub(crate) fn is_broken(&self) -> bool {
        self.0.is_poisoned()
    }

    /// Takes an id for a job. False when it is an unfinished job's already.
    pub(crate) fn take_id(&self, token: TokenId, upstream_id: &str, job: JobId) -> bool {
        *self.book().ids.entry((token, upstream_id.into())).or_insert(job) == job
    }

    /// Takes the ids of a job that restarted with the process.
    pub(crate) fn restore(&self, job: &Job) {
        for attempt in &job.attempts {
            if let Some(id) = attempt.upstream_id.as_deref().filter(|_| !job.state.is_final()) {
                self.take_id(attempt.token, id, job.id);
            }
        }
    }

    /// Gives back what a job has at its end.
    pub(crate) fn release(&self, job: &Job) {
        let mut book = self.book();
        for attempt in &job.attempts {
            let Some(id) = attempt.upstream_id.clone() else { continue };
            if let Entry::Occupied(taken) = book.ids.entry((attempt.token, id))
                && *taken.get() == job.id
            {
                taken.remove();
            }
        }
    }

    /// Gives back an id that came when the job was at its end already.
    pub(crate) fn release_late(&self, job: JobId) {
        self.book().ids.retain(|_, owner| *owner != job);
    }

    /// Takes a file for a job. Names the job that it was made for already, if that asked for something else: of
    /// the same words, the same file may well come.
    pub(crate) fn take_file(&self, sha256: &str, job: &Job) -> Result<(), JobId> {
        let words = Sha256::digest(job.spec.prompt.trim()).into();
        let mut book = self.book();
        if let Some(file) = book.files.get(sha256) {
            return if file.words == words { Ok(()) } else { Err(file.job) };
        }
        book.files.insert(sha256.into(), File { job: job.id, words });
        book.by_age.push_back(sha256.into());
        if book.by_age.len() > FILES
            && let Some(oldest) = book.by_age.pop_front()
        {
            book.files.remove(&oldest);
        }
        Ok(())
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().expect("no panic under this lock")
    }
}

/// The upstream answered a submission with the id of another job's video. What became of this one is not known.
pub(crate) fn anothers_id(upstream: &str) -> Failure {
    Failure {
        cause: Cause::Garbage,
        certainty: Certainty::Unknown,
        status: None,
        retry_after: None,
        message: format!("{upstream} answered with the id of another video that it is making"),
    }
}

#[cfg(test)]
mod tests {
    use filmgate_domain::{AspectRatio, CallerId, Resolution, Seconds, Shape, Timestamp, VideoSpec};
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn job(prompt: &str, seed: u64) -> Job {
        let id = JobId::new(NOW, &mut StdRng::seed_from_u64(seed));
        let (resolution, seconds) = (Resolution::P720, Seconds::DEFAULT);
        let shape = Shape { resolution, seconds, aspect_ratio: AspectRatio::R16x9 };
        let spec = VideoSpec::new("m", prompt, shape).unwrap();
        Job::new(id, CallerId(1), spec, [0; 32], (NOW, NOW))
    }

    #[test]
    fn an_id_is_one_jobs_until_its_end() {
        let (claims, token, other) = (Claims::default(), TokenId(1), TokenId(2));
        let [first, second] = [job("a", 1), job("b", 2)];
        assert!(claims.take_id(token, "up-1", first.id));
        assert!(claims.take_id(token, "up-1", first.id), "its own");
        assert!(!claims.take_id(token, "up-1", second.id));
        assert!(claims.take_id(other, "up-1", second.id), "ids are the token's");
        claims.release_late(first.id);
        assert!(claims.take_id(token, "up-1", second.id));
    }

    #[test]
    fn a_file_is_that_of_its_words() {
        let claims = Claims::default();
        let [fox, owl] = [job("a fox", 1), job("an owl", 2)];
        assert_eq!(claims.take_file("aa", &fox), Ok(()));
        assert_eq!(claims.take_file("aa", &owl), Err(fox.id));
        assert_eq!(claims.take_file("bb", &owl), Ok(()));
        assert_eq!(claims.take_file("aa", &job(" a fox ", 3)), Ok(()));
    }

    #[test]
    fn the_oldest_files_are_forgotten() {
        let claims = Claims::default();
        let [fox, owl] = [job("a fox", 1), job("an owl", 2)];
        for n in 0..=FILES {
            assert_eq!(claims.take_file(&n.to_string(), &fox), Ok(()));
        }
        assert_eq!(claims.take_file("0", &owl), Ok(()));
        assert_eq!(claims.take_file(&FILES.to_string(), &owl), Err(fox.id));
    }
}
