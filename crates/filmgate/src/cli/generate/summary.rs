//! What is told of a video at its end: asked, sent, delivered, where, why, and the verdict.

use std::process::ExitCode;

use filmgate_domain::Verdict;
use serde_json::{Value, json};

use super::make::{Made, Saved};
use super::{Order, exit};
use crate::cli::job::Report;
use crate::cli::{Globals, out, route};

/// Prints it; the exit code says whether the video is what was asked for.
pub(super) fn tell(made: &Made, order: Option<&Order>, globals: &Globals) -> anyhow::Result<ExitCode> {
    if globals.json {
        out::print_json(&made.to_json(order))?;
    } else {
        let path = made.saved.as_ref().map(|saved| saved.path.display().to_string());
        out::print(&made.summary(order, ("file", path.unwrap_or_default())))?;
    }
    if made.saved.is_none() {
        out::remark(format_args!("filmgate: the video failed: {}", out::clean(&made.video.failure())));
        return Ok(ExitCode::FAILURE);
    }
    match made.verdict(order) {
        Some(Verdict::Downgraded) => Ok(ExitCode::from(exit::DOWNGRADED)),
        _ => Ok(ExitCode::SUCCESS),
    }
}

impl Made {
    /// The gateway's verdict, or ours where it has none.
    pub(in crate::cli) fn verdict(&self, order: Option<&Order>) -> Option<Verdict> {
        self.video.report.verdict.or_else(|| {
            let measured = self.saved.as_ref()?.measured.as_ref()?;
            let missing = order?.shortfalls(measured);
            Some(if missing.is_empty() { Verdict::AsAsked } else { Verdict::Downgraded })
        })
    }

    /// Whether there is a file; else why there is none.
    pub(in crate::cli) fn outcome(&self) -> Result<(), String> {
        if self.saved.is_some() { Ok(()) } else { Err(self.video.failure()) }
    }

    /// The gateway's id of the video.
    pub(in crate::cli) fn id(&self) -> &str {
        &self.video.id
    }

    /// The gateway's answer, and the file that was saved.
    pub(in crate::cli) fn to_json(&self, order: Option<&Order>) -> Value {
        let mut json = self.video.json.clone();
        if let Some(Saved { path, bytes, measured }) = &self.saved {
            let measured = measured.as_ref();
            json["file"] = json!({
                "path": path, "bytes": bytes,
                "width": measured.map(|m| m.width), "height": measured.map(|m| m.height),
                "seconds": measured.map(|m| m.duration_ms as f64 / 1000.0),
                "codec": measured.map(|m| &m.codec), "verdict": self.verdict(order),
            });
        }
        json
    }

    /// For people; `last` is a line of the caller's.
    pub(in crate::cli) fn summary(&self, order: Option<&Order>, last: (&str, String)) -> String {
        let report = &self.video.report;
        let asked = report.asked.map(|shape| shape.to_string()).or_else(|| order.map(Order::words));
        out::fields(&[
            ("video", self.video.id.clone()),
            ("asked", asked.unwrap_or_default()),
            ("sent", report.sent.map(|shape| shape.to_string()).unwrap_or_default()),
            ("delivered", self.delivered()),
            ("pool", report.place()),
            ("why", report.reason.clone().unwrap_or_default()),
            ("attempts", report.attempts()),
            ("verdict", self.judgement(order)),
            last,
        ])
    }

    fn delivered(&self) -> String {
        let own = || {
            let saved = self.saved.as_ref()?;
            let size = out::bytes(saved.bytes);
            Some(match &saved.measured {
                Some(measured) => format!("{measured}, {size} (measured here)"),
                None => format!("{size}; it cannot be measured"),
            })
        };
        let told = self.video.report.delivered.as_ref().map(|file| format!("{} (measured)", file.words()));
        told.or_else(own).unwrap_or_default()
    }

    fn judgement(&self, order: Option<&Order>) -> String {
        if self.video.report.verdict.is_some() {
            return self.video.report.judgement();
        }
        let measured = self.saved.as_ref().and_then(|saved| saved.measured.as_ref());
        let Some((order, measured)) = order.zip(measured) else { return String::new() };
        match &order.shortfalls(measured)[..] {
            [] => "as asked".to_owned(),
            missing => format!("DOWNGRADED: {}", missing.join(", ")),
        }
    }
}

impl Report {
    /// The pool and what its choice means.
    fn place(&self) -> String {
        match (&self.pool, self.route) {
            (Some(pool), Some(route)) => format!("{pool} ({route}: {})", route::meaning(route)),
            (Some(pool), None) => pool.clone(),
            _ => String::new(),
        }
    }

    /// The attempts, where there was more than one.
    fn attempts(&self) -> String {
        if self.routes.len() < 2 {
            return String::new();
        }
        let attempts = self.routes.iter().map(|attempt| {
            let outcome = attempt.outcome.map_or("open", |outcome| outcome.as_str()).replace('_', " ");
            let error = attempt.error.as_ref().map(|error| format!(" ({})", out::shorten(error, 80)));
            format!("{}. {} {outcome}{}", attempt.n, attempt.pool, error.unwrap_or_default())
        });
        attempts.collect::<Vec<_>>().join("; ")
    }
}
