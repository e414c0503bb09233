//! docs/metrics.md says what `/metrics` exposes: all of it, and nothing else.

use std::collections::BTreeSet;

use super::exposition::{Exposed, Row, Sample};
use super::traffic::{self, Watched};

#[tokio::test]
async fn the_table_of_metrics_is_complete_and_true() {
    let watched = Watched::start().await;
    traffic::round(&watched).await;
    let exposed = Exposed::by(&watched.app).await;
    let rows = Row::all();

    let documented: BTreeSet<(&str, &str)> = rows.iter().map(|row| (row.family(), &*row.kind)).collect();
    let declared = exposed.kinds.iter().map(|(family, kind)| (&**family, &**kind)).collect();
    assert_eq!(documented, declared, "left: the table; right: /metrics");

    for row in &rows {
        let samples: Vec<&Sample> = exposed.samples.iter().filter(|sample| belongs(sample, row)).collect();
        assert!(!samples.is_empty(), "{} was not exposed", row.name);
        for sample in &samples {
            let labels: BTreeSet<&String> = sample.labels.keys().filter(|label| *label != "le").collect();
            assert_eq!(labels, row.labels.keys().collect(), "labels of {sample:?}");
        }
        for (label, values) in &row.labels {
            let seen: BTreeSet<String> = samples.iter().map(|sample| sample.labels[label].clone()).collect();
            if let Some(values) = values {
                assert_eq!(&seen, values, "values of `{label}` of {}", row.name);
            }
        }
        let happened = samples.iter().any(|sample| sample.value > 0.0);
        assert!(happened, "the traffic of this test did nothing to {}", row.name);
    }
}

/// Of a histogram only the counts: its smallest buckets may well be empty.
fn belongs(sample: &Sample, row: &Row) -> bool {
    if row.kind == "histogram" {
        return sample.name.strip_suffix("_count") == Some(row.family());
    }
    sample.name == row.name
}

/// Whatever happens first must not be hidden from `increase()`: what can be known is there before it happens.
#[tokio::test]
async fn what_can_happen_is_counted_from_zero() {
    let app = crate::app::Setup::default().start().await;
    let exposed = Exposed::by(&app).await;
    for row in Row::all() {
        let closed = row.labels.iter().all(|(label, values)| label == "pool" || values.is_some());
        let samples = exposed.samples.iter().filter(|sample| belongs(sample, &row));
        let combinations: usize =
            row.labels.values().map(|values| values.as_ref().map_or(2, BTreeSet::len)).product();
        if closed && row.kind != "gauge" {
            assert_eq!(samples.count(), combinations, "{}: each pool, each value", row.name);
        }
    }
}
