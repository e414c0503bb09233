//! Changes one setting in the operator's file, and leaves its comments and layout alone.

use toml_edit::{DocumentMut, Item, Key, RawString, Table, TableLike};

/// Why a setting could not be written into a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The file is no TOML.
    #[error("the file cannot be read as TOML: {0}")]
    File(String),
    /// The key is none.
    #[error("`{0}` is not a key")]
    Key(String),
    /// The key leads through, or to, something else than it should.
    #[error("`{key}` is {found} in the file")]
    Kind {
        /// The part of the key.
        key: String,
        /// What is there.
        found: &'static str,
    },
    /// The value cannot be written.
    #[error("the value cannot be written as TOML")]
    Value,
}

/// The text of a file with `key` (dotted, parts quoted where TOML asks for it) set to `value`. A table sets
/// each of its keys and leaves the others. Whether the result is a good configuration is for
/// [`load_text`](super::load_text) to say.
///
/// # Errors
/// When the text is no TOML, the key is no key, or one of its parts is no table in the text.
pub fn edit(text: &str, key: &str, value: &toml::Value) -> Result<String, EditError> {
    let mut document: DocumentMut =
        text.parse().map_err(|e: toml_edit::TomlError| EditError::File(e.message().to_owned()))?;
    let parts = Key::parse(key).map_err(|_| EditError::Key(key.to_owned()))?;
    let parts: Vec<&str> = parts.iter().map(Key::get).collect();
    set(document.as_table_mut(), &parts, value)?;
    Ok(document.to_string())
}

fn set(table: &mut dyn TableLike, parts: &[&str], value: &toml::Value) -> Result<(), EditError> {
    match (parts, value) {
        ([], toml::Value::Table(entries)) => {
            entries.iter().try_for_each(|(key, value)| set(table, &[key], value))
        }
        ([], _) => Err(EditError::Key(String::new())),
        ([key], value) if !value.is_table() => set_value(table, key, value),
        ([key, rest @ ..], value) => {
            if table.get(key).is_none_or(Item::is_none) {
                let mut new = Table::new();
                // Only tables that get values of their own have a header.
                new.set_implicit(!rest.is_empty() || !is_empty(value));
                table.insert(key, Item::Table(new));
            }
            let found = table.get_mut(key).and_then(Item::as_table_like_mut);
            let wrong = || EditError::Kind { key: (*key).to_owned(), found: "not a table" };
            set(found.ok_or_else(wrong)?, rest, value)
        }
    }
}

fn set_value(table: &mut dyn TableLike, key: &str, value: &toml::Value) -> Result<(), EditError> {
    let mut new: toml_edit::Value = value.to_string().parse().map_err(|_| EditError::Value)?;
    put_in_order(&mut new);
    match table.get_mut(key) {
        Some(Item::Value(old)) => {
            *new.decor_mut() = old.decor().clone();
            *old = new;
        }
        Some(Item::Table(_)) => return Err(EditError::Kind { key: key.to_owned(), found: "a table" }),
        Some(item) => *item = Item::Value(new),
        None => {
            // In an inline table the space before the closing brace belongs to the last value.
            let last = table.iter_mut().last().and_then(|(_, item)| item.as_value_mut());
            if let Some(last) =
                last.filter(|last| last.decor().suffix().and_then(RawString::as_str) == Some(" "))
            {
                last.decor_mut().set_suffix("");
                new.decor_mut().set_suffix(" ");
                new.decor_mut().set_prefix(" ");
            }
            table.insert(key, Item::Value(new));
        }
    }
    Ok(())
}

/// Lets the fields of what a pool delivers, and of what videos cost, stand as in the manual.
fn put_in_order(value: &mut toml_edit::Value) {
    const ORDER: [&str; 4] = ["resolution", "max_seconds", "models", "modes"];
    let rank = |key: &Key| ORDER.iter().position(|known| *known == key.get()).unwrap_or(ORDER.len());
    for item in value.as_array_mut().into_iter().flat_map(toml_edit::Array::iter_mut) {
        if let Some(table) = item.as_inline_table_mut() {
            table.sort_values_by(|a, _, b, _| rank(a).cmp(&rank(b)));
            table.fmt();
        }
    }
}

