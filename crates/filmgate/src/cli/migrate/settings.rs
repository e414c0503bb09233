//! What the old settings say: as settings here, keys, and what is left.

use std::collections::BTreeMap;

use filmgate_domain::Secret;
use serde_json::Value as Json;
use toml::Value;

use super::leftover;
use super::report::Report;

/// What the old settings ask for here.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) settings: Vec<Setting>,
    /// The client keys.
    pub(super) keys: Vec<OldKey>,
    /// Where the admin key stood, and the key.
    pub(super) admin_key: Option<(String, Secret)>,
    /// The addresses that orders went out through, if any.
    pub(super) proxy: Option<Setting>,
}

/// A setting of the old gateway as it is written here.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Setting {
    /// What it was.
    pub(super) from: String,
    pub(super) to: To,
    pub(super) value: Value,
}

/// Where a setting belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    /// A key of its own.
    Key(&'static str),
    /// This key of every upstream concerned.
    Upstream(&'static str),
    /// This key of every pool concerned.
    Pool(&'static str),
}

/// A client key of the old gateway.
#[derive(Clone, Debug)]
pub(super) struct OldKey {
    /// Where it stood.
    pub(super) from: String,
    /// What it is to be called here.
    pub(super) name: String,
    pub(super) key: Secret,
}

/// Admin passwords that come with the old gateways, and so are known to everybody.
const DEFAULT_PASSWORDS: &[&str] = &["grok2api", "admin", "CHANGE_ME_NOW", "Admin123"];

/// Settings that are the same here.
const SWITCHES: [&str; 3] =
    ["video.smart_token_routing", "video.allow_fallback_to_basic", "video.log_fallback_warning"];

/// Reads the settings; what has no place here is reported.
pub(super) fn read(table: &toml::Table, report: &mut Report) -> Wanted {
    let mut left = Left::of(table);
    let mut wanted = Wanted::default();
    public_url(&mut left, &mut wanted);
    client_keys(&mut left, &mut wanted, report);
    admin_key(&mut left, &mut wanted, report);
    content(&mut left, &mut wanted, report);
    for key in SWITCHES {
        switch(&mut left, &mut wanted, report, key);
    }
    let fail = left.take(&["token.fail_threshold"]);
    if let Some((from, Some(count))) = fail.map(|found| positive(found, report)) {
        wanted.settings.push(Setting {
            from,
            to: To::Key("tokens.fail_threshold"),
            value: Value::Integer(count),
        });
    }
    media(&mut left, &mut wanted, report);
    if let Some((from, Some(seconds))) =
        left.take(&["network.timeout", "video.timeout"]).map(|found| positive(found, report))
    {
        let value = Value::String(format!("{seconds}s"));
        wanted.settings.push(Setting { from, to: To::Upstream("header_timeout"), value });
    }
    if let Some((from, Some(most))) =
        left.take(&["account.selection.max_inflight"]).map(|found| positive(found, report))
    {
        wanted.settings.push(Setting { from, to: To::Pool("max_in_flight"), value: Value::Integer(most) });
    }
    proxy(&mut left, &mut wanted, report);
    left.tell(report);
    wanted
}

fn public_url(left: &mut Left, wanted: &mut Wanted) {
    if let Some((from, value)) = left.take(&["app.app_url", "global.base_url"]) {
        wanted.settings.push(Setting { from, to: To::Key("server.public_url"), value });
    }
}

fn client_keys(left: &mut Left, wanted: &mut Wanted, report: &mut Report) {
    let Some((from, value)) = left.take(&["app.api_key", "grok.api_key", "global.api_keys"]) else {
        report.needs(
            "There was no key for applications (app.api_key), so everybody could use the old gateway, or nobody. \
             Here every request needs one: make one for each application.",
            ["filmgate key create NAME".to_owned()],
        );
        return;
    };
    let mut texts = Vec::new();
    let items = match value {
        Value::Array(items) => items,
        other => vec![other],
    };
    for item in items {
        match item {
            Value::String(text) => texts.extend(text.split(',').map(|key| key.trim().to_owned())),
            other => not_understood(report, &from, "a text, or a list of texts", &other),
        }
    }
    texts.retain(|text| !text.is_empty());
    let mut seen = std::collections::BTreeSet::new();
    texts.retain(|text| seen.insert(text.clone()));
    let several = texts.len() > 1;
    for (nth, text) in texts.into_iter().enumerate() {
        let name = if several { format!("grok2api-{}", nth + 1) } else { "grok2api".to_owned() };
        wanted.keys.push(OldKey { from: from.clone(), name, key: Secret::new(text) });
    }
}

/// The keys of `api_keys.json`: `[{"key": "sk-...", "name": "...", "enabled": true}]`.
pub(super) fn more_keys(keys: &Json, wanted: &mut Wanted, report: &mut Report) {
    let Some(list) = keys.as_array() else {
        report.needs(
            "api_keys.json is no list of keys; make keys for its applications anew.",
            [command_for_key("NAME")],
        );
        return;
    };
    for (nth, entry) in list.iter().enumerate() {
        let from = format!("api_keys.json[{nth}]");
        let name = entry["name"].as_str().map(str::trim).filter(|name| !name.is_empty());
        let name: String = name.map_or_else(|| from.clone(), |name| name.chars().take(80).collect());
        let is_on = |field: &str| entry[field].as_bool().unwrap_or(true);
        if !is_on("enabled") || !is_on("is_active") {
            report.leaves("Switched off there:", format!("{from} ({name})"));
        } else if let Some(key) = entry["key"].as_str().map(str::trim).filter(|key| !key.is_empty()) {
            let known = wanted.keys.iter().any(|known| known.key.expose() == key);
            if !known {
                wanted.keys.push(OldKey { from, name, key: Secret::new(key) });
            }
        } else {
            report.needs(
                format!("The key of {name} ({from}) is not in the file in plain text, so it cannot go on: make another."),
                [command_for_key(&name)],
            );
        }
    }
}

fn command_for_key(name: &str) -> String {
    format!("filmgate key create {}", crate::cli::out::quoted(name))
}

fn admin_key(left: &mut Left, wanted: &mut Wanted, report: &mut Report) {
    let Some((from, value)) = left.take(&["app.app_key", "app.app_password", "global.admin_password"]) else {
        return;
    };
    let Value::String(text) = value else { return not_understood(report, &from, "a text", &value) };
    let text = text.trim();
    if DEFAULT_PASSWORDS.contains(&text) {
        let why = "A password that comes with the program is known to everybody; filmgate makes an admin key of its own \
                   and prints it at the first start:";
        return report.leaves(why, from);
    }
    wanted.admin_key = Some((from, Secret::new(text)));
}

fn content(left: &mut Left, wanted: &mut Wanted, report: &mut Report) {
    let Some((from, value)) = left.take(&["app.video_format", "features.video_format"]) else { return };
    let word = value.as_str().map(str::trim).unwrap_or_default();
    let content = match word.to_ascii_lowercase().as_str() {
        "html" | "local_html" | "grok_html" => "html",
        "url" | "local_url" | "grok_url" => "url",
        _ => return not_understood(report, &from, "\"html\" or \"url\"", &value),
    };
    if word.starts_with("grok_") {
        report.leaves(
            "Links always lead to filmgate, where the file that was measured is, and never to the provider:",
            format!("{from} (the part grok_)"),
        );
    }
    wanted.settings.push(Setting { from, to: To::Key("chat.content"), value: Value::from(content) });
}

fn switch(left: &mut Left, wanted: &mut Wanted, report: &mut Report, key: &'static str) {
    let Some((from, value)) = left.take(&[key]) else { return };
    let flag = match &value {
        Value::Boolean(flag) => Some(*flag),
        Value::Integer(0) => Some(false),
        Value::Integer(1) => Some(true),
        Value::String(text) => text.trim().to_ascii_lowercase().parse().ok(),
        _ => None,
    };
    match flag {
        Some(flag) => {
            wanted.settings.push(Setting { from, to: To::Key(key), value: Value::Boolean(flag) });
        }
        None => not_understood(report, &from, "true or false", &value),
    }
}

fn media(left: &mut Left, wanted: &mut Wanted, report: &mut Report) {
    let cleans = left.peek("cache.enable_auto_clean").and_then(Value::as_bool).unwrap_or(true);
    let names = [
        "cache.limit_mb",
        "cache.video_limit_mb",
        "cache.local.video_max_mb",
        "global.video_cache_max_size_mb",
    ];
    let Some(found) = left.take(&names) else { return };
    let (from, number) = number(found, report);
    match number {
        Some(number) if number > 0 && cleans => {
            let size =
                if number % 1024 == 0 { format!("{}GiB", number / 1024) } else { format!("{number}MiB") };
            let value = Value::String(size);
            wanted.settings.push(Setting { from, to: To::Key("media.max_bytes"), value });
        }
        Some(_) => report.leaves(
            "It set no limit there; here media.max_bytes sets one (50GiB, if you do not change it):",
            from,
        ),
        None => {}
    }
}

fn proxy(left: &mut Left, wanted: &mut Wanted, report: &mut Report) {
    let names = [
        "network.base_proxy_url",
        "proxy.base_proxy_url",
        "grok.base_proxy_url",
        "proxy.egress.proxy_url",
        "proxy.proxy_url",
        "grok.proxy_url",
    ];
    let Some((from, value)) = left.take(&names) else { return };
    match &value {
        Value::String(text) if text.contains(',') => report.needs(
            format!("{from} is a list of proxies; an upstream here has one. Choose one and write it down:"),
            ["[upstreams.xai]".to_owned(), "proxy = \"http://host:port\"".to_owned()],
        ),
        Value::String(text) => {
            let value = Value::String(text.trim().to_owned());
            wanted.proxy = Some(Setting { from, to: To::Upstream("proxy"), value });
        }
        other => not_understood(report, &from, "a text", other),
    }
}

/// A whole number above zero, or nothing after that was told.
fn positive(found: (String, Value), report: &mut Report) -> (String, Option<i64>) {
    let value = found.1.clone();
    let (from, number) = number(found, report);
    if number.is_some_and(|number| number <= 0) {
        not_understood(report, &from, "a number above zero", &value);
        return (from, None);
    }
    (from, number)
}

/// A whole number, also where it was written as a text or with a point. What is none is told.
fn number((from, value): (String, Value), report: &mut Report) -> (String, Option<i64>) {
    let number = match &value {
        Value::Integer(number) => Some(*number),
        Value::Float(number) if number.abs() < 1e15 => Some(number.ceil() as i64),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    if number.is_none() {
        not_understood(report, &from, "a number", &value);
    }
    (from, number)
}

/// The value is not repeated: who mixed up two lines may have put a secret into this one.
fn not_understood(report: &mut Report, from: &str, expected: &str, found: &Value) {
    let found = match found {
        Value::String(_) => "another text",
        Value::Integer(_) | Value::Float(_) => "another number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a time",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    };
    report.needs(
        format!("{from} should be {expected} and is {found}, so it was not taken over. Set what you want here yourself."),
        [],
    );
}

/// The settings that are left, by dotted key.
struct Left(BTreeMap<String, Value>, Vec<(String, &'static str)>);

impl Left {
    fn of(table: &toml::Table) -> Self {
        fn walk(table: &toml::Table, way: &str, all: &mut BTreeMap<String, Value>) {
            for (key, value) in table {
                let key = if way.is_empty() { key.clone() } else { format!("{way}.{key}") };
                match value {
                    Value::Table(below) => walk(below, &key, all),
                    value => drop(all.insert(key, value.clone())),
                }
            }
        }
        let mut all = BTreeMap::new();
        walk(table, "", &mut all);
        Self(all, Vec::new())
    }

    fn peek(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The first of these that is there and not empty. The others are left out.
    fn take(&mut self, names: &[&str]) -> Option<(String, Value)> {
        let mut taken = None;
        for name in names {
            let Some((name, value)) = self.0.remove_entry(*name) else { continue };
            if is_empty(&value) {
                self.1.push((name, leftover::EMPTY));
            } else if taken.is_none() {
                taken = Some((name, value));
            } else {
                self.1.push((name, leftover::TWICE));
            }
        }
        taken
    }

    fn tell(self, report: &mut Report) {
        for key in self.0.into_keys() {
            report.leaves(leftover::reason(&key), key);
        }
        for (key, why) in self.1 {
            report.leaves(why, key);
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::String(text) => text.trim().is_empty(),
        Value::Array(list) => list.iter().all(is_empty),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
