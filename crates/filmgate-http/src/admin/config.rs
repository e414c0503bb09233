//! `/admin/v1/config`: the configuration in use. How it is read and written is the binary's business.

use std::fmt;

use async_trait::async_trait;
use axum::Json;
use axum::extract::State;
use filmgate_domain::Policy;
use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use super::AdminError;
use crate::App;
use crate::auth::{By, Operator};
use crate::extract::Body;
use crate::fields::Fields;
use crate::refusal::Refusal;

type Answer = Result<Json<Value>, AdminError>;

/// The configuration, as the admin API and the page see it.
#[async_trait]
pub trait Configuration: Send + Sync {
    /// The effective configuration as TOML, with the source of each value that is not a default.
    fn show(&self) -> String;

    /// The same, value by value, in the order of the manual.
    fn values(&self) -> Vec<ConfigValue>;

    /// The file that is read, if there is one.
    fn file(&self) -> Option<String>;

    /// The file that changes are written to.
    fn writes_to(&self) -> String;

    /// Whether an upstream is the official xAI API.
    fn is_official_xai(&self, upstream: &str) -> bool;

    /// What the configuration would be with these values (dotted key, TOML text) in the file. Nothing is written.
    ///
    /// # Errors
    /// When it would not be valid.
    fn draft(&self, values: &[(String, String)]) -> Result<Draft, ConfigProblem>;

    /// Reads the configuration anew and takes it into use. Tells what is different.
    ///
    /// # Errors
    /// When it is not valid; then the old one stays in use.
    async fn reload(&self) -> Result<Vec<Change>, ConfigProblem>;

    /// Writes values (dotted key, TOML text) into the file and takes them into use. Tells what is different.
    ///
    /// # Errors
    /// When the result is not valid or cannot be written; then nothing changes.
    async fn change(&self, values: &[(String, String)]) -> Result<Vec<Change>, ConfigProblem>;

    /// What [`Configuration::undo`] would change.
    ///
    /// # Errors
    /// When it would not be done.
    fn undo_would(&self) -> Result<Vec<Change>, NotUndone>;

    /// Gives the file the text that it had before the last change, and takes that into use. A second time undoes
    /// the first. Tells what is different.
    ///
    /// # Errors
    /// When there was no change, or the file is not as that change left it; then nothing changes.
    async fn undo(&self) -> Result<Vec<Change>, NotUndone>;
}

/// A setting in effect.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigValue {
    /// The table that it is in, as a dotted key.
    pub section: String,
    /// Its key in there.
    pub name: String,
    /// Both together.
    pub key: String,
    /// Its value as TOML, without passwords.
    pub text: String,
    /// The same as JSON.
    pub value: Value,
    /// Where it was written.
    pub source: ValueSource,
    /// What the manual says about it.
    pub about: String,
    /// Whether a change waits for the next start.
    pub restart: Restart,
}

/// Where a value was written, from weakest to strongest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueSource {
    /// In the defaults.
    Default,
    /// In the preset of this name.
    Preset(String),
    /// In a file.
    File {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
    },
    /// In the environment variable of this name, or in the file that it names.
    Env(String),
    /// After `--set`.
    Set,
}

impl ValueSource {
    /// Whether what is written into the file has no effect.
    pub fn is_above_file(&self) -> bool {
        matches!(self, Self::Env(_) | Self::Set)
    }
}

/// When a change of a setting takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// At once.
    No,
    /// At the next start.
    Needed,
    /// At the next start, and it was changed since this one.
    Pending,
}

/// A configuration that is not in use.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Its pools, models and switches.
    pub policy: Policy,
    /// What would be different.
    pub changes: Vec<Change>,
    /// What nothing would use.
    pub warnings: Vec<String>,
}

/// A value that is different in two configurations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Its dotted key.
    pub key: String,
    /// What it was, as TOML without passwords.
    pub before: Option<String>,
    /// What it is now.
    pub after: Option<String>,
}

/// `0.2 -> 0.5`
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |text: &Option<String>| text.as_deref().unwrap_or("(none)").to_owned();
        write!(f, "{} -> {}", value(&self.before), value(&self.after))
    }
}

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem(pub Vec<Mistake>);

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it was written: a file with line and column, an environment variable, ...
    pub place: Option<String>,
    /// The setting, as a dotted key.
    pub key: Option<String>,
    /// What is wrong, and what would be right. It holds no secrets.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// Why a change is not undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotUndone {
    /// There was none.
    Nothing,
    /// The file is not as the change left it.
    ChangedSince {
        /// The file.
        file: String,
    },
    /// What was before would not do any more, or cannot be read or written.
    Problem(ConfigProblem),
}

impl From<ConfigProblem> for Refusal {
    fn from(problem: ConfigProblem) -> Self {
        let lines: Vec<String> = problem.0.iter().map(Mistake::to_string).collect();
        Refusal::new(StatusCode::BAD_REQUEST, "invalid_config", lines.join("\n"))
    }
}

