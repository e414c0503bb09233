//! Progress on stderr: a bar on a terminal, else a line now and then.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::Video;
use super::video::Phase;
use crate::cli::out;

/// Shows how a video is getting on. A bar disappears when this is dropped.
pub(super) enum Progress {
    Bar(ProgressBar),
    /// The last line, so that none is told twice.
    Lines(String),
}

impl Progress {
    pub(super) fn start() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines(String::new());
        }
        let style = ProgressStyle::with_template("{bar:30} {pos:>3} %  {msg}  {elapsed}");
        let bar = ProgressBar::new(100).with_style(style.expect("the template is well-formed"));
        bar.enable_steady_tick(Duration::from_millis(250));
        Self::Bar(bar)
    }

    /// How the video is.
    pub(super) fn show(&mut self, video: &Video) {
        let what = match video.phase() {
            Phase::Queued => "waiting for the upstream",
            Phase::InProgress => "in the making",
            Phase::Completed => "done",
            Phase::Failed => "failed",
        };
        let place = video.report.pool.as_ref().map(|pool| format!(" in {}", out::clean(pool)));
        let place = place.unwrap_or_default();
        let percent = video.progress();
        match self {
            Self::Bar(bar) => {
                bar.set_position(percent);
                bar.set_message(format!("{what}{place}"));
            }
            Self::Lines(_) => {
                // Quarters are enough for a log.
                let percent = percent / 25 * 25;
                self.line(format!("{}: {what}{place}, {percent} %", out::clean(&video.id)));
            }
        }
    }

    /// The gateway is out of reach at the moment.
    pub(super) fn trouble(&mut self, error: &anyhow::Error) {
        let text = format!("trying again: {}", out::shorten(&out::clean(&format!("{error:#}")), 100));
        match self {
            Self::Bar(bar) => bar.set_message(text),
            Self::Lines(_) => self.line(text),
        }
    }

    /// The file comes in.
    pub(super) fn fetching(&mut self, done: u64, total: Option<u64>) {
        if let Self::Bar(bar) = self {
            let total = total.map(|total| format!(" of {}", out::bytes(total)));
            bar.set_message(format!("saving, {}{}", out::bytes(done), total.unwrap_or_default()));
        }
    }

    fn line(&mut self, text: String) {
        if let Self::Lines(last) = self
            && *last != text
        {
            out::remark(&text);
            *last = text;
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
