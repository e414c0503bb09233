//! What people and programs see: data on stdout, remarks on stderr.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, TableStyle};
use serde_json::Value;

/// Nobody reads our output any more, as after `filmgate job list | head`. That is no failure.
#[derive(Debug, thiserror::Error)]
#[error("the output was closed")]
pub(super) struct Closed;

/// Prints data, with a line break at its end.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes());
    let ended = if text.ends_with('\n') { Ok(()) } else { stdout.write_all(b"\n") };
    match written.and(ended).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Closed.into()),
        done => Ok(done?),
    }
}

/// Prints JSON as data.
pub(super) fn print_json(value: &Value) -> anyhow::Result<()> {
    print(&serde_json::to_string_pretty(value)?)
}

/// Prints JSON in one line, for answers to several things at once.
pub(super) fn print_json_line(value: &Value) -> anyhow::Result<()> {
    print(&value.to_string())
}

/// Prints a table, no wider than the terminal.
pub(super) fn print_table(mut table: Table) -> anyhow::Result<()> {
    if io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        // The id is there to be copied.
        if let Some(first) = table.column_mut(0) {
            first.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    print(&table.trim_fmt())
}

/// Tells something about what is going on. When nobody can read it, nothing is lost.
pub(super) fn remark(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A table without lines. Columns whose header begins with `>` are aligned to the right.
pub(super) fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> Table {
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    table.set_header(header.map(|title| title.trim_start_matches('>')));
    for row in rows {
        table.add_row(row.map(|cell| clean(&cell)));
    }
    for (column, title) in table.column_iter_mut().zip(header) {
        column.set_padding((0, 2));
        if title.starts_with('>') {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Names and values below each other, the values aligned. Empty values are left out.
pub(super) fn fields(fields: &[(&str, String)]) -> String {
    let shown = || fields.iter().filter(|(_, value)| !value.is_empty());
    let width = shown().map(|(name, _)| name.len()).max().unwrap_or(0);
    shown().map(|(name, value)| format!("{name:width$}  {}\n", clean(value))).collect()
}

/// Without control characters: what a server sends must not steer the terminal.
pub(super) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// The first `most` characters of a text, on one line.
pub(super) fn shorten(text: &str, most: usize) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}

/// A size in bytes as people write it.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let mut size = bytes as f64 / 1024.0;
    let mut unit = 0;
    // What would be rounded to 1024 is one of the next unit.
    while size >= 1023.95 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

/// An argument as it can be pasted into a shell.
pub(super) fn quoted(argument: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "._/-:=@%+,".contains(c);
    if !argument.is_empty() && argument.chars().all(is_plain) {
        return argument.to_owned();
    }
    format!("'{}'", argument.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_align_and_carry_no_control_characters() {
        let rows = [
            ["ssoBasic".to_owned(), "80".to_owned(), "a\x1b[2Jb".to_owned()],
            ["x".to_owned(), "7".to_owned(), String::new()],
        ];
        insta::assert_snapshot!(table(["POOL", ">LEFT", "NOTE"], rows).trim_fmt(), @r"
        POOL      LEFT  NOTE
        ssoBasic    80  a�[2Jb
        x            7
        ");
    }

    #[test]
    fn fields_align_and_leave_out_what_is_empty() {
        let text =
            fields(&[("asked", "720p".to_owned()), ("why", String::new()), ("delivered", "x".to_owned())]);
        assert_eq!(text, "asked      720p\ndelivered  x\n");
    }

    #[test]
    fn sizes() {
        for (n, text) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB"),
            (1_048_570, "1.0 MiB"),
            (1_288_490, "1.2 MiB"),
            (u64::MAX, "16777216.0 TiB"),
        ] {
            assert_eq!(bytes(n), text);
        }
    }

    #[test]
    fn texts_are_shortened_to_one_line() {
        assert_eq!(shorten("a\n  b", 10), "a b");
        assert_eq!(shorten("红色 狐狸 在雪中", 6), "红色 狐狸…");
    }

    #[test]
    fn arguments_are_quoted_where_a_shell_asks_for_it() {
        assert_eq!(quoted("a/fox-1.mp4"), "a/fox-1.mp4");
        assert_eq!(quoted("it's $5"), r"'it'\''s $5'");
        assert_eq!(quoted(""), "''");
    }
}