fn is_empty(value: &toml::Value) -> bool {
    value.as_table().is_some_and(toml::Table::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
# My gateway.
[video]
upgrade_reserve = 0.5 # half

# Only mine.
pools = [\"mine\"]

[pools.mine] # the one
upstream = \"xai\"
costs = [{ units = 1 }]
";

    fn value(text: &str) -> toml::Value {
        format!("v = {text}").parse::<toml::Table>().unwrap().remove("v").unwrap()
    }

    #[test]
    fn comments_and_layout_stay() {
        let edited = edit(FILE, "video.upgrade_reserve", &value("0.25")).unwrap();
        assert_eq!(edited, FILE.replace("0.5 # half", "0.25 # half"));
        let edited = edit(FILE, "video.pools", &value("[\"a\", \"b\"]")).unwrap();
        assert_eq!(edited, FILE.replace("[\"mine\"]", "[\"a\", \"b\"]"));
    }

    #[test]
    fn new_keys_join_their_table() {
        let edited = edit(FILE, "video.log_fallback_warning", &value("false")).unwrap();
        assert_eq!(edited, FILE.replace("[\"mine\"]\n", "[\"mine\"]\nlog_fallback_warning = false\n"));
        let edited = edit(FILE, "pools.mine.quota_units", &value("3")).unwrap();
        assert_eq!(edited, format!("{FILE}quota_units = 3\n"));
    }

    #[test]
    fn new_tables_come_last() {
        let edited = edit(FILE, "models.\"a.b\".aliases", &value("[\"x\"]")).unwrap();
        assert_eq!(edited, format!("{FILE}\n[models.\"a.b\"]\naliases = [\"x\"]\n"));
        assert_eq!(edit("", "log.level", &value("\"debug\"")).unwrap(), "[log]\nlevel = \"debug\"\n");
    }

    #[test]
    fn a_table_sets_its_keys() {
        let pool = value("{ upstream = \"xai\", quota_units = 3 }");
        let edited = edit(FILE, "pools.mine", &pool).unwrap();
        assert_eq!(edited, format!("{FILE}quota_units = 3\n"));
        let edited = edit(FILE, "models.new", &value("{}")).unwrap();
        assert_eq!(edited, format!("{FILE}\n[models.new]\n"));
        let edited = edit("", "pools.new", &pool).unwrap();
        assert_eq!(edited, "[pools.new]\nquota_units = 3\nupstream = \"xai\"\n");
    }

    #[test]
    fn dotted_and_inline_tables_are_written_in_their_own_way() {
        let edited = edit("video.upgrade_reserve = 0.5\n", "video.models", &value("[]")).unwrap();
        assert_eq!(edited, "video.upgrade_reserve = 0.5\nvideo.models = []\n");
        let edited = edit("log = { level = \"info\" }\n", "log.format", &value("\"json\"")).unwrap();
        assert_eq!(edited, "log = { level = \"info\", format = \"json\" }\n");
        let edited = edit("pools = {}\n", "pools.a.quota_units", &value("1")).unwrap();
        assert_eq!(edited.parse::<toml::Table>().unwrap()["pools"]["a"]["quota_units"].as_integer(), Some(1));
    }

    #[test]
    fn lists_of_tables_are_replaced() {
        let text = "[[pools.a.costs]]\nunits = 1\n[[pools.a.costs]]\nunits = 2\n";
        let edited = edit(text, "pools.a.costs", &value("[{ units = 3 }]")).unwrap();
        let costs = edited.parse::<toml::Table>().unwrap()["pools"]["a"]["costs"].clone();
        assert_eq!(costs, value("[{ units = 3 }]"));
    }

    #[test]
    fn fields_stand_as_in_the_manual() {
        let costs = value(
            "[{ units = 3, max_seconds = 6, units_per_second = 1, resolution = \"480p\" }, { units = 4 }]",
        );
        let edited = edit("", "pools.a.costs", &costs).unwrap();
        let expected =
            "{ resolution = \"480p\", max_seconds = 6, units = 3, units_per_second = 1 }, { units = 4 }";
        assert_eq!(edited, format!("[pools.a]\ncosts = [{expected}]\n"));
    }

    #[test]
    fn what_cannot_be_edited_is_told() {
        let told = |text, key, new| edit(text, key, &value(new)).unwrap_err().to_string();
        assert_eq!(told("video = 3", "video.pools", "[]"), "`video` is not a table in the file");
        assert_eq!(told(FILE, "video", "3"), "`video` is a table in the file");
        assert_eq!(told(FILE, "video..pools", "[]"), "`video..pools` is not a key");
        assert!(told("[", "video.pools", "[]").starts_with("the file cannot be read as TOML: "));
    }

    #[test]
    fn what_is_written_is_what_is_loaded() {
        let edited = edit("# mine\n", "video.upgrade_reserve", &value("0.75")).unwrap();
        let loaded = super::super::load_text(&super::super::Sources::default(), &edited).unwrap();
        assert_eq!(loaded.config.video.upgrade_reserve, 0.75);
    }
}
