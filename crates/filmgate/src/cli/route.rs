//! `filmgate route`: where a video would go now, and why.

use std::fmt::Write as _;
use std::process::ExitCode;

use filmgate_domain::{Resolution, Route, Seconds, Shape, Timestamp};
use serde::Deserialize;

use super::{Globals, client, exit, out, time};

/// Show which token a video would get now, and why; makes no video.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  filmgate route
  filmgate route --resolution 720p --seconds 10
  filmgate route --resolution 1080p --model grok-imagine-video-1.5 --json

Exits with 4 when no token is available at the moment.")]
pub(super) struct Args {
    /// The resolution: 480p, 720p or 1080p
    #[arg(long, value_name = "RESOLUTION", default_value_t = Resolution::P480)]
    resolution: Resolution,
    /// The length in seconds
    #[arg(long, value_name = "N", default_value_t = Seconds::DEFAULT)]
    seconds: Seconds,
    /// The model [default: the first of `video.models`]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
}

/// What the admin API says of a dry run.
#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    pub(super) decision: Decision,
    /// When a token is expected, where none is available.
    expected: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Decision {
    model: String,
    asked: Shape,
    pub(super) chosen: Option<Chosen>,
    passed_over: Vec<PassedOver>,
}

/// Where the video would go.
#[derive(Debug, Deserialize)]
pub(super) struct Chosen {
    pub(super) pool: String,
    route: Route,
    sent: Shape,
    token: String,
}

#[derive(Debug, Deserialize)]
struct PassedOver {
    pool: String,
    classes: Vec<Class>,
}

/// Tokens that were passed over for the same reason; none stands for the pool as a whole.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Class {
    tokens: u32,
    reason: String,
    until: Option<Timestamp>,
    limit: u32,
    left: u64,
    granted: u64,
}

pub(super) async fn run(args: &Args, globals: &Globals) -> anyhow::Result<ExitCode> {
    let (resolution, seconds) = (args.resolution.to_string(), args.seconds.to_string());
    let mut query = vec![("resolution", &*resolution), ("seconds", &*seconds)];
    query.extend(args.model.as_deref().map(|model| ("model", model)));
    let json = client::with(globals, async |client| client.get(&["route"], &query).await).await?;
    let answer: Answer = Deserialize::deserialize(&json)?;
    if globals.json {
        out::print_json(&json)?;
    } else {
        out::print(&out::clean(&answer.render(time::now())))?;
    }
    let found = answer.decision.chosen.is_some();
    Ok(if found { ExitCode::SUCCESS } else { ExitCode::from(exit::NO_TOKEN) })
}

impl Answer {
    /// The decision, readable.
    pub(super) fn render(&self, now: Timestamp) -> String {
        let Decision { model, asked, chosen, passed_over } = &self.decision;
        let mut fields = vec![("asked", format!("{asked} with {model}"))];
        match chosen {
            Some(Chosen { pool, route, sent, token }) => {
                fields.push(("goes to", format!("{pool} ({route}: {})", meaning(*route))));
                fields.push(("sends", sent.to_string()));
                fields.push(("token", format!("{token}; among equals another may be taken")));
            }
            None => {
                let expected =
                    self.expected.map(|at| format!("; one is expected {}", time::relative(at, now)));
                fields.push((
                    "goes to",
                    format!("nowhere: no token is available{}", expected.unwrap_or_default()),
                ));
            }
        }
        let mut text = out::fields(&fields);
        if !passed_over.is_empty() {
            text.push_str("\npassed over\n");
        }
        let width = passed_over.iter().map(|passed| passed.pool.len()).max().unwrap_or(0);
        for PassedOver { pool, classes } in passed_over {
            let classes: Vec<String> = classes.iter().map(|class| class.words(asked, now)).collect();
            // Writing to a text does not fail.
            let _ = writeln!(text, "  {pool:width$}  {}", classes.join(", "));
        }
        text
    }
}

impl Class {
    fn words(&self, asked: &Shape, now: Timestamp) -> String {
        let Class { limit, left, granted, .. } = self;
        let reason = match &*self.reason {
            "no_tokens" => "no tokens; add one with `filmgate token add`".to_owned(),
            "in_flight" => format!("busy with {limit} at once, the limit"),
            "throttled" => "at the limit of submissions a minute".to_owned(),
            "cannot_deliver" => format!("does not deliver {} {}s", asked.resolution, asked.seconds),
            "fallback_not_allowed" => "a fallback is not allowed".to_owned(),
            "upgrade_not_allowed" => "an upgrade is not allowed".to_owned(),
            "kept_in_reserve" => {
                format!("{left} of {granted} units left, kept for videos that only it can make")
            }
            // out_of_quota, cooling, disabled, expired, and what a newer server may know.
            other => other.replace('_', " "),
        };
        let tokens = match self.tokens {
            0 => String::new(),
            1 => "1 token ".to_owned(),
            n => format!("{n} tokens "),
        };
        let until = self.until.map(|at| format!(" until {} ({})", time::exact(at), time::relative(at, now)));
        format!("{tokens}{reason}{}", until.unwrap_or_default())
    }
}

/// What a route means, for people.
pub(super) fn meaning(route: Route) -> &'static str {
    match route {
        Route::Primary => "the first pool for such a video",
        Route::Upgrade => "a stronger pool than needed",
        Route::Fallback => "a pool that cannot deliver it as asked",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(json: &str) -> String {
        let answer: Answer = serde_json::from_str(json).unwrap();
        answer.render(Timestamp::from_millis(0))
    }

    const ASKED: &str = r#""model":"m","asked":{"resolution":"720p","seconds":10,"aspect_ratio":"16:9"}"#;

    #[test]
    fn a_fallback_says_why() {
        let text = render(&format!(
            r#"{{"decision":{{{ASKED},"chosen":{{"pool":"ssoBasic","route":"fallback","token":"tok_1",
                "sent":{{"resolution":"480p","seconds":6,"aspect_ratio":"16:9"}}}},
              "passed_over":[{{"pool":"ssoSuper","classes":[{{"tokens":2,"reason":"out_of_quota","until":null}},
                {{"tokens":1,"reason":"in_flight","limit":8,"until":null}}]}}]}},"explanation":"…","expected":null}}"#
        ));
        insta::assert_snapshot!(text, @r"
        asked    720p 10s 16:9 with m
        goes to  ssoBasic (fallback: a pool that cannot deliver it as asked)
        sends    480p 6s 16:9
        token    tok_1; among equals another may be taken

        passed over
          ssoSuper  2 tokens out of quota, 1 token busy with 8 at once, the limit
        ");
    }

    #[test]
    fn a_shortage_says_when_to_come_back() {
        let text = render(&format!(
            r#"{{"decision":{{{ASKED},"chosen":null,"passed_over":[
                {{"pool":"ssoBasic","classes":[{{"tokens":0,"reason":"cannot_deliver","resolution":"720p","seconds":10}}]}},
                {{"pool":"ssoSuper","classes":[{{"tokens":1,"reason":"disabled"}}]}}]}},"explanation":"…","expected":180000}}"#
        ));
        insta::assert_snapshot!(text, @r"
        asked    720p 10s 16:9 with m
        goes to  nowhere: no token is available; one is expected in 3 min

        passed over
          ssoBasic  does not deliver 720p 10s
          ssoSuper  1 token disabled
        ");
    }
}
