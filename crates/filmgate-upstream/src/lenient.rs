//! What answers of all dialects have in common, read as leniently as providers write it.

use serde_json::Value;

/// The longest id that is taken for one, in bytes.
pub(crate) const LONGEST_ID: usize = 512;

/// Whether the id can be put into a URL's path and comes out the same.
pub(crate) fn is_usable_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= LONGEST_ID && !matches!(id, "." | "..") && !id.contains(char::is_control)
}

/// How much of a video is done, 0 to 99: a number, or a text that spells one.
pub(crate) fn progress(value: &Value) -> Option<u8> {
    let progress = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().trim_end_matches('%').parse().ok()?,
        _ => return None,
    };
    // A float becomes the nearest value that fits.
    (!progress.is_nan()).then_some((progress as u8).min(99))
}
