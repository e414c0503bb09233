//! The upstream's own book: what it was sent, what it makes, and what each token has used. It survives every crash of
//! the gateway, and checks what a provider would check.

use std::collections::BTreeMap;

use filmgate_domain::{JobId, Resolution, Shape, Timestamp};

use crate::faults::End;
use crate::setup::Bound;

/// What the upstream makes, or made.
#[derive(Clone, Debug)]
pub(crate) struct Generation {
    pub(crate) id: String,
    pub(crate) job: JobId,
    pub(crate) attempt: u32,
    pub(crate) account: usize,
    pub(crate) shape: Shape,
    pub(crate) prompt: String,
    /// When the submission came in: from then on it counts.
    pub(crate) arrived: Timestamp,
    /// When it was taken: from then on it is listed.
    pub(crate) taken: Timestamp,
    /// When it is at its end, and which that is.
    pub(crate) ends: Timestamp,
    pub(crate) end: End,
    /// When it was asked about last.
    pub(crate) asked_at: Option<Timestamp>,
    /// How often it was said to be done.
    pub(crate) told_done: u32,
    /// The hash of each file that was sent for it to the last byte.
    pub(crate) sent: Vec<String>,
}

impl Generation {
    pub(crate) fn units(&self) -> u32 {
        cost(self.shape)
    }
}

/// What a video costs at every upstream.
pub(crate) fn cost(shape: Shape) -> u32 {
    if shape.resolution == Resolution::P480 { 2 } else { 4 }
}

/// What the upstream knows of a token.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) secret: String,
    pub(crate) pool: &'static str,
    /// It is refused until then.
    pub(crate) refused_until: Timestamp,
    /// It was told to pause at the first time, until the second.
    pub(crate) pause: Option<(Timestamp, Timestamp)>,
}

impl Account {
    pub(crate) fn new(secret: String, pool: &'static str) -> Self {
        Self { secret, pool, refused_until: Timestamp::default(), pause: None }
    }
}

/// The upstream's book.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) accounts: Vec<Account>,
    pub(crate) made: Vec<Generation>,
    by_job: BTreeMap<JobId, usize>,
    by_id: BTreeMap<String, usize>,
    /// Submissions that came in: job, attempt, and the account.
    arrived: BTreeMap<(JobId, u32), usize>,
}

impl Book {
    pub(crate) fn account(&self, secret: &str) -> Option<usize> {
        self.accounts.iter().position(|account| account.secret == secret)
    }

    /// A submission comes in, whatever becomes of it. Only with a key may it come again.
    pub(crate) fn arrive(
        &mut self,
        job: JobId,
        attempt: u32,
        account: usize,
        has_key: bool,
    ) -> Result<(), String> {
        match self.arrived.insert((job, attempt), account) {
            Some(before) if before != account => Err(format!("attempt {attempt} at {job} changed its token")),
            Some(_) if !has_key => Err(format!("attempt {attempt} at {job} was sent twice")),
            _ => Ok(()),
        }
    }

    /// What was taken with this key.
    pub(crate) fn of_key(&self, job: JobId, attempt: u32) -> Option<&Generation> {
        self.of_job(job).filter(|made| made.attempt == attempt)
    }

    /// The videos of an account with these words, as they are listed.
    pub(crate) fn listed(
        &self,
        account: usize,
        prompt: &str,
        since: Timestamp,
        now: Timestamp,
    ) -> Vec<Box<str>> {
        let of_account = self.made.iter().filter(|made| made.account == account && made.prompt == prompt);
        of_account
            .filter(|made| made.taken <= now && made.taken >= since)
            .map(|made| made.id.as_str().into())
            .collect()
    }

    pub(crate) fn has_arrived(&self, job: JobId, attempt: u32) -> bool {
        self.arrived.contains_key(&(job, attempt))
    }

    /// A submission is taken. Says what is wrong with that, if anything is.
    pub(crate) fn take(&mut self, new: Generation, bound: Bound, now: Timestamp) -> Result<(), String> {
        if let Some(&earlier) = self.by_job.get(&new.job) {
            let attempts = (self.made[earlier].attempt, new.attempt);
            return Err(format!("{} is made twice, for attempts {} and {}", new.job, attempts.0, attempts.1));
        }
        let account = new.account;
        let (job, units) = (new.job, new.units());
        self.by_job.insert(job, self.made.len());
        self.by_id.insert(new.id.clone(), self.made.len());
        self.made.push(new);
        let secret = &self.accounts[account].secret;
        let in_flight = self.in_flight(account, now);
        if let Some(limit) = bound.in_flight.filter(|limit| in_flight > *limit) {
            return Err(format!("{secret} makes {in_flight} videos at once and may make {limit}: {job}"));
        }
        let used = self.used(account, bound, now);
        if let Some(quota) = bound.units.filter(|quota| used > *quota) {
            return Err(format!("{secret} has used {used} of {quota} units, {units} of them for {job}"));
        }
        Ok(())
    }

    /// Videos in the making, or about to be.
    fn in_flight(&self, account: usize, now: Timestamp) -> u32 {
        let made = self.made.iter().rev().take(60).filter(|made| made.account == account);
        made.filter(|made| made.ends > now).count() as u32
    }

    /// Units used in the window that ends now. What failed is given back when it does.
    fn used(&self, account: usize, bound: Bound, now: Timestamp) -> u32 {
        let made = self.made.iter().filter(|made| made.account == account);
        let counts = |made: &&Generation| {
            let given_back = matches!(made.end, End::Failed | End::Forgotten) && made.ends <= now;
            made.arrived + bound.window > now && !given_back
        };
        made.filter(counts).map(Generation::units).sum()
    }

    pub(crate) fn of_job(&self, job: JobId) -> Option<&Generation> {
        self.by_job.get(&job).map(|&index| &self.made[index])
    }

    pub(crate) fn of_id(&mut self, id: &str) -> Option<&mut Generation> {
        self.by_id.get(id).map(|&index| &mut self.made[index])
    }

    /// Whether the upstream is certainly idle.
    pub(crate) fn is_idle(&self, now: Timestamp) -> bool {
        self.made.iter().all(|made| made.ends <= now)
    }
}
