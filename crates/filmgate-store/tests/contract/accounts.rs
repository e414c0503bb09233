//! Accounts: what was reserved and spent over a period, whenever its reservations ended.

use std::collections::BTreeMap;
use std::time::Duration;

use filmgate_domain::*;
use filmgate_store::AccountsOf;

use crate::{at, people, queued, reserved, stores};

const MINUTE: u64 = 60;
const HOUR: u64 = 3600;

#[tokio::test]
async fn an_account_has_what_was_reserved_however_long_it_lasted() {
    for place in stores() {
        let store = place.open();
        let (caller, token) = people(&store).await;
        // Reserved, settled and whether it was charged; the period is from 100 to 124 hours.
        let attempts = [
            (100 * HOUR, Some((100 * HOUR + 1, true))),
            (110 * HOUR, Some((111 * HOUR, false))),
            (124 * HOUR - 1, Some((124 * HOUR + 30 * MINUTE, true))),
            (123 * HOUR, Some((130 * HOUR, true))),
            (99 * HOUR, Some((131 * HOUR, true))),
            (123 * HOUR, None),
            (98 * HOUR, None),
            (99 * HOUR, Some((100 * HOUR, true))),
            (81 * HOUR, Some((81 * HOUR + 1, true))),
            (79 * HOUR, Some((79 * HOUR, true))),
            (124 * HOUR, Some((125 * HOUR, true))),
            (125 * HOUR, None),
        ];
        for (seed, (began, end)) in (1..).zip(attempts) {
            let mut job = queued(caller, at(began), seed);
            let mut attempt = Attempt { units: 1 << seed, ..reserved(1, token, at(began)) };
            if let Some((ended, charged)) = end {
                let outcome = if charged { Outcome::Done } else { Outcome::Failed };
                (attempt.outcome, attempt.settled_at, attempt.charged) =
                    (Some(outcome), Some(at(ended)), charged);
                attempt.cost_ticks = Some(1 << seed);
            }
            job.attempts.push(attempt);
            store.admit(&job).await.unwrap();
        }
        let units = |which: &[u32]| which.iter().map(|seed| 1u64 << seed).sum::<u64>();
        let of = AccountsOf {
            period: Period { from: at(100 * HOUR), until: at(124 * HOUR) },
            windows: BTreeMap::from([("ssoBasic".into(), Duration::from_secs(20 * HOUR))]),
            now: at(200 * HOUR),
        };
        let accounts = store.accounts(of).await.unwrap();
        assert_eq!(accounts.len(), 1);
        let account = &accounts[&(token, "ssoBasic".into())];
        assert_eq!(account.carried, units(&[5, 7, 8]), "{account:?}");
        assert_eq!(account.reserved, units(&[1, 2, 3, 4, 6]));
        assert_eq!((account.charged(), account.given_back()), (units(&[1, 8]), units(&[2])));
        assert_eq!(account.open, units(&[3, 4, 5, 6, 7]));
        assert_eq!((account.spent_before, account.spent_after), (units(&[9]), 0));
        assert_eq!(account.cost_ticks, i64::try_from(units(&[1, 2, 8])).unwrap());
        let failed = account.ended[Outcome::Failed as usize];
        assert_eq!(failed, Ended { attempts: 1, charged: 0, given_back: units(&[2]) });
    }
}
