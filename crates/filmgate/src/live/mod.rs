//! The configuration in use, and how it changes while filmgate runs.

mod parts;
mod undo;
mod values;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use filmgate_domain::Policy;
use filmgate_engine::{Engine, Settings};
use filmgate_http::{App, Change, ConfigProblem, ConfigValue, Configuration, Draft, Mistake, NotUndone};

use crate::config::{self, Config, Loaded, Sources, UpstreamConfig};
use crate::secured::Secured;

pub(crate) use parts::{engine_settings, http_settings};

use parts::is_official_xai;
use undo::Record;

/// The configuration in use, and what has to hear of a change.
pub(crate) struct Live {
    sources: Sources,
    /// Where a change is written when there is no file yet. What undoes it is kept beside.
    new_file: PathBuf,
    loaded: ArcSwap<Loaded>,
    /// Of the settings that are read once: what they were then.
    started: values::AtStart,
    listening: SocketAddr,
    /// One change at a time.
    changing: tokio::sync::Mutex<()>,
    users: OnceLock<(Engine, App)>,
    secured: OnceLock<Secured>,
}

impl Live {
    pub(crate) fn new(sources: Sources, new_file: PathBuf, loaded: Loaded, listening: SocketAddr) -> Self {
        Self {
            sources,
            new_file,
            started: values::at_start(&loaded.config),
            loaded: ArcSwap::from_pointee(loaded),
            listening,
            changing: tokio::sync::Mutex::default(),
            users: OnceLock::new(),
            secured: OnceLock::new(),
        }
    }

    /// Who is told of changes.
    pub(crate) fn attach(&self, engine: Engine, app: App) {
        // Attached once, at the start.
        let _ = self.users.set((engine, app));
    }

    /// What the listener shows, which is read anew with the configuration.
    pub(crate) fn secure(&self, secured: Secured) {
        // Set once, at the start.
        let _ = self.secured.set(secured);
    }

    /// The file that changes are written to.
    fn path(&self) -> &Path {
        self.sources.file.as_deref().unwrap_or(&self.new_file)
    }

    /// What that file holds; nothing when it is not there.
    fn text(&self) -> Result<String, ConfigProblem> {
        match std::fs::read_to_string(self.path()) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(one(format!("{} cannot be read: {error}", self.path().display()))),
        }
    }

    /// The configuration with this text in the file.
    fn with_text(&self, text: &str) -> Result<Loaded, ConfigProblem> {
        let sources = Sources { file: Some(self.path().to_owned()), ..self.sources.clone() };
        config::load_text(&sources, text).map_err(problem)
    }

    /// What the engine would get of a configuration; nothing where there is no engine.
    fn prepare(&self, loaded: &Loaded) -> Result<Option<Settings>, ConfigProblem> {
        let Some((engine, _)) = self.users.get() else { return Ok(None) };
        let before = self.loaded.load();
        let kept = |name: &str, config: &UpstreamConfig| {
            let same = before.config.upstreams.get(name) == Some(config);
            engine.settings().upstreams.get(name).filter(|_| same).cloned()
        };
        let settings = engine_settings(loaded, self.listening, kept);
        settings.map(Some).map_err(|error| one(format!("{error:#}")))
    }

    /// Takes a configuration into use. Tells what is different.
    fn take_into_use(&self, loaded: Loaded, settings: Option<Settings>) -> Vec<Change> {
        let before = self.loaded.load_full();
        if let (Some((engine, app)), Some(settings)) = (self.users.get(), settings) {
            engine.reload(settings);
            app.reload(http_settings(&loaded.config));
        }
        warn_of_restart(&before.config, &loaded.config);
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        tracing::info!("configuration taken into use");
        let changes = values::changes(&before, &loaded);
        self.loaded.store(Arc::new(loaded));
        changes
    }

    /// Writes a text that was found right, and what undoes it, and takes it into use.
    fn write(&self, before: String, text: &str, loaded: Loaded) -> Result<Vec<Change>, ConfigProblem> {
        let settings = self.prepare(&loaded)?;
        if before != text {
            let record = Record::new(self.path(), before, text);
            undo::write(self.path(), text, &self.new_file, &record)
                .map_err(|(path, error)| one(format!("{} cannot be written: {error}", path.display())))?;
        }
        Ok(self.take_into_use(loaded, settings))
    }

    /// The file's text as it is, and as it was before the last change.
    fn undone(&self) -> Result<(String, String), NotUndone> {
        let record =
            Record::read(&self.new_file).map_err(|error| NotUndone::Problem(one(error.to_string())))?;
        let record = record.filter(|record| record.is_of(self.path())).ok_or(NotUndone::Nothing)?;
        let text = self.text().map_err(NotUndone::Problem)?;
        if !record.wrote(&text) {
            return Err(NotUndone::ChangedSince { file: self.path().display().to_string() });
        }
        Ok((text, record.before))
    }

    /// The file's text with values set.
    fn edited(&self, before: &str, values: &[(String, String)]) -> Result<String, ConfigProblem> {
        let mut text = before.to_owned();
        for (key, value) in values {
            let about = |message: String| {
                ConfigProblem(vec![Mistake { place: None, key: Some(key.clone()), message }])
            };
            let parsed = toml::from_str::<toml::Table>(&format!("value = {value}"));
            let value = parsed.ok().and_then(|mut table| table.remove("value"));
            let value = value.ok_or_else(|| about(format!("`{key}`: not a value that TOML knows")))?;
            text = config::edit(&text, key, &value).map_err(|error| about(error.to_string()))?;
        }
        Ok(text)
    }
}

