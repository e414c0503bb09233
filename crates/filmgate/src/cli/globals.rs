//! The flags that every command takes.

use std::convert::Infallible;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;
use filmgate_domain::Secret;

use crate::config;

/// The flags that every command takes.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// The configuration file [default: filmgate.toml in the working directory, else in the data directory]
    #[arg(long, global = true, env = "FILMGATE_CONFIG", value_name = "FILE", hide_env_values = true)]
    pub config: Option<PathBuf>,

    /// Where filmgate keeps its database, keys and videos [default: filmgate in the user's data directory]
    #[arg(long, global = true, env = "FILMGATE_DATA_DIR", value_name = "DIR", hide_env_values = true)]
    pub data_dir: Option<PathBuf>,

    /// Start from a preset; `xai` is the official xAI API
    #[arg(long, global = true, value_name = "NAME")]
    pub preset: Option<String>,

    /// Change one setting, such as video.upgrade_reserve=0.5; can be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,

    /// Print JSON for programs instead of text for people
    #[arg(long, global = true)]
    pub json: bool,

    /// The admin API of a server, such as http://127.0.0.1:8000/admin/v1 [default: that of the server which
    /// has the data directory; without one the data directory is opened directly]
    #[arg(long, global = true, env = "FILMGATE_ADMIN_URL", value_name = "URL", hide_env_values = true)]
    pub admin_url: Option<String>,

    /// The admin key of that server; FILMGATE_ADMIN_KEY_FILE names a file that holds it
    #[arg(long, global = true, env = "FILMGATE_ADMIN_KEY", value_name = "KEY", hide_env_values = true, value_parser = secret)]
    pub admin_key: Option<Secret>,
}

/// A secret on the command line; its `Debug` shows its first characters only.
#[expect(clippy::unnecessary_wraps, reason = "clap asks for a Result")]
pub(super) fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text.trim()))
}

impl Globals {
    /// The data directory: the one named, or `filmgate` in the user's data directory, or, for a user without
    /// a home, `filmgate-data` in the working directory.
    pub fn data_dir(&self) -> PathBuf {
        if let Some(dir) = &self.data_dir {
            return dir.clone();
        }
        let user = etcetera::choose_base_strategy();
        user.map_or_else(|_| PathBuf::from("filmgate-data"), |dirs| dirs.data_dir().join("filmgate"))
    }

    /// Where settings come from, with the configuration file found as [`config::find_file`] has it.
    pub fn sources(&self) -> config::Sources {
        self.sources_with(&self.data_dir())
    }

    /// As [`Globals::sources`], for another data directory.
    pub fn sources_with(&self, data_dir: &Path) -> config::Sources {
        // A name or value that is not Unicode is none of ours.
        let env = std::env::vars_os();
        let env = env.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        config::Sources {
            preset: self.preset.clone(),
            file: config::find_file(self.config.as_deref(), Path::new(""), data_dir),
            env: env.collect(),
            set: self.set.clone(),
        }
    }
}
