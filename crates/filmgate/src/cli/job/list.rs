//! `filmgate job list`.

use std::process::ExitCode;

use comfy_table::Table;
use filmgate_domain::{JobState, Timestamp};
use serde::Deserialize;

use super::Job;
use crate::cli::{Globals, client, out, time};

/// List jobs, newest first.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  filmgate job list
  filmgate job list --state failed --limit 100
  filmgate job list --verdict downgraded --caller my-app --since 24h
  filmgate job list --json | jq '.jobs[].filmgate.verdict'")]
pub(in crate::cli) struct Args {
    /// Only those in this state: queued, reserved, submitting, running, delivering, completed or failed
    #[arg(long, value_name = "STATE")]
    state: Option<JobState>,
    /// Only those whose last attempt was with a token of this pool
    #[arg(long, value_name = "POOL")]
    pool: Option<String>,
    /// Only those whose last attempt went this way: primary, upgrade or fallback
    #[arg(long, value_name = "ROUTE")]
    route: Option<String>,
    /// Only those with this verdict on their file: as_asked or downgraded
    #[arg(long, value_name = "VERDICT")]
    verdict: Option<String>,
    /// Only those of this caller, by its name or its id
    #[arg(long, value_name = "CALLER")]
    caller: Option<String>,
    /// Only those asked for less than so long ago, such as 90s, 30m, 24h or 7d
    #[arg(long, value_name = "SPAN")]
    since: Option<String>,
    /// Only those asked for then or later, such as 2026-11-23T14:20
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only those asked for before then
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// At most so many, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Only those that are older than this one
    #[arg(long, value_name = "ID")]
    after: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Page {
    jobs: Vec<Job>,
    /// What to go on after: a page may be short, and still not be the last.
    next: Option<String>,
}

impl Args {
    fn narrowed(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let Self { state, pool, route, verdict, caller, since, from, to, after, limit: _ } = self;
        let texts = [
            ("pool", pool),
            ("route", route),
            ("verdict", verdict),
            ("caller", caller),
            ("since", since),
            ("from", from),
            ("to", to),
            ("after", after),
        ];
        let texts = texts.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?)));
        state.map(|state| ("state", state.as_str())).into_iter().chain(texts)
    }
}

pub(super) async fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let limit = args.limit.to_string();
    let mut query = vec![("limit", &*limit)];
    query.extend(args.narrowed());
    let json = client::with(globals, async |client| client.get(&["jobs"], &query).await).await?;
    if globals.json {
        out::print_json(&json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let Page { jobs, next } = serde_json::from_value(json)?;
    if jobs.is_empty() {
        out::remark(if next.is_none() { "There are no such jobs." } else { "None among the latest ones." });
    } else {
        out::print_table(render(&jobs, time::now()))?;
    }
    if let Some(next) = next {
        out::remark(format_args!("There are older ones: --after {next}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn render(jobs: &[Job], now: Timestamp) -> Table {
    let rows = jobs.iter().map(|job| {
        [
            job.id.clone(),
            time::relative(job.created_at, now),
            job.progress_words(),
            job.report.asked.map(|shape| shape.to_string()).unwrap_or_default(),
            job.report.delivered.as_ref().map_or_else(|| "-".to_owned(), size),
            match (&job.report.pool, job.report.route) {
                (Some(pool), Some(route)) => format!("{pool} ({route})"),
                _ => "-".to_owned(),
            },
            out::shorten(&job.prompt, 32),
        ]
    });
    out::table(["ID", "ASKED FOR", "STATE", "ASKED", "DELIVERED", "POOL", "PROMPT"], rows)
}

fn size(file: &super::wire::Measured) -> String {
    format!("{}x{} {:.1}s", file.width, file.height, file.seconds)
}

impl Job {
    fn progress_words(&self) -> String {
        match (&self.failure, self.report.verdict) {
            (Some(failure), _) => format!("failed: {}", failure.code),
            (None, Some(filmgate_domain::Verdict::Downgraded)) => format!("{}, DOWNGRADED", self.state),
            (None, Some(_)) => self.state.clone(),
            (None, None) => format!("{} {} %", self.state, self.progress),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::job::show::tests::EXAMPLE;

    #[test]
    fn jobs_in_a_table() {
        let job: Job = serde_json::from_str(EXAMPLE).unwrap();
        let table = render(&[job], Timestamp::from_millis(120_000));
        insta::assert_snapshot!(table.trim_fmt(), @r"
        ID          ASKED FOR  STATE                  ASKED          DELIVERED     POOL                 PROMPT
        video_0198  2 min ago  completed, DOWNGRADED  720p 10s 16:9  752x416 6.0s  ssoBasic (fallback)  a red fox in the snow
        ");
    }
}