#[async_trait]
impl Configuration for Live {
    fn show(&self) -> String {
        config::render(&self.loaded.load())
    }

    fn values(&self) -> Vec<ConfigValue> {
        values::values(&self.loaded.load(), &self.started)
    }

    fn file(&self) -> Option<String> {
        self.path().exists().then(|| self.path().display().to_string())
    }

    fn writes_to(&self) -> String {
        self.path().display().to_string()
    }

    fn is_official_xai(&self, upstream: &str) -> bool {
        self.loaded.load().config.upstreams.get(upstream).is_some_and(is_official_xai)
    }

    fn draft(&self, values: &[(String, String)]) -> Result<Draft, ConfigProblem> {
        let loaded = self.with_text(&self.edited(&self.text()?, values)?)?;
        // What it would be made of is tried, too: it may still fail.
        self.prepare(&loaded)?;
        let changes = values::changes(&self.loaded.load(), &loaded);
        let policy = Policy { routing: loaded.config.routing(), catalog: Arc::new(loaded.catalog) };
        Ok(Draft { policy, changes, warnings: loaded.warnings })
    }

    async fn reload(&self) -> Result<Vec<Change>, ConfigProblem> {
        let _one_at_a_time = self.changing.lock().await;
        let mut sources = self.sources.clone();
        if sources.file.is_none() && self.new_file.exists() {
            sources.file = Some(self.new_file.clone());
        }
        let loaded = config::load(&sources).map_err(problem)?;
        let settings = self.prepare(&loaded)?;
        if let Some(secured) = self.secured.get() {
            secured.reload().map_err(|error| one(format!("{error:#}")))?;
        }
        Ok(self.take_into_use(loaded, settings))
    }

    async fn change(&self, values: &[(String, String)]) -> Result<Vec<Change>, ConfigProblem> {
        let _one_at_a_time = self.changing.lock().await;
        let before = self.text()?;
        let text = self.edited(&before, values)?;
        let loaded = self.with_text(&text)?;
        self.write(before, &text, loaded)
    }

    fn undo_would(&self) -> Result<Vec<Change>, NotUndone> {
        let (_, before) = self.undone()?;
        let loaded = self.with_text(&before).map_err(NotUndone::Problem)?;
        Ok(values::changes(&self.loaded.load(), &loaded))
    }

    async fn undo(&self) -> Result<Vec<Change>, NotUndone> {
        let _one_at_a_time = self.changing.lock().await;
        let (text, before) = self.undone()?;
        let loaded = self.with_text(&before).map_err(NotUndone::Problem)?;
        self.write(text, &before, loaded).map_err(NotUndone::Problem)
    }
}

fn one(message: String) -> ConfigProblem {
    ConfigProblem(vec![Mistake { place: None, key: None, message }])
}

fn problem(errors: config::ConfigErrors) -> ConfigProblem {
    let mistake = |error: config::ConfigError| {
        let mut place = error.place;
        if let (Some(line), Some(column)) = (error.line, error.column) {
            place = format!("{place}:{line}:{column}");
        }
        Mistake { place: Some(place), key: error.key, message: error.message }
    };
    ConfigProblem(errors.0.into_iter().map(mistake).collect())
}

/// Some settings are read once.
fn warn_of_restart(before: &Config, after: &Config) {
    let both = values::at_start(before).into_iter().zip(values::at_start(after));
    for ((key, _), _) in both.filter(|(before, after)| before != after) {
        tracing::warn!("`{key}` changed; that takes effect at the next start");
    }
}
