//! The steps of a CI run, and the table that closes it.

use std::time::Duration;

use crate::workspace::timed;

/// How a step ended.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It was checked and it holds.
    Passed,
    /// It could not be checked, and that is no failure. Why.
    NotChecked(String),
    /// It does not hold. Why.
    Failed(String),
}

impl From<Result<(), String>> for Verdict {
    fn from(result: Result<(), String>) -> Self {
        result.map_or_else(Self::Failed, |()| Self::Passed)
    }
}

/// One line of the table.
pub(crate) struct Row {
    name: &'static str,
    verdict: Verdict,
    took: Duration,
}

impl Row {
    /// Runs a step between two lines that tell its name, its end and its time.
    pub(crate) fn of(name: &'static str, step: impl FnOnce() -> Verdict) -> Self {
        eprintln!("\n=== {name}");
        let (verdict, took) = timed(step);
        let row = Self { name, verdict, took };
        eprintln!("=== {name}: {}, {:.1} s", row.result(), row.took.as_secs_f64());
        if let Verdict::Failed(why) | Verdict::NotChecked(why) = &row.verdict {
            eprintln!("{why}");
        }
        row
    }

    /// Whether the step failed.
    pub(crate) fn failed(&self) -> bool {
        matches!(self.verdict, Verdict::Failed(_))
    }

    /// The step's name.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    fn result(&self) -> &'static str {
        match self.verdict {
            Verdict::Passed => "ok",
            Verdict::NotChecked(_) => "NOT CHECKED",
            Verdict::Failed(_) => "FAILED",
        }
    }
}

/// All steps with their results and times, and the sum.
pub(crate) fn table(rows: &[Row]) -> String {
    let line = |name: &str, result: &str, took: Duration| {
        format!("{name:<12} {result:<12} {:>8.1} s\n", took.as_secs_f64())
    };
    let all: String = rows.iter().map(|row| line(row.name, row.result(), row.took)).collect();
    let result = if rows.iter().any(Row::failed) { "FAILED" } else { "ok" };
    let total = rows.iter().map(|row| row.took).sum();
    format!("\n{all}{}\n{}", "-".repeat(35), line("all", result, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_fails_the_whole() {
        let row = |name, verdict, seconds| Row { name, verdict, took: Duration::from_secs(seconds) };
        let mut rows =
            vec![row("fmt", Verdict::Passed, 1), row("advisories", Verdict::NotChecked("offline".into()), 2)];
        assert!(table(&rows).ends_with("all          ok                3.0 s\n"), "{}", table(&rows));
        rows.push(row("test", Verdict::Failed("1 failed".into()), 100));
        assert!(table(&rows).contains("\nadvisories   NOT CHECKED       2.0 s\n"), "{}", table(&rows));
        assert!(table(&rows).ends_with("all          FAILED          103.0 s\n"), "{}", table(&rows));
    }
}
