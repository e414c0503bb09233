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
  filmgate job list --json | jq '.jobs[].filmgate.verdict'")]
pub(in crate::cli) struct Args {
    /// Only those in this state: queued, reserved, submitting, running, delivering, completed or failed
    #[arg(long, value_name = "STATE")]
    state: Option<JobState>,
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
    has_more: bool,
}

pub(super) async fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let limit = args.limit.to_string();
    let mut query = vec![("limit", &*limit)];
    query.extend(args.state.map(|state| ("state", state.as_str())));
    query.extend(args.after.as_deref().map(|id| ("after", id)));
    let json = client::with(globals, async |client| client.get(&["jobs"], &query).await).await?;
    if globals.json {
        out::print_json(&json)?;
        return Ok(ExitCode::SUCCESS);
    }
    let Page { jobs, has_more } = serde_json::from_value(json)?;
    if jobs.is_empty() {
        out::remark("There are no such jobs.");
        return Ok(ExitCode::SUCCESS);
    }
    out::print_table(render(&jobs, time::now()))?;
    if let Some(last) = jobs.last().filter(|_| has_more) {
        out::remark(format_args!("There are older ones: --after {}", last.id));
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
