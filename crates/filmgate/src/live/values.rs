//! The settings in effect, one by one, and what is different between two configurations.

use std::collections::BTreeMap;

use filmgate_http::{Change, ConfigValue, Restart, ValueSource};

use crate::config::{self, Config, Loaded, Origin, Shown};

/// The settings that are read once, when filmgate starts, each with its value in some form that can be compared.
pub(super) type AtStart = [(&'static str, String); 13];

pub(super) fn at_start(config: &Config) -> AtStart {
    let Config { server, media, log, .. } = config;
    [
        ("server.listen", server.listen.to_string()),
        ("server.tls_certificate", server.tls_certificate.display().to_string()),
        ("server.tls_key", server.tls_key.display().to_string()),
        ("server.max_body", server.max_body.to_string()),
        ("server.cors_origins", format!("{:?}", server.cors_origins)),
        ("server.header_timeout", format!("{:?}", server.header_timeout)),
        ("server.keep_alive_timeout", format!("{:?}", server.keep_alive_timeout)),
        ("server.stall_timeout", format!("{:?}", server.stall_timeout)),
        ("server.max_connections", server.max_connections.to_string()),
        ("server.shutdown_grace", format!("{:?}", server.shutdown_grace)),
        ("media.dir", media.dir.display().to_string()),
        ("log.format", format!("{:?}", log.format)),
        ("log.level", log.level.clone()),
    ]
}

/// Every setting in effect. `started` has those that were read when filmgate started.
pub(super) fn values(loaded: &Loaded, started: &AtStart) -> Vec<ConfigValue> {
    let now = at_start(&loaded.config);
    let restart = |key: &str| match now.iter().position(|(known, _)| *known == key) {
        None => Restart::No,
        Some(place) if now[place] == started[place] => Restart::Needed,
        Some(_) => Restart::Pending,
    };
    let value = |shown: Shown| ConfigValue {
        restart: restart(&shown.key),
        about: config::about(&shown.section, &shown.name).to_owned(),
        source: source(shown.origin),
        section: shown.section,
        name: shown.name,
        key: shown.key,
        value: json(&shown.text),
        text: shown.text,
    };
    config::shown(loaded).into_iter().map(value).collect()
}

fn source(origin: Origin) -> ValueSource {
    match origin {
        Origin::Default => ValueSource::Default,
        Origin::Preset(name) => ValueSource::Preset(name),
        Origin::File { path, line } => ValueSource::File { path: path.display().to_string(), line },
        Origin::Env(variable) => ValueSource::Env(variable),
        Origin::Set => ValueSource::Set,
    }
}

/// A value as JSON has it. What is shown is TOML; should it not be, it is a text.
fn json(text: &str) -> serde_json::Value {
    let parsed = toml::from_str::<toml::Table>(&format!("value = {text}"));
    let value = parsed.ok().and_then(|mut table| table.remove("value"));
    let value = value.and_then(|value| serde_json::to_value(value).ok());
    value.unwrap_or_else(|| serde_json::Value::from(text))
}

/// What is different, in the order of the settings.
pub(super) fn changes(before: &Loaded, after: &Loaded) -> Vec<Change> {
    let (old, new) = (config::shown(before), config::shown(after));
    let texts: BTreeMap<&str, &str> = old.iter().map(|shown| (&*shown.key, &*shown.text)).collect();
    let kept: BTreeMap<&str, &str> = new.iter().map(|shown| (&*shown.key, &*shown.text)).collect();
    let changed = new.iter().filter_map(|Shown { key, text, .. }| {
        let was = texts.get(&**key).copied();
        let differs = was != Some(&**text) || secret(&before.config, key) != secret(&after.config, key);
        differs.then(|| Change {
            key: key.clone(),
            before: was.map(str::to_owned),
            after: Some(text.clone()),
        })
    });
    let gone = old.iter().filter(|shown| !kept.contains_key(&*shown.key));
    let gone = gone.map(|Shown { key, text, .. }| Change {
        key: key.clone(),
        before: Some(text.clone()),
        after: None,
    });
    changed.chain(gone).collect()
}

/// What a masked value hides: it may be another one although it looks the same.
fn secret<'a>(config: &'a Config, key: &str) -> Option<&'a str> {
    let name = key.strip_prefix("upstreams.")?.strip_suffix(".proxy")?.trim_matches('"');
    config.upstreams.get(name)?.proxy.as_ref().map(config::Proxy::expose)
}
