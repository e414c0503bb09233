//! The switches of `[video]` and the pools as fields of a form: what is in effect, and what somebody wrote instead.

use serde_json::{Map, Value, json};

use crate::admin::config::toml;
use crate::{ConfigProblem, ConfigValue, Mistake};

/// How a setting is filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Switch,
    Number,
    Text,
    /// Names, with commas between.
    Names,
    /// What a pool delivers, a row for each part.
    Delivers,
    /// What videos cost, a row for each rule.
    Costs,
}

/// The settings that this page changes, below `video`.
const VIDEO: [(&str, Kind); 7] = [
    ("smart_token_routing", Kind::Switch),
    ("allow_upgrade_to_super", Kind::Switch),
    ("allow_fallback_to_basic", Kind::Switch),
    ("log_fallback_warning", Kind::Switch),
    ("upgrade_reserve", Kind::Number),
    ("busy_wait", Kind::Text),
    ("pools", Kind::Names),
];

/// And below each pool.
const POOL: [(&str, Kind); 6] = [
    ("delivers", Kind::Delivers),
    ("quota_units", Kind::Number),
    ("quota_window", Kind::Text),
    ("costs", Kind::Costs),
    ("max_in_flight", Kind::Number),
    ("submits_per_minute", Kind::Number),
];

/// The columns of a list of tables.
pub(super) const DELIVERS: [&str; 4] = ["resolution", "max_seconds", "modes", "models"];
pub(super) const COSTS: [&str; 4] = ["resolution", "max_seconds", "units", "units_per_second"];

/// What a browser sent.
pub(super) type Sent = Vec<(String, String)>;

/// A setting, as it is in effect and as it was filled in.
pub(super) struct Field {
    pub(super) setting: ConfigValue,
    pub(super) kind: Kind,
    /// What somebody wrote; what is in effect until then.
    pub(super) entered: Value,
    /// What is wrong with it.
    pub(super) mistakes: Vec<String>,
}

/// All fields.
pub(super) struct Fields {
    pub(super) video: Vec<Field>,
    /// By the pool's name.
    pub(super) pools: Vec<(String, Vec<Field>)>,
    /// What is wrong elsewhere.
    pub(super) mistakes: Vec<String>,
}

impl Fields {
    /// The settings in effect, with what was sent in their place.
    pub(super) fn new(settings: Vec<ConfigValue>, sent: &Sent) -> Self {
        let fields = |section: &str, wanted: &[(&str, Kind)]| {
            let of = |(name, kind): &(&str, Kind)| {
                let is_it = |setting: &&ConfigValue| setting.section == section && setting.name == *name;
                settings.iter().find(is_it).map(|setting| Field::new(setting.clone(), *kind, sent))
            };
            wanted.iter().filter_map(of).collect::<Vec<Field>>()
        };
        let sections = settings.iter().map(|setting| &*setting.section);
        let mut sections: Vec<&str> = sections.filter(|section| section.starts_with("pools.")).collect();
        sections.dedup();
        let pool = |section: &str| {
            let name = section.strip_prefix("pools.").unwrap_or(section).trim_matches('"').to_owned();
            (name, fields(section, &POOL))
        };
        let pools = sections.into_iter().map(pool).collect();
        Self { video: fields("video", &VIDEO), pools, mistakes: Vec::new() }
    }

    fn all(&self) -> impl Iterator<Item = &Field> {
        self.video.iter().chain(self.pools.iter().flat_map(|(_, fields)| fields))
    }

    /// What is to be written: the values that differ from those in effect, as TOML.
    pub(super) fn values(&self) -> Vec<(String, String)> {
        let changed = self.all().filter(|field| plain(&field.entered) != plain(&field.setting.value));
        changed.map(|field| (field.setting.key.clone(), toml(&field.entered))).collect()
    }

    /// Puts what is wrong beside the fields that it is about.
    pub(super) fn blame(&mut self, problem: ConfigProblem) {
        for mistake in problem.0 {
            let key = mistake.key.clone().unwrap_or_default();
            let is_about = |field: &&mut Field| {
                key.strip_prefix(&*field.setting.key)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '.']))
            };
            let Self { video, pools, mistakes } = self;
            match video.iter_mut().chain(pools.iter_mut().flat_map(|(_, fields)| fields)).find(is_about) {
                Some(field) => field.mistakes.push(mistake.message),
                None => mistakes.push(Mistake::to_string(&mistake)),
            }
        }
    }
}

