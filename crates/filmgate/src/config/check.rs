//! What types cannot say: that names refer to something, and that what is in use is complete.

use std::collections::BTreeMap;

use filmgate_domain::{AspectRatio, Capability, LostAnswer, Outcome, Seconds, Shape};
use filmgate_upstream::Kind;

use super::error::Collected;
use super::tree::{Node, Step, dotted, keys};
use super::{Config, ModelConfig, PoolConfig, UpstreamBody, UpstreamConfig, words};

/// Tells everything that does not fit together.
pub(super) fn check(config: &Config, tree: &Node, collected: &mut Collected) {
    let mut check = Check { config, tree, collected };
    check.names();
    check.tls();
    check.video();
    for (name, upstream) in &config.upstreams {
        check.upstream(name, upstream);
    }
    for (name, pool) in &config.pools {
        check.pool(name, pool);
    }
    for (name, model) in &config.models {
        check.model(name, model);
    }
    check.public_names();
    for (nth, outcome) in config.jobs.charge.iter().enumerate() {
        if *outcome == Outcome::Unsent {
            let path = item(&["jobs", "charge"], nth);
            check.tell(&path, "a submission that was never sent costs nothing");
        }
    }
}

/// What the operator wrote and nothing uses, each as a sentence with its place.
pub(super) fn unused(config: &Config, tree: &Node) -> Vec<String> {
    let pool_uses = |name: &String| config.video.pools.contains(name);
    let upstream_uses = |name: &String| config.pools.values().any(|pool| pool.upstream == *name);
    let model_uses = |name: &String| config.video.models.contains(name);
    let pools =
        config.pools.keys().filter(|name| !pool_uses(name)).map(|name| ("pools", name, "`video.pools`"));
    let models = config.models.keys().filter(|name| !model_uses(name));
    let models = models.map(|name| ("models", name, "`video.models`"));
    let upstreams = config.upstreams.keys().filter(|name| !upstream_uses(name));
    let upstreams = upstreams.map(|name| ("upstreams", name, "a pool"));
    let written = |(table, name, by): (&str, &String, &str)| {
        let path = keys(&[table, name]);
        let place = &tree.at(&path)?.place;
        let (line, _) = place.source.position(place.key).unzip();
        let line = line.map_or(String::new(), |line| format!(":{line}"));
        let told = format!("{}{line}: `{}` is not named by {by}", place.source.name(), dotted(&path));
        place.by_operator().then_some(told)
    };
    pools.chain(models).chain(upstreams).filter_map(written).collect()
}

struct Check<'a> {
    config: &'a Config,
    tree: &'a Node,
    collected: &'a mut Collected,
}

