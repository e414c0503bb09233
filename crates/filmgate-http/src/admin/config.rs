//! `/admin/v1/config`: the configuration in use. How it is read and written is the binary's business.

use async_trait::async_trait;
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde_json::{Value, json};

use super::AdminError;
use crate::App;
use crate::auth::Operator;
use crate::extract::Body;
use crate::fields::Fields;
use crate::refusal::Refusal;

type Answer = Result<Json<Value>, AdminError>;

/// The configuration, as the admin API sees it.
#[async_trait]
pub trait Configuration: Send + Sync {
    /// The effective configuration as TOML, with the source of each value that is not a default.
    fn show(&self) -> String;

    /// The file that is read, if there is one.
    fn file(&self) -> Option<String>;

    /// Whether an upstream is the official xAI API.
    fn is_official_xai(&self, upstream: &str) -> bool;

    /// Reads the configuration anew and takes it into use.
    ///
    /// # Errors
    /// When it is not valid; then the old one stays in use.
    async fn reload(&self) -> Result<(), ConfigProblem>;

    /// Writes values (dotted key, TOML text) into the file and takes them into use.
    ///
    /// # Errors
    /// When the result is not valid or cannot be written; then nothing changes.
    async fn change(&self, values: &[(String, String)]) -> Result<(), ConfigProblem>;
}

/// What is wrong with a configuration: one line for each mistake.
#[derive(Clone, Debug)]
pub struct ConfigProblem(pub Vec<String>);

impl From<ConfigProblem> for Refusal {
    fn from(problem: ConfigProblem) -> Self {
        Refusal::new(StatusCode::BAD_REQUEST, "invalid_config", problem.0.join("\n"))
    }
}

pub(crate) async fn show(State(app): State<App>, _: Operator) -> Json<Value> {
    Json(json!({ "file": app.configuration.file(), "config": app.configuration.show() }))
}

pub(crate) async fn reload(State(app): State<App>, _: Operator) -> Answer {
    app.configuration.reload().await.inspect_err(|problem| {
        // Whoever reads the log has to find it there, whichever way the reload was asked for.
        for line in &problem.0 {
            tracing::error!("the new configuration is not used: {line}");
        }
    })?;
    Ok(Json(json!({ "reloaded": true })))
}

/// `{"set": {"video.upgrade_reserve": 0.5}}`
pub(crate) async fn change(State(app): State<App>, _: Operator, Body(body): Body) -> Answer {
    let mut fields = Fields::from_json(&body)?;
    let set = match fields.take("set") {
        Some(Value::Object(set)) => set,
        _ => return Err(Refusal::invalid("set", "`set` must be an object of keys and values").into()),
    };
    fields.finish(&[])?;
    let values: Vec<(String, String)> = set.into_iter().map(|(key, value)| (key, toml(&value))).collect();
    app.configuration.change(&values).await?;
    Ok(Json(json!({ "changed": values.len() })))
}

/// A JSON value as TOML writes it. Scalars and strings are the same there; null is nothing that TOML knows.
fn toml(value: &Value) -> String {
    match value {
        Value::Array(list) => format!("[{}]", list.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let field = |(key, value): (&String, &Value)| format!("{} = {}", json!(key), toml(value));
            format!("{{ {} }}", map.iter().map(field).collect::<Vec<_>>().join(", "))
        }
        scalar => scalar.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_values_become_toml() {
        let value = json!([{ "resolution": "720p", "max_seconds": 15 }, {}, true, 0.5, "a\"b\n"]);
        let expected = r#"[{ "resolution" = "720p", "max_seconds" = 15 }, {  }, true, 0.5, "a\"b\n"]"#;
        assert_eq!(toml(&value), expected);
    }
}
