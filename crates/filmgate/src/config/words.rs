//! How messages name what was expected and what was found, and the nearest of several names.

use serde::de::Unexpected;

/// What was found, in a few words. A long text is cut, and one that may hold a password is not repeated.
pub(super) fn found(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Str(text) => format!("a string {}", quoted(text)),
        Unexpected::Signed(number) => number.to_string(),
        Unexpected::Unsigned(number) => number.to_string(),
        Unexpected::Float(number) => number.to_string(),
        Unexpected::Bool(yes) => yes.to_string(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}

/// A text on one line: names of files and variables may hold anything, and messages are written to logs.
pub(super) fn visible(text: &str) -> String {
    let shown = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(shown).collect()
}

/// A name, or its beginning where it has more characters than this.
pub(super) fn short(name: &str, most: usize) -> String {
    match name.char_indices().nth(most) {
        Some(_) => format!("{}…", name.chars().take(12).collect::<String>()),
        None => name.to_owned(),
    }
}

/// A text in quotes; see [`found`].
pub(super) fn quoted(text: &str) -> String {
    if text.contains('@') {
        return "that may hold a password".to_owned();
    }
    // The whole of a key or token that went astray must not end up in a log.
    format!("{:?}", short(text, 40))
}

/// What a type is called that serde knows by its Rust name.
pub(super) fn kind(expected: &str) -> String {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "a nonzero u8" | "a nonzero u32" => "an integer".to_owned(),
        "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a table".to_owned(),
        other if other.starts_with("struct ") => "a table".to_owned(),
        other => other.to_owned(),
    }
}

/// What values a type takes, where the type itself was right.
pub(super) fn range(expected: &str) -> String {
    match expected {
        "u8" => format!("an integer from 0 to {}", u8::MAX),
        "u32" => format!("an integer from 0 to {}", u32::MAX),
        "a nonzero u8" => format!("an integer from 1 to {}", u8::MAX),
        "a nonzero u32" => format!("an integer from 1 to {}", u32::MAX),
        other => kind(other),
    }
}

/// The name that is most like this one, if one is like it at all.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let likeness = |other: &str| {
        let other = other.to_lowercase();
        // Two letters swapped in a short name are less alike for Jaro than for a reader.
        let slip = strsim::osa_distance(&name, &other) * 3 <= name.chars().count();
        let likeness = strsim::jaro_winkler(&name, &other);
        (slip || likeness >= 0.8).then_some(likeness)
    };
    known
        .into_iter()
        // Longer names are no names, and comparing them takes the product of their lengths.
        .filter(|other| other.len() <= 100 && name.len() <= 100)
        .filter_map(|other| Some((likeness(other)?, other)))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, other)| other)
}

/// "; did you mean `x`?", or what names there are, when that is short enough to be read.
pub(super) fn hint<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("; did you mean `{near}`?"),
        None if known.is_empty() => String::new(),
        None => {
            let more = if known.len() > 20 { ", …" } else { "" };
            let names: Vec<String> = known.iter().take(20).map(|name| format!("`{name}`")).collect();
            format!("; known here: {}{more}", names.join(", "))
        }
    }
}
