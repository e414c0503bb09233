//! Filmgate's own settings: what they are now, and whether a value may take the place of one.

use anyhow::Context as _;
use serde_json::Value as Json;
use toml_edit::{DocumentMut, Item, TableLike};
use url::Url;

use crate::cli::client::AdminClient;
use crate::config::{self, Sources};

/// The settings in effect, each with where it was written.
pub(super) struct Effective {
    document: DocumentMut,
}

/// What is to be done about a setting.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is a default, and the value is another.
    Set,
    /// It has this value.
    Same,
    /// The operator has set it to another value.
    Kept {
        /// That value, as TOML.
        value: String,
        /// Where it was written.
        origin: String,
    },
    /// Filmgate does not take the value.
    Invalid(String),
}

impl Effective {
    pub(super) async fn read(client: &AdminClient) -> anyhow::Result<Self> {
        let json: Json = client.get(&["config"], &[]).await?;
        Self::parse(json["config"].as_str().unwrap_or_default())
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        Ok(Self { document: text.parse().context("the settings in effect make no sense")? })
    }

    pub(super) fn fate(&self, key: &str, value: &toml::Value) -> Fate {
        let wanted = match meaning(key, value) {
            Ok(wanted) => wanted,
            Err(why) => return Fate::Invalid(why),
        };
        let Some((current, origin)) = self.current(key) else { return Fate::Set };
        let same =
            parse_value(&current).is_some_and(|current| meaning(key, &current).as_ref() == Ok(&wanted));
        match origin {
            _ if same => Fate::Same,
            Some(origin) => Fate::Kept { value: current, origin },
            None => Fate::Set,
        }
    }

    /// A setting as TOML, and where it was written if it is not a default. A preset is as weak as a default.
    fn current(&self, key: &str) -> Option<(String, Option<String>)> {
        let value = at(self.document.as_table(), key)?.as_value()?;
        let remark = value.decor().suffix().and_then(|remark| remark.as_str()).unwrap_or_default();
        let origin = remark.trim().strip_prefix('#').map(|origin| origin.trim().to_owned());
        let origin = origin.filter(|origin| !origin.starts_with("preset "));
        Some((value.clone().decorated("", "").to_string(), origin))
    }

    /// Whether the upstream is the official xAI API.
    pub(super) fn is_official(&self, upstream: &str) -> bool {
        self.base_url(upstream).is_some_and(|url| url.host_str() == Some("api.x.ai"))
    }

    /// Whether the upstream is at this address.
    pub(super) fn is_at(&self, upstream: &str, url: &Url) -> bool {
        let plain = |url: &Url| url.as_str().trim_end_matches('/').to_owned();
        self.base_url(upstream).is_some_and(|there| plain(&there) == plain(url))
    }

    fn base_url(&self, upstream: &str) -> Option<Url> {
        let base_url = at(self.document.as_table(), &dotted(&["upstreams", upstream, "base_url"]))?;
        Url::parse(base_url.as_str()?).ok()
    }

    /// Where it listens.
    pub(super) fn listen(&self) -> Option<std::net::SocketAddr> {
        at(self.document.as_table(), "server.listen")?.as_str()?.parse().ok()
    }
}

/// A dotted key, its parts quoted where TOML asks for it.
pub(super) fn dotted(parts: &[&str]) -> String {
    let parts = parts.iter().map(|part| toml_edit::Key::new(*part).display_repr().into_owned());
    parts.collect::<Vec<_>>().join(".")
}

/// What a value means: as filmgate writes it back. A proxy comes without its password.
fn meaning(key: &str, value: &toml::Value) -> Result<String, String> {
    let text = config::edit("", key, value).map_err(|error| error.to_string())?;
    let loaded = config::load_text(&Sources::default(), &text).map_err(|errors| {
        let messages = errors.0.into_iter().map(|error| error.message);
        messages.collect::<Vec<_>>().join("; ")
    })?;
    let document = toml_edit::ser::to_document(&loaded.config).map_err(|error| error.to_string())?;
    let written = at(document.as_table(), key).map(Item::to_string).unwrap_or_default();
    Ok(written.trim().to_owned())
}