impl Field {
    fn new(setting: ConfigValue, kind: Kind, sent: &Sent) -> Self {
        let entered = read(kind, &setting.key, sent).unwrap_or_else(|| setting.value.clone());
        Self { setting, kind, entered, mistakes: Vec::new() }
    }
}

/// What was sent for a setting; nothing where its field could not be filled in.
fn read(kind: Kind, key: &str, sent: &Sent) -> Option<Value> {
    let last = || sent.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.trim());
    match kind {
        Kind::Switch => last().map(|word| json!(word == "true")),
        Kind::Number => last().map(number),
        Kind::Text => last().map(|text| json!(text)),
        Kind::Names => last().map(|text| json!(names(text))),
        Kind::Delivers => {
            rows(key, &DELIVERS, sent).map(|rows| rows.into_iter().filter_map(capability).collect())
        }
        Kind::Costs => rows(key, &COSTS, sent).map(|rows| rows.into_iter().filter_map(cost).collect()),
    }
}

/// A number, or else the text, of which the loader says what it should be.
fn number(text: &str) -> Value {
    let whole = text.parse::<i64>().map(Value::from).ok();
    let broken = || text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from);
    whole.or_else(broken).unwrap_or_else(|| json!(text))
}

fn names(text: &str) -> Vec<&str> {
    text.split([',', '，', '、']).map(str::trim).filter(|name| !name.is_empty()).collect()
}

/// The rows of a table, `KEY.NUMBER.COLUMN`, each with a text for each column.
fn rows<'s>(key: &str, columns: &[&str; 4], sent: &'s Sent) -> Option<Vec<[&'s str; 4]>> {
    let mut rows: Vec<(usize, [&str; 4])> = Vec::new();
    for (name, value) in sent {
        let Some((row, column)) =
            name.strip_prefix(key).and_then(|rest| rest.strip_prefix('.')?.split_once('.'))
        else {
            continue;
        };
        let (Ok(row), Some(column)) = (row.parse(), columns.iter().position(|known| *known == column)) else {
            continue;
        };
        let place = rows.iter().position(|(known, _)| *known == row).unwrap_or_else(|| {
            rows.push((row, [""; 4]));
            rows.len() - 1
        });
        rows[place].1[column] = value.trim();
    }
    rows.sort_by_key(|(row, _)| *row);
    (!rows.is_empty()).then(|| rows.into_iter().map(|(_, cells)| cells).collect())
}

/// A row without a resolution is none.
fn capability([resolution, max_seconds, modes, models]: [&str; 4]) -> Option<Value> {
    let mut part = Map::new();
    part.insert("resolution".to_owned(), json!(Some(resolution).filter(|text| !text.is_empty())?));
    part.insert("max_seconds".to_owned(), number(max_seconds));
    for (name, list) in [("models", names(models)), ("modes", names(modes))] {
        if !list.is_empty() {
            part.insert(name.to_owned(), json!(list));
        }
    }
    Some(Value::Object(part))
}

/// A row without units is none.
fn cost([resolution, max_seconds, units, units_per_second]: [&str; 4]) -> Option<Value> {
    if units.is_empty() && units_per_second.is_empty() {
        return None;
    }
    let mut rule = Map::new();
    if !resolution.is_empty() {
        rule.insert("resolution".to_owned(), json!(resolution));
    }
    for (name, text) in
        [("max_seconds", max_seconds), ("units", units), ("units_per_second", units_per_second)]
    {
        if !text.is_empty() {
            rule.insert(name.to_owned(), number(text));
        }
    }
    Some(Value::Object(rule))
}

