//! Every setting of the manual with everything that it is not meant to hold. The manual says which settings there
//! are, so a new one is tried without a line here.

use std::collections::BTreeSet;

use super::*;
use crate::config::tree::{Step, Value, dotted};

/// What no setting wants, as TOML writes it.
const ODD: [&str; 24] = [
    "true",
    "0",
    "-1",
    "1",
    "0.5",
    "nan",
    "-inf",
    "1e308",
    "9223372036854775807",
    "99999999999999999999",
    "\"\"",
    "\" \"",
    "\"-1\"",
    "\"雪の中の赤い狐\"",
    "\"ثعلب\"",
    "\"\\u202Edrawkcab\"",
    "\"a\\u0000b\\u001B[31m\"",
    "\"line\\nbreak\"",
    "\"9999999999999999999d\"",
    "2026-11-30",
    "[]",
    "[1, \"a\", {}, []]",
    "[[[[]]]]",
    "{ a = { b = 1 } }",
];

/// The keys of all settings, in the order of the manual.
fn keys_of(node: &Node, way: &mut Vec<Step>, found: &mut BTreeSet<String>) {
    if !matches!(node.value, Value::Table(_)) {
        found.insert(dotted(way));
    }
    for (key, child) in node.entries() {
        way.push(Step::Key(key.clone()));
        keys_of(child, way, found);
        way.pop();
    }
}

fn all_keys() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    keys_of(names::manual(), &mut Vec::new(), &mut found);
    assert!(found.len() > 50, "the manual was read");
    found
}

/// A long text, which a message must not repeat.
fn long() -> String {
    format!("\"{}\"", "x".repeat(1 << 20))
}

/// Whether an error is about a setting: it, a part of it, or what refers to it.
fn is_about(error: &ConfigError, key: &str) -> bool {
    error.key.as_deref().is_some_and(|told| {
        told == key || told.starts_with(&format!("{key}[")) || told.starts_with(&format!("{key}."))
    })
}

#[test]
fn every_setting_tells_file_line_and_key_of_what_it_cannot_be() {
    let long = long();
    let mut refused = 0;
    for key in all_keys() {
        for value in ODD.into_iter().chain([&*long]) {
            let text = format!("# one\n# two\n{key} = {value}\n");
            let Err(errors) = file(&text) else { continue };
            refused += 1;
            let what = format!("{key} = {value:.60}");
            let first = errors.0.iter().find(|error| is_about(error, &key));
            // A pool that is not in use any more makes other settings wrong, which say so.
            let Some(first) = first else { panic!("{what}: {errors}") };
            assert_eq!((&*first.place, first.line), ("filmgate.toml", Some(3)), "{what}: {errors}");
            assert!(first.column.is_some(), "{what}: {errors}");
            assert!(errors.to_string().len() < 4_000, "{what}: {} bytes", errors.to_string().len());
        }
    }
    // Not all settings take all of these.
    assert!(refused > 1_000, "{refused}");
}

#[test]
fn every_setting_tells_the_variable_or_the_flag_of_what_it_cannot_be() {
    for key in all_keys() {
        let plain = key.replace(['"', '\''], "");
        let variable = format!("FILMGATE__{}", plain.replace('.', "__").replace('-', "_").to_uppercase());
        for value in ["{ a = 1 }", "[1, {}]", "\u{202e}\u{1b}[31m", "-1", ""] {
            for (place, loaded) in [
                (format!("environment {variable}"), env(&[(&variable, value)])),
                ("--set".to_owned(), set(&[&format!("{key}={value}")])),
            ] {
                let Err(errors) = loaded else { continue };
                let about = errors.0.iter().any(|error| error.place == place && is_about(error, &key));
                assert!(about, "{place}: {key} = {value:?}: {errors}");
                assert!(!errors.to_string().contains(|c: char| c.is_control() && c != '\n'), "{errors:?}");
            }
        }
    }
}

#[test]
fn no_message_spreads_over_lines_or_repeats_a_key_that_may_be_a_secret() {
    let secret = "xai-0123456789-0123456789-0123456789-0123456789";
    for flag in [&*format!("{secret}="), &format!("{secret}!=1"), "a\nb=1", "\u{1b}[31m=1", secret] {
        let told = errors(set(&[flag]));
        assert!(!told.contains(char::is_control) && !told.contains(&secret[..30]), "{told:?}");
    }
    let told = errors(env(&[("FILMGATE__A\nB\u{1b}", "1")]));
    assert!(!told.contains(char::is_control), "{told:?}");
}