impl From<NotUndone> for Refusal {
    fn from(reason: NotUndone) -> Self {
        match reason {
            NotUndone::Nothing => {
                let message = "there is no change to undo";
                Refusal::new(StatusCode::CONFLICT, "nothing_to_undo", message)
            }
            NotUndone::ChangedSince { file } => {
                let message = format!(
                    "{file} was changed in another way since; undoing would lose that, so nothing was done"
                );
                Refusal::new(StatusCode::CONFLICT, "changed_since", message)
            }
            NotUndone::Problem(problem) => problem.into(),
        }
    }
}

/// A change that is refused; names the first of the values that is at fault.
pub(super) fn not_changed(problem: ConfigProblem, values: &[(String, String)]) -> Refusal {
    let about = |(key, _): &&(String, String)| {
        let within = |told: &str| {
            told == &**key || told.starts_with(&format!("{key}.")) || told.starts_with(&format!("{key}["))
        };
        problem.0.iter().filter_map(|mistake| mistake.key.as_deref()).any(within)
    };
    // Of a single value it is clear.
    let culprit = values.iter().find(about).or(values.first().filter(|_| values.len() == 1));
    let name = culprit.map(|(key, _)| format!("set.{}", key.chars().take(100).collect::<String>()));
    name.into_iter().fold(problem.into(), |refusal: Refusal, name| refusal.about(&name))
}

/// Writes values into the file and takes them into use.
pub(crate) async fn apply(
    app: &App,
    by: By,
    values: &[(String, String)],
) -> Result<Vec<Change>, ConfigProblem> {
    let changes = app.configuration.change(values).await?;
    note(app, by, "config.change", &changes).await;
    Ok(changes)
}

/// Undoes the last change.
pub(crate) async fn undo_last(app: &App, by: By) -> Result<Vec<Change>, NotUndone> {
    let changes = app.configuration.undo().await?;
    note(app, by, "config.undo", &changes).await;
    Ok(changes)
}

/// Reads the configuration anew.
pub(crate) async fn read_anew(app: &App, by: By) -> Result<Vec<Change>, ConfigProblem> {
    let changes = app.configuration.reload().await.inspect_err(|problem| {
        // Whoever reads the log has to find it there, whichever way the reload was asked for.
        for line in &problem.0 {
            tracing::error!("the new configuration is not used: {line}");
        }
    })?;
    note(app, by, "config.reload", &changes).await;
    Ok(changes)
}

/// One entry for each setting, so that each has its history.
async fn note(app: &App, by: By, action: &str, changes: &[Change]) {
    if changes.is_empty() {
        app.audit(by, action, "configuration", "no value is different".to_owned()).await;
    }
    for change in changes {
        app.audit(by, action, &change.key, change.to_string()).await;
    }
}

pub(crate) async fn show(State(app): State<App>, _: Operator) -> Json<Value> {
    Json(json!({ "file": app.configuration.file(), "config": app.configuration.show() }))
}

pub(crate) async fn reload(State(app): State<App>, operator: Operator) -> Answer {
    read_anew(&app, operator.by()).await?;
    Ok(Json(json!({ "reloaded": true })))
}

/// `{"set": {"video.upgrade_reserve": 0.5}}`
pub(crate) async fn change(State(app): State<App>, operator: Operator, Body(body): Body) -> Answer {
    let mut fields = Fields::from_json(&body)?;
    let values = set(&mut fields)?;
    fields.finish(&[])?;
    apply(&app, operator.by(), &values).await.map_err(|problem| not_changed(problem, &values))?;
    Ok(Json(json!({ "changed": values.len() })))
}

pub(crate) async fn undo_would(State(app): State<App>, _: Operator) -> Answer {
    Ok(Json(json!({ "changes": app.configuration.undo_would()? })))
}

pub(crate) async fn undo(State(app): State<App>, operator: Operator) -> Answer {
    Ok(Json(json!({ "changes": undo_last(&app, operator.by()).await? })))
}

/// The values of `{"set": {…}}`, as TOML.
pub(super) fn set(fields: &mut Fields) -> Result<Vec<(String, String)>, Refusal> {
    match fields.take("set") {
        Some(Value::Object(set)) => Ok(set.into_iter().map(|(key, value)| (key, toml(&value))).collect()),
        _ => Err(Refusal::invalid("set", "`set` must be an object of keys and values")),
    }
}

/// A JSON value as TOML writes it. Scalars and strings are the same there; null is nothing that TOML knows.
pub(crate) fn toml(value: &Value) -> String {
    match value {
        Value::Array(list) => format!("[{}]", list.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Object(map) => {
            let field = |(key, value): (&String, &Value)| format!("{} = {}", spell(key), toml(value));
            format!("{{ {} }}", map.iter().map(field).collect::<Vec<_>>().join(", "))
        }
        scalar => scalar.to_string(),
    }
}

/// A key as TOML writes it: in quotes where it has to be.
fn spell(key: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !key.is_empty() && key.bytes().all(is_bare) { key.to_owned() } else { json!(key).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_values_become_toml() {
        let value = json!([{ "resolution": "720p", "max_seconds": 15 }, {}, true, 0.5, "a\"b\n"]);
        let expected = r#"[{ resolution = "720p", max_seconds = 15 }, {}, true, 0.5, "a\"b\n"]"#;
        assert_eq!(toml(&value), expected);
    }
}
