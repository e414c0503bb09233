//! What the settings mean to the rest of the program.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use filmgate_domain::{Catalog, CatalogError, Mode, Model, Pool, Quota, RoutingSettings, Rules};

use super::{Config, ModelConfig, PoolConfig};

impl Config {
    /// The pools in use and the models on offer.
    ///
    /// # Errors
    /// When they do not fit together. Settings that [`load`](super::load) gave always do.
    pub fn catalog(&self) -> Result<Catalog, CatalogError> {
        let pools = self.video.pools.iter();
        let pools = pools.filter_map(|name| self.pool(name)).collect();
        let models = self.video.models.iter();
        let models =
            models.filter_map(|name| Some(self.models.get(name)?.model(name, &self.video.pools))).collect();
        Catalog::new(pools, models)
    }

    /// A pool, with what its upstream's dialect cannot do taken out.
    fn pool(&self, name: &str) -> Option<Pool> {
        let mut pool = self.pools.get(name)?.pool(name);
        let modes = self.upstreams.get(&*pool.upstream).map_or(&Mode::ALL[..], |of| of.kind.modes());
        if modes.len() < Mode::ALL.len() {
            for capability in &mut pool.delivers {
                capability.modes.get_or_insert_with(|| modes.to_vec());
            }
        }
        Some(pool)
    }

    /// The switches of `[video]`.
    pub fn routing(&self) -> RoutingSettings {
        RoutingSettings {
            smart_token_routing: self.video.smart_token_routing,
            allow_fallback_to_basic: self.video.allow_fallback_to_basic,
            log_fallback_warning: self.video.log_fallback_warning,
            allow_upgrade_to_super: self.video.allow_upgrade_to_super,
            upgrade_reserve: self.video.upgrade_reserve,
        }
    }

    /// The limits of jobs; those that are no settings are the domain's.
    pub fn rules(&self) -> Rules {
        Rules {
            max_attempts: self.jobs.max_attempts.get(),
            max_blames: self.jobs.max_blames.get(),
            slot_hold: self.jobs.slot_hold,
            charge: self.jobs.charge.clone(),
            ..Rules::default()
        }
    }

    /// The address that clients use, without a slash at its end. `listening` is where filmgate listens in
    /// fact, which is another port than the setting's where that was taken.
    pub fn public_url(&self, listening: SocketAddr) -> String {
        if self.server.public_url.is_empty() {
            format!("{}://{listening}", self.scheme())
        } else {
            self.server.public_url.clone()
        }
    }

    /// What the listener speaks: `http`, or `https` where it has a certificate.
    pub fn scheme(&self) -> &'static str {
        if self.server.tls_certificate.as_os_str().is_empty() { "http" } else { "https" }
    }

    /// Where finished videos are kept.
    pub fn media_dir(&self, data_dir: &Path) -> PathBuf {
        if self.media.dir.as_os_str().is_empty() { data_dir.join("media") } else { self.media.dir.clone() }
    }
}

impl PoolConfig {
    pub(super) fn pool(&self, name: &str) -> Pool {
        let quota = NonZeroU32::new(self.quota_units)
            .map(|units| Quota { units: units.get(), window: self.quota_window });
        Pool {
            name: name.into(),
            upstream: self.upstream.as_str().into(),
            delivers: self.delivers.clone(),
            quota,
            max_in_flight: (self.max_in_flight > 0).then_some(self.max_in_flight),
            submits_per_minute: (self.submits_per_minute > 0).then_some(self.submits_per_minute),
            costs: self.costs.clone(),
        }
    }
}

impl ModelConfig {
    fn model(&self, name: &str, in_use: &[String]) -> Model {
        let pools = if self.pools.is_empty() { in_use } else { &self.pools };
        let pools = pools.iter().map(|pool| {
            let upstream_name = self.upstream_names.get(pool).map_or(name, String::as_str);
            (pool.as_str().into(), upstream_name.into())
        });
        Model { name: name.into(), aliases: self.aliases.clone(), pools: pools.collect() }
    }
}