impl Check<'_> {
    fn tell(&mut self, path: &[Step], message: &str) {
        self.collected.meaning(self.tree, path, message);
    }

    /// Names end up in headers, metrics and paths.
    fn names(&mut self) {
        let config = self.config;
        let pools = config.pools.keys().map(|name| ("pools", name));
        let upstreams = config.upstreams.keys().map(|name| ("upstreams", name));
        let models = config.models.keys().map(|name| ("models", name));
        for (table, name) in pools.chain(upstreams).chain(models) {
            let plain = !name.is_empty() && name.len() <= 100 && name.bytes().all(|b| b.is_ascii_graphic());
            if !plain {
                let message = "a name has 1 to 100 visible ASCII characters and no spaces";
                self.tell(&keys(&[table, name]), message);
            }
        }
    }

    fn tls(&mut self) {
        let server = &self.config.server;
        let (certificate, key) =
            (server.tls_certificate.as_os_str().is_empty(), server.tls_key.as_os_str().is_empty());
        match (certificate, key) {
            (true, false) => {
                let message = "its certificate is missing; set `server.tls_certificate`, too";
                self.tell(&keys(&["server", "tls_key"]), message);
            }
            (false, true) => {
                let message = "its key is missing; set `server.tls_key`, too";
                self.tell(&keys(&["server", "tls_certificate"]), message);
            }
            _ => {}
        }
    }

    fn video(&mut self) {
        let config = self.config;
        self.refers(&["video", "pools"], &config.video.pools, "pool", config.pools.keys());
        self.refers(&["video", "models"], &config.video.models, "model", config.models.keys());
        if config.video.pools.is_empty() {
            self.tell(&keys(&["video", "pools"]), "at least one pool is needed");
        }
        if config.video.models.is_empty() {
            self.tell(&keys(&["video", "models"]), "at least one model is needed");
        }
    }

    /// Each name of a list is one of `known`, and is there once.
    fn refers<'k>(
        &mut self,
        list: &[&str],
        names: &[String],
        kind: &str,
        known: impl Iterator<Item = &'k String> + Clone,
    ) {
        for (nth, name) in names.iter().enumerate() {
            if !known.clone().any(|other| other == name) {
                self.unknown(&item(list, nth), name, kind, known.clone());
            } else if names[..nth].contains(name) {
                self.tell(&item(list, nth), &format!("{name:?} is in the list twice"));
            }
        }
    }

    fn unknown<'k>(
        &mut self,
        path: &[Step],
        name: &str,
        kind: &str,
        known: impl Iterator<Item = &'k String>,
    ) {
        let hint = words::hint(name, known.map(String::as_str));
        self.tell(path, &format!("there is no {kind} {}{hint}", words::quoted(name)));
    }

    fn upstream(&mut self, name: &str, upstream: &UpstreamConfig) {
        if upstream.kind != Kind::OpenAi && upstream.body != UpstreamBody::Auto {
            let message =
                format!("kind \"{}\" is always JSON; only kind \"openai\" has a choice", upstream.kind);
            self.tell(&keys(&["upstreams", name, "body"]), &message);
        }
        if upstream.lost_answer == LostAnswer::LookUp && !upstream.kind.can_list() {
            let message =
                format!("kind \"{}\" has no list of videos; only kind \"openai\" has", upstream.kind);
            self.tell(&keys(&["upstreams", name, "lost_answer"]), &message);
        }
    }

    fn pool(&mut self, name: &str, pool: &PoolConfig) {
        let config = self.config;
        let in_use = config.video.pools.iter().any(|other| other == name);
        let upstream = keys(&["pools", name, "upstream"]);
        match config.upstreams.get(&pool.upstream) {
            None if pool.upstream.is_empty() && in_use => {
                self.tell(&upstream, "missing; name the upstream that its tokens belong to");
            }
            None if pool.upstream.is_empty() => {}
            None => self.unknown(&upstream, &pool.upstream, "upstream", config.upstreams.keys()),
            Some(found) if found.base_url.is_empty() && in_use => {
                let path = keys(&["upstreams", &pool.upstream, "base_url"]);
                self.tell(&path, "missing; say where its API begins");
            }
            Some(_) => {}
        }
        if pool.delivers.is_empty() && in_use {
            let message = "missing; say what its tokens deliver, such as \
                           [{ resolution = \"720p\", max_seconds = 15 }]";
            self.tell(&keys(&["pools", name, "delivers"]), message);
        }
        if pool.quota_units > 0 && pool.quota_window.is_zero() && in_use {
            let message = "missing; say after how long the units of `quota_units` come back";
            self.tell(&keys(&["pools", name, "quota_window"]), message);
        }
        for (nth, capability) in pool.delivers.iter().enumerate() {
            self.capability(&item(&["pools", name, "delivers"], nth), pool, capability);
        }
        self.affordable(name, pool);
    }

    /// No video costs more than a token ever has: one that did would be waited for in vain.
    fn affordable(&mut self, name: &str, pool: &PoolConfig) {
        let pool = pool.pool(name);
        let Some(quota) = pool.quota else { return };
        let unaffordable = pool.delivers.iter().find_map(|capability| {
            let resolution = capability.resolution;
            let lengths = (1..=capability.max_seconds.get()).filter_map(|n| Seconds::new(n).ok());
            let mut shapes =
                lengths.map(|seconds| Shape { resolution, seconds, aspect_ratio: AspectRatio::R16x9 });
            shapes.find(|shape| pool.cost(shape) > quota.units)
        });
        let Some(shape) = unaffordable else { return };
        let message = format!(
            "a {} video of {}s costs {} units, more than a token ever has; raise this, or change `costs` or \
             `delivers`",
            shape.resolution,
            shape.seconds,
            pool.cost(&shape)
        );
        self.tell(&keys(&["pools", name, "quota_units"]), &message);
    }

    /// The models are there, and the upstream's dialect has the modes.
    fn capability(&mut self, at: &[Step], pool: &PoolConfig, capability: &Capability) {
        let config = self.config;
        let part = |list: &str, nth| [at, &[Step::Key(list.to_owned()), Step::Item(nth)]].concat();
        for (nth, model) in capability.models.iter().flatten().enumerate() {
            if !config.models.contains_key(model) {
                self.unknown(&part("models", nth), model, "model", config.models.keys());
            }
        }
        let Some(UpstreamConfig { kind, .. }) = config.upstreams.get(&pool.upstream) else { return };
        for (nth, mode) in capability.modes.iter().flatten().enumerate() {
            if !kind.modes().contains(mode) {
                let has =
                    kind.modes().iter().map(|mode| format!("\"{mode}\"")).collect::<Vec<_>>().join(", ");
                let message = format!("an upstream of kind \"{kind}\" has no \"{mode}\"; it has {has}");
                self.tell(&part("modes", nth), &message);
            }
        }
    }

    fn model(&mut self, name: &str, model: &ModelConfig) {
        let config = self.config;
        self.refers(&["models", name, "pools"], &model.pools, "pool", config.pools.keys());
        let offered = config.video.models.iter().any(|other| other == name);
        for (nth, pool) in model.pools.iter().enumerate() {
            if offered && config.pools.contains_key(pool) && !config.video.pools.contains(pool) {
                let message = format!("the pool {pool:?} is not in use; add it to `video.pools`");
                self.tell(&item(&["models", name, "pools"], nth), &message);
            }
        }
        for pool in model.upstream_names.keys().filter(|pool| !config.pools.contains_key(*pool)) {
            let path = keys(&["models", name, "upstream_names", pool]);
            self.unknown(&path, pool, "pool", config.pools.keys());
        }
    }

    /// A model's name or alias means one model.
    fn public_names(&mut self) {
        let config = self.config;
        let mut taken: BTreeMap<&str, Vec<Step>> = BTreeMap::new();
        for name in &config.video.models {
            taken.insert(name, keys(&["models", name]));
        }
        for name in &config.video.models {
            for (nth, alias) in config.models.get(name).into_iter().flat_map(|m| m.aliases.iter().enumerate())
            {
                let path = item(&["models", name, "aliases"], nth);
                let Some(other) = taken.insert(alias, path.clone()) else { continue };
                // The stronger layer made the conflict.
                let layer = |path: &[Step]| &self.tree.nearest(path).place.source.kind;
                let (later, earlier) =
                    if layer(&other) > layer(&path) { (other, path) } else { (path, other) };
                self.tell(&later, &format!("{alias:?} is the name of `{}` already", dotted(&earlier)));
            }
        }
    }
}

/// The path of an item of a list.
fn item(list: &[&str], nth: usize) -> Vec<Step> {
    let mut path = keys(list);
    path.push(Step::Item(nth));
    path
}
