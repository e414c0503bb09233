//! How each minute went.

use std::time::Duration;

use filmgate_domain::*;
use filmgate_store::{MINUTES_KEPT, MinuteRow, Store};

use crate::{at, stores};

const MINUTE: Duration = Duration::from_secs(60);

fn row(minute: u64, pool: &str, as_asked: u64, seconds: &[u64]) -> MinuteRow {
    let mut counted = Minute { courses: [as_asked, 1, 2, 3, 4], ..Minute::default() };
    (counted.unknown, counted.below_sent, counted.units) = (5, 6, 7);
    seconds.iter().for_each(|seconds| counted.latency.count(Duration::from_secs(*seconds)));
    MinuteRow { at: at(minute * 60), pool: pool.into(), counted }
}

fn sum(rows: &[&MinuteRow]) -> Minute {
    let mut sum = Minute::default();
    rows.iter().for_each(|row| sum += &row.counted);
    sum
}

async fn all(store: &Store, step: Duration) -> Vec<MinuteRow> {
    store.minutes(at(0), at(1_000_000_000), step).await.unwrap()
}

#[tokio::test]
async fn a_minute_that_is_written_in_parts_is_their_sum() {
    for place in stores() {
        let store = place.open();
        let (one, other) = (row(0, "ssoBasic", 10, &[3, 20]), row(0, "ssoSuper", 1, &[]));
        store.add_minutes(vec![one.clone(), other.clone()]).await.unwrap();
        let more = row(0, "ssoBasic", 5, &[3, 3600]);
        store.add_minutes(vec![more.clone()]).await.unwrap();
        let expected = [MinuteRow { counted: sum(&[&one, &more]), ..one }, other];
        assert_eq!(all(&store, MINUTE).await, expected);
        let killed = place.as_after_a_kill();
        assert_eq!(all(&killed.open(), MINUTE).await, expected, "what was acknowledged is on disk");
    }
}

#[tokio::test]
async fn a_range_is_read_in_spans() {
    for place in stores() {
        let store = place.open();
        let rows: Vec<_> = (1..7).map(|minute| row(minute, "", minute, &[minute])).collect();
        store.add_minutes(rows.clone()).await.unwrap();
        let some = store.minutes(rows[1].at, rows[4].at, MINUTE).await.unwrap();
        assert_eq!(some, rows[1..4], "from, and before until");
        let spans = all(&store, MINUTE * 3).await;
        let begin = |row: &MinuteRow| row.at.as_millis() - row.at.as_millis().rem_euclid(180_000);
        let mut expected: Vec<(i64, Minute)> = Vec::new();
        for row in &rows {
            match expected.last_mut().filter(|(at, _)| *at == begin(row)) {
                Some((_, sum)) => *sum += &row.counted,
                None => expected.push((begin(row), row.counted.clone())),
            }
        }
        let spans: Vec<_> = spans.into_iter().map(|span| (span.at.as_millis(), span.counted)).collect();
        assert_eq!(spans, expected);
        assert_eq!(spans.len(), 3, "two minutes, three, and one");
    }
}

#[tokio::test]
async fn old_minutes_go_when_new_ones_come() {
    for place in stores() {
        let store = place.open();
        let kept = MINUTES_KEPT.as_secs() / 60;
        store.add_minutes(vec![row(0, "p", 1, &[]), row(1, "p", 1, &[])]).await.unwrap();
        store.add_minutes(vec![row(kept + 1, "p", 1, &[])]).await.unwrap();
        let minutes: Vec<_> = all(&store, MINUTE).await.into_iter().map(|row| row.at).collect();
        assert_eq!(minutes, [at(60), at((kept + 1) * 60)]);
    }
}
