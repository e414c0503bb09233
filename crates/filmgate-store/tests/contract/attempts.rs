//! Attempts: what still matters of those that are settled.

use std::time::Duration;

use filmgate_domain::*;

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
