//! Attempts: what still matters of those that are settled.

use std::time::Duration;

use filmgate_domain::*;
use filmgate_store::{TokenAttempt, TokenHistory};

use crate::{admitted, at, people, queued, reserved, stores};

#[tokio::test]
async fn settled_attempts_are_found_while_they_matter() {
    for place in stores() {
        let store = place.open();
        let (caller, token) = people(&store).await;
        let hour = 3600;
        let (now, answered_after, reserved_after) = (at(100 * hour), at(80 * hour), at(100 * hour - 60));

        let settled = |settled_at: u64, edit: &dyn Fn(&mut Attempt)| {
            let mut attempt = reserved(1, token, at(hour));
            (attempt.outcome, attempt.settled_at) = (Some(Outcome::Done), Some(at(settled_at)));
            edit(&mut attempt);
            attempt
        };
        let charged =
            |answered: u64| move |a: &mut Attempt| (a.charged, a.answered_at) = (true, Some(at(answered)));
        let expected = [
            ("charged, answered in time", settled(90 * hour, &charged(80 * hour + 1)), true),
            ("charged, answered too long ago", settled(90 * hour, &charged(80 * hour)), false),
            ("charged, never answered, settled in time", settled(81 * hour, &|a| a.charged = true), true),
            ("charged, never answered, settled long ago", settled(80 * hour, &|a| a.charged = true), false),
            ("not charged", settled(90 * hour, &|a| a.answered_at = Some(at(90 * hour))), false),
            ("slot held", settled(2 * hour, &|a| a.slot_until = Some(now + Duration::from_secs(1))), true),
            (
                "slot held, settled just now",
                settled(100 * hour, &|a| a.slot_until = Some(at(101 * hour))),
                true,
            ),
            ("slot free again", settled(90 * hour, &|a| a.slot_until = Some(now)), false),
            ("reserved just now", settled(100 * hour, &|a| a.reserved_at = at(100 * hour - 59)), true),
            ("the clock was set back", settled(80 * hour - 30, &charged(80 * hour + 10)), true),
        ];
        for (seed, (name, attempt, _)) in (1..).zip(&expected) {
            let mut job = queued(caller, at(hour), seed);
            job.spec.prompt = (*name).into();
            job.attempts.push(Attempt { reason: (*name).into(), ..attempt.clone() });
            store.admit(&job).await.unwrap();
        }
        store.admit(&admitted(caller, token, at(100 * hour), 99)).await.unwrap();

        let found = store.settled_attempts(now, answered_after, reserved_after).await.unwrap();
        let mut names: Vec<&str> = found.iter().map(|attempt| &*attempt.reason).collect();
        let mut wanted: Vec<_> = expected.iter().filter(|e| e.2).map(|e| e.0).collect();
        names.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(names, wanted);
        assert!(found.is_sorted_by_key(|attempt| attempt.settled_at));
        let whole = found.iter().find(|a| &*a.reason == "slot held").unwrap();
        assert_eq!(whole, &Attempt { reason: "slot held".into(), ..expected[5].1.clone() });
    }
}

#[tokio::test]
async fn an_attempt_needs_a_known_token() {
    for place in stores() {
        let store = place.open();
        let (caller, token) = people(&store).await;
        let job = admitted(caller, TokenId(token.0 + 1), at(0), 1);
        assert!(store.admit(&job).await.is_err());
        assert_eq!(store.job(job.id).await.unwrap(), None, "half a job was written");
    }
}

#[tokio::test]
async fn the_history_of_a_token_is_read_in_pages_newest_first() {
    for place in stores() {
        let store = place.open();
        let (caller, token) = people(&store).await;
        let other = crate::token(&store, "ssoBasic", "the-other-token").await;
        for seconds in 1..=4u64 {
            let mut job = queued(caller, at(seconds), seconds);
            job.id = JobId::from_bytes((u128::from(at(seconds).as_millis() as u64) << 80).to_be_bytes());
            for n in 1..=2 {
                let mut attempt = reserved(n, if n == 1 { token } else { other }, at(seconds));
                (attempt.outcome, attempt.settled_at) = (Some(Outcome::Refused), Some(at(seconds)));
                attempt.error = (seconds % 2 == 0).then(|| "401 bad token".into());
                job.attempts.push(attempt);
            }
            store.admit(&job).await.unwrap();
        }
        let times = |found: &[TokenAttempt]| -> Vec<Timestamp> {
            found.iter().map(|found| found.attempt.reserved_at).collect()
        };
        let all = TokenHistory { token, before: None, since: None, only_errors: false, limit: 3 };
        let first = store.token_history(&all).await.unwrap();
        assert_eq!(times(&first), [at(4), at(3), at(2)]);
        assert!(first.iter().all(|found| found.attempt.token == token && found.attempt.n == 1));
        let last = &first[2];
        let next = TokenHistory { before: Some((last.job, last.attempt.n)), ..all.clone() };
        assert_eq!(times(&store.token_history(&next).await.unwrap()), [at(1)]);
        let errors = TokenHistory { only_errors: true, ..all.clone() };
        assert_eq!(times(&store.token_history(&errors).await.unwrap()), [at(4), at(2)]);
        let since = TokenHistory { since: Some(at(3)), ..all };
        assert_eq!(times(&store.token_history(&since).await.unwrap()), [at(4), at(3)]);
    }
}
