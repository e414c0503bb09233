//! Log lines: for people on a terminal, JSON for programs. Always on standard error.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write, stderr};

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Starts logging. Does nothing when it was started before.
pub fn init(log: &Log) {
    let filter = EnvFilter::try_new(&log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let is_terminal = stderr().is_terminal();
    let json = match log.format {
        LogFormat::Json => true,
        LogFormat::Human => false,
        LogFormat::Auto => !is_terminal,
    };
    let colours = is_terminal && !json;
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || Lines { json, colours });
    let started = if json {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    } else {
        builder.with_target(false).with_ansi(is_terminal).try_init()
    };
    // A second start in the same process (tests) keeps the first one's settings.
    drop(started);
}

/// Writes each event as one line: what clients and upstreams say makes no lines of its own, and steers no terminal.
struct Lines {
    json: bool,
    colours: bool,
}

impl Write for Lines {
    /// An event comes in one piece.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        stderr().lock().write_all((self.one_line(line) + "\n").as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        stderr().flush()
    }
}

impl Lines {
    fn one_line(&self, text: &str) -> String {
        let mut line = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                // Those of our own colours: the formatter has taken them out of everything else.
                '\x1b' if self.colours => line.push(c),
                // In JSON, control characters stand in strings only.
                c if steers(c) && self.json => {
                    let _ = write!(line, "\\u{:04x}", u32::from(c));
                }
                c if steers(c) => line.extend(c.escape_default()),
                c => line.push(c),
            }
        }
        line
    }
}

/// Whether a character ends a line, steers a terminal, or turns the order of what is read.
fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\r\n2026 INFO all is well\u{1b}[2J\u{9b}31m\u{7f}\u{202e}\u{2028}z 红";

    #[test]
    fn an_event_is_one_line_that_steers_nothing() {
        let people = Lines { json: false, colours: false };
        let expected = "a\\r\\n2026 INFO all is well\\u{1b}[2J\\u{9b}31m\\u{7f}\\u{202e}\\u{2028}z 红";
        assert_eq!(people.one_line(HOSTILE), expected);
        let coloured = Lines { json: false, colours: true };
        assert_eq!(coloured.one_line("\u{1b}[32mINFO\u{1b}[0m\n"), "\u{1b}[32mINFO\u{1b}[0m\\n");
    }

    #[test]
    fn a_line_of_json_stays_the_same_json() {
        let programs = Lines { json: true, colours: false };
        let json = serde_json::json!({ "message": HOSTILE }).to_string();
        let line = programs.one_line(&json);
        assert!(!line.chars().any(steers), "{line}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap()["message"], HOSTILE);
    }
}