fn at<'a>(table: &'a dyn TableLike, key: &str) -> Option<&'a Item> {
    let parts = toml_edit::Key::parse(key).ok()?;
    let (last, way) = parts.split_last()?;
    let mut table = table;
    for part in way {
        table = table.get(part.get())?.as_table_like()?;
    }
    table.get(last.get())
}

/// A text as a TOML value.
fn parse_value(text: &str) -> Option<toml::Value> {
    toml::from_str::<toml::Table>(&format!("value = {text}")).ok()?.remove("value")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = "\
[server]
public_url = \"\"
[video]
allow_fallback_to_basic = false  # /srv/my files/filmgate.toml:2
log_fallback_warning = true
[media]
max_bytes = \"1024MiB\"  # environment FILMGATE__MEDIA__MAX_BYTES
[pools.\"a.b\"]
max_in_flight = 0  # preset xai
[upstreams.xai]
base_url = \"https://api.x.ai/v1\"
proxy = \"socks5://***@proxy.example:1080\"  # filmgate.toml:4
[upstreams.mine]
base_url = \"http://localhost:9000/v1\"
";

    fn fate(key: &str, value: impl Into<toml::Value>) -> Fate {
        Effective::parse(SHOWN).unwrap().fate(key, &value.into())
    }

    #[test]
    fn an_operators_own_value_stays() {
        let kept =
            |value: &str, origin: &str| Fate::Kept { value: value.to_owned(), origin: origin.to_owned() };
        let key = "video.allow_fallback_to_basic";
        assert_eq!(fate(key, true), kept("false", "/srv/my files/filmgate.toml:2"));
        assert_eq!(fate(key, false), Fate::Same);
        let key = "media.max_bytes";
        assert_eq!(fate(key, "2GiB"), kept("\"1024MiB\"", "environment FILMGATE__MEDIA__MAX_BYTES"));
        assert_eq!(fate(key, "1GiB"), Fate::Same, "the same size in other words");
    }

    #[test]
    fn defaults_and_presets_give_way() {
        assert_eq!(fate("server.public_url", "https://v.example.com"), Fate::Set);
        assert_eq!(fate("video.log_fallback_warning", true), Fate::Same);
        assert_eq!(fate("pools.\"a.b\".max_in_flight", 8), Fate::Set);
        assert_eq!(
            fate("upstreams.compatible.header_timeout", "120s"),
            Fate::Set,
            "it may be there tomorrow"
        );
    }

    #[test]
    fn a_proxy_is_compared_without_its_password() {
        let Fate::Kept { value, .. } = fate("upstreams.xai.proxy", "http://proxy.example:1080") else {
            panic!()
        };
        assert_eq!(value, "\"socks5://***@proxy.example:1080\"");
        assert_eq!(fate("upstreams.xai.proxy", "socks5://me:hunter2@proxy.example:1080"), Fate::Same);
    }

    #[test]
    fn values_that_filmgate_does_not_take_are_told_without_secrets() {
        let Fate::Invalid(why) = fate("server.public_url", "grok.example.com") else { panic!() };
        assert!(why.contains("https://"), "{why}");
        let Fate::Invalid(why) = fate("upstreams.xai.proxy", "socks4://me:hunter2@x") else { panic!() };
        assert!(!why.contains("hunter2"), "{why}");
        assert!(matches!(fate("tokens.fail_threshold", 0), Fate::Invalid(_)));
        assert!(matches!(fate("no..key", 0), Fate::Invalid(_)));
    }

    #[test]
    fn the_official_api_is_known() {
        let effective = Effective::parse(SHOWN).unwrap();
        assert!(
            effective.is_official("xai") && !effective.is_official("mine") && !effective.is_official("none")
        );
    }
}
