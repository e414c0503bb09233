//! Sends a reserved job to its upstream, once.

use std::sync::Arc;

use filmgate_domain::{Attempt, Cause, Certainty, Event, Failure, LostAnswer, Next, Secret};
use filmgate_upstream::Order;

use crate::cell::Cell;
use crate::claims::anothers_id;
use crate::{Engine, Line};

impl Engine {
    /// Writes down that the submission goes out, sends it, and writes down the answer.
    pub(crate) async fn submit(&self, cell: &Arc<Cell>) {
        let Some(pool) = cell.job().attempt().map(|attempt| attempt.pool.clone()) else { return };
        let Some(place) = self.inner.submissions.enter(&pool, &self.inner.stopping).await else {
            // Nothing went out: the next start sends it.
            return;
        };
        if self.now() >= cell.job().deadline {
            // Filmgate was stopped for too long: a video that is made now would be paid for and thrown away.
            return self.proceed(cell, Event::DeadlinePassed).await;
        }
        if self.happen(cell, Event::Sending).await != Some(Next::Send) {
            return;
        }
        let event = match self.send(cell).await {
            Ok(upstream_id) => Event::Accepted { upstream_id },
            Err(failure) => Event::SubmitFailed(failure),
        };
        drop(place);
        self.proceed(cell, event).await;
        if cell.job().state.is_final() {
            // It may have ended while the answer was on its way.
            self.inner.claims.release_late(cell.job().id);
        }
    }

    pub(crate) async fn send(&self, cell: &Arc<Cell>) -> Result<Box<str>, Failure> {
        let job = cell.job();
        let attempt = job.attempt().expect("a job that is sent has an attempt");
        let (line, token) = self.reach(cell, attempt)?;
        let inputs = self.order_inputs(&job, attempt, line.upstream.takes()).await?;
        let order = Order {
            model: &attempt.model,
            prompt: &job.spec.prompt,
            shape: attempt.sent,
            mode: job.spec.mode,
            inputs: &inputs,
            added: job.spec.added,
            job: job.id,
            attempt: attempt.n,
            has_key: attempt.lost_answer == LostAnswer::Repeat,
        };
        let receipt = line.upstream.submit(&token, &order).await?;
        self.heed(attempt.token, receipt.limits);
        let id = receipt.upstream_id;
        if self.inner.claims.take_id(attempt.token, &id, job.id) {
            Ok(id)
        } else {
            Err(anothers_id(&attempt.upstream))
        }
    }
}

impl Engine {
    /// The upstream of an attempt, and the credential that its job keeps for it.
    pub(crate) fn reach(&self, cell: &Cell, attempt: &Attempt) -> Result<(Line, Secret), Failure> {
        let line = self.line(&attempt.upstream).ok_or_else(|| missing("upstream", &attempt.upstream))?;
        let token = self.credential(cell, attempt.token);
        Ok((line, token.ok_or_else(|| missing("token", &attempt.token.to_string()))?))
    }
}

/// A failure of our own: nothing was sent.
fn missing(what: &str, name: &str) -> Failure {
    Failure {
        cause: Cause::Unreachable,
        certainty: Certainty::Refused,
        status: None,
        retry_after: None,
        message: format!("the {what} {name} is not configured any more"),
    }
}