/// A value such that what means the same is the same.
fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(map) => {
            let told = map.iter().filter(|(name, value)| {
                !(matches!(name.as_str(), "units" | "units_per_second") && value.as_f64() == Some(0.0))
            });
            told.map(|(name, value)| (name.clone(), plain(value))).collect()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Restart, ValueSource};

    fn setting(section: &str, name: &str, value: Value) -> ConfigValue {
        ConfigValue {
            section: section.to_owned(),
            name: name.to_owned(),
            key: format!("{section}.{name}"),
            text: toml(&value),
            value,
            source: ValueSource::Default,
            about: String::new(),
            restart: Restart::No,
        }
    }

    fn settings() -> Vec<ConfigValue> {
        vec![
            setting("video", "allow_fallback_to_basic", json!(true)),
            setting("video", "upgrade_reserve", json!(0.2)),
            setting("video", "busy_wait", json!("20s")),
            setting("video", "pools", json!(["a", "b"])),
            setting("pools.a", "delivers", json!([{ "resolution": "480p", "max_seconds": 6 }])),
            setting("pools.a", "costs", json!([{ "units": 4, "units_per_second": 0 }])),
            setting("pools.a", "quota_units", json!(80)),
        ]
    }

    fn values(sent: &[(&str, &str)]) -> Vec<(String, String)> {
        let sent = sent.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Fields::new(settings(), &sent).values()
    }

    const AS_IT_IS: [(&str, &str); 13] = [
        ("video.allow_fallback_to_basic", "false"),
        ("video.allow_fallback_to_basic", "true"),
        ("video.upgrade_reserve", "0.20"),
        ("video.busy_wait", "20s"),
        ("video.pools", "a,  b"),
        ("pools.a.delivers.0.resolution", "480p"),
        ("pools.a.delivers.0.max_seconds", "6"),
        ("pools.a.delivers.1.resolution", ""),
        ("pools.a.delivers.1.max_seconds", ""),
        ("pools.a.costs.0.units", "4"),
        ("pools.a.costs.0.units_per_second", ""),
        ("pools.a.costs.1.units", ""),
        ("pools.a.quota_units", "80"),
    ];

    #[test]
    fn what_is_sent_as_it_is_changes_nothing() {
        assert_eq!(values(&AS_IT_IS), []);
        assert_eq!(values(&[]), []);
    }

    #[test]
    fn what_differs_is_written_as_toml() {
        let changed = values(&[
            ("video.allow_fallback_to_basic", "false"),
            ("video.upgrade_reserve", "1"),
            ("video.busy_wait", "soon"),
            ("video.pools", "b"),
            ("pools.a.delivers.0.resolution", "480p"),
            ("pools.a.delivers.0.max_seconds", "10"),
            ("pools.a.delivers.1.resolution", "720p"),
            ("pools.a.delivers.1.max_seconds", "ten"),
            ("pools.a.delivers.1.modes", "text, image"),
            ("pools.a.costs.0.units", "4"),
            ("pools.a.costs.0.units_per_second", "1"),
            ("pools.a.quota_units", "many"),
        ]);
        let changed: Vec<String> = changed.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        insta::assert_snapshot!(changed.join("\n"), @r#"
        video.allow_fallback_to_basic = false
        video.upgrade_reserve = 1
        video.busy_wait = "soon"
        video.pools = ["b"]
        pools.a.delivers = [{ resolution = "480p", max_seconds = 10 }, { resolution = "720p", max_seconds = "ten", modes = ["text", "image"] }]
        pools.a.quota_units = "many"
        pools.a.costs = [{ units = 4, units_per_second = 1 }]
        "#);
    }

    #[test]
    fn mistakes_stand_beside_what_they_are_about() {
        let mut fields = Fields::new(settings(), &Vec::new());
        let mistake = |key: Option<&str>, message: &str| Mistake {
            place: Some("f.toml:1:1".to_owned()),
            key: key.map(str::to_owned),
            message: message.to_owned(),
        };
        fields.blame(ConfigProblem(vec![
            mistake(Some("pools.a.delivers[0].max_seconds"), "too long"),
            mistake(Some("video.pools"), "empty"),
            mistake(Some("video.pools_of_mine"), "unknown"),
            mistake(None, "no TOML"),
        ]));
        assert_eq!(fields.pools[0].1[0].mistakes, ["too long"]);
        assert_eq!(fields.video[3].mistakes, ["empty"]);
        assert_eq!(fields.mistakes, ["f.toml:1:1: unknown", "f.toml:1:1: no TOML"]);
    }
}
